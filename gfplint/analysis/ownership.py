"""Memory that one function stores and another frees, joined over the tree.

A store names the places that hold what it stores, a free those that what it frees may come from (``analysis.holders``).
Where every store to a place is of memory of one family, a free of what it holds is of that family. Of places that the
whole tree uses (a struct of include/), the file's own stores count, and for a struct of its subsystem those of its
folder where nobody else stores there. Where stores differ, and where one is of something unknown, nothing is said,
unless conditions on the same object tell them apart, or the freeing file's own stores agree. Of a pointer whose place
tells nothing, the struct that it leads to may: where all of its objects are of one family.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Sequence, Set
from typing import NamedTuple

import msgspec

from gfplint.analysis.holders import OBJECT, Holder, contradict, of_file
from gfplint.analysis.paths import last_of
from gfplint.analysis.summary import FreeSite, MemberStore
from gfplint.analysis.values import CACHES, Memory

#: Copies from one member to another that are followed.
MAX_COPIES = 3


#: Folders of headers that name no subsystem.
_EVERYBODYS = frozenset(("include", "linux", "uapi", "net", "asm-generic"))


#: The member that stands for all that comes from a cache.
_CACHE = "@"
#: The path of allocations in functions that were not analysed: it comes behind that of every file.
NO_FILE = "\U0010ffff"


class StoreAt(msgspec.Struct, frozen=True, array_like=True):
    """A store and where it stands."""

    path: str
    function: str
    store: MemberStore


class FreeAt(msgspec.Struct, frozen=True, array_like=True):
    """A free of memory that its function does not know, and where it stands."""

    path: str
    function: str
    site: FreeSite


def named(holder: Holder) -> Holder:
    """A place as texts name it: without the way to it inside its struct, its elements like itself."""
    record, name = holder
    return record, last_of(name).rstrip("[]")


def kept_under(item: StoreAt) -> tuple[Holder, ...]:
    """What a store may tell something of: the places, the objects of a struct, and the cache that these are of."""
    return (*item.store.holders, *_caches(item.store.holders, item.store.memory))


def rests_on(item: StoreAt) -> tuple[Holder, ...]:
    """On what else what a store tells rests: the place that it copies, and whose objects else come from the cache."""
    source = item.store.source
    return (*((source,) if source[0] else ()), *_caches(item.store.holders, item.store.memory))


def asked_of(item: FreeAt) -> tuple[Holder, ...]:
    """What may tell of a free."""
    holders = item.site.holders
    return (*dict.fromkeys((*holders, *map(named, holders))), *_caches(holders, item.site))


def _caches(holders: tuple[Holder, ...], named: Memory | FreeSite | None) -> tuple[Holder, ...]:
    if named is None or not named.cache or all(member != OBJECT for _, member in holders):
        return ()
    return ((last_of(named.cache), _CACHE),)


#: Whether a free (its callee's name) may free memory.
Legal = Callable[[str, Memory], bool]


class _Objects(NamedTuple):
    """What stores tell of a struct's objects: their memory, the files, whether it is all known and of one family, and
    whether any of it is ``apart``.
    """

    memories: list[Memory]
    paths: frozenset[str]
    agreeing: bool
    apart: bool


class Books:
    """Stores and frees by the places that hold what they are of."""

    def __init__(
        self,
        stores: Iterable[StoreAt],
        frees: Iterable[FreeAt],
        legal: Legal,
        apart: frozenset[str] = frozenset(),
        scattered: Set[Holder] = frozenset(),
    ) -> None:
        """``apart``: families that are no evidence for other functions (test-managed memory); ``scattered``: places,
        as texts name them, to which others than these stores may be, in other folders.
        """
        self.legal = legal
        self.scattered = scattered
        self.families_apart = apart
        self.stores: dict[Holder, list[StoreAt]] = {}
        self.frees: dict[Holder, list[FreeAt]] = {}
        #: By the last component of what names a cache: the structs that its objects are of, with the files.
        self.objects: dict[str, set[tuple[Holder, str]]] = {}
        self._known_objects: dict[Holder, _Objects] = {}
        for item in stores:
            self._enter(item)
        for free in frees:
            for holder in free.site.holders:
                self.frees.setdefault(holder, []).append(free)

    def _enter(self, item: StoreAt) -> None:
        memory = item.store.memory
        for holder in item.store.holders:
            if holder[1] == OBJECT and memory is not None and memory.cache:
                self.objects.setdefault(last_of(memory.cache), set()).add((holder, item.path))
                if memory.family == CACHES:
                    continue  # what a cache is made for is none of its objects
            self.stores.setdefault(holder, []).append(item)

    def known(self, free: FreeAt) -> FreeAt | None:
        """A free with the memory that arrives there, where that is known.

        It depends on the stores to the holders of what is freed, on those to what these copy, and on the other frees
        of the file.
        """
        found = self.memory_at(free)
        if found is None:
            return None
        memory, doubt = found
        return FreeAt(free.path, free.function, msgspec.structs.replace(free.site, memory=memory, doubt=doubt))

    def apart(self, memory: Memory | None) -> bool:
        """Whether memory is of a family that only its own function sees."""
        return memory is not None and memory.family in self.families_apart

    def _counts(self, item: StoreAt, free: FreeAt) -> bool:
        """Whether a store says anything of a free: what one test allocates, another one does not free."""
        return not self.apart(item.store.memory) or (item.path, item.function) == (free.path, free.function)

    def memory_at(self, free: FreeAt) -> tuple[Memory, int] | None:
        """What arrives at a free, and how doubtful that is; None where nothing can be said."""
        places = [h for h in free.site.holders if h[1] != OBJECT]
        for holder in places:
            stores = self._stored(holder, places)
            if not stores:
                continue
            if holder != places[-1]:  # who stores through a pointer to the inner struct does not say in which outer one
                inner = self.stores.get(places[-1], ())
                stores = [*stores, *(s for s in inner if len(s.store.holders) == 1 and s.path == free.path)]
            known = self._from(holder, stores, free)
            if known is not None or all(s.store.memory is not None for s in stores):
                return known
            break
        kinds = [h for h in free.site.holders if h[1] == OBJECT]
        return self._object(kinds[0], free) if kinds and kinds[0] in self.stores else None

    def _object(self, kind: Holder, free: FreeAt) -> tuple[Memory, int] | None:
        """Of which memory all objects of a struct are, if there are any in the file, or its folder has the struct."""
        objects = self._objects_of(kind)
        if objects.apart:
            objects = self._told_by([s for s in self.stores[kind] if self._counts(s, free)])
        near = private(kind, free.path) or free.path in objects.paths
        if not near or not objects.agreeing:
            return None
        memories = objects.memories
        return msgspec.structs.replace(self._cached(kind, memories, free), order="", size=""), 1

    def _objects_of(self, kind: Holder) -> _Objects:
        """What all stores of a struct's objects tell: many frees ask, of structs with thousands of them."""
        known = self._known_objects.get(kind)
        if known is None:
            known = self._known_objects[kind] = self._told_by(self.stores[kind])
        return known

    def _told_by(self, stores: Sequence[StoreAt]) -> _Objects:
        memories = [s.store.memory for s in stores if s.store.memory is not None]
        return _Objects(
            memories,
            frozenset([s.path for s in stores]),
            bool(memories) and len(memories) == len(stores) and _agree(memories),
            any(map(self.apart, memories)),
        )

    def _cached(self, kind: Holder, memories: Sequence[Memory], free: FreeAt) -> Memory:
        """What the objects of a struct are, with their cache where a free names one that is not theirs."""
        real = [m for m in memories if m.path != NO_FILE] or list(memories)
        freed = last_of(free.site.cache)
        others = [m for m in real if last_of(m.cache) != freed]
        back = [f for f in self.frees.get(kind, ()) if f.path == free.path and last_of(f.site.cache) != freed]
        if freed and len(others) < len(real) and not back:
            real = others or real  # all of them go back to one cache, which not all of them are from
        known = _nearest(real, free.path)
        return known if self._only_other(kind, known.cache, free) else msgspec.structs.replace(known, cache="")

    def _only_other(self, kind: Holder, cache: str, free: FreeAt) -> bool:
        """Whether objects of a struct are of another cache than the one that a free names, and caches serve one struct
        each there: objects of another struct come from one of the two, and none of this one from both.

        Both are variables at file scope, or both members: one of each may well be two names of one cache, and so may be
        two members where nothing comes from one of them.
        """
        freed = free.site.cache
        if not cache or not freed or ("." in cache) is not ("." in freed):
            return False
        here, there = self._served(cache, free), self._served(freed, free)
        if kind in here and kind in there:
            return len(here) > 1 and len(there) == 1
        if not there and "." in freed:
            return False
        return len(here | there) > 1 and len(here) + len(there) == len(here | there)

    def _served(self, cache: str, free: FreeAt) -> set[Holder]:
        """The structs of which objects come from a cache, in the folder of a free."""
        folder = posixpath.dirname(free.path)
        return {made for made, path in self.objects.get(last_of(cache), ()) if posixpath.dirname(path) == folder}

    def _stored(self, holder: Holder, places: Sequence[Holder]) -> list[StoreAt]:
        """The stores to a place; for the inner struct of one that is known, not those into it within others."""
        found = self.stores.get(holder, [])
        if len(places) < 2 or holder != places[-1]:
            return found
        return [s for s in found if len(s.store.holders) == 1 or s.store.holders[0] in places]

    def _from(self, holder: Holder, stores: Sequence[StoreAt], free: FreeAt) -> tuple[Memory, int] | None:
        fitting = [s for s in stores if not contradict(s.store.when, free.site.when)]
        fitting = [s for s in fitting if self._counts(s, free)]
        resolved = self._resolved(holder, fitting)
        doubt = 1 if free.site.when else 0
        if not private(holder, free.path):
            own = resolved if self._put_back(holder) else [(m, path) for m, path in resolved if path == free.path]
            doubt = doubt if own else doubt + 1
            here = named(holder) not in self.scattered and belongs(holder, free.path) and _near(stores, free.path)
            far = _everybodys(holder) and not here
            resolved = own or ([] if far or len(resolved) != len(stores) else resolved)
        if not resolved:
            return None
        memories = [m for m, _ in resolved if m is not None]
        if len(memories) == len(resolved) and _agree(memories):
            known = _nearest(memories, free.path)
            told = len(fitting) < len(stores)  # the stores were told apart by what the free asked
            return None if not told and self._elsewhere(holder, known, free) else (known, doubt)
        return self._told_apart(holder, resolved, free)

    def _elsewhere(self, holder: Holder, memory: Memory, free: FreeAt) -> bool:
        """Whether the memory goes back another way, where the same members of the object say the opposite."""
        return any(
            contradict(other.site.when, free.site.when) and self.legal(other.site.callee, memory)
            for other in (self.frees.get(holder, ()) if free.site.when else ())
            if other.path == free.path
        )

    def _told_apart(
        self, holder: Holder, resolved: Sequence[tuple[Memory | None, str]], free: FreeAt
    ) -> tuple[Memory, int] | None:
        """Where the tree's stores differ but the freeing file's agree: each file frees what it stores, unless another
        free of this one is for its own memory, and this for what others store. A header's functions run for them all.
        What is put aside to another member and put back again makes room for others' memory, wherever it is freed.
        """
        if free.path.endswith(".h") or self._put_back(holder):
            return None
        own = [m for m, path in resolved if path == free.path]
        memories = [m for m in own if m is not None]
        if free.site.when or len(memories) != len(own) or not own or not _agree(memories):
            return None
        for other in self.frees.get(holder, ()):
            if other.path == free.path and self.legal(other.site.callee, memories[0]):
                return None
        return memories[0], 1

    def _put_back(self, holder: Holder) -> bool:
        """Whether a place gets back what was put from there to another place."""
        sources = {s.store.source for s in self.stores.get(holder, ())}
        return any(s.store.source == holder for source in sources for s in self.stores.get(source, ()))

    def _resolved(
        self, holder: Holder, stores: Sequence[StoreAt], way: tuple[Holder, ...] = ()
    ) -> list[tuple[Memory | None, str]]:
        """The memory of each store, or None, and where it stands; copies stand for what the copied place holds, but for
        those that come back to a place on the ``way``: they bring nothing new.
        """
        found: list[tuple[Memory | None, str]] = []
        way = (*way, holder)
        for item in stores:
            source = item.store.source
            if item.store.memory is not None or not source[0]:
                found.append((item.store.memory, item.path))
            elif source in way:
                continue
            elif len(way) <= MAX_COPIES and (behind := self.stores.get(source)):
                found += [(m, item.path) for m, _ in self._resolved(source, behind, way)]
            else:
                found.append((None, item.path))
        return found


