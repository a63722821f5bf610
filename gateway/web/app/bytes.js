// Bytes and how they stand in JSON: base64url without padding, in its one canonical form. Beside proto/src/encoding.rs.

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @param {string} text @returns {Bytes} */
export const utf8 = (text) => encoder.encode(text);

/** The text of strict UTF-8; throws for anything else. @param {Bytes} bytes */
export const text = (bytes) => decoder.decode(bytes);

/** @param {Bytes} bytes */
export function encode(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Reads base64url; null for padding, other letters, and every spelling but the canonical one.
 * @param {string} text @returns {Bytes | null}
 */
export function decode(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (c) => c.charCodeAt(0));
  return encode(bytes) === text ? bytes : null;
}

/** @param {Bytes} message */
export const sha256 = async (message) => new Uint8Array(await crypto.subtle.digest("SHA-256", message));

/** @param {number} length @returns {Bytes} */
export const random = (length) => crypto.getRandomValues(new Uint8Array(length));

/** @param {Bytes} a @param {Bytes} b */
export function same(a, b) {
  if (a.length !== b.length) return false;
  let differ = 0;
  for (let at = 0; at < a.length; at++) differ |= (a[at] ?? 0) ^ (b[at] ?? 0);
  return differ === 0;
}

/** @param {Bytes[]} parts @returns {Bytes} */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
