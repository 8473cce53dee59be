/**
 * A small line of recent values on a canvas, in the colours of its element.
 */

/**
 * @param {HTMLCanvasElement} canvas
 * @param {(number | null)[]} values newest last; null is a gap
 * @param {{slots?: number, atLeast?: number, unit?: string}} [options] slots: values that
 *   fit; atLeast: the scale never ends below it
 */
export function drawSparkline(canvas, values, { slots = 120, atLeast = 50, unit = "" } = {}) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const top = scaleEnd(values, atLeast);
  const x = (/** @type {number} */ i) => width - ((values.length - 1 - i) * width) / (slots - 1);
  const y = (/** @type {number} */ value) => height - 2 - (value / top) * (height - 16);
  pen.strokeStyle = style.getPropertyValue("--line");
  pen.fillStyle = style.getPropertyValue("--ink-soft");
  pen.font = `11px ${style.fontFamily}`;
  pen.lineWidth = 1;
  for (const share of [0.5, 1]) {
    pen.beginPath();
    pen.moveTo(0, y(share * top));
    pen.lineTo(width, y(share * top));
    pen.stroke();
    pen.fillText(`${Math.round(share * top)}${unit}`, 2, y(share * top) - 3);
  }
  pen.strokeStyle = style.getPropertyValue("--assistant");
  pen.lineWidth = 2;
  pen.lineJoin = "round";
  pen.beginPath();
  let isDrawing = false;
  values.forEach((value, i) => {
    if (value === null) {
      isDrawing = false;
      return;
    }
    if (isDrawing) pen.lineTo(x(i), y(value));
    else pen.moveTo(x(i), y(value));
    isDrawing = true;
  });
  pen.stroke();
}

/**
 * @param {(number | null)[]} values
 * @param {number} atLeast
 */
function scaleEnd(values, atLeast) {
  const highest = Math.max(atLeast, ...values.map((value) => value ?? 0));
  const step = 10 ** Math.floor(Math.log10(highest)) / 2;
  return Math.ceil(highest / step) * step;
}
