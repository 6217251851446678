"""Language models: how surprised they are by a text, what to compare them with, and what they would write.

A language model here is anything that can be called with ids of words (n, window) and gives the probabilities of the
word that follows, (n, vocabulary): a Keras model such as `models.word_predictor`, or a baseline, `Unigram` or `Bigram`.
"""

import math
import numbers
import weakref
from typing import Any

import numpy as np

from rnn_tutorial import _checks

__all__ = ["Bigram", "Unigram", "perplexity", "sample"]

ROWS = 512  # windows that a model reads at once
# Where the weight of the bigrams is chosen from, and the part of the text on which it is chosen.
WEIGHTS = tuple(number / 20 for number in range(1, 20))
PART_TO_CHOOSE_ON = 0.1


def perplexity(model, x, y):
    """Measure how surprised a language model is by a text: as if it had to guess among so many equally likely words.

    It is exp(mean of -log p), where p is the probability that the model gave to the word that came. Knowing nothing,
    all words being equally probable, it is the size of the vocabulary; knowing the text by heart, it is 1. Two models
    can be compared only where vocabulary and text are the same.

    Example:
    >>> perplexity(model, x_validation, y_validation)

    Args:
        model: A language model.
        x: Ids of the words read, (n, window).
        y: Id of the word that came, (n,).

    Returns:
        A float of at least 1; infinite where a word came that the model held to be impossible.

    Raises:
        ValueError: x and y do not belong together or are empty, y holds an id that the model does not know, or what the
            model gives are not probabilities.
    """
    x, y = _text(x, y)
    logs = 0.0
    for start in range(0, len(x), ROWS):
        rows, targets = x[start : start + ROWS], y[start : start + ROWS]
        if hasattr(model, "likelihood"):
            given = model.likelihood(rows, targets)
        else:
            probabilities = _probabilities(model, rows)
            _check_ids("y", targets, probabilities.shape[1])
            given = probabilities[np.arange(len(targets)), targets]
        with np.errstate(divide="ignore"):  # log(0) is what it should be
            logs -= float(np.sum(np.log(given, dtype=np.float64)))
    with np.errstate(over="ignore"):
        return float(np.exp(logs / len(y)))


def sample(model, prompt, count, temperature=1.0, seed=0, window=None, never=(0, 1)):
    """Let a language model write: draw the next word from its probabilities, append it, and go on from there.

    A temperature T raises each probability to the power 1/T before drawing. Below 1 the probable becomes more probable
    still, near 0 (and at 0) always the most probable word is taken; above 1 the improbable gets its chance, up to all
    words being equally likely.

    Example:
    >>> ids = sample(model, vocabulary.encode("the simple form".split()), count=20, temperature=0.5, seed=1)
    >>> vocabulary.decode(ids)

    Args:
        model: A language model.
        prompt: Ids of the words that it begins with, (words,), at least one.
        count: Number of words to draw.
        temperature: A number of at least 0.
        seed: Integer from which the choice follows; Keras' and NumPy's own random numbers are left alone.
        window: How many of the last words the model reads each time; None is as many as the prompt has.
        never: Ids that are not drawn; those of padding and of the unknown word.

    Returns:
        The ids drawn, a list of `count` ints, without the prompt.

    Raises:
        ValueError: An argument is not as above, the model gives no probabilities, or `never` leaves no word.
    """
    prompt = _ids("prompt", prompt)
    count = _checks.integer("count", count, at_least=1)
    temperature = check_temperature("temperature", temperature)
    generator = np.random.default_rng(_checks.integer("seed", seed, at_least=0))
    window = len(prompt) if window is None else _checks.integer("window", window, at_least=1)
    ids = [int(number) for number in prompt]
    for _ in range(count):
        (probabilities,) = _probabilities(model, np.array([ids[-window:]], dtype="int32"))
        weights = _heated(probabilities, temperature, never)
        ids.append(int(generator.choice(len(weights), p=weights)))
    return ids[len(prompt) :]


