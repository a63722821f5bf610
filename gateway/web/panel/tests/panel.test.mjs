// The Register Panel in real Chromium: real gateway, real registrar, real authenticator.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { otherDigits, PASSWORD, settles, SOON, World } from "./rig.mjs";

/** @typedef {import("./rig.mjs").Desk} Desk */

/** @param {Desk} desk @param {string | RegExp} text */
const sees = (desk, text) => desk.page.getByText(text).first().waitFor();
/** @param {Desk} desk @param {string} name */
const press = (desk, name) => desk.page.getByRole("button", { name, exact: true }).click();

describe("mode directory", () => {
  /** @type {World} */
  let world;
  before(async () => void (world = await World.start()));
  after(() => world.stop());

  test("a person signs in, registers a first device by its digits, and a second one by an approval on the first", async () => {
    const desk = await world.desk();
    await desk.signIn("alice");
    await sees(desk, "You have no device yet");
    const first = await desk.register("Pixel 8");
    await desk.heading("Registered");
    await first.ready();
    const second = await desk.register("Tablet");
    await desk.heading("Approve it on your other device");
    await first.approve();
    await desk.heading("Registered");
    await second.ready();
    await desk.visit();
    await settles(async () => (await desk.page.locator(".device .label").allInnerTexts()).sort(), ["Pixel 8", "Tablet"]);
  });

  test("r31 a wrong password and an unknown name read the same, and empty the password alone", async () => {
    const desk = await world.desk();
    const words = [];
    /** @type {[string, string][]} */
    const tries = [["bob", "wrong"], ["nobody", PASSWORD]];
    for (const [user, password] of tries) {
      await desk.signIn(user, password + " ");
      await sees(desk, "You are not signed in.");
      words.push(await desk.page.locator("form").innerText());
      await settles(() => desk.page.getByLabel("Password").inputValue(), "");
      await settles(() => desk.page.getByLabel("User name").inputValue(), user);
      await settles(() => desk.page.getByLabel("Password").evaluate((box) => box === document.activeElement), true);
    }
    assert.equal(words[0], words[1]);
  });

  test("r75 the session's cookie is out of reach for scripts and other sites, and new at each sign-in", async () => {
    const desk = await world.desk();
    await desk.signIn("bob");
    const [cookie, ...more] = await desk.context.cookies();
    assert.deepEqual(more, []);
    assert.ok(cookie);
    const { name, httpOnly, secure, sameSite, path, expires } = cookie;
    assert.deepEqual(
      { name, httpOnly, secure, sameSite, path, expires },
      { name: "__Host-assent-panel", httpOnly: true, secure: true, sameSite: "Strict", path: "/", expires: -1 },
    );
    assert.equal(await desk.page.evaluate(() => document.cookie), "");
    await press(desk, "Sign out");
    await desk.heading("Sign in");
    await settles(() => desk.context.cookies(), [], "signing out takes it away");
    await desk.signIn("bob");
    assert.notEqual((await desk.context.cookies())[0]?.value, cookie.value);
  });

  test("wrong digits say how many tries are left, and after the third a new code is offered", async () => {
    const desk = await world.desk();
    await desk.signIn("bob");
    const phone = await desk.bring("Phone");
    await sees(desk, "A device came: “Phone”.");
    const wrong = otherDigits(await phone.digits());
    await desk.page.getByLabel(/six digits/).fill("12");
    await press(desk, "Register it");
    await sees(desk, "Type all six digits.");
    for (const words of ["2 tries are left", "One try is left"]) {
      await desk.type(wrong);
      await sees(desk, words);
    }
    await desk.type(wrong);
    await desk.heading("This code is over");
    await press(desk, "Show a new code");
    await desk.heading("Add a device");
    await desk.page.locator(".code svg").waitFor();
  });

  test("a refusal on the registered device registers nothing", async () => {
    const desk = await world.desk();
    await desk.signIn("carol");
    const first = await desk.register("Phone");
    await desk.heading("Registered");
    await first.ready();
    await desk.register("Other");
    await desk.heading("Approve it on your other device");
    await first.page.getByRole("button", { name: "Deny" }).click();
    await desk.heading("This code is over");
    await sees(desk, "The device was not approved.");
    await desk.visit();
    await sees(desk, "Phone");
    await settles(() => desk.page.locator(".device .label").allInnerTexts(), ["Phone"]);
  });

  test("a device is renamed in place by keyboard alone, and Escape leaves its name", async () => {
    const desk = await world.desk();
    await desk.signIn("carol");
    const { page } = desk;
    await page.getByRole("button", { name: "Rename Phone" }).focus();
    await page.keyboard.press("Enter");
    await page.keyboard.type("Nothing");
    await page.keyboard.press("Escape");
    const rename = page.getByRole("button", { name: "Rename Phone" });
    await rename.waitFor();
    await settles(() => rename.evaluate((button) => button === document.activeElement), true, "the focus comes back");
    await page.keyboard.press("Enter");
    await page.keyboard.type("Carol’s phone");
    await page.keyboard.press("Enter");
    await sees(desk, "The device is now called “Carol’s phone”.");
    const again = page.getByRole("button", { name: "Rename Carol’s phone" });
    await settles(() => again.evaluate((button) => button === document.activeElement), true);
  });

  test("r27 the only device approves its own removal, and is gone once it has", async () => {
    const desk = await world.desk();
    await desk.signIn("dave");
    const phone = await desk.register("Phone");
    await desk.heading("Registered");
    await phone.ready();
    await desk.visit();
    await press(desk, "Remove Phone");
    await sees(desk, "It is your only device.");
    const keep = desk.page.getByRole("button", { name: "Keep it" });
    await settles(() => keep.evaluate((button) => button === document.activeElement), true, "nothing dangerous has the focus");
    await keep.click();
    await settles(() => desk.page.locator("dialog").count(), 0);
    await press(desk, "Remove Phone");
    await press(desk, "Remove");
    await sees(desk, "Approve it on “Phone”");
    await phone.approve();
    await sees(desk, "“Phone” is removed.");
    await sees(desk, "You have no device yet");
  });

  test("a removal that is denied on the device says so at once, and the device stays", async () => {
    const desk = await world.desk();
    await desk.signIn("erin");
    const phone = await desk.register("Phone");
    await desk.heading("Registered");
    await phone.ready();
    await desk.visit();
    await press(desk, "Remove Phone");
    await press(desk, "Remove");
    await sees(desk, "Approve it on “Phone”");
    await phone.page.getByRole("button", { name: "Deny" }).click();
    await sees(desk, "“Phone” is still registered.");
    await settles(() => desk.page.locator("dialog").count(), 0);
  });

  test("r9 not me on the asked device ends the stranger's session, and nothing can be changed for a while", async () => {
    const desk = await world.desk();
    await desk.signIn("frank");
    const phone = await desk.register("Phone");
    await desk.heading("Registered");
    await phone.ready();
    const thief = await world.desk();
    await thief.signIn("frank");
    await thief.register("Thief");
    await thief.heading("Approve it on your other device");
    await phone.page.getByRole("button", { name: "This was not me" }).click();
    await thief.heading("Sign in");
    await thief.signIn("frank");
    await sees(thief, "One of your devices reported that it was not you.");
    await press(thief, "Remove Phone");
    await press(thief, "Remove");
    await sees(thief, "It is not removed.");
  });

  test("r68 odd characters in a device's name show, and are no markup", async () => {
    const desk = await world.desk();
    await desk.signIn("bob");
    const label = "<img src=x onerror=alert(1)>\u202egnp";
    const phone = await desk.register(label);
    await desk.heading("Registered");
    await phone.ready();
    await desk.visit();
    await sees(desk, "<img src=x onerror=alert(1)>⟨U+202E⟩gnp");
    assert.equal(await desk.page.locator("main img").count(), 0);
  });

  test("r25 the code's secret is in no log of the gateway, and is not asked for in any address", async () => {
    const desk = await world.desk();
    await desk.signIn("alice");
    /** @type {string[]} */
    const asked = [];
    desk.context.on("request", (request) => asked.push(request.url(), request.headers()["referer"] ?? ""));
    const link = await desk.code();
    const secret = link.split(".").at(-2) ?? "";
    assert.ok(secret.length === 22, link);
    await desk.page.waitForResponse(/\/panel\/api\/enrolment\//);
    assert.ok(asked.length > 4 && asked.every((url) => !url.includes(secret)));
    assert.ok(!world.log.includes(secret));
  });

  test("whoever is not signed in any more is sent to the sign-in page, which says so", async () => {
    const desk = await world.desk();
    await desk.signIn("alice");
    // The heading stands there before the list has come: signed out then, the page would have left at once.
    const rename = desk.page.getByRole("button", { name: /^Rename / }).first();
    await rename.waitFor();
    await desk.context.clearCookies();
    await rename.click();
    await desk.page.getByRole("button", { name: "Save" }).click();
    await desk.heading("Sign in");
    await sees(desk, "You were signed out.");
    await desk.visit("/panel/add");
    await desk.heading("Sign in");
  });

  test("two pages that nobody touches both end at the sign-in page once the session is over", async () => {
    const desk = await world.desk();
    await desk.page.clock.install();
    await desk.signIn("alice");
    const other = await desk.context.newPage();
    await other.clock.install();
    await other.goto(`${world.url}/panel/`);
    for (const page of [desk.page, other]) await page.getByRole("button", { name: "Sign out" }).waitFor();
    // It is still good, as where the other page is in use: both stay.
    for (const page of [desk.page, other]) {
      const asked = page.waitForResponse(/\/panel\/api\/session/);
      await page.clock.fastForward("16:00");
      await asked;
      await page.getByRole("button", { name: "Sign out" }).waitFor();
    }
    await world.restart();
    for (const page of [desk.page, other]) {
      await page.clock.fastForward("16:00");
      await page.getByText("You were signed out.").waitFor();
    }
  });

  for (const [why, head, text] of [
    ["denied", "This code is over", "It was denied on your other device."],
    ["digits", "This code is over", "The digits were wrong three times."],
    ["expired", "This code is over", "No device came in time."],
    ["reported", "Reported as not you", "Your session here has been ended. Change your password."],
    ["something new", "This code is over", "No device came in time, or the code was used elsewhere."],
    [undefined, "This code is over", "No device came in time, or the code was used elsewhere."],
  ]) {
    test(`a code that is over for the reason “${why}” says so`, async () => {
      const desk = await world.desk();
      await desk.signIn("alice");
      // Only the words are tried here; the registrar's own reasons are tried where it gives them.
      await desk.page.route(/\/panel\/api\/enrolment\/./, (route) => route.fulfill({ json: { state: "over", why } }));
      await desk.visit("/panel/add");
      await desk.heading(head ?? "");
      await sees(desk, text ?? "");
      const again = await desk.page.getByRole("button", { name: "Show a new code" }).count();
      assert.equal(again, why === "reported" ? 0 : 1);
    });
  }

  test("a restart of the gateway ends sessions, and a page that waits says what is wrong and recovers", async () => {
    const desk = await world.desk();
    await desk.signIn("alice");
    await desk.code();
    await world.kill();
    await sees(desk, "The panel does not answer.");
    await world.run();
    await desk.heading("Sign in");
  });
});

describe("mode admin", () => {
  /** @type {World} */
  let world;
  before(async () => void (world = await World.start({ mode: "admin" })));
  after(() => world.stop());

  test("a person without a device reads whom to ask, with the very command", async () => {
    const desk = await world.desk();
    await desk.signIn("alice");
    await sees(desk, "A first device needs a one-time link.");
    assert.equal(await desk.page.locator(".carry code").innerText(), "assentctl enroll alice --link");
    await settles(() => desk.page.getByRole("link", { name: /device/ }).count(), 0);
    await desk.visit("/panel/add");
    await sees(desk, "No device can be added now.");
  });

  test("a one-time link signs in once, leaves the address bar at once, and registers a first device", async () => {
    const link = await world.link("alice");
    const desk = await world.desk();
    await desk.visit(link);
    await desk.page.getByRole("button", { name: "Sign in once" }).waitFor();
    await settles(async () => new URL(desk.page.url()).hash, "");
    await press(desk, "Sign in once");
    await desk.heading("Your devices");
    await sees(desk, "You are signed in as alice by a one-time link.");
    const phone = await desk.register("Phone");
    await desk.heading("Registered");
    await phone.ready();
    await desk.page.goBack();
    assert.ok(!desk.page.url().includes("#1."), "it is not in the history");

    const other = await world.desk();
    await other.visit(link);
    await press(other, "Sign in once");
    await sees(other, "This link does not work.");
    assert.ok(!world.log.includes(link.split(".").at(-2) ?? "?"), "nor in the log");
  });

  test("a link that was cut says what to do, and is not offered as if it were whole", async () => {
    const whole = await world.link("bob");
    const desk = await world.desk();
    for (const cut of ["/panel/l", whole.slice(0, -1), whole.slice(0, whole.lastIndexOf(".")), whole.slice(0, -12), `${whole}x`]) {
      await desk.page.goto("about:blank");
      await desk.visit(cut);
      await sees(desk, "The link is not whole.");
      assert.equal(await desk.page.getByRole("button", { name: "Sign in once" }).count(), 0, cut);
    }
    await desk.page.goto("about:blank");
    await desk.visit(whole);
    await press(desk, "Sign in once");
    await sees(desk, "You are signed in as bob by a one-time link.");
  });
});

test("without anybody who checks passwords the panel asks for a one-time link", async () => {
  const world = await World.start({ profiles: false });
  try {
    const desk = await world.desk();
    await desk.visit();
    await desk.heading("Sign in");
    await sees(desk, "You need a one-time link");
    assert.equal(await desk.page.locator("input").count(), 0);
  } finally {
    await world.stop();
  }
});

test("mode terminal says where a first device is registered", { timeout: 4 * SOON }, async () => {
  const world = await World.start({ mode: "terminal" });
  try {
    const desk = await world.desk();
    await desk.signIn("alice");
    await sees(desk, "first devices are registered in the terminal of a server");
    assert.equal(await desk.page.locator(".carry code").innerText(), "assentctl enroll alice");
  } finally {
    await world.stop();
  }
});

test("with the app at an origin of its own, its phone registers and approves across origins", { timeout: 8 * SOON }, async () => {
  const world = await World.start({ apart: true });
  try {
    const desk = await world.desk();
    await desk.signIn("alice");
    const link = await desk.code();
    assert.ok(link.startsWith(`${world.app}/e#`) && world.app !== world.url, link);
    const first = await desk.register("Pixel 8");
    await desk.heading("Registered");
    assert.equal(new URL(first.page.url()).origin, world.app);
    await first.ready();
    await desk.register("Tablet");
    await desk.heading("Approve it on your other device");
    await first.approve();
    await desk.heading("Registered");
    // The relay leads a link that names it on to the app, fragment and all.
    const led = await desk.code();
    const { page } = await world.desk();
    await page.goto(led.replace(world.app, world.url));
    await page.getByLabel("Name of this device").waitFor();
    assert.equal(new URL(page.url()).origin, world.app);
  } finally {
    await world.stop();
  }
});

test("r27 a device is removed by the word of another, and a lost only one by a code", { timeout: 8 * SOON }, async () => {
  const world = await World.start();
  try {
    const desk = await world.desk();
    await desk.signIn("alice");
    const first = await desk.register("Phone");
    await desk.heading("Registered");
    await first.ready();
    const second = await desk.register("Tablet");
    await desk.heading("Approve it on your other device");
    // A result stays on the screen until it is read.
    const approves = async () => {
      await first.approve();
      await first.page.getByRole("button", { name: "Done" }).click();
    };
    await approves();
    await desk.heading("Registered");
    await second.ready();
    await desk.visit();
    await press(desk, "Remove Tablet");
    await sees(desk, "Another device of yours approves that.");
    await press(desk, "It is lost");
    await sees(desk, "Approve it on another device");
    await first.page.getByText("remove a lost device").waitFor();
    assert.equal(await second.page.locator("#approve").count(), 0, "what is to go has no say");
    await approves();
    await sees(desk, "“Tablet” is removed.");
    await settles(() => desk.page.locator(".device .label").allInnerTexts(), ["Phone"]);
    await second.page.getByRole("heading", { level: 1, name: "Not registered any more" }).waitFor();

    // Recovery codes, which the phone approves; then the phone is lost.
    await press(desk, "Make recovery codes");
    await approves();
    const code = desk.page.locator("ol.recovery li").first();
    await code.waitFor();
    const typed = (await code.innerText()).trim();
    await press(desk, "I have stored them");
    await press(desk, "Remove Phone");
    await press(desk, "It is lost");
    await sees(desk, "“Phone” is lost");
    await desk.page.getByLabel("No device at hand?").fill("wrong-code");
    await press(desk, "Remove with the code");
    await sees(desk, "The code is wrong, or was used before.");
    await desk.page.getByLabel("No device at hand?").fill(typed);
    await press(desk, "Remove with the code");
    await sees(desk, "“Phone” is removed.");
    await sees(desk, "You have no device yet");
  } finally {
    await world.stop();
  }
});
