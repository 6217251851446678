"""Taps on TensorFlow: train steps of one's own, train functions made in the middle of a fit, what is left in memory.

Keras on JAX hands the variables of one optimizer through the step, and has the train step in no other function.
"""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers, optimizers

from rnn_tutorial.callbacks import GradientHistograms

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 5)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def arrays(variables):
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def norm(parts):
    return np.sqrt(sum((np.asarray(part, "float64") ** 2).sum() for part in parts))


@pytest.fixture
def dense():
    """Two layers, `first` and `second`, not compiled."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((5,)), layers.Dense(2, name="first"), layers.Dense(1, name="second")])


# A `train_step` of one's own.


def make_gan(decorated):
    """A generator of three numbers -> five, and its critic; each with an optimizer of its own."""
    import tensorflow as tf

    class Gan(keras.Model):
        def __init__(self):
            super().__init__()
            self.generator = keras.Sequential([keras.Input((3,)), layers.Dense(5, name="draw")], name="generator")
            self.critic = keras.Sequential([keras.Input((5,)), layers.Dense(1, name="judge")], name="critic")

        def compile(self):
            super().compile()
            self.optimizers = {"critic": optimizers.SGD(1.0), "generator": optimizers.SGD(1.0)}

        def train_step(self, real):
            def critic_loss():
                drawn = self.generator(tf.ones((4, 3)))
                return tf.reduce_mean(self.critic(drawn) ** 2) - tf.reduce_mean(self.critic(real))

            def generator_loss():
                return -tf.reduce_mean(self.critic(self.generator(tf.ones((4, 3)))))

            for name, loss in (("critic", critic_loss), ("generator", generator_loss)):
                weights = getattr(self, name).trainable_weights
                with tf.GradientTape() as tape:
                    value = loss()
                self.optimizers[name].apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))
            return {"loss": value}

    if decorated:
        Gan.train_step = tf.function(Gan.train_step)
    model = Gan()
    model.compile()
    return model


@pytest.mark.parametrize("decorated", [False, True])
@pytest.mark.parametrize("before", ["not", "fit"])
def test_two_optimizers_of_a_train_step(tmp_path, read_values, our_event_file, decorated, before):
    keras.utils.set_random_seed(1)
    model = make_gan(decorated)
    if before == "fit":
        model.fit(X, batch_size=4, verbose=0)
    weights = {
        "generator/draw/kernel": model.generator.weights[0],
        "generator/draw/bias": model.generator.weights[1],
        "critic/judge/kernel": model.critic.weights[0],
        "critic/judge/bias": model.critic.weights[1],
    }
    old = arrays(weights.values())
    model.fit(X, batch_size=8, epochs=1, verbose=0, callbacks=[GradientHistograms(tmp_path)])
    moved = [a - b for a, b in zip(old, arrays(weights.values()), strict=True)]
    scalars = read_values(our_event_file(tmp_path))["scalars"]
    for name, step in zip(weights, moved, strict=True):
        np.testing.assert_allclose(scalars[f"gradient_norm/{name}"][0], norm([step]), rtol=1e-4, atol=1e-6)
    # Two updates a batch.
    together = [norm(moved[:2]), norm(moved[2:])]
    np.testing.assert_allclose(scalars["gradient_norm/global"][0], np.mean(together), rtol=1e-4)
    assert scalars["nonfinite_batches/global"] == {0: 0.0}
    assert not any(np.isnan(value) for series in scalars.values() for value in series.values())


def test_where_no_optimizer_is_seen_one_warning_says_so(tmp_path, read_values, our_event_file, recorded_warnings):
    import tensorflow as tf

    class ByHand(keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x) - y) ** 2)
            for gradient, weight in zip(
                tape.gradient(loss, self.trainable_weights), self.trainable_weights, strict=True
            ):
                weight.assign_sub(0.1 * gradient)
            return {"loss": loss}

    model = ByHand([keras.Input((5,)), layers.Dense(1)])
    model.compile()
    with recorded_warnings() as caught:
        history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[GradientHistograms(tmp_path)])
    assert len(history.history["loss"]) == 3
    (warning,) = caught
    assert "sees no gradients: no Keras optimizer" in str(warning.message)
    assert read_values(our_event_file(tmp_path)) == {}


# A train function that is made in the middle of a fit.


class Unfreeze(keras.callbacks.Callback):
    """Trains all layers from epoch 2 on, as transfer learning does."""

    def __init__(self, compile_anew):
        super().__init__()
        self.compile_anew = compile_anew

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            self.model.layers[0].trainable = True
            if self.compile_anew:
                self.model.compile(optimizers.SGD(1.0), "mse")
            self.model.make_train_function(force=True)


@pytest.mark.parametrize("compile_anew", [False, True])
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_weights_that_are_unfrozen_in_the_middle_are_taken_up(
    tmp_path, dense, read_values, our_event_file, compile_anew, first
):
    optimizer = optimizers.SGD(1.0)
    optimizer.build(dense.trainable_variables)
    dense.layers[0].trainable = False
    dense.compile(optimizer, "mse")
    kernels = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: kernels.append(arrays([dense.layers[0].kernel])[0])
    )
    ours, theirs = GradientHistograms(tmp_path), Unfreeze(compile_anew)
    callbacks = [ours, theirs] if first == "ours" else [theirs, ours]
    dense.fit(X, Y, batch_size=8, epochs=4, verbose=0, callbacks=[keep, *callbacks])
    values = read_values(our_event_file(tmp_path))
    assert values["scalars"]["gradient_norm/second/kernel"].keys() == {0, 1, 2, 3}
    assert values["scalars"]["gradient_norm/first/kernel"].keys() == {2, 3}
    assert values["histograms"]["gradients/first/kernel"].keys() == {2, 3}
    moved = norm([kernels[3] - kernels[2]])
    np.testing.assert_allclose(values["scalars"]["gradient_norm/first/kernel"][2], moved, rtol=1e-4)


@pytest.mark.parametrize("watched", [False, True])
def test_a_model_left_without_a_train_function_ends_as_it_would(tmp_path, dense, watched):
    """Keras says so, and the tap makes none instead."""
    dense.compile("sgd", "mse")
    compile_again = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: dense.compile("sgd", "mse"))
    callbacks = [GradientHistograms(tmp_path)] if watched else []
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        dense.fit(X, Y, epochs=2, verbose=0, callbacks=[compile_again, *callbacks])


# What is left in memory.


def test_a_watched_model_that_is_let_go_leaves_no_graph(tmp_path):
    from tensorflow.python.framework.func_graph import FuncGraph

    def graphs():
        return [thing for thing in gc.get_objects() if isinstance(thing, FuncGraph)]

    others = {id(graph) for graph in graphs()}
    model = keras.Sequential([keras.Input((5,)), layers.Dense(2), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0, callbacks=[GradientHistograms(tmp_path)])
    ours = [weakref.ref(graph) for graph in graphs() if id(graph) not in others]
    assert ours
    del model
    keras.utils.clear_session()
    gc.collect()
    assert [graph for graph in ours if graph() is not None] == []


# On JAX, in programs of their own.


def test_a_train_step_that_counts_the_optimizers_variables_goes_on_without_us(tmp_path, run_python):
    """JAX alone hands the optimizer's variables through the step, and ours with them."""
    program = """
        import sys, warnings
        import keras, numpy as np
        from rnn_tutorial.callbacks import GradientHistograms

        class Counting(keras.Sequential):
            def train_step(self, state, data):
                if len(state[2]) != len(self.optimizer.variables):
                    raise ValueError("these are not the optimizer's variables")
                return super().train_step(state, data)

        x = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")
        losses = []
        for callbacks in ([], [GradientHistograms(sys.argv[1])]):
            keras.utils.set_random_seed(1)
            model = Counting([keras.Input((5,)), keras.layers.Dense(1)])
            model.compile("adam", "mse")
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                losses.append(model.fit(x, x[:, :1], batch_size=2, epochs=2, verbose=0, callbacks=callbacks).history)
        assert losses[0] == losses[1], losses
        (warning,) = caught
        assert "these are not the optimizer's variables" in str(warning.message)
        """
    run_python(program, tmp_path, KERAS_BACKEND="jax")


def test_an_optimizer_whose_state_the_step_does_not_carry_is_left_alone(tmp_path, run_python):
    """An assignment outside of the carried state would leave a tracer behind."""
    program = """
        import sys, warnings
        import jax, keras, numpy as np
        from rnn_tutorial.callbacks import GradientHistograms

        class Other(keras.Sequential):
            def train_step(self, state, data):
                trainable, others, optimizer_variables, metrics = state
                x, y = data

                def loss(values):
                    return ((self.stateless_call(values, others, x)[0] - y) ** 2).mean()

                value, gradients = jax.value_and_grad(loss)(trainable)
                own = [variable.value for variable in self.other.variables]
                trainable, _ = self.other.stateless_apply(own, gradients, trainable)
                return {"loss": value}, (trainable, others, optimizer_variables, metrics)

        x = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")
        model = Other([keras.Input((5,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.other = keras.optimizers.SGD(0.1)
        model.other.build(model.trainable_variables)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(x, x[:, :1], batch_size=2, epochs=2, verbose=0, callbacks=[GradientHistograms(sys.argv[1])])
        (warning,) = caught
        assert "sees no gradients" in str(warning.message)
        """
    run_python(program, tmp_path, KERAS_BACKEND="jax")
