# %% [markdown]
"""08 · Exploding gradients

**What you will see:** a network that trains quietly for dozens of batches, and just when it begins to solve its task, its gradient
grows a hundredfold and more within three batches, and all its weights become NaN. You find the batch and the reason, clip the
gradient in Keras' three ways, measure which of them keeps its direction, and have the runs without and with clipping on
top of each other in TensorBoard.

**Takes** about 75 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 10
LEARNING_RATE = 0.05
BATCH_SIZE = 32
SAMPLES = 1024
TIMESTEPS = 50
UNITS = 32
RADIUS = 0.9  # spectral radius of the recurrent kernel at the beginning
CLIP = 1.0  # the longest gradient that is let through
SEEDS_TO_COMPARE = (0, 1, 2)

settings = lesson.start("08_exploding_gradients", epochs=EPOCHS, quick_epochs=7)

import warnings

import keras
import numpy as np

from rnn_tutorial import callbacks, data, drawing, inspection, recording

# %% [markdown]
# ## The other side of the same product
#
# Lesson 07 followed the gradient back through time: each step multiplies it by a Jacobian, and where that shrinks it, the early steps
# hear nothing. Where it stretches it, the product *explodes*. To see that alone, we take the plain cell without its tanh:
#
#     h_t = x_t · W_xh + h_{t-1} · W_hh + b_h        dL/dh_{t-1} = dL/dh_t · W_hhᵀ        dL/dh_1 = dL/dh_T · (W_hhᵀ)^(T-1)
#
# Now the recurrent kernel is all there is, and its *spectral radius*, the largest absolute eigenvalue, decides. Over 50 steps:

# %%
print(f"spectral radius   what {TIMESTEPS} steps make of a gradient of 1")
for radius in (0.9, 1.0, 1.1, 1.2, 1.4):
    print(f"{radius:15.1f}   {radius ** (TIMESTEPS - 1):12,.3f}")

# %% [markdown]
# The task is that of lesson 07: an item, 0 or 1, at the first step, then 49 steps of noise, then say the item. The kernel begins with
# radius 0.9. Such a network forgets the item; to keep it, training has to bring the radius to about 1. And right behind that it is
# steep: at 1.2 the gradient is a million times as large as at 0.9.
#
# The optimizer is plain SGD, `weight <- weight - learning rate * gradient`: as large as the gradient is, so large is the step.


# %%
def build(clipping):
    """The network of this lesson, with one of Keras' ways of clipping or {} for none."""
    model = keras.Sequential(
        [
            keras.Input((TIMESTEPS, 3), name="sequence"),
            keras.layers.SimpleRNN(
                UNITS,
                activation=None,
                recurrent_initializer=keras.initializers.Orthogonal(gain=RADIUS),
                name="simple_rnn",
            ),
            keras.layers.Dense(2, activation="softmax", name="output"),
        ]
    )
    model.compile(
        keras.optimizers.SGD(LEARNING_RATE, **clipping),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


WAYS = {"none": {}, "clipnorm": {"clipnorm": CLIP}, "global_clipnorm": {"global_clipnorm": CLIP}}
built = {way: build(clipping) for way, clipping in WAYS.items()}


class EachBatch(keras.callbacks.Callback):
    """Note the loss of each batch, and the spectral radius after it."""

    def on_train_begin(self, logs=None):
        self.losses, self.radii = [], []
        self.layer = inspection.layers(self.model)["simple_rnn"]

    def on_train_batch_end(self, batch, logs):
        # What Keras hands on is the mean since the beginning of the epoch.
        before = self.mean * batch if batch else 0.0
        self.mean = logs["loss"]
        self.losses.append(self.mean * (batch + 1) - before)
        self.radii.append(inspection.spectral_radius(self.layer))


def train(way, seed, log_dir=None, batches=None):
    """Train from the beginning; what the tap and `EachBatch` saw, the validation accuracy, and what callbacks said of NaN."""
    model = built[way]
    keras.utils.set_random_seed(seed)
    model.set_weights(build({}).get_weights())  # plain SGD remembers nothing, so new weights are a new beginning
    x, y = data.tasks.first_item(samples=SAMPLES, timesteps=TIMESTEPS, seed=seed)
    validation = data.tasks.first_item(samples=512, timesteps=TIMESTEPS, seed=seed + 1_000_000)
    fit = {**data.batches(x, y, batch_size=BATCH_SIZE, seed=seed), "epochs": settings.epochs}
    if batches is not None:
        fit |= {"steps_per_epoch": batches, "epochs": 1}
    each_batch = EachBatch()
    watch = [each_batch]
    if log_dir is not None:
        everything = callbacks.observe(log_dir, probe=(validation[0][:64], validation[1][:64]), pictures=False)
        watch += [callback for callback in everything if not isinstance(callback, callbacks.GradientHistograms)]
        watch += [callbacks.GradientHistograms(log_dir, per_batch=True)]  # as in `observe`, and each batch by itself
    with warnings.catch_warnings(record=True) as caught:  # the callbacks warn of NaN; we print that ourselves
        warnings.simplefilter("always")
        with inspection.tap_gradients(model, per_batch=True) as gradients:
            model.fit(**fit, verbose=0, callbacks=watch)
    said = [str(warning.message) for warning in caught if "had a gradient with NaN" in str(warning.message)]
    accuracy = model.evaluate(*validation, batch_size=512, verbose=0)[1]
    return gradients.read(), each_batch, accuracy, said


def first_nan(norms):
    """The first batch whose gradient is not finite, or None."""
    (broken,) = np.nonzero(~np.isfinite(norms))
    return int(broken[0]) if len(broken) else None


# %% [markdown]
# ## An explosion
#
# `callbacks.observe` logs the norm of the gradient, one mean an epoch. Here single batches matter, and
# `callbacks.GradientHistograms(log_dir, per_batch=True)` logs each of them. As arrays, the same numbers come from a *tap*: inside
# of `with inspection.tap_gradients(model) as gradients:` everything that trains the model is seen, and `gradients.read()` says what was.

# %%
readings, noted, accuracies = {}, {}, {}
readings["none"], noted["none"], accuracies["none"], said = train("none", settings.seed, settings.log_dir / "none")
norms = readings["none"].batch_norms["global"]  # (batches,), all weights together
nan_batch = first_nan(norms)
nan_batch = len(norms) if nan_batch is None else nan_batch
nan_batches = readings["none"].nonfinite["global"]
calm = float(np.median(norms[: max(1, nan_batch // 2)]))
spike = next((batch for batch in range(nan_batch) if norms[batch] > 50 * calm), nan_batch - 1)
spike_norm = float(norms[spike])
print(f"\nWithout clipping. In the first half of the way the norm is {calm:.2f} (median).")
print("batch       loss   norm of the gradient   spectral radius after it")
for batch in range(max(0, spike - 6), min(spike + 4, len(norms))):
    print(f"{batch:5} {noted['none'].losses[batch]:10.3g} {norms[batch]:22.3g} {noted['none'].radii[batch]:26.3g}")
print(f"{nan_batches} of {len(norms)} batches had a gradient with NaN or infinity. Accuracy: {accuracies['none']:.2f}")
if said:
    print(f"The callback warned: {said[0]}")

# %% [markdown]
# Read it from top to bottom. At first the norm is near 1, as in the batches before. The radius comes up to 1: the network begins to
# hold the item, which is what it should learn. But with the radius the gradient grows, a step of SGD with a larger gradient makes
# the radius larger still, and the gradient after *that* step is the spike. One more step against a gradient of that size, and the
# weights are so large that soon the gradient is infinite. From then on everything is NaN, and no later batch can repair that.
#
# The loss gave no warning: until the batch of the spike it stayed below 1, near the 0.69 that guessing costs, or better.
#
# The learning rate was not simply too high: for dozens of batches it was right. In the landscape of the loss there is a cliff. The
# gradient at its wall says truly how steep it is, but not how far that holds.
#
# ## Clip it
#
# So believe the direction, and not the length. Pascanu, Mikolov and Bengio (2013), algorithm 1: `g` is the gradient, `c` a threshold,
#
#     if ‖g‖ > c:   g <- g · c / ‖g‖
#
# Keras has three arguments for that, for every optimizer:
#
# - `global_clipnorm=c`: as it stands above, `‖g‖` being the norm of all weights' gradients together. The direction stays.
# - `clipnorm=c`: for each weight (kernel, recurrent kernel, bias, ...) by itself. Each keeps its direction, but the long ones are cut
#   more than the short ones, so that the step as a whole turns.
# - `clipvalue=c`: each single number is cut to between -c and c. Where many are cut, only their signs remain.
#
# How much do they turn it? We train once more up to the spike and take that very gradient, have Keras clip it, and measure the cosine
# of the angle between before and after: 1 is the same direction. (SGD with learning rate 1 from weights of 0 ends at minus
# the clipped gradient.)

# %%
at_spike, *_ = train("none", settings.seed, batches=spike + 1)
gradient = list(at_spike.last.values())  # one array a weight


def clipped_by_keras(**clipping):
    """The gradient after one of Keras' ways of clipping, one array a weight."""
    weights = [keras.Variable(np.zeros_like(part)) for part in gradient]
    keras.optimizers.SGD(1.0, **clipping).apply([keras.ops.convert_to_tensor(part) for part in gradient], weights)
    return [-keras.ops.convert_to_numpy(weight) for weight in weights]


def flat(parts):
    return np.concatenate([np.ravel(part) for part in parts]).astype("float64")


print(f"\nThe gradient of batch {spike}, by weight: " + ", ".join(f"{np.linalg.norm(part):.3g}" for part in gradient))
print("                      norm after   cosine to the gradient before")
g = flat(gradient)
cosines = {}
for way in ("global_clipnorm", "clipnorm", "clipvalue"):
    clipped = flat(clipped_by_keras(**{way: CLIP}))
    cosines[way] = float(g @ clipped / (np.linalg.norm(g) * np.linalg.norm(clipped)))
    print(f"{way + f'={CLIP:g}':20} {np.linalg.norm(clipped):11.2f} {cosines[way]:19.4f}")
by_hand = g * CLIP / np.linalg.norm(g)
clipping_error = np.abs(flat(clipped_by_keras(global_clipnorm=CLIP)) - by_hand).max()
print(f"c / ‖g‖ by hand differs from Keras' global_clipnorm by {clipping_error:.0e}")

# %% [markdown]
# A threshold of 1 means three different things: with `global_clipnorm` the gradient is at most 1 long, with `clipnorm` each of the five
# weights' is, and with `clipvalue` each of the 1,218 numbers is at most 1, so that the whole may be up to 35 long.
#
# **Which threshold?** Look at the norms of a run while it is calm: the paper found half to ten times their mean to work. Ours
# are about 1, so we took 1.
#
# ## None, clipnorm, global_clipnorm
#
# The same first weights, the same batches in the same order.


# %%
def ranges(numbers):
    """[0, 1, 2, 7] -> "0-2, 7"."""
    pieces = np.split(numbers, np.nonzero(np.diff(numbers) > 1)[0] + 1) if len(numbers) else []
    return ", ".join(f"{piece[0]}-{piece[-1]}" if len(piece) > 1 else f"{piece[0]}" for piece in pieces)


for way in ("clipnorm", "global_clipnorm"):
    readings[way], noted[way], accuracies[way], _ = train(way, settings.seed, settings.log_dir / way)
clipped_batches = {}
for way in ("clipnorm", "global_clipnorm"):
    # With clipnorm a batch is clipped where one of its weights is too long, with global_clipnorm where all together are.
    names = ["global"] if way == "global_clipnorm" else [name for name in readings[way].norm if name != "global"]
    longest = np.max([readings[way].batch_norms[name] for name in names], axis=0)  # (batches,)
    (clipped_batches[way],) = np.nonzero(longest > CLIP)

print("\n                  NaN batches   clipped   largest norm   radius at the end   accuracy")
for way, reading in readings.items():
    by_batch = reading.batch_norms["global"]
    clipped = "-" if reading.clipped_batches is None else reading.clipped_batches
    print(
        f"{way:16} {reading.nonfinite['global']:12} {clipped:>9} {by_batch[np.isfinite(by_batch)].max():14.3g} "
        f"{noted[way].radii[-1]:19.2f} {accuracies[way]:10.2f}"
    )
for way, numbers in clipped_batches.items():
    print(f"{way} clipped the batches {ranges(numbers)}")

# %% [markdown]
# The clipped runs come to the same cliff. Their norms rise there too, since clipping makes the loss no smoother. But the step they take
# is one of ordinary length, and so is the next one, and they get over it. Of the calm batches before it many are clipped too, because
# the threshold is about as large as they are; they lose a little of their length.
#
# In the end the radius is *above* 1, and yet the norms are tiny. Why? A network that is right and sure of it has nearly no loss, and a
# gradient of nearly nothing can be multiplied by a hundred.

# %%
by_batch = {way: reading.batch_norms["global"] for way, reading in readings.items()}
radii = {way: np.array(each_batch.radii) for way, each_batch in noted.items()}
with recording.Run(settings.log_dir / "pictures") as run:
    shown = {way: np.where(np.isfinite(values) & (values > 0), values, np.nan) for way, values in by_batch.items()}
    picture = drawing.lines(shown, "the gradient, batch by batch", "batch", "norm before clipping", log=True)
    lesson.show(run, "gradient_norm_by_batch", picture)
    shown = {way: np.where(values < 2, values, np.nan) for way, values in radii.items()}
    picture = drawing.lines(shown, "the recurrent kernel, batch by batch", "batch", "spectral radius, as far as 2")
    lesson.show(run, "spectral_radius_by_batch", picture)

# %% [markdown]
# Is it luck? Other first weights and other sequences:

# %%
print("\n        without clipping             global_clipnorm")
print("seed    NaN from batch   accuracy    batches clipped   accuracy")
by_seed = {}
for seed in () if settings.quick else SEEDS_TO_COMPARE:
    without, _, accuracy_without, _ = train("none", seed)
    with_it, _, accuracy_with, _ = train("global_clipnorm", seed)
    by_seed[seed] = first_nan(without.batch_norms["global"]), accuracy_without, accuracy_with
    print(
        f"{seed:4} {by_seed[seed][0]!s:>17} {accuracy_without:10.2f} {with_it.clipped_batches:18} {accuracy_with:10.2f}"
    )

# %% [markdown]
# ## Look
#
# Mark the runs `none`, `clipnorm` and `global_clipnorm`.
#
# - **Time Series**, `gradient_norm_batch/global`: the three on top of each other, the step is the number of the batch. Above the
#   chart, behind the three dots, there is "Toggle Y-axis log scale". `none` leaves the chart and does not come back.
# - **Time Series**, `gradient_norm/global`: the same, one mean an epoch, as `observe` logs it for any model. The spike is in it, too.
# - **Time Series**, `nonfinite_batches/global`: the count of batches with NaN. `clipped_batches`: many at first, and none once the task is learned.
# - **Time Series**, `spectral_radius/simple_rnn`: the clipped runs stop at about 1.1. `epoch_loss` (runs `none/train`, ...): with clipping
#   it falls to nearly nothing, without it becomes NaN, drawn as triangles.
# - **Images**, run `pictures`: `gradient_norm_by_batch` and `spectral_radius_by_batch`.
# - **RNN**, the runs `none` and `global_clipnorm` marked: two epochs look alike, then `none` is crossed out in red, which means NaN,
#   the gradient at every time step and the states as well. "Findings" says since which epoch.
#
# To end a run like `none` there is `keras.callbacks.TerminateOnNaN()`. It saves the time and not the run.
#
# ## Exercises
#
# 1. Let clipping come too late: `CLIP = 100`. Does it help still? And `CLIP = 0.01`: what does it cost? (Learning rate times threshold is the
#    longest step there can be; how long is the recurrent kernel itself?)
# 2. Take `keras.optimizers.Adam(0.01)` without clipping. It divides the gradient by its own running size: is there a spike, and where
#    does the radius go? (Adam remembers: let `train` call `build(WAYS[way])` every time.)
# 3. Give the layer its tanh back and a radius of 2. Are there spikes? NaN? Does it learn? (Lesson 07 had a picture of that.)

# %%
lesson.end(
    settings,
    f"without clipping the norm goes from about {calm:.1f} to {spike_norm:.1e} at batch {spike}; {nan_batches} batches, from "
    f"{nan_batch} on, are NaN",
    f"cosine between the gradient of that batch before and after clipping: global_clipnorm {cosines['global_clipnorm']:.3f}, "
    f"clipnorm {cosines['clipnorm']:.3f}, clipvalue {cosines['clipvalue']:.3f}",
    f"accuracy {accuracies['none']:.2f} without clipping, {accuracies['clipnorm']:.2f} with clipnorm, "
    f"{accuracies['global_clipnorm']:.2f} with global_clipnorm, which clipped {len(clipped_batches['global_clipnorm'])} of "
    f"{len(norms)} batches",
)
