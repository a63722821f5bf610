// The first visit: what this is, and the two ways to bring the code here.

import { button, h, notice, p } from "/assets/dom.js";
import { t, told } from "/assets/lang.js";
import { noCamera, scan } from "/assets/scanner.js";
import { isApple, isInstalled, sentence } from "/assets/words.js";

/** What the app shows; `leave` is called when something else is shown. An urgent one takes the help away.
 * @typedef {{ title: string, node: HTMLElement, leave?: () => void, tick?: () => void, urgent?: boolean }} Screen */

/** @typedef {{ panel: () => string, take: (typed: string) => string | null, back: (() => void) | null }} Welcome
 *   `panel` says where the Register Panel is; `take` gives back what is wrong with the code, or null when it goes on with it. */

/** @param {Welcome} ways @returns {Screen} */
export function welcome({ panel, take, back }) {
  const node = h("div", { class: "stack loose" });
  const start = () => node.replaceChildren(...intro(panel), waysIn(), ...(back === null ? [] : [backButton(back)]));
  const type = () => node.replaceChildren(...typing(take, start));
  let stop = () => {};
  const camera = async () => {
    stop = await scanning(node, take, start, type);
  };
  const waysIn = () =>
    h(
      "div",
      { class: "stack" },
      button(t("Scan the code"), "primary large block", () => void camera()),
      button(t("Type the code"), "large block", type),
    );
  start();
  return { title: t("Set up"), node, leave: () => stop() };
}

/** @param {() => void} back */
const backButton = (back) => button(t("Back"), "quiet", back);

/** @param {() => string} panel */
function intro(panel) {
  const link = h("a", { href: panel(), rel: "noreferrer", onclick: () => (link.href = panel()) }, t("Register Panel"));
  const ask = h(
    "div",
    { class: "stack tight hero" },
    h("img", { src: "/assets/mark.svg", alt: "", width: 72, height: 72, class: "hero-mark" }),
    h("h1", { tabindex: -1 }, t("Approve your sign-ins here")),
    p(t("Assent shows who wants to get in, where, and what they want to run. You say yes or no.")),
  );
  const how = h(
    "ol",
    { class: "steps" },
    h("li", null, told("Get a code: at the {panel}, from your administrator, or in a terminal.", { panel: link })),
    h("li", null, t("Bring it here: scan it with the camera, or type it.")),
    h("li", null, t("Type the six digits that appear here next to the code.")),
  );
  return [ask, ...(isApple() && !isInstalled() ? [installFirst()] : []), how];
}

/** Safari's trap (PROTOCOL 2.4): keys made in the browser are not those of the installed app, and are deleted after
 * seven days without use. */
export const installFirst = () => notice("warn", t("Put this app on the Home Screen first"), ...homeScreen());

/** Why, and how. */
export const homeScreen = () => [
  p(t("Safari deletes a page's keys after seven days without a visit. An app on the Home Screen keeps them.")),
  h(
    "ol",
    { class: "steps" },
    h("li", null, t("Tap the Share button, then “Add to Home Screen”.")),
    h("li", null, t("Open Assent from the Home Screen.")),
    h("li", null, t("Scan or type the code there, not here.")),
  ),
];

/** @param {(typed: string) => string | null} take @param {() => void} back */
function typing(take, back) {
  const problem = h("p", { class: "problem", id: "code-problem", role: "alert" });
  const input = h("textarea", {
    class: "input mono",
    id: "code",
    rows: 3,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-describedby": "code-hint code-problem",
  });
  const go = () => {
    const wrong = take(input.value);
    problem.textContent = wrong === null ? "" : sentence(wrong);
    input.setAttribute("aria-invalid", String(wrong !== null));
    if (wrong !== null) input.focus();
  };
  const form = h(
    "form",
    {
      class: "stack",
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        go();
      },
    },
    h(
      "div",
      { class: "field" },
      h("label", { for: "code" }, t("Link or code")),
      h("p", { class: "hint", id: "code-hint" }, t("The whole link, or the part behind #. It begins with 1 and a dot.")),
      input,
      problem,
    ),
    h("button", { class: "button primary large block", type: "submit" }, t("Continue")),
    button(t("Back"), "block", back),
  );
  queueMicrotask(() => input.focus());
  return [h("h1", { tabindex: -1 }, t("Type the code")), form];
}

/**
 * @param {HTMLElement} node @param {(typed: string) => string | null} take @param {() => void} back
 * @param {() => void} type @returns {Promise<() => void>}
 */
async function scanning(node, take, back, type) {
  const video = h("video", { class: "camera", playsinline: true, muted: true, "aria-label": t("Picture of the camera") });
  const said = h("p", { role: "status", class: "scan-said" }, t("Hold the code into the picture."));
  let stop = () => {};
  const left = (/** @type {() => void} */ then) => () => {
    stop();
    then();
  };
  node.replaceChildren(
    h("h1", { tabindex: -1 }, t("Scan the code")),
    h("div", { class: "viewfinder" }, video),
    said,
    h("div", { class: "stack" }, button(t("Type the code"), "block", left(type)), button(t("Back"), "block", left(back))),
  );
  try {
    stop = await scan(video, (text) => {
      const wrong = take(text);
      if (wrong === null) stop();
      else said.textContent = t("Read a code, but {wrong}.", { wrong });
    });
    // Left while the camera was starting.
    if (!video.isConnected) stop();
  } catch (error) {
    said.setAttribute("role", "alert");
    said.textContent = noCamera(error);
    video.parentElement?.remove();
  }
  return () => stop();
}
