// A push service of the tests' own, in the place of the browser makers' services on the internet: takes what the gateway
// sends, and opens it with Mozilla's http_ece, which is no code of the sender's. A real Firefox can hear by it, too: it
// speaks as much of Firefox's push protocol as a subscription and its messages need, and is as such a stand-in.
import assert from "node:assert/strict";
import { createECDH, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
// @ts-expect-error It has no types.
import ece from "http_ece";
// @ts-expect-error It has no types.
import { WebSocketServer } from "ws";
import { SOON } from "./rig.mjs";

/** What came. @typedef {{ path: string, headers: import("node:http").IncomingHttpHeaders, body: Buffer }} Message */

export class PushService {
  static async start() {
    const service = new PushService();
    service.server.listen(0, "127.0.0.1");
    await once(service.server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (service.server.address());
    service.origin = `http://127.0.0.1:${port}`;
    new WebSocketServer({ server: service.server }).on("connection", (/** @type {any} */ socket) => {
      socket.on("message", (/** @type {Buffer} */ text) => service.heard(socket, JSON.parse(text.toString())));
    });
    return service;
  }

  origin = "";
  /** What is answered. */
  status = 201;
  /** @type {Message[]} */
  came = [];
  /** @type {(() => void)[]} */
  waiting = [];
  /** Subscriptions of real browsers: by path, whose they are, and the VAPID key that they are bound to.
   * @type {Map<string, { channelID: string, key: string }>} */
  channels = new Map();
  /** The browser that is connected. @type {any} */
  browser = null;
  /** Messages that a browser has taken. @type {string[]} */
  taken = [];

  /** Firefox says something. @param {any} socket @param {any} said */
  heard(socket, said) {
    const reply = (/** @type {object} */ more) => socket.send(JSON.stringify({ messageType: said.messageType, status: 200, ...more }));
    switch (said.messageType) {
      case "hello":
        this.browser = socket;
        return reply({ uaid: said.uaid || randomUUID().replaceAll("-", ""), use_webpush: true, broadcasts: {} });
      case "register": {
        const path = `/wpush/v2/${randomUUID()}`;
        this.channels.set(path, { channelID: said.channelID, key: said.key });
        return reply({ channelID: said.channelID, pushEndpoint: `${this.origin}${path}` });
      }
      case "unregister":
        for (const [path, { channelID }] of this.channels) if (channelID === said.channelID) this.channels.delete(path);
        return reply({ channelID: said.channelID });
      case "ack":
        this.taken.push(...said.updates.map((/** @type {any} */ one) => one.version));
        return undefined;
      default:
        return undefined;
    }
  }

  /** Hands a message to the browser whose subscription it is for. @param {Message} message */
  handOver({ path, headers, body }) {
    const channel = this.channels.get(path);
    assert.ok(channel !== undefined);
    this.browser.send(
      JSON.stringify({
        messageType: "notification",
        channelID: channel.channelID,
        version: randomUUID(),
        data: body.toString("base64url"),
        headers: { encoding: headers["content-encoding"] },
      }),
    );
  }

  server = createServer(async (request, response) => {
    /** @type {Buffer[]} */
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    this.came.push({ path: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks) });
    const lost = (request.url ?? "").startsWith("/wpush/") && !this.channels.has(request.url ?? "");
    response.writeHead(lost ? 410 : this.status).end();
    for (const wake of this.waiting.splice(0)) wake();
  });

  /** The next message, or the next for one subscription: what an earlier test still causes comes when it will.
   * @param {string} [path] @returns {Promise<Message>} */
  async next(path) {
    const until = Date.now() + SOON;
    for (;;) {
      const message = this.came.find((one) => path === undefined || one.path === path);
      if (message !== undefined) {
        this.came.splice(this.came.indexOf(message), 1);
        return message;
      }
      assert.ok(Date.now() < until, `nothing was sent${path === undefined ? "" : ` to ${path}`}`);
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
