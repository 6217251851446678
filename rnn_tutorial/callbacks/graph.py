"""The graph of the model."""

from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.inspection import structure


class ModelGraph(Observer):
    """Write the model's layers and what connects them, once, to the Graphs tab; see `structure.graph`.

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        every: Has no effect, for a model's structure does not change; here so that all callbacks are called alike.
    """

    def begin(self):
        """Write, or wait for the end of the first epoch where the model is built by its first batch."""
        if self.model.built:
            self._write()

    def record(self, epoch, logs):
        """Write what could not be written before."""
        self._write()

    def _write(self):
        if not self.run.has_graph:
            self.run.graph(structure.graph(self.model))
