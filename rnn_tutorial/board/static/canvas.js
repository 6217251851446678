// Canvases in the colours of the page.

export const FONT = "12px system-ui, 'Segoe UI', Roboto, sans-serif";

/** The colours of the page, for what is drawn on it. */
export function ink() {
  const style = getComputedStyle(document.body);
  const named = (name) => style.getPropertyValue(name).trim();
  return {
    text: named("--text"),
    faint: named("--faint"),
    line: named("--line"),
    surface: named("--surface"),
    focus: named("--focus"),
    severe: named("--severe"),
  };
}

/** A canvas of so many CSS pixels, and its context in CSS pixels. */
export function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = FONT;
  return context;
}
