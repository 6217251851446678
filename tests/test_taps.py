"""Taps: the numbers are those of the training step, and the step is not changed by looking at it."""

import contextlib
import gc
import sys
import warnings
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops, optimizers

from rnn_tutorial import inspection
from rnn_tutorial.inspection.gradients import recorder
from rnn_tutorial.inspection.gradients.tap import GradientTap

TENSORFLOW = keras.config.backend() == "tensorflow"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5, 2)).astype("float32")
Y = X.sum(axis=(1, 2))[:, None]
IDS = RNG.integers(1, 12, size=(40, 5))
IDS[:, 3:] *= RNG.integers(0, 2, size=(40, 2))


def dropout():
    lstm = layers.LSTM(4, return_sequences=True, dropout=0.2, recurrent_dropout=0.1)
    return keras.Sequential([keras.Input((5, 2)), lstm, layers.LSTM(4), layers.Dense(1)]), X, Y, "mse"


def normalised():
    rnn = layers.SimpleRNN(4, kernel_regularizer="l2")
    return keras.Sequential([keras.Input((5, 2)), rnn, layers.BatchNormalization(), layers.Dense(1)]), X, Y, "mse"


def embedded():
    stack = [layers.Embedding(12, 3, mask_zero=True), layers.GRU(4), layers.Dense(12, activation="softmax")]
    model = keras.Sequential([keras.Input((5,), dtype="int32"), *stack])
    return model, IDS, IDS[:, 0], "sparse_categorical_crossentropy"


def plain():
    return keras.Sequential([keras.Input((5, 2)), layers.LSTM(3), layers.Dense(1)]), X, Y, "mse"


OPTIMIZERS = {
    "adam": lambda: optimizers.Adam(0.01),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.01),
    "clipnorm": lambda: optimizers.SGD(0.05, clipnorm=0.1),
    "global_clipnorm": lambda: optimizers.SGD(0.05, global_clipnorm=0.1),
    "adam_global_clipnorm": lambda: optimizers.Adam(0.05, global_clipnorm=0.1),
    "clipvalue": lambda: optimizers.RMSprop(0.01, clipvalue=0.05),
    "accumulation": lambda: optimizers.Adam(0.01, gradient_accumulation_steps=3),
    "accumulation_clipped": lambda: optimizers.SGD(0.05, gradient_accumulation_steps=2, clipnorm=0.1),
    "ema": lambda: optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=4),
    "loss_scale": lambda: optimizers.LossScaleOptimizer(
        optimizers.Adam(0.01, global_clipnorm=0.5), initial_scale=2.0**126, dynamic_growth_steps=3
    ),
    "loss_scale_factor": lambda: optimizers.SGD(0.01, loss_scale_factor=100.0, clipnorm=0.2),
    "schedule": lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.02, 3, 0.9)),
}


class Watch(keras.callbacks.Callback):
    """Opens a tap for its fit, as callbacks do."""

    def __init__(self, **options):
        super().__init__()
        self.options, self.readings = options, []

    def on_train_begin(self, logs=None):
        self.tap = GradientTap(self.model, callbacks=sys._getframe(1).f_locals["self"], **self.options)
        self.tap.open()

    def on_epoch_end(self, epoch, logs=None):
        self.readings.append(self.tap.read())

    def on_train_end(self, logs=None):
        self.tap.close()


def train(make, optimizer, way, epochs=2, batch_size=16, **compiled):
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    model, x, y, loss = make()
    model.compile(optimizer(), loss, **compiled)
    watch = Watch(per_batch=True)
    with inspection.tap_gradients(model, per_batch=True) if way == "with" else contextlib.nullcontext():
        fitted = model.fit(
            x, y, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=[watch] if way == "fit" else []
        )
    return model, fitted.history["loss"], watch.readings


def numbers(variables):
    return [ops.convert_to_numpy(variable) for variable in variables]


def assert_same(first, second):
    assert first[1] == second[1]
    for ours, theirs in (
        (first[0].get_weights(), second[0].get_weights()),
        (numbers(first[0].optimizer.variables), numbers(second[0].optimizer.variables)),
    ):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


