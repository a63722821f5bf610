// Why a registration that is kept here cannot be used: each cause told as it is. Only lost keys are ever called lost; a
// matter of time deletes nothing.

import { KeysError } from "/assets/account.js";
import { TimeError, now } from "/assets/cert.js";
import { t } from "/assets/lang.js";
import { visible } from "/assets/text.js";
import { drift } from "/assets/words.js";

/** @import { Mark, Registration } from "/assets/vault.js" */

/** `gone`: there are no keys. `damaged`: what is kept does not verify. `ended`: over by the relay's clock. `clock`: it
 * cannot be told, and may be good. @typedef {"gone" | "damaged" | "ended" | "clock"} Kind */
/** @typedef {{ mark: Mark, registration: Registration | null, kind: Kind, head: string, text: string, why: string }} Unusable */

/** Keys that are not there though the record says that there were some. @param {Mark} mark @returns {Unusable} */
export function missing(mark) {
  return {
    mark,
    registration: null,
    kind: "gone",
    head: t("This device’s keys are gone"),
    text: t("The browser has deleted them, or its data was cleared. Nobody can have read them, but this device cannot approve any more until it is registered anew."),
    why: t("No keys are kept here any more."),
  };
}

/** What stood in the way when it was loaded. @param {Mark} mark @param {Registration} registration @param {unknown} error
 * @returns {Unusable} */
export function unusable(mark, registration, error) {
  const why = t("The reason: {message}.", { message: visible(error instanceof Error ? error.message : "it cannot be read") });
  const one = { mark, registration, why };
  if (error instanceof KeysError) return { ...missing(mark), registration };
  if (error instanceof TimeError) return { ...one, ...outOfTime(error) };
  return {
    ...one,
    kind: "damaged",
    head: t("This registration does not verify"),
    text: t("What this browser keeps of it is damaged or was changed, so nothing of it is used. Its keys are still here."),
  };
}

/** @param {TimeError} error @returns {Pick<Unusable, "kind" | "head" | "text">} */
function outOfTime({ checked, early, begins }) {
  const kept = t("Nothing is deleted, and it is tried again by itself.");
  if (checked && !early) {
    return {
      kind: "ended",
      head: t("This registration has ended"),
      text: t("Its time is over by the gateway’s clock. This device cannot approve any more until it is registered anew."),
    };
  }
  if (checked) {
    return {
      kind: "clock",
      head: t("This registration’s time has not come"),
      text: t("By the gateway’s clock it begins later. Tell your administrator to look at that clock. {kept}", { kept }),
    };
  }
  if (early) {
    return {
      kind: "clock",
      head: t("This device’s clock is at least {drift}", { drift: drift(begins - now()) }),
      text: t("The gateway does not answer, so the time cannot be asked for. Set date and time to automatic, or go where the gateway answers. {kept}", { kept }),
    };
  }
  return {
    kind: "clock",
    head: t("The time cannot be checked"),
    text: t("By this device’s clock the registration is over. That clock may be wrong, and the gateway does not answer. {kept}", { kept }),
  };
}
