# %% [markdown]
"""01 · A recurrent cell by hand

**What you will see:** one recurrent cell computed with nothing but NumPy, on published numbers: it reads `b` and says `c`
with probability 0.91. Keras' own layer gives the same. Then the way back: the gradients of a whole sequence by hand,
equal to what Keras does in one training step.

**Takes** about 10 seconds.
"""

# %%
from rnn_tutorial import lesson

STEPS_OF_TRAINING = 300
LEARNING_RATE = 0.1

settings = lesson.start("01_forward_by_hand", epochs=STEPS_OF_TRAINING, quick_epochs=60)

import keras
import numpy as np

from rnn_tutorial import data, drawing, models, recording

# %% [markdown]
# ## The cell
#
# A feed-forward network sees one input and answers. A *recurrent* cell also sees what it remembers from the step before. Its
# memory, the *hidden state*, is a vector `h` of a few numbers, the *memory units*. At each time step `t` it mixes the input `x_t`
# with the old memory, squeezes the sum through tanh, and has a new memory; from the memory alone it makes its answer `y_t`:
#
#     h_t = tanh(x_t · W_xh + h_{t-1} · W_hh + b_h)
#     y_t = softmax(h_t · W_hy + b_y)
#
# Three matrices and two biases, the same ones at every step. Their shapes follow from three numbers: how long `x` is,
# how many memory units there are, how long `y` is. Here `x` and `y` are letters of the alphabet `abcde`, written as five
# numbers of which one is 1 (*one-hot*), and the memory has three units.


# %%
def softmax(z):
    """Turn any numbers into probabilities: positive, and one in sum."""
    e = np.exp(z - z.max())  # the largest is taken off so that exp cannot overflow
    return e / e.sum()


def step(x, h, weights):
    """One time step: the new memory and the answer."""
    W_xh, W_hh, b_h, W_hy, b_y = weights
    h = np.tanh(x @ W_xh + h @ W_hh + b_h)  # (units,)
    y = softmax(h @ W_hy + b_y)  # (letters,)
    return h, y


alphabet = data.letters.Alphabet("abcde")
LETTERS, UNITS = len(alphabet), 3

# %% [markdown]
# ## The published forward pass
#
# The university course this lesson follows prints one step of a trained cell. For the input `b` and an empty memory
# (`h = 0`), what goes into tanh is `[-1.8, 1.1, 0.9]`, and what goes into softmax is `[-0.7, -0.5, 3.3, 0.0, -0.7]`. The
# matrices themselves are not printed, and many would do. We take simple ones that give these sums: a row of `W_xh` for
# `b`, and the smallest `W_hy` that leads from the memory to the printed numbers.

# %%
into_tanh = np.array([-1.8, 1.1, 0.9])
into_softmax = np.array([-0.7, -0.5, 3.3, 0.0, -0.7])

generator = np.random.default_rng(settings.seed)
b_h = np.array([0.5, 0.3, -0.2])
b_y = np.array([0.0, 0.1, 0.4, -0.7, 0.1])
W_xh = generator.normal(size=(LETTERS, UNITS))
W_xh[1] = into_tanh - b_h  # the row of `b`; the biases and the other rows are our choice
W_hh = generator.normal(size=(UNITS, UNITS))  # does not matter yet: the memory is empty
memory = np.tanh(into_tanh)
W_hy = np.outer(memory, into_softmax - b_y) / (memory @ memory)  # so that memory @ W_hy + b_y is as published
published = (W_xh, W_hh, b_h, W_hy, b_y)

x = alphabet.one_hot(alphabet.encode("b"))[0].astype("float64")  # (5,)
h, y = step(x, np.zeros(UNITS), published)
probability_of_c = y.max()
print("The published forward pass, by hand")
print("  memory h  ", h.round(1), "  published: [-0.9  0.8  0.7]")
print("  answer y  ", y.round(2), f"  so b -> {alphabet.decode([y.argmax()])} at {y.max():.2f}")
assert h.round(1).tolist() == [-0.9, 0.8, 0.7]
assert y.argmax() == alphabet.encode("c")[0]
assert y.max().round(2) == 0.91

# %% [markdown]
# ## Keras agrees
#
# `models.letter_predictor()` is this very network: `SimpleRNN(3)` holds `W_xh` (Keras: `kernel`), `W_hh`
# (`recurrent_kernel`) and `b_h` (`bias`); `Dense(5, softmax)` holds `W_hy` and `b_y`. With our numbers in it, it must
# answer as we did.

