// Certificates: an offline root signs issuers, an issuer signs hosts and devices. What the functions here return has
// been verified up to a pinned root, within the issuer's name space and in time. Beside proto/src/cert.rs.

import { claimedContent, claimedSigner, verify, verifyJoint } from "/assets/jws.js";
import { verifyingKey } from "/assets/keys.js";
import { passkeyShape } from "/assets/passkey.js";
import { id, list, object, optional, parse, point, seconds, short, version, word } from "/assets/shape.js";
import { visible } from "/assets/text.js";

/** @import { VerifyingKey } from "/assets/keys.js" */
/** @import { RootSet } from "/assets/roots.js" */

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
  passkey: optional(passkeyShape),
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

/** A certificate that comes with too few signatures is taken if one with the very same content is `known`, whose bearer has
 * not heard yet that newer roots have signed it as well. @param {string} document @param {RootSet} roots
 * @param {number} at @param {Issuer[]} [known] @returns {Promise<Issuer>} */
export async function verifyIssuer(document, roots, at, known = []) {
  const issuer = await certified(document, roots).catch((/** @type {unknown} */ error) => {
    const content = (/** @type {string} */ one) => claimedContent(one).join();
    const same = known.find((one) => content(one.document) === content(document));
    if (same === undefined) throw error;
    return same;
  });
  inTime("issuer certificate", at, issuer.claims);
  return issuer;
}

/** An issuer as roots have signed it, whatever the time: its life counts at each use. @param {string} document
 * @param {RootSet} roots @returns {Promise<Issuer>} */
async function certified(document, roots) {
  const claims = await verifyJoint(document, "assent-issuer+jws", roots, issuerShape);
  return { claims, key: await verifyingKey(claims.sign), document };
}

/** Most issuers that are kept. */
const MAX_ISSUERS = 8;

/** What a certificate says, whoever signed it; null for what is none. @param {string} document */
function contentOf(document) {
  try {
    return claimedContent(document).join();
  } catch {
    return null;
  }
}

/** Those of `documents` that these roots have signed, newest first. @param {string[]} documents @param {RootSet[]} roots */
export async function issuersUnder(documents, roots) {
  /** @type {Issuer[]} */
  const known = [];
  const contents = new Set();
  for (const document of documents) {
    // With further signatures, which anybody can add, it is the same certificate, and must not push others out.
    const content = contentOf(document);
    if (content === null || contents.has(content)) continue;
    for (const set of roots) {
      const issuer = await certified(document, set).catch(() => null);
      if (issuer === null) continue;
      contents.add(content);
      known.push(issuer);
      break;
    }
  }
  return known.sort((a, b) => b.claims.nbf - a.claims.nbf).slice(0, MAX_ISSUERS);
}

/** The newest that lives: calls are sealed to it. @param {Issuer[]} issuers @param {number} at */
export function newest(issuers, at) {
  const living = issuers.find(({ claims }) => at + SKEW >= claims.nbf && at <= claims.exp + SKEW);
  if (living !== undefined) return living;
  const [last] = issuers;
  if (last !== undefined) inTime("issuer certificate", at, last.claims);
  throw new CertError("no issuing key is known");
}

/** A device's certificate under whichever issuer has signed it. @param {Issuer[]} issuers @param {string} document
 * @param {number} at @returns {Promise<Device>} */
export async function verifyDeviceOf(issuers, document, at) {
  const signer = claimedSigner(document);
  /** @type {unknown} */
  let refused = new CertError("it is signed by no issuing key that is known here");
  for (const issuer of issuers.filter(({ key }) => key.id === signer)) {
    try {
      return await verifyDevice(issuer, document, at);
    } catch (error) {
      refused = error;
    }
  }
  throw refused;
}

/** Seconds after its end in which a certificate may still be renewed. */
const GRACE = 30 * 86_400;

/** A device's certificate as it was at its end, which must not be too long ago: for its renewal alone.
 * @param {Issuer[]} issuers @param {string} document @param {number} at @returns {Promise<Device>} */
export async function verifyRenewable(issuers, document, at) {
  const { exp } = deviceShape(parse(new TextDecoder().decode(claimedContent(document))), "document");
  return verifyDeviceOf(issuers, document, at > exp && at <= exp + GRACE ? exp : at);
}

/** How far a certificate's life has gone. Beside proto/src/life.rs. @param {{ nbf: number, exp: number }} life
 * @param {number} at @returns {"young" | "due" | "late" | "ended"} */
export function age({ nbf, exp }, at) {
  if (at > exp) return "ended";
  if (at >= exp - Math.floor((exp - nbf) / 3)) return "late";
  return at >= Math.floor((nbf + exp) / 2) ? "due" : "young";
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
