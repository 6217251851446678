"""What all callbacks share: the run they write to, when they are due, and that training never dies of them."""

import contextlib
import os
import sys
import threading
import time
import types
import weakref
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np

from rnn_tutorial import _checks, _console, backend, drawing
from rnn_tutorial.callbacks import runs
from rnn_tutorial.drawing import diagrams, heatmaps, line_plots, through_time  # noqa: F401  loaded now, not in a fit
from rnn_tutorial.inspection import naming

# Pictures between the first and the last one may take this share of the time since training began.
PICTURES_SHARE = 0.03


class Observer(keras.callbacks.Callback):
    """Base of the callbacks that look at training and change nothing.

    A subclass says what to do in `begin`, `record`, `look`, `finish` and `close`. Whatever goes wrong in there ends in
    one warning, and training goes on; what is wrong with the arguments is told by `check`, before training begins. What
    may fail without the rest goes into `with self.guard("its name"):`. All observers of one `fit` with the same
    `log_dir` write to one run, `self.run`.

    Which run that is shows with the first epoch of a fit: where the same model goes on training, so does its run. A
    training loop of one's own therefore calls `on_epoch_begin`, as `fit` does.

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ... unless the same
            model goes on training there, as with `fit(initial_epoch=...)`.
        every: Look at every so many epochs, from the first one on.

    Raises:
        ValueError: An argument is not allowed.
    """

    def __init__(self, log_dir, every=1):
        super().__init__()
        self.log_dir = _folder(log_dir)
        self.every = _checks.integer("every", every, at_least=1)
        self.run: Any = None  # the `events.Run` of the fit, from its first epoch on
        self._shared: Any = None  # what it has in common with the other observers of the fit, while it lasts
        self._looking = False  # True in a fit as long as nothing goes wrong
        self._left_out: set[str] = set()  # the parts that went wrong in this fit
        self._finalizer: Any = None
        self._callbacks: Any = None  # a weak reference to the list that `fit` calls
        self._first: int | None = None  # epoch of the run, which need not be 0; None before this fit's first epoch
        self._is_checked = self._is_refused = False

    def check(self, model):
        """Before anything is written, with a model that is built: raise ValueError for an argument that will not do."""

    def begin(self):
        """Before the first epoch of a fit. The model is built wherever Keras can build it."""

    def record(self, epoch, logs):
        """After every epoch, for what must not miss one; cheap."""

    def look(self, epoch, logs):
        """After an epoch that is due; `logs` holds the metrics that are one number each, as floats."""

    def finish(self):
        """After the last epoch, also where training ended with an exception."""

    def close(self):
        """Let go of what was opened, whatever happened before."""

    def set_model(self, model):
        """Take the model, and check the arguments against it where it is built."""
        super().set_model(model)
        self._is_checked = self._is_refused = False
        self._check_before_training()

    def _check_before_training(self):
        """Check the arguments if the model is built. A wrong one ends training, any other error only the looking."""
        try:
            if self.model is not None and self.model.built:
                self._check_once()
        except Exception as error:
            if type(error) is ValueError:  # Its subclasses, such as UnicodeError, tell of no argument.
                raise
            self._is_refused = True
            self._stop(error)

    def _check_once(self):
        """Check the arguments where that has not been done: a model may be built by its first batch only."""
        if not self._is_checked:
            self._is_checked = True
            self.check(self.model)

    def on_train_begin(self, logs=None):
        """Join the run of this fit."""
        if self._shared is not None:  # An earlier fit ended with an exception that somebody keeps.
            _leave(weakref.ref(self), self._shared)
        self._looking, self._first = False, None
        self._check_before_training()  # A callback may have built the model by now.
        if not self._is_refused:
            self._is_refused = not self._guarded(self._join)

    def _join(self):
        self._left_out = set()
        self._shared = _Shared.of(self)
        self._finalizer = _when_training_is_over(self, self._shared)

    def on_epoch_begin(self, epoch, logs=None):
        """Begin with the first epoch of the fit."""
        self._begin(epoch)

    def _begin(self, epoch):
        if self._shared is not None and self._first is None and not self._is_refused:
            training = self._shared.training(self, epoch)
            if training is not None:
                self._guarded(self._open, training)

    def _open_again(self):
        """Take part in the model's latest training once more, after its end.

        Returns:
            Whether that could be done; then `on_train_end` must follow.
        """
        training = runs.reopen(self.model, self.log_dir)
        if training is None:
            return False
        self.on_train_begin()
        self._shared.join(training)
        self._open(training)
        return True

    def _open(self, training):
        self.run, self._first = training.run, training.first
        self._looking = not self.run.broken
        if self._looking and self._shared.has_double(self):
            self._looking = False  # TensorBoard would draw a line to and fro between the values of both.
            _console.warn(
                f"{type(self).__name__} is there twice for {self.log_dir}; the second one writes nothing, "
                "unless it gets a log_dir of its own"
            )
        self._safely(self.begin)
        self._safely(self._shared.flush)

    def on_epoch_end(self, epoch, logs=None):
        """Record this epoch, and look if it is due."""
        self._begin(epoch)  # A training loop of one's own may not have told of the epoch's beginning.
        self._safely(self._record_and_look, epoch, logs)

    def _record_and_look(self, epoch, logs):
        logs = self._shared.scalars(logs)
        self._shared.wrote(epoch)
        self.record(epoch, logs)
        if self.is_due(epoch):
            self.look(epoch, logs)
            self._shared.flush()

    def on_train_end(self, logs=None):
        """Write what belongs at the end and leave the run."""
        if self._shared is not None:
            _leave(weakref.ref(self), self._shared)

    def _safely(self, function, *arguments):
        """Call a function as long as this callback looks; an error becomes one warning and ends the looking."""
        if self._looking and not self.run.broken:
            self._guarded(function, *arguments)

    def _guarded(self, function, *arguments):
        """Call a function; an error becomes one warning and ends the looking. Returns whether there was none."""
        try:
            function(*arguments)
        except Exception as error:
            self._stop(error)
            return False
        return True

    def _stop(self, error):
        self._looking = False
        _console.warn(f"{type(self).__name__} stops looking: {_in_words(error)}. Training goes on.")

    def is_due(self, epoch):
        """Whether to look at this epoch."""
        return (epoch - self._first) % self.every == 0

    def callback_list(self):
        """The list of callbacks with which `fit` calls this one; None outside of `fit`."""
        return None if self._callbacks is None else self._callbacks()

    @contextlib.contextmanager
    def guard(self, name):
        """Keep what goes wrong in one part of the looking from the other parts; one warning a part tells of it."""
        try:
            yield
        except Exception as error:
            if name not in self._left_out:
                self._left_out.add(name)
                _console.warn(f"{type(self).__name__} leaves out {name}: {_in_words(error)}. Everything else goes on.")

    def kept(self, name, make):
        """What is remembered under a name for as long as a run goes on, from fit to fit; `make()` makes it."""
        return self._shared.kept(type(self), name, make)

    def images(self, drawn, epoch):
        """Write pictures, {tag: figure}."""
        for tag, figure in drawn.items():
            with self.guard("pictures"):
                self.run.image(tag, drawing.png(figure), epoch)

    def save(self, name, content):
        """Write bytes to a file beside the event file."""
        self._shared.attempt(self.run.save, name, content)

    def picture_due(self, epoch):
        """Whether to draw at this epoch: the first, the second, the fourth, ... as long as drawing stays cheap."""
        count = (epoch - self._first) // self.every + 1
        return count == 1 or (count & (count - 1) == 0 and self._shared.affords_picture())

    @contextlib.contextmanager
    def drawing(self):
        """Count the time of a picture towards the share that pictures may take; what goes wrong in it ends nothing."""
        start = time.monotonic()
        with self.guard("pictures"):
            yield
        self._shared.drew(time.monotonic() - start)


