"""The lessons: run to their end without a screen, and their variables and event files say what the text says."""

import argparse
import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse

import numpy as np
import pytest
import tab
from tensorboard.backend.event_processing import event_accumulator

from rnn_tutorial import diagnosis, inspection, recording
from rnn_tutorial import lesson as shared

ROOT = pathlib.Path(__file__).parent.parent
LESSONS = ROOT / "lessons"
SCREENSHOTS = ROOT / "build" / "screenshots"
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
            f"rnn/{layer}/{kind}" for layer in recurrent for kind in ("grad_flow", "grad_flow_immediate", "states")
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
        "03_letters_with_memory",
        "04_see_a_network",
        "05_forecast_sales",
        "06_backtest_sales",
        "07_vanishing_gradients",
        "08_exploding_gradients",
        "09_memory_race",
        "10_inside_the_gates",
        "11_words",
        "12_debug_clinic",
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
    assert "epoch_loss" in tags_of(folder / "training" / "train")["scalars"]


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


def test_03_reads_four_letters(lesson):
    v, _ = lesson("03_letters_with_memory")
    for name, parameters in (("one_hot", 2746), ("embedding", 2378)):
        loss, accuracy, count, epoch, _ = v["compared"][name]
        assert (accuracy, count) == (1, parameters)
        assert loss < 0.05
        assert epoch is not None
    assert v["nearest"](v["rows_after"]) > 2 * v["nearest"](v["rows_before"])
    assert v["answers"]["recurrent", 4] == v["answers"]["feed-forward", 4] == 1
    assert ("feed-forward", 3) not in v["answers"]
    assert v["feed_forward"].count_params() == 4218


def test_03_is_as_right_as_the_letters_allow(lesson):
    """Counted by hand for `she sells ...`: after one letter 24 of 38 can be known, after eight all of them."""
    v, _ = lesson("03_letters_with_memory")
    assert v["possible"] == {1: 24 / 38, 8: 1.0}
    for window, reached in v["reached"].items():
        assert reached == pytest.approx(v["possible"][window], abs=0.03)
        assert reached <= v["possible"][window] + 1e-9
    assert np.mean(v["distances"]) > 0.1  # the same letter, another memory


def test_03_loss_at_every_step(lesson):
    v, _ = lesson("03_letters_with_memory")
    every, last = v["by_loss"]["every_step"], v["by_loss"]["last_step"]
    assert (every <= np.array(v["limits"]) + 1e-9).all()
    assert every[:3].sum() > last[:3].sum()
    assert min(every[-1], last[-1]) > v["limits"][-1] - 0.06


def test_03_events(lesson):
    _, folder = lesson("03_letters_with_memory")
    layers = {"simple_rnn": RECURRENT, "output": DENSE}
    for run in ("one_hot", "sentence", "last_step", "every_step"):
        assert tags_of(folder / run) == watched(layers)
    assert tags_of(folder / "embedding") == watched({"embedding": ("embeddings",), **layers})
    assert "embedding before training" in (folder / "embedding" / "projector_config.pbtxt").read_text()
    assert tags_of(folder / "pictures") == {"images": {"hidden_state_while_reading"}}
    assert (folder / "pictures" / "hidden_state_while_reading.png").is_file()


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


def test_06_measures_every_method_on_the_same_year(lesson):
    v, _ = lesson("06_backtest_sales")
    methods = {"lstm, direct", "lstm, practised", "last_value", "drift", "seasonal_naive", "exponential_smoothing"}
    assert set(v["means"]) == methods
    series = v["series"]
    for method in methods:
        predicted = v["forecasts"][method, 0]
        assert predicted.index.equals(series.index[-12:])
        # Computed once more, from nothing but the two series.
        error = np.mean(np.abs(predicted.to_numpy() - series.to_numpy()[-12:]))
        past = series.to_numpy()[:-12]
        assert v["means"][method]["mae"] == pytest.approx(error)
        assert v["means"][method]["mase"] == pytest.approx(error / np.mean(np.abs(past[12:] - past[:-12])))


