// Settings of one registration: this device's name, all devices of its person, fingerprints, and removal.

import { grouped, } from "/assets/account.js";
import { button, fact, h, notice, once, outside, p } from "/assets/dom.js";
import { cut } from "/assets/enrol.js";
import { shortFingerprint } from "/assets/keys.js";
import { chooser, t, told } from "/assets/lang.js";
import { lockSettings } from "/assets/screen-lock.js";
import { notifications } from "/assets/screen-notifications.js";
import { visible } from "/assets/text.js";
import { day } from "/assets/words.js";

/** @import { Account, Listed } from "/assets/account.js" */
/** @import { Screen } from "/assets/screen-welcome.js" */

/**
 * @param {{ account: Account, accounts: Account[], notifying: import("/assets/notifying.js").Notifying, panel: string, persistent: boolean, back: () => void, add: () => void,
 *   rename: (label: string) => Promise<void>, refresh: () => Promise<void>, lost: (id: string) => Promise<void>,
 *   move: () => void, leave: () => Promise<void>,
 *   wipe: () => Promise<void> }} ways
 * @returns {Screen & { redraw: () => void }}
 */
export function settings({ account, accounts, notifying, panel, persistent, back, add, rename, refresh, lost, move, leave, wipe }) {
  const list = h("div", { class: "stack tight" });
  // Beside the list, which may be drawn anew meanwhile.
  const asking = h("div");
  const ask = (/** @type {Listed} */ one) => losing(one, asking, lost);
  const redraw = () => list.replaceChildren(...devices(account, panel, ask));
  redraw();
  const node = h(
    "div",
    { class: "stack loose" },
    h("div", null, button(t("Back"), "quiet back", back)),
    h("h1", { tabindex: -1 }, t("Settings")),
    naming(account, rename, redraw),
    notifications(notifying),
    lockSettings(accounts),
    h("section", { class: "card", "aria-labelledby": "devices" }, h("h2", { id: "devices" }, t("Your devices")), list, asking),
    h("section", { class: "card", "aria-labelledby": "tongue" }, h("h2", { id: "tongue" }, t("Language")), chooser(t("As the browser has it"), t("Language"), "language")),
    about(account, persistent),
    h("div", null, button(t("Move to a new phone …"), "block", move)),
    removal(leave, wipe),
    button(t("Add another account"), "block", add),
  );
  void refresh().catch(
    (/** @type {Error} */ error) =>
      account.devices === null &&
      list.replaceChildren(p(t("The list cannot be shown now: {message}. It comes once the gateway answers.", { message: visible(error.message) }))),
  );
  return { title: t("Settings"), node, redraw };
}

/** @param {Account} account @param {(label: string) => Promise<void>} rename @param {() => void} redraw */
function naming(account, rename, redraw) {
  const input = h("input", {
    class: "input",
    id: "label",
    type: "text",
    maxlength: 64,
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "label-said",
  });
  input.value = account.registration.label;
  const said = h("p", { class: "small", id: "label-said", role: "status" });
  const save = once(async () => {
    const label = cut(input.value);
    if (label === "") {
      said.textContent = t("Give this device a name.");
      return;
    }
    said.textContent = t("Saving …");
    try {
      await rename(label);
      said.textContent = t("Saved.");
      redraw();
    } catch (error) {
      said.textContent = t("Not saved: {message}. Try again once this device has a network.", { message: visible(error instanceof Error ? error.message : "unknown error") });
    }
  });
  return h(
    "form",
    {
      class: "card",
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        void save();
      },
    },
    h("div", { class: "field" }, h("label", { for: "label" }, t("Name of this device")), input, said),
    h("button", { class: "button block", type: "submit" }, t("Save name")),
  );
}

/** When a device was last opened. @param {number | undefined} at */
const opened = (at) => (at === undefined ? "" : `, ${t("last opened {day}", { day: day(at) })}`);

