"""How much a recurrent layer's matrix stretches the hidden state."""

import math
from typing import Any

import numpy as np

from rnn_tutorial.inspection.recurrent import cells, finding


def spectral_radius(layer: Any) -> float | None:
    """Largest absolute eigenvalue of the matrix that takes the hidden state from one step to the next.

    For a simple cell the recurrent kernel; for an LSTM or GRU the block of it that makes the candidate. Below 1 what a
    linear cell remembers fades, above 1 it grows (Pascanu, Mikolov and Bengio 2013, section 2.1).

    Args:
        layer: A recurrent layer or cell with a `recurrent_kernel`.

    Returns:
        A float, NaN where the kernel is not finite; None where there is no such matrix.
    """
    matrix = cells.transition(finding.cell_of(layer))
    if matrix is None:
        return None
    return float(np.abs(np.linalg.eigvals(matrix)).max()) if np.isfinite(matrix).all() else math.nan
