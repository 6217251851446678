"""From a column of dates to months: the column as a whole decides how its cells are to be read.

A cell such as 01/02/2019 does not say which of its numbers is the month. A column of a monthly file does: it is the one
that counts through the months. Each way to read the whole column is tried; where several make sense and give different
months, the column is refused, and both are shown.
"""

import calendar
import dataclasses
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from rnn_tutorial.data import month_names
from rnn_tutorial.data.csv_text import Column, deletion, shown

__all__ = ["DATE_FORMS", "certainty", "month_text", "read_months", "resembles"]

DATE_FORMS = "a month such as 2024-01, 2024-01-31, 2024/1/31, 31.01.2024, Jan-2024 or 2024年1月"

# Two digits are a year from 1930 to 2029, as in Excel, where most such files come from.
_FIRST_SHORT_YEAR = 1930
_ZONE = r"(?:Z|[A-Z]{3,4}|(?:UTC|GMT)?[+-][0-9]{1,2}(?::?[0-9]{2})?)(?:\[[\w/+-]+\])?"
_TIME = re.compile(
    r"(?P<date>.*?[0-9日号])(?:T|,? +)(?P<hour>[0-9]{1,2}):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:[.,][0-9]+)?)?"
    rf"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?(?: ?(?P<zone>{_ZONE}))?"
)
# The farthest that a clock on Earth is from another's date: 14 hours, on the islands of Kiribati.
_LARGEST_OFFSET = 14 * 60

_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+")
_NUMBER_OR_DATE = re.compile(r"[0-9]{6}|[0-9]{8}|[0-9]{4}\.[0-9]{1,2}|[0-9]{1,2}\.[0-9]{4}")  # 201901, 2019.1, 1.2019
_CHINESE_DIGITS = {
    "〇": "0",
    "零": "0",
    **{digit: str(value) for value, digit in enumerate("一二三四五六七八九", start=1)},
}
_CHINESE_NUMBER = r"[0-9]{1,2}|[一二三四五六七八九十廿]{1,4}"


class _Date(NamedTuple):
    year: int
    month: int
    day: int | None = None

    @property
    def ordinal(self) -> int:
        """Months since January of year 0."""
        return 12 * self.year + self.month - 1

    @property
    def is_in_calendar(self) -> bool:
        return 1 <= self.month <= 12 and self.year > 0 and (self.day is None or 1 <= self.day <= self.last_day)

    @property
    def last_day(self) -> int:
        return calendar.monthrange(self.year, self.month)[1]


@dataclasses.dataclass(frozen=True)
class _Reading:
    """One way to read all cells of a column."""

    name: str
    dates: list[_Date | None]  # None where a cell is not written so

    def months(self) -> tuple[int, ...]:
        return tuple(date.ordinal for date in self.dates if date is not None)

    def merit(self) -> tuple[bool, bool, bool]:
        """Whether it gives each month once, without a gap; the days of one kind; each month once at least."""
        months = self.months()
        distinct = len(set(months)) == len(months)
        days = {(date.day, date.last_day) for date in self.dates if date is not None and date.is_in_calendar}
        even = all(day in (None, 1) for day, _ in days) or all(day in (None, last) for day, last in days)
        return distinct and max(months) - min(months) + 1 == len(months), even, distinct

    def shows(self, index: int) -> str:
        date = self.dates[index]
        assert date is not None
        return f"{month_text(date.ordinal)} (as {self.name})"


def month_text(count: int) -> str:
    """Return the month of a number of months since January of year 0, as 2024-01."""
    return f"{count // 12:04d}-{count % 12 + 1:02d}"


# One cell


@functools.lru_cache(maxsize=2**16)
def certainty(cell: str) -> int:
    """Return how surely a cell is a date: 3 if the year comes first, 2 in other forms, 1 if it may be a number."""
    # Most cells of a wide table are words or numbers.
    if len(cell) > 60 or not re.search(r"[\d年]", cell):
        return 0
    if _NUMBER.fullmatch(cell) and not _NUMBER_OR_DATE.fullmatch(cell):
        return 0
    date = _without_time(cell)
    if date is None:
        return 0
    parsed = _year_first(date)
    if parsed is not None:
        if _NUMBER_OR_DATE.fullmatch(date):
            return int(1900 <= parsed.year < 2100 and parsed.is_in_calendar)
        return 3
    if _NUMBER_OR_DATE.fullmatch(date):
        found = _digits_alone(date) or _month_and_year(date)
        return int(found is not None and 1900 <= found.year < 2100 and found.is_in_calendar)
    if any(parts is not None and parts.is_in_calendar for parts in (order(date) for _, order in _ORDERS)):
        return 2
    return 2 if _has_name(date) else 0


