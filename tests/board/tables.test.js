// Tables. Run: node --test tests/board

import assert from "node:assert/strict";
import { test } from "node:test";

import * as tables from "../../rnn_tutorial/board/static/tables.js";
import { flow } from "./standins.js";

test("tables", () => {
  const table = tables.flowTable(
    "run",
    flow([
      [0.1, NaN],
      [Infinity, 4],
    ]),
    "high",
  );
  assert.deepEqual(table.head, ["epoch", "t=0", "t=1"]);
  assert.deepEqual(table.rows, [
    [0, 0.1, NaN],
    [2, Infinity, 4],
  ]);
  const thinned = tables.flowTable(
    "run",
    flow(
      [
        [1, 2],
        [3, 4],
      ],
      true,
    ),
    "low",
  );
  assert.equal(thinned.title, "run (smallest of each bin)");
  assert.deepEqual(thinned.rows[1], ["2–3", 1.5, 2]);
  assert.deepEqual(
    tables.curveTable("c", [
      { name: "a", values: [1, 2] },
      { name: "b", values: [3] },
    ]).rows,
    [
      [0, 1, 3],
      [1, 2, null],
    ],
  );
  const holes = flow([[NaN, NaN, 1]]);
  Object.assign(holes.header, { masked: [0], lengths: [3] });
  assert.deepEqual(
    tables.flowTable("run", holes, "high").rows,
    [[0, null, NaN, 1]],
    "what is masked is empty, NaN is NaN",
  );
  const frame = {
    header: { names: ["hidden", "cell"], stride: [1, 2, 3], epoch: 7, masked: [] },
    arrays: [{ shape: [2, 2, 2], values: Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7) }],
  };
  const [, second] = tables.frameTables("run", frame);
  assert.deepEqual(second, {
    title: "run, cell, epoch 7",
    head: ["unit", "t=0", "t=3"],
    rows: [
      [0, 4, 5],
      [2, 6, 7],
    ],
  });
});

test("CSV keeps odd names and no formulas", () => {
  const csv = tables.toCsv([
    {
      title: '=1+1, "x"',
      head: ["epoch", "t=0"],
      rows: [
        [0, -1.5],
        [1, null],
        [2, Infinity],
        [3, NaN],
      ],
    },
  ]);
  assert.equal(csv, '"\'=1+1, ""x"""\r\nepoch,t=0\r\n0,-1.5\r\n1,\r\n2,inf\r\n3,NaN\r\n');
  assert.equal(tables.toTabs([{ title: "a\tb", head: ["x"], rows: [[1]] }]), "a b\nx\n1");
});

test("an excerpt shows the chosen row and says what it leaves out", () => {
  const rows = Array.from({ length: 100 }, (_, row) => [row, ...Array(9).fill(row)]);
  const table = { title: "t", head: ["epoch", ...Array(9).fill("t")], rows };
  const part = tables.excerpt(table, 80, 10, 4);
  assert.ok(part.rows.some(([epoch]) => epoch === 80));
  assert.deepEqual([part.rows.length, part.rows[0].length, part.head.length, part.left], [10, 5, 5, [90, 5]]);
  assert.deepEqual(tables.excerpt({ ...table, rows: rows.slice(0, 3) }, null).left, [0, 0]);
});
