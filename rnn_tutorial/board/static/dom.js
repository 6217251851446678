// Elements made by hand. All text goes in as text, never as HTML: names of runs and layers may hold anything.

/** make("button", {class: "tool", onclick: f, "aria-label": "..."}, "text", child, ...) */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Let the browser save a file. */
export function download(name, content, kind) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: kind }));
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** The letters of a name that every file system takes. */
export function fileName(...parts) {
  return parts.join("_").replace(/[^\p{L}\p{N}.-]+/gu, "_");
}

/** Copy text; where the browser refuses that, by way of a text field. */
export async function copy(content) {
  try {
    await navigator.clipboard.writeText(content);
  } catch {
    const field = make("textarea", { class: "hidden" });
    field.value = content;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

/** A group of buttons of which one is pressed. */
export function choice(label, options, chosen, onchoose, enabled = () => true) {
  const buttons = Object.entries(options).map(([value, shown]) =>
    make(
      "button",
      {
        type: "button",
        "aria-pressed": String(value === chosen),
        "data-value": value,
        disabled: !enabled(value),
        onclick: () => onchoose(value),
      },
      shown,
    ),
  );
  return make("div", { class: "choice", role: "group", "aria-label": label }, ...buttons);
}

/** {value: {label}} -> {value: label}, for `choice`. */
export function labels(described) {
  return Object.fromEntries(Object.entries(described).map(([value, { label }]) => [value, label]));
}
