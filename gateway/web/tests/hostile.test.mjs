// What comes from an evil relay, an evil host, or a user with an odd name: it is text on the screen, or nothing at all.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { World } from "./rig.mjs";

/** @typedef {import("./rig.mjs").Phone} Phone */

const TAG = '<img src=x onerror="document.title=1">';
const ODD = "\u202Egpj\u200B\u001B[2J\u0007\u00AD\u2066x\uFEFF\n\u{E0041}⟨U+0041⟩";
const HOSTILE = `${TAG}</dd><script>alert(1)</script>${ODD}&lt;b&gt;%3Cb%3E\${7*7}{{7*7}}`;
/** Characters that must reach no screen as they are. */
const RAW = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u00AD\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFEFF\u{E0000}-\u{E0FFF}]/u;

/** @type {World} */
let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

/** Elements that the app makes; anything else came from text. */
const KNOWN = new Set(
  "A BR BUTTON CODE DD DETAILS DIALOG DIV DL DT FORM H1 H2 HEADER IMG INPUT LABEL LI MAIN NOSCRIPT OL OPTION P SECTION SELECT SPAN STRONG SUMMARY TEXTAREA UL VIDEO".split(" "),
);

/** @param {Phone} phone @param {string[]} shown */
async function isText(phone, shown) {
  const [names, sources, text, title] = await phone.page.evaluate(() => {
    const all = [...document.body.querySelectorAll("*")];
    const sources = all.filter((one) => one instanceof HTMLImageElement).map((one) => one.getAttribute("src") ?? "");
    return [all.map((one) => one.tagName), sources, document.body.textContent ?? "", document.title];
  });
  assert.deepEqual(names.filter((name) => !KNOWN.has(name)), []);
  assert.deepEqual(sources.filter((source) => !/^\/assets\/mark\.\w+\.svg$/.test(source)), []);
  assert.doesNotMatch(text, RAW);
  assert.doesNotMatch(title, RAW);
  for (const one of shown) assert.ok(text.includes(one), `${one} in ${text}`);
}

test("hostile text in every field of a request is text, and its odd characters are seen", async () => {
  const user = `u${HOSTILE}`;
  const phone = await world.phone();
  await phone.enrol(user, `label${TAG}`);
  await isText(phone, [`u${TAG}`, "⟨U+202E⟩gpj⟨U+200B⟩⟨U+001B⟩[2J⟨U+0007⟩⟨U+00AD⟩⟨U+2066⟩x⟨U+FEFF⟩⟨U+000A⟩⟨U+E0041⟩⟨U+27E8⟩U+0041⟩"]);
  const fields = { shown_user: "user", ruser: "ruser", target_user: "target", cwd: "cwd", tty: "tty", app: "app", svc: "svc", login: "login" };
  const hostile = Object.fromEntries(Object.entries(fields).map(([field, name]) => [field, `${name}${HOSTILE}`]));
  const id = await world.host.push(user, {
    ...hostile,
    display: `host${TAG}`,
    cmd: { resolved: `resolved${HOSTILE}`, args: [`arg${HOSTILE}`, `${HOSTILE}arg`] },
    src: { ip: "203.0.113.7", place: `place${HOSTILE}` },
    first: [`first${HOSTILE}`],
  });
  await phone.page.locator("#approve").waitFor();
  const shown = [...Object.values(fields), "host", "resolved", "arg", "place", "first"].map((name) => `${name}${TAG}`);
  await isText(phone, [...shown, "⟨U+202E⟩gpj"]);
  const marked = await phone.page.locator(".odd").allTextContents();
  assert.ok(marked.includes("⟨U+202E⟩") && marked.every((one) => /^⟨U\+[0-9A-F]{4,6}⟩$/.test(one)), String(marked));
  await phone.page.locator("#report").click();
  await world.host.answer(id);
  await phone.heading("Denied and reported");
  await isText(phone, [`host${TAG}`, `login${TAG}`]);
  await phone.page.getByRole("button", { name: "Done" }).click();
  await phone.heading("Ready");
  await isText(phone, [`host${TAG}`, `user${TAG}`]);
  await phone.page.getByRole("button", { name: "Settings" }).click();
  await phone.heading("Settings");
  await isText(phone, []);
});

test("r29: what is not a certified host's request for this device draws nothing and leaves no trace", async () => {
  const phone = await world.phone();
  const { context } = phone;
  await context.addInitScript(() => {
    // Everything that was ever on the page, and every sound and tremble.
    const seen = /** @type {string[]} */ ([]);
    Object.assign(globalThis, { seen });
    navigator.vibrate = () => seen.push("it trembled") > 0;
    const look = () => seen.push(document.title, document.body?.textContent ?? "");
    new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
  });
  const page = await phone.enrol("victim");
  const spoils = [
    ["signature", {}],
    ["other_key", {}],
    ["unknown_root", {}],
    ["other_host", {}],
    ["other_delivery", {}],
    ["other_identity", {}],
    ["other_device", {}],
    ["outside", {}],
    ["expiry", {}],
    ["ended_issuer", {}],
    // Signed by a certified host, and out of bounds.
    ["", { ttl: 601, relay_ttl: 600 }],
    ["", { level: "number", digits: 4 }],
    ["", { level: "number", digits: 0 }],
    ["", { level: "tap", digits: 3 }],
    ["", { cmd: { args: Array.from({ length: 65 }, () => "x") } }],
    // Only the registrar asks about devices, and about nothing else.
    ["", { svc: "enrol" }],
    ["", { display: "registrar", svc: "sshd" }],
  ];
  for (const [spoil, more] of spoils) {
    await world.host.push("victim", { login: "spoilt", spoil, .../** @type {object} */ (more) });
  }
  const good = await world.host.push("victim", { login: "honest" });
  await page.getByText("honest").waitFor();
  await page.locator("#deny").click();
  assert.equal((await world.host.answer(good)).why, "denied on the device");
  await page.getByRole("button", { name: "Done" }).click();
  await phone.heading("Ready");
  assert.equal(await page.locator(".items li").count(), 1);
  const seen = await page.evaluate(() => /** @type {any} */ (globalThis).seen.join("\n"));
  assert.ok(seen.includes("honest"));
  assert.ok(!seen.includes("spoilt"), "nothing of them was ever on the page");
  assert.equal(seen.split("it trembled").length - 1, 1, "once, for the honest one");
  assert.doesNotMatch(seen, /2 requests|\(2\)/);
});

test("a push that is rubbish harms nothing", async () => {
  const phone = await world.phone();
  await phone.enrol("rubbish");
  for (const spoil of ["no_box", "short_box", "no_json"]) await world.host.push("rubbish", { spoil });
  const id = await world.host.push("rubbish");
  await phone.page.locator("#deny").click();
  await world.host.answer(id);
});
