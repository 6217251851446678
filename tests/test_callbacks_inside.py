"""The callbacks that look inside: true gradients, flow through time, states and gates, weights as pictures."""

import contextlib
import copy
import dataclasses
import errno
import gc
import io
import json
import os
import threading
import weakref

import keras
import numpy as np
import PIL.Image
import pytest
from keras import layers

from rnn_tutorial import drawing, inspection, models
from rnn_tutorial.callbacks import (
    GradientFlow,
    GradientHistograms,
    LearningCurves,
    ModelDiagram,
    StateHeatmaps,
    WeightHeatmaps,
    observe,
    states,
)
from rnn_tutorial.callbacks import (
    fit as fit_of_callbacks,
)
from rnn_tutorial.inspection import recurrent
from rnn_tutorial.inspection.gradients import recorder
from rnn_tutorial.inspection.gradients.tap import GradientTap
from rnn_tutorial.recording import schema

ON_TENSORFLOW = keras.config.backend() == "tensorflow"

_RANDOM = np.random.default_rng(0)
X = _RANDOM.normal(size=(24, 6, 3)).astype("float32")
Y = _RANDOM.normal(size=(24, 1)).astype("float32")
# Sentences of 2 to 5 words, filled up with zeros: the last step is masked for all.
WORDS = np.where(np.arange(6) < np.arange(24)[:, None] % 4 + 2, _RANDOM.integers(1, 9, (24, 6)), 0).astype("int32")
NEXT = _RANDOM.integers(1, 9, 24).astype("int32")

LSTM = ("input", "forget", "candidate", "output")
GRU = ("update", "reset", "candidate")
CELL = ("kernel", "recurrent_kernel", "bias")


@dataclasses.dataclass(frozen=True)
class Case:
    """A model, its data, and what is to be seen of it.

    Attributes:
        cells: {layer: (cell, units, gates)} of the recurrent layers.
        weights: {layer: names} of all weights.
        is_chain: Whether it can be drawn unrolled; a mask goes its own way beside the layers.
    """

    build: object
    x: np.ndarray
    y: np.ndarray
    loss: str
    cells: dict
    weights: dict
    is_chain: bool = True


def _sequential(stack):
    return lambda: keras.Sequential([keras.Input((6, 3), name="x"), *stack()])


def _words():
    return keras.Sequential(
        [
            keras.Input((6,), dtype="int32", name="words"),
            layers.Embedding(9, 4, mask_zero=True, name="embedding"),
            layers.LSTM(3, name="cell"),
            layers.Dense(9, activation="softmax", name="head"),
        ]
    )


HEAD = {"head": ("kernel", "bias")}
CASES = {
    # Without names of their own: a tag gets class and number in the model, whatever Keras counts.
    "lstm": Case(
        _sequential(lambda: [layers.LSTM(4, return_sequences=True), layers.LSTM(3), layers.Dense(1, name="head")]),
        X,
        Y,
        "mse",
        {"lstm": ("lstm_cell", 4, LSTM), "lstm_1": ("lstm_cell", 3, LSTM)},
        {"lstm": CELL, "lstm_1": CELL, **HEAD},
    ),
    "gru": Case(
        _sequential(lambda: [layers.GRU(4, name="cell"), layers.Dense(1, name="head")]),
        X,
        Y,
        "mse",
        {"cell": ("gru_cell", 4, GRU)},
        {"cell": CELL, **HEAD},
    ),
    "simple": Case(
        _sequential(lambda: [layers.SimpleRNN(4, name="cell"), layers.Dense(1, name="head")]),
        X,
        Y,
        "mse",
        {"cell": ("simple_rnn_cell", 4, ())},
        {"cell": CELL, **HEAD},
    ),
    "bidirectional": Case(
        _sequential(lambda: [layers.Bidirectional(layers.LSTM(3)), layers.Dense(1, name="head")]),
        X,
        Y,
        "mse",
        {f"bidirectional/{way}": ("lstm_cell", 3, LSTM) for way in ("forward", "backward")},
        {**{f"bidirectional/{way}": CELL for way in ("forward", "backward")}, **HEAD},
    ),
    "masked": Case(
        _words,
        WORDS,
        NEXT,
        "sparse_categorical_crossentropy",
        {"cell": ("lstm_cell", 3, LSTM)},
        {"embedding": ("embeddings",), "cell": CELL, **HEAD},
        is_chain=False,
    ),
    "many words": Case(
        lambda: models.word_predictor(6000, embedding=24, units=8),
        _RANDOM.integers(0, 6000, (24, 6)).astype("int32"),
        _RANDOM.integers(0, 6000, 24).astype("int32"),
        "sparse_categorical_crossentropy",
        {"lstm": ("lstm_cell", 8, LSTM)},
        {"embedding": ("embeddings",), "lstm": CELL, "output": ("kernel", "bias")},
    ),
}
# Case -> arguments of `observe`, whether its optimizer clips, and of `fit`.
WAYS = {
    "lstm": ({}, True, {"epochs": 5}),
    "gru": ({}, False, {"epochs": 3}),
    "simple": ({"pictures": False}, True, {"epochs": 3}),
    "bidirectional": ({"every": 2, "pictures": False}, False, {"initial_epoch": 3, "epochs": 7}),
    "masked": ({"every": 2}, False, {"epochs": 4}),
    "many words": ({}, False, {"epochs": 1}),
}


def build(name, optimizer=None, **compiled):
    keras.utils.set_random_seed(1)
    case = CASES[name]
    model = case.build()
    model.compile(optimizer or keras.optimizers.SGD(0.1), case.loss, **compiled)
    return model


def fit(model, watching=(), epochs=4, name="lstm", **arguments):
    case = CASES[name]
    arguments = {"batch_size": 8, "shuffle": False, "verbose": 0, **arguments}
    return model.fit(case.x, case.y, epochs=epochs, callbacks=list(watching), **arguments)


def probe(name="lstm", rows=8):
    return CASES[name].x[:rows], CASES[name].y[:rows]


def snapshot(model):
    """All that training changes, to the last bit: weights, optimizer and curves."""
    arrays = [(str(v.dtype), tuple(v.shape), np.asarray(v.value).tobytes()) for v in _variables(model)]
    history = vars(getattr(model, "history", None) or object)
    return arrays, repr(history.get("history")), history.get("epoch")


def ours(caught):
    return [str(warning.message) for warning in caught if warning.category is RuntimeWarning]


def attributes(model):
    """Names of all that a model, its optimizer and its layers carry, and the kind of its train function."""
    objects = [model, model.optimizer, *model.layers]
    return [set(vars(thing)) for thing in objects], type(model.train_function)


@dataclasses.dataclass
class Bare:
    """What training gives that nobody watched."""

    snapshot: tuple
    attributes: tuple

    @classmethod
    def of(cls, model):
        return cls(snapshot(model), attributes(model))

    def is_like(self, model):
        """Whether a watched model is equal to the last bit, and nothing of a tap is left in it."""
        assert self.snapshot == snapshot(model)
        assert self.attributes == attributes(model)
        assert not isinstance(getattr(model.train_function, "__self__", None), GradientTap)
        return True


_kept: dict = {}


def fresh(name):
    """A model as `build` makes it; one for the whole module, for what has been compiled for it need not be again."""
    if name not in _kept:
        model = build(name)
        model.optimizer.build(model.trainable_variables)
        _kept[name] = model, [(variable, np.asarray(variable.value)) for variable in _variables(model)]
    model, values = _kept[name]
    for variable, value in values:
        variable.assign(value)
    model._initial_epoch = None  # what BackupAndRestore leaves behind
    return model


def _variables(model):
    return [*model.weights, *model.optimizer.variables]


