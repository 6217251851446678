"""The boxes and arrows of a recurrent network unrolled along time: a row a layer, a column a time step."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import keras

from rnn_tutorial.drawing.boxes_and_arrows import Edge, Node, text_width
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
_FILLS = ("#DCEAF7", "#FBE3D6", "#DFF2E9", "#F3E3F1", "#FFF3CD")
_LINES = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#B8860B")
_GREY = "#444444"
_ROW_HEIGHT = 1.25

Label = int | str | None  # what stands over a column, see `_columns`


def unrolled_boxes(model: keras.Model) -> tuple[list[Node], list[Edge]] | None:
    """(nodes, edges), or None for a model that has no recurrent layers or cannot be drawn as a chain of layers."""
    chain = _chain(model)
    if chain is None:
        return None
    recurrent = [number for number, stage in enumerate(chain) if _is_recurrent(stage.layer)]
    first, last = recurrent[0], recurrent[-1]
    timesteps = chain[first].reads[1]
    if any(stage.reads[1] != timesteps for stage in chain[first : last + 1]):
        return None  # Two lengths of time would need two time axes.
    widest = max(text_width(f"{stage.name}{_activation(stage.layer)}") for stage in chain)
    scene = _Scene(timesteps, pitch=max(1.75, widest + 0.35))
    if isinstance(model.input_shape, tuple) and model.input_shape[1:2] == (timesteps,):
        scene.add_input(_per_step(model.input_shape))
    for number, stage in enumerate(chain[: last + 1]):
        color, fill = _LINES[number % len(_LINES)], _FILLS[number % len(_FILLS)]
        if _is_recurrent(stage.layer):
            scene.add_recurrent(stage, color, fill)
        elif not stage.is_sequence(timesteps):
            pass  # What comes before the recurrent layers and has no time steps, or others.
        elif isinstance(stage.layer, _STEP_BY_STEP):
            scene.add_steps(stage, color, fill)
        else:
            scene.add_box_over_all_steps(stage, color, fill)
    is_sequence = chain[last].is_sequence(timesteps)
    if not is_sequence:
        scene.keep_last_step()
    for stage in chain[last + 1 :]:
        if is_sequence and len(stage.reads) < 3:
            return None  # An operation has made one of many steps, and nobody knows how.
        is_sequence = stage.is_sequence(timesteps)
        scene.add_after_recurrent(stage, is_sequence)
    return scene.nodes, scene.edges


class _Scene:
    """Boxes and arrows, added row by row from the bottom.

    Args:
        timesteps: Length of the sequence; None is not known.
        pitch: Inches from one time step to the next.
    """

    def __init__(self, timesteps: int | None, pitch: float) -> None:
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.columns = _columns(timesteps)
        self.pitch = pitch
        self.row = 0
        self.below: dict[int, Node] = {}  # {column: box} of the uppermost row, which the next one reads

    @property
    def drawn(self) -> list[int]:
        """The columns that are no dots."""
        return [number for number, label in enumerate(self.columns) if label is not None]

    def add_input(self, features: str) -> None:
        """What the model reads at each step, in the lowest row."""
        self.below = self._place(lambda t: f"x_{t}  {features}")

    def add_steps(self, stage: "_Stage", color: str, fill: str) -> None:
        """A layer that makes something of each time step by itself."""
        self.row += 1
        above = self._place(lambda t: f"{stage.name}\n{_per_step(stage.gives)}", fill=fill, line=color)
        self._rise(above, color)

    def add_box_over_all_steps(self, stage: "_Stage", color: str, fill: str) -> None:
        """A layer in one box over all steps: each thing it gives may come from all that it reads."""
        self.row += 1
        width = (len(self.columns) - 1) * self.pitch
        text = f"{stage.name}\n{_per_step(stage.gives)}"
        box = Node(width / 2, self.row * _ROW_HEIGHT, text, width + 1.1, fill=fill, line=color)
        lower = {n: _corner(n * self.pitch, box.y - box.height / 2) for n in self.drawn}
        upper = {n: _corner(n * self.pitch, box.y + box.height / 2) for n in self.drawn}
        self.nodes.extend([box, *lower.values(), *upper.values()])
        self._rise(lower, color)
        self.below = upper

    def add_recurrent(self, stage: "_Stage", color: str, fill: str) -> None:
        """A layer that hands its state from step to step, with one set of weights for all of them."""
        self.row += 1
        state = "h_{t}, c_{t}" if _has_cell_state(stage.layer) else "h_{t}"
        text = f"{stage.name}\n{state}  ({_units(stage.layer)},)"
        cells = self._place(lambda t: text.replace("{t}", str(t)), fill=fill, line=color, width=1.25)
        self._rise(cells, color)
        start = self._pass_on_state(cells, state, color, isinstance(stage.layer, keras.layers.Bidirectional))
        self._share_weights(cells, start, stage, color, fill)

    def keep_last_step(self) -> None:
        """Let the next row read the last step only."""
        last = max(self.below)
        self.below = {last: self.below[last]}

    def add_after_recurrent(self, stage: "_Stage", is_sequence: bool) -> None:
        """A layer above the recurrent ones, a box a step or one box."""
        self.row += 1
        shape = _per_step(stage.gives) if is_sequence else _vector(stage.gives)
        shape += ", reads x too" if stage.reads_input_too else ""
        text = f"{stage.name}{_activation(stage.layer)}\n{shape}"
        if is_sequence:
            self._rise(self._place(lambda t: text, width=1.4), _GREY)
            return
        last = max(self.below)
        node = Node(x=last * self.pitch, y=self.row * _ROW_HEIGHT, text=text, width=1.4)
        self.nodes.append(node)
        # What reads a sequence reads each of its steps.
        self.edges.extend(Edge(each, node) for each in self.below.values() if each.line)
        self.below = {last: node}

    def _place(self, text: Callable[[Label], str], **style: Any) -> dict[int, Node]:
        """One box in each column of this row; {column: box}."""
        placed = {}
        for number, label in enumerate(self.columns):
            placed[number] = Node(
                x=number * self.pitch,
                y=self.row * _ROW_HEIGHT,
                text="· · ·" if label is None else text(label),
                **({"width": 0.5, "line": ""} if label is None else style),
            )
        self.nodes.extend(placed.values())
        return placed

    def _rise(self, above: dict[int, Node], color: str) -> None:
        """Arrows from each step of the uppermost row to the same of the new one, which takes its place."""
        self.edges.extend(Edge(self.below[n], above[n], color) for n in self.drawn if n in self.below)
        self.below = above

    def _pass_on_state(self, cells: dict[int, Node], state: str, color: str, both: bool) -> Node:
        """Arrows from step to step, and the state before the first one, which is returned."""
        first = cells[0]
        start = Node(first.x, first.y, state.format(t=0) + " = 0", width=0.9, height=0.3, line="")
        start.x -= first.width / 2 + 0.175 + start.width / 2
        self.nodes.append(start)
        for before, after in itertools.pairwise([start, *cells.values()]):
            self.edges.append(Edge(before, after, color, arrow="both" if both and before is not start else "forward"))
        return start

    def _share_weights(self, cells: dict[int, Node], start: Node, stage: "_Stage", color: str, fill: str) -> None:
        """One box of weights, left of the first state, and a dashed rail from it to each step's copy of the cell."""
        first = cells[0]
        rail = first.y - 0.52
        lines = [f"{weight.name} {tuple(weight.shape)}" for weight in stage.layer.weights]
        count = f"{stage.layer.count_params():,} numbers, used at every step"
        box = Node(
            first.x,
            first.y - 0.2,
            "\n".join([f"{stage.name}: one set of weights", *lines, count]),
            width=2.7,
            height=0.26 + 0.16 * (len(lines) + 1),
            fill=fill,
            line=color,
        )
        box.x = start.x - start.width / 2 - 0.2 - box.width / 2
        before = _corner(box.x + box.width / 2, rail)
        self.nodes.extend((box, before))
        for cell in cells.values():
            if not cell.line:
                continue
            point, foot = _corner(cell.x - 0.35, rail), _corner(cell.x - 0.35, cell.y - cell.height / 2)
            self.nodes.extend((point, foot))
            self.edges.append(Edge(before, point, color, dashed=True, arrow="none"))
            self.edges.append(Edge(point, foot, color, dashed=True))
            before = point


def _corner(x: float, y: float) -> Node:
    """A point where arrows begin or end."""
    return Node(x, y, "", width=0.01, height=0.01, line="")


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


def _activation(layer):
    """What a layer's name is followed by."""
    name = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return "" if name == "linear" else f", {name}"


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
