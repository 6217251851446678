"""Everything at once."""

from rnn_tutorial import _checks, _console
from rnn_tutorial.callbacks.curves import LearningCurves
from rnn_tutorial.callbacks.diagram import ModelDiagram
from rnn_tutorial.callbacks.flow import GradientFlow
from rnn_tutorial.callbacks.gradients import GradientHistograms
from rnn_tutorial.callbacks.graph import ModelGraph
from rnn_tutorial.callbacks.heatmaps import WeightHeatmaps
from rnn_tutorial.callbacks.scalars import Scalars
from rnn_tutorial.callbacks.states import StateHeatmaps
from rnn_tutorial.callbacks.weights import WeightHistograms


def observe(log_dir, probe=None, every=1, pictures=True, loss=None):
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

    Returns:
        A list of callbacks.

    Raises:
        ValueError: An argument is not allowed; or, when training begins, the probe or the loss does not fit the model.
    """
    pictures = _checks.flag("pictures", pictures)
    watching = [Scalars(log_dir, every), ModelGraph(log_dir, every)]
    watching += [WeightHistograms(log_dir, every), GradientHistograms(log_dir, every)]
    if pictures:
        watching += [ModelDiagram(log_dir, every), LearningCurves(log_dir, every)]
    watching.append(WeightHeatmaps(log_dir, every, pictures))
    if probe is None:
        _console.tell("observe: no probe=(x, y) is given, so gradient through time, states and gates are left out.")
    else:
        watching.append(GradientFlow(log_dir, probe, every, pictures, loss))
        watching.append(StateHeatmaps(log_dir, probe, every, pictures))
    return watching
