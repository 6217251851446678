"""The program `rnn-tutorial`: letters, a forecast from a CSV, a diagnosis, TensorBoard, a look at the installation.

It ends with 0 when done, with 2 where what the user gave is wrong, with 3 where a diagnosis finds something severe,
and with 1 after anything else. Only the standard library is loaded before a command is known, so that `--help`
answers at once.
"""

import argparse
import contextlib
import http.client
import io
import itertools
import json
import math
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import rnn_tutorial
from rnn_tutorial import _console
from rnn_tutorial.cli import doctor
from rnn_tutorial.recording import schema

_PROGRAM = "rnn-tutorial"
_LARGEST_SEED = 2**32 - 1  # the largest one that NumPy takes
_LETTER_EPOCHS = 500
_FORECAST_EPOCHS = 200
_FORECAST_FILES = ("forecast.csv", "forecast.png", "model.keras")
_COVERAGE = 0.8
_RUN = "run"
_HOST = "127.0.0.1"
_USUAL_PORT = schema.PORT
_SECONDS_TO_START = 120
_LONGEST_LINE = 1000  # letters of a name or a sentence


class _WrongInputError(Exception):
    """What the user gave cannot be used; the message says why."""


def main(argv=None):
    """Run one command.

    Args:
        argv: Arguments without the name of the program; None takes those of this process.

    Returns:
        The exit code, see above. The program never leaves with an exception.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A letter that the terminal cannot show is no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed what there is to say.
        return int(stop.code or 0)
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except _WrongInputError as error:
        return _complain(str(error), 2, arguments)
    except KeyboardInterrupt:
        return _complain("interrupted", 1, arguments)
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ImportError as error:
        return _complain(f"{error}; `{_PROGRAM} doctor` tells what is missing", 1, arguments)
    except Exception as error:
        return _complain(f"{type(error).__name__}: {error}", 1, arguments)


def _complain(message, code, arguments):
    if getattr(arguments, "debug", False):
        traceback.print_exc()
    print(f"{_PROGRAM}: error: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return code


@contextlib.contextmanager
def _user_input():
    """Around checks of what the user gave, and nothing else: a ValueError from elsewhere is a fault of ours."""
    try:
        yield
    except ValueError as error:
        raise _WrongInputError(str(error)) from error
    except OSError as error:
        raise _WrongInputError(f"{error.filename}: {error.strerror}" if error.strerror else str(error)) from error


# Arguments


def _parser():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show where in the program an error came from"
    )
    parser = argparse.ArgumentParser(prog=_PROGRAM, description="See a recurrent network learn.", parents=[common])
    parser.add_argument("--version", action="version", version=f"{_PROGRAM} {rnn_tutorial.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name, run, help):
        added = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.", parents=[common])
        added.set_defaults(run=run)
        return added

    _add_letters_arguments(
        command("letters", _letters, "train a network on an alphabet and ask it for the next letter")
    )
    _add_forecast_arguments(command("forecast", _forecast, "forecast monthly sales from a CSV file"))
    board = command("board", _board, "show the runs below a folder in TensorBoard")
    _add_folder(board)
    board.add_argument(
        "--port", type=_integer(0, 65535), help=f"port to listen on (default: {_USUAL_PORT}, or a free one)"
    )
    diagnose = command("diagnose", _diagnose, "tell what is wrong with runs, from what they have recorded")
    diagnose.add_argument("folders", metavar="RUN", nargs="+", type=pathlib.Path, help="folder of a run, or of several")
    diagnose.add_argument("--json", action="store_true", help="print JSON for another program, a list of all runs")
    diagnose.epilog = (
        "A folder that is no run is told, and the others are judged all the same. Exit code: 3 where a run has "
        "something severe, else 2 where a folder is no run, else 0."
    )
    _add_folder(command("doctor", _doctor, "tell what is installed, what is missing and what to type"))
    return parser


def _add_letters_arguments(parser):
    parser.add_argument("letters", nargs="*", metavar="LETTER", help="letters to go on from; without any you are asked")
    parser.add_argument("--alphabet", default="abcde", help="letters in their order, each once (default: abcde)")
    _add_training(parser, "epochs of training at most", _LETTER_EPOCHS)


def _add_forecast_arguments(parser):
    parser.add_argument("file", metavar="FILE.csv", help="a column of months and a column of numbers, a row per month")
    parser.add_argument("--horizon", type=_integer(1), default=3, help="months to forecast (default: 3)")
    parser.add_argument(
        "--window", type=_integer(2), help="months the network reads (default: two to four years if there are enough)"
    )
    _add_training(parser, "epochs of training at most", _FORECAST_EPOCHS)
    parser.add_argument("--date", metavar="COL", help="column of the months, its name or position (default: found)")
    parser.add_argument("--value", metavar="COL", help="column of the numbers, its name or position (default: found)")
    parser.add_argument("--encoding", metavar="NAME", help="encoding of the file, such as cp1252 (default: found)")
    parser.add_argument("--decimal", choices=(".", ","), help="decimal mark of the numbers (default: found)")
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=pathlib.Path,
        default=pathlib.Path("logs", "forecast"),
        help="folder for the results; one that holds results is never written to, then it is DIR_2 and so on "
        "(default: logs/forecast)",
    )


def _add_training(parser, epochs_help, epochs):
    parser.add_argument("--epochs", type=_integer(1), default=epochs, help=f"{epochs_help} (default: {epochs})")
    parser.add_argument(
        "--seed", type=_integer(0, _LARGEST_SEED), default=0, help="seed of everything random (default: 0)"
    )


def _add_folder(parser):
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", type=pathlib.Path, default="logs", help="folder of the runs (default: logs)"
    )


def _integer(smallest, largest=math.inf):
    """A type for argparse."""
    allowed = f"of at least {smallest}" if largest == math.inf else f"from {smallest} to {largest}"

    def read(text):
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or not smallest <= number <= largest:
            raise argparse.ArgumentTypeError(f"must be an integer {allowed}, received {text!r}")
        return number

    return read


# letters


def _letters(arguments):
    from rnn_tutorial.data import letters

    asked = "".join(arguments.letters)
    with _user_input():
        alphabet = letters.Alphabet(arguments.alphabet)
        if len(alphabet) < 2:
            raise ValueError(f"--alphabet must hold at least 2 letters, received {arguments.alphabet!r}")
        if not arguments.alphabet.isprintable() or any(letter.isspace() for letter in arguments.alphabet):
            raise ValueError(f"--alphabet must hold letters without blanks, received {arguments.alphabet!r}")
        alphabet.encode(asked)
    following = _learn_letters(arguments.alphabet, arguments.epochs, arguments.seed)
    if arguments.letters:
        _answer(asked, following)
    else:
        converse(alphabet, following)
    return 0


def _learn_letters(text, epochs, seed):
    """Train until every letter is followed by the right one.

    Returns:
        {letter: the one that the network says comes next}
    """
    _console.start_keras()
    import keras

    from rnn_tutorial import data, models

    keras.utils.set_random_seed(seed)
    x, y = data.letters.pairs(text)  # a row per letter, in the order of the text
    # Three units are all it takes for five letters; for more, as many as letters learn them in fewer epochs.
    model = models.letter_predictor(len(text), units=3 if len(text) <= 5 else min(len(text), 128))
    model.compile(keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
    last: dict = {}

    def look(epoch, logs):
        # The accuracy that `fit` reports is a mean over the epoch, from weights that have changed since.
        answers = keras.ops.convert_to_numpy(model(x)).argmax(axis=-1)  # (letters,)
        last.update(epochs=epoch + 1, answers=answers, right=int((answers == y).sum()))
        model.stop_training = last["right"] == len(y)

    watch = keras.callbacks.LambdaCallback(on_epoch_end=look)
    model.fit(**data.batches(x, y, seed=seed), epochs=epochs, callbacks=[watch], verbose=0)
    _tell_accuracy(last["epochs"], last["right"], len(y))
    # `pairs` numbers the letters in sorted order, whatever their order in the text.
    return dict(zip(text, data.letters.alphabet_of(text).decode(last["answers"]), strict=True))


def _tell_accuracy(epochs, right, letters):
    accuracy = math.floor(1000 * right / letters) / 1000  # never rounded up to 1.0
    more = "" if right == letters else "; more --epochs may do better"
    print(
        f"Trained for {epochs} epoch{'s' * (epochs != 1)}: accuracy {accuracy}, "
        f"{right} of {letters} letters are right{more}.",
        flush=True,
    )


def _answer(asked, following):
    for letter in asked:
        print(f"{letter} -> {following[letter]}", flush=True)


def converse(alphabet, following):
    """Ask for letters until an empty line or the end of the input, and answer them as "a -> b".

    Args:
        alphabet: `data.letters.Alphabet` of the letters that have an answer; any other gets it shown, and another try.
        following: {letter: the one that comes next}.
    """
    print(f"Which letter? One of {alphabet.letters}; an empty line ends.", flush=True)
    while True:
        with _user_input():  # Bytes that are no text are wrong input too.
            line = _read_line()
        if not line:
            return
        try:
            alphabet.encode(line)
        except ValueError as error:
            print(error, flush=True)
        else:
            _answer(line, following)


def _read_line():
    try:
        # Where nobody types, a prompt would only stand before each answer.
        return input("> " if sys.stdin.isatty() else "").strip()
    except EOFError:
        if sys.stdin.isatty():
            print()
        return ""


# forecast


def _forecast(arguments):
    import numpy as np

    from rnn_tutorial import forecasting
    from rnn_tutorial.data import monthly_csv, sales

    horizon = arguments.horizon
    with _user_input():
        reading = monthly_csv.read(
            arguments.file, arguments.date, arguments.value, horizon, arguments.encoding, arguments.decimal
        )
        series = reading.series
        window = _window(len(series), arguments.window, horizon)
        outputs = forecasting.choose_outputs(len(series), window, horizon)
        x, y = sales.windows(series, window, outputs)  # Refuses numbers that are too large for the network.
    _tell_plan(reading, arguments.window, window, outputs, horizon)
    with _claimed(arguments.output) as folder:
        _console.start_keras()
        from rnn_tutorial import callbacks

        chosen = {
            "window": window,
            "epochs": arguments.epochs,
            "seed": arguments.seed,
            "practice": forecasting.PRACTICE,
        }
        if forecasting.only_practises(len(series), window):
            progress = _progress(forecasting.PRACTICE_EPOCHS, may_stop=False)
            if forecasting.takes_logarithm(series):
                x, y = np.log(x), np.log(y)
        else:
            progress = _progress(arguments.epochs, may_stop=forecasting.is_seasonal(len(series), window))
        weight = forecasting.loss_weight(y, forecasting.is_seasonal(len(series), window))
        probe = (x[-32:], y[-32:], np.full(len(y[-32:]), weight))
        model = forecasting.train(
            series,
            horizon=outputs,
            callbacks=[progress, *callbacks.observe(folder / _RUN, probe=probe)],
            **chosen,
        )
        predicted = forecasting.forecast(model, series, horizon)
        _check_finite(predicted)
        ends = forecasting.interval(series, predicted, _COVERAGE, **chosen)
        forecasts = {"forecast": predicted, **forecasting.baselines(series, horizon)}
        _save_forecast(folder, model, series, forecasts, ends)
    _print_table(forecasts, ends)
    _tell_interval(ends)
    print(
        f"\n{', '.join(_FORECAST_FILES)} are in {folder}. "
        f"To see how the network learned, in the RNN tab at {schema.tab_address()}:"
    )
    print(f"  tensorboard --logdir {shlex.quote(str(folder))}")
    return 0


def _tell_plan(reading, asked, window, outputs, horizon):
    """Say what was read and how it will be forecast, before that takes its time."""
    from rnn_tutorial import forecasting

    series = reading.series
    notes = f" ({'; '.join(reading.notes)})" if reading.notes else ""
    first, last = _month(series.index[0]), _month(series.index[-1])
    print(f"Read {len(series)} months of {series.name!r}, {first} to {last}{notes}.")
    if series.nunique() == 1:
        print("All months are the same; the forecast is the same, too, and the network learns nothing from them.")
    if forecasting.is_seasonal(len(series), window):
        log = forecasting.takes_logarithm(series)
        few = forecasting.only_practises(len(series), window)
        print(
            f"The network reads {window // 12} years at once, "
            f"{'as logarithms: the seasons grow with the level' if log else 'as they are'}; "
            f"it practises on made-up series {'only: for training on yours, these are too few' * few or 'first'}."
        )
        return
    if asked is None and window < forecasting.LONGEST_WINDOW:
        print(f"That is too short to read {forecasting.LONGEST_WINDOW} months at once; the network reads {window}.")
    if horizon > 1:
        print(f"It forecasts {'all months at once' if outputs == horizon else 'one month, and that repeatedly'}.")


def _tell_interval(ends):
    share = f"{_COVERAGE:.0%}"
    if ends is None:
        print(f"\nNo interval around the forecast: the series is too short to see how wrong {share} of forecasts were.")
    else:
        print(f"\nlower to upper: {share} of the forecasts of this kind that were tried on the past were as close.")


def _window(months, asked, horizon):
    """The window asked for, if a month is left to train on and one to validate on, or the usual one."""
    from rnn_tutorial import forecasting

    usual = forecasting.choose_window(months, horizon)
    if asked is None:
        return usual
    if asked > months - 2:
        raise ValueError(f"--window {asked} is too long for {months} months; the longest that works is {months - 2}")
    return asked


@contextlib.contextmanager
def _claimed(asked):
    """The first of `asked`, `<asked>_2`, ... without results; what is empty in it is removed if there will be none.

    What TensorBoard can show of a training that was interrupted stays.
    """
    try:
        folder, made = _claim(asked)
    except (OSError, ValueError) as error:
        is_file = isinstance(error, FileExistsError)
        reason = "it is a file" if is_file else getattr(error, "strerror", None) or error
        raise _WrongInputError(f"--output {asked}: nothing can be written there ({reason})") from error
    if folder != asked:
        done = any(os.path.lexists(asked / name) for name in _FORECAST_FILES)
        held = "results already" if done else "a run without results, interrupted or still going on"
        print(f"{asked} holds {held}; these go to {folder}", flush=True)
    try:
        yield folder
    except BaseException:
        _remove_empty([folder / _RUN, *made])
        raise


def _claim(asked):
    """Return a folder without results and which folders were made for it, the innermost first."""
    stem = asked.resolve() if asked.name in ("", "..") else asked
    for number in itertools.count(1):
        folder = asked if number == 1 else pathlib.Path(f"{stem}_{number}")
        if any(os.path.lexists(folder / name) for name in _FORECAST_FILES):
            continue
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _RUN).mkdir()  # Only one of two programs that start at once can make it.
        except OSError as error:
            _remove_empty(made)
            if isinstance(error, FileExistsError) and folder.is_dir():
                continue
            raise
        return folder, made


def _remove_empty(folders):
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _progress(epochs, may_stop):
    """A callback that shows one bar for all epochs, or, where no terminal is, one line."""
    import keras

    if not sys.stdout.isatty():
        print(f"Training for {'at most ' * may_stop}{epochs} epoch{'s' * (epochs != 1)}.", flush=True)
        return keras.callbacks.Callback()
    bar = keras.utils.Progbar(epochs, unit_name="epoch", stateful_metrics=["val_mae"])
    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: bar.update(epoch + 1, [("val_mae", logs["val_mae"])])
    )


def _check_finite(forecast):
    if not all(map(math.isfinite, forecast)):
        raise ArithmeticError(f"the network's forecast is not a finite number: {forecast.tolist()}")


def _save_forecast(folder, model, series, forecasts, ends):
    """Write all files or none: what is not finished is in a folder of its own."""
    import pandas as pd

    from rnn_tutorial import drawing

    table = pd.DataFrame(_columns(forecasts, ends))
    table.index = [_month(month) for month in table.index]
    band = None if ends is None else (*ends, f"{_COVERAGE:.0%} interval")
    picture = drawing.png(drawing.forecast(series, forecasts, unit=str(series.name), band=band))
    with tempfile.TemporaryDirectory(prefix=".unfinished", dir=folder) as unfinished:
        csv, png, keras_file = (pathlib.Path(unfinished, name) for name in _FORECAST_FILES)
        table.to_csv(csv, index_label="date", lineterminator="\n")
        png.write_bytes(picture)
        model.save(keras_file)
        for path in (csv, png, keras_file):
            path.replace(folder / path.name)


def _columns(forecasts, ends):
    """The columns of the table: the forecast, its ends beside it, the baselines."""
    first, *others = forecasts
    between = {} if ends is None else dict(zip(("lower", "upper"), ends, strict=True))
    return {first: forecasts[first], **between, **{name: forecasts[name] for name in others}}


def _print_table(forecasts, ends=None):
    """Print one row a month, with the largest number to four digits and the others to as many decimals."""
    forecasts = _columns(forecasts, ends)
    largest = max(abs(value) for series in forecasts.values() for value in series)
    decimals = max(0, 3 - math.floor(math.log10(largest))) if largest > 0 else 0
    columns = [["month", *map(_month, next(iter(forecasts.values())).index)]]
    columns += [[name, *(f"{value:.{decimals}f}" for value in series)] for name, series in forecasts.items()]
    widths = [max(map(len, column)) for column in columns]
    print()
    for row in zip(*columns, strict=True):
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _month(period):
    return f"{period.year:04d}-{period.month:02d}"


# board


def _board(arguments):
    folder = arguments.folder
    with _user_input():
        if not folder.is_dir():
            raise ValueError(f"{folder}: there is no such folder")
        if next(doctor.run_folders(folder), None) is None:
            raise ValueError(
                f"{folder} holds no event files, so there is nothing to see yet; run a lesson or {_PROGRAM} forecast, "
                f"or train with callbacks.observe({str(folder / _RUN)!r})"
            )
        port = _port(arguments.port)
    print(f"TensorBoard starts on {folder} ...", flush=True)
    with _terminated_like_interrupted(), tempfile.TemporaryFile() as log:
        try:
            return _serve(folder.resolve(), port, log)
        except KeyboardInterrupt:
            return 0


def _port(asked):
    """A port that is free now: the one asked for, else the usual one, else any."""
    if asked is not None:
        try:
            return _bind(asked)
        except OSError as error:
            raise ValueError(f"--port {asked} cannot be used: {error.strerror}") from error
    try:
        return _bind(_USUAL_PORT)
    except OSError:
        return _bind(0)


def _bind(port):
    with socket.socket() as trial:
        if os.name == "posix":
            # As TensorBoard's server does: a connection that was closed a moment ago does not block the port.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind((_HOST, port))
        return trial.getsockname()[1]


def _serve(folder, port, log):
    """Run TensorBoard, in a process of its own because it says much while it starts, until it ends."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", _HOST, "--port", str(port)]
    # A module of the same name in the current folder must not take TensorBoard's place.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        if not _comes_up(server, port, folder):
            raise RuntimeError(f"TensorBoard did not start: {_last_line(log)}")
        print(
            f"TensorBoard is at http://{_HOST}:{port}/ (Ctrl-C ends it), "
            f"the RNN tab at {schema.tab_address(_HOST, port)}",
            flush=True,
        )
        if server.wait() != 0:
            raise RuntimeError(f"TensorBoard ended: {_last_line(log)}")
        return 0
    finally:
        _stop(server)


