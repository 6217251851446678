"""From the bytes of a CSV file to a table: its delimiter, its header, its rows."""

import collections
import csv
import dataclasses
import io
import itertools
import os
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rnn_tutorial.data import csv_encoding
from rnn_tutorial.data.csv_dates import certainty, resembles
from rnn_tutorial.data.csv_numbers import is_number
from rnn_tutorial.data.csv_text import Column, clean, deletion, listed, refusal

__all__ = ["Row", "Table", "read_table", "wrong_width"]

# A century of months, with all that a spreadsheet writes beside them, takes less than a tenth of this.
_LARGEST_FILE = 8 * 2**20  # bytes
_MOST_LINES = 120_000  # there are no more months from year 1 to 9999

# The comma comes last: where two fit equally well, a comma is rather a mark inside a number than a delimiter.
_DELIMITERS = ("\t", ";", "|", ",")
_SNIFFED_ROWS = 1000
_FILE_FORM = "a CSV file with a column of months and a column of numbers, one row per month"


class Row(NamedTuple):
    """One row of a file."""

    line: int  # 1-based line of the file on which the row begins
    cells: list[str]


@dataclasses.dataclass(frozen=True)
class Table:
    """The cells of one file, and the name of each column (its 1-based position where it has none)."""

    file: str
    encoding: str
    delimiter: str
    names: list[str]
    rows: list[Row]
    first_line: int
    unnamed: frozenset[int]  # columns whose cell in the header is empty

    def column(self, index: int) -> Column:
        """Return one column; a cell that a short row lacks is empty."""
        cells = [row.cells[index] if index < len(row.cells) else "" for row in self.rows]
        return Column(self.file, self.names[index], cells, [row.line for row in self.rows])


def read_table(path: str | os.PathLike[str], encoding: str | None, names_wanted: set[str]) -> Table:
    """Read a file, or say in one sentence why it is no table.

    Args:
        path: the file.
        encoding: its encoding, if it is known.
        names_wanted: names of columns that the caller asks for, which make the first row a header.
    """
    file, data = _read_bytes(path)
    text, encoding = _decode(file, data, encoding)
    if not re.search(r"[^\s,;|]", text):
        raise refusal(file, None, "the file is empty", _FILE_FORM)
    declared = re.match(r'"?sep=(.)"?\s*?(?:\r\n?|\n)', text)  # Excel's own line
    delimiter = declared[1] if declared else _delimiter(text)
    try:
        rows = list(_parse(text, delimiter, strict=True))[bool(declared) :]
    except csv.Error as error:
        line, reason = error.args
        found = f"the quotes or the length of a cell are not those of a CSV file ({reason})"
        raise refusal(file, line, found, "quotes in pairs around a whole cell") from None
    if not rows:
        raise refusal(file, None, "the file is empty", _FILE_FORM)
    _check_nothing_above(file, rows, names_wanted)
    return _with_header(file, encoding, delimiter, rows, names_wanted)


def _with_header(file: str, encoding: str, delimiter: str, rows: list[Row], names_wanted: set[str]) -> Table:
    first, *below = rows
    has_header = _is_header(rows, names_wanted)
    if has_header and not below:
        found = f"the file has a header, {listed(first.cells)}, and no rows below it"
        raise refusal(file, None, found, "one row per month")
    positions = [str(position) for position in range(1, len(first.cells) + 1)]
    names = [name or position for name, position in zip(first.cells, positions, strict=True)]
    unnamed = frozenset(index for index, name in enumerate(first.cells) if not name)
    table = Table(
        file,
        encoding,
        delimiter,
        names if has_header else positions,
        [_without_surplus(row, len(names)) for row in (below if has_header else rows)],
        first.line,
        unnamed if has_header else frozenset(),
    )
    for row in table.rows:
        # A row that is too long is refused whatever the surplus holds: in a comma file it may be half a
        # number, 1,234. One that is too short can lack a remark, which does no harm, but without a header
        # nobody knows what it lacks.
        if len(row.cells) > len(names) or (len(row.cells) < len(names) and not has_header):
            raise wrong_width(table, row)
    return table


def wrong_width(table: Table, row: Row) -> ValueError:
    """Return the error with which a row of too many or too few cells is refused."""
    found = f"{len(row.cells)} cell{'s' * (len(row.cells) != 1)}, {listed(row.cells[:4])}"

    def undated(rows: Iterable[Row]) -> list[int]:
        return [row.line for row in itertools.takewhile(lambda row: not any(map(certainty, row.cells)), rows)]

    position = table.rows.index(row)
    lines = undated(reversed(table.rows[: position + 1]))[:0:-1] + undated(table.rows[position:])
    hint = f"; {deletion(lines)}" if row.line in lines else ""
    return refusal(table.file, row.line, f"found {found}", f"{len(table.names)} as in row {table.first_line}{hint}")


