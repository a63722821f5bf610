// A world for the panel's browser tests: the real gateway with its own state and local users, the real Register Panel and
// the real authenticator in real Chromium, one context a person's computer or phone.
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { freePort } from "../../tests/ports.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").BrowserContext} Context */

const TARGET = process.env.ASSENT_TARGET ?? fileURLToPath(new URL("../../../../target/debug", import.meta.url));
const GATEWAY = join(TARGET, "assent-gateway");
const TESTHOST = join(TARGET, "examples/testhost");
const PANELLINK = join(TARGET, "examples/panellink");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** Longer than anything here should take. */
export const SOON = 15_000;
/** The password of everybody here. */
export const PASSWORD = "hunter2";
/** Its hash at the lowest cost. */
const HASH = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM0$Xj8CRnbBNoW+eLrWzd5rXf/tYQHzvOlG+VSX49+oQ6E";
const MOBILE = `mobile = "+491701234542"\n`;
/** Ways by which codes are sent; nothing is sent by them here. */
const SENDS = [
  `[codes]`,
  `prefixes = ["+49"]`,
  `[[codes.sms]]`,
  `name = "none"`,
  `url = "http://127.0.0.1:9/"`,
  `body = "{number} {text}"`,
  `[[codes.mail]]`,
  `host = "localhost"`,
  `from = "assent@example.org"`,
];
const PEOPLE = ["alice", "bob", "carol", "dave", "erin", "frank"];
/** What a browser says of requests that were refused; those are part of some tests. */
const NETWORK = /^Failed to load resource|net::ERR_/;

/** @param {string} name */
const idOf = (name) => `00000000-0000-4000-8000-00000000000${PEOPLE.indexOf(name) + 1}`;

/** A gateway, and a browser to visit it. */
export class World {
  dir = "";
  url = "";
  app = "";
  log = "";
  /** @type {import("playwright-core").Browser} */
  browser = /** @type {any} */ (null);
  /** @type {import("node:child_process").ChildProcess | null} */
  gateway = null;
  links = 0;
  /** @type {{ context: Context, found: string[] }[]} */
  visits = [];

  /**
   * `apart`: the app has an origin of its own, the listener's other name. `codes`: there is a code service. `tls`: files of a
   * certificate that the browser takes unasked.
   * @param {{ mode?: "admin" | "terminal" | "directory", profiles?: boolean, apart?: boolean, codes?: boolean,
   *   tls?: { certificate: string, key: string } }} [rules]
   */
  static async start({ mode = "directory", profiles = true, apart = false, codes = true, tls } = {}) {
    for (const program of [GATEWAY, TESTHOST, PANELLINK]) {
      assert.ok(existsSync(program), `${program} is missing: cargo build -p assent-gateway --bins --examples`);
    }
    const world = new World();
    world.dir = mkdtempSync(join(tmpdir(), "assent-panel-"));
    execFileSync(TESTHOST, ["keys", world.dir]);
    const address = `127.0.0.1:${await freePort()}`;
    world.url = `${tls === undefined ? "http" : "https"}://${address}`;
    world.app = apart ? world.url.replace("127.0.0.1", "localhost") : world.url;
    // Erin administers the panel.
    const users = PEOPLE.map(
      (name) => `[[user]]\nname = "${name}"\nid = "${idOf(name)}"\npassword_hash = "${HASH}"\n${name === "frank" ? MOBILE : ""}`,
    );
    writeFileSync(join(world.dir, "users.toml"), users.join("\n"), { mode: 0o600 });
    const profile = [
      `auth_profiles = ["staff"]`,
      `first_device = "${mode}"`,
      `[[auth_profile]]`,
      `name = "staff"`,
      `kind = "local"`,
      `realm = "example.org"`,
      `users_file = "${world.dir}/users.toml"`,
    ];
    const lines = [
      `listen = "${address}"`,
      ...(tls === undefined ? [] : [`tls_certificate = "${tls.certificate}"`, `tls_key = "${tls.key}"`]),
      ...(codes ? [] : [`roles = ["relay", "app", "panel", "registrar"]`]),
      `public_url = "${world.url}"`,
      `state_dir = "${world.dir}"`,
      `admin_socket = "${world.dir}/admin.sock"`,
      `[app]`,
      `url = "${world.app}"`,
      `[panel]`,
      `administrators = ["example.org#${idOf("erin")}"]`,
      ...(profiles ? profile : []),
      ...(codes ? SENDS : []),
    ];
    writeFileSync(join(world.dir, "gateway.toml"), `${lines.join("\n")}\n`);
    await world.run();
    world.browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", ...(tls === undefined ? [] : ["--ignore-certificate-errors"])] });
    return world;
  }

