// What a page weighs when a browser has nothing of it yet: bytes over the wire, and requests one behind the other. Each byte is
// waited for on a bad mobile network; what is measured in seconds stands in `npm run bench`.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { World } from "./rig.mjs";

/** Bytes and requests that each page may take. More is a decision, not an accident.
 * @type {Record<string, { bytes: number, requests: number }>} */
const BUDGETS = {
  "/": { bytes: 175_000, requests: 60 },
  "/panel/sign-in": { bytes: 30_000, requests: 14 },
  "/panel/l": { bytes: 30_000, requests: 14 },
  "/panel/help": { bytes: 30_000, requests: 14 },
};

/** @type {World} */
let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

for (const [path, budget] of Object.entries(BUDGETS)) {
  test(`${path} is light`, async (t) => {
    const context = await world.context({ viewport: { width: 390, height: 844 }, serviceWorkers: "block" });
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    let bytes = 0;
    let requests = 0;
    session.on("Network.loadingFinished", ({ encodedDataLength }) => {
      bytes += encodedDataLength;
      requests += 1;
    });
    await page.goto(world.url + path, { waitUntil: "networkidle" });
    t.diagnostic(`${bytes} bytes, ${requests} requests`);
    assert.ok(bytes > 5000 && requests > 3, `the page came: ${bytes} bytes, ${requests} requests`);
    assert.ok(bytes <= budget.bytes, `${bytes} bytes, more than ${budget.bytes}`);
    assert.ok(requests <= budget.requests, `${requests} requests, more than ${budget.requests}`);
  });
}
