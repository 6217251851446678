"""Where the recurrent layers of a model are, and which cells they step."""

import inspect
from typing import Any

import keras
from keras import tree

from rnn_tutorial.inspection import keras_internals, naming


def layers(model: Any) -> dict[str, Any]:
    """Find the recurrent layers of a model, wherever they are inside.

    Returns:
        {stable name: layer}, see `naming.layers`. A `Bidirectional` layer gives `<name>/forward` and `<name>/backward`,
        an `RNN` over `StackedRNNCells` gives `<name>/<cell>` for each of its cells. What `TimeDistributed` runs anew at
        each step is not among them.
    """
    return {
        f"{name}{part}": cell if part else layer
        for name, layer in loops(model).items()
        for part, cell in cells_of(layer)
    }


def loops(model: Any) -> dict[str, Any]:
    """{name: layer} of the layers that loop over time, and of the cells that a layer steps without one.

    The two directions of a bidirectional layer are apart.
    """
    every = [(name, layer) for name, layer in found(model) if not isinstance(layer, keras.layers.TimeDistributed)]
    loops = [layer for _, layer in every if isinstance(layer, keras.layers.RNN)]
    named = {id(inner) for loop in loops for inner in keras_internals.flatten_layers(loop, include_self=False)}
    apart: dict[str, Any] = {}
    for name, layer in every:
        if id(layer) not in named:
            named.add(id(layer))
            apart[name] = layer
    return apart


def found(model: Any) -> list[tuple[str, Any]]:
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


def cells_of(layer: Any) -> list[tuple[str, Any]]:
    """[(what its name gets, cell)] of the cells that a layer steps through, in order."""
    return [(f"/{name}" if name else "", cell) for name, cell in naming.cells(cell_of(layer))]


def flat_cells(cell: Any, states: Any) -> list[tuple[Any, Any]]:
    """[(cell, its part of the states)] of the cells that a cell is made of."""
    if not naming.is_stack(cell):
        return [(cell, states)]
    parts = [part if tree.is_nested(part) else [part] for part in states]
    return [flat for one, part in zip(cell.cells, parts, strict=True) for flat in flat_cells(one, part)]
