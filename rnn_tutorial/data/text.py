"""Words as arrays: a text, its vocabulary, and the pairs "these words -> the next one".

The text is NLTK's Brown corpus, 1.2 million words of American English, where it is there or can be fetched. Where not,
it is the English that every CPython brings along for `help()`: the language reference, in `pydoc_data.topics`.
"""

import collections
import functools
import importlib
import io
import operator
import pathlib
import re
import socket
import threading
import urllib.request

import numpy as np

from rnn_tutorial import _checks, _console

__all__ = ["CODE", "PADDING", "UNKNOWN", "Vocabulary", "join", "pad", "sentences", "windows", "words"]

CORPORA = ("brown", "python")
# What stands in a text for a piece of code that is not a single name.
CODE = "<code>"
# The words with the ids 0 and 1.
PADDING = "<padding>"
UNKNOWN = "<unknown>"
LARGEST = 10_000  # words of a vocabulary whose size is not said
# Seconds after which a machine counts as without network.
TIMEOUT = 10


def words(corpus="brown"):
    """Give a text as one list of words and punctuation marks, in order and in lower case.

    Example:
    >>> words("python")[:8]
    ['assert', 'statements', 'are', 'a', 'convenient', 'way', 'to', 'insert']

    Args:
        corpus: As for `sentences`.

    Returns:
        A list of str: the sentences of `sentences(corpus)`, one after the other.

    Raises:
        ValueError: There is no such corpus.
    """
    return [word for sentence in sentences(corpus) for word in sentence]


def sentences(corpus="brown"):
    """Give a text as sentences, each a list of words and punctuation marks in lower case.

    "brown" is fetched by NLTK where it is not there yet. Where that cannot be done (no NLTK, no network, an archive
    that cannot be read) the text is that of "python", and one line says so and why.

    "python" is the prose of Python's language reference: without headings, tables, grammar and examples. A name in it
    is a word (`sys.path`), any other code in a sentence is the word `<code>`. What the reference says twice stands here
    once, so that no sentence that tests a network is one that it has learned by heart. The text is that of the
    running Python; from one version to the next it changes a little.

    Example:
    >>> sentences("python")[1][:5]
    ['the', 'simple', 'form', ',', 'assert']

    Args:
        corpus: "brown" or "python".

    Returns:
        A list of lists of str.

    Raises:
        ValueError: There is no such corpus.
    """
    if not isinstance(corpus, str) or corpus not in CORPORA:
        allowed = " or ".join(f'"{name}"' for name in CORPORA)
        raise ValueError(f"corpus must be {allowed}, received {corpus!r}")
    if corpus == "brown":
        found, reason = _brown()
        if found:
            return found
        _console.tell(f"The text is Python's language reference, not the Brown corpus: {reason}.")
    return [list(sentence) for sentence in _python()]


