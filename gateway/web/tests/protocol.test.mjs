// The page's own half of Assent/1 against the other half: golden vectors of proto, malformed documents, keys, text.
// Everything that needs a browser's WebCrypto runs in a real page, under its policy.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { TESTHOST, World } from "./rig.mjs";
import { ends, parts, visible } from "../app/text.js";

/** @typedef {import("./rig.mjs").Phone} Phone */

const golden = (/** @type {string} */ name) =>
  JSON.parse(readFileSync(new URL(`../../../proto/tests/golden/${name}.json`, import.meta.url), "utf8"));
const documents = golden("documents");
const keys = golden("keys");
const boxes = golden("boxes");
const enrolment = golden("enrolment");
/** When the golden documents were made. */
const NOW = JSON.parse(documents["device ask"].payload).iat;

/** @type {World} */
let world;
/** @type {Phone} */
let phone;
before(async () => {
  world = await World.start();
  phone = await world.phone();
  await phone.visit();
});
after(() => world.stop());

test("r68: exactly the characters that proto makes visible are made visible", () => {
  const odd = new Set(JSON.parse(execFileSync(TESTHOST, ["odd"], { maxBuffer: 1 << 24 }).toString()));
  assert.ok(odd.size > 4000, `${odd.size}`);
  const differ = [];
  for (let at = 0; at <= 0x10ffff; at++) {
    if (at >= 0xd800 && at <= 0xdfff) continue;
    const c = String.fromCodePoint(at);
    if ((visible(c) !== c) !== odd.has(at)) differ.push(at.toString(16));
  }
  assert.deepEqual(differ, []);
  assert.equal(visible("a\u202Eb"), "a⟨U+202E⟩b");
  const found = parts("a\u202E\nb");
  assert.deepEqual(found.map(({ text }) => text).join(""), visible("a\u202E\nb"));
  assert.deepEqual(ends("0123456789", 4), { head: "01", gone: 6, tail: "89" });
  assert.equal(ends("0123", 4), null);
});

const wycheproof = (/** @type {string} */ name) =>
  JSON.parse(readFileSync(new URL(`../../../proto/tests/wycheproof/${name}.json`, import.meta.url), "utf8"));

test("r20: every ecdsa vector of wycheproof is judged as it should be", async () => {
  const { groups } = wycheproof("ecdsa");
  const wrong = await phone.page.evaluate(
    async ([keysPath, bytesPath, groups]) => {
      const { verifyingKey, verifies } = await import(keysPath);
      const { encode } = await import(bytesPath);
      const bytes = (/** @type {string} */ hex) => Uint8Array.from(hex.match(/../g) ?? [], (two) => parseInt(two, 16));
      const wrong = [];
      for (const { key, tests } of groups) {
        const { key: imported } = await verifyingKey(encode(bytes(key)));
        for (const { id, msg, sig, valid } of tests) {
          if ((await verifies(imported, bytes(msg), bytes(sig))) !== valid) wrong.push(id);
        }
      }
      return wrong;
    },
    /** @type {any[]} */ ([await phone.module("keys"), await phone.module("bytes"), groups]),
  );
  assert.deepEqual(wrong, []);
});

test("r20: points off the curve and other forms are no keys, and good ones agree", async () => {
  const { tests } = wycheproof("ecdh");
  const wrong = await phone.page.evaluate(
    async ([keysPath, bytesPath, tests]) => {
      const { kemPublic, verifyingKey } = await import(keysPath);
      const { encode } = await import(bytesPath);
      const bytes = (/** @type {string} */ hex) => Uint8Array.from(hex.match(/../g) ?? [], (two) => parseInt(two, 16));
      const hex = (/** @type {Uint8Array} */ all) => Array.from(all, (one) => one.toString(16).padStart(2, "0")).join("");
      // A private key of PKCS#8 that leaves its public half out.
      const head = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";
      const kem = { name: "ECDH", namedCurve: "P-256" };
      const wrong = [];
      for (const { id, public: point, private: secret, shared, result } of tests) {
        const read = async (/** @type {any} */ how) => {
          try {
            return await how(encode(bytes(point)));
          } catch {
            return null;
          }
        };
        const [theirs, key] = [await read(kemPublic), await read(verifyingKey)];
        if ((theirs !== null) !== (result === "valid") || (key !== null) !== (result === "valid")) wrong.push(id);
        if (theirs === null || result !== "valid") continue;
        const scalar = secret.padStart(64, "0").slice(-64);
        const ours = await crypto.subtle.importKey("pkcs8", bytes(head + scalar), kem, false, ["deriveBits"]);
        const agreed = await crypto.subtle.deriveBits({ name: "ECDH", public: theirs }, ours, 256);
        if (hex(new Uint8Array(agreed)) !== shared) wrong.push(id);
      }
      return wrong;
    },
    /** @type {any[]} */ ([await phone.module("keys"), await phone.module("bytes"), tests]),
  );
  assert.deepEqual(wrong, []);
});

