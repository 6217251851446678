"""Locks on files that the operating system drops when the process that holds them dies."""

import contextlib
import os
import pathlib
import time
from collections.abc import Iterator
from typing import Any

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def take(descriptor: int) -> bool | None:
    """Lock an open file.

    Returns:
        True; False where somebody else has locked it; None where the system or the disk knows no such locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def release(descriptor: int) -> None:
    """Unlock an open file. Closing it is not enough: a child made by a fork keeps the lock open."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextlib.contextmanager
def held(path: pathlib.Path) -> Iterator[bool]:
    """Hold a lock file that is there only as long as it is held.

    A file that a dead program left is taken over.

    Args:
        path: Path of the lock file; its folder is there.

    Yields:
        True; False where somebody else holds it.
    """
    try:
        descriptor, is_new = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), True
    except FileExistsError:
        descriptor, is_new = os.open(path, os.O_CREAT | os.O_WRONLY, 0o666), False
    taken = take(descriptor)
    if taken is None:
        taken = is_new or _is_old(path)
    taken = taken and _is_that_of(path, descriptor)
    try:
        yield taken
    finally:
        if fcntl is None:
            os.close(descriptor)  # Windows removes no open file.
        if taken:
            with contextlib.suppress(OSError):
                os.unlink(path)
        if fcntl is not None:
            os.close(descriptor)


def _is_that_of(path, descriptor):
    """Whether an open file is still there under its path; who held it before may just have removed it."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _is_old(path):
    """Whether a lock file is older than anybody holds one."""
    try:
        return time.time() - os.stat(path).st_mtime > 60
    except FileNotFoundError:
        return True
