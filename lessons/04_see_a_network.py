# %% [markdown]
"""04 · See a network

**What you will see:** one network that reads handwritten digits, in every tab of TensorBoard: its diagram, all of its 55,050
numbers as heatmaps, histograms, points and lines, what it makes of the digits, and its learning curves. Then you use those
curves: to choose a learning rate and a batch size, and to tell a network that has learned its examples by heart from one
that has learned nothing.

**Takes** about 50 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 10
LEARNING_RATE = 0.001
BATCH_SIZE = 32
SAMPLES = 2500  # digits, of which a fifth is for validation; all there are, if those are fewer
LEARNING_RATES = (0.0001, 0.001, 0.1)
BATCH_SIZES = (32, 256)
FEW = 40  # digits for the network that is to learn them by heart


def add_arguments(parser):
    parser.add_argument(
        "--data",
        choices=("auto", "mnist", "scikit-learn"),
        help="which digits: MNIST's, those of scikit-learn, or MNIST's if they can be had "
        "(default: auto, or scikit-learn with --quick)",
    )


settings = lesson.start("04_see_a_network", epochs=EPOCHS, quick_epochs=5, add_arguments=add_arguments)

import keras
import numpy as np

from rnn_tutorial import callbacks, data, drawing, inspection, models, recording
from rnn_tutorial.inspection import naming

# %% [markdown]
# ## Why look at all
#
# A network that works does not say how, and one that does not work does not say why. Three reasons to look inside:
#
# - *Interpretability*: what is it looking at? A network that tells digits apart by something that has nothing to do with digits is
#   right today and wrong tomorrow.
# - *Tuning*: somebody has to choose how large the steps of training are (the *learning rate*) and how many examples each step looks
#   at (the *batch size*). A wrong choice shows in the curves long before training is over.
# - *Debugging*: a network can fail in two opposite ways. It *underfits*: it does not even get right what it was trained on. Or it
#   *overfits*: it has its examples by heart, and fails on all others. What helps against the one makes the other worse.
#
# This lesson does all three, with a plain network that has no memory. Nothing here is recurrent, and all of it works the same for
# recurrent networks.
#
# ## Data
#
# Handwritten digits, 28 x 28 *pixels* each, from 0 (paper) to 1 (ink). MNIST is the data set that everybody uses for this. It has to
# be downloaded (11 MB); where that cannot be done, scikit-learn has smaller digits to hand, which we enlarge.
#
# A fifth of the digits is held back for *validation*: training never sees it, so that it shows what the network makes of digits it
# does not know. Without that nobody can tell overfitting from success.

# %%
source = settings.data or ("scikit-learn" if settings.quick else "auto")
try:
    digits = data.digits.load(source, samples=SAMPLES, validation=0.2, seed=settings.seed)
except OSError as error:
    raise SystemExit(f"--data {source}: {error}") from None
pictures = recording.Run(settings.log_dir / "pictures")
x, y = digits.x_train, digits.y_train
x_new, y_new = digits.x_validation, digits.y_validation
print(f"\nThe digits are those of {'MNIST' if digits.source == 'mnist' else 'scikit-learn'}:")
print(f"x {x.shape} = (digits, 28 x 28 pixels), y {y.shape}; for validation {len(x_new)} more")
labels = [str(digit) for digit in y]
picture = drawing.gallery(x[:32].reshape(-1, 28, 28), "The first 32 digits, and what they stand for", labels[:32])
lesson.show(pictures, "digits", picture)

# %% [markdown]
# How good is good? Two readers that need no network, to compare with: one that always says the most frequent digit, and one that
# takes the mean of all zeros, of all ones, ... and says to which of the ten means a digit is nearest.


# %%
def nearest_mean(known, new):
    """The share of `new` (n, features) that is nearest to the mean of its own kind in `known` (m, features)."""
    means = np.stack([known[y == digit].mean(axis=0) for digit in range(10)])  # (10, features)
    distances = np.linalg.norm(new[:, np.newaxis] - means, axis=2)  # (n, 10)
    return float(np.mean(distances.argmin(axis=1) == y_new))


most_frequent = float(np.mean(y_new == np.bincount(y).argmax()))
by_mean_picture = nearest_mean(x, x_new)
print(f"\nRight without a network: the most frequent digit {most_frequent:.1%}, the nearest mean {by_mean_picture:.1%}")

# %% [markdown]
# ## The network
#
# Two *hidden* layers of 64 units each, and ten outputs, one a digit. A unit adds up all it gets, each number times a weight of its
# own, and puts the sum through its *activation*:
#
#     h_1 = relu(x · W_1 + b_1)            x (784,)   W_1 (784, 64)
#     h_2 = relu(h_1 · W_2 + b_2)                     W_2 (64, 64)
#     y   = softmax(h_2 · W_3 + b_3)                  W_3 (64, 10)      relu(a) = a where a > 0, else 0
#
# Keras calls a matrix `W` a *kernel* and `b` a *bias*, and a layer in which everything is connected with everything `Dense`.
# Softmax makes probabilities, as in lesson 01, and the loss is the cross-entropy again: what guessing costs is log 10, 2.30.

# %%
GUESSING = float(np.log(10))


def build(learning_rate=LEARNING_RATE, hidden=(64, 64)):
    """The network with first weights that depend on the seed alone."""
    keras.utils.set_random_seed(settings.seed)
    model = models.digit_classifier(inputs=784, hidden=hidden, classes=10)
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


model = build()
print("\nweight            shape        numbers")
for name, weight in naming.weights(model).items():
    print(f"{name:17} {tuple(weight.shape)!s:12} {int(np.prod(weight.shape)):7,}")
print(f"{'all together':30} {model.count_params():7,}")

# %% [markdown]
# ## Train, and watch
#
# `callbacks.observe` writes everything to TensorBoard while training goes on. It says in one line what it leaves out without a
# *probe*: states, gates and the gradient through time. Those belong to layers that read a sequence step by step. A `Dense`
# layer has no steps, so here nothing is missing.
#
# To draw lines of our own we also keep all weights after each epoch, and by how much the steps of the epoch moved them: the
# *update ratio* ‖w_after - w_before‖ / ‖w_before‖ of one step, mean over the epoch. It comes from a *tap*, which looks at what the
# optimizer does.


# %%
class EachEpoch(keras.callbacks.Callback):
    """Keep the weights before training and after each epoch, and the update ratios of each epoch."""

    def on_train_begin(self, logs=None):
        self.weights, self.update_ratios = [self.now()], []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.now())
        self.update_ratios.append(gradients.read(last=False).update_ratio)

    def now(self):
        return {name: keras.ops.convert_to_numpy(w).copy() for name, w in naming.weights(self.model).items()}


def fit(model, batch_size=BATCH_SIZE, samples=None, epochs=settings.epochs, watch=()):
    """Train on the first so many digits, None is all, and validate after each epoch; {metric: one number an epoch}."""
    batches = data.batches(x[:samples], y[:samples], batch_size=batch_size, seed=settings.seed)
    new = data.batches(x_new, y_new, batch_size=len(x_new))  # all at once: nothing is learned from them
    batches |= {"validation_data": new["x"], "validation_steps": new["steps_per_epoch"]}
    return model.fit(**batches, epochs=epochs, verbose=0, callbacks=list(watch)).history


each_epoch = EachEpoch()
with inspection.tap_gradients(model) as gradients:
    history = fit(model, watch=[*callbacks.observe(settings.log_dir / "network"), each_epoch])

print("\n             training            validation")
print("epoch     loss  accuracy      loss  accuracy")
for epoch in range(settings.epochs):
    print(
        f"{epoch:5}"
        + "".join(f"{history[name][epoch]:10.3f}" for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
    )
accuracy = history["val_accuracy"][-1]
lesson.show_files(settings.log_dir / "network")

# %% [markdown]
# Four curves, two for training and two for validation. That validation may look *better* at first is no mistake: the numbers of
# training are means over an epoch in which the network changes, those of validation are taken after it.
#
# ## What is it looking at? Kernels as heatmaps
#
# `observe` draws each kernel as it is, inputs downwards, units across (`weights_picture/...`). For the first layer there is
# a better way. Each of its units has 784 weights, one a pixel, so they make a picture of 28 x 28 too: red where ink raises the
# unit, blue where ink lowers it.

# %%
before, after = each_epoch.weights[0], each_epoch.weights[-1]
for step, (moment, weights) in enumerate({"before": before, "after": after}.items()):
    columns = weights["hidden/kernel"].T.reshape(-1, 28, 28)  # (units, 28, 28)
    picture = drawing.gallery(columns, f"The weights of the 64 units of the first layer, {moment} training")
    lesson.show(pictures, "first_layer", picture, step)

blank = ~x.any(axis=0)  # (784,), pixels on which no digit has any ink
moved = np.abs(after["hidden/kernel"] - before["hidden/kernel"])  # (784, 64)
unmoved_blank, moved_inked = float((moved[blank] == 0).mean()), float((moved[~blank] != 0).mean())
print(
    f"\n{blank.sum()} of 784 pixels are blank in every digit. Of their weights {unmoved_blank:.0%} stand where they began,"
)
print(f"of all other weights {moved_inked:.1%} have moved.")
dirty = x_new.copy()
dirty[:, blank] = 1
misread, misread_dirty = (
    int((keras.ops.convert_to_numpy(model(pixels)).argmax(axis=1) != y_new).sum()) for pixels in (x_new, dirty)
)
print(f"Misread of {len(x_new)} new digits: {misread}; with ink on all of the blank pixels: {misread_dirty}.")


def idle_units(weights):
    """Which units of the first layer answer to fewer than one digit in a hundred; (64,)."""
    a = x @ weights["hidden/kernel"] + weights["hidden/bias"]  # (digits, 64)
    return (a > 0).mean(axis=0) < 0.01


idle_before, idle = idle_units(before), idle_units(after)
move_by_unit = moved.mean(axis=0)  # (64,)
print(
    f"Units of the first layer that give 0 for 99 of 100 digits or more: {idle_before.sum()} before training, {idle.sum()} after."
)
if idle.any():
    print(f"The weights of those {idle.sum()} have moved by {move_by_unit[idle].mean():.4f} on average, ", end="")
    print(f"those of the others by {move_by_unit[~idle].mean():.4f}.")

# %% [markdown]
# Before training there is only noise. After it many units have patches of red and blue, each its own: ink here speaks for something, ink
# there against it. Some have stayed noise. Their sums are below zero for nearly every digit, relu makes a 0 of that, and through a 0
# no gradient comes back: such a unit learns nothing more. Some began like that, others were pushed there by training.
#
# And around all patches runs a frame in which the noise is the same as before. Why? A weight's gradient is the input times what comes
# back from above, and the input there is always 0. (The few others that have not moved belong to units that gave 0 whenever their
# pixel had ink.) So nothing is learned about those pixels, not even that they do not matter: put ink there, and their first weights,
# drawn at random, have a say in which digit it is. No harm, because that say is small and goes in all directions? The number
# of mistakes tells. The validation accuracy could not, because its digits have the same clean margin.
#
# ## All parameters: histogram and scatter
#
# A *histogram* counts how many weights have which size; `observe` writes one for each weight and epoch. A *scatter* shows each of
# them as a point over its place in the array. The one says how much they spread, the other says where.

# %%
for step, (moment, weights) in enumerate({"before": before, "after": after}.items()):
    kernels = {name: values for name, values in weights.items() if name.endswith("kernel")}
    picture = drawing.scatter(
        kernels, f"Every weight of the three kernels, {moment} training", "place in the array", "weight"
    )
    lesson.show(pictures, "parameters_scatter", picture, step)

print("\n                   spread (standard deviation)      largest")
print("kernel                before      after        before     after")
for name in kernels:
    spreads = [float(weights[name].std()) for weights in (before, after)]
    largest = [float(np.abs(weights[name]).max()) for weights in (before, after)]
    print(f"{name:17} {spreads[0]:10.4f} {spreads[1]:10.4f} {largest[0]:13.3f} {largest[1]:9.3f}")

# %% [markdown]
# Keras draws first weights evenly from a band around zero, which in the histogram is a box and in the scatter a beam with
# straight edges. Training lets some of them out. In the scatter of the first layer you see which: row after row of the picture
# (1,792 points each), the beam bulges where digits have ink, and keeps its edges at both ends, in the rows that are blank.
#
# ## Parameters over training: lines
#
# From each kernel the weight that moved most, and one that belongs to a blank pixel. Beside them, of each kernel as a whole, its norm
# and its update ratio.

# %%
chosen = {}
for name in kernels:
    place = np.unravel_index(np.abs(after[name] - before[name]).argmax(), after[name].shape)
    chosen[f"{name.removesuffix('/kernel')} [{place[0]}, {place[1]}]"] = [
        float(weights[name][place]) for weights in each_epoch.weights
    ]
if blank.any():
    pixel = int(np.flatnonzero(blank)[0])
    chosen[f"blank pixel {pixel}"] = [float(weights["hidden/kernel"][pixel, 0]) for weights in each_epoch.weights]
norms = {name: [float(np.linalg.norm(weights[name])) for weights in each_epoch.weights] for name in kernels}
ratios = {name: [float(epoch[name]) for epoch in each_epoch.update_ratios] for name in kernels}
for tag, lines, y_axis, x_axis in (
    ("single_weights", chosen, "weight", "epochs of training"),
    ("weight_norms", norms, "norm of the kernel", "epochs of training"),
    ("update_ratios", ratios, "update ratio of a step", "epoch"),
):
    picture = drawing.lines(lines, tag.replace("_", " "), x_axis, y_axis)
    lesson.show(pictures, tag, picture)

print("\n            norm                          update ratio")
print("epoch  " + "".join(f"{name.removesuffix('/kernel'):>10}" for name in (*kernels, *kernels)))
for epoch in range(settings.epochs):
    shown = "".join(f"{norms[name][epoch + 1]:10.2f}" for name in kernels)
    print(f"{epoch:5}  {shown}" + "".join(f"{ratios[name][epoch]:10.4f}" for name in kernels))

# %% [markdown]
# The update ratio is the most useful single number here: it says how fast a layer learns, whatever its size. About 0.001 is
# usual. All layers begin above that, and come down as the loss does, because what is right already asks for no change.
#
# ## What the network makes of a digit
#
# Each layer turns 784 pixels into something else: 64 numbers, 64 others, ten probabilities. If the network has understood
# something, digits of one kind should lie closer together in its last hidden layer than they do as pixels. The *Projector* tab shows
# them as points in space. Numbers first: how many of the digits are nearest to the mean of their own kind?

# %%
untrained = build()


def activations(model, pictures):
    """What the last hidden layer gives; (n, 64)."""
    last_hidden = keras.Model(model.input, model.get_layer("hidden_1").output)
    return keras.ops.convert_to_numpy(last_hidden(pictures))


untrained_by_mean = nearest_mean(activations(untrained, x), activations(untrained, x_new))
trained_by_mean = nearest_mean(activations(model, x), activations(model, x_new))
print(f"\nNearest to the mean of their own kind: as pixels {by_mean_picture:.1%} of the new digits,")
print(f"in the last hidden layer {untrained_by_mean:.1%} before training and {trained_by_mean:.1%} after it")

read_as = keras.ops.convert_to_numpy(model(x_new)).argmax(axis=1)
names = [f"{digit}" if digit == read else f"{digit} read as {read}" for digit, read in zip(y_new, read_as, strict=True)]
pictures.embedding("hidden_1 after training", activations(model, x_new), names)
pictures.embedding("hidden_1 before training", activations(untrained, x_new), names)
wrong = np.flatnonzero(read_as != y_new)
print(
    f"{len(wrong)} of {len(x_new)} are misread: "
    + ", ".join(names[row] for row in wrong[:8])
    + ("" if len(wrong) <= 8 else ", ...")
)
if len(wrong):
    picture = drawing.gallery(
        x_new[wrong[:32]].reshape(-1, 28, 28),
        "What it misreads",
        [f"{y_new[row]}, not {read_as[row]}" for row in wrong[:32]],
    )
    lesson.show(pictures, "misread", picture)

# %% [markdown]
# ## Tuning: learning rate and batch size
#
# The optimizer takes a step against the gradient of the loss. The *learning rate* says how large a step. The *batch size* says over how
# many digits the gradient is averaged before each step; the more they are, the fewer steps an epoch has. Both have to be tried out,
# from the same first weights. Each try is a run of its own, so that TensorBoard lays their curves over each other, and each
# writes what it was made with to the *HParams* tab (such values are called *hyperparameters*: chosen before training, not learned).

# %%
METRICS = ("accuracy/validation", "loss/validation", "accuracy/training", "loss/training")
results = {}  # name: (hyperparameters, history)


def compare(name, learning_rate, batch_size, hidden=(64, 64), samples=None, epochs=settings.epochs, known=None):
    """Train a network, unless its history is known; keep the history, and write curves and hyperparameters."""
    hyperparameters = {
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "hidden": "-".join(map(str, hidden)),
        "samples": len(x[:samples]),
        "epochs": epochs,
    }
    seen = known or fit(build(learning_rate, hidden), batch_size, samples, epochs)
    results[name] = hyperparameters, seen
    with recording.Run(settings.log_dir / "compare" / name) as run:
        run.hparams(hyperparameters)
        for tag in METRICS:
            metric, _, part = tag.partition("/")
            for epoch, value in enumerate(seen[metric if part == "training" else f"val_{metric}"]):
                run.scalar(tag, value, epoch)
        run.image("curves", drawing.png(drawing.curves(seen)), len(seen["loss"]) - 1)


tries = [(rate, size) for rate in LEARNING_RATES for size in BATCH_SIZES]
if settings.quick:
    tries = [(rate, size) for rate, size in tries if size == BATCH_SIZE or rate == LEARNING_RATE]
for rate, size in tries:
    is_ours = (rate, size) == (LEARNING_RATE, BATCH_SIZE)  # watched above, and no need to train it again
    compare(f"rate_{rate:g}_batch_{size}", rate, size, known=history if is_ours else None)
tuned = {(rate, size): results[f"rate_{rate:g}_batch_{size}"][1] for rate, size in tries}

print("\nlearning rate   batch size   steps an epoch   training loss   validation loss   accuracy")
for (rate, size), seen in tuned.items():
    steps = -(-len(x) // size)
    values = seen["loss"][-1], seen["val_loss"][-1], seen["val_accuracy"][-1]
    print(f"{rate:13g} {size:12} {steps:16} {values[0]:15.3f} {values[1]:17.3f} {values[2]:10.1%}")
best = max(tuned, key=lambda choice: -tuned[choice]["val_loss"][-1])
slow, large = (tuned[rate, BATCH_SIZE] for rate in (LEARNING_RATES[0], LEARNING_RATES[-1]))
print(f"The lowest validation loss has learning rate {best[0]:g} with batch size {best[1]}.")

# %% [markdown]
# - **Too small** (0.0001): the curve is smooth, falls to the last epoch, and is still far up when training ends. It is on its way.
# - **Too large** (0.1): the loss lies near the 2.30 of guessing, or not far below it, and stays there. Each step throws the weights
#   farther than the gradient can say anything about. (Exercise 1 looks at what becomes of the units.)
# - **Larger batches**: 256 digits a step instead of 32 are an eighth of the steps. After the same number of epochs the network has come
#   less far. What they are good for is speed: a machine that computes much at once does a large step as fast as a small one.
#
# The batch size matters less than the learning rate: between 0.0001 and 0.1 lies a factor of 1,000, and only in the middle is it right.
# That is why one tries powers of ten first.
#
# ## Debugging: overfitting or underfitting?
#
# Now two networks that fail on purpose. One has a hidden layer of two units: ten digits through a hole of two numbers. The other has
# two layers of 256, only 40 digits to learn, four of each, and four times as many epochs.

# %%
compare("two_units", LEARNING_RATE, BATCH_SIZE, hidden=(2,))
compare("by_heart", 0.01, BATCH_SIZE, hidden=(256, 256), samples=FEW, epochs=4 * settings.epochs)
two_units, by_heart = results["two_units"][1], results["by_heart"][1]
curves = {
    "by heart: training": by_heart["loss"],
    "by heart: validation": by_heart["val_loss"],
    "two units: training": two_units["loss"],
    "two units: validation": two_units["val_loss"],
    "ours: training": history["loss"],
    "ours: validation": history["val_loss"],
}
lesson.show(pictures, "two_failures", drawing.lines(curves, "Two ways to fail", "epoch", "loss"))

# %% [markdown]
# The rule, for curves of loss, where guessing costs 2.30:
#
# 1. The **training** loss at the end is above a quarter of what guessing costs (0.58): it **underfits**. It does not know what
#    it has seen a dozen times. It needs more of something: epochs, units, or another learning rate.
# 2. Otherwise, the **validation** loss at the end is a fifth or more above its own lowest point: it **overfits**. From that point on it
#    has learned its examples and no longer the digits. It needs more examples, fewer epochs, or fewer units.
# 3. Otherwise neither.
#
# The loss shows more than the accuracy, which counts only whether a digit is right: a network that overfits grows ever more *sure* of
# what it gets wrong, and that costs.


# %%
def judge(history):
    """Underfitting, overfitting or neither, from the curves of the loss."""
    loss, validation_loss = history["loss"], history["val_loss"]
    if not loss[-1] <= GUESSING / 4:  # also where it is not a number
        return "underfits"
    return "overfits" if validation_loss[-1] >= 1.2 * min(validation_loss) else "neither"


verdicts = {name: judge(seen) for name, (_, seen) in results.items()}
rows = [
    "| run | verdict | training loss | validation loss | its lowest | at epoch | accuracy, validation |",
    "|---|---|---|---|---|---|---|",
]
print("\n                          training   validation loss                    accuracy")
print("run                           loss   at the end    lowest  at epoch   validation   verdict")
for name, (_, seen) in results.items():
    lowest = int(np.argmin(seen["val_loss"]))
    values = seen["loss"][-1], seen["val_loss"][-1], seen["val_loss"][lowest], lowest, seen["val_accuracy"][-1]
    print("{:24} {:9.4f} {:12.3f} {:9.3f} {:9} {:12.1%}   {}".format(name, *values, verdicts[name]))
    rows.append("| {} | {} | {:.4f} | {:.3f} | {:.3f} | {} | {:.1%} |".format(name, verdicts[name], *values))

# %% [markdown]
# The last column comes from the curves alone: it needs no knowledge of how many units or digits there were. What one wants to remember of
# a comparison can be written beside its pictures, in Markdown, for the *Text* tab:

# %%
pictures.text(
    "results",
    "\n".join([f"{len(x):,} digits of {digits.source} to train on, {len(x_new):,} to validate", "", *rows]),
    0,
)
pictures.close()

# %% [markdown]
# ## Look
#
# A tour of all tabs. Choose runs on the left: `network` is the one we watched, with `network/train` and `network/validation`; `pictures`
# is what this lesson drew by itself; the runs in `compare` are the tries. (Time Series shows most of it on one page; the other tabs
# are in the menu at the top right where the window is narrow.)
#
# - **Time Series** or **Scalars**: `epoch_loss` and `epoch_accuracy`, training and validation in one chart. `loss/validation` and
#   `accuracy/validation`: all tries over each other. `update_ratio/...` and `gradient_norm/...`: each weight of `network`.
# - **Graphs**, run `network`: layers and what flows between them in which shape. Double-click on a layer to see its weights.
# - **Images**: `diagram/model` with shapes and activations, `weights_picture/...` with a slider for the epochs, `curves`. In `pictures`:
#   `digits`, `first_layer` (0 is before training, 1 after it), `parameters_scatter` (likewise), `single_weights`, `weight_norms`,
#   `update_ratios`, `misread`, and `two_failures`: in one network both losses stay up, in the other they part.
# - **Histograms**: `weights/hidden/kernel` from the box of the beginning to a peak with tails, one slice an epoch;
#   `gradients/hidden/kernel`: a spike at 0, where all the weights of blank pixels are.
# - **Distributions**: the same numbers from above: each line is a percentile, from the smallest weight to the largest.
# - **HParams**: *Table View*, sort by `accuracy/validation`. *Parallel Coordinates View*: each run is a line through all its
#   values; drag along an axis to pick the good ones, and see which learning rate they have in common.
# - **Text**, run `pictures`: the table of all tries.
# - **Projector**: each point is a digit that the network does not know, given by the 64 numbers of the last hidden layer. Choose
#   *label* under *Color by*, and *UMAP* or *t-SNE* below, then the same for `hidden_1 before training`. Click on a point that is "read
#   as" something else: who are its neighbours?
#
# ## Exercises
#
# 1. Take the learning rate 0.1 and let it train on all digits. How many of the 64 units of each hidden layer give 0 for every digit of the
#    validation? And how many with 0.01 and 0.001?
# 2. Cure `by_heart`, one thing at a time: stop at the lowest validation loss (`keras.callbacks.EarlyStopping` with
#    `restore_best_weights`), a network of 16 units, or 400 digits instead of 40. What helps most?
# 3. Set all weights to 0 before training. What do the histograms of weights and gradients show? Which weights move at all, and why?

# %%
lesson.end(
    settings,
    f"784-64-64-10 on {len(x):,} digits of {digits.source}: {accuracy:.1%} of {len(x_new)} new ones right, with "
    f"{model.count_params():,} weights; without a network {most_frequent:.1%} or {by_mean_picture:.1%}",
    f"{int(blank.sum())} pixels are blank in every digit, and {unmoved_blank:.0%} of their weights never moved; with ink there "
    f"{misread_dirty} new digits are misread instead of {misread}",
    f"nearest to the mean of their own kind: {by_mean_picture:.1%} as pixels, {trained_by_mean:.1%} in the last hidden layer",
    "validation loss with learning rates "
    + ", ".join(f"{rate:g}: {tuned[rate, BATCH_SIZE]['val_loss'][-1]:.2f}" for rate in LEARNING_RATES)
    + f" (guessing: {GUESSING:.2f}); {LEARNING_RATE:g} with batches of {BATCH_SIZES[-1]}: "
    f"{tuned[LEARNING_RATE, BATCH_SIZES[-1]]['val_loss'][-1]:.2f}",
    f"two units: {verdicts['two_units']}, training loss {two_units['loss'][-1]:.2f}; {FEW} digits by heart: "
    f"{verdicts['by_heart']}, training loss {by_heart['loss'][-1]:.4f}, validation loss {by_heart['val_loss'][-1]:.2f} after "
    f"a lowest point of {min(by_heart['val_loss']):.2f}",
)
