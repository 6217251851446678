"""What all callbacks share: the run they write to, when they are due, and that training never dies of them."""

import contextlib
import os
from typing import Any

import keras

from rnn_tutorial import _checks, _console, backend, drawing
from rnn_tutorial.callbacks import runs
from rnn_tutorial.callbacks.fit import Fit
from rnn_tutorial.callbacks.fit_end import FitEnd
from rnn_tutorial.drawing import diagrams, heatmaps, line_plots, through_time  # noqa: F401  loaded now, not in a fit


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
        self.run: Any = None  # the `recording.Run` of the fit, from its first epoch on
        self._fit: Any = None  # what it has in common with the other observers of the fit, while it lasts
        self._looking = False  # True in a fit as long as nothing goes wrong
        self._left_out: set[str] = set()  # the parts that went wrong in this fit
        self._fit_end: FitEnd | None = None
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
        if self._fit is not None:  # An earlier fit ended with an exception that somebody keeps.
            self.leave(self._fit)
        self._looking, self._first = False, None
        self._check_before_training()  # A callback may have built the model by now.
        if not self._is_refused:
            self._is_refused = not self._guarded(self._join)

    def _join(self):
        self._left_out = set()
        fit = self._fit = Fit.of(self)
        self._fit_end = FitEnd(self, lambda observer: observer.leave(fit))
        try:
            self._fit_end.await_cell()
        except Exception as error:
            text = f"the end of a notebook's cell cannot be awaited: {_console.in_words(error)}. Training goes on."
            fit.warn_once("cell", text)

    def on_epoch_begin(self, epoch, logs=None):
        """Begin with the first epoch of the fit."""
        self._begin(epoch)

    def _begin(self, epoch):
        if self._fit is not None and self._first is None and not self._is_refused:
            training = self._fit.training(self, epoch)
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
        self._fit.join(training)
        self._open(training)
        return True

    def _open(self, training):
        self.run, self._first = training.run, training.first
        self._looking = not self.run.broken
        if self._looking and self._fit.has_double(self):
            self._looking = False  # TensorBoard would draw a line to and fro between the values of both.
            _console.warn(
                f"{type(self).__name__} is there twice for {self.log_dir}; the second one writes nothing, "
                "unless it gets a log_dir of its own"
            )
        self._safely(self.begin)
        self._safely(self._fit.flush)

    def on_epoch_end(self, epoch, logs=None):
        """Record this epoch, and look if it is due."""
        self._begin(epoch)  # A training loop of one's own may not have told of the epoch's beginning.
        self._safely(self._record_and_look, epoch, logs)

    def _record_and_look(self, epoch, logs):
        logs = self._fit.scalars(logs)
        self._fit.wrote(epoch)
        self.record(epoch, logs)
        if self.is_due(epoch):
            self.look(epoch, logs)
            self._fit.flush()

    def on_train_end(self, logs=None):
        """Write what belongs at the end and leave the run."""
        if self._fit is not None:
            self.leave(self._fit)

    def leave(self, fit):
        """Finish the part in a fit, once: at its end, or when an exception has ended it."""
        if self._fit is not fit or fit.process != os.getpid():
            return  # A child made by a fork has no part in the fit of its parent.
        if self._first is not None:
            self._guarded(self._let_go)
        if self._fit_end is not None:
            self._fit_end.forget()
        self._fit = self._fit_end = None
        self._looking = False
        fit.leave(self)

    def _let_go(self):
        # The garbage collector may come with the end of a fit in the middle of another one's trace. There what is read
        # would become part of that graph, or wait for ever for its lock.
        with backend.outside_of_graphs():
            self._safely(self.finish)
            self._safely(self._fit.flush)
            if self._looking:
                self._guarded(self.close)
            else:  # What went wrong has been told before.
                with contextlib.suppress(Exception):
                    self.close()

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
        _console.warn(f"{type(self).__name__} stops looking: {_console.in_words(error)}. Training goes on.")

    @property
    def has_begun(self) -> bool:
        """Whether this fit's first epoch has begun."""
        return self._first is not None

    def is_due(self, epoch):
        """Whether to look at this epoch."""
        return (epoch - self._first) % self.every == 0

    def callback_list(self):
        """The list of callbacks with which `fit` calls this one; None outside of `fit`."""
        callbacks = None if self._fit_end is None else self._fit_end.callbacks
        return None if callbacks is None else callbacks()

    @contextlib.contextmanager
    def guard(self, name):
        """Keep what goes wrong in one part of the looking from the other parts; one warning a part tells of it."""
        try:
            yield
        except Exception as error:
            if name not in self._left_out:
                self._left_out.add(name)
                said = _console.in_words(error)
                _console.warn(f"{type(self).__name__} leaves out {name}: {said}. Everything else goes on.")

    def kept(self, name, make):
        """What is remembered under a name for as long as a run goes on, from fit to fit; `make()` makes it."""
        return self._fit.kept(type(self), name, make)

    def images(self, drawn, epoch):
        """Write pictures, {tag: figure}."""
        for tag, figure in drawn.items():
            with self.guard("pictures"):
                self.run.image(tag, drawing.png(figure), epoch)

    def save(self, name, content):
        """Write bytes to a file beside the event file."""
        self._fit.attempt(self.run.save, name, content)

    def count_looks(self, epoch):
        """How many looks there have been in this fit with the one at this epoch."""
        return (epoch - self._first) // self.every + 1

    def weights(self, epoch):
        """{stable name: array} of all weights after this epoch, read once for all observers of the fit."""
        return self._fit.weights(self.model, epoch)

    def picture_due(self, epoch):
        """Whether to draw at this epoch: the first, the second, the fourth, ... as long as drawing stays cheap."""
        count = self.count_looks(epoch)
        return count == 1 or (count & (count - 1) == 0 and self._fit.affords_picture())

    @contextlib.contextmanager
    def drawing(self):
        """Count the time of a picture towards the share that pictures may take; what goes wrong in it ends nothing."""
        with self._fit.drawing(), self.guard("pictures"):
            yield


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
