"""Whether a batch fits a model, before anything is computed."""

from typing import Any

import keras
import numpy as np
from keras import tree

from rnn_tutorial.inspection import keras_internals
from rnn_tutorial.inspection.recurrent import finding


def check_probe(model: Any, x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, Any, Any]:
    """Check a batch against a model with recurrent layers, before anything is computed.

    Returns:
        As for `check_batch`.

    Raises:
        ValueError: What is wrong, with the argument, the value received and what is allowed.
    """
    _check_model(model)
    if not finding.loops(model):
        raise ValueError(f"model must have a recurrent layer that can be followed, received {model.name!r} with none")
    return check_batch(model, x, y, sample_weight)


def check_batch(model: Any, x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, Any, Any]:
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
    is_stateful = any(getattr(layer, "stateful", False) for layer in keras_internals.flatten_layers(model))
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
