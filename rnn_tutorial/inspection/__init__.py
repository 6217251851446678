"""Look inside a recurrent network: its states, its gates, and its gradients. Mathematics only, no logging."""

from rnn_tutorial import _keras  # noqa: F401 (before all that imports Keras: it says what is missing)
from rnn_tutorial.inspection.gradients import GradientReading, tap_gradients
from rnn_tutorial.inspection.recurrent import (
    Flow,
    Trace,
    gradient_flow,
    layers,
    register_cell,
    spectral_radius,
    trace,
)

__all__ = [
    "Flow",
    "GradientReading",
    "Trace",
    "gradient_flow",
    "layers",
    "register_cell",
    "spectral_radius",
    "tap_gradients",
    "trace",
]
