"""The true gradients of training: norms, histograms, clipping, updates."""

import contextlib
import math
from typing import Any

from rnn_tutorial import _checks, _console
from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.inspection import keras_internals
from rnn_tutorial.inspection.gradients.layer_choice import check_layers, chooses
from rnn_tutorial.inspection.gradients.reading import GLOBAL
from rnn_tutorial.inspection.gradients.recorder import CAPACITY
from rnn_tutorial.inspection.gradients.tap import GradientTap
from rnn_tutorial.recording import schema


class GradientHistograms(Observer):
    """Write the gradients that the optimizer was given, without a second pass over the data.

    For each weight, as `<layer>/<weight>`, and where a norm is meant for all together, as `global`:

    - `gradient_norm/...` and `gradient_norm_max/...`: L2 norm before clipping, mean and maximum over the epoch's
      batches with a finite gradient.
    - `gradient_norm_clipped/...` and `clipped_batches`: the mean norm after clipping, and how many batches were
      clipped; where the optimizer has `clipnorm`, `global_clipnorm` or `clipvalue`.
    - `nonfinite_batches/...`: how many batches had a gradient with NaN or infinity.
    - `update_ratio/...`: ‖w_after - w_before‖ / ‖w_before‖, mean over the epoch's batches.
    - `gradients/<layer>/<weight>`: the distribution of the epoch's last gradient, before clipping.
    - `gradient_norm_batch/...` with `per_batch`: the norm of each batch; the step is the number of the update, counted
      from 0 in each run.

    With gradient accumulation these are those of the accumulated mean, at the steps that update the weights; with loss
    scaling those of the unscaled loss. A weight that is not updated in an epoch has no point there. Every Keras
    optimizer that the model holds is looked at, those that a `train_step` of its own calls too.

    Example:
    >>> model.fit(x, y, epochs=20, callbacks=[GradientHistograms("logs/run")])

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        every: Look at every so many epochs.
        layers: The layers to write: a stable name such as "lstm", a list of names, or a function from name to True or
            False. None writes all. The norm over all weights is always that over all.
        per_batch: True writes the norm of every batch too.

    Raises:
        ValueError: An argument is not allowed, or a layer is not in the model.
    """

    def __init__(self, log_dir, every=1, layers=None, per_batch=False):
        super().__init__(log_dir, every)
        check_layers(layers)
        self.layers = layers
        self.per_batch = _checks.flag("per_batch", per_batch)
        if self.per_batch:
            # Only then: Keras works at every batch for a callback that has this method.
            self.on_train_batch_end = self._count_batch
        self._tap: Any = None

    def check(self, model):
        """See that the layers are there."""
        check_layers(self.layers, model)

    def begin(self):
        """Open the tap."""
        self._is_blind = False
        self._warned = self.kept("warned", set)
        self._batches = self.run.steps.get(schema.GRADIENT_NORM_BATCH.format(weight=schema.GLOBAL), -1) + 1
        self._undrained = 0
        self._reading: Any = None
        self._chosen: dict[str, bool] = {}
        layers = self.layers if self.model.built else self._takes
        self._tap = GradientTap(self.model, layers, self.per_batch, callbacks=self.callback_list())
        self._tap.open()

    def _takes(self, layer):
        """Whether `layers` takes in a layer; asked inside the first training step, where nothing may fail."""
        with contextlib.suppress(Exception):
            return chooses(self.layers, f"{layer}/")
        return False

    def _count_batch(self, batch, logs=None):
        if not self._looking:
            return
        self._undrained += keras_internals.steps_per_execution(self.model)
        if self._undrained + keras_internals.steps_per_execution(self.model) > CAPACITY:
            self._safely(self._tap.drain)
            self._undrained = 0

    def record(self, epoch, logs):
        """Read the epoch's gradients, and begin anew for the next one."""
        self._check_once()
        self._reading = self._tap.read(last=self.is_due(epoch))
        self._undrained = 0
        if not self._tap.sees_updates and self.model.trainable_variables and not self._is_blind:
            self._is_blind = True
            _console.warn(
                "GradientHistograms sees no gradients: no Keras optimizer that is an attribute of the model, or of one "
                "of its layers, has updated the weights through its `apply`"
            )
        nonfinite = self._reading.nonfinite.get(GLOBAL, 0)
        if nonfinite and not self._warned:
            self._warned.add(epoch)
            names = [name for name, count in self._reading.nonfinite.items() if count and name != GLOBAL]
            _console.warn(
                f"{nonfinite} of {self._reading.batches} batches of epoch {epoch} had a gradient with NaN or infinity, "
                f"in {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
            )
        self._write_batches(self._reading.batch_norms)

    def _write_batches(self, batch_norms):
        for name, norms in batch_norms.items():
            if self._is_chosen(name):
                for number, norm in enumerate(norms, self._batches):
                    self.run.scalar(schema.GRADIENT_NORM_BATCH.format(weight=name), norm, number)
        self._batches += len(batch_norms.get(GLOBAL, ()))

    def look(self, epoch, logs):
        """Write what was read."""
        reading, self._reading = self._reading, None  # It is as large as the model.
        if not reading.batches:
            return
        for pattern, values in (
            (schema.GRADIENT_NORM, reading.norm),
            (schema.GRADIENT_NORM_MAX, reading.norm_max),
            (schema.GRADIENT_NORM_CLIPPED, reading.norm_clipped),
            (schema.NONFINITE_BATCHES, reading.nonfinite),
            (schema.UPDATE_RATIO, reading.update_ratio),
        ):
            for name, value in values.items():
                # A weight that is all zero has no ratio to its size; a norm that is NaN says that no batch was finite.
                if self._is_chosen(name) and not (pattern is schema.UPDATE_RATIO and math.isnan(value)):
                    self.run.scalar(pattern.format(weight=name), value, epoch)
        if reading.clipped_batches is not None:
            self.run.scalar(schema.CLIPPED_BATCHES, reading.clipped_batches, epoch)
        for name, gradient in reading.last.items():
            self.run.histogram(schema.GRADIENTS.format(weight=name), gradient, epoch)

    def finish(self):
        """Write the single batches of an epoch that did not come to its end."""
        if self.per_batch:
            self._write_batches(self._tap.read(last=False).batch_norms)

    def _is_chosen(self, name):
        if name not in self._chosen:
            self._chosen[name] = name == GLOBAL or chooses(self.layers, name)
        return self._chosen[name]

    def close(self):
        """Give the train function back."""
        if self._tap is not None:
            self._tap.close()
            self._tap = None
