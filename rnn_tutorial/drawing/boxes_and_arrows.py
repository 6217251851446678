"""Boxes and arrows at given places: drawn by Graphviz, or by matplotlib where that is missing."""

import contextlib
import dataclasses
import unicodedata
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from rnn_tutorial.drawing.dot import has_dot
from rnn_tutorial.drawing.style import png

_FONT = 9  # points


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

    def __post_init__(self) -> None:
        """Make room for the text."""
        if self.text:
            self.width = max(self.width, text_width(self.text))


@dataclasses.dataclass
class Edge:
    """A straight line between two boxes."""

    tail: Node
    head: Node
    color: str = "#444444"
    dashed: bool = False
    arrow: str = "forward"  # "forward", "both" or "none"
    around: bool = False  # from side to side, around the boxes between the two


def text_width(text: str) -> float:
    """About the width of a text in a box, in inches, in the wider ones of the fonts that may be there."""
    return 0.25 + _FONT / 72 * max(sum(map(_em, line)) for line in text.split("\n"))


def _em(letter: str) -> float:
    """About the width of a letter by the size of the font, at most; what the font lacks is drawn as a wide box."""
    if not letter.isascii():
        return 1.26 if unicodedata.east_asian_width(letter) in "WF" else 1.1
    if letter in "mwMW@%":
        return 1.01
    if letter in " ,.:;|()[]/'fijlrtI":
        return 0.42
    return 0.85 if letter.isupper() or letter in "=+<>~" else 0.68


def picture(nodes: Sequence[Node], edges: Sequence[Edge]) -> bytes:
    """Draw boxes and arrows, as the bytes of a PNG file."""
    if has_dot():
        with contextlib.suppress(Exception):  # A program that is there and does not work.
            return by_graphviz(nodes, edges)
    return png(boxes(nodes, edges))


def by_graphviz(nodes: Sequence[Node], edges: Sequence[Edge], quiet: bool = True) -> bytes:
    """Let Graphviz draw boxes and arrows; `around` has no effect. `quiet` keeps back its warnings, which are of fonts.

    Raises:
        Exception: Graphviz is missing or broken.
    """
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
    # neato_no_op: the places are ours, Graphviz only draws.
    return graph.pipe(format="png", neato_no_op=1, quiet=quiet)


def boxes(nodes: Sequence[Node], edges: Sequence[Edge]) -> Figure:
    """Draw boxes and arrows with matplotlib, in a `Figure` that just holds them."""
    margin = 0.2
    left = min(node.x - node.width / 2 for node in nodes) - margin
    right = max(node.x + node.width / 2 for node in nodes) + margin + 0.8 * any(edge.around for edge in edges)
    bottom = min(node.y - node.height / 2 for node in nodes) - margin
    top = max(node.y + node.height / 2 for node in nodes) + margin
    figure = Figure(figsize=(right - left, top - bottom))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_axis_off()
    for edge in edges:
        if edge.around:
            tail, head = ((node.x + node.width / 2, node.y) for node in (edge.tail, edge.head))
        else:
            tail, head = _border(edge.tail, edge.head), _border(edge.head, edge.tail)
        style = {"forward": "-|>", "both": "<|-|>", "none": "-"}[edge.arrow]
        line = {"arrowstyle": style, "color": edge.color, "linestyle": "--" if edge.dashed else "-"}
        if edge.around:
            # Leave to the right, come back from the right; the control points lie 0.6 inches out.
            reach = 0.6 / (tail[1] - head[1]) if tail[1] != head[1] else 0
            line["connectionstyle"] = f"arc3,rad={-2 * reach}"
        axes.annotate("", head, tail, arrowprops={**line, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 12})
    for node in nodes:
        if node.line:
            corner = (node.x - node.width / 2, node.y - node.height / 2)
            axes.add_patch(
                FancyBboxPatch(
                    corner,
                    node.width,
                    node.height,
                    "round,pad=0,rounding_size=0.06",
                    fc=node.fill,
                    ec=node.line,
                )
            )
        axes.text(
            node.x,
            node.y,
            node.text,
            ha="center",
            va="center",
            fontsize=_FONT,
            family="sans-serif",
            linespacing=1.25,
        )
    return figure


def _border(node: Node, other: Node) -> tuple[float, float]:
    """Where the straight line from a node's centre to another's leaves the node."""
    across, up = other.x - node.x, other.y - node.y
    reach = [half / abs(way) for half, way in ((node.width / 2, across), (node.height / 2, up)) if way]
    share = min([*reach, 1.0])
    return node.x + across * share, node.y + up * share
