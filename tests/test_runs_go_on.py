"""Which folder a fit writes to: one of its own, or that of a run which goes on; and what TensorBoard shows then."""

import functools
import os
import pathlib
import subprocess
import weakref

import keras
import numpy as np
import pytest
from keras import layers
from selenium.webdriver.support.ui import WebDriverWait
from tensorboard import context
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.data import server_ingester
from tensorboard.util import grpc_util

from rnn_tutorial import callbacks, diagnosis, recording
from rnn_tutorial.callbacks import (
    GradientHistograms,
    HealthCheck,
    LearningCurves,
    Observer,
    StateHeatmaps,
    WeightHistograms,
    observe,
    runs,
)

_RANDOM = np.random.default_rng(0)
X = _RANDOM.normal(size=(24, 4, 2)).astype("float32")
Y = _RANDOM.normal(size=(24, 1)).astype("float32")
VALIDATION = (X[:7] + 1, Y[:7])
PROBE = (X[:4], Y[:4])


def simple(**compiled):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4, 2), name="x"), layers.SimpleRNN(1, name="cell")])
    # JAX takes longer to run step by step than to compile.
    eager = keras.config.backend() == "tensorflow"
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": "mse", "run_eagerly": eager, **compiled})
    return model


def fit(model, watching, first, epochs, **arguments):
    return model.fit(
        X, Y, batch_size=8, initial_epoch=first, epochs=epochs, verbose=0, callbacks=list(watching), **arguments
    )


def folders(folder):
    return sorted(path.name for path in folder.iterdir())


def seen_at(folder):
    """What a fit with a probe says of its run."""
    return f"{folder} is written for TensorBoard, the RNN tab: http://localhost:6006/#rnn_tutorial\n"


def steps(values):
    """{plugin: {tag: [steps]}} of what `read_values` gives."""
    return {plugin: {tag: list(found) for tag, found in tags.items()} for plugin, tags in values.items()}


def ours(caught):
    return [str(warning.message) for warning in caught if warning.category is RuntimeWarning]


@pytest.fixture
def another_process(monkeypatch):
    """From a call of it on, what was written before is what another process has written."""

    def begin():
        monkeypatch.setattr(runs, "_written_here", set())
        monkeypatch.setattr(runs, "_trainings", weakref.WeakKeyDictionary())

    return begin


# What TensorBoard shows, with both of its loaders


def scalars_of(provider):
    """{run: {tag: [(step, value), ...]}}."""
    found = provider.read_scalars(context.RequestContext(), experiment_id="", plugin_name="scalars", downsample=100_000)
    return {
        run: {tag: [(datum.step, datum.value) for datum in data] for tag, data in tags.items()}
        for run, tags in found.items()
    }


@pytest.fixture(params=["rust", "python"])
def shows(request, tmp_path_factory):
    """Function from a folder to a function that gives what TensorBoard shows of it now, run by run."""
    servers = []

    def follow_in_python(folder):
        multiplexer = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={"scalars": 0})
        provider = data_provider.MultiplexerDataProvider(multiplexer, str(folder))

        def read():
            multiplexer.AddRunsFromDirectory(str(folder))
            multiplexer.Reload()
            return scalars_of(provider)

        return read

    def follow_in_rust(folder):
        port = tmp_path_factory.mktemp("server") / "port"
        command = [server_ingester.get_server_binary().path, f"--logdir={folder}", "--reload=1", f"--port-file={port}"]
        command += ["--port=0", "--samples-per-plugin=scalars=all"]
        servers.append(subprocess.Popen(command))
        wait_for(lambda: port.exists() and port.read_text().endswith("\n"))
        ingester = server_ingester.ExistingServerDataIngester(
            f"localhost:{int(port.read_text())}", channel_creds_type=grpc_util.ChannelCredsType.LOCAL
        )
        ingester.start()
        return lambda: scalars_of(ingester.data_provider)

    yield follow_in_rust if request.param == "rust" else follow_in_python
    for server in servers:
        server.kill()
        server.wait()


