// The way into the help from any screen: a press on what bears a topic opens it there (main.js, help.js).

import { button } from "/assets/dom.js";
import { t } from "/assets/lang.js";

/** @typedef {"request" | "not-me" | "silent" | "lost" | "phone" | "offline" | "clock" | "home-screen" | "lock" | "language" | "who"} Topic */

/** A button that leads to one topic. @param {Topic} topic */
export const helpAbout = (topic) => button(t("Help with this"), "quiet about", () => {}, { "data-help": topic });
