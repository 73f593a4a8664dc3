"""Which files a change may have an effect in: those whose functions lead to something that the change touches."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gfplint.facts import FileFacts

#: Calls upwards from what a change touches, and files that are looked at, at most: the nearest first.
LEVELS, MAX_FILES = 3, 400


def affected(
    facts: Mapping[str, FileFacts], before: Mapping[str, FileFacts], changed: Collection[str]
) -> frozenset[str]:
    """The changed files, and those that call what they define, directly or through others.

    ``facts``: the skeletons of all files by path, after the change; ``before``: of those that it touches. What a file
    keeps to itself is told by its names alone: a static function of another file with the same name costs time, and
    shows nothing.
    """
    found = set(changed)
    names = {name for known in (facts, before) for p in changed if p in known for name in _defined(p, known[p])}
    for _ in range(LEVELS):
        users: set[str] = set()
        above: set[str] = set()
        for path, file in facts.items():
            for function in file.functions:
                if not names.isdisjoint(function.callees):
                    users.add(path)
                    if not function.static or path.endswith(".h") or path in found:
                        above.add(function.name)
            for macro in file.macros:
                if not names.isdisjoint(macro.callees):
                    users.add(path)
                    above.add(macro.name)
        if len(found | users) > MAX_FILES:
            break
        found |= users
        names = above - names
        if not names:
            break
    return frozenset(found)


def _defined(path: str, file: FileFacts) -> set[str]:
    header = path.endswith(".h")
    names = {f.name for f in file.functions if header or not f.static}
    return names | {m.name for m in file.macros} if header else names
