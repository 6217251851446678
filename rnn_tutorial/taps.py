"""The true gradients of the training step, taken from the optimizer while Keras' own train function runs.

Keras hands gradients to no callback. But every train step ends in `optimizer.apply(gradients, variables)`. A tap puts a
function around `apply` while a train function of its own is traced, so that the norms are computed inside the compiled
step, from the gradients that training uses: no second pass over the data, no other dropout, no other batch.

In a `fit` the model and its optimizer carry the tap only while a step runs. Whatever callbacks save between two steps,
and whatever remains after training or after an exception, is as if there were no tap.
"""

import contextlib
import dataclasses
import math
import weakref
from typing import Any

import keras
import numpy as np
from keras import ops

from rnn_tutorial import autodiff, checks, naming

GLOBAL = "global"
# Rows of the table that is filled inside the step; a column a weight, the last one for all of them together. All add up
# but for the first.
ROWS = _MAX, _FINITE, _RATIOS, _SUM, _RATIO, _BATCHES, _CLIPPABLE, _CLIPPED, _CLIPPED_BATCHES = range(9)
# Norms of single batches that the buffer holds; in `fit` it is emptied in time, elsewhere `read` and `drain` do that.
CAPACITY = 1024
# Below this the square of a float32 may have lost its digits.
_TINY = 1e-24


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a tap has seen since it was last read.

    Dictionaries go by the stable name of the weight, `<layer>/<weight>`, and hold `"global"` too, the norm over all
    weights together. Weights that are not trained, or that the loss does not depend on, are not there. Norms are L2
    norms, before clipping unless said otherwise, of unscaled gradients; with gradient accumulation they are those of
    the accumulated mean, at update steps only.

    Attributes:
        batches: Updates seen, with those that a `LossScaleOptimizer` left out.
        norm: Mean over the batches whose gradient was finite, NaN where none was.
        norm_max: The largest of them.
        norm_clipped: Mean after clipping, over the batches where all gradients were finite; empty where no clipping is
            set. NaN where clipping itself overflowed.
        clipped_batches: How many of these batches were clipped; None where no clipping is set.
        update_ratio: Mean of ‖w_after - w_before‖ / ‖w_before‖ over the batches where w was not all zero.
        nonfinite: How many batches had a gradient with NaN or infinity.
        last: The last gradient, float32, an array of the weight's shape; without `"global"`.
        batch_norms: The norm of each batch (batches,), where the tap was asked for it; empty otherwise. NaN where a
            `LossScaleOptimizer` left the batch out.
    """

    batches: int
    norm: dict[str, float]
    norm_max: dict[str, float]
    norm_clipped: dict[str, float]
    clipped_batches: int | None
    update_ratio: dict[str, float]
    nonfinite: dict[str, int]
    last: dict[str, np.ndarray]
    batch_norms: dict[str, np.ndarray]


class Tap:
    """Takes the gradients of a model's training steps, from `open` to `close`, or inside `with`; see `tap`.

    Args:
        model: As for `tap`, but need not be built yet.
        layers: As for `tap`. Of a model that is not built `read` tells which layers are not there.
        per_batch: As for `tap`.
        callbacks: The `CallbackList` of a `fit` that has begun, to look at the steps of that one alone. Between two
            steps nothing of the tap is then in the model.
    """

    def __init__(self, model, layers=None, per_batch=False, callbacks=None):
        _check(model, layers, per_batch)
        self._reference = weakref.ref(model)
        self._layers = layers
        self._per_batch = per_batch
        self._callbacks = None if callbacks is None else weakref.ref(callbacks)
        self._model: Any = None  # as long as it is open
        self._optimizer: Any = None
        self._function: Any = None
        self._recorder: Any = None
        self._left: Any = None  # what was not read yet when it was closed: a `Reading`, or why there is none
        self._unwatch: Any = None

    def open(self):
        """Begin to look. Training runs through a train function that is traced with the tap in it."""
        if self._model is not None:
            return self
        model = self._reference()
        if model is None:
            raise ValueError("the model of this tap is gone")
        autodiff.check_one_replica(model)
        choose = _predicate(self._layers, model if model.built else None)
        self._function = _TrainFunction.of(model)
        self._recorder = self._function.recorder(choose, self._per_batch)
        self._model, self._optimizer, self._left = model, model.optimizer, None
        if self._callbacks is None:
            self._function.add(self._recorder)
        else:
            self._watch(self._callbacks())
        return self

    def close(self):
        """Stop looking; the model and its optimizer are as they were. What was seen can still be read."""
        if self._model is None:
            return
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        self._function.remove(self._recorder)
        try:
            self._left = self._read(last=True)
        except Exception as error:  # It is for `read` to tell.
            self._left = error
        self._recorder.is_free = True  # for the next tap
        self._model = self._optimizer = self._function = self._recorder = None

    __enter__ = open

    def __exit__(self, *exception):
        self.close()

    def drain(self):
        """Take the norms of single batches out of the buffer; loops of one's own must, every `CAPACITY` batches."""
        if self._model is not None:
            self._recorder.drain()

    def read(self, last=True):
        """Return what was seen since the last call, as a `Reading`, and begin anew.

        Args:
            last: False leaves out the last gradients, which saves copying them.

        Raises:
            ValueError: A layer is not there, which could not be said before the model was built.
            RuntimeError: More batches than the buffer of single norms holds; or the model has been compiled anew.
        """
        if self._model is not None:
            return self._read(last)
        left, self._left = self._left, None
        if isinstance(left, Exception):
            raise left
        return left or _summary({GLOBAL: -1}, np.zeros((len(ROWS), 1)), {}, None, False)

    def _read(self, last):
        if self._model.optimizer is not self._optimizer:
            raise RuntimeError("the model has been compiled anew, and the tap knows nothing of it; open another one")
        if self._model.built:
            _predicate(self._layers, self._model)
        return self._recorder.read(last)

    def _watch(self, callbacks):
        """Have the next step looked at when all callbacks have been told of its beginning."""
        # By a weak reference: an exception ends a fit without a word, but for the death of its list of callbacks.
        own, reference = callbacks.__dict__.get("on_train_batch_begin"), weakref.ref(callbacks)

        def on_train_batch_begin(batch, logs=None):
            if own is None:
                alive: Any = reference()
                type(alive).on_train_batch_begin(alive, batch, logs)
            else:
                own(batch, logs)
            if self._model is not None:
                self._function.look_once(self._recorder)

        def unwatch():
            if reference() is not None:
                _put_back([(reference(), "on_train_batch_begin", own)])

        callbacks.on_train_batch_begin = on_train_batch_begin
        self._unwatch = unwatch


