"""What a seasonal network learns from made-up series, before it sees the one that it is to forecast."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_tutorial.data import sales
from rnn_tutorial.forecasting.series import SEASON

if TYPE_CHECKING:
    import keras

PRACTICE = 40_000  # made-up series
PRACTICE_EPOCHS = 10  # each of other series
_BATCH = 64
# {(window, cell, samples, seed): weights of a network that has practised}, about 60 KB each
_PRACTISED: dict[tuple[int, str, int, int], list[np.ndarray]] = {}


def has_practised(window: int, cell: str, samples: int, seed: int) -> bool:
    """Whether such a network has practised in this process."""
    return (window, cell, samples, seed) in _PRACTISED


def practised_weights(window: int, cell: str, samples: int, seed: int) -> list[np.ndarray]:
    """The weights of a seasonal network that has practised, now or earlier in this process."""
    if not has_practised(window, cell, samples, seed):
        practise(window, cell, samples, seed)
    return _PRACTISED[window, cell, samples, seed]


def practise(
    window: int,
    cell: str,
    samples: int,
    seed: int,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    callbacks: Iterable[Any] = (),
) -> "keras.Model":
    """A seasonal network that has seen made-up series, each once, in `PRACTICE_EPOCHS` parts of one size.

    Its weights fit the network with logarithms as well as this one without, since either reads numbers that have no
    unit; `validation` holds logarithms for such a network.
    """
    import keras

    from rnn_tutorial import models

    keras.utils.set_random_seed(seed)
    months = sales.practice(samples, window + SEASON, seed)
    x, y = months[:, :window, np.newaxis], months[:, window:]
    model = models.seasonal_forecaster(window, cell=cell)
    batches = -(-samples // _BATCH)
    parts = min(PRACTICE_EPOCHS, batches)
    steps = batches // parts  # in each part; up to nine batches are left over
    rate = keras.optimizers.schedules.CosineDecay(4e-3, parts * steps)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss="mae", metrics=["mae"])
    model.fit(
        x,
        y,
        batch_size=_BATCH,
        epochs=parts,
        steps_per_epoch=steps,  # the next epoch goes on where the one before ended
        shuffle=False,
        validation_data=validation,
        callbacks=list(callbacks),
        verbose=0,
    )
    _PRACTISED[window, cell, samples, seed] = model.get_weights()
    return model