def test_06_what_it_says_of_the_methods(lesson):
    v, _ = lesson("06_backtest_sales")
    mase = {method: found["mase"] for method, found in v["means"].items()}
    assert mase["lstm, practised"] < mase["seasonal_naive"]
    assert mase["lstm, practised"] < mase["lstm, direct"]
    assert v["better"] == ["lstm, practised"]
    assert v["leaky_mase"] < 0.7 * v["honest_mase"]
    for broken in v["elsewhere"].values():
        assert broken["lstm, practised"] < broken["seasonal_naive"]


def test_06_events(lesson):
    v, folder = lesson("06_backtest_sales")
    for method in v["means"]:
        assert tags_of(folder / method.replace(", ", "_")) == {
            "hparams": {"_hparams_/session_start_info"},
            "scalars": {"mae", "mase", "smape", "seconds"},
        }
    assert tags_of(folder / "pictures") == {"images": {"last_fold"}}


def test_06_a_file_that_is_too_short(tmp_path, run_lesson):
    file = tmp_path / "short.csv"
    file.write_text("month,sales\n" + "".join(f"{2020 + k // 12}-{k % 12 + 1:02d},{k}\n" for k in range(60)))
    with pytest.raises(SystemExit, match=r"short\.csv has 60 months; this lesson needs 72"):
        run_lesson("06_backtest_sales", tmp_path / "logs", "--csv", str(file))
    with pytest.raises(SystemExit, match="cannot be read"):
        run_lesson("06_backtest_sales", tmp_path / "logs", "--csv", str(tmp_path / "none.csv"))


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


def test_09_the_race(lesson):
    v, _ = lesson("09_memory_race")
    assert v["baseline"] == pytest.approx(1 / 6, rel=0.03)
    error = {key: errors[:, -1].max() for key, errors in v["errors"].items()}
    short, long = v["lengths"]
    assert error["simple_rnn", long] > 0.1  # little better than guessing
    assert max(error[cell, short] for cell in v["CELLS"]) < 0.03
    for cell in ("lstm", "gru"):
        assert error[cell, long] < 0.1
        assert v["reaches"][cell] > 3 * v["reaches"]["simple_rnn"]
    counts = {cell: model.count_params() for cell, model in v["built"].items()}
    assert counts == {"simple_rnn": 1153, "lstm": 4513, "gru": 3489}


def test_09_events(lesson):
    v, folder = lesson("09_memory_race")
    for cell in v["CELLS"]:
        for length in v["lengths"]:
            tags = tags_of(folder / f"{cell}_{length}_steps_seed_1")
            assert tags == {
                "hparams": {"_hparams_/session_start_info"},
                "scalars": {"error", "seconds_an_epoch", "parameters"},
            }
    assert tags_of(folder / "pictures") == {"images": {"error_by_length", "error_by_epoch"}}


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


