"""A figure with inches from its upper left corner as coordinates, and what is drawn on it: panels, scales, numbers.

A dozen axes of matplotlib, with their ticks, take several times as long, and training waits at every look.
"""

import functools
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from rnn_tutorial.drawing.matrices import scale_texts, tick_positions
from rnn_tutorial.drawing.style import GREY, LABEL, NUMBER, TITLE, legible, without_unknown_letters

Box = tuple[float, float, float, float]  # left, top, width and height, in inches

# What is not a number, and what is infinite: colours that no scale holds.
_MISSING, _INFINITE = "#DDDDDD", "#FF00FF"
_HATCH = "////"


class Page:
    """A figure with a title.

    Args:
        width: Inches.
        height: Inches.
        title: Title of the picture; of a long one, the middle is left out.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self.figure = Figure(figsize=(width, height))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set_xlim(0, width)
        self.axes.set_ylim(height, 0)
        self.write(width / 2, 0.32, title, TITLE, width - 0.3, ha="center")

    def panel(
        self,
        box: Box,
        values: np.ndarray,
        colors: Colormap,
        low: float,
        high: float,
        label: str,
        hatch: str | None = _HATCH,
        masked: np.ndarray | None = None,
    ) -> None:
        """An image of a matrix in a frame; where a value is missing, the ground shows, hatched where it is masked."""
        left, top, across, down = box
        missing = np.isnan(values)
        if missing.any():
            self._ground(box, hatch if masked is None else None)
            cell = across / values.shape[1]
            ends = np.flatnonzero(np.diff(np.concatenate([[False], [] if masked is None else masked, [False]])))
            for first, end in ends.reshape(-1, 2):  # of those next to each other
                self._ground((left + first * cell, top, (end - first) * cell, down), hatch)
        image = AxesImage(
            self.axes,
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
        self.axes.add_image(image)
        self.rectangle(box, facecolor="none")

    def diverging_panel(
        self,
        box: Box,
        values: np.ndarray,
        reach: float,
        label: str,
        hatch: str | None = _HATCH,
        masked: np.ndarray | None = None,
    ) -> None:
        """A panel with colours around zero."""
        self.panel(box, values, colormap("RdBu_r"), -reach, reach, label, hatch, masked)

    def bar(self, box: Box, colors: Colormap, low: float, high: float, ticks: Mapping[float, str]) -> None:
        """A scale of colours; `ticks` are the texts beside it, by value."""
        left, top, across, down = box
        self.panel(box, np.linspace(high, low, 128)[:, None], colors, low, high, "scale")
        for value, text in ticks.items():
            y = top + down * (high - value) / (high - low)
            self.axes.text(left + across + 0.08, y, text, size=NUMBER, va="center_baseline")

    def diverging_bar(self, box: Box, reach: float) -> None:
        """The scale of a panel with colours around zero."""
        self.bar(box, colormap("RdBu_r"), -reach, reach, scale_texts(reach, box[3]))

    def rectangle(self, box: Box, **style: Any) -> None:
        """A black frame, unless `style` says otherwise."""
        left, top, across, down = box
        self.axes.add_artist(Rectangle((left, top), across, down, **{"edgecolor": "black", "linewidth": 0.8, **style}))

    def _ground(self, box: Box, hatch: str | None) -> None:
        """What shows where a value is missing."""
        self.rectangle(box, facecolor=_MISSING, edgecolor=GREY, linewidth=0, hatch=hatch, zorder=-1)

    def row_numbers(self, box: Box, numbers: Sequence[int] | np.ndarray) -> None:
        """Write the numbers of some rows beside a panel; `numbers` are those of all of them."""
        left, top, _, down = box
        cell = down / len(numbers)
        for position in tick_positions(len(numbers), max(int(down / 0.3), 1)):
            y = top + (position + 0.5) * cell
            self.axes.text(left - 0.06, y, str(numbers[position]), size=NUMBER, va="center_baseline", ha="right")

    def column_numbers(self, box: Box, numbers: Sequence[int] | np.ndarray) -> None:
        """Write the numbers of some columns below a panel; `numbers` are those of all of them."""
        left, top, across, down = box
        half = 0.047 * len(str(numbers[-1]))
        cell = across / len(numbers)
        for position in tick_positions(len(numbers), max(int(across / (2 * half + 0.3)), 1)):
            x, side = (position + 0.5) * cell, "center"
            # The outer ones stay within the panel: the next panel has numbers too.
            if cell < 2 * half and position in (0, len(numbers) - 1):
                x, side = (across, "right") if position else (0, "left")
            self.axes.text(left + x, top + down + 0.06, str(numbers[position]), size=NUMBER, va="top", ha=side)

    def axis_names(self, box: Box, x: str, y: str, away: float) -> None:
        """Write what the columns and the rows of a panel are, the latter `away` inches to its left; "" is left out."""
        left, top, across, down = box
        if x:
            self.axes.text(left + across / 2, top + down + 0.27, x, size=LABEL, va="top", ha="center")
        if y:
            self.axes.text(left - away, top + down / 2, y, size=LABEL, va="center", ha="center", rotation=90)

    def legend(self, left: float, matrices: Sequence[np.ndarray], masked: np.ndarray | None = None) -> None:
        """Below the panels, what the colours mean that are on no scale; nothing where there are none."""
        entries: list[tuple[str, dict[str, Any]]] = []
        missing = [np.isnan(values) for values in matrices]
        if any((one if masked is None else one & masked).any() for one in missing):
            entries.append(("masked", {"facecolor": _MISSING, "edgecolor": GREY, "hatch": _HATCH}))
        if masked is not None and any((one & ~masked).any() for one in missing):
            entries.append(("not a number", {"facecolor": _MISSING, "edgecolor": GREY}))
        if any(np.isinf(values).any() for values in matrices):
            entries.append(("infinite", {"facecolor": _INFINITE}))
        middle = self.axes.get_ylim()[0] - 0.15
        for text, style in entries:
            self.rectangle((left, middle - 0.08, 0.28, 0.16), **style)
            self.axes.text(left + 0.35, middle, text, size=NUMBER, va="center_baseline")
            left += 0.75 + 0.09 * len(text)

    def write(self, x: float, y: float, text: object, size: float, room: float, **style: Any) -> None:
        """Write a text that comes from elsewhere; of one that needs more than `room` inches, the middle is left out."""
        text = str(text)
        # About the width of a letter, in inches; a Chinese one is as wide as high.
        wide = [(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.62) * size / 72 for letter in text]
        if sum(wide) > room:
            most = max(int(len(text) * room / sum(wide)) - 1, 2)
            text = f"{text[: most // 2]}…{text[len(text) - (most - most // 2) :]}"
        text, family = legible(text, without_unknown_letters(text))
        self.axes.text(x, y, text, size=size, family=family, **style)


@functools.cache
def colormap(name: str, under: str = _INFINITE) -> Colormap:
    """A scale of colours on which what is infinite, and what is below it, stands out, and a missing value is clear."""
    return matplotlib.colormaps[name].with_extremes(under=under, over=_INFINITE, bad=(0, 0, 0, 0))
