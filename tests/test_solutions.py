"""The solutions: each runs to its end with its own assertions on, prints nothing but its own, and says what is true."""

import contextlib
import io
import logging
import pathlib
import re

import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator

LESSONS = pathlib.Path(__file__).parent.parent / "lessons"
NAMES = sorted(path.stem for path in LESSONS.glob("[0-9]*.py"))


@pytest.fixture(scope="module")
def solution(run_lesson, tmp_path_factory):
    """A function from the name of a lesson to its solutions' variables, what they printed, and their folder.

    Each runs once, with --quick.
    """
    ran = {}

    def variables(name):
        if name not in ran:
            folder = tmp_path_factory.mktemp("solutions") / name
            printed = io.StringIO()
            # What TensorFlow has to say comes through its own logger, whatever stderr is by now.
            handler = logging.StreamHandler(printed)
            logger = logging.getLogger("tensorflow")
            logger.addHandler(handler)
            try:
                with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                    found = run_lesson(f"solutions/{name}", folder)
            finally:
                logger.removeHandler(handler)
            ran[name] = found, printed.getvalue(), folder
        return ran[name]

    return variables


def images_of(folder):
    """The tags of the pictures in the one event file of ours in a folder."""
    (path,) = folder.glob("*tfevents*.rnn_tutorial")
    events = event_accumulator.EventAccumulator(str(path), size_guidance={"tensors": 0})
    events.Reload()
    return set(events.Tags()["tensors"])


