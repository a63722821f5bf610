// Help: what a request is, and what to do where something is amiss. A dialog over whatever is on the screen, so that nothing
// below it is left: a number that was typed stays, an enrolment goes on. A new request closes it.

import { button, h, p } from "/assets/dom.js";
import { chooser, t, told } from "/assets/lang.js";
import { homeScreen } from "/assets/screen-welcome.js";

/** @import { Child } from "/assets/dom.js" */
/** @import { Topic } from "/assets/help-link.js" */

/** Parts of the settings, by the ids of their headings. @typedef {"notifications" | "devices" | "lock"} Part */

/** Where its links lead; null: not from here. `move` is the way to a new phone.
 * @typedef {{ panel: string, settings: ((part: Part) => void) | null, move: (() => void) | null, register: (() => void) | null }} Ways */

/** @param {string[]} lines */
const points = (...lines) => h("ul", { class: "steps" }, ...lines.map((line) => h("li", null, line)));

/** @param {Ways} ways @param {(act: () => void) => void} leave @returns {[Topic, string, Child[]][]} */
function topics({ panel, settings, move, register }, leave) {
  /** @param {string} label @param {(() => void) | null} act */
  const way = (label, act) => act !== null && h("div", null, button(label, "", () => leave(act)));
  const at = (/** @type {Part} */ part) => settings && (() => settings(part));
  const registering = way(t("Register a device"), register);
  const link = () => h("a", { href: panel, target: "_blank", rel: "noopener noreferrer" }, t("Register Panel"));
  return [
    [
      "request",
      t("What a request asks, and what to compare"),
      [
        p(t("A server asks you before it lets somebody in as you, or before it runs a command of yours as another user.")),
        points(
          t("Login id: the same six characters stand where you sign in."),
          t("Host, user, command: are they what you did just now?"),
          t("Number: type the one on your own terminal. Never one that somebody tells you."),
        ),
        p(t("Approve only what you started yourself, just now.")),
      ],
    ],
    [
      "not-me",
      t("I did not start this sign-in"),
      [
        h(
          "ol",
          { class: "steps" },
          h("li", null, t("Press “This was not me”. That login is refused, and requests in your name are stopped.")),
          h("li", null, t("Change your password: somebody may know it.")),
          h("li", null, t("Tell your administrator, with the login id.")),
        ),
        p(t("Approved by mistake? Tell your administrator at once: they can end that session.")),
        h("p", null, told("Pressed by mistake? One of your codes lifts the freeze at the {panel}; so does your administrator.", { panel: link() })),
      ],
    ],
    [
      "silent",
      t("No notification came"),
      [
        points(
          t("Open Assent: what waits is shown at once, with a notification or without."),
          t("Nothing there? Start the sign-in again. A request waits for about a minute."),
          t("Look whether notifications are on in Assent’s settings."),
          t("Allow them in the device’s own settings, too, and leave the browser out of battery saving."),
          t("On an iPhone or iPad they come to the app on the Home Screen alone."),
          t("Open Assent once a month at least: a browser stops delivering to pages that are never opened."),
        ),
        way(t("Notifications"), at("notifications")),
      ],
    ],
    [
      "lost",
      t("My phone is lost or stolen"),
      [
        h(
          "ol",
          { class: "steps" },
          h("li", null, t("Another device of yours has Assent? There: Settings, then “This is lost”.")),
          h("li", null, told("Otherwise at the {panel}: Remove, then “It is lost”. With no other device it takes one of your codes.", { panel: link() })),
          h("li", null, t("Neither? Tell your administrator at once.")),
        ),
        p(t("From then on it approves nothing. Until you have another device, a recovery code lets you in where codes are taken.")),
        way(t("Your devices"), at("devices")),
      ],
    ],
    [
      "phone",
      t("I have a new phone"),
      [
        points(
          t("The old one still works: on it, Settings, then “Move to a new phone”."),
          t("The old one is gone: get a code for the new one from your administrator, or at the Register Panel if another device of yours can approve it."),
        ),
        p(t("A backup does not bring Assent’s keys along.")),
        way(t("Move to a new phone …"), move),
        registering,
      ],
    ],
    [
      "offline",
      t("Flat battery, or no network"),
      [
        points(
          t("Approve on another device of yours."),
          t("Or type a code where the terminal takes one: six digits of an authenticator app, or a recovery code."),
        ),
        h("p", null, told("Set codes up before you need them: at the {panel}, under Codes.", { panel: link() })),
        p(t("Nothing is lost meanwhile: with power and network Assent goes on by itself.")),
      ],
    ],
    [
      "clock",
      t("The clock is wrong"),
      [
        p(t("Assent goes by the gateway’s clock, so a wrong one does no harm to sign-ins. Only to register a device, its clock must be right to a day.")),
        p(t("To mend it, set date and time to automatic in the device’s settings.")),
      ],
    ],
    ["home-screen", t("On an iPhone or iPad"), homeScreen()],
    [
      "lock",
      t("Somebody else uses this device"),
      [
        p(t("With the lock on, each approval asks for your fingerprint, face or PIN. Refusing never asks.")),
        way(t("Lock"), at("lock")),
      ],
    ],
    ["language", t("Language"), [h("div", null, chooser(t("As the browser has it"), t("Language"), "help-language"))]],
    [
      "who",
      t("Who can help"),
      [
        p(t("Your administrator. Say the login id, the time, and what the screen says.")),
        p(t("Whoever helps you needs no number, no digits, no code and no password of yours: give them to nobody.")),
      ],
    ],
  ];
}

export class Help {
  /** @param {() => Ways} ways @param {() => void} closed */
  constructor(ways, closed) {
    this.ways = ways;
    this.dialog = h("dialog", { class: "help", "aria-labelledby": "help-title", onclose: closed });
    document.body.append(this.dialog);
  }

  /** @param {string} topic the one that is unfolded, if it is one */
  open(topic) {
    const leave = (/** @type {() => void} */ act) => {
      this.close();
      act();
    };
    const all = topics(this.ways(), leave).map(([name, head, body]) =>
      h("details", { class: "topic", id: `help-${name}`, open: name === topic }, h("summary", null, h("h3", null, head)), h("div", { class: "stack" }, ...body)),
    );
    this.dialog.replaceChildren(
      h("div", { class: "row apart help-head" }, h("h2", { id: "help-title", tabindex: -1 }, t("Help")), button(t("Close"), "", () => this.close())),
      ...all,
    );
    if (!this.dialog.open) this.dialog.showModal();
    const shown = this.dialog.querySelector(`#help-${CSS.escape(topic)} > summary`) ?? this.dialog.querySelector("h2");
    if (shown instanceof HTMLElement) shown.focus();
  }

  close() {
    this.dialog.close();
  }
}
