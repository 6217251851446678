"""Forecasts without a network, which every network must beat."""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from rnn_tutorial import _checks
from rnn_tutorial.forecasting.choices import takes_logarithm
from rnn_tutorial.forecasting.series import SEASON, after, checked, spread

FEWEST_TO_SMOOTH = 10  # months


def last_value(history: pd.Series, horizon: int) -> pd.Series:
    """Forecast that every month to come is like the last one."""
    horizon = _checks.integer("horizon", horizon, at_least=1)
    return after(checked(history), np.repeat(history.iloc[-1], horizon))


def drift(history: pd.Series, horizon: int) -> pd.Series:
    """Forecast the straight line through the first and the last month."""
    history = checked(history)
    horizon = _checks.integer("horizon", horizon, at_least=1)
    slope = (history.iloc[-1] - history.iloc[0]) / max(len(history) - 1, 1)
    return after(history, history.iloc[-1] + slope * np.arange(1, horizon + 1))


def seasonal_naive(history: pd.Series, horizon: int, season: int = SEASON) -> pd.Series:
    """Forecast that each month is like the same month of the year before.

    Raises:
        ValueError: The history is shorter than a season.
    """
    history = checked(history)
    horizon = _checks.integer("horizon", horizon, at_least=1)
    if len(history) < season:
        raise ValueError(f"history must have at least one season of {season} months, received {len(history)}")
    return after(history, np.resize(history.to_numpy()[-season:], horizon))


def exponential_smoothing(history: pd.Series, horizon: int) -> pd.Series:
    """Forecast by exponential smoothing with a damped trend, and a season where there are two years to see it in.

    Level, trend and season are means in which the past counts less and less (Holt 1957, Winters 1960; the damped trend
    is Gardner and McKenzie's, 1985). The season is multiplied where `takes_logarithm` says so, and added elsewhere.
    Computed by statsmodels, which chooses how fast the past fades by maximum likelihood.

    Raises:
        ValueError: The history has fewer than 10 months.
        ImportError: statsmodels is missing or broken.
    """
    try:
        from statsmodels.tsa.holtwinters import ExponentialSmoothing
    except Exception as error:  # A broken installation can raise anything.
        raise ImportError(
            f"exponential smoothing needs statsmodels: pip install statsmodels ({type(error).__name__}: {error})"
        ) from error

    history = checked(history)
    horizon = _checks.integer("horizon", horizon, at_least=1)
    if len(history) < FEWEST_TO_SMOOTH:
        raise ValueError(f"history must have at least {FEWEST_TO_SMOOTH} months, received {len(history)}")
    values = history.to_numpy(dtype="float64")
    if np.ptp(values) == 0:
        return last_value(history, horizon)
    season = None if len(values) < 2 * SEASON else "mul" if takes_logarithm(history) else "add"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a search that ends a little early
        unit = spread(values)  # The search for the maximum likelihood depends on it.
        model = ExponentialSmoothing(
            values / unit,
            trend="add",
            damped_trend=True,
            seasonal=season,
            seasonal_periods=SEASON if season else None,
            initialization_method="estimated",
        )
        return after(history, unit * model.fit().forecast(horizon))


def baselines(history: pd.Series, horizon: int) -> dict[str, pd.Series]:
    """All baselines that a history is long enough for, {method: forecast}."""
    return {name: method(history, horizon) for name, method in baseline_methods(len(history)).items()}


def baseline_methods(observations: int) -> Mapping[str, Callable[[pd.Series, int], pd.Series]]:
    """The baselines that so many months are enough for, exponential smoothing apart."""
    methods = {"last_value": last_value, "drift": drift}
    if observations >= SEASON:
        methods["seasonal_naive"] = seasonal_naive
    return methods
