"""States and gates while a sequence is read."""

import bisect
import json
import math

import numpy as np

from rnn_tutorial import drawing
from rnn_tutorial.callbacks.probe_observer import ProbeObserver
from rnn_tutorial.inspection import recurrent
from rnn_tutorial.recording import schema

# What the tab RNN gets: so many frames a layer, of so many cells a kind.
FRAMES, UNITS, STEPS = 200, 256, 128
_ENDLESS = 100_000


class StateHeatmaps(ProbeObserver):
    """Show states and gates of each recurrent layer while it reads the probe's first sample.

    Looked at after an epoch, dropout off, see `inspection.trace`. Written as

    - `states_picture/<layer>` and `gates_picture/<layer>`: unit by time step, all kinds in one picture.
    - `saturation/<layer>/<gate>`: over the whole probe, the share of a gate's values below 0.05 or above 0.95, and of a
      candidate's, or a simple cell's hidden states, those beyond +-0.95. What is masked or NaN does not count; where
      nothing is left there is no point.
    - `rnn/<layer>/states` and `rnn/<layer>/gates`: at up to 200 epochs, log-spaced where there are more, for the tab
      RNN.

    Example:
    >>> model.fit(x, y, epochs=20, callbacks=[StateHeatmaps("logs/run", probe=(x[:32], y[:32]))])
    """

    def begin(self):
        """Forget an earlier fit."""
        super().begin()
        self._frame_counts: set[int] | None = None
        self._framed = None

    def look(self, epoch, logs):
        """Look, and keep a frame where one is due."""
        super().look(epoch, logs)
        if not self._looking:
            return
        if self._frame_counts is None:
            # Without `fit`, and where a run goes on, nobody says how many epochs there will be: then as if there were
            # very many.
            epochs = 0 if self.run.goes_on else (self.params or {}).get("epochs", 0)
            self._frame_counts = _log_spaced(-(-(epochs - epoch) // self.every) if epochs else _ENDLESS)
        if self.count_looks(epoch) in self._frame_counts:
            self._frame()

    def finish(self):
        """Keep a frame of the end, where training ended before its time."""
        super().finish()
        if self._epoch is not None and self._framed != self._epoch and not self.run.goes_on:
            self._frame()

    def write(self, name, look, epoch):
        """Write the saturation of each gate."""
        for gate, share in look.saturation.items():
            if not math.isnan(share):
                self.run.scalar(schema.SATURATION.format(layer=name, gate=gate), share, epoch)

    def draw(self, name, look):
        """Draw states, and gates where there are any."""
        if not look.states:
            return {}
        masked = _masked(look)
        states, gates = (pattern.format(layer=name) for pattern in (schema.STATES_PICTURE, schema.GATES_PICTURE))
        drawn = {states: drawing.states(look.states, f"{name}: states, one sample", masked)}
        if look.gates:
            drawn[gates] = drawing.gates(look.gates, f"{name}: gates, one sample", masked)
        return drawn

    def _frame(self):
        self._framed = self._epoch
        for name, look in self._looks.items():
            for kind, arrays in (("states", look.states), ("gates", look.gates)):
                if arrays:
                    content = self.content(kind, name, _masked(look))
                    blobs = _blobs(arrays, recurrent.ranges(self._cell(name)))
                    self.run.blobs(schema.tag(name, kind), blobs, self._epoch, schema.PLUGIN, content)


def _masked(look):
    """Which steps of the first sample are masked."""
    return look.masked(look.states["hidden"].shape[1], sample=0)


def _log_spaced(count):
    """Which of so many looks, counted from 1, get a frame: all, or the first, the last and some between."""
    if count <= FRAMES:
        return set(range(1, count + 1))

    def spaced(number):
        return set(np.rint(np.geomspace(1, count, number)).astype(int).tolist())

    # Where steps are short several numbers fall on one. One frame is kept for an early end.
    return spaced(bisect.bisect_right(range(20 * FRAMES), FRAMES - 1, key=lambda number: len(spaced(number))) - 1)


def _blobs(arrays, ranges):
    """{name: (units, time)}, {name: (low, high)} -> a header in JSON and the numbers as float16, [kind, unit, time]."""
    size = next(iter(arrays.values())).shape
    arrays = {name: array for name, array in arrays.items() if array.shape == size}  # A cell state may have another.
    values = np.stack(list(arrays.values()))
    stride = [1, -(-values.shape[1] // UNITS), -(-values.shape[2] // STEPS)]
    values = values[:, :: stride[1], :: stride[2]]
    with np.errstate(over="ignore"):  # beyond float16 is infinite
        values = np.ascontiguousarray(values, dtype="<f2")
    header: schema.FrameHeader = {
        "shape": list(values.shape),
        "dtype": "float16",
        "axes": ["kind", "unit", "time"],
        "names": list(arrays),
        "stride": stride,
        "ranges": [_ends(ranges.get(name)) for name in arrays],
    }
    return [json.dumps(header).encode(), values.tobytes()]


def _ends(limits):
    """A range as JSON has it, which knows no infinity; None where there is none."""
    return None if limits is None or not all(map(math.isfinite, limits)) else [float(end) for end in limits]
