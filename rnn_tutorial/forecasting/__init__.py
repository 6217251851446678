"""Forecasts of a monthly series: a trained network's, those every network must beat, and how wrong each one is.

All series are pandas.Series with a PeriodIndex, in their own unit, and so are all forecasts.
"""

from rnn_tutorial.forecasting.backtesting import FoldForecast, backtest, rolling_forecasts
from rnn_tutorial.forecasting.baseline import baselines, drift, exponential_smoothing, last_value, seasonal_naive
from rnn_tutorial.forecasting.choices import (
    LONGEST_WINDOW,
    choose_outputs,
    choose_window,
    is_seasonal,
    only_practises,
    takes_logarithm,
)
from rnn_tutorial.forecasting.errors import mae, mase, smape
from rnn_tutorial.forecasting.forecaster import Network, forecast, loss_weight, train
from rnn_tutorial.forecasting.intervals import interval
from rnn_tutorial.forecasting.pretraining import PRACTICE, PRACTICE_EPOCHS
from rnn_tutorial.forecasting.series import SEASON

__all__ = [
    "LONGEST_WINDOW",
    "PRACTICE",
    "PRACTICE_EPOCHS",
    "SEASON",
    "FoldForecast",
    "Network",
    "backtest",
    "baselines",
    "choose_outputs",
    "choose_window",
    "drift",
    "exponential_smoothing",
    "forecast",
    "interval",
    "is_seasonal",
    "last_value",
    "loss_weight",
    "mae",
    "mase",
    "only_practises",
    "rolling_forecasts",
    "seasonal_naive",
    "smape",
    "takes_logarithm",
    "train",
]