def test_07_and_10_in_the_rnn_tab(lesson, lesson_logs, serve, browser):
    """The numbers under the pointer are those that looking at the trained networks gives."""
    gradients, _ = lesson("07_vanishing_gradients")
    gates, _ = lesson("10_inside_the_gates")

    def command(port):
        return [sys.executable, "-c", tab.PROGRAM, "--logdir", str(lesson_logs), f"--port={port}", "--host=127.0.0.1"]

    page = tab.Page(browser, serve(command, "/data/environment", environment={**os.environ, "PYTHONPATH": str(ROOT)}))
    browser.set_window_size(1400, 1000)
    opened, closed = "07_vanishing_gradients/lstm_open", "07_vanishing_gradients/simple_rnn"

    def number(selector):
        return float(page.text(selector).rpartition("= ")[2].replace("−", "-"))

    def choose(*words):
        view = urllib.parse.quote(urllib.parse.urlencode(words))
        tab.wait_for(lambda: page.open(view) or page.all(tab.MAP))

    choose(("run", opened))
    browser.get_log("browser")  # The browser has asked for an icon.
    epochs, steps = gradients["settings"].epochs, gradients["LONGEST"]
    flow = gradients["after"]["lstm_open", steps]
    for step in (0, steps // 2, steps - 2):
        page.hover(tab.MAP, (step + 0.5) / steps, (epochs - 0.5) / epochs)
        tab.wait_for(lambda step=step: f"time step {step} " in page.text(".flow .readout"))
        assert page.text(".flow .readout").startswith(f"epoch {epochs - 1} ")
        assert number(".flow .readout") == pytest.approx(flow.hidden[step], rel=0.01)
    assert tab.colors(page, ".panel.flow .heatmap canvas") > 20
    # Beside it one whose gradient vanishes: as the lesson asks for it.
    choose(("run", closed), ("run", "07_vanishing_gradients/gru_open"))
    assert len(page.all(".panel.flow figure .cover")) == 2
    vanished = gradients["after"]["simple_rnn", steps].hidden
    page.hover(".panel.flow figure:nth-child(2) .cover", 0.5 / steps, (epochs - 0.5) / epochs)  # gru_open comes first
    tab.wait_for(lambda: f"epoch {epochs - 1} " in page.text(".flow .readout"))
    assert number(".flow .readout") == pytest.approx(vanished[0], rel=0.01, abs=1e-30)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.browser.save_screenshot(str(SCREENSHOTS / "rnn_lesson_07.png"))
    # The gates of the first sequence of the probe.
    choose(("run", "10_inside_the_gates/lstm"), ("kind", "gates"))
    trace = inspection.trace(gates["lstm"], gates["probe"][0][:1])["lstm"].gates["forget"][0]  # (time, units)
    tab.wait_for(lambda: [kind.text for kind in page.all(".kind h3")] == ["input", "forget", "candidate", "output"])
    time, units = trace.shape
    for step, unit in ((0, 0), (gates["MARK"], 3), (gates["MARK"] + 1, units - 1)):
        page.hover(".frames .kind:nth-child(2) .cover", (step + 0.5) / time, (unit + 0.5) / units)
        place = f"forget · unit {unit} · time step {step} · "
        tab.wait_for(lambda place=place: place in page.text(".frames .readout"))
        shown = page.text(".frames .readout").rpartition(" · ")[2]
        assert float(shown.replace("−", "-")) == pytest.approx(trace[step, unit], abs=2e-3)
    page.one("[aria-label='One frame back']").click()
    tab.wait_for(lambda: page.text(".player .epoch").startswith(f"epoch {gates['settings'].epochs - 2} of"))
    page.one(".play").click()
    tab.wait_for(lambda: page.text(".player .epoch").startswith(f"epoch {gates['settings'].epochs - 1} of"))
    page.browser.save_screenshot(str(SCREENSHOTS / "rnn_lesson_10.png"))
    assert not [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]


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


@pytest.mark.parametrize("folder", ["lessons", "lessons/solutions"])
def test_alone_from_its_own_folder(tmp_path, folder):
    """As in a notebook's kernel: started in the folder of the lessons, `logs` is the one at the top."""
    here = tmp_path / folder
    here.mkdir(parents=True)
    code = "from rnn_tutorial import lesson; print(lesson.start('x', 1, 1).log_dir)"
    printed = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == os.path.join(os.path.relpath(tmp_path, here), "logs", "x")
    assert printed.stderr == ""  # none of TensorFlow's start-up noise


@pytest.mark.parametrize(("option", "value"), [("--epochs", "0"), ("--seed", "-1"), ("--epochs", "many")])
def test_wrong_arguments(option, value, tmp_path, run_lesson, capsys):
    with pytest.raises(SystemExit) as ended:
        run_lesson("02_next_letter", tmp_path / "none", option, value)
    assert ended.value.code == 2
    assert repr(value) in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_11_perplexities(lesson):
    """Seeds 1, 2 and 123 gave 211 to 217 with --quick, on the text of Python 3.11; the unigram has 251."""
    v, _ = lesson("11_words")
    assert v["corpus"] == "python"  # --quick asks no network
    assert v["vocabulary"].words[:3] == ["<padding>", "<unknown>", "the"]
    assert len(v["ids_train"]) + len(v["ids_held_out"]) == len(v["text"])
    assert set(v["vocabulary"].words[2:]) <= set(v["text"][: v["cut"]])
    assert v["lstm_perplexity"] < 0.95 * v["unigram_perplexity"]
    assert v["bigram_perplexity"] < 0.6 * v["unigram_perplexity"] < 0.2 * len(v["vocabulary"])
    assert v["perplexity_difference"] < 1e-3
    assert v["by_words_kept"][10] == pytest.approx(v["lstm_perplexity"], rel=1e-5)
    assert set(v["by_words_kept"]) == {1, 2, 4, 10}
    assert max(v["by_words_kept"].values()) < v["unigram_perplexity"]  # the last word is there in all of them
    # By hand: the unigram's probabilities are counts, each one more than it is.
    ids, size = v["ids_train"], len(v["vocabulary"])
    counts = np.array([np.sum(ids == number) for number in range(size)]) + 1
    by_hand = np.exp(-np.mean(np.log(counts[v["y_held_out"]] / (len(ids) + size))))
    assert v["unigram_perplexity"] == pytest.approx(by_hand, rel=1e-6)


def test_11_what_it_writes_and_what_it_knows(lesson):
    v, _ = lesson("11_words")
    assert all(len(ids) == 25 and min(ids) >= 2 for ids in v["written"].values())
    assert v["commonness_at"][0.5] > 2 * v["commonness_at"][1.5]
    assert all("ValueError" not in message and message for message in v["mistakes"].values())
    assert "expected ndim=3, found ndim=2" in v["mistakes"]["ids"]
    assert v["reach"][-1] == 1
    assert v["reach"][0] < 0.1
    assert v["cost"][100] > 2 * v["cost"][10]
    assert 0.5 < v["gate_of"][v["ordered"][0]] < v["gate_of"][v["ordered"][-1]] < 1


def test_11_tells_sentences_from_shuffled_ones(lesson):
    v, _ = lesson("11_words")
    assert v["a_new"].mean() == v["a_train"].mean() == 0.5
    for right, wrong in zip(v["s_new"][0::2], v["s_new"][1::2], strict=True):
        assert sorted(right) == sorted(wrong)
        assert right.tolist() != wrong.tolist()
    assert v["order_model"].loss == "binary_crossentropy"
    assert v["order_model"].output_shape == (None, 1)
    assert v["order_accuracy"] > 0.58
    assert v["right_one_more_likely"] > 0.6


def test_11_events(lesson):
    _, folder = lesson("11_words")
    layers = {"embedding": ("embeddings",), "lstm": RECURRENT, "output": DENSE}
    expected = watched(layers)
    expected["text"] = {f"sampled/temperature_{temperature}" for temperature in ("0.5", "1", "1.5")}
    assert tags_of(folder / "words") == expected
    assert list((folder / "words").rglob("*projector_config.pbtxt"))
    weights = {"embedding": ("embeddings",), "lstm": RECURRENT, "output": DENSE}
    assert tags_of(folder / "right_order") == {"histograms": weight_tags("weights", weights), "images": {"curves"}}


def test_04_learns_the_digits_and_says_what_it_looks_at(lesson):
    v, _ = lesson("04_see_a_network")
    assert v["digits"].source == "scikit-learn"  # with --quick no network is asked
    assert v["model"].count_params() == 55_050
    assert v["accuracy"] > 0.92
    assert v["most_frequent"] < 0.15
    assert v["trained_by_mean"] > max(v["by_mean_picture"], v["untrained_by_mean"])
    # The border of the enlarged digits, which the text shows as a frame of first weights.
    blank = v["blank"].reshape(28, 28)
    assert blank[:2].all()
    assert blank[-2:].all()
    assert blank[:, :2].all()
    assert blank[:, -2:].all()
    assert v["unmoved_blank"] == 1.0
    assert v["moved_inked"] > 0.8
    assert v["misread_dirty"] > v["misread"]
    assert v["idle"].sum() > v["idle_before"].sum()
    assert v["move_by_unit"][v["idle"]].mean() < v["move_by_unit"][~v["idle"]].mean() / 2
    assert v["after"]["hidden/kernel"].std() > v["before"]["hidden/kernel"].std()


def test_04_update_ratios_are_those_of_the_events(lesson):
    v, folder = lesson("04_see_a_network")
    (path,) = (folder / "network").glob("*tfevents*.rnn_tutorial")
    events = event_accumulator.EventAccumulator(str(path), size_guidance={"tensors": 0})
    events.Reload()
    for name, ratios in v["ratios"].items():
        written = [
            float(np.frombuffer(e.tensor_proto.tensor_content, "f4")[0]) for e in events.Tensors(f"update_ratio/{name}")
        ]
        np.testing.assert_allclose(written, ratios, rtol=1e-6)
        assert ratios[-1] < ratios[0] / 1.5
        # As many steps as the epoch has cannot take the weights farther than each of them together.
        first, second = (weights[name] for weights in v["each_epoch"].weights[:2])
        way = np.linalg.norm(second - first) / np.linalg.norm(first)
        assert ratios[0] < way < 45 * 1.1 * ratios[0]


def test_04_tunes_and_debugs_by_the_curves(lesson):
    v, _ = lesson("04_see_a_network")
    loss = {choice: seen["val_loss"][-1] for choice, seen in v["tuned"].items()}
    assert v["best"] == (0.001, 32)
    assert loss[0.0001, 32] > 2 * loss[0.001, 32]
    assert loss[0.1, 32] > 1.2
    assert loss[0.001, 256] > 2 * loss[0.001, 32]
    slow = v["tuned"][0.0001, 32]["val_loss"]
    assert slow == sorted(slow, reverse=True)
    assert v["verdicts"]["two_units"] == "underfits"
    assert v["verdicts"]["by_heart"] == "overfits"
    assert v["verdicts"]["rate_0.001_batch_32"] == "neither"
    assert v["verdicts"]["rate_0.1_batch_32"] == "underfits"
    by_heart = v["by_heart"]
    assert by_heart["accuracy"][-1] == 1.0
    assert by_heart["val_loss"][-1] > 1.2 * min(by_heart["val_loss"])
    assert v["judge"]({"loss": [1.0, float("nan")], "val_loss": [1.0, float("nan")]}) == "underfits"


def test_04_events(lesson):
    v, folder = lesson("04_see_a_network")
    layers = {"hidden": DENSE, "hidden_1": DENSE, "output": DENSE}
    expected = watched(layers, drawn=DRAWN - {"diagram/unrolled"})
    assert tags_of(folder / "network") == {kind: tags for kind, tags in expected.items() if tags}
    assert tags_of(folder / "pictures") == {
        "images": {
            "digits",
            "first_layer",
            "parameters_scatter",
            "single_weights",
            "weight_norms",
            "update_ratios",
            "misread",
            "two_failures",
        },
        "text": {"results"},
    }
    for name in v["results"]:
        assert tags_of(folder / "compare" / name) == {
            "scalars": {f"{metric}/{part}" for metric in ("loss", "accuracy") for part in ("training", "validation")},
            "images": {"curves"},
            "hparams": {"_hparams_/session_start_info"},
        }
    config = (folder / "pictures" / "projector_config.pbtxt").read_text()
    assert re.findall(r'tensor_name: "(.*)"', config) == ["hidden_1 after training", "hidden_1 before training"]
    (vectors, _) = re.findall(r'tensor_path: "(.*)"', config)
    rows = np.loadtxt(folder / "pictures" / vectors, delimiter="\t")
    assert rows.shape == (len(v["x_new"]), 64)
    assert rows.min() == 0  # relu
    np.testing.assert_allclose(rows, v["activations"](v["model"], v["x_new"]), rtol=1e-4)


def test_04_says_what_is_wrong_with_the_data(tmp_path, run_lesson, monkeypatch, capsys):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "mnist.npz").write_bytes(b"not an archive")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(SystemExit, match=r"--data mnist: .*mnist\.npz is damaged"):
        run_lesson("04_see_a_network", tmp_path / "logs", "--data", "mnist")
    with pytest.raises(SystemExit):
        run_lesson("04_see_a_network", tmp_path / "logs", "--data", "cifar")
    assert "cifar" in capsys.readouterr().err
    assert not (tmp_path / "logs").exists()


