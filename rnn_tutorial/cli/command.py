"""What the commands share: how one declares itself, arguments, complaints, and the folders of runs."""

import argparse
import contextlib
import math
import os
import pathlib
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import NamedTuple

PROGRAM = "rnn-tutorial"
RUN = "run"  # the folder of the run in a folder of results
_EVENT_FILE = "tfevents"  # TensorBoard reads every file with this in its name
_LARGEST_SEED = 2**32 - 1  # the largest one that NumPy takes


class Command(NamedTuple):
    """A command of the program: the `COMMAND` of a file of this package.

    Such a file is loaded before a command is known, for `--help`: what it needs besides the standard library it imports
    inside functions.

    Args:
        name: What is typed after the name of the program.
        help: What it does, in the list of commands; begins with a small letter, and has no full stop.
        add_arguments: Adds its arguments to an `argparse.ArgumentParser`.
        run: Does it, with the arguments that were read, and returns the exit code.
        place: Where it stands among the commands in `--help`, from small to large.
    """

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    place: int


class WrongInputError(Exception):
    """What the user gave cannot be used; the message says why."""


@contextlib.contextmanager
def user_input() -> Iterator[None]:
    """Around checks of what the user gave, and nothing else: a ValueError from elsewhere is a fault of ours."""
    try:
        yield
    except ValueError as error:
        raise WrongInputError(str(error)) from error
    except OSError as error:
        raise WrongInputError(f"{error.filename}: {error.strerror}" if error.strerror else str(error)) from error


def complain(message: str, code: int, arguments: argparse.Namespace) -> int:
    """Print an error in one line, after where it came from if that was asked for, and return the exit code."""
    if getattr(arguments, "debug", False):
        traceback.print_exc()
    print(f"{PROGRAM}: error: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return code


def add_training(parser: argparse.ArgumentParser, epochs: int) -> None:
    """Add the arguments of a command that trains."""
    parser.add_argument(
        "--epochs", type=integer(1), default=epochs, help=f"epochs of training at most (default: {epochs})"
    )
    parser.add_argument(
        "--seed", type=integer(0, _LARGEST_SEED), default=0, help="seed of everything random (default: 0)"
    )


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add the argument of a command that looks at the runs below a folder."""
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", type=pathlib.Path, default="logs", help="folder of the runs (default: logs)"
    )


def integer(smallest: int, largest: float = math.inf) -> Callable[[str], int]:
    """A type for argparse."""
    allowed = f"of at least {smallest}" if largest == math.inf else f"from {smallest} to {largest}"

    def read(text: str) -> int:
        number: int | None = None
        with contextlib.suppress(ValueError):
            number = int(text)
        if number is None or not smallest <= number <= largest:
            raise argparse.ArgumentTypeError(f"must be an integer {allowed}, received {text!r}")
        return number

    return read


def run_folders(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The folders with event files, `folder` and all below it, each of which TensorBoard shows as a run."""
    seen = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        # TensorBoard follows links too; a link to a folder above would lead round and round.
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        if any(_EVENT_FILE in name for name in files):
            yield pathlib.Path(here)
