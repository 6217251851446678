"""The gradient through time."""

import math

import numpy as np

from rnn_tutorial import drawing
from rnn_tutorial.callbacks.probe_observer import ProbeObserver
from rnn_tutorial.inspection import losses
from rnn_tutorial.recording import schema

# Rows of the picture; beyond them every second one is left out, again and again.
_ROWS = 400


class GradientFlow(ProbeObserver):
    """Show how much of the gradient reaches each time step of each recurrent layer.

    Measured on the probe, after an epoch, dropout off: the norm of the total dL/dh_t, of dL/dc_t where there is a cell
    state, and of the part of dL/dh_t that arrives at the step itself, see `inspection.gradient_flow`. Written as

    - `gradient_flow_ratio/<layer>`: the norm at the first step by that at the last one. Near 1 the first step is heard
      as well as the last, near 0 its gradient has vanished, far above 1 it explodes.
    - `gradient_flow_picture/<layer>`: time steps across, epochs downwards, log colours.
    - `rnn/<layer>/grad_flow`, `.../grad_flow_cell` and `.../grad_flow_immediate`: the norms as arrays (time,), NaN
      where a step is masked, as the metadata of the tags say, for the tab RNN.

    Example:
    >>> model.fit(x, y, epochs=20, callbacks=[GradientFlow("logs/run", probe=(x[:32], y[:32]))])

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        probe: A fixed batch (x, y), or (x, y, sample_weight). y is None where the loss needs no targets.
        every: Look at every so many epochs.
        pictures: False writes the numbers only.
        loss: The loss to differentiate, as `compile` takes it. None is the loss of training; a model whose own
            `train_step` computes it does not tell which that is.

    Raises:
        ValueError: An argument is not allowed, or the probe or the loss does not fit the model.
    """

    needs_gradients = True
    needs_states = False

    def __init__(self, log_dir, probe, every=1, pictures=True, loss=None):
        super().__init__(log_dir, probe, every, pictures)
        if loss is not None:
            losses.check(loss)
        self.loss = loss

    def begin(self):
        """Forget an earlier fit, but for the rows of a run that goes on."""
        super().begin()
        self._history = self.kept("history", dict)

    def write(self, name, look, epoch):
        """Write the norms, their ratio, and keep them for the picture."""
        if look.flow is None:
            return
        for part, norms in (
            ("total", look.flow.hidden),
            ("cell", look.flow.cell),
            ("immediate", look.flow.immediate),
        ):
            if norms is not None:
                kind = schema.FLOWS[part]
                with np.errstate(over="ignore"):  # beyond float32 is infinite
                    array = norms.astype("float32")
                content = self.content(kind, name, look.masked(len(array)))
                self.run.tensor(schema.tag(name, kind), array, epoch, schema.PLUGIN, content)
        ratio = _ratio(look.flow.hidden)
        if ratio is not None:
            self.run.scalar(schema.GRADIENT_FLOW_RATIO.format(layer=name), ratio, epoch)
        rows = self._history.setdefault(name, [])
        rows.append((epoch, look.flow.hidden))
        if len(rows) > 2 * _ROWS:
            del rows[1:-1:2]

    def draw(self, name, look):
        """Draw all epochs so far."""
        rows = self._history.get(name)
        if not rows:
            return {}
        epochs, norms = zip(*rows, strict=True)
        lengths = {len(row) for row in norms}
        longest = max(lengths)
        # Where a row ends before others, what is missing in it is neither masked nor NaN.
        masked = look.masked(longest) if look.flow is not None and lengths == {len(look.flow.hidden)} else None
        table = np.full((len(norms), longest), math.nan)
        for number, row in enumerate(norms):
            table[number, : len(row)] = row
        title = f"{name}: gradient through time"
        picture = drawing.gradient_flow(table, epochs, title, masked=masked)
        return {schema.GRADIENT_FLOW_PICTURE.format(layer=name): picture}


def _ratio(norms):
    """The first norm by the last one, of the steps that are not masked; None where that says nothing."""
    known = norms[~np.isnan(norms)].tolist()  # a quotient of Python's floats gives no warning for infinities
    return known[0] / known[-1] if known and known[-1] else None
