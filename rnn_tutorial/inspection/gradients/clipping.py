"""What an optimizer's clipping does to the gradients, in norms."""

from keras import ops

from rnn_tutorial.inspection.gradients import norms


def clips(optimizer):
    """Whether an optimizer clips."""
    limits = optimizer.clipnorm, optimizer.global_clipnorm, optimizer.clipvalue
    return any(limit is not None and limit > 0 for limit in limits)


def after_clipping(parts, before, unscaled):
    """Norms after the clipping of all parts of an update, and 1 where it changed something, (2, weights + 1).

    Args:
        parts: Each an `update.Part`.
        before: Norms of the gradients before it, (weights + 1,).
        unscaled: For each part its gradients as clipping sees them, and a function from such ones to arrays of the
            weights' shapes.
    """
    clipped, changed, first = [], [], 0
    for part, (rows, dense) in zip(parts, unscaled, strict=True):
        each = before[first : first + len(part.variables)]
        first += len(part.variables)
        norms_after, is_other = each, ops.zeros_like(each)
        if clips(part.optimizer):
            norms_after, is_other = _after_clipping(part.optimizer, each, rows, dense)
        clipped.append(norms_after)
        changed.append(is_other)
    return ops.stack(
        [norms.with_total(ops.concatenate(clipped)[None])[0], norms.with_largest(ops.concatenate(changed))]
    )


def _after_clipping(optimizer, each, rows, dense):
    """Norms after an optimizer's clipping, and 1 where it changed something; (weights,) each.

    Keras' own formulas, so that what overflows there does so here; but of norms, where Keras computes gradients.

    Args:
        optimizer: With clipping.
        each: Norms of the gradients before it, (weights,).
        rows: The gradients as clipping sees them.
        dense: Function from such rows to gradients.
    """
    seen = ops.sqrt(norms.squares(rows)[0])
    if optimizer.clipnorm:
        limit = optimizer.clipnorm
        changed = seen[:-1] > limit
        clipped = ops.where(changed, each * (limit / seen[:-1]), each)
    elif optimizer.global_clipnorm:
        limit = optimizer.global_clipnorm
        changed = ops.broadcast_to(seen[-1:] > limit, each.shape)
        # Infinite: NaN, as with Keras.
        clipped = ops.where(changed, each * (limit / seen[-1:]), each) + (seen[-1:] - seen[-1:])
    else:
        limit = optimizer.clipvalue
        changed = ops.stack([ops.max(ops.abs(array)) > limit for array in rows])
        clipped = norms.scaled(dense([ops.clip(array, -limit, limit) for array in rows]))[0, :-1]
    return clipped, ops.cast(changed, "float32")
