"""A Keras model in, a drawn diagram out: its layers, and the same network unrolled along time.

Graphviz' program `dot` (and `neato`, which comes with it) draws; where it is missing, matplotlib does.
"""

import collections
import contextlib
import dataclasses
import itertools
import pathlib
import shutil
import tempfile
import unicodedata
from typing import Any

import keras

from rnn_tutorial.drawing import figures
from rnn_tutorial.inspection import naming, structure
from rnn_tutorial.inspection.recurrent import has_cell_state, hidden_size

# A longer sequence is drawn as its first two steps, dots, and its last one.
_STEPS_DRAWN = 5
# Layers that make something of each time step by itself.
_STEP_BY_STEP = (
    keras.layers.Embedding,
    keras.layers.Dense,
    keras.layers.TimeDistributed,
    keras.layers.Activation,
    keras.layers.Dropout,
    keras.layers.Masking,
)
_FONT = 9  # points
_FILLS = ("#DCEAF7", "#FBE3D6", "#DFF2E9", "#F3E3F1", "#FFF3CD")
_LINES = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#B8860B")


@dataclasses.dataclass
class Node:
    """A box with its centre and size in inches; it is as wide as its text at least."""

    x: float
    y: float
    text: str
    width: float = 1.1
    height: float = 0.5
    fill: str = "#FFFFFF"
    line: str = "#444444"  # "" draws the text alone

    def __post_init__(self):
        """Make room for the text."""
        if self.text:
            self.width = max(self.width, _text_width(self.text))


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
    if has_dot():
        with contextlib.suppress(Exception):  # A program that is there and does not work.
            return _graphviz(*scene)
    return figures.png(figures.boxes(*scene))


def _graphviz(nodes, edges, quiet=True):
    import graphviz

    graph = graphviz.Digraph(engine="neato", graph_attr={"dpi": "110", "bgcolor": "white", "pad": "0.2"})
    graph.attr("node", shape="box", style="rounded,filled", fontname="Helvetica", fontsize=str(_FONT), fixedsize="true")
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
    # neato_no_op: the places are ours, Graphviz only draws. quiet: its warnings are of fonts.
    return graph.pipe(format="png", neato_no_op=1, quiet=quiet)


def _text_width(text):
    """About the width of a text in a box, in inches, in the wider ones of the fonts that may be there."""
    return 0.25 + _FONT / 72 * max(sum(map(_em, line)) for line in text.split("\n"))


def _em(letter):
    """About the width of a letter by the size of the font, at most; what the font lacks is drawn as a wide box."""
    if not letter.isascii():
        return 1.26 if unicodedata.east_asian_width(letter) in "WF" else 1.1
    if letter in "mwMW@%":
        return 1.01
    if letter in " ,.:;|()[]/'fijlrtI":
        return 0.42
    return 0.85 if letter.isupper() or letter in "=+<>~" else 0.68


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
        shape = structure.output_shape(model, layer)
        text += f"\n{shape}" if shape else ""
        text += f"\n{layer.count_params():,} parameters" if layer.built and layer.weights else ""
        nodes[name] = Node(x=rows[row], y=-1.1 * row, text=text, width=2.8, height=0.7, fill=_FILLS[0])
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


