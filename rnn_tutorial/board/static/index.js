// The tab: what is chosen, what is loaded, and the three panels that show it.

import * as api from "./api.js";
import { cell, drawn, isThinned, lastUpTo, sharesAt, union } from "./binning.js";
import { Chart, DASHES } from "./chart.js";
import { beyond, flowScale, frameScale, largestSize, runColor } from "./colors.js";
import { choice, copy, download, fileName, make } from "./dom.js";
import { besides, epochTicks, FONT, Heatmap, ink, legend, sized, timeTicks } from "./heatmap.js";
import * as host from "./host.js";
import { countTicks, span, text } from "./layout.js";
import { occurring, ofCurve, ofFlow, ofFrame, REASONS } from "./missing.js";
import {
  decode,
  encode,
  fit,
  KINDS,
  layerIn,
  layersOf,
  MOST_PINS,
  MOST_RUNS,
  PARTS,
  recorded,
  REDUCTIONS,
} from "./selection.js";
import { curveTable, excerpt, flowTable, frameTables, toCsv, toTabs } from "./tables.js";

const SYMBOL = { total: "‖dL/dh‖", immediate: "immediate ‖dL/dh‖", cell: "‖dL/dc‖" };
const SEVERITIES = { severe: "✖", warning: "▲", note: "●" };
// Rules whose evidence is in a frame, and those whose evidence is in the flow; the others point to another tab.
const IN_FRAMES = ["saturated", "dead_units"];
const IN_FLOW = ["vanishing"];
const KEPT_FRAMES = 800;
const FRAMES_AHEAD = 4;
const FRAME_PAUSE = 120;

/** A headed part of the page with its picture's numbers and file. `tables()` and `pictures()` are asked when needed. */
class Panel {
  constructor(name, title, { tables, pictures, around }) {
    Object.assign(this, { name, tables, pictures, around });
    this.controls = make("div", { class: "controls" });
    this.body = make("div", { class: "body" });
    this.numbers = make("div", { class: "numbers", hidden: true });
    this.toggle = make(
      "button",
      { type: "button", "aria-expanded": "false", onclick: () => this.open(this.numbers.hidden) },
      "Table",
    );
    const save = make(
      "button",
      { type: "button", "aria-label": `${title}: save as PNG`, onclick: () => this.savePng() },
      "PNG",
    );
    this.heading = make("h2", { tabindex: "-1" }, title);
    this.toggle.setAttribute("aria-label", `${title}: table of the numbers`);
    const head = make("header", {}, this.heading, this.controls, make("div", { class: "tools" }, this.toggle, save));
    this.element = make("section", { class: `panel ${name}`, "aria-label": title }, head, this.body, this.numbers);
  }

  open(isOpen) {
    this.numbers.hidden = !isOpen;
    this.toggle.setAttribute("aria-expanded", String(isOpen));
    this.refresh();
  }

  /** Bring the table up to date, where it is open. */
  refresh() {
    if (this.numbers.hidden) return;
    const said = make("span", { role: "status" });
    const buttons = make(
      "div",
      { class: "tools" },
      make(
        "button",
        { type: "button", onclick: async () => (await copy(toTabs(this.tables())), (said.textContent = "copied")) },
        "Copy all",
      ),
      make(
        "button",
        {
          type: "button",
          onclick: () => download(`${fileName(this.name)}.csv`, `\ufeff${toCsv(this.tables())}`, "text/csv"),
        },
        "CSV",
      ),
      said,
    );
    this.numbers.replaceChildren(buttons, ...this.tables().map((table) => this.table(table)));
  }

  table(table) {
    const { title, head, rows, left } = excerpt(table, this.around());
    const written = (value) => (Number.isNaN(value) ? "NaN" : typeof value === "number" ? text(value) : value);
    const note = left.some(Boolean) ? ` (${left[0]} rows and ${left[1]} columns more in the CSV)` : "";
    const top = make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)));
    const lines = rows.map(([first, ...others]) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, String(first)),
        ...others.map((value) => make("td", {}, written(value))),
      ),
    );
    const grid = make(
      "table",
      {},
      make("caption", {}, title + note),
      make("thead", {}, top),
      make("tbody", {}, ...lines),
    );
    return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, grid);
  }

  /** One file with all pictures of the panel, their titles and the legend. */
  async savePng() {
    const { title, pictures } = this.pictures();
    const ratio = window.devicePixelRatio || 1;
    const across = (canvas) => canvas.width / ratio;
    const down = (canvas) => canvas.height / ratio;
    const widest = Math.max(...pictures.map(({ canvas }) => across(canvas)), 300);
    const height = pictures.reduce((sum, { canvas }) => sum + down(canvas) + 22, 34);
    const canvas = document.createElement("canvas");
    const context = sized(canvas, widest + 20, height);
    const colors = ink();
    context.fillStyle = colors.surface;
    context.fillRect(0, 0, widest + 20, height);
    context.fillStyle = colors.text;
    context.textBaseline = "top";
    context.font = `600 ${FONT}`;
    context.fillText(title, 10, 10);
    context.font = FONT;
    let y = 34;
    for (const picture of pictures) {
      context.fillText(picture.title, 10, y);
      context.drawImage(picture.canvas, 10, y + 18, across(picture.canvas), down(picture.canvas));
      y += down(picture.canvas) + 22;
    }
    canvas.toBlob((blob) => download(`${fileName(title)}.png`, blob));
  }
}

