// What the worker speaks: what the page spoke last. A worker may fetch no module later, so it has every catalogue at once.

import { use } from "/assets/lang.js";
import de from "/assets/lang-de.js";
import tr from "/assets/lang-tr.js";
import { keptLanguage } from "/assets/vault.js";

/** To be awaited before anything is shown. Without what is kept it is English. */
export async function listen() {
  const tag = await keptLanguage().catch(() => null);
  if (tag === "de") use("de", de);
  else if (tag === "tr") use("tr", tr);
  else use("en", null);
}
