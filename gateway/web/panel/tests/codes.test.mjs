// A person's codes at the Register Panel, in real Chromium with the real gateway; the app's codes are oathtool's.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { otherDigits, settles, SOON, World } from "./rig.mjs";
import { scanned } from "./scan.mjs";

/** @typedef {import("./rig.mjs").Desk} Desk */

const CODE = /^\w{4}(-\w{4}){3}$/;

/** @param {Desk} desk @param {string | RegExp} text */
const sees = (desk, text) => desk.page.getByText(text).first().waitFor();
/** @param {Desk} desk @param {string} name */
const press = (desk, name) => desk.page.getByRole("button", { name, exact: true }).click();
/** What stands under "Codes", once the list has come: of the app (0), of recovery codes (1). @param {Desk} desk @param {number} at @param {RegExp} what */
async function keeps(desk, at, what) {
  await settles(async () => what.test((await desk.page.locator(".kept p").allInnerTexts())[at] ?? ""), true, String(what));
}
/** The code that an app shows now. @param {string} secret */
const appCode = (secret) => execFileSync("oathtool", ["--totp", "--base32", secret]).toString().trim();
/** The secret that is to be typed. @param {Desk} desk */
const secretOf = async (desk) => (await desk.page.locator(".groups span").allInnerTexts()).join("");

/** @param {Desk} desk @param {string} code */
async function typeFirst(desk, code) {
  await desk.page.getByLabel("The app’s first code").fill(code);
  await press(desk, "Confirm");
}

/** @param {Desk} desk @returns {Promise<string[]>} */
async function recoveryCodes(desk) {
  await desk.heading("Your recovery codes");
  const codes = await desk.page.locator(".recovery li").allInnerTexts();
  assert.ok(codes.length === 10 && new Set(codes).size === 10 && codes.every((code) => CODE.test(code)), codes.join(" "));
  return codes;
}

/** Signed in, with a device. @param {World} world @param {string} user */
async function withDevice(world, user) {
  const desk = await world.desk();
  await desk.signIn(user);
  const phone = await desk.register("Phone");
  await desk.heading("Registered");
  await phone.ready();
  await desk.visit();
  return { desk, phone };
}

