// A registration at work: verified once more when it is loaded, connected to its relay, and asked for its list of
// devices. One of these for each enrolment.

import { decode, encode } from "/assets/bytes.js";
import {
  CertError,
  TimeError,
  age,
  issuersUnder,
  newest,
  verifyDeviceOf,
  verifyRenewable,
} from "/assets/cert.js";
import { Stream } from "/assets/events.js";
import { claimedSigner, digest } from "/assets/jws.js";
import { pointOf } from "/assets/keys.js";
import { PasskeyError, approvalChallenge, use } from "/assets/passkey.js";
import { NotBelieved, deviceCall } from "/assets/registrar.js";
import { Caller, trustInfo } from "/assets/relay.js";
import { RequestError, sealedAnswer, verified } from "/assets/request.js";
import { fetchList, refusal, verifyList } from "/assets/revocations.js";
import { current, follow, replay } from "/assets/roots.js";
import { keep } from "/assets/vault.js";

/** @import { Bytes } from "/assets/bytes.js" */
/** @import { Device, Issuer } from "/assets/cert.js" */
/** @import { Heard } from "/assets/events.js" */
/** @import { Assertion } from "/assets/passkey.js" */
/** @import { Decision, Proof, Self, VerifiedRequest } from "/assets/request.js" */
/** @import { List } from "/assets/revocations.js" */
/** @import { Lineage } from "/assets/roots.js" */
/** @import { Registration } from "/assets/vault.js" */

/** How often the revocation list is asked for, without news. */
const HOUR_MS = 3_600_000;

/** How a registration stands with its relay. `since`: when that began.
 * @typedef {{ name: "connecting" | "connected" | "lost" | "refused", why: string, since: number }} Link */

/** A device in the list that the registrar gave. @typedef {{ id: string, label: string, name: string, since: number,
 *   until: number, own: boolean, verified: boolean }} Listed */

/** The keys are not there any more. */
export class KeysError extends Error {}

export class Account {
  /** @param {Registration} registration @param {Caller} caller @param {Lineage} lineage @param {Issuer[]} issuers
   * @param {Device} device @param {(registration: Registration) => Promise<void>} save keeps what has changed of it */
  constructor(registration, caller, lineage, issuers, device, save) {
    this.registration = registration;
    this.save = save;
    this.lineage = lineage;
    /** Every issuing key that the roots vouch for, newest first. */
    this.issuers = issuers;
    this.device = device;
    const { deviceId, keys } = registration;
    /** @type {Self} */
    this.self = { deviceId, identities: device.claims.identities, keys, roots: current(lineage), issuers };
    this.caller = caller;
    /** @type {Link} */
    this.link = { name: "connecting", why: "", since: Date.now() };
    /** @type {Stream | null} */
    this.stream = null;
    /** @type {Listed[] | null} */
    this.devices = null;
    /** When each device was last opened. @type {Map<string, number | undefined>} */
    this.heardOf = new Map();
    /** Why the last try to renew came to nothing. @type {string | null} */
    this.trouble = null;
    /** @type {List | null} */
    this.list = null;
    /** The fetch of a list that is under way, or the last one. @type {Promise<void> | null} */
    this.fetching = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.hourly = undefined;
  }

  /** @param {Registration} registration */
  static async load(registration, save = keep) {
    const { deviceId, keys, relay, certificate } = registration;
    const points = await pointsOf(keys);
    if (points === null) throw new KeysError("no keys are kept here any more");
    const lineage = await replay(registration.root, registration.steps);
    const caller = new Caller(relay, deviceId, keys.sign, registration.ahead ?? 0, (ahead) => {
      registration.ahead = ahead;
      void save(registration).catch(() => {});
    });
    const issuers = await issuersUnder(registration.issuers, [current(lineage)]);
    // Its own certificate may be of a root that is no more; others judge that, and it is renewed.
    const ever = await issuersUnder(registration.issuers, [...lineage.sets].reverse());
    const begin = (/** @type {Device} */ device) => {
      if (points.sign !== device.claims.sign || points.kem !== device.claims.kem) {
        throw new CertError("the keys that are kept here are others than its certificate’s");
      }
      return new Account(registration, caller, lineage, issuers, device, save);
    };
    try {
      const account = begin(await caller.judge((at) => verifyDeviceOf(ever, certificate, at)));
      const kept = registration.revocations;
      if (kept !== undefined) account.list = await verifyList(kept, [...lineage.sets].reverse()).catch(() => null);
      return account;
    } catch (error) {
      if (!(error instanceof TimeError) || !error.checked || error.early) throw error;
      // Over by the gateway's clock. For a while it can still be renewed, and nothing else.
      const account = await verifyRenewable(ever, certificate, caller.now()).then(begin, () => null);
      await account?.lookAfter();
      if (account === null || account.age === "ended") throw error;
      return account;
    }
  }

