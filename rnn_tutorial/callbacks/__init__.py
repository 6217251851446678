"""When to look: one callback per file, and `observe`, which puts them together."""

from rnn_tutorial import _keras  # noqa: F401 (before all that imports Keras: it says what is missing)
from rnn_tutorial.callbacks.curves import LearningCurves
from rnn_tutorial.callbacks.diagram import ModelDiagram
from rnn_tutorial.callbacks.flow import GradientFlow
from rnn_tutorial.callbacks.gradients import GradientHistograms
from rnn_tutorial.callbacks.graph import ModelGraph
from rnn_tutorial.callbacks.health import HealthCheck
from rnn_tutorial.callbacks.heatmaps import WeightHeatmaps
from rnn_tutorial.callbacks.observe import observe
from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.callbacks.probe_observer import ProbeObserver
from rnn_tutorial.callbacks.projector import EmbeddingProjector
from rnn_tutorial.callbacks.sampled_text import SampledText
from rnn_tutorial.callbacks.scalars import Scalars
from rnn_tutorial.callbacks.states import StateHeatmaps
from rnn_tutorial.callbacks.weights import WeightHistograms

__all__ = [
    "EmbeddingProjector",
    "GradientFlow",
    "GradientHistograms",
    "HealthCheck",
    "LearningCurves",
    "ModelDiagram",
    "ModelGraph",
    "Observer",
    "ProbeObserver",
    "SampledText",
    "Scalars",
    "StateHeatmaps",
    "WeightHeatmaps",
    "WeightHistograms",
    "observe",
]
