# %% [markdown]
"""Solutions to 07 · Vanishing gradients

**What you will see:** the plain cell learning a hundred steps, when it is not shaken; gates that are open enough for a hundred steps
and not for a thousand; and a recurrent kernel that lets the gradient grow before it dies.

**Takes** about 30 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 5
LEARNING_RATE = 0.003  # for exercise 1; the lesson's 0.015 brings many a plain cell out of balance within an epoch
BATCH_SIZE = 128
SAMPLES = 1024
UNITS = 16
LENGTH = 100  # time steps
LONGER = 1000
NOISES = (1.0, 0.1)
OPEN = 5  # the bias of the gates in exercise 2

settings = lesson.start("solutions/07_vanishing_gradients", epochs=EPOCHS, quick_epochs=3)

import keras
import numpy as np

from rnn_tutorial import data, drawing, inspection, models, recording


def network(cell):
    """The network of the lesson, compiled."""
    model = models.sequence_model(timesteps=None, features=3, outputs=2, units=UNITS, cell=cell, activation="softmax")
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "sparse_categorical_crossentropy", metrics=["accuracy"])
    models.start_over(model, settings.seed)
    return model


def sequences(samples, timesteps=LENGTH, noise=1.0, others=0):
    """The lesson's sequences; with `others` they are other ones."""
    return data.tasks.first_item(samples, timesteps, seed=settings.seed + others, noise=noise)


def share(flow):
    """What reaches the first step of what there is at the last step but one, at the memory that lasts."""
    values = (flow.hidden if flow.cell is None else flow.cell)[:-1]
    return float(values[0] / values[-1])


built = {cell: network(cell) for cell in ("simple_rnn", "lstm", "gru")}

# %% [markdown]
# ## Exercise 1
#
# *Less noise, 0.1: what reaches the first of 100 steps now, what is `1 - h²`, and which networks learn (with the learning rate 0.003)?*

# %%
reaches, slopes, accuracies = {}, {}, {}
print("              reaches the first step, with noise       accuracy with")
print("network   " + "".join(f"{noise:14}" for noise in NOISES) + f"{'noise 0.1':>22}")
for cell, model in built.items():
    for noise in NOISES:
        x, y = sequences(64, noise=noise)
        reaches[cell, noise] = share(inspection.gradient_flow(model, x, y)[cell])
        slopes[cell, noise] = float((1 - inspection.trace(model, x)[cell].hidden ** 2).mean())
    batches = data.batches(*sequences(SAMPLES, noise=0.1), batch_size=BATCH_SIZE, seed=settings.seed)
    model.fit(**batches, epochs=settings.epochs, verbose=0)
    new = sequences(512, noise=0.1, others=1_000_000)
    accuracies[cell] = model.evaluate(*new, batch_size=len(new[0]), verbose=0)[1]
    shown = "".join(f"{reaches[cell, noise]:14.0e}" for noise in NOISES)
    print(f"{cell:10}{shown}{accuracies[cell]:22.2f}")
per_step = {noise: reaches["simple_rnn", noise] ** (1 / (LENGTH - 2)) for noise in NOISES}
for noise in NOISES:
    print(f"noise {noise}: mean of 1 - h² {slopes['simple_rnn', noise]:.2f}, each step leaves {per_step[noise]:.2f}")
assert reaches["simple_rnn", 0.1] > 1e-3 > 1e-5 > max(reaches["lstm", 0.1], reaches["gru", 0.1])
assert accuracies["simple_rnn"] > 0.95
assert max(accuracies["lstm"], accuracies["gru"]) < 0.7
assert abs(per_step[0.1] - slopes["simple_rnn", 0.1]) < 0.03

# %% [markdown]
# The plain cell, and only that. Its recurrent kernel turns without shrinking; what shrinks is the slope of tanh, and less noise keeps the
# memory near 0, where the slope is nearly 1. So each step leaves almost everything, and a hundred steps can be learned. LSTM and GRU lose
# by their gates, which begin at 0.73 and 0.5 however quiet it is.
#
# ## Exercise 2
#
# *Take 5 instead of `log u`, for all units. What reaches the first of 100 steps, and of 1,000?*


# %%
def open_gates(cell, bias_of_gates):
    """The lesson's open gates, with any bias: a number, or one for each unit."""
    model = built[cell]
    models.start_over(model, settings.seed)
    kernel, recurrent_kernel, bias, *output = model.get_weights()
    if cell == "lstm":
        bias[:UNITS], bias[UNITS : 2 * UNITS] = -bias_of_gates, bias_of_gates
    else:
        bias[0, :UNITS] = bias_of_gates
    model.set_weights([kernel, recurrent_kernel, bias, *output])
    return model


