import builtins
import contextlib
import csv
import errno
import functools
import http.client
import http.server
import inspect
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import rnn_tutorial
from rnn_tutorial import _console, cli
from rnn_tutorial.cli import board, doctor, forecast
from rnn_tutorial.cli.command import run_folders

ROOT = pathlib.Path(__file__).resolve().parents[1]
HEAVY = ("keras", "tensorflow", "numpy", "pandas", "matplotlib", "tensorboard")
RESULTS = {"forecast.csv", "forecast.png", "model.keras", "run"}
DOCTOR_LINES = [
    *("Python", "TensorFlow", "Keras", "TensorBoard", "NumPy", "pandas", "matplotlib", "pydot", "graphviz", "babel"),
    *("statsmodels", "scikit-learn", "nltk", "dot"),
    *("setuptools", "protobuf", "google-crc32c", "writing", "event files"),
]


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **more}


def python(*arguments, cwd=None, **more):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def write_csv(path, months, column="sales"):
    """Write 100, 150, ... from 2024-01 on."""
    rows = [f"{2024 + k // 12}-{k % 12 + 1:02d},{100 + 50 * k}\n" for k in range(months)]
    path.write_text(f"month,{column}\n" + "".join(rows), encoding="utf-8")
    return path


def table_of(output):
    """The printed table as rows of cells."""
    lines = output.splitlines()
    start = next(number for number, line in enumerate(lines) if line.split()[:2] == ["month", "forecast"])
    return [line.split() for line in lines[start : lines.index("", start)]]


def one_error(capsys):
    """The message, which is the only line on stderr."""
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rnn-tutorial: error: ")
    return line.removeprefix("rnn-tutorial: error: ")