def wait_for(condition):
    WebDriverWait(None, 60, poll_frequency=0.1).until(lambda _: condition())


def losses(shown, run):
    return [step for step, _ in shown.get(run, {}).get("epoch_loss", [])]


# The same process


@pytest.mark.parametrize("are_new", [False, True], ids=["the same callbacks", "new ones in each turn"])
def test_one_epoch_per_fit_is_one_run(tmp_path, capsys, read_values, our_event_file, open_event_files, are_new):
    make = functools.partial(observe, probe=PROBE)
    model = simple()
    fit(model, make(tmp_path / "whole" / "run"), 0, 6, validation_data=VALIDATION)
    model, watching, history = simple(), make(tmp_path / "turns" / "run"), []
    for epoch in range(6):
        if are_new:
            watching = make(tmp_path / "turns" / "run")
        history += fit(model, watching, epoch, epoch + 1, validation_data=VALIDATION).history["loss"]
        assert open_event_files(tmp_path) == []
    # Where it can be seen is said once a run, not once a fit.
    assert capsys.readouterr().out == "".join(seen_at(tmp_path / name / "run") for name in ("whole", "turns"))
    assert folders(tmp_path / "turns") == ["run"]
    found = {}
    for name in ("whole", "turns"):
        run = tmp_path / name / "run"
        # `read_values` refuses one step twice, and takes a tag's plugin from its first event.
        read = {"run": read_values(our_event_file(run))}
        read |= {part: read_values(our_event_file(run / part)) for part in ("train", "validation")}
        pictures = read["run"].pop("images")
        assert {tag for tag, drawn in pictures.items() if 5 not in drawn} == {"diagram/model", "diagram/unrolled"}
        found[name] = {part: steps(values) for part, values in read.items()}, set(pictures)
    assert found["turns"] == found["whole"]
    assert set(found["turns"][0]["run"]) == {"histograms", "scalars", "rnn_tutorial", "graphs"} - {"graphs"}
    assert found["turns"][0]["train"]["scalars"]["epoch_loss"] == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(list(read["train"]["scalars"]["epoch_loss"].values()), history, rtol=1e-6)
    assert set(diagnosis.read(tmp_path / "turns" / "run").scalars["val_loss"]) == {0, 1, 2, 3, 4, 5}


def test_a_graph_is_written_once(tmp_path, read_events, our_event_file):
    model = simple()
    for epoch in range(3):
        fit(model, observe(tmp_path / "run", pictures=False), epoch, epoch + 1)
    assert len([event for event in read_events(our_event_file(tmp_path / "run")) if event.graph_def]) == 1


def test_tensorboard_follows_a_run_that_goes_on(tmp_path, shows):
    model = simple()
    fit(model, observe(tmp_path / "run"), 0, 2, validation_data=VALIDATION)
    shown = shows(tmp_path)
    wait_for(lambda: losses(shown(), "run/validation") == [0, 1])
    for epoch in range(2, 5):
        fit(model, observe(tmp_path / "run"), epoch, epoch + 1, validation_data=VALIDATION)
    wait_for(lambda: losses(shown(), "run/validation") == [0, 1, 2, 3, 4])
    wait_for(lambda: losses(shown(), "run/train") == [0, 1, 2, 3, 4])
    wait_for(lambda: len(shown()["run"]["gradient_norm/global"]) == 5)
    assert set(shown()) == {"run", "run/train", "run/validation"}


class Stop(keras.callbacks.Callback):
    """End training with an exception before an epoch, once."""

    def __init__(self, epoch):
        super().__init__()
        self.at = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            self.at = None
            raise KeyboardInterrupt


