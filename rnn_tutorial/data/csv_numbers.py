"""From a column of numbers to floats: the column as a whole decides which mark is the decimal one."""

import dataclasses
import functools
import re
import unicodedata

import babel
import babel.localedata
import babel.numbers
import numpy as np

from rnn_tutorial.data.csv_text import Column, shown

__all__ = ["check_decimal", "is_number", "read_numbers"]

_MISSING = frozenset({"", "-", "--", "–", "—", ".", "?", "n/a", "#n/a", "na", "<na>", "nan", "null", "none"})

# A number under either decimal mark. All groups of thousands share one separator, and the first has no
# leading zero: 0,123 can only be a decimal comma.
_GROUPED = r"[1-9][0-9]{{0,2}}([ '{thousands}])[0-9]{{3}}(?:\1[0-9]{{3}})*(?:{mark}[0-9]{least})?"
_PLAIN = r"(?:[0-9]+(?:{mark}[0-9]{least})?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER = {
    mark: re.compile(f"[+-]?(?:{_GROUPED}|{_PLAIN})".format(mark=re.escape(mark), thousands=thousands, least=least))
    for mark, thousands, least in ((".", ",", "*"), (",", ".", "+"))  # programs write 100. but nobody 100,
}
_INFINITE = re.compile(r"[+-]?(?:inf|infinity|∞)", re.IGNORECASE)
# An amount of money, or a negative number as accountants write it, in parentheses.
_AMOUNT = re.compile(r"(?P<before>[^0-9.,]{0,8}?(?:\. )?)(?P<number>[0-9](?:[0-9 '.,]*[0-9])?)(?P<after>[^0-9,]{0,8})")
# Words for the unit of money beside a number, which are no symbols in CLDR.
_MORE_CURRENCIES = frozenset({"元", "円", "원", "圆", "圓"})
_OTHER = {".": ",", ",": "."}


@dataclasses.dataclass(frozen=True)
class _Amount:
    """A cell without what may stand around its number."""

    text: str
    currency: str = ""
    parentheses: bool = False


def check_decimal(decimal: str | None) -> None:
    """Raise ValueError unless it is None or a decimal mark."""
    if decimal not in (None, ".", ","):
        raise ValueError(f"decimal must be '.' or ',', received {decimal!r}")


def is_number(cell: str) -> bool:
    """Whether a cell is a number under one decimal mark or the other."""
    amount = _amount(cell)
    return any(_number(amount.text, mark) is not None for mark in _NUMBER)


def read_numbers(column: Column, delimiter: str, decimal: str | None = None) -> tuple[list[float], list[str]]:
    """Return the numbers of a column, and notes on what was taken for granted.

    Args:
        column: its cells.
        delimiter: what stands between the cells of the file; a semicolon stands where the comma marks decimals.
        decimal: the decimal mark, if it is known.

    Raises:
        ValueError: a cell is no finite number, or the column can be read in two ways.
    """
    amounts = [_amount(cell) for cell in column.cells]
    _check_forms(column, amounts)
    mark, note = (decimal, None) if decimal else _decimal_mark(column, [amount.text for amount in amounts], delimiter)
    numbers = []
    for index, (cell, amount) in enumerate(zip(column.cells, amounts, strict=True)):
        number = _number(amount.text, mark)
        if number is None:
            what = "is a missing value" if cell.lower() in _MISSING else "is not a number"
            if is_number(cell):
                what = f"is not a number with {mark!r} as its decimal mark"
            raise column.refusal(index, f"{column.cell(index)} {what}", "a number such as 1234.5")
        if not np.isfinite(number):
            raise column.refusal(index, f"{column.cell(index)} is infinite", "a finite number")
        numbers.append(-number if amount.parentheses else number)
    negative = next((index for index, amount in enumerate(amounts) if amount.parentheses), None)
    notes = [] if negative is None else [f"{shown(column.cells[negative])} is {numbers[negative]:.10g}"]
    return numbers, [*notes, *([note] if note else [])]


# One cell


def _number(cell: str, mark: str) -> float | None:
    """Return the number in a cell under one decimal mark, infinite ones included, or None."""
    if _INFINITE.fullmatch(cell):
        return -np.inf if cell.startswith("-") else np.inf
    if not _NUMBER[mark].fullmatch(cell):
        return None
    whole, _, fraction = cell.partition(mark)
    return float(re.sub("[ ',.]", "", whole) + (f".{fraction}" if fraction else ""))


