// Takes the pictures of the manual, of the real pages with a real gateway: `npm run pictures`. Their results are in the tree.
// They are made small by `pngquant`, where it is installed. Only some of them, by the name of a function below: `npm run pictures panel`.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { World as Panel } from "../panel/tests/rig.mjs";
import { PushService } from "../tests/push-service.mjs";
import { World } from "../tests/rig.mjs";
import { Ringable } from "../tests/ringable.mjs";
import { SUDO, tour } from "../tests/tour.mjs";
import { withKey } from "../tests/withkey.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("../tests/rig.mjs").Phone} Phone */

const FOLDER = fileURLToPath(new URL("../../../docs/pictures", import.meta.url));
const PART = process.argv[2] ?? "";
const PHONE = { viewport: { width: 390, height: 844 }, reducedMotion: /** @type {const} */ ("reduce") };
const DESK = { viewport: { width: 1000, height: 700 }, reducedMotion: /** @type {const} */ ("reduce") };
const DARK = /** @type {const} */ ({ colorScheme: "dark" });
const LIGHT = /** @type {const} */ ({ colorScheme: "light" });
/** Screens of the tour, the scheme each is taken in, and its file. */
const TOURED = /** @type {const} */ ([
  ["ready", "light", "app-ready"],
  ["digits", "light", "phone-digits"],
  ["sudo", "light", "phone-sudo"],
  ["add-device", "light", "phone-add-device"],
  ["ssh", "dark", "app-ssh-dark"],
  ["sudo-number", "dark", "app-sudo-number-dark"],
]);

mkdirSync(FOLDER, { recursive: true });

/** @param {Page} page @param {string} name @param {boolean} [whole] down to the page's end; a dialog is seen without */
const picture = async (page, name, whole = true) => void (await page.screenshot({ path: `${FOLDER}/${name}.png`, fullPage: whole }));

/** A part of the page. @param {Page} page @param {string} heading its heading's id @param {string} name */
const part = async (page, heading, name) =>
  void (await page.locator(`section[aria-labelledby="${heading}"]`).screenshot({ path: `${FOLDER}/${name}.png` }));

/** @param {Page} page @param {string | RegExp} name */
const press = (page, name) => page.getByRole("button", { name, exact: typeof name === "string" }).click();

/** The app's everyday screens. */
async function toured() {
  const world = await World.start();
  for (const scheme of /** @type {const} */ (["light", "dark"])) {
    const phone = await world.phone({ ...PHONE, colorScheme: scheme, deviceScaleFactor: 1.2 });
    await tour(world, phone, scheme === "light" ? "alice" : "bob", async (name) => {
      const wanted = TOURED.find(([screen, look]) => screen === name && look === scheme);
      if (wanted !== undefined) await picture(phone.page, wanted[2]);
    });
  }
  await world.stop();
}

/** The app's help, in light; a request in German. */
async function app() {
  const world = await World.start();
  const german = await world.phone({ ...PHONE, ...LIGHT });
  await german.enrol("carol", "Pixel 8");
  await german.page.evaluate(() => localStorage.setItem("language", "de"));
  await german.page.reload();
  await german.heading("Bereit");
  const id = await world.host.push("carol", SUDO);
  await german.page.locator("#number").fill("482");
  await picture(german.page, "app-request-german");
  await german.page.locator("#deny").click();
  await world.host.answer(id);
  const phone = await world.phone({ ...PHONE, ...LIGHT });
  const page = await phone.enrol("dave", "Pixel 8");
  await press(page, "Help");
  await page.locator("#help-request summary").click();
  await page.locator("#help-title").focus();
  await picture(page, "app-help", false);
  await world.stop();
}

/** A lost device, in dark. @param {World} world */
async function lost(world) {
  const phone = await world.phone({ ...PHONE, ...DARK });
  const page = await phone.enrol("alice", "Pixel 8", { passkey: false });
  const { code, token_id } = await world.host.open("alice");
  const tablet = await world.phone();
  await tablet.visit(`/e#${code}`);
  await tablet.page.getByLabel("Name of this device").fill("Tablet");
  await tablet.page.getByLabel("Make a passkey, too").uncheck();
  await press(tablet.page, "Register this device");
  await world.host.confirm(token_id, await tablet.digits());
  await phone.approve();
  await tablet.heading("Registered");
  await press(page, "Done");
  await press(page, "I know about it");
  await press(page, "Settings");
  await page.locator("li", { hasText: "Tablet" }).getByText(/last opened/).waitFor();
  await page.locator("#devices").scrollIntoViewIfNeeded();
  await press(page, "Tablet: this is lost");
  await picture(page, "app-lost-dark", false);
}

