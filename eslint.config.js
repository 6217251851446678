// What `make lint` holds the tab's program to: ESLint's recommended rules.

import js from "@eslint/js";

// Of a browser and, in the tests, of Node: what the program uses. A name that is not here is taken for a slip.
const IN_BROWSERS = [
  ..."Blob CSS FileReader ImageData MessageChannel MutationObserver OffscreenCanvas PopStateEvent ResizeObserver".split(
    " ",
  ),
  ..."TextDecoder TextEncoder URL URLSearchParams cancelAnimationFrame clearTimeout document fetch".split(" "),
  ..."getComputedStyle navigator requestAnimationFrame setTimeout window".split(" "),
];

export default [
  js.configs.recommended,
  { languageOptions: { globals: Object.fromEntries(IN_BROWSERS.map((name) => [name, "readonly"])) } },
];
