// Sends one answer until it is taken, refused, or no use any more. Beside `send` in ctl/src/authenticator/listen.rs.

import { Problem } from "/assets/relay.js";
import { visible } from "/assets/text.js";

/** @import { Waiting } from "/assets/desk.js" */
/** @import { Decision, Proof } from "/assets/request.js" */
/** @import { Became } from "/assets/vault.js" */

const FIRST_PAUSE_MS = 200;
const LAST_PAUSE_MS = 2000;
/** A refusal is tried for this long even when the request seems over: only the relay knows. */
const REFUSAL_MS = 5000;

/**
 * @param {Waiting} waiting @param {Decision} decision @param {Proof} proof
 * @returns {Promise<{ became: Became, why: string }>}
 */
export async function send({ id, account, request, ends }, decision, proof) {
  const { caller } = account;
  const began = performance.now();
  const blob = await account.sealed(request, decision, proof);
  const worthwhile = (/** @type {number} */ pause) =>
    ends.left() > pause || (decision !== "approve" && performance.now() - began < REFUSAL_MS);
  let pause = FIRST_PAUSE_MS;
  for (;;) {
    try {
      await caller.answer(id, blob);
      return { became: decision, why: "" };
    } catch (error) {
      if (caller.learn(error)) continue;
      const passing = !(error instanceof Problem) || error.passing;
      if (!passing || !worthwhile(pause)) return failure(error);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, LAST_PAUSE_MS);
  }
}

/** @param {unknown} error @returns {{ became: Became, why: string }} */
function failure(error) {
  if (error instanceof Problem && error.code === "gone") return { became: "late", why: "" };
  const why = error instanceof Problem ? `it says: ${error.message}` : error instanceof Error ? error.message : "";
  return { became: "unsent", why: visible(why) };
}
