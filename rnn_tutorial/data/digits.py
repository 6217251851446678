"""Handwritten digits: MNIST where it can be had, and the small digits that come with scikit-learn where it cannot."""

import dataclasses
import hashlib
import http.client
import io
import numbers
import os
import pathlib
import threading
import time
import urllib.request
from typing import Any

import numpy as np

from rnn_tutorial import _checks, _console

__all__ = ["Digits", "load"]

SOURCES = ("auto", "mnist", "scikit-learn")
# The file that `keras.datasets.mnist` reads, and its SHA-256 as Keras gives it.
URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
# In seconds: how long to wait for an answer, for the next piece of it, and for all of it.
ANSWER, PIECE, WHOLE = 8.0, 5.0, 60.0
SIDE = 28  # pixels


@dataclasses.dataclass(frozen=True)
class Digits:
    """Handwritten digits, each 28 x 28 pixels in one row, with the number that each stands for.

    The rows are in random order, and such that the first so many of them, however many, hold every digit about as
    often as the whole does.

    Attributes:
        x_train: (n, 784) float32, 0 is paper and 1 is ink.
        y_train: (n,) int32, 0 to 9.
        x_validation: (m, 784) float32.
        y_validation: (m,) int32.
        source: "mnist" or "scikit-learn".
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    source: str


def load(source="auto", samples=None, validation=0.2, seed=0):
    """Load handwritten digits, split into those to train on and those to validate on.

    Of MNIST the 60,000 digits of its training part are taken; its test part stays untouched, for a last word that no
    choice has been made on. scikit-learn brings 1,797 digits of 8 x 8 pixels; they are enlarged to 24 x 24 with a
    border of 2 around. Of both some writers are in the training part and in the validation part.

    Example:
    >>> digits = load("scikit-learn", samples=500, seed=1)
    >>> digits.x_train.shape, digits.x_validation.shape
    ((400, 784), (100, 784))

    Args:
        source: "mnist": the file that `keras.datasets.mnist` has stored, or else its download, which is then stored in
            the same place (`~/.keras/datasets`, or where KERAS_HOME says). "scikit-learn": never asks the network.
            "auto": MNIST if it can be had, otherwise scikit-learn's, and one line says which and why; without a
            network that takes ten seconds at most.
        samples: Take so many digits, drawn at random with every digit as often as in the whole; where there are not
            as many, all. None is all.
        validation: Share of them to validate on, between 0 and 1, both excluded; at least one digit is in each part.
        seed: Integer from which the choice and the order follow.

    Returns:
        `Digits`.

    Raises:
        ValueError: An argument is not as above.
        OSError: `source="mnist"`, and MNIST can neither be read nor downloaded; the message says why.
        ImportError: scikit-learn's digits are needed, and it is not installed.
    """
    if not isinstance(source, str) or source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(map(repr, SOURCES))}, received {source!r}")
    samples = None if samples is None else _samples(samples)
    validation = _share(validation)
    seed = _checks.integer("seed", seed, at_least=0)
    if source == "scikit-learn":
        images, labels = _scikit_learn()
    elif source == "mnist":
        images, labels, _ = _mnist()
    else:
        source, images, labels = _best()
    order = _stratified(labels, np.random.default_rng(seed))[:samples]
    held_back = min(max(round(validation * len(order)), 1), len(order) - 1)
    # Both parts keep that order, so that the beginning of each is a fair sample too.
    parts = [(_pixels(images[rows]), labels[rows]) for rows in (order[held_back:], order[:held_back])]
    return Digits(*parts[0], *parts[1], source=source)


def _samples(samples):
    try:
        return _checks.integer("samples", samples, at_least=2)
    except ValueError as error:
        raise ValueError(f"{error}; None is all") from None


def _share(validation):
    if isinstance(validation, bool) or not isinstance(validation, numbers.Real) or not 0 < float(validation) < 1:
        raise ValueError(f"validation must be a share between 0 and 1, both excluded, received {validation!r}")
    return float(validation)


def _stratified(labels, generator):
    """The rows in an order of which every beginning has the labels in their shares; (n,)."""
    places = np.empty(len(labels))
    for label in np.unique(labels):
        (rows,) = np.nonzero(labels == label)
        # One row of this label in each of so many equal parts of the way, at a random place in it.
        places[generator.permutation(rows)] = (np.arange(len(rows)) + generator.random(len(rows))) / len(rows)
    return np.argsort(places)


def _pixels(images):
    """(n, 28, 28), bytes or floats -> (n, 784) float32 in 0 .. 1."""
    flat = images.reshape(len(images), -1)
    return flat.astype("float32") / np.float32(255) if flat.dtype == np.uint8 else flat.astype("float32")


def _best():
    """Source, images and labels, and the one line about it."""
    try:
        images, labels, where = _mnist()
    except OSError as error:
        images, labels = _scikit_learn()
        _console.tell(
            f"Digits: {len(labels):,} of scikit-learn, enlarged from 8 x 8 to 28 x 28 pixels, because {error}."
        )
        return "scikit-learn", images, labels
    _console.tell(f"Digits: MNIST, {where}.")
    return "mnist", images, labels


def _scikit_learn():
    """Images (1797, 28, 28) in 0 .. 1, and labels."""
    try:
        from scipy import ndimage  # type: ignore[import-untyped]
        from sklearn import datasets  # type: ignore[import-untyped]
    except Exception as error:  # A broken installation can raise anything.
        raise ImportError(
            f"the digits of scikit-learn need it installed: pip install scikit-learn ({type(error).__name__}: {error})"
        ) from error
    small = datasets.load_digits()
    # Cubic interpolation of a row is a matrix of its own, once from the left and once from the right; (24, 8).
    enlarge = ndimage.zoom(np.eye(8), (3, 1), order=3, mode="grid-constant", grid_mode=True)
    large = enlarge @ (small.images / 16) @ enlarge.T  # (n, 24, 24)
    # A cubic swings a little beyond what it goes through, at both ends.
    images = np.pad(np.clip(large, 0, 1), ((0, 0), (2, 2), (2, 2)))
    return images, small.target.astype("int32")


def _mnist():
    """Images (60000, 28, 28) as bytes, labels, and where they come from; OSError where there are none."""
    path = _cache()
    if path.is_file():
        try:
            return *_read(path.read_bytes()), f"from {path}"
        except _DamagedError as error:
            raise OSError(f"{path} is damaged ({error}); delete it, and it is downloaded anew") from None
    try:
        content = _download()
    except OSError as error:
        raise OSError(f"MNIST is not in {path} and cannot be downloaded ({error})") from None
    images, labels = _read(content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        return images, labels, f"downloaded, and not kept: {error}"
    return images, labels, f"downloaded to {path}"


def _cache():
    """Where Keras keeps the file, by the rules of Keras; it is not asked, for it would take seconds to load."""
    home = os.environ.get("KERAS_HOME")
    if home is None:
        base = os.path.expanduser("~")
        home = os.path.join(base if os.access(base, os.W_OK) else "/tmp", ".keras")
    return pathlib.Path(home) / "datasets" / "mnist.npz"


class _DamagedError(Exception):
    """What should be MNIST's file is something else."""


