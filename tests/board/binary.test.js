// Reading bytes. Run: node --test tests/board

import assert from "node:assert/strict";
import { test } from "node:test";

import { fromHalves, unpack } from "../../rnn_tutorial/board/static/binary.js";

/** Bytes as the server packs them. */
function pack(header, ...parts) {
  let offset = 0;
  const arrays = parts.map(({ dtype, shape, bytes }) => {
    const about = { dtype, shape, offset };
    offset += bytes.byteLength + ((4 - (bytes.byteLength % 4)) % 4);
    return about;
  });
  let text = JSON.stringify({ ...header, arrays });
  while (new TextEncoder().encode(text).length % 4) text += " ";
  const written = new TextEncoder().encode(text);
  const content = new Uint8Array(4 + written.length + offset);
  new DataView(content.buffer).setUint32(0, written.length, true);
  content.set(written, 4);
  parts.forEach(({ bytes }, number) =>
    content.set(new Uint8Array(bytes.buffer), 4 + written.length + arrays[number].offset),
  );
  return content.buffer;
}

test("half-precision numbers are those of the standard", () => {
  const bits = Uint16Array.of(0x0000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x7c00, 0xfc00, 0x3555, 0x7e00);
  const expected = [0, 1, -2, 65504, 2 ** -24, 2 ** -14, Infinity, -Infinity, 0.333251953125, NaN];
  assert.deepEqual([...fromHalves(bits)], expected);
});

test("what the server packs comes out, NaN and infinities too", () => {
  const single = { dtype: "float32", shape: [2, 2], bytes: Float32Array.of(NaN, Infinity, 1e-45, 0) };
  const half = { dtype: "float16", shape: [1, 3], bytes: Uint16Array.of(0x3c00, 0x7e00, 0xfc00) };
  const { header, arrays } = unpack(pack({ title: "层 ü" }, half, single));
  assert.equal(header.title, "层 ü");
  assert.deepEqual([...arrays[0].values], [1, NaN, -Infinity]);
  assert.deepEqual([...arrays[1].values], [NaN, Infinity, Math.fround(1e-45), 0]);
  assert.deepEqual(arrays[1].shape, [2, 2]);
  assert.throws(() => unpack(pack({}, { dtype: "int64", shape: [0], bytes: new Float32Array() })), /int64/);
});
