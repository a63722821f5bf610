// Home: how it stands, what waits, what was. Says only what is so: "connected" means that an event stream is open.

import { button, h, notice, outside, p } from "/assets/dom.js";
import { urlOf } from "/assets/enrol.js";
import { helpAbout } from "/assets/help-link.js";
import { counted, t, told } from "/assets/lang.js";
import { BECAME, day, drift, lasting, service, shortly } from "/assets/words.js";

/** @import { Account, Link } from "/assets/account.js" */
/** @import { Waiting } from "/assets/desk.js" */
/** @import { Screen } from "/assets/screen-welcome.js" */
/** @import { Past } from "/assets/vault.js" */

/** A clock that is further off is worth a word, in seconds (R81). */
const CLOCK_S = 120;

/**
 * @typedef {{
 *   accounts: Account[], waiting: Waiting[], past: Past[], online: boolean,
 *   open: (waiting: Waiting) => void, clear: () => void, settings: (account: Account) => void,
 *   again: (account: Account) => void,
 * }} Shown
 */

/** @param {Shown} shown @returns {Screen} */
export function home(shown) {
  const { accounts, waiting, past } = shown;
  const many = accounts.length > 1;
  const node = h(
    "div",
    { class: "stack loose" },
    stands(shown),
    waiting.length > 0 && pending(shown, many),
    many && each(shown),
    recent(past, shown.clear),
  );
  const tick = () => {
    for (const [at, left] of node.querySelectorAll(".waiting-left").entries()) {
      left.textContent = t("{time} left", { time: lasting(waiting[at]?.ends.left() ?? 0) });
    }
  };
  tick();
  return { title: t("Ready"), node, tick };
}

/** @typedef {{ head: string, text: string, look: string }} State */

/** @param {Link} link @param {boolean} online @returns {State} */
function stateOf(link, online) {
  const since = t("Since {since}. It is tried again by itself.", { since: shortly(link.since) });
  if (link.name === "connected") return { head: t("Ready"), text: t("Connected. Requests appear here."), look: "good" };
  if (link.name === "refused") {
    return { head: t("Not registered any more"), text: t("The gateway refuses this device."), look: "bad" };
  }
  if (!online) return { head: t("Offline"), text: t("This device has no network, so requests cannot come. {since}", { since }), look: "bad" };
  if (link.name === "connecting") return { head: t("Connecting …"), text: t("Requests appear once this says “Ready”."), look: "warn" };
  return { head: t("Reconnecting …"), text: t("The gateway does not answer, so requests cannot come. {since}", { since }), look: "warn" };
}

/** The worst of all registrations decides what is said. @param {Shown} shown */
function stands({ accounts, online, settings, again }) {
  const order = ["connected", "connecting", "lost", "refused"];
  const worst = accounts.reduce((one, other) => (order.indexOf(other.link.name) > order.indexOf(one.link.name) ? other : one));
  const { head, text, look } = stateOf(worst.link, online);
  const refused = worst.link.name === "refused";
  return h(
    "section",
    { class: `card stands ${look}`, "aria-labelledby": "stands" },
    h("p", { class: "stands-mark", "aria-hidden": "true" }),
    h("h1", { tabindex: -1, id: "stands" }, head),
    h("p", { role: "status" }, text),
    ["lost", "connecting"].includes(worst.link.name) && look === "bad" && helpAbout("offline"),
    refused && h("p", null, t("It may have been removed by you or your administrator. "), outside(worst.link.why)),
    refused &&
      h(
        "div",
        { class: "stack" },
        button(t("Register again"), "primary block", () => again(worst)),
        button(t("Remove from this device"), "block", () => settings(worst)),
      ),
    accounts.length === 1 && h("p", { class: "soft small" }, outside(worst.name), " · ", outside(host(worst))),
    offClock(worst.caller.ahead),
  );
}

/** A clock that is wrong is named: it does no harm here, but elsewhere. @param {number} ahead */
const offClock = (ahead) =>
  Math.abs(ahead) > CLOCK_S && h("p", { class: "soft small" }, t("This device’s clock is {drift}. Assent goes by the gateway’s.", { drift: drift(ahead) }));

