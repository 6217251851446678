"""What is one sequence and what are two: by what the states of a call are made of, however the program says it.

Held against a layer that reads all at once, or against finite differences in NumPy.
"""

import keras
import numpy as np
import pytest
from keras import layers, ops

from rnn_tutorial.callbacks import GradientFlow, StateHeatmaps, observe
from rnn_tutorial.inspection import naming, recurrent

BATCH, STEPS, UNITS = 3, 6, 4
RNG = np.random.default_rng(1)
X = RNG.normal(size=(BATCH, STEPS, 2)).astype("float32")
Y = RNG.normal(size=(BATCH, STEPS, UNITS)).astype("float32")


class Decoder(layers.Layer):
    """Runs one layer or cell in the way of a function (layer, x) -> outputs."""

    def __init__(self, inner, run, **options):
        super().__init__(name="decoder", **options)
        self.inner, self.run = inner, run

    def build(self, shape):
        whole = isinstance(self.inner, layers.RNN)
        self.inner.build(shape if whole else (shape[0], shape[-1]))
        self.built = True

    def call(self, x):
        return self.run(self.inner, x)


def model_of(*stack):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(batch_shape=(BATCH, STEPS, 2)), *stack])
    model.compile("sgd", "mse")
    return model


def zeros(*sizes):
    return [ops.zeros((BATCH, size)) for size in sizes]


def by_steps(step, states):
    """A function (layer, x) -> outputs that calls `step(layer, x_t, states) -> output, states` once a time step."""

    def run(layer, x):
        now, outputs = states(), []
        for time in range(STEPS):
            output, now = step(layer, x[:, time], now)
            outputs.append(output)
        return ops.stack(outputs, axis=1)

    return run


def check_same(model, whole, names=None):
    """The layer of one model does at each step what that of another one does, which reads all at once."""
    whole.set_weights(model.get_weights())
    received, expected = (recurrent.look(one, X, Y) for one in (model, whole))
    assert list(received) == (names or ["decoder/" + name for name in expected])
    for one, other in zip(received.values(), expected.values(), strict=True):
        assert one.flow.loss == pytest.approx(other.flow.loss, rel=1e-5)
        for kind in ("hidden", "immediate", "cell"):
            parts = [getattr(look.flow, kind) for look in (one, other)]
            assert [part is None for part in parts] in ([True, True], [False, False])
            if parts[0] is not None:
                np.testing.assert_allclose(*parts, rtol=1e-4, atol=1e-8)
        assert one.saturation == pytest.approx(other.saturation)
        assert list(one.gates) == list(other.gates)
        for kind in ("states", "gates"):
            for name, values in getattr(other, kind).items():
                np.testing.assert_allclose(getattr(one, kind)[name], values, rtol=1e-4, atol=1e-6)


# --- One sequence

CELLS = {
    "simple_rnn_cell": (lambda: layers.SimpleRNNCell(UNITS), lambda: zeros(UNITS)),
    "lstm_cell": (lambda: layers.LSTMCell(UNITS), lambda: zeros(UNITS, UNITS)),
    "gru_cell": (lambda: layers.GRUCell(UNITS), lambda: zeros(UNITS)),
    "gru_cell_of_one_state": (lambda: layers.GRUCell(UNITS), lambda: zeros(UNITS)[0]),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_that_a_layer_calls_once_a_step(name):
    make, states = CELLS[name]
    model = model_of(Decoder(make(), by_steps(lambda cell, x, states: cell(x, states), states)))
    whole = model_of(layers.RNN(make(), return_sequences=True))
    check_same(model, whole, [f"decoder/{name.removesuffix('_of_one_state')}"])


def test_cells_on_top_of_each_other_that_a_layer_calls_once_a_step():
    def make():
        return layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(UNITS)])

    run = by_steps(lambda cell, x, states: cell(x, states), lambda: [zeros(3, 3), zeros(UNITS)[0]])
    names = ["decoder/stacked_rnn_cells/lstm_cell", "decoder/stacked_rnn_cells/gru_cell"]
    check_same(model_of(Decoder(make(), run)), model_of(layers.RNN(make(), return_sequences=True)), names)


