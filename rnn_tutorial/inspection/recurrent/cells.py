"""What a class of recurrent cells declares: its states, its gates, its matrix. Keras' own stand at the end.

The hidden state and the gradient through time need no declaration.
"""

import dataclasses
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from rnn_tutorial.inspection import keras_internals

# A value counts as saturated where it is nearer than this to an end of its range.
MARGIN = 0.05


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What `register_cell` was told of a class of cells; the attributes are its arguments."""

    gates: tuple[str, ...]
    compute_gates: Callable[..., Any] | None
    states: tuple[str, ...]
    hidden_from_cell: Callable[..., Any] | None
    ranges: Callable[..., Any] | None
    transition: Callable[..., Any] | None
    split: tuple[str, ...]
    layer: type | None
    name: str


_declared: dict[type, Declaration] = {}


def register_cell(
    kind: type,
    *,
    gates: Sequence[str] = (),
    compute_gates: Callable[..., Any] | None = None,
    states: Sequence[str] = ("hidden",),
    hidden_from_cell: Callable[..., Any] | None = None,
    ranges: Callable[..., Any] | None = None,
    transition: Callable[..., Any] | None = None,
    split: Sequence[str] = ("kernel", "recurrent_kernel", "bias"),
    layer: type | None = None,
    name: str = "",
) -> None:
    """Declare a class of cells, so that its gates, saturation, spectral radius and weights by gate are shown.

    It also holds for subclasses that leave `call` as it is. Call it once, where the class is defined; a later call
    replaces an earlier one.

    Functions get the cell, and `x` and the list `states` as its `call` does: (batch, features) and (batch, units) each.
    All time steps stand in one such batch. The cell's weights have the float type that they have in `call`. What a cell
    draws at random, such as masks for dropout, is to be left out.

    Example:
    The minimal gated unit (Zhou et al. 2016), with `kernel`, `recurrent_kernel` and `bias` for forget gate and
    candidate side by side:

    >>> def mgu_gates(cell, x, states):
    ...     (h,) = states
    ...     from_x = ops.split(x @ cell.kernel + cell.bias, 2, axis=-1)
    ...     u_forget, u_candidate = ops.split(cell.recurrent_kernel, 2, axis=-1)
    ...     forget = from_x[0] + h @ u_forget
    ...     candidate = from_x[1] + (ops.sigmoid(forget) * h) @ u_candidate
    ...     return {"forget": (forget, ops.sigmoid(forget)), "candidate": (candidate, ops.tanh(candidate))}
    >>> inspection.register_cell(MGUCell, gates=["forget", "candidate"], compute_gates=mgu_gates)
    >>> inspection.trace(model, x)["rnn"].gates["forget"]  # (batch, time, units)

    Args:
        kind: A class of cells, as `keras.layers.RNN` steps them.
        gates: Names of the gates, in the order in which the cell's weights hold them. Call "candidate" what makes the
            new content of the state.
        compute_gates: (cell, x, states) -> {gate: (what goes into its activation, what comes out)}, with the states
            before the step. None: traces have no gates.
        states: A name for each of the cell's states, in its order: "hidden" for the one that is its output too, "cell"
            for the cell state c_t, if there is one. Where `call` returns another tensor as its output than that state
            itself, the gradient through time is not known.
        hidden_from_cell: (cell, x, states, c) -> h_t, made of the cell state c_t of the same step. Needed for the
            gradient with respect to the cell state, `Flow.cell`.
        ranges: (cell) -> {gate, "hidden" or "cell": (low, high)}: the limits that count in `Trace.saturation`, and for
            the colours of the RNN tab. None is (-1, 1) for "candidate" and (0, 1) for the other gates.
        transition: (cell) -> the matrix (units, units) that takes the hidden state to the candidate, for
            `spectral_radius`. None is the candidate's part of `recurrent_kernel`, or all of it without gates.
        split: Names of the weights that hold the gates side by side along their last axis, for heatmaps by gate.
        layer: A class of recurrent layers with an `inner_loop` of its own that computes nothing but what stepping the
            cell does, as a fused one. It is stepped instead of run, where it is looked into.
        name: A short name of the kind of cell, as "lstm". It is recorded with a run, and chooses the advice of
            `diagnosis`; one that `diagnosis` does not know, and "", get the general one.

    Raises:
        ValueError: An argument is not allowed; the message names it. Where the functions do not fit the cell, that is
            said once they are used.
    """
    _check(isinstance(kind, type) and callable(getattr(kind, "call", None)), "kind", "a class with a `call`", kind)
    functions = {
        "compute_gates": compute_gates,
        "hidden_from_cell": hidden_from_cell,
        "ranges": ranges,
        "transition": transition,
    }
    for argument, function in functions.items():
        _check(function is None or callable(function), argument, "a function, or None", function)
    declared = Declaration(
        gates=_names("gates", gates),
        states=_names("states", states),
        split=_names("split", split),
        layer=layer,
        name=name,
        **functions,
    )
    is_layer = isinstance(layer, type) and issubclass(layer, keras.layers.RNN)
    _check(not {"hidden", "cell"} & set(gates), "gates", 'names other than "hidden" and "cell"', gates)
    _check(bool(gates) or compute_gates is None, "gates", "the names of what compute_gates computes", gates)
    _check("hidden" in states, "states", 'names, one of them "hidden", the state that is the output too', states)
    _check("cell" in states or hidden_from_cell is None, "states", '"cell" among them with hidden_from_cell', states)
    _check(layer is None or is_layer, "layer", "a subclass of keras.layers.RNN, or None", layer)
    _check(isinstance(name, str), "name", "a string", name)
    _declared[kind] = declared


def _names(argument, names):
    """A tuple of distinct names."""
    allowed = "a list of different names, without /"
    _check(isinstance(names, Sequence) and not isinstance(names, str), argument, allowed, names)
    are_names = all(isinstance(name, str) and name and "/" not in name for name in names)
    _check(are_names and len(set(names)) == len(names), argument, allowed, names)
    return tuple(names)


def _check(is_allowed, argument, allowed, received):
    if not is_allowed:
        raise ValueError(f"{argument} must be {allowed}, received {received!r}")


def declaration(cell: Any) -> Declaration | None:
    """What is declared of a cell's class, or of one that it inherits from without changing `call`."""
    kinds = (kind for kind in type(cell).__mro__ if kind in _declared and type(cell).call is kind.call)  # type: ignore
    return next((_declared[kind] for kind in kinds), None)