  /** How far its certificate's life has gone. */
  get age() {
    return age(this.device.claims, this.caller.now());
  }

  /** What the person must know: it ends, and could not be renewed. @returns {{ ends: number, why: string } | null} */
  get ending() {
    if (this.age !== "late" && this.age !== "ended") return null;
    return { ends: this.device.claims.exp, why: this.trouble ?? "the gateway’s own certificate ends, too" };
  }

  /** Hears which issuing keys and roots there are, and renews the certificate once half of its life is over. Nobody is
   * asked; what does not work is kept in `trouble`. */
  async lookAfter() {
    try {
      await this.learn();
      const known = this.issuers.some(({ key }) => key.id === claimedSigner(this.registration.certificate));
      if (this.age !== "young" || !known) await this.renew();
      this.trouble = null;
    } catch (error) {
      this.trouble = error instanceof Error ? error.message : "an unknown error";
    }
  }

  /** Takes what verifies of the relay's word: steps of the roots, and issuers under them. */
  async learn() {
    const { registration, lineage } = this;
    const info = await trustInfo(this.caller.base);
    const moved = await follow(lineage, info.steps);
    const old = await issuersUnder(registration.issuers, [...lineage.sets].reverse());
    const signer = claimedSigner(registration.certificate);
    const own = old.filter(({ key }) => key.id === signer).map(({ document }) => document);
    this.issuers = await issuersUnder([...info.issuers, ...registration.issuers], [current(lineage)]);
    this.self.roots = current(lineage);
    this.self.issuers = this.issuers;
    const documents = [...new Set([...this.issuers.map(({ document }) => document), ...own])];
    const same = documents.length === registration.issuers.length && documents.every((one) => registration.issuers.includes(one));
    if (same && !moved) return;
    registration.issuers = documents;
    registration.steps = [...lineage.steps];
    await this.save(registration);
  }

  /** Asks for the next certificate, for the keys that it has. */
  async renew() {
    const reply = await this.ask("renew");
    if (reply.name !== "device_certified") throw new NotBelieved("the registrar replies to something else");
    const { device: document } = reply.content;
    if (document === this.registration.certificate) return;
    const device = await this.caller.judge((at) => verifyDeviceOf(this.issuers, document, at));
    const [was, is] = [this.device.claims, device.claims];
    const same =
      is.sign === was.sign && is.kem === was.kem && is.device_id === was.device_id && is.passkey?.key === was.passkey?.key;
    if (!same || JSON.stringify(is.identities) !== JSON.stringify(was.identities)) {
      throw new NotBelieved("the certificate that came is another device’s");
    }
    this.registration.certificate = document;
    this.device = device;
    await this.save(this.registration);
  }

  get id() {
    return this.registration.deviceId;
  }

  /** Whose it is, for people. */
  get name() {
    return this.device.claims.name;
  }

  /** @param {(heard: Heard) => void} hear */
  connect(hear) {
    this.stream?.stop();
    this.link = { name: "connecting", why: "", since: Date.now() };
    this.stream = new Stream(this.caller, (heard) => {
      if (heard.name !== "event") {
        const since = this.link.name === heard.name ? this.link.since : Date.now();
        this.link = { name: heard.name, why: heard.name === "connected" ? "" : heard.why, since };
      }
      hear(heard);
    });
    void this.stream.run();
    clearInterval(this.hourly);
    this.hourly = setInterval(() => void this.fetchList(), HOUR_MS);
  }

  disconnect() {
    clearInterval(this.hourly);
    this.stream?.stop();
    this.stream = null;
  }

