"""Arrays in, the arguments out with which `fit` runs them fastest on the running backend."""

import numpy as np

from rnn_tutorial import _checks


def batches(x, y, batch_size=32, seed=0, validation=None, sample_weight=None):
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
        validation: (x, y) or (x, y, sample_weight) to validate on after each epoch, or None.
        sample_weight: Weight of each row in the loss (n,), or None.

    Returns:
        A dict with the keys `x` (an endless stream of batches), `steps_per_epoch` and `shuffle` (False: the
        stream is shuffled already), and with `validation` also `validation_data` and `validation_steps`.

    Raises:
        ValueError: x, y and sample_weight differ in length or are empty, or batch_size or seed are not as above.
    """
    batch_size = _checks.integer("batch_size", batch_size, at_least=1)
    seed = _checks.integer("seed", seed, at_least=0)
    stream, steps = _stream((x, y, sample_weight), batch_size, seed)
    arguments = {"x": stream, "steps_per_epoch": steps, "shuffle": False}
    if validation is not None:
        if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
            raise ValueError(
                f"validation must be None, (x, y) or (x, y, sample_weight), received {type(validation).__name__}"
            )
        stream, steps = _stream(validation, batch_size, seed, " of validation")
        arguments |= {"validation_data": stream, "validation_steps": steps}
    return arguments


def _stream(arrays, batch_size, seed, where=""):
    """An endless stream of batches, and how many of them are an epoch."""
    arrays = [np.asarray(array) for array in arrays if array is not None]
    lengths = {array.shape[:1] for array in arrays}
    if len(lengths) > 1 or lengths & {(), (0,)}:
        raise ValueError(
            f"{' and '.join(('x', 'y', 'sample_weight')[: len(arrays)])}{where} must have the same number of rows, at "
            f"least 1, received shapes {' and '.join(str(array.shape) for array in arrays)}"
        )
    # Loads Keras, which the rest of the data package does without.
    from rnn_tutorial import backend

    return backend.endless_batches(arrays, batch_size, seed), -(-len(arrays[0]) // batch_size)
