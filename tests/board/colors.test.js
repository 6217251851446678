// Colours and their scales. Run: node --test tests/board

import assert from "node:assert/strict";
import { test } from "node:test";

import * as colors from "../../rnn_tutorial/board/static/colors.js";

test("colours keep their order for the colour-blind and in grey", () => {
  const linear = (channel) => (channel / 255) ** 2.2;
  const luminance = (table, step) =>
    [0.2126, 0.7152, 0.0722].reduce((sum, weight, channel) => sum + weight * linear(table[step * 3 + channel]), 0);
  for (let step = 1; step < 256; step++)
    assert.ok(luminance(colors.sequential, step) > luminance(colors.sequential, step - 1) - 4e-4);
  for (let step = 1; step < 127; step++) {
    assert.ok(luminance(colors.diverging, step) >= luminance(colors.diverging, step - 1) - 1e-9);
    assert.ok(luminance(colors.diverging, 255 - step) >= luminance(colors.diverging, 256 - step) - 1e-9);
  }
  // Blue against orange: what tells the two signs apart is seen by those who do not tell red from green.
  for (let step = 10; step < 100; step++) {
    assert.ok(colors.diverging[step * 3 + 2] > colors.diverging[step * 3] + 20);
    assert.ok(colors.diverging[(255 - step) * 3 + 2] < colors.diverging[(255 - step) * 3] - 20);
  }
});

test("a log scale", () => {
  const scale = colors.logScale({ low: 1e-4, high: 1 });
  for (const [value, place] of [
    [1e-4, 0],
    [1e-2, 0.5],
    [1, 1],
  ])
    assert.ok(Math.abs(scale.place(value) - place) < 1e-9);
  assert.deepEqual(colors.color(NaN, scale), null);
  assert.deepEqual(colors.color(0, scale), colors.LESS);
  assert.deepEqual(colors.color(1e-5, scale), colors.LESS);
  assert.deepEqual(colors.color(1.1, scale), colors.MORE);
  assert.deepEqual(
    colors.color(Math.fround(0.1), colors.logScale({ low: 0.01, high: 0.1 })),
    [0xfd, 0xe7, 0x25],
    "rounded to float32",
  );
  assert.deepEqual(colors.color(Infinity, scale), colors.INFINITE);
  assert.deepEqual(colors.color(1, scale), [0xfd, 0xe7, 0x25]);
  assert.deepEqual(colors.color(1e-4, scale), [0x44, 0x01, 0x54]);
  const wide = colors.logScale({ low: 1e-30, high: 1 });
  assert.ok(Math.abs(wide.low / 1e-12 - 1) < 1e-9, "twelve decades at most");
  const single = colors.logScale({ low: 5, high: 5 });
  assert.ok(Math.abs(single.place(5) - 0.5) < 1e-9);
  assert.deepEqual([...colors.paint(Float32Array.of(NaN, 1), scale)], [0, 0, 0, 0, 0xfd, 0xe7, 0x25, 255]);
  assert.deepEqual(
    [...colors.paint(Float32Array.of(0, 2, Infinity), scale)],
    [colors.LESS, colors.MORE, colors.INFINITE].flatMap((rgb) => [...rgb, 255]),
  );
});

/** A run's gradients, rows of numbers. */
const gradients = (...rows) => ({ rows: rows.length, arrays: [Float32Array.from(rows.flat())] });
const ends = (...runs) => {
  const { low, high } = colors.flowScale(runs);
  return [low, high].map((end) => Number(end.toPrecision(6)));
};

