// Makes the vendored modules from the npm packages that package-lock.json pins, and vendor.lock, which says what they
// are. `npm run vendor` writes them; `npm test` makes them again in memory and compares, so that what is served is what
// the packages hold. Nothing of this runs where the app is served.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (/** @type {string} */ path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** The options of every bundle: one readable module, nothing minified, no source map. */
const OPTIONS = /** @type {const} */ ({
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "inline",
});

const MODULES = [
  {
    path: "vendor/hpke-core.js",
    entry: 'export { Aes128Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from "@hpke/core";',
    packages: ["@hpke/core", "@hpke/common"],
  },
  {
    path: "vendor/jsqr.js",
    entry: 'import jsQR from "jsqr"; export default jsQR;',
    packages: ["jsqr"],
  },
];

/** @param {string} text */
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** @param {(typeof MODULES)[number]} module */
async function bundle(module) {
  const parts = module.packages.map((name) => {
    const { version, license } = JSON.parse(readFileSync(here(`node_modules/${name}/package.json`), "utf8"));
    const text = readFileSync(here(`node_modules/${name}/LICENSE`), "utf8");
    return { name, version, licence: license, text };
  });
  const head = parts.map(({ name, version, licence, text }) =>
    // A licence of many pages stands beside the module, a short one in it.
    text.length > 4000
      ? `${name} ${version}, ${licence}: see LICENSE-${name}.txt`
      : `${name} ${version}, ${licence}\n\n${text.trim()}`,
  );
  const banner = `/*! Made by dev/vendor.mjs from npm packages, unchanged but for the bundling.\n\n${head.join("\n\n")}\n*/`;
  const made = await build({
    ...OPTIONS,
    stdin: { contents: module.entry, resolveDir: here("."), sourcefile: "entry.js" },
    banner: { js: banner },
    write: false,
  });
  const text = made.outputFiles[0]?.text ?? "";
  const packages = parts.map(({ name, version, licence }) => ({ name, version, licence }));
  return { path: module.path, text, lock: { path: module.path, packages, entry: module.entry, sha256: sha256(text) } };
}

export async function vendorLock() {
  const esbuild = JSON.parse(readFileSync(here("node_modules/esbuild/package.json"), "utf8")).version;
  const made = await Promise.all(MODULES.map(bundle));
  const lock = {
    about: "What lies in vendor/. Made by `npm ci && npm run vendor`, which runs dev/vendor.mjs; checked by `npm test`.",
    command: `esbuild ${esbuild} --bundle --format=esm --target=es2022 --charset=utf8 --legal-comments=inline < entry`,
    modules: made.map(({ lock }) => lock),
  };
  return { made, lock: `${JSON.stringify(lock, null, 2)}\n` };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { made, lock } = await vendorLock();
  for (const { path, text } of made) writeFileSync(here(path), text);
  writeFileSync(here("vendor.lock"), lock);
  writeFileSync(here("vendor/LICENSE-jsqr.txt"), readFileSync(here("node_modules/jsqr/LICENSE")));
  process.stdout.write(lock);
}
