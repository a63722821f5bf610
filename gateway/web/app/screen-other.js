// The screens for what is out of the ordinary: keys that are gone, the app open elsewhere, storage that fails.

import { button, h, outside, p } from "/assets/dom.js";

/** @import { Screen } from "/assets/screen-welcome.js" */
/** @import { Mark } from "/assets/vault.js" */

/** A registration that cannot be used, and why. @typedef {{ mark: Mark, why: string, keysGone: boolean }} Unusable */

/**
 * Keys are gone while the record says that there were some. Never passed over in silence.
 * @param {{ lost: Unusable[], enrol: () => void, forget: () => void }} shown @returns {Screen}
 */
export function lost({ lost, enrol, forget }) {
  const gone = lost.some((one) => one.keysGone);
  const item = (/** @type {Unusable} */ { mark, why }) =>
    h(
      "li",
      null,
      h(
        "div",
        { class: "main" },
        h("strong", null, outside(mark.name), ", as “", outside(mark.label), "”"),
        h("span", { class: "soft small" }, outside(mark.relay)),
        h("span", { class: "small" }, outside(why)),
      ),
    );
  const node = h(
    "div",
    { class: "stack loose" },
    h("h1", { tabindex: -1 }, gone ? "This device’s keys are gone" : "This registration has ended"),
    gone &&
      p(
        "The browser has deleted them, or its data was cleared. Nobody can have read them, but this device cannot approve any more until it is registered anew.",
      ),
    h("ul", { class: "items card" }, ...lost.map(item)),
    h(
      "ol",
      { class: "steps" },
      h("li", null, "Get a new code: from the Register Panel with another device, or from your administrator."),
      h("li", null, "Register this device again."),
      h("li", null, "Have the old entry removed from the list of your devices."),
    ),
    h(
      "div",
      { class: "stack" },
      button("Register again", "primary large block", enrol),
      button("Do not remind me", "large block", forget),
    ),
  );
  return { title: "Keys are gone", node };
}

/** @param {{ here: () => void }} ways @returns {Screen} */
export function elsewhere({ here }) {
  const node = h(
    "div",
    { class: "stack loose" },
    h("h1", { tabindex: -1 }, "Assent is open in another tab"),
    p("Requests are shown and answered there, so that each is answered once."),
    button("Use this tab", "primary large block", here),
  );
  return { title: "Open elsewhere", node };
}

/** @param {string} why @returns {Screen} */
export function broken(why) {
  const node = h(
    "div",
    { class: "stack loose" },
    h("h1", { tabindex: -1 }, "Assent cannot run here"),
    h("p", { role: "alert" }, outside(why)),
  );
  return { title: "Cannot run", node };
}
