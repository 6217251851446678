"""Where arrays come from: letters, words, digits, monthly sales, made-up tasks; and batches that `fit` runs fast."""

from rnn_tutorial.data import digits, letters, sales, tasks, text
from rnn_tutorial.data.batching import batches

__all__ = ["batches", "digits", "letters", "sales", "tasks", "text"]
