"""The true gradients of the training step, taken from the optimizer."""

from rnn_tutorial.inspection.gradients.taps import GradientReading, tap_gradients

__all__ = ["GradientReading", "tap_gradients"]
