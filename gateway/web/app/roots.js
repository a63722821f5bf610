// Roots and how they change: a set of root keys has a version and a threshold, and the next version is signed by a
// threshold of the old keys and a threshold of the new ones. Whoever pinned one version follows to the next ones and to
// nothing else (R23, R24). Beside proto/src/roots.rs.

import { encode, sha256, utf8 } from "/assets/bytes.js";
import { claimedContent, verifyJoint } from "/assets/jws.js";
import { shortFingerprint, verifyingKey } from "/assets/keys.js";
import { integer, list, object, point, seconds, version } from "/assets/shape.js";

/** @import { VerifyingKey } from "/assets/keys.js" */

/** Root keys, how many of them must agree, and which version of them that is.
 * @typedef {{ version: number, keys: VerifyingKey[], threshold: number, fingerprint: string }} RootSet */

/** What is pinned, every step from it, and the sets on the way, the pinned one first.
 * @typedef {{ sets: [RootSet, ...RootSet[]], steps: string[] }} Lineage */

const MAX_ROOTS = 8;
const MAX_STEPS = 64;

const rootShape = object({
  v: version,
  version: seconds,
  roots: list(point),
  threshold: integer(255),
  iat: seconds,
});

/** A set of roots is not taken. */
export class StepError extends Error {}

/** What a registration pins, a key's point or a set's document. @param {string} pinned @returns {Promise<RootSet>} */
export async function anchored(pinned) {
  if (pinned.includes(".")) return read(pinned, claimed(pinned));
  const key = await verifyingKey(pinned);
  return { version: 1, keys: [key], threshold: 1, fingerprint: await shortFingerprint(pinned) };
}

/** The next version. @param {RootSet} set @param {string} document @returns {Promise<RootSet>} */
async function step(set, document) {
  const claims = await verifyJoint(document, "assent-root+jws", set, rootShape);
  if (claims.version !== set.version + 1) throw new StepError(`version ${claims.version} does not follow on ${set.version}`);
  return read(document, claims);
}

/** A set that its own keys have signed. @param {string} document @param {ReturnType<typeof rootShape>} said */
async function read(document, said) {
  const { roots, threshold } = said;
  const twice = new Set(roots).size !== roots.length;
  if (roots.length < 1 || roots.length > MAX_ROOTS || twice || threshold < 1 || threshold > roots.length) {
    throw new StepError("a set has 1 to 8 different roots and a threshold that they can reach");
  }
  const keys = await Promise.all(roots.map(verifyingKey));
  const { version } = await verifyJoint(document, "assent-root+jws", { keys, threshold }, rootShape);
  const digest = await sha256(new Uint8Array([...utf8("assent/1 roots"), ...claimedContent(document)]));
  return { version, keys, threshold, fingerprint: encode(digest.slice(0, 16)) };
}

/** What a document says of itself; nothing is verified. @param {string} document */
const claimed = (document) => rootShape(JSON.parse(new TextDecoder().decode(claimedContent(document))), "document");

/** @param {Lineage} lineage @returns {RootSet} */
export const current = ({ sets }) => sets.at(-1) ?? sets[0];

/** Walks kept steps again, each of which must hold. @param {string} pinned @param {string[]} steps @returns {Promise<Lineage>} */
export async function replay(pinned, steps) {
  /** @type {Lineage} */
  const lineage = { sets: [await anchored(pinned)], steps: [] };
  for (const one of steps) await take(lineage, one);
  return lineage;
}

/** @param {Lineage} lineage @param {string} document */
async function take(lineage, document) {
  if (lineage.steps.length >= MAX_STEPS) throw new StepError("there are too many steps from the pinned root");
  lineage.sets.push(await step(current(lineage), document));
  lineage.steps.push(document);
}

/** Takes whatever of `offered` follows, one version at a time, and passes everything else over: versions never go back.
 * Whether there was any. @param {Lineage} lineage @param {string[]} offered */
export async function follow(lineage, offered) {
  const before = lineage.steps.length;
  for (const document of offered.slice(0, 2 * MAX_STEPS)) {
    try {
      await take(lineage, document);
    } catch {
      // Older, newer than the next, or not signed by those who are believed.
    }
  }
  return lineage.steps.length > before;
}

/** The pinned set that a token names, as a registration keeps it. @param {{ roots: string[], steps: string[] }} info
 * @param {string} fingerprint @returns {Promise<string | null>} */
export async function chosen(info, fingerprint) {
  for (const root of info.roots) if ((await shortFingerprint(root)) === fingerprint) return root;
  for (const document of info.steps.slice(0, MAX_STEPS)) {
    const set = await anchored(document).catch(() => null);
    if (set?.fingerprint === fingerprint) return document;
  }
  return null;
}