# %%
model = models.letter_predictor()
model.set_weights(published)
keras_y = model.predict(x.reshape(1, 1, LETTERS), verbose=0)[0]  # (samples, time steps, letters) -> (letters,)
forward_difference = np.abs(keras_y - y).max()
print(f"  Keras says {keras_y.round(2)}   largest difference {forward_difference:.0e}")
assert forward_difference < 1e-6

# %% [markdown]
# ## Many steps: the loss is a sum over time
#
# Now the cell reads a whole word, `abcde`, and after each letter it says what comes next: `bcdea`. The memory goes from
# step to step. At each step the answer is scored by the *cross-entropy*, minus the logarithm of the probability that it
# gave to the right letter, and the loss of the word is the sum:
#
#     L = sum over t of l_t,   l_t = -log y_t[right letter]
#
# (One may also score only some of the steps, or only the last one. A Keras layer hands on all its memories with
# `return_sequences=True` and only the last one with `False`. `models.sequence_model(..., every_step=True)` scores them
# all.)


# %%
def read(xs, targets, weights):
    """Run over a sequence; all memories (time + 1, units), all answers (time, letters), and the loss."""
    h, hs, ys = np.zeros(UNITS), [np.zeros(UNITS)], []
    for x in xs:
        h, y = step(x, h, weights)
        hs.append(h)
        ys.append(y)
    loss = -sum(np.log(y[target]) for y, target in zip(ys, targets, strict=True))
    return np.array(hs), np.array(ys), loss


xs = alphabet.one_hot(alphabet.encode("abcde")).astype("float64")  # (5 steps, 5 letters)
targets = alphabet.encode("bcdea")

# %% [markdown]
# ## The way back: backpropagation through time
#
# How does `L` change with each weight? A weight is used at every step, so its gradient is a sum over the steps. And a
# memory is used twice: for its own answer, and for the next memory. So we walk from the last step to the first and carry
# along `dL/dh`, what the later steps have to say about this memory:
#
#     dL/dh_t = (y_t - right_t) · W_hyᵀ   +   (dL/dh_{t+1} * (1 - h_{t+1}²)) · W_hhᵀ
#               from the answer above         from the step after
#
# The second part multiplies by `(1 - h²)` and by `W_hh` once for each step. Over many steps that product dies out or
# blows up: lessons 07 and 08 are about nothing else.


# %%
def gradients(xs, targets, weights):
    """Backpropagation through time: the gradient of the loss for each of the five arrays of weights."""
    _, W_hh, _, W_hy, _ = weights
    hs, ys, _ = read(xs, targets, weights)
    d_W_xh, d_W_hh, d_b_h, d_W_hy, d_b_y = (np.zeros_like(weight) for weight in weights)
    from_later = np.zeros(UNITS)
    for t in reversed(range(len(xs))):
        right = np.eye(LETTERS)[targets[t]]
        d_logits = ys[t] - right  # softmax and cross-entropy together have this simple gradient
        d_W_hy += np.outer(hs[t + 1], d_logits)
        d_b_y += d_logits
        d_h = d_logits @ W_hy.T + from_later  # total: from the answer above and from the steps after
        d_sum = d_h * (1 - hs[t + 1] ** 2)  # back through tanh
        d_W_xh += np.outer(xs[t], d_sum)
        d_W_hh += np.outer(hs[t], d_sum)
        d_b_h += d_sum
        from_later = d_sum @ W_hh.T
    return d_W_xh, d_W_hh, d_b_h, d_W_hy, d_b_y


by_hand = gradients(xs, targets, published)

# %% [markdown]
# Is it right? Nudge each weight by a hair up and down, and see how the loss moves (*finite differences*).


# %%
def nudged(weights, which, index, by):
    """The loss after one number in one array of weights has been moved."""
    weights = [weight.copy() for weight in weights]
    weights[which][index] += by
    return read(xs, targets, weights)[2]


largest_error = 0.0
for which, gradient in enumerate(by_hand):
    for index in np.ndindex(gradient.shape):
        slope = (nudged(published, which, index, 1e-5) - nudged(published, which, index, -1e-5)) / 2e-5
        largest_error = max(largest_error, abs(slope - gradient[index]))
print(f"\nGradients through time by hand, against finite differences: largest difference {largest_error:.0e}")
assert largest_error < 1e-7

