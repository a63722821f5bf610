// Serves the app from the source tree, for development and for tests that deploy another version of it: names and
// headers as the gateway makes them, `/v1/` passed on to a real gateway. `node dev/serve.mjs PORT http://GATEWAY`.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { createServer, request } from "node:http";
import { fileURLToPath } from "node:url";

const here = (/** @type {string} */ path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const NAMES = /\/assets\/([a-z0-9-]+\.[a-z0-9]+)/g;
/** @type {Record<string, string>} */
const TYPES = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json",
  webmanifest: "application/manifest+json",
  svg: "image/svg+xml",
  png: "image/png",
};
/** Not under /assets/. */
const PLAIN = ["index.html", "manifest.webmanifest", "sw.js"];

const kind = (/** @type {string} */ name) => name.slice(name.lastIndexOf(".") + 1);

/** Another version of a file. @typedef {(name: string, body: Buffer) => Buffer} Change */

/** Every file by its plain name. */
function tree() {
  /** @type {Map<string, Buffer>} */
  const files = new Map();
  for (const folder of ["app", "shared", "vendor"]) {
    for (const name of readdirSync(here(folder))) {
      if (!(kind(name) in TYPES)) continue;
      if (files.has(name)) throw new Error(`${name} is there twice`);
      files.set(name, readFileSync(here(`${folder}/${name}`)));
    }
  }
  return files;
}

/** The files with hashed names in them (names → what is served under which path), and the version of them all. */
export function assets(/** @type {Change} */ change = (_, body) => body) {
  const files = tree();
  /** @type {Map<string, { path: string, body: Buffer }>} */
  const done = new Map();
  /** @param {string} name @param {string[]} from @returns {{ path: string, body: Buffer }} */
  const resolve = (name, from) => {
    const known = done.get(name);
    if (known !== undefined) return known;
    const found = files.get(name);
    const raw = found && change(name, found);
    if (raw === undefined) throw new Error(`${from.at(-1)} names /assets/${name}, which is not there`);
    // A name is made of a hash of the content, so two files cannot name each other.
    if (from.includes(name)) throw new Error(`a circle: ${[...from, name].join(" → ")}`);
    const rewritten = ["js", "css", "html", "webmanifest"].includes(kind(name))
      ? Buffer.from(raw.toString().replaceAll(NAMES, (_, other) => resolve(other, [...from, name]).path))
      : raw;
    const hash = createHash("sha256").update(rewritten).digest("hex").slice(0, 16);
    const dot = name.lastIndexOf(".");
    const path = PLAIN.includes(name) ? `/${name}` : `/assets/${name.slice(0, dot)}.${hash}${name.slice(dot)}`;
    const made = { path, body: rewritten };
    done.set(name, made);
    return made;
  };
  for (const name of files.keys()) resolve(name, []);
  const worker = done.get("sw.js");
  const rest = [...done].filter(([name]) => name !== "sw.js").map(([name, { path, body }]) => (path.startsWith("/assets/") ? path : `${name} ${body.toString()}`));
  const version = createHash("sha256").update(rest.sort().join("\n")).digest("hex").slice(0, 16);
  if (worker !== undefined) worker.body = Buffer.from(worker.body.toString().replace("@VERSION@", version));
  return { files: done, version };
}

/** @param {string} relay */
function appHeaders(relay) {
  return {
    "content-security-policy": `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self' ${relay}; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types assent`,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self)",
  };
}

/**
 * Starts it. `gateway` is asked at each call, so that it may come later or move.
 * @param {{ port: number, gateway: () => string }} where
 */
export async function serve({ port, gateway }) {
  let made = assets();
  let relay = "";
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? "/", relay);
    const send = (/** @type {number} */ status, /** @type {string} */ type, /** @type {Buffer | string} */ body, cache = "no-store") => {
      res.writeHead(status, { ...appHeaders(relay), "content-type": type, "cache-control": cache });
      res.end(body);
    };
    if (url.pathname.startsWith("/v1/")) return pass(req, res, gateway());
    const plain = { "/": "index.html", "/e": "index.html", "/sw.js": "sw.js", "/manifest.webmanifest": "manifest.webmanifest" }[url.pathname];
    if (plain !== undefined) return send(200, TYPES[kind(plain)] ?? "", made.files.get(plain)?.body ?? "");
    const hashed = [...made.files.values()].filter(({ path }) => path.startsWith("/assets/"));
    if (url.pathname === "/config.json") return send(200, "application/json", JSON.stringify({ relay, panel: `${relay}/panel/` }));
    if (url.pathname === "/assets.json") {
      const paths = hashed.map(({ path }) => path).sort();
      return send(200, "application/json", JSON.stringify({ version: made.version, assets: paths }));
    }
    const asset = hashed.find(({ path }) => path === url.pathname);
    if (asset === undefined) return send(404, "text/plain", "not here\n");
    return send(200, TYPES[kind(url.pathname)] ?? "", asset.body, "public, max-age=31536000, immutable");
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(undefined)));
  relay = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  return { url: relay, server, deploy: (/** @type {Change | undefined} */ change) => (made = assets(change)) };
}

/** @param {import("node:http").IncomingMessage} req @param {import("node:http").ServerResponse} res @param {string} to */
function pass(req, res, to) {
  const onward = request(`${to}${req.url}`, { method: req.method, headers: req.headers }, (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
    // A gateway that dies takes its streams with it.
    answer.on("close", () => res.destroy());
  });
  onward.on("error", () => res.destroy());
  res.on("close", () => onward.destroy());
  req.pipe(onward);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [port = "8080", gateway = "http://127.0.0.1:8443"] = process.argv.slice(2);
  const { url } = await serve({ port: Number(port), gateway: () => gateway });
  process.stdout.write(`${url}\n`);
}
