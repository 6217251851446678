"""Loss, metrics and learning rate, as Keras' own TensorBoard callback writes them."""

from typing import Any

import keras
import numpy as np

from rnn_tutorial import _console
from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.recording import schema


class Scalars(Observer):
    """Write loss, metrics and learning rate after every epoch.

    The subfolders, tags and steps are those of `keras.callbacks.TensorBoard`:

    - `epoch_<metric>` and `epoch_learning_rate` in `train`, `epoch_<metric>` in `validation`, by epoch. The learning
      rate is the one after the epoch, with the changes of callbacks that stand earlier in the list.
    - `evaluation_<metric>_vs_iterations` in `validation`, by the number of updates of the weights: after each
      validation, and after an `evaluate` with this callback that follows a fit. Where a run goes on with a new
      optimizer, which counts from 0, the steps go on.

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        every: Make what was written readable at every so many epochs; every epoch is written.
    """

    def begin(self):
        """Find out where the steps of evaluations go on."""
        self._warned = False
        validation = self.run.parts.get("validation")
        steps = {} if validation is None else validation.steps
        before = [step for tag, step in steps.items() if schema.match(schema.EVALUATION, tag)]
        self._updates_before = max(0, max(before, default=0) - (self._updates() or 0))

    def record(self, epoch, logs):
        """Write the scalars of the epoch."""
        if not logs:
            return
        prefix = schema.PARTS["validation"]
        training = {name: value for name, value in logs.items() if not name.startswith(prefix)}
        validation = {name.removeprefix(prefix): value for name, value in logs.items() if name.startswith(prefix)}
        for part, values in (("train", training | self._learning_rates()), ("validation", validation)):
            for name, value in values.items():
                self.run.part(part).scalar(schema.EPOCH.format(metric=name), value, epoch)

    def on_test_end(self, logs=None):
        """Write the results of a validation, or of an `evaluate` after training."""
        is_over = self._fit is None
        if is_over:
            self._guarded(self._open_again)
        self._safely(self._evaluated, logs)
        if is_over:
            self.on_train_end()

    def _evaluated(self, logs):
        updates = self._updates()
        if updates is None:
            return
        step = self._updates_before + updates
        for name, value in self._fit.scalars(logs).items():
            part, tag = self.run.part("validation"), schema.EVALUATION.format(metric=name)
            if step > part.steps.get(tag, -1):  # `evaluate` may follow a validation.
                part.scalar(tag, value, step)

    def _updates(self):
        """The number of updates that the optimizer has counted; None where it counts none."""
        iterations = getattr(getattr(self.model, "optimizer", None), "iterations", None)
        return None if iterations is None else int(np.asarray(iterations))

    def _learning_rates(self):
        """{name: learning rate}, one for each optimizer inside of a `MultiOptimizer`."""
        optimizer: Any = getattr(self.model, "optimizer", None)
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a `LossScaleOptimizer`
        if hasattr(optimizer, "optimizers"):
            named = {f"learning_rate_{one.name}": one for one in optimizer.optimizers}
        else:
            named = {"learning_rate": optimizer} if isinstance(optimizer, keras.optimizers.Optimizer) else {}
        try:
            return {name: float(np.asarray(one.learning_rate)) for name, one in named.items()}
        except Exception as error:  # The curves of the losses go on.
            if not self._warned:
                self._warned = True
                _console.warn(f"Scalars leaves out the learning rate: {_console.in_words(error)}")
            return {}
