"""What the text of a function says of memory in its variables and members, before anything is parsed.

A name stands for all variables that are called so, and with a dot before it for all members: ``.buf`` for ``x->buf``
and ``y.buf[i]`` alike. Memory goes the way of the assignments, in whatever order they are made. That makes a few
functions look worth a body that are not; none that is gets lost. What a local pointer to a struct leads to is known
to other functions by the struct (``*file:tag``), a variable at file scope by its name (``=name``, with the file where
only that sees it), a member by its name and, where declarations tell it, by its struct (``file:tag.name``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cache, cached_property, partial
from typing import NamedTuple

from gfplint.analysis.bases import Base, Bases
from gfplint.analysis.holders import GLOBAL
from gfplint.analysis.measures import Measures, cache_of, measures_in, other_cache, parted
from gfplint.analysis.spots import CALL, CONSTANT, INDEX, PATH, Spot, assignments, last, of_path
from gfplint.analysis.values import CACHES
from gfplint.analysis.wrappers import handing_out
from gfplint.analysis.written import arguments
from gfplint.frontend.header import signature
from gfplint.kernel.model import Kernel

#: A name in a value: whether it is a member, called, or only leads to one.
_NAMED = re.compile(r"(->|\.|\bstruct\b|)\s*+\b([A-Za-z_]\w*+)\s*+(\(|)(?=(->|\.|))", re.ASCII)
_CLEANED = re.compile(r"([A-Za-z_]\w*+)\s++__free\s*+\(\s*+(\w++)\s*+\)", re.ASCII)
#: ``struct tag *a, **b``, and the pointers in what stands behind the tag: up to a parameter of another type.
_DECLARED = re.compile(
    r"struct(?<!\wstruct)\s++(\w++)\s*+(\*[^;{}()s]*+(?:s(?!(?<!\ws)truct\b)[^;{}()s]*+)*+)", re.ASCII
)
_POINTER = re.compile(r"(?:\A|,)\s*+(\*(?:[\s*]|const\b|restrict\b)*+)(\w++)", re.ASCII)
#: ``sizeof(struct tag)`` and ``sizeof(*p)``.
_SIZE = re.compile(r"\bsizeof\s*+\(\s*+(?:struct\s++(\w++)\s*+\)|\*\s*+(\w++)\s*+\))", re.ASCII)
#: A member, with nothing done to it.
_PATH = re.compile(r"\s*+\w++(?:\s*+(?:->|\.)\s*+\w++)++\s*+", re.ASCII)
#: A value that is a call, or a cast one.
_CALL = re.compile(r"\s*+(?:\([\w\s]++\*\s*+\)\s*+)?([A-Za-z_]\w*+)\s*+\(", re.ASCII)
_PAREN = re.compile(r"[()]")
#: What opens the arguments of a call, or any other bracket.
_BRACKET = re.compile(r"\w\s*+\(|[()]", re.ASCII)
#: What stands between the values of which an expression chooses one.
_CHOICE = re.compile(r"\?:|[?:]")
#: ``struct tag *name``, a pointer to one struct, as declared first behind the tag.
_OBJECT = re.compile(r"struct(?<!\wstruct)\s++(\w++)\s*+\*\s*+(?:const\s++)?(\w++)\s*+(?=[=;,)])", re.ASCII)
#: What is returned straight from a call, and the type of what returns a pointer to a struct.
_RETURNED = re.compile(r"return(?<!\wreturn)\s++(?:\([\w\s]++\*\s*+\)\s*+)?([A-Za-z_]\w*+)\s*+\(", re.ASCII)
_RETURNS = re.compile(r"struct\s++(\w++)\s*+\*\Z", re.ASCII)
Families = frozenset[str]
#: Families in their order, as others hear of them.
Told = tuple[str, ...]
#: By the names of functions that may free anything what tells to which frees they may give their arguments.
Freeing = Mapping[str, Callable[[], frozenset[str]]]
_NONE: Families = frozenset()
#: Of memory whose allocator is not known.
_UNKNOWN: Families = frozenset(("?",))
#: Beside the family of memory from a cache: which one is not known. No other knows a variable of a function, and two
#: members of one name may be of two objects.
_SOME_CACHE: Families = frozenset(("%",))
#: What is returned, by a statement or by a macro that is called like one (``return_ptr()``).
_RESULT = re.compile(r"return(?<!\wreturn)\w*+([^;]*+)", re.ASCII)
#: Names of functions that hand out what is new.
ALLOCATES = re.compile(r"alloc|new|create|dup|clone|copy")


class Doubt(NamedTuple):
    """Memory that a free may not be for: it goes where either ``freeing``, a function that may free it, does not do
    that, or ``givers``, of which at least one may give it, give none of it. "" for a free that stands in the text.
    """

    freeing: str
    givers: frozenset[str]


class Evidence(NamedTuple):
    """What a function may do: ``doubts``: free memory of a family that the free is not for; without any:

    ``stored``: members, structs (``*file:tag``) and variables at file scope (``=name``), with the families of what they
    may be given; ``freed``: the same with what frees them; ``sure``: structs of which an object is surely made, with
    its family, and behind that its cache; for the family ``cache`` those that a cache is made for.
    """

    doubts: frozenset[Doubt]
    stored: tuple[tuple[str, Told], ...] = ()
    freed: tuple[tuple[str, str], ...] = ()
    sure: tuple[tuple[str, str], ...] = ()


class Called(NamedTuple):
    """What functions do that a function calls, by their names: the families that they may hand out, and those that they
    may put where their arguments point to; the frees to which they may give their parameters; ``own``: those of them
    that are not what the kernel's tables say.
    """

    returned: Mapping[str, Families]
    giving: Mapping[str, Families]
    freeing: Mapping[str, frozenset[str]]
    own: frozenset[str]


class Text(NamedTuple):
    """A function as text: its blanked body, its header, and the names that it calls; the files of variables at file
    scope by the names that it may mean them by ("" for no such), the structs that its members are of, and those that
    what it calls returns ("" for none).
    """

    code: str
    header: str
    callees: frozenset[str]
    variables: Callable[[str], str]
    bases: Bases
    returned: Callable[[str], str]


def variable(key: str, name: str) -> str:
    """What all functions call a variable at file scope; ``key``: as holders have it."""
    return f"={name}" if key == GLOBAL else f"={key}:{name}"


def known_as(record: Base, member: str) -> str:
    """What all functions call a member; ``record`` is "" where it is not known."""
    return f"{record}.{member}" if record else member


def _known_as(spot: Spot, bases: Bases) -> Iterator[str]:
    """What others call a member."""
    for base in bases.led(spot.lead) if spot.lead else bases.records(spot.base):
        yield known_as(base, spot.name)


def _objects(spot: Spot, bases: Bases) -> Iterator[str]:
    """What others call the objects that a member leads to."""
    for key in bases.records((*(spot.base or ()), spot.name)):
        if ":" in key:
            yield f"*{key}"


class _Assigned(NamedTuple):
    """What assignments do: ``stored``: the members and results that are given anything but a number; ``direct``:
    variables, each with the family that an allocator gives it, and its cache; ``served``: structs that caches are made
    for; ``copied``: what may be another member that a member (its key) is given.
    """

    stored: list[Spot]
    direct: list[tuple[str, str]]
    served: list[tuple[str, str]]
    copied: list[tuple[str, str]]


class Reader:
    """Reads the evidence in the functions of one program."""

    def __init__(self, kernel: Kernel, *, measured: bool = False) -> None:
        """``measured``: with which order or size memory is allocated and freed counts, too."""
        self.measures = Measures(kernel, asked=measured)
        self.allocators = handing_out(kernel)
        contents = {f.name for f in kernel.families.values() if f.content}
        frees = {**kernel.frees, **kernel.resizers}
        self.frees = {n: f for n, f in frees.items() if not contents.issuperset(f.families)}
        self.resizers = frozenset(kernel.resizers)
        cached = {a.family for a in self.allocators.values() if a.cache is not None}
        self.wrong: dict[str, Families] = {
            n: frozenset(f for f in kernel.families if f not in row.families) for n, row in self.frees.items()
        }
        #: By the names of frees into caches, the families of which an object may be from another cache.
        self.cached = {n: frozenset(row.families) & cached for n, row in self.frees.items() if row.cache is not None}
        self.from_caches = frozenset(cached)
        #: By the names of calls, the number of the argument that is the cache.
        self.caches = {**self.measures.caching, **self.measures.cached}
        #: Calls whose result may be memory that their arguments name.
        self.passing = frozenset(n for n, q in kernel.queries.items() if q.true_means in ("argument", "take"))
        self.through = self.passing | self.measures.converting
        self.creators = frozenset(n for n, a in self.allocators.items() if a.family == CACHES)
        results = {n for n, a in self.allocators.items() if isinstance(a.result, int)}
        self.plain = frozenset(
            n for n, a in self.allocators.items() if n not in results and not kernel.families[a.family].local
        )
        self.sizes = {
            n: (a.size, a.family) for n, a in self.allocators.items() if a.size is not None and a.family != CACHES
        }
        self.built = frozenset(f.name for f in kernel.families.values() if f.built)
        #: Families and frees that another rule than that for mismatched frees is about.
        self.managed = frozenset(f.name for f in kernel.families.values() if f.managed)
        self.special = frozenset(
            n for n, f in self.frees.items() if f.rcu or f.bulk is not None or self.managed.issuperset(f.families)
        )
        self.results = {n: a.result for n, a in self.allocators.items() if isinstance(a.result, int)}

    def conflicting(self, families: Families, free: str) -> bool:
        """Whether memory of one of the families, or of another measure, is not for a free (with its measure)."""
        name, measure = parted(free)
        if not families.isdisjoint(self.wrong.get(name, _NONE)):
            return True
        if name in self.cached and not families.isdisjoint(self.cached[name]):
            caches = {f for f in families if f[0] in "@%"}
            if caches != {measure}:
                return True
        return self.measures.differ(families, measure)

    def marked(self, families: Families, vague: Set[str] = frozenset()) -> Families:
        """Families, marked where one is of objects of a cache that is not known, or one of those ``vague``."""
        if families.isdisjoint(self.from_caches):
            return families
        caches = {family for family in families if family[0] == "@"}
        return families if caches and caches.isdisjoint(vague) else families | _SOME_CACHE

    def unfit(self, family: str, free: str) -> bool:
        """Whether an object of a family, or of a cache, is not for a free, whatever its measure, which nobody knows."""
        name, _ = parted(free)
        wrong = family in self.wrong.get(name, _NONE) and family not in self.frees[name].families
        return wrong or other_cache(family, free)

    def apart(self, family: str, free: str) -> bool:
        """Whether a free is of what is built of such memory, or the other way round: another function may well have
        made the one of the other (``rules.mismatched_free``).
        """
        name, _ = parted(free)
        row = self.frees.get(name)
        if row is None or name in self.special or family in self.managed or family not in self.wrong[name]:
            return False
        return self.built.issuperset(row.families) is not (family in self.built)

    def read(self, text: Text, wrappers: Called) -> Evidence:
        """The evidence in a function. ``wrappers``: what the functions that it calls may hand out and free."""
        code, callees = text.code, text.callees
        names = _Names(self._vague(code, callees, text.bases))
        cleaned = _CLEANED.findall(code) if "__free" in callees else []
        if cleaned:
            code = _CLEANED.sub(r"\1", code)
        found = _Assigned([], [], [], [])
        self._assigned(text, code, names, wrappers, found)
        stored = found.stored
        for name in callees & self.results.keys():
            number = self.results[name]
            for args in arguments(code, name):
                if number < len(args) and (target := last(args[number])):
                    names.give(target.key, frozenset((self.allocators[name].family,)))
                    stored.append(target)
        for name, families in wrappers.giving.items():
            stored += _gifts(code, name, families, names)
        freed = [one for name in callees & self.frees.keys() for one in self._freed(code, name)]
        doubts = self._doubts(code, names, freed, cleaned, wrappers.freeing) if names.given else ()
        if doubts:
            return Evidence(frozenset(doubts))
        others = _Others(text, names, freed, self) if names.given or freed else None
        spots = {(t.name, t.lead) if t.lead else (t.name, t.at): t for t in stored if t.member}.values()
        members = {(known, names.told(t.key)) for t in spots for known in _known_as(t, text.bases)}
        # What one member may take from another, that one may have got elsewhere as the first has here.
        members |= {
            (known, tuple(sorted(measures)))
            for path, target in (found.copied if names.has("^#") else ())
            if _PATH.fullmatch(path) and (measures := measures_in(names.families(target)))
            if (spot := last(path)) is not None and spot.member
            for known in _known_as(spot, text.bases)
        }
        frees = {(known, free) for t, free in freed if t.member for known in _known_as(t, text.bases)}
        returned = tuple(self._returned(text))
        members.update((known, tuple(sorted(parted(family)))) for known, family in returned)
        if names.has("@"):
            members.update((k, names.told(t.key)) for t in stored for k in self._cached(t, names, text))
        frees.update((k, free) for t, free in freed if t.member and "@" in free for k in _objects(t, text.bases))
        frees.update(self._called(text))
        return Evidence(
            frozenset(),
            tuple(sorted(members)) + (others.stored() if others else ()),
            tuple(sorted(frees)) + (others.freed() if others else ()),
            (
                *found.served,
                *returned,
                *(others.made(found.direct) if others is not None and found.direct else ()),
            ),
        )

    def _doubts(
        self,
        code: str,
        names: _Names,
        freed: Sequence[tuple[Spot, str]],
        cleaned: Sequence[tuple[str, str]],
        callees: Mapping[str, frozenset[str]],
    ) -> set[Doubt]:
        """The doubts about the frees of a text, and about those that its callees may do."""
        freeing = [(t.key, names.surely(free)) for t, free in freed] + [one for one in cleaned if one[1] in self.frees]
        found = {doubt for key, free in freeing for doubt in names.doubts(key, partial(self.conflicting, free=free))}
        others = [key for key, free in cleaned if free not in self.frees]
        found.update(doubt for key in others for doubt in names.doubts(key, _is_known))
        found.update(self._doubted_by_callees(code, names, callees))
        return found

    def given_back(
        self, header: str, code: str, callees: frozenset[str], freeing: Freeing, bases: Bases
    ) -> frozenset[str] | None:
        """The frees that a function may give its parameters to, by its text, those into a cache that is a variable at
        file scope with the cache; None where that is left open.

        ``freeing``: tells the frees to which those of its callees may give theirs that may free anything.
        """
        if "__free" in callees:
            return None
        names = _Names()
        for name, member, value, kind, word in assignments(code):
            key = name if member is None else member.key
            for source in (of_path(word).key,) if kind == PATH else self._mentioned(value):
                names.take(key, source)
        given = names.led_by([param.name for param in signature(header).params])
        found = set[str]()
        vague = self._vague(code, callees, bases)
        for name in callees & self.frees.keys():
            for args in arguments(code, name):
                if any(not given.isdisjoint(self._mentioned(arg)) for arg in args):
                    cache = self.measures.freed(name, args) if name in self.measures.cached else ""
                    found.add(name if cache in vague else name + cache)
        for name, frees in freeing.items():
            if any(not given.isdisjoint(keys) for keys in self._passed(code, name)):
                found |= frees()
        return frozenset(found)

    def handed_out(
        self, code: str, callees: frozenset[str], returned: Mapping[str, Families], bases: Bases
    ) -> tuple[Families, frozenset[str]]:
        """The families of memory that a function may return, by its text, with the caches of objects; the calls that
        may give it.

        ``returned``: the families that its callees may return. All that a value names may be what it comes to.
        """
        if "__free" in callees:
            code = _CLEANED.sub(r"\1", code)
        names = _Names(self._vague(code, callees, bases))
        for name, member, value, kind, _ in assignments(code):
            if kind != CONSTANT:
                self._come_to(names, name if member is None else member.key, value, returned)
        for name in callees & self.results.keys():
            for args in arguments(code, name):
                if self.results[name] < len(args) and (target := last(args[self.results[name]])):
                    names.give(target.key, frozenset((self.allocators[name].family,)))
        for result in _RESULT.finditer(code):
            self._come_to(names, "return", result.group(1), returned)
        return frozenset([f for f in names.families("return") if f[0] not in "?^#"]), names.givers("return")

    def _come_to(self, names: _Names, key: str, value: str, returned: Mapping[str, Families]) -> None:
        """A name is given what a value may be, or lead to."""
        for before, word, call, _ in _NAMED.findall(value):
            if call:
                self._call(names, key, word, value, returned)
            elif before != "struct":
                names.take(key, "." + word if before in ("->", ".") else word)

    def _vague(self, code: str, callees: frozenset[str], bases: Bases) -> frozenset[str]:
        """The caches that a function names by what others may mean another by: its own variables, and members."""
        found: set[str] = set()
        for name in callees & self.caches.keys():
            number = self.caches[name]
            for args in arguments(code, name):
                cache = args[number].strip() if number < len(args) else ""
                if not cache.isidentifier() or bases.types(cache):
                    found.add(cache_of(cache))
        return frozenset(found)

    def _passed(self, code: str, name: str) -> Iterator[list[str]]:
        """What the arguments of the calls of a name may be."""
        for args in arguments(code, name):
            for arg in args:
                yield self._mentioned(arg)

    def _mentioned(self, value: str) -> list[str]:
        """The keys of all that a value may be: of a path its end, and of what is computed all in it. What a call comes
        to is none of its arguments, but for those of ``passing``.
        """
        words = _NAMED.findall(INDEX.sub("", value) if "[" in value else value)
        called = [word for _, word, call, _ in words if call]
        if called and self.passing.isdisjoint(called):
            words = _NAMED.findall(_outside(value))
        return ["." + word if before else word for before, word, call, leads in words if not leads and not call]

    def _assigned(self, text: Text, code: str, names: _Names, wrappers: Called, found: _Assigned) -> None:
        """Note what a text's assignments do: ``names`` hears of memory, ``found`` of all else."""
        returned = wrappers.returned
        tracked = self._makes(text, wrappers)
        sources = bool(self.measures.frees)
        for name, member, value, kind, word in assignments(code):
            if member is not None:
                found.stored.append(member)
                if sources and (kind == PATH or not kind):
                    found.copied.append((word or value, member.key))
            elif kind == CALL and word in self.creators:
                if _only_call(value):
                    found.served.extend(self._served(text, name, word, value))
            elif kind == CALL and word in self.plain and word not in wrappers.own and _only_call(value):
                found.direct.append((name, self.allocators[word].family + self.measures.cache(word, value)))
            if not tracked or kind == CONSTANT:
                continue
            key = name if member is None else "." + name
            if kind == PATH:
                names.take(key, word if word.isidentifier() else of_path(word).key)
            elif kind == CALL and word not in self.through and value.count("(") == 1 and "?" not in value:
                self._call(names, key, word, value, returned)
            elif value:
                self._assign(names, key, value, returned)

    def _makes(self, text: Text, wrappers: Called) -> bool:
        """Whether a function gives any of its names memory."""
        return (
            bool(wrappers.returned or wrappers.giving)
            or not self.allocators.keys().isdisjoint(text.callees)
            or not self.measures.giving.isdisjoint(text.callees)
            or ALLOCATES.search(" ".join(text.callees)) is not None
        )

    def _served(self, text: Text, name: str, call: str, value: str) -> Iterator[tuple[str, str]]:
        """The struct that a cache is made for: of its size, or named first (``KMEM_CACHE``, include/linux/slab.h)."""
        number = self.allocators[call].size
        args = next(arguments(value, call), [])
        size = args[number] if number is not None and number < len(args) else ""
        found = _SIZE.fullmatch(size.strip())
        tag = found.group(1) if found is not None else args[0].strip() if number is None and args else ""
        key = text.bases.known.record_key(tag) if tag and self.measures.caching else ""
        if ":" in key:
            yield f"*{key}", f"{CACHES}@{name}"

    def _cached(self, target: Spot, names: _Names, text: Text) -> Iterator[str]:
        """What a member leads to that is given an object of a cache."""
        if target.member and any(family.startswith("@") for family in names.families(target.key)):
            yield from _objects(target, text.bases)

    def _called(self, text: Text) -> Iterator[tuple[str, str]]:
        """The objects that calls name by their results whose objects go back to caches (``FOO_I(inode)``)."""
        for name in text.callees & self.measures.cached.keys():
            number = self.frees[name].arg
            for args in arguments(text.code, name):
                call = _only_call(args[number]) if number < len(args) else ""
                key = text.returned(call) if call and call not in self.passing else ""
                if key:
                    yield f"*{key}", name + self.measures.freed(name, args)

    def _returned(self, text: Text) -> Iterator[tuple[str, str]]:
        """The structs of which a function returns objects straight from a cache, each with the family and the cache."""
        for name in sorted(text.callees & self.measures.caching.keys() & self.plain):
            for returned in _RETURNED.finditer(text.code):
                if returned.group(1) == name and (cache := self.measures.cache(name, text.code[returned.start() :])):
                    kind = _RETURNS.match(signature(text.header).returns)
                    key = text.bases.known.record_key(kind.group(1)) if kind else ""
                    if ":" in key:
                        yield f"*{key}", self.allocators[name].family + cache

    def _assign(self, names: _Names, name: str, value: str, returned: Mapping[str, Families]) -> None:
        """A name is given a value of any kind."""
        words = _NAMED.findall(INDEX.sub("", value) if "[" in value else value)
        called = [word for _, word, call, _ in words if call]
        for word in called:
            self._call(names, name, word, value, returned)
            if word in self.measures.converting:
                for before, other, call, _ in words:
                    if not call:
                        names.give(name, measures_in(names.families("." + other if before else other)))
        if called and self.passing.isdisjoint(called):
            words = _NAMED.findall(_outside(value))
        for before, word, call, leads in words:
            if not call and not leads and before != "struct":
                names.take(name, "." + word if before else word)

    def _call(self, names: _Names, name: str, word: str, value: str, returned: Mapping[str, Families]) -> None:
        """A name is given what a call in a value hands out."""
        families = self.families_of(word, returned)
        if word in self.measures.giving:
            families |= self.measures.given(word, value)
        families = self.marked(families, names.vague)
        if families or ALLOCATES.search(word):
            names.give(name, families or _UNKNOWN, word)

    def families_of(self, name: str, returned: Mapping[str, Families]) -> Families:
        """The families that a call may hand out."""
        row = self.allocators.get(name)
        return returned.get(name, _NONE) if row is None else returned.get(name, _NONE) | {row.family}

    def _freed(self, code: str, name: str) -> Iterator[tuple[Spot, str]]:
        """What is freed, with the free and its measure."""
        number = self.frees[name].arg
        for args in arguments(code, name):
            for target in _ends(args[number]) if number < len(args) else ():
                yield target, name + self.measures.freed(name, args)

    def _doubted_by_callees(self, code: str, names: _Names, freeing: Mapping[str, frozenset[str]]) -> Iterator[Doubt]:
        """What a callee may free that is not for it."""
        given = frozenset[str]().union(*names.given.values())
        for name, every in freeing.items():
            frees = [free for free in every if self.conflicting(given, free)]
            for args in arguments(code, name) if frees else ():
                for target in (target for arg in args for target in _ends(arg)):
                    yield from names.doubts(target.key, partial(self._wrong, frees=frees), name)

    def _wrong(self, families: Families, frees: Sequence[str]) -> bool:
        return any(self.conflicting(families, free) for free in frees)


