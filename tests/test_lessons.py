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
DRAWN = {"curves", "diagram/model", "diagram/unrolled"}
SATURATION = {
    "simple_rnn": ("hidden",),
    "lstm": ("input", "forget", "candidate", "output"),
    "gru": ("update", "reset", "candidate"),
}


def watched(layers, clipping=False, pictures=True, per_batch=False, drawn=DRAWN, tanh=True):
    """{kind: tags} of a run of `observe` with a probe; `layers` as for `weight_tags`."""
    recurrent = [layer for layer, weights in layers.items() if weights is RECURRENT]
    cell = {layer: layer.rpartition("_")[0] if layer[-1].isdigit() else layer for layer in recurrent}
    of_weights = ["gradient_norm", "gradient_norm_max", "nonfinite_batches", "update_ratio"]
    of_weights += ["gradient_norm_clipped"] * clipping + ["gradient_norm_batch"] * per_batch
    scalars = set().union(*(weight_tags(kind, layers) | {f"{kind}/global"} for kind in of_weights))
    scalars |= {f"{kind}/{layer}" for kind in ("spectral_radius", "gradient_flow_ratio") for layer in recurrent}
    if tanh:
        scalars |= {f"saturation/{layer}/{gate}" for layer in recurrent for gate in SATURATION[cell[layer]]}
    scalars |= {"clipped_batches"} if clipping else set()
    has_cell = [layer for layer in recurrent if cell[layer] == "lstm"]
    has_gates = [layer for layer in recurrent if cell[layer] != "simple_rnn"]
    tags = {
        "scalars": scalars,
        "histograms": weight_tags("weights", layers) | weight_tags("gradients", layers),
        "rnn_tutorial": {
            f"rnn/{layer}/{kind}" for layer in recurrent for kind in ("grad_flow", "grad_flow_above", "states")
        }
        | {f"rnn/{layer}/grad_flow_cell" for layer in has_cell}
        | {f"rnn/{layer}/gates" for layer in has_gates},
    }
    if pictures:
        tags["images"] = {f"{kind}_picture/{layer}" for kind in ("gradient_flow", "states") for layer in recurrent}
        tags["images"] |= {f"gates_picture/{layer}" for layer in has_gates} | drawn
        tags["images"] |= {f"weights_picture/{layer}" for layer in layers}
    return tags


def test_every_lesson_has_a_test():
    assert NAMES == [
        "01_forward_by_hand",
        "02_next_letter",
        "05_forecast_sales",
        "07_vanishing_gradients",
        "08_exploding_gradients",
        "10_inside_the_gates",
    ]


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
    assert tags_of(folder / "training") == watched({"simple_rnn": RECURRENT, "output": DENSE})
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
        assert tags_of(folder / run) == watched(layers)
    assert tags_of(folder / "forecast") == {"images": {"forecast"}}
    assert (folder / "forecast" / "forecast.png").is_file()


def test_07_gradients_vanish_and_do_not(lesson):
    v, _ = lesson("07_vanishing_gradients")
    assert v["product_error"] < 1e-4  # the Jacobians by hand against Keras
    assert v["steps_from_above"] == 1
    length, share = v["LONGEST"], v["share"]
    for name in ("simple_rnn", "lstm", "gru"):
        assert share(v["before"][name, length]) < 1e-5
        assert v["accuracy"][name, length] < 0.7
    for name in ("lstm_open", "gru_open"):
        assert share(v["before"][name, length]) > 0.05
        assert v["accuracy"][name, length] > 0.95
    # The smaller the spectral radius, the faster it vanishes, and never slower than the bound says.
    factors = [v["factors"][gain] for gain in v["GAINS"]]
    assert factors == sorted(factors)
    assert v["zeros"][v["GAINS"][0]] > 0
    for gain in v["GAINS"]:
        assert v["radii"][gain] == pytest.approx(gain, rel=1e-3)  # orthogonal
        assert v["factors"][gain] <= gain * 1.01


def test_07_events(lesson):
    v, folder = lesson("07_vanishing_gradients")
    for run, cell in (("simple_rnn", "simple_rnn"), ("lstm_open", "lstm"), ("gru_open", "gru")):
        assert tags_of(folder / run) == watched({cell: RECURRENT, "output": DENSE})
    images = {"total_and_above", "by_spectral_radius", "cell_and_hidden_state"}
    images |= {f"gradient_by_step/{length}_steps" for length in v["lengths"]}
    assert tags_of(folder / "pictures") == {"images": images}


