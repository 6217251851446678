// The numbers of a picture as tables: {title, head: [text], rows: [[text or number]]}.

import { drawn, isThinned, lastUpTo } from "./binning.js";
import { span } from "./layout.js";
import { NAN, ofCurve, ofFlow, ofFrame } from "./missing.js";
import { REDUCTIONS } from "./selection.js";

function plain(value) {
  if (value === Infinity || value === -Infinity) return value > 0 ? "inf" : "-inf";
  return String(value ?? "");
}

/** A number as float32 has it, without the figures that only float64 has. */
export function single(value) {
  return Number.isFinite(value) ? Number(value.toPrecision(7)) : value;
}

/** A number for a table, or null where there is none for another reason than that it is NaN. */
function known(value, reason) {
  return reason && reason !== NAN ? null : single(value);
}

/** A cell for a spreadsheet; what it would take for a formula is marked as text. */
function cellOf(value) {
  const written = plain(value);
  return typeof value !== "number" && /^[=+\-@\t\r]/.test(written) ? `'${written}` : written;
}

/** Tables as CSV (RFC 4180). */
export function toCsv(tables) {
  const quoted = (value) => {
    const written = cellOf(value);
    return /[",\r\n]/.test(written) ? `"${written.replaceAll('"', '""')}"` : written;
  };
  const lines = tables.flatMap(({ title, head, rows }) =>
    [[title], head, ...rows].map((row) => row.map(quoted).join(",")),
  );
  return `${lines.join("\r\n")}\r\n`;
}

/** Tables as text with tabs, for a spreadsheet. */
export function toTabs(tables) {
  const line = (row) => row.map((value) => cellOf(value).replace(/[\t\r\n]/g, " ")).join("\t");
  return tables.map(({ title, head, rows }) => [[title], head, ...rows].map(line).join("\n")).join("\n\n");
}

/** A flow: an epoch a row, a time step a column; where it is thinned, what is drawn. What is masked is empty. */
export function flowTable(title, flow, reduce) {
  const { header } = flow;
  const missing = ofFlow(flow);
  const { shape, values } = drawn(flow, reduce);
  const head = ["epoch"];
  for (let column = 0; column < shape[1]; column++)
    head.push(`t=${span([header.times[column], header.times[column + 1] - 1])}`);
  const rows = header.first.map((first, row) => [
    first === header.last[row] ? first : span([first, header.last[row]]),
    ...Array.from(values.subarray(row * shape[1], (row + 1) * shape[1]), (value, column) =>
      known(value, missing[row * shape[1] + column]),
    ),
  ]);
  return { title: isThinned(flow) ? `${title} (${REDUCTIONS[reduce]} of each bin)` : title, head, rows };
}

/** Curves over time: a time step a row, a curve a column. */
export function curveTable(title, curves) {
  const longest = Math.max(0, ...curves.map(({ values }) => values.length));
  const rows = Array.from({ length: longest }, (_, step) => [
    step,
    ...curves.map((curve) => known(curve.values[step], ofCurve(curve, step))),
  ]);
  return { title, head: ["time step", ...curves.map(({ name }) => name)], rows };
}

/** A frame: a unit a row, a time step a column; one table a kind or gate. */
export function frameTables(title, frame) {
  const { header, arrays } = frame;
  const [kinds, units, steps] = arrays[0].shape;
  const head = ["unit", ...Array.from({ length: steps }, (_, step) => `t=${step * header.stride[2]}`)];
  return Array.from({ length: kinds }, (_, kind) => {
    const values = arrays[0].values.subarray(kind * units * steps, (kind + 1) * units * steps);
    const missing = ofFrame(frame, values);
    const row = (unit) =>
      Array.from(values.subarray(unit * steps, (unit + 1) * steps), (value, step) =>
        known(value, missing[unit * steps + step]),
      );
    return {
      title: `${title}, ${header.names[kind]}, epoch ${header.epoch}`,
      head,
      rows: Array.from({ length: units }, (_, unit) => [unit * header.stride[1], ...row(unit)]),
    };
  });
}

/** Of a long and wide table the part around a row, small enough for a page, and what it leaves out. */
export function excerpt(table, around, mostRows = 60, mostColumns = 60) {
  const epochs = table.rows.map(([first]) => Number(String(first).split("–")[0]));
  const middle = around === null ? 0 : lastUpTo(epochs, around);
  const from = Math.max(0, Math.min(middle - (mostRows >> 1), table.rows.length - mostRows));
  const rows = table.rows.slice(from, from + mostRows).map((row) => row.slice(0, mostColumns + 1));
  const left = [table.rows.length - rows.length, Math.max(table.head.length - 1 - mostColumns, 0)];
  return { ...table, head: table.head.slice(0, mostColumns + 1), rows, left };
}