  async run() {
    const gateway = spawn(GATEWAY, ["--config", join(this.dir, "gateway.toml")], { stdio: ["ignore", "pipe", "pipe"] });
    this.gateway = gateway;
    gateway.stderr.on("data", (chunk) => (this.log += chunk));
    const line = await Promise.race([
      once(createInterface({ input: gateway.stdout }), "line"),
      once(gateway, "exit").then(() => assert.fail(`the gateway ended: ${this.log}`)),
    ]);
    assert.match(String(line), /^listening on /);
  }

  async restart() {
    await this.kill();
    await this.run();
  }

  async kill() {
    const gateway = this.gateway;
    this.gateway = null;
    if (gateway === null) return;
    const ended = once(gateway, "exit");
    gateway.kill("SIGTERM");
    await ended;
  }

  /** A call on the admin's socket. @param {string} path @param {object} body @returns {Promise<any>} */
  admin(path, body) {
    return new Promise((resolve, reject) => {
      const headers = { "content-type": "application/json" };
      const call = request({ socketPath: join(this.dir, "admin.sock"), method: "POST", path, headers }, (answer) => {
        let text = "";
        answer.on("data", (chunk) => (text += chunk));
        answer.on("end", () => resolve(JSON.parse(text)));
      });
      call.on("error", reject);
      call.end(JSON.stringify(body));
    });
  }

  /** A one-time link for somebody, as a host's root makes it. @param {string} user @returns {Promise<string>} */
  async link(user) {
    const name = `web${this.links++}`;
    const { token } = await this.admin("/host-token", { name, ttl: 60 });
    const address = this.url.replace("http://", "");
    const text = execFileSync(PANELLINK, [this.dir, address, name, token, user, idOf(user)]).toString().trim();
    return `/panel/l#${text}`;
  }

  /** A context of its own, so cookies and storage of its own. @param {import("playwright-core").BrowserContextOptions} [options] */
  async context(options = {}) {
    const context = await this.browser.newContext({ locale: "en-GB", ...options });
    context.setDefaultTimeout(SOON);
    /** @type {string[]} */
    const found = [];
    this.visits.push({ context, found });
    context.on("request", (request) => {
      const url = new URL(request.url());
      if (url.protocol !== "blob:" && ![this.url, this.app].includes(url.origin)) found.push(`request to ${url.origin}`);
    });
    context.on("console", (message) => {
      const said = message.text();
      if (message.type() === "error" && !NETWORK.test(said)) found.push(`console: ${said}`);
    });
    context.on("weberror", (error) => found.push(`error: ${error.error().stack}`));
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
      });
    });
    return context;
  }

  /** A computer. @param {import("playwright-core").BrowserContextOptions} [options] */
  async desk(options = {}) {
    const context = await this.context({ viewport: { width: 1280, height: 800 }, ...options });
    return new Desk(this, context, await context.newPage());
  }

  async stop() {
    const problems = this.visits.flatMap(({ found }) => found);
    await this.browser?.close();
    await this.kill();
    if (this.dir !== "") rmSync(this.dir, { recursive: true, force: true });
    assert.deepEqual(problems, [], "no error, no violation of the policy, no request to anybody else");
  }
}

