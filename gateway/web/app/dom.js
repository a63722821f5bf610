// Building pages: elements from names, text as text and nothing else. There is no way here to give HTML as a string.

import { parts } from "/assets/text.js";

/** @typedef {Node | string | null | undefined | false} Child */
/** @typedef {Record<string, string | number | boolean | undefined | ((event: Event) => void)>} Attributes */

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

/** Text from outside: odd characters spelled out and marked (R68). @param {string} text */
export function outside(text) {
  const fragment = document.createDocumentFragment();
  for (const part of parts(text)) {
    fragment.append(part.odd ? h("span", { class: "odd" }, part.text) : part.text);
  }
  return fragment;
}

/** @param {string} label @param {string} look @param {(event: Event) => void} press @param {Attributes} [more] */
export const button = (label, look, press, more) =>
  h("button", { type: "button", class: `button ${look}`, onclick: press, ...more }, label);

/** @param {"" | "good" | "warn" | "bad"} kind @param {string} head @param {Child[]} children */
export const notice = (kind, head, ...children) =>
  h("div", { class: `notice ${kind}` }, h("strong", null, head), ...children);

/** One row of facts. @param {string} name @param {Child[]} value */
export const fact = (name, ...value) => h("div", null, h("dt", null, name), h("dd", null, ...value));

/** @param {string} text */
export const p = (text) => h("p", null, text);

/** Calls once at a time: presses during a call are ignored. @param {() => Promise<void>} act */
export function once(act) {
  let busy = false;
  return async () => {
    if (busy) return;
    busy = true;
    try {
      await act();
    } finally {
      busy = false;
    }
  };
}
