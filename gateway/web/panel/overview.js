// What an administrator reads about everybody: people and their devices, freezes, and what holds on hosts. It is opened by an
// approval on a device of theirs and closes by itself; nothing can be changed here. What may be seen, the registrar says
// (gateway/src/registrar/overview.rs).

import { get, post, Problem } from "/assets/api.js";
import { asking } from "/assets/asking.js";
import { button, field, focusHeading, h, heading, notice, p, part, say, show, submits } from "/assets/dom.js";
import { counted, t } from "/assets/lang.js";
import { report, signedIn } from "/assets/session.js";
import { day, moment, sentence } from "/assets/words.js";

/** @typedef {{ name: string, identity: string, devices: { label: string, since: number, until: number }[] }} Person */
/**
 * @typedef {{ host: string, kind: "bypass" | "block" | "lock", user: string, applications: string[], until?: number,
 *   reason: string, by: string }} Exception
 */
/** @typedef {{ names: string[], identity: string, source?: string, until: number }} Freeze */
/**
 * @typedef {{ page: number, people: Person[], people_in_all: number, exceptions: Exception[], more_exceptions: number,
 *   freezes: Freeze[], silent: string[] }} Overview
 */
/** @typedef {{ state: "approval", id: string, left: number } | { state: "granted" } | { state: "over" }} Looking */

/** What the device that is asked says. Beside `details` in registrar/approvals.rs. */
const SHOWN = "see everybody's devices, locks and bypasses";
const KINDS = /** @type {const} */ ({ bypass: "Bypass", block: "Block", lock: "Lock" });

/** The way in. */
function closed() {
  heading(t("Overview"));
  show(
    h(
      "section",
      { class: "card" },
      p(t("Everybody’s devices, frozen accounts, and the bypasses, blocks and locks on all servers.")),
      p(t("You open it with an approval on your own device. It closes after ten minutes, and nothing can be changed here."), "soft"),
      h("div", { class: "row" }, button(t("Open the overview"), "primary", () => void ask())),
    ),
  );
}

async function ask() {
  say();
  try {
    /** @type {Looking} */
    const asked = await post("overview/looks");
    if (asked.state === "approval") {
      const { id, left } = asked;
      asking({ path: `overview/looks/${id}`, left, wish: SHOWN, granted: () => open(id), over: refused });
    } else closed();
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.code !== "refused") return report(problem);
    say(notice("warn", t("The overview stays closed."), p(sentence(problem.message))));
  }
}

function refused() {
  say(notice("warn", t("The overview stays closed."), p(t("It was denied on your device, or nobody answered there in time."))));
  closed();
  focusHeading();
}

/** Reads it, with a search and pages. @param {string} id */
async function open(id) {
  heading(t("Overview"));
  say();
  let at = 0;
  const find = field("find", t("Find a user"), { type: "search", autocomplete: "off", spellcheck: "false", maxlength: 100 });
  const found = h("div", { class: "stack loose" });
  const read = async () => {
    try {
      /** @type {Overview} */
      const now = await post(`overview/looks/${id}/read`, { part: find.box.value, page: at });
      found.replaceChildren(...drawn(now, at, turn, find.box.value.trim() !== ""));
      return true;
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.code !== "not_found") report(problem);
      else {
        say(notice("warn", t("The overview has closed."), p(t("Open it again to read on."))));
        closed();
      }
      return false;
    }
  };
  /** @param {number} to */
  const turn = async (to) => {
    at = to;
    if (await read()) document.getElementById("people")?.focus();
  };
  const search = async () => {
    at = 0;
    await read();
  };
  const form = h(
    "form",
    { novalidate: true, role: "search", class: "finding", onsubmit: submits(search) },
    find.all,
    h("button", { type: "submit", class: "button" }, t("Find")),
  );
  show(form, found);
  if (await read()) focusHeading();
}

/** @param {Overview} now @param {number} at @param {(to: number) => Promise<void>} turn @param {boolean} searched whether for a name */
function drawn(now, at, turn, searched) {
  const { exceptions, freezes, people, silent } = now;
  const running = [...exceptions.map(exception), ...freezes.map(freeze)];
  const more = now.more_exceptions > 0 && p(t("And {count} more, which the servers themselves list: assentctl user exceptions.", { count: now.more_exceptions }), "soft");
  return [
    h(
      "section",
      { class: "card", "aria-labelledby": "running" },
      h("h2", { id: "running" }, t("In force now")),
      running.length === 0 ? p(t("No bypass, block, lock or freeze.")) : h("ul", { class: "items" }, ...running),
      more,
      silent.length > 0 &&
        notice(
          "warn",
          t("These servers have told nothing lately; what holds there is not known here."),
          p(silent.join(", "), "names"),
        ),
    ),
    h(
      "section",
      { class: "card", "aria-labelledby": "people" },
      h("h2", { id: "people", tabindex: "-1" }, counted(now.people_in_all, "1 user with a device", "{count} users with devices", { count: now.people_in_all })),
      people.length === 0 ? p(searched ? t("Nobody by that name has a device. A part of the name is enough.") : t("Nobody has registered a device yet.")) : h("ul", { class: "items" }, ...people.map(person)),
      now.people_in_all > now.page && pages(now, at, turn),
    ),
  ];
}

/** @param {Overview} now @param {number} at @param {(to: number) => Promise<void>} turn */
function pages({ page, people_in_all: all }, at, turn) {
  const last = Math.ceil(all / page) - 1;
  return h(
    "div",
    { class: "pair" },
    at > 0 && button(t("Back"), "", () => void turn(at - 1)),
    p(t("Page {at} of {last}", { at: at + 1, last: last + 1 }), "soft small"),
    at < last && button(t("Next"), "", () => void turn(at + 1)),
  );
}

/** @param {string} label @param {(string | undefined)[]} lines */
const entry = (label, lines) =>
  h(
    "li",
    { class: "seen" },
    h("div", { class: "main" }, h("span", { class: "label" }, label), ...lines.map((line) => line !== undefined && p(line, "soft small"))),
  );

/** @param {Exception} one */
function exception({ kind, user, host, applications, until, reason, by }) {
  const where = applications.length === 0 ? host : `${host}: ${applications.join(", ")}`;
  const end = until === undefined ? t("until it is lifted") : t("until {until}", { until: moment(until) });
  return entry(`${t(KINDS[kind])}: ${user}`, [`${where}, ${end}`, kind === "lock" ? sentence(reason) : t("By {by}: {reason}", { by, reason: sentence(reason) })]);
}

/** @param {Freeze} one */
function freeze({ names, identity, source, until }) {
  const from = source === undefined ? t("for every request") : t("for requests from {source}", { source });
  return entry(t("Freeze: {identity}", { identity: names.join(", ") || identity }), [t("A device said “not me”; {from}, until {until}", { from, until: moment(until) })]);
}

/** @param {Person} one */
function person({ name, identity, devices }) {
  return entry(name, [identity, ...devices.map(({ label, since }) => t("{label}, registered {since}", { label, since: day(since) }))]);
}

await signedIn(async () => {
  /** @type {{ administers: boolean }} */
  const { administers } = await get("overview");
  if (administers) return closed();
  part("content").replaceChildren(
    notice("", t("This page is for administrators."), p(t("Whoever runs this gateway names them in its configuration.")), h("div", { class: "row" }, h("a", { class: "button", href: "/panel/" }, t("To your devices")))),
  );
});
