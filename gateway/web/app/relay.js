// The HTTP client towards the relay: bounded bodies, a time limit on everything, no cookies, no redirects; and the claim
// by which the relay knows this device, dated by the relay's clock. Beside ctl/src/gateway_client.rs.

import { encode, text } from "/assets/bytes.js";
import { TimeError, now } from "/assets/cert.js";
import { sign } from "/assets/jws.js";
import { ShapeError, bytes, digest, id, integer, list, object, optional, parse, point, seconds, text as textShape, variant } from "/assets/shape.js";

/** @import { Bytes } from "/assets/bytes.js" */
/** @import { Reader } from "/assets/shape.js" */

const CALL_MS = 10_000;
const MAX_BODY = 512 * 1024;
/** A claim lives 600 s at the relay; it is used for half of that. */
const CLAIM_MS = 300_000;

/** The relay gave no answer, or none that makes sense. Trying again may help. */
export class Unreachable extends Error {}

/** The relay's own word. */
export class Problem extends Error {
  /** @param {number} status @param {string} code @param {string} said @param {number} at the relay's clock */
  constructor(status, code, said, at) {
    super(said);
    this.status = status;
    this.code = code;
    this.at = at;
  }

  /** Whether trying again may help. */
  get passing() {
    return this.status >= 500;
  }
}

const trustShape = object({
  roots: list(point),
  steps: list(textShape),
  issuers: list(textShape),
  // Hosts ask it; a phone has nothing to do with codes.
  code_services: optional(list(textShape)),
  now: seconds,
});

/** @typedef {ReturnType<typeof trustShape>} TrustInfo */

const webPushShape = object({
  vapid: optional(point),
  subscription: variant({
    none: null,
    lost: null,
    kept: object({ endpoint: digest, silent_since: optional(seconds) }),
  }),
});

const waitingShape = object({ id, expiry: seconds, left: integer(0xffff_ffff), blob: bytes });

/** @param {string} url @param {RequestInit} init @param {AbortSignal} signal @returns {Promise<Response>} */
export async function call(url, init, signal) {
  const safe = /** @type {const} */ ({
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    referrerPolicy: "no-referrer",
  });
  /** @type {Response} */
  let response;
  try {
    response = await fetch(url, { ...init, ...safe, signal });
  } catch {
    throw new Unreachable(signal.aborted ? "it gave no answer in time" : "it cannot be reached");
  }
  if (response.ok) return response;
  throw await problem(response);
}

/** @param {Response} response */
async function problem(response) {
  try {
    const said = JSON.parse(await bounded(response));
    if (typeof said.code === "string" && typeof said.text === "string" && Number.isSafeInteger(said.now)) {
      return new Problem(response.status, said.code, said.text, said.now);
    }
  } catch {
    // Not the relay's form of a problem: perhaps a proxy's.
  }
  return new Problem(response.status, "internal", `it answered ${response.status}`, now());
}

/** @param {Response} response */
async function bounded(response) {
  const reader = response.body?.getReader();
  /** @type {Bytes[]} */
  const chunks = [];
  let length = 0;
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) break;
    length += value.length;
    if (length > MAX_BODY) throw new Unreachable("its answer is too long");
    chunks.push(new Uint8Array(value));
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return text(whole);
}

/** @template T @param {string} url @param {RequestInit} init @param {Reader<T>} shape @returns {Promise<T>} */
export async function json(url, init, shape) {
  const response = await call(url, init, AbortSignal.timeout(CALL_MS));
  try {
    return shape(parse(await bounded(response)), "answer");
  } catch (error) {
    if (error instanceof ShapeError) throw new Unreachable(`its answer is not what was expected (${error.message})`);
    if (error instanceof Unreachable) throw error;
    throw new Unreachable("its answer broke off");
  }
}

/** What the relay says of itself; nothing of it is believed without a pin. @param {string} base */
export const trustInfo = (base) => json(`${base}/v1/trust`, {}, trustShape);

/** A body of JSON. @param {object} value @returns {RequestInit} */
export const posted = (value) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
});

/** @param {string} url @param {RequestInit} init */
const done = (url, init) => call(url, init, AbortSignal.timeout(CALL_MS));

