// The devices of the person who is signed in: list, name, remove; and, below them, their codes.

import { get, post, Problem } from "/assets/api.js";
import { typedLately } from "/assets/codes-recent.js";
import { codes, standing } from "/assets/codes.js";
import { button, carry, field, focusHeading, h, heading, helpAbout, notice, p, say, show, submits } from "/assets/dom.js";
import { t, told } from "/assets/lang.js";
import { report, signedIn } from "/assets/session.js";
import { countdown, day, glance, moment, sentence } from "/assets/words.js";

/** @typedef {{ id: string, label: string, shown: string, since: number, until: number, key: string, heard?: number, removing: boolean }} Device */
/** @typedef {{ may: "first" } | { may: "further", devices: number } | { may: "no", why: string, command?: string }} Add */
/** @typedef {{ devices: Device[], add: Add }} Devices */
/** @typedef {{ removal: "done" } | { removal: "needs_approval", left: number }} Removal */

const LOOK_EVERY = 2000;

/** Who is signed in. */
let person = "";

/** Lists them anew; `focus` is the id of what then has the focus. @param {string} [focus] */
async function list(focus) {
  /** @type {[Devices, import("/assets/codes.js").Standing | null, { administers: boolean }]} */
  const [{ devices, add }, kept, { administers }] = await Promise.all([get("devices"), standing(), get("overview")]);
  const only = devices.length === 1;
  const byCode = kept !== null && (kept.totp !== undefined || (kept.recovery ?? 0) > 0);
  const below = kept !== null && codes(kept, { may: mayChangeCodes(devices, add), person, home });
  // Whoever has nothing yet has a first step to take, and nothing to look back at.
  const begun = devices.length > 0 || byCode;
  const lately = kept !== null && (begun || kept.recent.length > 0) && typedLately(kept.recent);
  const all = administers && h("div", { class: "row" }, h("a", { class: "button", href: "/panel/overview" }, t("Overview of everybody")));
  if (devices.length === 0) show(nobody(add), below, lately, all);
  else {
    const items = h("ul", { class: "items" }, ...devices.map((device) => item(device, only, byCode)));
    show(h("section", { class: "card", "aria-label": t("Registered devices") }, items), more(add), below, lately, all);
  }
  const next = focus === undefined ? null : document.getElementById(focus);
  if (focus !== undefined) (next ?? document.querySelector("h1"))?.focus();
}

/** Back from the codes, with what came of it. @param {Node} said */
async function home(said) {
  heading(t("Your devices"));
  // Secrets go at once, whenever the list comes.
  show();
  say(said);
  try {
    await list();
    focusHeading();
  } catch (problem) {
    report(problem);
  }
}

/**
 * Whether to offer changes of codes: a device approves them, or they go by the rule for first devices.
 * @param {Device[]} devices @param {Add} add @returns {import("/assets/codes.js").May}
 */
function mayChangeCodes(devices, add) {
  if (add.may === "no" && add.why === "frozen") return "frozen";
  return devices.length > 0 || add.may === "first" ? "yes" : "device first";
}

/** Nothing registered yet. @param {Add} add */
function nobody(add) {
  if (add.may === "no") return refusal(add, t("You have no device yet."));
  return h(
    "section",
    { class: "card" },
    h("h2", null, t("You have no device yet")),
    p(t("Register your phone, and it will ask you before anybody signs in to a server in your name.")),
    h(
      "ol",
      { class: "steps" },
      h("li", null, t("Take your phone to hand and press the button below: this page then shows a code.")),
      h("li", null, t("Scan it with the phone, and press “Register this device” there.")),
      h("li", null, t("Type the six digits that the phone shows into this page.")),
    ),
    h("div", { class: "row" }, h("a", { class: "button primary", href: "/panel/add" }, t("Register your first device")), helpAbout("start")),
  );
}

/** The way to another one. @param {Add} add */
function more(add) {
  if (add.may === "no") return refusal(add, "");
  return h(
    "div",
    { class: "stack tight" },
    h("div", { class: "row" }, h("a", { class: "button primary", href: "/panel/add" }, t("Add a device"))),
    add.may === "further" && p(t("A further device must be approved on one that you have."), "soft small"),
  );
}

