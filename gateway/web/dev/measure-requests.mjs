// From a request that is sent to what is drawn, and from a tap to the answer at the host, whose verifier is the real one: by
// a tap, and by a passkey of Chromium's virtual authenticator.
import { World } from "../tests/rig.mjs";
import { SSH } from "../tests/tour.mjs";
import { withKey } from "../tests/withkey.mjs";
import { now } from "./measuring.mjs";

/** @typedef {import("../tests/rig.mjs").Phone} Phone */

/** One request after the other: when it was pushed, drawn, tapped, and its answer heard.
 * @param {World} world @param {Phone} phone @param {string} user @param {object} wanted @param {number} rounds */
async function requests(world, phone, user, wanted, rounds) {
  const { page } = phone;
  /** @type {number[]} */
  const drawn = [];
  /** @type {number[]} */
  const answered = [];
  for (let round = 0; round < rounds; round++) {
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
    const id = await world.host.push(user, { ...wanted, login: `b${round}` });
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
    answered.push(came - seen.tapped);
    await page.getByRole("button", { name: "Done" }).click();
    await phone.heading("Ready");
  }
  return { drawn, answered };
}

/** @param {number} rounds */
export async function measureRequests(rounds) {
  const world = await World.start({ name: "localhost" });
  const { phone } = await withKey(world, { hasTouch: true });
  await phone.enrol("alice", "Phone", { passkey: true });
  const tap = await requests(world, phone, "alice", SSH, rounds);
  const passkey = await requests(world, phone, "alice", { ...SSH, level: "passkey" }, rounds);
  await world.stop();
  return { drawn: tap.drawn, tap: tap.answered, passkey: passkey.answered };
}
