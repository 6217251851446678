"""Layers that a loop in Python calls: one layer with a time axis, held against the layer that reads all at once."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from rnn_tutorial.callbacks import observe
from rnn_tutorial.inspection import recurrent

STEPS = 6
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, STEPS, 2)).astype("float32")
Y = RNG.normal(size=(3, STEPS, 1)).astype("float32")


class Whole(layers.Layer):
    """A recurrent layer that reads the whole sequence, and a head."""

    def __init__(self, rnn):
        super().__init__(name="decoder")
        self.rnn, self.head = rnn, layers.Dense(1, name="head")

    def build(self, shape):
        self.rnn.build(shape)
        self.head.build((None, None, self.rnn.units))
        self.built = True

    def call(self, x):
        return self.head(self.rnn(x))


class Loop(Whole):
    """The same by a loop over parts of the sequence, each of `size` steps."""

    def __init__(self, rnn, size, change=lambda states: states):
        super().__init__(rnn)
        self.size, self.change = size, change

    def call(self, x):
        states, outputs = None, []
        for start in range(0, STEPS, self.size):
            output, *states = self.rnn(x[:, start : start + self.size], initial_state=states)
            states = self.change(states)
            outputs.append(self.head(output))
        return ops.concatenate(outputs, axis=1)


class FeedingBack(layers.Layer):
    """Reads a sequence, then writes one: what it writes is what it reads next."""

    def __init__(self, rnn):
        super().__init__(name="decoder")
        self.rnn = rnn

    def build(self, shape):
        self.rnn.build(shape)
        self.built = True

    def call(self, x):
        written = x[:, 0]
        state = None
        outputs = []
        for _ in range(STEPS):
            written, state = self.rnn(written[:, None], initial_state=None if state is None else [state])
            outputs.append(written)
        return ops.stack(outputs, axis=1)


def model_of(layer):
    model = keras.Sequential([keras.Input((STEPS, 2)), layer])
    model.compile("sgd", "mse")
    return model


def pair(kind, size, change=lambda states: states):
    """The layer that reads all at once and the loop, with the same weights."""
    keras.utils.set_random_seed(0)
    make = getattr(layers, kind)
    whole = model_of(Whole(make(4, return_sequences=True)))
    loop = model_of(Loop(make(4, return_sequences=True, return_state=True), size, change))
    loop.set_weights(whole.get_weights())
    return whole, loop


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_a_loop_that_hands_the_states_on_is_the_whole_layer(kind, size):
    whole, loop = pair(kind, size)
    expected, received = (recurrent.look(model, X, Y) for model in (whole, loop))
    assert list(received) == list(expected)
    (name,) = expected
    for part in ("hidden", "immediate", "cell"):
        one, other = (getattr(look[name].flow, part) for look in (received, expected))
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-4)
    assert received[name].saturation == pytest.approx(expected[name].saturation)
    expected, received = (recurrent.trace(model, X)[name] for model in (whole, loop))
    np.testing.assert_allclose(received.hidden, expected.hidden, rtol=1e-5, atol=1e-6)
    assert list(received.gates) == list(expected.gates)
    for gate, values in expected.gates.items():
        np.testing.assert_allclose(received.gates[gate], values, rtol=1e-5, atol=1e-6)


def differences(loss, units):
    """dL/dh_t (batch, time, units) of a loss(step, sample, unit, by) whose state is changed by so much at one step."""
    return np.array(
        [
            [
                [(loss(step, sample, unit, 1e-5) - loss(step, sample, unit, -1e-5)) / 2e-5 for unit in range(units)]
                for step in range(STEPS)
            ]
            for sample in range(len(X))
        ]
    )


def test_a_loop_that_changes_the_states_between_two_steps():
    _, model = pair("SimpleRNN", 1, change=lambda states: [state * 0.5 for state in states])
    kernel, recurrent_kernel, bias, head, head_bias = (weight.astype("float64") for weight in model.get_weights())

    def loss(step, sample, unit, by):
        state, total = np.zeros((3, 4)), 0.0
        for time in range(STEPS):
            state = np.tanh(X[:, time] @ kernel + 0.5 * state @ recurrent_kernel + bias)
            if time == step:
                state[sample, unit] += by
            total += ((Y[:, time] - state @ head - head_bias) ** 2).mean() / STEPS
        return total

    flow = recurrent.gradient_flow(model, X, Y, raw=True)
    assert list(flow) == ["decoder/simple_rnn"]
    np.testing.assert_allclose(flow["decoder/simple_rnn"].hidden, differences(loss, 4), rtol=1e-3, atol=1e-5)


def test_a_decoder_that_reads_what_it_wrote():
    keras.utils.set_random_seed(0)
    model = model_of(FeedingBack(layers.SimpleRNN(2, return_state=True)))
    y = RNG.normal(size=(3, STEPS, 2))
    kernel, recurrent_kernel, bias = (weight.astype("float64") for weight in model.get_weights())

    def loss(step, sample, unit, by):
        written, state, total = X[:, 0].astype("float64"), np.zeros((3, 2)), 0.0
        for time in range(STEPS):
            state = np.tanh(written @ kernel + state @ recurrent_kernel + bias)
            if time == step:
                state[sample, unit] += by
            written = state
            total += ((y[:, time] - written) ** 2).mean() / STEPS
        return total

    flow = recurrent.gradient_flow(model, X, y, raw=True)
    assert list(flow) == ["decoder/simple_rnn"]
    np.testing.assert_allclose(flow["decoder/simple_rnn"].hidden, differences(loss, 2), rtol=1e-3, atol=1e-5)


def test_masked_steps_of_a_loop_are_missing():
    class Masked(Loop):
        def call(self, x):
            mask = ops.any(x != 0, axis=-1)
            states, outputs = None, []
            for step in range(STEPS):
                output, *states = self.rnn(
                    x[:, step : step + 1], initial_state=states, mask=mask[:, step : step + 1] if step > 2 else None
                )
                outputs.append(self.head(output))
            return ops.concatenate(outputs, axis=1)

    x = X.copy()
    x[0, 4:] = 0
    model = model_of(Masked(layers.GRU(4, return_sequences=True, return_state=True), 1))
    trace = recurrent.trace(model, x)["decoder/gru"]
    assert np.isnan(trace.hidden[0, 4:]).all()
    assert np.isfinite(trace.hidden[1:]).all()
    assert np.isfinite(trace.hidden[0, :4]).all()


class Siamese(keras.Model):
    """One encoder for two inputs."""

    def __init__(self):
        super().__init__()
        self.encoder, self.head = layers.GRU(4, name="encoder"), layers.Dense(1)

    def call(self, pair):
        first = self.encoder(pair[0])
        second = self.encoder(pair[1])
        return self.head(ops.abs(first - second))


def functional_siamese(steps):
    first, second = keras.Input((steps, 2)), keras.Input((steps, 2))
    encoder = layers.GRU(4, name="encoder")
    return keras.Model([first, second], layers.Dense(1)(ops.abs(encoder(first) - encoder(second))))


@pytest.mark.parametrize("steps", [1, STEPS])
@pytest.mark.parametrize("make", [lambda steps: Siamese(), functional_siamese], ids=["subclassed", "functional"])
def test_two_inputs_to_one_encoder_are_two_uses(make, steps):
    model = make(steps)
    both = [X[:, :steps], 2 * X[:, :steps]]
    model(both)
    traces = recurrent.trace(model, both)
    assert list(traces) == ["encoder", "encoder/use_2"]
    assert traces["encoder"].hidden.shape == (3, steps, 4)


def test_two_decoders_with_one_layer_are_two_uses():
    class Both(keras.Model):
        def __init__(self):
            super().__init__()
            self.decoder = Loop(layers.LSTM(4, return_sequences=True, return_state=True), 1)

        def call(self, x):
            return self.decoder(x) + self.decoder(2 * x)

    model = Both()
    model(X)
    traces = recurrent.trace(model, X)
    assert {name: trace.hidden.shape for name, trace in traces.items()} == {
        "decoder/lstm": (3, STEPS, 4),
        "decoder/lstm/use_2": (3, STEPS, 4),
    }
    alone = recurrent.trace(model_of(model.decoder), 2 * X)["decoder/lstm"]
    np.testing.assert_allclose(traces["decoder/lstm/use_2"].hidden, alone.hidden, rtol=1e-5, atol=1e-6)


def test_two_chains_in_one_loop_are_two_uses():
    class Both(keras.Model):
        def __init__(self):
            super().__init__()
            self.rnn = layers.GRU(4, return_state=True, name="rnn")

        def call(self, x):
            first = second = None
            for step in range(STEPS):
                one = x[:, step : step + 1]
                _, *first = self.rnn(one, initial_state=first)
                _, *second = self.rnn(2 * one, initial_state=second)
            return first[0] + second[0]

    model = Both()
    model(X)
    traces = recurrent.trace(model, X)
    assert list(traces) == ["rnn", "rnn/use_2"]
    whole = keras.Sequential([keras.Input((STEPS, 2)), layers.GRU(4)])
    whole.set_weights(model.get_weights())
    np.testing.assert_allclose(
        traces["rnn/use_2"].hidden, recurrent.trace(whole, 2 * X)["gru"].hidden, rtol=1e-5, atol=1e-6
    )


def test_stacked_cells_in_a_loop():
    def cells(**options):
        return layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], return_sequences=True, **options)

    class Stacked(layers.Layer):
        def __init__(self):
            super().__init__(name="decoder")
            self.rnn = cells(return_state=True)

        def build(self, shape):
            self.rnn.build(shape)
            self.built = True

        def call(self, x):
            states, outputs = None, []
            for step in range(STEPS):
                output, *states = self.rnn(x[:, step : step + 1], initial_state=states)
                outputs.append(output)
            return ops.concatenate(outputs, axis=1)

    loop, whole = model_of(Stacked()), model_of(cells())
    whole.set_weights(loop.get_weights())
    y = RNG.normal(size=(3, STEPS, 4))
    received, expected = recurrent.look(loop, X, y), recurrent.look(whole, X, y)
    assert list(received) == ["decoder/rnn/lstm_cell", "decoder/rnn/gru_cell"]
    for one, other in zip(received.values(), expected.values(), strict=True):
        np.testing.assert_allclose(one.flow.hidden, other.flow.hidden, rtol=1e-4)
        np.testing.assert_allclose(one.states["hidden"], other.states["hidden"], rtol=1e-5, atol=1e-6)


def test_a_decoder_has_one_tag_of_each_kind(tmp_path, read_values, our_event_file):
    _, model = pair("GRU", 1)
    model.fit(X, Y, verbose=0, callbacks=observe(tmp_path, probe=(X, Y)))
    values = read_values(our_event_file(tmp_path))
    tags = [tag for kinds in values.values() for tag in kinds]
    assert not [tag for tag in tags if "use_" in tag or "call" in tag]
    assert values["rnn_tutorial"]["rnn/decoder/gru/grad_flow"][0].shape == (STEPS,)
