"""Every thing of Keras that is touched and is no documented API, each in one place, with the versions it was seen in.

`tests/test_keras_internals.py` and `tests/test_keras_internals_recurrent.py` say which of them
a new version of Keras has changed.
"""

import contextlib
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras


def flatten_layers(layer: Any, include_self: bool = True, recursive: bool = True) -> list[Any]:
    """List the layers inside of a layer or model, each once, in the order in which they came to be held.

    Seen in Keras 3.12 to 3.15: `Layer._flatten_layers`. `Model.layers` leaves out what layers hold.

    Args:
        layer: A `keras.layers.Layer`, a model too.
        include_self: Whether the layer itself comes first.
        recursive: False stops at what the layer holds itself.
    """
    return layer._flatten_layers(include_self, recursive=recursive)


# Optimizers and training


def train_function(model: keras.Model) -> Any:
    """What `fit` and `train_on_batch` call for a step; None before it was made, and again after `compile`.

    Seen in Keras 3.12 to 3.15: `Model.train_function`.
    """
    return model.train_function


def set_train_function(model: keras.Model, function: Any) -> None:
    """Have `fit` and `train_on_batch` call another function, without Keras tracking what it holds.

    Seen in Keras 3.12 to 3.15: `Model.train_function`, an attribute of the instance.
    """
    model.__dict__["train_function"] = function


def steps_per_execution(model: keras.Model) -> int:
    """How many batches one call of the train function takes.

    Seen in Keras 3.12 to 3.15: `Model.steps_per_execution`.
    """
    return model.steps_per_execution


def make_new_train_function(model: keras.Model, train_step: Callable[..., Any]) -> Any:
    """Have Keras make a train function, not yet traced, around a `train_step`; the model keeps the ones that it has.

    Seen in Keras 3.12 to 3.15: `Model.make_train_function(force=True)` reads `Model.train_step` from the instance and
    sets `Model.train_function`.
    """
    present, own = train_function(model), model.__dict__.get("train_step")
    try:
        model.__dict__["train_step"] = train_step
        _make_train_function(model)(force=True)
        return train_function(model)
    finally:
        put_back([(model, "train_step", own)])
        set_train_function(model, present)


def ensure_train_function(model: keras.Model) -> None:
    """Have Keras make the model's train function where there is none.

    Seen in Keras 3.12 to 3.15: `Model.make_train_function()`.
    """
    _make_train_function(model)()


def tell_of_train_functions(model: keras.Model, tell: Callable[[], Any]) -> Callable[[], None]:
    """Call a function whenever Keras asks a model for its train function, which is where every training begins.

    Seen in Keras 3.12 to 3.15: `fit` and `train_on_batch` call `Model.make_train_function`.

    Returns:
        A function that ends that.
    """
    present: Any = model.make_train_function
    if not hasattr(present, "told"):
        own, make = model.__dict__.get("make_train_function"), present
        told: list[Callable[[], Any]] = []

        def stand_in(*arguments, **named):
            result = make(*arguments, **named)
            for each in list(told):
                each()
            return result

        vars(stand_in).update(own=own, make=make, told=told)
        model.__dict__["make_train_function"] = present = stand_in
    present.told.append(tell)

    def end():
        present.told.remove(tell)
        if not present.told:
            put_back([(model, "make_train_function", present.own)])

    return end


def tell_of_steps(callbacks: keras.callbacks.CallbackList, tell: Callable[[], Any]) -> Callable[[], None]:
    """Call a function before each step of a `fit`, once all callbacks have been told of its beginning.

    Seen in Keras 3.12 to 3.15: `fit` calls `CallbackList.on_train_batch_begin` before each train function.

    Returns:
        A function that ends that.
    """
    # A strong reference would keep the list alive, whose death is the only sign that an exception has ended the fit.
    own, reference = callbacks.__dict__.get("on_train_batch_begin"), weakref.ref(callbacks)

    def on_train_batch_begin(batch, logs=None):
        if own is None:
            alive: Any = reference()
            type(alive).on_train_batch_begin(alive, batch, logs)
        else:
            own(batch, logs)
        tell()

    def end():
        if reference() is not None:
            put_back([(reference(), "on_train_batch_begin", own)])

    callbacks.on_train_batch_begin = on_train_batch_begin
    return end


def _make_train_function(model):
    """The model's method, without telling anybody."""
    make = model.make_train_function
    return getattr(make, "make", make)


def put_back(attributes: Iterable[tuple[Any, str, Any]]) -> None:
    """Give objects their own attributes again: (object, name, value), None for one that it did not have.

    In the `__dict__`, past Keras' tracking of attributes.
    """
    for thing, name, value in attributes:
        if value is None:
            thing.__dict__.pop(name, None)
        else:
            thing.__dict__[name] = value


