"""See a recurrent network learn: Keras builders, callbacks for TensorBoard, and a course of lessons.

Importing the package loads neither Keras nor TensorFlow. A module is loaded when it is first used, so that
`rnn-tutorial --help` and TensorBoard start at once.

Example:
>>> from rnn_tutorial import callbacks, data, models
>>> model = models.letter_predictor()
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnn_tutorial import (
        callbacks,
        data,
        diagnosis,
        events,
        figures,
        forecasting,
        language,
        lesson,
        models,
        naming,
        recurrent,
        taps,
    )

__version__ = "0.1.0"
__all__ = [
    "callbacks",
    "data",
    "diagnosis",
    "events",
    "figures",
    "forecasting",
    "language",
    "lesson",
    "models",
    "naming",
    "recurrent",
    "taps",
]


def __getattr__(name: str):
    """Load a public module on first use (PEP 562)."""
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
