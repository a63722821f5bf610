// A page whose English texts are taken for those of another language for a moment, so that a tour that finds its way by
// English texts can look at every screen in every language.

/** @typedef {import("playwright-core").Page} Page */

/** @param {Page} page @param {Record<string, string>} texts @param {() => Promise<void>} look */
export async function translated(page, texts, look) {
  const changed = await page.evaluate((texts) => {
    const pattern = (/** @type {string} */ key) =>
      new RegExp(`^${key.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{([a-z0-9]+)\}/g, "(?<$1>.+?)")}$`, "u");
    // The most exact first: "{label}: this is lost" before "{reason}: {detail}".
    const exact = Object.entries(texts).sort(([a], [b]) => b.replace(/\{[a-z0-9]+\}/g, "").length - a.replace(/\{[a-z0-9]+\}/g, "").length);
    const known = exact.map(([key, text]) => /** @type {const} */ ([pattern(key), text]));
    /** @type {[Node, string, string][]} */
    const kept = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    /** @type {Node[]} */
    const nodes = [...document.querySelectorAll("[aria-label]")].flatMap((one) => one.getAttributeNode("aria-label") ?? []);
    for (let node = walk.nextNode(); node !== null; node = walk.nextNode()) nodes.push(node);
    for (const node of nodes) {
      const was = node.nodeValue ?? "";
      const found = known.map(([key, text]) => /** @type {const} */ ([key.exec(was), text])).find(([match]) => match !== null);
      if (found === undefined) continue;
      const now = found[1].replace(/\{([a-z0-9]+)\}/g, (_, name) => found[0]?.groups?.[name] ?? "");
      node.nodeValue = now;
      kept.push([node, was, now]);
    }
    /** @type {any} */ (globalThis).restoreTexts = () => {
      for (const [node, was, now] of kept) if (node.nodeValue === now) node.nodeValue = was;
    };
    return kept.length;
  }, texts);
  try {
    await look();
  } finally {
    await page.evaluate(() => /** @type {any} */ (globalThis).restoreTexts());
  }
  return changed;
}
