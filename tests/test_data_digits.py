"""Handwritten digits: scikit-learn's against the originals, MNIST from a made-up cache and a made-up server."""

import dataclasses
import hashlib
import io
import socket
import time
import urllib.error

import numpy as np
import pytest

from rnn_tutorial import data
from rnn_tutorial.data import digits

COUNT = 300  # digits in the made-up MNIST


@pytest.fixture(autouse=True)
def no_network(tmp_path, monkeypatch):
    """An empty cache, and a server that cannot be reached: no test asks the real one."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    asked = []

    def urlopen(url, timeout):
        asked.append((url, timeout))
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(digits.urllib.request, "urlopen", urlopen)
    return asked


@pytest.fixture
def archive():
    """The bytes of a small mnist.npz; in each picture the pixel at (label, 0) is 255, all others 51."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, COUNT).astype("uint8")
    images = np.full((COUNT, 28, 28), 51, "uint8")
    images[np.arange(COUNT), labels, 0] = 255
    return packed(x_train=images, y_train=labels, x_test=images[:5], y_test=labels[:5])


def packed(**arrays):
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


@pytest.fixture
def cache(tmp_path):
    """Put bytes where Keras keeps mnist.npz; the path."""

    def store(content):
        path = tmp_path / "keras" / "datasets" / "mnist.npz"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        return path

    return store


def serve(monkeypatch, content, sha256=None):
    monkeypatch.setattr(digits.urllib.request, "urlopen", lambda url, timeout: io.BytesIO(content))
    monkeypatch.setattr(digits, "SHA256", sha256 or hashlib.sha256(content).hexdigest())


def test_the_package_has_them():
    assert data.digits is digits
    assert set(digits.__all__) == {"Digits", "load"}


def test_shapes_kinds_and_range(no_network):
    loaded = digits.load("scikit-learn")
    assert loaded.source == "scikit-learn"
    assert (loaded.x_train.shape, loaded.x_validation.shape) == ((1438, 784), (359, 784))
    assert (loaded.y_train.shape, loaded.y_validation.shape) == ((1438,), (359,))
    for x, y in ((loaded.x_train, loaded.y_train), (loaded.x_validation, loaded.y_validation)):
        assert (x.dtype, y.dtype) == (np.float32, np.int32)
        assert x.min() == 0
        assert 0.95 < x.max() <= 1
        assert set(y.tolist()) == set(range(10))
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.source = "mnist"
    assert not no_network  # nobody was asked


def test_enlarged_digits_are_the_originals():
    """The middle of each block of 3 x 3 pixels is the one pixel it came from, and the border is blank."""
    from sklearn import datasets

    images, labels = digits._scikit_learn()
    small = datasets.load_digits()
    np.testing.assert_array_equal(labels, small.target)
    inner = images[:, 2:26, 2:26]
    np.testing.assert_allclose(inner[:, 1::3, 1::3], small.images / 16, atol=1e-12)
    # Smooth: between two neighbours lies less than between the pixels they came from.
    assert np.abs(np.diff(inner, axis=2)).max() < np.abs(np.diff(small.images / 16, axis=2)).max()
    border = images.copy()
    border[:, 2:26, 2:26] = 0
    assert not border.any()


def test_both_parts_together_are_all_digits_once():
    images, labels = digits._scikit_learn()
    loaded = digits.load("scikit-learn", seed=3)
    rows = np.concatenate([loaded.x_train, loaded.x_validation])
    expected = images.reshape(len(images), -1).astype("float32")
    assert sorted(map(bytes, rows)) == sorted(map(bytes, expected))
    by_row = {bytes(row): label for row, label in zip(expected, labels, strict=True)}
    for x, y in ((loaded.x_train, loaded.y_train), (loaded.x_validation, loaded.y_validation)):
        assert [by_row[bytes(row)] for row in x] == y.tolist()


@pytest.mark.parametrize(
    ("samples", "validation", "expected"), [(100, 0.2, (80, 20)), (2, 0.2, (1, 1)), (3, 0.9, (1, 2))]
)
def test_samples_and_shares(samples, validation, expected):
    loaded = digits.load("scikit-learn", samples=samples, validation=validation)
    assert (len(loaded.y_train), len(loaded.y_validation)) == expected


