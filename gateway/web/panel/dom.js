// Building pages: elements from names, text as text and nothing else. There is no way here to give HTML as a string.

import { known, t } from "/assets/lang.js";

/** @typedef {Node | string | null | undefined | false} Child */
/** @typedef {Record<string, string | number | boolean | undefined | ((event: any) => void)>} Attributes */

/**
 * An element. `on…` attributes are listeners; `false` and `undefined` leave an attribute out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name @param {Attributes | null} [attributes] @param {Child[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element of an id that every page has. @param {string} id @returns {HTMLElement} */
export function part(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

/** @param {string} label @param {string} look @param {(event: Event) => void} press @param {Attributes} [more] */
export const button = (label, look, press, more) =>
  h("button", { type: "button", class: `button ${look}`, onclick: press, ...more }, label);

/** @param {"" | "good" | "warn" | "bad"} kind @param {string} head @param {Child[]} children */
export const notice = (kind, head, ...children) =>
  h("div", { class: `notice ${kind}` }, h("strong", null, head), ...children);

/** A topic of the help page. @typedef {"start" | "request" | "not-me" | "silent" | "lost" | "phone" | "codes" | "sign-in" | "clock" | "home-screen" | "lock" | "language" | "who"} Topic */

/** A link to one of them, in a tab of its own: what stands here may be shown only once. @param {Topic} topic */
export const helpAbout = (topic) =>
  h("a", { class: "button quiet about", href: `/panel/help#${topic}`, target: "_blank", rel: "noopener" }, t("Help with this"));

/** @param {string} text @param {string} [look] */
export const p = (text, look) => h("p", { class: look }, text);

/** The page's content, from now on. @param {Child[]} children */
export function show(...children) {
  part("content").replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
}

/** What happened, said aloud by screen readers; nothing takes it away. @param {Node} [what] */
export function say(what) {
  part("said").replaceChildren(...(what === undefined ? [] : [what]));
}

/** The page's heading and title. @param {string} text */
export function heading(text) {
  const h1 = document.querySelector("h1");
  if (h1 !== null) h1.textContent = text;
  document.title = `${text} – Assent`;
}

/** Screen readers begin at the heading: the page says something else now. */
export function focusHeading() {
  document.querySelector("h1")?.focus();
}

/**
 * A field with its label, a hint and a place for what is wrong with it.
 * @param {string} id @param {string} label @param {Attributes} input @param {string} [hint]
 */
export function field(id, label, input, hint) {
  const problem = h("p", { class: "problem", id: `${id}-problem`, role: "alert" });
  const described = [hint === undefined ? "" : `${id}-hint`, problem.id].join(" ").trim();
  const box = h("input", { class: "input", id, "aria-describedby": described, ...input });
  const all = h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    hint !== undefined && h("p", { class: "hint", id: `${id}-hint` }, hint),
    box,
    problem,
  );
  /** @param {string} text */
  const wrong = (text) => {
    problem.textContent = text;
    box.toggleAttribute("aria-invalid", text !== "");
    if (text !== "") box.setAttribute("aria-invalid", "true");
  };
  return { all, box, wrong };
}

/** A button that copies a text, which stands in `where`. @param {string} text @param {import("/assets/lang.js").Plain} label @param {Node} where */
export function copies(text, label, where) {
  const copy = button(known(label), "", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = t("Copied");
    } catch {
      // Without the permission: marked, so that the keyboard's own copy works.
      getSelection()?.selectAllChildren(where);
      copy.textContent = t("Marked: copy it");
    }
    setTimeout(() => (copy.textContent = known(label)), 4000);
  });
  return copy;
}

/** Text to be carried elsewhere, with a button that copies it. @param {string} text @param {import("/assets/lang.js").Plain} label */
export function carry(text, label) {
  const code = h("code", { class: "mono" }, text);
  return h("div", { class: "carry" }, code, copies(text, label, code));
}

/** A form that is sent by script alone; presses while it is under way are ignored. @param {() => Promise<void>} send */
export function submits(send) {
  let busy = false;
  return async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    try {
      await send();
    } finally {
      busy = false;
    }
  };
}