@pytest.mark.parametrize("is_first", [True, False], ids=["before ours", "behind ours"])
@pytest.mark.parametrize("is_kept", [True, False], ids=["exception kept", "exception gone"])
def test_backup_and_restore(tmp_path, read_values, our_event_file, open_event_files, is_first, is_kept):
    model, stop, kept = simple(), Stop(3), []

    def watching():
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        looking = observe(tmp_path / "logs" / "run")
        return [stop, backup, *looking] if is_first else [stop, *looking, backup]

    try:
        fit(model, watching(), 0, 6)
    except KeyboardInterrupt as error:
        kept += [error] if is_kept else []
    fit(model, watching(), 0, 6)
    assert folders(tmp_path / "logs") == ["run"]
    found = read_values(our_event_file(tmp_path / "logs" / "run"))
    assert list(found["histograms"]["weights/cell/kernel"]) == [0, 1, 2, 3, 4, 5]
    assert list(found["scalars"]["gradient_norm/global"]) == [0, 1, 2, 3, 4, 5]
    train = read_values(our_event_file(tmp_path / "logs" / "run" / "train"))
    assert list(train["scalars"]["epoch_loss"]) == [0, 1, 2, 3, 4, 5]
    assert open_event_files(tmp_path) == []


def test_what_was_drawn_and_known_goes_on(tmp_path, capsys):
    model = simple(optimizer=keras.optimizers.SGD(0.0))  # which changes nothing
    told = []
    for first, last in ((0, 2), (2, 3), (3, 8)):
        watching = [*observe(tmp_path / "run", PROBE), HealthCheck(tmp_path / "run")]
        history = fit(model, watching, first, last).history
        told += [line for line in capsys.readouterr().out.splitlines() if line.startswith("HealthCheck, epoch")]
    by_class = {type(callback).__name__: callback for callback in watching}
    assert by_class["LearningCurves"].epochs == list(range(8))
    assert by_class["LearningCurves"].history["loss"][3:] == history["loss"]
    assert len(by_class["LearningCurves"].history["loss"]) == 8
    assert [epoch for epoch, _ in by_class["GradientFlow"]._history["cell"]] == list(range(8))
    assert set(by_class["HealthCheck"]._record.scalars["loss"]) == set(range(8))
    assert len([line for line in told if "warning: frozen in cell/kernel" in line]) == 1


def test_a_new_run_knows_nothing_of_the_last_one(tmp_path):
    model = simple()
    curves = LearningCurves(tmp_path / "run")
    fit(model, [curves], 0, 3)
    before = curves.history
    fit(model, [curves], 0, 2)
    assert curves.epochs == [0, 1]
    assert len(before["loss"]) == 3
    assert folders(tmp_path) == ["run", "run_2"]
    fit(model, [curves], 2, 3)  # behind the second
    assert curves.epochs == [0, 1, 2]
    assert folders(tmp_path) == ["run", "run_2"]


@pytest.mark.parametrize("first", [0, 1, 2])
def test_epochs_that_are_there_already_get_a_new_folder(tmp_path, read_values, our_event_file, first):
    model = simple()
    fit(model, [WeightHistograms(tmp_path / "run")], 0, 3)
    fit(model, [WeightHistograms(tmp_path / "run")], first, 4)
    assert folders(tmp_path) == ["run", "run_2"]
    found = read_values(our_event_file(tmp_path / "run_2"))["histograms"]["weights/cell/kernel"]
    assert list(found) == list(range(first, 4))


def test_every_counts_from_the_first_epoch_of_the_run(tmp_path, read_values, our_event_file):
    model = simple()
    for epoch in range(1, 8):
        fit(model, [WeightHistograms(tmp_path / "run", every=3)], epoch, epoch + 1)
    assert list(read_values(our_event_file(tmp_path / "run"))["histograms"]["weights/cell/kernel"]) == [1, 4, 7]


def test_models_in_turn_have_a_run_each(tmp_path, read_values, our_event_file):
    models = [simple(), simple()]
    for epoch in range(3):
        for model in models:
            fit(model, [WeightHistograms(tmp_path / "run")], epoch, epoch + 1)
    assert folders(tmp_path) == ["run", "run_2"]
    for name in ("run", "run_2"):
        assert list(read_values(our_event_file(tmp_path / name))["histograms"]["weights/cell/kernel"]) == [0, 1, 2]


