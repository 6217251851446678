// Reading what the server sends as bytes: a header in JSON and arrays behind it.

// All 65,536 half-precision numbers, since browsers do not read them.
let halves = null;

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Half-precision numbers, given as Uint16Array, as a Float32Array. */
export function fromHalves(bits) {
  halves ??= Float32Array.from({ length: 65536 }, (_, number) => half(number));
  return Float32Array.from(bits, (number) => halves[number]);
}

/** ArrayBuffer -> {header, arrays: [{shape, values: Float32Array}]}. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = header.arrays.map(({ dtype, shape, offset }) => {
    const size = shape.reduce((product, part) => product * part, 1);
    const place = 4 + length + offset;
    if (dtype === "float32") return { shape, values: new Float32Array(buffer, place, size) };
    if (dtype === "float16") return { shape, values: fromHalves(new Uint16Array(buffer, place, size)) };
    throw new Error(`arrays of ${dtype} are not understood`);
  });
  return { header, arrays };
}