def _read(content):
    """The bytes of the file -> images (n, 28, 28) uint8, labels (n,) int32."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            images, labels = arrays["x_train"], arrays["y_train"]
    except Exception as error:  # Half a dozen modules read an archive, and each has errors of its own.
        raise _DamagedError(f"{type(error).__name__}: {error}") from None
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or len(images) < 2:
        raise _DamagedError(
            f"x_train is {images.dtype} of shape {images.shape}, not bytes of shape (n, {SIDE}, {SIDE})"
        )
    if labels.dtype.kind not in "ui" or labels.shape != images.shape[:1] or labels.min() < 0 or labels.max() > 9:
        raise _DamagedError(f"y_train is not {len(images)} numbers from 0 to 9")
    return images, labels.astype("int32")


def _download():
    """The bytes of the file as Keras knows it, or OSError."""
    with _answer() as answer:
        content, deadline = bytearray(), time.monotonic() + WHOLE
        try:
            while piece := answer.read(1 << 18):
                content += piece
                if time.monotonic() > deadline:
                    raise OSError(f"only {len(content):,} bytes came in {WHOLE:.0f} s")
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__} after {len(content):,} bytes") from None
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise OSError("what came is not the file that was asked for")
    return bytes(content)


def _answer():
    """The open answer of the server, within `ANSWER` seconds."""
    result: dict[str, Any] = {}

    def ask():
        try:
            result["answer"] = urllib.request.urlopen(URL, timeout=PIECE)
        except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: a proxy that is none
            result["error"] = error

    # No timeout reaches the look-up of the server's name, so it is waited for from outside.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWER)
    if "answer" in result:
        return result["answer"]
    raise OSError(getattr(result.get("error"), "reason", result.get("error")) or f"no answer in {ANSWER:.0f} s")
