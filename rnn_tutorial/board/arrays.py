"""What the page gets: curves thinned to a screenful, and arrays as bytes."""

import json
import struct

import numpy as np

# The bytes of an answer begin with the header's length and the header; the arrays begin at a multiple of this.
_ALIGNMENT = 4
# Time steps of a curve. No network is trained on more at once, and of a damaged record the length may be anything.
LONGEST = 2**17


def matrix(steps, curves):
    """Curves recorded one an epoch, put together.

    Args:
        steps: Their epochs, in any order; of two with the same the later counts.
        curves: Arrays (time,), which may differ in length.

    Returns:
        Epochs (rows,) ascending, float32 (rows, time) with NaN where a curve ends early, and how many were left out
        because they are no curves, or of no epoch.
    """
    rows = {}
    left_out = 0
    for step, curve in zip(steps, curves, strict=True):
        if is_curve(step, curve):
            rows[step] = curve
        else:
            left_out += 1
    epochs = np.array(sorted(rows), dtype=np.int64)
    longest = max((len(curve) for curve in rows.values()), default=0)
    table = np.full((len(epochs), longest), np.nan, dtype=np.float32)
    with np.errstate(over="ignore"):  # beyond float32 is infinite
        for number, epoch in enumerate(epochs.tolist()):
            table[number, : len(rows[epoch])] = rows[epoch]
    return epochs, table, left_out


def is_curve(step, curve):
    """Whether an array is a curve over time, of an epoch."""
    return step >= 0 and curve.ndim == 1 and len(curve) <= LONGEST and curve.dtype.kind in "fiu"


def masked_steps(table):
    """Which time steps are masked, where nobody has recorded it.

    The probe is the same at every epoch, so a masked step is NaN at all of them. A network that is NaN is so at all
    steps.

    Args:
        table: Curves (epochs, time).

    Returns:
        Bool (time,).
    """
    missing = np.isnan(table)
    return missing.all(axis=0) & ~missing.all()


def edges(count, bins):
    """Where bins begin that divide `count` things evenly, and where the last one ends, (bins + 1,)."""
    bins = min(count, bins)
    return np.arange(bins + 1) * count // max(bins, 1)


def thin(table, rows, columns):
    """Smallest, largest and mean number of each bin of a table, so that a single spike or gap stays to be seen.

    Args:
        table: (epochs, time), with NaN where there is no number.
        rows: So many rows at most.
        columns: So many columns at most.

    Returns:
        Three float32 arrays (rows, columns), NaN where a bin has no number. The mean is that of the finite numbers;
        where there are none, infinite.
    """
    row_edges, column_edges = edges(table.shape[0], rows), edges(table.shape[1], columns)
    if table.size == 0:
        empty = np.zeros((len(row_edges) - 1, len(column_edges) - 1), dtype=np.float32)
        return empty, empty, empty

    def binned(values, reduce):
        return reduce.reduceat(reduce.reduceat(values, row_edges[:-1], axis=0), column_edges[:-1], axis=1)

    low, high = binned(table, np.fmin), binned(table, np.fmax)  # these two pass over NaN
    finite = np.isfinite(table)
    count = binned(finite.astype(np.int64), np.add)
    total = binned(np.where(finite, table, 0).astype(np.float64), np.add)
    mean = np.where(count > 0, total / np.maximum(count, 1), high)
    return low, high, mean.astype(np.float32)


def pack(header, *parts):
    """A header and arrays as bytes: the header's length (uint32), the header in JSON, and what the arrays hold.

    The header gets the list "arrays": dtype, shape and the place of the first byte behind the header. All numbers are
    little-endian, and NaN and infinities, for which JSON has no words, come through.
    """
    described, place = [], 0
    for part in parts:
        described.append({"dtype": part.dtype.name, "shape": part.shape, "offset": place})
        place += part.nbytes + -part.nbytes % _ALIGNMENT
    text = json.dumps({**header, "arrays": described}, allow_nan=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    content = [struct.pack("<I", len(text)), text]
    for part in parts:
        little = part.astype(part.dtype.newbyteorder("<"), copy=False)
        content += [little.tobytes(), bytes(-part.nbytes % _ALIGNMENT)]
    return b"".join(content)
