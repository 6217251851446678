"""What is installed: the core does without a backend, and every list has the same ranges."""

import ast
import pathlib
import re
import sys

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

import pytest
from packaging.requirements import Requirement

ROOT = pathlib.Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CORE = PROJECT["dependencies"]


def ranges(lines):
    """{package: its range}."""
    found = [Requirement(line) for line in lines]
    named = {one.name: str(one.specifier) for one in found}
    assert len(named) == len(found), "a package is there twice"
    return named


def required():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.partition("#")[0] for line in lines if line.partition("#")[0].strip()]


def test_the_ranges_are_the_same():
    """`requirements.txt` is what `make lessons` and `make test` need: the core and these extras."""
    extras = [EXTRAS[name] for name in ("tensorflow", "jax", "lessons", "test")]
    assert ranges(required()) == ranges([*CORE, *(line for lines in extras for line in lines)])


@pytest.mark.parametrize("line", [*CORE, *(line for name, lines in EXTRAS.items() if name != "lint" for line in lines)])
def test_every_range_has_two_ends(line):
    operators = {re.match("[<>=!~]+", str(part))[0] for part in Requirement(line).specifier}
    assert {">=", "<"} <= operators


def test_the_core():
    assert set(ranges(CORE)) == {"keras", "numpy", "pandas", "tensorboard", "google-crc32c", "matplotlib"}
    assert set(EXTRAS) == {"tensorflow", "jax", "torch", "lessons", "test", "lint"}


# What a module is called in whose package it comes: of its own name, or with another one.
PACKAGES = {"sklearn": "scikit-learn", "scipy": "scikit-learn", "google_crc32c": "google-crc32c"}
PACKAGES |= {"google": "tensorboard", "werkzeug": "tensorboard"}


def test_everything_that_is_imported_is_listed():
    found = set()
    for path in (ROOT / "rnn_tutorial").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.partition(".")[0])
    others = found - {
        "rnn_tutorial",
        "IPython",
        *sys.stdlib_module_names,
    }  # IPython is there in a notebook, or not at all
    listed = set(ranges(CORE)).union(*(ranges(EXTRAS[name]) for name in ("tensorflow", "jax", "torch", "lessons")))
    assert {PACKAGES.get(name, name) for name in others} <= listed
    assert {"babel", "sklearn", "statsmodels", "matplotlib"} <= others