def tap(model, layers=None, per_batch=False):
    """Look at the gradients of whatever trains the model inside `with`.

    `fit`, `train_on_batch` and loops of one's own that end in `model.optimizer.apply` are all seen, in the last case
    if they are traced inside of `with`. On JAX a loop of one's own must take `model.optimizer.variables` inside of
    `with` too, for what the tap has seen is handed through `stateless_apply` among them, and assign what comes out
    before `read` is called.

    Example:
    >>> with taps.tap(model) as gradients:
    ...     for x, y in batches:
    ...         model.train_on_batch(x, y)
    ...     print(gradients.read().norm["global"])

    Args:
        model: A compiled `keras.Model`.
        layers: Which layers' last gradients to keep: a stable name (see `naming.layers`), a list of them, or a function
            from such a name to True or False. None keeps all. Norms are computed of all.
        per_batch: True keeps the norm of each batch.

    Returns:
        A `Tap`, a context manager; `read` gives a `Reading`.

    Raises:
        ValueError: The model is not compiled or not built, a layer is not there, or an argument is not as above.
        NotImplementedError: The model trains on several replicas.
    """
    _check(model, layers, per_batch)
    if not model.built:
        raise ValueError("model must be built; call it on a batch first, or give it an Input")
    return Tap(model, layers, per_batch)


