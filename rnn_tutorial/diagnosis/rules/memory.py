"""How far back a layer hears: the gradient on its way back through time, and the recurrent kernel."""

import numpy as np

from rnn_tutorial.diagnosis import facts
from rnn_tutorial.diagnosis.curves import Curve, end, fall, finite, last, span
from rnn_tutorial.diagnosis.findings import Finding
from rnn_tutorial.diagnosis.registry import rule
from rnn_tutorial.recording import RunData, schema

_FOR_LONG_SEQUENCES = {
    "": "an LSTM or GRU whose gates begin open, a spectral radius near 1",
    "simple": "an LSTM or GRU, a spectral radius near 1 (an orthogonal recurrent kernel)",
    "lstm": "forget gates that begin open (unit_forget_bias=True), a GRU",
    "gru": "update gates that begin open, an LSTM",
}
_FLOW = schema.tag("{layer}", schema.FLOWS["total"])


@rule(
    needs=(schema.GRADIENT_FLOW_RATIO, (_FLOW, last), ("loss", fall), facts.cell),
    per="layer",
    panel="flow",
    tab="Images",
    tag=schema.GRADIENT_FLOW_PICTURE,
    causes=("initial_variance", "saturated", "dead_units"),
    order=60,
)
def vanishing(
    ratio: Curve,
    flow: np.ndarray | None = None,
    fallen: float | None = None,
    cell: str = "",
    *,
    threshold: float = 1e-3,
    heard: float = 0.01,
    learned: float = 0.1,
) -> Finding | None:
    """The gradient dies on its way back through time.

    Described by Hochreiter (1991) and Bengio, Simard and Frasconi (1994). That the first step gets less than a
    thousandth is harmless where the answer lies in the last steps, so that it is a "warning" only as long as the
    network has not learned anything, and else a "note".

    Args:
        ratio: {epoch: ‖dL/dh‖ at the first step by that at the last}.
        flow: Norms (time,) at the last epoch, or None; they say how many steps are reached.
        fallen: The part of its first value by which the loss has fallen, see `fall`; None where it is not known,
            which is no ground for a warning.
        cell: "simple", "lstm", "gru", or "" where it is not known.
        threshold: The ratio below which the first step is not heard.
        heard: A step is reached where its norm is this part of the largest one.
        learned: A loss that has fallen by this part has learned something.
    """
    epochs, values = finite(ratio)
    if not len(values) or np.median(end(values)) >= threshold:
        return None
    numbers = {"ratio": float(np.median(end(values)))}
    reached = ""
    if flow is not None and np.isfinite(flow).any() and np.nanmax(flow) > 0:
        known = flow[np.isfinite(flow)]
        numbers |= {"steps_reached": int((known >= heard * known.max()).sum()), "steps": len(known)}
        reached = f"; {numbers['steps_reached']} of {numbers['steps']} steps get {heard:.0%} of the largest or more"
    advice = _FOR_LONG_SEQUENCES.get(cell, _FOR_LONG_SEQUENCES[""])
    share = f"{numbers['ratio']:.1g}" if numbers["ratio"] else "nothing"
    return Finding(
        severity="warning" if fallen is not None and fallen < learned else "note",
        epochs=span(epochs[values < threshold]),
        numbers=numbers,
        cause=f"The first time step gets {share} of the gradient that the last one gets{reached}.",
        advice=f"If the answer lies far back: {advice}, or shorter sequences.",
        code=f"keras.layers.{'GRU' if cell == 'lstm' else 'LSTM'}(32, return_sequences=True)",
    )


def _is_simple(run: RunData, layer: str) -> bool:
    return facts.cell(run, layer) == "simple"


@rule(
    needs=(schema.SPECTRAL_RADIUS,),
    per="layer",
    where=_is_simple,
    only_notes=True,
    tag=schema.SPECTRAL_RADIUS,
    order=160,
)
def spectral_radius(radius: Curve, *, low: float = 0.3, high: float = 1.5) -> Finding | None:
    """The recurrent kernel of a simple cell shrinks or stretches what it is given.

    Pascanu, Mikolov and Bengio (2013), section 2.1: below 1 (tanh has slope 1 at most) the gradient must vanish, and
    above 1 it may explode. How far from 1 matters is a question of the length, so that this is a "note" only.

    Args:
        radius: {epoch: largest absolute eigenvalue}.
        low: Below this.
        high: Above this.
    """
    epochs, values = finite(radius)
    if not len(values) or low <= values[-1] <= high:
        return None
    shrinks = values[-1] < low
    return Finding(
        severity="note",
        epochs=span(epochs[values < low] if shrinks else epochs[values > high]),
        numbers={"radius": float(values[-1])},
        cause=f"The spectral radius of the recurrent kernel is {values[-1]:.2f}: "
        + ("what came a few steps ago is forgotten." if shrinks else "gradients may explode."),
        advice="Begin with an orthogonal kernel (Keras' default)"
        + ("." if shrinks else ", and clip with global_clipnorm=1."),
        code='keras.layers.SimpleRNN(32, recurrent_initializer="orthogonal")',
    )