def poll(condition, what, seconds=60):
    """Return the first true value of `condition()`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr(_console, "start_keras", lambda: pytest.fail("Keras is started for input that is wrong"))


@pytest.fixture(scope="module")
def twelve_months(tmp_path_factory):
    """The forecast of twelve months with nothing but defaults, as a program whose output goes to pipes."""
    folder = tmp_path_factory.mktemp("twelve")
    write_csv(folder / "shop.csv", 12)
    done = python("-m", "rnn_tutorial.cli", "forecast", "shop.csv", "--horizon", 3, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "logs" / "forecast", done


# The program


@pytest.mark.parametrize("arguments", [["--help"], ["forecast", "--help"], ["board", "--help"], ["--version"]])
def test_help_loads_only_the_standard_library(arguments):
    program = (
        "import sys; from rnn_tutorial import cli; code = cli.main(sys.argv[1:]); "
        f"print(code, sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = python("-c", program, *arguments)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert done.stderr == ""


def test_help_answers_at_once():
    seconds = []
    for _ in range(3):  # The fastest of three: the others may have waited for something else.
        began = time.monotonic()
        assert python("-m", "rnn_tutorial.cli", "forecast", "--help").returncode == 0
        seconds.append(time.monotonic() - began)
    assert min(seconds) < 0.5


def test_a_command_is_a_file(capsys, monkeypatch, tmp_path):
    (tmp_path / "greet.py").write_text(
        "from rnn_tutorial.cli.command import Command\n"
        "COMMAND = Command('greet', 'say hello', lambda parser: parser.add_argument('name'), "
        "lambda arguments: print('hello', arguments.name) or 0, place=9)\n"
    )
    monkeypatch.setattr(cli, "__path__", [*cli.__path__, str(tmp_path)])
    assert cli.main(["greet", "world"]) == 0
    assert capsys.readouterr().out == "hello world\n"
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    listed = [line.split()[0] for line in shown.splitlines() if re.match(r" {4}\w", line)]
    assert listed == ["letters", "forecast", "board", "diagnose", "doctor", "greet"]
    monkeypatch.delitem(sys.modules, "rnn_tutorial.cli.greet")


def test_a_command_that_cannot_be_loaded_costs_itself(capsys, monkeypatch, tmp_path):
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    monkeypatch.setattr(cli, "__path__", [*cli.__path__, str(tmp_path)])
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr()
    assert "doctor" in printed.out
    assert printed.err == (
        "rnn-tutorial: broken is left out: ModuleNotFoundError: No module named 'nothing_of_that_name'\n"
    )


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"rnn-tutorial {rnn_tutorial.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["letters", "--epochs", "0"], "at least 1, received '0'"),
        (["letters", "--seed", "-1"], "from 0 to 4294967295, received '-1'"),
        (["letters", "--seed", "4294967296"], "from 0 to 4294967295"),
        (["forecast"], "FILE.csv"),
        (["forecast", "x.csv", "--horizon", "0"], "at least 1, received '0'"),
        (["forecast", "x.csv", "--horizon", "three"], "at least 1, received 'three'"),
        (["forecast", "x.csv", "--epochs", "-3"], "at least 1, received '-3'"),
        (["forecast", "x.csv", "--window", "1"], "at least 2, received '1'"),
        (["forecast", "x.csv", "--decimal", ";"], "invalid choice: ';'"),
        (["board", "--port", "65536"], "from 0 to 65535, received '65536'"),
    ],
)
def test_wrong_arguments(capsys, arguments, message):
    assert cli.main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError("deep\ninside"), OSError("deep inside"), RuntimeError("deep inside")])
def test_what_fails_inside_is_not_wrong_input(capsys, monkeypatch, tmp_path, error):
    def fail():
        raise error

    monkeypatch.setattr(_console, "start_keras", fail)
    file = write_csv(tmp_path / "shop.csv", 12)
    assert cli.main(["forecast", str(file), "--output", str(tmp_path / "new" / "out")]) == 1
    assert one_error(capsys) == f"{type(error).__name__}: deep inside"
    assert list(tmp_path.iterdir()) == [file]  # What was made for the results has gone.
    assert cli.main(["letters", "a"]) == 1


@pytest.mark.parametrize("arguments", [["--debug", "letters", "a"], ["letters", "a", "--debug"]])
def test_debug_shows_where(capsys, monkeypatch, arguments):
    monkeypatch.setattr(_console, "start_keras", lambda: {}["nothing"])
    assert cli.main(arguments) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback")
    assert shown.endswith("rnn-tutorial: error: KeyError: 'nothing'\n")


def test_a_missing_package_is_a_case_for_the_doctor(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rnn_tutorial.data", None)
    assert cli.main(["letters", "a"]) == 1
    assert one_error(capsys).endswith("; `rnn-tutorial doctor` tells what is missing")


def test_interrupted(capsys, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(_console, "start_keras", interrupt)
    assert cli.main(["letters", "a"]) == 1
    assert one_error(capsys) == "interrupted"


@pytest.mark.skipif(os.name != "posix", reason="pipes end in another way there")
def test_a_reader_that_has_gone_is_no_reason_to_complain(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    # The last of what is printed goes to nobody, be it inside the command or when the interpreter ends.
    with open(writer, "wb") as stdout:
        done = subprocess.run(
            [sys.executable, "-m", "rnn_tutorial.cli", "board", str(tmp_path)],
            env=environment(),
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2  # Nothing was printed to the pipe.
        (tmp_path / "tfevents").touch()
        done = subprocess.run(
            [sys.executable, "-m", "rnn_tutorial.cli", "board", str(tmp_path)],
            env=environment(),
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"")


# letters


@pytest.mark.parametrize(
    ("arguments", "answers"),
    [
        (["a", "e"], ["a -> b", "e -> a"]),
        (["bd"], ["b -> c", "d -> e"]),
        (["--alphabet", "cba", "cb", "a"], ["c -> b", "b -> a", "a -> c"]),
        (["--alphabet", "甲乙丙", "丙", "甲乙"], ["丙 -> 甲", "甲 -> 乙", "乙 -> 丙"]),
        (["--alphabet", "xy", "xy"], ["x -> y", "y -> x"]),
    ],
)
def test_letters_are_predicted(capsys, arguments, answers):
    assert cli.main(["letters", *arguments]) == 0
    trained, *printed = capsys.readouterr().out.splitlines()
    letters = len(arguments[1]) if "--alphabet" in arguments else 5
    assert re.fullmatch(
        rf"Trained for [0-9]+ epochs?: accuracy 1\.0, {letters} of {letters} letters are right\.", trained
    )
    assert printed == answers


@pytest.mark.parametrize("seed", [0, 1])
def test_the_whole_alphabet_is_learned(capsys, seed):
    letters = "abcdefghijklmnopqrstuvwxyz"
    assert cli.main(["letters", "--alphabet", letters, "--seed", str(seed), letters]) == 0
    trained, *printed = capsys.readouterr().out.splitlines()
    assert "accuracy 1.0," in trained
    assert printed == [f"{a} -> {b}" for a, b in zip(letters, letters[1:] + "a", strict=True)]


def test_training_ends_with_its_epochs(capsys):
    assert cli.main(["letters", "--alphabet", "abcdefghij", "--epochs", "1", "a"]) == 0
    trained = capsys.readouterr().out.splitlines()[0]
    right = int(re.fullmatch(r"Trained for 1 epoch: .*, ([0-9]+) of 10 .* --epochs may do better\.", trained)[1])
    assert f"accuracy {right / 10}," in trained
    assert right < 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["q"], "'abcde'"),
        (["--alphabet", "cba", "ad"], "unknown letter 'd' in 'ad'; the alphabet is 'cba'"),
        (["--alphabet", "abca"], "'a' repeated"),
        (["--alphabet", "a"], "at least 2 letters, received 'a'"),
        (["--alphabet", ""], "received ''"),
        (["--alphabet", "a b"], "without blanks"),
        (["--alphabet", "a\udcff"], "without blanks"),
    ],
)
def test_wrong_letters_are_told_before_training(capsys, no_training, arguments, message):
    assert cli.main(["letters", *arguments]) == 2
    assert message in one_error(capsys)


@pytest.mark.parametrize(
    ("typed", "answers"),
    [
        ("a\n\nb\n", ["a -> b"]),  # An empty line ends, what follows is not read.
        ("ce\n", ["c -> d", "e -> a"]),  # The end of the input ends.
        ("", []),
        ("q\naz\nd\n", ["unknown 'q'", "unknown 'z'", "d -> e"]),
    ],
)
def test_letters_are_asked_for(capsys, monkeypatch, typed, answers):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert cli.main(["letters"]) == 0
    trained, question, *printed = capsys.readouterr().out.splitlines()
    assert trained.startswith("Trained for ")
    assert question == "Which letter? One of abcde; an empty line ends."
    unknown = re.compile(r"unknown letter ('.') in '.*'; the alphabet is 'abcde'")
    assert [unknown.sub(r"unknown \1", line) for line in printed] == answers


def test_a_terminal_gets_a_prompt(capsys, monkeypatch):
    typed = iter(["a"])
    prompts = []

    def type_in(prompt):
        prompts.append(prompt)
        if (line := next(typed, None)) is None:
            raise EOFError
        return line

    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", type_in)
    assert cli.main(["letters"]) == 0
    assert prompts == ["> ", "> "]
    assert capsys.readouterr().out.endswith("ends.\na -> b\n\n")  # The shell's prompt begins a line of its own.


def test_typed_bytes_that_are_no_text(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n"), encoding="utf-8"))
    assert cli.main(["letters"]) == 2
    assert "utf-8" in one_error(capsys)


def test_an_output_that_cannot_show_the_letters(monkeypatch):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    assert cli.main(["letters", "--alphabet", "甲乙丙", "甲"]) == 0
    assert shown.getvalue().decode("ascii").splitlines()[1:] == ["\\u7532 -> \\u4e59"]


# forecast


def test_twelve_months_go_on(twelve_months):
    folder, _ = twelve_months
    with open(folder / "forecast.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["date", "forecast", "last_value", "drift", "seasonal_naive"]
    assert [row[0] for row in rows] == ["2025-01", "2025-02", "2025-03"]
    assert [float(row[1]) for row in rows] == pytest.approx([700, 750, 800], rel=0.05)
    assert [[float(cell) for cell in row[2:]] for row in rows] == [[650, 700, 100], [650, 750, 150], [650, 800, 200]]


def test_the_printed_table_is_the_file_rounded_and_aligned(twelve_months):
    folder, done = twelve_months
    header, *rows = table_of(done.stdout)
    with open(folder / "forecast.csv", encoding="utf-8", newline="") as file:
        written_header, *written = csv.reader(file)
    assert header == ["month", *written_header[1:]]
    assert [row[0] for row in rows] == [row[0] for row in written]
    for row, full in zip(rows, written, strict=True):
        assert row[1:] == [f"{float(cell):.1f}" for cell in full[1:]]
    printed = [line for line in done.stdout.splitlines() if re.match("  month  |20[0-9]{2}-[0-9]{2}  ", line)]
    ends = [[match.end() for match in re.finditer(r"\S+", line)] for line in printed]
    assert len(printed) == 4
    assert ends == [ends[0]] * 4


def test_what_is_said_besides(twelve_months):
    folder, done = twelve_months
    said = done.stdout.splitlines()
    assert said[:3] == [
        "Read 12 months of 'sales', 2024-01 to 2024-12.",
        "That is too short to read 12 months at once; the network reads 4.",
        "It forecasts one month, and that repeatedly.",
    ]
    assert said[3] == "Training for 200 epochs."
    assert said[4].endswith(" http://localhost:6006/#rnn_tutorial")
    assert "No interval around the forecast: the series is too short to see how wrong 80% of forecasts were." in said
    relative = folder.relative_to(folder.parents[1])
    assert said[-2].startswith(f"forecast.csv, forecast.png, model.keras are in {relative}.")
    assert said[-1] == f"  tensorboard --logdir {relative}"


def test_pipes_get_no_control_characters_and_no_noise(twelve_months):
    _, done = twelve_months
    assert done.stderr == ""
    assert all(character.isprintable() for character in done.stdout.replace("\n", ""))


def test_the_results_and_nothing_half_written(twelve_months):
    folder, _ = twelve_months
    assert {path.name for path in folder.iterdir()} == RESULTS
    assert (folder / "forecast.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert set(run_folders(folder)) == {folder / "run" / part for part in ("", "train", "validation")}
    assert [path.name for path in folder.parent.iterdir()] == ["forecast"]


def test_the_model_loads_without_this_package(twelve_months, tmp_path):
    folder, _ = twelve_months
    program = (
        "import sys, keras, numpy as np; model = keras.saving.load_model(sys.argv[1]); "
        "x = np.array([500, 550, 600, 650], 'float32').reshape(1, 4, 1); "
        "print('rnn_tutorial' in sys.modules, *model.predict(x, verbose=0)[0].tolist())"
    )
    done = python("-c", program, folder / "model.keras", cwd=tmp_path, PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    imported, *predicted = done.stdout.split()
    assert imported == "False"
    with open(folder / "forecast.csv", encoding="utf-8", newline="") as file:
        written = [float(row["forecast"]) for row in csv.DictReader(file)]
    assert [float(number) for number in predicted] == pytest.approx(written[:1], rel=1e-6)


@pytest.fixture(scope="module")
def five_years(tmp_path_factory):
    """The forecast of 60 months, after little practice and training."""
    from rnn_tutorial import data, forecasting

    folder = tmp_path_factory.mktemp("years")
    series = data.sales.generate(years=5, trend=0.3, multiplicative=True, seed=1)
    series.to_csv(folder / "shop.csv", index_label="month")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(forecasting, "PRACTICE", 640)
        run = ["forecast", str(folder / "shop.csv"), "--horizon", "4", "--epochs", "2", "--output", str(folder / "out")]
        assert cli.main(run) == 0
    return folder / "out", printed.getvalue()


def test_years_are_forecast_with_an_interval(five_years):
    folder, printed = five_years
    assert {path.name for path in folder.iterdir()} == RESULTS
    with open(folder / "forecast.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["date", "forecast", "lower", "upper", "last_value", "drift", "seasonal_naive"]
    assert [row[0] for row in rows] == ["2019-01", "2019-02", "2019-03", "2019-04"]
    for _, predicted, lower, upper, *_ in rows:
        assert 0 < float(lower) < float(predicted) < float(upper)
    assert table_of(printed)[0] == ["month", *header[1:]]


def test_what_is_said_of_years(five_years):
    _, printed = five_years
    said = printed.splitlines()
    assert said[1] == (
        "The network reads 2 years at once, as logarithms: the seasons grow with the level; it practises on made-up "
        "series first."
    )
    assert "lower to upper: 80% of the forecasts of this kind that were tried on the past were as close." in said


def test_three_years_are_left_to_practice(capsys, monkeypatch, tmp_path, our_event_file, read_values):
    """The run shows the practice, and inside the network numbers like those that it practises on: logarithms."""
    from rnn_tutorial import data, forecasting

    monkeypatch.setattr(forecasting, "PRACTICE", 640)
    seen = []
    train = forecasting.train
    monkeypatch.setattr(
        forecasting, "train", lambda *arguments, **named: seen.append(named["callbacks"]) or train(*arguments, **named)
    )
    series = data.sales.generate(years=4, trend=0.3, multiplicative=True, seed=1)[:42]
    series.to_csv(tmp_path / "shop.csv", index_label="month")
    assert cli.main(["forecast", str(tmp_path / "shop.csv"), "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "it practises on made-up series only: for training on yours, these are too few.\n" in printed
    assert f"Training for {forecasting.PRACTICE_EPOCHS} epochs.\n" in printed
    found = read_values(our_event_file(tmp_path / "out" / "run"))["scalars"]
    assert list(found["gradient_flow_ratio/lstm"]) == list(range(forecasting.PRACTICE_EPOCHS))
    (probe,) = {id(callback.probe): callback.probe for callback in seen[0] if getattr(callback, "probe", None)}.values()
    x, y = data.sales.windows(series, 24, 12)
    np.testing.assert_array_equal(probe[0], np.log(x[-32:]))
    np.testing.assert_array_equal(probe[1], np.log(y[-32:]))


def test_a_series_that_never_changes(capsys, tmp_path):
    file = tmp_path / "shop.csv"
    file.write_text("month,sales\n" + "".join(f"2024-{month:02d},7\n" for month in range(1, 13)))
    assert cli.main(["forecast", str(file), "--epochs", "1", "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "All months are the same; the forecast is the same, too" in printed
    assert [row[1] for row in table_of(printed)[1:]] == ["7.000"] * 3


def test_results_are_not_written_over(capsys, tmp_path):
    file = write_csv(tmp_path / "shop.csv", 11)
    folder = tmp_path / "out"
    run = ["forecast", str(file), "--epochs", "1", "--output", str(folder)]
    assert cli.main(run) == 0
    assert "holds results" not in capsys.readouterr().out
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert cli.main([*run, "--horizon", "2", "--seed", "1"]) == 0
    assert f"{folder} holds results already; these go to {folder}_2\n" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    second = pathlib.Path(f"{folder}_2")
    assert {path.name for path in second.iterdir()} == RESULTS
    # Eleven months are no season.
    with open(second / "forecast.csv", encoding="utf-8", newline="") as written:
        header, *rows = csv.reader(written)
    assert header == ["date", "forecast", "last_value", "drift"]
    assert [row[0] for row in rows] == ["2024-12", "2025-01"]


def test_a_folder_of_the_users_own_keeps_what_is_in_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "shop.csv", 12)
    assert cli.main(["forecast", "shop.csv", "--epochs", "1", "--output", "."]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"shop.csv", *RESULTS}
    # The next name is one beside it, not one inside it.
    folder, made = forecast._claim(pathlib.Path("."))
    assert folder == pathlib.Path(f"{tmp_path}_2")
    assert made == [folder]


def test_two_programs_do_not_claim_one_folder(tmp_path):
    claimed = [forecast._claim(tmp_path / "out")[0] for _ in range(3)]
    assert claimed == [tmp_path / "out", tmp_path / "out_2", tmp_path / "out_3"]


def test_a_terminal_gets_one_bar(capsys, monkeypatch, tmp_path):
    file = write_csv(tmp_path / "shop.csv", 12)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert cli.main(["forecast", str(file), "--epochs", "2", "--output", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    (bar,) = [line for line in shown.split("\n") if "/epoch" in line]
    assert "2/2" in bar
    assert "val_mae" in bar
    assert "Training for" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv"], "missing.csv: cannot be read"),
        (["."], "is a directory"),
        (["words.csv"], "words.csv"),
        (["shop.csv", "--horizon", "5"], "12 observations; expected at least 13"),
        (["shop.csv", "--date", "when"], "there is no column date='when'"),
        (["shop.csv", "--value", "9"], "there is no column value='9'"),
        (["shop.csv", "--window", "11"], "--window 11 is too long for 12 months; the longest that works is 10"),
        (["huge.csv"], "finite float32"),
        (["shop.csv", "--encoding", "utf-9"], "encoding must be the name of a text encoding"),
        (["years.csv", "--horizon", "13"], "20 observations; expected at least 21"),
        (["shop.csv", "--output", "shop.csv"], "--output shop.csv: nothing can be written there (it is a file)"),
        (["shop.csv", "--output", "shop.csv/below"], "--output shop.csv/below: nothing can be written there"),
        (["shop.csv", "--output", "new/" + 300 * "x"], "nothing can be written there"),
    ],
)
def test_wrong_input_is_told_before_training_and_leaves_nothing(
    capsys, monkeypatch, no_training, tmp_path, arguments, message
):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "shop.csv", 12)
    write_csv(tmp_path / "years.csv", 20)
    (tmp_path / "words.csv").write_text("a,b\nc,d\n")
    (tmp_path / "huge.csv").write_text("".join(f"2024-{month:02d},1e40\n" for month in range(1, 13)))
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(["forecast", *arguments]) == 2
    assert message in one_error(capsys)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("months", [20, 21, 24, 36, 60, 120])
@pytest.mark.parametrize("horizon", [1, 3, 6, 12])
def test_every_window_that_is_chosen_can_be_trained_on(months, horizon):
    from rnn_tutorial import forecasting
    from rnn_tutorial.data import sales

    window = forecast._window(months, None, horizon)
    assert 2 <= window <= 12 or window in (24, 36, 48)
    outputs = forecasting.choose_outputs(months, window, horizon)
    assert outputs in ((12,) if window > 12 else (1, horizon))
    x, y = sales.windows(range(months), window, outputs)
    if forecasting.only_practises(months, window):  # There the windows validate the practice.
        assert len(x) >= 1
        return
    (x, _), (validation, _) = sales.split(x, y)
    assert len(x) >= 1
    assert len(validation) >= 1


def test_the_longest_window_is_the_longest():
    from rnn_tutorial.data import sales

    assert forecast._window(36, 34, 12) == 34
    with pytest.raises(ValueError, match=r"the longest that works is 34$"):
        forecast._window(36, 35, 12)
    sales.split(*sales.windows(range(36), 34, 1))
    with pytest.raises(ValueError, match="none is left to train on"):
        sales.split(*sales.windows(range(36), 35, 1))


def test_a_full_disk_leaves_no_results(capsys, monkeypatch, tmp_path):
    import keras

    def fail(model, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = write_csv(tmp_path / "shop.csv", 12)
    monkeypatch.setattr(keras.Model, "save", fail)
    folder = tmp_path / "out"
    assert cli.main(["forecast", str(file), "--epochs", "1", "--output", str(folder)]) == 1
    assert os.strerror(errno.ENOSPC) in one_error(capsys)
    # What TensorBoard can show stays.
    assert [path.name for path in folder.iterdir()] == ["run"]
    assert next(run_folders(folder), None) is not None


def test_a_forecast_that_is_no_number_is_not_written(capsys, monkeypatch, tmp_path):
    from rnn_tutorial import forecasting

    monkeypatch.setattr(forecasting, "train", lambda *arguments, **more: None)
    monkeypatch.setattr(forecasting, "forecast", lambda model, series, horizon: series[:horizon] * float("nan"))
    file = write_csv(tmp_path / "shop.csv", 12)
    assert cli.main(["forecast", str(file), "--output", str(tmp_path / "out")]) == 1
    assert "not a finite number" in one_error(capsys)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["latin.csv"],
            "Read 12 months of 'Umsätze', 2024-01 to 2024-12 "
            "(encoding cp1252, --encoding names another; dates as day/month/year).",
        ),
        (
            ["latin.csv", "--encoding", "cp1250"],
            "Read 12 months of 'Umsätze', 2024-01 to 2024-12 (dates as day/month/year).",
        ),
        (
            ["quoted.csv"],
            "Read 12 months of 'sales', 2024-01 to 2024-12 "
            "(the comma marks thousands: '1,100' is 1100, and 1.1 with --decimal ,).",
        ),
        (["quoted.csv", "--decimal", ","], "Read 12 months of 'sales', 2024-01 to 2024-12."),
    ],
)
def test_how_a_file_was_read_is_said(capsys, monkeypatch, tmp_path, arguments, said):
    def stop():
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_console, "start_keras", stop)
    months = range(1, 13)
    (tmp_path / "latin.csv").write_bytes(
        "\n".join(["Monat;Umsätze", *(f"01.{month:02d}.2024;{month},5" for month in months)]).encode("cp1252")
    )
    (tmp_path / "quoted.csv").write_text(
        "\n".join(["month,sales", *(f'2024-{month:02d},"1,{100 * month % 1000:03d}"' for month in months)])
    )
    assert cli.main(["forecast", *arguments]) == 1  # interrupted
    assert capsys.readouterr().out.splitlines()[0] == said


def test_an_interrupted_run_is_not_called_results(capsys, monkeypatch, tmp_path):
    from rnn_tutorial import forecasting

    def interrupted(*arguments, **named):
        (tmp_path / "out" / "run" / "events").write_text("half a training")
        raise KeyboardInterrupt

    file = write_csv(tmp_path / "shop.csv", 12)
    run = ["forecast", str(file), "--epochs", "1", "--output", str(tmp_path / "out")]
    with monkeypatch.context() as patch:
        patch.setattr(forecasting, "train", interrupted)
        assert cli.main(run) == 1
    assert capsys.readouterr().err == "rnn-tutorial: error: interrupted\n"
    assert cli.main(run) == 0
    said = capsys.readouterr().out
    assert "holds results" not in said
    assert f"{tmp_path / 'out'} holds a run without results, interrupted or still going on; these go to" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run"]
    assert {path.name for path in (tmp_path / "out_2").iterdir()} == RESULTS


def test_epochs_by_default_are_those_of_the_library():
    from rnn_tutorial import forecasting

    assert inspect.signature(forecasting.train).parameters["epochs"].default == forecast._EPOCHS


@pytest.mark.parametrize(
    ("values", "printed"),
    [
        ([123456.4, -3.0], ["123456", "-3"]),
        ([999.96, 1.0], ["1000.0", "1.0"]),
        ([12.345, 0.1], ["12.35", "0.10"]),
        ([0.00012345, 0.0], ["0.0001235", "0.0000000"]),
        ([0.0, 0.0], ["0", "0"]),
    ],
)
def test_numbers_are_printed_to_four_digits(capsys, values, printed):
    import pandas as pd

    index = pd.period_range("0999-12", periods=2, freq="M")
    forecast._print_table({"forecast": pd.Series([value + 1e-9 * value for value in values], index=index)})
    assert table_of(capsys.readouterr().out + "\n") == [
        ["month", "forecast"],
        ["0999-12", printed[0]],
        ["1000-01", printed[1]],
    ]


# board


def descendants(pid):
    """All processes below one, by /proc."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children] + [below for child in children for below in descendants(int(child))]


