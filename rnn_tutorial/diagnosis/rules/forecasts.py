"""What forecasts say beside the last value that was read."""

import math

import numpy as np

from rnn_tutorial.diagnosis.curves import Curve, end, finite, span
from rnn_tutorial.diagnosis.findings import Finding
from rnn_tutorial.diagnosis.registry import rule
from rnn_tutorial.recording import schema


@rule(
    needs=(schema.COPIES_LAST_INPUT,),
    tag=schema.COPIES_LAST_INPUT,
    order=130,
)
def copies_last_input(likeness: Curve, *, threshold: float = 0.6) -> Finding | None:
    """The forecast is the last value that was read.

    The measure is that of `likeness_to_last_input`; a forecast that is no better than the last value is what Hyndman
    and Koehler (2006) scale errors by (MASE). Measured threshold.

    Args:
        likeness: {epoch: 1 where the answers are the last input, 0 where they are the truth, 0.5 half-way between}.
        threshold: From here on it counts.
    """
    epochs, values = finite(likeness)
    if not len(values) or np.median(end(values)) < threshold:
        return None
    value = float(np.median(end(values)))
    return Finding(
        severity="warning",
        epochs=span(epochs[values >= threshold]),
        numbers={"likeness": value},
        cause=f"The answers are nearer to the last input than to the truth: {value:.2f}, where 1 is a copy and 0.5 "
        "half-way.",
        advice="Compare with the forecast that repeats the last value; forecast the change instead, or add "
        "inputs that know of it.",
        code="y = y - x[:, -1, 0].reshape(-1, *[1] * (y.ndim - 1))",
    )


@np.errstate(all="ignore")
def likeness_to_last_input(answers: np.ndarray, truth: np.ndarray, last_input: np.ndarray) -> float:
    """Whether forecasts are nearer to the last input than to the truth: ‖a - y‖ / (‖a - y‖ + ‖a - last input‖).

    Args:
        answers: What the model says, a (batch,).
        truth: What is right, y (batch,).
        last_input: What was read last (batch,), in the same unit.

    Returns:
        1 where the answers are the last input, 0 where they are the truth, 0.5 where they are as near to the one as
        to the other, as a constant is; NaN where they are both. At most 0.5 where the answers do not follow the last
        input, nearer to it by a fifth than a constant is: answers near zero are near to small inputs all the same.
    """
    answers, truth, last_input = (np.asarray(part, dtype="float64") for part in (answers, truth, last_input))
    from_truth, from_last = np.linalg.norm(answers - truth), np.linalg.norm(answers - last_input)
    if not from_truth + from_last:
        return math.nan
    likeness = float(from_truth / (from_truth + from_last))
    follows = from_last < 0.8 * np.linalg.norm(last_input - last_input.mean()) or not from_last
    return likeness if follows else min(likeness, 0.5)
