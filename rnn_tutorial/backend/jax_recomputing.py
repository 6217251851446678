"""What is looked at in a training step on JAX is computed a second time, so that XLA rounds the step as without us.

Seen with JAX 0.10: `jax.make_jaxpr(return_shape=True)`, `jax.core.eval_jaxpr`, `jax.core.Tracer`, and the parts
of a traced function: `jaxpr.constvars`, `invars`, `eqns`, `outvars`, `replace`; of an operation `primitive.name`,
`params`, `effects`; of a literal `val`.
"""

import functools
import itertools
import math

import jax

# Operations whose results XLA always stores and never fuses into a reader.
_OPAQUE = {"conv_general_dilated", "while", "cond", "sort", "scatter", "scatter-add"}
_OPAQUE |= {"fft", "cholesky", "triangular_solve", "custom_call", "pure_callback"}
_RANDOM = {"random_bits", "threefry2x32", "rng_bit_generator"}
# Operations that only rearrange their input; XLA merges them into a matrix product.
_MOVES = {"transpose", "reshape", "squeeze"}
# Name of the function by which a traced step marks what is read apart; no user's function has it.
_APART = "rnn_tutorial_set_apart"


@functools.cache
def set_apart():
    """A function of JAX that hands arrays through, so that XLA does not know what they are; see `recomputing`.

    XLA copies a cheap producer into all of its readers, and rounds it there as it always does, if all of them are of a
    kind that it fuses. A barrier is none; a choice is, and what is chosen XLA does not know.
    """

    def choose(arrays):
        always = jax.lax.optimization_barrier(jax.numpy.array(True))
        chosen = jax.tree.map(lambda array: jax.numpy.where(always, array, jax.numpy.zeros_like(array)), arrays)
        return jax.lax.optimization_barrier(chosen)

    choose.__name__ = _APART
    return jax.jit(choose)


def recomputing(step):
    """A train step in which what is looked at `apart` is computed a second time.

    How XLA fuses a value, and so how it rounds it and what it is made of, depends on how many read it. Matrix products,
    loops and the like it never fuses; from their results we compute for ourselves what is cheap, sums and products, so
    that these have no reader but the step.

    Args:
        step: Called with arrays in any nest, while a function of JAX is traced.

    Returns:
        A function of the same arguments and results.
    """

    @functools.wraps(step)
    def recomputed(*arguments):
        flat = jax.tree.leaves(arguments)
        if not any(isinstance(array, jax.core.Tracer) for array in flat):
            return step(*arguments)
        traced, shapes = jax.make_jaxpr(step, return_shape=True)(*arguments)
        return jax.tree.unflatten(jax.tree.structure(shapes), _evaluated(traced, flat))

    return recomputed


def _evaluated(traced, arguments):
    """The results of a traced train step; see `recomputing`."""
    function = traced.jaxpr
    values = dict(zip([*function.constvars, *function.invars], [*traced.consts, *arguments], strict=True))
    begin = 0
    for place, equation in enumerate(function.eqns):
        if equation.params.get("name") == _APART:
            values.update(_made(function, function.eqns[begin:place], values))
            again = _made_again(function, place, values)
            read = [again[atom] if _is_variable(atom) else atom.val for atom in equation.invars]
            values.update(zip(equation.outvars, read, strict=True))
            begin = place + 1
    values.update(_made(function, function.eqns[begin:], values))
    return [values[output] if _is_variable(output) else output.val for output in function.outvars]


def _made(function, equations, values):
    """{variable: array} of what some operations of a traced function make, from the values of others."""
    made = [variable for equation in equations for variable in equation.outvars]
    part = function.replace(constvars=[], invars=list(values), outvars=made, eqns=equations)
    return dict(zip(made, jax.core.eval_jaxpr(part, [], *values.values()), strict=True))


def _made_again(function, place, values):
    """{variable: array} of what the operation at a place reads, and what that is made of, made a second time."""
    before = function.eqns[:place]
    kept = set(values) - {variable for equation in before for variable in equation.outvars}  # the arguments
    kept.update(output for output in function.outvars if _is_variable(output))
    for equation in before:
        is_moved = equation.primitive.name in _MOVES and _is_variable(equation.invars[0]) and equation.invars[0] in kept
        if is_moved or _is_opaque(equation):
            kept.update(equation.outvars)
    wanted = {atom for atom in function.eqns[place].invars if _is_variable(atom)}
    equations = []
    for equation in reversed(before):
        if any(variable in wanted and variable not in kept for variable in equation.outvars):
            equations.append(equation)
            wanted.update(atom for atom in equation.invars if _is_variable(atom))
    leaves = [variable for variable in values if variable in wanted and variable in kept]
    read = dict(zip(leaves, set_apart()([values[leaf] for leaf in leaves]), strict=True))
    return {**_made(function, equations[::-1], read), **read}


def _is_variable(atom):
    return not hasattr(atom, "val")


def _is_opaque(equation):
    """Whether XLA fuses an operation of JAX with none of its readers, or it is not to be done twice."""
    if equation.primitive.name == "scan":
        return equation.params["length"] > 1  # Of a loop of one step XLA makes none,
    if equation.primitive.name == "dot_general":  # and of a product of vectors, or of a row and a matrix, sums.
        return _is_matrix_product(equation)
    return bool(equation.effects) or equation.primitive.name in _OPAQUE or _draws(equation)


def _is_matrix_product(equation):
    """Whether rows, columns and what is summed are each more than one."""
    summed, batch = equation.params["dimension_numbers"]
    shapes = [atom.aval.shape for atom in equation.invars]
    free = [
        math.prod(size for axis, size in enumerate(shape) if axis not in (*places, *apart))
        for shape, places, apart in zip(shapes, summed, batch, strict=True)
    ]
    return min(*free, math.prod(shapes[0][axis] for axis in summed[0])) > 1


def _draws(equation):
    """Whether an operation of JAX draws random numbers."""
    if equation.primitive.name in _RANDOM:
        return True
    lists = [value if isinstance(value, (list, tuple)) else [value] for value in equation.params.values()]
    inner = [getattr(value, "jaxpr", value) for value in itertools.chain(*lists)]
    return any(_draws(one) for function in inner for one in getattr(function, "eqns", ()))
