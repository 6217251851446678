"""Tasks that are made to be hard for a memory: each answer hangs on a step that may lie far back.

All of them are made from random numbers, as many samples as one likes, the same ones for the same seed. How far back
the network has to remember is chosen with `timesteps`, which real data do not let one do.
"""

import math
import numbers

import numpy as np

from rnn_tutorial import _checks

__all__ = ["adding", "first_item", "marked_item"]


def adding(samples, timesteps, seed):
    """The adding problem: sum the two marked numbers of a long sequence of numbers.

    One mark lies in the first half of the sequence and one in the second, so that the first number has to be kept
    until the second comes. Answering 1 every time has a mean squared error of 1/6, about 0.167, the variance of y (each
    of the two numbers has 1/12): a network has learned something where its error is below that.

    From Hochreiter and Schmidhuber, Long Short-Term Memory (1997), section 5.4, simplified: numbers in [0, 1) instead
    of [-1, 1], all sequences of one length, and y their plain sum.

    Example:
    >>> x, y = adding(samples=1000, timesteps=50, seed=1)
    >>> x.shape, y.shape
    ((1000, 50, 2), (1000, 1))

    Args:
        samples: Number of sequences.
        timesteps: Length of each, at least 2.
        seed: Integer from which all numbers follow.

    Returns:
        x (samples, timesteps, 2) float32, numbers in [0, 1) in channel 0, and in channel 1 a 1 at the two marked steps
        and 0 elsewhere; and y (samples, 1) float32, the sum of the two marked numbers.

    Raises:
        ValueError: An argument is not an integer as above.
    """
    samples = _checks.integer("samples", samples, at_least=1)
    timesteps = _checks.integer("timesteps", timesteps, at_least=2)
    generator = _generator(seed)
    rows, half = np.arange(samples), timesteps // 2
    x = np.zeros((samples, timesteps, 2), dtype="float32")
    x[:, :, 0] = generator.random((samples, timesteps), dtype="float32")
    first = generator.integers(0, half, size=samples)
    second = generator.integers(half, timesteps, size=samples)
    x[rows, first, 1] = x[rows, second, 1] = 1
    y = x[rows, first, 0] + x[rows, second, 0]  # (samples,)
    return x, y[:, np.newaxis]


def first_item(samples, timesteps, seed, items=2, noise=1.0):
    """Say which item came first, after nothing but noise has come since.

    The one step that counts is the one that lies farthest back, so that one sees how far back learning reaches.
    Guessing is right once in `items` times, with a cross-entropy of log(items).

    Example:
    >>> x, y = first_item(samples=1000, timesteps=30, seed=1)
    >>> x[0, 0].argmax() == y[0]
    True

    Args:
        samples: Number of sequences.
        timesteps: Length of each.
        seed: Integer from which all numbers follow.
        items: Number of different items, at least 2.
        noise: Standard deviation of the noise, 0 for none. The more of it, the harder it shakes a memory.

    Returns:
        x (samples, timesteps, items + 1) float32: at step 0 the item as a one-hot vector, at later steps a normally
        distributed number in the last channel, and 0 everywhere else; and y (samples,) int32, the item.

    Raises:
        ValueError: An argument is not an integer as above, or noise is not a finite number of at least 0.
    """
    samples = _checks.integer("samples", samples, at_least=1)
    timesteps = _checks.integer("timesteps", timesteps, at_least=1)
    items = _checks.integer("items", items, at_least=2)
    noise = _deviation("noise", noise)
    generator = _generator(seed)
    y = generator.integers(0, items, size=samples, dtype="int32")
    x = np.zeros((samples, timesteps, items + 1), dtype="float32")
    x[np.arange(samples), 0, y] = 1
    x[:, 1:, -1] = noise * generator.standard_normal((samples, timesteps - 1), dtype="float32")
    return x, y


def marked_item(samples, timesteps, seed, items=4, shortest=None):
    """Say which item was marked, in sequences of unequal length that are padded to one.

    Each step shows an item, and at one step of each sequence, anywhere in it, a mark stands beside it. The other items
    are there to distract. After its end a sequence is padded with steps of nothing but zeros. No other step is all
    zeros, so that `keras.layers.Masking()` masks the padding exactly. Guessing is right once in `items` times.

    Example:
    >>> x, y, marked, lengths = marked_item(samples=1000, timesteps=30, seed=1)
    >>> x[0, marked[0], :-1].argmax() == y[0]
    True

    Args:
        samples: Number of sequences.
        timesteps: Steps of each, padding included; the longest a sequence can be.
        seed: Integer from which all numbers follow.
        items: Number of different items, at least 2.
        shortest: The shortest a sequence can be; lengths are drawn evenly from there to `timesteps`. None is half of
            `timesteps`, rounded up. `shortest=timesteps` makes them all equal, without any padding.

    Returns:
        x (samples, timesteps, items + 1) float32, each step an item as a one-hot vector and the mark, 0 or 1, in the
        last channel, or all zeros where it is padding; y (samples,) int32, the item that was marked; marked (samples,)
        int32, the step of the mark; and lengths (samples,) int32, the number of steps before the padding.

    Raises:
        ValueError: An argument is not an integer as above, or shortest is more than timesteps.
    """
    samples = _checks.integer("samples", samples, at_least=1)
    timesteps = _checks.integer("timesteps", timesteps, at_least=1)
    items = _checks.integer("items", items, at_least=2)
    shortest = _shortest(shortest, timesteps)
    generator = _generator(seed)
    rows = np.arange(samples)
    shown = generator.integers(0, items, size=(samples, timesteps), dtype="int32")
    lengths = generator.integers(shortest, timesteps, size=samples, dtype="int32", endpoint=True)
    marked = generator.integers(0, lengths, dtype="int32")  # before each sequence's own end
    x = np.zeros((samples, timesteps, items + 1), dtype="float32")
    x[:, :, :-1] = np.eye(items, dtype="float32")[shown]
    x[rows, marked, -1] = 1
    x[np.arange(timesteps) >= lengths[:, np.newaxis]] = 0  # padding
    return x, shown[rows, marked], marked, lengths


def _generator(seed):
    return np.random.default_rng(_checks.integer("seed", seed, at_least=0))


def _deviation(argument, value):
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= float(value) < math.inf:
        raise ValueError(f"{argument} must be a finite number of at least 0, received {value!r}")
    return np.float32(value)


def _shortest(shortest, timesteps):
    if shortest is None:
        return -(-timesteps // 2)
    try:
        shortest = _checks.integer("shortest", shortest, at_least=1)
    except ValueError as error:
        raise ValueError(f"{error}; None is half of timesteps") from None
    if shortest > timesteps:
        raise ValueError(f"shortest must be at most timesteps={timesteps}, received {shortest}")
    return shortest
