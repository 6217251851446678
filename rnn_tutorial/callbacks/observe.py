"""Everything at once."""

import inspect
from collections.abc import Iterable
from typing import Any

from rnn_tutorial import _checks, _console
from rnn_tutorial.callbacks.curves import LearningCurves
from rnn_tutorial.callbacks.diagram import ModelDiagram
from rnn_tutorial.callbacks.flow import GradientFlow
from rnn_tutorial.callbacks.gradients import GradientHistograms
from rnn_tutorial.callbacks.graph import ModelGraph
from rnn_tutorial.callbacks.heatmaps import WeightHeatmaps
from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.callbacks.probe_observer import ProbeObserver
from rnn_tutorial.callbacks.scalars import Scalars
from rnn_tutorial.callbacks.states import StateHeatmaps
from rnn_tutorial.callbacks.weights import WeightHistograms

# In the order in which they look. Each gets those of the arguments of `observe` that it has itself.
OBSERVERS: tuple[type[Observer], ...] = (
    Scalars,
    ModelGraph,
    WeightHistograms,
    GradientHistograms,
    ModelDiagram,
    LearningCurves,
    WeightHeatmaps,
    GradientFlow,
    StateHeatmaps,
)
# Those that do nothing but draw.
_DRAWING = (ModelDiagram, LearningCurves)


def observe(
    log_dir,
    probe=None,
    every: int = 1,
    pictures: bool = True,
    loss: Any = None,
    without: Iterable[type[Observer]] = (),
) -> list[Observer]:
    """Put together all callbacks that look at training, for `model.fit(..., callbacks=observe("logs/run"))`.

    Losses, metrics and learning rate as Keras' own TensorBoard callback writes them, in the subfolders `train` and
    `validation`; the model's graph; weights and true gradients as histograms and numbers, weights as pictures, the
    model's diagrams, the learning curves, and with a probe the gradient through time, states and gates. All go to one
    run.

    Example:
    >>> model.fit(x, y, epochs=20, callbacks=observe("logs/run", probe=(x[:32], y[:32])))

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ... unless the same
            model goes on training there, as with `fit(initial_epoch=...)`: then the run goes on.
        probe: A fixed batch (x, y), or (x, y, sample_weight), for the callbacks that look inside the recurrent layers.
            y is None where the loss needs no targets. Without a probe they are left out, and one line says so.
        every: Look at every so many epochs.
        pictures: False leaves out the diagrams and everything drawn.
        loss: The loss whose gradient goes through time, as `compile` takes it. None is the loss of training; a model
            whose own `train_step` computes it does not tell which that is.
        without: Classes of callbacks to leave out, such as `(StateHeatmaps,)`; to put one in with other arguments,
            leave it out and add it to the list.

    Returns:
        A list of callbacks.

    Raises:
        ValueError: An argument is not allowed; or, when training begins, the probe or the loss does not fit the model.
    """
    arguments = {"every": every, "probe": probe, "pictures": _checks.flag("pictures", pictures), "loss": loss}
    left_out = _check_without(without)
    chosen = [kind for kind in OBSERVERS if kind not in left_out and (pictures or not issubclass(kind, _DRAWING))]
    if probe is None and any(issubclass(kind, ProbeObserver) for kind in chosen):
        _console.tell("observe: no probe=(x, y) is given, so gradient through time, states and gates are left out.")
        chosen = [kind for kind in chosen if not issubclass(kind, ProbeObserver)]
    return [kind(log_dir, **_taken(kind, arguments)) for kind in chosen]


def _taken(kind, arguments):
    """Those arguments that the constructor of a class takes."""
    return {name: arguments[name] for name in inspect.signature(kind).parameters if name in arguments}


def _check_without(without):
    """The classes as a tuple.

    Raises:
        ValueError: One of them is none of those that `observe` puts together.
    """
    names = ", ".join(kind.__name__ for kind in OBSERVERS)
    if isinstance(without, (str, type)) or not isinstance(without, Iterable):
        raise ValueError(f"without must be classes of callbacks such as (StateHeatmaps,), received {without!r}")
    classes = tuple(without)
    for kind in classes:
        if kind not in OBSERVERS:
            raise ValueError(f"without must name callbacks that observe puts together, {names}; received {kind!r}")
    return classes
