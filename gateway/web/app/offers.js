// Notices that can be acted on: a new version, an installation, a link that could not be used.

import { button, h, notice, p } from "/assets/dom.js";

export class Offers {
  /** @param {() => void} redraw */
  constructor(redraw) {
    this.redraw = redraw;
    /** @type {Map<string, () => Node>} */
    this.made = new Map();
  }

  /** @param {string} id @param {string} head @param {string} text @param {string} label @param {() => void} act */
  offer(id, head, text, label, act) {
    const take = () => {
      this.made.delete(id);
      this.redraw();
      act();
    };
    this.made.set(id, () => notice("", head, p(text), h("div", { class: "row" }, button(label, "", take))));
    this.redraw();
  }

  nodes() {
    return [...this.made.values()].map((make) => make());
  }
}
