"""What a recurrent layer did with a batch: states, gates, and the gradient through time. Mathematics only, no logging.

A Keras layer gives its output and keeps everything else to itself. Here the loop over time of each recurrent layer is
replaced, for as long as one function is traced, by one that steps the layer's own cell and remembers what it did. The
rest of the model runs as it is: nested models, masks, initial states, other layers.

The gradient through time: to the state h_t that the cell returns a perturbation is added that is zero. The gradient of
the loss with respect to it is the total dL/dh_t, by all ways from step t to the loss: through the layers above, and
through every later step (backpropagation through time; Werbos 1990). The gradient with respect to a second
perturbation, added only to what the layer hands on, is the part that arrives from above.

Nothing is changed by looking: states of stateful layers, seeds and metrics stay as they were, dropout is off.
"""

import contextlib
import dataclasses
import functools
import inspect
import math
import time
import warnings
import weakref
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from rnn_tutorial import _checks, _console, backend
from rnn_tutorial.inspection import losses, naming
from rnn_tutorial.inspection.recurrent import sequences

# A gate counts as shut below the first and as open above the second; a tanh as saturated beyond the second.
SHUT, OPEN = 0.05, 0.95
# A first call that takes longer than this says so.
_LONG = 5.0
# What has been compiled for a model, the last used at the end; dies with it.
_compiled: Any = weakref.WeakKeyDictionary()
_KEPT = 16
# The loops of Keras that are replaced; what a class of somebody else does in its own is not known.
_LOOPS = [kind.inner_loop for kind in (keras.layers.RNN, keras.layers.LSTM, keras.layers.GRU)]


@dataclasses.dataclass(frozen=True)
class Trace:
    """What one recurrent layer did at each step, in the order in which it read; NaN where a step is masked.

    Attributes:
        hidden: States h_t after each step (batch, time, units).
        cell: Cell states c_t (batch, time, units) of an LSTM; None without.
        gates: {name: (batch, time, units)}: "input", "forget", "candidate", "output" of an LSTM; "update", "reset",
            "candidate" of a GRU; empty otherwise.
        saturation: {name: share}: of the gates' values those below 0.05 or above 0.95, of the candidate's, or a simple
            cell's hidden state, those beyond +-0.95. Masked steps and values that are NaN do not count; NaN where
            nothing is left.
    """

    hidden: np.ndarray
    cell: np.ndarray | None
    gates: dict[str, np.ndarray]
    saturation: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Flow:
    """The gradient of the loss through the time of one recurrent layer, in the order in which it read.

    Norms (time,): L2 over the units, mean over the samples for which the step is not masked. Raw: (batch, time, units).
    Steps that are masked for all samples, or raw for one, are NaN. What float32 cannot hold is exactly 0.

    Attributes:
        hidden: The total dL/dh_t.
        cell: The total dL/dc_t of an LSTM, by way of h_t and of c_{t+1}; None without, and for one whose `call` is not
            Keras'.
        immediate: The part of dL/dh_t that arrives at step t itself, from the layers above, and not through later steps
            (Pascanu, Mikolov and Bengio 2013). Where a loop of the
            model's author changes a state between two calls of the layer, what comes back by this change counts, too.
        loss: The loss that was differentiated.
    """

    hidden: np.ndarray
    cell: np.ndarray | None
    immediate: np.ndarray
    loss: float


@dataclasses.dataclass(frozen=True)
class Look:
    """Flow and trace of one layer in the few numbers that callbacks write; arrays as in `Flow` and `Trace`.

    Attributes:
        flow: A `Flow` of norms; None where it was not asked for or the cell was not understood.
        states: {"hidden": (units, time), "cell": ...} of the first sample; empty where they were not asked for, as
            are the following.
        gates: {name: (units, time)} of the first sample.
        saturation: As in `Trace`, over all samples.
        mask: Bool (time, batch), False where a step of a sample is masked; None where none is. What is NaN elsewhere is
            NaN in the network.
    """

    flow: Flow | None
    states: dict[str, np.ndarray]
    gates: dict[str, np.ndarray]
    saturation: dict[str, float]
    mask: np.ndarray | None = None

    def masked(self, time, sample=None):
        """Whether each of `time` steps is masked, bool (time,): for one sample, or for all of them."""
        if self.mask is None:
            return np.zeros(time, bool)
        return ~(self.mask.any(axis=1) if sample is None else self.mask[:, sample])


def layers(model):
    """Find the recurrent layers of a model, wherever they are inside.

    Returns:
        {stable name: layer}, see `naming.layers`. A `Bidirectional` layer gives `<name>/forward` and `<name>/backward`,
        an `RNN` over `StackedRNNCells` gives `<name>/<cell>` for each of its cells. What `TimeDistributed` runs anew at
        each step is not among them.
    """
    found = {}
    for name, layer in _loops(model).items():
        for part, cell in _cells(layer):
            found[f"{name}{part}"] = cell if part else layer
    return found


