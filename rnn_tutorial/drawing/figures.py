"""Arrays in, matplotlib `Figure` out. No Keras, and no pyplot: nothing here needs a screen or keeps a window open."""

import functools
import io
import math
import re
import unicodedata
from typing import Any

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.image import AxesImage
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator

# Distinct to colour-blind readers too (Okabe and Ito 2008).
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#D55E00", "#009E73", "#CC3311", "#767676"
COLORS = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#E69F00", "black", GREY)
# A curve that falls through this many powers of ten is drawn on a log axis.
_LOG_DECADES = 2

# A gradient is drawn down to this many powers of ten below the largest one.
_FLOW_DECADES = 12
# More rows or columns than this are not drawn: a panel has about as many pixels.
_MOST_CELLS = 300
# What is not a number, what is infinite, and a gradient at the floor of its scale: colours that no scale holds.
_MISSING, _INFINITE, _VANISHED = "#DDDDDD", "#FF00FF", "#000000"
_HATCH = "////"
# In points: what a card of TensorBoard, about 350 pixels wide, leaves readable.
_TITLE, _LABEL, _NUMBER = 13, 11.5, 10.5


def png(figure, dpi=100):
    """Render a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    # White behind everything: TensorBoard's dark theme would swallow black labels on nothing.
    # The least compression halves the time that the bytes take, for a tenth more of them.
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", pil_kwargs={"compress_level": 1})
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
        letters = _letters(family)
        if all(ord(letter) in letters for letter in str(text)):
            # Two dollar signs would be read as mathematics.
            return str(text).replace("$", r"\$"), family
    return instead, _families()[0]


@functools.cache
def _letters(family):
    """The numbers of all letters that a font has."""
    return frozenset(FT2Font(font_manager.findfont(family)).get_charmap())


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
            panel.set_yscale("log")
            # Eight small ticks a power of ten, and powers set as formulas, take as long as all the rest.
            panel.yaxis.set_minor_locator(NullLocator())
            panel.yaxis.set_major_formatter("{x:g}")
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
    return figure


def lines(series, title, x_axis, y_axis, log=False):
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
        text, family = legible(label)
        panel.plot(shown, style, color=color, label=text, marker="o" if few else None, markersize=3, linewidth=1.8)
        zeros = np.flatnonzero(values == 0) if log else ()
        if len(zeros):
            has_zeros = True
            # Across in time steps, up in parts of the axis.
            edge = np.full(len(zeros), 0.012 + 0.02 * number)
            panel.plot(zeros, edge, "x", color=color, markersize=4, transform=panel.get_xaxis_transform())
    if log:
        panel.set_yscale("log")
        panel.yaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    for place, text in ((panel.set_title, title), (panel.set_xlabel, x_axis), (panel.set_ylabel, y_axis)):
        shown, family = legible(text)
        place(shown, family=family)
    panel.grid(alpha=0.3)
    legend = panel.legend(
        frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.02), title="x at the edge: 0" if has_zeros else None
    )
    for text, label in zip(legend.get_texts(), series, strict=True):
        text.set_fontfamily(legible(label)[1])
    return figure


def spread(series, groups, title, x_axis, y_axis, baseline=None):
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
    panel.set_yscale("log")
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter("{x:g}")
    panel.set_xticks(range(len(groups)), groups)
    panel.set_xlim(-0.5, len(groups) - 0.5)
    for place, text in ((panel.set_title, title), (panel.set_xlabel, x_axis), (panel.set_ylabel, y_axis)):
        shown, family = legible(text)
        place(shown, family=family)
    panel.grid(alpha=0.3, axis="y")
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.02))
    return figure


def scatter(series, title, x_axis="index", y_axis="value"):
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
    figure.text(0.5, 1 - 0.22 / height, shown, family=family, size=_TITLE, ha="center", va="center")
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
        panel.set_title(f"{text}: {len(values):,} value{'s' * (len(values) != 1)}", y=1, size=_LABEL, family=family)
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


def gallery(pictures, title, labels=None, columns=8):
    """Draw many small pictures side by side, all on one scale.

    Args:
        pictures: (n, height, width). Where no number is negative, 0 is white and the largest black; otherwise colours
            go from blue through white at zero to red.
        title: Title of the picture.
        labels: What to write above each, n strings; None writes nothing.
        columns: Pictures in a row.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: The pictures are not such an array, or there are not as many labels.
    """
    pictures = np.asarray(pictures, dtype="float64")
    if pictures.ndim != 3 or not pictures.size:
        raise ValueError(f"pictures must be (n, height, width) and not empty, received shape {pictures.shape}")
    if labels is not None and len(labels) != len(pictures):
        raise ValueError(f"labels must be one a picture, {len(pictures)}; received {len(labels)}")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    across, gap, above = 0.8, 0.08, 0.0 if labels is None else 0.22
    down = across * pictures.shape[1] / pictures.shape[2]
    left, top = 0.2, 0.55
    width, height = left + columns * (across + gap) + 0.85, top + rows * (down + gap + above) + 0.15
    # Room for the title, and for the scale, which needs two numbers.
    width, height = max(width, 3.6), max(height, 1.5)
    figure, page = _page(width, height, title)
    reach = _reach([pictures])
    finite = pictures[np.isfinite(pictures)]
    is_signed = bool(finite.size) and finite.min() < 0
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        box = place, upper, *_ = (
            left + column * (across + gap),
            top + above + row * (down + gap + above),
            across,
            down,
        )
        if is_signed:
            _diverging(page, box, picture, reach, str(number))
        else:
            _panel(page, box, picture, _colors("gray_r"), 0, reach, str(number))
        if labels is not None:
            _write(page, place + across / 2, upper - 0.05, labels[number], _NUMBER, across + gap, ha="center")
    bar = left + columns * (across + gap) + 0.1, top + above, 0.15, min(max(height - top - above - 0.25, 0.6), 3.0)
    if is_signed:
        _bar(page, bar, _colors("RdBu_r"), -reach, reach, _ends(reach))
    else:
        _bar(page, bar, _colors("gray_r"), 0, reach, {0: "0", reach: f"{reach:.2g}"})
    return figure


def forecast(history, forecasts, unit="sales", actual=None, actual_label="actual", band=None):
    """Draw a series and what several methods make of the months after it.

    Args:
        history: pandas.Series with a PeriodIndex.
        forecasts: {method: pandas.Series with a PeriodIndex}; the first one is drawn in front.
        unit: What the series counts, for the axis.
        actual: pandas.Series of the true values, where they are known.
        actual_label: What to call them.
        band: (lower, upper, label), two pandas.Series between which the first forecast's interval is shaded; None
            draws none.

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
    if band is not None:
        lower, upper, band_label = band
        axes.fill_between(
            _dates(lower), lower.to_numpy(), upper.to_numpy(), color=BLUE, alpha=0.2, linewidth=0, label=band_label
        )
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