def test_08_explodes_and_is_clipped(lesson):
    v, _ = lesson("08_exploding_gradients")
    norms = v["norms"]
    assert norms[v["spike"]] > 50 * v["calm"]
    assert np.isfinite(norms[: v["nan_batch"]]).all()
    assert not np.isfinite(norms[v["nan_batch"] :]).any()
    assert v["nan_batches"] == len(norms) - v["nan_batch"]
    assert v["cosines"]["global_clipnorm"] == pytest.approx(1, abs=1e-6)
    assert max(v["cosines"]["clipnorm"], v["cosines"]["clipvalue"]) < 0.99
    assert v["clipping_error"] < 1e-6
    assert v["accuracies"]["none"] < 0.7
    assert min(v["accuracies"]["clipnorm"], v["accuracies"]["global_clipnorm"]) > 0.95
    for way in ("clipnorm", "global_clipnorm"):
        assert len(v["clipped_batches"][way]) == v["readings"][way].clipped_batches > 0
        assert v["readings"][way].nonfinite["global"] == 0
    assert len(v["said"]) == 1
    assert "NaN" in v["said"][0]


def test_08_events(lesson):
    _, folder = lesson("08_exploding_gradients")
    layers = {"simple_rnn": RECURRENT, "output": DENSE}
    for run in ("none", "clipnorm", "global_clipnorm"):
        expected = watched(layers, clipping=run != "none", pictures=False, per_batch=True, tanh=False)
        assert tags_of(folder / run) == expected
    assert tags_of(folder / "pictures") == {"images": {"gradient_norm_by_batch", "spectral_radius_by_batch"}}


def test_10_gates_remember_the_mark(lesson):
    v, _ = lesson("10_inside_the_gates")
    assert min(v["lstm_accuracy"], v["gru_accuracy"]) > 0.97
    assert max(v["lstm_difference"], v["gru_difference"]) < 1e-5  # the equations of the text against Keras
    trained, untrained, gru = v["lstm_trained"], v["lstm_untrained"], v["gru_trained"]
    assert trained["forget"]["at"] < 0.35
    assert trained["forget"]["after"] > 0.7
    assert trained["input"]["at"] > max(0.65, trained["input"]["before"], trained["input"]["after"])
    assert trained["kept"]["after"] > 0.85
    assert 0.68 < untrained["kept"]["after"] < 0.78
    assert trained["changed"]["after"] < 0.2
    assert gru["update"]["at"] < min(gru["update"]["before"], gru["update"]["after"])
    assert gru["changed"]["after"] < 0.2


def test_10_masks_and_forget_bias(lesson):
    v, _ = lesson("10_inside_the_gates")
    np.testing.assert_array_equal(v["masked_steps"], ~v["real"])
    assert max(v["cut_difference"], v["more_difference"]) < 1e-5
    assert v["accuracies"][1, 0][-1] > 0.95  # forget bias 1
    assert v["accuracies"][0, 0][-1] < 0.7
    assert v["flows"][1, 0] > 100 * v["flows"][0, 0]


def test_10_events(lesson):
    _, folder = lesson("10_inside_the_gates")
    for cell in ("lstm", "gru"):
        tags = tags_of(folder / cell)
        assert tags == watched({cell: RECURRENT, "output": DENSE}, drawn=DRAWN - {"diagram/unrolled"})
    pictures = {f"{kind}_picture/{cell}" for kind in ("gates", "states") for cell in ("lstm", "gru")}
    assert tags_of(folder / "one_sequence") == {"images": pictures}
    assert len(list((folder / "one_sequence").glob("*.png"))) == 8


@pytest.mark.parametrize("name", NAMES)
def test_form(name):
    """Each lesson is percent-format with header, look, exercises, and ends by saying what was found."""
    text = (LESSONS / f"{name}.py").read_text(encoding="utf-8")
    assert text.startswith(f'# %% [markdown]\n"""{name[:2]} · ')
    for part in (
        "**What you will see:**",
        "**Takes** about",
        "lesson.end(",
    ):
        assert part in text
    assert re.search(r"^# ## .*[Ll]ook$", text, re.MULTILINE)
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
