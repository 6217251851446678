# %% [markdown]
"""02 · The next letter, in six steps

**What you will see:** a network of 47 numbers learns that after `a` comes `b`, after `b` comes `c`, ... and after `e` again
`a`. Its accuracy climbs to 1.0 in TensorBoard, beside a diagram of the network and histograms of its weights. Then you
ask it yourself, and find out how much memory the task needs.

**Takes** about 60 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 100
BATCH_SIZE = 32
LEARNING_RATE = 0.01
UNITS = 3
SEEDS_TO_COMPARE = range(10)
EPOCHS_TO_COMPARE = 200


def add_arguments(parser):
    parser.add_argument("--resume", action="store_true", help="go on from the best weights of an earlier run")
    parser.add_argument("--predict", action="store_true", help="ask for letters in the end, and answer them")


settings = lesson.start("02_next_letter", epochs=EPOCHS, quick_epochs=100, add_arguments=add_arguments)

# %% [markdown]
# ## Step 1: import
#
# Every Keras program goes through the same six steps: import, data, model, compile, fit, summary.

# %%
import sys

import keras
import numpy as np

from rnn_tutorial import callbacks, data, models

keras.utils.set_random_seed(settings.seed)

# %% [markdown]
# ## Step 2: data
#
# Five letters, each with the one that follows. A recurrent layer wants its input as (samples, time steps, features): five
# samples of one time step, a letter as five numbers of which one is 1 (*one-hot*). The target is the number of the letter
# that follows.
#
# All there is to learn is in these five pairs, so there is nothing to hold back for validation. Every later lesson does.

# %%
alphabet = data.letters.Alphabet("abcde")
x, y = data.letters.pairs("abcde", window=1)
print(f"x {x.shape}, y {y.shape}; the first sample is {alphabet.decode([x[0].argmax()])} -> {alphabet.decode(y[:1])}")

# %% [markdown]
# ## Step 3: the model
#
# `SimpleRNN(3)` is the recurrent cell of lesson 01 with three memory units, `Dense(5, softmax)` turns the memory into five
# probabilities.
#
# **Recurrent against convolutional.** A convolutional layer slides one small kernel over the *space* of a picture: the same
# weights look at every place. A recurrent cell carries one set of weights through *time*: the same matrices at every step.
# Both share weights; what the recurrent cell has on top is a memory that each step hands to the next.
#
# **Which steps answer.** With `return_sequences=False` the layer hands on its memory after the last step only, and so the
# loss counts one answer a sample. With `True` it hands on the memory of every step; then the loss can be the sum over all
# steps, as in lesson 01, and another recurrent layer can be stacked on top. Here there is one step, and it makes no
# difference.
#
# **Number of memory units.** It decides the shape of everything:

# %%
print("\nmemory units   W_xh     W_hh     b_h    W_hy     b_y    parameters")
for units in (1, 2, 3):
    shapes = [weight.shape for weight in models.letter_predictor(units=units).weights]
    count = sum(int(np.prod(shape)) for shape in shapes)
    print(f"{units:12}   " + "  ".join(f"{tuple(shape)!s:6}" for shape in shapes) + f"  {count:9}")

checkpoint = settings.log_dir / "checkpoints" / "best.keras"
if settings.resume:
    if not checkpoint.is_file():
        raise SystemExit(f"--resume: there is no {checkpoint} yet; run this lesson without --resume first")
    # The file holds the optimizer's memory too, so that training goes on as if it had never stopped.
    model = keras.models.load_model(checkpoint)
    print(f"\nGoing on from {checkpoint}")
else:
    model = models.letter_predictor(vocabulary_size=len(alphabet), timesteps=1, units=UNITS)

# %% [markdown]
# ## Step 4: compile
#
# The optimizer (Adam), the loss, and what to measure. *Sparse* categorical cross-entropy is the cross-entropy of lesson 01
# for targets that are numbers of letters.

# %%
if not settings.resume:
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss="sparse_categorical_crossentropy",
        metrics=["sparse_categorical_accuracy"],
    )

# %% [markdown]
# ## Step 5: fit
#
# `callbacks.observe` watches: scalars, histograms, diagrams, curves, and with a *probe*, a batch that it runs through the
# network after each epoch, the memory inside. Training does not notice. `ModelCheckpoint` keeps the best weights; its file lies
# outside of the run's folder, so that `--resume` finds it whatever the run is called. `data.batches` hands over the data in
# the way `fit` runs fastest.

# %%
checkpoint.parent.mkdir(parents=True, exist_ok=True)
# A run that goes on writes only what is better than what it began with; any other run starts over.
best_so_far = model.evaluate(x, y, verbose=0)[0] if settings.resume else None
keep_best = keras.callbacks.ModelCheckpoint(
    checkpoint, monitor="loss", save_best_only=True, initial_value_threshold=best_so_far
)
history = model.fit(
    **data.batches(x, y, batch_size=BATCH_SIZE, seed=settings.seed),
    epochs=settings.epochs,
    verbose=0,
    callbacks=[*callbacks.observe(settings.log_dir / "training", probe=(x, y)), keep_best],
)
accuracies = history.history["sparse_categorical_accuracy"]
losses = history.history["loss"]
print("\nepoch    loss   accuracy")
for epoch in sorted({*range(0, settings.epochs, 20), settings.epochs - 1}):
    print(f"{epoch:5} {losses[epoch]:7.3f} {accuracies[epoch]:10.1f}")
lesson.show_files(settings.log_dir / "training")

# %% [markdown]
# ## Step 6: summary
#
# And the trained network's answers, and all its numbers in a text file. (Of the total that `summary` counts, 47 are the
# network's. The others belong to Adam, which remembers two numbers for each weight, and two of its own.)

# %%
model.summary()
answers = alphabet.decode(model.predict(x, verbose=0).argmax(axis=1))
for letter, answer in zip("abcde", answers, strict=True):
    print(f"{letter} -> {answer}")
final_accuracy = float(np.mean([answer == right for answer, right in zip(answers, "bcdea", strict=True)]))

weights_file = settings.log_dir / "weights.txt"
with weights_file.open("w", encoding="utf-8") as file:
    for weight in model.weights:
        numbers = np.array2string(keras.ops.convert_to_numpy(weight), threshold=sys.maxsize)  # every one of them
        file.write(f"{weight.path} {tuple(weight.shape)}\n{numbers}\n\n")
print(f"All {model.count_params()} weights are in {weights_file}")

# %%
if settings.predict:
    from rnn_tutorial.cli import letters

    letters.converse(alphabet, dict(zip("abcde", answers, strict=True)))

# %% [markdown]
# ## How much memory does it take?
#
# One run proves little: with other first weights it may go otherwise. So we train again from ten seeds, with one, two and
# three memory units, and note after how many epochs all five letters are right for the first time.


# %%
def epochs_needed(units, seeds, epochs):
    """The epoch after which all letters were right for the first time, one a seed; None where it did not happen."""
    compared = models.letter_predictor(units=units)
    compared.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        loss="sparse_categorical_crossentropy",
        metrics=["sparse_categorical_accuracy"],
    )

    def stop(epoch, logs):
        compared.stop_training = logs["sparse_categorical_accuracy"] == 1.0

    until_right, needed = keras.callbacks.LambdaCallback(on_epoch_end=stop), []
    for seed in seeds:
        models.start_over(compared, seed)  # One model for all seeds, so that Keras compiles once.
        batches = data.batches(x, y, batch_size=BATCH_SIZE, seed=seed)
        seen = compared.fit(**batches, epochs=epochs, verbose=0, callbacks=[until_right])
        # `fit` measures the accuracy of an epoch before it updates the weights.
        right = seen.history["sparse_categorical_accuracy"][-1] == 1.0
        needed.append(seen.epoch[-1] if right else None)
    return needed


seeds = list(SEEDS_TO_COMPARE)[: 3 if settings.quick else None]
epochs_to_compare = max(settings.epochs, EPOCHS_TO_COMPARE)
needed = {units: epochs_needed(units, seeds, epochs_to_compare) for units in (1, 2, 3)}
print(f"\nEpochs until all five letters are right, seeds {seeds[0]} to {seeds[-1]}")
print("memory units   each seed (- is never)" + " " * 28 + "seeds right")
for units, counts in needed.items():
    shown = " ".join(f"{'-' if count is None else count:>4}" for count in counts)
    right = sum(count is not None for count in counts)
    print(f"{units:12}   {shown:50} {right} of {len(counts)} within {epochs_to_compare} epochs")

# %% [markdown]
# Three units are enough for every seed, and quickly. Two get there too, but need longer. One unit is a single number
# between -1 and 1: five letters have to find places on one line so that each is the most probable somewhere. There are
# weights that do it, but training hardly ever finds them: within 1,000 epochs one seed of the ten did.
#
# ## Look
#
# - **Time Series**, `epoch_sparse_categorical_accuracy`: five letters, so it climbs in steps of 0.2.
# - **Images**, `diagram/model` and `diagram/unrolled`: the network as Keras draws it, and unrolled along time, where the
#   weights stand once and every step uses them. `curves` has loss and accuracy side by side.
# - **Histograms**, `weights/simple_rnn/kernel`: it begins in a narrow band and spreads as the letters move apart.
#   `weights/simple_rnn/recurrent_kernel` does not move at all. Why? (How many time steps are there?) Beside it,
#   `gradients/simple_rnn/recurrent_kernel`: what the optimizer was given for it.
# - **Graphs**: the layers and what flows between them. Double-click on one to see its weights.
#
# ## Exercises
#
# 1. Run it with `--predict` and ask for letters; then with `--resume --epochs 50`. Where does the loss begin?
# 2. Take the learning rate 0.1, then 0.001, with several seeds. How many epochs does each need, and what is that times the rate?
# 3. Let the letters be a to z (`data.letters.pairs("abcdefghijklmnopqrstuvwxyz")`). How many memory units does that take, within 300
#    epochs?

# %%
counts = needed[UNITS]
lesson.end(
    settings,
    f"after {settings.epochs} epochs {final_accuracy:.0%} of the letters are right, with {model.count_params()} weights",
    f"3 memory units: right for {sum(c is not None for c in counts)} of {len(counts)} seeds, the slowest after "
    f"{max((c for c in counts if c is not None), default='no')} epochs",
    f"2 memory units: {sum(c is not None for c in needed[2])} of {len(counts)} seeds; "
    f"1 memory unit: {sum(c is not None for c in needed[1])} of {len(counts)} seeds, within {epochs_to_compare} epochs",
)
