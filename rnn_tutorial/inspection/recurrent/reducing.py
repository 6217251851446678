"""From all that was recorded of a cell to what is shown: states, gates, norms, saturation."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from rnn_tutorial import backend
from rnn_tutorial.inspection.recurrent import cells, sequences


def reduce(use: sequences.Use, gradients: dict[str, Any], kind: str, preactivation: bool) -> dict[str, Any]:
    """What is kept of a use: a record of arrays.

    Args:
        use: What a cell did in one sequence.
        gradients: {kind: gradient (time, batch, units)}, see `sequences.joined`; empty without.
        kind: "trace" for all states and gates, "raw" for gradients, "norms" for their norms, "look" for norms, and the
            states and gates of the first sample.
        preactivation: True keeps of the gates what goes into their activations.
    """
    cells.check_states(use.cell, len(use.arrays["after"]), use.hidden)
    mask = use.arrays["mask"]
    record: dict[str, Any] = {"states": {}, "gates": {}, "saturation": {}, "flow": None, "mask": mask}
    missing = None if mask is None else ~mask[..., None]  # (time, batch, 1)
    if gradients and use.has_flow:
        parts = _flow(use, gradients)
        parts = {part: _with_nan(ops.cast(array, _wide(array)), missing) for part, array in parts.items()}
        record["flow"] = parts if kind == "raw" else {part: _norms(array, missing) for part, array in parts.items()}
    if kind in ("raw", "norms"):
        return record
    states = {kind: use.arrays["after"][number] for kind, number in use.states().items()}
    pairs = {} if use.arrays["inputs"] is None else cells.compute_gates(use.cell, **use.read())
    gates = {gate: after for gate, (_, after) in pairs.items()}
    before = {gate: before for gate, (before, _) in pairs.items()}
    for name, limits in cells.ranges(use.cell).items():
        if name in gates or name in states:
            record["saturation"][name] = _saturation({**states, **gates}[name], mask, *limits)
    for part, arrays in (("states", states), ("gates", before if preactivation else gates)):
        for key, array in arrays.items():
            shown = _with_nan(ops.cast(array, _wide(array)), missing)
            record[part][key] = shown[:, 0] if kind == "look" else shown
    return record


def _flow(use, gradients):
    """{"hidden", "cell" or "immediate": gradient (time, batch, units)}."""
    parts = {kind: gradients[str(number)] for kind, number in use.states().items()}
    if "cell" in parts:
        # The perturbation came when the cell had made h_t of c_t already; this way to the loss is to be added.
        beside = parts.pop("cell")
        hidden = None if use.arrays["inputs"] is None else cells.hidden_from_cell(use.cell, **use.read())
        if hidden is not None:
            c = use.arrays["after"][use.states()["cell"]]
            by_hidden = backend.pull_back(hidden, c, parts["hidden"])  # None where h_t is not made of c_t
            parts["cell"] = beside if by_hidden is None else beside + by_hidden
    return {**parts, "immediate": gradients["immediate"]}


def _saturation(values, mask, low, high):
    """Share of values (time, batch, units) near the ends of their range, of those that are not masked.

    NaN where one of these is NaN.
    """
    counts = ops.ones_like(values, dtype=bool) if mask is None else ops.broadcast_to(mask[..., None], ops.shape(values))
    beyond = (values < low + cells.MARGIN) | (values > high - cells.MARGIN)
    share = ops.sum(ops.cast(beyond & counts, "float32")) / ops.sum(ops.cast(counts, "float32"))
    return ops.where(ops.any(ops.isnan(values) & counts), math.nan, share)


def _wide(array):
    """float32 for what is narrower: the norm of a vector of float16 may be beyond it."""
    return "float64" if keras.backend.standardize_dtype(array.dtype) == "float64" else "float32"


def _with_nan(array, missing):
    return array if missing is None else ops.where(missing, ops.full_like(array, math.nan), array)


def _norms(array, missing):
    """(time, batch, units) -> (time,): L2 norm over units, mean over the samples for which the step is not missing.

    Numbers are divided by the largest first, since the square of 1e-25 is zero to float32.
    """
    largest = ops.max(ops.abs(array), axis=-1)  # (time, batch)
    tiny = np.finfo(
        keras.backend.standardize_dtype(array.dtype)
    ).tiny  # What is smaller may count as zero in a division.
    scale = ops.where((largest >= tiny) & ops.isfinite(largest), largest, ops.ones_like(largest))
    norms = scale * ops.sqrt(ops.sum(ops.square(array / scale[..., None]), axis=-1))
    if missing is None:
        return ops.mean(norms, axis=-1)
    missing = missing[..., 0]
    norms = ops.where(missing, ops.zeros_like(norms), norms)
    return ops.sum(norms, axis=-1) / ops.sum(ops.cast(~missing, norms.dtype), axis=-1)
