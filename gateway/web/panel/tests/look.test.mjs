// How the panel's pages look and read: axe-core on each of them, light and dark, on a small phone and on a desktop; no
// page scrolls sideways at 320 pixels. `SHOTS=DIR` keeps a picture of each.
import { AxeBuilder } from "./axe.mjs";
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { otherDigits, World } from "./rig.mjs";
import { scanned } from "./scan.mjs";
import { translated } from "../../tests/translated.mjs";
import de from "../lang-de.js";
import tr from "../lang-tr.js";

/** @typedef {import("./rig.mjs").Desk} Desk */
/** @typedef {{ width: number, height: number }} Size */

const SHOTS = process.env.SHOTS;
if (SHOTS !== undefined) mkdirSync(SHOTS, { recursive: true });
/** @type {[Size, Size, Size]} */
const SIZES = [
  { width: 320, height: 640 },
  { width: 390, height: 844 },
  { width: 1280, height: 800 },
];

/** Looks at the page that is shown, in every size and scheme. @param {Desk} desk @param {string} name */
async function look(desk, name) {
  const { page } = desk;
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    // Without transitions: colours halfway between two schemes are nobody’s.
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const size of SIZES) {
      await page.setViewportSize(size);
      const where = `${name}, ${size.width} pixels, ${colorScheme}`;
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${where}: scrolls sideways by ${wide}`);
      assert.deepEqual(await violations(page), [], where);
      if (SHOTS !== undefined) {
        const path = join(SHOTS, `${size.width}-${colorScheme}-${name.replaceAll(" ", "-")}.png`);
        await page.screenshot({ path, fullPage: (await page.locator("dialog").count()) === 0 });
      }
    }
  }
  await page.setViewportSize(SIZES[0]);
  for (const [tongue, texts] of Object.entries({ de, tr })) {
    const changed = await translated(page, texts, async () => {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${name}, ${tongue}: scrolls sideways by ${wide}`);
      assert.deepEqual(await violations(page), [], `${name}, ${tongue}`);
    });
    assert.ok(changed > 0, `${name} says something in ${tongue}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

/** All of it is seen without scrolling. @param {Desk} desk @param {string} what @param {Size} size */
async function fits({ page }, what, size) {
  await page.setViewportSize(size);
  const box = await page.locator(what).boundingBox();
  assert.ok(box !== null && box.y >= 0 && box.y + box.height <= size.height, `${what}: ${JSON.stringify(box)}`);
}

/** @param {import("playwright-core").Page} page */
const violations = (page) => new AxeBuilder(page).violations();

/** @type {World} */
let world;
/** @type {World} */
let strict;
before(async () => {
  world = await World.start();
  strict = await World.start({ mode: "admin" });
});
after(async () => {
  await world.stop();
  await strict.stop();
});

test("signing in", async () => {
  const desk = await world.desk();
  await desk.visit("/panel/sign-in");
  await desk.page.getByLabel("User name").waitFor();
  await look(desk, "sign in");
  await desk.page.getByRole("button", { name: "Sign in" }).click();
  await desk.page.getByText("Type your user name.").waitFor();
  await look(desk, "sign in, empty");
  await desk.signIn("alice", "wrong");
  await desk.page.getByText("You are not signed in.").waitFor();
  await look(desk, "sign in, wrong");
  await desk.visit("/panel/l");
  await desk.page.getByText("not whole").waitFor();
  await look(desk, "link, broken");
  await desk.page.goto("about:blank");
  await desk.visit(`/panel/l#1${`.${"A".repeat(22)}`.repeat(3)}`);
  await desk.page.getByRole("button", { name: "Sign in once" }).waitFor();
  await look(desk, "link");
});

test("help, which every page leads to without being signed in", async () => {
  const desk = await world.desk();
  for (const path of ["/panel/sign-in", "/panel/l"]) {
    await desk.visit(path);
    const link = desk.page.getByRole("link", { name: "Help", exact: true });
    assert.deepEqual([await link.getAttribute("href"), await link.getAttribute("target")], ["/panel/help", "_blank"], path);
  }
  await desk.visit("/panel/help#lost");
  await desk.page.getByText("You have neither? Tell your administrator at once.").waitFor();
  assert.deepEqual(await desk.page.locator(".topic[open] > summary").evaluateAll((all) => all.map((one) => one.id)), ["lost"]);
  assert.equal(await desk.page.evaluate(() => document.activeElement?.id), "lost");
  assert.equal(await desk.page.getByRole("link", { name: "Help", exact: true }).count(), 0, "this is it");
  const there = await desk.page.locator(".topic > summary").evaluateAll((all) => all.map((one) => one.id));
  const folder = new URL("..", import.meta.url).pathname;
  const named = readdirSync(folder)
    .filter((name) => name.endsWith(".js"))
    .flatMap((name) => [...readFileSync(join(folder, name), "utf8").matchAll(/helpAbout\("([a-z-]+)"\)/g)].map(([, topic = ""]) => topic));
  assert.ok(named.length >= 6, String(named));
  assert.deepEqual(named.filter((topic) => !there.includes(topic)), []);
  await look(desk, "help");
  await desk.page.evaluate(() => document.querySelectorAll(".topic").forEach((one) => one.setAttribute("open", "")));
  await look(desk, "help, unfolded");
});

