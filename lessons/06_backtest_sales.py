# %% [markdown]
"""06 · Backtest the forecast

**What you will see:** sales with a trend, a season and noise, forecast twelve months ahead from several points in the past, each
time from what was known then. Four simple forecasts stand beside SimpleRNN, LSTM and GRU, for which one series is little to
learn from, and beside an LSTM with two things added: a good forecast to begin with, and practice on other series. At the end a
split that cheats, wins, and proves nothing.

**Takes** about a minute and a half on two slow cores, half of that on fast ones.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 30
HORIZON = 12  # months
FOLDS = 2
WINDOW = 12  # months that the plain networks read
PRACTICE = 40_000  # made-up series
SERIES_SEED = 4  # of the sales below
LEAKY_EPOCHS = 80
SHIFTS_TO_COMPARE = (1, 3)  # seeds


def add_arguments(parser):
    parser.add_argument(
        "--csv", help="a file of your own instead of the made-up sales: a column of months, one of numbers"
    )


settings = lesson.start("06_backtest_sales", epochs=EPOCHS, quick_epochs=10, add_arguments=add_arguments)

import keras
import numpy as np
from statsmodels.datasets import co2

from rnn_tutorial import data, drawing, forecasting, models, recording

# %% [markdown]
# ## The sales
#
# With t in months, a profile p of twelve months and noise e, `data.sales.generate` makes up
#
#     sales_t = 500 · exp(0.08 · t/12 + 0.15 · p_(t mod 12) + 0.04 · e_t)
#
# so they grow by 8% a year, have a season of about 15% and noise of 4%. Season and noise grow with the sales, which the logarithm makes
# even: whether it should be taken, `forecasting.takes_logarithm` decides from the months that it is given.

# %%
if settings.csv:
    try:
        series = data.sales.read_csv(settings.csv)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from None
else:
    series = data.sales.generate(years=10, trend=0.08, season=0.15, noise=0.04, multiplicative=True, seed=SERIES_SEED)
folds = 1 if settings.quick else FOLDS
shortest = 48 + FOLDS * HORIZON
if len(series) < shortest:
    raise SystemExit(f"{settings.csv} has {len(series)} months; this lesson needs {shortest}")
if series.nunique() == 1:
    raise SystemExit(f"{settings.csv} never changes, so that there is nothing to forecast")
print(
    f"{len(series)} months, {series.index[0]} to {series.index[-1]}; logarithm: {forecasting.takes_logarithm(series)}"
)

# %% [markdown]
# ## Rolling origins
#
# How good is a forecast? Stand at a month of the past, the *origin*, forget all that came after it, forecast, and compare. One origin may
# be luck, so the origin rolls on by a year at a time. At each of them everything is done anew from the months before: scaling,
# choosing, training. `forecasting.backtest(series, horizon, folds)` does that for any function from a history to a forecast.
#
# Three measures. With errors e_h over the twelve months ahead, sales y_h, forecasts f_h and the history x:
#
#     MAE   = mean |e_h|                                   in units of the sales
#     sMAPE = mean of 200 · |e_h| / (|y_h| + |f_h|)        in percent
#     MASE  = MAE / mean |x_t - x_(t-12)|                  1 is what "as last year" was off by, within the history
#
# The MASE can be compared between series, so it is the one that we sort by.
#
# ## Who takes part
#
# Without a network: *last value*, *drift*, *seasonal naive* (each month as a year before), and *exponential smoothing*, the classic:
# level, trend and season are means in which older months count less and less; statsmodels finds out how much less.
#
# The networks of lesson 05 read 12 months: SimpleRNN, LSTM and GRU *direct*, with twelve outputs, and the LSTM *recursive*, with one
# output and fed twelve times with its own answers.

# %%
names = ["lstm, direct"] if settings.quick else ["simple_rnn, direct", "lstm, direct", "gru, direct", "lstm, recursive"]
methods = {}
for name in names:
    cell, way = name.split(", ")
    methods[name] = forecasting.Network(
        outputs=HORIZON if way == "direct" else 1,
        window=WINDOW,
        epochs=settings.epochs,
        cell=cell,
        seed=settings.seed,
        learning_rate=3e-3,
    )

# %% [markdown]
# And one more network, the one that `forecasting.train` makes of a series of three years and more. Two things are different:
#
# 1. **It begins with a good forecast.** It reads up to four years, and a part of the model that has no weights takes the line through
#    the years and the mean profile of a year off them. That line and that profile, continued, are the *baseline*; the LSTM reads what
#    is left over and answers with a correction to it.
# 2. **It has practised.** From ten years come a few dozen windows, and neighbouring ones are nearly the same. How to tell noise from a change
#    that lasts cannot be learned from so few. It can be learned from other series: before it sees ours, the network forecasts
#    40,000 made-up ones of all kinds (`data.sales.practice`). Only then it trains on ours, until the validation loss stops to fall.

# %%
practice = PRACTICE // 10 if settings.quick else PRACTICE
methods["lstm, practised"] = forecasting.Network(seed=settings.seed, epochs=settings.epochs, practice=practice)
if not settings.quick:
    methods["lstm, not practised"] = forecasting.Network(seed=settings.seed, epochs=settings.epochs, practice=0)

# %% [markdown]
# ## The race
#
# Each method gets a run of its own in TensorBoard, with its errors fold by fold and a row in HParams.

# %%
forecasts, measured, history = {}, {}, {}  # {(method, fold): ...}
for method, fold, actual, predicted, past, seconds in forecasting.rolling_forecasts(series, HORIZON, folds, methods):
    forecasts[method, fold] = predicted
    history[fold] = past, actual
    measured.setdefault(method, []).append(
        {
            "mae": forecasting.mae(actual, predicted),
            "smape": forecasting.smape(actual, predicted),
            "mase": forecasting.mase(actual, predicted, past),
            "seconds": seconds,
        }
    )
means = {
    method: {name: np.mean([fold[name] for fold in found]) for name in found[0]} for method, found in measured.items()
}
ranking = sorted(means, key=lambda method: means[method]["mase"])
print(f"\n{'mean of ' + str(folds) + ' folds':26}{'MAE':>8}{'sMAPE':>8}{'MASE':>8}{'seconds':>9}")
for method in ranking:
    found = means[method]
    print(f"{method:26}{found['mae']:8.1f}{found['smape']:8.1f}{found['mase']:8.2f}{found['seconds']:9.1f}")

for method, found in measured.items():
    with recording.Run(settings.log_dir / method.replace(", ", "_").replace(" ", "_")) as run:
        run.hparams({"method": method, "horizon": HORIZON})
        for fold, errors in enumerate(found):
            for name, value in errors.items():
                run.scalar(name, value, fold)

# %% [markdown]
# Read the table from the top. What `seasonal_naive` reaches without any training is the least that a network must do better. How many do?

# %%
better = [name for name in methods if means[name]["mase"] < means["seasonal_naive"]["mase"]]
ahead = [name for name in methods if means[name]["mase"] < means["exponential_smoothing"]["mase"]]
print(f"\nof {len(methods)} networks, better than the seasonal naive forecast: {'; '.join(better) or 'none'}")
print(f"better than exponential smoothing: {'; '.join(ahead) or 'none'}")

# %% [markdown]
# The plain networks see twelve months at once, and so never the same month twice: what is season and what is noise they cannot tell, and
# that a year has twelve months they would have to find out from a few dozen windows. The classics were told.
#
# The network that begins with the baseline and has practised knows that, too. Still it need not be ahead of exponential smoothing. Series
# like this one are made of just what the classic assumes, so that there is hardly anything to add. Is it different where the past has a break?
# The same kind of sales, and somewhere in the middle they rise by 40%, for good. And something measured, which nobody made up: the CO2 in
# the air over Mauna Loa, ten years of it, which come with statsmodels; one origin each.

# %%
others = {
    f"a break, seed {seed}": data.sales.generate(years=10, multiplicative=True, shift=0.4, seed=seed)
    for seed in SHIFTS_TO_COMPARE[: 1 if settings.quick else None]
}
others["CO2 in the air"] = (
    co2.load_pandas().data["co2"].resample("MS").mean().interpolate().iloc[-120:].to_period("M").rename("ppm")
)
elsewhere = {}
for name, other in others.items():
    tried = forecasting.backtest(other, HORIZON, folds=1, make_model={"lstm, practised": methods["lstm, practised"]})
    elsewhere[name] = tried.set_index("method")["mase"]
compared = ["lstm, practised", "exponential_smoothing", "seasonal_naive"]
print(f"\n{'MASE elsewhere':20}" + "".join(f"{name:>24}" for name in compared))
for name, mase in elsewhere.items():
    print(f"{name:20}" + "".join(f"{mase[method]:24.2f}" for method in compared))

# %% [markdown]
# ## A split that cheats
#
# Now the mistake that makes any network look good. Scale the series by the mean and the spread of *all* its months. Cut it into
# windows. *Shuffle* them and hold every fourth one back. Train on the others, measure on those.
#
# Neighbouring windows have eleven of their twelve target months in common. So the months that a held-back window asks for have been
# the targets of the windows beside it: the network has seen the answers. And all levels that sales will ever reach lie
# within the range it was scaled to.
#
# Beside it the same network, honestly: scaled by the months before the last year, trained on windows that end before it, asked for it.

# %%
leaky_network = models.sales_forecaster(window=WINDOW, horizon=HORIZON, units=(64,), scale=False)
leaky_network.compile(keras.optimizers.Adam(1e-2), "mse")


def fit_and_forecast(x_train, y_train, x_new):
    """Train from the beginning; the forecasts for other windows."""
    models.start_over(leaky_network, settings.seed)
    batches = data.batches(x_train, y_train, seed=settings.seed)
    leaky_network.fit(**batches, epochs=LEAKY_EPOCHS, verbose=0)
    return keras.ops.convert_to_numpy(leaky_network(x_new))


past, last_year = series.iloc[:-HORIZON], series.iloc[-HORIZON:]
scaled = (series - series.mean()) / series.std()  # all months: the first leak
x, y = data.sales.windows(scaled, WINDOW, HORIZON)
order = np.random.default_rng(settings.seed).permutation(len(x))  # over the border of time: the second
held_back, shown_to_it = order[: len(x) // 4], order[len(x) // 4 :]
answers = fit_and_forecast(x[shown_to_it], y[shown_to_it], x[held_back]) * series.std()
leaky_mase = forecasting.mase(y[held_back] * series.std(), answers, past)

scaled = (past - past.mean()) / past.std()
x, y = data.sales.windows(scaled, WINDOW, HORIZON)
last_window = scaled.to_numpy("float32")[-WINDOW:].reshape(1, WINDOW, 1)
answer = fit_and_forecast(x, y, last_window)[0] * past.std() + past.mean()
honest_mase = forecasting.mase(last_year, answer, past)
print(
    f"\nthe same network: MASE {leaky_mase:.2f} by the split that cheats, {honest_mase:.2f} on a year it could not know"
)
print(f"exponential smoothing on that year: {measured['exponential_smoothing'][-1]['mase']:.2f}")

# %% [markdown]
# The one number is what would stand in a report, the other is what would happen. No method has been changed in between, only the way of
# asking. If a network beats everything else by far, look for the leak first.
#
# ## Look

# %%
past, actual = history[folds - 1]
with recording.Run(settings.log_dir / "pictures") as run:
    shown = {name: forecasts[name, folds - 1] for name in [*compared, "lstm, direct"]}
    lesson.show(run, "last_fold", drawing.forecast(past.iloc[-24:], shown, unit=series.name, actual=actual))

# %% [markdown]
# - **Images**, run `pictures`: `last_fold` shows the last year, with what four methods made of it; the crosses are what came. Which of
#   them misses the season, which one the growth?
# - **HParams**, *Table View*: a row a method. Sort by `mase`, then by `seconds`: what does a better forecast cost?
# - **Time Series**, `mase`: the step is the fold. Is the same method best in every year?
#
# ## Exercises
#
# 1. Make the noise 0.15 instead of 0.04, then 0.01. How large does the MASE of each method become, and why can none get far below 0.7
#    when there is much noise?
# 2. The split that cheats has two leaks, the scaling and the shuffling. Take away one at a time: which of them does the cheating?
# 3. Write a method of your own, a function `(history, horizon)`, and put it beside the others: the mean of exponential smoothing and the
#    practised network, for one. Is it better than both?
#
# With a CSV of your own: `python lessons/06_backtest_sales.py --csv sales.csv`.

# %%
lesson.end(
    settings,
    f"best of {len(means)} methods over {folds} folds: {ranking[0]}, MASE {means[ranking[0]]['mase']:.2f}; seasonal naive "
    f"{means['seasonal_naive']['mase']:.2f}, exponential smoothing {means['exponential_smoothing']['mase']:.2f}",
    f"better than exponential smoothing: {'; '.join(ahead) or 'no network'}; than the seasonal naive forecast: "
    + ("; ".join(better) or "none"),
    "networks: " + "; ".join(f"{name} {means[name]['mase']:.2f}" for name in methods),
    *(
        f"{name}: " + "; ".join(f"{method} {mase[method]:.2f}" for method in compared)
        for name, mase in elsewhere.items()
    ),
    f"the split that cheats says {leaky_mase:.2f} where the honest one says {honest_mase:.2f}",
)
