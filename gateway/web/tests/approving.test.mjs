// One request from the host to the verified answer: what is on the screen, what may be pressed, what the verifier says.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { World } from "./rig.mjs";

/** @typedef {import("./rig.mjs").Phone} Phone */

/** @type {World} */
let world;
/** @type {Phone} */
let phone;
before(async () => {
  world = await World.start();
  phone = await world.phone({ serviceWorkers: "allow" });
  await phone.enrol("alice", "Pixel 8");
});
after(() => world.stop());

const done = () => phone.page.getByRole("button", { name: "Done" }).click();

test("an approval passes the real verifier", async () => {
  const id = await world.host.push("alice", { first: ["password"] });
  await phone.heading("SSH login");
  await phone.approve();
  const answer = await world.host.answer(id);
  assert.equal(answer.verdict, "approved", answer.why);
  await phone.heading("Approved");
  await done();
  await phone.heading("Ready");
  assert.match(await phone.page.locator(".items").innerText(), /SSH login on web01[^]*alice[^]*Approved/);
});

test("r9: deny takes one tap, at once, and the verifier hears a denial", async () => {
  const id = await world.host.push("alice");
  await phone.page.locator("#deny").click();
  const answer = await world.host.answer(id);
  assert.deepEqual([answer.verdict, answer.why], ["refused", "denied on the device"]);
  await phone.heading("Denied");
  await done();
});

test("r9: “this was not me” takes one tap, at once, and the verifier hears a report", async () => {
  const id = await world.host.push("alice");
  await phone.page.locator("#report").click();
  const answer = await world.host.answer(id);
  assert.deepEqual([answer.verdict, answer.why], ["refused", 'reported as "not me"']);
  await phone.heading("Denied and reported");
  await done();
});

const SUDO = {
  svc: "sudo",
  login: "m2x9qa",
  target_user: "root",
  ruser: "alice",
  cmd: { resolved: "/usr/bin/systemctl", args: ["restart", "a b", ""] },
  cwd: "/home/alice",
  tty: "pts/3",
  src: { ip: "203.0.113.7", port: 51122, place: "Lisbon, Portugal" },
  first: ["password"],
  app: "sudo",
};

test("r8: every detail stands before the buttons, in order, and no button has the focus", async () => {
  const id = await world.host.push("alice", { ...SUDO, level: "number", digits: 3, number: "482" });
  const { page } = phone;
  await phone.heading("sudo command");
  const [before, buttons] = await page.evaluate(() => {
    const main = /** @type {HTMLElement} */ (document.querySelector("main"));
    const first = /** @type {HTMLElement} */ (document.querySelector("button:not([hidden])"));
    const range = document.createRange();
    range.setStart(document.body, 0);
    range.setEndBefore(first);
    return [range.toString(), [...main.querySelectorAll("button")].map((button) => button.textContent)];
  });
  const order = ["sudo command", "m2x9qa", "web01", "alice", "root", "/usr/bin/systemctl", "restart", "a b", "/home/alice", "pts/3"];
  order.push("203.0.113.7 port 51122", "Lisbon, Portugal", "Asked", "Time left", "password", "Approves as", "Number on the terminal");
  let at = 0;
  for (const detail of order) {
    const found = before.indexOf(detail, at);
    assert.ok(found >= at, `${detail} comes after what is before it, and before every button`);
    at = found;
  }
  assert.deepEqual(buttons, ["Approve", "Deny", "This was not me", "Decide later", "Help"]);
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1");
  assert.equal(await page.locator(".arguments li").count(), 3, "each argument apart, the empty one too");
  await page.locator("#deny").click();
  await world.host.answer(id);
  await done();
});

test("r8: nothing is focused but the heading where one tap is enough", async () => {
  const id = await world.host.push("alice");
  const approve = phone.page.locator("#approve");
  await approve.waitFor();
  await phone.page.waitForTimeout(100);
  assert.equal(await approve.isEnabled(), true);
  assert.equal(await phone.page.evaluate(() => document.activeElement?.tagName), "H1");
  await phone.page.keyboard.press("Enter");
  await phone.page.keyboard.press("Space");
  await phone.page.locator("#deny").click();
  assert.equal((await world.host.answer(id)).why, "denied on the device");
  await done();
});

test("Approve takes no press in the moment in which it appears", async () => {
  await phone.page.evaluate(() => {
    const watch = new MutationObserver(() => {
      const approve = document.getElementById("approve");
      if (approve === null) return;
      watch.disconnect();
      approve.click();
    });
    watch.observe(document.body, { subtree: true, childList: true });
  });
  const id = await world.host.push("alice");
  await phone.page.getByText("That press came too soon").waitFor();
  await phone.approve();
  assert.equal((await world.host.answer(id)).verdict, "approved");
  await done();
});

