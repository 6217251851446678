"""Forecasts of a monthly series: a trained network's, those every network must beat, and how wrong each one is.

All series are pandas.Series with a PeriodIndex, in their own unit, and so are all forecasts.
"""

import time
import warnings

import numpy as np
import pandas as pd

from rnn_tutorial import _checks
from rnn_tutorial.data import sales

SEASON = 12  # months
# A year of months, read at once by the plain network, where there are two such windows before those to be forecast.
LONGEST_WINDOW = 12
# From so many months on, so many are read.
_SEASONAL_WINDOWS = ((84, 48), (72, 36), (36, 24))
_PATIENCE = 20  # epochs
PRACTICE = 40_000  # made-up series
PRACTICE_EPOCHS = 10  # each of other series
_PRACTICE_BATCH = 64
_PRACTISED: dict = {}  # weights of seasonal networks, about 60 KB each
# Errors that a prediction interval is made of come from at most so many origins, and from no fewer.
_MOST_ORIGINS, _FEWEST_ORIGINS = 36, 9


_FEWEST_TO_SMOOTH = 10  # months
# Methods that stand in every backtest.
_TAKEN = ("last_value", "drift", "seasonal_naive", "exponential_smoothing")


def choose_window(observations, horizon=1):
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


def choose_outputs(observations, window, horizon):
    """Number of months that the network for such a window forecasts at once.

    Twelve where it reads whole years. Otherwise all of them, or one, to be repeated, where the series is short: all at
    once leaves fewer windows to learn from, because their targets are longer and must not reach into the validation
    part; it is chosen where there are at least two training windows for each month.
    """
    horizon = _checks.integer("horizon", horizon, at_least=1)
    if is_seasonal(observations, window):
        return SEASON
    return horizon if _training_windows(observations, window, horizon) >= 2 * horizon else 1


def is_seasonal(observations, window):
    """Whether `train` reads a window by whole years: two of them or more, and one more beside them."""
    return window >= 2 * SEASON and window % SEASON == 0 and observations >= window + SEASON


def only_practises(observations, window):
    """Whether a window by whole years leaves too little for training and validation apart, two years beside it."""
    return is_seasonal(observations, window) and observations < window + 2 * SEASON


def takes_logarithm(series):
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


def _variation(values):
    return np.std(values) / np.mean(values)


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
    practice=PRACTICE,
):
    """Train a forecaster on a series, with the last windows held back for validation.

    A series of three years and more is read by whole years, with the yearly baseline inside the network
    (`models.seasonal_forecaster`), in logarithms where `takes_logarithm` says so. One series is too little to learn the
    reading of noise from, so the network first practises on made-up ones (`data.sales.practice`; once a process, about
    10 s of processor time). Then it trains on the series, until the validation loss has not fallen for 20 epochs. Where
    no epoch is better on the validation windows, the practised weights stay. So they do where the series has less than
    two years beside the window: that is too little to train and to validate on (`only_practises`), and callbacks see
    the practice instead, ten epochs that are validated on all windows of the series.

    A shorter series, or another window, trains the plain stack (`models.sales_forecaster`) for all epochs.

    But for what only practises, the weights of the epoch with the lowest validation loss are kept. The loss is measured
    in percent of the series' spread, so that learning does not depend on the unit; `mae` is in the series' own.

    Args:
        series: pandas.Series with a PeriodIndex.
        window: Months read; None chooses, see `choose_window`.
        horizon: Months forecast at once by the plain network; the seasonal one always answers twelve. Fewer than
            asked for are repeated by `forecast`.
        epochs: Epochs of training at most.
        learning_rate: Step size of Adam.
        batch_size: Windows per training step.
        seed: Fixes the first weights, the practice and the order of the windows.
        cell: "simple_rnn", "lstm" or "gru".
        callbacks: Callbacks for `fit` on the series, such as those of `callbacks.observe`. A network that only
            practises reads logarithms as they are: to such callbacks a probe is given in logarithms.
        practice: Number of made-up series that the seasonal network sees before, each once, in batches of 64; 0 for
            none.

    Returns:
        The trained, compiled model. `model.history` holds the curves; they are empty where an earlier call has done all
        the practice.

    Raises:
        ValueError: An argument is not allowed, or the series is too short.
        ArithmeticError: The loss was no finite number from the first epoch.
    """
    return _train(series, {}, window, horizon, epochs, learning_rate, batch_size, seed, cell, callbacks, practice)