def trace(model, x, preactivation=False):
    """Replay a batch and return what each recurrent layer did at every step.

    Example:
    >>> forget = trace(model, x)["lstm"].gates["forget"]  # (batch, time, units)

    Args:
        model: A built `keras.Model`.
        x: Its inputs, (batch, time, features) or what else it takes; a list or dict of arrays for several inputs.
        preactivation: True gives for the gates what goes into sigmoid or tanh, instead of what comes out.

    Returns:
        {name: Trace}. Calls of a layer that go on from one another, as in a loop, are one sequence, see `sequences`. A
        layer that reads several sequences is there once per sequence, as `<name>/use_2`, ... A layer that cannot be
        followed is left out with one warning.

    Raises:
        ValueError: The model is not built or has no recurrent layers; x is empty, has NaN, or is of the wrong rank.
    """
    x, _, _ = check_probe(model, x)
    _checks.flag("preactivation", preactivation)
    _, records = _run(model, "trace", (x, None, None), gradient=False, preactivation=preactivation)
    traces = {}
    for name, record in records.items():
        states = {kind: _batch_first(array) for kind, array in record["states"].items()}
        gates = {gate: _batch_first(array) for gate, array in record["gates"].items()}
        saturation = {gate: float(share) for gate, share in record["saturation"].items()}
        traces[name] = Trace(states["hidden"], states.get("cell"), gates, saturation)
    return traces


def gradient_flow(model, x, y, loss=None, raw=False, sample_weight=None):
    """Differentiate the loss of a batch with respect to the state at every step of every recurrent layer.

    Example:
    >>> flow = gradient_flow(model, x, y)["lstm"]
    >>> flow.hidden[0] / flow.hidden[-1]  # how much of the gradient reaches the first step

    Args:
        model: A built `keras.Model`, compiled unless `loss` is given.
        x: Inputs, as for `trace`.
        y: Targets, as for `fit`; None where the loss needs none, because layers add it or `compute_loss` is the
            model's own.
        loss: A loss as `compile` takes it; a function made anew for each call is compiled anew too. None is the loss of
            training: the compiled one and what layers and regularisers add to it, or the model's own `compute_loss`.
        raw: True gives the gradients themselves instead of their norms.
        sample_weight: Weights of the samples, as for `fit`.

    Returns:
        {name: Flow}, named as by `trace`. A layer that cannot be followed is left out with one warning.

    Raises:
        ValueError: As for `trace`; or y does not fit x, loss does not fit the model, or there is no loss.
    """
    x, y, sample_weight = check_probe(model, x, y, sample_weight)
    losses.check_known(model, y, loss)
    _checks.flag("raw", raw)
    kind = "raw" if raw else "norms"
    value, records = _run(model, kind, (x, y, sample_weight), gradient=True, loss=loss)
    flows = {}
    for name, record in records.items():
        if record["flow"] is not None:
            arrays = {part: _batch_first(array) if raw else array for part, array in record["flow"].items()}
            flows[name] = Flow(arrays["hidden"], arrays.get("cell"), arrays["immediate"], float(value))
    return flows


def look(model, x, y=None, sample_weight=None, flow=True, states=True, loss=None):
    """Flow and trace of a batch in one pass, reduced to what callbacks write.

    Args:
        model: A built `keras.Model`, compiled where `flow` is True and `loss` is None.
        x: Inputs, as for `trace`.
        y: Targets, as for `gradient_flow`; not needed without `flow`.
        sample_weight: Weights of the samples, as for `fit`.
        flow: False leaves out the gradients.
        states: False leaves out states, gates and saturation.
        loss: As for `gradient_flow`.

    Returns:
        {name: Look}, named as by `trace`.

    Raises:
        ValueError: As for `gradient_flow`.
    """
    if not flow:
        y = sample_weight = None
    x, y, sample_weight = check_probe(model, x, y, sample_weight)
    if flow:
        losses.check_known(model, y, loss)
    value, records = _run(model, "look" if states else "norms", (x, y, sample_weight), flow, loss if flow else None)
    looks = {}
    for name, record in records.items():
        norms = record["flow"]
        looks[name] = Look(
            None if norms is None else Flow(norms["hidden"], norms.get("cell"), norms["immediate"], float(value)),
            {kind: array.T for kind, array in record["states"].items()},
            {gate: array.T for gate, array in record["gates"].items()},
            {gate: float(share) for gate, share in record["saturation"].items()},
            record["mask"],
        )
    return looks


def answers(model, x):
    """What a model says, dropout and its like off, and nothing in it changed by the asking.

    Unlike `model.predict` this makes no function that stays with the model, and a stateful layer keeps its state.

    Args:
        model: A built `keras.Model`.
        x: A batch, as the model takes it.

    Returns:
        Its outputs, NumPy.
    """
    with _left_as_it_was(model), keras.StatelessScope():
        return tree.map_structure(ops.convert_to_numpy, model(x, **_off(model.call)))


