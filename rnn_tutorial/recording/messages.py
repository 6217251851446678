"""What a run writes, as the messages in which TensorBoard expects it."""

import math
import struct
import time
from typing import Any

import numpy as np
from tensorboard.compat.proto import tensor_pb2, types_pb2

from rnn_tutorial.recording import records

_TYPES = {np.dtype(dtype): number for number, (dtype, _) in records.DTYPES.items()}


def tensor(array: Any) -> tensor_pb2.TensorProto:
    """An array of any shape, as `records.array` reads it."""
    array = np.asarray(array)
    if array.dtype not in _TYPES:
        allowed = ", ".join(str(dtype) for dtype in _TYPES)
        raise ValueError(f"array must have one of the dtypes {allowed}, received {array.dtype}")
    message = tensor_pb2.TensorProto(dtype=_TYPES[array.dtype], tensor_content=array.tobytes())
    for size in array.shape:
        message.tensor_shape.dim.add(size=size)
    return message


def strings(values: list[bytes]) -> tensor_pb2.TensorProto:
    """A sequence of byte strings."""
    message = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=values)
    message.tensor_shape.dim.add(size=len(values))
    return message


def image(png: bytes) -> tensor_pb2.TensorProto:
    """A picture with its width and height.

    Raises:
        ValueError: The bytes are not a PNG file.
    """
    if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 24:
        raise ValueError(f"png must be the bytes of a PNG file, received {len(png)} bytes, {bytes(png[:8])!r}...")
    width, height = struct.unpack(">II", png[16:24])
    return strings([str(width).encode(), str(height).encode(), png])


def text(markdown: str) -> tensor_pb2.TensorProto:
    """A text in Markdown."""
    if not isinstance(markdown, str):
        raise ValueError(f"markdown must be a string, received {markdown!r}")
    return tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[markdown.encode()])


def hparams(values: dict[str, Any]) -> bytes:
    """The hyperparameters of a run, as the metadata of the tag that TensorBoard looks for them.

    Raises:
        ValueError: Values are none, or one of them is no string, finite number, True or False.
    """
    if not isinstance(values, dict) or not values:
        raise ValueError(f"values must be a dictionary of names and values, received {values!r}")
    # It stays away from TensorFlow, as long as nothing else of that package is imported.
    from tensorboard.plugins.hparams import plugin_data_pb2

    start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
    for name, value in values.items():
        _set(start.hparams[str(name)], name, value)
    # No `Experiment` beside it: TensorBoard would take that of one run for all of them.
    return plugin_data_pb2.HParamsPluginData(session_start_info=start).SerializeToString()


def _set(message, name, value):
    """Put a value into a `google.protobuf.Value`."""
    if isinstance(value, (bool, np.bool_)):
        message.bool_value = bool(value)
    elif isinstance(value, (int, float, np.integer, np.floating)) and math.isfinite(value):
        message.number_value = float(value)
    elif isinstance(value, str):
        message.string_value = value
    else:
        raise ValueError(f"values[{name!r}] must be a string, a finite number or True or False, received {value!r}")