class _TrainFunction:
    """Stands in for Keras' train function where a step is to be looked at.

    It is kept on the one that it stands in for, with the functions that were traced with taps in them: a later fit need
    not trace anew, which would take as long as many epochs.
    """

    def __init__(self, model, own):
        self._model: Any = weakref.ref(model)
        self._own = own
        self._traced: dict[tuple[_Recorder, ...], Any] = {}  # by who looks
        self._recorders: list[_Recorder] = []
        self._always: list[_Recorder] = []  # who looks at every step
        self._next: list[_Recorder] = []  # who looks at the next step only
        self._installed = contextlib.ExitStack()

    @classmethod
    def of(cls, model):
        """The one for a model's present train function."""
        model.make_train_function()  # Does nothing where there is one.
        own = model.train_function
        if isinstance(getattr(own, "__self__", None), cls):
            return own.__self__
        if not isinstance(getattr(own, "_tapped", None), cls):
            with contextlib.suppress(AttributeError):  # of what the user has put there
                own._tapped = cls(model, own)
        return getattr(own, "_tapped", None) or cls(model, own)

    def recorder(self, choose, per_batch):
        """A recorder that nobody uses, one that has been traced before if possible."""
        model = self._model()
        for recorder in self._recorders:
            if recorder.is_free and recorder.suits(choose, per_batch):
                recorder.reset()
                break
        else:
            recorder = _Recorder(model, choose, per_batch)
            self._recorders.append(recorder)
        if model.built:
            recorder.build()
        recorder.is_free = False
        return recorder

    def add(self, recorder):
        """Have a recorder look at every step, those of loops that call the optimizer themselves too."""
        self._always.append(recorder)
        self._install_anew()

    def look_once(self, recorder):
        """Have a recorder look at the next step."""
        self._next.append(recorder)
        self._stand_in()

    def remove(self, recorder):
        """Have a recorder look no more."""
        self._next = [other for other in self._next if other is not recorder]
        if recorder in self._always:
            self._always.remove(recorder)
            self._install_anew()
        self._stand_in()

    def _run(self, *arguments):
        """As Keras' own: the same arguments, the same results."""
        looking, self._next = self._next, []
        recorders = (*self._always, *looking)
        model = self._model()
        try:
            if not recorders:
                return self._own(*arguments)
            if recorders not in self._traced:
                self._traced[recorders] = self._untraced(model)
            arguments = self._with_room(arguments, looking, model.steps_per_execution)
            with _installed(model, looking, shown=False):
                if autodiff.is_stateless() and looking:
                    return _carried(self._traced[recorders], arguments, looking)
                return self._traced[recorders](*arguments)
        finally:
            self._stand_in()

    def _with_room(self, arguments, looking, steps):
        """Empty the buffers that the next steps would fill; in a stateless state some of them are arguments."""
        if not autodiff.is_stateless():
            looking = [*self._always, *looking]
        for recorder in looking:
            recorder.make_room(steps)
        if not autodiff.is_stateless() or not self._always:
            return arguments

        def exchange(values):
            for recorder in self._always:
                recorder.give_back([next(values) for _ in recorder.variables])
                recorder.make_room(steps)
                yield from recorder.lend()

        return autodiff.exchange(arguments, sum(len(recorder.variables) for recorder in self._always), exchange)

    def _untraced(self, model):
        """A train function of Keras' own making that has not been traced."""
        present, step, own = model.train_function, model.train_step, model.__dict__.get("train_step")

        def train_step(*arguments):
            return step(*arguments)

        try:
            # JAX finds what it has traced before by the function: with the model's own, that of an earlier `compile`.
            model.__dict__["train_step"] = train_step
            model.make_train_function(force=True)
            return model.train_function
        finally:
            _put_back([(model, "train_step", own)])
            model.__dict__["train_function"] = present

    def _install_anew(self):
        self._installed.close()
        if self._always:
            self._installed.enter_context(_installed(self._model(), self._always, shown=True))

    def _stand_in(self):
        """Be the model's train function if somebody looks, and else put Keras' own back."""
        model = self._model()
        present = model.train_function
        if present is self._own or getattr(present, "__self__", None) is self:  # and not one of a later `compile`
            model.__dict__["train_function"] = self._run if self._always or self._next else self._own


def _carried(function, arguments, recorders):
    """Run a stateless train function, with what the recorders hold carried through it."""
    lent = [recorder.lend() for recorder in recorders]
    try:
        result, lent = autodiff.carry(function, arguments, lent)
    finally:  # Also where the data had come to their end. What an exception left nothing of is begun anew.
        for recorder, values in zip(recorders, lent, strict=True):
            recorder.give_back(values)
    return result