@pytest.fixture(scope="module")
def bare():
    """Name of a case and a number of epochs -> what training it gives that nobody watched."""
    found = {}

    def train(name, epochs):
        if (name, epochs) not in found:
            model = build(name)
            fit(model, epochs=epochs, name=name)
            found[name, epochs] = Bare.of(model)
        return found[name, epochs]

    return train


class After(keras.callbacks.Callback):
    """Remember the weights before training and after each epoch."""

    def on_train_begin(self, logs=None):
        self.weights = {}
        self.before = self.model.get_weights()

    def on_epoch_end(self, epoch, logs=None):
        self.weights[epoch] = self.model.get_weights()


class Stop(keras.callbacks.Callback):
    """End training with an exception in the middle of an epoch."""

    def __init__(self, error, epoch=2, batch=1):
        super().__init__()
        self.error, self.place, self.epoch = error, (epoch, batch), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            raise self.error("enough")


def names_of_weights(case):
    return [f"{layer}/{weight}" for layer, weights in case.weights.items() for weight in weights]


def expected_tags(case, probe=True, pictures=True, clips=False):
    """{plugin: tags} of everything that `observe` writes into our event file."""
    weights = names_of_weights(case)
    tags = {
        "histograms": {f"{kind}/{name}" for kind in ("weights", "gradients") for name in weights},
        "scalars": {f"spectral_radius/{layer}" for layer in case.cells},
    }
    kinds = ["gradient_norm", "gradient_norm_max", "nonfinite_batches", "update_ratio"]
    if clips:
        kinds.append("gradient_norm_clipped")
        tags["scalars"].add("clipped_batches")
    tags["scalars"] |= {f"{kind}/{name}" for kind in kinds for name in [*weights, "global"]}
    if pictures:
        tags["images"] = {"diagram/model", "curves"} | ({"diagram/unrolled"} if case.is_chain else set())
        tags["images"] |= {f"weights_picture/{layer}" for layer in case.weights}
    if probe:
        tags["rnn_tutorial"] = set()
        for layer, (cell, _, gates) in case.cells.items():
            saturated = gates or ("hidden",)
            tags["scalars"] |= {f"saturation/{layer}/{gate}" for gate in saturated} | {f"gradient_flow_ratio/{layer}"}
            kinds = ["grad_flow", "grad_flow_immediate", "states"]
            kinds += ["grad_flow_cell"] if cell == "lstm_cell" else []
            kinds += ["gates"] if gates else []
            tags["rnn_tutorial"] |= {f"rnn/{layer}/{kind}" for kind in kinds}
            if pictures:
                tags["images"] |= {f"gradient_flow_picture/{layer}", f"states_picture/{layer}"}
                tags["images"] |= {f"gates_picture/{layer}"} if gates else set()
    return tags


@pytest.fixture(autouse=True, scope="module")
def _no_retracing_hints():
    # A process that trains many models is told about it by TensorFlow's logger.
    import tensorflow as tf

    level = tf.get_logger().level
    tf.get_logger().setLevel("ERROR")
    yield
    tf.get_logger().setLevel(level)


@pytest.fixture(scope="module")
def content_of(read_events):
    """Path of an event file -> {tag of ours: what the metadata of its first event says}."""

    def read(path):
        found = {}
        for event in read_events(path):
            for value in event.summary.value:
                plugin = value.metadata.plugin_data
                if value.tag not in found and plugin.plugin_name == schema.PLUGIN:
                    found[value.tag] = json.loads(plugin.content)
        return found

    return read


@dataclasses.dataclass(frozen=True)
class Observed:
    case: Case
    model: keras.Model
    values: dict
    about: dict
    after: dict
    before: list
    epochs: list


@pytest.fixture(scope="module")
def observed(tmp_path_factory, read_values, our_event_file, content_of):
    """Name of a case -> its observed run; each trains once."""
    made = {}

    def run(name):
        if name not in made:
            options, clips, arguments = WAYS[name]
            folder = tmp_path_factory.mktemp("inside") / "run"
            model = build(name, keras.optimizers.SGD(0.1, clipnorm=0.05) if clips else None)
            after = After()
            fit(model, [after, *observe(folder, probe=probe(name), **options)], name=name, **arguments)
            path = our_event_file(folder)
            epochs = list(range(arguments.get("initial_epoch", 0), arguments["epochs"], options.get("every", 1)))
            made[name] = Observed(
                CASES[name], model, read_values(path), content_of(path), after.weights, after.before, epochs
            )
        return made[name]

    return run


# What is written


@pytest.mark.parametrize("name", WAYS)
def test_the_exact_tags_at_each_epoch(observed, name):
    run = observed(name)
    options, clips, _ = WAYS[name]
    assert {plugin: set(tags) for plugin, tags in run.values.items()} == expected_tags(
        run.case, pictures=options.get("pictures", True), clips=clips
    )
    for plugin in ("histograms", "scalars", "rnn_tutorial"):
        for tag, steps in run.values[plugin].items():
            assert list(steps) == run.epochs, tag


def test_the_exact_tags_without_a_probe(tmp_path, capsys, read_values, our_event_file):
    fit(build("gru"), observe(tmp_path / "run"), epochs=1, name="gru")
    assert len(capsys.readouterr().out.splitlines()) == 1
    found = read_values(our_event_file(tmp_path / "run"))
    assert {plugin: set(tags) for plugin, tags in found.items()} == expected_tags(CASES["gru"], probe=False)


@pytest.mark.parametrize("name", [name for name, (options, _, _) in WAYS.items() if options.get("pictures", True)])
def test_pictures_are_pictures_of_the_right_epochs(observed, name):
    run = observed(name)
    # The first and the last look, and log-spaced ones where there was time for them.
    spaced = {epoch for number, epoch in enumerate(run.epochs, 1) if number & (number - 1) == 0} | {run.epochs[-1]}
    for tag, steps in run.values["images"].items():
        if tag.startswith("diagram/"):
            assert list(steps) == [0]
        elif tag == "curves":
            assert list(steps)[-1] == WAYS[name][2]["epochs"] - 1
        else:
            assert {run.epochs[0], run.epochs[-1]} <= set(steps) <= spaced
        for width, height, content in steps.values():
            image = PIL.Image.open(io.BytesIO(content))
            image.load()
            assert image.format == "PNG"
            assert (int(width), int(height)) == image.size
            assert image.width <= 4000
            assert len(content) < 500_000
            assert np.asarray(image.convert("RGB")).reshape(-1, 3).std(axis=0).max() > 1


@pytest.mark.parametrize("name", WAYS)
def test_the_tab_reads_what_a_tag_is_about(observed, name):
    run = observed(name)
    assert set(run.about) == set(run.values["rnn_tutorial"])
    for tag, about in run.about.items():
        layer, _, kind = tag.removeprefix("rnn/").rpartition("/")
        cell, units, _ = run.case.cells[layer]
        # All sentences end before the last step, the first one before the third.
        masked = ([[2, 5]] if kind in ("states", "gates") else [[5, 5]]) if name == "masked" else []
        place = list(run.case.cells).index(layer)
        expected = {"v": schema.VERSION, "kind": kind, "layer": layer, "cell": cell, "units": units}
        assert about == {**expected, "family": cell.split("_")[0], "place": place, "masked": masked}


def blobs_of(blobs):
    """The header of a frame, and its numbers."""
    header, content = json.loads(blobs[0]), blobs[1]
    assert set(header) == {"shape", "dtype", "axes", "names", "stride", "ranges"}
    assert header["dtype"] == "float16"
    assert header["axes"] == ["kind", "unit", "time"]
    assert len(header["names"]) == header["shape"][0]
    return header, np.frombuffer(content, "<f2").reshape(header["shape"])


