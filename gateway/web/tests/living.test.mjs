// The app over time: lost connections, restarts, clocks, several tabs, several accounts, no network, lost keys, updates.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { serve } from "../dev/serve.mjs";
import { Phone, World } from "./rig.mjs";
import { settles } from "../panel/tests/rig.mjs";
import { spoil } from "./tour.mjs";

/** @type {World} */
let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

test("a crash of the gateway costs no request: what waits is answered, what came meanwhile is shown, once each", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("restart");
  const before = await world.host.push("restart", { login: "before" });
  await page.getByText("before", { exact: true }).waitFor();
  await world.kill();
  await page.getByRole("button", { name: "Decide later" }).click();
  await phone.heading("Reconnecting …");
  await world.run();
  const meanwhile = await world.host.push("restart", { login: "while1" });
  await page.getByText("while1").waitFor();
  await page.getByText("1 of 2 requests that wait").waitFor();
  await phone.approve();
  assert.equal((await world.host.answer(meanwhile)).verdict, "approved");
  await page.getByRole("button", { name: "Next request" }).click();
  await page.getByText("before", { exact: true }).waitFor();
  await phone.approve();
  assert.equal((await world.host.answer(before)).verdict, "approved");
  await page.getByRole("button", { name: "Done" }).click();
  await phone.heading("Ready");
  assert.equal(await page.locator(".items li").count(), 2, "nothing twice");
});

test("without a network it says so, and comes back by itself", async () => {
  const phone = await world.phone();
  await phone.enrol("tunnel");
  await phone.context.setOffline(true);
  await phone.heading("Offline");
  await phone.page.getByText(/requests cannot come/).waitFor();
  await phone.context.setOffline(false);
  await phone.heading("Ready");
});

test("a request that ended while the phone was away is taken off the screen when it is back", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("away");
  const id = await world.host.push("away");
  await page.locator("#approve").waitFor();
  await phone.context.setOffline(true);
  await world.host.withdraw(id);
  await phone.context.setOffline(false);
  await phone.heading("No answer needed any more");
});

test("an answer that comes too late says so, and that nothing was allowed", async () => {
  for (const press of ["#deny", "#approve"]) {
    const phone = await world.phone();
    const user = `late${press.slice(1)}`;
    const page = await phone.enrol(user);
    const id = await world.host.push(user, { ttl: 8 });
    await page.locator("#approve").waitFor();
    await page.waitForTimeout(450);
    // The page's clocks stand still and its stream hears nothing more: it cannot know that the time is over.
    await page.evaluate(() => {
      const [wall, steady] = [Date.now(), performance.now()];
      Date.now = () => wall;
      performance.now = () => steady;
    });
    await page.route("**/v1/events", (route) => route.abort());
    await world.kill();
    await world.run();
    await page.waitForTimeout(8000);
    await page.locator(press).click();
    await phone.heading("Too late");
    await page.getByText(/before your answer arrived; nothing was allowed by it/).waitFor();
    assert.equal(world.host.said.some((said) => said.answer?.id === id), false, "the host heard nothing");
  }
});

test("an answer that does not get through is not taken for one, and can be given again", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("unsent");
  const id = await world.host.push("unsent");
  await page.locator("#approve").waitFor();
  await page.route("**/answer", (route) => route.fulfill({ status: 403, contentType: "application/json", body: '{"code":"forbidden","text":"not \\u001b you","now":1}' }));
  await phone.approve();
  await phone.heading("Not sent");
  await page.getByText("it says: not ⟨U+001B⟩ you. Nothing was allowed.").waitFor();
  await page.unroute("**/answer");
  await page.getByRole("button", { name: "Next request" }).click();
  await phone.approve();
  assert.equal((await world.host.answer(id)).verdict, "approved");
});

test("r81: a clock that is some minutes off is corrected for the relay", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("minutes");
  await page.close();
  await phone.context.clock.install({ time: Date.now() + 600_000 });
  await phone.visit();
  await phone.heading("Ready");
  const id = await world.host.push("minutes");
  await phone.page.locator("#deny").click();
  assert.equal((await world.host.answer(id)).why, "denied on the device");
});

