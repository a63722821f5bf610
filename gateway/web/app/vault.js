// What this app keeps: registrations with their keys and the history in IndexedDB, and beside them, in localStorage,
// which registrations there should be, so that lost keys are noticed.

/** @import { OwnKeys } from "/assets/keys.js" */
/** @import { Offered } from "/assets/passkey.js" */

/** A device of the same person, as last seen. @typedef {{ id: string, label: string }} Known */

/** A registration.
 * @typedef {{
 *   deviceId: string, relay: string, root: string, steps: string[], issuers: string[], certificate: string, label: string, keys: OwnKeys,
 *   ahead?: number, known: Known[] | null, news: Known[], revocations?: { issuer: string, list: string },
 * }} Registration
 *   `root`: what the link pinned, a key's point or a set's document; `steps`: the sets that followed on it.
 *   `ahead`: seconds that the relay's clock was ahead of this device's when it was last heard. */

/** An enrolment that waits for its six digits. `until` by this device's clock.
 * @typedef {{
 *   tokenId: string, relay: string, root: string, steps: string[], issuers: string[], keys: OwnKeys, label: string, passkey?: Offered | null, digits: string,
 *   ahead: number, until: number,
 * }} Enrolling */

/** What became of a request. @typedef {"approve" | "deny" | "report" | "expired" | "ended" | "late" | "unsent"} Became */

/** A line of the history.
 * @typedef {{ id: string, at: number, what: string, host: string, user: string, login: string, became: Became }} Past */

/** How the person wants notifications on this device: `text`: what they say; `approve`: whether Approve may stand on them.
 * @typedef {{ on: boolean, text: "names" | "plain", approve: boolean }} Notifications */

/** What localStorage says of a registration. @typedef {{ deviceId: string, name: string, label: string, relay: string }} Mark */

const KEPT = 50;
const MARKS = "assent.registrations";
/** Every store, and what its rows are named by. */
const STORES = { registrations: "deviceId", enrolling: "tokenId", history: "id", settings: "name" };

/** @type {Promise<IDBDatabase> | null} */
let opened = null;

/** @returns {Promise<IDBDatabase>} */
function database() {
  if (opened === null) {
    const opening = whole();
    opened = opening;
    const forget = () => {
      if (opened === opening) opened = null;
    };
    opening.then((connection) => {
      // Another tab may want to upgrade or delete. What is written later opens it again.
      connection.onversionchange = () => {
        connection.close();
        forget();
      };
      connection.onclose = forget;
    }, forget);
  }
  return opened;
}

/** The database with all its stores. Those that are missing, as after a repair by the browser, are made again: what was
 * in them is lost, and `marks` tell what that was. @returns {Promise<IDBDatabase>} */
async function whole() {
  const connection = await open();
  if (Object.keys(STORES).every((name) => connection.objectStoreNames.contains(name))) return connection;
  const { version } = connection;
  connection.close();
  return open(version + 1);
}

/** @param {number} [version] @returns {Promise<IDBDatabase>} */
function open(version) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("assent", version);
    request.onupgradeneeded = () => {
      const there = request.result.objectStoreNames;
      for (const [name, keyPath] of Object.entries(STORES)) {
        if (!there.contains(name)) request.result.createObjectStore(name, { keyPath });
      }
    };
    request.onerror = () => reject(request.error);
    request.onsuccess = () => resolve(request.result);
  });
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @typedef {keyof typeof STORES} Store */

/** Runs one transaction to its end. @template T @param {Store[]} stores
 * @param {(store: (name: Store) => IDBObjectStore) => Promise<T>} act @returns {Promise<T>} */
async function write(stores, act) {
  const transaction = (await database()).transaction(stores, "readwrite", { durability: "strict" });
  const ended = new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(undefined);
    transaction.onabort = () => reject(transaction.error);
  });
  const result = await act((name) => transaction.objectStore(name));
  await ended;
  return result;
}

/** @param {Store} name */
const all = async (name) => done((await database()).transaction(name).objectStore(name).getAll());

/** @returns {Promise<Registration[]>} */
export const registrations = () => all("registrations");

/** Keeps what has changed of a registration. One that is gone stays gone. @param {Registration} registration */
export const keep = (registration) =>
  write(["registrations"], async (store) => {
    const there = await done(store("registrations").count(registration.deviceId));
    if (there > 0) await done(store("registrations").put(registration));
  });