@pytest.mark.parametrize("name", ["lstm", "gru", "simple", "bidirectional", "masked"])
def test_states_and_gates_are_those_of_an_independent_look(observed, name):
    run = observed(name)
    traces = inspection.trace(run.model, probe(name)[0])
    assert set(traces) == set(run.case.cells)
    # The last look of a run that looks at every second epoch is of an earlier model.
    is_last = run.epochs[-1] == max(run.after)
    for layer, trace in traces.items():
        kinds = {"states": {"hidden": trace.hidden, "cell": trace.cell}, "gates": trace.gates}
        for kind, arrays in kinds.items():
            arrays = {key: array[0].T for key, array in arrays.items() if array is not None}  # noqa: PLW2901
            if not arrays:
                assert f"rnn/{layer}/{kind}" not in run.values["rnn_tutorial"]
                continue
            header, values = blobs_of(run.values["rnn_tutorial"][f"rnn/{layer}/{kind}"][run.epochs[-1]])
            assert header["names"] == list(arrays)
            assert header["stride"] == [1, 1, 1]
            assert header["shape"] == [len(arrays), run.case.cells[layer][1], 6]
            ends = {key: [0, 1] for key in arrays} | {"candidate": [-1, 1], "cell": None}
            ends["hidden"] = [-1, 1] if run.case.cells[layer][0] == "simple_rnn_cell" else None
            assert header["ranges"] == [ends[key] for key in arrays]
            if is_last:
                np.testing.assert_allclose(values, np.stack(list(arrays.values())), atol=1e-3, rtol=1e-3)
        for gate, share in trace.saturation.items():
            if is_last:
                written = run.values["scalars"][f"saturation/{layer}/{gate}"][run.epochs[-1]]
                assert written == pytest.approx(share)


@pytest.mark.parametrize("name", ["lstm", "gru", "bidirectional", "masked"])
def test_the_flow_is_that_of_an_independent_look(observed, name):
    run = observed(name)
    model, epoch = run.model, run.epochs[-1]
    now = model.get_weights()
    model.set_weights(run.after[epoch])  # of the last look, which need not be the last epoch
    try:
        flows = inspection.gradient_flow(model, *probe(name))
    finally:
        model.set_weights(now)
    for layer, flow in flows.items():
        for kind, norms in (
            ("grad_flow", flow.hidden),
            ("grad_flow_cell", flow.cell),
            ("grad_flow_immediate", flow.immediate),
        ):
            if norms is not None:
                written = run.values["rnn_tutorial"][f"rnn/{layer}/{kind}"][epoch]
                assert (written.dtype, written.shape) == (np.dtype("float32"), (6,))
                np.testing.assert_allclose(written, norms, rtol=1e-4, atol=1e-9)
                assert np.isnan(written).tolist() == [name == "masked" and step == 5 for step in range(6)]
        known = flow.hidden[~np.isnan(flow.hidden)]
        ratio = run.values["scalars"][f"gradient_flow_ratio/{layer}"][epoch]
        assert ratio == pytest.approx(known[0] / known[-1], rel=1e-4)


@pytest.mark.parametrize("name", ["lstm", "bidirectional"])
def test_the_spectral_radius_is_that_of_numpy(observed, name):
    run = observed(name)
    places = names_of_weights(run.case)
    for layer, (_, units, _) in run.case.cells.items():
        for epoch in run.epochs:
            kernel = run.after[epoch][places.index(f"{layer}/recurrent_kernel")].astype("float64")
            candidate = np.split(kernel, 4, axis=1)[2]  # input, forget, candidate, output
            assert candidate.shape == (units, units)
            radius = np.abs(np.linalg.eigvals(candidate)).max()
            assert run.values["scalars"][f"spectral_radius/{layer}"][epoch] == pytest.approx(radius, rel=1e-5)


# The gradients of training


class Before(keras.callbacks.Callback):
    """Remember the weights before each batch, and the last ones."""

    def on_train_begin(self, logs=None):
        self.weights = []

    def on_train_batch_begin(self, batch, logs=None):
        self.weights.append(self.model.get_weights())

    def on_train_end(self, logs=None):
        self.weights.append(self.model.get_weights())


@pytest.fixture(scope="module")
def gradients_at():
    """Weights and a batch -> the gradients there, float64: what one large step of plain gradient descent takes off."""
    step = 1e4
    reference = build("lstm", keras.optimizers.SGD(step))

    def gradients(weights, x, y):
        reference.set_weights(weights)
        reference.train_on_batch(x, y)
        after = reference.get_weights()
        return [(old.astype("float64") - new) / step for old, new in zip(weights, after, strict=True)]

    return gradients


def norm_of(arrays):
    return np.sqrt(sum(np.square(array).sum() for array in arrays))


@pytest.mark.parametrize("clip", [None, 0.9], ids=["not clipped", "clipped"])
def test_the_gradients_are_those_of_the_training_steps(tmp_path, read_values, our_event_file, gradients_at, clip):
    model = build("lstm", keras.optimizers.SGD(0.1, global_clipnorm=clip))
    before = Before()
    fit(model, [before, GradientHistograms(tmp_path / "run", per_batch=True)], epochs=2)
    found = read_values(our_event_file(tmp_path / "run"))
    names = names_of_weights(CASES["lstm"])
    for epoch in (0, 1):
        of_batches = []
        for batch in range(3):
            rows = slice(8 * batch, 8 * batch + 8)
            of_batches.append(gradients_at(before.weights[3 * epoch + batch], X[rows], Y[rows]))
        whole = [norm_of(gradients) for gradients in of_batches]
        factors = [1 if clip is None else min(1, clip / norm) for norm in whole]
        if clip is not None:  # There is something to see: a batch that is clipped and one that is not.
            clipped = sum(factor < 1 for factor in factors)
            assert clipped > 0
            assert found["scalars"]["clipped_batches"][epoch] == clipped

        def at(kind, name, epoch=epoch):
            return found["scalars"][f"{kind}/{name}"][epoch]

        for place, name in [*enumerate(names), (None, "global")]:
            chosen = slice(None) if place is None else slice(place, place + 1)
            norms = [norm_of(gradients[chosen]) for gradients in of_batches]
            assert at("gradient_norm", name) == pytest.approx(np.mean(norms), rel=1e-4)
            assert at("gradient_norm_max", name) == pytest.approx(np.max(norms), rel=1e-4)
            assert at("nonfinite_batches", name) == 0
            for batch, norm in enumerate(norms, 3 * epoch):
                assert at("gradient_norm_batch", name, batch) == pytest.approx(norm, rel=1e-4)
            if clip is not None:
                after = np.mean(np.multiply(norms, factors))
                assert at("gradient_norm_clipped", name) == pytest.approx(after, rel=1e-4)
            ratios = []
            for batch in range(3 * epoch, 3 * epoch + 3):
                old, new = before.weights[batch][chosen], before.weights[batch + 1][chosen]
                size = norm_of(old)
                if size:
                    ratios.append(norm_of([a - b for a, b in zip(new, old, strict=True)]) / size)
            assert at("update_ratio", name) == pytest.approx(np.mean(ratios), rel=1e-3)
            if place is not None:
                table = found["histograms"][f"gradients/{name}"][epoch]
                last = of_batches[-1][place]
                np.testing.assert_allclose([table[0, 0], table[-1, 1]], [last.min(), last.max()], rtol=1e-3, atol=1e-7)
                assert table[:, 2].sum() == last.size
    assert ("clipped_batches" in found["scalars"]) == (clip is not None)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("head", {"head"}),
        (["head", "cell"], {"head", "cell"}),
        (lambda name: name != "head", {"cell"}),
    ],
    ids=["name", "list", "predicate"],
)
def test_chosen_layers_alone_are_written(tmp_path, read_values, our_event_file, chosen, expected):
    watch = GradientHistograms(tmp_path / "run", layers=chosen, per_batch=True)
    fit(fresh("simple"), [watch], epochs=1, name="simple")
    found = read_values(our_event_file(tmp_path / "run"))
    names = {name for name in names_of_weights(CASES["simple"]) if name.partition("/")[0] in expected}
    kinds = ("gradient_norm", "gradient_norm_max", "gradient_norm_batch", "nonfinite_batches", "update_ratio")
    assert {plugin: set(tags) for plugin, tags in found.items()} == {
        "histograms": {f"gradients/{name}" for name in names},
        "scalars": {f"{kind}/{name}" for kind in kinds for name in names | {"global"}},
    }