def test_another_model_of_this_process_does_not_go_on(tmp_path):
    for first in (0, 2, 0):  # as in a cross-validation, or with a model that was built again
        fit(simple(), [WeightHistograms(tmp_path / "run")], first, first + 2)
    assert folders(tmp_path) == ["run", "run_2", "run_3"]


def test_several_runs_of_one_model_go_on(tmp_path, read_values, our_event_file):
    model = simple()
    for epoch in range(3):
        fit(model, [WeightHistograms(tmp_path / name) for name in ("a", "b")], epoch, epoch + 1)
    assert folders(tmp_path) == ["a", "b"]
    for name in ("a", "b"):
        assert list(read_values(our_event_file(tmp_path / name))["histograms"]["weights/cell/kernel"]) == [0, 1, 2]


def test_what_counts_updates_goes_on_where_a_model_is_compiled_again(tmp_path, read_values, our_event_file):
    """As in fine-tuning: the new optimizer counts from 0."""
    model = simple()
    for first in (0, 2):
        watching = [*observe(tmp_path / "run")[:2], GradientHistograms(tmp_path / "run", per_batch=True)]
        fit(model, watching, first, first + 2, validation_data=VALIDATION)
        model.compile("adam", "mse", run_eagerly=model.run_eagerly)
    found = read_values(our_event_file(tmp_path / "run" / "validation"))["scalars"]
    assert list(found["evaluation_loss_vs_iterations"]) == [3, 6, 9, 12]
    found = read_values(our_event_file(tmp_path / "run"))["scalars"]
    assert list(found["gradient_norm_batch/global"]) == list(range(12))


def test_no_more_frames_than_the_tab_takes(tmp_path, read_values, our_event_file):
    model, count = simple(), 120
    for epoch in range(count):
        model.fit(
            X[:2], Y[:2], initial_epoch=epoch, epochs=epoch + 1, verbose=0,
            callbacks=[StateHeatmaps(tmp_path / "run", PROBE, pictures=False)],
        )  # fmt: skip
    frames = list(read_values(our_event_file(tmp_path / "run"))["rnn_tutorial"]["rnn/cell/states"])
    assert frames[:20] == list(range(20))
    assert len(frames) < 80


def test_an_embedding_before_training_stays_that(tmp_path, another_process):
    from google.protobuf import text_format
    from tensorboard.plugins.projector import projector_config_pb2

    def train(model, first):
        model.fit(
            np.array([[0, 1], [1, 2]]), np.array([1, 2]), initial_epoch=first, epochs=first + 1, verbose=0,
            callbacks=[callbacks.EmbeddingProjector(tmp_path / "run", list("abc"))],
        )  # fmt: skip
        config = (tmp_path / "run" / "projector_config.pbtxt").read_text()
        there = text_format.Parse(config, projector_config_pb2.ProjectorConfig()).embeddings
        before = (tmp_path / "run" / "embedding_before_training.tsv").read_text()
        return [one.tensor_name for one in there], before

    def build():
        stack = [keras.Input((2,)), layers.Embedding(3, 4), layers.SimpleRNN(2), layers.Dense(3, activation="softmax")]
        model = keras.Sequential(stack)
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    model = build()
    names, before = train(model, 0)
    assert set(names) == {"embedding before training", "embedding after epoch 0", "embedding"}
    assert train(model, 1) == ([*names, "embedding after epoch 1"], before)
    another_process()
    assert train(build(), 2) == ([*names, "embedding after epoch 1", "embedding after epoch 2"], before)
    assert folders(tmp_path) == ["run"]


class Own(Observer):
    """What a user may write: it has its run in `begin`, and remembers."""

    def begin(self):
        self.places = [*getattr(self, "places", []), self.run.log_dir.name]
        self.seen = self.kept("seen", list)

    def record(self, epoch, logs):
        self.seen.append(epoch)


def test_an_observer_of_ones_own(tmp_path):
    model, own = simple(), Own(tmp_path / "run")
    for first in (0, 1, 0):
        fit(model, [own], first, first + 1)
    assert own.places == ["run", "run", "run_2"]
    assert own.seen == [0]
    fit(model, [Own(tmp_path / "run")], 1, 2)
    assert own.seen == [0, 1]


