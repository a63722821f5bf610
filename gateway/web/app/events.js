// The device's event stream: connects, resumes, connects again with back-off and jitter, until it is told to stop.
// Beside ctl/src/authenticator/events.rs.

import { Problem, Unreachable, call } from "/assets/relay.js";
import { bytes, id, integer, object, parse, seconds, variant, word } from "/assets/shape.js";

/** @import { Caller } from "/assets/relay.js" */

/** A stream without even a keep-alive for this long is dead. */
const SILENCE_MS = 37_500;
const HEAD_MS = 10_000;
const FIRST_PAUSE_MS = 200;
const LAST_PAUSE_MS = 20_000;
/** Most characters between two blank lines. */
const MAX_EVENT = 256 * 1024;

const eventShape = variant({
  push: object({ id, expiry: seconds, left: integer(0xffff_ffff), blob: bytes }),
  withdrawn: object({ id, why: word("host", "expired") }),
  devices: object({}),
  revocations: object({}),
});

/** @typedef {ReturnType<typeof eventShape>} DeviceEvent */

/** @typedef {{ name: "connected" } | { name: "lost", why: string } | { name: "refused", why: string }
 *   | { name: "event", event: DeviceEvent }} Heard */

/** Takes a stream of server-sent events apart. Only `id` and `data` count: the data names its event itself. */
export class Parser {
  /** @param {(id: string, data: string) => void} take */
  constructor(take) {
    this.take = take;
    this.rest = "";
    this.size = 0;
    this.id = "";
    /** @type {string[]} */
    this.data = [];
  }

  /** @param {string} chunk */
  feed(chunk) {
    const lines = (this.rest + chunk).split("\n");
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.line(line.endsWith("\r") ? line.slice(0, -1) : line);
    if (this.size + this.rest.length > MAX_EVENT) throw new Unreachable("an event is too long");
  }

  /** @param {string} line */
  line(line) {
    if (line === "") {
      if (this.data.length > 0) this.take(this.id, this.data.join("\n"));
      this.size = 0;
      this.data = [];
      return;
    }
    this.size += line.length + 1;
    const [, field, value = ""] = /^(\w+)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "data") this.data.push(value);
    if (field === "id") this.id = value;
  }
}

/** Hears one device's events. */
export class Stream {
  /** @param {Caller} caller @param {(heard: Heard) => void} hear */
  constructor(caller, hear) {
    this.caller = caller;
    this.hear = hear;
    this.stopped = false;
    this.lastId = "";
    this.lastByte = 0;
    this.abort = new AbortController();
    /** Ends the pause between two tries. */
    this.wake = () => {};
  }

  stop() {
    this.stopped = true;
    this.abort.abort();
    this.wake();
  }

  /** Tries again at once. A stream that has been quiet for a while is not trusted to live; none is, when the network is
   * said to be gone. @param {boolean} gone */
  hurry(gone) {
    if (gone || performance.now() - this.lastByte > SILENCE_MS / 2) this.abort.abort();
    this.wake();
  }

  async run() {
    let pause = FIRST_PAUSE_MS;
    while (!this.stopped) {
      const began = Date.now();
      const failure = await this.once();
      if (this.stopped) return;
      if (this.caller.learn(failure)) continue;
      if (failure instanceof Problem && (failure.code === "unauthorized" || failure.code === "forbidden")) {
        this.hear({ name: "refused", why: failure.message });
        return;
      }
      this.hear({ name: "lost", why: failure.message });
      if (Date.now() - began > 10_000) pause = FIRST_PAUSE_MS;
      await this.sleep(pause / 2 + (Math.random() * pause) / 2);
      pause = Math.min(pause * 2, LAST_PAUSE_MS);
    }
  }

  /** @param {number} ms @returns {Promise<void>} */
  sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** One connection, until it fails. @returns {Promise<Error>} */
  async once() {
    this.abort = new AbortController();
    let watch = setTimeout(() => this.abort.abort(), HEAD_MS);
    try {
      const headers = new Headers({ accept: "text/event-stream", authorization: `Bearer ${await this.caller.bearer()}` });
      if (this.lastId !== "") headers.set("last-event-id", this.lastId);
      const response = await call(`${this.caller.base}/v1/events`, { headers }, this.abort.signal);
      if (response.body === null) return new Unreachable("it opened no stream");
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new Parser((id, data) => this.take(id, data));
      this.lastByte = performance.now();
      this.hear({ name: "connected" });
      for (;;) {
        clearTimeout(watch);
        watch = setTimeout(() => this.abort.abort(), SILENCE_MS);
        const { done, value } = await reader.read();
        if (done) return new Unreachable("the gateway closed the stream");
        this.lastByte = performance.now();
        parser.feed(value);
      }
    } catch (error) {
      return error instanceof Problem || error instanceof Unreachable ? error : new Unreachable("the stream broke off");
    } finally {
      clearTimeout(watch);
      this.abort.abort();
    }
  }

  /** @param {string} id @param {string} data */
  take(id, data) {
    if (this.stopped) return;
    // It goes back as a header, so it must be able to.
    if (/^[!-~]{1,256}$/.test(id)) this.lastId = id;
    /** @type {DeviceEvent} */
    let event;
    try {
      event = eventShape(parse(data), "event");
    } catch {
      // A newer relay may have events that this version does not know.
      return;
    }
    this.hear({ name: "event", event });
  }
}
