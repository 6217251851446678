"""Stable names for layers and weights, the same in every run.

Keras numbers layers through the whole process (`lstm_12`), so that tags made of `weight.path` differ between two runs
of one program. Here a layer is called by the name its author gave it, otherwise after its class and its order in the
model.
"""

import re
from typing import Any

import keras

from rnn_tutorial.inspection import keras_internals


def layers(model):
    """Name every layer of a model, input layers left out.

    Args:
        model: A `keras.Model`. Nested models are opened, and their layers are called `<model>/<layer>`.

    Returns:
        {name: layer}, in the order of the model. A layer used several times is there once. A cell that the model holds
        beside the `RNN` layer that steps it is a part of that one.
    """
    return _unique(_walk(model, ""))


def top_layers(model):
    """Name a model's own layers, input layers and nested models included, without opening these.

    Returns:
        {name: layer}, in the order of the model.
    """
    return _siblings(model.layers)


def weights(model):
    """Name every weight of a model, or of one layer.

    Args:
        model: A `keras.Model`, or a layer of any other kind.

    Returns:
        {"<layer>/<weight>": variable}, in the order of the model; each variable once. A weight that a layer's sublayers
        hold carries the way to it, see `sublayers`: `decoder/gru/kernel`. Where one layer has several weights of one
        name, the later ones get `_1`, `_2`, ... Without "<layer>/" for what a single layer holds itself.
    """
    if not isinstance(model, keras.Model):
        return _unique(_own_weights(model))
    named = []
    for name, layer in layers(model).items():
        named += [(f"{name}/{weight}", variable) for weight, variable in _own_weights(layer)]
    # What a subclassed model holds without a layer around it.
    named += [(f"model/{variable.name}", variable) for variable in model.weights]
    return _unique(named)


def sublayers(layer):
    """Name the layers that a layer holds itself, in attributes, lists or dicts.

    They are called as the layers of a model are: by the name they were given, otherwise after their class and their
    order among each other. The layers of a `Bidirectional` are `forward` and `backward`, those of an `RNN` its cells.

    Returns:
        {name: layer}, in the order in which the layer came to hold them. What `TimeDistributed` wraps, and the one cell
        of an `RNN`, have the name "": their weights are called as if they were its own.
    """
    named, whole = [], []  # what the layer holds under names of its own, and what these are part of
    if isinstance(layer, keras.layers.Bidirectional):
        named = [("forward", layer.forward_layer), ("backward", layer.backward_layer)]
    elif isinstance(layer, keras.layers.RNN):
        named, whole = cells(layer.cell), [layer.cell]
    elif isinstance(layer, keras.layers.TimeDistributed):
        named = [("", layer.layer)]
    is_model = isinstance(layer, keras.Model)
    held = layer.layers if is_model else keras_internals.flatten_layers(layer, include_self=False, recursive=False)
    known = [*whole, *(inner for _, inner in named)]
    stepped = _stepped(held)
    others = [inner for inner in held if id(inner) not in stepped and all(inner is not one for one in known)]
    return _unique([*named, *_siblings(others).items()])


def cells(cell):
    """Name the cells that an `RNN` layer's cell is made of.

    Returns:
        [(name, cell)] in order, those of stacks inside stacks too; [("", cell)] for a cell that is no stack.
    """
    flat = _flat_cells(cell)
    return [("", cell)] if flat == [cell] else list(zip(_names(flat), flat, strict=True))


def is_stack(cell):
    """Whether a cell is several on top of each other, stepped as Keras' `StackedRNNCells` steps them."""
    kind = keras.layers.StackedRNNCells
    return isinstance(cell, kind) and type(cell).call is kind.call


def is_automatic(layer):
    """Whether a layer's name looks like one that Keras made up: its class, perhaps with a number.

    Keras does not keep whether a name was given, so a name given in that very form counts as automatic too.
    """
    return re.fullmatch(rf"{_snake_case(type(layer).__name__)}(_\d+)?", layer.name) is not None


def own_name(layer):
    """The name a layer was given, or else that of its class."""
    return class_name(layer) if is_automatic(layer) else layer.name


def class_name(layer):
    """Name of an object's class in the way Keras writes it: `LSTMCell` -> `lstm_cell`."""
    return _snake_case(type(layer).__name__)


def _walk(model, prefix):
    """(name, layer) for each layer, nested models opened; names may still repeat."""
    stepped = _stepped(model.layers)
    for name, layer in top_layers(model).items():
        if id(layer) in stepped:
            continue
        if isinstance(layer, keras.Model):
            yield from _walk(layer, f"{prefix}{name}/")
        elif not isinstance(layer, keras.layers.InputLayer):
            yield f"{prefix}{name}", layer


def _stepped(held):
    """Ids of the cells that an `RNN` layer beside them steps: they are a part of it."""
    loops = [layer for layer in held if isinstance(layer, keras.layers.RNN)]
    return {id(cell) for loop in loops for cell in (loop.cell, *_flat_cells(loop.cell))}


def _own_weights(layer):
    """[("<sublayer>/.../<weight>", variable)] of all weights of a layer, in its order."""
    ways = _ways(layer)
    return [(ways.get(id(variable), "") + variable.name, variable) for variable in layer.weights]


def _ways(layer):
    """{id of a variable: "<sublayer>/.../"} of the weights that a layer's sublayers hold."""
    ways: dict[int, str] = {}
    for name, inner in sublayers(layer).items():
        begin = f"{name}/" if name else ""
        deeper = _ways(inner) if isinstance(inner, keras.layers.Layer) else {}
        for variable in getattr(inner, "weights", []):
            ways.setdefault(id(variable), begin + deeper.get(id(variable), ""))
    return ways


def _flat_cells(cell):
    if not is_stack(cell):
        return [cell]
    return [flat for one in cell.cells for flat in _flat_cells(one)]


def _siblings(held):
    """{name: layer} of layers that stand side by side, each there once."""
    return dict(zip(_names(held), held, strict=True))


def _names(held):
    """Unique names of layers that stand side by side: given ones, otherwise those of class and order."""
    numbers: dict[str, int] = {}
    names: list[str] = []
    for layer in held:
        name = layer.name if isinstance(layer, keras.layers.Layer) else None  # a cell need not be one
        if name is None or is_automatic(layer):
            kind = class_name(layer)
            number = numbers[kind] = numbers.get(kind, -1) + 1
            name = f"{kind}_{number}" if number else kind
        names.append(_free(name, names))
    return names


def _unique(pairs):
    """Pairs of name and object -> dict; an object is kept once, a name that is taken gets a number."""
    named: dict[str, Any] = {}
    objects = set()
    for name, thing in pairs:
        if id(thing) not in objects:
            objects.add(id(thing))
            named[_free(name, named)] = thing
    return named


def _free(name, taken):
    """A name that is not taken: this one, or with a number."""
    free, number = name, 0
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _snake_case(name):
    """`SimpleRNN` -> `simple_rnn`, `LSTM` -> `lstm`, as Keras names layers."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
