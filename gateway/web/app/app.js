// The app: registrations, the desk, and which screen is shown. What is shown when nothing waits follows from the state
// alone (`rest`); a verified request comes before everything else.

import { Account } from "/assets/account.js";
import { send } from "/assets/answering.js";
import { Desk } from "/assets/desk.js";
import { t } from "/assets/lang.js";
import { openMove, openSettings } from "/assets/managing.js";
import { Notifying } from "/assets/notifying.js";
import { Offers } from "/assets/offers.js";
import { Registering } from "/assets/registering.js";
import { ending, home, newDevices } from "/assets/screen-home.js";
import { elsewhere, lost } from "/assets/screen-other.js";
import { outcome } from "/assets/screen-outcome.js";
import { request } from "/assets/screen-request.js";
import { welcome } from "/assets/screen-welcome.js";
import { missing, unusable } from "/assets/unusable.js";
import { pastOf } from "/assets/words.js";
import * as vault from "/assets/vault.js";

/** @import { Heard } from "/assets/events.js" */
/** @import { Waiting } from "/assets/desk.js" */
/** @import { Decision, Proof } from "/assets/request.js" */
/** @import { Screen } from "/assets/screen-welcome.js" */
/** @import { Unusable } from "/assets/unusable.js" */
/** @import { Became, Past, Registration } from "/assets/vault.js" */

/** Where this app's gateway is. @typedef {{ relay: string, panel: string }} Config */

/** A result is left on the screen for so long before a new request takes its place. */
const READ_MS = 3000;
/** What a clock stood in the way of is tried again so often. */
const RECHECK_MS = 10_000;
/** Certificates and what is believed are looked after so often, beside each connect. */
const CARE_MS = 3_600_000;

/** What the page gives: `renote` draws the notices again, for which `notes` is asked.
 * @typedef {{ show: (screen: Screen) => void, renote: () => void, config: () => Promise<Config> }} Page */