def is_running(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # It has ended, and nobody has asked how yet.


@pytest.mark.skipif(not pathlib.Path("/proc/self/stat").exists(), reason="no /proc to find processes in")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_board_serves_until_it_is_ended(twelve_months, tmp_path, end):
    logs = twelve_months[0].parent
    # A module of the user's that is called like one of TensorBoard's is not loaded in its place.
    if sys.version_info >= (3, 11):
        (tmp_path / "tensorboard.py").write_text("raise SystemExit('the wrong one')")
    output = tmp_path / "output"
    # Not as a module: that would put the current folder first in the path.
    program = "import sys; sys.path.remove(''); from rnn_tutorial import cli; sys.exit(cli.main(sys.argv[1:]))"
    # A shell that runs the tests in the background has them ignore an interrupt, and so their children.
    program = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {program}"
    with open(output, "wb") as stdout:
        board = subprocess.Popen(
            [sys.executable, "-c", program, "board", str(logs)],
            cwd=tmp_path,
            env=environment(),
            stdout=stdout,
            stderr=subprocess.STDOUT,
        )
    below = []
    try:

        def address():
            assert board.poll() is None, output.read_text()
            return re.search(r"http://127\.0\.0\.1:([0-9]+)/#rnn_tutorial$", output.read_text(), re.MULTILINE)

        port = int(poll(address, "the address")[1])
        # It is printed once the server answers, so that there is nothing to wait for.
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/data/environment")
        answer = connection.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["data_location"] == str(logs.resolve())
        connection.close()
        below = descendants(board.pid)
        assert below
        board.send_signal(end)
        assert board.wait(timeout=30) == 0
        poll(lambda: not any(map(is_running, below)), "the end of all processes")
    finally:
        board.kill()
        board.wait()
        for pid in filter(is_running, below):
            os.kill(pid, signal.SIGKILL)
    assert output.read_text().splitlines() == [
        f"TensorBoard starts on {logs} ...",
        f"TensorBoard is at http://127.0.0.1:{port}/ (Ctrl-C ends it), the RNN tab at "
        f"http://127.0.0.1:{port}/#rnn_tutorial",
    ]


def test_board_without_folder_or_events(capsys, tmp_path):
    assert cli.main(["board", str(tmp_path / "none")]) == 2
    assert "there is no such folder" in one_error(capsys)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "loss.csv").touch()
    assert cli.main(["board", str(tmp_path)]) == 2
    message = one_error(capsys)
    assert "no event files" in message
    assert "run a lesson" in message
    assert f"callbacks.observe('{tmp_path / 'run'}')" in message


