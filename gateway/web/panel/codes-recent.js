// What else the page says of a person's codes: where one would be sent, and which were typed lately, right or wrong.

import { h, p } from "/assets/dom.js";
import { known, t } from "/assets/lang.js";
import { moment } from "/assets/words.js";

/** @typedef {"sms" | "mail" | "totp" | "recovery"} Method */
/** @typedef {{ by: "sms" | "mail", asked: boolean, to?: string }} Sent */
/** @typedef {{ at: number, method: Method, ok: boolean, host?: string, service?: string, src?: string }} Recent */

/** @type {Record<Method, import("/assets/lang.js").Plain>} */
const BY = {
  sms: "by SMS",
  mail: "by mail",
  totp: "from an authenticator app",
  recovery: "from the recovery list",
};

/** A way by which codes are sent; where to, the directory says. @param {Sent} sent */
export function sentTo({ by, asked, to }) {
  const label = by === "sms" ? t("Codes by SMS") : t("Codes by mail");
  const none = by === "sms" ? t("The directory has no mobile number of yours.") : t("The directory has no mail address of yours.");
  let state = t("Sign in with your password to see where they would go.");
  if (to !== undefined) state = t("To {to}, as the directory has it. Not yours? Tell your administrator.", { to });
  else if (asked) state = none;
  return h(
    "li",
    { class: "kept" },
    h("div", { class: "main" }, h("span", { class: "label" }, label), p(state, "soft small")),
  );
}

/** Where one was typed. @param {Recent} one */
function where({ host, service, src }) {
  if (host === undefined) return t("at this panel");
  const at = { host, service: service ?? "" };
  if (src === undefined) return t("on {host} ({service}), on the host itself", at);
  return t("on {host} ({service}), from {src}", { ...at, src });
}

/** The codes that were typed lately. @param {Recent[]} recent */
export function typedLately(recent) {
  const items = recent.map((one) => {
    const head = t(one.ok ? "Code {way}" : "Wrong code, as {way}", { way: known(BY[one.method]) });
    return h(
      "li",
      { class: `kept ${one.ok ? "" : "wrong"}` },
      h("div", { class: "main" }, h("span", { class: "label" }, head), p(`${moment(one.at)}, ${where(one)}`, "soft small")),
    );
  });
  return h(
    "section",
    { class: "card", "aria-labelledby": "typed" },
    h("h2", { id: "typed" }, t("Codes typed lately")),
    p(t("Sign-ins that you approved on a device stand in that device’s own history: nobody else can read them.")),
    recent.length === 0 ? p(t("None yet. Right and wrong ones are listed here, with where they were typed."), "soft") : h("ul", { class: "items" }, ...items),
  );
}