def spectral_radius(layer):
    """Largest absolute eigenvalue of the matrix that takes the hidden state from one step to the next.

    For a simple cell the recurrent kernel; for an LSTM or GRU the block of it that makes the candidate. Below 1 what a
    linear cell remembers fades, above 1 it grows (Pascanu, Mikolov and Bengio 2013, section 2.1).

    Args:
        layer: A recurrent layer or cell with a `recurrent_kernel`.

    Returns:
        A float, NaN where the kernel is not finite; None where there is no such matrix.
    """
    cell = cell_of(layer)
    kernel = getattr(cell, "recurrent_kernel", None)
    units = getattr(cell, "units", None)
    if kernel is None or units is None or kernel.shape[0] != units or kernel.shape[-1] % units:
        return None
    names = gate_names(cell) or ["candidate"]
    if len(names) * units != kernel.shape[-1]:
        return None
    place = names.index("candidate")
    block = np.asarray(kernel, dtype="float64")[:, place * units : (place + 1) * units]
    if not np.isfinite(block).all():
        return math.nan
    return float(np.abs(np.linalg.eigvals(block)).max())


def gate_names(cell):
    """Names of the gates in the order of the cell's kernels; an empty list for a cell that has none or is not known."""
    for kind, names in (
        (keras.layers.LSTMCell, ["input", "forget", "candidate", "output"]),
        (keras.layers.GRUCell, ["update", "reset", "candidate"]),
    ):
        if _behaves_as(cell, kind):
            return names
    return []


def split_gates(name, weight, cell):
    """Split a weight of a cell by gate.

    Args:
        name: "kernel", "recurrent_kernel" or "bias".
        weight: The weight, NumPy.
        cell: The cell it belongs to.

    Returns:
        {gate: (rows, units) or (units,)}; {"": weight} where it is not split by gates.
    """
    gates = gate_names(cell)
    if not gates or name not in ("kernel", "recurrent_kernel", "bias"):
        return {"": weight}
    return dict(zip(gates, np.split(weight, len(gates), axis=-1), strict=True))


def check_probe(model, x, y=None, sample_weight=None):
    """Check a batch against a model with recurrent layers, before anything is computed.

    Returns:
        As for `check_batch`.

    Raises:
        ValueError: What is wrong, with the argument, the value received and what is allowed.
    """
    _check_model(model)
    if not _loops(model):
        raise ValueError(f"model must have a recurrent layer that can be followed, received {model.name!r} with none")
    return check_batch(model, x, y, sample_weight)


def check_batch(model, x, y=None, sample_weight=None):
    """Check a batch against a model of any kind.

    Returns:
        x, y and sample_weight with NumPy arrays, floats as Keras' float type, as `fit` would hand them on.

    Raises:
        ValueError: As for `check_probe`.
    """
    _check_model(model)
    x = _arrays("x", x)
    _check_shapes(model, x)
    sizes = {len(array) for array in tree.flatten(x) if array is not None}
    if not sizes:
        raise ValueError("x must hold at least one array, received None for each")
    if len(sizes) != 1:
        raise ValueError(f"x must have the same number of samples in each array, received {sorted(sizes)}")
    (rows,) = sizes
    if y is not None:
        y = _arrays("y", y)
        _check_rows("y", y, rows)
    if sample_weight is not None:
        sample_weight = _arrays("sample_weight", sample_weight)
        _check_rows("sample_weight", sample_weight, rows)
    return x, y, sample_weight


def _check_model(model):
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a keras.Model, received {type(model).__name__}")
    if not model.built:
        raise ValueError("model must be built; call it on a batch first, or give it an Input")


def _arrays(argument, values):
    def array(value):
        try:
            value = np.asarray(value)
        except Exception as error:  # whatever an object of somebody else's class raises
            raise ValueError(f"{argument} must be an array of numbers, received one that is none: {error}") from None
        # Strings are what some layers turn into numbers. `fit` takes them as objects; tensors become such here.
        is_text = value.dtype.kind == "O" and value.ndim and all(isinstance(one, (str, bytes)) for one in value.flat)
        if value.dtype.kind not in "biufSU" and not is_text:
            raise ValueError(f"{argument} must be an array of numbers, received dtype {value.dtype}")
        if value.ndim == 0 or value.size == 0:
            raise ValueError(f"{argument} must hold at least one sample, received shape {value.shape}")
        if value.dtype.kind == "f":
            value = value.astype(keras.config.floatx())
            bad = int(value.size - np.isfinite(value).sum())
            if bad:
                raise ValueError(f"{argument} must be finite, received {bad} of {value.size} values NaN or infinite")
        return value

    def is_number(value):
        return np.isscalar(value) or getattr(value, "shape", None) == ()

    if values is None or all(map(is_number, tree.flatten(values))):
        return array(values)  # Numbers in lists are one array.
    return tree.map_structure(lambda value: None if value is None else array(value), values)