class App {
  constructor() {
    this.selection = decode(host.readAddress());
    this.runs = [];
    this.others = [];
    this.flows = new Map();
    this.curves = new Map();
    this.frames = new Map();
    this.frameEpochs = new Map();
    this.saturations = new Map();
    this.findings = new Map();
    this.stale = new Set();
    this.turn = 0;
    this.playing = false;
    this.filter = "";
    this.build();
    host.followTheme((dark) => {
      document.documentElement.dataset.theme = dark ? "dark" : "light";
      this.dark = dark;
      this.drawAll();
    });
    host.onReload(() => this.reload());
    let width = 0;
    new ResizeObserver(() => {
      if (Math.abs(this.main.clientWidth - width) < 2) return;
      width = this.main.clientWidth;
      cancelAnimationFrame(this.resizing);
      this.resizing = requestAnimationFrame(() => this.drawAll());
    }).observe(this.main);
    window.addEventListener("hashchange", () => this.choose(decode(host.readAddress())));
    document.addEventListener("keydown", (event) => this.key(event));
  }

  // What there is on the page.

  build() {
    const around = () => this.epoch();
    this.side = make("nav", { class: "side", "aria-label": "Runs and layers" });
    this.found = make("section", { class: "found", "aria-label": "Findings" });
    this.flowPanel = new Panel("flow", "Gradient through time", {
      around,
      tables: () => this.flowTables(),
      pictures: () => this.flowPictures(),
    });
    this.curvePanel = new Panel("curve", "Chosen epochs", {
      around: () => null,
      tables: () => [this.curveTable()],
      pictures: () => this.curvePictures(),
    });
    this.framePanel = new Panel("frames", "States and gates", {
      around: () => null,
      tables: () => this.frameTables(),
      pictures: () => this.framePictures(),
    });
    this.message = make("div", { class: "message", role: "alert", hidden: true });
    this.panels = make(
      "div",
      { class: "panels" },
      this.flowPanel.element,
      this.curvePanel.element,
      this.framePanel.element,
    );
    this.empty = make("div", { class: "empty", hidden: true });
    this.main = make("main", {}, this.message, this.empty, this.panels);
    this.app = make("div", { class: "app" }, this.side, this.main, this.found);
    document.body.replaceChildren(this.app);
    this.buildFlow();
    this.buildCurve();
    this.buildFrames();
  }

  buildFlow() {
    this.maps = new Map();
    this.flowFigures = make("div", { class: "figures" });
    this.flowLegend = make("canvas", { class: "legend", role: "img" });
    this.flowReadout = make("output", { class: "readout", "aria-live": "polite" });
    this.flowPanel.body.append(this.flowFigures, this.flowLegend, this.flowReadout);
  }

  buildCurve() {
    this.chart = new Chart({
      label: "Gradient by time step, chosen epochs. Left and right arrow keys read the values.",
      onPoint: (step) => this.readCurve(step),
    });
    this.chips = make("div", { class: "chips" });
    this.curveReadout = make("output", { class: "readout", "aria-live": "polite" });
    this.curvePanel.body.append(this.chips, this.chart.element, this.curveReadout);
  }

  buildFrames() {
    const step = (by) => () => this.stepFrame(by);
    this.play = make("button", { type: "button", class: "play", onclick: () => this.togglePlay() }, "Play");
    this.slider = make("input", {
      type: "range",
      min: "0",
      max: "0",
      step: "1",
      "aria-label": "Epoch of the states and gates",
      oninput: () => this.toFrame(Number(this.slider.value)),
    });
    this.frameEpoch = make("output", { class: "epoch" });
    this.player = make(
      "div",
      { class: "player" },
      make("button", { type: "button", "aria-label": "One frame back", onclick: step(-1) }, "‹"),
      this.play,
      make("button", { type: "button", "aria-label": "One frame on", onclick: step(1) }, "›"),
      this.slider,
      this.frameEpoch,
    );
    this.grids = new Map();
    this.frameFigures = make("div", { class: "figures frames" });
    this.frameLegends = make("div", { class: "legends" });
    this.frameReadout = make("output", { class: "readout", "aria-live": "polite" });
    this.bars = make("div", { class: "bars" });
    this.framePanel.body.append(this.player, this.frameFigures, this.frameLegends, this.frameReadout, this.bars);
  }

  // Loading.

  async reload() {
    const turn = ++this.turn;
    try {
      const { runs } = await api.runs();
      if (turn !== this.turn) return;
      this.runs = runs.filter(({ layers }) => layers.length > 0);
      this.others = runs.filter(({ layers }) => layers.length === 0);
      this.problem(null);
    } catch (error) {
      this.problem(`The runs cannot be read: ${error.message}`);
      document.body.dataset.ready = "true";
      return;
    }
    this.stale = new Set(this.findings.keys()); // Shown until the new ones are there.
    this.frames.clear(); // A run may have been deleted, and begun anew under its name.
    const focused = [...document.querySelectorAll(".cover")].indexOf(document.activeElement);
    await this.choose(this.selection);
    document.querySelectorAll(".cover")[focused]?.focus({ preventScroll: true });
  }

  /** Take a selection, load what it needs, show it. */
  async choose(selection) {
    const turn = ++this.turn;
    document.body.dataset.ready = "false";
    this.selection = fit(selection, this.runs);
    this.drawSide();
    this.drawEmpty();
    if (this.runs.length === 0) {
      document.body.dataset.ready = "true";
      return;
    }
    host.writeAddress(encode(this.selection));
    await this.load(turn);
    if (turn !== this.turn) return;
    await this.drawAll();
    this.findingsLoaded = this.loadFindings(turn).then(() => this.settle(turn));
  }

  /** Tell those who look at the page from outside that nothing on it will move any more. */
  async settle(turn) {
    // The findings took room: the next frame measures what is left, the one after draws.
    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
    await this.drawing;
    if (turn === this.turn) document.body.dataset.ready = "true";
  }