@contextlib.contextmanager
def _installed(model, recorders, shown):
    """Put functions around the methods of a model's optimizer, and take them away again.

    Args:
        model: A compiled `keras.Model`.
        recorders: Who looks; may be empty.
        shown: Whether the optimizer shows the recorders' variables among its own for as long. Only a backend whose
            optimizers are stateless needs that; and in its train function they are shown while it is traced.
    """
    if not recorders:
        yield
        return
    outer = model.optimizer
    inner = _innermost(outer)
    stateless = autodiff.is_stateless()
    variables = [variable for recorder in recorders for variable in recorder.variables] if stateless else []
    around = [(inner, "apply", _observed_apply(recorders, inner))]
    if outer is not inner:
        around.append((outer, "apply", _observed_scaled_apply(recorders, outer)))
    if stateless:
        around.append((outer, "stateless_apply", _observed_stateless_apply(recorders, inner, outer, variables, shown)))
        if shown:
            # What a checkpoint holds is not ours to change; and ours stay behind all of the optimizer's own.
            hide = _hidden(inner, variables)
            around += [(inner, "build", hide), (inner, "save_own_variables", hide), (inner, "load_own_variables", hide)]
            if outer is not inner:
                around += [(outer, "save_own_variables", hide), (outer, "load_own_variables", hide)]
    before = [(optimizer, name, optimizer.__dict__.get(name)) for optimizer, name, _ in around]
    for optimizer, name, make in around:
        optimizer.__dict__[name] = make(getattr(optimizer, name))
    try:
        with autodiff.tracked(inner, variables) if shown else contextlib.nullcontext():
            yield
    finally:
        _put_back(before)


def _put_back(attributes):
    """Give objects their own attributes again: (object, name, value), None for one that it did not have."""
    for thing, name, value in attributes:
        if value is None:
            thing.__dict__.pop(name, None)
        else:
            thing.__dict__[name] = value


def _observed_apply(recorders, optimizer):
    """`apply` with a look at what goes in, and at what it does to the weights."""

    def around(apply):
        def observed(grads, trainable_variables=None):
            grads = list(grads)
            if trainable_variables is not None:
                trainable_variables = list(trainable_variables)
            look = None
            with _forgiven(recorders):
                look = _before(recorders, optimizer, grads, trainable_variables)
            result = apply(grads, trainable_variables)
            if look is not None:
                with _forgiven(recorders):
                    look()
            return result

        return observed

    return around


def _observed_scaled_apply(recorders, optimizer):
    """`apply` of an optimizer that leaves out batches whose scaled gradients are not finite: count these."""

    def around(apply):
        def observed(grads, trainable_variables=None):
            grads = list(grads)
            if trainable_variables is not None:
                trainable_variables = list(trainable_variables)
            with _forgiven(recorders):
                _count_left_out(recorders, grads, trainable_variables or optimizer._trainable_variables)
            return apply(grads, trainable_variables)

        return observed

    return around


def _observed_stateless_apply(recorders, inner, outer, variables, shown):
    """`stateless_apply`, in which `apply` finds the recorders' variables among those of the optimizer."""

    def around(stateless_apply):
        def observed(optimizer_variables, grads, trainable_variables):
            with contextlib.nullcontext() if shown else autodiff.tracked(inner, variables):
                if outer is not inner and len(optimizer_variables) == len(outer.variables):
                    mapping = list(zip(outer.variables, optimizer_variables, strict=True))
                    with keras.StatelessScope(state_mapping=mapping) as scope, _forgiven(recorders):
                        _count_left_out(recorders, grads, outer._trainable_variables)
                    optimizer_variables = [scope.get_current_value(variable) for variable in outer.variables]
                return stateless_apply(optimizer_variables, grads, trainable_variables)

        return observed

    return around


def _hidden(optimizer, variables):
    """A method of an optimizer that finds none of our variables among its own."""

    def around(method):
        def hidden(argument):
            with autodiff.untracked(optimizer, variables):
                return method(argument)

        return hidden

    return around


