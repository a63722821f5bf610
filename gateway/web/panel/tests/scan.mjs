// Reads a QR code from a picture of the screen, as a phone's camera does.
import { createRequire } from "node:module";

/** @type {typeof import("jsqr").default} */
const jsQR = createRequire(import.meta.url)("jsqr");

/**
 * What a camera reads in a picture.
 * @param {import("playwright-core").Browser} browser @param {Buffer} png @returns {Promise<string | undefined>}
 */
export async function scanned(browser, png) {
  // A blank page of no origin: the panel's own policy lets nothing be drawn from data.
  const page = await browser.newPage();
  try {
    // One letter a pixel: its brightness.
    const { letters, width, height } = await page.evaluate(async (base64) => {
      const image = new Image();
      image.src = `data:image/png;base64,${base64}`;
      await image.decode();
      const { width, height } = image;
      const context = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(width, height).getContext("2d"));
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, width, height);
      let letters = "";
      for (let at = 0; at < data.length; at += 4) letters += String.fromCharCode(data[at + 1] ?? 0);
      return { letters, width, height };
    }, png.toString("base64"));
    const data = Uint8ClampedArray.from([...letters].flatMap((letter) => [...Array(3).fill(letter.charCodeAt(0)), 255]));
    return jsQR(data, width, height, { inversionAttempts: "dontInvert" })?.data;
  } finally {
    await page.close();
  }
}
