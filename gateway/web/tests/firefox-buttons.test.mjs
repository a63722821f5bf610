// The buttons of a notification, in a real Firefox on a desktop that has some: a press of a person's, which no script made,
// signs in the worker, and the real verifier takes it.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { Desktop } from "./desktop.mjs";
import { Firefox } from "./firefox.mjs";
import { PushService } from "./push-service.mjs";
import { World } from "./rig.mjs";

/** @type {PushService} */
let service;
/** @type {World} */
let world;
/** @type {Desktop} */
let desktop;
/** @type {Firefox} */
let firefox;
before(async () => {
  service = await PushService.start();
  world = await World.start({ pushService: service.origin });
  desktop = await Desktop.start();
  firefox = await Firefox.start(service.origin.replace("http:", "ws:"), desktop.bus);
  await firefox.allow(world.url);
  await firefox.enrol(world, "fox");
  await firefox.press("Settings");
  await firefox.press("Turn on");
  await firefox.sees("On. Open Assent");
  await firefox.run(`document.getElementById("may-approve").click();`);
  // A page that is open would be a visit.
  await firefox.goto("about:blank");
});
after(async () => {
  await firefox?.stop();
  desktop?.stop();
  await world?.stop();
  service?.stop();
});

test("r11: Approve and Deny on the desktop are signed by the worker, with no page open", async () => {
  for (const [label, verdict, became] of /** @type {const} */ ([["Approve", "approved", "Approved"], ["Deny", "refused", "Denied"]])) {
    const id = await world.host.push("fox");
    service.handOver(await service.next());
    const shown = await desktop.showing("SSH login on web01");
    assert.doesNotMatch(JSON.stringify(shown), /fox/);
    desktop.press(shown, label);
    assert.equal((await world.host.answer(id)).verdict, verdict);
    await desktop.showing(became);
  }
});

test("r11: no Approve on the desktop for sudo", async () => {
  const id = await world.host.push("fox", { svc: "sudo", target_user: "root", cmd: { resolved: "/usr/bin/id", args: [] }, app: "sudo" });
  service.handOver(await service.next());
  const shown = await desktop.showing("sudo command on web01");
  assert.ok(!shown.actions.includes("Approve") && shown.actions.includes("Deny"), String(shown.actions));
  assert.doesNotMatch(shown.title + shown.text, /root|\/usr\/bin\/id/);
  desktop.press(shown, "Deny");
  assert.equal((await world.host.answer(id)).why, "denied on the device");
});

test("twenty sign-ins answered at once, with the page never open: Firefox still delivers", async () => {
  for (let at = 0; at < 20; at += 1) {
    const id = await world.host.push("fox");
    service.handOver(await service.next());
    desktop.press(await desktop.showing("SSH login on web01"), "Approve");
    assert.equal((await world.host.answer(id)).verdict, "approved", String(at));
  }
  // Firefox counts three seconds after each message, and drops the subscription once it has counted sixteen.
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const id = await world.host.push("fox");
  service.handOver(await service.next());
  desktop.press(await desktop.showing("SSH login on web01"), "Approve");
  assert.equal((await world.host.answer(id)).verdict, "approved");
});