def _check_rows(argument, values, rows):
    for array in tree.flatten(values):
        if array is not None and len(array) != rows:
            raise ValueError(f"{argument} must have {rows} samples like x, received shape {array.shape}")


def _check_shapes(model, x):
    try:
        expected = model.inputs if isinstance(model, keras.Sequential) else model.input
    except (AttributeError, ValueError):  # A subclassed model does not say.
        return
    is_stateful = any(getattr(layer, "stateful", False) for layer in model._flatten_layers())
    for argument, array, tensor in _inputs(x, expected):
        if array is None:  # Keras allows it where the input is optional.
            continue
        shape = tuple(tensor.shape)
        if not is_stateful:  # Keras notes the size of the batch that a model was built by, and takes any.
            shape = (None, *shape[1:])
        # Keras adds a last axis where that is all that is missing.
        received = (*array.shape, 1) if array.ndim == len(shape) - 1 and shape[-1] == 1 else array.shape
        if len(shape) != len(received) or any(
            size not in (None, got) for size, got in zip(shape, received, strict=True)
        ):
            sizes = tuple("batch" if place == 0 and size is None else size for place, size in enumerate(shape))
            text = ", ".join("any" if size is None else str(size) for size in sizes)
            raise ValueError(f"{argument} must have the shape ({text}), received {array.shape}")
        if array.dtype.kind in "SUO" and tensor.dtype != "string":
            raise ValueError(f"{argument} must be an array of numbers, received dtype {array.dtype}")


def _inputs(x, expected):
    """[(what it is called, array, the model's input tensor)] of what a model is given."""
    tensors = tree.flatten(expected)
    if isinstance(x, dict):
        wanted = expected if isinstance(expected, dict) else {tensor.name: tensor for tensor in tensors}
        if not set(wanted) <= set(x):
            keys = sorted(map(str, x))
            raise ValueError(f"x must have the keys {sorted(wanted)}, the inputs of the model, received {keys}")
        parts = [(f"x[{name!r}]", x[name], part) for name, part in wanted.items()]
        return [one for name, given, part in parts for one in _pairs(name, given, part)]
    given = tree.flatten(x)
    if len(given) != len(tensors):
        raise ValueError(f"x must hold {len(tensors)} arrays, one an input of the model, received {len(given)}")
    names = [f"x[{number}]" for number in range(len(given))] if len(given) > 1 else ["x"]
    return list(zip(names, given, tensors, strict=True))


def _pairs(name, given, expected):
    """As `_inputs`, of one part of a dict, which may hold several arrays itself."""
    arrays, tensors = tree.flatten(given), tree.flatten(expected)
    if len(arrays) != len(tensors):
        raise ValueError(f"{name} must hold {len(tensors)} arrays like the model's input, received {len(arrays)}")
    return [(name, array, tensor) for array, tensor in zip(arrays, tensors, strict=True)]


def _loops(model):
    """{name: layer} of the layers that loop over time, and of the cells that a layer steps without one.

    The two directions of a bidirectional layer are apart.
    """
    every = [(name, layer) for name, layer in _found(model) if not isinstance(layer, keras.layers.TimeDistributed)]
    loops = [layer for _, layer in every if isinstance(layer, keras.layers.RNN)]
    named = {id(inner) for loop in loops for inner in loop._flatten_layers(include_self=False)}
    found: dict[str, Any] = {}
    for name, layer in every:
        if id(layer) not in named:
            named.add(id(layer))
            found[name] = layer
    return found


def _found(model):
    """(name, layer) of the layers that loop over time; of what is inside of `TimeDistributed`, that one."""
    return [(f"{name}{part}", loop) for name, layer in naming.layers(model).items() for part, loop in _inside(layer)]


def _inside(layer):
    if isinstance(layer, keras.layers.RNN) or _is_cell(layer):
        yield "", layer
    elif isinstance(layer, keras.layers.Bidirectional):
        yield "/forward", layer.forward_layer
        yield "/backward", layer.backward_layer
    elif isinstance(layer, keras.layers.TimeDistributed):
        if any(_inside(layer.layer)):
            yield "", layer
    else:
        for name, inner in naming.sublayers(layer).items():
            for part, loop in _inside(inner):
                yield f"/{name}{part}", loop


def _is_cell(layer):
    """Whether a layer is a cell: it has a state, and has to be given one with what it reads."""
    if getattr(layer, "state_size", None) is None:
        return False
    needed = [one for one in inspect.signature(layer.call).parameters.values() if one.default is one.empty]
    return [one.kind for one in needed[:2]] == 2 * [inspect.Parameter.POSITIONAL_OR_KEYWORD]


def cell_of(layer: Any) -> Any:
    """The cell that a layer steps; a cell is its own."""
    return layer.cell if isinstance(layer, keras.layers.RNN) else layer


def _cells(layer):
    """[(what its name gets, cell)] of the cells that a layer steps through, in order."""
    cell = cell_of(layer)
    if not _behaves_as(cell, keras.layers.StackedRNNCells):
        return [("", cell)]
    return [(f"/{name}", part) for name, part in naming.cells(cell)]


