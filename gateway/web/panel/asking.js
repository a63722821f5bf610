// A device of the person's is asked: the page says so, looks how it stands, and goes on by itself.

import { get, Problem } from "/assets/api.js";
import { focusHeading, h, heading, notice, p, part, say, show } from "/assets/dom.js";
import { t, told } from "/assets/lang.js";
import { report } from "/assets/session.js";
import { countdown } from "/assets/words.js";

/**
 * `path`: where it is looked up; `left`: seconds that the device has; `wish`: what the device shows.
 * @typedef {{ path: string, left: number, wish: string, granted: () => Promise<void>, over: () => void }} Asked
 */

const LOOK_EVERY = 1500;

/** Shows that a device is asked, until it is granted or over. @param {Asked} asked */
export function asking({ path, left, wish, granted, over }) {
  let ended = false;
  const rest = h("span", { class: "left" });
  const look = async () => {
    try {
      /** @type {{ state: "approval" | "granted" | "over" }} */
      const { state } = await get(path);
      if (part("said").childElementCount > 0) say();
      if (ended || state === "approval") return;
      end();
      if (state === "granted") await granted();
      else over();
    } catch (problem) {
      if (ended) return;
      if (problem instanceof Problem && problem.code === "network") {
        say(notice("warn", t("The panel does not answer."), p(t("This page tries again by itself."))));
        return;
      }
      end();
      report(problem);
    }
  };
  const stop = countdown(rest, left, () => void look());
  const end = () => {
    ended = true;
    stop();
  };
  heading(t("Approve it on your device"));
  say();
  show(
    h(
      "section",
      { class: "card" },
      p(t("Your devices now show a request: “{wish}”. Open it on one of them and approve it.", { wish })),
      h("p", { class: "state warn" }, h("span", null, told("Waiting for your approval, {time} left", { time: rest }))),
      p(t("This page goes on by itself."), "soft"),
      h("div", { class: "row" }, h("a", { class: "button", href: "/panel/" }, t("Cancel"))),
    ),
  );
  focusHeading();
  const again = async () => {
    // A page that nobody sees asks nothing.
    if (!ended && !document.hidden) await look();
    if (!ended) setTimeout(again, LOOK_EVERY);
  };
  setTimeout(again, LOOK_EVERY);
}
