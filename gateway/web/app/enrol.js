// Enrolment of this device: the token in a link, new keys bound to it by a MAC, and the six digits that catch the wrong
// phone. Beside proto/src/enrol.rs.

import { concat, decode, encode, sha256, utf8 } from "/assets/bytes.js";
import { TimeError, issuersUnder, newest, now, verifyDevice } from "/assets/cert.js";
import { sign } from "/assets/jws.js";
import { pointOf } from "/assets/keys.js";
import { t } from "/assets/lang.js";
import { enrolmentChallenge, use } from "/assets/passkey.js";
import { chosen, current, follow, replay } from "/assets/roots.js";

/** @import { Bytes } from "/assets/bytes.js" */
/** @import { Device, Issuer } from "/assets/cert.js" */
/** @import { OwnKeys } from "/assets/keys.js" */
/** @import { Assertion, Offered } from "/assets/passkey.js" */
/** @import { TrustInfo } from "/assets/relay.js" */

/** @typedef {{ id: string, secret: Bytes, root: string }} Token */

/** A text is no link and no code. */
export class LinkError extends Error {}

/** The gateway does not have the root that the token names. */
export class RootError extends Error {}

/** A certificate does not hold because the relay's clock is so many seconds ahead of ours. */
export class ClockError extends Error {
  /** @param {string} why @param {number} off */
  constructor(why, off) {
    super(why);
    this.off = off;
  }
}

/** Longest life of an enrolment, and how far clocks may differ, in seconds. */
export const LIFE = 600 + 300;
const MAX_LABEL = 128;
/** Where clocks differ by more, the relay's word alone is not enough to pin a root by. */
const DAY = 86_400;

/** Reads `1.<id>.<secret>.<root>`. @param {string} code @returns {Token} */
export function tokenOf(code) {
  const [version, id, secret, root, ...more] = code.trim().split(".");
  const bytes = [id, secret, root].map((part) => decode(part ?? ""));
  const [, key] = bytes;
  if (version !== "1" || more.length > 0 || !id || !root || !key || bytes.some((part) => part?.length !== 16)) {
    throw new LinkError(t("the code is not whole; copy the whole link again"));
  }
  return { id, secret: key, root };
}

/**
 * Reads what was scanned or typed: the link, or its code alone. The address must be of this very app: another one's
 * keys would lie in another place.
 * @param {string} typed @param {string} origin this app's @returns {Token}
 */
export function linkOf(typed, origin) {
  const trimmed = typed.trim();
  const alone = !trimmed.includes("#") && !/^https?:/i.test(trimmed);
  const [address, code] = alone ? ["", trimmed] : split(trimmed);
  if (address !== "") {
    const url = urlOf(address);
    if (url === null || (url.origin !== origin && code === "")) throw new LinkError(t("this is no enrolment link; take the one that the Register Panel or your administrator shows"));
    if (url.origin !== origin) {
      throw new LinkError(t("this link is for the authenticator at {origin}. Open it there, or ask for a new one", { origin: url.origin }));
    }
  }
  return tokenOf(code);
}

/** @param {string} address @returns {URL | null} */
export function urlOf(address) {
  try {
    return new URL(address);
  } catch {
    return null;
  }
}

/** @param {string} link @returns {[string, string]} */
function split(link) {
  const [address = "", ...code] = link.split("#");
  return [address, code.join("#")];
}

/**
 * What the token makes believable of what the relay says: its roots, as they are kept, the steps that lead from them to the
 * present ones, and the issuers under those, the newest that lives first (R23). Roots that have stepped since the token was
 * made vouch for the next ones, and for nothing else any more.
 * @param {TrustInfo} info @param {Token} token
 * @returns {Promise<{ root: string, steps: string[], issuer: Issuer, issuers: string[] }>}
 */
export async function pin(info, token) {
  const root = await chosen(info, token.root);
  if (root === null) throw new RootError("the gateway does not have the root that the link names");
  const lineage = await replay(root, []);
  await follow(lineage, info.steps);
  const issuers = await issuersUnder(info.issuers, [current(lineage)]);
  const issuer = await inTime(async (at) => newest(issuers, at), info.now);
  return { root, steps: lineage.steps, issuer, issuers: issuers.map(({ document }) => document) };
}

/** Judges by the relay's clock, unless the two are too far apart. @template T @param {(at: number) => Promise<T>} check
 * @param {number} theirs @returns {Promise<T>} */
async function inTime(check, theirs) {
  const off = theirs - now();
  const far = Math.abs(off) > DAY;
  try {
    return await check(far ? now() : theirs);
  } catch (error) {
    if (error instanceof TimeError && far) throw new ClockError(error.message, off);
    throw error;
  }
}

/** HMAC-SHA256 under a key made from the token's secret for this purpose. @param {Bytes} secret @param {string} request */
async function mac(secret, request) {
  const from = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: utf8("assent/1 enrol") };
  const key = await crypto.subtle.deriveKey(how, from, { name: "HMAC", hash: "SHA-256", length: 256 }, false, ["sign"]);
  return encode(new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8(request))));
}

/**
 * Asks for a certificate with the token's secret.
 * @param {Token} token @param {OwnKeys} keys @param {string} label @param {string} ua @param {number} at
 * @param {Offered | null} offered a passkey that was made for it; the person uses it once, as the proof
 * @returns {Promise<{ request: string, mac: string, passkey?: Assertion }>}
 */
export async function enrolment(token, keys, label, ua, at, offered) {
  const wish = {
    v: 1,
    token_id: token.id,
    sign: await pointOf(keys.sign.publicKey),
    kem: await pointOf(keys.kem.publicKey),
    label: cut(label),
    ua: cut(ua),
    iat: at,
    ...(offered === null ? {} : { passkey: offered }),
  };
  const request = await sign("assent-dev-req+jws", keys.sign, wish);
  const proof = offered === null ? {} : { passkey: await use(offered.cred, await enrolmentChallenge(request)) };
  return { request, mac: await mac(token.secret, request), ...proof };
}

/** At most 128 bytes, cut between characters. @param {string} label */
export function cut(label) {
  let characters = [...label.trim()];
  while (utf8(characters.join("")).length > MAX_LABEL) characters = characters.slice(0, -1);
  return characters.join("");
}

/**
 * The six digits of a device's request, once the registrar has bound it and chosen `n`.
 * @param {string} request @param {string} n
 */
export async function digits(request, n) {
  const chosen = decode(n);
  if (chosen === null) throw new RangeError("n is not base64url");
  const hash = await sha256(concat(utf8("assent/1 digits"), chosen, utf8(request)));
  const head = new DataView(hash.buffer).getBigUint64(0);
  return (head % 1_000_000n).toString().padStart(6, "0");
}

/**
 * The certificate that came, if it is valid and of our keys.
 * @param {Issuer} issuer @param {OwnKeys} keys @param {Offered | null} offered @param {string} document
 * @param {number} theirs the relay's clock @returns {Promise<Device>}
 */
export async function own(issuer, keys, offered, document, theirs) {
  const device = await inTime((at) => verifyDevice(issuer, document, at), theirs);
  const [sign, kem] = await Promise.all([pointOf(keys.sign.publicKey), pointOf(keys.kem.publicKey)]);
  const passkey = device.claims.passkey;
  const same = passkey?.key === offered?.key && (passkey === undefined || encode(passkey.cred) === offered?.cred);
  if (device.claims.sign !== sign || device.claims.kem !== kem || !same) {
    throw new Error("the certificate that came is for other keys; nothing was registered");
  }
  return device;
}
