// From a request that is sent to the notification on a desktop, and from a press on its Approve to the answer at the host: a
// real Firefox with no page open, the tests' push service, and a notification area on a session bus.
import { Desktop } from "../tests/desktop.mjs";
import { Firefox } from "../tests/firefox.mjs";
import { PushService } from "../tests/push-service.mjs";
import { World } from "../tests/rig.mjs";
import { now } from "./measuring.mjs";

/** @param {number} rounds */
export async function measureNotifications(rounds) {
  const service = await PushService.start();
  const world = await World.start({ pushService: service.origin });
  const desktop = await Desktop.start();
  const firefox = await Firefox.start(service.origin.replace("http:", "ws:"), desktop.bus);
  /** @type {number[]} */
  const shown = [];
  /** @type {number[]} */
  const answered = [];
  try {
    await firefox.allow(world.url);
    await firefox.enrol(world, "fox");
    await firefox.press("Settings");
    await firefox.press("Turn on");
    await firefox.sees("On. Open Assent");
    await firefox.run(`document.getElementById("may-approve").click();`);
    await firefox.goto("about:blank");
    for (let round = 0; round < rounds; round++) {
      const sent = now();
      const handed = service.next().then((message) => service.handOver(message));
      const id = await world.host.push("fox");
      await handed;
      const one = await desktop.showing("SSH login on web01");
      shown.push(one.at - sent);
      const pressed = now();
      desktop.press(one, "Approve");
      const { verdict, why } = await world.host.answer(id);
      answered.push(now() - pressed);
      if (verdict !== "approved") throw new Error(`${verdict}: ${why}`);
    }
  } finally {
    await firefox.stop();
    desktop.stop();
    await world.stop();
    service.stop();
  }
  return { shown, answered };
}
