// The one Trusted Types policy: of all script addresses it passes our own two.

/** @typedef {{ createScriptURL: (url: string) => string }} Policy */

const ALLOWED = ["/sw.js", "/assets/scan-worker.js"];

/** @param {string} url @returns {string} */
function allowed(url) {
  if (ALLOWED.includes(url)) return url;
  throw new TypeError("this script is not one of ours");
}

// Browsers without Trusted Types take the text itself.
const factory = /** @type {{ createPolicy(name: string, rules: Policy): Policy } | undefined} */ (
  /** @type {any} */ (globalThis).trustedTypes
);
/** @type {Policy} */
const policy = factory?.createPolicy("assent", { createScriptURL: allowed }) ?? { createScriptURL: allowed };

export const scanWorker = () =>
  new Worker(policy.createScriptURL("/assets/scan-worker.js"), { type: "module", name: "scan" });

/** @returns {Promise<ServiceWorkerRegistration>} */
export const serviceWorker = () =>
  navigator.serviceWorker.register(policy.createScriptURL("/sw.js"), { scope: "/", type: "module" });
