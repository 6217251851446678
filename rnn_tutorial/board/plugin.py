"""The plugin's routes: what is recorded, a layer's flow, a frame of states or gates, findings, the page's files."""

import collections
import contextlib
import json
import math
import pathlib
import re
import shlex
import threading

import numpy as np
import werkzeug
from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.data import provider
from tensorboard.plugins import base_plugin

from rnn_tutorial.board import NAME, arrays
from rnn_tutorial.recording import records, schema

_STATIC = pathlib.Path(__file__).parent / "static"
# What is served, and as what; nothing else is.
_FILES = {
    "index.js": "text/javascript",
    "api.js": "text/javascript",
    "binary.js": "text/javascript",
    "binning.js": "text/javascript",
    "chart.js": "text/javascript",
    "colors.js": "text/javascript",
    "dom.js": "text/javascript",
    "heatmap.js": "text/javascript",
    "host.js": "text/javascript",
    "layout.js": "text/javascript",
    "missing.js": "text/javascript",
    "selection.js": "text/javascript",
    "tables.js": "text/javascript",
    "style.css": "text/css",
}
# The version of the metadata that is understood, see `callbacks.probe`.
# All there are: TensorBoard has to be told a number.
_ALL = 10**9
# Parts of a frame, with room for what is damaged: TensorBoard makes a list of as many as the shape says.
_MOST_PARTS = 100
# A screen has no more points, and an answer no more numbers.
_MOST_BINS = 4096
# So many bytes of curves are kept from one question to the next.
_KEPT = 96 * 2**20
# Rules are applied to files up to this size: reading takes a second for 30 MB, and holds up the other routes.
_LARGEST_TO_DIAGNOSE = 64 * 2**20


