"""How far from a forecast the months to come may lie."""

from typing import Any

import numpy as np
import pandas as pd

from rnn_tutorial.forecasting.choices import choose_window, is_seasonal, takes_logarithm, training_windows
from rnn_tutorial.forecasting.forecaster import Network, forecast
from rnn_tutorial.forecasting.series import SEASON, checked, finite

# Errors that a prediction interval is made of come from at most so many origins, and from no fewer.
_MOST_ORIGINS, _FEWEST_ORIGINS = 36, 9


def interval(
    series: pd.Series, predicted: pd.Series, coverage: float = 0.8, **arguments: Any
) -> tuple[pd.Series, pd.Series] | None:
    """A lower and an upper end for each month of a forecast, from how wrong the network was in the past.

    As a backtest would, networks are trained on the first part of the series alone, anew every twelve months. Each is
    asked from every month until the next one is trained, with the months up to there. For each month ahead that gives
    up to 36 errors, and the end is as far from the forecast as `coverage` of them were at most (the k-th smallest of n,
    k = coverage * (n + 1) rounded up: split conformal prediction, Lei et al. 2018), and never nearer than for the month
    before it. With `takes_logarithm` the errors are ratios. The interval of a series that was never negative ends at 0.

    The interval promises what the past was like: neighbouring origins see much the same errors, so that they are worth
    fewer than they are, and nothing in it knows of a break to come.

    Args:
        series: pandas.Series with a PeriodIndex.
        predicted: The forecast of the months after it.
        coverage: Share of months that should lie inside, between 0 and 1.
        **arguments: Those of `train` that the forecast was made with (window, epochs, seed, cell, practice, ...).

    Returns:
        (lower, upper), two pandas.Series like `predicted`, or None where the series is too short: at least 9 origins
        with three years before them are needed.

    Raises:
        ValueError: An argument is not allowed.
    """
    series = finite(checked(series))
    if isinstance(coverage, bool) or not isinstance(coverage, (int, float)) or not 0 < coverage < 1:
        raise ValueError(f"coverage must be a number between 0 and 1, received {coverage!r}")
    horizon = len(predicted)
    window = arguments.pop("window", None) or choose_window(len(series), horizon)
    last = len(series) - horizon  # the last origin with all months known
    first = max(3 * SEASON, last + 1 - _MOST_ORIGINS)
    if last + 1 - first < _FEWEST_ORIGINS:
        return None
    if window >= 2 * SEASON and not is_seasonal(first, window):
        window = choose_window(first)
    if not is_seasonal(first, window) and training_windows(first, window, 1) == 0:
        return None
    network = Network(window=window, **arguments)
    made, actual = [], []
    for origin in range(first, last + 1):
        if (origin - first) % SEASON == 0:
            model = network.train(series.iloc[:origin], horizon)
        made.append(forecast(model, series.iloc[:origin], horizon).to_numpy())
        actual.append(series.iloc[origin : origin + horizon].to_numpy(dtype="float64"))
    # What is not positive has no ratio.
    log = takes_logarithm(series.iloc[:first]) and min(np.min(made), np.min(actual), predicted.min()) > 0
    errors = np.abs(np.log(actual) - np.log(made) if log else np.subtract(actual, made))  # (origins, horizon)
    place = min(len(errors), int(np.ceil(coverage * (len(errors) + 1)))) - 1
    reach = np.maximum.accumulate(np.sort(errors, axis=0)[place])  # (horizon,)
    if log:
        return predicted * np.exp(-reach), predicted * np.exp(reach)
    lower, upper = predicted - reach, predicted + reach
    if series.min() >= 0:  # Sales that were never negative will not be.
        return lower.clip(lower=0), upper.clip(lower=0)
    return lower, upper