def _amount(cell: str) -> _Amount:
    """Take a currency or parentheses off a number; any other cell is left as it is."""
    if cell[:1].isdigit() and cell[-1:].isdigit():
        return _Amount(cell)
    match = _AMOUNT.fullmatch(cell)
    if match is None:
        return _Amount(cell)
    before, after = match["before"].replace(" ", ""), match["after"].replace(" ", "")
    signs = re.findall("[+-]", before)
    parentheses = "(" in before
    if len(signs) > 1 or re.search("[+-]", after) or (parentheses and signs):
        return _Amount(cell)
    if parentheses:
        if before.count("(") != 1 or after.count(")") != 1:
            return _Amount(cell)
        before, after = before.replace("(", ""), after.replace(")", "")
    before = re.sub("[+-]", "", before)
    if not (parentheses or before or after) or (before and after):
        return _Amount(cell)
    if (before or after) and not _is_currency(before or after):
        return _Amount(cell)
    return _Amount("".join(signs) + match["number"], before or after, parentheses)


def _is_currency(text: str) -> bool:
    if all(unicodedata.category(character) == "Sc" for character in text):
        return True
    if not re.fullmatch(r"[^\d\s%]{1,6}", text):
        return False
    # One letter, as in 1.5M, is a factor rather than a currency.
    return text in _MORE_CURRENCIES or (
        len(text.strip(".")) > 1 and not {text, text.rstrip(".")}.isdisjoint(_currencies())
    )


@functools.cache
def _currencies() -> frozenset[str]:
    """Codes and symbols of all currencies, in all languages that CLDR knows. Takes a second, once."""
    symbols = {
        str(symbol)
        for identifier in babel.localedata.locale_identifiers()
        for symbol in babel.Locale.parse(identifier).currency_symbols.values()
    }
    return frozenset(symbols | babel.numbers.list_currencies())


# A column


def _check_forms(column: Column, amounts: list[_Amount]) -> None:
    """Refuse a column in which some numbers have a currency and others none or another one."""
    currencies = [amount.currency for amount in amounts if is_number(amount.text)]
    usual = max(sorted(set(currencies)), key=currencies.count, default="")
    negative = next((index for index, amount in enumerate(amounts) if amount.text.startswith("-")), None)
    for index, amount in enumerate(amounts):
        if not is_number(amount.text):
            continue
        if amount.currency != usual and not usual:
            expected = "a number such as 1234.5, or the same currency in every row"
            raise column.refusal(index, f"{column.cell(index)} is not a number like those in the other rows", expected)
        if amount.currency != usual:
            raise column.refusal(index, f"{column.cell(index)} is not in {usual}, as other rows are", "one currency")
        if amount.parentheses and negative is not None:
            found = f"{column.cell(index)} is in parentheses, and {column.contrast(negative)} has a minus sign"
            raise column.refusal(index, found, "negative numbers written in one way")


def _decimal_mark(column: Column, texts: list[str], delimiter: str) -> tuple[str, str | None]:
    """Return the decimal mark of a column, from the cells that can be read in one way only.

    Without such cells 1,234 has a thousands separator and 1.234 a decimal point. The column is refused where
    cells contradict each other, and where that rule would be a guess that a factor of a thousand hangs on.
    """
    evidence: dict[str, int] = {}  # the first cell that can only have this mark
    doubtful: dict[str, int] = {}  # the first cell with this mark before its last three digits
    whole = None  # the first cell with three digits or more and no mark
    for index, text in enumerate(texts):
        point, comma = _number(text, "."), _number(text, ",")
        if point is not None and comma is None:
            evidence.setdefault(".", index)
        elif comma is not None and point is None:
            evidence.setdefault(",", index)
        elif point != comma:
            doubtful.setdefault("." if "." in text else ",", index)
        elif re.fullmatch("[+-]?[0-9]{3,}", text):
            whole = index if whole is None else whole
    if len(evidence) == 2:
        found = f"{column.place} {column.contrast(*evidence.values())} have different decimal marks"
        raise column.refusal(None, found, "one for all rows")
    if evidence or not doubtful:
        return next(iter(evidence), "."), None
    other = doubtful.get(",", whole)
    named = "the decimal mark to be named with decimal= (--decimal on the command line)"
    if "." in doubtful and other is not None:
        cells = column.contrast(doubtful["."], other)
        found = f"{column.place} {cells} do not tell whether the point marks decimals or thousands"
        expected = f"thousands without a mark, decimals with other than three digits, or {named}"
        raise column.refusal(None, found, expected)
    ((mark, index),) = doubtful.items()
    with_point, with_comma = (f"{_number(texts[index], decimal):.10g}" for decimal in (".", ","))
    # Where a semicolon stands between cells, the comma usually marks decimals; whole hundreds speak against it.
    if delimiter == ";" and whole is None:
        raise column.refusal(index, f"{column.cell(index)} can be {with_point} or {with_comma}", named)
    name, kind = ("point", "decimals") if mark == "." else ("comma", "thousands")
    cell = shown(column.cells[index])
    return ".", f"the {name} marks {kind}: {cell} is {with_point}, and {with_comma} with --decimal ,"
