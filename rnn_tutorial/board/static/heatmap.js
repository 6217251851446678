// A grid of colours on a canvas, with axes, a pointer and a keyboard.

import { ink, sized } from "./canvas.js";
import { paint } from "./colors.js";
import { make } from "./dom.js";
import { hatchCells } from "./hatching.js";
import { cellAt, moved } from "./layout.js";

const MARGIN = { left: 52, top: 8, right: 10, bottom: 36 };

function drawCells(context, box, { values, missing, rows, columns, scale }) {
  hatchCells(context, box, missing, rows, columns);
  const cells = new OffscreenCanvas(columns, rows);
  cells.getContext("2d").putImageData(new ImageData(paint(values, scale), columns, rows), 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(cells, box.left, box.top, box.width, box.height);
}

/** Write the axis of the rows; of ticks that would touch, the first ones. */
function drawRows(context, box, rows, ticks, title) {
  context.textBaseline = "middle";
  context.textAlign = "right";
  let taken = -Infinity;
  for (const [place, label] of ticks) {
    const y = box.top + ((place + 0.5) / rows) * box.height;
    if (y - taken < 14) continue;
    context.fillText(label, box.left - 6, y);
    taken = y;
  }
  context.save();
  context.translate(12, box.top + box.height / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.fillText(title, 0, 0);
  context.restore();
}

/** The same of the columns. */
function drawColumns(context, box, columns, ticks, title) {
  context.textBaseline = "top";
  context.textAlign = "center";
  let taken = -Infinity;
  for (const [place, label] of ticks) {
    const x = box.left + ((place + 0.5) / columns) * box.width;
    const half = context.measureText(label).width / 2;
    if (x - half < taken) continue;
    context.fillText(label, x, box.top + box.height + 4);
    taken = x + half + 6;
  }
  context.fillText(title, box.left + box.width / 2, box.top + box.height + 19);
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
    if (rows > 0 && columns > 0) drawCells(context, box, this);
    context.strokeStyle = colors.line;
    context.strokeRect(box.left - 0.5, box.top - 0.5, box.width + 1, box.height + 1);
    context.fillStyle = colors.text;
    drawRows(context, box, rows, rowTicks, rowTitle);
    drawColumns(context, box, columns, columnTicks, columnTitle);
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