test("r23 r24: roots change by steps that the old ones sign, in order and never back", async () => {
  const [rootsPath, certPath] = await Promise.all(["roots", "cert"].map((name) => phone.module(name)));
  const steps = ["roots, one to another", "roots, one to two of three"].map((name) => documents[name].compact);
  const joint = documents["issuer, signed by the old root and two new ones"].compact;
  const seen = await phone.page.evaluate(
    async ([rootsPath, certPath, root, steps, joint, alone]) => {
      const { anchored, current, follow, replay } = await import(rootsPath);
      const { issuersUnder } = await import(certPath);
      const versions = [];
      const lineage = await replay(root, []);
      for (const offered of [[steps[1]], [steps[0]], steps, [steps[0]], steps]) {
        await follow(lineage, offered);
        versions.push(current(lineage).version);
      }
      const refused = async (/** @type {string[]} */ kept) => replay(root, kept).then(() => "taken", () => "refused");
      // A signature taken away, put twice, or over other content.
      const parts = steps[0].split("~");
      const odd = [parts[0], parts[1], `${steps[0]}~${parts[0]}`, `${parts[0]}~${steps[1].split("~")[1]}`, `${steps[0]}~`, ""];
      const under = async (/** @type {string[]} */ documents, /** @type {any} */ set) =>
        (await issuersUnder(documents, [set])).map((/** @type {{ document: string }} */ one) => one.document === joint);
      const first = await anchored(root);
      const newest = current(lineage);
      return {
        versions,
        threshold: newest.threshold,
        again: current(await replay(root, steps)).fingerprint === newest.fingerprint,
        pinned: (await anchored(steps[1])).fingerprint === newest.fingerprint,
        gap: await refused([steps[1]]),
        odd: await Promise.all(odd.map((one) => refused([one]))),
        // One certificate, whatever signatures it comes with, counts once.
        old: await under([alone, joint], first),
        other: await under([joint, alone], first),
        followed: await under([alone, joint], newest),
      };
    },
    /** @type {any[]} */ ([rootsPath, certPath, keys.root.sign, steps, joint, documents.issuer.compact]),
  );
  assert.deepEqual(seen, {
    versions: [1, 2, 3, 3, 3],
    threshold: 2,
    again: true,
    pinned: true,
    gap: "refused",
    odd: Array(6).fill("refused"),
    old: [false],
    other: [true],
    followed: [true],
  });
});

test("r23: a token of roots that have stepped leads to the present ones, and a token of others to nothing", async () => {
  const paths = await Promise.all(["enrol", "roots"].map((name) => phone.module(name)));
  const steps = ["roots, one to another", "roots, one to two of three"].map((name) => documents[name].compact);
  const joint = documents["issuer, signed by the old root and two new ones"].compact;
  const seen = await phone.page.evaluate(
    async ([[enrolPath, rootsPath], root, other, steps, joint, alone, now]) => {
      const { RootError, pin } = await import(enrolPath);
      const { anchored } = await import(rootsPath);
      const clock = Date.now;
      Date.now = () => now * 1000;
      const pinned = async (/** @type {string} */ named, /** @type {string[]} */ offered, /** @type {string[]} */ issuers) => {
        const token = { id: "", secret: new Uint8Array(16), root: (await anchored(named)).fingerprint };
        try {
          const got = await pin({ roots: [root], steps: offered, issuers, now }, token);
          return { root: got.root === named, steps: got.steps.length, joint: got.issuer.document === joint };
        } catch (error) {
          return error instanceof RootError ? /** @type {Error} */ (error).message : "refused";
        }
      };
      try {
        return {
          first: await pinned(root, steps, [alone, joint]),
          second: await pinned(steps[0], steps, [joint]),
          present: await pinned(steps[1], steps, [joint]),
          unstepped: await pinned(root, [], [alone]),
          // What the old root alone has signed counts no more, and steps that do not follow lead nowhere.
          stale: await pinned(root, steps, [alone]),
          gap: await pinned(root, [steps[1]], [alone]),
          other: await pinned(other, steps, [joint]),
        };
      } finally {
        Date.now = clock;
      }
    },
    /** @type {any[]} */ ([paths, keys.root.sign, keys.web01.sign, steps, joint, documents.issuer.compact, NOW]),
  );
  assert.deepEqual(seen, {
    first: { root: true, steps: 2, joint: true },
    second: { root: true, steps: 1, joint: true },
    present: { root: true, steps: 0, joint: true },
    unstepped: { root: true, steps: 0, joint: false },
    stale: "refused",
    gap: { root: true, steps: 0, joint: false },
    other: "the gateway does not have the root that the link names",
  });
});

