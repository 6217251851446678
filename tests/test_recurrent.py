"""Held against networks stepped by hand in NumPy (`Stepper`), which themselves are held against Keras' `evaluate`.

The finite differences need float64, so that `finite_differences` runs in a process of its own.
"""

import functools
import gc
import json
import logging
import pathlib
import pickle
import weakref

import keras
import numpy as np
import pandas
import pytest
from keras import layers, ops

from rnn_tutorial.inspection import recurrent
from rnn_tutorial.inspection.recurrent import compiling

BATCH, STEPS, FEATURES = 3, 5, 2
L2 = float(np.float32(0.01))  # Keras' default, as it rounds it


@pytest.fixture(autouse=True, scope="module")
def _compile_fast():
    """What is compiled here runs a few times."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@keras.saving.register_keras_serializable("test_recurrent")
def tanh(x):
    """Keras' own gives float32 for float64 on JAX."""
    return 2 * ops.sigmoid(2 * x) - 1


class Tanh:
    """`TANH.LSTM(...)` is a layer of Keras with this tanh, and with weights that are quickly made."""

    def __getattr__(self, kind):
        zeros = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros"}
        return functools.partial(getattr(layers, kind), activation=tanh, **zeros)


TANH = Tanh()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@keras.saving.register_keras_serializable("test_recurrent")
class Leaky(layers.Layer):
    """A cell Keras does not know, with two states, of which it hands on the second."""

    def __init__(self, units, memory=2, **kwargs):
        super().__init__(**kwargs)
        self.units, self.memory = units, memory
        self.state_size, self.output_size = [memory, units], units

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.units), name="w")
        self.u = self.add_weight(shape=(self.units, self.units), name="u")
        self.v = self.add_weight(shape=(self.units, self.memory), name="v")
        self.back = self.add_weight(shape=(self.memory, self.units), name="back")

    def call(self, inputs, states):
        m, h = states
        h = tanh(inputs @ self.w + h @ self.u + m @ self.back)
        return h, [m / 2 + h @ self.v, h]

    def get_config(self):
        return {**super().get_config(), "units": self.units, "memory": self.memory}


def step_simple(cell, x, states):
    kernel, recurrent_kernel, bias = cell.get_weights()
    h = np.tanh(x @ kernel + states[0] @ recurrent_kernel + bias)
    return 0, [h]


def step_lstm(cell, x, states, bump=0):
    kernel, recurrent_kernel, bias = cell.get_weights()
    i, f, c, o = np.split(x @ kernel + states[0] @ recurrent_kernel + bias, 4, axis=-1)
    c = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(c) + bump
    return 0, [sigmoid(o) * np.tanh(c), c]


def step_gru(cell, x, states):
    kernel, recurrent_kernel, bias = cell.get_weights()
    (h,), units = states, cell.units
    bias_x, bias_h = bias if cell.reset_after else (bias, 0 * bias)
    z, r, new = np.split(x @ kernel + bias_x, 3, axis=-1)
    z = sigmoid(z + h @ recurrent_kernel[:, :units] + bias_h[:units])
    r = sigmoid(r + h @ recurrent_kernel[:, units : 2 * units] + bias_h[units : 2 * units])
    if cell.reset_after:
        new = np.tanh(new + r * (h @ recurrent_kernel[:, 2 * units :] + bias_h[2 * units :]))
    else:
        new = np.tanh(new + (r * h) @ recurrent_kernel[:, 2 * units :])
    return 0, [z * h + (1 - z) * new]


def step_leaky(cell, x, states):
    w, u, v, back = cell.get_weights()
    m, h = states
    h = np.tanh(x @ w + h @ u + m @ back)
    return 1, [m / 2 + h @ v, h]


STEP = {"SimpleRNNCell": step_simple, "LSTMCell": step_lstm, "GRUCell": step_gru, "Leaky": step_leaky}


class Stepper:
    """Recurrent layers in NumPy, stepped one after the other, for many perturbed copies of the network at once.

    Attributes:
        sizes: {(label, kind): (batch, time, units)} of what can be perturbed, found while running.
        masks: {label: (batch, time) or None}, in the order of reading.
    """

    def __init__(self, perturbed=None, by=None):
        self.perturbed, self.by = perturbed, by  # by: (copies, batch, time, units)
        self.sizes, self.masks = {}, {}

    def bump(self, label, kind, t, like):
        self.sizes.setdefault((label, kind), [like.shape[-2], 0, like.shape[-1]])[1] = t + 1
        return self.by[:, :, t] if self.perturbed == (label, kind) else 0

    def rnn(self, layer, x, *labels, initial=None, mask=None):
        """Outputs (copies, batch, [time,] units) of a layer, and its last states; a label for each of its cells."""
        cells = getattr(layer.cell, "cells", [layer.cell])
        groups = [np.atleast_1d(cell.state_size) for cell in cells]
        if initial is None:
            initial = [np.zeros((1, len(x[0]), size)) for sizes in groups for size in sizes]
        # A masked step repeats the output; where there was none, JAX gives the initial state, TensorFlow zeros.
        last = initial[-len(groups[-1])] if keras.backend.backend() == "jax" else 0
        states, outputs = list(initial), []
        order = range(x.shape[-2])[:: -1 if layer.go_backwards else 1]
        for t, place in enumerate(order):
            given, new = x[..., place, :], []
            for label, cell, sizes in zip(labels, cells, groups, strict=True):
                mine = states[len(new) : len(new) + len(sizes)]
                # A change of c_t goes into h_t of the same step, too.
                bump = [self.bump(label, "cell", t, mine[1])] if isinstance(cell, layers.LSTMCell) else []
                hidden, after = STEP[type(cell).__name__](cell, given, mine, *bump)
                after[hidden] = after[hidden] + self.bump(label, "hidden", t, after[hidden])
                given = after[hidden] + self.bump(label, "immediate", t, after[hidden])
                new += after
            if mask is not None:
                keep = mask[:, place, None]
                new = [np.where(keep, one, before) for one, before in zip(new, states, strict=True)]
                given = np.where(keep, given, 0 * given if layer.zero_output_for_mask else last + 0 * given)
            states, last = new, given
            outputs.append(given)
        self.masks |= dict.fromkeys(labels, None if mask is None else mask[:, list(order)])
        # What is handed on as the last state counts as handed on too.
        if layer.return_state:
            place = 0
            for label, cell, sizes in zip(labels, cells, groups, strict=True):
                hidden = place + (type(cell) is Leaky)
                for sample in range(len(x[0])):
                    read = np.arange(len(order)) if mask is None else np.flatnonzero(self.masks[label][sample])
                    bump = self.bump(label, "immediate", len(order) - 1, states[hidden])
                    if not np.isscalar(bump):
                        states[hidden] = states[hidden] + 0 * bump
                        states[hidden][:, sample] += self.by[:, sample, read[-1]]
                place += len(sizes)
        outputs = np.broadcast_arrays(*outputs)  # the first ones may come before what is perturbed
        return (np.stack(outputs, axis=-2) if layer.return_sequences else last), states

    def bidirectional(self, layer, x, label, merge, mask=None):
        forward, _ = self.rnn(layer.forward_layer, x, f"{label}/forward", mask=mask)
        backward, _ = self.rnn(layer.backward_layer, x, f"{label}/backward", mask=mask)
        return merge(forward, backward[..., ::-1, :] if layer.return_sequences else backward)

    @staticmethod
    def dense(layer, x):
        kernel, bias = layer.get_weights()
        return x @ kernel + bias


def over_samples(losses):
    """Mean over everything but the copies."""
    return losses.reshape(len(losses), -1).mean(axis=1)


def mse(y, predicted):
    return over_samples((y - predicted) ** 2)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


X, Y, Y_STEPS = noise(BATCH, STEPS, FEATURES), noise(BATCH, 1, seed=1), noise(BATCH, STEPS, 1, seed=2)
# Padding in front, at the end, and a hole; nothing is masked in none of them.
MASK = np.array([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 1, 0, 1]], dtype=bool)
X_PADDED = np.where(MASK[..., None], X, 0.0)


class Case:
    """A Keras model with its batch, and the same network in NumPy.

    Attributes:
        model: Compiled, with weights that are not zero.
        x, y, weight: The batch; sample weights or None.
        network: A `Stepper` and x -> the loss of each copy (copies,).
        options: Further arguments of `gradient_flow`.
    """

    def __init__(self, model, network, y=Y, x=X, weight=None, compiled=None, **options):
        self.model, self.x, self.y, self.weight, self.network, self.options = model, x, y, weight, network, options
        model.compile(**{"optimizer": "sgd", "loss": "mse", **(compiled or {})})
        random = np.random.default_rng(7)
        model.set_weights([0.7 * random.normal(size=weight.shape) for weight in model.get_weights()])


