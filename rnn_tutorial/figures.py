"""Arrays in, matplotlib `Figure` out. No Keras, and no pyplot: nothing here needs a screen or keeps a window open."""

import functools
import io
from typing import Any

import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator

# Distinct to colour-blind readers too (Okabe and Ito 2008).
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#D55E00", "#009E73", "#CC3311", "#767676"
# A curve that falls through this many powers of ten is drawn on a log axis.
_LOG_DECADES = 2


def png(figure, dpi=100):
    """Render a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    # White behind everything: TensorBoard's dark theme would swallow black labels on nothing.
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()


def legible(text, instead="value"):
    """Make a text that comes from elsewhere fit for a picture.

    Args:
        text: The text, such as the name of a column.
        instead: What to write where no installed font has the text's letters.

    Returns:
        The text, and the family of the font that has its letters.
    """
    for family in _families():
        letters = FT2Font(font_manager.findfont(family)).get_charmap()
        if all(ord(letter) in letters for letter in str(text)):
            # Two dollar signs would be read as mathematics.
            return str(text).replace("$", r"\$"), family
    return instead, _families()[0]


@functools.cache
def _families():
    """The font that comes with matplotlib, and those for Chinese that are installed."""
    chinese = "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei"
    of_systems = "Microsoft YaHei", "SimHei", "PingFang SC", "Heiti SC", "Arial Unicode MS"
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(family for family in (*chinese, *of_systems) if family in installed)]


def curves(history, epochs=None):
    """Draw learning curves side by side: one panel a metric, training and validation in each.

    Args:
        history: {name: values, one an epoch}; a name that begins with `val_` is the validation of the rest of it. NaN
            is a gap.
        epochs: The zero-based epochs of the values; None counts them.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: There is no curve to draw.
    """
    metrics = list(dict.fromkeys(name.removeprefix("val_") for name in history))
    if not metrics:
        raise ValueError(f"history must hold at least one curve, received {history!r}")
    epochs = np.arange(len(next(iter(history.values())))) if epochs is None else np.asarray(epochs)
    columns = min(len(metrics), 3)
    rows = -(-len(metrics) // columns)
    figure = Figure(figsize=(3.6 * columns, 3 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, metric in zip(panels, metrics, strict=False):
        drawn = []
        for name, label, style in (
            (metric, "training", {"color": BLUE}),
            (f"val_{metric}", "validation", {"color": ORANGE, "linestyle": "--"}),
        ):
            if name in history:
                values = np.asarray(history[name], dtype="float64")
                panel.plot(
                    epochs,
                    values,
                    label=label,
                    marker="o" if len(epochs) <= 20 else None,
                    markersize=3,
                    **style,
                )
                drawn.append(values)
        finite = np.concatenate(drawn)
        finite = finite[np.isfinite(finite)]
        if finite.size and finite.min() > 0 and finite.max() > 10**_LOG_DECADES * finite.min():
            panel.set_yscale("log")
        panel.set_title(metric.replace("_", " "))
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)
    for panel in panels[len(metrics) :]:
        panel.set_visible(False)
    return figure


def forecast(history, forecasts, unit="sales", actual=None, actual_label="actual"):
    """Draw a series and what several methods make of the months after it.

    Args:
        history: pandas.Series with a PeriodIndex.
        forecasts: {method: pandas.Series with a PeriodIndex}; the first one is drawn in front.
        unit: What the series counts, for the axis.
        actual: pandas.Series of the true values, where they are known.
        actual_label: What to call them.

    Returns:
        A matplotlib `Figure`.
    """
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(_dates(history), history.to_numpy(), color="black", marker="o", markersize=3, label="history")
    styles = [(BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"), (RED, ":", "v"), (GREY, "--", "D")]
    for number, (name, series) in reversed(list(enumerate(forecasts.items()))):
        color, line, marker = styles[number % len(styles)]
        front: dict[str, Any] = {"linewidth": 2.2, "zorder": 5} if number == 0 else {"linewidth": 1.3}
        axes.plot(
            _dates(series),
            series.to_numpy(),
            line,
            color=color,
            marker=marker,
            markersize=5,
            label=name,
            **front,
        )
    if actual is not None:
        axes.plot(_dates(actual), actual.to_numpy(), "x", color="black", markersize=8, label=actual_label, zorder=6)
    axes.axvline(_dates(history)[-1], color=GREY, linewidth=0.8)
    axes.set_xlabel("month")
    label, family = legible(unit)
    axes.set_ylabel(label, family=family)
    axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    order = [0, *reversed(range(1, len(forecasts) + 1)), *range(len(forecasts) + 1, len(labels))]
    axes.legend([handles[i] for i in order], [labels[i] for i in order], frameon=False)
    return figure


def heatmap(values, rows, columns, title, row_axis="", column_axis="", center=0.0):
    """Draw a small matrix with its numbers, diverging colours around `center`.

    Args:
        values: (rows, columns).
        rows: Label of each row.
        columns: Label of each column.
        title: Title of the picture.
        row_axis: Name of the vertical axis.
        column_axis: Name of the horizontal axis.
        center: Value that is drawn white.

    Returns:
        A matplotlib `Figure`.
    """
    values = np.asarray(values, dtype="float64")  # (rows, columns)
    figure = Figure(figsize=(2.2 + 0.75 * len(columns), 1.6 + 0.45 * len(rows)), layout="constrained")
    axes = figure.subplots()
    reach = np.nanmax(np.abs(values - center)) or 1.0
    shown = axes.imshow(values, cmap="RdBu_r", vmin=center - reach, vmax=center + reach, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel(column_axis)
    axes.set_ylabel(row_axis)
    axes.set_title(title)
    for row, column in np.ndindex(values.shape):
        dark = abs(values[row, column] - center) > 0.6 * reach
        axes.text(
            column,
            row,
            f"{values[row, column]:.2f}",
            ha="center",
            va="center",
            color="white" if dark else "black",
        )
    figure.colorbar(shown, ax=axes)
    return figure


def boxes(nodes, edges):
    """Draw boxes and arrows at given places: what stands in for Graphviz where it is missing.

    Args:
        nodes: Objects with x, y (centre), width, height (inches), text, fill, and line (its colour, "" for none).
        edges: Objects with tail, head (nodes), color, dashed, arrow ("forward", "both" or "none") and around (from side
            to side, around what lies between).

    Returns:
        A matplotlib `Figure` that just holds them.
    """
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
            fontsize=9,
            family="sans-serif",
            linespacing=1.25,
        )
    return figure


def _border(node, other):
    """Where the straight line from a node's centre to another's leaves the node."""
    across, up = other.x - node.x, other.y - node.y
    reach = [half / abs(way) for half, way in ((node.width / 2, across), (node.height / 2, up)) if way]
    share = min([*reach, 1.0])
    return node.x + across * share, node.y + up * share


def _dates(series):
    return series.index.to_timestamp().to_numpy()
