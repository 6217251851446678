# %% [markdown]
"""Solutions to 12 · The debug clinic

**What you will see:** what clipping heals of a learning rate that is too high, and what it does not; how far shut gates may be and
still be opened; and how much of an answer is left in a mean that reaches into the future.

**Takes** about 25 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 20
LEARNING_RATE = 0.05
TOO_HIGH = 40  # times that
WINDOW = 16  # days
DAYS = 450
UNITS = 16
NOISE = 0.3
BIASES = (-2.0, -4.0, -6.0)
WIDTHS = (2, 4, 8)  # days of the mean

settings = lesson.start("solutions/12_debug_clinic", epochs=EPOCHS, quick_epochs=12)

import keras
import numpy as np

from rnn_tutorial import data, models


def admit(seed, width=None):
    """The patients' data, as in the lesson; with a width the mean is over so many days and ends one day too late."""
    rng = np.random.default_rng(seed)
    noise = NOISE * rng.standard_normal(DAYS + 1)
    values = np.sin(2 * np.pi * np.arange(DAYS + 1) / 12 + rng.uniform(0, 6)) + noise
    mean = sum(np.roll(values, back) for back in range(width or 2)) / (width or 2)  # of today and the days before
    both = np.stack([values, mean if width is None else np.roll(mean, -1)], axis=-1)
    days = range(max(WIDTHS), DAYS - WINDOW)
    x = np.stack([both[day : day + WINDOW] for day in days]).astype("float32")
    y = np.array([[values[day + WINDOW]] for day in days], dtype="float32")
    cut = len(x) * 3 // 4
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def network(**clipping):
    """The patients' network."""
    model = models.sequence_model(WINDOW, features=2, outputs=1, units=UNITS)
    model.compile(keras.optimizers.SGD(LEARNING_RATE, momentum=0.9, **clipping), loss="mse")
    return model


def train(model, width=None, bias=None, learning_rate=LEARNING_RATE):
    """Train from the beginning; loss and validation loss after each epoch."""
    models.start_over(model, settings.seed)
    model.optimizer.learning_rate = learning_rate
    if bias is not None:
        model.get_layer("lstm").cell.bias.assign(np.full(4 * UNITS, bias))
    train, validation = admit(settings.seed, width)
    batches = data.batches(*train, seed=settings.seed, validation=validation)
    history = model.fit(**batches, epochs=settings.epochs, verbose=0).history
    return np.array(history["loss"]), np.array(history["val_loss"])


plain, clipped = network(), network(global_clipnorm=1.0)

# %% [markdown]
# ## Exercise 1
#
# *Give `SGD` a `global_clipnorm=1`. Does that heal the patient with the learning rate? Is it as good as the healthy one?*

# %%
healthy = train(plain)
sick = train(plain, learning_rate=TOO_HIGH * LEARNING_RATE)
bandaged = train(clipped, learning_rate=TOO_HIGH * LEARNING_RATE)
for name, (loss, val_loss) in {"healthy": healthy, "too high": sick, "too high, clipped": bandaged}.items():
    print(f"{name:20} training {loss[-1]:10.3g}   validation {val_loss[-1]:10.3g}")
assert not np.isfinite(sick[0][-1])
assert np.isfinite(bandaged[0]).all()
assert healthy[1][-1] < 0.2 < bandaged[1][-1]

# %% [markdown]
# It does not die any more, and it does not get well: a step cannot be longer than learning rate times threshold now, but that is
# still far too long to settle anywhere. Clipping is for a rare gradient that is too long. Where every step is, the learning rate has
# to come down.
#
# ## Exercise 2
#
# *Let `SHUT` be -2, -4 and -6. How far shut may gates begin and still be opened by training?*

# %%
print()
by_bias = {}
for bias in BIASES:
    by_bias[bias] = train(plain, bias=bias)[1]
    print(f"bias {bias:4}: gates begin at {1 / (1 + np.exp(-bias)):.4f}, validation loss {by_bias[bias][-1]:.3f}")
constant = float(np.mean((admit(settings.seed)[1][1]) ** 2))
print(f"the forecast 0 every day: {constant:.3f}")
assert by_bias[-2.0][-1] < min(by_bias[-4.0][-1], 0.95 * constant)
assert by_bias[-6.0][-1] > 0.7 * constant

# %% [markdown]
# What comes in is multiplied by the input gate, what is shown by the output gate; so the signal and its gradient are multiplied by both.
# At -2 that is about a hundredth: training has begun to open the gates, slowly. At -4 it is three ten-thousandths, at -6 less than a
# hundred-thousandth, and the forecast is the same every day: there is nothing by which the gates could be opened.
#
# ## Exercise 3
#
# *The leak comes from a mean over two days that reaches one day too far. Let it be a mean over four days, or eight, that ends as late. Is
# the answer still in it, and does the network find it?*

# %%
print()
by_width = {}
for width in WIDTHS:
    by_width[width] = float(train(plain, width=width)[1].min())
    print(f"mean over {width} days: validation loss {by_width[width]:.3f}; the noise allows {NOISE**2:.2f}")
assert by_width[2] < NOISE**2
assert by_width[2] < min(by_width[4], by_width[8])

# %% [markdown]
# It is still in it, to the last digit: all other days of the mean have been read, so that tomorrow is so many times the mean, less
# those days. But the wider the mean, the smaller its share of it, and the larger the weights must get that dig it out: the network
# finds less and less of it in the same time. A leak that the loss does not give away is a leak all the same. Look where each input
# comes from.

# %%
lesson.end(
    settings,
    f"1: clipped the loss stays finite, but ends at {bandaged[1][-1]:.2f}, where the healthy one is at {healthy[1][-1]:.2f}",
    "2: validation loss with gates that begin shut: "
    + ", ".join(f"{bias:g}: {by_bias[bias][-1]:.2f}" for bias in BIASES),
    "3: validation loss with a leaking mean: " + ", ".join(f"{width} days {by_width[width]:.3f}" for width in WIDTHS),
)
