// Leads one phone past every screen of the app, and calls `look` with each one's name.
import assert from "node:assert/strict";

/** @typedef {import("./rig.mjs").Phone} Phone */
/** @typedef {import("./rig.mjs").World} World */

export const SSH = {
  login: "k7f3q2",
  first: ["password"],
  tty: "ssh",
  src: { ip: "203.0.113.7", port: 51122, place: "Lisbon, Portugal", asn: 64500 },
};
export const SUDO = {
  svc: "sudo",
  login: "m2x9qa",
  target_user: "root",
  cmd: { resolved: "/usr/bin/systemctl restart postgresql.service", args: ["restart", "postgresql.service"] },
  cwd: "/srv/db",
  tty: "pts/3",
  level: "number",
  digits: 3,
  number: "482",
  app: "sudo",
};
const LONG = {
  ...SUDO,
  login: "w8r4tz",
  cmd: {
    resolved: `/bin/sh -c echo \u202Enwod.txt ${"and on ".repeat(60)}`,
    args: ["-c", ...Array.from({ length: 12 }, (_, at) => `--option-${at}=${"value".repeat(at * 6)}`)],
    truncated: true,
  },
  cwd: "/tmp/\u001B[2Jhidden",
};

/** @param {World} world @param {Phone} phone @param {string} user @param {(name: string) => Promise<void>} look */
export async function tour(world, phone, user, look) {
  const { host } = world;
  const page = await phone.visit();
  const press = (/** @type {string | RegExp} */ name) => page.getByRole("button", { name, exact: typeof name === "string" }).click();
  await phone.heading("Approve your sign-ins here");
  await look("welcome");
  await press("Help");
  await look("help");
  await page.evaluate(() => document.querySelectorAll(".topic").forEach((one) => one.setAttribute("open", "")));
  await look("help-unfolded");
  await page.locator("dialog.help").getByRole("button", { name: "Close" }).click();
  await press("Scan the code");
  await page.getByRole("alert").filter({ hasText: /camera/i }).waitFor();
  await look("no-camera");
  await press("Type the code");
  await press("Continue");
  await page.getByText("not whole").waitFor();
  await look("wrong-code");

  const { code, token_id } = await host.open(user);
  await page.goto(`${phone.home}/#1.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA`);
  await phone.heading("Register this device");
  await press("Register this device");
  await phone.heading("Stop: this is not the gateway of your code");
  await look("wrong-root");
  await press("Back");
  await page.goto(`${phone.home}/#${code}`);
  await page.getByLabel("Name of this device").fill("Pixel 8");
  await look("naming");
  await press("Register this device");
  const digits = await phone.digits();
  await look("digits");
  await host.confirm(token_id, digits);
  await phone.heading("Registered");
  await look("registered");
  await press("Done");
  await phone.heading("Ready");
  await look("ready");

  const ssh = await host.push(user, SSH);
  await phone.heading("SSH login");
  await look("ssh");
  await phone.approve();
  assert.equal((await host.answer(ssh)).verdict, "approved");
  await phone.heading("Approved");
  await look("approved");
  await press("Done");
  const sudo = await host.push(user, SUDO);
  await phone.heading("sudo command");
  await look("sudo");
  await page.getByLabel("Number on the terminal").fill("482");
  await look("sudo-number");
  await page.locator("#deny").click();
  await host.answer(sudo);
  await phone.heading("Denied");
  await look("denied");
  await press("Done");
  const long = await host.push(user, LONG);
  await phone.heading("sudo command");
  await look("folded");
  await press(/^Show all/);
  await look("unfolded");
  await page.locator("#report").click();
  await host.answer(long);
  await phone.heading("Denied and reported");
  await look("reported");
  await press("Done");
  const passkey = await host.push(user, { ...SSH, level: "passkey" });
  await page.getByText("This needs a passkey").waitFor();
  await look("passkey");
  const second = await host.push(user, { ...SUDO, login: "p3d8ws" });
  await page.getByText("1 of 2").waitFor();
  await press("Decide later");
  await page.getByRole("heading", { name: "2 requests wait" }).waitFor();
  await look("list");
  await page.getByRole("button", { name: /^SSH login/ }).click();
  await host.withdraw(passkey);
  await phone.heading("No answer needed any more");
  await look("ended");
  await press("Next request");
  await host.withdraw(second);
  await phone.heading("No answer needed any more");
  await press("Done");

  await further(world, phone, user, look);
  await press("Settings");
  await phone.heading("Settings");
  await page.locator("li", { hasText: "This device" }).waitFor();
  await look("settings");
  await press("Remove this device …");
  await look("removing");
  await press("Keep it");
  await press("Back");

  await phone.context.setOffline(true);
  await phone.heading("Offline");
  await look("offline");
  await phone.context.setOffline(false);
  await phone.heading("Ready");
  const other = await phone.context.newPage();
  await other.goto(phone.home);
  await phone.heading("Assent is open in another tab");
  await look("elsewhere");
  await other.close();
  await phone.heading("Ready");
  await spoil(phone);
  await phone.heading("This registration does not verify");
  await look("damaged");
  await press("Delete its keys …");
  await look("deleting");
  await press("Delete");
  await phone.heading("Approve your sign-ins here");
  await page.evaluate(() => localStorage.setItem("assent.registrations", '[{"deviceId":"x","name":"alice","label":"Old phone","relay":"https://push.example.org"}]'));
  await page.reload();
  await phone.heading("This device’s keys are gone");
  await look("lost");
}

/** Changes the certificate of the one registration that a phone keeps, and opens the app again. @param {Phone} phone */
export async function spoil({ page, home }) {
  // A page of the origin in which no app is at work, which would keep what it knows.
  await page.goto(`${home}/assets.json`);
  await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const request = indexedDB.open("assent");
        request.onerror = reject;
        request.onsuccess = () => {
          const store = request.result.transaction("registrations", "readwrite").objectStore("registrations");
          const all = store.getAll();
          all.onsuccess = () => {
            const [one] = all.result;
            const last = one.certificate.at(-2) === "A" ? "B" : "A";
            const put = store.put({ ...one, certificate: `${one.certificate.slice(0, -2)}${last}${one.certificate.at(-1)}` });
            put.onsuccess = () => (request.result.close(), resolve(undefined));
          };
        };
      }),
  );
  await page.goto(home);
}

/** A further device, as the first one sees it. @param {World} world @param {Phone} phone @param {string} user
 * @param {(name: string) => Promise<void>} look */
async function further(world, phone, user, look) {
  const { code, token_id } = await world.host.open(user);
  const tablet = await world.phone();
  await tablet.visit(`/e#${code}`);
  await tablet.page.getByLabel("Name of this device").fill("Tablet");
  await tablet.page.getByRole("button", { name: "Register this device" }).click();
  await world.host.confirm(token_id, await tablet.digits());
  await phone.heading("Add a device?");
  await look("add-device");
  await phone.approve();
  await phone.heading("Approved");
  await phone.page.getByRole("button", { name: "Done" }).click();
  await phone.page.getByText("New device added").waitFor();
  await look("new-device");
  await phone.page.getByRole("button", { name: "I know about it" }).click();
  await tablet.page.close();
}
