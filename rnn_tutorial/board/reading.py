"""Reading what is recorded by way of TensorBoard's data provider."""

import collections
import contextlib
import dataclasses
import math
import sys
import threading

import numpy as np
from tensorboard import errors
from tensorboard.data import provider

from rnn_tutorial.board import arrays, layers
from rnn_tutorial.recording import records, schema

# All there are: TensorBoard has to be told a number.
_ALL = 10**9
# Parts of a frame, with room for what is damaged: TensorBoard makes a list of as many as the shape says.
_MOST_PARTS = 100
# Bytes of curves kept between requests.
_KEPT = 96 * 2**20


@dataclasses.dataclass
class Curves:
    """A layer's flow: `table` (epochs, time) with NaN where a curve ends early, and why it has no number elsewhere."""

    epochs: np.ndarray
    table: np.ndarray
    left_out: int  # that are no curves
    lengths: np.ndarray  # of each epoch's curve
    masked: np.ndarray  # bool (time,)


class Reader:
    """What is recorded of all runs. Each question is a `questions.Question`."""

    def __init__(self, data_provider):
        self._data = _Data(data_provider)
        self._curves: collections.OrderedDict = collections.OrderedDict()
        self._lock = threading.Lock()

    def runs(self, question) -> list[str]:
        """The names of all runs, in the order in which TensorBoard gives them their colours."""
        runs = self._data.list_runs(question.context, experiment_id=question.experiment)
        ordered = sorted(runs, key=lambda run: math.inf if run.start_time is None else run.start_time)
        return [run.run_name for run in ordered]

    def layers_of_runs(self, question) -> dict[str, dict[str, layers.Layer]]:
        """{run: {name: layer}} of all runs, in the same order."""
        found: dict = {run: {} for run in self.runs(question)}
        for listed in (self._data.list_tensors, self._data.list_blob_sequences):
            chosen = {"experiment_id": question.experiment, "plugin_name": schema.PLUGIN}
            for run, tags in listed(question.context, **chosen).items():
                for tag, series in tags.items():
                    layers.add(found.setdefault(run, {}), tag, series)
        return found

    def begun(self, question, runs: list[str]) -> set[str]:
        """Those of some runs that hold anything of what is written at the end of an epoch."""
        chosen = {"experiment_id": question.experiment, "run_tag_filter": provider.RunTagFilter(runs=runs)}
        found: set = set()
        for name, listed_by in (
            ("scalars", self._data.list_scalars),
            ("images", self._data.list_blob_sequences),
            ("histograms", self._data.list_tensors),
        ):
            found.update(run for run, tags in listed_by(question.context, plugin_name=name, **chosen).items() if tags)
        return found

    def curves(self, question) -> Curves:
        """The flow of the run, layer and kind that are asked for."""
        run, layer, flow = question.text("run"), question.text("layer"), question.one_of("kind", schema.FLOWS)
        kind = schema.FLOWS[flow]
        # A run that went on after an upgrade has both, and what was written last counts.
        earlier = [schema.tag(layer, old) for old, new in schema.RENAMED.items() if new == kind]
        tags = [*earlier, schema.tag(layer, kind)]
        chosen = self._chosen(question, run, tags)
        known = self._data.list_tensors(question.context, **chosen).get(run, {})
        listed = [known[tag] for tag in tags if tag in known]
        if not listed:
            raise errors.NotFoundError(f"run {run!r} has no {tags[-1]!r}")
        key = question.experiment, run, tags[-1]
        newest = [(series.max_step, series.max_wall_time) for series in listed]
        with self._lock:  # The page asks for several at once, and each may be large.
            if key not in self._curves or self._curves[key][0] != newest:
                read = self._data.read_tensors(question.context, downsample=_ALL, **chosen).get(run, {})
                data = [datum for tag in tags for datum in read.get(tag, [])]
                self._curves[key] = newest, _curves(data, layers.about(listed[-1]).get("masked"))
            self._curves.move_to_end(key)
            while len(self._curves) > 1 and sum(kept.table.nbytes for _, kept in self._curves.values()) > _KEPT:
                self._curves.popitem(last=False)
            return self._curves[key][1]

    def frame_epochs(self, question) -> list[int]:
        """The epochs of which there are frames of the run, layer and kind that are asked for."""
        return [datum.step for datum in self._frames(question, question.one_of("kind", schema.FRAMES))[1]]

    def frame(self, question, epoch: int):
        """The frame of an epoch: its header, float16 (kind, unit, time), and which time steps are masked."""
        series, frames = self._frames(question, question.one_of("kind", schema.FRAMES))
        datum = next((datum for datum in frames if datum.step == epoch), None)
        if datum is None:
            raise errors.NotFoundError(f"there is no frame of epoch {epoch}")
        try:
            header, values = self._read_frame(question, datum)
            stride = [records.whole(number) for number in header["stride"]]
            if len(stride) != values.ndim or not all(stride):
                raise ValueError(stride)
        except (ValueError, KeyError, TypeError):
            raise errors.InvalidArgumentError(f"the frame of epoch {epoch} is damaged") from None
        times = np.arange(values.shape[2]) * stride[2]
        masked = _masked(layers.about(series).get("masked"), times, values.reshape(-1, len(times)))
        return {**header, "stride": stride, "ranges": _ranges(header)}, values, masked

    def saturation(self, question) -> dict[str, list]:
        """The share of each gate's values that are saturated, over the whole probe: {gate: [[epoch, share], ...]}.

        The gates are in the order of the frames.
        """
        run, layer = question.text("run"), question.text("layer")
        chosen = self._chosen(question, run, None, "scalars")
        known = self._data.list_scalars(question.context, **chosen).get(run, {})
        matched = {tag: schema.match(schema.SATURATION, tag) for tag in known}
        gates = {tag: found["gate"] for tag, found in matched.items() if found and found["layer"] == layer}
        if not gates:
            return {}
        chosen = self._chosen(question, run, list(gates), "scalars")
        read = self._data.read_scalars(question.context, downsample=_ALL, **chosen).get(run, {})
        shares = {
            gates[tag]: [[datum.step, datum.value] for datum in data if _is_finite(datum.value)]
            for tag, data in read.items()
        }
        names = [name for kind in schema.FRAMES for name in self._names(question, kind)]
        ordered = sorted(shares, key=lambda gate: names.index(gate) if gate in names else len(names))
        return {gate: shares[gate] for gate in ordered}

    def _names(self, question, kind):
        """The states or gates of a layer as its last frame lists them; [] where there is none, or it is damaged."""
        with contextlib.suppress(errors.PublicError, ValueError, TypeError):
            frames = self._frames(question, kind)[1]
            return self._read_frame(question, frames[-1])[0]["names"] if frames else []
        return []

    def _read_frame(self, question, datum):
        """Header and numbers of a frame; ValueError where it is damaged."""
        return records.frame([self._data.read_blob(question.context, blob_key=blob.blob_key) for blob in datum.values])

    def _frames(self, question, kind):
        """A series of frames, and all of them."""
        run, layer = question.text("run"), question.text("layer")
        tag = schema.tag(layer, kind)
        chosen = self._chosen(question, run, [tag])
        series = self._data.list_blob_sequences(question.context, **chosen).get(run, {}).get(tag)
        if series is None:
            raise errors.NotFoundError(f"run {run!r} has no {tag!r}")
        if (series.max_length or 0) > _MOST_PARTS:
            raise errors.InvalidArgumentError(f"{tag!r} is damaged: a frame says that it has {series.max_length} parts")
        read = self._data.read_blob_sequences(question.context, downsample=_ALL, **chosen)
        return series, read.get(run, {}).get(tag, [])

    def _chosen(self, question, run, tags, plugin=schema.PLUGIN):
        """The arguments by which the data provider knows tags of a run; None for all of them."""
        wanted = provider.RunTagFilter(runs=[run], tags=tags)
        return {"experiment_id": question.experiment, "plugin_name": plugin, "run_tag_filter": wanted}


