// Signing in by a one-time link. The token stands behind `#`, which no server sees; it leaves the address bar, and so the
// history, before anything else happens, and is sent once the person says so: a program that only looks at links must
// not use it up.

import { post, Problem, remember } from "/assets/api.js";
import { h, helpAbout, notice, p, show, submits } from "/assets/dom.js";
import { t } from "/assets/lang.js";
import { speaking } from "/assets/speaking.js";

/** @typedef {import("/assets/session.js").In} In */

const token = location.hash.slice(1).trim();
/** A token: a version and three times 16 bytes in base64url. Beside `Token` in proto/src/enrol.rs. */
const WHOLE = /^1(\.[\w-]{21}[AQgw]){3}$/;
history.replaceState(null, "", location.pathname);

/** @param {string} head @param {string} text */
function dead(head, text) {
  show(
    h(
      "div",
      { class: "card" },
      h("div", { role: "alert" }, notice("bad", head, p(text))),
      h("div", { class: "row" }, h("a", { class: "button", href: "/panel/sign-in" }, t("Sign in another way")), helpAbout("sign-in")),
    ),
  );
}

function ask() {
  const enter = h("button", { type: "submit", class: "button primary block" }, t("Sign in once"));
  const wrong = h("div", { role: "alert" });
  const send = async () => {
    wrong.replaceChildren();
    try {
      /** @type {In} */
      const begun = await post("link", { token });
      remember(begun.csrf);
      location.replace("/panel/");
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.code === "link") return dead(t("This link does not work."), problem.message);
      wrong.replaceChildren(notice("bad", t("You are not signed in."), p(problem.message)));
    }
  };
  show(
    h(
      "form",
      { class: "card", onsubmit: submits(send) },
      p(t("Your administrator gave you this link so that you can register a device. It works once.")),
      p(t("You are then signed in for 15 minutes. Check that the name at the top of the page is yours."), "soft"),
      wrong,
      enter,
    ),
  );
}

await speaking();
if (WHOLE.test(token)) ask();
else dead(t("The link is not whole."), t("A part of it is missing, or the page was loaded again. Copy the whole link again, as your administrator sent it."));
