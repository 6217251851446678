"""What is chosen by the length and the kind of a series: months to read, months to forecast at once, logarithms."""

import numpy as np
import pandas as pd

from rnn_tutorial import _checks
from rnn_tutorial.data import sales
from rnn_tutorial.forecasting.series import SEASON

# A year of months, read at once by the plain network, where there are two such windows before those to be forecast.
LONGEST_WINDOW = 12
# From so many months on, so many are read.
_SEASONAL_WINDOWS = ((84, 48), (72, 36), (36, 24))


def choose_window(observations: int, horizon: int = 1) -> int:
    """Number of months to read: whole years where there are enough of them, fewer months where the series is short.

    Four years from 84 months on, three from 72, two from 36: such a window is read by `models.seasonal_forecaster`.
    A shorter series gives 12 months where it holds two windows and the horizon; a still shorter one is halved, one
    half to read, the other half to learn from.

    Raises:
        ValueError: The series has fewer than horizon + 8 observations.
    """
    horizon = _checks.integer("horizon", horizon, at_least=1)
    if observations < horizon + 8:
        raise ValueError(f"series must have at least horizon + 8 = {horizon + 8} observations, received {observations}")
    for months, window in _SEASONAL_WINDOWS:
        if observations >= months:
            return window
    return min(LONGEST_WINDOW, (observations - horizon) // 2)


def choose_outputs(observations: int, window: int, horizon: int) -> int:
    """Number of months that the network for such a window forecasts at once.

    Twelve where it reads whole years. Otherwise all of them, or one, to be repeated, where the series is short: all at
    once leaves fewer windows to learn from, because their targets are longer and must not reach into the validation
    part; it is chosen where there are at least two training windows for each month.
    """
    horizon = _checks.integer("horizon", horizon, at_least=1)
    if is_seasonal(observations, window):
        return SEASON
    return horizon if training_windows(observations, window, horizon) >= 2 * horizon else 1


def is_seasonal(observations: int, window: int) -> bool:
    """Whether `train` reads a window by whole years: two of them or more, and one more beside them."""
    return window >= 2 * SEASON and window % SEASON == 0 and observations >= window + SEASON


def only_practises(observations: int, window: int) -> bool:
    """Whether a window by whole years leaves too little for training and validation apart, two years beside it."""
    return is_seasonal(observations, window) and observations < window + 2 * SEASON


def takes_logarithm(series: pd.Series) -> bool:
    """Whether seasons and noise grow with the level, so that the logarithm makes them even.

    Guerrero's rule (1993) between its two ends: the spread within a year, or its share of the year's mean, whichever
    differs less from year to year. Only the months that are given are looked at.

    Args:
        series: pandas.Series of at least three years for an answer other than False.

    Returns:
        A bool; False where a month is negative, zero, or below a twentieth of the median.
    """
    values = np.asarray(series, dtype="float64")
    if len(values) < 3 * SEASON or values.min() <= 0.05 * np.median(values) or values.min() <= 0:
        return False
    years = values[len(values) % SEASON :].reshape(-1, SEASON)
    spread, mean = years.std(axis=1), years.mean(axis=1)
    if not spread.all():
        return False
    return bool(_variation(spread / mean) < _variation(spread))


def _variation(values: np.ndarray) -> float:
    return np.std(values) / np.mean(values)


def training_windows(observations: int, window: int, horizon: int) -> int:
    """How many windows `sales.split` leaves to train on."""
    count = observations - window - horizon + 1
    try:
        (_, y), _ = sales.split(np.empty((count, 1)), np.empty((count, horizon)))
    except ValueError:
        return 0
    return len(y)