  change(part) {
    this.stop();
    return this.choose({ ...this.selection, ...part });
  }

  async load(turn) {
    const { runs, layer, part } = this.selection;
    const ratio = window.devicePixelRatio || 1;
    const rows = Math.floor(this.tallest() * ratio);
    const columns = Math.max(64, Math.floor((this.figureWidth() - 62) * ratio));
    const flows = new Map();
    const frameEpochs = new Map();
    const saturations = new Map();
    const asked = [];
    const failed = [];
    const ask = (wanted, answer, into, run) =>
      asked.push(
        wanted.then((found) => into.set(run, answer(found))).catch((error) => failed.push(`${run}: ${error.message}`)),
      );
    for (const run of runs) {
      const about = this.about(run, layer);
      if (!about || about.problem) continue;
      if (about.flows.includes(part)) ask(api.flow(run, about.name, part, rows, columns), (flow) => flow, flows, run);
      if (about.frames.length > 0) {
        const kind = about.frames.includes(this.selection.kind) ? this.selection.kind : about.frames[0];
        ask(api.frames(run, about.name, kind), ({ epochs }) => ({ kind, epochs }), frameEpochs, run);
        ask(api.saturation(run, about.name), ({ gates }) => gates, saturations, run);
      }
    }
    await Promise.all(asked);
    if (turn !== this.turn) return;
    this.problem(failed.length > 0 ? failed.join("; ") : null);
    this.curves.clear();
    if (this.framesOf !== JSON.stringify([layer, this.selection.kind])) this.frames.clear();
    this.framesOf = JSON.stringify([layer, this.selection.kind]);
    this.largest = new Map();
    // As they come in, they are in any order.
    const inOrder = (found) => new Map(runs.filter((run) => found.has(run)).map((run) => [run, found.get(run)]));
    Object.assign(this, {
      flows: inOrder(flows),
      frameEpochs: inOrder(frameEpochs),
      saturations: inOrder(saturations),
    });
    this.allFrames = union([...frameEpochs.values()].map(({ epochs }) => epochs));
    this.missing = new Map([...this.flows].map(([run, flow]) => [run, ofFlow(flow)]));
    this.scale = flowScale(
      [...this.flows.values()].map(({ arrays }) => ({
        rows: arrays[0].shape[0],
        arrays: arrays.map(({ values }) => values),
      })),
    );
  }

  async loadFindings(turn) {
    for (const run of this.selection.runs) {
      if (this.findings.has(run) && !this.stale.has(run)) continue;
      try {
        const found = await api.findings(run);
        if (turn !== this.turn) return;
        this.findings.set(run, found);
        this.stale.delete(run);
      } catch (error) {
        this.findings.set(run, { findings: [], note: error.message });
      }
    }
    if (turn === this.turn) this.drawFindings();
  }

  about(run, layer) {
    return layerIn(
      this.runs.find(({ name }) => name === run),
      layer,
    );
  }

  /** What is recorded of the chosen layer in any of the chosen runs. */
  recorded() {
    const { runs, layer } = this.selection;
    return recorded(
      this.runs.filter(({ name }) => runs.includes(name)),
      layer,
    );
  }

  /** The name of the layer that is shown of a run; of a run with a single layer that may be another than the chosen one. */
  layerName(run) {
    return this.about(run, this.selection.layer)?.name ?? this.selection.layer;
  }

  /** The chosen epoch; the last one where none is. */
  epoch() {
    const last = Math.max(0, ...this.selection.runs.map((run) => this.about(run, this.selection.layer)?.last ?? 0));
    return this.selection.epoch ?? last;
  }

  /** The epochs that are kept beside the chosen one, which may be among them; before any has been kept, the first. */
  kept() {
    const first = Math.min(...[...this.flows.values()].map(({ header }) => header.first[0] ?? Infinity));
    return this.selection.pins ?? (Number.isFinite(first) ? [first] : []);
  }

  pins() {
    return this.kept().filter((epoch) => epoch !== this.epoch());
  }

  async curve(run, epoch) {
    const flow = this.flows.get(run);
    if (flow.header.first.length === 0) return null;
    if (!isThinned(flow)) {
      const row = lastUpTo(flow.header.first, epoch);
      const columns = flow.arrays[0].shape[1];
      const values = flow.arrays[0].values.subarray(row * columns, row * columns + flow.header.lengths[row]);
      return { epoch: flow.header.first[row], values, masked: flow.header.masked };
    }
    const key = JSON.stringify([run, epoch]);
    if (!this.curves.has(key)) {
      this.curves.set(
        key,
        api
          .curve(run, this.layerName(run), this.selection.part, epoch)
          .then(({ header, arrays }) => ({ ...header, values: arrays[0].values })),
      );
    }
    return this.curves.get(key);
  }

  frame(run, epoch) {
    const { kind } = this.frameEpochs.get(run);
    const layer = this.layerName(run);
    const key = JSON.stringify([run, layer, kind, epoch]);
    if (!this.frames.has(key)) {
      if (this.frames.size >= KEPT_FRAMES) this.frames.delete(this.frames.keys().next().value);
      const loading = api.frame(run, layer, kind, epoch);
      this.frames.set(key, loading);
      loading.catch(() => this.frames.delete(key));
    }
    return this.frames.get(key);
  }

  // Drawing.

  problem(said) {
    this.message.hidden = said === null;
    this.message.textContent = said ?? "";
  }

  tallest() {
    return Math.round(Math.min(Math.max(window.innerHeight * 0.4, 170), 460));
  }

  /** What a panel has room for: the page without margins and borders. */
  room() {
    return this.main.clientWidth - 46;
  }

