// Adding a device: a QR code for the device, then the six digits that it shows, then (for a further one) an approval on a
// device that is registered. What stands on the page follows the registrar; nothing here decides.

import { get, post, Problem } from "/assets/api.js";
import { button, carry, field, focusHeading, h, heading, helpAbout, notice, p, part, say, show, submits } from "/assets/dom.js";
import { t, told } from "/assets/lang.js";
import { draw } from "/assets/qr.js";
import { report, signedIn } from "/assets/session.js";
import { countdown } from "/assets/words.js";

/** @typedef {{ id: string, link: string, left: number, qr: import("/assets/qr.js").Matrix }} Opened */
/**
 * @typedef {{ state: "waiting" } | { state: "digits", label: string, tries: number } | { state: "approval", left: number }
 *   | { state: "certified" } | { state: "over", why?: string }} Standing
 */

const LOOK_EVERY = 1500;
/** Largest code in pixels. */
const ROOM = 350;
/** Characters of a name that stand in one line on a small phone. */
const LINE = 18;

/** One run from a code to its end. */
class Run {
  /** @param {Opened} opened */
  constructor(opened) {
    this.opened = opened;
    /** @type {Standing["state"]} */
    this.at = "waiting";
    this.label = "";
    this.tries = 0;
    /** @type {() => void} */
    this.stop = () => {};
    this.ended = false;
    /** @type {((text: string) => void) | null} */
    this.wrongDigits = null;
  }

  begin() {
    this.drawCode();
    const look = async () => {
      if (this.ended) return;
      // A page that nobody sees asks nothing.
      if (!document.hidden) await this.look();
      if (!this.ended) setTimeout(look, LOOK_EVERY);
    };
    setTimeout(look, LOOK_EVERY);
  }

  async look() {
    try {
      /** @type {Standing} */
      const standing = await get(`enrolment/${this.opened.id}`);
      if (part("said").dataset["kind"] === "network") quiet();
      this.take(standing);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.code !== "network") return this.end(() => report(problem));
      part("said").dataset["kind"] = "network";
      say(notice("warn", t("The panel does not answer."), p(t("This page tries again by itself."))));
    }
  }

  /** Draws what has changed. @param {Standing} standing */
  take(standing) {
    if (this.ended) return;
    const before = this.at;
    this.at = standing.state;
    if (standing.state === "digits") {
      if (before === "digits" && this.tries !== standing.tries) this.wrongDigits?.(left(standing.tries));
      this.tries = standing.tries;
      this.label = standing.label;
      if (before !== "digits") this.drawDigits();
    } else if (standing.state === "approval") {
      if (before !== "approval") this.drawApproval(standing.left);
    } else if (standing.state === "certified") this.end(() => this.drawDone());
    else if (standing.state === "over") this.end(() => drawOver(before, standing.why));
  }

  /** @param {() => void} draw */
  end(draw) {
    this.ended = true;
    this.stop();
    draw();
  }

  /** @param {number} seconds */
  rest(seconds) {
    this.stop();
    const rest = h("span", { class: "left" });
    this.stop = countdown(rest, seconds, () => void this.look());
    return rest;
  }

  drawCode() {
    const { link, qr, left } = this.opened;
    const app = new URL(link).origin;
    const figure = h("figure", { class: "code" });
    const room = Math.min(ROOM, part("content").clientWidth - 2);
    figure.append(draw(qr, room, t("QR code. The link that it holds stands on this page as text.")));
    quiet();
    show(
      h(
        "div",
        { class: "scan" },
        h(
          "section",
          { class: "card", "aria-label": t("Code for the new device") },
          figure,
          h("p", { class: "center" }, told("The code works once, for {time} more.", { time: this.rest(left) })),
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
              h("li", null, t("On your phone, open the Assent app, or the camera, and scan this code.")),
              h("li", null, t("Press “Register this device” there. The phone then shows six digits.")),
              h("li", null, t("Type the digits here. This page goes on by itself once the phone is there.")),
            ),
            p(t("On an iPhone or iPad: open {app} first, add it to the Home Screen, open it from there, and scan inside it.", { app }), "soft small"),
          ),
          h(
            "section",
            { class: "card" },
            h("h2", null, t("No camera at hand?")),
            p(t("Open this link on the device, or here. The digits still go into this page. Give the link to nobody else."), "small"),
            carry(link, "Copy link"),
            h("div", { class: "row" }, h("a", { class: "button", href: link, target: "_blank", rel: "noopener" }, t("Open it on this device"))),
          ),
        ),
      ),
    );
  }

  drawDigits() {
    heading(t("Type the digits"));
    const digits = field(
      "digits",
      t("The six digits that it shows"),
      {
        class: "input number",
        inputmode: "numeric",
        autocomplete: "off",
        maxlength: 7,
        required: true,
      },
      t("They show that this is your device and no other."),
    );
    this.wrongDigits = (text) => {
      digits.wrong(text);
      digits.box.value = "";
      digits.box.focus();
    };
    const send = async () => {
      const typed = digits.box.value.replaceAll(/[\s-]/g, "");
      if (!/^\d{6}$/.test(typed)) {
        digits.wrong(t("Type all six digits."));
        return digits.box.focus();
      }
      try {
        /** @type {Standing} */
        const standing = await post(`enrolment/${this.opened.id}/digits`, { digits: typed });
        this.take(standing);
      } catch (problem) {
        if (!(problem instanceof Problem) || problem.code === "no_session") return report(problem);
        digits.wrong(problem.message);
      }
    };
    digits.box.addEventListener("input", () => digits.wrong(""));
    const name = `“${this.label}”`;
    const whole = h("details", { class: "small" }, h("summary", null, t("Its whole name")), h("p", null, name));
    say(
      h(
        "div",
        { class: "notice good" },
        h("strong", { class: "clip", title: this.label }, t("A device came: {name}.", { name })),
        [...name].length > LINE && whole,
      ),
    );
    show(
      h(
        "section",
        { class: "card" },
        h(
          "form",
          { class: "digits-form", novalidate: true, onsubmit: submits(send) },
          digits.all,
          h(
            "div",
            { class: "row" },
            h("button", { type: "submit", class: "button primary" }, t("Register it")),
            h("a", { class: "button", href: "/panel/" }, t("That is not my device")),
          ),
        ),
      ),
    );
    digits.box.focus();
  }

  /** @param {number} seconds */
  drawApproval(seconds) {
    heading(t("Approve it on your other device"));
    say();
    show(
      h(
        "section",
        { class: "card" },
        p(t("One of your registered devices now shows a request to add “{label}”. Open it there, compare the digits, and approve it.", { label: this.label })),
        h("p", { class: "state warn" }, h("span", null, told("Waiting for your approval, {time} left", { time: this.rest(seconds) }))),
        p(t("This page goes on by itself."), "soft"),
      ),
    );
    focusHeading();
  }

  drawDone() {
    heading(t("Registered"));
    say(notice("good", t("“{label}” is registered.", { label: this.label }), p(t("From now on it asks you before a sign-in in your name goes through."))));
    show(h("div", { class: "row" }, h("a", { class: "button primary", href: "/panel/" }, t("To your devices"))));
    focusHeading();
  }
}

