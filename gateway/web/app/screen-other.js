// The screens for what is out of the ordinary: keys that are gone, the app open elsewhere, storage that fails.

import { button, h, outside, p } from "/assets/dom.js";
import { helpAbout } from "/assets/help-link.js";
import { t, told } from "/assets/lang.js";

/** @import { Screen } from "/assets/screen-welcome.js" */
/** @import { Unusable } from "/assets/unusable.js" */

/**
 * Registrations that cannot be used, each with its cause. Never passed over in silence. `again` tries anew, `forget` takes
 * away the record of keys that are gone, `remove` deletes what is over or damaged.
 * @param {{ lost: Unusable[], enrol: () => void, again: () => void, forget: () => void, remove: () => void,
 *   later: (() => void) | null }} shown @returns {Screen}
 */
export function lost({ lost, enrol, again, forget, remove, later }) {
  const is = (/** @type {Unusable["kind"][]} */ ...kinds) => lost.some((one) => kinds.includes(one.kind));
  const heads = [...new Set(lost.map((one) => one.head))];
  const [only = ""] = heads;
  const title = heads.length === 1 ? only : t("Some registrations cannot be used");
  const renew = is("gone", "ended", "damaged");
  const item = (/** @type {Unusable} */ { mark, head, why }) =>
    h(
      "li",
      null,
      h(
        "div",
        { class: "main" },
        h("strong", null, told("{name}, as “{label}”", { name: outside(mark.name), label: outside(mark.label) })),
        h("span", { class: "soft small" }, outside(mark.relay)),
        heads.length > 1 && h("span", null, head),
        h("span", { class: "small" }, why),
      ),
    );
  const node = h(
    "div",
    { class: "stack loose" },
    h("h1", { tabindex: -1 }, title),
    ...[...new Set(lost.map((one) => one.text))].map(p),
    h("ul", { class: "items card" }, ...lost.map(item)),
    renew && steps(),
    h(
      "div",
      { class: "stack" },
      is("clock") && button(t("Try again"), "primary large block", again),
      renew && button(t("Register again"), `${is("clock") ? "" : "primary "}large block`, enrol),
      is("gone") && button(t("Do not remind me"), "large block", forget),
      later !== null && button(t("Go on without it"), "large block", later),
      is("ended", "damaged") && removal(remove),
    ),
    h("div", null, helpAbout(renew ? "phone" : "clock")),
  );
  return { title, node };
}

const steps = () =>
  h(
    "ol",
    { class: "steps" },
    h("li", null, t("Get a new code: from the Register Panel with another device, or from your administrator.")),
    h("li", null, t("Register this device again.")),
    h("li", null, t("Have the old entry removed from the list of your devices.")),
  );

/** Keys go only when the person has said twice that they may. @param {() => void} remove */
function removal(remove) {
  const dialog = h("dialog", { "aria-labelledby": "removal" });
  dialog.append(
    h(
      "div",
      { class: "stack" },
      h("h2", { id: "removal" }, t("Delete these keys?")),
      p(t("They cannot be brought back.")),
      h("div", { class: "two" }, button(t("Keep"), "", () => dialog.close()), button(t("Delete"), "danger primary", remove)),
    ),
  );
  return h("div", null, button(t("Delete its keys …"), "danger block", () => dialog.showModal()), dialog);
}

/** @param {{ here: () => void }} ways @returns {Screen} */
export function elsewhere({ here }) {
  const node = h(
    "div",
    { class: "stack loose" },
    h("h1", { tabindex: -1 }, t("Assent is open in another tab")),
    p(t("Requests are shown and answered there, so that each is answered once.")),
    button(t("Use this tab"), "primary large block", here),
  );
  return { title: t("Open elsewhere"), node };
}

/** @param {string} why @returns {Screen} */
export function broken(why) {
  const node = h(
    "div",
    { class: "stack loose" },
    h("h1", { tabindex: -1 }, t("Assent cannot run here")),
    h("p", { role: "alert" }, outside(why)),
    button(t("Load it again"), "large block", () => location.reload()),
    h("div", null, helpAbout("who")),
  );
  return { title: t("Cannot run"), node };
}
