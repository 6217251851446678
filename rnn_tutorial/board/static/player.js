// The controls that choose the epoch of the frames, step by step or playing.

import { lastUpTo } from "./binning.js";
import { make } from "./dom.js";

const PAUSE = 120;

/** A player of epochs; `onEpoch(epoch)` shows one, and gives a promise of its being shown. */
export class Player {
  constructor(onEpoch) {
    this.onEpoch = onEpoch;
    this.epochs = [];
    this.isPlaying = false;
    const step = (label, shown, by) =>
      make("button", { type: "button", "aria-label": label, onclick: () => this.step(by) }, shown);
    this.button = make("button", { type: "button", class: "play", onclick: () => this.toggle() }, "Play");
    this.slider = make("input", {
      type: "range",
      min: "0",
      max: "0",
      step: "1",
      "aria-label": "Epoch of the states and gates",
      oninput: () => this.to(this.place()),
    });
    this.shown = make("output", { class: "epoch" });
    this.element = make(
      "div",
      { class: "player" },
      step("One frame back", "‹", -1),
      this.button,
      step("One frame on", "›", 1),
      this.slider,
      this.shown,
    );
  }

  /** Stand at the last of some epochs that is not above a given one. */
  show(epochs, epoch) {
    const place = lastUpTo(epochs, epoch);
    this.epochs = epochs;
    this.slider.max = String(Math.max(epochs.length - 1, 0));
    this.slider.value = String(place);
    this.slider.setAttribute("aria-valuetext", `epoch ${epochs[place] ?? "none"}`);
    this.shown.textContent = epochs.length ? `epoch ${epochs[place]} of ${epochs.at(-1)}` : "";
  }

  place() {
    return Number(this.slider.value);
  }

  to(place) {
    if (this.epochs.length === 0) return undefined;
    return this.onEpoch(this.epochs[Math.min(Math.max(place, 0), this.epochs.length - 1)]);
  }

  step(by) {
    this.stop();
    return this.to(this.place() + by);
  }

  stop() {
    this.setPlaying(false);
  }

  setPlaying(isPlaying) {
    this.isPlaying = isPlaying;
    this.button.textContent = isPlaying ? "Pause" : "Play";
    this.button.setAttribute("aria-pressed", String(isPlaying));
  }

  async toggle() {
    if (this.isPlaying || this.epochs.length < 2) {
      this.stop();
      return;
    }
    this.setPlaying(true);
    if (this.place() === this.epochs.length - 1) await this.to(0);
    while (this.isPlaying) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      if (!this.isPlaying) return;
      await this.to(this.place() + 1);
      if (this.place() >= this.epochs.length - 1) this.stop();
    }
  }

  /** Follow a key that is pressed anywhere on the page, but where that place has a use for it. */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const isTyping = event.target.closest?.("input, textarea, summary, .scroll");
    if (isTyping || (event.target.closest?.("button") && [" ", "Enter"].includes(event.key))) return;
    const act = {
      " ": () => this.toggle(),
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      Home: () => this.to(0),
      End: () => this.to(this.epochs.length - 1),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}
