// One request: every detail, then the number, then the buttons (R8). Nothing here has the focus but the heading. Approve
// takes deliberate presses alone; Deny and Not me work at once (R9).

import { grouped } from "/assets/account.js";
import { named } from "/assets/cert.js";
import { command } from "/assets/command.js";
import { button, fact, h, notice, once, outside, p } from "/assets/dom.js";
import { t } from "/assets/lang.js";
import { unlock } from "/assets/lock.js";
import { ENROL_SERVICE, maySign, takesPasskey } from "/assets/request.js";
import { Steady } from "/assets/steady.js";
import { visible } from "/assets/text.js";
import { lasting, moment, origin, sameDay, service, time } from "/assets/words.js";

/** @import { Waiting } from "/assets/desk.js" */
/** @import { Decision, Proof, Statement } from "/assets/request.js" */
/** @import { Screen } from "/assets/screen-welcome.js" */

/**
 * @param {{ waiting: Waiting, position: () => string, account: string | null,
 *   answer: (decision: Decision, proof: Proof) => void, later: () => void }} shown
 * @returns {Screen & { recount: () => void }}
 */
export function request({ waiting, position, account, answer, later }) {
  const { statement } = waiting.request;
  const steady = new Steady();
  const buttons = decisions(waiting, steady, answer);
  const { rows, folded } = command(statement, () => {
    steady.moved();
    buttons.opened();
  });
  if (folded) buttons.fold();
  const left = h("span", { class: "left" });
  const place = h("p", { class: "soft small place" });
  const enrol = statement.svc === ENROL_SERVICE;
  const node = h(
    "div",
    { class: "stack request" },
    place,
    h(
      "div",
      { class: "request-head" },
      h("h1", { tabindex: -1 }, service(statement)),
      !enrol && h("p", { class: "soft mono" }, h("span", { class: "unseen" }, t("Service: ")), outside(statement.svc)),
      h("p", { class: "soft small ask" }, enrol ? t("Approve only if you asked for this yourself just now, and the same digits are on that screen.") : t("Approve only what you started yourself, just now.")),
    ),
    h("div", { class: "card" }, ...(enrol ? [devices(statement, account, left)] : details(statement, account, rows, left))),
    buttons.node,
    h("div", { class: "row later" }, button(t("Decide later"), "quiet", later), button(t("Help"), "quiet", () => {}, { "data-help": "request" })),
  );
  const tick = () => {
    left.textContent = lasting(waiting.ends.left());
  };
  const recount = () => {
    place.textContent = position();
  };
  const seen = () => steady.moved();
  document.addEventListener("visibilitychange", seen);
  // What lay over the buttons is gone.
  document.addEventListener("close", seen, { capture: true });
  tick();
  recount();
  return {
    title: service(statement),
    node,
    tick,
    recount,
    urgent: true,
    leave: () => {
      document.removeEventListener("visibilitychange", seen);
      document.removeEventListener("close", seen, { capture: true });
    },
  };
}

/** What is asked, beside how it came about; and what few people need, folded, and still before the buttons.
 * @param {Statement} statement @param {string | null} account @param {Node[]} command @param {Node} left */
function details(statement, account, command, left) {
  const { host, user, target_user, ruser, cwd, tty, src, first, login, app, level, iat } = statement;
  const { address, place, novelty } = origin(src);
  const optional = (/** @type {string} */ name, /** @type {string | undefined} */ value, look = "") =>
    value === undefined ? [] : [fact(name, h("span", { class: look }, outside(value)))];
  const strong = (/** @type {string} */ text) => h("strong", { class: "large" }, outside(text));
  const facts = (/** @type {HTMLElement[]} */ ...rows) => h("dl", { class: "facts request-facts" }, ...rows);
  const what = facts(
    fact(t("Login id"), h("strong", { class: "mono large" }, outside(login))),
    ...(account === null ? [] : [fact(t("Account"), outside(account))]),
    fact(t("Host"), strong(host.display)),
    fact(t("User"), strong(user)),
    ...(target_user === undefined ? [] : [fact(t("Becomes"), strong(target_user))]),
    ...optional(t("Asked by"), ruser === user ? undefined : ruser),
    ...(/** @type {HTMLElement[]} */ (command)),
    ...optional(t("Directory"), cwd, "mono"),
    ...optional(t("Terminal"), tty, "mono"),
  );
  const how = facts(
    fact(
      t("From"),
      h("span", { class: src && "mono" }, address),
      place !== null && `, ${place}`,
      novelty !== null && h("strong", { class: "new" }, ` ${novelty}`),
    ),
    fact(t("Asked"), sameDay(iat) ? time(iat) : moment(iat), h("span", { class: "soft small" }, t(", by the host’s clock"))),
    fact(t("Time left"), left),
    fact(t("Passed"), ...(first.length === 0 ? [t("nothing before this")] : [outside(first.join(", "))])),
  );
  const more = h(
    "details",
    { class: "more" },
    h("summary", null, t("Details")),
    facts(
      fact(t("Approves as"), h("span", { class: "mono" }, outside(named(statement.identity)))),
      fact(t("Application"), outside(app)),
      fact(t("Host id"), h("span", { class: "mono" }, grouped(host.id).slice(0, 3).join(" "), " …")),
      fact(t("Level"), level),
    ),
  );
  return [h("div", { class: "sides" }, what, how), more];
}