def line(**compiled):
    """y = w x: what its gradient is, a line of NumPy says."""
    keras.utils.set_random_seed(1)
    cell = layers.SimpleRNN(1, activation=None, use_bias=False, kernel_initializer="ones", name="cell")
    model = keras.Sequential([keras.Input((1, 1)), cell])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.0), "loss": "mse", **compiled})
    return model


@pytest.mark.parametrize("at_once", [1, 97], ids=["one by one", "steps_per_execution"])
def test_the_norm_of_every_batch_is_there(tmp_path, read_values, our_event_file, at_once):
    # More batches than the buffer holds, in epochs more than it is emptied.
    count = recorder.CAPACITY + 100
    x = _RANDOM.normal(size=(count, 1, 1)).astype("float32")
    y = _RANDOM.normal(size=(count, 1)).astype("float32")
    model = line(steps_per_execution=at_once)
    watch = GradientHistograms(tmp_path / "run", every=2, per_batch=True)
    model.fit(x, y, batch_size=1, epochs=2, shuffle=False, verbose=0, callbacks=[watch])
    found = read_values(our_event_file(tmp_path / "run"))["scalars"]
    norms = np.abs(2 * (x - y[:, None]) * x).ravel()
    for name in ("cell/kernel", "global"):
        written = found[f"gradient_norm_batch/{name}"]
        assert list(written) == list(range(2 * count))
        np.testing.assert_allclose(list(written.values()), np.tile(norms, 2), rtol=1e-5, atol=1e-6)
    # The others are written where they are due.
    assert list(found["gradient_norm/global"]) == [0]
    assert found["gradient_norm/global"][0] == pytest.approx(norms.mean(), rel=1e-4)
    assert found["gradient_norm_max/global"][0] == pytest.approx(norms.max(), rel=1e-4)


def test_the_batches_before_an_interruption_are_there(tmp_path, read_values, our_event_file):
    watch = GradientHistograms(tmp_path / "run", per_batch=True)
    with contextlib.suppress(KeyboardInterrupt):
        fit(fresh("simple"), [watch, Stop(KeyboardInterrupt, epoch=1, batch=1)], name="simple")
    found = read_values(our_event_file(tmp_path / "run"))["scalars"]
    assert list(found["gradient_norm/global"]) == [0]
    assert list(found["gradient_norm_batch/global"]) == [0, 1, 2, 3, 4]


def test_the_garbage_collector_in_the_middle_of_a_trace(tmp_path, read_values, our_event_file):
    """A fit that ended with an exception is found to be over while another model is being compiled."""
    watch = GradientHistograms(tmp_path / "run", per_batch=True)
    kept = []
    try:
        fit(fresh("simple"), [watch, Stop(KeyboardInterrupt, epoch=1, batch=1)], name="simple")
    except KeyboardInterrupt as error:
        kept += [error, kept]  # a circle, which only the collector opens
    gc.collect()
    assert watch._fit is not None  # It knows of no end yet.
    del kept
    left = []

    def collect(x):
        gc.collect()
        left.append(watch._fit is None)
        return x

    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False)
        def traced(x):
            with tf.compat.v1.get_default_graph()._group_lock._ready:  # as while an operation is added
                return collect(x)

        traced(tf.constant(1.0))
    else:
        import jax

        jax.jit(collect)(1.0)
    assert left == [True]
    found = read_values(our_event_file(tmp_path / "run"))["scalars"]
    assert list(found["gradient_norm/global"]) == [0]
    assert list(found["gradient_norm_batch/global"]) == [0, 1, 2, 3, 4]


def test_values_are_those_of_the_epoch_alone(tmp_path, read_values, our_event_file):
    # Only the rows of every second epoch have a gradient.
    class Halves(keras.utils.PyDataset):
        scale = 0.0

        def __len__(self):
            return 2

        def __getitem__(self, number):
            return np.full((1, 1, 1), self.scale, "float32"), np.full((1, 1), 2 * self.scale, "float32")

        def on_epoch_end(self):
            self.scale = 1.0 - self.scale

    values = {}
    for every in (1, 2):
        folder = tmp_path / str(every)
        data = Halves()
        line().fit(data, epochs=4, verbose=0, callbacks=[GradientHistograms(folder, every)])
        values[every] = read_values(our_event_file(folder))["scalars"]["gradient_norm/global"]
    assert sorted(set(map(float, values[1].values()))) == [0, 2]
    assert list(values[2]) == [0, 2]
    assert {epoch: values[1][epoch] for epoch in (0, 2)} == values[2]


def test_batches_that_are_not_finite_are_counted_and_told_once(
    tmp_path, recorded_warnings, read_values, our_event_file
):
    y = Y.copy()
    y[8] = np.nan  # in the second batch of three; the third is trained with what came of it
    model = fresh("simple")
    with recorded_warnings() as caught:
        watch = GradientHistograms(tmp_path / "run", per_batch=True)
        model.fit(X, y, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[watch])
    assert len(caught) == len(ours(caught)) == 1
    assert ours(caught)[0].startswith("2 of 3 batches of epoch 0 had a gradient with NaN or infinity, in cell/kernel, ")
    found = read_values(our_event_file(tmp_path / "run"))["scalars"]
    for name in [*names_of_weights(CASES["simple"]), "global"]:
        assert list(found[f"nonfinite_batches/{name}"].values()) == [2, 3]
        norms = [found[f"{kind}/{name}"] for kind in ("gradient_norm", "gradient_norm_max", "gradient_norm_batch")]
        assert norms[0][0] == norms[1][0] == norms[2][0]
        assert np.isnan([norms[0][1], norms[1][1], *list(norms[2].values())[1:]]).all()


# 1. Looking changes nothing


def _dropout():
    return keras.Sequential(
        [
            keras.Input((6, 3)),
            layers.LSTM(4, dropout=0.2, recurrent_dropout=0.3, name="cell"),
            layers.Dropout(0.2),
            layers.Dense(1, name="head"),
        ]
    )


def _normalised():
    return keras.Sequential(
        [
            keras.Input((6, 3)),
            layers.GRU(4, name="cell"),
            layers.BatchNormalization(),
            layers.Dense(1, name="head"),
        ]
    )


def _both_ways():
    return keras.Sequential(
        [keras.Input((6, 3)), layers.Bidirectional(layers.SimpleRNN(3)), layers.GaussianNoise(0.1), layers.Dense(1)]
    )


def _smallest():
    return keras.Sequential([keras.Input((6, 3)), layers.SimpleRNN(2, dropout=0.2), layers.Dense(1)])


SALES = X[:, :, :1] * 50 + 300, Y * 50 + 300
MODELS = {
    "dropout": (_dropout, X, Y, "mse"),
    "batch normalisation": (_normalised, X, Y, "mae"),
    "sales": (lambda: models.sales_forecaster(window=6, units=(5, 4)), *SALES, "mse"),
    "masked words": (_words, WORDS, NEXT, "sparse_categorical_crossentropy"),
    "both ways": (_both_ways, X, Y, "mse"),
    "smallest": (_smallest, X, Y, "mse"),
}


def _scaled():
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01), initial_scale=64, dynamic_growth_steps=2)


