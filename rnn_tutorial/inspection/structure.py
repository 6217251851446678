"""What is connected to what in a Keras model, and in which shapes; also as a graph for TensorBoard."""

import itertools

from tensorboard.compat.proto import attr_value_pb2, graph_pb2, node_def_pb2, tensor_shape_pb2, types_pb2

from rnn_tutorial.inspection import keras_internals, naming


def sources(model):
    """Find the layers that each layer of a model reads from, by their stable names.

    Operations between layers, such as `a + b`, are passed through. Only a functional or sequential model knows its
    connections; the layers of any other are taken one after the other.

    Returns:
        {name: [names]}, for the layers of `naming.top_layers`.
    """
    layers = naming.top_layers(model)
    if not knows_connections(model):
        return {**{name: [] for name in layers}, **{after: [before] for before, after in itertools.pairwise(layers)}}
    names = {id(layer): name for name, layer in layers.items()}
    found: dict[str, list[str]] = {}
    for name, layer in layers.items():
        waiting = _uses(model, layer)
        found[name] = []
        while waiting:
            for parent in (node.operation for node in waiting.pop(0).parent_nodes):
                if id(parent) in names:
                    found[name].append(names[id(parent)])
                else:
                    waiting += _uses(model, parent)
        found[name] = list(dict.fromkeys(found[name]))
    return found


def knows_connections(model):
    """Whether a model can tell which of its layers reads from which."""
    return keras_internals.functional_of(model) is not None


def shapes(model, layer):
    """Shapes of what a layer reads and gives where a model uses it.

    Returns:
        Two lists of tuples, one tuple an array; both empty where the model does not know.
    """
    uses = _uses(model, layer)
    if not uses:
        return [], []
    return [tuple(x.shape) for x in uses[0].input_tensors], [tuple(y.shape) for y in uses[0].output_tensors]


def output_shape(model, layer):
    """Shape of a layer's output as a tuple, None where it has none, several, or is not known."""
    _, given = shapes(model, layer)
    return given[0] if len(given) == 1 else None


def _uses(model, operation):
    """The places of a model at which it uses an operation; none where the model does not know."""
    functional = keras_internals.functional_of(model)
    return [] if functional is None else keras_internals.nodes_of(functional, operation)


def graph(model):
    """Describe a model for TensorBoard's Graphs tab: a node a layer, its weights inside, shapes on the edges.

    Keras' own callback writes a description that TensorBoard cannot open for a model with two inputs to one layer, and
    shows for no model before another view is chosen.

    Returns:
        The bytes of a `GraphDef`, for `recording.Run.graph`.
    """
    nodes = []
    given = sources(model)
    for name, layer in naming.top_layers(model).items():
        parts = {f"{name}/{weight}": variable for weight, variable in naming.weights(layer).items()}
        nodes += [_node(part, "Weight", tuple(variable.shape)) for part, variable in parts.items()]
        node = _node(name, type(layer).__name__, output_shape(model, layer))
        node.input.extend([*given[name], *parts])
        for setting in ("units", "activation", "return_sequences"):
            value = getattr(layer, setting, None)
            if value is not None:
                node.attr[setting].s = str(getattr(value, "__name__", value)).encode()
        nodes.append(node)
    return graph_pb2.GraphDef(node=nodes).SerializeToString()


def _node(name, kind, shape):
    node = node_def_pb2.NodeDef(name=name, op=kind)
    if shape is not None:
        sizes = [tensor_shape_pb2.TensorShapeProto.Dim(size=-1 if size is None else size) for size in shape]
        shapes = attr_value_pb2.AttrValue.ListValue(shape=[tensor_shape_pb2.TensorShapeProto(dim=sizes)])
        node.attr["_output_shapes"].list.CopyFrom(shapes)
        node.attr["dtype"].type = types_pb2.DT_FLOAT
    return node