def sequential(*stack, shape=(STEPS, FEATURES)):
    return keras.Sequential([keras.Input(shape), *stack])


CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


@case
def simple_rnn_at_every_step():
    rnn, head = TANH.SimpleRNN(4, return_sequences=True, name="rnn"), layers.Dense(1)
    return Case(sequential(rnn, head), lambda by, x: mse(Y_STEPS, by.dense(head, by.rnn(rnn, x, "rnn")[0])), Y_STEPS)


@case
def lstm_at_the_end():
    rnn, head = TANH.LSTM(4, name="rnn"), layers.Dense(1)
    return Case(sequential(rnn, head), lambda by, x: mse(Y, by.dense(head, by.rnn(rnn, x, "rnn")[0])))


@case
def grus_stacked():
    first = TANH.GRU(3, return_sequences=True, name="first", dropout=0.5, recurrent_dropout=0.5)
    second = TANH.GRU(2, reset_after=False, go_backwards=True, name="second", dropout=0.5)

    def loss(by, x):
        return mse(Y, by.rnn(second, by.rnn(first, x, "first")[0], "second")[0])

    return Case(sequential(first, layers.Dropout(0.5), second), loss)


@case
def something_between_layers():
    below = TANH.LSTM(3, return_sequences=True, go_backwards=True, name="below")
    dense = layers.Dense(2)
    above = TANH.SimpleRNN(3, name="immediate", unroll=True)

    def loss(by, x):
        return mse(Y, by.rnn(above, by.dense(dense, by.rnn(below, x, "below")[0]), "immediate")[0])

    return Case(sequential(below, layers.TimeDistributed(dense), above), loss)


@case
def bidirectional():
    first = layers.Bidirectional(TANH.LSTM(2, return_sequences=True), name="first")
    second = layers.Bidirectional(TANH.GRU(2, unroll=True), merge_mode="sum", name="second")

    def loss(by, x):
        x = by.bidirectional(first, x, "first", lambda *both: np.concatenate(np.broadcast_arrays(*both), axis=-1))
        return mse(Y, by.bidirectional(second, x, "second", np.add))

    return Case(sequential(first, second), loss)


@case
def cells():
    first = layers.RNN(Leaky(3), return_sequences=True, name="first")
    stack = layers.StackedRNNCells([TANH.LSTMCell(2), Leaky(3, name="own"), TANH.GRUCell(2)])
    second = layers.RNN(stack, name="second")

    def loss(by, x):
        x, _ = by.rnn(first, x, "first")
        return mse(Y, by.rnn(second, x, "second/lstm_cell", "second/own", "second/gru_cell")[0])

    return Case(sequential(first, second), loss)


@case
def encoder_and_decoder():
    encoder = TANH.LSTM(3, return_state=True, name="encoder")
    decoder, head = TANH.LSTM(3, return_sequences=True, name="decoder"), layers.Dense(1)
    x, after = keras.Input((STEPS, FEATURES)), keras.Input((STEPS, FEATURES))
    mask = keras.Input((STEPS,), dtype="bool")  # Keras hands a mask on to no layer that is given states.
    _, *states = encoder(x)
    outputs = ops.flip(decoder(after, initial_state=states, mask=mask), 1)  # drops the mask: all steps count

    def loss(by, x):
        _, states = by.rnn(encoder, x[0], "encoder")
        outputs, _ = by.rnn(decoder, x[1], "decoder", initial=states, mask=MASK)
        return mse(Y_STEPS, by.dense(head, outputs[..., ::-1, :]))

    return Case(keras.Model([x, after, mask], head(outputs)), loss, Y_STEPS, [X, X, MASK])


@case
def states_handed_on_under_a_mask():
    encoder = layers.RNN(
        layers.StackedRNNCells([Leaky(3, memory=3), TANH.SimpleRNNCell(3)]), return_state=True, name="encoder"
    )
    x = keras.Input((STEPS, FEATURES))
    output, (memory, hidden), simple = encoder(layers.Masking()(x))
    model = keras.Model(x, layers.Concatenate()([output, simple, memory, hidden]))

    def loss(by, x):
        output, states = by.rnn(encoder, x, "encoder/leaky", "encoder/simple_rnn_cell", mask=MASK)
        return sum(mse(0, array) for array in (output, *states)) / 4

    return Case(model, loss, np.zeros((BATCH, 12)), X_PADDED)


@case
def stateful():
    rnn = TANH.GRU(2, stateful=True, name="rnn")
    model = keras.Sequential([keras.Input(batch_shape=(BATCH, STEPS, FEATURES)), rnn])
    made = Case(model, lambda by, x: mse(Y, by.rnn(rnn, x, "rnn", initial=[start])[0]))
    start = noise(BATCH, 2, seed=5)
    rnn.states[0].assign(start)
    return made


@case
def masked():
    first = TANH.LSTM(3, return_sequences=True, name="first")
    second = TANH.SimpleRNN(2, return_sequences=True, zero_output_for_mask=True, go_backwards=True, name="second")
    third = TANH.GRU(2, name="third")
    head = layers.Dense(1)
    x = keras.Input((STEPS, FEATURES))
    mask = keras.Input((STEPS,), dtype="bool")
    h = second(first(layers.Masking()(x)))
    model = keras.Model([x, mask], [head(h), third(ops.flip(h, 1), mask=mask)])
    y, y_last = noise(BATCH, STEPS, 1, seed=3), noise(BATCH, 2, seed=4)

    def loss(by, x):
        h, _ = by.rnn(first, x[0], "first", mask=MASK)
        h, _ = by.rnn(second, h, "second", mask=MASK)
        # Keras weights a loss over steps by the mask that the outputs carry: mean over the steps that count. (This
        # mask is not flipped for a layer that goes backwards.)
        steps = (y - by.dense(head, h)) ** 2 * MASK[..., None]
        return steps.sum(axis=(1, 2, 3)) / MASK.sum() + mse(
            y_last, by.rnn(third, h[..., ::-1, :], "third", mask=MASK)[0]
        )

    return Case(model, loss, [y, y_last], [X_PADDED, MASK])


@case
def long():
    """More steps than TensorFlow writes out."""
    first = layers.RNN(layers.StackedRNNCells([Leaky(2), TANH.LSTMCell(2)]), return_sequences=True, name="first")
    second, head = TANH.GRU(2, return_sequences=True, go_backwards=True, name="second"), layers.Dense(1)
    random = np.random.default_rng(6)
    mask = random.random((2, 18)) < 0.7
    x = np.where(mask[..., None], random.normal(size=(2, 18, FEATURES)), 0.0)

    def loss(by, x):
        h, _ = by.rnn(first, x, "first/leaky", "first/lstm_cell", mask=mask)
        h, _ = by.rnn(second, h, "second", mask=mask)
        steps = by.dense(head, h) ** 2 * mask[..., None]
        return steps.sum(axis=(1, 2, 3)) / mask.sum()

    stack = sequential(layers.Masking(), first, second, head, shape=(None, FEATURES))
    return Case(stack, loss, np.zeros((2, 18, 1)), x)


@case
def embedding_with_padding():
    ids = np.array([[0, 0, 3, 1, 2], [2, 1, 1, 0, 0], [3, 0, 2, 0, 1]])
    embedding = layers.Embedding(4, 2, mask_zero=True)
    both = layers.Bidirectional(TANH.LSTM(2, return_sequences=True), merge_mode="mul", name="both")
    last = TANH.SimpleRNN(2, zero_output_for_mask=True, name="last")

    def loss(by, x):
        x = embedding.get_weights()[0][x]
        x = by.bidirectional(both, x, "both", np.multiply, mask=MASK)
        return mse(Y, by.rnn(last, x, "last", mask=MASK)[0])

    return Case(sequential(embedding, both, last, shape=(STEPS,)), loss, x=ids)


