// What a page weighs, when something is first painted, and when its first button takes a press: the app and the panel's
// sign-in, over TLS and HTTP/2 as they are served. A button takes a press when one changes what stands on the page: in each
// frame in which there is a button in `main` it is pressed, and counted once the change is drawn.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { World } from "../panel/tests/rig.mjs";

/** @typedef {import("playwright-core").CDPSession} Session */
/** @typedef {import("playwright-core").BrowserContext} Context */
/** @typedef {{ bytes: number, requests: number, painted: number, usable: number }} Visit */
/** @typedef {typeof FREE} Throttle */

const FREE = { slower: 1, latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
/** What Lighthouse applies by the same protocol for "slow 4G" on a phone of the middle class: a quarter of this machine's speed,
 * 1474.56 and 675 kbit/s, 562.5 ms a request (150 ms a round trip). */
const SLOW = { slower: 4, latency: 562.5, downloadThroughput: 184_320, uploadThroughput: 84_375 };

/** @param {Session} session @param {Throttle} as */
async function throttle(session, { slower, ...network }) {
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", { offline: false, ...network });
  await session.send("Emulation.setCPUThrottlingRate", { rate: slower });
}

/** In the page: presses the first button until that changes something. */
function pressing() {
  const drawn = (/** @type {() => void} */ then) =>
    requestAnimationFrame(() => {
      const after = new MessageChannel();
      after.port1.onmessage = then;
      after.port2.postMessage(0);
    });
  const press = () => {
    const button = document.querySelector("main button:not([hidden], :disabled)");
    const before = document.querySelector("main")?.innerText;
    if (!(button instanceof HTMLElement)) return drawn(press);
    button.click();
    return drawn(() => {
      if (document.querySelector("main")?.innerText !== before) Object.assign(globalThis, { usable: performance.now() });
      else press();
    });
  };
  drawn(press);
}

/** @param {Context} context @param {string} url @param {Throttle} as @returns {Promise<Visit>} */
async function visit(context, url, as) {
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await throttle(session, as);
  let bytes = 0;
  let requests = 0;
  session.on("Network.loadingFinished", ({ encodedDataLength }) => {
    bytes += encodedDataLength;
    requests += encodedDataLength > 0 ? 1 : 0;
  });
  await page.addInitScript(pressing);
  await page.goto(url);
  const usable = Number(await (await page.waitForFunction(() => /** @type {any} */ (globalThis).usable)).jsonValue());
  const painted = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN);
  const seen = { bytes, requests, painted, usable };
  await throttle(session, FREE);
  await page.close();
  return seen;
}

/** The app, whose service worker then has everything. @param {Context} context @param {string} url */
async function kept(context, url) {
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await page.close();
}

/** @param {number} rounds */
export async function measurePages(rounds) {
  const dir = mkdtempSync(join(tmpdir(), "assent-bench-"));
  const [certificate, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", ...subject, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  const world = await World.start({ tls: { certificate, key } });
  /** @type {{ name: string, slow: boolean, visits: Visit[] }[]} */
  const all = [];
  for (const slow of [false, true]) {
    for (const [name, path, later] of /** @type {const} */ ([
      ["the app, first visit", "/", false],
      ["the app, later visits", "/", true],
      ["the panel’s sign-in, first visit", "/panel/sign-in", false],
    ])) {
      /** @type {Visit[]} */
      const visits = [];
      for (let round = 0; round < rounds; round++) {
        const context = await world.context({ viewport: { width: 390, height: 844 } });
        if (later) await kept(context, world.url + path);
        visits.push(await visit(context, world.url + path, slow ? SLOW : FREE));
        await context.close();
      }
      all.push({ name, slow, visits });
    }
  }
  await world.stop();
  rmSync(dir, { recursive: true, force: true });
  return all;
}
