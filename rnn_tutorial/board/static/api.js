// The server's routes. Addresses are relative, so that they hold below any path.

import { unpack } from "./binary.js";

async function ask(route, query) {
  const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined));
  const answer = await fetch(`./${route}?${words}`);
  if (!answer.ok) throw new Error((await answer.text()) || `${answer.status} ${answer.statusText}`);
  return answer;
}

async function json(route, query = {}) {
  return (await ask(route, query)).json();
}

async function bytes(route, query) {
  return unpack(await (await ask(route, query)).arrayBuffer());
}

export const schema = () => json("schema");
export const runs = () => json("runs");
export const flow = (run, layer, kind, rows, columns) => bytes("flow", { run, layer, kind, rows, columns });
export const curve = (run, layer, kind, epoch) => bytes("curve", { run, layer, kind, epoch });
export const frames = (run, layer, kind) => json("frames", { run, layer, kind });
export const frame = (run, layer, kind, epoch) => bytes("frame", { run, layer, kind, epoch });
export const saturation = (run, layer) => json("saturation", { run, layer });
export const findings = (run) => json("findings", { run });