class Plugin(base_plugin.TBPlugin):
    """The tab RNN."""

    plugin_name = NAME

    def __init__(self, context):
        self._data = _Data(context.data_provider)
        self._logdir = context.logdir
        self._curves: collections.OrderedDict = collections.OrderedDict()
        self._curves_lock = threading.Lock()
        self._findings: dict = {}
        self._findings_lock = threading.Lock()

    def get_plugin_apps(self):
        """The routes, below `/data/plugin/rnn_tutorial`."""
        answers = {
            "/runs": self._answer_runs,
            "/flow": self._answer_flow,
            "/curve": self._answer_curve,
            "/frames": self._answer_frames,
            "/frame": self._answer_frame,
            "/saturation": self._answer_saturation,
            "/findings": self._answer_findings,
        }
        routes = {route: _application(answer) for route, answer in answers.items()}
        for name, kind in _FILES.items():
            routes[f"/static/{name}"] = _application(lambda question, name=name, kind=kind: _file(name, kind))
        return routes

    def is_active(self):
        """The tab is there once data of ours is; TensorBoard sees that without asking."""
        return False

    def frontend_metadata(self):
        """The name of the tab and the page's program."""
        return base_plugin.FrontendMetadata(es_module_path="/static/index.js", tab_name="RNN")

    # Routes.

    def _answer_runs(self, question):
        """Runs in the order of their names, their layers in that of the model, and what is recorded of each.

        A run's number is its place among all runs by the time at which they began.
        """
        runs = question.runs(self._data)
        found: dict = {run: {} for run in runs}
        for listed in (self._data.list_tensors, self._data.list_blob_sequences):
            for run, tags in listed(question.context, experiment_id=question.experiment, plugin_name=NAME).items():
                for tag, series in tags.items():
                    _add_layer(found.setdefault(run, {}), tag, series)
        others = [run for run, layers in found.items() if not layers and not _is_part(run, found)]
        begun: set = set()
        if others:  # What a run has besides is written at the end of an epoch.
            chosen = {"experiment_id": question.experiment, "run_tag_filter": provider.RunTagFilter(runs=others)}
            for name, listed_by in (
                ("scalars", self._data.list_scalars),
                ("images", self._data.list_blob_sequences),
                ("histograms", self._data.list_tensors),
            ):
                begun.update(
                    run for run, tags in listed_by(question.context, plugin_name=name, **chosen).items() if tags
                )
        listed = []
        for number, (run, layers) in enumerate(found.items()):
            if layers:
                ordered = sorted(layers.values(), key=lambda layer: (layer["place"], _natural(layer["name"])))
                shown = [{key: value for key, value in layer.items() if key != "place"} for layer in ordered]
                listed.append({"name": run, "number": number, "layers": shown})
            elif run in others:
                listed.append({"name": run, "number": number, "layers": [], "starting": run not in begun})
        listed.sort(key=lambda run: _natural(run["name"]))
        return _json({"version": schema.VERSION, "runs": listed})

    def _answer_flow(self, question):
        """All epochs of a layer's flow, thinned: [low, high, mean], or the numbers as they are where they are few."""
        epochs, table, left_out, lengths, masked = self._read_curves(question)
        rows, columns = question.number("rows", 512), question.number("columns", 512)
        row_edges, column_edges = arrays.edges(len(epochs), rows), arrays.edges(table.shape[1], columns)
        parts = (table,)
        if len(row_edges) - 1 < len(epochs) or len(column_edges) - 1 < table.shape[1]:
            parts = arrays.thin(table, rows, columns)
        first, last = epochs[row_edges[:-1]], epochs[row_edges[1:] - 1]
        header = {
            "first": first.tolist(),
            "last": last.tolist(),
            "times": column_edges.tolist(),
            "epochs": len(epochs),
            "left_out": left_out,
            # Why there is no number: the row ends before, the column is masked, or else the network is NaN.
            "lengths": np.maximum.reduceat(lengths, row_edges[:-1]).tolist() if len(epochs) else [],
            "masked": _wholly(masked, column_edges),
        }
        return _bytes(header, *parts)

    def _answer_curve(self, question):
        """The curve of one epoch, as it was recorded; of the last one before it, where that epoch has none."""
        epochs, table, _, lengths, masked = self._read_curves(question)
        place = max(int(np.searchsorted(epochs, question.number("epoch", at_least=0), side="right")) - 1, 0)
        if place >= len(epochs):
            raise errors.NotFoundError("nothing is recorded yet")
        curve = table[place, : lengths[place]]
        return _bytes({"epoch": int(epochs[place]), "masked": np.flatnonzero(masked).tolist()}, curve)

    def _answer_frames(self, question):
        """The epochs of which there are frames."""
        return _json({"epochs": [datum.step for datum in self._list_frames(question)[1]]})

    def _answer_frame(self, question):
        """States or gates of one epoch: float16 (kind, unit, time)."""
        epoch = question.number("epoch", at_least=0)
        series, frames = self._list_frames(question)
        datum = next((datum for datum in frames if datum.step == epoch), None)
        if datum is None:
            raise errors.NotFoundError(f"there is no frame of epoch {epoch}")
        blobs = [self._data.read_blob(question.context, blob_key=blob.blob_key) for blob in datum.values]
        try:
            header, values = records.frame(blobs)
            stride = [records.whole(number) for number in header["stride"]]
            if len(stride) != values.ndim or not all(stride):
                raise ValueError(stride)
        except (ValueError, KeyError, TypeError):
            raise errors.InvalidArgumentError(f"the frame of epoch {epoch} is damaged") from None
        masked = records.marked(_about(series).get("masked"), np.arange(values.shape[2]) * stride[2])
        if masked is None:
            masked = arrays.masked_steps(values.reshape(-1, values.shape[2]))
        content = {"epoch": epoch, "names": header["names"], "stride": stride}
        return _bytes({**content, "masked": np.flatnonzero(masked).tolist()}, values)

    def _answer_saturation(self, question):
        """The share of each gate's values that are saturated, over the whole probe: {gate: [[epoch, share], ...]}."""
        run, layer = question.text("run"), question.text("layer")
        known = self._data.list_scalars(
            question.context,
            experiment_id=question.experiment,
            plugin_name="scalars",
            run_tag_filter=provider.RunTagFilter(runs=[run]),
        )
        beginning = f"saturation/{layer}/"
        tags = [tag for tag in known.get(run, {}) if tag.startswith(beginning) and "/" not in tag[len(beginning) :]]
        read = self._data.read_scalars(
            question.context,
            experiment_id=question.experiment,
            plugin_name="scalars",
            downsample=_ALL,
            run_tag_filter=provider.RunTagFilter(runs=[run], tags=tags),
        )
        shares = {
            tag.removeprefix(beginning): [[datum.step, datum.value] for datum in data if _is_finite(datum.value)]
            for tag, data in (read.get(run, {}) if tags else {}).items()
        }
        return _json({"gates": shares})

    def _answer_findings(self, question):
        """What the rules say of a run, the most severe first; a note where they cannot be applied."""
        run = question.text("run")
        if run not in question.runs(self._data):
            raise errors.NotFoundError(f"there is no run {run!r}")
        folder = pathlib.Path(self._logdir or "").expanduser() / run
        if not self._logdir or not folder.is_dir():
            return _json({"findings": [], "note": "The run's folder cannot be read from here."})
        with self._findings_lock:
            now = _sizes(folder)
            if sum(size for _, size in now) > _LARGEST_TO_DIAGNOSE:
                note = (
                    f"The run's files are large. On the command line: rnn-tutorial diagnose {shlex.quote(str(folder))}"
                )
                return _json({"findings": [], "note": note})
            if run not in self._findings or self._findings[run][0] != now:
                self._findings[run] = now, _diagnose(folder)
            return _json(self._findings[run][1])

    # Reading.

    def _read_curves(self, question):
        """The run, layer and kind that are asked for: epochs, table (epochs, time), how many were left out, each
        curve's length, and which steps are masked.
        """
        run, layer, kind = question.text("run"), question.text("layer"), question.text("kind")
        if kind not in schema.FLOWS:
            raise errors.InvalidArgumentError(f"kind must be one of {', '.join(schema.FLOWS)}, received {kind!r}")
        tag = f"rnn/{layer}/{schema.FLOWS[kind]}"
        chosen = {
            "experiment_id": question.experiment,
            "plugin_name": NAME,
            "run_tag_filter": provider.RunTagFilter(runs=[run], tags=[tag]),
        }
        series = self._data.list_tensors(question.context, **chosen).get(run, {}).get(tag)
        if series is None:
            raise errors.NotFoundError(f"run {run!r} has no {tag!r}")
        key = question.experiment, run, tag
        newest = series.max_step, series.max_wall_time
        with self._curves_lock:  # The page asks for several at once, and each may be large.
            if key in self._curves and self._curves[key][0] == newest:
                self._curves.move_to_end(key)
                return self._curves[key][1]
            data = self._data.read_tensors(question.context, downsample=_ALL, **chosen).get(run, {}).get(tag, [])
            steps, curves = [datum.step for datum in data], [datum.numpy for datum in data]
            epochs, table, left_out = arrays.matrix(steps, curves)
            sizes = {step: len(one) for step, one in zip(steps, curves, strict=True) if arrays.is_curve(step, one)}
            lengths = np.array([sizes[epoch] for epoch in epochs.tolist()], dtype=np.int64)
            masked = records.marked(_about(series).get("masked"), np.arange(table.shape[1]))
            if masked is None:
                masked = arrays.masked_steps(table)
            read = epochs, table, left_out, lengths, masked
            self._curves[key] = newest, read
            self._curves.move_to_end(key)
            while len(self._curves) > 1 and sum(kept[1].nbytes for _, kept in self._curves.values()) > _KEPT:
                self._curves.popitem(last=False)
        return read

    def _list_frames(self, question):
        run, layer, kind = question.text("run"), question.text("layer"), question.text("kind")
        if kind not in schema.FRAMES:
            raise errors.InvalidArgumentError(f"kind must be one of {', '.join(schema.FRAMES)}, received {kind!r}")
        tag = f"rnn/{layer}/{kind}"
        chosen = {
            "experiment_id": question.experiment,
            "plugin_name": NAME,
            "run_tag_filter": provider.RunTagFilter(runs=[run], tags=[tag]),
        }
        series = self._data.list_blob_sequences(question.context, **chosen).get(run, {}).get(tag)
        if series is None:
            raise errors.NotFoundError(f"run {run!r} has no {tag!r}")
        if (series.max_length or 0) > _MOST_PARTS:
            raise errors.InvalidArgumentError(f"{tag!r} is damaged: a frame says that it has {series.max_length} parts")
        data = self._data.read_blob_sequences(question.context, downsample=_ALL, **chosen).get(run, {}).get(tag, [])
        return series, data


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


