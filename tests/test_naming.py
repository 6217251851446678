import keras
import pytest
from keras import layers

from rnn_tutorial import inspection, models
from rnn_tutorial.callbacks import WeightHeatmaps
from rnn_tutorial.inspection import naming
from rnn_tutorial.inspection.gradients import layer_choice


def names(model):
    return list(naming.layers(model))


def check_weights(model):
    """Names of the weights, after making sure that they are those of the model, each once."""
    named = naming.weights(model)
    assert len(named) == len(model.weights)
    assert {id(variable) for variable in named.values()} == {id(variable) for variable in model.weights}
    return list(named)


def stack(*middle, shape=(5, 3)):
    return keras.Sequential([keras.Input(shape), *middle])


def test_names_are_the_same_for_every_model_of_a_process():
    def build():
        return stack(
            layers.LSTM(4, return_sequences=True),
            layers.Dropout(0.1),
            layers.LSTM(3, return_sequences=True),
            layers.SimpleRNN(2, return_sequences=True),
            layers.GRU(2),
            layers.Dense(1),
            layers.Dense(2),
        )

    first, second = build(), build()
    # Keras' own names do not line up, or there would be nothing to show here.
    assert first.layers[0].name != second.layers[0].name
    expected = ["lstm", "dropout", "lstm_1", "simple_rnn", "gru", "dense", "dense_1"]
    assert names(first) == names(second) == expected
    assert check_weights(first) == check_weights(second)


def test_every_layer_is_the_right_one():
    model = stack(layers.LSTM(4, return_sequences=True), layers.LSTM(3), layers.Dense(1))
    assert [layer is named for layer, named in zip(model.layers, naming.layers(model).values(), strict=True)] == [
        True
    ] * 3
    weights = naming.weights(model)
    assert weights["lstm_1/recurrent_kernel"] is model.layers[1].cell.recurrent_kernel
    assert weights["dense/bias"] is model.layers[2].bias


def test_weights_of_the_article():
    assert check_weights(models.sales_forecaster()) == [
        "lstm/kernel",
        "lstm/recurrent_kernel",
        "lstm/bias",
        "lstm_1/kernel",
        "lstm_1/recurrent_kernel",
        "lstm_1/bias",
        "output/kernel",
        "output/bias",
    ]


def test_names_that_the_user_gave_are_kept():
    model = stack(
        layers.LSTM(4, return_sequences=True, name="reader"),
        layers.LSTM(4, return_sequences=True),
        layers.LSTM(3, name="My-Writer.2"),
        layers.Dense(1, name="output"),
    )
    assert names(model) == ["reader", "lstm", "My-Writer.2", "output"]


def test_the_first_layer_without_a_name_is_not_counted_with_the_named_ones():
    # Whatever number Keras has come to.
    for _ in range(3):
        assert names(stack(layers.GRU(2, name="mine"), layers.Dense(1))) == ["mine", "dense"]


def test_a_given_name_that_an_automatic_one_takes():
    model = stack(layers.GRU(2, return_sequences=True, name="lstm"), layers.LSTM(2), layers.Dense(1))
    assert names(model) == ["lstm", "lstm_1", "dense"]
    assert isinstance(naming.layers(model)["lstm"], layers.GRU)
    assert check_weights(model)[:4] == ["lstm/kernel", "lstm/recurrent_kernel", "lstm/bias", "lstm_1/kernel"]


@pytest.mark.parametrize(
    ("layer", "automatic"),
    [
        (lambda: layers.LSTM(2), True),
        (lambda: layers.LSTM(2, name="lstm"), True),
        (lambda: layers.LSTM(2, name="lstm_12"), True),
        (lambda: layers.LSTM(2, name="lstm_a"), False),
        (lambda: layers.LSTM(2, name="my_lstm"), False),
        (lambda: layers.GRU(2, name="lstm"), False),
        (lambda: layers.SimpleRNN(2), True),
        (lambda: layers.Conv1D(2, 3), True),
        (lambda: layers.ConvLSTM1D(2, 3), True),
        (layers.LeakyReLU, True),
        (layers.GlobalAveragePooling1D, True),
        (layers.BatchNormalization, True),
        (lambda: layers.TimeDistributed(layers.Dense(1)), True),
        (lambda: layers.Bidirectional(layers.LSTM(1)), True),
    ],
)
def test_is_automatic(layer, automatic):
    assert naming.is_automatic(layer()) is automatic


