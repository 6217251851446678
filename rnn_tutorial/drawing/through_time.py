"""What happens in a recurrent layer at each time step: its states, its gates, and the gradient that gets there."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rnn_tutorial.drawing.matrices import axis_name, check_matrix, kept_indices, largest_magnitude, scale_texts, thin
from rnn_tutorial.drawing.page import Page, colormap
from rnn_tutorial.drawing.style import LABEL, NUMBER

# A gradient is drawn down to this many powers of ten below the largest one.
_FLOW_DECADES = 12
# The colour of a gradient at the floor of its scale, which no scale holds.
_VANISHED = "#000000"


def gradient_flow(
    norms: ArrayLike,
    epochs: ArrayLike,
    title: str,
    floor: float | None = None,
    masked: ArrayLike | None = None,
) -> Figure:
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
    frames, numbers = np.asarray(norms), np.asarray(epochs)
    check_matrix("norms", frames, "(frames, time)")
    if numbers.shape != frames.shape[:1]:
        raise ValueError(
            f"epochs must hold one epoch for each of the {len(frames)} rows of norms, received {numbers!r}"
        )
    if not np.issubdtype(numbers.dtype, np.integer) or numbers[0] < 0 or np.any(np.diff(numbers) <= 0):
        raise ValueError(f"epochs must be whole, increasing and not below 0, received {numbers!r}")
    if floor is not None and not 0 < floor < math.inf:
        raise ValueError(f"floor must be positive and finite, received {floor!r}")
    rows, columns = kept_indices(frames.shape[0]), kept_indices(frames.shape[1])
    frames = frames[np.ix_(rows, columns)].astype("float64")  # (rows, columns)
    if (frames < 0).any():
        raise ValueError(f"norms must not be negative, received {np.nanmin(frames)}")
    with np.errstate(divide="ignore"):
        logs = np.log10(frames)
    low, high = _decades(logs, floor)
    shown = np.where(logs <= low, low - 1, np.where(logs == np.inf, high + 1, logs))

    width, height = 6.6, 4.0
    page = Page(width, height, title)
    box = left, top, across, down = 0.95, 0.5, width - 2.35, height - 1.25
    colors = colormap("viridis", under=_VANISHED)
    is_masked = _at(masked, columns)
    page.panel(box, shown, colors, low, high, "gradient", masked=is_masked)
    page.row_numbers(box, numbers[rows])
    page.column_numbers(box, columns)
    page.axis_names(box, axis_name("time step", columns), axis_name("epoch", rows), 0.75)
    step = max(math.ceil((high - low) / 5), 1)
    ticks: dict[float, str] = {power: f"1e{power}" for power in range(math.floor(high), math.floor(low), -step)}
    block = 0.2
    bar = left + across + 0.25, top, 0.2, down - block - 0.08
    page.bar(bar, colors, low, high, ticks)
    place = bar[0], top + down - block, bar[2], block
    page.rectangle(place, facecolor=_VANISHED)
    vanished = f"1e{low:.0f}" if low == round(low) else f"{10**low:.2g}"
    page.axes.text(bar[0] + 0.28, top + down - block / 2, f"≤ {vanished}", size=NUMBER, va="center_baseline")
    page.axes.text(width - 0.12, top + bar[3] / 2, "‖dL/dh‖", size=LABEL, rotation=90, va="center", ha="right")
    page.legend(left, [frames], is_masked)
    return page.figure


def states(kinds: Mapping[str, ArrayLike], title: str, masked: ArrayLike | None = None) -> Figure:
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
    page = Page(columns * (across + 1.75) + 0.2, 0.6 + rows * (down + 1.0), title)
    drawn = {kind: thin(f"kinds[{kind!r}]", values) for kind, values in kinds.items()}
    for number, (kind, (units, steps, values)) in enumerate(drawn.items()):
        row, column = divmod(number, columns)
        box = left, top, *_ = 0.8 + column * (across + 1.75), 0.8 + row * (down + 1.0), across, down
        reach = largest_magnitude([values], least=1.0 if kind == "hidden" else 0.0)
        page.diverging_panel(box, values, reach, kind, masked=_at(masked, steps))
        page.write(left + across / 2, top - 0.12, kind, LABEL, across + 0.6, ha="center")
        page.row_numbers(box, units)
        page.column_numbers(box, steps)
        page.axis_names(box, axis_name("time step", steps), axis_name("unit", units), 0.62)
        page.diverging_bar((left + across + 0.1, top, 0.15, down), reach)
    page.legend(0.8, [values for _, _, values in drawn.values()], _at(masked, steps))
    return page.figure


def gates(kinds: Mapping[str, ArrayLike], title: str, masked: ArrayLike | None = None) -> Figure:
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
    page = Page(width, height, title)
    drawn = {gate: thin(f"kinds[{gate!r}]", values) for gate, values in kinds.items()}
    open_or_closed = [gate for gate, (_, _, values) in drawn.items() if _between_0_and_1(values)]
    others = [gate for gate in drawn if gate not in open_or_closed]
    reach = largest_magnitude([drawn[gate][2] for gate in others], least=1.0)
    for number, (gate, (units, steps, values)) in enumerate(drawn.items()):
        row, column = divmod(number, columns)
        box = left, top, *_ = 0.8 + column * (across + 0.2), 0.8 + row * (down + 0.35), across, down
        if gate in open_or_closed:
            page.panel(box, values, colormap("viridis"), 0, 1, gate, masked=_at(masked, steps))
        else:
            page.diverging_panel(box, values, reach, gate, masked=_at(masked, steps))
        page.write(left + across / 2, top - 0.1, gate, LABEL, across + 0.1, ha="center")
        first, last = column == 0, number + columns >= len(drawn)
        if first:
            page.row_numbers(box, units)
        if last:
            page.column_numbers(box, steps)
        page.axis_names(box, axis_name("time step", steps) * last, axis_name("unit", units) * first, 0.62)
    bars: list[tuple] = []
    if open_or_closed:
        bars.append(("gates", colormap("viridis"), 0, 1, {0: "0 closed", 0.5: "0.5", 1: "1 open"}))
    if others:
        bars.append((", ".join(map(str, others)), colormap("RdBu_r"), -reach, reach, scale_texts(reach)))
    room = (height - 1.3) / len(bars)
    for number, (name, *scale) in enumerate(bars):
        left, top = width - 1.2, 0.8 + number * (room + 0.06)
        page.bar((left, top, 0.17, room - 0.41 if len(bars) > 1 else room - 0.35), *scale)
        if len(bars) > 1:
            page.write(left, top - 0.13, name, NUMBER, 1.15)
    page.legend(0.8, [values for _, _, values in drawn.values()], _at(masked, steps))
    return page.figure


def _check_kinds(kinds):
    if not kinds:
        raise ValueError(f"kinds must hold at least one matrix, received {kinds!r}")


def _at(masked, steps):
    """Which of the steps that are drawn are masked; None where nobody knows."""
    return None if masked is None else np.asarray(masked)[steps]


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


def _between_0_and_1(values):
    finite = values[np.isfinite(values)]
    return not finite.size or (finite.min() >= 0 and finite.max() <= 1)
