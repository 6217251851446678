// The page around this one: TensorBoard, or none. What it does not allow (another origin, in a notebook) is left.

function around() {
  try {
    void window.parent.location.hash;
    return window.parent === window ? null : window.parent;
  } catch {
    return null;
  }
}

/** What stands before a plugin's selection in the address, among what TensorBoard keeps there. */
function key(plugin) {
  return `p.${plugin}.view=`;
}

function words(hash) {
  return hash
    .replace(/^#/, "")
    .split("&")
    .filter((word) => word !== "");
}

/** The selection that the address holds for a plugin, as it was written. */
export function readAddress(plugin) {
  const hash = (around() ?? window).location.hash;
  const found = words(hash).find((word) => word.startsWith(key(plugin)));
  try {
    return decodeURIComponent(found?.slice(key(plugin).length) ?? "");
  } catch {
    return "";
  }
}

let waiting = null;

/** Put a selection into the address, without a step in the history; not more often than browsers allow. */
export function writeAddress(plugin, written) {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    const page = around() ?? window;
    const others = words(page.location.hash).filter((word) => !word.startsWith(key(plugin)));
    if (around() && others[0] !== plugin) return; // Another tab has been opened meanwhile.
    const hash = [...others, `${key(plugin)}${encodeURIComponent(written)}`].join("&");
    const { pathname, search } = page.location; // A hash alone would be taken from the page's <base>.
    page.history.replaceState(page.history.state, "", `${pathname}${search}#${hash}`);
  }, 250);
}

const TABS = { "Time Series": "timeseries", Images: "images", Histograms: "histograms", Text: "text" };

/** A function that opens another tab of TensorBoard, filtered for a tag; null where there is none around. */
export function tabOpener(name, tag) {
  const page = around();
  if (!page || !Object.hasOwn(TABS, name)) return null;
  return () => {
    clearTimeout(waiting);
    const filter = tag.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"); // TensorBoard reads it as a regular expression.
    const words = new URLSearchParams(page.location.search);
    let hash = TABS[name];
    // Time Series reads its filter before the hash, the others behind it.
    if (hash === "timeseries") words.set("tagFilter", filter);
    else hash += `&tagFilter=${encodeURIComponent(filter)}`;
    const search = `${words}`;
    page.history.pushState(null, "", `${page.location.pathname}${search && `?${search}`}#${hash}`);
    page.dispatchEvent(new PopStateEvent("popstate")); // As when the user goes back and forth; pushing alone tells nobody.
  };
}

/** Call when TensorBoard has read its files again, or the user asks it to. */
export function onReload(reload) {
  if (window.parent === window) return;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.isReply) return;
    if (message.type === "experimental.DataReloaded") reload();
    port1.postMessage(
      JSON.stringify({ type: message.type, id: message.id, payload: null, error: null, isReply: true }),
    );
  };
  window.parent.postMessage("experimental.bootstrap", "*", [port2]);
}

/** Follow TensorBoard's theme, else the system's: calls with true for dark, now and when it changes. */
export function followTheme(show) {
  const page = around();
  if (page) {
    const body = page.document.body;
    const tell = () => show(body.classList.contains("dark-mode"));
    new MutationObserver(tell).observe(body, { attributes: true, attributeFilter: ["class"] });
    tell();
    return;
  }
  const prefers = window.matchMedia("(prefers-color-scheme: dark)");
  prefers.addEventListener("change", () => show(prefers.matches));
  show(prefers.matches);
}