def test_nested_models_are_opened():
    inner = keras.Sequential([layers.LSTM(2), layers.Dense(2)], name="encoder")
    deeper = keras.Sequential([layers.Dense(3), keras.Sequential([layers.Dense(3)], name="core")])
    x = keras.Input((4, 3))
    model = keras.Model(x, layers.Dense(1)(deeper(inner(x))))
    assert names(model) == [
        "encoder/lstm",
        "encoder/dense",
        "sequential/dense",
        "sequential/core/dense",
        "dense",
    ]
    assert "encoder/lstm/recurrent_kernel" in check_weights(model)


def test_scaling_inside_the_forecaster_has_no_layers():
    assert names(models.sales_forecaster()) == ["lstm", "lstm_1", "output"]


def test_a_layer_used_twice_is_there_once():
    shared = layers.LSTM(2)
    a, b = keras.Input((4, 3)), keras.Input((4, 3))
    model = keras.Model([a, b], layers.Dense(1)(layers.concatenate([shared(a), shared(b)])))
    assert names(model) == ["lstm", "concatenate", "dense"]
    assert len(check_weights(model)) == 5


def test_a_layer_shared_with_a_nested_model_is_there_once():
    shared = layers.Dense(3)
    inner = keras.Sequential([keras.Input((3,)), shared], name="inner")
    x = keras.Input((3,))
    model = keras.Model(x, inner(shared(x)))
    assert len(names(model)) == 1
    assert len(check_weights(model)) == 2


def test_bidirectional_weights_name_their_direction():
    model = stack(layers.Bidirectional(layers.GRU(2, return_sequences=True)), layers.Bidirectional(layers.LSTM(2)))
    assert check_weights(model) == [
        f"{layer}/{direction}/{weight}"
        for layer in ("bidirectional", "bidirectional_1")
        for direction in ("forward", "backward")
        for weight in ("kernel", "recurrent_kernel", "bias")
    ]
    weights = naming.weights(model)
    assert weights["bidirectional/backward/kernel"] is model.layers[0].backward_layer.cell.kernel


def test_wrapped_and_stacked_cells():
    model = stack(
        layers.RNN([layers.LSTMCell(2), layers.LSTMCell(3)], return_sequences=True),
        layers.TimeDistributed(layers.Dense(2)),
        layers.BatchNormalization(),
    )
    found = check_weights(model)
    assert found == [
        "rnn/lstm_cell/kernel",
        "rnn/lstm_cell/recurrent_kernel",
        "rnn/lstm_cell/bias",
        "rnn/lstm_cell_1/kernel",
        "rnn/lstm_cell_1/recurrent_kernel",
        "rnn/lstm_cell_1/bias",
        "time_distributed/kernel",
        "time_distributed/bias",
        "batch_normalization/gamma",
        "batch_normalization/beta",
        "batch_normalization/moving_mean",
        "batch_normalization/moving_variance",
    ]


