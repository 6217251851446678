"""What the parts of the CSV reader share: cells, columns of them, and the message that says why one cannot be read."""

import dataclasses
from collections.abc import Iterable

__all__ = ["Column", "clean", "deletion", "listed", "refusal", "shown"]

# Full-width forms stand at a fixed distance from their ASCII twins. Unicode's NFKC would do this too, but it
# would also turn 100 with a footnote, 100², into 1002.
_PLAIN_CHARACTERS: dict[int, str] = {
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u3000"), " "),
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc"), "'"),
    # Marks of writing direction show nothing; Excel puts them around dates that a dialog has given it.
    **dict.fromkeys(map(ord, "\u200b\u200e\u200f\u202a\u202c\ufeff"), ""),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2212"), "-"),
}


def clean(cell: str) -> str:
    """Return a cell with plain characters where typography or an input method has put others."""
    return cell.translate(_PLAIN_CHARACTERS).strip()


def shown(cell: str) -> str:
    """Return a cell as an error message shows it."""
    return repr(cell if len(cell) <= 40 else f"{cell[:37]}...")


def listed(cells: Iterable[str]) -> str:
    """Return several cells as an error message shows them."""
    return ", ".join(map(shown, cells))


def refusal(file: str, line: int | None, found: str, expected: str) -> ValueError:
    """Return the error with which a file is refused, for one of its rows or as a whole."""
    place = file if line is None else f"{file}, row {line}"
    return ValueError(f"{place}: {found}; expected {expected}")


def deletion(lines: list[int]) -> str:
    """Return what an error message says of rows that may be no data."""
    if len(lines) == 1:
        return f"delete row {lines[0]} if it is a title, a total or a note"
    return f"delete rows {lines[0]} to {lines[-1]} if they are titles, totals or notes"


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a file, below its header."""

    file: str
    name: str
    cells: list[str]
    lines: list[int]  # 1-based lines of the file on which the rows begin

    @property
    def place(self) -> str:
        """Where a cell is, as an error message says it."""
        return f"in column {shown(self.name)}"

    def refusal(self, index: int | None, found: str, expected: str) -> ValueError:
        """Return the error with which the file is refused, for one cell or for all of them together."""
        return refusal(self.file, None if index is None else self.lines[index], found, expected)

    def cell(self, index: int) -> str:
        """Return one cell and its column, as an error message shows them."""
        return f"{shown(self.cells[index])} {self.place}"

    def contrast(self, *indices: int) -> str:
        """Return cells and their rows, in the order of the file."""
        return " and ".join(f"{shown(self.cells[index])} in row {self.lines[index]}" for index in sorted(indices))
