"""What several backends' functions are made of."""

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
from keras import ops


def stateless(function: Callable[..., Any], model: keras.Model) -> tuple[Callable[..., Any], Callable[[], list[Any]]]:
    """Make the function that `compiled` compiles, so that it takes the model's variables as its first argument.

    Args:
        function: As for `compiled`.
        model: As for `compiled`.

    Returns:
        A function (values, *arrays), and a function that reads the values of all variables. Neither keeps the model
        alive.
    """
    reference = weakref.ref(model)

    def read():
        model: Any = reference()
        return [variable.value for variable in model.variables]

    def pure(values, *arrays):
        model: Any = reference()
        # All variables are in the scope: Keras asks it for those that are regularized, and JAX reads no others again.
        mapping = list(zip(model.variables, values, strict=True))
        mapping += [(variable, ops.zeros(variable.shape, variable.dtype)) for variable in model.metrics_variables]
        # What Keras makes here, it makes for later: metrics, of which no variable is to be born in a compiled function.
        options = {"collect_losses": True, "initialize_variables": False}
        return function(lambda: keras.StatelessScope(mapping, **options), *arrays)

    return pure, read


def unrolled(
    step: Callable[..., tuple[Any, ...]], carry: Sequence[Any], arrays: Sequence[Any], steps: int
) -> tuple[Sequence[Any], list[Any]]:
    """`scan` written out, step by step."""
    results = []
    for slices in zip(*(ops.unstack(array, steps) for array in arrays), strict=True):
        carry = step(carry, slices)
        results.append(carry)
    return carry, [ops.stack(parts) for parts in zip(*results, strict=True)]


def reached(
    ends: Sequence[tuple[Sequence[Any], Sequence[Any]]], made_of: Callable[[Any], Iterable[Any]]
) -> Callable[[int, Iterable[int]], set[int]]:
    """Make the function that `dataflow` returns.

    Args:
        ends: (taken, given) of each call.
        made_of: A function from an array to those that it is computed from.
    """

    def find(number, others):
        owners = {id(array): other for other in others for array in ends[other][1]}
        waiting, seen, found = list(ends[number][0]), set(), set()
        while waiting:
            array = waiting.pop()
            if id(array) in owners:
                found.add(owners[id(array)])
            elif id(array) not in seen:
                seen.add(id(array))
                waiting += made_of(array)
        return found

    return find
