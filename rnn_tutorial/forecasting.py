"""Forecasts of a monthly series: a trained network's, the baselines every network must beat, and how wrong each one is.

All series are pandas.Series with a PeriodIndex, in their own unit, and so are all forecasts.
"""

import numpy as np
import pandas as pd

from rnn_tutorial import checks
from rnn_tutorial.data import sales

SEASON = 12  # months
# A year of months, read at once, where there are two such windows before the months to be forecast.
LONGEST_WINDOW = 12


def choose_window(observations, horizon=1):
    """Number of months to read: 12 where the series is long enough for that, fewer where it is short.

    Long enough is two windows and the horizon. A shorter series is halved: one half to read, the other half to learn
    from.

    Raises:
        ValueError: The series has fewer than horizon + 8 observations.
    """
    horizon = checks.integer("horizon", horizon, at_least=1)
    if observations < horizon + 8:
        raise ValueError(f"series must have at least horizon + 8 = {horizon + 8} observations, received {observations}")
    return min(LONGEST_WINDOW, (observations - horizon) // 2)


def choose_outputs(observations, window, horizon):
    """Number of months to forecast at once: all of them, or one, to be repeated, where the series is short.

    All at once leaves fewer windows to learn from, because their targets are longer and must not reach into the
    validation part; it is chosen where there are at least two training windows for each month.
    """
    horizon = checks.integer("horizon", horizon, at_least=1)
    return horizon if _training_windows(observations, window, horizon) >= 2 * horizon else 1


def _training_windows(observations, window, horizon):
    """How many windows `sales.split` leaves to train on."""
    count = observations - window - horizon + 1
    try:
        (_, y), _ = sales.split(np.empty((count, 1)), np.empty((count, horizon)))
    except ValueError:
        return 0
    return len(y)


def train(
    series,
    window=None,
    horizon=1,
    epochs=200,
    learning_rate=1e-3,
    batch_size=32,
    seed=0,
    cell="lstm",
    callbacks=(),
):
    """Train the stacked forecaster on a series, with the last quarter of its windows held back for validation.

    The weights of the epoch with the lowest validation loss are kept.

    Args:
        series: pandas.Series with a PeriodIndex.
        window: Months read; None chooses, see `choose_window`.
        horizon: Months forecast at once. 1 gives a model that `forecast` repeats for more.
        epochs: Epochs of training.
        learning_rate: Step size of Adam.
        batch_size: Windows per training step.
        seed: Fixes the first weights and the order of the windows.
        cell: "simple_rnn", "lstm" or "gru".
        callbacks: Callbacks for `fit`, such as those of `callbacks.observe`.

    Returns:
        The trained, compiled model. `model.history` holds the curves.

    Raises:
        ValueError: An argument is not allowed, or the series is too short.
    """
    import keras  # here, so that the baselines do without it

    from rnn_tutorial import models
    from rnn_tutorial.data import batches

    series = _checked(series)
    epochs = checks.integer("epochs", epochs, at_least=1)
    seed = checks.integer("seed", seed, at_least=0)
    if not isinstance(learning_rate, (int, float)) or not learning_rate > 0:
        raise ValueError(f"learning_rate must be a number above 0, received {learning_rate!r}")
    window = choose_window(len(series), horizon) if window is None else checks.integer("window", window, at_least=2)
    if _training_windows(len(series), window, horizon) == 0:
        raise ValueError(
            f"series must have more observations for window={window} and horizon={horizon}, received {len(series)}: no "
            "windows are left to train and to validate on; horizon=1 takes fewer, and `forecast` repeats it"
        )
    (x, y), validation = sales.split(*sales.windows(series, window, horizon))
    keras.utils.set_random_seed(seed)
    model = models.sales_forecaster(window=window, horizon=horizon, cell=cell)
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse", metrics=["mae"])
    # Patient to the end: it is there to bring the best weights back, not to stop.
    best = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
    model.fit(**batches(x, y, batch_size, seed, validation), epochs=epochs, callbacks=[*callbacks, best], verbose=0)
    return model


def forecast(model, history, horizon):
    """Forecast the months after a series with a trained network.

    A network with as many outputs as months are asked for answers at once (direct). One with fewer is asked again, with
    its own answers at the end of the window (recursive).

    Args:
        model: A network from (batch, window, 1) to (batch, outputs) in the series' own unit, as
            `models.sales_forecaster` builds it.
        history: pandas.Series with a PeriodIndex, at least as long as the window.
        horizon: Number of months to forecast.

    Returns:
        pandas.Series of `horizon` months that follow the history.

    Raises:
        ValueError: An argument is not allowed, or the history is shorter than the window.
    """
    import keras  # here, so that the baselines do without it

    history = _checked(history)
    horizon = checks.integer("horizon", horizon, at_least=1)
    if len(model.input_shape) != 3 or model.input_shape[2] != 1 or len(model.output_shape) != 2:
        raise ValueError(
            "model must go from (batch, window, 1) to (batch, outputs), "
            f"received one from {model.input_shape} to {model.output_shape}"
        )
    window = model.input_shape[1] or len(history)
    if not np.isfinite(history.to_numpy(dtype="float64")[-window:]).all():
        raise ValueError(f"history must hold finite numbers, received {history.iloc[-window:].tolist()}")
    if len(history) < window:
        raise ValueError(f"history must have at least the model's window of {window} months, received {len(history)}")
    values = history.to_numpy(dtype="float64")
    while len(values) < len(history) + horizon:
        x = values[-window:].astype("float32").reshape(1, window, 1)
        # Called, not `predict`: compiling a function for a handful of calls takes longer than the calls.
        outputs = keras.ops.convert_to_numpy(model(x, training=False))  # (1, outputs)
        values = np.concatenate([values, outputs[0].astype("float64")])
    return _after(history, values[len(history) : len(history) + horizon])


def last_value(history, horizon):
    """Forecast that every month to come is like the last one."""
    horizon = checks.integer("horizon", horizon, at_least=1)
    return _after(_checked(history), np.repeat(history.iloc[-1], horizon))


def drift(history, horizon):
    """Forecast the straight line through the first and the last month."""
    history = _checked(history)
    horizon = checks.integer("horizon", horizon, at_least=1)
    slope = (history.iloc[-1] - history.iloc[0]) / max(len(history) - 1, 1)
    return _after(history, history.iloc[-1] + slope * np.arange(1, horizon + 1))


def seasonal_naive(history, horizon, season=SEASON):
    """Forecast that each month is like the same month of the year before.

    Raises:
        ValueError: The history is shorter than a season.
    """
    history = _checked(history)
    horizon = checks.integer("horizon", horizon, at_least=1)
    if len(history) < season:
        raise ValueError(f"history must have at least one season of {season} months, received {len(history)}")
    return _after(history, np.resize(history.to_numpy()[-season:], horizon))


def baselines(history, horizon):
    """All baselines that a history is long enough for, {method: forecast}."""
    methods = {"last_value": last_value, "drift": drift}
    if len(history) >= SEASON:
        methods["seasonal_naive"] = seasonal_naive
    return {name: method(history, horizon) for name, method in methods.items()}


def mae(actual, predicted):
    """Mean absolute error, in the series' own unit."""
    actual, predicted = _pair(actual, predicted)
    return float(np.mean(np.abs(actual - predicted)))


def smape(actual, predicted):
    """Symmetric mean absolute percentage error, 0 to 200 (Makridakis and Hibon 2000, M3); 0 where both are 0."""
    actual, predicted = _pair(actual, predicted)
    size = np.abs(actual) + np.abs(predicted)
    return float(np.mean(200 * np.divide(np.abs(actual - predicted), size, out=np.zeros_like(size), where=size > 0)))


def mase(actual, predicted, history, season=None):
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


def _after(history, values):
    """Values as a series that begins one period after the history ends."""
    index = pd.period_range(
        history.index[-1] + 1, periods=len(values), freq=history.index.freq, name=history.index.name
    )
    return pd.Series(np.asarray(values, dtype="float64"), index=index, name=history.name)


def _checked(series):
    if not isinstance(series, pd.Series) or not isinstance(series.index, pd.PeriodIndex) or len(series) == 0:
        raise ValueError(
            f"series must be a non-empty pandas.Series with a PeriodIndex, received {type(series).__name__}"
        )
    return series


def _pair(actual, predicted):
    actual, predicted = np.asarray(actual, dtype="float64"), np.asarray(predicted, dtype="float64")
    if actual.shape != predicted.shape or actual.size == 0:
        raise ValueError(
            f"actual and predicted must be of one shape and not empty, received {actual.shape} and {predicted.shape}"
        )
    return actual, predicted