def declarations() -> dict[type, Declaration]:
    """All that is declared now."""
    return dict(_declared)


def state_names(cell: Any) -> tuple[str, ...]:
    """Names of a cell's states, where its class is declared, or one that it inherits from, its `call` aside."""
    return next((_declared[kind].states for kind in type(cell).__mro__ if kind in _declared), ())


def has_cell_state(cell: Any) -> bool:
    """Whether a cell has a state c_t beside the hidden one."""
    return "cell" in state_names(cell)


def hidden_size(cell: Any) -> Any:
    """How many units the hidden state of a cell has."""
    names, sizes = state_names(cell), cell.state_size
    return sizes if isinstance(sizes, int) else sizes[names.index("hidden") if names else 0]


def hidden_state(cell: Any, count: int, outputs: Sequence[int]) -> int:
    """Number of the state that counts as hidden: one that the cell hands on, the declared one where it can be.

    Args:
        cell: The cell.
        count: The number of its states.
        outputs: Numbers of those that it hands on as its output.
    """
    declared = declaration(cell)
    hidden = 0 if declared is None else declared.states.index("hidden")
    allowed = outputs or range(count)
    return hidden if hidden in allowed else allowed[0]


def check_states(cell: Any, count: int, hidden: int) -> None:
    """Check the declared states against what the cell did.

    Args:
        cell: The cell.
        count: The number of its states.
        hidden: As found by `hidden_state`.

    Raises:
        ValueError: It has more states or fewer, or hands on another one.
    """
    declared = declaration(cell)
    if declared is None:
        return
    about = f"received {declared.states} for {type(cell).__name__}; see register_cell"
    if len(declared.states) != count:
        raise ValueError(f"states must have a name for each of the cell's {count} states, {about}")
    if declared.states.index("hidden") != hidden:
        raise ValueError(
            f'states must have "hidden" at {hidden}, counted from 0, which the cell hands on as its output, {about}'
        )


def steps_cell(layer: Any) -> bool:
    """Whether a layer's loop does what stepping its cell does, and may be replaced by that."""
    kinds = [keras.layers.RNN, *(one.layer for one in _declared.values() if one.layer is not None)]
    return keras_internals.loop_of(type(layer)) in [keras_internals.loop_of(kind) for kind in kinds]


