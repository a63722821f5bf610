// Settings of notifications: on and off, what they say, and whether Approve may stand on them (R11).

import { button, h, notice, once, p } from "/assets/dom.js";
import { visible } from "/assets/text.js";
import { day } from "/assets/words.js";

/** @import { Notifying, Stands } from "/assets/notifying.js" */
/** @import { Notifications } from "/assets/vault.js" */

/** @param {Notifying} notifying */
export function notifications(notifying) {
  const content = h("div", { class: "stack" }, p("Asking the browser …"));
  const draw = async () => {
    const { stands, settings } = await notifying.state();
    content.replaceChildren(...shown(stands, settings, notifying, draw));
  };
  const failed = (/** @type {unknown} */ error) => content.replaceChildren(...problem(error));
  void draw().catch(failed);
  return h("section", { class: "card", "aria-labelledby": "notifications" }, h("h2", { id: "notifications" }, "Notifications"), content);
}

/** @param {unknown} error */
const problem = (error) => [p(`They cannot be set now: ${visible(error instanceof Error ? error.message : "unknown error")}.`)];

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
      return [p("This browser cannot show them. On an iPhone or iPad, install Assent on the Home Screen first.")];
    case "forbidden":
      return [p("You have forbidden them to this page. Allow them in the browser’s settings for this page first.")];
    case "unwanted":
      return [
        p("This device can tell you of a request while Assent is closed. The push service of your browser’s maker learns when you are asked, and nothing else."),
        button("Turn on", "primary block", () => void on()),
      ];
    case "off":
      return [p("This gateway sends none."), button("Turn off", "block", () => void off())];
    case "failed":
      return [
        notice("warn", "They do not work now", p(`${visible(stands.why)}. It is tried again whenever you open Assent.`)),
        button("Try again", "block", () => void on()),
        button("Turn off", "block", () => void off()),
      ];
    case "on":
      return [
        p("On. Open Assent once a month at least: a browser stops delivering to pages that are never opened."),
        ...(stands.silent === null ? [] : [notice("warn", "Something did not arrive", p(`Nothing that was sent since ${day(stands.silent)} has come here. It is set up anew now.`))]),
        ...choices(settings, notifying),
        button("Turn off", "block", () => void off()),
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
    option("say-names", "Say which service and host", "Anybody who sees the locked screen can read it. Without, it says “A sign-in is waiting”.", text === "names", (now) => ({ text: now ? "names" : "plain" })),
    option("may-approve", "Approve from the notification", "Only where service and host are said and one tap is enough, never for sudo, and never from a new address. Whoever holds this device can press it.", approve, (now) => ({ approve: now })),
  ];
}