def _flat_cells(cell, states):
    """[(cell, its part of the states)] of the cells that a cell is made of."""
    if not _behaves_as(cell, keras.layers.StackedRNNCells):
        return [(cell, states)]
    parts = [part if tree.is_nested(part) else [part] for part in states]
    return [flat for one, part in zip(cell.cells, parts, strict=True) for flat in _flat_cells(one, part)]


def _behaves_as(cell, kind):
    """Whether a cell is of a kind, or inherits from it without changing what it computes."""
    return isinstance(cell, kind) and type(cell).call is kind.call


def _run(model, kind, batch, gradient, loss=None, preactivation=False):
    """Run the compiled function for these shapes, compiling it first where that is still to be done.

    Returns:
        The loss (None without gradient), and {name: record} with NumPy arrays.
    """
    compiled_loss = getattr(model, "_compile_loss", None)
    parts = [*tree.flatten(loss), compiled_loss, *model._flatten_layers()]
    shapes = tree.map_structure(lambda array: None if array is None else (array.shape, array.dtype), batch)
    structure = tree.map_structure(lambda one: one is None, (loss, compiled_loss))
    key = repr((kind, gradient, preactivation, shapes, structure))
    kept = _compiled.setdefault(model, [])
    found = [entry for entry in kept if entry[0] == key and [held() for held in entry[1]] == parts]
    began = time.monotonic()
    new = [] if found else [(key, [_held(one) for one in parts], _compile(model, kind, gradient, loss, preactivation))]
    (entry,) = found or new
    value, records, problems = entry[2](*batch)
    kept[:] = [*(other for other in kept if other is not entry), entry][-_KEPT:]
    if new and time.monotonic() - began > _LONG:
        _console.tell(
            f"recurrent: the first look at {model.name} took {time.monotonic() - began:.0f} s, compiling included; "
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
            recorder = _Recorder(model, perturb)
            with _left_as_it_was(model), scope():
                recorder.reroute()
                y_pred = model(x, **_off(model.call))
                given = tree.map_structure(lambda held: held(), held_loss)
                value = _loss(model, given, x, y, y_pred, sample_weight) if gradient else ops.zeros(())
            problems[:] = recorder.problems(gradient)
            calls[:] = recorder.calls
            return value, [{part: use.arrays for part, use in call.uses.items()} for call in calls]

        def ends():
            recorder = _Recorder(model, lambda *_: None)
            with _left_as_it_was(model), scope():
                recorder.reroute()
                model(x, **_off(model.call))
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
        for name, uses in sequences.sequences(list(calls), ends).items():
            use, theirs = sequences.joined(uses, gradients)
            with scope():
                records[name] = _reduce(use, theirs, kind, preactivation)
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


def _off(call):
    """Arguments that switch off dropout and its like, where a function takes them."""
    parameters = inspect.signature(call).parameters
    takes = "training" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {"training": False} if takes else {}


@contextlib.contextmanager
def _left_as_it_was(model):
    """Keep what a call changes in Python's objects, besides variables; training is to find none of it.

    These are loops that were replaced, what layers add to the loss, masks for dropout, and metrics, which a compiled
    loss makes when it is first used.
    """
    loss = getattr(model, "_compile_loss", None)
    layers = model._flatten_layers()
    attributes = [vars(thing) for thing in (*layers, *([] if loss is None else [loss]))]
    lists = [layer._losses for layer in layers] + ([] if loss is None else [loss.metrics])
    before = [dict(one) for one in attributes], [list(one) for one in lists]
    try:
        yield
    finally:
        for now, then in zip(attributes, before[0], strict=True):
            for name in set(now) - set(then):
                del now[name]
            now.update(then)
        for changed, kept in zip(lists, before[1], strict=True):
            changed[:] = kept


def _loss(model, loss, x, y, y_pred, sample_weight):
    if loss is not None:
        model, names = keras.Model(name=model.name), getattr(model, "output_names", None)
        model.output_names = names
        model.compile(optimizer=None, loss=loss)
    elif model.loss is None and not losses.is_own(model) and not model.losses:
        raise ValueError("model must be compiled with a loss, or the argument loss be given; received one without")
    return model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **_off(model.compute_loss))


