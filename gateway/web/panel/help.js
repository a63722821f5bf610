// Help, for whoever is signed in or not: how a device is registered, what it asks, and what to do where something is amiss.
// What stands behind `#` in the address names the topic that is unfolded.

import { h, p, show } from "/assets/dom.js";
import { t } from "/assets/lang.js";
import { speaking } from "/assets/speaking.js";

/** @import { Child, Topic } from "/assets/dom.js" */

/** @param {"ol" | "ul"} kind @param {string[]} lines */
const list = (kind, ...lines) => h(kind, { class: "steps" }, ...lines.map((line) => h("li", null, line)));

/** @param {string} label @param {string} href */
const way = (label, href) => h("div", { class: "row" }, h("a", { class: "button", href }, label));

/** @returns {[Topic, string, Child[]][]} */
const topics = () => [
  [
    "start",
    t("Register a device, in three steps"),
    [
      list(
        "ol",
        t("Sign in here, press “Add a device”, and this panel shows a code."),
        t("Scan it with your phone, and press “Register this device” there."),
        t("Type the six digits that the phone shows into this panel."),
      ),
      p(t("A first device may need your administrator: then the panel says what to ask them for. A further one is approved on one that you have.")),
      way(t("Add a device"), "/panel/add"),
    ],
  ],
  [
    "request",
    t("What your device asks, and what to compare"),
    [
      p(t("A server asks you before it lets somebody in as you, or before it runs a command of yours as another user.")),
      list(
        "ul",
        t("Login id: the same six characters stand where you sign in."),
        t("Host, user, command: are they what you did just now?"),
        t("Number: type the one on your own terminal. Never one that somebody tells you."),
      ),
      p(t("Approve only what you started yourself, just now.")),
    ],
  ],
  [
    "not-me",
    t("I did not start what my device asks"),
    [
      list(
        "ol",
        t("Press “This was not me” there. The login is refused, and requests in your name are stopped."),
        t("Change your password: somebody may know it."),
        t("Tell your administrator, with the login id."),
      ),
      p(t("Pressed by mistake? Sign in here anew: one of your codes lifts the freeze. So does your administrator.")),
    ],
  ],
  [
    "silent",
    t("My phone was not asked"),
    [
      list(
        "ul",
        t("Open Assent on it: what waits is shown at once, with a notification or without."),
        t("Nothing there? Start the sign-in again. A request waits for about a minute."),
        t("In the app’s settings, turn notifications on. Its own help says what else can stop them."),
      ),
    ],
  ],
  [
    "lost",
    t("My phone is lost or stolen"),
    [
      list(
        "ol",
        t("Among your devices, press “Remove” beside it, then “It is lost”."),
        t("Another device of yours approves that, or one of your codes."),
        t("You have neither? Tell your administrator at once."),
      ),
      way(t("To your devices"), "/panel/"),
    ],
  ],
  [
    "phone",
    t("I have a new phone"),
    [
      list(
        "ul",
        t("The old one still works: in its app, Settings, then “Move to a new phone”."),
        t("The old one is gone: say here that it is lost, and ask your administrator for a link, unless another device of yours can approve the new one."),
      ),
      p(t("A backup does not bring Assent’s keys along.")),
    ],
  ],
  [
    "codes",
    t("Flat battery, or no network on the phone"),
    [
      list(
        "ul",
        t("Approve on another device of yours."),
        t("Or type a code where the terminal takes one: six digits of an authenticator app, or a recovery code."),
        t("Set them up before you need them: they stand below your devices."),
      ),
      way(t("To your devices and codes"), "/panel/"),
    ],
  ],
  [
    "sign-in",
    t("I cannot sign in here"),
    [
      list(
        "ul",
        t("Take the user name and password that you have for the servers."),
        t("No password is asked for? Then a one-time link opens this panel. Ask your administrator for one."),
        t("You are signed out after 15 minutes without use. A one-time link lasts 15 minutes in all."),
      ),
    ],
  ],
  [
    "clock",
    t("The clock is wrong"),
    [
      p(t("Assent on your phone goes by the gateway’s clock. The digits of an authenticator app go by the phone’s own: where they are refused, set its date and time to automatic.")),
    ],
  ],
  [
    "home-screen",
    t("On an iPhone or iPad"),
    [
      p(t("Put Assent on the Home Screen first, open it from there, and scan the code inside it. Safari deletes a page’s keys after seven days without a visit; the app on the Home Screen keeps them.")),
    ],
  ],
  ["lock", t("Somebody else uses my phone"), [p(t("In the app: Settings, then “Lock approvals”. Each approval then asks for your fingerprint, face or PIN."))]],
  ["language", t("Language"), [p(t("You choose it at the foot of each page. The app on your phone has its own choice, in its settings."))]],
  [
    "who",
    t("Who can help"),
    [
      p(t("Your administrator. Say the login id, the time, and what the screen says.")),
      p(t("Whoever helps you needs no number, no digits, no code and no password of yours: give them to nobody.")),
    ],
  ],
];

/** Unfolds what the address names, and begins there. */
function unfold() {
  const found = document.getElementById(location.hash.slice(1));
  const topic = found?.parentElement;
  if (!(topic instanceof HTMLDetailsElement)) return;
  topic.open = true;
  found?.focus();
  topic.scrollIntoView();
}

await speaking();
show(
  h(
    "section",
    { class: "card topics", "aria-label": t("Topics") },
    ...topics().map(([name, head, body]) =>
      h("details", { class: "topic" }, h("summary", { id: name }, h("h2", null, head)), h("div", { class: "stack" }, ...body)),
    ),
  ),
);
unfold();
addEventListener("hashchange", unfold);
