// Web Push in Chromium: the page subscribes, the gateway sends to a push service of the tests' own, what it sent is opened
// there and handed to the real service worker, which fetches, verifies, shows, and signs what is pressed. Chromium's own
// push service is built in, so `PushManager` is a stand-in here; firefox.test.mjs has the real one.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { World } from "./rig.mjs";
import { Keys, PushService } from "./push-service.mjs";

/** @typedef {import("./rig.mjs").Phone} Phone */

/** @type {PushService} */
let service;
/** @type {World} */
let world;
before(async () => {
  service = await PushService.start();
  world = await World.start({ pushService: service.origin });
});
after(async () => {
  await world.stop();
  service.stop();
});

/** @typedef {{ title: string, body: string, tag: string, actions: string[], data: any }} Shown */

/** A phone whose browser can be rung at. */
class Ringable {
  /** @param {string} user @param {{ text?: "plain", approve?: boolean }} [settings] */
  static async start(user, { text, approve = false } = {}) {
    const phone = await world.phone({ serviceWorkers: "allow", permissions: ["notifications"] });
    const keys = new Keys();
    const one = new Ringable(phone, keys, user);
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

  /** @param {Phone} phone @param {Keys} keys @param {string} user */
  constructor(phone, keys, user) {
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
    return this.keys.open(await service.next(`/push/${this.user}/${this.made}`));
  }

  /** The browser's push service hands it over. @param {string} text */
  async deliver(text) {
    const page = await this.phone.context.newPage();
    const devtools = await this.phone.context.newCDPSession(page);
    const known = new Promise((resolve) =>
      devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
        const own = registrations.find((one) => one.scopeURL === `${world.url}/`);
        if (own !== undefined) resolve(own.registrationId);
      }),
    );
    await devtools.send("ServiceWorker.enable");
    const registrationId = /** @type {string} */ (await known);
    await devtools.send("ServiceWorker.deliverPushMessage", { origin: world.url, registrationId, data: text });
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
      const all = await /** @type {any} */ (self).registration.getNotifications();
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
        const [notification] = await scope.registration.getNotifications({ tag });
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

const SUDO = { svc: "sudo", target_user: "root", cmd: { resolved: "/usr/bin/id", args: [] }, app: "sudo" };

test("r11: a notification names service and host alone, always offers Deny, and Approve only where the person wants it", async () => {
  const one = await Ringable.start("names");
  const id = await world.host.push("names", { login: "k7f3q2", src: { ip: "203.0.113.7" } });
  assert.equal(await one.ring(), JSON.stringify({ id }), "an id and nothing else travels");
  const { title, body, actions } = await one.showing((shown) => shown.tag === id);
  assert.equal(title, "SSH login on web01");
  assert.deepEqual(actions, ["deny"]);
  assert.doesNotMatch(title + body, /names|203\.0|k7f3q2/);

  const plain = await Ringable.start("plain", { text: "plain", approve: true });
  const other = await world.host.push("plain");
  await plain.ring();
  const said = await plain.showing((shown) => shown.tag === other);
  assert.equal(said.title, "A sign-in is waiting");
  assert.doesNotMatch(said.title + said.body, /SSH|web01|plain/);
  assert.deepEqual(said.actions, ["deny"], "nobody approves what they cannot name");
  // Both settings were kept, one right after the other.
  const page = await plain.phone.visit();
  await page.getByRole("button", { name: "Decide later" }).click();
  await page.getByRole("button", { name: "Settings" }).click();
  assert.equal(await page.getByLabel("Say which service and host").isChecked(), false);
  assert.equal(await page.getByLabel("Approve from the notification").isChecked(), true);
});

test("r11: what is pressed is signed by the worker, and the real verifier takes it", async () => {
  const one = await Ringable.start("press", { approve: true });
  for (const [action, verdict, tag] of /** @type {const} */ ([["approve", "approved", "Approved"], ["deny", "refused", "Denied"]])) {
    const id = await world.host.push("press");
    const text = await one.ring();
    await one.showing((shown) => shown.tag === id);
    await one.press(id, action);
    assert.equal((await world.host.answer(id)).verdict, verdict);
    // A confirmation stays up: a browser stops delivering to who takes every notification away at once.
    await one.showing(({ title, body }) => title === tag && body === "SSH login on web01");
    assert.equal((await one.shown()).filter((shown) => shown.tag === id).length, 0);
    // The same message once more is nothing new: the word on what was answered stays.
    await one.deliver(text);
    const titles = (await one.shown()).map(({ title }) => title);
    assert.ok(titles.includes(tag) && !titles.includes("No answer needed any more"), titles.join());
    assert.equal((await one.shown()).filter((shown) => shown.tag === id).length, 0);
  }
  const page = await one.phone.visit();
  await page.getByText("Denied", { exact: true }).waitFor();
  assert.match(await page.locator(".items").innerText(), /SSH login on web01[^]*Denied[^]*SSH login on web01[^]*Approved/);
});

test("r11: no Approve for sudo, for a number, or for a new address; and a press cannot bring it about", async () => {
  const one = await Ringable.start("strict", { approve: true });
  for (const wanted of [SUDO, { svc: "sudo" }, { svc: "su" }, { lock: true }, { level: "number", digits: 3, number: "482" }, { src: { ip: "203.0.113.7", new: "address" } }]) {
    const id = await world.host.push("strict", wanted);
    await one.ring();
    const { actions } = await one.showing((shown) => shown.tag === id);
    assert.deepEqual(actions, ["deny"], JSON.stringify(wanted));
    await one.press(id, "approve");
    // The page would open here; a browser opens none for an event that no person made.
    await one.showing(({ tag, title }) => tag === id && title === "A sign-in may be waiting");
    // Nothing was answered: the request still waits, and a denial counts.
    await one.deliver(JSON.stringify({ id }));
    await one.showing(({ tag, title }) => tag === id && title !== "A sign-in may be waiting");
    await one.press(id, "deny");
    const answer = await world.host.answer(id);
    assert.deepEqual([answer.verdict, answer.why], ["refused", "denied on the device"]);
  }
});

test("r11: with the lock on, no Approve stands on a notification, and one that stood there signs nothing", async () => {
  const one = await Ringable.start("locked", { approve: true });
  const before = await world.host.push("locked");
  await one.ring();
  const { actions } = await one.showing((shown) => shown.tag === before);
  assert.deepEqual(actions, ["approve", "deny"]);
  // As the settings keep it; a passkey cannot be had at an address.
  await one.worker.evaluate(async () => {
    const database = await new Promise((resolve) => {
      const request = indexedDB.open("assent");
      request.onsuccess = () => resolve(request.result);
    });
    const writing = database.transaction("settings", "readwrite");
    writing.objectStore("settings").put({ name: "lock", cred: "AAAA" });
    await new Promise((resolve) => (writing.oncomplete = resolve));
    database.close();
  });
  await one.press(before, "approve");
  await one.showing(({ tag, title }) => tag === before && title === "A sign-in may be waiting");
  const id = await world.host.push("locked");
  await one.ring();
  assert.deepEqual((await one.showing((shown) => shown.tag === id && shown.actions.length > 0)).actions, ["deny"]);
  await one.press(id, "deny");
  assert.equal((await world.host.answer(id)).why, "denied on the device");
});

test("r29: nothing of a request is shown before it has verified", async () => {
  const one = await Ringable.start("forged", { approve: true });
  const id = await world.host.push("forged", { spoil: "signature" });
  await one.ring();
  await one.showing(({ title }) => title === "Nothing to decide");
  assert.ok((await one.shown()).every((shown) => shown.tag !== id && !shown.title.includes("web01")));
  for (const odd of ["", "x", "{}", '{"id":"AAAA"}', JSON.stringify({ id, text: "x" })]) await one.deliver(odd);
  assert.equal((await one.shown()).length, 1);
});

test("a login that ends takes its notification away, and a press after that says so", async () => {
  const one = await Ringable.start("ends");
  const id = await world.host.push("ends");
  await one.ring();
  await one.showing((shown) => shown.tag === id);
  await world.host.withdraw(id);
  await one.ring();
  await one.showing(({ title }) => title === "No answer needed any more");
  assert.equal((await one.shown()).filter((shown) => shown.tag === id).length, 0);

  const late = await world.host.push("ends", { ttl: 2 });
  await one.ring();
  await one.showing((shown) => shown.tag === late);
  // The word that it is over does not arrive.
  await one.sent();
  await one.press(late, "deny");
  await one.showing(({ title }) => title === "No answer needed any more");
});

test("what is answered on the page leaves the notifications, and what is answered there leaves the page", async () => {
  const one = await Ringable.start("both");
  const first = await world.host.push("both");
  await one.ring();
  await one.showing((shown) => shown.tag === first);
  // Opening the app shows what waits.
  const page = await one.phone.visit();
  await page.locator("#deny").click();
  await world.host.answer(first);
  await one.phone.heading("Denied");
  for (let tried = 0; (await one.shown()).length > 0; tried += 1) {
    assert.ok(tried < 50, "it still asks");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await page.getByRole("button", { name: "Done" }).click();
  const second = await world.host.push("both");
  await one.ring();
  await page.locator("#approve").waitFor();
  await one.showing((shown) => shown.tag === second);
  await one.press(second, "deny");
  await world.host.answer(second);
  await one.phone.heading("Denied");
});

test("turned off, nothing is sent; on again, it is; and who was silent is told at the next visit", async () => {
  const one = await Ringable.start("switch");
  const id = await world.host.push("switch");
  await one.sent();
  // The browser is off: nobody fetches.
  await new Promise((resolve) => setTimeout(resolve, 6000));
  await world.host.withdraw(id);
  await one.sent();
  const page = await one.phone.visit();
  await page.getByText("Notifications did not arrive").waitFor();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Turn off" }).click();
  await page.getByRole("button", { name: "Turn on" }).waitFor();
  await world.host.push("switch");
  await page.getByRole("button", { name: "Deny" }).click();
  await page.getByRole("button", { name: "Done" }).click();
  assert.deepEqual(service.came.filter(({ path }) => path.startsWith("/push/switch/")), []);
});

test("a subscription that its service has ended, or that is bound to another key, is made anew with the next visit", async () => {
  const one = await Ringable.start("renewed");
  service.status = 410;
  await world.host.push("renewed");
  await one.sent();
  service.status = 201;
  const again = async () => {
    const page = await one.phone.visit();
    await page.getByRole("button", { name: "Deny" }).click();
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByText("On. Open Assent").waitFor();
    await page.goto("about:blank");
    one.made += 1;
    await world.host.push("renewed");
    await one.sent();
  };
  await again();
  // Another key: the file was removed.
  await world.kill();
  rmSync(join(world.dir, "vapid.key"));
  await world.run();
  await again();
});
