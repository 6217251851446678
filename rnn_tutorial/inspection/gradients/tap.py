"""The true gradients of the training step, taken from the optimizer while Keras' own train function runs.

Keras hands gradients to no callback. But every train step ends in `optimizer.apply(gradients, variables)`. We put a
function around `apply` while a train function of our own is traced, so that the norms are computed inside the compiled
step, from the gradients that training uses: no second pass over the data, no other dropout, no other batch.

In a `fit` the model and its optimizer carry that function only while a step runs. Whatever callbacks save between two
steps, and whatever remains after training or after an exception, is as if nobody had looked.
"""

import contextlib
import weakref
from typing import Any

import keras

from rnn_tutorial import _checks, backend
from rnn_tutorial.inspection import keras_internals
from rnn_tutorial.inspection.gradients import layer_choice, optimizers
from rnn_tutorial.inspection.gradients.reading import GradientReading, Tally
from rnn_tutorial.inspection.gradients.train_function import TrainFunction


def tap_gradients(model: keras.Model, layers: layer_choice.Layers = None, per_batch: bool = False) -> "GradientTap":
    """Look at the gradients of whatever trains the model inside `with`.

    `fit`, `train_on_batch` and loops of one's own that end in `model.optimizer.apply` are all seen, in the last case
    if they are traced inside of `with`. On JAX a loop of one's own must take `model.optimizer.variables` inside of
    `with` too, for what the tap has seen is handed through `stateless_apply` among them, and assign what comes out
    before `read` is called.

    Example:
    >>> with inspection.tap_gradients(model) as gradients:
    ...     for x, y in batches:
    ...         model.train_on_batch(x, y)
    ...     print(gradients.read().norm["global"])

    Args:
        model: A compiled `keras.Model`.
        layers: Which layers' last gradients to keep: a stable name (see `naming.layers`), a list of them, or a function
            from such a name to True or False. None keeps all. Norms are computed of all.
        per_batch: True keeps the norm of each batch.

    Returns:
        A `GradientTap`, a context manager; `read` gives a `GradientReading`.

    Raises:
        ValueError: The model is not compiled or not built, a layer is not there, or an argument is not as above.
        NotImplementedError: The model trains on several replicas.
    """
    _check(model, layers, per_batch)
    if not model.built:
        raise ValueError("model must be built; call it on a batch first, or give it an Input")
    return GradientTap(model, layers, per_batch)


class GradientTap:
    """Takes the gradients of a model's training steps, from `open` to `close`, or inside `with`; see `tap_gradients`.

    Args:
        model: As for `tap_gradients`, but need not be built yet.
        layers: As for `tap_gradients`. Of a model that is not built `read` tells which layers are not there.
        per_batch: As for `tap_gradients`.
        callbacks: The `CallbackList` of a `fit` that has begun, to look at the steps of that one alone. Between two
            steps nothing of the tap is then in the model.
    """

    def __init__(
        self,
        model: keras.Model,
        layers: layer_choice.Layers = None,
        per_batch: bool = False,
        callbacks: keras.callbacks.CallbackList | None = None,
    ) -> None:
        _check(model, layers, per_batch)
        self._reference = weakref.ref(model)
        self._layers = layers
        self._per_batch = per_batch
        self._callbacks = None if callbacks is None else weakref.ref(callbacks)
        self._model: Any = None  # as long as it is open
        self._function: Any = None
        self._recorder: Any = None
        self._tally = Tally()  # what recorders of earlier train functions have seen since the last reading
        self._sees_updates = False
        self._error: Any = None  # why there is nothing to read; `read` raises it
        self._close = contextlib.ExitStack()

    def open(self) -> "GradientTap":
        """Begin to look. Training runs through a train function that is traced with the tap in it."""
        if self._model is not None:
            return self
        model = self._reference()
        if model is None:
            raise ValueError("the model of this tap is gone")
        if backend.is_replicated(model):
            raise NotImplementedError("gradients of a training on several replicas are not looked at")
        self._model, self._tally, self._error = model, Tally(), None
        try:
            self._follow()
            self._close.callback(self._leave)
            if self._callbacks is None:
                self._close.callback(keras_internals.tell_of_train_functions(model, self._follow_in_training))
            else:
                self._close.callback(keras_internals.tell_of_steps(self._callbacks(), self._look_at_next_step))
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Stop looking; the model and its optimizer are as they were. What was seen can still be read."""
        if self._model is None:
            return
        try:
            self._close.close()
        except Exception as error:
            self._error = error
        self._model = self._function = self._recorder = None

    __enter__ = open

    def __exit__(self, *exception: object) -> None:
        self.close()

    def drain(self) -> None:
        """Take the norms of single batches out of the buffer; loops of one's own must, every `CAPACITY` batches."""
        if self._model is not None:
            self._recorder.drain()

    def read(self, last: bool = True) -> GradientReading:
        """Return what was seen since the last call, as a `GradientReading`, and begin again.

        Args:
            last: False leaves out the last gradients, which saves copying them.

        Raises:
            ValueError: A layer is not there, which could not be said before the model was built.
            RuntimeError: More batches than the buffer of single norms holds; or the gradients could not be looked at.
        """
        error, self._error = self._error, None
        if error is not None:
            raise error
        if self._model is not None:
            if self._model.built:
                layer_choice.predicate(self._layers, self._model)
            self._take(last)
        tally, self._tally = self._tally, Tally()
        return tally.reading()

    @property
    def sees_updates(self) -> bool:
        """Whether any optimizer of the model has been seen to update weights, in this reading or an earlier one."""
        return self._sees_updates or (self._recorder is not None and self._recorder.sees_updates)

    def _take(self, last):
        """Add up what the recorder has seen."""
        self._sees_updates = self.sees_updates
        self._tally.add(self._recorder.take(last))

    def _follow(self):
        """Look at the train function that the model has now: a callback or `compile` may have made another one."""
        if self._function is not None and self._function.is_that_of(self._model):
            return
        if self._function is not None:
            self._leave()
        self._function = TrainFunction.of(self._model)
        choose = layer_choice.predicate(self._layers, self._model if self._model.built else None)
        self._recorder = self._function.recorder(choose, self._per_batch)
        if self._callbacks is None:
            self._function.add(self._recorder)

    def _follow_in_training(self):
        """Follow, where an error must not end what is running; returns whether there was none."""
        # Without a train function Keras is about to say so.
        if self._model is None or self._error is not None or keras_internals.train_function(self._model) is None:
            return False
        try:
            self._follow()
        except Exception as error:
            self._error = error
        return self._error is None

    def _leave(self):
        """Look at this train function no more."""
        self._function.remove(self._recorder)
        try:
            self._take(last=True)
        finally:
            self._recorder.is_free = True  # for the next tap

    def _look_at_next_step(self):
        """Look at the step that is about to begin."""
        if self._follow_in_training():
            try:
                self._function.look_once(self._recorder)
            except Exception as error:
                self._error = error


def _check(model, layers, per_batch):
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a keras.Model, received {type(model).__name__}")
    if not optimizers.found_in(model):
        raise ValueError("model must be compiled with an optimizer; call model.compile(...) first")
    _checks.flag("per_batch", per_batch)
    layer_choice.predicate(layers, model if model.built else None)