def check_temperature(argument, value):
    """Return `value` as a float of at least 0.

    Raises:
        ValueError: Anything else.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= float(value) < math.inf:
        raise ValueError(f"{argument} must be a finite number of at least 0, received {value!r}")
    return float(value)


class Unigram:
    """The language model that does not read: each word is as probable as it is frequent in the training text.

    Each count is one more than it is (add-one smoothing), so that no word is impossible.

    Example:
    >>> perplexity(Unigram(ids_train, len(vocabulary)), x_validation, y_validation)

    Args:
        ids: Ids of the words of the training text, (words,).
        vocabulary_size: Number of different ids.

    Attributes:
        probabilities: Of each id, (vocabulary,); they sum to 1.

    Raises:
        ValueError: There are no ids, or some that are not in 0 .. vocabulary_size - 1.
    """

    def __init__(self, ids, vocabulary_size):
        self.vocabulary_size = _checks.integer("vocabulary_size", vocabulary_size, at_least=1)
        ids = _ids("ids", ids)
        _check_ids("ids", ids, self.vocabulary_size)
        counts = np.bincount(ids, minlength=self.vocabulary_size) + 1
        self.probabilities = counts / counts.sum()  # (vocabulary,)

    def __call__(self, x):
        """Give the same probabilities for every window, (n, vocabulary)."""
        return np.tile(self.probabilities, (len(x), 1))

    def likelihood(self, x, y):
        """Give the probability of each word that came, (n,)."""
        _check_ids("y", y, self.vocabulary_size)
        return self.probabilities[y]


class Bigram:
    """The language model that reads one word, and has counted which ones followed it in the training text.

    Most pairs never occurred, and that makes them rare, not impossible. So they are mixed with the unigram (Jelinek and
    Mercer, 1980):

        p(word | previous) = weight * count(previous, word) / count(previous) + (1 - weight) * unigram(word)

    After a word with which the training text has nothing to say, it is the unigram alone.

    Example:
    >>> bigram = Bigram(ids_train, len(vocabulary))
    >>> perplexity(bigram, x_validation, y_validation), bigram.weight

    Args:
        ids: Ids of the words of the training text, in order, (words,).
        vocabulary_size: Number of different ids.
        weight: Between 0 and 1. None chooses, among 0.05, 0.10, ... 0.95, the one that is best for the last tenth of
            the training text, with pairs counted in the other nine tenths; then all of it is counted.

    Attributes:
        weight: As given or chosen.

    Raises:
        ValueError: An argument is not as above, or there are fewer than two ids (20 to choose a weight).
    """

    def __init__(self, ids, vocabulary_size, weight=None):
        ids = _ids("ids", ids)
        self.unigram = Unigram(ids, vocabulary_size)
        self.vocabulary_size = self.unigram.vocabulary_size
        fewest = 20 if weight is None else 2
        if len(ids) < fewest:
            raise ValueError(f"ids must be at least {fewest}, received {len(ids)}")
        if weight is None:
            weight = self._choose_weight(ids)
        elif isinstance(weight, bool) or not isinstance(weight, numbers.Real) or not 0 <= float(weight) <= 1:
            raise ValueError(f"weight must be None or a number between 0 and 1, received {weight!r}")
        self.weight = float(weight)
        # Each pair of words is one number, previous * vocabulary + word: sorted by the previous word, and easy to find.
        pairs = ids[:-1].astype("int64") * self.vocabulary_size + ids[1:]
        self._pairs, self._counts = np.unique(pairs, return_counts=True)
        self._followed = np.bincount(ids[:-1], minlength=self.vocabulary_size)  # how often each word had one after it

    def __call__(self, x):
        """Give the probabilities of the word after the last one of each window, (n, vocabulary)."""
        previous = self._previous(x)
        size = self.vocabulary_size
        weight = np.where(self._followed[previous] > 0, self.weight, 0.0)  # (n,)
        probabilities = (1 - weight)[:, np.newaxis] * self.unigram.probabilities  # (n, vocabulary)
        for row, word in zip(probabilities, previous.astype("int64"), strict=True):
            there = slice(*np.searchsorted(self._pairs, (word * size, (word + 1) * size)))
            row[self._pairs[there] - word * size] += self.weight * self._counts[there] / max(1, self._followed[word])
        return probabilities

    def likelihood(self, x, y):
        """Give the probability of each word that came, (n,)."""
        pair, unigram = self._parts(self._previous(x), y)
        weight = np.where(self._followed[self._previous(x)] > 0, self.weight, 0.0)
        return weight * pair + (1 - weight) * unigram

    def _parts(self, previous, y):
        """Probability of each word among those that followed the previous one, and among all, both (n,)."""
        _check_ids("y", y, self.vocabulary_size)
        wanted = previous.astype("int64") * self.vocabulary_size + y
        places = np.minimum(np.searchsorted(self._pairs, wanted), len(self._pairs) - 1)
        counts = np.where(self._pairs[places] == wanted, self._counts[places], 0)
        return counts / np.maximum(1, self._followed[previous]), self.unigram.probabilities[y]

    def _previous(self, x):
        previous = np.asarray(x)[:, -1]
        _check_ids("x", previous, self.vocabulary_size)
        return previous

    def _choose_weight(self, ids):
        kept = max(2, round(len(ids) * (1 - PART_TO_CHOOSE_ON)))
        counted = Bigram(ids[:kept], self.vocabulary_size, weight=0.5)
        previous, y = ids[kept - 1 : -1], ids[kept:]
        pair, unigram = counted._parts(previous, y)
        known = counted._followed[previous] > 0
        return max(WEIGHTS, key=lambda w: np.log(np.where(known, w * pair + (1 - w) * unigram, unigram)).sum())


def _probabilities(model, x):
    """The probabilities that a language model gives, (n, vocabulary), float64."""
    given = np.asarray(_call(model, x), dtype=np.float64)
    if given.ndim != 2 or len(given) != len(x):
        raise ValueError(
            f"model must give probabilities (n, vocabulary), received {given.shape} for {len(x)} windows of words"
        )
    if not np.allclose(given.sum(axis=1), 1, atol=1e-3) or given.min() < 0:
        raise ValueError(
            "model must give probabilities, received numbers that do not sum to 1 "
            f"({given.sum(axis=1)[0]:.3g} for the first window); end it with softmax"
        )
    return given


# Keras model -> its compiled function
_compiled: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def _call(model, x):
    import keras

    if not isinstance(model, keras.Model):
        return model(x)
    if model not in _compiled:
        _compiled[model] = _compile(model)
    # As many rows each time, one or many: another shape would be compiled anew.
    rows = 1 if len(x) == 1 else -(-len(x) // ROWS) * ROWS
    padded = np.concatenate([x, np.repeat(x[-1:], rows - len(x), axis=0)])
    return keras.ops.convert_to_numpy(_compiled[model](padded))[: len(x)]


def _compile(model):
    """A function from ids to probabilities that leaves everything as it is: dropout off, no state, no seed moved."""
    from rnn_tutorial import backend

    reference = weakref.ref(model)  # What is compiled must not keep the model alive.

    def compute(scope, x):
        model: Any = reference()
        with scope():
            return model(x, training=False)

    return backend.compiled(compute, model)


def _text(x, y):
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 2 or y.ndim != 1 or len(x) != len(y) or len(y) == 0:
        raise ValueError(f"x and y must be ids (n, window) and (n,), at least one, received {x.shape} and {y.shape}")
    for argument, ids in (("x", x), ("y", y)):
        if ids.dtype.kind not in "iu":
            raise ValueError(f"{argument} must hold integers, received {ids.dtype}")
    return x.astype("int32"), y.astype("int32")


def _ids(argument, value):
    ids = np.asarray(value)
    if ids.ndim != 1 or len(ids) == 0 or ids.dtype.kind not in "iu":
        raise ValueError(
            f"{argument} must be integers (words,), at least one, received {ids.dtype} of shape {ids.shape}"
        )
    return ids


def _check_ids(argument, ids, size):
    if ids.size and not 0 <= ids.min() <= ids.max() < size:
        raise ValueError(f"{argument} must hold ids in 0 .. {size - 1}, received {ids.min()} .. {ids.max()}")


def _heated(probabilities, temperature, never):
    """Probabilities at a temperature, (vocabulary,); those of `never` are 0."""
    weights = np.array(probabilities)
    _check_ids("never", np.asarray(never, dtype="int64"), len(weights))
    weights[list(never)] = 0
    if not weights.any():
        raise ValueError(f"never must leave a word that is possible, received {never!r}")
    with np.errstate(divide="ignore", over="ignore"):
        logs = np.log(weights)
        logs -= logs.max()
        # What is impossible stays so, also at a temperature of 0, where all else but the largest becomes it.
        heated = np.exp(logs / temperature) if temperature else (logs == 0).astype(np.float64)
    if not temperature:  # of several that are equally probable the first
        heated = np.eye(len(heated))[heated.argmax()]
    return heated / heated.sum()
