import itertools

import keras
import numpy as np
import pytest

from rnn_tutorial import data
from rnn_tutorial.backend import protocol

ROWS = 11
X = np.arange(3 * ROWS, dtype="float32").reshape(ROWS, 3)
Y = np.arange(ROWS, dtype="int32")  # the row's own number, to know it by


def tensorflow_stream(batch_size, seed, x=X, y=Y):
    stream = data.batches(x, y, batch_size=batch_size, seed=seed)["x"]
    return ((np.asarray(a), np.asarray(b)) for a, b in stream)


def numpy_stream(batch_size, seed, x=X, y=Y):
    return protocol.endless_batches((x, y), batch_size, seed)


STREAMS = pytest.mark.parametrize("stream", [tensorflow_stream, numpy_stream])


def epochs_of(stream, count, batch_size):
    """The order of the rows in each of the first epochs, batch by batch."""
    steps = -(-ROWS // batch_size)
    numbers = [y.tolist() for _, y in itertools.islice(stream, count * steps)]
    return [numbers[start : start + steps] for start in range(0, count * steps, steps)]


def orders(stream, count, batch_size=4):
    return [list(itertools.chain(*epoch)) for epoch in epochs_of(stream, count, batch_size)]


@pytest.fixture(autouse=True)
def _tensorflow_runs():
    assert keras.config.backend() == "tensorflow"


@STREAMS
@pytest.mark.parametrize("batch_size", [1, 4, 10, 11, 50])
def test_each_epoch_covers_each_row_once(stream, batch_size):
    sizes = [batch_size] * (ROWS // batch_size) + ([ROWS % batch_size] if ROWS % batch_size else [])
    for epoch in epochs_of(stream(batch_size, seed=5), 4, batch_size):
        # The smaller batch is the last one of its epoch, and no batch reaches into the next epoch.
        assert [len(batch) for batch in epoch] == sizes
        assert sorted(itertools.chain(*epoch)) == list(range(ROWS))


@STREAMS
def test_inputs_stay_with_their_targets(stream):
    for x, y in itertools.islice(stream(4, seed=2), 9):
        assert np.array_equal(x, X[y])
        assert (x.dtype, y.dtype) == (X.dtype, Y.dtype)


@STREAMS
def test_the_order_changes_from_epoch_to_epoch_and_with_the_seed(stream):
    found = {seed: orders(stream(4, seed), 5) for seed in (0, 1, 2)}
    all_orders = [tuple(order) for seed in found for order in found[seed]]
    assert len(set(all_orders)) == len(all_orders)
    assert tuple(range(ROWS)) not in all_orders


@STREAMS
def test_the_order_is_a_function_of_the_seed_alone(stream):
    keras.utils.set_random_seed(1)
    first = orders(stream(4, seed=7), 3)
    keras.utils.set_random_seed(2)
    np.random.default_rng().random(5)
    assert orders(stream(4, seed=7), 3) == first
    # Nor does the size of the batches move it.
    assert orders(stream(3, seed=7), 3, batch_size=3) == first


@STREAMS
def test_every_row_comes_at_every_place(stream):
    # 300 epochs put each of 11 rows first about 27 times; a fair shuffle is outside 5 .. 60 once in a billion.
    first = [order[0] for order in orders(stream(ROWS, seed=0), 300, batch_size=ROWS)]
    assert all(5 <= count <= 60 for count in np.bincount(first, minlength=ROWS))


@pytest.mark.parametrize("seed", [0, 2**31, 2**32, 2**62])
@STREAMS
def test_seeds_of_any_size(stream, seed):
    assert sorted(orders(stream(4, seed), 1)[0]) == list(range(ROWS))
    assert orders(stream(4, seed), 2) != orders(stream(4, seed + 1), 2)


def test_the_state_of_keras_generators_is_left_alone():
    keras.utils.clear_session()  # Not every Keras starts its generator anew with a new seed.
    keras.utils.set_random_seed(4)
    expected = np.random.random(), keras.random.uniform((1,)).numpy().item()
    keras.utils.clear_session()
    keras.utils.set_random_seed(4)
    orders(tensorflow_stream(4, seed=9), 2)
    assert (np.random.random(), keras.random.uniform((1,)).numpy().item()) == expected


def test_what_is_handed_to_fit():
    arguments = data.batches(X, Y, batch_size=4, seed=0)
    assert set(arguments) == {"x", "steps_per_epoch", "shuffle"}
    assert arguments["steps_per_epoch"] == 3
    assert arguments["shuffle"] is False
    arguments = data.batches(X, Y, 4, 0, validation=(X[:9], Y[:9]))
    assert set(arguments) == {"x", "steps_per_epoch", "shuffle", "validation_data", "validation_steps"}
    assert arguments["validation_steps"] == 3
    assert data.batches(X, Y, np.int64(11), np.int32(0))["steps_per_epoch"] == 1


def test_validation_rows_are_each_there_once():
    arguments = data.batches(X, Y, 4, 0, validation=[X[:6], Y[:6]])
    numbers = [np.asarray(y).tolist() for _, y in itertools.islice(iter(arguments["validation_data"]), 6)]
    for epoch in (numbers[:2], numbers[2:4], numbers[4:]):
        assert [len(batch) for batch in epoch] == [4, 2]
        assert sorted(itertools.chain(*epoch)) == list(range(6))


def test_lists_are_arrays():
    arguments = data.batches([[1.0], [2.0]], [3, 4], batch_size=2)
    x, y = next(iter(arguments["x"]))
    assert sorted(zip(np.asarray(x)[:, 0].tolist(), np.asarray(y).tolist(), strict=True)) == [(1.0, 3), (2.0, 4)]


class Seen(keras.callbacks.Callback):
    """Count the steps of each epoch."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_epoch_begin(self, epoch, logs=None):
        self.steps.append(0)

    def on_train_batch_end(self, batch, logs=None):
        self.steps[-1] += 1


def test_fit_trains_and_validates_on_every_row():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(ROWS, 2)).astype("float32"), rng.normal(size=(ROWS, 1)).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    # A learning rate of 0 leaves the weights, so that every epoch must give the loss of all the rows.
    model.compile(keras.optimizers.SGD(0.0), "mse")
    expected = float(np.mean((x @ model.layers[0].kernel.numpy() - y) ** 2))
    expected_validation = float(np.mean((x[:7] @ model.layers[0].kernel.numpy() - y[:7]) ** 2))
    seen = Seen()
    # Warnings are errors: none comes from Keras about a shuffled stream or one that runs dry.
    history = model.fit(
        **data.batches(x, y, 4, seed=1, validation=(x[:7], y[:7])), epochs=4, verbose=0, callbacks=[seen]
    ).history
    assert seen.steps == [3, 3, 3, 3]
    np.testing.assert_allclose(history["loss"], [expected] * 4, rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], [expected_validation] * 4, rtol=1e-5)


def test_weights_go_with_their_rows():
    weights = Y + 0.5
    streams = [data.batches(X, Y, 4, sample_weight=weights)["x"], protocol.endless_batches((X, Y, weights), 4, 0)]
    for stream in streams:
        for _, y, weight in itertools.islice(stream, 6):
            np.testing.assert_array_equal(weight, np.asarray(y) + 0.5)


def test_weights_are_those_of_the_loss():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    weights = np.arange(ROWS, dtype="float32")
    history = model.fit(
        **data.batches(X, Y, 4, validation=(X[:7], Y[:7], weights[:7]), sample_weight=weights), epochs=2, verbose=0
    ).history
    squares = (X @ np.asarray(model.get_weights()[0]) - Y[:, None])[:, 0] ** 2 * weights
    np.testing.assert_allclose(history["loss"], [np.mean(squares)] * 2, rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], [np.mean(squares[:7])] * 2, rtol=1e-5)


def test_training_is_the_same_as_on_the_same_batches_by_hand():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(ROWS, 2)).astype("float32"), rng.normal(size=(ROWS, 1)).astype("float32")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    weights, bias = (value.astype("float64") for value in model.get_weights())
    model.fit(**data.batches(x, y, 4, seed=1), epochs=3, verbose=0)
    for batch in itertools.islice(tensorflow_stream(4, 1, np.arange(ROWS), np.arange(ROWS)), 9):
        rows = batch[0]
        error = x[rows] @ weights + bias - y[rows]
        weights -= 0.1 * 2 / len(rows) * x[rows].T @ error
        bias -= 0.1 * 2 / len(rows) * error.sum(axis=0)
    np.testing.assert_allclose(model.get_weights()[0], weights, rtol=1e-4)
    np.testing.assert_allclose(model.get_weights()[1], bias, rtol=1e-4)


def test_fit_under_jax(run_python):
    printed = run_python(
        """
        import warnings
        import keras
        import numpy as np
        from rnn_tutorial import backend, data
        assert backend.name() == keras.config.backend() == "jax"
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(11, 2)).astype("float32"), rng.normal(size=(11, 1)).astype("float32")
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        kernel = np.asarray(model.get_weights()[0])
        model.compile(keras.optimizers.SGD(0.0), "mse")
        warnings.simplefilter("error")
        arguments = data.batches(x, y, 4, seed=1, validation=(x[:7], y[:7]))
        history = model.fit(**arguments, epochs=3, verbose=0).history
        np.testing.assert_allclose(history["loss"], [np.mean((x @ kernel - y) ** 2)] * 3, rtol=1e-5)
        np.testing.assert_allclose(history["val_loss"], [np.mean((x[:7] @ kernel - y[:7]) ** 2)] * 3, rtol=1e-5)
        model.compile(keras.optimizers.SGD(0.1), "mse")
        losses = model.fit(**data.batches(x, y, 4, seed=1), epochs=10, verbose=0).history["loss"]
        assert losses[-1] < 0.9 * losses[0], losses
        import sys
        print("tensorflow" in sys.modules)
        """,
        KERAS_BACKEND="jax",
    )
    assert printed.split() == ["False"]


@pytest.mark.parametrize("wrong", [0, -1, True, 2.0, "4", None], ids=repr)
def test_a_wrong_batch_size_is_told(wrong):
    with pytest.raises(ValueError, match=r"^batch_size must be an integer of at least 1, received") as caught:
        data.batches(X, Y, batch_size=wrong)
    assert repr(wrong) in str(caught.value)


@pytest.mark.parametrize("wrong", [-1, True, 2.0, "4", None], ids=repr)
def test_a_wrong_seed_is_told(wrong):
    with pytest.raises(ValueError, match=r"^seed must be an integer of at least 0, received") as caught:
        data.batches(X, Y, seed=wrong)
    assert repr(wrong) in str(caught.value)


@pytest.mark.parametrize(("x", "y"), [(X, Y[:-1]), (X[:0], Y[:0]), (np.float32(1), Y), (X, np.float32(1))])
def test_wrong_rows_are_told(x, y):
    with pytest.raises(ValueError, match=r"^x and y must have the same number of rows, at least 1, received") as caught:
        data.batches(x, y)
    assert f"{np.shape(x)} and {np.shape(y)}" in str(caught.value)
    with pytest.raises(ValueError, match=r"^x and y and sample_weight must have the same number of rows"):
        data.batches(X, Y, sample_weight=Y[:-1])
    with pytest.raises(ValueError, match=r"^x and y of validation must have the same number of rows"):
        data.batches(X, Y, validation=(x, y))


@pytest.mark.parametrize("wrong", [0.2, X, (X,), (X, Y, Y, Y), "xy"], ids=lambda wrong: type(wrong).__name__)
def test_a_wrong_validation_is_told(wrong):
    with pytest.raises(ValueError, match=r"validation must be None, \(x, y\) or \(x, y, sample_weight\), received"):
        data.batches(X, Y, validation=wrong)
