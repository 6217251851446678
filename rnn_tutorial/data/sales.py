"""Monthly sales: twelve months to learn on, your own from a CSV file, and the windows to train a network on.

Data flows one way: `read_csv` gives a series without gaps, `windows` cuts it into inputs and targets, and
`split` keeps the last of them for validation.
"""

import numbers
from typing import Any

import numpy as np
import pandas as pd

from rnn_tutorial import checks
from rnn_tutorial.data.monthly_csv import read_csv

__all__ = ["TWELVE_MONTHS", "read_csv", "split", "windows"]

TWELVE_MONTHS = pd.Series(
    np.arange(100.0, 651.0, 50.0),  # (12,), units sold
    index=pd.period_range("2024-01", periods=12, freq="M"),
    name="sales",
)


def windows(series: Any, window: int, horizon: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Cut a series into all its windows: `window` values in, the `horizon` values that follow them out.

    Example:
        >>> x, y = sales.windows(sales.TWELVE_MONTHS, window=3)
        >>> x[0, :, 0], y[0]
        (array([100., 150., 200.], dtype=float32), array([250.], dtype=float32))

    Args:
        series: pandas Series or other 1-D array of numbers, in any unit.
        window: values in one input.
        horizon: values in one target.

    Returns:
        x, float32 (n, window, 1), and y, float32 (n, horizon), both in the series' unit and in the order of
        time, with n = len(series) - window - horizon + 1.

    Raises:
        ValueError: `window` or `horizon` is not a positive integer, or `series` is not 1-D, holds something
            other than finite float32 numbers, or is too short for one window.
    """
    window = checks.integer("window", window, at_least=1)
    horizon = checks.integer("horizon", horizon, at_least=1)
    values = _finite_values(series)  # (len(series),)
    if len(values) < window + horizon:
        raise ValueError(
            f"series has {len(values)} observations; window={window} with horizon={horizon} needs at least "
            f"{window + horizon}"
        )
    joined = np.lib.stride_tricks.sliding_window_view(values, window + horizon)  # (n, window + horizon)
    # Copies, because the view is read-only and its rows share memory.
    x = np.array(joined[:, :window, np.newaxis], order="C")  # (n, window, 1)
    y = np.array(joined[:, window:], order="C")  # (n, horizon)
    return x, y


def split(
    x: np.ndarray, y: np.ndarray, validation: float = 0.25
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Split windows by time: the last ones validate, the earlier ones train.

    Targets of neighbouring windows overlap, so the `horizon - 1` windows just before the validation part are
    left out: no value that validates is ever trained on as a target.

    Example:
        >>> (x_train, y_train), (x_validation, y_validation) = sales.split(x, y)
        >>> model.fit(x_train, y_train, validation_data=(x_validation, y_validation))

    Args:
        x: inputs in the order of time, (n, window, features), as `windows` gives them.
        y: targets, (n, horizon).
        validation: share of the windows between 0 and 1, rounded to at least one window, or their number as
            an int.

    Returns:
        ((x_train, y_train), (x_validation, y_validation)), views into `x` and `y`.

    Raises:
        ValueError: `x` and `y` do not belong together, `validation` is neither a share nor a number of
            windows, or it leaves no window to train on.
    """
    x, y = np.asarray(x), np.asarray(y)
    if y.ndim != 2 or y.shape[1] == 0:
        raise ValueError(f"y has shape {y.shape}; expected (windows, horizon)")
    if x.ndim == 0 or len(x) != len(y):
        raise ValueError(f"x has shape {x.shape} and y {y.shape}; expected as many windows in x as in y")
    horizon = y.shape[1]
    validation_windows = _validation_windows(validation, len(y))
    training_windows = len(y) - validation_windows - (horizon - 1)
    if training_windows < 1:
        raise ValueError(
            f"validation={validation!r} takes {validation_windows} of {len(y)} windows and horizon={horizon} "
            f"leaves out {horizon - 1}, so none is left to train on; expected a smaller validation or at "
            f"least {validation_windows + horizon} windows"
        )
    first = len(y) - validation_windows
    return (x[:training_windows], y[:training_windows]), (x[first:], y[first:])


def _finite_values(series: Any) -> np.ndarray:
    """Return `series` as float32 (len(series),), or raise ValueError."""
    try:
        array = np.asarray(series)
    except ValueError:  # rows of different lengths
        raise ValueError("series is nested with rows of different lengths; expected one dimension") from None
    if array.ndim != 1:
        raise ValueError(f"series has shape {array.shape}; expected one dimension, (observations,)")
    try:
        # Text of digits would convert, but whoever passes it has a mistake further up.
        is_text = array.dtype == object and any(isinstance(value, str) for value in array)
        if array.dtype.kind not in "iufO" or is_text:
            raise TypeError
        exact = array.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"series holds values of type {array.dtype} that are not numbers; expected floats") from None
    with np.errstate(over="ignore"):  # what overflows is refused below
        values = exact.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise ValueError(
            f"series[{wrong[0]}] is {exact[wrong[0]]}, one of {len(wrong)} such values; expected finite float32 numbers"
        )
    return values


def _validation_windows(validation: Any, available: int) -> int:
    if isinstance(validation, numbers.Integral) and not isinstance(validation, bool) and int(validation) >= 1:
        return int(validation)
    if isinstance(validation, numbers.Real) and 0 < float(validation) < 1:
        return max(1, int(available * float(validation) + 0.5))
    raise ValueError(
        "validation must be a share between 0 and 1 or, as an int, a positive number of windows, "
        f"received {validation!r}"
    )
