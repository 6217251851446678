"""Monthly sales: twelve months to learn on, your own from a CSV file, made-up ones, and the windows to train on.

Data flows one way: `read_csv` gives a series without gaps, `windows` cuts it into inputs and targets, and
`split` keeps the last of them for validation.
"""

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnn_tutorial import _checks

if TYPE_CHECKING:
    from rnn_tutorial.data.monthly_csv import read_csv

__all__ = ["TWELVE_MONTHS", "generate", "practice", "read_csv", "split", "windows"]

TWELVE_MONTHS = pd.Series(
    np.arange(100.0, 651.0, 50.0),  # (12,), units sold
    index=pd.period_range("2024-01", periods=12, freq="M"),
    name="sales",
)


def __getattr__(name: str) -> Any:
    """Load what reads CSV files when it is first used: it needs Babel, and the rest does not."""
    if name != "read_csv":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rnn_tutorial.data.monthly_csv import read_csv

    return read_csv


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
    window = _checks.integer("window", window, at_least=1)
    horizon = _checks.integer("horizon", horizon, at_least=1)
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


def generate(
    years: int = 10,
    trend: float = 0.08,
    season: float = 0.15,
    noise: float = 0.04,
    seed: int = 0,
    multiplicative: bool = False,
    outliers: int = 0,
    shift: float = 0.0,
    noise_growth: float = 0.0,
    level: float = 500.0,
) -> pd.Series:
    """Make up monthly sales from a trend, a season and noise.

    All sizes are shares of the level. With t in months, p a profile of twelve months (four harmonics drawn from the
    seed, mean 0, standard deviation 1) and e standard normal noise, the sum is

        z_t = trend * t / 12 + season * p_(t mod 12) + noise * (1 + noise_growth * t / n) * e_t

    and the sales are level * (1 + z_t), or with `multiplicative` level * exp(z_t), where season and noise grow with
    the sales.

    Example:
        >>> series = sales.generate(years=10, multiplicative=True, seed=1)

    Args:
        years: length of the series.
        trend: growth per year.
        season: standard deviation of the season.
        noise: standard deviation of the noise, at the beginning of the series.
        seed: fixes profile, noise, outliers and where the level shifts.
        multiplicative: whether z_t is an exponent.
        outliers: number of months that lie 8 standard deviations of the noise off, up or down.
        shift: how far the level moves, once and for good, in a month of the middle third.
        noise_growth: how much the noise has grown at the end; 2 makes it three times as large.
        level: sales that a month of no trend, season and noise would have.

    Returns:
        pandas Series with a monthly PeriodIndex from 2014-01 on.

    Raises:
        ValueError: `years` or `outliers` is not an integer of at least 1 or 0.
    """
    years = _checks.integer("years", years, at_least=1)
    outliers = _checks.integer("outliers", outliers, at_least=0)
    seed = _checks.integer("seed", seed, at_least=0)
    rng = np.random.default_rng(seed)
    months = 12 * years
    t = np.arange(months)
    profile = _profile(rng, 4)
    spread = noise * (1 + noise_growth * t / months)
    z = trend * t / 12 + season * profile[t % 12] + spread * rng.normal(size=months)
    at = rng.integers(months // 3, 2 * months // 3)
    z[at:] += shift
    where = rng.choice(months, size=min(outliers, months), replace=False)
    z[where] += rng.choice([-8.0, 8.0], size=len(where)) * spread[where]
    values = level * (np.exp(z) if multiplicative else 1 + z)
    return pd.Series(values, index=pd.period_range("2014-01", periods=months, freq="M"), name="sales")


def _profile(rng: np.random.Generator, harmonics: int) -> np.ndarray:
    """Twelve months with mean 0 and standard deviation 1, (12,)."""
    order = np.arange(1, harmonics + 1)[:, np.newaxis]  # (harmonics, 1)
    size, phase = rng.normal(size=(harmonics, 1)), rng.uniform(0, 2 * np.pi, size=(harmonics, 1))
    profile = (size / order * np.cos(2 * np.pi * order * np.arange(12) / 12 + phase)).sum(axis=0)
    return (profile - profile.mean()) / profile.std()


def practice(samples: int, months: int, seed: int = 0) -> np.ndarray:
    """Make up many short series of many kinds, for a network to learn the reading of noise on.

    Each has a level that wanders, a slope that may wander and fade, a season that may change, and noise that may last
    from month to month; how much of each is drawn anew for every series, over orders of magnitude, in units of a season
    of standard deviation 1. Some have an outlier, or a level that shifts. (The structural model of Harvey 1989, with
    random variances.) Every series is moved to end near zero, and divided by the mean absolute difference to the year
    before, so that all weigh alike in a loss.

    Args:
        samples: number of series.
        months: length of each, 36 at least. Outliers and shifts leave the last twelve alone.
        seed: fixes everything.

    Returns:
        float32 (samples, months).

    Raises:
        ValueError: `samples` or `months` is too small or no integer.
    """
    n = _checks.integer("samples", samples, at_least=1)
    months = _checks.integer("months", months, at_least=36)
    rng = np.random.default_rng(seed)

    def between(smallest, largest):
        """Drawn so that each power of ten comes as often as any other, (n, 1)."""
        return np.exp(rng.uniform(np.log(smallest), np.log(largest), size=(n, 1)))

    def sometimes(share, values, otherwise):
        return np.where(rng.random((n, 1)) < share, values, otherwise)

    order = np.arange(1, 6)[:, np.newaxis, np.newaxis]  # (5, 1, 1)
    size = rng.normal(size=(5, n, 1)) / order ** rng.uniform(0, 1.2, size=(1, n, 1))
    phase = rng.uniform(0, 2 * np.pi, size=(5, n, 1))
    season = (size * np.cos(2 * np.pi * order * np.arange(12) / 12 + phase)).sum(axis=0)  # (n, 12)
    season += sometimes(0.4, 0.6, 0.0) * rng.normal(size=(n, 12))
    season -= season.mean(axis=1, keepdims=True)
    season *= sometimes(0.1, rng.uniform(0, 0.3, size=(n, 1)), 1.0) / season.std(axis=1, keepdims=True)

    noise = between(0.03, 1.0)
    of_level = sometimes(0.75, noise * between(0.04, 3.0), 0.0)
    of_slope = sometimes(0.5, of_level * between(0.01, 0.2), 0.0)
    of_season = sometimes(0.6, noise * between(0.03, 0.6), 0.0)
    of_month = sometimes(0.15, 0.1 * noise, noise)
    lasts = sometimes(0.3, rng.uniform(0.2, 0.9, size=(n, 1)), 0.0)
    fades = sometimes(0.5, 1.0, rng.uniform(0.9, 1.0, size=(n, 1)))
    slope = rng.normal(size=(n, 1)) * between(0.003, 0.12)
    level, rest = np.zeros((n, 1)), np.zeros((n, 1))
    made = np.empty((n, months))
    for month in range(months):
        drawn = rng.normal(size=(4, n, 1))
        rest = lasts * rest + np.sqrt(1 - lasts**2) * drawn[0]
        now = season[:, month % 12, np.newaxis]
        made[:, month, np.newaxis] = level + now + of_month * rest
        level = level + slope + of_level * drawn[1]
        slope = fades * slope + of_slope * drawn[2]
        now += of_season * drawn[3]

    (off,) = np.nonzero(rng.random(n) < 0.15)
    made[off, rng.integers(0, months - 12, len(off))] += _jump(rng, noise[off, 0], 2, 8)
    (moved,) = np.nonzero(rng.random(n) < 0.15)
    since = np.arange(months) >= rng.integers(6, months - 15, len(moved))[:, np.newaxis]
    made[moved] += since * _jump(rng, noise[moved, 0], 1, 8)[:, np.newaxis]

    past = made[:, :-12]
    unit = np.abs(past[:, 12:] - past[:, :-12]).mean(axis=1, keepdims=True)
    return ((made - past[:, -1:]) / unit).astype(np.float32)


def _jump(rng: np.random.Generator, noise: np.ndarray, smallest: float, largest: float) -> np.ndarray:
    """Up or down by so many times the noise."""
    return rng.choice([-1, 1], len(noise)) * rng.uniform(smallest, largest, len(noise)) * noise


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