def _read_bytes(path: str | os.PathLike[str]) -> tuple[str, bytes]:
    try:
        file = str(pathlib.Path(path))
    except TypeError:
        raise ValueError(f"path must be the path of a CSV file, received {path!r}") from None
    try:
        with pathlib.Path(path).open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            # A device or a pipe tells no size.
            data = b"" if size > _LARGEST_FILE else opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        found = "is a directory" if os.path.isdir(path) else f"cannot be read ({error.strerror})"
        raise type(error)(f"{file}: {found}; expected {_FILE_FORM}") from None
    except ValueError:  # a NUL character
        raise ValueError(f"path must be the path of a CSV file, received {path!r}") from None
    if max(size, len(data)) > _LARGEST_FILE:
        found = f"the file is larger than {_LARGEST_FILE // 2**20} MB" + (f" ({size / 2**20:.0f} MB)" if size else "")
        raise refusal(file, None, found, f"{_FILE_FORM}, which is much smaller")
    lines = max(data.count(b"\n"), data.count(b"\r"))
    if lines > _MOST_LINES:
        raise refusal(file, None, f"the file has {lines} lines", f"at most {_MOST_LINES}, one row per month")
    return file, data


def _decode(file: str, data: bytes, encoding: str | None) -> tuple[str, str]:
    try:
        return csv_encoding.decode(data, encoding)
    except csv_encoding.EncodingError as error:
        line = len(re.findall(rb"\r\n?|\n", data[: error.start])) + 1
        expected = (
            "a CSV file saved as UTF-8, or its encoding to be named with encoding= (--encoding on the command line)"
        )
        raise refusal(file, line, error.found, expected) from None


def _parse(text: str, delimiter: str, strict: bool) -> Iterator[Row]:
    """Yield the rows that are not blank; raises csv.Error."""
    # newline="" splits lines as editors do, at \r alone too, and leaves those inside quotes as they are.
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=strict)
    while True:
        line = reader.line_num + 1
        try:
            cells = [clean(cell) for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise csv.Error(line, str(error)) from None
        if any(cells):
            yield Row(line, cells)


def _without_surplus(row: Row, width: int) -> Row:
    """Drop empty cells at the end of a row beyond the width of the table."""
    while len(row.cells) > width and not row.cells[-1]:
        row = Row(row.line, row.cells[:-1])
    return row


def _delimiter(text: str) -> str:
    """Return the delimiter that leaves most cells that are dates, and else most rows of one width."""

    def score(delimiter: str) -> tuple[int, int]:
        rows = []
        try:
            for row in itertools.islice(_parse(text, delimiter, strict=False), _SNIFFED_ROWS):
                rows.append(row.cells)
        except csv.Error:
            pass  # reported once the delimiter is chosen
        wide = [cells for cells in rows if len(cells) > 1]
        dated = sum(any(map(certainty, cells)) for cells in wide)
        widths = collections.Counter(map(len, wide))
        return dated, max(widths.values(), default=0)

    return max(_DELIMITERS, key=score)


# The header, and what may stand above it


def _dated_column(rows: list[Row]) -> int | None:
    """Return the column with most dates, or None where no cell is one."""
    counts = collections.Counter(
        index for row in rows[:_SNIFFED_ROWS] for index, cell in enumerate(row.cells) if certainty(cell)
    )
    return max(counts, key=lambda index: (counts[index], -index)) if counts else None


def _check_nothing_above(file: str, rows: list[Row], names_wanted: set[str]) -> None:
    """Refuse a title, or other rows that a program or an office has put above the header."""
    if _has_names(rows[0].cells, names_wanted):
        return
    above = _rows_above(rows)
    if above:
        last = rows[above - 1].line
        found = f"{listed(cell for cell in rows[0].cells[:4] if cell)} stands above the header or the first month"
        lines = f"row {last}" if above == 1 else f"rows {rows[0].line} to {last}"
        raise refusal(file, rows[0].line, found, f"at most one row there, the header: delete {lines}")


def _rows_above(rows: list[Row]) -> int:
    """Count the rows above the header, or above the first month where there is none."""
    column = _dated_column(rows)
    dated = (
        index
        for index, row in enumerate(rows)
        if column is not None and column < len(row.cells) and certainty(row.cells[column])
    )
    width = collections.Counter(len(row.cells) for row in rows[:_SNIFFED_ROWS]).most_common(1)[0][0]

    def is_narrow(row: Row) -> bool:
        return len(row.cells) == 1 < width

    first = next(dated, None)
    if first is None:  # The reason that there are no dates may be that the header is farther below.
        first = next((index for index, row in enumerate(rows) if len(row.cells) == width), 0)
        return first if len(rows[0].cells) < width else 0
    if first == 0 or is_narrow(rows[first - 1]):
        return first
    return first - 1 if _is_header(rows[first - 1 :], set()) else 0


def _has_names(cells: list[str], names_wanted: set[str]) -> bool:
    return any(clean(name) in cells for name in names_wanted if not clean(name).isdecimal())


def _is_header(rows: list[Row], names_wanted: set[str]) -> bool:
    """Tell whether the first row names the columns.

    A row without a date can still be data whose date is misspelt. Taking it for a header would lose a month
    in silence, so it is one only if it holds no number either, but for years and for the running numbers
    that programs write over columns without names, and if nothing stands over the dates that is written like them.
    """
    cells = rows[0].cells
    if _has_names(cells, names_wanted):
        return True
    if any(map(certainty, cells)):
        return False
    counted = [str(position) for position in range(len(cells) + 1)]
    if cells in (counted[:-1], counted[1:], ["", *counted[:-2]]):
        return True
    column = _dated_column(rows[1:])
    if column is not None and column < len(cells):
        dates = {row.cells[column] for row in rows[1:_SNIFFED_ROWS] if column < len(row.cells)}
        if resembles(cells[column], filter(certainty, dates)):
            return False
    return not any(is_number(cell) and not re.fullmatch("(?:19|20)[0-9]{2}", cell) for cell in cells)