# %% [markdown]
# ## One training step, by hand and in Keras
#
# Training takes a small step against the gradient: `weight <- weight - learning rate * gradient`. Keras calls this SGD. We
# give the same weights to Keras, let it do one step on the same word, and compare all 47 numbers.

# %%
updated = [weight - LEARNING_RATE * gradient for weight, gradient in zip(published, by_hand, strict=True)]

model = models.sequence_model(
    timesteps=5,
    features=LETTERS,
    outputs=LETTERS,
    units=UNITS,
    cell="simple_rnn",
    activation="softmax",
    every_step=True,
)
model.set_weights(published)
# Keras' losses average by default; ours is the sum over the steps.
summed = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
model.compile(keras.optimizers.SGD(LEARNING_RATE), loss=summed)
keras_loss = float(model.train_on_batch(xs[np.newaxis], np.array([targets])))
_, _, loss = read(xs, targets, published)
step_difference = max(np.abs(ours - theirs).max() for ours, theirs in zip(updated, model.get_weights(), strict=True))
print("One step of SGD")
print(f"  loss before it: by hand {loss:.6f}, Keras {keras_loss:.6f}")
print(f"  all {model.count_params()} weights after it: largest difference {step_difference:.0e}")
assert abs(keras_loss - loss) < 1e-5
assert step_difference < 1e-6

# %% [markdown]
# ## Train it by hand, and look
#
# The same step again and again is training. We write what happens with `recording.Run`, the part of this package that talks
# to TensorBoard: the loss as a scalar, weights and gradients as histograms, the memory as a picture.

# %%
weights = [generator.normal(scale=0.5, size=weight.shape) for weight in published]
names = ("cell/kernel", "cell/recurrent_kernel", "cell/bias", "output/kernel", "output/bias")
losses = []
with recording.Run(settings.log_dir / "by_hand") as run:
    for epoch in range(settings.epochs):
        found = gradients(xs, targets, weights)
        hs, ys, loss = read(xs, targets, weights)
        losses.append(loss)
        run.scalar("loss", loss, epoch)
        for name, weight, gradient in zip(names, weights, found, strict=True):
            run.histogram(f"weights/{name}", weight, epoch)
            run.histogram(f"gradients/{name}", gradient, epoch)
        if epoch in (0, settings.epochs - 1):
            picture = drawing.heatmap(
                hs[1:].T,
                rows=[f"unit {unit}" for unit in range(UNITS)],
                columns=[f"after {letter}" for letter in "abcde"],
                title=f"the memory while abcde is read, epoch {epoch}",
            )
            lesson.show(run, "states_picture/cell", picture, epoch)
        weights = [weight - LEARNING_RATE * gradient for weight, gradient in zip(weights, found, strict=True)]
        run.flush()

hs, ys, loss = read(xs, targets, weights)
answers = alphabet.decode(ys.argmax(axis=1))
print(f"\nTrained by hand for {settings.epochs} steps: loss {losses[0]:.2f} -> {loss:.2f}")
for letter, answer, y in zip("abcde", answers, ys, strict=True):
    print(f"  {letter} -> {answer}   {y.max():.2f}")

# %% [markdown]
# ## Look
#
# - **Time Series**, `loss`: it falls, steeply at first. The cards below it show the histograms over time.
# - **Histograms**, `gradients/...`: wide in the beginning, then narrow. A trained cell has little left to learn.
# - **Images**, `states_picture/cell`: red is positive, blue negative. Move the step slider: in the end the numbers
#   are larger, and each letter has left a clear pattern of its own. Three numbers are all the memory there is.
#
# ## Exercises
#
# 1. Hold `W_hh` at 0 while you train. The cell forgets everything. Does `abcde -> bcdea` still work? Why?
# 2. Score the last step only: set the other `d_logits` to zero. Look at the rows of `d_W_xh`, one for each letter. Which are
#    small now? (`a` was read first, `e` last.)
# 3. Let the word be `aabab`, with targets `ababa`. After `a`, sometimes `a` follows and sometimes `b`. How small does the loss
#    get, and how small with `W_hh = 0`?

# %%
lesson.end(
    settings,
    f"b -> c at {probability_of_c:.2f}, as published; Keras differs by {forward_difference:.0e}",
    f"backpropagation through time by hand differs from finite differences by {largest_error:.0e}",
    f"47 weights after one SGD step differ from Keras' by {step_difference:.0e}",
    f"{settings.epochs} steps by hand take the loss from {losses[0]:.2f} to {loss:.2f}: abcde -> {answers}",
)
