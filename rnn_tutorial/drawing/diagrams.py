"""A Keras model in, a drawn diagram out: its layers, and the same network unrolled along time.

Graphviz' program `dot` (and `neato`, which comes with it) draws; where it is missing, matplotlib does.
"""

import collections
import contextlib
import pathlib
import tempfile

from rnn_tutorial._keras import keras
from rnn_tutorial.drawing.boxes_and_arrows import Edge, Node, boxes, picture
from rnn_tutorial.drawing.dot import has_dot
from rnn_tutorial.drawing.style import png
from rnn_tutorial.drawing.unrolled import unrolled_boxes
from rnn_tutorial.inspection import naming, structure

_LAYER_FILL = "#DCEAF7"


def layers_diagram(model: keras.Model) -> bytes:
    """Draw the layers of a model with shapes, names and activations, as the bytes of a PNG file."""
    # Asked of Keras only once `dot` is known to be there: without it, plot_model raises in a script, but in a notebook
    # prints a line and draws nothing.
    if has_dot():
        with contextlib.suppress(Exception), tempfile.TemporaryDirectory() as folder:
            # What Graphviz cannot read, such as a layer's name with < and >, is drawn below.
            path = pathlib.Path(folder) / "model.png"
            keras.utils.plot_model(
                model, to_file=path, show_shapes=True, show_layer_names=True, show_layer_activations=True, dpi=110
            )
            return path.read_bytes()
    return png(boxes(*_layer_boxes(model)))


def unrolled_diagram(model: keras.Model) -> bytes | None:
    """Draw a chain of recurrent and other layers unrolled along time, as the bytes of a PNG file.

    Each row is a layer, each column a time step. The weights of a recurrent layer stand once, at the left, and a dashed
    rail leads them to each step's copy of the cell.

    Returns:
        The bytes, or None for a model that has no recurrent layers, or that branches.
    """
    scene = unrolled_boxes(model)
    return None if scene is None else picture(*scene)


def _layer_boxes(model: keras.Model) -> tuple[list[Node], list[Edge]]:
    """The layers as boxes from top to bottom, each layer below all those it reads from."""
    sources = structure.sources(model)
    depth: dict[str, int] = {}
    rows: collections.Counter[int] = collections.Counter()
    nodes = {}
    for name, layer in naming.top_layers(model).items():
        row = depth[name] = 1 + max((depth.get(source, -1) for source in sources[name]), default=-1)
        activation = getattr(getattr(layer, "activation", None), "__name__", "")
        text = f"{name} ({type(layer).__name__}{', ' + activation if activation else ''})"
        shape = structure.output_shape(model, layer)
        text += f"\n{shape}" if shape else ""
        text += f"\n{layer.count_params():,} parameters" if layer.built and layer.weights else ""
        nodes[name] = Node(x=rows[row], y=-1.1 * row, text=text, width=2.8, height=0.7, fill=_LAYER_FILL)
        rows[row] += 1
    pitch = max(node.width for node in nodes.values()) + 0.3
    for node in nodes.values():
        node.x *= pitch
    edges = [
        Edge(nodes[source], nodes[name], around=depth[name] - depth[source] > 1)
        for name, given in sources.items()
        for source in given
    ]
    return list(nodes.values()), edges
