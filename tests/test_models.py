import contextlib
import io
import itertools

import keras
import numpy as np
import pytest
from keras import layers

from rnn_tutorial import models

CELLS = {"simple_rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}
DEPTHS = [(7,), (5, 3), (4, 6, 2)]

# Name -> how to build it with a cell and units, the shape of its input without the batch, the numbers that come in at
# a step of the first recurrent layer, the numbers that come out, the embedding's parameters, and whether every step
# gives an output.
RECURRENT = {
    "letter_predictor": (
        lambda cell, units: models.letter_predictor(vocabulary_size=5, timesteps=4, units=units, cell=cell),
        (4, 5),
        5,
        5,
        0,
        False,
    ),
    "letter_predictor with embedding": (
        lambda cell, units: models.letter_predictor(26, timesteps=None, units=units, cell=cell, embedding=2),
        (None,),
        2,
        26,
        52,
        False,
    ),
    "sales_forecaster": (
        lambda cell, units: models.sales_forecaster(window=6, horizon=2, units=units, cell=cell),
        (6, 1),
        1,
        2,
        0,
        False,
    ),
    "word_predictor": (
        lambda cell, units: models.word_predictor(11, embedding=3, units=units, cell=cell),
        (None,),
        3,
        11,
        33,
        False,
    ),
    "sequence_model": (
        lambda cell, units: models.sequence_model(None, 2, 3, units=units, cell=cell, activation="tanh"),
        (None, 2),
        2,
        3,
        0,
        False,
    ),
    "sequence_model at every step": (
        lambda cell, units: models.sequence_model(5, 2, 3, units=units, cell=cell, every_step=True),
        (5, 2),
        2,
        3,
        0,
        True,
    ),
}


def summary(model):
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=120)
    return "\n".join(lines)


def recurrent_parameters(cell, features, units):
    """Count weights as the formulas have them: an input and a recurrent matrix and biases, for each gate."""
    gates, biases = {"simple_rnn": (1, 1), "lstm": (4, 1), "gru": (3, 2)}[cell]
    return gates * units * (features + units + biases)


def kinds(model):
    """Name of the class of each layer, input layers left out."""
    return [type(layer).__name__ for layer in model.layers if not isinstance(layer, layers.InputLayer)]


def all_layers(model):
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def predictions(model, x):
    return keras.ops.convert_to_numpy(model(x))


# The networks of the articles


def test_letter_predictor_is_that_of_the_article():
    model = models.letter_predictor()
    assert model.count_params() == 47
    assert model.input_shape == (None, 1, 5)
    assert model.output_shape == (None, 5)
    assert kinds(model) == ["SimpleRNN", "Dense"]
    recurrent, dense = model.layers[1:]
    assert (recurrent.units, recurrent.activation.__name__, recurrent.return_sequences) == (3, "tanh", False)
    assert (dense.units, dense.activation.__name__) == (5, "softmax")


@pytest.mark.parametrize("scale", [True, False])
def test_sales_forecaster_is_that_of_the_article(scale):
    model = models.sales_forecaster(scale=scale)
    assert model.count_params() == 49_985
    assert model.input_shape == (None, 12, 1)
    assert model.output_shape == (None, 1)
    first, second, dense = (model.get_layer(name) for name in ("lstm", "lstm_1", "output"))
    assert [type(layer) for layer in (first, second, dense)] == [layers.LSTM, layers.LSTM, layers.Dense]
    assert (first.units, first.return_sequences) == (64, True)
    assert (second.units, second.return_sequences) == (64, False)
    assert (dense.units, dense.activation.__name__) == (1, "linear")
    assert [tuple(weight.shape) for weight in model.trainable_weights] == [
        (1, 256),
        (64, 256),
        (256,),
        (64, 256),
        (64, 256),
        (256,),
        (64, 1),
        (1,),
    ]
    assert model.non_trainable_weights == []
    assert len(kinds(model)) == (5 if scale else 3)


def test_digit_classifier_is_that_of_the_article():
    model = models.digit_classifier()
    assert model.input_shape == (None, 784)
    assert model.output_shape == (None, 10)
    assert [layer.units for layer in model.layers[1:]] == [64, 64, 10]
    assert [layer.activation.__name__ for layer in model.layers[1:]] == ["relu", "relu", "softmax"]
    assert model.count_params() == 784 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10


