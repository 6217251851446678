// The tab: it takes what is chosen, loads what that needs, and has it shown.

import { CurvePanel } from "./curve_panel.js";
import { make } from "./dom.js";
import { emptyPage } from "./empty.js";
import { Findings } from "./findings.js";
import { FlowPanel } from "./flow_panel.js";
import { FramePanel } from "./frame_panel.js";
import * as host from "./host.js";
import { Loading } from "./loading.js";
import { MOST_PINS, nothing } from "./selection.js";
import { Side } from "./side.js";
import { State } from "./state.js";

export class App {
  constructor() {
    this.state = new State();
    this.loading = new Loading(this.state);
    this.turn = 0; // Of several selections that load at once the last one counts.
    this.build();
    this.follow();
  }

  build() {
    this.side = new Side(this);
    this.findings = new Findings(this);
    this.flowPanel = new FlowPanel(this);
    this.curvePanel = new CurvePanel(this);
    this.framePanel = new FramePanel(this);
    this.panels = [this.flowPanel, this.curvePanel, this.framePanel];
    this.message = make("div", { class: "message", role: "alert", hidden: true });
    this.empty = make("div", { class: "empty", hidden: true });
    this.shown = make("div", { class: "panels" }, ...this.panels.map(({ element }) => element));
    this.main = make("main", {}, this.message, this.empty, this.shown);
    this.element = make("div", { class: "app" }, this.side.element, this.main, this.findings.element);
    document.body.replaceChildren(this.element);
  }

  /** Follow the page around, the window and the keyboard. */
  follow() {
    host.followTheme((isDark) => {
      document.documentElement.dataset.theme = isDark ? "dark" : "light";
      this.state.dark = isDark;
      this.draw();
    });
    host.onReload(() => this.reload());
    let width = 0;
    new ResizeObserver(() => {
      if (Math.abs(this.main.clientWidth - width) < 2) return;
      width = this.main.clientWidth;
      cancelAnimationFrame(this.resizing);
      this.resizing = requestAnimationFrame(() => this.draw());
    }).observe(this.main);
    window.addEventListener("hashchange", () => this.state.schema && this.choose(this.addressed()));
    document.addEventListener("keydown", (event) => this.state.runs.length > 0 && this.framePanel.player.key(event));
  }

  // What is chosen.

  /** Ask what there is, and show what is chosen of it. */
  async reload() {
    const turn = ++this.turn;
    try {
      const { schema, runs } = await this.loading.runs();
      if (turn !== this.turn) return;
      this.state.take(schema, runs);
      this.problem(null);
    } catch (error) {
      this.problem(`The runs cannot be read: ${error.message}`);
      document.body.dataset.ready = "true";
      return;
    }
    this.loading.forget();
    const focused = [...document.querySelectorAll(".cover")].indexOf(document.activeElement);
    await this.choose(this.state.selection ?? this.addressed());
    document.querySelectorAll(".cover")[focused]?.focus({ preventScroll: true });
  }

  /** Take a selection, load what it needs, show it. */
  async choose(selection) {
    const turn = ++this.turn;
    document.body.dataset.ready = "false";
    this.state.choose(selection);
    this.side.draw();
    this.drawEmpty();
    if (this.state.runs.length === 0) {
      document.body.dataset.ready = "true";
      return;
    }
    this.writeAddress();
    const ratio = window.devicePixelRatio || 1;
    const rows = Math.floor(this.tallest() * ratio);
    const columns = Math.max(64, Math.floor((this.figureWidth() - 62) * ratio));
    const { failed, loaded } = await this.loading.load(rows, columns);
    if (turn !== this.turn) return;
    this.problem(failed.length > 0 ? failed.join("; ") : null);
    this.loading.take(loaded);
    await this.draw();
    this.findingsLoaded = this.loadFindings(turn).then(() => this.settle(turn));
  }

  async loadFindings(turn) {
    const isWanted = () => turn === this.turn;
    await this.loading.loadFindings(isWanted);
    if (isWanted()) this.drawFindings();
  }

  /** Tell those who look at the page from outside that nothing on it will move any more. */
  async settle(turn) {
    // The findings took room: the next frame measures what is left, the one after draws.
    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
    await this.drawing;
    if (turn === this.turn) document.body.dataset.ready = "true";
  }

  change(part) {
    this.framePanel.player.stop();
    return this.choose({ ...this.state.selection, ...part });
  }

  /** Choose what shows a finding, and go there: to the flow, or to a kind of frame. */
  async showFinding(panel, layer, epoch) {
    const { part, kind } = nothing(this.state.schema);
    const isFrame = Object.hasOwn(this.state.schema.frames, panel);
    await this.change({ layer, epoch, part, kind: isFrame ? panel : kind });
    await this.findingsLoaded; // They stand above the picture, and may be more or fewer now.
    const { element, heading } = isFrame ? this.framePanel : this.flowPanel;
    element.scrollIntoView({ block: "start" });
    heading.focus();
  }

  setEpoch(epoch) {
    return this.selectEpochs({ epoch });
  }

  /** Keep an epoch beside the chosen one; of too many, the newest kept ones. */
  pin(epoch) {
    const pins = [...this.others(epoch), epoch].slice(-MOST_PINS).sort((a, b) => a - b);
    return this.selectEpochs({ pins });
  }

  unpin(epoch) {
    return this.selectEpochs({ pins: this.others(epoch) });
  }

  others(epoch) {
    return this.state.kept().filter((other) => other !== epoch);
  }

  selectEpochs(part) {
    Object.assign(this.state.selection, part);
    this.writeAddress();
    return this.showEpoch();
  }

  /** The selection that the address holds. */
  addressed() {
    return this.state.decoded(host.readAddress(this.state.schema.plugin));
  }

  writeAddress() {
    host.writeAddress(this.state.schema.plugin, this.state.encoded());
  }

  // Drawing.

  problem(said) {
    this.message.hidden = said === null;
    this.message.textContent = said ?? "";
  }

  /** How high a picture may be. */
  tallest() {
    return Math.round(Math.min(Math.max(window.innerHeight * 0.4, 170), 460));
  }

  /** What a panel has room for: the page without margins and borders. */
  room() {
    return this.main.clientWidth - 46;
  }

  /** The part of it that a run has. */
  figureWidth() {
    const count = Math.max(1, Math.min(this.state.selection.runs.length, Math.floor(this.room() / 340)));
    return Math.floor((this.room() - (count - 1) * 12) / count);
  }

  drawEmpty() {
    const isEmpty = this.state.runs.length === 0;
    this.empty.hidden = !isEmpty;
    this.shown.hidden = isEmpty;
    this.side.element.hidden = this.findings.element.hidden = isEmpty;
    this.element.classList.toggle("bare", isEmpty);
    if (isEmpty) this.empty.replaceChildren(...emptyPage(this.state.others, () => this.reload()));
  }

  /** Draw all there is; done once the last picture is there. */
  async draw() {
    if (this.state.runs.length === 0 || !this.state.loaded) return;
    this.side.draw();
    this.flowPanel.draw();
    this.framePanel.drawGrids();
    this.drawFindings();
    this.drawing = this.showEpoch();
    await this.drawing;
  }

  drawFindings() {
    const areThere = this.findings.draw(this.loading.findings);
    this.element.classList.toggle("with-findings", areThere);
  }

  async showEpoch() {
    const turn = this.turn;
    const isWanted = () => turn === this.turn;
    this.flowPanel.mark();
    await Promise.all([this.curvePanel.draw(isWanted), this.framePanel.draw(isWanted)]);
    if (!isWanted()) return;
    for (const panel of this.panels) panel.refresh();
  }
}
