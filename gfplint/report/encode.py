"""JSON as the reports write it: ASCII alone, two spaces of indent, strict."""

from __future__ import annotations

import json

import msgspec

from gfplint.escape import encodable

#: What a JSON document is made of.
Json = str | int | bool | None | list["Json"] | dict[str, "Json"]


def document(value: Json) -> str:
    """``value`` as a JSON document with a final newline; keys in the order given, lone surrogates as escapes."""
    # The C encoder and msgspec's formatter together are an order of magnitude faster than json's own indent.
    compact = json.dumps(_strict(value), ensure_ascii=True, separators=(",", ":"))
    return str(msgspec.json.format(compact, indent=2)) + "\n"


def _strict(value: Json) -> Json:
    if isinstance(value, str):
        return value if value.isascii() else encodable(value)
    if isinstance(value, list):
        return [_strict(item) for item in value]
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    return value
