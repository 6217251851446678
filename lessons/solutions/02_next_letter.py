# %% [markdown]
"""Solutions to 02 · The next letter, in six steps

**What you will see:** training that goes on from a file as if it had never stopped, and what happens where only the weights were
kept; how the learning rate and the number of epochs go together; and how few memory units are enough for 26 letters.

**Takes** about 25 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 100
MORE_EPOCHS = 50
LEARNING_RATES = (0.1, 0.01, 0.001)
MOST_EPOCHS = 1200  # with the lowest learning rate
UNITS = (2, 4, 8)  # for 26 letters
MOST_EPOCHS_OF_26 = 300

settings = lesson.start("solutions/02_next_letter", epochs=EPOCHS, quick_epochs=100)

import io
import unittest.mock

import keras
import numpy as np

from rnn_tutorial import data, models
from rnn_tutorial.cli import letters


def network(letters=5, units=3):
    """The network of the lesson, compiled."""
    model = models.letter_predictor(letters, units=units)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model, epochs, callbacks=()):
    """Train; loss and accuracy of each epoch, measured before its step."""
    batches = data.batches(x, y, seed=settings.seed)
    return model.fit(**batches, epochs=epochs, callbacks=list(callbacks), verbose=0).history


seeds = [settings.seed + number for number in range(1 if settings.quick else 2)]
alphabet = data.letters.Alphabet("abcde")
x, y = data.letters.pairs("abcde")
model = network()
models.start_over(model, settings.seed)

# %% [markdown]
# ## Exercise 1
#
# *Ask for letters with `--predict`; then go on with `--resume --epochs 50`. Where does the loss begin?*
#
# `--predict` calls `letters.converse`, which reads what you type. Here nobody sits at the keys, so a text takes their place: `ae`, then a
# letter that is not in the alphabet, then an empty line.

# %%
losses = fit(model, settings.epochs)["loss"]
answers = alphabet.decode(model.predict(x, verbose=0).argmax(axis=1))
with unittest.mock.patch("sys.stdin", io.StringIO("ae\nz\n\n")):
    letters.converse(alphabet, dict(zip("abcde", answers, strict=True)))

# %%
settings.log_dir.mkdir(parents=True, exist_ok=True)
file = settings.log_dir / "model.keras"
model.save(file)
resumed = keras.models.load_model(file)  # the weights, and what Adam remembers
weights_only = network()
weights_only.set_weights(model.get_weights())  # with an Adam that remembers nothing
after = float(model.evaluate(x, y, verbose=0)[0])
more = {
    "never stopped": fit(model, MORE_EPOCHS)["loss"],
    "resumed": fit(resumed, MORE_EPOCHS)["loss"],
    "weights only": fit(weights_only, MORE_EPOCHS)["loss"],
}
print(f"\nThe loss began at {losses[0]:.4f}; after {settings.epochs} epochs it is {after:.4f}. It goes on, by epoch:")
shown = (0, 1, 2, 5, 10, 20, MORE_EPOCHS - 1)
print(f"{'':14}" + "".join(f"{epoch:9}" for epoch in shown))
for name, values in more.items():
    print(f"{name:14}" + "".join(f"{values[epoch]:9.4f}" for epoch in shown))
assert answers == "bcdea"
assert abs(more["resumed"][0] - after) < 1e-3 * after
np.testing.assert_allclose(more["resumed"], more["never stopped"], rtol=1e-3)
assert abs(more["weights only"][20] / more["never stopped"][20] - 1) > 0.02

# %% [markdown]
# It begins where it ended, and every number is that of a training that was not stopped. That takes more than the weights: Adam remembers means of
# the gradients, and they are in the file too. With the weights alone the first loss is the same and the later ones are not (here they are
# lower, because a new Adam begins with large steps; that is luck, and no reason to throw its memory away).
#
# ## Exercise 2
#
# *Take the learning rates 0.1 and 0.001, and several seeds. How many epochs does each need, and what is that times the rate?*


# %%
def learn(model, seed, most):
    """Train until all letters are right; after how many epochs that was (None: it was not), and how many are right."""

    def stop(epoch, logs):
        model.stop_training = logs["accuracy"] == 1.0

    models.start_over(model, seed)
    accuracies = fit(model, most, [keras.callbacks.LambdaCallback(on_epoch_end=stop)])["accuracy"]
    return len(accuracies) - 1 if accuracies[-1] == 1.0 else None, round(accuracies[-1] * len(y))


needed = {}
print("\nlearning rate   epochs, each seed     epochs times rate")
for rate in LEARNING_RATES:
    model.optimizer.learning_rate = rate
    needed[rate] = [learn(model, seed, MOST_EPOCHS)[0] or MOST_EPOCHS for seed in seeds]
    print(
        f"{rate:13}   " + "".join(f"{epochs:<8}" for epochs in needed[rate]).ljust(22),
        "  ".join(f"{rate * epochs:.2f}" for epochs in needed[rate]),
    )
for fast, usual, slow in zip(*needed.values(), strict=True):
    assert fast < usual < slow
    assert 5 < slow / usual < 15

# %% [markdown]
# A tenth of the rate takes about ten times the epochs: Adam moves each weight by about the learning rate in a step, whatever the length of the
# gradient, and the way to go is the same. So the product hardly changes between 0.001 and 0.01. From 0.01 to 0.1 less is gained than a
# factor of ten: steps that large go past the place where they should have turned.
#
# ## Exercise 3
#
# *Let the letters be a to z. How many memory units does that take, within 300 epochs?*

# %%
x, y = data.letters.pairs("abcdefghijklmnopqrstuvwxyz")
alphabet_of_26 = {}
print("\nmemory units   right of 26, and after how many epochs")
for units in UNITS[:: 2 if settings.quick else 1]:
    model = network(26, units)
    alphabet_of_26[units] = [learn(model, seed, MOST_EPOCHS_OF_26) for seed in seeds]
    shown = (f"{right} {f'after {epochs}' if epochs else 'never all'}" for epochs, right in alphabet_of_26[units])
    print(f"{units:12}   " + ",  ".join(shown))
most = {units: max(right for _, right in runs) for units, runs in alphabet_of_26.items()}
assert all(right == 26 for _, right in alphabet_of_26[8])
assert most[2] < 20

# %% [markdown]
# Eight units get all 26 letters, so that it does not take a unit for each letter. (With units at -1 and 1 alone, four would
# tell only 16 letters apart, and five 32; but they take all values in between, and four come near to it.) With two the letters are
# points in a square, and each must be the most probable one somewhere: there are such places, in a ring, and
# training does not find them in this time.

# %%
lesson.end(
    settings,
    f"1: resumed at {more['resumed'][0]:.4f}, where it ended ({after:.4f}); after {MORE_EPOCHS} more epochs {more['resumed'][-1]:.4f}, without "
    f"a stop {more['never stopped'][-1]:.4f}, with the weights alone {more['weights only'][-1]:.4f}",
    "2: epochs needed: " + ", ".join(f"{rate} {'/'.join(map(str, epochs))}" for rate, epochs in needed.items()),
    "3: right of 26 letters: " + ", ".join(f"{units} units {right}" for units, right in most.items()),
)