OPTIMIZERS = {
    "Adam": lambda: keras.optimizers.Adam(0.05),
    "SGD, momentum, clipnorm": lambda: keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=0.05),
    "AdamW, global_clipnorm": lambda: keras.optimizers.AdamW(0.05, global_clipnorm=0.1),
    "RMSprop, clipvalue": lambda: keras.optimizers.RMSprop(0.01, clipvalue=0.01),
    "accumulation": lambda: keras.optimizers.Adam(0.05, gradient_accumulation_steps=3),
    "average": lambda: keras.optimizers.Adam(0.05, use_ema=True, ema_overwrite_frequency=4),
    "loss scale": _scaled,
}
SAMPLE_WEIGHT = np.linspace(0.1, 2, 24).astype("float32")
# Model, optimizer, how it is compiled, how it is fitted: each at least once, and pairs that meet inside the step.
GRID = [
    ("dropout", "Adam", {}, {"validation_split": 0.25, "shuffle": True}),
    ("batch normalisation", "SGD, momentum, clipnorm", {"steps_per_execution": 3}, {"validation_data": (X[:5], Y[:5])}),
    ("sales", "AdamW, global_clipnorm", {}, {"initial_epoch": 2, "epochs": 4, "sample_weight": SAMPLE_WEIGHT}),
    ("masked words", "RMSprop, clipvalue", {}, {"class_weight": {number: 1 + number for number in range(9)}}),
    ("both ways", "loss scale", {"steps_per_execution": 2}, {"shuffle": True}),
    ("smallest", "average", {"jit_compile": True}, {}),
    ("smallest", "accumulation", {"run_eagerly": ON_TENSORFLOW}, {"epochs": 1}),
]
if not ON_TENSORFLOW:  # XLA takes its time; the pair that has gone wrong before is among them.
    GRID = GRID[1:5]


@pytest.mark.parametrize(("name", "optimizer", "compiled", "arguments"), GRID, ids=range(len(GRID)))
def test_looking_changes_nothing(tmp_path, name, optimizer, compiled, arguments, read_values, our_event_file):
    make, x, y, loss = MODELS[name]
    trained = []
    for watching in ([], observe(tmp_path / "run", probe=(x[:5], y[:5]), pictures=name == "masked words")):
        keras.utils.set_random_seed(3)
        model = make()
        model.compile(OPTIMIZERS[optimizer](), loss, metrics=["mae"] if loss == "mse" else [], **compiled)
        options = {"epochs": 2, "batch_size": 5, "verbose": 0, **arguments}
        model.fit(x, y, callbacks=watching, **options)
        trained.append(model)
    assert Bare.of(trained[0]).is_like(trained[1])
    # And it was looked at.
    found = read_values(our_event_file(tmp_path / "run"))
    last = trained[0].history.epoch[-1]
    assert np.isfinite(found["scalars"]["gradient_norm/global"][last])
    assert any(tag.endswith("grad_flow") and last in steps for tag, steps in found["rnn_tutorial"].items())


# A wrong argument is told before the first epoch, and before anything is written


WRONG_PROBES = {
    "rank": ((X[:4, 0], Y[:4]), r"probe: x must have the shape \(batch, 6, 3\), received \(4, 3\)"),
    "features": ((X[:4, :, :2], Y[:4]), r"probe: x must have the shape \(batch, 6, 3\), received \(4, 6, 2\)"),
    "steps": ((X[:4, :5], Y[:4]), r"probe: x must have the shape \(batch, 6, 3\), received \(4, 5, 3\)"),
    "length of y": ((X[:4], Y[:3]), r"probe: y must have 4 samples like x, received shape \(3, 1\)"),
    "no numbers": ((X[:4] * np.nan, Y[:4]), "probe: x must be finite, received 72 of 72 values NaN or infinite"),
    "empty": ((X[:0], Y[:0]), r"probe: x must hold at least one sample, received shape \(0, 6, 3\)"),
    "an array": (X[:4], r"probe must be a batch \(x, y\) or \(x, y, sample_weight\), received ndarray"),
    "one array": ((X[:4],), r"probe must be a batch \(x, y\) or \(x, y, sample_weight\), received 1 array"),
    "four arrays": ((X, Y, Y, Y), r"probe must be a batch \(x, y\) or \(x, y, sample_weight\), received 4 arrays"),
    "two inputs": (([X[:4], X[:4]], Y[:4]), "probe: x must hold 1 arrays?, one an input of the model, received 2"),
    "weights": ((X[:4], Y[:4], np.ones(3)), r"probe: sample_weight must have 4 samples like x, received shape \(3,\)"),
}


@pytest.mark.parametrize("wrong", WRONG_PROBES)
def test_a_wrong_probe_is_told_before_anything_is_written(tmp_path, wrong):
    given, message = WRONG_PROBES[wrong]
    model = fresh("lstm")
    before = snapshot(model)
    for make in (observe, GradientFlow, StateHeatmaps):
        with pytest.raises(ValueError, match=message):
            fit(model, _listed(make(tmp_path / "run", probe=given)))
    assert list(tmp_path.iterdir()) == []
    assert snapshot(model)[0] == before[0]


def _listed(made):
    return made if isinstance(made, list) else [made]


def test_targets_are_needed_for_gradients_only(tmp_path, read_values, our_event_file):
    with pytest.raises(ValueError, match="probe: y must hold the targets that belong to x, received None"):
        fit(build("gru"), [GradientFlow(tmp_path / "run", (X[:4], None))], name="gru")
    assert list(tmp_path.iterdir()) == []
    fit(build("gru"), [StateHeatmaps(tmp_path / "run", (X[:4], None))], epochs=1, name="gru")
    assert set(read_values(our_event_file(tmp_path / "run"))["rnn_tutorial"]) == {"rnn/cell/states", "rnn/cell/gates"}


@pytest.mark.parametrize("make", [GradientFlow, StateHeatmaps], ids=lambda make: make.__name__)
def test_no_probe_is_told(tmp_path, make):
    with pytest.raises(ValueError, match=r"probe must be a batch .*, received None"):
        make(tmp_path / "run", None)


def test_a_model_that_is_not_compiled(tmp_path):
    with pytest.raises(ValueError, match="compile"):
        fit(CASES["lstm"].build(), observe(tmp_path / "run", probe=probe()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("every", [0, -1, 1.5, True, None, "2"], ids=repr)
@pytest.mark.parametrize("make", [GradientHistograms, WeightHeatmaps, GradientFlow, StateHeatmaps, observe])
def test_a_wrong_every_is_told(tmp_path, make, every):
    options = {"probe": probe()} if make in (GradientFlow, StateHeatmaps, observe) else {}
    with pytest.raises(ValueError, match="every must be an integer of at least 1, received") as caught:
        make(tmp_path / "run", every=every, **options)
    assert repr(every) in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 3}, "layers must be None, the name of a layer, a list of names or a function .*, received 3"),
        ({"layers": []}, r"layers must be None, .*, received \[\]"),
        ({"layers": ["cell", 1]}, r"layers must be None, .*, received \['cell', 1\]"),
        ({"per_batch": 1}, "per_batch must be True or False, received 1"),
    ],
)
def test_wrong_options_are_told(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        GradientHistograms(tmp_path / "run", **options)


@pytest.mark.parametrize("make", [WeightHeatmaps, GradientFlow, StateHeatmaps], ids=lambda make: make.__name__)
def test_wrong_pictures_are_told(tmp_path, make):
    options = {} if make is WeightHeatmaps else {"probe": probe()}
    with pytest.raises(ValueError, match="pictures must be True or False, received 1"):
        make(tmp_path / "run", pictures=1, **options)


def test_an_unknown_layer_is_told_with_those_there_are(tmp_path):
    message = "layers must name layers of the model, head, lstm, lstm_1; received 'lstm_7'"
    with pytest.raises(ValueError, match=message):
        fit(build("lstm"), [GradientHistograms(tmp_path / "run", layers=["lstm", "lstm_7"])])
    assert list(tmp_path.iterdir()) == []


class Subclassed(keras.Model):
    """Built by its first batch on TensorFlow, and just before the first epoch on JAX."""

    def __init__(self):
        super().__init__()
        self.cell = layers.GRU(4, name="cell")
        self.head = layers.Dense(1, name="head")

    def call(self, x):
        return self.head(self.cell(x))


@pytest.fixture(scope="module")
def bare_subclassed():
    model = subclassed()
    fit(model, epochs=2)
    return Bare.of(model)


def subclassed():
    keras.utils.set_random_seed(1)
    model = Subclassed()
    model.compile("sgd", "mse")
    return model


def test_a_model_that_its_first_batch_builds(tmp_path, recorded_warnings, read_values, our_event_file, bare_subclassed):
    model = subclassed()
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=probe()), epochs=2)
    assert ours(caught) == []
    assert bare_subclassed.is_like(model)
    found = read_values(our_event_file(tmp_path / "run"))
    expected = expected_tags(dataclasses.replace(CASES["gru"], is_chain=False))
    assert {plugin: set(tags) for plugin, tags in found.items()} == expected
    assert list(found["scalars"]["gradient_norm/global"]) == [0, 1]