def gradient_flow(norms, epochs, title, floor=None, masked=None):
    """Draw how much gradient reaches each time step, epoch below epoch: where it vanishes, and whether that changes.

    Args:
        norms: (frames, time), the norm of the gradient of the loss with respect to the hidden state of each time step,
            a row an epoch that was looked at; NaN where a step is masked.
        epochs: The zero-based epochs of the rows, increasing.
        title: Title of the picture.
        floor: What is as small as this, or smaller, is drawn as vanished; None takes a power of ten below all norms
            but zero, and at most twelve powers of ten below the largest.
        masked: Bool (time,), True where a step is masked: what is NaN elsewhere is told as "not a number". None takes
            all that is NaN for masked.

    Returns:
        A matplotlib `Figure`. Its image holds the decimal logarithms of the norms.

    Raises:
        ValueError: `norms`, `epochs` and `floor` are not what is said above.
    """
    norms, epochs = np.asarray(norms), np.asarray(epochs)
    _check_matrix("norms", norms, "(frames, time)")
    if epochs.shape != norms.shape[:1]:
        raise ValueError(f"epochs must hold one epoch for each of the {len(norms)} rows of norms, received {epochs!r}")
    if not np.issubdtype(epochs.dtype, np.integer) or epochs[0] < 0 or (np.diff(epochs) <= 0).any():
        raise ValueError(f"epochs must be whole, increasing and not below 0, received {epochs!r}")
    if floor is not None and not 0 < floor < math.inf:
        raise ValueError(f"floor must be positive and finite, received {floor!r}")
    rows, columns = _picked(norms.shape[0]), _picked(norms.shape[1])
    norms = norms[np.ix_(rows, columns)].astype("float64")  # (rows, columns)
    if (norms < 0).any():
        raise ValueError(f"norms must not be negative, received {np.nanmin(norms)}")
    with np.errstate(divide="ignore"):
        logs = np.log10(norms)
    low, high = _decades(logs, floor)
    shown = np.where(logs <= low, low - 1, np.where(logs == np.inf, high + 1, logs))

    width, height = 6.6, 4.0
    figure, page = _page(width, height, title)
    box = left, top, across, down = 0.95, 0.5, width - 2.35, height - 1.25
    colors = _colors("viridis", under=_VANISHED)
    masked = _at(masked, columns)
    _panel(page, box, shown, colors, low, high, "gradient", masked=masked)
    _numbers(page, box, "y", epochs[rows])
    _numbers(page, box, "x", columns)
    _axis_names(page, box, _every("time step", columns), _every("epoch", rows), 0.75)
    step = max(math.ceil((high - low) / 5), 1)
    ticks = {power: f"1e{power}" for power in range(math.floor(high), math.floor(low), -step)}
    block = 0.2
    bar = left + across + 0.25, top, 0.2, down - block - 0.08
    _bar(page, bar, colors, low, high, ticks)
    place = bar[0], top + down - block, bar[2], block
    page.add_artist(_rectangle(place, facecolor=_VANISHED))
    vanished = f"1e{low:.0f}" if low == round(low) else f"{10**low:.2g}"
    page.text(bar[0] + 0.28, top + down - block / 2, f"≤ {vanished}", size=_NUMBER, va="center_baseline")
    page.text(width - 0.12, top + bar[3] / 2, "‖dL/dh‖", size=_LABEL, rotation=90, va="center", ha="right")
    _legend(page, left, [norms], masked=masked)
    return figure


