// What the rules say of the chosen runs, each finding with the way to what shows it.

import { make } from "./dom.js";
import { runName } from "./figure.js";
import { tabOpener } from "./host.js";
import { span } from "./layout.js";
import { layersOf } from "./selection.js";

const MARKS = { severe: "✖", warning: "▲", note: "●" };
const WIDE = 1500; // Where they stand beside the panels, they are open.

export class Findings {
  constructor(app) {
    this.app = app;
    this.state = app.state;
    this.element = make("section", { class: "found", "aria-label": "Findings" });
  }

  /** Draw what is known, {run: {findings, note}}; returns whether there is anything. */
  draw(known) {
    const { runs } = this.state.selection;
    const parts = [];
    let count = 0;
    for (const run of runs) {
      const { findings = [], note = "" } = known.get(run) ?? {};
      count += findings.length;
      if (findings.length === 0 && !note) continue;
      if (runs.length > 1) parts.push(make("h3", {}, runName(this.state, run)));
      if (note) parts.push(make("p", {}, note));
      parts.push(make("ul", {}, ...findings.map((finding) => this.finding(finding))));
    }
    this.element.hidden = parts.length === 0;
    const open = this.element.querySelector("details")?.open ?? window.innerWidth >= WIDE;
    const title = make("summary", {}, make("h2", {}, count > 0 ? `Findings (${count})` : "Findings"));
    this.element.replaceChildren(make("details", { open }, title, ...parts));
    return parts.length > 0;
  }

  finding(finding) {
    const { severity, rule, layer, epochs, cause, advice, code, follows } = finding;
    const mark = make("span", { class: "mark", "aria-hidden": "true" }, MARKS[severity] ?? MARKS.note);
    const name = `${rule.replaceAll("_", " ")}${layer ? `, ${layer}` : ""}`;
    return make(
      "li",
      { class: severity },
      make("strong", {}, mark, ` ${severity}: ${name}`),
      make("small", {}, ` epoch${epochs[0] === epochs[1] ? "" : "s"} ${span(epochs)}`),
      make("p", {}, cause, follows ? ` It follows from ${follows}.` : ""),
      make("p", {}, make("em", {}, "Try: "), advice),
      ...(code ? [make("pre", {}, make("code", {}, code))] : []),
      ...this.links(finding),
    );
  }

  /** The way to the panel that shows a finding, else to the tab and tag that do. */
  links({ layer, epochs, panel, tab, tag }) {
    const shown = this.layerOf(layer);
    if (panel && shown) {
      const show = () => this.app.showFinding(panel, shown, epochs[1]);
      return [make("button", { type: "button", onclick: show }, "Show")];
    }
    const open = tabOpener(tab, tag);
    if (!open) return [make("small", {}, ` ${tab}: ${tag}`)];
    return [make("button", { type: "button", onclick: open }, `Open ${tab}`), make("small", {}, ` ${tag}`)];
  }

  /** Which of the layers that are listed a finding's layer is, or is a part of. */
  layerOf(found) {
    const names = layersOf(this.state.runs, this.state.selection.runs).map(({ name }) => name);
    const holding = names.filter((name) => found === name || found.startsWith(`${name}/`));
    return holding.sort((a, b) => b.length - a.length)[0];
  }
}