/** Why none can be added. @param {{ why: string, command?: string }} add @param {string} head */
function refusal({ why, command }, head) {
  if (why === "too_many_devices") {
    return notice("", t("You have as many devices as one may have."), p(t("Remove one before you add another.")));
  }
  if (why === "frozen") {
    const text = t("Nothing can be changed here for ten minutes. Change your password first: somebody else may know it.");
    return notice("warn", t("One of your devices reported that it was not you."), p(text));
  }
  const where = t(why === "on_the_terminal" ? "Register it in a terminal" : "Register it with a one-time link");
  const text =
    why === "on_the_terminal"
      ? t("Here, first devices are registered in the terminal of a server. Ask an administrator to type this there, as root, while you are beside them with your phone:")
      : t("A first device needs a one-time link. Ask your administrator to make you one: they type this on a server, as root, and send you what it prints.");
  return h(
    "section",
    { class: "card" },
    h("h2", null, head === "" ? t("Adding a device") : `${head} ${where}`),
    p(text),
    command !== undefined && carry(command, "Copy command"),
    h("div", { class: "row" }, helpAbout("start")),
  );
}

/** @param {Device} device @param {boolean} only @param {boolean} byCode whether the person has codes */
function item(device, only, byCode) {
  const row = h("li", { class: "device" });
  const rename = button(t("Rename"), "quiet", () => row.replaceChildren(renaming(device, restore)), {
    id: `rename-${device.id}`,
    "aria-label": t("Rename {shown}", { shown: device.shown }),
  });
  const remove = button(t("Remove"), "quiet danger", () => removing(device, only, byCode), {
    "aria-label": t("Remove {shown}", { shown: device.shown }),
  });
  const since = t("Registered {since}", { since: day(device.since) });
  const opened = device.heard === undefined ? "" : `, ${t("last opened {day}", { day: day(device.heard) })}`;
  const draw = () =>
    row.replaceChildren(
      h("div", { class: "main" }, h("span", { class: "label" }, device.shown), p(since + opened, "soft small")),
      h("div", { class: "acts" }, rename, remove),
      facts(device),
    );
  const restore = () => {
    draw();
    rename.focus();
  };
  draw();
  return row;
}

/** @param {Device} device */
function facts({ since, until, key }) {
  /** @type {[string, string, string?][]} */
  const rows = [
    [t("Registered"), moment(since)],
    [t("Renews before"), moment(until)],
    [t("Fingerprint"), key, "mono"],
  ];
  const list = rows.map(([name, value, look]) => h("div", null, h("dt", null, name), h("dd", { class: look }, value)));
  return h("details", null, h("summary", null, t("Details")), h("dl", { class: "facts" }, ...list));
}

/** @param {Device} device @param {() => void} restore */
function renaming(device, restore) {
  const name = field(`name-${device.id}`, t("Name of the device"), {
    value: device.label,
    maxlength: 60,
    autocomplete: "off",
    required: true,
  });
  const send = async () => {
    if (name.box.value.trim() === "") {
      name.wrong(t("A name has 1 to 60 characters."));
      return name.box.focus();
    }
    try {
      /** @type {{ label: string, shown: string }} */
      const { shown } = await post(`devices/${device.id}/rename`, { label: name.box.value });
      say(notice("good", t("The device is now called “{shown}”.", { shown })));
      await list(`rename-${device.id}`);
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.code !== "label") return report(problem);
      name.wrong(problem.message);
    }
  };
  const form = h(
    "form",
    {
      novalidate: true,
      onsubmit: submits(send),
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && restore(),
    },
    name.all,
    h("div", { class: "pair" }, h("button", { type: "submit", class: "button primary" }, t("Save")), button(t("Cancel"), "", restore)),
  );
  queueMicrotask(() => name.box.select());
  return form;
}

/** Asks before it removes. Another device approves it, or a code does. @param {Device} device @param {boolean} only
 * @param {boolean} byCode */
