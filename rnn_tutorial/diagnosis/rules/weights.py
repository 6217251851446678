"""What the weights say, and the steps that move them."""

import math

import numpy as np

from rnn_tutorial.diagnosis import facts
from rnn_tutorial.diagnosis.curves import Curve, fall, finite, first, span
from rnn_tutorial.diagnosis.findings import Finding
from rnn_tutorial.diagnosis.registry import rule
from rnn_tutorial.recording import RunData, schema


def _is_matrix(run: RunData, weight: str) -> bool:
    """A bias begins at zero, so that its ratio says little."""
    return weight.endswith(("kernel", "embeddings"))


@rule(
    needs=(schema.UPDATE_RATIO, schema.WEIGHTS, facts.steps),
    per="weight",
    where=_is_matrix,
    while_training=True,
    tab="Histograms",
    tag=schema.WEIGHTS,
    order=70,
)
def frozen(
    updates: Curve | None = None, histograms: dict[int, np.ndarray] | None = None, steps: float = math.inf
) -> Finding | None:
    """A weight that does not move, or is all zero.

    A kernel of zeros hands on neither signal nor gradient, and rows that begin alike stay alike (Goodfellow, Bengio and
    Courville 2016, Deep learning, section 8.4). No threshold: not moving is a ratio of exactly 0.

    Args:
        updates: {epoch: update ratio}; empty for a weight that is all zero or not trained.
        histograms: {epoch: buckets} of the weight, or None.
        steps: Length of the sequences that a recurrent kernel is used for: in one of a single step there is no step
            before it, so that it has no use. NaN where it is not known, which is no ground for a warning.
    """
    if steps == 1:
        return None
    epochs, values = finite(updates)
    zero = [e for e, table in (histograms or {}).items() if table[:, 2].any() and not table[:, :2].any()]
    if histograms and max(histograms) in zero:
        severity, shown, what = "severe", span(np.array(zero)), "is all zero"
    elif len(values) > 1 and not values.any():
        severity, shown, what = "note" if math.isnan(steps) else "warning", span(epochs), "has not moved in any step"
    elif not len(values) and histograms and len(histograms) > 1 and _same(list(histograms.values())):
        severity, shown, what = "note", (min(histograms), max(histograms)), "has not changed (trainable=False?)"
    else:
        return None
    return Finding(
        severity=severity,
        epochs=shown,
        numbers={"looks": max(len(values), len(histograms or {}))},
        cause=f"The weight {what}.",
        advice="Look whether its layer is connected to the loss, trainable, and begins with random numbers.",
        code="print([weight.path for weight in model.trainable_weights])",
    )


def _is_moving_kernel(run: RunData, weight: str) -> bool:
    """An embedding begins near zero, and few of its rows move in a step."""
    return weight.endswith("kernel") and frozen(_updates(run, weight), _tables(run, weight)) is None


@rule(
    needs=(schema.UPDATE_RATIO, ("loss", fall)),
    per="weight",
    where=_is_moving_kernel,
    tag=schema.UPDATE_RATIO,
    order=90,
)
def update_ratio(
    ratio: Curve, fallen: float | None = None, *, low: float = 1e-6, high: float = 0.3, learned: float = 0.1
) -> Finding | None:
    """Steps that are too long or too short for the weight they move.

    Karpathy's notes for the Stanford course CS231n (2016, "Ratio of weights:updates") call about 0.001 usual. Small
    networks with Adam at 0.01 were measured at up to 0.08 in their first epoch, hence the wide range.

    Args:
        ratio: {epoch: ‖change of a weight in a step‖ / ‖weight‖, mean over the steps}.
        fallen: As for `vanishing`: short steps are told only where nothing was learned.
        low: Too short below this.
        high: Too long above this.
        learned: As for `vanishing`.
    """
    epochs, values = finite(ratio)
    if not len(values):
        return None
    middle, longest = float(np.median(values)), float(values.max())
    short = 0 < middle < low and fallen is not None and fallen < learned
    if not short and longest <= high:
        return None
    shown = middle if short else longest
    return Finding(
        severity="warning",
        epochs=span(epochs if short else epochs[values > high]),
        numbers={"update_ratio": shown},
        cause=f"A step changes the weight by {shown:.1g} of its size, where about 0.001 is usual.",
        advice="Take a learning rate that is " + ("larger." if short else "a tenth of this one."),
        code=f"model.optimizer.learning_rate = float(model.optimizer.learning_rate) {'*' if short else '/'} 10",
    )


def _has_usual_steps(run: RunData, weight: str) -> bool:
    """Steps that are too long leave nothing of the first weights."""
    fallen = fall(run.scalars.get("loss", {}))
    return _is_moving_kernel(run, weight) and update_ratio(_updates(run, weight), fallen) is None


@rule(
    needs=((schema.WEIGHTS, first),),
    per="weight",
    where=_has_usual_steps,
    while_training=True,
    tab="Histograms",
    tag=schema.WEIGHTS,
    order=80,
)
def initial_variance(histogram: np.ndarray, epoch: int = 0, *, factor: float = 5.0) -> Finding | None:
    """A kernel begins with numbers that are far too large or too small.

    Glorot and Bengio (2010), equation 12, and He et al. (2015), equation 10: a variance of 2 / (inputs + outputs), or
    2 / inputs. Only the number of weights n is recorded, and inputs + outputs lies between 2 √n (a square matrix) and
    n + 1 (a single row), so that the deviation must lie between √(2 / (n + 1)) and n^(-1/4).

    Args:
        histogram: Buckets of a kernel after the first epoch.
        epoch: That epoch.
        factor: So many times beyond either end.
    """
    counts = histogram[:, 2]
    number = counts.sum()
    if number < 2 or not histogram[:, :2].any() or not np.isfinite(histogram).all():
        return None
    centres = histogram[:, :2].mean(axis=1)
    deviation = float(np.sqrt((counts * centres**2).sum() / number))
    least, most = float(np.sqrt(2 / (number + 1))), float(number**-0.25)
    if least / factor <= deviation <= most * factor:
        return None
    return Finding(
        severity="warning",
        epochs=(epoch, epoch),
        numbers={"deviation": deviation, "least": least, "most": most},
        cause=f"After the first epoch its {number:.0f} weights have a deviation of {deviation:.2g}; "
        f"{least:.2g} to {most:.2g} is usual.",
        advice="Take Keras' own initializers: glorot_uniform, and orthogonal for a recurrent kernel.",
        code='keras.layers.LSTM(32, kernel_initializer="glorot_uniform", recurrent_initializer="orthogonal")',
    )


def _updates(run, weight):
    return run.scalars.get(schema.UPDATE_RATIO.format(weight=weight), {})


def _tables(run, weight):
    return run.histograms.get(schema.WEIGHTS.format(weight=weight))


def _same(tables):
    return all(np.array_equal(tables[0], table) for table in tables[1:])