class _Data:
    """TensorBoard's data provider, with two of its errors in our words.

    Its plain Python loader knows a tag before what belongs to it, for the moment in which a file is being read: a
    `KeyError` there, nothing here. What it cannot make arrays of is damaged.
    """

    def __init__(self, provider_):
        self._provider = provider_

    def __getattr__(self, name):
        ask = getattr(self._provider, name)

        def asked(*arguments, **named):
            try:
                return ask(*arguments, **named)
            except KeyError:
                return {}
            except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
                raise errors.InvalidArgumentError(
                    f"what is recorded is damaged, TensorBoard cannot read it ({type(error).__name__}: {error})"
                ) from error

        return asked


def _curves(data, masked):
    steps, curves = [datum.step for datum in data], [datum.numpy for datum in data]
    epochs, table, left_out = arrays.matrix(steps, curves)
    sizes = {step: len(one) for step, one in zip(steps, curves, strict=True) if arrays.is_curve(step, one)}
    lengths = np.array([sizes[epoch] for epoch in epochs.tolist()], dtype=np.int64)
    return Curves(epochs, table, left_out, lengths, _masked(masked, np.arange(table.shape[1]), table))


def _masked(recorded, times, table):
    """Which time steps are masked: as it is recorded, else as it can be seen."""
    masked = records.marked(recorded, times)
    return arrays.masked_steps(table) if masked is None else masked


def _ranges(header):
    """What each of a frame's names runs between: as it is recorded, in an earlier run as the name tells, or None."""
    names, recorded = header["names"], header.get("ranges")
    if recorded is None:
        recorded = [schema.RANGES.get(name) for name in names]
    is_list = isinstance(recorded, list) and len(recorded) == len(names)
    return [list(limits) if _is_range(limits) else None for limits in recorded] if is_list else [None] * len(names)


def _is_range(limits):
    if not isinstance(limits, (list, tuple)) or len(limits) != 2:
        return False
    are_numbers = all(type(end) in (int, float) and abs(end) <= sys.float_info.max for end in limits)
    return are_numbers and limits[0] < limits[1]


def _is_finite(value):
    return isinstance(value, (int, float)) and math.isfinite(value)
