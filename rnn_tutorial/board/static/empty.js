// What the page says where there is nothing to show.

import { copy, make } from "./dom.js";

const LINES = [
  "from rnn_tutorial import callbacks",
  "probe = (x[:32], y[:32])  # a fixed batch that is looked at after each epoch",
  'model.fit(x, y, epochs=20, callbacks=callbacks.observe("logs/run", probe=probe))',
].join("\n");
const MOST_NAMES = 5;

function names(runs) {
  const first = runs.slice(0, MOST_NAMES).map(({ name }) => name);
  return first.join(", ") + (runs.length > MOST_NAMES ? `, and ${runs.length - MOST_NAMES} more` : "");
}

/** Elements for a page without data, given the runs that there are, and a way to look again. */
export function emptyPage(runs, reload) {
  const starting = runs.filter((run) => run.starting);
  const without = runs.filter((run) => !run.starting);
  const said = [make("h1", {}, "Nothing to show yet")];
  if (starting.length > 0) {
    const when = "This tab is filled when an epoch has ended; reload then.";
    said.push(make("p", { class: "starting" }, `In its first epoch, or not trained: ${names(starting)}. ${when}`));
  }
  if (without.length > 0) {
    const why =
      "Either the model has no recurrent layer (SimpleRNN, LSTM, GRU), or the callbacks were given no probe to look at.";
    said.push(make("p", { class: "without" }, `Without data for this tab: ${names(without)}. ${why}`));
  }
  const purpose =
    "This tab shows how much gradient reaches each time step of a recurrent layer, and what its states and gates do, " +
    "epoch by epoch. Three lines record it:";
  said.push(make("p", {}, purpose), make("pre", {}, LINES));
  said.push(make("button", { type: "button", onclick: () => copy(LINES) }, "Copy"));
  said.push(make("button", { type: "button", onclick: reload }, "Reload"));
  return said;
}