# Each optimizer, model and way to run a step at least once, and the pairs that have gone wrong before.
GRID = [
    (dropout, "adam_global_clipnorm", {}),
    (normalised, "momentum", {}),
    (embedded, "clipnorm", {}),
    (plain, "loss_scale", {"steps_per_execution": 2}),
]
if TENSORFLOW:  # XLA takes its time; tests/test_callbacks_inside.py has a grid too, and other pairs.
    GRID += [
        (normalised, "adamw", {}),
        (normalised, "clipvalue", {}),
        (normalised, "ema", {}),
        (embedded, "schedule", {}),
        (plain, "loss_scale_factor", {}),
        (plain, "accumulation_clipped", {"steps_per_execution": 2}),
        (plain, "global_clipnorm", {"jit_compile": True}),
        (dropout, "accumulation", {}),
        (normalised, "adam", {"run_eagerly": True}),
    ]


@pytest.mark.parametrize(("make", "name", "compiled"), GRID)
@pytest.mark.filterwarnings("ignore:overflow")
def test_looking_changes_nothing(make, name, compiled):
    """Weights, losses and optimizer variables are bit-identical to a run without the tap."""
    bare = train(make, OPTIMIZERS[name], "bare", **compiled)
    watched = train(make, OPTIMIZERS[name], "fit", **compiled)
    assert_same(bare, watched)
    assert watched[2][-1].batches > 0
    assert "apply" not in vars(watched[0].optimizer)


