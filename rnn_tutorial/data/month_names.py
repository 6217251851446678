"""Names of months in every language that CLDR knows, from Babel's tables."""

import dataclasses
import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import babel
import babel.dates
import babel.localedata

from rnn_tutorial.data.csv_text import clean

__all__ = ["NamedDate", "has_month_name", "named_dates", "speaks_of_a_month", "tokens"]

_SHORTEST_PREFIX = 3
_LONGEST_NAME = 7  # words
# Excel's own German abbreviation, which CLDR does not have.
_MORE = {"de": {"mrz": 3}}
_WORD = r"[^\d\s.,\-/'_()·:]+"

Tokens = tuple[str, ...]


class NamedDate(NamedTuple):
    """A date with the name of a month, as one language reads it."""

    month: int
    numbers: Tokens  # the others in the cell, in their order


@dataclasses.dataclass
class _Language:
    """What one or several locales call the months, in full or in short."""

    name: str  # in English
    exact: dict[Tokens, int]
    loose: dict[Tokens, int]
    words: set[str]  # that stand between the parts of a date, as in "enero de 2019"

    def read(self, cell: Tokens, names: dict[Tokens, int]) -> set[NamedDate]:
        """All dates that the tokens can be."""
        return {
            NamedDate(month, numbers)
            for start, stop in _spans(len(cell))
            if (month := names.get(cell[start:stop])) is not None
            and (numbers := self._numbers(cell[:start] + cell[stop:])) is not None
        }

    def _numbers(self, others: Tokens) -> Tokens | None:
        rest = [token for token in others if token not in self.words]
        return tuple(rest) if all(token.isdecimal() for token in rest) else None


def tokens(text: str) -> Tokens:
    """Return words and numbers, small, without what separates them."""
    return tuple(re.findall(rf"\d+|{_WORD}", unicodedata.normalize("NFC", clean(text)).casefold()))


def has_month_name(cell: Tokens) -> bool:
    """Whether tokens are the name of a month in some language, and with it a number that can be a year."""
    names, words = _all_names()
    for start, stop in _spans(len(cell)):
        if cell[start:stop] in names:
            rest = [token for token in cell[:start] + cell[stop:] if token not in words]
            if all(map(str.isdecimal, rest)) and any(len(number) in (2, 4) for number in rest):
                return True
    return False


def speaks_of_a_month(cell: Tokens) -> bool:
    """Whether some of the tokens are the name of a month in some language."""
    return any(cell[start:stop] in _all_names()[0] for start, stop in _spans(len(cell)))


def named_dates(cells: list[Tokens], loosely: bool) -> Iterator[tuple[str, list[set[NamedDate]]]]:
    """Yield, for each language that knows one of the cells, its name in English and what each cell can be in it.

    Args:
        cells: the tokens of each cell.
        loosely: whether names without their accents, or cut after three letters or more, are names too.
    """
    words = {token for cell in cells for token in cell}
    for language in _languages():
        names = {**language.loose, **language.exact} if loosely else language.exact
        # Most languages have no word in common with the column.
        if not words.isdisjoint(token for name in names for token in name if not token.isdecimal()):
            readings = [language.read(cell, names) for cell in cells]
            if any(readings):
                yield language.name, readings


def _spans(length: int) -> Iterator[tuple[int, int]]:
    for start in range(length):
        for stop in range(start + 1, min(length, start + _LONGEST_NAME) + 1):
            yield start, stop


@functools.cache
def _languages() -> list[_Language]:
    """One for all locales with the same names. Takes a second, once."""
    found: dict[tuple, _Language] = {}
    identifiers = sorted(babel.localedata.locale_identifiers())
    for identifier in sorted(identifiers, key=lambda identifier: identifier != "en"):
        locale = babel.Locale.parse(identifier)
        exact: dict[Tokens, int] = {}
        wide: dict[Tokens, int] = {}
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for month, name in babel.dates.get_month_names(width, context, locale).items():
                    key = tokens(name)
                    exact[key] = month if exact.get(key, month) == month else 0
                    if width == "wide":
                        wide[key] = month
        exact.update({(name,): month for name, month in _MORE.get(locale.language, {}).items()})
        exact = {name: month for name, month in exact.items() if month and not _is_number(name)}
        language = found.setdefault(
            tuple(sorted(exact.items())),
            _Language(locale.english_name or identifier, exact, _loose(exact, wide), set()),
        )
        language.words |= _words_between(locale)
    return list(found.values())


@functools.cache
def _all_names() -> tuple[set[Tokens], set[str]]:
    languages = _languages()
    names = {name for language in languages for name in (*language.exact, *language.loose)}
    return names, {word for language in languages for word in language.words}


def _is_number(name: Tokens) -> bool:
    return all(token.isdecimal() for token in name)


def _loose(exact: dict[Tokens, int], wide: dict[Tokens, int]) -> dict[Tokens, int]:
    """Names without accents, and beginnings of full names, where only one month of the language has them."""
    found: dict[Tokens, set[int]] = {}
    for name, month in exact.items():
        found.setdefault(_without_accents(name), set()).add(month)
    for name, month in wide.items():
        if len(name) == 1 and month:
            for spelled in {name[0], _without_accents(name)[0]}:
                for length in range(_SHORTEST_PREFIX, len(spelled)):
                    found.setdefault((spelled[:length],), set()).add(month)
    return {name: min(months) for name, months in found.items() if len(months) == 1 and not _is_number(name)}


def _without_accents(name: Tokens) -> Tokens:
    return tuple(
        "".join(letter for letter in unicodedata.normalize("NFD", token) if not unicodedata.combining(letter))
        for token in name
    )


def _words_between(locale: babel.Locale) -> set[str]:
    patterns = [str(getattr(locale.date_formats[width], "pattern", "")) for width in ("medium", "long", "full")]
    skeletons = locale.datetime_skeletons
    patterns += [
        str(getattr(skeletons[name], "pattern", ""))
        for name in ("yMMM", "yMMMM", "yMMMd", "yMMMMd")
        if name in skeletons
    ]
    words = set()
    for pattern in patterns:
        # Letters outside quotes stand for year, month and day.
        literal = " ".join(re.findall(r"'([^']*)'", pattern)) + " " + re.sub(r"'[^']*'|[a-zA-Z]", " ", pattern)
        words |= {token for token in tokens(literal) if not token.isdecimal()}
    return words
