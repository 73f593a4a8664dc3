"""Text from hostile places (file names, source lines, messages) made safe to show.

A control character can move the cursor or retitle a terminal; a bidirectional override can make code read as
something that it is not; a lone surrogate (a file name that is not UTF-8) cannot be encoded. All are shown as
the escapes that Python and C programmers know.
"""

from __future__ import annotations

import re
import unicodedata

# C0 and C1 controls, DEL, soft hyphen, Arabic letter mark, zero-width and bidirectional marks and embeddings, line and
# paragraph separators, isolates, byte order mark, interlinear annotation marks, surrogates and noncharacters, tags.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufffe\uffff\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """``text`` on one line and harmless on a terminal: every unsafe character as its escape."""
    return _UNSAFE.sub(_escape, text)


def encodable(text: str) -> str:
    """``text`` with lone surrogates as escapes, so that it can be written as UTF-8 and read by strict parsers."""
    return _SURROGATE.sub(_escape, text)


def width(text: str) -> int:
    """Columns that ``text``, made visible before, takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, as os.fsdecode hands it on
        return f"\\x{code - 0xDC00:02x}"
    short = {9: "\\t", 10: "\\n", 13: "\\r"}.get(code)
    if short:
        return short
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
