// A real Firefox, driven by WebDriver BiDi over its own socket. It calls nobody but the push service that it is given.
// Without a desktop its notifications are windows of its own, which have no buttons; with one (desktop.mjs) it hands them over.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
// @ts-expect-error It has no types.
import { WebSocket } from "ws";

export const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
/** Starting it takes longest. */
const START_MS = 60_000;

/** @param {string} pushService its WebSocket's URL @param {boolean} desktop */
const preferences = (pushService, desktop) => ({
  "dom.push.serverURL": pushService,
  "dom.push.testing.allowInsecureServerURL": true,
  "dom.push.connection.enabled": true,
  // What is recommended to whoever drives it switches push off.
  "remote.prefs.recommended": false,
  "alerts.useSystemBackend": desktop,
  "app.update.disabledForTesting": true,
  "app.normandy.enabled": false,
  "browser.aboutwelcome.enabled": false,
  "browser.newtabpage.enabled": false,
  "browser.region.network.url": "",
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.safebrowsing.update.enabled": false,
  "browser.search.update": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage": "about:blank",
  "browser.startup.page": 0,
  "datareporting.policy.dataSubmissionEnabled": false,
  "datareporting.usage.uploadEnabled": false,
  "extensions.systemAddon.update.enabled": false,
  "extensions.update.enabled": false,
  "media.gmp-manager.updateEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "network.dns.disablePrefetch": true,
  "network.prefetch-next": false,
  "network.trr.mode": 5,
  "services.settings.server": "data:,none",
  "toolkit.telemetry.enabled": false,
  "toolkit.telemetry.server": "data:,none",
  "toolkit.telemetry.unified": false,
});

export class Firefox {
  /** @param {string} pushService @param {string} [bus] where a desktop listens */
  static async start(pushService, bus) {
    const firefox = new Firefox();
    firefox.dir = mkdtempSync(join(tmpdir(), "assent-firefox-"));
    const lines = Object.entries(preferences(pushService, bus !== undefined)).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
    writeFileSync(join(firefox.dir, "user.js"), lines.join("\n"));
    const arguments_ = ["--headless", "--profile", firefox.dir, "--remote-debugging-port", "0", "--remote-allow-system-access"];
    const browser = spawn(FIREFOX, arguments_, { stdio: ["ignore", "ignore", "pipe"], env: { PATH: process.env.PATH, HOME: firefox.dir, ...(bus && { DBUS_SESSION_BUS_ADDRESS: bus }) } });
    firefox.process = browser;
    const address = await firefox.says(/WebDriver BiDi listening on (ws:\S+)/);
    firefox.socket = new WebSocket(`${address}/session`);
    await once(firefox.socket, "open");
    firefox.socket.on("message", (/** @type {Buffer} */ text) => firefox.hear(JSON.parse(text.toString())));
    await firefox.command("session.new", { capabilities: {} });
    const { contexts } = await firefox.command("browsingContext.getTree", {});
    firefox.page = contexts[0].context;
    return firefox;
  }

  dir = "";
  page = "";
  /** @type {import("node:child_process").ChildProcess | null} */
  process = null;
  /** @type {any} */
  socket = null;
  /** @type {Map<number, (reply: any) => void>} */
  open = new Map();

