"""Graphviz' program `dot`, and `neato`, which comes with it: whether they are there, and how they are installed."""

import shutil

# What to type where `dot` is missing; the PyPI package graphviz does not bring the program.
INSTALL_DOT = (
    "install Graphviz' program `dot` (Debian: apt install graphviz, macOS: brew install graphviz, "
    "Windows: winget install graphviz)"
)


def has_dot() -> bool:
    """Whether Graphviz' program is there to be called."""
    return shutil.which("dot") is not None and shutil.which("neato") is not None
