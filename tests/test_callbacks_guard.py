"""Training never dies of being watched: faults put into each place where the callbacks are called."""

import io
import shutil
import sys
import types
import warnings

import keras
import numpy as np
import pytest
from keras import layers

from rnn_tutorial import backend, diagnosis, drawing, recording
from rnn_tutorial.callbacks import (
    EmbeddingProjector,
    GradientFlow,
    GradientHistograms,
    HealthCheck,
    LearningCurves,
    ModelDiagram,
    Observer,
    StateHeatmaps,
    WeightHeatmaps,
    WeightHistograms,
    observe,
)

_RANDOM = np.random.default_rng(0)
X = _RANDOM.normal(size=(16, 4, 2)).astype("float32")
Y = _RANDOM.normal(size=(16, 1)).astype("float32")
EPOCHS = 3


@pytest.fixture(scope="module")
def model():
    """One model for all fits, so that its training step is compiled once."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4, 2)), layers.LSTM(2, name="cell"), layers.Dense(1, name="head")])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.first_weights = model.get_weights()
    return model


@pytest.fixture(scope="module")
def train(model):
    """Function from callbacks to the losses of a training that always begins with the same weights."""

    def train(watching=()):
        model.set_weights(model.first_weights)
        history = model.fit(X, Y, batch_size=8, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=list(watching))
        return history.history["loss"]

    return train


@pytest.fixture(scope="module")
def bare(train):
    """The losses of training that nobody watches."""
    return train()


@pytest.fixture(scope="module")
def read_tags(read_values):
    """Folder of a run -> {tag: [steps]}, without what the judgement of a short training may or may not find."""

    def read(folder):
        found = {}
        for path in folder.rglob("*.rnn_tutorial"):
            for tags in read_values(path).values():
                found |= {f"{path.parent.relative_to(folder)} {tag}": list(steps) for tag, steps in tags.items()}
        return {tag: steps for tag, steps in found.items() if tag != ". health"}

    return read


def ours(caught):
    return [str(warning.message) for warning in caught if warning.category is RuntimeWarning]


def logs_that_hold(values):
    """A callback that puts values into the logs of each epoch."""
    return keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(values))


# Every place, every kind of error

ERRORS = [ValueError, RuntimeError, OSError, MemoryError, RecursionError, StopIteration, UnicodeError]
PLACES = [
    *((LearningCurves, method) for method in ("check", "begin", "record", "look", "finish", "close")),
    *((LearningCurves, method) for method in ("is_due", "picture_due", "drawing")),
    (drawing, "curves"),
    (drawing, "png"),
    (recording.Run, "image"),
    (recording.Run, "save"),
    (recording.Run, "close"),
    (backend, "outside_of_graphs"),
]


def others(folder):
    """Callbacks that draw nothing."""
    return [WeightHistograms(folder), GradientHistograms(folder), WeightHeatmaps(folder, pictures=False)]


@pytest.fixture(scope="module")
def tags_of_others(tmp_path_factory, train, read_tags):
    """What they write where nothing goes wrong."""
    folder = tmp_path_factory.mktemp("others") / "run"
    train(others(folder))
    return read_tags(folder)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(("owner", "name"), PLACES, ids=lambda value: getattr(value, "__name__", value))
def test_an_error_is_one_warning_and_takes_nothing_else_with_it(
    tmp_path, monkeypatch, recorded_warnings, train, bare, read_tags, tags_of_others, owner, name, error
):
    if (name, error) == ("check", ValueError):
        return  # This is how a wrong argument is told.
    first, *rest = others(tmp_path / "run")
    calls = []
    real = getattr(owner, name)

    def fail(*arguments, **options):
        calls.append(arguments)
        if name == "outside_of_graphs" and len(calls) > 1:
            return real()
        raise error("nobody thought of this")

    monkeypatch.setattr(owner, name, fail)
    with recorded_warnings() as caught:
        losses = train([first, LearningCurves(tmp_path / "run"), *rest])
    monkeypatch.undo()
    assert losses == bare
    assert len(calls) >= 1
    assert len(caught) == len(ours(caught)) == 1
    assert f"{error.__name__}: nobody thought of this" in ours(caught)[0]
    found = read_tags(tmp_path / "run")
    found.pop(". curves", None)
    assert found == tags_of_others


CLASSES = [
    WeightHistograms,
    GradientHistograms,
    WeightHeatmaps,
    ModelDiagram,
    LearningCurves,
    GradientFlow,
    StateHeatmaps,
    HealthCheck,
]


@pytest.fixture(scope="module")
def tags_without(tmp_path_factory, train, read_tags):
    """A class of callbacks -> what all the others write where nothing goes wrong."""
    tags = {}

    def find(victim):
        if victim not in tags:
            folder = tmp_path_factory.mktemp("others") / "run"
            train([callback for callback in everything(folder, victim) if type(callback) is not victim])
            tags[victim] = read_tags(folder)
        return tags[victim]

    return find


def everything(folder, victim):
    """All callbacks; those that draw only where they are needed."""
    pictures = victim in (ModelDiagram, LearningCurves)
    return [*observe(folder, probe=(X[:4], Y[:4]), pictures=pictures), HealthCheck(folder)]


@pytest.mark.parametrize("method", ["check", "begin", "record", "look", "finish", "close"])
@pytest.mark.parametrize("victim", CLASSES, ids=lambda cls: cls.__name__)
def test_each_callback_stops_alone(
    tmp_path,
    monkeypatch,
    recorded_warnings,
    train,
    bare,
    read_tags,
    tags_without,
    open_event_files,
    victim,
    method,
):
    watching = everything(tmp_path / "run", victim)
    (failing,) = [callback for callback in watching if type(callback) is victim]
    real_close = failing.close

    def fail(*arguments):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(failing, method, fail)
    with recorded_warnings() as caught:
        losses = train(watching)
    if method == "close":
        real_close()
    assert losses == bare
    assert ours(caught) == [
        f"{victim.__name__} stops looking: ZeroDivisionError: nobody thought of this. Training goes on."
    ]
    found, expected = read_tags(tmp_path / "run"), tags_without(victim)
    # How many pictures there are between the first and the last depends on the time that they take.
    pictures = {tag for tag in expected if "_picture/" in tag or tag == ". curves"}
    assert {tag: found[tag] for tag in expected if tag not in pictures} == {
        tag: steps for tag, steps in expected.items() if tag not in pictures
    }
    assert all({found[tag][0], found[tag][-1]} == {0, EPOCHS - 1} for tag in pictures)
    assert open_event_files(tmp_path) == []


def test_callbacks_that_have_failed_look_again_at_the_next_fit(tmp_path, monkeypatch, recorded_warnings, train):
    watching = [WeightHistograms(tmp_path / "run")]

    def fail(*arguments):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(WeightHistograms, "check", fail)
    with recorded_warnings() as caught:
        train(watching)
    monkeypatch.undo()
    assert len(ours(caught)) == 1
    assert not (tmp_path / "run").exists()
    train(watching)
    assert len(list((tmp_path / "run").iterdir())) == 1


def test_an_error_that_cannot_be_put_in_words(tmp_path, monkeypatch, recorded_warnings, train, bare):
    class UnspeakableError(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def fail(*arguments):
        raise UnspeakableError

    monkeypatch.setattr(WeightHistograms, "look", fail)
    with recorded_warnings() as caught:
        assert train([WeightHistograms(tmp_path / "run")]) == bare
    assert ours(caught) == ["WeightHistograms stops looking: UnspeakableError. Training goes on."]


@pytest.mark.parametrize("method", ["begin", "record", "look", "finish"])
def test_an_interrupt_is_no_error(tmp_path, monkeypatch, train, open_event_files, method):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    watching = others(tmp_path / "run")
    monkeypatch.setattr(watching[0], method, interrupt)
    interrupted = False
    try:  # pytest.raises would keep the exception, and with it all that `fit` holds
        train(watching)
    except KeyboardInterrupt:
        interrupted = True
        monkeypatch.undo()
    assert interrupted
    assert open_event_files(tmp_path) == []


# Checks


def test_a_wrong_argument_ends_training_before_anything_is_written(tmp_path, monkeypatch, train):
    def refuse(*arguments):
        raise ValueError("every must be odd, received 2")

    monkeypatch.setattr(LearningCurves, "check", refuse)
    with pytest.raises(ValueError, match="every must be odd, received 2"):
        train([*others(tmp_path / "run"), LearningCurves(tmp_path / "run")])
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_argument_is_told_as_soon_as_the_model_is_built(tmp_path):
    model = keras.Sequential([layers.Embedding(5, 2), layers.Flatten(), layers.Dense(1)])
    callback = EmbeddingProjector(tmp_path / "run", labels=["a", "b"])
    callback.set_model(model)
    model.build((None, 3))
    with pytest.raises(ValueError, match="labels must be one a row of embedding, 5; received 2"):
        callback.on_train_begin()
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_does_not_say_whether_it_is_built(tmp_path, recorded_warnings):
    class Model:
        @property
        def built(self):
            raise RuntimeError("nobody thought of this")

    callback = WeightHistograms(tmp_path / "run")
    with recorded_warnings() as caught:
        callback.set_model(Model())
        callback.on_train_begin()
        callback.on_epoch_end(0, {"loss": 1.0})
        callback.on_train_end()
    assert ours(caught)[0] == "WeightHistograms stops looking: RuntimeError: nobody thought of this. Training goes on."
    assert list(tmp_path.iterdir()) == []


# The run


class Folder:
    """A path whose text is what it is given."""

    def __init__(self, text):
        self.text = text

    def __fspath__(self):
        if isinstance(self.text, Exception):
            raise self.text
        return self.text


@pytest.mark.parametrize("wrong", [b"logs", "", "a\0b", 3, None, RuntimeError("no")], ids=repr)
def test_a_path_that_is_none_is_told_before_training(wrong):
    with pytest.raises(ValueError, match="log_dir must be the path of a folder, received <"):
        LearningCurves(Folder(wrong))


def test_a_path_of_another_kind_is_taken(tmp_path, train, bare):
    assert train([WeightHistograms(Folder(str(tmp_path / "run")))]) == bare
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("error", ERRORS)
def test_a_run_that_cannot_be_opened(tmp_path, monkeypatch, recorded_warnings, train, bare, error):
    def fail(*arguments):
        raise error("nobody thought of this")

    monkeypatch.setattr(recording, "Run", fail)
    watching = observe(tmp_path / "run", probe=(X[:4], Y[:4]))
    with recorded_warnings() as caught:
        assert train(watching) == bare
    assert len(caught) == len(ours(caught)) == 1
    assert f"{error.__name__}: nobody thought of this" in ours(caught)[0]
    assert str(tmp_path / "run") in ours(caught)[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("now", [float("nan"), float("inf"), None, "noon"], ids=repr)
def test_a_clock_that_gives_no_time(tmp_path, monkeypatch, recorded_warnings, train, bare, now):
    monkeypatch.setattr("rnn_tutorial.recording.run.time", types.SimpleNamespace(time=lambda: now))
    with recorded_warnings() as caught:
        assert train(observe(tmp_path / "run", pictures=False)) == bare
    assert len(caught) == len(ours(caught)) <= 1


@pytest.mark.parametrize("name", ["\ud800", "x" * 300], ids=["no text", "too long"])
def test_a_folder_that_cannot_be_made(tmp_path, recorded_warnings, train, bare, name):
    with recorded_warnings() as caught:
        assert train(observe(tmp_path / name)) == bare
    assert len(caught) == len(ours(caught)) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_current_folder_that_is_gone(tmp_path, monkeypatch, recorded_warnings, train, bare):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with recorded_warnings() as caught:
        assert train(observe("run")) == bare
    assert len(caught) == len(ours(caught)) == 1


def test_a_folder_that_is_deleted_while_training_runs(tmp_path, recorded_warnings, train, bare, open_event_files):
    def delete(epoch, logs):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)

    delete = keras.callbacks.LambdaCallback(on_epoch_end=delete)
    with recorded_warnings() as caught:
        assert train([delete, *observe(tmp_path / "run", probe=(X[:4], Y[:4]))]) == bare
    assert len(caught) == len(ours(caught)) == 1
    assert "nothing more is logged to" in ours(caught)[0]
    assert open_event_files(tmp_path) == []


@pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
def test_a_flush_that_fails_concerns_all_and_is_told_once(
    tmp_path, monkeypatch, recorded_warnings, train, bare, read_tags, tags_of_others, always
):
    real, calls = recording.Run.flush, []

    def flush(run):
        calls.append(run)
        if always or len(calls) == 4:
            raise MemoryError("nobody thought of this")
        real(run)

    monkeypatch.setattr(recording.Run, "flush", flush)
    with recorded_warnings() as caught:
        assert train(others(tmp_path / "run")) == bare
    monkeypatch.undo()
    assert len(caught) == len(ours(caught)) == 1
    assert "nobody thought of this" in ours(caught)[0]
    if not always:
        assert read_tags(tmp_path / "run") == tags_of_others


def test_a_file_that_cannot_be_saved_leaves_the_pictures(
    tmp_path, monkeypatch, recorded_warnings, train, bare, read_tags
):
    def fail(*arguments):
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(recording.Run, "save", fail)
    with recorded_warnings() as caught:
        assert train(observe(tmp_path / "run")) == bare
    assert len(caught) == len(ours(caught)) == 1
    assert {". curves", ". diagram/model", ". diagram/unrolled"} <= set(read_tags(tmp_path / "run"))


# What training reports


class Metric:
    """A value that is a number only if one does not ask."""

    def __init__(self, error):
        self.error = error

    def __float__(self):
        raise self.error

    def __repr__(self):
        raise self.error


@pytest.mark.parametrize(
    "value",
    [
        10**400,
        None,
        "nothing",
        [1.0, 2.0],
        {},
        1j,
        object(),
        np.ones(3),
        np.ones((0,)),
        keras.ops.ones((2, 2)),
        *(Metric(error("nobody thought of this")) for error in (*ERRORS, ZeroDivisionError, TypeError)),
    ],
    ids=lambda value: type(value.error).__name__ if isinstance(value, Metric) else type(value).__name__,
)
def test_a_value_that_is_no_number_is_left_out(tmp_path, recorded_warnings, train, bare, value):
    curves = LearningCurves(tmp_path / "run")
    watching = [curves, WeightHistograms(tmp_path / "run"), HealthCheck(tmp_path / "run")]
    with recorded_warnings() as caught:
        assert train([logs_that_hold({"odd": value, "val_odd": value, "even": 2}), *watching]) == bare
    assert ours(caught) == ["metric 'odd' is not one number an epoch; curves and scalars leave it out"]
    assert curves.history == {"loss": bare, "even": [2.0] * EPOCHS}


def test_a_value_of_the_validation_alone_is_named_as_it_is(tmp_path, recorded_warnings, train, bare):
    with recorded_warnings() as caught:
        assert train([logs_that_hold({"val_odd": None}), LearningCurves(tmp_path / "run")]) == bare
    assert ours(caught) == ["metric 'val_odd' is not one number an epoch; curves and scalars leave it out"]


@pytest.mark.parametrize("name", [3, None, ("a", "b"), b"loss", "\u00fc\udcff"], ids=ascii)
def test_a_name_that_is_no_text_is_left_out(tmp_path, recorded_warnings, train, bare, name):
    curves = LearningCurves(tmp_path / "run")
    watching = [curves, WeightHistograms(tmp_path / "run"), HealthCheck(tmp_path / "run")]
    with recorded_warnings() as caught:
        assert train([logs_that_hold({name: 1.0}), *watching]) == bare
    assert ours(caught) == [f"a metric's name must be text, received {name!a}; the metric is left out"]
    assert curves.history == {"loss": bare}


@pytest.mark.parametrize("logs", [[], [1.0], np.ones(2), "loss", 0.5, ("loss", 1.0)], ids=lambda v: type(v).__name__)
def test_logs_that_are_no_dictionary(tmp_path, recorded_warnings, model, logs):
    # A training loop of one's own hands over what it likes.
    curves = LearningCurves(tmp_path / "run")
    with recorded_warnings() as caught:
        curves.set_model(model)
        curves.on_train_begin(logs)
        for epoch in range(2):
            curves.on_epoch_begin(epoch, logs)
            curves.on_epoch_end(epoch, logs)
        curves.on_train_end(logs)
    kind = type(logs).__name__
    assert ours(caught) == [f"logs must be a dictionary, received {kind}; they are left out"]
    assert (curves.epochs, curves.history) == ([0, 1], {})


# Letting go


def test_a_notebook_that_is_none(tmp_path, monkeypatch, recorded_warnings, train, bare, read_tags):
    def fail():
        raise RuntimeError("nobody thought of this")

    shells = {"fails": fail, "has no events": object}
    for name, get_ipython in shells.items():
        stand_in = types.SimpleNamespace(get_ipython=get_ipython, version_info=(9, 0))
        with monkeypatch.context() as patch, recorded_warnings() as caught:
            patch.setitem(sys.modules, "IPython", stand_in)
            losses = train(observe(tmp_path / name, pictures=False))
        assert losses == bare
        assert len(caught) == len(ours(caught)) == 1
        assert "the end of a notebook's cell cannot be awaited" in ours(caught)[0]
        assert read_tags(tmp_path / name)[". weights/cell/kernel"] == [0, 1, 2]


def test_a_program_that_hides_what_it_is(tmp_path, recorded_warnings, train, bare):
    # As a proxy does that stands for nothing at the moment.
    class Proxy:
        @property
        def __class__(self):
            raise RuntimeError("working outside of context")

    def program(self):
        return train([LearningCurves(tmp_path / "run")])

    with recorded_warnings() as caught:
        assert program(Proxy()) == bare
    assert caught == []


# Parts


def test_one_picture_leaves_the_others(tmp_path, monkeypatch, recorded_warnings, train, bare, read_tags):
    real = drawing.weights

    def fail(matrices, title):
        if title.startswith("cell"):
            raise RuntimeError("nobody thought of this")
        return real(matrices, title)

    monkeypatch.setattr(drawing, "weights", fail)
    with recorded_warnings() as caught:
        assert train([WeightHeatmaps(tmp_path / "run")]) == bare
    assert ours(caught) == [
        "WeightHeatmaps leaves out pictures: RuntimeError: nobody thought of this. Everything else goes on."
    ]
    found = read_tags(tmp_path / "run")
    assert set(found) == {". spectral_radius/cell", ". weights_picture/head"}
    assert found[". spectral_radius/cell"] == [0, 1, 2]
    assert {0, 2} <= set(found[". weights_picture/head"])


@pytest.mark.parametrize(
    ("function", "lost", "kept"),
    [
        ("layers_diagram", "diagram/model", "diagram/unrolled"),
        ("unrolled_diagram", "diagram/unrolled", "diagram/model"),
    ],
)
def test_one_diagram_leaves_the_other(
    tmp_path, monkeypatch, recorded_warnings, train, bare, read_tags, function, lost, kept
):
    def fail(*arguments):
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(drawing, function, fail)
    with recorded_warnings() as caught:
        assert train([ModelDiagram(tmp_path / "run")]) == bare
    assert ours(caught) == [
        f"ModelDiagram leaves out {lost}: RuntimeError: nobody thought of this. Everything else goes on."
    ]
    assert read_tags(tmp_path / "run") == {f". {kept}": [0]}


def test_curves_that_cannot_be_drawn_are_kept(tmp_path, monkeypatch, recorded_warnings, train, bare):
    def fail(*arguments):
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(drawing, "curves", fail)
    curves = LearningCurves(tmp_path / "run")
    with recorded_warnings() as caught:
        train([curves])
    assert len(ours(caught)) == 1
    assert curves.history == {"loss": bare}


def test_one_who_listens_does_not_stop_those_who_write(
    tmp_path, monkeypatch, recorded_warnings, train, bare, read_tags
):
    real = diagnosis.RunData.add

    def fail(data, kind, tag, step, value):
        if kind == "histograms":
            raise RuntimeError("nobody thought of this")
        real(data, kind, tag, step, value)

    monkeypatch.setattr(diagnosis.RunData, "add", fail)
    with recorded_warnings() as caught:
        assert train([HealthCheck(tmp_path / "run"), WeightHistograms(tmp_path / "run")]) == bare
    monkeypatch.undo()
    assert ours(caught) == ["HealthCheck stops looking: RuntimeError: nobody thought of this. Training goes on."]
    assert read_tags(tmp_path / "run")[". weights/cell/kernel"] == [0, 1, 2]


def test_a_callback_of_ones_own_may_leave_out_a_part(tmp_path, recorded_warnings, train, bare, read_tags):
    class Weights(Observer):
        def look(self, epoch, logs):
            with self.guard("the sum"):
                raise RuntimeError("nobody thought of this")
            self.run.scalar("loss", logs["loss"], epoch)

    with recorded_warnings() as caught:
        assert train([Weights(tmp_path / "run")]) == bare
    assert ours(caught) == [
        "Weights leaves out the sum: RuntimeError: nobody thought of this. Everything else goes on."
    ]
    assert read_tags(tmp_path / "run") == {". loss": [0, 1, 2]}


# Where warnings cannot be given


@pytest.mark.parametrize("stderr", ["open", "closed", "none"])
def test_a_warning_that_is_an_error_ends_nothing(tmp_path, monkeypatch, capsys, told_instead, train, bare, stderr):
    def fail(*arguments):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(LearningCurves, "look", fail)
    if stderr != "open":
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, "stderr", closed if stderr == "closed" else None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        losses = train([logs_that_hold({"odd": None}), LearningCurves(tmp_path / "run")])
    assert losses == bare
    assert len(told_instead) == 2
    told_instead.clear()
    if stderr == "open":
        first, second = capsys.readouterr().err.splitlines()
        assert first == "RuntimeWarning: metric 'odd' is not one number an epoch; curves and scalars leave it out"
        assert second.startswith("RuntimeWarning: LearningCurves stops looking: ZeroDivisionError: nobody thought of")


def test_weights_that_are_not_numbers_where_warnings_are_errors(
    tmp_path, capsys, told_instead, model, train, read_tags
):
    spoil = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: model.set_weights([array * np.nan for array in model.get_weights()])
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        train([spoil, WeightHistograms(tmp_path / "run")])
    told_instead.clear()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("RuntimeWarning: 16 of 16 values of cell/kernel are NaN or infinite after epoch 0")
    assert read_tags(tmp_path / "run")[". weights/cell/kernel"] == [0, 1, 2]


def test_a_warning_that_cannot_be_written_ends_nothing(tmp_path, monkeypatch, told_instead, train, bare):
    def fail(*arguments, **options):
        raise ValueError("I/O operation on closed file.")

    with warnings.catch_warnings():
        warnings.simplefilter("always", RuntimeWarning)
        monkeypatch.setattr(warnings, "showwarning", fail)
        assert train([logs_that_hold({"odd": None}), LearningCurves(tmp_path / "run")]) == bare
    assert len(told_instead) == 1
    told_instead.clear()


def test_an_output_that_takes_no_line_ends_nothing(tmp_path, monkeypatch, train, bare):
    class Output(io.StringIO):
        def write(self, text):
            raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(sys, "stdout", Output())
    for _ in range(2):  # The second one says where it goes.
        assert train(observe(tmp_path / "run", pictures=False)) == bare
    assert (tmp_path / "run_2").is_dir()


# Fits beside and inside of each other


def test_a_fit_inside_a_fit(tmp_path, recorded_warnings, train, bare, model, read_tags):
    other = keras.models.clone_model(model)
    other.compile("sgd", "mse")
    watching = observe(tmp_path / "run", pictures=False)

    def fit_another(epoch, logs):
        if epoch == 1:
            inside = observe(tmp_path / "run", pictures=False)
            other.fit(X, Y, epochs=2, verbose=0, callbacks=inside)

    with recorded_warnings() as caught:
        losses = train([keras.callbacks.LambdaCallback(on_epoch_end=fit_another), *watching])
    assert losses == bare
    assert caught == []
    assert read_tags(tmp_path / "run")[". weights/cell/kernel"] == [0, 1, 2]
    assert read_tags(tmp_path / "run_2")[". weights/cell/kernel"] == [0, 1]


def test_callbacks_used_again_in_a_fit_inside_a_fit(
    tmp_path, recorded_warnings, train, bare, model, read_tags, open_event_files
):
    other = keras.models.clone_model(model)
    other.compile("sgd", "mse")
    watching = observe(tmp_path / "run", pictures=False)

    def fit_another(epoch, logs):
        if epoch == 1:
            other.fit(X, Y, epochs=2, verbose=0, callbacks=watching)

    with recorded_warnings() as caught:
        losses = train([keras.callbacks.LambdaCallback(on_epoch_end=fit_another), *watching])
    assert losses == bare
    assert caught == []
    # The inner fit takes them with it.
    assert read_tags(tmp_path / "run")[". weights/cell/kernel"] == [0]
    assert read_tags(tmp_path / "run_2")[". weights/cell/kernel"] == [0, 1]
    assert open_event_files(tmp_path) == []


def test_an_evaluation_inside_a_fit(tmp_path, recorded_warnings, train, bare, model, read_tags):
    watching = observe(tmp_path / "run", pictures=False)

    def evaluate(epoch, logs):
        model.evaluate(X, Y, verbose=0, callbacks=watching)

    with recorded_warnings() as caught:
        losses = train([keras.callbacks.LambdaCallback(on_epoch_end=evaluate), *watching])
    assert losses == bare
    assert caught == []
    assert read_tags(tmp_path / "run")[". weights/cell/kernel"] == [0, 1, 2]


def test_a_check_that_fails_in_an_evaluation(tmp_path, monkeypatch, recorded_warnings, model):
    def fail(*arguments):
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(LearningCurves, "check", fail)
    with recorded_warnings() as caught:
        loss = model.evaluate(X, Y, verbose=0, callbacks=[LearningCurves(tmp_path / "run")])
    assert loss > 0
    assert len(ours(caught)) == 1


def test_a_new_model_for_each_fold(tmp_path, recorded_warnings, model, read_tags):
    with recorded_warnings() as caught:
        for fold in range(3):
            fresh = keras.models.clone_model(model)
            fresh.compile("sgd", "mse")
            rows = np.arange(16) % 3 != fold
            fresh.fit(X[rows], Y[rows], verbose=0, callbacks=[*others(tmp_path / "run")])
    assert caught == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run_2", "run_3"]
    tags = [read_tags(tmp_path / name) for name in ("run", "run_2", "run_3")]
    assert tags[0] == tags[1] == tags[2]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_where_all_warnings_are_errors_all_is_logged(tmp_path, run_python, read_values, our_event_file, backend):
    """Those of NumPy, which Keras hands its variables to, too."""
    run_python(
        """
        import sys, warnings
        import keras
        import numpy as np
        from rnn_tutorial.callbacks import HealthCheck, observe
        x, y = np.zeros((8, 5, 3), "float32"), np.zeros((8, 1), "float32")
        model = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        model.fit(x, y, verbose=0)  # Keras' own warnings are not ours.
        warnings.simplefilter("error")
        watching = [*observe(sys.argv[1], (x, y)), HealthCheck(sys.argv[1], (x, y))]
        model.fit(x, y, epochs=2, verbose=0, callbacks=watching)
        """,
        tmp_path / "run",
        KERAS_BACKEND=backend,
    )
    found = read_values(our_event_file(tmp_path / "run"))
    assert set(found["scalars"]["spectral_radius/lstm"]) == {0, 1}
    assert {"rnn/lstm/states", "rnn/lstm/grad_flow"} <= set(found["rnn_tutorial"])
    assert {"weights/lstm/kernel", "gradients/lstm/kernel"} <= set(found["histograms"])
