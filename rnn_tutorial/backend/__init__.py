"""The one file that asks which Keras backend is running."""

import contextlib
import functools
import itertools
import math
import weakref
from typing import Any

import keras
import numpy as np
from keras import ops

# Operations of TensorFlow whose trees the optimizer of a graph rearranges.
_REARRANGED = {"Mul", "Add", "AddV2"}
# Operations of JAX whose results XLA always stores and never fuses into a reader.
_OPAQUE = {"conv_general_dilated", "while", "cond", "sort", "scatter", "scatter-add"}
_OPAQUE |= {"fft", "cholesky", "triangular_solve", "custom_call", "pure_callback"}
_RANDOM = {"random_bits", "threefry2x32", "rng_bit_generator"}
# Operations that only rearrange their input; XLA merges them into a matrix product.
_MOVES = {"transpose", "reshape", "squeeze"}
# Name of the function by which a traced step marks what is read apart; no user's function has it.
_APART = "rnn_tutorial_set_apart"
# Up to so many steps TensorFlow runs a loop written out faster than a loop in its graph, and traces it no slower.
_UNROLLED = 16


def name():
    """Name of the running backend: "tensorflow", "jax", ..."""
    return keras.config.backend()


def endless_batches(arrays, batch_size, seed):
    """Stream batches without end, every row once an epoch; what the backend's `fit` takes fastest.

    Args:
        arrays: (x, y) or (x, y, sample_weight), NumPy, each (n, ...).
        batch_size: Rows per batch; the last one of an epoch may be smaller.
        seed: The order of the rows is a function of it and of the epoch's number, of no global state.

    Returns:
        A `tf.data.Dataset` on TensorFlow, a generator of NumPy batches elsewhere.
    """
    if name() == "tensorflow":
        return _tensorflow_batches(arrays, batch_size, seed)
    return _numpy_batches(arrays, batch_size, seed)


def _tensorflow_batches(arrays, batch_size, seed):
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]
    # Nothing in these functions is for AutoGraph, which warns on some versions of Python.
    as_it_is = tf.autograph.experimental.do_not_convert

    @as_it_is
    def one_epoch(epoch):
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(tensors[0])), seed=tf.stack([tf.constant(seed, tf.int64), epoch])
        )
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size)

    # Rows are gathered a batch at a time: slicing and batching them one by one costs more than the training.
    rows = tf.data.Dataset.counter().flat_map(one_epoch)
    return rows.map(as_it_is(lambda row: tuple(tf.gather(tensor, row) for tensor in tensors))).prefetch(2)


def _numpy_batches(arrays, batch_size, seed):
    for epoch in itertools.count():
        order = np.random.default_rng([seed, epoch]).permutation(len(arrays[0]))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield tuple(array[rows] for array in arrays)


def is_stateless():
    """Whether the train function takes all variables and returns them, instead of changing them in place."""
    return name() == "jax"


def check_one_replica(model):
    """Check that a model trains in one place.

    Raises:
        NotImplementedError: It trains on several replicas; gradients are then not those of one step.
    """
    strategy = getattr(model, "distribute_strategy", None) if name() == "tensorflow" else None
    if getattr(strategy, "num_replicas_in_sync", 1) > 1 or keras.distribution.distribution() is not None:
        raise NotImplementedError("gradients of a training on several replicas are not looked at")


def rows(gradient):
    """A gradient's numbers: TensorFlow gives that of an `Embedding` as rows, some of them several times."""
    return gradient.values if _is_sparse(gradient) else gradient


def dense(gradient, rows, shape):
    """A gradient as one array of the given shape, with `rows` in place of its own."""
    if not _is_sparse(gradient):
        return rows
    import tensorflow as tf

    return tf.math.unsorted_segment_sum(rows, gradient.indices, shape[0])


def square_sums(arrays):
    """Sum of the squares of each array, (arrays,), each in one pass."""
    if name() == "tensorflow":
        import tensorflow as tf

        return 2 * tf.stack([tf.nn.l2_loss(array) for array in arrays])
    return ops.stack([ops.sum(ops.square(array)) for array in arrays])


def _is_sparse(gradient):
    return type(gradient).__name__ == "IndexedSlices"


