"""Sequences whose length only the graph knows, as `TextVectorization` makes them; on TensorFlow, where Keras has it.

Held against the same network that is given the ids of the words: there the length is known.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from rnn_tutorial.callbacks import observe
from rnn_tutorial.inspection import recurrent

TEXTS = np.array(["a b c d", "b c", "d d d a b c", "a"])
Y = np.array([[1.0], [0.0], [1.0], [0.0]], "float32")
NETWORKS = {
    "simple_rnn": lambda: [layers.SimpleRNN(4)],
    "lstm": lambda: [layers.LSTM(4)],
    "gru_backwards": lambda: [layers.GRU(4, go_backwards=True)],
    "bidirectional": lambda: [layers.Bidirectional(layers.LSTM(4))],
    "stack": lambda: [layers.LSTM(3, return_sequences=True), layers.GRU(4)],
    "cells": lambda: [layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)])],
}


def build(network, mask, words):
    """A model of texts, or of the ids of their words."""
    keras.utils.set_random_seed(0)
    vectorize = layers.TextVectorization()
    vectorize.adapt(TEXTS)
    inputs = keras.Input((), dtype="string") if words else keras.Input((None,), dtype="int32")
    x = layers.Embedding(10, 3, mask_zero=mask)(vectorize(inputs) if words else inputs)
    for layer in [*NETWORKS[network](), layers.Dense(1)]:
        x = layer(x)
    model = keras.Model(inputs, x)
    model.compile("sgd", "mse")
    return model, vectorize


@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize("network", NETWORKS)
def test_it_is_as_where_the_length_is_known(network, mask):
    (model, vectorize), (known, _) = (build(network, mask, words) for words in (True, False))
    known.set_weights(model.get_weights())
    ids = vectorize(TEXTS).numpy().astype("int32")
    received, expected = recurrent.look(model, TEXTS, Y), recurrent.look(known, ids, Y)
    assert list(received) == list(expected)
    traces, expected_traces = recurrent.trace(model, TEXTS), recurrent.trace(known, ids)
    for name, look in expected.items():
        np.testing.assert_allclose(received[name].flow.hidden, look.flow.hidden, rtol=1e-4)
        np.testing.assert_allclose(received[name].flow.immediate, look.flow.immediate, rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(traces[name].hidden, expected_traces[name].hidden, rtol=1e-4, atol=1e-7)
        for gate, values in expected_traces[name].gates.items():
            np.testing.assert_allclose(traces[name].gates[gate], values, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("make", [lambda: TEXTS.astype(object), lambda: tf.constant(TEXTS)], ids=["objects", "tensor"])
def test_texts_are_taken_as_fit_takes_them(tmp_path, read_values, our_event_file, make, shape):
    vectorize = layers.TextVectorization()
    vectorize.adapt(TEXTS)
    stack = [vectorize, layers.Embedding(10, 3, mask_zero=True), layers.GRU(4), layers.Dense(1)]
    model = keras.Sequential([keras.Input(shape, dtype="string"), *stack])
    model.compile("sgd", "mse")
    x = make()
    model.fit(x, Y, verbose=0, callbacks=observe(tmp_path, probe=(x[:3], Y[:3]), pictures=False))
    tensors = read_values(our_event_file(tmp_path))["rnn_tutorial"]
    expected = recurrent.gradient_flow(model, TEXTS[:3].reshape(3, *shape), Y[:3])["gru"]
    np.testing.assert_allclose(tensors["rnn/gru/grad_flow"][0], expected.hidden, rtol=1e-5)


LOST = {
    "reshape": lambda x: tf.reshape(x, (tf.shape(x)[0], -1, 2)),
    "boolean_mask": lambda x: tf.boolean_mask(x, tf.reduce_any(x != 99, axis=(0, 2)), axis=1),
    "ragged": lambda x: tf.RaggedTensor.from_tensor(x).to_tensor(),
}


class Applied(layers.Layer):
    """A function of which nobody knows how many time steps it gives."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)

    def compute_output_shape(self, shape):
        return (shape[0], None, 2)


@pytest.mark.parametrize("steps", [5, 20])
@pytest.mark.parametrize("name", LOST)
def test_other_layers_that_lose_the_length(name, steps):
    def build(function):
        keras.utils.set_random_seed(0)
        cells = [layers.GRUCell(2), layers.SimpleRNNCell(3)]
        stack = [layers.LSTM(3, return_sequences=True), layers.RNN(cells, go_backwards=True, return_sequences=True)]
        model = keras.Sequential([keras.Input((None, 2)), Applied(function), *stack])
        model.compile("sgd", "mse")
        return model

    x = np.random.default_rng(0).normal(size=(3, steps, 2)).astype("float32")
    y = np.zeros((3, steps, 3), "float32")
    received, expected = (recurrent.gradient_flow(build(function), x, y) for function in (LOST[name], lambda x: x))
    assert list(received) == list(expected)
    for layer, flow in expected.items():
        np.testing.assert_allclose(received[layer].hidden, flow.hidden, rtol=1e-4)


def test_watching_it_logs_everything(tmp_path, read_values, our_event_file, recorded_warnings):
    model, _ = build("lstm", True, True)
    x = tf.constant(TEXTS)
    with recorded_warnings() as caught:
        model.fit(x, Y, verbose=0, callbacks=observe(tmp_path, probe=(TEXTS, Y), pictures=False))
    assert not caught
    values = read_values(our_event_file(tmp_path))
    assert values["rnn_tutorial"]["rnn/lstm/grad_flow"][0].shape == (6,)
    assert "saturation/lstm/forget" in values["scalars"]
