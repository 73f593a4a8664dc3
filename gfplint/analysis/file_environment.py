"""What the functions of one file see of the rest of the program: ``flow.Environment`` for them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from gfplint.analysis.environment import RECLAIM_LEVELS
from gfplint.analysis.evidence import ALLOCATES
from gfplint.analysis.guards import called, guard_class
from gfplint.analysis.holds import Ways
from gfplint.analysis.looks import OWN
from gfplint.analysis.program import FunctionId
from gfplint.analysis.queries import asked
from gfplint.analysis.records import Members
from gfplint.analysis.summary import Summary
from gfplint.analysis.values import Constant, constant, number_of
from gfplint.facts import Definition, Expr, Function, Param, Return
from gfplint.frontend.header import signature
from gfplint.frontend.lower import lower_expression
from gfplint.kernel.model import ContextOp, GuardClass, Query

if TYPE_CHECKING:
    from gfplint.analysis.interprocedural import Linker

_Found = TypeVar("_Found")
#: Macros that name each other before one is a number.
_MACRO_STEPS = 3
#: The first function of the kernel: what it calls runs before the allocator may sleep (init/main.c).
_FIRST = "start_kernel"
_TRUTHS = frozenset(("true", "false", "NULL"))
#: What stands before the name of a macro in the line that defines it, and what behind it.
_DEFINE = re.compile(rb"[ \t]*#[ \t]*define[ \t]+")
_REPLACEMENT = re.compile(rb"[ \t]+((?:[^\n\\]|\\\n)+)")
#: Bytes that are looked through for where a line begins: a hostile file may be one line.
_BEFORE = 200


class FileEnvironment:
    """``flow.Environment`` for the functions of one file."""

    def __init__(self, linker: Linker, file: int) -> None:
        self.linker = linker
        self.file = file
        self.kernel = linker.kernel
        self.atomic = linker.holds.atomic
        self.content_families = linker.content_families
        self.linear = linker.linear
        self.reach = linker.relevance.depth
        self.reclaim = linker.reclaim
        self._levels: dict[str, int] = {}
        self._inert: dict[str, bool] = {}
        self._fields: dict[str, Members] = {}
        self._keys: dict[str, str] = {}
        self._globals: dict[str, Param | None] = {}
        self._literals: dict[str, Constant | None] = {}
        self._own = linker.owned(file)

    def shadowed(self, name: str) -> bool:
        """A definition in the file itself hides the kernel's, and any that the program has a weak row."""
        return name in self._own or name in self.linker.weak

    def never_returns(self, name: str) -> bool:
        """Whether the definition says ``__noreturn``."""
        key = (name, self.file)
        known = self.linker.endings.get(key)
        if known is None:
            fid = self.linker.program.resolve(name, self.file)
            known = fid is not None and "__noreturn" in self.linker.program.function(fid).header
            self.linker.endings[key] = known
        return known

    def may_sleep(self, name: str, depth: int) -> bool:
        """See flow.Environment."""
        level = self._levels.get(name)
        if level is None:
            level = self._levels[name] = self.linker.relevance.level(name, self.file)
        return level <= depth

    def locks_and_allocates(self, name: str) -> bool:
        """See flow.Environment."""
        return name in self.linker.relevance.locking

    def may_change_context(self, name: str) -> bool:
        """See flow.Environment."""
        return name in self.linker.relevance.effects and not self.linker.balance.name(name, self.file)

    def inert(self, name: str) -> bool:
        """See flow.Environment."""
        known = self._inert.get(name)
        if known is None:
            known = self._inert[name] = not (
                name in self.linker.tabled
                or name in self.linear
                or self.may_sleep(name, max(self.reach + 1, RECLAIM_LEVELS))
                or self.locks_and_allocates(name)
                or self.may_return_memory(name)
                or self.may_free(name)
                or self.may_give_memory(name)
            )
        return known

    def drops(self, name: str) -> bool:
        """See flow.Environment."""
        return self.linker.balance.drops(name, self.file)

    def outcomes(self, name: str) -> Ways | None:
        """See ``analysis.holds``."""
        return self.linker.outcomes(name, self.file)

    def may_return_memory(self, name: str) -> bool:
        """See flow.Environment."""
        return bool(self.linker.relevance.wrappers.returned(name, self.file))

    def may_give_memory(self, name: str) -> bool:
        """See flow.Environment."""
        return bool(self.linker.relevance.wrappers.giving(name, self.file))

    def may_be_fresh(self, name: str, record: str) -> bool:
        """See flow.Environment."""
        program = self.linker.program
        if name not in program.functions:
            return name not in program.macros and ALLOCATES.search(name) is not None
        if not self.may_return_memory(name):
            return False
        fid = program.resolve(name, self.file)
        returns = signature(program.function(fid).header).returns if fid is not None else ""
        return self.record_key(returns.replace("*", "").removeprefix("struct ").strip()) != record

    def returned_record(self, name: str) -> str:
        """See flow.Environment."""
        program = self.linker.program
        fid = program.resolve(name, self.file) if name in program.functions else None
        if fid is None:
            return ""
        if self.linker.looks is not None:
            self.linker.looks.at(fid[0], name)
        kind = signature(program.function(fid).header).returns
        key = self.record_key(kind.removeprefix("struct ").rstrip("* ")) if kind.count("*") == 1 else ""
        return key if ":" in key else ""

    def may_free(self, name: str) -> bool:
        """See flow.Environment."""
        return bool(self.linker.relevance.wrappers.freeing(name, self.file))

    def summary(self, name: str, depth: int) -> Summary | None:
        """Follow a call."""
        linker = self.linker
        if (summary := linker.macro_summary(name, self.file, depth)) is not None:
            return summary
        fid = linker.program.resolve(name, self.file)
        return linker.summary(fid, depth) if fid is not None else None

    def read(self, name: str, tell: Callable[[FunctionId, Function, FileEnvironment], _Found]) -> _Found | None:
        """See worth.Seen."""
        linker = self.linker
        if linker.program.macro(name, self.file) is not None:
            return None
        fid = linker.program.resolve(name, self.file)
        if fid is None:
            return None
        function = linker.program.function(fid)
        with linker.looking(fid[0], function.name, function.callees):
            return tell(fid, function, linker.environment(fid[0]))

    def text(self, fid: FunctionId) -> str:
        """See worth.Seen."""
        return self.linker.code(fid)

    def indirect(self, owner: tuple[str, str]) -> Summary | None:
        """See flow.Environment."""
        return self.linker.operation(*owner, self.file)

    def all_may_sleep(self, owner: tuple[str, str]) -> bool:
        """See ``analysis.forbidden``."""
        return self.linker.all_may_sleep(*owner, self.file)

    def query(self, name: str) -> Query | None:
        """See flow.Environment."""
        linker = self.linker
        key = (name, self.file)
        with linker.looking(self.file, name + "?"):
            if key not in linker.queries:
                linker.queries[key] = self._query(name)
            return linker.queries[key]

    def _query(self, name: str) -> Query | None:
        fid = self.linker.program.resolve(name, self.file)
        callees = self.linker.program.function(fid).callees if fid is not None else ()
        if fid is None or not callees or not self.linker.asking.issuperset(callees):
            return None
        if self.linker.looks is not None:
            self.linker.looks.at(fid[0], name)
        stmts = self.linker.body(fid).stmts
        only = stmts[0] if len(stmts) == 1 else None
        value = only.value if isinstance(only, Return) else None
        meaning = asked(value, self.kernel.queries) if value is not None else ""
        return Query(name=name, source="", true_means=meaning) if meaning else None

    def container(self, name: str) -> str:
        """See flow.Environment."""
        return self.linker.containers.member(name, self.file)

    def has_callers(self, name: str, number: int) -> bool:
        """See flow.Environment."""
        self._asks_callers(name)
        return len(self.linker.relevance.callers.get(name, ())) >= number

    def _asks_callers(self, name: str) -> None:
        if self.linker.looks is not None:
            self.linker.looks.callers(name)

    def given(self, name: str, number: int) -> frozenset[Constant] | None:
        """See flow.Environment."""
        fid = self.linker.program.resolve(name, self.file)
        return self.linker.given.constants(fid, number) if fid is not None else None

    def starts_first(self, name: str) -> bool:
        """See flow.Environment."""
        self._asks_callers(name)
        callers = [self.linker.program.function(c) for c in self.linker.relevance.callers.get(name, ())]
        return any(c.name == _FIRST for c in callers)

    def literal(self, name: str) -> Constant | None:
        """The number behind an object-like macro: a literal, or another such macro's name, in parentheses or not."""
        with self.linker.looking(self.file, name + OWN):
            if name not in self._literals:
                self._literals[name] = self._literal(name)
            return self._literals[name]

    def _literal(self, name: str) -> Constant | None:
        if self.linker.variable(name, self.file) is not None:
            return None  # the macro stands for the variable in other configurations
        number = self.linker.sources.raw(self.file).numbers.get(name)
        if number is not None and number_of(number) is not None:
            return Constant(number)
        for _ in range(_MACRO_STEPS):
            found = self.linker.replaced(name, self.file)
            if found is None:
                return None
            text = found.text.strip()
            while text.startswith("(") and text.endswith(")"):
                text = text[1:-1].strip()
            if text in _TRUTHS:
                return constant(text)
            if number_of(text) is not None:
                return Constant(text)
            name = text
        return None

    def mask_macro(self, name: str) -> Expr | None:
        """The replacement of an object-like macro, parsed."""
        key = (name, self.file)
        linker = self.linker
        with linker.looking(self.file, name + OWN):
            if key not in linker.replacements:
                found = linker.replaced(name, self.file)
                linker.replacements[key] = lower_expression(found.text) if found is not None else None
            return linker.replacements[key]

    def number_macro(self, name: str) -> Expr | None:
        """The replacement of an object-like macro of the file or of a header that it includes, parsed.

        Skeletons don't hold plain numbers (register headers hold millions); this looks at the text.
        """
        looks = self.linker.looks
        if looks is not None:
            looks.replacement(name, None)
        for at in (self.file, *self._included()):
            found = _replacements(self.linker.sources.raw(at).data, name.encode())
            if found:
                if looks is not None:
                    looks.replacement(name, at)
                text = found[0].decode("ascii", "replace").partition("/*")[0].partition("//")[0].replace("\\\n", " ")
                return lower_expression(text) if len(set(found)) == 1 else None
        return None

    def _included(self) -> list[int]:
        """The headers that the file names itself."""
        program = self.linker.program
        folder = posixpath.dirname(program.paths[self.file])
        names = [
            posixpath.normpath(posixpath.join(base, include))
            for include in program.facts[self.file].includes
            for base in (folder, "include")
        ]
        return [program.number[name] for name in names if name in program.number]

    def field_type(self, record: str, field: str) -> Param | None:
        """The type of a member."""
        self.linker.look_at_record(record, self.file)
        fields = self._fields.get(record)
        if fields is None:
            fields = self._fields[record] = self.linker.record_fields(record, self.file)
        return fields.get(field)

    def record_key(self, record: str) -> str:
        """A struct's name with the file that defines it: two drivers may have a ``struct priv`` each."""
        self.linker.look_at_record(record, self.file)
        known = self._keys.get(record)
        if known is None:
            found = self.linker.program.record(record, self.file)
            known = f"{self.linker.program.paths[found[0]]}:{record}" if found is not None else record
            self._keys[record] = known
        return known

    def global_type(self, name: str) -> Param | None:
        """The type of a file-scope variable."""
        if self.linker.looks is not None:
            self.linker.looks.variable(name)
        if name not in self._globals:
            found = self.linker.program.global_variable(name, self.file)
            self._globals[name] = Param(found.type, found.pointers, found.name) if found is not None else None
        return self._globals[name]

    def global_key(self, name: str) -> str:
        """See flow.Environment."""
        found = self.linker.variable(name, self.file)
        if found is None:
            return ""
        return self.linker.program.paths[self.file] if found.static else "(global)"

    def lock_key(self, name: str) -> str:
        """See flow.Environment."""
        known = self.global_key(name)
        if known:
            return known
        files = self.linker.made(name)
        at = self.file if self.file in files else files[0] if len(files) == 1 else None
        return self.linker.program.paths[at] if at is not None else ""

    def guard_class(self, name: str) -> GuardClass | None:
        """Guard classes that the tree defines: what their constructor does to the context."""
        key = (name, self.file)
        guards = self.linker.guards
        with self.linker.looking(self.file, f"guard({name})"):
            if key in guards:
                return guards[key]
            found = self._guard_definition(name)
            if found is None:
                guards[key] = None
                return None
            asked: list[str] = []
            made = guard_class(found[1], self.kernel, self._changes(found[0], asked))
            if not asked:  # else it may rest on what is being computed
                guards[key] = made
            return made

    def may_guard(self, name: str) -> bool:
        """See ``analysis.holds``."""
        linker = self.linker
        with linker.looking(self.file, f"guard({name})"):
            found = self._guard_definition(name)
            names = called(found[1]) if found is not None else ()
            return any(n in linker.relevance.effects or _enters(linker.holds.ops.get(n)) for n in names)

    def _guard_definition(self, name: str) -> tuple[int, Definition] | None:
        """The definition of a guard class that the file sees; its own first."""
        program = self.linker.program
        seen = [d for d in self.linker.guard_definitions.get(name, ()) if program.sees(self.file, d[0])]
        return min(seen, key=lambda d: d[0] != self.file) if seen else None

    def _changes(self, file: int, asked: list[str]) -> Callable[[str], Summary | None]:
        """The summaries of functions that a file sees and that may change their caller's context; ``asked``: gets the
        names of these.
        """
        env = self if file == self.file else FileEnvironment(self.linker, file)

        def change(name: str) -> Summary | None:
            if self.linker.looks is not None:
                self.linker.looks.meaning(name)
            if not env.may_change_context(name):
                return None
            asked.append(name)
            return env.summary(name, 0)

        return change

    def cleanup(self, name: str) -> str:
        """The call in ``DEFINE_FREE(name, type, call)``; ``cleanup(f`` names the function itself."""
        if name.startswith("cleanup("):
            return ""
        known = self.linker.cleanups.get(name)
        if known is None:
            known = self.linker.cleanups[name] = self._cleanup(name)
        return known

    def _cleanup(self, name: str) -> str:
        for _, definition in self.linker.program.definitions.get("DEFINE_FREE", ()):
            if definition.args and definition.args[0] == name and len(definition.args) >= 3:
                text = ",".join(definition.args[2:])
                for free in self.kernel.frees:
                    if f"{free}(" in text and not text.partition(f"{free}(")[0][-1:].isalnum():
                        return free
                return ""
        return name if name in self.kernel.frees else ""


def _enters(op: ContextOp | None) -> bool:
    return op is not None and op.effect == "enter"


def _replacements(data: bytes, name: bytes) -> list[bytes]:
    """What an object-like macro stands for, by each of its definitions: its name is looked for, not every directive."""
    found = []
    at = data.find(name)
    while at >= 0:
        end, low = at + len(name), max(0, at - _BEFORE)
        start = data.rfind(b"\n", low, at) + 1 or low
        if _DEFINE.fullmatch(data, start, at) and (match := _REPLACEMENT.match(data, end)):
            found.append(match.group(1))
        at = data.find(name, end)
    return found
