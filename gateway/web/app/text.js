// Text that came from outside, and the one way in which it may be shown (R68). Beside proto/src/text.rs.

// Controls, separators, marks of direction, invisible and tag characters, every blank but the blank, our own bracket.
const ODD =
  /[\p{Cc}\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u2028-\u202E\u2060-\u206F\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFC\uFFFE\uFFFF\u{13430}-\u{1345F}\u{16FE4}\u{1BCA0}-\u{1BCA3}\u{1D159}\u{1D173}-\u{1D17A}\u{E0000}-\u{E0FFF}\u27E8]|(?! )\p{White_Space}/gu;

/** @typedef {{ text: string, odd: boolean }} Part */

/** @param {string} c */
const spelled = (c) => `⟨U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`;

/** The text with every odd character spelled out. @param {string} text */
export const visible = (text) => text.replaceAll(ODD, spelled);

/** The same in parts, so that what is spelled out can be marked. @param {string} text @returns {Part[]} */
export function parts(text) {
  /** @type {Part[]} */
  const found = [];
  let from = 0;
  for (const match of text.matchAll(ODD)) {
    if (match.index > from) found.push({ text: text.slice(from, match.index), odd: false });
    found.push({ text: spelled(match[0]), odd: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push({ text: text.slice(from), odd: false });
  return found;
}

/** Keeps head and tail, and says how much is gone; cuts the text as it came. @param {string} text @param {number} max */
export function ends(text, max) {
  const characters = [...text];
  if (characters.length <= max) return null;
  const keep = Math.floor(max / 2);
  return {
    head: characters.slice(0, keep).join(""),
    gone: characters.length - 2 * keep,
    tail: characters.slice(-keep).join(""),
  };
}
