// Ticks, cells, numbers as text. Run: node --test tests/board

import assert from "node:assert/strict";
import { test } from "node:test";

import * as layout from "../../rnn_tutorial/board/static/layout.js";

test("numbers as text", () => {
  const said = [
    [0, "0"],
    [NaN, "none"],
    [Infinity, "∞"],
    [-Infinity, "−∞"],
    [0.012345, "0.0123"],
    [1.5e-9, "1.50e−9"],
    [-2, "−2"],
    [123456, "1.23e5"],
  ];
  for (const [value, text] of said) assert.equal(layout.text(value), text);
  assert.deepEqual([1e-12, 1e3, 1, 0.1, 3e-5].map(layout.powerText), ["10⁻¹²", "10³", "1", "0.1", "3.00e−5"]);
  assert.equal(layout.span([3, 3]), "3");
  assert.equal(layout.span([3, 7]), "3–7");
});

test("ticks", () => {
  assert.deepEqual(layout.countTicks(3, 10), [
    [0, "0"],
    [1, "1"],
    [2, "2"],
  ]);
  assert.deepEqual(
    layout.countTicks(100, 5, (row) => row * 3).map(([place, label]) => [place, label]),
    [
      [0, "0"],
      [20, "60"],
      [40, "120"],
      [60, "180"],
      [80, "240"],
    ],
  );
  assert.deepEqual(layout.countTicks(0, 5), []);
  for (const total of [1, 7, 99, 512]) assert.ok(layout.countTicks(total, 6).length <= 7);
  assert.deepEqual(layout.logTicks(1e-3, 1, 9).map(Math.log10).map(Math.round), [-3, -2, -1, 0]);
  assert.ok(layout.logTicks(1e-12, 1, 4).length <= 4);
  assert.deepEqual(layout.logTicks(2, 3, 4), [2, 3]);
});

test("cells under the pointer and under the keys", () => {
  const box = { left: 10, top: 20, width: 100, height: 40 };
  assert.deepEqual(layout.cellAt(10, 20, box, 4, 10), [0, 0]);
  assert.deepEqual(layout.cellAt(109.9, 59.9, box, 4, 10), [3, 9]);
  for (const [x, y] of [
    [9, 30],
    [111, 30],
    [50, 19],
    [50, 61],
  ])
    assert.equal(layout.cellAt(x, y, box, 4, 10), null);
  assert.deepEqual(layout.moved([0, 0], "ArrowUp", 4, 10), [0, 0]);
  assert.deepEqual(layout.moved([1, 1], "ArrowRight", 4, 10), [1, 2]);
  assert.deepEqual(layout.moved([1, 1], "End", 4, 10), [3, 1]);
  assert.deepEqual(layout.moved([1, 1], "PageDown", 4, 10), [3, 1]);
  assert.equal(layout.moved([1, 1], "a", 4, 10), null);
});
