"""What a record of an event file holds, checked: arrays, frames of states or gates, metadata.

A checksum says that a record is as it was written, not that it makes sense. Each function here gives what it should or
raises ValueError, whatever it is handed, and takes no more memory than the record itself.
"""

import json
import math
from typing import Any, cast

import numpy as np
from tensorboard.compat.proto import tensor_pb2, types_pb2

from rnn_tutorial.recording import schema

# Of TensorBoard's types: how the bytes are read, and the field of the numbers where there are no bytes.
DTYPES = {
    types_pb2.DT_HALF: ("<f2", "half_val"),
    types_pb2.DT_FLOAT: ("<f4", "float_val"),
    types_pb2.DT_DOUBLE: ("<f8", "double_val"),
    types_pb2.DT_INT32: ("<i4", "int_val"),
    types_pb2.DT_INT64: ("<i8", "int64_val"),
}
_AXES = 3  # of a frame: kind, unit, time


def is_numeric(tensor: tensor_pb2.TensorProto) -> bool:
    """Whether a `TensorProto` says that it holds numbers that `array` can read."""
    return tensor.dtype in DTYPES


def array(tensor: tensor_pb2.TensorProto) -> np.ndarray:
    """Read an array.

    TensorBoard's `make_ndarray` repeats a single number as often as the shape says, and so fills any memory.

    Args:
        tensor: A `TensorProto`.

    Returns:
        An array of float16, float32, float64, int32 or int64, read-only.

    Raises:
        ValueError: It holds other than such numbers, or not as many as its shape says.
    """
    if not is_numeric(tensor):
        raise ValueError(f"tensor must hold float or int numbers, received type {tensor.dtype}")
    dtype, field = DTYPES[tensor.dtype]
    if tensor.tensor_content:
        values = np.frombuffer(tensor.tensor_content, dtype)
    elif field == "half_val":  # the bits of each, as an integer
        values = np.array(tensor.half_val).astype("<u2").view(dtype)
    else:
        values = np.array(getattr(tensor, field), dtype)
    return _shaped(values, [dim.size for dim in tensor.tensor_shape.dim])


def histogram(tensor: tensor_pb2.TensorProto) -> np.ndarray:
    """Read the buckets of a histogram.

    Args:
        tensor: A `TensorProto`.

    Returns:
        float64 (buckets, 3), rows left edge, right edge, count. Edges may be NaN or infinite, as TensorFlow writes them
        for values that are.

    Raises:
        ValueError: It is no such table, or its counts are no counts.
    """
    table = array(tensor).astype("float64")
    if table.ndim != 2 or table.shape[1] != 3:
        raise ValueError(f"a histogram must have the shape (buckets, 3), received {table.shape}")
    counts = table[:, 2]
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError("counts must be finite and not negative")
    return table


def metadata(content: bytes) -> schema.Metadata:
    """Read what a tag of the plugin says of itself; each part of it may be missing, or be anything.

    Raises:
        ValueError: It is no JSON object.
    """
    return cast(schema.Metadata, _json(content))


def whole(value: Any) -> Any:
    """Return `value` where it is an integer from 0 on that a page can count with, else None."""
    return value if type(value) is int and 0 <= value < 2**31 else None


def spans(flags: Any) -> list[list[int]]:
    """Which of many things are marked, in few words: [[first, last], ...] of those next to each other."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(flags, bool), [False]])))
    return [[first, last - 1] for first, last in edges.reshape(-1, 2).tolist()]


def marked(found: Any, places: np.ndarray) -> np.ndarray | None:
    """The reverse of `spans`.

    Args:
        found: What should be such a list.
        places: The places to ask for, an array of integers.

    Returns:
        Bool of the shape of `places`; None where `found` is something else.
    """
    if not isinstance(found, list):
        return None
    if any(not isinstance(span, list) or len(span) != 2 or None in map(whole, span) for span in found):
        return None
    begun, over = (np.sort(np.array([span[end] for span in found], dtype=np.int64)) for end in (0, 1))
    return np.searchsorted(begun, places, "right") > np.searchsorted(over, places, "left")


def frame(blobs: list[bytes]) -> tuple[schema.FrameHeader, np.ndarray]:
    """Read states or gates as `callbacks.states` writes them.

    Args:
        blobs: Two byte strings: a header in JSON, and the numbers.

    Returns:
        The header, a dict with `names`, `shape` and `dtype` at least, and an array [kind, unit, time], float16.

    Raises:
        ValueError: It is no such frame.
    """
    if len(blobs) != 2:
        raise ValueError(f"a frame must have 2 parts, received {len(blobs)}")
    header = _json(blobs[0])
    names, shape, dtype = (header.get(key) for key in ("names", "shape", "dtype"))
    if not isinstance(shape, list) or len(shape) != _AXES or not all(map(whole, shape)):
        raise ValueError(f"shape must be {_AXES} integers of at least 1, received {shape!r}")
    if not isinstance(names, list) or len(names) != shape[0] or not all(isinstance(name, str) for name in names):
        raise ValueError(f"names must be {shape[0]} strings, received {names!r}")
    if dtype not in ("float16", "<f2"):
        raise ValueError(f"dtype must be 'float16', received {dtype!r}")
    return cast(schema.FrameHeader, header), _shaped(np.frombuffer(blobs[1], "<f2"), shape)


def _json(content):
    """Read a JSON object."""
    try:
        found = json.loads(content)
    except RecursionError:
        raise ValueError("the JSON is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError(f"the JSON must be an object, received {type(found).__name__}")
    return found


def _shaped(values, shape):
    # A size below zero would stand for "what is left" to NumPy.
    if any(size < 0 for size in shape) or math.prod(shape) != values.size:
        raise ValueError(f"the shape {shape} is not that of {values.size} numbers")
    return values.reshape(shape)
