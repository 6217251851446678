"""Embeddings in the Projector tab."""

import keras
import numpy as np

from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.inspection import naming


class EmbeddingProjector(Observer):
    """Write the matrix of an `Embedding` layer, a point a row, to the Projector tab.

    As it is after training, under the name of the layer, which is what the tab shows first; before it, `embedding
    before training`; and in between as often as pictures are drawn, `embedding after epoch 3`: after the first epoch,
    the second, the fourth, ... as long as that stays cheap.

    Example:
    >>> model.fit(x, y, epochs=20, callbacks=[EmbeddingProjector("logs/run", labels=list("abcde"))])

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        labels: What the rows stand for, a list of strings, one for each.
        layer: Stable name of the layer (see `naming.layers`). None is the only `Embedding` of the model.
        every: Look at every so many epochs.

    Raises:
        ValueError: An argument is not allowed; the layer is not there, or has not as many rows as there are labels.
    """

    def __init__(self, log_dir, labels, layer=None, every=1):
        super().__init__(log_dir, every)
        if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
            raise ValueError(f"labels must be a list of strings, received {labels!r}")
        self.labels = list(labels)
        self.layer = layer

    def check(self, model):
        """See that the layer is there and has a row for each label."""
        name, layer = self._find(model)
        if layer.built and layer.input_dim != len(self.labels):
            raise ValueError(f"labels must be one a row of {name}, {layer.input_dim}; received {len(self.labels)}")

    def begin(self):
        """Write the matrix as it is before training."""
        if self.model.built and not self.run.goes_on:
            self._write(" before training")

    def look(self, epoch, logs):
        """Write the matrix if pictures are due."""
        self._check_once()
        if self.picture_due(epoch):
            self._write(f" after epoch {epoch}")

    def finish(self):
        """Write the matrix as it is after training."""
        if self.model.built:
            self._write("")

    def _write(self, when):
        with self.drawing():
            name, layer = self._find(self.model)
            matrix = np.asarray(layer.embeddings).astype("float32")
            self.run.embedding(f"{name}{when}", matrix, self.labels)

    def _find(self, model):
        """Stable name and layer."""
        there = {
            name: layer for name, layer in naming.layers(model).items() if isinstance(layer, keras.layers.Embedding)
        }
        if self.layer is None and len(there) == 1:
            return next(iter(there.items()))
        if self.layer not in there:
            names = ", ".join(there) or "the model has none"
            raise ValueError(f"layer must be the name of an Embedding layer ({names}), received {self.layer!r}")
        return self.layer, there[self.layer]
