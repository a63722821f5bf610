// The way from a code that was brought here to a registration that works: which of its screens is shown, and when it
// ends. The work itself is `enrolling.js`'s.

import { linkOf } from "/assets/enrol.js";
import { come, giveUp, troubleOf, wait } from "/assets/enrolling.js";
import { t } from "/assets/lang.js";
import { make, possible } from "/assets/passkey.js";
import { digits, failed, naming, registered } from "/assets/screen-enrol.js";
import { platform } from "/assets/words.js";
import * as vault from "/assets/vault.js";

/** @import { Token } from "/assets/enrol.js" */
/** @import { EnrolmentState } from "/assets/registrar.js" */
/** @import { Trouble } from "/assets/screen-enrol.js" */
/** @import { Screen } from "/assets/screen-welcome.js" */
/** @import { Enrolling, Registration } from "/assets/vault.js" */

/** How long the browser may think about whether it keeps the keys for good. */
const PERSIST_MS = 1000;

/** What the app gives: `aside` puts something in the place of the usual screen, or takes it away; `rest` shows what is
 * to be shown; `begin` takes a new registration into work and says whose it is.
 * @typedef {{
 *   show: (screen: Screen) => void, relay: () => Promise<string>, rest: () => void,
 *   aside: (show: (() => void) | null) => void, begin: (registration: Registration) => Promise<string>,
 * }} Around */

export class Registering {
  /** @param {Around} around */
  constructor(around) {
    this.around = around;
    /** A code that waits for the device's name. @type {{ token: Token, code: string, label: string, passkey: boolean } | null} */
    this.brought = null;
    /** An enrolment that waits for its digits. @type {{ one: Enrolling, stop: AbortController } | null} */
    this.enrolling = null;
    /** How the screen with the digits hears. @type {((state: EnrolmentState | null) => void) | null} */
    this.hear = null;
  }

  /** Whether one of its screens is due. */
  get busy() {
    return this.brought !== null || this.enrolling !== null;
  }

  /** Goes on with what a reload has interrupted. */
  async resume() {
    const [waits] = (await vault.enrolling()).filter((one) => one.until > Date.now() / 1000);
    if (waits !== undefined && this.enrolling === null) this.follow(waits);
  }

  /** Another tab goes on with it. */
  yield() {
    this.enrolling?.stop.abort();
    this.enrolling = null;
  }

  /** Takes what was scanned or typed. @param {string} typed @returns {string | null} what is wrong with it */
  bring(typed) {
    try {
      this.brought = { token: linkOf(typed, location.origin), code: typed.trim(), label: "", passkey: possible() };
    } catch (error) {
      return error instanceof Error ? error.message : t("the code cannot be read");
    }
    this.around.aside(null);
    return null;
  }

  /** Shows the screen that is due. */
  show() {
    this.hear = null;
    if (this.brought !== null) this.showNaming(this.brought);
    else if (this.enrolling !== null) this.showDigits(this.enrolling.one);
  }

  /** @param {{ code: string, label: string, passkey: boolean }} brought */
  showNaming({ code, label, passkey }) {
    const cancel = () => {
      this.brought = null;
      this.around.rest();
    };
    this.around.show(naming({ code, label, passkey, go: (label, passkey) => this.enrol(label, passkey), cancel }));
  }

  /** @param {string} label @param {boolean} passkey whether one is to be made */
  async enrol(label, passkey) {
    const brought = this.brought;
    if (brought === null) return;
    brought.label = label;
    brought.passkey = passkey;
    let relay = t("this gateway");
    try {
      // First of all: some browsers let a page ask only right after a press.
      const made = passkey ? await make(label) : null;
      relay = await this.around.relay();
      const one = await come(relay, brought.token, label, `Assent web app, ${await platform()}`, made);
      this.brought = null;
      this.follow(one);
      this.around.rest();
    } catch (error) {
      this.fail(troubleOf(error, relay));
    }
  }

  /** @param {Trouble} trouble */
  fail(trouble) {
    const again = () => this.around.aside(null);
    const back = () => {
      this.brought = null;
      this.around.aside(null);
    };
    this.around.aside(() => this.around.show(failed(trouble, { again, back })));
  }

  /** Waits for an enrolment's end. @param {Enrolling} one */
  follow(one) {
    const stop = new AbortController();
    this.enrolling = { one, stop };
    const end = async (/** @type {Registration | null} */ registration) => {
      if (stop.signal.aborted) return;
      this.enrolling = null;
      if (registration !== null) await this.begin(registration);
    };
    const fail = async (/** @type {unknown} */ error) => {
      if (stop.signal.aborted) return;
      this.enrolling = null;
      await giveUp(one).catch(() => {});
      this.fail(troubleOf(error, one.relay));
    };
    wait(one, stop.signal, (state) => this.hear?.(state)).then(end).catch(fail);
  }

  /** @param {Enrolling} one */
  showDigits(one) {
    const cancel = () => {
      this.yield();
      void giveUp(one).finally(() => this.around.rest());
    };
    const screen = digits({ digits: one.digits, label: one.label, cancel });
    this.hear = (state) => {
      if (state === null) screen.trouble(t("The gateway does not answer; it is tried again."));
      else if (state.name === "approval") screen.approval();
      else screen.trouble(t("Waiting for the digits …"));
    };
    this.around.show(screen);
  }

  /** @param {Registration} registration */
  async begin(registration) {
    // Firefox asks the person, who may let the question stand.
    const later = new Promise((resolve) => setTimeout(resolve, PERSIST_MS, false));
    const persistent = await Promise.race([navigator.storage?.persist?.() ?? false, later]);
    const name = await this.around.begin(registration);
    const go = () => this.around.aside(null);
    const shown = registered({ name, relay: registration.relay, persistent, go });
    this.around.aside(() => this.around.show(shown));
  }
}
