# %% [markdown]
"""09 · A memory race

**What you will see:** `SimpleRNN`, LSTM and GRU on the adding problem, the task on which the LSTM was shown to the world in
1997. Three lengths, several seeds, and for every run its parameters, its time and its error: in a table, in one picture with
the spread over the seeds, and in TensorBoard's HParams tab, where runs are sorted and compared.

**Takes** about 50 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 7
BATCH_SIZE = 50
LEARNING_RATE = 0.015
CLIPNORM = 1.0  # of all gradients together
UNITS = 32
SAMPLES = 1500
LENGTHS = (6, 12, 24)
SEEDS_TO_COMPARE = (1, 2)

settings = lesson.start("09_memory_race", epochs=EPOCHS, quick_epochs=7)

import time

import keras
import numpy as np

from rnn_tutorial import data, drawing, inspection, models, recording

# %% [markdown]
# ## The adding problem
#
# A long sequence of random numbers between 0 and 1, and beside each a mark, which is 0 but at two steps: one in the first half,
# one in the second. *What is the sum of the two marked numbers?* The network has to notice the first mark, keep its number while
# others go by, and add the second one. How long it has to keep it is decided by the length of the sequence.
#
# Hochreiter and Schmidhuber showed their LSTM on this task ("Long Short-Term Memory", 1997). It has a baseline that every later
# paper uses: who always answers 1, the mean of the sum, has a mean squared error equal to the variance of the sum of two
# independent numbers from 0 to 1, `2 · 1/12 = 1/6`, about 0.167.

# %%
x, y = data.tasks.adding(samples=20_000, timesteps=LENGTHS[0], seed=settings.seed)
baseline = float(np.mean((y - 1) ** 2))
print("one sequence; above the numbers, below the marks")
print(x[0].T.round(2), f"-> {y[0, 0]:.2f}")
print(f"always answering 1, on 20,000 of them: mean squared error {baseline:.4f} (1/6 is {1 / 6:.4f})")

# %% [markdown]
# ## Three runners
#
# The same number of units for all. That is not the same number of parameters: where `SimpleRNN` has one matrix for what comes in and
# one for its own memory, the LSTM has four of each (three gates and the candidate) and the GRU three. With `u` units and `f`
# features:
#
#     SimpleRNN   u · (f + u + 1)
#     LSTM        4 · u · (f + u + 1)
#     GRU         3 · u · (f + u + 2)        (Keras' GRU has two biases a unit)

# %%
CELLS = ("simple_rnn", "lstm", "gru")
FEATURES = 2


def network(cell):
    """One recurrent layer that reads sequences of any length, and one number as the answer."""
    model = models.sequence_model(timesteps=None, features=FEATURES, outputs=1, units=UNITS, cell=cell)
    model.compile(keras.optimizers.Adam(LEARNING_RATE, global_clipnorm=CLIPNORM), "mse")
    return model


built = {cell: network(cell) for cell in CELLS}
by_formula = {
    "simple_rnn": UNITS * (FEATURES + UNITS + 1),
    "lstm": 4 * UNITS * (FEATURES + UNITS + 1),
    "gru": 3 * UNITS * (FEATURES + UNITS + 2),
}
print("\ncell          parameters of the layer, by the formula and in Keras")
for cell, model in built.items():
    print(f"{cell:12} {by_formula[cell]:6} {model.get_layer(cell).count_params():6}")
    assert by_formula[cell] == model.get_layer(cell).count_params()

# %% [markdown]
# ## The race
#
# One result proves little: other first weights, and the order may be another. So each network runs with several seeds, that is
# with other weights and other data, and we report all of them. For TensorBoard each run gets a folder, with its error after each
# epoch as a scalar and with a record of its *hyperparameters*: what we chose, and the network did not learn.

# %%
lengths = LENGTHS[::2] if settings.quick else LENGTHS
seeds = SEEDS_TO_COMPARE[: 1 if settings.quick else None]
held_out = {
    length: data.tasks.adding(samples=1000, timesteps=length, seed=10_000 + settings.seed) for length in lengths
}


def race(cell, length, seed):
    """Train from the beginning; the error after each epoch on sequences never trained on, and seconds an epoch."""
    model = built[cell]
    models.start_over(model, seed=settings.seed + seed)
    x, y = data.tasks.adding(samples=SAMPLES, timesteps=length, seed=settings.seed + seed)
    batches = data.batches(x, y, batch_size=BATCH_SIZE, seed=seed)
    x_new, y_new = held_out[length]
    errors, seconds = [], []
    with recording.Run(settings.log_dir / f"{cell}_{length}_steps_seed_{seed}") as run:
        run.hparams({"cell": cell, "timesteps": length, "seed": seed, "units": UNITS})
        run.scalar("parameters", model.count_params(), 0)

        def after_epoch(epoch, logs):
            seconds.append(time.perf_counter() - began[-1])
            errors.append(float(np.mean((model.predict_on_batch(x_new) - y_new) ** 2)))
            run.scalar("error", errors[-1], epoch)
            run.flush()

        began = []
        watch = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: began.append(time.perf_counter()), on_epoch_end=after_epoch
        )
        model.fit(**batches, epochs=settings.epochs, verbose=0, callbacks=[watch])
        run.scalar("seconds_an_epoch", np.median(seconds), 0)
    return errors, float(np.median(seconds))


errors, seconds = {}, {}  # errors (seeds, epochs)
print("\n                      error after the last epoch, each seed        seconds")
print("steps   cell            (0.167 is guessing, 0 is perfect)          an epoch")
for length in lengths:
    for cell in CELLS:
        runs = [race(cell, length, seed) for seed in seeds]
        errors[cell, length] = np.array([run[0] for run in runs])
        seconds[cell, length] = min(run[1] for run in runs)
        shown = "  ".join(f"{error:.4f}" for error in errors[cell, length][:, -1])
        print(f"{length:5}   {cell:12}    {shown:42} {seconds[cell, length]:8.2f}")

# %% [markdown]
# `SimpleRNN` learns the short sequences, and no more than to answer 1 for long ones: the gradient from the end does not reach the
# first mark (lesson 07). LSTM and GRU learn them all. How much of it reaches the first step now, after training, as a share of
# that at the last step?

# %%
longest = lengths[-1]
reaches = {}
x, y = held_out[longest]
for cell in CELLS:
    flow = inspection.gradient_flow(built[cell], x[:64], y[:64])[cell].hidden  # (time,), of the last run
    reaches[cell] = float(flow[0] / flow[-1])
    print(f"{cell:12} {longest} steps: {reaches[cell]:.1e} of the gradient at the last step reaches the first")

# %%
pictures = recording.Run(settings.log_dir / "pictures")
picture = drawing.spread(
    {cell: [errors[cell, length][:, -1] for length in lengths] for cell in CELLS},
    [str(length) for length in lengths],
    title="the adding problem: error after training, each seed a point",
    x_axis="time steps",
    y_axis="mean squared error",
    baseline=(1 / 6, "always answering 1"),
)
lesson.show(pictures, "error_by_length", picture)
picture = drawing.lines(
    {f"{cell}, seed {seed}": errors[cell, longest][i] for cell in CELLS for i, seed in enumerate(seeds)},
    title=f"error after each epoch, {longest} steps",
    x_axis="epoch",
    y_axis="mean squared error",
    log=True,
)
lesson.show(pictures, "error_by_epoch", picture)
pictures.close()

# %% [markdown]
# The GRU has three quarters of the LSTM's parameters and usually gets there in fewer epochs on this task. That is no law: it is this task, these
# units, this learning rate. Whoever says that one cell is better than another has to say on what, and with how many seeds.
#
# ## Look
#
# - **HParams**, *Table View*: a row a run. Sort by `error` on the left, and there switch off `timesteps` 6 and 12. Which cells are left on top?
# - **HParams**, *Parallel Coordinates View*: a line a run, from `cell` and `timesteps` on the left to `error` on the right. Choose
#   the logarithmic axis for `error`. Drag over the lower end of that axis: which runs get there?
# - **Time Series**, `error`: type `24_steps` into the filter for runs. Each cell has two lines, one a seed. Whose stay at 0.17?
# - **Images**, run `pictures`: `error_by_length` has the whole race in one picture, `error_by_epoch` the longest sequences.
#
# ## Exercises
#
# 1. Give `SimpleRNN` as many parameters as the LSTM has (how many units?). Does it learn 24 steps now?
# 2. Train on 12 steps, and measure the error on 6, 24 and 48 without training again. What has been learned, the task or its length?
# 3. Without clipping (`global_clipnorm=None`): do all seeds still get there?

# %%
lesson.end(
    settings,
    f"guessing has an error of {baseline:.3f}; below that something has been learned",
    *(
        f"{length} steps: "
        + ", ".join(
            f"{cell} {errors[cell, length][:, -1].min():.4f} to {errors[cell, length][:, -1].max():.4f}"
            for cell in CELLS
        )
        for length in lengths
    ),
    f"parameters: {', '.join(f'{cell} {model.count_params()}' for cell, model in built.items())}; seconds an epoch at "
    f"{longest} steps: {', '.join(f'{cell} {seconds[cell, longest]:.2f}' for cell in CELLS)}",
)
