"""What a run leaves behind: event files, written and read. No Keras, no TensorFlow."""

from typing import TYPE_CHECKING

from rnn_tutorial import _lazy

if TYPE_CHECKING:
    from rnn_tutorial.recording.reading import RunData, read, runs
    from rnn_tutorial.recording.run import Run

__all__ = ["Run", "RunData", "read", "runs"]
__getattr__, __dir__ = _lazy.attach(
    __name__, {"Run": "run", "RunData": "reading", "read": "reading", "runs": "reading"}
)