def trained_by(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """The weights that an optimizer was built for, in its order.

    Seen in Keras 3.12 to 3.15: `Optimizer._trainable_variables`.
    """
    return optimizer._trainable_variables


def accumulated(optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> list[keras.Variable]:
    """The sums of gradients that a built optimizer with `gradient_accumulation_steps` keeps of some weights.

    Seen in Keras 3.12 to 3.15: `Optimizer._accumulated_gradients`, `Optimizer._get_variable_index`.
    """
    return [optimizer._accumulated_gradients[optimizer._get_variable_index(variable)] for variable in variables]


def calls(optimizer: keras.optimizers.Optimizer) -> keras.Variable:
    """How often an optimizer was called; `iterations` counts updates instead, where it accumulates gradients.

    Seen in Keras 3.12 to 3.15: `Optimizer._iterations`.
    """
    return optimizer._iterations


def build(optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> None:
    """Build an optimizer as its `apply` does.

    Seen in Keras 3.12 to 3.15: `Optimizer.apply`, `name_scope(caller=)`.
    """
    with keras.name_scope(optimizer.name, caller=optimizer):
        optimizer.build(variables)


def is_overwritten(variable: keras.Variable) -> bool:
    """Whether an optimizer puts the gradient in the place of a weight: float8 keeps its scales so.

    Seen in Keras 3.12 to 3.15: `Variable.overwrite_with_gradient`.
    """
    return getattr(variable, "overwrite_with_gradient", False)


@contextlib.contextmanager
def tracked(optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> Iterator[None]:
    """Show variables among those of an optimizer, at their end, for a moment.

    Seen in Keras 3.12 to 3.15: `Optimizer._track_variable`, `Optimizer._untrack_variable`.
    """
    _track(optimizer, variables)
    try:
        yield
    finally:
        _untrack(optimizer, variables)


@contextlib.contextmanager
def untracked(optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> Iterator[None]:
    """Take such variables away for a moment. Seen as `tracked`."""
    _untrack(optimizer, variables)
    try:
        yield
    finally:
        _track(optimizer, variables)


def _track(optimizer, variables):
    for variable in variables:
        optimizer._track_variable(variable)


def _untrack(optimizer, variables):
    for variable in variables:
        optimizer._untrack_variable(variable)


def stateless_scope() -> Any:
    """The `keras.StatelessScope` that is open; None without.

    Seen in Keras 3.12 to 3.15: `keras.src.backend.common.stateless_scope.get_stateless_scope`.
    """
    from keras.src.backend.common import stateless_scope

    return stateless_scope.get_stateless_scope()


def strategy(model: keras.Model) -> Any:
    """TensorFlow's strategy of distribution that a model trains by; None for other backends.

    Seen in Keras 3.12 to 3.15: `Model.distribute_strategy`, on TensorFlow.
    """
    return getattr(model, "distribute_strategy", None)


def sync_jax_state(model: keras.Model) -> None:
    """Hand a model its variables' values back, which `fit` keeps to itself between two batches on JAX.

    Seen in Keras 3.12 to 3.15: `Model.jax_state_sync`, on JAX.
    """
    model.jax_state_sync()


# Recurrent layers


def own_losses(layer: Any) -> list[Any]:
    """The list to which `add_loss` of a layer appends; changed in place.

    Seen in Keras 3.12 to 3.15: `Layer._losses`. The public `losses` is a copy, with those of the layers inside.
    """
    return layer._losses


def compiled_loss(model: Any) -> Any:
    """What `compile` made of the loss: a loss that holds metrics in a list, `metrics`; None before `compile`.

    Seen in Keras 3.12 to 3.15: `Trainer._compile_loss`, a `CompileLoss`. The public `loss` is what the user gave.
    """
    return getattr(model, "_compile_loss", None)


def loop_of(layer: Any) -> Any:
    """The method by which a recurrent layer, or a class of them, steps its cell through time.

    Seen in Keras 3.12 to 3.15: `RNN.inner_loop(sequences, initial_state, mask, training)` gives (last output, outputs,
    states).
    """
    return layer.inner_loop


def replace_loop(layer: Any, loop: Any) -> None:
    """Have one recurrent layer step its cell by another function, until its attributes are put back.

    Seen in Keras 3.12 to 3.15: `RNN.call` and `Bidirectional.call` look `inner_loop` up on the instance; with
    `use_cudnn` a bidirectional layer would run its two loops by itself, and an LSTM or GRU its fused one.
    """
    vars(layer).update(inner_loop=loop, use_cudnn=False)


def autocast(dtype: Any) -> Any:
    """Context manager in which variables read as this float type, as they do inside of `Layer.__call__`.

    Seen in Keras 3.12 to 3.15: `keras.src.backend.AutocastScope`.
    """
    from keras.src.backend import AutocastScope

    return AutocastScope(keras.backend.standardize_dtype(dtype))


def functional_of(model: Any) -> Any:
    """The functional model that a sequential one is inside, or the model itself; None for any other.

    Seen in Keras 3.12 to 3.15: `Sequential._functional`, and `Functional._nodes_by_depth`.
    """
    model = getattr(model, "_functional", None) or model
    return model if hasattr(model, "_nodes_by_depth") else None


def nodes_of(functional: Any, operation: Any) -> list[Any]:
    """The places of a functional model at which it uses an operation, which other models may use too.

    Seen in Keras 3.12 to 3.15: `Functional._nodes_by_depth`, `Operation._inbound_nodes`; a node has `operation`,
    `parent_nodes`, `input_tensors` and `output_tensors`.
    """
    inside = {id(node) for nodes in functional._nodes_by_depth.values() for node in nodes}
    return [node for node in operation._inbound_nodes if id(node) in inside]
