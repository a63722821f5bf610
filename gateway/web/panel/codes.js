// A person's codes: how they stand, and the way from a wish over an approval on a device to what comes of it. What may be
// done, the registrar says (gateway/src/registrar/code_changes.rs); nothing here decides.

import { get, post, Problem } from "/assets/api.js";
import { asking } from "/assets/asking.js";
import { setUpApp } from "/assets/codes-app.js";
import { lifting } from "/assets/codes-freeze.js";
import { sentTo } from "/assets/codes-recent.js";
import { showRecovery } from "/assets/codes-recovery.js";
import { button, focusHeading, h, heading, helpAbout, notice, p, say, show } from "/assets/dom.js";
import { t } from "/assets/lang.js";
import { report } from "/assets/session.js";
import { day, sentence } from "/assets/words.js";

/**
 * @typedef {{ totp?: number, recovery?: number, sent: import("/assets/codes-recent.js").Sent[],
 *   recent: import("/assets/codes-recent.js").Recent[] }} Standing
 */
/** @typedef {"yes" | "frozen" | "device first"} May */
/** @typedef {"add_totp" | "remove_totp" | "new_recovery" | "remove_recovery"} Wish */
/** @typedef {{ may: May, person: string, home: (said: Node) => Promise<void> }} Setting */
/** @typedef {{ state: "approval", id: string, left: number } | { state: "granted", id: string } | { state: "over" }} Change */
/**
 * @typedef {{ done: "totp" } & import("/assets/codes-app.js").Opened | { done: "recovery", codes: string[] }
 *   | { done: "removed" }} Done
 */

const LOOK_EVERY = 1500;
/** How often an answer that was lost is asked for again. */
const ASK_AGAIN = 20;
/** Recovery codes that are made at once. */
const ALL = 10;
/** Few enough to be told so. */
const FEW = 3;

/** What the device that is asked says. Beside `CodesChange::words` in registrar/code_changes.rs. @type {Record<Wish, string>} */
const SHOWS = {
  add_totp: "set up an authenticator app for your codes",
  remove_totp: "remove your authenticator app for codes",
  new_recovery: "make new recovery codes",
  remove_recovery: "remove your recovery codes",
};

/** How they stand; `null`: there is no code service beside this panel. @returns {Promise<Standing | null>} */
export async function standing() {
  try {
    return await get("codes");
  } catch (problem) {
    if (problem instanceof Problem && problem.code === "refused") return null;
    throw problem;
  }
}

/** Their part of the page. @param {Standing} kept @param {Setting} setting */
export function codes(kept, setting) {
  const hasCodes = kept.totp !== undefined || kept.recovery !== undefined;
  const why = {
    yes: null,
    frozen: p(t("No codes can be set up or removed while your account is frozen."), "soft"),
    "device first": p(t("Register a device first. Then set up codes here, for when you cannot reach it."), "soft"),
  }[setting.may];
  return h(
    "section",
    { class: "card", "aria-labelledby": "codes" },
    h("h2", { id: "codes" }, t("Codes")),
    p(t("For a sign-in without your device: no network on it, an empty battery, or it is lost.")),
    why,
    setting.may === "frozen" && hasCodes && lifting(setting.home),
    setting.may === "frozen" && h("div", { class: "row" }, helpAbout("not-me")),
    h("ul", { class: "items" }, app(kept, setting), recovery(kept, setting), ...kept.sent.map(sentTo)),
  );
}

/** @param {string} label @param {string} state @param {Node[]} acts @param {May} may */
const kind = (label, state, acts, may) =>
  h(
    "li",
    { class: "kept" },
    h("div", { class: "main" }, h("span", { class: "label" }, label), p(state, "soft small")),
    may === "yes" && h("div", { class: "acts" }, ...acts),
  );

/** @param {Standing} kept @param {Setting} setting */
function app({ totp }, setting) {
  const label = t("Authenticator app");
  if (totp === undefined) {
    const add = button(t("Set up"), "quiet", () => void begin("add_totp", setting), { "aria-label": t("Set up an authenticator app") });
    return kind(label, t("None. An app on your phone shows six digits that change every 30 seconds."), [add], setting.may);
  }
  const remove = button(
    t("Remove"),
    "quiet danger",
    () => confirm(t("Remove your authenticator app?"), t("Its digits will let you in no more."), t("Remove"), () => begin("remove_totp", setting)),
    { "aria-label": t("Remove the authenticator app") },
  );
  return kind(label, t("Set up {since}", { since: day(totp) }), [remove], setting.may);
}

