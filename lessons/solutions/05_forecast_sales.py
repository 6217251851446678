# %% [markdown]
"""Solutions to 05 · Forecast next quarter's sales

**What you will see:** what scaling makes a network indifferent to, and what not; a network that has seen nothing but rising sales
and is asked about falling ones; and what one wrong month does to each forecast.

**Takes** about 25 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 40
LEARNING_RATE = 3e-3  # the lesson's is 1e-3, and takes twice the epochs
HORIZON = 3  # months
WINDOW = 4
OUTLIER = 900

settings = lesson.start("solutions/05_forecast_sales", epochs=EPOCHS, quick_epochs=25)

import keras
import numpy as np
import pandas as pd

from rnn_tutorial import data, forecasting, models

rising = data.sales.TWELVE_MONTHS


def network(window, scale):
    """The network of the lesson, compiled."""
    model = models.sales_forecaster(window=window, scale=scale)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "mse")
    return model


scaled, raw = network(WINDOW, scale=True), network(len(rising), scale=False)


def train(*many):
    """Train the scaled network from the beginning, as `forecasting.train` does, on the windows of one series or several."""
    models.start_over(scaled, settings.seed)
    parts = [data.sales.split(*data.sales.windows(series, WINDOW)) for series in many]
    (x, y), validation = (tuple(map(np.concatenate, zip(*part, strict=True))) for part in zip(*parts, strict=True))
    batches = data.batches(x, y, seed=settings.seed, validation=validation)
    best = keras.callbacks.EarlyStopping("val_loss", patience=settings.epochs, restore_best_weights=True)
    scaled.fit(**batches, epochs=settings.epochs, callbacks=[best], verbose=0)


def ask(series):
    return forecasting.forecast(scaled, series, HORIZON)


def show(name, values):
    print(f"{name:28}" + "".join(f"{value:12,.1f}" for value in values))


# %% [markdown]
# ## Exercise 1
#
# *Add 1,000 to every month. What do the forecasts of the scaled and of the raw network do? And if you multiply by 1,000?*

# %%
changes = {"as it is": (1, 0), "plus 1,000": (1, 1000), "times 1,000": (1000, 0)}
if settings.quick:
    del changes["times 1,000"]
by_scaled, by_raw, trained = {}, {}, {}
for name, (factor, more) in changes.items():
    series = factor * rising + more
    train(series)
    by_scaled[name], trained[name] = ask(series), scaled.get_weights()
    show(f"scaled, {name}", by_scaled[name])
for name, (factor, more) in changes.items():
    months = (factor * rising + more).to_numpy("float32").reshape(1, -1, 1)  # (windows, months, features)
    models.start_over(raw, settings.seed)
    raw.fit(**data.batches(months, [[factor * 700.0 + more]]), epochs=settings.epochs, verbose=0)
    by_raw[name] = float(keras.ops.convert_to_numpy(raw(months))[0, 0])
    show(f"raw, {name}", [by_raw[name]])
for name, (factor, more) in changes.items():
    np.testing.assert_allclose(by_scaled[name], factor * by_scaled["as it is"] + more, rtol=0.01)
    assert abs(by_raw[name] - by_raw["as it is"]) < 10

# %% [markdown]
# The forecasts of the scaled network move along, by just as much: each window is moved and stretched to the same numbers before any weight sees
# it, so that it is the same task to learn. The raw network forecasts about the same whatever the sales are. Its gates stand at
# their ends at 100 as at 100,000, and Adam lets its output climb by only so much in a step, however far it has to go.
#
# ## Exercise 2
#
# *Let the series fall from 650 to 100. Does the network trained on the rising series know what to do?*

# %%
falling = pd.Series(rising.to_numpy()[::-1], index=rising.index, name="sales")
print()
scaled.set_weights(trained["as it is"])
taught = {"rising": ask(rising), "falling": ask(falling)}
train(rising, falling)
both = {"rising": ask(rising), "falling": ask(falling)}
for name in ("rising", "falling"):
    show(f"taught rising, asked {name}", taught[name])
for name in ("rising", "falling"):
    show(f"taught both, asked {name}", both[name])
going_on = {"rising": [700, 750, 800], "falling": [50, 0, -50]}
errors = {name: np.abs(taught[name] - going_on[name]).mean() for name in going_on}
errors_both = {name: np.abs(both[name] - going_on[name]).mean() for name in going_on}
assert errors["rising"] < 20 < errors["falling"]
assert max(errors_both.values()) < min(20, errors["falling"])

# %% [markdown]
# It does not: if the line goes on, the months are 50, 0 and -50. Scaled, all windows of a straight line are one and the same window; a
# network that has seen one window has nothing to compare it with, and need not have learned that the answer depends on it. Taught both ways it
# knows both. (And it forecasts sales below zero: nobody has told it that there are none.)
#
# ## Exercise 3
#
# *Make one month an outlier, `series.iloc[5] = 900`; then the last one. Which forecast suffers most, and which not at all?*

# %%
suffers = {}
for month in (5, 11):
    series = rising.copy()
    series.iloc[month] = OUTLIER
    train(series)
    forecasts = {"LSTM": ask(series), **forecasting.baselines(series, HORIZON)}
    forecasts.pop("seasonal_naive")  # as in the lesson
    print(f"\nmonth {month} is {OUTLIER}; the forecasts, and the mean absolute error against 700, 750, 800")
    for name, forecast in forecasts.items():
        suffers[name, month] = forecasting.mae(going_on["rising"], forecast)
        show(name, [*forecast, suffers[name, month]])
before = {"LSTM": errors["rising"], "last_value": 100, "drift": 0}
assert suffers["drift", 5] == 0
assert suffers["last_value", 5] == 100
assert suffers["LSTM", 5] > errors["rising"]
assert all(suffers[name, 11] > before[name] for name in before)
assert suffers["LSTM", 11] > max(suffers["drift", 11], suffers["last_value", 11])

# %% [markdown]
# An outlier in the middle touches the LSTM only: it learns from all windows, and five of the eight have the outlier in them. Last value looks at
# one month and drift at two, and it is neither of those. Where it is the last month, all of them suffer, and the LSTM most: the
# jump is larger than everything that it was taught, and repeated forecasts build on it. What a method does not look at cannot harm it,
# and cannot help it either.

# %%
lesson.end(
    settings,
    "1: next month: "
    + "; ".join(f"{name}, scaled {by_scaled[name].iloc[0]:,.0f}, raw {by_raw[name]:.0f}" for name in changes),
    f"2: falling sales, mean absolute error: {errors['falling']:.0f} taught on rising ones, {errors_both['falling']:.1f} taught on both",
    "3: mean absolute error with an outlier in the middle: "
    + ", ".join(f"{name} {suffers[name, 5]:.0f}" for name in before)
    + "; in the last month: "
    + ", ".join(f"{name} {suffers[name, 11]:.0f}" for name in before),
)
