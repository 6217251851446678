// States and gates: a frame of the chosen epoch for each run, a heatmap of units and time steps for each kind.

import { beyond, frameScale, seenOf } from "./colors.js";
import { choice, labels, make } from "./dom.js";
import { caption, figure, missing } from "./figure.js";
import { Heatmap } from "./heatmap.js";
import { countTicks, text } from "./layout.js";
import { besides, legend } from "./legend.js";
import { occurring, ofFrame, REASONS } from "./missing.js";
import { Panel } from "./panel.js";
import { Player } from "./player.js";
import { saturationBars } from "./saturation.js";
import { frameTables } from "./tables.js";

/** The numbers of one kind of a frame, (units, time). */
function valuesOf(frame, number) {
  const [, units, steps] = frame.arrays[0].shape;
  return frame.arrays[0].values.subarray(number * units * steps, (number + 1) * units * steps);
}

export class FramePanel extends Panel {
  constructor(app) {
    super("frames", "States and gates");
    this.app = app;
    this.state = app.state;
    this.grids = new Map(); // by run: {epoch, maps, element, frame}
    this.scales = new Map();
    this.order = 0;
    this.player = new Player((epoch) => app.setEpoch(epoch));
    this.figures = make("div", { class: "figures frames" });
    this.legends = make("div", { class: "legends" });
    this.bars = make("div", { class: "bars" });
    this.body.append(this.player.element, this.figures, this.legends, this.readout, this.bars);
  }

  /** Draw what is there before any frame is. */
  drawGrids() {
    const { schema, selection, loaded } = this.state;
    const available = this.state.recorded().frames;
    const chooseKind = (kind) => this.app.change({ kind });
    this.controls.replaceChildren(
      choice("States or gates", labels(schema.frames), selection.kind, chooseKind, (kind) => available.includes(kind)),
    );
    this.player.element.hidden = this.legends.hidden = loaded.allFrames.length === 0;
    this.grids.clear();
    this.figures.replaceChildren(...selection.runs.map((run) => this.figure(run)));
    this.readout.textContent = "";
  }

  figure(run) {
    const width = this.app.figureWidth();
    const head = caption(this.state, run);
    if (!this.state.loaded.frameEpochs.has(run)) return figure(width, head, missing(this.whyMissing(run)));
    const grid = { epoch: make("small", {}), maps: [], element: make("div", { class: "kinds" }) };
    head.append(grid.epoch);
    this.grids.set(run, grid);
    return figure(width, head, grid.element);
  }

  whyMissing(run) {
    const none = `No frames of ${this.state.layerName(run)} in this run: they come from the callback StateHeatmaps.`;
    return this.state.chosenLayer(run)?.problem ?? none;
  }

  /** Show the chosen epoch, unless it is not wanted any more when it comes. */
  async draw(isWanted) {
    this.player.show(this.state.loaded.allFrames, this.state.epoch());
    this.bars.replaceChildren(...saturationBars(this.state));
    const order = ++this.order;
    let found = [];
    try {
      found = await Promise.all([...this.grids.keys()].map((run) => this.app.loading.frameShown(run)));
    } catch (error) {
      this.app.problem(error.message);
    }
    if (!isWanted() || order !== this.order) return;
    this.rescale(found.filter(Boolean));
    [...this.grids].forEach(([run, grid], number) => found[number] && this.drawFrame(run, grid, found[number]));
    this.drawLegends();
    for (const run of this.grids.keys()) this.app.loading.fetchAhead(run);
  }

  /** A scale grows with what has been seen, so that it stands still while frames are played. */
  rescale(frames) {
    const { seen } = this.state.loaded;
    for (const frame of frames) {
      const { names, ranges } = frame.header;
      names.forEach((name, number) => seen.set(name, seenOf(seen.get(name), ranges[number], valuesOf(frame, number))));
    }
    this.scales = new Map([...seen].map(([name, what]) => [name, frameScale(what)]));
  }

