import contextlib
import errno
import functools
import io
import json
import os
import pathlib
import re
import sys
import types
import warnings
import zipfile

import h5py
import keras
import numpy as np
import PIL.Image
import pytest
from keras import layers
from tensorboard.compat.proto import graph_pb2

from rnn_tutorial import callbacks, drawing, models
from rnn_tutorial.callbacks import (
    GradientFlow,
    GradientHistograms,
    HealthCheck,
    LearningCurves,
    ModelDiagram,
    StateHeatmaps,
    WeightHeatmaps,
    WeightHistograms,
    observe,
)
from rnn_tutorial.callbacks.scalars import Scalars
from rnn_tutorial.inspection import structure

_RANDOM = np.random.default_rng(0)
X = _RANDOM.normal(size=(24, 4, 2)).astype("float32")
Y = _RANDOM.normal(size=(24, 1)).astype("float32")
VALIDATION = (X[:7] + 1, Y[:7])
WEIGHTS = ["cell/kernel", "cell/recurrent_kernel", "cell/bias", "head/kernel", "head/bias"]
# What `observe` writes of `network` without a probe; see test_callbacks_inside.py for what it sees with one.
TAGS = {
    "histograms": {f"{kind}/{name}" for kind in ("weights", "gradients") for name in WEIGHTS},
    "scalars": {
        *(
            f"{kind}/{name}"
            for kind in ("gradient_norm", "gradient_norm_max", "nonfinite_batches", "update_ratio")
            for name in [*WEIGHTS, "global"]
        ),
        "spectral_radius/cell",
    },
    "images": {"diagram/model", "diagram/unrolled", "curves", "weights_picture/cell", "weights_picture/head"},
}


def network(**compiled):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((4, 2), name="x"),
            layers.LSTM(3, dropout=0.2, name="cell"),
            layers.Dropout(0.3, name="drop"),
            layers.Dense(1, name="head"),
        ],
        name="network",
    )
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": "mse", "metrics": ["mae"], **compiled})
    return model


def simple(**compiled):
    """The cheapest model that trains; it is for what happens between the epochs, and its steps need not be compiled."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4, 2), name="x"), layers.SimpleRNN(1, name="cell")])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": "mse", "run_eagerly": True, **compiled})
    return model


def fit(model, watching=(), epochs=4, **arguments):
    return model.fit(X, Y, batch_size=8, epochs=epochs, verbose=0, callbacks=list(watching), **arguments)


def same(first, second):
    """Whether two models are equal to the last bit, in weights, optimizer and curves."""
    for one, other in (
        (first.get_weights(), second.get_weights()),
        ([np.asarray(v) for v in first.optimizer.variables], [np.asarray(v) for v in second.optimizer.variables]),
    ):
        assert len(one) == len(other) > 0
        assert all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))
    assert repr(first.history.history) == repr(second.history.history)
    assert first.history.epoch == second.history.epoch
    return True


def event_files(folder):
    """Event files below a folder, by the path of their folder."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*tfevents*")):
        found.setdefault(str(path.parent.relative_to(folder)), []).append(path.name)
    return found


def ours(caught):
    return [str(warning.message) for warning in caught if warning.category is RuntimeWarning]


@pytest.fixture(autouse=True, scope="module")
def _no_retracing_hints():
    # A process that trains many models is told about it by TensorFlow's logger.
    import tensorflow as tf

    level = tf.get_logger().level
    tf.get_logger().setLevel("ERROR")
    yield
    tf.get_logger().setLevel(level)


# One watched run, looked at from all sides


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs") / "run"
    model = network()
    weights = []  # after each epoch

    def remember(epoch, logs):
        weights.append(model.get_weights())

    watching = observe(folder)
    recorder = keras.callbacks.LambdaCallback(on_epoch_end=remember)
    fit(model, [*watching, recorder], epochs=6, validation_data=VALIDATION)
    return folder, model, watching, weights


@pytest.fixture(scope="module")
def values(watched, read_values, our_event_file):
    return read_values(our_event_file(watched[0]))


def test_all_callbacks_write_to_one_event_file(watched):
    assert {folder: len(files) for folder, files in event_files(watched[0]).items()} == {
        ".": 1,
        "train": 1,
        "validation": 1,
    }


def test_the_exact_tags(watched, values, read_values):
    assert {plugin: set(tags) for plugin, tags in values.items()} == TAGS
    for part, expected in {
        "train": {"epoch_loss", "epoch_mae", "epoch_learning_rate"},
        "validation": {
            "epoch_loss",
            "epoch_mae",
            "evaluation_loss_vs_iterations",
            "evaluation_mae_vs_iterations",
        },
    }.items():
        (path,) = (watched[0] / part).iterdir()
        found = read_values(path)
        assert {plugin: set(tags) for plugin, tags in found.items()} == {"scalars": expected}


def test_steps_are_zero_based_epochs(values):
    for plugin in ("histograms", "scalars"):
        assert all(list(steps) == [0, 1, 2, 3, 4, 5] for steps in values[plugin].values())
    assert list(values["images"]["diagram/model"]) == [0]
    assert list(values["images"]["diagram/unrolled"]) == [0]
    # The first and the last epoch, and log-spaced ones where there was time for them.
    for tag in TAGS["images"] - {"diagram/model", "diagram/unrolled"}:
        assert {0, 5} <= set(values["images"][tag]) <= {0, 1, 3, 5}


