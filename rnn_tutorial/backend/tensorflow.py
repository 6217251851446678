"""What TensorFlow gives; see `protocol.py`."""

import contextlib
import functools
from typing import Any

import keras
import tensorflow as tf

from rnn_tutorial.backend import common

# Operations whose trees the optimizer of a graph rearranges.
_REARRANGED = {"Mul", "Add", "AddV2"}
# Loops of up to this many steps run faster unrolled than as a loop in the graph, and take no longer to trace.
_UNROLLED = 16


def endless_batches(arrays, batch_size, seed):
    """A `tf.data.Dataset`, so that no batch passes through Python."""
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


def compiled(function, model):
    """A `tf.function`, which reads the variables itself."""
    pure, read = common.stateless(function, model)

    def traced(*arrays):
        return pure(read(), *arrays)

    # Of functions that share their code TensorFlow counts all tracings together, and warns of many: a `partial` is
    # counted by itself.
    return tf.function(functools.partial(traced), autograph=False)


def differentiate(function):
    """On a tape that watches only what is asked for."""
    zeros = {}
    with tf.GradientTape(watch_accessed_variables=False) as tape:

        def perturb(name, shape, dtype):
            zeros[name] = tf.zeros(shape, dtype)
            tape.watch(zeros[name])
            return zeros[name]

        value, rest = function(perturb)
    gradients = tape.gradient(value, list(zeros.values()), unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return value, rest, dict(zip(zeros, gradients, strict=True))


def pull_back(function, at, gradient):
    """On a tape."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(at)
        value = function(at)
    return tape.gradient(value, at, output_gradients=gradient)


def scan(step, carry, arrays, steps):
    """Written out while it is short."""
    if isinstance(steps, int) and steps <= _UNROLLED:
        return common.unrolled(step, carry, arrays, steps)

    def one(carry, slices):
        # What is computed may know less of its shape than what it began with.
        return tuple(tf.ensure_shape(new, old.shape) for new, old in zip(step(carry, slices), carry, strict=True))

    results = tf.scan(one, tuple(arrays), initializer=tuple(carry))
    return [result[-1] for result in results], list(results)


def dataflow(function):
    """From the operations of the function's graph."""
    ends: list[Any] = []
    traced = tf.function(lambda: ends.extend(function()), autograph=False).get_concrete_function()

    def made_of(tensor):
        return tensor.op.inputs if getattr(tensor, "graph", None) is traced.graph else []  # A variable has none.

    return common.reached(ends, made_of)


def place():
    """The graph."""
    return tf.compat.v1.get_default_graph()


def outside_of_graphs():
    """Out of all functions that are being traced."""
    return tf.init_scope()


def is_replicated(model):
    """By TensorFlow's strategy or Keras' distribution."""
    from rnn_tutorial.inspection import keras_internals  # which lies in a room that imports this one

    strategy = keras_internals.strategy(model)
    return getattr(strategy, "num_replicas_in_sync", 1) > 1 or keras.distribution.distribution() is not None


def rows(gradient):
    """The gradient of an `Embedding` comes as rows, some of them several times."""
    return gradient.values if _is_sparse(gradient) else gradient


def dense(gradient, rows, shape):
    """Rows that are there several times are added."""
    return tf.math.unsorted_segment_sum(rows, gradient.indices, shape[0]) if _is_sparse(gradient) else rows


def _is_sparse(gradient):
    return isinstance(gradient, tf.IndexedSlices)


def square_sums(arrays):
    """One operation an array."""
    return 2 * tf.stack([tf.nn.l2_loss(array) for array in arrays])


def apart(function, arrays, seldom=False):
    """Behind a barrier for XLA; elsewhere what the graph's optimizer may rewrite is computed again."""
    if _is_xla():  # XLA moves what two branches have in common out of them.
        return _behind_barrier(function, arrays)
    if tf.executing_eagerly():
        return function(arrays)
    if seldom:
        # TensorFlow visits the operations of a branch that is not taken, too; here it is one.
        own = tf.function(function, autograph=False, experimental_attributes={"_noinline": True})
        return own.get_concrete_function(arrays)(arrays)  # Called at once it would count as being traced each time.
    flat = tf.nest.flatten(arrays, expand_composites=True)
    return function(tf.nest.pack_sequence_as(arrays, _recomputed(flat), expand_composites=True))


def _behind_barrier(function, arrays):
    """Seen in TensorFlow 2.21: `tensorflow.compiler.tf2xla.python.xla.optimization_barrier`."""
    from tensorflow.compiler.tf2xla.python import xla

    flat = tf.nest.flatten(arrays, expand_composites=True)
    places = [place for place, array in enumerate(flat) if array is not None]
    for place, array in zip(places, xla.optimization_barrier(*[flat[place] for place in places]), strict=True):
        flat[place] = array
    return function(tf.nest.pack_sequence_as(arrays, flat, expand_composites=True))


def _is_xla():
    """Whether the graph that is being traced goes to XLA as a whole.

    Seen in TensorFlow 2.21: `tensorflow.python.ops.control_flow_util.GraphOrParentsInXlaContext`.
    """
    from tensorflow.python.ops import control_flow_util

    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    return graph is not None and control_flow_util.GraphOrParentsInXlaContext(graph)


def _recomputed(tensors):
    """The same numbers, in a graph of TensorFlow, without one more reader of what the graph's optimizer may rewrite.

    It rearranges a tree of products or sums as long as each of them has one reader only: the gradient of a factor and
    the learning rate, say. So our reader takes the leaves of the tree, and computes the rest for itself. What is behind
    one `IdentityN` is not found to be the same as what is before it.
    """
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


@contextlib.contextmanager
def forgetting(graph):
    """Seen in TensorFlow 2.21: `tensorflow.python.framework.ops.gradient_registry._registry`.

    Keras sums gradients over the replicas by an operation for which TensorFlow registers a gradient, and with it the
    whole graph of the training step. Nobody differentiates an update.
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


def is_of_tracing(error):
    """What fails while TensorFlow runs is an error of a class of its own."""
    return not isinstance(error, (tf.errors.OpError, StopIteration)) and not tf.config.functions_run_eagerly()


def untraced_methods(model):
    """The methods that are functions of TensorFlow. Seen in TensorFlow 2.21: their `_clone`."""
    kind = tf.types.experimental.PolymorphicFunction
    names = {name for cls in type(model).__mro__ for name, value in vars(cls).items() if isinstance(value, kind)}
    names |= {name for name, value in vars(model).items() if isinstance(value, kind)}
    return {name: getattr(model, name)._clone(None) for name in sorted(names)}
