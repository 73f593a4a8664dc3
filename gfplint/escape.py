"""Text from hostile places (file names, source lines, messages) made safe to show and to encode.

A control character can move the cursor or retitle a terminal; a bidirectional override can make code read as
something that it is not; a lone surrogate (a file name that is not UTF-8) cannot be encoded. All are shown as
the escapes that Python and C programmers know.
"""

from __future__ import annotations

import re
import unicodedata

_SURROGATE = re.compile("[\ud800-\udfff]")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def printable(text: str) -> str:
    """``text`` on one line and harmless on a terminal: what is neither visible nor a blank stands as an escape."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def encodable(text: str) -> str:
    """``text`` with lone surrogates as escapes, so that it can be written as UTF-8 and read by strict parsers."""
    return text if text.isascii() else _SURROGATE.sub(lambda match: _escape(match[0]), text)


def width(text: str) -> int:
    """Columns that ``text``, made printable before, takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, as os.fsdecode hands it on
        return f"\\x{code - 0xDC00:02x}"
    if short := _SHORT.get(character):
        return short
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
