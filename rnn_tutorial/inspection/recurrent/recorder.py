"""What stands in for the loop over time of each recurrent layer, and records what its cells do."""

import contextlib
import dataclasses
import functools
import inspect
from typing import Any

import keras
from keras import ops, tree

from rnn_tutorial import backend
from rnn_tutorial.inspection import keras_internals
from rnn_tutorial.inspection.recurrent import cells, finding, sequences, untouched


class Recorder:
    """Replaces the loops over time of a model's recurrent layers while it is called.

    Attributes:
        calls: What the layers did, call by call.
    """

    def __init__(self, model, perturb):
        self.loops = finding.loops(model)
        self._apart = [name for name, layer in finding.found(model) if isinstance(layer, keras.layers.TimeDistributed)]
        self.perturb = perturb
        self.calls: list[sequences.Call] = []
        self._ends: list[sequences.Call] = []  # the calls from whose states none has gone on
        self._strange: dict[str, str] = {}
        self._is_stepping = False

    def reroute(self):
        """Replace the loops, until `untouched.left_as_it_was` puts the old ones back."""
        for name, layer in self.loops.items():
            if isinstance(layer, keras.layers.RNN):
                keras_internals.replace_loop(layer, self._loop(name, layer))
            cell = finding.cell_of(layer)
            if isinstance(cell, keras.layers.Layer):
                vars(cell)["call"] = self._step(name, layer, cell)

    def problems(self, gradient):
        """What could not be followed, a sentence each."""
        told = [f"{name} is not looked into: {reason}" for name, reason in self._strange.items()]
        told += [f"{name} is not looked into: TimeDistributed runs it anew at each step" for name in self._apart]
        reached = {call.name for call in self.calls} | set(self._strange)
        for name in self.loops:
            if name not in reached:
                told.append(f"{name} is not looked into: the model does not run it in the way of Keras' RNN layers")
        if gradient:
            uses = [use for call in self.calls for use in call.uses.values()]
            without = dict.fromkeys(use.key[0] + use.key[2] for use in uses if not use.has_flow)
            told += [
                f"{name} has no gradient through time: what its cell hands on is not one of its states"
                for name in without
            ]
        return told

    def _loop(self, name, layer):
        """What stands in for the loop of a layer."""
        own, place = keras_internals.loop_of(layer), backend.place()

        def loop(sequences, initial_state, mask, training=False):
            if not cells.steps_cell(layer):
                self._strange[name] = "its class loops over time in its own way"
            if self._is_strange(name, place, sequences, initial_state):
                with self._stepping():
                    return own(sequences, initial_state, mask, training=training)
            x = ops.moveaxis(sequences, 1, 0)  # (time, batch, features)
            mask = tree.flatten(mask)[0]
            if mask is not None:
                mask = ops.moveaxis(ops.cast(mask, "bool"), 1, 0)  # (time, batch) or (time, batch, 1)
                mask = mask if len(mask.shape) == 2 else mask[..., 0]
            if layer.go_backwards:
                x = ops.flip(x, 0)
                mask = None if mask is None else ops.flip(mask, 0)
            last, given, final = self._step_through(name, layer, x, mask, initial_state)
            return last, ops.moveaxis(given, 0, 1), tree.pack_sequence_as(initial_state, final)

        return loop

    def _step(self, name, layer, cell):
        """What stands in for the `call` of a cell, where a layer of somebody else calls it by itself."""
        own, place = cell.call, backend.place()
        signature = inspect.signature(own)

        @functools.wraps(own)
        def step(*arguments, **options):
            bound = signature.bind(*arguments, **options)
            to_x, to_states = list(bound.arguments)[:2]
            x, states = bound.arguments[to_x], bound.arguments[to_states]
            if self._is_stepping or self._is_strange(name, place, x, states):
                with self._stepping():
                    return own(*arguments, **options)
            structure = states

            def call(x, states):
                nonlocal structure
                bound.arguments.update({to_x: x, to_states: states})
                output, structure = own(*bound.args, **bound.kwargs)  # which may be another one than it was given
                return output, structure

            is_one = len(finding.cells_of(layer)) == 1
            last, _, final = self._step_through(name, layer, x[None], None, states, call if is_one else None)
            return last, tree.pack_sequence_as(structure, final)

        return step

    def _is_strange(self, name, place, sequences, states):
        """Whether a layer cannot be followed; remembers why."""
        if backend.place() != place:
            self._strange[name] = "it runs inside of a loop, a branch or a function compiled by itself"
        elif tree.is_nested(sequences) or any(len(array.shape) != 2 for array in tree.flatten(states)):
            self._strange[name] = "its states or inputs are not vectors"
        return name in self._strange

    @contextlib.contextmanager
    def _stepping(self):
        """While a cell runs, what it calls is a part of it."""
        before, self._is_stepping = self._is_stepping, True
        try:
            yield
        finally:
            self._is_stepping = before

    def _step_through(self, name, layer, x, mask, initial_state, call=None):
        """Step the cells of a layer through time.

        Args:
            name: The layer's.
            layer: A layer that loops, or a cell.
            x: (time, batch, features), in the order of reading.
            mask: (time, batch), or None.
            initial_state: As Keras hands it over.
            call: (x, states) -> (output, states), for the layer's only cell; None calls the cells as Keras does.

        Returns:
            The last output (batch, units), all of them (time, batch, units), and a list of the last states.
        """
        steps, batch = ops.shape(x)[:2]  # Numbers where they are known, otherwise tensors.
        taken = [state.value if isinstance(state, keras.Variable) else state for state in tree.flatten(initial_state)]
        states = self._without_perturbations(name, taken)
        parts = self._parts(name, layer, initial_state, states)
        perturbations = {
            (*part.use.key, kind): self.perturb((*part.use.key, kind), (steps, batch, width), part.of(states)[0].dtype)
            for part in parts
            for kind, width in part.widths(states).items()
        }
        perturbed = all(array is not None for array in perturbations.values())

        begin = parts[-1].of(states)[0]
        size = parts[-1].output_size
        begin = begin if begin.shape[-1] == size else ops.zeros((batch, size), dtype=begin.dtype)
        zero, last = (False, begin) if mask is None else backend.masked_output(layer, begin)
        read: dict[Any, Any] = {
            "x": x,
            **({} if mask is None else {"mask": mask}),
            **(perturbations if perturbed else {}),
        }

        def step(carry, slices):
            """One step of all cells on top of each other."""
            *states, last = carry
            at = dict(zip(read, slices, strict=True))
            new, given = [], at["x"]
            for part in parts:
                given, after = self._step_part(part, given, states, at if perturbed else None, call)
                new += after
            if mask is not None:
                kept = at["mask"][:, None]
                new = [ops.where(kept, after, state) for after, state in zip(new, states, strict=True)]
                given = ops.where(kept, given, ops.zeros_like(last) if zero else last)
            return *new, given

        (*final, last), (*after, given) = backend.scan(step, (*states, last), list(read.values()), steps)
        inputs = x
        for part in parts:
            inputs = part.record(inputs, mask, states, after)
        # A cell always returns its state.
        is_returned = call is not None or getattr(layer, "return_state", True)
        returned = self._perturb_returned(parts, final) if is_returned else list(final)
        unperturbed = {id(state): own for state, own in zip(returned, final, strict=True)}
        if mask is None and parts[-1].use.has_flow:
            unperturbed[id(last)] = final[parts[-1].hidden]  # A program may take the output for the state.
        uses = {part.use.key[2]: part.use for part in parts}
        self.calls.append(sequences.Call(name, uses, taken, [last, given, *returned], unperturbed))
        self._ends.append(self.calls[-1])
        return last, given, returned

    def _without_perturbations(self, name, taken):
        """The first states of a call; where an earlier one handed them on, as they were before what it added.

        This way to the loss is through later steps.
        """
        for end in self._ends:
            if end.name == name and all(id(state) in end.unperturbed for state in taken):
                self._ends = [other for other in self._ends if other is not end]
                return [end.unperturbed[id(state)] for state in taken]
        return taken

    def _parts(self, name, layer, initial_state, states):
        """The cells of a layer, in order."""
        number = sum(earlier.name == name for earlier in self.calls)
        flat = finding.flat_cells(finding.cell_of(layer), initial_state)
        parts, first = [], 0
        for (part, cell), (_, structure) in zip(finding.cells_of(layer), flat, strict=True):
            size = getattr(cell, "output_size", None) or states[first].shape[-1]
            parts.append(_Part(sequences.Use(cell, (name, number, part)), structure, first, size))
            first += parts[-1].count
        return parts

    def _step_part(self, part, x, states, perturbations, call):
        """Step one cell.

        Args:
            part: The cell.
            x: What it reads.
            states: Those of all cells before the step.
            perturbations: {(*key, kind): what is added}; None adds nothing.
            call: As for `_step_through`.

        Returns:
            Its output, and a list of its states.
        """
        use = part.use
        before = tree.pack_sequence_as(part.structure, part.of(states))
        with self._stepping():
            given, after = _call(use.cell, x, before) if call is None else call(x, before)
        after = tree.flatten(after)
        handed_on = [number for number, state in enumerate(after) if state is given]
        use.has_flow = bool(handed_on)
        use.hidden = cells.hidden_state(use.cell, len(after), handed_on)
        if perturbations is not None:
            after = [state + perturbations[(*use.key, str(number))] for number, state in enumerate(after)]
            given = (after[use.hidden] if handed_on else given) + perturbations[(*use.key, "immediate")]
        return given, after

    def _perturb_returned(self, parts, final):
        """The last states as they are handed on."""
        returned = list(final)
        for part in parts:
            state = final[part.hidden]
            back = self.perturb((*part.use.key, "returned"), ops.shape(state), state.dtype)
            returned[part.hidden] = state if back is None else state + back
        return returned


