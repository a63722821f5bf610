// The request, verified before anything of it is drawn (R29), and the answer to it. Beside proto/src/request.rs,
// answer.rs and verdict.rs.

import { addressShape } from "/assets/address.js";
import { REGISTRAR_NAME, identityShape, levelShape, named, verifyHost, verifyIssuer } from "/assets/cert.js";
import { digest, sign, verify } from "/assets/jws.js";
import { open, seal } from "/assets/seal.js";
import { digest as digestShape, flag, id, integer, list, object, optional, seconds, short, text, version, word } from "/assets/shape.js";

/** @import { Bytes } from "/assets/bytes.js" */
/** @import { Host, Identity, Issuer } from "/assets/cert.js" */
/** @import { OwnKeys } from "/assets/keys.js" */
/** @import { Assertion } from "/assets/passkey.js" */
/** @import { RootSet } from "/assets/roots.js" */

const MAX_ARGS = 64;
const MAX_TTL = 600;
/** The service of a request that the registrar itself makes: whether a device may be added or removed. */
export const ENROL_SERVICE = "enrol";

const u32 = integer(0xffff_ffff);
const noveltyShape = word("address", "place");

const statementShape = object({
  v: version,
  id,
  login: short,
  n: digestShape,
  host: object({ id, display: short }),
  svc: short,
  user: short,
  identity: identityShape,
  ruser: optional(short),
  target_user: optional(short),
  cmd: optional(object({ resolved: optional(short), args: list(short), truncated: flag, sha256: digestShape })),
  cwd: optional(short),
  tty: optional(short),
  src: optional(
    object({
      ip: addressShape,
      port: optional(integer(0xffff)),
      network: optional(short),
      asn: optional(u32),
      place: optional(short),
      new: optional(noveltyShape),
    }),
  ),
  first: list(short),
  level: levelShape,
  digits: integer(255),
  lock: optional(flag),
  iat: seconds,
  ttl: u32,
  ctx: digestShape,
  app: short,
  lang: short,
});

const envelopeShape = object({ req: text, host: text, issuer: text });

/** @typedef {ReturnType<typeof statementShape>} Statement */
/** @typedef {{ statement: Statement, host: Host, digest: string }} VerifiedRequest */
/** @typedef {"approve" | "deny" | "report"} Decision */
/** What an approval rests on besides the press: the number that was typed, or the passkey's word.
 * @typedef {{ num?: string, passkey?: Assertion }} Proof */

/** What a device opens and verifies with.
 * @typedef {{ deviceId: string, identities: Identity[], keys: OwnKeys, roots: RootSet, issuers: Issuer[] }} Self */

/** A request is not drawn. */
export class RequestError extends Error {}

/**
 * Opens and verifies what was delivered as push `delivered` that ends at `expiry`. Throws for everything else than a
 * request of a certified host, for this device and one of its people.
 * @param {Self} self @param {string} delivered @param {number} expiry @param {Bytes} box
 * @param {number} at the relay's clock @returns {Promise<VerifiedRequest>}
 */
export async function verified(self, delivered, expiry, box, at) {
  const context = `${delivered}.${self.deviceId}.${expiry}`;
  const envelope = await open(self.keys.kem, "request", context, box, envelopeShape);
  const issuer = await verifyIssuer(envelope.issuer, self.roots, at, self.issuers);
  const host = await verifyHost(issuer, envelope.host, at);
  const statement = await verify(envelope.req, "assent-req+jws", host.key, statementShape);
  if (statement.host.id !== host.claims.host_id || statement.host.display !== host.claims.display) {
    throw new RequestError("the request names another host than the certificate that signed it");
  }
  if ((statement.svc === ENROL_SERVICE) !== (statement.host.display === REGISTRAR_NAME)) {
    throw new RequestError("the request is about devices, or comes from the registrar, and not both");
  }
  if (statement.id !== delivered) throw new RequestError("the request was delivered as another one");
  bounds(statement, expiry);
  const { realm, id } = statement.identity;
  if (!self.identities.some((one) => one.realm === realm && one.id === id)) {
    throw new RequestError(`it asks for ${named(statement.identity)}, who is not approved for here`);
  }
  return { statement, host, digest: await digest(envelope.req) };
}

/** @param {Statement} statement @param {number} expiry */
function bounds({ iat, ttl, cmd, level, digits }, expiry) {
  const digitsFit = level === "number" ? digits === 3 || digits === 6 : digits === 0;
  const args = cmd?.args.length ?? 0;
  if (iat + ttl !== expiry || ttl === 0 || ttl > MAX_TTL || args > MAX_ARGS || !digitsFit) {
    throw new RequestError("the request's life or digits are out of bounds");
  }
}

/** Whether an approval takes the word of this device's passkey: by its level, or because the site wants the lock.
 * @param {Pick<Statement, "level" | "lock">} statement */
export const takesPasskey = ({ level, lock }) => level === "passkey" || lock === true;

/** Whether this decision may be signed for this request: a denial always; an approval by one tap, with the number that the
 * level asks, with the passkey's word where that is taken. @param {Pick<Statement, "level" | "digits" | "lock">} statement
 * @param {Decision} decision @param {Proof} proof */
export function maySign(statement, decision, { num, passkey }) {
  const { level, digits } = statement;
  if (decision !== "approve") return num === undefined && passkey === undefined;
  if ((passkey !== undefined) !== takesPasskey(statement)) return false;
  if (level !== "number") return num === undefined;
  return num !== undefined && num.length === digits && /^[0-9]+$/.test(num);
}

/** Whether a request may be approved by who sees no more of it than service and host, and has said so on this device (R11):
 * one tap is enough for it, it runs no command and makes nobody somebody else, and it comes from where others came from.
 * Who sees not even the host decides nothing. @param {Statement} statement
 * @param {{ text: "names" | "plain", approve: boolean }} settings */
export function mayApproveUnseen({ level, digits, lock, svc, cmd, target_user, src }, { text, approve }) {
  const plain = cmd === undefined && target_user === undefined && !/^(?:enrol$|su|doas|polkit|runuser)/.test(svc);
  return approve && text === "names" && plain && src?.new === undefined && maySign({ level, digits, lock }, "approve", {});
}

/**
 * The answer, signed by this device and sealed to the host.
 * @param {Self} self @param {VerifiedRequest} request @param {Decision} decision @param {Proof} proof
 * @param {number} at the relay's clock
 */
export async function sealedAnswer(self, { statement, host, digest: req }, decision, { num, passkey }, at) {
  if (!maySign(statement, decision, { num, passkey })) throw new RequestError("this answer does not fit the request");
  const answer = {
    v: 1,
    req,
    n: statement.n,
    id: statement.id,
    decision,
    ...(num === undefined ? {} : { num }),
    device_id: self.deviceId,
    ...(passkey === undefined ? {} : { passkey }),
    at,
  };
  const res = await sign("assent-res+jws", self.keys.sign, answer);
  return seal(host.claims.kem, "answer", `${statement.id}.${self.deviceId}`, { res });
}