def gate_names(cell: Any) -> list[str]:
    """Names of the gates in the order of the cell's kernels; an empty list for a cell that has none or is not known."""
    declared = declaration(cell)
    return [] if declared is None else list(declared.gates)


def short_name(cell: Any) -> str:
    """What kind of cell it is, in a word: "simple", "lstm", "gru"; "" where it is not known."""
    declared = declaration(cell)
    return "" if declared is None else declared.name


def split_gates(name: str, weight: np.ndarray, cell: Any) -> dict[str, np.ndarray]:
    """Split a weight of a cell by gate.

    Args:
        name: Its name, such as "kernel", "recurrent_kernel" or "bias".
        weight: The weight, NumPy.
        cell: The cell it belongs to.

    Returns:
        {gate: (rows, units) or (units,)}; {"": weight} where it is not split by gates.
    """
    declared = declaration(cell)
    if declared is None or not declared.gates or name not in declared.split:
        return {"": weight}
    if weight.shape[-1] % len(declared.gates):
        raise ValueError(
            f"split must name weights that hold the {len(declared.gates)} gates side by side, received {name!r} for "
            f"{type(cell).__name__}, which has the shape {weight.shape}; see register_cell"
        )
    return dict(zip(declared.gates, np.split(weight, len(declared.gates), axis=-1), strict=True))


def compute_gates(cell: Any, x: Any, states: list[Any]) -> dict[str, tuple[Any, Any]]:
    """The gates of a cell at every step.

    Args:
        cell: The cell.
        x: What it reads, (time, batch, features).
        states: What each step begins with, (time, batch, units) each.

    Returns:
        {gate: (before its activation, after it)}, (time, batch, units) each; empty for a cell without known gates.
    """
    declared = declaration(cell)
    if declared is None or declared.compute_gates is None:
        return {}
    found = _at_every_step(declared.compute_gates, cell, x, states)
    what = f"What compute_gates of {type(cell).__name__} returns"
    is_whole = isinstance(found, dict) and set(found) == set(declared.gates)
    received = list(found) if isinstance(found, dict) else type(found).__name__
    _check(is_whole, what, f"a dict with the keys {list(declared.gates)}", received)
    pairs = list(found.values())
    _check(all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs), what, "{gate: a pair}", received)
    shapes = [tuple(getattr(part, "shape", ())) for pair in pairs for part in pair]
    allowed = "{gate: (before, after)} with the shape (batch, units), all of the same"
    _check(len(shapes[0]) == 2 and len({shape[1:] for shape in shapes}) == 1, what, allowed, shapes)
    return {gate: tuple(_over_time(part, x) for part in found[gate]) for gate in declared.gates}


def hidden_from_cell(cell: Any, x: Any, states: list[Any]) -> Callable[[Any], Any] | None:
    """The function from the cell states c_t at every step, (time, batch, units), to the hidden states h_t.

    Args:
        cell: The cell.
        x: As for `compute_gates`.
        states: As for `compute_gates`.

    Returns:
        None where it is not declared.
    """
    declared = declaration(cell)
    if declared is None or declared.hidden_from_cell is None:
        return None
    width = states[declared.states.index("hidden")].shape[-1]

    def function(c):
        h = _at_every_step(declared.hidden_from_cell, cell, x, states, _rows(c))
        what = f"What hidden_from_cell of {type(cell).__name__} returns"
        shape = tuple(getattr(h, "shape", ()))
        _check(shape[1:] == (width,), what, f"hidden states (batch, {width})", shape)
        return _over_time(h, x)

    return function


def _at_every_step(function, cell, x, states, *arrays):
    """Call a function of one step with all of them, as one batch in the float type of the hidden state."""
    dtype = states[state_names(cell).index("hidden")].dtype
    with keras_internals.autocast(dtype):
        return function(cell, ops.cast(_rows(x), dtype), [_rows(state) for state in states], *arrays)


def _rows(array):
    """(time, batch, ...) -> (time * batch, ...)."""
    return ops.reshape(array, (-1, array.shape[-1]))


def _over_time(rows, x):
    """(time * batch, units) -> (time, batch, units), like x."""
    return ops.reshape(rows, (*ops.shape(x)[:2], rows.shape[-1]))