# Every builder, cell and depth


@pytest.mark.parametrize("units", DEPTHS, ids=len)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", RECURRENT)
def test_every_recurrent_builder(name, cell, units):
    build, shape, features, outputs, parameters, every_step = RECURRENT[name]
    model = build(cell, units)

    assert isinstance(model, keras.Model)
    assert model.name == name.split(" ")[0]
    assert not model.compiled
    assert model.input_shape == (None, *shape)
    assert model.output_shape == ((None, shape[0], outputs) if every_step else (None, outputs))

    names = [cell, f"{cell}_1", f"{cell}_2"][: len(units)]
    stack = [layer for layer in all_layers(model) if isinstance(layer, layers.RNN)]
    assert [layer.name for layer in stack] == names
    assert [type(layer) for layer in stack] == [CELLS[cell]] * len(units)
    assert [layer.units for layer in stack] == list(units)
    assert [layer.return_sequences for layer in stack] == [True] * (len(units) - 1) + [every_step]
    assert model.get_layer("output").units == outputs

    for before, size in zip((features, *units), units, strict=False):
        parameters += recurrent_parameters(cell, before, size)
    parameters += (units[-1] + 1) * outputs
    assert model.count_params() == parameters

    # Before it has seen any data.
    shown = summary(model)
    assert f"{parameters:,}" in shown
    assert all(layer in shown for layer in [*names, "output"])


@pytest.mark.parametrize("hidden", DEPTHS, ids=len)
def test_digit_classifier_of_any_depth(hidden):
    model = models.digit_classifier(inputs=9, hidden=hidden, classes=4)
    names = ["hidden", "hidden_1", "hidden_2"][: len(hidden)]
    assert [layer.name for layer in model.layers[1:]] == [*names, "output"]
    assert model.count_params() == sum((a + 1) * b for a, b in itertools.pairwise((9, *hidden, 4)))
    assert not model.compiled
    assert "Total params" in summary(model)


@pytest.mark.parametrize(
    "build",
    [
        lambda size: models.letter_predictor(units=size),
        lambda size: models.sales_forecaster(window=3, units=size),
        lambda size: models.word_predictor(5, units=size),
        lambda size: models.sequence_model(3, 1, 1, units=size),
        lambda size: models.digit_classifier(hidden=size),
    ],
)
def test_units_are_an_int_or_any_sequence_of_them(build):
    def built(size):
        model = build(size)
        return [layer.name for layer in model.layers], [tuple(weight.shape) for weight in model.weights]

    expected = built((4,))
    assert any(4 in shape for shape in expected[1])
    for size in (4, [4], np.int64(4), (np.int32(4),), np.array([4])):
        assert built(size) == expected


def test_numpy_integers_are_integers():
    one = np.int64(1)
    assert models.letter_predictor(one * 5, one * 4, one * 3, embedding=np.uint8(2)).output_shape == (None, 5)
    assert models.sales_forecaster(np.int32(4), np.int16(2), one * 3).output_shape == (None, 2)
    assert models.word_predictor(one * 7, one * 2, one * 3).output_shape == (None, 7)
    assert models.sequence_model(one * 4, one, one * 2, one * 3).output_shape == (None, 2)
    assert models.digit_classifier(one * 9, one * 3, one * 2).output_shape == (None, 2)


def test_outputs_of_the_classifiers_are_probabilities():
    rng = np.random.default_rng(0)
    for model, x in (
        (models.letter_predictor(timesteps=None), rng.normal(size=(3, 4, 5)).astype("float32")),
        (models.letter_predictor(5, 4, embedding=2), rng.integers(0, 5, (3, 4))),
        (models.word_predictor(9, units=(4,)), rng.integers(0, 9, (3, 6))),
        (models.digit_classifier(9, hidden=(4,)), rng.normal(size=(3, 9)).astype("float32")),
    ):
        y = predictions(model, x)
        assert np.all(y >= 0)
        np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("activation", "function"),
    [(None, lambda y: y), ("sigmoid", lambda y: 1 / (1 + np.exp(-y))), (keras.ops.tanh, np.tanh)],
    ids=["None", "sigmoid", "callable"],
)
def test_activation_of_the_sequence_model(activation, function):
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    plain = models.sequence_model(4, 2, 3, units=5)
    model = models.sequence_model(4, 2, 3, units=5, activation=activation)
    model.set_weights(plain.get_weights())
    np.testing.assert_allclose(predictions(model, x), function(predictions(plain, x)), rtol=1e-5, atol=1e-6)


