"""The lessons: run to their end without a screen, and their variables and event files say what the text says."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator

LESSONS = pathlib.Path(__file__).parent.parent / "lessons"
NAMES = sorted(path.stem for path in LESSONS.glob("[0-9][0-9]_*.py"))


def tags_of(folder):
    """{kind: set of tags} of the one event file of ours in a folder."""
    (path,) = folder.glob("*tfevents*.rnn_tutorial")
    events = event_accumulator.EventAccumulator(str(path), size_guidance={"tensors": 0})
    events.Reload()
    kinds = {}
    for tag in events.Tags()["tensors"]:
        plugin = events.SummaryMetadata(tag).plugin_data.plugin_name
        kinds.setdefault(plugin, set()).add(tag)
    return kinds


def weight_tags(kind, layers):
    return {f"{kind}/{layer}/{weight}" for layer, weights in layers.items() for weight in weights}


RECURRENT = ("kernel", "recurrent_kernel", "bias")
DENSE = ("kernel", "bias")
WATCHED = {"curves", "diagram/model", "diagram/unrolled"}


def test_every_lesson_has_a_test():
    assert NAMES == ["01_forward_by_hand", "02_next_letter", "05_forecast_sales"]


def test_01_published_numbers(lesson):
    v, _ = lesson("01_forward_by_hand")
    # Literals of the published forward pass.
    assert np.tanh([-1.8, 1.1, 0.9]).round(1).tolist() == [-0.9, 0.8, 0.7]
    assert v["memory"].round(1).tolist() == [-0.9, 0.8, 0.7]
    np.testing.assert_allclose(v["memory"] @ v["published"][3] + v["b_y"], [-0.7, -0.5, 3.3, 0.0, -0.7], atol=1e-12)
    assert round(v["probability_of_c"], 2) == 0.91
    assert v["forward_difference"] < 1e-6
    assert v["largest_error"] < 1e-7
    assert v["step_difference"] < 1e-6


def test_01_gradients_against_keras(lesson):
    """The gradients by hand, against TensorFlow's tape on the same network."""
    import tensorflow as tf

    v, _ = lesson("01_forward_by_hand")
    model = v["model"]
    model.set_weights(v["published"])
    with tf.GradientTape() as tape:
        loss = v["summed"](np.array([v["targets"]]), model(v["xs"][np.newaxis].astype("float32")))
    for ours, theirs in zip(v["by_hand"], tape.gradient(loss, model.trainable_variables), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_01_events(lesson):
    v, folder = lesson("01_forward_by_hand")
    layers = {"cell": RECURRENT, "output": DENSE}
    assert tags_of(folder / "by_hand") == {
        "scalars": {"loss"},
        "histograms": weight_tags("weights", layers) | weight_tags("gradients", layers),
        "images": {"states_picture/cell"},
    }
    assert v["losses"][-1] < v["losses"][0] / 2


def test_02_learns_the_alphabet(lesson):
    v, _ = lesson("02_next_letter")
    assert v["answers"] == "bcdea"
    assert v["final_accuracy"] == 1.0
    assert v["model"].count_params() == 47
    assert v["accuracies"][-1] == 1.0


def test_02_measures_memory_units(lesson):
    v, _ = lesson("02_next_letter")
    assert set(v["needed"]) == {1, 2, 3}
    assert all(count is not None and count <= 100 for count in v["needed"][3])
    assert sum(count is not None for count in v["needed"][1]) < len(v["needed"][1])


def test_02_writes_every_number(lesson):
    v, folder = lesson("02_next_letter")
    text = (folder / "weights.txt").read_text()
    assert "..." not in text
    blocks = [block.partition("\n")[2] for block in text.strip().split("\n\n")]
    numbers = [float(number) for block in blocks for number in re.findall(r"-?\d+\.\d*(?:e[+-]?\d+)?", block)]
    expected = np.concatenate([np.ravel(weight) for weight in v["model"].get_weights()])
    np.testing.assert_allclose(numbers, expected, rtol=1e-6)


def test_02_events(lesson):
    _, folder = lesson("02_next_letter")
    assert tags_of(folder / "training") == {
        "histograms": weight_tags("weights", {"simple_rnn": RECURRENT, "output": DENSE}),
        "images": WATCHED,
    }
    assert list((folder / "training" / "train").glob("*tfevents*.v2"))


def test_02_goes_on_and_answers(lesson, run_lesson, monkeypatch, capsys):
    """--resume finds the checkpoint though the run has another folder; --predict answers until the input ends."""
    v, folder = lesson("02_next_letter")
    asked = iter(["a", "ä", "e"])

    def answer(prompt=""):
        print(prompt, end="")
        try:
            return next(asked)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", answer)
    again = run_lesson("02_next_letter", folder, "--resume", "--predict", "--epochs", "5")
    assert again["losses"][0] == pytest.approx(v["losses"][-1], rel=0.05)
    assert (folder / "training_2").is_dir()
    printed = capsys.readouterr().out
    assert "a -> b" in printed
    assert "e -> a" in printed
    assert "unknown letter 'ä'" in printed
    assert "the alphabet is 'abcde'" in printed


def test_02_resume_without_a_checkpoint(tmp_path, run_lesson):
    with pytest.raises(SystemExit, match=r"there is no .*best\.keras"):
        run_lesson("02_next_letter", tmp_path, "--resume")


@pytest.mark.parametrize("way", ["recursive", "direct"])
def test_05_forecasts_the_quarter(lesson, way):
    v, _ = lesson("05_forecast_sales")
    np.testing.assert_allclose(v[way], [700, 750, 800], rtol=0.05)
    assert v[way].index.astype(str).tolist() == ["2025-01", "2025-02", "2025-03"]


def test_05_against_the_others(lesson):
    v, _ = lesson("05_forecast_sales")
    assert v["forecasts"]["drift"].tolist() == [700, 750, 800]
    assert v["forecasts"]["last_value"].tolist() == [650, 650, 650]
    assert v["raw"].iloc[0] < 100  # a long way from 700
    assert v["model"].count_params() == v["raw_model"].count_params() == 49_985


def test_05_events(lesson):
    _, folder = lesson("05_forecast_sales")
    layers = {"lstm": RECURRENT, "lstm_1": RECURRENT, "output": DENSE}
    for run in ("recursive", "direct", "raw"):
        assert tags_of(folder / run) == {"histograms": weight_tags("weights", layers), "images": WATCHED}
    assert tags_of(folder / "forecast") == {"images": {"forecast"}}
    assert (folder / "forecast" / "forecast.png").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_form(name):
    """Each lesson is percent-format with header, look, exercises, and ends by saying what was found."""
    text = (LESSONS / f"{name}.py").read_text(encoding="utf-8")
    assert text.startswith(f'# %% [markdown]\n"""{name[:2]} · ')
    for part in (
        "**What you will see:**",
        "**Takes** about",
        "Look\n" if name[:2] != "05" else "look\n",
        "lesson.end(",
    ):
        assert part in text
    exercises = text.partition("## Exercises\n")[2]
    assert re.findall(r"^# (\d)\. ", exercises, re.MULTILINE) == ["1", "2", "3"]


def test_alone_from_its_own_folder(tmp_path):
    """As in a notebook's kernel: started in the folder of the lessons, `logs` is the one at the top."""
    (tmp_path / "lessons").mkdir()
    code = "from rnn_tutorial import lesson; print(lesson.start('x', 1, 1).log_dir)"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "lessons", capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == os.path.join("..", "logs", "x")
    assert printed.stderr == ""  # none of TensorFlow's start-up noise


@pytest.mark.parametrize(("option", "value"), [("--epochs", "0"), ("--seed", "-1"), ("--epochs", "many")])
def test_wrong_arguments(option, value, tmp_path, run_lesson, capsys):
    with pytest.raises(SystemExit) as ended:
        run_lesson("02_next_letter", tmp_path / "none", option, value)
    assert ended.value.code == 2
    assert repr(value) in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
