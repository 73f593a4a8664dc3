"""bytes -> ``FileFacts``: the skeleton of a file, found with regular expressions alone.

This is the hot path of a cold scan: every byte of a tree passes here once, and nothing is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gfplint.facts import (
    Definition,
    Entry,
    FileFacts,
    Function,
    Global,
    Macro,
    Record,
    Store,
    Table,
)
from gfplint.frontend.blank import Directive, Source, blank
from gfplint.frontend.header import find_header, split_top
from gfplint.frontend.slicer import Item, items

_CALL = re.compile(r"\b([A-Za-z_]\w*+)\s?\(")
_MASK = re.compile(r"\b(?:__)?GFP_\w+")
_NOT_CALLS = frozenset(
    "if while for switch return sizeof typeof __typeof__ defined do else case goto likely unlikely "
    "__attribute__ __aligned offsetof asm volatile".split()
)
_DEFINE = re.compile(r"[ \t]*([A-Za-z_]\w*)(\(([^)]*)\))?")
_ALIAS = re.compile(r"\(?&?[A-Za-z_]\w*+\)?\Z")
_RECORD = re.compile(r"\b(?:struct|union)\s+(?:__\w+\s+)*([A-Za-z_]\w*)(?:\s+__\w+(?:\([^)]*\))?)*\s*\Z")
_TYPEDEF_RECORD = re.compile(r"\btypedef\s+(?:struct|union)\b[^;{}]*\Z")
_TYPEDEF_NAME = re.compile(r"\s*([A-Za-z_]\w*)\s*[;,]")
_TABLE = re.compile(
    r"\bstruct\s+([A-Za-z_]\w*)\s+(?:__\w+\s+|const\s+)*([A-Za-z_]\w*)\s*((?:\[[^\]]*\]\s*)*)[^=]*=\s*\Z"
)
_ALIAS_TABLE = re.compile(r"\b([A-Za-z_]\w*)\s+([A-Za-z_]\w*)\s*((?:\[[^\]]*\]\s*)*)=\s*\Z")
_TABLE_TOKEN = re.compile(r"\.([A-Za-z_]\w*)\s*=\s*|([{}])")
_TABLE_VALUE = re.compile(r"\s*&?\s*(?:\([^()]*\)\s*)?([^,{}]{1,60})")
_INVOKED = re.compile(r"\s*(?:static\s+|const\s+|extern\s+|__\w+\s+)*([A-Za-z_]\w*)\s*\(")
_GLOBAL = re.compile(
    r"\s*+((?:[A-Za-z_]\w*+[\s*]*+)+?)\b([A-Za-z_]\w*+)\s*+(?:\[[^\]]*+\]\s*+)*+(?:__\w++(?:\([^)]*+\))?\s*+)*+[=;,]"
)
_STORE = re.compile(r"(?:->|\.)\s*([A-Za-z_]\w*)\s*=\s*&?\s*([A-Za-z_]\w*)\s*;")
_INCLUDE = re.compile(r'\s*(?:<([^>\n]+)>|"([^"\n]+)")')
_STORAGE = frozenset(
    "static extern const volatile register inline struct union enum typedef __initdata __read_mostly".split()
)
_SILENT_MACROS = ("EXPORT_", "MODULE_", "ASSERT_", "BUILD_BUG", "TRACE_", "DEFINE_EVENT", "DECLARE_EVENT", "__TP")
#: Function-like macros longer than this are tables in disguise, not code.
_MACRO_LIMIT = 8_000


def skeleton(data: bytes) -> FileFacts:
    """Read a file's bytes into its skeleton. Never fails: what is not understood is left out."""
    return skeleton_of(blank(data), data)


def skeleton_of(source: Source, data: bytes) -> FileFacts:
    """The skeleton of a source that is blanked already."""
    found = _Found(source)
    for item in items(source.code):
        found.take(item)
    macros, includes = _directives(source, data)
    known = {f.name for f in found.functions}
    return FileFacts(
        functions=tuple(found.functions),
        macros=macros,
        records=tuple(found.records),
        tables=tuple(found.tables),
        globals=tuple(found.globals),
        definitions=tuple(found.definitions),
        stores=_stores(source, found.functions, known),
        includes=includes,
        suppressions=source.suppressions,
        errors=tuple(found.errors),
    )