  figureWidth() {
    const count = Math.max(1, Math.min(this.selection.runs.length, Math.floor(this.room() / 340)));
    return Math.floor((this.room() - (count - 1) * 12) / count);
  }

  color(run) {
    return runColor(this.runs.find(({ name }) => name === run)?.number ?? 0, this.dark);
  }

  named(run) {
    return make(
      "span",
      { class: "run" },
      make("span", { class: "swatch", style: `background: ${this.color(run)}` }),
      run,
    );
  }

  /** A run's part of a panel; its pictures take no room of themselves, so that it is told how much it has. */
  figure(...parts) {
    return make("figure", { style: `width: ${this.figureWidth()}px` }, ...parts);
  }

  caption(run) {
    const shown = this.layerName(run);
    return make(
      "figcaption",
      {},
      this.named(run),
      shown === this.selection.layer ? null : make("small", {}, `layer ${shown}`),
    );
  }

  drawSide() {
    const focus = document.activeElement?.dataset?.focus;
    const { runs, layer } = this.selection;
    const list = make("ul", { class: "runs" });
    const fill = () => {
      const wanted = this.filter.toLowerCase();
      list.replaceChildren(
        ...this.runs
          .filter(({ name }) => name.toLowerCase().includes(wanted))
          .map(({ name }) => {
            const chosen = runs.includes(name);
            const box = make("input", {
              type: "checkbox",
              "data-focus": `run ${name}`,
              checked: chosen,
              disabled: !chosen && runs.length >= MOST_RUNS,
              onchange: () => this.change({ runs: chosen ? runs.filter((run) => run !== name) : [...runs, name] }),
            });
            return make("li", {}, make("label", { title: name }, box, this.named(name)));
          }),
      );
    };
    const parts = [make("h2", {}, `Runs`)];
    if (this.runs.length > 8) {
      const filter = make("input", {
        type: "search",
        class: "filter",
        placeholder: `filter ${this.runs.length} runs`,
        "aria-label": "Filter runs",
        "data-focus": "filter",
        value: this.filter,
      });
      filter.addEventListener("input", () => ((this.filter = filter.value), fill()));
      parts.push(filter);
    }
    fill();
    parts.push(list);
    if (this.others.length > 0 && this.runs.length > 0) {
      const names = this.others.map(({ name, starting }) =>
        make("li", { title: name }, `${name}${starting ? " (in its first epoch)" : ""}`),
      );
      parts.push(
        make(
          "details",
          {},
          make("summary", {}, `${this.others.length} without data for this tab`),
          make("ul", { class: "others" }, ...names),
        ),
      );
    }
    parts.push(make("h2", {}, "Layers"));
    const layers = layersOf(this.runs, runs).map(({ name, cell: kind, units }) => {
      const button = make("input", {
        type: "radio",
        name: "layer",
        "data-focus": `layer ${name}`,
        checked: name === layer,
        onchange: () => this.change({ layer: name }),
      });
      const about = [kind, units === null ? null : `${units} units`].filter(Boolean).join(", ");
      return make("li", {}, make("label", { title: name }, button, make("span", {}, name, make("small", {}, about))));
    });
    parts.push(make("ul", { class: "layers" }, ...layers));
    parts.push(
      make(
        "p",
        { class: "keys" },
        "Arrow keys move in a picture that has the focus, Enter chooses its epoch, Shift and a click keep one more. Space plays.",
      ),
    );
    const scrolled = this.side.querySelector(".runs")?.scrollTop;
    this.side.replaceChildren(...parts);
    if (scrolled === undefined) list.querySelector(":checked")?.closest("li").scrollIntoView({ block: "nearest" });
    else list.scrollTop = scrolled;
    if (focus) this.side.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
  }

  drawEmpty() {
    const nothing = this.runs.length === 0;
    this.empty.hidden = !nothing;
    this.panels.hidden = nothing;
    this.side.hidden = this.found.hidden = nothing;
    this.app.classList.toggle("bare", nothing);
    if (!nothing) return;
    const lines = [
      "from rnn_tutorial import callbacks",
      "probe = (x[:32], y[:32])  # a fixed batch that is looked at after each epoch",
      'model.fit(x, y, epochs=20, callbacks=callbacks.observe("logs/run", probe=probe))',
    ];
    const starting = this.others.filter((run) => run.starting);
    const without = this.others.filter((run) => !run.starting);
    const names = (runs) =>
      runs
        .slice(0, 5)
        .map(({ name }) => name)
        .join(", ") + (runs.length > 5 ? `, and ${runs.length - 5} more` : "");
    const said = [make("h1", {}, "Nothing to show yet")];
    if (starting.length > 0)
      said.push(
        make(
          "p",
          { class: "starting" },
          `In its first epoch, or not trained: ${names(starting)}. This tab is filled when an epoch has ended; reload then.`,
        ),
      );
    if (without.length > 0) {
      said.push(
        make(
          "p",
          { class: "without" },
          `Without data for this tab: ${names(without)}. Either the model has no recurrent layer (SimpleRNN, LSTM, GRU), or the callbacks were given no probe to look at.`,
        ),
      );
    }
    said.push(
      make(
        "p",
        {},
        "This tab shows how much gradient reaches each time step of a recurrent layer, and what its states and gates do, epoch by epoch. Three lines record it:",
      ),
    );
    said.push(make("pre", {}, lines.join("\n")));
    said.push(
      make("button", { type: "button", onclick: () => copy(lines.join("\n")) }, "Copy"),
      make("button", { type: "button", onclick: () => this.reload() }, "Reload"),
    );
    this.empty.replaceChildren(...said);
  }