def test_every_step_ends_with_what_the_last_step_gives():
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    last = models.sequence_model(None, 2, 3, units=(5, 4))
    every = models.sequence_model(None, 2, 3, units=(5, 4), every_step=True)
    every.set_weights(last.get_weights())
    # The output at a step is that of the sequence as far as there.
    for steps in range(1, 5):
        np.testing.assert_allclose(
            predictions(every, x)[:, steps - 1], predictions(last, x[:, :steps]), rtol=1e-5, atol=1e-6
        )


# Scaling


@pytest.fixture(scope="module")
def forecaster():
    keras.utils.set_random_seed(3)
    return models.sales_forecaster(window=6, horizon=2, units=(4, 3))


@pytest.fixture(scope="module")
def sales():
    """Windows of sales (8, 6, 1) with a spread of about 50 around 300."""
    return (300 + 50 * np.random.default_rng(1).normal(size=(8, 6, 1))).astype("float32")


@pytest.mark.parametrize("shift", [0.0, 5000.0, -700.0])
@pytest.mark.parametrize("factor", [1e-3, 0.5, 1.0, 1000.0, 1e7])
def test_forecasts_move_with_the_unit_and_the_level(forecaster, sales, factor, shift):
    # A shop that counts in cents, or has a fixed income on top, gets the same forecast in cents, or on top of it.
    moved = (factor * sales.astype("float64") + shift * factor).astype("float32")
    expected = factor * predictions(forecaster, sales) + shift * factor
    np.testing.assert_allclose(predictions(forecaster, moved), expected, rtol=2e-5, atol=2e-3 * factor)
    # The forecast is not just the last month, for which all of this would hold too.
    assert np.abs(predictions(forecaster, sales) - sales[:, -1]).max() > 1


