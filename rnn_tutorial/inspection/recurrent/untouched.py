"""Call a model as it is: dropout off, and nothing in it changed."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops, tree

from rnn_tutorial import backend
from rnn_tutorial.inspection import keras_internals


def answers(model: keras.Model, x: Any) -> Any:
    """What a model says, dropout and its like off, and nothing in it changed by the asking.

    Unlike `model.predict` this makes no function that stays with the model, and a stateful layer keeps its state.

    Args:
        model: A built `keras.Model`.
        x: A batch, as the model takes it.

    Returns:
        Its outputs, NumPy.
    """
    with backend.random_state_kept(), left_as_it_was(model), keras.StatelessScope():
        return tree.map_structure(ops.convert_to_numpy, model(x, **without_dropout(model.call)))


def without_dropout(call: Callable[..., Any]) -> dict[str, bool]:
    """Arguments that switch off dropout and its like, where a function takes them."""
    parameters = inspect.signature(call).parameters
    takes = "training" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {"training": False} if takes else {}


@contextlib.contextmanager
def left_as_it_was(model: keras.Model) -> Iterator[None]:
    """Keep what a call changes in Python's objects, besides variables; training is to find none of it.

    These are loops that were replaced, what layers add to the loss, masks for dropout, and metrics, which a compiled
    loss makes when it is first used.
    """
    loss = keras_internals.compiled_loss(model)
    layers = keras_internals.flatten_layers(model)
    attributes = [vars(thing) for thing in (*layers, *([] if loss is None else [loss]))]
    lists = [keras_internals.own_losses(layer) for layer in layers] + ([] if loss is None else [loss.metrics])
    before = [dict(one) for one in attributes], [list(one) for one in lists]
    try:
        yield
    finally:
        for now, then in zip(attributes, before[0], strict=True):
            for name in set(now) - set(then):
                del now[name]
            now.update(then)
        for changed, kept in zip(lists, before[1], strict=True):
            changed[:] = kept