def _everybodys(holder: Holder) -> bool:
    """Whether a struct is the whole tree's, or one of which only the name is known."""
    return holder[0].startswith("include/") or not (":" in holder[0] or of_file(holder[0]))


def belongs(holder: Holder, path: str) -> bool:
    """Whether a struct of include/ is of the subsystem of a file: its header's folder bears the name of one around."""
    named = set(posixpath.dirname(holder[0].partition(":")[0]).split("/")) - _EVERYBODYS
    return not named.isdisjoint(posixpath.dirname(path).split("/"))


def _near(stores: Sequence[StoreAt], path: str) -> bool:
    """Whether all stores stand in the folder of a file."""
    folder = posixpath.dirname(path)
    return all(posixpath.dirname(s.path) == folder for s in stores)


def _agree(memories: Sequence[Memory]) -> bool:
    return len({(m.family, m.managed) for m in memories}) == 1


def _nearest(memories: Sequence[Memory], path: str) -> Memory:
    """The allocation next to a free, with that of it which is true of all."""
    folder = posixpath.dirname(path)
    one = min(memories, key=lambda m: (m.path != path, posixpath.dirname(m.path) != folder, m.path, m.place.line))
    return msgspec.structs.replace(
        one,
        cache=one.cache if all(m.cache == one.cache for m in memories) else "",
        order=one.order if all(m.order == one.order for m in memories) else "",
        size=one.size if all(m.size == one.size for m in memories) else "",
    )


def private(holder: Holder, path: str) -> bool:
    """Whether a place is only used near a file: its struct is defined there, and not for the whole tree."""
    defined, known, _ = holder[0].partition(":")
    if not known:
        return holder[0] == path
    folder, home = posixpath.dirname(path), posixpath.dirname(defined)
    return home.startswith(folder) or folder.startswith(home)
