// Bringing a code here, by link, by typing and by the camera; the six digits; and what can go wrong.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { film } from "./camera.mjs";
import { CHROMIUM, World } from "./rig.mjs";

/** @typedef {import("./rig.mjs").Phone} Phone */

/** @type {World} */
let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

const register = (/** @type {Phone} */ phone) => phone.page.getByRole("button", { name: "Register this device" }).click();

test("r25: the secret leaves the address at once and is not kept", async () => {
  const phone = await world.phone();
  const { code } = await world.host.open("alice");
  const page = await phone.visit(`/e#${code}`);
  await phone.heading("Register this device");
  assert.equal(page.url(), `${world.url}/`);
  const secret = code.split(".")[2] ?? "";
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state, document.referrer]));
  assert.ok(!kept.includes(secret), kept);
});

test("the code is typed, with the whole link or without", async () => {
  for (const whole of [true, false]) {
    const phone = await world.phone();
    const { code, token_id } = await world.host.open(`typed-${whole}`);
    const page = await phone.visit();
    await page.getByRole("button", { name: "Type the code" }).click();
    const input = page.getByLabel("Link or code");
    const go = page.getByRole("button", { name: "Continue" });
    for (const [typed, said] of /** @type {const} */ ([
      ["", /^The code is not whole; copy the whole link again\.$/],
      [`${world.url}/e`, /not whole/],
      ["https://example.org/a-menu", /no enrolment link/],
      [code.slice(0, -2), /not whole/],
      [`2${code.slice(1)}`, /not whole/],
      [`${code}x`, /not whole/],
      [`https://other.example.org/e#${code}`, /is for the authenticator at https:\/\/other\.example\.org/],
      [`nonsense#${code}`, /no enrolment link/],
    ])) {
      await input.fill(typed);
      await go.click();
      await page.locator("#code-problem", { hasText: said }).waitFor();
    }
    await input.fill(whole ? `  ${world.url}/e#${code}\n` : code);
    await go.click();
    await register(phone);
    await world.host.confirm(token_id, await phone.digits());
    await phone.heading("Registered");
  }
});

test("the camera reads the code, and a code of something else is no reason to stop", async () => {
  const file = join(world.dir, "camera.y4m");
  film(file, "https://example.org/a-menu");
  const fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-video-capture=${file}`];
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", ...fake] });
  const phone = await world.phone({ permissions: ["camera"] }, browser);
  const { code, token_id } = await world.host.open("camera");
  const page = await phone.visit();
  const scan = page.getByRole("button", { name: "Scan the code" });
  await scan.click();
  await page.getByText("Read a code, but this is no enrolment link").waitFor();
  await page.getByRole("button", { name: "Back" }).click();
  film(file, `${world.url}/e#${code}`);
  await scan.click();
  await phone.heading("Register this device");
  await register(phone);
  await world.host.confirm(token_id, await phone.digits());
  await phone.heading("Registered");
  const cameras = await page.evaluate(() => document.querySelectorAll("video").length);
  assert.equal(cameras, 0);
  await browser.close();
});

test("without a camera, or leave to use it, the person is told what to do", async () => {
  const phone = await world.phone();
  const page = await phone.visit();
  await page.getByRole("button", { name: "Scan the code" }).click();
  await page.getByText(/type the code/i).first().waitFor();
  await page.getByRole("alert").filter({ hasText: /camera/ }).waitFor();
  await page.getByRole("button", { name: "Type the code" }).click();
  await phone.heading("Type the code");
});

test("r23: a gateway without the root that the code names is refused, loudly, and nothing is sent", async () => {
  const phone = await world.phone();
  const { code, token_id } = await world.host.open("victim");
  const [version, id, secret] = code.split(".");
  const page = await phone.visit(`/e#${version}.${id}.${secret}.${"A".repeat(22)}`);
  /** @type {string[]} */
  const posts = [];
  page.on("request", (request) => request.method() === "POST" && posts.push(request.url()));
  await register(phone);
  await phone.heading("Stop: this is not the gateway of your code");
  await page.locator(".notice.bad", { hasText: "Nothing was trusted and nothing was sent." }).waitFor();
  assert.deepEqual(posts, []);
  assert.equal(await page.getByRole("button", { name: "Try again" }).count(), 0);
  // The code itself was not used up.
  const honest = await world.phone();
  await honest.visit(`/e#${code}`);
  await register(honest);
  assert.ok((await world.host.confirm(token_id, await honest.digits())).enrolment.certified);
});