def resembles(cell: str, dates: Iterable[str]) -> bool:
    """Whether a cell that is no date is written like those that are: a misspelt date, and not the name of a column."""
    if not re.search("[0-9]", cell):
        return False
    # Digits, and the letters that are typed in their place.
    if re.fullmatch("[0-9][-0-9/.: oOlISsBZzTMm年月日号份]*", cell) or any(
        _shape(cell) == _shape(date) for date in dates
    ):
        return True
    tokens = month_names.tokens(cell)
    return len(tokens) <= 3 and month_names.speaks_of_a_month(tokens)


def _shape(cell: str) -> str:
    return re.sub(r"[^\W\d_]+", "a", re.sub("[0-9]+", "9", cell))


def _has_name(date: str) -> bool:
    tokens = month_names.tokens(date)
    # The names are loaded only for what has both words and a number.
    return 2 <= len(tokens) <= 12 and len(set(map(str.isdecimal, tokens))) == 2 and month_names.has_month_name(tokens)


def _time(cell: str) -> re.Match[str] | None:
    match = _TIME.fullmatch(cell)
    if match is None:
        return None
    hour = int(match["hour"])
    return match if (1 <= hour <= 12 if match["half"] else hour < 24) else None


def _without_time(cell: str) -> str | None:
    """Return the date of a cell, spaces around separators left out, or None where year or time cannot be read."""
    match = _time(cell)
    if match is None and re.search("[0-9]:[0-9]", cell) and not re.fullmatch(r"[0-9]{4}:[0-9]{2}", cell):
        return None
    date = cell if match is None else match["date"]
    if re.search("(?<![0-9])[0-9]{1,3} ?年", date):
        return None  # of an emperor, or of the Republic of China
    date = re.sub(r"(?<=[0-9]) *([-/.]) *(?=[0-9])", r"\1", date)
    date = re.sub(r"(?<=[0-9])(?: ?[гр])?\.$", "", date)  # 31. 1. 2019. and, in Cyrillic, 01.2019 г.
    # A time belongs to a day.
    return (
        None if match is not None and re.fullmatch(r"[0-9]{4}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{4}", date) else date
    )


def _number(text: str | None) -> int | None:
    """Return the value of one or two digits, Chinese ones included."""
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    tens, ten, ones = text.replace("廿", "二十").rpartition("十")
    if not ten:
        return int(_CHINESE_DIGITS[text]) if text in _CHINESE_DIGITS else 0
    if any(part not in (*_CHINESE_DIGITS, "") for part in (tens, ones)):
        return 0
    return 10 * int(_CHINESE_DIGITS.get(tens, "1")) + int(_CHINESE_DIGITS.get(ones, "0"))


def _year_first(date: str) -> _Date | None:
    match = (
        re.fullmatch(r"([0-9]{4})([-/._ ])([0-9]{1,2})(?:\2([0-9]{1,2}))?", date)
        or re.fullmatch(r"([0-9]{4})( ?[-/.:]? ?)[Mm]([0-9]{1,2})()", date)
        or re.fullmatch(r"([0-9]{4})(:)([0-9]{2})()", date)
        or re.fullmatch(
            rf"([0-9]{{4}}|[〇零一二三四五六七八九]{{4}}) ?([年년]) ?({_CHINESE_NUMBER}) ?[月월]份?"
            rf"(?: ?({_CHINESE_NUMBER}) ?[日号號일])?",
            date,
        )
    )
    if match is None:
        return None
    year, _, month, day = match.groups()
    numbers = "".join(_CHINESE_DIGITS.get(digit, digit) for digit in year), _number(month), _number(day or None)
    return _Date(int(numbers[0]), numbers[1] or 0, numbers[2])


def _digits_alone(date: str) -> _Date | None:
    match = re.fullmatch("((?:19|20)[0-9]{2})([0-9]{2})([0-9]{2})?", date)
    return None if match is None else _Date(*(int(part) for part in match.groups() if part is not None))


def _month_and_year(date: str) -> _Date | None:
    match = re.fullmatch(r"[Mm]?([0-9]{1,2})[-/._ ]([0-9]{4})", date)
    return None if match is None else _Date(int(match[2]), int(match[1]))


