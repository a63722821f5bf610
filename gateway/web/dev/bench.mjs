// What a person waits for, measured with a real gateway, the real app in real Chromium, and a host whose verifier is the
// real one: `npm run bench`. Prints one table and judges nothing. Everything is on one machine, without TLS.
import { World } from "../tests/rig.mjs";
import { SSH } from "../tests/tour.mjs";

/** @typedef {import("../tests/rig.mjs").Phone} Phone */
/** @typedef {import("playwright-core").CDPSession} Session */

const RUNS = 30;
/** A phone of the middle class behind a slow mobile network: 1.6 Mbit/s, 150 ms, a quarter of this machine's speed. */
const SLOW = { offline: false, latency: 150, downloadThroughput: 200_000, uploadThroughput: 93_750, slower: 4 };
const FAST = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1, slower: 1 };

const now = () => performance.timeOrigin + performance.now();

/** @param {number[]} times @param {number} part */
const percentile = (times, part) => [...times].sort((a, b) => a - b)[Math.ceil(times.length * part) - 1] ?? NaN;

/** One request after the other: when it was pushed, drawn, tapped, and its answer heard. @param {World} world @param {Phone} phone */
async function requests(world, phone) {
  const { page } = phone;
  /** @type {number[]} */
  const drawn = [];
  /** @type {number[]} */
  const heard = [];
  for (let run = 0; run < RUNS; run++) {
    await page.evaluate(() => {
      const look = new MutationObserver(() => {
        const approve = document.getElementById("approve");
        if (approve === null) return;
        look.disconnect();
        approve.addEventListener("click", (event) => Object.assign(globalThis, { tapped: performance.timeOrigin + event.timeStamp }));
        // A task after the next frame: it is on the screen then.
        requestAnimationFrame(() => {
          const after = new MessageChannel();
          after.port1.onmessage = () => Object.assign(globalThis, { drawn: performance.timeOrigin + performance.now() });
          after.port2.postMessage(0);
        });
      });
      Object.assign(globalThis, { drawn: 0, tapped: 0 });
      look.observe(document.body, { subtree: true, childList: true });
    });
    const sent = now();
    const id = await world.host.push("alice", { ...SSH, login: `b${run}` });
    await page.waitForFunction(() => /** @type {any} */ (globalThis).drawn > 0);
    // The guard against presses that were meant for something else.
    await page.waitForTimeout(450);
    await page.locator("#approve").tap();
    const { verdict, why } = await world.host.answer(id);
    const came = now();
    if (verdict !== "approved") throw new Error(`${verdict}: ${why}`);
    const seen = await page.evaluate(() => {
      const { drawn, tapped } = /** @type {any} */ (globalThis);
      return { drawn, tapped };
    });
    drawn.push(seen.drawn - sent);
    heard.push(came - seen.tapped);
    await page.getByRole("button", { name: "Done" }).click();
    await phone.heading("Ready");
  }
  return { drawn, heard };
}

/** @param {Session} session @param {typeof SLOW} as */
async function throttle(session, { slower, ...network }) {
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", network);
  await session.send("Emulation.setCPUThrottlingRate", { rate: slower });
}

/** Opens the app as on a slow phone. @param {Phone} phone */
async function visit(phone) {
  const page = await phone.context.newPage();
  const session = await phone.context.newCDPSession(page);
  await throttle(session, SLOW);
  let bytes = 0;
  let requests = 0;
  session.on("Network.loadingFinished", ({ encodedDataLength }) => {
    bytes += encodedDataLength;
    requests += encodedDataLength > 0 ? 1 : 0;
  });
  await page.goto(phone.home);
  await page.getByRole("heading", { level: 1, name: "Approve your sign-ins here" }).waitFor();
  const usable = await page.evaluate(() => performance.now());
  const first = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const observer = new PerformanceObserver((list) => {
          const paint = list.getEntriesByName("first-contentful-paint")[0];
          if (paint !== undefined) resolve(paint.startTime);
        });
        observer.observe({ type: "paint", buffered: true });
      }),
  );
  return { page, bytes, requests, first: Number(first), usable };
}

/** A first visit, and one once the service worker has everything. @param {World} world */
async function loads(world) {
  const phone = await world.phone({ serviceWorkers: "allow", hasTouch: true });
  const cold = await visit(phone);
  const session = await phone.context.newCDPSession(cold.page);
  await throttle(session, FAST);
  await cold.page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await cold.page.close();
  const warm = await visit(phone);
  await phone.context.close();
  return { cold, warm };
}

const world = await World.start();
const phone = await world.phone({ hasTouch: true });
await phone.enrol("alice");
const { drawn, heard } = await requests(world, phone);
const { cold, warm } = await loads(world);
await world.stop();
const ms = (/** @type {number} */ time) => `${Math.round(time)} ms`;
const row = (/** @type {string[]} */ ...[name = "", ...values]) => console.log(`${name.padEnd(46)}${values.map((value) => value.padStart(12)).join("")}`);
row("", "p50", "p95", "worst");
for (const [name, times] of /** @type {const} */ ([
  ["push sent → request drawn", drawn],
  ["tap → the host's verifier has the answer", heard],
])) {
  row(`${name} (${times.length})`, ms(percentile(times, 0.5)), ms(percentile(times, 0.95)), ms(Math.max(...times)));
}
row("slow phone (1.6 Mbit/s, 150 ms, CPU ÷ 4)", "bytes", "requests", "first paint", "usable");
for (const [name, { bytes, requests, first, usable }] of /** @type {const} */ ([
  ["  first visit", cold],
  ["  later visits, by the service worker", warm],
])) {
  row(name, String(bytes), String(requests), ms(first), ms(usable));
}
