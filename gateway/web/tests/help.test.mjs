// The help of the app: over every screen, before a registration too; a request is not lost under it, and a new one takes it away.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { World } from "./rig.mjs";
import { SUDO } from "./tour.mjs";

/** @type {World} */
let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

/** @param {import("playwright-core").Page} page */
const dialog = (page) => page.locator("dialog.help");

test("it opens by keyboard before there is a registration, speaks the chosen language, and gives the focus back", async () => {
  const phone = await world.phone({ viewport: { width: 320, height: 640 } });
  const page = await phone.visit();
  await phone.heading("Approve your sign-ins here");
  const help = page.getByRole("button", { name: "Help", exact: true });
  await help.focus();
  await page.keyboard.press("Enter");
  await dialog(page).getByRole("heading", { name: "Help", exact: true }).waitFor();
  const topic = dialog(page).locator("#help-lost");
  await topic.locator("summary").focus();
  await page.keyboard.press("Enter");
  await topic.getByText("Neither? Tell your administrator at once.").waitFor();
  assert.equal(await topic.getByRole("button").count(), 0, "there are no settings yet");
  await page.keyboard.press("Escape");
  await dialog(page).waitFor({ state: "hidden" });
  assert.equal(await page.evaluate(() => document.activeElement?.id), "help");
  await help.click();
  await dialog(page).locator("#help-language summary").click();
  await page.locator("#help-language").getByRole("combobox").selectOption("Deutsch");
  await page.getByRole("button", { name: "Hilfe", exact: true }).click();
  await dialog(page).getByText("Mein Telefon ist verloren oder gestohlen").waitFor();
});

test("every topic that a screen leads to is one that the help has", async () => {
  const phone = await world.phone();
  const page = await phone.visit();
  await page.locator("#help").click();
  const there = await dialog(page).locator("details").evaluateAll((all) => all.map((one) => one.id.replace("help-", "")));
  const folder = fileURLToPath(new URL("../app", import.meta.url));
  const named = readdirSync(folder)
    .filter((name) => name.startsWith("screen-"))
    .flatMap((name) => [...readFileSync(`${folder}/${name}`, "utf8").matchAll(/helpAbout\(([^)]*)\)/g)])
    .flatMap(([, said = ""]) => [...said.matchAll(/"([a-z-]+)"/g)].map(([, topic = ""]) => topic));
  assert.ok(named.length >= 6, String(named));
  assert.deepEqual(named.filter((topic) => !there.includes(topic)), []);
});

test("beside a request it keeps what was typed, and what it uncovers takes no press at once", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("alice", "Pixel 8");
  const id = await world.host.push("alice", SUDO);
  await page.locator("#number").fill("482");
  await page.getByRole("button", { name: "Help", exact: true }).click();
  await dialog(page).getByText("Login id: the same six characters").waitFor();
  for (const topic of await dialog(page).locator("summary").all()) await topic.evaluate((one) => ((/** @type {HTMLDetailsElement} */ (one.parentElement)).open = true));
  assert.deepEqual(await dialog(page).getByRole("button", { name: /Settings|Register a device|Move/ }).allInnerTexts(), [], "nothing there leads away from a request");
  // Long enough for the request itself to take a press.
  await page.waitForTimeout(450);
  await page.evaluate(async () => {
    const dialog = /** @type {HTMLDialogElement} */ (document.querySelector("dialog.help"));
    const closed = new Promise((resolve) => dialog.addEventListener("close", resolve));
    dialog.close();
    await closed;
    document.getElementById("approve")?.click();
  });
  await page.getByText("That press came too soon").waitFor();
  assert.equal(await page.locator("#number").inputValue(), "482");
  await phone.approve();
  assert.equal((await world.host.answer(id)).verdict, "approved");
  await page.getByRole("button", { name: "Done" }).click();
});

test("a new request takes it away; without one it leads into the right part of the settings", async () => {
  const phone = await world.phone({ viewport: { width: 320, height: 568 } });
  const page = await phone.enrol("bob", "Pixel 8");
  await page.locator("#help").click();
  await dialog(page).waitFor();
  const id = await world.host.push("bob");
  await phone.heading("SSH login");
  await dialog(page).waitFor({ state: "hidden" });
  await page.locator("#deny").click();
  await world.host.answer(id);
  await page.getByRole("button", { name: "Done" }).click();

  await page.locator("#help").click();
  await dialog(page).locator("#help-lock summary").click();
  await dialog(page).getByRole("button", { name: "Lock", exact: true }).click();
  await phone.heading("Settings");
  await dialog(page).waitFor({ state: "hidden" });
  const top = await page.locator("#lock").evaluate((one) => one.getBoundingClientRect().top);
  assert.ok(top > -2 && top < 300, `${top}`);
  await page.goBack();
  await phone.heading("Ready");

  await phone.context.setOffline(true);
  await phone.heading("Offline");
  await page.getByRole("button", { name: "Help with this" }).click();
  assert.equal(await dialog(page).locator("details[open]").getAttribute("id"), "help-offline");
  await dialog(page).getByRole("button", { name: "Close" }).click();
  await phone.context.setOffline(false);
  await phone.heading("Ready");
});