  /** Draw all there is; done once the last picture is there. */
  async drawAll() {
    if (this.runs.length === 0 || !this.scale) return;
    this.drawSide();
    this.drawFlow();
    this.drawFrameGrids();
    this.drawFindings();
    this.drawing = this.showEpoch();
    await this.drawing;
  }

  drawFlow() {
    const { runs, part, reduce } = this.selection;
    const available = this.recorded().flows;
    const thinned = [...this.flows.values()].some(isThinned);
    this.flowPanel.controls.replaceChildren(
      choice(
        "Which gradient",
        PARTS,
        part,
        (value) => this.change({ part: value }),
        (value) => available.includes(value),
      ),
      ...(thinned
        ? [
            make("span", {}, "of a bin the"),
            choice("Which number of a bin", REDUCTIONS, reduce, (value) => this.change({ reduce: value })),
          ]
        : []),
    );
    const width = this.figureWidth();
    this.maps.clear();
    const figures = runs.map((run) => {
      const flow = this.flows.get(run);
      const caption = this.caption(run);
      if (!flow || flow.header.first.length === 0)
        return this.figure(caption, make("p", { class: "missing" }, this.whyMissing(run)));
      if (flow.header.left_out > 0)
        caption.append(make("small", {}, `${flow.header.left_out} epochs left out: not curves`));
      const { shape, values } = drawn(flow, reduce);
      const map = new Heatmap({
        label: `${run}, ${this.layerName(run)}: ${SYMBOL[part]} by time step and epoch. Arrow keys read the values, Enter chooses an epoch.`,
        onPoint: (at) => this.readFlow(run, at),
        onPick: ([row], event) =>
          event.shiftKey ? this.pin(flow.header.last[row]) : this.setEpoch(flow.header.last[row]),
      });
      const plotHeight = Math.min(Math.max(shape[0] * 18, 110), this.tallest());
      map.show({
        values,
        missing: this.missing.get(run),
        rows: shape[0],
        columns: shape[1],
        scale: this.scale,
        width,
        plotHeight,
        rowTicks: epochTicks(flow.header, plotHeight),
        columnTicks: timeTicks(flow.header.times, width - 62),
        rowTitle: "epoch",
        columnTitle: "time step",
      });
      this.maps.set(run, map);
      return this.figure(caption, map.element);
    });
    this.flowFigures.replaceChildren(...figures);
    this.flowLegend.hidden = this.maps.size === 0;
    const off = beyond(
      this.scale,
      [...this.maps.values()].map(({ values }) => values),
    );
    const missing = occurring(this.missing.values());
    legend(this.flowLegend, this.scale, SYMBOL[part], off, missing, Math.min(this.room(), 620));
    const colours = `Colours: ${SYMBOL[part]} from ${text(this.scale.low)}, dark, to ${text(this.scale.high)}, bright`;
    this.flowLegend.setAttribute("aria-label", [colours, ...besides(off, missing)].join("; "));
    this.readFlow(null, null);
  }

  whyMissing(run) {
    const about = this.about(run, this.selection.layer);
    if (!about) return `This run has no layer ${this.selection.layer}.`;
    if (about.problem) return about.problem;
    return `There is no gradient (${PARTS[this.selection.part]}) of this layer: only an LSTM has a cell state, and a gradient needs the callback GradientFlow.`;
  }

  readFlow(run, at) {
    const flow = this.flows.get(run);
    if (!at || !flow) {
      this.flowReadout.textContent = this.maps.size
        ? "Point at a picture to read its numbers; a click chooses the epoch."
        : "";
      return;
    }
    const { epochs, times, low, high, mean } = cell(flow, ...at);
    const single = epochs[0] === epochs[1] && times[0] === times[1];
    const reason = REASONS[this.missing.get(run)[at[0] * flow.arrays[0].shape[1] + at[1]]];
    const value = reason
      ? reason
      : single
        ? `${SYMBOL[this.selection.part]} = ${text(high)}${high === 0 ? " (below what float32 holds)" : ""}`
        : `largest ${text(high)}, mean ${text(mean)}, smallest ${text(low)}`;
    const who = this.selection.runs.length > 1 ? `${run} · ` : "";
    this.flowReadout.textContent = `${who}epoch ${span(epochs)} · time step ${span(times)} · ${value}`;
  }

  // The chosen epoch, and those kept beside it.

  setEpoch(epoch) {
    this.selection.epoch = epoch;
    host.writeAddress(encode(this.selection));
    return this.showEpoch();
  }

  pin(epoch) {
    const pins = this.kept().filter((other) => other !== epoch);
    this.selection.pins = [...pins, epoch].slice(-MOST_PINS).sort((a, b) => a - b);
    host.writeAddress(encode(this.selection));
    this.showEpoch();
  }

  unpin(epoch) {
    this.selection.pins = this.kept().filter((other) => other !== epoch);
    host.writeAddress(encode(this.selection));
    this.showEpoch();
  }

  async showEpoch() {
    const turn = this.turn;
    for (const [run, map] of this.maps) {
      const { first } = this.flows.get(run).header;
      const kept = this.pins().map((epoch, number) => [lastUpTo(first, epoch), DASHES[(number + 1) % DASHES.length]]);
      map.mark([...kept, [lastUpTo(first, this.epoch()), []]]);
    }
    const place = lastUpTo(this.allFrames, this.epoch());
    this.slider.max = String(Math.max(this.allFrames.length - 1, 0));
    this.slider.value = String(place);
    this.slider.setAttribute("aria-valuetext", `epoch ${this.allFrames[place] ?? "none"}`);
    this.frameEpoch.textContent = this.allFrames.length
      ? `epoch ${this.allFrames[place]} of ${this.allFrames.at(-1)}`
      : "";
    this.drawBars();
    await Promise.all([this.drawCurves(turn), this.drawFrames(turn)]);
    if (turn !== this.turn) return;
    for (const panel of [this.flowPanel, this.curvePanel, this.framePanel]) panel.refresh();
  }

