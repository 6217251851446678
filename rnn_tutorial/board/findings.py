"""What the rules of `diagnosis` say of a run, read again only where something was written since."""

import contextlib
import pathlib
import shlex
import threading

from rnn_tutorial.recording import schema

# Rules are applied to files up to this size: reading takes a second for 30 MB, and holds up the other routes.
_LARGEST = 64 * 2**20
# Of a finding; the page gets `panel` and `epochs` besides.
_TEXTS = ("severity", "rule", "layer", "cause", "advice", "code", "follows", "tab", "tag")


class Findings:
    """The findings of runs below a folder."""

    def __init__(self, logdir):
        self._logdir = logdir
        self._known: dict = {}
        self._lock = threading.Lock()

    def of(self, run: str) -> dict:
        """{"findings": the most severe first, "note": why there are none, where the rules cannot be applied}."""
        folder = pathlib.Path(self._logdir or "").expanduser() / run
        if not self._logdir or not folder.is_dir():
            return _nothing("The run's folder cannot be read from here.")
        with self._lock:
            now = _sizes(folder)
            if sum(size for _, size in now) > _LARGEST:
                command = f"rnn-tutorial diagnose {shlex.quote(str(folder))}"
                return _nothing(f"The run's files are large. On the command line: {command}")
            if run not in self._known or self._known[run][0] != now:
                self._known[run] = now, _diagnose(folder)
            return self._known[run][1]


def _sizes(folder):
    """Path and size of each event file of a run; what is gone in this moment has none."""
    found = []
    for path in sorted(path for part in (".", *schema.PARTS) for path in (folder / part).glob("*tfevents*")):
        with contextlib.suppress(OSError):
            found.append((str(path), path.stat().st_size))
    return found


def _nothing(note):
    return {"findings": [], "note": note}


def _diagnose(folder):
    from rnn_tutorial import diagnosis  # here, so that TensorBoard starts without it

    try:
        found = diagnosis.diagnose(diagnosis.read(folder))
    except (ValueError, OSError) as error:
        return _nothing(str(error))
    return {"findings": [_described(finding, diagnosis.RULES[finding.rule].panel) for finding in found], "note": ""}


def _described(finding, panel):
    """A finding as JSON has it; `panel` says what of the tab shows it: a kind of frame, "flow" or nothing."""
    texts = {name: getattr(finding, name) for name in _TEXTS}
    return {**texts, "epochs": [int(epoch) for epoch in finding.epochs], "panel": panel}