@pytest.fixture(scope="module")
def clinic(run_lesson, lesson_logs):
    """Variables of lesson 12, its folder, and what it printed."""
    folder, printed = lesson_logs / "12_debug_clinic", io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        v = run_lesson("12_debug_clinic", folder)
    return v, folder, printed.getvalue()


def test_12_six_are_sick_and_one_is_healthy(clinic):
    v, _, _ = clinic
    noise = v["NOISE"] ** 2
    run = {illness: diagnosis.read(v["runs"][patient]) for patient, illness in v["patients"].items()}
    assert sorted(run) == sorted(v["ILLNESSES"])
    end = {illness: min(one.scalars["val_loss"].values()) for illness, one in run.items() if illness != "exploding"}
    assert end["leak"] < 0.8 * noise
    assert noise < end["healthy"] < 2 * noise
    assert noise < end["copy"] < 3 * noise
    assert min(end["shuffled"], end["dead"], end["scaler"]) > 2 * end["healthy"]
    assert not np.isfinite(run["exploding"].scalars["loss"][v["settings"].epochs - 1])
    likeness = {illness: max(one.scalars.get("copies_last_input", {0: -1}).values()) for illness, one in run.items()}
    assert likeness["copy"] > 0.6 > 0.45 > likeness["healthy"]
    assert min(run["scaler"].scalars[f"saturation/lstm/{gate}"][0] for gate in SATURATION["lstm"]) > 0.8
    assert run["shuffled"].scalars["saturation/lstm/candidate"][0] < 0.2