class _Recorder:
    """Replaces the loops over time of a model's recurrent layers while it is called.

    Attributes:
        calls: What the layers did, call by call.
    """

    def __init__(self, model, perturb):
        self.loops = _loops(model)
        self._apart = [name for name, layer in _found(model) if isinstance(layer, keras.layers.TimeDistributed)]
        self.perturb = perturb
        self.calls: list[sequences.Call] = []
        self._ends: list[sequences.Call] = []  # the calls from whose states none has gone on
        self._strange: dict[str, str] = {}
        self._is_stepping = False

    def reroute(self):
        """Replace the loops, until `_left_as_it_was` puts the old ones back."""
        for name, layer in self.loops.items():
            if isinstance(layer, keras.layers.RNN):
                # With cuDNN a bidirectional layer would run its two loops by itself.
                vars(layer).update(inner_loop=self._loop(name, layer), use_cudnn=False)
            cell = cell_of(layer)
            if isinstance(cell, keras.layers.Layer):
                vars(cell)["call"] = self._step(name, layer, cell)

    def problems(self, gradient):
        """What could not be followed, a sentence each."""
        told = [f"{name} is not looked into: {reason}" for name, reason in self._strange.items()]
        told += [f"{name} is not looked into: TimeDistributed runs it anew at each step" for name in self._apart]
        reached = {call.name for call in self.calls} | set(self._strange)
        for name in self.loops:
            if name not in reached:
                told.append(f"{name} is not looked into: the model does not run it in the way of Keras' RNN layers")
        if gradient:
            uses = [use for call in self.calls for use in call.uses.values()]
            without = dict.fromkeys(use.key[0] + use.key[2] for use in uses if not use.has_flow)
            told += [
                f"{name} has no gradient through time: what its cell hands on is not one of its states"
                for name in without
            ]
        return told

    def _loop(self, name, layer):
        """What stands in for the loop of a layer."""
        own, place = layer.inner_loop, backend.place()

        def loop(sequences, initial_state, mask, training=False):
            if type(layer).inner_loop not in _LOOPS:
                self._strange[name] = "its class loops over time in its own way"
            if self._is_strange(name, place, sequences, initial_state):
                with self._stepping():
                    return own(sequences, initial_state, mask, training=training)
            x = ops.moveaxis(sequences, 1, 0)  # (time, batch, features)
            mask = tree.flatten(mask)[0]
            if mask is not None:
                mask = ops.moveaxis(ops.cast(mask, "bool"), 1, 0)  # (time, batch) or (time, batch, 1)
                mask = mask if len(mask.shape) == 2 else mask[..., 0]
            if layer.go_backwards:
                x = ops.flip(x, 0)
                mask = None if mask is None else ops.flip(mask, 0)
            last, given, final = self._step_through(name, layer, x, mask, initial_state)
            return last, ops.moveaxis(given, 0, 1), tree.pack_sequence_as(initial_state, final)

        return loop

    def _step(self, name, layer, cell):
        """What stands in for the `call` of a cell, where a layer of somebody else calls it by itself."""
        own, place = cell.call, backend.place()
        signature = inspect.signature(own)

        @functools.wraps(own)
        def step(*arguments, **options):
            bound = signature.bind(*arguments, **options)
            to_x, to_states = list(bound.arguments)[:2]
            x, states = bound.arguments[to_x], bound.arguments[to_states]
            if self._is_stepping or self._is_strange(name, place, x, states):
                with self._stepping():
                    return own(*arguments, **options)
            structure = states

            def call(x, states):
                nonlocal structure
                bound.arguments.update({to_x: x, to_states: states})
                output, structure = own(*bound.args, **bound.kwargs)  # which may be another one than it was given
                return output, structure

            is_one = len(_cells(layer)) == 1
            last, _, final = self._step_through(name, layer, x[None], None, states, call if is_one else None)
            return last, tree.pack_sequence_as(structure, final)

        return step

    def _is_strange(self, name, place, sequences, states):
        """Whether a layer cannot be followed; remembers why."""
        if backend.place() != place:
            self._strange[name] = "it runs inside of a loop, a branch or a function compiled by itself"
        elif tree.is_nested(sequences) or any(len(array.shape) != 2 for array in tree.flatten(states)):
            self._strange[name] = "its states or inputs are not vectors"
        return name in self._strange

    @contextlib.contextmanager
    def _stepping(self):
        """While a cell runs, what it calls is a part of it."""
        before, self._is_stepping = self._is_stepping, True
        try:
            yield
        finally:
            self._is_stepping = before

    def _step_through(self, name, layer, x, mask, initial_state, call=None):
        """Step the cells of a layer through time.

        Args:
            name: The layer's.
            layer: A layer that loops, or a cell.
            x: (time, batch, features), in the order of reading.
            mask: (time, batch), or None.
            initial_state: As Keras hands it over.
            call: (x, states) -> (output, states), for the layer's only cell; None calls the cells as Keras does.

        Returns:
            The last output (batch, units), all of them (time, batch, units), and a list of the last states.
        """
        cells, structures = zip(*_flat_cells(cell_of(layer), initial_state), strict=True)
        steps, batch = ops.shape(x)[:2]  # Numbers where they are known, otherwise tensors.
        states = [state.value if isinstance(state, keras.Variable) else state for state in tree.flatten(initial_state)]
        taken = states
        for end in self._ends:
            if end.name == name and all(id(state) in end.unperturbed for state in taken):
                # This way to the loss is through later steps.
                states = [end.unperturbed[id(state)] for state in taken]
                self._ends = [other for other in self._ends if other is not end]
                break
        number = sum(earlier.name == name for earlier in self.calls)
        uses = [sequences.Use(cell, (name, number, part)) for part, cell in _cells(layer)]
        counts = [len(tree.flatten(structure)) for structure in structures]
        firsts = [sum(counts[:number]) for number in range(len(cells))]
        sizes = [
            getattr(cell, "output_size", None) or states[first].shape[-1]
            for cell, first in zip(cells, firsts, strict=True)
        ]
        perturbations = {}
        for use, first, count, size in zip(uses, firsts, counts, sizes, strict=True):
            widths = {str(number): states[first + number].shape[-1] for number in range(count)}
            for kind, width in {**widths, "immediate": size}.items():
                shape, dtype = (steps, batch, width), states[first].dtype
                perturbations[(*use.key, kind)] = self.perturb((*use.key, kind), shape, dtype)
        perturbed = all(array is not None for array in perturbations.values())

        begin = states[firsts[-1]]
        begin = begin if begin.shape[-1] == sizes[-1] else ops.zeros((batch, sizes[-1]), dtype=begin.dtype)
        zero, last = (False, begin) if mask is None else backend.masked_output(layer, begin)
        read: dict[Any, Any] = {
            "x": x,
            **({} if mask is None else {"mask": mask}),
            **(perturbations if perturbed else {}),
        }

        def step(carry, slices):
            """One step of all cells on top of each other."""
            *states, last = carry
            at = dict(zip(read, slices, strict=True))
            new, given = [], at["x"]
            for use, structure, first in zip(uses, structures, firsts, strict=True):
                before = tree.pack_sequence_as(structure, states[first : first + len(tree.flatten(structure))])
                with self._stepping():
                    given, after = _call(use.cell, given, before) if call is None else call(given, before)
                after = tree.flatten(after)
                handed_on = [number for number, state in enumerate(after) if state is given]
                use.has_flow = bool(handed_on)
                use.hidden = handed_on[0] if handed_on else 0
                if perturbed:
                    after = [state + at[(*use.key, str(number))] for number, state in enumerate(after)]
                    given = (after[use.hidden] if handed_on else given) + at[(*use.key, "immediate")]
                new += after
            if mask is not None:
                kept = at["mask"][:, None]
                new = [ops.where(kept, after, state) for after, state in zip(new, states, strict=True)]
                given = ops.where(kept, given, ops.zeros_like(last) if zero else last)
            return *new, given

        (*final, last), (*after, given) = backend.scan(step, (*states, last), list(read.values()), steps)
        inputs, returned = x, list(final)
        for use, first, count in zip(uses, firsts, counts, strict=True):
            mine = after[first : first + count]
            begins = [state[None] for state in states[first : first + count]]
            before = [ops.concatenate([begin, all_but[:-1]]) for begin, all_but in zip(begins, mine, strict=True)]
            use.arrays = {"inputs": inputs, "before": before, "after": mine, "mask": mask}
            inputs = mine[use.hidden] if use.has_flow else None
            if call is not None or getattr(layer, "return_state", True):  # A cell always returns its state.
                number = first + use.hidden
                back = self.perturb((*use.key, "returned"), ops.shape(final[number]), final[number].dtype)
                returned[number] = final[number] if back is None else final[number] + back
        unperturbed = {id(state): own for state, own in zip(returned, final, strict=True)}
        if mask is None and uses[-1].has_flow:
            unperturbed[id(last)] = final[firsts[-1] + uses[-1].hidden]  # A program may take the output for the state.
        self.calls.append(
            sequences.Call(name, {use.key[2]: use for use in uses}, taken, [last, given, *returned], unperturbed)
        )
        self._ends.append(self.calls[-1])
        return last, given, returned