class Decoder(layers.Layer):
    """Calls a layer once a time step."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        states = [ops.zeros((ops.shape(x)[0], self.inner.units))] * (2 if isinstance(self.inner, layers.LSTM) else 1)
        outputs = []
        for step in range(x.shape[1]):
            output, *states = self.inner(x[:, step : step + 1], initial_state=states)
            outputs.append(output)
        return ops.stack(outputs, 1)


WRITTEN_OUT = {
    "lstm_in_a_loop": lambda: [Decoder(layers.LSTM(4, return_state=True))],
    "gru_in_a_loop": lambda: [Decoder(layers.GRU(4, return_state=True))],
    "gru": lambda: [layers.GRU(4, unroll=True, reset_after=False), layers.Dense(1)],
    "both_ways": lambda: [layers.Bidirectional(layers.GRU(4, unroll=True, return_sequences=True, dropout=0.2))],
}


@pytest.mark.parametrize(
    ("net", "optimizer", "batch_size"),
    [
        ("lstm_in_a_loop", "sgd", 3),
        ("gru_in_a_loop", "sgd", 3),
        ("gru", "sgd", 3),
        ("gru", "accumulation", 1),
        ("both_ways", "sgd", 8),
    ],
)
def test_looking_changes_nothing_where_time_steps_are_written_out(net, optimizer, batch_size):
    """XLA fuses such a step, and rounds it, by how many read each value."""

    def make():
        model = keras.Sequential([keras.Input((5, 3)), *WRITTEN_OUT[net]()])
        random = np.random.default_rng(3)
        x, y = (random.normal(size=(3 * batch_size, *shape[1:])) for shape in (model.input_shape, model.output_shape))
        return model, x.astype("float32"), y.astype("float32"), "mse"

    make_optimizer = {**OPTIMIZERS, "sgd": lambda: optimizers.SGD(0.05)}[optimizer]
    bare, watched = (train(make, make_optimizer, way, batch_size=batch_size) for way in ("bare", "fit"))
    assert_same(bare, watched)
    assert watched[2][-1].batches > 0


@pytest.mark.parametrize("name", ["adam_global_clipnorm", "loss_scale"] if TENSORFLOW else ["loss_scale"])
def test_looking_at_all_steps_changes_nothing(name):
    assert_same(train(dropout, OPTIMIZERS[name], "bare"), train(dropout, OPTIMIZERS[name], "with"))


def descended(make=plain, batch_size=8, batches=5, y=None, **options):
    """(reading, the gradients of each batch as SGD without momentum betrays them, the weights before each batch)."""
    keras.utils.set_random_seed(3)
    model, x, own_y, loss = make()
    y = own_y if y is None else y
    model.compile(optimizers.SGD(1.0, **options), loss)
    gradients, before = [], []
    with inspection.tap_gradients(model, per_batch=True) as tap:
        for start in range(0, batches * batch_size, batch_size):
            before.append(numbers(model.trainable_variables))
            model.train_on_batch(x[start : start + batch_size], y[start : start + batch_size])
            after = numbers(model.trainable_variables)
            gradients.append([a - b for a, b in zip(before[-1], after, strict=True)])
        return tap.read(), gradients, before, model


def norm(arrays):
    return np.sqrt(sum((np.asarray(array, "float64") ** 2).sum() for array in arrays))


@pytest.mark.parametrize("make", [plain, embedded])
def test_norms_are_those_of_the_steps(make):
    """Plain SGD with learning rate 1 moves the weights by exactly the gradient."""
    reading, gradients, before, _model = descended(make)
    each = {name: [norm([batch[i]]) for batch in gradients] for i, name in enumerate(list(reading.last))}
    each["global"] = [norm(batch) for batch in gradients]
    assert list(reading.norm) == list(each)
    assert reading.batches == 5
    for name, norms in each.items():
        np.testing.assert_allclose(reading.batch_norms[name], norms, rtol=2e-3, atol=1e-6)
        assert reading.norm[name] == pytest.approx(np.mean(norms), rel=2e-3, abs=1e-6)
        assert reading.norm_max[name] == pytest.approx(np.max(norms), rel=2e-3, abs=1e-6)
        assert reading.nonfinite[name] == 0
    for gradient, last in zip(gradients[-1], reading.last.values(), strict=True):
        np.testing.assert_allclose(last, gradient, atol=2e-6)
    sizes = [norm(weights) for weights in before]
    ratios = [norm(batch) / size for batch, size in zip(gradients, sizes, strict=True)]
    assert reading.update_ratio["global"] == pytest.approx(np.mean(ratios), rel=1e-3)
    assert reading.clipped_batches is None
    assert reading.norm_clipped == {}


def test_gradients_against_another_differentiation():
    """The first batch's gradient against the backend's own, taken by hand."""
    keras.utils.set_random_seed(3)
    model, x, y, _ = plain()
    if TENSORFLOW:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x[:8]) - y[:8]) ** 2)
        expected = numbers(tape.gradient(loss, model.trainable_variables))
    else:
        import jax

        def loss(values):
            predicted, _ = model.stateless_call(values, [v.value for v in model.non_trainable_variables], x[:8])
            return ((predicted - y[:8]) ** 2).mean()

        expected = [np.asarray(g) for g in jax.grad(loss)([v.value for v in model.trainable_variables])]
    reading, *_ = descended(batches=1)
    for ours, theirs in zip(reading.last.values(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert reading.norm["global"] == pytest.approx(norm(expected), rel=1e-5)


@pytest.mark.parametrize("way", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_clipped_norms_are_those_of_the_updates(way):
    limit = {"clipnorm": 0.4, "global_clipnorm": 0.8, "clipvalue": 0.3}[way]
    free, gradients, _, _ = descended(batches=1)
    reading, clipped, _, _ = descended(**{way: limit})
    assert free.clipped_batches is None
    for i, name in enumerate(reading.last):
        expected = np.mean([norm([batch[i]]) for batch in clipped])
        assert reading.norm_clipped[name] == pytest.approx(expected, rel=2e-3, abs=1e-6)
    assert reading.norm_clipped["global"] == pytest.approx(np.mean([norm(batch) for batch in clipped]), rel=2e-3)
    assert reading.batch_norms["global"][0] == pytest.approx(norm(gradients[0]), rel=1e-3)  # before clipping
    if way == "global_clipnorm":
        assert reading.clipped_batches == sum(reading.batch_norms["global"] > limit)
    elif way == "clipnorm":
        longest = np.max([reading.batch_norms[name] for name in reading.last], axis=0)
        assert reading.clipped_batches == sum(longest > limit)
    assert 0 < reading.clipped_batches <= 5


def test_accumulated_means_at_update_steps_only():
    alone, gradients, _, _ = descended(batch_size=24, batches=1)
    reading, *_ = descended(batch_size=8, batches=3, gradient_accumulation_steps=3)
    # Three batches of 8 from the same weights: their mean is the gradient of the 24 rows.
    assert reading.batches == 1
    assert reading.norm["global"] == pytest.approx(norm(gradients[0]), rel=1e-3)
    for ours, theirs in zip(reading.last.values(), alone.last.values(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6)


def test_scaled_losses_are_unscaled_and_left_out_batches_counted():
    alone, *_ = descended(batches=1)
    keras.utils.set_random_seed(3)
    model, x, y, loss = plain()
    model.compile(optimizers.LossScaleOptimizer(optimizers.SGD(1.0), initial_scale=2.0**10), loss)
    with inspection.tap_gradients(model) as tap:
        model.train_on_batch(x[:8], y[:8])
        reading = tap.read()
        model.train_on_batch(x[:8], y[:8] * np.nan)
        left_out = tap.read()
    assert reading.norm["global"] == pytest.approx(alone.norm["global"], rel=1e-5)
    assert (left_out.batches, left_out.nonfinite["global"]) == (1, 1)
    assert np.isfinite(model.get_weights()[0]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_batches_that_are_not_finite_are_counted(bad):
    y = Y.copy()
    y[9] = bad
    reading, _, before, _ = descended(batches=3, y=y)
    assert np.isnan(before[2][0]).any()  # and from then on the weights
    assert reading.nonfinite["global"] == 2
    assert reading.batches == 3
    assert np.isfinite(reading.norm["global"])
    assert reading.norm["global"] == pytest.approx(reading.batch_norms["global"][0])


@pytest.mark.parametrize("size", [1e25, 1e-25])
def test_norms_beyond_the_squares_of_float32(size):
    """Squares of such numbers are infinite or zero in float32; the norm is not."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, use_bias=False)])
    model.compile(optimizers.SGD(0.0), lambda y, predicted: ops.sum(predicted, axis=-1) * size)
    with inspection.tap_gradients(model) as tap:
        model.train_on_batch(np.ones((4, 2), "float32"), np.zeros((4, 3), "float32"))
        assert tap.read().norm["global"] == pytest.approx(size * np.sqrt(6), rel=1e-4)


