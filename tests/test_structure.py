"""What is connected to what, and the graph that TensorBoard shows of it."""

import keras
import pytest
from keras import layers
from tensorboard.compat.proto import graph_pb2

from rnn_tutorial import models
from rnn_tutorial.callbacks import observe
from rnn_tutorial.inspection import structure


def graph_of(model):
    return {node.name: node for node in graph_pb2.GraphDef.FromString(structure.graph(model)).node}


def test_sources_of_a_chain_and_past_it():
    assert structure.sources(models.sales_forecaster()) == {
        "sales": [],
        "scale": ["sales"],
        "lstm": ["scale"],
        "lstm_1": ["lstm"],
        "output": ["lstm_1"],
        "unscale": ["output", "sales"],
    }


def test_operations_are_passed_through():
    x = keras.Input((3,), name="x")
    a, b = layers.Dense(2, name="a")(x), layers.Dense(2, name="b")(x)
    model = keras.Model(x, layers.Dense(1, name="c")(keras.ops.tanh(a * 2) + b))
    assert sorted(structure.sources(model)["c"]) == ["a", "b"]


def test_a_shared_layer_reads_in_this_model_only():
    shared = layers.Dense(2, name="shared")
    first = keras.Model(x := keras.Input((3,), name="x"), shared(x))
    second = keras.Model(y := keras.Input((3,), name="y"), shared(layers.Dense(3, name="before")(y)))
    assert structure.sources(first)["shared"] == ["x"]
    assert structure.sources(second)["shared"] == ["before"]
    assert structure.shapes(second, shared) == ([(None, 3)], [(None, 2)])


def test_the_graph_holds_layers_weights_and_shapes():
    nodes = graph_of(models.letter_predictor())
    weights = ["kernel", "recurrent_kernel", "bias"]
    assert list(nodes) == [
        "letters",
        *(f"simple_rnn/{name}" for name in weights),
        "simple_rnn",
        "output/kernel",
        "output/bias",
        "output",
    ]
    assert list(nodes["simple_rnn"].input) == ["letters", *(f"simple_rnn/{name}" for name in weights)]
    (shape,) = nodes["simple_rnn/kernel"].attr["_output_shapes"].list.shape
    assert [dim.size for dim in shape.dim] == [5, 3]
    (shape,) = nodes["output"].attr["_output_shapes"].list.shape
    assert [dim.size for dim in shape.dim] == [-1, 5]
    assert nodes["output"].attr["activation"].s == b"softmax"


def test_every_input_of_a_node_is_a_node():
    for model in (models.sales_forecaster(), models.word_predictor(9), models.digit_classifier()):
        nodes = graph_of(model)
        assert all(source in nodes for node in nodes.values() for source in node.input)


@pytest.mark.parametrize("is_built", [True, False], ids=["built", "built by its first batch"])
def test_a_watched_run_has_one_graph(tmp_path, read_events, our_event_file, is_built):
    inputs = [keras.Input((2,))] if is_built else []
    model = keras.Sequential([*inputs, layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(keras.ops.ones((4, 2)), keras.ops.ones((4, 1)), epochs=3, verbose=0, callbacks=observe(tmp_path / "run"))
    graphs = [event.graph_def for event in read_events(our_event_file(tmp_path / "run")) if event.graph_def]
    assert len(graphs) == 1
    assert "dense/kernel" in {node.name for node in graph_pb2.GraphDef.FromString(graphs[0]).node}


def test_every_weight_of_a_layer_that_holds_layers_is_a_node():
    x = keras.Input((4, 3), name="x")
    model = keras.Model(x, layers.MultiHeadAttention(2, 3)(x, x))
    parts = ("query", "key", "value", "attention_output")
    weights = [f"multi_head_attention/{part}/{weight}" for part in parts for weight in ("kernel", "bias")]
    assert [name for name in graph_of(model) if name != "x"] == [*weights, "multi_head_attention"]