@dataclasses.dataclass
class _Part:
    """One of the cells on top of each other.

    Attributes:
        use: What it does.
        structure: Its states as Keras hands them over.
        first: Number of the first of them among those of all cells.
        output_size: How many units it hands on.
    """

    use: sequences.Use
    structure: Any
    first: int
    output_size: int

    @property
    def count(self):
        """The number of its states."""
        return len(tree.flatten(self.structure))

    @property
    def hidden(self):
        """Number of its hidden state among the states of all cells."""
        return self.first + self.use.hidden

    def of(self, states):
        """Its own of the states of all cells."""
        return states[self.first : self.first + self.count]

    def widths(self, states):
        """{kind of perturbation: units}."""
        own = {str(number): state.shape[-1] for number, state in enumerate(self.of(states))}
        return {**own, "immediate": self.output_size}

    def record(self, inputs, mask, begin, after):
        """Keep what it read and did at all steps; gives what the cell above it reads, None where that is not known."""
        mine = self.of(after)
        before = [
            ops.concatenate([first[None], all_but[:-1]]) for first, all_but in zip(self.of(begin), mine, strict=True)
        ]
        self.use.arrays = {"inputs": inputs, "before": before, "after": mine, "mask": mask}
        return mine[self.use.hidden] if self.use.has_flow else None


def _call(cell, x, states):
    return (cell if callable(cell) else cell.call)(x, states, **untouched.without_dropout(cell.call))
