"""One CSV file, from bytes to a monthly series, or one sentence that says why it cannot be one.

A file that leaves any doubt is refused, with the row at fault, because a forecast from misread numbers looks as good as
one from the right ones.
"""

import dataclasses
import itertools
import os
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rnn_tutorial import _checks
from rnn_tutorial.data import (
    _babel,  # noqa: F401 (before all that imports it)
    csv_encoding,
    csv_numbers,
)
from rnn_tutorial.data.csv_dates import DATE_FORMS, certainty, month_text, read_months
from rnn_tutorial.data.csv_numbers import is_number, read_numbers
from rnn_tutorial.data.csv_table import Table, read_table, wrong_width
from rnn_tutorial.data.csv_text import Column, clean, listed, refusal, shown

__all__ = ["Reading", "read", "read_csv"]

# Fewer observations than this beyond the horizon leave no windows to both train and validate on.
_OBSERVATIONS_BEYOND_HORIZON = 8
_MONTHS_OF_A_YEAR = 6  # different ones, so that a column of small numbers is one of months
_MONTHS_NAMED = 3  # a gap can be centuries long; its first months are enough to find it


@dataclasses.dataclass(frozen=True)
class Reading:
    """A series, and how the file was read."""

    series: pd.Series
    notes: tuple[str, ...]  # what was found out or taken for granted, and might be wrong


