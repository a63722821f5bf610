// Certificates: an offline root signs issuers, an issuer signs hosts and devices. What the functions here return has
// been verified up to a pinned root, within the issuer's name space and in time. Beside proto/src/cert.rs.

import { verify } from "/assets/jws.js";
import { verifyingKey } from "/assets/keys.js";
import { id, list, object, point, seconds, short, version, word } from "/assets/shape.js";
import { visible } from "/assets/text.js";

/** @import { VerifyingKey } from "/assets/keys.js" */

/** The registrar's own name as a host: reserved, and inside every issuer's name space. */
export const REGISTRAR_NAME = "registrar";
/** How far two machines' clocks may differ. */
const SKEW = 120;
const MAX_IDENTITIES = 8;

export const identityShape = object({ realm: short, id: short });
export const levelShape = word("tap", "number", "passkey");

const issuerShape = object({
  v: version,
  sign: point,
  kem: point,
  realms: list(short),
  hosts: list(short),
  nbf: seconds,
  exp: seconds,
  serial: id,
});
const hostShape = object({
  v: version,
  host_id: id,
  display: short,
  sign: point,
  kem: point,
  nbf: seconds,
  exp: seconds,
  serial: id,
  log_index: seconds,
});
const deviceShape = object({
  v: version,
  device_id: id,
  identities: list(identityShape),
  name: short,
  label: short,
  level_max: levelShape,
  sign: point,
  kem: point,
  nbf: seconds,
  exp: seconds,
  serial: id,
  log_index: seconds,
});

/** @typedef {ReturnType<typeof identityShape>} Identity */
/** @typedef {{ claims: ReturnType<typeof issuerShape>, key: VerifyingKey, document: string }} Issuer */
/** @typedef {{ claims: ReturnType<typeof hostShape>, key: VerifyingKey, document: string }} Host */
/** @typedef {{ claims: ReturnType<typeof deviceShape>, document: string }} Device */

/** A certificate is refused. */
export class CertError extends Error {}

/** A certificate is refused because of the time; often a clock is wrong. */
export class TimeError extends CertError {
  /** @param {string} what @param {number} at when it was judged @param {{ nbf: number, exp: number }} life */
  constructor(what, at, { nbf, exp }) {
    const day = (/** @type {number} */ time) => new Date(time * 1000).toISOString().replace("T", " ").slice(0, 16);
    super(`the ${what} is valid from ${day(nbf)} to ${day(exp)} UTC, and it was judged at ${day(at)}`);
    this.begins = nbf;
    this.ends = exp;
    /** Whether its time has not come yet, rather than gone by. */
    this.early = at < nbf;
    /** Whether that is so by the relay's clock, and not by this machine's alone. */
    this.checked = false;
  }
}

/** This machine's clock, in seconds since 1970. It may be wrong: what it says is corrected by the relay's (R81). */
export const now = () => Math.floor(Date.now() / 1000);

/** @param {string} what @param {number} at @param {{ nbf: number, exp: number }} life */
export function inTime(what, at, { nbf, exp }) {
  if (at + SKEW < nbf || at > exp + SKEW) throw new TimeError(what, at, { nbf, exp });
}

/** @param {string} document @param {VerifyingKey} root @param {number} at @returns {Promise<Issuer>} */
export async function verifyIssuer(document, root, at) {
  const issuer = await issuerUnder(document, root);
  inTime("issuer certificate", at, issuer.claims);
  return issuer;
}

/** An issuer as the pinned root has signed it, whatever the time. @param {string} document @param {VerifyingKey} root
 * @returns {Promise<Issuer>} */
export async function issuerUnder(document, root) {
  const claims = await verify(document, "assent-issuer+jws", root, issuerShape);
  return { claims, key: await verifyingKey(claims.sign), document };
}

/** @param {Issuer} issuer @param {string} document @param {number} at @returns {Promise<Host>} */
export async function verifyHost(issuer, document, at) {
  const claims = await verify(document, "assent-host+jws", issuer.key, hostShape);
  inTime("issuer certificate", at, issuer.claims);
  allowsHost(issuer, claims.display);
  inTime("host certificate", at, claims);
  return { claims, key: await verifyingKey(claims.sign), document };
}

/** @param {Issuer} issuer @param {string} document @param {number} at @returns {Promise<Device>} */
export async function verifyDevice(issuer, document, at) {
  const claims = await verify(document, "assent-dev+jws", issuer.key, deviceShape);
  inTime("issuer certificate", at, issuer.claims);
  allowsIdentities(issuer, claims.identities);
  inTime("device certificate", at, claims);
  return { claims, document };
}

/** A name that is empty, or shows other than it is, is in nobody's name space. @param {Issuer} issuer @param {string} name */
function allowsHost(issuer, name) {
  const plain = name !== "" && visible(name) === name;
  if (plain && (name === REGISTRAR_NAME || issuer.claims.hosts.some((pattern) => glob(pattern, name)))) return;
  throw new CertError(`host "${visible(name)}" lies outside the issuer's name space`);
}

/** @param {Issuer} issuer @param {Identity[]} identities */
function allowsIdentities(issuer, identities) {
  if (identities.length < 1 || identities.length > MAX_IDENTITIES) {
    throw new CertError(`a device has between 1 and ${MAX_IDENTITIES} identities`);
  }
  const outside = identities.find(
    (one) => one.realm === "" || one.id === "" || !issuer.claims.realms.some((pattern) => glob(pattern, one.realm)),
  );
  if (outside !== undefined) throw new CertError(`identity ${named(outside)} lies outside the issuer's name space`);
}

/** @param {Identity} identity */
export const named = (identity) => `${visible(identity.realm)}#${visible(identity.id)}`;

/** Whether `text` matches `pattern`, in which `*` is any run; ASCII case does not count. @param {string} pattern @param {string} text */
export function glob(pattern, text) {
  const lower = (/** @type {string} */ s) => s.replaceAll(/[A-Z]/g, (c) => c.toLowerCase());
  const [first = "", ...parts] = lower(pattern).split("*");
  let rest = lower(text);
  if (!rest.startsWith(first)) return false;
  rest = rest.slice(first.length);
  const last = parts.pop();
  if (last === undefined) return rest === "";
  for (const part of parts) {
    const at = rest.indexOf(part);
    if (at < 0) return false;
    rest = rest.slice(at + part.length);
  }
  return rest.endsWith(last);
}
