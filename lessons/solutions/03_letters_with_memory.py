# %% [markdown]
"""Solutions to 03 · Letters with memory

**What you will see:** that a single number is enough to tell 26 letters apart; a sentence in which even six letters leave a doubt, known
before anything is trained; and a network that reads six letters, or twenty, though it was trained on four at most.

**Takes** about 35 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 150
BATCH_SIZE = 38
LEARNING_RATE = 0.01
UNITS = 32
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WINDOW = 4
EMBEDDINGS = (1, 2, 4, 8)
SENTENCE = "how much wood would a woodchuck chuck if a woodchuck could chuck wood "
WINDOWS_TO_COMPARE = (1, 4, 6)
LENGTHS_TO_ASK = (1, 2, 3, 4, 6, 8, 20)

settings = lesson.start("solutions/03_letters_with_memory", epochs=EPOCHS, quick_epochs=80)

import keras
import numpy as np

from rnn_tutorial import data, models

seeds = [settings.seed + number for number in range(1 if settings.quick else 2)]


def fit(model, x, y, seed):
    """Compile and train; the accuracy of each epoch, measured before its steps."""
    keras.utils.set_random_seed(seed)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "sparse_categorical_crossentropy", metrics=["accuracy"])
    batches = data.batches(x, y, batch_size=BATCH_SIZE, seed=seed)
    return model.fit(**batches, epochs=settings.epochs, verbose=0).history["accuracy"]


def accuracy(model, x, y):
    """Share of right answers."""
    return float(np.mean(keras.ops.convert_to_numpy(model(x)).argmax(axis=-1) == y))


# %% [markdown]
# ## Exercise 1
#
# *How small can the embedding be? Try 1, 2 and 4 numbers a letter.*

# %%
x_ids, y = data.letters.pairs(LETTERS, window=WINDOW, one_hot=False)
all_right_in = {}  # numbers a letter: the epoch with all answers right, each seed
print("\nnumbers a letter   parameters   right   all right in epoch, each seed")
for embedding in EMBEDDINGS[:: 3 if settings.quick else 1]:
    all_right_in[embedding] = []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model = models.letter_predictor(26, timesteps=None, units=UNITS, embedding=embedding)
        accuracies = fit(model, x_ids, y, seed)
        all_right_in[embedding].append(next((epoch for epoch, share in enumerate(accuracies) if share == 1), None))
        assert accuracy(model, x_ids, y) == 1
        if embedding == 1:
            rows = keras.ops.convert_to_numpy(model.get_layer("embedding").embeddings)[:, 0]
    shown = "  ".join(str(epoch) for epoch in all_right_in[embedding])
    print(f"{embedding:16} {model.count_params():12} {1:7.0%}   {shown}")
on_the_line = "".join(LETTERS[place] for place in rows.argsort())
print(f"\nwith one number, from the smallest to the largest:\n{on_the_line}")
assert len(set(rows.round(4))) == 26
assert np.mean(all_right_in[1]) > np.mean(all_right_in[8])

# %% [markdown]
# One number is enough: 26 letters are 26 places on a line, and the 32 units of the next layer are 32 weights and biases to cut that line
# with. It only takes longer, since with one number a letter can only get past another one through it. More numbers make the task easier, not
# possible. (The order on the line means nothing: it comes from the first random rows. It would mean something if letters could stand in for
# each other, as words can in lesson 11.)
#
# ## Exercise 2
#
# *Let the window be 6 and the sentence another one. What does `best_possible` say before you train?*


# %%
def best_possible(text, window):
    """The share of right answers of the best answer there is, given so many letters."""
    followers = {}
    for place in range(len(text)):
        read = "".join(text[(place + step) % len(text)] for step in range(window))
        followers.setdefault(read, []).append(text[(place + window) % len(text)])
    return sum(max(map(letters.count, letters)) for letters in followers.values()) / len(text)


alphabet = data.letters.alphabet_of(SENTENCE)
print(f"\n{SENTENCE!r}: {len(SENTENCE)} letters, {len(alphabet)} different ones\nwindow   best possible   network")
possible, reached = {}, {}
for window in WINDOWS_TO_COMPARE[2 if settings.quick else 0 :]:
    possible[window] = best_possible(SENTENCE, window)
    x, y_sentence = data.letters.pairs(SENTENCE, window=window)
    keras.utils.set_random_seed(settings.seed)
    model = models.letter_predictor(len(alphabet), timesteps=window, units=UNITS)
    fit(model, x, y_sentence, settings.seed)
    reached[window] = accuracy(model, x, y_sentence)
    print(f"{window:6} {possible[window]:15.3f} {reached[window]:9.3f}")
    assert reached[window] <= possible[window]
doubt = next(window for window in range(1, len(SENTENCE)) if best_possible(SENTENCE, window) == 1)
print(f"it takes {doubt} letters to be always right")
assert reached[6] > possible[6] - 0.03
assert best_possible(SENTENCE, 6) < 1

# %% [markdown]
# Six letters leave a doubt here, so that no network with a window of six is always right, however long it is trained. `chuck` and a space are
# followed by `c`, `i`, `c` and `w`: who reads six letters does not see which chuck it was. Such a count takes no time and says what to
# expect, and a network that stays below it has something left to learn.
#
# ## Exercise 3
#
# *Train the recurrent network on windows of 1 to 4 letters at once (pad the short ones on the left with zeros). Is it still right on 6?*

# %%
padded, targets = [], []
for window in range(1, WINDOW + 1):
    x, y = data.letters.pairs(LETTERS, window=window)  # (26, window, 26)
    padded.append(np.pad(x, ((0, 0), (WINDOW - window, 0), (0, 0))))
    targets.append(y)
trained_on = {
    "windows of 4": data.letters.pairs(LETTERS, window=WINDOW),
    "windows of 1 to 4": (np.concatenate(padded), np.concatenate(targets)),
}
right = {name: [] for name in trained_on}  # each seed: the accuracy for each length
print("\naccuracy on windows of" + "".join(f"{length:6}" for length in LENGTHS_TO_ASK) + "   letters")
for name, (x, y) in trained_on.items():
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model = models.letter_predictor(26, timesteps=None, units=UNITS)
        fit(model, x, y, seed)
        right[name].append([accuracy(model, *data.letters.pairs(LETTERS, window=length)) for length in LENGTHS_TO_ASK])
        print(f"{name:22}" + "".join(f"{share:6.2f}" for share in right[name][-1]))
assert np.min(right["windows of 1 to 4"]) == 1
assert np.min(right["windows of 4"]) < 1

# %% [markdown]
# It is, and on 20 letters too. Trained on windows of four alone, the network knew the fourth step and no other: after one letter, or after
# six, its memory was in a state that it had never answered from. With windows of several lengths the only rule that fits all of them is
# the one we meant, "what counts is the last letter", and that rule holds for any length. What is to hold for all lengths has to be
# trained on several.

# %%
lesson.end(
    settings,
    "1: epochs until all letters are right: "
    + ", ".join(f"{numbers} a letter {'/'.join(map(str, epochs))}" for numbers, epochs in all_right_in.items()),
    f"2: six letters of the sentence allow {possible[6]:.1%}, reached {reached[6]:.1%}; always right is possible from {doubt} letters on",
    f"3: right on six letters: {np.mean([row[4] for row in right['windows of 4']]):.0%} after windows of 4, "
    f"{np.mean([row[4] for row in right['windows of 1 to 4']]):.0%} after windows of 1 to 4",
)