/** A line above a row. @param {HTMLElement} row */
function divided(row) {
  row.classList.add("divided");
  return row;
}

/** The registrar's own question. @param {Statement} statement @param {string | null} account @param {Node} left */
function devices({ cmd, user, first, iat, login, host }, account, left) {
  const labels = cmd?.args ?? [];
  return h(
    "dl",
    { class: "facts request-facts" },
    fact(t("Login id"), h("strong", { class: "mono large" }, outside(login))),
    ...(account === null ? [] : [fact(t("Account"), outside(account))]),
    h(
      "div",
      { class: "wide" },
      h("dt", null, t("What is asked")),
      h("dd", { class: "sentence" }, h("strong", null, outside(cmd?.resolved ?? t("nothing is said")))),
    ),
    ...labels.map((label) => fact(t("Its name"), h("strong", null, outside(label)))),
    fact(t("User"), h("strong", null, outside(user))),
    divided(fact(t("From"), outside(host.display), t(", the registrar of this gateway"))),
    fact(t("Proven"), ...(first.length === 0 ? [t("nothing is said")] : [outside(first.join(", "))])),
    fact(t("Asked"), moment(iat), h("br"), h("span", { class: "soft small" }, t("by the registrar’s clock"))),
    fact(t("Time left"), left),
  );
}

/**
 * The number, if the level asks one, and the buttons. `fold` and `opened` say how the command stands.
 * @param {Waiting} waiting @param {Steady} steady
 * @param {(decision: Decision, proof: Proof) => void} answer
 */
function decisions({ account, request }, steady, answer) {
  const { level, digits } = request.statement;
  const takes = takesPasskey(request.statement);
  const able = !takes || account.device.claims.passkey !== undefined;
  let closed = false;
  const why = h("p", { class: "why small", id: "why", role: "status" });
  const input = h("input", {
    class: "input number",
    id: "number",
    type: "text",
    inputmode: "numeric",
    pattern: "[0-9]*",
    maxlength: digits + 3,
    autocomplete: "off",
    "aria-describedby": "number-hint",
    oninput: () => recheck(),
  });
  const number = () => (level === "number" ? input.value.replaceAll(/\s/g, "") : undefined);
  const complete = () => level === "passkey" || maySign({ level, digits, lock: undefined }, "approve", { num: number() });
  const approve = button(
    takes ? t("Approve with the passkey") : t("Approve"),
    "primary large block",
    (event) => {
      if (!steady.deliberate(event)) why.textContent = t("That press came too soon after the screen changed. Press again.");
      else if (closed || !complete()) return;
      else void asked();
    },
    { id: "approve", "aria-describedby": level === "number" ? "number-hint why" : "why" },
  );
  /** @returns {Promise<Proof>} */
  const proof = async () => {
    // What was typed when it was pressed.
    const num = number();
    if (takes) return { num, passkey: await account.usePasskey(request) };
    await unlock();
    return { num };
  };
  // The browser's own dialog asks, if any; what is refused there is no answer to the request.
  const asked = once(async () => {
    approve.disabled = true;
    why.textContent = takes ? t("Your device asks you …") : "";
    try {
      answer("approve", await proof());
    } catch (error) {
      approve.disabled = false;
      why.textContent = t("{message}. Nothing was sent.", { message: visible(error instanceof Error ? error.message : "The passkey was not used") });
    }
  });
  steady.watch(approve);
  const recheck = () => {
    approve.disabled = closed || !complete();
    why.textContent = closed ? t("Open the whole command above first.") : "";
  };
  recheck();
  const field = h(
    "div",
    { class: "number-field" },
    h(
      "div",
      null,
      h("label", { for: "number", class: "label" }, t("Number on the terminal that asks")),
      h("p", { class: "soft small", id: "number-hint" }, t("{digits} digits. Nobody may tell you them.", { digits })),
    ),
    input,
  );
  const passkey = notice(
    "warn",
    t("This needs a passkey"),
    p(t("The host asks for a passkey, and this device was registered without one. You can only refuse here. To approve, register it anew with a passkey.")),
  );
  const node = h(
    "div",
    { class: "stack decisions" },
    level === "number" && field,
    !able && passkey,
    able && h("div", { class: "approve" }, approve, why),
    h(
      "div",
      { class: "two" },
      button(t("Deny"), "large", () => answer("deny", {}), { id: "deny" }),
      button(t("This was not me"), "danger large", () => answer("report", {}), { id: "report" }),
    ),
  );
  return {
    node,
    fold: () => {
      closed = true;
      recheck();
    },
    opened: () => {
      closed = false;
      recheck();
    },
  };
}