class Vocabulary:
    """The words that a network knows, and their ids: the most frequent word first, equals in alphabetical order.

    Id 0 is padding and id 1 the unknown word, which stands for every word that is not in the vocabulary.

    Example:
    >>> vocabulary = Vocabulary("the cat and the dog and the bird".split())
    >>> vocabulary.words
    ['<padding>', '<unknown>', 'the', 'and']
    >>> vocabulary.encode(["the", "dog"])
    [2, 1]
    >>> vocabulary.decode([3, 2])
    ['and', 'the']

    Args:
        words: The words of a text, each as often as it occurs.
        size: Number of ids, padding and the unknown word among them; None takes every word that occurs often enough,
            but at most 10,000 ids.
        at_least: How often is often enough; has no effect where a size is given.

    Raises:
        ValueError: There are no words, or fewer different ones than `size` asks for; or an argument is not an integer
            of at least 1 (size: of at least 3).
    """

    def __init__(self, words, size=None, at_least=2):
        counts = collections.Counter(_words("words", words))
        at_least = _checks.integer("at_least", at_least, at_least=1)
        for special in (PADDING, UNKNOWN):  # a text may have been through another vocabulary
            counts.pop(special, None)
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        if size is None:
            ordered = [word for word in ordered if counts[word] >= at_least][: LARGEST - 2]
            if not ordered:
                raise ValueError(f"words must hold some word at_least={at_least} times, received {len(counts)} words")
        else:
            size = _checks.integer("size", size, at_least=3)
            if size > len(ordered) + 2:
                raise ValueError(
                    f"size must be at most {len(ordered) + 2}, received {size}: the text has {len(ordered)} different "
                    f"words, and {PADDING} and {UNKNOWN} are counted too"
                )
            ordered = ordered[: size - 2]
        self.words = [PADDING, UNKNOWN, *ordered]
        self._ids = {word: number for number, word in enumerate(self.words)}

    def __len__(self):
        return len(self.words)

    def __contains__(self, word):
        return word in self._ids

    def __repr__(self):
        shown = ", ".join(repr(word) for word in self.words[2:5])
        return f"Vocabulary({len(self)} words: {shown}{', ...' if len(self) > 5 else ''})"

    def encode(self, words):
        """Turn words into their ids; a word that is not in the vocabulary gets id 1.

        Raises:
            ValueError: The words are one string instead of several.
        """
        return [self._ids.get(word, 1) for word in _words("words", words, or_none=True)]

    def decode(self, ids):
        """Turn ids into the words they stand for.

        Raises:
            ValueError: An id is not between 0 and the number of words minus one.
        """
        decoded = []
        for number in ids:
            index = operator.index(number)
            if not 0 <= index < len(self):
                raise ValueError(f"ids must lie in 0 .. {len(self) - 1}, received {index}")
            decoded.append(self.words[index])
        return decoded


def windows(ids, window):
    """Cut a text into all its pairs of a window of words and the word that follows.

    The target is the id of a word, not a one-hot vector: of 10,000 words that would be 10,000 numbers for each pair.

    Example:
    >>> x, y = windows([5, 6, 7, 8], window=2)
    >>> x.tolist(), y.tolist()
    ([[5, 6], [6, 7]], [7, 8])

    Args:
        ids: Ids of the words of a text, in order, (words,).
        window: Number of words read before the prediction.

    Returns:
        x (n, window) int32 and y (n,) int32, with n = words - window.

    Raises:
        ValueError: The text has no more words than the window, ids are not integers of one dimension, or window is not
            an integer of at least 1.
    """
    window = _checks.integer("window", window, at_least=1)
    array = np.asarray(ids)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"ids must be integers of one dimension, received {array.dtype} of shape {array.shape}")
    if len(array) <= window:
        raise ValueError(f"ids must be more than window={window}, received {len(array)} of them")
    joined = np.lib.stride_tricks.sliding_window_view(array.astype("int32"), window + 1)  # (n, window + 1)
    # Copies, because the view is read-only and its rows share memory.
    return np.array(joined[:, :-1], order="C"), np.array(joined[:, -1], order="C")


def pad(sentences, length):
    """Bring sentences of unequal length into one array: the first `length` ids of each, then zeros.

    Example:
    >>> pad([[5, 6, 7], [8]], length=2).tolist()
    [[5, 6], [8, 0]]

    Args:
        sentences: Lists of ids.
        length: Number of columns.

    Returns:
        Ids (sentences, length) int32; id 0 is padding, which `keras.layers.Embedding(..., mask_zero=True)` masks.

    Raises:
        ValueError: There are no sentences, or length is not an integer of at least 1.
    """
    length = _checks.integer("length", length, at_least=1)
    if not len(sentences):
        raise ValueError("sentences must not be empty, received none")
    padded = np.zeros((len(sentences), length), dtype="int32")
    for row, ids in zip(padded, sentences, strict=True):
        kept = ids[:length]
        row[: len(kept)] = kept
    return padded


def join(words):
    """Put words together as they are written: without a space before a comma or after an opening bracket.

    Example:
    >>> join(["names", "(", "of", "any", "kind", ")", "."])
    'names (of any kind).'
    """
    text = ""
    for word in words:
        close = not text or text.endswith(_OPENING) or word in _CLOSING
        text += word if close else f" {word}"
    return text