def names_used(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names that a piece of code calls, and the mask names in it; both sorted."""
    words = tuple(sorted(set(_MASK.findall(text)))) if "GFP_" in text else ()
    return tuple(sorted(set(_CALL.findall(text)) - _NOT_CALLS)), words


class _Found:
    """Collects the items of one file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.code = source.code
        self.functions: list[Function] = []
        self.records: list[Record] = []
        self.tables: list[Table] = []
        self.globals: list[Global] = []
        self.definitions: list[Definition] = []
        self.errors: list[str] = []
        self.cursor = (0, 1)

    def line(self, offset: int) -> int:
        """The line of an offset; items come in order, so counting on from the last is cheapest."""
        at, line = self.cursor
        if offset >= at:
            line += self.code.count("\n", at, offset)
        else:
            line -= self.code.count("\n", offset, at)
        self.cursor = (offset, line)
        return line

    def take(self, item: Item) -> None:
        if item.brace < 0:
            self._declaration(item)
            return
        text = self.code[item.start : item.brace]
        stripped = text.rstrip()
        if stripped.endswith("="):
            self._table(item, text)
        elif match := _RECORD.search(stripped):
            self.records.append(Record(match.group(1), self.line(item.brace), item.brace, item.end))
        elif _TYPEDEF_RECORD.search(stripped):
            if name := _TYPEDEF_NAME.match(self.code, item.end):
                self.records.append(Record(name.group(1), self.line(item.brace), item.brace, item.end))
        elif "(" in text:
            self._function(item, text)

    def _function(self, item: Item, text: str) -> None:
        header = find_header(text)
        if header is None:
            return
        callees, words = names_used(self.code[item.brace : item.end])
        start = item.start + header.at
        self.functions.append(
            Function(
                name=header.name,
                line=self.line(start),
                end_line=self.line(item.end - 1),
                start=start,
                body=item.brace,
                end=item.end,
                static=header.static,
                inline=header.inline,
                header=text[header.cut :],
                callees=callees,
                words=words,
            )
        )

    def _table(self, item: Item, text: str) -> None:
        match = _TABLE.search(text) or _ALIAS_TABLE.search(text)
        if not match:
            return
        body = self.code[item.brace : item.end]
        line = self.line(item.start + match.start(2))
        static = "static" in text
        kind, name, array = match.group(1), match.group(2), bool(match.group(3))
        self.globals.append(Global(kind, 0, name, static, line))
        if "." not in body:
            return
        for entries in table_entries(self.line, body, item.brace, 2 if array else 1):
            self.tables.append(Table(kind, name, line, static, entries))

    def _declaration(self, item: Item) -> None:
        text = self.code[item.start : item.end]
        if "(" in text:
            self._invocations(item, text)
            if "=" not in text:
                return
        match = _GLOBAL.match(text)
        if not match:
            return
        words = match.group(1).replace("*", " ").split()
        kind = " ".join(w for w in words if w not in _STORAGE)
        if kind and "extern" not in words and "typedef" not in words:
            line = self.line(item.start + match.start(2))
            self.globals.append(Global(kind, match.group(1).count("*"), match.group(2), "static" in words, line))

    def _invocations(self, item: Item, text: str) -> None:
        """Declaring macros at file scope; several may share an item where semicolons are left out."""
        position = 0
        for _ in range(64):
            match = _INVOKED.match(text, position)
            if not match:
                return
            name = match.group(1)
            close = _close(text, match.end() - 1)
            if close < 0:
                return
            if not name.startswith(_SILENT_MACROS):
                start = item.start + match.start(1)
                args = tuple(p.strip() for p in split_top(text[match.end() : close]))
                self.definitions.append(Definition(name, args, self.line(start), start, item.start + close + 1))
            position = close + 1
            if position < len(text) and text[position] == ";":
                return


def _close(text: str, opening: int) -> int:
    depth = 0
    for match in re.compile(r"[()]").finditer(text, opening):
        depth += 1 if match.group() == "(" else -1
        if depth == 0:
            return match.start()
    return -1


def table_entries(line: Callable[[int], int], body: str, base: int, depth: int) -> list[tuple[Entry, ...]]:
    """The ``.member = value`` pairs of an initialiser, one tuple for each element of an array (``depth`` 2)."""
    groups: list[tuple[Entry, ...]] = []
    current: list[Entry] = []
    path: list[str] = []
    level = 0
    pending = ""
    for match in _TABLE_TOKEN.finditer(body):
        member, brace = match.groups()
        if member:
            at = match.end()
            if body.startswith("{", at) or body.startswith("(", at) and _opens_brace(body, at):
                pending = member
                continue
            value = _TABLE_VALUE.match(body, at)
            if value:
                dotted = ".".join([*(p for p in path[depth:] if p), member])
                current.append(Entry(dotted, value.group(1).strip(), line(base + match.start())))
        elif brace == "{":
            level += 1
            path.append(pending)
            pending = ""
        else:
            level -= 1
            if path:
                path.pop()
            if level == depth - 1 and current:
                groups.append(tuple(current))
                current = []
    if current:
        groups.append(tuple(current))
    return groups


def _opens_brace(body: str, at: int) -> bool:
    """``.ops = (struct x) { ...``: a compound literal."""
    close = body.find(")", at)
    return close >= 0 and body[close + 1 : close + 12].lstrip().startswith("{")


def _stores(source: Source, functions: list[Function], known: set[str]) -> tuple[Store, ...]:
    found = []
    index = 0
    for match in _STORE.finditer(source.code):
        value = match.group(2)
        if value not in known:
            continue
        at = match.start()
        while index < len(functions) and functions[index].end <= at:
            index += 1
        if index < len(functions) and functions[index].body <= at:
            found.append(Store(functions[index].name, match.group(1), value, source.line(at)))
    return tuple(found)


def _directives(source: Source, data: bytes) -> tuple[tuple[Macro, ...], tuple[str, ...]]:
    macros = []
    includes = []
    for directive in source.directives:
        if directive.name == "define":
            if macro := _macro(source, directive):
                macros.append(macro)
        elif directive.name == "include":
            raw = data[directive.text_start : directive.end].decode("utf-8", "replace")
            if match := _INCLUDE.match(raw):
                includes.append(match.group(1) or match.group(2))
    return tuple(macros), tuple(includes)


def _macro(source: Source, directive: Directive) -> Macro | None:
    match = _DEFINE.match(directive.text)
    if not match or len(directive.text) > _MACRO_LIMIT:
        return None
    text = directive.text[match.end() :]
    start = directive.text_start + match.end()
    if match.group(2) is None:
        joined = text.replace("\\\n", " ").strip()
        if "GFP" not in text and not _ALIAS.match(joined):
            return None
        return Macro(match.group(1), source.line(directive.start), None, start, directive.end, (), (), joined)
    callees, words = names_used(text)
    if not callees and not words:
        return None
    params = tuple(p.strip() for p in match.group(3).split(",")) if match.group(3).strip() else ()
    return Macro(
        match.group(1),
        source.line(directive.start),
        params,
        start,
        directive.end,
        callees,
        words,
        text.replace("\\\n", " ").strip() if len(text) < 200 else "",
    )
