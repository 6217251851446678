"""What a recurrent layer did with a batch: states, gates, and the gradient through time. Mathematics only, no logging.

A Keras layer gives its output and keeps everything else to itself. Here the loop over time of each recurrent layer is
replaced, for as long as one function is traced, by one that steps the layer's own cell and remembers what it did. The
rest of the model runs as it is: nested models, masks, initial states, other layers.

The gradient through time: to the state h_t that the cell returns a perturbation is added that is zero. The gradient of
the loss with respect to it is the total dL/dh_t, by all ways from step t to the loss: through the layers above, and
through every later step (backpropagation through time; Werbos 1990). The gradient with respect to a second
perturbation, added only to what the layer hands on, is the part that arrives from above.

Nothing is changed by looking: states of stateful layers, seeds and metrics stay as they were, dropout is off.
"""

from typing import Any

import keras
import numpy as np

from rnn_tutorial import _checks
from rnn_tutorial.inspection import losses
from rnn_tutorial.inspection.recurrent import checking, compiling
from rnn_tutorial.inspection.recurrent.results import Flow, Look, Trace


def trace(model: keras.Model, x: Any, preactivation: bool = False) -> dict[str, Trace]:
    """Replay a batch and return what each recurrent layer did at every step.

    Example:
    >>> forget = trace(model, x)["lstm"].gates["forget"]  # (batch, time, units)

    Args:
        model: A built `keras.Model`.
        x: Its inputs, (batch, time, features) or what else it takes; a list or dict of arrays for several inputs.
        preactivation: True gives for the gates what goes into sigmoid or tanh, instead of what comes out.

    Returns:
        {name: Trace}. Calls of a layer that go on from one another, as in a loop, are one sequence, see `sequences`. A
        layer that reads several sequences is there once per sequence, as `<name>/use_2`, ... A layer that cannot be
        followed is left out with one warning.

    Raises:
        ValueError: The model is not built or has no recurrent layers; x is empty, has NaN, or is of the wrong rank.
    """
    x, _, _ = checking.check_probe(model, x)
    _checks.flag("preactivation", preactivation)
    _, records = compiling.run(model, "trace", (x, None, None), gradient=False, preactivation=preactivation)
    traces = {}
    for name, record in records.items():
        states = {kind: _batch_first(array) for kind, array in record["states"].items()}
        gates = {gate: _batch_first(array) for gate, array in record["gates"].items()}
        saturation = {gate: float(share) for gate, share in record["saturation"].items()}
        traces[name] = Trace(states["hidden"], states.get("cell"), gates, saturation)
    return traces


def gradient_flow(
    model: keras.Model, x: Any, y: Any, loss: Any = None, raw: bool = False, sample_weight: Any = None
) -> dict[str, Flow]:
    """Differentiate the loss of a batch with respect to the state at every step of every recurrent layer.

    Example:
    >>> flow = gradient_flow(model, x, y)["lstm"]
    >>> flow.hidden[0] / flow.hidden[-1]  # how much of the gradient reaches the first step

    Args:
        model: A built `keras.Model`, compiled unless `loss` is given.
        x: Inputs, as for `trace`.
        y: Targets, as for `fit`; None where the loss needs none, because layers add it or `compute_loss` is the
            model's own.
        loss: A loss as `compile` takes it; a function made anew for each call is compiled anew too. None is the loss of
            training: the compiled one and what layers and regularisers add to it, or the model's own `compute_loss`.
        raw: True gives the gradients themselves instead of their norms.
        sample_weight: Weights of the samples, as for `fit`.

    Returns:
        {name: Flow}, named as by `trace`. A layer that cannot be followed is left out with one warning.

    Raises:
        ValueError: As for `trace`; or y does not fit x, loss does not fit the model, or there is no loss.
    """
    x, y, sample_weight = checking.check_probe(model, x, y, sample_weight)
    losses.check_known(model, y, loss)
    _checks.flag("raw", raw)
    kind = "raw" if raw else "norms"
    value, records = compiling.run(model, kind, (x, y, sample_weight), gradient=True, loss=loss)
    flows = {}
    for name, record in records.items():
        if record["flow"] is not None:
            arrays = {part: _batch_first(array) if raw else array for part, array in record["flow"].items()}
            flows[name] = Flow(arrays["hidden"], arrays.get("cell"), arrays["immediate"], float(value))
    return flows


def look(
    model: keras.Model,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    flow: bool = True,
    states: bool = True,
    loss: Any = None,
) -> dict[str, Look]:
    """Flow and trace of a batch in one pass, reduced to what callbacks write.

    Args:
        model: A built `keras.Model`, compiled where `flow` is True and `loss` is None.
        x: Inputs, as for `trace`.
        y: Targets, as for `gradient_flow`; not needed without `flow`.
        sample_weight: Weights of the samples, as for `fit`.
        flow: False leaves out the gradients.
        states: False leaves out states, gates and saturation.
        loss: As for `gradient_flow`.

    Returns:
        {name: Look}, named as by `trace`.

    Raises:
        ValueError: As for `gradient_flow`.
    """
    if not flow:
        y = sample_weight = None
    x, y, sample_weight = checking.check_probe(model, x, y, sample_weight)
    if flow:
        losses.check_known(model, y, loss)
    value, records = compiling.run(
        model, "look" if states else "norms", (x, y, sample_weight), flow, loss if flow else None
    )
    looks = {}
    for name, record in records.items():
        norms = record["flow"]
        looks[name] = Look(
            None if norms is None else Flow(norms["hidden"], norms.get("cell"), norms["immediate"], float(value)),
            {kind: array.T for kind, array in record["states"].items()},
            {gate: array.T for gate, array in record["gates"].items()},
            {gate: float(share) for gate, share in record["saturation"].items()},
            record["mask"],
        )
    return looks


def _batch_first(array):
    return np.moveaxis(array, 0, 1)