class _Question:
    """What a request asks for."""

    def __init__(self, request):
        self.context = plugin_util.context(request.environ)
        self.experiment = plugin_util.experiment_id(request.environ)
        self._arguments = request.args

    def text(self, name):
        """An argument, as it is."""
        if name not in self._arguments:
            raise errors.InvalidArgumentError(f"the argument {name} is missing")
        return self._arguments[name]

    def number(self, name, default=None, at_least=1):
        """An argument that is an integer; a number of bins is never larger than a screen's."""
        text = self._arguments.get(name, default)
        try:
            value = int(text)
        except (TypeError, ValueError):
            value = at_least - 1
        if not at_least <= value < 2**63:
            raise errors.InvalidArgumentError(f"{name} must be an integer, {at_least} or more, received {text!r}")
        return value if default is None else min(value, _MOST_BINS)

    def runs(self, data):
        """The names of all runs, in the order in which TensorBoard gives them their colours."""
        runs = data.list_runs(self.context, experiment_id=self.experiment)
        ordered = sorted(runs, key=lambda run: math.inf if run.start_time is None else run.start_time)
        return [run.run_name for run in ordered]


def _application(answer):
    """A WSGI application of a function from a `_Question` to content, its kind and its coding."""

    @werkzeug.Request.application
    def respond(request):
        if request.method not in ("GET", "HEAD"):
            return http_util.Respond(request, "only GET is allowed", "text/plain", code=405, headers=[("Allow", "GET")])
        content, kind = answer(_Question(request))
        return http_util.Respond(request, content, kind)

    return respond


