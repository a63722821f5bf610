// A world for browser tests: a real gateway on its own state, which serves the app, a host of `testhost` whose verifier
// is the real one, and phones that are real Chromium pages. With ASSENT_WEB=dev the app comes from dev/serve.mjs, so that
// a change of it needs no build.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { freePort } from "./ports.mjs";
import { serve } from "../dev/serve.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").BrowserContext} Context */

const TARGET = process.env.ASSENT_TARGET ?? fileURLToPath(new URL("../../../target/debug", import.meta.url));
const GATEWAY = join(TARGET, "assent-gateway");
export const TESTHOST = join(TARGET, "examples/testhost");
/** A notification area. */
export const DESKTOP = join(TARGET, "examples/desktop");
export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** Longer than anything here should take. */
export const SOON = 15_000;

/** A promise that fails after a while. @template T @param {Promise<T>} promise @param {() => string} what @returns {Promise<T>} */
async function soon(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(what())), SOON);
  });
  try {
    return /** @type {T} */ (await Promise.race([promise, late]));
  } finally {
    clearTimeout(timer);
  }
}

/** A host of `testhost`. */
class Host {
  /** @param {string[]} args */
  constructor(args) {
    this.process = spawn(TESTHOST, ["run", ...args], { stdio: ["pipe", "pipe", "inherit"] });
    /** @type {any[]} */
    this.said = [];
    /** @type {(() => void)[]} */
    this.waiting = [];
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      this.said.push(JSON.parse(line));
      for (const wake of this.waiting.splice(0)) wake();
    });
  }

  /** The next saying with `key` in it that `fits`, taken out. @param {string} key @param {(value: any) => boolean} [fits] */
  async hear(key, fits = () => true) {
    const found = async () => {
      for (;;) {
        const at = this.said.findIndex((said) => key in said && fits(said[key]));
        if (at >= 0) return this.said.splice(at, 1)[0][key];
        await new Promise((resolve) => this.waiting.push(() => resolve(undefined)));
      }
    };
    return soon(found(), () => `the host did not say ${key}; it said ${JSON.stringify(this.said)}`);
  }

  /** @param {object} order */
  tell(order) {
    this.process.stdin.write(`${JSON.stringify(order)}\n`);
  }

  /** Opens an enrolment. @param {string} user @returns {Promise<{ code: string, token_id: string }>} */
  async open(user) {
    this.tell({ do: "open", user });
    return this.hear("opened");
  }

  /** @param {string} tokenId @param {string} digits */
  async confirm(tokenId, digits) {
    this.tell({ do: "confirm", token_id: tokenId, digits });
    return this.hear("confirmed");
  }

  /** Pushes; the push's id. @param {string} user @param {object} [wanted] @returns {Promise<string>} */
  async push(user, wanted = {}) {
    this.tell({ do: "push", user, ...wanted });
    return (await this.hear("pushed")).id;
  }

  /** @param {string} id */
  async withdraw(id) {
    this.tell({ do: "withdraw", id });
    assert.equal(await this.hear("withdrawn"), 204);
  }

  /** What the real verifier made of the answer to a push. @param {string} id */
  answer(id) {
    return this.hear("answer", (answer) => answer.id === id);
  }
}

/** A gateway, the app, and a host. */
export class World {
  /** @param {{ name?: string, pushService?: string }} [site] `name`: how the pages name this machine; what has a passkey needs
   * one that is no address. `pushService`: the origin of one of its own */
  static async start({ name = "127.0.0.1", pushService } = {}) {
    for (const program of [GATEWAY, TESTHOST]) {
      assert.ok(existsSync(program), `${program} is missing: cargo build -p assent-gateway --bins --example testhost`);
    }
    const world = new World();
    world.pushService = pushService ?? null;
    world.dir = mkdtempSync(join(tmpdir(), "assent-web-"));
    execFileSync(TESTHOST, ["keys", world.dir]);
    // One port for ever, so that it can be started again.
    world.address = `127.0.0.1:${await freePort()}`;
    if (process.env.ASSENT_WEB === "dev") world.app = await serve({ port: 0, gateway: () => `http://${world.address}` });
    world.url = world.app?.url ?? `http://${world.address.replace("127.0.0.1", name)}`;
    world.configure();
    await world.run();
    const { token } = await world.admin("POST", "/host-token", { name: "web01", ttl: 60 });
    world.host = new Host([world.dir, world.url, world.address, "web01", token]);
    await world.host.hear("ready");
    world.browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    return world;
  }

  dir = "";
  url = "";
  address = "";
  /** @type {string | null} */
  pushService = null;
  /** @type {Awaited<ReturnType<typeof serve>> | null} */
  app = null;
  /** @type {Host} */
  host = /** @type {any} */ (null);
  /** @type {import("playwright-core").Browser} */
  browser = /** @type {any} */ (null);
  /** @type {import("node:child_process").ChildProcess | null} */
  gateway = null;
  /** @type {Context[]} */
  contexts = [];

  configure() {
    const lines = [
      `listen = "${this.address}"`,
      `public_url = "${this.url}"`,
      `state_dir = "${this.dir}"`,
      `admin_socket = "${this.dir}/admin.sock"`,
      "[web_push]",
      "services = []",
      ...(this.pushService === null ? [] : [`own_services = ["${this.pushService}"]`]),
    ];
    writeFileSync(join(this.dir, "gateway.toml"), `${lines.join("\n")}\n`);
  }

