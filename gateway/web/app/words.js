// What things are called on the screen. All sentences that say what became of a request stand here.

import { isPrivate } from "/assets/address.js";
import { known, locale, t } from "/assets/lang.js";
import { visible } from "/assets/text.js";

/** @import { Statement } from "/assets/request.js" */
/** @import { Plain } from "/assets/lang.js" */
/** @import { Became } from "/assets/vault.js" */

/** @type {Record<string, Plain>} */
const SERVICES = {
  sshd: "SSH login",
  sudo: "sudo command",
  "sudo-i": "sudo login shell",
  su: "su: become another user",
  "su-l": "su: become another user",
  login: "Console login",
  "gdm-password": "Desktop login",
  lightdm: "Desktop login",
  sddm: "Desktop login",
  cron: "Scheduled job",
  "polkit-1": "Administration dialogue",
};

/** What is no longer ago has just happened. */
const JUST_MS = 2000;

/** The service in words. @param {Statement} statement */
export function service({ svc, cmd }) {
  if (svc === "enrol") {
    if (cmd?.resolved?.startsWith("add")) return t("Add a device?");
    if (cmd?.resolved?.startsWith("remove")) return t("Remove a device?");
    return t("Change your devices?");
  }
  return Object.hasOwn(SERVICES, svc) ? known(SERVICES[svc] ?? svc) : t("Service “{svc}”", { svc: visible(svc) });
}

/** @type {Record<Became, { tag: Plain, kind: string }>} */
export const BECAME = {
  approve: { tag: "Approved", kind: "good" },
  deny: { tag: "Denied", kind: "" },
  report: { tag: "Not you", kind: "bad" },
  expired: { tag: "Expired", kind: "" },
  ended: { tag: "Ended", kind: "" },
  late: { tag: "Too late", kind: "warn" },
  unsent: { tag: "Not sent", kind: "warn" },
};

/** @typedef {{ title: string, body: string }} Words */

/** A notification for a request that cannot be fetched now. @returns {Words} */
export const away = () => ({ title: t("A sign-in may be waiting"), body: t("Open Assent to see it.") });
/** For one that is over. @returns {Words} */
export const over = () => ({ title: t("No answer needed any more"), body: t("A sign-in has ended.") });
/** For what did not verify. @returns {Words} */
export const unverified = () => ({
  title: t("Nothing to decide"),
  body: t("Something came that this device could not verify, so it is not shown."),
});

/** Longest title of a notification. */
const TITLE = 80;

/** What a request is about, as far as a locked screen may say it. @param {Statement} statement */
function about(statement) {
  const what = statement.svc === "enrol" ? service(statement) : t("{what} on {host}", { what: service(statement), host: visible(statement.host.display) });
  const characters = [...what];
  return characters.length > TITLE ? `${characters.slice(0, TITLE).join("")}…` : what;
}

/** A notification that asks (R11). @param {Statement} statement @param {"names" | "plain"} text @returns {Words} */
export const asks = (statement, text) => ({
  title: text === "names" ? about(statement) : t("A sign-in is waiting"),
  body: t("Press to see the details."),
});

/** What is left up after an answer. @param {Statement} statement @param {Became} became @param {"names" | "plain"} text
 * @returns {Words} */
export const answered = (statement, became, text) => ({
  title: t(BECAME[became].tag),
  body: text === "names" ? about(statement) : t("A sign-in was answered."),
});

/** A line of the history. @param {{ statement: Statement }} request @param {string} id @param {Became} became
 * @returns {import("/assets/vault.js").Past} */
export function pastOf({ statement }, id, became) {
  const { user, login, host } = statement;
  return { id, at: Date.now(), what: service(statement).replace("?", ""), host: host.display, user, login, became };
}

/** What the host has not seen of this person before. @type {Record<"address" | "place", Plain>} */
const NEWS = { address: "New address", place: "New country" };