  async drawCurves(turn) {
    const wanted = [];
    for (const run of this.flows.keys()) {
      for (const [number, epoch] of [this.epoch(), ...this.pins()].entries())
        wanted.push([run, epoch, DASHES[number % DASHES.length]]);
    }
    const order = (this.curveOrder = (this.curveOrder ?? 0) + 1);
    let found = [];
    try {
      found = await Promise.all(wanted.map(([run, epoch]) => this.curve(run, epoch)));
    } catch (error) {
      this.problem(error.message);
    }
    if (turn !== this.turn || order !== this.curveOrder) return;
    const several = this.flows.size > 1;
    this.shown = found.flatMap((curve, number) => {
      const [run, asked, dash] = wanted[number];
      return curve
        ? [
            {
              ...curve,
              run,
              asked,
              dash,
              color: this.color(run),
              name: several ? `${run}, epoch ${curve.epoch}` : `epoch ${curve.epoch}`,
            },
          ]
        : [];
    });
    this.chart.show({
      curves: [...this.shown].reverse(),
      scale: this.scale,
      width: this.room(),
      plotHeight: Math.round(this.tallest() * 0.62),
    });
    this.chips.replaceChildren(
      ...this.shown.map((curve) => {
        const key = make("canvas", { "aria-hidden": "true" });
        const context = sized(key, 30, 12);
        context.strokeStyle = curve.color;
        context.lineWidth = 2;
        context.setLineDash(curve.dash);
        context.moveTo(0, 6);
        context.lineTo(30, 6);
        context.stroke();
        const isChosen = curve.asked === this.epoch();
        const remove = make(
          "button",
          { type: "button", "aria-label": `Remove epoch ${curve.asked}`, onclick: () => this.unpin(curve.asked) },
          "×",
        );
        return make("span", { class: "chip" }, key, curve.name, isChosen ? null : remove);
      }),
      make(
        "button",
        {
          type: "button",
          class: "keep",
          title: "Keep this epoch's curve while another one is chosen",
          onclick: () => this.pin(this.epoch()),
        },
        `Keep epoch ${this.epoch()}`,
      ),
    );
    this.readCurve(this.chart.step);
  }

  readCurve(step) {
    if (step === null || !this.shown) {
      this.curveReadout.textContent = "";
      return;
    }
    const said = this.shown.map(
      (curve) => `${curve.name}: ${REASONS[ofCurve(curve, step)] ?? text(curve.values[step])}`,
    );
    this.curveReadout.textContent = `time step ${step} · ${said.join(" · ")}`;
  }

  // States and gates.

  drawFrameGrids() {
    const { runs, kind } = this.selection;
    const available = this.recorded().frames;
    this.framePanel.controls.replaceChildren(
      choice(
        "States or gates",
        KINDS,
        kind,
        (value) => this.change({ kind: value }),
        (value) => available.includes(value),
      ),
    );
    this.player.hidden = this.frameLegends.hidden = this.allFrames.length === 0;
    this.grids.clear();
    const figures = runs.map((run) => {
      const caption = this.caption(run);
      if (!this.frameEpochs.has(run))
        return this.figure(
          caption,
          make(
            "p",
            { class: "missing" },
            this.about(run, this.selection.layer)?.problem ??
              `No frames of ${this.layerName(run)} in this run: they come from the callback StateHeatmaps.`,
          ),
        );
      const grid = { epoch: make("small", {}), maps: [], element: make("div", { class: "kinds" }) };
      caption.append(grid.epoch);
      this.grids.set(run, grid);
      return this.figure(caption, grid.element);
    });
    this.frameFigures.replaceChildren(...figures);
    this.frameReadout.textContent = "";
  }

  async drawFrames(turn) {
    const order = (this.frameOrder = (this.frameOrder ?? 0) + 1);
    const wanted = [...this.grids.keys()].map((run) => {
      const { epochs } = this.frameEpochs.get(run);
      return epochs.length === 0 ? null : this.frame(run, epochs[lastUpTo(epochs, this.epoch())]);
    });
    let found = [];
    try {
      found = await Promise.all(wanted);
    } catch (error) {
      this.problem(error.message);
    }
    if (turn !== this.turn || order !== this.frameOrder) return;
    // A scale grows with what has been seen, so that it stands still while frames are played.
    for (const frame of found.filter(Boolean)) {
      const [, units, steps] = frame.arrays[0].shape;
      frame.header.names.forEach((name, number) => {
        const values = frame.arrays[0].values.subarray(number * units * steps, (number + 1) * units * steps);
        this.largest.set(name, Math.max(this.largest.get(name) ?? 0, largestSize(values)));
      });
    }
    this.frameScales = new Map([...this.largest].map(([name, largest]) => [name, frameScale(name, largest)]));
    [...this.grids].forEach(([run, grid], number) => found[number] && this.drawFrame(run, grid, found[number]));
    this.drawFrameLegends();
    this.afterFrame?.();
    this.fetchAhead();
  }

  /** Fetch what a step or play will ask for next, so that it does not wait for the server. */
  fetchAhead() {
    for (const run of this.grids.keys()) {
      const { epochs } = this.frameEpochs.get(run);
      const place = lastUpTo(epochs, this.epoch());
      for (const next of [
        ...epochs.slice(place + 1, place + 1 + FRAMES_AHEAD),
        ...epochs.slice(Math.max(place - 1, 0), place),
      ]) {
        this.frame(run, next).catch(() => {}); // Who asks for it will be told.
      }
    }
  }