def test_a_small_spread_around_a_large_level_is_not_lost(forecaster):
    # At ten million, the neighbouring float32 numbers are one apart.
    small = np.array([3, 1, 4, 1, 5, 9], "float32").reshape(1, 6, 1)
    large = small + np.float32(1e7)
    assert np.array_equal(large - np.float32(1e7), small)
    expected = predictions(forecaster, small).astype("float64") + 1e7
    np.testing.assert_allclose(predictions(forecaster, large), expected, rtol=0, atol=1)
    assert np.abs(expected - 1e7 - 9).max() < 3
    # What the network gets to see is the same: a mean of the large ones, rounded to float32, would shift it.
    scale = forecaster.get_layer("scale")
    np.testing.assert_allclose(predictions(scale, large), predictions(scale, small), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("level", [0.0, 1.0, 650.0, -3.5, 1e20, 1e-20])
def test_a_constant_window_gives_finite_forecasts_near_it(forecaster, level):
    found = predictions(forecaster, np.full((1, 6, 1), level, "float32"))
    assert np.all(np.isfinite(found))
    # All that the network can say stands for is one unit at most: it has tanh states and three of them.
    bound = np.abs(forecaster.get_layer("output").kernel.numpy()).sum(axis=0)
    assert np.all(np.abs(found - np.float32(level)) <= bound + 1e-6 * abs(level))


def test_windows_of_one_batch_do_not_see_each_other(forecaster, sales):
    alone = np.concatenate([predictions(forecaster, row[None]) for row in sales])
    np.testing.assert_allclose(predictions(forecaster, sales), alone, rtol=1e-6)
    mixed = np.concatenate([sales[:1], 1e6 * sales[1:]])
    np.testing.assert_allclose(predictions(forecaster, mixed)[:1], alone[:1], rtol=1e-6)


def test_an_untrained_network_forecasts_about_the_last_month():
    window = np.arange(100.0, 651.0, 50.0, dtype="float32").reshape(1, 12, 1)
    spread = window.std()
    found = []
    for seed in range(8):
        keras.utils.set_random_seed(seed)
        found.append(predictions(models.sales_forecaster(units=(8, 8)), window)[0, 0])
    assert np.abs(np.array(found) - 650).max() < spread
    assert abs(np.mean(found) - 650) < spread / 3
    assert np.std(found) > 0


def test_scaling_is_nothing_but_scaling(forecaster, sales):
    inner = models.sales_forecaster(window=6, horizon=2, units=(4, 3), scale=False)
    inner.set_weights(forecaster.get_weights())
    exact = sales.astype("float64")
    last = exact[:, -1:]
    spread = exact.std(axis=1, keepdims=True)
    scaled = predictions(inner, ((exact - last) / spread).astype("float32"))
    np.testing.assert_allclose(predictions(forecaster, sales), scaled * spread[:, 0] + last[:, 0], rtol=1e-5)


def test_without_scaling_it_is_the_plain_stack(sales):
    model = models.sales_forecaster(window=6, horizon=2, units=(4, 3), scale=False)
    plain = keras.Sequential(
        [keras.Input((6, 1)), layers.LSTM(4, return_sequences=True), layers.LSTM(3), layers.Dense(2)]
    )
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(predictions(model, sales), predictions(plain, sales), rtol=1e-6)


def test_no_layer_holds_python_code():
    assert not [layer for layer in all_layers(models.sales_forecaster()) if isinstance(layer, layers.Lambda)]


# Whole years


def years(rng, n=5, window=36):
    """Windows with growth, season and noise, (n, window, 1)."""
    t = np.arange(window)
    slope, size = rng.normal(size=(n, 1)), rng.uniform(1, 5, size=(n, 1))
    values = 100 + slope * t + size * np.cos(2 * np.pi * t / 12) + rng.normal(size=(n, window))
    return values[:, :, None].astype("float32")


def baseline_by_hand(window):
    """The line through the yearly means, its growth damped by 0.8, and the mean profile around it."""
    table = np.asarray(window, dtype="float64").reshape(-1, 12)
    means = table.mean(axis=1)
    growth = (means[-1] - means[0]) / (len(table) - 1)
    profile = np.zeros(12)
    for year, mean in zip(table, means, strict=True):
        profile += (year - mean - growth * (np.arange(12) - 5.5) / 12) / len(table)
    return means[-1] + 0.8 * growth * (1 + (np.arange(12) - 5.5) / 12) + profile


@pytest.fixture(scope="module")
def seasonal():
    return models.seasonal_forecaster(window=36, units=(4, 3))


@pytest.mark.parametrize("log", [False, True])
def test_untrained_the_years_go_on(log):
    x = years(np.random.default_rng(0))
    found = predictions(models.seasonal_forecaster(36, units=(4, 3), log=log), x)
    assert found.shape == (5, 12)
    for window, forecast in zip(x, found, strict=True):
        expected = np.exp(baseline_by_hand(np.log(window))) if log else baseline_by_hand(window)
        np.testing.assert_allclose(forecast, expected, rtol=1e-5)


@pytest.mark.parametrize("log", [False, True])
def test_years_in_any_unit(log):
    """Whatever the weights are: other units, the same forecast in them; without the logarithm any level, too."""
    model = models.seasonal_forecaster(36, units=(4, 3), log=log)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    x = years(rng)
    found = predictions(model, x)
    assert np.abs(found - predictions(models.seasonal_forecaster(36, units=(4, 3), log=log), x)).max() > 0.1
    np.testing.assert_allclose(predictions(model, 1024 * x), 1024 * found, rtol=2e-4)
    if not log:
        np.testing.assert_allclose(predictions(model, 8 * x - 500), 8 * found - 500, atol=0.05)


def test_years_without_any_change(seasonal):
    np.testing.assert_array_equal(predictions(seasonal, np.full((1, 36, 1), 7.0, "float32")), np.full((1, 12), 7.0))
    for value in (0.0, 7.0):
        flat = np.full((1, 36, 1), value, "float32")
        found = predictions(models.seasonal_forecaster(36, units=(4, 3), log=True), flat)
        assert np.isfinite(found).all()


def test_the_layers_of_years(seasonal):
    encoder, decoder, output = (seasonal.get_layer(name) for name in ("lstm", "lstm_1", "output"))
    assert (encoder.units, encoder.return_sequences, decoder.units, decoder.return_sequences) == (4, False, 3, True)
    # At each month: that month of 3 years, the means of 3 years, the growth, the profile; and the memory.
    assert encoder.cell.kernel.shape[0] == 8
    assert decoder.cell.kernel.shape[0] == 8 + 4
    assert not np.any(output.get_weights()[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 12}, "window must be an integer of at least 24, received 12"),
        ({"window": 30}, "window must be whole years, a multiple of 12 months, received 30"),
        ({"units": 8}, r"units must be two numbers, .* received \(8,\)"),
        ({"cell": "rnn"}, "cell must be one of"),
        ({"log": 1}, "log must be"),
    ],
    ids=str,
)
def test_wrong_arguments_of_years(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.seasonal_forecaster(**arguments)


# Saved models


def test_saved_models_load_where_this_package_is_not(run_python, tmp_path, forecaster, sales):
    rng = np.random.default_rng(0)
    cases = {
        "letters": (models.letter_predictor(timesteps=2), rng.normal(size=(3, 2, 5)).astype("float32")),
        "letters_embedded": (models.letter_predictor(5, 2, embedding=3), rng.integers(0, 5, (3, 2))),
        "sales": (forecaster, sales),
        "years": (models.seasonal_forecaster(24, units=(3, 3), log=True), years(np.random.default_rng(2), window=24)),
        "sales_raw": (models.sales_forecaster(6, cell="gru", units=3, scale=False), sales),
        "words": (models.word_predictor(9, units=(4,)), rng.integers(0, 9, (3, 6))),
        "sequence": (
            models.sequence_model(None, 2, 1, units=(3, 2), cell="simple_rnn", every_step=True),
            rng.normal(size=(3, 5, 2)).astype("float32"),
        ),
        "digits": (models.digit_classifier(9, hidden=(4,)), rng.normal(size=(3, 9)).astype("float32")),
    }
    for name, (model, x) in cases.items():
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}_x.npy", x)
        np.save(tmp_path / f"{name}_y.npy", predictions(model, x))
    printed = run_python(
        """
        import pathlib, sys
        import keras
        import numpy as np
        folder = pathlib.Path(sys.argv[1])
        for path in sorted(folder.glob("*.keras")):
            model = keras.saving.load_model(path)
            found = keras.ops.convert_to_numpy(model(np.load(folder / f"{path.stem}_x.npy")))
            assert np.array_equal(found, np.load(folder / f"{path.stem}_y.npy")), path.stem
            print(path.stem)
        assert not [name for name in sys.modules if name.startswith("rnn_tutorial")]
        """,
        tmp_path,
    )
    assert printed.split() == sorted(cases)


