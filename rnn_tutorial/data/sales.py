"""Monthly sales: twelve months to learn on, your own from a CSV file, and the windows a network is trained on.

Data flows one way: `read_csv` gives a series without gaps, `windows` cuts it into inputs and targets, and `split` keeps
the last of them for validation. A file that leaves any doubt is refused with the row at fault, because a forecast
from misread numbers looks as good as a right one.
"""

import calendar
import collections
import csv
import dataclasses
import io
import itertools
import numbers
import operator
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["TWELVE_MONTHS", "read_csv", "split", "windows"]

# Fewer observations than this beyond the horizon leave no windows to train on and to validate on.
OBSERVATIONS_BEYOND_HORIZON = 8

TWELVE_MONTHS = pd.Series(
    np.arange(100.0, 651.0, 50.0),  # (12,), units sold
    index=pd.period_range("2024-01", periods=12, freq="M"),
    name="sales",
)

# Comma last: where two fit equally well, a comma is rather a decimal or thousands mark than a delimiter.
_DELIMITERS = ("\t", ";", ",")
_SNIFFED_ROWS = 1000
_MONTHS_NAMED = 3  # a gap can be centuries long; its first months are enough to find it
_DATE_FORMS = "a month such as 2024-01, 2024-01-31, 2024/1/31, 2024.1 or 2024年1月"
_MISSING = frozenset({"", "-", "--", "–", "—", ".", "?", "n/a", "#n/a", "na", "<na>", "nan", "null", "none"})

# Full-width forms stand at a fixed distance from their ASCII twins. Unicode's NFKC would do this too, but it would
# also turn a footnote, 100², into 1002.
_PLAIN_CHARACTERS = {
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u3000"), " "),
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc"), "'"),
    ord("\u2212"): "-",
}

_TIME = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
_DATE = re.compile(rf"([0-9]{{4}})([-/.])([0-9]{{1,2}})(?:\2([0-9]{{1,2}})(?:[T ]{_TIME})?)?")
_CHINESE_DATE = re.compile(r"([0-9]{4}) ?(年) ?([0-9]{1,2}) ?月(?: ?([0-9]{1,2}) ?日)?")


def _number_pattern(fraction: str, thousands: str) -> re.Pattern[str]:
    # The same separator between all groups, and no zero in front of the first: 0,123 can only be a decimal comma.
    grouped = rf"[1-9][0-9]{{0,2}}([ '{thousands}])[0-9]{{3}}(?:\1[0-9]{{3}})*(?:{fraction})?"
    plain = rf"(?:[0-9]+(?:{fraction})?|{fraction[:2]}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    return re.compile(rf"[+-]?(?:{grouped}|{plain})")


_NUMBER = {"point": _number_pattern(r"\.[0-9]*", ","), "comma": _number_pattern(r"[,][0-9]+", ".")}
_INFINITE = re.compile(r"[+-]?(?:inf|infinity|∞)", re.IGNORECASE)