def test_frozen_and_unused_weights_are_not_there():
    model = keras.Sequential([keras.Input((5, 2)), layers.LSTM(3, trainable=False, name="kept"), layers.Dense(1)])
    model.compile("sgd", "mse")
    with inspection.tap_gradients(model) as tap:
        model.train_on_batch(X[:8], Y[:8])
        assert set(tap.read().norm) == {"dense/kernel", "dense/bias", "global"}


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ("dense", {"dense/kernel", "dense/bias"}),
        (["lstm"], {"lstm/kernel", "lstm/recurrent_kernel", "lstm/bias"}),
        (lambda layer: layer.startswith("d"), {"dense/kernel", "dense/bias"}),
    ],
)
def test_layers_choose_what_is_kept(chosen, names):
    model, x, y, loss = plain()
    model.compile("sgd", loss)
    with inspection.tap_gradients(model, layers=chosen) as tap:
        model.train_on_batch(x[:8], y[:8])
        assert set(tap.read().last) == names


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"layers": "lstn"}, "layers must name layers of the model, .*lstm.*received 'lstn'"),
        ({"layers": 3}, "layers must be None, the name of a layer"),
        ({"per_batch": 1}, "per_batch must be True or False, received 1"),
    ],
)
def test_wrong_arguments(arguments, match):
    model, *_ = plain()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=match):
        inspection.tap_gradients(model, **arguments)


def test_wrong_models():
    with pytest.raises(ValueError, match="model must be compiled"):
        inspection.tap_gradients(plain()[0])
    with pytest.raises(ValueError, match=r"model must be a keras\.Model, received str"):
        inspection.tap_gradients("model")
    unbuilt = keras.Sequential([layers.Dense(1)])
    unbuilt.compile("sgd", "mse")
    with pytest.raises(ValueError, match="model must be built"):
        inspection.tap_gradients(unbuilt)


class Raise(keras.callbacks.Callback):
    def __init__(self, error, hook):
        super().__init__()
        setattr(self, hook, self.throw)
        self.error = error

    def throw(self, *_, logs=None):
        raise self.error


OURS = ("inspection/gradients", "inspection/keras_internals")