function removing(device, only, byCode) {
  const dialog = h("dialog", { "aria-labelledby": "removing" });
  const close = () => dialog.close();
  const keep = button(t("Keep it"), "", close, { autofocus: true });
  const wrong = h("div", { role: "alert" });
  const gone = async () => {
    dialog.close();
    say(notice("good", t("“{shown}” is removed.", { shown: device.shown }), p(t("It can approve nothing any more."))));
    await list("heading");
  };
  const ask = (/** @type {boolean} */ lost) => async () => {
    for (const one of [really, lostIt]) one.disabled = true;
    try {
      /** @type {Removal} */
      const became = await post(`devices/${device.id}/remove`, { lost });
      if (became.removal === "done") return await gone();
      waitFor(became.left, lost);
    } catch (problem) {
      for (const one of [really, lostIt]) one.disabled = false;
      if (!(problem instanceof Problem)) throw problem;
      if (problem.code === "no_session") return report(problem);
      wrong.replaceChildren(notice("bad", t("It is not removed."), p(problem.message)));
      if (byCode) wrong.append(withCode(device, lost, gone));
    }
  };
  const really = button(t("Remove"), "danger primary", ask(false));
  const lostIt = button(t("It is lost"), "danger", ask(true));
  const body = h(
    "div",
    { class: "stack" },
    h("h2", { id: "removing", title: device.shown }, t("Remove “{shown}”?", { shown: glance(device.shown) })),
    p(t("It will approve no sign-in of yours any more.")),
    only
      ? notice(
          "warn",
          t("It is your only device."),
          p(t("It must approve its own removal. Then you need an administrator’s help to register another one.")),
        )
      : p(t("Another device of yours approves that.")),
    wrong,
    h("div", { class: "pair acts" }, keep, really),
    // Nobody can approve on a device that is lost, if it is the only one.
    (!only || byCode) && h("div", { class: "row" }, only ? button(t("It is lost"), "danger", () => body.replaceChildren(...lostAlone())) : lostIt),
  );
  const lostAlone = () => [
    h("h2", { id: "removing", tabindex: "-1", title: device.shown }, t("“{shown}” is lost", { shown: glance(device.shown) })),
    p(t("It is your only device. A code removes it; then you need an administrator’s help to register another one.")),
    withCode(device, true, gone),
    h("div", { class: "row" }, button(t("Keep it"), "", close)),
  ];
  /** A device is asked. @param {number} left @param {boolean} lost */
  const waitFor = (left, lost) => {
    const rest = h("span", { class: "left" });
    const stop = countdown(rest, left, () => {});
    dialog.addEventListener("close", stop);
    body.replaceChildren(
      h("h2", { id: "removing", tabindex: "-1", title: device.shown }, only ? t("Approve it on “{shown}”", { shown: glance(device.shown) }) : t("Approve it on another device")),
      p(t("A request to remove it is shown there. Approve it, and this page goes on by itself.")),
      h("p", { class: "state warn" }, h("span", null, told("Waiting, {time} left", { time: rest }))),
      h("div", { class: "row" }, button(t("Close"), "", close)),
    );
    if (byCode) body.append(withCode(device, lost, gone));
    body.querySelector("h2")?.focus();
    const look = async () => {
      if (!dialog.open) return;
      try {
        /** @type {Devices} */
        const { devices } = await get("devices");
        const now = devices.find(({ id }) => id === device.id);
        if (now === undefined) return await gone();
        if (!now.removing) return refused();
      } catch (problem) {
        if (problem instanceof Problem && problem.code === "no_session") return report(problem);
      }
      setTimeout(look, LOOK_EVERY);
    };
    const refused = () => {
      dialog.close();
      say(notice("warn", t("“{shown}” is still registered.", { shown: device.shown }), p(t("Its removal was refused, or not approved in time. If you have no other device at hand, ask your administrator to revoke it.")), h("div", { class: "row" }, helpAbout("lost"))));
    };
    setTimeout(look, LOOK_EVERY);
  };
  dialog.append(body);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** A code in the place of a device's approval. @param {Device} device @param {boolean} lost @param {() => Promise<void>} gone */
function withCode(device, lost, gone) {
  const code = field(
    "removing-code",
    t("No device at hand? A code removes it, too"),
    { autocomplete: "one-time-code", maxlength: 40, required: true },
    t("Six digits of your authenticator app, or a recovery code."),
  );
  const send = async () => {
    const typed = code.box.value.trim();
    if (typed === "") return code.wrong(t("Type a code."));
    try {
      await post(`devices/${device.id}/remove`, { lost, code: typed });
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.code === "no_session") return report(problem);
      // That text is about a new device's digits.
      return code.wrong(problem.code === "digits" ? t("This is no code.") : sentence(problem.message));
    }
    await gone();
  };
  code.box.addEventListener("input", () => code.wrong(""));
  return h(
    "form",
    { class: "digits-form", novalidate: true, onsubmit: submits(send) },
    code.all,
    h("div", { class: "row" }, h("button", { type: "submit", class: "button primary" }, t("Remove with the code"))),
  );
}

await signedIn(async (now) => {
  person = now.name;
  if (now.by === "link") {
    say(notice("", t("You are signed in as {name} by a one-time link.", { name: now.name }), p(t("If that is not your name, sign out and tell your administrator."))));
  }
  await list();
});
