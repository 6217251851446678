"""How the end of a fit is found, also of one that ends with an exception.

Keras does not tell callbacks that an exception ended `fit`. The only trace is that its CallbackList is
garbage-collected: at once where the exception is caught, at the end of the program where it is not. A notebook keeps
the exception, and `fit` with it; there the end of the cell is what counts.
"""

import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

import keras


class FitEnd:
    """Calls a function when the fit that a callback takes part in is over, at the latest.

    Args:
        callback: The callback, while `fit` tells it that training begins.
        leave: Called with the callback; may be called more than once.

    Attributes:
        callbacks: A weak reference to the `CallbackList` of the fit; None in a training loop without one.
    """

    def __init__(self, callback: keras.callbacks.Callback, leave: Callable[[Any], None]):
        self._reference = weakref.ref(callback)
        self._leave = leave
        self.callbacks: weakref.ref | None = None
        self._finalizer: weakref.finalize | None = None
        callbacks = _callback_list()
        if callbacks is not None:
            self.callbacks = weakref.ref(callbacks)
            # The list holds the callback, so that it is still there when the list dies.
            self._finalizer = weakref.finalize(callbacks, leave, callback)

    def await_cell(self) -> None:
        """Call at the end of a notebook's cell, too."""
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        # Training in a thread goes on when the cell has ended.
        if shell is None or threading.current_thread() is not threading.main_thread():
            return
        reference, leave = self._reference, self._leave

        def after_cell(*_):
            shell.events.unregister("post_run_cell", after_cell)
            callback = reference()
            if callback is not None:
                leave(callback)

        shell.events.register("post_run_cell", after_cell)

    def forget(self) -> None:
        """Wait for the death of the list no longer: that would keep the callback, and with it the model, alive."""
        if self._finalizer is not None:
            self._finalizer.detach()


def _callback_list():
    """The list whose method is calling."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        # `isinstance` would ask the object too, and some, such as proxies, raise.
        if issubclass(type(caller), keras.callbacks.CallbackList):
            return caller
        frame = frame.f_back
    return None