def _unrolled_boxes(model):
    """(nodes, edges), or None for a model that has no recurrent layers or cannot be drawn as a chain of layers."""
    chain = _chain(model)
    if chain is None:
        return None
    recurrent = [number for number, stage in enumerate(chain) if _is_recurrent(stage.layer)]
    first, last = recurrent[0], recurrent[-1]
    timesteps = chain[first].reads[1]
    if any(stage.reads[1] != timesteps for stage in chain[first : last + 1]):
        return None  # Two lengths of time would need two time axes.
    columns = _columns(timesteps)

    widest = max(_text_width(f"{stage.name}{_activation(stage.layer)}") for stage in chain)
    pitch, row_height = max(1.75, widest + 0.35), 1.25
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
    drawn = [number for number, label in enumerate(columns) if label is not None]
    below: dict[int, Node] = {}
    row = 0
    if isinstance(model.input_shape, tuple) and model.input_shape[1:2] == (timesteps,):
        features = _per_step(model.input_shape)
        below = place(row, lambda t: f"x_{t}  {features}", steps)
    for number, stage in enumerate(chain[: last + 1]):
        color, fill = _LINES[number % len(_LINES)], _FILLS[number % len(_FILLS)]
        if not _is_recurrent(stage.layer):
            if not stage.is_sequence(timesteps):
                continue  # What comes before the recurrent layers and has no time steps, or others.
            row += 1
            text = f"{stage.name}\n{_per_step(stage.gives)}"
            if isinstance(stage.layer, _STEP_BY_STEP):
                above = place(row, lambda t, text=text: text, steps, fill=fill, line=color)
                rise(below, above, color)
                below = above
            else:  # One box over all steps: each thing it gives may come from all that it reads.
                width = (len(columns) - 1) * pitch + 1.1
                box = Node((len(columns) - 1) * pitch / 2, row * row_height, text, width, fill=fill, line=color)
                ports = {
                    side: {n: Node(n * pitch, box.y + side * box.height / 2, "", 0.01, 0.01, line="") for n in drawn}
                    for side in (-1, 1)
                }
                nodes.extend([box, *ports[-1].values(), *ports[1].values()])
                rise(below, ports[-1], color)
                below = ports[1]
            continue
        row += 1
        state = "h_{t}, c_{t}" if _has_cell_state(stage.layer) else "h_{t}"
        text = f"{stage.name}\n{state}  ({_units(stage.layer)},)"
        above = place(row, lambda t, text=text: _at(text, t), steps, fill=fill, line=color, width=1.25)
        rise(below, above, color)
        is_both_ways = isinstance(stage.layer, keras.layers.Bidirectional)
        start = _pass_on_state(nodes, edges, above, columns, state, color, both=is_both_ways)
        _share_weights(nodes, edges, above, start, stage.name, stage.layer, color, fill)
        below = above

    is_sequence = chain[last].is_sequence(timesteps)
    if not is_sequence:
        below = {max(below): below[max(below)]}  # The last layer hands on its last state only.
    for stage in chain[last + 1 :]:
        row += 1
        if is_sequence and len(stage.reads) < 3:
            return None  # An operation has made one of many steps, and nobody knows how.
        is_sequence = stage.is_sequence(timesteps)
        shape = _per_step(stage.gives) if is_sequence else _vector(stage.gives)
        shape += ", reads x too" if stage.reads_input_too else ""
        text = f"{stage.name}{_activation(stage.layer)}\n{shape}"
        if is_sequence:
            above = place(row, lambda t, text=text: text, steps, width=1.4)
            rise(below, above)
        else:
            node = Node(x=max(below) * pitch, y=row * row_height, text=text, width=1.4)
            nodes.append(node)
            above = {max(below): node}
            # What reads a sequence reads each of its steps.
            edges.extend(Edge(each, node) for each in below.values() if each.line)
        below = above
    return nodes, edges


def _at(text, step):
    """Text of a cell at a step; `{t}` stands for it."""
    return text.replace("{t}", str(step))


def _pass_on_state(nodes, edges, cells, columns, state, color, both):
    """Arrows from step to step, and the state before the first one, which is returned."""
    first = cells[0]
    start = Node(first.x, first.y, state.format(t=0) + " = 0", width=0.9, height=0.3, line="")
    start.x -= first.width / 2 + 0.175 + start.width / 2
    nodes.append(start)
    for before, after in itertools.pairwise([start, *cells.values()]):
        edges.append(Edge(before, after, color, arrow="both" if both and before is not start else "forward"))
    return start


