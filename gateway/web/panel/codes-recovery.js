// Recovery codes, shown once: to be copied or printed. On paper stand the codes, whose, when, and where they are for; the
// style sheet leaves the rest of the page out (panel.css).

import { button, copies, focusHeading, h, heading, notice, p, say, show } from "/assets/dom.js";
import { day } from "/assets/words.js";

/** @param {string[]} codes @param {string} person @param {() => Promise<void>} stored */
export function showRecovery(codes, person, stored) {
  heading("Your recovery codes");
  say();
  const list = h("ol", { class: "recovery mono" }, ...codes.map((code) => h("li", null, code)));
  show(
    notice(
      "warn",
      "They are shown this once.",
      p("Store them now where you reach them without your device: on paper, or in a password manager. Each lets you in once. Earlier recovery codes do not count any more."),
    ),
    h(
      "section",
      { class: "card sheet", "aria-label": "Recovery codes" },
      p(`${person}, ${location.host}, ${day(Date.now() / 1000)}`),
      list,
    ),
    h(
      "div",
      { class: "row" },
      button("I have stored them", "primary", () => void stored()),
      copies(codes.join("\n"), "codes", list),
      button("Print", "", () => print()),
    ),
  );
  focusHeading();
}
