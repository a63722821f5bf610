// This device's passkey: made when it is registered, and used for each approval at level passkey. The browser lets nobody
// use it but the person, who proves themself by fingerprint, face or PIN (WebAuthn). Beside proto/src/passkey.rs.

import { concat, decode, encode, random, sha256, utf8 } from "/assets/bytes.js";
import { pointOf } from "/assets/keys.js";
import { t } from "/assets/lang.js";
import { bytes, flag, object, point, short } from "/assets/shape.js";

/** @import { Bytes } from "/assets/bytes.js" */

/** A passkey in a device's certificate. */
export const passkeyShape = object({ cred: bytes, key: point, origin: short, synced: flag });

/** What a device says of its passkey when it asks to be certified. @typedef {{ cred: string, key: string, origin: string }} Offered */
/** What the browser gives back, as it travels. @typedef {{ auth: string, client: string, sig: string }} Assertion */

/** The person or the browser made no passkey, or did not use it. */
export class PasskeyError extends Error {}

const TIMEOUT_MS = 60_000;
const P256 = { name: "ECDSA", namedCurve: "P-256" };

/** Whether a passkey can be made at this address: the browser must know them, and an IP address is no relying party. */
export const possible = () =>
  typeof PublicKeyCredential === "function" && !/^[0-9.]+$|:/.test(location.hostname) && typeof navigator.credentials?.create === "function";

/** What is said when the browser refuses. @param {unknown} error @param {string} what */
function refused(error, what) {
  if (error instanceof PasskeyError) return error;
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return new PasskeyError(t("{what}: you cancelled, or the time was over", { what }));
  return new PasskeyError(t("{what}: {message}", { what, message: error instanceof Error ? error.message : "the browser gives no reason" }));
}

/** Makes one. @param {string} label what the device is called @returns {Promise<Offered>} */
export async function make(label) {
  try {
    const made = await navigator.credentials.create({
      publicKey: {
        rp: { id: location.hostname, name: "Assent" },
        user: { id: random(16), name: label, displayName: label },
        // Nothing is proven by making one; the proof is its first use.
        challenge: random(32),
        pubKeyCredParams: [{ type: "public-key", alg: -7 }],
        authenticatorSelection: { userVerification: "required", residentKey: "discouraged" },
        attestation: "none",
        timeout: TIMEOUT_MS,
      },
    });
    if (!(made instanceof PublicKeyCredential) || !(made.response instanceof AuthenticatorAttestationResponse)) {
      throw new PasskeyError(t("No passkey was made: the browser answers something else"));
    }
    const spki = made.response.getPublicKey();
    if (spki === null || made.response.getPublicKeyAlgorithm() !== -7) {
      throw new PasskeyError(t("No passkey was made: this one is of a kind that Assent does not know (ES256 is needed)"));
    }
    const key = await crypto.subtle.importKey("spki", spki, P256, true, ["verify"]);
    return { cred: encode(new Uint8Array(made.rawId)), key: await pointOf(key), origin: location.origin };
  } catch (error) {
    throw refused(error, t("No passkey was made"));
  }
}

/** Has the person use it. @param {string} cred @param {Bytes} challenge @returns {Promise<Assertion>} */
export async function use(cred, challenge) {
  try {
    const id = decode(cred);
    if (id === null) throw new PasskeyError(t("The passkey was not used: its name is broken"));
    const used = await navigator.credentials.get({
      publicKey: {
        rpId: location.hostname,
        challenge,
        allowCredentials: [{ type: "public-key", id }],
        userVerification: "required",
        timeout: TIMEOUT_MS,
      },
    });
    if (!(used instanceof PublicKeyCredential) || !(used.response instanceof AuthenticatorAssertionResponse)) {
      throw new PasskeyError(t("The passkey was not used: the browser answers something else"));
    }
    const { authenticatorData, clientDataJSON, signature } = used.response;
    const [auth, client, sig] = [authenticatorData, clientDataJSON, signature].map((part) => encode(new Uint8Array(part)));
    return { auth: auth ?? "", client: client ?? "", sig: sig ?? "" };
  } catch (error) {
    throw refused(error, t("The passkey was not used"));
  }
}

/** What must be signed to approve a request. @param {string} req its digest @param {string} deviceId */
export async function approvalChallenge(req, deviceId) {
  const [digest, device] = [decode(req), decode(deviceId)];
  if (digest === null || device === null) throw new RangeError("a digest or an id is not base64url");
  return sha256(concat(utf8("assent/1 passkey approve"), digest, device));
}

/** What must be signed to have a passkey certified by this device's request. @param {string} request */
export const enrolmentChallenge = (request) => sha256(concat(utf8("assent/1 passkey enrol"), utf8(request)));
