"""What the training loss says: it is NaN, grows, stays, jumps, or still falls."""

import math

import numpy as np

from rnn_tutorial.diagnosis import facts
from rnn_tutorial.diagnosis.curves import Curve, fall, finite, nonfinite_epochs, span
from rnn_tutorial.diagnosis.findings import Finding
from rnn_tutorial.diagnosis.registry import rule
from rnn_tutorial.recording import schema

_LOSS = schema.EPOCH.format(metric="loss")
_NONFINITE = schema.NONFINITE_BATCHES.format(weight=schema.GLOBAL)
_GRADIENT_NORM = schema.GRADIENT_NORM.format(weight=schema.GLOBAL)
SHORTER_STEPS = "model.compile(keras.optimizers.Adam(1e-4, global_clipnorm=1.0), model.loss)"


@rule(
    needs=("loss", _NONFINITE, "val_loss"),
    while_training=True,
    at_once=True,
    despite_nan=True,
    tag=_LOSS,
    causes=("exploding",),
    order=10,
)
def nan(
    loss: Curve | None = None,
    nonfinite_batches: Curve | None = None,
    val_loss: Curve | None = None,
    *,
    name: str = "loss",
) -> Finding | None:
    """NaN or infinity in the loss or in a gradient.

    One of them is enough, there is no threshold. "severe", but "warning" where the run has got over it, as loss scaling
    does by skipping such a batch (Micikevicius et al. 2018, Mixed precision training, section 3.2).

    Args:
        loss: {epoch: loss}.
        nonfinite_batches: {epoch: number of batches with a gradient that is not finite}, or None.
        val_loss: {epoch: validation loss}, looked at where nothing is wrong with the others; or None.
        name: What the loss is called.
    """
    loss, nonfinite_batches = loss or {}, nonfinite_batches or {}
    bad = nonfinite_epochs(loss, nonfinite_batches)
    if not bad:
        return nan(val_loss, name="val_loss") if val_loss else None
    recovers = max(loss | nonfinite_batches) not in bad
    return Finding(
        severity="warning" if recovers else "severe",
        epochs=(bad[0], bad[-1]),
        numbers={"epochs": len(bad), "batches": sum(nonfinite_batches.values())},
        cause=f"The {name} or a gradient is NaN or infinite from epoch {bad[0]} on"
        + (", and finite again in the end." if recovers else "; weights that have taken it up never recover."),
        advice="Take a tenth of the learning rate or clip with global_clipnorm=1, and look for NaN, zeros and "
        "huge numbers in the data.",
        tag=_NONFINITE if nonfinite_batches else _LOSS,
        code=SHORTER_STEPS,
    )


@rule(
    needs=("loss", _GRADIENT_NORM, schema.CLIPPED_BATCHES),
    while_training=True,
    despite_nan=True,
    tag=_LOSS,
    causes=("initial_variance", "update_ratio"),
    order=20,
)
def exploding(
    loss: Curve | None = None,
    norm: Curve | None = None,
    clipped_batches: Curve | None = None,
    *,
    loss_growth: float = 2.0,
    norm_growth: float = 100.0,
) -> Finding | None:
    """The loss leaves where it began upwards, or the gradient grows a hundredfold.

    Pascanu, Mikolov and Bengio (2013), section 2.1, call the large increase of the gradient's norm during training
    exploding. How large is large was chosen on runs, healthy and sick (`benchmarks/diagnosis.py --tune`).

    Args:
        loss: {epoch: training loss}.
        norm: {epoch: mean norm of the gradient before clipping}, or None.
        clipped_batches: {epoch: number}, where the optimizer clips; then a large gradient alone does no harm.
        loss_growth: Multiple of the first loss that counts as exploding.
        norm_growth: So many times the median of the epochs up to then, or a hundredth of the largest of them where that
            is more.
    """
    epochs, values = finite(loss)
    grown = [e for e, v in zip(epochs, values, strict=True) if 0 < loss_growth * values[0] <= v] if len(values) else []
    norm_epochs, norms = finite(norm)
    # A gradient that has shrunk to next to nothing may jump a hundredfold, and still be next to nothing.
    usual = [max(np.median(norms[: k + 1]), 0.01 * norms[: k + 1].max(), 1e-6) for k in range(len(norms))]
    jumps = list(norms / usual)
    jumped = [int(e) for e, jump in zip(norm_epochs, jumps, strict=True) if jump >= norm_growth]
    if not grown and not jumped:
        return None
    times = float(values.max() / values[0]) if len(values) and values[0] > 0 else math.nan
    stays = bool(grown) and values[-1] >= loss_growth * values[0]
    return Finding(
        severity="severe" if stays else "note" if not grown and clipped_batches else "warning",
        epochs=(int(min(grown + jumped)), int(max(grown + jumped))),
        numbers={"loss_growth": times, "gradient_growth": float(max(jumps, default=math.nan))},
        cause="Steps are too long, or the gradient grows on its way back through time: "
        + (f"the loss was {times:.3g} times its first value." if grown else f"its norm jumped {max(jumps):.3g}fold."),
        advice="Take a tenth of the learning rate, or clip with global_clipnorm=1.",
        tag=schema.GRADIENT_NORM_MAX.format(weight=schema.GLOBAL) if norm else _LOSS,
        code=SHORTER_STEPS,
    )