/** @param {Account} account */
const host = ({ registration }) => urlOf(registration.relay)?.host ?? registration.relay;

/** @param {Shown} shown */
function each({ accounts, online, settings }) {
  const item = (/** @type {Account} */ account) => {
    const { head, look } = stateOf(account.link, online);
    return h(
      "li",
      null,
      h("div", { class: "main" }, h("strong", null, outside(account.name)), h("span", { class: "soft small" }, outside(host(account)))),
      h("span", { class: `state ${look}` }, head),
      button(t("Settings"), "quiet", () => settings(account), { "aria-label": t("Settings of {name}", { name: account.name }) }),
    );
  };
  return h(
    "section",
    { class: "card", "aria-labelledby": "accounts" },
    h("h2", { id: "accounts" }, t("Accounts")),
    h("ul", { class: "items" }, ...accounts.map(item)),
  );
}

/** @param {Shown} shown @param {boolean} many */
function pending({ waiting, open }, many) {
  const item = (/** @type {Waiting} */ one) => {
    const { statement } = one.request;
    return h(
      "li",
      null,
      h(
        "button",
        { type: "button", class: "waiting", onclick: () => open(one) },
        h("strong", null, service(statement)),
        h("span", null, outside(statement.host.display), ", ", outside(statement.user), many && ", ", many && outside(one.account.name)),
        h("span", { class: "soft small" }, t("Login id "), h("span", { class: "mono" }, outside(statement.login)), ", ", h("span", { class: "waiting-left" })),
      ),
    );
  };
  const head = counted(waiting.length, "1 request waits", "{count} requests wait", { count: waiting.length });
  return h(
    "section",
    { class: "card", "aria-labelledby": "waiting" },
    h("h2", { id: "waiting" }, head),
    h("ul", { class: "items" }, ...waiting.map(item)),
  );
}

/** @param {Past[]} past @param {() => void} clear */
function recent(past, clear) {
  if (past.length === 0) return h("p", { class: "soft center" }, t("What you answer is listed here. Sign in to a server, and its request appears above."));
  const item = (/** @type {Past} */ one) => {
    const { tag, kind } = BECAME[one.became];
    return h(
      "li",
      null,
      h(
        "div",
        { class: "main" },
        h("span", null, told("{what} on {host}", { what: h("strong", null, one.what), host: outside(one.host) })),
        h("span", { class: "soft small" }, outside(one.user), " · ", shortly(one.at), t(" · Login id "), h("span", { class: "mono" }, outside(one.login))),
      ),
      h("span", { class: `tag ${kind}` }, t(tag)),
    );
  };
  return h(
    "section",
    { class: "stack", "aria-labelledby": "recent" },
    h("div", { class: "row apart" }, h("h2", { id: "recent" }, t("Recent")), button(t("Clear"), "quiet", clear)),
    h("ul", { class: "items card" }, ...past.map(item)),
  );
}

/** Devices that were added since the last look. @param {Account} account @param {{ seen: () => void }} ways */
export function newDevices(account, { seen }) {
  const names = account.registration.news.map((one) => h("strong", null, outside(one.label)));
  const list = names.flatMap((name, at) => (at === 0 ? [name] : [", ", name]));
  return notice(
    "warn",
    names.length === 1 ? t("New device added") : t("New devices added"),
    h("p", null, told("They can approve for {name}: {list}.", { name: outside(account.name), list: h("span", null, ...list) })),
    p(t("If this was not you, remove it at the Register Panel now, change your password, and tell your administrator.")),
    h("div", { class: "row" }, button(t("I know about it"), "", seen)),
  );
}

/** A registration that ends and could not be renewed. @param {Account} account @param {{ ends: number, why: string }} what
 * @param {{ again: () => void }} ways */
export function ending(account, { ends, why }, { again }) {
  return notice(
    "warn",
    t("This registration ends soon"),
    h("p", null, told("For {name} it ends on {day}, and it could not be renewed: {why}.", { name: outside(account.name), day: day(ends), why: outside(why) })),
    p(t("It is tried again by itself. If it stays so, tell your administrator, or register this device again before that day.")),
    h("div", { class: "row" }, button(t("Register again"), "", again)),
  );
}
