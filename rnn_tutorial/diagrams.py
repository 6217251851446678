"""A Keras model in, a drawn diagram out: its layers, and the same network unrolled along time.

Graphviz' program `dot` (and `neato`, which comes with it) draws; where it is missing, matplotlib does.
"""

import collections
import dataclasses
import itertools
import pathlib
import shutil
import tempfile

import keras

from rnn_tutorial import figures, naming, structure

# A longer sequence is drawn as its first two steps, dots, and its last one.
_STEPS_DRAWN = 5
_FILLS = ("#DCEAF7", "#FBE3D6", "#DFF2E9", "#F3E3F1", "#FFF3CD")
_LINES = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#B8860B")


@dataclasses.dataclass
class Node:
    """A box with its centre and size in inches."""

    x: float
    y: float
    text: str
    width: float = 1.1
    height: float = 0.5
    fill: str = "#FFFFFF"
    line: str = "#444444"  # "" draws the text alone


@dataclasses.dataclass
class Edge:
    """A straight line between two boxes."""

    tail: Node
    head: Node
    color: str = "#444444"
    dashed: bool = False
    arrow: str = "forward"  # "forward", "both" or "none"
    around: bool = False  # from side to side, around the boxes between the two


def has_dot():
    """Whether Graphviz' program is there to be called."""
    return shutil.which("dot") is not None and shutil.which("neato") is not None


def layers_diagram(model):
    """Draw the layers of a model with shapes, names and activations, as the bytes of a PNG file."""
    if has_dot():
        # Asked of Keras only once `dot` is known to be there: without it, plot_model raises in a script, but in a
        # notebook prints a line and draws nothing.
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "model.png"
            keras.utils.plot_model(
                model,
                to_file=path,
                show_shapes=True,
                show_layer_names=True,
                show_layer_activations=True,
                dpi=110,
            )
            return path.read_bytes()
    return figures.png(figures.boxes(*_layer_boxes(model)))


def unrolled_diagram(model):
    """Draw a chain of recurrent and other layers unrolled along time, as the bytes of a PNG file.

    Each row is a layer, each column a time step. The weights of a recurrent layer stand once, at the left, and a dashed
    rail leads them to each step's copy of the cell.

    Returns:
        The bytes, or None for a model that has no recurrent layers, or that branches.
    """
    scene = _unrolled_boxes(model)
    if scene is None:
        return None
    nodes, edges = scene
    if not has_dot():
        return figures.png(figures.boxes(nodes, edges))
    return _graphviz(nodes, edges)


def _graphviz(nodes, edges):
    import graphviz

    graph = graphviz.Digraph(engine="neato", graph_attr={"dpi": "110", "bgcolor": "white", "pad": "0.2"})
    graph.attr("node", shape="box", style="rounded,filled", fontname="Helvetica", fontsize="9", fixedsize="true")
    graph.attr("edge", arrowsize="0.6")
    names = {id(node): f"n{number}" for number, node in enumerate(nodes)}
    for node in nodes:
        graph.node(
            names[id(node)],
            label=graphviz.escape(node.text),
            pos=f"{72 * node.x},{72 * node.y}",  # points, as neato -n wants
            width=str(node.width),
            height=str(node.height),
            color=node.line or "transparent",
            fillcolor=node.fill if node.line else "transparent",
        )
    for edge in edges:
        graph.edge(
            names[id(edge.tail)],
            names[id(edge.head)],
            color=edge.color,
            style="dashed" if edge.dashed else "solid",
            dir=edge.arrow,
        )
    # neato_no_op: the places are ours, Graphviz only draws.
    return graph.pipe(format="png", neato_no_op=1)


def _layer_boxes(model):
    """The layers as boxes from top to bottom, each layer below all those it reads from."""
    sources = structure.sources(model)
    depth: dict[str, int] = {}
    rows: collections.Counter[int] = collections.Counter()
    nodes = {}
    for name, layer in naming.top_layers(model).items():
        row = depth[name] = 1 + max((depth.get(source, -1) for source in sources[name]), default=-1)
        activation = getattr(getattr(layer, "activation", None), "__name__", "")
        text = f"{name} ({type(layer).__name__}{', ' + activation if activation else ''})"
        shape = structure.output_shape(layer)
        text += f"\n{shape}" if shape else ""
        text += f"\n{layer.count_params():,} parameters" if layer.built and layer.weights else ""
        nodes[name] = Node(x=3.1 * rows[row], y=-1.1 * row, text=text, width=2.8, height=0.7, fill=_FILLS[0])
        rows[row] += 1
    edges = [
        Edge(nodes[source], nodes[name], around=depth[name] - depth[source] > 1)
        for name, given in sources.items()
        for source in given
    ]
    return list(nodes.values()), edges


