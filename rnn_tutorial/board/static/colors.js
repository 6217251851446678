// Numbers to colours. Both scales keep their order for the colour-blind and in grey (viridis; blue - white - orange).

// prettier-ignore
const VIRIDIS = [
  "#440154", "#481a6c", "#472f7d", "#414487", "#39568c", "#31688e", "#2a788e", "#23888e",
  "#1f988b", "#22a884", "#35b779", "#54c568", "#7ad151", "#a5db36", "#d2e21b", "#fde725",
];
// prettier-ignore
const DIVERGING = [
  "#08306b", "#1c5a9c", "#4a8cc2", "#8fbadd", "#cfdfee", "#f5f5f2", "#f7ddc3", "#efb27c",
  "#d98038", "#ae5312", "#6e2f05",
];
// As TensorBoard gives them to its runs, in light and dark.
const RUNS = {
  light: ["#425066", "#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a"],
  dark: ["#8e98a3", "#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a"],
};
// What has no place on a scale: 0 and what is far below the rest on a log scale, what is far above it, and infinity.
export const LESS = [0, 0, 0];
export const MORE = [255, 128, 24];
export const INFINITE = [230, 30, 90];
const STEPS = 256;
// A log scale shows so many decades.
const DECADES = 12;
// Norms of gradients are usually about this large: the one nearest to it is taken for healthy, ...
const USUAL = 1e-3;
// ... and what is so many times larger than that for exploded.
const EXPLODED = 1e4;