@case
def nested_and_regularized():
    below = TANH.GRU(2, return_sequences=True, kernel_regularizer="l2", name="below")
    inner = sequential(layers.BatchNormalization(name="norm"), TANH.LSTM(2, name="deep"), shape=(STEPS, 2))
    inner.name = "inner"
    x = keras.Input((STEPS, FEATURES))
    outer = keras.Model(x, inner(below(x)), name="outer")
    head = layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.25))

    def loss(by, x):
        h, _ = by.rnn(below, x, "outer/below")
        gamma, beta, mean, variance = inner.layers[0].get_weights()
        h = (h - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        h, _ = by.rnn(inner.layers[1], h, "outer/inner/deep")
        kernel = L2 * (below.get_weights()[0] ** 2).sum() + 0.25 * (head.get_weights()[0] ** 2).sum()
        return mse(Y, by.dense(head, h)) + kernel

    made = Case(sequential(outer, head), loss)
    inner.layers[0].moving_variance.assign([0.5, 2.0])
    return made


def two_heads():
    one, two = TANH.SimpleRNN(2, name="one"), TANH.LSTM(2, name="two")
    inputs = {"left": keras.Input((STEPS, FEATURES), name="left"), "right": keras.Input((4, 1), name="right")}
    first, second = layers.Dense(1, name="first"), layers.Dense(2, activation="sigmoid", name="second")
    h = layers.Add()([one(inputs["left"]), two(inputs["right"])])
    x = {"left": X, "right": noise(BATCH, 4, 1, seed=8)}
    y = {"first": Y, "second": np.array([[0.0, 1], [1, 1], [0, 0]])}

    def outputs(by, x):
        h = by.rnn(one, x["left"], "one")[0] + by.rnn(two, x["right"], "two")[0]
        return by.dense(first, h), sigmoid(by.dense(second, h))

    return inputs, {"first": first(h), "second": second(h)}, x, y, outputs


@case
def inputs_and_outputs_by_name():
    inputs, made, x, y, outputs = two_heads()

    def loss(by, x):
        first, second = outputs(by, x)
        weights = np.array([1.0, 0.0, 3.0])
        entropy = -(y["second"] * np.log(second) + (1 - y["second"]) * np.log(1 - second)).mean(axis=-1)
        return over_samples(0.5 * weights * ((Y - first) ** 2)[..., 0] + 2 * weights * entropy)

    compiled = {
        "loss": {"first": "mse", "second": keras.losses.BinaryCrossentropy()},
        "loss_weights": {"first": 0.5, "second": 2.0},
    }
    weights = dict.fromkeys(y, np.array([1.0, 0.0, 3.0]))
    return Case(keras.Model(inputs, made), loss, y, x, weights, compiled)


@case
def losses_given():
    inputs, made, x, y, outputs = two_heads()

    def loss(by, x):
        first, second = outputs(by, x)
        return mse(Y, first) + over_samples(np.abs(y["second"] - second))

    losses = {"first": "mse", "second": lambda y, predicted: ops.mean(ops.abs(y - predicted), axis=-1)}
    return Case(keras.Model(inputs, made), loss, y, x, None, {"loss": dict.fromkeys(y, "mae")}, loss=losses)


@case
def used_twice():
    shared = TANH.LSTM(2, return_sequences=True, name="shared")
    x = keras.Input((STEPS, FEATURES))
    model = keras.Model(x, shared(shared(x)))

    def loss(by, x):
        return mse(0.5, by.rnn(shared, by.rnn(shared, x, "shared")[0], "shared/use_2")[0])

    return Case(model, loss, np.full((BATCH, STEPS, 2), 0.5))


@keras.saving.register_keras_serializable("test_recurrent")
class Composite(layers.Layer):
    """A layer that holds recurrent ones."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.rnn = TANH.GRU(2, return_sequences=True)
        self.both = layers.Bidirectional(TANH.SimpleRNN(2))

    def build(self, shape):
        self.rnn.build(shape)
        self.both.build((*shape[:-1], 2))

    def call(self, x):
        return self.both(self.rnn(x))


@keras.saving.register_keras_serializable("test_recurrent")
class Subclassed(keras.Model):
    """A model that says nothing of its inputs."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.below = TANH.SimpleRNN(2, return_sequences=True, name="below")
        self.composite = Composite(name="composite")
        self.head = layers.Dense(1)

    def call(self, x):
        return self.head(self.composite(self.below(x)))


@case
def subclassed():
    model = Subclassed()
    model(X)

    def loss(by, x):
        x, _ = by.rnn(model.below, x, "below")
        x, _ = by.rnn(model.composite.rnn, x, "composite/gru")
        both = model.composite.both
        x = by.bidirectional(
            both, x, "composite/bidirectional", lambda *one: np.concatenate(np.broadcast_arrays(*one), axis=-1)
        )
        return mse(Y, by.dense(model.head, x))

    return Case(model, loss)


def finite_differences(names):
    """{case: [loss of `evaluate`, of NumPy, of the flow, {label: {kind: error}}]}; the error relative to the largest.

    Central differences of the network stepped in NumPy: each unit of each state at each step goes up and down once.
    """
    found = {}
    for name in names:
        made = CASES[name]()
        x = keras.tree.map_structure(lambda array: array[None], made.x)
        flows = recurrent.gradient_flow(made.model, made.x, made.y, raw=True, sample_weight=made.weight, **made.options)
        bare = Stepper()
        loss = float(np.squeeze(made.network(bare, x)))
        assert list(flows) == list(bare.masks), (list(flows), list(bare.masks))
        errors = {}
        for (label, kind), (batch, steps, units) in bare.sizes.items():
            size, height = batch * steps * units, 1e-5
            by = height * np.concatenate([np.eye(size), -np.eye(size)]).reshape(2 * size, batch, steps, units)
            up, down = np.split(made.network(Stepper((label, kind), by), x), 2)
            expected = ((up - down) / (2 * height)).reshape(batch, steps, units)
            got = getattr(flows[label], kind)
            assert got.dtype == "float64", got.dtype
            mask = bare.masks[label]
            mask = np.ones((batch, steps), dtype=bool) if mask is None else mask
            assert np.array_equal(np.isnan(got), np.repeat(~mask[..., None], units, axis=-1))
            assert not np.any(expected[~mask]), "what a masked step computes must not count"
            errors.setdefault(label, {})[kind] = np.abs(got - expected)[mask].max() / np.abs(expected).max()
        for label, flow in flows.items():
            assert (flow.cell is not None) == ("cell" in errors[label])
        keras_loss = None
        if "loss" not in made.options:
            keras_loss = made.model.evaluate(made.x, made.y, sample_weight=made.weight, batch_size=BATCH, verbose=0)
            keras_loss = keras_loss[0] if isinstance(keras_loss, list) else keras_loss
        found[name] = [keras_loss, loss, flows[label].loss, errors]
    return found


@pytest.fixture(scope="session")
def differences(run_python):
    program = f"""
        import sys, json, keras
        sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
        keras.config.set_floatx("float64")
        import test_recurrent
        print("RESULT", json.dumps(test_recurrent.finite_differences(test_recurrent.CASES)))
    """
    printed = run_python(program, JAX_ENABLE_X64="1", JAX_DISABLE_MOST_OPTIMIZATIONS="1")
    return json.loads(printed.split("RESULT")[-1])


@pytest.mark.parametrize("name", CASES)
def test_flow_is_the_gradient(differences, name):
    keras_loss, loss, flow_loss, errors = differences[name]
    # (Keras rounds a mean to float32: on JAX, and where some of its versions weight it.)
    assert flow_loss == pytest.approx(loss, rel=1e-6)
    if keras_loss is not None:
        assert flow_loss == pytest.approx(keras_loss, rel=1e-12)
    for label, kinds in errors.items():
        for kind, error in kinds.items():
            assert error < 1e-4, (label, kind)


def test_an_activity_regularizer_is_part_of_the_loss():
    """Versions of Keras differ in what they divide it by, so that Keras' own loss is what it is held against."""
    model = sequential(layers.GRU(2, activity_regularizer="l2"), layers.Dense(1))
    model.compile("sgd", "mse")
    x, y = noise32(BATCH, STEPS, FEATURES), noise32(BATCH, 1)
    without = float(np.mean((ops.convert_to_numpy(model(x)) - y) ** 2))
    loss = recurrent.gradient_flow(model, x, y)["gru"].loss
    assert loss == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-6)
    assert loss > without


def noise32(*shape, seed=0, scale=1.0):
    return (scale * noise(*shape, seed=seed)).astype("float32")


def randomize(model, scale=0.7):
    """Weights far from zero and from each other."""
    for number, weight in enumerate(model.trainable_variables):
        weight.assign(noise32(*weight.shape, seed=number, scale=scale))
    return model


