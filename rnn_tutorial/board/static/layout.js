// Where things stand: ticks, cells under the pointer, numbers as text.

/** A number, short: three figures, or an exponent where that is shorter. */
export function text(value) {
  if (value === null || Number.isNaN(value)) return "none";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const written = size >= 1e-3 && size < 1e5 ? String(Number(value.toPrecision(3))) : value.toExponential(2);
  return written.replace("-", "−").replace("e+", "e").replace("e-", "e−");
}

/** One epoch or step, or the first and the last of several. */
export function span([first, last]) {
  return first === last ? `${first}` : `${first}–${last}`;
}

/** Round numbers, at most about `count`, among `total` things counted from `first`: [[place, label], ...]. */
export function countTicks(total, count, label = (place) => place) {
  if (total <= 0) return [];
  const rough = Math.max(total / Math.max(count, 1), 1);
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((part) => part * decade).find((nice) => nice >= rough);
  const places = [];
  for (let place = 0; place < total; place += Math.max(1, Math.round(step))) places.push(place);
  return places.map((place) => [place, String(label(place))]);
}

/** Ticks for the rows of a flow: [[row, epoch], ...]. */
export function epochTicks(header, plotHeight) {
  return countTicks(header.first.length, plotHeight / 26, (row) => header.first[row]);
}

/** Ticks for time steps that stand `edges[i]` apart: [[column, step], ...]. */
export function timeTicks(edges, width) {
  return countTicks(edges.length - 1, width / 44, (column) => edges[column]);
}

/** Powers of ten within a range, thinned to about `count`: [number, ...]; both ends where there is none. */
export function logTicks(low, high, count) {
  const [from, to] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  if (to < from) return low === high ? [low] : [low, high];
  const step = Math.max(1, Math.ceil((to - from + 1) / Math.max(count, 2)));
  const powers = [];
  for (let power = from; power <= to; power += step) powers.push(10 ** power);
  return powers;
}

/** A power of ten as text with a raised exponent; other numbers as `text` has them. */
export function powerText(value) {
  const power = Math.round(Math.log10(value));
  if (Math.abs(Math.log10(value) - power) > 1e-9 || Math.abs(power) < 2) return text(value);
  const raised = [...String(power)].map((sign) => ({ "-": "⁻" })[sign] ?? "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(sign)]);
  return `10${raised.join("")}`;
}

/** The cell of a grid under a point, [row, column]; null outside. */
export function cellAt(x, y, box, rows, columns) {
  const column = Math.floor(((x - box.left) / box.width) * columns);
  const row = Math.floor(((y - box.top) / box.height) * rows);
  return row >= 0 && row < rows && column >= 0 && column < columns ? [row, column] : null;
}

/** A cell moved by a key, kept inside; null for other keys. */
export function moved([row, column], key, rows, columns) {
  const to = {
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    Home: [0, column],
    End: [rows - 1, column],
    PageUp: [row - 10, column],
    PageDown: [row + 10, column],
  }[key];
  if (!to) return null;
  return [Math.min(Math.max(to[0], 0), rows - 1), Math.min(Math.max(to[1], 0), columns - 1)];
}
