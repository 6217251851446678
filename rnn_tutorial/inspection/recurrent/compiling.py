"""Run a model with its loops replaced, compiled, and the compiled functions kept with it."""

import dataclasses
import inspect
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree

from rnn_tutorial import _console, backend
from rnn_tutorial.inspection import keras_internals, losses
from rnn_tutorial.inspection.recurrent import cells, reducing, sequences, untouched
from rnn_tutorial.inspection.recurrent.recorder import Recorder

# A first call that takes longer than this says so.
_LONG = 5.0
# What has been compiled for a model, the last used at the end; dies with it.
_compiled: Any = weakref.WeakKeyDictionary()
_KEPT = 16


@dataclasses.dataclass
class _Entry:
    """A compiled function, with what it was compiled for."""

    key: str
    parts: list[Callable[[], Any]]
    function: Callable[..., Any]

    def fits(self, key, parts):
        """Whether it was compiled for the same."""
        return self.key == key and [held() for held in self.parts] == parts


def run(model, kind, batch, gradient, loss=None, preactivation=False):
    """Run the compiled function for these shapes, compiling it first where that is still to be done.

    Returns:
        The loss (None without gradient), and {name: record} with NumPy arrays.
    """
    compiled_loss = keras_internals.compiled_loss(model)
    parts = [*tree.flatten(loss), compiled_loss, *keras_internals.flatten_layers(model), cells.declarations()]
    shapes = tree.map_structure(lambda array: None if array is None else (array.shape, array.dtype), batch)
    structure = tree.map_structure(lambda one: one is None, (loss, compiled_loss))
    key = repr((kind, gradient, preactivation, shapes, structure))
    kept = _compiled.setdefault(model, [])
    began = time.monotonic()
    entry = next((one for one in kept if one.fits(key, parts)), None)
    is_new = entry is None
    if entry is None:
        function = _compile(model, kind, gradient, loss, preactivation)
        entry = _Entry(key, [_held(part) for part in parts], function)
    value, records, problems = entry.function(*batch)
    kept[:] = [*(other for other in kept if other is not entry), entry][-_KEPT:]
    seconds = time.monotonic() - began
    if is_new and seconds > _LONG:
        _console.tell(
            f"recurrent: the first look at {model.name} took {seconds:.0f} s, compiling included; "
            "the next ones are faster."
        )
    for problem in problems:
        warnings.warn(problem, RuntimeWarning, stacklevel=3)
    return value, records


def _held(part):
    """A function that gives a thing as long as another keeps it: a loss that knows the model would keep that alive."""
    try:
        return weakref.WeakMethod(part) if inspect.ismethod(part) else weakref.ref(part)
    except TypeError:  # a name, or None
        return lambda: part


def _compile(model, kind, gradient, loss, preactivation):
    """A function (x, y, sample_weight) -> (loss, {name: record}, problems), compiled where it is first called."""
    reference = weakref.ref(model)  # What is compiled must not keep the model alive.
    held_loss = tree.map_structure(_held, loss)
    problems: list[str] = []
    order: dict[str, Any] = {}  # JAX sorts what it returns by name.

    def compute(scope, x, y, sample_weight):
        model: Any = reference()

        def forward(perturb):
            recorder = Recorder(model, perturb)
            with untouched.left_as_it_was(model), scope():
                recorder.reroute()
                y_pred = model(x, **untouched.without_dropout(model.call))
                given = tree.map_structure(lambda held: held(), held_loss)
                value = _loss(model, given, x, y, y_pred, sample_weight) if gradient else ops.zeros(())
            problems[:] = recorder.problems(gradient)
            calls[:] = recorder.calls
            return value, [{part: use.arrays for part, use in call.uses.items()} for call in calls]

        def ends():
            recorder = Recorder(model, lambda *_: None)
            with untouched.left_as_it_was(model), scope():
                recorder.reroute()
                model(x, **untouched.without_dropout(model.call))
            return [(call.taken, call.given) for call in recorder.calls]

        calls: list[sequences.Call] = []
        if gradient:
            value, arrays, gradients = backend.differentiate(forward)
        else:
            (value, arrays), gradients = forward(lambda *_: None), {}
        for call, theirs in zip(calls, arrays, strict=True):
            for part, use in call.uses.items():
                use.arrays = theirs[part]
        records = {}
        failed: dict[str, Exception] = {}
        for name, uses in sequences.sequences(list(calls), ends).items():
            try:
                use, theirs = sequences.joined(uses, gradients)
                with scope():
                    records[name] = reducing.reduce(use, theirs, kind, preactivation)
            except Exception as error:  # of the functions that a cell's class declares
                failed[name] = error
        if failed and not records:
            raise next(iter(failed.values()))
        problems.extend(f"{name} is left out: {_console.in_words(error)}" for name, error in failed.items())
        order.update(_keys(records))
        return value, records

    function = backend.compiled(compute, model)

    def call(x, y, sample_weight):
        value, records = function(x, y, sample_weight)
        records = tree.map_structure(lambda array: None if array is None else ops.convert_to_numpy(array), records)
        told = list(problems)
        problems.clear()  # once is enough
        return ops.convert_to_numpy(value) if gradient else None, _in_order(records, order), told

    return call


def _keys(records):
    return {key: _keys(value) for key, value in records.items()} if isinstance(records, dict) else None


def _in_order(records, order):
    return {key: _in_order(records[key], order[key]) for key in order} if isinstance(records, dict) else records


def _loss(model, loss, x, y, y_pred, sample_weight):
    if loss is not None:
        model, names = keras.Model(name=model.name), getattr(model, "output_names", None)
        model.output_names = names
        model.compile(optimizer=None, loss=loss)
    elif model.loss is None and not losses.is_own(model) and not model.losses:
        raise ValueError("model must be compiled with a loss, or the argument loss be given; received one without")
    return model.compute_loss(
        x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **untouched.without_dropout(model.compute_loss)
    )