gated = ("lstm",) if settings.quick else ("lstm", "gru")
gate = 1 / (1 + np.exp(-OPEN))
opened = {}
print(f"\nsigmoid({OPEN}) is {gate:.4f}")
print("steps   network    bias 5   0.9933 to that power   bias log u")
for timesteps in (LENGTH, LONGER):
    log_u = np.log(np.random.default_rng(settings.seed).uniform(1, timesteps - 1, UNITS))
    probe = sequences(64, timesteps)
    for cell in gated:
        for name, bias in (("five", OPEN), ("log u", log_u)):
            flow = inspection.gradient_flow(open_gates(cell, bias), *probe)[cell]
            opened[cell, timesteps, name] = share(flow)
        five, chrono = opened[cell, timesteps, "five"], opened[cell, timesteps, "log u"]
        print(f"{timesteps:5}   {cell:8} {five:8.4f} {gate ** (timesteps - 2):22.4f} {chrono:12.4f}")
for cell in gated:
    assert 0.3 < opened[cell, LENGTH, "five"] < 0.8
    assert opened[cell, LONGER, "five"] < 0.02 < opened[cell, LONGER, "log u"]

# %% [markdown]
# Half of it over 100 steps and hardly anything over 1,000, as the power of the gate says: `sigmoid(5)` keeps for about 150 steps. The bias has to fit the
# length. `log u` fits it by itself, since `u` is drawn up to the length, and among the units there are always some that keep long enough. Why
# not 50 for everything? Such a gate lets nothing new in, and its own slope is 0: it could never learn to shut.
#
# ## Exercise 3
#
# *Take `np.diag(np.full(UNITS, 0.5)) + np.eye(UNITS, k=1)` for the recurrent kernel. What are its spectral radius and its largest singular value?
# What do the last ten steps do with the gradient, and what the ninety before them? (With `noise=0.01`, and with 1.)*

# %%
kernel = np.diag(np.full(UNITS, 0.5)) + np.eye(UNITS, k=1)
model = built["simple_rnn"]
models.start_over(model, settings.seed)
layer = inspection.layers(model)["simple_rnn"]
layer.cell.recurrent_kernel.assign(kernel)
radius, singular = inspection.spectral_radius(layer), float(np.linalg.svd(kernel, compute_uv=False).max())
print(
    f"\nspectral radius {radius:.2f}, largest singular value {singular:.2f}; dL/dh so many steps before the last one:"
)
back = (0, 5, 10, 20, 30, 50, 70, 99)
print(f"{'':12}" + "".join(f"{steps:9}" for steps in back))
flows = {}
for noise in (0.01, 1.0):
    flows[noise] = inspection.gradient_flow(model, *sequences(64, noise=noise))["simple_rnn"].hidden[::-1]  # (time,)
    print(f"noise {noise:<6}" + "".join(f"{flows[noise][steps]:9.0e}" for steps in back))
last_ten, before_them = float(flows[0.01][10] / flows[0.01][0]), float(flows[0.01][99] / flows[0.01][10])
with recording.Run(settings.log_dir / "pictures") as run:
    picture = drawing.lines(
        {f"noise {noise}": flow[::-1] for noise, flow in flows.items()},
        "SimpleRNN: spectral radius 0.5, largest singular value 1.5",
        "time step",
        "norm of dL/dh",
        log=True,
    )
    lesson.show(run, "grows_and_dies", picture)
assert radius < 1 < singular
assert last_ten > 3
assert before_them < 1e-6
assert flows[1.0][10] / flows[1.0][0] < last_ten

# %% [markdown]
# Going back, the gradient first grows, and then dies. The singular value says what *one* step can do at most, the spectral radius what very
# many steps do in the end; in between a gradient can grow for a while although the radius is below 1. With noise 1 tanh is
# driven into its flat places, and the growth is gone: the bound says *may*, not *must*. (**Images**, `grows_and_dies`.)

# %%
lesson.end(
    settings,
    f"1: with noise 0.1, {reaches['simple_rnn', 0.1]:.0e} of the gradient reaches the first step of a SimpleRNN "
    f"({reaches['simple_rnn', 1.0]:.0e} with noise 1); accuracy: "
    + ", ".join(f"{cell} {accuracy:.2f}" for cell, accuracy in accuracies.items()),
    f"2: a bias of 5 leaves {opened['lstm', LENGTH, 'five']:.2f} over {LENGTH} steps and {opened['lstm', LONGER, 'five']:.4f} over {LONGER} "
    f"in the LSTM; log u leaves {opened['lstm', LONGER, 'log u']:.2f} there",
    f"3: spectral radius {radius:.2f} and singular value {singular:.2f}: the last ten steps multiply by {last_ten:.0f}, the "
    f"others by {before_them:.0e}",
)
