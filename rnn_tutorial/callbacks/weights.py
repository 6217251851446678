"""Histograms of every weight."""

from rnn_tutorial import _console
from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.recording import schema


class WeightHistograms(Observer):
    """Write the distribution of every weight after an epoch, as `weights/<layer>/<weight>`.

    Example:
    >>> model.fit(x, y, epochs=20, callbacks=[WeightHistograms("logs/run")])

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        every: Look at every so many epochs.

    Raises:
        ValueError: An argument is not allowed.
    """

    def begin(self):
        """Warn once a run."""
        self._warned = self.kept("warned", set)

    def look(self, epoch, logs):
        """Write one histogram a weight."""
        for name, values in self.weights(epoch).items():
            # bfloat16 and its like are known to NumPy by name only.
            numbers = values if values.dtype.kind == "f" else values.astype("float32")
            nonfinite = self.run.histogram(schema.WEIGHTS.format(weight=name), numbers, epoch)
            if nonfinite and not self._warned:
                self._warned.add(name)
                _console.warn(
                    f"{nonfinite} of {values.size} values of {name} are NaN or infinite after epoch {epoch}; "
                    "histograms leave them out"
                )
