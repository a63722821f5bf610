// A person's devices in the app: one is lost, one is moved to a new phone, one is locked. Chromium's own virtual
// authenticator is fingerprint, face or PIN; the gateway and the verifier are the real ones.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { scanned } from "../panel/tests/scan.mjs";
import { World } from "./rig.mjs";
import { withKey } from "./withkey.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @typedef {import("./rig.mjs").Phone} Phone */

const SMALL = /** @type {const} */ ({ viewport: { width: 320, height: 640 }, reducedMotion: "reduce" });

/** @type {World} */
let world;
before(async () => {
  world = await World.start({ name: "localhost" });
});
after(() => world.stop());

/** @param {Phone} phone @param {string | RegExp} name */
const press = (phone, name) => phone.page.getByRole("button", { name, exact: typeof name === "string" }).click();

/** Nothing that axe-core objects to, and nothing wider than the screen. @param {Phone} phone */
async function fits({ page }) {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { violations } = await /** @type {any} */ (globalThis).axe.run(document, { preload: false });
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    return { said: violations.map((/** @type {any} */ one) => one.id), wide };
  });
  assert.deepEqual(found, { said: [], wide: 0 });
}

test("r27: a lost device is gone by the word of another, which saw when it was last opened", async () => {
  const old = await world.phone({ viewport: { width: 320, height: 640 } });
  await old.enrol("alice", "Old phone", { passkey: false });
  const { code, token_id } = await world.host.open("alice");
  const other = await world.phone();
  await other.visit(`/e#${code}`);
  await other.page.getByLabel("Name of this device").fill("Tablet");
  await other.page.getByLabel("Make a passkey, too").uncheck();
  await press(other, "Register this device");
  await world.host.confirm(token_id, await other.digits());
  await old.approve();
  await other.heading("Registered");
  await press(other, "Done");
  await other.heading("Ready");
  await press(old, "Done");
  await press(old, "Settings");
  const list = old.page.locator("section", { has: old.page.getByRole("heading", { name: "Your devices" }) });
  await list.locator("li", { hasText: "Tablet" }).getByText(/last opened/).waitFor();
  assert.equal(await list.locator("li", { hasText: "This device" }).getByRole("button").count(), 0, "what is here is not lost");
  await press(old, "Tablet: this is lost");
  await fits(old);
  await old.page.locator("dialog[open]").getByRole("button", { name: "Keep it" }).click();
  await press(old, "Tablet: this is lost");
  await press(old, "It is lost");
  await list.locator("li", { hasText: "Tablet" }).waitFor({ state: "detached" });
  await other.heading("Not registered any more");
  const { devices } = await world.admin("GET", "/devices");
  const tablet = devices.find((/** @type {any} */ one) => one.label === "Tablet");
  assert.ok(tablet === undefined || tablet.revoked !== null, JSON.stringify(tablet));
});

test("r27: a person moves to a new phone by its digits, and the old one is done", async () => {
  const old = await world.phone({ viewport: { width: 320, height: 640 } });
  await old.enrol("bob", "Old phone", { passkey: false });
  await press(old, "Settings");
  await press(old, "Move to a new phone …");
  await old.heading("Move to a new phone");
  await fits(old);
  await press(old, "Show the code");
  const picture = old.page.locator(".code svg");
  await picture.waitFor();
  await fits(old);
  const link = await scanned(world.browser, await picture.screenshot());
  assert.ok(link !== undefined && link.startsWith(`${world.url}/e#1.`), link);
  const fresh = await world.phone();
  await fresh.visit(link.slice(world.url.length));
  await fresh.page.getByLabel("Name of this device").fill("New phone");
  await fresh.page.getByLabel("Make a passkey, too").uncheck();
  await press(fresh, "Register this device");
  const digits = await fresh.digits();
  await old.page.getByText("A phone came: “New phone”.").waitFor();
  await fits(old);
  const field = old.page.getByLabel("The six digits on your new phone");
  await field.fill("12");
  await press(old, "Move to that phone");
  await old.page.getByText("Type all six digits.").waitFor();
  await field.fill(digits === "000000" ? "000001" : "000000");
  await press(old, "Move to that phone");
  await old.page.getByText("2 tries are left.").waitFor();
  await field.fill(`${digits.slice(0, 3)} ${digits.slice(3)}`);
  await press(old, "Move to that phone");
  await old.page.getByText("Your new phone is registered").waitFor();
  await fits(old);
  await fresh.heading("Registered");
  await press(fresh, "Done");
  await press(old, "Done");
  await old.heading("Approve your sign-ins here");
  // The new one approves, and it alone is asked.
  const id = await world.host.push("bob");
  await fresh.approve();
  assert.equal((await world.host.answer(id)).verdict, "approved");
  const { devices } = await world.admin("GET", "/devices");
  const living = devices.filter((/** @type {any} */ one) => one.name === "bob" && one.revoked == null);
  assert.deepEqual(living.map((/** @type {any} */ one) => one.label), ["New phone"]);
});

