// What a person can do with one registration from the settings: name it, say that another device is lost, move away, leave.

import { moving } from "/assets/screen-move.js";
import { settings } from "/assets/screen-settings.js";

/** @import { Account } from "/assets/account.js" */
/** @import { Notifying } from "/assets/notifying.js" */
/** @import { Screen } from "/assets/screen-welcome.js" */

/** What the app gives.
 * @typedef {{
 *   accounts: Account[], notifying: Notifying, panel: string, persistent: boolean, resettle: (() => void) | null,
 *   page: { show: (screen: Screen) => void }, open: (show: () => void) => void, close: () => void, add: () => void,
 *   redraw: () => void, refresh: (account: Account) => Promise<void>, wipe: (account: Account) => Promise<void>,
 * }} Around */

/** Opens the settings of a registration. @param {Around} app @param {Account} account */
export function openSettings(app, account) {
  const screen = () =>
    settings({
      account,
      accounts: app.accounts,
      notifying: app.notifying,
      panel: app.panel,
      persistent: app.persistent,
      back: () => app.close(),
      add: () => app.add(),
      rename: (label) => account.refresh({ rename: { label } }),
      refresh: async () => {
        await app.refresh(account);
        await account.hearOf();
        app.redraw();
      },
      lost: async (id) => {
        await account.refresh({ lost: { device: id } });
        app.redraw();
      },
      move: () => openMove(app, account),
      leave: async () => {
        await account.ask("leave");
        await app.wipe(account);
      },
      wipe: () => app.wipe(account),
    });
  app.open(() => {
    const shown = screen();
    app.resettle = shown.redraw;
    app.page.show(shown);
  });
}

/** @param {Around} app @param {Account} account */
export function openMove(app, account) {
  app.resettle = null;
  const screen = moving({ account, back: () => app.close(), gone: () => app.wipe(account) });
  app.open(() => app.page.show(screen));
}
