// The page's language: taken up before anything is drawn, and the choice of it at the page's foot.

import { chooser, speak, t } from "/assets/lang.js";

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
}

/** To be awaited before a page draws. */
export const speaking = () => (begun ??= begin());