/** @param {Account} account @param {string} panel @param {(one: Listed) => void} lost */
function devices({ devices, heardOf, name }, panel, lost) {
  const item = (/** @type {Listed} */ one) =>
    h(
      "li",
      null,
      h(
        "div",
        { class: "main" },
        h("strong", null, outside(one.label)),
        h("span", { class: "soft small" }, one.verified ? [t("since {since}, until {until}", { since: day(one.since), until: day(one.until) }), opened(heardOf.get(one.id))].join("") : t("its certificate could not be checked here")),
      ),
      one.own && h("span", { class: "tag good" }, t("This device")),
      !one.own && one.verified && button(t("This is lost …"), "quiet danger", () => lost(one), { "aria-label": t("{label}: this is lost", { label: one.label }) }),
    );
  return [
    h("p", { class: "soft" }, told("Each of them can approve for {name}.", { name: outside(name) })),
    devices === null ? p(t("Asking the gateway …")) : h("ul", { class: "items" }, ...devices.map(item)),
    h("p", null, told("Add or remove devices at the {panel}.", { panel: h("a", { href: panel, rel: "noreferrer" }, t("Register Panel")) })),
  ];
}

/** "This is lost", of another device. @param {Listed} one @param {HTMLElement} where
 * @param {(id: string) => Promise<void>} lost */
function losing(one, where, lost) {
  const said = h("div", { role: "alert" });
  const dialog = h("dialog", { "aria-labelledby": "losing" });
  const go = once(async () => {
    try {
      await lost(one.id);
      dialog.close();
    } catch (error) {
      const why = visible(error instanceof Error ? error.message : "unknown error");
      said.replaceChildren(notice("bad", t("It is not removed"), p(t("{why}. Tell your administrator at once.", { why }))));
    }
  });
  dialog.append(
    h(
      "div",
      { class: "stack" },
      h("h2", { id: "losing" }, told("Is “{label}” lost?", { label: outside(one.label) })),
      p(t("It approves nothing any more, at once, and what waits there ends. To use it again it is registered anew.")),
      said,
      button(t("It is lost"), "danger primary block", () => void go()),
      button(t("Keep it"), "block", () => dialog.close()),
    ),
  );
  where.replaceChildren(dialog);
  dialog.showModal();
}

/** @param {Account} account @param {boolean} persistent */
function about({ registration, device, self }, persistent) {
  const key = (/** @type {string} */ point) => {
    const shown = h("span", { class: "mono" }, "…");
    void shortFingerprint(point).then((fingerprint) => shown.replaceChildren(grouped(fingerprint).join(" ")));
    return shown;
  };
  const { claims } = device;
  return h(
    "section",
    { class: "card", "aria-labelledby": "about" },
    h("h2", { id: "about" }, t("About this registration")),
    h(
      "dl",
      { class: "facts" },
      fact(t("Approves for"), outside(claims.name)),
      fact(t("Gateway"), outside(registration.relay)),
      fact(self.roots.keys.length === 1 ? t("Root key") : t("Root keys"), h("span", { class: "mono" }, grouped(self.roots.fingerprint).join(" "))),
      fact(t("This device’s key"), key(claims.sign)),
      fact(t("Valid until"), day(claims.exp)),
      fact(t("Level"), levels(claims.passkey)),
      fact(t("Storage"), persistent ? t("kept by the browser") : t("the browser may delete it when space runs short")),
    ),
  );
}

/** What this device reaches. @param {{ synced: boolean } | undefined} passkey */
function levels(passkey) {
  if (passkey === undefined) return t("tap and number; no passkey");
  return passkey.synced ? t("tap, number and passkey (kept in your account, not on this device alone)") : t("tap, number and passkey");
}

/** @param {() => Promise<void>} leave @param {() => Promise<void>} wipe */
function removal(leave, wipe) {
  const said = h("div", { role: "alert" });
  const dialog = h("dialog", { "aria-labelledby": "removal", class: "removal" });
  const close = () => dialog.close();
  const onlyHere = button(t("Remove from this device only"), "danger block", () => void wipe(), { hidden: true });
  const go = once(async () => {
    try {
      await leave();
    } catch (error) {
      const why = visible(error instanceof Error ? error.message : t("unknown error"));
      said.replaceChildren(
        notice(
          "warn",
          t("The gateway was not told"),
          p(t("{why}. You can remove the keys here all the same; the list of your devices keeps this one until you or your administrator removes it there.", { why })),
        ),
      );
      onlyHere.hidden = false;
    }
  });
  dialog.append(
    h(
      "div",
      { class: "stack" },
      h("h2", { id: "removal" }, t("Remove this device?")),
      p(t("Its keys are deleted, and it cannot approve any more. To use it again, you need a new code.")),
      said,
      button(t("Remove this device"), "danger primary block", () => void go()),
      onlyHere,
      button(t("Keep it"), "block", close),
    ),
  );
  return h("div", null, button(t("Remove this device …"), "danger block", () => dialog.showModal()), dialog);
}