@contextlib.contextmanager
def _forgiven(recorders):
    """Training goes on whatever goes wrong in here; `read` tells of it."""
    try:
        yield
    except Exception as error:
        for recorder in recorders:
            recorder.problem = f"{type(error).__name__}: {error}"


def _before(recorders, optimizer, grads, variables):
    """Note what an update is about to change.

    Returns:
        A function to be called after the update; None where there is nothing to see.
    """
    for recorder in recorders:
        recorder.build()
    all_variables = optimizer._trainable_variables if variables is None else variables
    if len(grads) != len(all_variables):  # Keras will tell.
        return None
    pairs = [
        (gradient, variable)
        for gradient, variable in zip(grads, all_variables, strict=True)
        if gradient is not None
        and id(variable) in recorders[0].columns
        and not getattr(variable, "overwrite_with_gradient", False)
    ]
    if not pairs:
        return None
    pairs.sort(key=lambda pair: recorders[0].columns[id(pair[1])])
    gradients, variables = zip(*pairs, strict=True)
    before = [ops.copy(variable) for variable in variables]
    parts, sums, is_update = optimizer.gradient_accumulation_steps, None, None
    if parts:
        if not optimizer.built:  # As `apply` is about to do.
            with keras.name_scope(optimizer.name, caller=optimizer):
                optimizer.build(all_variables)
        sums = [optimizer._accumulated_gradients[optimizer._get_variable_index(variable)] for variable in variables]
        sums = [ops.copy(variable) for variable in sums]
        is_update = (ops.convert_to_tensor(optimizer._iterations) + 1) % parts == 0

    def look(arrays):
        gradients, sums, is_update, before, after = arrays
        shapes = [variable.shape for variable in variables]
        # Clipping sees the rows of an embedding one by one; of what was accumulated it sees the whole.
        rows = [autodiff.rows(gradient) for gradient in gradients]
        if optimizer.loss_scale_factor is not None:
            rows = [array / optimizer.loss_scale_factor for array in rows]
        whole = [autodiff.dense(*three) for three in zip(gradients, rows, shapes, strict=True)]
        if parts:
            whole = [(array + so_far) / parts for array, so_far in zip(whole, sums, strict=True)]
            gradients = rows = whole
        all_norms = _norms(whole, before, after)
        norms = all_norms[0]
        clipped = None
        if _clips(optimizer):
            clipped = _after_clipping(optimizer, norms, rows, lambda rows: map(autodiff.dense, gradients, rows, shapes))
        seen = _seen(all_norms, clipped)
        for recorder in recorders:
            recorder.clips = clipped is not None
            recorder.fill([recorder.columns[id(variable)] for variable in variables], seen, norms, whole, is_update)

    def after_update():
        after = [ops.copy(variable) for variable in variables]
        autodiff.apart(look, [list(gradients), sums, is_update, before, after])

    return after_update


def _count_left_out(recorders, grads, variables):
    """Count a batch whose scaled gradients are not all finite."""
    for recorder in recorders:
        recorder.build()
    pairs = [
        (gradient, variable)
        for gradient, variable in zip(grads, variables, strict=True)
        if gradient is not None and id(variable) in recorders[0].columns
    ]

    def look(gradients):
        nonfinite = [~ops.all(ops.isfinite(autodiff.rows(gradient))) for gradient in gradients]
        nonfinite = ops.cast(ops.stack(nonfinite), "float32")
        nonfinite = ops.concatenate([nonfinite, ops.max(nonfinite, keepdims=True)])
        seen = ops.one_hot(_BATCHES, len(ROWS))[:, None] * nonfinite[None]
        for recorder in recorders:
            columns = [recorder.columns[id(variable)] for _, variable in pairs]
            recorder.fill(columns, seen, ops.full_like(nonfinite, math.nan), None, nonfinite[-1] > 0)

    autodiff.apart(look, [gradient for gradient, _ in pairs])


