"""Words: the texts without any download, vocabularies and windows."""

import collections
import socket
import threading
import time
import types
import urllib.error
import zipfile

import numpy as np
import pytest

from rnn_tutorial import data
from rnn_tutorial.data import text

BROWN = [["The", "Fulton", "County", "said", "``", "No", "''", "."], ["It", "did", "."]]
LOWER = [["the", "fulton", "county", "said", "``", "no", "''", "."], ["it", "did", "."]]


class FakeNltk:
    """What `data.text` uses of NLTK: a corpus that is there, comes with a download, or is broken."""

    def __init__(self, folder, there=True, download=None, error=None):
        self.there, self.error, self.downloads = there, error, []
        self.data = types.SimpleNamespace(path=[str(folder)])
        self.downloader = types.SimpleNamespace(Downloader=types.SimpleNamespace(DEFAULT_URL="https://nowhere.invalid"))
        self.brown = types.SimpleNamespace(sents=self._sents)
        self._download = download

    def _sents(self):
        if self.error is not None:
            raise self.error
        if not self.there:
            raise LookupError("Resource brown not found.\n  Please use the NLTK Downloader")
        return BROWN

    def download(self, name, **options):
        self.downloads.append((name, options["quiet"], socket.getdefaulttimeout()))
        return self._download(self)


@pytest.fixture
def nltk(monkeypatch, tmp_path):
    """Put a fake NLTK in the place of the real one; `None` is none at all."""
    real = text.importlib.import_module

    def put(fake=None, reachable=True, **options):
        fake = FakeNltk(tmp_path, **options) if options else fake

        def import_module(name):
            if name == "nltk" and fake is None:
                raise ImportError(name)
            corpus = types.SimpleNamespace(brown=getattr(fake, "brown", None))
            return {"nltk": fake, "nltk.corpus": corpus}[name] if name.startswith("nltk") else real(name)

        monkeypatch.setattr(text.importlib, "import_module", import_module)
        monkeypatch.setattr(text, "_is_reachable", lambda address: reachable)
        return fake

    return put


@pytest.fixture
def topics(monkeypatch):
    """Put other topics in the place of the running Python's."""

    def put(**topics):
        real = text.importlib.import_module
        module = types.SimpleNamespace(topics=topics)
        monkeypatch.setattr(
            text.importlib, "import_module", lambda name: module if name == "pydoc_data.topics" else real(name)
        )
        text._python.cache_clear()
        return [" ".join(sentence) for sentence in text.sentences("python")]

    yield put
    text._python.cache_clear()


# The Brown corpus


def test_brown_that_is_there(nltk, capsys):
    nltk(there=True)
    assert text.sentences() == LOWER
    assert text.words("brown") == LOWER[0] + LOWER[1]
    assert capsys.readouterr().out == ""


def test_brown_is_fetched_once_with_a_timeout(nltk, capsys):
    def arrive(nltk):
        nltk.there = True
        return True

    fake = nltk(there=False, download=arrive)
    before = socket.getdefaulttimeout()
    assert text.sentences("brown") == LOWER
    assert fake.downloads == [("brown", True, text.TIMEOUT)]
    assert socket.getdefaulttimeout() == before
    assert capsys.readouterr().out == ""


def one_line(capsys):
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("The text is Python's language reference, not the Brown corpus: ")
    return line


def test_without_nltk(nltk, capsys):
    nltk(None)
    assert text.sentences("brown") == text.sentences("python")
    assert "NLTK is not installed (pip install nltk)" in one_line(capsys)


