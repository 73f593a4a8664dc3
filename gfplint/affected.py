"""Which files a change may have an effect in: those whose functions lead to something that the change touches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from gfplint.facts import FileFacts

#: Calls upwards from what a change touches, and files that are looked at, at most: the nearest first.
LEVELS, MAX_FILES = 3, 400


class User(NamedTuple):
    """A function or macro that calls a name; ``inside``: no other file can call it in turn."""

    path: str
    name: str
    inside: bool


#: Who calls a name.
Users = Callable[[str], Iterable[User]]


def affected(users: Users, touched: Iterable[tuple[str, FileFacts]], changed: Collection[str]) -> frozenset[str]:
    """The changed files, and those that call what they define, directly or through others.

    ``users``: after the change; ``touched``: the skeletons that changed files have and had, with their paths. What a
    file keeps to itself is told by its names alone: a static function of another file with the same name costs time,
    and shows nothing.
    """
    found = set(changed)
    names = {name for path, facts in touched for name in _defined(path, facts)}
    for _ in range(LEVELS):
        using = {user for name in names for user in users(name)}
        paths = {user.path for user in using}
        if len(found | paths) > MAX_FILES:
            break
        names = {user.name for user in using if not user.inside or user.path in found} - names
        found |= paths
        if not names:
            break
    return frozenset(found)


def users_in(facts: Mapping[str, FileFacts]) -> Users:
    """Who calls a name in some files, by their skeletons."""
    using: dict[str, list[User]] = {}
    for path, file in facts.items():
        header = path.endswith(".h")
        for function in file.functions:
            user = User(path, function.name, function.static and not header)
            for callee in dict.fromkeys(function.callees):
                using.setdefault(callee, []).append(user)
        for macro in file.macros:
            for callee in dict.fromkeys(macro.callees):
                using.setdefault(callee, []).append(User(path, macro.name, inside=False))
    return lambda name: using.get(name, ())


def _defined(path: str, file: FileFacts) -> set[str]:
    header = path.endswith(".h")
    names = {f.name for f in file.functions if header or not f.static}
    return names | {m.name for m in file.macros} if header else names