def _is_known(families: Families) -> bool:
    return bool(families - _UNKNOWN)


def _ends(arg: str) -> Iterator[Spot]:
    """The last components of the paths of which an argument is one."""
    for text in _CHOICE.split(arg) if "?" in arg else (arg,):
        if target := last(text):
            yield target


def _outside(value: str) -> str:
    """A value without what its calls get: what else stands in it may be what it comes to (``c ? get(p) : p``)."""
    kept: list[str] = []
    start = inside = 0
    for match in _BRACKET.finditer(value):
        if inside:
            inside += -1 if match.group() == ")" else 1
            if not inside:
                start = match.start()
        elif len(match.group()) > 1:
            kept.append(value[start : match.end()])
            inside = 1
    return "".join(kept) if inside else "".join((*kept, value[start:]))


def _gifts(code: str, name: str, families: Families, names: _Names) -> Iterator[Spot]:
    """The members whose address a call gets that may put memory there; ``names`` hears of the memory."""
    for args in arguments(code, name):
        for arg in args:
            target = last(arg) if arg.lstrip().startswith("&") else None
            if target is not None:
                names.give(target.key, families, name)
                yield target


class _Others:
    """What a function does to objects that are known by their struct, and to variables at file scope."""

    def __init__(self, text: Text, names: _Names, freed: Sequence[tuple[Spot, str]], reader: Reader) -> None:
        self.text, self.names, self.reader = text, names, reader
        self.bare = [(target, free) for target, free in freed if not target.member]

    @cached_property
    def structs(self) -> dict[str, str]:
        """The structs that pointers lead to, by their names."""
        return {name: tag for name, tag, _ in self._pointers}

    @cached_property
    def _pointers(self) -> list[tuple[str, str, bool]]:
        """Of every pointer to a struct that is declared its name, the struct, and whether it leads straight there."""
        return [
            (name, tag, stars.count("*") == 1)
            for text in (self.text.header, self.text.code)
            for tag, declarators in _DECLARED.findall(text)
            for stars, name in _POINTER.findall(declarators)
        ]

    def stored(self) -> tuple[tuple[str, Told], ...]:
        """The structs and variables that may be given memory, with its families."""
        found: dict[str, set[str]] = {}
        if not self.names.given:
            return ()
        for name in self.names.having():
            if not name.startswith(".") and (families := self.names.told(name)) and (other := self.of(name)):
                found.setdefault(other, set()).update(families)
        for tag, family in self._sized() if "sizeof" in self.text.code else ():
            if other := self.object(tag):
                found.setdefault(other, set()).add(family)
        return tuple(sorted((other, tuple(sorted(families))) for other, families in found.items()))

    def _sized(self) -> Iterator[tuple[str, str]]:
        """The structs of whose size memory is allocated, each with the memory's family."""
        for name in self.reader.sizes.keys() & self.text.callees:
            number, family = self.reader.sizes[name]
            for args in arguments(self.text.code, name):
                for named, pointer in _SIZE.findall(args[number]) if number < len(args) else ():
                    yield named or self.structs.get(pointer, ""), family

    def made(self, direct: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """The structs of which objects are surely made. ``direct``: variables that are given what an allocator returns,
        with its family.
        """
        tags: dict[str, set[str]] = {}
        for text in (self.text.header, self.text.code):
            for tag, name in _OBJECT.findall(text):
                tags.setdefault(name, set()).add(tag)
        sure = [(*tags[name], family) for name, family in direct if tags.get(name) == {self.structs.get(name)}]
        pairs = {(self.object(tag), family) for tag, family in sure}
        return tuple(sorted(pair for pair in pairs if pair[0]))

    def freed(self) -> tuple[tuple[str, str], ...]:
        """The structs and variables that are freed."""
        known = {(other, free) for target, free in self.bare if (other := self._freed_by(target, free))}
        return tuple(sorted(known))

    def _freed_by(self, target: Spot, free: str) -> str:
        """What others know of what is freed. Of objects only those that an analysis knows (``frees.freed_object``): not
        what is resized, nor what a call is given, nor an array of pointers.
        """
        other = self.of(target.name)
        if not other.startswith("*"):
            return other
        if target.text:
            led = not _only_call(target.text)
        else:
            led = any(straight for name, _, straight in self._pointers if name == target.name)
        return other if led and parted(free)[0] not in self.reader.resizers else ""

    def of(self, name: str) -> str:
        """What others know of what a name leads to; "" where that is nothing."""
        tag = self.structs.get(name)
        if tag:
            return self.object(tag)
        key = self.text.variables(name) if not self.text.bases.types(name) else ""
        return variable(key, name) if key else ""

    def object(self, tag: str) -> str:
        """What others call the objects of a struct; "" where the program does not define it."""
        key = self.text.bases.known.record_key(tag) if tag else ""
        return f"*{key}" if ":" in key else ""


class _Names:
    """The names of a function's memory: what families each may be given, and from which others it may take memory."""

    def __init__(self, vague: frozenset[str] = frozenset()) -> None:
        """``vague``: caches that are named by what others may mean another by."""
        self.vague = vague
        self.given: dict[str, Families] = {}
        self._sources: dict[str, list[str]] = {}
        self._givers: dict[str, dict[str, Families]] = {}
        self._found: dict[str, Families] = {}
        self._having: Set[str] | None = None

    def take(self, name: str, source: str) -> None:
        """What a name stands for may be what another does."""
        if name != source:
            self._sources.setdefault(name, []).append(source)
            self._change()

    def give(self, name: str, families: Families, giver: str = "") -> None:
        known = self.given.get(name)
        self.given[name] = families if known is None else known | families
        self._change()
        if giver:
            givers = self._givers.setdefault(name, {})
            givers[giver] = givers.get(giver, _NONE) | families

    def _change(self) -> None:
        if self._found or self._having is not None:
            self._found.clear()
            self._having = None

    def givers(self, name: str) -> frozenset[str]:
        """What is called to give a name its memory."""
        return frozenset([giver for n in self._behind(name) for giver in self._givers.get(n, ())])

    def doubts(self, name: str, wrong: Callable[[Families], bool], freeing: str = "") -> Iterator[Doubt]:
        """The doubt about a name whose families are ``wrong`` for a free, one in the function ``freeing``."""
        if not wrong(self.families(name)):
            return
        given = [pair for n in self._behind(name) for pair in self._givers.get(n, {}).items()]
        wrong = cache(wrong)  # most of many givers give the same
        # Where only all of it together is wrong, it may rest on any of them.
        doubtful = [giver for giver, families in given if wrong(families)] or [giver for giver, _ in given]
        yield Doubt(freeing, frozenset(doubtful))

    def led_by(self, ends: Iterable[str]) -> Set[str]:
        """The names that may stand for what one of ``ends`` does, with these."""
        takers: dict[str, list[str]] = {}
        for name, sources in self._sources.items():
            for source in sources:
                takers.setdefault(source, []).append(name)
        return _reached(ends, takers)

    def having(self) -> Set[str]:
        """Every name that was given memory, or takes it from one that was."""
        if self._having is None:
            self._having = self.led_by(self.given)
        return self._having

    def has(self, marks: str) -> bool:
        """Whether any memory is of a family, or a measure, that begins with one of some characters."""
        return any(family[0] in marks for families in self.given.values() for family in families)

    def families(self, name: str) -> Families:
        if name not in self._sources:
            return self.given.get(name, _NONE)
        if not self.given or (self._having is not None and name not in self._having):
            return _NONE
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = _NONE.union(*[self.given.get(n, _NONE) for n in self._behind(name)])
        return found

    def told(self, name: str) -> Told:
        """The families that others may hear of."""
        if name not in self.having():
            return ()
        return tuple(sorted(self.families(name) - _SOME_CACHE))

    def surely(self, free: str) -> str:
        """A free, without a cache that others may mean another by."""
        return parted(free)[0] if self.vague and parted(free)[1] in self.vague else free

    def _behind(self, name: str) -> Iterable[str]:
        """A name and all those from which its memory may come."""
        return _reached((name,), self._sources)


def _reached(names: Iterable[str], links: Mapping[str, Sequence[str]]) -> Set[str]:
    """Some names, and all that links lead to from there; in the order in which they are found."""
    found = dict.fromkeys(names)
    left = list(found)
    while left:
        for name in links.get(left.pop(), ()):
            if name not in found:
                found[name] = None
                left.append(name)
    return found.keys()


def _only_call(value: str) -> str:
    """The name of what is called where a value is nothing but a call, or a cast of one; "" for any other value."""
    match = _CALL.match(value)
    if match is None:
        return ""
    depth = 0
    for paren in _PAREN.finditer(value, match.end() - 1):
        depth += 1 if paren.group() == "(" else -1
        if not depth:
            return match.group(1) if not value[paren.end() :].strip() else ""
    return ""