function channels(hex) {
  return [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
}

/** Colours to pass through -> 256 colours as (256 * 3) numbers. */
export function ramp(hexes) {
  const points = hexes.map(channels);
  const table = new Uint8ClampedArray(STEPS * 3);
  for (let step = 0; step < STEPS; step++) {
    const place = (step / (STEPS - 1)) * (points.length - 1);
    const left = Math.min(Math.floor(place), points.length - 2);
    for (let channel = 0; channel < 3; channel++) {
      const [a, b] = [points[left][channel], points[left + 1][channel]];
      table[step * 3 + channel] = Math.round(a + (b - a) * (place - left));
    }
  }
  return table;
}

export const sequential = ramp(VIRIDIS);
export const diverging = ramp(DIVERGING);

/** The colour of the run that TensorBoard counts as number. */
export function runColor(number, dark) {
  const palette = dark ? RUNS.dark : RUNS.light;
  return palette[number % palette.length];
}

/** {low, high} of the finite positive numbers among numbers; {low: Infinity, high: 0} where there is none. */
function positiveRange(values) {
  let [low, high] = [Infinity, 0];
  for (const value of values) {
    if (value > 0 && value < Infinity) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return { low, high };
}

/** Ranges without those that have exploded, and without those that hold nothing. */
function healthy(ranges) {
  const positive = ranges.filter(({ high }) => high > 0);
  const far = ({ high }) => Math.abs(Math.log(high / USUAL));
  const usual = positive.reduce((best, range) => (far(range) < far(best) ? range : best), { high: 0 });
  return positive.filter(({ high }) => high <= usual.high * EXPLODED);
}

function around(ranges) {
  return { low: Math.min(...ranges.map(({ low }) => low)), high: Math.max(...ranges.map(({ high }) => high)) };
}

/**
 * A log scale for the gradients of some runs, [{rows, arrays}], each array typed and with as many rows.
 *
 * A run that has exploded does not count, so that the others look as they do without it. Where the rest spans more
 * decades than can be shown, epochs that have exploded do not count either.
 */
export function flowScale(runs) {
  const inRow = ({ rows, arrays }, row) =>
    arrays.map((values) => values.subarray((row * values.length) / rows, ((row + 1) * values.length) / rows));
  const ranges = runs.map((run) => ({ run, ...around(run.arrays.map(positiveRange)) }));
  const kept = healthy(ranges);
  if (kept.length === 0) return logScale({ low: 1e-1, high: 1 });
  const whole = around(kept);
  if (whole.high <= whole.low * 10 ** DECADES) return logScale(whole);
  const rows = kept.flatMap(({ run }) =>
    Array.from({ length: run.rows }, (_, row) => around(inRow(run, row).map(positiveRange))),
  );
  return logScale(around(healthy(rows)));
}

/** A log scale of at most `DECADES`, the highest ones; a single number gets one, so that there is something to see. */
export function logScale({ low, high }) {
  if (low === high) [low, high] = [low / Math.sqrt(10), high * Math.sqrt(10)];
  low = Math.max(low, high * 10 ** -DECADES);
  const [from, to] = [Math.log(low), Math.log(high)];
  const place = (value) => (Math.log(value) - from) / (to - from);
  return { kind: "log", low, high, table: sequential, place };
}

/** A linear scale. */
export function linearScale(low, high, table) {
  return { kind: "linear", low, high, table, place: (value) => (value - low) / (high - low) };
}

/** What of some typed arrays is not on a scale: {less, more, infinite}, each whether there is any. */
export function beyond(scale, arrays) {
  const found = new Set();
  for (const values of arrays) {
    for (const value of values) found.add(outside(value, scale));
  }
  return { less: found.has(STEPS), more: found.has(STEPS + 1), infinite: found.has(STEPS + 2) };
}

/** The colour behind a scale's table that a number has; -1 where there is no number, null where it is on the scale. */
function outside(value, scale) {
  if (Number.isNaN(value)) return -1;
  if (scale.kind === "log" && value < scale.low * (1 - 1e-6)) return STEPS;
  if (!Number.isFinite(value)) return STEPS + 2;
  return value > scale.high + Math.abs(scale.high) * 1e-6 ? STEPS + 1 : null;
}

/** Which colour a number has: a step of the scale's table, or one of those behind it; -1 where there is none (NaN). */
function stepOf(value, scale) {
  return outside(value, scale) ?? Math.round(Math.min(Math.max(scale.place(value), 0), 1) * (STEPS - 1));
}

/** The colours of a scale, [r, g, b] after [r, g, b]: its table, what is too small, too large, infinite. */
function colorsOf(scale) {
  return [...scale.table, ...LESS, ...MORE, ...INFINITE];
}

/** The colour of a number, [r, g, b]; null where there is none to show (NaN). */
export function color(value, scale) {
  const step = stepOf(value, scale);
  return step < 0 ? null : colorsOf(scale).slice(step * 3, step * 3 + 3);
}

/** Numbers -> pixels (size * 4), transparent where there is no number. */
export function paint(values, scale) {
  const colors = colorsOf(scale);
  const count = colors.length / 3;
  const bytes = new Uint8Array(count * 4).fill(255);
  for (let step = 0; step < count; step++) bytes.set(colors.slice(step * 3, step * 3 + 3), step * 4);
  const whole = new Uint32Array(bytes.buffer); // A pixel at once: there are many.
  const pixels = new Uint32Array(values.length);
  for (let index = 0; index < values.length; index++) {
    const step = stepOf(values[index], scale);
    if (step >= 0) pixels[index] = whole[step];
  }
  return new Uint8ClampedArray(pixels.buffer);
}

/**
 * The scale of a kind of state or gate, given what it runs between, [low, high] or null, and its largest size: what is
 * between 0 and 1 runs from dark to bright, all else has two colours.
 */
export function frameScale({ range, largest }) {
  if (range?.[0] === 0 && range[1] === 1) return linearScale(0, 1, sequential);
  const limit = niceAbove(largest);
  return linearScale(-limit, limit, diverging);
}

/** The smallest of 1, 2, 5, 10, 20, ... that is not below a number. */
export function niceAbove(number) {
  if (!(number > 1)) return 1;
  const decade = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5, 10].map((part) => part * decade).find((nice) => nice >= number * (1 - 1e-9));
}

/** What is known of a kind of state or gate, {range, largest}, with one more frame; null is nothing. */
export function seenOf(before, range, values) {
  const isSame = !before || String(before.range) === String(range);
  return { range: isSame ? range : null, largest: Math.max(before?.largest ?? 0, largestSize(values)) };
}

/** The largest finite size among numbers. */
export function largestSize(values) {
  let largest = 0;
  for (const value of values) {
    const size = Math.abs(value);
    if (size > largest && size !== Infinity) largest = size;
  }
  return largest;
}