def ranges(cell: Any) -> dict[str, tuple[float, float]]:
    """{gate, "hidden" or "cell": (low, high)} of what of a cell can saturate."""
    declared = declaration(cell)
    if declared is None:
        return {}
    if declared.ranges is None:
        return {gate: (-1, 1) if gate == "candidate" else (0, 1) for gate in declared.gates}
    found = declared.ranges(cell)
    allowed = [*declared.gates, *(name for name in ("hidden", "cell") if name in declared.states)]
    are_known = isinstance(found, dict) and set(found) <= set(allowed)
    what = f"What ranges of {type(cell).__name__} returns"
    _check(are_known, what, f"a dict with keys out of {allowed}", found)
    _check(all(map(_is_range, found.values())), what, f"{{name: (low, high)}}, {2 * MARGIN} apart at least", found)
    return found


def _is_range(value):
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return False
    return all(isinstance(end, numbers.Real) for end in value) and value[0] + 2 * MARGIN <= value[1]


def transition(cell: Any) -> np.ndarray | None:
    """The matrix (units, units) from the hidden state to the candidate, float64; None where there is none."""
    declared = declaration(cell)
    if declared is None or declared.transition is None:
        return _candidate_block(cell, declared)
    if not getattr(cell, "built", True):
        return None
    matrix = np.asarray(ops.convert_to_numpy(declared.transition(cell)), dtype="float64")
    what = f"What transition of {type(cell).__name__} returns"
    _check(matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1], what, "a square matrix", matrix.shape)
    return matrix


def _candidate_block(cell, declared):
    kernel = getattr(cell, "recurrent_kernel", None)
    units = getattr(cell, "units", None)
    if kernel is None or units is None or kernel.shape[0] != units or kernel.shape[-1] % units:
        return None
    names = declared.gates if declared is not None and declared.gates else ("candidate",)
    if len(names) * units != kernel.shape[-1] or "candidate" not in names:
        return None
    place = names.index("candidate")
    return np.asarray(kernel, dtype="float64")[:, place * units : (place + 1) * units]


# --- Keras' own


def _lstm_gates(cell, x, states):
    bias = cell.bias if cell.use_bias else 0.0
    both = ops.matmul(x, cell.kernel) + ops.matmul(states[0], cell.recurrent_kernel) + bias
    i, f, c, o = ops.split(both, 4, axis=-1)
    gate = cell.recurrent_activation
    return {"input": (i, gate(i)), "forget": (f, gate(f)), "candidate": (c, cell.activation(c)), "output": (o, gate(o))}


def _lstm_hidden(cell, x, states, c):
    return _lstm_gates(cell, x, states)["output"][1] * cell.activation(c)


def _gru_gates(cell, x, states):
    (h,) = states
    gate, units = cell.recurrent_activation, cell.units
    bias_x, bias_h = (cell.bias, 0.0) if cell.use_bias else (0.0, 0.0)
    if cell.use_bias and cell.reset_after:
        bias_x, bias_h = cell.bias[0], cell.bias[1]
    x_z, x_r, x_h = ops.split(ops.matmul(x, cell.kernel) + bias_x, 3, axis=-1)
    if cell.reset_after:
        h_z, h_r, h_h = ops.split(ops.matmul(h, cell.recurrent_kernel) + bias_h, 3, axis=-1)
    else:
        h_z, h_r = ops.split(ops.matmul(h, cell.recurrent_kernel[:, : 2 * units]), 2, axis=-1)
    z, r = x_z + h_z, x_r + h_r
    reset = gate(r)
    from_h = reset * h_h if cell.reset_after else ops.matmul(reset * h, cell.recurrent_kernel[:, 2 * units :])
    new = x_h + from_h
    return {"update": (z, gate(z)), "reset": (r, reset), "candidate": (new, cell.activation(new))}


def _simple_ranges(cell):
    return {"hidden": (-1, 1)} if cell.activation is keras.activations.tanh else {}


register_cell(keras.layers.SimpleRNNCell, ranges=_simple_ranges, layer=keras.layers.SimpleRNN, name="simple")
register_cell(
    keras.layers.LSTMCell,
    gates=["input", "forget", "candidate", "output"],
    compute_gates=_lstm_gates,
    states=["hidden", "cell"],
    hidden_from_cell=_lstm_hidden,
    layer=keras.layers.LSTM,
    name="lstm",
)
register_cell(
    keras.layers.GRUCell,
    gates=["update", "reset", "candidate"],
    compute_gates=_gru_gates,
    layer=keras.layers.GRU,
    name="gru",
)
