// Every screen, in light and dark, on a phone, at 320 pixels and on a desktop: nothing that axe-core objects to, nothing
// cut off, nothing too small to hit.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { World } from "./rig.mjs";
import { tour } from "./tour.mjs";
import { translated } from "./translated.mjs";
import de from "../app/lang-de.js";
import tr from "../app/lang-tr.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Height of what is pressed, in pixels (WCAG 2.2, 2.5.5). */
const TARGET = 44;
/** What a plain request is: all of it is seen at once, down to the buttons, where the screen is not a small one. */
const PLAIN = ["ssh", "sudo", "sudo-number"];

/** @type {World} */
let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

for (const [at, { scheme, width, height }] of /** @type {const} */ ([
  { scheme: "light", width: 390, height: 844 },
  { scheme: "dark", width: 320, height: 640 },
  { scheme: "light", width: 1280, height: 800 },
]).entries()) {
  test(`every screen holds at ${width} pixels, ${scheme}`, async () => {
    const phone = await world.phone({ viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce" });
    /** @type {string[]} */
    const seen = [];
    await tour(world, phone, `alice${at}`, async (name) => {
      seen.push(name);
      const holds = async (/** @type {string} */ tongue) => {
        await phone.page.evaluate(AXE);
        const found = await phone.page.evaluate(async (target) => {
          const axe = /** @type {any} */ (globalThis).axe;
          const { violations } = await axe.run(document, { preload: false });
          const said = violations.map((/** @type {any} */ one) => `${one.id}: ${one.nodes.map((/** @type {any} */ node) => node.html).join(" | ")}`);
          const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
          const small = [...document.querySelectorAll("button, input, textarea")]
            .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < target)
            .map((one) => one.outerHTML);
          return { said, wide, small };
        }, TARGET);
        assert.deepEqual(found, { said: [], wide: 0, small: [] }, `${name}, ${tongue}`);
      };
      await holds("en");
      for (const [tongue, texts] of Object.entries({ de, tr })) {
        const changed = await translated(phone.page, texts, () => holds(tongue));
        assert.ok(changed > 0, `${name} says something in ${tongue}`);
      }
      const where = await phone.page.evaluate(() => {
        const box = (/** @type {string} */ one) => document.querySelector(one)?.getBoundingClientRect();
        const tops = ["#number", "#approve", "#deny", "#report"].flatMap((one) => box(one)?.top ?? []);
        return { card: box(".request > .card")?.bottom, top: Math.min(...tops), end: box("#deny")?.bottom ?? 0 };
      });
      // R8, for the eye too.
      if (where.card !== undefined) assert.ok(where.card <= where.top, `${name}: ${JSON.stringify(where)}`);
      if (PLAIN.includes(name) && width >= 390) assert.ok(where.end > 0 && where.end <= height, `${name}: ${JSON.stringify(where)}`);
    });
    assert.ok(seen.length >= 24, String(seen));
  });
}