def _call(cell, x, states):
    return (cell if callable(cell) else cell.call)(x, states, **_off(cell.call))


def _reduce(use, gradients, kind, preactivation):
    """What is kept of a use: a record of arrays."""
    record: dict[str, Any] = {"states": {}, "gates": {}, "saturation": {}, "flow": None, "mask": use.arrays["mask"]}
    missing = None if use.arrays["mask"] is None else ~use.arrays["mask"][..., None]  # (time, batch, 1)
    if gradients and use.has_flow:
        parts = {kind: gradients[str(number)] for kind, number in use.states().items()}
        if "cell" in parts:
            # The perturbation came when the cell had made h_t of c_t already; this way to the loss is to be added.
            beside = parts.pop("cell")
            if _gates(use)[0]:
                parts["cell"] = beside + _through_hidden(use, parts["hidden"])
        parts["immediate"] = gradients["immediate"]
        parts = {part: _with_nan(ops.cast(array, _wide(array)), missing) for part, array in parts.items()}
        record["flow"] = parts if kind == "raw" else {part: _norms(array, missing) for part, array in parts.items()}
    if kind in ("raw", "norms"):
        return record
    states = {kind: use.arrays["after"][number] for kind, number in use.states().items()}
    gates, before = _gates(use)
    for gate, array in gates.items():
        record["saturation"][gate] = _saturation(gate, array, use.arrays["mask"])
    if _behaves_as(use.cell, keras.layers.SimpleRNNCell) and use.cell.activation is keras.activations.tanh:
        record["saturation"]["hidden"] = _saturation("hidden", states["hidden"], use.arrays["mask"])
    for part, arrays in (("states", states), ("gates", before if preactivation else gates)):
        for key, array in arrays.items():
            shown = _with_nan(ops.cast(array, _wide(array)), missing)
            record[part][key] = shown[:, 0] if kind == "look" else shown
    return record