test("after three wrong guesses at the digits it is over", async () => {
  const phone = await world.phone();
  const { code, token_id } = await world.host.open("guessed");
  const page = await phone.visit(`/e#${code}`);
  await register(phone);
  const digits = await phone.digits();
  const wrong = String((Number(digits) + 1) % 1_000_000).padStart(6, "0");
  for (let guess = 0; guess < 3; guess++) await world.host.confirm(token_id, wrong);
  await phone.heading("This code is over");
  await page.getByRole("button", { name: "Back" }).click();
  await phone.heading("Approve your sign-ins here");
});

test("r25: a used code is over", async () => {
  const { code, token_id } = await world.host.open("once");
  const phone = await world.phone();
  await phone.visit(`/e#${code}`);
  await register(phone);
  await world.host.confirm(token_id, await phone.digits());
  await phone.heading("Registered");
  const other = await world.phone();
  await other.visit(`/e#${code}`);
  await register(other);
  await other.heading("This code is over");
});

test("a gateway that does not answer is tried again with the same code", async () => {
  const phone = await world.phone();
  const { code, token_id } = await world.host.open("patient");
  const page = await phone.visit(`/e#${code}`);
  await phone.heading("Register this device");
  await world.kill();
  await register(phone);
  await phone.heading("The gateway does not answer");
  await world.run();
  await page.getByRole("button", { name: "Try again" }).click();
  await register(phone);
  assert.ok((await world.host.confirm(token_id, await phone.digits())).enrolment.certified);
  await phone.heading("Registered");
});

test("r81: a clock that is far off is named, with what to do", async () => {
  const phone = await world.phone();
  await phone.context.clock.install({ time: Date.now() + 400 * 86_400_000 });
  const { code } = await world.host.open("future");
  await phone.visit(`/e#${code}`);
  await register(phone);
  await phone.heading("The clock is wrong");
  await phone.page.getByText(/date and time to automatic/).waitFor();
});

test("an enrolment goes on after a reload, with the same digits, and ends for good when it is cancelled", async () => {
  const phone = await world.phone();
  const { code, token_id } = await world.host.open("reloaded");
  const page = await phone.visit(`/e#${code}`);
  await register(phone);
  const digits = await phone.digits();
  await page.reload();
  await phone.heading("Six digits");
  assert.equal(await phone.digits(), digits);
  await world.host.confirm(token_id, digits);
  await phone.heading("Registered");

  const other = await world.phone();
  await other.visit(`/e#${(await world.host.open("cancelled")).code}`);
  await register(other);
  await other.heading("Six digits");
  await other.page.getByRole("button", { name: "Cancel" }).click();
  await other.heading("Approve your sign-ins here");
  await other.page.reload();
  await other.heading("Approve your sign-ins here");
});

test("a device needs a name", async () => {
  const phone = await world.phone();
  await phone.visit(`/e#${(await world.host.open("nameless")).code}`);
  await phone.page.getByLabel("Name of this device").fill("  ");
  await register(phone);
  await phone.page.getByText("Give this device a name.").waitFor();
});

test("on an iPhone the Home Screen comes first, and the code can be carried over as text", async () => {
  const userAgent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1";
  const phone = await world.phone({ userAgent, permissions: ["clipboard-read", "clipboard-write"] });
  const { code } = await world.host.open("apple");
  const page = await phone.visit(`/e#${code}`);
  await page.getByText("Put this app on the Home Screen first").waitFor();
  await page.getByRole("button", { name: "Copy the code" }).click();
  await page.getByText(/^Copied\./).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), code);
  await page.goto(world.url);
  await page.getByText("Put this app on the Home Screen first").waitFor();
});