@rule(
    needs=("loss", "val_loss", facts.accuracy),
    tag=_LOSS,
    causes=("initial_variance", "frozen", "update_ratio", "saturated", "dead_units", "vanishing"),
    order=30,
)
def no_learning(
    loss: Curve,
    val_loss: Curve | None = None,
    accuracy: Curve | None = None,
    *,
    least_fall: float = 0.1,
    least_epochs: int = 5,
    first_epoch: float = 0.7,
    right: float = 0.9,
) -> Finding | None:
    """The training loss stays where it began.

    How far it should fall was measured (`benchmarks/diagnosis.py --tune`): with shuffled targets it fell by less than a
    tenth. What was learned within the first epoch shows in the validation loss, which is measured after it, or in the
    accuracy.

    Args:
        loss: {epoch: training loss}.
        val_loss: {epoch: validation loss}, or None.
        accuracy: {epoch: accuracy of training}, or None.
        least_fall: The part of its first value by which the loss should fall.
        least_epochs: Say nothing of shorter runs.
        first_epoch: A first validation loss of this part of the first training loss has learned.
        right: So has who is right this often.
    """
    fallen = fall(loss)
    if fallen is None or len(loss) < least_epochs or fallen >= least_fall:
        return None
    first = loss[min(loss)]
    if val_loss and min(val_loss) == min(loss) and val_loss[min(val_loss)] < first_epoch * first:
        return None
    if accuracy and accuracy[max(accuracy)] >= right:
        return None
    return Finding(
        severity="severe" if fallen < least_fall / 3 else "warning",
        epochs=(min(loss), max(loss)),
        numbers={"fallen": fallen, "first": first, "last": loss[max(loss)]},
        cause=f"In {len(loss)} epochs the training loss has fallen by {fallen:.1%} only.",
        advice="See whether it can learn 10 samples by heart. If it can, look whether x and y belong together; if not, "
        "at the learning rate.",
        code="model.fit(x[:10], y[:10], epochs=200)",
    )


@rule(
    needs=("loss",),
    while_training=True,
    tag=_LOSS,
    causes=("update_ratio", "exploding"),
    order=100,
)
def oscillating(
    loss: Curve, *, rise: float = 0.1, share: float = 0.25, left: float = 0.05, least_epochs: int = 8
) -> Finding | None:
    """The training loss goes up and down.

    Bengio (2012), Practical recommendations for gradient-based training, section 3.1.1: just above the largest useful
    learning rate the loss goes up. How often is too often was chosen on runs (`benchmarks/diagnosis.py --tune`).

    Args:
        loss: {epoch: training loss}.
        rise: Count an epoch whose loss is larger than that of the epoch before by more than this part.
        share: The part of the second half's epochs that rise so.
        left: Say nothing where the second half's median is below this part of the first epoch's loss: what jumps there
            is next to nothing.
        least_epochs: Say nothing of shorter runs.
    """
    epochs, values = finite(loss)
    if len(values) < least_epochs or len(values) < len(loss):
        return None
    half = len(values) // 2
    rises = np.diff(values)[half - 1 :] > rise * np.abs(values[half - 1 : -1])
    if rises.mean() < share or np.median(values[half:]) < left * values[0]:
        return None
    return Finding(
        severity="warning",
        epochs=span(epochs[half:][rises]),
        numbers={"rises": int(rises.sum()), "epochs": len(rises)},
        cause=f"In {rises.sum()} of the last {len(rises)} epochs the training loss rose by more than {rise:.0%}.",
        advice="Take a third of the learning rate, let it fall over time, or take larger batches.",
        code='keras.callbacks.ReduceLROnPlateau("loss", factor=0.3, patience=3)',
    )


@rule(
    needs=("loss",),
    only_notes=True,
    tag=_LOSS,
    order=140,
)
def underfitting(
    loss: Curve, *, done: float = 0.5, still: float = 0.1, learned: float = 0.1, least_epochs: int = 5
) -> Finding | None:
    """Training ends while the loss is still high and still falling.

    A "note", for how low it can come nobody knows who does not know the noise. Thresholds as measured by
    `benchmarks/diagnosis.py --tune`.

    Args:
        loss: {epoch: training loss}.
        done: Say nothing where the loss has fallen by this part of its first value.
        still: The part of its whole fall that happened in the last quarter.
        learned: A loss that has fallen by less than this part is a case for `no_learning`.
        least_epochs: Say nothing of shorter runs.
    """
    epochs, values = finite(loss)
    if len(values) < least_epochs or len(values) < len(loss) or values[0] <= 0:
        return None
    fallen = values[0] - values[-1]
    late = values[-1 - max(1, len(values) // 4)] - values[-1]
    if not learned * values[0] <= fallen < done * values[0] or late < still * fallen:
        return None
    return Finding(
        severity="note",
        epochs=(int(epochs[0]), int(epochs[-1])),
        numbers={"fallen": float(fallen / values[0]), "fallen_late": float(late / fallen)},
        cause=f"The training loss has fallen by {fallen / values[0]:.0%}, and {late / fallen:.0%} of that in the "
        "last quarter.",
        advice="Train on; if it is slow, take a larger learning rate or more units.",
        code=f"model.fit(x, y, initial_epoch={int(epochs[-1]) + 1}, epochs={2 * (int(epochs[-1]) + 1)})",
    )
