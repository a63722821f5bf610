// Enrolment: a label, then six digits to type beside the code, then registered; and what can go wrong, each with what to
// do next. The work is `enrolling.js`'s.

import { button, h, notice, once, outside, p } from "/assets/dom.js";
import { t, told } from "/assets/lang.js";
import { possible } from "/assets/passkey.js";
import { installFirst } from "/assets/screen-welcome.js";
import { isApple, isInstalled, platform } from "/assets/words.js";

/** @import { Screen } from "/assets/screen-welcome.js" */

/** What went wrong. @typedef {{ head: string, text: string, next: string, loud: boolean, again: boolean }} Trouble */

/**
 * Asks what this device is to be called.
 * @param {{ code: string, label: string, passkey: boolean, go: (label: string, passkey: boolean) => Promise<void>,
 *   cancel: () => void }} ways @returns {Screen}
 */
export function naming({ code, label, passkey, go, cancel }) {
  const input = h("input", {
    class: "input",
    id: "label",
    type: "text",
    maxlength: 64,
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "label-hint label-problem",
  });
  input.value = label;
  void platform().then((name) => (input.value ||= name));
  const problem = h("p", { class: "problem", id: "label-problem", role: "alert" });
  const wanted = h("input", { id: "passkey", type: "checkbox", "aria-describedby": "passkey-hint" });
  wanted.checked = passkey;
  const submit = h("button", { class: "button primary large block", type: "submit" }, t("Register this device"));
  const begin = once(async () => {
    if (input.value.trim() === "") {
      problem.textContent = t("Give this device a name.");
      input.focus();
      return;
    }
    submit.textContent = t("Registering …");
    await go(input.value.trim(), wanted.checked);
  });
  const form = h(
    "form",
    {
      class: "card",
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        void begin();
      },
    },
    h(
      "div",
      { class: "field" },
      h("label", { for: "label" }, t("Name of this device")),
      h("p", { class: "hint", id: "label-hint" }, t("You and your administrator see it in lists.")),
      input,
      problem,
    ),
    possible() &&
      h(
        "div",
        { class: "field tick" },
        wanted,
        h("label", { for: "passkey" }, t("Make a passkey, too")),
        h(
          "p",
          { class: "hint", id: "passkey-hint" },
          t("By fingerprint, face or PIN. Some sign-ins ask for it. Your device asks you twice: to make it, and to try it."),
        ),
      ),
    submit,
    button(t("Cancel"), "block", cancel),
  );
  const apple = isApple() && !isInstalled();
  const node = h(
    "div",
    { class: "stack loose" },
    h("h1", { tabindex: -1 }, t("Register this device")),
    apple && installFirst(),
    apple && carry(code),
    form,
  );
  return { title: t("Register"), node };
}

/** The code as text, so that it can be carried into the installed app. @param {string} code */
function carry(code) {
  const said = h("p", { class: "small", role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(code);
      said.textContent = t("Copied. Open Assent from the Home Screen, choose “Type the code”, and paste.");
    } catch {
      said.textContent = t("It could not be copied. Mark the code above and copy it by hand.");
    }
  };
  return h(
    "div",
    { class: "card" },
    h("h2", null, t("Carry the code over")),
    h("p", { class: "mono carried" }, code),
    button(t("Copy the code"), "block", () => void copy()),
    said,
  );
}

/**
 * Shows the six digits.
 * @param {{ digits: string, label: string, cancel: () => void }} shown
 * @returns {Screen & { approval: () => void, trouble: (text: string) => void }}
 */
export function digits({ digits, label, cancel }) {
  const said = h("p", { role: "status", class: "state warn" }, t("Waiting for the digits …"));
  const card = h(
    "div",
    { class: "card center" },
    p(t("Type these six digits where the code is shown:")),
    // Read out one by one, seen in two groups.
    h("p", { class: "unseen" }, [...digits].join(" ")),
    h("p", { class: "digits", "aria-hidden": "true" }, h("span", null, digits.slice(0, 3)), h("span", null, digits.slice(3))),
    said,
  );
  const heading = h("h1", { tabindex: -1 }, t("Six digits"));
  const where = h(
    "p",
    { class: "soft" },
    t("The Register Panel asks for them by itself, or your terminal does. Nobody else needs them: do not read them out to anyone."),
  );
  const node = h(
    "div",
    { class: "stack loose" },
    h("div", { class: "stack tight" }, heading, h("p", { class: "soft" }, told("For “{label}”", { label: outside(label) }))),
    card,
    where,
    button(t("Cancel"), "block", cancel),
  );
  const approval = () => {
    heading.textContent = t("Now ask your other device");
    card.replaceChildren(
      p(t("The digits were right.")),
      h("p", null, h("strong", null, t("Approve this device on one that is already registered."))),
      said,
    );
    said.textContent = t("Waiting for that approval …");
    where.textContent = t("A request is open on your other devices. It shows the same six digits.");
  };
  const trouble = (/** @type {string} */ text) => {
    said.textContent = text;
  };
  return { title: t("Six digits"), node, approval, trouble };
}

/** @param {{ name: string, relay: string, persistent: boolean, go: () => void }} shown @returns {Screen} */
export function registered({ name, relay, persistent, go }) {
  const node = h(
    "div",
    { class: "stack loose" },
    h(
      "div",
      { class: "stack tight hero" },
      h("img", { src: "/assets/mark.svg", alt: "", width: 72, height: 72, class: "hero-mark" }),
      h("h1", { tabindex: -1 }, t("Registered")),
      h("p", null, told("This device approves for {name}.", { name: h("strong", null, outside(name)) })),
    ),
    notice(
      "",
      t("Keep this app within reach"),
      p(t("Requests appear while the app is open. Turn notifications on in its settings, and they come while it is closed, too.")),
      h("p", { class: "soft small" }, t("Gateway: "), outside(relay)),
    ),
    !persistent &&
      notice(
        "warn",
        t("The browser may delete the keys"),
        p(t("It did not promise to keep them when space runs short. Installing the app to the home screen helps.")),
      ),
    button(t("Done"), "primary large block", go),
  );
  return { title: t("Registered"), node };
}

/** @param {Trouble} trouble @param {{ again: () => void, back: () => void }} ways @returns {Screen} */
export function failed(trouble, { again, back }) {
  const node = h(
    "div",
    { class: "stack loose" },
    h("h1", { tabindex: -1 }, trouble.head),
    h(
      "div",
      { class: `notice ${trouble.loud ? "bad" : "warn"}`, role: "alert" },
      h("p", null, outside(trouble.text)),
      h("p", null, h("strong", null, t("What to do: ")), trouble.next),
    ),
    h(
      "div",
      { class: "stack" },
      trouble.again && button(t("Try again"), "primary large block", again),
      button(trouble.again ? t("Cancel") : t("Back"), "large block", back),
    ),
  );
  return { title: trouble.head, node };
}
