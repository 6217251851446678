"""The plugin's routes: what is recorded, a layer's flow, a frame of states or gates, findings, the page's files."""

import functools
import pathlib

import numpy as np
from tensorboard import errors
from tensorboard.plugins import base_plugin

from rnn_tutorial.board import NAME, arrays, layers, wire
from rnn_tutorial.board.findings import Findings
from rnn_tutorial.board.questions import application, in_bytes, in_json
from rnn_tutorial.board.reading import Reader
from rnn_tutorial.recording import schema

_STATIC = pathlib.Path(__file__).parent / "static"
_KINDS = {".js": "text/javascript", ".css": "text/css"}
# What is served, and as what; nothing else is.
_FILES = {path.name: _KINDS[path.suffix] for path in sorted(_STATIC.iterdir()) if path.suffix in _KINDS}


class Plugin(base_plugin.TBPlugin):
    """The tab RNN."""

    plugin_name = NAME

    def __init__(self, context):
        self._reader = Reader(context.data_provider)
        self._findings = Findings(context.logdir)

    def get_plugin_apps(self):
        """The routes, below `/data/plugin/rnn_tutorial`; `_answer_...` says what each gives."""
        answers = {
            "/schema": self._answer_schema,
            "/runs": self._answer_runs,
            "/flow": self._answer_flow,
            "/curve": self._answer_curve,
            "/frames": self._answer_frames,
            "/frame": self._answer_frame,
            "/saturation": self._answer_saturation,
            "/findings": self._answer_findings,
        }
        for name, kind in _FILES.items():
            answers[f"/static/{name}"] = functools.partial(_file, name, kind)
        return {route: application(answer) for route, answer in answers.items()}

    def is_active(self):
        """The tab is there once data of ours is; TensorBoard sees that without asking."""
        return False

    def frontend_metadata(self):
        """The name of the tab and the page's program."""
        return base_plugin.FrontendMetadata(es_module_path="/static/index.js", tab_name="RNN")

    def _answer_schema(self, question):
        """What can be recorded of a layer, and how it is called.

        {"plugin", "version", "flows": {part: {"label", "symbol"}}, "frames": {kind: {"label"}}}, in the order of use.
        The other routes take a part or kind for their argument `kind`.
        """
        return in_json(wire.described())

    def _answer_runs(self, question):
        """Runs in the order of their names, their layers in that of the model, and what is recorded of each.

        A run's number is its place among all runs by the time at which they began.
        """
        found = self._reader.layers_of_runs(question)
        others = [run for run, recorded in found.items() if not recorded and not _is_part(run, found)]
        begun = self._reader.begun(question, others) if others else set()
        listed: list[dict] = []
        for number, (run, recorded) in enumerate(found.items()):
            if recorded:
                shown = [layer.described() for layer in layers.ordered(recorded.values())]
                listed.append({"name": run, "number": number, "layers": shown})
            elif run in others:
                listed.append({"name": run, "number": number, "layers": [], "starting": run not in begun})
        listed.sort(key=lambda run: layers.natural(run["name"]))
        return in_json({"runs": listed})

    def _answer_flow(self, question):
        """All epochs of a layer's flow, thinned: [low, high, mean], or the numbers as they are where they are few."""
        flow = self._reader.curves(question)
        rows, columns = question.number("rows", 512), question.number("columns", 512)
        row_edges, column_edges = arrays.edges(len(flow.epochs), rows), arrays.edges(flow.table.shape[1], columns)
        parts = (flow.table,)
        if (len(row_edges) - 1, len(column_edges) - 1) != flow.table.shape:
            parts = arrays.thin(flow.table, rows, columns)
        header = {
            "first": flow.epochs[row_edges[:-1]].tolist(),
            "last": flow.epochs[row_edges[1:] - 1].tolist(),
            "times": column_edges.tolist(),
            "epochs": len(flow.epochs),
            "left_out": flow.left_out,
            # Why there is no number: the row ends before, the column is masked, or else the network is NaN.
            "lengths": np.maximum.reduceat(flow.lengths, row_edges[:-1]).tolist() if len(flow.epochs) else [],
            "masked": _wholly(flow.masked, column_edges),
        }
        return in_bytes(header, *parts)

    def _answer_curve(self, question):
        """The curve of one epoch, as it was recorded; of the last one before it, where that epoch has none."""
        flow = self._reader.curves(question)
        epoch = question.number("epoch", at_least=0)
        place = max(int(np.searchsorted(flow.epochs, epoch, side="right")) - 1, 0)
        if place >= len(flow.epochs):
            raise errors.NotFoundError("nothing is recorded yet")
        header = {"epoch": int(flow.epochs[place]), "masked": np.flatnonzero(flow.masked).tolist()}
        return in_bytes(header, flow.table[place, : flow.lengths[place]])

    def _answer_frames(self, question):
        """The epochs of which there are frames."""
        return in_json({"epochs": self._reader.frame_epochs(question)})

    def _answer_frame(self, question):
        """States or gates of one epoch: float16 (kind, unit, time), and what each kind runs between, or null."""
        epoch = question.number("epoch", at_least=0)
        header, values, masked = self._reader.frame(question, epoch)
        content = {key: header[key] for key in ("names", "stride", "ranges")}
        return in_bytes({"epoch": epoch, **content, "masked": np.flatnonzero(masked).tolist()}, values)

    def _answer_saturation(self, question):
        """The share of each gate's values that are saturated, over the whole probe: {gate: [[epoch, share], ...]}.

        The gates are in the order of the frames.
        """
        return in_json({"gates": self._reader.saturation(question)})

    def _answer_findings(self, question):
        """What the rules say of a run, the most severe first; a note where they cannot be applied.

        A finding's `panel` is what of this tab shows it: "flow", a kind of frame, or "" for nothing.
        """
        run = question.text("run")
        if run not in self._reader.runs(question):
            raise errors.NotFoundError(f"there is no run {run!r}")
        return in_json(self._findings.of(run))


def _file(name, kind, question):
    return (_STATIC / name).read_text(encoding="utf-8"), kind


def _is_part(run, found):
    """Whether a run is what Keras' own callback writes beside another one."""
    whole, _, part = run.replace("\\", "/").rpartition("/")
    return part in schema.PARTS and (whole or ".") in found


def _wholly(flags, edges):
    """The numbers of the bins in which everything is marked."""
    counts = np.diff(np.concatenate([[0], np.cumsum(flags)])[edges])
    return np.flatnonzero((counts == np.diff(edges)) & (counts > 0)).tolist()
