// Web Push in Chromium: the page subscribes, the gateway sends to a push service of the tests' own, what it sent is opened
// there and handed to the real service worker, which fetches, verifies, shows, and signs what is pressed. `PushManager` is a
// stand-in here (ringable.mjs); firefox.test.mjs has the real one.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { World } from "./rig.mjs";
import { PushService } from "./push-service.mjs";
import { Ringable } from "./ringable.mjs";

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

/** A phone that can be rung at. @param {string} user @param {{ text?: "plain", approve?: boolean }} [settings] */
const ringable = (user, settings) => Ringable.start(world, service, user, settings);

const SUDO = { svc: "sudo", target_user: "root", cmd: { resolved: "/usr/bin/id", args: [] }, app: "sudo" };

test("r11: a notification names service and host alone, always offers Deny, and Approve only where the person wants it", async () => {
  const one = await ringable("names");
  const id = await world.host.push("names", { login: "k7f3q2", src: { ip: "203.0.113.7" } });
  assert.equal(await one.ring(), JSON.stringify({ id }), "an id and nothing else travels");
  const { title, body, actions } = await one.showing((shown) => shown.tag === id);
  assert.equal(title, "SSH login on web01");
  assert.deepEqual(actions, ["deny"]);
  assert.doesNotMatch(title + body, /names|203\.0|k7f3q2/);

  const plain = await ringable("plain", { text: "plain", approve: true });
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
  const one = await ringable("press", { approve: true });
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
  const one = await ringable("strict", { approve: true });
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
  const one = await ringable("locked", { approve: true });
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
  const one = await ringable("forged", { approve: true });
  const id = await world.host.push("forged", { spoil: "signature" });
  await one.ring();
  await one.showing(({ title }) => title === "Nothing to decide");
  assert.ok((await one.shown()).every((shown) => shown.tag !== id && !shown.title.includes("web01")));
  for (const odd of ["", "x", "{}", '{"id":"AAAA"}', JSON.stringify({ id, text: "x" })]) await one.deliver(odd);
  assert.equal((await one.shown()).length, 1);
});

test("what is over and what waits may ring at the same moment: every notification that is shown can be pressed", async () => {
  const one = await ringable("crowd");
  // Several rounds, as it is a matter of milliseconds.
  for (let round = 0; round < 3; round += 1) {
    /** @type {string[]} */
    const live = [];
    /** @type {string[]} */
    const texts = [];
    for (let count = 0; count < 4; count += 1) {
      const ended = await world.host.push("crowd");
      texts.push(await one.sent());
      await world.host.withdraw(ended);
      await one.sent();
      live.push(await world.host.push("crowd"));
      texts.push(await one.sent());
    }
    await Promise.all(texts.map((text) => one.deliver(text)));
    for (const id of live) {
      await one.showing(({ tag, actions }) => tag === id && actions.includes("deny"));
      await one.press(id, "deny");
      assert.equal((await world.host.answer(id)).why, "denied on the device");
    }
  }
});

test("a login that ends takes its notification away, and a press after that says so", async () => {
  const one = await ringable("ends");
  const id = await world.host.push("ends");
  await one.ring();
  await one.showing((shown) => shown.tag === id);
  await world.host.withdraw(id);
  await one.ring();
  await one.showing(({ title }) => title === "No answer needed any more");
  assert.equal((await one.shown()).filter((shown) => shown.tag === id).length, 0);

  const late = await world.host.push("ends", { ttl: 10 });
  await one.ring();
  await one.showing((shown) => shown.tag === late);
  // The word that it is over does not arrive.
  await one.sent();
  await one.press(late, "deny");
  await one.showing(({ title }) => title === "No answer needed any more");
});

test("what is answered on the page leaves the notifications, and what is answered there leaves the page", async () => {
  const one = await ringable("both");
  const first = await world.host.push("both");
  await one.ring();
  await one.showing((shown) => shown.tag === first);
  // Opening the app shows what waits.
  const page = await one.phone.visit();
  await page.locator("#deny").click();
  await world.host.answer(first);
  await one.phone.heading("Denied");
  for (let tried = 0; (await one.shown()).length > 0; tried += 1) {
    assert.ok(tried < 150, "it still asks");
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
  const one = await ringable("switch");
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
  const one = await ringable("renewed");
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