_OPENING = ("(", "[", "“", "``")
_CLOSING = (".", ",", ":", ";", "?", "!", ")", "]", "”", "''", "...")


def _words(argument, value, or_none=False):
    """A list of words; a string would be taken letter by letter."""
    listed = None if isinstance(value, (str, bytes)) else list(value)
    if listed is None or not all(isinstance(word, str) for word in listed) or not (listed or or_none):
        what = repr(value) if listed is None else "none" if not listed else "some that are not"
        raise ValueError(f"{argument} must be strings, one for each word, received {what}")
    return listed


# The Brown corpus


def _brown():
    """The sentences of the Brown corpus, or None and the reason why not."""
    try:
        nltk = importlib.import_module("nltk")
        corpus = importlib.import_module("nltk.corpus")
    except Exception as error:  # A broken installation can raise anything, too.
        if isinstance(error, ImportError) and error.name in (None, "nltk"):
            return None, "NLTK is not installed (pip install nltk)"
        return None, f"NLTK cannot be imported ({_summary(error)}); pip install --upgrade nltk"
    try:
        try:
            return _read_brown(corpus), None
        except LookupError:  # NLTK's word for a corpus that is not there.
            reason = _fetch_brown(nltk)
            return (None, reason) if reason else (_read_brown(corpus), None)
    except Exception as error:  # A broken archive can raise anything, from zipfile, zlib or the reader.
        found = " and ".join(_places_of_brown(nltk)) or "its archive"
        return None, f"{found} cannot be read ({_summary(error)}); delete it to have it fetched anew"


