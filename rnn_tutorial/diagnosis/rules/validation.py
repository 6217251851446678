"""What the validation loss says beside that of training."""

import numpy as np

from rnn_tutorial.diagnosis.curves import Curve, end, finite, span
from rnn_tutorial.diagnosis.findings import Finding
from rnn_tutorial.diagnosis.registry import rule
from rnn_tutorial.recording import RunData, schema

_LOSS = schema.EPOCH.format(metric="loss")
_BEST_EPOCH = "keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)"


@rule(
    needs=("loss", "val_loss"),
    while_training=True,
    tag=_LOSS,
    order=110,
)
def overfitting(
    loss: Curve, val_loss: Curve, *, worse: float = 0.2, share: float = 0.1, least_epochs: int = 4
) -> Finding | None:
    """The validation loss gets worse while the training loss gets better.

    Prechelt (1998), Early stopping - but when?, section 2: the generalization loss GL = validation loss / its
    smallest so far - 1. He stops at 5% or less; 20% leaves room for small validation parts, which jump (measured).

    Args:
        loss: {epoch: training loss}.
        val_loss: {epoch: validation loss}.
        worse: The generalization loss, median of the last three epochs, from which on it counts.
        share: The rise must also be this part of what the validation loss had fallen.
        least_epochs: Say nothing of shorter runs.
    """
    epochs, values = finite(val_loss)
    if len(values) < least_epochs or len(values) < len(val_loss):
        return None
    best = int(values.argmin())
    last = float(np.median(values[-3:]))
    train_best, train_last = loss.get(int(epochs[best])), loss.get(int(epochs[-1]))
    if train_best is None or train_last is None or best > len(values) - 3 or not values[best] >= 0:
        return None
    rise = last - values[best]
    if rise <= worse * values[best] or rise <= share * (values[0] - values[best]) or not train_last < 0.95 * train_best:
        return None
    return Finding(
        severity="warning",
        epochs=(int(epochs[best]), int(epochs[-1])),
        numbers={"best_epoch": int(epochs[best]), "best": float(values[best]), "last": last, "training": train_last},
        cause=f"Since epoch {epochs[best]} the validation loss has grown from {values[best]:.3g} to {last:.3g}, "
        f"while the training loss fell to {train_last:.3g}.",
        advice="Keep the best epoch (EarlyStopping with restore_best_weights=True), take fewer units or dropout, "
        "or get more data.",
        code=_BEST_EPOCH,
    )


def _is_not_overfitted(run: RunData, place: str) -> bool:
    return overfitting(run.scalars.get("loss", {}), run.scalars.get("val_loss", {})) is None


@rule(
    needs=("val_loss",),
    where=_is_not_overfitted,
    only_notes=True,
    tag=_LOSS,
    order=150,
)
def overtrained(val_loss: Curve, *, share: float = 0.5, least_epochs: int = 10) -> Finding | None:
    """The best epoch is long past.

    Prechelt (1998), section 3: to stop late costs time for nothing. A "note"; where it also costs accuracy,
    `overfitting` says so.

    Args:
        val_loss: {epoch: validation loss}.
        share: The part of all epochs that came after the best one.
        least_epochs: Say nothing of shorter runs.
    """
    epochs, values = finite(val_loss)
    if len(values) < least_epochs or len(values) < len(val_loss):
        return None
    after = len(values) - 1 - int(values.argmin())
    if after < share * len(values):
        return None
    best = int(epochs[values.argmin()])
    return Finding(
        severity="note",
        epochs=(best, int(epochs[-1])),
        numbers={"best_epoch": best, "best": float(values.min()), "last": float(values[-1])},
        cause=f"The validation loss was best at epoch {best}; {after} more epochs did not better it.",
        advice="Keep the best epoch: EarlyStopping with restore_best_weights=True.",
        code=_BEST_EPOCH,
    )


@rule(
    needs=("loss", "val_loss"),
    tag=_LOSS,
    order=120,
)
def validation_too_good(
    loss: Curve, val_loss: Curve, *, ratio: float = 0.5, floor: float = 0.02, least_epochs: int = 5
) -> Finding | None:
    """The network does far better on the validation data than on what it learned.

    Keras measures the training loss with dropout and as a mean over the epoch, the validation loss without and after
    it; that explains a little. Much of it means that the two parts differ, or that answers leaked (Kaufman et al. 2012,
    Leakage in data mining). Measured threshold.

    Args:
        loss: {epoch: training loss}.
        val_loss: {epoch: validation loss}.
        ratio: The validation loss is at most this part of the training loss, medians of the last quarter.
        floor: Say nothing once the training loss is this part of its first value: there both are next to zero.
        least_epochs: Say nothing of shorter runs: where the loss falls steeply its mean over an epoch is far above what
            it is in the end.
    """
    _, train = finite(loss)
    epochs, values = finite(val_loss)
    if len(train) < least_epochs or not len(values) or len(values) < len(val_loss) or train[0] <= 0:
        return None
    ours, theirs = float(np.median(end(train))), float(np.median(end(values)))
    if ours <= floor * train[0] or theirs > ratio * ours:
        return None
    return Finding(
        severity="warning",
        epochs=span(epochs[-len(end(values)) :]),
        numbers={"training": ours, "validation": theirs},
        cause=f"The validation loss, {theirs:.3g}, is far below the training loss, {ours:.3g}.",
        advice="Look whether the validation data are easier, or known from training; strong dropout also looks like "
        "this.",
        code="print(model.evaluate(x, y))",
    )
