"""The network that forecasts: how it is trained on a series, and how it is asked."""

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rnn_tutorial import _checks
from rnn_tutorial.data import batches, sales
from rnn_tutorial.forecasting.baseline import last_value
from rnn_tutorial.forecasting.choices import (
    choose_outputs,
    choose_window,
    is_seasonal,
    only_practises,
    takes_logarithm,
    training_windows,
)
from rnn_tutorial.forecasting.errors import mae
from rnn_tutorial.forecasting.pretraining import PRACTICE, has_practised, practise, practised_weights
from rnn_tutorial.forecasting.series import SEASON, after, checked, spread

if TYPE_CHECKING:
    import keras

_PATIENCE = 20  # epochs
_Rows = tuple[np.ndarray, np.ndarray]  # months that are read, and those after them


@dataclasses.dataclass(frozen=True)
class _Kind:
    """What tells one compiled network from another."""

    window: int
    horizon: int
    cell: str
    seasonal: bool
    log: bool
    learning_rate: float


@dataclasses.dataclass
class _Windows:
    """What a network is trained and validated on; each window weighs the same in the loss."""

    training: _Rows
    validation: _Rows
    weight: float


def train(
    series: pd.Series,
    window: int | None = None,
    horizon: int = 1,
    epochs: int = 200,
    learning_rate: float = 1e-3,
    batch_size: int = 32,
    seed: int = 0,
    cell: str = "lstm",
    callbacks: Iterable[Any] = (),
    practice: int = PRACTICE,
) -> "keras.Model":
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
    return _train(
        series,
        {},
        window=window,
        horizon=horizon,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        seed=seed,
        cell=cell,
        callbacks=callbacks,
        practice=practice,
    )


def _train(
    series: pd.Series,
    built: dict[_Kind, "keras.Model"],
    *,
    window: int | None = None,
    horizon: int = 1,
    epochs: int = 200,
    learning_rate: float = 1e-3,
    batch_size: int = 32,
    seed: int = 0,
    cell: str = "lstm",
    callbacks: Iterable[Any] = (),
    practice: int = PRACTICE,
) -> "keras.Model":
    """`train` with the compiled models of earlier calls, to be used again."""
    import keras  # here, so that the baselines do without it

    series = checked(series)
    epochs = _checks.integer("epochs", epochs, at_least=1)
    seed = _checks.integer("seed", seed, at_least=0)
    practice = _checks.integer("practice", practice, at_least=0)
    if not isinstance(learning_rate, (int, float)) or not learning_rate > 0:
        raise ValueError(f"learning_rate must be a number above 0, received {learning_rate!r}")
    window = choose_window(len(series), horizon) if window is None else _checks.integer("window", window, at_least=2)
    horizon = _checks.integer("horizon", horizon, at_least=1)
    seasonal = is_seasonal(len(series), window)
    if seasonal:
        horizon = SEASON
    elif training_windows(len(series), window, horizon) == 0:
        raise ValueError(
            f"series must have more observations for window={window} and horizon={horizon}, received {len(series)}: no "
            "windows are left to train and to validate on; horizon=1 takes fewer, and `forecast` repeats it"
        )
    if only_practises(len(series), window):
        practice = _checks.integer("practice", practice, at_least=1)
    kind = _Kind(window, horizon, cell, seasonal, seasonal and takes_logarithm(series), learning_rate)
    windows = _windows(series, kind)
    keras.utils.set_random_seed(seed)
    model = _compiled(kind, built, seed)
    fit: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "seed": seed, "callbacks": callbacks}
    if not seasonal:
        # Patient to the end: it is there to bring the best weights back, not to stop.
        _fit(model, windows, patience=epochs, **fit)
    elif only_practises(len(series), window):
        _only_practise(model, kind, windows.validation, practice, seed, callbacks)
    else:
        if practice:
            model.set_weights(practised_weights(window, cell, practice, seed))
        _improve(model, windows, **fit)
    return model


def _windows(series: pd.Series, kind: _Kind) -> _Windows:
    x, y = sales.windows(series, kind.window, kind.horizon)
    weight = loss_weight(y, kind.seasonal)
    if only_practises(len(series), kind.window):
        return _Windows((x, y), (x, y), weight)
    # At least a window to train on is left, however long the targets are.
    held_back = max(1, min(round(len(x) / 4), len(x) - kind.horizon)) if kind.seasonal else 0.25
    return _Windows(*sales.split(x, y, held_back), weight)


