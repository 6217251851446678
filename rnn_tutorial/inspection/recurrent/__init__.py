"""What a recurrent layer did with a batch: states, gates, and the gradient through time."""

from rnn_tutorial.inspection.recurrent.cells import (
    gate_names,
    has_cell_state,
    hidden_size,
    ranges,
    register_cell,
    short_name,
    split_gates,
)
from rnn_tutorial.inspection.recurrent.checking import check_batch, check_probe
from rnn_tutorial.inspection.recurrent.finding import cell_of, layers
from rnn_tutorial.inspection.recurrent.results import Flow, Look, Trace
from rnn_tutorial.inspection.recurrent.spectral import spectral_radius
from rnn_tutorial.inspection.recurrent.tracing import gradient_flow, look, trace
from rnn_tutorial.inspection.recurrent.untouched import answers

__all__ = [
    "Flow",
    "Look",
    "Trace",
    "answers",
    "cell_of",
    "check_batch",
    "check_probe",
    "gate_names",
    "gradient_flow",
    "has_cell_state",
    "hidden_size",
    "layers",
    "look",
    "ranges",
    "register_cell",
    "short_name",
    "spectral_radius",
    "split_gates",
    "trace",
]