def gradient(function, array):
    """The gradient of a function of one array, by the backend itself."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        array = tf.constant(array)
        with tf.GradientTape() as tape:
            tape.watch(array)
            value = function(array)
        return tape.gradient(value, array).numpy()
    import jax

    return np.asarray(jax.jit(jax.grad(function))(array))


def outputs_of(model, chosen, x):
    """{name: output} of layers, as Keras computes it."""
    outputs = keras.Model(model.inputs, [layer.output for layer in chosen]).predict(x, verbose=0)
    return dict(zip([layer.name for layer in chosen], outputs, strict=True))


def shares(values, condition):
    """Share of the values that are not NaN for which a condition holds."""
    values = values[~np.isnan(values)].astype("float64")
    return condition(values).mean()


@pytest.fixture(scope="module")
def stack():
    """Every cell of Keras in one model, its batch, and what each layer reads and gives."""
    model = sequential(
        layers.LSTM(3, return_sequences=True, name="lstm"),
        layers.GRU(2, return_sequences=True, go_backwards=True, name="gru"),
        layers.GRU(3, return_sequences=True, reset_after=False, use_bias=False, name="old_gru"),
        layers.LSTM(2, return_sequences=True, implementation=1, recurrent_activation="hard_sigmoid", name="hard"),
        layers.SimpleRNN(2, name="simple"),
        layers.Dense(1, name="head"),
        shape=(3, FEATURES),
    )
    model.compile("sgd", "mse")
    randomize(model, scale=2.0)
    x, y = noise32(4, 3, FEATURES), noise32(4, 1, seed=1)
    given = outputs_of(model, model.layers[:4], x)
    return model, x, y, dict(zip(given, [x, *given.values()], strict=False)), given


@pytest.fixture(scope="module")
def traces(stack):
    model, x, *_ = stack
    return recurrent.trace(model, x)


def test_trace_is_what_the_layers_give(stack, traces):
    model, *_, given = stack
    assert list(traces) == ["lstm", "gru", "old_gru", "hard", "simple"]
    for name, outputs in given.items():
        np.testing.assert_allclose(traces[name].hidden, outputs, atol=1e-5)
        assert traces[name].hidden.dtype == "float32"
        assert (traces[name].cell is None) == (name not in ("lstm", "hard"))
    simple = keras.layers.SimpleRNN(2, return_sequences=True)
    simple.build(given["hard"].shape)
    simple.set_weights(model.get_layer("simple").get_weights())
    np.testing.assert_allclose(traces["simple"].hidden, ops.convert_to_numpy(simple(given["hard"])), atol=1e-5)
    assert traces["simple"].gates == {}


def shifted(states):
    """What each step starts from."""
    return np.concatenate([np.zeros_like(states[:, :1]), states[:, :-1]], axis=1)


def hard_sigmoid(x):
    return np.clip(x / 6 + 0.5, 0, 1)


def test_gates_replay_to_the_states(stack, traces):
    model, _, _, read, given = stack
    for name, squash in (("lstm", sigmoid), ("hard", hard_sigmoid)):
        found, cell = traces[name], model.get_layer(name).cell
        kernel, recurrent_kernel, bias = cell.get_weights()
        both = read[name] @ kernel + shifted(given[name]) @ recurrent_kernel + bias
        assert list(found.gates) == ["input", "forget", "candidate", "output"]
        for gate, values in zip(found.gates, np.split(both, 4, axis=-1), strict=True):
            expected = np.tanh(values) if gate == "candidate" else squash(values)
            np.testing.assert_allclose(found.gates[gate], expected, atol=1e-5)
        c = 0
        for t in range(3):
            at = {gate: values[:, t] for gate, values in found.gates.items()}
            c = at["forget"] * c + at["input"] * at["candidate"]
            np.testing.assert_allclose(found.cell[:, t], c, atol=1e-5)
            np.testing.assert_allclose(found.hidden[:, t], at["output"] * np.tanh(c), atol=1e-5)

    for name in ("gru", "old_gru"):
        found, cell = traces[name], model.get_layer(name).cell
        kernel, recurrent_kernel, *bias = cell.get_weights()
        inputs = read[name][:, ::-1] if name == "gru" else read[name]
        bias_x, bias_h = bias[0] if bias else (0, np.zeros(9))
        h, units = shifted(given[name]), cell.units
        z, r, new = np.split(inputs @ kernel + bias_x, 3, axis=-1)
        z = sigmoid(z + h @ recurrent_kernel[:, :units] + bias_h[:units])
        r = sigmoid(r + h @ recurrent_kernel[:, units : 2 * units] + bias_h[units : 2 * units])
        last = recurrent_kernel[:, 2 * units :]
        new = np.tanh(new + (r * (h @ last + bias_h[2 * units :]) if name == "gru" else (r * h) @ last))
        assert list(found.gates) == ["update", "reset", "candidate"]
        for gate, expected in zip(found.gates, (z, r, new), strict=True):
            np.testing.assert_allclose(found.gates[gate], expected, atol=1e-5)
        np.testing.assert_allclose(z * h + (1 - z) * new, found.hidden, atol=1e-5)


def test_what_goes_into_the_gates(stack, traces):
    model, x, *_ = stack
    before = recurrent.trace(model, x, preactivation=True)
    for name, found in traces.items():
        squash = hard_sigmoid if name == "hard" else sigmoid
        assert list(before[name].gates) == list(found.gates)
        for gate, values in found.gates.items():
            activation = np.tanh if gate == "candidate" else squash
            np.testing.assert_allclose(activation(before[name].gates[gate]), values, atol=1e-5)
            assert not np.allclose(before[name].gates[gate], values)
        np.testing.assert_array_equal(before[name].hidden, found.hidden)
        assert before[name].saturation == found.saturation


def test_saturation(traces):
    for name, found in traces.items():
        expected = {
            gate: shares(
                values, (lambda v: abs(v) > 0.95) if gate == "candidate" else lambda v: (v < 0.05) | (v > 0.95)
            )
            for gate, values in found.gates.items()
        }
        if name == "simple":
            expected = {"hidden": shares(found.hidden, lambda v: abs(v) > 0.95)}
        assert found.saturation == pytest.approx(expected, abs=1e-6)
    assert 0 < traces["lstm"].saturation["candidate"] < 1, "nothing to see"


def test_saturation_is_not_known_where_a_value_is_not():
    """Most of a broken network's gates may still be open; a masked step has no values."""
    model = sequential(layers.Masking(), layers.LSTM(2, name="known"), layers.Dense(1))
    cell = model.get_layer("known").cell
    randomize(model, 3.0)
    x = noise32(BATCH, STEPS, FEATURES)
    x[0, 3:] = 0  # masked
    whole = recurrent.trace(model, x)["known"]
    bias = ops.convert_to_numpy(cell.bias)
    bias[2] = np.nan  # the first unit's forget gate, and with it all that comes later
    cell.bias.assign(bias)
    broken = recurrent.trace(model, x)["known"]
    for gate, values in broken.gates.items():
        assert np.isnan(values).sum() > np.isnan(whole.gates[gate]).sum()
        assert np.isfinite(values).any()
        assert np.isnan(broken.saturation[gate])
        assert np.isfinite(whole.saturation[gate])
    cell.bias.assign(np.full_like(bias, np.nan))
    assert all(np.isnan(share) for share in recurrent.trace(model, x)["known"].saturation.values())


def test_flow_of_every_layer(stack):
    """Norms against the raw gradients; the part from above against the backend's gradient of the layer's output."""
    model, x, y, _, given = stack
    raw = recurrent.gradient_flow(model, x, y, raw=True)
    flows = recurrent.gradient_flow(model, x, y)
    assert list(flows) == list(raw) == ["lstm", "gru", "old_gru", "hard", "simple"]
    for name, flow in flows.items():
        assert flow.loss == raw[name].loss == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-6)
        for kind in ("hidden", "cell", "immediate"):
            if getattr(flow, kind) is None:
                assert kind == "cell"
                assert getattr(raw[name], kind) is None
                continue
            norms = np.linalg.norm(getattr(raw[name], kind), axis=-1).mean(axis=0)
            np.testing.assert_allclose(getattr(flow, kind), norms, rtol=1e-5)
        # At the last step there is no later one; before it, an only output at the end brings nothing from above.
        np.testing.assert_allclose(raw[name].hidden[:, -1], raw[name].immediate[:, -1], rtol=1e-5)
    assert not raw["simple"].immediate[:, :-1].any()

    def rest(outputs):
        for layer in model.layers[2:]:
            outputs = layer(outputs)
        return ops.mean((outputs - y) ** 2)

    np.testing.assert_allclose(raw["gru"].immediate, gradient(rest, given["gru"]), rtol=1e-3, atol=1e-7)


