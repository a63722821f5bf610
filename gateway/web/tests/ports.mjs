// Ports for the gateways of browser tests.
import { once } from "node:events";
import { createServer } from "node:net";

/** A port that is free now, below those that the kernel hands out by itself: it would give one that was just tried to the
 * next who asks for any. @returns {Promise<number>} */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer().listen(port, "127.0.0.1");
    const free = await once(server, "listening").then(() => true, () => false);
    if (!free) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
