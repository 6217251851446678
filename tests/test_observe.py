"""What `observe` puts together and leaves out, and a reader's own callback beside it."""

import pathlib
import re

import keras
import numpy as np
import pytest
from keras import layers

from rnn_tutorial import callbacks

X = np.random.default_rng(0).normal(size=(16, 4, 1)).astype("float32")
Y = np.zeros((16, 1), "float32")
GUIDE = pathlib.Path(__file__).parent.parent / "docs" / "own_callbacks.md"


def model():
    keras.utils.set_random_seed(0)
    built = keras.Sequential([keras.Input((4, 1)), layers.SimpleRNN(3, name="cell"), layers.Dense(1, name="head")])
    built.compile("sgd", "mse")
    return built


def fit(watching, epochs=2):
    model().fit(X, Y, epochs=epochs, batch_size=8, verbose=0, callbacks=watching)


def kinds(watching):
    return [type(one).__name__ for one in watching]


EVERYTHING = [
    "Scalars",
    "ModelGraph",
    "WeightHistograms",
    "GradientHistograms",
    "ModelDiagram",
    "LearningCurves",
    "WeightHeatmaps",
    "GradientFlow",
    "StateHeatmaps",
]


def test_everything():
    assert kinds(callbacks.observe("logs/run", probe=(X, Y))) == EVERYTHING


@pytest.mark.parametrize("name", EVERYTHING)
def test_without_one(name):
    left = callbacks.observe("logs/run", probe=(X, Y), without=[getattr(callbacks, name)])
    assert kinds(left) == [kind for kind in EVERYTHING if kind != name]


def test_without_several():
    left_out = (callbacks.StateHeatmaps, callbacks.ModelDiagram, callbacks.StateHeatmaps)
    assert kinds(callbacks.observe("logs/run", probe=(X, Y), without=left_out)) == [
        kind for kind in EVERYTHING if kind not in ("StateHeatmaps", "ModelDiagram")
    ]


def test_what_is_left_out_writes_nothing(tmp_path, read_values, our_event_file):
    fit(callbacks.observe(tmp_path / "run", probe=(X[:4], Y[:4]), without=(callbacks.StateHeatmaps,)))
    found = read_values(our_event_file(tmp_path / "run"))
    assert set(found["rnn_tutorial"]) == {"rnn/cell/grad_flow", "rnn/cell/grad_flow_immediate"}
    assert not [tag for tag in found["scalars"] if tag.startswith("saturation/")]
    assert "gradient_flow_picture/cell" in found["images"]
    assert "states_picture/cell" not in found["images"]


def test_another_one_takes_its_place(tmp_path, read_values, our_event_file):
    apart = callbacks.GradientHistograms(tmp_path / "run", per_batch=True)
    fit([*callbacks.observe(tmp_path / "run", pictures=False, without=(callbacks.GradientHistograms,)), apart])
    found = read_values(our_event_file(tmp_path / "run"))
    assert list(found["scalars"]["gradient_norm_batch/global"]) == [0, 1, 2, 3]


def test_nothing_is_said_of_a_probe_that_nobody_needs(capsys):
    callbacks.observe("logs/run", without=(callbacks.GradientFlow, callbacks.StateHeatmaps))
    assert capsys.readouterr().out == ""
    callbacks.observe("logs/run", without=(callbacks.GradientFlow,))
    assert "no probe=(x, y) is given" in capsys.readouterr().out


@pytest.mark.parametrize(
    "without",
    [
        callbacks.StateHeatmaps,
        "StateHeatmaps",
        ("StateHeatmaps",),
        None,
        3,
        (callbacks.HealthCheck,),
        (keras.callbacks.TensorBoard,),
        [callbacks.StateHeatmaps("logs/run", probe=(X, Y))],
    ],
)
def test_a_wrong_without(without):
    with pytest.raises(ValueError, match=r"^without must .* received"):
        callbacks.observe("logs/run", without=without)


# A reader's own


def test_the_guide(tmp_path, monkeypatch, read_values, our_event_file):
    """Its programs run, and what they write is right."""
    monkeypatch.chdir(tmp_path)
    program: dict = {}
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        exec(compile(block, f"block {number} of {GUIDE.name}", "exec"), program)
        if number == 0:
            weights = {name: np.linalg.norm(value) for name, value in norms_of(program["model"]).items()}
    norms = read_values(our_event_file(tmp_path / "logs" / "norms"))["scalars"]
    for name, norm in weights.items():
        assert norms[f"weight_norm/{name}"][2] == pytest.approx(norm, rel=1e-6)
    assert "gradient_norm/global" in norms  # one run with the others
    states = read_values(our_event_file(tmp_path / "logs" / "state"))["scalars"]["mean_state/lstm"]
    cell, x = program["model"].layers[0], program["x"][:1]
    sequence = layers.LSTM(8, return_sequences=True)
    sequence.build(x.shape)
    sequence.set_weights(cell.get_weights())
    assert states[1] == pytest.approx(np.abs(np.asarray(sequence(x.astype("float32")))).mean(), rel=1e-5)


def norms_of(built):
    lstm, dense = built.layers
    names = ("lstm/kernel", "lstm/recurrent_kernel", "lstm/bias", "dense/kernel", "dense/bias")
    return dict(zip(names, [*lstm.get_weights(), *dense.get_weights()], strict=True))


def test_the_methods_in_their_order(tmp_path):
    told = []

    class Own(callbacks.Observer):
        def check(self, model):
            told.append(f"check {model.built}")

        def begin(self):
            told.append("begin")

        def record(self, epoch, logs):
            told.append(f"record {epoch}")

        def look(self, epoch, logs):
            told.append(f"look {epoch}, number {self.count_looks(epoch)}")

        def finish(self):
            told.append("finish")

        def close(self):
            told.append("close")

    fit([Own(tmp_path / "run", every=2)], epochs=3)
    assert told == [
        "check True",
        "begin",
        *("record 0", "look 0, number 1", "record 1", "record 2", "look 2, number 2"),
        *("finish", "close"),
    ]