def test_look_is_both(stack, traces):
    model, x, y, *_ = stack
    flows = recurrent.gradient_flow(model, x, y)
    looks = recurrent.look(model, x, y)
    bare = recurrent.look(model, x, flow=False)
    assert list(looks) == list(bare) == list(traces)
    for name, look in looks.items():
        for kind in ("hidden", "cell", "immediate"):
            expected = getattr(flows[name], kind)
            assert (getattr(look.flow, kind) is None) == (expected is None)
            if expected is not None:
                np.testing.assert_allclose(getattr(look.flow, kind), expected, rtol=1e-5)
        assert look.flow.loss == pytest.approx(flows[name].loss)
        assert bare[name].flow is None
        for one in (look, bare[name]):
            states = {"hidden": traces[name].hidden, "cell": traces[name].cell}
            assert list(one.states) == [kind for kind, values in states.items() if values is not None]
            for kind, values in one.states.items():
                np.testing.assert_allclose(values, states[kind][0].T, atol=1e-6)
            assert list(one.gates) == list(traces[name].gates)
            for gate, values in one.gates.items():
                np.testing.assert_allclose(values, traces[name].gates[gate][0].T, atol=1e-6)
            assert one.saturation == pytest.approx(traces[name].saturation)


class KeptLSTMCell(layers.LSTMCell):
    """A subclass that computes the same."""


class ChangedLSTMCell(layers.LSTMCell):
    """A subclass that does not."""

    def call(self, inputs, states, training=False):
        h, (_, c) = super().call(inputs, states, training=training)
        h = h / 2
        return h, [h, c]


class ResidualCells(layers.StackedRNNCells):
    """A stack that is not one cell after the other."""

    def call(self, inputs, states, training=False, **kwargs):
        _, states = super().call(inputs, states, training=training, **kwargs)
        states[-1][0] = states[-1][0] + inputs
        return states[-1][0], states


def test_masks_directions_and_cells_of_others():
    stacked = ResidualCells([KeptLSTMCell(2), layers.SimpleRNNCell(2)])
    model = sequential(
        layers.Masking(),
        layers.Bidirectional(layers.GRU(1, return_sequences=True), name="both"),
        layers.RNN(KeptLSTMCell(2), return_sequences=True, name="kept"),
        layers.RNN(ChangedLSTMCell(2), return_sequences=True, name="changed"),
        layers.RNN([Leaky(2), layers.GRUCell(2, name="top")], return_sequences=True, name="cells"),
        layers.RNN(stacked, return_sequences=True, name="residual"),
    )
    randomize(model)
    x = X_PADDED.astype("float32")
    given = outputs_of(model, model.layers[1:], x)
    found = recurrent.trace(model, x)
    names = ["both/forward", "both/backward", "kept", "changed", "cells/leaky", "cells/top", "residual"]
    assert list(found) == names == list(recurrent.layers(model))
    backward = MASK[:, ::-1]
    for name, expected, mask in (
        ("both/forward", given["both"][..., :1], MASK),
        ("both/backward", given["both"][:, ::-1, 1:], backward),
        ("kept", given["kept"], MASK),
        ("changed", given["changed"], MASK),
        ("cells/top", given["cells"], MASK),
        ("residual", given["residual"], MASK),
    ):
        hidden = found[name].hidden
        np.testing.assert_array_equal(np.isnan(hidden), np.repeat(~mask[..., None], hidden.shape[-1], axis=-1))
        np.testing.assert_allclose(hidden[mask], expected[mask], atol=1e-5)
        for values in found[name].gates.values():
            np.testing.assert_array_equal(np.isnan(values).any(axis=-1), ~mask)
    assert list(found["kept"].gates) == ["input", "forget", "candidate", "output"]
    kept = found["kept"]
    np.testing.assert_allclose(kept.gates["output"] * np.tanh(kept.cell), kept.hidden, atol=1e-5)
    assert kept.saturation["forget"] == pytest.approx(shares(kept.gates["forget"], lambda v: (v < 0.05) | (v > 0.95)))
    # What a cell of somebody else does inside is not known; that it has a cell state is.
    assert found["changed"].gates == {} == found["changed"].saturation
    assert found["changed"].cell.shape == found["changed"].hidden.shape
    assert found["cells/leaky"].gates == {}
    assert found["cells/leaky"].cell is None
    assert list(found["cells/top"].gates) == ["update", "reset", "candidate"]
    assert found["residual"].gates == {}
    assert isinstance(recurrent.layers(model)["cells/leaky"], Leaky)
    assert recurrent.layers(model)["both/backward"] is model.get_layer("both").backward_layer


def test_a_step_that_nobody_reads_is_missing():
    """Masked for one sample, it is left out of the mean; masked for all, there is none."""
    model = sequential(layers.Masking(), layers.SimpleRNN(2, name="rnn"), layers.Dense(1))
    model.compile("sgd", "mse")
    randomize(model)
    x = X_PADDED.astype("float32")
    x[:, 1] = 0
    mask = MASK & (np.arange(STEPS) != 1)
    raw = recurrent.gradient_flow(model, x, Y, raw=True)["rnn"]
    flow = recurrent.gradient_flow(model, x, Y)["rnn"]
    np.testing.assert_array_equal(np.isnan(raw.hidden).all(axis=-1), ~mask)
    norms = np.linalg.norm(raw.hidden, axis=-1)
    expected = [norms[mask[:, t], t].mean() if mask[:, t].any() else np.nan for t in range(STEPS)]
    np.testing.assert_allclose(flow.hidden, expected, rtol=1e-5)
    assert np.isnan(flow.hidden[1])
    trace = recurrent.trace(model, np.zeros_like(x))["rnn"]
    assert np.isnan(trace.hidden).all()
    assert np.isnan(trace.saturation["hidden"])


# --- Looking changes nothing


RUNS = []


@keras.saving.register_keras_serializable("test_recurrent")
class Noisy(layers.Layer):
    """Adds to the loss, counts how often its Python runs, and raises where told to."""

    def call(self, x):
        RUNS.append(self.name)
        if self.name in FAILING:
            raise RuntimeError("in the middle")
        self.add_loss(0.1 * ops.mean(x**2))
        return x


FAILING = set()


def watched_model():
    keras.utils.set_random_seed(3)
    x = keras.Input(batch_shape=(6, 4, 2))
    h = layers.BatchNormalization()(layers.Dropout(0.3)(x))
    h = layers.LSTM(3, stateful=True, dropout=0.3, recurrent_dropout=0.2, name="lstm")(h)
    h = Noisy(name="noisy")(h)
    model = keras.Model(x, [layers.Dense(1, name="one")(h), layers.Dense(2, kernel_regularizer="l2", name="two")(h)])
    # (XLA takes long.)
    jit_compile = keras.backend.backend() == "jax"
    model.compile("adam", ["mse", "mae"], metrics=[["mae"], ["mse"]], jit_compile=jit_compile)
    return model


def state(model):
    """All of a model that training reads, and what its objects hold besides."""

    def values(variables):
        return [(v.name, ops.convert_to_numpy(v.value).tobytes()) for v in variables]

    def attributes(thing):
        return {key: id(value) for key, value in vars(thing).items()}

    loss = model._compile_loss
    return [
        values(model.variables),
        values(model.optimizer.variables),
        values(model.metrics_variables),
        [metric.name for metric in model.metrics],
        {layer.name: attributes(layer) for layer in model._flatten_layers()},
        attributes(loss),
        [id(loss) for layer in model._flatten_layers() for loss in layer._losses],
    ]


def test_looking_changes_nothing(tmp_path):
    x, y = noise32(24, 4, 2), [noise32(24, 1, seed=1), noise32(24, 2, seed=2)]
    probe = x[:6], [one[:6] for one in y]

    def train(model):
        return model.fit(x, y, batch_size=6, epochs=1, verbose=0, shuffle=False).history

    def look(model):
        before = state(model)
        recurrent.trace(model, probe[0])
        assert state(model) == before
        flow = recurrent.gradient_flow(model, *probe)
        assert state(model) == before
        recurrent.look(model, *probe)
        FAILING.add("noisy")
        for call in (
            lambda: recurrent.gradient_flow(model, *probe, raw=True),
            lambda: recurrent.trace(model, probe[0], preactivation=True),
        ):
            with pytest.raises(RuntimeError, match="in the middle"):
                call()
        FAILING.clear()
        assert state(model) == before
        return flow

    watched, alone = watched_model(), watched_model()
    look(watched)  # before Keras has built its losses and metrics
    for _ in range(2):
        assert train(watched) == train(alone)
        model_loss = look(watched)["lstm"].loss
    variables = [[*model.variables, *model.optimizer.variables] for model in (watched, alone)]
    for one, other in zip(*variables, strict=True):
        assert ops.convert_to_numpy(one.value).tobytes() == ops.convert_to_numpy(other.value).tobytes(), one.path
    # (evaluate moves the states on, so that it comes last)
    assert model_loss == pytest.approx(watched.evaluate(*probe, batch_size=6, verbose=0)[0], rel=1e-6)

    watched.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    again = pickle.loads(pickle.dumps(watched))
    for one in (loaded, again):
        assert [w.tobytes() for w in one.get_weights()] == [w.tobytes() for w in watched.get_weights()]


