// What the worker does when it is rung at, and when somebody presses a notification. A push says an id; the request is
// fetched, which tells the relay that it was heard, and verified as the page does before a word of it is shown (R29). A
// press signs by the same functions as the page, after the request was fetched and verified once more.

import { Account } from "/assets/account.js";
import { send } from "/assets/answering.js";
import { text } from "/assets/bytes.js";
import { Deadline } from "/assets/desk.js";
import { t } from "/assets/lang.js";
import { Problem } from "/assets/relay.js";
import { mayApproveUnseen } from "/assets/request.js";
import { renew } from "/assets/ringing.js";
import { id as idShape, object, parse } from "/assets/shape.js";
import { close, show, standing } from "/assets/shown.js";
import { notifications, registrations, remember } from "/assets/vault.js";
import { answered, asks, away, over, pastOf, unverified } from "/assets/words.js";

/** @import { Decision, VerifiedRequest } from "/assets/request.js" */
/** @import { Waiting } from "/assets/desk.js" */
/** @import { Became } from "/assets/vault.js" */
/** @import { Words } from "/assets/words.js" */

const ringShape = object({ id: idShape });
const ICON = "/assets/icon-192.png";
/** What is left up after an answer; a browser that sees every notification gone at once stops delivering. */
const ANSWERED = "assent answered";
const QUIET = "assent";

/** What a notification keeps of its request. @typedef {{ id: string, device: string, digest: string }} Kept */

/** A request as it was fetched. @typedef {{ account: Account, request: VerifiedRequest, ends: Deadline }} Fetched */

/** Every registration that can be used. */
async function accounts() {
  /** @type {Account[]} */
  const loaded = [];
  for (const registration of await registrations()) {
    // What the page keeps of it meanwhile is newer: nothing is written from here.
    const account = await Account.load(registration, async () => {}).catch(() => null);
    if (account !== null) loaded.push(account);
  }
  return loaded;
}

/** @param {Account[]} candidates @param {string} id
 * @returns {Promise<Fetched | "gone" | "away" | "unverified">} */
async function fetched(candidates, id) {
  let unreached = false;
  for (const account of candidates) {
    try {
      const { expiry, left, blob } = await account.caller.waiting(id);
      const request = await account.verified(id, expiry, blob).catch(() => null);
      if (request === null) return "unverified";
      return { account, request, ends: new Deadline(Math.min(left, request.statement.ttl)) };
    } catch (error) {
      unreached ||= !(error instanceof Problem && error.code === "gone");
    }
  }
  return unreached ? "away" : "gone";
}

export class Rung {
  /** @param {ServiceWorkerRegistration} registration @param {Clients} clients */
  constructor(registration, clients) {
    this.registration = registration;
    this.clients = clients;
  }

  /** @param {Words} words @param {string} tag @param {object} [more] */
  show({ title, body }, tag, more) {
    return show(this.registration, title, { body, tag, icon: ICON, badge: ICON, ...more });
  }

  /** A message came. Whatever it is, something must be shown for it: a browser demands that. @param {PushMessageData | null} data */
  async push(data) {
    const id = read(data);
    if (id === null) return this.show(unverified(), QUIET, { silent: true });
    const settings = await notifications();
    const found = await fetched(await accounts(), id);
    if (found === "gone") {
      await close(this.registration, id);
      // A message may come late, or twice: what was answered here has its word up.
      if ((await standing(this.registration, ANSWERED)).some(({ data }) => data?.id === id)) return;
      return this.show(over(), QUIET, { silent: true });
    }
    if (found === "away") return this.show(away(), id);
    if (found === "unverified") return this.show(unverified(), QUIET, { silent: true });
    const { account, request } = found;
    const approve = { action: "approve", title: t("Approve") };
    const deny = { action: "deny", title: t("Deny") };
    /** @type {Kept} */
    const kept = { id, device: account.id, digest: request.digest };
    return this.show(asks(request.statement, settings.text), id, {
      actions: mayApproveUnseen(request.statement, settings) ? [approve, deny] : [deny],
      requireInteraction: true,
      data: kept,
    });
  }

  /** Somebody pressed it, or one of its buttons. @param {Notification} notification @param {string} action */
  async pressed(notification, action) {
    const kept = /** @type {Kept | undefined} */ (notification.data ?? undefined);
    notification.close();
    if (kept !== undefined && (action === "approve" || action === "deny")) await this.answer(kept, action);
    else await this.open(kept?.id ?? null);
  }

  /** @param {Kept} kept @param {Decision} decision */
  async answer({ id, device, digest }, decision) {
    const settings = await notifications();
    const account = (await accounts()).find((one) => one.id === device);
    const found = account === undefined ? "unverified" : await fetched([account], id);
    if (found === "gone") return this.show(over(), QUIET, { silent: true });
    if (found === "away" || found === "unverified") return this.show(away(), id);
    const { request } = found;
    // Not what was shown, or not to be approved without its details: on the page, then.
    const unseen = decision !== "approve" || mayApproveUnseen(request.statement, settings);
    if (request.digest !== digest || !unseen) return this.open(id);
    /** @type {Waiting} */
    const waiting = { id, ...found };
    const { became } = await send(waiting, decision, {});
    await remember(pastOf(request, id, became)).catch(() => {});
    await this.tell(id, became);
    return this.show(answered(request.statement, became, settings.text), ANSWERED, { silent: true, data: { id } });
  }

  /** Pages that show the request learn what became of it. @param {string} id @param {Became} became */
  async tell(id, became) {
    for (const client of await this.clients.matchAll({ type: "window" })) client.postMessage({ answered: { id, became } });
  }

  /** Brings the page up, at this request. Where the browser does not let it, a word stays up. @param {string | null} id */
  async open(id) {
    const there = (await this.clients.matchAll({ type: "window" })).find(isApp);
    try {
      const page = there === undefined ? await this.clients.openWindow("/") : await there.focus();
      if (id !== null) page?.postMessage({ open: id });
    } catch {
      await this.show(away(), id ?? QUIET);
    }
  }

  /** The browser has ended the subscription. */
  async changed() {
    if ((await notifications()).on) await renew(this.registration, await accounts());
  }
}

/** The app's own page, and not the panel's, which may live at the same origin. @param {Client} client */
const isApp = ({ url }) => ["/", "/e"].includes(new URL(url).pathname);

/** @param {PushMessageData | null} data */
function read(data) {
  try {
    return ringShape(parse(text(new Uint8Array(data?.arrayBuffer() ?? new ArrayBuffer(0)))), "push").id;
  } catch {
    return null;
  }
}