def test_a_fit_without_epochs_makes_no_run(tmp_path):
    fit(simple(), observe(tmp_path / "run"), 3, 3)
    assert list(tmp_path.iterdir()) == []


def test_a_fit_inside_of_a_fit(tmp_path, read_values, our_event_file):
    model = simple()
    inner = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: fit(other, [WeightHistograms(tmp_path / "run")], epoch, epoch + 1)
    )
    other = simple()
    fit(model, [WeightHistograms(tmp_path / "run"), inner], 0, 3)
    assert folders(tmp_path) == ["run", "run_2"]
    for name in ("run", "run_2"):
        assert list(read_values(our_event_file(tmp_path / name))["histograms"]["weights/cell/kernel"]) == [0, 1, 2]


def test_a_folder_that_is_gone_when_training_goes_on(tmp_path, read_values, our_event_file):
    import shutil

    model = simple()
    fit(model, [WeightHistograms(tmp_path / "run")], 0, 2)
    shutil.rmtree(tmp_path / "run")
    fit(model, [WeightHistograms(tmp_path / "run")], 2, 4)
    assert list(read_values(our_event_file(tmp_path / "run"))["histograms"]["weights/cell/kernel"]) == [2, 3]


def test_a_run_that_gave_up_does_not_go_on(tmp_path, monkeypatch, recorded_warnings, read_values, our_event_file):
    """What was lost with it may be the beginning of a tag."""
    model, real, full = simple(), os.write, []

    def write(descriptor, content):
        if full and ".rnn_tutorial" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(28, "No space left on device")
        return real(descriptor, content)

    monkeypatch.setattr(os, "write", write)
    fill = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: full.append(epoch) if epoch == 1 else None)
    with recorded_warnings() as caught:
        fit(model, [WeightHistograms(tmp_path / "run"), fill], 0, 2)
    assert len(ours(caught)) == 1
    full.clear()
    fit(model, [WeightHistograms(tmp_path / "run")], 2, 4)
    assert list(read_values(our_event_file(tmp_path / "run"))["histograms"]["weights/cell/kernel"]) == [0]
    assert list(read_values(our_event_file(tmp_path / "run_2"))["histograms"]["weights/cell/kernel"]) == [2, 3]


@pytest.mark.parametrize("what", ["appended", "another file"])
def test_a_run_that_somebody_else_wrote_to_does_not_go_on(tmp_path, our_event_file, what):
    model = simple()
    fit(model, observe(tmp_path / "run", pictures=False), 0, 2)
    train = tmp_path / "run" / "train"
    if what == "appended":
        path = our_event_file(train)
        path.write_bytes(path.read_bytes() * 2)
    else:
        keras_own = keras.callbacks.TensorBoard(tmp_path / "run", write_graph=False)
        fit(model, [keras_own], 2, 3)
    size = [path.stat().st_size for path in sorted(train.iterdir())]
    fit(model, observe(tmp_path / "run", pictures=False), 3, 4)
    assert folders(tmp_path) == ["run", "run_2"]
    assert [path.stat().st_size for path in sorted(train.iterdir())] == size


def test_warnings_that_are_errors_end_no_training(tmp_path, capsys, told_instead):
    (tmp_path / "file").write_text("")
    model = simple()
    assert len(fit(model, observe(tmp_path / "file" / "run"), 0, 2).epoch) == 2  # pytest has made errors of them
    assert capsys.readouterr().err.count("RuntimeWarning: nothing more is logged to") == 1
    told_instead.clear()


# Another process


