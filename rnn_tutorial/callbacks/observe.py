"""Everything at once."""

from rnn_tutorial import checks, quiet
from rnn_tutorial.callbacks.curves import LearningCurves
from rnn_tutorial.callbacks.diagram import ModelDiagram
from rnn_tutorial.callbacks.scalars import Scalars
from rnn_tutorial.callbacks.weights import WeightHistograms


def observe(log_dir, probe=None, every=1, pictures=True):
    """Put together all callbacks that look at training, for `model.fit(..., callbacks=observe("logs/run"))`.

    Scalars and the graph come from Keras' own TensorBoard callback, in the subfolders `train` and `validation`;
    histograms of the weights, diagrams of the model and the learning curves from ours. All go to one run.

    Example:
    >>> model.fit(x, y, epochs=20, callbacks=observe("logs/run"))

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        probe: A fixed batch (x, y) for the callbacks that look inside the network. This version has none yet, and says
            so in one line.
        every: Look at every so many epochs.
        pictures: False leaves out the diagrams and the drawn curves.

    Returns:
        A list of callbacks.

    Raises:
        ValueError: An argument is not allowed.
    """
    if probe is not None:
        quiet.tell("observe: no callback of this version looks at a probe yet; it is left out.")
    watching = [Scalars(log_dir, every), WeightHistograms(log_dir, every)]
    if checks.flag("pictures", pictures):
        watching += [ModelDiagram(log_dir, every), LearningCurves(log_dir, every)]
    return watching