def test_12_what_a_diagnosis_finds_by_itself(clinic):
    v, _, printed = clinic
    named = {illness for patient, illness in v["patients"].items() if v["named"](illness, v["findings"][patient])}
    assert named == set(v["ILLNESSES"]) - {"leak"}
    assert v["by_itself"] == 6
    assert "`diagnose` names 6 of the seven by itself" in printed


def test_12_gives_nothing_away(clinic):
    """Not in folders, files, tags or texts; nor in what is printed, where each line is about all patients or none."""
    v, folder, printed = clinic
    words = "|".join(v["ILLNESSES"])
    assert sorted(path.name for path in folder.iterdir()) == ["clinic.json", *(f"patient_{n}" for n in range(1, 8))]
    files = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    tags = {patient: tags_of(path) for patient, path in v["runs"].items()}
    for text in (*files, *(tag for kinds in tags.values() for kind in kinds.values() for tag in kind)):
        assert not re.search(words.replace("copy|", ""), text), text
        assert "copy" not in text
    lines = [line for line in printed.splitlines() if line.startswith("patient ")]
    assert [re.sub(r"\d", "#", line).split(",")[0] for line in lines] == ["patient #: examined"] * 7
    after = printed.partition("patient 1")[2]
    assert not re.search(rf"\b({words})\b", after), after
    assert "NaN" not in after
    expected = watched({"lstm": RECURRENT, "output": DENSE}, pictures=False)
    expected["scalars"] = expected["scalars"] | {"copies_last_input"}
    expected["images"] = {f"{kind}_picture/lstm" for kind in ("states", "gates")} | {"answers"}
    may_miss = {"copies_last_input"}  # what is NaN is as far from one answer as from any other
    for patient, kinds in tags.items():
        for kind in expected:
            assert expected[kind] - kinds[kind] <= may_miss, patient
            assert kinds[kind] <= expected[kind], patient
        assert set(kinds) == set(expected)