def test_losses_that_were_added_before_stay():
    """A training loop by hand may look between its own call of the model and its use of `model.losses`."""
    model = sequential(layers.SimpleRNN(2), Noisy(name="added"), shape=(4, 2))
    model.compile("sgd", "mse")
    model(noise32(3, 4, 2))
    before = [float(loss) for loss in model.losses]
    assert len(before) == 1
    recurrent.look(model, noise32(3, 4, 2, seed=1), np.zeros((3, 2)))
    assert [float(loss) for loss in model.losses] == before


def test_a_bidirectional_layer_that_cudnn_would_run_at_once(monkeypatch):
    def fused(*_):
        raise AssertionError("not stepped")

    model = sequential(layers.Bidirectional(layers.LSTM(2), name="both"), shape=(4, 2))
    before = dict(vars(model.get_layer("both").forward_layer))
    monkeypatch.setattr(layers.Bidirectional, "_call_fused_lstm", fused, raising=False)  # not in every Keras
    assert list(recurrent.trace(model, noise32(3, 4, 2))) == ["both/forward", "both/backward"]
    assert vars(model.get_layer("both").forward_layer) == before


# --- Compiled once


def test_compiled_once_for_each_shape_and_loss():
    model = sequential(layers.LSTM(2, name="rnn"), Noisy(name="once"), layers.Dense(1), shape=(None, 2))
    model.compile("sgd", "mse")
    x, y = noise32(3, 4, 2), noise32(3, 1, seed=1)

    def runs(call, *arguments, **more):
        RUNS.clear()
        flow = call(model, *arguments, **more)["rnn"]
        return bool(RUNS), flow

    def loss(x, y):
        return pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-6)

    ran, first = runs(recurrent.gradient_flow, x, y)
    assert ran
    assert first.loss == loss(x, y)
    randomize(model)
    other = noise32(3, 4, 2, seed=5)
    ran, flow = runs(recurrent.gradient_flow, other, y)
    assert not ran
    assert flow.loss == loss(other, y) != first.loss
    longer = noise32(3, 6, 2)
    ran, flow = runs(recurrent.gradient_flow, longer, y)
    assert ran
    assert len(flow.hidden) == 6
    assert not runs(recurrent.gradient_flow, x, y)[0]

    model.compile("sgd", "mae")
    ran, flow = runs(recurrent.gradient_flow, x, y)
    assert ran
    assert flow.loss == loss(x, y)

    # What a trace shows belongs to the weights as they are now.
    ran, before = runs(recurrent.trace, x)
    assert ran
    randomize(model, scale=2.0)
    ran, after = runs(recurrent.trace, x)
    assert not ran
    np.testing.assert_allclose(after.gates["output"] * np.tanh(after.cell), after.hidden, atol=1e-5)
    assert not np.allclose(before.gates["forget"], after.gates["forget"])


def test_a_model_that_grows():
    model = sequential(layers.SimpleRNN(2, return_sequences=True, name="one"), shape=(3, 1))
    x = noise32(2, 3, 1)
    assert list(recurrent.trace(model, x)) == ["one"]
    model.add(layers.GRU(2, name="two"))
    assert list(recurrent.trace(model, x)) == ["one", "two"]
    model.pop()
    assert list(recurrent.trace(model, x)) == ["one"]


def test_losses_made_anew_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(compiling, "_KEPT", 3)
    model = sequential(layers.SimpleRNN(1, name="rnn"), Noisy(name="counted"), shape=(2, 1))
    x, y = noise32(2, 2, 1), noise32(2, 1)

    def kept(y, predicted):
        return ops.mean(ops.abs(y - predicted), axis=-1)

    assert recurrent.gradient_flow(model, x, y, loss=kept)["rnn"].loss > 0
    for factor in range(4):
        flow = recurrent.gradient_flow(
            model, x, y, loss=lambda y, p, factor=factor: factor * ops.mean((y - p) ** 2, axis=-1)
        )
        bare = recurrent.gradient_flow(model, x, y, loss=keras.losses.MeanSquaredError())
        assert flow["rnn"].loss == pytest.approx(factor * bare["rnn"].loss)
        RUNS.clear()
        recurrent.gradient_flow(model, x, y, loss=kept)
        assert not RUNS, "what is used stays"
    assert len(compiling._compiled[model]) <= 3


def test_a_model_dies_with_its_last_name():
    def look():
        model = sequential(
            layers.LSTM(1, dropout=0.5, return_sequences=True), layers.RNN([layers.GRUCell(1)]), shape=(2, 1)
        )
        model.extra = layers.Dense(1)
        # A loss that knows its model, as that of a physical model does.
        model.compile(
            "sgd",
            lambda y, predicted: ops.mean((y - predicted) ** 2) + ops.sum(model.get_layer(index=0).weights[0] ** 2),
        )
        x, y = noise32(2, 2, 1), noise32(2, 1)
        recurrent.look(model, x, y)
        recurrent.trace(model, x)
        recurrent.gradient_flow(
            model, x, y, loss=lambda y, predicted: ops.mean(model.layers[0].weights[0]) * (y - predicted)
        )
        return weakref.ref(model)

    gc.collect()
    before = len(compiling._compiled)
    reference = look()
    gc.collect()
    assert reference() is None
    assert len(compiling._compiled) == before


def test_first_long_call_says_so(monkeypatch, capsys):
    model = sequential(layers.SimpleRNN(1), shape=(2, 1))
    model.name = "slow"
    monkeypatch.setattr(compiling, "_LONG", 0.0)
    recurrent.trace(model, noise32(2, 2, 1))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("recurrent: the first look at slow took")
    recurrent.trace(model, noise32(2, 2, 1))
    assert not capsys.readouterr().out


# --- What cannot be done


def good():
    model = sequential(layers.SimpleRNN(2, name="rnn"), layers.Dense(1))
    model.compile("sgd", "mse")
    return model


def several():
    left, right = keras.Input((4, 2), name="left"), keras.Input((3, 1), name="right")
    h = layers.Add()([layers.SimpleRNN(2)(left), layers.SimpleRNN(2)(right)])
    model = keras.Model([left, right], h)
    model.compile("sgd", "mse")
    return model


def by_key():
    first, second = keras.Input((4, 2), name="a"), keras.Input((4, 2), name="c")
    h = layers.SimpleRNN(2)(layers.Add()([first, second]))
    model = keras.Model({"a": first, "b": {"c": second}}, h)
    model.compile("sgd", "mse")
    return model


class Foreign:
    def __array__(self, *_, **__):
        raise RuntimeError("not on this device")


def changed(index, value):
    x = X.copy()
    x[index] = value
    return x