export class App {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.active = false;
    /** @type {Account[]} */
    this.accounts = [];
    /** @type {Unusable[]} */
    this.unusable = [];
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.rechecks = undefined;
    this.rechecking = false;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.caring = undefined;
    /** @type {Past[]} */
    this.past = [];
    this.registering = new Registering({
      show: (screen) => page.show(screen),
      relay: async () => (await page.config()).relay,
      rest: () => this.settle(),
      aside: (show) => this.setAside(show),
      begin: (registration) => this.begin(registration),
    });
    /** What stands where `rest` would be. @type {(() => void) | null} */
    this.aside = null;
    /** @type {{ waiting: Waiting, recount: () => void } | null} */
    this.asking = null;
    /** @type {{ since: number, settled: boolean, recount: () => void } | null} */
    this.resulting = null;
    this.persistent = false;
    this.panel = "/panel/";
    this.offers = new Offers(() => this.redraw());
    this.notifying = new Notifying(() => this.accounts);
    /** The request that a notification led here for. @type {string | null} */
    this.wanted = null;
    this.desk = new Desk((waiting, why) => this.over(waiting, why === "expired" ? "expired" : "ended"));
    /** Takes the work over from another tab. */
    this.here = () => {};
  }

  /** Reads what is kept, and begins. */
  async start() {
    this.active = true;
    await this.load();
    await this.registering.resume();
    if (!this.active) return;
    this.rest();
    // Last, so that a request that comes at once is not covered by what is shown above.
    for (const account of this.accounts) this.connect(account);
    this.caring = setInterval(() => void this.care(), CARE_MS);
  }

  /** Nobody is asked; what does not work is said when the end is near. */
  async care() {
    for (const account of this.accounts) await account.lookAfter();
    this.redraw();
  }

  /** Another tab works now. */
  yield() {
    this.active = false;
    for (const account of this.accounts) account.disconnect();
    this.accounts = [];
    this.unusable = [];
    clearTimeout(this.rechecks);
    clearInterval(this.caring);
    this.desk.waiting = [];
    this.registering.yield();
    this.aside = null;
    this.rest();
  }

  async load() {
    const kept = await vault.registrations();
    for (const account of this.accounts) account.disconnect();
    this.accounts = [];
    this.unusable = [];
    for (const mark of vault.marks()) {
      if (!kept.some((one) => one.deviceId === mark.deviceId)) this.unusable.push(missing(mark));
    }
    for (const registration of kept) await this.use(registration);
    this.past = await vault.history();
    this.persistent = (await navigator.storage?.persisted?.()) ?? false;
    this.recheckLater();
  }

  /** Takes a registration into work, or notes why it cannot be. @param {Registration} registration */
  async use(registration) {
    const { deviceId, relay, label } = registration;
    try {
      const account = await Account.load(registration);
      vault.markAll([{ deviceId, name: account.name, label, relay }]);
      this.unusable = this.unusable.filter((one) => one.registration !== registration);
      this.accounts.push(account);
      return account;
    } catch (error) {
      const mark = vault.marks().find((one) => one.deviceId === deviceId) ?? { deviceId, name: "", label, relay };
      const others = this.unusable.filter((one) => one.registration !== registration);
      this.unusable = [...others, unusable(mark, registration, error)];
      return null;
    }
  }

  recheckLater() {
    clearTimeout(this.rechecks);
    if (this.unusable.some((one) => one.kind === "clock")) this.rechecks = setTimeout(() => void this.recheck(), RECHECK_MS);
  }

  /** Tries again what a clock stood in the way of. */
  async recheck() {
    if (this.rechecking) return;
    this.rechecking = true;
    const heads = () => this.unusable.map((one) => one.head).join();
    const before = heads();
    for (const { kind, registration } of this.unusable) {
      if (!this.active || kind !== "clock" || registration === null) continue;
      const account = await this.use(registration);
      if (account !== null && this.active) this.connect(account);
    }
    this.rechecking = false;
    if (heads() !== before) this.settle();
    this.recheckLater();
  }

  /** @param {Account} account */
  connect(account) {
    account.connect((heard) => this.heard(account, heard));
  }

  /** A new registration begins to work. @param {Registration} registration */
  async begin(registration) {
    this.persistent = (await navigator.storage?.persisted?.()) ?? false;
    const account = await this.use(registration);
    if (account !== null) this.connect(account);
    return account?.name ?? "";
  }

  // What is heard

  /** @param {Account} account @param {Heard} heard */
  heard(account, heard) {
    if (!this.active || !this.accounts.includes(account)) return;
    if (heard.name !== "event") {
      if (heard.name === "connected") {
        void account.fetchList();
        void this.refresh(account).catch(() => {});
        void this.notifying.visit();
      }
      this.redraw();
      return;
    }
    const { event } = heard;
    if (event.name === "withdrawn") this.desk.withdrawn(event.content.id, event.content.why);
    else if (event.name === "revocations") void account.fetchList();
    else if (event.name === "devices") void this.refresh(account).catch(() => {});
    else void this.pushed(account, event.content);
  }

  /** Nothing of a push is shown, sounded or kept before it has verified (R29). @param {Account} account
   * @param {{ id: string, expiry: number, left: number, blob: Uint8Array<ArrayBuffer> }} push */
  async pushed(account, { id, expiry, left, blob }) {
    const came = performance.now();
    const verified = await account.verified(id, expiry, blob).catch(() => null);
    if (verified === null || !this.active || !this.accounts.includes(account)) return;
    const waiting = this.desk.push(account, verified, Math.max(0, left - (performance.now() - came) / 1000));
    if (waiting === null) return;
    if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(150);
    this.asking?.recount();
    this.resulting?.recount();
    const reading = this.resulting !== null && (!this.resulting.settled || performance.now() - this.resulting.since < READ_MS);
    if ((this.asking === null && !reading) || this.wanted === id) this.ask(waiting);
    else this.redraw();
  }

  /** @param {Account} account */
  async refresh(account) {
    await account.refresh();
    this.redraw();
  }

  // Requests

  /** @param {Waiting} waiting */
  ask(waiting) {
    this.resulting = null;
    const others = () => {
      const count = this.desk.waiting.length;
      return count > 1 ? t("1 of {count} requests that wait", { count }) : "";
    };
    const screen = request({
      waiting,
      position: others,
      account: this.accounts.length > 1 ? waiting.account.name : null,
      answer: (decision, proof) => void this.answer(waiting, decision, proof),
      later: () => this.rest(),
    });
    this.wanted = null;
    this.asking = { waiting, recount: screen.recount };
    this.page.show(screen);
  }

  /** @param {Waiting} waiting @param {Decision} decision @param {Proof} proof */
  async answer(waiting, decision, proof) {
    if (!this.active || this.desk.take(waiting.id) === null) return;
    this.asking = null;
    const shown = this.result(waiting);
    if (decision === "approve" && waiting.ends.left() <= 0) {
      shown.become("expired");
      await this.remember(waiting, "expired");
      return;
    }
    const { became, why } = await send(waiting, decision, proof);
    if (became === "unsent") this.desk.unsent(waiting);
    shown.become(became, why);
    await this.remember(waiting, became);
  }

  /** One ended without an answer. @param {Waiting} waiting @param {Became} became */
  over(waiting, became) {
    void this.remember(waiting, became);
    if (this.asking?.waiting === waiting) {
      this.asking = null;
      this.result(waiting).become(became);
    } else {
      this.asking?.recount();
      this.resulting?.recount();
    }
  }

  /** The result's screen; `become` says which. @param {Waiting} waiting */
  result(waiting) {
    const screen = outcome({
      waiting,
      next: () => (this.desk.waiting.length > 0 ? t("Next request") : t("Done")),
      done: () => {
        const [next] = this.desk.waiting;
        if (next === undefined) this.rest();
        else this.ask(next);
      },
    });
    const resulting = { since: performance.now(), settled: false, recount: screen.recount };
    this.resulting = resulting;
    this.page.show(screen);
    return {
      become: (/** @type {Became} */ became, why = "") => {
        resulting.settled = true;
        resulting.since = performance.now();
        screen.become(became, why);
      },
    };
  }

  /** @param {Waiting} waiting @param {Became} became */
  async remember({ id, request }, became) {
    void this.notifying.close(id).catch(() => {});
    const past = pastOf(request, id, became);
    this.past = [past, ...this.past.filter((one) => one.id !== id)].slice(0, 50);
    this.redraw();
    await vault.remember(past).catch(() => {});
  }

  // Notifications

  /** One was pressed. @param {string} id */
  openAt(id) {
    this.wanted = id;
    if (!this.active) this.here();
    const waiting = this.desk.waiting.find((one) => one.id === id);
    if (waiting !== undefined && this.asking?.waiting !== waiting) this.ask(waiting);
  }

  /** One was answered. @param {string} id @param {Became} became */
  answeredAt(id, became) {
    const waiting = this.desk.take(id);
    if (waiting !== null) this.over(waiting, became);
  }

  // Screens

  /** What is shown when no request is. */
  rest() {
    this.asking = null;
    this.resulting = null;
    if (!this.active) this.page.show(elsewhere({ here: this.here }));
    else if (this.aside !== null) this.aside();
    else if (this.registering.busy) this.registering.show();
    else if (this.unusable.length > 0) this.showLost();
    else if (this.accounts.length > 0) this.showHome();
    else this.page.show(welcome({ panel: () => this.panel, take: (typed) => this.registering.bring(typed), back: null }));
  }

  /** Puts something in the place of the usual screen; it stays until it is taken away. @param {(() => void) | null} aside */
  setAside(aside) {
    this.aside = aside;
    this.settle();
  }

  /** Opens a screen that the browser's Back closes. @param {() => void} show */
  open(show) {
    if (history.state?.aside !== true) history.pushState({ aside: true }, "");
    this.setAside(show);
  }

  /** Leaves such a screen. */
  close() {
    if (history.state?.aside === true) history.back();
    else this.closed();
  }

  /** It was left. */
  closed() {
    this.resettle = null;
    this.setAside(null);
  }

  /** Shows what is due, unless a request or a result is on the screen. */
  settle() {
    if (this.asking === null && this.resulting === null) this.rest();
  }

  /** Draws again what depends on the state, unless a request or a result is on the screen. */
  redraw() {
    if (this.asking !== null || this.resulting !== null || !this.active) return;
    if (this.atHome) this.showHome();
    else if (this.atWelcome) this.page.renote();
    else this.resettle?.();
  }

  /** The notices for what is on the screen: none beside a request, a result or an enrolment. */
  notes() {
    const busy = this.asking !== null || this.resulting !== null || !this.active;
    if (busy || !(this.atHome || this.atWelcome)) return [];
    const news = this.accounts.filter((one) => one.registration.news.length > 0);
    const told = news.map((one) => newDevices(one, { seen: () => void one.seen().then(() => this.redraw()) }));
    const ends = this.accounts.flatMap((one) => (one.ending === null ? [] : [ending(one, one.ending, { again: () => this.add() })]));
    return [...ends, ...told, ...this.offers.nodes()];
  }

  get atHome() {
    return this.idle && this.accounts.length > 0;
  }

  get atWelcome() {
    return this.idle && this.accounts.length === 0;
  }

  get idle() {
    return this.aside === null && !this.registering.busy && this.unusable.length === 0;
  }

  /** How the settings' screen hears. @type {(() => void) | null} */
  resettle = null;

  showLost() {
    const all = this.unusable;
    // Whatever was deleted here was asked for by its name: there are no keys, or the person said that they may go.
    const drop = async (/** @type {Unusable["kind"][]} */ kinds) => {
      for (const { mark, kind } of all) if (kinds.includes(kind)) await vault.wipe(mark.deviceId);
      this.unusable = this.unusable.filter((one) => !kinds.includes(one.kind));
      this.settle();
    };
    const later = () => {
      this.unusable = [];
      this.settle();
    };
    this.page.show(
      lost({
        lost: all,
        enrol: () => this.add(),
        again: () => void this.recheck(),
        forget: () => void drop(["gone"]),
        remove: () => void drop(["ended", "damaged"]),
        later: this.accounts.length > 0 ? later : null,
      }),
    );
  }

  showHome() {
    this.page.show(
      home({
        accounts: this.accounts,
        waiting: this.desk.waiting,
        past: this.past,
        online: navigator.onLine,
        open: (waiting) => this.ask(waiting),
        clear: () => void vault.clearHistory().then(() => ((this.past = []), this.redraw())),
        settings: (account) => this.settings(account),
        again: () => this.add(),
      }),
    );
  }

  /** Another enrolment beside those that are there. */
  add() {
    this.open(() => this.page.show(welcome({ panel: () => this.panel, take: (typed) => this.registering.bring(typed), back: () => this.close() })));
  }

  /** @param {Account | undefined} account */
  settings(account = this.accounts[0]) {
    if (account !== undefined) openSettings(this, account);
  }

  /** Where the help leads from here: nowhere beside a request, a result or an enrolment.
   * @returns {import("/assets/help.js").Ways} */
  waysOn() {
    const busy = !this.active || this.asking !== null || this.resulting !== null || this.registering.busy;
    const [account] = busy ? [] : this.accounts;
    return {
      panel: this.panel,
      settings: account === undefined ? null : (part) => (this.settings(account), document.getElementById(part)?.scrollIntoView()),
      move: account === undefined ? null : () => openMove(this, account),
      register: busy ? null : () => (this.atWelcome ? undefined : this.add()),
    };
  }

  /** @param {Account} account */
  async wipe(account) {
    account.disconnect();
    this.desk.drop(account);
    this.accounts = this.accounts.filter((one) => one !== account);
    await vault.wipe(account.id);
    this.closed();
  }
}
