// The chosen epochs: a curve over the time steps for each of them and each run.

import { sized } from "./canvas.js";
import { Chart, DASHES } from "./chart.js";
import { make } from "./dom.js";
import { text } from "./layout.js";
import { ofCurve, REASONS } from "./missing.js";
import { Panel } from "./panel.js";
import { curveTable } from "./tables.js";

export class CurvePanel extends Panel {
  constructor(app) {
    super("curve", "Chosen epochs");
    this.app = app;
    this.state = app.state;
    this.curves = [];
    this.order = 0;
    this.chart = new Chart({
      label: "Gradient by time step, chosen epochs. Left and right arrow keys read the values.",
      onPoint: (step) => this.read(step),
    });
    this.chips = make("div", { class: "chips" });
    this.body.append(this.chips, this.chart.element, this.readout);
  }

  /** Draw the chosen epoch and those that are kept beside it, unless they are not wanted any more when they come. */
  async draw(isWanted) {
    const epochs = [this.state.epoch(), ...this.state.pins()];
    const wanted = [...this.state.loaded.flows.keys()].flatMap((run) =>
      epochs.map((epoch, number) => ({ run, asked: epoch, dash: DASHES[number % DASHES.length] })),
    );
    const order = ++this.order;
    let found = [];
    try {
      found = await Promise.all(wanted.map(({ run, asked }) => this.app.loading.curve(run, asked)));
    } catch (error) {
      this.app.problem(error.message);
    }
    if (!isWanted() || order !== this.order) return;
    this.curves = found.flatMap((curve, number) => (curve ? [this.described(curve, wanted[number])] : []));
    this.chart.show({
      curves: [...this.curves].reverse(),
      scale: this.state.loaded.scale,
      width: this.app.room(),
      plotHeight: Math.round(this.app.tallest() * 0.62),
    });
    this.drawChips();
    this.read(this.chart.step);
  }

  described(curve, { run, asked, dash }) {
    const epoch = `epoch ${curve.epoch}`;
    const name = this.state.loaded.flows.size > 1 ? `${run}, ${epoch}` : epoch;
    return { ...curve, run, asked, dash, color: this.state.color(run), name };
  }

  drawChips() {
    const epoch = this.state.epoch();
    const title = "Keep this epoch's curve while another one is chosen";
    const onclick = () => this.app.pin(epoch);
    const keep = make("button", { type: "button", class: "keep", title, onclick }, `Keep epoch ${epoch}`);
    this.chips.replaceChildren(...this.curves.map((curve) => this.chip(curve)), keep);
  }

  chip(curve) {
    const key = make("canvas", { "aria-hidden": "true" });
    const context = sized(key, 30, 12);
    context.strokeStyle = curve.color;
    context.lineWidth = 2;
    context.setLineDash(curve.dash);
    context.moveTo(0, 6);
    context.lineTo(30, 6);
    context.stroke();
    const label = `Remove epoch ${curve.asked}`;
    const onclick = () => this.app.unpin(curve.asked);
    const isChosen = curve.asked === this.state.epoch();
    const remove = isChosen ? null : make("button", { type: "button", "aria-label": label, onclick }, "×");
    return make("span", { class: "chip" }, key, curve.name, remove);
  }

  read(step) {
    const value = (curve) => REASONS[ofCurve(curve, step)] ?? text(curve.values[step]);
    const said = () => this.curves.map((curve) => `${curve.name}: ${value(curve)}`).join(" · ");
    this.readout.textContent = step === null ? "" : `time step ${step} · ${said()}`;
  }

  tables() {
    return [curveTable(`${this.state.selection.layer}, ${this.state.symbol()}`, this.curves)];
  }

  pictures() {
    const names = this.curves.map(({ name }) => name).join(" · ");
    const title = `${this.state.selection.layer}: ${this.state.symbol()} by time step`;
    return { title, pictures: [{ title: names, canvas: this.chart.base }] };
  }
}
