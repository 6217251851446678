"""Curves over epochs or steps, and single numbers as points."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from rnn_tutorial.drawing.style import BLUE, COLORS, GREY, LABEL, ORANGE, TITLE, legible

# A curve that falls through this many powers of ten is drawn on a log axis.
_LOG_DECADES = 2


def curves(history: Mapping[str, Sequence[float] | np.ndarray], epochs: ArrayLike | None = None) -> Figure:
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
    width, height = 3.6, 3.0
    figure = Figure(figsize=(width * columns, height * rows))
    for number, metric in enumerate(metrics):
        row, column = divmod(number, columns)
        # Places by hand, with room for numbers of seven digits: to find the best ones, matplotlib draws all twice.
        left, bottom = column * width + 0.75, (rows - 1 - row) * height + 0.52
        panel = figure.add_axes(
            (
                left / (width * columns),
                bottom / (height * rows),
                (width - 0.9) / (width * columns),
                (height - 0.84) / (height * rows),
            )
        )
        _draw_metric(panel, metric, history, epochs)
    return figure


def _draw_metric(
    panel: Axes, metric: str, history: Mapping[str, Sequence[float] | np.ndarray], epochs: np.ndarray
) -> None:
    """Draw training and validation of one metric."""
    drawn = []
    for name, label, color, line in (
        (metric, "training", BLUE, "-"),
        (f"val_{metric}", "validation", ORANGE, "--"),
    ):
        if name in history:
            values = np.asarray(history[name], dtype="float64")
            panel.plot(
                epochs,
                values,
                label=label,
                marker="o" if len(epochs) <= 20 else None,
                markersize=3,
                color=color,
                linestyle=line,
            )
            drawn.append(values)
    finite = np.concatenate(drawn)
    finite = finite[np.isfinite(finite)]
    if finite.size and finite.min() > 0 and finite.max() > 10**_LOG_DECADES * finite.min():
        _use_log_axis(panel)
    else:
        panel.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        # -0.000250 would not fit; the power of ten stands above the axis.
        panel.ticklabel_format(axis="y", scilimits=(-3, 6))
    # With a height, matplotlib does not look for one.
    panel.set_title(metric.replace("_", " "), y=1)
    panel.set_xlabel("epoch")
    panel.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    panel.grid(alpha=0.3)
    panel.legend(frameon=False)


def lines(series: Mapping[str, ArrayLike], title: str, x_axis: str, y_axis: str, log: bool = False) -> Figure:
    """Draw several curves over 0, 1, 2, ... in one panel.

    Args:
        series: {label: values}; NaN is a gap.
        title: Title of the picture.
        x_axis: Name of the horizontal axis.
        y_axis: Name of the vertical axis.
        log: True draws the values on a log axis. A zero has no place there; it is marked at the lower edge.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: There is no curve to draw.
    """
    if not series:
        raise ValueError("series must hold at least one curve, received none")
    figure = Figure(figsize=(7.2, 4.4))
    panel = _beside_a_legend(figure, series)
    has_zeros = False
    for number, (label, given) in enumerate(series.items()):
        values = np.asarray(given, dtype="float64")
        color = COLORS[number % len(COLORS)]
        style = ("-", "--", ":")[number // len(COLORS) % 3]
        shown = np.where(values > 0, values, np.nan) if log else values
        here = np.pad(np.isfinite(shown), 1)
        # A value between two gaps would not show as a line.
        few = len(values) <= 12 or bool((here[1:-1] & ~here[:-2] & ~here[2:]).any())
        text, _ = legible(label)
        panel.plot(shown, style, color=color, label=text, marker="o" if few else None, markersize=3, linewidth=1.8)
        zeros = np.flatnonzero(values == 0) if log else ()
        if len(zeros):
            has_zeros = True
            # Across in time steps, up in parts of the axis.
            edge = np.full(len(zeros), 0.012 + 0.02 * number)
            panel.plot(zeros, edge, "x", color=color, markersize=4, transform=panel.get_xaxis_transform())
    if log:
        _use_log_axis(panel)
    panel.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    _label(panel, title, x_axis, y_axis)
    panel.grid(alpha=0.3)
    legend = panel.legend(
        frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.02), title="x at the edge: 0" if has_zeros else None
    )
    for entry, label in zip(legend.get_texts(), series, strict=True):
        entry.set_fontfamily(legible(label)[1])
    return figure


def spread(
    series: Mapping[str, Sequence[ArrayLike]],
    groups: Sequence[str],
    title: str,
    x_axis: str,
    y_axis: str,
    baseline: tuple[float, str] | None = None,
) -> Figure:
    """Draw repeated measurements side by side on a log axis: a point each, and a line from the smallest to the largest.

    Args:
        series: {label: measurements}, for each group an array of positive numbers.
        groups: Name of each group.
        title: Title of the picture.
        x_axis: Name of the horizontal axis.
        y_axis: Name of the vertical axis.
        baseline: A value to compare with, and its name; None draws none.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: A label has not one array a group, or a number that is not positive.
    """
    figure = Figure(figsize=(7.2, 4.4))
    panel = _beside_a_legend(figure, [*series, baseline[1] if baseline else ""])
    width = 0.6 / max(1, len(series))
    for number, (label, measured) in enumerate(series.items()):
        arrays = [np.ravel(np.asarray(values, dtype="float64")) for values in measured]
        if len(arrays) != len(groups) or not all(len(values) and (values > 0).all() for values in arrays):
            raise ValueError(f"series[{label!r}] must hold positive numbers for each of {list(groups)}")
        color = COLORS[number % len(COLORS)]
        places = np.arange(len(groups)) + (number - (len(series) - 1) / 2) * width
        panel.vlines(
            places,
            [values.min() for values in arrays],
            [values.max() for values in arrays],
            color,
            linewidth=3,
            alpha=0.4,
        )
        for place, values in zip(places, arrays, strict=True):
            panel.plot(np.full(len(values), place), values, "o", color=color, markersize=6, alpha=0.85)
        panel.plot([], [], "o", color=color, label=legible(label)[0])
    if baseline is not None:
        panel.axhline(baseline[0], color=GREY, linestyle="--", label=legible(baseline[1])[0])
    _use_log_axis(panel)
    panel.set_xticks(range(len(groups)), groups)
    panel.set_xlim(-0.5, len(groups) - 0.5)
    _label(panel, title, x_axis, y_axis)
    panel.grid(alpha=0.3, axis="y")
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.02))
    return figure


def scatter(series: Mapping[str, ArrayLike], title: str, x_axis: str = "index", y_axis: str = "value") -> Figure:
    """Draw every single number of some arrays as a point over its place in the array, one panel an array.

    A histogram says how many numbers have which size; this says where in the array they stand.

    Args:
        series: {label: array of any shape}, read in the order in which NumPy flattens it; NaN and infinities are left
            out.
        title: Title of the picture.
        x_axis: Name of the horizontal axes.
        y_axis: Name of the vertical axes.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: There is no array to draw, or one is empty.
    """
    if not series:
        raise ValueError("series must hold at least one array, received none")
    width, top, down, gap = 7.2, 0.5, 1.45, 0.72
    height = top + len(series) * (down + gap)
    figure = Figure(figsize=(width, height))
    shown, family = legible(title)
    figure.text(0.5, 1 - 0.22 / height, shown, family=family, size=TITLE, ha="center", va="center")
    for number, (label, given) in enumerate(series.items()):
        values = np.ravel(np.asarray(given, dtype="float64"))
        if not values.size:
            raise ValueError(f"series[{label!r}] must hold at least one number, received shape {np.shape(given)}")
        bottom = height - top - number * (down + gap) - down - 0.2
        panel = figure.add_axes((0.9 / width, bottom / height, (width - 1.2) / width, down / height))
        # Many points make a cloud of which the density shows; few are dots.
        size, alpha = (5.0, 1.0) if len(values) <= 1000 else (3.0, 0.6) if len(values) <= 10_000 else (1.4, 0.4)
        values[~np.isfinite(values)] = np.nan
        panel.axhline(0, color=GREY, linewidth=0.8)
        panel.plot(values, ".", color=BLUE, markersize=size, markeredgewidth=0, alpha=alpha)
        panel.set_xlim(-0.01 * len(values) - 0.5, 1.01 * len(values) - 0.5)
        text, family = legible(label)
        panel.set_title(f"{text}: {len(values):,} value{'s' * (len(values) != 1)}", y=1, size=LABEL, family=family)
        panel.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        panel.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        for place, name in (
            (panel.set_xlabel, x_axis if number == len(series) - 1 else ""),
            (panel.set_ylabel, y_axis),
        ):
            shown, family = legible(name)
            place(shown, family=family)
        panel.grid(alpha=0.3)
    return figure


def _beside_a_legend(figure: Figure, labels: Iterable[str]) -> Axes:
    """The axes, as wide as the labels of the legend on their right allow."""
    longest = min(48, max((len(label) for label in labels), default=0))
    return figure.add_axes((0.12, 0.13, 0.78 - 0.0105 * longest, 0.76))


def _use_log_axis(panel: Axes) -> None:
    panel.set_yscale("log")
    # Eight small ticks a power of ten, and powers set as formulas, take as long as all the rest.
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter("{x:g}")


def _label(panel: Axes, title: str, x_axis: str, y_axis: str) -> None:
    """Name a panel and its axes, in texts that come from elsewhere."""
    for place, text in ((panel.set_title, title), (panel.set_xlabel, x_axis), (panel.set_ylabel, y_axis)):
        shown, family = legible(text)
        place(shown, family=family)
