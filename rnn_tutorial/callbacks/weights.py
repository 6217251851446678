"""Histograms of every weight."""

import warnings

import keras

from rnn_tutorial import naming
from rnn_tutorial.callbacks.base import Observer


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
        """Find the names, which stay the same through training."""
        self._warned = False

    def look(self, epoch, logs):
        """Write one histogram a weight."""
        for name, weight in naming.weights(self.model).items():
            values = keras.ops.convert_to_numpy(weight)
            if values.dtype.kind != "f":  # bfloat16 and its like, which NumPy knows by name only
                values = values.astype("float32")
            nonfinite = self.run.histogram(f"weights/{name}", values, epoch)
            if nonfinite and not self._warned:
                self._warned = True
                warnings.warn(
                    f"{nonfinite} of {values.size} values of {name} are NaN or infinite after epoch {epoch}; "
                    "histograms leave them out",
                    RuntimeWarning,
                    stacklevel=2,
                )