test("healthy runs keep their scale beside one that has exploded", () => {
  const healthy = [gradients([1e-7, 1], [1e-2, 0.5]), gradients([1e-3, 30], [0, NaN])];
  const alone = ends(...healthy);
  assert.deepEqual(alone, [1e-7, 30]);
  const sick = {
    "1e16": gradients([1e14, 1e16], [1e10, 1e12]),
    "a little": gradients([1e3, 1e8]),
    "from the second epoch on": gradients([1e-3, 0.1], [1e10, 1e30]),
    "infinite and NaN": gradients([Infinity, NaN], [Infinity, NaN]),
    "infinite in the end": gradients([1e-3, 0.1], [Infinity, Infinity]),
    zeros: gradients([0, 0]),
    NaN: gradients([NaN, NaN]),
  };
  for (const [name, run] of Object.entries(sick)) {
    assert.deepEqual(ends(run, ...healthy), alone, name);
    assert.deepEqual(ends(...healthy, run, run, run), alone, `three times ${name}`);
  }
  for (const scale of [2 ** -20, 2 ** 10])
    assert.deepEqual(
      ends(gradients([scale, scale * 8]), gradients([scale * 1e12, scale * 1e13])),
      ends(gradients([scale, scale * 8])),
    );
});

test("the scale of what spans more decades than there are colours", () => {
  assert.deepEqual(ends(gradients([1e-30, 1e-10, 1])), [1e-12, 1], "vanishing: the highest ones");
  assert.deepEqual(
    ends(gradients([1e-3, 1], [1e-4, 0.1], [1e8, 1e16])),
    [1e-4, 1],
    "epochs that have exploded do not count",
  );
  assert.deepEqual(ends(gradients([1e4, 1e16])), [1e4, 1e16], "nothing but exploded");
  assert.deepEqual(
    ends(gradients([1e-20, 1e-18]), gradients([1e-3, 1])),
    [1e-12, 1],
    "a dead run does not make the others exploded",
  );
  for (const nothing of [gradients([NaN, 0]), gradients([Infinity]), { rows: 0, arrays: [new Float32Array()] }])
    assert.deepEqual(ends(nothing), [0.1, 1]);
  assert.deepEqual(ends(), [0.1, 1]);
});

test("what is beyond a scale is known", () => {
  const scale = colors.logScale({ low: 1e-3, high: 1 });
  assert.deepEqual(colors.beyond(scale, [Float32Array.of(1e-3, 1, NaN)]), {
    less: false,
    more: false,
    infinite: false,
  });
  assert.deepEqual(colors.beyond(scale, [Float32Array.of(0), Float32Array.of(5)]), {
    less: true,
    more: true,
    infinite: false,
  });
  assert.deepEqual(colors.beyond(colors.linearScale(-1, 1, colors.diverging), [Float32Array.of(-1, -Infinity)]), {
    less: false,
    more: false,
    infinite: true,
  });
});

test("scales of states and gates", () => {
  const scaleOf = (range, largest) => {
    const { low, high, table } = colors.frameScale({ range, largest });
    return [low, high, table === colors.sequential];
  };
  assert.deepEqual(scaleOf([0, 1], 1), [0, 1, true]);
  assert.deepEqual(scaleOf([-1, 1], 0.4), [-1, 1, false]);
  assert.deepEqual(scaleOf([0, 2], 1.5), [-2, 2, false]);
  assert.deepEqual(scaleOf(null, 0.4), [-1, 1, false]);
  assert.deepEqual(scaleOf(null, 3.4), [-5, 5, false]);
  assert.deepEqual([1, 1.5, 2, 20, 21, 1000].map(colors.niceAbove), [1, 2, 2, 20, 50, 1000]);
  assert.equal(colors.largestSize(Float32Array.of(NaN, -3, 2, Infinity)), 3);
});

test("a scale of several frames, whose ranges have to agree", () => {
  const frames = [
    [[0, 1], Float32Array.of(0.5, NaN)],
    [[0, 1], Float32Array.of(0.2)],
    [null, Float32Array.of(-3)],
    [[0, 1], Float32Array.of(1)],
  ];
  const seen = frames.map((_, last) =>
    frames.slice(0, last + 1).reduce((before, [range, values]) => colors.seenOf(before, range, values), undefined),
  );
  assert.deepEqual(seen, [
    { range: [0, 1], largest: 0.5 },
    { range: [0, 1], largest: 0.5 },
    { range: null, largest: 3 },
    { range: null, largest: 3 },
  ]);
});