def _comes_up(server, port, folder):
    deadline = time.monotonic() + _SECONDS_TO_START
    while server.poll() is None and time.monotonic() < deadline:
        if _answers(port, folder):
            return True
        time.sleep(0.1)
    return False


def _answers(port, folder):
    """Whether a TensorBoard of this folder answers; another program may have taken the port in the meantime."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=10)
    try:
        connection.request("GET", "/data/environment")
        return json.loads(connection.getresponse().read())["data_location"] == str(folder)
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return False
    finally:
        connection.close()


def _stop(server):
    server.terminate()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=10)
    finally:  # Also where Ctrl-C is pressed once more; it does nothing to a process that has ended.
        server.kill()
        server.wait()


def _last_line(log):
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


@contextlib.contextmanager
def _terminated_like_interrupted():
    """Let the signal that `kill` sends end the server too, which would go on without us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# diagnose


def _diagnose(arguments):
    from rnn_tutorial import diagnosis

    code, listed = 0, []
    for folder in _runs(arguments.folders):
        try:
            run_data = diagnosis.read(folder)
        except ValueError as error:
            code = max(code, _complain(str(error), 2, arguments))
            continue
        findings = diagnosis.diagnose(run_data)
        code = max(code, 3 * any(finding.severity == "severe" for finding in findings))
        if arguments.json:
            listed.append(_as_json(run_data, findings))
        else:
            _print_findings(run_data, findings)
    if arguments.json:
        print(json.dumps(listed, indent=2, ensure_ascii=False))
    return code


