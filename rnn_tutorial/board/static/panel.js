// A headed part of the page, with its picture's numbers and file.

import { copy, download, fileName, make } from "./dom.js";
import { text } from "./layout.js";
import { savePng } from "./png.js";
import { excerpt, toCsv, toTabs } from "./tables.js";

/** What is shown of the numbers of a table. */
function shown(value) {
  if (Number.isNaN(value)) return "NaN";
  return typeof value === "number" ? text(value) : value;
}

function tableElement(table, around) {
  const { title, head, rows, left } = excerpt(table, around);
  const note = left.some(Boolean) ? ` (${left[0]} rows and ${left[1]} columns more in the CSV)` : "";
  const top = make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)));
  const lines = rows.map(([first, ...others]) =>
    make("tr", {}, make("th", { scope: "row" }, String(first)), ...others.map((value) => make("td", {}, shown(value)))),
  );
  const caption = make("caption", {}, title + note);
  const grid = make("table", {}, caption, make("thead", {}, top), make("tbody", {}, ...lines));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, grid);
}

/** A panel; each kind says with `tables()`, `pictures()` and `around()` what there is to show, to copy and to save. */
export class Panel {
  constructor(name, title) {
    this.name = name;
    this.controls = make("div", { class: "controls" });
    this.body = make("div", { class: "body" });
    this.numbers = make("div", { class: "numbers", hidden: true });
    this.readout = make("output", { class: "readout", "aria-live": "polite" });
    this.toggle = make(
      "button",
      { type: "button", "aria-expanded": "false", onclick: () => this.open(this.numbers.hidden) },
      "Table",
    );
    const label = `${title}: save as PNG`;
    const onclick = () => savePng(this.pictures());
    const save = make("button", { type: "button", "aria-label": label, onclick }, "PNG");
    this.heading = make("h2", { tabindex: "-1" }, title);
    this.toggle.setAttribute("aria-label", `${title}: table of the numbers`);
    const head = make("header", {}, this.heading, this.controls, make("div", { class: "tools" }, this.toggle, save));
    this.element = make("section", { class: `panel ${name}`, "aria-label": title }, head, this.body, this.numbers);
  }

  /** Tables of the numbers, see tables.js. */
  tables() {
    return [];
  }

  /** {title, pictures: [{title, canvas}]} for a file. */
  pictures() {
    return { title: this.name, pictures: [] };
  }

  /** The row of a table that is shown where not all are; null for the first ones. */
  around() {
    return null;
  }

  open(isOpen) {
    this.numbers.hidden = !isOpen;
    this.toggle.setAttribute("aria-expanded", String(isOpen));
    this.refresh();
  }

  /** Bring the table up to date, where it is open. */
  refresh() {
    if (this.numbers.hidden) return;
    const said = make("span", { role: "status" });
    const copyAll = async () => {
      await copy(toTabs(this.tables()));
      said.textContent = "copied";
    };
    const saveCsv = () => download(`${fileName(this.name)}.csv`, `\ufeff${toCsv(this.tables())}`, "text/csv");
    const buttons = make(
      "div",
      { class: "tools" },
      make("button", { type: "button", onclick: copyAll }, "Copy all"),
      make("button", { type: "button", onclick: saveCsv }, "CSV"),
      said,
    );
    this.numbers.replaceChildren(buttons, ...this.tables().map((table) => tableElement(table, this.around())));
  }
}
