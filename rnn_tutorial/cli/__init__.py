"""The program `rnn-tutorial`: letters, a forecast from a CSV, a diagnosis, TensorBoard, a look at the installation.

It ends with 0 when done, with 2 where what the user gave is wrong, with 3 where a diagnosis finds something severe,
and with 1 after anything else. Only the standard library is loaded before a command is known, so that `--help`
answers at once.

Each command is a file of this package, which declares it as `COMMAND`.
"""

import argparse
import importlib
import io
import os
import pkgutil
import sys
from collections.abc import Iterator, Sequence

import rnn_tutorial
from rnn_tutorial.cli.command import PROGRAM, Command, WrongInputError, complain

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
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
    except WrongInputError as error:
        return complain(str(error), 2, arguments)
    except KeyboardInterrupt:
        return complain("interrupted", 1, arguments)
    except BrokenPipeError:
        # The reader of our output is gone. Without this, Python complains again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ImportError as error:
        advice = "" if "pip install" in str(error) else f"; `{PROGRAM} doctor` tells what is missing"
        return complain(f"{error}{advice}", 1, arguments)
    except Exception as error:
        return complain(f"{type(error).__name__}: {error}", 1, arguments)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show where in the program an error came from"
    )
    parser = argparse.ArgumentParser(prog=PROGRAM, description="See a recurrent network learn.", parents=[common])
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {rnn_tutorial.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in sorted(_commands(), key=lambda command: command.place):
        description = f"{command.help[0].upper()}{command.help[1:]}."
        added = commands.add_parser(command.name, help=command.help, description=description, parents=[common])
        command.add_arguments(added)
        added.set_defaults(run=command.run)
    return parser


def _commands() -> Iterator[Command]:
    """What the files of this package declare."""
    for file in pkgutil.iter_modules(__path__):
        if file.name != "__main__":
            try:
                module = importlib.import_module(f"{__name__}.{file.name}")
            except Exception as error:  # The other commands work without it.
                print(f"{PROGRAM}: {file.name} is left out: {type(error).__name__}: {error}", file=sys.stderr)
                continue
            if hasattr(module, "COMMAND"):
                yield module.COMMAND
