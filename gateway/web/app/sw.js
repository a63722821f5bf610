// The service worker: keeps the shell and its assets, so that the app opens without a network and says so; and shows what
// the relay rings for (rung.js), with the keys that the page made.

import { Rung } from "/assets/rung.js";
import { listen } from "/assets/worker-lang.js";

/** @typedef {{ version: string, assets: string[] }} Assets */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const SHELL = "/";
const PLAIN = [SHELL, "/manifest.webmanifest"];
// The gateway writes the version of all the app's files here, so this script changes with any of them: that is how a
// browser notices a new one. It also names this version's own cache.
const VERSION = "@VERSION@";
const CACHE = `assent ${VERSION}`;

async function install() {
  const response = await fetch("/assets.json", { cache: "no-store" });
  if (!response.ok) throw new Error("the list of assets does not come");
  const { version, assets } = /** @type {Assets} */ (await response.json());
  if (version !== VERSION) throw new Error("the list of assets is of another version");
  const cache = await caches.open(CACHE);
  // The shell past the HTTP cache, so that it is of the same version; assets have their version in their names.
  await cache.addAll([...PLAIN.map((path) => new Request(path, { cache: "no-store" })), ...assets]);
}

async function activate() {
  for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
  await worker.clients.claim();
}

/** @param {Request | string} kept @param {Request} request */
async function cached(kept, request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(kept, { ignoreVary: true })) ?? fetch(request);
}

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("message", ({ data }) => {
  if (data === "now") void worker.skipWaiting();
});
const rung = new Rung(worker.registration, worker.clients);
worker.addEventListener("push", (event) => event.waitUntil(listen().then(() => rung.push(event.data))));
worker.addEventListener("notificationclick", (event) => event.waitUntil(listen().then(() => rung.pressed(event.notification, event.action))));
worker.addEventListener("pushsubscriptionchange", (event) => /** @type {ExtendableEvent} */ (event).waitUntil(rung.changed()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  // The shell is the same for `/` and `/e`; what stands behind `#` is read by the page alone.
  if (request.mode === "navigate" && (url.pathname === "/" || url.pathname === "/e")) {
    event.respondWith(cached(SHELL, request));
  } else if (url.pathname.split("/")[1] === "assets" || url.pathname === "/manifest.webmanifest") {
    event.respondWith(cached(request, request));
  }
});
