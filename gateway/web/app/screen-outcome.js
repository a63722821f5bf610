// What became of a request: what was decided, whether it got through, and the truth when it came too late.

import { button, h, outside } from "/assets/dom.js";
import { helpAbout } from "/assets/help-link.js";
import { known, t, told } from "/assets/lang.js";
import { ago, service } from "/assets/words.js";

/** @import { Waiting } from "/assets/desk.js" */
/** @import { Screen } from "/assets/screen-welcome.js" */
/** @import { Became } from "/assets/vault.js" */

/** `sending`: a decision that is on its way. @typedef {Became | "sending"} Outcome */

/** @type {Record<Outcome, { head: import("/assets/lang.js").Plain | "…", mark: string, look: string }>} */
const HEADS = {
  sending: { head: "Sending …", mark: "…", look: "" },
  approve: { head: "Approved", mark: "✓", look: "good" },
  deny: { head: "Denied", mark: "✕", look: "" },
  report: { head: "Denied and reported", mark: "!", look: "bad" },
  expired: { head: "Expired", mark: "–", look: "" },
  ended: { head: "No answer needed any more", mark: "–", look: "" },
  late: { head: "Too late", mark: "–", look: "warn" },
  unsent: { head: "Not sent", mark: "!", look: "warn" },
};

/** @param {Outcome} outcome @param {number} since milliseconds since the request's end @param {string} why */
function sentences(outcome, since, why) {
  switch (outcome) {
    case "sending":
      return [t("Your answer is on its way.")];
    case "approve":
      return [t("Your answer was sent. The host checks it and decides.")];
    case "deny":
      return [t("Your answer was sent. The host lets nobody in with this request.")];
    case "report":
      return [
        t("Your answer was sent. The host refuses this login and records that it was not you."),
        t("Somebody may know your password. Change it, and tell your administrator."),
      ];
    case "expired":
      return [
        t("It expired {ago}; nothing was allowed.", { ago: ago(since) }),
        t("If you still want it, start it again where you signed in."),
        t("If you did not start this login, somebody may know your password: tell your administrator."),
      ];
    case "ended":
      return [t("The login ended before you answered here. Nothing was allowed by this device.")];
    case "late":
      return [
        t("The request ended {ago}, before your answer arrived; nothing was allowed by it.", { ago: ago(since) }),
        t("If you still want it, start it again where you signed in."),
        t("If you did not start this login, somebody may know your password: tell your administrator."),
      ];
    case "unsent":
      return [
        t("Your answer did not reach the gateway: {why}. Nothing was allowed.", { why }),
        t("Check this device’s network. While the request waits, you can answer it again."),
      ];
  }
}

/**
 * @param {{ waiting: Waiting, next: () => string, done: () => void }} shown
 * @returns {Screen & { become: (outcome: Outcome, why?: string) => void, recount: () => void }}
 */
export function outcome({ waiting, next, done }) {
  const { statement } = waiting.request;
  const mark = h("p", { class: "outcome-mark", "aria-hidden": "true" });
  const heading = h("h1", { tabindex: -1 });
  const text = h("div", { class: "stack tight" });
  const go = button("", "primary large block", done);
  const about = helpAbout("not-me");
  const node = h(
    "div",
    { class: "stack loose outcome" },
    h("div", { class: "stack center" }, mark, heading, h("div", { role: "status" }, text)),
    h(
      "p",
      { class: "soft center" },
      told("{what} on {host} as {user}", {
        what: service(statement),
        host: outside(statement.host.display),
        user: outside(statement.user),
      }),
      h("br"),
      t("Login id "),
      h("span", { class: "mono" }, outside(statement.login)),
    ),
    go,
    about,
  );
  /** @type {Outcome} */
  let now = "sending";
  let because = "";
  const draw = () => {
    const lines = sentences(now, -waiting.ends.left(), because);
    if (text.childElementCount !== lines.length) text.replaceChildren(...lines.map(() => h("p")));
    for (const [at, line] of lines.entries()) {
      const old = text.children[at];
      if (old !== undefined && old.textContent !== line) old.textContent = line;
    }
  };
  const screen = {
    title: "",
    node,
    tick: draw,
    recount: () => {
      go.textContent = next();
    },
    become: (/** @type {Outcome} */ outcome, why = "") => {
      now = outcome;
      because = why;
      const { head, mark: sign, look } = HEADS[outcome];
      heading.textContent = known(head);
      mark.textContent = sign;
      mark.className = `outcome-mark ${look}`;
      screen.title = known(head);
      go.hidden = outcome === "sending";
      about.hidden = outcome !== "report";
      draw();
      screen.recount();
    },
  };
  screen.become("sending");
  return screen;
}
