"""What is found out about a recurrent layer: its states and gates, and the gradient through its time."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Trace:
    """What one recurrent layer did at each step, in the order in which it read; NaN where a step is masked.

    Attributes:
        hidden: States h_t after each step (batch, time, units).
        cell: Cell states c_t (batch, time, units) of an LSTM, or of a cell that declares them; None without.
        gates: {name: (batch, time, units)}: "input", "forget", "candidate", "output" of an LSTM; "update", "reset",
            "candidate" of a GRU; those of a cell that was declared by `register_cell`; empty otherwise.
        saturation: {name: share}: of the gates' values those below 0.05 or above 0.95, of the candidate's, or a simple
            cell's hidden state, those beyond +-0.95; what is declared of other cells. Masked steps and values that are
            NaN do not count; NaN where nothing is left.
    """

    hidden: np.ndarray
    cell: np.ndarray | None
    gates: dict[str, np.ndarray]
    saturation: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Flow:
    """The gradient of the loss through the time of one recurrent layer, in the order in which it read.

    Norms (time,): L2 over the units, mean over the samples for which the step is not masked. Raw: (batch, time, units).
    Steps that are masked for all samples, or raw for one, are NaN. What float32 cannot hold is exactly 0.

    Attributes:
        hidden: The total dL/dh_t.
        cell: The total dL/dc_t of an LSTM, or of a cell that declares it, by way of h_t and of c_{t+1}; None without,
            and for one whose `call` is not Keras'.
        immediate: The part of dL/dh_t that arrives at step t itself, from the layers above, and not through later steps
            (Pascanu, Mikolov and Bengio 2013). Where a loop of the
            model's author changes a state between two calls of the layer, what comes back by this change counts, too.
        loss: The loss that was differentiated.
    """

    hidden: np.ndarray
    cell: np.ndarray | None
    immediate: np.ndarray
    loss: float


@dataclasses.dataclass(frozen=True)
class Look:
    """Flow and trace of one layer in the few numbers that callbacks write; arrays as in `Flow` and `Trace`.

    Attributes:
        flow: A `Flow` of norms; None where it was not asked for or the cell was not understood.
        states: {"hidden": (units, time), "cell": ...} of the first sample; empty where they were not asked for, as
            are the following.
        gates: {name: (units, time)} of the first sample.
        saturation: As in `Trace`, over all samples.
        mask: Bool (time, batch), False where a step of a sample is masked; None where none is. What is NaN elsewhere is
            NaN in the network.
    """

    flow: Flow | None
    states: dict[str, np.ndarray]
    gates: dict[str, np.ndarray]
    saturation: dict[str, float]
    mask: np.ndarray | None = None

    def masked(self, time: int, sample: int | None = None) -> np.ndarray:
        """Whether each of `time` steps is masked, bool (time,): for one sample, or for all of them."""
        if self.mask is None:
            return np.zeros(time, bool)
        return np.logical_not(self.mask.any(axis=1) if sample is None else self.mask[:, sample])
