"""What `keras_internals` touches of Keras is as it was; a test that fails says what Keras has changed."""

import contextlib
import inspect

import keras
import numpy as np
import pytest
from keras import layers, ops

from rnn_tutorial.inspection import keras_internals

X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
LOOPS = (layers.RNN, layers.SimpleRNN, layers.LSTM, layers.GRU)


@contextlib.contextmanager
def unchanged(what):
    """Say what has changed, instead of an error from inside Keras."""
    try:
        yield
    except Exception as error:
        pytest.fail(f"Keras {keras.__version__} has changed {what}, which keras_internals touches: {error!r}")


def test_flatten_layers():
    inner = keras.Sequential([layers.Dense(2, name="dense")], name="inner")
    both = layers.Bidirectional(layers.LSTM(2), name="both")
    model = keras.Sequential([keras.Input((4, 3)), both, inner])
    with unchanged("Layer._flatten_layers"):
        every = keras_internals.flatten_layers(model)
        assert every[0] is model
        assert {id(both), id(both.forward_layer), id(both.forward_layer.cell), id(inner.layers[0])} <= set(
            map(id, every)
        )
        assert keras_internals.flatten_layers(both.forward_layer, include_self=False) == [both.forward_layer.cell]
        held = keras_internals.flatten_layers(both, include_self=False, recursive=False)
        assert both.forward_layer in held
        assert both.forward_layer.cell not in held


def test_own_losses():
    class Adding(layers.Layer):
        def call(self, x):
            self.add_loss(ops.sum(x))
            return x

    layer = Adding()
    with unchanged("Layer._losses"):
        layer(np.ones((1, 2)))
        assert len(keras_internals.own_losses(layer)) == len(layer.losses) == 1
        keras_internals.own_losses(layer)[:] = []
        assert layer.losses == []


def test_compiled_loss():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    with unchanged("Trainer._compile_loss"):
        assert keras_internals.compiled_loss(model) is None
        model.compile("sgd", "mse")
        loss = keras_internals.compiled_loss(model)
        assert isinstance(loss, keras.losses.Loss)
        assert isinstance(loss.metrics, list)
        assert float(loss(np.zeros((2, 1)), np.ones((2, 1)))) == pytest.approx(1.0)
        assert keras_internals.compiled_loss(layers.Dense(1)) is None


@pytest.mark.parametrize("kind", LOOPS)
def test_loop_of(kind):
    with unchanged("RNN.inner_loop"):
        parameters = list(inspect.signature(keras_internals.loop_of(kind)).parameters)
        assert parameters == ["self", "sequences", "initial_state", "mask", "training"]


def test_only_lstm_and_gru_have_loops_of_their_own():
    with unchanged("which layers have an inner_loop"):
        own = {kind.__name__ for kind in LOOPS[1:] if "inner_loop" in vars(kind)}
        assert own == {"LSTM", "GRU"}


@pytest.mark.parametrize("around", [None, layers.Bidirectional])
@pytest.mark.parametrize("kind", LOOPS[1:])
def test_replace_loop(kind, around):
    layer = kind(2, return_sequences=True)
    layer = layer if around is None else around(layer)
    layer.build(X.shape)
    parts = [layer] if around is None else [layer.forward_layer, layer.backward_layer]
    before = ops.convert_to_numpy(layer(X))
    asked = []

    def replace(part):
        own = part.inner_loop

        def loop(sequences, initial_state, mask, training=False):
            asked.append((tuple(sequences.shape), len(initial_state), mask, training))
            last, outputs, states = own(sequences, initial_state, mask, training=training)
            return last, 0 * outputs, states

        keras_internals.replace_loop(part, loop)

    with unchanged("that a layer looks up inner_loop on itself"):
        for part in parts:
            replace(part)
        assert not ops.convert_to_numpy(layer(X, training=False)).any()
        assert asked == len(parts) * [(X.shape, 2 if kind is layers.LSTM else 1, None, False)]
        for part in parts:
            del vars(part)["inner_loop"]
        np.testing.assert_allclose(ops.convert_to_numpy(layer(X)), before, atol=1e-6)


def test_autocast():
    layer = layers.Dense(2, dtype="mixed_float16")
    layer.build((None, 3))
    with unchanged("AutocastScope"):
        assert keras.backend.standardize_dtype(layer.kernel.value.dtype) == "float32"
        with keras_internals.autocast("float16"):
            assert keras.backend.standardize_dtype(layer.kernel.value.dtype) == "float16"
            assert keras.backend.standardize_dtype(ops.matmul(X[0].astype("float16"), layer.kernel).dtype) == "float16"
        assert keras.backend.standardize_dtype(layer.kernel.value.dtype) == "float32"


def test_functional_of_and_nodes_of():
    x = keras.Input((4, 3), name="x")
    shared = layers.Dense(3, name="shared")
    model = keras.Model(x, layers.Add(name="sum")([shared(x), shared(shared(x))]))
    other = keras.Sequential([keras.Input((5, 3)), shared])

    class Own(keras.Model):
        def call(self, x):
            return x

    with unchanged("Functional._nodes_by_depth, Operation._inbound_nodes or Sequential._functional"):
        assert keras_internals.functional_of(model) is model
        assert keras_internals.functional_of(Own()) is None
        assert keras_internals.functional_of(other) is not other
        (node,) = keras_internals.nodes_of(keras_internals.functional_of(other), shared)
        assert [tuple(tensor.shape) for tensor in node.input_tensors] == [(None, 5, 3)]
        assert [tuple(tensor.shape) for tensor in node.output_tensors] == [(None, 5, 3)]
        assert len(keras_internals.nodes_of(model, shared)) == 3
        (node,) = keras_internals.nodes_of(model, model.get_layer("sum"))
        assert [parent.operation for parent in node.parent_nodes] == [shared, shared]
