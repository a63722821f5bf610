// Settings of notifications: on and off, what they say, and whether Approve may stand on them (R11).

import { button, h, notice, once, p } from "/assets/dom.js";
import { helpAbout } from "/assets/help-link.js";
import { t } from "/assets/lang.js";
import { visible } from "/assets/text.js";
import { day } from "/assets/words.js";

/** @import { Notifying, Stands } from "/assets/notifying.js" */
/** @import { Notifications } from "/assets/vault.js" */

/** @param {Notifying} notifying */
export function notifications(notifying) {
  const content = h("div", { class: "stack" }, p(t("Asking the browser …")));
  const draw = async () => {
    const { stands, settings } = await notifying.state();
    content.replaceChildren(...shown(stands, settings, notifying, draw));
  };
  const failed = (/** @type {unknown} */ error) => content.replaceChildren(...problem(error));
  void draw().catch(failed);
  return h("section", { class: "card", "aria-labelledby": "notifications" }, h("h2", { id: "notifications" }, t("Notifications")), content);
}

/** @param {unknown} error */
const problem = (error) => [p(t("They cannot be set now: {message}.", { message: visible(error instanceof Error ? error.message : "unknown error") })), helpAbout("silent")];

/** @param {Stands} stands @param {Notifications} settings @param {Notifying} notifying @param {() => Promise<void>} draw */
function shown(stands, settings, notifying, draw) {
  const then = (/** @type {() => Promise<void>} */ act) =>
    once(async () => {
      await act();
      await draw();
    });
  const on = then(() => notifying.turnOn());
  const off = then(() => notifying.turnOff());
  switch (stands.name) {
    case "unable":
      return [p(t("This browser cannot show them. On an iPhone or iPad, install Assent on the Home Screen first.")), helpAbout("home-screen")];
    case "forbidden":
      return [p(t("You have forbidden them to this page. Allow them in the browser’s settings for this page first.")), helpAbout("silent")];
    case "unwanted":
      return [
        p(t("This device can tell you of a request while Assent is closed. The push service of your browser’s maker learns when you are asked, and nothing else.")),
        button(t("Turn on"), "primary block", () => void on()),
      ];
    case "off":
      return [p(t("This gateway sends none.")), button(t("Turn off"), "block", () => void off())];
    case "failed":
      return [
        notice("warn", t("They do not work now"), p(t("{why}. It is tried again whenever you open Assent.", { why: visible(stands.why) }))),
        button(t("Try again"), "block", () => void on()),
        button(t("Turn off"), "block", () => void off()),
      ];
    case "on":
      return [
        p(t("On. Open Assent once a month at least: a browser stops delivering to pages that are never opened.")),
        ...(stands.silent === null ? [] : [notice("warn", t("Something did not arrive"), p(t("Nothing that was sent since {since} has come here. It is set up anew now.", { since: day(stands.silent) })))]),
        ...choices(settings, notifying),
        button(t("Turn off"), "block", () => void off()),
      ];
  }
}

/** @param {Notifications} settings @param {Notifying} notifying */
function choices({ text, approve }, notifying) {
  const option = (/** @type {string} */ id, /** @type {string} */ label, /** @type {string} */ hint, /** @type {boolean} */ checked, /** @type {(now: boolean) => Partial<Notifications>} */ change) => {
    const box = h("input", { type: "checkbox", id, "aria-describedby": `${id}-hint`, onchange: () => void notifying.set(change(box.checked)) });
    box.checked = checked;
    return h(
      "div",
      null,
      h("label", { class: "choice", for: id }, box, label),
      h("p", { class: "soft small", id: `${id}-hint` }, hint),
    );
  };
  return [
    option("say-names", t("Say which service and host"), t("Anybody who sees the locked screen can read it. Without, it says “A sign-in is waiting”."), text === "names", (now) => ({ text: now ? "names" : "plain" })),
    option("may-approve", t("Approve from the notification"), t("Only where service and host are said and one tap is enough, never for sudo, and never from a new address. Whoever holds this device can press it."), approve, (now) => ({ approve: now })),
  ];
}
