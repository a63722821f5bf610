// The revocation list as this app keeps it: the newest that the registrar gave, verified under the roots, never an older
// one than before. A request of a host on it is not drawn (R29). Beside proto/src/revocation.rs.

import { CertError, inTime, issuersUnder } from "/assets/cert.js";
import { digest as digestOf, verify } from "/assets/jws.js";
import { digest, id, list, object, optional, seconds, version } from "/assets/shape.js";

/** @import { Host } from "/assets/cert.js" */
/** @import { Reply, Want } from "/assets/registrar.js" */
/** @import { RootSet } from "/assets/roots.js" */

const DAY = 86_400;
/** Seconds after which a list is too old to draw anything by: as long as hosts go by one. */
const MAX_AGE = 7 * DAY;
/** Longest part of a list, and most parts that one has. */
const PART = 32 * 1024;
const MAX_PARTS = 22;

const listShape = object({
  v: version,
  seq: seconds,
  iat: seconds,
  next: seconds,
  serials: list(id),
  hosts: list(id),
  freezes: list(object({ salt: id, who: digest, at: optional(digest), until: seconds })),
});

/** As it is kept. @typedef {{ issuer: string, list: string }} Kept */
/** @typedef {{ kept: Kept, seq: number, digest: string, iat: number, serials: Set<string>, hosts: Set<string> }} List */

/** Verifies a list: its issuing key is signed by roots that are believed, and held when the list was made.
 * @param {Kept} kept @param {RootSet[]} roots @returns {Promise<List>} */
export async function verifyList(kept, roots) {
  const [issuer] = await issuersUnder([kept.issuer], roots);
  if (issuer === undefined) throw new CertError("no root that is believed here has signed the list’s issuing key");
  const claims = await verify(kept.list, "assent-rev+jws", issuer.key, listShape);
  inTime("issuer certificate", claims.iat, issuer.claims);
  const { seq, iat, next } = claims;
  const [serials, hosts] = [new Set(claims.serials), new Set(claims.hosts)];
  if (next < iat || serials.size !== claims.serials.length || hosts.size !== claims.hosts.length) {
    throw new CertError("the list’s entries are not in order");
  }
  return { kept, seq, digest: await digestOf(kept.list), iat, serials, hosts };
}

/** Why a request of `host` is not drawn; null: it may be. @param {List | null} held @param {Host} host @param {number} at */
export function refusal(held, host, at) {
  if (held === null) return "the registrar has not told yet which hosts are revoked";
  if (at - held.iat > MAX_AGE) return "the registrar has not told for 7 days which hosts are revoked";
  const revoked = held.hosts.has(host.claims.host_id) || held.serials.has(host.claims.serial);
  return revoked ? "its host is revoked" : null;
}

/**
 * The newest list, or null where it is the one that is held. A lower number than before is refused, and another list of the
 * same number.
 * @param {(want: Want) => Promise<Reply>} ask @param {List | null} held @param {RootSet[]} roots
 * @returns {Promise<List | null>}
 */
export async function fetchList(ask, held, roots) {
  const has = held === null ? {} : { held: { seq: held.seq, digest: held.digest } };
  /** @type {{ digest: string, texts: string[] } | null} */
  let found = null;
  for (let calls = 0; calls < 3 * MAX_PARTS; calls += 1) {
    const part = found?.texts.length ?? 0;
    const reply = await ask({ revocations: { ...has, part } });
    if (reply.name !== "revocations") throw new CertError("the registrar replied to something else");
    const { list: which, parts, issuer, text } = reply.content;
    if (parts === 0) {
      if (held !== null && which.seq === held.seq && which.digest === held.digest) return null;
      throw new CertError("an unchanged list is another one");
    }
    if (parts > MAX_PARTS || text.length > PART || text === "") throw new CertError("the list is too long");
    // A newer one in between: from its beginning.
    if (found !== null && found.digest !== which.digest) {
      found = null;
      continue;
    }
    found ??= { digest: which.digest, texts: [] };
    found.texts.push(text);
    if (found.texts.length < parts) continue;
    const got = await verifyList({ issuer, list: found.texts.join("") }, roots);
    if (got.digest !== which.digest) throw new CertError("its parts make another list");
    if (held !== null && got.seq <= held.seq) throw new CertError("the registrar offers an older list than is held here");
    return got;
  }
  throw new CertError("the registrar makes lists faster than they can be read");
}