test("r81: a clock that is some minutes slow ends no registration", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("slow");
  await page.close();
  await phone.context.clock.install({ time: Date.now() - 600_000 });
  await phone.visit();
  await phone.heading("Ready");
  await phone.page.getByText("This device’s clock is 10 minutes slow.").waitFor();
  const id = await world.host.push("slow");
  await phone.page.locator("#deny").click();
  assert.equal((await world.host.answer(id)).why, "denied on the device");
  // What was learned stays with the registration: next time nobody needs to be asked.
  await phone.page.close();
  await phone.context.route("**/v1/trust", (route) => route.abort());
  await phone.visit();
  await phone.heading("Ready");
});

test("r81: a slow clock that nobody can check is named, deletes nothing, and it goes on by itself", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("unchecked");
  await page.close();
  await phone.context.clock.install({ time: Date.now() - 600_000 });
  await phone.context.route("**/v1/**", (route) => route.abort());
  await phone.visit();
  await phone.heading(/^This device’s clock is at least \d+ (minutes|seconds) slow$/);
  assert.deepEqual(await phone.page.locator("main button").allInnerTexts(), ["Try again", "Help with this"], "there is nothing to delete with");
  await phone.page.getByRole("button", { name: "Try again" }).click();
  await phone.heading(/slow$/);
  assert.equal(await kept(phone.page), 1);
  await phone.context.unroute("**/v1/**");
  await phone.page.evaluate(() => dispatchEvent(new Event("online")));
  await phone.heading("Ready");
});

for (const days of [-200, 200]) {
  test(`r81: a clock that is ${days} days off ends no registration`, async () => {
    const phone = await world.phone();
    const user = `days${days + 200}`;
    const page = await phone.enrol(user);
    await page.close();
    await phone.context.clock.install({ time: Date.now() + days * 86_400_000 });
    await phone.visit();
    await phone.heading("Ready");
    const id = await world.host.push(user);
    await phone.approve();
    assert.equal((await world.host.answer(id)).verdict, "approved");
  });
}

test("r81: a clock that is set while the app is open costs no request", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("set");
  await page.evaluate(() => {
    const real = Date.now.bind(Date);
    Date.now = () => real() - 86_400_000;
  });
  const id = await world.host.push("set");
  await phone.approve();
  assert.equal((await world.host.answer(id)).verdict, "approved");
});

/** How many registrations are kept, with keys that sign. @param {import("./rig.mjs").Page} page @returns {Promise<number>} */
function kept(page) {
  return page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const request = indexedDB.open("assent");
        request.onerror = reject;
        request.onsuccess = () => {
          const all = request.result.transaction("registrations").objectStore("registrations").getAll();
          all.onsuccess = async () => {
            request.result.close();
            const way = { name: "ECDSA", hash: "SHA-256" };
            for (const { keys } of all.result) await crypto.subtle.sign(way, keys.sign.privateKey, new Uint8Array(1));
            resolve(all.result.length);
          };
        };
      }),
  );
}

/** Puts another certificate into what this browser keeps; gives back the one that was there. @param {import("playwright-core").Page} page
 * @param {string | null} certificate @returns {Promise<string>} */
const certificate = (page, certificate) =>
  page.evaluate(async (certificate) => {
    const done = (/** @type {IDBRequest} */ request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const database = await done(indexedDB.open("assent"));
    const store = database.transaction("registrations", "readwrite").objectStore("registrations");
    const [registration] = await done(store.getAll());
    if (certificate !== null) await done(store.put({ ...registration, certificate }));
    database.close();
    return registration.certificate;
  }, certificate);

/** Makes the one registration of this page old. @param {import("playwright-core").Page} page @param {number} daysAgo
 * @param {number} days @returns {Promise<string>} */
async function age(page, daysAgo, days) {
  world.host.tell({ do: "age", certificate: await certificate(page, null), days_ago: daysAgo, days });
  const aged = await world.host.hear("aged");
  await certificate(page, aged);
  return aged;
}

test("a registration past half of its life is renewed when the app is opened, and nobody is asked", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("renews");
  const aged = await age(page, 50, 90);
  await page.close();
  await phone.visit();
  await phone.heading("Ready");
  await settles(async () => (await certificate(phone.page, null)) !== aged, true);
  const id = await world.host.push("renews");
  await phone.approve();
  assert.equal((await world.host.answer(id)).verdict, "approved");
  assert.equal(await phone.page.getByText("ends soon").count(), 0);
});

