# %% [markdown]
"""Solutions to 04 · See a network

**What you will see:** how a learning rate that is too high kills units for good; which cure helps a network that has learned its examples
by heart; and why first weights must not all be 0.

**Takes** about 30 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 10
BATCH_SIZE = 32
SAMPLES = 2500  # of which a fifth is for validation
FEW, MORE = 40, 400

settings = lesson.start("solutions/04_see_a_network", epochs=EPOCHS, quick_epochs=5)

import keras
import numpy as np

from rnn_tutorial import data, inspection, models, recording
from rnn_tutorial.inspection import naming

source = "scikit-learn" if settings.quick else "auto"
digits = data.digits.load(source, samples=SAMPLES, validation=0.2, seed=settings.seed)
x, y = digits.x_train, digits.y_train
x_new, y_new = digits.x_validation, digits.y_validation
run = recording.Run(settings.log_dir / "answers")


def build(learning_rate, hidden=(64, 64)):
    """The network of the lesson with first weights that depend on the seed alone."""
    keras.utils.set_random_seed(settings.seed)
    model = models.digit_classifier(hidden=hidden)
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model, samples=None, epochs=settings.epochs, watch=()):
    """Train on the first so many digits, None is all; {metric: one number an epoch}."""
    batches = data.batches(x[:samples], y[:samples], batch_size=BATCH_SIZE, seed=settings.seed)
    new = data.batches(x_new, y_new, batch_size=len(x_new))  # all at once: nothing is learned from them
    batches |= {"validation_data": new["x"], "validation_steps": new["steps_per_epoch"]}
    return model.fit(**batches, epochs=epochs, verbose=0, callbacks=list(watch)).history


# %% [markdown]
# ## Exercise 1
#
# *Take the learning rate 0.1 and let it train on all digits. How many of the 64 units of each hidden layer give 0 for every digit of the
# validation? And how many with 0.01 and 0.001?*


# %%
def dead_units(model):
    """How many units of each hidden layer give 0 for every digit of the validation."""
    inside = keras.Model(model.input, [model.get_layer(name).output for name in ("hidden", "hidden_1")])
    return [int((keras.ops.convert_to_numpy(values) == 0).all(axis=0).sum()) for values in inside(x_new)]


dead, accuracies = {}, {}
print("\nlearning rate   dead in hidden   dead in hidden_1   accuracy on new digits")
for rate in (0.001, 0.01, 0.1):
    model = build(rate)
    accuracies[rate] = fit(model)["val_accuracy"][-1]
    dead[rate] = dead_units(model)
    print(f"{rate:13g} {dead[rate][0]:16} {dead[rate][1]:18} {accuracies[rate]:23.1%}")
print(f"(Before training: {' and '.join(map(str, dead_units(build(0.001))))}.)")
assert sum(dead[0.001]) < sum(dead[0.01]) < sum(dead[0.1])
assert min(dead[0.1]) > 48

# %% [markdown]
# A step that is far too large drives the sum of a unit below zero for every digit there is. Then relu gives 0, the gradient through it
# is 0 too, and the unit can never come back: it is *dead*. Where nearly all of a layer are, nothing that depends on the digit gets through,
# and what is left to learn is how frequent each digit is. In TensorBoard it shows as `gradients/hidden/kernel`, which becomes
# one spike at 0.
#
# ## Exercise 2
#
# *Cure `by_heart`, one thing at a time: stop at the lowest validation loss, a network of 16 units, or 400 digits instead of 40. What helps
# most?*

# %%
epochs = 4 * settings.epochs
stop = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
cures = {
    "as it is": ((256, 256), FEW, ()),
    "stopped at the lowest": ((256, 256), FEW, (stop,)),
    "16 units": ((16,), FEW, ()),
    "400 digits": ((256, 256), MORE, ()),
}
losses, rights = {}, {}
print(f"\n{epochs} epochs               validation loss   accuracy on new digits")
for name, (hidden, samples, watch) in cures.items():
    model = build(0.01, hidden)
    fit(model, samples, epochs, watch)
    losses[name], rights[name] = model.evaluate(x_new, y_new, batch_size=len(x_new), verbose=0)
    print(f"{name:24} {losses[name]:15.3f} {rights[name]:23.1%}")
helps_most = min(losses, key=losses.get)
print(f"What helps most: {helps_most}.")
assert helps_most == "400 digits"
assert losses["stopped at the lowest"] < losses["as it is"]

# %% [markdown]
# Fewer units alone are no cure: 16 have as little to learn from as 256. To stop early keeps a network from getting worse, but it is
# no better than it was at its best: 40 digits do not say more. More examples do. (Strictly, a network that is stopped by the
# validation has seen the validation. A third part of the data, looked at once, would have to say how good it is.)
#
# ## Exercise 3
#
# *Set all weights to 0 before training. What do the histograms of weights and gradients show? Which weights move at all, and why?*

# %%
model = build(0.001)
model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
with inspection.tap_gradients(model) as gradients:
    zero_accuracy = fit(model, epochs=2)["val_accuracy"][-1]
reading = gradients.read()
still, moving = [], []
print("\nweight             norm of its gradient   largest weight after training")
for name, weight in naming.weights(model).items():
    largest = float(np.abs(keras.ops.convert_to_numpy(weight)).max())
    (moving if largest else still).append(name)
    print(f"{name:19} {reading.norm[name]:20.4f} {largest:31.4f}")
    run.histogram(f"weights/{name}", keras.ops.convert_to_numpy(weight), step=0)
print(f"Accuracy on new digits: {zero_accuracy:.1%}. Only {', '.join(moving)} moves.")
assert moving == ["output/bias"]
run.close()

# %% [markdown]
# With kernels of 0 both hidden layers give 0, and so the gradient of each kernel, which is what comes in times what comes back, is
# 0 as well: nothing comes in, or nothing comes back. Their histograms stay one spike at 0. Only the biases of the output have an
# input that is not 0 (it is always 1), and they learn how frequent each digit is. That is why first weights are drawn at random.

# %%
lesson.end(
    settings,
    "1: dead units of the two hidden layers: "
    + ", ".join(f"{first} and {second} with learning rate {rate:g}" for rate, (first, second) in dead.items()),
    "2: validation loss of by_heart: " + ", ".join(f"{name} {loss:.2f}" for name, loss in losses.items()),
    f"3: from zeros only {', '.join(moving)} moves; {zero_accuracy:.1%} of the new digits are right",
)