def _ordered(first: str, second: str, third: str) -> Callable[[str], _Date | None]:
    """Read three numbers in a given order, the year with four digits or two."""

    def read(date: str) -> _Date | None:
        match = re.fullmatch(r"([0-9]{1,2})([-/._ ])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})", date)
        if match is None:
            return None
        parts = dict(zip((first, second, third), (match[1], match[3], match[4]), strict=True))
        if any(len(parts[part]) > 2 for part in ("day", "month")) or len(parts["year"]) < 2:
            return None
        return _Date(_year(parts["year"]), int(parts["month"]), int(parts["day"]))

    return read


def _short_pair(year: int, month: int) -> Callable[[str], _Date | None]:
    """Read two numbers, the year with two digits. A point would make them a number."""

    def read(date: str) -> _Date | None:
        match = re.fullmatch(r"([0-9]{1,2})[-/]([0-9]{1,2})", date)
        return None if match is None or len(match[year]) < 2 else _Date(_year(match[year]), int(match[month]))

    return read


def _year(digits: str) -> int:
    return int(digits) if len(digits) == 4 else _FIRST_SHORT_YEAR + (int(digits) - _FIRST_SHORT_YEAR) % 100


_ORDERS: tuple[tuple[str, Callable[[str], _Date | None]], ...] = (
    ("month and year", _month_and_year),
    ("day/month/year", _ordered("day", "month", "year")),
    ("month/day/year", _ordered("month", "day", "year")),
    ("year/month/day", _ordered("year", "month", "day")),
    ("month/year", _short_pair(2, 1)),
    ("year/month", _short_pair(1, 2)),
)


# A column


def read_months(column: Column) -> tuple[list[int], str | None]:
    """Return for each cell the months since January of year 0, and how the dates were read where that was found out.

    Raises:
        ValueError: a cell is no date, or the column can be read in several ways.
    """
    cells = column.cells
    dates = [_without_time(cell) for cell in cells]
    # The year in front leaves no choice, so that each cell can be checked by itself.
    first = _Reading("year first", [None if date is None else _year_first(date) for date in dates])
    if 2 * sum(date is not None for date in first.dates) >= len(cells):
        _check_cells(column, first)
        _check_lost_zeros(column, first)
        _check_times(column, first)
        return list(first.months()), None
    readings = list(_readings(dates))
    complete = [reading for reading in readings if None not in reading.dates]
    if not complete:
        raise _not_a_date(column, readings)
    _check_years(column, complete)
    best = max(reading.merit() for reading in complete)
    chosen, *others = [reading for reading in complete if reading.merit() == best]
    for other in others:
        _check_agreement(column, chosen, other)
    _check_times(column, chosen)
    return list(chosen.months()), f"dates as {chosen.name}" if "/" in chosen.name else None


def _readings(dates: list[str | None]) -> Iterator[_Reading]:
    for name, read in (("year and month", _digits_alone), *_ORDERS):
        found = [None if date is None else read(date) for date in dates]
        if any(found):
            yield _Reading(name, [date if date is not None and date.is_in_calendar else None for date in found])
    if any(date is not None and _has_name(date) for date in dates):
        yield from _named_readings(dates)


def _named_readings(texts: list[str | None]) -> Iterator[_Reading]:
    """One reading for each language and each order of day and year, in the strictest spelling that fits all cells."""
    cells = [() if text is None else month_names.tokens(text) for text in texts]
    readings: list[_Reading] = []
    for loosely in (False, True):
        for language, found in month_names.named_dates(cells, loosely):
            for day_first, order in ((True, "day before year"), (False, "year before day")):
                dates = [_named_date(candidates, day_first) for candidates in found]
                if any(dates):
                    has_days = any(date is not None and date.day for date in dates)
                    readings.append(_Reading(f"months in {language}" + f", {order}" * has_days, dates))
        if any(None not in reading.dates for reading in readings):
            break
    yield from readings


def _named_date(candidates: set[month_names.NamedDate], day_first: bool) -> _Date | None:
    found = set()
    for candidate in candidates:
        numbers = candidate.numbers if day_first else candidate.numbers[::-1]
        *days, year = numbers or ("",)
        if len(days) <= 1 and len(year) in (2, 4) and all(len(day) <= 2 for day in days):
            date = _Date(_year(year), candidate.month, *map(int, days))
            if date.is_in_calendar:
                found.add(date)
    return found.pop() if len(found) == 1 else None


def _check_cells(column: Column, reading: _Reading) -> None:
    for index, date in enumerate(reading.dates):
        if date is None:
            raise _unreadable(column, index, DATE_FORMS)
        if not 1 <= date.month <= 12 or date.year == 0:
            found = f"{column.cell(index)} is no month of the calendar"
            raise column.refusal(index, found, "a month from 1 to 12 of a year from 1 to 9999")
        if not date.is_in_calendar:
            found = f"{column.cell(index)} is no day of the calendar"
            raise column.refusal(index, found, f"a day from 1 to {date.last_day}")