  async run() {
    const gateway = spawn(GATEWAY, ["--config", join(this.dir, "gateway.toml")], { stdio: ["ignore", "pipe", "pipe"] });
    this.gateway = gateway;
    let log = "";
    gateway.stderr.on("data", (chunk) => (log += chunk));
    const lines = createInterface({ input: gateway.stdout });
    await soon(once(lines, "line"), () => `the gateway did not start: ${log}`);
  }

  /** SIGKILL, as a crash. */
  async kill() {
    const gateway = this.gateway;
    this.gateway = null;
    if (gateway === null) return;
    const ended = once(gateway, "exit");
    gateway.kill("SIGKILL");
    await ended;
  }

  /** Nothing that serves the app answers any more. */
  async dark() {
    await this.kill();
    this.app?.server.close();
    this.app?.server.closeAllConnections();
  }

  async light() {
    await this.run();
    const server = this.app?.server;
    if (server !== undefined) await new Promise((resolve) => server.listen(Number(new URL(this.url).port), "127.0.0.1", () => resolve(undefined)));
  }

  /** A call on the admin's socket. @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>} */
  admin(method, path, body) {
    return new Promise((resolve, reject) => {
      const headers = { "content-type": "application/json" };
      const call = request({ socketPath: join(this.dir, "admin.sock"), method, path, headers }, (answer) => {
        let text = "";
        answer.on("data", (chunk) => (text += chunk));
        answer.on("end", () => resolve(JSON.parse(text)));
      });
      call.on("error", reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /**
   * A phone: a context of its own, so storage of its own. It has no service worker unless `serviceWorkers` allows it:
   * filling its cache takes longer than most tests.
   * @param {import("playwright-core").BrowserContextOptions} [options] @param {import("playwright-core").Browser} [browser]
   */
  async phone(options = {}, browser = this.browser) {
    const context = await browser.newContext({
      viewport: { width: 390, height: 844 },
      locale: "en-GB",
      serviceWorkers: "block",
      ...options,
    });
    context.setDefaultTimeout(SOON);
    this.contexts.push(context);
    return new Phone(this, context);
  }

  async stop() {
    const problems = this.contexts.flatMap((context) => troubles.get(context) ?? []);
    this.host?.process.kill();
    await this.browser?.close();
    await this.kill();
    this.app?.server.close();
    this.app?.server.closeAllConnections();
    if (this.dir !== "") rmSync(this.dir, { recursive: true, force: true });
    assert.deepEqual(problems, [], "no error, no violation of the policy, no request to anybody else");
  }
}

/** What went wrong in a context's pages: looked at when the world ends. @type {WeakMap<Context, string[]>} */
const troubles = new WeakMap();
/** What a browser says of failed requests; those are part of some tests. */
const NETWORK = /^Failed to load resource|net::ERR_/;

/** One phone and its app. */
export class Phone {
  /** @param {World} world @param {Context} context */
  constructor(world, context) {
    this.world = world;
    this.context = context;
    /** Where the app is. */
    this.home = world.url;
    /** @type {string[]} */
    const found = troubles.get(context) ?? [];
    troubles.set(context, found);
    this.troubles = found;
    context.on("request", (request) => {
      const url = new URL(request.url());
      if (url.protocol !== "blob:" && url.origin !== this.home) found.push(`request to ${url.origin}`);
    });
    context.on("console", (message) => {
      const said = message.text();
      if (message.type() === "error" && !NETWORK.test(said)) found.push(`console: ${said}`);
    });
    context.on("weberror", (error) => found.push(`error: ${error.error().stack}`));
    void context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
      });
    });
    /** @type {Page} */
    this.page = /** @type {any} */ (null);
    /** What a page is given before it opens. @type {(page: Page) => Promise<void>} */
    this.prepare = async () => {};
  }

  /** @param {string} [path] */
  async visit(path = "/") {
    this.page = await this.context.newPage();
    await this.prepare(this.page);
    await this.page.goto(this.home + path);
    return this.page;
  }

  /** Enrols for `user` by link, as a person does. @param {string} user @param {string} [label]
   * @param {{ passkey?: boolean }} [options] where a passkey can be made: whether one is */
  async enrol(user, label, { passkey } = {}) {
    const { code, token_id } = await this.world.host.open(user);
    await this.visit(`/e#${code}`);
    const { page } = this;
    if (label !== undefined) await page.getByLabel("Name of this device").fill(label);
    if (passkey !== undefined) await page.getByLabel("Make a passkey, too").setChecked(passkey);
    await page.getByRole("button", { name: "Register this device" }).click();
    const confirmed = await this.world.host.confirm(token_id, await this.digits());
    assert.ok(confirmed.enrolment?.certified, JSON.stringify(confirmed));
    await this.heading("Registered");
    await page.getByRole("button", { name: "Done" }).click();
    await this.heading("Ready");
    return page;
  }

  /** The six digits on the screen. */
  async digits() {
    const groups = this.page.locator(".digits span");
    await groups.first().waitFor();
    return (await groups.allInnerTexts()).join("");
  }

  /** Waits for a heading. @param {string | RegExp} name */
  heading(name) {
    return this.page.getByRole("heading", { level: 1, name, exact: typeof name === "string" }).waitFor();
  }

  /** Presses Approve as a person does: after the moment in which it takes no press. */
  async approve() {
    const button = this.page.locator("#approve");
    await button.waitFor();
    await this.page.waitForTimeout(450);
    await button.click();
  }

  /** The path of a module of the app, to be imported in the page. @param {string} name */
  async module(name) {
    const { assets } = await (await fetch(`${this.world.url}/assets.json`)).json();
    const path = assets.find((/** @type {string} */ asset) => new RegExp(`^/assets/${name}\\.\\w+\\.js$`).test(asset));
    assert.ok(path, name);
    return path;
  }
}
