// The sources themselves: vendored modules are what npm's packages hold, and nothing goes around the policy.
import { test } from "node:test";
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { vendorLock } from "../dev/vendor.mjs";

const here = (/** @type {string} */ path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const read = (/** @type {string} */ path) => readFileSync(here(path), "utf8");

test("vendored modules and their lock are what the pinned packages give", async () => {
  const { made, lock } = await vendorLock();
  assert.equal(read("vendor.lock"), lock);
  for (const { path, text } of made) assert.equal(read(path), text, path);
});

test("no page sets HTML, evaluates text, or names another site", () => {
  for (const folder of ["app", "shared"]) {
    for (const name of readdirSync(here(folder)).filter((one) => /\.(js|html|css|webmanifest)$/.test(one))) {
      const text = read(`${folder}/${name}`);
      assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|javascript:/, name);
      assert.doesNotMatch(text, /\bstyle=|\son\w+="|<style/, `${name}: nothing inline`);
      assert.doesNotMatch(text.replaceAll("http://www.w3.org/2000/svg", ""), /["'(]https?:\/\/[a-z]/, `${name}: no other site`);
    }
  }
});

/** What a module leads to. @param {string} first @param {string[]} folders */
function leadsTo(first, folders) {
  /** @type {Set<string>} */
  const needed = new Set();
  const walk = (/** @type {string} */ name) => {
    const folder = folders.find((one) => existsSync(here(`${one}/${name}`)));
    for (const [, other = ""] of read(`${folder}/${name}`).matchAll(/^(?:import|export)\b[^;]*?from "\/assets\/([a-z0-9-]+\.js)";/gm)) {
      if (needed.has(other)) continue;
      needed.add(other);
      walk(other);
    }
  };
  walk(first);
  return [...needed].sort();
}

test("every page asks at once for every module that it needs", () => {
  const pages = readdirSync(here("panel")).filter((name) => name.endsWith(".html"));
  assert.ok(pages.length >= 6, String(pages));
  for (const page of ["app/index.html", ...pages.map((name) => `panel/${name}`)]) {
    const text = read(page);
    const [, first = ""] = /<script type="module" src="\/assets\/([a-z-]+\.js)">/.exec(text) ?? [];
    const needed = leadsTo(first, page.startsWith("app/") ? ["app", "shared", "vendor"] : ["panel", "shared"]);
    const asked = [...text.matchAll(/rel="modulepreload" href="\/assets\/([a-z0-9-]+\.js)"/g)].map(([, name]) => name);
    assert.deepEqual(asked, needed, page);
    for (const later of ["jsqr.js", ...(page.startsWith("app/") ? ["help.js"] : [])]) assert.ok(!needed.includes(later), `${later} is fetched when it is wanted`);
  }
});

test("files are of one job and of a size that can be read", () => {
  for (const name of readdirSync(here("app")).filter((one) => one.endsWith(".js"))) {
    const lines = read(`app/${name}`).split("\n");
    assert.match(lines[0] ?? "", /^\/\/ /, `${name} says what it is for`);
    // A catalogue is one list of texts.
    if (!/^lang-(de|tr)\.js$/.test(name)) assert.ok(lines.length <= 470, `${name}: ${lines.length} lines`);
  }
});
