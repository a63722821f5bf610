// Draws the PNG icons from shared/mark.svg: `node dev/icons.mjs`. Their results are in the tree.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = (/** @type {string} */ path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const mark = readFileSync(here("shared/mark.svg"), "utf8");
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });

/** @param {string} name @param {number} size @param {boolean} full whether the ground reaches the edges */
async function icon(name, size, full) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  // Of a maskable icon only the inner four fifths are safe.
  const drawn = full ? mark.replace('rx="15" ', "").replace('viewBox="0 0 64 64"', 'viewBox="-8 -8 80 80"') : mark;
  const ground = full ? "#0a6554" : "transparent";
  await page.setContent(`<style>body{margin:0;background:${ground}}svg{width:100vw;height:100vh;display:block}</style>${drawn}`);
  await page.screenshot({ path: here(`app/${name}`), omitBackground: !full });
  await page.close();
}

await icon("icon-192.png", 192, true);
await icon("icon-512.png", 512, false);
await icon("icon-maskable.png", 512, true);
await browser.close();
