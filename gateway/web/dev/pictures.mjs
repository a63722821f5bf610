// Takes the pictures of the manual, of the real app with a real gateway: `npm run pictures`. Their results are in the tree.
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { World } from "../tests/rig.mjs";
import { tour } from "../tests/tour.mjs";

const FOLDER = fileURLToPath(new URL("../../../docs/pictures", import.meta.url));
/** Screens of the tour, the scheme each is taken in, and its file. */
const WANTED = /** @type {const} */ ([
  ["ready", "light", "app-ready.png"],
  ["settings", "light", "app-settings.png"],
  ["ssh", "dark", "app-ssh-dark.png"],
  ["sudo-number", "dark", "app-sudo-number-dark.png"],
]);

mkdirSync(FOLDER, { recursive: true });
const world = await World.start();
for (const scheme of /** @type {const} */ (["light", "dark"])) {
  const phone = await world.phone({ viewport: { width: 390, height: 844 }, colorScheme: scheme, deviceScaleFactor: 1.2, reducedMotion: "reduce" });
  await tour(world, phone, scheme === "light" ? "alice" : "bob", async (name) => {
    const wanted = WANTED.find(([screen, look]) => screen === name && look === scheme);
    if (wanted !== undefined) await phone.page.screenshot({ path: `${FOLDER}/${wanted[2]}`, fullPage: true });
  });
}
await world.stop();