def test_a_new_process_goes_on_behind_the_last_epoch(tmp_path, run_python, read_values, our_event_file, read_events):
    program = """
        import sys
        import keras
        import numpy as np
        from rnn_tutorial.callbacks import observe

        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((4, 2)), keras.layers.SimpleRNN(1, name="cell")])
        model.compile("sgd", "mse", run_eagerly=True)
        x, y = np.ones((8, 4, 2), "float32"), np.ones((8, 1), "float32")
        watching = observe(sys.argv[1], probe=(x[:2], y[:2]))
        first, last = map(int, sys.argv[2:])
        model.fit(x, y, initial_epoch=first, epochs=last, verbose=0, validation_data=(x, y), callbacks=watching)
        """
    run = tmp_path / "run"
    lines = [run_python(program, run, *epochs, TF_CPP_MIN_LOG_LEVEL="3") for epochs in ((0, 2), (2, 4), (3, 4))]
    assert lines[0] == seen_at(run)
    assert lines[1] == f"{run} holds the epochs before epoch 2; this run goes on there\n{seen_at(run)}"
    assert lines[2] == f"{run} holds a run already; this one goes to {run}_2\n{seen_at(f'{run}_2')}"
    assert folders(tmp_path) == ["run", "run_2"]
    found = read_values(our_event_file(run))
    for plugin, tag in (
        ("histograms", "weights/cell/kernel"),
        ("scalars", "gradient_norm/global"),
        ("rnn_tutorial", "rnn/cell/grad_flow"),
        ("rnn_tutorial", "rnn/cell/states"),
    ):
        assert list(found[plugin][tag]) == [0, 1, 2, 3]
    assert list(found["images"]["diagram/model"]) == [0]
    for part in ("train", "validation"):
        assert list(read_values(our_event_file(run / part))["scalars"]["epoch_loss"]) == [0, 1, 2, 3]
    # What a tag is stands in its first event alone.
    described = [
        value.tag
        for event in read_events(our_event_file(run))
        for value in event.summary.value
        if value.HasField("metadata")
    ]
    assert len(described) == len(set(described)) == sum(map(len, found.values()))
    assert len([event for event in read_events(our_event_file(run)) if event.graph_def]) == 1


def test_of_several_runs_the_one_that_ends_last_before_goes_on(tmp_path, another_process, read_values, our_event_file):
    for last in (4, 6, 2):
        fit(simple(), [WeightHistograms(tmp_path / "run")], 0, last)
    for first, expected in ((6, "run_2"), (2, "run_3"), (5, "run"), (3, "run_3"), (1, "run_4"), (0, "run_5")):
        another_process()
        fit(simple(), [WeightHistograms(tmp_path / "run")], first, first + 1)
        written = {name: read_values(our_event_file(tmp_path / name)) for name in folders(tmp_path)}
        last = {name: list(values["histograms"]["weights/cell/kernel"])[-1] for name, values in written.items()}
        assert last[expected] == first
    assert folders(tmp_path) == ["run", "run_2", "run_3", "run_4", "run_5"]


def test_of_two_runs_that_end_alike_the_later_one_goes_on(tmp_path, another_process):
    for _ in range(2):
        fit(simple(), [WeightHistograms(tmp_path / "run")], 0, 2)
    another_process()
    own = Own(tmp_path / "run")
    fit(simple(), [own], 2, 3)
    assert own.places == ["run_2"]


@pytest.mark.parametrize("name", ["run", "../run", "."])
def test_folders_by_other_names(tmp_path, monkeypatch, another_process, name):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    fit(simple(), [WeightHistograms(name)], 0, 2)
    fit(simple(), [WeightHistograms(name)], 0, 1)
    before = {path: path.stat().st_size for path in tmp_path.rglob("*tfevents*")}
    another_process()
    fit(simple(), [WeightHistograms(name)], 2, 3)
    after = {path: path.stat().st_size for path in tmp_path.rglob("*tfevents*")}
    assert set(after) == set(before)
    assert len([path for path in before if after[path] > before[path]]) == 1


@pytest.mark.parametrize("where", [".", "train"])
def test_half_a_record_is_left_as_it_is(tmp_path, another_process, our_event_file, shows, where):
    """As after a kill: TensorBoard may have read it already, and wait for the other half."""
    fit(simple(), observe(tmp_path / "run", pictures=False), 0, 3)
    path = our_event_file(tmp_path / "run" / where)
    with path.open("ab") as file:
        file.write(path.read_bytes()[:20])
    size = path.stat().st_size
    another_process()
    fit(simple(), observe(tmp_path / "run", pictures=False), 3, 5)
    assert path.stat().st_size == size
    assert folders(tmp_path) == ["run", "run_2"]
    shown = shows(tmp_path)
    wait_for(lambda: losses(shown(), "run_2/train") == [3, 4])
    wait_for(lambda: losses(shown(), "run/train") == [0, 1, 2])


