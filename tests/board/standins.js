// What the server would send.

/** A flow of numbers by rows; where it is thinned, with half and twice as much for the smallest and largest. */
export function flow(rows, thinned = false) {
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

/** What there is on the wire. */
export const SCHEMA = {
  plugin: "rnn_tutorial",
  flows: {
    total: { label: "total", symbol: "|h|" },
    immediate: { label: "immediate", symbol: "i" },
    cell: { label: "cell", symbol: "|c|" },
  },
  frames: { states: { label: "states" }, gates: { label: "gates" } },
};
