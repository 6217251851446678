// A grid of colours on a canvas, with axes, a pointer and a keyboard.

import { make } from "./dom.js";
import { color, INFINITE, LESS, MORE, paint } from "./colors.js";
import { cellAt, countTicks, logTicks, moved, powerText, text } from "./layout.js";
import { MASKED, NAN, occurring, REASONS, UNRECORDED } from "./missing.js";

export const FONT = "12px system-ui, 'Segoe UI', Roboto, sans-serif";
const MARGIN = { left: 52, top: 8, right: 10, bottom: 36 };

/** The colours of the page, for what is drawn on it. */
export function ink() {
  const style = getComputedStyle(document.body);
  const named = (name) => style.getPropertyValue(name).trim();
  return {
    text: named("--text"),
    faint: named("--faint"),
    line: named("--line"),
    surface: named("--surface"),
    focus: named("--focus"),
    severe: named("--severe"),
  };
}

/** A canvas of so many CSS pixels, and its context in CSS pixels. */
export function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = FONT;
  return context;
}

/** Fill a box with the pattern that says why there is no number: lines for masked, crossed ones for NaN, else dots. */
function hatch(context, box, reason) {
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
function hatchCells(context, box, missing, rows, columns) {
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

/** A heatmap; `onPoint([row, column] or null)` follows the pointer, `onPick([row, column], event)` a click or Enter. */
export class Heatmap {
  constructor({ label, onPoint, onPick = null }) {
    this.onPoint = onPoint;
    this.onPick = onPick;
    this.base = make("canvas", { "aria-hidden": "true" });
    this.cover = make("canvas", {
      class: "cover",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "heatmap",
      "aria-label": label,
      onpointermove: (event) => this.point(this.under(event)),
      onpointerleave: () => this.point(document.activeElement === this.cover ? this.at : null),
      onclick: (event) => {
        this.at = this.under(event) ?? this.at;
        if (this.under(event)) this.onPick?.(this.at, event);
      },
      onfocus: () => this.point(this.at),
      onblur: () => this.point(null),
      onkeydown: (event) => this.key(event),
    });
    this.element = make("div", { class: "heatmap" }, this.base, this.cover);
    this.at = null;
    this.pointed = null;
    this.marks = [];
  }

  /** Draw numbers (rows, columns), given by rows, and why some are missing; ticks are [[place, label], ...]. */
  show({ values, missing, rows, columns, scale, width, plotHeight, rowTicks, columnTicks, rowTitle, columnTitle }) {
    Object.assign(this, { values, missing, rows, columns, scale });
    const height = plotHeight + MARGIN.top + MARGIN.bottom;
    this.box = { left: MARGIN.left, top: MARGIN.top, width: width - MARGIN.left - MARGIN.right, height: plotHeight };
    this.size = [width, height];
    const context = sized(this.base, width, height);
    this.line = sized(this.cover, width, height);
    this.element.style.height = `${height}px`;
    const { box } = this;
    const colors = ink();
    context.fillStyle = colors.surface;
    context.fillRect(0, 0, width, height);
    if (rows > 0 && columns > 0) {
      hatchCells(context, box, missing, rows, columns);
      const cells = new OffscreenCanvas(columns, rows);
      cells.getContext("2d").putImageData(new ImageData(paint(values, scale), columns, rows), 0, 0);
      context.imageSmoothingEnabled = false;
      context.drawImage(cells, box.left, box.top, box.width, box.height);
    }
    context.strokeStyle = colors.line;
    context.strokeRect(box.left - 0.5, box.top - 0.5, box.width + 1, box.height + 1);
    context.fillStyle = colors.text;
    context.textBaseline = "middle";
    context.textAlign = "right";
    let taken = -Infinity;
    for (const [place, label] of rowTicks) {
      const y = box.top + ((place + 0.5) / rows) * box.height;
      if (y - taken < 14) continue;
      context.fillText(label, box.left - 6, y);
      taken = y;
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    taken = -Infinity;
    for (const [place, label] of columnTicks) {
      const x = box.left + ((place + 0.5) / columns) * box.width;
      const half = context.measureText(label).width / 2;
      if (x - half < taken) continue;
      context.fillText(label, x, box.top + box.height + 4);
      taken = x + half + 6;
    }
    context.fillText(columnTitle, box.left + box.width / 2, box.top + box.height + 19);
    context.save();
    context.translate(12, box.top + box.height / 2);
    context.rotate(-Math.PI / 2);
    context.textBaseline = "middle";
    context.fillText(rowTitle, 0, 0);
    context.restore();
    if (this.at) this.at = [Math.min(this.at[0], rows - 1), Math.min(this.at[1], columns - 1)];
    this.drawCover();
  }

  /** Mark rows: [[row, dash], ...]. */
  mark(marks) {
    this.marks = marks;
    if (this.box) this.drawCover();
  }

  under(event) {
    if (!this.box) return null;
    const frame = this.cover.getBoundingClientRect();
    return cellAt(event.clientX - frame.left, event.clientY - frame.top, this.box, this.rows, this.columns);
  }

  point(at) {
    if (at) this.at = at;
    if (String(at) === String(this.pointed)) return;
    this.pointed = at;
    this.onPoint(at);
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.drawCover();
    });
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.rows || !this.columns) return;
    if (event.key === "Enter" && this.onPick && this.at) this.onPick(this.at, event);
    else {
      const at = this.at ? moved(this.at, event.key, this.rows, this.columns) : [this.rows - 1, 0];
      if (!at || !moved([0, 0], event.key, 2, 2)) return;
      this.point(at);
    }
    event.preventDefault();
    event.stopPropagation();
  }

  drawCover() {
    const { line, box, rows, columns } = this;
    if (!line) return;
    line.clearRect(0, 0, ...this.size);
    const strokes = (draw) => {
      for (const [style, width] of [
        ["#000", 3],
        ["#fff", 1.2],
      ]) {
        line.strokeStyle = style;
        line.lineWidth = width;
        line.beginPath();
        draw();
        line.stroke();
      }
    };
    for (const [row, dash] of this.marks) {
      const y = box.top + ((row + 0.5) / rows) * box.height;
      line.setLineDash(dash);
      strokes(() => {
        line.moveTo(box.left, y);
        line.lineTo(box.left + box.width, y);
      });
      line.setLineDash([]);
      line.fillStyle = ink().text;
      line.beginPath();
      line.moveTo(box.left + box.width + 1, y);
      line.lineTo(box.left + box.width + 8, y - 5);
      line.lineTo(box.left + box.width + 8, y + 5);
      line.fill();
    }
    if (this.pointed) {
      const [row, column] = this.pointed;
      const [wide, high] = [box.width / columns, box.height / rows];
      strokes(() =>
        line.rect(box.left + column * wide - 1, box.top + row * high - 1, Math.max(wide, 2) + 2, Math.max(high, 2) + 2),
      );
    }
  }
}

/** Ticks for the rows of a flow: [[row, epoch], ...]. */
export function epochTicks(header, plotHeight) {
  return countTicks(header.first.length, plotHeight / 26, (row) => header.first[row]);
}

/** Ticks for time steps that stand `edges[i]` apart: [[column, step], ...]. */
export function timeTicks(edges, width) {
  return countTicks(edges.length - 1, width / 44, (column) => edges[column]);
}

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
