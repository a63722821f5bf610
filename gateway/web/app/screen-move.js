// Moving to a new phone: its code, then its six digits, then the word that this device is done.

import { button, h, notice, once, outside, p } from "/assets/dom.js";
import { counted, t, told } from "/assets/lang.js";
import { unlock } from "/assets/lock.js";
import { confirmMove, moveStands, openMove } from "/assets/moving.js";
import { draw } from "/assets/qr.js";
import { visible } from "/assets/text.js";

/** @import { Account } from "/assets/account.js" */
/** @import { Move } from "/assets/moving.js" */
/** @import { EnrolmentState } from "/assets/registrar.js" */
/** @import { Screen } from "/assets/screen-welcome.js" */

const POLL_MS = 1500;
/** Largest code in pixels: it fits a screen of 320. */
const ROOM = 240;

/** @param {unknown} error */
const why = (error) => `${visible(error instanceof Error ? error.message : "unknown error")}.`;

/** @param {{ account: Account, back: () => void, gone: () => Promise<void> }} ways `gone`: this registration is over
 * @returns {Screen} */
export function moving({ account, back, gone }) {
  const body = h("div", { class: "stack" });
  let left = false;
  const node = h(
    "div",
    { class: "stack loose" },
    h("div", null, button(t("Back"), "quiet back", back)),
    h("h1", { tabindex: -1 }, t("Move to a new phone")),
    body,
  );
  const begin = once(async () => {
    try {
      await unlock();
      const move = await openMove(account);
      if (left) return;
      body.replaceChildren(...code(move));
      await follow(move);
    } catch (error) {
      failed(why(error));
    }
  });
  const failed = (/** @type {string} */ text) =>
    body.replaceChildren(
      h("div", { role: "alert" }, notice("warn", t("It cannot go on"), p(text), p(t("Nothing was changed on this phone.")))),
      button(t("Start again"), "primary block", () => void begin()),
    );
  const follow = async (/** @type {Move} */ move) => {
    while (!left) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      // It is tried again: the code is good for ten minutes.
      const state = await moveStands(account, move).catch(() => null);
      if (left || state === null || state.name === "waiting") continue;
      if (state.name === "digits") return body.replaceChildren(typing(state.content.label, (digits) => typed(move, digits)));
      return failed(t("The code is over: it is too old, or was used already."));
    }
  };
  /** What to say of the digits; null: something else is shown now. @param {Move} move @param {string} digits */
  const typed = async (move, digits) => {
    const state = await confirmMove(account, move, digits);
    if (state.name === "digits") return `${t("Those are not the digits that it shows.")} ${tries(state)}`;
    if (state.name !== "certified") {
      failed(t("The code is over: it is too old, or the digits were wrong three times."));
      return null;
    }
    body.replaceChildren(
      notice("good", t("Your new phone is registered"), p(t("It approves from now on. This phone does not any more."))),
      button(t("Done"), "primary large block", () => void gone()),
    );
    return null;
  };
  body.replaceChildren(
    p(t("Your new phone takes this phone’s place. Have it beside you, with Assent open on it.")),
    button(t("Show the code"), "primary large block", () => void begin()),
  );
  return { title: t("Move to a new phone"), node, leave: () => (left = true) };
}

/** @param {Extract<EnrolmentState, { name: "digits" }>} state */
const tries = ({ content }) => counted(content.tries, "One try is left.", "{tries} tries are left.", { tries: content.tries });

/** @param {Move} move */
function code({ link, rows }) {
  const said = h("p", { class: "small", role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(link);
      said.textContent = t("Copied. Whoever has it can register a phone for you: send it to nobody but yourself.");
    } catch {
      said.textContent = t("It could not be copied.");
    }
  };
  return [
    p(t("Scan this with Assent on your new phone. It works for ten minutes, once.")),
    h("div", { class: "code" }, draw({ size: rows.length, rows }, ROOM, t("Code for the new phone"))),
    button(t("Copy it as a link"), "block", () => void copy()),
    said,
    h("p", { class: "state warn", role: "status" }, t("Waiting for your new phone …")),
  ];
}

/** @param {string} label @param {(digits: string) => Promise<string | null>} send */
function typing(label, send) {
  const problem = h("p", { class: "problem", id: "move-problem", role: "alert" });
  const input = h("input", {
    class: "input number",
    id: "move-digits",
    type: "text",
    inputmode: "numeric",
    maxlength: 8,
    autocomplete: "off",
    "aria-describedby": "move-hint move-problem",
  });
  const go = once(async () => {
    const digits = input.value.replaceAll(/\s/g, "");
    if (!/^[0-9]{6}$/.test(digits)) {
      problem.textContent = t("Type all six digits.");
      return;
    }
    try {
      const said = await send(digits);
      if (said !== null) problem.textContent = said;
    } catch (error) {
      problem.textContent = why(error);
    }
  });
  return h(
    "form",
    {
      class: "card",
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        void go();
      },
    },
    h("p", null, told("A phone came: “{label}”.", { label: outside(label) })),
    h(
      "div",
      { class: "field" },
      h("label", { for: "move-digits" }, t("The six digits on your new phone")),
      h("p", { class: "hint", id: "move-hint" }, t("Look at its screen. If it is not the phone in your hand, go back.")),
      input,
      problem,
    ),
    h("button", { class: "button primary block", type: "submit" }, t("Move to that phone")),
  );
}
