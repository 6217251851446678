// The gradient through time: a heatmap of epochs and time steps for each run.

import { cell, drawn, isThinned, lastUpTo } from "./binning.js";
import { DASHES } from "./chart.js";
import { beyond } from "./colors.js";
import { choice, labels, make } from "./dom.js";
import { caption, figure, missing } from "./figure.js";
import { Heatmap } from "./heatmap.js";
import { epochTicks, span, text, timeTicks } from "./layout.js";
import { besides, legend } from "./legend.js";
import { occurring, REASONS } from "./missing.js";
import { Panel } from "./panel.js";
import { REDUCTIONS } from "./selection.js";
import { flowTable } from "./tables.js";

export class FlowPanel extends Panel {
  constructor(app) {
    super("flow", "Gradient through time");
    this.app = app;
    this.state = app.state;
    this.maps = new Map();
    this.figures = make("div", { class: "figures" });
    this.legend = make("canvas", { class: "legend", role: "img" });
    this.body.append(this.figures, this.legend, this.readout);
  }

  draw() {
    this.drawControls();
    this.maps.clear();
    this.figures.replaceChildren(...this.state.selection.runs.map((run) => this.figure(run)));
    this.drawLegend();
    this.read(null, null);
  }

  drawControls() {
    const { schema, selection, loaded } = this.state;
    const available = this.state.recorded().flows;
    const choosePart = (part) => this.app.change({ part });
    const chooseReduce = (reduce) => this.app.change({ reduce });
    const parts = [
      choice("Which gradient", labels(schema.flows), selection.part, choosePart, (part) => available.includes(part)),
    ];
    if ([...loaded.flows.values()].some(isThinned)) {
      parts.push(make("span", {}, "of a bin the"));
      parts.push(choice("Which number of a bin", REDUCTIONS, selection.reduce, chooseReduce));
    }
    this.controls.replaceChildren(...parts);
  }

  figure(run) {
    const width = this.app.figureWidth();
    const flow = this.state.loaded.flows.get(run);
    const head = caption(this.state, run);
    if (!flow || flow.header.first.length === 0) return figure(width, head, missing(this.whyMissing(run)));
    const { header } = flow;
    if (header.left_out > 0) head.append(make("small", {}, `${header.left_out} epochs left out: not curves`));
    const { shape, values } = drawn(flow, this.state.selection.reduce);
    const what = `${run}, ${this.state.layerName(run)}: ${this.state.symbol()} by time step and epoch`;
    const map = new Heatmap({
      label: `${what}. Arrow keys read the values, Enter chooses an epoch.`,
      onPoint: (at) => this.read(run, at),
      onPick: ([row], { shiftKey }) =>
        shiftKey ? this.app.pin(header.last[row]) : this.app.setEpoch(header.last[row]),
    });
    const plotHeight = Math.min(Math.max(shape[0] * 18, 110), this.app.tallest());
    map.show({
      values,
      missing: this.state.loaded.missing.get(run),
      rows: shape[0],
      columns: shape[1],
      scale: this.state.loaded.scale,
      width,
      plotHeight,
      rowTicks: epochTicks(header, plotHeight),
      columnTicks: timeTicks(header.times, width - 62),
      rowTitle: "epoch",
      columnTitle: "time step",
    });
    this.maps.set(run, map);
    return figure(width, head, map.element);
  }

  whyMissing(run) {
    const { schema, selection } = this.state;
    const about = this.state.chosenLayer(run);
    if (!about) return `This run has no layer ${selection.layer}.`;
    if (about.problem) return about.problem;
    const { label } = schema.flows[selection.part];
    const why =
      "only a cell with a cell state, such as an LSTM, has a gradient of that state, and any gradient needs the " +
      "callback GradientFlow";
    return `There is no gradient (${label}) of this layer: ${why}.`;
  }

  drawLegend() {
    const { scale, missing } = this.state.loaded;
    const symbol = this.state.symbol();
    this.legend.hidden = this.maps.size === 0;
    const off = beyond(
      scale,
      [...this.maps.values()].map(({ values }) => values),
    );
    const reasons = occurring(missing.values());
    legend(this.legend, scale, symbol, off, reasons, Math.min(this.app.room(), 620));
    const colours = `Colours: ${symbol} from ${text(scale.low)}, dark, to ${text(scale.high)}, bright`;
    this.legend.setAttribute("aria-label", [colours, ...besides(off, reasons)].join("; "));
  }

  /** Mark the chosen epoch and those that are kept beside it. */
  mark() {
    const pins = this.state.pins();
    for (const [run, map] of this.maps) {
      const { first } = this.state.loaded.flows.get(run).header;
      const kept = pins.map((epoch, number) => [lastUpTo(first, epoch), DASHES[(number + 1) % DASHES.length]]);
      map.mark([...kept, [lastUpTo(first, this.state.epoch()), []]]);
    }
  }

  read(run, at) {
    const flow = this.state.loaded.flows.get(run);
    if (!at || !flow) {
      const help = "Point at a picture to read its numbers; a click chooses the epoch.";
      this.readout.textContent = this.maps.size ? help : "";
      return;
    }
    const found = cell(flow, ...at);
    const reason = REASONS[this.state.loaded.missing.get(run)[at[0] * flow.arrays[0].shape[1] + at[1]]];
    const place = `epoch ${span(found.epochs)} · time step ${span(found.times)}`;
    this.readout.textContent = `${this.state.who(run)}${place} · ${reason ?? this.numbersOf(found)}`;
  }

  numbersOf({ epochs, times, low, high, mean }) {
    const isSingle = epochs[0] === epochs[1] && times[0] === times[1];
    if (!isSingle) return `largest ${text(high)}, mean ${text(mean)}, smallest ${text(low)}`;
    return `${this.state.symbol()} = ${text(high)}${high === 0 ? " (below what float32 holds)" : ""}`;
  }

  around() {
    return this.state.epoch();
  }

  tables() {
    const { flows } = this.state.loaded;
    const title = (run) => `${run}, ${this.state.layerName(run)}, ${this.state.symbol()}`;
    return [...flows].map(([run, flow]) => flowTable(title(run), flow, this.state.selection.reduce));
  }

  pictures() {
    const maps = [...this.maps].map(([run, map]) => ({ title: run, canvas: map.base }));
    const title = `${this.state.selection.layer}: ${this.state.symbol()} by time step and epoch`;
    return { title, pictures: [...maps, { title: "", canvas: this.legend }] };
  }
}