test("golden documents verify, and say what they hold", async () => {
  const [certPath, keysPath] = await Promise.all(["cert", "keys"].map((name) => phone.module(name)));
  const seen = await phone.page.evaluate(
    async ([certPath, keysPath, documents, keys, now]) => {
      const { verifyIssuer, verifyHost, verifyDevice } = await import(certPath);
      const { verifyingKey, shortFingerprint, keyId } = await import(keysPath);
      const root = { version: 1, keys: [await verifyingKey(keys.root.sign)], threshold: 1 };
      const issuer = await verifyIssuer(documents.issuer.compact, root, now);
      const host = await verifyHost(issuer, documents.host.compact, now);
      const device = await verifyDevice(issuer, documents.device.compact, now);
      const ids = await Promise.all(
        Object.values(keys).map(async (/** @type {any} */ one) => [await keyId(one.sign), await shortFingerprint(one.sign)]),
      );
      return { issuer: issuer.claims, host: host.claims, device: device.claims, ids };
    },
    [certPath, keysPath, documents, keys, NOW],
  );
  for (const name of /** @type {const} */ (["issuer", "host", "device"])) {
    const present = Object.fromEntries(Object.entries(seen[name]).filter(([, value]) => value !== undefined));
    assert.deepEqual(present, JSON.parse(documents[name].payload), name);
  }
  assert.deepEqual(seen.ids, Object.values(keys).map((one) => [one.kid, one.short_fingerprint]));
});

