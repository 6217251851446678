"""The argument `layers`: of which layers to keep the gradients."""

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

import keras

from rnn_tutorial.inspection import naming

# A stable name, some of them, or a function from such a name to whether the layer is chosen; None is all.
Layers: TypeAlias = str | list[str] | tuple[str, ...] | set[str] | Callable[[str], Any] | None


def check_layers(layers: Layers, model: keras.Model | None = None) -> None:
    """Check the argument `layers`, as far as that can be done without a model.

    Raises:
        ValueError: It is neither None nor a name, a list of names or a function; or a layer is not in the model.
    """
    predicate(layers, model)


def chooses(layers: Layers, name: str) -> bool:
    """Whether the argument `layers` takes in a weight, given its name `<layer>/<weight>`."""
    return predicate(layers, None)(name)


def predicate(layers: Layers, model: keras.Model | None) -> Callable[[str], bool]:
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
        there = set(naming.layers(model))
        for name in naming.weights(model):
            there.update(itertools.accumulate(name.split("/")[:-1], "{}/{}".format))
        unknown = [name for name in names if name not in there]
        if unknown:
            raise ValueError(
                f"layers must name layers of the model, {', '.join(sorted(there))}; received {unknown[0]!r}"
            )
    return lambda name: any(name.startswith(f"{chosen}/") for chosen in names)
