"""What the observers of one fit with one `log_dir` have in common."""

import contextlib
import os
import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rnn_tutorial import _console
from rnn_tutorial.callbacks import runs
from rnn_tutorial.inspection import naming

if TYPE_CHECKING:
    from rnn_tutorial.callbacks.observer import Observer

# Pictures between the first and the last one may take this share of the time since training began.
PICTURES_SHARE = 0.03


class Fit:
    """One fit as its observers with one `log_dir` see it: the run they write to, and how long pictures took."""

    # (fit, folder) -> what its observers share
    _open: ClassVar[weakref.WeakValueDictionary[tuple[int, str], "Fit"]] = weakref.WeakValueDictionary()

    def __init__(self, key, fit, log_dir):
        self._log_dir = log_dir
        self._told: set[str] = set()  # of what there was a warning
        self._training: Any = None  # a `runs.Training`, from the first epoch on
        self._cannot_open = False
        self._key = key
        self._fit = fit  # kept alive, so that its id is not given to another fit
        self.process = os.getpid()
        self._members: weakref.WeakSet[Observer] = weakref.WeakSet()
        self._began = time.monotonic()
        self._pictures = 0.0
        self._last_picture = 0.0
        # For those who look with a probe: what they need, and the epoch and what was seen.
        self.needs: dict[tuple, Any] = {}
        self.looks: dict[tuple, Any] = {}
        self._weights: tuple[int | None, dict[str, Any]] = (None, {})  # epoch, and what they were after it

    @classmethod
    def of(cls, observer):
        # Keras hands the same `params` object to all callbacks of a fit, and a new one to the next fit.
        fit = observer.params if observer.params is not None else observer.model
        try:
            folder = os.path.abspath(observer.log_dir)
        except OSError:  # The current folder is gone.
            folder = observer.log_dir
        key = (id(fit), folder)
        found = cls._open.get(key)
        if found is None:
            found = cls._open[key] = cls(key, fit, observer.log_dir)
        found._members.add(observer)
        return found

    @property
    def run(self):
        """The `recording.Run`; None before the first epoch, and where none could be opened."""
        return None if self._training is None else self._training.run

    def training(self, observer, epoch):
        """What this fit has in common with others: that of an earlier one that goes on, or a new one; None without."""
        if self._training is None and not self._cannot_open:
            callbacks = getattr(observer.callback_list(), "callbacks", ())
            training = self.attempt(runs.start, observer.model, observer.log_dir, epoch, callbacks)
            self._cannot_open = training is None
            if training is not None:
                self.join(training)
        return self._training

    def join(self, training):
        """Take part in a training, whose run is open."""
        self._training = training
        training.fit = weakref.ref(self)

    def wrote(self, epoch):
        self._training.last = max(epoch, self._training.last)

    def kept(self, owner, name, make):
        kept = self._training.kept
        if (owner, name) not in kept:
            kept[owner, name] = make()
        return kept[owner, name]

    def has_double(self, observer):
        """Whether another one of the same class has begun already."""
        return any(
            type(other) is type(observer) and other is not observer and other.has_begun for other in self._members
        )

    def weights(self, model, epoch):
        """{name: array} of all weights after this epoch, read once for all who ask."""
        if self._weights[0] != epoch:
            arrays = {name: np.asarray(weight) for name, weight in naming.weights(model).items()}
            self._weights = epoch, arrays
        return self._weights[1]

    def leave(self, observer):
        self._members.discard(observer)
        if not self._members:
            self._open.pop(self._key, None)
            if self.run is not None:
                self.attempt(self.run.close)

    def end(self):
        """Let all observers leave."""
        for observer in list(self._members):
            observer.leave(self)

    def flush(self):
        self.attempt(self.run.flush)

    def attempt(self, function, *arguments):
        """Call what serves all observers; of what goes wrong there one warning tells for all of them."""
        try:
            return function(*arguments)
        except Exception as error:
            if self.run is None or not self.run.broken:  # A run that is broken has said so.
                text = f"not all can be logged to {self._log_dir}: {_console.in_words(error)}. Training goes on."
                self.warn_once("log_dir", text)
            return None

    def warn_once(self, subject, text):
        """Warn, if there was no warning of this subject before."""
        if subject not in self._told:
            self._told.add(subject)
            _console.warn(text)

    def scalars(self, logs):
        """The metrics that are one number each, as floats; of the others one warning says that they are left out."""
        if logs is not None and not isinstance(logs, Mapping):
            self.warn_once("logs", f"logs must be a dictionary, received {type(logs).__name__}; they are left out")
            return {}
        kept = {}
        given = logs or {}
        for name, value in given.items():
            if not isinstance(name, str) or not _is_text(name):
                text = f"a metric's name must be text, received {ascii(name)[:100]}; the metric is left out"
                self.warn_once("names", text)
                continue
            try:
                kept[name] = float(value)
            except Exception:  # Whatever another callback has put there.
                metric = name.removeprefix("val_") if name.removeprefix("val_") in given else name
                text = f"metric {metric!r} is not one number an epoch; curves and scalars leave it out"
                self.warn_once(f"metric {metric}", text)
        return kept

    def affords_picture(self):
        elapsed = time.monotonic() - self._began
        return self._pictures == 0 or self._pictures + self._last_picture <= PICTURES_SHARE * elapsed

    @contextlib.contextmanager
    def drawing(self):
        """Count the time of a picture towards the share that pictures may take."""
        start = time.monotonic()
        yield
        self._last_picture = time.monotonic() - start
        self._pictures += self._last_picture


def _is_text(name):
    """Whether a file can hold it: a string may hold halves of characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
