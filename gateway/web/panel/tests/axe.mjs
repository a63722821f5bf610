// axe-core in a page whose policy runs no script but the panel's own: it goes in by the debugger, in a world of its own.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const SOURCE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export class AxeBuilder {
  /** @param {import("playwright-core").Page} page */
  constructor(page) {
    this.page = page;
  }

  /** What axe-core finds, in short. @returns {Promise<string[]>} */
  async violations() {
    const debug = await this.page.context().newCDPSession(this.page);
    try {
      const { frameTree } = await debug.send("Page.getFrameTree");
      const { executionContextId } = await debug.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
      const run = async (/** @type {string} */ expression) => {
        const done = await debug.send("Runtime.evaluate", {
          contextId: executionContextId,
          expression,
          awaitPromise: true,
          returnByValue: true,
        });
        if (done.exceptionDetails) throw new Error(JSON.stringify(done.exceptionDetails));
        return done.result.value;
      };
      await run(SOURCE);
      return await run(
        `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
          violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + " " + target + " " + failureSummary)))`,
      );
    } finally {
      await debug.detach();
    }
  }
}
