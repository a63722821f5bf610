// Calls to the panel. Whatever goes wrong comes as a `Problem` with a sentence for the person.

import { known, t } from "/assets/lang.js";

/** What went wrong. */
export class Problem extends Error {
  /** @param {string} code @param {string} text @param {number} [wait] seconds */
  constructor(code, text, wait = 0) {
    super(text);
    this.code = code;
    this.wait = wait;
  }
}

/** The session's second secret, shown with every change. */
let csrf = "";

/** @param {string} secret */
export function remember(secret) {
  csrf = secret;
}

/** @template T @param {string} path @returns {Promise<T>} */
export const get = (path) => call("GET", path);

/** @template T @param {string} path @param {object} [body] @returns {Promise<T>} */
export const post = (path, body) => call("POST", path, body);

/** What it says. Its time to wait is said in the person's language. @param {{ code?: unknown, text?: unknown, wait?: unknown }} answer */
function said({ code, text, wait }) {
  const seconds = Number(wait ?? 0);
  if (code !== "wait" || seconds <= 1) return known(String(text));
  return seconds <= 90
    ? t("Too many tries. Wait {seconds} seconds, then try again.", { seconds })
    : t("Too many tries. Wait {minutes} minutes, then try again.", { minutes: Math.ceil(seconds / 60) });
}

/** @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>} */
async function call(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json" };
  if (method === "POST" && csrf !== "") headers["x-csrf-token"] = csrf;
  if (body !== undefined) headers["content-type"] = "application/json";
  /** @type {Response} */
  let response;
  try {
    response = await fetch(`/panel/api/${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
    });
  } catch {
    throw new Problem("network", t("The panel does not answer. Check your connection, then try again."));
  }
  /** @type {any} */
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new Problem("failed", t("The panel’s answer was not understood. Load the page again."));
  }
  if (response.ok) return answer;
  throw new Problem(String(answer.code), said(answer), Number(answer.wait ?? 0));
}