  drawFrame(run, grid, frame) {
    const { header, arrays } = frame;
    const [kinds, units, steps] = arrays[0].shape;
    const [, unitStride, timeStride] = header.stride;
    grid.frame = frame;
    grid.epoch.textContent = `epoch ${header.epoch}`;
    if (grid.maps.length !== kinds) {
      grid.maps = header.names.map(
        (name, number) =>
          new Heatmap({
            label: `${run}, ${this.layerName(run)}, ${name}: by unit and time step. Arrow keys read the values.`,
            onPoint: (at) => this.readFrame(run, number, at),
          }),
      );
      grid.element.replaceChildren(
        ...grid.maps.map((map, number) =>
          make("div", { class: "kind" }, make("h3", {}, header.names[number]), map.element),
        ),
      );
    }
    const room = this.figureWidth();
    const count = Math.max(1, Math.min(kinds, Math.floor(room / 250)));
    const even = kinds === 4 && count === 3 ? 2 : count;
    const width = Math.floor((room - (even - 1) * 8) / even);
    const plotHeight = Math.min(Math.max(units * 6, 70), Math.round(this.tallest() * 0.7));
    grid.element.style.gridTemplateColumns = `repeat(${even}, ${width}px)`;
    grid.maps.forEach((map, number) => {
      const values = arrays[0].values.subarray(number * units * steps, (number + 1) * units * steps);
      map.show({
        values,
        missing: ofFrame(frame, values),
        rows: units,
        columns: steps,
        scale: this.frameScales.get(header.names[number]),
        width,
        plotHeight,
        rowTicks: countTicks(units, plotHeight / 26, (unit) => unit * unitStride),
        columnTicks: countTicks(steps, (width - 62) / 44, (step) => step * timeStride),
        rowTitle: "unit",
        columnTitle: "time step",
      });
    });
  }

  drawFrameLegends() {
    const groups = new Map();
    for (const [name, scale] of this.frameScales) {
      const key = `${scale.low} ${scale.high}`;
      groups.set(key, { scale, names: [...(groups.get(key)?.names ?? []), name] });
    }
    const drawn = [...this.grids.values()].flatMap(({ maps, frame }) =>
      maps.map((map, number) => ({ map, name: frame.header.names[number] })),
    );
    const canvases = [...groups.values()].map(({ scale, names }) => {
      const maps = drawn.filter(({ name }) => names.includes(name)).map(({ map }) => map);
      const off = beyond(
        scale,
        maps.map(({ values }) => values),
      );
      const missing = occurring(maps.map((map) => map.missing));
      const colours = `Colours of ${names.join(", ")}: from ${scale.low} to ${scale.high}`;
      const canvas = make("canvas", { role: "img", "aria-label": [colours, ...besides(off, missing)].join("; ") });
      return legend(canvas, scale, names.join(", "), off, missing, Math.min(this.room(), 420));
    });
    this.frameLegends.replaceChildren(...canvases);
  }

  readFrame(run, number, at) {
    const frame = this.grids.get(run)?.frame;
    if (!at || !frame) {
      this.frameReadout.textContent = "";
      return;
    }
    const { header, arrays } = frame;
    const [, units, steps] = arrays[0].shape;
    const value = arrays[0].values[(number * units + at[0]) * steps + at[1]];
    const who = this.selection.runs.length > 1 ? `${run} · ` : "";
    const map = this.grids.get(run).maps[number];
    const said = REASONS[map.missing[at[0] * steps + at[1]]] ?? text(value);
    this.frameReadout.textContent = `${who}epoch ${header.epoch} · ${header.names[number]} · unit ${at[0] * header.stride[1]} · time step ${at[1] * header.stride[2]} · ${said}`;
  }

  drawBars() {
    const rows = [];
    for (const [run, gates] of this.saturations) {
      for (const [gate, epoch, share] of sharesAt(gates, this.epoch())) {
        const percent = `${(share * 100).toFixed(share > 0 && share < 0.0995 ? 1 : 0)}%`;
        const bar = make(
          "span",
          { class: "bar" },
          make("span", { style: `width: ${share * 100}%; background: ${this.color(run)}` }),
        );
        rows.push(
          make(
            "tr",
            { title: `epoch ${epoch}` },
            make("th", { scope: "row" }, this.saturations.size > 1 ? `${gate}, ${run}` : gate),
            make("td", {}, bar),
            make("td", { class: "share" }, percent),
          ),
        );
      }
    }
    if (rows.length === 0) {
      this.bars.replaceChildren();
      return;
    }
    const title =
      "Saturated: gates below 0.05 or above 0.95, candidates and simple cells beyond ±0.95, over the whole probe";
    this.bars.replaceChildren(make("table", {}, make("caption", {}, title), make("tbody", {}, ...rows)));
  }

  toFrame(place) {
    if (this.allFrames.length === 0) return undefined;
    const inside = Math.min(Math.max(place, 0), this.allFrames.length - 1);
    return this.setEpoch(this.allFrames[inside]);
  }

  stepFrame(by) {
    this.stop();
    return this.toFrame(Number(this.slider.value) + by);
  }

  stop() {
    this.playing = false;
    this.play.textContent = "Play";
    this.play.setAttribute("aria-pressed", "false");
  }

