// Draws a QR code from its modules: one path, whole pixels.

const SVG = "http://www.w3.org/2000/svg";
/** Modules of light around the code (ISO/IEC 18004). */
const QUIET = 4;

/** @typedef {{ size: number, rows: string[] }} Matrix */

/** @param {Matrix} code @param {number} room pixels @param {string} label @returns {SVGSVGElement} */
export function draw(code, room, label) {
  const side = code.size + 2 * QUIET;
  const pixels = Math.max(2, Math.floor(room / side)) * side;
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({
    viewBox: `0 0 ${side} ${side}`,
    width: pixels,
    height: pixels,
    "shape-rendering": "crispEdges",
    role: "img",
    "aria-label": label,
  })) {
    svg.setAttribute(name, String(value));
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("fill", "currentColor");
  path.setAttribute("d", outline(code));
  svg.append(path);
  return svg;
}

/** A bar for each run of dark modules. @param {Matrix} code */
function outline({ rows }) {
  return rows
    .flatMap((row, y) =>
      [...row.matchAll(/1+/g)].map(({ index, 0: run }) => `M${index + QUIET} ${y + QUIET}h${run.length}v1h-${run.length}z`),
    )
    .join("");
}