/** Keeps a new registration, and forgets the enrolment that led to it. @param {Registration} registration
 * @param {string} tokenId @param {Mark} mark */
export async function complete(registration, tokenId, mark) {
  await write(["registrations", "enrolling"], async (store) => {
    await done(store("registrations").put(registration));
    await done(store("enrolling").delete(tokenId));
  });
  setMarks([...marks().filter((one) => one.deviceId !== mark.deviceId), mark]);
}

/** Wipes a registration and its keys. @param {string} deviceId */
export async function wipe(deviceId) {
  await write(["registrations"], async (store) => void (await done(store("registrations").delete(deviceId))));
  unmark(deviceId);
}

/** @returns {Promise<Enrolling[]>} */
export const enrolling = () => all("enrolling");

/** @param {Enrolling} one */
export const keepEnrolling = (one) =>
  write(["enrolling"], async (store) => void (await done(store("enrolling").put(one))));

/** @param {string} tokenId */
export const forgetEnrolling = (tokenId) =>
  write(["enrolling"], async (store) => void (await done(store("enrolling").delete(tokenId))));

/** Newest first. @returns {Promise<Past[]>} */
export const history = async () => /** @type {Past[]} */ (await all("history")).sort((a, b) => b.at - a.at);

/** Adds a line; beyond 50, the oldest go. @param {Past} past */
export const remember = (past) =>
  write(["history"], async (store) => {
    await done(store("history").put(past));
    const lines = /** @type {Past[]} */ (await done(store("history").getAll()));
    for (const old of lines.sort((a, b) => b.at - a.at).slice(KEPT)) await done(store("history").delete(old.id));
  });

/** What the person chose, and no Approve while the lock is on. @returns {Promise<Notifications>} */
export async function notifications() {
  const settings = (await database()).transaction("settings").objectStore("settings");
  const { on = false, text = "names", approve = false } = (await done(settings.get("notifications"))) ?? {};
  const locked = (await lock()) !== null;
  return { on: on === true, text: text === "plain" ? "plain" : "names", approve: approve === true && !locked };
}

/** Two changes at once are both kept. @param {Partial<Notifications>} changed */
export const changeNotifications = (changed) =>
  write(["settings"], async (store) => {
    const kept = await done(store("settings").get("notifications"));
    await done(store("settings").put({ ...kept, ...changed, name: "notifications" }));
  });

/** What this device speaks, for the worker, which cannot ask the page. @param {import("/assets/lang.js").Tag} tag */
export const keepLanguage = (tag) =>
  write(["settings"], async (store) => void (await done(store("settings").put({ name: "language", tag }))));

/** @returns {Promise<unknown>} */
export async function keptLanguage() {
  const settings = (await database()).transaction("settings").objectStore("settings");
  return (await done(settings.get("language")))?.tag;
}

/** What the lock goes by: a passkey of this device. @typedef {{ cred: string }} Lock */

/** The lock; null: it is off. @returns {Promise<Lock | null>} */
export async function lock() {
  const settings = (await database()).transaction("settings").objectStore("settings");
  const kept = await done(settings.get("lock"));
  return typeof kept?.cred === "string" ? { cred: kept.cred } : null;
}

/** @param {Lock | null} lock */
export const setLock = (lock) =>
  write(["settings"], async (store) => {
    if (lock === null) await done(store("settings").delete("lock"));
    else await done(store("settings").put({ ...lock, name: "lock" }));
  });

export const clearHistory = () => write(["history"], async (store) => void (await done(store("history").clear())));

/** @returns {Mark[]} */
export function marks() {
  try {
    const read = JSON.parse(localStorage.getItem(MARKS) ?? "[]");
    return Array.isArray(read) ? read.filter((mark) => typeof mark?.deviceId === "string") : [];
  } catch {
    return [];
  }
}

/** @param {Mark[]} kept */
function setMarks(kept) {
  localStorage.setItem(MARKS, JSON.stringify(kept));
}

/** @param {string} deviceId */
export const unmark = (deviceId) => setMarks(marks().filter((mark) => mark.deviceId !== deviceId));

/** Sees to it that every registration is marked. @param {Mark[]} there */
export function markAll(there) {
  const known = marks();
  const missing = there.filter((mark) => !known.some((one) => one.deviceId === mark.deviceId));
  if (missing.length > 0) setMarks([...known, ...missing]);
}