def test_every_lesson_has_solutions():
    assert sorted(path.name for path in (LESSONS / "solutions").glob("*.py")) == [f"{name}.py" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_form(name):
    """Percent format; the lesson's title; each exercise restated under its heading, solved by code, and answered."""
    text = (LESSONS / "solutions" / f"{name}.py").read_text(encoding="utf-8")
    title = re.search(r'^"""(.+)$', (LESSONS / f"{name}.py").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert text.startswith(f'# %% [markdown]\n"""Solutions to {title}\n\n**What you will see:**')
    assert re.search(r"^\*\*Takes\*\* about \d+ seconds\.$", text, re.MULTILINE)
    assert re.findall(r"^# ## Exercise (\d+)$", text, re.MULTILINE) == ["1", "2", "3"]
    for part in re.split(r"^# ## Exercise \d\n", text, flags=re.MULTILINE)[1:]:
        assert re.match(r"#\n# \*[^*].+", part)
        assert re.search(r"^assert |^    assert ", part, re.MULTILINE)
    assert f'lesson.start("solutions/{name}", ' in text


@pytest.mark.parametrize("name", NAMES)
def test_runs(name, solution):
    """To its end, without noise, and with a finding for each exercise."""
    _, printed, folder = solution(name)
    assert not re.search(r"warning|tensorflow|retracing|Traceback|\bWARN", printed, re.IGNORECASE), printed
    assert re.findall(r"^  - (\d): ", printed.partition("What you found out\n")[2], re.MULTILINE) == ["1", "2", "3"]
    assert ("--logdir" in printed) == any(folder.rglob("*tfevents*"))


def test_01_without_memory(solution):
    v, _, _ = solution("01_forward_by_hand")
    assert v["least"] == pytest.approx(np.log(27 / 4))
    for loss, _, _ in v["aabab"][False]:
        assert np.log(27 / 4) < loss < 2.0
    assert {answers for _, answers, _ in v["abcde"][False]} == {"bcdea"}
    # One step each, so that a row of d_W_xh scored at the end is the gradient at that step: it falls going back.
    assert v["last_only"][0] < v["last_only"][2] < v["last_only"][4]


def test_01_gradients_are_those_of_keras(solution):
    """The last step scored alone is Keras' `return_sequences=False`: one step of SGD moves all weights as here."""
    import keras

    from rnn_tutorial import models

    v, _, _ = solution("01_forward_by_hand")
    weights = v["first_weights"](5, seed=4)
    loss, _, found = v["gradients"](v["word"], v["right"], weights, {4})
    model = models.letter_predictor(timesteps=5)
    model.set_weights(weights)
    model.compile(keras.optimizers.SGD(1.0), "sparse_categorical_crossentropy")
    assert float(model.train_on_batch(v["word"][None], np.array(v["right"][-1:]))) == pytest.approx(loss, rel=1e-5)
    for weight, gradient, moved in zip(weights, found, model.get_weights(), strict=True):
        np.testing.assert_allclose(weight - gradient, moved, atol=1e-5)


def test_02_answers_and_goes_on(solution):
    v, printed, folder = solution("02_next_letter")
    assert v["answers"] == "bcdea"
    conversation = (
        "One of abcde; an empty line ends.\na -> b\ne -> a\nunknown letter 'z' in 'z'; the alphabet is 'abcde'\n"
    )
    assert conversation in printed
    assert (folder / "model.keras").is_file()
    assert v["more"]["resumed"][-1] == pytest.approx(v["more"]["never stopped"][-1], rel=1e-3)
    assert v["alphabet_of_26"][8][0][1] == 26


def test_05_outliers(solution):
    v, _, _ = solution("05_forecast_sales")
    # By arithmetic: the line from 100 to 900 goes on by 800/11 a month.
    expected = np.mean(np.abs(900 + 800 / 11 * np.arange(1, 4) - [700, 750, 800]))
    assert v["suffers"]["drift", 11] == pytest.approx(expected)
    assert v["suffers"]["drift", 5] == 0
    assert (v["suffers"]["last_value", 5], v["suffers"]["last_value", 11]) == (100, 150)
    np.testing.assert_allclose(v["by_scaled"]["plus 1,000"], [1700, 1750, 1800], rtol=0.02)
    assert max(v["by_raw"].values()) < 100


def test_06_noise_leaks_and_means(solution):
    v, _, _ = solution("06_backtest_sales")
    assert v["least"] == pytest.approx(0.7071, abs=0.01)
    assert set(v["by_leak"]) == {
        (scale, split) for scale in ("all months", "the past") for split in ("shuffled", "by time")
    }
    assert v["mixed"][0]["mean"] < max(v["mixed"][0]["network"], v["mixed"][0]["exponential_smoothing"])


def test_07_slopes_gates_and_radius(solution):
    v, _, folder = solution("07_vanishing_gradients")
    assert v["gate"] == pytest.approx(0.9933, abs=1e-4)
    assert v["opened"]["lstm", 100, "five"] == pytest.approx(0.9933**98, rel=0.3)
    assert v["radius"] == pytest.approx(0.5, abs=0.05)
    assert v["singular"] == pytest.approx(1.4938, abs=1e-4)
    assert images_of(folder / "pictures") == {"grows_and_dies"}


def test_08_thresholds(solution):
    v, _, _ = solution("08_exploding_gradients")
    count, nonfinite, accuracy, way = v["clipped"][0.01, 123]
    assert (count, nonfinite) == (v["batches"], 0)
    assert accuracy < 0.7
    assert 0 < way <= v["batches"] * 0.05 * 0.01 * 1.001  # no way is longer than all its steps
    assert v["clipped"][100, 123][1] > 0


def test_03_one_number_is_enough_and_lengths_are_learned(solution):
    v, _, _ = solution("03_letters_with_memory")
    assert sorted(v["on_the_line"]) == list("abcdefghijklmnopqrstuvwxyz")
    assert v["possible"][6] == pytest.approx(66 / 70)  # counted by hand: 4 of 70 letters are a guess
    assert v["doubt"] == 15


def test_09_length_and_clipping(solution):
    v, _, _ = solution("09_memory_race")
    assert v["as_large"] == 65
    assert v["by_length"]["gru"][0][1] < 0.01 < v["by_length"]["gru"][0][3]


def test_10_two_units_are_four_corners(solution):
    v, _, folder = solution("10_inside_the_gates")
    assert images_of(folder / "two_units") == {f"states_picture/gru/{letter}" for letter in "abcd"}
    assert v["accuracies"]["gru", 2] > 0.95
    assert set(v["padded"]) == {1, 2, 10, 20}


def test_12_what_heals_and_what_does_not(solution):
    v, _, _ = solution("12_debug_clinic")
    assert v["by_bias"][-2.0][-1] < v["by_bias"][-6.0][-1]
    assert v["by_width"][2] < 0.09 < 1.5 * v["by_width"][8]
