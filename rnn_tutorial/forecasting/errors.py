"""How wrong a forecast was."""

import numpy as np
from numpy.typing import ArrayLike

from rnn_tutorial.forecasting.series import SEASON


def mae(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute error, in the series' own unit."""
    actual, predicted = _pair(actual, predicted)
    return float(np.mean(np.abs(actual - predicted)))


def smape(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Symmetric mean absolute percentage error, 0 to 200 (Makridakis and Hibon 2000, M3); 0 where both are 0."""
    actual, predicted = _pair(actual, predicted)
    size = np.abs(actual) + np.abs(predicted)
    return float(np.mean(200 * np.divide(np.abs(actual - predicted), size, out=np.zeros_like(size), where=size > 0)))


def mase(actual: ArrayLike, predicted: ArrayLike, history: ArrayLike, season: int | None = None) -> float:
    """Mean absolute scaled error (Hyndman and Koehler 2006): below 1 beats the naive forecast within the history.

    Args:
        actual: What came.
        predicted: What was forecast.
        history: The series before it, whose own naive error is the scale.
        season: Months between a value and the naive forecast of it; None takes 12, and 1 for fewer than 24 months.

    Returns:
        The error; NaN where the history repeats itself so exactly that there is no scale.
    """
    actual, predicted = _pair(actual, predicted)
    history = np.asarray(history, dtype="float64")
    if season is None:
        season = SEASON if len(history) >= 2 * SEASON else 1
    if len(history) <= season:
        raise ValueError(f"history must have more than season={season} months, received {len(history)}")
    scale = np.mean(np.abs(history[season:] - history[:-season]))
    return float(np.mean(np.abs(actual - predicted)) / scale) if scale > 0 else float("nan")


def _pair(actual: ArrayLike, predicted: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    actual, predicted = np.asarray(actual, dtype="float64"), np.asarray(predicted, dtype="float64")
    if actual.shape != predicted.shape or actual.size == 0:
        raise ValueError(
            f"actual and predicted must be of one shape and not empty, received {actual.shape} and {predicted.shape}"
        )
    return actual, predicted
