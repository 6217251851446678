"""One update: what the optimizers are given, what they do to the weights, and how the recorders are told."""

import dataclasses
import math
from typing import Any

from keras import ops

from rnn_tutorial import backend
from rnn_tutorial.inspection import keras_internals
from rnn_tutorial.inspection.gradients import clipping, norms, table


@dataclasses.dataclass
class Part:
    """What one optimizer is about to do in an update; lists go by its variables.

    Attributes:
        optimizer: It.
        variables: The weights.
        gradients: As it gets them.
        before: The weights before the update.
        sums: What it has accumulated of gradients; None without accumulation.
        is_update: Whether this call changes the weights, a boolean tensor; None is yes.
    """

    optimizer: Any
    variables: list[Any]
    gradients: list[Any]
    before: list[Any]
    sums: list[Any] | None
    is_update: Any


class Update:
    """One call of the outermost optimizer, and what those do that it holds.

    Attributes:
        place: Where it is traced.
        parts: A `Part` for each optimizer that updates weights itself.
    """

    def __init__(self, place):
        self.place = place
        self.parts: list[Part] = []

    def record(self, recorders):
        """Fill the recorders."""
        recorders = [recorder for recorder in recorders if not recorder.problem]
        if recorders and self.parts:
            _record(recorders, self.parts)


def before(recorders, optimizer, grads, variables):
    """Note what an optimizer is about to change.

    Returns:
        A `Part`; None where there is nothing to see.
    """
    recorders = [recorder for recorder in recorders if not recorder.problem]
    if not recorders:
        return None
    for recorder in recorders:
        recorder.build()
    all_variables = keras_internals.trained_by(optimizer) if variables is None else variables
    if len(grads) != len(all_variables):  # Keras will tell.
        return None
    pairs = [
        (gradient, variable)
        for gradient, variable in zip(grads, all_variables, strict=True)
        if gradient is not None
        and id(variable) in recorders[0].columns
        and not keras_internals.is_overwritten(variable)
    ]
    ours = [variable for recorder in recorders for variable in recorder.variables]
    if not pairs or not backend.can_assign(ours, [gradient for gradient, _ in pairs]):
        return None
    pairs.sort(key=lambda pair: recorders[0].columns[id(pair[1])])
    gradients, variables = map(list, zip(*pairs, strict=True))
    before = [ops.copy(variable) for variable in variables]
    steps, sums, is_update = optimizer.gradient_accumulation_steps, None, None
    if steps:
        if not optimizer.built:  # As `apply` is about to do.
            keras_internals.build(optimizer, all_variables)
        sums = [ops.copy(variable) for variable in keras_internals.accumulated(optimizer, variables)]
        is_update = (ops.convert_to_tensor(keras_internals.calls(optimizer)) + 1) % steps == 0
    return Part(optimizer, variables, gradients, before, sums, is_update)


def _record(recorders, parts):
    """Fill the recorders with what the parts of one update have done; called after it."""
    variables = [variable for part in parts for variable in part.variables]
    columns = [recorders[0].columns[id(variable)] for variable in variables]
    clips = any(clipping.clips(part.optimizer) for part in parts)

    def look(arrays):
        *of_parts, after = arrays
        before = [weight for _, _, weights, _ in of_parts for weight in weights]
        unscaled = [_unscaled(part, given, sums) for part, (given, sums, _, _) in zip(parts, of_parts, strict=True)]
        gradients = [gradient for rows, dense in unscaled for gradient in dense(rows)]
        lengths = norms.of_update(gradients, before, after)
        clipped = clipping.after_clipping(parts, lengths[0], unscaled) if clips else None
        updated = _updated(parts, [is_update for *_, is_update in of_parts])
        if len({part.optimizer.gradient_accumulation_steps for part in parts}) > 1:  # Some weights may stay.
            lengths = norms.with_total(ops.where(updated[:-1], lengths[:, :-1], ops.zeros_like(lengths[:, :-1])))
            if clipped is not None:
                clipped = ops.where(updated[:-1], clipped[:, :-1], ops.zeros_like(clipped[:, :-1]))
                clipped = ops.stack([norms.with_total(clipped[:1])[0], norms.with_largest(clipped[1])])
        seen = table.of_update(lengths, clipped)
        for recorder in recorders:
            recorder.clipped.update(columns if clips else [])
            recorder.fill(columns, seen, lengths[0], gradients, updated)

    after = [ops.copy(variable) for variable in variables]
    backend.apart(look, [*([part.gradients, part.sums, part.before, part.is_update] for part in parts), after])


def _updated(parts, is_update):
    """Whether each weight is updated, and whether any is, (weights + 1,); None where all are."""
    if all(flag is None for flag in is_update):
        return None
    flags = [
        ops.broadcast_to(ops.convert_to_tensor(True if flag is None else flag), (len(part.variables),))
        for part, flag in zip(parts, is_update, strict=True)
    ]
    return norms.with_largest(ops.concatenate(flags))


def _unscaled(part, gradients, sums):
    """The gradients of a part as clipping sees them, and a function from such ones to arrays of the weights' shapes.

    Clipping sees the rows of an embedding one by one; of what was accumulated it sees the whole.
    """
    rows = [backend.rows(gradient) for gradient in gradients]
    scale = part.optimizer.loss_scale_factor
    if scale is not None:
        rows = [array / scale for array in rows]

    def dense(rows):
        shapes = [variable.shape for variable in part.variables]
        return [backend.dense(*three) for three in zip(gradients, rows, shapes, strict=True)]

    if sums is None:
        return rows, dense
    steps = part.optimizer.gradient_accumulation_steps
    return [(array + so_far) / steps for array, so_far in zip(dense(rows), sums, strict=True)], list


def count_left_out(recorders, grads, variables):
    """Count a batch whose scaled gradients are not all finite."""
    recorders = [recorder for recorder in recorders if not recorder.problem]
    if not recorders:
        return
    for recorder in recorders:
        recorder.build()
    pairs = [
        (gradient, variable)
        for gradient, variable in zip(grads, variables, strict=True)
        if gradient is not None and id(variable) in recorders[0].columns
    ]

    def look(gradients):
        nonfinite = [~ops.all(ops.isfinite(backend.rows(gradient))) for gradient in gradients]
        nonfinite = norms.with_largest(ops.cast(ops.stack(nonfinite), "float32"))
        seen = ops.one_hot(int(table.Row.BATCHES), len(table.Row))[:, None] * nonfinite[None]
        for recorder in recorders:
            columns = [recorder.columns[id(variable)] for _, variable in pairs]
            left_out = ops.broadcast_to(nonfinite[-1] > 0, nonfinite.shape)
            recorder.fill(columns, seen, ops.full_like(nonfinite, math.nan), None, left_out)

    backend.apart(look, [gradient for gradient, _ in pairs])