def test_histograms_are_those_of_the_weights_after_each_epoch(watched, values):
    _, _, _, weights = watched
    assert len(weights) == 6
    for place, name in enumerate(WEIGHTS):
        for epoch, table in values["histograms"][f"weights/{name}"].items():
            array = weights[epoch][place].astype("float64")
            edges = np.linspace(array.min(), array.max(), 31)
            assert table[:, 0].tolist() == edges[:-1].tolist()
            assert table[-1, 1] == array.max()
            assert table[:, 2].sum() == array.size
            if array.size > 1:
                assert table[:, 2].tolist() == np.histogram(array, edges)[0].tolist()
    # Training did move them.
    assert not np.array_equal(
        values["histograms"]["weights/cell/kernel"][0], values["histograms"]["weights/cell/kernel"][5]
    )


def test_scalars_are_those_of_the_history(watched, read_values):
    folder, model, _, _ = watched
    history = model.history.history
    for part, prefix in (("train", ""), ("validation", "val_")):
        (path,) = (folder / part).iterdir()
        found = read_values(path)["scalars"]
        for metric in ("loss", "mae"):
            assert list(found[f"epoch_{metric}"]) == [0, 1, 2, 3, 4, 5]
            np.testing.assert_allclose(list(found[f"epoch_{metric}"].values()), history[prefix + metric], rtol=1e-6)
        if part == "train":
            np.testing.assert_allclose(list(found["epoch_learning_rate"].values()), [0.1] * 6, rtol=1e-6)
        else:
            # Three batches an epoch.
            assert list(found["evaluation_loss_vs_iterations"]) == [3, 6, 9, 12, 15, 18]


def test_the_graph_of_the_layers_is_written(watched, read_events, our_event_file):
    (definition,) = [event.graph_def for event in read_events(our_event_file(watched[0])) if event.graph_def]
    nodes = {node.name: list(node.input) for node in graph_pb2.GraphDef.FromString(definition).node}
    assert set(nodes) >= {"cell", "drop", "head", *WEIGHTS}
    assert nodes["drop"] == ["cell"]
    assert nodes["head"] == ["drop", "head/kernel", "head/bias"]
    assert all(source in nodes for sources in nodes.values() for source in sources)


def test_pictures_are_pictures_and_lie_beside_the_event_file(watched, values):
    folder = watched[0]
    for tag, name in (("curves", "curves.png"), ("diagram/model", "model.png"), ("diagram/unrolled", "unrolled.png")):
        for width, height, content in values["images"][tag].values():
            image = PIL.Image.open(io.BytesIO(content))
            assert image.format == "PNG"
            assert (int(width), int(height)) == image.size
            assert np.asarray(image.convert("RGB")).reshape(-1, 3).std(axis=0).max() > 1
        # The file holds the last of them.
        assert (folder / name).read_bytes() == content
    files = {path.name for path in folder.iterdir() if "tfevents" not in path.name}
    assert files == {"curves.png", "model.png", "unrolled.png", "train", "validation"}


def test_the_curves_hold_every_epoch(watched):
    _, model, watching, _ = watched
    (curves,) = [callback for callback in watching if isinstance(callback, LearningCurves)]
    assert curves.epochs == [0, 1, 2, 3, 4, 5]
    assert curves.history == {name: [float(v) for v in values] for name, values in model.history.history.items()}


def test_no_file_is_open_after_training(watched, open_event_files):
    assert open_event_files(watched[0]) == []


# 1. Looking changes nothing


def _adam(**arguments):
    # With a name, so that Keras does not number it.
    return keras.optimizers.Adam(0.05, name="optimizer", **arguments)


# Name -> the optimizer, how the model is compiled, how it is fitted.
WAYS = {
    "gradient accumulation": (lambda: _adam(global_clipnorm=0.5, gradient_accumulation_steps=2), {}, {}),
    "steps_per_execution": (_adam, {"steps_per_execution": 2}, {"validation_data": VALIDATION}),
}  # tests/test_callbacks_inside.py has more of them.


