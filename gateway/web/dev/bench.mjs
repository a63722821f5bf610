// What a person waits for, measured with a real gateway, the real pages in real browsers, and a host whose verifier is the
// real one: `npm run bench [ROUNDS]`. Prints tables and judges nothing. Everything is on one machine, which must be quiet; the
// programs are those of ASSENT_TARGET, the debug build where nothing is said.
import { measureNotifications } from "./measure-notifications.mjs";
import { measurePages } from "./measure-pages.mjs";
import { measureRequests } from "./measure-requests.mjs";
import { percentile, row, told } from "./measuring.mjs";

const rounds = Number(process.argv[2] ?? 30);

const { drawn, tap, passkey } = await measureRequests(rounds);
const { shown, answered } = await measureNotifications(rounds);
row("", "p50", "p95", "worst");
told("request sent → drawn in the app", drawn);
told("tap → the answer at the host", tap);
told("tap, passkey → the answer at the host", passkey);
told("request sent → notification shown (Firefox)", shown);
told("Approve on it → the answer at the host (Firefox)", answered);

const pages = await measurePages(rounds);
for (const slow of [false, true]) {
  row("");
  row(slow ? "slow 4G, CPU ÷ 4 (as Lighthouse applies them)" : "unthrottled", "p50", "p95", "worst");
  for (const { name, visits } of pages.filter((one) => one.slow === slow)) {
    told(`${name}: first contentful paint`, visits.map(({ painted }) => painted));
    told(`${name}: first button takes a press`, visits.map(({ usable }) => usable));
  }
}
row("");
row("weight until then", "bytes", "requests");
for (const { name, visits } of pages.filter((one) => !one.slow)) {
  row(name, String(percentile(visits.map(({ bytes }) => bytes), 0.5)), String(percentile(visits.map(({ requests }) => requests), 0.5)));
}