def our_calls(function):
    """How many functions of ours run while `function` does."""
    count = 0

    def profile(frame, event, _):
        nonlocal count
        count += event == "call" and any(ours in frame.f_code.co_filename for ours in OURS)

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    ("error", "hook"),
    [
        (KeyboardInterrupt(), "on_train_batch_end"),
        (KeyboardInterrupt(), "on_train_batch_begin"),
        (RuntimeError("stop"), "on_epoch_end"),
        (RuntimeError("stop"), "on_train_batch_end"),
    ][:: 1 if TENSORFLOW else 2],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_exception_leaves_nothing_of_the_tap(error, hook):
    model, x, y, loss = plain()
    model.compile("adam", loss)
    model.fit(x, y, verbose=0)
    before, function = dict(vars(model.optimizer)), model.train_function
    variables = list(model.optimizer.variables)
    with pytest.raises(type(error)) as kept:
        model.fit(x, y, verbose=0, callbacks=[Watch(), Raise(error, hook)])
    assert kept.value is error  # while somebody keeps it, and with it the fit
    assert vars(model.optimizer).keys() == before.keys()
    assert model.train_function is function
    assert all(a is b for a, b in zip(variables, model.optimizer.variables, strict=True))
    assert our_calls(lambda: model.fit(x, y, verbose=0)) == 0
    assert our_calls(lambda: model.train_on_batch(x[:8], y[:8])) == 0


def test_after_a_watched_fit_no_code_of_ours_runs():
    model, x, y, loss = plain()
    model.compile("adam", loss)
    assert our_calls(lambda: model.fit(x, y, verbose=0, callbacks=[Watch()])) > 0
    assert our_calls(lambda: model.fit(x, y, verbose=0)) == 0
    assert our_calls(lambda: model.train_on_batch(x[:8], y[:8])) == 0


class Counted(layers.Layer):
    """Counts how often Python runs it: once a trace."""

    runs = 0

    def call(self, x):
        Counted.runs += 1
        return x


def test_a_second_watched_fit_traces_nothing():
    model = keras.Sequential([keras.Input((5, 2)), Counted(), layers.LSTM(3), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0, batch_size=20, callbacks=[Watch()])
    model.fit(X, Y, verbose=0, batch_size=20)
    traced = Counted.runs
    for watch in ([Watch()], [], [Watch()]):
        model.fit(X, Y, verbose=0, batch_size=20, callbacks=watch)
    assert Counted.runs == traced


@pytest.mark.parametrize("way", ["fit", "with"])
def test_a_checkpoint_in_the_middle_is_that_of_a_bare_run(tmp_path, way):
    """It holds the bare run's optimizer variables and no others, and training goes on from it bit by bit."""
    went_on = {}
    for name in ("bare", way):
        keras.utils.clear_session()
        keras.utils.set_random_seed(1)
        model, x, y, loss = plain()
        model.compile("adam", loss)
        file = str(tmp_path / f"{name}_{{epoch}}.keras")
        watch = [Watch()] if name == "fit" else []
        with inspection.tap_gradients(model) if name == "with" else contextlib.nullcontext():
            model.fit(
                x, y, epochs=3, verbose=0, shuffle=False, callbacks=[*watch, keras.callbacks.ModelCheckpoint(file)]
            )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loaded = keras.models.load_model(tmp_path / f"{name}_2.keras")
        history = loaded.fit(x, y, epochs=1, verbose=0, shuffle=False).history["loss"]
        went_on[name] = loaded, history
    assert_same(went_on["bare"], went_on[way])


@pytest.mark.parametrize("order", [("bare", "fit"), ("fit", "bare")])
def test_backup_and_restore(tmp_path, order):
    """A run that broke off goes on where it was, whoever of both was watched."""

    def fit(name, folder, stop, model):
        backup = keras.callbacks.BackupAndRestore(str(folder), delete_checkpoint=False)
        stopping = [Raise(RuntimeError("stop"), "on_epoch_begin")] if stop else []
        if stop:
            stopping[0].on_epoch_begin = lambda epoch, logs=None: stopping[0].throw() if epoch == 2 else None
        return model.fit(
            X,
            Y,
            epochs=4,
            verbose=0,
            shuffle=False,
            callbacks=[*([Watch()] if name == "fit" else []), backup, *stopping],
        )

    ended = {}
    for names in (("bare", "bare"), order):
        folder = tmp_path / "_".join(names)
        for number, name in enumerate(names):
            keras.utils.clear_session()
            keras.utils.set_random_seed(number)
            model = plain()[0]
            model.compile("adam", "mse")
            if number == 0:
                with pytest.raises(RuntimeError, match="stop"):
                    fit(name, folder, True, model)
            else:
                ended[names] = model, fit(name, folder, False, model).history["loss"]
    assert_same(ended["bare", "bare"], ended[order])


def test_several_fits_and_a_model_compiled_anew():
    model, x, y, loss = plain()
    model.compile("adam", loss)
    for _ in range(2):
        watch = Watch()
        model.fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[watch])
        assert [reading.batches for reading in watch.readings] == [3, 3]
        model.compile(optimizers.SGD(0.1, clipnorm=1e-3), loss)
    watch = Watch()
    model.fit(x, y, batch_size=16, verbose=0, callbacks=[watch])
    assert watch.readings[0].clipped_batches == 3


