"""The folders of runs: which one a new run takes, which files in it are event files, which are parts of a run."""

import contextlib
import itertools
import os
import pathlib
from collections.abc import Callable, Iterator

from rnn_tutorial.recording import events, locks, schema

# Marks event files as ours: TensorBoard asks only that "tfevents" stands somewhere in the name.
SUFFIX = ".rnn_tutorial"


def is_taken(log_dir: str | os.PathLike) -> bool:
    """Whether a folder holds an event file written by this package, with an event in it."""
    return any(map(holds_event, pathlib.Path(log_dir).glob(f"*tfevents*{SUFFIX}")))


def holds_event(path: str | os.PathLike) -> bool:
    """Whether a file holds at least one whole event. One that may not be opened is taken for one that does."""
    path = pathlib.Path(path)
    try:
        return path.is_file() and (not os.access(path, os.R_OK) or next(events.read(path), None) is not None)
    except events.BrokenFileError:
        return False


def _numbered(log_dir):
    """`log_dir`, `<log_dir>_2`, `<log_dir>_3`, ... in the order in which a run asks for them.

    TensorBoard follows only the newest event file of a folder, so two runs in one folder would hide each other.
    """
    log_dir = pathlib.Path(log_dir)
    yield log_dir
    if log_dir.name in ("", ".."):  # Nothing that a number could be put behind.
        log_dir = log_dir.resolve()
    for number in itertools.count(2):
        yield pathlib.Path(f"{log_dir}_{number}")


@contextlib.contextmanager
def claimed(
    log_dir: pathlib.Path, obstacle: Callable[[pathlib.Path], str]
) -> Iterator[tuple[pathlib.Path, pathlib.Path]]:
    """Hold the first free folder while its event file is made, so that of two who ask at once only one gets it.

    Args:
        log_dir: The folder that is asked for.
        obstacle: Function from a folder to why it is not free, in words; "" where it is.

    Yields:
        The folder, and the same as an absolute path: the program may change its folder while it runs.
    """
    for folder in _numbered(log_dir):
        if obstacle(folder):
            continue
        absolute = folder.absolute()
        absolute.mkdir(parents=True, exist_ok=True)
        with locks.held(absolute / ".claimed") as is_held:
            # Whoever else holds it is just making the file that will take the folder, or has made it by now.
            if is_held and not obstacle(folder):
                # A program that died before its first event leaves a file that would hide ours.
                for left in absolute.glob(f"*tfevents*{SUFFIX}"):
                    if left.is_file() and not holds_event(left):
                        left.unlink()
                yield folder, absolute
                return


def holds_run(folder: pathlib.Path) -> str:
    """Why a folder is not free where it holds a run of ours, in words; "" where it holds none."""
    return "holds a run already" if is_taken(folder) else ""


def is_part(path: pathlib.Path) -> bool:
    """Whether a folder is that of Keras for one half of a run, and not a whole run that is called so."""
    return path.name in schema.PARTS and not any(os.path.isdir(path / part) for part in schema.PARTS)


def event_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """The event files of a folder. Last is the one to read: as in TensorBoard the newest, but ours before any other."""
    found = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:  # The folder may be gone, or not to be read.
        for entry in entries:
            is_named_so = "tfevents" in entry.name and not entry.name.endswith((".profile-empty", ".unfinished"))
            with contextlib.suppress(OSError):
                if is_named_so and entry.is_file():  # A folder, a pipe or a dead link may be named so, too.
                    found.append((entry.name.endswith(SUFFIX), entry.stat().st_mtime, entry.name))
    return [folder / name for *_, name in sorted(found)]
