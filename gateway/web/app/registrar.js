// Calls to the registrar: sealed to the issuing key, answered under its signature, sealed to this device. The relay
// that carries them reads nothing and can forge nothing. Beside proto/src/registrar.rs.

import { encode, random, sha256 } from "/assets/bytes.js";
import { now } from "/assets/cert.js";
import { sign, verify } from "/assets/jws.js";
import { pointOf } from "/assets/keys.js";
import { json, posted } from "/assets/relay.js";
import { open, seal } from "/assets/seal.js";
import { bytes, digest, id, integer, list, object, optional, seconds, short, text, variant, version } from "/assets/shape.js";

/** @import { Issuer } from "/assets/cert.js" */
/** @import { OwnKeys } from "/assets/keys.js" */
/** @import { Caller } from "/assets/relay.js" */

const sealedShape = object({ issuer: digest, blob: bytes });
const envelopeShape = object({ reply: text });
const device = object({ device: text, label: short, since: seconds });

const stateShape = variant({
  waiting: null,
  digits: object({ label: short, tries: integer(255), n: digest }),
  approval: object({ until: seconds }),
  certified: object({ device: text }),
  over: null,
});

const replyShape = object({
  v: version,
  re: digest,
  at: seconds,
  // Those that a device can get; every other one was for somebody else.
  reply: variant({
    enrolment: stateShape,
    my_devices: object({ devices: list(device) }),
    heard: object({ devices: list(object({ id, at: optional(seconds) })) }),
    move_open: object({ until: seconds, qr: list(text) }),
    left: null,
    device_certified: object({ device: text }),
    revocations: object({
      list: object({ seq: seconds, digest }),
      parts: integer(0xffff_ffff),
      issuer: text,
      text,
    }),
    refused: object({ code: text, text: short }),
  }),
});

/** @typedef {ReturnType<typeof stateShape>} EnrolmentState */
/** @typedef {ReturnType<typeof replyShape>["reply"]} Reply */

/** The registrar understood and refused. */
export class Refused extends Error {
  /** @param {string} code @param {string} said @param {number} at the registrar's clock */
  constructor(code, said, at) {
    super(said);
    this.code = code;
    this.at = at;
  }
}

/** What came is not the registrar's reply to this call. */
export class NotBelieved extends Error {}

/**
 * One sealed call: the reply, and the registrar's clock. Throws `Refused` if that is the reply.
 * @param {string} base @param {Issuer} issuer @param {OwnKeys} keys @param {object} ask
 * @returns {Promise<{ reply: Reply, at: number }>}
 */
async function call(base, issuer, keys, ask) {
  const call = { v: 1, reply_to: await pointOf(keys.kem.publicKey), n: encode(random(16)), ask };
  const blob = await seal(issuer.claims.kem, "call", issuer.key.id, call);
  const re = encode(await sha256(blob));
  const sealed = await json(`${base}/v1/registrar`, posted({ issuer: issuer.key.id, blob: encode(blob) }), sealedShape);
  const { reply, at } = await believed(issuer, keys, re, sealed.blob);
  if (reply.name === "refused") throw new Refused(reply.content.code, reply.content.text, at);
  return { reply, at };
}

/** @param {Issuer} issuer @param {OwnKeys} keys @param {string} re @param {Uint8Array<ArrayBuffer>} blob */
async function believed(issuer, keys, re, blob) {
  try {
    const envelope = await open(keys.kem, "reply", re, blob, envelopeShape);
    const signed = await verify(envelope.reply, "assent-reg-reply+jws", issuer.key, replyShape);
    if (signed.re === re) return signed;
  } catch (error) {
    throw new NotBelieved(error instanceof Error ? error.message : "it cannot be read");
  }
  throw new NotBelieved("it answers another call");
}

/** @param {{ reply: Reply }} answer */
function enrolmentState({ reply }) {
  if (reply.name !== "enrolment") throw new NotBelieved("it replies to something else");
  return reply.content;
}

/** Brings this device to its enrolment. @param {string} base @param {Issuer} issuer @param {OwnKeys} keys
 * @param {{ request: string, mac: string, passkey?: import("/assets/passkey.js").Assertion }} enrolment */
export async function enrol(base, issuer, keys, enrolment) {
  return enrolmentState(await call(base, issuer, keys, { enrol_device: enrolment }));
}

/** Asks how the enrolment stands. @param {string} base @param {Issuer} issuer @param {OwnKeys} keys
 * @param {string} tokenId @param {number} ahead */
export async function enrolmentStands(base, issuer, keys, tokenId, ahead) {
  const ask = { v: 1, token_id: tokenId, n: encode(random(16)), iat: now() + ahead };
  const signed = await sign("assent-dev-ask+jws", keys.sign, ask);
  return enrolmentState(await call(base, issuer, keys, { device: { signed } }));
}

/** @typedef {"devices" | { rename: { label: string } } | "leave" | "renew" | { lost: { device: string } } | "heard"
 *   | { move: { token_id: string, secret: string } } | { moving: { token_id: string } }
 *   | { confirm_move: { token_id: string, digits: string } }
 *   | { revocations: { held?: { seq: number, digest: string }, part: number } }} Want */

/** A certified device's own call, dated by the registrar's clock, which each reply tells under its signature.
 * @param {Caller} caller @param {Issuer} issuer @param {OwnKeys} keys @param {Want} what @returns {Promise<Reply>} */
export async function deviceCall(caller, issuer, keys, what) {
  for (let first = true; ; first = false) {
    const asked = { v: 1, device_id: caller.deviceId, n: encode(random(16)), iat: caller.now(), what };
    const signed = await sign("assent-dev-call+jws", keys.sign, asked);
    try {
      const { reply, at } = await call(caller.base, issuer, keys, { device_call: { signed } });
      caller.hears(at);
      return reply;
    } catch (error) {
      const learned = error instanceof Refused && error.code === "clock" && caller.hears(error.at);
      if (!first || !learned) throw error;
    }
  }
}
