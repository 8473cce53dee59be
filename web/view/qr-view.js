/**
 * Draws a QR code as one SVG path, with its quiet zone, dark on light in every scheme.
 */

import { qrCode } from "../qr/qr-code.js";

const QUIET = 4;
const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {HTMLElement} place
 * @param {string} text empty: nothing to show
 */
export function drawQrCode(place, text) {
  if (place.dataset.shown === text) return;
  place.dataset.shown = text;
  place.replaceChildren();
  if (!text) return;
  const rows = qrCode(text);
  const size = rows.length + 2 * QUIET;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("shape-rendering", "crispEdges");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", rows.map(rowPath).join(""));
  svg.append(path);
  place.append(svg);
}

/**
 * @param {boolean[]} row
 * @param {number} y
 */
function rowPath(row, y) {
  let path = "";
  for (let x = 0; x < row.length; x++) {
    if (!row[x]) continue;
    let end = x;
    while (row[end]) end++;
    path += `M${x + QUIET} ${y + QUIET}h${end - x}v1h-${end - x}z`;
    x = end;
  }
  return path;
}
