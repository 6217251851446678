"""`rnn-tutorial forecast`: forecast monthly sales from a CSV file."""

import argparse
import contextlib
import itertools
import math
import os
import pathlib
import shlex
import sys
import tempfile

from rnn_tutorial import _console, drawing
from rnn_tutorial.cli.command import RUN, Command, WrongInputError, add_training, integer, user_input
from rnn_tutorial.recording import schema

_EPOCHS = 200
_FILES = ("forecast.csv", "forecast.png", "model.keras")
_COVERAGE = 0.8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("file", metavar="FILE.csv", help="a column of months and a column of numbers, a row per month")
    parser.add_argument("--horizon", type=integer(1), default=3, help="months to forecast (default: 3)")
    parser.add_argument(
        "--window", type=integer(2), help="months the network reads (default: two to four years if there are enough)"
    )
    add_training(parser, _EPOCHS)
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


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    import numpy as np

    from rnn_tutorial import forecasting
    from rnn_tutorial.data import monthly_csv, sales

    horizon = arguments.horizon
    with user_input():
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
            callbacks=[progress, *callbacks.observe(folder / RUN, probe=probe)],
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
        f"\n{', '.join(_FILES)} are in {folder}. "
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
        raise WrongInputError(f"--output {asked}: nothing can be written there ({reason})") from error
    if folder != asked:
        done = any(os.path.lexists(asked / name) for name in _FILES)
        held = "results already" if done else "a run without results, interrupted or still going on"
        print(f"{asked} holds {held}; these go to {folder}", flush=True)
    try:
        yield folder
    except BaseException:
        _remove_empty([folder / RUN, *made])
        raise


def _claim(asked):
    """Return a folder without results and which folders were made for it, the innermost first."""
    stem = asked.resolve() if asked.name in ("", "..") else asked
    for number in itertools.count(1):
        folder = asked if number == 1 else pathlib.Path(f"{stem}_{number}")
        if any(os.path.lexists(folder / name) for name in _FILES):
            continue
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / RUN).mkdir()  # Only one of two programs that start at once can make it.
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

    table = pd.DataFrame(_columns(forecasts, ends))
    table.index = [_month(month) for month in table.index]
    band = None if ends is None else (*ends, f"{_COVERAGE:.0%} interval")
    picture = drawing.png(drawing.forecast(series, forecasts, unit=str(series.name), band=band))
    with tempfile.TemporaryDirectory(prefix=".unfinished", dir=folder) as unfinished:
        csv, png, keras_file = (pathlib.Path(unfinished, name) for name in _FILES)
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


COMMAND = Command(
    name="forecast",
    help="forecast monthly sales from a CSV file",
    add_arguments=add_arguments,
    run=run,
    place=2,
)
