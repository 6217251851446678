"""What rules ask of a curve {epoch: number}. None of these minds an empty curve, NaN or infinity."""

import math
from typing import Any

import numpy as np

Curve = dict[int, float]


def finite(curve: Curve | None) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and values of a curve as arrays, in order, those that are NaN or infinite left out."""
    pairs = sorted((curve or {}).items())
    epochs = np.array([epoch for epoch, _ in pairs], dtype=int)
    values = np.array([value for _, value in pairs], dtype=float)
    is_known = np.isfinite(values)
    return epochs[is_known], values[is_known]


def end(values: np.ndarray) -> np.ndarray:
    """The last quarter, at least one."""
    return values[-max(1, len(values) // 4) :]


def span(epochs: np.ndarray) -> tuple[int, int]:
    """The first and the last of some epochs."""
    return int(epochs.min()), int(epochs.max())


def first(series: dict[int, Any]) -> Any:
    """What was recorded at epoch 0; None where nothing was."""
    return series.get(0)


def last(series: dict[int, Any]) -> Any:
    """What was recorded last; None where nothing was."""
    return series[max(series)] if series else None


def nonfinite_epochs(loss: Curve, nonfinite_batches: Curve) -> list[int]:
    """The epochs whose loss, or a gradient in one of their batches, is NaN or infinite."""
    bad = {epoch for epoch, value in loss.items() if not math.isfinite(value)}
    return sorted(bad | {epoch for epoch, count in nonfinite_batches.items() if count > 0})


@np.errstate(all="ignore")
def fall(loss: Curve) -> float | None:
    """The part of its first value by which a loss has fallen, by the median of the last quarter; None if not known."""
    _, values = finite(loss)
    if len(values) < 2 or len(values) < len(loss) or values[0] <= 0:
        return None
    return float(1 - np.median(end(values)) / values[0])
