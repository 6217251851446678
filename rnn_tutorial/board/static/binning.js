// Which bin holds an epoch, which frame is shown for it, what a bin holds.

/** The place of the last of ascending numbers that is not above a given one; the first, where all are above. */
export function lastUpTo(numbers, wanted) {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= wanted) low = middle + 1;
    else high = middle;
  }
  return Math.max(low - 1, 0);
}

/** Ascending lists of numbers -> one with each number once. */
export function union(lists) {
  return [...new Set(lists.flat())].sort((a, b) => a - b);
}

/** Whether a flow's rows or columns stand for more than one epoch or time step. */
export function isThinned(flow) {
  return flow.arrays.length > 1;
}

/** The numbers of a flow that are drawn: "high", "low" or "mean" of each bin, or all there are. */
export function drawn(flow, reduce) {
  return isThinned(flow) ? flow.arrays[["low", "high", "mean"].indexOf(reduce)] : flow.arrays[0];
}

/** What a cell of a flow holds: {epochs: [first, last], times: [first, last], low, high, mean}. */
export function cell(flow, row, column) {
  const { header, arrays } = flow;
  const place = row * arrays[0].shape[1] + column;
  const [low, high, mean] = isThinned(flow)
    ? arrays.map((array) => array.values[place])
    : Array(3).fill(arrays[0].values[place]);
  return {
    epochs: [header.first[row], header.last[row]],
    times: [header.times[column], header.times[column + 1] - 1],
    low,
    high,
    mean,
  };
}

/** {gate: [[epoch, share], ...]} -> [[gate, epoch, share], ...]: of each the last share up to an epoch, in the same order. */
export function sharesAt(gates, epoch) {
  return Object.entries(gates)
    .filter(([, points]) => points.length > 0)
    .map(([gate, points]) => [
      gate,
      ...points[
        lastUpTo(
          points.map(([step]) => step),
          epoch,
        )
      ],
    ]);
}