  drawFrame(run, grid, frame) {
    const { header, arrays } = frame;
    const [kinds, units, steps] = arrays[0].shape;
    const [, unitStride, timeStride] = header.stride;
    grid.frame = frame;
    grid.epoch.textContent = `epoch ${header.epoch}`;
    if (grid.maps.length !== kinds) this.makeMaps(run, grid, header.names);
    const room = this.app.figureWidth();
    const count = Math.max(1, Math.min(kinds, Math.floor(room / 250)));
    const even = kinds === 4 && count === 3 ? 2 : count;
    const width = Math.floor((room - (even - 1) * 8) / even);
    const plotHeight = Math.min(Math.max(units * 6, 70), Math.round(this.app.tallest() * 0.7));
    grid.element.style.gridTemplateColumns = `repeat(${even}, ${width}px)`;
    grid.maps.forEach((map, number) => {
      const values = valuesOf(frame, number);
      map.show({
        values,
        missing: ofFrame(frame, values),
        rows: units,
        columns: steps,
        scale: this.scales.get(header.names[number]),
        width,
        plotHeight,
        rowTicks: countTicks(units, plotHeight / 26, (unit) => unit * unitStride),
        columnTicks: countTicks(steps, (width - 62) / 44, (step) => step * timeStride),
        rowTitle: "unit",
        columnTitle: "time step",
      });
    });
  }

  makeMaps(run, grid, names) {
    const label = (name) => `${run}, ${this.state.layerName(run)}, ${name}: by unit and time step`;
    grid.maps = names.map(
      (name, number) =>
        new Heatmap({
          label: `${label(name)}. Arrow keys read the values.`,
          onPoint: (at) => this.read(run, number, at),
        }),
    );
    grid.element.replaceChildren(
      ...grid.maps.map((map, number) => make("div", { class: "kind" }, make("h3", {}, names[number]), map.element)),
    );
  }

  /** One legend for all kinds that have the same scale. */
  drawLegends() {
    const groups = new Map();
    for (const [name, scale] of this.scales) {
      const key = `${scale.low} ${scale.high}`;
      groups.set(key, { scale, names: [...(groups.get(key)?.names ?? []), name] });
    }
    const drawn = [...this.grids.values()].flatMap(({ maps, frame }) =>
      maps.map((map, number) => ({ map, name: frame.header.names[number] })),
    );
    const mapsOf = (names) => drawn.filter(({ name }) => names.includes(name)).map(({ map }) => map);
    const legends = [...groups.values()].map(({ scale, names }) => this.legend(scale, names, mapsOf(names)));
    this.legends.replaceChildren(...legends);
  }

  legend(scale, names, maps) {
    const off = beyond(
      scale,
      maps.map(({ values }) => values),
    );
    const reasons = occurring(maps.map((map) => map.missing));
    const colours = `Colours of ${names.join(", ")}: from ${scale.low} to ${scale.high}`;
    const canvas = make("canvas", { role: "img", "aria-label": [colours, ...besides(off, reasons)].join("; ") });
    return legend(canvas, scale, names.join(", "), off, reasons, Math.min(this.app.room(), 420));
  }

  read(run, number, at) {
    const { frame, maps } = this.grids.get(run) ?? {};
    if (!at || !frame) {
      this.readout.textContent = "";
      return;
    }
    const { epoch, names, stride } = frame.header;
    const place = at[0] * frame.arrays[0].shape[2] + at[1];
    const value = REASONS[maps[number].missing[place]] ?? text(valuesOf(frame, number)[place]);
    const where = `epoch ${epoch} · ${names[number]} · unit ${at[0] * stride[1]} · time step ${at[1] * stride[2]}`;
    this.readout.textContent = `${this.state.who(run)}${where} · ${value}`;
  }

  tables() {
    const title = (run) => `${run}, ${this.state.layerName(run)}`;
    return [...this.grids].flatMap(([run, { frame }]) => (frame ? frameTables(title(run), frame) : []));
  }

  pictures() {
    const { layer, kind } = this.state.selection;
    const title = (run, { names, epoch }, number) => `${run}, ${names[number]}, epoch ${epoch}`;
    const pictures = [...this.grids].flatMap(([run, { maps, frame }]) =>
      maps.map((map, number) => ({ title: title(run, frame.header, number), canvas: map.base })),
    );
    const legends = [...this.legends.children].map((canvas) => ({ title: "", canvas }));
    return { title: `${layer}: ${kind}`, pictures: [...pictures, ...legends] };
  }
}
