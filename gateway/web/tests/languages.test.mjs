// In which language the app speaks: the browser's, until the person chooses another; and what the catalogues hold.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { World } from "./rig.mjs";
import { SSH } from "./tour.mjs";
import de from "../app/lang-de.js";
import tr from "../app/lang-tr.js";
import panelDe from "../panel/lang-de.js";
import panelTr from "../panel/lang-tr.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const here = (/** @type {string} */ path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const SMALL = { viewport: { width: 320, height: 640 } };

/** @type {World} */
let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

/** @param {string} text */
const places = (text) => [...text.matchAll(/\{([a-z0-9]+)\}/g)].map(([, name]) => name).sort();

/** @param {import("playwright-core").Page} page @param {string} name */
async function holds(page, name) {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { violations } = await /** @type {any} */ (globalThis).axe.run(document, { preload: false });
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    return { said: violations.map((/** @type {any} */ { id }) => id), wide };
  });
  assert.deepEqual(found, { said: [], wide: 0 }, name);
}

test("every catalogue has the same texts with the same places, and each is said somewhere", () => {
  for (const [folder, one, other] of /** @type {const} */ ([
    ["app", de, tr],
    ["panel", panelDe, panelTr],
  ])) {
    assert.deepEqual(Object.keys(one), Object.keys(other), folder);
    const said = readdirSync(here(folder))
      .filter((name) => /\.(js|html)$/.test(name) && !name.startsWith("lang-"))
      .map((name) => readFileSync(here(`${folder}/${name}`), "utf8"))
      .join("\n");
    // The panel also says what its API answers with.
    const gateway = folder === "panel" ? readFileSync(here("../src/panel/error.rs"), "utf8").replaceAll(/\\\n\s*/g, "") : "";
    for (const texts of [one, other]) {
      for (const [key, text] of Object.entries(texts)) {
        assert.deepEqual(places(text), places(key), key);
        assert.doesNotMatch(text, /[<>]/, key);
        assert.ok(said.includes(key) || gateway.includes(key), `${folder} never says: ${key}`);
      }
    }
  }
});

test("the browser's language is spoken, and only its catalogue is fetched", async () => {
  for (const [locale, lang, heading] of /** @type {const} */ ([
    ["de-AT", "de", de["Approve your sign-ins here"]],
    ["tr-TR", "tr", tr["Approve your sign-ins here"]],
    ["fr-FR", "en", "Approve your sign-ins here"],
  ])) {
    const phone = await world.phone({ locale, ...SMALL });
    /** @type {string[]} */
    const asked = [];
    phone.context.on("request", (request) => asked.push(...(/\/(lang-\w+)\./.exec(request.url())?.slice(1) ?? [])));
    const page = await phone.visit();
    await phone.heading(heading);
    assert.equal(await page.locator("html").getAttribute("lang"), lang);
    assert.deepEqual(asked, lang === "en" ? [] : [`lang-${lang}`]);
    await holds(page, locale);
  }
});

test("the person's choice comes first, is kept, and goes as far as a request and its answer", async () => {
  const phone = await world.phone(SMALL);
  const page = await phone.enrol("alice", "Pixel 8");
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  await page.locator("#settings").click();
  await page.getByRole("combobox", { name: "Language" }).selectOption("Türkçe");
  await phone.heading(tr.Ready);
  await page.locator("#settings").click();
  await phone.heading(tr.Settings);
  await holds(page, "settings in Turkish");
  await page.locator("#language").selectOption("Deutsch");
  await phone.heading(de.Ready);
  await page.reload();
  await phone.heading(de.Ready);
  assert.equal(await page.locator("html").getAttribute("lang"), "de");
  await holds(page, "home in German");
  await world.host.push("alice", SSH);
  await phone.heading(de["SSH login"]);
  await page.getByText(de["Approve only what you started yourself, just now."]).waitFor();
  await holds(page, "a request in German");
  await phone.approve();
  await phone.heading(de.Approved);
  await holds(page, "an answer in German");
});

test("the worker speaks what the page spoke last", async () => {
  const phone = await world.phone({ locale: "tr-TR" });
  const page = await phone.visit();
  await phone.heading(tr["Approve your sign-ins here"]);
  const paths = await Promise.all(["worker-lang", "words", "vault", "lang"].map((name) => phone.module(name)));
  const said = await page.evaluate(async ([worker = "", words = "", vault = "", lang = ""]) => {
    const [{ listen }, { away }, { keepLanguage, keptLanguage }, { use }] = await Promise.all([import(worker), import(words), import(vault), import(lang)]);
    const kept = await keptLanguage();
    /** @type {string[]} */
    const heard = [];
    for (const tag of ["de", "tr", "en", "??"]) {
      use("en", null);
      await keepLanguage(tag);
      await listen();
      heard.push(away().title);
    }
    return { kept, heard };
  }, paths);
  const key = "A sign-in may be waiting";
  assert.deepEqual(said, { kept: "tr", heard: [de[key], tr[key], key, key] });
});