describe("codes", () => {
  /** @type {World} */
  let world;
  before(async () => void (world = await World.start()));
  after(() => world.stop());

  test("an app is set up after an approval, by its QR code or by hand, counts from its first code, and is removed by another approval", async () => {
    const { desk, phone } = await withDevice(world, "alice");
    await press(desk, "Set up an authenticator app");
    await desk.heading("Approve it on your device");
    await sees(desk, "“set up an authenticator app for your codes”");
    await phone.page.getByText("set up an authenticator app for your codes").first().waitFor();
    assert.equal(await desk.page.locator(".code").count(), 0, "nothing of it before the approval");
    await phone.approve();
    await phone.page.getByRole("button", { name: "Done" }).click();
    await desk.heading("Set up your authenticator app");
    const groups = await desk.page.locator(".groups span").allInnerTexts();
    assert.ok(groups.length >= 6 && groups.every((group) => /^[A-Z2-7]{1,4}$/.test(group)), groups.join(" "));
    const read = await scanned(world.browser, await desk.page.locator(".code").screenshot());
    assert.ok(read !== undefined && read.startsWith("otpauth://totp/"), read);
    assert.equal(new URL(read).searchParams.get("secret"), groups.join(""));
    await sees(desk, "account “Assent:alice”");
    await typeFirst(desk, "12");
    await sees(desk, "Type all six digits.");
    await typeFirst(desk, otherDigits(appCode(groups.join(""))));
    await sees(desk, "This is not the app's code; is the phone's clock right?");
    await typeFirst(desk, appCode(groups.join("")).replace(/^.../, "$& "));
    await sees(desk, "Your authenticator app is set up.");
    await desk.heading("Your devices");
    await keeps(desk, 0, /^Set up \d/);
    assert.equal(await desk.page.locator(".groups, .code").count(), 0, "its secret is gone from the page");
    assert.ok(!world.log.includes(groups.join("")), "nor is it in the log");

    await press(desk, "Remove the authenticator app");
    await press(desk, "Remove");
    await phone.page.getByText("remove your authenticator app for codes").first().waitFor();
    await phone.approve();
    await sees(desk, "Your authenticator app is removed.");
    await keeps(desk, 0, /^None\./);
  });

  test("three wrong first codes end a set-up, and it can be started again", async () => {
    const desk = await world.desk();
    await desk.signIn("bob");
    await press(desk, "Set up an authenticator app");
    await desk.heading("Set up your authenticator app");
    const first = await secretOf(desk);
    for (const words of ["This is not the app's code", "This is not the app's code", "Three codes were wrong"]) {
      await typeFirst(desk, otherDigits(appCode(first)));
      await sees(desk, words);
    }
    await desk.heading("This code is over");
    await press(desk, "Start again");
    await desk.heading("Set up your authenticator app");
    assert.notEqual(await secretOf(desk), first);
  });

  test("a refusal says why, over the list as it is now", async () => {
    const desk = await world.desk();
    await desk.signIn("bob");
    const other = await desk.context.newPage();
    await other.goto(`${world.url}/panel/`);
    const old = other.getByRole("button", { name: "Set up an authenticator app" });
    await old.waitFor();
    await press(desk, "Set up an authenticator app");
    await desk.heading("Set up your authenticator app");
    await typeFirst(desk, appCode(await secretOf(desk)));
    await sees(desk, "Your authenticator app is set up.");
    await old.click();
    await other.getByText("You have an authenticator app already; remove it first.").waitFor();
    await other.getByRole("button", { name: "Remove the authenticator app" }).waitFor();
  });

  test("recovery codes are shown once, copied, and replaced only after a question", async () => {
    const desk = await world.desk();
    await desk.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await desk.signIn("carol");
    await press(desk, "Make recovery codes");
    const codes = await recoveryCodes(desk);
    await sees(desk, "They are shown this once.");
    await press(desk, "Copy codes");
    await sees(desk, "Copied");
    assert.equal(await desk.page.evaluate(() => navigator.clipboard.readText()), codes.join("\n"));
    await press(desk, "I have stored them");
    await desk.heading("Your devices");
    await keeps(desk, 1, /^10 of 10 left/);
    for (const reload of [false, true]) {
      if (reload) await desk.visit();
      await sees(desk, "10 of 10 left");
      const page = await desk.page.content();
      assert.ok(codes.every((code) => !page.includes(code)), "shown once");
    }
    assert.ok(codes.every((code) => !world.log.includes(code)), "nor in the log");

    await press(desk, "Make new recovery codes");
    await press(desk, "Keep");
    await settles(() => desk.page.locator("dialog").count(), 0);
    await desk.heading("Your devices");
    await press(desk, "Make new recovery codes");
    await press(desk, "Make new ones");
    const more = await recoveryCodes(desk);
    assert.ok(more.every((code) => !codes.includes(code)));
    await press(desk, "I have stored them");
    await press(desk, "Remove the recovery codes");
    await press(desk, "Remove");
    await sees(desk, "Your recovery codes are removed.");
    await keeps(desk, 1, /^None\./);
  });

  test("on paper stand the recovery codes, whose, where, when, and nothing else", async () => {
    const desk = await world.desk();
    await desk.signIn("bob");
    await press(desk, "Make recovery codes");
    const codes = await recoveryCodes(desk);
    await desk.page.evaluate(() => (window.print = () => void (document.body.dataset["printed"] = "yes")));
    await press(desk, "Print");
    assert.equal(await desk.page.locator("body").getAttribute("data-printed"), "yes");
    await desk.page.emulateMedia({ media: "print" });
    const lines = (await desk.page.locator("body").innerText()).split("\n").filter((line) => line !== "");
    const today = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" }).format();
    assert.deepEqual(lines, [`bob, ${new URL(world.url).host}, ${today}`, ...codes]);
    const seen = await desk.page.locator(".panel > .bar, h1, .notice, .button, .skip").evaluateAll((all) =>
      all.filter((one) => one.checkVisibility()).map((one) => one.className));
    assert.deepEqual(seen, []);
  });

  test("recovery codes that are stored leave the page, even where the list does not come", async () => {
    const desk = await world.desk();
    await desk.signIn("bob");
    await press(desk, "Make new recovery codes");
    await press(desk, "Make new ones");
    await recoveryCodes(desk);
    await desk.context.setOffline(true);
    await press(desk, "I have stored them");
    await sees(desk, "The panel does not answer.");
    assert.equal(await desk.page.locator(".recovery").count(), 0);
  });

  test("codes by SMS and mail say where they go, by the directory; codes typed lately stand below", async () => {
    const desk = await world.desk();
    await desk.signIn("frank");
    await keeps(desk, 2, /^To …42, as the directory has it\./);
    await keeps(desk, 3, /^The directory has no mail address of yours\.$/);
    assert.ok(!(await desk.page.content()).includes("1701234542"));
    assert.equal(await desk.page.getByRole("heading", { name: "Codes typed lately" }).count(), 0);
    const link = await world.link("frank");
    const other = await world.desk();
    await other.visit(link);
    await press(other, "Sign in once");
    await other.heading("Your devices");
    await keeps(other, 2, /^Sign in with your password to see/);
  });

  test("an answer that is lost is asked for again, and what is shown counts", async () => {
    const desk = await world.desk();
    await desk.signIn("frank");
    let lost = 0;
    await desk.page.route(/\/carry-out$/, async (route) => {
      if (lost > 1) return route.continue();
      lost += 1;
      // It is carried out; its answer does not arrive.
      await route.fetch();
      return route.abort();
    });
    await press(desk, "Make recovery codes");
    const codes = await recoveryCodes(desk);
    assert.equal(lost, 2);
    await press(desk, "I have stored them");
    await keeps(desk, 1, /^10 of 10 left/);
    assert.equal(codes.length, 10);
    await press(desk, "Remove the recovery codes");
    await press(desk, "Remove");
    await sees(desk, "Your recovery codes are removed.");
  });

  test("a change that is denied on the device changes nothing, and can be asked for again", async () => {
    const { desk, phone } = await withDevice(world, "erin");
    await press(desk, "Make recovery codes");
    await desk.heading("Approve it on your device");
    await phone.page.getByText("make new recovery codes").first().waitFor();
    await phone.page.getByRole("button", { name: "Deny" }).click();
    await phone.page.getByRole("button", { name: "Done" }).click();
    await desk.heading("Not approved");
    await sees(desk, "It was denied on your device, or nobody answered there in time.");
    await press(desk, "Ask again");
    await desk.heading("Approve it on your device");
    await phone.approve();
    await recoveryCodes(desk);
  });

  test("a page that waits for an approval says that the panel does not answer", async () => {
    const { desk } = await withDevice(world, "carol");
    await press(desk, "Set up an authenticator app");
    await desk.heading("Approve it on your device");
    await desk.context.setOffline(true);
    await sees(desk, "The panel does not answer.");
    await desk.context.setOffline(false);
    await settles(() => desk.page.getByText("The panel does not answer.").count(), 0);
    await desk.heading("Approve it on your device");
  });

  test("not me on the asked device ends the session, and then no change of codes is offered", async () => {
    const { desk, phone } = await withDevice(world, "frank");
    await press(desk, "Set up an authenticator app");
    await desk.heading("Approve it on your device");
    await phone.page.getByRole("button", { name: "This was not me" }).click();
    await desk.heading("Sign in");
    await desk.signIn("frank");
    await sees(desk, "No codes can be set up or removed while your account is frozen.");
    assert.equal(await desk.page.locator(".kept button, #lifting").count(), 0);
  });

  test("whoever has recovery codes lifts their own freeze with one of them, and has one less", async () => {
    const desk = await world.desk();
    await desk.signIn("dave");
    await press(desk, "Make recovery codes");
    const [code = ""] = await recoveryCodes(desk);
    const phone = await desk.register("Phone");
    await desk.heading("Registered");
    await phone.ready();
    await desk.visit();
    await press(desk, "Remove the recovery codes");
    await press(desk, "Remove");
    await phone.page.getByRole("button", { name: "This was not me" }).click();
    await desk.heading("Sign in");
    await desk.signIn("dave");
    const lift = desk.page.getByLabel("A code, to lift the freeze");
    for (const [typed, words] of [["", "Type a code."], ["AAAA-BBBB-CCCC-DDDD", "The code is wrong, or was used before."]]) {
      await lift.fill(typed ?? "");
      await press(desk, "Lift the freeze");
      await sees(desk, words ?? "");
    }
    await lift.fill(code);
    await press(desk, "Lift the freeze");
    await sees(desk, "Your account is not frozen any more.");
    await desk.page.getByRole("button", { name: "Make new recovery codes" }).waitFor();
    await keeps(desk, 1, /^9 of 10 left/);
    // Both that were typed here, the newer one first.
    await desk.page.getByRole("heading", { name: "Codes typed lately" }).waitFor();
    const typed = await desk.page.locator("[aria-labelledby=typed] .kept").allInnerTexts();
    assert.match(typed[0] ?? "", /^Code from the recovery list\s+.*, at this panel$/);
    assert.match(typed[1] ?? "", /^Wrong code, as from the recovery list\s+.*, at this panel$/);
  });
});

test("whoever must register a device first is told so, and is offered no codes", { timeout: 4 * SOON }, async () => {
  const world = await World.start({ mode: "admin" });
  try {
    const desk = await world.desk();
    await desk.signIn("alice");
    await sees(desk, "Register a device first.");
    assert.equal(await desk.page.locator(".kept button").count(), 0);
  } finally {
    await world.stop();
  }
});

test("a panel without a code service says nothing of codes", { timeout: 4 * SOON }, async () => {
  const world = await World.start({ codes: false });
  try {
    const desk = await world.desk();
    await desk.signIn("alice");
    await sees(desk, "You have no device yet");
    assert.equal(await desk.page.getByRole("heading", { name: "Codes" }).count(), 0);
  } finally {
    await world.stop();
  }
});
