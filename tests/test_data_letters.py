import itertools

import numpy as np
import pytest

from rnn_tutorial.data import letters

ODD = "the quick brown fox"


def naive_pairs(text, window, cyclic):
    """Windows of letters and the letter that follows, one step at a time."""
    found = []
    for start in range(len(text)):
        sequence = list(itertools.islice(itertools.cycle(text), start, start + window + 1))
        if cyclic or start + window < len(text):
            found.append(("".join(sequence[:-1]), sequence[-1]))
    return found


def test_alphabet_of_the_article():
    alphabet = letters.Alphabet("abcde")
    assert alphabet.encode("ab") == [0, 1]
    assert alphabet.decode([1]) == "b"
    assert len(alphabet) == 5
    assert alphabet.letters == "abcde"
    assert repr(alphabet) == "Alphabet('abcde')"


def test_ids_follow_the_order_given_and_come_back():
    alphabet = letters.Alphabet("zebra ")
    assert alphabet.encode("zebra ") == [0, 1, 2, 3, 4, 5]
    assert alphabet.decode(alphabet.encode("bare zebra")) == "bare zebra"
    assert alphabet.encode("") == []
    assert alphabet.decode([]) == ""
    assert "z" in alphabet
    assert "y" not in alphabet


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_decode_takes_numpy_ids(dtype):
    assert letters.Alphabet("abcde").decode(np.array([4, 0, 2], dtype)) == "eac"


def test_unknown_letter_shows_itself_and_the_alphabet():
    with pytest.raises(ValueError, match="unknown letter 'x' in 'axe'; the alphabet is 'abcde'"):
        letters.Alphabet("abcde").encode("axe")


@pytest.mark.parametrize("wrong", [5, -1])
def test_id_outside_the_alphabet_shows_itself_and_the_alphabet(wrong):
    with pytest.raises(ValueError, match=rf"0 \.\. 4, received {wrong}; the alphabet is 'abcde'"):
        letters.Alphabet("abcde").decode([0, wrong])


@pytest.mark.parametrize("wrong", ["", None, 3, ["a", "b"], b"abc"])
def test_alphabet_needs_letters(wrong):
    with pytest.raises(ValueError, match="letters must be a non-empty string") as caught:
        letters.Alphabet(wrong)
    assert repr(wrong) in str(caught.value)


def test_alphabet_with_a_letter_twice():
    with pytest.raises(ValueError, match="letters must hold each letter once, received 'abcab' with 'ab' repeated"):
        letters.Alphabet("abcab")


def test_one_hot_of_any_shape():
    alphabet = letters.Alphabet("abc")
    ids = np.array([[0, 2], [1, 1]])
    vectors = alphabet.one_hot(ids)
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]]]
    assert alphabet.one_hot(2).tolist() == [0, 0, 1]


def test_pairs_of_the_article():
    x, y = letters.pairs()
    assert x.dtype == np.float32
    assert x.tolist() == [[[float(row == column) for column in range(5)]] for row in range(5)]
    assert np.issubdtype(y.dtype, np.integer)
    assert y.tolist() == [1, 2, 3, 4, 0]


@pytest.mark.parametrize("cyclic", [True, False])
@pytest.mark.parametrize("window", [1, 2, 4, 18])
@pytest.mark.parametrize("text", ["abcde" * 4, ODD])
def test_pairs_against_a_naive_loop(text, window, cyclic):
    x, y = letters.pairs(text, window=window, one_hot=False, cyclic=cyclic)
    alphabet = letters.alphabet_of(text)
    expected = naive_pairs(text, window, cyclic)
    assert len(expected) == (len(text) if cyclic else len(text) - window)
    assert x.shape == (len(expected), window)
    assert y.shape == (len(expected),)
    assert (x.dtype, y.dtype) == (np.int32, np.int32)
    assert [(alphabet.decode(row), alphabet.decode([after])) for row, after in zip(x, y, strict=True)] == expected


@pytest.mark.parametrize("cyclic", [True, False])
def test_one_hot_pairs_are_the_ids_as_vectors(cyclic):
    x, y = letters.pairs(ODD, window=3, cyclic=cyclic)
    ids, targets = letters.pairs(ODD, window=3, one_hot=False, cyclic=cyclic)
    count = len(set(ODD))
    assert x.dtype == np.float32
    assert x.shape == (*ids.shape, count)
    for place in np.ndindex(ids.shape):
        assert x[place].tolist() == [float(column == ids[place]) for column in range(count)]
    assert y.tolist() == targets.tolist()


def test_a_window_longer_than_the_text_goes_round():
    x, y = letters.pairs("abc", window=7, one_hot=False)
    alphabet = letters.Alphabet("abc")
    assert [alphabet.decode(row) for row in x] == ["abcabca", "bcabcab", "cabcabc"]
    assert alphabet.decode(y) == "bca"


def test_a_single_letter_follows_itself():
    x, y = letters.pairs("a", window=2)
    assert x.tolist() == [[[1.0], [1.0]]]
    assert y.tolist() == [0]


def test_the_arrays_can_be_written_to():
    x, y = letters.pairs("abcde", window=2, one_hot=False)
    x[0, 0] = 4
    y[0] = 3
    assert x[1:, 0].tolist() == [1, 2, 3, 4]
    assert y[1:].tolist() == [3, 4, 0, 1]


@pytest.mark.parametrize("window", [5, 6])
def test_a_text_that_ends_must_be_longer_than_the_window(window):
    with pytest.raises(ValueError, match=f"more letters than window={window}, received 'abcde' with 5"):
        letters.pairs("abcde", window=window, cyclic=False)


@pytest.mark.parametrize("wrong", [0, -2, True, 1.0, "1", None])
def test_window_must_be_a_positive_integer(wrong):
    with pytest.raises(ValueError, match="window must be an integer of at least 1") as caught:
        letters.pairs("abcde", window=wrong)
    assert repr(wrong) in str(caught.value)


@pytest.mark.parametrize("wrong", ["", None, 5, list("abc")])
def test_text_must_be_a_string(wrong):
    with pytest.raises(ValueError, match="text must be a non-empty string") as caught:
        letters.pairs(wrong)
    assert repr(wrong) in str(caught.value)


def test_numpy_window():
    assert letters.pairs("abcde", window=np.int64(2))[0].shape == (5, 2, 5)


def test_alphabet_of_is_sorted():
    assert letters.alphabet_of("hello world").letters == " dehlorw"
