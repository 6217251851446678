"""Learning curves as a picture."""

from rnn_tutorial import drawing
from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.recording import schema


class LearningCurves(Observer):
    """Draw the loss and every metric, training and validation, over the epochs.

    The picture is written as `curves` to TensorBoard's Images and as `curves.png` beside the event file: at the first
    and at log-spaced epochs, and at the end, also where training was interrupted. Attribute `history` holds the
    numbers, {name: [value, ...]}, and `epochs` the epochs they belong to.

    Example:
    >>> model.fit(x, y, validation_split=0.2, epochs=20, callbacks=[LearningCurves("logs/run")])

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        every: Count the log-spaced pictures in steps of so many epochs; the curves themselves hold every epoch.

    Raises:
        ValueError: An argument is not allowed.
    """

    def begin(self):
        """Begin empty, or behind the curves of the fit whose run goes on."""
        self.history = self.kept("history", dict)
        self.epochs = self.kept("epochs", list)
        self._drawn = None

    def record(self, epoch, logs):
        """Take the values of this epoch."""
        self.epochs.append(epoch)
        for name, value in logs.items():
            # A metric that comes later, or not at every epoch, keeps its place by gaps.
            curve = self.history.setdefault(name, [float("nan")] * (len(self.epochs) - 1))
            curve.append(float(value))
        for curve in self.history.values():
            curve.extend([float("nan")] * (len(self.epochs) - len(curve)))

    def look(self, epoch, logs):
        """Draw, where a picture is due."""
        if self.history and self.picture_due(epoch):
            self._draw()

    def finish(self):
        """Draw the whole of training."""
        if self.history and self._drawn != self.epochs[-1]:
            self._draw()

    def _draw(self):
        with self.drawing():
            png = drawing.png(drawing.curves(self.history, self.epochs))
            self.run.image(schema.CURVES, png, self.epochs[-1])
            self.save("curves.png", png)
        self._drawn = self.epochs[-1]
