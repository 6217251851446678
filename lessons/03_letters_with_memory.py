# %% [markdown]
"""03 · Letters with memory

**What you will see:** the network of lesson 02 reads four letters before it answers. One-hot vectors and a learned *embedding*
side by side; a sentence in which one letter is not enough to know the next, and how far a longer memory helps; the hidden
state as a heatmap while letters are read; a network without recurrence on the same letters, and what it cannot do; and
what changes if the loss counts every step. The letters themselves you find again in TensorBoard's Projector.

**Takes** about 50 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 150
BATCH_SIZE = 38
LEARNING_RATE = 0.01
UNITS = 32
EMBEDDING = 8  # numbers in the learned vector of a letter
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SENTENCE = "she sells sea shells by the sea shore "
WINDOW = 4
WINDOWS_TO_COMPARE = (1, 2, 4, 8)

settings = lesson.start("03_letters_with_memory", epochs=EPOCHS, quick_epochs=80)

import time

import keras
import numpy as np

from rnn_tutorial import callbacks, data, drawing, inspection, models, recording

pictures = recording.Run(settings.log_dir / "pictures")


def fit(model, x, y, name=None, probe=None, labels=None):
    """Compile and fit a model, watched as run `name` if there is one; its history and its milliseconds an epoch."""
    keras.utils.set_random_seed(settings.seed)
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE), "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"]
    )
    watching = [] if name is None else callbacks.observe(settings.log_dir / name, probe=probe, every=10)
    if labels is not None:
        watching.append(callbacks.EmbeddingProjector(settings.log_dir / name, labels))
    times = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: times.append(-time.perf_counter()),
        on_epoch_end=lambda epoch, logs: times.append(times.pop() + time.perf_counter()),
    )
    history = model.fit(
        **data.batches(x, y, batch_size=BATCH_SIZE, seed=settings.seed),
        epochs=settings.epochs,
        verbose=0,
        callbacks=[clock, *watching],
    ).history
    return history, 1e3 * float(np.median(times))


def accuracy(model, x, y):
    """Share of right answers."""
    return float(np.mean(keras.ops.convert_to_numpy(model(x)).argmax(axis=-1) == y))


# %% [markdown]
# ## Four letters, one answer
#
# The alphabet from a to z, and after z comes a again. A sample is now a *window* of four letters, and the target the letter after
# them: x is (samples, 4 time steps, 26 features). The recurrent layer reads the letters one at a time, each time with the same
# weights, and hands its memory from step to step; after the fourth step the memory goes to the output layer.
#
# ## One-hot or embedding
#
# A one-hot vector says which letter it is and nothing else: all letters are equally far from each other, and with 10,000 words
# instead of 26 letters each would be 10,000 numbers long. An *embedding* is a table with a row of a few numbers for each letter.
# The network gets the number of the letter, looks up its row, and *learns the rows* like all other weights. It is the same as
# multiplying the one-hot vector with a matrix, without multiplying all the zeros.

# %%
x_one_hot, y = data.letters.pairs(LETTERS, window=WINDOW)
x_ids, _ = data.letters.pairs(LETTERS, window=WINDOW, one_hot=False)
print(f"one-hot: x {x_one_hot.shape}; ids: x {x_ids.shape}, the first sample is {x_ids[0]} -> {y[0]}")

one_hot = models.letter_predictor(26, timesteps=None, units=UNITS)
with_embedding = models.letter_predictor(26, timesteps=None, units=UNITS, embedding=EMBEDDING)
rows_before = keras.ops.convert_to_numpy(with_embedding.get_layer("embedding").embeddings)  # (26, 8)
compared = {}
for name, model, x in (("one_hot", one_hot, x_one_hot), ("embedding", with_embedding, x_ids)):
    labels = list(LETTERS) if name == "embedding" else None
    history, milliseconds = fit(model, x, y, name, probe=(x, y), labels=labels)
    compared[name] = (
        history["loss"][-1],
        accuracy(model, x, y),
        model.count_params(),
        next((e for e, a in enumerate(history["sparse_categorical_accuracy"]) if a == 1), None),
        milliseconds,
    )
print("\n            loss   accuracy   parameters   all right in epoch   ms an epoch")
for name, (loss, right, parameters, epoch, milliseconds) in compared.items():
    print(f"{name:10} {loss:6.4f} {right:10.2f} {parameters:12} {epoch!s:>20} {milliseconds:13.1f}")

# %% [markdown]
# The embedding has fewer parameters here: 26 rows of 8, and then a kernel for 8 inputs instead of 26. On 26 letters that is a
# detail; on the words of lesson 11 it decides whether the network can be trained at all.
#
# The rows begin as small random numbers, all close together. Each letter is followed by another one, so the network has to tell
# all of them apart, and training moves the rows away from each other. How far is a row from its nearest neighbour?


# %%
def nearest(rows):
    """Mean distance of a row to the row nearest to it."""
    distances = np.linalg.norm(rows[:, np.newaxis] - rows, axis=-1)  # (letters, letters)
    return float(np.mean(np.min(distances + np.diag(np.full(len(rows), np.inf)), axis=1)))


rows_after = keras.ops.convert_to_numpy(with_embedding.get_layer("embedding").embeddings)
print(f"\nnearest row, before training {nearest(rows_before):.2f} away, after it {nearest(rows_after):.2f}")

# %% [markdown]
# ## When one letter is not enough
#
# In the alphabet the last letter alone tells the next one; the other three are for nothing. Not so in a sentence. What follows
# an `s` in
#
#     she sells sea shells by the sea shore
#
# is an `h`, an `e` or a space. *How good can an answer be that knows the last n letters only?* That can be counted, without
# any network: for each group of n letters take the letter that follows most often. No network that reads n letters can be right
# more often. Then we train one for each n and see whether it gets there.


# %%
def best_possible(text, window):
    """The share of right answers of the best answer there is, given so many letters."""
    followers = {}
    for place in range(len(text)):
        read = "".join(text[(place + step) % len(text)] for step in range(window))
        followers.setdefault(read, []).append(text[(place + window) % len(text)])
    return sum(max(map(letters.count, letters)) for letters in followers.values()) / len(text)


alphabet = data.letters.alphabet_of(SENTENCE)
windows = WINDOWS_TO_COMPARE[::3] if settings.quick else WINDOWS_TO_COMPARE
reached, possible, readers = {}, {}, {}
print(f"\n{len(SENTENCE)} letters, {len(alphabet)} different ones\nwindow   best possible   network")
for window in windows:
    x, y_sentence = data.letters.pairs(SENTENCE, window=window)
    readers[window] = models.letter_predictor(len(alphabet), timesteps=window, units=UNITS)
    run = "sentence" if window == windows[-1] else None
    fit(readers[window], x, y_sentence, run, probe=(x, y_sentence))
    reached[window], possible[window] = accuracy(readers[window], x, y_sentence), best_possible(SENTENCE, window)
    print(f"{window:6} {possible[window]:15.3f} {reached[window]:9.3f}")

# %% [markdown]
# The network finds what can be found. More accuracy does not come from more epochs or more units here but from more letters:
# the answer lies in the past, and only a network that is given the past, or keeps it, can know.
#
# ## The memory while it reads
#
# `inspection.trace` gives the hidden state after each letter: (samples, time, units). We take one sample of the sentence, one
# column a letter. And we ask the output layer after *every* letter, though it was trained after the last one only:

# %%
longest = windows[-1]
x, y_sentence = data.letters.pairs(SENTENCE, window=longest)
hidden = inspection.trace(readers[longest], x)["simple_rnn"].hidden  # (samples, time, units)
sample = SENTENCE.index("sea sh")
read = [SENTENCE[(sample + step) % len(SENTENCE)].replace(" ", "␣") for step in range(longest)]
asked = readers[longest].get_layer("output")(hidden[sample])  # (time, letters)
after_each = alphabet.decode(keras.ops.convert_to_numpy(asked).argmax(axis=1)).replace(" ", "␣")
print(
    f"\nread {''.join(read)}, after each letter the network says {after_each}; right in the end is {SENTENCE[sample + longest]}"
)
picture = drawing.heatmap(
    hidden[sample][:, :12].T,
    rows=[str(unit) for unit in range(12)],
    columns=read,
    title="hidden state of 12 of the units",
    row_axis="unit",
    column_axis="letter read",
)
lesson.show(pictures, "hidden_state_while_reading", picture)
same_letter = [place for place in range(longest) if read.count(read[place]) > 1]
first_place = {read[place]: place for place in reversed(same_letter)}
again = [(first_place[read[place]], place) for place in same_letter if first_place[read[place]] != place]
distances = [float(np.abs(hidden[sample][i] - hidden[sample][j]).mean()) for i, j in again]
print(f"the same letter, read again: the state differs by {np.mean(distances):.2f} on average (from -1 to 1 is 2)")

# %% [markdown]
# The same letter leaves another state when other letters came before it. That difference is the memory.
#
# ## The same without recurrence
#
# A feed-forward network can read four letters too: lay them side by side, 4 x 26 numbers, and connect each of them to each unit. It has
# no steps and no memory, and its weights belong to *places*: what it learns about an `a` in the first place it does not know
# about an `a` in the second. (Without time there is no gradient through time to look at, and `observe` says so in a line.)

# %%
feed_forward = keras.Sequential(
    [
        keras.Input((WINDOW, 26)),
        keras.layers.Flatten(),
        keras.layers.Dense(UNITS, activation="tanh"),
        keras.layers.Dense(26, activation="softmax", name="output"),
    ],
    name="feed_forward",
)
fit(feed_forward, x_one_hot, y, "feed_forward")
answers = {}
for name, model in (("recurrent", one_hot), ("feed-forward", feed_forward)):
    for letters_read in (3, 4, 6):
        if model.input_shape[1] in (None, letters_read):  # None: any number of steps
            answers[name, letters_read] = accuracy(model, *data.letters.pairs(LETTERS, window=letters_read))
print("\n                parameters   accuracy on windows of 3      4      6 letters")
for name, model in (("recurrent", one_hot), ("feed-forward", feed_forward)):
    shown = [f"{answers[name, n]:6.2f}" if (name, n) in answers else "     -" for n in (3, 4, 6)]
    print(f"{name:14} {model.count_params():12} {'':>20} {' '.join(shown)}")

# %% [markdown]
# On windows of four both are right. The feed-forward network pays with a weight for each place, and with any other number of letters
# it has no answer at all. The recurrent one takes any length, since a step is a step; how well it answers where it never was
# trained is another matter, and printed above.
#
# ## A loss at the last step, or at every step
#
# So far the loss looked at one answer a sample, `L = l(y_4, target)`, and the gradient had to find its way back through all steps.
# But each step of a window has a right answer too, the next letter of the sentence: `L = l(y_1, t_1) + ... + l(y_4, t_4)`. With
# `return_sequences=True` the layer hands on its memory after every step, the output layer answers every time, and each sample
# teaches four times. (Keras takes the mean over the steps, which is the sum up to a factor.)

# %%
x, y_sentence = data.letters.pairs(SENTENCE, window=WINDOW)
y_every = np.concatenate(
    [x.argmax(axis=-1)[:, 1:], y_sentence[:, np.newaxis]], axis=1
)  # (samples, 4): each step's next
by_loss = {}
for name, every_step in (("last_step", False), ("every_step", True)):
    model = models.sequence_model(
        WINDOW,
        len(alphabet),
        len(alphabet),
        units=UNITS,
        cell="simple_rnn",
        activation="softmax",
        every_step=every_step,
    )
    target = y_every if every_step else y_sentence
    fit(model, x, target, name, probe=(x, target))
    memory = inspection.trace(model, x)["simple_rnn"].hidden  # (samples, time, units)
    at_each = keras.ops.convert_to_numpy(model.get_layer("output")(memory)).argmax(axis=-1)  # (samples, time)
    by_loss[name] = (at_each == y_every).mean(axis=0)
    flow = inspection.gradient_flow(model, x, target)["simple_rnn"]
    print(f"{name:10} right after letter 1 .. {WINDOW}:", *(f"{share:.2f}" for share in by_loss[name]), end="; ")
    print("gradient from above at steps 1 .. 4:", *(f"{norm:.1e}" for norm in flow.immediate))
limits = [best_possible(SENTENCE, length) for length in range(1, WINDOW + 1)]
print("best possible                      :", *(f"{limit:.2f}" for limit in limits))

# %% [markdown]
# After the last letter both are as right as can be. After the first ones only the network that was asked there is; and its gradient
# arrives from above at every step, where that of the other one arrives at the last step alone and has to travel.
#
# ## Look
#
# - **Projector**, run `embedding`: a point a letter. Search for a letter, or switch the labels on (the `A` above the picture), and
#   compare `embedding before training` with `embedding`. Mind the scale: click on two points and read their distance.
# - **Images**, `states_picture/simple_rnn`: units by time steps; `hidden_state_while_reading` in run `pictures`: a few units, with
#   the letters that were read.
# - **Time Series**, `epoch_sparse_categorical_accuracy`: choose `one_hot` and `embedding`, then `last_step` and `every_step`.
# - **Images**, `gradient_flow_picture/simple_rnn`: `last_step` against `every_step`. Which steps are told something?
# - **Graphs**, `embedding` and `feed_forward`: the table of letters in one, `flatten` in the other.
#
# ## Exercises
#
# 1. How small can the embedding be? Try 1, 2 and 4 numbers a letter.
# 2. Let the window be 6 and the sentence another one. What does `best_possible` say before you train?
# 3. Train the recurrent network on windows of 1 to 4 letters at once (pad the short ones on the left with zeros). Is it still right
#    on 6?

# %%
pictures.close()
lesson.end(
    settings,
    f"one-hot: {compared['one_hot'][1]:.0%} right with {compared['one_hot'][2]} parameters; embedding of {EMBEDDING}: "
    f"{compared['embedding'][1]:.0%} with {compared['embedding'][2]}",
    f"the rows of the embedding move apart, from {nearest(rows_before):.2f} to {nearest(rows_after):.2f}",
    *(
        f"{window} letter{'s' if window > 1 else ''} of the sentence: {reached[window]:.1%} right, {possible[window]:.1%} possible"
        for window in windows
    ),
    f"after the first letter {by_loss['every_step'][0]:.0%} right with a loss at every step, "
    f"{by_loss['last_step'][0]:.0%} with one at the last step",
)
