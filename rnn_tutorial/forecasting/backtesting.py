"""Forecasts of months that are known, from what came before them, to see how wrong a method is."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from rnn_tutorial import _checks
from rnn_tutorial.forecasting.baseline import FEWEST_TO_SMOOTH, baseline_methods, exponential_smoothing
from rnn_tutorial.forecasting.errors import mae, mase, smape
from rnn_tutorial.forecasting.forecaster import Network
from rnn_tutorial.forecasting.series import after, checked, finite

Method = Callable[[pd.Series, int], pd.Series | np.ndarray]  # from (history, horizon) to the forecast

# Methods that stand in every backtest.
_TAKEN = ("last_value", "drift", "seasonal_naive", "exponential_smoothing")


class FoldForecast(NamedTuple):
    """What one method made of one fold."""

    method: str
    fold: int
    actual: pd.Series
    predicted: pd.Series
    history: pd.Series
    seconds: float  # on the clock, to train and to forecast


def backtest(
    series: pd.Series,
    horizon: int = 12,
    folds: int = 5,
    make_model: Method | dict[str, Method] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Forecast the last years of a series from what came before them, and measure.

    The origin rolls: the last `folds` times `horizon` months are cut into folds, and each is forecast from all months
    before it, and from nothing else. Whatever a method learns, scales or chooses it does anew for each fold.

    Example:
        >>> table = forecasting.backtest(series, folds=3)
        >>> table.groupby("method")["mase"].mean()

    Args:
        series: pandas.Series with a PeriodIndex.
        horizon: Months to forecast.
        folds: Number of folds, from the oldest to the latest.
        make_model: What stands beside the baselines: a callable from (history, horizon) to the forecast, a
            pandas.Series or array, which appears as "model"; or a dict from names to such callables. None is
            {"lstm": the network of `train`}.
        seed: Seed of the network of `train`.

    Returns:
        pandas.DataFrame, one row a fold and method, with the columns method, fold, mae, smape, mase (scaled by the
        fold's own past) and seconds on the clock to train and forecast. The network's first fold takes longer: it
        practises.

    Raises:
        ValueError: An argument is not allowed, a name in `make_model` is that of a baseline, the series is too short
            for the folds, or a forecast has not `horizon` numbers.
    """
    rows = []
    for method, fold, actual, predicted, history, seconds in rolling_forecasts(
        series, horizon, folds, make_model, seed
    ):
        errors = {
            "mae": mae(actual, predicted),
            "smape": smape(actual, predicted),
            "mase": mase(actual, predicted, history),
        }
        rows.append({"method": method, "fold": fold, **errors, "seconds": seconds})
    return pd.DataFrame(rows)


def rolling_forecasts(
    series: pd.Series,
    horizon: int = 12,
    folds: int = 5,
    make_model: Method | dict[str, Method] | None = None,
    seed: int = 0,
) -> Iterator[FoldForecast]:
    """The forecasts behind `backtest`, one after the other; arguments and errors are the same.

    Yields:
        `FoldForecast`s.
    """
    series = finite(checked(series))
    horizon = _checks.integer("horizon", horizon, at_least=1)
    folds = _checks.integer("folds", folds, at_least=1)
    most = (len(series) - horizon - 8) // horizon
    if most < 1:
        raise ValueError(
            f"series must have at least 2 * horizon + 8 = {2 * horizon + 8} months for one fold, received {len(series)}"
        )
    if folds > most:
        raise ValueError(
            f"folds must be at most {most} for {len(series)} months and horizon={horizon}, so that horizon + 8 = "
            f"{horizon + 8} months come before the first one, received {folds}"
        )
    if make_model is None:
        make_model = {"lstm": Network(seed=seed)}
    elif not isinstance(make_model, dict):
        make_model = {"model": make_model}
    for name, method in make_model.items():
        if name in _TAKEN:
            raise ValueError(f"make_model must have other names than {', '.join(_TAKEN)}, received {name!r}")
        if not callable(method):
            raise ValueError(f"make_model[{name!r}] must be a callable (history, horizon), received {method!r}")
    return _rolling(series, horizon, folds, make_model)


def _rolling(series: pd.Series, horizon: int, folds: int, make_model: Mapping[str, Method]) -> Iterator[FoldForecast]:
    for fold in range(folds):
        origin = len(series) - (folds - fold) * horizon
        # Copies: what a method does to its history is not seen by the others.
        actual = series.iloc[origin : origin + horizon]
        methods: dict[str, Method] = {**make_model, **baseline_methods(origin)}
        if origin >= FEWEST_TO_SMOOTH:
            methods["exponential_smoothing"] = exponential_smoothing
        for name, method in methods.items():
            history = series.iloc[:origin].copy()
            began = time.perf_counter()
            predicted = np.asarray(method(history, horizon), dtype="float64")
            seconds = time.perf_counter() - began
            if predicted.shape != (horizon,):
                raise ValueError(f"make_model[{name!r}] must forecast {horizon} months, received {predicted.shape}")
            past = series.iloc[:origin]
            yield FoldForecast(name, fold, actual, after(past, predicted), past, seconds)