/** The move to a new phone, in light. @param {World} world */
async function moved(world) {
  const phone = await world.phone({ ...PHONE, ...LIGHT });
  const page = await phone.enrol("bob", "Old phone", { passkey: false });
  await press(page, "Settings");
  await press(page, "Move to a new phone …");
  await press(page, "Show the code");
  await page.locator(".code svg").waitFor();
  await picture(page, "app-move");
}

/** The lock, in dark. @param {World} world */
async function locked(world) {
  const { phone } = await withKey(world, { ...PHONE, ...DARK });
  const page = await phone.enrol("carol", "Pixel 8", { passkey: false });
  await press(page, "Settings");
  await press(page, "Lock approvals");
  await page.getByText("On. Each approval asks").waitFor();
  await part(page, "lock", "app-lock-dark");
}

/** What notifications can be told, in light. */
async function notifying() {
  const service = await PushService.start();
  const world = await World.start({ pushService: service.origin });
  const { phone } = await Ringable.start(world, service, "alice", { approve: true });
  const page = await phone.visit();
  await press(page, "Settings");
  await page.getByText("On. Open Assent").waitFor();
  await part(page, "notifications", "app-notifications");
  await world.stop();
  service.stop();
}

async function devices() {
  const world = await World.start({ name: "localhost" });
  await lost(world);
  await moved(world);
  await locked(world);
  await world.stop();
}

/** The panel: the first visit, codes, a device that is lost, the overview, help. */
async function panel() {
  const world = await Panel.start();
  const desk = await world.desk({ ...DESK, ...LIGHT });
  const { page } = desk;
  await desk.signIn("alice");
  await page.getByText("You have no device yet").first().waitFor();
  await picture(page, "panel-first");
  await desk.code();
  await picture(page, "panel-code");
  const phone = await desk.register("Pixel 8");
  await desk.heading("Registered");
  await phone.ready();
  await desk.visit();
  await press(page, "Set up an authenticator app");
  await desk.heading("Approve it on your device");
  await phone.approve();
  await press(phone.page, "Done");
  await desk.heading("Set up your authenticator app");
  await picture(page, "panel-totp");
  await desk.visit();
  await page.emulateMedia({ colorScheme: "dark" });
  await press(page, "Make recovery codes");
  await phone.approve();
  await press(phone.page, "Done");
  await desk.heading("Your recovery codes");
  await picture(page, "panel-recovery-dark");
  await press(page, "I have stored them");
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(PHONE.viewport);
  await page.getByRole("button", { name: "Remove Pixel 8" }).click();
  await press(page, "It is lost");
  await page.getByText("A code removes it").first().waitFor();
  await picture(page, "panel-lost", false);

  const admin = await world.desk({ ...DESK, ...LIGHT });
  await admin.signIn("erin");
  const hers = await admin.register("Erin’s phone");
  await admin.heading("Registered");
  await hers.ready();
  // Somebody tries alice's codes, and she says that it was not her.
  const thief = await world.desk();
  await thief.signIn("alice");
  await press(thief.page, "Make new recovery codes");
  await press(thief.page, "Make new ones");
  await phone.page.locator("#report").click();
  await thief.heading("Sign in");
  await admin.visit("/panel/overview");
  await press(admin.page, "Open the overview");
  await hers.approve();
  await admin.page.getByText("In force now").waitFor();
  await picture(admin.page, "panel-overview");
  await admin.page.emulateMedia({ colorScheme: "dark" });
  await admin.page.setViewportSize(PHONE.viewport);
  await picture(admin.page, "panel-overview-dark");
  await admin.visit("/panel/help#codes");
  await admin.page.getByText("Set them up before").waitFor();
  await admin.page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
  await picture(admin.page, "panel-help-dark");
  const german = await world.desk({ ...DESK, ...LIGHT, locale: "de-DE" });
  await german.visit("/panel/help#start");
  await german.page.getByText("Melden Sie sich hier an").waitFor();
  await german.page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
  await picture(german.page, "panel-help-german");
  await world.stop();
}

const began = Date.now();
for (const [name, take] of Object.entries({ toured, app, devices, notifying, panel })) {
  if (name.includes(PART)) await take();
}
const made = readdirSync(FOLDER).filter((name) => statSync(`${FOLDER}/${name}`).mtimeMs >= began);
try {
  execFileSync("pngquant", ["--force", "--strip", "--nofs", "--ext", ".png", "64", ...made], { cwd: FOLDER });
} catch (error) {
  console.error(`pngquant did not make them small: ${error}`);
}
