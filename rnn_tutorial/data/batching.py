"""Arrays in, the arguments out with which `fit` runs them fastest on the running backend."""

import numpy as np

from rnn_tutorial import checks


def batches(x, y, batch_size=32, seed=0):
    """Prepare arrays for `model.fit(**batches(...), epochs=...)`.

    `fit` on arrays builds its input anew every epoch, which takes longer than training where the data are few.
    Here the input goes on from epoch to epoch. Each epoch covers every row exactly once, in an order that
    depends on `seed` and the epoch alone.

    Example:

    >>> model.fit(**batches(x, y, batch_size=32, seed=1), epochs=100)

    Args:
        x: Inputs (n, ...).
        y: Targets (n, ...).
        batch_size: Rows per training step; the last batch of an epoch may be smaller.
        seed: Integer from which the order of the rows follows.

    Returns:
        A dict with the keys `x` (an endless stream of batches), `steps_per_epoch` and `shuffle` (False: the
        stream is shuffled already).

    Raises:
        ValueError: x and y differ in length or are empty, or batch_size or seed are not as above.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or len(x) == 0:
        raise ValueError(f"x and y must have the same number of rows, at least 1, received shapes {x.shape} and {y.shape}")
    batch_size = checks.integer("batch_size", batch_size, at_least=1)
    seed = checks.integer("seed", seed, at_least=0)

    # Loads Keras, which the rest of the data package does without.
    from rnn_tutorial import autodiff

    return {
        "x": autodiff.endless_batches(x, y, batch_size, seed),
        "steps_per_epoch": -(-len(x) // batch_size),
        "shuffle": False,
    }

