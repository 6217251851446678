# %% [markdown]
"""Solutions to 06 · Backtest the forecast

**What you will see:** how much of an error nobody can avoid; which of the two leaks in a split that cheats does the cheating; and
what the mean of two forecasts is worth.

**Takes** about 30 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 100
HORIZON = 12  # months
FOLDS = 3
WINDOW = 12
SERIES_SEED = 4
PRACTICE = 40_000
SEEDS_TO_COMPARE = (4, 5, 6)

settings = lesson.start("solutions/06_backtest_sales", epochs=EPOCHS, quick_epochs=60)

import keras
import numpy as np

from rnn_tutorial import data, forecasting, models

folds = 1 if settings.quick else FOLDS
network = forecasting.Network(seed=settings.seed, practice=PRACTICE // 10 if settings.quick else PRACTICE)


def sales(seed=SERIES_SEED, noise=0.04):
    """The sales of the lesson."""
    return data.sales.generate(years=10, trend=0.08, season=0.15, noise=noise, multiplicative=True, seed=seed)


# %% [markdown]
# ## Exercise 1
#
# *Make the noise 0.15 instead of 0.04, then 0.01. How large does the MASE of each method become, and why can none get far below 0.7 when
# there is much noise?*

# %%
by_noise = {}
for noise in (0.15, 0.04, 0.01):
    table = forecasting.backtest(sales(noise=noise), HORIZON, folds, make_model={"lstm, practised": network})
    by_noise[noise] = table.groupby("method")["mase"].mean()
print(f"{'MASE, noise':24}" + "".join(f"{noise:8}" for noise in by_noise))
for method in by_noise[0.15].index:
    print(f"{method:24}" + "".join(f"{mase[method]:8.2f}" for mase in by_noise.values()))
draws = np.random.default_rng(0).normal(size=(3, 100_000))
least = np.abs(draws[0]).mean() / np.abs(draws[1] - draws[2]).mean()
print(f"a forecast that knows all but the noise, on noise alone: MASE {least:.3f}")
assert abs(least - 1 / np.sqrt(2)) < 0.01
classic = {noise: mase["exponential_smoothing"] for noise, mase in by_noise.items()}
assert classic[0.15] > classic[0.04] > classic[0.01]
assert classic[0.15] > 0.5
assert classic[0.01] < 0.4

# %% [markdown]
# Noise cannot be forecast. Who knew trend and season exactly would still be off by the noise, which is σ · √(2/π) in the mean. The unit of the
# MASE is the difference of two months a year apart, which holds the noise of both, √2 times as much. So where noise is all that
# differs from year to year, perfection has a MASE of 1/√2 = 0.71. With little noise the unit is the growth of a year, which
# can be forecast, and the MASE comes down.
#
# ## Exercise 2
#
# *The split that cheats has two leaks, the scaling and the shuffling. Take away one
# at a time: which of them does the cheating?*

# %%
series = sales()
past, last_year = series.iloc[:-HORIZON], series.iloc[-HORIZON:]
plain = models.sales_forecaster(window=WINDOW, horizon=HORIZON, units=(64,), scale=False)
plain.compile(keras.optimizers.Adam(1e-2), "mse")
by_leak = {}
for scaled_by in ("all months", "the past"):
    scale = series if scaled_by == "all months" else past
    scaled = (series - scale.mean()) / scale.std()
    x, y = data.sales.windows(scaled, WINDOW, HORIZON)
    for split in ("shuffled", "by time"):
        if split == "shuffled":
            order = np.random.default_rng(settings.seed).permutation(len(x))
            new, old = order[: len(x) // 4], order[len(x) // 4 :]
        else:
            new, old = [len(x) - 1], range(len(x) - HORIZON)
        models.start_over(plain, settings.seed)
        plain.fit(**data.batches(x[old], y[old], seed=settings.seed), epochs=settings.epochs, verbose=0)
        answer = keras.ops.convert_to_numpy(plain(x[new]))
        by_leak[scaled_by, split] = forecasting.mase(y[new] * scale.std(), answer * scale.std(), past)
        print(f"scaled by {scaled_by:12} {split:10} MASE {by_leak[scaled_by, split]:.2f}")
assert by_leak["all months", "shuffled"] < by_leak["the past", "by time"]
assert by_leak["the past", "shuffled"] < by_leak["the past", "by time"]

# %% [markdown]
# The shuffling. Shuffled, the network looks good however it was scaled; split by time, it does not. Scaling by all months tells it how far sales will
# ever climb, which is little beside the answers themselves. But both are easily avoided, so avoid both.
#
# ## Exercise 3
#
# *Write a method of your own and put it beside the others: the mean of exponential smoothing and the practised network, for one. Is it
# better than both?*


# %%
def mean_of_both(history, horizon):
    """Half one, half the other."""
    return (network(history, horizon) + forecasting.exponential_smoothing(history, horizon)) / 2


seeds = SEEDS_TO_COMPARE[: 1 if settings.quick else None]
mixed = []
for seed in seeds:
    table = forecasting.backtest(sales(seed), HORIZON, folds, make_model={"network": network, "mean": mean_of_both})
    mixed.append(table.groupby("method")["mase"].mean()[["network", "exponential_smoothing", "mean"]])
print(f"\nMASE{'':12}" + "".join(f"{method:>24}" for method in mixed[0].index))
for seed, mase in zip(seeds, mixed, strict=True):
    print(f"sales of seed {seed}  " + "".join(f"{value:24.2f}" for value in mase))
for mase in mixed:
    # A mean of errors is no longer than the mean of their lengths.
    assert mase["mean"] <= (mase["network"] + mase["exponential_smoothing"]) / 2 + 1e-9

# %% [markdown]
# It is never worse than the two are in the mean, for an error of the mean is the mean of the errors, and where one is too high and
# the other too low they cancel. Better than the better one it is only where that happens often. Before the last years are seen nobody
# knows which of the two is the better one, which is why forecasters like means.

# %%
overall = np.mean(mixed, axis=0)
lesson.end(
    settings,
    "1: MASE of exponential smoothing: "
    + ", ".join(f"noise {noise:g} {value:.2f}" for noise, value in classic.items())
    + f"; knowing all but the noise: {least:.2f}",
    "2: " + ", ".join(f"scaled by {scale}, {split} {mase:.2f}" for (scale, split), mase in by_leak.items()),
    f"3: network {overall[0]:.2f}, exponential smoothing {overall[1]:.2f}, their mean {overall[2]:.2f}",
)
