"""One CSV file, from bytes to a monthly series, or one sentence that says why it cannot be one.

A file that leaves any doubt is refused, with the row at fault, because a forecast from misread numbers looks as good as
one from the right ones.
"""

import calendar
import collections
import csv
import dataclasses
import io
import itertools
import os
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rnn_tutorial import checks

__all__ = ["read_csv"]

# Fewer observations than this beyond the horizon leave no windows to both train and validate on.
_OBSERVATIONS_BEYOND_HORIZON = 8

# The comma comes last: where two fit equally well, a comma is rather a mark inside a number than a delimiter.
_DELIMITERS = ("\t", ";", ",")
_SNIFFED_ROWS = 1000
_MONTHS_NAMED = 3  # a gap can be centuries long; its first months are enough to find it
_DATE_FORMS = "a month such as 2024-01, 2024-01-31, 2024/1/31, 2024.1 or 2024年1月"
_FILE_FORM = "a CSV file with a column of months and a column of numbers, one row per month"
_MISSING = frozenset({"", "-", "--", "–", "—", ".", "?", "n/a", "#n/a", "na", "<na>", "nan", "null", "none"})

# Full-width forms stand at a fixed distance from their ASCII twins. Unicode's NFKC would do this too, but it
# would also turn 100 with a footnote, 100², into 1002.
_PLAIN_CHARACTERS: dict[int, str] = {
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u3000"), " "),
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc"), "'"),
    ord("\u2212"): "-",
}

_TIME = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
_DATE = re.compile(rf"([0-9]{{4}})([-/.])([0-9]{{1,2}})(?:\2([0-9]{{1,2}})(?:[T ]{_TIME})?)?")
_CHINESE_DATE = re.compile(r"([0-9]{4}) ?(年) ?([0-9]{1,2}) ?月(?: ?([0-9]{1,2}) ?日)?")

# A number under either decimal mark. All groups of thousands share one separator, and the first has no
# leading zero: 0,123 can only be a decimal comma.
_GROUPED = r"[1-9][0-9]{{0,2}}([ '{thousands}])[0-9]{{3}}(?:\1[0-9]{{3}})*(?:{mark}[0-9]{least})?"
_PLAIN = r"(?:[0-9]+(?:{mark}[0-9]{least})?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER = {
    mark: re.compile(f"[+-]?(?:{_GROUPED}|{_PLAIN})".format(mark=re.escape(mark), thousands=thousands, least=least))
    for mark, thousands, least in ((".", ",", "*"), (",", ".", "+"))  # programs write 100. but nobody 100,
}
_INFINITE = re.compile(r"[+-]?(?:inf|infinity|∞)", re.IGNORECASE)


class _Row(NamedTuple):
    line: int  # 1-based line of the file on which the row begins
    cells: list[str]


@dataclasses.dataclass(frozen=True)
class _Table:
    """The cells of one file, and the name of each column (its 1-based position where it has none)."""

    file: str
    names: list[str]
    rows: list[_Row]
    first_line: int

    def column(self, index: int) -> list[str]:
        """Return the cells of one column; a cell that a short row lacks is empty."""
        return [row.cells[index] if index < len(row.cells) else "" for row in self.rows]


