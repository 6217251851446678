"""EmbeddingProjector: the matrix in the run's folder is the layer's, before training and after."""

import keras
import numpy as np
import pytest
from google.protobuf import text_format
from keras import layers
from tensorboard.plugins.projector import projector_config_pb2
from tensorboard.plugins.projector.projector_plugin import _read_tensor_tsv_file

from rnn_tutorial import callbacks, models

LABELS = list("abcde")
X = np.arange(10).reshape(5, 2) % 5
Y = np.arange(5)


def built(embedding=3):
    keras.utils.set_random_seed(0)
    model = models.letter_predictor(5, timesteps=2, embedding=embedding)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def embeddings(folder):
    """{name: (matrix, labels)} as TensorBoard reads them."""
    text = (folder / "projector_config.pbtxt").read_text()
    return {
        one.tensor_name: (
            _read_tensor_tsv_file(str(folder / one.tensor_path)),
            (folder / one.metadata_path).read_text().split(),
        )
        for one in text_format.Parse(text, projector_config_pb2.ProjectorConfig()).embeddings
    }


def matrix(model):
    return keras.ops.convert_to_numpy(model.get_layer("embedding").embeddings)


def test_before_meanwhile_and_after(tmp_path):
    model = built()
    before, seen = matrix(model), []
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(matrix(model)))
    model.fit(X, Y, epochs=5, verbose=0, callbacks=[keep, callbacks.EmbeddingProjector(tmp_path, LABELS)])
    found = embeddings(tmp_path)
    assert {"embedding", "embedding before training", "embedding after epoch 0"} <= set(found)
    np.testing.assert_allclose(found["embedding before training"][0], before, rtol=1e-5)
    np.testing.assert_allclose(found["embedding after epoch 0"][0], seen[0], rtol=1e-5)
    np.testing.assert_allclose(found["embedding"][0], seen[-1], rtol=1e-5)
    assert np.abs(seen[-1] - before).max() > 1e-3
    assert all(labels == LABELS for _, labels in found.values())
    assert sorted(found)[0] == "embedding"  # what the tab shows first


def test_looking_changes_nothing(tmp_path):
    ends = []
    for watching in ([], [callbacks.EmbeddingProjector(tmp_path, LABELS)]):
        model = built()
        history = model.fit(X, Y, epochs=3, verbose=0, callbacks=watching).history
        ends.append((history["loss"], model.get_weights()))
    assert ends[0][0] == ends[1][0]
    for bare, watched in zip(ends[0][1], ends[1][1], strict=True):
        np.testing.assert_array_equal(bare, watched)


def test_one_of_several_layers_by_name(tmp_path):
    ids = keras.Input((2,), dtype="int32")
    both = layers.Concatenate()([layers.Embedding(5, 2, name="first")(ids), layers.Embedding(5, 4, name="second")(ids)])
    model = keras.Model(ids, layers.Dense(5, activation="softmax")(layers.Flatten()(both)))
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(
        ValueError, match=r"layer must be the name of an Embedding layer \(first, second\), received None"
    ):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.EmbeddingProjector(tmp_path / "a", LABELS)])
    model.fit(X, Y, verbose=0, callbacks=[callbacks.EmbeddingProjector(tmp_path / "b", LABELS, layer="second")])
    assert embeddings(tmp_path / "b")["second"][0].shape == (5, 4)


def test_a_model_that_its_first_batch_builds(tmp_path):
    stack = [layers.Embedding(5, 4), layers.SimpleRNN(3), layers.Dense(5, activation="softmax")]
    model = keras.Sequential(stack)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[callbacks.EmbeddingProjector(tmp_path, LABELS)])
    assert embeddings(tmp_path)["embedding"][0].shape == (5, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": "abcde"}, "labels must be a list of strings, received 'abcde'"),
        ({"labels": [1, 2, 3, 4, 5]}, "labels must be a list of strings"),
        ({"labels": LABELS[:4]}, "labels must be one a row of embedding, 5; received 4"),
        (
            {"labels": LABELS, "layer": "dense"},
            r"layer must be the name of an Embedding layer \(embedding\), received 'dense'",
        ),
        ({"labels": LABELS, "every": 0}, "every must be an integer of at least 1, received 0"),
    ],
)
def test_wrong_arguments_are_told_before_training(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        built().fit(X, Y, verbose=0, callbacks=[callbacks.EmbeddingProjector(tmp_path / "run", **arguments)])
    assert not (tmp_path / "run").exists()


def test_a_model_without_an_embedding(tmp_path):
    model = models.letter_predictor()
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="the model has none"):
        model.fit(np.zeros((2, 1, 5)), np.zeros((2, 5)), callbacks=[callbacks.EmbeddingProjector(tmp_path, LABELS)])
