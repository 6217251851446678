"""Which run a fit writes to: a new one, or that of an earlier fit, which goes on."""

import contextlib
import dataclasses
import os
import pathlib
import re
import weakref
from collections.abc import Iterable
from typing import Any

import keras

from rnn_tutorial import _console, recording
from rnn_tutorial.recording import folders, schema

_written_here: set[pathlib.Path] = set()  # event files of the fits of this process


@dataclasses.dataclass
class Training:
    """What the fits that write to one run have in common.

    Attributes:
        run: The `recording.Run`.
        first: The first epoch of its first fit.
        last: The latest epoch that was written; -1 before there is one.
        kept: What observers remember from fit to fit, see `Observer.kept`.
        fit: A weak reference to what the observers of its latest fit share; they leave it with its `end()`.
    """

    run: recording.Run
    first: int
    last: int = -1
    kept: dict[tuple, Any] = dataclasses.field(default_factory=dict)
    fit: Any = None


# model -> {folder that was asked for: its latest training there}
_trainings: weakref.WeakKeyDictionary[keras.Model, dict[str, Training]] = weakref.WeakKeyDictionary()


def start(model, log_dir: str, epoch: int, callbacks: Iterable = ()) -> Training:
    """Go on with the run of an earlier fit, or open a new one.

    A run goes on where the same model trains on in the same `log_dir` from an epoch above the last one written. Of the
    runs that other processes have written only the epochs are known: among those that end before this epoch the one
    that ends last goes on.

    Args:
        model: The model that is trained.
        log_dir: The folder that is asked for.
        epoch: The first epoch of the fit.
        callbacks: All callbacks of the fit; TensorBoard callbacks among them write event files too.

    Returns:
        A `Training`, with a run that is broken where none could be opened.
    """
    others: set[str] = set()
    training = None
    with contextlib.suppress(Exception):  # What cannot be gone on with is left alone.
        others = _folders_of_others(callbacks)
        if epoch > 0:
            training = _earlier(model, log_dir, epoch, others)
    if training is None:
        run = recording.Run(log_dir, lambda folder: _obstacle(folder, others))
        training = Training(run, epoch)
    _written_here.add(training.run.path)
    with contextlib.suppress(Exception):  # A model that cannot be looked up has no later fits.
        _trainings.setdefault(model, {})[os.path.abspath(log_dir)] = training
    return training


def reopen(model, log_dir: str) -> Training | None:
    """Open the run of the latest fit of a model again, to write what was found out afterwards.

    Returns:
        A `Training`; None where there was no fit, or its run cannot be written to.
    """
    training = _latest(model, log_dir)
    return training if training is not None and training.run.go_on() else None


def _latest(model, log_dir):
    with contextlib.suppress(Exception):
        return _trainings.get(model, {}).get(os.path.abspath(log_dir))
    return None


def _earlier(model, log_dir, epoch, others):
    training = _latest(model, log_dir)
    if training is None:
        return _of_another_process(log_dir, epoch, others)
    if epoch <= training.last or not _is_alone(training.run, others):
        return None
    earlier_fit = training.fit()
    if earlier_fit is not None:
        earlier_fit.end()  # It ended with an exception that somebody keeps, and nobody was told.
    return training if training.run.go_on() else None


def _of_another_process(log_dir, epoch, others):
    found = []
    for folder in _numbered(log_dir):
        with contextlib.suppress(Exception):  # There is no run, or none that can be gone on with.
            run = recording.Run.closed(folder)
            if run.path not in _written_here and _last_epoch(run) < epoch and _is_alone(run, others):
                found.append(run)
                if _last_epoch(run) == epoch - 1:
                    break
    for run in sorted(found, key=_last_epoch, reverse=True):
        if run.go_on():
            _console.tell(f"{run.log_dir} holds the epochs before epoch {epoch}; this run goes on there")
            return Training(run, epoch)
    return None


def _numbered(log_dir):
    """The folders that runs with this `log_dir` may have taken, the latest first."""
    whole = pathlib.Path(log_dir).resolve()
    names = [re.fullmatch(re.escape(whole.name) + r"_(\d+)", path.name) for path in whole.parent.iterdir()]
    numbers = sorted((int(name[1]) for name in names if name), reverse=True)
    base = whole if pathlib.Path(log_dir).name in ("", "..") else pathlib.Path(log_dir)
    return [*(pathlib.Path(f"{base}_{number}") for number in numbers), pathlib.Path(log_dir)]


def _last_epoch(run):
    steps = [item for part in (run, *run.parts.values()) for item in part.steps.items()]
    return max((step for tag, step in steps if not schema.counts_updates(tag)), default=-1)


def _folders_of_others(callbacks):
    """The folders that TensorBoard callbacks of Keras write to, and those in which these are looked for."""
    return {
        os.path.realpath(os.path.join(callback.log_dir, part))
        for callback in callbacks
        if isinstance(callback, keras.callbacks.TensorBoard)
        for part in (".", *schema.PARTS)
    }


def _is_shared(folder, others):
    """Whether other callbacks of the fit write where a run in this folder would."""
    return not others.isdisjoint(os.path.realpath(os.path.join(folder, part)) for part in (".", *schema.PARTS))


def _event_files(folder):
    """All event files that TensorBoard takes for those of a run, or of a run inside of its parts."""
    folder = pathlib.Path(folder).absolute()
    below = [path for part in schema.PARTS for path in (folder / part).rglob("*tfevents*")]
    return [*folder.glob("*tfevents*"), *below]


def _is_alone(run, others):
    """Whether nobody else writes, or has written, to the folder of a run."""
    own = {part.path for part in (run, *run.parts.values())}
    return set(_event_files(run.path.parent)) == own and not _is_shared(run.path.parent, others)


def _obstacle(folder, others):
    """Why a new run may not go to a folder, in words; "" where it may."""
    if _is_shared(folder, others):
        return "is written to by a TensorBoard callback"
    if folder.name in schema.PARTS and folders.is_taken(folder.parent):
        return "is part of a run"
    return "holds a run already" if any(map(folders.holds_event, _event_files(folder))) else ""