def test_a_run_that_is_still_written_is_left_alone(tmp_path, another_process):
    with recording.Run(tmp_path / "run") as run:
        run.scalar("s", 1, 0)
        run.flush()
        another_process()
        fit(simple(), [WeightHistograms(tmp_path / "run")], 1, 2)
    assert folders(tmp_path) == ["run", "run_2"]


def test_a_run_of_an_older_version_is_left_alone(tmp_path, another_process, our_event_file):
    """There Keras wrote the scalars."""
    model = simple()
    fit(model, [WeightHistograms(tmp_path / "run")], 0, 2)
    keras_own = keras.callbacks.TensorBoard(tmp_path / "run", write_graph=False)
    fit(model, [keras_own], 0, 2)
    another_process()
    fit(simple(), observe(tmp_path / "run", pictures=False), 2, 3)
    assert folders(tmp_path) == ["run", "run_2"]
    assert len(list((tmp_path / "run" / "train").iterdir())) == 1


# Others who write


@pytest.mark.parametrize(
    ("theirs", "asked", "taken", "is_first"),
    [
        ("run", "run", "run_2", True),
        ("run", "run", "run_2", False),
        ("run/train", "run", "run_2", False),
        (".", "run", "run", True),
        (".", "train", "train_2", False),
        ("run/deeper", "run", "run", True),
        ("other/../run", "run", "run_2", False),
    ],
)
def test_beside_a_tensorboard_callback(tmp_path, capsys, shows, is_first, theirs, asked, taken):
    (tmp_path / "other").mkdir()
    keras_own = keras.callbacks.TensorBoard(tmp_path / theirs, write_graph=False)
    watching = observe(tmp_path / asked, pictures=False)
    capsys.readouterr()
    together = [keras_own, *watching] if is_first else [*watching, keras_own]
    fit(simple(), together, 0, 3, validation_data=VALIDATION)
    line = f"{tmp_path / asked} is written to by a TensorBoard callback; this one goes to {tmp_path / taken}\n"
    assert capsys.readouterr().out == ("" if taken == asked else line)
    theirs = os.path.normpath(theirs)
    expected = {f"{taken}/train", f"{taken}/validation"}
    expected |= {str(pathlib.PurePosixPath(theirs) / part) for part in ("train", "validation")}
    shown = shows(tmp_path)
    wait_for(lambda: {run for run in shown() if losses(shown(), run) == [0, 1, 2]} == expected)
    wait_for(lambda: "gradient_norm/global" in shown().get(taken, {}))
    assert {run for run, tags in shown().items() if "epoch_loss" in tags} == expected
    assert set(diagnosis.read(tmp_path / taken).scalars["val_loss"]) == {0, 1, 2}


@pytest.mark.parametrize("theirs", ["run", "run/train"])
def test_behind_an_earlier_tensorboard_callback(tmp_path, capsys, shows, theirs):
    fit(simple(), [keras.callbacks.TensorBoard(tmp_path / theirs)], 0, 3)
    before = sorted(tmp_path.rglob("*tfevents*"))
    watching = observe(tmp_path / "run")
    capsys.readouterr()
    fit(simple(), watching, 0, 2)
    assert capsys.readouterr().out == f"{tmp_path}/run holds a run already; this one goes to {tmp_path}/run_2\n"
    assert sorted((tmp_path / "run").rglob("*tfevents*")) == before
    shown = shows(tmp_path)
    wait_for(lambda: losses(shown(), "run_2/train") == [0, 1])
    wait_for(lambda: losses(shown(), f"{theirs}/train") == [0, 1, 2])


