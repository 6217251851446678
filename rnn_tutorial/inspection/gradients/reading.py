"""What was seen of the gradients since the last reading."""

import dataclasses
import math

import numpy as np

from rnn_tutorial.inspection.gradients.table import Row

# Stands among the names of weights for all weights of an update together.
GLOBAL = "global"


@dataclasses.dataclass(frozen=True)
class GradientReading:
    """What `tap_gradients` has seen since it was last read.

    Dictionaries go by the stable name of the weight, `<layer>/<weight>`, and hold `"global"` too, the norm over all
    weights of an update together. Weights that no update has changed since the last reading are not there. Norms are
    L2 norms, before clipping unless said otherwise, of unscaled gradients; with gradient accumulation they are those
    of the accumulated mean, at update steps only. A model whose `train_step` calls several optimizers makes several
    updates per batch, and each counts; a `MultiOptimizer` makes one.

    Attributes:
        batches: Updates seen, with those that a `LossScaleOptimizer` left out.
        norm: Mean over the batches whose gradient was finite, NaN where none was.
        norm_max: The largest of them.
        norm_clipped: Mean after clipping, over the batches where all gradients were finite; empty where no clipping is
            set. NaN where clipping itself overflowed.
        clipped_batches: How many of these batches were clipped; None where no clipping is set.
        update_ratio: Mean of ‖w_after - w_before‖ / ‖w_before‖ over the batches where w was not all zero.
        nonfinite: How many batches had a gradient with NaN or infinity.
        last: The last gradient, float32, an array of the weight's shape; without `"global"`.
        batch_norms: The norm of each batch (batches,), where that was asked for; empty otherwise. NaN where a
            `LossScaleOptimizer` left the batch out.
    """

    batches: int
    norm: dict[str, float]
    norm_max: dict[str, float]
    norm_clipped: dict[str, float]
    clipped_batches: int | None
    update_ratio: dict[str, float]
    nonfinite: dict[str, int]
    last: dict[str, np.ndarray]
    batch_norms: dict[str, np.ndarray]


@dataclasses.dataclass
class Tally:
    """What recorders have seen, by the name of the weight, and "global".

    Attributes:
        table: The column of a recorder's table, (rows,), float64.
        last: The last gradient.
        batch_norms: The norm of each batch, (batches,).
        clipped: Names in whose updates something clips.
    """

    table: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    last: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    batch_norms: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    clipped: set[str] = dataclasses.field(default_factory=set)

    def add(self, other):
        """Take up what another one has seen later."""
        for name, column in other.table.items():
            mine = self.table.get(name, np.zeros(len(Row)))
            self.table[name] = np.where(np.arange(len(Row)) == Row.MAX, np.maximum(mine, column), mine + column)
        self.last |= other.last
        self.clipped |= other.clipped
        sizes = [max(map(len, norms.values()), default=0) for norms in (self.batch_norms, other.batch_norms)]
        self.batch_norms = {
            name: np.concatenate(
                [
                    norms.get(name, np.full(size, math.nan, "float32"))
                    for norms, size in zip((self.batch_norms, other.batch_norms), sizes, strict=True)
                ]
            )
            for name in {**self.batch_norms, **other.batch_norms}
        }

    def reading(self):
        """It as a `GradientReading`."""
        table = {name: column for name, column in self.table.items() if name != GLOBAL}
        table[GLOBAL] = self.table.get(GLOBAL, np.zeros(len(Row)))
        batches = int(table[GLOBAL][Row.BATCHES])

        def named(function, names=table):
            with np.errstate(divide="ignore", invalid="ignore"):
                return {name: float(function(column)) for name, column in table.items() if name in names}

        return GradientReading(
            batches=batches,
            norm=named(lambda column: column[Row.SUM] / column[Row.FINITE]),
            norm_max=named(lambda column: column[Row.MAX] if column[Row.FINITE] else math.nan),
            norm_clipped=named(lambda column: column[Row.CLIPPED] / column[Row.CLIPPABLE], self.clipped),
            clipped_batches=int(table[GLOBAL][Row.CLIPPED_BATCHES]) if self.clipped else None,
            update_ratio=named(lambda column: column[Row.RATIO] / column[Row.RATIOS]),
            nonfinite={name: int(column[Row.BATCHES] - column[Row.FINITE]) for name, column in table.items()},
            last=self.last,
            batch_norms=self.batch_norms,
        )