  /** @param {RegExp} what @returns {Promise<string>} */
  async says(what) {
    /** @type {string[]} */
    const said = [];
    const input = this.process?.stderr;
    assert.ok(input);
    return new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`Firefox did not start: ${said.join("\n")}`)), START_MS).unref();
      createInterface({ input }).on("line", (line) => {
        if (said.length < 200) said.push(line);
        const found = what.exec(line);
        if (found !== null) resolve(found[1] ?? "");
      });
    });
  }

  /** @param {any} reply */
  hear(reply) {
    this.open.get(reply.id)?.(reply);
    this.open.delete(reply.id);
  }

  /** @param {string} method @param {object} params @returns {Promise<any>} */
  async command(method, params) {
    const id = this.open.size + Math.floor(Math.random() * 1e9);
    const reply = await new Promise((resolve) => {
      this.open.set(id, resolve);
      this.socket.send(JSON.stringify({ id, method, params }));
    });
    assert.equal(reply.type, "success", `${method}: ${reply.message}`);
    return reply.result;
  }

  /** The person allows notifications to a page. @param {string} origin */
  allow(origin) {
    return this.command("permissions.setPermission", { descriptor: { name: "notifications" }, state: "granted", origin });
  }

  /** @param {string} url */
  async goto(url) {
    await this.command("browsingContext.navigate", { context: this.page, url, wait: "complete" });
  }

  /** What a script says, as JSON. @param {string} script @param {string} [context] @returns {Promise<any>} */
  async run(script, context = this.page) {
    const expression = `(async () => JSON.stringify(await (async () => { ${script} })() ?? null))()`;
    const params = { expression, target: { context }, awaitPromise: true, userActivation: true };
    const { type, result, exceptionDetails } = await this.command("script.evaluate", params);
    assert.equal(type, "success", exceptionDetails?.text);
    return JSON.parse(result.value);
  }

  /** The same, until it says something. @param {string} script @param {string} [context] @returns {Promise<any>} */
  async until(script, context) {
    const until = Date.now() + 20_000;
    for (;;) {
      const found = await this.run(script, context);
      if (found !== null && found !== false) return found;
      if (Date.now() > until) assert.fail(`never: ${script}\n${await this.run("return document.body.innerText")}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Presses a button of the page. @param {string} label */
  async press(label) {
    const found = `[...document.querySelectorAll("button")].find((one) => one.textContent === ${JSON.stringify(label)} && one.checkVisibility() && !one.disabled)`;
    await this.until(`const button = ${found}; button?.click(); return button !== undefined;`);
  }

  /** Waits for a text on the page. @param {string} text */
  sees(text) {
    return this.until(`return document.body.innerText.includes(${JSON.stringify(text)});`);
  }

  /** Registers, as a person does. @param {import("./rig.mjs").World} world @param {string} user */
  async enrol(world, user) {
    const { code, token_id } = await world.host.open(user);
    await this.goto(`${world.url}/e#${code}`);
    await this.press("Register this device");
    const digits = await this.until(`const all = [...document.querySelectorAll(".digits span")]; return all.length > 0 && all.map((one) => one.textContent).join("");`);
    assert.ok((await world.host.confirm(token_id, digits)).enrolment?.certified);
    await this.press("Done");
    await this.sees("Ready");
    await this.run("await navigator.serviceWorker.ready; return true;");
  }

  /** The windows of the browser itself. */
  async chrome() {
    const { contexts } = await this.command("browsingContext.getTree", { "moz:scope": "chrome" });
    return contexts[0].context;
  }

  /** What notifications are up, as the person sees them. @returns {Promise<{ title: string, text: string }[]>} */
  async alerts() {
    const script = `
      const said = (alert, id) => alert.document.getElementById(id)?.textContent || alert.document.getElementById(id)?.getAttribute("value") || "";
      return [...Services.wm.getEnumerator("alert:alert")].map((alert) => ({ title: said(alert, "alertTitleLabel"), text: said(alert, "alertTextLabel") }));`;
    return this.run(script, await this.chrome());
  }

  /** Presses the notification with this title. @param {string} title */
  async pressAlert(title) {
    const script = `
      const all = [...Services.wm.getEnumerator("alert:alert")].filter((alert) => alert.gIsActive);
      const one = all.find(({ document }) => (document.getElementById("alertTitleLabel").textContent || document.getElementById("alertTitleLabel").getAttribute("value")) === ${JSON.stringify(title)});
      one?.document.getElementById("alertBox").click();
      return one !== undefined;`;
    await this.until(script, await this.chrome());
  }

  async stop() {
    const browser = this.process;
    if (browser !== null && browser.exitCode === null) {
      const ended = once(browser, "exit");
      this.socket?.close();
      browser.kill();
      await ended;
    }
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 10 });
  }
}
