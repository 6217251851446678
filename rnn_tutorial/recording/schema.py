"""What those who record a run and those who read it agree on, each thing spelled once. Imports nothing of the package.

A tag is written down as a pattern such as "saturation/{layer}/{gate}": `SATURATION.format(layer="lstm", gate="input")`
is the tag, and `match(SATURATION, tag)` the reverse. `{layer}` is the stable name of a layer, `{weight}` the way to a
weight, `<layer>/<weight>`, or `GLOBAL` for all weights together; see `inspection.naming`.
"""

import functools
import re
from typing import TypedDict

# The plugin of TensorBoard that shows what goes through time, and the tab it has.
PLUGIN = "rnn_tutorial"
# Of what is written for it. Version 1 called the gradient that arrives at a step itself `grad_flow_above`.
VERSION = 2
KNOWN_VERSIONS = (1, 2)

# The gradient through time: {part: kind of the tag `rnn/<layer>/<kind>` that holds it}.
FLOWS = {"total": "grad_flow", "immediate": "grad_flow_immediate", "cell": "grad_flow_cell"}
# What is recorded frame by frame.
FRAMES = ("states", "gates")
# {kind of an earlier version: kind of today}
RENAMED = {"grad_flow_above": "grad_flow_immediate"}

_OF_LAYER = "rnn/{layer}/{kind}"

# What the gates of Keras' cells run between, for frames of before, whose headers do not say it.
RANGES = {**dict.fromkeys(("input", "forget", "output", "update", "reset"), (0, 1)), "candidate": (-1, 1)}

# What stands for all weights together where another tag names one weight.
GLOBAL = "global"

# Scalars, a point an epoch.
GRADIENT_NORM = "gradient_norm/{weight}"
GRADIENT_NORM_MAX = "gradient_norm_max/{weight}"
GRADIENT_NORM_CLIPPED = "gradient_norm_clipped/{weight}"
CLIPPED_BATCHES = "clipped_batches"
NONFINITE_BATCHES = "nonfinite_batches/{weight}"
UPDATE_RATIO = "update_ratio/{weight}"
SPECTRAL_RADIUS = "spectral_radius/{layer}"
SATURATION = "saturation/{layer}/{gate}"
GRADIENT_FLOW_RATIO = "gradient_flow_ratio/{layer}"
COPIES_LAST_INPUT = "copies_last_input"
# Scalars by the number of the update of the weights.
GRADIENT_NORM_BATCH = "gradient_norm_batch/{weight}"
EVALUATION = "evaluation_{metric}_vs_iterations"  # Keras' own

# As Keras' TensorBoard callback records losses and metrics: their tag, and {subfolder: what their names begin with}.
EPOCH = "epoch_{metric}"
PARTS = {"train": "", "validation": "val_"}

# Histograms.
WEIGHTS = "weights/{weight}"
GRADIENTS = "gradients/{weight}"

# Pictures.
GRADIENT_FLOW_PICTURE = "gradient_flow_picture/{layer}"
STATES_PICTURE = "states_picture/{layer}"
GATES_PICTURE = "gates_picture/{layer}"
WEIGHTS_PICTURE = "weights_picture/{layer}"
MODEL_DIAGRAM = "diagram/model"
UNROLLED_DIAGRAM = "diagram/unrolled"
CURVES = "curves"

# Texts.
HEALTH = "health"
HEALTH_SUMMARY = "health/summary"
SAMPLED = "sampled/temperature_{temperature}"

# TensorBoard's own, where it is not told another one and nobody else has taken it.
PORT = 6006


class Metadata(TypedDict, total=False):
    """What a tag of the plugin says of itself, in JSON: the same for all its steps.

    Attributes:
        v: The version.
        kind: The last part of the tag.
        layer: Name of the layer.
        cell: Class of its cell.
        family: Short name of the kind of cell, as `register_cell` was told it: "simple", "lstm", "gru", or another; ""
            where none is known. Absent in earlier runs.
        units: Size of its state.
        place: Its place among the recurrent layers of the model.
        masked: The steps that are masked, as [[first, last], ...]; absent where it is not known.
    """

    v: int
    kind: str
    layer: str
    cell: str | None
    family: str
    units: int | None
    place: int
    masked: list[list[int]]


class FrameHeader(TypedDict):
    """What stands, in JSON, before the numbers of a frame.

    Attributes:
        shape: Size of each axis.
        dtype: Of the numbers: "float16", the smallest byte first.
        axes: What each axis is.
        names: The state, or the gate, at each place of the first axis.
        stride: So many places of each axis stand for one that is recorded.
        ranges: For each of the names [low, high], the limits that it runs between, or None where it has none. Absent
            in earlier runs.
    """

    shape: list[int]
    dtype: str
    axes: list[str]
    names: list[str]
    stride: list[int]
    ranges: list[list[float] | None]


def tag(layer: str, kind: str) -> str:
    """The tag of what is recorded of a recurrent layer for the plugin."""
    return _OF_LAYER.format(layer=layer, kind=kind)


def split_tag(tag: str) -> tuple[str, str] | None:
    """The reverse of `tag`: layer and kind, as today's version calls it; None for a tag of something else."""
    beginning, _, rest = tag.partition("/")
    layer, _, kind = rest.rpartition("/")
    return (layer, RENAMED.get(kind, kind)) if beginning == "rnn" and layer else None


def current(tag: str) -> str:
    """A tag of the plugin as today's version calls it."""
    parts = split_tag(tag)
    return tag if parts is None else _OF_LAYER.format(layer=parts[0], kind=parts[1])


def counts_updates(tag: str) -> bool:
    """Whether the steps of a tag are updates of the weights; those of all others are epochs."""
    return any(match(pattern, tag) for pattern in (GRADIENT_NORM_BATCH, EVALUATION))


def match(pattern: str, tag: str) -> dict[str, str] | None:
    """What a tag has for each {name} of a pattern; None where it is another tag.

    The first name takes in as much as it can: names of layers may hold slashes, those of gates and metrics do not.
    """
    beginning = pattern.partition("{")[0]
    found = _expression(pattern).fullmatch(tag) if tag.startswith(beginning) else None
    return None if found is None else found.groupdict()


@functools.cache
def _expression(pattern):
    texts = re.split(r"\{(\w+)\}", pattern)  # every second one a name
    texts[::2] = map(re.escape, texts[::2])
    texts[1::2] = [f"(?P<{name}>{'[^/]+' if place else '.+'})" for place, name in enumerate(texts[1::2])]
    return re.compile("".join(texts), re.DOTALL)


def kind_of(tag: str) -> str:
    """The attribute of `RunData` that holds a tag of ours, or the tags of a pattern."""
    if tag.startswith("rnn/"):
        return "blobs" if tag.rpartition("/")[2] in FRAMES else "tensors"
    return "histograms" if tag.startswith(("weights/", "gradients/")) else "scalars"


def tab_address(host: str = "localhost", port: int = PORT) -> str:
    """The address of the RNN tab of a TensorBoard, whose header may hide the tab behind an arrow."""
    return f"http://{host}:{port}/#{PLUGIN}"
