// From the link to the verified answer: enrolment, approve, deny, report, number.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { World } from "./rig.mjs";

/** @type {World} */
let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

test("a device enrols by link and its approval passes the real verifier", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("alice", "Pixel 8");
  const id = await world.host.push("alice", { first: ["password"] });
  await phone.heading("SSH login");
  await phone.approve();
  const answer = await world.host.answer(id);
  assert.equal(answer.verdict, "approved", answer.why);
  await phone.heading("Approved");
  await page.getByRole("button", { name: "Done" }).click();
  await phone.heading("Ready");
  assert.match(await page.locator(".items").innerText(), /SSH login on web01[^]*alice[^]*Approved/);
});
