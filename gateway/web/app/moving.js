// Moving to a new phone, as the old one sees it: a code that the new one scans, the six digits that it shows, and the end of
// this registration in the same moment. Beside `open_move` and `confirm_move` in gateway/src/registrar/enrolments.rs.

import { encode, random } from "/assets/bytes.js";
import { NotBelieved } from "/assets/registrar.js";

/** @import { Account } from "/assets/account.js" */
/** @import { EnrolmentState } from "/assets/registrar.js" */

/** A move that is open: the link for the new phone, and its code. @typedef {{ tokenId: string, link: string, rows: string[] }} Move */

/** @param {Account} account @returns {Promise<Move>} */
export async function openMove(account) {
  const [tokenId, secret] = [encode(random(16)), encode(random(16))];
  const reply = await account.ask({ move: { token_id: tokenId, secret } });
  if (reply.name !== "move_open") throw new NotBelieved("the registrar replies to something else");
  const link = `${location.origin}/e#1.${tokenId}.${secret}.${account.self.roots.fingerprint}`;
  return { tokenId, link, rows: reply.content.qr };
}

/** How it stands. @param {Account} account @param {Move} move */
export const moveStands = (account, { tokenId }) => stateOf(account, { moving: { token_id: tokenId } });

/** Hands the digits over. @param {Account} account @param {Move} move @param {string} digits */
export const confirmMove = (account, { tokenId }, digits) =>
  stateOf(account, { confirm_move: { token_id: tokenId, digits } });

/** @param {Account} account @param {import("/assets/registrar.js").Want} want @returns {Promise<EnrolmentState>} */
async function stateOf(account, want) {
  const reply = await account.ask(want);
  if (reply.name !== "enrolment") throw new NotBelieved("the registrar replies to something else");
  return reply.content;
}
