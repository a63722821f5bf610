// After "not me": whoever has an app or a list lifts their own freeze with a code (gateway/src/panel/freeze.rs).

import { post, Problem } from "/assets/api.js";
import { field, h, notice, p, submits } from "/assets/dom.js";
import { t } from "/assets/lang.js";
import { report } from "/assets/session.js";
import { sentence } from "/assets/words.js";

/** @param {(said: Node) => Promise<void>} home */
export function lifting(home) {
  const code = field(
    "lifting",
    t("A code, to lift the freeze"),
    { autocomplete: "one-time-code", maxlength: 40, required: true },
    t("Six digits of your authenticator app, or a recovery code. Change your password first."),
  );
  const wrong = (/** @type {string} */ text) => {
    code.wrong(text);
    code.box.focus();
  };
  const send = async () => {
    const typed = code.box.value.trim();
    if (typed === "") return wrong(t("Type a code."));
    try {
      await post("freeze/lift", { code: typed });
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.code === "no_session") return report(problem);
      // That text is about a new device's digits.
      return wrong(problem.code === "digits" ? t("This is no code.") : sentence(problem.message));
    }
    await home(notice("good", t("Your account is not frozen any more."), p(t("Your devices are asked again, and you can change them here."))));
  };
  code.box.addEventListener("input", () => code.wrong(""));
  return h(
    "form",
    { class: "digits-form", novalidate: true, onsubmit: submits(send) },
    code.all,
    h("div", { class: "row" }, h("button", { type: "submit", class: "button primary" }, t("Lift the freeze"))),
  );
}
