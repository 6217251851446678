"""What a run leaves behind: event files, written and read. No Keras, no TensorFlow."""

from typing import TYPE_CHECKING

from rnn_tutorial import _lazy

if TYPE_CHECKING:
    from rnn_tutorial.recording.events import Run

__all__ = ["Run"]
__getattr__, __dir__ = _lazy.attach(__name__, {"Run": "events"})
