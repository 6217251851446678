"""Curves in, findings out: what is wrong with a run, the evidence, and what to try.

A rule is a function from recorded curves to a `Finding`, or to None where there is nothing to say. A curve is a dict
{epoch: number}. Each rule's docstring says where its threshold comes from: a paper, or what was measured on healthy and
on sick runs with `benchmarks/diagnosis.py`, whose results stand in the README. Nothing here needs Keras: a run is read
from its event files.
"""

import contextlib
import dataclasses
import math
import os
import pathlib
import reprlib
from typing import Any

import numpy as np

from rnn_tutorial.recording import events, records, schema

SEVERITIES = ("severe", "warning", "note")
# Keras' TensorBoard callback writes to these folders of a run.
_PARTS = {"train": "", "validation": "val_"}
Curve = dict[int, float]
# What stands in the code of several findings.
_SHORTER_STEPS = "model.compile(keras.optimizers.Adam(1e-4, global_clipnorm=1.0), model.loss)"
_BEST_EPOCH = "keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)"
# Advice by what a layer steps.
_CLASSES = {"simple": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}
_FOR_LONG_SEQUENCES = {
    "": "an LSTM or GRU whose gates begin open, a spectral radius near 1",
    "simple": "an LSTM or GRU, a spectral radius near 1 (an orthogonal recurrent kernel)",
    "lstm": "forget gates that begin open (unit_forget_bias=True), a GRU",
    "gru": "update gates that begin open, an LSTM",
}
_FOR_DEAD_UNITS = {
    "": "Begin with Keras' own weights and biases; in a cell with gates look which one is shut.",
    "simple": "Begin with Keras' own weights, and take tanh for relu, which is zero for all that is negative.",
    "lstm": "Look which gate is shut, and at its bias; begin with Keras' own biases (unit_forget_bias=True).",
    "gru": 'Look which gate is shut, and at its bias; begin with Keras\' own biases (bias_initializer="zeros").',
}
# Rules whose findings explain those of another, on the way from the cause: {rule: those that may explain it}.
_CAUSES = {
    "exploding": ("initial_variance", "update_ratio"),
    "saturated": ("initial_variance", "update_ratio", "exploding"),
    "dead_units": ("initial_variance", "frozen", "update_ratio", "saturated"),
    "vanishing": ("initial_variance", "saturated", "dead_units"),
    "no_learning": ("initial_variance", "frozen", "update_ratio", "saturated", "dead_units", "vanishing"),
    "oscillating": ("update_ratio", "exploding"),
    "nan": ("exploding",),
}
# To a rule, the ratio of two numbers at the ends of their range is infinite, and that is worth no warning.
_may_overflow = np.errstate(all="ignore")
_short = reprlib.Repr()
_short.maxstring = 100
_quote = _short.repr


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one rule has found.

    Attributes:
        severity: "severe": the run is worth nothing as it is; "warning": somebody should look; "note": good to know.
        rule: Name of the rule, a key of `RULES`.
        layer: The layer, or the layer and its weight, that it is about; "" for the whole network.
        epochs: First and last epoch in which it shows.
        numbers: {name: number}, the evidence.
        cause: What is the matter, a sentence.
        advice: What to try, a sentence.
        tab: The tab of TensorBoard to look at.
        tag: The tag to look at there.
        code: A line of Python to begin with, for a program that has `keras`, `model`, `x` and `y`.
        follows: The rule, and the layer, of an earlier finding that explains this one; "" where none does.
    """

    severity: str
    rule: str
    layer: str
    epochs: tuple[int, int]
    numbers: dict[str, float]
    cause: str
    advice: str
    tab: str
    tag: str
    code: str = ""
    follows: str = ""

    @property
    def place(self) -> str:
        """The rule, and the layer if it is about one."""
        return f"{self.rule} in {self.layer}" if self.layer else self.rule

    @property
    def when(self) -> str:
        """The epochs in words."""
        first, last = self.epochs
        return f"epoch {first}" if first == last else f"epochs {first} to {last}"

    def __str__(self):
        follows = f" It follows from {self.follows}." if self.follows else ""
        return f"{self.severity}: {self.place}, {self.when}: {self.cause}{follows}"


@dataclasses.dataclass
class RunData:
    """What a run has recorded.

    Attributes:
        name: Where it comes from.
        scalars: {tag: {epoch: number}}; what Keras records is called as in its `History`: `loss`, `val_loss`, ...
        histograms: {tag: {epoch: buckets}}, float64 (buckets, 3) with rows left edge, right edge, count.
        tensors: {tag: {epoch: array}}, such as the norms `rnn/<layer>/grad_flow` (time,).
        blobs: {tag: {epoch: (header, array)}}, such as `rnn/<layer>/states` [kind, unit, time] with the header's names.
        problems: What could not be read, a sentence each.
        keeps_all: False keeps only the first and the last array of a tag, so that a long training does not fill the
            memory.
    """

    name: str
    scalars: dict[str, Curve] = dataclasses.field(default_factory=dict)
    histograms: dict[str, dict[int, np.ndarray]] = dataclasses.field(default_factory=dict)
    tensors: dict[str, dict[int, np.ndarray]] = dataclasses.field(default_factory=dict)
    blobs: dict[str, dict[int, Any]] = dataclasses.field(default_factory=dict)
    problems: list[str] = dataclasses.field(default_factory=list)
    keeps_all: bool = True

    def add(self, kind, tag, step, value):
        """Take what was recorded, as `events.Run` tells its listeners: kind is the name of one of the attributes."""
        if kind == "blobs":
            value = records.frame(value)
        series = getattr(self, kind).setdefault(tag, {})
        if not self.keeps_all and kind != "scalars" and len(series) > 1:
            del series[max(series)]
        series[step] = value


# Rules. Each may be called with curves of any origin.


@_may_overflow
def nan(loss, nonfinite_batches=None, *, name="loss"):
    """NaN or infinity in the loss or in a gradient.

    One of them is enough, there is no threshold. "severe", but "warning" where the run has got over it, as loss scaling
    does by skipping such a batch (Micikevicius et al. 2018, Mixed precision training, section 3.2).

    Args:
        loss: {epoch: loss}.
        nonfinite_batches: {epoch: number of batches with a gradient that is not finite}, or None.
        name: What the loss is called.
    """
    nonfinite_batches = nonfinite_batches or {}
    bad = {epoch for epoch, value in loss.items() if not math.isfinite(value)}
    bad |= {epoch for epoch, count in nonfinite_batches.items() if count > 0}
    if not bad:
        return None
    last = max(loss | nonfinite_batches)
    recovers = last not in bad
    return Finding(
        "warning" if recovers else "severe",
        "nan",
        "",
        (min(bad), max(bad)),
        {"epochs": len(bad), "batches": sum(nonfinite_batches.values())},
        f"The {name} or a gradient is NaN or infinite from epoch {min(bad)} on"
        + (", and finite again in the end." if recovers else "; weights that have taken it up never recover."),
        "Take a tenth of the learning rate or clip with global_clipnorm=1, and look for NaN, zeros and "
        "huge numbers in the data.",
        "Time Series",
        "nonfinite_batches/global" if nonfinite_batches else f"epoch_{name.removeprefix('val_')}",
        _SHORTER_STEPS,
    )


@_may_overflow
def exploding(loss, norm=None, clipped_batches=None, *, loss_growth=2.0, norm_growth=100.0):
    """The loss leaves where it began upwards, or the gradient grows a hundredfold.

    Pascanu, Mikolov and Bengio (2013), section 2.1, call the large increase of the gradient's norm during training
    exploding. How large is large was chosen on runs, healthy and sick (`benchmarks/diagnosis.py --tune`).

    Args:
        loss: {epoch: training loss}.
        norm: {epoch: mean norm of the gradient before clipping}, or None.
        clipped_batches: {epoch: number}, where the optimizer clips; then a large gradient alone does no harm.
        loss_growth: So many times its first value.
        norm_growth: So many times the median of the epochs up to then, or a hundredth of the largest of them where that
            is more.
    """
    epochs, values = _finite(loss)
    grown = [e for e, v in zip(epochs, values, strict=True) if 0 < loss_growth * values[0] <= v] if len(values) else []
    norm_epochs, norms = _finite(norm or {})
    # A gradient that has shrunk to next to nothing may jump a hundredfold, and still be next to nothing.
    usual = [max(np.median(norms[: k + 1]), 0.01 * norms[: k + 1].max(), 1e-6) for k in range(len(norms))]
    jumps = list(norms / usual)
    jumped = [int(e) for e, jump in zip(norm_epochs, jumps, strict=True) if jump >= norm_growth]
    if not grown and not jumped:
        return None
    times = float(values.max() / values[0]) if len(values) and values[0] > 0 else math.nan
    stays = bool(grown) and values[-1] >= loss_growth * values[0]
    return Finding(
        "severe" if stays else "note" if not grown and clipped_batches else "warning",
        "exploding",
        "",
        (int(min(grown + jumped)), int(max(grown + jumped))),
        {"loss_growth": times, "gradient_growth": float(max(jumps, default=math.nan))},
        "Steps are too long, or the gradient grows on its way back through time: "
        + (f"the loss was {times:.3g} times its first value." if grown else f"its norm jumped {max(jumps):.3g}fold."),
        "Take a tenth of the learning rate, or clip with global_clipnorm=1.",
        "Time Series",
        "gradient_norm_max/global" if norm else "epoch_loss",
        _SHORTER_STEPS,
    )


@_may_overflow
def vanishing(ratio, flow=None, fallen=None, cell="", *, threshold=1e-3, heard=0.01, learned=0.1):
    """The gradient dies on its way back through time.

    Described by Hochreiter (1991) and Bengio, Simard and Frasconi (1994). That the first step gets less than a
    thousandth is harmless where the answer lies in the last steps, so that it is a "warning" only as long as the
    network has not learned anything, and else a "note".

    Args:
        ratio: {epoch: ‖dL/dh‖ at the first step by that at the last}.
        flow: Norms (time,) at the last epoch, or None; they say how many steps are reached.
        fallen: The part of its first value by which the loss has fallen, see `fall`; None where it is not known,
            which is no ground for a warning.
        cell: "simple", "lstm", "gru", or "" where it is not known.
        threshold: The ratio below which the first step is not heard.
        heard: A step is reached where its norm is this part of the largest one.
        learned: A loss that has fallen by this part has learned something.
    """
    epochs, values = _finite(ratio)
    if not len(values) or np.median(_end(values)) >= threshold:
        return None
    numbers = {"ratio": float(np.median(_end(values)))}
    reached = ""
    if flow is not None and np.isfinite(flow).any() and np.nanmax(flow) > 0:
        known = flow[np.isfinite(flow)]
        numbers |= {"steps_reached": int((known >= heard * known.max()).sum()), "steps": len(known)}
        reached = f"; {numbers['steps_reached']} of {numbers['steps']} steps get {heard:.0%} of the largest or more"
    share = f"{numbers['ratio']:.1g}" if numbers["ratio"] else "nothing"
    return Finding(
        "warning" if fallen is not None and fallen < learned else "note",
        "vanishing",
        "",
        _span(epochs[values < threshold]),
        numbers,
        f"The first time step gets {share} of the gradient that the last one gets{reached}.",
        f"If the answer lies far back: {_FOR_LONG_SEQUENCES.get(cell, _FOR_LONG_SEQUENCES[''])}, or shorter sequences.",
        "Images",
        "gradient_flow_picture",
        f"keras.layers.{'GRU' if cell == 'lstm' else 'LSTM'}(32, return_sequences=True)",
    )


@_may_overflow
def no_learning(loss, val_loss=None, accuracy=None, *, least_fall=0.1, least_epochs=5, first_epoch=0.7, right=0.9):
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
        "severe" if fallen < least_fall / 3 else "warning",
        "no_learning",
        "",
        (min(loss), max(loss)),
        {"fallen": fallen, "first": first, "last": loss[max(loss)]},
        f"In {len(loss)} epochs the training loss has fallen by {fallen:.1%} only.",
        "See whether it can learn 10 samples by heart. If it can, look whether x and y belong together; if not, at the "
        "learning rate.",
        "Time Series",
        "epoch_loss",
        "model.fit(x[:10], y[:10], epochs=200)",
    )


@_may_overflow
def oscillating(loss, *, rise=0.1, share=0.25, left=0.05, least_epochs=8):
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
    epochs, values = _finite(loss)
    if len(values) < least_epochs or len(values) < len(loss):
        return None
    half = len(values) // 2
    rises = np.diff(values)[half - 1 :] > rise * np.abs(values[half - 1 : -1])
    if rises.mean() < share or np.median(values[half:]) < left * values[0]:
        return None
    return Finding(
        "warning",
        "oscillating",
        "",
        _span(epochs[half:][rises]),
        {"rises": int(rises.sum()), "epochs": len(rises)},
        f"In {rises.sum()} of the last {len(rises)} epochs the training loss rose by more than {rise:.0%}.",
        "Take a third of the learning rate, let it fall over time, or take larger batches.",
        "Time Series",
        "epoch_loss",
        'keras.callbacks.ReduceLROnPlateau("loss", factor=0.3, patience=3)',
    )


@_may_overflow
def overfitting(loss, val_loss, *, worse=0.2, share=0.1, least_epochs=4):
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
    epochs, values = _finite(val_loss)
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
        "warning",
        "overfitting",
        "",
        (int(epochs[best]), int(epochs[-1])),
        {"best_epoch": int(epochs[best]), "best": float(values[best]), "last": last, "training": train_last},
        f"Since epoch {epochs[best]} the validation loss has grown from {values[best]:.3g} to {last:.3g}, "
        f"while the training loss fell to {train_last:.3g}.",
        "Keep the best epoch (EarlyStopping with restore_best_weights=True), take fewer units or dropout, "
        "or get more data.",
        "Time Series",
        "epoch_loss",
        _BEST_EPOCH,
    )


@_may_overflow
def underfitting(loss, *, done=0.5, still=0.1, learned=0.1, least_epochs=5):
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
    epochs, values = _finite(loss)
    if len(values) < least_epochs or len(values) < len(loss) or values[0] <= 0:
        return None
    fallen = values[0] - values[-1]
    late = values[-1 - max(1, len(values) // 4)] - values[-1]
    if not learned * values[0] <= fallen < done * values[0] or late < still * fallen:
        return None
    return Finding(
        "note",
        "underfitting",
        "",
        (int(epochs[0]), int(epochs[-1])),
        {"fallen": float(fallen / values[0]), "fallen_late": float(late / fallen)},
        f"The training loss has fallen by {fallen / values[0]:.0%}, and {late / fallen:.0%} of that in the "
        "last quarter.",
        "Train on; if it is slow, take a larger learning rate or more units.",
        "Time Series",
        "epoch_loss",
        f"model.fit(x, y, initial_epoch={int(epochs[-1]) + 1}, epochs={2 * (int(epochs[-1]) + 1)})",
    )


@_may_overflow
def saturated(shares, *, share=0.9, early=3):
    """Gates, candidate or tanh stand at their flat ends, where hardly any gradient gets through.

    Glorot and Bengio (2010), section 3, for tanh; Karpathy, Johnson and Fei-Fei (2015), section 4.2, count gates of
    an LSTM by such shares. Trained gates may well be saturated (lesson 10), so that it counts from the first epochs
    on; and one gate alone may be held open on purpose (Jozefowicz, Zaremba and Sutskever 2015).

    Args:
        shares: {gate: {epoch: share of its values at an end}} of one layer; `hidden` for a simple cell's tanh.
        share: The share from which on a gate is saturated.
        early: Look at the median of so many first looks.
    """
    curves = {gate: _finite(curve) for gate, curve in shares.items() if len(_finite(curve)[1])}
    at_first = {gate: float(np.median(v[:early])) for gate, (_, v) in curves.items()}
    at_last = {gate: float(np.median(_end(v))) for gate, (_, v) in curves.items()}
    from_first = [gate for gate, value in at_first.items() if value >= share]
    in_the_end = [gate for gate, value in at_last.items() if value >= share]
    found = from_first or in_the_end
    if not found:
        return None
    flat = {"candidate", "hidden"} & set(from_first)
    severity = "note"
    if flat or len(from_first) > 1:
        severity = "severe" if len(from_first) == len(curves) > 1 else "warning"
    numbers = at_first if from_first else at_last
    all_epochs = [int(e) for gate in found for e, v in zip(*curves[gate], strict=True) if v >= share]
    return Finding(
        severity,
        "saturated",
        "",
        (min(all_epochs), max(all_epochs)),
        {gate: numbers[gate] for gate in curves},
        f"Nearly all values of {', '.join(found)} stand at an end"
        + (" from the first epochs on." if from_first else " in the end, not in the beginning."),
        f"Scale the input to between -1 and 1{'' if 'hidden' in curves else ', look at the biases of these gates'}, "
        "and take smaller first weights or a smaller learning rate.",
        "Time Series",
        f"saturation/{{layer}}/{found[0]}",
        "x = (x - x.mean(axis=(0, 1))) / x.std(axis=(0, 1))",
    )


@_may_overflow
def dead_units(states, cell="", *, smallest=1e-3, share=0.5):
    """Units whose state is zero whatever is read.

    What is multiplied by a state of zero gets no gradient. Measured: units of runs that learn reach 0.02 and more.

    Args:
        states: Hidden states (units, time) at the last look; NaN where a step is masked.
        cell: As for `vanishing`.
        smallest: A unit is dead where its state never gets larger.
        share: The share of dead units from which on it is told.
    """
    known = states[:, np.isfinite(states).all(axis=0)].astype("float64")
    if not known.size:
        return None
    dead = float((np.abs(known).max(axis=1) < smallest).mean())
    if dead < share:
        return None
    return Finding(
        "severe" if dead > 0.95 else "warning",
        "dead_units",
        "",
        (0, 0),
        {"dead": dead, "units": len(known), "largest": float(np.abs(known).max())},
        f"{dead:.0%} of {len(known)} units stay at zero (below {smallest:g}) through the whole sequence.",
        _FOR_DEAD_UNITS.get(cell, _FOR_DEAD_UNITS[""]),
        "Images",
        "states_picture",
        f"keras.layers.{_CLASSES.get(cell, 'LSTM')}(32, return_sequences=True)",
    )


@_may_overflow
def spectral_radius(radius, *, low=0.3, high=1.5):
    """The recurrent kernel of a simple cell shrinks or stretches what it is given.

    Pascanu, Mikolov and Bengio (2013), section 2.1: below 1 (tanh has slope 1 at most) the gradient must vanish, and
    above 1 it may explode. How far from 1 matters is a question of the length, so that this is a "note" only.

    Args:
        radius: {epoch: largest absolute eigenvalue}.
        low: Below this.
        high: Above this.
    """
    epochs, values = _finite(radius)
    if not len(values) or low <= values[-1] <= high:
        return None
    shrinks = values[-1] < low
    return Finding(
        "note",
        "spectral_radius",
        "",
        _span(epochs[values < low] if shrinks else epochs[values > high]),
        {"radius": float(values[-1])},
        f"The spectral radius of the recurrent kernel is {values[-1]:.2f}: "
        + ("what came a few steps ago is forgotten." if shrinks else "gradients may explode."),
        "Begin with an orthogonal kernel (Keras' default)" + ("." if shrinks else ", and clip with global_clipnorm=1."),
        "Time Series",
        "spectral_radius",
        'keras.layers.SimpleRNN(32, recurrent_initializer="orthogonal")',
    )


@_may_overflow
def update_ratio(ratio, fallen=None, *, low=1e-6, high=0.3, learned=0.1):
    """Steps that are too long or too short for the weight they move.

    Karpathy's notes for the Stanford course CS231n (2016, "Ratio of weights:updates") call about 0.001 usual. Small
    networks with Adam at 0.01 were measured at up to 0.08 in their first epoch, hence the wide range.

    Args:
        ratio: {epoch: ‖change of a weight in a step‖ / ‖weight‖, mean over the steps}.
        fallen: As for `vanishing`: short steps are told only where nothing was learned.
        low: Too short below this.
        high: Too long above this.
        learned: As for `vanishing`.
    """
    epochs, values = _finite(ratio)
    if not len(values):
        return None
    middle, longest = float(np.median(values)), float(values.max())
    short = 0 < middle < low and fallen is not None and fallen < learned
    if not short and longest <= high:
        return None
    shown = middle if short else longest
    return Finding(
        "warning",
        "update_ratio",
        "",
        _span(epochs if short else epochs[values > high]),
        {"update_ratio": shown},
        f"A step changes the weight by {shown:.1g} of its size, where about 0.001 is usual.",
        "Take a learning rate that is " + ("larger." if short else "a tenth of this one."),
        "Time Series",
        "update_ratio",
        f"model.optimizer.learning_rate = float(model.optimizer.learning_rate) {'*' if short else '/'} 10",
    )


@_may_overflow
def frozen(updates, histograms=None):
    """A weight that does not move, or is all zero.

    A kernel of zeros hands on neither signal nor gradient, and rows that begin alike stay alike (Goodfellow, Bengio and
    Courville 2016, Deep learning, section 8.4). No threshold: not moving is a ratio of exactly 0.

    Args:
        updates: {epoch: update ratio}; empty for a weight that is all zero or not trained.
        histograms: {epoch: buckets} of the weight, or None.
    """
    epochs, values = _finite(updates)
    zero = [e for e, table in (histograms or {}).items() if table[:, 2].any() and not table[:, :2].any()]
    if histograms and max(histograms) in zero:
        severity, span, what = "severe", _span(np.array(zero)), "is all zero"
    elif len(values) > 1 and not values.any():
        severity, span, what = "warning", _span(epochs), "has not moved in any step"
    elif not len(values) and histograms and len(histograms) > 1 and _same(list(histograms.values())):
        severity, span, what = "note", (min(histograms), max(histograms)), "has not changed (trainable=False?)"
    else:
        return None
    return Finding(
        severity,
        "frozen",
        "",
        span,
        {"looks": max(len(values), len(histograms or {}))},
        f"The weight {what}.",
        "Look whether its layer is connected to the loss, trainable, and begins with random numbers.",
        "Histograms",
        "weights",
        "print([weight.path for weight in model.trainable_weights])",
    )


@_may_overflow
def initial_variance(histogram, epoch=0, *, factor=5.0):
    """A kernel begins with numbers that are far too large or too small.

    Glorot and Bengio (2010), equation 12, and He et al. (2015), equation 10: a variance of 2 / (inputs + outputs), or
    2 / inputs. Only the number of weights n is recorded, and inputs + outputs lies between 2 √n (a square matrix) and
    n + 1 (a single row), so that the deviation must lie between √(2 / (n + 1)) and n^(-1/4).

    Args:
        histogram: Buckets of a kernel after the first epoch.
        epoch: That epoch.
        factor: So many times beyond either end.
    """
    counts = histogram[:, 2]
    number = counts.sum()
    if number < 2 or not histogram[:, :2].any() or not np.isfinite(histogram).all():
        return None
    centres = histogram[:, :2].mean(axis=1)
    deviation = float(np.sqrt((counts * centres**2).sum() / number))
    least, most = float(np.sqrt(2 / (number + 1))), float(number**-0.25)
    if least / factor <= deviation <= most * factor:
        return None
    return Finding(
        "warning",
        "initial_variance",
        "",
        (epoch, epoch),
        {"deviation": deviation, "least": least, "most": most},
        f"After the first epoch its {number:.0f} weights have a deviation of {deviation:.2g}; "
        f"{least:.2g} to {most:.2g} is usual.",
        "Take Keras' own initializers: glorot_uniform, and orthogonal for a recurrent kernel.",
        "Histograms",
        "weights",
        'keras.layers.LSTM(32, kernel_initializer="glorot_uniform", recurrent_initializer="orthogonal")',
    )


@_may_overflow
def overtrained(val_loss, *, share=0.5, least_epochs=10):
    """The best epoch is long past.

    Prechelt (1998), section 3: to stop late costs time for nothing. A "note"; where it also costs accuracy,
    `overfitting` says so.

    Args:
        val_loss: {epoch: validation loss}.
        share: The part of all epochs that came after the best one.
        least_epochs: Say nothing of shorter runs.
    """
    epochs, values = _finite(val_loss)
    if len(values) < least_epochs or len(values) < len(val_loss):
        return None
    after = len(values) - 1 - int(values.argmin())
    if after < share * len(values):
        return None
    best = int(epochs[values.argmin()])
    return Finding(
        "note",
        "overtrained",
        "",
        (best, int(epochs[-1])),
        {"best_epoch": best, "best": float(values.min()), "last": float(values[-1])},
        f"The validation loss was best at epoch {best}; {after} more epochs did not better it.",
        "Keep the best epoch: EarlyStopping with restore_best_weights=True.",
        "Time Series",
        "epoch_loss",
        _BEST_EPOCH,
    )


@_may_overflow
def validation_too_good(loss, val_loss, *, ratio=0.5, floor=0.02, least_epochs=5):
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
    _, train = _finite(loss)
    epochs, values = _finite(val_loss)
    if len(train) < least_epochs or not len(values) or len(values) < len(val_loss) or train[0] <= 0:
        return None
    ours, theirs = float(np.median(_end(train))), float(np.median(_end(values)))
    if ours <= floor * train[0] or theirs > ratio * ours:
        return None
    return Finding(
        "warning",
        "validation_too_good",
        "",
        _span(epochs[-len(_end(values)) :]),
        {"training": ours, "validation": theirs},
        f"The validation loss, {theirs:.3g}, is far below the training loss, {ours:.3g}.",
        "Look whether the validation data are easier, or known from training; strong dropout also looks like this.",
        "Time Series",
        "epoch_loss",
        "print(model.evaluate(x, y))",
    )


@_may_overflow
def copies_last_input(likeness, *, threshold=0.6):
    """The forecast is the last value that was read.

    The measure is that of `likeness_to_last_input`; a forecast that is no better than the last value is what Hyndman
    and Koehler (2006) scale errors by (MASE). Measured threshold.

    Args:
        likeness: {epoch: 1 where the answers are the last input, 0 where they are the truth, 0.5 half-way between}.
        threshold: From here on it counts.
    """
    epochs, values = _finite(likeness)
    if not len(values) or np.median(_end(values)) < threshold:
        return None
    value = float(np.median(_end(values)))
    return Finding(
        "warning",
        "copies_last_input",
        "",
        _span(epochs[values >= threshold]),
        {"likeness": value},
        f"The answers are nearer to the last input than to the truth: {value:.2f}, where 1 is a copy and 0.5 half-way.",
        "Compare with the forecast that repeats the last value; forecast the change instead, or add "
        "inputs that know of it.",
        "Time Series",
        "copies_last_input",
        "y = y - x[:, -1, 0].reshape(-1, *[1] * (y.ndim - 1))",
    )


RULES = {
    rule.__name__: rule
    for rule in (
        nan,
        exploding,
        no_learning,
        dead_units,
        saturated,
        vanishing,
        frozen,
        initial_variance,
        update_ratio,
        oscillating,
        overfitting,
        validation_too_good,
        copies_last_input,
        underfitting,
        overtrained,
        spectral_radius,
    )
}
# What can be said of a training that is not over; the others would speak too early.
WHILE_TRAINING = tuple(
    rule.__name__
    for rule in (nan, exploding, dead_units, saturated, frozen, initial_variance, oscillating, overfitting)
)


@_may_overflow
def likeness_to_last_input(answers, truth, last_input):
    """Whether forecasts are nearer to the last input than to the truth: ‖a - y‖ / (‖a - y‖ + ‖a - last input‖).

    Args:
        answers: What the model says, a (batch,).
        truth: What is right, y (batch,).
        last_input: What was read last (batch,), in the same unit.

    Returns:
        1 where the answers are the last input, 0 where they are the truth, 0.5 where they are as near to the one as
        to the other, as a constant is; NaN where they are both. At most 0.5 where the answers do not follow the last
        input, nearer to it by a fifth than a constant is: answers near zero are near to small inputs all the same.
    """
    answers, truth, last_input = (np.asarray(part, dtype="float64") for part in (answers, truth, last_input))
    from_truth, from_last = np.linalg.norm(answers - truth), np.linalg.norm(answers - last_input)
    if not from_truth + from_last:
        return math.nan
    likeness = float(from_truth / (from_truth + from_last))
    follows = from_last < 0.8 * np.linalg.norm(last_input - last_input.mean()) or not from_last
    return likeness if follows else min(likeness, 0.5)


@_may_overflow
def fall(loss):
    """The part of its first value by which a loss has fallen, by the median of the last quarter; None if not known."""
    _, values = _finite(loss)
    if len(values) < 2 or len(values) < len(loss) or values[0] <= 0:
        return None
    return float(1 - np.median(_end(values)) / values[0])


def diagnose(run_data, rules=None):
    """Apply the rules to what a run has recorded.

    Example:
    >>> for finding in diagnosis.diagnose(diagnosis.read("logs/run")):
    ...     print(finding)

    Args:
        run_data: A `RunData`, see `read`.
        rules: Names of the rules to apply; None applies all in `RULES`.

    Returns:
        A list of `Finding`, the most severe first, but each after the one that it follows from.
    """
    rules = set(RULES) if rules is None else set(rules)
    found = [finding for finding in _all(run_data) if finding is not None and finding.rule in rules]
    order = list(RULES)
    found.sort(key=lambda finding: (SEVERITIES.index(finding.severity), order.index(finding.rule)))
    ordered: list[Finding] = []
    for finding in found:
        _put(finding, found, ordered)
    return ordered


def _put(finding, found, ordered):
    """Append a finding, and before it what it follows from."""
    if any(other.place == finding.place for other in ordered):
        return
    causes = [other for rule in _CAUSES.get(finding.rule, ()) for other in found if _explains(other, rule, finding)]
    for cause in causes[:1]:
        _put(cause, found, ordered)
        finding = dataclasses.replace(finding, follows=cause.place)
    ordered.append(finding)


def _explains(cause, rule, finding):
    """Whether a finding is of a rule, and may be what another one, of the same layer or of the whole, follows from."""
    if cause.rule != rule or cause.severity == "note" or cause.epochs[0] > finding.epochs[1]:
        return False
    return not cause.layer or not finding.layer or f"{cause.layer}/".startswith(f"{finding.layer}/")


def _all(run_data):
    scalars = run_data.scalars
    loss, val_loss = scalars.get("loss", {}), scalars.get("val_loss", {})
    fallen = fall(loss)
    bad = nan(loss, scalars.get("nonfinite_batches/global"))
    yield bad
    if bad is None:
        yield nan(val_loss, name="val_loss")
    # The mean over an epoch: the largest of many batches may be many times it in a healthy run.
    yield exploding(loss, scalars.get("gradient_norm/global"), scalars.get("clipped_batches"))
    if bad is not None and bad.severity == "severe":
        return  # Nothing else in such a run means anything.
    yield no_learning(loss, val_loss, _accuracy(scalars))
    yield oscillating(loss)
    yield underfitting(loss)
    worse = overfitting(loss, val_loss)
    yield worse
    if worse is None:
        yield overtrained(val_loss)
    yield validation_too_good(loss, val_loss)
    yield copies_last_input(scalars.get("copies_last_input", {}))
    for layer, gates in _by_layer(scalars, "saturation").items():
        yield _at(saturated(gates), layer)
    for layer, curve in _tags(scalars, "gradient_flow_ratio").items():
        flow = _last(run_data.tensors.get(f"rnn/{layer}/grad_flow"))
        yield _at(vanishing(curve, flow, fallen, _cell(run_data, layer)), layer)
    for layer, curve in _tags(scalars, "spectral_radius").items():
        if _cell(run_data, layer) == "simple":
            yield _at(spectral_radius(curve), layer)
    for tag, frames in run_data.blobs.items():
        layer = tag.removeprefix("rnn/").removesuffix("/states")
        if tag == f"rnn/{layer}/states":
            epoch = max(frames)
            header, states = frames[epoch]
            if "hidden" in header["names"]:
                finding = _at(dead_units(states[header["names"].index("hidden")], _cell(run_data, layer)), layer)
                yield finding and dataclasses.replace(finding, epochs=(epoch, epoch))
    updates, weights = _tags(scalars, "update_ratio"), _tags(run_data.histograms, "weights")
    for name in {**updates, **weights}:
        if name == "global" or not name.endswith(("kernel", "embeddings")):
            continue  # A bias begins at zero, so that its ratio says little.
        tables = weights.get(name)
        standing = _at(frozen(updates.get(name, {}), tables), name)
        if standing is not None:
            # A sequence of one step has no step before it for which the recurrent kernel would be used.
            steps = _steps(run_data, name)
            if steps is None and standing.severity == "warning":
                standing = dataclasses.replace(standing, severity="note")
            if steps != 1:
                yield standing
            continue
        # An embedding begins near zero, and few of its rows move in a step.
        moved = update_ratio(updates.get(name, {}), fallen) if name.endswith("kernel") else None
        yield _at(moved, name)
        # Steps that are too long leave nothing of the first weights.
        if moved is None and tables and min(tables) == 0 and name.endswith("kernel"):
            yield _at(initial_variance(tables[0]), name)


def _steps(run_data, name):
    """Length of the sequences that a recurrent kernel is used for; None without a probe, infinite for other weights."""
    layer, _, weight = name.rpartition("/")
    if weight != "recurrent_kernel":
        return math.inf
    flow = _last(run_data.tensors.get(f"rnn/{layer}/grad_flow"))
    return None if flow is None else len(flow)


def _cell(run_data, layer):
    """What a layer steps: "simple", "lstm" or "gru"; "" for any other. A probe has seen it, or its weights tell."""
    if f"rnn/{layer}/states" in run_data.blobs:
        gates = run_data.blobs.get(f"rnn/{layer}/gates")
        if gates is None:
            return "simple"
        names = set(_last(gates)[0]["names"])
        return "lstm" if "forget" in names else "gru" if "reset" in names else ""
    kernel, bias = (
        _last(run_data.histograms.get(f"weights/{layer}/{weight}")) for weight in ("recurrent_kernel", "bias")
    )
    if kernel is None or bias is None:
        return ""
    # units by units and units; an LSTM has four times as many of both, a GRU three and three or six times.
    ratio = float(bias[:, 2].sum() ** 2 / kernel[:, 2].sum())
    return {1.0: "simple", 4.0: "lstm", 3.0: "gru", 12.0: "gru"}.get(ratio, "")


def _accuracy(scalars):
    """The accuracy of training, under whichever of its names; None without."""
    return next((c for tag, c in scalars.items() if tag.endswith("accuracy") and not tag.startswith("val_")), None)


def _tags(series, kind):
    """{rest of the tag: series} of the tags that begin with `<kind>/`."""
    return {tag.partition("/")[2]: curve for tag, curve in series.items() if tag.startswith(f"{kind}/")}


def _by_layer(series, kind):
    """{layer: {last part of the tag: series}}."""
    found: dict[str, dict] = {}
    for rest, curve in _tags(series, kind).items():
        layer, _, last = rest.rpartition("/")
        found.setdefault(layer, {})[last] = curve
    return found


def _at(finding, layer):
    """A finding of one layer, or of one weight, with its whole tag."""
    if finding is None:
        return None
    has_place = "{layer}" in finding.tag
    tag = finding.tag.replace("{layer}", layer) if has_place else f"{finding.tag}/{layer}"
    return dataclasses.replace(finding, layer=layer, tag=tag)


def _finite(curve):
    """Epochs and values of a curve as arrays, in order, those that are NaN or infinite left out."""
    pairs = [(epoch, float(value)) for epoch, value in sorted(curve.items()) if math.isfinite(value)]
    return np.array([epoch for epoch, _ in pairs], dtype=int), np.array([value for _, value in pairs])


def _end(values):
    """The last quarter, at least one."""
    return values[-max(1, len(values) // 4) :]


def _span(epochs):
    return int(epochs.min()), int(epochs.max())


def _last(series):
    return series[max(series)] if series else None


def _same(tables):
    return all(np.array_equal(tables[0], table) for table in tables[1:])


# Reading a run


def runs(folder):
    """The runs in a folder and below it.

    A folder with event files is a run; Keras' folders `train` and `validation` belong to the one above them.

    Args:
        folder: Path of a folder.

    Returns:
        A list of paths, sorted.

    Raises:
        ValueError: There is no such folder, or no event file in it.
    """
    folder = pathlib.Path(folder)
    if not os.path.isdir(folder):
        raise ValueError(f"folder must be that of a run or of several, received {str(folder)!r}, which is none")
    found = set()
    for here, *_ in os.walk(folder):
        path = pathlib.Path(here)
        if _event_files(path):
            found.add(path.parent if _is_part(path) and path != folder else path)
    if not found:
        raise ValueError(f"folder must hold event files (*tfevents*), or folders with such; {str(folder)!r} holds none")
    return sorted(found)


def read(folder):
    """Read what a run has recorded: one of this package, or one of Keras' own TensorBoard callback.

    What is damaged is left out, and `problems` says so; a file that breaks off is read up to there.

    Args:
        folder: Folder of the run.

    Returns:
        A `RunData`.

    Raises:
        ValueError: The folder is no run; the message says what is there instead.
    """
    folder = pathlib.Path(folder)
    below = runs(folder)
    if folder not in below:
        names = ", ".join(str(path.relative_to(folder)) for path in below[:5]) + (", ..." if len(below) > 5 else "")
        raise ValueError(f"folder must be that of one run; {str(folder)!r} holds {len(below)}: {names}")
    run_data = RunData(str(folder))
    for part in (".", *_PARTS):
        if part != "." and not _is_part(folder / part):
            continue
        files = _event_files(folder / part)
        if not files:
            continue
        if len(files) > 1:
            run_data.problems.append(f"{folder / part} holds {len(files)} event files; only {files[-1].name} was read")
        _read_file(files[-1], part, run_data)
    return run_data


def _is_part(path):
    """Whether a folder is that of Keras for one half of a run, and not a whole run that is called so."""
    return path.name in _PARTS and not any(os.path.isdir(path / part) for part in _PARTS)


def _event_files(folder):
    """The event files of a folder. Last is the one to read: as in TensorBoard the newest, but ours before any other."""
    found = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:  # The folder may be gone, or not to be read.
        for entry in entries:
            is_named_so = "tfevents" in entry.name and not entry.name.endswith((".profile-empty", ".unfinished"))
            with contextlib.suppress(OSError):
                if is_named_so and entry.is_file():  # A folder, a pipe or a dead link may be named so, too.
                    found.append((entry.name.endswith(events.SUFFIX), entry.stat().st_mtime, entry.name))
    return [folder / name for *_, name in sorted(found)]


def _read_file(path, part, run_data):
    plugins: dict[str, str] = {}
    left_out: dict[str, str] = {}
    is_empty = True
    try:
        for event in events.read(path):
            is_empty = False
            for value in event.summary.value:
                # A tag's first value says which plugin reads it.
                about = value.metadata.plugin_data
                if value.tag not in plugins and about.plugin_name == schema.PLUGIN:
                    version = _version(about.content)
                    if version is None:
                        left_out[value.tag] = "is described by damaged metadata"
                    elif version not in schema.KNOWN_VERSIONS:
                        left_out[value.tag] = "is of another version of this package"
                plugin = plugins.setdefault(value.tag, about.plugin_name or _usual_plugin(value))
                if left_out.get(value.tag, "").startswith("is "):
                    continue
                try:
                    _take(value, plugin, event.step, part, run_data)
                except ValueError:
                    left_out[value.tag] = f"has a damaged value at step {event.step}"
    except events.BrokenFileError as error:
        run_data.problems.append(str(error))
    else:
        if is_empty:
            run_data.problems.append(
                f"{path} holds no whole record; either nothing is written yet, or it is no event file"
            )
    where = "" if part == "." else f"{part}: "
    run_data.problems += [f"{where}{_quote(tag)} {what}, which was left out" for tag, what in left_out.items()]


def _version(content):
    """The version that a tag's metadata name; None where they are damaged."""
    try:
        return records.whole(records.metadata(content).get("v"))
    except ValueError:
        return None


