// Strict JSON: what a signed document may hold, and nothing else. Each reader returns the value in its type or throws a
// ShapeError; unknown and doubled fields, fractions and long texts are refused, as serde does it on the other side.

import { decode, utf8 } from "/assets/bytes.js";

/** @import { Bytes } from "/assets/bytes.js" */

/** A document's content is not of its type. */
export class ShapeError extends Error {}

/** @template T @typedef {(value: unknown, where: string) => T} Reader */

/** Most bytes of one text. */
export const MAX_TEXT = 4096;

/**
 * Parses JSON of an object in which no field stands twice.
 * @param {string} json @returns {unknown}
 */
export function parse(json) {
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(json);
  } catch {
    throw new ShapeError("it is no JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new ShapeError("it is no JSON object");
  // JSON.parse keeps the last of two equal fields. In JSON that has parsed, each colon outside a text is one field.
  const colons = json.replaceAll(/"(?:[^"\\]|\\.)*"/g, "").split(":").length - 1;
  if (colons !== fields(value)) throw new ShapeError("a field stands twice");
  return value;
}

/** @param {unknown} value @returns {number} */
function fields(value) {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum, inner) => sum + fields(inner), own);
}

/** @type {Reader<string>} */
export function text(value, where) {
  if (typeof value !== "string") throw new ShapeError(`${where}: expected text`);
  // Half a surrogate pair is no character; JSON in Rust refuses it too.
  if (/\p{Surrogate}/u.test(value)) throw new ShapeError(`${where}: not valid text`);
  return value;
}

/** @type {Reader<string>} */
export function short(value, where) {
  const read = text(value, where);
  if (utf8(read).length > MAX_TEXT) throw new ShapeError(`${where}: longer than ${MAX_TEXT} bytes`);
  return read;
}

/** @param {number} max @returns {Reader<number>} */
export const integer = (max) => (value, where) => {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > max || Object.is(value, -0)) {
    throw new ShapeError(`${where}: expected a whole number up to ${max}`);
  }
  return value;
};

export const seconds = integer(Number.MAX_SAFE_INTEGER);

/** @type {Reader<1>} */
export function version(value, where) {
  if (value !== 1) throw new ShapeError(`${where}: this version is not known here`);
  return 1;
}

/** @type {Reader<boolean>} */
export function flag(value, where) {
  if (typeof value !== "boolean") throw new ShapeError(`${where}: expected true or false`);
  return value;
}

/** Opaque bytes of one length, kept in their base64url form. @param {number} length @returns {Reader<string>} */
export const fixed = (length) => (value, where) => {
  if (decode(text(value, where))?.length !== length) throw new ShapeError(`${where}: expected ${length} bytes`);
  return /** @type {string} */ (value);
};

export const id = fixed(16);
export const digest = fixed(32);
/** An uncompressed point of P-256; that it lies on the curve is checked when it becomes a key. */
export const point = fixed(65);

/** @type {Reader<Bytes>} */
export function bytes(value, where) {
  const read = decode(text(value, where));
  if (read === null) throw new ShapeError(`${where}: expected base64url`);
  return read;
}

/** @template T @param {Reader<T>} item @returns {Reader<T[]>} */
export const list = (item) => (value, where) => {
  if (!Array.isArray(value)) throw new ShapeError(`${where}: expected a list`);
  return value.map((inner, at) => item(inner, `${where}[${at}]`));
};

/** @template {string} T @param {T[]} words @returns {Reader<T>} */
export const word =
  (...words) =>
  (value, where) => {
    const known = words.find((candidate) => candidate === value);
    if (known === undefined) throw new ShapeError(`${where}: expected one of ${words.join(", ")}`);
    return known;
  };

/** A field that may be absent. @template T @param {Reader<T>} reader @returns {Reader<T | undefined>} */
export function optional(reader) {
  /** @type {Reader<T | undefined>} */
  const read = (value, where) => (value === undefined || value === null ? undefined : reader(value, where));
  mayBeAbsent.add(read);
  return read;
}

/** @type {WeakSet<Function>} */
const mayBeAbsent = new WeakSet();

/**
 * An object of exactly these fields.
 * @template {Record<string, Reader<any>>} F
 * @param {F} shape @returns {Reader<{ [K in keyof F]: ReturnType<F[K]> }>}
 */
export const object = (shape) => (value, where) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ShapeError(`${where}: expected an object`);
  }
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(shape, name)) throw new ShapeError(`${where}: a field is not known here`);
  }
  /** @type {Record<string, unknown>} */
  const read = {};
  for (const [name, reader] of Object.entries(shape)) {
    const there = Object.hasOwn(value, name);
    if (!there && !mayBeAbsent.has(reader)) throw new ShapeError(`${where}: ${name} is missing`);
    read[name] = reader(there ? /** @type {Record<string, unknown>} */ (value)[name] : undefined, `${where}.${name}`);
  }
  return /** @type {any} */ (read);
};

/**
 * One of several, as serde writes an enum: `"name"` or `{"name": content}`. The result is `{name, content}`.
 * @template {Record<string, Reader<any> | null>} V
 * @param {V} variants
 * @returns {Reader<{ [K in keyof V]: { name: K, content: V[K] extends Reader<infer T> ? T : undefined } }[keyof V]>}
 */
export const variant = (variants) => (value, where) => {
  const fail = () => new ShapeError(`${where}: expected one of ${Object.keys(variants).join(", ")}`);
  if (typeof value === "string") {
    if (!Object.hasOwn(variants, value) || variants[value] !== null) throw fail();
    return /** @type {any} */ ({ name: value, content: undefined });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail();
  const [entry, ...more] = Object.entries(value);
  if (entry === undefined || more.length > 0 || !Object.hasOwn(variants, entry[0])) throw fail();
  const reader = variants[entry[0]];
  if (!reader) throw fail();
  return /** @type {any} */ ({ name: entry[0], content: reader(entry[1], `${where}.${entry[0]}`) });
};