# Wrong arguments

_LETTER, _SALES, _WORD = models.letter_predictor, models.sales_forecaster, models.word_predictor
_SEQUENCE, _DIGIT = models.sequence_model, models.digit_classifier
_NOT_POSITIVE = [0, -1, True, False, 1.0, 2.5, np.float32(2), "3", None, (), [1]]


def _without(*allowed):
    """All that is no positive integer, less what the argument takes all the same."""
    return [value for value in _NOT_POSITIVE if not any(value is other for other in allowed)]


_INTEGERS = [
    (_LETTER, {}, "vocabulary_size", _NOT_POSITIVE),
    (_LETTER, {}, "timesteps", _without(None)),
    (_LETTER, {}, "embedding", _without(None)),
    (_SALES, {}, "window", _NOT_POSITIVE),
    (_SALES, {}, "horizon", _NOT_POSITIVE),
    (_WORD, {}, "vocabulary_size", _NOT_POSITIVE),
    (_WORD, {"vocabulary_size": 5}, "embedding", _NOT_POSITIVE),
    (_SEQUENCE, {"features": 1, "outputs": 1}, "timesteps", _without(None)),
    (_SEQUENCE, {"timesteps": 3, "outputs": 1}, "features", _NOT_POSITIVE),
    (_SEQUENCE, {"timesteps": 3, "features": 1}, "outputs", _NOT_POSITIVE),
    (_DIGIT, {}, "inputs", _NOT_POSITIVE),
    (_DIGIT, {}, "classes", _NOT_POSITIVE),
]


