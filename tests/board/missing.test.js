// Why there is no number. Run: node --test tests/board

import assert from "node:assert/strict";
import { test } from "node:test";

import * as missing from "../../rnn_tutorial/board/static/missing.js";
import { flow } from "./standins.js";

test("why there is no number", () => {
  const { NAN, MASKED, UNRECORDED } = missing;
  const plain = flow([
    [NaN, NaN, 1, NaN],
    [NaN, 2, NaN, 0],
  ]);
  Object.assign(plain.header, { masked: [0], lengths: [3, 4] });
  assert.deepEqual([...missing.ofFlow(plain)], [MASKED, NAN, 0, UNRECORDED, MASKED, 0, NAN, 0]);
  const thinned = flow([[NaN, NaN, 1]], true);
  Object.assign(thinned.header, { masked: [1], lengths: [9], times: [0, 5, 8, 12] });
  assert.deepEqual([...missing.ofFlow(thinned)], [NAN, MASKED, 0]);
  const frame = { header: { masked: [1] }, arrays: [{ shape: [1, 2, 2] }] };
  assert.deepEqual([...missing.ofFrame(frame, Float32Array.of(NaN, NaN, 1, NaN))], [NAN, MASKED, 0, MASKED]);
  const curve = { values: Float32Array.of(NaN, NaN, 3), masked: [0] };
  assert.deepEqual(
    [0, 1, 2, 3].map((step) => missing.ofCurve(curve, step)),
    [MASKED, NAN, 0, UNRECORDED],
  );
  assert.deepEqual(
    missing.occurring([
      [0, MASKED],
      [NAN, MASKED, 0],
    ]),
    [NAN, MASKED],
  );
});