def test_board_with_a_port_that_is_taken(capsys, tmp_path):
    (tmp_path / "events.out.tfevents.1").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.main(["board", str(tmp_path), "--port", str(port)]) == 2
    assert f"--port {port} cannot be used" in one_error(capsys)


def test_another_port_than_the_usual_one(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(board, "_USUAL_PORT", taken.getsockname()[1])
        free = board._port(None)
        assert free != taken.getsockname()[1]
    assert board._port(free) == free


def test_board_where_tensorboard_does_not_start(capsys, monkeypatch, tmp_path):
    (tmp_path / "events.out.tfevents.1").touch()
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho noise >&2\necho 'No module named tensorboard' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    assert cli.main(["board", str(tmp_path)]) == 1
    assert one_error(capsys) == "RuntimeError: TensorBoard did not start: No module named tensorboard"


def test_another_server_is_not_taken_for_ours(tmp_path):
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.content)

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.05))
        thread.start()
        try:
            answers = {}
            for content in ("hello", "[]", '{"data_location": "/elsewhere"}', json.dumps({"data_location": "/here"})):
                server.content = content.encode()
                answers[content] = board._answers(server.server_port, pathlib.Path("/here"))
        finally:
            server.shutdown()
            thread.join()
        port = server.server_port
    assert list(answers.values()) == [False, False, False, True]
    assert not board._answers(port, pathlib.Path("/here"))  # Nobody listens any more.


