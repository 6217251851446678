# %% [markdown]
"""Solutions to 09 · A memory race

**What you will see:** that four times the parameters do not give `SimpleRNN` a longer memory; that a network which adds well on 12 steps may
have learned the 12 rather than the adding; and which cell needs its gradients clipped here, and which does not.

**Takes** about 60 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 7
BATCH_SIZE = 50
LEARNING_RATE = 0.015
CLIPNORM = 1.0
UNITS = 32
SAMPLES = 1500
LONG, SHORT = 24, 12
LENGTHS_TO_ASK = (6, 12, 24, 48)

settings = lesson.start("solutions/09_memory_race", epochs=EPOCHS, quick_epochs=7)

import keras
import numpy as np

from rnn_tutorial import data, models

seeds = [settings.seed + number for number in range(1, 2 if settings.quick else 3)]
guessing = 1 / 6


def network(cell, units=UNITS, clipnorm=CLIPNORM):
    """The network of the lesson, compiled."""
    model = models.sequence_model(timesteps=None, features=2, outputs=1, units=units, cell=cell)
    model.compile(keras.optimizers.Adam(LEARNING_RATE, global_clipnorm=clipnorm), "mse")
    return model


def train(model, length, seed):
    """Train from the beginning, on sequences of one length."""
    models.start_over(model, seed)
    x, y = data.tasks.adding(samples=SAMPLES, timesteps=length, seed=seed)
    model.fit(**data.batches(x, y, batch_size=BATCH_SIZE, seed=seed), epochs=settings.epochs, verbose=0)


def answers(model, length):
    """What it answers on sequences never trained on, and what would be right."""
    x, y = data.tasks.adding(samples=1000, timesteps=length, seed=10_000 + settings.seed)
    return keras.ops.convert_to_numpy(model(x)), y


def error(model, length):
    """Mean squared error on sequences never trained on."""
    found, y = answers(model, length)
    return float(np.mean((found - y) ** 2))


# %% [markdown]
# ## Exercise 1
#
# *Give `SimpleRNN` as many parameters as the LSTM has (how many units?). Does it learn 24 steps now?*
#
# The LSTM's layer has 4 · 32 · (2 + 32 + 1) = 4,480 parameters, SimpleRNN's has u · (u + 3). That is the quadratic equation u² + 3u = 4,480.

# %%
parameters = 4 * UNITS * (2 + UNITS + 1)
as_large = round(float(np.max(np.roots([1, 3, -parameters]))))
by_units = {}
print(
    f"\n{parameters} parameters are those of {as_large} units; error after {LONG} steps (0.167 is guessing), each seed"
)
for units in (UNITS, as_large):
    model = network("simple_rnn", units)
    assert model.get_layer("simple_rnn").count_params() == units * (units + 3)
    by_units[units] = []
    for seed in seeds:
        train(model, LONG, seed)
        by_units[units].append(error(model, LONG))
    print(
        f"{units:4} units, {units * (units + 3):5} parameters: "
        + "  ".join(f"{value:.4f}" for value in by_units[units])
    )
assert min(by_units[as_large]) > 0.6 * guessing

# %% [markdown]
# It does not. What it lacks is no room but a way for the gradient to come back, and more units do not make that way any longer. The LSTM has
# its parameters in gates, and those keep the way open.
#
# ## Exercise 2
#
# *Train on 12 steps, and measure the error on 6, 24 and 48 without training again. What has been learned, the task or its length?*

# %%
by_length, mean_answer = {}, {}  # cell: (seeds, lengths)
print(f"\ntrained on {SHORT} steps; error on" + "".join(f"{length:9}" for length in LENGTHS_TO_ASK) + "   steps")
for cell in ("lstm", "gru"):
    model = network(cell)
    by_length[cell], mean_answer[cell] = [], []
    for seed in seeds:
        train(model, SHORT, seed)
        by_length[cell].append([error(model, length) for length in LENGTHS_TO_ASK])
        mean_answer[cell].append([float(answers(model, length)[0].mean()) for length in LENGTHS_TO_ASK])
        print(f"{cell:30}" + "".join(f"{value:9.4f}" for value in by_length[cell][-1]))
        print(f"{'  its mean answer (1 is right)':30}" + "".join(f"{value:9.2f}" for value in mean_answer[cell][-1]))
trained_on = LENGTHS_TO_ASK.index(SHORT)
for errors in by_length.values():
    assert np.argmin(np.mean(errors, axis=0)) == trained_on
    assert np.mean(errors, axis=0)[-1] > 10 * np.mean(errors, axis=0)[trained_on]

# %% [markdown]
# Its length, more than the task. There is a rule for any length: let in what is marked, keep it, answer with the sum. But nobody asked for that
# rule, only for right answers after 12 steps, and there a memory that grows or fades a little at every step does as well, if the answer
# makes up for 12 steps of it. Ask after 6 or after 48, and it makes up for the wrong number of steps: the mean answer moves away from 1, and
# the error can be larger than that of guessing. How far it moves says which cell came nearer to the rule.
#
# ## Exercise 3
#
# *Without clipping (`global_clipnorm=None`): do all seeds still get there?*

# %%
by_clipping = {}
print(f"\nerror after training on {LONG} steps, each seed")
for cell in ("lstm", "gru"):
    for clipnorm in (CLIPNORM, None):
        model = network(cell, clipnorm=clipnorm)
        by_clipping[cell, clipnorm] = []
        for seed in seeds:
            train(model, LONG, seed)
            by_clipping[cell, clipnorm].append(error(model, LONG))
        name = "without clipping" if clipnorm is None else f"clipped at {clipnorm:g}"
        print(f"{cell:6} {name:18}" + "  ".join(f"{value:.4f}" for value in by_clipping[cell, clipnorm]))
assert max(by_clipping["gru", None] + by_clipping["gru", CLIPNORM]) < 0.02
assert np.mean(by_clipping["lstm", None]) > np.mean(by_clipping["lstm", CLIPNORM])

# %% [markdown]
# The GRU does, and it makes no difference to it. The LSTM does not: without clipping it ends with more error. Adam's steps are about as long
# whatever the length of the gradient, so that clipping does not simply shorten them. It takes from the few batches with a long gradient
# (lesson 08) the weight that they would have in Adam's means.

# %%
lesson.end(
    settings,
    f"1: SimpleRNN with {as_large} units instead of {UNITS}: error {np.mean(by_units[as_large]):.3f} instead of "
    f"{np.mean(by_units[UNITS]):.3f}; guessing has {guessing:.3f}",
    "2: trained on 12 steps, error on "
    + " / ".join(map(str, LENGTHS_TO_ASK))
    + " steps: "
    + ", ".join(
        f"{cell} " + " / ".join(f"{value:.3f}" for value in np.mean(errors, axis=0))
        for cell, errors in by_length.items()
    ),
    "3: without clipping "
    + ", ".join(f"{cell} {np.mean(by_clipping[cell, None]):.4f}" for cell in ("lstm", "gru"))
    + "; with it "
    + ", ".join(f"{cell} {np.mean(by_clipping[cell, CLIPNORM]):.4f}" for cell in ("lstm", "gru")),
)