def _unrolled_boxes(model):
    """(nodes, edges), or None for a model that has no recurrent layers or is no chain of layers."""
    chain = _chain(model)
    if chain is None:
        return None
    recurrent = [number for number, (_, layer) in enumerate(chain) if _is_recurrent(layer)]
    first, last = recurrent[0], recurrent[-1]
    timesteps = chain[first][1].input.shape[1]
    if any(layer.input.shape[1] != timesteps for _, layer in chain[first : last + 1]):
        return None  # Two lengths of time would need two time axes.
    columns = _columns(timesteps)
    every_step = _shape_of_output(chain[last][1], 3) is not None

    pitch, row_height = 1.75, 1.25
    nodes: list[Node] = []
    edges: list[Edge] = []

    def place(row, text, where, **style):
        """One box a drawn step of `where`; {column number: Node}."""
        placed = {}
        for number, label in enumerate(columns):
            if label in where or label is None:
                dots = label is None
                node = Node(
                    x=number * pitch,
                    y=row * row_height,
                    text="· · ·" if dots else text(label),
                    **({"width": 0.5, "line": ""} if dots else style),
                )
                placed[number] = node
                nodes.append(node)
        return placed

    def rise(below, above, color="#444444"):
        edges.extend(Edge(below[n], above[n], color) for n in above if n in below and columns[n] is not None)

    steps = [label for label in columns if label is not None]
    below: dict[int, Node] = {}
    row = 0
    if isinstance(model.input_shape, tuple) and model.input_shape[1:2] == (timesteps,):
        features = _per_step(model.input_shape)
        below = place(row, lambda t: f"x_{t}  {features}", steps)
    for number, (name, layer) in enumerate(chain[: last + 1]):
        if not _is_recurrent(layer) and (_shape_of_output(layer, 3) or (None, "none"))[1] != timesteps:
            continue  # What comes before the recurrent layers and has no time steps, or others.
        row += 1
        color, fill = _LINES[number % len(_LINES)], _FILLS[number % len(_FILLS)]
        if not _is_recurrent(layer):
            shape = _per_step(_shape_of_output(layer, 3) or ())
            above = place(row, lambda t, name=name, shape=shape: f"{name}\n{shape}", steps, fill=fill, line=color)
            rise(below, above, color)
            below = above
            continue
        state = "h_{t}, c_{t}" if _has_cell_state(layer) else "h_{t}"
        size = f"({_units(layer)},)"
        above = place(
            row,
            lambda t, name=name, state=state, size=size: f"{name}\n{state.format(t=t)}  {size}",
            steps,
            fill=fill,
            line=color,
            width=1.25,
        )
        rise(below, above, color)
        _pass_on_state(nodes, edges, above, columns, state, color, both=isinstance(layer, keras.layers.Bidirectional))
        _share_weights(nodes, edges, above, name, layer, color, fill)
        below = above

    where = steps if every_step else steps[-1:]
    for name, layer in chain[last + 1 :]:
        row += 1
        shape = _per_step(_shape_of_output(layer, 3) or ()) if every_step else _vector(_shape_of_output(layer, 2))
        activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
        text = f"{name}{'' if activation == 'linear' else ', ' + activation}\n{shape}"
        above = place(row, lambda t, text=text: text, where, width=1.4, fill="#FFFFFF")
        if not every_step:
            nodes[:] = [node for node in nodes if not (node.text == "· · ·" and node in above.values())]
            above = {n: node for n, node in above.items() if columns[n] is not None}
        rise(below, above)
        below = above
    return nodes, edges