# doctor


def lines_of(output):
    """{name: (mark, detail)} in order."""
    lines = re.findall(r"^(ok|--)  (.{14})  (.+)$", output, re.MULTILINE)
    assert len(lines) == len(output.splitlines())
    return {name.strip(): (mark, detail) for mark, name, detail in lines}


def test_doctor_finds_everything(capsys, tmp_path):
    from importlib import metadata

    (tmp_path / "run" / "train").mkdir(parents=True)
    for folder in ("run", "run/train"):
        (tmp_path / folder / "events.out.tfevents.1").touch()
    assert cli.main(["doctor", str(tmp_path)]) == 0
    found = lines_of(capsys.readouterr().out)
    assert list(found) == DOCTOR_LINES
    assert found["Python"] == ("ok", sys.version.split()[0])
    for name, distribution in (("TensorBoard", "tensorboard"), ("NumPy", "numpy"), ("protobuf", "protobuf")):
        assert found[name] == ("ok", metadata.version(distribution))
    assert re.fullmatch(rf"{re.escape(metadata.version('keras'))} on (tensorflow|jax)", found["Keras"][1])
    assert found["writing"] == ("ok", f"to {tmp_path}")
    assert found["event files"] == ("ok", f"2 runs below {tmp_path}")


def test_doctor_where_every_package_is_missing(tmp_path):
    program = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("rnn_tutorial", "__main__"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
from rnn_tutorial import cli
sys.exit(cli.main(["doctor", sys.argv[1]]))
"""
    done = python("-c", program, tmp_path, PATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (1, "")
    found = lines_of(done.stdout)
    assert list(found) == DOCTOR_LINES
    assert {name for name, (mark, _) in found.items() if mark == "ok"} == {"Python", "writing"}
    for name, distribution in (("TensorFlow", "tensorflow"), ("Keras", "keras"), ("google-crc32c", "google-crc32c")):
        assert found[name] == ("--", f"pip install {distribution}")
    assert found["pydot"] == found["babel"] == ("--", "pip install 'rnn-tutorial[lessons]' (not necessary)")
    assert "apt install graphviz" in found["dot"][1]
    assert "none below" in found["event files"][1]


def test_doctor_where_keras_lacks_its_backend(tmp_path):
    program = (
        "import sys; sys.modules['tensorflow'] = None; from rnn_tutorial import cli; "
        "sys.exit(cli.main(['doctor', sys.argv[1]]))"
    )
    done = python("-c", program, tmp_path, KERAS_BACKEND="tensorflow")
    assert (done.returncode, done.stderr) == (1, "")
    found = lines_of(done.stdout)
    assert list(found) == DOCTOR_LINES
    assert found["TensorFlow"] == ("--", "pip install tensorflow")
    assert found["Keras"][0] == "--"
    assert found["Keras"][1].startswith(
        "Keras runs on tensorflow, which is not installed: pip install 'rnn-tutorial[tensorflow]'"
    )


def test_doctor_takes_what_only_draws_for_a_hint(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pydot", None)
    monkeypatch.setitem(sys.modules, "graphviz", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["doctor", str(tmp_path)]) == 0
    found = lines_of(capsys.readouterr().out)
    hints = {name for name, (mark, _) in found.items() if mark == "--"}
    assert hints == {"pydot", "graphviz", "dot", "event files"}
    assert all(found[name][1].endswith(" (not necessary)") for name in hints)


def test_doctor_with_a_broken_dot(capsys, monkeypatch, tmp_path):
    broken = tmp_path / "dot"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["doctor", str(tmp_path)]) == 0
    mark, detail = lines_of(capsys.readouterr().out)["dot"]
    assert mark == "--"
    assert "does not run" in detail


def test_doctor_sees_slow_checksums(capsys, monkeypatch, tmp_path):
    import google_crc32c

    monkeypatch.setattr(google_crc32c, "implementation", "python")
    assert cli.main(["doctor", str(tmp_path)]) == 0
    mark, detail = lines_of(capsys.readouterr().out)["google-crc32c"]
    assert mark == "--"
    assert "pure Python" in detail


def test_doctor_tries_to_write(capsys, tmp_path):
    assert cli.main(["doctor", str(tmp_path / "not" / "yet")]) == 0
    assert lines_of(capsys.readouterr().out)["writing"][0] == "ok"
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below"):
        assert cli.main(["doctor", str(folder)]) == 1
        assert lines_of(capsys.readouterr().out)["writing"][0] == "--"


def test_doctor_knows_which_python_is_supported(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "_OLDEST", (3, 98))
    monkeypatch.setattr(doctor, "_NEWEST", (3, 99))
    assert cli.main(["doctor", str(tmp_path)]) == 1
    mark, detail = lines_of(capsys.readouterr().out)["Python"]
    assert (mark, detail) == ("--", f"{sys.version.split()[0]}; install Python 3.98 to 3.99")


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege there")
def test_run_folders_follow_links_once(tmp_path):
    inside, outside = tmp_path / "logs" / "run", tmp_path / "elsewhere"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
        (folder / "events.out.tfevents.1").touch()
    (inside / "round").symlink_to(tmp_path / "logs")
    (tmp_path / "logs" / "other").symlink_to(outside)
    assert sorted(run_folders(tmp_path / "logs")) == [tmp_path / "logs" / "other", inside]
    assert list(run_folders(tmp_path / "none")) == []
