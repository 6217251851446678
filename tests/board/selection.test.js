// What is chosen. Run: node --test tests/board

import assert from "node:assert/strict";
import { test } from "node:test";

import * as selection from "../../rnn_tutorial/board/static/selection.js";
import { SCHEMA } from "./standins.js";

test("a selection comes through the address", () => {
  const chosen = {
    runs: ["a/b", "跑 & <i>=#"],
    layer: 'x "y"',
    part: "cell",
    kind: "gates",
    reduce: "mean",
    epoch: 0,
    pins: [1, 30],
  };
  assert.deepEqual(selection.decode(selection.encode(chosen, SCHEMA), SCHEMA), chosen);
  assert.deepEqual(
    selection.decode(selection.encode(selection.nothing(SCHEMA), SCHEMA), SCHEMA),
    selection.nothing(SCHEMA),
  );
  assert.deepEqual(selection.decode(selection.encode({ ...chosen, pins: [] }, SCHEMA), SCHEMA).pins, []);
  const odd = selection.decode("part=toString&kind=x&epoch=-3&pins=1 x 2&run=a&run=a", SCHEMA);
  assert.deepEqual(odd, { ...selection.nothing(SCHEMA), runs: ["a"], pins: [1, 2] });
});

test("a selection fits what is there", () => {
  const layer = (name, flows = ["total"], frames = ["states"]) => ({
    name,
    cell: null,
    units: 1,
    flows,
    frames,
    last: 3,
    problem: null,
  });
  const runs = [
    { name: "old", layers: [layer("lstm", ["total", "cell"], ["states", "gates"])] },
    { name: "empty", layers: [] },
    { name: "new", layers: [{ ...layer("sick"), problem: "?", flows: [], frames: [] }, layer("gru")] },
  ];
  assert.deepEqual(selection.fit(selection.nothing(SCHEMA), runs).runs, ["new"]);
  assert.equal(selection.fit(selection.nothing(SCHEMA), runs).layer, "gru");
  const gone = selection.fit(
    { ...selection.nothing(SCHEMA), runs: ["gone", "empty", "old"], layer: "gru", part: "cell" },
    runs,
  );
  assert.deepEqual([gone.runs, gone.layer, gone.part], [["old"], "lstm", "cell"]);
  assert.equal(
    selection.fit({ ...selection.nothing(SCHEMA), runs: ["new"], layer: "gru", part: "cell" }, runs).part,
    "total",
  );
  assert.deepEqual(selection.fit(selection.nothing(SCHEMA), []), selection.nothing(SCHEMA));
  assert.equal(selection.layerIn(runs[0], "gru").name, "lstm", "the only layer stands for another one");
  assert.equal(selection.layerIn(runs[2], "lstm"), undefined);
  assert.deepEqual(
    selection.layersOf(runs, ["old", "new"]).map(({ name }) => name),
    ["lstm", "sick", "gru"],
  );
});

test("runs come in the order in which they are listed, and the newest is chosen first", () => {
  const layers = [{ name: "lstm", flows: ["total"], frames: [], last: 0, problem: null }];
  const runs = [
    ["run_2", 5],
    ["run_10", 9],
    ["run_11", 1],
  ].map(([name, number]) => ({ name, number, layers }));
  assert.deepEqual(selection.fit({ ...selection.nothing(SCHEMA), runs: ["run_11", "run_2", "run_10"] }, runs).runs, [
    "run_2",
    "run_10",
    "run_11",
  ]);
  assert.deepEqual(selection.fit(selection.nothing(SCHEMA), runs).runs, ["run_10"]);
});

test("layers of several runs keep the order of the models", () => {
  const run = (name, ...layers) => ({
    name,
    layers: layers.map((layer) => ({ name: layer, flows: [], frames: [], last: 0, problem: null })),
  });
  const names = (...runs) =>
    selection
      .layersOf(
        runs,
        runs.map(({ name }) => name),
      )
      .map(({ name }) => name);
  assert.deepEqual(names(run("a", "lstm", "zeta", "alpha")), ["lstm", "zeta", "alpha"]);
  assert.deepEqual(names(run("a", "lstm_2", "lstm_10"), run("b", "lstm", "lstm_2", "gru", "lstm_10", "last")), [
    "lstm",
    "lstm_2",
    "gru",
    "lstm_10",
    "last",
  ]);
});

test("parts and kinds are those that the server tells of", () => {
  const schema = { flows: { first: {}, second: {} }, frames: { one: {}, two: {} } };
  const usual = selection.nothing(schema);
  assert.deepEqual([usual.part, usual.kind], ["first", "one"]);
  assert.equal(selection.encode(usual, schema), "");
  const chosen = { ...usual, part: "second", kind: "two" };
  assert.equal(selection.encode(chosen, schema), "part=second&kind=two");
  assert.deepEqual(selection.decode("part=second&kind=two", schema), chosen);
  assert.deepEqual(selection.decode("part=total&kind=states", schema), usual);
});
