"""What is touched of Keras that its documentation does not promise, in one place.

Each function says in which versions of Keras it was seen. A test for each fails where Keras changes it.
"""

from typing import Any

import keras

# Recurrent layers


def flatten_layers(layer: Any, include_self: bool = True, recursive: bool = True) -> list[Any]:
    """List the layers inside of a layer or model, each once, in the order in which they came to be held.

    Keras 3.12 to 3.15: `Layer._flatten_layers`. `Model.layers` leaves out what layers hold.

    Args:
        layer: A `keras.layers.Layer`, a model too.
        include_self: Whether the layer itself comes first.
        recursive: False stops at what the layer holds itself.
    """
    return layer._flatten_layers(include_self, recursive=recursive)


def own_losses(layer: Any) -> list[Any]:
    """The list to which `add_loss` of a layer appends; changed in place.

    Keras 3.12 to 3.15: `Layer._losses`. The public `losses` is a copy, with those of the layers inside.
    """
    return layer._losses


def compiled_loss(model: Any) -> Any:
    """What `compile` made of the loss: a loss that holds metrics in a list, `metrics`; None before `compile`.

    Keras 3.12 to 3.15: `Trainer._compile_loss`, a `CompileLoss`. The public `loss` is what the user gave.
    """
    return getattr(model, "_compile_loss", None)


def loop_of(layer: Any) -> Any:
    """The method by which a recurrent layer, or a class of them, steps its cell through time.

    Keras 3.12 to 3.15: `RNN.inner_loop(sequences, initial_state, mask, training)` gives (last output, outputs, states).
    """
    return layer.inner_loop


def replace_loop(layer: Any, loop: Any) -> None:
    """Have one recurrent layer step its cell by another function, until its attributes are put back.

    Keras 3.12 to 3.15: `RNN.call` and `Bidirectional.call` look `inner_loop` up on the instance; with `use_cudnn` a
    bidirectional layer would run its two loops by itself, and an LSTM or GRU its fused one.
    """
    vars(layer).update(inner_loop=loop, use_cudnn=False)


def autocast(dtype: Any) -> Any:
    """Context manager in which variables read as this float type, as they do inside of `Layer.__call__`.

    Keras 3.12 to 3.15: `keras.src.backend.AutocastScope`.
    """
    from keras.src.backend import AutocastScope

    return AutocastScope(keras.backend.standardize_dtype(dtype))


def functional_of(model: Any) -> Any:
    """The functional model that a sequential one is inside, or the model itself; None for any other.

    Keras 3.12 to 3.15: `Sequential._functional`, and `Functional._nodes_by_depth`.
    """
    model = getattr(model, "_functional", None) or model
    return model if hasattr(model, "_nodes_by_depth") else None


def nodes_of(functional: Any, operation: Any) -> list[Any]:
    """The places of a functional model at which it uses an operation, which other models may use too.

    Keras 3.12 to 3.15: `Functional._nodes_by_depth`, `Operation._inbound_nodes`; a node has `operation`,
    `parent_nodes`, `input_tensors` and `output_tensors`.
    """
    inside = {id(node) for nodes in functional._nodes_by_depth.values() for node in nodes}
    return [node for node in operation._inbound_nodes if id(node) in inside]