class _Shared:
    """What the observers of one fit with one log_dir have in common: the run, and how long pictures took."""

    # (fit, folder) -> what its observers share
    _open: ClassVar[weakref.WeakValueDictionary[tuple[int, str], "_Shared"]] = weakref.WeakValueDictionary()

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
        shared = cls._open.get(key)
        if shared is None:
            shared = cls._open[key] = cls(key, fit, observer.log_dir)
        shared._members.add(observer)
        return shared

    @property
    def run(self):
        """The `events.Run`; None before the first epoch, and where none could be opened."""
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
            type(other) is type(observer) and other is not observer and other._first is not None
            for other in self._members
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
            _leave(weakref.ref(observer), self)

    def flush(self):
        self.attempt(self.run.flush)

    def attempt(self, function, *arguments):
        """Call what serves all observers; of what goes wrong there one warning tells for all of them."""
        try:
            return function(*arguments)
        except Exception as error:
            if self.run is None or not self.run.broken:  # A run that is broken has said so.
                text = f"not all can be logged to {self._log_dir}: {_in_words(error)}. Training goes on."
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

    def drew(self, seconds):
        self._pictures += seconds
        self._last_picture = seconds


def _is_text(name):
    """Whether a file can hold it: a string may hold halves of characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _when_training_is_over(observer, shared):
    """Make sure that an observer leaves the run even if an exception ends training.

    `fit` tells no callback of that. But its list of callbacks dies with it: at once where the exception is caught, at
    the end of the program where it is not. A notebook keeps the exception, and `fit` with it; there the end of the cell
    is what counts.
    """
    reference = weakref.ref(observer)
    finalizer = None
    observer._callbacks = None
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        # `isinstance` would ask the object too, and some, such as proxies, raise.
        if issubclass(type(caller), keras.callbacks.CallbackList):
            observer._callbacks = weakref.ref(caller)
            # The list holds the observer, so that it is still there when the list dies.
            finalizer = weakref.finalize(caller, _leave, lambda: observer, shared)
            break
        frame = frame.f_back
    try:
        _leave_after_cell(reference, shared)
    except Exception as error:
        text = f"the end of a notebook's cell cannot be awaited: {_in_words(error)}. Training goes on."
        shared.warn_once("cell", text)
    return finalizer


def _leave_after_cell(reference, shared):
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    # Training in a thread goes on when the cell has ended.
    if shell is None or threading.current_thread() is not threading.main_thread():
        return

    def after_cell(*_):
        shell.events.unregister("post_run_cell", after_cell)
        _leave(reference, shared)

    shell.events.register("post_run_cell", after_cell)


def _leave(reference, shared):
    """Finish an observer's part in a fit, once: at its end, or when an exception has ended it."""
    observer = reference()
    if observer is None or observer._shared is not shared or shared.process != os.getpid():
        return  # A child made by a fork has no part in the fit of its parent.
    if observer._first is not None:
        observer._guarded(_let_go, observer)
    if observer._finalizer is not None:
        observer._finalizer.detach()  # It would keep the observer, and with it the model, alive.
    observer._shared = observer._finalizer = None
    observer._looking = False
    shared.leave(observer)


def _let_go(observer):
    # The garbage collector may come with the end of a fit in the middle of another one's trace. There what is read
    # would become part of that graph, or wait for ever for its lock.
    with backend.outside_of_graphs():
        observer._safely(observer.finish)
        observer._safely(observer._shared.flush)
        if observer._looking:
            observer._guarded(observer.close)
        else:  # What went wrong has been told before.
            with contextlib.suppress(Exception):
                observer.close()


def _folder(log_dir):
    """The path of a folder as a string.

    Raises:
        ValueError: It is none.
    """
    try:
        path = os.fspath(log_dir)
    except Exception:
        path = ""
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError(f"log_dir must be the path of a folder, received {log_dir!r}")
    return path


def _in_words(error):
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # of its own text
        return type(error).__name__
