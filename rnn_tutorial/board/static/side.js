// The list of runs and layers beside the panels.

import { make } from "./dom.js";
import { runName } from "./figure.js";
import { layersOf, MOST_RUNS } from "./selection.js";

const MOST_WITHOUT_FILTER = 8;
const KEYS =
  "Arrow keys move in a picture that has the focus, Enter chooses its epoch, Shift and a click keep one more. " +
  "Space plays.";

export class Side {
  constructor(app) {
    this.app = app;
    this.state = app.state;
    this.filter = "";
    this.element = make("nav", { class: "side", "aria-label": "Runs and layers" });
  }

  draw() {
    const focus = document.activeElement?.dataset?.focus;
    const scrolled = this.element.querySelector(".runs")?.scrollTop;
    const runs = make("ul", { class: "runs" });
    this.fill(runs);
    this.element.replaceChildren(
      make("h2", {}, "Runs"),
      ...this.filterField(runs),
      runs,
      ...this.others(),
      make("h2", {}, "Layers"),
      this.layers(),
      make("p", { class: "keys" }, KEYS),
    );
    if (scrolled === undefined) runs.querySelector(":checked")?.closest("li").scrollIntoView({ block: "nearest" });
    else runs.scrollTop = scrolled;
    if (focus) this.element.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
  }

  /** List the runs that the filter lets through. */
  fill(list) {
    const wanted = this.filter.toLowerCase();
    const names = this.state.runs.map(({ name }) => name).filter((name) => name.toLowerCase().includes(wanted));
    list.replaceChildren(...names.map((name) => this.run(name)));
  }

  run(name) {
    const { runs } = this.state.selection;
    const isChosen = runs.includes(name);
    const box = make("input", {
      type: "checkbox",
      "data-focus": `run ${name}`,
      checked: isChosen,
      disabled: !isChosen && runs.length >= MOST_RUNS,
      onchange: () => this.app.change({ runs: isChosen ? runs.filter((run) => run !== name) : [...runs, name] }),
    });
    return make("li", {}, make("label", { title: name }, box, runName(this.state, name)));
  }

  filterField(list) {
    const count = this.state.runs.length;
    if (count <= MOST_WITHOUT_FILTER) return [];
    const field = make("input", {
      type: "search",
      class: "filter",
      placeholder: `filter ${count} runs`,
      "aria-label": "Filter runs",
      "data-focus": "filter",
      value: this.filter,
      oninput: () => {
        this.filter = field.value;
        this.fill(list);
      },
    });
    return [field];
  }

  /** Runs without layers. */
  others() {
    const { others, runs } = this.state;
    if (others.length === 0 || runs.length === 0) return [];
    const names = others.map(({ name, starting }) =>
      make("li", { title: name }, `${name}${starting ? " (in its first epoch)" : ""}`),
    );
    const title = make("summary", {}, `${others.length} without data for this tab`);
    return [make("details", {}, title, make("ul", { class: "others" }, ...names))];
  }

  layers() {
    const { runs, layer } = this.state.selection;
    const layers = layersOf(this.state.runs, runs).map(({ name, cell, units }) => {
      const button = make("input", {
        type: "radio",
        name: "layer",
        "data-focus": `layer ${name}`,
        checked: name === layer,
        onchange: () => this.app.change({ layer: name }),
      });
      const about = [cell, units === null ? null : `${units} units`].filter(Boolean).join(", ");
      return make("li", {}, make("label", { title: name }, button, make("span", {}, name, make("small", {}, about))));
    });
    return make("ul", { class: "layers" }, ...layers);
  }
}