test("a registration that ends and cannot be renewed says so while there is time", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("cannot");
  await age(page, 70, 90);
  await page.close();
  await phone.context.route("**/v1/registrar", (route) => route.abort());
  await phone.visit();
  await phone.heading("Ready");
  await phone.page.getByText("This registration ends soon").waitFor();
  await phone.page.getByText(/could not be renewed/).waitFor();
  await phone.context.unroute("**/v1/registrar");
  await phone.page.close();
  await phone.visit();
  await phone.heading("Ready");
  await settles(() => phone.page.getByText("This registration ends soon").count(), 0);
});

test("a removed device is told so, and what it can do", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("removed");
  const [{ deviceId }] = await page.evaluate(() => JSON.parse(localStorage.getItem("assent.registrations") ?? "[]"));
  await world.admin("POST", "/devices/revoke", { device_id: deviceId });
  await phone.heading("Not registered any more");
  await page.getByRole("button", { name: "Remove from this device" }).click();
  await phone.heading("Settings");
  await page.getByRole("button", { name: "Remove this device …" }).click();
  await page.getByRole("button", { name: "Remove this device", exact: true }).click();
  await page.getByText("The gateway was not told").waitFor();
  await page.getByRole("button", { name: "Remove from this device only" }).click();
  await phone.heading("Approve your sign-ins here");
  assert.equal(await page.evaluate(() => localStorage.getItem("assent.registrations")), "[]");
});

test("of two tabs one works; it can be changed, and it follows when the other is closed", async () => {
  const phone = await world.phone();
  const first = await phone.enrol("tabs");
  const second = new Phone(world, phone.context);
  await second.visit();
  await second.heading("Ready");
  await phone.heading("Assent is open in another tab");
  const id = await world.host.push("tabs");
  await second.page.locator("#approve").waitFor();
  assert.equal(await first.locator("#approve").count(), 0);
  await first.getByRole("button", { name: "Use this tab" }).click();
  await first.locator("#approve").waitFor();
  await second.heading("Assent is open in another tab");
  await phone.approve();
  assert.equal((await world.host.answer(id)).verdict, "approved");
  await phone.heading("Approved");
  await first.close();
  await second.heading("Ready");
  assert.match(await second.page.locator(".items").innerText(), /Approved/);
});

test("the browser’s Back leaves the settings, not the app", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("back");
  for (const leave of [() => page.goBack(), () => page.getByRole("button", { name: "Back" }).click()]) {
    await page.getByRole("button", { name: "Settings" }).click();
    await phone.heading("Settings");
    await leave();
    await phone.heading("Ready");
  }
});

test("several accounts live side by side, and each request names its own", async () => {
  const phone = await world.phone();
  await phone.enrol("work");
  const { code, token_id } = await world.host.open("home");
  const { page } = phone;
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Add another account" }).click();
  await page.getByRole("button", { name: "Type the code" }).click();
  await page.getByLabel("Link or code").fill(code);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("button", { name: "Register this device" }).click();
  await world.host.confirm(token_id, await phone.digits());
  await phone.heading("Registered");
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("heading", { name: "Accounts" }).waitFor();
  for (const user of ["work", "home"]) {
    const id = await world.host.push(user);
    const account = page.locator("dl > div", { has: page.getByText("Account", { exact: true }) });
    await account.getByText(user, { exact: true }).waitFor();
    await phone.approve();
    assert.equal((await world.host.answer(id)).verdict, "approved");
    await page.getByRole("button", { name: "Done" }).click();
    await phone.heading("Ready");
  }
});

test("the app opens without a network, shows what is kept, and says that it is not connected", async () => {
  const phone = await world.phone({ serviceWorkers: "allow" });
  const page = await phone.enrol("cached");
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await world.dark();
  await page.goto(world.url);
  await phone.heading("Reconnecting …");
  await page.getByText("cached").first().waitFor();
  await page.goto(`${world.url}/e#nonsense`);
  await page.getByText("The link could not be used").waitFor();
  const passed = await page.evaluate(async () => {
    const tried = ["/v1/trust", "/panel/", "/assets.json"].map((path) => fetch(path).then(() => "answered", () => "passed on"));
    return Promise.all(tried);
  });
  assert.deepEqual(passed, ["passed on", "passed on", "passed on"], "the worker answers for nothing but the app");
  await world.light();
  await phone.heading("Ready");
});