  /** @param {string} delivered @param {number} expiry @param {Bytes} box @returns {Promise<VerifiedRequest>} */
  async verified(delivered, expiry, box) {
    const request = await this.caller.judge((at) => verified(this.self, delivered, expiry, box, at));
    const refused = () => refusal(this.list, request.host, this.caller.now());
    // Only where what is held does not let it through: a request must not wait for the network otherwise.
    if (refused() !== null) await this.fetchList();
    const why = refused();
    if (why !== null) throw new RequestError(why);
    return request;
  }

  /** Asks for a newer revocation list than the one that is held; what fails is tried again with the next occasion. */
  fetchList() {
    const fetched = (this.fetching ?? Promise.resolve()).then(async () => {
      try {
        const list = await fetchList((want) => this.ask(want), this.list, [current(this.lineage)]);
        if (list === null) return;
        this.list = list;
        this.registration.revocations = list.kept;
        await this.save(this.registration);
      } catch {
        // Nothing is drawn without a list, and an old one holds for a while.
      }
    });
    this.fetching = fetched;
    return fetched;
  }

  /** @param {VerifiedRequest} request @param {Decision} decision @param {Proof} proof */
  sealed(request, decision, proof) {
    return sealedAnswer(this.self, request, decision, proof, this.caller.now());
  }

  /** Has the person use this device's passkey for a request. @param {VerifiedRequest} request @returns {Promise<Assertion>} */
  async usePasskey(request) {
    const { passkey } = this.device.claims;
    if (passkey === undefined) throw new PasskeyError("This device was registered without a passkey");
    return use(encode(passkey.cred), await approvalChallenge(request.digest, this.id));
  }

  /** @param {import("/assets/registrar.js").Want} what */
  async ask(what) {
    return deviceCall(this.caller, newest(this.issuers, this.caller.now()), this.registration.keys, what);
  }

  /** Asks for the list of devices. Those that were not in the last one become news. @param {import("/assets/registrar.js").Want} [what] */
  async refresh(what = "devices") {
    await this.lookAfter();
    const reply = await this.ask(what);
    if (reply.name !== "my_devices") return;
    this.devices = await Promise.all(reply.content.devices.map((one) => this.listed(one)));
    const { registration } = this;
    const known = registration.known;
    const seen = this.devices.map(({ id, label }) => ({ id, label }));
    // The first list of all holds this device and what was there before it: no news.
    const fresh = known === null ? [] : seen.filter((one) => !known.some((old) => old.id === one.id));
    registration.news = [...registration.news, ...fresh].filter((one) => one.id !== this.id);
    registration.known = seen;
    registration.label = this.devices.find((one) => one.own)?.label ?? registration.label;
    await this.save(registration);
  }

  /** Asks when each device was last opened. A gateway of before does not say. */
  async hearOf() {
    const reply = await this.ask("heard");
    if (reply.name !== "heard") return;
    this.heardOf = new Map(reply.content.devices.map(({ id, at }) => [id, at]));
  }

  /** @param {{ device: string, label: string, since: number }} one @returns {Promise<Listed>} */
  async listed({ device: document, label, since }) {
    try {
      const { claims } = await verifyDeviceOf(this.issuers, document, this.caller.now());
      const own = claims.device_id === this.id;
      const { device_id: id, name, exp: until } = claims;
      return { id, label, name, since, until, own, verified: true };
    } catch {
      // The registrar says that it is there, so it must be seen.
      return { id: await digest(document), label, name: "", since: 0, until: 0, own: false, verified: false };
    }
  }

  /** The person has seen the news. */
  async seen() {
    this.registration.news = [];
    await this.save(this.registration);
  }
}

/** Our own public keys; null when there is no pair any more. @param {Registration["keys"] | undefined} keys */
async function pointsOf(keys) {
  try {
    if (keys === undefined) return null;
    return { sign: await pointOf(keys.sign.publicKey), kem: await pointOf(keys.kem.publicKey) };
  } catch {
    return null;
  }
}

/** Short enough to compare by eye. @param {string} fingerprint */
export const grouped = (fingerprint) => (decode(fingerprint) === null ? [] : (fingerprint.match(/.{1,4}/g) ?? []));
