"""From bytes to text: which encoding a CSV file has.

Digits and delimiters are the same bytes in every encoding that extends ASCII, so a wrong guess can spoil names but
never numbers. The reader says which encoding it took, unless it is Unicode.
"""

import codecs
import re
from collections.abc import Callable

__all__ = ["EncodingError", "check_encoding", "decode"]

# UTF-32 comes first: its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class EncodingError(Exception):
    """Bytes that are no text.

    Attributes:
        start: where the text ends and something else begins.
        found: what begins there.
    """

    def __init__(self, start: int, found: str) -> None:
        super().__init__(start, found)
        self.start, self.found = start, found


def check_encoding(encoding: str | None) -> None:
    """Raise ValueError unless it is None or the name of an encoding of text."""
    if encoding is None:
        return
    try:
        if not isinstance(encoding, str) or not isinstance(b"0".decode(encoding, "replace"), str):
            raise LookupError
    except (LookupError, ValueError):
        raise ValueError(
            f"encoding must be the name of a text encoding such as 'utf-8' or 'cp1252', received {encoding!r}"
        ) from None


def decode(data: bytes, encoding: str | None = None) -> tuple[str, str]:
    """Return the text and the name of its encoding.

    A byte order mark decides; then UTF-8, which other encodings hardly ever look like. What is neither is GB18030 where
    that gives characters in common use, else the first of some other encodings of which that can be said, else the
    first that can be.

    Args:
        data: the contents of the file.
        encoding: the encoding, if it is known.

    Raises:
        EncodingError: the bytes are not text, or not text of the given encoding.
    """
    for mark, marked in _MARKS.items():
        if data.startswith(mark) and (encoding is None or codecs.lookup(encoding).name in ("utf-8", marked)):
            encoding = marked
            break
    encoding = encoding or _utf_16_without_mark(data)
    try:
        return _checked(data.decode(encoding or "utf-8").removeprefix("\ufeff"), data), encoding or "utf-8"
    except UnicodeError as error:
        start = getattr(error, "start", 0)  # some encodings do not say where
    if encoding is None:
        readings = [(candidate, text) for candidate in _OTHERS if (text := _attempt(data, candidate)) is not None]
        readings.sort(key=lambda reading: not _OTHERS[reading[0]](reading[1]))  # plausible ones first
        for candidate, text in readings:
            return _checked(text, data), candidate
    names = (
        f"not {codecs.lookup(encoding).name} text"
        if encoding
        else "neither UTF-8 nor GB18030 nor another encoding that is tried"
    )
    raise EncodingError(start, f"the bytes {data[start : start + 4]!r} are {names}")


def _checked(text: str, data: bytes) -> str:
    if "\0" in text:
        raise EncodingError(
            max(data.find(b"\0"), 0), "there is a NUL character, as in an Excel workbook or other binary file"
        )
    return text


def _attempt(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _utf_16_without_mark(data: bytes) -> str | None:
    """Tell UTF-16 by its zeros: digits, delimiters and ends of lines have one each, all on one side."""
    for encoding, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        zeros = data[first::2].count(0)
        if 4 * zeros >= len(data) and zeros > 4 * data[1 - first :: 2].count(0):
            text = _attempt(data, encoding)
            # A workbook has such zeros too.
            return None if text is None or re.search(r"[\x00-\x08\x0e-\x1f]", text) else encoding
    return None


# Which readings are plausible. Each pair of bytes is some character in the encodings of East Asia, so that it is asked
# whether most of what comes out is in common use; in the others, whether words are of one script, and small but for
# their first letter.


def _mostly(text: str, is_common: Callable[[str], bool]) -> bool:
    characters = [character for character in text if not character.isascii()]
    return 3 * sum(map(is_common, characters)) >= 2 * len(characters)


def _in_rows(encoding: str, *rows: tuple[int, int]) -> Callable[[str], bool]:
    """Whether the first of a character's two bytes lies in one of the ranges."""

    def is_common(character: str) -> bool:
        code = character.encode(encoding, "replace")
        return len(code) == 2 and any(first <= code[0] <= last for first, last in rows)

    return is_common


def _is_chinese(text: str) -> bool:
    return _mostly(text, _in_rows("gb2312", (0xA1, 0xA3), (0xB0, 0xD7)))  # punctuation; level 1


def _is_traditional_chinese(text: str) -> bool:
    return _mostly(text, _in_rows("big5", (0xA1, 0xA3), (0xA4, 0xC6)))


def _is_japanese(text: str) -> bool:
    return _mostly(text, _in_rows("cp932", (0x81, 0x83), (0x88, 0x98)))


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()]


def _is_in_one_case(word: str) -> bool:
    return word.isupper() or word[1:] == word[1:].lower()


def _is_western(text: str) -> bool:
    in_a_row = re.compile(r"[^\W\d_a-zA-Z]{3}")
    return all(_is_in_one_case(word) and not in_a_row.search(word) for word in _words(text))


def _is_of_script(first: str, last: str) -> Callable[[str], bool]:
    def plausible(text: str) -> bool:
        words = _words(text)
        return bool(words) and all(
            _is_in_one_case(word) and all(first <= letter <= last for letter in word) for word in words
        )

    return plausible


_OTHERS: dict[str, Callable[[str], bool]] = {
    "gb18030": _is_chinese,
    "big5": _is_traditional_chinese,
    "cp932": _is_japanese,
    "cp1252": _is_western,
    "cp1251": _is_of_script("\u0400", "\u04ff"),
    "cp1253": _is_of_script("\u0370", "\u03ff"),
}