GOOD = np.zeros((BATCH, 4, 2)), np.zeros((BATCH, 3, 1))


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (lambda: "model", (X, Y), "model must be a keras.Model, received str"),
        (lambda: keras.Sequential([layers.LSTM(2)]), (X, Y), "model must be built"),
        (
            lambda: sequential(layers.Dense(2)),
            (X, Y),
            "model must have a recurrent layer .* received 'sequential.*' with",
        ),
        (lambda: sequential(layers.LSTM(2)), (X, Y), "model must be compiled with a loss, received 'sequential"),
        (good, (X[0], Y), r"x must have the shape \(batch, 5, 2\), received \(5, 2\)"),
        (good, (X[..., :1], Y), r"x must have the shape \(batch, 5, 2\), received \(3, 5, 1\)"),
        (good, (X[:, :4], Y), r"x must have the shape \(batch, 5, 2\), received \(3, 4, 2\)"),
        (good, (X[:0], Y), r"x must hold at least one sample, received shape \(0, 5, 2\)"),
        (good, (3.0, Y), r"x must hold at least one sample, received shape \(\)"),
        (good, ([], Y), r"x must hold at least one sample, received shape \(0,\)"),
        (good, (None, Y), "x must be an array of numbers, received dtype object"),
        (good, ([[1, 2], [3]], Y), "x must be an array of numbers, received one that is none"),
        (good, (np.full(X.shape, "a"), Y), "x must be an array of numbers, received dtype <U1"),
        (good, (np.full(X.shape, None), Y), "x must be an array of numbers, received dtype object"),
        (good, (changed((0, 1, 0), np.nan), Y), "x must be finite, received 1 of 30 values NaN or infinite"),
        (good, (changed(0, np.inf), Y), "x must be finite, received 10 of 30"),
        (good, ([X, X], Y), "x must hold 1 arrays, one an input of the model, received 2"),
        (good, (X, None), "y must hold the targets that belong to x, received None"),
        (good, (X, Y[:2]), r"y must have 3 samples like x, received shape \(2, 1\)"),
        (good, (X, changed(0, np.nan)), "y must be finite, received 10 of 30"),
        (good, (X, Y, np.ones(2)), r"sample_weight must have 3 samples like x, received shape \(2,\)"),
        (several, (GOOD[0], Y), "x must hold 2 arrays, one an input of the model, received 1"),
        (several, (GOOD[::-1], Y), r"x\[0\] must have the shape \(batch, 4, 2\), received \(3, 3, 1\)"),
        (
            several,
            ((GOOD[0], GOOD[1][:2]), Y),
            r"x must have the same number of samples in each array, received \[2, 3\]",
        ),
        (
            several,
            ({"left": GOOD[0], "wrong": GOOD[1]}, Y),
            r"x must have the keys \['left', 'right'\], .* \['left', 'wr",
        ),
        (several, ({"left": GOOD[0], 1: GOOD[1]}, Y), r"x must have the keys \['left', 'right'\], .* \['1', 'left'\]"),
        (
            several,
            ({"left": {"deep": [GOOD[0]] * 2}, "right": GOOD[1]}, Y),
            r"x\['left'\] must hold 1 arrays like the model's input, received 2",
        ),
        (several, ({"left": None, "right": None}, Y), "x must hold at least one array, received None for each"),
        (
            by_key,
            ({"first": GOOD[0], "second": GOOD[0]}, Y),
            r"x must have the keys \['a', 'b'\], the inputs of the mo",
        ),
        (by_key, ({"a": GOOD[0], "b": {"c": GOOD[1]}}, Y), r"x\['b'\] must have the shape \(batch, 4, 2\), received"),
        (good, (Foreign(), Y), "x must be an array of numbers, received one that is none: not on this device"),
        (good, (X, Foreign()), "y must be an array of numbers, received one that is none: not on this device"),
        (
            several,
            ({"left": GOOD[1], "right": GOOD[1]}, Y),
            r"x\['left'\] must have the shape \(batch, 4, 2\), received",
        ),
    ],
)
def test_wrong_arguments(build, arguments, message, monkeypatch):
    def compute(*_, **__):
        raise AssertionError("something was computed")

    model = build()
    monkeypatch.setattr(compiling, "run", compute)
    for call in (recurrent.gradient_flow, recurrent.look):
        with pytest.raises(ValueError, match=rf"^{message}"):
            call(model, *arguments[:2], sample_weight=arguments[2] if len(arguments) > 2 else None)
    if message.startswith(("x", "model must be a", "model must be built", "model must have")):
        with pytest.raises(ValueError, match=rf"^{message}"):
            recurrent.trace(model, arguments[0])


def test_wrong_arguments_besides(monkeypatch):
    model = good()
    with pytest.raises(ValueError, match=r"^raw must be True or False, received 'yes'"):
        recurrent.gradient_flow(model, X, Y, raw="yes")
    with pytest.raises(ValueError, match=r"^preactivation must be True or False, received 1"):
        recurrent.trace(model, X, preactivation=1)
    with pytest.raises(ValueError, match=r"^y must hold the targets"):
        recurrent.gradient_flow(model, X, None, loss="mse")
    model = sequential(layers.SimpleRNN(2, name="rnn"), layers.Dense(1))
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"^model must be compiled with a loss, or the argument loss be given"):
        recurrent.gradient_flow(model, X, Y)
    assert recurrent.gradient_flow(model, X, Y, loss="mse")["rnn"].loss > 0


def test_several_inputs_as_keras_takes_them(recwarn):
    model = several()
    x = noise32(BATCH, 4, 2), noise32(BATCH, 3, 1)
    for taken in (x, list(x), {"right": x[1], "left": x[0]}):
        flow = recurrent.gradient_flow(model, taken, np.zeros((BATCH, 2)))
        assert flow["simple_rnn"].loss == pytest.approx(model.evaluate(x, np.zeros((BATCH, 2)), verbose=0), rel=1e-6)


def test_inputs_by_the_keys_of_the_model():
    model = by_key()
    x = {"a": noise32(BATCH, 4, 2), "b": {"c": noise32(BATCH, 4, 2, seed=1)}}
    hidden = recurrent.trace(model, x)["simple_rnn"].hidden
    np.testing.assert_allclose(hidden[:, -1], model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_arrays_of_all_kinds():
    model = sequential(layers.Embedding(4, 2), layers.SimpleRNN(2, name="rnn"), layers.Dense(1), shape=(3,))
    model.compile("sgd", "mse")
    ids, y = [[0, 1, 2], [3, 3, 1]], [0.5, -1]
    expected = model.evaluate(np.array(ids), np.array(y), verbose=0)
    for x in (ids, tuple(map(tuple, ids)), np.array(ids), np.array(ids, "uint8"), np.array(ids, "float64")):
        assert recurrent.gradient_flow(model, x, y)["rnn"].loss == pytest.approx(expected, rel=1e-6)
    frame, series = pandas.DataFrame(ids, columns=list("abc")), pandas.Series(y)
    assert recurrent.gradient_flow(model, frame, series)["rnn"].loss == pytest.approx(expected, rel=1e-6)
    assert recurrent.trace(model, ops.convert_to_tensor(np.array(ids)))["rnn"].hidden.shape == (2, 3, 2)


def test_a_last_axis_of_one_may_be_left_out():
    """Keras adds it."""
    model = sequential(layers.SimpleRNN(2, name="rnn"), layers.Dense(1), shape=(STEPS, 1))
    model.compile("sgd", "mse")
    x, y = noise32(BATCH, STEPS), noise32(BATCH, 1)
    flow = recurrent.gradient_flow(model, x, y)["rnn"]
    assert flow.loss == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-6)
    np.testing.assert_array_equal(flow.hidden, recurrent.gradient_flow(model, x[..., None], y)["rnn"].hidden)


class OwnLoop(layers.SimpleRNN):
    def inner_loop(self, sequences, initial_state, mask, training=False):
        last, outputs, states = super().inner_loop(sequences, initial_state, mask, training=training)
        return last / 2, outputs / 2, states


class OwnCall(layers.SimpleRNN):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        return ops.mean(sequences, axis=1)


class OtherOutput(layers.SimpleRNNCell):
    """Hands on what is not its state."""

    def call(self, sequence, states, training=False):
        output, states = super().call(sequence, states, training=training)
        return 2 * output, states


