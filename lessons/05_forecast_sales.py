# %% [markdown]
"""05 · Forecast next quarter's sales

**What you will see:** two stacked LSTM layers read monthly sales and forecast the next quarter: 700, 750, 800, give or take a
little. The same network on raw numbers forecasts almost nothing at all, and the reason is one missing step. Beside both stand
the simplest forecasts there are, and one of them is exact.

**Takes** about 70 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 100
LEARNING_RATE = 1e-3
HORIZON = 3  # months: a quarter
WINDOW = 4  # months the network reads at once
SEEDS_TO_COMPARE = range(2)

settings = lesson.start("05_forecast_sales", epochs=EPOCHS, quick_epochs=60)

import keras
import numpy as np
import pandas as pd

from rnn_tutorial import callbacks, data, drawing, forecasting, models, recording

# %% [markdown]
# A network is made in five steps: choose its structure, prepare the data, build it, train it, look at it.
#
# ## Step 1: choose the structure
#
# Which cell? How many layers, how many units, what is connected to what? The series is short and the future depends on more
# than the last month, so we take LSTM cells, which keep a second memory, the *cell state*, for longer (lesson 10 looks inside). Two layers of 64
# units: the first hands on its memory after every month (`return_sequences=True`), the second reads those memories and hands on
# its last one, and a Dense layer turns that into sales.
#
# ## Step 2: prepare the data
#
# **Clean.** Twelve months of sales, no gap. (`data.sales.read_csv` reads your own, and refuses what is not clean.)

# %%
series = data.sales.TWELVE_MONTHS
print(" ".join(f"{month}: {value:.0f}" for month, value in zip(series.index.strftime("%b"), series, strict=True)))

# %% [markdown]
# We want the three months after that. If the line goes on, they are 700, 750 and 800.

# %%
expected = pd.Series(
    [700.0, 750.0, 800.0], index=pd.period_range(series.index[-1] + 1, periods=HORIZON, freq="M"), name="sales"
)

# %% [markdown]
# **Encode.** A network does not learn from a series but from pairs: a *window* of months, and what came after it. Twelve months
# cut into windows of four give eight pairs:

# %%
x, y = data.sales.windows(series, window=WINDOW)
print(f"\nx {x.shape} = (windows, months, features), y {y.shape} = (windows, months ahead)")
for window, target in zip(x[:2, :, 0], y[:2, 0], strict=True):
    print(f"  {window} -> {target:.0f}")

# %% [markdown]
# **Split.** One window in four is held back for *validation*. It must be the last ones: to train on March and be tested on
# February is to know the future.

# %%
(x_train, y_train), validation = data.sales.split(x, y)
print(f"  {len(x_train)} windows to train on, the last {len(validation[0])} to validate")

# %% [markdown]
# **Normalise.** Numbers in the hundreds drive tanh and sigmoid into their flat ends (they *saturate*), where no gradient is left, and the output
# layer would have to climb to 700 in steps of 0.001. So the numbers are scaled. With what? Scale by the smallest and largest of
# *all* months, and the training part has learned from months it should not know. Scale by those of the training part, and every
# month to come lies outside the range.
#
# `models.sales_forecaster` scales each window by itself, inside of the model: it takes off the window's last month and divides by
# the window's standard deviation; what comes out is put back the same way:
#
#     scaled = (window - last) / spread          forecast = output * spread + last
#
# It has no parameters, is fitted on nothing and so knows nothing of the future. And it does not know the answer either: a
# network that has not learned anything outputs about 0, and 0 means "like last month", 650.

# %%
keras.utils.set_random_seed(settings.seed)
untrained = models.sales_forecaster(window=WINDOW)
print("\nuntrained:", *forecasting.forecast(untrained, series, HORIZON).round(0).to_list())

# %% [markdown]
# ## Steps 3 and 4: build and train
#
# Loss: mean squared error. Optimizer: Adam. Metric: mean absolute error (`mae`), in the unit of the sales.
# `forecasting.train` does what we just said, cuts the windows, splits them by time, trains, and keeps the weights of the best
# epoch on the validation windows.
#
# For three months there are two ways. *Recursive*: a network with one output is asked three times, each time with its own
# answer at the end of the window. *Direct*: a network with three outputs is asked once.


# %%
def train(name, horizon, seed, watch=True):
    """Train a forecaster and forecast the quarter."""
    probe = data.sales.windows(series, window=WINDOW, horizon=horizon)  # what `observe` looks at after each epoch
    model = forecasting.train(
        series,
        window=WINDOW,
        horizon=horizon,
        epochs=settings.epochs,
        learning_rate=LEARNING_RATE,
        seed=seed,
        callbacks=callbacks.observe(settings.log_dir / name, probe=probe) if watch else (),
    )
    return model, forecasting.forecast(model, series, HORIZON)


model, recursive = train("recursive", horizon=1, seed=settings.seed)
_, direct = train("direct", horizon=HORIZON, seed=settings.seed)
print(f"the network has {model.count_params():,} weights")
lesson.show_files(settings.log_dir / "recursive")

# %% [markdown]
# ## The same network without normalisation
#
# The article that this lesson follows says "normalise", and then trains on the raw numbers: all twelve months in, 700 out, one
# hundred epochs. We do exactly that, `scale=False`. It is even shown the answer.

# %%
keras.utils.set_random_seed(settings.seed)
raw_model = models.sales_forecaster(window=len(series), scale=False)
raw_model.compile(keras.optimizers.Adam(LEARNING_RATE), loss="mse", metrics=["mae"])
all_months = series.to_numpy("float32").reshape(1, len(series), 1)  # (windows, months, features)
next_month = np.array([[700.0]], dtype="float32")
raw_model.fit(
    **data.batches(all_months, next_month),
    epochs=settings.epochs,
    verbose=0,
    callbacks=callbacks.observe(settings.log_dir / "raw", probe=(all_months, next_month)),
)
raw = forecasting.forecast(raw_model, series, HORIZON)

# %% [markdown]
# ## Against what?
#
# A forecast is worth something only beside the forecasts that cost nothing. *Last value*: next month will be like this one.
# *Drift*: go on in a straight line from the first month through the last.

# %%
forecasts = {"LSTM, recursive": recursive, "LSTM, direct": direct, **forecasting.baselines(series, HORIZON)}
forecasts.pop("seasonal_naive", None)  # one year cannot show a season
forecasts["LSTM, raw numbers"] = raw
print(f"\n{'':20}" + "".join(f"{month!s:>10}" for month in expected.index) + f"{'MAE':>10}")
for name, forecast in forecasts.items():
    error = forecasting.mae(expected, forecast)
    print(f"{name:20}" + "".join(f"{value:10.1f}" for value in forecast) + f"{error:10.1f}")
print(f"{'if the line goes on':20}" + "".join(f"{value:10.1f}" for value in expected))

# %% [markdown]
# Drift is exact: these sales *are* a straight line, and whoever knows that needs no network. The LSTM was told nothing of lines
# and found this one from a handful of windows. What it is really worth shows where sales have seasons and noise: lesson 06.
#
# Is it luck? The same from other first weights:

# %%
print("\nseed      recursive forecast")
worst = 0.0
for seed in SEEDS_TO_COMPARE if not settings.quick else SEEDS_TO_COMPARE[:1]:
    _, forecast = train(f"seed_{seed}", horizon=1, seed=seed, watch=False)
    worst = max(worst, (forecast / expected - 1).abs().max())
    print(f"{seed:4}  " + "".join(f"{value:10.1f}" for value in forecast))
print(f"the worst month of the worst seed is {worst:.1%} off")

# %% [markdown]
# ## Step 5: look
#
# Everything is in TensorBoard already. We add the forecast as a picture, and save the model.

# %%
picture = drawing.forecast(series, forecasts, actual=expected, actual_label="if the line goes on")
with recording.Run(settings.log_dir / "forecast") as run:
    picture_file = lesson.show(run, "forecast", picture)
model_file = settings.log_dir / "model.keras"
model.save(model_file)
print(f"\nPicture: {picture_file}   model: {model_file}")

# %% [markdown]
# - **Time Series**, `epoch_mae` of the runs `recursive` and `raw`, in units of sales: the one falls to nearly zero, the other
#   has hardly left 700 when it stops.
# - **Images**: `forecast`; then `diagram/unrolled`, two layers of LSTM cells, one above the other, through the months, one set of
#   weights each. `diagram/model` shows where the scaling sits.
# - **Images**, `gates_picture/lstm` of both: a gate is a number between 0, shut, and 1, open. On raw numbers nearly every gate
#   stands at one end or the other, whatever month is read; that is the flat end where no gradient is left.
#   **Scalars**, `saturation/lstm/forget`, counts them: the share of gates below 0.05 or above 0.95.
# - **Histograms**, `weights/lstm/kernel`, of `recursive` and `raw`: what did learning change?
# - **Graphs**: the layers and what flows between them. The months go two ways: why does `unscale` need them?
#
# The saved model opens in the viewer Netron too: `pip install netron`, then `netron` and the path of `model.keras`
# above; Ctrl+U shows the layers' names. It
# needs nothing of this package, and nor does `keras.models.load_model`.
#
# ## Exercises
#
# 1. Add 1,000 to every month. What do the forecasts of the scaled and of the raw network do? And if you multiply by 1,000?
# 2. Let the series fall from 650 to 100 instead. Does the network trained on the rising series know what to do?
# 3. Make one month an outlier: `series.iloc[5] = 900`; then the last one. Which forecast suffers most, and which not at all? Why?
#
# With a CSV of your own: `rnn-tutorial forecast sales.csv --horizon 3`.

# %%
lesson.end(
    settings,
    f"the LSTM forecasts {recursive.iloc[0]:.0f}, {recursive.iloc[1]:.0f}, {recursive.iloc[2]:.0f} (recursive) and "
    f"{direct.iloc[0]:.0f}, {direct.iloc[1]:.0f}, {direct.iloc[2]:.0f} (direct)",
    f"the same network on raw numbers forecasts {raw.iloc[0]:.1f} after {settings.epochs} epochs",
    f"drift is exact here, with {forecasting.mae(expected, forecasts['drift']):.1f} off; last value is "
    f"{forecasting.mae(expected, forecasts['last_value']):.0f} off",
)