def test_a_cell_that_reads_on_where_its_layer_ended():
    """A layer takes in the first steps, its cell goes on by itself, as in forecasts of many steps."""

    class Forecaster(keras.Model):
        def __init__(self):
            super().__init__()
            self.cell = layers.LSTMCell(UNITS)
            self.rnn = layers.RNN(self.cell, return_sequences=True, return_state=True)

        def call(self, x):
            outputs, *states = self.rnn(x[:, :2])
            outputs = [outputs[:, 0], outputs[:, 1]]
            for time in range(2, STEPS):
                output, states = self.cell(x[:, time], states)
                outputs.append(output)
            return ops.stack(outputs, axis=1)

    keras.utils.set_random_seed(0)
    model = Forecaster()
    model(X)
    model.compile("sgd", "mse")
    check_same(model, model_of(layers.RNN(layers.LSTMCell(UNITS), return_sequences=True)), ["rnn"])
    # The cell is a part of the layer, although it was there first.
    assert list(naming.weights(model)) == ["rnn/kernel", "rnn/recurrent_kernel", "rnn/bias"]
    assert list(recurrent.layers(model)) == ["rnn"]


def test_a_layer_whose_output_is_its_state():
    def step(gru, x, state):
        output = gru(x[:, None], initial_state=state)
        return output, output

    model = model_of(Decoder(layers.GRU(UNITS), by_steps(step, lambda: zeros(UNITS)[0])))
    check_same(model, model_of(layers.GRU(UNITS, return_sequences=True)))


def test_a_stateful_layer_in_a_loop():
    def run(gru, x):
        return ops.concatenate([gru(x[:, time : time + 2]) for time in range(0, STEPS, 2)], axis=1)

    keras.utils.set_random_seed(0)
    inputs = keras.Input(batch_shape=(BATCH, STEPS, 2))
    decoder = Decoder(layers.GRU(UNITS, return_sequences=True, stateful=True), run)
    model = keras.Model(inputs, decoder(inputs))
    model.compile("sgd", "mse")
    decoder.inner.reset_state()
    whole = model_of(layers.GRU(UNITS, return_sequences=True))
    weights = [weight for weight in model.get_weights() if weight.shape[0] != BATCH]
    whole.set_weights(weights)
    received, expected = recurrent.gradient_flow(model, X, Y), recurrent.gradient_flow(whole, X, Y)
    assert list(received) == ["decoder/gru"]
    np.testing.assert_allclose(received["decoder/gru"].hidden, expected["gru"].hidden, rtol=1e-4)
    np.testing.assert_allclose(received["decoder/gru"].immediate, expected["gru"].immediate, rtol=1e-4)


def test_a_loop_of_a_functional_model():
    keras.utils.set_random_seed(0)
    gru, inputs = layers.GRU(UNITS, return_state=True), keras.Input((STEPS, 2))
    state, outputs = None, []
    for time in range(STEPS):
        output, state = gru(inputs[:, time : time + 1], initial_state=state)
        outputs.append(output)
    model = keras.Model(inputs, ops.stack(outputs, axis=1))
    model.compile("sgd", "mse")
    check_same(model, model_of(layers.GRU(UNITS, return_sequences=True)), ["gru"])


