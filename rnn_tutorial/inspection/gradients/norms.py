"""L2 norms inside of the training step, whatever the range of the numbers."""

import math

import numpy as np
from keras import ops

from rnn_tutorial import backend

# Below this the square of a float32 may have lost its digits.
_TINY = 1e-24


def of_update(gradients, before, after):
    """L2 norms of the gradients, of the weights, and of how far these went; of all together too, (3, weights + 1).

    Squares of float32 leave its range long before the numbers do. Where one did, norms are taken again of numbers
    divided by the largest.
    """
    square_sums = squares(gradients, before, _differences(after, before))
    floor = np.array([[_TINY], [-1], [-1]], "float32")
    in_range = ops.all(ops.greater(square_sums, floor) & (square_sums < math.inf))

    def carefully(arrays):
        gradients, before, after = arrays
        return scaled(gradients, before, _differences(after, before))

    arrays = [gradients, before, after]
    return ops.cond(in_range, lambda: ops.sqrt(square_sums), lambda: backend.apart(carefully, arrays, seldom=True))


def squares(*lists):
    """Sum of squares of each array of some lists, and of all in a list, (lists, arrays + 1), float32."""
    sums = backend.square_sums([ops.cast(array, "float32") for arrays in lists for array in arrays])
    sums = ops.reshape(sums, (len(lists), -1))
    return ops.concatenate([sums, ops.sum(sums, axis=1, keepdims=True)], axis=1)


def _differences(arrays, others):
    return [ops.cast(one, "float32") - ops.cast(other, "float32") for one, other in zip(arrays, others, strict=True)]


def scaled(*lists):
    """L2 norm of each array of some lists, and of all in a list, (lists, arrays + 1), whatever their range."""
    arrays = [ops.cast(array, "float32") for arrays in lists for array in arrays]
    scales = _positive(ops.stack([ops.max(ops.abs(array)) for array in arrays]))
    sums = backend.square_sums([array / scales[place] for place, array in enumerate(arrays)])
    return with_total(ops.reshape(scales * ops.sqrt(sums), (len(lists), -1)))


def with_total(norms):
    """Norms of arrays, and of all arrays in a row together: (rows, arrays) -> (rows, arrays + 1)."""
    scale = _positive(ops.max(norms, axis=1, keepdims=True))
    total = scale * ops.sqrt(ops.sum(ops.square(norms / scale), axis=1, keepdims=True))
    return ops.concatenate([norms, total], axis=1)


def with_largest(flags):
    """Flags, and whether any is set: (weights,) -> (weights + 1,)."""
    return ops.concatenate([flags, ops.max(flags, axis=0, keepdims=True)])


def _positive(array):
    return ops.where(array > 0, array, ops.ones_like(array))
