"""Distributions of values as TensorBoard shows them: counts in buckets."""

import math
import sys
from typing import Any

import numpy as np

# As tf.summary.histogram.
BUCKETS = 30


def count(values: Any, buckets: int = BUCKETS) -> tuple[np.ndarray, int]:
    """Count values in buckets of equal width, as `tf.summary.histogram` does.

    Args:
        values: Array of any shape. NaN and infinities are left out and counted.
        buckets: Number of buckets.

    Returns:
        The buckets, float64 (buckets, 3) with rows left edge, right edge, count; and the number of values left out.
        Without any finite value all rows are zero; where all values are equal, every edge is that value and the last
        bucket holds the count.
    """
    values = np.asarray(values).ravel().astype(np.float64)
    table = np.zeros((buckets, 3))
    if values.size == 0:
        return table, 0
    low, high = values.min(), values.max()
    nonfinite = 0
    if not (math.isfinite(low) and math.isfinite(high)):  # One NaN makes both NaN.
        finite = values[np.isfinite(values)]
        nonfinite = values.size - finite.size
        if finite.size == 0:
            return table, nonfinite
        values, low, high = finite, finite.min(), finite.max()
    if high / 2 - low / 2 > sys.float_info.max / 8:
        # The range, or a step on the way to it, is beyond float64: count at a quarter of the size, and give the edges
        # back at full size.
        table, _ = count(values / 4, buckets)
        table[:, :2] *= 4
        return table, nonfinite
    width = (high - low) / buckets
    if width == 0:  # Also where the range is so small that no float64 lies between two edges.
        table[:, :2] = low
        table[-1, 2] = values.size
        return table, nonfinite
    values -= low
    values /= width
    counts = np.bincount(values.astype(np.intp), minlength=buckets)
    # The largest value lies on the last edge and belongs into the last bucket.
    counts[buckets - 1] += counts[buckets:].sum()
    edges = np.linspace(low, high, buckets + 1)
    table[:, 0], table[:, 1], table[:, 2] = edges[:-1], edges[1:], counts[:buckets]
    return table, nonfinite