def test_a_wrong_probe_for_a_model_that_its_first_batch_builds(
    tmp_path, recorded_warnings, read_values, our_event_file, bare_subclassed
):
    # What such a model takes is known to nobody before it is called.
    model = subclassed()
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=(X[:4, :, :2], Y[:4])), epochs=2)
    assert len(caught) == len(ours(caught)) == 1
    assert ours(caught)[0].startswith("gradient through time, states and gates are left out: ValueError: ")
    assert bare_subclassed.is_like(model)
    found = read_values(our_event_file(tmp_path / "run"))
    expected = expected_tags(dataclasses.replace(CASES["gru"], is_chain=False), probe=False)
    assert {plugin: set(tags) for plugin, tags in found.items()} == expected
    assert list(found["scalars"]["gradient_norm/global"]) == [0, 1]


def _fails(name):
    raise ZeroDivisionError("nobody thought of this")


@pytest.mark.parametrize("chosen", ["nowhere", _fails], ids=["unknown", "fails"])
def test_wrong_layers_for_a_model_that_its_first_batch_builds(tmp_path, recorded_warnings, chosen, bare_subclassed):
    # On TensorFlow they are found out inside the first step, where nothing may fail.
    model = subclassed()
    watching = [GradientHistograms(tmp_path / "run", layers=chosen)]
    with recorded_warnings() as caught:
        if chosen == "nowhere" and not ON_TENSORFLOW:
            with pytest.raises(
                ValueError, match="layers must name layers of the model, cell, head; received 'nowhere'"
            ):
                fit(model, watching, epochs=2)
            return
        fit(model, watching, epochs=2)
    assert len(caught) == len(ours(caught)) == 1
    assert ours(caught)[0].startswith("GradientHistograms stops looking: ")
    assert bare_subclassed.is_like(model)


# 4. Training never dies of being watched


class Doubled(keras.layers.Layer):
    """A cell that hands on what is not one of its states."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = self.state_size = self.output_size = units
        self.dense = layers.Dense(units)

    def build(self, shape):
        self.dense.build((shape[0], shape[-1] + self.units))
        self.built = True

    def call(self, x, states, training=False):
        h = keras.ops.tanh(self.dense(keras.ops.concatenate([x, states[0]], axis=-1)))
        return 2 * h, [h]


class Rolled(layers.RNN):
    """A recurrent layer that does not loop as Keras' do."""

    def call(self, sequences, initial_state=None, mask=None, training=False):
        return keras.ops.sum(sequences, axis=1)


def test_layers_that_cannot_be_followed(tmp_path, recorded_warnings, read_values, our_event_file):
    trained = []
    for watching in ([], observe(tmp_path / "run", probe=probe(), pictures=False)):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((6, 3))
        convolution = layers.ConvLSTM1D(2, 2, name="convolution")  # whose states are no vectors
        parts = [
            layers.RNN(Doubled(3), name="doubled")(inputs),
            Rolled(layers.SimpleRNNCell(3), name="rolled")(inputs),
            layers.Flatten()(convolution(keras.ops.expand_dims(inputs, -1))),
            layers.GRU(2, name="cell")(inputs),
        ]
        model = keras.Model(inputs, layers.Dense(1, name="head")(layers.Concatenate()(parts)))
        model.compile("sgd", "mse")
        with recorded_warnings() as caught:
            fit(model, watching, epochs=2)
        trained.append(model)
    assert snapshot(trained[0]) == snapshot(trained[1])
    # Each is told once in the whole fit.
    said = ("doubled has no gradient through time", "rolled is not looked into", "convolution is not looked into")
    assert len(ours(caught)) == 3
    assert all(sum(message.startswith(words) for message in ours(caught)) == 1 for words in said)
    found = read_values(our_event_file(tmp_path / "run"))
    assert set(found["rnn_tutorial"]) == {
        *(f"rnn/cell/{kind}" for kind in ("grad_flow", "grad_flow_immediate", "states", "gates")),
        "rnn/doubled/states",
    }
    for tag in ("gradient_norm/global", "gradient_flow_ratio/cell", "spectral_radius/cell", "saturation/cell/reset"):
        assert list(found["scalars"][tag]) == [0, 1]


