// Reads QR codes out of pictures, beside the page so that it stays quick.

import jsQR from "/assets/jsqr.js";

/** @typedef {{ data: Uint8ClampedArray, width: number, height: number }} Picture */

addEventListener("message", ({ data: picture }) => {
  const { data, width, height } = /** @type {Picture} */ (picture);
  postMessage(jsQR(data, width, height, { inversionAttempts: "attemptBoth" })?.data ?? null);
});
