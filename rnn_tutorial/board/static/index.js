// What TensorBoard calls once the page has loaded.

import { App } from "./app.js";
import { make } from "./dom.js";

const STYLES = ["style.css", "panels.css"];

/** Add a stylesheet; done once it has loaded, or cannot be. */
function style(name) {
  return new Promise((resolve) => {
    const link = make("link", { rel: "stylesheet", href: `./static/${name}` });
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
}

export async function render() {
  document.documentElement.lang = "en";
  await Promise.all(STYLES.map(style));
  await new App().reload();
}
