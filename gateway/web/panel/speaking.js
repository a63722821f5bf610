// What every page has: its language, taken up before anything is drawn, the choice of it at the page's foot, and the way to
// the help at its head.

import { chooser, speak, t } from "/assets/lang.js";

const HELP = "/panel/help";

/** In a tab of its own: what stands on a page may be shown only once. */
function help() {
  const link = document.createElement("a");
  Object.assign(link, { className: "button quiet help", href: HELP, target: "_blank", rel: "noopener", textContent: t("Help") });
  return link;
}

/** @type {Promise<void> | null} */
let begun = null;

async function begin() {
  await speak();
  const [title] = document.title.split(" – ");
  document.title = `${document.querySelector("h1")?.textContent ?? title} – Assent`;
  const foot = document.createElement("footer");
  foot.className = "foot";
  foot.append(chooser(t("As the browser has it"), t("Language"), "language"));
  document.querySelector(".page")?.append(foot);
  if (location.pathname !== HELP) document.querySelector(".bar")?.append(help());
}

/** To be awaited before a page draws. */
export const speaking = () => (begun ??= begin());
