"""The variables that the training step fills, and how they are read."""

import contextlib
import math
import weakref
from typing import Any

import keras
import numpy as np
from keras import ops

from rnn_tutorial import backend
from rnn_tutorial.inspection import keras_internals, naming
from rnn_tutorial.inspection.gradients.reading import GLOBAL, Tally
from rnn_tutorial.inspection.gradients.table import Row

# Norms of single batches that the buffer holds; in `fit` it is emptied in time, elsewhere `read` and `drain` do that.
CAPACITY = 1024


class Recorder:
    """The variables that the step fills."""

    def __init__(self, model, choose, per_batch):
        self.is_free = False
        self.variables: list[Any] = []
        self.columns: dict[int, int] = {}  # by the id of the weight
        self.clipped: set[int] = set()  # columns of weights in whose updates something clips
        self.problem: str | None = None  # why nothing was recorded
        self._model: Any = weakref.ref(model)
        self._choose = choose
        self._per_batch = per_batch
        self._names: list[str] = []  # of the columns
        self._kept: list[int] = []  # columns whose last gradient is kept
        self._with_gradient: set[int] = set()
        self._carried: list[Any] | None = None  # the variables' values, where the train function hands them through
        self._room = self._capacity = max(CAPACITY, keras_internals.steps_per_execution(model))
        self._drained: list[np.ndarray] = []

    @property
    def sees_updates(self):
        """Whether an optimizer has come by that updates weights."""
        return bool(self._with_gradient)

    def suits(self, choose, per_batch):
        """Whether this one would do for another `GradientTap`."""
        if not self.variables or self.problem:
            return False
        weights = naming.weights(self._model())
        columns = {id(variable): column for column, variable in enumerate(weights.values())}
        return (self._per_batch, self._kept, self.columns) == (per_batch, self._to_keep(weights, choose), columns)

    def build(self):
        """Make the variables, as soon as the model's weights are known."""
        if self.variables:
            return
        weights = naming.weights(self._model())
        self._names = list(weights)
        self.columns = {id(variable): column for column, variable in enumerate(weights.values())}
        self._kept = self._to_keep(weights, self._choose)
        shapes = [(len(Row), len(weights) + 1)]
        if self._per_batch:
            shapes.append((1 + self._capacity, len(weights) + 1))  # The first row counts.
        shapes += [tuple(weights[self._names[column]].shape) for column in self._kept]
        with backend.outside_of_graphs():
            self.variables = [
                keras.Variable(np.zeros(shape, "float32"), dtype="float32", trainable=False, name="gradients")
                for shape in shapes
            ]

    def _to_keep(self, weights, choose):
        """Columns of the weights whose last gradient is kept. What is not trained would take the room for nothing."""
        trainable = {id(variable) for variable in self._model().trainable_variables}
        return [
            column
            for column, (name, variable) in enumerate(weights.items())
            if id(variable) in trainable and choose(name)
        ]

    def fill(self, columns, seen, norms, gradients, updated):
        """Add what one update gives; called inside of the step.

        Args:
            columns: Of the weights in question.
            seen: What is added to the table, (rows, weights in question + 1).
            norms: Of the update, (weights in question + 1,).
            gradients: The new last gradients; None leaves the old ones.
            updated: For each weight in question whether it is updated, and for all whether any is, boolean (weights in
                question + 1,); None is yes.
        """
        self._with_gradient.update(columns)
        table, *others = self.variables
        if updated is not None:
            seen = ops.where(updated, seen, ops.zeros_like(seen))
            norms = ops.where(updated, norms, ops.full_like(norms, math.nan))
        seen = self._spread(columns, seen, 0.0)
        is_largest = np.arange(len(Row))[:, None] == Row.MAX
        table.assign(ops.where(is_largest, ops.maximum(table.value, seen), table.value + seen))
        if self._per_batch:
            buffer = others.pop(0)
            one = 1 if updated is None else ops.cast(updated[-1], "float32")
            # The first row counts. Beyond the last row the count alone goes on.
            count = ops.cast(buffer.value[0, 0] + one, "int32")
            is_next = (ops.arange(1 + self._capacity)[:, None] == count) & (one > 0)
            rows = ops.where(is_next, self._spread(columns, norms, math.nan), buffer.value)
            buffer.assign(ops.concatenate([buffer.value[:1] + one, rows[1:]]))
        for column, variable in zip(self._kept, others, strict=True):
            if gradients is not None and column in columns:
                place = columns.index(column)
                gradient = ops.cast(gradients[place], "float32")
                variable.assign(gradient if updated is None else ops.where(updated[place], gradient, variable.value))

    def _spread(self, columns, values, missing):
        """Values of some weights and a total -> of all weights, and the total; along the last axis."""
        size = len(self._names)
        if columns == list(range(size)):
            return values
        places = [columns.index(column) if column in columns else len(columns) + 1 for column in range(size)]
        values = ops.concatenate([values, ops.full_like(values[..., :1], missing)], axis=-1)
        return ops.take(values, np.array([*places, len(columns)]), axis=-1)

    def lend(self):
        """Hand out the values of the variables, to a train function that takes its state over."""
        values = self._carried or [ops.copy(variable.value) for variable in self.variables]
        self._carried = None
        return values

    def give_back(self, values):
        """Take the values that a train function has handed through. Those that it has kept are begun again."""
        self._carried = None if backend.is_taken_over(values) else list(values)

    def make_room(self, steps):
        """Empty the buffer if it could not hold so many batches more."""
        if self._per_batch and self._room < steps:
            self.drain()
        self._room -= steps

    def reset(self):
        """Begin again."""
        self._drained = []
        if self.variables:
            self._values()
            self._clear(0)
            if self._per_batch:
                self._clear(1)
        self._room = self._capacity

    def drain(self):
        """Empty the buffer of single norms.

        Raises:
            RuntimeError: It was full before.
        """
        if not self._per_batch or not self.variables:
            return
        buffer = _numpy(self._values()[1])
        count = int(buffer[0, 0])
        if count > self._capacity:
            self.reset()
            raise RuntimeError(
                f"{count} batches have come, but the buffer of single norms holds {self._capacity}: call read or drain "
                "more often"
            )
        self._drained.append(buffer[1 : count + 1])
        self._clear(1)
        self._room = self._capacity

    def take(self, last):
        """Return what was seen as a `Tally`, and begin again.

        Args:
            last: Whether to take the last gradients too.

        Raises:
            RuntimeError: Something went wrong in looking, or the buffer was full.
        """
        if self.problem:
            raise RuntimeError(f"the gradients could not be looked at: {self.problem}")
        tally = Tally()
        if not self.variables:
            return tally
        self.drain()
        values = self._values()
        table = _numpy(values[0]).astype("float64")
        columns = {self._names[column]: column for column in sorted(self._with_gradient)} | {GLOBAL: -1}
        tally.table = {name: table[:, column] for name, column in columns.items() if table[Row.BATCHES, column]}
        if last:
            arrays = dict(zip(self._kept, values[len(values) - len(self._kept) :], strict=True))
            tally.last = {name: _numpy(arrays[columns[name]]) for name in tally.table if columns[name] in arrays}
        if self._drained:
            norms = np.concatenate(self._drained)
            tally.batch_norms = {name: norms[:, columns[name]] for name in tally.table}
        tally.clipped = {name for name in tally.table if columns[name] in self.clipped}
        if self.clipped:
            tally.clipped.add(GLOBAL)
        self.reset()
        return tally

    def _values(self):
        if self._carried is not None:
            return self._carried
        backend.sync(self._model())
        return [variable.value for variable in self.variables]

    def _clear(self, place):
        zeros = np.zeros(self.variables[place].shape, "float32")
        if self._carried is not None:
            self._carried[place] = ops.convert_to_tensor(zeros)
        else:
            self.variables[place].assign(zeros)


@contextlib.contextmanager
def forgiven(recorders):
    """Training goes on whatever goes wrong in here; `read` tells of it."""
    try:
        yield
    except Exception as error:
        for recorder in recorders:
            recorder.problem = recorder.problem or f"{type(error).__name__}: {error}"


def _numpy(value):
    """A copy that nobody else holds."""
    return np.array(ops.convert_to_numpy(ops.copy(value)))
