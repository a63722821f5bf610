// The command of a request: as sudo resolved it, and each argument apart. When it is long, or part of it is missing, it
// is folded, and must be opened before Approve works.

import { button, fact, h, notice, outside, p } from "/assets/dom.js";
import { t } from "/assets/lang.js";
import { ends } from "/assets/text.js";

/** @import { Statement } from "/assets/request.js" */
/** @import { Child } from "/assets/dom.js" */

/** What is longer is folded: characters of one text, characters of all together, arguments. */
const ONE = 240;
const TOGETHER = 600;
const ARGUMENTS = 8;

/** @typedef {NonNullable<Statement["cmd"]>} Command */

/** @param {Command} command */
export function isLong({ resolved, args, truncated }) {
  const texts = resolved === undefined ? args : [resolved, ...args];
  const together = texts.reduce((sum, text) => sum + text.length, 0);
  return truncated || args.length > ARGUMENTS || together > TOGETHER || texts.some((text) => text.length > ONE);
}

/**
 * The rows of the command, and whether it is folded; `opened` is called when it is not any more.
 * @param {Statement} statement @param {() => void} opened
 */
export function command({ svc, cmd }, opened) {
  if (cmd === undefined) {
    const sudo = svc.startsWith("sudo");
    return { rows: sudo ? [fact(t("Command"), t("none is part of this request"))] : [], folded: false };
  }
  const folded = isLong(cmd);
  const resolved = h("p");
  const asked = h("div", { class: "asked" });
  const draw = (/** @type {boolean} */ whole) => {
    if (cmd.resolved !== undefined) resolved.replaceChildren(line(cmd.resolved, whole));
    asked.replaceChildren(...args(cmd, whole, folded));
  };
  const typed = h("p", { class: "soft small" }, t("as typed, each argument apart:"));
  const box = h("dd", { class: "command" }, ...(cmd.resolved === undefined ? [] : [resolved, typed]), asked);
  const open = () => {
    draw(true);
    box.tabIndex = -1;
    box.focus({ preventScroll: true });
    opener.remove();
    opened();
  };
  const size = [cmd.resolved ?? "", ...cmd.args].reduce((sum, text) => sum + [...text].length, 0);
  const opener = h(
    "div",
    { class: "opener" },
    button(t("Show all: {count} arguments, {size} characters", { count: cmd.args.length, size }), "block", open),
  );
  draw(!folded);
  const name = cmd.resolved === undefined ? t("Command, each argument as typed") : t("Command, as sudo resolved it");
  const rows = [
    h("div", { class: "wide" }, h("dt", null, name), box),
    cmd.truncated &&
      h(
        "div",
        { class: "wide" },
        h("dt", { class: "unseen" }, t("Warning")),
        h("dd", null, notice("bad", t("Part of the command is missing"), p(t("It was too long to be sent whole. What is missing may be anything: deny unless you know it.")))),
      ),
    folded && h("div", { class: "wide" }, h("dt", { class: "unseen" }, t("Folded")), h("dd", null, opener)),
  ];
  return { rows: rows.filter((row) => row !== false), folded };
}

/** @param {string} text @param {boolean} whole @returns {Node} */
function line(text, whole) {
  return h("code", { class: "mono" }, ...shortened(text, whole));
}

/** @param {string} text @param {boolean} whole @returns {Child[]} */
function shortened(text, whole) {
  const cut = whole ? null : ends(text, ONE);
  if (cut === null) return [outside(text)];
  return [outside(cut.head), h("span", { class: "gone" }, t(" … {gone} characters … ", { gone: cut.gone })), outside(cut.tail)];
}

/** Each argument apart: in a row where they are few and short, one below the other where they are not.
 * @param {Command} command @param {boolean} whole @param {boolean} long @returns {Node[]} */
function args({ args }, whole, long) {
  if (args.length === 0) return [h("p", { class: "soft small" }, t("no arguments"))];
  const item = (/** @type {number} */ at) =>
    h("li", { value: at + 1 }, h("code", { class: "mono" }, ...shortened(args[at] ?? "", whole)));
  const count = args.length;
  const middle = !whole && count > ARGUMENTS;
  const shown = middle ? [0, 1, 2, 3, count - 2, count - 1] : args.map((_, at) => at);
  const items = shown.map(item);
  if (middle) items.splice(4, 0, h("li", { class: "gone", value: 5 }, t("… {count} more arguments …", { count: count - 6 })));
  return [h("ol", { class: `arguments ${long ? "listed" : "in-a-row"}` }, ...items)];
}