def _seen(norms, clipped):
    """What one update adds to the table, (rows, weights + 1).

    Args:
        norms: Of the gradients, of the weights before the update, and of what it added to them, (3, weights + 1).
        clipped: The first of these after clipping, and where it changed something; None where no clipping is set.
    """
    ones = np.ones((1, norms.shape[1]), "float32")
    values = ops.concatenate([norms[:1], ops.divide_no_nan(norms[2:], norms[1:2])])
    finite = ops.isfinite(values) & (ops.concatenate([ones, norms[1:2]]) > 0)
    values = ops.where(finite, values, ops.zeros_like(values))
    finite = ops.cast(finite, "float32")
    rows = [values[:1], finite, values, ones]
    if clipped is None:
        rows.append(np.zeros((3, norms.shape[1]), "float32"))
    else:
        all_finite = finite[:1, -1:] * ones
        clipped = ops.stack(clipped)
        rows += [all_finite, ops.where(all_finite > 0, clipped, ops.zeros_like(clipped))]
    return ops.concatenate(rows)


class _Recorder:
    """The variables that the step fills."""

    def __init__(self, model, choose, per_batch):
        self.is_free = False
        self.variables: list[Any] = []
        self.columns: dict[int, int] = {}  # by the id of the weight
        self.clips = False
        self.problem: str | None = None  # why nothing was recorded
        self._model: Any = weakref.ref(model)
        self._choose = choose
        self._per_batch = per_batch
        self._names: list[str] = []  # of the columns
        self._kept: list[int] = []  # columns whose last gradient is kept
        self._with_gradient: set[int] = set()
        self._carried: list[Any] | None = None  # the variables' values, where the train function hands them through
        self._room = self._capacity = max(CAPACITY, model.steps_per_execution)
        self._drained: list[np.ndarray] = []

    def suits(self, choose, per_batch):
        """Whether this one would do for another tap."""
        if not self.variables or self.problem:
            return False
        weights = self._weights()
        kept = [column for column, name in enumerate(weights) if choose(name)]
        columns = {id(variable): column for column, variable in enumerate(weights.values())}
        return (self._per_batch, self._kept, self.columns) == (per_batch, kept, columns)

    def build(self):
        """Make the variables, as soon as the model's weights are known."""
        if self.variables:
            return
        weights = self._weights()
        self._names = list(weights)
        self.columns = {id(variable): column for column, variable in enumerate(weights.values())}
        self._kept = [column for column, name in enumerate(weights) if self._choose(name)]
        shapes = [(len(ROWS), len(weights) + 1)]
        if self._per_batch:
            shapes.append((1 + self._capacity, len(weights) + 1))  # The first row counts.
        shapes += [tuple(weights[self._names[column]].shape) for column in self._kept]
        with autodiff.outside_of_graphs():
            self.variables = [
                keras.Variable(np.zeros(shape, "float32"), dtype="float32", trainable=False, name="tap")
                for shape in shapes
            ]

    def _weights(self):
        model = self._model()
        trainable = {id(variable) for variable in model.trainable_variables}
        return {name: variable for name, variable in naming.weights(model).items() if id(variable) in trainable}

    def fill(self, columns, seen, norms, gradients, is_update):
        """Add what one step gives; called inside of it.

        Args:
            columns: Of the weights in question.
            seen: What is added to the table, (rows, weights in question + 1).
            norms: Of the batch, (weights in question + 1,).
            gradients: The new last gradients; None leaves the old ones.
            is_update: Whether to do it at all, a boolean tensor; None is yes.
        """

        def assign(variable, value):
            variable.assign(value if is_update is None else ops.where(is_update, value, variable.value))

        self._with_gradient.update(columns)
        table, *others = self.variables
        seen = self._spread(columns, seen, 0.0)
        is_largest = np.arange(len(ROWS))[:, None] == _MAX
        assign(table, ops.where(is_largest, ops.maximum(table.value, seen), table.value + seen))
        if self._per_batch:
            buffer = others.pop(0)
            count = ops.cast(buffer.value[0, 0], "int32") + 1
            # Beyond the last row the count alone goes on.
            rows = ops.where(
                ops.arange(1 + self._capacity)[:, None] == count, self._spread(columns, norms, math.nan), buffer.value
            )
            assign(buffer, ops.concatenate([rows[:1] + 1, rows[1:]]))
        for column, variable in zip(self._kept, others, strict=True):
            if gradients is not None and column in columns:
                assign(variable, ops.cast(gradients[columns.index(column)], "float32"))

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
        """Take the values that a train function has handed through. Those that it has kept are begun anew."""
        self._carried = None if autodiff.is_taken_over(values) else list(values)

    def make_room(self, steps):
        """Empty the buffer if it could not hold so many batches more."""
        if self._per_batch and self._room < steps:
            self.drain()
        self._room -= steps

    def reset(self):
        """Begin anew."""
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

    def read(self, last):
        """Return a `Reading`, and begin anew."""
        if self.problem:
            raise RuntimeError(f"the gradients could not be looked at: {self.problem}")
        self.drain()
        table, arrays = np.zeros((len(ROWS), len(self._names) + 1)), []
        if self.variables:
            values = self._values()
            table = _numpy(values[0]).astype("float64")
            arrays = [_numpy(value) for value in values[len(values) - len(self._kept) :]] if last else []
        last_ones = {self._names[column]: array for column, array in zip(self._kept, arrays, strict=False)}
        norms = np.concatenate(self._drained) if self._drained else np.zeros((0, table.shape[1]), "float32")
        # Weights without a gradient have no column worth telling of.
        names = {self._names[column]: column for column in sorted(self._with_gradient)} | {GLOBAL: -1}
        reading = _summary(names, table, last_ones, norms if self._per_batch else None, self.clips)
        self.reset()
        return reading

    def _values(self):
        if self._carried is not None:
            return self._carried
        autodiff.sync(self._model())
        return [variable.value for variable in self.variables]

    def _clear(self, place):
        zeros = np.zeros(self.variables[place].shape, "float32")
        if self._carried is not None:
            self._carried[place] = ops.convert_to_tensor(zeros)
        else:
            self.variables[place].assign(zeros)


