// P-256 keys in WebCrypto: ECDSA to sign, ECDH to open. Private keys are never extractable. Beside proto/src/keys.rs.

import { decode, encode, sha256 } from "/assets/bytes.js";

/** @import { Bytes } from "/assets/bytes.js" */

const SIGN = { name: "ECDSA", namedCurve: "P-256" };
const KEM = { name: "ECDH", namedCurve: "P-256" };
const ES256 = { name: "ECDSA", hash: "SHA-256" };

/** A public signing key: WebCrypto's form, its point as it stands in documents, and its fingerprint.
 * @typedef {{ key: CryptoKey, point: string, id: string }} VerifyingKey */

/** A device's own keys. @typedef {{ sign: CryptoKeyPair, kem: CryptoKeyPair }} OwnKeys */

/** Two fresh pairs whose private halves nobody can read, this code included. @returns {Promise<OwnKeys>} */
export async function generate() {
  const [sign, kem] = await Promise.all([
    crypto.subtle.generateKey(SIGN, false, ["sign", "verify"]),
    crypto.subtle.generateKey(KEM, false, ["deriveBits"]),
  ]);
  return { sign, kem };
}

/** A key's point as documents hold it: 65 bytes, uncompressed, in base64url. @param {CryptoKey} key */
export const pointOf = async (key) => encode(new Uint8Array(await crypto.subtle.exportKey("raw", key)));

/**
 * Reads the uncompressed form and no other; WebCrypto refuses what lies off the curve.
 * @param {string} point @returns {Bytes}
 */
function uncompressed(point) {
  const raw = decode(point);
  if (raw?.length !== 65 || raw[0] !== 4) throw new Error("this is no uncompressed P-256 public key");
  return raw;
}

/** @param {string} point @returns {Promise<VerifyingKey>} */
export async function verifyingKey(point) {
  const raw = uncompressed(point);
  const key = await crypto.subtle.importKey("raw", raw, SIGN, true, ["verify"]);
  return { key, point, id: encode(await sha256(raw)) };
}

/** @param {string} point */
export const kemPublic = (point) => crypto.subtle.importKey("raw", uncompressed(point), KEM, true, []);

/** SHA-256 of a public key's point: the `kid` of what it signs. @param {string} point */
export const keyId = async (point) => encode(await sha256(uncompressed(point)));

/** The first 128 bits of the fingerprint, as tokens and people carry it. @param {string} point */
export async function shortFingerprint(point) {
  return encode((await sha256(uncompressed(point))).slice(0, 16));
}

/** @param {CryptoKey} key @param {Bytes} message @returns {Promise<Bytes>} r‖s */
export const signature = async (key, message) => new Uint8Array(await crypto.subtle.sign(ES256, key, message));

/** @param {CryptoKey} key @param {Bytes} message @param {Bytes} signature */
export async function verifies(key, message, signature) {
  return signature.length === 64 && (await crypto.subtle.verify(ES256, key, signature, message));
}