test("t9: with the lock on, an approval asks for finger, face or PIN, and a refusal does not", async () => {
  const { phone, verifies } = await withKey(world, SMALL);
  await phone.enrol("carol", "Phone", { passkey: false });
  await press(phone, "Settings");
  await phone.page.getByRole("heading", { name: "Lock" }).waitFor();
  // Who cannot prove themself turns nothing on.
  await verifies(false);
  await press(phone, "Lock approvals");
  await phone.page.getByText(/^Nothing was changed: /).waitFor();
  await verifies(true);
  await press(phone, "Lock approvals");
  await phone.page.getByText("On. Each approval asks").waitFor();
  await fits(phone);
  await press(phone, "Back");

  await verifies(false);
  for (const wanted of [{}, { level: "number", digits: 3, number: "482" }]) {
    const id = await world.host.push("carol", wanted);
    await phone.page.locator("#approve").waitFor();
    if ("number" in wanted) await phone.page.locator("#number").fill("482");
    await phone.approve();
    await phone.page.getByText("Nothing was sent.").waitFor();
    await verifies(true);
    await phone.approve();
    const { verdict, why } = await world.host.answer(id);
    assert.equal(verdict, "approved", why);
    await press(phone, "Done");
    await verifies(false);
  }
  const denied = await world.host.push("carol");
  await phone.page.locator("#deny").click();
  assert.equal((await world.host.answer(denied)).why, "denied on the device");
  await press(phone, "Done");

  // It outlives a visit; neither turning it off nor moving away goes without it.
  await press(phone, "Settings");
  await press(phone, "Turn the lock off");
  await phone.page.getByText(/^Nothing was changed: /).waitFor();
  await press(phone, "Move to a new phone …");
  await press(phone, "Show the code");
  await phone.page.getByText("It cannot go on").waitFor();
  await press(phone, "Back");
  await verifies(true);
  await press(phone, "Settings");
  await press(phone, "Turn the lock off");
  await phone.page.getByText("Off. Whoever holds").waitFor();
  await verifies(false);
  await press(phone, "Back");
  const free = await world.host.push("carol");
  await phone.approve();
  assert.equal((await world.host.answer(free)).verdict, "approved");
});

test("the lock takes the passkey that is certified here, where there is one", async () => {
  const { phone } = await withKey(world, SMALL);
  await phone.enrol("dave", "Phone", { passkey: true });
  await press(phone, "Settings");
  await press(phone, "Lock approvals");
  await phone.page.getByText("On. Each approval asks").waitFor();
  const [kept, certified] = await phone.page.evaluate(async () => {
    const database = await new Promise((resolve) => {
      const request = indexedDB.open("assent");
      request.onsuccess = () => resolve(request.result);
    });
    const read = (/** @type {string} */ store) =>
      new Promise((resolve) => {
        const request = database.transaction(store).objectStore(store).getAll();
        request.onsuccess = () => resolve(request.result);
      });
    const [lock] = (await read("settings")).filter((/** @type {any} */ one) => one.name === "lock");
    const [{ certificate }] = await read("registrations");
    const claims = JSON.parse(atob(certificate.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    return [lock.cred, claims.passkey.cred];
  });
  assert.equal(kept, certified);
  const id = await world.host.push("dave", { level: "passkey", first: ["password"] });
  await phone.heading("SSH login");
  await phone.approve();
  assert.equal((await world.host.answer(id)).verdict, "approved", "its own word is enough");
});
