// A person with a desk and a phone, for `cargo xtask demo --unattended`: two real Chromium browsers, driven line by line.
// Reads one order as JSON from each line of standard input, says one line "==> {…}" when it is done. The phone's camera
// sees what stands on the desk's screen. Started by tests/src/person.rs.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [url, pictures, scratch] = process.argv.slice(2);
if (url === undefined || pictures === undefined || scratch === undefined) throw new Error("person.mjs URL PICTURES SCRATCH");
mkdirSync(pictures, { recursive: true });
const SOON = 20_000;
const CAMERA = join(scratch, "camera.y4m");
const [WIDTH, HEIGHT] = [640, 480];
const COMMON = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** @param {string[]} args @param {import("playwright-core").BrowserContextOptions} options */
async function browse(args, options) {
  const browser = await chromium.launch({ executablePath, args: [...COMMON, ...args] });
  const context = await browser.newContext({ locale: "en-GB", ...options });
  context.setDefaultTimeout(SOON);
  context.on("weberror", (error) => console.error(`page error: ${error.error().stack}`));
  return context.newPage();
}

const desk = await browse([], { viewport: { width: 1280, height: 800 } });
/** @type {import("playwright-core").Page | null} */
let phone = null;
/** Whether the phone's own key knows her finger. @type {(isUserVerified: boolean) => Promise<unknown>} */
let knowsFinger = async () => {};

/** @param {import("playwright-core").Page | null} page @param {unknown} name */
async function picture(page, name) {
  if (page !== null && typeof name === "string") await page.screenshot({ path: join(pictures, `${name}.png`) });
}

/** What a camera before the screen films: the picture, grey, in the middle of a wall (y4m). @param {Buffer} png */
async function film(png) {
  const darkroom = await desk.context().newPage();
  const source = `data:image/png;base64,${png.toString("base64")}`;
  const grey = await darkroom.evaluate(
    async ([source, width, height]) => {
      const picture = new Image();
      picture.src = /** @type {string} */ (source);
      await picture.decode();
      const canvas = new OffscreenCanvas(/** @type {number} */ (width), /** @type {number} */ (height));
      const draw = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
      draw.fillStyle = "#ddd";
      draw.fillRect(0, 0, canvas.width, canvas.height);
      const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height, 1);
      const [w, h] = [picture.width * scale, picture.height * scale];
      draw.drawImage(picture, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
      const { data } = draw.getImageData(0, 0, canvas.width, canvas.height);
      return Array.from({ length: data.length / 4 }, (_, at) => data[4 * at + 1] ?? 0);
    },
    [source, WIDTH, HEIGHT],
  );
  await darkroom.close();
  const frame = Buffer.concat([Buffer.from("FRAME\n"), Buffer.from(grey), Buffer.alloc(grey.length / 2, 128)]);
  writeFileSync(CAMERA, Buffer.concat([Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\n`), frame, frame, frame]));
}

/** The phone looks at the desk's screen. */
async function takePhone() {
  const args = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${CAMERA}`];
  const viewport = { width: 390, height: 844 };
  phone = await browse(args, { viewport, deviceScaleFactor: 2, hasTouch: true, permissions: ["camera"] });
  const devtools = await phone.context().newCDPSession(phone);
  await devtools.send("WebAuthn.enable");
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  knowsFinger = (isUserVerified) => devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified });
  await phone.goto(`${url}/`);
  return phone;
}

/** @param {import("playwright-core").Page} page @param {string | RegExp} name */
const heading = (page, name) => page.getByRole("heading", { level: 1, name }).waitFor();

/** @type {Record<string, (order: any) => Promise<object>>} */
const orders = {
  async sign_in({ user, password, picture: name }) {
    await desk.goto(`${url}/panel/`);
    await desk.getByLabel("User name").fill(user);
    await desk.getByLabel("Password").fill(password);
    await desk.getByRole("button", { name: "Sign in" }).click();
    await heading(desk, "Your devices");
    await picture(desk, name);
    return {};
  },
  async register({ label, pictures: [atDesk, atPhone] }) {
    await desk.goto(`${url}/panel/add`);
    const code = desk.locator("figure.code");
    await code.waitFor();
    await picture(desk, atDesk);
    await film(await code.screenshot());
    const page = await takePhone();
    await page.getByRole("button", { name: "Scan the code" }).click();
    await page.getByLabel("Name of this device").fill(label);
    await page.getByLabel("Make a passkey, too").check();
    await page.getByRole("button", { name: "Register this device" }).click();
    const digits = await page.locator(".digits").innerText();
    await picture(page, atPhone);
    await desk.getByLabel(/six digits/).fill(digits.replaceAll(/\s/g, ""));
    await desk.getByRole("button", { name: "Register it" }).click();
    await heading(desk, "Registered");
    await heading(page, "Registered");
    await page.getByRole("button", { name: "Done" }).click();
    await heading(page, "Ready");
    return { digits };
  },
  // What stands on the phone once somebody asks.
  async asked({ picture: name }) {
    const page = /** @type {import("playwright-core").Page} */ (phone);
    await page.locator("#approve").waitFor();
    await picture(page, name);
    return { text: await page.locator("main").innerText() };
  },
  async press({ button, heading: name }) {
    const page = /** @type {import("playwright-core").Page} */ (phone);
    // The guard against a press that was meant for something else lasts 400 ms.
    if (button === "approve") await page.waitForTimeout(450);
    const at = Date.now();
    await page.locator(`#${button}`).click();
    await heading(page, name);
    await page.getByRole("button", { name: "Done" }).click();
    return { at };
  },
  // Approve is pressed with another's finger: nothing is sent, and the request stays.
  async wrong_finger() {
    const page = /** @type {import("playwright-core").Page} */ (phone);
    await knowsFinger(false);
    await page.waitForTimeout(450);
    await page.locator("#approve").click();
    await page.getByText("Nothing was sent.").waitFor();
    await knowsFinger(true);
    return {};
  },
  async show({ page: name, path, picture: file }) {
    await desk.goto(url + path);
    await heading(desk, name);
    await picture(desk, file);
    return { text: await desk.locator("main").innerText() };
  },
};

console.log("==> {}");
for await (const line of createInterface({ input: process.stdin, terminal: false })) {
  if (line.trim() === "") continue;
  try {
    const order = JSON.parse(line);
    const done = await orders[order.do]?.(order);
    console.log(`==> ${JSON.stringify(done ?? { failed: `no such order: ${order.do}` })}`);
  } catch (error) {
    await picture(desk, "failed-desk");
    await picture(phone, "failed-phone");
    console.log(`==> ${JSON.stringify({ failed: String(error) })}`);
  }
}
process.exit(0);
