"""The Keras backend that is running: the functions of `protocol.py`, as its file in this folder fills them.

Nothing outside of this folder imports a backend or asks which one is running. Only the file of the running one is
imported.
"""

import importlib
import importlib.util

from rnn_tutorial import _keras  # noqa: F401 (before all that imports Keras: it says what is missing)
from rnn_tutorial.backend import protocol
from rnn_tutorial.backend.protocol import *  # noqa: F403

_file = f"{__name__}.{protocol.name()}"
if importlib.util.find_spec(_file) is not None:
    _filled = vars(importlib.import_module(_file))
    globals().update({function: _filled[function] for function in protocol.__all__ if function in _filled})
