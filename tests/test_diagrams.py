import io
import shutil

import keras
import numpy as np
import PIL.Image
import pytest
from keras import layers

from rnn_tutorial import drawing, models
from rnn_tutorial.callbacks import ModelDiagram, diagram
from rnn_tutorial.drawing import boxes_and_arrows, diagrams, unrolled

# What Graphviz makes of it, and what is drawn where there is none.
DRAWERS = ["dot", "without dot"]


@pytest.fixture(params=DRAWERS)
def drawer(request, monkeypatch):
    if request.param == "without dot":
        monkeypatch.setenv("PATH", "")
    elif shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    assert drawing.has_dot() == (request.param == "dot")
    return request.param


def check_picture(content):
    """Make sure that bytes are a PNG file with something in it, and return its pixels."""
    image = PIL.Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    pixels = np.asarray(image.convert("RGB"))
    assert min(pixels.shape[:2]) > 50
    # A diagram is boxes and text on white.
    share = (pixels.min(axis=-1) > 250).mean()
    assert 0.1 < share < 0.99
    return pixels


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.reader = layers.LSTM(4)
        self.head = layers.Dense(1)

    def call(self, x):
        return self.head(self.reader(x))


def subclassed():
    model = Subclassed()
    model(keras.ops.zeros((2, 5, 3)))
    return model


def functional(shape, build, **arguments):
    x = keras.Input(shape, **arguments)
    return keras.Model(x, build(x))


def two_inputs():
    a, b = keras.Input((6, 2)), keras.Input((9, 7))
    joined = layers.concatenate([layers.LSTM(3)(a), layers.GRU(5)(b)])
    return keras.Model([a, b], layers.Dense(1)(joined))


def two_branches():
    def build(x):
        return layers.Dense(1)(layers.concatenate([layers.LSTM(3, name="left")(x), layers.GRU(4, name="right")(x)]))

    return functional((6, 2), build)


def encoder_and_decoder():
    def build(x):
        x = layers.RepeatVector(3)(layers.LSTM(4, name="encoder")(x))
        return layers.TimeDistributed(layers.Dense(1))(layers.LSTM(5, return_sequences=True, name="decoder")(x))

    return functional((12, 1), build)


def rows_of_a_picture():
    return functional((784,), lambda x: layers.Dense(10)(layers.LSTM(4)(layers.Reshape((28, 28))(x))))


def past_a_layer():
    """The input goes to the second layer too, beside what the first one makes of it."""

    def build(x):
        joined = layers.concatenate([layers.LSTM(2, return_sequences=True, name="first")(x), x])
        return layers.Dense(1)(layers.LSTM(3, name="second")(joined))

    return functional((4, 2), build)


def states_handed_on():
    def build(x):
        sequence, *states = layers.LSTM(3, return_sequences=True, return_state=True)(x)
        return layers.Dense(1)(layers.LSTM(3)(sequence, initial_state=states))

    return functional((4, 2), build)


def shared_with_another_model():
    shared = layers.LSTM(3)
    functional((5, 2), shared)
    return functional((7, 2), lambda x: layers.Dense(1)(shared(x)))


def sequence_then(layer):
    return functional((4, 2), lambda x: layers.Dense(5)(layer(layers.LSTM(3, return_sequences=True)(x))))


