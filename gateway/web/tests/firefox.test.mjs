// Web Push in a real Firefox: it subscribes at a push service, bound to the gateway's key; what the gateway sends it opens
// itself; its worker fetches, verifies and shows; and a press opens the page at the request.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { FIREFOX, Firefox } from "./firefox.mjs";
import { settles } from "../panel/tests/rig.mjs";
import { PushService } from "./push-service.mjs";
import { World } from "./rig.mjs";

/** @type {PushService} */
let service;
/** @type {World} */
let world;
/** @type {Firefox} */
let firefox;
before(async () => {
  assert.ok(existsSync(FIREFOX), `${FIREFOX} is missing: apt install firefox-esr`);
  service = await PushService.start();
  world = await World.start({ pushService: service.origin });
  firefox = await Firefox.start(service.origin.replace("http:", "ws:"));
  await firefox.allow(world.url);
});
after(async () => {
  await firefox?.stop();
  await world?.stop();
  service?.stop();
});

/** What the worker has up. @returns {Promise<{ title: string, tag: string, actions: string[] }[]>} */
const shown = () =>
  firefox.run(`
    const registration = await navigator.serviceWorker.ready;
    return (await registration.getNotifications()).map(({ title, tag, actions }) => ({ title, tag, actions: actions.map((one) => one.action) }));`);

/** @param {(one: { title: string, tag: string, actions: string[] }) => boolean} fits */
async function showing(fits) {
  for (let tried = 0; tried < 150; tried += 1) {
    const found = (await shown()).find(fits);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`not shown: ${JSON.stringify(await shown())}`);
}

test("a person registers in Firefox and turns notifications on: its subscription is bound to the gateway's key", async () => {
  await firefox.enrol(world, "fox");
  await firefox.press("Settings");
  await firefox.press("Turn on");
  await firefox.sees("On. Open Assent");
  const [{ key } = { key: "" }] = [...service.channels.values()];
  assert.equal(Buffer.from(key, "base64url").length, 65);
});

test("what the gateway sends Firefox opens itself; the request is verified, shown, and gone when the login ends", async () => {
  // No page of the app hears: only the worker does.
  await firefox.goto(`${world.url}/healthz`);
  const id = await world.host.push("fox");
  service.handOver(await service.next());
  const { title, actions } = await showing((one) => one.tag === id);
  assert.equal(title, "SSH login on web01");
  assert.deepEqual(actions, ["deny"]);
  // The desktop's window for it comes a moment later, as does the word that it was taken.
  await settles(async () => (await firefox.alerts()).map((one) => one.title), ["SSH login on web01"]);
  await settles(async () => service.taken.length, 1);

  await world.host.withdraw(id);
  service.handOver(await service.next());
  await showing((one) => one.title === "No answer needed any more");
  assert.equal((await shown()).filter((one) => one.tag === id).length, 0);
});

test("a press opens the page at the request, where one can approve and deny", async () => {
  const id = await world.host.push("fox", { login: "fox123" });
  service.handOver(await service.next());
  await showing((one) => one.tag === id);
  const before = (await firefox.command("browsingContext.getTree", {})).contexts.length;
  await firefox.pressAlert("SSH login on web01");
  for (let tried = 0; ; tried += 1) {
    const { contexts } = await firefox.command("browsingContext.getTree", {});
    const page = contexts.find((/** @type {any} */ one) => one.url === `${world.url}/`);
    if (contexts.length > before && page !== undefined) {
      firefox.page = page.context;
      break;
    }
    assert.ok(tried < 100, "no page opened");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await firefox.sees("fox123");
  await firefox.press("Deny");
  const answer = await world.host.answer(id);
  assert.deepEqual([answer.verdict, answer.why], ["refused", "denied on the device"]);
  await firefox.sees("Denied");
});

test("a subscription that the browser has ended is made anew with the next visit", async () => {
  await firefox.press("Done");
  const [before] = service.channels.keys();
  await firefox.run("const { pushManager } = await navigator.serviceWorker.ready; return (await pushManager.getSubscription()).unsubscribe();");
  for (let tried = 0; service.channels.size > 0; tried += 1) {
    assert.ok(tried < 100, "Firefox did not say so");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const id = await world.host.push("fox");
  assert.equal((await service.next()).path, before, "answered with 410");
  await firefox.press("Deny");
  await world.host.answer(id);
  await firefox.goto(`${world.url}/`);
  for (let tried = 0; service.channels.size === 0; tried += 1) {
    assert.ok(tried < 100, "no new subscription");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await firefox.press("Settings");
  await firefox.sees("On. Open Assent");
  await firefox.goto(`${world.url}/healthz`);
  const next = await world.host.push("fox");
  service.handOver(await service.next());
  await showing((one) => one.tag === next);
});
