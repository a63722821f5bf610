// One enrolment from its link to its certificate. It survives a reload: what is needed to go on is kept with the keys.

import { TimeError, issuersUnder, newest, now } from "/assets/cert.js";
import { ClockError, LIFE, RootError, digits, enrolment, own, pin } from "/assets/enrol.js";
import { generate } from "/assets/keys.js";
import { t } from "/assets/lang.js";
import { PasskeyError } from "/assets/passkey.js";
import { NotBelieved, Refused, enrol, enrolmentStands } from "/assets/registrar.js";
import { Problem, Unreachable, trustInfo } from "/assets/relay.js";
import { current, replay } from "/assets/roots.js";
import { visible } from "/assets/text.js";
import { complete, forgetEnrolling, keepEnrolling } from "/assets/vault.js";
import { drift } from "/assets/words.js";

/** @import { Issuer } from "/assets/cert.js" */
/** @import { Token } from "/assets/enrol.js" */
/** @import { Offered } from "/assets/passkey.js" */
/** @import { EnrolmentState } from "/assets/registrar.js" */
/** @import { Trouble } from "/assets/screen-enrol.js" */
/** @import { Enrolling, Registration } from "/assets/vault.js" */

const POLL_MS = 1000;

/** The enrolment ended without a certificate. */
export class Over extends Error {}

/**
 * Comes to the registrar with new keys. Gives back what is to be shown and waited for.
 * @param {string} relay @param {Token} token @param {string} label @param {string} ua
 * @param {Offered | null} passkey one that was just made for it @returns {Promise<Enrolling>}
 */
export async function come(relay, token, label, ua, passkey) {
  const info = await trustInfo(relay);
  const { root, steps, issuer, issuers } = await pin(info, token);
  const ahead = info.now - now();
  const keys = await generate();
  const wish = await enrolment(token, keys, label, ua, now() + ahead, passkey);
  const state = await enrol(relay, issuer, keys, wish);
  // Nobody could have typed digits that were not shown yet.
  if (state.name !== "digits") throw new Over();
  const one = {
    tokenId: token.id,
    relay,
    root,
    steps,
    issuers,
    keys,
    label,
    passkey,
    digits: await digits(wish.request, state.content.n),
    ahead,
    until: now() + LIFE,
  };
  await keepEnrolling(one);
  return one;
}

/**
 * Waits until the digits were typed. `tell` hears how it stands; null when asking failed and is tried again.
 * @param {Enrolling} one @param {AbortSignal} stop @param {(state: EnrolmentState | null) => void} tell
 * @returns {Promise<Registration | null>} null when it was stopped
 */
export async function wait(one, stop, tell) {
  const issuer = newest(await issuersUnder(one.issuers, [current(await replay(one.root, one.steps))]), now() + one.ahead);
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (stop.aborted) return null;
    const state = await stands(one, issuer);
    if (stop.aborted) return null;
    tell(state);
    if (state?.name === "over" || now() > one.until) throw new Over();
    if (state?.name === "certified") return register(one, issuer, state.content.device);
  }
}

/** @param {Enrolling} one @param {Issuer} issuer */
async function stands(one, issuer) {
  try {
    return await enrolmentStands(one.relay, issuer, one.keys, one.tokenId, one.ahead);
  } catch (error) {
    if (error instanceof Unreachable || (error instanceof Problem && error.passing)) return null;
    throw error;
  }
}

/** @param {Enrolling} one @param {Issuer} issuer @param {string} document @returns {Promise<Registration>} */
async function register(one, issuer, document) {
  const { claims } = await own(issuer, one.keys, one.passkey ?? null, document, now() + one.ahead);
  const { relay, root, steps, keys } = one;
  const registration = {
    deviceId: claims.device_id,
    relay,
    root,
    steps,
    issuers: one.issuers,
    certificate: document,
    label: claims.label,
    keys,
    ahead: one.ahead,
    known: null,
    news: [],
  };
  const { name, label } = claims;
  await complete(registration, one.tokenId, { deviceId: claims.device_id, name, label, relay });
  return registration;
}

/** @param {Enrolling} one */
export const giveUp = (one) => forgetEnrolling(one.tokenId);

/** What went wrong, for people. @param {unknown} error @param {string} relay @returns {Trouble} */
export function troubleOf(error, relay) {
  const fresh = t("Ask for a new code, and use it within ten minutes.");
  /** @param {string} head @param {string} text @param {string} next @param {{ loud?: boolean, again?: boolean }} [more] */
  const trouble = (head, text, next, more = {}) => ({ head, text, next, loud: false, again: false, ...more });
  if (error instanceof RootError) {
    return trouble(
      t("Stop: this is not the gateway of your code"),
      t("The code names a root key that the gateway at {relay} does not have. Either the code is for another gateway, or somebody stands between you and yours. Nothing was trusted and nothing was sent.", { relay }),
      t("Do not try again with this code. Tell your administrator, and ask for a new code."),
      { loud: true },
    );
  }
  if (error instanceof ClockError) {
    return trouble(
      t("The clock is wrong"),
      t("This device’s clock is {drift}, so certificates cannot be checked: {message}.", { drift: drift(error.off), message: error.message }),
      t("Set this device's date and time to automatic, then try again."),
      { again: true },
    );
  }
  if (error instanceof PasskeyError) {
    return trouble(
      t("No passkey"),
      t("{message}. Nothing was registered, and your code is still good.", { message: visible(error.message) }),
      t("Try again; or take the tick away, and register without a passkey."),
      { again: true },
    );
  }
  if (error instanceof TimeError) {
    return trouble(t("A certificate has ended"), error.message, t("Tell your administrator."), { again: true });
  }
  if (error instanceof Over || (error instanceof Refused && error.code === "token")) {
    return trouble(t("This code is over"), t("It is too old, was used already, or the digits were wrong three times. Nothing was registered."), fresh);
  }
  if (error instanceof Refused && error.code === "clock") {
    return trouble(t("The clock is wrong"), visible(error.message), t("Set this device's date and time to automatic, then try again."), { again: true });
  }
  if (error instanceof Refused) {
    return trouble(t("The registrar refuses"), t("It says: {message}. Nothing was registered.", { message: visible(error.message) }), fresh);
  }
  if (error instanceof Unreachable || error instanceof Problem) {
    return trouble(
      t("The gateway does not answer"),
      t("{relay}: {message}. Your code is still good while its ten minutes last.", { relay, message: visible(error.message) }),
      t("Check this device's network, then try again."),
      { again: true },
    );
  }
  if (error instanceof NotBelieved) {
    return trouble(
      t("The answer cannot be believed"),
      t("What came from {relay} is not the registrar's reply: {message}. Nothing of it was used.", { relay, message: error.message }),
      t("Try once more; if it stays so, tell your administrator."),
      { loud: true, again: true },
    );
  }
  const why = error instanceof Error ? error.message : t("an unknown error");
  return trouble(t("Registering failed"), t("{why}. Nothing was registered.", { why: visible(why) }), fresh);
}