def _summary(error):
    """The kind of an error and the first line of its message."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _read_brown(corpus):
    found = [[word.lower() for word in sentence] for sentence in corpus.brown.sents()]
    if not any(found):
        raise ValueError("there are no sentences in it")
    return found


def _fetch_brown(nltk):
    """Fetch the Brown corpus; None where that went well, else the reason why not."""
    if not _is_reachable(nltk.downloader.Downloader.DEFAULT_URL):
        return "it is not there, and NLTK's server cannot be reached"
    limit = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # Not every NLTK has a limit of its own for a server that falls silent.
    try:
        if nltk.download("brown", quiet=True, raise_on_error=True, print_error_to=io.StringIO()):
            return None
        return "it is not there, and could not be fetched"
    except Exception as error:
        return f"it is not there, and could not be fetched ({str(error).strip().partition(chr(10))[0]})"
    finally:
        socket.setdefaulttimeout(limit)


def _is_reachable(address):
    """Whether a server answers in time. A thread asks, because looking up a name takes as long as it takes."""
    answers = []

    def ask():
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT):
                answers.append(True)
        except (OSError, ValueError):
            pass

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(TIMEOUT)
    return bool(answers)


def _places_of_brown(nltk):
    """Where NLTK finds the corpus, archive or folder."""
    places = (pathlib.Path(folder) / "corpora" / name for folder in nltk.data.path for name in ("brown.zip", "brown"))
    return [str(place) for place in places if place.exists()]


# Python's language reference. Its versions differ in how they set grammar, headings and quotation marks, so that prose
# is told from the rest by what it looks like: it begins with a capital letter and ends with a mark.

_UNDERLINE = re.compile(r"([*=~^\"#+.-])\1{2,}")
_ITEM = re.compile(r"\s*(?:[*•-]|(?:\d+|[ivx]+)\.|\(\d+\)|\[\d+\])\s+")
_LITERAL = re.compile(r'"([^"]*)"')
_NAME = re.compile(r"([A-Za-z_][\w.]*)(?:\(\))?")
_EMPHASIS = re.compile(r"\*\*?([^\s*](?:[^*]*[^\s*])?)\*\*?")
_REFERENCE = re.compile(r"\s?\[\d+\]")
_BEGINNING = re.compile(r'"|[A-Z]')
_END = re.compile(r"[.?!:][)”]?$")
_CODE_MARKS = re.compile(r"::=|>>>|[{}=<>\\|@$^~#&+*%`]")
_MARKS = str.maketrans({"‘": "'", "’": "'", "—": " -- ", "–": " -- ", "…": "..."})
_TOKEN = re.compile(
    r"""(?:e\.g|i\.e|etc|vs|cf)\.           # abbreviations, whose point ends no sentence
    |\d+(?:\.\d+)*                          # numbers, 3.12
    |[^\W\d_]\w*(?:[.'/-]\w+)*|_\w*         # words, don't, built-in, sys.path
    |\.\.\.|--|[.,:;?!()\[\]“”/]            # marks
    |\S                                     # anything else""",
    re.VERBOSE | re.IGNORECASE,
)
_SENTENCE_ENDS = (".", "?", "!", ":")
_FEWEST_WORDS = 4  # in a paragraph
_LONG = 12  # words of a sentence that nobody writes twice by chance


@functools.cache
def _python():
    """The sentences of the language reference, each a tuple of words."""
    topics = importlib.import_module("pydoc_data.topics").topics
    paragraphs, long = set(), set()
    found = []
    for topic in sorted(topics):
        for paragraph in _paragraphs(topics[topic]):
            tokens = _prose(paragraph)
            if not tokens or tokens in paragraphs:
                continue
            paragraphs.add(tokens)
            for sentence in _split(tokens):
                # Some paragraphs are repeated with small changes; short sentences may come again in any text.
                if sentence in long:
                    continue
                if len(sentence) >= _LONG:
                    long.add(sentence)
                found.append(sentence)
    return tuple(found)


def _paragraphs(topic):
    """The paragraphs of a topic, items of lists each by itself, every one on a line of its own."""
    for block in re.split(r"\n\s*\n", topic):
        lines: list[str] = []
        for line in block.splitlines():
            if _UNDERLINE.fullmatch(line.strip()):
                lines = []  # What stood above it was a heading.
                continue
            if _ITEM.match(line) and lines:
                yield _joined(lines)
                lines = []
            lines.append(line)
        if lines:
            yield _joined(lines)


def _joined(lines):
    text = _ITEM.sub("", lines[0], count=1).strip()
    for line in lines[1:]:
        # A word with a hyphen may be divided there.
        divided = re.search(r"\w-$", text)
        text += ("" if divided else " ") + line.strip()
    return text


def _prose(paragraph):
    """The words of a paragraph of prose, a tuple; None where it is something else."""
    if not _BEGINNING.match(paragraph.lstrip("*")) or not _END.search(paragraph) or paragraph.count('"') % 2:
        return None
    # Every other part stood in quotation marks, which in these texts are put around code.
    parts = _LITERAL.split(paragraph)
    tokens: list[str] = []
    for place, part in enumerate(parts):
        if place % 2:
            tokens += _literal(part)
            continue
        plain = _REFERENCE.sub("", _EMPHASIS.sub(r"\1", part)).translate(_MARKS)
        if _CODE_MARKS.search(plain):
            return None
        tokens += _TOKEN.findall(plain.lower())
    count = sum(token[0].isalpha() for token in tokens)
    return tuple(tokens) if count >= max(_FEWEST_WORDS, len(tokens) / 2) else None


def _literal(code):
    """The words for what stands in quotation marks: keywords and a name as they are, anything else as one word."""
    if re.fullmatch(r"[a-z]+(?: [a-z]+)*", code):
        return code.split()
    name = _NAME.fullmatch(code.strip("*"))
    return [name[1].rstrip(".").lower() if name else CODE]


def _split(tokens):
    """Split at the marks that end a sentence; a bracket or quotation mark that closes right after one belongs to it."""
    sentence: list[str] = []
    for place, token in enumerate(tokens):
        sentence.append(token)
        following = tokens[place + 1] if place + 1 < len(tokens) else ""
        ended = token in _SENTENCE_ENDS[:3] or (token in (")", "”") and sentence[-2:-1] in ([["."], ["?"], ["!"]]))
        if not following or (ended and following not in (")", "”")):
            if any(word[0].isalpha() for word in sentence):  # a mark too many is none
                yield tuple(sentence)
            sentence = []
