"""Where arrays come from: letters, monthly sales, made-up tasks, and the batches that `fit` runs fastest."""

from rnn_tutorial.data import letters, sales, tasks
from rnn_tutorial.data.batching import batches

__all__ = ["batches", "letters", "sales", "tasks"]