/** @param {number} tries */
const left = (tries) =>
  tries === 1 ? t("These are not the digits. One try is left.") : t("These are not the digits. {tries} tries are left.", { tries });

/** Why a code is over, as the registrar says it. @type {Record<string, { head: string, text: string }>} */
const WHY = {
  denied: { head: t("The device was not approved."), text: t("It was denied on your other device.") },
  digits: { head: t("Nothing was registered."), text: t("The digits were wrong three times.") },
};

/** What is likely, where it does not say. @type {Record<Standing["state"], { head: string, text: string }>} */
const LIKELY = {
  waiting: { head: t("Nothing was registered."), text: t("No device came in time, or the code was used elsewhere.") },
  digits: { head: t("Nothing was registered."), text: t("The digits were wrong too often, or too much time passed.") },
  approval: { head: t("The device was not approved."), text: t("It was denied on your other device, or nobody answered there in time.") },
  certified: { head: t("Nothing was registered."), text: "" },
  over: { head: t("Nothing was registered."), text: "" },
};

/** Time is what ended it. @type {Record<string, { head: string, text: string }>} */
const EXPIRED = {
  waiting: { head: t("Nothing was registered."), text: t("No device came in time.") },
  digits: { head: t("Nothing was registered."), text: t("The digits were not typed in time.") },
  approval: { head: t("The device was not approved."), text: t("Nobody answered on your other device in time.") },
};

/** @param {Standing["state"]} before @param {string | undefined} why */
function drawOver(before, why) {
  if (why === "reported") return drawReported();
  heading(t("This code is over"));
  const said = why === "expired" ? EXPIRED[before] : Object.hasOwn(WHY, why ?? "") ? WHY[why ?? ""] : undefined;
  const { head, text } = said ?? LIKELY[before];
  say(notice("warn", head, p(text)));
  show(h("div", { class: "row" }, button(t("Show a new code"), "primary", () => void open()), h("a", { class: "button", href: "/panel/" }, t("To your devices"))));
  focusHeading();
}

/** Somebody who holds the other device says that this is not them. */
function drawReported() {
  heading(t("Reported as not you"));
  say(
    notice(
      "bad",
      t("Reported as not you on your other device."),
      p(t("Nothing was registered. Your session here has been ended. Change your password.")),
    ),
  );
  show(h("div", { class: "row" }, h("a", { class: "button", href: "/panel/sign-in" }, t("To the sign-in page")), helpAbout("not-me")));
  focusHeading();
}

function quiet() {
  delete part("said").dataset["kind"];
  say();
}

async function open() {
  try {
    /** @type {Opened} */
    const opened = await post("enrolment");
    heading(t("Add a device"));
    new Run(opened).begin();
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.code !== "refused") return report(problem);
    say(notice("warn", t("No device can be added now."), p(t("The reason: {message}.", { message: problem.message }))));
    show(h("div", { class: "row" }, h("a", { class: "button", href: "/panel/" }, t("To your devices")), helpAbout("start")));
  }
}

await signedIn(open);