test("a press that began before the screen changed does not approve", async () => {
  const { page } = phone;
  const one = await world.host.push("alice", { login: "first1" });
  const approve = page.locator("#approve");
  await approve.waitFor();
  const box = await approve.boundingBox();
  assert.ok(box);
  await page.waitForTimeout(450);
  // The finger goes down on one request, and comes up on the next.
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await page.mouse.down();
  await page.waitForTimeout(450);
  await page.mouse.up();
  await page.getByText("That press came too soon").waitFor();
  await approve.click();
  assert.equal((await world.host.answer(one)).verdict, "approved");
  await done();
});

test("level number: Approve waits for the whole number, and the verifier has the last word", async () => {
  const { page } = phone;
  const push = { level: "number", digits: 3, number: "048" };
  const right = await world.host.push("alice", push);
  const approve = page.locator("#approve");
  const input = page.getByLabel("Number on the terminal that asks");
  await input.waitFor();
  assert.equal(await input.evaluate((field) => field === document.activeElement), false, "details come first");
  for (const [typed, enabled] of /** @type {const} */ ([["", false], ["04", false], ["04a", false], ["0481", false], ["048", true]])) {
    await input.fill(typed);
    assert.equal(await approve.isEnabled(), enabled, `"${typed}"`);
  }
  await input.press("Enter");
  await phone.approve();
  assert.equal((await world.host.answer(right)).verdict, "approved", "the leading zero stays");
  await done();

  const wrong = await world.host.push("alice", push);
  await input.fill("049");
  await phone.approve();
  const answer = await world.host.answer(wrong);
  assert.deepEqual([answer.verdict, answer.why], ["refused", "the number was wrong"]);
  await done();

  const six = await world.host.push("alice", { level: "number", digits: 6, number: "000042" });
  await input.fill("000 042");
  await phone.approve();
  assert.equal((await world.host.answer(six)).verdict, "approved");
  await done();
});

test("level passkey: there is nothing to approve with", async () => {
  const id = await world.host.push("alice", { level: "passkey" });
  await phone.page.getByText("This needs a passkey").waitFor();
  assert.equal(await phone.page.locator("#approve").count(), 0);
  await phone.page.locator("#deny").click();
  assert.equal((await world.host.answer(id)).why, "denied on the device");
  await done();
});

for (const [name, cmd] of /** @type {const} */ ([
  ["long", { args: ["sh", "-c", `echo ${"x".repeat(700)} && rm -rf /`] }],
  ["of many arguments", { args: Array.from({ length: 30 }, (_, at) => `argument${at}`) }],
  ["not whole", { args: ["rm", "-rf"], truncated: true }],
])) {
  test(`a command that is ${name} must be opened before it can be approved`, async () => {
    const { page } = phone;
    const id = await world.host.push("alice", { ...SUDO, cmd });
    const approve = page.locator("#approve");
    await approve.waitFor();
    assert.equal(await approve.isDisabled(), true);
    assert.match(await page.locator("#why").innerText(), /Open the whole command/);
    assert.equal(await page.getByText("Part of the command is missing").count(), "truncated" in cmd ? 1 : 0);
    await page.getByRole("button", { name: /^Show all/ }).click();
    const shown = await page.locator(".arguments code").allInnerTexts();
    assert.deepEqual(shown, [...cmd.args], "all of it is there now");
    await phone.approve();
    assert.equal((await world.host.answer(id)).verdict, "approved");
    await done();
  });
}

test("the place is said, or that there is none", async () => {
  const { page } = phone;
  for (const [src, said] of /** @type {const} */ ([
    [{ ip: "10.1.2.3", place: "Nowhere" }, "private network"],
    [{ ip: "::1" }, "private network"],
    [{ ip: "fd00::7" }, "private network"],
    [{ ip: "203.0.113.7" }, "place unknown"],
    [{ ip: "2001:db8::7", port: 22, place: "Zürich", asn: 64496 }, "Zürich, AS64496"],
    [{ ip: "10.1.2.3", network: "office" }, "network office"],
    [{ ip: "203.0.113.7", new: "address" }, "place unknown New address"],
    [{ ip: "203.0.113.7", place: "Oslo, Norway", new: "place" }, "Oslo, Norway New country"],
    [undefined, "this host itself"],
  ])) {
    const id = await world.host.push("alice", { src });
    await phone.heading("SSH login");
    const from = page.locator("dl > div", { has: page.getByText("From", { exact: true }) });
    assert.match(await from.innerText(), new RegExp(`${said}$`));
    await page.locator("#deny").click();
    await world.host.answer(id);
    await done();
  }
});

