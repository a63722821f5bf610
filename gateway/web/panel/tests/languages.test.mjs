// In which language the panel speaks: the browser's, until the person chooses another at the page's foot.
import { AxeBuilder } from "./axe.mjs";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { World } from "./rig.mjs";
import de from "../lang-de.js";
import tr from "../lang-tr.js";

/** @type {World} */
let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

test("the browser's language is spoken, and a choice comes first and is kept", async () => {
  const desk = await world.desk({ locale: "de-DE", viewport: { width: 320, height: 640 } });
  const { page } = desk;
  await desk.visit("/panel/sign-in");
  await page.getByLabel(de["User name"]).fill("alice");
  assert.equal(await page.locator("html").getAttribute("lang"), "de");
  assert.equal(await page.title(), `${de["Sign in"]} – Assent`);
  await page.getByLabel(de.Password).fill("wrong");
  await page.getByRole("button", { name: de["Sign in"] }).click();
  await page.getByText(de["You are not signed in."]).waitFor();
  await page
    .getByText(de["That did not work. Check your user name and your password and try again. If you are sure of both, your account may be locked or expired: ask your administrator."])
    .waitFor();
  await page.locator("#language").selectOption("Türkçe");
  await page.getByLabel(tr["User name"]).waitFor();
  await page.reload();
  await page.getByLabel(tr["User name"]).waitFor();
  assert.equal(await page.locator("html").getAttribute("lang"), "tr");
  assert.deepEqual(await new AxeBuilder(page).violations(), []);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
  await page.locator("#language").selectOption("English");
  await page.getByLabel("User name").waitFor();
  await page.locator("#language").selectOption("");
  await page.getByLabel(de["User name"]).waitFor();
});

test("a broken link is told of in the browser's language, and its token is gone from the address before", async () => {
  const desk = await world.desk({ locale: "tr-TR" });
  await desk.visit("/panel/l#1.broken");
  await desk.page.getByText(tr["The link is not whole."]).waitFor();
  assert.equal(new URL(desk.page.url()).hash, "");
});
