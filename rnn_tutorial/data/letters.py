"""Letters as arrays: an alphabet, and the pairs "these letters -> the next one"."""

import operator

import numpy as np

from rnn_tutorial import _checks


class Alphabet:
    """Letters and their ids, in the order given.

    Example:
    >>> alphabet = Alphabet("abcde")
    >>> alphabet.encode("ab")
    [0, 1]
    >>> alphabet.decode([1])
    'b'

    Args:
        letters: The letters, each once.

    Raises:
        ValueError: No letters, or one of them twice.
    """

    def __init__(self, letters):
        if not isinstance(letters, str) or not letters:
            raise ValueError(f"letters must be a non-empty string, received {letters!r}")
        repeated = sorted({letter for letter in letters if letters.count(letter) > 1})
        if repeated:
            raise ValueError(
                f"letters must hold each letter once, received {letters!r} with {''.join(repeated)!r} repeated"
            )
        self.letters = letters
        self._ids = {letter: number for number, letter in enumerate(letters)}

    def __len__(self):
        return len(self.letters)

    def __contains__(self, letter):
        return letter in self._ids

    def __repr__(self):
        return f"Alphabet({self.letters!r})"

    def encode(self, text):
        """Turn a text into the ids of its letters.

        Raises:
            ValueError: A letter is not in the alphabet; the message shows the alphabet.
        """
        unknown = [letter for letter in text if letter not in self._ids]
        if unknown:
            raise ValueError(f"unknown letter {unknown[0]!r} in {text!r}; the alphabet is {self.letters!r}")
        return [self._ids[letter] for letter in text]

    def decode(self, ids):
        """Turn ids into the text they stand for.

        Raises:
            ValueError: An id is not between 0 and the number of letters minus one.
        """
        letters = []
        for number in ids:
            index = operator.index(number)
            if not 0 <= index < len(self):
                raise ValueError(
                    f"ids must lie in 0 .. {len(self) - 1}, received {index}; the alphabet is {self.letters!r}"
                )
            letters.append(self.letters[index])
        return "".join(letters)

    def one_hot(self, ids):
        """Turn ids of any shape (...) into one-hot vectors (..., letters), float32."""
        ids = np.asarray(ids, dtype="int64")
        if ids.size and not 0 <= ids.min() <= ids.max() < len(self):
            raise ValueError(f"ids must lie in 0 .. {len(self) - 1}, received {ids.min()} .. {ids.max()}")
        return np.eye(len(self), dtype="float32")[ids]


def pairs(text="abcde", window=1, one_hot=True, cyclic=True):
    """Cut a text into pairs of a window of letters and the letter that follows.

    Example:
    >>> x, y = pairs("abcde")  # a -> b, b -> c, c -> d, d -> e, e -> a
    >>> x.shape, y.tolist()
    ((5, 1, 5), [1, 2, 3, 4, 0])

    Args:
        text: The text. Its alphabet is its letters in sorted order, see `alphabet_of`.
        window: Letters read before the prediction.
        one_hot: False gives letter ids instead of one-hot vectors.
        cyclic: True lets the text begin again after its end, so that every letter is followed by one.

    Returns:
        x, one-hot (n, window, letters) float32 or ids (n, window) int32, and y, ids (n,) int32; n is the
        length of the text, less `window` where it is not cyclic.

    Raises:
        ValueError: The text is empty or too short for the window, or window is not an integer of at least 1.
    """
    if not isinstance(text, str) or not text:
        raise ValueError(f"text must be a non-empty string, received {text!r}")
    window = _checks.integer("window", window, at_least=1)
    _checks.flag("one_hot", one_hot)
    _checks.flag("cyclic", cyclic)
    if not cyclic and len(text) <= window:
        raise ValueError(f"text must have more letters than window={window}, received {text!r} with {len(text)}")
    alphabet = alphabet_of(text)
    ids = np.array(alphabet.encode(text), dtype="int32")
    count = len(ids) if cyclic else len(ids) - window
    positions = np.arange(count)[:, None] + np.arange(window + 1)  # (n, window + 1)
    sequences = ids[positions % len(ids)]
    x, y = np.ascontiguousarray(sequences[:, :-1]), np.ascontiguousarray(sequences[:, -1])
    return (alphabet.one_hot(x), y) if one_hot else (x, y)


def alphabet_of(text):
    """The `Alphabet` of the letters in a text, sorted."""
    return Alphabet("".join(sorted(set(text))))