def _activation(layer):
    """What a layer's name is followed by."""
    name = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return "" if name == "linear" else f", {name}"


def _share_weights(nodes, edges, cells, start, name, layer, color, fill):
    """One box of weights, to the left of the first state, and a dashed rail from it to each step's copy of the cell."""
    first = cells[0]
    rail = first.y - 0.52
    lines = [f"{weight.name} {tuple(weight.shape)}" for weight in layer.weights]
    box = Node(
        first.x,
        first.y - 0.2,
        "\n".join([f"{name}: one set of weights", *lines, f"{layer.count_params():,} numbers, used at every step"]),
        width=2.7,
        height=0.26 + 0.16 * (len(lines) + 1),
        fill=fill,
        line=color,
    )
    box.x = start.x - start.width / 2 - 0.2 - box.width / 2
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


@dataclasses.dataclass
class _Stage:
    """One layer of a chain, with the shapes of the one array it reads and the one it gives."""

    name: str
    layer: Any
    reads: tuple
    gives: tuple
    reads_input_too: bool = False

    def is_sequence(self, timesteps):
        """Whether it gives something at each time step."""
        return len(self.gives) >= 3 and self.gives[1] == timesteps


def _chain(model):
    """List of `_Stage` from the input through all recurrent layers to the output, or None where there is no such chain.

    After the recurrent layers a layer may read the model's input besides the layer before it. A nested model is opened
    if there are recurrent layers in it.
    """
    layers = naming.top_layers(model)
    holders = {name for name, layer in layers.items() if _holds_recurrent(layer)}
    if not holders or not structure.knows_connections(model):
        return None
    sources = structure.sources(model)
    names = [next(name for name in layers if name in holders)]
    while before := sources[names[0]]:
        if len(before) > 1:
            return None
        names.insert(0, before[0])
    while after := [name for name, given in sources.items() if names[-1] in given]:
        others = [layers[source] for source in sources[after[0]] if source != names[-1]]
        is_past_recurrent = not holders - set(names)
        if len(after) > 1 or not all(isinstance(other, keras.layers.InputLayer) for other in others):
            return None
        if others and not is_past_recurrent:
            return None
        names.append(after[0])
    if holders - set(names):
        return None
    chain = []
    for name in names:
        layer = layers[name]
        reads, gives = structure.shapes(model, layer)
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if name in holders and (len(reads), len(gives)) != (1, 1):
            return None  # States that come in or go out.
        if isinstance(layer, keras.Model) and name in holders:
            inner = _chain(layer)
            if inner is None:
                return None
            chain += [dataclasses.replace(stage, name=f"{name}/{stage.name}") for stage in inner]
        else:
            chain.append(_Stage(name, layer, reads[0], gives[0], reads_input_too=len(sources[name]) > 1))
    return chain


def _holds_recurrent(layer):
    if isinstance(layer, keras.Model):
        return any(_is_recurrent(inner) for inner in naming.layers(layer).values())
    return _is_recurrent(layer)


def _is_recurrent(layer):
    return isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional))


def _has_cell_state(layer):
    inner = layer.forward_layer if isinstance(layer, keras.layers.Bidirectional) else layer
    return has_cell_state(inner.cell)


def _units(layer):
    inner = layer.forward_layer if isinstance(layer, keras.layers.Bidirectional) else layer
    return hidden_size(inner.cell)


def _columns(timesteps):
    """What stands over each column: a step's number, "T" for an unknown last one, None for dots."""
    if timesteps is None:
        return [1, 2, None, "T"]
    if timesteps <= _STEPS_DRAWN:
        return list(range(1, timesteps + 1))
    return [1, 2, None, timesteps]


def _per_step(shape):
    """(batch, time, ...) -> text of what one step holds."""
    rest = tuple(shape)[2:] if shape else ()
    return str(rest) if rest else "(id)"


def _vector(shape):
    return str(shape[1:]) if shape else ""
