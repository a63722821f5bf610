// The camera: shows its picture and hands what it reads to `found`, until stopped. No picture leaves this device.

import { t } from "/assets/lang.js";
import { scanWorker } from "/assets/trusted.js";

/** Longest side of a picture that is read: enough for a code, quick on a small phone. */
const SIDE = 800;

/**
 * Starts the camera on `video`. Returns what stops it. Throws the browser's error if there is no camera or no leave.
 * @param {HTMLVideoElement} video @param {(text: string) => void} found
 */
export async function scan(video, found) {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: "environment", width: { ideal: 1280 } },
    audio: false,
  });
  const worker = scanWorker();
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let timer = 0;
  const stop = () => {
    clearTimeout(timer);
    worker.terminate();
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
  const look = () => {
    const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    if (context === null || canvas.width === 0) {
      timer = setTimeout(look, 100);
      return;
    }
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
    worker.postMessage({ data, width, height }, [data.buffer]);
  };
  worker.addEventListener("message", ({ data }) => {
    if (typeof data === "string" && data !== "") found(data);
    timer = setTimeout(look, 80);
  });
  video.srcObject = stream;
  await video.play();
  look();
  return stop;
}

/** Why there is no camera, and what to do. @param {unknown} error */
export function noCamera(error) {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") {
    return t("The camera is not allowed for this page. Allow it in the browser's settings for this page, or type the code.");
  }
  if (name === "NotFoundError" || name === "OverconstrainedError") return t("No camera was found. Type the code instead.");
  if (name === "NotReadableError") return t("Another app uses the camera. Close it and try again, or type the code.");
  return t("The camera did not start. Type the code instead.");
}