@pytest.mark.parametrize(
    ("build", "others", "argument", "value"),
    [
        pytest.param(build, others, argument, value, id=f"{build.__name__}-{argument}-{value!r}")
        for build, others, argument, values in _INTEGERS
        for value in values
    ],
)
def test_a_wrong_integer_is_told(build, others, argument, value):
    with pytest.raises(ValueError, match=f"^{argument} must be an integer of at least 1, received") as caught:
        build(**others, **{argument: value})
    assert repr(value) in str(caught.value)


_SIZED = [
    (_LETTER, {}, "units"),
    (_SALES, {}, "units"),
    (_WORD, {"vocabulary_size": 5}, "units"),
    (_SEQUENCE, {"timesteps": 3, "features": 1, "outputs": 1}, "units"),
    (_DIGIT, {}, "hidden"),
]


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        True,
        2.5,
        None,
        "64",
        b"64",
        (),
        [],
        {},
        np.array([], int),
        (4, 0),
        (4, True),
        (4, 2.0),
        (4, "3"),
        (4, None),
    ],
    ids=repr,
)
@pytest.mark.parametrize(("build", "others", "argument"), _SIZED, ids=lambda case: getattr(case, "__name__", ""))
def test_wrong_units_are_told(build, others, argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be .*integer.*received") as caught:
        build(**others, **{argument: value})
    # The value itself, or the one in the tuple that is wrong.
    wrong = value[1] if isinstance(value, tuple) and value else value
    assert repr(wrong) in str(caught.value)


def test_an_array_without_dimensions_is_refused_as_units():
    with pytest.raises(ValueError, match=r"units must be .*integer"):
        models.letter_predictor(units=np.array(3.5))


@pytest.mark.parametrize("cell", ["rnn", "LSTM", "", None, 3, layers.LSTM, ["lstm"]], ids=repr)
@pytest.mark.parametrize(
    "build",
    [
        _LETTER,
        _SALES,
        lambda cell: _WORD(5, cell=cell),
        lambda cell: _SEQUENCE(3, 1, 1, cell=cell),
    ],
    ids=["letter", "sales", "word", "sequence"],
)
def test_an_unknown_cell_is_told_with_those_there_are(build, cell):
    with pytest.raises(ValueError, match=r'^cell must be one of "simple_rnn", "lstm", "gru", received') as caught:
        build(cell=cell)
    assert repr(cell) in str(caught.value)


@pytest.mark.parametrize("activation", ["nope", "", 3, True, {}, {"class_name": "x"}, ["relu"]], ids=repr)
def test_an_unknown_activation_is_told(activation):
    with pytest.raises(ValueError, match=r"^activation must be None, a callable or the name of") as caught:
        models.sequence_model(3, 1, 1, activation=activation)
    assert f"received {activation!r}" in str(caught.value)


@pytest.mark.parametrize("value", [None, 1, "yes", 0.0, np.array([True])], ids=repr)
def test_a_wrong_flag_is_told(value):
    with pytest.raises(ValueError, match=r"^scale must be True or False, received") as caught:
        models.sales_forecaster(scale=value)
    assert repr(value) in str(caught.value)
    with pytest.raises(ValueError, match=r"^every_step must be True or False, received"):
        models.sequence_model(3, 1, 1, every_step=value)


def test_one_month_has_no_spread_to_scale_by():
    with pytest.raises(ValueError, match=r"window must be at least 2 where scale is True .*received 1"):
        models.sales_forecaster(window=1)
    assert models.sales_forecaster(window=1, scale=False).input_shape == (None, 1, 1)


def test_none_as_length_is_told_to_be_allowed():
    with pytest.raises(ValueError, match=r"timesteps .* received 0; None takes any length"):
        models.letter_predictor(timesteps=0)


def test_nothing_is_printed():
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        models.sales_forecaster()
        models.digit_classifier()
    assert printed.getvalue() == ""
