// Compact JWS (RFC 7515) with ES256 and nothing else (RFC 8725): verified over the bytes as received, parsed only after
// that. Each document type has a verifier of its own beside its shape; nobody else calls `verify`. Beside
// proto/src/jws.rs.

import { decode, encode, sha256, text as fromUtf8, utf8 } from "/assets/bytes.js";
import { keyId, pointOf, signature, verifies } from "/assets/keys.js";
import { ShapeError, digest as digestShape, object, parse, text } from "/assets/shape.js";

/** @import { VerifyingKey } from "/assets/keys.js" */
/** @import { Reader } from "/assets/shape.js" */

/** Most bytes of a compact JWS and of its payload; the registrar's reply carries other documents. */
const MAX_JWS = 24 * 1024;
const MAX_PAYLOAD = 16 * 1024;
const MAX_REPLY = 60 * 1024;
const MAX_REPLY_PAYLOAD = 44 * 1024;

const MAX_LIST_PAYLOAD = 512 * 1024;
const MAX_LIST = Math.floor(MAX_LIST_PAYLOAD / 3) * 4 + 1024;

/** Bounds of a document that several roots sign, and what stands between its compact forms. */
const MAX_JOINT = 48 * 1024;
const MAX_SIGNATURES = 16;
const JOINT = "~";

/** @param {Typ} typ @returns {[whole: number, payload: number]} */
function limits(typ) {
  if (typ === "assent-reg-reply+jws") return [MAX_REPLY, MAX_REPLY_PAYLOAD];
  if (typ === "assent-rev+jws") return [MAX_LIST, MAX_LIST_PAYLOAD];
  return [MAX_JWS, MAX_PAYLOAD];
}

/** @typedef {"assent-root+jws" | "assent-issuer+jws" | "assent-host+jws" | "assent-dev+jws" | "assent-req+jws" | "assent-reg-reply+jws" | "assent-rev+jws"
 *   | "assent-dev-req+jws" | "assent-dev-ask+jws" | "assent-dev-call+jws" | "assent-relay-auth+jws" | "assent-res+jws"} Typ */

/** A document is refused. */
export class JwsError extends Error {}

const header = object({ alg: text, typ: text, kid: digestShape });

/** @param {string} compact @param {number} max */
function split(compact, max) {
  if (compact.length > max) throw new JwsError("the document is too long");
  const parts = compact.split(".");
  const [head, payload, signed] = parts;
  if (parts.length !== 3 || head === undefined || payload === undefined || signed === undefined) {
    throw new JwsError("the document is no compact JWS");
  }
  return { head, payload, signed, message: utf8(`${head}.${payload}`) };
}

/** @param {string} part */
function bytesOf(part) {
  const bytes = decode(part);
  if (bytes === null) throw new JwsError("the document is no compact JWS");
  return bytes;
}

/** @param {string} head */
function headerOf(head) {
  const bytes = bytesOf(head);
  try {
    return header(parse(fromUtf8(bytes)), "header");
  } catch {
    throw new JwsError("the document's header is not the expected one");
  }
}

/** Which key a document claims to be signed by. Nothing is verified. @param {string} compact */
export const claimedSigner = (compact) => headerOf(split(compact, MAX_JWS).head).kid;

/**
 * The content of `compact`, if it is a document of `typ` that `key` signed.
 * @template T @param {string} compact @param {Typ} typ @param {VerifyingKey} key @param {Reader<T>} shape
 * @returns {Promise<T>}
 */
export async function verify(compact, typ, key, shape) {
  const [most, mostPayload] = limits(typ);
  const parts = split(compact, most);
  const claimed = headerOf(parts.head);
  if (claimed.alg !== "ES256" || claimed.typ !== typ) {
    throw new JwsError("the document's header is not the expected one");
  }
  if (claimed.kid !== key.id) throw new JwsError("the document names another signer");
  if (!(await verifies(key.key, parts.message, bytesOf(parts.signed)))) {
    throw new JwsError("the document's signature is wrong");
  }
  const payload = bytesOf(parts.payload);
  if (payload.length > mostPayload) {
    throw new JwsError("the document is too long");
  }
  try {
    return shape(parse(fromUtf8(payload)), "document");
  } catch (error) {
    const why = error instanceof ShapeError ? error.message : "it is no UTF-8";
    throw new JwsError(`the document's content is malformed: ${why}`);
  }
}

/** The compact forms of a joint document, all over the same payload bytes, and who claims to have signed each.
 * @param {string} joint */
function joined(joint) {
  const compacts = joint.split(JOINT);
  if (joint.length > MAX_JOINT || compacts.length > MAX_SIGNATURES) throw new JwsError("the document is too long");
  const parts = compacts.map((compact) => split(compact, MAX_JWS));
  const signers = parts.map(({ head }) => headerOf(head).kid);
  const same = parts.every(({ payload }) => payload === parts[0]?.payload);
  if (!same || new Set(signers).size !== signers.length) throw new JwsError("the document is no compact JWS");
  return { compacts, signers, payload: parts[0]?.payload ?? "" };
}

/**
 * The content of a document that at least `threshold` of `keys` have signed. A signature of another key counts for nothing;
 * one in the name of a key that is asked for must hold.
 * @template T @param {string} joint @param {Typ} typ @param {{ keys: VerifyingKey[], threshold: number }} by
 * @param {Reader<T>} shape @returns {Promise<T>}
 */
export async function verifyJoint(joint, typ, { keys, threshold }, shape) {
  const { compacts, signers } = joined(joint);
  let found = 0;
  /** @type {T | undefined} */
  let content;
  for (const [at, compact] of compacts.entries()) {
    const key = keys.find(({ id }) => id === signers[at]);
    if (key === undefined) continue;
    content = await verify(compact, typ, key, shape);
    found += 1;
  }
  if (content === undefined) throw new JwsError("the document names another signer");
  if (threshold < 1 || found < threshold) {
    throw new JwsError(`the document has ${found} of the ${threshold} signatures that it needs`);
  }
  return content;
}

/** The payload's bytes of a document, joint or not. Nothing is verified. @param {string} joint */
export const claimedContent = (joint) => bytesOf(joined(joint).payload);

/** Signs `payload` as a document of `typ`. @param {Typ} typ @param {CryptoKeyPair} pair @param {object} payload */
export async function sign(typ, pair, payload) {
  const kid = await keyId(await pointOf(pair.publicKey));
  const part = (/** @type {object} */ value) => encode(utf8(JSON.stringify(value)));
  const message = `${part({ alg: "ES256", typ, kid })}.${part(payload)}`;
  return `${message}.${encode(await signature(pair.privateKey, utf8(message)))}`;
}

/** SHA-256 of the compact form as received. @param {string} compact */
export const digest = async (compact) => encode(await sha256(utf8(compact)));
