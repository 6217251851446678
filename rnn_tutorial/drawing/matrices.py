"""Which rows and columns of a matrix are drawn where it has too many, and how far its colours reach."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

# More rows or columns than this are not drawn: a panel has about as many pixels.
_MOST_CELLS = 300


def thin(name: str, values: ArrayLike, flat: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take as many rows and columns of a matrix as can be drawn.

    Args:
        name: What to call the matrix where it is refused.
        values: (units, time); with `flat` (rows, columns) or (columns,).
        flat: Whether an array of one axis will do.

    Returns:
        The numbers of the rows and of the columns that are drawn, and the values there.

    Raises:
        ValueError: `values` is no matrix, or empty.
    """
    values = np.asarray(values)
    if flat and values.ndim == 1:
        values = values[None]
    check_matrix(name, values, "(rows, columns)" if flat else "(units, time)")
    rows, columns = kept_indices(values.shape[0]), kept_indices(values.shape[1])
    return rows, columns, values[np.ix_(rows, columns)].astype("float64")


def check_matrix(name: str, values: np.ndarray, shape: str) -> None:
    """Raise a ValueError, which tells the shape there should be, for what is no matrix or an empty one."""
    if values.ndim != 2 or not values.size:
        raise ValueError(f"{name} must be {shape} and not empty, received shape {values.shape}")


def kept_indices(count: int) -> np.ndarray:
    """Which of so many rows are drawn: all, or one in so many, and the last."""
    step = _round_step(count / _MOST_CELLS)
    return np.union1d(np.arange(0, count, step), [count - 1])


def axis_name(name: str, kept: np.ndarray, what: str = "") -> str:
    """The name of an axis, which says so where not all is drawn."""
    step = kept[1] - kept[0] if len(kept) > 1 else 1
    return name if step == 1 else f"{name} (every {step}{'nd' if step == 2 else 'th'}{what})"


def tick_positions(count: int, most: int) -> Sequence[int]:
    """Which of so many rows get a number: one in so many, and the last."""
    step = _round_step((count - 1) / max(most - 1, 1))
    ticks = list(range(0, count, step))
    if count - 1 - ticks[-1] < 0.6 * step and len(ticks) > 1:
        ticks.pop()
    return sorted({*ticks, count - 1})


def _round_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50... that is not below `least`."""
    step = 1
    while step < least:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return step


def largest_magnitude(matrices: Iterable[np.ndarray], least: float = 0.0) -> float:
    """How far from zero the numbers of some matrices reach: `least` at least, and 1 where all are zero."""
    finite = [np.abs(values[np.isfinite(values)]) for values in matrices]
    reach = max([least, *(values.max() for values in finite if values.size)])
    return min(float(reach), 1e300) or 1.0


def scale_texts(reach: float, height: float = 2.0) -> dict[float, str]:
    """The texts beside a scale around zero, by value; a low one has no room for the zero."""
    ends = {end: re.sub("e([-+])0*", r"e\1", f"{end:.2g}").replace("e+", "e") for end in (reach, -reach)}
    return ends if height < 0.6 else {**ends, 0: "0"}
