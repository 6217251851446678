// Asking the server for what is chosen, and keeping what may be asked for again.

import * as api from "./api.js";
import { isThinned, lastUpTo, union } from "./binning.js";
import { flowScale } from "./colors.js";
import { ofFlow } from "./missing.js";

const KEPT_FRAMES = 800;
const FRAMES_AHEAD = 4;

export class Loading {
  constructor(state) {
    this.state = state;
    this.curves = new Map();
    this.frames = new Map();
    this.framesOf = null;
    this.findings = new Map();
    this.stale = new Set();
  }

  /** Ask which runs there are, and once what is on the wire. */
  async runs() {
    const [schema, { runs }] = await Promise.all([this.state.schema ?? api.schema(), api.runs()]);
    return { schema, runs };
  }

  /** Forget what may have changed: a run may have been deleted, and begun again under its name. */
  forget() {
    this.stale = new Set(this.findings.keys()); // Shown until the new ones are there.
    this.frames.clear();
  }

  /**
   * Ask for what the pictures of the selection need, flows with at most so many rows and columns.
   *
   * Returns what failed, [text, ...], and {flows, frameEpochs, saturations: by run, in the order of the runs; allFrames:
   * the epochs of all frames; missing: why a run's flow has no number, scale: of all flows; seen: what has been seen of
   * each state and gate}.
   */
  async load(rows, columns) {
    const { runs, part, kind: wanted } = this.state.selection;
    const [flows, frameEpochs, saturations] = [new Map(), new Map(), new Map()];
    const asked = [];
    const failed = [];
    const ask = (answer, into, run) =>
      asked.push(
        answer.then((found) => into.set(run, found)).catch((error) => failed.push(`${run}: ${error.message}`)),
      );
    for (const run of runs) {
      const about = this.state.chosenLayer(run);
      if (!about || about.problem) continue;
      if (about.flows.includes(part)) ask(api.flow(run, about.name, part, rows, columns), flows, run);
      if (about.frames.length === 0) continue;
      const kind = about.frames.includes(wanted) ? wanted : about.frames[0];
      const epochs = api.frames(run, about.name, kind).then((found) => ({ kind, epochs: found.epochs }));
      ask(epochs, frameEpochs, run);
      ask(
        api.saturation(run, about.name).then(({ gates }) => gates),
        saturations,
        run,
      );
    }
    await Promise.all(asked);
    // As they come in, they are in any order.
    const inOrder = (found) => new Map(runs.filter((run) => found.has(run)).map((run) => [run, found.get(run)]));
    const shown = inOrder(flows);
    const loaded = {
      flows: shown,
      frameEpochs: inOrder(frameEpochs),
      saturations: inOrder(saturations),
      allFrames: union([...frameEpochs.values()].map(({ epochs }) => epochs)),
      missing: new Map([...shown].map(([run, flow]) => [run, ofFlow(flow)])),
      scale: flowScale(
        [...shown.values()].map(({ arrays }) => ({
          rows: arrays[0].shape[0],
          arrays: arrays.map(({ values }) => values),
        })),
      ),
      seen: new Map(),
    };
    return { failed, loaded };
  }

  /** Show what was loaded from now on; what was kept of another layer or kind is let go. */
  take(loaded) {
    const { layer, kind } = this.state.selection;
    const framesOf = JSON.stringify([layer, kind]);
    if (this.framesOf !== framesOf) this.frames.clear();
    this.framesOf = framesOf;
    this.curves.clear();
    this.state.loaded = loaded;
  }

  /** The curve of an epoch, {epoch, values, masked}; null where there is none. A flow that is not thinned holds it. */
  async curve(run, epoch) {
    const flow = this.state.loaded.flows.get(run);
    if (flow.header.first.length === 0) return null;
    if (!isThinned(flow)) {
      const row = lastUpTo(flow.header.first, epoch);
      const columns = flow.arrays[0].shape[1];
      const values = flow.arrays[0].values.subarray(row * columns, row * columns + flow.header.lengths[row]);
      return { epoch: flow.header.first[row], values, masked: flow.header.masked };
    }
    const key = JSON.stringify([run, epoch]);
    if (!this.curves.has(key)) {
      const loading = api.curve(run, this.state.layerName(run), this.state.selection.part, epoch);
      this.curves.set(
        key,
        loading.then(({ header, arrays }) => ({ ...header, values: arrays[0].values })),
      );
    }
    return this.curves.get(key);
  }

  /** The frame of an epoch of which there is one. */
  frame(run, epoch) {
    const { kind } = this.state.loaded.frameEpochs.get(run);
    const layer = this.state.layerName(run);
    const key = JSON.stringify([run, layer, kind, epoch]);
    if (!this.frames.has(key)) {
      if (this.frames.size >= KEPT_FRAMES) this.frames.delete(this.frames.keys().next().value);
      const loading = api.frame(run, layer, kind, epoch);
      this.frames.set(key, loading);
      loading.catch(() => this.frames.delete(key));
    }
    return this.frames.get(key);
  }

  /** The frame that is shown of a run for the chosen epoch; null where there is none. */
  frameShown(run) {
    const { epochs } = this.state.loaded.frameEpochs.get(run);
    return epochs.length === 0 ? null : this.frame(run, epochs[lastUpTo(epochs, this.state.epoch())]);
  }

  /** Fetch what a step or play will ask for next, so that it does not wait for the server. */
  fetchAhead(run) {
    const { epochs } = this.state.loaded.frameEpochs.get(run);
    const place = lastUpTo(epochs, this.state.epoch());
    const before = epochs.slice(Math.max(place - 1, 0), place);
    for (const next of [...epochs.slice(place + 1, place + 1 + FRAMES_AHEAD), ...before]) {
      this.frame(run, next).catch(() => {}); // Who asks for it will be told.
    }
  }

  /** Ask for the findings of the chosen runs, as long as they are wanted. */
  async loadFindings(isWanted) {
    for (const run of this.state.selection.runs) {
      if (this.findings.has(run) && !this.stale.has(run)) continue;
      try {
        const found = await api.findings(run);
        if (!isWanted()) return;
        this.findings.set(run, found);
        this.stale.delete(run);
      } catch (error) {
        this.findings.set(run, { findings: [], note: error.message });
      }
    }
  }
}
