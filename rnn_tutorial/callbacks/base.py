"""What all callbacks share: the run they write to, when they are due, and that training never dies of them."""

import contextlib
import os
import sys
import threading
import time
import types
import warnings
import weakref
from typing import Any, ClassVar

import keras

from rnn_tutorial import autodiff, checks, events, figures, naming

# Pictures between the first and the last one may take this share of the time since training began.
PICTURES_SHARE = 0.03


class Observer(keras.callbacks.Callback):
    """Base of the callbacks that look at training and change nothing.

    A subclass says what to do in `begin`, `record`, `look`, `finish` and `close`. Whatever goes wrong in there ends in
    one warning, and training goes on; what is wrong with the arguments is told by `check`, before training begins. All
    observers of one `fit` with the same `log_dir` write to one run, `self.run`.

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        every: Look at every so many epochs, from the first one on.

    Raises:
        ValueError: An argument is not allowed.
    """

    def __init__(self, log_dir, every=1):
        super().__init__()
        if not isinstance(log_dir, (str, os.PathLike)) or not os.fspath(log_dir) or "\0" in str(log_dir):
            raise ValueError(f"log_dir must be the path of a folder, received {log_dir!r}")
        self.log_dir = os.fspath(log_dir)
        self.every = checks.integer("every", every, at_least=1)
        self.run: Any = None  # the `events.Run` of the fit, from its beginning on
        self._shared: Any = None  # what it has in common with the other observers of the fit, while it lasts
        self._looking = False
        self._finalizer: Any = None
        self._callbacks: Any = None  # a weak reference to the list that `fit` calls
        self._first: int | None = None  # epoch of this fit, which need not be 0
        self._is_checked = False

    def check(self, model):
        """Before anything is written, with a model that is built: raise ValueError for what will not do."""

    def begin(self):
        """Before the first epoch. The model is built wherever Keras can build it."""

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
        self._is_checked = False
        if model is not None and model.built:
            self._check_once()

    def _check_once(self):
        """Check the arguments where that has not been done: a model may be built by its first batch only."""
        if not self._is_checked:
            self._is_checked = True
            self.check(self.model)

    def on_train_begin(self, logs=None):
        """Join the run of this fit."""
        if self._shared is not None:  # An earlier fit ended with an exception that somebody keeps.
            _leave(weakref.ref(self), self._shared)
        self._shared = _Shared.of(self)
        self.run = self._shared.run
        self._looking = True
        self._first = None
        self._finalizer = _when_training_is_over(self, self._shared)
        if self._shared.has_double(self):
            self._looking = False  # TensorBoard would draw a line to and fro between the values of both.
            warnings.warn(
                f"{type(self).__name__} is there twice for {self.log_dir}; the second one writes nothing, "
                "unless it gets a log_dir of its own",
                RuntimeWarning,
                stacklevel=2,
            )
        self._safely(self.begin)
        self._safely(self.run.flush)

    def on_epoch_end(self, epoch, logs=None):
        """Record this epoch, and look if it is due."""
        if not self._looking:
            return
        logs = self._shared.scalars(logs or {})
        self._first = epoch if self._first is None else self._first
        self._safely(self.record, epoch, logs)
        if self.is_due(epoch):
            self._safely(self.look, epoch, logs)
            self._safely(self.run.flush)

    def on_train_end(self, logs=None):
        """Write what belongs at the end and leave the run."""
        if self._shared is not None:
            _leave(weakref.ref(self), self._shared)

    def _safely(self, function, *arguments):
        """Call a function as long as this callback looks; an error becomes one warning and ends the looking."""
        if not self._looking or self.run.broken:
            return
        try:
            function(*arguments)
        except Exception as error:
            if self._is_write_error(error):
                self.run.give_up(error)  # One warning for all who write to this run.
                return
            self._looking = False
            warnings.warn(
                f"{type(self).__name__} stops looking: {type(error).__name__}: {error}. Training goes on.",
                RuntimeWarning,
                stacklevel=3,
            )

    def _is_write_error(self, error):
        """Whether an error says that the folder of the run cannot be written. Our own writer never raises one."""
        return False

    def is_due(self, epoch):
        """Whether to look at this epoch."""
        return (epoch - self._first) % self.every == 0

    def callback_list(self):
        """The list of callbacks with which `fit` calls this one; None outside of `fit`."""
        return None if self._callbacks is None else self._callbacks()

    def images(self, drawn, epoch):
        """Write pictures, {tag: figure}."""
        for tag, figure in drawn.items():
            self.run.image(tag, figures.png(figure), epoch)

    def picture_due(self, epoch):
        """Whether to draw at this epoch: the first, the second, the fourth, ... as long as drawing stays cheap."""
        count = (epoch - self._first) // self.every + 1
        return count == 1 or (count & (count - 1) == 0 and self._shared.affords_picture())

    @contextlib.contextmanager
    def drawing(self):
        """Count the time of a picture towards the share that pictures may take."""
        start = time.monotonic()
        yield
        self._shared.drew(time.monotonic() - start)


