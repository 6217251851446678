"""The table that the training step fills: what its rows are, and what one update adds to them.

Each weight has a column, and the last column is for all of them together.
"""

import enum

import numpy as np
from keras import ops


class Row(enum.IntEnum):
    """The rows. They add up over the batches, except the first, which keeps the largest."""

    MAX = 0  # norm of the gradient, of those that are finite
    FINITE = 1  # batches with a finite norm
    RATIOS = 2  # batches with a ratio of update to weight
    SUM = 3  # of the norms
    RATIO = 4  # sum of the ratios
    BATCHES = 5
    CLIPPABLE = 6  # batches whose clipping can be said something of
    CLIPPED = 7  # sum of the norms after clipping
    CLIPPED_BATCHES = 8  # batches that clipping changed


def of_update(norms, clipped):
    """What one update adds, (rows, weights + 1).

    Args:
        norms: Of the gradients, of the weights before the update, and of what it added to them, (3, weights + 1).
        clipped: The first of these after clipping, and where it changed something, (2, weights + 1); None where no
            clipping is set.
    """
    ones = np.ones((1, norms.shape[1]), "float32")
    values = ops.concatenate([norms[:1], ops.divide_no_nan(norms[2:], norms[1:2])])
    finite = ops.isfinite(values) & (ops.concatenate([ones, norms[1:2]]) > 0)
    values = ops.where(finite, values, ops.zeros_like(values))
    finite = ops.cast(finite, "float32")
    rows = [values[:1], finite, values, ones]
    if clipped is None:
        rows.append(np.zeros((3, norms.shape[1]), "float32"))
    else:
        all_finite = ops.multiply(finite[:1, -1:], ones)
        rows += [all_finite, ops.where(all_finite > 0, clipped, ops.zeros_like(clipped))]
    return ops.concatenate(rows)
