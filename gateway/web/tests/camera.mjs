// Chromium's fake camera: a film of one picture, a QR code, in the form that it reads (y4m).
import { writeFileSync } from "node:fs";
import qrcode from "qrcode-generator";

const [WIDTH, HEIGHT] = [640, 480];
const QUIET = 4;

/** @param {string} file @param {string | null} text null for a picture of nothing */
export function film(file, text) {
  const luma = Buffer.alloc(WIDTH * HEIGHT, 235);
  if (text !== null) draw(luma, text);
  const chroma = Buffer.alloc((WIDTH * HEIGHT) / 2, 128);
  const frame = Buffer.concat([Buffer.from("FRAME\n"), luma, chroma]);
  const head = Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\n`);
  writeFileSync(file, Buffer.concat([head, frame, frame, frame]));
}

/** @param {Buffer} luma @param {string} text */
function draw(luma, text) {
  const code = qrcode(0, "M");
  code.addData(text);
  code.make();
  const modules = code.getModuleCount() + 2 * QUIET;
  const size = Math.floor(HEIGHT / modules);
  const left = Math.floor((WIDTH - modules * size) / 2);
  for (let y = 0; y < modules * size; y++) {
    for (let x = 0; x < modules * size; x++) {
      const [row, column] = [Math.floor(y / size) - QUIET, Math.floor(x / size) - QUIET];
      const inside = Math.min(row, column) >= 0 && Math.max(row, column) < code.getModuleCount();
      if (inside && code.isDark(row, column)) luma[y * WIDTH + left + x] = 16;
    }
  }
}
