"""Says what is wrong while a network trains."""

import functools
import math
import shlex

import numpy as np

from rnn_tutorial import _console, diagnosis, recording
from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.inspection import losses, recurrent
from rnn_tutorial.recording import schema

# The next judgement comes when there are this many times as many epochs: a long training costs no more for each.
_SPACING = 1.1


class HealthCheck(Observer):
    """Say what `diagnosis` finds: each finding once, when it appears, and what is left of them at the end.

    It judges what the other callbacks of the fit with the same `log_dir` record, and the losses that Keras reports;
    alone it has these only. A finding is one printed line and an entry in TensorBoard's Text, tag `health`; the end has
    a summary, `health/summary`. While training goes on only the rules that declare `while_training` speak, and, but for
    those that declare `at_once`, only once they have found the same twice. `observe` leaves it out, because that one
    only records: nothing is lost, for `rnn-tutorial diagnose` says the same of the recorded run later.

    With a probe whose targets are of the same kind as its input it also writes `copies_last_input`: 1 where the
    answers are the last input, 0 where they are the truth, see `diagnosis.likeness_to_last_input`. A model that
    chooses between classes makes no forecast, and gets none.

    Example:
    >>> probe = x[:32], y[:32]
    >>> health = HealthCheck("logs/run", probe, stop_on=("nan",))
    >>> model.fit(x, y, epochs=20, callbacks=[*observe("logs/run", probe), health])

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        probe: A fixed batch (x, y) for `copies_last_input`, or None.
        every: Look at every so many epochs.
        stop_on: Names of rules, out of `diagnosis.while_training()`, at whose finding of a severity of "warning" or
            more training ends. Never, by default.

    Raises:
        ValueError: An argument is not allowed.
    """

    def __init__(self, log_dir, probe=None, every=1, stop_on=()):
        super().__init__(log_dir, every)
        if probe is not None and (not isinstance(probe, (tuple, list)) or len(probe) not in (2, 3)):
            raise ValueError(f"probe must be None or a batch (x, y), received {type(probe).__name__}")
        self.probe = probe
        self.stop_on = (stop_on,) if isinstance(stop_on, str) else tuple(stop_on)
        unknown = [name for name in self.stop_on if name not in diagnosis.while_training()]
        if unknown:
            allowed = ", ".join(map(repr, diagnosis.while_training()))
            raise ValueError(f"stop_on must hold names out of {allowed}, received {unknown[0]!r}")

    def check(self, model):
        """See that the probe fits the model."""
        if self.probe is not None:
            try:
                recurrent.check_batch(model, self.probe[0], self.probe[1])
            except ValueError as error:
                raise ValueError(f"probe: {error}") from None

    def begin(self):
        """Listen to what the others write; where a run goes on, so does what is known of it."""
        self._record = self.kept("record", lambda: recording.RunData(str(self.run.log_dir), keeps_all=False))
        self._listener = functools.partial(self._safely, self._record.add)
        self.run.listeners.append(self._listener)
        self.findings: list[diagnosis.Finding] = []  # of the latest judgement
        self._said: set[tuple[str, str]] = self.kept("said", set)
        self._suspected: set[tuple[str, str]] = self.kept("suspected", set)
        self._last: int | None = None
        self._judged: list[int] = self.kept("judged", list)  # the looks, counted from 1, at which it judged
        self._asks = True

    def record(self, epoch, logs):
        """Take the losses and metrics."""
        self._last = epoch
        for name, value in logs.items():
            self._record.add("scalars", name, epoch, value)

    def look(self, epoch, logs):
        """Judge, where it is time to; at once where the loss is NaN."""
        looks = self.count_looks(epoch)
        losses = [logs[name] for name in ("loss", "val_loss") if name in logs]
        is_new_nan = ("nan", "") not in self._said and not all(map(math.isfinite, losses))
        if self._judged and looks < math.ceil(_SPACING * self._judged[-1]) and not is_new_nan:
            return
        self._judged.append(looks)
        self._ask(epoch)
        self.findings = diagnosis.diagnose(self._record, diagnosis.while_training())
        found = {(finding.rule, finding.layer): finding for finding in self.findings if finding.severity != "note"}
        new = [
            finding
            for key, finding in found.items()
            if key not in self._said and (key in self._suspected or diagnosis.RULES[finding.rule].at_once)
        ]
        self._suspected.clear()
        self._suspected.update(found)
        for finding in new:
            self._said.add((finding.rule, finding.layer))
            _console.tell(f"HealthCheck, epoch {epoch}: {finding}")
            if finding.rule in self.stop_on:
                _console.tell(f"HealthCheck ends training, as stop_on={self.stop_on!r} asks for.")
                self.model.stop_training = True
        if new:
            self.run.text(schema.HEALTH, "\n\n".join(map(_markdown, new)), epoch)

    def finish(self):
        """Sum up."""
        if self._last is None:
            return
        self.findings = diagnosis.diagnose(self._record)
        count = dict.fromkeys(diagnosis.SEVERITIES, 0)
        for finding in self.findings:
            count[finding.severity] += 1
        plural = {"severe": "", "warning": "s", "note": "s"}
        counted = [
            f"{number} {severity}{plural[severity] * (number > 1)}" for severity, number in count.items() if number
        ]
        summary = ", ".join(counted) or "no findings"
        _console.tell(
            f"HealthCheck of {self.run.log_dir}: {summary}" + (":" if count["severe"] + count["warning"] else ".")
        )
        for finding in self.findings:
            if finding.severity != "note":
                _console.tell(f"  {finding}\n    Try: {finding.advice}\n      {finding.code}")
        folder = shlex.quote(str(self.run.log_dir))
        _console.tell(f"To go on:\n  rnn-tutorial diagnose {folder}\n  tensorboard --logdir {folder}")
        text = [f"**At the end: {summary}.**", *map(_markdown, self.findings)]
        self.run.text(schema.HEALTH_SUMMARY, "\n\n".join(text), self._last)

    def close(self):
        """Listen no more."""
        if self._listener in self.run.listeners:
            self.run.listeners.remove(self._listener)

    def _ask(self, epoch):
        """Write how much the answers on the probe are the last input, where the two can be compared."""
        if self.probe is None or not self._asks:
            return
        try:
            self._check_once()
            likeness = copies_last_input(self.model, *self.probe[:2])
        except Exception as error:
            self._asks = False
            _console.warn(
                f"HealthCheck leaves out copies_last_input: {_console.in_words(error)}. Everything else goes on."
            )
            return
        if likeness is not None:
            self.run.scalar(schema.COPIES_LAST_INPUT, likeness, epoch)