class Scaled(keras.Model):
    """A subclassed model with a weight of its own beside its layers."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.cell = layers.LSTM(2)
        self.head = layers.Dense(1)
        self.gain = self.add_weight(shape=(1,), name="gain", initializer="ones")

    def call(self, x):
        return self.gain * self.head(self.cell(x))


def test_a_subclassed_model_with_a_weight_of_its_own():
    model = Scaled()
    model(keras.ops.zeros((2, 4, 3)))
    assert names(model) == ["lstm", "dense"]
    found = check_weights(model)
    assert set(found) == {
        "lstm/kernel",
        "lstm/recurrent_kernel",
        "lstm/bias",
        "dense/kernel",
        "dense/bias",
        "model/gain",
    }
    other = Scaled()
    other(keras.ops.zeros((2, 4, 3)))
    assert check_weights(other) == found


def test_a_subclassed_model_inside_another():
    class Outer(keras.Model):
        def __init__(self):
            super().__init__()
            self.one, self.two = Scaled(), Scaled(name="second")
            self.gain = self.add_weight(shape=(2,), name="gain")

        def call(self, x):
            return self.one(x) + self.two(x) + self.gain

    model = Outer()
    model(keras.ops.zeros((2, 4, 3)))
    found = check_weights(model)
    assert {"scaled/lstm/kernel", "second/lstm/kernel"} <= set(found)
    assert sorted(name for name in found if name.startswith("model/")) == ["model/gain", "model/gain_1", "model/gain_2"]


def test_weights_of_a_model_that_is_not_built():
    assert naming.weights(keras.Sequential([layers.LSTM(2)])) == {}
    assert names(keras.Sequential([layers.LSTM(2)])) == ["lstm"]


def test_input_layers_have_no_names():
    a, b = keras.Input((4, 3), name="left"), keras.Input((4, 3))
    model = keras.Model([a, b], layers.add([a, b]))
    assert names(model) == ["add"]
    assert check_weights(model) == []


class Decoder(layers.Layer):
    """A layer that holds layers in attributes, a list and a dict, one of them a model."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.reader = layers.GRU(3, return_sequences=True)
        self.writer = layers.GRU(3, return_sequences=True)
        self.more = [layers.Dense(3), {"last": [layers.Dense(3, name="mine")]}]
        self.model = keras.Sequential([layers.LSTM(3, return_sequences=True), layers.Dense(3)])
        self.dropout = layers.Dropout(0.1)
        self.gain = self.add_weight(shape=(1,), name="gain")

    def call(self, x):
        x = self.writer(self.reader(x))
        x = self.more[1]["last"][0](self.more[0](x))
        return self.gain * self.dropout(self.model(x))


RECURRENT = ("kernel", "recurrent_kernel", "bias")


def test_weights_inside_a_composite_layer_carry_the_way():
    def build():
        return stack(Decoder(), Decoder(name="second"), Decoder())

    held = [f"{layer}/{weight}" for layer in ("gru", "gru_1") for weight in RECURRENT]
    held += [f"{layer}/{weight}" for layer in ("dense", "mine") for weight in ("kernel", "bias")]
    held += [f"sequential/lstm/{weight}" for weight in RECURRENT]
    held += [f"sequential/dense/{weight}" for weight in ("kernel", "bias")]
    expected = [f"{layer}/{weight}" for layer in ("decoder", "second", "decoder_1") for weight in ["gain", *held]]
    first = build()
    assert check_weights(first) == check_weights(build()) == expected
    assert naming.weights(first)["second/gru_1/kernel"] is first.layers[1].writer.cell.kernel
    assert naming.weights(first)["decoder_1/mine/bias"] is first.layers[2].more[1]["last"][0].bias
    assert list(naming.weights(first.layers[0])) == ["gain", *held]


def test_recurrent_layers_are_called_as_their_weights_are():
    model = stack(
        Decoder(),
        layers.Bidirectional(layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)], return_sequences=True)),
        layers.RNN([layers.LSTMCell(2), layers.StackedRNNCells([layers.LSTMCell(2)])], return_sequences=True),
        layers.RNN(layers.LSTMCell(2), return_sequences=True),
        Outside(Outside(layers.LSTM(2))),
    )
    holders = {name.rpartition("/")[0] for name in check_weights(model) if name.endswith("recurrent_kernel")}
    assert holders == {
        "decoder/gru",
        "decoder/gru_1",
        "decoder/sequential/lstm",
        *(f"bidirectional/{way}/{cell}" for way in ("forward", "backward") for cell in ("lstm_cell", "gru_cell")),
        "rnn/lstm_cell",
        "rnn/lstm_cell_1",
        "rnn_1",
        "outside/outside/lstm",
    }
    assert set(inspection.layers(model)) == holders


class Outside(layers.Wrapper):
    def call(self, x):
        return self.layer(x)


def test_loops_of_blocks_side_by_side_are_told_apart_by_their_block():
    class Blocks(layers.Layer):
        def __init__(self):
            super().__init__()
            self.blocks = [Outside(layers.LSTM(2, return_sequences=True)) for _ in range(2)]

        def call(self, x):
            return self.blocks[1](self.blocks[0](x))

    model = stack(Blocks())
    assert list(inspection.layers(model)) == ["blocks/outside/lstm", "blocks/outside_1/lstm"]
    assert check_weights(model) == [
        f"blocks/{block}/lstm/{weight}" for block in ("outside", "outside_1") for weight in RECURRENT
    ]


