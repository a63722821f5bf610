// The notifications of this app as the browser keeps them. Page and worker show, look up and close them through here alone:
// Chromium takes one that is just being shown for one that the person has swept away, and forgets it, if somebody looks
// meanwhile; it then stays on the screen, and none of its buttons does anything.

/** Whoever shows one holds it beside others, whoever looks them up holds it alone. The tests take it by this name. */
const LOCK = "assent.notifications";
/** Nobody waits longer for it: showing one waits for its icon, and a tab that sleeps may hold it. */
const PATIENCE_MS = 3000;

/** @template T @param {LockMode} mode @param {() => Promise<T>} act @returns {Promise<T>} */
async function holding(mode, act) {
  /** @type {Promise<T> | null} */
  let acting = null;
  try {
    await navigator.locks.request(LOCK, { mode, signal: AbortSignal.timeout(PATIENCE_MS) }, () => (acting = act()));
  } catch {
    // Not had in time, or the act itself has failed, which its own promise says.
  }
  return acting ?? act();
}

/** @param {ServiceWorkerRegistration} registration @param {string} title @param {NotificationOptions} options */
export const show = (registration, title, options) =>
  holding("shared", () => registration.showNotification(title, options));

/** Those that stand under a tag. @param {ServiceWorkerRegistration} registration @param {string} tag */
export const standing = (registration, tag) => holding("exclusive", () => registration.getNotifications({ tag }));

/** @param {ServiceWorkerRegistration} registration @param {string} tag */
export async function close(registration, tag) {
  for (const one of await standing(registration, tag)) one.close();
}