/** A person's computer with the panel on it. */
export class Desk {
  /** @param {World} world @param {Context} context @param {Page} page */
  constructor(world, context, page) {
    this.world = world;
    this.context = context;
    this.page = page;
  }

  /** @param {string} [path] */
  async visit(path = "/panel/") {
    await this.page.goto(this.world.url + path);
  }

  /** Waits for a heading. @param {string | RegExp} name */
  heading(name) {
    return this.page.getByRole("heading", { level: 1, name, exact: typeof name === "string" }).waitFor();
  }

  /** @param {string} user @param {string} [password] */
  async signIn(user, password = PASSWORD) {
    await this.visit("/panel/sign-in");
    await this.page.getByLabel("User name").fill(user);
    await this.page.getByLabel("Password").fill(password);
    await this.page.getByRole("button", { name: "Sign in" }).click();
    if (password === PASSWORD) await this.heading("Your devices");
  }

  /** Opens a code; the link that it holds. */
  async code() {
    await this.visit("/panel/add");
    const link = this.page.locator(".carry code");
    await link.waitFor();
    return link.innerText();
  }

  /** Registers a device in the real app of another context; the phone. @param {string} label */
  async register(label) {
    const phone = await this.bring(label);
    await this.type(await phone.digits());
    return phone;
  }

  /** A phone follows the code's link. @param {string} label */
  async bring(label) {
    const link = await this.code();
    const phone = new Phone(this.world, await this.world.context({ viewport: { width: 390, height: 844 } }));
    await phone.follow(link, label);
    return phone;
  }

  /** @param {string} digits */
  async type(digits) {
    await this.page.getByLabel(/six digits/).fill(digits);
    await this.page.getByRole("button", { name: "Register it" }).click();
  }
}

/** A phone with the real app on it. */
export class Phone {
  /** @param {World} world @param {Context} context */
  constructor(world, context) {
    this.world = world;
    this.context = context;
    /** @type {Page} */
    this.page = /** @type {any} */ (null);
  }

  /** @param {string} link @param {string} label */
  async follow(link, label) {
    this.page = await this.context.newPage();
    await this.page.goto(link);
    await this.page.getByLabel("Name of this device").fill(label);
    // Offered where the app has a name; this browser has nothing to make one with.
    const passkey = this.page.getByLabel("Make a passkey, too");
    if (await passkey.isVisible()) await passkey.uncheck();
    await this.page.getByRole("button", { name: "Register this device" }).click();
    await this.page.locator(".digits").waitFor();
  }

  /** The six digits on its screen. */
  async digits() {
    // What is seen; the same digits stand there once more for screen readers.
    const shown = await this.page.locator(".digits").innerText();
    return shown.replaceAll(/\s/g, "").slice(-6);
  }

  /** Is registered, and listens. */
  async ready() {
    await this.page.getByRole("heading", { level: 1, name: "Registered" }).waitFor();
    await this.page.getByRole("button", { name: "Done" }).click();
  }

  /** Presses Approve as a person does: after the moment in which it takes no press. */
  async approve() {
    const button = this.page.locator("#approve");
    await button.waitFor();
    await this.page.waitForTimeout(450);
    await button.click();
  }
}

/**
 * Waits until what is read is what is expected: a page may still be drawing.
 * @template T @param {() => Promise<T>} read @param {T} expected @param {string} [words]
 */
export async function settles(read, expected, words) {
  for (const end = Date.now() + SOON; Date.now() < end; await new Promise((go) => setTimeout(go, 50))) {
    if (isDeepStrictEqual(await read(), expected)) return;
  }
  assert.deepEqual(await read(), expected, words);
}

/** Six other digits. @param {string} digits */
export const otherDigits = (digits) => String((Number(digits) + 1) % 1_000_000).padStart(6, "0");