def test_an_optimizer_of_ones_own():
    class Own(optimizers.SGD):
        def apply(self, grads, trainable_variables=None):
            return super().apply(grads, trainable_variables)

        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient * 0.5, variable, learning_rate)

    bare, watched = train(plain, lambda: Own(0.1), "bare"), train(plain, lambda: Own(0.1), "fit")
    assert_same(bare, watched)
    assert watched[2][0].batches == 3


def test_a_loop_of_ones_own():
    """The optimizer called by the program itself, inside `with`."""
    model, x, y, _ = plain()
    model.compile(optimizers.SGD(1.0), "mse")
    model.optimizer.build(model.trainable_variables)
    before = numbers(model.trainable_variables)
    with inspection.tap_gradients(model) as tap:
        if TENSORFLOW:
            import tensorflow as tf

            @tf.function
            def step(x, y):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean((model(x) - y) ** 2)
                model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

            step(x[:8], y[:8])
        else:
            import jax

            others = [v.value for v in model.non_trainable_variables]

            @jax.jit
            def step(values, state, x, y):
                def loss(values):
                    return ((model.stateless_call(values, others, x)[0] - y) ** 2).mean()

                return model.optimizer.stateless_apply(state, jax.grad(loss)(values), values)

            values = [v.value for v in model.trainable_variables]
            values, state = step(values, [v.value for v in model.optimizer.variables], x[:8], y[:8])
            for variable, value in zip(model.trainable_variables, values, strict=True):
                variable.assign(value)
            for variable, value in zip(model.optimizer.variables, state, strict=True):
                variable.assign(value)
        reading = tap.read()
    moved = [a - b for a, b in zip(before, numbers(model.trainable_variables), strict=True)]
    assert reading.batches == 1
    assert reading.norm["global"] == pytest.approx(norm(moved), rel=1e-3)


def test_two_taps_see_the_same():
    model, x, y, loss = plain()
    model.compile("adam", loss)
    first, second = Watch(), Watch(per_batch=True)
    model.fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[first, second])
    assert [reading.norm for reading in first.readings] == [reading.norm for reading in second.readings]
    assert our_calls(lambda: model.fit(x, y, verbose=0)) == 0


def test_more_batches_than_the_buffer_holds(monkeypatch):
    monkeypatch.setattr(recorder, "CAPACITY", 4)
    model, x, y, loss = plain()
    model.compile("adam", loss)
    watch = Watch(per_batch=True)
    model.fit(x, y, batch_size=4, verbose=0, callbacks=[watch])
    assert len(watch.readings[0].batch_norms["global"]) == 10
    assert (watch.readings[0].batch_norms["global"] > 0).all()


def test_reading_before_any_batch_and_after_the_end():
    model, x, y, loss = plain()
    model.compile("adam", loss)
    with inspection.tap_gradients(model) as tap:
        assert tap.read().batches == 0
        model.train_on_batch(x[:8], y[:8])
    assert tap.read().batches == 1
    assert tap.read().batches == 0


def test_a_model_that_was_watched_can_be_let_go():
    model, x, y, loss = plain()
    model.compile("adam", loss)
    watch = Watch()
    model.fit(x, y, verbose=0, callbacks=[watch])
    reference = weakref.ref(model)
    del model, watch
    keras.utils.clear_session()
    gc.collect()
    assert reference() is None


def test_several_replicas_are_told(run_python):
    if TENSORFLOW:
        run_python(
            """
            import keras, numpy as np, tensorflow as tf
            cpu = tf.config.list_physical_devices("CPU")[0]
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
            from rnn_tutorial import inspection
            with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
                model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
                model.compile("sgd", "mse")
            try:
                inspection.tap_gradients(model).open()
            except NotImplementedError as error:
                assert "several replicas" in str(error)
            else:
                raise AssertionError
            """
        )
