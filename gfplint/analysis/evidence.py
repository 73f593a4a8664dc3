"""What the text of a function says of memory in its variables and members, before anything is parsed.

Names stand for what they are part of: ``buf`` for ``buf``, ``x->buf`` and ``y.buf[i]`` alike. That makes a few
functions look worth a body that are not; none that is gets lost. What a local pointer to a struct leads to is known
to other functions by the struct (``*file:tag``), a variable at file scope by its name (``=name``), a member by its
name and, where declarations tell it, by its struct (``file:tag.name``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from gfplint.analysis.bases import Base, Bases, base_of
from gfplint.analysis.measures import Measures, measures_in, parted
from gfplint.analysis.wrappers import handing_out
from gfplint.analysis.written import arguments
from gfplint.kernel.model import Kernel

#: ``name =``, with what stands before the name and how the value starts.
_ASSIGNED = re.compile(r"(->\s*+|\.\s*+|)\b([A-Za-z_]\w*+)\s*+((?:\[[^\]]*+\]\s*+)*+)=(?!=)")
_WORD = re.compile(r"([A-Za-z_]\w*+)(\s*+\()?")
_INDEX = re.compile(r"\[[^\]]*+\]")
_CLEANED = re.compile(r"([A-Za-z_]\w*+)\s++__free\s*+\(\s*+(\w++)\s*+\)")
#: ``struct tag *a, *b``, and the names of the pointers in what stands behind the tag.
_DECLARED = re.compile(r"\bstruct\s++(\w++)\s*+(\*(?:(?!\bstruct\b)[^;{}()])*+)")
_POINTER = re.compile(r"\*\s*+(?:const\s++|restrict\s++)*+(\w++)")
#: ``sizeof(struct tag)`` and ``sizeof(*p)``.
_SIZE = re.compile(r"\bsizeof\s*+\(\s*+(?:struct\s++(\w++)\s*+\)|\*\s*+(\w++)\s*+\))")
#: Values longer than this are read up to here.
_VALUE = 500
#: White space between a member and the operator before it.
_BEFORE = 40
#: Values that are numbers, not memory.
_PLAIN = re.compile(r"\s*+(?:-?[0-9]\w*+|NULL|true|false|[A-Z][A-Z0-9_]*+)\s*+\Z")

#: Of them, those that are known to be: a store of one is no store of memory.
_NUMBER = re.compile(r"\s*+(?:-?[0-9]\w*+|NULL|true|false)\s*+\Z")

Families = frozenset[str]
_NONE: Families = frozenset()
#: Of memory whose allocator is not known.
_UNKNOWN: Families = frozenset(("?",))
#: Names of functions that hand out what is new.
ALLOCATES = re.compile(r"alloc|new|create|dup|clone|copy")


class Evidence(NamedTuple):
    """What a function may do: ``conflict``: free memory of a family that the free is not for, which rests on what the
    functions ``by`` hand out and free.

    ``stored``: members, structs (``*file:tag``) and variables at file scope (``=name``), with the families of what they
    may be given; ``freed``: the same with what frees them.
    """

    conflict: bool
    by: frozenset[str]
    stored: tuple[tuple[str, Families], ...]
    freed: tuple[tuple[str, str], ...]


class Text(NamedTuple):
    """A function as text: its blanked body, its header, the names of variables at file scope that it may mean, and the
    structs that its members are of.
    """

    code: str
    header: str
    variables: Callable[[str], bool]
    bases: Bases


class _Spot(NamedTuple):
    """Where the last component of a path stands in a text."""

    name: str
    text: str
    at: int

    @property
    def member(self) -> bool:
        """Whether it is a member."""
        return self.text[max(self.at - _BEFORE, 0) : self.at].rstrip().endswith(("->", "."))

    def known_as(self, bases: Bases) -> Iterator[str]:
        """What others call the member."""
        for base in bases.records(base_of(self.text, self.at)):
            yield known_as(base, self.name)


def known_as(record: Base, member: str) -> str:
    """What all functions call a member; ``record`` is "" where it is not known."""
    return f"{record}.{member}" if record else member


class Reader:
    """Reads the evidence in the functions of one program."""

    def __init__(self, kernel: Kernel, *, measured: bool = False) -> None:
        """``measured``: with which order or size memory is allocated and freed counts, too."""
        self.measures = Measures(kernel, asked=measured)
        self.allocators = handing_out(kernel)
        contents = {f.name for f in kernel.families.values() if f.content}
        self.frees = {n: f for n, f in kernel.frees.items() if not contents.issuperset(f.families)}
        cached = {a.family for a in self.allocators.values() if a.cache is not None}
        self.wrong: dict[str, Families] = {
            n: frozenset(f for f in kernel.families if f not in row.families or (row.cache is not None and f in cached))
            for n, row in self.frees.items()
        }
        self.passing = frozenset(n for n, q in kernel.queries.items() if q.true_means in ("argument", "take"))
        self.results = {n: a.result for n, a in self.allocators.items() if isinstance(a.result, int)}

    def conflicting(self, families: Families, free: str) -> bool:
        """Whether memory of one of the families, or of another measure, is not for a free (with its measure)."""
        name, measure = parted(free)
        return not families.isdisjoint(self.wrong.get(name, _NONE)) or self.measures.differ(families, measure)

    def read(
        self,
        text: Text,
        callees: frozenset[str],
        returned: Callable[[str], Families],
        freeing: Callable[[str], frozenset[str]],
        giving: Callable[[str], Families],
    ) -> Evidence:
        """The evidence in a function. ``returned``: families that a call to a name may hand out, ``giving``: those that
        it may put where its arguments point to; ``freeing``: the frees to which a function may give its parameters.
        """
        names = _Names()
        code = text.code
        stored: list[_Spot] = []
        cleaned = _CLEANED.findall(code) if "__free" in callees else []
        if cleaned:
            code = _CLEANED.sub(r"\1", code)
        for member, name, at, value in _assignments(code):
            if member and not _NUMBER.match(value):
                stored.append(_Spot(name, code, at))
            self._assign(names, name, value, returned)
        for name in callees & self.results.keys():
            number = self.results[name]
            for args in arguments(code, name):
                if number < len(args) and (target := _last(args[number])):
                    names.give(target.name, frozenset((self.allocators[name].family,)))
                    stored.append(target)
        for name in callees:
            if families := giving(name):
                stored += _gifts(code, name, families, names)
        freed = [found for name in callees & self.frees.keys() for found in self._freed(code, name)]
        doubted = [target.name for target, free in freed if self.conflicting(names.families(target.name), free)]
        doubted += [
            name
            for name, free in cleaned
            if (
                self.conflicting(names.families(name), free)
                if free in self.frees
                else bool(names.families(name) - _UNKNOWN)
            )
        ]
        by = {giver for name in doubted for giver in names.givers(name)}
        for name, callee in self._doubted_by_callees(code, callees, names, freeing) if names.given else ():
            doubted.append(name)
            by |= {callee, *names.givers(name)}
        if doubted:
            return Evidence(True, frozenset(by), (), ())
        others = _Others(text, names, freed) if names.given or freed else None
        members = {(known, names.families(t.name)) for t in stored if t.member for known in t.known_as(text.bases)}
        frees = {(known, free) for t, free in freed if t.member for known in t.known_as(text.bases)}
        return Evidence(
            False,
            frozenset(),
            tuple(sorted(members, key=lambda m: m[0])) + (others.stored() if others else ()),
            tuple(sorted(frees)) + (others.freed() if others else ()),
        )

    def _assign(self, names: _Names, name: str, value: str, returned: Callable[[str], Families]) -> None:
        if _PLAIN.match(value):
            return
        words = _WORD.findall(_INDEX.sub("", value))
        called = [word for word, call in words if call]
        for word in called:
            families = self.families_of(word, returned) | self.measures.given(word, value)
            if families or ALLOCATES.search(word):
                names.give(name, families or _UNKNOWN, word)
            if word in self.measures.converting:
                for other, call in words:
                    names.give(name, frozenset() if call else measures_in(names.families(other)))
        if not called or not self.passing.isdisjoint(called):
            for word, call in words:
                if not call:
                    names.join(name, word)

    def families_of(self, name: str, returned: Callable[[str], Families]) -> Families:
        """The families that a call may hand out."""
        row = self.allocators.get(name)
        return returned(name) if row is None else frozenset((row.family,)) | returned(name)

    def _freed(self, code: str, name: str) -> Iterator[tuple[_Spot, str]]:
        """What is freed, with the free and its measure."""
        number = self.frees[name].arg
        for args in arguments(code, name):
            if number < len(args) and (target := _last(args[number])):
                yield target, name + self.measures.freed(name, args)

    def _doubted_by_callees(
        self, code: str, callees: frozenset[str], names: _Names, freeing: Callable[[str], frozenset[str]]
    ) -> Iterator[tuple[str, str]]:
        """The names whose memory a callee may free that is not for it, each with that callee."""
        given = frozenset[str]().union(*names.given.values())
        for name in callees:
            frees = [free for free in freeing(name) if self.conflicting(given, free)]
            for args in arguments(code, name) if frees else ():
                for arg in args:
                    target = _last(arg)
                    if target and any(self.conflicting(names.families(target.name), free) for free in frees):
                        yield target.name, name


def _gifts(code: str, name: str, families: Families, names: _Names) -> Iterator[_Spot]:
    """The members whose address a call gets that may put memory there; ``names`` hears of the memory."""
    for args in arguments(code, name):
        for arg in args:
            target = _last(arg) if arg.lstrip().startswith("&") else None
            if target is not None:
                names.give(target.name, families, name)
                yield target


class _Others:
    """What a function does to objects that are known by their struct, and to variables at file scope."""

    def __init__(self, text: Text, names: _Names, freed: Sequence[tuple[_Spot, str]]) -> None:
        self.text, self.names = text, names
        self.bare = [(target.name, free) for target, free in freed if not target.member]
        self.structs = dict(_pointers(text.header)) | dict(_pointers(text.code))

    def stored(self) -> tuple[tuple[str, Families], ...]:
        """The structs and variables that may be given memory, with its families."""
        found: dict[str, Families] = {}
        if not self.names.given:
            return ()
        for name in self.names.known():
            families = self.names.families(name)
            if (other := self.of(name)) and families:
                found[other] = found.get(other, _NONE) | families
        every = _NONE.union(*self.names.given.values())
        for named, pointer in _SIZE.findall(self.text.code):
            if other := self.object(named or self.structs.get(pointer, "")):
                found[other] = found.get(other, _NONE) | every
        return tuple(sorted(found.items()))

    def freed(self) -> tuple[tuple[str, str], ...]:
        """The structs and variables that are freed."""
        return tuple(sorted({(other, free) for name, free in self.bare if (other := self.of(name))}))

    def of(self, name: str) -> str:
        """What others know of what a name leads to; "" where that is nothing."""
        tag = self.structs.get(name)
        if tag:
            return self.object(tag)
        return f"={name}" if name not in self.text.bases.types() and self.text.variables(name) else ""

    def object(self, tag: str) -> str:
        """What others call the objects of a struct; "" where the program does not define it."""
        key = self.text.bases.known.record_key(tag) if tag else ""
        return f"*{key}" if ":" in key else ""


def _pointers(text: str) -> Iterator[tuple[str, str]]:
    """(name, tag) of every pointer to a struct that is declared."""
    for tag, declarators in _DECLARED.findall(text):
        for name in _POINTER.findall(declarators):
            yield name, tag


class _Names:
    """Names that may stand for the same memory, and the families that they may be given."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}
        self.given: dict[str, Families] = {}
        self._givers: dict[str, set[str]] = {}

    def root(self, name: str) -> str:
        parent = self.parent.get(name, name)
        while parent != name:
            name, parent = parent, self.parent.get(parent, parent)
        return name

    def join(self, one: str, two: str) -> None:
        first, second = self.root(one), self.root(two)
        if first != second:
            self.parent[second] = first
            families = self.given.pop(second, None)
            if families:
                self.give(first, families)
            if second in self._givers:
                self._givers.setdefault(first, set()).update(self._givers.pop(second))

    def give(self, name: str, families: Families, giver: str = "") -> None:
        root = self.root(name)
        self.given[root] = self.given.get(root, _NONE) | families
        if giver:
            self._givers.setdefault(root, set()).add(giver)

    def givers(self, name: str) -> set[str]:
        """What is called to give a name its memory."""
        return self._givers.get(self.root(name), set())

    def known(self) -> set[str]:
        """Every name that stands for something else, or was given memory."""
        return {*self.parent, *self.parent.values(), *self.given}

    def families(self, name: str) -> Families:
        return self.given.get(self.root(name), _NONE)


def _assignments(code: str) -> Iterator[tuple[bool, str, int, str]]:
    """(whether to a member, the name, where it stands, the value's text) of every assignment."""
    for match in _ASSIGNED.finditer(code):
        end = match.end()
        stop = code.find(";", end, end + _VALUE)
        yield bool(match.group(1)), match.group(2), match.start(2), code[end : stop if stop >= 0 else end + _VALUE]


def _last(text: str) -> _Spot | None:
    """The last component of the path that an argument is; None where it is none."""
    bare = _INDEX.sub("", text)
    words = _WORD.findall(bare)
    if not words:
        return None
    name = words[-1][0]
    return _Spot(name, bare, bare.rstrip(" \t\n)").rfind(name))