def _pass_on_state(nodes, edges, cells, columns, state, color, both):
    """Arrows from step to step, and the state before the first one."""
    first = cells[0]
    start = Node(first.x - 1.25, first.y, state.format(t=0) + " = 0", width=0.9, height=0.3, line="")
    nodes.append(start)
    for before, after in itertools.pairwise([start, *cells.values()]):
        edges.append(Edge(before, after, color, arrow="both" if both and before is not start else "forward"))


def _share_weights(nodes, edges, cells, name, layer, color, fill):
    """One box of weights, and a dashed rail from it to each step's copy of the cell."""
    first = cells[0]
    rail = first.y - 0.52
    lines = [f"{weight.name} {tuple(weight.shape)}" for weight in layer.weights]
    box = Node(
        first.x - 3.25,
        first.y - 0.2,
        "\n".join([f"{name}: one set of weights", *lines, f"{layer.count_params():,} numbers, used at every step"]),
        width=2.7,
        height=0.26 + 0.16 * (len(lines) + 1),
        fill=fill,
        line=color,
    )
    nodes.append(box)
    before = Node(box.x + box.width / 2, rail, "", width=0.01, height=0.01, line="")
    nodes.append(before)
    for cell in cells.values():
        if not cell.line:
            continue
        point = Node(cell.x - 0.35, rail, "", width=0.01, height=0.01, line="")
        foot = Node(cell.x - 0.35, cell.y - cell.height / 2, "", width=0.01, height=0.01, line="")
        nodes.extend((point, foot))
        edges.append(Edge(before, point, color, dashed=True, arrow="none"))
        edges.append(Edge(point, foot, color, dashed=True))
        before = point


def _chain(model):
    """(name, layer) from the input through all recurrent layers to the output, or None where there is no such chain.

    A layer may read the model's input besides the layer before it. A nested model is opened if there are recurrent
    layers in it.
    """
    layers = naming.top_layers(model)
    holders = [name for name, layer in layers.items() if _holds_recurrent(layer)]
    if not holders or not (isinstance(model, keras.Sequential) or hasattr(model, "operations")):
        return None  # What a subclassed model does with its layers is known to its code alone.
    sources = structure.sources(model)
    names = [holders[0]]
    while before := sources[names[0]]:
        if len(before) > 1:
            return None
        names.insert(0, before[0])
    while after := [name for name, given in sources.items() if names[-1] in given]:
        others = [layers[source] for source in sources[after[0]] if source != names[-1]]
        if len(after) > 1 or not all(isinstance(other, keras.layers.InputLayer) for other in others):
            return None
        names.append(after[0])
    if not set(holders) <= set(names):
        return None
    chain = []
    for name in names:
        if isinstance(layers[name], keras.Model) and name in holders:
            inner = _chain(layers[name])
            if inner is None:
                return None
            chain += [(f"{name}/{part}", layer) for part, layer in inner]
        elif not isinstance(layers[name], keras.layers.InputLayer):
            chain.append((name, layers[name]))
    return chain


def _holds_recurrent(layer):
    if isinstance(layer, keras.Model):
        return any(_is_recurrent(inner) for inner in naming.layers(layer).values())
    return _is_recurrent(layer)


def _is_recurrent(layer):
    return isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional))


def _has_cell_state(layer):
    inner = layer.forward_layer if isinstance(layer, keras.layers.Bidirectional) else layer
    return isinstance(inner, keras.layers.LSTM)


def _units(layer):
    inner = layer.forward_layer if isinstance(layer, keras.layers.Bidirectional) else layer
    size = inner.cell.state_size
    return size if isinstance(size, int) else size[0]


def _columns(timesteps):
    """What stands over each column: a step's number, "T" for an unknown last one, None for dots."""
    if timesteps is None:
        return [1, 2, None, "T"]
    if timesteps <= _STEPS_DRAWN:
        return list(range(1, timesteps + 1))
    return [1, 2, None, timesteps]


def _shape_of_output(layer, rank):
    """Shape of a layer's output if it is one array of this rank, else None."""
    shape = structure.output_shape(layer)
    return shape if shape is not None and len(shape) == rank else None


def _per_step(shape):
    """(batch, time, ...) -> text of what one step holds."""
    rest = tuple(shape)[2:] if shape else ()
    return str(rest) if rest else "(id)"


def _vector(shape):
    return str(shape[1:]) if shape else ""