def read_csv(
    path: str | os.PathLike[str],
    date: str | int | None = None,
    value: str | int | None = None,
    horizon: int = 1,
) -> pd.Series:
    """Read a monthly series from a CSV file, or say in one sentence why it cannot be one.

    The file is UTF-8 (with or without a byte order mark) or GB18030, delimited by commas, semicolons or tabs,
    with a header or without, its rows in any order, one per month. Numbers may have thousands separators, and
    a decimal comma where the cells of the column show that it is one.

    Example:
        >>> read_csv("sales.csv", value="units", horizon=3)

    Args:
        path: the file.
        date: name of the column of dates, or its 1-based position; found by its contents if not given.
        value: name of the column of numbers, or its 1-based position; found by its contents if not given.
        horizon: months to be forecast; the series must have at least 8 observations more.

    Returns:
        A float64 series in the file's own unit, with a sorted monthly PeriodIndex without gaps, named as the
        column.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the path is a directory or cannot be read.
        ValueError: an argument is wrong, a column is not there or cannot be told from others, or the contents
            are not one finite number for each month. The message names the file, the row (1-based line), what
            was found and what is expected.
    """
    horizon = checks.integer("horizon", horizon, at_least=1)
    for argument, wanted in (("date", date), ("value", value)):
        _check_column_argument(argument, wanted)
    table = _read_table(path, {wanted for wanted in (date, value) if isinstance(wanted, str)})
    date_column, value_column = _find_columns(table, date, value)
    observations = _observations(table, date_column, value_column)
    _check_calendar(table.file, observations)
    if len(observations) < horizon + _OBSERVATIONS_BEYOND_HORIZON:
        raise _refusal(
            table.file,
            None,
            f"found only {len(observations)} observations",
            f"at least {horizon + _OBSERVATIONS_BEYOND_HORIZON} to forecast horizon={horizon}",
        )
    year, month_before = divmod(observations[0].month, 12)
    start = pd.Period(year=year, month=month_before + 1, freq="M")
    return pd.Series(
        np.array([observation.value for observation in observations], dtype=np.float64),  # (observations,)
        index=pd.period_range(start, periods=len(observations), freq="M"),
        name=table.names[value_column],
    )


def _refusal(file: str, line: int | None, found: str, expected: str) -> ValueError:
    place = file if line is None else f"{file}, row {line}"
    return ValueError(f"{place}: {found}; expected {expected}")


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else f"{cell[:37]}...")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(_shown, names))


def _check_column_argument(argument: str, wanted: Any) -> None:
    if wanted is not None and not isinstance(wanted, str):
        try:
            checks.integer(argument, wanted, at_least=1)
        except ValueError:
            raise ValueError(
                f"{argument} must be the name of a column or its position from 1 on, received {wanted!r}"
            ) from None


def _read_bytes(path: str | os.PathLike[str]) -> tuple[str, bytes]:
    try:
        file = str(pathlib.Path(path))
    except TypeError:
        raise ValueError(f"path must be the path of a CSV file, received {path!r}") from None
    try:
        return file, pathlib.Path(path).read_bytes()
    except OSError as error:
        found = "is a directory" if os.path.isdir(path) else f"cannot be read ({error.strerror})"
        raise type(error)(f"{file}: {found}; expected {_FILE_FORM}") from None
    except ValueError:  # a NUL character
        raise ValueError(f"path must be the path of a CSV file, received {path!r}") from None


def _read_text(path: str | os.PathLike[str]) -> tuple[str, str]:
    file, data = _read_bytes(path)
    failures: list[UnicodeDecodeError] = []
    for encoding in ("utf-8", "gb18030"):
        try:
            text = data.decode(encoding).removeprefix("\ufeff")
            break
        except UnicodeDecodeError as error:
            failures.append(error)
    else:
        furthest = max(failures, key=lambda error: error.start)
        raise _refusal(
            file,
            len(re.findall(rb"\r\n?|\n", data[: furthest.start])) + 1,
            f"the bytes {data[furthest.start : furthest.start + 4]!r} are neither UTF-8 nor GB18030 text",
            "a CSV file saved as UTF-8",
        )
    if "\0" in text:
        line = len(re.findall(r"\r\n?|\n", text[: text.index("\0")])) + 1
        found = "a NUL character, as in an Excel workbook or other binary file"
        raise _refusal(file, line, found, "a CSV file saved as UTF-8")
    return file, text


def _clean(cell: str) -> str:
    return cell.translate(_PLAIN_CHARACTERS).strip()


