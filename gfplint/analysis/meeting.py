"""In which members of structs memory of one family may meet a free that is not for it: decided on evidence.

Texts tell first (``analysis.evidence``), and of functions that are analysed what they do. Of those who free and those
who store the fewer are looked at first: where a text says more of them than they do in truth, nobody else need be.
"""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set

import msgspec

from gfplint.analysis.environment import NOWHERE
from gfplint.analysis.evidence import Reader, known_as, variable
from gfplint.analysis.holders import OBJECT, Holder, of_file
from gfplint.analysis.measures import cache_of, measure_of, parted
from gfplint.analysis.ownership import NO_FILE, StoreAt, belongs, named, private
from gfplint.analysis.program import FunctionId
from gfplint.analysis.summary import FreeSite, MemberStore
from gfplint.analysis.values import CACHES, Memory
from gfplint.kernel.model import Kernel

#: By member what is done to it, each with the functions that do it.
Deeds = dict[str, dict[str, set[FunctionId]]]
#: What is done to one member, each with the functions that do it.
Done = Sequence[tuple[str, Set[FunctionId]]]
#: Where the structs are that the whole tree includes.
_EVERYWHERE = "include/"
#: In the place of a folder: nobody counts, for others store there, too (``scattered``).
_NOBODYS = "-"
#: Folders that deep are of one subsystem: what is defined there is of use to all in it.
_SHARED = 3


