"""What all files of this room do with a series of months."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

SEASON = 12  # months


def checked(series: pd.Series) -> pd.Series:
    """Return a series of a kind that can be forecast; anything else is a ValueError."""
    if not isinstance(series, pd.Series) or not isinstance(series.index, pd.PeriodIndex) or len(series) == 0:
        raise ValueError(
            f"series must be a non-empty pandas.Series with a PeriodIndex, received {type(series).__name__}"
        )
    return series


def finite(series: pd.Series) -> pd.Series:
    """Return a series of finite numbers; another one is a ValueError, which names a month that is not."""
    wrong = np.flatnonzero(~np.isfinite(series.to_numpy(dtype="float64")))
    if len(wrong):
        raise ValueError(
            f"series must hold finite numbers, received {series.iloc[wrong[0]]} in {series.index[wrong[0]]}, one of "
            f"{len(wrong)} such months"
        )
    return series


def after(history: pd.Series, values: Sequence[float] | np.ndarray | pd.Series) -> pd.Series:
    """Values as a series that begins one period after the history ends."""
    before: Any = history.index
    index = pd.period_range(before[-1] + 1, periods=len(values), freq=before.freq, name=before.name)
    return pd.Series(np.asarray(values, dtype="float64"), index=index, name=history.name)


def spread(values: ArrayLike) -> float:
    """Standard deviation; for numbers that are all the same their size, and 1 for zeros."""
    values = np.asarray(values, dtype="float64")
    return float(np.std(values) or np.abs(values).max() or 1.0)
