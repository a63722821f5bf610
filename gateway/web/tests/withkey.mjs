// A phone whose browser can ask for fingerprint, face or PIN: Chromium's own virtual authenticator.

/** @typedef {import("./rig.mjs").World} World */
/** @typedef {import("playwright-core").CDPSession} CDPSession */

/** @param {World} world @param {import("playwright-core").BrowserContextOptions & { synced?: boolean }} [options] */
export async function withKey(world, { synced = false, ...options } = {}) {
  const phone = await world.phone(options);
  /** @type {CDPSession} */
  let devtools;
  let authenticatorId = "";
  let right = true;
  phone.prepare = async (page) => {
    devtools = await page.context().newCDPSession(page);
    await devtools.send("WebAuthn.enable");
    const added = await devtools.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: right,
        automaticPresenceSimulation: true,
        defaultBackupEligibility: synced,
        defaultBackupState: synced,
      },
    });
    authenticatorId = added.authenticatorId;
  };
  /** Whether fingerprint, face or PIN will be right. @param {boolean} isUserVerified */
  const verifies = async (isUserVerified) => {
    right = isUserVerified;
    if (authenticatorId !== "") await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified });
  };
  return { phone, verifies };
}