test("keys that are gone are noticed at start, never silently", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("loser", "Old phone");
  await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const request = indexedDB.open("assent");
        request.onerror = reject;
        request.onsuccess = () => {
          const transaction = request.result.transaction("registrations", "readwrite");
          transaction.objectStore("registrations").clear();
          transaction.oncomplete = resolve;
        };
      }),
  );
  await page.reload();
  await phone.heading("This device’s keys are gone");
  await page.getByText(/loser.*Old phone/).waitFor();
  await page.reload();
  await phone.heading("This device’s keys are gone");
  await page.getByRole("button", { name: "Register again" }).click();
  await phone.heading("Approve your sign-ins here");
  await page.getByRole("button", { name: "Back" }).click();
  await page.getByRole("button", { name: "Do not remind me" }).click();
  await phone.heading("Approve your sign-ins here");
  await page.reload();
  await phone.heading("Approve your sign-ins here");
});

test("a database that has lost its stores is lost keys, not the end of the app", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("halved", "Old phone");
  // A page of the origin that keeps no connection to the database.
  await page.goto(`${world.url}/assets.json`);
  await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const gone = indexedDB.deleteDatabase("assent");
        gone.onerror = reject;
        gone.onsuccess = () => {
          const empty = indexedDB.open("assent", 1);
          empty.onsuccess = () => (empty.result.close(), resolve(undefined));
        };
      }),
  );
  await phone.visit();
  await phone.heading("This device’s keys are gone");
  await phone.page.getByRole("button", { name: "Register again" }).click();
  await phone.heading("Approve your sign-ins here");
});

test("a registration that was changed where it is kept is called so, and not lost keys", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("changed");
  await spoil(phone);
  await phone.heading("This registration does not verify");
  await page.getByText(/The reason: .*signature/).waitFor();
  assert.equal(await page.getByText(/keys are gone|deleted them/).count(), 0);
  await page.getByRole("button", { name: "Delete its keys …" }).click();
  await page.getByRole("button", { name: "Keep", exact: true }).click();
  assert.equal(await kept(page), 1);
  await page.getByRole("button", { name: "Delete its keys …" }).click();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await phone.heading("Approve your sign-ins here");
  assert.equal(await kept(page), 0);
});

test("a database that another page renews is opened again, and what is written then is kept", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("renewed");
  const other = await phone.context.newPage();
  await other.goto(`${world.url}/assets.json`);
  await other.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const request = indexedDB.open("assent", 7);
        request.onerror = reject;
        request.onsuccess = () => (request.result.close(), resolve(undefined));
      }),
  );
  await other.close();
  const id = await world.host.push("renewed", { login: "after7" });
  await page.locator("#deny").click();
  await world.host.answer(id);
  await phone.heading("Denied");
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByText("after7").waitFor();
  await page.reload();
  await phone.heading("Ready");
  await page.getByText("after7").waitFor();
});

test("a registration whose time is over by the gateway’s clock says so, and its keys go only when they are asked for", async () => {
  const phone = await world.phone();
  const page = await phone.enrol("ended");
  await page.close();
  await phone.context.clock.install({ time: Date.now() + 200 * 86_400_000 });
  await phone.context.route("**/v1/trust", async (route) => {
    const answer = await route.fetch();
    const trust = await answer.json();
    await route.fulfill({ response: answer, json: { ...trust, now: trust.now + 200 * 86_400 } });
  });
  await phone.visit();
  await phone.heading("This registration has ended");
  assert.match(await phone.page.title(), /^This registration has ended/);
  await phone.page.getByText(/is valid from .* to .* UTC/).waitFor();
  assert.equal(await phone.page.getByRole("button", { name: "Do not remind me" }).count(), 0);
  await phone.page.getByRole("button", { name: "Register again" }).click();
  await phone.heading("Approve your sign-ins here");
  assert.equal(await kept(phone.page), 1);
});

test("a new version is noticed, offered, and used when the person says so", async () => {
  const site = await serve({ port: 0, gateway: () => `http://${world.address}` });
  const phone = await world.phone({ serviceWorkers: "allow" });
  phone.home = site.url;
  const page = await phone.visit();
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  site.deploy((name, body) => (name === "screen-welcome.js" ? Buffer.from(body.toString().replace("Approve your sign-ins here", "Second edition")) : body));
  await page.reload();
  await phone.heading("Approve your sign-ins here");
  await page.getByRole("button", { name: "Use it now" }).click();
  await phone.heading("Second edition");
  site.server.close();
  site.server.closeAllConnections();
});