class _Shared:
    """What the observers of one fit with one log_dir have in common: the run, and how long pictures took."""

    # (fit, folder) -> what its observers share
    _open: ClassVar[weakref.WeakValueDictionary[tuple[int, str], "_Shared"]] = weakref.WeakValueDictionary()

    def __init__(self, key, fit, log_dir):
        self.run = events.Run(log_dir)
        self._key = key
        self._fit = fit  # kept alive, so that its id is not given to another fit
        self._members: weakref.WeakSet[Observer] = weakref.WeakSet()
        self._began = time.monotonic()
        self._pictures = 0.0
        self._last_picture = 0.0
        self._left_out: set[str] = set()
        # For those who look with a probe: what they need, and the epoch and what was seen.
        self.needs: dict[tuple, Any] = {}
        self.looks: dict[tuple, Any] = {}
        self._weights: tuple[int | None, dict[str, Any]] = (None, {})  # epoch, and what they were after it

    @classmethod
    def of(cls, observer):
        # Keras hands the same `params` object to all callbacks of a fit, and a new one to the next fit.
        fit = observer.params if observer.params is not None else observer.model
        key = (id(fit), os.path.abspath(observer.log_dir))
        shared = cls._open.get(key)
        if shared is None:
            shared = cls._open[key] = cls(key, fit, observer.log_dir)
        shared._members.add(observer)
        return shared

    def has_double(self, observer):
        return any(type(other) is type(observer) and other is not observer for other in self._members)

    def weights(self, model, epoch):
        """{name: array} of all weights after this epoch, read once for all who ask."""
        if self._weights[0] != epoch:
            arrays = {name: keras.ops.convert_to_numpy(weight) for name, weight in naming.weights(model).items()}
            self._weights = epoch, arrays
        return self._weights[1]

    def leave(self, observer):
        self._members.discard(observer)
        if not self._members:
            self.run.close()
            self._open.pop(self._key, None)

    def scalars(self, logs):
        """The metrics that are one number each, as floats; of the others one warning says that they are left out."""
        kept = {}
        for name, value in logs.items():
            try:
                kept[name] = float(value)
            except (TypeError, ValueError):
                metric = name.removeprefix("val_")
                if metric not in self._left_out:
                    self._left_out.add(metric)
                    warnings.warn(
                        f"metric {metric!r} is not one number an epoch; curves and scalars leave it out",
                        RuntimeWarning,
                        stacklevel=3,
                    )
        return kept

    def affords_picture(self):
        elapsed = time.monotonic() - self._began
        return self._pictures == 0 or self._pictures + self._last_picture <= PICTURES_SHARE * elapsed

    def drew(self, seconds):
        self._pictures += seconds
        self._last_picture = seconds


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
        if isinstance(caller, keras.callbacks.CallbackList):
            observer._callbacks = weakref.ref(caller)
            # The list holds the observer, so that it is still there when the list dies.
            finalizer = weakref.finalize(caller, _leave, lambda: observer, shared)
            break
        frame = frame.f_back
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    # Training in a thread goes on when the cell has ended.
    if shell is not None and threading.current_thread() is threading.main_thread():

        def after_cell(*_):
            shell.events.unregister("post_run_cell", after_cell)
            _leave(reference, shared)

        shell.events.register("post_run_cell", after_cell)
    return finalizer


def _leave(reference, shared):
    """Finish an observer's part in a fit, once: at its end, or when an exception has ended it."""
    observer = reference()
    if observer is None or observer._shared is not shared:
        return
    # The garbage collector may come with the end of a fit in the middle of another one's trace. There what is read
    # would become part of that graph, or wait for ever for its lock.
    with autodiff.outside_of_graphs():
        observer._safely(observer.finish)
        observer._safely(observer.run.flush)
        # What could not be done has been said before; here it is only about letting go.
        with contextlib.suppress(Exception):
            observer.close()
    if observer._finalizer is not None:
        observer._finalizer.detach()  # It would keep the observer, and with it the model, alive.
    observer._shared = observer._finalizer = None
    observer._looking = False
    shared.leave(observer)