def _unreadable(column: Column, index: int, expected: str) -> ValueError:
    """Refuse a cell, and say which rows to delete if they are no rows of data."""
    is_empty = not column.cells[index]
    found = f"the date {column.place} is missing" if is_empty else f"{column.cell(index)} is not a date"
    below = range(index + 1, len(column.cells))
    undated = [index, *itertools.takewhile(lambda row: not certainty(column.cells[row]), below)]
    return column.refusal(index, found, f"{expected}; {deletion([column.lines[row] for row in undated])}")


def _not_a_date(column: Column, readings: list[_Reading]) -> ValueError:
    """Name the first cell that the most fitting reading cannot read, and one that it can."""
    if not readings:
        return _unreadable(column, 0, DATE_FORMS)
    best = max(readings, key=lambda reading: sum(date is not None for date in reading.dates))
    example = next(cell for cell, date in zip(column.cells, best.dates, strict=True) if date is not None)
    return _unreadable(column, best.dates.index(None), f"{best.name} as in {shown(example)}")


def _check_agreement(column: Column, one: _Reading, other: _Reading) -> None:
    for index, (first, second) in enumerate(zip(one.months(), other.months(), strict=True)):
        if first != second:
            found = f"{column.cell(index)} can be {one.shows(index)} or {other.shows(index)}"
            raise column.refusal(index, found, "dates that can be read in one way, such as 2024-01")


def _check_lost_zeros(column: Column, reading: _Reading) -> None:
    """Refuse 2019.1 where it may be October: a program that takes 2019.10 for a number writes it so."""
    cells = column.cells
    if not all(re.fullmatch(r"[0-9]{4}\.[0-9]{1,2}", cell) for cell in cells):
        return
    if not any(cell.endswith(".1") for cell in cells) or any(re.search(r"\.[2-9]$", cell) for cell in cells):
        return
    dates = [
        date._replace(month=10) if date is not None and cell.endswith(".1") else date
        for cell, date in zip(cells, reading.dates, strict=True)
    ]
    other = _Reading("a number that has lost its last zero", dates)
    if other.merit() >= reading.merit() or any(re.search(r"\.0[1-9]$", cell) for cell in cells):
        _check_agreement(column, reading, other)


def _check_years(column: Column, readings: list[_Reading]) -> None:
    """Refuse 19-Jan, 19-Feb, ... and Jan-01, Feb-01, ...: months of one year, or one day of months without a year.

    Jan-19, Feb-19, ... are months of one year: of all days, only the first is written so.
    """
    first = {cell[: len(cell) - len(cell.lstrip("0123456789"))] for cell in column.cells}
    last = {cell[len(cell.rstrip("0123456789")) :] for cell in column.cells}
    is_named = any(map(str.isalpha, "".join(column.cells)))
    is_day = len(first) == 1 and min(first) in [f"{day:02d}" for day in range(1, 32)]
    if {"01"} not in (first, last) and not (is_named and is_day):
        return
    for reading in readings:
        if all(date is not None and date.day is None for date in reading.dates) and len(set(reading.months())) > 1:
            found = f"{column.cell(0)} can be {reading.shows(0)} or a day of a month without its year"
            raise column.refusal(0, found, "dates with all digits of the year, such as 2024-01")


def _check_times(column: Column, reading: _Reading) -> None:
    """Refuse a time that may be the begin or the end of another month in another time zone."""
    for index, (cell, date) in enumerate(zip(column.cells, reading.dates, strict=True)):
        time = _time(cell)
        if time is None or date is None or date.day is None:
            continue
        hour = int(time["hour"]) if time["half"] is None else int(time["hour"]) % 12 + 12 * (time["half"] in "Pp")
        minutes, on_the_second = 60 * hour + int(time["minute"]), not int(time["second"] or 0)
        other = date.ordinal
        if minutes == 12 * 60 and on_the_second and time["zone"] is None:
            continue  # noon, where programs put what has a day and no hour
        # Zones differ by quarters of an hour.
        if date.day == date.last_day and minutes >= 24 * 60 - _LARGEST_OFFSET and minutes % 15 == 0 and on_the_second:
            other = date.ordinal + 1
        elif date.day == 1 and minutes < _LARGEST_OFFSET and minutes % 15 == 14:
            other = date.ordinal - 1
        if other != date.ordinal:
            found = (
                f"{column.cell(index)} can be {month_text(date.ordinal)}, or {month_text(other)} in another time zone"
            )
            raise column.refusal(index, found, "dates without a time")
