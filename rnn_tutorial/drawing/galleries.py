"""Many small pictures side by side."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rnn_tutorial.drawing.matrices import largest_magnitude
from rnn_tutorial.drawing.page import Page, colormap
from rnn_tutorial.drawing.style import NUMBER


def gallery(pictures: ArrayLike, title: str, labels: Sequence[object] | None = None, columns: int = 8) -> Figure:
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
    page = Page(width, height, title)
    reach = largest_magnitude([pictures])
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
            page.diverging_panel(box, picture, reach, str(number))
        else:
            page.panel(box, picture, colormap("gray_r"), 0, reach, str(number))
        if labels is not None:
            page.write(place + across / 2, upper - 0.05, labels[number], NUMBER, across + gap, ha="center")
    bar = left + columns * (across + gap) + 0.1, top + above, 0.15, min(max(height - top - above - 0.25, 0.6), 3.0)
    if is_signed:
        page.diverging_bar(bar, reach)
    else:
        page.bar(bar, colormap("gray_r"), 0, reach, {0: "0", reach: f"{reach:.2g}"})
    return page.figure