@pytest.mark.parametrize(("first", "second"), [("run", "run/train"), ("run/validation", "run")])
def test_a_folder_inside_of_another_run(tmp_path, read_values, our_event_file, first, second):
    watching = [*observe(tmp_path / first, pictures=False), *observe(tmp_path / second, pictures=False)]
    fit(simple(), watching, 0, 2, validation_data=VALIDATION)
    for folder in (tmp_path / first, tmp_path / f"{second}_2"):
        assert list(read_values(our_event_file(folder))["scalars"]["gradient_norm/global"]) == [0, 1]
        for part in ("train", "validation"):
            assert list(read_values(our_event_file(folder / part))["scalars"]["epoch_loss"]) == [0, 1]


def test_a_tensorboard_callback_that_joins_later(tmp_path):
    model = simple()
    fit(model, observe(tmp_path / "run", pictures=False), 0, 2)
    together = [keras.callbacks.TensorBoard(tmp_path / "run"), *observe(tmp_path / "run", pictures=False)]
    fit(model, together, 2, 4)
    fit(model, together, 4, 5)
    assert folders(tmp_path) == ["run", "run_2"]
    assert len(list((tmp_path / "run_2" / "train").iterdir())) == 1


# Forks


def test_a_forked_child_has_no_part_in_its_parents_fit(tmp_path, run_python, read_values, our_event_file):
    """Not even where it goes on to the end of training, and tidies up as a program does that ends."""
    printed = run_python(
        """
        import os, sys, warnings, weakref
        import keras
        import numpy as np
        from rnn_tutorial.callbacks import HealthCheck, LearningCurves, WeightHistograms

        def fork(epoch, logs):
            if epoch == 1:
                child = os.fork()
                if child == 0:
                    for callback in watching:
                        callback.on_epoch_end(2, logs)
                        callback.on_train_end()
                    weakref.finalize._exitfunc()
                    os._exit(0)
                assert os.waitpid(child, 0)[1] == 0

        warnings.filterwarnings("ignore", "os.fork")  # JAX has threads, which are not used here
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="head")])
        model.compile("sgd", "mse", run_eagerly=True)
        watching = [make(sys.argv[1]) for make in (WeightHistograms, LearningCurves, HealthCheck)]
        callbacks = [*watching, keras.callbacks.LambdaCallback(on_epoch_end=fork)]
        model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=4, verbose=0, callbacks=callbacks)
        """,
        tmp_path / "run",
        TF_CPP_MIN_LOG_LEVEL="3",
    )
    assert printed.count("HealthCheck of") == 1
    found = read_values(our_event_file(tmp_path / "run"))
    assert list(found["histograms"]["weights/head/kernel"]) == [0, 1, 2, 3]
    assert {0, 3} <= set(found["images"]["curves"])
    assert list(found["text"]["health/summary"]) == [3]


def test_a_forked_child_has_a_run_of_its_own(tmp_path, run_python, read_values, our_event_file):
    run_python(
        """
        import os, sys, warnings
        import keras
        import numpy as np
        from rnn_tutorial.callbacks import WeightHistograms

        warnings.filterwarnings("ignore", "os.fork")
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="head")])
        model.compile("sgd", "mse", run_eagerly=True)

        def train(first, last):
            looking = [WeightHistograms(sys.argv[1])]
            arguments = {"initial_epoch": first, "epochs": last, "verbose": 0, "callbacks": looking}
            model.fit(np.ones((4, 2)), np.ones((4, 1)), **arguments)

        train(0, 2)
        child = os.fork()
        if child == 0:
            train(2, 4)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        train(2, 3)
        """,
        tmp_path / "run",
        TF_CPP_MIN_LOG_LEVEL="3",
        KERAS_BACKEND="jax",  # TensorFlow's own threads are missing in a child
    )
    assert folders(tmp_path) == ["run", "run_2"]
    for name, expected in (("run", [0, 1, 2]), ("run_2", [2, 3])):
        found = read_values(our_event_file(tmp_path / name))["histograms"]["weights/head/kernel"]
        assert list(found) == expected
