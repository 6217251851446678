"""Which calls of a recurrent layer are one sequence, and what they did as one. Mathematics only, no logging.

A loop in Python calls a layer, or a cell, once a step or once every few steps. Such calls are told by what their states
are made of, and not by how the program is written: a call goes on with a sequence if its first states come from what
the last call of that sequence gave, and from no other sequence.
"""

import dataclasses
from typing import Any

from keras import ops

from rnn_tutorial import backend
from rnn_tutorial.inspection.recurrent import cells


@dataclasses.dataclass
class Use:
    """What one cell did in one call of its layer, or in several that are one sequence.

    Attributes:
        cell: The cell.
        key: (layer, number of its call, what its name gets): what its perturbations are called by.
        hidden: Number of the state that the cell hands on.
        has_flow: Whether it hands on one of its states.
        arrays: inputs (time, batch, features), None where they are not known; before and after, lists of states (time,
            batch, units); mask (time, batch), None where nothing is masked. Time first, in the order of reading.
    """

    cell: Any
    key: tuple[str, int, str]
    hidden: int = 0
    has_flow: bool = True
    arrays: dict[str, Any] = dataclasses.field(default_factory=dict)

    def states(self) -> dict[str, int]:
        """{"hidden", or "cell" where there is one: number of the state}."""
        names = cells.state_names(self.cell)
        is_known = len(names) == len(self.arrays["after"]) and names.index("hidden") == self.hidden
        return {"hidden": self.hidden, **({"cell": names.index("cell")} if is_known and "cell" in names else {})}

    def read(self) -> dict[str, Any]:
        """What the cell reads at each step, as arguments of functions in `cells`."""
        return {"x": self.arrays["inputs"], "states": self.arrays["before"]}


@dataclasses.dataclass
class Call:
    """One call of a layer that steps through time.

    Attributes:
        name: Of the layer.
        uses: {what its name gets: Use} of its cells.
        taken: The states it began with.
        given: All that it handed on.
        unperturbed: {id: state} of what it handed on as a state, without the perturbations of what else reads it.
    """

    name: str
    uses: dict[str, Use]
    taken: list[Any]
    given: list[Any]
    unperturbed: dict[int, Any]


def sequences(calls: list[Call], ends) -> dict[str, list[Use]]:
    """Put the calls of each layer in sequences.

    Args:
        calls: All calls of a model's layers, in order.
        ends: A function that plays the model again, and gives (taken, given) of each call.

    Returns:
        {name: the uses of one cell, in order}. From the second sequence of a layer on, the name ends in `/use_2`, ...
    """
    names = [call.name for call in calls]
    made_of = backend.dataflow(ends) if len(set(names)) < len(names) else None
    found: list[list[int]] = []
    for number, call in enumerate(calls):
        earlier = [other for other in range(number) if names[other] == call.name]
        before = made_of(number, earlier) if made_of is not None else set()
        open_ones = [
            one for one in found if one[-1] in before and before <= set(one) and _has_same_batch(calls[one[-1]], call)
        ]
        if open_ones:
            open_ones[0].append(number)
        else:
            found.append([number])
    named: dict[str, list[Use]] = {}
    counts: dict[str, int] = {}
    for members in found:
        first = calls[members[0]]
        count = counts[first.name] = counts.get(first.name, 0) + 1
        for part in first.uses:
            name = f"{first.name}{part}" + (f"/use_{count}" if count > 1 else "")
            named[name] = [calls[member].uses[part] for member in members]
    return named


def _has_same_batch(call, other):
    sizes = {one.taken[0].shape[0] for one in (call, other)} - {None}
    return len(sizes) < 2


def joined(uses: list[Use], gradients) -> tuple[Use, dict[str, Any]]:
    """Put the uses of a cell in one sequence together along time.

    Args:
        uses: In order.
        gradients: {(*key of a use, kind): gradient (time, batch, units)}; that of a returned state (batch, units).

    Returns:
        One use, and {kind: gradient (time, batch, units)} without what is returned, which is part of "immediate".
    """
    parts = []
    for use in uses:
        mine = {key[-1]: gradient for key, gradient in gradients.items() if key[:-1] == use.key}
        if "returned" in mine:
            mine["immediate"] += _at_last_step(use, mine.pop("returned"))
        parts.append(mine)
    one = dataclasses.replace(
        uses[0], has_flow=all(use.has_flow for use in uses), arrays=_along_time([use.arrays for use in uses])
    )
    return one, {kind: ops.concatenate([part[kind] for part in parts]) for kind in parts[0]}


def _along_time(parts):
    """The arrays of several uses as those of one."""
    if len(parts) == 1:
        return parts[0]
    masks = [part["mask"] for part in parts]
    if any(mask is not None for mask in masks):
        shapes = [ops.shape(part["after"][0])[:2] for part in parts]
        masks = [
            ops.ones(shape, dtype="bool") if mask is None else mask for mask, shape in zip(masks, shapes, strict=True)
        ]
    inputs = [part["inputs"] for part in parts]
    return {
        "mask": None if masks[0] is None else ops.concatenate(masks),
        "inputs": None if any(array is None for array in inputs) else ops.concatenate(inputs),
        **{
            when: [ops.concatenate(states) for states in zip(*(part[when] for part in parts), strict=True)]
            for when in ("before", "after")
        },
    }


def _at_last_step(use, gradient):
    """Gradient of a returned state (batch, units) -> (time, batch, units), at the last step that is not masked."""
    after, mask = use.arrays["after"][use.hidden], use.arrays["mask"]
    number = ops.arange(ops.shape(after)[0])[:, None]  # (time, 1)
    last = ops.max(number) if mask is None else ops.max(ops.where(mask, number, 0), axis=0)  # of each sample
    return ops.where((number == last)[..., None], gradient, ops.zeros_like(after))
