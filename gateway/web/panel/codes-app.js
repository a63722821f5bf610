// Setting up an authenticator app: its QR code, the same to be typed, and the app's first code, from which on it counts.

import { post, Problem } from "/assets/api.js";
import { button, copies, field, focusHeading, h, heading, notice, p, part, say, show, submits } from "/assets/dom.js";
import { t, told } from "/assets/lang.js";
import { draw } from "/assets/qr.js";
import { report } from "/assets/session.js";
import { countdown, sentence } from "/assets/words.js";

/** @typedef {{ id: string, uri: string, qr: import("/assets/qr.js").Matrix, left: number }} Opened */
/** @typedef {{ done: () => Promise<void>, again: () => Promise<void> }} Ends */

/** Largest code in pixels. */
const ROOM = 350;
/** Characters of the secret that are typed at a glance. */
const GROUP = /.{1,4}/g;

/** @param {Opened} opened @param {Ends} ends */
export function setUpApp({ id, uri, qr, left }, { done, again }) {
  heading(t("Set up your authenticator app"));
  say();
  const over = () => drawOver(again);
  const rest = h("span", { class: "left" });
  const stop = countdown(rest, left, over);
  const figure = h("figure", { class: "code" });
  const room = Math.min(ROOM, part("content").clientWidth - 2);
  figure.append(draw(qr, room, t("QR code for the app. The secret that it holds stands on this page as text.")));
  show(
    h(
      "div",
      { class: "scan" },
      h(
        "section",
        { class: "card", "aria-label": t("Code for the app") },
        figure,
        h("p", { class: "center" }, told("It waits for the first code, for {time} more.", { time: rest })),
      ),
      h(
        "div",
        { class: "stack" },
        h(
          "section",
          { class: "card", "aria-label": t("What to do") },
          h(
            "ol",
            { class: "steps" },
            h("li", null, t("In your authenticator app, add an account and scan this code.")),
            h("li", null, t("Type the six digits that the app then shows.")),
          ),
          firstCode(id, { done, over, stop }),
        ),
        byHand(uri),
      ),
    ),
  );
  focusHeading();
}

/** @param {string} id @param {{ done: () => Promise<void>, over: () => void, stop: () => void }} ends */
function firstCode(id, { done, over, stop }) {
  const code = field("first-code", t("The app’s first code"), {
    class: "input number",
    inputmode: "numeric",
    autocomplete: "one-time-code",
    maxlength: 7,
    required: true,
  });
  const wrong = (/** @type {string} */ text) => {
    code.wrong(text);
    code.box.focus();
  };
  const send = async () => {
    const typed = code.box.value.replaceAll(/[\s-]/g, "");
    if (!/^\d{6}$/.test(typed)) return wrong(t("Type all six digits."));
    try {
      await post(`codes/totp/${id}`, { code: typed });
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.code === "no_session") return report(problem);
      if (problem.code !== "not_found") return wrong(sentence(problem.message));
      stop();
      return over();
    }
    stop();
    await done();
  };
  code.box.addEventListener("input", () => code.wrong(""));
  return h(
    "form",
    { class: "digits-form", novalidate: true, onsubmit: submits(send) },
    code.all,
    h(
      "div",
      { class: "row" },
      h("button", { type: "submit", class: "button primary" }, t("Confirm")),
      h("a", { class: "button", href: "/panel/" }, t("Cancel")),
    ),
  );
}

/** For whoever cannot scan. @param {string} uri */
function byHand(uri) {
  const { pathname, searchParams } = new URL(uri);
  const secret = searchParams.get("secret") ?? "";
  const account = decodeURIComponent(pathname.split("/").at(-1) ?? "");
  const groups = (secret.match(GROUP) ?? []).map((group) => h("span", null, group));
  const shown = h("code", { class: "mono groups" }, ...groups);
  return h(
    "section",
    { class: "card" },
    h("h2", null, t("No camera at hand?")),
    p(t("Type this secret into the app, as the time-based account “{account}”. Give it to nobody.", { account }), "small"),
    h("div", { class: "carry" }, shown, copies(secret, "Copy secret", shown)),
    h("div", { class: "row" }, h("a", { class: "button", href: uri }, t("Open in an app on this device"))),
  );
}

/** @param {() => Promise<void>} again */
function drawOver(again) {
  heading(t("This code is over"));
  say(notice("warn", t("No authenticator app was set up."), p(t("Three codes were wrong, or ten minutes went by. If the app keeps the account, remove it there."))));
  show(
    h(
      "div",
      { class: "row" },
      button(t("Start again"), "primary", () => void again()),
      h("a", { class: "button", href: "/panel/" }, t("To your devices and codes")),
    ),
  );
  focusHeading();
}