RECURRENT = {
    "letter_predictor": models.letter_predictor,
    "sales_forecaster": models.sales_forecaster,
    "without scaling": lambda: models.sales_forecaster(3, units=(4, 3, 2), scale=False),
    "word_predictor": lambda: models.word_predictor(9, units=(4,)),
    "any length": lambda: models.sequence_model(None, 2, 1, units=(4, 3), cell="gru"),
    "every step": lambda: models.sequence_model(4, 2, 3, units=(4,), cell="simple_rnn", every_step=True),
    "every step of any length": lambda: models.sequence_model(None, 2, 3, units=(4,), every_step=True),
    "bidirectional": lambda: keras.Sequential(
        [
            keras.Input((None,)),
            layers.Embedding(7, 3),
            layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
            layers.Bidirectional(layers.GRU(2)),
            layers.Dense(1),
        ]
    ),
    "nested": lambda: keras.Sequential(
        [keras.Input((4, 2)), keras.Sequential([layers.LSTM(3), layers.Dense(2)], name="encoder"), layers.Dense(1)]
    ),
    "stacked cells": lambda: functional((4, 3), layers.RNN([layers.LSTMCell(2), layers.LSTMCell(5)])),
    "pictures in time": lambda: functional((4, 8, 8, 1), layers.ConvLSTM2D(2, 3)),
    "two inputs": two_inputs,
    "two branches": two_branches,
    "encoder and decoder": encoder_and_decoder,
    "rows of a picture": rows_of_a_picture,
    "past a layer": past_a_layer,
    "states handed on": states_handed_on,
    "states alone": lambda: functional((4, 2), lambda x: layers.Dense(1)(layers.LSTM(3, return_state=True)(x)[1])),
    "shared with another model": shared_with_another_model,
    "the mean over time": lambda: sequence_then(layers.GlobalAveragePooling1D()),
    "all steps in a row": lambda: sequence_then(layers.Flatten()),
    "one step of them": lambda: sequence_then(lambda x: x[:, -1]),
}
# Those that no row of steps can show: no picture is as good as one of them.
NO_CHAIN = {
    "two inputs",
    "two branches",
    "encoder and decoder",
    "past a layer",
    "states handed on",
    "states alone",
    "shared with another model",
    "the mean over time",
    "all steps in a row",
    "one step of them",
}
OTHERS = {
    "digit_classifier": models.digit_classifier,
    "branches that meet": lambda: functional(
        (4,), lambda x: layers.add([layers.Dense(3)(layers.Dense(5)(x)), layers.Dense(3)(x)])
    ),
    "a convolution": lambda: functional((8, 8, 1), lambda x: layers.Flatten()(layers.Conv2D(2, 3)(x))),
    "an operation": lambda: functional((4,), lambda x: keras.ops.tanh(layers.Dense(2)(x * 2)) + 1),
}


@pytest.mark.parametrize("name", [*RECURRENT, *OTHERS])
def test_the_layers_of_every_model_are_drawn(drawer, name):
    check_picture(drawing.layers_diagram({**RECURRENT, **OTHERS}[name]()))


@pytest.mark.parametrize("name", RECURRENT)
def test_every_recurrent_model_is_drawn_unrolled(drawer, name):
    content = drawing.unrolled_diagram(RECURRENT[name]())
    if content is None:  # rather nothing than a network that is not this one
        assert name in NO_CHAIN
    else:
        check_picture(content)


@pytest.mark.parametrize("name", OTHERS)
def test_without_recurrent_layers_there_is_nothing_to_unroll(drawer, name):
    assert drawing.unrolled_diagram(OTHERS[name]()) is None


def test_a_subclassed_model_is_drawn(drawer):
    model = subclassed()
    check_picture(drawing.layers_diagram(model))
    # What goes where cannot be asked of such a model, but its layers can: either a picture or none.
    content = drawing.unrolled_diagram(model)
    if content is not None:
        check_picture(content)


def test_names_are_text_and_not_graphviz(drawer):
    name = '<b>"quoted"\\N & {x|y}'
    model = functional((4, 2), layers.LSTM(2, name=name))
    assert f"{name}: one set of weights" in weight_boxes(model)[0]
    check_picture(drawing.unrolled_diagram(model))


def test_both_ways_draw_the_same_boxes(monkeypatch):
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    model = models.letter_predictor(timesteps=3)
    with_dot = check_picture(drawing.unrolled_diagram(model))
    monkeypatch.setenv("PATH", "")
    without = check_picture(drawing.unrolled_diagram(model))
    # Inches at 110 and at 100 dots; the margins are alike.
    for a, b in zip(with_dot.shape[:2], without.shape[:2], strict=True):
        assert a / 110 == pytest.approx(b / 100, abs=0.5)


# The boxes, before they are drawn


def scene(model):
    """Texts of the boxes, and {text of the tail: [texts of the heads]} of the arrows that are not about weights."""
    nodes, edges = unrolled.unrolled_boxes(model)
    leads = {}
    for edge in edges:
        if not edge.dashed:
            leads.setdefault(edge.tail.text, []).append(edge.head.text)
    return [node.text for node in nodes if node.text], leads


def weight_boxes(model):
    return [text for text in scene(model)[0] if "one set of weights" in text]


