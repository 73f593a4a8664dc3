"""Patches as people send them: a diff, a mail, or a mailbox with a series.

They are hostile input: sizes are bounded, and what can't be read is refused.
"""

from __future__ import annotations

import email
import email.errors
import email.header
import email.message
import re
from collections.abc import Iterator

import msgspec

from gfplint.tree.diff import FilePatch, parse_diff
from gfplint.tree.errors import PatchError

#: A patch larger than this is not one that somebody reviews.
MAX_PATCH_BYTES = 64 << 20


class Patch(msgspec.Struct, frozen=True):
    """One mail, or one file of diffs; ``title`` for messages."""

    title: str
    files: tuple[FilePatch, ...]


def parse_patches(data: bytes) -> tuple[Patch, ...]:
    """The patches in a diff, a mail, or a mailbox, in the order in which they apply. Raises PatchError."""
    if len(data) > MAX_PATCH_BYTES:
        raise PatchError(f"the patch is too large ({len(data) / 1e6:.0f} MB)")
    patches = []
    for title, texts in _messages(data):
        files = _files(title, texts)
        if files:
            patches.append(Patch(title, files))
    if not patches and data.strip():
        raise PatchError("no unified diff found in the patch")
    return _in_series_order(patches)


def _files(title: str, texts: list[bytes]) -> tuple[FilePatch, ...]:
    try:
        return tuple(file for text in texts for file in parse_diff(text))
    except PatchError as error:
        raise PatchError(f"{error} [{title}]" if title else str(error)) from error


# ---- mails -----------------------------------------------------------------------------------------------------

_FROM_LINE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\d\d?:\d\d(?::\d\d)?[^\n]*\n")
_HEADER = re.compile(rb"[!-9;-~]+:[ \t]")
_KNOWN_HEADER = re.compile(
    rb"^(?:From|Subject|Date|Message-ID|MIME-Version|Content-Type):", re.MULTILINE | re.IGNORECASE
)
_SERIES = re.compile(r"\[[^]]*\bPATCH\b[^]]*?\b(\d{1,4})/(\d{1,4})\s*\]", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def _messages(data: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """(title, texts) of every mail; of a plain diff, one without a title."""
    data = data.lstrip(b"\r\n")
    starts = [found.start() for found in _FROM_LINE.finditer(data)]
    if starts and starts[0] == 0:
        for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
            mail = data[start:end]
            yield _mail(mail[mail.index(b"\n") + 1 :])
    elif _HEADER.match(data) and _KNOWN_HEADER.search(data[: _header_end(data)]):
        yield _mail(data)
    else:
        yield "", [data]


def _header_end(data: bytes) -> int:
    ends = [end for end in (data.find(b"\n\n"), data.find(b"\n\r\n")) if end >= 0]
    return min(ends, default=len(data))


def _mail(data: bytes) -> tuple[str, list[bytes]]:
    try:
        message = email.message_from_bytes(data)
        texts = [_decoded(part) for part in message.walk() if _may_hold_diff(part)]
        title = _title(message)
    except (RecursionError, email.errors.MessageError, LookupError, ValueError) as error:
        raise PatchError(f"a mail in the patch can't be read: {type(error).__name__}") from error
    return title, texts


def _may_hold_diff(part: email.message.Message) -> bool:
    if part.is_multipart() or part.get_content_subtype() == "html":
        return False
    name = (part.get_filename() or "").lower()
    return part.get_content_maintype() == "text" or name.endswith((".patch", ".diff", ".txt", ".mbox"))


def _decoded(part: email.message.Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _title(message: email.message.Message) -> str:
    words = str(email.header.make_header(email.header.decode_header(str(message.get("Subject", "")))))
    return _CONTROL.sub(" ", words).strip()[:100]


def _in_series_order(patches: list[Patch]) -> tuple[Patch, ...]:
    """By the numbers of one series, [PATCH 2/5]; anything else stays as it stands."""
    places = [_SERIES.search(patch.title) for patch in patches]
    numbers = [(int(place[1]), int(place[2])) for place in places if place is not None]
    one_series = len(numbers) == len(patches) == len(set(numbers)) and len({total for _, total in numbers}) == 1
    if not one_series:
        return tuple(patches)
    return tuple(patch for _, patch in sorted(zip(numbers, patches, strict=True), key=lambda pair: pair[0]))