test("r30: golden boxes open with their key, purpose and context, and not otherwise", async () => {
  const [sealPath, bytesPath, keysPath] = await Promise.all(["seal", "bytes", "keys"].map((name) => phone.module(name)));
  const opened = await phone.page.evaluate(
    async ([sealPath, bytesPath, keysPath, boxes, keys]) => {
      const { open } = await import(sealPath);
      const { decode, encode } = await import(bytesPath);
      const { kemPublic } = await import(keysPath);
      const pair = async (/** @type {any} */ { kem, private: secret }) => {
        const point = decode(kem);
        const jwk = { kty: "EC", crv: "P-256", d: secret.kem, x: encode(point.slice(1, 33)), y: encode(point.slice(33)) };
        const privateKey = await crypto.subtle.importKey("jwk", jwk, { name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
        return { privateKey, publicKey: await kemPublic(kem) };
      };
      const any = (/** @type {unknown} */ value) => value;
      /** @type {Record<string, unknown>} */
      const out = {};
      for (const [name, box] of Object.entries(/** @type {Record<string, any>} */ (boxes))) {
        const purpose = name;
        const blob = decode(box.blob);
        /** @type {Record<string, unknown>} */
        const tried = {};
        for (const [reader, key] of Object.entries(/** @type {Record<string, any>} */ (keys))) {
          tried[reader] = await open(await pair(key), purpose, box.aad, blob, any).catch(() => null);
          if (tried[reader] === null) continue;
          const refused = async (/** @type {string} */ what, /** @type {string} */ aad, /** @type {Uint8Array} */ bytes) =>
            open(await pair(key), what, aad, bytes, any).then(() => false, () => true);
          const altered = blob.slice();
          altered[altered.length - 1] ^= 1;
          const other = purpose === "request" ? "answer" : "request";
          tried.refused = [
            await refused(other, box.aad, blob),
            await refused(purpose, `${box.aad}x`, blob),
            await refused(purpose, box.aad, altered),
            await refused(purpose, box.aad, blob.slice(0, -1)),
          ];
        }
        out[name] = tried;
      }
      return out;
    },
    [sealPath, bytesPath, keysPath, boxes, keys],
  );
  assert.equal(Object.keys(opened).length, 4);
  for (const [name, tried] of Object.entries(/** @type {Record<string, any>} */ (opened))) {
    const readers = Object.keys(tried).filter((who) => who !== "refused" && tried[who] !== null);
    assert.deepEqual(readers, [boxes[name]["opened by"]], name);
    assert.deepEqual(tried.refused, [true, true, true, true], name);
  }
});

test("the golden request passes all checks, and its digest is the one that proto takes", async () => {
  const paths = await Promise.all(["request", "bytes", "keys"].map((name) => phone.module(name)));
  const document = documents["request, every field"];
  const statement = JSON.parse(document.payload);
  const seen = await phone.page.evaluate(
    async ({ paths: [requestPath, bytesPath, keysPath], keys, box, statement, now }) => {
      const { verified } = await import(requestPath ?? "");
      const { decode, encode } = await import(bytesPath ?? "");
      const { kemPublic, verifyingKey } = await import(keysPath ?? "");
      const { kem, private: secret } = keys.phone;
      const point = decode(kem);
      const jwk = { kty: "EC", crv: "P-256", d: secret.kem, x: encode(point.slice(1, 33)), y: encode(point.slice(33)) };
      const privateKey = await crypto.subtle.importKey("jwk", jwk, { name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
      const deviceId = box.aad.split(".")[1];
      const self = {
        deviceId,
        identities: [statement.identity],
        keys: { kem: { privateKey, publicKey: await kemPublic(kem) } },
        roots: { version: 1, keys: [await verifyingKey(keys.root.sign)], threshold: 1 },
        issuers: [],
      };
      const at = async (/** @type {number} */ time, /** @type {object} */ more = {}) => {
        const { id, expiry } = { id: statement.id, expiry: statement.iat + statement.ttl, ...more };
        return verified(self, id, expiry, decode(box.blob), time).catch((/** @type {Error} */ error) => error.message);
      };
      const good = await at(now);
      return {
        statement: good.statement,
        digest: good.digest,
        host: good.host.claims.display,
        late: await at(now + 4 * 365 * 86_400),
        early: await at(now - 365 * 86_400),
        moved: await at(now, { expiry: statement.iat + statement.ttl + 1 }),
        other: await at(now, { id: deviceId }),
      };
    },
    { paths, keys, box: boxes.request, statement, now: NOW },
  );
  const { digest, host, late, early, moved, other } = seen;
  const present = Object.fromEntries(Object.entries(seen.statement).filter(([, value]) => value !== undefined));
  assert.deepEqual(present, statement);
  assert.deepEqual([digest, host], [document.sha256, "web01"]);
  for (const refused of [late, early]) assert.match(refused, /issuer certificate is valid from/);
  for (const refused of [moved, other]) assert.match(refused, /does not open/);
});

test("r26: the golden enrolment has the digits that proto computes", async () => {
  const path = await phone.module("enrol");
  const seen = await phone.page.evaluate(
    async ([path, { token, enrolment, n }]) => {
      const { tokenOf, digits } = await import(path);
      return { token: tokenOf(token).id, digits: await digits(enrolment.request, n) };
    },
    [path, enrolment],
  );
  assert.deepEqual(seen, { token: enrolment.token.split(".")[1], digits: enrolment.digits });
});

test("r19: malformed documents are refused, each for what is wrong with it", async () => {
  const paths = await Promise.all(["jws", "keys", "bytes", "shape"].map((name) => phone.module(name)));
  const results = await phone.page.evaluate(async ([jws, keys, bytes, shape]) => {
    const { verify, sign } = await import(jws ?? "");
    const { generate, pointOf, verifyingKey, signature } = await import(keys ?? "");
    const { encode, utf8 } = await import(bytes ?? "");
    const { object, version, short, list, optional, integer } = await import(shape ?? "");
    const [own, other] = [await generate(), await generate()];
    const key = await verifyingKey(await pointOf(own.sign.publicKey));
    const otherKey = await verifyingKey(await pointOf(other.sign.publicKey));
    const typ = "assent-req+jws";
    const read = object({ v: version, user: short, n: integer(10), args: list(short), cwd: optional(short) });
    const good = { alg: "ES256", typ, kid: key.id };
    const body = '{"v":1,"user":"alice","n":1,"args":["x"]}';
    /** @param {string} header @param {string} payload */
    const made = async (header, payload, pair = own.sign) => {
      const message = `${encode(utf8(header))}.${encode(utf8(payload))}`;
      return `${message}.${encode(await signature(pair.privateKey, utf8(message)))}`;
    };
    const valid = await made(JSON.stringify(good), body);
    const [head, payload, signed] = valid.split(".");
    const h = (/** @type {object} */ more) => JSON.stringify({ ...good, ...more });
    const raw = (/** @type {number[]} */ values) => encode(new Uint8Array(values));
    const zeros = raw(Array.from({ length: 64 }, () => 0));
    const order = [255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 188, 230, 250, 173, 167, 23, 158, 132, 243, 185, 202, 194, 252, 99, 37, 81];
    /** @type {Record<string, string>} */
    const bad = {
      "alg none": await made(h({ alg: "none" }), body),
      "alg none, no signature": `${encode(utf8(h({ alg: "none" })))}.${payload}.`,
      "alg HS256": await made(h({ alg: "HS256" }), body),
      "alg ES384": await made(h({ alg: "ES384" }), body),
      "alg es256": await made(h({ alg: "es256" }), body),
      "other typ": await made(h({ typ: "assent-res+jws" }), body),
      "no typ": await made(JSON.stringify({ alg: "ES256", kid: key.id }), body),
      "no kid": await made(JSON.stringify({ alg: "ES256", typ }), body),
      "jwk": await made(h({ jwk: {} }), body),
      "jku": await made(h({ jku: "https://example.org" }), body),
      "x5c": await made(h({ x5c: [] }), body),
      "crit": await made(h({ crit: [] }), body),
      "b64": await made(h({ b64: false }), body),
      "header is a list": await made(JSON.stringify(["ES256", typ, key.id]), body),
      "header field twice": await made(`{"alg":"none","alg":"ES256","typ":"${typ}","kid":"${key.id}"}`, body),
      "kid of another": await made(h({ kid: otherKey.id }), body),
      "signed by another": await made(JSON.stringify(good), body, other.sign),
      "signed by another, honest kid": await made(h({ kid: otherKey.id }), body, other.sign),
      "no signature": `${head}.${payload}.`,
      "zero signature": `${head}.${payload}.${zeros}`,
      "r and s of the order": `${head}.${payload}.${raw([...order, ...order])}`,
      "short signature": `${head}.${payload}.${(signed ?? "").slice(0, -4)}`,
      "long signature": `${head}.${payload}.${signed}AAAA`,
      "signature of something else": `${head}.${encode(utf8(body.replace("alice", "mallory")))}.${signed}`,
      "two parts": `${head}.${payload}`,
      "four parts": `${valid}.x`,
      "trailing dot": `${valid}.`,
      "empty": "",
      "dots": "..",
      "padded": `${head}=.${payload}.${signed}`,
      "standard alphabet": `${head}.${payload}.${(signed ?? "").replaceAll("-", "+").replaceAll("_", "/")}+`,
      "blank in front": ` ${valid}`,
      "line end": `${valid}\n`,
      "too long": await made(JSON.stringify(good), body.replace("alice", "a".repeat(25_000))),
      "payload too long": await made(JSON.stringify(good), JSON.stringify({ v: 1, user: "a", n: 1, args: Array.from({ length: 5 }, () => "x".repeat(4000)) })),
      "text too long": await made(JSON.stringify(good), body.replace("alice", "ä".repeat(2049))),
      "version 2": await made(JSON.stringify(good), body.replace('"v":1', '"v":2')),
      "version 1.5": await made(JSON.stringify(good), body.replace('"v":1', '"v":1.5')),
      "no version": await made(JSON.stringify(good), body.replace('"v":1,', "")),
      "unknown field": await made(JSON.stringify(good), body.replace("{", '{"more":1,')),
      "__proto__": await made(JSON.stringify(good), body.replace("{", '{"__proto__":{},')),
      "missing field": await made(JSON.stringify(good), body.replace('"user":"alice",', "")),
      "field twice": await made(JSON.stringify(good), body.replace("{", '{"user":"mallory",')),
      "field twice, escaped": await made(JSON.stringify(good), body.replace("{", '{"us\\u0065r":"mallory",')),
      "fraction": await made(JSON.stringify(good), body.replace('"n":1', '"n":1.5')),
      "negative": await made(JSON.stringify(good), body.replace('"n":1', '"n":-1')),
      "minus zero": await made(JSON.stringify(good), body.replace('"n":1', '"n":-0')),
      "too large": await made(JSON.stringify(good), body.replace('"n":1', '"n":11')),
      "text for a number": await made(JSON.stringify(good), body.replace('"n":1', '"n":"1"')),
      "null for a text": await made(JSON.stringify(good), body.replace('"alice"', "null")),
      "half a surrogate pair": await made(JSON.stringify(good), body.replace("alice", "\\ud800")),
      "a list": await made(JSON.stringify(good), '[1,"alice",1,["x"]]'),
      "a text": await made(JSON.stringify(good), '"alice"'),
      "null": await made(JSON.stringify(good), "null"),
      "two values": await made(JSON.stringify(good), `${body}${body}`),
      "a comment": await made(JSON.stringify(good), `/**/${body}`),
      "a byte order mark": await made(JSON.stringify(good), `\uFEFF${body}`),
      "no JSON": await made(JSON.stringify(good), "{"),
    };
    // The last character of base64url carries unused bits; set, they are a second spelling of the same bytes.
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const last = alphabet.indexOf((signed ?? "").slice(-1));
    bad["second spelling of the signature"] = valid.slice(0, -1) + alphabet[last + 1];
    /** @type {Record<string, string>} */
    const out = {};
    const attempt = (/** @type {string} */ doc) => verify(doc, typ, key, read).then(() => "accepted", (/** @type {Error} */ e) => `${e.constructor.name}: ${e.message}`);
    out.valid = await attempt(valid);
    out.ours = await attempt(await sign(typ, own.sign, JSON.parse(body)));
    out["absent as null"] = await attempt(await made(JSON.stringify(good), body.replace("{", '{"cwd":null,')));
    for (const [name, doc] of Object.entries(bad)) out[name] = await attempt(doc);
    return out;
  }, paths);
  const { valid, ours, "absent as null": absent, ...bad } = results;
  assert.deepEqual([valid, ours, absent], ["accepted", "accepted", "accepted"]);
  for (const [name, result] of Object.entries(bad)) assert.match(result, /^JwsError: /, name);
  assert.match(bad["signed by another, honest kid"] ?? "", /another signer/);
  assert.match(bad["signed by another"] ?? "", /signature is wrong/);
  assert.match(bad["zero signature"] ?? "", /signature is wrong/);
  assert.match(bad["field twice, escaped"] ?? "", /stands twice/);
  assert.ok(Object.keys(bad).length > 55);
});

test("r20: only uncompressed points on the curve become keys", async () => {
  const [keysPath, bytesPath] = await Promise.all(["keys", "bytes"].map((name) => phone.module(name)));
  const accepted = await phone.page.evaluate(async ([keysPath, bytesPath]) => {
    const { generate, pointOf, verifyingKey, kemPublic } = await import(keysPath ?? "");
    const { encode, decode } = await import(bytesPath ?? "");
    const good = decode(await pointOf((await generate()).sign.publicKey));
    const change = (/** @type {(bytes: Uint8Array) => Uint8Array} */ how) => encode(how(good.slice()));
    const points = {
      good: encode(good),
      compressed: change((b) => Uint8Array.of(2 + ((b[64] ?? 0) & 1), ...b.slice(1, 33))),
      hybrid: change((b) => (b.set([6 + ((b[64] ?? 0) & 1)]), b)),
      "off the curve": change((b) => (b.set([(b[64] ?? 0) ^ 1], 64), b)),
      zero: encode(Uint8Array.of(4, ...new Uint8Array(64))),
      infinity: encode(Uint8Array.of(0)),
      short: change((b) => b.slice(0, 64)),
      empty: "",
    };
    /** @type {Record<string, boolean[]>} */
    const out = {};
    for (const [name, point] of Object.entries(points)) {
      const tried = [verifyingKey, kemPublic].map((read) => Promise.resolve().then(() => read(point)).then(() => true, () => false));
      out[name] = await Promise.all(tried);
    }
    return out;
  }, [keysPath, bytesPath]);
  const { good, ...bad } = accepted;
  assert.deepEqual(good, [true, true]);
  for (const [name, tried] of Object.entries(bad)) assert.deepEqual(tried, [false, false], name);
});

test("what is sealed opens with each of 32 fresh keys, none of which can be read", async () => {
  const [sealPath, keysPath, bytesPath] = await Promise.all(["seal", "keys", "bytes"].map((name) => phone.module(name)));
  const seen = await phone.page.evaluate(async ([sealPath, keysPath, bytesPath]) => {
    const { open, seal } = await import(sealPath ?? "");
    const { generate, pointOf } = await import(keysPath ?? "");
    const { decode } = await import(bytesPath ?? "");
    const out = [];
    for (let at = 0; at < 32; at++) {
      const { kem, sign } = await generate();
      const point = await pointOf(kem.publicKey);
      const box = await seal(point, "request", "a.b.1", { at });
      const opened = await open(kem, "request", "a.b.1", box, (/** @type {unknown} */ value) => value);
      const readable = await Promise.all(
        [kem, sign].flatMap((pair) =>
          ["jwk", "pkcs8"].map((form) => crypto.subtle.exportKey(/** @type {"jwk"} */ (form), pair.privateKey).then(() => true, () => false)),
        ),
      );
      out.push({ opened: opened.at === at, even: ((decode(point)[64] ?? 0) & 1) === 0, readable: readable.some(Boolean), size: box.length });
    }
    return out;
  }, [sealPath, keysPath, bytesPath]);
  assert.equal(seen.length, 32);
  assert.ok(seen.every((one) => one.opened && !one.readable && one.size === 65 + 512 + 16));
  const even = seen.filter((one) => one.even).length;
  assert.ok(even > 0 && even < 32, `both kinds of keys were tried: ${even} of 32 have an even y`);
});

test("name spaces match whole names, and private networks are known by their numbers", async () => {
  const [certPath, addressPath] = await Promise.all(["cert", "address"].map((name) => phone.module(name)));
  const seen = await phone.page.evaluate(async ([certPath, addressPath]) => {
    const { glob } = await import(certPath ?? "");
    const { isPrivate, addressShape } = await import(addressPath ?? "");
    const globs = [
      ["*", ""], ["*", "web01"], ["web01", "WEB01"], ["web01", "web012"], ["web*", "web01.example.org"], ["*.example.org", "web01.example.org"],
      ["*.example.org", "web01.example.org.evil"], ["a*b*c", "a1b2c"], ["a*b*c", "a1c2b"], ["ab*ba", "aba"],
    ].map(([pattern, text]) => glob(pattern, text));
    const hidden = ["10.0.0.1", "127.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1", "::1", "fc00::1", "fdff::1", "fe80::1", "febf::1", "::ffff:10.1.2.3", "::ffff:a01:203"];
    const open = ["11.0.0.1", "172.15.0.1", "172.32.0.1", "192.169.0.1", "8.8.8.8", "2001:db8::1", "fec0::1", "::2", "::ffff:8.8.8.8", "fb00::1", "1::1"];
    const none = ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "g::1", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "::1%eth0", "12345::", "localhost", "::1.2.3.4.5", "1:2:3:4:5:6:7::8"];
    const reads = (/** @type {string} */ text) => {
      try {
        return addressShape(text, "ip") === text;
      } catch {
        return false;
      }
    };
    return { globs, hidden: hidden.map(isPrivate), open: open.map(isPrivate), read: [...hidden, ...open].map(reads), none: none.map(reads) };
  }, [certPath, addressPath]);
  assert.deepEqual(seen.globs, [true, true, true, false, true, true, false, true, false, false]);
  assert.deepEqual(new Set(seen.hidden), new Set([true]));
  assert.deepEqual(new Set(seen.open), new Set([false]));
  assert.deepEqual(new Set(seen.read), new Set([true]));
  assert.deepEqual(seen.none, seen.none.map(() => false));
});
