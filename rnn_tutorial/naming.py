"""Stable names for layers and weights, the same in every run.

Keras numbers layers through the whole process (`lstm_12`), so that tags made of `weight.path` differ between two runs
of one program. Here a layer is called by the name its author gave it, otherwise after its class and its order in the
model.
"""

import re

import keras


def layers(model):
    """Name every layer of a model, input layers left out.

    Args:
        model: A `keras.Model`. Nested models are opened, and their layers are called `<model>/<layer>`.

    Returns:
        {name: layer}, in the order of the model. A layer used several times is there once.
    """
    return _unique(_walk(model, ""))


def top_layers(model):
    """Name a model's own layers, input layers and nested models included, without opening these.

    Returns:
        {name: layer}, in the order of the model.
    """
    numbers: dict[str, int] = {}
    named = []
    for layer in model.layers:
        name = layer.name
        if is_automatic(layer):
            kind = own_name(layer)
            number = numbers.get(kind, 0)
            numbers[kind] = number + 1
            name = kind if number == 0 else f"{kind}_{number}"
        named.append((name, layer))
    return _unique(named)


def weights(model):
    """Name every weight of a model.

    Returns:
        {"<layer>/<weight>": variable}, in the order of the model; each variable once. Where one layer has several
        weights of one name, the later ones get `_1`, `_2`, ... The two directions of a `Bidirectional` layer are
        `<layer>/forward/...` and `<layer>/backward/...`.
    """
    named = []
    for name, layer in layers(model).items():
        for part, holder in _parts(layer):
            named += [(f"{name}/{part}{variable.name}", variable) for variable in holder.weights]
    # What a subclassed model holds without a layer around it.
    named += [(f"model/{variable.name}", variable) for variable in model.weights]
    return _unique(named)


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
    for name, layer in top_layers(model).items():
        if isinstance(layer, keras.Model):
            yield from _walk(layer, f"{prefix}{name}/")
        elif not isinstance(layer, keras.layers.InputLayer):
            yield f"{prefix}{name}", layer


def _parts(layer):
    """(what its weights' names begin with, the layer that holds them)."""
    if isinstance(layer, keras.layers.Bidirectional):
        return [("forward/", layer.forward_layer), ("backward/", layer.backward_layer)]
    return [("", layer)]


def _unique(pairs):
    """Pairs of name and object -> dict; an object is kept once, a name that is taken gets a number."""
    named = {}
    objects = set()
    for name, thing in pairs:
        if id(thing) in objects:
            continue
        objects.add(id(thing))
        free, number = name, 0
        while free in named:
            number += 1
            free = f"{name}_{number}"
        named[free] = thing
    return named


def _snake_case(name):
    """`SimpleRNN` -> `simple_rnn`, `LSTM` -> `lstm`, as Keras names layers."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