def test_12_says_right_or_wrong_and_trains_nothing(clinic, run_lesson, capsys):
    v, folder, _ = clinic
    before = sorted(folder.rglob("*"))
    for patient, illness in v["patients"].items():
        assert v["check"](str(patient), illness)
        assert capsys.readouterr().out.startswith(f"Right: patient {patient} is '{illness}'")
        for other in set(v["ILLNESSES"]) - {illness}:
            assert not v["check"](str(patient), other)
            told = capsys.readouterr().out
            assert told.startswith(f"No: patient {patient} is not '{other}'")
            assert "Against it: " in told
    with pytest.raises(SystemExit) as end:
        run_lesson("12_debug_clinic", folder, "--answer", "1", v["patients"][1], "--seed", "5")
    assert not end.value.code
    assert capsys.readouterr().out.startswith("Right: patient 1")
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (("8", "leak"), "--answer: the patient must be one of 1, 2, 3, 4, 5, 6, 7, received '8'"),
        (("1", "flu"), "--answer: the illness must be one of leak, scaler, .*, healthy, received 'flu'"),
    ],
)
def test_12_wrong_answers_are_told_with_those_allowed(clinic, run_lesson, answer, message):
    with pytest.raises(SystemExit, match=message):
        run_lesson("12_debug_clinic", clinic[1], "--answer", *answer)