/** Where a login comes from. @param {Statement["src"]} src */
export function origin(src) {
  if (src === undefined) return { address: t("this host itself"), place: null, novelty: null };
  const ip = src.ip.includes(":") && src.port !== undefined ? `[${src.ip}]` : src.ip;
  const address = src.port === undefined ? ip : t("{ip} port {port}", { ip, port: src.port });
  const named = src.place === undefined ? t("place unknown") : visible(src.place);
  const network = src.network === undefined ? null : t("network {network}", { network: visible(src.network) });
  const place = network ?? (isPrivate(src.ip) ? t("private network") : named);
  const novelty = src.new === undefined ? null : t(NEWS[src.new]);
  return { address, place: src.asn === undefined ? place : `${place}, AS${src.asn}`, novelty };
}

/** @param {number} seconds since 1970 */
export const moment = (seconds) =>
  new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" }).format(seconds * 1000);

/** The time of the day alone. @param {number} seconds since 1970 */
export const time = (seconds) => new Intl.DateTimeFormat(locale(), { timeStyle: "medium" }).format(seconds * 1000);

/** Whether that was today. @param {number} seconds since 1970 */
export const sameDay = (seconds) => new Date(seconds * 1000).toDateString() === new Date().toDateString();

/** @param {number} seconds since 1970 */
export const day = (seconds) => new Intl.DateTimeFormat(locale(), { dateStyle: "medium" }).format(seconds * 1000);

/** The time alone for today, otherwise the day too. @param {number} ms since 1970 */
export function shortly(ms) {
  const at = new Date(ms);
  const today = at.toDateString() === new Date().toDateString();
  const style = today ? /** @type {const} */ ({ timeStyle: "short" }) : { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(locale(), /** @type {Intl.DateTimeFormatOptions} */ (style)).format(at);
}

/** @param {number} ms */
export function lasting(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return t("{n} s", { n: seconds });
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? t("{n} min", { n: minutes }) : t("{n} h", { n: Math.floor(minutes / 60) });
}

/** How long ago something was. @param {number} ms */
export const ago = (ms) => (ms < JUST_MS ? t("just now") : t("{time} ago", { time: lasting(ms) }));

/** A reason as a sentence. @param {string} reason */
export const sentence = (reason) => `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`;

/** How far this device's clock is off. @param {number} ahead seconds that the right time is ahead of it */
export function drift(ahead) {
  const off = Math.abs(ahead);
  const units = /** @type {const} */ ([
    [172_800, 86_400, "{n} days slow", "{n} days fast"],
    [7200, 3600, "{n} hours slow", "{n} hours fast"],
    [120, 60, "{n} minutes slow", "{n} minutes fast"],
    [0, 1, "{n} seconds slow", "{n} seconds fast"],
  ]);
  const [, unit, slow, fast] = units.find(([from]) => off >= from) ?? units[3];
  return t(ahead > 0 ? slow : fast, { n: Math.round(off / unit) });
}

/** How this browser and its machine are called, for a label. */
export async function platform() {
  const agent = navigator.userAgent;
  // Not in every browser, and not in TypeScript's library.
  const data = /** @type {any} */ (navigator).userAgentData;
  try {
    const { model } = (await data?.getHighEntropyValues(["model"])) ?? {};
    if (typeof model === "string" && model.trim() !== "") return model.trim().slice(0, 40);
  } catch {
    // Then the agent's name has to do.
  }
  const system = /iPhone|iPad|Android|Windows|CrOS|Mac OS|Linux/.exec(agent)?.[0] ?? "this device";
  const names = /** @type {Record<string, string>} */ ({ CrOS: "Chromebook", "Mac OS": "Mac", Android: "Android phone" });
  const called = names[system] ?? system;
  if (isApple() && called === "Mac") return "iPad";
  const browser = /Firefox|Edg|OPR|Chrome|Safari/.exec(agent)?.[0] ?? "Browser";
  const maker = { Edg: "Edge", OPR: "Opera" }[browser] ?? browser;
  return /iPhone|iPad|Android/.test(system) ? called : `${maker} on ${called}`;
}

/** An iPhone or iPad, whose Safari deletes what is not used for seven days. */
export const isApple = () =>
  /iPhone|iPad|iPod/.test(navigator.userAgent) || (/Mac OS/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);

/** Whether this runs as an installed app. */
export const isInstalled = () =>
  matchMedia("(display-mode: standalone)").matches || /** @type {any} */ (navigator).standalone === true;