class InALoop(layers.Layer):
    """Runs a layer inside of a loop of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.rnn = layers.SimpleRNN(2)

    def build(self, shape):
        self.rnn.build(shape)

    def call(self, x):
        return ops.scan(lambda carry, _: (self.rnn(x) + carry,) * 2, ops.zeros((3, 2)), ops.zeros((2, 1)))[0]

    def compute_output_shape(self, shape):
        return shape[0], 2


def test_what_cannot_be_followed(recorded_warnings):
    x = keras.Input((STEPS, FEATURES))
    lines = [
        layers.LSTM(2, name="good")(x),
        OwnLoop(2, name="own_loop")(x),
        OwnCall(2, name="own_call")(x),
        layers.RNN(OtherOutput(2), name="other")(x),
        InALoop(name="in_a_loop")(x),
        layers.Flatten()(
            layers.TimeDistributed(layers.SimpleRNN(1), name="apart")(layers.Reshape((STEPS, FEATURES, 1))(x))
        ),
        layers.Flatten()(layers.ConvLSTM1D(1, 1, name="conv")(layers.Reshape((STEPS, FEATURES, 1))(x))),
    ]
    model = keras.Model(x, layers.Dense(1)(layers.Concatenate()(lines)))
    model.compile("sgd", "mse")
    batch = X.astype("float32")
    assert not any(name.startswith("apart") for name in recurrent.layers(model))
    with recorded_warnings() as caught:
        flows = recurrent.gradient_flow(model, batch, Y)
    told = sorted(str(warning.message) for warning in caught)
    assert {warning.category for warning in caught} == {RuntimeWarning}
    assert [text.split(":")[0] for text in told] == [
        "apart is not looked into",
        "conv is not looked into",
        "in_a_loop/simple_rnn is not looked into",
        "other has no gradient through time",
        "own_call is not looked into",
        "own_loop is not looked into",
    ]
    assert all(warning.filename == __file__ for warning in caught)
    assert list(flows) == ["good"]
    assert flows["good"].loss == pytest.approx(model.evaluate(batch, Y, verbose=0), rel=1e-6)
    with recorded_warnings() as caught:
        recurrent.gradient_flow(model, batch, Y)
    assert not caught
    with recorded_warnings() as caught:
        looks = recurrent.look(model, batch, Y)
    assert len(caught) == 6
    assert set(looks) == {"good", "other"}
    assert looks["other"].flow is None
    assert looks["other"].states["hidden"].shape == (2, STEPS)
    assert looks["good"].flow is not None


# --- Names and matrices


def test_names_stay_the_same():
    def build():
        inner = keras.Sequential([keras.Input((4, 2)), layers.LSTM(2, return_sequences=True)], name="inner")
        cells = [layers.LSTMCell(2), layers.StackedRNNCells([layers.LSTMCell(2), layers.GRUCell(1, name="last")])]
        return sequential(
            inner,
            layers.Bidirectional(layers.GRU(1, return_sequences=True)),
            layers.RNN(cells, return_sequences=True),
            layers.SimpleRNN(1, return_sequences=True),
            layers.SimpleRNN(1, name="mine"),
            shape=(4, 2),
        )

    expected = [
        "inner/lstm",
        "bidirectional/forward",
        "bidirectional/backward",
        "rnn/lstm_cell",
        "rnn/lstm_cell_1",
        "rnn/last",
        "simple_rnn",
        "mine",
    ]
    first, second = build(), build()
    assert list(recurrent.layers(first)) == list(recurrent.layers(second)) == expected
    assert list(recurrent.trace(first, noise32(2, 4, 2))) == expected
    assert recurrent.layers(keras.Sequential([keras.Input((3,)), layers.Dense(1)])) == {}


def test_gate_names_and_blocks():
    assert recurrent.gate_names(layers.LSTMCell(2)) == ["input", "forget", "candidate", "output"]
    assert recurrent.gate_names(layers.GRUCell(2)) == ["update", "reset", "candidate"]
    assert recurrent.gate_names(layers.SimpleRNNCell(2)) == recurrent.gate_names(Leaky(2)) == []
    assert recurrent.gate_names(KeptLSTMCell(2)) == recurrent.gate_names(layers.LSTMCell(1))
    assert recurrent.gate_names(ChangedLSTMCell(2)) == []

    for cell, gates in ((layers.LSTMCell(2), 4), (layers.GRUCell(2), 3), (layers.GRUCell(2, reset_after=False), 3)):
        for name, shape in (("kernel", (5, 2 * gates)), ("recurrent_kernel", (2, 2 * gates)), ("bias", (2 * gates,))):
            weight = noise(*shape)
            split = recurrent.split_gates(name, weight, cell)
            assert list(split) == recurrent.gate_names(cell)
            for number, part in enumerate(split.values()):
                np.testing.assert_array_equal(part, weight[..., 2 * number : 2 * number + 2])
    bias = recurrent.split_gates("bias", noise(2, 6), layers.GRUCell(2))
    np.testing.assert_array_equal(bias["reset"], noise(2, 6)[:, 2:4])
    for cell, name in ((layers.SimpleRNNCell(2), "kernel"), (layers.LSTMCell(2), "peephole")):
        ((only, weight),) = recurrent.split_gates(name, noise(3, 8), cell).items()
        assert only == ""
        np.testing.assert_array_equal(weight, noise(3, 8))


@pytest.mark.parametrize(("kind", "gates", "place"), [("SimpleRNN", 1, 0), ("GRU", 3, 2), ("LSTM", 4, 2)])
def test_spectral_radius(kind, gates, place):
    layer = getattr(layers, kind)(3)
    layer.build((1, 4, 2))
    kernel = noise(3, 3 * gates)
    # Known: a rotation by any angle, scaled, beside a smaller number.
    kernel[:, 3 * place : 3 * place + 3] = 0.7 * np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 0.5]])
    layer.cell.recurrent_kernel.assign(kernel)
    assert recurrent.spectral_radius(layer) == recurrent.spectral_radius(layer.cell) == pytest.approx(0.7, rel=1e-6)
    block = noise(3, 3, seed=4)
    kernel[:, 3 * place : 3 * place + 3] = block
    layer.cell.recurrent_kernel.assign(kernel)
    assert recurrent.spectral_radius(layer) == pytest.approx(abs(np.linalg.eigvals(block)).max(), rel=1e-5)
    layer.cell.recurrent_kernel.assign(np.full_like(kernel, np.nan))
    assert np.isnan(recurrent.spectral_radius(layer))


def test_spectral_radius_of_what_has_none():
    assert recurrent.spectral_radius(layers.SimpleRNN(2)) is None
    assert recurrent.spectral_radius(layers.RNN(Leaky(2))) is None
    changed = layers.RNN(ChangedLSTMCell(2))
    changed.build((1, 2, 3))
    assert recurrent.spectral_radius(changed) is None
    assert recurrent.spectral_radius(layers.RNN([layers.GRUCell(2)])) is None


# --- Small and large numbers


def test_gradients_too_small_to_be_squared():
    """A linear layer that forgets nine tenths at each step: the norms are powers of ten, until float32 ends."""
    model = sequential(layers.SimpleRNN(2, activation="linear", use_bias=False, name="rnn"), shape=(300, 1))
    model.compile("sgd", "mse")
    model.layers[0].cell.recurrent_kernel.assign(0.1 * np.eye(2))
    x, y = noise32(4, 300, 1), noise32(4, 2)
    flow = recurrent.gradient_flow(model, x, y)["rnn"]
    raw = recurrent.gradient_flow(model, x, y, raw=True)["rnn"]
    assert np.isfinite(flow.hidden).all()
    assert np.isfinite(raw.hidden).all()
    expected = np.linalg.norm(raw.hidden[:, -1], axis=-1).mean() * 0.1 ** np.arange(36.0)
    np.testing.assert_allclose(flow.hidden[:-37:-1], expected, rtol=1e-4)
    assert not flow.hidden[:250].any()
    assert not flow.immediate[:-1].any()


def test_gradients_that_are_infinite_say_so():
    model = sequential(layers.SimpleRNN(2, activation="linear", use_bias=False, name="rnn"), shape=(45, 1))
    model.compile("sgd", "mse")
    model.layers[0].cell.recurrent_kernel.assign(10 * np.eye(2))
    flow = recurrent.gradient_flow(model, 1e-30 * noise32(4, 45, 1), noise32(4, 2))["rnn"]
    assert np.isfinite(flow.hidden[-20:]).all()
    assert not np.isfinite(flow.hidden[0])
    # Of weights that are broken nothing is hidden: not even where another sample is fine.
    model.layers[0].cell.recurrent_kernel.assign(np.full((2, 2), np.nan))
    assert np.isnan(recurrent.gradient_flow(model, noise32(4, 45, 1), noise32(4, 2))["rnn"].hidden).any()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(policy):
    def build(policy):
        keras.utils.set_random_seed(0)
        model = sequential(
            layers.LSTM(3, return_sequences=True, dtype=policy), layers.GRU(3, dtype=policy), layers.Dense(1)
        )
        model.compile("sgd", "mse")
        return model

    x, y = noise32(4, STEPS, FEATURES), noise32(4, 1)
    looks, exact = recurrent.look(build(policy), x, y), recurrent.look(build("float32"), x, y)
    for name, look in looks.items():
        assert look.flow.hidden.dtype == look.flow.immediate.dtype == look.states["hidden"].dtype == "float32"
        assert all(values.dtype == "float32" for values in look.gates.values())
        np.testing.assert_allclose(look.flow.hidden, exact[name].flow.hidden, rtol=0.1)
        np.testing.assert_allclose(look.states["hidden"], exact[name].states["hidden"], atol=0.02)
        for gate, values in look.gates.items():
            np.testing.assert_allclose(values, exact[name].gates[gate], atol=0.02)


def test_many_models_are_no_reason_to_warn():
    """TensorFlow counts tracings, and warns of five in ten calls; here each model is traced once, as it must be."""
    said = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())
    logger = logging.getLogger("tensorflow")
    logger.addHandler(handler)
    try:
        for units in range(1, 8):
            model = keras.Sequential([keras.Input((STEPS, FEATURES)), layers.SimpleRNN(units)])
            assert recurrent.trace(model, np.zeros((BATCH, STEPS, FEATURES)))["simple_rnn"].hidden.shape[-1] == units
    finally:
        logger.removeHandler(handler)
    assert said == []