def _through_hidden(use, gradient):
    """The part of dL/dc_t that goes through h_t = o * tanh(c_t) of the same step, given dL/dh_t."""
    gates, _ = _gates(use)
    after = use.arrays["after"][1]  # c_t (time, batch, units)
    return backend.pull_back(use.cell.activation, after, gradient * gates["output"])


def _gates(use):
    """Gates at every step, computed from inputs and states; and what went into their activations.

    Returns:
        Two dicts {gate: (time, batch, units)}, empty for a cell without known gates.
    """
    names = gate_names(use.cell)
    if not names or use.arrays["inputs"] is None:
        return {}, {}
    cell, hidden = use.cell, use.arrays["before"][0]
    kernel, recurrent_kernel = (ops.cast(weight, hidden.dtype) for weight in (cell.kernel, cell.recurrent_kernel))
    bias = ops.cast(cell.bias, hidden.dtype) if cell.use_bias else ops.zeros((), dtype=hidden.dtype)
    from_x = ops.matmul(ops.cast(use.arrays["inputs"], hidden.dtype), kernel)  # (time, batch, gates * units)
    if isinstance(cell, keras.layers.LSTMCell):
        both = from_x + ops.matmul(hidden, recurrent_kernel) + bias
        before = dict(zip(names, ops.split(both, 4, axis=-1), strict=True))
    else:
        bias_x, bias_h = (bias[0], bias[1]) if cell.reset_after and cell.use_bias else (bias, None)
        x_z, x_r, x_h = ops.split(from_x + bias_x, 3, axis=-1)
        if cell.reset_after:
            from_h = ops.matmul(hidden, recurrent_kernel)
            h_z, h_r, h_h = ops.split(from_h if bias_h is None else from_h + bias_h, 3, axis=-1)
        else:
            h_z, h_r = ops.split(ops.matmul(hidden, recurrent_kernel[:, : 2 * cell.units]), 2, axis=-1)
        reset = cell.recurrent_activation(x_r + h_r)
        last = recurrent_kernel[:, 2 * cell.units :]
        from_reset = reset * h_h if cell.reset_after else ops.matmul(reset * hidden, last)
        before = {"update": x_z + h_z, "reset": x_r + h_r, "candidate": x_h + from_reset}
    activations = {name: cell.activation if name == "candidate" else cell.recurrent_activation for name in names}
    return {name: activations[name](array) for name, array in before.items()}, before


def _saturation(gate, values, mask):
    """Share of values (time, batch, units) that are saturated, of those that are not masked; NaN where one is NaN."""
    counts = ops.ones_like(values, dtype=bool) if mask is None else ops.broadcast_to(mask[..., None], ops.shape(values))
    beyond = ops.abs(values) > OPEN if gate in ("candidate", "hidden") else (values < SHUT) | (values > OPEN)
    share = ops.sum(ops.cast(beyond & counts, "float32")) / ops.sum(ops.cast(counts, "float32"))
    return ops.where(ops.any(ops.isnan(values) & counts), math.nan, share)


def _wide(array):
    """float32 for what is narrower: the norm of a vector of float16 may be beyond it."""
    return "float64" if keras.backend.standardize_dtype(array.dtype) == "float64" else "float32"


def _with_nan(array, missing):
    return array if missing is None else ops.where(missing, ops.full_like(array, math.nan), array)


def _norms(array, missing):
    """(time, batch, units) -> (time,): L2 norm over units, mean over the samples for which the step is not missing.

    Numbers are divided by the largest first, since the square of 1e-25 is zero to float32.
    """
    largest = ops.max(ops.abs(array), axis=-1)  # (time, batch)
    tiny = np.finfo(
        keras.backend.standardize_dtype(array.dtype)
    ).tiny  # What is smaller may count as zero in a division.
    scale = ops.where((largest >= tiny) & ops.isfinite(largest), largest, ops.ones_like(largest))
    norms = scale * ops.sqrt(ops.sum(ops.square(array / scale[..., None]), axis=-1))
    if missing is None:
        return ops.mean(norms, axis=-1)
    missing = missing[..., 0]
    norms = ops.where(missing, ops.zeros_like(norms), norms)
    return ops.sum(norms, axis=-1) / ops.sum(ops.cast(~missing, norms.dtype), axis=-1)


def _batch_first(array):
    return np.moveaxis(array, 0, 1)
