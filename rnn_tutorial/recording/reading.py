"""Reading runs: those below a folder, and what each has recorded, from its event files. No Keras, no TensorFlow."""

import dataclasses
import os
import pathlib
import reprlib
from typing import Any

import numpy as np

from rnn_tutorial.recording import events, folders, records, schema

Curve = dict[int, float]
_short = reprlib.Repr()
_short.maxstring = 100
_quote = _short.repr


@dataclasses.dataclass
class RunData:
    """What a run has recorded.

    Attributes:
        name: Where it comes from.
        scalars: {tag: {epoch: number}}; what Keras records is called as in its `History`: `loss`, `val_loss`, ...
        histograms: {tag: {epoch: buckets}}, float64 (buckets, 3) with rows left edge, right edge, count.
        tensors: {tag: {epoch: array}}, such as the norms `rnn/<layer>/grad_flow` (time,).
        blobs: {tag: {epoch: (header, array)}}, such as `rnn/<layer>/states` [kind, unit, time] with the header's names.
        metadata: {tag: what a tag of this package's plugin says of itself}, see `schema.Metadata`.
        problems: What could not be read, a sentence each.
        keeps_all: False keeps only the first and the last array of a tag, so that a long training does not fill the
            memory.
    """

    name: str
    scalars: dict[str, Curve] = dataclasses.field(default_factory=dict)
    histograms: dict[str, dict[int, np.ndarray]] = dataclasses.field(default_factory=dict)
    tensors: dict[str, dict[int, np.ndarray]] = dataclasses.field(default_factory=dict)
    blobs: dict[str, dict[int, Any]] = dataclasses.field(default_factory=dict)
    metadata: dict[str, schema.Metadata] = dataclasses.field(default_factory=dict)
    problems: list[str] = dataclasses.field(default_factory=list)
    keeps_all: bool = True

    def add(self, kind: str, tag: str, step: int, value: Any) -> None:
        """Take what was recorded, as `recording.Run` tells its listeners: kind is the name of one of the attributes."""
        if kind == "metadata":
            self.metadata.setdefault(schema.current(tag), records.metadata(value))
            return
        if kind == "blobs":
            value = records.frame(value)
        series = getattr(self, kind).setdefault(tag, {})
        if not self.keeps_all and kind != "scalars" and len(series) > 1:
            del series[max(series)]
        series[step] = value


def runs(folder: str | os.PathLike) -> list[pathlib.Path]:
    """The runs in a folder and below it.

    A folder with event files is a run; Keras' folders `train` and `validation` belong to the one above them.

    Args:
        folder: Path of a folder.

    Returns:
        A list of paths, sorted.

    Raises:
        ValueError: There is no such folder, or no event file in it.
    """
    folder = pathlib.Path(folder)
    if not os.path.isdir(folder):
        raise ValueError(f"folder must be that of a run or of several, received {str(folder)!r}, which is none")
    found = set()
    for here, *_ in os.walk(folder):
        path = pathlib.Path(here)
        if folders.event_files(path):
            found.add(path.parent if folders.is_part(path) and path != folder else path)
    if not found:
        raise ValueError(f"folder must hold event files (*tfevents*), or folders with such; {str(folder)!r} holds none")
    return sorted(found)


def read(folder: str | os.PathLike) -> RunData:
    """Read what a run has recorded: one of this package, or one of Keras' own TensorBoard callback.

    What is damaged is left out, and `problems` says so; a file that breaks off is read up to there.

    Args:
        folder: Folder of the run.

    Returns:
        A `RunData`.

    Raises:
        ValueError: The folder is no run; the message says what is there instead.
    """
    folder = pathlib.Path(folder)
    below = runs(folder)
    if folder not in below:
        names = ", ".join(str(path.relative_to(folder)) for path in below[:5]) + (", ..." if len(below) > 5 else "")
        raise ValueError(f"folder must be that of one run; {str(folder)!r} holds {len(below)}: {names}")
    run_data = RunData(str(folder))
    for part in (".", *schema.PARTS):
        if part != "." and not folders.is_part(folder / part):
            continue
        files = folders.event_files(folder / part)
        if not files:
            continue
        if len(files) > 1:
            run_data.problems.append(f"{folder / part} holds {len(files)} event files; only {files[-1].name} was read")
        _read_file(files[-1], part, run_data)
    return run_data


def _read_file(path, part, run_data):
    plugins: dict[str, str] = {}
    unknown: set[str] = set()
    left_out: dict[str, str] = {}
    is_empty = True
    try:
        for event in events.read(path):
            is_empty = False
            for value in event.summary.value:
                if value.tag not in plugins:  # A tag's first value says which plugin reads it.
                    about = value.metadata.plugin_data
                    plugins[value.tag] = about.plugin_name or _usual_plugin(value)
                    if about.plugin_name == schema.PLUGIN:
                        what = _problem(about.content)
                        if what:
                            unknown.add(value.tag)
                            left_out[value.tag] = what
                        else:
                            run_data.add("metadata", value.tag, event.step, about.content)
                if value.tag in unknown:
                    continue
                try:
                    _take(value, plugins[value.tag], event.step, part, run_data)
                except ValueError:
                    left_out[value.tag] = f"has a damaged value at step {event.step}"
    except events.BrokenFileError as error:
        run_data.problems.append(str(error))
    else:
        if is_empty:
            run_data.problems.append(
                f"{path} holds no whole record; either nothing is written yet, or it is no event file"
            )
    where = "" if part == "." else f"{part}: "
    run_data.problems += [f"{where}{_quote(tag)} {what}, which was left out" for tag, what in left_out.items()]


def _problem(content):
    """Why the values of a tag with this metadata cannot be understood, in words; "" where they can."""
    try:
        version = records.whole(records.metadata(content).get("v"))
    except ValueError:
        version = None
    if version is None:
        return "is described by damaged metadata"
    return "" if version in schema.KNOWN_VERSIONS else "is of another version of this package"


def _usual_plugin(value):
    """Who reads a tag whose first value, which says so, is lost."""
    kind = schema.kind_of(value.tag)
    if kind in ("tensors", "blobs"):
        return schema.PLUGIN
    if kind == "histograms":
        return "histograms"
    is_number = records.is_numeric(value.tensor) and not value.tensor.tensor_shape.dim
    return "scalars" if is_number else ""


def _take(value, plugin, step, part, run_data):
    """Take one value into the data of a run; ValueError where it is damaged."""
    tag = value.tag
    if step < 0:
        raise ValueError(f"step must be at least 0, received {step}")
    if plugin == "scalars" or value.HasField("simple_value"):
        number = value.simple_value if value.HasField("simple_value") else records.array(value.tensor).item()
        metric = schema.match(schema.EPOCH, tag)
        if metric is not None:  # Keras' folder `train` may also be asked for alone.
            tag = schema.PARTS.get(part, "") + metric["metric"]
        elif part != ".":
            tag = f"{part}/{tag}"
        run_data.add("scalars", tag, step, float(number))
    elif plugin == "histograms":
        if tag.endswith("/histogram"):  # as Keras' own callback calls a weight
            tag = schema.WEIGHTS.format(weight=tag.removesuffix("/histogram"))
        run_data.add("histograms", tag, step, records.histogram(value.tensor))
    elif plugin == schema.PLUGIN and value.tensor.string_val:
        run_data.add("blobs", schema.current(tag), step, value.tensor.string_val)
    elif plugin == schema.PLUGIN:
        array = records.array(value.tensor)
        if array.ndim != 1:
            raise ValueError(f"an array must have one axis, received shape {array.shape}")
        run_data.add("tensors", schema.current(tag), step, array)