@pytest.mark.parametrize(
    "error",
    [
        LookupError("Resource wordnet not found.\n  Please use the NLTK Downloader"),
        AttributeError("module 'regex' has no attribute 'compile'"),
        ValueError("numpy.dtype size changed"),
        OSError("libssl.so: cannot open shared object file"),
        ModuleNotFoundError("No module named 'regex'", name="regex"),
        SyntaxError("invalid syntax"),
        RuntimeError("odd"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("module", ["nltk", "nltk.corpus"])
def test_an_nltk_that_cannot_be_imported(monkeypatch, capsys, error, module):
    real = text.importlib.import_module

    def import_module(name):
        if name == module:
            raise error
        return types.SimpleNamespace() if name == "nltk" else real(name)

    monkeypatch.setattr(text.importlib, "import_module", import_module)
    assert text.sentences("brown") == text.sentences("python")
    line = one_line(capsys)
    assert f"NLTK cannot be imported ({type(error).__name__}: {str(error).splitlines()[0]})" in line
    assert "pip install --upgrade nltk" in line


def test_another_module_that_is_called_nltk(run_python):
    """Such as a folder of this name where the program runs, which is an empty package to Python."""
    printed = run_python(
        """
        import sys, types
        sys.modules["nltk"] = types.ModuleType("nltk")
        from rnn_tutorial.data import text
        print(len(text.sentences("brown")) > 1000)
        """
    ).splitlines()
    assert "NLTK cannot be imported (ModuleNotFoundError: No module named 'nltk.corpus'" in printed[0]
    assert printed[1:] == ["True"]


def test_without_network(nltk, capsys):
    fake = nltk(there=False, reachable=False)
    assert text.sentences("brown") == text.sentences("python")
    assert "NLTK's server cannot be reached" in one_line(capsys)
    assert fake.downloads == []


def _refuse(nltk):
    raise ValueError("Error loading brown: <urlopen error timed out>\nmore")


@pytest.mark.parametrize("download", [_refuse, lambda nltk: False], ids=["error", "false"])
def test_a_download_that_fails(nltk, capsys, download):
    nltk(there=False, download=download)
    before = socket.getdefaulttimeout()
    assert text.sentences("brown") == text.sentences("python")
    assert "could not be fetched" in one_line(capsys)
    assert socket.getdefaulttimeout() == before


@pytest.mark.parametrize(
    "error",
    [
        zipfile.BadZipFile("File is not a zip file"),
        EOFError("ended early"),
        UnicodeDecodeError("utf8", b"\xff", 0, 1, "bad"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_broken_archive_is_told_with_its_place(nltk, capsys, tmp_path, error):
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "brown.zip").write_bytes(b"PK not a zip")
    fake = nltk(error=error)
    assert text.sentences("brown") == text.sentences("python")
    line = one_line(capsys)
    assert f"{tmp_path / 'corpora' / 'brown.zip'} cannot be read ({type(error).__name__}: " in line
    assert "delete it to have it fetched anew" in line
    assert fake.downloads == []


def test_an_archive_that_is_broken_when_it_arrives(nltk, capsys):
    def arrive(nltk):
        nltk.error = zipfile.BadZipFile("File is not a zip file")
        return True

    nltk(there=False, download=arrive)
    assert text.sentences("brown") == text.sentences("python")
    assert "its archive cannot be read (BadZipFile" in one_line(capsys)


def test_a_corpus_without_sentences(nltk, capsys):
    fake = nltk(there=True)
    fake.brown.sents = lambda: []
    assert text.sentences("brown") == text.sentences("python")
    assert "there are no sentences in it" in one_line(capsys)


def test_python_asks_nobody(monkeypatch, capsys):
    monkeypatch.setattr(text, "_brown", lambda: pytest.fail("asked for NLTK"))
    monkeypatch.setattr(socket, "socket", lambda *arguments, **options: pytest.fail("asked for the network"))
    assert len(text.words("python")) > 30_000
    assert capsys.readouterr().out == ""


def test_a_network_that_is_silent_is_waited_for_only_so_long(monkeypatch):
    released = threading.Event()

    def silent(address, timeout):
        released.wait(30)  # as looking up a name may, whatever the timeout says
        raise urllib.error.URLError("too late")

    monkeypatch.setattr(text, "TIMEOUT", 0.2)
    monkeypatch.setattr(text.urllib.request, "urlopen", silent)
    began = time.monotonic()
    assert not text._is_reachable("https://nowhere.invalid")
    assert time.monotonic() - began < 5
    released.set()


def test_a_server_that_answers_and_one_that_is_not_there(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert not text._is_reachable(f"http://127.0.0.1:{port}/")
    assert not text._is_reachable("no address at all")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        assert text._is_reachable(f"http://127.0.0.1:{server.getsockname()[1]}/")


@pytest.mark.parametrize("wrong", ["Brown", "", None, 3, ["brown"]], ids=repr)
def test_an_unknown_corpus(wrong):
    for function in (text.words, text.sentences):
        with pytest.raises(ValueError, match='corpus must be "brown" or "python", received') as caught:
            function(wrong)
        assert repr(wrong) in str(caught.value)


# Python's language reference


def test_the_reference_of_this_python_is_prose():
    sentences = text.sentences("python")
    words = text.words("python")
    counts = collections.Counter(words)
    assert words == [word for sentence in sentences for word in sentence]
    assert 35_000 < len(words) < 60_000
    assert 1_500 < sum(count > 1 for count in counts.values()) < 3_000
    assert counts["the"] == max(counts.values())
    assert all(word == word.lower() and word and not set(word) & set(' \t\n"`=*|{}\\') for word in counts)
    assert not any(word in counts for word in (">>>", "::=", "...)", "<padding>", "<unknown>"))
    assert all(any(word[0].isalpha() for word in sentence) for sentence in sentences)
    # Most sentences are whole: they end with a mark.
    assert np.mean([sentence[-1] in (".", ":", "?", "!", ")", "”") for sentence in sentences]) > 0.99
    assert counts[text.CODE] < 0.02 * len(words)


def test_nothing_is_there_twice():
    """Whole paragraphs stand in several topics; a network tested on one that it has learned by heart shows nothing."""
    long = [tuple(sentence) for sentence in text.sentences("python") if len(sentence) >= 12]
    assert len(set(long)) == len(long) > 1000


def test_a_caller_may_change_what_it_gets():
    text.sentences("python")[0].clear()
    assert len(text.sentences("python")[0]) > 3


TOPIC = """The "assert" statement
**********************

Assert statements are a way to insert "assertions" into a program,
e.g. *now* (see "sys.path" and "f()"):

   {grammar}

The extended form, "assert expression1, 2", isn’t the same [1].  It
raises "AssertionError (x)" in version 3.12!

   if __debug__:
       raise AssertionError("It is so.")

>>> print("A line of an example that ends in a full stop.")
A line of an example

+-------+--------+
| This  | is a table of some words. |
+-------+--------+

Some more
=========

* An item of the list is as long
  as two lines.

  1. Another item that is divided at the comma-
     separated words.

-[ Footnotes ]-

[1] The exception is this one here.
"""
SENTENCES = [
    "assert statements are a way to insert assertions into a program , e.g. now ( see sys.path and f ) :",
    "the extended form , <code> , isn't the same .",
    "it raises <code> in version 3.12 !",
    "an item of the list is as long as two lines .",
    "another item that is divided at the comma-separated words .",
    "the exception is this one here .",
]


@pytest.mark.parametrize(
    "grammar",
    ['assert_stmt ::= "assert" expression ["," expression]', 'assert_stmt: "assert" expression ["," expression]'],
    ids=["until 3.13", "since then"],
)
def test_cleaned_of_everything_but_prose(topics, grammar):
    assert topics(a=TOPIC.format(grammar=grammar)) == SENTENCES


def test_the_order_of_the_topics_is_that_of_their_names(topics):
    assert topics(b="The second one comes later.\n", a="The first one comes before.\n") == [
        "the first one comes before .",
        "the second one comes later .",
    ]


def test_what_stands_in_two_topics_is_there_once(topics):
    again = "This paragraph stands in several\ntopics.\n"
    nearly = "This paragraph of twelve words stands in there with a small change. {} comes behind it.\n"
    assert topics(a=nearly.format("One"), b=nearly.format("Two")) == [
        "this paragraph of twelve words stands in there with a small change .",
        "one comes behind it .",
        "two comes behind it .",
    ]
    assert topics(a=again, b=f"Something else stands before it.\n\n   {again}", c=again) == [
        "this paragraph stands in several topics .",
        "something else stands before it .",
    ]


@pytest.mark.parametrize(
    "paragraph",
    [
        "Too short.",
        "no capital letter at the beginning of this one.",
        "No mark at the end of it",
        'A quotation mark " alone says nothing about where it ends.',
        "This has x = 3 outside of any quotation marks.",
        "Traceback (most recent call last):\n  File <stdin>, line 1.",
    ],
)
def test_no_prose(topics, paragraph):
    assert topics(a=paragraph) == []


# Vocabulary

WORDS = list("bacabdaeb")


def test_vocabulary_by_frequency_then_alphabet():
    vocabulary = text.Vocabulary(WORDS, at_least=1)
    assert vocabulary.words == ["<padding>", "<unknown>", "a", "b", "c", "d", "e"]
    assert (len(vocabulary), "a" in vocabulary, "z" in vocabulary) == (7, True, False)
    assert vocabulary.encode(["a", "z", "e"]) == [2, 1, 6]
    assert vocabulary.decode(np.array([2, 1, 6, 0], "int32")) == ["a", "<unknown>", "e", "<padding>"]
    assert vocabulary.encode([]) == []
    assert repr(vocabulary) == "Vocabulary(7 words: 'a', 'b', 'c', ...)"
    assert data.text.Vocabulary(reversed(WORDS), at_least=1).words == vocabulary.words


def test_vocabulary_of_words_that_occur_often_enough():
    assert text.Vocabulary(WORDS).words[2:] == ["a", "b"]
    assert text.Vocabulary(WORDS, at_least=3).words[2:] == ["a", "b"]
    many = [f"w{number}" for number in range(12_000) for _ in range(2)]
    assert len(text.Vocabulary(many)) == 10_000
    assert len(text.Vocabulary(many[:3000])) == 1502


def test_size_counts_the_special_words_and_does_not_ask_how_often():
    assert text.Vocabulary(WORDS, size=5).words[2:] == ["a", "b", "c"]
    assert len(text.Vocabulary(WORDS, size=np.int64(7))) == 7
    with pytest.raises(ValueError, match="size must be at most 7, received 8: the text has 5 different words"):
        text.Vocabulary(WORDS, size=8)


def test_special_words_in_the_text_stay_what_they_are():
    vocabulary = text.Vocabulary(["<unknown>"] * 5 + ["a", "<padding>", "a"])
    assert vocabulary.words == ["<padding>", "<unknown>", "a"]
    assert vocabulary.encode(["<unknown>", "<padding>"]) == [1, 0]


@pytest.mark.parametrize("wrong", [0, 2, 2.5, True, "5"], ids=repr)
def test_wrong_size(wrong):
    with pytest.raises(ValueError, match="size must be an integer of at least 3, received") as caught:
        text.Vocabulary(WORDS, size=wrong)
    assert repr(wrong) in str(caught.value)


def test_wrong_words_and_ids():
    for wrong in ("a b", [], ["a", 3]):
        with pytest.raises(ValueError, match="words must be strings, one for each word"):
            text.Vocabulary(wrong)
    with pytest.raises(ValueError, match="words must hold some word at_least=2 times, received 2 words"):
        text.Vocabulary(["a", "b"])
    with pytest.raises(ValueError, match="at_least must be an integer of at least 1, received 0"):
        text.Vocabulary(WORDS, at_least=0)
    vocabulary = text.Vocabulary(WORDS)
    with pytest.raises(ValueError, match="words must be strings, one for each word, received 'the'"):
        vocabulary.encode("the")
    for wrong in (-1, 4):
        with pytest.raises(ValueError, match=rf"ids must lie in 0 .. 3, received {wrong}"):
            vocabulary.decode([2, wrong])


# Windows, padding, and words put together again


@pytest.mark.parametrize("window", [1, 3, 8])
def test_windows_against_a_loop(window):
    ids = list(range(10, 19))
    x, y = text.windows(ids, window)
    assert (x.dtype, y.dtype) == (np.int32, np.int32)
    assert [(row.tolist(), int(after)) for row, after in zip(x, y, strict=True)] == [
        (ids[start : start + window], ids[start + window]) for start in range(len(ids) - window)
    ]
    x[0, 0] = 99  # a copy, of which no other row knows
    assert ids[0] == 10
    assert window == 1 or x[0, 1] == 11


@pytest.mark.parametrize("ids", [[], [1], [1, 2, 3]])
def test_a_text_with_too_few_words(ids):
    with pytest.raises(ValueError, match=f"ids must be more than window=3, received {len(ids)} of them"):
        text.windows(ids, 3)


@pytest.mark.parametrize("wrong", [[[1, 2], [3, 4]], [0.5, 1.5], ["a", "b"]], ids=repr)
def test_ids_that_are_none(wrong):
    with pytest.raises(ValueError, match="ids must be integers of one dimension, received"):
        text.windows(wrong, 1)


@pytest.mark.parametrize("wrong", [0, -1, 1.0, None], ids=repr)
def test_wrong_window_and_length(wrong):
    with pytest.raises(ValueError, match="window must be an integer of at least 1, received"):
        text.windows([1, 2, 3], wrong)
    with pytest.raises(ValueError, match="length must be an integer of at least 1, received"):
        text.pad([[1]], wrong)


def test_pad():
    padded = text.pad([[5, 6, 7], [8], []], length=2)
    assert padded.dtype == np.int32
    assert padded.tolist() == [[5, 6], [8, 0], [0, 0]]
    with pytest.raises(ValueError, match="sentences must not be empty"):
        text.pad([], 3)


def test_join():
    assert (
        text.join(["names", "(", "of", "any", "kind", ")", ",", "and", "so", "on", "."])
        == "names (of any kind), and so on."
    )
    assert text.join([]) == ""