def _parse(text: str, delimiter: str, strict: bool) -> Iterator[_Row]:
    """Yield the rows that are not blank; raises csv.Error."""
    # newline="" splits lines as editors do, at \r alone too, and leaves those inside quotes as they are.
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=strict)
    while True:
        line = reader.line_num + 1
        try:
            cells = [_clean(cell) for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise csv.Error(line, str(error)) from None
        if any(cells):
            yield _Row(line, cells)


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
        dated = sum(any(map(_date_parts, cells)) for cells in wide)
        widths = collections.Counter(map(len, wide))
        return dated, max(widths.values(), default=0)

    return max(_DELIMITERS, key=score)


def _read_table(path: str | os.PathLike[str], names_wanted: set[str]) -> _Table:
    file, text = _read_text(path)
    if not re.search(r"[^\s,;]", text):
        raise _refusal(file, None, "the file is empty", _FILE_FORM)
    try:
        rows = list(_parse(text, _delimiter(text), strict=True))
    except csv.Error as error:
        line, reason = error.args
        found = f"the quotes or the length of a cell are not those of a CSV file ({reason})"
        raise _refusal(file, line, found, "quotes in pairs around a whole cell") from None
    first = rows[0]
    has_header = _is_header(first.cells, names_wanted)
    if has_header:
        rows = rows[1:]
    if not rows:
        found = f"the file has a header, {_listed(first.cells)}, and no rows below it"
        raise _refusal(file, None, found, "one row per month")
    positions = [str(position) for position in range(1, len(first.cells) + 1)]
    names = (
        [name or position for name, position in zip(first.cells, positions, strict=True)] if has_header else positions
    )
    for row in rows:
        # A row that is too long is refused whatever the surplus holds: in a comma file it may be half a
        # number, 1,234. One that is too short can lack a remark, which does no harm, but without a header
        # nobody knows what it lacks.
        if len(row.cells) > len(names) or (len(row.cells) < len(names) and not has_header):
            raise _wrong_width(file, row, first.line, len(names))
    return _Table(file, names, rows, first.line)


def _wrong_width(file: str, row: _Row, first_line: int, expected: int) -> ValueError:
    found = f"{len(row.cells)} cell{'s' * (len(row.cells) != 1)}, {_listed(row.cells[:4])}"
    return _refusal(file, row.line, f"found {found}", f"{expected} as in row {first_line}")


def _is_header(cells: list[str], names_wanted: set[str]) -> bool:
    """Tell whether the first row names the columns.

    A row without a date can still be data whose date is misspelt. Taking it for a header would lose a month
    in silence, so it is one only if it holds no number either, but for years and for the running numbers
    that programs write over columns without names.
    """
    if any(_clean(name) in cells for name in names_wanted if not _clean(name).isdecimal()):
        return True
    if any(map(_date_parts, cells)):
        return False
    counted = [str(position) for position in range(len(cells) + 1)]
    if cells in (counted[:-1], counted[1:], ["", *counted[:-2]]):
        return True
    return not any(_is_number(cell) and not re.fullmatch("(?:19|20)[0-9]{2}", cell) for cell in cells)


def _date_parts(cell: str) -> tuple[int, int, int | None] | None:
    """Return year, month and day, which need not exist, or None where the cell is not written as a date."""
    match = _DATE.fullmatch(cell) or _CHINESE_DATE.fullmatch(cell)
    if match is None:
        return None
    year, separator, month, day = match.groups()
    if separator == "." and day is None and not (1900 <= int(year) < 2100 and 1 <= int(month) <= 12):
        return None  # a number, 1234.5
    return int(year), int(month), None if day is None else int(day)


def _number(cell: str, mark: str) -> float | None:
    """Return the number in a cell under one decimal mark, infinite ones included, or None."""
    if _INFINITE.fullmatch(cell):
        return -np.inf if cell.startswith("-") else np.inf
    if not _NUMBER[mark].fullmatch(cell):
        return None
    whole, _, fraction = cell.partition(mark)
    return float(re.sub("[ ',.]", "", whole) + (f".{fraction}" if fraction else ""))


def _is_number(cell: str) -> bool:
    return any(_number(cell, mark) is not None for mark in _NUMBER)


def _find_columns(table: _Table, date: str | int | None, value: str | int | None) -> tuple[int, int]:
    date_column = None if date is None else _named_column(table, "date", date)
    value_column = None if value is None else _named_column(table, "value", value)
    if date_column is None:
        date_column = _date_column(table, value_column)
    if value_column is None:
        value_column = _value_column(table, date_column)
    if date_column == value_column:
        raise _refusal(
            table.file,
            None,
            f"date={date!r} and value={value!r} name the same column",
            f"two of the columns {_listed(table.names)}",
        )
    return date_column, value_column


def _named_column(table: _Table, argument: str, wanted: str | int) -> int:
    if isinstance(wanted, str):
        matches = [index for index, name in enumerate(table.names) if name == _clean(wanted)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            found = f"{len(matches)} columns have the name {argument}={wanted!r}"
            raise _refusal(
                table.file,
                None,
                found,
                f"a name that only one has, or a position from 1 to {len(table.names)}",
            )
    position = int(wanted) if not isinstance(wanted, str) or re.fullmatch("[0-9]{1,9}", wanted.strip()) else 0
    if not 1 <= position <= len(table.names):
        found = f"there is no column {argument}={wanted!r}"
        raise _refusal(table.file, None, found, f"one of the columns {_listed(table.names)}")
    return position - 1


def _date_column(table: _Table, taken: int | None) -> int:
    candidates, certain = [], []
    for index in range(len(table.names)):
        dates = [cell for cell in table.column(index) if _date_parts(cell)]
        if index != taken and 2 * len(dates) >= len(table.rows):
            candidates.append(index)
            # Sales of 2024.1 are written like January 2024; a column that can only be dates comes before one
            # of those.
            if not all(map(_is_number, dates)):
                certain.append(index)
    return _only_candidate(table, "date", "dates", certain or candidates, f"a column with {_DATE_FORMS} in each row")


def _value_column(table: _Table, taken: int) -> int:
    candidates = []
    for index in range(len(table.names)):
        cells = [cell for cell in table.column(index) if cell]
        if index != taken and cells and 2 * sum(map(_is_number, cells)) >= len(cells):
            candidates.append(index)
    return _only_candidate(
        table,
        "value",
        "numbers",
        candidates,
        f"a column of numbers beside that of dates, {_shown(table.names[taken])}",
    )


def _only_candidate(table: _Table, argument: str, contents: str, candidates: list[int], expected: str) -> int:
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = _listed(table.names[index] for index in candidates)
        found = f"{len(candidates)} columns hold {contents}, {names}"
        raise _refusal(
            table.file, None, found, f"one of them to be named with {argument}= (--{argument} on the command line)"
        )
    row = table.rows[0]
    kind = "date" if argument == "date" else "numeric"
    found = f"no {kind} column among {_listed(table.names)} (row {row.line} holds {_listed(row.cells[:4])})"
    raise _refusal(table.file, None, found, expected)


class _Observation(NamedTuple):
    month: int  # months since January of year 0
    line: int
    value: float


def _observations(table: _Table, date_column: int, value_column: int) -> list[_Observation]:
    """Return the observations sorted by month, or refuse the first row that is not one."""
    mark = _decimal_mark(table, value_column)
    observations = []
    for row in table.rows:
        if max(date_column, value_column) >= len(row.cells):
            raise _wrong_width(table.file, row, table.first_line, len(table.names))
        month = _month(table, row, date_column)
        observations.append(_Observation(month, row.line, _value(table, row, value_column, mark)))
    return sorted(observations)


def _month(table: _Table, row: _Row, column: int) -> int:
    cell = row.cells[column]
    place = f"in column {_shown(table.names[column])}"
    parts = _date_parts(cell)
    if parts is None:
        found = f"{_shown(cell)} {place} is not a date" if cell else f"the date {place} is missing"
        raise _refusal(table.file, row.line, found, _DATE_FORMS)
    year, month, day = parts
    if not 1 <= month <= 12 or year == 0:
        found = f"{_shown(cell)} {place} is no month of the calendar"
        raise _refusal(table.file, row.line, found, "a month from 1 to 12 of a year from 1 to 9999")
    days = calendar.monthrange(year, month)[1]
    if day is not None and not 1 <= day <= days:
        found = f"{_shown(cell)} {place} is no day of the calendar"
        raise _refusal(table.file, row.line, found, f"a day from 1 to {days}")
    return 12 * year + month - 1


def _value(table: _Table, row: _Row, column: int, mark: str) -> float:
    cell = row.cells[column]
    place = f"in column {_shown(table.names[column])}"
    number = _number(cell, mark)
    if number is None:
        what = "is a missing value" if cell.lower() in _MISSING else "is not a number"
        raise _refusal(table.file, row.line, f"{_shown(cell)} {place} {what}", "a number such as 1234.5")
    if not np.isfinite(number):
        raise _refusal(table.file, row.line, f"{_shown(cell)} {place} is infinite", "a finite number")
    return number


def _decimal_mark(table: _Table, column: int) -> str:
    """Return the decimal mark of a column, "." or ",", from the cells that can be read in one way only.

    Without such cells 1,234 has a thousands separator and 1.234 a decimal point. The column is refused where
    cells contradict each other, and where that rule would be a guess that a factor of a thousand hangs on.
    """
    evidence: dict[str, _Row] = {}  # the first row that can only have this mark
    doubtful: dict[str, _Row] = {}  # the first row with this mark before its last three digits
    whole = None  # the first row with three digits or more and no mark
    for row, cell in zip(table.rows, table.column(column), strict=True):
        point, comma = _number(cell, "."), _number(cell, ",")
        if point is not None and comma is None:
            evidence.setdefault(".", row)
        elif comma is not None and point is None:
            evidence.setdefault(",", row)
        elif point != comma:
            doubtful.setdefault("." if "." in cell else ",", row)
        elif re.fullmatch("[+-]?[0-9]{3,}", cell):
            whole = whole or row
    name = _shown(table.names[column])
    if len(evidence) == 2:
        found = _contrast(evidence["."], evidence[","], column)
        raise _refusal(table.file, None, f"in column {name} {found} have different decimal marks", "one for all rows")
    if evidence:
        return next(iter(evidence))
    other = doubtful.get(",") or whole
    if "." in doubtful and other:
        found = _contrast(doubtful["."], other, column)
        raise _refusal(
            table.file,
            None,
            f"in column {name} {found} do not tell whether the point marks decimals or thousands",
            "thousands without a mark, or decimals with other than three digits",
        )
    return "."


def _contrast(one: _Row, other: _Row, column: int) -> str:
    cells = [f"{_shown(row.cells[column])} in row {row.line}" for row in sorted((one, other))]
    return " and ".join(cells)


def _check_calendar(file: str, observations: list[_Observation]) -> None:
    """Refuse months that come twice or not at all."""
    missing = 0
    named: list[int] = []
    for one, other in itertools.pairwise(observations):
        if one.month == other.month:
            found = f"rows {one.line} and {other.line} both hold {_calendar_month(one.month)}"
            raise _refusal(file, None, found, "one row per month")
        gap = range(one.month + 1, other.month)
        missing += len(gap)
        named += gap[: _MONTHS_NAMED - len(named)]
    if missing:
        first, last = _calendar_month(observations[0].month), _calendar_month(observations[-1].month)
        months = ", ".join(map(_calendar_month, named)) + (", ..." if missing > len(named) else "")
        found = f"{missing} month{'s' * (missing != 1)} missing between {first} and {last}: {months}"
        raise _refusal(file, None, found, "one row for every month")


def _calendar_month(month: int) -> str:
    return f"{month // 12:04d}-{month % 12 + 1:02d}"
