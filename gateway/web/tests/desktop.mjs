// A desktop's notification area on a session bus of the tests' own: gateway/examples/desktop.rs behind a real dbus-daemon.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { DESKTOP, SOON } from "./rig.mjs";

/** @typedef {{ id: number, title: string, text: string, actions: string[], at: number }} Shown
 * `at`: when it came up, in milliseconds since 1970. */

export class Desktop {
  static async start() {
    const desktop = new Desktop();
    desktop.daemon = spawn("dbus-daemon", ["--session", "--nofork", "--nopidfile", "--print-address"], { stdio: ["ignore", "pipe", "ignore"] });
    assert.ok(desktop.daemon.stdout);
    const [address] = await once(createInterface({ input: desktop.daemon.stdout }), "line");
    desktop.bus = address;
    desktop.area = spawn(DESKTOP, [], { stdio: ["pipe", "pipe", "inherit"], env: { DBUS_SESSION_BUS_ADDRESS: address } });
    assert.ok(desktop.area.stdout);
    const lines = createInterface({ input: desktop.area.stdout });
    await once(lines, "line");
    lines.on("line", (line) => {
      const { shown, closed } = JSON.parse(line);
      if (shown !== undefined) desktop.up.set(shown.id, { ...shown, at: performance.timeOrigin + performance.now() });
      if (closed !== undefined) desktop.up.delete(closed);
    });
    return desktop;
  }

  bus = "";
  /** What is up. @type {Map<number, Shown>} */
  up = new Map();
  /** @type {import("node:child_process").ChildProcess | null} */
  daemon = null;
  /** @type {import("node:child_process").ChildProcess | null} */
  area = null;

  /** The notification with this title. @param {string} title @returns {Promise<Shown>} */
  async showing(title) {
    const until = Date.now() + SOON;
    for (;;) {
      const found = [...this.up.values()].find((one) => one.title === title);
      if (found !== undefined) return found;
      assert.ok(Date.now() < until, `not shown: ${title}; ${JSON.stringify([...this.up.values()])}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Presses a button of it. @param {Shown} shown @param {string} label */
  press({ id, actions }, label) {
    // Names and labels in turn.
    const at = actions.findIndex((one, at) => at % 2 === 1 && one === label);
    assert.ok(at > 0, `no button ${label}: ${actions}`);
    this.up.delete(id);
    this.area?.stdin?.write(`${JSON.stringify({ id, action: actions[at - 1] })}\n`);
  }

  stop() {
    this.area?.kill();
    this.daemon?.kill();
  }
}
