// A phone whose browser can be rung at: Chromium, whose own push service is built in, so that `PushManager` is a stand-in; what
// the gateway sends is opened here and handed to the real service worker.
import assert from "node:assert/strict";
import { Keys } from "./push-service.mjs";

/** @typedef {import("./push-service.mjs").PushService} PushService */
/** @typedef {import("./rig.mjs").Phone} Phone */
/** @typedef {import("./rig.mjs").World} World */

/** @typedef {{ title: string, body: string, tag: string, actions: string[], data: any }} Shown */

/** A phone whose browser can be rung at. */
export class Ringable {
  /** Enrolled, its notifications on, and its page closed.
   * @param {World} world @param {PushService} service @param {string} user @param {{ text?: "plain", approve?: boolean }} [settings] */
  static async start(world, service, user, { text, approve = false } = {}) {
    const phone = await world.phone({ serviceWorkers: "allow", permissions: ["notifications"] });
    const keys = new Keys();
    const one = new Ringable(world, service, phone, keys, user);
    await phone.context.addInitScript(stand, { endpoint: `${service.origin}/push/${user}`, p256dh: keys.p256dh, auth: keys.auth.toString("base64url") });
    const page = await phone.enrol(user);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("button", { name: "Turn on" }).click();
    await page.getByText("On. Open Assent").waitFor();
    if (text === "plain") await page.getByLabel("Say which service and host").uncheck();
    if (approve) await page.getByLabel("Approve from the notification").check();
    // Away: what is pressed on a notification, no page answers.
    await page.goto("about:blank");
    return one;
  }

  /** @param {World} world @param {PushService} service @param {Phone} phone @param {Keys} keys @param {string} user */
  constructor(world, service, phone, keys, user) {
    this.world = world;
    this.service = service;
    this.phone = phone;
    this.keys = keys;
    this.user = user;
  }

  /** How many subscriptions its browser has made. */
  made = 1;

  get worker() {
    const [worker] = this.phone.context.serviceWorkers();
    assert.ok(worker !== undefined);
    return worker;
  }

  /** What the gateway sent next, opened. @returns {Promise<string>} */
  async sent() {
    return this.keys.open(await this.service.next(`/push/${this.user}/${this.made}`));
  }

  /** The browser's push service hands it over. @param {string} text */
  async deliver(text) {
    const page = await this.phone.context.newPage();
    const devtools = await this.phone.context.newCDPSession(page);
    const known = new Promise((resolve) =>
      devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
        const own = registrations.find((one) => one.scopeURL === `${this.world.url}/`);
        if (own !== undefined) resolve(own.registrationId);
      }),
    );
    await devtools.send("ServiceWorker.enable");
    const registrationId = /** @type {string} */ (await known);
    await devtools.send("ServiceWorker.deliverPushMessage", { origin: this.world.url, registrationId, data: text });
    await page.close();
  }

  /** Rings for what the gateway sends next. */
  async ring() {
    const text = await this.sent();
    await this.deliver(text);
    return text;
  }

  /** @returns {Promise<Shown[]>} */
  shown() {
    return this.worker.evaluate(async () => {
      // As the app does it (shown.js): looking while one is being shown makes Chromium forget that one.
      const all = await navigator.locks.request("assent.notifications", () => /** @type {any} */ (self).registration.getNotifications());
      return all.map((/** @type {any} */ { title, body, tag, actions, data }) => ({ title, body, tag, data, actions: actions.map((/** @type {any} */ one) => one.action) }));
    });
  }

  /** The one notification that fits. @param {(one: Shown) => boolean} fits */
  async showing(fits) {
    for (let tried = 0; tried < 100; tried += 1) {
      const found = (await this.shown()).find(fits);
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.fail(`not shown: ${JSON.stringify(await this.shown())}`);
  }

  /** Presses a notification: the event that a browser makes of it. @param {string} tag @param {string} action */
  press(tag, action) {
    return this.worker.evaluate(
      async ({ tag, action }) => {
        const scope = /** @type {any} */ (self);
        const [notification] = await navigator.locks.request("assent.notifications", () => scope.registration.getNotifications({ tag }));
        const event = new scope.NotificationEvent("notificationclick", { notification, action });
        let work;
        Object.defineProperty(event, "waitUntil", { value: (/** @type {Promise<unknown>} */ promise) => (work = promise) });
        scope.dispatchEvent(event);
        await work;
      },
      { tag, action },
    );
  }
}

/** The page's PushManager. A new subscription has a new endpoint; it is there until it is ended, over visits.
 * @param {{ endpoint: string, p256dh: string, auth: string }} given */
function stand({ endpoint, p256dh, auth }) {
  const bytes = (/** @type {string} */ text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0)).buffer;
  const kept = () => /** @type {{ made: number, key: number[] | null }} */ (JSON.parse(localStorage.getItem("stand") ?? '{"made":0,"key":null}'));
  const keep = (/** @type {{ made: number, key: number[] | null }} */ state) => localStorage.setItem("stand", JSON.stringify(state));
  const there = () => {
    const { made, key } = kept();
    return key && {
      endpoint: `${endpoint}/${made}`,
      options: { applicationServerKey: Uint8Array.from(key).buffer },
      getKey: (/** @type {string} */ name) => bytes(name === "auth" ? auth : p256dh),
      unsubscribe: async () => (keep({ made, key: null }), true),
    };
  };
  Object.assign(PushManager.prototype, {
    getSubscription: async () => there(),
    subscribe: async (/** @type {any} */ { userVisibleOnly, applicationServerKey }) => {
      if (userVisibleOnly !== true || applicationServerKey.length !== 65) throw new Error("not as a browser takes it");
      keep({ made: kept().made + 1, key: [...applicationServerKey] });
      return there();
    },
  });
}
