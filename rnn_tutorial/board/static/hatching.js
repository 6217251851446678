// The patterns that stand where there is no number.

import { ink } from "./canvas.js";
import { MASKED, NAN, occurring, UNRECORDED } from "./missing.js";

/** Fill a box with the pattern that says why there is no number: lines for masked, crossed ones for NaN, else dots. */
export function hatch(context, box, reason) {
  const colors = ink();
  const [right, bottom] = [box.left + box.width, box.top + box.height];
  context.save();
  context.beginPath();
  context.rect(box.left, box.top, box.width, box.height);
  context.clip();
  context.strokeStyle = context.fillStyle = reason === NAN ? colors.severe : colors.line;
  context.lineWidth = 1;
  context.beginPath();
  if (reason === UNRECORDED) {
    for (let y = box.top + 2; y < bottom; y += 5) {
      for (let x = box.left + 2; x < right; x += 5) context.rect(x, y, 1, 1);
    }
    context.fill();
  } else {
    for (let x = box.left - box.height; x < right; x += 6) {
      context.moveTo(x, bottom);
      context.lineTo(x + box.height, box.top);
      if (reason === MASKED) continue;
      context.moveTo(x, box.top);
      context.lineTo(x + box.height, bottom);
    }
    context.stroke();
  }
  context.restore();
}

/** Hatch the cells of a grid where there is no number; `missing` says why, by rows. */
export function hatchCells(context, box, missing, rows, columns) {
  const ratio = window.devicePixelRatio || 1;
  for (const reason of occurring([missing])) {
    const layer = new OffscreenCanvas(Math.ceil(box.width * ratio), Math.ceil(box.height * ratio));
    const drawing = layer.getContext("2d");
    drawing.scale(ratio, ratio);
    hatch(drawing, { left: 0, top: 0, width: box.width, height: box.height }, reason);
    const pixels = new ImageData(columns, rows);
    missing.forEach((one, place) => (pixels.data[place * 4 + 3] = one === reason ? 255 : 0));
    const cells = new OffscreenCanvas(columns, rows);
    cells.getContext("2d").putImageData(pixels, 0, 0);
    drawing.globalCompositeOperation = "destination-in";
    drawing.imageSmoothingEnabled = false;
    drawing.drawImage(cells, 0, 0, box.width, box.height);
    context.drawImage(layer, box.left, box.top, layer.width / ratio, layer.height / ratio);
  }
}