def _compiled(kind: _Kind, built: dict[_Kind, "keras.Model"], seed: int) -> "keras.Model":
    """A network with new weights: one of the `built` ones, or a new one, which is kept there."""
    import keras

    from rnn_tutorial import models

    if kind in built:
        models.start_over(built[kind], seed)
        return built[kind]
    if kind.seasonal:
        model = models.seasonal_forecaster(kind.window, cell=kind.cell, log=kind.log)
    else:
        model = models.sales_forecaster(window=kind.window, horizon=kind.horizon, cell=kind.cell)
    # A month that nobody could have foreseen must not outweigh all the others.
    loss = "mae" if kind.seasonal else "mse"
    model.compile(keras.optimizers.Adam(kind.learning_rate), loss=loss, metrics=["mae"])
    built[kind] = model
    return model


def _only_practise(
    model: "keras.Model", kind: _Kind, validation: _Rows, practice: int, seed: int, callbacks: Iterable[Any]
) -> None:
    """Give a network the practised weights, and the history of the practice where that happens now."""
    import keras

    practised = kind.window, kind.cell, practice, seed
    model.history = keras.callbacks.History()
    model.history.history = {}
    if callbacks or not has_practised(*practised):
        if kind.log:
            validation = np.log(validation[0]), np.log(validation[1])
        model.history = practise(*practised, validation, callbacks).history
    model.set_weights(practised_weights(*practised))


def _improve(model: "keras.Model", windows: _Windows, **fit: Any) -> None:
    """Train a network that has practised, and keep what it came with where no epoch is better."""
    import keras

    x, y = windows.validation
    before, error_before = model.get_weights(), mae(y, keras.ops.convert_to_numpy(model(x)))
    _fit(model, windows, patience=_PATIENCE, **fit)
    if not np.nanmin(model.history.history["val_loss"]) < windows.weight * error_before:
        model.set_weights(before)


def _fit(
    model: "keras.Model",
    windows: _Windows,
    *,
    epochs: int,
    patience: int,
    batch_size: int,
    seed: int,
    callbacks: Iterable[Any],
) -> None:
    """Train with every row of one weight, and keep the weights of the epoch with the lowest validation loss."""
    import keras

    (x, y), weight = windows.training, windows.weight
    validation = (*windows.validation, np.full(len(windows.validation[0]), weight, "float32"))
    stream = batches(x, y, batch_size, seed, validation, np.full(len(x), weight, "float32"))
    best = keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
    model.fit(**stream, epochs=epochs, callbacks=[*callbacks, best], verbose=0)
    losses = model.history.history["val_loss"]
    if not np.isfinite(losses[0]):  # Nothing is better than that, to `EarlyStopping`.
        raise ArithmeticError(
            f"the network cannot learn from numbers such as {y[0, 0]:g}: its loss was {losses[0]} from the beginning"
        )


def loss_weight(targets: ArrayLike, seasonal: bool) -> float:
    """The weight of each window in the loss of `train`: makes it percent of the targets' spread, whatever their unit.

    Args:
        targets: The months to be forecast (windows, horizon), in their own unit.
        seasonal: Whether `is_seasonal` says so; the loss is the absolute error then, and its square elsewhere.
    """
    return (100 / spread(targets)) ** (1 if seasonal else 2)


def forecast(model: "keras.Model", history: pd.Series, horizon: int) -> pd.Series:
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

    history = checked(history)
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
    return after(history, values[len(history) : len(history) + horizon])


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

    def __init__(self, outputs: int | None = None, **arguments: Any) -> None:
        self.outputs = outputs
        self.arguments = arguments
        self._built: dict = {}

    def train(self, history: pd.Series, horizon: int) -> "keras.Model":
        """Return the network trained on a history; the next call may train the same object anew."""
        window = self.arguments.get("window") or choose_window(len(history), horizon)
        outputs = self.outputs or choose_outputs(len(history), window, horizon)
        return _train(history, self._built, **{**self.arguments, "window": window, "horizon": outputs})

    def __call__(self, history: pd.Series, horizon: int) -> pd.Series:
        return forecast(self.train(history, horizon), history, horizon)
