# %% [markdown]
"""Solutions to 08 · Exploding gradients

**What you will see:** a threshold that lets through what it should stop, and one that stops everything; Adam going over the cliff
without clipping; and why tanh ends an explosion but does not help.

**Takes** about 35 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 10
LEARNING_RATE = 0.05
BATCH_SIZE = 32
SAMPLES = 1024
TIMESTEPS = 50
UNITS = 32
RADIUS = 0.9
CLIPS = (100, 1, 0.01)

settings = lesson.start("solutions/08_exploding_gradients", epochs=EPOCHS, quick_epochs=4)

import keras
import numpy as np

from rnn_tutorial import data, inspection, models

seeds = [settings.seed + number for number in range(1 if settings.quick else 2)]


def network(activation=None, radius=RADIUS):
    """The network of the lesson, with any activation and radius."""
    turn = keras.initializers.Orthogonal(gain=radius)
    return keras.Sequential(
        [
            keras.Input((TIMESTEPS, 3), name="sequence"),
            keras.layers.SimpleRNN(UNITS, activation=activation, recurrent_initializer=turn, name="simple_rnn"),
            keras.layers.Dense(2, activation="softmax", name="output"),
        ]
    )


def build(optimizer, **kind):
    """Compiled, and the weights that it begins with, for each seed those of the lesson."""
    model = network(**kind)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    begin = {}
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        begin[seed] = network(**kind).get_weights()
    return model, begin


def train(model, begin, seed):
    """Train from the beginning; what a tap saw, the accuracy on new sequences, and how far the weights have moved."""
    models.start_over(model, seed)
    model.set_weights(begin[seed])
    x, y = data.tasks.first_item(SAMPLES, TIMESTEPS, seed=seed)
    new = data.tasks.first_item(512, TIMESTEPS, seed=seed + 1_000_000)
    with inspection.tap_gradients(model, per_batch=True) as gradients:
        model.fit(**data.batches(x, y, BATCH_SIZE, seed=seed), epochs=settings.epochs, verbose=0)
    accuracy = model.evaluate(*new, batch_size=512, verbose=0)[1]
    way = np.sqrt(sum(np.sum((now - was) ** 2) for now, was in zip(model.get_weights(), begin[seed], strict=True)))
    return gradients.read(), accuracy, float(way)


def largest(reading):
    """The largest finite norm of a gradient."""
    norms = reading.batch_norms["global"]
    return float(norms[np.isfinite(norms)].max())


def radius_of(model):
    return inspection.spectral_radius(inspection.layers(model)["simple_rnn"])


# %% [markdown]
# ## Exercise 1
#
# *Let clipping come too late, `CLIP = 100`. Does it help still? And `CLIP = 0.01`: what does it cost?*
#
# Learning rate times threshold is the longest step there can be. The recurrent kernel itself is `0.9 * sqrt(32)` long, 5.1.

# %%
clipped = {}
print("threshold   seed   longest step   batches clipped   with NaN   way of the weights   accuracy")
for clip in CLIPS:
    model, begin = build(keras.optimizers.SGD(LEARNING_RATE, global_clipnorm=clip))
    for seed in seeds:
        reading, accuracy, way = train(model, begin, seed)
        clipped[clip, seed] = reading.clipped_batches, reading.nonfinite["global"], accuracy, way
        print(
            f"{clip:9}   {seed:4} {LEARNING_RATE * clip:14.4f} {reading.clipped_batches:17} {reading.nonfinite['global']:10} "
            f"{way:20.2f} {accuracy:10.2f}"
        )
batches = settings.epochs * SAMPLES // BATCH_SIZE
ways = {clip: np.mean([clipped[clip, seed][3] for seed in seeds]) for clip in CLIPS}
at_least = ways[1] / (LEARNING_RATE * 0.01)
print(
    f"The way with threshold 1, in a straight line, takes at least {at_least:.0f} batches with 0.01; here are {batches}."
)
assert at_least > batches
for seed in seeds:
    count, nonfinite, accuracy, _ = clipped[100, seed]
    assert (nonfinite > 0) == (count > 0)  # where it had to clip, it did not help
    assert clipped[1, seed][1] == 0
    assert clipped[0.01, seed][0] == batches
    assert clipped[0.01, seed][2] < 0.7

# %% [markdown]
# 100 does not help: a clipped step is as long as the recurrent kernel itself, and after one of that kind nothing is left of what was learned.
# (Where nothing was clipped, the run did not come near the cliff.) 0.01 is safe, and clips each of the batches: the length of the
# gradient plays no part any more, only its direction. Even in a straight line the way that the weights have to go would take more batches than
# there are; it costs the result, or several times as many epochs.
#
# ## Exercise 2
#
# *Take `Adam(0.01)` without clipping. Is there a spike, and where does the radius go?*

# %%
model, begin = build(keras.optimizers.Adam(0.01))
by_adam = {}
print("\nAdam    largest norm   with NaN   radius at the end   accuracy")
for seed in seeds:
    reading, accuracy, _ = train(model, begin, seed)
    by_adam[seed] = largest(reading), reading.nonfinite["global"], radius_of(model), accuracy
    print("{:4} {:15.3g} {:10} {:19.2f} {:10.2f}".format(seed, *by_adam[seed]))
assert all(nonfinite == 0 for _, nonfinite, _, _ in by_adam.values())
assert all(RADIUS < radius < 5 for _, _, radius, _ in by_adam.values())

# %% [markdown]
# There may be a spike (try seeds 123 to 126), but never NaN. Adam moves each weight by about 0.01 however long the gradient is, so that its
# steps have a largest length, as if they were clipped. The radius goes over 1 in a few batches. Where the task was learned by then, the
# gradient is too small to grow; where it was not, there are spikes, and Adam, whose running size remembers the spike for long, hardly
# moves any more. The run does not break, but it may still learn nothing.
#
# ## Exercise 3
#
# *Give the layer its tanh back and a radius of 2. Are there spikes? NaN? Does it learn?*

# %%
model, begin = build(keras.optimizers.SGD(LEARNING_RATE), activation="tanh", radius=2.0)
by_tanh = {}
print("\ntanh   first norm   largest norm   with NaN   tanh at its ends   accuracy")
for seed in seeds:
    reading, accuracy, _ = train(model, begin, seed)
    x, _ = data.tasks.first_item(64, TIMESTEPS, seed=seed)
    at_ends = inspection.trace(model, x)["simple_rnn"].saturation["hidden"]
    first = float(reading.batch_norms["global"][0])
    by_tanh[seed] = first, largest(reading), reading.nonfinite["global"], at_ends, accuracy
    print("{:4} {:12.3g} {:14.3g} {:10} {:18.0%} {:10.2f}".format(seed, *by_tanh[seed]))
assert all(spike > 1000 for _, spike, _, _, _ in by_tanh.values())
assert all(nonfinite == 0 and accuracy < 0.7 for _, _, nonfinite, _, accuracy in by_tanh.values())
assert all(at_ends > 0.9 for _, _, _, at_ends, _ in by_tanh.values())

# %% [markdown]
# There are spikes from the first batches on, there is no NaN, and it does not learn. A step against such a gradient makes the weights so
# large that tanh stands at its ends, -1 or 1, nearly everywhere. There its slope is 0 and the gradient through time is gone: it has
# exploded once, and vanishes ever after. That is worse to find than NaN, because nothing looks broken. `saturation/simple_rnn/hidden` tells.

# %%
lesson.end(
    settings,
    f"1: clipped at 100, {clipped[100, seeds[0]][1]} of {batches} batches are NaN, accuracy {clipped[100, seeds[0]][2]:.2f}; at 1, "
    f"{clipped[1, seeds[0]][1]} and {clipped[1, seeds[0]][2]:.2f}; at 0.01, {clipped[0.01, seeds[0]][1]} and {clipped[0.01, seeds[0]][2]:.2f}",
    "2: Adam without clipping, each seed: "
    + ", ".join(f"norm up to {run[0]:.2g}, accuracy {run[3]:.2f}" for run in by_adam.values()),
    "3: tanh and radius 2, each seed: "
    + ", ".join(f"norm up to {run[1]:.2g}, {run[2]} NaN, accuracy {run[4]:.2f}" for run in by_tanh.values()),
)
