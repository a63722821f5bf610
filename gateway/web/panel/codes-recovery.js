// Recovery codes, shown once: to be copied or printed. On paper stand the codes, whose, when, and where they are for; the
// style sheet leaves the rest of the page out (panel.css).

import { button, copies, focusHeading, h, heading, notice, p, say, show } from "/assets/dom.js";
import { t } from "/assets/lang.js";
import { day } from "/assets/words.js";

/** @param {string[]} codes @param {string} person @param {() => Promise<void>} stored */
export function showRecovery(codes, person, stored) {
  heading(t("Your recovery codes"));
  say();
  const list = h("ol", { class: "recovery mono" }, ...codes.map((code) => h("li", null, code)));
  show(
    notice(
      "warn",
      t("They are shown this once."),
      p(t("Store them now where you reach them without your device: on paper, or in a password manager. Each lets you in once. Earlier recovery codes do not count any more.")),
    ),
    h(
      "section",
      { class: "card sheet", "aria-label": t("Recovery codes") },
      p(`${person}, ${location.host}, ${day(Date.now() / 1000)}`),
      list,
    ),
    h(
      "div",
      { class: "row" },
      button(t("I have stored them"), "primary", () => void stored()),
      copies(codes.join("\n"), "Copy codes", list),
      button(t("Print"), "", () => print()),
    ),
  );
  focusHeading();
}
