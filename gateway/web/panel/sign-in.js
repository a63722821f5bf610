// Signing in with a password.

import { post, Problem, remember } from "/assets/api.js";
import { carry, field, h, helpAbout, notice, p, say, show, submits } from "/assets/dom.js";
import { t } from "/assets/lang.js";
import { report, session } from "/assets/session.js";

/** @typedef {import("/assets/session.js").In} In */

function form() {
  const user = field("user", t("User name"), {
    name: "username",
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
    maxlength: 256,
  });
  const password = field("password", t("Password"), {
    name: "password",
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  const wrong = h("div", { role: "alert" });
  const enter = h("button", { type: "submit", class: "button primary block" }, t("Sign in"));
  const send = async () => {
    wrong.replaceChildren();
    if (user.box.value.trim() === "") return miss(user, t("Type your user name."));
    if (password.box.value === "") return miss(password, t("Type your password."));
    enter.setAttribute("aria-disabled", "true");
    enter.textContent = t("Signing in…");
    try {
      /** @type {In} */
      const begun = await post("sign-in", { user: user.box.value.trim(), password: password.box.value });
      remember(begun.csrf);
      location.replace("/panel/");
      return;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      wrong.replaceChildren(notice("bad", t("You are not signed in."), p(problem.message), h("div", { class: "row" }, helpAbout("sign-in"))));
      if (problem.code === "sign_in") {
        password.box.value = "";
        password.box.focus();
      }
    }
    enter.removeAttribute("aria-disabled");
    enter.textContent = t("Sign in");
  };
  const all = h("form", { class: "stack", novalidate: true, onsubmit: submits(send) }, user.all, password.all, wrong, enter);
  for (const { box, wrong } of [user, password]) box.addEventListener("input", () => wrong(""));
  return h(
    "div",
    { class: "card" },
    p(t("See, name and remove the devices that approve your sign-ins to servers, and register new ones."), "soft"),
    all,
  );
}

/** @param {{ box: HTMLInputElement, wrong: (text: string) => void }} at @param {string} text */
function miss(at, text) {
  at.wrong(text);
  at.box.focus();
}

/** Where nobody checks passwords. */
function byLink() {
  return h(
    "div",
    { class: "card" },
    h("h2", null, t("You need a one-time link")),
    p(t("There is no sign-in by password here. Ask your administrator for a link and open it in this browser.")),
    p(t("What your administrator types on a server, with your user name:"), "soft"),
    carry("assentctl enroll USER --link", "Copy command"),
  );
}

try {
  const now = await session();
  if (now.signed_in) {
    location.replace("/panel/");
  } else {
    if (location.hash === "#over") {
      history.replaceState(null, "", location.pathname);
      say(notice("", t("You were signed out."), p(t("That happens after a while without use, or when the panel restarts."))));
    }
    show(now.password ? form() : byLink());
  }
} catch (problem) {
  report(problem);
}