def test_a_model_of_one_step_that_a_loop_calls():
    keras.utils.set_random_seed(0)
    x, before = keras.Input((2,)), keras.Input((UNITS,))
    output, after = layers.GRU(UNITS, return_state=True)(x[:, None], initial_state=before)
    step = keras.Model([x, before], [output, after], name="step")
    inputs = keras.Input((STEPS, 2))
    state, outputs = ops.zeros_like(ops.tile(inputs[:, 0], (1, UNITS // 2))), []
    for time in range(STEPS):
        output, state = step([inputs[:, time], state])
        outputs.append(output)
    model = keras.Model(inputs, ops.stack(outputs, axis=1))
    model.compile("sgd", "mse")
    check_same(model, model_of(layers.GRU(UNITS, return_sequences=True)), ["step/gru"])


# --- One sequence, whose states are changed between two calls


def differences(loss):
    """dL/dh_t (batch, time, units) of a loss(by), where `by` (batch, time, units) is added to the states."""
    found = np.zeros((BATCH, STEPS, UNITS))
    for place in np.ndindex(*found.shape):
        by = np.zeros_like(found)
        by[place] = 1e-5
        found[place] = (loss(by) - loss(-by)) / 2e-5
    return found


def simple(model):
    """One step of the model's simple cell in NumPy."""
    kernel, recurrent_kernel, bias = (weight.astype("float64") for weight in model.get_weights()[:3])
    return lambda x, state: np.tanh(x @ kernel + state @ recurrent_kernel + bias)


def squares(outputs):
    return ((Y - np.stack(outputs, axis=1)) ** 2).mean()


def test_truncated_backpropagation_is_one_sequence():
    """The state is carried from part to part, its gradient is not."""

    def run(rnn, x):
        state, outputs = None, []
        for time in range(0, STEPS, 2):
            output, state = rnn(x[:, time : time + 2], initial_state=state)
            state = ops.stop_gradient(state)
            outputs.append(output)
        return ops.concatenate(outputs, axis=1)

    model = model_of(Decoder(layers.SimpleRNN(UNITS, return_sequences=True, return_state=True), run))
    step = simple(model)
    bare = [np.zeros((BATCH, UNITS))]
    for time in range(STEPS):
        bare.append(step(X[:, time], bare[-1]))

    def loss(by):
        outputs = []
        for time in range(STEPS):
            state = bare[time] if time % 2 == 0 else outputs[-1]
            outputs.append(step(X[:, time], state) + by[:, time])
        return squares(outputs)

    flow = recurrent.gradient_flow(model, X, Y, raw=True)
    assert list(flow) == ["decoder/simple_rnn"]
    np.testing.assert_allclose(flow["decoder/simple_rnn"].hidden, differences(loss), rtol=1e-3, atol=1e-6)


KEEP = np.arange(STEPS) % 3 != 1


@pytest.mark.parametrize("inner", ["layer", "cell"])
def test_steps_that_a_loop_masks_itself(inner):
    """A state that is kept is made of the state before it too."""
    if inner == "cell":
        layer = layers.SimpleRNNCell(UNITS)

        def call(cell, x, state):
            return cell(x, [state])[1][0]
    else:
        layer = layers.SimpleRNN(UNITS, return_state=True)

        def call(rnn, x, state):
            return rnn(x[:, None], initial_state=state)[1]

    def run(layer, x):
        (state,), outputs = zeros(UNITS), []
        for time in range(STEPS):
            keep = ops.convert_to_tensor(np.full((BATCH, 1), KEEP[time]))
            state = ops.where(keep, call(layer, x[:, time], state), state)
            outputs.append(state)
        return ops.stack(outputs, axis=1)

    model = model_of(Decoder(layer, run))
    step = simple(model)

    def loss(by):
        state, outputs = np.zeros((BATCH, UNITS)), []
        for time in range(STEPS):
            state = np.where(KEEP[time], step(X[:, time], state) + by[:, time], state)
            outputs.append(state)
        return squares(outputs)

    flow = recurrent.gradient_flow(model, X, Y, raw=True)
    assert list(flow) == ["decoder/simple_rnn" + ("_cell" if inner == "cell" else "")]
    (flow,) = flow.values()
    np.testing.assert_allclose(flow.hidden, differences(loss), rtol=1e-3, atol=1e-6)


def test_attention_that_reads_the_state_and_feeds_the_next_step():
    """Before each step the state asks the input; what it gets is part of what is read."""

    def step(cell, x, state):
        weights = ops.softmax(ops.sum(state[0], axis=-1, keepdims=True) * ops.sum(X, axis=-1))
        context = ops.sum(weights[..., None] * X, axis=1)
        return cell(x + context, state)

    model = model_of(Decoder(layers.SimpleRNNCell(UNITS), by_steps(step, lambda: zeros(UNITS))))
    by_hand = simple(model)

    def loss(by):
        state, outputs = np.zeros((BATCH, UNITS)), []
        for time in range(STEPS):
            scores = state.sum(axis=-1, keepdims=True) * X.sum(axis=-1)
            weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
            state = by_hand(X[:, time] + (weights[..., None] * X).sum(axis=1), state) + by[:, time]
            outputs.append(state)
        return squares(outputs)

    flow = recurrent.gradient_flow(model, X, Y, raw=True)
    assert list(flow) == ["decoder/simple_rnn_cell"]
    np.testing.assert_allclose(flow["decoder/simple_rnn_cell"].hidden, differences(loss), rtol=1e-3, atol=1e-6)


# --- Several sequences


def shapes(model, x=X):
    return {name: trace.hidden.shape[1] for name, trace in recurrent.trace(model, x).items()}


def test_inputs_of_one_step_that_one_line_reads_are_sequences_of_their_own():
    def run(gru, x):
        return ops.concatenate([gru(x[:, time : time + 1]) for time in range(3)], axis=-1)

    assert shapes(model_of(Decoder(layers.GRU(UNITS), run))) == {
        "decoder/gru": 1,
        "decoder/gru/use_2": 1,
        "decoder/gru/use_3": 1,
    }


def test_two_decoders_that_begin_where_one_encoder_ended():
    """The first reads on, the second is a sequence of its own."""

    def run(gru, x):
        _, state = gru(x[:, :2])
        one = two = state
        for time in range(2, STEPS):
            _, one = gru(x[:, time : time + 1], initial_state=one)
        for time in range(2, 5):
            _, two = gru(-x[:, time : time + 1], initial_state=two)
        return one + 2 * two

    model = model_of(Decoder(layers.GRU(UNITS, return_state=True), run))
    assert shapes(model) == {"decoder/gru": STEPS, "decoder/gru/use_2": 3}
    # What the second one makes of the encoder's state is no later step of the first sequence.
    raw = recurrent.gradient_flow(model, X, Y[:, 0], raw=True)["decoder/gru"]
    assert np.abs(raw.immediate[:, 1]).min() > 0
    assert not raw.immediate[:, [0, 2, 3, 4]].any()


def test_a_state_made_of_two_sequences_begins_a_third():
    def run(gru, x):
        _, one = gru(x[:, :2])
        _, two = gru(x[:, 2:4])
        return gru(x[:, 4:], initial_state=one + two)[0]

    assert shapes(model_of(Decoder(layers.GRU(UNITS, return_state=True), run))) == {
        "decoder/gru": 2,
        "decoder/gru/use_2": 2,
        "decoder/gru/use_3": 2,
    }


def test_a_cell_that_a_loop_of_the_backend_steps_is_told(recorded_warnings):
    def run(cell, x):
        def step(state, x):
            output, (state,) = cell(x, [state])
            return state, output

        _, outputs = ops.scan(step, zeros(UNITS)[0], ops.swapaxes(x, 0, 1))
        return ops.swapaxes(outputs, 0, 1)

    model = model_of(Decoder(layers.GRUCell(UNITS), run), layers.GRU(UNITS, return_sequences=True))
    with recorded_warnings() as caught:
        found = recurrent.gradient_flow(model, X, Y)
    assert list(found) == ["gru"]
    assert [str(one.message) for one in caught] == [
        "decoder/gru_cell is not looked into: it runs inside of a loop, a branch or a function compiled by itself"
    ]


# --- In training


def cell_loop():
    make, states = CELLS["gru_cell"]
    return model_of(Decoder(make(), by_steps(lambda cell, x, states: cell(x, states), states)))


def test_a_cell_in_a_loop_has_the_tags_of_one_layer(tmp_path, read_values, our_event_file):
    model = cell_loop()
    model.fit(X, Y, batch_size=BATCH, verbose=0, callbacks=observe(tmp_path, probe=(X, Y)))
    values = read_values(our_event_file(tmp_path))
    kinds = ("grad_flow", "grad_flow_immediate", "states", "gates")
    assert set(values["rnn_tutorial"]) == {f"rnn/decoder/gru_cell/{kind}" for kind in kinds}
    weights = {f"decoder/gru_cell/{weight}" for weight in ("kernel", "recurrent_kernel", "bias")}
    assert {tag.removeprefix("weights/") for tag in values["histograms"] if tag.startswith("weights/")} == weights
    assert "weights_picture/decoder/gru_cell" in values["images"]
    assert "spectral_radius/decoder/gru_cell" in values["scalars"]
    assert values["rnn_tutorial"]["rnn/decoder/gru_cell/grad_flow"][0].shape == (STEPS,)


def test_looking_at_a_cell_changes_nothing(tmp_path):
    watched, bare = cell_loop(), cell_loop()
    bare.set_weights(watched.get_weights())
    cell = watched.layers[0].inner
    before = dict(vars(cell))
    recurrent.look(watched, X, Y)
    assert vars(cell) == before
    options = {"batch_size": BATCH, "epochs": 3, "verbose": 0, "shuffle": False}
    looking = [kind(tmp_path, (X, Y), pictures=False) for kind in (GradientFlow, StateHeatmaps)]
    assert watched.fit(X, Y, callbacks=looking, **options).history == bare.fit(X, Y, **options).history
    for one, other in zip(watched.get_weights(), bare.get_weights(), strict=True):
        assert one.tobytes() == other.tobytes()
