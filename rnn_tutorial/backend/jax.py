"""What JAX gives; see `protocol.py`."""

from typing import Any

import jax
from keras import ops

from rnn_tutorial.backend import common, jax_recomputing

recomputing = jax_recomputing.recomputing


def compiled(function, model):
    """Compiled by XLA; the variables are handed in at each call."""
    pure, read = common.stateless(function, model)
    jitted = jax.jit(pure)
    return lambda *arrays: jitted(read(), *arrays)


def differentiate(function):
    """Run twice: once for the shapes of what it asks for, and once to differentiate."""
    asked = {}

    def ask(name, shape, dtype):
        asked[name] = shape, dtype
        return jax.numpy.zeros(shape, dtype)

    jax.eval_shape(lambda: function(ask)[0])
    zeros = {name: jax.numpy.zeros(shape, dtype) for name, (shape, dtype) in asked.items()}
    run = jax.value_and_grad(lambda arrays: function(lambda name, *_: arrays[name]), has_aux=True)
    (value, rest), gradients = run(zeros)
    return value, rest, gradients


def pull_back(function, at, gradient):
    """By the function's own vector-Jacobian product."""
    return jax.vjp(function, at)[1](gradient)[0]


def masked_output(layer, state):
    """A loop in the graph begins with the initial state and makes nothing zero where Keras unrolls."""
    return layer.zero_output_for_mask and not layer.unroll, ops.zeros_like(state) if layer.unroll else state


def dataflow(function):
    """From the equations of the function, traced."""
    structures: list[Any] = []

    def flat():
        arrays, structure = jax.tree.flatten([list(pair) for pair in function()])
        structures.append(structure)
        return arrays

    jaxpr = jax.make_jaxpr(flat)().jaxpr
    makers = {id(result): equation for equation in jaxpr.eqns for result in equation.outvars}

    def made_of(variable):
        return makers[id(variable)].invars if id(variable) in makers else []

    return common.reached(jax.tree.unflatten(structures[0], jaxpr.outvars), made_of)


def place():
    """The trace that is going on. Seen with JAX 0.10, where Flax asks for it in the same way."""
    try:
        from jax.extend.core import get_opaque_trace_state
    except ImportError:  # an older JAX
        from jax.core import get_opaque_trace_state
    return get_opaque_trace_state(convention="flax")


def outside_of_graphs():
    """What is computed is computed at once."""
    return jax.ensure_compile_time_eval()


def apart(function, arrays, seldom=False):
    """The arrays come out of a function that XLA cannot look through; `recomputing` finds it by its name."""
    return function(jax_recomputing.set_apart()(arrays))


def can_assign(variables, gradients):
    """Where variables are arguments of a stateless function, only to these; in a trace of the user's, to none."""
    from rnn_tutorial.inspection import keras_internals  # which lies in a room that imports this one

    scope = keras_internals.stateless_scope()
    if scope is not None:
        return all(scope.get_current_value(variable) is not None for variable in variables)
    return not any(isinstance(gradient, jax.core.Tracer) for gradient in gradients)


# Keras' train function on JAX takes and returns a state of four lists of arrays: trainable variables, others, those of
# the optimizer, those of the metrics. It takes them over: XLA writes the new values in their place. Seen in Keras 3.12
# to 3.15.


def is_stateless():
    """Yes."""
    return True


def carry(train_function, arguments, extra):
    """Behind the optimizer's own variables come the others."""
    (trainable, others, optimizer, metrics), iterator = arguments
    flat = [array for arrays in extra for array in arrays]
    logs, state = train_function((trainable, others, [*optimizer, *flat], metrics), iterator)
    optimizer = list(state[2])
    size = len(optimizer) - len(flat)
    rest = iter(optimizer[size:])
    return (logs, (state[0], state[1], optimizer[:size], state[3])), [[next(rest) for _ in arrays] for arrays in extra]


def exchange(arguments, places, function):
    """In the third list."""
    (trainable, others, optimizer, metrics), iterator = arguments
    optimizer = list(optimizer)
    for place, array in zip(places, function(iter([optimizer[place] for place in places])), strict=True):
        optimizer[place] = array
    return (trainable, others, optimizer, metrics), iterator


def is_taken_over(arrays):
    """An array whose memory XLA has used says that it is deleted."""
    return any(array.is_deleted() for array in arrays)


def sync(model):
    """Keras' JAX trainer does that."""
    from rnn_tutorial.inspection import keras_internals

    keras_internals.sync_jax_state(model)
