"""When to look: one callback per file, and `observe`, which puts them together."""

from rnn_tutorial.callbacks.curves import LearningCurves
from rnn_tutorial.callbacks.diagram import ModelDiagram
from rnn_tutorial.callbacks.observe import observe
from rnn_tutorial.callbacks.weights import WeightHistograms

__all__ = ["LearningCurves", "ModelDiagram", "WeightHistograms", "observe"]
