"""What every lesson shares: its arguments, its folders, and its last lines."""

import argparse
import pathlib
import shutil
import sys
import time

from rnn_tutorial import quiet

_started = time.monotonic()


def start(name, epochs, quick_epochs, add_arguments=None):
    """Read the arguments of a lesson and start Keras quietly.

    In a notebook there are no arguments, and all values are the defaults.

    Example:

    >>> settings = lesson.start("02_next_letter", epochs=100, quick_epochs=60)

    Args:
        name: Name of the lesson's file, without `.py`.
        epochs: Epochs at full settings.
        quick_epochs: Epochs with `--quick`.
        add_arguments: Function that adds the lesson's own arguments to an `argparse.ArgumentParser`, or None.

    Returns:
        An `argparse.Namespace` with quick, epochs, seed, log_dir (a `pathlib.Path`) and the lesson's own arguments.
    """
    parser = argparse.ArgumentParser(prog=f"{name}.py", description=_first_line())
    parser.add_argument("--quick", action="store_true", help="fewer epochs and repetitions, to see it run")
    parser.add_argument(
        "--epochs", type=_at_least(1), help=f"epochs of training (default: {epochs}, or {quick_epochs} with --quick)"
    )
    parser.add_argument("--seed", type=_at_least(0), default=123, help="seed of everything random (default: 123)")
    parser.add_argument("--log-dir", type=pathlib.Path, help=f"folder for the runs (default: logs/{name})")
    if add_arguments is not None:
        add_arguments(parser)
    settings = parser.parse_args([] if "ipykernel" in sys.modules else None)
    if settings.epochs is None:
        settings.epochs = quick_epochs if settings.quick else epochs
    if settings.log_dir is None:
        settings.log_dir = _logs() / name
    quiet.start_keras()
    return settings


def end(settings, *findings):
    """Print what was found, in numbers, and where to look at it."""
    print("\nWhat you found out")
    for finding in findings:
        print(f"  - {finding}")
    print(f"\nThis took {time.monotonic() - _started:.0f} s. Now look at it:")
    print(f"  {tensorboard_command()} --logdir {settings.log_dir}")


def tensorboard_command():
    """How to call TensorBoard: by its name, or where the virtual environment is not activated by its path."""
    if shutil.which("tensorboard"):
        return "tensorboard"
    program = pathlib.Path(sys.executable).with_name("tensorboard")
    return program.relative_to(pathlib.Path.cwd()) if program.is_relative_to(pathlib.Path.cwd()) else program


def _logs():
    """The folder `logs` of the repository, seen from its top or from the folder of the lessons."""
    return pathlib.Path("../logs") if pathlib.Path.cwd().name == "lessons" else pathlib.Path("logs")


def _first_line():
    """The first line of the lesson's own text, for `--help`."""
    return (getattr(sys.modules["__main__"], "__doc__", None) or "").strip().partition("\n")[0]


def _at_least(smallest):
    def integer(text):
        try:
            number = int(text)
        except ValueError:
            number = smallest - 1
        if number < smallest:
            raise argparse.ArgumentTypeError(f"must be an integer of at least {smallest}, received {text!r}")
        return number

    return integer
