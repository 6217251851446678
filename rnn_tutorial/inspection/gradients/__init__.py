"""The true gradients of the training step, taken from the optimizer."""

from rnn_tutorial.inspection.gradients.reading import GradientReading
from rnn_tutorial.inspection.gradients.tap import tap_gradients

__all__ = ["GradientReading", "tap_gradients"]