def carry(train_function, arguments, extra):
    """Call a stateless train function with more variables in the optimizer's state than the model knows of.

    Args:
        train_function: Keras' own, (state, iterator) -> (logs, state).
        arguments: What `fit` calls it with.
        extra: Lists of arrays, which come behind the optimizer's own, and which the step takes over.

    Returns:
        What `fit` expects, and lists of the new values of `extra`.
    """
    (trainable, others, optimizer, metrics), iterator = arguments
    flat = [array for arrays in extra for array in arrays]
    logs, state = train_function((trainable, others, [*optimizer, *flat], metrics), iterator)
    optimizer = list(state[2])
    size = len(optimizer) - len(flat)
    rest = iter(optimizer[size:])
    return (logs, (state[0], state[1], optimizer[:size], state[3])), [[next(rest) for _ in arrays] for arrays in extra]


def behind_to_places(values, places):
    """Move the last values of a list to the given places: an optimizer may list others' variables behind its own."""
    size = len(values) - len(places)
    moved = values[:size]
    for place, value in sorted(zip(places, values[size:], strict=True), key=lambda pair: pair[0]):
        moved.insert(place, value)
    return moved


def places_to_behind(values, places):
    """Undo `behind_to_places`."""
    return [value for place, value in enumerate(values) if place not in places] + [values[place] for place in places]


def exchange(arguments, places, function):
    """Put other arrays for some of the optimizer's state that a stateless train function is called with.

    Args:
        arguments: As for `carry`.
        places: Where these arrays are in the optimizer's state.
        function: Gets an iterator over them and returns the others.

    Returns:
        The new arguments.
    """
    (trainable, others, optimizer, metrics), iterator = arguments
    optimizer = list(optimizer)
    for place, array in zip(places, function(iter([optimizer[place] for place in places])), strict=True):
        optimizer[place] = array
    return (trainable, others, optimizer, metrics), iterator


def can_assign(variables, gradients):
    """Whether variables of ours can be assigned to where an optimizer is just applying gradients.

    In a stateless function that is so only where these variables are part of its state.
    """
    if name() != "jax":
        return True
    import jax
    from keras.src.backend.common import stateless_scope

    if stateless_scope.in_stateless_scope():
        scope = stateless_scope.get_stateless_scope()
        return all(scope.get_current_value(variable) is not None for variable in variables)
    return not any(isinstance(gradient, jax.core.Tracer) for gradient in gradients)


def is_of_tracing(error):
    """Whether a train function that raised an error was being traced, and has done nothing yet.

    Only TensorFlow's functions tell.
    """
    if name() != "tensorflow":
        return False
    import tensorflow as tf

    return not isinstance(error, (tf.errors.OpError, StopIteration)) and not tf.config.functions_run_eagerly()


def is_taken_over(arrays):
    """Whether a train function has taken over any of these arrays, so that they can no longer be read."""
    return any(array.is_deleted() for array in arrays)


