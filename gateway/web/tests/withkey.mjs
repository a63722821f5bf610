// A phone whose browser can ask for fingerprint, face or PIN: Chromium's own virtual authenticator.

/** @typedef {import("./rig.mjs").World} World */

/** @param {World} world @param {import("playwright-core").BrowserContextOptions} [options] */
export async function withKey(world, options) {
  const phone = await world.phone(options);
  phone.prepare = async (page) => {
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("WebAuthn.enable");
    await devtools.send("WebAuthn.addVirtualAuthenticator", {
      options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    });
  };
  return phone;
}
