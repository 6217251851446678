// What is chosen and what is loaded, and what follows from the two.

import { runColor } from "./colors.js";
import { decode, encode, fit, layerIn, recorded } from "./selection.js";

export class State {
  constructor() {
    this.schema = null; // what the server says of the wire: {plugin, flows, frames}
    this.selection = null;
    this.runs = []; // those with layers
    this.others = []; // those without
    this.loaded = null; // see `Loading.load`
    this.dark = false;
  }

  /** Take what there is on the server. */
  take(schema, runs) {
    this.schema = schema;
    this.runs = runs.filter(({ layers }) => layers.length > 0);
    this.others = runs.filter(({ layers }) => layers.length === 0);
  }

  /** Choose, as far as it is there. */
  choose(selection) {
    this.selection = fit(selection, this.runs);
  }

  /** The selection as text, and the reverse. */
  encoded() {
    return encode(this.selection, this.schema);
  }

  decoded(written) {
    return decode(written, this.schema);
  }

  /** What is known of the chosen layer in a run. */
  chosenLayer(run) {
    const about = this.runs.find(({ name }) => name === run);
    return layerIn(about, this.selection.layer);
  }

  /** The name of the layer that is shown of a run: of a run with a single layer that one, whichever is chosen. */
  layerName(run) {
    return this.chosenLayer(run)?.name ?? this.selection.layer;
  }

  /** What is recorded of the chosen layer in any of the chosen runs. */
  recorded() {
    const { runs, layer } = this.selection;
    return recorded(
      this.runs.filter(({ name }) => runs.includes(name)),
      layer,
    );
  }

  /** The chosen epoch; the last one where none is. */
  epoch() {
    const last = Math.max(0, ...this.selection.runs.map((run) => this.chosenLayer(run)?.last ?? 0));
    return this.selection.epoch ?? last;
  }

  /** The epochs that are kept beside the chosen one, which may be among them; before any has been kept, the first. */
  kept() {
    const first = Math.min(...[...this.loaded.flows.values()].map(({ header }) => header.first[0] ?? Infinity));
    return this.selection.pins ?? (Number.isFinite(first) ? [first] : []);
  }

  pins() {
    return this.kept().filter((epoch) => epoch !== this.epoch());
  }

  color(run) {
    return runColor(this.runs.find(({ name }) => name === run)?.number ?? 0, this.dark);
  }

  /** How the chosen part of the gradient is written. */
  symbol() {
    return this.schema.flows[this.selection.part].symbol;
  }

  /** Before what is said of a run: its name, where there are several. */
  who(run) {
    return this.selection.runs.length > 1 ? `${run} · ` : "";
  }
}
