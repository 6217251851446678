// Why there is no number at a place of a picture: what is masked and what is NaN are not the same.

export const NAN = 1;
export const MASKED = 2;
export const UNRECORDED = 3;
export const REASONS = { [NAN]: "NaN", [MASKED]: "masked", [UNRECORDED]: "not recorded" };

/** Why a row and column of numbers holds none; 0 where it holds one. */
function reason(value, row, column, { masked, lengths, times }) {
  if (!Number.isNaN(value)) return 0;
  if (lengths && (times ? times[column] : column) >= lengths[row]) return UNRECORDED;
  return masked.has(column) ? MASKED : NAN;
}

/** Numbers by rows, and what is known of them -> one of the reasons for each, or 0. */
function reasons(values, columns, known) {
  return Uint8Array.from(values, (value, place) => reason(value, Math.floor(place / columns), place % columns, known));
}

/** Of each number of a flow why it is none, in the order of its arrays. */
export function ofFlow({ header, arrays }) {
  const known = { masked: new Set(header.masked), lengths: header.lengths, times: header.times };
  return reasons(arrays[0].values, arrays[0].shape[1], known);
}

/** The same of one kind of state or gate, (units, time). */
export function ofFrame({ header, arrays }, values) {
  return reasons(values, arrays[0].shape[2], { masked: new Set(header.masked) });
}

/** Of a curve's time step why there is no number; 0 where there is one. */
export function ofCurve({ values, masked }, step) {
  return reason(values[step] ?? NaN, 0, step, { masked: new Set(masked), lengths: [values.length] });
}

/** The reasons that occur among some, each once. */
export function occurring(lists) {
  const found = new Set();
  for (const list of lists) {
    for (const one of list) if (one) found.add(one);
  }
  return [NAN, MASKED, UNRECORDED].filter((one) => found.has(one));
}