def states(kinds, title, masked=None):
    """Draw what a recurrent layer holds at each time step, one panel a kind of state.

    Args:
        kinds: {kind: (units, time)}, such as "hidden" and "cell"; NaN where a step is masked. The colours of "hidden"
            reach from -1 to 1 at least, those of other kinds as far as the values.
        title: Title of the picture.
        masked: Bool (time,), True where a step is masked: what is NaN elsewhere is told as "not a number". None takes
            all that is NaN for masked.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: There is no state to draw, or one is not a matrix.
    """
    _check_kinds(kinds)
    columns = min(len(kinds), 2)
    rows = -(-len(kinds) // columns)
    across, down = (4.2, 2.6) if columns == 1 else (2.15, 2.6)
    figure, page = _page(columns * (across + 1.75) + 0.2, 0.6 + rows * (down + 1.0), title)
    drawn = {kind: _cells(f"kinds[{kind!r}]", values) for kind, values in kinds.items()}
    for number, (kind, (units, steps, values)) in enumerate(drawn.items()):
        row, column = divmod(number, columns)
        box = left, top, *_ = 0.8 + column * (across + 1.75), 0.8 + row * (down + 1.0), across, down
        reach = _reach([values], least=1.0 if kind == "hidden" else 0.0)
        _diverging(page, box, values, reach, kind, masked=_at(masked, steps))
        _write(page, left + across / 2, top - 0.12, kind, _LABEL, across + 0.6, ha="center")
        _numbers(page, box, "y", units)
        _numbers(page, box, "x", steps)
        _axis_names(page, box, _every("time step", steps), _every("unit", units), 0.62)
        _bar(page, (left + across + 0.1, top, 0.15, down), _colors("RdBu_r"), -reach, reach, _ends(reach))
    _legend(page, 0.8, [values for _, _, values in drawn.values()], _at(masked, steps))
    return figure


def gates(kinds, title, masked=None):
    """Draw how far the gates of a recurrent layer are open at each time step, and what they let in, in one picture.

    Args:
        kinds: {gate: (units, time)}, all of one shape; NaN where a step is masked. What lies between 0 and 1 has the
            colours of a gate, from closed to open; all else has those of a value around zero.
        title: Title of the picture.
        masked: Bool (time,), True where a step is masked: what is NaN elsewhere is told as "not a number". None takes
            all that is NaN for masked.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: There is no gate to draw, one is not a matrix, or they have several shapes.
    """
    _check_kinds(kinds)
    shapes = {gate: np.shape(values) for gate, values in kinds.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"kinds must all have the same shape, received {shapes!r}")
    columns = {1: 1, 2: 2, 4: 2}.get(len(kinds), 3)
    rows = -(-len(kinds) // columns)
    across, down = {1: 4.2, 2: 2.3, 3: 1.6}[columns], 2.6 if rows == 1 else 1.55
    width, height = columns * (across + 0.2) + 2.1, 1.3 + rows * (down + 0.35)
    figure, page = _page(width, height, title)
    drawn = {gate: _cells(f"kinds[{gate!r}]", values) for gate, values in kinds.items()}
    open_or_closed = [gate for gate, (_, _, values) in drawn.items() if _between_0_and_1(values)]
    others = [gate for gate in drawn if gate not in open_or_closed]
    reach = _reach([drawn[gate][2] for gate in others], least=1.0)
    for number, (gate, (units, steps, values)) in enumerate(drawn.items()):
        row, column = divmod(number, columns)
        box = left, top, *_ = 0.8 + column * (across + 0.2), 0.8 + row * (down + 0.35), across, down
        if gate in open_or_closed:
            _panel(page, box, values, _colors("viridis"), 0, 1, gate, masked=_at(masked, steps))
        else:
            _diverging(page, box, values, reach, gate, masked=_at(masked, steps))
        _write(page, left + across / 2, top - 0.1, gate, _LABEL, across + 0.1, ha="center")
        first, last = column == 0, number + columns >= len(drawn)
        if first:
            _numbers(page, box, "y", units)
        if last:
            _numbers(page, box, "x", steps)
        _axis_names(page, box, _every("time step", steps) * last, _every("unit", units) * first, 0.62)
    bars: list[tuple] = []
    if open_or_closed:
        bars.append(("gates", _colors("viridis"), 0, 1, {0: "0 closed", 0.5: "0.5", 1: "1 open"}))
    if others:
        bars.append((", ".join(map(str, others)), _colors("RdBu_r"), -reach, reach, _ends(reach)))
    room = (height - 1.3) / len(bars)
    for number, (name, *scale) in enumerate(bars):
        left, top = width - 1.2, 0.8 + number * (room + 0.06)
        _bar(page, (left, top, 0.17, room - 0.41 if len(bars) > 1 else room - 0.35), *scale)
        if len(bars) > 1:
            _write(page, left, top - 0.13, name, _NUMBER, 1.15)
    _legend(page, 0.8, [values for _, _, values in drawn.values()], _at(masked, steps))
    return figure


def weights(matrices, title):
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
        weight: {gate: _cells(f"matrices[{weight!r}][{gate!r}]", values, flat=True) for gate, values in parts.items()}
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
    figure, page = _page(width, height, title)
    top = 0.42
    for row, (weight, parts) in enumerate(cells.items()):
        down, across = heights[row], (room - gap * (len(parts) - 1)) / len(parts)
        reach = _reach([values for _, _, values in parts.values()])
        shape = " × ".join(map(str, np.shape(next(iter(matrices[weight].values())))))
        if len(parts) > 1:
            shape = f"{len(parts)} × ({shape})" if " " in shape else f"{len(parts)} × {shape}"
        inputs, units, _ = next(iter(parts.values()))
        _write(page, left, top + 0.22, f"{weight}: {shape}{_every('', inputs, ' row')}", _LABEL, room)
        top += 0.3 + 0.24 * named[row]
        for column, (gate, (inputs, units, values)) in enumerate(parts.items()):
            box = place, *_ = left + column * (across + gap), top, across, down
            _diverging(page, box, values, reach, f"{weight}/{gate}".rstrip("/"), hatch=None)
            if named[row]:
                _write(page, place + across / 2, top - 0.08, gate, _LABEL, across, ha="center")
            # Texts are what takes most of the time; those of the first panel say it for all.
            if column == 0 and not strips[row]:
                _numbers(page, box, "y", inputs)
                _axis_names(page, box, "", "row", 0.6)
            if column == 0 and numbered[row]:
                _numbers(page, box, "x", units)
        _bar(page, (left + room + 0.12, top, 0.15, down), _colors("RdBu_r"), -reach, reach, _ends(reach, down))
        top += down + 0.06 + 0.25 * numbered[row]
    page.text(left + room / 2, top, _every("column", units), size=_LABEL, va="top", ha="center")
    everything = [values for parts in cells.values() for _, _, values in parts.values()]
    _legend(page, left, everything, masked=np.zeros((), bool))
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


# The pictures of what happens in a layer are drawn on one page, with inches from its upper left corner as coordinates:
# a dozen axes of matplotlib, with their ticks, take several times as long, and training waits at every look.


def _beside_a_legend(figure, labels):
    """The axes, as wide as the labels of the legend on their right allow."""
    longest = min(48, max((len(label) for label in labels), default=0))
    return figure.add_axes((0.12, 0.13, 0.78 - 0.0105 * longest, 0.76))


def _page(width, height, title):
    figure = Figure(figsize=(width, height))
    page = figure.add_axes((0, 0, 1, 1))
    page.set_axis_off()
    page.set_xlim(0, width)
    page.set_ylim(height, 0)
    _write(page, width / 2, 0.32, title, _TITLE, width - 0.3, ha="center")
    return figure, page


def _panel(page, box, values, colors, low, high, label, hatch=_HATCH, masked=None):
    """An image of a matrix in a frame; where a value is missing, the ground shows, hatched where it is masked."""
    left, top, across, down = box
    missing = np.isnan(values)
    if missing.any():
        page.add_artist(_ground(box, hatch if masked is None else None))
        cell = across / values.shape[1]
        ends = np.flatnonzero(np.diff(np.concatenate([[False], [] if masked is None else masked, [False]])))
        for first, end in ends.reshape(-1, 2):  # of those next to each other
            page.add_artist(_ground((left + first * cell, top, (end - first) * cell, down), hatch))
    image = AxesImage(
        page,
        cmap=colors,
        norm=Normalize(low, high),
        origin="upper",
        interpolation="nearest",
        # In the other stage, rounding would put the largest value beyond the scale.
        interpolation_stage="rgba",
        extent=(left, left + across, top + down, top),
    )
    # What is infinite is as far beyond the scale as can be drawn.
    image.set_data(np.ma.array(np.clip(values, 2 * low - high, 2 * high - low), mask=missing))
    image.set_label(label)
    page.add_image(image)
    page.add_artist(_rectangle(box, facecolor="none"))


def _ground(box, hatch):
    """What shows where a value is missing."""
    return _rectangle(box, facecolor=_MISSING, edgecolor=GREY, linewidth=0, hatch=hatch, zorder=-1)


def _at(masked, steps):
    """Which of the steps that are drawn are masked; None where nobody knows."""
    return None if masked is None else np.asarray(masked)[steps]


def _diverging(page, box, values, reach, label, hatch=_HATCH, masked=None):
    """A panel with colours around zero."""
    _panel(page, box, values, _colors("RdBu_r", under=_INFINITE), -reach, reach, label, hatch, masked)


def _bar(page, box, colors, low, high, ticks):
    """A scale of colours; `ticks` are the texts beside it, by value."""
    left, top, across, down = box
    _panel(page, box, np.linspace(high, low, 128)[:, None], colors, low, high, "scale")
    for value, text in ticks.items():
        y = top + down * (high - value) / (high - low)
        page.text(left + across + 0.08, y, text, size=_NUMBER, va="center_baseline")


def _rectangle(box, **style):
    left, top, across, down = box
    return Rectangle((left, top), across, down, **{"edgecolor": "black", "linewidth": 0.8, **style})


def _numbers(page, box, axis, numbers):
    """Write the number of some rows ("y") or columns ("x") beside a panel; `numbers` are those of all of them."""
    left, top, across, down = box
    half = 0.047 * len(str(numbers[-1]))
    length, room = (down, 0.3) if axis == "y" else (across, 2 * half + 0.3)
    cell = length / len(numbers)
    for position in _ticks(len(numbers), max(int(length / room), 1)):
        text, middle = str(numbers[position]), (position + 0.5) * cell
        if axis == "y":
            page.text(left - 0.06, top + middle, text, size=_NUMBER, va="center_baseline", ha="right")
            continue
        x, side = middle, "center"
        # The outer ones stay within the panel: the next panel has numbers too.
        if cell < 2 * half and position in (0, len(numbers) - 1):
            x, side = (length, "right") if position else (0, "left")
        page.text(left + x, top + down + 0.06, text, size=_NUMBER, va="top", ha=side)


def _axis_names(page, box, x, y, away):
    left, top, across, down = box
    if x:
        page.text(left + across / 2, top + down + 0.27, x, size=_LABEL, va="top", ha="center")
    if y:
        page.text(left - away, top + down / 2, y, size=_LABEL, va="center", ha="center", rotation=90)


def _legend(page, left, matrices, masked=None):
    """Below the panels, what the colours mean that are on no scale; nothing where there are none."""
    entries = []
    missing = [np.isnan(values) for values in matrices]
    if any((one if masked is None else one & masked).any() for one in missing):
        entries.append(("masked", {"facecolor": _MISSING, "edgecolor": GREY, "hatch": _HATCH}))
    if masked is not None and any((one & ~masked).any() for one in missing):
        entries.append(("not a number", {"facecolor": _MISSING, "edgecolor": GREY}))
    if any(np.isinf(values).any() for values in matrices):
        entries.append(("infinite", {"facecolor": _INFINITE}))
    middle = page.get_ylim()[0] - 0.15
    for text, style in entries:
        page.add_artist(_rectangle((left, middle - 0.08, 0.28, 0.16), **style))
        page.text(left + 0.35, middle, text, size=_NUMBER, va="center_baseline")
        left += 0.75 + 0.09 * len(text)


def _write(page, x, y, text, size, room, **style):
    """Write a text that comes from elsewhere; of one that needs more than `room` inches, the middle is left out."""
    text = str(text)
    # About the width of a letter, in inches; a Chinese one is as wide as high.
    wide = [(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.62) * size / 72 for letter in text]
    if sum(wide) > room:
        most = max(int(len(text) * room / sum(wide)) - 1, 2)
        text = f"{text[: most // 2]}…{text[len(text) - (most - most // 2) :]}"
    known = _letters(_families()[0])
    text, family = legible(text, "".join(letter if ord(letter) in known else "?" for letter in text))
    page.text(x, y, text, size=size, family=family, **style)


@functools.cache
def _colors(name, under=_INFINITE):
    return matplotlib.colormaps[name].with_extremes(under=under, over=_INFINITE, bad=(0, 0, 0, 0))


def _check_matrix(name, values, shape):
    if values.ndim != 2 or not values.size:
        raise ValueError(f"{name} must be {shape} and not empty, received shape {values.shape}")


def _check_kinds(kinds):
    if not kinds:
        raise ValueError(f"kinds must hold at least one matrix, received {kinds!r}")


def _cells(name, values, flat=False):
    """The numbers of the rows and of the columns that are drawn, and the values there."""
    values = np.asarray(values)
    if flat and values.ndim == 1:
        values = values[None]
    _check_matrix(name, values, "(rows, columns)" if flat else "(units, time)")
    rows, columns = _picked(values.shape[0]), _picked(values.shape[1])
    return rows, columns, values[np.ix_(rows, columns)].astype("float64")


def _round_step(least):
    """The smallest of 1, 2, 5, 10, 20, 50... that is not below `least`."""
    step = 1
    while step < least:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return step


def _picked(count):
    """Which of so many rows are drawn: all, or one in so many, and the last."""
    step = _round_step(count / _MOST_CELLS)
    return np.union1d(np.arange(0, count, step), [count - 1])


def _every(name, picked, what=""):
    """The name of an axis, which says so where not all is drawn."""
    step = picked[1] - picked[0] if len(picked) > 1 else 1
    return name if step == 1 else f"{name} (every {step}{'nd' if step == 2 else 'th'}{what})"


def _ticks(count, most):
    """Which of so many rows get a number: one in so many, and the last."""
    step = _round_step((count - 1) / max(most - 1, 1))
    ticks = list(range(0, count, step))
    if count - 1 - ticks[-1] < 0.6 * step and len(ticks) > 1:
        ticks.pop()
    return sorted({*ticks, count - 1})


def _decades(logs, floor):
    """From where to where the decimal logarithms of norms are drawn."""
    finite = logs[np.isfinite(logs)]
    largest = math.ceil(finite.max()) if finite.size else 0
    if floor is None:
        smallest = math.ceil(finite.min()) - 1 if finite.size else -math.inf
        low = max(smallest, largest - _FLOW_DECADES)
    else:
        low = math.log10(floor)
    return low, max(largest, math.floor(low) + 1)


def _reach(matrices, least=0.0):
    """The largest magnitude, `least` at least."""
    finite = [np.abs(values[np.isfinite(values)]) for values in matrices]
    reach = max([least, *(values.max() for values in finite if values.size)])
    return min(float(reach), 1e300) or 1.0


def _between_0_and_1(values):
    finite = values[np.isfinite(values)]
    return not finite.size or (finite.min() >= 0 and finite.max() <= 1)


def _ends(reach, down=2.0):
    """The texts of a scale around zero; a low one has no room for the zero."""
    ends = {end: re.sub("e([-+])0*", r"e\1", f"{end:.2g}").replace("e+", "e") for end in (reach, -reach)}
    return ends if down < 0.6 else {**ends, 0: "0"}
