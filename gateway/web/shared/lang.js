// In which language a page speaks. English is the key of every text and needs no catalogue; the others are one file each,
// fetched only where they are wanted. A text is text: nothing here makes HTML of it.

/** @import { Texts } from "/assets/lang-de.js" */

/** @typedef {"en" | "de" | "tr"} Tag */
/** A text in English. @typedef {keyof Texts} Key */
/** One without places. @typedef {{ [K in Key]: [Places<K>] extends [never] ? K : never }[Key]} Plain */
/** The places of a text, which stand in braces. @template {string} T
 * @typedef {T extends `${string}{${infer P}}${infer R}` ? P | Places<R> : never} Places */
/** What goes into them. @template {string} T @template V
 * @typedef {[Places<T>] extends [never] ? [] : [Record<Places<T>, V>]} Values */
/** A catalogue each of whose texts has the places of its English. @template {Record<string, string>} T
 * @typedef {{ [K in keyof T & string]: [Places<K>, Places<T[K]>] extends [Places<T[K]>, Places<K>] ? T[K] : never }} Fitting */

/** What a language calls itself. @type {Record<Tag, string>} */
export const LANGUAGES = { en: "English", de: "Deutsch", tr: "Türkçe" };
const KEPT = "language";
const PLACE = /\{([a-z0-9]+)\}/;

/** @type {Record<string, string> | null} */
let spoken = null;
/** @type {Tag} */
let now = "en";

/** The language that is spoken. */
export const language = () => now;

/** For `Intl`: English as the browser's own settings have it, where they are English. */
export function locale() {
  return navigator.language.split("-")[0] === now ? navigator.language : now === "en" ? "en-GB" : now;
}

/** Speaks a language from now on. @template {Record<Key, string>} T @param {Tag} tag @param {(T & Fitting<T>) | null} texts */
export function use(tag, texts) {
  now = tag;
  spoken = texts;
}

/** A text, its places filled. @template {Key} K @param {K} key @param {Values<K, string | number>} values */
export const t = (key, ...values) => pieces(key, values[0]).join("");

/** The same with elements in its places. @template {Key} K @param {K} key @param {Values<K, Node | string>} values */
export function told(key, ...values) {
  const fragment = document.createDocumentFragment();
  fragment.append(...pieces(key, values[0]));
  return fragment;
}

/** The one form or the other, as the language counts. @param {number} count @param {Key} one @param {Key} other
 * @param {Record<string, number>} values */
export function counted(count, one, other, values) {
  const key = new Intl.PluralRules(now).select(count) === "one" ? one : other;
  return pieces(key, values).join("");
}

/** A text of the gateway: translated where it is known, otherwise as it came. @param {string} text */
export const known = (text) => (spoken !== null && Object.hasOwn(spoken, text) ? (spoken[text] ?? text) : text);

/** What is filled in is never read as a place. @template V @param {string} key @param {Record<string, V> | undefined} values
 * @returns {(V | string)[]} */
function pieces(key, values) {
  return known(key)
    .split(PLACE)
    .map((piece, at) => (at % 2 === 0 ? piece : (values?.[piece] ?? `{${piece}}`)));
}

/** @param {unknown} tag @returns {tag is Tag} */
const isTag = (tag) => typeof tag === "string" && Object.hasOwn(LANGUAGES, tag);

/** What the person chose on this device, if anything. @returns {Tag | null} */
export function chosen() {
  try {
    const kept = localStorage.getItem(KEPT);
    return isTag(kept) ? kept : null;
  } catch {
    return null;
  }
}

/** Keeps a choice; without one the browser's settings count again. @param {string} tag */
export function choose(tag) {
  try {
    if (isTag(tag)) localStorage.setItem(KEPT, tag);
    else localStorage.removeItem(KEPT);
  } catch {
    // Without storage it holds for this page alone.
  }
}

/** The choice, else the first language of the browser that there is, else English. @returns {Tag} */
function wanted() {
  const first = navigator.languages.map((tag) => tag.split("-")[0]).find(isTag);
  return chosen() ?? first ?? "en";
}

/** Begins to speak, and says what stands on the page itself. A catalogue that does not come leaves English. */
export async function speak() {
  const tag = wanted();
  try {
    if (tag === "de") use(tag, (await import("/assets/lang-de.js")).default);
    else if (tag === "tr") use(tag, (await import("/assets/lang-tr.js")).default);
    else use("en", null);
  } catch {
    use("en", null);
  }
  document.documentElement.lang = now;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = known(element.textContent);
  for (const element of document.querySelectorAll("[data-label]")) element.ariaLabel = known(element.ariaLabel ?? "");
}

/** The choice as a list; after another choice the page begins again. @param {string} automatic how "as the browser has it" is called
 * @param {string} label @param {string} id */
export function chooser(automatic, label, id) {
  const select = document.createElement("select");
  select.className = "input";
  select.id = id;
  select.setAttribute("aria-label", label);
  select.append(new Option(automatic, ""), ...Object.entries(LANGUAGES).map(([tag, name]) => new Option(name, tag)));
  for (const option of select.options) if (option.value !== "") option.lang = option.value;
  select.value = chosen() ?? "";
  select.addEventListener("change", () => {
    choose(select.value);
    location.reload();
  });
  return select;
}
