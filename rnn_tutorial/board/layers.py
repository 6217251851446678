"""Which layers a run has: what the metadata of its tags say of them, and in which order they come."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from rnn_tutorial.recording import records, schema


@dataclasses.dataclass
class Layer:
    """What is recorded of a layer of a run."""

    name: str
    cell: str | None = None
    units: int | None = None
    flows: list[str] = dataclasses.field(default_factory=list)
    frames: list[str] = dataclasses.field(default_factory=list)
    last: int = 0  # epoch
    problem: str | None = None
    # In the order of the model, which `place` is of.
    place: tuple[float, float] = (math.inf, math.inf)

    def described(self) -> dict:
        """What the page gets."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key != "place"}


def about(series) -> Mapping[str, Any]:
    """What a tag's metadata say; nothing where they are damaged."""
    try:
        return records.metadata(series.plugin_content)
    except ValueError:
        return {}


def add(layers: dict[str, Layer], tag: str, series) -> None:
    """Take up in {name: layer} what a tag's metadata say."""
    said = about(series)
    version, name, kind = records.whole(said.get("v")), said.get("layer"), said.get("kind")
    if not isinstance(name, str) or not isinstance(kind, str):
        version, name, kind = None, "", ""
    is_known = version in schema.KNOWN_VERSIONS
    if not is_known:
        name, kind = schema.split_tag(tag) or (tag, "")
    layer = layers.setdefault(name, Layer(name))
    layer.last = max(layer.last, series.max_step or 0)
    # Where the order of the model is not recorded: a callback writes the layers in that order, one after the other.
    number = records.whole(said.get("place"))
    layer.place = min(layer.place, (math.inf, series.max_wall_time or 0) if number is None else (number, 0))
    if not is_known:
        says = "nothing" if version is None else f"version {version}"
        known = " and ".join(map(str, schema.KNOWN_VERSIONS))
        layer.problem = (
            f"This layer was recorded in a format that this tab does not know (it says {says}, known are {known}). A "
            "newer rnn_tutorial will show it: pip install --upgrade rnn-tutorial"
        )
        return
    cell = said.get("cell")
    layer.cell = cell if isinstance(cell, str) else None
    layer.units = records.whole(said.get("units"))
    recorded = schema.RENAMED.get(kind, kind)
    layer.flows = [flow for flow, kind in schema.FLOWS.items() if flow in layer.flows or kind == recorded]
    layer.frames = [kind for kind in schema.FRAMES if kind in layer.frames or kind == recorded]


def ordered(layers) -> list[Layer]:
    """Layers in the order of the model."""
    return sorted(layers, key=lambda layer: (layer.place, natural(layer.name)))


def natural(name: str):
    """A key to sort names of runs and layers by, in which numbers count as numbers and folders stay together."""

    def parts(folder):
        texts = re.split("([0-9]+)", folder)  # every second one a number
        texts[1::2] = [number.lstrip("0") for number in texts[1::2]]
        return [(len(text), text) if place % 2 else text.casefold() for place, text in enumerate(texts)]

    return [parts(folder) for folder in re.split(r"[/\\]", name)], name