def copies_last_input(model, x, y):
    """How much a model's answers are the last input, see `diagnosis.likeness_to_last_input`.

    Args:
        model: A built `keras.Model`.
        x: A batch (batch, time, features); of the features the one that the answers are nearest to counts.
        y: Targets (batch,) or (batch, steps ahead), of which the first counts.

    Returns:
        A float; None where there is no last input that could be the answer: where x or y are whole numbers, x is no
        sequence of numbers, or what comes out has another shape than y; and where classes are told apart, by the
        loss, or by targets or answers that are labels or probabilities.
    """
    if losses.is_of_classes(model):
        return None
    if not all(isinstance(part, np.ndarray) and part.dtype.kind == "f" for part in (x, y)) or x.ndim != 3:
        return None
    answers = recurrent.answers(model, x)
    if not isinstance(answers, np.ndarray) or answers.size != y.size or answers.ndim > 2 or y.ndim > 2:
        return None
    if _are_classes(y) or _are_probabilities(answers):
        return None
    said, truth = (part.reshape(len(x), -1)[:, 0].astype("float64") for part in (answers, y))
    last = x[:, -1].astype("float64")  # (batch, features)
    last = last[:, [not _are_classes(x[..., feature]) for feature in range(x.shape[-1])]]
    if not last.shape[1]:
        return None
    nearest = np.linalg.norm(last - said[:, np.newaxis], axis=0).argmin()
    likeness = diagnosis.likeness_to_last_input(said, truth, last[:, nearest])
    return likeness if math.isfinite(likeness) else None


def _are_classes(values):
    """Whether numbers are labels, 0 and 1 or -1 and 1, two smoothed ones, or probabilities of classes."""
    found = np.unique(values)
    are_two = len(found) == 2 < values.size
    return set(found.tolist()) <= {0, 1} or set(found.tolist()) <= {-1, 1} or are_two or _are_probabilities(values)


def _are_probabilities(values):
    """Whether each row holds the probabilities of several classes."""
    rows = values.reshape(len(values), -1)
    return rows.shape[1] > 1 and bool((rows >= 0).all() and np.allclose(rows.sum(axis=1), 1, atol=1e-3))


def _markdown(finding):
    where = f" in `{finding.layer}`" if finding.layer else ""
    follows = f" It follows from `{finding.follows}`." if finding.follows else ""
    return (
        f"**{finding.severity}: {finding.rule}**{where}, {finding.when}. {finding.cause}{follows} {finding.advice} "
        f"Look at {finding.tab}, `{finding.tag}`.\n\n    {finding.code}"
    )
