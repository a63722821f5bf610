// Where it begins: the page around the screens, what the link brought, the service worker, and the clock's tick.

import { App } from "/assets/app.js";
import { language, speak, t } from "/assets/lang.js";
import { json } from "/assets/relay.js";
import { broken } from "/assets/screen-other.js";
import { object, short } from "/assets/shape.js";
import { tabs } from "/assets/tabs.js";
import { serviceWorker } from "/assets/trusted.js";
import { keepLanguage } from "/assets/vault.js";
import { day, sentence } from "/assets/words.js";

/** @import { Config } from "/assets/app.js" */
/** @import { Help } from "/assets/help.js" */
/** @import { Screen } from "/assets/screen-welcome.js" */

const TICK_MS = 500;
/** The second half of a double click comes within this. */
const DOUBLE_MS = 700;

/** @param {string} id */
function there(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

const main = there("main");
const notices = there("notices");
const toSettings = there("settings");
const toHelp = there("help");
/** @type {Screen | null} */
let shown = null;
/** When another screen was drawn, or came to light again. */
let changed = 0;
/** @type {Help | null} */
let help = null;

/** @param {Screen} screen */
function show(screen) {
  if (screen.urgent) help?.close();
  shown?.leave?.();
  const focused = document.activeElement;
  const kept = focused instanceof HTMLElement && main.contains(focused) ? focused.textContent : null;
  const same = shown?.title === screen.title;
  shown = screen;
  main.replaceChildren(screen.node);
  renote();
  retitle();
  // A screen that was drawn again leaves the focus where it was; a new one begins at its heading.
  if (same && kept !== null) {
    const again = [...main.querySelectorAll("button")].find((button) => button.textContent === kept);
    (again ?? main.querySelector("h1"))?.focus({ preventScroll: true });
  } else if (!same) {
    changed = performance.now();
    scrollTo(0, 0);
    main.querySelector("h1")?.focus({ preventScroll: true });
  }
}

/** The second half of a double click was meant for the screen before: it presses and marks nothing on this one.
 * @param {MouseEvent} event */
function secondHalf(event) {
  if (event.detail < 2 || performance.now() - changed > DOUBLE_MS) return;
  event.preventDefault();
  event.stopPropagation();
}
main.addEventListener("mousedown", secondHalf, { capture: true });
main.addEventListener("click", secondHalf, { capture: true });

/** Fetched when it is first wanted; the service worker has it for when there is no network. @param {string} topic */
async function helped(topic) {
  try {
    const { Help } = await import("/assets/help.js");
    help ??= new Help(() => app.waysOn(), () => (changed = performance.now()));
    help.open(topic);
  } catch {
    app.offers.offer("help", t("The help does not come"), t("Try again once this device has a network."), t("Close"), () => {});
  }
}

function renote() {
  notices.replaceChildren(...app.notes());
}

function retitle() {
  // Beside a request it stands below the details, as every button does (R8).
  toHelp.hidden = app.asking !== null;
  const waits = app.desk.waiting.length;
  document.title = `${waits > 0 ? `(${waits}) ` : ""}${shown?.title ?? "Assent"} · Assent`;
  toSettings.hidden = !app.active || app.accounts.length !== 1 || !app.atHome || app.asking !== null || app.resulting !== null;
}

const configShape = object({ relay: short, panel: short });

/** @returns {Promise<Config>} */
async function config() {
  const read = await json("/config.json", {}, configShape);
  return { relay: read.relay.replace(/\/+$/, ""), panel: read.panel };
}

const app = new App({ show, renote, config });

/** The code behind `#` is taken once and leaves the address at once: not for the history, not for a bookmark. */
function broughtByLink() {
  const code = location.hash.slice(1);
  if (location.pathname !== "/" || location.hash !== "") history.replaceState(null, "", "/");
  return code;
}

function hurry(gone = false) {
  for (const account of app.accounts) account.stream?.hurry(gone);
}

function tick() {
  app.desk.tick();
  shown?.tick?.();
  retitle();
}

async function work() {
  if (!("serviceWorker" in navigator)) return;
  const registration = await serviceWorker();
  app.notifying.begin(await navigator.serviceWorker.ready, (since) => {
    const text = t("Nothing that was sent since {since} has come here. Open Assent once a month, so that the browser goes on delivering.", { since: day(since) });
    app.offers.offer("silent", t("Notifications did not arrive"), text, t("Close"), () => {});
  });
  const offer = () => {
    const { waiting } = registration;
    if (waiting === null || navigator.serviceWorker.controller === null) return;
    app.offers.offer("update", t("A new version is ready"), t("It is used from the next start on."), t("Use it now"), () => {
      navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
      waiting.postMessage("now");
    });
  };
  registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", offer));
  offer();
}

function begin() {
  const code = broughtByLink();
  const problem = code === "" ? null : app.registering.bring(code);
  if (problem !== null) app.offers.offer("link", t("The link could not be used"), sentence(problem), t("Close"), () => {});
  toSettings.addEventListener("click", () => app.settings());
  const failed = (/** @type {unknown} */ error) => {
    const why = error instanceof Error ? error.message : t("unknown error");
    show(broken(t("Its storage cannot be used: {why}. Use a window that is not private, or make room on the disk.", { why })));
  };
  const { here } = tabs({ active: () => void app.start().catch(failed), passive: () => app.yield() });
  app.here = here;
  setInterval(tick, TICK_MS);
  addEventListener("online", () => (hurry(), app.redraw(), void app.recheck()));
  addEventListener("offline", () => (hurry(true), app.redraw()));
  addEventListener("popstate", () => app.closed());
  addEventListener("hashchange", () => {
    const later = broughtByLink();
    if (later !== "") app.registering.bring(later);
  });
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    app.offers.offer("install", t("Keep Assent at hand"), t("Install it, and it opens like any other app."), t("Install"), () => {
      void /** @type {any} */ (event).prompt();
    });
  });
  navigator.serviceWorker?.addEventListener("message", ({ data }) => {
    if (typeof data?.open === "string") app.openAt(data.open);
    else if (typeof data?.answered?.id === "string") app.answeredAt(data.answered.id, data.answered.became);
  });
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && hurry());
  void config().then(({ panel }) => (app.panel = panel), () => {});
  void keepLanguage(language()).catch(() => {});
  void work().catch(() => {});
}

// No await up here: a browser that is too old for it must still be told so.
const able = isSecureContext && "locks" in navigator && "indexedDB" in globalThis && crypto.subtle !== undefined;
void speak().then(() => {
  document.addEventListener("click", ({ target }) => {
    const topic = target instanceof Element ? target.closest("[data-help]")?.getAttribute("data-help") : null;
    if (topic !== null && topic !== undefined) void helped(topic);
  });
  if (able) begin();
  else show(broken(t("It needs a newer browser and an https:// address.")));
});
