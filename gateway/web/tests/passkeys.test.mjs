// Passkeys with Chromium's own virtual authenticator: made at the registration, used for each approval at level passkey, and
// judged by the real registrar and the real verifier.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { World } from "./rig.mjs";
import { withKey } from "./withkey.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @typedef {import("./rig.mjs").Phone} Phone */

/** @type {World} */
let world;
before(async () => {
  world = await World.start({ name: "localhost" });
});
after(() => world.stop());

/** Nothing that axe-core objects to. @param {Phone} phone */
async function accessible({ page }) {
  await page.evaluate(AXE);
  const said = await page.evaluate(async () => {
    const { violations } = await /** @type {any} */ (globalThis).axe.run(document, { preload: false });
    return violations.map((/** @type {any} */ one) => one.id);
  });
  assert.deepEqual(said, []);
}

/** What the settings say of its level. @param {Phone} phone */
async function levelOf(phone) {
  await phone.page.getByRole("button", { name: "Settings" }).click();
  await phone.page.getByRole("heading", { name: "About this registration" }).waitFor();
  const said = await phone.page.locator("dt", { hasText: "Level" }).locator("xpath=following-sibling::dd").innerText();
  await phone.page.getByRole("button", { name: "Back" }).first().click();
  await phone.heading("Ready");
  return said;
}

const LEVEL = { level: "passkey", first: ["password"] };

test("r13: a passkey is made when the device is registered, and approves by a proof of its own", async () => {
  const { phone, verifies } = await withKey(world);
  await phone.enrol("alice", "Pixel 8", { passkey: true });
  assert.equal(await levelOf(phone), "tap, number and passkey");
  const id = await world.host.push("alice", LEVEL);
  await phone.heading("SSH login");
  await phone.approve();
  const answer = await world.host.answer(id);
  assert.equal(answer.verdict, "approved", answer.why);
  await phone.page.getByRole("button", { name: "Done" }).click();

  // A wrong finger is no answer: nothing is sent, and the request stays.
  await verifies(false);
  const again = await world.host.push("alice", LEVEL);
  await phone.approve();
  await phone.page.getByText("Nothing was sent.").waitFor();
  assert.ok(await phone.page.locator("#approve").isEnabled());
  await verifies(true);
  await phone.approve();
  assert.equal((await world.host.answer(again)).verdict, "approved");
  await phone.page.getByRole("button", { name: "Done" }).click();

  // A refusal needs no passkey.
  await verifies(false);
  const denied = await world.host.push("alice", LEVEL);
  await phone.page.locator("#deny").click();
  assert.equal((await world.host.answer(denied)).why, "denied on the device");
  await phone.page.getByRole("button", { name: "Done" }).click();

  // And a tap is a tap, also on a device with a passkey.
  const tap = await world.host.push("alice");
  await phone.approve();
  assert.equal((await world.host.answer(tap)).verdict, "approved");
});

test("r14: a passkey that is kept in an account says so in the certificate", async () => {
  const { phone } = await withKey(world, { synced: true });
  await phone.enrol("bob", "iPhone", { passkey: true });
  assert.match(await levelOf(phone), /kept in your account/);
});

test("r13: a site that wants the lock gets the passkey's word beside a tap and beside a number", async () => {
  const { phone, verifies } = await withKey(world, { synced: true });
  await phone.enrol("frank", "iPhone", { passkey: true });
  for (const wanted of [{ lock: true }, { lock: true, level: "number", digits: 3, number: "482" }]) {
    await verifies(false);
    const id = await world.host.push("frank", wanted);
    if ("number" in wanted) {
      await phone.page.locator("#number").waitFor();
      assert.ok(!(await phone.page.locator("#approve").isEnabled()), "not without the number");
      await phone.page.locator("#number").fill("482");
    }
    await phone.approve();
    await phone.page.getByText("Nothing was sent.").waitFor();
    await verifies(true);
    await phone.approve();
    const { verdict, why } = await world.host.answer(id);
    assert.equal(verdict, "approved", why);
    await phone.page.getByRole("button", { name: "Done" }).click();
  }
  const plain = await withKey(world);
  await plain.phone.enrol("grace", "old phone", { passkey: false });
  const id = await world.host.push("grace", { lock: true });
  await plain.phone.page.getByText("registered without one").waitFor();
  assert.equal(await plain.phone.page.locator("#approve").count(), 0);
  await plain.phone.page.locator("#deny").click();
  assert.equal((await world.host.answer(id)).why, "denied on the device");
});

test("a device without a passkey can only refuse, and says why", async () => {
  const { phone } = await withKey(world);
  await phone.enrol("carol", "old phone", { passkey: false });
  assert.equal(await levelOf(phone), "tap and number; no passkey");
  const id = await world.host.push("carol", LEVEL);
  await phone.page.getByText("registered without one").waitFor();
  assert.equal(await phone.page.locator("#approve").count(), 0);
  await phone.page.locator("#deny").click();
  assert.equal((await world.host.answer(id)).why, "denied on the device");
});

test("whoever cancels the making of a passkey registers nothing, and goes on without one", async () => {
  const { phone, verifies } = await withKey(world);
  await verifies(false);
  const { code, token_id } = await world.host.open("dave");
  await phone.visit(`/e#${code}`);
  const { page } = phone;
  await page.getByRole("button", { name: "Register this device" }).click();
  await phone.heading("No passkey");
  await accessible(phone);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByLabel("Make a passkey, too").uncheck();
  await accessible(phone);
  await page.getByRole("button", { name: "Register this device" }).click();
  const confirmed = await world.host.confirm(token_id, await phone.digits());
  assert.ok(confirmed.enrolment?.certified, JSON.stringify(confirmed));
  await phone.heading("Registered");
});
