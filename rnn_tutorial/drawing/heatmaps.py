"""Matrices as colours: a small one with its numbers, and all weights of a layer."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rnn_tutorial.drawing.matrices import axis_name, largest_magnitude, thin
from rnn_tutorial.drawing.page import Page
from rnn_tutorial.drawing.style import LABEL


def heatmap(
    values: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    row_axis: str = "",
    column_axis: str = "",
    center: float = 0.0,
) -> Figure:
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


def weights(matrices: Mapping[str, Mapping[str, ArrayLike]], title: str) -> Figure:
    """Draw all weights of a layer in one picture: a row a weight, a column a gate.

    Args:
        matrices: {weight: {gate: (rows, columns) or (columns,)}}; the gate of a weight that is not split is "".
        title: Title of the picture.

    Returns:
        A matplotlib `Figure`. The colours of each row reach as far as the largest weight in it.

    Raises:
        ValueError: There is no weight to draw, or one has neither one axis nor two.
    """
    if not matrices or not all(matrices.values()):
        raise ValueError(f"matrices must hold at least one weight, and each weight one matrix, received {matrices!r}")
    cells = {
        weight: {gate: thin(f"matrices[{weight!r}][{gate!r}]", values, flat=True) for gate, values in parts.items()}
        for weight, parts in matrices.items()
    }
    names = [list(parts) for parts in cells.values()]
    # Names of gates stand once, above the first of the rows that have the same.
    named = [names[i] != [""] and (i == 0 or names[i] != names[i - 1]) for i in range(len(names))]
    strips = [max(len(values) for _, _, values in parts.values()) <= 2 for parts in cells.values()]
    widths = {tuple(len(units) for _, units, _ in parts.values()) for parts in cells.values()}
    numbered = [len(widths) > 1 or i == len(names) - 1 for i in range(len(names))]
    heights = [0.3 if strip else 1.2 for strip in strips]
    width, left, room, gap = 7.4, 0.75, 5.45, 0.12
    height = 1.05 + sum(heights) + 0.36 * len(names) + 0.24 * sum(named) + 0.25 * sum(numbered[:-1])
    page = Page(width, height, title)
    top = 0.42
    for row, (weight, parts) in enumerate(cells.items()):
        down, across = heights[row], (room - gap * (len(parts) - 1)) / len(parts)
        reach = largest_magnitude([values for _, _, values in parts.values()])
        shape = " × ".join(map(str, np.shape(next(iter(matrices[weight].values())))))
        if len(parts) > 1:
            shape = f"{len(parts)} × ({shape})" if " " in shape else f"{len(parts)} × {shape}"
        inputs, units, _ = next(iter(parts.values()))
        page.write(left, top + 0.22, f"{weight}: {shape}{axis_name('', inputs, ' row')}", LABEL, room)
        top += 0.3 + 0.24 * named[row]
        for column, (gate, (inputs, units, values)) in enumerate(parts.items()):
            box = place, *_ = left + column * (across + gap), top, across, down
            page.diverging_panel(box, values, reach, f"{weight}/{gate}".rstrip("/"), hatch=None)
            if named[row]:
                page.write(place + across / 2, top - 0.08, gate, LABEL, across, ha="center")
            # Texts are what takes most of the time; those of the first panel say it for all.
            if column == 0 and not strips[row]:
                page.row_numbers(box, inputs)
                page.axis_names(box, "", "row", 0.6)
            if column == 0 and numbered[row]:
                page.column_numbers(box, units)
        page.diverging_bar((left + room + 0.12, top, 0.15, down), reach)
        top += down + 0.06 + 0.25 * numbered[row]
    page.axes.text(left + room / 2, top, axis_name("column", units), size=LABEL, va="top", ha="center")
    everything = [values for parts in cells.values() for _, _, values in parts.values()]
    page.legend(left, everything, masked=np.zeros((), bool))
    return page.figure
