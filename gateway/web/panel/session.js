// Who is signed in, on every page: the name and the way out in the page's head, and the sign-in page once it is over.

import { get, post, Problem, remember } from "/assets/api.js";
import { button, h, helpAbout, notice, p, part, say } from "/assets/dom.js";
import { t } from "/assets/lang.js";
import { speaking } from "/assets/speaking.js";

/** @typedef {{ signed_in: false, password: boolean }} Out */
/** @typedef {{ signed_in: true, name: string, by: "password" | "link", csrf: string, left: number }} In */

export const SIGN_IN = "/panel/sign-in";

/** @returns {Promise<Out | In>} */
export async function session() {
  await speaking();
  /** @type {Out | In} */
  const session = await get("session");
  if (session.signed_in) remember(session.csrf);
  return session;
}

/** Leaves for the sign-in page. */
function leave() {
  location.replace(`${SIGN_IN}#over`);
}

/** Watches for the session's end. To ask how it stands is no use of it, so that a page alone keeps nobody signed in;
 * where another page is in use, this one goes on. @param {number} left seconds */
function watch(left) {
  const look = async () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
    try {
      const now = await session();
      if (now.signed_in) watch(now.left);
      else leave();
    } catch {
      // The next press will tell.
      watch(60);
    }
  };
  const timer = setTimeout(look, (left + 1) * 1000);
  // A machine that slept has let no timer run.
  const began = Date.now();
  const seen = () => {
    if (!document.hidden && Date.now() - began > left * 1000) void look();
  };
  document.addEventListener("visibilitychange", seen);
}

/**
 * Runs a page for somebody who is signed in; others go to the sign-in page.
 * @param {(session: In) => Promise<void>} page
 */
export async function signedIn(page) {
  try {
    const now = await session();
    if (!now.signed_in) {
      location.replace(SIGN_IN);
      return;
    }
    const out = button(t("Sign out"), "quiet", async () => {
      try {
        await post("sign-out");
      } catch (problem) {
        if (!(problem instanceof Problem) || problem.code !== "no_session") return report(problem);
      }
      location.replace(SIGN_IN);
    });
    part("who").replaceChildren(h("span", { class: "name", title: now.name }, now.name), out);
    watch(now.left);
    await page(now);
  } catch (problem) {
    report(problem);
  }
}

/** Says what went wrong. Whoever is not signed in any more goes to the sign-in page. @param {unknown} problem */
export function report(problem) {
  if (!(problem instanceof Problem)) throw problem;
  if (problem.code === "no_session") return leave();
  const again = button(t("Load the page again"), "quiet", () => location.reload());
  say(notice("bad", t("That did not work."), p(problem.message), h("div", { class: "row" }, again, helpAbout("who"))));
}