  async togglePlay() {
    if (this.playing || this.allFrames.length < 2) {
      this.stop();
      return;
    }
    this.playing = true;
    this.play.textContent = "Pause";
    this.play.setAttribute("aria-pressed", "true");
    if (Number(this.slider.value) === this.allFrames.length - 1) await this.toFrame(0);
    while (this.playing) {
      await new Promise((resolve) => setTimeout(resolve, FRAME_PAUSE));
      if (!this.playing) return;
      await this.toFrame(Number(this.slider.value) + 1);
      if (Number(this.slider.value) >= this.allFrames.length - 1) this.stop();
    }
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || this.runs.length === 0) return;
    const typing = event.target.closest?.("input, textarea, summary, .scroll");
    if (typing || (event.target.closest?.("button") && [" ", "Enter"].includes(event.key))) return;
    const act = {
      " ": () => this.togglePlay(),
      ArrowLeft: () => this.stepFrame(-1),
      ArrowRight: () => this.stepFrame(1),
      Home: () => this.toFrame(0),
      End: () => this.toFrame(this.allFrames.length - 1),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  // Findings.

  drawFindings() {
    const { runs } = this.selection;
    const parts = [];
    let count = 0;
    for (const run of runs) {
      const { findings = [], note = "" } = this.findings.get(run) ?? {};
      count += findings.length;
      if (findings.length === 0 && !note) continue;
      if (runs.length > 1) parts.push(make("h3", {}, this.named(run)));
      if (note) parts.push(make("p", {}, note));
      parts.push(make("ul", {}, ...findings.map((finding) => this.finding(finding))));
    }
    this.found.hidden = parts.length === 0;
    const open = this.found.querySelector("details")?.open ?? window.innerWidth >= 1500;
    const title = make("summary", {}, make("h2", {}, count > 0 ? `Findings (${count})` : "Findings"));
    this.found.replaceChildren(make("details", { open }, title, ...parts));
    this.app.classList.toggle("with-findings", parts.length > 0);
  }

  finding({ severity, rule, layer, epochs, cause, advice, tab, tag, code, follows }) {
    const names = layersOf(this.runs, this.selection.runs).map(({ name }) => name);
    const where = names
      .filter((name) => layer === name || layer.startsWith(`${name}/`))
      .sort((a, b) => b.length - a.length)[0];
    const panel = IN_FRAMES.includes(rule) ? this.framePanel : IN_FLOW.includes(rule) ? this.flowPanel : null;
    const show = async () => {
      await this.change({
        layer: where,
        epoch: epochs[1],
        part: "total",
        kind: rule === "saturated" ? "gates" : "states",
      });
      await this.findingsLoaded; // They stand above the picture, and may be more or fewer now.
      panel.element.scrollIntoView({ block: "start" });
      panel.heading.focus();
    };
    const elsewhere = host.tabOpener(tab, tag);
    const links = [];
    if (panel && where) links.push(make("button", { type: "button", onclick: show }, "Show"));
    else if (elsewhere) links.push(make("button", { type: "button", onclick: elsewhere }, `Open ${tab}`));
    if (!panel || !where) links.push(make("small", {}, ` ${elsewhere ? "" : `${tab}: `}${tag}`));
    const name = `${rule.replaceAll("_", " ")}${layer ? `, ${layer}` : ""}`;
    return make(
      "li",
      { class: severity },
      make(
        "strong",
        {},
        make("span", { class: "mark", "aria-hidden": "true" }, SEVERITIES[severity] ?? "●"),
        ` ${severity}: ${name}`,
      ),
      make("small", {}, ` epoch${epochs[0] === epochs[1] ? "" : "s"} ${span(epochs)}`),
      make("p", {}, cause, follows ? ` It follows from ${follows}.` : ""),
      make("p", {}, make("em", {}, "Try: "), advice),
      ...(code ? [make("pre", {}, make("code", {}, code))] : []),
      ...links,
    );
  }

  // Numbers and pictures for elsewhere.

  flowTables() {
    const { part, reduce } = this.selection;
    return [...this.flows].map(([run, flow]) =>
      flowTable(`${run}, ${this.layerName(run)}, ${SYMBOL[part]}`, flow, reduce),
    );
  }

  flowPictures() {
    const { layer, part } = this.selection;
    const maps = [...this.maps].map(([run, map]) => ({ title: run, canvas: map.base }));
    return {
      title: `${layer}: ${SYMBOL[part]} by time step and epoch`,
      pictures: [...maps, { title: "", canvas: this.flowLegend }],
    };
  }

  curveTable() {
    const { layer, part } = this.selection;
    return curveTable(`${layer}, ${SYMBOL[part]}`, this.shown ?? []);
  }

  curvePictures() {
    const { layer, part } = this.selection;
    const names = (this.shown ?? []).map(({ name }) => name).join(" · ");
    return { title: `${layer}: ${SYMBOL[part]} by time step`, pictures: [{ title: names, canvas: this.chart.base }] };
  }

  frameTables() {
    return [...this.grids].flatMap(([run, { frame }]) =>
      frame ? frameTables(`${run}, ${this.layerName(run)}`, frame) : [],
    );
  }

  framePictures() {
    const { layer, kind } = this.selection;
    const pictures = [...this.grids].flatMap(([run, { maps, frame }]) =>
      maps.map((map, number) => ({
        title: `${run}, ${frame.header.names[number]}, epoch ${frame.header.epoch}`,
        canvas: map.base,
      })),
    );
    const legends = [...this.frameLegends.children].map((canvas) => ({ title: "", canvas }));
    return { title: `${layer}: ${kind}`, pictures: [...pictures, ...legends] };
  }
}

/** TensorBoard calls this once the page has loaded. */
export async function render() {
  document.documentElement.lang = "en";
  const style = make("link", { rel: "stylesheet", href: "./static/style.css" });
  await new Promise((resolve) => {
    style.onload = style.onerror = resolve;
    document.head.append(style);
  });
  const app = new App();
  await app.reload();
}