test("devices and adding one", { timeout: 240_000 }, async () => {
  const desk = await world.desk();
  const { page } = desk;
  await desk.signIn("alice");
  await page.getByText("You have no device yet").waitFor();
  await look(desk, "no device");
  const phone = await desk.bring("Pixel 8");
  await page.getByLabel(/six digits/).waitFor();
  await look(desk, "digits");
  await desk.type(otherDigits(await phone.digits()));
  await page.getByText("2 tries are left").waitFor();
  await look(desk, "digits, wrong");
  await desk.type(await phone.digits());
  await desk.heading("Registered");
  await look(desk, "registered");
  await phone.ready();
  await desk.code();
  await look(desk, "code");
  await fits(desk, ".scan", { width: 1280, height: 800 });
  const second = await desk.bring("An old tablet with a name that is quite long, in the kitchen");
  await page.getByLabel(/six digits/).waitFor();
  await look(desk, "digits, long name");
  await desk.type(await second.digits());
  await desk.heading("Approve it on your other device");
  await look(desk, "approval");
  await phone.approve();
  await desk.heading("Registered");
  await desk.visit();
  await page.locator(".device").first().waitFor();
  await page.getByText("None yet. Right and wrong ones").waitFor();
  await page.getByText("Details").first().click();
  await look(desk, "devices");
  await page.getByRole("button", { name: "Rename Pixel 8" }).click();
  await look(desk, "rename");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Remove Pixel 8" }).click();
  await page.getByText("Remove “Pixel 8”?").waitFor();
  await look(desk, "remove");
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByText("Approve it on another device").waitFor();
  await look(desk, "removal, another device");
  await second.approve();
  await page.getByText("“Pixel 8” is removed.").waitFor();
  await page.getByRole("button", { name: /^Remove An old/ }).click();
  await page.getByText("It is your only device.").waitFor();
  await look(desk, "remove the only one");
  for (const name of ["Remove", "Keep it"]) await fits(desk, `dialog button:text-is("${name}")`, { width: 320, height: 568 });
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByText(/^Approve it on/).waitFor();
  await look(desk, "removal, approval");
});

test("the code that is drawn holds the link, in light and dark, on a small phone and a desktop", async () => {
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    for (const viewport of [SIZES[0], SIZES[2]]) {
      const desk = await world.desk({ colorScheme, viewport });
      await desk.signIn("carol");
      const link = await desk.code();
      assert.equal(await scanned(world.browser, await desk.page.locator(".code").screenshot()), link);
      const pixels = await desk.page.locator(".code svg").evaluate((svg) => svg.getBoundingClientRect().width);
      const modules = Number((await desk.page.locator(".code svg").getAttribute("viewBox"))?.split(" ")[2]);
      // The first corner's upper edge, four modules away from both sides.
      assert.match((await desk.page.locator(".code path").getAttribute("d")) ?? "", /^M4 4h7v1/);
      assert.equal(pixels % modules, 0, `${pixels} pixels for ${modules} modules: each has whole pixels`);
    }
  }
});

test("a code that is over", { timeout: 120_000 }, async () => {
  const desk = await world.desk();
  await desk.signIn("bob");
  const phone = await desk.bring("Phone");
  const wrong = otherDigits(await phone.digits());
  for (const words of ["2 tries are left", "One try is left"]) {
    await desk.type(wrong);
    await desk.page.getByText(words).waitFor();
  }
  await desk.type(wrong);
  await desk.heading("This code is over");
  await look(desk, "over");
});

test("codes", { timeout: 240_000 }, async () => {
  const desk = await world.desk();
  const { page } = desk;
  const press = (/** @type {string} */ name) => page.getByRole("button", { name, exact: true }).click();
  await desk.signIn("dave");
  await press("Set up an authenticator app");
  await desk.heading("Set up your authenticator app");
  await look(desk, "app");
  await fits(desk, ".scan form", { width: 1280, height: 800 });
  const code = page.getByLabel("The app’s first code");
  await code.fill("1");
  await press("Confirm");
  await page.getByText("Type all six digits.").waitFor();
  await look(desk, "app, wrong");
  for (const _ of [1, 2, 3]) {
    const answered = page.waitForResponse(/\/panel\/api\/codes\/totp\//);
    await code.fill("000000");
    await press("Confirm");
    await answered;
  }
  await desk.heading("This code is over");
  await look(desk, "app, over");
  await desk.visit();
  await press("Make recovery codes");
  await desk.heading("Your recovery codes");
  await look(desk, "recovery codes");
  await press("I have stored them");
  await desk.heading("Your devices");
  await look(desk, "codes kept");
  await press("Make new recovery codes");
  await page.getByText("Make new recovery codes?").waitFor();
  await look(desk, "new recovery codes");
  const phone = await desk.register("Phone");
  await desk.heading("Registered");
  await phone.ready();
  await desk.visit();
  await press("Set up an authenticator app");
  await desk.heading("Approve it on your device");
  await look(desk, "codes, approval");
  await phone.page.getByRole("button", { name: "Deny" }).click();
  await phone.page.getByRole("button", { name: "Done" }).click();
  await desk.heading("Not approved");
  await look(desk, "codes, denied");
  await press("Ask again");
  await phone.page.getByRole("button", { name: "This was not me" }).click();
  await desk.heading("Sign in");
  await desk.signIn("dave");
  await page.getByLabel("A code, to lift the freeze").waitFor();
  await look(desk, "codes, frozen");
});

test("mode admin", async () => {
  const desk = await strict.desk();
  await desk.signIn("alice");
  await desk.page.getByText("A first device needs").waitFor();
  await look(desk, "ask an admin");
  await desk.visit("/panel/add");
  await desk.page.getByText("No device can be added now.").waitFor();
  await look(desk, "refused");
  await desk.visit(await strict.link("bob"));
  await desk.page.getByRole("button", { name: "Sign in once" }).click();
  await desk.page.getByText("You are signed in as bob").waitFor();
  await look(desk, "signed in by link");
});
