// Curves over the time steps, on a log axis.

import { ink, sized } from "./canvas.js";
import { make } from "./dom.js";
import { countTicks, logTicks, moved, powerText } from "./layout.js";

const MARGIN = { left: 52, top: 10, right: 12, bottom: 36 };
export const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [4, 2], [12, 5]];

/** A chart; `onPoint(step or null)` follows the pointer and the arrow keys. */
export class Chart {
  constructor({ label, onPoint }) {
    this.onPoint = onPoint;
    this.base = make("canvas", { "aria-hidden": "true" });
    this.cover = make("canvas", {
      class: "cover",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "line chart",
      "aria-label": label,
      onpointermove: (event) => this.point(this.under(event)),
      onpointerleave: () => this.point(null),
      onblur: () => this.point(null),
      onkeydown: (event) => this.key(event),
    });
    this.element = make("div", { class: "heatmap" }, this.base, this.cover);
    this.step = null;
  }

  /** Draw curves [{values, color, dash}] between the ends of a log scale. */
  show({ curves, scale, width, plotHeight }) {
    this.steps = Math.max(0, ...curves.map(({ values }) => values.length));
    const height = plotHeight + MARGIN.top + MARGIN.bottom;
    this.box = { left: MARGIN.left, top: MARGIN.top, width: width - MARGIN.left - MARGIN.right, height: plotHeight };
    this.size = [width, height];
    this.element.style.height = `${height}px`;
    const context = sized(this.base, width, height);
    this.line = sized(this.cover, width, height);
    const { box } = this;
    const colors = ink();
    context.fillStyle = colors.surface;
    context.fillRect(0, 0, width, height);
    context.fillStyle = colors.text;
    context.strokeStyle = colors.faint;
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    const down = (value) => box.top + box.height * (0.97 - 0.94 * Math.min(Math.max(scale.place(value), -0.03), 1.03));
    for (const tick of logTicks(scale.low, scale.high, box.height / 28)) {
      const y = Math.round(down(tick)) + 0.5;
      context.beginPath();
      context.moveTo(box.left, y);
      context.lineTo(box.left + box.width, y);
      context.stroke();
      context.fillText(powerText(tick), box.left - 6, y);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const [step, label] of countTicks(this.steps, box.width / 44)) {
      context.fillText(label, this.across(step), box.top + box.height + 4);
    }
    context.fillText("time step", box.left + box.width / 2, box.top + box.height + 19);
    context.strokeStyle = colors.line;
    context.strokeRect(box.left - 0.5, box.top - 0.5, box.width + 1, box.height + 1);
    context.save();
    context.beginPath();
    context.rect(box.left - 4, box.top - 4, box.width + 8, box.height + 8);
    context.clip();
    context.lineWidth = 2;
    for (const { values, color, dash } of curves) {
      context.strokeStyle = context.fillStyle = color;
      context.setLineDash(dash);
      context.beginPath();
      let drawing = false;
      values.forEach((value, step) => {
        if (Number.isNaN(value)) {
          drawing = false;
          return;
        }
        const [x, y] = [this.across(step), down(Math.max(value, scale.low / 2))];
        if (drawing) context.lineTo(x, y);
        else context.moveTo(x, y);
        drawing = true;
      });
      context.stroke();
      context.setLineDash([]);
      if (values.length * 8 < box.width) {
        values.forEach((value, step) => {
          if (Number.isNaN(value)) return;
          context.beginPath();
          context.arc(this.across(step), down(Math.max(value, scale.low / 2)), 2.6, 0, 7);
          context.fill();
        });
      }
    }
    context.restore();
    this.drawCover();
  }

  across(step) {
    return this.box.left + ((step + 0.5) / Math.max(this.steps, 1)) * this.box.width;
  }

  under(event) {
    if (!this.box) return null;
    const x = event.clientX - this.cover.getBoundingClientRect().left;
    const step = Math.floor(((x - this.box.left) / this.box.width) * this.steps);
    return step >= 0 && step < this.steps ? step : null;
  }

  point(step) {
    if (step === this.step) return;
    this.step = step;
    this.onPoint(step);
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.drawCover();
    });
  }

  key(event) {
    const to = moved([0, this.step ?? -1], event.key, 1, this.steps);
    if (!to || !["ArrowLeft", "ArrowRight"].includes(event.key) || this.steps === 0) return;
    this.point(to[1]);
    event.preventDefault();
    event.stopPropagation();
  }

  drawCover() {
    if (!this.line) return;
    this.line.clearRect(0, 0, ...this.size);
    if (this.step === null) return;
    this.line.strokeStyle = ink().text;
    this.line.setLineDash([3, 3]);
    this.line.beginPath();
    this.line.moveTo(this.across(this.step), this.box.top);
    this.line.lineTo(this.across(this.step), this.box.top + this.box.height);
    this.line.stroke();
  }
}
