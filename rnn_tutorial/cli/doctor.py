"""`rnn-tutorial doctor`: what this computer has and what it lacks, one line each.

A package is looked for, not imported: what is broken may be missing here too. Only what must be tried is tried.
"""

import argparse
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from importlib import metadata
from typing import NamedTuple

from rnn_tutorial import _console, drawing
from rnn_tutorial.cli.command import Command, add_folder, run_folders

# What the extra `lessons` installs: {package: module}
_FOR_LESSONS = {
    "pydot": "pydot",
    "graphviz": "graphviz",
    "babel": "babel",
    "statsmodels": "statsmodels",
    "scikit-learn": "sklearn",
    "nltk": "nltk",
}
_OLDEST, _NEWEST = (3, 10), (3, 13)  # of Python


class Finding(NamedTuple):
    """One line: whether all is well, with what, and its version or what to type."""

    is_well: bool
    name: str
    detail: str
    is_necessary: bool = True


def run(arguments: argparse.Namespace) -> int:
    """Print what is found, and return the exit code: 1 where something necessary is missing."""
    all_found = True
    for finding in _findings(arguments.folder):
        hint = "" if finding.is_well or finding.is_necessary else " (not necessary)"
        print(f"{'ok' if finding.is_well else '--'}  {finding.name:<14}  {finding.detail}{hint}", flush=True)
        all_found = all_found and (finding.is_well or not finding.is_necessary)
    return 0 if all_found else 1


def _findings(folder):
    yield _python()
    keras, backend = _keras()
    yield _package("TensorFlow", "tensorflow", is_necessary=backend == "tensorflow")
    yield keras
    yield _package("TensorBoard", "tensorboard")
    yield _package("NumPy", "numpy")
    yield _package("pandas", "pandas")
    yield _package("matplotlib", "matplotlib")
    for name, module in _FOR_LESSONS.items():
        yield _package(name, name, module, is_necessary=False, extra="lessons")
    yield _dot()
    yield _package("setuptools", "setuptools")
    yield _package("protobuf", "protobuf", module="google.protobuf")
    yield _crc32c()
    yield _writing(folder)
    yield _event_files(folder)


def _python():
    is_supported = _OLDEST <= sys.version_info[:2] <= _NEWEST
    oldest, newest = (".".join(map(str, version)) for version in (_OLDEST, _NEWEST))
    advice = "" if is_supported else f"; install Python {oldest} to {newest}"
    return Finding(is_supported, "Python", platform.python_version() + advice)


def _package(name, distribution, module=None, is_necessary=True, extra=None):
    if _is_there(module or distribution):
        return Finding(True, name, _version(distribution), is_necessary)
    wanted = f"'rnn-tutorial[{extra}]'" if extra else distribution
    return Finding(False, name, f"pip install {wanted}", is_necessary)


def _is_there(module):
    """Whether Python would find a module. Its parent package is imported, the module itself is not."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # The parent is missing; something without a spec stands in its place.
        return False


def _version(distribution):
    try:
        return metadata.version(distribution) or "version unknown"
    except metadata.PackageNotFoundError:
        return "version unknown"


def _keras():
    """Keras, and the backend it is to run on: it has to be started, only then is it known whether its backend runs."""
    if not _is_there("keras"):
        return Finding(False, "Keras", "pip install keras"), "tensorflow"
    try:
        _console.start_keras()
        import keras

        backend = keras.config.backend()
    except Exception as error:  # Whatever a broken installation may raise.
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and "pip install" in str(error):  # It says what to do.
            return Finding(False, "Keras", str(error)), missing
        advice = f"pip install {missing.partition('.')[0] if missing else '--upgrade keras tensorflow'}"
        return Finding(False, "Keras", f"does not start ({_one_line(error)}); {advice}"), "tensorflow"
    return Finding(True, "Keras", f"{_version('keras')} on {backend}"), backend


def _dot():
    program = shutil.which("dot")
    if program is None:
        return Finding(False, "dot", f"{drawing.INSTALL_DOT}; until then diagrams are plainer", is_necessary=False)
    try:
        answer = subprocess.run([program, "-V"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(
            False, "dot", f"{program} does not run ({_one_line(error)}); {drawing.INSTALL_DOT}", is_necessary=False
        )
    version = (answer.stderr or answer.stdout).strip().removeprefix("dot - graphviz version ")
    return Finding(True, "dot", f"{version}, {program}", is_necessary=False)


def _crc32c():
    """Checksums in pure Python are right too, but cost more than all the rest of writing an event file."""
    name = "google-crc32c"
    if not _is_there("google_crc32c"):
        return Finding(False, name, f"pip install {name}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It warns of what is said below.
            import google_crc32c
    except Exception as error:
        return Finding(False, name, f"does not start ({_one_line(error)}); pip install --force-reinstall {name}")
    if google_crc32c.implementation == "c":
        return Finding(True, name, f"{_version(name)}, in C")
    advice = f"{_version(name)} in pure Python, which is slow; pip install --force-reinstall {name}"
    return Finding(False, name, advice, is_necessary=False)


def _writing(folder):
    """Write a file where runs go, or, before that folder exists, in the one where it would be made."""
    name = "writing"
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"x")
    except OSError as error:
        return Finding(False, name, f"nothing can be written to {folder} ({error.strerror}); choose another folder")
    return Finding(True, name, f"to {folder}" + ("" if folder.exists() else ", which the first run will make"))


def _event_files(folder):
    runs = sum(1 for _ in run_folders(folder))
    if runs == 0:
        advice = f"none below {folder} yet; run a lesson or rnn-tutorial forecast"
        return Finding(False, "event files", advice, is_necessary=False)
    return Finding(True, "event files", f"{runs} run{'s' * (runs != 1)} below {folder}", is_necessary=False)


def _one_line(error):
    return " ".join(f"{type(error).__name__}: {error}".split())


COMMAND = Command(
    name="doctor",
    help="tell what is installed, what is missing and what to type",
    add_arguments=add_folder,
    run=run,
    place=5,
)
