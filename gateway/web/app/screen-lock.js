// The lock in the settings: whether an approval here takes fingerprint, face or PIN.

import { button, h, once, p } from "/assets/dom.js";
import { t } from "/assets/lang.js";
import { lockOff, lockOn, lockStands } from "/assets/lock.js";
import { visible } from "/assets/text.js";

/** @import { Account } from "/assets/account.js" */

/** @param {Account[]} accounts */
export function lockSettings(accounts) {
  const content = h("div", { class: "stack tight" });
  const said = h("p", { class: "small", role: "status" });
  const changes = (/** @type {() => Promise<void>} */ act) =>
    once(async () => {
      said.textContent = t("Your device asks you …");
      try {
        await act();
        said.textContent = "";
      } catch (error) {
        said.textContent = t("Nothing was changed: {message}.", { message: visible(error instanceof Error ? error.message : "unknown error") });
      }
      await draw();
    });
  const on = changes(() => lockOn(accounts));
  const off = changes(() => lockOff());
  const draw = async () => {
    const stands = await lockStands();
    if (stands === "unable") content.replaceChildren(p(t("This browser cannot ask for fingerprint, face or PIN at this address. Keep the device’s own lock on.")));
    else if (stands === "off") {
      content.replaceChildren(
        p(t("Off. Whoever holds this device unlocked can approve here.")),
        button(t("Lock approvals"), "primary block", () => void on()),
        said,
      );
    } else {
      content.replaceChildren(
        p(t("On. Each approval asks for your fingerprint, face or PIN, and none can be given on a notification. Refusing never asks.")),
        button(t("Turn the lock off"), "block", () => void off()),
        said,
      );
    }
  };
  void draw();
  return h("section", { class: "card", "aria-labelledby": "lock" }, h("h2", { id: "lock" }, t("Lock")), content);
}
