"""What a Keras backend must give: one function for each thing that backends do in different ways.

A backend is a file beside this one, named as Keras names it, with functions of these names and arguments. What it
leaves out it gets from here: the generic answer where there is one, and otherwise an error that says what is missing.

An array is a tensor of the backend, also while a function is traced, unless NumPy is said.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn, TypeAlias

import keras
import numpy as np
from keras import ops

from rnn_tutorial.backend import common

__all__ = [
    "apart",
    "can_assign",
    "carry",
    "compiled",
    "dataflow",
    "dense",
    "differentiate",
    "endless_batches",
    "exchange",
    "forgetting",
    "is_of_tracing",
    "is_replicated",
    "is_stateless",
    "is_taken_over",
    "masked_output",
    "name",
    "outside_of_graphs",
    "place",
    "pull_back",
    "random_state_kept",
    "recomputing",
    "rows",
    "scan",
    "square_sums",
    "sync",
    "untraced_methods",
]

Array: TypeAlias = Any
Arrays: TypeAlias = Any  # arrays in any nest of lists, tuples, dictionaries and None


def name() -> str:
    """Name of the running backend, as Keras spells it: "tensorflow", "jax", ... No backend fills this."""
    return keras.config.backend()


def _is_missing(function: str, loss: str) -> NoReturn:
    """Say that a backend leaves a function open that has no generic answer.

    Args:
        function: Its name.
        loss: What cannot be done without it.

    Raises:
        NotImplementedError: Always.
    """
    raise NotImplementedError(
        f"the backend {name()} has no function {function!r}, so {loss}; it belongs in rnn_tutorial/backend/{name()}.py"
    )


# Data


def endless_batches(
    arrays: Sequence[np.ndarray], batch_size: int, seed: int
) -> Iterable[tuple[Array | np.ndarray, ...]]:
    """Stream batches without end, every row once an epoch; in the form that the backend's `fit` reads fastest.

    Args:
        arrays: (x, y) or (x, y, sample_weight), NumPy, each (n, ...).
        batch_size: Rows per batch; the last one of an epoch may be smaller.
        seed: The order of the rows is a function of it and of the epoch's number, of no global state.

    Returns:
        Here a generator of NumPy batches, which every `fit` takes.
    """
    for epoch in itertools.count():
        order = np.random.default_rng([seed, epoch]).permutation(len(arrays[0]))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield tuple(array[rows] for array in arrays)


# States and gradients through time: a model is replayed in a function that is compiled and differentiated.


def compiled(function: Callable[..., Any], model: keras.Model) -> Callable[..., Any]:
    """Compile a function that reads a model's variables and changes none of them, nor the random state.

    `common.stateless` does the part of this that is the same for all backends.

    Args:
        function: Called as (scope, *arrays), where `scope()` is a context manager in which the variables have their
            values and assignments have no effect. Without a compiler it may be called each time.
        model: A `keras.Model`. Its variables are read again at each call. It must not be kept alive.

    Returns:
        A function of the arrays alone, NumPy or None in any nest, that returns what the given one does.
    """
    _is_missing("compiled", "states, gradients through time and sampled text cannot be computed")


def differentiate(
    function: Callable[[Callable[..., Array]], tuple[Array, Any]],
) -> tuple[Array, Any, dict[Any, Array]]:
    """Differentiate a function with respect to perturbations that it asks for while it runs, inside of `compiled`.

    Args:
        function: Called with `perturb(name, shape, dtype)`, which gives the array of zeros to be added; returns a
            number and anything else. May be called more than once.

    Returns:
        The number, the rest, and {name: gradient}, each of the shape asked for; zeros where nothing reaches the number.
    """
    _is_missing("differentiate", "gradients through time cannot be computed")


def pull_back(function: Callable[[Array], Array], at: Array, gradient: Array) -> Array:
    """Gradient with respect to what goes into a function, inside of `compiled`.

    Args:
        function: From an array to one of the same shape.
        at: What goes into it.
        gradient: Gradient with respect to what comes out.

    Returns:
        An array of the shape of `at`.
    """
    _is_missing("pull_back", "the gradient with respect to the cell state of an LSTM cannot be computed")


def scan(
    step: Callable[..., tuple[Array, ...]], carry: Sequence[Array], arrays: Sequence[Array], steps: Any
) -> tuple[Sequence[Array], list[Array]]:
    """Run `step(carry, slices) -> carry` over the first axis of the arrays, inside of `compiled`.

    Args:
        step: Called once a step, or once for all where the loop is traced.
        carry: Arrays, each of which keeps its shape.
        arrays: A list of arrays (steps, ...).
        steps: How many; a tensor where the number is not known before.

    Returns:
        The last carry, and the carries of all steps, each (steps, ...).
    """
    if isinstance(steps, int) and steps <= 1:
        return common.unrolled(step, carry, arrays, steps)

    def both(carry, slices):
        carry = step(carry, slices)
        return carry, carry

    return ops.scan(both, tuple(carry), arrays)


def masked_output(layer: Any, state: Array) -> tuple[bool, Array]:
    """What this backend's `keras.ops.rnn` makes of the output of a recurrent layer at a masked step.

    Args:
        layer: The `RNN`.
        state: The initial state of what it hands on (batch, units).

    Returns:
        Whether the output becomes zero; and what it is otherwise where no output came before, (batch, units).
    """
    return layer.zero_output_for_mask, ops.zeros_like(state)


def dataflow(
    function: Callable[[], list[tuple[list[Array], list[Array]]]],
) -> Callable[[int, Iterable[int]], set[int]]:
    """Find out what arrays are made of; asked where a model calls a recurrent layer more than once.

    `common.reached` does the part of this that is the same for all backends.

    Args:
        function: Runs the model, and gives for each call of a layer (taken, given), two lists of arrays.

    Returns:
        A function (number, others) -> those of the other numbers whose given arrays the taken ones of this number are
        made of, not counting what reaches them only by way of another one.
    """
    _is_missing("dataflow", "calls of one layer cannot be put in sequences")


def place() -> Any:
    """Where the running function is traced, something that can be compared with `==`.

    What is computed in one place cannot be used in another one around it. Asked when a layer's loop is replaced and
    again when it runs, and around each update of an optimizer. A backend that traces, also inside of its loops or of
    `vmap`, must tell these places apart: arrays would get out of them otherwise. Here, where nothing is traced, all is
    one place.
    """
    return None


def outside_of_graphs() -> contextlib.AbstractContextManager[Any]:
    """Context manager in which variables can be made and read even while a graph is being traced.

    Entered where a first training step makes the variables for its gradients, and where the garbage collector finds
    the end of a fit. A backend without graphs needs nothing of this.
    """
    return contextlib.nullcontext()


def random_state_kept() -> contextlib.AbstractContextManager[Any]:
    """Context manager after which the backend's own generators of random numbers are where they were.

    Entered where a model is called as it is, outside of `compiled`. Keras' own seeds are kept by its `StatelessScope`.
    Only a backend whose layers draw without a seed of Keras', as dropout does in PyTorch, needs this; without it
    looking would change training.
    """
    return contextlib.nullcontext()


# Gradients of training: our function is called around `optimizer.apply`, inside of the training step.


def is_replicated(model: keras.Model) -> bool:
    """Whether a model trains on several replicas or devices; its gradients are then not those of one step.

    Asked before gradients are looked at, which is then refused.
    """
    return keras.distribution.distribution() is not None


def rows(gradient: Any) -> Array:
    """The numbers of a gradient as the optimizer gets it: of a sparse one those that it has, not in their places.

    For a backend whose optimizers get sparse gradients, as those of an `Embedding`; called inside of the step.
    """
    return gradient


def dense(gradient: Any, rows: Array, shape: tuple[int, ...]) -> Array:
    """A gradient as one array of the given shape, that of its weight.

    Args:
        gradient: As the optimizer gets it.
        rows: Put in place of its own numbers, as given by `rows`.
        shape: Of the weight.
    """
    return rows


def square_sums(arrays: Sequence[Array]) -> Array:
    """Sum of the squares of each array, float32 (arrays,); best in one pass over each."""
    return ops.stack([ops.sum(ops.square(array)) for array in arrays])


def apart(function: Callable[[Any], Any], arrays: Arrays, seldom: bool = False) -> Any:
    """Call a function out of the compiler's sight: what it computes is not merged with anything around it.

    A compiler that finds the same product in two places computes it once, and keeps what it would have rounded
    otherwise; training would end with other last digits. A backend without a compiler needs nothing of this.

    Args:
        function: Called with the arrays; may assign to variables.
        arrays: What it reads of the training step.
        seldom: It is in the branch of a condition that is hardly ever taken, so that only what it costs where it is not
            taken counts.

    Returns:
        What the function returns.
    """
    return function(arrays)


def recomputing(step: Callable[..., Any]) -> Callable[..., Any]:
    """A train step in which what is looked at `apart` may be computed a second time, for the compiler's sake.

    Args:
        step: Called with arrays in any nest, while it is traced.

    Returns:
        A function of the same arguments and results.
    """
    return step


def forgetting(graph: Any) -> contextlib.AbstractContextManager[None]:
    """Context manager in which an optimizer is called without its graph being kept for the life of the process.

    For a backend that keeps such graphs; without it memory grows with each fit that is looked at.

    Args:
        graph: What `place` gives there; None where it is not known.
    """
    return contextlib.nullcontext()


def can_assign(variables: Sequence[keras.Variable], gradients: Sequence[Any]) -> bool:
    """Whether variables of ours can be assigned to where an optimizer is just applying gradients.

    In a stateless function that is so only where these variables are part of its state. Where not, the update is not
    looked at.
    """
    return True


def is_of_tracing(error: Exception) -> bool:
    """Whether a train function that raised an error was being traced, and has done nothing yet.

    If so, Keras' own train function does the step. Where that cannot be told, no: a step must not be done twice.
    """
    return False


def untraced_methods(model: keras.Model) -> dict[str, Callable[..., Any]]:
    """{name: method} of the methods of a model that its author has compiled, as new ones that were not traced yet.

    They stand in for the old ones while a train function is traced: what was traced before has none of our functions in
    it, and its gradients would not be seen.
    """
    return {}


# Stateless train functions, (state, iterator) -> (logs, state), which take all variables and return them. A backend
# that says that its own are such fills all of these.


def is_stateless() -> bool:
    """Whether the train function takes all variables and returns them, instead of changing them in place."""
    return False


def carry(
    train_function: Callable[..., Any], arguments: tuple[Any, Iterator[Any]], extra: Sequence[Sequence[Array]]
) -> tuple[Any, list[list[Array]]]:
    """Call a stateless train function with more variables in the optimizer's state than the model knows of.

    Args:
        train_function: One of Keras' making.
        arguments: What `fit` calls it with.
        extra: Lists of arrays, which come behind the optimizer's own, and which the step takes over.

    Returns:
        What `fit` expects, and lists of the new values of `extra`.
    """
    _is_missing("carry", "gradients of training cannot be taken out of its stateless train function")


def exchange(
    arguments: tuple[Any, Iterator[Any]],
    places: Sequence[int],
    function: Callable[[Iterator[Array]], Iterable[Array]],
) -> tuple[Any, Iterator[Any]]:
    """Put other arrays for some of the optimizer's state that a stateless train function is called with.

    Args:
        arguments: As for `carry`.
        places: Where these arrays are in the optimizer's state.
        function: Gets an iterator over them and returns the others.

    Returns:
        The new arguments.
    """
    _is_missing("exchange", "the state of its stateless train function cannot be changed")


def is_taken_over(arrays: Iterable[Array]) -> bool:
    """Whether a stateless train function has taken over any of these arrays, so that they can no longer be read."""
    _is_missing("is_taken_over", "it is not known what its stateless train function has left of its arguments")


def sync(model: keras.Model) -> None:
    """Hand a model its variables' values back, which a stateless `fit` keeps to itself between two batches.

    Called before gradients are read. A train function that changes variables in place needs nothing of this.
    """
