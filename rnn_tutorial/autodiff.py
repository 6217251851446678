"""The one file that asks which Keras backend is running."""

import itertools
import sys

import keras
import numpy as np


def backend():
    """Name of the running backend: "tensorflow", "jax", ..."""
    return keras.config.backend()


def is_write_error(error):
    """Whether a writer's exception says that a file cannot be written; TensorFlow has errors of its own for that."""
    if isinstance(error, OSError):
        return True
    tensorflow = sys.modules.get("tensorflow")
    return (
        tensorflow is not None
        and isinstance(error, tensorflow.errors.OpError)
        and not isinstance(error, tensorflow.errors.InvalidArgumentError)  # what is to be written is wrong
    )


def endless_batches(x, y, batch_size, seed):
    """Stream batches of (x, y) without end, every row once an epoch; what the backend's `fit` takes fastest.

    Args:
        x: Inputs (n, ...), NumPy.
        y: Targets (n, ...), NumPy.
        batch_size: Rows per batch; the last one of an epoch may be smaller.
        seed: The order of the rows is a function of it and of the epoch's number, of no global state.

    Returns:
        A `tf.data.Dataset` on TensorFlow, a generator of NumPy batches elsewhere.
    """
    if backend() == "tensorflow":
        return _tensorflow_batches(x, y, batch_size, seed)
    return _numpy_batches(x, y, batch_size, seed)


def _tensorflow_batches(x, y, batch_size, seed):
    import tensorflow as tf

    x, y = tf.constant(x), tf.constant(y)

    def one_epoch(epoch):
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(x)), seed=tf.stack([tf.constant(seed, tf.int64), epoch])
        )
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size)

    # Rows are gathered a batch at a time: slicing and batching them one by one costs more than the training.
    rows = tf.data.Dataset.counter().flat_map(one_epoch)
    return rows.map(lambda row: (tf.gather(x, row), tf.gather(y, row))).prefetch(2)


def _numpy_batches(x, y, batch_size, seed):
    for epoch in itertools.count():
        order = np.random.default_rng([seed, epoch]).permutation(len(x))
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            yield x[rows], y[rows]
