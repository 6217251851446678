// What is chosen: kept in the address, and fitted to what is there.

export const REDUCTIONS = { high: "largest", mean: "mean", low: "smallest" };
export const MOST_RUNS = 6;
export const MOST_PINS = 5;

/** Nothing chosen: the newest run, its first layer, the first part and kind, the last epoch beside the first. */
export function nothing(schema) {
  const [part] = Object.keys(schema.flows);
  const [kind] = Object.keys(schema.frames);
  return { runs: [], layer: null, part, kind, reduce: "high", epoch: null, pins: null };
}

/** A selection as text for the address. */
export function encode(selection, schema) {
  const usual = nothing(schema);
  const words = new URLSearchParams();
  for (const run of selection.runs) words.append("run", run);
  if (selection.layer !== null) words.set("layer", selection.layer);
  for (const name of ["part", "kind", "reduce"]) {
    if (selection[name] !== usual[name]) words.set(name, selection[name]);
  }
  if (selection.epoch !== null) words.set("epoch", selection.epoch);
  if (selection.pins !== null) words.set("pins", selection.pins.join(" "));
  return words.toString();
}

function epochs(written) {
  return written
    .split(" ")
    .filter((word) => /^\d{1,15}$/.test(word))
    .map(Number);
}

/** The reverse of `encode`; what is not understood is as if it were not there. */
export function decode(written, schema) {
  const words = new URLSearchParams(written);
  const selection = nothing(schema);
  selection.runs = [...new Set(words.getAll("run"))].slice(0, MOST_RUNS);
  selection.layer = words.get("layer");
  for (const [name, allowed] of [
    ["part", schema.flows],
    ["kind", schema.frames],
    ["reduce", REDUCTIONS],
  ]) {
    if (Object.hasOwn(allowed, words.get(name) ?? "")) selection[name] = words.get(name);
  }
  selection.epoch = epochs(words.get("epoch") ?? "")[0] ?? null;
  if (words.has("pins")) selection.pins = epochs(words.get("pins")).slice(0, MOST_PINS);
  return selection;
}

/**
 * The layers of the chosen runs: [{name, cell, units, flows, frames, last, problem}], each name once.
 *
 * In the order of the first run; what only a later one has stands before what follows it there.
 */
export function layersOf(runs, chosen) {
  const found = [];
  for (const run of runs.filter(({ name }) => chosen.includes(name))) {
    for (const [place, layer] of run.layers.entries()) {
      const known = found.find(({ name }) => name === layer.name);
      if (!known) {
        const following = run.layers.slice(place + 1).map(({ name }) => name);
        const next = found.findIndex(({ name }) => following.includes(name));
        found.splice(next < 0 ? found.length : next, 0, { ...layer });
        continue;
      }
      known.flows = [...new Set([...known.flows, ...layer.flows])];
      known.frames = [...new Set([...known.frames, ...layer.frames])];
      known.last = Math.max(known.last, layer.last);
      known.problem ??= layer.problem;
    }
  }
  return found;
}

/** What of a run is shown for a layer: the one of that name, or, of a run that has a single one, that; else undefined. */
export function layerIn(run, name) {
  const same = run?.layers.find((layer) => layer.name === name);
  return same ?? (run?.layers.length === 1 ? run.layers[0] : undefined);
}

/** A selection fitted to the runs that are there, in their order, with as little change as possible. */
export function fit(selection, runs) {
  const fitted = { ...selection };
  const usable = runs.filter(({ layers }) => layers.length > 0);
  fitted.runs = usable.map(({ name }) => name).filter((name) => selection.runs.includes(name));
  if (fitted.runs.length === 0 && usable.length > 0) {
    fitted.runs = [usable.reduce((newest, run) => (run.number < newest.number ? newest : run)).name];
  }
  const layers = layersOf(runs, fitted.runs);
  const shown = runs.filter(({ name }) => fitted.runs.includes(name));
  const layer =
    layers.find(({ name }) => name === selection.layer) ?? layers.find(({ problem }) => !problem) ?? layers[0];
  fitted.layer = layer?.name ?? null;
  const { flows, frames } = recorded(shown, fitted.layer);
  if (flows.length > 0 && !flows.includes(fitted.part)) fitted.part = flows[0];
  if (frames.length > 0 && !frames.includes(fitted.kind)) fitted.kind = frames[0];
  return fitted;
}

/** What is recorded of a layer in any of some runs. */
export function recorded(runs, name) {
  const layers = runs.map((run) => layerIn(run, name)).filter(Boolean);
  return { flows: layers.flatMap(({ flows }) => flows), frames: layers.flatMap(({ frames }) => frames) };
}
