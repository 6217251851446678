"""Keras' own TensorBoard callback, writing into the run of the others."""

import contextlib

import keras

from rnn_tutorial import autodiff, structure
from rnn_tutorial.callbacks.base import Observer


class Scalars(Observer, keras.callbacks.TensorBoard):
    """Loss, metrics and learning rate through `keras.callbacks.TensorBoard`, and the graph of the model.

    Keras writes to the subfolders `train` and `validation` of the run that all observers of the fit share, so that no
    folder holds two event files. Like every observer, it never ends training.

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        every: Make what was written readable at every so many epochs; every epoch is written.
    """

    def set_model(self, model):
        """Keep the model. Keras' callback would open its files here, before the folder of the run is known."""
        keras.callbacks.Callback.set_model(self, model)

    def begin(self):
        """Open Keras' files in the folder that the run has taken."""
        self._writers = {}
        self._has_graph = False
        self._write_graph()
        # Keras' own description of the model is what the Graphs tab fails on; see `structure.graph`.
        self.write_graph = False
        asked = self.log_dir
        self.log_dir = str(self.run.path.parent)
        try:
            keras.callbacks.TensorBoard.set_model(self, self.model)
        finally:
            self.log_dir = asked
        keras.callbacks.TensorBoard.on_train_begin(self)

    def record(self, epoch, logs):
        """Write the scalars of the epoch."""
        self._write_graph()
        keras.callbacks.TensorBoard.on_epoch_end(self, epoch, logs)

    def _is_write_error(self, error):
        return autodiff.is_write_error(error)

    def _write_graph(self):
        # A model that is built by its first batch has its graph after the first epoch.
        if self.model.built and not self._has_graph:
            self._has_graph = True
            self.run.graph(structure.graph(self.model))

    def look(self, epoch, logs):
        """Hand them to the operating system."""
        for writer in self._writers.values():
            writer.flush()

    def finish(self):
        """Write the last of them."""
        keras.callbacks.TensorBoard.on_train_end(self)

    def close(self):
        """Close Keras' files, also where it could not write to them."""
        for writer in self._writers.values():
            with contextlib.suppress(Exception):
                writer.close()

    # Keras' callback prepares here for summaries of each batch, and for a profiler; both are off.
    on_epoch_begin = keras.callbacks.Callback.on_epoch_begin
    on_train_batch_begin = keras.callbacks.Callback.on_train_batch_begin
    on_train_batch_end = keras.callbacks.Callback.on_train_batch_end
    on_test_begin = keras.callbacks.Callback.on_test_begin
    on_test_batch_begin = keras.callbacks.Callback.on_test_batch_begin

    def on_test_end(self, logs=None):
        """Write validation results against the number of training steps."""
        if self._looking:
            self._safely(keras.callbacks.TensorBoard.on_test_end, self, self._shared.scalars(logs or {}))
