"""Weights as pictures."""

from typing import Any

from rnn_tutorial import _checks, drawing
from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.inspection import naming, recurrent
from rnn_tutorial.recording import schema


class WeightHeatmaps(Observer):
    """Show the weights of each layer as a picture, and how much a recurrent matrix stretches what it is given.

    - `weights_picture/<layer>`: all weights of a layer that has a matrix, colours from blue through white at zero to
      red; those of an LSTM or GRU are split and labelled by gate.
    - `spectral_radius/<layer>`: the largest absolute eigenvalue of a recurrent layer's matrix from one hidden state to
      the next, see `inspection.spectral_radius`.

    Example:
    >>> model.fit(x, y, epochs=20, callbacks=[WeightHeatmaps("logs/run")])

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        every: Look at every so many epochs.
        pictures: False writes the numbers only.

    Raises:
        ValueError: An argument is not allowed.
    """

    def __init__(self, log_dir, every=1, pictures=True):
        super().__init__(log_dir, every)
        self.pictures = _checks.flag("pictures", pictures)

    def begin(self):
        """Forget an earlier fit."""
        self._seen: Any = None  # epoch, and the weights after it
        self._drawn = None

    def look(self, epoch, logs):
        """Write the spectral radii, and draw where a picture is due."""
        with self.guard("spectral radii"):
            for name, layer in recurrent.layers(self.model).items():
                radius = recurrent.spectral_radius(layer)
                if radius is not None:
                    self.run.scalar(schema.SPECTRAL_RADIUS.format(layer=name), radius, epoch)
        if self.pictures:
            # Kept, for the model may have other weights when training has ended: the best ones, or half an epoch more.
            self._seen = epoch, self.weights(epoch)
            if self.picture_due(epoch):
                self._draw()

    def finish(self):
        """Draw the last look."""
        if self._seen is not None and self._drawn != self._seen[0]:
            self._draw()
        self._seen = None

    def _draw(self):
        self._drawn, weights = self._seen
        with self.drawing():
            for name, matrices in _by_layer(self.model, weights).items():
                with self.guard("pictures"):
                    tag = schema.WEIGHTS_PICTURE.format(layer=name)
                    self.images({tag: drawing.weights(matrices, f"{name}: weights")}, self._drawn)


def _by_layer(model, weights):
    """{layer: {weight: {gate, or "": array}}} of the layers that have a matrix."""
    cells: dict[str, Any] = {name: recurrent.cell_of(layer) for name, layer in recurrent.layers(model).items()}
    found: dict[str, dict] = {}
    for path in naming.weights(model):
        layer, _, weight = path.rpartition("/")
        cell = cells.get(layer)
        values = weights[path]
        if values.ndim and values.dtype.kind in "fV":
            values = values.astype("float32")
            values = values.reshape(-1, values.shape[-1]) if values.ndim > 2 else values
            split = {"": values} if cell is None else recurrent.split_gates(weight, values, cell)
            found.setdefault(layer, {})[weight] = split
    return {
        layer: matrices
        for layer, matrices in found.items()
        if any(part.ndim == 2 for split in matrices.values() for part in split.values())
    }