class MemberEvidence(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A function (its number in its file) that may store memory of ``families`` in a member, or free it by ``free``.

    ``open``: it is not analysed yet. ``sure``: the family of an object of a struct that it surely makes, with its cache
    behind it (``measures``), "?" for one of something unknown.
    """

    function: int
    member: str
    families: tuple[str, ...] = ()
    free: str = ""
    open: bool = True
    sure: str = ""


class Met(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where memory may meet a wrong free in a member: near which folders, and in which files, functions that touch it
    count; everywhere without any. ``frees``, ``families``: of the frees and the stores that make it so, those that
    fewer functions do: who is to refute it is looked at first.
    """

    near: tuple[str, ...] = ()
    frees: tuple[str, ...] = ()
    families: tuple[str, ...] = ()


#: Members in which memory may meet a free that is not for it.
Members = Mapping[str, Met]
#: Evidence, and the number of the file that it is in.
Item = tuple[int, MemberEvidence]
#: Evidence by the numbers of files.
Evidence = Iterable[tuple[int, Sequence[MemberEvidence]]]


class Meetings:
    """Decides in which members of a program's structs memory may meet a free that is not for it."""

    def __init__(self, path: Callable[[int], str], kernel: Kernel, reader: Reader) -> None:
        """``path``: a file's, by its number."""
        self.path = path
        self.kernel = kernel
        self.reader = reader
        self._wrong = functools.cache(self._is_wrong)  # the same few are asked of thousands of members

    def members(self, evidence: Evidence) -> dict[str, Met]:
        """The members in which memory may meet a free that is not for it."""
        return self._meeting(_by_name(evidence))

    def again(self, members: Members, evidence: Evidence, names: Set[str]) -> dict[str, Met]:
        """The same, where that was ``members`` before evidence on members of some names became another."""
        found = {member: met for member, met in members.items() if bare(member) not in names}
        return found | self._meeting({name: items for name, items in _by_name(evidence).items() if name in names})

    def _meeting(self, evidence: Mapping[str, Sequence[Item]]) -> dict[str, Met]:
        """``evidence``: by the names of members (``bare``): all that there is of those of one name decides."""
        found: dict[str, Met] = {}
        for name, items in evidence.items():
            objects = name[0] == "*"
            frees = {item.free for _, item in items if item.free}
            families = {family for _, item in items for family in item.families} if frees else ()
            if any(self._wrong(objects, family, free) for free in frees for family in families):
                found |= self._of_name(items)
        return found

    def _of_name(self, items: Sequence[Item]) -> dict[str, Met]:
        """The members of one name in which memory may meet such a free."""
        stored: Deeds = {}
        freed: Deeds = {}
        sure: dict[str, set[str]] = {}
        here = {(file, item.member) for file, item in items if item.families}
        for file, item in items:
            member, function = item.member, (file, item.function)
            if item.free:
                if (file, member) in here or self._joined(member, file):
                    freed.setdefault(member, {}).setdefault(item.free, set()).add(function)
                continue
            for family in item.families:
                stored.setdefault(member, {}).setdefault(family, set()).add(function)
            if item.sure and (family := parted(item.sure)[0]) != CACHES:
                sure.setdefault(member, set()).add(family)
        for member, families in sure.items():  # objects are of one family, or nothing is said of them
            only = families if len(families) == 1 else set()
            stored[member] = {
                family: places
                for family, places in stored.get(member, {}).items()
                if family in only or (only and family.startswith("@"))
            }
        asked = [member for member in stored.keys() | freed.keys() if member in freed or bare(member) in freed]
        meeting = ((member, self._meets(member, stored, freed)) for member in asked)
        return _with_bare({member: met for member, met in meeting if met is not None})

    def made(self, path: str, function: str, members: Iterable[MemberEvidence]) -> Iterator[StoreAt]:
        """What stands for the objects of structs that a function surely makes: it may never be looked at itself."""
        for item in members:
            if item.sure:
                family, cache = parted(item.sure)
                managed = self.kernel.families[family].managed
                memory = Memory(family, "", NOWHERE, NO_FILE, function, cache=cache[1:], managed=managed)
                yield StoreAt(path, function, MemberStore(((item.member[1:], OBJECT),), memory, NOWHERE))

    def _meets(self, member: str, stored: Deeds, freed: Deeds) -> Met | None:
        """Where a member may hold memory that one of its frees is not for; None where that may be nowhere."""
        known = self._of(stored, member)
        near: set[str] = set()
        everywhere = False
        frees: dict[str, set[FunctionId]] = {}
        families: dict[str, set[FunctionId]] = {}
        for free, ends in self._of(freed, member):
            for family, starts in known:
                if not self._wrong(member[0] == "*", family, free):
                    continue
                if self.reader.apart(family, free) and ends.isdisjoint(starts):
                    continue
                folders = self._near(member, starts, ends, known) if member.startswith(_EVERYWHERE) else set()
                if folders is None:
                    continue
                near |= folders
                everywhere |= not folders
                frees.setdefault(free, set()).update(ends)
                families.setdefault(family, set()).update(starts)
        if not frees:
            return None
        fewer = len(set().union(*frees.values())) <= len(set().union(*families.values()))
        return Met(
            () if everywhere else tuple(sorted(near)),
            tuple(sorted(frees)) if fewer else (),
            () if fewer else tuple(sorted(families)),
        )

    def _is_wrong(self, objects: bool, family: str, free: str) -> bool:
        """Whether memory, or ``objects`` of a struct, of a family are not for a free."""
        return self.reader.unfit(family, free) if objects else self.reader.conflicting(frozenset((family,)), free)

    def _near(self, member: str, starts: Set[FunctionId], ends: Set[FunctionId], known: Done) -> set[str] | None:
        """The folders and files in which what is stored by some functions may be freed by others, of a struct that the
        whole tree knows: only a file's own stores count there, but for a struct of its subsystem those of the folder,
        if nobody else stores there (``analysis.ownership``). None for everywhere where headers free it; None for
        nowhere. ``known``: all that store there, by what.
        """
        ending = {self.path(file) for file, _ in ends}
        if any(path.startswith(_EVERYWHERE) for path in ending):
            return set()
        found = ending & {self.path(file) for file, _ in starts}
        behind = self._folders(starts)
        for path in ending:
            folder = posixpath.dirname(path)
            if folder in behind and folder not in found and belongs(holder_of(member), path):
                alone = all(related(folder, other) for _, places in known for other in self._folders(places))
                found.add(folder if alone else _NOBODYS)
        return found or None

    def _folders(self, functions: Set[FunctionId]) -> set[str]:
        return {posixpath.dirname(self.path(file)) for file, _ in functions}

    def _of(self, known: Deeds, member: str) -> Done:
        """What is known of a member, and of one of its name whose struct is not known, as far as it may be this one."""
        found = list[tuple[str, Set[FunctionId]]](known.get(member, {}).items())
        name = bare(member)
        if name != member:
            for deed, places in known.get(name, {}).items():
                may_be = self._near_struct(member, places)
                if may_be:
                    found.append((deed, may_be))
        return found

    def _near_struct(self, member: str, places: Set[FunctionId]) -> Set[FunctionId]:
        """The functions that may mean a member by its name: those that know its struct.

        One that a ``.c`` file defines only that file knows, and what is compiled with it; one of another header than
        those that the whole tree includes, files around it (``_with_bare``).
        """
        home = member.partition(":")[0]
        if home.startswith(_EVERYWHERE):
            return places
        if home.endswith(".c"):
            folder = posixpath.dirname(home)
            return {place for place in places if posixpath.dirname(self.path(place[0])) == folder}
        folder = _home(member)
        return {place for place in places if related(posixpath.dirname(self.path(place[0])), folder)}

    def _joined(self, member: str, file: int) -> bool:
        """Whether stores in other files count where a file frees: for the objects of a struct only of one near by."""
        return not member.startswith("*") or private((member[1:], OBJECT), self.path(file))


def _by_name(evidence: Evidence) -> dict[str, list[Item]]:
    """Evidence by the names of members, as far as it tells of memory."""
    found: dict[str, list[Item]] = {}
    for file, items in evidence:
        for item in items:
            if item.families or item.free or item.sure:
                name = bare(item.member)
                known = found.get(name)
                if known is None:
                    found[name] = [(file, item)]
                else:
                    known.append((file, item))
    return found


def _with_bare(members: dict[str, Met]) -> dict[str, Met]:
    """Members, and those of their names whose struct is not known: near the folder that defines the struct."""
    around: dict[str, list[Met]] = {}
    for member, met in members.items():
        name = bare(member)
        if name != member:
            here = met if met.near else msgspec.structs.replace(met, near=(_home(member),))
            around.setdefault(name, []).append(here)
    for name, mets in around.items():
        own = members.get(name)
        near = own.near if own is not None else _all_of(met.near for met in mets)
        every = [*mets, own] if own is not None else mets
        members[name] = Met(near, _all_of(met.frees for met in every), _all_of(met.families for met in every))
    return members


def _all_of(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted(set[str]().union(*parts)))


def _home(member: str) -> str:
    """The folder whose files know a member's struct: of one in ``arch/x/include/asm`` that is ``arch/x``."""
    folder = posixpath.dirname(member.partition(":")[0])
    return f"{folder}/".partition("/include/")[0].removesuffix("/")


@functools.lru_cache(maxsize=1 << 16)
def related(folder: str, other: str) -> bool:
    """Whether files of two folders may share the struct of a driver: it is defined in a folder around both."""
    if folder == other or folder.startswith(f"{other}/") or other.startswith(f"{folder}/"):
        return True
    ours, theirs = folder.split("/")[:_SHARED], other.split("/")[:_SHARED]
    return ours == theirs and len(ours) == _SHARED


def counts(path: str, folders: tuple[str, ...]) -> bool:
    """Whether a file's functions count for a member with such folders and files (``Met``)."""
    if not folders or path in folders:
        return True
    return any(related(posixpath.dirname(path), folder) for folder in folders if not folder.endswith((".c", ".h")))


def touching(path: str, evidence: Iterable[MemberEvidence], members: Members) -> list[int]:
    """The functions of a file, of those not analysed yet, that touch one of some members."""
    return sorted(
        {i.function for i in evidence if i.open and i.member in members and counts(path, members[i.member].near)}
    )


def refuting(path: str, evidence: Iterable[MemberEvidence], members: Members) -> list[int]:
    """Those of them that may show that it does not meet what it seems to (``Met``)."""
    return touching(path, [item for item in evidence if _rests_on(members.get(item.member), item)], members)


def _rests_on(met: Met | None, item: MemberEvidence) -> bool:
    return met is not None and (item.free in met.frees or any(family in met.families for family in item.families))


def refined(
    evidence: Iterable[MemberEvidence], analysed: Iterable[int], found: Sequence[MemberEvidence]
) -> tuple[MemberEvidence, ...]:
    """The evidence in a file once some of its functions are analysed; ``found``: what these do."""
    done = frozenset(analysed)
    return (*(item for item in evidence if item.function not in done), *found)


def differing(before: Iterable[MemberEvidence], after: Iterable[MemberEvidence]) -> set[str]:
    """The names of the members of which the evidence in a file tells something else than before."""
    return {bare(item.member) for item in set(before) ^ set(after)}


def scattered(path: Callable[[int], str], evidence: Evidence, members: Members) -> set[str]:
    """Those of some members to which functions may store that nobody looks at, for they stand far away."""
    names: dict[str, list[str]] = {}
    for member, met in members.items():
        if met.near:
            names.setdefault(bare(member), []).append(member)
    found: set[str] = set()
    for file, items in evidence:
        for item in items:
            for member in names.get(bare(item.member), ()) if item.open and item.families else ():
                if item.member in (member, bare(member)) and not counts(path(file), members[item.member].near):
                    found.add(member)
    return found


def holder_of(member: str) -> Holder:
    """The place that a member of a struct, as texts name it, is to who frees what it holds."""
    record, _, name = member.rpartition(".")
    return record, name


def of_summary(index: int, stores: Iterable[MemberStore], frees: Iterable[FreeSite]) -> Iterator[MemberEvidence]:
    """The evidence in a function that was analysed: what it stores, and what it frees without knowing the memory."""
    for store in stores:
        memory = store.memory
        measure = measure_of(memory.order, memory.size) if memory is not None else ""
        cache = cache_of(memory.cache) if memory is not None else ""
        family = memory.family if memory is not None else ""
        for name in _known_as(store.holders):
            only = "" if family == CACHES and name.startswith("*") else family
            families = tuple(filter(None, (only, measure, cache)))
            sure = (memory.family + cache if memory is not None else "?") if name.startswith("*") else ""
            yield MemberEvidence(index, name, families, open=False, sure=sure)
    for free in frees:
        for name in _known_as(free.holders):
            measure = measure_of(free.order, free.size) or cache_of(free.cache)
            yield MemberEvidence(index, name, free=free.callee + measure, open=False)


def bare(member: str) -> str:
    """A member's name without its struct's."""
    return member if member.startswith(("*", "=")) else member.rpartition(".")[2]


def _known_as(holders: tuple[Holder, ...]) -> Iterator[str]:
    """What the texts of functions call the most general place that holds something, and the object in it."""
    places = [h for h in holders if h[1] != OBJECT]
    if places:
        key, member = named(places[-1])
        if of_file(key):
            yield member if "." in places[-1][1] else variable(key, member)
        else:
            yield known_as(key, member)
    if len(places) < len(holders):
        yield "*" + holders[-1][0]
