"""What the callbacks that look inside with a probe have in common: one look an epoch, and when to draw."""

import dataclasses
import json
from typing import Any

from rnn_tutorial import _checks, _console
from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.inspection import losses, naming, recurrent
from rnn_tutorial.recording import records, schema


@dataclasses.dataclass
class _Needs:
    """What the callbacks with one probe want to see; what fails is wanted no longer."""

    flow: bool = False
    states: bool = False
    loss: Any = None


class ProbeObserver(Observer):
    """Base of the callbacks that run a fixed batch through the recurrent layers at the end of an epoch.

    All of them in one fit with the same probe share one look. A subclass says what to do with it in `write` and `draw`,
    and by `needs_gradients` and `needs_states` which of its parts it reads. A part that fails is left out with one
    warning, and the other goes on. A model without recurrent layers is not looked into, with one warning.

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        probe: A fixed batch (x, y), or (x, y, sample_weight).
        every: Look at every so many epochs.
        pictures: False writes the numbers only.

    Raises:
        ValueError: An argument is not allowed, or the probe does not fit the model.
    """

    needs_gradients = False
    needs_states = True
    loss: Any = None  # for the gradients, instead of the model's own

    def __init__(self, log_dir, probe, every=1, pictures=True):
        super().__init__(log_dir, every)
        if not isinstance(probe, (tuple, list)) or len(probe) not in (2, 3):
            raise ValueError(f"probe must be a batch (x, y) or (x, y, sample_weight), received {_describe(probe)}")
        self.probe = tuple(probe)
        self._x, self._y, self._sample_weight = (*self.probe, None)[:3]
        self.pictures = _checks.flag("pictures", pictures)

    def check(self, model):
        """See that the probe fits the model; where there is nothing to look into a warning will say so."""
        if model.built and not recurrent.layers(model):
            return
        try:
            recurrent.check_batch(model, self._x, self._y, self._sample_weight)
            if self.needs_gradients:
                losses.check_targets(model, self._y, self.loss)
        except ValueError as error:
            raise ValueError(f"probe: {error}") from None

    def begin(self):
        """Say what will be needed, so that the first look holds it."""
        self._looks: dict[str, Any] = {}
        self._contents: dict[tuple[str, str], bytes] = {}
        self._epoch = self._drawn = None
        needs = self._fit.needs.setdefault(self._key(), _Needs())
        needs.flow |= self.needs_gradients
        needs.states |= self.needs_states
        needs.loss = self.loss if needs.loss is None else needs.loss
        if recurrent.layers(self.model):
            self._fit.kept(ProbeObserver, "address", self._tell_address)

    def _tell_address(self):
        """Say once a run where it can be seen."""
        _console.tell(f"{self.run.log_dir} is written for TensorBoard, the RNN tab: {schema.tab_address()}")
        return True

    def look(self, epoch, logs):
        """Look, write the numbers, and draw where a picture is due."""
        looks = self._look(epoch)
        if looks is None:
            self._looking = False
            return
        self._looks, self._epoch = looks, epoch
        for name, look in self._looks.items():
            self.write(name, look, epoch)
        if self.pictures and self.picture_due(epoch):
            self._draw()

    def finish(self):
        """Draw the last look."""
        if self.pictures and self._epoch is not None and self._drawn != self._epoch:
            self._draw()

    def write(self, name, look, epoch):
        """Write the numbers of one layer."""

    def draw(self, name, look):
        """Give the pictures of one layer, {tag: figure}."""
        return {}

    def content(self, kind, name, masked=None):
        """What the tab reads about a tag of one layer: constant, so that it is part of the tag's metadata.

        Args:
            kind: What the tag holds, the last part of its name.
            name: Name of the layer.
            masked: Bool (time,), True where a step is masked; None leaves it to the tab to guess.
        """
        if (kind, name) not in self._contents:
            names, cell = list(recurrent.layers(self.model)), self._cell(name)
            base = _base(name, names)
            about: schema.Metadata = {
                "v": schema.VERSION,
                "kind": kind,
                "layer": name,
                "cell": naming.class_name(cell),
                "family": recurrent.short_name(cell),
                "units": getattr(cell, "units", None),
                "place": names.index(base) if base in names else len(names),  # in the order of the model
            }
            if masked is not None:
                about["masked"] = records.spans(masked)
            self._contents[kind, name] = json.dumps(about).encode()
        return self._contents[kind, name]

    def _cell(self, name):
        """The cell of a layer."""
        layers = recurrent.layers(self.model)
        return recurrent.cell_of(layers.get(_base(name, layers)))

    def _look(self, epoch):
        """The look of this epoch, made by the first who asks for it; None for the others where that one failed."""
        looks, key = self._fit.looks, self._key()
        if key not in looks or looks[key][0] != epoch:
            looks[key] = epoch, None
            if recurrent.layers(self.model):
                looks[key] = epoch, self._look_at(self._fit.needs[key])
            else:
                _console.warn(
                    f"the probe has no use: model {self.model.name!r} has no recurrent layer that can be followed. "
                    "Gradient through time, states and gates are left out"
                )
        return looks[key][1]

    def _look_at(self, needs):
        """Look at what is needed; where that fails, at the states or the flow alone."""
        try:
            return self._see(needs)
        except Exception as error:
            if not (needs.flow and needs.states):
                raise
            for alone, missing in (
                (dataclasses.replace(needs, flow=False), "the gradient through time is"),
                (dataclasses.replace(needs, states=False), "states and gates are"),
            ):
                try:
                    looks = self._see(alone)
                except Exception:
                    continue
                needs.flow, needs.states = alone.flow, alone.states
                _console.warn(f"{missing} left out: {_console.in_words(error)}. Everything else goes on.")
                return looks
            _console.warn(
                f"gradient through time, states and gates are left out: {_console.in_words(error)}. "
                "Everything else goes on."
            )
            return None

    def _see(self, needs):
        return recurrent.look(self.model, self._x, self._y, self._sample_weight, needs.flow, needs.states, needs.loss)

    def _key(self):
        return tuple(id(part) for part in self.probe)

    def _draw(self):
        self._drawn = self._epoch
        with self.drawing():
            for name, look in self._looks.items():
                with self.guard("pictures"):
                    self.images(self.draw(name, look), self._epoch)


def _base(name, layers):
    """The name of the layer of which a name says the first use, or another one: `<layer>/use_2`."""
    return name if name in layers else name.rpartition("/use_")[0]


def _describe(probe):
    if isinstance(probe, (tuple, list)):
        return f"{len(probe)} arrays"
    return "None" if probe is None else type(probe).__name__