def test_keras_layers_that_hold_layers():
    x = keras.Input((4, 6))
    attended = layers.MultiHeadAttention(2, 3)(x, x)
    normal = layers.SpectralNormalization(layers.Dense(2))(attended)
    parts = layers.TimeDistributed(keras.Sequential([layers.Dense(2), layers.Dense(2)]))(normal)
    assert check_weights(keras.Model(x, parts)) == [
        *(
            f"multi_head_attention/{part}/{weight}"
            for part in ("query", "key", "value", "attention_output")
            for weight in ("kernel", "bias")
        ),
        "spectral_normalization/dense/kernel",
        "spectral_normalization/vector_u",
        "spectral_normalization/dense/bias",
        *(f"time_distributed/{part}/{weight}" for part in ("dense", "dense_1") for weight in ("kernel", "bias")),
    ]


def test_a_sublayer_of_two_layers_is_there_once():
    shared = layers.Dense(3)
    model = stack(Outside(shared), Outside(shared))
    assert check_weights(model) == ["outside/dense/kernel", "outside/dense/bias"]


def test_one_cell_used_twice_in_a_stack():
    cell = layers.LSTMCell(3)
    model = stack(layers.RNN([cell, cell]))
    assert list(inspection.layers(model)) == ["rnn/lstm_cell", "rnn/lstm_cell_1"]
    assert check_weights(model) == [f"rnn/lstm_cell/{weight}" for weight in RECURRENT]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("second", {"gru", "gru_1", "dense", "mine", "sequential/lstm", "sequential/dense", ""}),
        ("second/gru", {"gru"}),
        ("second/sequential", {"sequential/lstm", "sequential/dense"}),
        (["second/mine", "second/sequential/lstm"], {"mine", "sequential/lstm"}),
    ],
)
def test_layers_are_chosen_with_all_below_them(chosen, expected):
    model = stack(Decoder(), Decoder(name="second"))
    layer_choice.check_layers(chosen, model)
    taken = {name.rpartition("/")[0] for name in naming.weights(model) if layer_choice.chooses(chosen, name)}
    assert taken == {f"second/{way}".rstrip("/") for way in expected}


def test_a_layer_that_is_not_below_another_is_told():
    message = r"layers must name layers of the model, .*second, second/dense, .*; received 'second/lstm'"
    with pytest.raises(ValueError, match=message):
        layer_choice.check_layers("second/lstm", stack(Decoder(name="second")))


def test_weights_are_drawn_by_the_layer_that_holds_them(tmp_path, read_values, our_event_file):
    model = stack(Outside(layers.LSTM(2, return_sequences=True)), Outside(layers.LSTM(2)), layers.Dense(1))
    model.compile("sgd", "mse")
    x = keras.ops.ones((4, 5, 3))
    model.fit(x, keras.ops.ones((4, 1)), verbose=0, callbacks=[WeightHeatmaps(tmp_path / "run")])
    assert set(read_values(our_event_file(tmp_path / "run"))["images"]) == {
        "weights_picture/outside/lstm",
        "weights_picture/outside_1/lstm",
        "weights_picture/dense",
    }


def test_a_cell_that_a_layer_of_ones_own_steps():
    class Stepper(layers.Layer):
        def __init__(self):
            super().__init__()
            self.cell = layers.GRUCell(3)
            self.cells = layers.StackedRNNCells([layers.LSTMCell(2), layers.LSTMCell(2)])

        def build(self, shape):
            self.cell.build((None, shape[-1]))
            self.cells.build((None, shape[-1]))

        def call(self, x):
            return self.cell(x[:, 0], [keras.ops.zeros((len(x), 3))])[0]

    layer = Stepper()
    layer.build((None, 5, 3))
    parts = ("gru_cell", "stacked_rnn_cells/lstm_cell", "stacked_rnn_cells/lstm_cell_1")
    assert list(naming.weights(layer)) == [f"{part}/{weight}" for part in parts for weight in RECURRENT]


def test_a_recurrent_layer_that_holds_more_than_its_cell():
    class Projected(layers.LSTM):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.projection = layers.Dense(2)

        def call(self, sequences, initial_state=None, mask=None, training=False):
            return self.projection(super().call(sequences, initial_state, mask, training))

    layer = Projected(3)
    layer(keras.ops.zeros((2, 5, 3)))
    assert list(naming.weights(layer)) == [*RECURRENT, "dense/kernel", "dense/bias"]
