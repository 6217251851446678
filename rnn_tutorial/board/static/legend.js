// What the colours and patterns of a picture mean.

import { ink, sized } from "./canvas.js";
import { color, INFINITE, LESS, MORE } from "./colors.js";
import { hatch } from "./hatching.js";
import { logTicks, powerText, text } from "./layout.js";
import { MASKED, NAN, REASONS, UNRECORDED } from "./missing.js";

/** What a legend explains besides its scale, given what is {less, more, infinite} and what is missing: [text, ...]. */
export function besides({ less, more, infinite }, missing) {
  const said = [less && "less: black", more && "more: orange", infinite && "infinite: red"];
  const patterns = { [NAN]: "crossed lines", [MASKED]: "lines", [UNRECORDED]: "dots" };
  return [...said.filter(Boolean), ...missing.map((reason) => `${REASONS[reason]}: ${patterns[reason]}`)];
}

/** Draw a scale's legend; `name` says of what, `off` what is beyond it, `missing` what has no number. Returns the canvas. */
export function legend(canvas, scale, name, off, missing, width = 300) {
  const context = sized(canvas, width, 34);
  const colors = ink();
  context.fillStyle = colors.surface;
  context.fillRect(0, 0, width, 34);
  context.textBaseline = "middle";
  context.fillStyle = colors.text;
  context.textAlign = "left";
  context.fillText(name, 0, 8);
  let left = Math.ceil(context.measureText(name).width) + 14;
  let right = width;
  const block = (x, fill, label) => {
    fill({ left: x, top: 2, width: 14, height: 12 });
    context.strokeStyle = colors.line;
    context.strokeRect(x + 0.5, 2.5, 13, 11);
    context.fillStyle = colors.text;
    context.textAlign = "center";
    context.fillText(label, x + 7, 25);
  };
  const plain = (rgb) => (box) => {
    context.fillStyle = `rgb(${rgb})`;
    context.fillRect(box.left, box.top, box.width, box.height);
  };
  const fromRight = (fill, label) => {
    const across = Math.max(context.measureText(label).width, 14) + 12;
    right -= across;
    block(Math.round(right + across / 2 - 7), fill, label);
  };
  for (const reason of [...missing].reverse()) fromRight((box) => hatch(context, box, reason), REASONS[reason]);
  if (off.infinite) fromRight(plain(INFINITE), scale.kind === "log" ? "∞" : "±∞");
  if (off.more) fromRight(plain(MORE), "more");
  right -= 22;
  if (off.less) {
    block(left + 8, plain(LESS), "less");
    left += 40;
  }
  left += 8;
  const across = right - left;
  for (let x = 0; x < across; x++) {
    const part = x / (across - 1);
    const value =
      scale.kind === "log" ? scale.low * (scale.high / scale.low) ** part : scale.low + (scale.high - scale.low) * part;
    context.fillStyle = `rgb(${color(Math.min(Math.max(value, scale.low), scale.high), scale)})`;
    context.fillRect(left + x, 2, 1.5, 12);
  }
  context.fillStyle = colors.text;
  context.textAlign = "center";
  const ticks =
    scale.kind === "log"
      ? logTicks(scale.low, scale.high, across / 42)
      : [scale.low, (scale.low + scale.high) / 2, scale.high];
  for (const tick of ticks) {
    const x = left + scale.place(tick) * across;
    context.fillRect(x - 0.5, 14, 1, 3);
    context.fillText(scale.kind === "log" ? powerText(tick) : text(tick), x, 25);
  }
  return canvas;
}