def _json(content):
    return json.dumps(content, allow_nan=False), "application/json"


def _bytes(header, *parts):
    return arrays.pack(header, *parts), "application/octet-stream"


def _file(name, kind):
    return (_STATIC / name).read_text(encoding="utf-8"), kind


def _about(series):
    """What a tag's metadata say; nothing where they are damaged."""
    try:
        return records.metadata(series.plugin_content)
    except ValueError:
        return {}


def _wholly(flags, edges):
    """The numbers of the bins in which everything is marked."""
    counts = np.diff(np.concatenate([[0], np.cumsum(flags)])[edges])
    return np.flatnonzero((counts == np.diff(edges)) & (counts > 0)).tolist()


def _natural(name):
    """A key to sort names of runs and layers by, in which numbers count as numbers and folders stay together."""

    def parts(folder):
        texts = re.split("([0-9]+)", folder)  # every second one a number
        texts[1::2] = [number.lstrip("0") for number in texts[1::2]]
        return [(len(text), text) if place % 2 else text.casefold() for place, text in enumerate(texts)]

    return [parts(folder) for folder in re.split(r"[/\\]", name)], name


def _add_layer(layers, tag, series):
    """Take up in {name: layer} what a tag's metadata says."""
    about = _about(series)
    version, name, kind = records.whole(about.get("v")), about.get("layer"), about.get("kind")
    if not isinstance(name, str) or not isinstance(kind, str):
        version = None
    if version not in schema.KNOWN_VERSIONS:
        name, kind = tag.removeprefix("rnn/").rpartition("/")[0] or tag, ""
    layer = layers.setdefault(
        name, {"name": name, "cell": None, "units": None, "flows": [], "frames": [], "last": 0, "problem": None}
    )
    # Where the order of the model is not recorded: a callback writes the layers in that order, one after the other.
    number = records.whole(about.get("place"))
    place = (math.inf, series.max_wall_time or 0) if number is None else (number, 0)
    layer["place"] = min(layer.get("place", place), place)
    layer["last"] = max(layer["last"], series.max_step or 0)
    if version not in schema.KNOWN_VERSIONS:
        said = "nothing" if version is None else f"version {version}"
        layer["problem"] = (
            f"This layer was recorded in a format that this tab does not know (it says {said}, known is version "
            f"{schema.VERSION}). A newer rnn_tutorial will show it: pip install --upgrade rnn-tutorial"
        )
        return
    cell, units = about.get("cell"), about.get("units")
    layer["cell"] = cell if isinstance(cell, str) else None
    layer["units"] = records.whole(units)
    for flow, recorded in schema.FLOWS.items():
        if kind == recorded:
            layer["flows"] = sorted({*layer["flows"], flow}, key=list(schema.FLOWS).index)
    if kind in schema.FRAMES:
        layer["frames"] = sorted({*layer["frames"], kind}, key=schema.FRAMES.index)


def _is_part(run, found):
    """Whether a run is what Keras' own callback writes beside another one."""
    whole, _, part = run.replace("\\", "/").rpartition("/")
    return part in ("train", "validation") and (whole or ".") in found


def _is_finite(value):
    return isinstance(value, (int, float)) and math.isfinite(value)


def _sizes(folder):
    """Path and size of each event file of a run; what is gone in this moment has none."""
    found = []
    for path in sorted(path for part in (".", "train", "validation") for path in (folder / part).glob("*tfevents*")):
        with contextlib.suppress(OSError):
            found.append((str(path), path.stat().st_size))
    return found


def _diagnose(folder):
    """The findings of a run as JSON has them."""
    from rnn_tutorial import diagnosis  # here, so that TensorBoard starts without it

    try:
        found = diagnosis.diagnose(diagnosis.read(folder))
    except (ValueError, OSError) as error:
        return {"findings": [], "note": str(error)}
    return {"findings": [_finding(finding) for finding in found], "note": ""}


def _finding(finding):
    return {
        "severity": finding.severity,
        "rule": finding.rule,
        "layer": finding.layer,
        "epochs": [int(epoch) for epoch in finding.epochs],
        "cause": finding.cause,
        "advice": finding.advice,
        "code": finding.code,
        "follows": finding.follows,
        "tab": finding.tab,
        "tag": finding.tag,
    }
