// The administrators' overview, in real Chromium with the real gateway and the real app. What hosts tell is a proto host's word
// (examples/panellink.rs makes one join, and it has told nothing).
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { AxeBuilder } from "./axe.mjs";
import { settles, World } from "./rig.mjs";

/** @typedef {import("./rig.mjs").Desk} Desk */

/** @param {Desk} desk @param {string} name */
const press = (desk, name) => desk.page.getByRole("button", { name, exact: true }).click();
/** @param {Desk} desk */
const people = (desk) => desk.page.locator("section[aria-labelledby=people] .label").allInnerTexts();

describe("the overview", () => {
  /** @type {World} */
  let world;
  /** @type {Desk} */
  let erin;
  /** @type {import("./rig.mjs").Phone} */
  let phone;
  before(async () => {
    world = await World.start();
    const alice = await world.desk();
    await alice.signIn("alice");
    await alice.register("Alice’s phone");
    await alice.heading("Registered");
    // A host joins, and tells nothing.
    await world.link("bob");
    erin = await world.desk();
    await erin.signIn("erin");
    phone = await erin.register("Phone");
    await erin.heading("Registered");
    await phone.ready();
  });
  after(() => world.stop());

  test("an administrator finds it, opens it with an approval, and reads and searches", async () => {
    await erin.visit();
    await erin.page.getByRole("link", { name: "Overview of everybody" }).click();
    await erin.heading("Overview");
    await press(erin, "Open the overview");
    await erin.heading("Approve it on your device");
    await phone.page.getByText("see everybody's devices, locks and bypasses").first().waitFor();
    assert.deepEqual(await people(erin), [], "nothing of it before the approval");
    await phone.approve();
    await erin.heading("Overview");
    await settles(() => people(erin), ["alice", "erin"]);
    await erin.page.getByText("No bypass, block, lock or freeze.").waitFor();
    await erin.page.getByText("These servers have told nothing lately").waitFor();
    for (const width of [320, 1280]) {
      await erin.page.setViewportSize({ width, height: 800 });
      const wide = await erin.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${width}: scrolls sideways by ${wide}`);
      assert.deepEqual(await new AxeBuilder(erin.page).violations(), [], `${width}`);
    }
    await erin.page.getByLabel("Find a user").fill("ALI");
    await press(erin, "Find");
    await settles(() => people(erin), ["alice"]);
    await erin.page.getByText("1 user with a device").waitFor();
    await erin.page.getByLabel("Find a user").fill("nobody like that");
    await press(erin, "Find");
    await erin.page.getByText("Nobody by that name has a device.").waitFor();
    await phone.page.getByRole("button", { name: "Done" }).click();
  });

  test("denied on the device it stays closed; others are not offered it", async () => {
    await erin.visit("/panel/overview");
    await press(erin, "Open the overview");
    await phone.page.getByRole("button", { name: "Deny" }).click();
    await erin.page.getByText("The overview stays closed.").waitFor();
    await erin.page.getByText("It was denied on your device").waitFor();
    assert.deepEqual(await people(erin), []);

    const carol = await world.desk();
    await carol.signIn("carol");
    await carol.page.getByText("You have no device yet").first().waitFor();
    assert.equal(await carol.page.getByRole("link", { name: "Overview of everybody" }).count(), 0);
    await carol.visit("/panel/overview");
    await carol.page.getByText("This page is for administrators.").waitFor();
    assert.equal(await carol.page.getByRole("button", { name: "Open the overview" }).count(), 0);
  });

  test("over while it is read: the page says so and offers to open it again", async () => {
    await phone.page.getByRole("button", { name: "Done" }).click();
    await erin.visit("/panel/overview");
    await press(erin, "Open the overview");
    await phone.approve();
    await settles(() => people(erin), ["alice", "erin"]);
    // The registrar of a restarted gateway knows of no look, nor of a session: the latter is seen first.
    await erin.page.route("**/panel/api/overview/looks/*/read", (route) =>
      route.fulfill({ status: 404, contentType: "application/json", body: JSON.stringify({ code: "not_found", text: "gone" }) }),
    );
    await press(erin, "Find");
    await erin.page.getByText("The overview has closed.").waitFor();
    await erin.page.getByRole("button", { name: "Open the overview" }).waitFor();
    assert.deepEqual(await people(erin), []);
    await erin.page.unroute("**/panel/api/overview/looks/*/read");
  });
});
