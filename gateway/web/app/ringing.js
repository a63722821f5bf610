// Web Push on this device: the browser's one subscription, and that every account's relay has it. Page and worker use it;
// what the relay has is looked at with every visit, since a browser ends a subscription without a word. Beside
// gateway/src/relay/subscription.rs.

import { decode, encode } from "/assets/bytes.js";
import { digest } from "/assets/jws.js";

/** @import { Account } from "/assets/account.js" */

/** `off`: the gateway sends none. `silent`: since when nothing that was sent has come, in seconds since 1970.
 * @typedef {{ name: "on", silent: number | null } | { name: "off" } | { name: "failed", why: string }} Rings */

/** Sees to it that every account's relay can ring here. A subscription that its service has ended, or that is bound to
 * another key, is made anew.
 * @param {ServiceWorkerRegistration} registration @param {Account[]} accounts @returns {Promise<Rings>} */
export async function renew({ pushManager }, accounts) {
  let made = false;
  /** @type {Rings} */
  let rings = { name: "off" };
  try {
    for (const { caller } of accounts) {
      const { vapid, subscription: known } = await caller.webPush();
      if (vapid === undefined) continue;
      let there = await pushManager.getSubscription();
      const bound = there?.options.applicationServerKey;
      const other = !(bound instanceof ArrayBuffer) || encode(new Uint8Array(bound)) !== vapid;
      if (there !== null && !made && (known.name === "lost" || other)) {
        await there.unsubscribe();
        there = null;
      }
      if (there === null) {
        there = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: decode(vapid) });
        made = true;
      }
      const silent = known.name === "kept" ? (known.content.silent_since ?? null) : null;
      const same = known.name === "kept" && known.content.endpoint === (await digest(there.endpoint));
      if (!same || silent !== null) await caller.subscribe(told(there));
      rings = { name: "on", silent: rings.name === "on" ? (rings.silent ?? silent) : silent };
    }
    return rings;
  } catch (error) {
    return { name: "failed", why: error instanceof Error ? error.message : "an unknown error" };
  }
}

/** Ends it, here and at the relays. @param {ServiceWorkerRegistration} registration @param {Account[]} accounts */
export async function end({ pushManager }, accounts) {
  const there = await pushManager.getSubscription();
  // Without the browser's end no relay can ring, so this comes first, and who is not told finds out.
  await there?.unsubscribe();
  for (const { caller } of accounts) await caller.unsubscribe().catch(() => {});
}

/** @param {PushSubscription} subscription */
function told(subscription) {
  const key = (/** @type {PushEncryptionKeyName} */ name) => encode(new Uint8Array(subscription.getKey(name) ?? new ArrayBuffer(0)));
  return { endpoint: subscription.endpoint, p256dh: key("p256dh"), auth: key("auth") };
}
