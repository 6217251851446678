# %% [markdown]
"""10 · Inside the gates

**What you will see:** an LSTM and a GRU read sequences in which one letter is marked, and name that letter in the end. You
watch their gates while they read: at the mark the LSTM's forget gate shuts and its input gate opens, and from then on its
memory hardly moves. Then why every LSTM of Keras begins with the number 1 in one place, and what happens if it is 0.

**Takes** about 70 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 10
BATCH_SIZE = 32
LEARNING_RATE = 0.02
UNITS = 8
LETTERS = "abcd"
TIMESTEPS = 30  # of the longest sequence
SEEDS_TO_COMPARE = range(3)
EPOCHS_TO_COMPARE = 5
FORGET_BIASES = (1, 0)

settings = lesson.start("10_inside_the_gates", epochs=EPOCHS, quick_epochs=6)

import keras
import numpy as np

from rnn_tutorial import callbacks, data, drawing, inspection, models, recording

keras.utils.set_random_seed(settings.seed)

# %% [markdown]
# ## The task
#
# A sequence shows a letter at each step, and beside one of them stands a mark. In the end the network has to say which letter
# was marked. All others are there to distract, and the mark can be anywhere. So the network must notice the mark, take in that
# one letter, keep it while other letters pass by, and take in nothing else: four things to do, and an LSTM has just the
# parts for them.
#
# The sequences are of unequal length, 15 to 30 steps, but an array has rows of one length. So the short ones are *padded*: after
# their end come steps of zeros.

# %%
x, y, _, _ = data.tasks.marked_item(2000, TIMESTEPS, seed=settings.seed, items=len(LETTERS))
# Other sequences to validate on, and to look at.
x_new, y_new, marked, lengths = data.tasks.marked_item(500, TIMESTEPS, seed=settings.seed + 1, items=len(LETTERS))


def written(sequence):
    """A sequence as text: its letters, the marked one in brackets, dots for padding."""
    letters = [LETTERS[step[:-1].argmax()] if step.any() else "." for step in sequence]
    return "".join(f"[{letter}]" if step[-1] else f" {letter} " for letter, step in zip(letters, sequence, strict=True))


print(f"x {x.shape} = (sequences, steps, {len(LETTERS)} letters and the mark), y {y.shape}")
for sequence, answer in zip(x[:3], y[:3], strict=True):
    print(f"  {written(sequence)}  -> {LETTERS[answer]}")

# %% [markdown]
# ## Masking
#
# The padding is not part of the sequence, and the network should not read it. `keras.layers.Masking` marks each step that is
# all zeros, and the recurrent layer skips what is marked: it does not compute the step at all but hands on its state as it
# is. What leaves the layer in the end is the state after the last real step, wherever that was.


# %%
def network(cell, masked=True):
    """Masking, one recurrent layer, and a probability for each letter."""
    cells = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
    sequence = keras.Input((None, len(LETTERS) + 1), name="sequence")  # None: any number of steps
    h = keras.layers.Masking(name="masking")(sequence) if masked else sequence
    h = cells[cell](UNITS, name=cell)(h)  # (batch, units)
    answer = keras.layers.Dense(len(LETTERS), activation="softmax", name="output")(h)
    model = keras.Model(sequence, answer, name=f"marked_letter_{cell}")
    # The learning rate falls to zero along a cosine, so that training ends in small steps.
    steps = settings.epochs * -(-len(x) // BATCH_SIZE)
    learning_rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, decay_steps=steps)
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


lstm = network("lstm")

# %% [markdown]
# ## The LSTM
#
# The cell of lesson 01 makes its whole memory anew at every step. The LSTM has a second memory, the *cell state* `c`, that is
# only ever added to or faded, each unit by itself. *Gates* decide how much. A gate is a layer of its own, which looks at the input
# `x_t` and at the last hidden state `h_{t-1}` and answers with a number between 0 (shut) and 1 (open) for each unit:
#
#     i = sigmoid(x_t · W_i + h_{t-1} · U_i + b_i)          input gate: how much of what is new comes in
#     f = sigmoid(x_t · W_f + h_{t-1} · U_f + b_f)          forget gate: how much of the old stays (1 is: all of it)
#     o = sigmoid(x_t · W_o + h_{t-1} · U_o + b_o)          output gate: how much of the cell state is shown
#     candidate = tanh(x_t · W_c + h_{t-1} · U_c + b_c)     what could come in
#
#     c_t = f * c_{t-1} + i * candidate
#     h_t = o * tanh(c_t)
#
# (`*` multiplies unit by unit. A forget gate of 1 forgets nothing; it would better be called a keep gate.)
#
# Keras hands out `h_t` only. `inspection.trace` runs the layer again and writes down the rest. Is it the truth? The two last
# lines must come out right with its numbers:


# %%
def before(states):
    """The state before each step: that of the step before it, and zero before the first."""
    return np.concatenate([np.zeros_like(states[:, :1]), states[:, :-1]], axis=1)


untrained = inspection.trace(lstm, x_new)["lstm"]
i, f, candidate, o = (untrained.gates[gate] for gate in ("input", "forget", "candidate", "output"))
c, h = untrained.cell, untrained.hidden
print(f"\nc {c.shape} = (sequences, steps, units), and so is each gate")
lstm_difference = max(
    np.nanmax(np.abs(c - (f * before(c) + i * candidate))),  # a masked step is NaN
    np.nanmax(np.abs(h - o * np.tanh(c))),
)
print(f"the equations with these numbers: largest difference {lstm_difference:.0e}")
assert lstm_difference < 1e-5

# %% [markdown]
# ## A way to read 500 sequences at once
#
# A picture shows one sequence. To say what is *usually* so, we sort all steps of all sequences into those before the mark, the one
# at it, and those after it, and take means over each group and all units: of every gate, of the size of the candidate, and of
# three things that tell how the memory fares (`c` of an LSTM, `h` of a GRU):
#
# - *kept*: of all that is in the memory, the share that the forget gate lets through. Units that hold much count much.
# - *renewed*: of what it does not let through, the share in units whose candidate has the same sign. There what is lost is
#   written again.
# - *changed*: how far the memory moves in the step, as a share of what was in it.

# %%
step = np.arange(TIMESTEPS)  # (time,), against (batch, 1) below: (batch, time)
real = step < lengths[:, np.newaxis]
GROUPS = {
    "before": real & (step < marked[:, np.newaxis]),
    "at": step == marked[:, np.newaxis],
    "after": real & (step > marked[:, np.newaxis]),
}


def around_the_mark(trace, keep):
    """{row: {group: mean}} of gates and memory, before, at and after the mark; `keep` is the gate that keeps."""
    memory = trace.hidden if trace.cell is None else trace.cell
    old = before(memory)
    size = np.abs(old)
    lost = (1 - trace.gates[keep]) * size
    rows = {gate: np.abs(values) for gate, values in trace.gates.items()}
    means = {gate: {group: values[at].mean() for group, at in GROUPS.items()} for gate, values in rows.items()}
    memories = {
        "kept": (trace.gates[keep] * size, size),
        "renewed": (lost * (np.sign(trace.gates["candidate"]) == np.sign(old)), lost),
        "changed": (np.abs(memory - old), size),
    }
    for row, (part, whole) in memories.items():
        means[row] = {group: part[at].sum() / whole[at].sum() for group, at in GROUPS.items()}
    return means


def show(means_untrained, means_trained):
    print(f"{'':12}{'untrained':>12}{'':14}{'trained':>14}")
    print(f"{'the mark:':12}" + (f"{'before':>8}{'at':>8}{'after':>8}" + "    ") * 2)
    for row in means_trained:
        groups = (*means_untrained[row].values(), None, *means_trained[row].values())
        print(f"{row:12}" + "".join("    " if mean is None else f"{mean:8.2f}" for mean in groups))


lstm_untrained = around_the_mark(untrained, keep="forget")

# %% [markdown]
# ## Train, and look again
#
# Guessing is right once in four times. `observe` gets a *probe*, a few sequences that it looks at again and again during training.
# We take those with the mark at one certain step, which end a while after it and a while before the array does.

# %%
MARK = 10
clear = (marked == MARK) & (lengths >= 18) & (lengths <= 26)
probe = x_new[clear], y_new[clear]

# For "The way back", below: long sequences without padding, marked at the same step.
x_long, y_long, marked_long, _ = data.tasks.marked_item(1000, TIMESTEPS, settings.seed + 2, len(LETTERS), TIMESTEPS)
long = x_long[marked_long == MARK], y_long[marked_long == MARK]
flow_untrained = inspection.gradient_flow(lstm, *long)["lstm"].cell  # (time,)


def train(model, name):
    """Train, watched; the share of new sequences answered right."""
    model.fit(
        **data.batches(x, y, batch_size=BATCH_SIZE, seed=settings.seed, validation=(x_new, y_new)),
        epochs=settings.epochs,
        verbose=0,
        callbacks=callbacks.observe(settings.log_dir / name, probe=probe),
    )
    return float(np.mean(model.predict(x_new, batch_size=len(x_new), verbose=0).argmax(axis=1) == y_new))


lstm_accuracy = train(lstm, "lstm")
print(f"\nThe LSTM names the marked letter in {lstm_accuracy:.1%} of {len(x_new)} new sequences (guessing: 25%)")
trained = inspection.trace(lstm, x_new)["lstm"]
lstm_trained = around_the_mark(trained, keep="forget")
show(lstm_untrained, lstm_trained)

# %% [markdown]
# Before training nothing happens at the mark. Gates stand where their biases put them: at sigmoid(0) = 0.5, and the forget gate at
# sigmoid(1) = 0.73, of which more below. Of what is kept at 73% a step, 4% is left after ten steps.
#
# After training (the numbers differ from seed to seed, what follows does not):
#
# - **At the mark** the forget gate shuts: whatever the letters before have left is thrown out. The input gate opens, and the
#   marked letter comes in. In this one step the memory is replaced: it changes by more than it held.
# - **After it** the forget gate is near 1 where something is held: nine tenths of the memory are kept at each step. The input gate
#   is half shut again. It need not be shut altogether, because mostly the candidate has the sign of what is lost: the cell tops
#   itself up, and other letters cannot turn it over.
# - **Before it** less is kept. There is nothing yet that is worth keeping.
#
# The weights say the same. Each gate has a weight from the mark to each unit, the last row of `kernel`. To the forget gate
# nearly all are negative: the mark shuts it. To the input gate most are positive. And how *saturated* are the gates? The share of a
# gate's values below 0.05 or above 0.95 (of the candidate's, beyond -0.95 or 0.95):

# %%
# (inputs, 4 * units): the four side by side, in the order in which the trace has them.
kernel, _, _ = lstm.get_layer("lstm").get_weights()
from_the_mark = dict(zip(trained.gates, np.split(kernel[-1], 4), strict=True))
print("\nfrom the mark to")
for gate in ("input", "forget"):
    print(f"  {gate:8}" + "".join(f"{weight:7.1f}" for weight in from_the_mark[gate]))
print("\nsaturated    " + "".join(f"{gate:>11}" for gate in trained.saturation))
for name, trace in (("untrained", untrained), ("trained", trained)):
    print(f"{name:13}" + "".join(f"{share:11.0%}" for share in trace.saturation.values()))

# %% [markdown]
# A saturated gate is sure of itself, and hardly learns any more, because sigmoid is flat there. Some of that is what learning
# looks like here. Much of it in the first epochs is a sign of trouble; lesson 12 has such a patient.
#
# ## The way back
#
# Training carries the gradient of the loss from the last step back to the first, and in the cell state it meets one factor at each
# step: the forget gate. What keeps a memory on the way forward keeps its gradient on the way back. (Hochreiter and Schmidhuber
# (1997) built the LSTM for that and called it the constant error carousel.) We take sequences of full length with the mark at
# step 10, and let dL/dc, the gradient with respect to the cell state, be 1 at step 25. How much of it gets how far back?

# %%
flow_trained = inspection.gradient_flow(lstm, *long)["lstm"].cell
steps_back = [25, 20, 15, MARK + 1, MARK, MARK - 1, 5, 0]
print("\ndL/dc at step" + "".join(f"{number:8}" for number in steps_back))
for name, flow in (("untrained", flow_untrained), ("trained", flow_trained)):
    print(f"{name:13}" + "".join(f"{flow[number] / flow[25]:8.3f}" for number in steps_back))

# %% [markdown]
# Untrained, less than a tenth of it gets back to the mark; trained, about half of it or more. There it meets the shut gate:
# whatever the letters before the mark had been, the answer would be the same, so they need no gradient.
#
# ## The padding
#
# Masked steps are NaN in the trace and hatched in the pictures: there were no gates, because there was no step. That the
# padding cannot matter shows when we cut it off, and when we put on ten times more. And without `Masking`, with the very same
# weights?

# %%
one = np.flatnonzero(clear)[0]  # the sequence in the pictures
masked_steps = np.isnan(trained.gates["forget"]).all(axis=2)  # (batch, time)
print(f"\n{(~real).sum()} steps are padding; {masked_steps.sum()} steps are NaN in the trace")


def answers(model, sequences):
    """The probabilities of the letters (batch, letters)."""
    return keras.ops.convert_to_numpy(model(sequences, training=False))


more_padding = np.pad(x_new, ((0, 0), (0, 9 * TIMESTEPS), (0, 0)))  # (500, 300, 5)
cut_difference = np.abs(answers(lstm, x_new[one : one + 1, : lengths[one]]) - answers(lstm, x_new[one : one + 1])).max()
more_difference = np.abs(answers(lstm, more_padding) - answers(lstm, x_new)).max()
without_mask = network("lstm", masked=False)
without_mask.set_weights(lstm.get_weights())
accuracy_without_mask = {
    sequences.shape[1]: float(np.mean(answers(without_mask, sequences).argmax(axis=1) == y_new))
    for sequences in (x_new, more_padding)
}
print(
    f"Padding cut off: answers differ by {cut_difference:.1g}; padded to {10 * TIMESTEPS} steps: by {more_difference:.1g}"
)
for steps, accuracy in accuracy_without_mask.items():
    print(f"without a mask, padded to {steps:3} steps: {accuracy:.1%} right")

# %% [markdown]
# A network that keeps a letter while others pass by can keep it through a few zeros too. But nothing has taught it to keep it
# for hundreds of steps, and there the memory often drifts away. With the mask there is nothing to get through: the state is
# handed on as it is.
#
# ## The GRU
#
# The GRU does it with two gates and one memory. Its update gate does the work of two: what is let in is what is let go. In Keras
# (with `reset_after=True`, the default):
#
#     z = sigmoid(x_t · W_z + h_{t-1} · U_z + b_z)                        update gate: how much of the old stays
#     r = sigmoid(x_t · W_r + h_{t-1} · U_r + b_r)                        reset gate: how much the candidate sees of it
#     candidate = tanh(x_t · W_h + b_h + r * (h_{t-1} · U_h + b_u))       what could come in
#
#     h_t = z * h_{t-1} + (1 - z) * candidate
#
# (Each of `b_z` and `b_r` is a sum of two biases in Keras. Some papers write z and 1 - z the other way round.) That is three
# layers inside where the LSTM has four, and three quarters of its weights, give or take a bias.

# %%
gru = network("gru")
gru_untrained_trace = inspection.trace(gru, x_new)["gru"]
gru_untrained = around_the_mark(gru_untrained_trace, keep="update")
gru_accuracy = train(gru, "gru")
gru_trace = inspection.trace(gru, x_new)["gru"]
z, h = gru_trace.gates["update"], gru_trace.hidden
gru_difference = np.nanmax(np.abs(h - (z * before(h) + (1 - z) * gru_trace.gates["candidate"])))
assert gru_difference < 1e-5
gru_trained = around_the_mark(gru_trace, keep="update")
print(f"\nThe GRU: {gru_accuracy:.1%} right, with {gru.count_params()} weights; the LSTM has {lstm.count_params()}")
show(gru_untrained, gru_trained)

# %% [markdown]
# At the mark both gates go down: the update gate lets the old memory go, and the reset gate hides it from the candidate,
# which is made from the letter. So far this is like the LSTM.
#
# But after the mark the update gate does *not* stay near 1. It keeps between half and two thirds of the memory at each step, and
# still the memory changes less than the LSTM's. The candidate makes up for it: mostly it has the sign of what is let go, and
# writes it again. A memory can be kept by not touching it, or by writing the same thing over and over. In the picture of the
# gates you find units of both kinds.
#
# ## Why the forget gate begins at 0.73
#
# Weights begin small and biases begin at zero, so that gates begin about half open, at sigmoid(0) = 0.5. But a memory that is
# halved at each step is gone soon, and so is the gradient on its way back: `c_t` depends on `c_{t-1}` by the factor `f`. Jozefowicz,
# Zaremba and Sutskever (2015) recommend to begin with 1 as the bias of the forget gate. Keras does so (`unit_forget_bias=True`),
# and then the factor is sigmoid(1) = 0.73. It seems a small thing. Over 29 steps:

# %%
STEPS_TO_COMPARE = 30
for bias in FORGET_BIASES:
    factor = 1 / (1 + np.exp(-bias))
    print(f"forget bias {bias}: {factor:.2f} at each step, {factor ** (STEPS_TO_COMPARE - 1):.0e} over all")

# %% [markdown]
# To measure it we need a task without easy cases. In the marked letters there are some: a mark near the end needs no long memory, and
# from there the network works its way back. In lesson 07's task the letter that counts is always the first, followed by 29
# steps of noise. Two letters: guessing is right in half of the cases. Keras keeps the four biases of an LSTM in one array, in the
# order i, f, c, o, so that the second quarter is the forget gate's.

# %%
x_first, y_first = data.tasks.first_item(1000, STEPS_TO_COMPARE, seed=settings.seed, items=2)
compared = models.sequence_model(STEPS_TO_COMPARE, x_first.shape[-1], 2, units=16, activation="softmax")
compared.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])


def learn(forget_bias, seed):
    """The accuracy of each epoch; and how much of the gradient gets to the first step, before training."""
    models.start_over(compared, seed)  # One model for all runs, so that Keras compiles once.
    kernel, recurrent_kernel, bias, *output = compared.get_weights()
    bias[16:32] = forget_bias
    compared.set_weights([kernel, recurrent_kernel, bias, *output])
    flow = inspection.gradient_flow(compared, x_first[:100], y_first[:100])["lstm"].hidden  # (time,)
    batches = data.batches(x_first, y_first, batch_size=BATCH_SIZE, seed=seed)
    history = compared.fit(**batches, epochs=EPOCHS_TO_COMPARE, verbose=0).history
    return history["accuracy"], flow[0] / flow[-1]


seeds = list(SEEDS_TO_COMPARE)[: 1 if settings.quick else None]
accuracies, flows = {}, {}
print(f"\nforget bias   seed   dL/dh_1 / dL/dh_{STEPS_TO_COMPARE}   accuracy after each epoch")
for bias in FORGET_BIASES:
    for seed in seeds:
        accuracies[bias, seed], flows[bias, seed] = learn(bias, seed)
        shown = " ".join(f"{accuracy:.2f}" for accuracy in accuracies[bias, seed])
        print(f"{bias:11}   {seed:4}   {flows[bias, seed]:17.0e}   {shown}")
learned = {bias: sum(accuracies[bias, seed][-1] > 0.95 for seed in seeds) for bias in FORGET_BIASES}

# %% [markdown]
# With 1, every seed gets it; with 0, none does in this time, because hardly any gradient comes to the step that would have to
# learn. It is the beginning that counts: a network with 0 can open its forget gate just as wide, only it takes longer to find
# out that it should. In the task with the marks, which has easy cases, the difference is smaller (exercise 3).
#
# ## One sequence, before and after
#
# Last, the pictures of one sequence, untrained and trained.

# %%
print(f"\n{written(x_new[one])}  -> {LETTERS[y_new[one]]}")
with recording.Run(settings.log_dir / "one_sequence") as run:
    for layer, traces in (("lstm", (untrained, trained)), ("gru", (gru_untrained_trace, gru_trace))):
        for when, trace in zip(("untrained", "trained"), traces, strict=True):
            states = {"hidden": trace.hidden} if trace.cell is None else {"hidden": trace.hidden, "cell": trace.cell}
            for kind, draw, arrays in (("gates", drawing.gates, trace.gates), ("states", drawing.states, states)):
                title = f"{layer}, {when}: {kind}, the mark is at step {MARK}"
                picture = draw({name: array[one].T for name, array in arrays.items()}, title)
                lesson.show(run, f"{kind}_picture/{layer}", picture, step=0 if when == "untrained" else settings.epochs)

# %% [markdown]
# ## Look
#
# - **Images**, `gates_picture/lstm` of the run `one_sequence`: the step slider takes you from untrained to trained. At step 10 stand
#   a dark column in `forget` and a bright one in `input`. To the right of it most rows of `forget` are bright: units that
#   keep. Hatched is what is masked.
# - **RNN**, run `lstm`, "States and gates" switched to gates: "Play" shows the same epoch by epoch. When does the dark column come up in
#   `forget`, and when do the rows behind it turn bright? The sequence is the first of the probe, its mark at step 10 as well.
# - **Images**, `states_picture/lstm` of the same run: pale before the mark, after it rows of one colour. That is the letter.
# - **Images**, `gates_picture/gru` of the same run: to the right of the mark, which rows of `update` are bright (these units keep) and
#   which are dark (these write again)? In `states_picture/gru` both kinds look alike.
# - **Images**, `weights_picture/lstm` of the run `lstm`, last epoch: the last row of `kernel` is the mark's. In `forget` it is blue
#   nearly throughout (it shuts), in `input` mostly red (it opens). The forget gate's `bias` is still red.
# - **Images**, `gradient_flow_picture/gru` of the run `gru`: an epoch a row. In the last rows the gradient is even from the end of the
#   sequences back to the mark at step 10, and weaker before it.
# - **Time Series**, `saturation/lstm/forget` beside `epoch_accuracy`: the gates make up their minds in the same epochs in which the
#   accuracy climbs.
#
# ## Exercises
#
# 1. Take `UNITS = 2`. Which of the two networks can still do it? How can two numbers stand for four letters (`states_picture/gru`)?
#    And with one unit, how many of the letters are told apart?
# 2. Train without the mask: `lstm = network("lstm", masked=False)`. What do the gates do on the padding now, and what does ten times
#    more of it do?
# 3. Compare forget biases on the task with the marks: after `x_first, y_first = ...` put `x_first, y_first = x, y`. How far behind is 0
#    now? And what does `FORGET_BIASES = (3, 1, 0)` say, on either task?

# %%
lesson.end(
    settings,
    f"LSTM {lstm_accuracy:.1%}, GRU {gru_accuracy:.1%} of marked letters right in new sequences; guessing is 25%",
    f"LSTM, input gate {lstm_trained['input']['before']:.2f} before the mark, {lstm_trained['input']['at']:.2f} at it, "
    f"{lstm_trained['input']['after']:.2f} after; forget gate {lstm_trained['forget']['before']:.2f}, "
    f"{lstm_trained['forget']['at']:.2f}, {lstm_trained['forget']['after']:.2f}",
    f"after the mark the LSTM keeps {lstm_trained['kept']['after']:.0%} of its cell state at each step, "
    f"{lstm_untrained['kept']['after']:.0%} before training; the GRU keeps {gru_trained['kept']['after']:.0%}, writes the rest "
    f"again, and its memory changes by {gru_trained['changed']['after']:.0%}",
    f"padding cut off changes the answer by {cut_difference:.1g}; padded to {10 * TIMESTEPS} steps, without a mask "
    f"{accuracy_without_mask[10 * TIMESTEPS]:.1%} are right",
    f"forget bias 1: {learned[1]} of {len(seeds)} seeds learn within {EPOCHS_TO_COMPARE} epochs what lies 29 steps back; "
    f"forget bias 0: {learned[0]} of {len(seeds)}",
)
