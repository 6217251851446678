"""What every lesson shares: its arguments, its folders, and its last lines."""

import argparse
import pathlib
import shutil
import sys
import time

from rnn_tutorial import _console, drawing
from rnn_tutorial.recording import schema

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
    settings = parser.parse_args([] if _in_notebook() else None)
    if settings.epochs is None:
        settings.epochs = quick_epochs if settings.quick else epochs
    if settings.log_dir is None:
        settings.log_dir = _logs() / name
    _console.start_keras()
    return settings


def show(run, tag, figure, step=0):
    """Put a picture into TensorBoard and into a file beside the event file; in a notebook show it in its cell, too.

    Args:
        run: The `recording.Run`.
        tag: Name of the series of pictures; the file is called after it.
        figure: A matplotlib `Figure`, or the bytes of a PNG file.
        step: Epoch.

    Returns:
        The path of the file, or None where nothing can be written.
    """
    png = figure if isinstance(figure, bytes) else drawing.png(figure)
    run.image(tag, png, step)
    _inline(png)
    return run.save(f"{tag.replace('/', '_')}{f'_{step}' if step else ''}.png", png)


def show_files(folder):
    """In a notebook, show the pictures that the callbacks have left in the folder of a run; a script has the files."""
    for path in sorted(pathlib.Path(folder).glob("*.png")):
        _inline(path.read_bytes())


def end(settings, *findings):
    """Print what was found, in numbers, and where to look at it, if something was written for TensorBoard."""
    print("\nWhat you found out")
    for finding in findings:
        print(f"  - {finding}")
    seconds = f"\nThis took {time.monotonic() - _started:.0f} s."
    if next(settings.log_dir.rglob("*tfevents*"), None) is None:
        print(seconds)
        return
    print(f"{seconds} Now look at it:")
    print(f"  {tensorboard_command()} --logdir {settings.log_dir}")
    print(f"  the RNN tab: {schema.tab_address()}")


def tensorboard_command():
    """How to call TensorBoard: by its name, or where the virtual environment is not activated by its path."""
    if shutil.which("tensorboard"):
        return "tensorboard"
    program = pathlib.Path(sys.executable).with_name("tensorboard")
    return program.relative_to(pathlib.Path.cwd()) if program.is_relative_to(pathlib.Path.cwd()) else program


def _inline(png):
    if _in_notebook():
        from IPython.display import Image, display

        display(Image(png))


def _in_notebook():
    """Whether a notebook's kernel runs this; the arguments of the process are then the kernel's."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")  # a terminal's IPython has none


def _logs():
    """The folder `logs` of the repository, seen from its top, from the folder of the lessons or of their solutions."""
    here = pathlib.Path.cwd()
    up = {"lessons": "..", "solutions": "../.."}.get(here.name, ".")
    return pathlib.Path(up, "logs")


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