def _summary(names, table, arrays, batch_norms, clips):
    """The table of a recorder -> a `Reading`. `names` gives each name's column."""

    def named(row):
        return {name: float(row[column]) for name, column in names.items()}

    batches, finite = table[_BATCHES], table[_FINITE]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, clipped = table[_SUM] / finite, table[_CLIPPED] / table[_CLIPPABLE]
        ratio = table[_RATIO] / table[_RATIOS]
    return Reading(
        batches=int(batches[-1]),
        norm=named(mean),
        norm_max=named(np.where(finite > 0, table[_MAX], math.nan)),
        norm_clipped=named(clipped) if clips else {},
        clipped_batches=int(table[_CLIPPED_BATCHES, -1]) if clips else None,
        update_ratio=named(ratio),
        nonfinite={name: int(batches[column] - finite[column]) for name, column in names.items()},
        last={name: array for name, array in arrays.items() if name in names and batches[-1]},
        batch_norms={} if batch_norms is None else {name: batch_norms[:, column] for name, column in names.items()},
    )


def _numpy(value):
    """A copy that nobody else holds."""
    return np.array(ops.convert_to_numpy(ops.copy(value)))


def _check(model, layers, per_batch):
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a keras.Model, received {type(model).__name__}")
    if getattr(model, "optimizer", None) is None:
        raise ValueError("model must be compiled with an optimizer; call model.compile(...) first")
    checks.flag("per_batch", per_batch)
    _predicate(layers, model if model.built else None)


def check_layers(layers, model=None):
    """Check the argument `layers`, as far as that can be done without a model.

    Raises:
        ValueError: It is neither None nor a name, a list of names or a function; or a layer is not in the model.
    """
    _predicate(layers, model)


def chooses(layers, name):
    """Whether the argument `layers` takes in a weight, given its name `<layer>/<weight>`."""
    return _predicate(layers, None)(name)


def _predicate(layers, model):
    """Function from the name of a weight to whether its layer is chosen."""
    if layers is None:
        return lambda name: True
    if callable(layers):
        return lambda name: bool(layers(name.rpartition("/")[0]))
    names = [layers] if isinstance(layers, str) else layers
    if not isinstance(names, (list, tuple, set)) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"layers must be None, the name of a layer, a list of names or a function from name to bool, "
            f"received {layers!r}"
        )
    if model is not None:
        there = {name.rpartition("/")[0] for name in naming.weights(model)}
        there |= {name.partition("/")[0] for name in there} | set(naming.layers(model))
        unknown = [name for name in names if name not in there]
        if unknown:
            raise ValueError(
                f"layers must name layers of the model, {', '.join(sorted(there))}; received {unknown[0]!r}"
            )
    return lambda name: any(name.startswith(f"{chosen}/") for chosen in names)


