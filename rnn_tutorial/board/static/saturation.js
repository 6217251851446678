// How much of each gate is saturated, as bars.

import { sharesAt } from "./binning.js";
import { make } from "./dom.js";

const TITLE = "Saturated: within 0.05 of an end of its range, over the whole probe";

/** A table with a bar for each run and gate at the chosen epoch: [element], or [] where nothing is recorded. */
export function saturationBars(state) {
  const { saturations } = state.loaded;
  const rows = [...saturations].flatMap(([run, gates]) =>
    sharesAt(gates, state.epoch()).map(([gate, epoch, share]) => {
      const name = saturations.size > 1 ? `${gate}, ${run}` : gate;
      return row(name, epoch, share, state.color(run));
    }),
  );
  return rows.length ? [make("table", {}, make("caption", {}, TITLE), make("tbody", {}, ...rows))] : [];
}

function row(name, epoch, share, color) {
  const percent = `${(share * 100).toFixed(share > 0 && share < 0.0995 ? 1 : 0)}%`;
  const filled = make("span", { style: `width: ${share * 100}%; background: ${color}` });
  return make(
    "tr",
    { title: `epoch ${epoch}` },
    make("th", { scope: "row" }, name),
    make("td", {}, make("span", { class: "bar" }, filled)),
    make("td", { class: "share" }, percent),
  );
}
