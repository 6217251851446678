"""See a recurrent network learn: Keras builders, callbacks for TensorBoard, and a course of lessons.

Importing the package loads neither Keras nor TensorFlow. A module is loaded when it is first used, so that
`rnn-tutorial --help` and TensorBoard start at once.

Example:
>>> from rnn_tutorial import callbacks, data, models
>>> model = models.letter_predictor()
"""

from typing import TYPE_CHECKING

from rnn_tutorial import _lazy

if TYPE_CHECKING:
    from rnn_tutorial import (
        board,
        callbacks,
        data,
        diagnosis,
        drawing,
        forecasting,
        inspection,
        language,
        models,
        recording,
    )

__version__ = "0.1.0"
__all__ = [
    "board",
    "callbacks",
    "data",
    "diagnosis",
    "drawing",
    "forecasting",
    "inspection",
    "language",
    "models",
    "recording",
]

__getattr__, __dir__ = _lazy.attach(__name__, {name: name for name in __all__})
