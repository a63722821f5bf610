// Notifications as the page sees them: whether they are on, what is looked after with each visit, and what is taken off the
// screen because it was answered here. The worker shows them (rung.js).

import { end, renew } from "/assets/ringing.js";
import { close } from "/assets/shown.js";
import { changeNotifications, notifications } from "/assets/vault.js";

/** @import { Account } from "/assets/account.js" */
/** @import { Rings } from "/assets/ringing.js" */
/** @import { Notifications } from "/assets/vault.js" */

/** How it stands: what this browser can, what the person allowed it, and what became of it.
 * @typedef {{ name: "unable" } | { name: "forbidden" } | { name: "unwanted" } | Rings} Stands */

export class Notifying {
  /** @param {() => Account[]} accounts */
  constructor(accounts) {
    this.accounts = accounts;
    /** Hears since when nothing has come. @type {(since: number) => void} */
    this.silent = () => {};
    /** @type {ServiceWorkerRegistration | null} */
    this.registration = null;
    /** @type {Rings} */
    this.rings = { name: "off" };
    /** Visits come one after the other: two that subscribe at once would undo each other. @type {Promise<void>} */
    this.visiting = Promise.resolve();
  }

  /** @param {ServiceWorkerRegistration} registration @param {(since: number) => void} silent */
  begin(registration, silent) {
    this.registration = registration;
    this.silent = silent;
    void this.visit();
  }

  /** Looks after the subscription. Nobody is asked. */
  visit() {
    this.visiting = this.visiting.then(async () => {
      const { registration } = this;
      if (registration === null || !able(registration) || Notification.permission !== "granted") return;
      if (this.accounts().length === 0 || !(await notifications()).on) return;
      this.rings = await renew(registration, this.accounts());
      if (this.rings.name === "on" && this.rings.silent !== null) this.silent(this.rings.silent);
    }).catch(() => {});
    return this.visiting;
  }

  /** @returns {Promise<{ stands: Stands, settings: Notifications }>} */
  async state() {
    await this.visiting;
    const settings = await notifications();
    if (this.registration === null || !able(this.registration)) return { stands: { name: "unable" }, settings };
    if (Notification.permission === "denied") return { stands: { name: "forbidden" }, settings };
    const wanted = settings.on && Notification.permission === "granted";
    return { stands: wanted ? this.rings : { name: "unwanted" }, settings };
  }

  /** Switched on, by a press: the browser asks the person for leave. */
  async turnOn() {
    if ((await Notification.requestPermission()) !== "granted") return;
    await changeNotifications({ on: true });
    await this.visit();
  }

  async turnOff() {
    await changeNotifications({ on: false });
    await this.visiting;
    if (this.registration !== null) await end(this.registration, this.accounts());
  }

  /** @param {Partial<Notifications>} changed */
  set(changed) {
    return changeNotifications(changed);
  }

  /** Takes a request's notification away. @param {string} id */
  async close(id) {
    if (this.registration !== null && able(this.registration)) await close(this.registration, id);
  }
}

/** @param {ServiceWorkerRegistration} registration */
const able = (registration) => "Notification" in globalThis && registration.pushManager !== undefined;
