// The app's lock: before an approval is sent the person proves themself to this device by fingerprint, face or PIN (WebAuthn).
// It guards against who holds the unlocked phone. It is this page's own question, not a part of the device's key: bad code
// here, or who reads the browser's files, is not stopped by it. What hosts verify is the passkey of level passkey.

import { decode, encode, random } from "/assets/bytes.js";
import { make, possible, use } from "/assets/passkey.js";
import { lock, setLock } from "/assets/vault.js";

/** @import { Account } from "/assets/account.js" */

/** Where it stands: this browser has none, it is off, or it is on. @typedef {"unable" | "off" | "on"} LockStands */

/** @returns {Promise<LockStands>} */
export async function lockStands() {
  if ((await lock()) !== null) return "on";
  return possible() ? "off" : "unable";
}

/** Switches it on, with a passkey that is certified here or one that is made for it; the person uses it once.
 * @param {Account[]} accounts */
export async function lockOn(accounts) {
  const certified = accounts.map(({ device }) => device.claims.passkey).find((one) => one?.origin === location.origin);
  const cred = certified === undefined ? (await make("Assent lock")).cred : encode(certified.cred);
  await proven(cred);
  await setLock({ cred });
}

/** Switches it off: asked for once more. */
export async function lockOff() {
  await unlock();
  await setLock(null);
}

/** Has the person prove themself, if the lock is on. Throws where they do not. */
export async function unlock() {
  const kept = await lock();
  if (kept !== null) await proven(kept.cred);
}

/** @param {string} cred */
async function proven(cred) {
  const { auth } = await use(cred, random(32));
  // The browser was told to demand it (UV); what it says that it did counts.
  if (((decode(auth)?.[32] ?? 0) & 4) === 0) throw new Error("This device did not verify its user");
}