def _usual_plugin(value):
    """Who reads a tag whose first value, which says so, is lost."""
    if value.tag.startswith("rnn/"):
        return schema.PLUGIN
    if value.tag.startswith(("weights/", "gradients/")):
        return "histograms"
    is_number = records.is_numeric(value.tensor) and not value.tensor.tensor_shape.dim
    return "scalars" if is_number else ""


def _take(value, plugin, step, part, run_data):
    """Take one value into the data of a run; ValueError where it is damaged."""
    tag = value.tag
    if step < 0:
        raise ValueError(f"step must be at least 0, received {step}")
    if plugin == "scalars" or value.HasField("simple_value"):
        number = value.simple_value if value.HasField("simple_value") else records.array(value.tensor).item()
        if tag.startswith("epoch_"):  # Keras' folder `train` may also be asked for alone.
            tag = _PARTS.get(part, "") + tag.removeprefix("epoch_")
        elif part != ".":
            tag = f"{part}/{tag}"
        run_data.add("scalars", tag, step, float(number))
    elif plugin == "histograms":
        if tag.endswith("/histogram"):  # as Keras' own callback calls a weight
            tag = f"weights/{tag.removesuffix('/histogram')}"
        run_data.add("histograms", tag, step, records.histogram(value.tensor))
    elif plugin == schema.PLUGIN and value.tensor.string_val:
        run_data.add("blobs", tag, step, value.tensor.string_val)
    elif plugin == schema.PLUGIN:
        array = records.array(value.tensor)
        if array.ndim != 1:
            raise ValueError(f"an array must have one axis, received shape {array.shape}")
        run_data.add("tensors", tag, step, array)