def _innermost(optimizer):
    """The optimizer that updates the weights: the one inside of a `LossScaleOptimizer`."""
    while getattr(optimizer, "inner_optimizer", None) is not None:
        optimizer = optimizer.inner_optimizer
    return optimizer


def _squares(*lists):
    """Sum of squares of each array of some lists, and of all in a list, (lists, arrays + 1), float32."""
    squares = autodiff.square_sums([ops.cast(array, "float32") for arrays in lists for array in arrays])
    squares = ops.reshape(squares, (len(lists), -1))
    return ops.concatenate([squares, ops.sum(squares, axis=1, keepdims=True)], axis=1)


def _norms(gradients, before, after):
    """L2 norms of the gradients, of the weights, and of how far these went; of all together too, (3, weights + 1).

    Squares of float32 leave its range long before the numbers do. Where one did, norms are taken anew of numbers
    divided by the largest.
    """
    squares = _squares(gradients, before, _differences(after, before))
    floor = np.array([[_TINY], [-1], [-1]], "float32")
    in_range = ops.all((squares > floor) & (squares < math.inf))

    def carefully(arrays):
        gradients, before, after = arrays
        return _scaled_norms(gradients, before, _differences(after, before))

    arrays = [gradients, before, after]
    return ops.cond(in_range, lambda: ops.sqrt(squares), lambda: autodiff.out_of_line(carefully, arrays))


def _differences(arrays, others):
    return [ops.cast(one, "float32") - ops.cast(other, "float32") for one, other in zip(arrays, others, strict=True)]


def _scaled_norms(*lists):
    """L2 norm of each array of some lists, and of all in a list, (lists, arrays + 1), whatever their range."""
    arrays = [ops.cast(array, "float32") for arrays in lists for array in arrays]
    scales = _positive(ops.stack([ops.max(ops.abs(array)) for array in arrays]))
    scaled = [array / scales[place] for place, array in enumerate(arrays)]
    norms = ops.reshape(scales * ops.sqrt(autodiff.square_sums(scaled)), (len(lists), -1))
    scale = _positive(ops.max(norms, axis=1, keepdims=True))
    whole = scale * ops.sqrt(ops.sum(ops.square(norms / scale), axis=1, keepdims=True))
    return ops.concatenate([norms, whole], axis=1)


def _positive(array):
    return ops.where(array > 0, array, ops.ones_like(array))


def _clips(optimizer):
    limits = optimizer.clipnorm, optimizer.global_clipnorm, optimizer.clipvalue
    return any(limit is not None and limit > 0 for limit in limits)


def _after_clipping(optimizer, norms, rows, whole):
    """Norms after the optimizer's clipping, and 1 where it changed something; (weights + 1,) each.

    Keras' own formulas, so that what overflows there does so here; but of norms, where Keras computes gradients.

    Args:
        optimizer: With clipping.
        norms: Of the gradients before it, (weights + 1,).
        rows: The gradients as clipping sees them.
        whole: Function from such rows to gradients.
    """
    each = norms[:-1]
    seen = ops.sqrt(_squares(rows)[0])
    if optimizer.clipnorm:
        limit = optimizer.clipnorm
        changed = seen[:-1] > limit
        clipped = ops.where(changed, each * (limit / seen[:-1]), each)
    elif optimizer.global_clipnorm:
        limit = optimizer.global_clipnorm
        changed = ops.broadcast_to(seen[-1:] > limit, each.shape)
        # Infinite: NaN, as with Keras.
        clipped = ops.where(changed, each * (limit / seen[-1:]), each) + (seen[-1:] - seen[-1:])
    else:
        limit = optimizer.clipvalue
        changed = ops.stack([ops.max(ops.abs(array)) > limit for array in rows])
        clipped = _scaled_norms(whole([ops.clip(array, -limit, limit) for array in rows]))[0, :-1]
    changed = ops.cast(changed, "float32")
    whole = _scaled_norms([clipped])[0, -1:]
    return ops.concatenate([clipped, whole]), ops.concatenate([changed, ops.max(changed, keepdims=True)])