def _train(
    series,
    built,
    window=None,
    horizon=1,
    epochs=200,
    learning_rate=1e-3,
    batch_size=32,
    seed=0,
    cell="lstm",
    callbacks=(),
    practice=PRACTICE,
):
    """`train` with the compiled models of earlier calls, {what was asked for: model}, to be used again."""
    import keras  # here, so that the baselines do without it

    from rnn_tutorial import models

    series = _checked(series)
    epochs = _checks.integer("epochs", epochs, at_least=1)
    seed = _checks.integer("seed", seed, at_least=0)
    practice = _checks.integer("practice", practice, at_least=0)
    if not isinstance(learning_rate, (int, float)) or not learning_rate > 0:
        raise ValueError(f"learning_rate must be a number above 0, received {learning_rate!r}")
    window = choose_window(len(series), horizon) if window is None else _checks.integer("window", window, at_least=2)
    horizon = _checks.integer("horizon", horizon, at_least=1)
    seasonal = is_seasonal(len(series), window)
    if seasonal:
        horizon, log = SEASON, takes_logarithm(series)
    elif _training_windows(len(series), window, horizon) == 0:
        raise ValueError(
            f"series must have more observations for window={window} and horizon={horizon}, received {len(series)}: no "
            "windows are left to train and to validate on; horizon=1 takes fewer, and `forecast` repeats it"
        )
    if only_practises(len(series), window):
        practice = _checks.integer("practice", practice, at_least=1)
    x, y = sales.windows(series, window, horizon)
    weight = loss_weight(y, seasonal)
    if only_practises(len(series), window):
        validation = x, y
    else:
        # At least a window to train on is left, however long the targets are.
        held_back = max(1, min(round(len(x) / 4), len(x) - horizon)) if seasonal else 0.25
        (x, y), validation = sales.split(x, y, held_back)
    keras.utils.set_random_seed(seed)
    key = (window, horizon, cell, seasonal and log, learning_rate)
    model = built.get(key)
    if model is None:
        if seasonal:
            model = models.seasonal_forecaster(window, cell=cell, log=log)
        else:
            model = models.sales_forecaster(window=window, horizon=horizon, cell=cell)
        # A month that nobody could have foreseen must not outweigh all the others.
        model.compile(keras.optimizers.Adam(learning_rate), loss="mae" if seasonal else "mse", metrics=["mae"])
        built[key] = model
    else:
        models.start_over(model, seed)
    if not seasonal:
        # Patient to the end: it is there to bring the best weights back, not to stop.
        _fit(model, (x, y), validation, weight, epochs, epochs, batch_size, seed, callbacks)
        return model
    if only_practises(len(series), window):
        if log:
            validation = np.log(validation[0]), np.log(validation[1])
        model.history = keras.callbacks.History()
        if callbacks or (window, cell, practice, seed) not in _PRACTISED:
            model.history = _practise(window, cell, practice, seed, validation, callbacks).history
        else:
            model.history.history = {}
        model.set_weights(_PRACTISED[window, cell, practice, seed])
        return model
    if practice:
        model.set_weights(_practised(window, cell, practice, seed))
    before, error_before = model.get_weights(), mae(validation[1], keras.ops.convert_to_numpy(model(validation[0])))
    _fit(model, (x, y), validation, weight, epochs, _PATIENCE, batch_size, seed, callbacks)
    if not np.nanmin(model.history.history["val_loss"]) < weight * error_before:
        model.set_weights(before)
    return model


def _fit(model, rows, validation, weight, epochs, patience, batch_size, seed, callbacks):
    """Train with every row of one weight, and keep the weights of the epoch with the lowest validation loss."""
    import keras

    from rnn_tutorial.data import batches

    (x, y), validation = rows, (*validation, np.full(len(validation[0]), weight, "float32"))
    stream = batches(x, y, batch_size, seed, validation, np.full(len(x), weight, "float32"))
    best = keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
    model.fit(**stream, epochs=epochs, callbacks=[*callbacks, best], verbose=0)
    losses = model.history.history["val_loss"]
    if not np.isfinite(losses[0]):  # Nothing is better than that, to `EarlyStopping`.
        raise ArithmeticError(
            f"the network cannot learn from numbers such as {y[0, 0]:g}: its loss was {losses[0]} from the beginning"
        )