def test_12_answers_before_the_lesson_ran(tmp_path, run_lesson):
    with pytest.raises(SystemExit, match=r"there is no .*clinic\.json: run the lesson once without --answer"):
        run_lesson("12_debug_clinic", tmp_path, "--answer", "1", "leak")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("02_next_letter", "training"),
        ("03_letters_with_memory", "embedding"),
        ("05_forecast_sales", "recursive"),
        ("08_exploding_gradients", "global_clipnorm"),
        ("10_inside_the_gates", "lstm"),
        ("10_inside_the_gates", "gru"),
    ],
)
def test_a_diagnosis_gives_no_false_alarm_in_healthy_lessons(lesson, name, run):
    _, folder = lesson(name)
    findings = diagnosis.diagnose(diagnosis.read(folder / run))
    assert [str(finding) for finding in findings if finding.severity != "note"] == []


@pytest.mark.parametrize(
    ("name", "run", "rules"),
    [
        ("05_forecast_sales", "raw", {"no_learning", "saturated"}),
        ("07_vanishing_gradients", "simple_rnn", {"vanishing"}),
        ("08_exploding_gradients", "none", {"nan", "exploding"}),
    ],
)
def test_a_diagnosis_finds_what_is_sick_in_lessons(lesson, name, run, rules):
    _, folder = lesson(name)
    findings = diagnosis.diagnose(diagnosis.read(folder / run))
    assert rules <= {finding.rule for finding in findings if finding.severity != "note"}


def test_the_last_lines(tmp_path, capsys):
    """The findings; and where to look, but only if there is something for TensorBoard to show."""
    settings = argparse.Namespace(log_dir=tmp_path / "none")
    shared.end(settings, "one", "two")
    printed = capsys.readouterr().out
    assert "What you found out\n  - one\n  - two\n" in printed
    assert re.search(r"^This took \d+ s\.$", printed, re.MULTILINE)
    assert "--logdir" not in printed
    with recording.Run(tmp_path / "none" / "run" / "inner") as run:
        run.scalar("loss", 1.0, 0)
    shared.end(settings, "one")
    printed = capsys.readouterr().out
    assert re.search(r"^This took \d+ s\. Now look at it:$", printed, re.MULTILINE)
    *_, command, tab = printed.rstrip().split("\n")
    assert command.endswith(f"--logdir {tmp_path / 'none'}")
    assert tab.endswith(" http://localhost:6006/#rnn_tutorial")
