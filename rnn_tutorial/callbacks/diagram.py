"""Diagrams of the model."""

import functools

from rnn_tutorial import _console, drawing
from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.recording import schema


class ModelDiagram(Observer):
    """Draw the model once: its layers, and its recurrent layers unrolled along time.

    Written to TensorBoard's Images as `diagram/model` (Keras' plot_model) and `diagram/unrolled`, and as `model.png`
    and `unrolled.png` beside the event file. Where Graphviz' program `dot` is missing, matplotlib draws both, and one
    line says how to install it.

    Example:
    >>> model.fit(x, y, callbacks=[ModelDiagram("logs/run")])

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        every: Has no effect, for a model's structure does not change; here so that all callbacks are called alike.

    Raises:
        ValueError: An argument is not allowed.
    """

    def begin(self):
        """Draw, or wait for the end of the first epoch where the model is built by its first batch."""
        self._drawn = schema.MODEL_DIAGRAM in self.run.steps
        if self.model.built and not self._drawn:
            self._draw()

    def record(self, epoch, logs):
        """Draw what could not be drawn before."""
        if not self._drawn:
            self._draw()

    def _draw(self):
        self._drawn = True
        if not drawing.has_dot():
            _tell_how_to_install_dot()
        for name, file, draw in (
            (schema.MODEL_DIAGRAM, "model.png", drawing.layers_diagram),
            (schema.UNROLLED_DIAGRAM, "unrolled.png", drawing.unrolled_diagram),
        ):
            with self.guard(name):
                png = draw(self.model)
                if png is not None:
                    self.run.image(name, png, 0)
                    self.save(file, png)
        self._fit.flush()


@functools.cache  # once a process
def _tell_how_to_install_dot():
    _console.tell(f"Diagrams are drawn in a plainer way; for Keras' own, {drawing.INSTALL_DOT}.")
