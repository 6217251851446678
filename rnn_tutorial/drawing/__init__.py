"""Arrays or a model in, pictures out."""

from typing import TYPE_CHECKING

from rnn_tutorial import _lazy

if TYPE_CHECKING:
    from rnn_tutorial.drawing.figures import png

__all__ = ["png"]
__getattr__, __dir__ = _lazy.attach(__name__, {"png": "figures"})