def test_more_samples_than_there_are():
    assert len(digits.load("scikit-learn", samples=10_000).y_train) == 1438


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_every_beginning_has_all_digits_alike(seed):
    loaded = digits.load("scikit-learn", samples=1000, seed=seed)
    for y in (loaded.y_train, loaded.y_validation):
        for count in (40, 100, len(y)):
            found = np.bincount(y[:count], minlength=10)
            assert np.abs(found - count / 10).max() <= 2 + 0.02 * count
    # And still in no fixed order: after a 3 comes now this digit, now that.
    after_3 = loaded.y_train[1:][loaded.y_train[:-1] == 3]
    assert len(set(after_3.tolist())) > 5


def test_the_seed_decides():
    one, same, other = (digits.load("scikit-learn", samples=200, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.x_train, same.x_train)
    np.testing.assert_array_equal(one.y_validation, same.y_validation)
    assert not np.array_equal(one.x_train, other.x_train)


def test_mnist_from_the_cache(archive, cache, no_network, capsys):
    cache(archive)
    loaded = digits.load("mnist", seed=1)
    assert loaded.source == "mnist"
    assert (loaded.x_train.shape, loaded.x_validation.shape) == ((240, 784), (60, 784))
    assert (loaded.x_train.dtype, loaded.y_train.dtype) == (np.float32, np.int32)
    # The made-up pictures say which digit they are.
    assert sorted(set(loaded.x_train.ravel().tolist())) == pytest.approx([0.2, 1.0])
    np.testing.assert_array_equal(loaded.x_train.reshape(-1, 28, 28)[:, :, 0].argmax(axis=1), loaded.y_train)
    assert not no_network
    assert capsys.readouterr().out == ""  # asked for, so there is nothing to tell


def test_auto_takes_mnist_and_says_so(archive, cache, capsys):
    path = cache(archive)
    assert digits.load().source == "mnist"
    assert capsys.readouterr().out == f"Digits: MNIST, from {path}.\n"


def test_auto_without_a_network(capsys, no_network):
    loaded = digits.load("auto", samples=100)
    assert loaded.source == "scikit-learn"
    ((url, timeout),) = no_network
    assert url.endswith("/mnist.npz")
    assert timeout <= 10
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Digits: 1,797 of scikit-learn, enlarged from 8 x 8 to 28 x 28 pixels, because MNIST")
    assert "no route to host" in line
    np.testing.assert_array_equal(loaded.x_train, digits.load("scikit-learn", samples=100).x_train)


def test_mnist_without_a_network():
    with pytest.raises(OSError, match=r"MNIST is not in .*mnist\.npz and cannot be downloaded \(no route to host\)"):
        digits.load("mnist")


def test_a_name_that_nobody_looks_up(monkeypatch, capsys):
    """The look-up of a name knows no timeout: it is not waited for."""
    monkeypatch.setattr(digits, "ANSWER", 0.2)
    monkeypatch.setattr(digits.urllib.request, "urlopen", lambda url, timeout: time.sleep(5))
    began = time.monotonic()
    assert digits.load(samples=20).source == "scikit-learn"
    assert time.monotonic() - began < 4
    assert "no answer in 0 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>sign in to this network</html>",
        "cut short",
        packed(y_train=np.zeros(3, "uint8")),
        packed(x_train=np.zeros((3, 27, 28), "uint8"), y_train=np.zeros(3, "uint8")),
        packed(x_train=np.zeros((3, 28, 28), "float32"), y_train=np.zeros(3, "uint8")),
        packed(x_train=np.zeros((3, 28, 28), "uint8"), y_train=np.zeros(4, "uint8")),
        packed(x_train=np.zeros((3, 28, 28), "uint8"), y_train=np.full(3, 10, "uint8")),
        packed(x_train=np.array([{}], object), y_train=np.zeros(1, "uint8")),
    ],
    ids=["empty", "a page", "cut short", "no pictures", "wrong size", "floats", "wrong count", "label 10", "pickled"],
)
def test_a_damaged_cache_is_told_and_kept(content, archive, cache, capsys, no_network):
    content = archive[: len(archive) // 2] if content == "cut short" else content
    path = cache(content)
    with pytest.raises(OSError, match=r"mnist\.npz is damaged \(.*\); delete it, and it is downloaded anew"):
        digits.load("mnist")
    assert digits.load("auto", samples=50).source == "scikit-learn"
    (line,) = capsys.readouterr().out.splitlines()
    assert f"{path} is damaged" in line
    assert path.read_bytes() == content
    assert not no_network


def test_download_is_kept(archive, monkeypatch, capsys, tmp_path):
    serve(monkeypatch, archive)
    assert digits.load().source == "mnist"
    path = tmp_path / "keras" / "datasets" / "mnist.npz"
    assert capsys.readouterr().out == f"Digits: MNIST, downloaded to {path}.\n"
    assert path.read_bytes() == archive
    assert [file.name for file in path.parent.iterdir()] == ["mnist.npz"]
    digits.load()
    assert capsys.readouterr().out == f"Digits: MNIST, from {path}.\n"


def test_download_that_cannot_be_kept(archive, monkeypatch, capsys, tmp_path):
    (tmp_path / "keras").write_text("a file where the folder should be")
    serve(monkeypatch, archive)
    assert digits.load().source == "mnist"
    assert "downloaded, and not kept: " in capsys.readouterr().out


def test_download_of_something_else(archive, monkeypatch, tmp_path):
    serve(monkeypatch, archive, sha256="0" * 64)
    with pytest.raises(OSError, match="what came is not the file that was asked for"):
        digits.load("mnist")
    assert not (tmp_path / "keras").exists()


def test_download_that_breaks_off_or_takes_too_long(archive, monkeypatch):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise digits.http.client.IncompleteRead(b"")

    class Endless(io.BytesIO):
        def read(self, size=-1):
            return b"0" * 10

    for answer, message in ((Broken(), "IncompleteRead"), (Endless(), "bytes came in 0 s")):
        monkeypatch.setattr(digits, "WHOLE", 0.05)
        monkeypatch.setattr(digits.urllib.request, "urlopen", lambda url, timeout, answer=answer: answer)
        with pytest.raises(OSError, match=message):
            digits.load("mnist")


@pytest.mark.parametrize(
    "error", [TimeoutError("timed out"), socket.gaierror(-2, "Name or service not known"), ValueError("no proxy")]
)
def test_whatever_the_network_answers(error, monkeypatch, capsys):
    def urlopen(url, timeout):
        raise error

    monkeypatch.setattr(digits.urllib.request, "urlopen", urlopen)
    assert digits.load(samples=20).source == "scikit-learn"
    assert str(error) in capsys.readouterr().out


def test_without_scikit_learn(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sklearn", None)
    for source in ("scikit-learn", "auto"):
        with pytest.raises(ImportError, match="pip install scikit-learn"):
            digits.load(source)


@pytest.mark.parametrize(
    "error", ["ValueError('numpy.dtype size changed')", "OSError('libgomp')", "AttributeError('x')"]
)
def test_a_scikit_learn_that_cannot_be_imported(monkeypatch, tmp_path, error):
    import sys

    (tmp_path / "sklearn").mkdir()
    (tmp_path / "sklearn" / "__init__.py").write_text(f"raise {error}")
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    kind = error.partition("(")[0]
    with pytest.raises(ImportError, match=f"pip install scikit-learn .{kind}: "):
        digits.load("scikit-learn")


def test_the_cache_is_where_keras_looks(monkeypatch, run_python, tmp_path):
    program = """
        from rnn_tutorial.data import digits
        import keras
        from keras.src.backend import config
        import pathlib
        print(digits._cache() == pathlib.Path(config.keras_home()) / "datasets" / "mnist.npz")
    """
    assert run_python(program, KERAS_HOME=str(tmp_path)).split() == ["True"]
    monkeypatch.delenv("KERAS_HOME")
    (tmp_path / "home").mkdir()
    assert run_python(program, HOME=str(tmp_path / "home")).split() == ["True"]


def test_it_loads_neither_keras_nor_scikit_learn(run_python):
    program = (
        "import sys, rnn_tutorial.data.digits; print({'keras', 'sklearn', 'scipy', 'tensorflow'} & set(sys.modules))"
    )
    assert run_python(program).strip() == "set()"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "MNIST"}, "source must be one of 'auto', 'mnist', 'scikit-learn', received 'MNIST'"),
        ({"source": None}, "source must be one of .*, received None"),
        ({"samples": 1}, "samples must be an integer of at least 2, received 1; None is all"),
        ({"samples": 10.5}, "samples must be an integer of at least 2, received 10.5"),
        ({"samples": True}, "samples must be an integer of at least 2, received True"),
        ({"validation": 0}, "validation must be a share between 0 and 1, both excluded, received 0"),
        ({"validation": 1.0}, "validation must be a share .*, received 1.0"),
        ({"validation": float("nan")}, "validation must be a share .*, received nan"),
        ({"validation": "0.2"}, "validation must be a share .*, received '0.2'"),
        ({"validation": True}, "validation must be a share .*, received True"),
        ({"seed": -1}, "seed must be an integer of at least 0, received -1"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments, message, no_network):
    with pytest.raises(ValueError, match=message):
        digits.load(**arguments)
    assert not no_network
