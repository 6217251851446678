// Bins and frames. Run: node --test tests/board

import assert from "node:assert/strict";
import { test } from "node:test";

import { cell, drawn, isThinned, lastUpTo, sharesAt, union } from "../../rnn_tutorial/board/static/binning.js";
import { flow } from "./standins.js";

test("the last of ascending numbers up to one", () => {
  const naive = (numbers, wanted) => Math.max(0, numbers.filter((number) => number <= wanted).length - 1);
  for (const numbers of [[], [3], [0, 1, 2], [1, 5, 5, 9]]) {
    for (let wanted = -1; wanted < 12; wanted++) assert.equal(lastUpTo(numbers, wanted), naive(numbers, wanted));
  }
  assert.deepEqual(union([[1, 5], [], [2, 5]]), [1, 2, 5]);
});

test("a cell knows its epochs, time steps and numbers", () => {
  const plain = flow([
    [1, 2],
    [3, 4],
  ]);
  assert.ok(!isThinned(plain));
  assert.deepEqual(cell(plain, 1, 0), { epochs: [2, 2], times: [0, 0], low: 3, high: 3, mean: 3 });
  assert.equal(drawn(plain, "low"), plain.arrays[0]);
  const thinned = flow(
    [
      [1, 2],
      [3, 4],
    ],
    true,
  );
  thinned.header.times = [0, 5, 10];
  assert.ok(isThinned(thinned));
  assert.deepEqual(cell(thinned, 1, 1), { epochs: [2, 3], times: [5, 9], low: 2, high: 8, mean: 4 });
  for (const [name, value] of [
    ["low", 2],
    ["high", 8],
    ["mean", 4],
  ])
    assert.equal(drawn(thinned, name).values[3], value);
});

test("saturation at an epoch is the last one up to it, gates in the order of the server", () => {
  const gates = {
    write: [[0, 0.1]],
    erase: [
      [0, 0.2],
      [4, 0.4],
    ],
    input: [],
  };
  assert.deepEqual(sharesAt(gates, 3), [
    ["write", 0, 0.1],
    ["erase", 0, 0.2],
  ]);
  assert.deepEqual(sharesAt(gates, 9)[1], ["erase", 4, 0.4]);
});
