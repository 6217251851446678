"""Where a model's loss comes from, and what it needs."""

import keras
from keras import tree

# Losses of models that choose between classes, by the names of their Keras classes in one word.
_OF_CLASSES = ("crossentropy", "hinge", "kldivergence", "focal")


def check(loss, model=None):
    """Check a loss as `compile` takes it, against the outputs of a model too where these are known.

    Raises:
        ValueError: It is none, or its names or their number are not those of the model's outputs.
    """
    parts = tree.flatten(loss)
    if not any(part is not None for part in parts) or not all(part is None or _is_loss(part) for part in parts):
        raise ValueError(
            "loss must be a loss as `compile` takes it, a name such as 'mse', a function or a keras.losses.Loss, "
            f"or a list or dict of them, one an output; received {loss!r}"
        )
    names = getattr(model, "output_names", None)
    if not names:
        return
    if isinstance(loss, dict) and not set(loss) <= set(names):
        raise ValueError(f"loss must have keys out of {list(names)}, the outputs of the model; received {list(loss)}")
    if isinstance(loss, (list, tuple)) and len(parts) != len(names):
        raise ValueError(f"loss must hold {len(names)} losses, one an output of the model; received {len(parts)}")


def is_own(model):
    """Whether a model computes its loss in a `compute_loss` of its own."""
    return type(model).compute_loss is not keras.Model.compute_loss


def check_targets(model, y, loss=None):
    """See that a given loss fits the model, and that there are targets where the loss compares with them.

    What layers add to the loss needs none, and a `compute_loss` of the model's own need not have any.

    Raises:
        ValueError: y is missing, or as for `check`.
    """
    if loss is not None:
        check(loss, model)
    elif is_own(model):
        return
    else:
        loss = getattr(model, "loss", None)  # a model that is not compiled has none
    if y is None and any(part is not None for part in tree.flatten(loss)):
        raise ValueError("y must hold the targets that belong to x, received None")


def check_known(model, y, loss=None):
    """See that there is a loss to differentiate. What layers add to it is known only once the model runs.

    Raises:
        ValueError: There is none, or as for `check_targets`.
    """
    if loss is None and not model.compiled:
        raise ValueError(f"model must be compiled with a loss, received {model.name!r} that is not compiled")
    if loss is None and model.loss is None and not is_own(model) and _has_own_step(model):
        raise ValueError(
            f"model must be compiled with a loss, or the argument loss be given; received {model.name!r}, "
            "whose loss only its own train_step knows"
        )
    check_targets(model, y, loss)


def is_of_classes(model):
    """Whether a model was compiled with a loss that chooses between classes."""
    return any(map(_chooses, tree.flatten(getattr(model, "loss", None))))


def _has_own_step(model):
    return type(model).train_step is not keras.Model.train_step


def _is_loss(part):
    try:
        return callable(keras.losses.get(part))
    except Exception:  # a class that cannot be made without arguments, too
        return False


def _chooses(part):
    loss = keras.losses.get(part) if isinstance(part, str) else part
    kinds = [getattr(loss, "__name__", ""), *(kind.__name__ for kind in type(loss).__mro__)]
    return any(word in kind.replace("_", "").lower() for kind in kinds for word in _OF_CLASSES)