def read_csv(
    path: str | os.PathLike[str],
    date: str | int | None = None,
    value: str | int | None = None,
    horizon: int = 1,
    encoding: str | None = None,
    decimal: str | None = None,
) -> pd.Series:
    """Read a monthly series from a CSV file, or say in one sentence why it cannot be one.

    The file is delimited by commas, semicolons, tabs or bars, with a header or without, its rows in any order, one per
    month. Dates may be written in most ways, with names of months in any language that CLDR knows, or with year and
    month in two columns; the whole column decides which number is the month. Years of two digits are 1930 to 2029.
    Numbers may have thousands separators, a currency that is the same in every row, parentheses for a minus sign, and a
    decimal comma where the cells of the column show that it is one. What can be read in two ways is refused.

    Example:
        >>> read_csv("sales.csv", value="units", horizon=3)

    Args:
        path: the file, of at most 8 MB.
        date: name of the column of dates, or its 1-based position; found by its contents if not given.
        value: name of the column of numbers, or its 1-based position; found by its contents if not given.
        horizon: months to be forecast; the series must have at least 8 observations more.
        encoding: encoding of the file. If not given, a byte order mark decides, then whether it is UTF-8, then whether
            it gives common characters as GB18030 or as one of some other encodings, of which only names depend.
        decimal: the decimal mark, "." or ","; found by the contents of the column if not given.

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
    return read(path, date, value, horizon, encoding, decimal).series


def read(
    path: str | os.PathLike[str],
    date: str | int | None = None,
    value: str | int | None = None,
    horizon: int = 1,
    encoding: str | None = None,
    decimal: str | None = None,
) -> Reading:
    """Read a series as `read_csv` does, and return it with notes on how the file was read."""
    horizon = _checks.integer("horizon", horizon, at_least=1)
    for argument, wanted in (("date", date), ("value", value)):
        _check_column_argument(argument, wanted)
    csv_encoding.check_encoding(encoding)
    csv_numbers.check_decimal(decimal)
    table = read_table(path, encoding, {wanted for wanted in (date, value) if isinstance(wanted, str)})
    if encoding is not None or table.encoding.startswith("utf"):
        return _read(table, date, value, horizon, decimal)
    guess = f"encoding {table.encoding}, --encoding names another"
    try:
        reading = _read(table, date, value, horizon, decimal)
    except ValueError as error:  # names of months and columns depend on the encoding
        raise ValueError(f"{error} ({guess})") from None
    return Reading(reading.series, (guess, *reading.notes))


def _read(table: Table, date: str | int | None, value: str | int | None, horizon: int, decimal: str | None) -> Reading:
    date_columns, value_column = _find_columns(table, date, value)
    for row in table.rows:
        if max(*date_columns, value_column) >= len(row.cells):
            raise wrong_width(table, row)
    months, date_note = read_months(_date_cells(table, date_columns))
    values, notes = read_numbers(table.column(value_column), table.delimiter, decimal)
    observations = sorted(
        _Observation(month, index, number) for index, (month, number) in enumerate(zip(months, values, strict=True))
    )
    used = {*date_columns, value_column}
    _check_calendar(table, observations, used)
    _check_one_series(table, observations, used)
    if len(observations) < horizon + _OBSERVATIONS_BEYOND_HORIZON:
        raise refusal(
            table.file,
            None,
            f"found only {len(observations)} observations",
            f"at least {horizon + _OBSERVATIONS_BEYOND_HORIZON} to forecast horizon={horizon}",
        )
    year, month_before = divmod(observations[0].month, 12)
    start = pd.Period(year=year, month=month_before + 1, freq="M")
    series = pd.Series(
        np.array([observation.value for observation in observations], dtype=np.float64),  # (observations,)
        index=pd.period_range(start, periods=len(observations), freq="M"),
        name=table.names[value_column],
    )
    return Reading(series, (*([date_note] if date_note else []), *notes))


def _check_column_argument(argument: str, wanted: Any) -> None:
    if wanted is not None and not isinstance(wanted, str):
        try:
            _checks.integer(argument, wanted, at_least=1)
        except ValueError:
            raise ValueError(
                f"{argument} must be the name of a column or its position from 1 on, received {wanted!r}"
            ) from None


# Which columns


def _find_columns(table: Table, date: str | int | None, value: str | int | None) -> tuple[tuple[int, ...], int]:
    """Return the columns of dates, which are several where year and month have one each, and that of numbers."""
    value_column = None if value is None else _named_column(table, "value", value)
    if date is None:
        date_columns = _date_columns(table, value_column)
    else:
        named = _named_column(table, "date", date)
        dated = any(map(certainty, table.column(named).cells))
        date_columns = (named,) if dated else _year_and_month(table, value_column, named) or (named,)
    if value_column is None:
        value_column = _value_column(table, date_columns)
    if value_column in date_columns:
        raise refusal(
            table.file,
            None,
            f"date={date!r} and value={value!r} name the same column",
            f"two of the columns {listed(table.names)}",
        )
    return date_columns, value_column


def _named_column(table: Table, argument: str, wanted: str | int) -> int:
    if isinstance(wanted, str):
        matches = [index for index, name in enumerate(table.names) if name == clean(wanted)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            found = f"{len(matches)} columns have the name {argument}={wanted!r}"
            raise refusal(
                table.file,
                None,
                found,
                f"a name that only one has, or a position from 1 to {len(table.names)}",
            )
    position = int(wanted) if not isinstance(wanted, str) or re.fullmatch("[0-9]{1,9}", wanted.strip()) else 0
    if not 1 <= position <= len(table.names):
        found = f"there is no column {argument}={wanted!r}"
        raise refusal(table.file, None, found, f"one of the columns {listed(table.names)}")
    return position - 1


def _date_columns(table: Table, taken: int | None) -> tuple[int, ...]:
    candidates: dict[int, list[int]] = {}
    for index in range(len(table.names)):
        sure = [certain for cell in table.column(index).cells if (certain := certainty(cell))]
        if index != taken and 2 * len(sure) >= len(table.rows):
            # Sales of 2024.1 are written like January 2024; a column that can only be dates comes before one
            # of those.
            candidates.setdefault(max(sure), []).append(index)
    if not candidates:
        together = _year_and_month(table, taken)
        if together:
            return together
    surest = candidates[max(candidates)] if candidates else []
    return (_only_candidate(table, "date", "dates", surest, f"a column with {DATE_FORMS} in each row"),)


def _year_and_month(table: Table, taken: int | None, wanted: int | None = None) -> tuple[int, ...]:
    """Return the columns that together hold year and month: one of years, one of months, and more that say the same."""
    columns = [(index, table.column(index).cells) for index in range(len(table.names)) if index != taken]
    years = [index for index, cells in columns if all(re.fullmatch("(?:19|20)[0-9]{2}", cell) for cell in cells)]
    months = [index for index, cells in columns if all(map(_is_month_alone, cells))]
    found: dict[tuple[int, ...], tuple[int, ...]] = {}  # months -> columns
    for year, month in itertools.product(years, months):
        if wanted not in (None, year, month):
            continue
        try:
            read_as = sorted(read_months(_date_cells(table, (year, month)))[0])
        except ValueError:
            continue
        if all(second - first == 1 for first, second in itertools.pairwise(read_as)):
            key = tuple(read_as)
            found[key] = (*found.get(key, (year,)), month)
        elif len(set(read_as)) == len(read_as) and len({month % 12 for month in read_as}) >= _MONTHS_OF_A_YEAR:
            found.setdefault((), (year, month))  # what is missing is told later
    surest = found.get(max(found, key=len)) if found else None
    if len([key for key in found if key]) > 1 or surest is None:
        return ()
    return surest


def _is_month_alone(cell: str) -> bool:
    if re.fullmatch("[Mm]?(?:0?[1-9]|1[0-2])", cell):
        return True
    return not cell.isdecimal() and certainty(f"2000-{cell}") == 2


def _date_cells(table: Table, columns: tuple[int, ...]) -> Column:
    """Return the column of dates, put together from year and month where there are two."""
    first = table.column(columns[0])
    if len(columns) == 1:
        return first
    second = table.column(columns[1])
    cells = [f"{year}-{month}" for year, month in zip(first.cells, second.cells, strict=True)]
    return dataclasses.replace(first, name=f"{first.name}-{second.name}", cells=cells)


def _value_column(table: Table, taken: tuple[int, ...]) -> int:
    candidates = []
    for index in range(len(table.names)):
        cells = [cell for cell in table.column(index).cells if cell]
        if index not in taken and cells and 2 * sum(map(is_number, cells)) >= len(cells):
            candidates.append(index)
    counted = [index for index in candidates if not _is_index(table, index)]
    return _only_candidate(
        table,
        "value",
        "numbers",
        counted or candidates,
        f"a column of numbers beside that of dates, {listed(table.names[index] for index in taken)}",
    )


def _is_index(table: Table, index: int) -> bool:
    """Whether a column without a name counts the rows, as pandas writes its index."""
    if index not in table.unnamed and not re.fullmatch(r"Unnamed: [0-9]+", table.names[index]):
        return False
    cells = table.column(index).cells
    return any(cells == [str(first + row) for row in range(len(cells))] for first in (0, 1))


def _only_candidate(table: Table, argument: str, contents: str, candidates: list[int], expected: str) -> int:
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = listed(table.names[index] for index in candidates)
        found = f"{len(candidates)} columns hold {contents}, {names}"
        raise refusal(
            table.file, None, found, f"one of them to be named with {argument}= (--{argument} on the command line)"
        )
    row = table.rows[0]
    kind = "date" if argument == "date" else "numeric"
    found = f"no {kind} column among {listed(table.names)} (row {row.line} holds {listed(row.cells[:4])})"
    raise refusal(table.file, None, found, expected)


# One row for each month, and all of one series


class _Observation(NamedTuple):
    month: int  # months since January of year 0
    row: int
    value: float


def _check_calendar(table: Table, observations: list[_Observation], used: set[int]) -> None:
    """Refuse months that come twice or not at all."""
    missing = 0
    named: list[int] = []
    for one, other in itertools.pairwise(observations):
        if one.month == other.month:
            raise _twice(table, one, other, used)
        gap = range(one.month + 1, other.month)
        missing += len(gap)
        named += gap[: _MONTHS_NAMED - len(named)]
    if missing:
        first, last = month_text(observations[0].month), month_text(observations[-1].month)
        months = ", ".join(map(month_text, named)) + (", ..." if missing > len(named) else "")
        found = f"{missing} month{'s' * (missing != 1)} missing between {first} and {last}: {months}"
        raise refusal(table.file, None, found, "one row for every month")


def _twice(table: Table, one: _Observation, other: _Observation, used: set[int]) -> ValueError:
    """Name the columns that tell the two rows of a month apart: the file may hold several series."""
    found = f"rows {table.rows[one.row].line} and {table.rows[other.row].line} both hold {month_text(one.month)}"
    expected = "one row per month"
    for index in range(len(table.names)):
        cells = table.column(index).cells
        first, second = cells[one.row], cells[other.row]
        if index not in used and first != second and 2 * len(set(cells)) <= len(cells):
            found += f", with {shown(first)} and {shown(second)} in column {shown(table.names[index])}"
            expected = f"one row per month, and of one series only: keep the rows of one {shown(table.names[index])}"
            break
    return refusal(table.file, None, found, expected)


def _check_one_series(table: Table, observations: list[_Observation], used: set[int]) -> None:
    """Refuse rows that a column of text divides into parts, one after the other: actual and budget, two shops.

    Texts that come again and again, like seasons and remarks, divide nothing, and those that follow the calendar
    only name it.
    """
    for index in sorted(set(range(len(table.names))) - used):
        cells = table.column(index).cells
        if not all(cells) or 2 * sum(map(is_number, cells)) >= len(cells) or any(map(certainty, cells)):
            continue
        parts = [
            (text, [observation.month for observation in group])
            for text, group in itertools.groupby(observations, key=lambda observation: cells[observation.row])
        ]
        if len(parts) < 2 or len({text for text, _ in parts}) < len(parts) or len(parts) > len(cells) / 2:
            continue
        if _follow_the_calendar(parts):
            continue
        (one, months), (other, _), *_ = parts
        column = shown(table.names[index])
        found = f"column {column} holds {shown(one)} up to {month_text(months[-1])}, then {shown(other)}"
        expected = f"rows of one series: delete those of the others, or column {column} if all rows are one series"
        raise refusal(table.file, None, found, expected)


def _follow_the_calendar(parts: list[tuple[str, list[int]]]) -> bool:
    """Whether the parts are quarters, halves or years, or are called by their years."""
    for text, months in parts:
        years = {str(year)[start:] for month in months for year in (month // 12, month // 12 + 1) for start in (0, 2)}
        if years.isdisjoint(re.findall("[0-9]+", text)):
            break
    else:
        return True
    lengths = {len(months) for _, months in parts[1:-1]}
    (length,) = lengths if len(lengths) == 1 else (0,)
    return length in (3, 6, 12) and max(len(parts[0][1]), len(parts[-1][1])) <= length
