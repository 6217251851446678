"""What the states and gates of a layer say: they stand at an end, or at zero."""

import numpy as np

from rnn_tutorial.diagnosis import facts
from rnn_tutorial.diagnosis.curves import Curve, end, finite, last
from rnn_tutorial.diagnosis.findings import Finding
from rnn_tutorial.diagnosis.registry import rule
from rnn_tutorial.recording import schema

# Advice by what a layer steps.
_CLASSES = {"simple": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}
_FOR_DEAD_UNITS = {
    "": "Begin with Keras' own weights and biases; in a cell with gates look which one is shut.",
    "simple": "Begin with Keras' own weights, and take tanh for relu, which is zero for all that is negative.",
    "lstm": "Look which gate is shut, and at its bias; begin with Keras' own biases (unit_forget_bias=True).",
    "gru": 'Look which gate is shut, and at its bias; begin with Keras\' own biases (bias_initializer="zeros").',
}
_STATES = schema.tag("{layer}", "states")


@rule(
    needs=(schema.SATURATION,),
    per="layer",
    while_training=True,
    panel="gates",
    causes=("initial_variance", "update_ratio", "exploding"),
    order=50,
)
def saturated(shares: dict[str, Curve], *, share: float = 0.9, early: int = 3) -> Finding | None:
    """Gates, candidate or tanh stand at their flat ends, where hardly any gradient gets through.

    Glorot and Bengio (2010), section 3, for tanh; Karpathy, Johnson and Fei-Fei (2015), section 4.2, count gates of
    an LSTM by such shares. Trained gates may well be saturated (lesson 10), so that it counts from the first epochs
    on; and one gate alone may be held open on purpose (Jozefowicz, Zaremba and Sutskever 2015).

    Args:
        shares: {gate: {epoch: share of its values at an end}} of one layer; `hidden` for a simple cell's tanh.
        share: The share from which on a gate is saturated.
        early: Look at the median of so many first looks.
    """
    curves = {gate: finite(curve) for gate, curve in shares.items() if len(finite(curve)[1])}
    at_first = {gate: float(np.median(v[:early])) for gate, (_, v) in curves.items()}
    at_last = {gate: float(np.median(end(v))) for gate, (_, v) in curves.items()}
    from_first = [gate for gate, value in at_first.items() if value >= share]
    in_the_end = [gate for gate, value in at_last.items() if value >= share]
    found = from_first or in_the_end
    if not found:
        return None
    flat = {"candidate", "hidden"} & set(from_first)
    severity = "note"
    if flat or len(from_first) > 1:
        severity = "severe" if len(from_first) == len(curves) > 1 else "warning"
    numbers = at_first if from_first else at_last
    all_epochs = [int(e) for gate in found for e, v in zip(*curves[gate], strict=True) if v >= share]
    biases = "" if "hidden" in curves else ", look at the biases of these gates"
    return Finding(
        severity=severity,
        epochs=(min(all_epochs), max(all_epochs)),
        numbers={gate: numbers[gate] for gate in curves},
        cause=f"Nearly all values of {', '.join(found)} stand at an end"
        + (" from the first epochs on." if from_first else " in the end, not in the beginning."),
        advice=f"Scale the input to between -1 and 1{biases}, and take smaller first weights or a smaller learning "
        "rate.",
        tag=schema.SATURATION.replace("{gate}", found[0]),
        code="x = (x - x.mean(axis=(0, 1))) / x.std(axis=(0, 1))",
    )


def _hidden(frames):
    """The hidden states (units, time) of the last frame; None where they are not in it."""
    header, states = last(frames)
    return states[header["names"].index("hidden")] if "hidden" in header["names"] else None


@rule(
    needs=((_STATES, _hidden), facts.cell, (_STATES, max)),
    per="layer",
    while_training=True,
    panel="states",
    tab="Images",
    tag=schema.STATES_PICTURE,
    causes=("initial_variance", "frozen", "update_ratio", "saturated"),
    order=40,
)
def dead_units(
    states: np.ndarray, cell: str = "", epoch: int = 0, *, smallest: float = 1e-3, share: float = 0.5
) -> Finding | None:
    """Units whose state is zero whatever is read.

    What is multiplied by a state of zero gets no gradient. Measured: units of runs that learn reach 0.02 and more.

    Args:
        states: Hidden states (units, time) at the last look; NaN where a step is masked.
        cell: As for `vanishing`.
        epoch: That of the look.
        smallest: A unit is dead where its state never gets larger.
        share: The share of dead units from which on it is told.
    """
    known = states[:, np.isfinite(states).all(axis=0)].astype("float64")
    if not known.size:
        return None
    dead = float((np.abs(known).max(axis=1) < smallest).mean())
    if dead < share:
        return None
    return Finding(
        severity="severe" if dead > 0.95 else "warning",
        epochs=(epoch, epoch),
        numbers={"dead": dead, "units": len(known), "largest": float(np.abs(known).max())},
        cause=f"{dead:.0%} of {len(known)} units stay at zero (below {smallest:g}) through the whole sequence.",
        advice=_FOR_DEAD_UNITS.get(cell, _FOR_DEAD_UNITS[""]),
        code=f"keras.layers.{_CLASSES.get(cell, 'LSTM')}(32, return_sequences=True)",
    )