def loss_weight(targets, seasonal):
    """The weight of each window in the loss of `train`: makes it percent of the targets' spread, whatever their unit.

    Args:
        targets: The months to be forecast (windows, horizon), in their own unit.
        seasonal: Whether `is_seasonal` says so; the loss is the absolute error then, and its square elsewhere.
    """
    return (100 / _spread(targets)) ** (1 if seasonal else 2)


def _spread(values):
    """Standard deviation; for numbers that are all the same their size, and 1 for zeros."""
    values = np.asarray(values, dtype="float64")
    return float(np.std(values) or np.abs(values).max() or 1.0)


def _practised(window, cell, samples, seed):
    """The weights of a seasonal network that has practised, now or earlier in this process."""
    if (window, cell, samples, seed) not in _PRACTISED:
        _practise(window, cell, samples, seed)
    return _PRACTISED[window, cell, samples, seed]


def _practise(window, cell, samples, seed, validation=None, callbacks=()):
    """A seasonal network that has seen made-up series, each once, in `PRACTICE_EPOCHS` parts of one size.

    Its weights fit the network with logarithms as well as this one without, since either reads numbers that have no
    unit; `validation` holds logarithms for such a network.
    """
    import keras

    from rnn_tutorial import models

    keras.utils.set_random_seed(seed)
    months = sales.practice(samples, window + SEASON, seed)
    x, y = months[:, :window, np.newaxis], months[:, window:]
    model = models.seasonal_forecaster(window, cell=cell)
    batches = -(-samples // _PRACTICE_BATCH)
    parts = min(PRACTICE_EPOCHS, batches)
    steps = batches // parts  # in each part; up to nine batches are left over
    rate = keras.optimizers.schedules.CosineDecay(4e-3, parts * steps)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss="mae", metrics=["mae"])
    model.fit(
        x,
        y,
        batch_size=_PRACTICE_BATCH,
        epochs=parts,
        steps_per_epoch=steps,  # the next epoch goes on where the one before ended
        shuffle=False,
        validation_data=validation,
        callbacks=list(callbacks),
        verbose=0,
    )
    _PRACTISED[window, cell, samples, seed] = model.get_weights()
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
        pandas.Series of `horizon` months that follow the history. A history that never changes is forecast as what
        it is.

    Raises:
        ValueError: An argument is not allowed, or the history is shorter than the window.
    """
    import keras  # here, so that the baselines do without it

    history = _checked(history)
    horizon = _checks.integer("horizon", horizon, at_least=1)
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
    if np.ptp(values) == 0:
        return last_value(history, horizon)
    while len(values) < len(history) + horizon:
        x = values[-window:].astype("float32").reshape(1, window, 1)
        # Called, not `predict`: compiling a function for a handful of calls takes longer than the calls.
        outputs = keras.ops.convert_to_numpy(model(x, training=False))  # (1, outputs)
        values = np.concatenate([values, outputs[0].astype("float64")])
    return _after(history, values[len(history) : len(history) + horizon])


def last_value(history, horizon):
    """Forecast that every month to come is like the last one."""
    horizon = _checks.integer("horizon", horizon, at_least=1)
    return _after(_checked(history), np.repeat(history.iloc[-1], horizon))


def drift(history, horizon):
    """Forecast the straight line through the first and the last month."""
    history = _checked(history)
    horizon = _checks.integer("horizon", horizon, at_least=1)
    slope = (history.iloc[-1] - history.iloc[0]) / max(len(history) - 1, 1)
    return _after(history, history.iloc[-1] + slope * np.arange(1, horizon + 1))


def seasonal_naive(history, horizon, season=SEASON):
    """Forecast that each month is like the same month of the year before.

    Raises:
        ValueError: The history is shorter than a season.
    """
    history = _checked(history)
    horizon = _checks.integer("horizon", horizon, at_least=1)
    if len(history) < season:
        raise ValueError(f"history must have at least one season of {season} months, received {len(history)}")
    return _after(history, np.resize(history.to_numpy()[-season:], horizon))


def exponential_smoothing(history, horizon):
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

    history = _checked(history)
    horizon = _checks.integer("horizon", horizon, at_least=1)
    if len(history) < _FEWEST_TO_SMOOTH:
        raise ValueError(f"history must have at least {_FEWEST_TO_SMOOTH} months, received {len(history)}")
    values = history.to_numpy(dtype="float64")
    if np.ptp(values) == 0:
        return last_value(history, horizon)
    season = None if len(values) < 2 * SEASON else "mul" if takes_logarithm(history) else "add"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a search that ends a little early
        unit = _spread(values)  # The search for the maximum likelihood depends on it.
        model = ExponentialSmoothing(
            values / unit,
            trend="add",
            damped_trend=True,
            seasonal=season,
            seasonal_periods=SEASON if season else None,
            initialization_method="estimated",
        )
        return _after(history, unit * model.fit().forecast(horizon))


def baselines(history, horizon):
    """All baselines that a history is long enough for, {method: forecast}."""
    return {name: method(history, horizon) for name, method in _baselines(len(history)).items()}


def _baselines(observations):
    methods = {"last_value": last_value, "drift": drift}
    if observations >= SEASON:
        methods["seasonal_naive"] = seasonal_naive
    return methods


def backtest(series, horizon=12, folds=5, make_model=None, seed=0):
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


def rolling_forecasts(series, horizon=12, folds=5, make_model=None, seed=0):
    """The forecasts behind `backtest`, one after the other; arguments and errors are the same.

    Yields:
        (method, fold, actual, predicted, history, seconds); the three in the middle are pandas.Series.
    """
    series = _finite(_checked(series))
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


def _rolling(series, horizon, folds, make_model):
    for fold in range(folds):
        origin = len(series) - (folds - fold) * horizon
        # Copies: what a method does to its history is not seen by the others.
        actual = series.iloc[origin : origin + horizon]
        methods = {**make_model, **_baselines(origin)}
        if origin >= _FEWEST_TO_SMOOTH:
            methods["exponential_smoothing"] = exponential_smoothing
        for name, method in methods.items():
            history = series.iloc[:origin].copy()
            began = time.perf_counter()
            predicted = np.asarray(method(history, horizon), dtype="float64")
            seconds = time.perf_counter() - began
            if predicted.shape != (horizon,):
                raise ValueError(f"make_model[{name!r}] must forecast {horizon} months, received {predicted.shape}")
            yield name, fold, actual, _after(series.iloc[:origin], predicted), series.iloc[:origin], seconds


class Network:
    """A method for `backtest`: `train` on the history, then `forecast`.

    The compiled training step is kept from one history to the next. What was learned is not: each history starts from
    new first weights, and from the practice on made-up series.

    Example:
        >>> forecasting.backtest(series, make_model={"gru": forecasting.Network(cell="gru", window=12)})

    Args:
        outputs: Months forecast at once by the plain network; None chooses, see `choose_outputs`. 1 is recursive.
        **arguments: Those of `train`: window, epochs, learning_rate, batch_size, seed, cell, callbacks, practice.
    """

    def __init__(self, outputs=None, **arguments):
        self.outputs = outputs
        self.arguments = arguments
        self._built: dict = {}

    def train(self, history, horizon):
        """Return the network trained on a history; the next call may train the same object anew."""
        window = self.arguments.get("window") or choose_window(len(history), horizon)
        outputs = self.outputs or choose_outputs(len(history), window, horizon)
        return _train(history, self._built, **{**self.arguments, "window": window, "horizon": outputs})

    def __call__(self, history, horizon):
        return forecast(self.train(history, horizon), history, horizon)


def interval(series, predicted, coverage=0.8, **arguments):
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
    series = _finite(_checked(series))
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
    if not is_seasonal(first, window) and _training_windows(first, window, 1) == 0:
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


def _finite(series):
    wrong = np.flatnonzero(~np.isfinite(series.to_numpy(dtype="float64")))
    if len(wrong):
        raise ValueError(
            f"series must hold finite numbers, received {series.iloc[wrong[0]]} in {series.index[wrong[0]]}, one of "
            f"{len(wrong)} such months"
        )
    return series


def _pair(actual, predicted):
    actual, predicted = np.asarray(actual, dtype="float64"), np.asarray(predicted, dtype="float64")
    if actual.shape != predicted.shape or actual.size == 0:
        raise ValueError(
            f"actual and predicted must be of one shape and not empty, received {actual.shape} and {predicted.shape}"
        )
    return actual, predicted
