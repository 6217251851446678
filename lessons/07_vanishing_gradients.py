# %% [markdown]
"""07 · Vanishing gradients

**What you will see:** how much of the gradient reaches each time step, on a log axis. In a `SimpleRNN` it falls by the same
factor at every step, until nothing is left to learn from. You compute that by hand, from the weights. LSTM and GRU have
a way around it, and it does not work by itself: it depends on how far their gates are open. At the end you know which
network learns to remember for 10, 30 and 100 steps, and could have told beforehand.

**Takes** about 95 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 9
LEARNING_RATE = 0.015
BATCH_SIZE = 128
SAMPLES = 1024  # sequences to train on, for each length
UNITS = 16
LENGTHS = (10, 30, 100)  # time steps
GAINS = (0.25, 0.5, 0.8, 1.0, 1.2, 1.5, 2.0)  # the recurrent kernel is multiplied by them
SEEDS_TO_COMPARE = (1, 2)
WATCHED = ("simple_rnn", "lstm_open", "gru_open")  # with all callbacks, at the longest length

settings = lesson.start("07_vanishing_gradients", epochs=EPOCHS, quick_epochs=8)

import keras
import numpy as np

from rnn_tutorial import callbacks, data, drawing, inspection, models, recording

lengths = LENGTHS[-1:] if settings.quick else LENGTHS
LONGEST = max(lengths)
pictures = recording.Run(settings.log_dir / "pictures")

# %% [markdown]
# ## A task that is nothing but memory
#
# At the first step the network sees an item, 0 or 1, as a one-hot vector. Then comes noise, for as many steps as we like. After
# the last step it has to say which item that was. Guessing is right half of the time. There is nothing to find out here but
# *keep what you saw at the first step*, and the length says for how long.
#
# Every sequence is drawn at random, so that validation sequences are simply others.

# %%
x, y = data.tasks.first_item(samples=3, timesteps=6, seed=settings.seed)
print("One sequence of six steps; the columns are: item 0, item 1, noise")
print(x[0].round(1), f"-> item {y[0]}")
validation = {
    timesteps: data.tasks.first_item(samples=512, timesteps=timesteps, seed=settings.seed + 1_000_000)
    for timesteps in lengths
}
probes = {timesteps: (x[:64], y[:64]) for timesteps, (x, y) in validation.items()}  # what we look at, always the same

# %% [markdown]
# ## The product of Jacobians
#
# To learn that the first step counts, the network must be told there: the gradient of the loss with respect to the memory after
# the first step, `dL/dh_1`, is all that the weights hear of it. It comes from the last step on the way that lesson 01 went by
# hand, one step at a time. `SimpleRNN` computes (Keras writes vectors as rows)
#
#     h_t = tanh(x_t · W_xh + h_{t-1} · W_hh + b_h)
#
# so a small change of `h_{t-1}` goes through `W_hh` and then through the slope of tanh, which is `1 - h_t²`. The gradient goes the
# same way back:
#
#     dL/dh_{t-1} = dL/dh_t · J_tᵀ     with the Jacobian   J_t = dh_t/dh_{t-1} = W_hh · diag(1 - h_t²)
#     dL/dh_1     = dL/dh_T · J_Tᵀ · J_{T-1}ᵀ · ... · J_2ᵀ
#
# For 100 steps that is a product of 99 matrices, all with the same `W_hh` in them. `inspection.gradient_flow` gives `dL/dh_t` for
# each step as Keras computes it, `inspection.trace` the memories `h_t`. The product must give the same.


# %%
def build(cell):
    """The network of this lesson, for sequences of any length."""
    model = models.sequence_model(timesteps=None, features=3, outputs=2, units=UNITS, cell=cell, activation="softmax")
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


keras.utils.set_random_seed(settings.seed)
model = build("simple_rnn")
layer = inspection.layers(model)["simple_rnn"]
x, y = probes[LONGEST]
h = inspection.trace(model, x)["simple_rnn"].hidden  # (batch, time, units)
by_keras = inspection.gradient_flow(model, x, y, raw=True)["simple_rnn"].hidden  # (batch, time, units)

W_hh = keras.ops.convert_to_numpy(layer.cell.recurrent_kernel)  # (units, units)
by_hand = np.zeros(by_keras.shape)
by_hand[:, -1] = by_keras[:, -1]
for t in reversed(range(1, LONGEST)):
    by_hand[:, t - 1] = (by_hand[:, t] * (1 - h[:, t] ** 2)) @ W_hh.T


def norms(gradients):
    """(batch, time, units) -> (time,): L2 norm over the units, mean over the batch."""
    return np.linalg.norm(gradients.astype("float64"), axis=-1).mean(axis=0)


product_error = (norms(by_hand - by_keras) / norms(by_keras)).max()
print(f"\nThe gradient through {LONGEST} steps of an untrained SimpleRNN")
for t in (LONGEST, LONGEST - 1, LONGEST - 2, LONGEST // 2, 1):
    print(f"  step {t:3}: product of Jacobians {norms(by_hand)[t - 1]:.3e}   Keras {norms(by_keras)[t - 1]:.3e}")
print(f"  largest relative difference {product_error:.0e}")

# %% [markdown]
# It falls to almost nothing, and evenly: on a log axis it is a straight line.
#
# **Why many tools show no such curve.** Ask Keras for the gradient of the loss with respect to the *output* of the layer. The layer
# hands on its last memory only, so that something arrives *from above* at the last step, and at all others exactly nothing. What
# reaches the earlier steps travels inside the layer, from memory to memory. `gradient_flow` gives both: `hidden` is the total,
# `immediate` the part that comes from above.

# %%
flow = inspection.gradient_flow(model, x, y)["simple_rnn"]  # norms, (time,)
steps_from_above = int(np.count_nonzero(flow.immediate))
print(
    f"\nSteps that get something from above: {steps_from_above} of {LONGEST}; in total: {np.count_nonzero(flow.hidden)}"
)

picture = drawing.lines(
    {"total": flow.hidden, "from above only": flow.immediate},
    "SimpleRNN before training: the gradient at each step",
    "time step",
    "norm of dL/dh",
    log=True,
)
lesson.show(pictures, "total_and_above", picture)

# %% [markdown]
# ## How fast? Ask the recurrent kernel
#
# One step multiplies by `J_t`. The most by which a matrix stretches a vector is its largest *singular value* `σ`. The slope of the
# activation is at most `γ`: 1 for tanh, 1/4 for a sigmoid. So one step back multiplies the norm by at most `σ · γ`. That is the
# argument of Pascanu, Mikolov and Bengio (2013):
#
# - `σ < 1/γ`: the gradient *must* vanish. For tanh: a largest singular value below 1 is enough for it.
# - `σ > 1/γ`: the gradient *may* explode. It cannot without that, but it need not: flat places of tanh can make up for it.
#
# What a matrix does when it is applied again and again is decided by its largest absolute eigenvalue, the *spectral radius*; it is
# never more than `σ`. Keras begins with an orthogonal recurrent kernel, one that only turns vectors: all its singular values, and so
# the spectral radius, are 1. We multiply it by some number, and measure the factor per step: the 99th root of
# what the 99 steps do together.


# %%
def factor_per_step(values):
    """By what a gradient (time,) is multiplied on average on one step back; steps where it is 0 do not count."""
    (there,) = np.nonzero(values)
    return (values[there[0]] / values[there[-1]]) ** (1 / (there[-1] - there[0]))


radii, factors, zeros, curves = {}, {}, {}, {}
print("\n         spectral  largest         at most    measured    steps where it")
print("    gain   radius  sing. value    per step    per step        is exactly 0")
for gain in GAINS:
    layer.cell.recurrent_kernel.assign(gain * W_hh)
    radii[gain] = inspection.spectral_radius(layer)
    singular = np.linalg.svd(gain * W_hh, compute_uv=False).max()
    slope = (1 - inspection.trace(model, x)["simple_rnn"].hidden ** 2).max()
    values = inspection.gradient_flow(model, x, y)["simple_rnn"].hidden  # (time,)
    factors[gain] = factor_per_step(values)
    zeros[gain] = int((values == 0).sum())
    curves[f"radius {gain:g}"] = values
    print(
        f"{gain:8.2f} {radii[gain]:8.2f} {singular:12.2f} {singular * slope:11.2f} {factors[gain]:11.2f} {zeros[gain]:19}"
    )
    assert factors[gain] <= singular * slope
layer.cell.recurrent_kernel.assign(W_hh)

picture = drawing.lines(curves, "SimpleRNN: what the recurrent kernel does", "time step", "norm of dL/dh", log=True)
lesson.show(pictures, "by_spectral_radius", picture)

# %% [markdown]
# Below 1 it vanishes, as it must. At 1 it vanishes too, because of `1 - h²`: each step back leaves about 0.84 of it. Even at 1.2 it
# does. At 2 it grows. In between lies a narrow band where it does neither, and nothing keeps training inside of it. Lesson 08 shows
# the other side.
#
# **Exactly 0.** 0.25 to the power of 99 is 1e-60, and the smallest number a float32 can hold is near 1e-38 (1e-45 where the processor
# takes the trouble). What is smaller *is* 0, not nearly so: with a radius of 0.25 the first steps hear nothing at all. A log
# axis has no place for 0; the pictures mark it with crosses at the lower edge.
#
# ## The way around: gates
#
# An LSTM has a second memory `c_t`, and no matrix stands between one `c` and the next; a *forget gate* `f_t` does, a number
# between 0 and 1 for each unit. A GRU does much the same with its memory `h_t` and its *update gate* `z_t`:
#
#     LSTM    c_t = f_t * c_{t-1} + i_t * candidate_t         dc_t/dc_{t-1} = diag(f_t) + what goes around through gates and candidate
#     GRU     h_t = z_t * h_{t-1} + (1 - z_t) * candidate_t   dh_t/dh_{t-1} = diag(z_t) + what goes around through gates and candidate
#
# Now the product over time is a product of gates. If they are at 1, the gradient stays as it is, for as long as you like. *If*
# they are. A gate is a sigmoid of a sum, and where does that begin? Keras begins the forget gate with a bias of 1, and
# `sigmoid(1)` is 0.73; the update gate with 0, which is 0.5. To the power of 99 that is 3e-14 and 2e-30. (The factors measured
# below are somewhat larger: gates move with the input, and the most goes through those that happen to be open.)
#
# So we open them. A gate at `u / (1 + u)` keeps a memory for about `u` steps, and `sigmoid(log u)` is just that. We draw for each
# unit a `u` between 1 and the length of the sequences, and set the bias to `log u`; for the LSTM the input gate gets `-log u`, since
# who keeps for long should take in little (*chrono initialisation*, Tallec and Ollivier 2018).


# %%
def open_gates(weights, cell, timesteps, seed):
    """Set the biases so that the units remember for 1 to `timesteps` steps."""
    kernel, recurrent_kernel, bias, *output = weights
    log_u = np.log(np.random.default_rng(seed).uniform(1, timesteps - 1, UNITS))
    if cell == "lstm":  # (4 * units,) in the order input, forget, candidate, output
        bias[:UNITS] = -log_u
        bias[UNITS : 2 * UNITS] = log_u
    else:  # (2, 3 * units) in the order update, reset, candidate; the first row goes with the input
        bias[0, :UNITS] = log_u
    return [kernel, recurrent_kernel, bias, *output]


# %% [markdown]
# ## Five networks, three lengths
#
# The plain cell, LSTM and GRU as Keras begins them, and LSTM and GRU with open gates: the same size, the same data, the same
# training. We look at the gradient before the first step of training, train, look again, and ask for the accuracy on sequences
# never seen.
#
# For an LSTM the memory that lasts is `c_t`, so its curve is `dL/dc_t`. What reaches the first step we give as a share of what there is
# at the last step but one, the first that the gradient comes to through time.

# %%
NETWORKS = {  # name: (cell, gates opened)
    "simple_rnn": ("simple_rnn", False),
    "lstm": ("lstm", False),
    "gru": ("gru", False),
    "lstm_open": ("lstm", True),
    "gru_open": ("gru", True),
}
# One model a cell, so that Keras compiles each once; every training starts with new weights and the optimizer as it was.
built = {"simple_rnn": model, "lstm": build("lstm"), "gru": build("gru")}


def train(name, timesteps, seed, watch=()):
    """Train one of the networks from its beginning; the flow before and after, and the accuracy."""
    cell, opened = NETWORKS[name]
    model = built[cell]
    models.start_over(model, seed)
    if opened:
        model.set_weights(open_gates(model.get_weights(), cell, timesteps, seed))
    before = inspection.gradient_flow(model, *probes[timesteps])[cell]
    x, y = data.tasks.first_item(samples=SAMPLES, timesteps=timesteps, seed=seed)
    model.fit(
        **data.batches(x, y, batch_size=BATCH_SIZE, seed=seed), epochs=settings.epochs, verbose=0, callbacks=list(watch)
    )
    after = inspection.gradient_flow(model, *probes[timesteps])[cell]
    x, y = validation[timesteps]
    accuracy = model.evaluate(x, y, batch_size=len(x), verbose=0)[1]
    return before, after, accuracy


def relative(flow):
    """The gradient at the memory that lasts, as a share of that at the last step but one; (time - 1,)."""
    values = (flow.hidden if flow.cell is None else flow.cell)[:-1]
    return values / values[-1]


before, after, accuracy = {}, {}, {}
for timesteps in lengths:
    for name in NETWORKS:
        watch = ()
        if timesteps == LONGEST and name in WATCHED:
            watch = callbacks.observe(settings.log_dir / name, probe=probes[timesteps])
        found = train(name, timesteps, settings.seed, watch)
        before[name, timesteps], after[name, timesteps], accuracy[name, timesteps] = found


def share(flow):
    """What reaches the first step."""
    return relative(flow)[0]


print("\nBefore training                     reaches the first step              per step")
print("network     " + "".join(f"{f'{timesteps} steps':>12}" for timesteps in lengths) + f"{LONGEST:14} steps")
per_step = {name: factor_per_step(relative(before[name, LONGEST])) for name in NETWORKS}
for name in NETWORKS:
    shares = "".join(f"{share(before[name, timesteps]):12.0e}" for timesteps in lengths)
    print(f"{name:12}{shares}{per_step[name]:17.2f}")
print("\nAfter training                      reaches the first step              accuracy")
print("network     " + "".join(f"{f'{timesteps} steps':>12}" for timesteps in lengths) * 2)
for name in NETWORKS:
    shares = "".join(f"{share(after[name, timesteps]):12.0e}" for timesteps in lengths)
    print(f"{name:12}{shares}" + "".join(f"{accuracy[name, timesteps]:12.2f}" for timesteps in lengths))

# %% [markdown]
# Read the two tables side by side. What counts is not the name of the cell but what reaches the first step *before* training. Where
# that is a hundredth or nearly so, the network learns the task. Where it is a few millionths or less, there is nothing to learn from,
# and the network guesses. Between them (the LSTM at 30 steps) it is a matter of luck and patience.
#
# - At 10 steps everything learns. At 30 the plain cell does, and the GRU as Keras begins it does not: a gate that is half open forgets
#   faster than an orthogonal matrix.
# - At 100 only the two with open gates learn. The other LSTM and GRU could open their gates themselves, but to learn that takes a
#   gradient too.
# - *After* training the curves are others. Whoever has learned has little loss, and so a small gradient everywhere: only shares can be
#   compared. And a plain cell can hold on to an item by driving tanh into its flat ends, where `1 - h²` is nearly 0. Then it remembers
#   and has no gradient (Bengio, Simard and Frasconi 1994): vanishing is about what can still be *learned*.

# %%
for step, (moment, flows) in enumerate({"before": before, "after": after}.items()):
    for timesteps in lengths:
        shown = {name: relative(flows[name, timesteps]) for name in NETWORKS}
        title = f"{moment} training, {timesteps} steps"
        picture = drawing.lines(shown, title, "time step", "share of the gradient that gets here", log=True)
        lesson.show(pictures, f"gradient_by_step/{timesteps}_steps", picture, step)
flow = before["lstm_open", LONGEST]
picture = drawing.lines(
    {"dL/dc": flow.cell[:-1], "dL/dh": flow.hidden[:-1]},
    "LSTM with open gates, before training",
    "time step",
    "norm of the gradient",
    log=True,
)
lesson.show(pictures, "cell_and_hidden_state", picture)
pictures.close()

# %% [markdown]
# Is it luck? The longest sequences again, from other first weights and with other sequences:

# %%
seeds = (settings.seed, *(() if settings.quick else SEEDS_TO_COMPARE))
by_seed = {name: [accuracy[name, LONGEST]] for name in WATCHED}
for seed in seeds[1:]:
    for name in WATCHED:
        by_seed[name].append(train(name, LONGEST, seed)[2])
print(f"\nAccuracy at {LONGEST} steps")
print(f"{'seed':12}" + "".join(f"{seed:8}" for seed in seeds))
for name, accuracies in by_seed.items():
    print(f"{name:12}" + "".join(f"{value:8.2f}" for value in accuracies))

# %% [markdown]
# ## Look
#
# - **Images**, run `pictures` (steps are counted from 0 there): `gradient_by_step/100_steps`, and move the slider from before training (0)
#   to after it (1). Three lines go downhill; two stay up, and lie on top of each other at first. `by_spectral_radius`: one cell, from dying to
#   growing. `total_and_above`: a straight line; and crosses, which is 0, at all steps but the last, and that is all that many tools can
#   show. `cell_and_hidden_state`: in an LSTM the gradient travels in `c`; of it `h` gets what goes through the gates of the next step.
# - **Images**, `gradient_flow_picture/...` of the runs `simple_rnn` and `gru_open`, time to the right, epochs downwards. In the one, every
#   row fades to the left. In the other, a row has nearly one colour: bright while there is something to learn, dark when it is learned.
# - **RNN**, the runs `simple_rnn` and `gru_open` marked: the same two maps on one colour scale, with the number under the pointer. Below
#   them "Chosen epochs" draws the first epoch and the last one of both. A click on a map chooses another epoch.
# - **Time Series**, `gradient_flow_ratio/...`: ‖dL/dh‖ at the first step by that at the last one, epoch by epoch. Beside it
#   `epoch_accuracy` (runs `simple_rnn/train`, ...): which of them leaves 0.5, and when?
# - **Time Series**, `spectral_radius/simple_rnn`: where does training move it?
#
# ## Exercises
#
# 1. Give `first_item` less noise (`noise=0.1`, in `train` and in `validation`). What reaches the first of 100 steps before training now, and
#    what is `1 - h²`? Which networks learn 100 steps, with the learning rate 0.003?
# 2. Take 5 instead of `log u` in `open_gates`, for all units. What reaches the first of 100 steps, and of 1,000? (No need to train.)
# 3. Take `np.diag(np.full(UNITS, 0.5)) + np.eye(UNITS, k=1)` for the recurrent kernel. What are its spectral radius and its largest
#    singular value? What do the last ten steps do with the gradient, and what the ninety before them? (With `noise=0.01`, and with 1.)

# %%
lesson.end(
    settings,
    f"the product of {LONGEST - 1} Jacobians by hand is Keras' gradient, up to {product_error:.0e}",
    f"a SimpleRNN as Keras begins it: spectral radius {radii[1.0]:.2f}, and each step back multiplies by {factors[1.0]:.2f}; "
    f"with radius {GAINS[0]:.2f} the gradient is exactly 0 at {zeros[GAINS[0]]} of {LONGEST} steps",
    f"before training {share(before['simple_rnn', LONGEST]):.0e} of the gradient reaches the first of {LONGEST} steps in the "
    f"SimpleRNN, {share(before['lstm', LONGEST]):.0e} in the LSTM, {share(before['gru', LONGEST]):.0e} in the GRU; with open "
    f"gates {share(before['lstm_open', LONGEST]):.2f} and {share(before['gru_open', LONGEST]):.2f}",
    f"accuracy at {LONGEST} steps: " + ", ".join(f"{name} {accuracy[name, LONGEST]:.2f}" for name in NETWORKS),
)