def recurrent_layers(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from recurrent_layers(layer)
        elif isinstance(layer, (layers.RNN, layers.Bidirectional)):
            yield layer


@pytest.mark.parametrize("name", RECURRENT)
def test_the_weights_stand_once_with_their_shapes(name):
    model = RECURRENT[name]()
    if unrolled.unrolled_boxes(model) is None:
        assert name in NO_CHAIN
        return
    recurrent = list(recurrent_layers(model))
    boxes = weight_boxes(model)
    assert len(boxes) == len(recurrent) > 0
    for box, layer in zip(boxes, recurrent, strict=True):
        lines = box.split("\n")[1:-1]
        assert lines == [f"{weight.name} {tuple(weight.shape)}" for weight in layer.weights]
        numbers = sum(int(np.prod(weight.shape)) for weight in layer.weights)
        assert box.split("\n")[-1].startswith(f"{numbers:,} numbers")


def test_the_article_unrolled():
    texts, leads = scene(models.letter_predictor(timesteps=3, units=4))
    assert texts == [
        "x_1  (5,)",
        "x_2  (5,)",
        "x_3  (5,)",
        "simple_rnn\nh_1  (4,)",
        "simple_rnn\nh_2  (4,)",
        "simple_rnn\nh_3  (4,)",
        "h_0 = 0",
        "simple_rnn: one set of weights\nkernel (5, 4)\nrecurrent_kernel (4, 4)\nbias (4,)\n"
        "40 numbers, used at every step",
        "output, softmax\n(5,)",
    ]
    assert leads == {
        "x_1  (5,)": ["simple_rnn\nh_1  (4,)"],
        "x_2  (5,)": ["simple_rnn\nh_2  (4,)"],
        "x_3  (5,)": ["simple_rnn\nh_3  (4,)"],
        "h_0 = 0": ["simple_rnn\nh_1  (4,)"],
        "simple_rnn\nh_1  (4,)": ["simple_rnn\nh_2  (4,)"],
        "simple_rnn\nh_2  (4,)": ["simple_rnn\nh_3  (4,)"],
        "simple_rnn\nh_3  (4,)": ["output, softmax\n(5,)"],
    }


def test_the_weights_lead_to_every_step():
    nodes, edges = unrolled.unrolled_boxes(models.sequence_model(4, 2, 1, units=(3,)))
    rails = [edge for edge in edges if edge.dashed]
    ends = [edge.head for edge in rails if edge.arrow == "forward"]
    cells = [node for node in nodes if node.text.startswith("lstm\n")]
    assert len(cells) == len(ends) == 4
    for cell, end in zip(cells, ends, strict=True):
        assert abs(end.x - cell.x) < cell.width / 2
        assert end.y == pytest.approx(cell.y - cell.height / 2)
    assert all(edge.tail in nodes and edge.head in nodes for edge in edges)


@pytest.mark.parametrize(
    ("timesteps", "steps"),
    [(1, [1]), (2, [1, 2]), (5, [1, 2, 3, 4, 5]), (6, [1, 2, 6]), (500, [1, 2, 500]), (None, [1, 2, "T"])],
    ids=str,
)
def test_long_sequences_are_drawn_with_their_beginning_and_their_end(timesteps, steps):
    texts, leads = scene(models.sequence_model(timesteps, 2, 1, units=(3, 2), cell="gru"))
    assert [text for text in texts if text.startswith("x_")] == [f"x_{step}  (2,)" for step in steps]
    for name, units in (("gru", 3), ("gru_1", 2)):
        assert [text for text in texts if text.startswith(f"{name}\n")] == [f"{name}\nh_{t}  ({units},)" for t in steps]
    dots = len(steps) == 3
    assert texts.count("· · ·") == 3 * dots
    # The second layer reads the first at the same step, and the output the last step alone.
    assert all(f"gru_1\nh_{t}  (2,)" in leads[f"gru\nh_{t}  (3,)"] for t in steps)
    assert [tail for tail, heads in leads.items() if "output\n(1,)" in heads] == [f"gru_1\nh_{steps[-1]}  (2,)"]
    assert ("· · ·" in leads["gru\nh_2  (3,)"]) if dots else True


def test_every_step_has_an_output_where_the_model_gives_one():
    texts, leads = scene(models.sequence_model(4, 2, 3, units=(5,), every_step=True, activation="tanh"))
    assert texts.count("output, tanh\n(3,)") == 4
    assert all("output, tanh\n(3,)" in leads[f"lstm\nh_{t}, c_{t}  (5,)"] for t in (1, 2, 3, 4))
    texts, _ = scene(models.sequence_model(4, 2, 3, units=(5,), activation="tanh"))
    assert texts.count("output, tanh\n(3,)") == 1


def test_lstm_passes_two_states_and_the_others_one():
    for cell, states in (("lstm", "h_2, c_2"), ("gru", "h_2"), ("simple_rnn", "h_2")):
        texts, _ = scene(models.sequence_model(3, 2, 1, units=(5,), cell=cell))
        assert f"{cell}\n{states}  (5,)" in texts
        assert ("h_0, c_0 = 0" if cell == "lstm" else "h_0 = 0") in texts


def test_an_embedding_stands_between_ids_and_cells():
    texts, leads = scene(models.letter_predictor(26, timesteps=2, units=3, embedding=4))
    assert texts[:6] == [
        "x_1  (id)",
        "x_2  (id)",
        "embedding\n(4,)",
        "embedding\n(4,)",
        "simple_rnn\nh_1  (3,)",
        "simple_rnn\nh_2  (3,)",
    ]
    assert leads["x_1  (id)"] == ["embedding\n(4,)"]
    assert leads["embedding\n(4,)"] == ["simple_rnn\nh_1  (3,)", "simple_rnn\nh_2  (3,)"]


def test_bidirectional_layers_pass_states_both_ways():
    model = functional((3, 2), layers.Bidirectional(layers.GRU(4)))
    _, edges = unrolled.unrolled_boxes(model)
    between = [
        edge.arrow for edge in edges if "bidirectional\n" in edge.tail.text and "bidirectional\n" in edge.head.text
    ]
    assert between == ["both", "both"]


def test_scaling_stands_before_and_after_the_network():
    texts, leads = scene(models.sales_forecaster(window=4, horizon=2, units=(3,)))
    # Each scaled month depends on all months, so that one box stands over all of them.
    assert texts.count("scale\n(1,)") == 1
    nodes, _ = unrolled.unrolled_boxes(models.sales_forecaster(window=4, horizon=2, units=(3,)))
    (scale,) = [node for node in nodes if node.text == "scale\n(1,)"]
    months = [node for node in nodes if node.text.startswith("x_")]
    assert len(months) == 4
    assert all(abs(month.x - scale.x) < scale.width / 2 for month in months)
    assert leads["output\n(2,)"] == ["unscale\n(2,), reads x too"]


def test_nested_models_are_opened():
    texts, _ = scene(RECURRENT["nested"]())
    assert "encoder/lstm\nh_1, c_1  (3,)" in texts
    assert "encoder/dense\n(2,)" in texts


# A picture that shows another network than the model's own is worse than none.


def test_branches_are_not_drawn_one_on_the_other():
    if unrolled.unrolled_boxes(two_branches()) is None:
        return
    texts, leads = scene(two_branches())
    assert [text for text in texts if text.startswith("right\n")]
    assert not [head for tail, heads in leads.items() if tail.startswith("left\n") for head in heads if "right" in head]


def test_inputs_of_their_own_are_drawn_as_such():
    if unrolled.unrolled_boxes(two_inputs()) is None:
        return
    texts, _ = scene(two_inputs())
    inputs = [text for text in texts if text.startswith("x_")]
    assert not [text for text in inputs if "None" in text or "id" in text]
    # Each layer has as many steps as its own input.
    assert "lstm\nh_6, c_6  (3,)" in texts
    assert "gru\nh_9  (5,)" in texts


def test_a_decoder_has_steps_of_its_own():
    if unrolled.unrolled_boxes(encoder_and_decoder()) is None:
        return
    texts, _ = scene(encoder_and_decoder())
    assert "encoder\nh_12, c_12  (4,)" in texts
    assert "decoder\nh_3, c_3  (5,)" in texts
    assert "decoder\nh_12, c_12  (5,)" not in texts


def test_time_is_that_of_the_recurrent_layer_and_not_of_the_input():
    texts, _ = scene(rows_of_a_picture())
    assert "lstm\nh_28, c_28  (4,)" in texts
    assert not [text for text in texts if "784" in text and "h_" in text]


@pytest.mark.parametrize("name", ["the mean over time", "all steps in a row", "one step of them"])
def test_what_reads_the_whole_sequence_stands_once(name):
    if unrolled.unrolled_boxes(RECURRENT[name]()) is None:
        return
    texts, _ = scene(RECURRENT[name]())
    assert not [text for text in texts if "(id)" in text], "ids are what an embedding reads"
    assert texts.count("dense\n(5,)") == 1


def test_steps_of_a_layer_are_those_of_this_model():
    if unrolled.unrolled_boxes(shared_with_another_model()) is None:
        return
    texts, _ = scene(shared_with_another_model())
    assert "lstm\nh_7, c_7  (3,)" in texts
    assert "x_7  (2,)" in texts


# Layers without dot


def layer_boxes(model):
    """{first line of the text: Node} and the pairs of such lines that an arrow connects."""
    nodes, edges = diagrams._layer_boxes(model)
    named = {node.text.split(" (")[0]: node for node in nodes}
    assert len(named) == len(nodes)
    pairs = sorted((edge.tail.text.split(" (")[0], edge.head.text.split(" (")[0]) for edge in edges)
    return named, pairs


def test_boxes_of_the_layers_say_what_they_are():
    named, pairs = layer_boxes(models.letter_predictor())
    assert [node.text for node in named.values()] == [
        "letters (InputLayer)\n(None, 1, 5)",
        "simple_rnn (SimpleRNN, tanh)\n(None, 3)\n27 parameters",
        "output (Dense, softmax)\n(None, 5)\n20 parameters",
    ]
    assert pairs == [("letters", "simple_rnn"), ("simple_rnn", "output")]


def test_branches_of_the_layers_lie_side_by_side():
    named, pairs = layer_boxes(two_branches())
    assert {pair for pair in pairs if "left" in pair or "right" in pair} == {
        (next(name for name in named if name.startswith("input")), "left"),
        (next(name for name in named if name.startswith("input")), "right"),
        ("left", "concatenate"),
        ("right", "concatenate"),
    }
    assert named["left"].y == named["right"].y
    assert abs(named["left"].x - named["right"].x) > named["left"].width


def test_every_arrow_leads_downwards_past_no_box():
    for build in (*RECURRENT.values(), *OTHERS.values(), subclassed):
        nodes, edges = diagrams._layer_boxes(build())
        assert all(edge.tail.y > edge.head.y for edge in edges)
        places = [(node.x, node.y) for node in nodes]
        assert len(set(places)) == len(places)
        assert all(edge.around == (edge.tail.y - edge.head.y > 1.2) for edge in edges)
        assert len(edges) >= len(nodes) - 2


def test_operations_between_layers_are_passed_through():
    named, pairs = layer_boxes(models.sales_forecaster(4, units=(3,)))
    assert pairs == [
        ("lstm", "output"),
        ("output", "unscale"),
        ("sales", "scale"),
        ("sales", "unscale"),
        ("scale", "lstm"),
    ]
    assert named["sales"].y > named["scale"].y > named["lstm"].y > named["output"].y > named["unscale"].y


# The callback where dot is missing


def test_the_missing_dot_is_told_in_one_line_a_process(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    diagram._tell_how_to_install_dot.cache_clear()  # as if this process had not been told yet
    model = models.letter_predictor()
    model.compile("sgd", "mse")
    for number in range(2):
        folder = tmp_path / str(number)
        model.fit(np.zeros((2, 1, 5)), np.zeros((2, 5)), verbose=0, callbacks=[ModelDiagram(folder)])
        for name in ("model.png", "unrolled.png"):
            check_picture((folder / name).read_bytes())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert drawing.INSTALL_DOT in lines[0]


def test_where_dot_is_nothing_is_told(tmp_path, capsys):
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    diagram._tell_how_to_install_dot.cache_clear()
    model = models.letter_predictor()
    model.compile("sgd", "mse")
    model.fit(np.zeros((2, 1, 5)), np.zeros((2, 5)), verbose=0, callbacks=[ModelDiagram(tmp_path)])
    assert capsys.readouterr().out == ""


LONG = "a_long_name_of_a_layer_that_somebody_chose_with_care"


@pytest.mark.parametrize("name", ["lstm", LONG, f"WWW_{LONG.upper()}", "时间序列预测的循环神经网络的第一层"])
def test_boxes_have_room_for_their_text(name, capfd, drawer):
    """Graphviz says where one has not, and would draw it over its neighbours."""

    def build(x):
        x = layers.LSTM(4, name=name, return_sequences=True)(x)
        x = layers.TimeDistributed(layers.Dense(2), name=f"{name}_1")(x)
        x = layers.GRU(3, name=f"{name}_2", return_sequences=True)(x)
        return layers.Dense(1, activation="sigmoid", name=f"{name}_3")(x)

    nodes, _ = unrolled.unrolled_boxes(functional((4, 3), build))
    drawn = [node for node in nodes if node.text]
    for one in drawn:
        for other in drawn:
            apart = abs(one.x - other.x) - (one.width + other.width) / 2
            assert one is other or apart > 0 or abs(one.y - other.y) >= (one.height + other.height) / 2
    if drawer == "dot":
        boxes_and_arrows.by_graphviz(nodes, [], quiet=False)
        assert capfd.readouterr().err == ""


def test_nothing_of_graphviz_is_printed(capfd, drawer):
    model = functional((4, 3), lambda x: layers.Dense(1, name=f"{LONG}_1")(layers.LSTM(4, name=LONG)(x)))
    drawing.unrolled_diagram(model)
    drawing.layers_diagram(model)
    assert capfd.readouterr().err == ""