/** Clocks that differ by no more are taken to be right. */
const NEWS_S = 30;

/** This device towards its relay, and how its clock stands to the relay's. */
export class Caller {
  /** @param {string} base @param {string} deviceId @param {CryptoKeyPair} pair
   * @param {number} ahead seconds that the relay's clock was ahead of ours
   * @param {(ahead: number) => void} learned hears when that has changed */
  constructor(base, deviceId, pair, ahead, learned) {
    this.base = base;
    this.deviceId = deviceId;
    this.pair = pair;
    this.ahead = ahead;
    this.learned = learned;
    /** @type {{ text: string, until: number } | null} */
    this.claim = null;
  }

  async bearer() {
    const at = Date.now();
    if (this.claim !== null && at < this.claim.until && at > this.claim.until - CLAIM_MS - 1000) return this.claim.text;
    const claim = { v: 1, aud: this.base, sub: this.deviceId, iat: this.now() };
    const signed = await sign("assent-relay-auth+jws", this.pair, claim);
    this.claim = { text: signed, until: at + CLAIM_MS };
    return signed;
  }

  /** The relay's clock, as far as it is known. */
  now() {
    return now() + this.ahead;
  }

  /** The relay's clock says `at`. Whether that is news. @param {number} at */
  hears(at) {
    const ahead = at - now();
    if (Math.abs(this.ahead - ahead) <= NEWS_S) return false;
    this.ahead = ahead;
    this.claim = null;
    this.learned(ahead);
    return true;
  }

  /**
   * Judges certificates by the relay's clock. Where time is what stands in the way, it is asked for before anything is
   * believed to have ended (R81); `checked` of a `TimeError` says whether it answered.
   * @template T @param {(at: number) => Promise<T>} check @returns {Promise<T>}
   */
  async judge(check) {
    try {
      return await check(this.now());
    } catch (error) {
      if (!(error instanceof TimeError)) throw error;
      const theirs = await trustInfo(this.base).then((info) => info.now, () => null);
      if (theirs === null) throw error;
      this.hears(theirs);
      return await check(this.now()).catch((/** @type {unknown} */ still) => {
        if (still instanceof TimeError) still.checked = true;
        throw still;
      });
    }
  }

  /** Learns the relay's clock if that was what it complained of; true if trying again at once makes sense.
   * @param {unknown} failure */
  learn(failure) {
    if (!(failure instanceof Problem) || failure.code !== "clock") return false;
    this.claim = null;
    return this.hears(failure.at);
  }

  /** A call in this device's name; once more where the clock was what stood in its way.
   * @template T @param {string} path @param {RequestInit} init
   * @param {(url: string, init: RequestInit) => Promise<T>} act @returns {Promise<T>} */
  async named(path, init, act) {
    const once = async () => {
      const headers = { ...init.headers, authorization: `Bearer ${await this.bearer()}` };
      return act(`${this.base}${path}`, { ...init, headers });
    };
    try {
      return await once();
    } catch (error) {
      if (!this.learn(error)) throw error;
      return once();
    }
  }

  /** How this device's Web Push stands. */
  webPush() {
    return this.named("/v1/subscription", {}, (url, init) => json(url, init, webPushShape));
  }

  /** Is rung at here from now on. @param {{ endpoint: string, p256dh: string, auth: string }} subscription */
  async subscribe(subscription) {
    await this.named("/v1/subscription", { ...posted(subscription), method: "PUT" }, done);
  }

  /** Is rung at no more. */
  async unsubscribe() {
    await this.named("/v1/subscription", { method: "DELETE" }, done);
  }

  /** The request that it was rung at for. @param {string} push */
  waiting(push) {
    return this.named(`/v1/push/${push}`, {}, (url, init) => json(url, init, waitingShape));
  }

  /** Hands a sealed answer over. @param {string} push @param {Bytes} blob */
  async answer(push, blob) {
    const init = posted({ blob: encode(blob) });
    const headers = { ...init.headers, authorization: `Bearer ${await this.bearer()}` };
    await call(`${this.base}/v1/push/${push}/answer`, { ...init, headers }, AbortSignal.timeout(CALL_MS));
  }
}