def _runs(folders):
    """Each run in the folders once; a folder without any as it is."""
    from rnn_tutorial import diagnosis

    seen = set()
    for folder in folders:
        try:
            found = diagnosis.runs(folder)
        except ValueError:  # Whoever reads it will say why.
            yield folder
            continue
        for run in found:
            if os.path.realpath(run) not in seen:
                seen.add(os.path.realpath(run))
                yield run


def _as_json(run_data, findings):
    """JSON knows no NaN and no infinity; they are null."""

    def number(value):
        return value if math.isfinite(value) else None

    found = [
        {**vars(finding), "numbers": {name: number(float(value)) for name, value in finding.numbers.items()}}
        for finding in findings
    ]
    return {"run": run_data.name, "problems": run_data.problems, "findings": found}


def _print_findings(run_data, findings):
    count = f"{len(findings)} finding{'s' * (len(findings) != 1)}" if findings else "nothing found"
    print(f"{_line(run_data.name)}: {count}")
    for problem in run_data.problems:
        print(f"  {_line(problem)}")
    rows = [("severity", "rule", "layer", "epochs", "tab", "tag")] if findings else []
    for finding in findings:
        first, last = finding.epochs
        epochs = str(first) if first == last else f"{first}-{last}"
        row = finding.severity, finding.rule, finding.layer or "-", epochs, finding.tab, finding.tag
        rows.append(tuple(map(_line, row)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number:
            finding = findings[number - 1]
            follows = f" It follows from {finding.follows}." if finding.follows else ""
            print(f"    {_line(finding.cause + follows)}\n    {_line(finding.advice)}\n      {finding.code}")
    print()


def _line(text):
    """A text as it can be printed on one line: names of layers come from a file, and may be anything."""
    shown = text if text.isprintable() else repr(text)[1:-1]
    return shown if len(shown) <= _LONGEST_LINE else f"{shown[:_LONGEST_LINE]}..."


# doctor


def _doctor(arguments):
    return 0 if doctor.report(arguments.folder) else 1
