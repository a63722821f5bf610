// Times and reasons in words.

import { locale } from "/assets/lang.js";

/** Longest name in a heading. */
const GLANCE = 32;

/** A day. @param {number} unix seconds since 1970 */
export const day = (unix) => new Intl.DateTimeFormat(locale(), { dateStyle: "medium" }).format(unix * 1000);

/** A moment. @param {number} unix seconds since 1970 */
export const moment = (unix) =>
  new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(unix * 1000);

/** A name at a glance: its head and its tail. @param {string} name */
export function glance(name) {
  const characters = [...name];
  return characters.length <= GLANCE ? name : `${characters.slice(0, GLANCE - 10).join("")}…${characters.slice(-9).join("")}`;
}

/** A reason of the gateway as a sentence. @param {string} reason */
export const sentence = (reason) => `${reason.charAt(0).toUpperCase()}${reason.slice(1)}${/[.?!]$/.test(reason) ? "" : "."}`;

/** Minutes and seconds. @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/**
 * Counts down in an element, by a clock that nobody sets.
 * @param {HTMLElement} element @param {number} seconds @param {() => void} over
 * @returns {() => void} stops it
 */
export function countdown(element, seconds, over) {
  const end = performance.now() + seconds * 1000;
  const tick = () => {
    const left = (end - performance.now()) / 1000;
    element.textContent = clock(left);
    if (left > 0) return;
    clearInterval(timer);
    over();
  };
  const timer = setInterval(tick, 500);
  element.textContent = clock(seconds);
  return () => clearInterval(timer);
}
