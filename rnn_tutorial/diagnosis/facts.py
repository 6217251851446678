"""What follows from a whole run, for rules that need more than curves: each from the `RunData` and a place."""

import math

from rnn_tutorial.diagnosis import curves
from rnn_tutorial.recording import RunData, schema

_FLOW = schema.tag("{layer}", schema.FLOWS["total"])
_STATES, _GATES = (schema.tag("{layer}", kind) for kind in schema.FRAMES)
_KINDS = (*schema.FLOWS.values(), *schema.FRAMES)


def ends_in_nan(run: RunData) -> bool:
    """Whether the loss, or a gradient, is NaN or infinite in the run's last epoch."""
    loss = run.scalars.get("loss", {})
    nonfinite = run.scalars.get(schema.NONFINITE_BATCHES.format(weight=schema.GLOBAL), {})
    bad = curves.nonfinite_epochs(loss, nonfinite)
    return bool(bad) and bad[-1] == max(loss | nonfinite)


def accuracy(run: RunData, place: str = "") -> curves.Curve | None:
    """The accuracy of training, under whichever of its names; None without."""
    validation = schema.PARTS["validation"]
    named = (tag for tag in run.scalars if tag.endswith("accuracy") and not tag.startswith(validation))
    return next((run.scalars[tag] for tag in named), None)


def steps(run: RunData, weight: str) -> float:
    """Length of the sequences that a recurrent kernel is used for; NaN without a probe, infinite for other weights."""
    layer, _, name = weight.rpartition("/")
    if name != "recurrent_kernel":
        return math.inf
    flow = curves.last(run.tensors.get(_FLOW.format(layer=layer), {}))
    return math.nan if flow is None else len(flow)


def cell(run: RunData, layer: str) -> str:
    """What a layer steps: "simple", "lstm", "gru", or another name that its cell declares; "" where none is known."""
    said = (run.metadata.get(schema.tag(layer, kind), {}).get("family") for kind in _KINDS)
    family = next((name for name in said if isinstance(name, str)), None)
    return _guessed(run, layer) if family is None else family


def _guessed(run, layer):
    """The cell of a layer of which no metadata say it: one of Keras', by its gates, or without a probe its weights."""
    if _STATES.format(layer=layer) in run.blobs:
        gates = run.blobs.get(_GATES.format(layer=layer))
        if gates is None:
            return "simple"
        names = set(curves.last(gates)[0]["names"])
        return "lstm" if "forget" in names else "gru" if "reset" in names else ""
    kernel, bias = (
        curves.last(run.histograms.get(schema.WEIGHTS.format(weight=f"{layer}/{weight}"), {}))
        for weight in ("recurrent_kernel", "bias")
    )
    if kernel is None or bias is None:
        return ""
    # units by units and units; an LSTM has four times as many of both, a GRU three and three or six times.
    ratio = float(bias[:, 2].sum() ** 2 / kernel[:, 2].sum())
    return {1.0: "simple", 4.0: "lstm", 3.0: "gru", 12.0: "gru"}.get(ratio, "")
