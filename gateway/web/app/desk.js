// The requests that wait for an answer. Time and the relay's word end them; each is shown once and answered once. No
// page, no network: `app.js` carries out what this says. Beside ctl/src/authenticator/desk.rs.

/** @import { Account } from "/assets/account.js" */
/** @import { VerifiedRequest } from "/assets/request.js" */

/** Most requests that wait; what comes beyond is left to expire. */
const MAX_WAITING = 32;
/** How long an ended request is remembered, so that it is not shown again: longer than any lives. */
const REMEMBERED_S = 660;

/** A moment by two clocks. The monotonic one may stand still while the device sleeps, the other one may be set; the
 * one that is further counts. */
export class Deadline {
  /** @param {number} seconds from now */
  constructor(seconds) {
    this.wall = Date.now() + seconds * 1000;
    this.steady = performance.now() + seconds * 1000;
  }

  /** Milliseconds left; negative once it is over. */
  left() {
    return Math.min(this.wall - Date.now(), this.steady - performance.now());
  }
}

/** @typedef {{ id: string, account: Account, request: VerifiedRequest, ends: Deadline }} Waiting */
/** @typedef {"expired" | "host"} Why */

/** The requests of all registrations of this device. */
export class Desk {
  /** @param {(waiting: Waiting, why: Why) => void} over one ended without an answer of ours */
  constructor(over) {
    /** @type {Waiting[]} */
    this.waiting = [];
    /** @type {Map<string, Deadline>} */
    this.ended = new Map();
    this.over = over;
  }

  /** Takes a verified request; null if it is known, over, or one too many.
   * @param {Account} account @param {VerifiedRequest} request @param {number} left @returns {Waiting | null} */
  push(account, request, left) {
    const { id, ttl } = request.statement;
    for (const [old, until] of this.ended) if (until.left() <= 0) this.ended.delete(old);
    const known = this.ended.has(id) || this.waiting.some((one) => one.id === id);
    if (known || left === 0 || this.waiting.length >= MAX_WAITING) return null;
    // The relay's word shortens a life, it never lengthens it.
    const one = { id, account, request, ends: new Deadline(Math.min(left, ttl)) };
    this.waiting.push(one);
    return one;
  }

  /** Takes a request off the desk. @param {string} id */
  take(id) {
    const one = this.waiting.find((waiting) => waiting.id === id);
    if (one === undefined) return null;
    this.waiting = this.waiting.filter((waiting) => waiting !== one);
    this.ended.set(id, new Deadline(REMEMBERED_S));
    return one;
  }

  /** An answer did not get through: the request waits again, or is over. @param {Waiting} one */
  unsent(one) {
    if (one.ends.left() <= 0) return;
    this.ended.delete(one.id);
    this.waiting.unshift(one);
  }

  /** The relay says that a request ended. @param {string} id @param {Why} why */
  withdrawn(id, why) {
    const one = this.take(id);
    if (one !== null) this.over(one, why);
    else this.ended.set(id, new Deadline(REMEMBERED_S));
  }

  /** Time passed. */
  tick() {
    for (const one of this.waiting.filter((waiting) => waiting.ends.left() <= 0)) this.withdrawn(one.id, "expired");
  }

  /** Drops what waits for a registration that is gone. @param {Account} account */
  drop(account) {
    for (const one of this.waiting.filter((waiting) => waiting.account === account)) this.take(one.id);
  }
}