test("the second half of a double click presses and marks nothing on the screen that came by the first", async () => {
  const { page } = phone;
  const one = await world.host.push("alice", { login: "first2" });
  await phone.heading("SSH login");
  const two = await world.host.push("alice", { login: "second2" });
  await page.getByText("1 of 2 requests that wait").waitFor();
  await page.locator("#deny").dblclick();
  await world.host.answer(one);
  await phone.heading("Denied");
  assert.equal(await page.evaluate(() => getSelection()?.toString()), "");
  const next = page.getByRole("button", { name: "Next request" });
  await next.waitFor();
  // Where the person presses twice, Deny or “This was not me” may come to lie.
  await page.evaluate(() => {
    document.addEventListener("click", (event) => {
      if (event.detail === 1) setTimeout(() => document.getElementById("report")?.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 2 })));
    }, { once: true });
  });
  await next.click();
  await page.getByText("second2").waitFor();
  await phone.approve();
  assert.equal((await world.host.answer(two)).verdict, "approved");
  await done();
});

test("a request that the host withdraws leaves the screen and says so", async () => {
  const id = await world.host.push("alice");
  await phone.heading("SSH login");
  await world.host.withdraw(id);
  await phone.heading("No answer needed any more");
  await phone.page.getByText("The login ended before you answered here.").waitFor();
  assert.equal(await phone.page.locator("#approve").count(), 0);
  await done();
});

test("a request that expires says how long ago, and that nothing was allowed", async () => {
  await world.host.push("alice", { ttl: 5 });
  await phone.heading("SSH login");
  await phone.heading("Expired");
  await phone.page.getByText(/It expired (just now|[2-9] s ago); nothing was allowed\./).waitFor();
  await phone.page.getByText(/It expired [2-9] s ago; nothing was allowed\./).waitFor();
  await done();
  assert.match(await phone.page.locator(".items li").first().innerText(), /Expired/);
});

test("several requests wait in a list, and each answer goes to its own", async () => {
  const { page } = phone;
  const one = await world.host.push("alice", { login: "one111" });
  await phone.heading("SSH login");
  const two = await world.host.push("alice", { ...SUDO, login: "two222" });
  await page.getByText("1 of 2 requests that wait").waitFor();
  assert.match(await page.locator("main").innerText(), /one111/, "the first stays on the screen");
  await page.getByRole("button", { name: "Decide later" }).click();
  await page.getByRole("heading", { name: "2 requests wait" }).waitFor();
  await page.getByRole("button", { name: /sudo command/ }).click();
  await phone.approve();
  assert.equal((await world.host.answer(two)).verdict, "approved");
  await page.getByRole("button", { name: "Next request" }).click();
  await page.getByText("one111").waitFor();
  await page.locator("#deny").click();
  assert.equal((await world.host.answer(one)).why, "denied on the device");
  await done();
});

test("everything works by the keyboard alone", async () => {
  const { page } = phone;
  const id = await world.host.push("alice", { level: "number", digits: 3, number: "482" });
  await phone.heading("SSH login");
  /** @type {string[]} */
  const visited = [];
  const focused = () => page.evaluate(() => document.activeElement?.id ?? "");
  for (let at = 0; at < 3 && (await focused()) !== "number"; at++) {
    await page.keyboard.press("Tab");
    visited.push(await focused());
    if (at > 0) continue;
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Details");
    await page.keyboard.press("Enter");
    await page.getByText("Approves as").waitFor();
  }
  assert.deepEqual(visited, ["", "number"], "after what is folded, the first stop is the number");
  await page.keyboard.type("482");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "approve");
  const outline = await page.locator("#approve").evaluate((button) => getComputedStyle(button).outlineStyle);
  assert.equal(outline, "solid", "the focus is seen");
  await page.waitForTimeout(450);
  await page.keyboard.press("Enter");
  assert.equal((await world.host.answer(id)).verdict, "approved");
  await phone.heading("Approved");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await phone.heading("Ready");
});

test("the history keeps what became of each, and can be cleared", async () => {
  const { page } = phone;
  await page.reload();
  await phone.heading("Ready");
  const tags = await page.locator(".items .tag").allInnerTexts();
  for (const tag of ["Approved", "Denied", "Not you", "Ended", "Expired"]) assert.ok(tags.includes(tag), `${tag} in ${tags}`);
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByText("What you answer is listed here.").waitFor();
  await page.reload();
  await page.getByText("What you answer is listed here.").waitFor();
});
