"""Of which models `HealthCheck` says whether they copy the last input."""

import keras
import numpy as np
import pytest
from keras import layers

from rnn_tutorial.callbacks import HealthCheck, health

_RANDOM = np.random.default_rng(0)
X = _RANDOM.uniform(0.1, 0.9, size=(16, 5, 3)).astype("float32")
LABELS = np.arange(16) % 3
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
BINARY = (LABELS == 1).astype("float32")[:, None]
SOFT = (ONE_HOT * 0.7 + 0.1).astype("float32")
SERIES = (X[:, -1, :1] * 0.9 + 0.05).astype("float32")


def network(head, loss):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5, 3)), layers.SimpleRNN(4), head])
    model.compile("sgd", loss)
    return model


def half(y, predicted):
    return keras.ops.square(y - predicted) / 2


def my_binary_crossentropy(y, predicted):
    return keras.losses.binary_crossentropy(y, predicted)


CLASSIFIERS = {
    "one-hot": (layers.Dense(3), "mse", ONE_HOT),
    "one-hot, softmax": (layers.Dense(3, activation="softmax"), "categorical_crossentropy", ONE_HOT),
    "smoothed": (layers.Dense(3, activation="softmax"), "mse", SOFT),
    "probabilities": (layers.Dense(3), half, (X[:, 0] / X[:, 0].sum(-1, keepdims=True)).astype("float32")),
    "probabilities come out": (layers.Dense(3, activation="softmax"), "mse", X[:, -1]),
    "sigmoid": (layers.Dense(1, activation="sigmoid"), "mse", BINARY),
    "sigmoid, flat": (layers.Dense(1, activation="sigmoid"), "mae", BINARY[:, 0]),
    "several labels": (layers.Dense(3, activation="sigmoid"), "mse", (X[:, 0] > 0.5).astype("float32")),
    "smoothed labels": (layers.Dense(1), "mse", BINARY * 0.8 + 0.1),
    "signs": (layers.Dense(1, activation="tanh"), "mse", BINARY * 2 - 1),
    "hinge": (layers.Dense(1), "hinge", SERIES),
    "cross-entropy by name": (layers.Dense(1, activation="sigmoid"), "bce", SERIES),
    "cross-entropy": (layers.Dense(1), keras.losses.BinaryCrossentropy(from_logits=True), SERIES),
    "cross-entropy, a class": (layers.Dense(1, activation="sigmoid"), keras.losses.BinaryCrossentropy, SERIES),
    "cross-entropy, a function": (layers.Dense(1, activation="sigmoid"), keras.losses.binary_crossentropy, SERIES),
    "cross-entropy, one's own": (layers.Dense(1, activation="sigmoid"), my_binary_crossentropy, SERIES),
    "cross-entropy in a list": (layers.Dense(1, activation="sigmoid"), ["binary_crossentropy"], SERIES),
    "focal": (layers.Dense(1, activation="sigmoid"), keras.losses.BinaryFocalCrossentropy(), SERIES),
    "integers": (layers.Dense(3, activation="softmax"), "sparse_categorical_crossentropy", LABELS),
    "integers as floats": (layers.Dense(1), "sparse_categorical_crossentropy", LABELS.astype("float32")),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_copies_nothing(name):
    head, loss, y = CLASSIFIERS[name]
    assert health.copies_last_input(network(head, loss), X, y) is None


def test_letters_that_are_read_are_no_series():
    x = np.eye(3, dtype="float32")[_RANDOM.integers(0, 3, (16, 5))]
    assert health.copies_last_input(network(layers.Dense(1), "mse"), x, SERIES) is None


@pytest.mark.parametrize("loss", ["mse", "mae", half, keras.losses.Huber()], ids=["mse", "mae", "function", "object"])
@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_forecast_is_compared_with_the_last_input(loss, activation):
    model = network(layers.Dense(1, activation=activation), loss)
    said = keras.ops.convert_to_numpy(model(X))[:, 0].astype("float64")
    last = X[:, -1].astype("float64")
    column = last[:, np.linalg.norm(last - said[:, None], axis=0).argmin()]
    from_truth, from_last = np.linalg.norm(said - SERIES[:, 0]), np.linalg.norm(said - column)
    expected = from_truth / (from_truth + from_last)
    if from_last >= 0.8 * np.linalg.norm(column - column.mean()):
        expected = min(expected, 0.5)
    assert health.copies_last_input(model, X, SERIES) == pytest.approx(expected, rel=1e-5)


def test_a_column_of_marks_beside_the_series_is_not_its_last_value():
    marked = np.concatenate([np.full_like(X[..., :1], 1), X[..., :1]], axis=-1)
    marked[0, 0, 0] = 0
    x = keras.Input((5, 2))
    model = keras.Model(x, x[:, -1, 1:] * 0.1 + 0.85)  # near to 1, and following the series
    said = 0.1 * X[:, -1, 0] + 0.85
    from_truth, from_last = (np.linalg.norm(said - other) for other in (SERIES[:, 0], X[:, -1, 0]))
    likeness = health.copies_last_input(model, marked, SERIES)
    assert likeness == pytest.approx(min(0.5, from_truth / (from_truth + from_last)), rel=1e-5)


@pytest.mark.parametrize("is_built", [True, False], ids=["built", "built by its first batch"])
def test_a_model_without_recurrent_layers_is_compared_too(
    tmp_path, recorded_warnings, read_values, our_event_file, is_built
):
    inputs = [keras.Input((5, 3))] if is_built else []
    model = keras.Sequential([*inputs, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    with recorded_warnings() as caught:
        model.fit(X, SERIES, verbose=0, callbacks=[HealthCheck(tmp_path / "run", (X, SERIES))])
    assert [str(one.message) for one in caught if issubclass(one.category, RuntimeWarning)] == []
    assert "copies_last_input" in read_values(our_event_file(tmp_path / "run"))["scalars"]


def test_what_cannot_be_compared_leaves_the_judgement(
    tmp_path, recorded_warnings, read_values, our_event_file, monkeypatch, capsys
):
    def broken(*_):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(health, "copies_last_input", broken)
    with recorded_warnings() as caught:
        network(layers.Dense(1), "mse").fit(
            X, SERIES, epochs=3, verbose=0, callbacks=[HealthCheck(tmp_path / "run", (X, SERIES))]
        )
    assert [str(one.message) for one in caught if issubclass(one.category, RuntimeWarning)] == [
        "HealthCheck leaves out copies_last_input: ZeroDivisionError: nobody thought of this. Everything else goes on."
    ]
    assert "health/summary" in "".join(read_values(our_event_file(tmp_path / "run"))["text"])
    assert "HealthCheck of " in capsys.readouterr().out
