// Sealing to one reader: HPKE base mode (RFC 9180; DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM) by @hpke/core.
// A box is `enc (65 bytes) ‖ ciphertext`; the plaintext is JSON, padded with blanks. Beside proto/src/seal.rs.

import { concat, text, utf8 } from "/assets/bytes.js";
import { Aes128Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from "/assets/hpke-core.js";
import { kemPublic } from "/assets/keys.js";
import { parse } from "/assets/shape.js";

/** @import { Bytes } from "/assets/bytes.js" */
/** @import { Reader } from "/assets/shape.js" */

const ENC = 65;
const MAX_SEALED = 64 * 1024;

/** What a box is for: its HPKE info, and the steps that its plaintext grows in. */
const PURPOSES = {
  request: { info: "assent/1 req", step: 512 },
  answer: { info: "assent/1 res", step: 1024 },
  call: { info: "assent/1 reg call", step: 512 },
  reply: { info: "assent/1 reg reply", step: 512 },
};

/** @typedef {keyof typeof PURPOSES} Purpose */

const suite = new CipherSuite({
  kem: new DhkemP256HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes128Gcm(),
});

/** A sealed message does not open, or holds something else. */
export class SealError extends Error {}

/** @param {string} point @param {Purpose} purpose @param {string} context @param {object} message */
export async function seal(point, purpose, context, message) {
  const { info, step } = PURPOSES[purpose];
  const plain = utf8(JSON.stringify(message));
  const padded = new Uint8Array(Math.ceil(plain.length / step) * step).fill(0x20);
  padded.set(plain);
  if (ENC + padded.length + 16 > MAX_SEALED) throw new SealError("the message is too long to be sealed");
  const recipientPublicKey = await kemPublic(point);
  const sender = await suite.createSenderContext({ recipientPublicKey, info: utf8(info).buffer });
  const ciphertext = await sender.seal(padded.buffer, utf8(context).buffer);
  return concat(new Uint8Array(sender.enc), new Uint8Array(ciphertext));
}

/**
 * Opens with the whole pair: with the private key alone, @hpke/core opens only for half of all keys, since it cannot
 * read the public half of a key that is not extractable.
 * @template T
 * @param {CryptoKeyPair} recipientKey @param {Purpose} purpose @param {string} context @param {Bytes} box
 * @param {Reader<T>} shape @returns {Promise<T>}
 */
export async function open(recipientKey, purpose, context, box, shape) {
  if (box.length <= ENC || box.length > MAX_SEALED) throw new SealError("the sealed message does not open");
  /** @type {ArrayBuffer} */
  let plain;
  try {
    const info = utf8(PURPOSES[purpose].info).buffer;
    const recipient = await suite.createRecipientContext({ recipientKey, enc: box.slice(0, ENC).buffer, info });
    plain = await recipient.open(box.slice(ENC).buffer, utf8(context).buffer);
  } catch {
    throw new SealError("the sealed message does not open");
  }
  return shape(parse(text(new Uint8Array(plain))), "message");
}
