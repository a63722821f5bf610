// A person's several devices: a further one is approved on the first, the list follows, each can be named and removed.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { World } from "./rig.mjs";

/** @typedef {import("./rig.mjs").Phone} Phone */

/** @type {World} */
let world;
/** @type {Phone} */
let old;
before(async () => {
  world = await World.start();
  old = await world.phone();
  await old.enrol("alice", "Old phone");
});
after(() => world.stop());

/** A new phone up to its digits. @param {string} label */
async function newcomer(label) {
  const { code, token_id } = await world.host.open("alice");
  const phone = await world.phone();
  await phone.visit(`/e#${code}`);
  await phone.page.getByLabel("Name of this device").fill(label);
  await phone.page.getByRole("button", { name: "Register this device" }).click();
  return { phone, token_id, digits: await phone.digits() };
}

const spaced = (/** @type {string} */ digits) => `${digits.slice(0, 3)} ${digits.slice(3)}`;

test("a further device is refused on the first, and the enrolment is over", async () => {
  const { phone, token_id, digits } = await newcomer("Stranger");
  assert.ok((await world.host.confirm(token_id, digits)).enrolment.approval);
  await phone.heading("Now ask your other device");
  await old.heading("Add a device?");
  await old.page.locator("#report").click();
  await old.heading("Denied and reported");
  await phone.heading("This code is over");
  await old.page.getByRole("button", { name: "Done" }).click();
  // "Not me" froze her: no further device is approved until an administrator lifts that.
  const { freezes } = await world.admin("GET", "/freezes");
  assert.ok(freezes.length > 0);
  const { lifted } = await world.admin("POST", "/freezes/lift", { user: "alice" });
  assert.equal(lifted, freezes.length);
});

test("a further device is approved on the first, which names it and its digits, and is told of it", async () => {
  const { phone, token_id, digits } = await newcomer("<b>Tablet</b>");
  await world.host.confirm(token_id, digits);
  await old.heading("Add a device?");
  const asked = await old.page.locator(".request").innerText();
  assert.match(asked, new RegExp(`add a device whose screen shows ${spaced(digits)}`));
  assert.match(asked, /<b>Tablet<\/b>/);
  assert.match(asked, /the registrar of this gateway/);
  await old.approve();
  await old.heading("Approved");
  await phone.heading("Registered");
  await phone.page.getByRole("button", { name: "Done" }).click();
  await phone.heading("Ready");
  assert.equal(await phone.page.getByText("New device added").count(), 0, "it knows itself");
  await old.page.getByRole("button", { name: "Done" }).click();
  await old.page.getByText("New device added").waitFor();
  await old.page.getByText("If this was not you").waitFor();
  assert.match(await old.page.locator("#notices").innerText(), /<b>Tablet<\/b>/);
  await old.page.reload();
  await old.page.getByText("New device added").waitFor();
  const told = old.page.getByText("New device added");
  // A list of devices that comes at this very moment draws the notice anew between press and release.
  for (let tries = 0; tries < 5 && (await told.count()) > 0; tries += 1) {
    await old.page.getByRole("button", { name: "I know about it" }).click({ timeout: 3000 }).catch(() => {});
    await told.waitFor({ state: "detached", timeout: 3000 }).catch(() => {});
  }
  assert.equal(await told.count(), 0);
  await old.page.reload();
  await old.heading("Ready");
  await old.page.getByText("Connected.").waitFor();
  assert.equal(await old.page.getByText("New device added").count(), 0);
});

test("the list of devices shows each, and follows a change of name on another one", async () => {
  const { phone, token_id, digits } = await newcomer("Laptop");
  await world.host.confirm(token_id, digits);
  await old.approve();
  await phone.heading("Registered");
  await old.page.getByRole("button", { name: "Done" }).click();
  await old.page.getByRole("button", { name: "Settings" }).click();
  const list = old.page.locator("section", { has: old.page.getByRole("heading", { name: "Your devices" }) });
  await list.getByText("Laptop").waitFor();
  assert.match(await list.locator("li", { hasText: "Old phone" }).innerText(), /This device/);
  await phone.page.getByRole("button", { name: "Done" }).click();
  await phone.page.getByRole("button", { name: "Settings" }).click();
  await phone.page.getByLabel("Name of this device").fill("Work laptop");
  await phone.page.getByRole("button", { name: "Save name" }).click();
  await phone.page.getByText("Saved.").waitFor();
  await list.getByText("Work laptop").waitFor();
  await phone.page.getByLabel("Name of this device").fill(" ");
  await phone.page.getByRole("button", { name: "Save name" }).click();
  await phone.page.getByText("Give this device a name.").waitFor();

  await phone.page.getByRole("button", { name: "Remove this device …" }).click();
  await phone.page.getByRole("button", { name: "Keep it" }).click();
  await phone.page.getByRole("button", { name: "Remove this device …" }).click();
  await phone.page.getByRole("button", { name: "Remove this device", exact: true }).click();
  await phone.heading("Approve your sign-ins here");
  await list.getByText("Work laptop").waitFor({ state: "detached" });
  const left = await phone.page.evaluate(async () => {
    const names = await indexedDB.databases();
    const kept = await new Promise((resolve) => {
      const request = indexedDB.open("assent");
      request.onsuccess = () => {
        const all = request.result.transaction("registrations").objectStore("registrations").getAll();
        all.onsuccess = () => resolve(all.result.length);
      };
    });
    return [names.length, kept, localStorage.getItem("assent.registrations")];
  });
  assert.deepEqual(left, [1, 0, "[]"], "no key is left");
  const { devices } = await world.admin("GET", "/devices");
  const work = devices.find((/** @type {any} */ one) => one.label === "Work laptop");
  assert.ok(work === undefined || work.revoked !== null, JSON.stringify(work));
});
