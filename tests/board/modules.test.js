// The pure functions of the tab RNN. Run: node --test tests/board

import assert from "node:assert/strict";
import { test } from "node:test";

const at = (name) => new URL(`../../rnn_tutorial/board/static/${name}.js`, import.meta.url);
const { fromHalves, unpack } = await import(at("binary"));
const { cell, drawn, isThinned, lastUpTo, sharesAt, union } = await import(at("binning"));
const colors = await import(at("colors"));
const layout = await import(at("layout"));
const missing = await import(at("missing"));
const selection = await import(at("selection"));
const tables = await import(at("tables"));

/** Bytes as the server packs them. */
function pack(header, ...parts) {
  let offset = 0;
  const arrays = parts.map(({ dtype, shape, bytes }) => {
    const about = { dtype, shape, offset };
    offset += bytes.byteLength + ((4 - (bytes.byteLength % 4)) % 4);
    return about;
  });
  let text = JSON.stringify({ ...header, arrays });
  while (new TextEncoder().encode(text).length % 4) text += " ";
  const written = new TextEncoder().encode(text);
  const content = new Uint8Array(4 + written.length + offset);
  new DataView(content.buffer).setUint32(0, written.length, true);
  content.set(written, 4);
  parts.forEach(({ bytes }, number) =>
    content.set(new Uint8Array(bytes.buffer), 4 + written.length + arrays[number].offset),
  );
  return content.buffer;
}

function flow(rows, thinned = false) {
  const size = [rows.length, rows[0].length];
  const values = Float32Array.from(rows.flat());
  const array = (change) => ({ shape: size, values: values.map(change) });
  const header = {
    first: rows.map((_, row) => row * 2),
    last: rows.map((_, row) => row * 2 + (thinned ? 1 : 0)),
    times: rows[0].map((_, column) => column).concat(size[1]),
  };
  return { header, arrays: thinned ? [array((v) => v / 2), array((v) => v * 2), array((v) => v)] : [array((v) => v)] };
}

test("half-precision numbers are those of the standard", () => {
  const bits = Uint16Array.of(0x0000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x7c00, 0xfc00, 0x3555, 0x7e00);
  const expected = [0, 1, -2, 65504, 2 ** -24, 2 ** -14, Infinity, -Infinity, 0.333251953125, NaN];
  assert.deepEqual([...fromHalves(bits)], expected);
});

test("what the server packs comes out, NaN and infinities too", () => {
  const single = { dtype: "float32", shape: [2, 2], bytes: Float32Array.of(NaN, Infinity, 1e-45, 0) };
  const half = { dtype: "float16", shape: [1, 3], bytes: Uint16Array.of(0x3c00, 0x7e00, 0xfc00) };
  const { header, arrays } = unpack(pack({ title: "层 ü" }, half, single));
  assert.equal(header.title, "层 ü");
  assert.deepEqual([...arrays[0].values], [1, NaN, -Infinity]);
  assert.deepEqual([...arrays[1].values], [NaN, Infinity, Math.fround(1e-45), 0]);
  assert.deepEqual(arrays[1].shape, [2, 2]);
  assert.throws(() => unpack(pack({}, { dtype: "int64", shape: [0], bytes: new Float32Array() })), /int64/);
});

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

test("saturation at an epoch is the last one up to it, gates in their order", () => {
  const gates = {
    output: [[0, 0.1]],
    forget: [
      [0, 0.2],
      [4, 0.4],
    ],
    input: [],
  };
  assert.deepEqual(sharesAt(gates, 3), [
    ["forget", 0, 0.2],
    ["output", 0, 0.1],
  ]);
  assert.deepEqual(sharesAt(gates, 9)[0], ["forget", 4, 0.4]);
});

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

test("scales of states and gates", () => {
  assert.deepEqual([colors.frameScale("forget", 1).low, colors.frameScale("forget", 1).high], [0, 1]);
  assert.deepEqual([colors.frameScale("hidden", 0.4).low, colors.frameScale("hidden", 0.4).high], [-1, 1]);
  assert.deepEqual([colors.frameScale("cell", 3.4).low, colors.frameScale("cell", 3.4).high], [-5, 5]);
  assert.deepEqual([1, 1.5, 2, 20, 21, 1000].map(colors.niceAbove), [1, 2, 2, 20, 50, 1000]);
  assert.equal(colors.largestSize(Float32Array.of(NaN, -3, 2, Infinity)), 3);
});

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
  assert.deepEqual(selection.decode(selection.encode(chosen)), chosen);
  assert.deepEqual(selection.decode(selection.encode(selection.nothing())), selection.nothing());
  assert.deepEqual(selection.decode(selection.encode({ ...chosen, pins: [] })).pins, []);
  const odd = selection.decode("part=toString&kind=x&epoch=-3&pins=1 x 2&run=a&run=a");
  assert.deepEqual(odd, { ...selection.nothing(), runs: ["a"], pins: [1, 2] });
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
  assert.deepEqual(selection.fit(selection.nothing(), runs).runs, ["new"]);
  assert.equal(selection.fit(selection.nothing(), runs).layer, "gru");
  const gone = selection.fit(
    { ...selection.nothing(), runs: ["gone", "empty", "old"], layer: "gru", part: "cell" },
    runs,
  );
  assert.deepEqual([gone.runs, gone.layer, gone.part], [["old"], "lstm", "cell"]);
  assert.equal(
    selection.fit({ ...selection.nothing(), runs: ["new"], layer: "gru", part: "cell" }, runs).part,
    "total",
  );
  assert.deepEqual(selection.fit(selection.nothing(), []), selection.nothing());
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
  assert.deepEqual(selection.fit({ ...selection.nothing(), runs: ["run_11", "run_2", "run_10"] }, runs).runs, [
    "run_2",
    "run_10",
    "run_11",
  ]);
  assert.deepEqual(selection.fit(selection.nothing(), runs).runs, ["run_10"]);
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