def sync(model):
    """Hand a stateless model its variables' values back, which `fit` keeps to itself between two batches."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def track(optimizer, variables):
    """Show variables among those of an optimizer, at their end."""
    for variable in variables:
        optimizer._track_variable(variable)


def untrack(optimizer, variables):
    """Take them away again."""
    for variable in variables:
        optimizer._untrack_variable(variable)


@contextlib.contextmanager
def tracked(optimizer, variables):
    """Show variables among those of an optimizer for a moment."""
    track(optimizer, variables)
    try:
        yield
    finally:
        untrack(optimizer, variables)


@contextlib.contextmanager
def untracked(optimizer, variables):
    """Take them away for a moment."""
    untrack(optimizer, variables)
    try:
        yield
    finally:
        track(optimizer, variables)


def untraced_methods(model):
    """The methods of a model that its author has made functions of TensorFlow, as new ones that were not traced yet.

    Returns:
        {name: function}; empty for other backends, which have no such functions.
    """
    if name() != "tensorflow":
        return {}
    import tensorflow as tf

    kind = tf.types.experimental.PolymorphicFunction
    names = {name for cls in type(model).__mro__ for name, value in vars(cls).items() if isinstance(value, kind)}
    names |= {name for name, value in vars(model).items() if isinstance(value, kind)}
    return {name: getattr(model, name)._clone(None) for name in sorted(names)}


@contextlib.contextmanager
def letting_go(graph):
    """Have an optimizer called without the graph around it being kept for the life of the process.

    Keras sums gradients over the replicas by an operation for which TensorFlow registers a gradient, and with it the
    whole graph of the training step. Nobody differentiates an update.

    Args:
        graph: What `place` gives there.
    """
    registered: dict[str, Any] = {}
    if getattr(graph, "building_function", False):
        with contextlib.suppress(ImportError, AttributeError):  # another version of TensorFlow
            from tensorflow.python.framework import ops as framework

            registered = framework.gradient_registry._registry
    before = set(registered)
    yield
    with contextlib.suppress(Exception):
        for name in set(registered) - before:
            if name.startswith("CustomGradient-") and _knows_graph(registered[name]["type"], graph):
                del registered[name]


def _knows_graph(function, graph, depth=2):
    """Whether a function, or one that it calls, holds tensors of a graph."""
    contents = [cell.cell_contents for cell in function.__closure__ or ()]
    for content in contents:
        if callable(content) and depth and _knows_graph(content, graph, depth - 1):
            return True
        if isinstance(content, (list, tuple)) and any(getattr(part, "graph", None) is graph for part in content):
            return True
    return False


def outside_of_graphs():
    """Context manager in which variables can be made and read even while a graph is being traced."""
    if name() == "tensorflow":
        import tensorflow as tf

        return tf.init_scope()
    if name() == "jax":
        import jax

        return jax.ensure_compile_time_eval()
    return contextlib.nullcontext()


def apart(function, arrays):
    """Call a function out of the compiler's sight: what it computes is not merged with anything around it.

    A compiler that finds the same product in two places computes it once, and keeps what it would have rounded
    otherwise; training would end with other last digits.

    Args:
        function: Called with the arrays; may assign to variables.
        arrays: Arrays, in any nest of lists, tuples and None.

    Returns:
        What the function returns.
    """
    if name() == "jax":
        return function(_set_apart()(arrays))
    if name() == "tensorflow":
        import tensorflow as tf

        if _is_xla():
            from tensorflow.compiler.tf2xla.python import xla

            flat = tf.nest.flatten(arrays, expand_composites=True)
            places = [place for place, array in enumerate(flat) if array is not None]
            for place, array in zip(places, xla.optimization_barrier(*[flat[place] for place in places]), strict=True):
                flat[place] = array
            return function(tf.nest.pack_sequence_as(arrays, flat, expand_composites=True))
        if not tf.executing_eagerly():
            flat = tf.nest.flatten(arrays, expand_composites=True)
            return function(tf.nest.pack_sequence_as(arrays, _recomputed(flat), expand_composites=True))
    return function(arrays)


@functools.cache
def _set_apart():
    """A function of JAX that hands arrays through, so that XLA does not know what they are; see `recomputing`.

    XLA copies a cheap producer into all of its readers, and rounds it there as it always does, if all of them are of a
    kind that it fuses. A barrier is none; a choice is, and what is chosen XLA does not know.
    """
    import jax

    def set_apart(arrays):
        always = jax.lax.optimization_barrier(jax.numpy.array(True))
        chosen = jax.tree.map(lambda array: jax.numpy.where(always, array, jax.numpy.zeros_like(array)), arrays)
        return jax.lax.optimization_barrier(chosen)

    set_apart.__name__ = _APART
    return jax.jit(set_apart)


def recomputing(step):
    """A train step in which what is looked at `apart` is computed a second time.

    How XLA fuses a value, and so how it rounds it and what it is made of, depends on how many read it. Matrix products,
    loops and the like it never fuses; from their results we compute for ourselves what is cheap, sums and products, so
    that these have no reader but the step.

    Args:
        step: Called with arrays in any nest, while a function of JAX is traced.

    Returns:
        A function of the same arguments and results; the step itself for other backends.
    """
    if name() != "jax":
        return step

    @functools.wraps(step)
    def recomputed(*arguments):
        import jax

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
    import jax

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
    read = dict(zip(leaves, _set_apart()([values[leaf] for leaf in leaves]), strict=True))
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


def out_of_line(function, arrays):
    """As `apart`, where it is seldom called: in the branch of a condition.

    TensorFlow visits the operations of a branch that is not taken, too; here it is one.
    """
    if name() != "tensorflow" or _is_xla():
        return apart(function, arrays)  # XLA moves what two branches have in common out of them.
    import tensorflow as tf

    if tf.executing_eagerly():
        return function(arrays)
    own = tf.function(function, autograph=False, experimental_attributes={"_noinline": True})
    return own.get_concrete_function(arrays)(arrays)  # Called at once it would count as being traced each time.


def _recomputed(tensors):
    """The same numbers, in a graph of TensorFlow, without one more reader of what the graph's optimizer may rewrite.

    It rearranges a tree of products or sums as long as each of them has one reader only: the gradient of a factor and
    the learning rate, say. So our reader takes the leaves of the tree, and computes the rest for itself. What is behind
    one `IdentityN` is not found to be the same as what is before it.
    """
    import tensorflow as tf

    leaves: dict[Any, Any] = {}  # by reference: itself
    trees: dict[Any, list[Any]] = {}  # by reference: the operands

    def visit(tensor):
        if tensor.ref() in leaves or tensor.ref() in trees:
            return
        if tensor.op.type not in _REARRANGED:
            leaves[tensor.ref()] = tensor
            return
        trees[tensor.ref()] = list(tensor.op.inputs)
        for operand in tensor.op.inputs:
            visit(operand)

    for tensor in tensors:
        if tensor is not None:
            visit(tensor)
    made = dict(zip(leaves, tf.identity_n(list(leaves.values())), strict=True))

    def make(tensor):
        if tensor.ref() not in made:
            x, y = (make(operand) for operand in trees[tensor.ref()])
            made[tensor.ref()] = getattr(tf.raw_ops, tensor.op.type)(x=x, y=y)
        return made[tensor.ref()]

    return [None if tensor is None else make(tensor) for tensor in tensors]


def _is_xla():
    """Whether the graph that is being traced goes to XLA as a whole."""
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    return graph is not None and control_flow_util.GraphOrParentsInXlaContext(graph)


def compiled(function, model):
    """Compile a function that reads a model's variables and changes none of them.

    Args:
        function: Called with a function that opens a scope in which assignments have no effect, and arrays.
        model: A `keras.Model`. Its variables are read anew at each call.

    Returns:
        A function of the arrays alone.
    """
    reference = weakref.ref(model)

    def read():
        model: Any = reference()
        return [variable.value for variable in model.variables]

    def pure(values, *arrays):
        model: Any = reference()
        # All variables are in the scope: Keras asks it for those that are regularized, and JAX reads no others anew.
        mapping = list(zip(model.variables, values, strict=True))
        mapping += [(variable, ops.zeros(variable.shape, variable.dtype)) for variable in model.metrics_variables]
        # What Keras makes here, it makes for later: metrics, of which no variable is to be born in a compiled function.
        options = {"collect_losses": True, "initialize_variables": False}
        return function(lambda: keras.StatelessScope(mapping, **options), *arrays)

    if name() == "tensorflow":
        import tensorflow as tf

        def traced(*arrays):
            return pure(read(), *arrays)

        # Of functions that share their code TensorFlow counts all tracings together, and warns of many: a `partial` is
        # counted by itself.
        return tf.function(functools.partial(traced), autograph=False)
    if name() == "jax":
        import jax

        jitted = jax.jit(pure)
        return lambda *arrays: jitted(read(), *arrays)
    raise NotImplementedError(f"gradients through time need the backend tensorflow or jax, not {name()}")


def differentiate(function):
    """Differentiate a function with respect to perturbations that it asks for while it runs.

    Args:
        function: Called with `perturb(name, shape, dtype)`, which gives the array of zeros to be added; returns a
            number and anything else.

    Returns:
        The number, the rest, and {name: gradient}.
    """
    if name() == "tensorflow":
        import tensorflow as tf

        zeros = {}
        with tf.GradientTape(watch_accessed_variables=False) as tape:

            def perturb(name, shape, dtype):
                zeros[name] = tf.zeros(shape, dtype)
                tape.watch(zeros[name])
                return zeros[name]

            value, rest = function(perturb)
        gradients = tape.gradient(value, list(zeros.values()), unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return value, rest, dict(zip(zeros, gradients, strict=True))
    import jax

    zeros = {}

    def ask(name, shape, dtype):
        zeros[name] = shape, dtype
        return jax.numpy.zeros(shape, dtype)

    jax.eval_shape(lambda: function(ask)[0])
    zeros = {name: jax.numpy.zeros(*asked) for name, asked in zeros.items()}
    run = jax.value_and_grad(lambda arrays: function(lambda name, *_: arrays[name]), has_aux=True)
    (value, rest), gradients = run(zeros)
    return value, rest, gradients


def place():
    """Where the running function is traced: what is computed in one place cannot be used in another one around it."""
    if name() == "tensorflow":
        import tensorflow as tf

        return tf.compat.v1.get_default_graph()
    try:
        from jax.extend.core import get_opaque_trace_state
    except ImportError:  # an older JAX
        from jax.core import get_opaque_trace_state
    return get_opaque_trace_state(convention="flax")


def masked_output(layer, state):
    """What Keras makes of the output of a recurrent layer at a masked step.

    Args:
        layer: The `RNN`.
        state: The initial state of what it hands on.

    Returns:
        Whether it becomes zero, and what it becomes otherwise where no output came before.
    """
    if name() == "jax":
        return layer.zero_output_for_mask and not layer.unroll, ops.zeros_like(state) if layer.unroll else state
    return layer.zero_output_for_mask, ops.zeros_like(state)


def pull_back(function, at, gradient):
    """Gradient with respect to what goes into a function, given that with respect to what comes out."""
    if name() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(at)
            value = function(at)
        return tape.gradient(value, at, output_gradients=gradient)
    import jax

    return jax.vjp(function, at)[1](gradient)[0]


def scan(step, carry, arrays, steps):
    """Run `step(carry, slices) -> carry` over the first axis of the arrays.

    Args:
        step: Called once a step.
        carry: A tuple of arrays.
        arrays: A list of arrays (steps, ...).
        steps: How many; a tensor where the number is not known before.

    Returns:
        The last carry, and the carries of all steps, stacked.
    """
    if isinstance(steps, int) and steps <= (_UNROLLED if name() == "tensorflow" else 1):
        results = []
        for slices in zip(*(ops.unstack(array, steps) for array in arrays), strict=True):
            carry = step(carry, slices)
            results.append(carry)
        return carry, [ops.stack(parts) for parts in zip(*results, strict=True)]
    if name() == "tensorflow":
        import tensorflow as tf

        def one(carry, slices):
            # What is computed may know less of its shape than what it began with.
            return tuple(tf.ensure_shape(new, old.shape) for new, old in zip(step(carry, slices), carry, strict=True))

        results = tf.scan(one, tuple(arrays), initializer=tuple(carry))
        return [result[-1] for result in results], list(results)

    def both(carry, slices):
        carry = step(carry, slices)
        return carry, carry

    return ops.scan(both, tuple(carry), arrays)


def dataflow(function):
    """Find out what arrays are made of.

    Args:
        function: Gives a list of (taken, given), two lists of arrays each.

    Returns:
        A function (number, others) -> those of the other numbers whose given arrays the taken ones of this number are
        made of, not counting what reaches them only by way of another one.
    """
    if name() == "tensorflow":
        import tensorflow as tf

        ends: list[Any] = []
        traced = tf.function(lambda: ends.extend(function()), autograph=False).get_concrete_function()

        def made_of(tensor):
            return tensor.op.inputs if getattr(tensor, "graph", None) is traced.graph else []  # A variable has none.
    else:
        import jax

        shape: list[Any] = []

        def flat():
            arrays, structure = jax.tree.flatten([list(pair) for pair in function()])
            shape.append(structure)
            return arrays

        jaxpr = jax.make_jaxpr(flat)().jaxpr
        ends = jax.tree.unflatten(shape[0], jaxpr.outvars)
        makers = {id(result): equation for equation in jaxpr.eqns for result in equation.outvars}

        def made_of(variable):
            return makers[id(variable)].invars if id(variable) in makers else []

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
