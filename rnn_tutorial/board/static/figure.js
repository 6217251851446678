// A run's part of the page: its name in its colour, its figure in a panel.

import { make } from "./dom.js";

/** A run's name behind a dot in its colour. */
export function runName(state, run) {
  const swatch = make("span", { class: "swatch", style: `background: ${state.color(run)}` });
  return make("span", { class: "run" }, swatch, run);
}

/** A run's name, and the layer where that is another one than the chosen. */
export function caption(state, run) {
  const layer = state.layerName(run);
  const other = layer === state.selection.layer ? null : make("small", {}, `layer ${layer}`);
  return make("figcaption", {}, runName(state, run), other);
}

/** A run's part of a panel; its pictures take no room of themselves, so that it is told how much it has. */
export function figure(width, ...parts) {
  return make("figure", { style: `width: ${width}px` }, ...parts);
}

/** What stands in place of a picture. */
export function missing(why) {
  return make("p", { class: "missing" }, why);
}
