// Network addresses: whether a text is one, and whether it is of no public network. Nothing is looked up anywhere.

import { ShapeError, text } from "/assets/shape.js";

/** @import { Reader } from "/assets/shape.js" */

/** @param {string} address @returns {number[] | null} */
function v4(address) {
  const parts = address.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return null;
  return parts.map(Number);
}

/** The eight groups. @param {string} address @returns {number[] | null} */
function v6(address) {
  const halves = address.split("::");
  if (halves.length > 2) return null;
  /** @param {string} half @param {boolean} last @returns {number[] | null} */
  const groups = (half, last) => {
    if (half === "") return [];
    const parts = half.split(":");
    const tail = last ? v4(parts.at(-1) ?? "") : null;
    if (tail !== null) parts.pop();
    if (!parts.every((part) => /^[0-9A-Fa-f]{1,4}$/.test(part))) return null;
    const read = parts.map((part) => Number.parseInt(part, 16));
    if (tail !== null) read.push((tail[0] ?? 0) * 256 + (tail[1] ?? 0), (tail[2] ?? 0) * 256 + (tail[3] ?? 0));
    return read;
  };
  const head = groups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1] ?? "", true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  return [...head, ...Array.from({ length: missing }, () => 0), ...tail];
}

/** @type {Reader<string>} */
export function addressShape(value, where) {
  const read = text(value, where);
  if (v4(read) === null && v6(read) === null) throw new ShapeError(`${where}: expected an address`);
  return read;
}

/** @param {number[]} ip */
function isPrivate4([a = 0, b = 0]) {
  return a === 10 || a === 127 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 169 && b === 254);
}

/** Whether the address is of this machine, this link or a private network (RFC 1918, 3927, 4193). @param {string} address */
export function isPrivate(address) {
  const four = v4(address);
  if (four !== null) return isPrivate4(four);
  const six = v6(address);
  if (six === null) return false;
  const [first = 0] = six;
  const zeros = (/** @type {number} */ upTo) => six.slice(0, upTo).every((group) => group === 0);
  // An IPv4 address in IPv6 form (RFC 4291 section 2.5.5.2).
  if (zeros(5) && six[5] === 0xffff) return isPrivate4([(six[6] ?? 0) >> 8, (six[6] ?? 0) & 255]);
  return (zeros(7) && six[7] === 1) || (first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfe80;
}
