"""What a probe needs of a model's loss, and what goes on where a part of the look fails."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from rnn_tutorial.callbacks import GradientFlow, observe
from rnn_tutorial.inspection import recurrent
from rnn_tutorial.inspection.recurrent import reducing

_RANDOM = np.random.default_rng(0)
X = _RANDOM.normal(size=(8, 5, 3)).astype("float32")
Y = _RANDOM.normal(size=(8, 1)).astype("float32")
TARGETS = _RANDOM.normal(size=(8, 5, 4)).astype("float32")  # one a state
FLOW = {"gradient_flow_ratio/cell", "rnn/cell/grad_flow", "rnn/cell/grad_flow_immediate", "gradient_flow_picture/cell"}
STATES = {"saturation/cell/hidden", "rnn/cell/states", "states_picture/cell"}
# What `observe` writes besides of a model with one weight or more.
OTHERS = {"gradient_norm/global", "curves", "diagram/model"}


def fit(model, callbacks, y=Y, x=X, epochs=2):
    model.fit(x, y, batch_size=4, epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks)


def reader(**arguments):
    return layers.SimpleRNN(4, return_sequences=True, name="cell", **arguments)


@pytest.fixture
def tags(tmp_path, read_values, our_event_file):
    """Function that gives all tags of the run in tmp_path / "run"."""
    return lambda: {tag for found in read_values(our_event_file(tmp_path / "run")).values() for tag in found}


def ours(caught):
    return [str(one.message) for one in caught if issubclass(one.category, RuntimeWarning)]


# --- Losses without targets


class MeanSquare(layers.Layer):
    """Adds the mean square of what it reads to the loss."""

    def call(self, x):
        self.add_loss(ops.mean(ops.square(x)))
        return x


def flow_by_hand(model, arriving):
    """Norms of dL/dh_t of the `SimpleRNN` named "cell", given what arrives at h (batch, time, units) from above."""
    cell = model.get_layer("cell").cell
    kernel, recurrent_kernel, bias = (ops.convert_to_numpy(weight) for weight in cell.weights)
    states = [np.zeros((len(X), 4))]
    for step in range(X.shape[1]):
        states.append(np.tanh(X[:, step] @ kernel + states[-1] @ recurrent_kernel + bias))
    h = np.stack(states[1:], axis=1)
    total = arriving(h)
    for step in reversed(range(X.shape[1] - 1)):
        total[:, step] += (total[:, step + 1] * (1 - h[:, step + 1] ** 2)) @ recurrent_kernel.T
    return np.linalg.norm(total, axis=-1).mean(axis=0)


def test_a_loss_that_a_layer_adds_needs_no_targets(tmp_path, recorded_warnings, tags, read_values, our_event_file):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((5, 3)), reader(), MeanSquare()])
    model.compile(keras.optimizers.SGD(0.1))
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(X, None)), y=None)
    assert ours(caught) == []
    assert tags() >= FLOW | STATES | OTHERS
    expected = flow_by_hand(model, lambda h: 2 * h / h.size)
    written = read_values(our_event_file(tmp_path / "run"))["rnn_tutorial"]["rnn/cell/grad_flow"][1]
    np.testing.assert_allclose(written, expected, rtol=1e-4)
    np.testing.assert_allclose(recurrent.gradient_flow(model, X, None)["cell"].hidden, expected, rtol=1e-4)


def test_a_variational_autoencoder(tmp_path, recorded_warnings, tags):
    class Sampling(layers.Layer):
        def __init__(self):
            super().__init__()
            self.seeds = keras.random.SeedGenerator(0)

        def call(self, mean, spread):
            self.add_loss(-0.5 * ops.mean(1 + spread - ops.square(mean) - ops.exp(spread)))
            return mean + ops.exp(0.5 * spread) * keras.random.normal(ops.shape(mean), seed=self.seeds)

    class Reconstruction(layers.Layer):
        def call(self, x, again):
            self.add_loss(ops.mean(ops.square(x - again)))
            return again

    keras.utils.set_random_seed(1)
    x = keras.Input((5, 3))
    h = layers.SimpleRNN(4, name="cell")(x)
    z = Sampling()(layers.Dense(2)(h), layers.Dense(2)(h))
    again = layers.GRU(3, return_sequences=True)(layers.RepeatVector(5)(z))
    model = keras.Model(x, Reconstruction()(x, again))
    model.compile("sgd")
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(X, None)), y=None)
    assert ours(caught) == []
    assert tags() >= FLOW | STATES | OTHERS | {"rnn/gru/grad_flow"}


def test_a_loss_inside_of_the_model_that_takes_targets_as_inputs(tmp_path, recorded_warnings, tags):
    class Ctc(layers.Layer):
        def call(self, y, logits):
            lengths = (ops.full((ops.shape(y)[0],), steps, dtype="int32") for steps in (2, 5))
            self.add_loss(ops.mean(ops.ctc_loss(y, logits, *lengths, mask_index=0)))
            return logits

    keras.utils.set_random_seed(1)
    x, letters = keras.Input((5, 3), name="x"), keras.Input((2,), dtype="int32", name="letters")
    logits = layers.Dense(4)(reader()(x))
    model = keras.Model([x, letters], Ctc()(letters, logits))
    model.compile("sgd")
    batch = [X, np.tile(np.array([[1, 2]], "int32"), (8, 1))]
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(batch, None)), x=batch, y=None)
    assert ours(caught) == []
    assert tags() >= FLOW | STATES | OTHERS


def test_regularisation_alone_has_the_flow_of_a_loss_that_no_state_is_part_of():
    model = keras.Sequential([keras.Input((5, 3)), reader(kernel_regularizer="l2")])
    model.compile("sgd")
    flow = recurrent.gradient_flow(model, X, None)["cell"]
    kernel = ops.convert_to_numpy(model.get_layer("cell").cell.kernel)
    assert flow.loss == pytest.approx(0.01 * np.square(kernel).sum(), rel=1e-5)
    np.testing.assert_array_equal(flow.hidden, np.zeros(5))


class OwnLoss(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(ops.square(y_pred))


def test_a_compute_loss_without_targets(tmp_path, recorded_warnings, read_values, our_event_file):
    x = keras.Input((5, 3))
    model = OwnLoss(x, reader()(x))
    model.compile(keras.optimizers.SGD(0.1))
    with recorded_warnings() as caught:
        fit(model, [GradientFlow(tmp_path / "run", (X, None))], y=None)
    assert ours(caught) == []
    written = read_values(our_event_file(tmp_path / "run"))["rnn_tutorial"]["rnn/cell/grad_flow"][1]
    np.testing.assert_allclose(written, flow_by_hand(model, lambda h: 2 * h / h.size), rtol=1e-4)


def test_targets_are_asked_for_where_the_loss_compares(tmp_path):
    model = keras.Sequential([keras.Input((5, 3)), reader(), MeanSquare()])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="probe: y must hold the targets that belong to x, received None"):
        fit(model, observe(tmp_path / "run", probe=(X, None)), y=TARGETS)
    assert list(tmp_path.iterdir()) == []


def test_targets_that_are_missed_by_a_model_that_its_first_batch_builds(tmp_path, recorded_warnings, tags):
    model = keras.Sequential([layers.SimpleRNN(4, name="cell"), layers.Dense(1)])
    model.compile("sgd", "mse")
    if keras.config.backend() == "jax":  # There Keras builds it before training begins.
        with pytest.raises(ValueError, match="probe: y must hold the targets that belong to x, received None"):
            fit(model, observe(tmp_path / "run", probe=(X, None)))
        return
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(X, None)))
    assert ours(caught) == [
        "the gradient through time is left out: ValueError: y must hold the targets that belong to x, received None. "
        "Everything else goes on."
    ]
    assert tags() >= STATES | OTHERS
    assert not tags() & FLOW


# --- Losses that only a train_step knows


if keras.config.backend() == "tensorflow":

    class OwnStep(keras.Model):
        """Its loss, half of the square error, is known to its `train_step` alone."""

        def train_step(self, data):
            import tensorflow as tf

            x, y = data
            with tf.GradientTape() as tape:
                loss = 0.5 * ops.mean(ops.square(self(x, training=True) - y))
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            return {"loss": loss}

else:

    class OwnStep(keras.Model):
        """Its loss, half of the square error, is known to its `train_step` alone."""

        def train_step(self, state, data):
            import jax

            trainable, others, optimizer, metrics = state
            x, y = data

            def loss_of(trainable):
                predicted, changed = self.stateless_call(trainable, others, x, training=True)
                return 0.5 * ops.mean(ops.square(predicted - y)), changed

            (loss, others), gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable)
            trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
            return {"loss": loss}, (trainable, others, optimizer, metrics)


def half_square(y, predicted):
    return 0.5 * ops.square(predicted - y)


def own_step(kind=None, *more):
    keras.utils.set_random_seed(1)
    x = keras.Input((5, 3))
    h = reader()(x)
    for layer in more:
        h = layer(h)
    model = (kind or OwnStep)(x, h)
    model.compile(keras.optimizers.SGD(0.1))
    return model


def test_a_loss_that_nobody_knows_leaves_out_the_flow_alone(tmp_path, recorded_warnings, tags):
    with recorded_warnings() as caught:
        fit(own_step(), observe(tmp_path / "run", probe=(X, TARGETS)), y=TARGETS)
    (message,) = ours(caught)
    assert message.startswith("the gradient through time is left out: ")
    assert "whose loss only its own train_step knows" in message
    assert tags() >= STATES | OTHERS
    assert not tags() & FLOW


def test_what_layers_add_is_not_taken_for_the_loss_of_a_train_step(tmp_path, recorded_warnings, tags):
    with recorded_warnings() as caught:
        fit(own_step(None, MeanSquare()), observe(tmp_path / "run", probe=(X, TARGETS)), y=TARGETS)
    assert len(ours(caught)) == 1
    assert tags() >= STATES | OTHERS
    assert not tags() & FLOW


@pytest.mark.parametrize("loss", [half_square, [half_square]], ids=["one", "one an output"])
def test_a_given_loss_has_its_flow(tmp_path, recorded_warnings, tags, read_values, our_event_file, loss):
    model = own_step()
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(X, TARGETS), loss=loss), y=TARGETS)
    assert ours(caught) == []
    assert tags() >= FLOW | STATES | OTHERS
    written = read_values(our_event_file(tmp_path / "run"))["rnn_tutorial"]["rnn/cell/grad_flow"][1]
    np.testing.assert_allclose(written, flow_by_hand(model, lambda h: (h - TARGETS) / h.size), rtol=1e-4)


def test_a_given_loss_goes_before_the_compiled_one(tmp_path, read_values, our_event_file):
    model = own_step(keras.Model)
    model.compile(keras.optimizers.SGD(0.1), "mae")
    fit(model, [GradientFlow(tmp_path / "run", (X, TARGETS), loss=half_square)], y=TARGETS)
    written = read_values(our_event_file(tmp_path / "run"))["rnn_tutorial"]["rnn/cell/grad_flow"][1]
    np.testing.assert_allclose(written, flow_by_hand(model, lambda h: (h - TARGETS) / h.size), rtol=1e-4)


@pytest.mark.parametrize("loss", ["mst", 3, True, [], {}, ["mse", 3], [None], np.ones(2)], ids=repr)
def test_what_is_no_loss_is_told_at_once(tmp_path, loss):
    for make in (observe, GradientFlow):
        with pytest.raises(ValueError, match=r"loss must be a loss as `compile` takes it.*received ") as caught:
            make(tmp_path / "run", probe=(X, TARGETS), loss=loss)
        assert repr(loss) in str(caught.value)
    model = own_step(keras.Model)
    with pytest.raises(ValueError, match=r"loss must be a loss as `compile` takes it.*received "):
        recurrent.gradient_flow(model, X, TARGETS, loss=loss)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            {"head": "mse"},
            r"probe: loss must have keys out of \['cell'\], the outputs of the model; received \['head'\]",
        ),
        (["mse", "mse"], "probe: loss must hold 1 losses, one an output of the model; received 2"),
    ],
)
def test_a_loss_that_does_not_fit_the_model_is_told_before_training(tmp_path, loss, message):
    with pytest.raises(ValueError, match=message):
        fit(own_step(), observe(tmp_path / "run", probe=(X, TARGETS), loss=loss), y=TARGETS)
    assert list(tmp_path.iterdir()) == []


def test_a_given_loss_needs_targets(tmp_path):
    with pytest.raises(ValueError, match="probe: y must hold the targets that belong to x, received None"):
        fit(own_step(), observe(tmp_path / "run", probe=(X, None), loss="mse"), y=TARGETS)


# --- One part that fails takes no other with it


def test_a_loss_that_raises_leaves_the_states(tmp_path, recorded_warnings, tags):
    calls = []

    def broken(y, predicted):
        calls.append(y)
        raise ZeroDivisionError("nobody thought of this")

    model = own_step(keras.Model)
    model.compile("sgd", "mse")
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(X, TARGETS), loss=broken), y=TARGETS, epochs=3)
    assert ours(caught) == [
        "the gradient through time is left out: ZeroDivisionError: nobody thought of this. Everything else goes on."
    ]
    assert len(calls) == 1
    assert tags() >= STATES | OTHERS
    assert not tags() & FLOW


def test_targets_that_the_loss_cannot_compare_leave_the_states(tmp_path, recorded_warnings, tags):
    model = own_step(keras.Model)
    model.compile("sgd", "mse")
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(X, TARGETS[..., :3])), y=TARGETS)
    assert len(ours(caught)) == 1
    assert ours(caught)[0].startswith("the gradient through time is left out: ")
    assert tags() >= STATES | OTHERS
    assert not tags() & FLOW


@ops.custom_gradient
def without_gradient(x):
    def gradient(*_, upstream=None):
        raise LookupError("there is none")

    return ops.floor(x), gradient


class NoGradient(layers.Layer):
    def call(self, x, training=False):
        return x if training else without_gradient(x)


def test_an_operation_without_a_gradient_leaves_the_states(tmp_path, recorded_warnings, tags):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((5, 3)), reader(), NoGradient(), layers.Dense(1)])
    model.compile("sgd", "mse")
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(X, TARGETS[..., :1])), y=TARGETS[..., :1])
    (message,) = ours(caught)
    assert message.startswith("the gradient through time is left out: ")
    assert tags() >= STATES | OTHERS
    assert not tags() & FLOW


def test_states_that_fail_leave_the_flow(tmp_path, recorded_warnings, tags, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(reducing, "_saturation", broken)
    model = own_step(keras.Model)
    model.compile("sgd", "mse")
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(X, TARGETS)), y=TARGETS)
    assert ours(caught) == [
        "states and gates are left out: ZeroDivisionError: nobody thought of this. Everything else goes on."
    ]
    assert tags() >= FLOW | OTHERS
    assert not tags() & STATES


def test_where_all_fails_one_warning_says_so(tmp_path, recorded_warnings, tags, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(recurrent, "look", broken)
    model = own_step(keras.Model)
    model.compile("sgd", "mse")
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(X, TARGETS)), y=TARGETS)
    assert ours(caught) == [
        "gradient through time, states and gates are left out: ZeroDivisionError: nobody thought of this. "
        "Everything else goes on."
    ]
    assert tags() >= OTHERS
    assert not tags() & (FLOW | STATES)


@pytest.mark.parametrize(
    ("probe", "seen", "missing"),
    [
        ((X[:4], Y[:3]), STATES, "the gradient through time is left out: ValueError: y must have 4 samples like x"),
        ((X[:4, :, :2], Y[:4]), set(), "gradient through time, states and gates are left out: ValueError: x must"),
    ],
    ids=["rows", "x"],
)
def test_a_wrong_probe_of_a_model_that_its_first_batch_builds(tmp_path, recorded_warnings, tags, probe, seen, missing):
    model = keras.Sequential([layers.SimpleRNN(4, name="cell"), layers.Dense(1)])
    model.compile("sgd", "mse")
    if keras.config.backend() == "jax":  # There Keras builds it before training begins.
        with pytest.raises(ValueError, match=r"probe: [xy] must have"):
            fit(model, observe(tmp_path / "run", probe))
        return
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe))
    (message,) = ours(caught)
    assert message.startswith(missing)
    assert tags() & (FLOW | STATES) == seen


# --- Models without recurrent layers


@pytest.mark.parametrize("is_built", [True, False], ids=["built", "built by its first batch"])
@pytest.mark.parametrize("loss", ["mse", None], ids=["loss", "no loss"])
def test_a_model_without_recurrent_layers_is_told_once(tmp_path, recorded_warnings, tags, is_built, loss):
    inputs = [keras.Input((5, 3))] if is_built else []
    model = keras.Sequential([*inputs, layers.Flatten(), layers.Dense(1, name="head")], name="flat")
    model.compile("sgd", "mse")
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(X, Y), loss=loss))
    (message,) = ours(caught)
    assert "model 'flat' has no recurrent layer that can be followed" in message
    assert tags() >= OTHERS | {"weights/head/kernel", "weights_picture/head", "gradient_norm/head/kernel"}
    assert not any(tag.startswith(("rnn/", "saturation/", "states_picture/")) for tag in tags())


def test_a_model_built_by_its_first_batch_takes_a_probe_of_another_size(tmp_path, recorded_warnings, tags):
    model = keras.Sequential([layers.SimpleRNN(4, name="cell"), layers.Dense(1)])
    model.compile("sgd", "mse")
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(X[:3], Y[:3])))
    assert ours(caught) == []
    assert tags() >= FLOW | STATES


@pytest.mark.parametrize("probe", [(X[:, :4], Y), (X, None), (X, Y[:3])], ids=["x", "no targets", "rows"])
def test_a_wrong_probe_for_a_model_without_recurrent_layers(tmp_path, recorded_warnings, probe):
    """Nobody looks at it."""
    model = keras.Sequential([keras.Input((5, 3)), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe))
    (message,) = ours(caught)
    assert "has no recurrent layer that can be followed" in message
