// A registration at work: verified once more when it is loaded, connected to its relay, and asked for its list of
// devices. One of these for each enrolment.

import { decode } from "/assets/bytes.js";
import { CertError, verifyDevice, verifyIssuer } from "/assets/cert.js";
import { Stream } from "/assets/events.js";
import { digest } from "/assets/jws.js";
import { pointOf, verifyingKey } from "/assets/keys.js";
import { deviceCall } from "/assets/registrar.js";
import { Caller } from "/assets/relay.js";
import { RequestError, sealedAnswer, verified } from "/assets/request.js";
import { fetchList, refusal, verifyList } from "/assets/revocations.js";
import { keep } from "/assets/vault.js";

/** @import { Bytes } from "/assets/bytes.js" */
/** @import { Device, Issuer } from "/assets/cert.js" */
/** @import { Heard } from "/assets/events.js" */
/** @import { VerifyingKey } from "/assets/keys.js" */
/** @import { Decision, Self, VerifiedRequest } from "/assets/request.js" */
/** @import { List } from "/assets/revocations.js" */
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
  /** @param {Registration} registration @param {Caller} caller @param {VerifyingKey} root @param {Issuer} issuer
   * @param {Device} device */
  constructor(registration, caller, root, issuer, device) {
    this.registration = registration;
    this.issuer = issuer;
    this.device = device;
    const { deviceId, keys } = registration;
    /** @type {Self} */
    this.self = { deviceId, identities: device.claims.identities, keys, root };
    this.caller = caller;
    /** @type {Link} */
    this.link = { name: "connecting", why: "", since: Date.now() };
    /** @type {Stream | null} */
    this.stream = null;
    /** @type {Listed[] | null} */
    this.devices = null;
    /** @type {List | null} */
    this.list = null;
    /** The fetch of a list that is under way, or the last one. @type {Promise<void> | null} */
    this.fetching = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.hourly = undefined;
  }

  /** @param {Registration} registration */
  static async load(registration) {
    const { deviceId, keys, relay } = registration;
    const points = await pointsOf(keys);
    if (points === null) throw new KeysError("no keys are kept here any more");
    const root = await verifyingKey(registration.root);
    const caller = new Caller(relay, deviceId, keys.sign, registration.ahead ?? 0, (ahead) => {
      registration.ahead = ahead;
      void keep(registration).catch(() => {});
    });
    const [issuer, device] = await caller.judge(async (at) => {
      const issuer = await verifyIssuer(registration.issuer, root, at);
      return /** @type {const} */ ([issuer, await verifyDevice(issuer, registration.certificate, at)]);
    });
    if (points.sign !== device.claims.sign || points.kem !== device.claims.kem) {
      throw new CertError("the keys that are kept here are others than its certificate’s");
    }
    const account = new Account(registration, caller, root, issuer, device);
    const kept = registration.revocations;
    if (kept !== undefined) account.list = await verifyList(kept, root).catch(() => null);
    return account;
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
    // Only where nothing usable is held: a request must not wait for the network otherwise.
    if (this.list === null && refused() !== null) await this.fetchList();
    const why = refused();
    if (why !== null) throw new RequestError(why);
    return request;
  }

  /** Asks for a newer revocation list than the one that is held; what fails is tried again with the next occasion. */
  fetchList() {
    const fetched = (this.fetching ?? Promise.resolve()).then(async () => {
      try {
        const list = await fetchList((want) => this.ask(want), this.list, this.self.root);
        if (list === null) return;
        this.list = list;
        this.registration.revocations = list.kept;
        await keep(this.registration);
      } catch {
        // Nothing is drawn without a list, and an old one holds for a while.
      }
    });
    this.fetching = fetched;
    return fetched;
  }

  /** @param {VerifiedRequest} request @param {Decision} decision @param {string | undefined} num */
  sealed(request, decision, num) {
    return sealedAnswer(this.self, request, decision, num, this.caller.now());
  }

  /** @param {import("/assets/registrar.js").Want} what */
  async ask(what) {
    return deviceCall(this.caller, this.issuer, this.registration.keys, what);
  }

  /** Asks for the list of devices. Those that were not in the last one become news. @param {import("/assets/registrar.js").Want} [what] */
  async refresh(what = "devices") {
    const reply = await this.ask(what);
    if (reply.name !== "my_devices") return;
    this.devices = await Promise.all(reply.content.devices.map((one) => this.listed(one.device, one.label)));
    const { registration } = this;
    const known = registration.known;
    const seen = this.devices.map(({ id, label }) => ({ id, label }));
    // The first list of all holds this device and what was there before it: no news.
    const fresh = known === null ? [] : seen.filter((one) => !known.some((old) => old.id === one.id));
    registration.news = [...registration.news, ...fresh].filter((one) => one.id !== this.id);
    registration.known = seen;
    registration.label = this.devices.find((one) => one.own)?.label ?? registration.label;
    await keep(registration);
  }

  /** @param {string} document @param {string} label @returns {Promise<Listed>} */
  async listed(document, label) {
    try {
      const { claims } = await verifyDevice(this.issuer, document, this.caller.now());
      const own = claims.device_id === this.id;
      const { device_id: id, name, nbf: since, exp: until } = claims;
      return { id, label, name, since, until, own, verified: true };
    } catch {
      // Perhaps of a newer issuing key. The registrar says that it is there, so it must be seen.
      return { id: await digest(document), label, name: "", since: 0, until: 0, own: false, verified: false };
    }
  }

  /** The person has seen the news. */
  async seen() {
    this.registration.news = [];
    await keep(this.registration);
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