@pytest.mark.parametrize(
    ("place", "function", "said"),
    [
        (GradientTap, "open", "GradientHistograms stops looking"),
        (GradientTap, "read", "GradientHistograms stops looking"),
        (recurrent, "spectral_radius", "WeightHeatmaps leaves out spectral radii"),
        (recurrent, "look", "gradient through time, states and gates are left out"),
        (drawing, "gradient_flow", "GradientFlow leaves out pictures"),
        (drawing, "states", "StateHeatmaps leaves out pictures"),
        (drawing, "weights", "WeightHeatmaps leaves out pictures"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_callback_that_fails_leaves_the_others(
    tmp_path, monkeypatch, recorded_warnings, read_values, our_event_file, bare, place, function, said
):
    def fail(*arguments, **options):
        raise ZeroDivisionError("nobody thought of this")

    model = fresh("simple")
    watching = observe(tmp_path / "run", probe=probe())[1:]
    watching = [callback for callback in watching if not isinstance(callback, (ModelDiagram, LearningCurves))]
    monkeypatch.setattr(place, function, fail)
    with recorded_warnings() as caught:
        fit(model, watching, epochs=2, name="simple")
    monkeypatch.undo()
    goes_on = "Training" if "stops" in said else "Everything else"
    assert ours(caught) == [f"{said}: ZeroDivisionError: nobody thought of this. {goes_on} goes on."]
    assert bare("simple", 2).is_like(model)
    found = read_values(our_event_file(tmp_path / "run"))
    written = {tag.partition("/")[0] for tags in found.values() for tag in tags}
    lost = {
        "open": {"gradients", "gradient_norm"},
        "read": {"gradients", "gradient_norm"},
        "spectral_radius": {"spectral_radius"},
        "look": {"gradient_flow_ratio", "gradient_flow_picture", "saturation", "states_picture", "rnn"},
        "gradient_flow": {"gradient_flow_picture"},
        "states": {"states_picture"},
        "weights": {"weights_picture"},
    }
    assert set().union(*lost.values()) - written == lost[function]
    # What is left out is a picture, or one number; the other numbers of the same callback go on.
    if function in ("gradient_flow", "states", "weights"):
        assert list(found["scalars"]["gradient_flow_ratio/cell"]) == [0, 1]
        assert list(found["scalars"]["saturation/cell/hidden"]) == [0, 1]
        assert list(found["scalars"]["spectral_radius/cell"]) == [0, 1]


def test_a_disk_that_fills_up_while_we_look(
    tmp_path, monkeypatch, recorded_warnings, read_values, our_event_file, bare
):
    real, calls = os.write, []

    def write(descriptor, content):
        if ".rnn_tutorial" in os.readlink(f"/proc/self/fd/{descriptor}"):
            calls.append(len(content))
            if len(calls) > 9:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, content)

    model = fresh("simple")
    monkeypatch.setattr(os, "write", write)
    with recorded_warnings() as caught:
        watching = [*observe(tmp_path / "run", probe=probe(), pictures=False)]
        fit(model, [*watching, GradientHistograms(tmp_path / "other", per_batch=True)], name="simple")
    monkeypatch.undo()
    assert len(ours(caught)) == 2  # one a folder
    assert all(os.strerror(errno.ENOSPC) in message for message in ours(caught))
    assert bare("simple", 4).is_like(model)
    read_values(our_event_file(tmp_path / "run"))  # which refuses half a record


def test_a_model_that_becomes_nonsense(tmp_path, recorded_warnings, read_values, our_event_file):
    model = fresh("simple")
    model.set_weights([np.full_like(weight, np.inf) for weight in model.get_weights()])
    with recorded_warnings() as caught:
        fit(model, observe(tmp_path / "run", probe=probe()), epochs=3, name="simple")
    # The gradients and the weights, once each.
    assert len(caught) == len(ours(caught)) == 2
    assert any("of epoch 0 had a gradient with NaN or infinity" in message for message in ours(caught))
    assert any("values of cell/kernel are NaN or infinite after epoch 0" in message for message in ours(caught))
    found = read_values(our_event_file(tmp_path / "run"))
    assert np.isnan(found["scalars"]["spectral_radius/cell"][2])
    assert np.isnan(found["rnn_tutorial"]["rnn/cell/grad_flow"][2]).all()
    assert 2 in found["images"]["weights_picture/cell"]
    assert 2 in found["images"]["gradient_flow_picture/cell"]


@pytest.mark.parametrize(("error", "kept"), [(KeyboardInterrupt, False), (RuntimeError, True)], ids=["", "kept"])
def test_an_exception_in_the_middle(tmp_path, read_values, our_event_file, bare, error, kept):
    keep = []  # as a notebook does, and with it all that `fit` holds
    after = After()
    watching = observe(tmp_path / "run", probe=probe())
    seen = []
    for stopped in ([], [after, *watching]):
        model = fresh("simple")
        try:
            fit(model, [*stopped, Stop(error)], epochs=9, name="simple")
        except error as ended:
            if kept:
                keep.append(ended)
        assert "apply" not in vars(model.optimizer)
        clean = attributes(model)
        fit(model, epochs=1, name="simple")  # by nobody watched
        seen.append((Bare.of(model), clean))
    assert len(keep) == 2 * kept
    assert seen[0][0].is_like(model)
    assert kept or seen[0][1] == seen[1][1]
    # The same callbacks once more; those of the first fit leave what they have at the latest now.
    fit(model, watching, epochs=1, name="simple")
    found = read_values(our_event_file(tmp_path / "run"))
    assert list(found["scalars"]["gradient_norm/global"]) == [0, 1]
    for tag in ("curves", "weights_picture/cell", "states_picture/cell", "gradient_flow_picture/cell"):
        assert max(found["images"][tag]) == 1
    assert max(found["rnn_tutorial"]["rnn/cell/states"]) == 1
    # Drawn of the weights after that epoch, though there is half an epoch more in the model.
    assert found["images"]["weights_picture/head"][1][2] == picture_of_head(after.weights[1])
    assert set(read_values(our_event_file(tmp_path / "run_2"))["images"]) == set(found["images"])


def picture_of_head(weights):
    kernel, bias = weights[-2:]
    return drawing.png(drawing.weights({"kernel": {"": kernel}, "bias": {"": bias}}, "head: weights"))


@pytest.mark.parametrize("place", ["before", "after"])
def test_early_stopping(tmp_path, read_values, our_event_file, place):
    # The best epoch is the first one; then its weights are put back.
    stop = keras.callbacks.EarlyStopping("loss", patience=3, mode="max", restore_best_weights=True)
    after = After()
    watching = observe(tmp_path / "run", probe=probe("simple"), every=2)
    stop = [after, stop]
    model = fresh("simple")
    fit(model, [*stop, *watching] if place == "before" else [*watching, *stop], epochs=50, name="simple")
    assert list(after.weights) == [0, 1, 2, 3]
    found = read_values(our_event_file(tmp_path / "run"))
    assert list(found["rnn_tutorial"]["rnn/cell/states"]) == [0, 2]
    for tag in ("weights_picture/cell", "states_picture/cell", "gradient_flow_picture/cell"):
        assert list(found["images"][tag]) == [0, 2]
    assert found["images"]["weights_picture/head"][2][2] == picture_of_head(after.weights[2])
    assert 3 in found["images"]["curves"]


def test_several_fits_with_the_same_callbacks_and_with_new_ones(tmp_path, read_values, our_event_file):
    trained = []
    watching = observe(tmp_path / "run", probe=probe(), pictures=False)
    again = observe(tmp_path / "run", probe=probe(), pictures=False)
    for watched in ([[], [], []], [watching, watching, again]):
        model = fresh("simple")
        for callbacks_ in watched:
            fit(model, callbacks_, epochs=2, name="simple")
            trained.append(Bare.of(model))
    assert trained[:3] == trained[3:]
    tags = []
    for name in ("run", "run_2", "run_3"):
        found = read_values(our_event_file(tmp_path / name))
        assert list(found["scalars"]["gradient_norm/global"]) == [0, 1]
        assert list(found["rnn_tutorial"]["rnn/cell/states"]) == [0, 1]
        tags.append({plugin: set(found[plugin]) for plugin in found})
    assert tags[0] == tags[1] == tags[2]


def test_the_same_callbacks_with_another_model(tmp_path, read_values, our_event_file):
    watching = [GradientFlow(tmp_path / "run", probe()), GradientHistograms(tmp_path / "run")]
    fit(fresh("simple"), watching, epochs=1, name="simple")
    fit(fresh("gru"), watching, epochs=1, name="gru")
    for folder, name, cell in (("run", "simple", "simple_rnn_cell"), ("run_2", "gru", "gru_cell")):
        found = read_values(our_event_file(tmp_path / folder))
        assert set(found["rnn_tutorial"]) == {"rnn/cell/grad_flow", "rnn/cell/grad_flow_immediate"}, cell
        assert f"gradients/{names_of_weights(CASES[name])[0]}" in found["histograms"]


def test_two_probes_in_one_fit(tmp_path, recorded_warnings, read_values, our_event_file):
    model = fresh("simple")
    with recorded_warnings() as caught:
        one = GradientFlow(tmp_path / "one", (X[:4], Y[:4]))
        two = GradientFlow(tmp_path / "two", (X[4:12], Y[4:12]), every=2)
        fit(model, [one, two], epochs=2, name="simple")
    assert caught == []
    for folder, rows, epochs in (("one", slice(0, 4), [0, 1]), ("two", slice(4, 12), [0])):
        found = read_values(our_event_file(tmp_path / folder))["rnn_tutorial"]["rnn/cell/grad_flow"]
        assert list(found) == epochs
        if 1 in found:
            norms = inspection.gradient_flow(model, X[rows], Y[rows])["cell"].hidden
            np.testing.assert_allclose(found[1], norms, rtol=1e-4)


def test_one_callback_twice_for_one_folder(tmp_path, recorded_warnings, read_values, our_event_file, bare):
    model = fresh("simple")
    watching = observe(tmp_path / "run", probe=probe(), pictures=False)
    with recorded_warnings() as caught:
        fit(model, [*watching, GradientHistograms(tmp_path / "run", per_batch=True)], epochs=2, name="simple")
    assert ours(caught) == [
        f"GradientHistograms is there twice for {tmp_path / 'run'}; the second one writes nothing, "
        "unless it gets a log_dir of its own"
    ]
    assert bare("simple", 2).is_like(model)
    found = read_values(our_event_file(tmp_path / "run"))  # which refuses two values at one step
    assert list(found["scalars"]["gradient_norm/global"]) == [0, 1]


def test_two_runs_at_once(tmp_path, read_values, our_event_file, bare):
    trained = [build("simple"), build("simple")]
    errors = []

    def train(number):
        try:
            fit(trained[number], observe(tmp_path / "run", probe=probe(), pictures=False), name="simple")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=train, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(bare("simple", 4).is_like(model) for model in trained)
    tags = [read_values(our_event_file(tmp_path / name)) for name in ("run", "run_2")]
    for found in tags:
        assert {plugin: set(found[plugin]) for plugin in found} == expected_tags(CASES["simple"], pictures=False)
        assert list(found["rnn_tutorial"]["rnn/cell/grad_flow"]) == [0, 1, 2, 3]


def test_backup_and_restore(tmp_path, read_values, our_event_file):
    trained = []
    for name in ("bare", "watched"):

        def watch(name=name):
            return [] if name == "bare" else observe(tmp_path / "run", probe=probe(), pictures=False)

        model = fresh("simple")
        with contextlib.suppress(RuntimeError):
            fit(
                model,
                [keras.callbacks.BackupAndRestore(tmp_path / name), *watch(), Stop(RuntimeError, epoch=2)],
                name="simple",
            )
        model = fresh("simple")
        fit(model, [*watch(), keras.callbacks.BackupAndRestore(tmp_path / name)], name="simple")
        trained.append(Bare.of(model))
    assert trained[0].snapshot[-1] == [2, 3]
    assert trained[0] == trained[1]
    found = read_values(our_event_file(tmp_path / "run"))  # which goes on
    assert list(found["scalars"]["gradient_norm/global"]) == [0, 1, 2, 3]
    assert list(found["rnn_tutorial"]["rnn/cell/states"]) == [0, 1, 2, 3]


def test_each_callback_alone(tmp_path, read_values, our_event_file):
    case, tags = CASES["gru"], {}
    made = {
        "gradients": GradientHistograms(tmp_path / "gradients"),
        "weights": WeightHeatmaps(tmp_path / "weights"),
        "flow": GradientFlow(tmp_path / "flow", probe()),
        "states": StateHeatmaps(tmp_path / "states", probe()),
    }
    for name, callback in made.items():
        fit(fresh("gru"), [callback], epochs=1, name="gru")
        for plugin, found in read_values(our_event_file(tmp_path / name)).items():
            assert not tags.setdefault(plugin, set()) & set(found)
            tags[plugin] |= set(found)
    expected = expected_tags(case)
    expected["histograms"] -= {f"weights/{name}" for name in names_of_weights(case)}
    expected["images"] -= {"curves", "diagram/model", "diagram/unrolled"}
    assert tags == expected


def test_callbacks_may_be_copied_before_they_are_used(tmp_path, read_values, our_event_file):
    # As a search over hyperparameters does for each trial.
    given = [GradientHistograms(tmp_path / "run", per_batch=True), StateHeatmaps(tmp_path / "run", probe())]
    for _ in range(2):
        fit(fresh("simple"), copy.deepcopy(given), epochs=1, name="simple")
    for name in ("run", "run_2"):
        found = read_values(our_event_file(tmp_path / name))
        assert list(found["scalars"]["gradient_norm_batch/global"]) == [0, 1, 2]


def test_nothing_of_a_fit_stays_alive(tmp_path):
    model = build("simple")
    fit(model, observe(tmp_path / "run", probe=probe(), pictures=False), epochs=1, name="simple")
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


# A loop of one's own


@pytest.mark.parametrize("tells_of_beginnings", [True, False])
def test_a_training_loop_of_ones_own(tmp_path, read_values, our_event_file, tells_of_beginnings):
    """Nobody says how many epochs there will be, and `train_on_batch` is what trains."""
    trained = []
    for watching in ([], [GradientHistograms(tmp_path / "run"), StateHeatmaps(tmp_path / "run", probe())]):
        model = fresh("simple")
        listed = keras.callbacks.CallbackList(watching, model=model)
        listed.on_train_begin()
        for epoch in range(2):
            if tells_of_beginnings:
                listed.on_epoch_begin(epoch)
            for start in range(0, 24, 8):
                model.train_on_batch(X[start : start + 8], Y[start : start + 8])
            listed.on_epoch_end(epoch)
        listed.on_train_end()
        trained.append(snapshot(model))
    assert trained[0] == trained[1]
    found = read_values(our_event_file(tmp_path / "run"))
    assert list(found["rnn_tutorial"]["rnn/cell/states"]) == [0, 1]


# Pictures and frames: when


@pytest.mark.parametrize(("share", "expected"), [(0.0, [0, 8]), (1e9, [0, 1, 3, 7, 8])])
def test_pictures_are_drawn_as_long_as_they_are_cheap(
    tmp_path, monkeypatch, read_values, our_event_file, share, expected
):
    monkeypatch.setattr(fit_of_callbacks, "PICTURES_SHARE", share)
    fit(fresh("simple"), observe(tmp_path / "run", probe=probe()), epochs=9, name="simple")
    found = read_values(our_event_file(tmp_path / "run"))["images"]
    kinds = {"curves", "states_picture/cell", "gradient_flow_picture/cell", "weights_picture/cell"}
    assert {tag: list(found[tag]) for tag in kinds} == dict.fromkeys(kinds, expected)


def test_frames_are_log_spaced(tmp_path, monkeypatch, read_values, our_event_file):
    monkeypatch.setattr(states, "FRAMES", 5)
    model = fresh("simple")
    for name, stop, arguments, expected in (
        ("to the end", None, {"epochs": 12}, [0, 1, 4, 11]),
        ("stopped", 7, {"epochs": 12}, [0, 1, 4, 7]),
        ("later", None, {"epochs": 22, "initial_epoch": 10}, [10, 11, 14, 21]),
        ("few", None, {"epochs": 5}, [0, 1, 2, 3, 4]),
    ):
        end = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs, stop=stop: setattr(model, "stop_training", epoch == stop)
        )
        watch = StateHeatmaps(tmp_path / name, probe(), pictures=False)
        fit(model, [watch, end], name="simple", **arguments)
        assert list(read_values(our_event_file(tmp_path / name))["rnn_tutorial"]["rnn/cell/states"]) == expected


@pytest.mark.parametrize("count", [1, 2, 199, 200, 201, 500, 10_000, 1_000_000])
def test_no_more_frames_than_the_tab_takes(count):
    frames = sorted(states._log_spaced(count))
    assert (frames[0], frames[-1]) == (1, count)
    assert len(frames) == count if count <= 200 else 190 < len(frames) < 200  # and one for an early end
    if count > 200:
        gaps = np.diff(frames)
        assert gaps[0] == 1
        assert (np.diff(gaps) >= -1).all()


def test_large_states_are_strided():
    arrays = {"hidden": _RANDOM.normal(size=(600, 129)), "cell": _RANDOM.normal(size=(600, 129)) * 1e5}
    arrays["hidden"][0, 2] = np.nan
    header, values = blobs_of(states._blobs(arrays, {}))
    assert header["shape"] == [2, 200, 65]
    assert header["stride"] == [1, 3, 2]
    assert header["names"] == ["hidden", "cell"]
    assert header["ranges"] == [None, None]
    np.testing.assert_allclose(values[0], arrays["hidden"][::3, ::2].astype("float16"))
    assert np.isnan(values[0, 0, 1])
    assert np.isinf(values[1]).any()  # what float16 cannot hold
    for shape, strided in (((256, 128), (256, 128)), ((257, 128), (129, 128)), ((1, 1000), (1, 125))):
        header, values = blobs_of(states._blobs({"hidden": np.zeros(shape)}, {"hidden": (0, 2)}))
        assert header["ranges"] == [[0, 2]]
        assert values.shape == (1, *strided)
