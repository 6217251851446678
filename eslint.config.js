// What `make lint` holds the tab's program to: ESLint's recommended rules.

import js from "@eslint/js";

// What the program uses of a browser and, in the tests, of Node. A name that is not here is taken for a slip.
// prettier-ignore
const NAMES = [
  "Blob", "CSS", "ImageData", "MessageChannel", "MutationObserver", "OffscreenCanvas", "PopStateEvent",
  "ResizeObserver", "TextDecoder", "TextEncoder", "URL", "URLSearchParams", "cancelAnimationFrame", "clearTimeout",
  "document", "fetch", "getComputedStyle", "navigator", "requestAnimationFrame", "setTimeout", "window",
];

export default [
  js.configs.recommended,
  { languageOptions: { globals: Object.fromEntries(NAMES.map((name) => [name, "readonly"])) } },
];