/** @param {Standing} kept @param {Setting} setting */
function recovery({ recovery: left }, setting) {
  const label = t("Recovery codes");
  if (left === undefined) {
    const make = button(t("Make recovery codes"), "quiet", () => void begin("new_recovery", setting));
    return kind(label, t("None. A list of {all} codes on paper; each lets you in once.", { all: ALL }), [make], setting.may);
  }
  const renew = button(t("Make new recovery codes"), "quiet", () =>
    confirm(t("Make new recovery codes?"), t("Those that you have will let you in no more."), t("Make new ones"), () => begin("new_recovery", setting)),
  );
  const remove = button(
    t("Remove"),
    "quiet danger",
    () => confirm(t("Remove your recovery codes?"), t("They will let you in no more."), t("Remove"), () => begin("remove_recovery", setting)),
    { "aria-label": t("Remove the recovery codes") },
  );
  const say = left <= FEW ? "{left} of {all} left. Make new ones before you need them." : "{left} of {all} left";
  return kind(label, t(say, { left, all: ALL }), [renew, remove], setting.may);
}

/** Asks before what works now stops to. @param {string} head @param {string} text @param {string} yes @param {() => Promise<void>} go */
function confirm(head, text, yes, go) {
  const dialog = h("dialog", { "aria-labelledby": "confirming" });
  const close = () => dialog.close();
  const really = () => {
    close();
    void go();
  };
  dialog.append(
    h(
      "div",
      { class: "stack" },
      h("h2", { id: "confirming" }, head),
      p(text),
      h("div", { class: "pair acts" }, button(t("Keep"), "", close, { autofocus: true }), button(yes, "danger primary", really)),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** Asks for a change. @param {Wish} wish @param {Setting} setting */
async function begin(wish, setting) {
  try {
    /** @type {Change} */
    const change = await post("codes/changes", { change: wish });
    if (change.state === "approval") {
      const { id, left } = change;
      const granted = () => carryOut(wish, id, setting);
      asking({ path: `codes/changes/${id}`, left, wish: SHOWS[wish], granted, over: () => drawOver(wish, setting) });
    } else if (change.state === "granted") await carryOut(wish, change.id, setting);
    else drawOver(wish, setting);
  } catch (problem) {
    await refused(problem, setting);
  }
}

/** The reason, over a list that shows what may be done now. @param {unknown} problem @param {Setting} setting */
async function refused(problem, setting) {
  if (!(problem instanceof Problem) || problem.code !== "refused") return report(problem);
  await setting.home(notice("warn", t("Your codes are as they were."), p(sentence(problem.message))));
}

/** What came of it. An answer that was lost is asked for again: the panel gives it for a minute. @param {string} id @param {number} tries @returns {Promise<Done>} */
async function outcome(id, tries) {
  try {
    return await post(`codes/changes/${id}/carry-out`);
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.code !== "network" || tries === 0) throw problem;
    say(notice("warn", t("The panel does not answer."), p(t("This page tries again by itself."))));
    await new Promise((go) => setTimeout(go, LOOK_EVERY));
    return outcome(id, tries - 1);
  }
}

/** Does what was granted. @param {Wish} wish @param {string} id @param {Setting} setting */
async function carryOut(wish, id, setting) {
  /** @type {Done} */
  let became;
  try {
    became = await outcome(id, ASK_AGAIN);
  } catch (problem) {
    // Granted, and not taken in time.
    if (problem instanceof Problem && problem.code === "not_found") return drawOver(wish, setting);
    return refused(problem, setting);
  }
  if (became.done === "totp") {
    const done = () => setting.home(notice("good", t("Your authenticator app is set up."), p(t("Its next code lets you in where a code is asked for."))));
    setUpApp(became, { done, again: () => begin(wish, setting) });
  } else if (became.done === "recovery") {
    const stored = () => setting.home(notice("good", t("Your recovery codes are made."), p(t("Each lets you in once."))));
    showRecovery(became.codes, setting.person, stored);
  } else {
    const what = wish === "remove_totp" ? t("Your authenticator app is removed.") : t("Your recovery codes are removed.");
    await setting.home(notice("good", what));
  }
}

/** @param {Wish} wish @param {Setting} setting */
function drawOver(wish, setting) {
  heading(t("Not approved"));
  say(notice("warn", t("Your codes are as they were."), p(t("It was denied on your device, or nobody answered there in time."))));
  show(
    h(
      "div",
      { class: "row" },
      button(t("Ask again"), "primary", () => void begin(wish, setting)),
      h("a", { class: "button", href: "/panel/" }, t("To your devices and codes")),
    ),
  );
  focusHeading();
}
