// A push service of the tests' own, in the place of the browser makers' services on the internet: takes what the gateway
// sends, and opens it with Mozilla's http_ece, which is no code of the sender's.
import assert from "node:assert/strict";
import { createECDH, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
// @ts-expect-error It has no types.
import ece from "http_ece";
import { SOON } from "./rig.mjs";

/** What came. @typedef {{ path: string, headers: import("node:http").IncomingHttpHeaders, body: Buffer }} Message */

export class PushService {
  static async start() {
    const service = new PushService();
    service.server.listen(0, "127.0.0.1");
    await once(service.server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (service.server.address());
    service.origin = `http://127.0.0.1:${port}`;
    return service;
  }

  origin = "";
  /** What is answered. */
  status = 201;
  /** @type {Message[]} */
  came = [];
  /** @type {(() => void)[]} */
  waiting = [];

  server = createServer(async (request, response) => {
    /** @type {Buffer[]} */
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    this.came.push({ path: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks) });
    response.writeHead(this.status).end();
    for (const wake of this.waiting.splice(0)) wake();
  });

  /** The next message. @returns {Promise<Message>} */
  async next() {
    const until = Date.now() + SOON;
    for (;;) {
      const message = this.came.shift();
      if (message !== undefined) return message;
      assert.ok(Date.now() < until, "nothing was sent");
      await new Promise((resolve) => {
        this.waiting.push(() => resolve(undefined));
        setTimeout(resolve, 200);
      });
    }
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** The keys of one browser's subscription. */
export class Keys {
  pair = createECDH("prime256v1");
  auth = randomBytes(16);

  constructor() {
    this.pair.generateKeys();
  }

  get p256dh() {
    return this.pair.getPublicKey().toString("base64url");
  }

  /** What a message says. @param {Message} message */
  open({ headers, body }) {
    assert.equal(headers["content-encoding"], "aes128gcm");
    return ece.decrypt(body, { version: "aes128gcm", privateKey: this.pair, authSecret: this.auth.toString("base64url") }).toString();
  }
}