def saved(path):
    """What a checkpoint holds: its description and its arrays by path, without the date."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        # Keras puts an object's place in memory into the description.
        description = re.sub(r'"shared_object_id": \d+', "", archive.read("config.json").decode())
        arrays = {}
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            file.visititems(
                lambda name, item: (
                    arrays.update({name: (item.dtype, item.shape, item[()].tobytes())})
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
    return names, description, arrays


@pytest.mark.parametrize("way", WAYS)
def test_watched_training_is_the_same_to_the_last_bit(tmp_path, way):
    optimizer, compiled, arguments = WAYS[way]
    trained = {}
    for name in ("bare", "watched"):
        model = network(optimizer=optimizer(), **compiled)
        watching = observe(tmp_path / "logs", probe=(X[:4], Y[:4])) if name == "watched" else []
        checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / f"{name}.{{epoch}}.keras")
        fit(model, [*watching, checkpoint], **arguments)
        trained[name] = model
    assert same(trained["bare"], trained["watched"])
    # The optimizer has nothing about it that it did not have.
    assert set(vars(trained["bare"].optimizer)) == set(vars(trained["watched"].optimizer))
    assert len(trained["bare"].history.epoch) == arguments.get("epochs", 4)
    # The checkpoints of the last epoch and of one on the way.
    for epoch in (1, arguments.get("epochs", 4)):
        bare, watched = (saved(tmp_path / f"{name}.{epoch}.keras") for name in ("bare", "watched"))
        assert bare == watched
        assert any("optimizer" in name for name in bare[2])
    # They were watched.
    assert set(event_files(tmp_path / "logs")) >= {".", "train"}


def test_random_numbers_go_on_as_if_nobody_had_looked(tmp_path):
    drawn = []
    for watching in ([], observe(tmp_path / "run")):
        keras.utils.clear_session()  # Not every Keras starts its generator anew with a new seed.
        fit(simple(), watching, epochs=2)
        drawn.append((np.random.random(), float(keras.random.uniform(()))))
    assert drawn[0] == drawn[1]


@pytest.fixture(scope="module")
def bare():
    """The model trained by nobody watched: {epochs: model}."""
    models = {}
    for epochs in (4, 6):
        models[epochs] = simple()
        fit(models[epochs], epochs=epochs)
    return models


def test_a_folder_that_cannot_be_written(tmp_path, bare, recorded_warnings):
    (tmp_path / "file").write_text("")
    model = simple()
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "file" / "run"), validation_data=None)
    assert len(caught) == len(ours(caught)) == 1
    assert "file" in ours(caught)[0]
    assert same(model, bare[4])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("writes", [0, 1, 3], ids=["at once", "before the first epoch", "later"])
def test_a_disk_that_fills_up(
    tmp_path, bare, monkeypatch, recorded_warnings, read_values, our_event_file, open_event_files, writes
):
    real = os.write
    calls = []

    def write(descriptor, content):
        if ".rnn_tutorial" not in os.readlink(f"/proc/self/fd/{descriptor}"):
            return real(descriptor, content)
        calls.append(len(content))
        if len(calls) <= writes:
            return real(descriptor, content)
        if len(calls) == writes + 1:
            return real(descriptor, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", write)
    folder = tmp_path / "run"
    model = simple()
    watching = observe(folder)
    with recorded_warnings() as caught:
        fit(model, watching)
    monkeypatch.undo()
    assert len(caught) == len(ours(caught)) == 1
    assert os.strerror(errno.ENOSPC) in ours(caught)[0]
    assert len(calls) == writes + 2
    assert same(model, bare[4])
    read_values(our_event_file(folder))  # which refuses half a record
    assert open_event_files(folder) == []


def test_a_disk_that_is_full_for_the_scalars_too(tmp_path, run_python, our_event_file, read_values):
    # Files that may not grow stand in for a full disk: the scalars come to the limit before the histograms do, or after
    # them.
    printed = run_python(
        """
        import json, os, resource, signal, sys, warnings
        import keras
        import numpy as np
        from rnn_tutorial.callbacks import observe
        from rnn_tutorial.data import batches

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
        results = []
        for name, every in (("bare", 0), ("histograms", 1), ("scalars", 20)):
            keras.utils.set_random_seed(0)
            model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
            model.compile("sgd", "mse", metrics=["mae", "mape", "msle", "cosine_similarity"])
            folder = os.path.join(sys.argv[1], name)
            watching = observe(folder, every=every, pictures=False) if every else []
            if every:
                resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, resource.RLIM_INFINITY))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                warnings.filterwarnings("ignore", "__array__ implementation")
                model.fit(**batches(x, y), epochs=50, verbose=0, callbacks=watching)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            open_files = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
            results.append(
                {
                    "name": name,
                    "epochs": len(model.history.epoch),
                    "weights": model.get_weights()[0].tolist(),
                    "warnings": [str(warning.message) for warning in caught if warning.category is RuntimeWarning],
                    "open": [path for path in open_files if path.startswith(folder)],
                }
            )
        print("\\n" + json.dumps(results))
        """,
        tmp_path,
        TF_CPP_MIN_LOG_LEVEL="3",
    )
    bare, *full = json.loads(printed.splitlines()[-1])
    assert bare["warnings"] == []
    for result in full:
        assert (result["epochs"], result["weights"]) == (50, bare["weights"])
        # Fewer epochs than there would have been with room for them, to the last record whole.
        found = read_values(our_event_file(tmp_path / result["name"]))
        assert 1 <= len(found["histograms"]["weights/dense/kernel"]) <= 2
    assert [len(result["warnings"]) for result in full] == [1, 1], full
    assert [result["open"] for result in full] == [[], []]


@pytest.mark.parametrize(
    ("module", "function", "callback", "kept"),
    [
        (drawing, "curves", "LearningCurves", {"histograms", "scalars", "images"}),
        (drawing, "layers_diagram", "ModelDiagram", {"histograms", "scalars", "images"}),
        (WeightHistograms, "look", "WeightHistograms", {"histograms", "scalars", "images"}),
        (structure, "graph", "ModelGraph", {"histograms", "scalars", "images"}),
        (Scalars, "record", "Scalars", {"histograms", "scalars", "images"}),
        (Scalars, "begin", "Scalars", {"histograms", "scalars", "images"}),
        (Scalars, "_evaluated", "Scalars", {"histograms", "scalars", "images"}),
    ],
    ids=lambda value: getattr(value, "__name__", value) if not isinstance(value, set) else "",
)
def test_a_callback_that_fails_stops_looking_and_the_rest_goes_on(
    tmp_path,
    monkeypatch,
    recorded_warnings,
    read_values,
    our_event_file,
    open_event_files,
    module,
    function,
    callback,
    kept,
    validated,
):
    def fail(*arguments, **options):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(module, function, fail)
    folder = tmp_path / "run"
    model = simple()
    watching = observe(folder)
    with recorded_warnings() as caught:
        fit(model, watching, validation_data=VALIDATION)
    monkeypatch.undo()
    assert len(caught) == len(ours(caught)) == 1
    assert callback in ours(caught)[0]
    assert "ZeroDivisionError: nobody thought of this" in ours(caught)[0]
    assert same(model, validated)
    # One folder, with all that the others have to say.
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    found = read_values(our_event_file(folder))
    assert set(found) == kept
    assert list(found["histograms"]["gradients/cell/kernel"]) == [0, 1, 2, 3]
    if callback != "WeightHistograms":
        assert list(found["histograms"]["weights/cell/kernel"]) == [0, 1, 2, 3]
    if callback != "LearningCurves":
        assert {0, 3} <= set(found["images"]["curves"])
        assert (folder / "curves.png").exists()
    if callback != "ModelDiagram":
        assert set(found["images"]["diagram/model"]) == {0}
    assert open_event_files(folder) == []


@pytest.fixture(scope="module")
def validated():
    model = simple()
    fit(model, validation_data=VALIDATION)
    return model


def test_weights_that_are_not_numbers(tmp_path, recorded_warnings, read_values, our_event_file):
    def diverge(watching):
        model = simple(optimizer=keras.optimizers.SGD(float("nan")))
        fit(model, watching, epochs=3)
        return model

    with recorded_warnings() as caught:
        model = diverge(observe(tmp_path / "run"))
    # The weights and the gradients, once each.
    assert len(caught) == len(ours(caught)) == 2
    assert re.search(r"\d+ of \d+ values of cell/\w+ are NaN or infinite after epoch 0", "".join(ours(caught)))
    assert "batches of epoch 0 had a gradient with NaN or infinity" in "".join(ours(caught))
    assert np.isnan(model.get_weights()[0]).all()
    assert same(model, diverge([]))
    found = read_values(our_event_file(tmp_path / "run"))
    assert list(found["histograms"]["weights/cell/kernel"]) == [0, 1, 2]
    assert found["histograms"]["weights/cell/kernel"][2][:, 2].sum() == 0
    assert 2 in found["images"]["curves"]


def test_a_loss_beyond_float32_is_no_reason_to_stop(tmp_path, recorded_warnings):
    model = simple(loss=lambda y, p: keras.ops.mean(keras.ops.square(y - p)) * 1e38 * 1e10)
    with recorded_warnings() as caught:
        fit(model, [LearningCurves(tmp_path / "run")], epochs=2)
    assert caught == []
    assert (tmp_path / "run" / "curves.png").exists()


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.cell = layers.LSTM(3, name="cell")
        self.head = layers.Dense(1, name="head")

    def call(self, x):
        return self.head(self.cell(x))


def test_a_model_that_its_first_batch_builds(tmp_path, recorded_warnings, read_values, our_event_file):
    trained = {}
    for name in ("bare", "watched"):
        keras.utils.set_random_seed(1)
        model = Subclassed()
        model.compile("sgd", "mse")
        with recorded_warnings() as caught:
            fit(model, observe(tmp_path / "run") if name == "watched" else [], epochs=2)
        assert ours(caught) == []
        trained[name] = model
    assert same(trained["bare"], trained["watched"])
    found = read_values(our_event_file(tmp_path / "run"))
    images = TAGS["images"] - {"diagram/unrolled"}  # what is connected to what is not known
    assert {plugin: set(tags) for plugin, tags in found.items()} == {**TAGS, "images": images}
    assert list(found["images"]["diagram/model"]) == [0]


def test_a_model_without_recurrent_layers(tmp_path, read_values, our_event_file):
    model = models.digit_classifier(8, hidden=(3,), classes=2)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(np.ones((4, 8)), np.zeros(4), epochs=1, verbose=0, callbacks=observe(tmp_path / "run"))
    found = read_values(our_event_file(tmp_path / "run"))
    assert set(found["images"]) == {
        "curves",
        "diagram/model",
        *(f"weights_picture/{layer.name}" for layer in model.layers[1:]),
    }
    assert not any(tag.startswith("spectral_radius") for tag in found["scalars"])
    assert not (tmp_path / "run" / "unrolled.png").exists()


def with_probe(make):
    """A callback that needs a probe, made as the others are."""

    @functools.wraps(make, updated=())
    def made(log_dir, every=1):
        return make(log_dir, (X[:2], Y[:2]), every)

    return made


CALLBACKS = [
    WeightHistograms,
    ModelDiagram,
    LearningCurves,
    GradientHistograms,
    WeightHeatmaps,
    with_probe(GradientFlow),
    with_probe(StateHeatmaps),
    with_probe(HealthCheck),
    with_probe(observe),
]


@pytest.mark.parametrize("wrong", ["", None, 3, b"logs", ["logs"], True], ids=repr)
@pytest.mark.parametrize("make", CALLBACKS, ids=lambda make: make.__name__)
def test_a_wrong_folder_is_told_before_training(make, wrong):
    with pytest.raises(ValueError, match="log_dir must be the path of a folder, received") as caught:
        make(wrong)
    assert repr(wrong) in str(caught.value)


@pytest.mark.parametrize("wrong", [0, -1, True, 2.0, "3", None], ids=repr)
@pytest.mark.parametrize("make", CALLBACKS, ids=lambda make: make.__name__)
def test_a_wrong_every_is_told_before_training(tmp_path, make, wrong):
    with pytest.raises(ValueError, match="every must be an integer of at least 1, received") as caught:
        make(tmp_path / "run", every=wrong)
    assert repr(wrong) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [None, 1, "no"], ids=repr)
def test_wrong_pictures_are_told_before_training(tmp_path, wrong):
    with pytest.raises(ValueError, match="pictures must be True or False, received"):
        observe(tmp_path / "run", pictures=wrong)


@pytest.mark.parametrize("make", CALLBACKS, ids=lambda make: make.__name__)
def test_making_a_callback_touches_nothing(tmp_path, capsys, make):
    for folder in (tmp_path / "run", str(tmp_path / "run")):
        make(folder, every=np.int64(2))
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


def test_what_a_missing_probe_leaves_out_is_told_in_one_line(tmp_path, capsys):
    without = observe(tmp_path / "run")
    (line,) = capsys.readouterr().out.splitlines()
    assert "no probe=(x, y) is given" in line
    watching = observe(tmp_path / "run", probe=(X[:2], Y[:2]))
    assert capsys.readouterr().out == ""
    added = {type(callback) for callback in watching} - {type(callback) for callback in without}
    assert added == {GradientFlow, StateHeatmaps}


class Stop(keras.callbacks.Callback):
    """End training with an exception, before its fourth epoch or in the middle of it."""

    def __init__(self, error, batch=None):
        super().__init__()
        self.error, self.batch, self.epoch = error, batch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        if epoch == 3 and self.batch is None:
            raise self.error("enough")

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 3 and batch == self.batch:
            raise self.error("enough")


@pytest.mark.parametrize(
    ("error", "place", "batch"),
    [
        (KeyboardInterrupt, "before", 1),
        (KeyboardInterrupt, "after", None),
        (RuntimeError, "before", None),
        (RuntimeError, "after", 1),
    ],
)
def test_training_that_ends_with_an_exception_leaves_its_curves(
    tmp_path, read_values, our_event_file, open_event_files, error, place, batch
):
    folder = tmp_path / "run"
    watching = observe(folder)
    stop = [Stop(error, batch)]
    stopped = False
    try:  # pytest.raises would keep the exception, and with it all that `fit` holds
        fit(simple(), [*stop, *watching] if place == "before" else [*watching, *stop], epochs=9)
    except error:
        stopped = True
    assert stopped
    (curves,) = [callback for callback in watching if isinstance(callback, LearningCurves)]
    assert curves.epochs == [0, 1, 2]
    found = read_values(our_event_file(folder))
    assert list(found["histograms"]["weights/cell/kernel"]) == [0, 1, 2]
    assert max(found["images"]["curves"]) == 2
    assert (folder / "curves.png").read_bytes() == found["images"]["curves"][2][2]
    (train,) = (folder / "train").iterdir()
    assert list(read_values(train)["scalars"]["epoch_loss"]) == [0, 1, 2]
    assert open_event_files(folder) == []


def test_an_interrupted_notebook_has_its_curves_with_the_end_of_the_cell(
    tmp_path, monkeypatch, read_values, our_event_file, open_event_files
):
    # A notebook keeps the exception, to show where it came from, and with it all that `fit` holds.
    class Events:
        def __init__(self):
            self.functions = []

        def register(self, event, function):
            assert event == "post_run_cell"
            self.functions.append(function)

        def unregister(self, event, function):
            self.functions.remove(function)

    shell = types.SimpleNamespace(events=Events())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell, version_info=(9, 0)))
    with pytest.raises(KeyboardInterrupt) as kept:
        fit(simple(), [LearningCurves(tmp_path / "run"), Stop(KeyboardInterrupt)], epochs=9)
    for function in list(shell.events.functions):
        function("result")
    assert max(read_values(our_event_file(tmp_path / "run"))["images"]["curves"]) == 2
    assert open_event_files(tmp_path) == []
    assert shell.events.functions == []
    assert kept.value.__traceback__ is not None


def test_an_exception_before_the_first_epoch(tmp_path, our_event_file, read_events, open_event_files):
    class Never(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise RuntimeError("no")

    for number, watching in enumerate((lambda f: [*observe(f), Never()], lambda f: [Never(), *observe(f)])):
        folder = tmp_path / str(number)
        with contextlib.suppress(RuntimeError):
            fit(simple(), watching(folder))
            pytest.fail("training began")
        assert open_event_files(tmp_path) == []
    assert not (tmp_path / "1").exists(), "callbacks that were never called wrote something"


def test_a_program_that_is_interrupted_leaves_its_curves(tmp_path, run_python, read_values, our_event_file):
    # Nobody catches the exception: it ends the program.
    run_python(
        """
        import sys
        import keras
        import numpy as np
        from rnn_tutorial.callbacks import LearningCurves

        def stop(epoch, logs):
            if epoch == 3:
                raise KeyboardInterrupt

        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        watching = [LearningCurves(sys.argv[1]), keras.callbacks.LambdaCallback(on_epoch_begin=stop)]
        model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=9, verbose=0, callbacks=watching)
        """,
        tmp_path / "run",
        code=-2,  # as SIGINT would have it
    )
    found = read_values(our_event_file(tmp_path / "run"))
    assert max(found["images"]["curves"]) == 2
    assert (tmp_path / "run" / "curves.png").read_bytes() == found["images"]["curves"][2][2]


# 5. Runs do not collide


def test_a_second_fit_goes_to_a_folder_of_its_own(tmp_path, capsys, read_values, our_event_file, open_event_files):
    folder = tmp_path / "run"
    model = simple()
    watching, others = observe(folder), observe(f"{folder}/")
    capsys.readouterr()
    lines = []
    for watched in (watching, watching, others):  # the same callbacks twice, and new ones
        fit(model, watched, epochs=2, validation_data=VALIDATION)
        lines.append(capsys.readouterr().out.splitlines())
    assert [len(line) for line in lines] == [0, 1, 1]
    assert str(tmp_path / "run_2") in lines[1][0]
    assert str(tmp_path / "run_3") in lines[2][0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run_2", "run_3"]
    tags = []
    for name in ("run", "run_2", "run_3"):
        files = event_files(tmp_path / name)
        assert {place: len(found) for place, found in files.items()} == {".": 1, "train": 1, "validation": 1}
        found = read_values(our_event_file(tmp_path / name))
        tags.append({plugin: set(found[plugin]) for plugin in found})
        assert list(found["histograms"]["weights/cell/kernel"]) == [0, 1]
        assert 1 in found["images"]["curves"]
    assert tags[0] == tags[1] == tags[2]
    (curves,) = [callback for callback in watching if isinstance(callback, LearningCurves)]
    assert curves.epochs == [0, 1]  # those of the last fit alone
    assert open_event_files(tmp_path) == []


def test_a_fit_with_a_probe_says_in_one_line_where_it_can_be_seen(tmp_path, capsys):
    """Once a run: a loop of fits that go on does not say it again; without recurrent layers there is no tab to see."""
    address = " http://localhost:6006/#rnn_tutorial"
    model, folder = simple(), tmp_path / "run"
    lines = []
    for first, last in ((0, 1), (1, 2), (2, 3), (0, 1)):
        watching = observe(folder, probe=(X[:2], Y[:2]), pictures=False)
        fit(model, watching, initial_epoch=first, epochs=last)
        lines.append(capsys.readouterr().out.splitlines())
    assert [len(line) for line in lines] == [1, 0, 0, 2]
    assert lines[0][0].startswith(f"{folder} ")
    assert lines[3][1].startswith(f"{folder}_2 ")
    assert lines[0][0].endswith(address)
    assert lines[3][1].endswith(address)
    fit(simple(), [*observe(tmp_path / "a", (X[:2], Y[:2])), *observe(tmp_path / "b", (X[:2], Y[:2]))], epochs=1)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [f"{tmp_path / name}" for name in "ab"]
    fit(simple(), observe(tmp_path / "without", pictures=False), epochs=1)
    assert address not in capsys.readouterr().out


def test_separate_callbacks_share_the_run_of_their_fit(tmp_path, monkeypatch, read_values, our_event_file):
    monkeypatch.chdir(tmp_path)
    # However the one folder is written.
    watching = [
        WeightHistograms("run"),
        LearningCurves(tmp_path / "run"),
        ModelDiagram("./run/"),
        WeightHistograms("other"),
    ]
    fit(simple(), watching, epochs=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "run"]
    assert set(read_values(our_event_file(tmp_path / "run"))) == {"histograms", "images"}
    assert set(read_values(our_event_file(tmp_path / "other"))) == {"histograms"}


def test_two_folders_in_one_fit(tmp_path, read_values, our_event_file):
    fit(simple(), [*observe(tmp_path / "a", pictures=False), *observe(tmp_path / "b", pictures=False)], epochs=2)
    for name in ("a", "b"):
        assert {place: len(found) for place, found in event_files(tmp_path / name).items()} == {".": 1, "train": 1}
        found = read_values(our_event_file(tmp_path / name))
        assert list(found["histograms"]["weights/cell/bias"]) == [0, 1]


def test_a_folder_with_files_of_others_is_not_taken(tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "events.out.tfevents.1.host").write_bytes(b"")
    (folder / "weights.keras").write_bytes(b"")
    fit(simple(), [WeightHistograms(folder)], epochs=1)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert len(event_files(folder)["."]) == 2
    assert capsys.readouterr().out == ""


def test_tags_are_the_same_for_every_model_of_a_process(tmp_path, read_values, our_event_file):
    tags = []
    for number in range(2):
        model = keras.Sequential([keras.Input((4, 2)), layers.GRU(2), layers.Dense(1)])
        model.compile("sgd", "mse")
        fit(model, [WeightHistograms(tmp_path / str(number))], epochs=1)
        tags.append(set(read_values(our_event_file(tmp_path / str(number)))["histograms"]))
    assert tags[0] == tags[1]
    assert "weights/gru/recurrent_kernel" in tags[0]


@pytest.mark.parametrize("every", [1, 3])
def test_training_that_goes_on_keeps_its_epochs(tmp_path, read_values, our_event_file, every):
    # From the first epoch on, which is the fifth here.
    folder = tmp_path / "run"
    watching = [WeightHistograms(folder, every), LearningCurves(folder, every)]
    fit(simple(), watching, epochs=9, initial_epoch=4)
    found = read_values(our_event_file(folder))
    assert list(found["histograms"]["weights/cell/kernel"]) == {1: [4, 5, 6, 7, 8], 3: [4, 7]}[every]
    assert {4, 8} <= set(found["images"]["curves"])
    assert watching[1].epochs == [4, 5, 6, 7, 8]


# How often


def test_every_third_epoch(tmp_path, read_values, our_event_file):
    model = simple()
    weights = []
    recorder = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    watching = observe(tmp_path / "run", every=3)
    fit(model, [recorder, *watching], epochs=6)
    found = read_values(our_event_file(tmp_path / "run"))
    assert list(found["histograms"]["weights/cell/kernel"]) == [0, 3]
    for epoch in (0, 3):
        assert found["histograms"]["weights/cell/kernel"][epoch][0, 0] == weights[epoch][0].min()
    # The last epoch is drawn, whether it is due or not, and the curves miss no epoch.
    assert {0, 5} <= set(found["images"]["curves"]) <= {0, 3, 5}
    (curves,) = [callback for callback in watching if isinstance(callback, LearningCurves)]
    assert curves.epochs == [0, 1, 2, 3, 4, 5]
    (train,) = (tmp_path / "run" / "train").iterdir()
    assert list(read_values(train)["scalars"]["epoch_loss"]) == [0, 1, 2, 3, 4, 5]


def test_without_pictures(tmp_path, read_values, our_event_file):
    watching = observe(tmp_path / "run", pictures=False)
    assert not [callback for callback in watching if isinstance(callback, (LearningCurves, ModelDiagram))]
    fit(simple(), watching, epochs=2)
    assert set(read_values(our_event_file(tmp_path / "run"))) == {"histograms", "scalars"}
    assert not list((tmp_path / "run").glob("**/*.png"))


def test_one_epoch_is_drawn_once(tmp_path, read_values, our_event_file):
    fit(simple(), [LearningCurves(tmp_path / "run")], epochs=1)
    assert list(read_values(our_event_file(tmp_path / "run"))["images"]["curves"]) == [0]


def test_log_spaced_pictures_are_dropped_where_they_take_too_long(tmp_path, monkeypatch, read_values, our_event_file):
    # A clock on which drawing takes a second and an epoch nothing, or an epoch a hundred seconds.
    from rnn_tutorial.callbacks import fit as fit_of_callbacks

    clock = [0.0]
    monkeypatch.setattr(fit_of_callbacks, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    real = drawing.curves

    def slow(*arguments):
        clock[0] += 1
        return real(*arguments)

    monkeypatch.setattr(drawing, "curves", slow)
    for seconds, expected in ((0, [0, 8]), (100, [0, 1, 3, 7, 8])):

        def wait(epoch, logs, seconds=seconds):
            clock[0] += seconds

        waiting = keras.callbacks.LambdaCallback(on_epoch_begin=wait)
        folder = tmp_path / str(seconds)
        fit(simple(), [waiting, LearningCurves(folder)], epochs=9)
        assert list(read_values(our_event_file(folder))["images"]["curves"]) == expected


def test_a_metric_that_comes_later_keeps_its_place(tmp_path):
    curves = LearningCurves(tmp_path / "run")
    # Validation in every second epoch alone, and a value of another callback's in the last.
    late = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(late=5.0) if epoch == 3 else None
    )
    fit(simple(), [late, curves], epochs=4, validation_data=VALIDATION, validation_freq=2)
    assert {name: len(values) for name, values in curves.history.items()} == {"loss": 4, "val_loss": 4, "late": 4}
    assert np.isnan(curves.history["val_loss"]).tolist() == [True, False, True, False]
    assert curves.history["late"][3] == 5
    assert np.isnan(curves.history["late"][:3]).all()


# Beside fit


def test_evaluate_and_predict_take_the_callbacks_too(tmp_path):
    model = simple()
    watching = observe(tmp_path / "run")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.evaluate(X, Y, verbose=0, callbacks=watching)
        model.predict(X, verbose=0, callbacks=watching)
    assert list(tmp_path.iterdir()) == []


# JAX has float64 only where the whole program asks for it.
@pytest.mark.parametrize(
    "kind", ["float16", "bfloat16", *(["float64"] if keras.backend.backend() == "tensorflow" else [])]
)
def test_weights_may_be_of_any_kind(tmp_path, read_values, our_event_file, kind):
    inputs = keras.Input((4, 2))
    x = layers.Dense(3, dtype=kind, name="odd")(layers.Flatten()(inputs))
    model = keras.Model(inputs, layers.Dense(1, name="head")(x))
    model.compile("sgd", "mse")
    assert {weight.dtype for weight in model.get_layer("odd").weights} == {kind}
    fit(model, [WeightHistograms(tmp_path / "run")], epochs=1)
    table = read_values(our_event_file(tmp_path / "run"))["histograms"]["weights/odd/kernel"][0]
    kernel = keras.ops.convert_to_numpy(model.get_layer("odd").kernel).astype("float64")
    assert (table[0, 0], table[-1, 1]) == (kernel.min(), kernel.max())
    assert table[:, 2].sum() == 24


def test_all_callbacks_are_there_by_name():
    assert set(callbacks.__all__) >= {"WeightHistograms", "ModelDiagram", "LearningCurves", "observe"}
    assert all(hasattr(callbacks, name) for name in callbacks.__all__)


# What else may happen around a fit


def test_a_folder_that_may_not_be_entered(tmp_path, monkeypatch, recorded_warnings):
    def forbidden(path, *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(pathlib.Path, "glob", forbidden)
    with recorded_warnings() as caught:
        fit(simple(), observe(tmp_path / "run"))
    assert len(ours(caught)) == 1
    assert "Permission denied" in ours(caught)[0]


@pytest.mark.parametrize("broken", ["ascii", "closed"])
def test_a_line_that_cannot_be_printed_is_no_reason_to_stop(tmp_path, monkeypatch, broken):
    folder = tmp_path / "销售"
    fit(simple(), observe(folder, pictures=False))
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    if broken == "closed":
        output.close()
    monkeypatch.setattr(sys, "stdout", output)
    fit(simple(), observe(folder, pictures=False))
    assert (tmp_path / "销售_2").is_dir()


def test_an_os_error_of_one_callback_leaves_the_others(
    tmp_path, monkeypatch, recorded_warnings, read_values, our_event_file
):
    def fail(*arguments):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "elsewhere")

    monkeypatch.setattr(drawing, "curves", fail)
    with recorded_warnings() as caught:
        fit(simple(), observe(tmp_path / "run"))
    assert len(ours(caught)) == 1
    assert "LearningCurves leaves out pictures: FileNotFoundError" in ours(caught)[0]
    assert list(read_values(our_event_file(tmp_path / "run"))["histograms"]["weights/cell/kernel"]) == [0, 1, 2, 3]


def test_a_program_that_changes_its_folder(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    leave = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: os.chdir(tmp_path / "elsewhere"))
    fit(simple(), [*observe("run"), leave], validation_data=VALIDATION)
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"curves.png", "train", "validation"}
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_metric_that_is_no_number_is_left_out_with_one_warning(
    tmp_path, recorded_warnings, read_values, our_event_file
):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=[keras.metrics.F1Score()])
    x, y = np.ones((6, 2), "float32"), np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2]]
    watching = observe(tmp_path / "run")
    with recorded_warnings() as caught:
        model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y), callbacks=watching)
    assert len(ours(caught)) == 1
    assert "'f1_score'" in ours(caught)[0]
    (curves,) = [callback for callback in watching if isinstance(callback, LearningCurves)]
    assert set(curves.history) == {"loss", "val_loss"}
    (train,) = (tmp_path / "run" / "train").iterdir()
    assert list(read_values(train)["scalars"]["epoch_loss"]) == [0, 1]


def test_callbacks_used_again_after_an_exception_that_is_kept(tmp_path, read_values, our_event_file, open_event_files):
    watching = [LearningCurves(tmp_path / "run")]
    with pytest.raises(RuntimeError) as kept:
        fit(simple(), [*watching, Stop(RuntimeError)], epochs=9)
    fit(simple(), watching)
    assert max(read_values(our_event_file(tmp_path / "run"))["images"]["curves"]) == 2
    assert max(read_values(our_event_file(tmp_path / "run_2"))["images"]["curves"]) == 3
    assert open_event_files(tmp_path) == []
    assert kept.value is not None


def test_a_graphviz_that_does_not_work(tmp_path, monkeypatch, recorded_warnings):
    program = tmp_path / "bin" / "dot"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    (program.parent / "neato").symlink_to(program)
    monkeypatch.setenv("PATH", str(program.parent))
    with recorded_warnings() as caught:
        fit(simple(), [ModelDiagram(tmp_path / "run")])
    assert ours(caught) == []
    assert {"model.png", "unrolled.png"} <= {path.name for path in (tmp_path / "run").iterdir()}


def test_an_epoch_without_a_beginning_does_nothing(tmp_path):
    for callback in observe(tmp_path / "run"):
        callback.on_epoch_end(0, {"loss": 1.0})
        callback.on_train_end()
    assert not (tmp_path / "run").exists()
