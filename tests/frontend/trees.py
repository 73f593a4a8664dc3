"""Reading operation trees in tests."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gfplint.facts import Body, Call, FileFacts, Name
from gfplint.frontend.blank import Source, blank
from gfplint.frontend.lower import body
from gfplint.frontend.skeleton import skeleton_of


def read(text: str | bytes) -> tuple[Source, FileFacts]:
    """A program's source and skeleton."""
    data = text.encode() if isinstance(text, str) else text
    source = blank(data)
    return source, skeleton_of(source, data)


def lower(text: str | bytes, index: int = 0) -> Body:
    """The body of a program's function."""
    source, facts = read(text)
    function = facts.functions[index]
    return body(source, function.body, function.end)


def nodes(tree: object) -> Iterator[msgspec.Struct]:
    """Every node of a tree."""
    if isinstance(tree, msgspec.Struct):
        yield tree
        for field in tree.__struct_fields__:
            yield from nodes(getattr(tree, field))
    elif isinstance(tree, tuple):
        for item in tree:
            yield from nodes(item)


def calls(tree: object) -> list[Call]:
    """The calls of a tree."""
    return [node for node in nodes(tree) if isinstance(node, Call)]


def sites(tree: object) -> set[tuple[str, int]]:
    """Name and line of each direct call."""
    return {(call.func.name, call.place.line) for call in calls(tree) if isinstance(call.func, Name)}
