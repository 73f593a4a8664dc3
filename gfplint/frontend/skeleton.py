"""bytes -> ``FileFacts``: the skeleton of a file, found with regular expressions alone.

This is the hot path of a cold scan: every byte of a tree passes here once, and nothing is parsed.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, compress
from operator import ne

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
from gfplint.frontend.blank import Directive, Source, blank, holds_code
from gfplint.frontend.header import (
    PLAIN_ARRAY,
    PLAIN_FUNCTION,
    PLAIN_ITEM,
    PLAIN_RECORD,
    find_header,
    is_plain_header,
    split_top,
    word_set,
)
from gfplint.frontend.initialiser import table_entries
from gfplint.frontend.slicer import Item, Slicer

#: A call in reversed code: an expression engine looks for a literal ``(`` far faster than for every word's start. The
#: commonest words that are none are left out here.
_REVERSED_CALL = re.compile(
    r"\(\s?+(?:\)(?=\w++(?:>-|\.)))?+(?!(?:f(?:i|oe(?:zis|pyt))|rof|elihw|hctiws|nruter|ylekil(?:nu)?+)\b)"
    r"(\w++)(?<=[A-Za-z_])",
    re.ASCII,
)
#: A literal first, which is found fast; what stands before it is looked at then.
_MASK = re.compile(r"GFP_(?:(?<=\bGFP_)|(?<=\b(__)GFP_))\w++", re.ASCII)
_NOT_CALLS = word_set(
    "if while for switch return sizeof typeof __typeof__ defined do else case goto likely unlikely "
    "__attribute__ __aligned offsetof asm volatile"
)
_DEFINE = re.compile(r"[ \t]*+([A-Za-z_]\w*+)(\(([^)]*+)\))?+", re.ASCII)
_ALIAS = re.compile(r"\(?&?[A-Za-z_]\w*+\)?\Z", re.ASCII)
_RECORD = re.compile(
    r"\b(?:struct|union)\s++(?:__\w++\s++(?=\w))*+([A-Za-z_]\w*+)(?:\s++__\w++(?:\([^)]*+\))?+)*+\s*+\Z",
    re.ASCII,
)
_TYPEDEF_RECORD = re.compile(r"\btypedef\s++(?:struct|union)\b[^;{}]*+\Z", re.ASCII)
_TYPEDEF_NAME = re.compile(r"\s*+(?:__\w++(?:\([^;]{0,40}\))?\s++)?+([A-Za-z_]\w*+)\s*+[;,]", re.ASCII)
#: An element of an array that a macro makes of two names, and the second of two names in parentheses.
_ELEMENT = re.compile(r"\b([A-Z][A-Z0-9_]+)\(\s*([a-z]\w*)\s*,\s*([a-z_]\w*)\s*\)", re.ASCII)
_SECOND_NAME = re.compile(r"\(\s*+[a-z]\w*+\s*+,\s*+([a-z_]\w*+)\s*+\)", re.ASCII)
_TABLE_NAME = re.compile(
    r"\b([A-Za-z_]\w*+)\s*+((?:\[[^\]]*+\]\s*+)*+)(?:__\w++(?:\([^()]*+\)){0,2}\s*+)*+=\s*+\Z", re.ASCII
)
_TYPE_WORDS = re.compile(r"[\w\s*]*+\Z", re.ASCII)
_INVOKED = re.compile(r"\s*+(?:(?:static|const|extern|__\w++)\s++(?!\())*+([A-Za-z_]\w*+)\s*+\(", re.ASCII)
#: A declaring macro that is all of an item, as most are: ``module_init(start);``.
_PLAIN_INVOCATION = re.compile(
    r"\s*+(?:(?:static|const|extern|__\w++)\s++(?!\())*+([A-Za-z_]\w*+)\s*+\(([^(){};=]*+)\);", re.ASCII
)
_DECLARATOR = re.compile(r"\s*(\**)\s*([A-Za-z_]\w*)\s*(?=[=\[]|$)", re.ASCII)
_GLOBAL = re.compile(
    r"\s*+((?:[A-Za-z_]\w*+[\s*]*+)+?)\b([A-Za-z_]\w*+)\s*+(?:\[[^\]]*+\]\s*+)*+(?:__\w++(?:\([^)]*+\))?\s*+)*+[=;,]",
    re.ASCII,
)
#: ``->member = name;`` in reversed code: semicolons are found fast, are rarer than points, and most follow a ``)``.
_REVERSED_STORE = re.compile(
    r";\s*+(\w++)(?<=[A-Za-z_])(?:\s*+&)?+\s*+=\s*+(\w++)(?<=[A-Za-z_])\s*+(?:>-|\.)", re.ASCII
)
#: The directive's name is left out of the first of some lines.
_INCLUDE = re.compile(r'(?:\A|^#include)\s*+(?:<([^>\n]++)>|"([^"\n]++)")', re.MULTILINE)
#: The end of an item's header that is searched for what it declares, and the start of a declaration.
_TAIL = 600
_DECLARATION_LIMIT = 1_000
_HEADER_LIMIT = 40_000
_MEMBER_FIRST = re.compile(r"\{\s*+\.\s*+[A-Za-z_]\w*+\s*+=", re.ASCII)
_PAREN = re.compile(r"[()]", re.ASCII)
_STORAGE = word_set("static extern const volatile register inline struct union enum typedef __initdata __read_mostly")
_KERNEL_TYPE = re.compile(r"__(?:[us]|le|be)(?:8|16|32|64)", re.ASCII)
_SILENT_MACROS = ("EXPORT_", "MODULE_", "ASSERT_", "BUILD_BUG", "TRACE_", "DEFINE_EVENT", "DECLARE_EVENT", "__TP")
#: Items that hold nothing that a skeleton lists: semicolons, what is told of a module, types, declarations.
_IDLE = re.compile(
    r"(?:\s*+(?:;"
    r"|(?:EXPORT_|MODULE_|ASSERT_|BUILD_BUG)\w*+\([^(){};=]*+(?:\([^(){};=]*+\)[^(){};=]*+)*+\);"
    r"|(?:struct|union|enum)\s++\w++\s*+;"
    r"|extern\s++[^(){};=]*+;"
    r"|typedef\s++[A-Za-z_][^(){};=]*+(?:\([^(){};=]*+(?:\([^(){};=]*+\)[^(){};=]*+)*+\)[^(){};=]*+)*+;"
    r"|(?:(?:static|const|extern|__\w++)\s++)*+[A-Za-z_]\w*+[\s*]++(?:[A-Za-z_]\w*+[\s*]++)*+[A-Za-z_]\w*+"
    r"\([^(){};=]*+(?:\([^(){};=]*+\)[^(){};=]*+)*+\)(?:\s++__\w++(?:\([^(){};=]*+\))?+)*+\s*+;"
    r"))++",
    re.ASCII,
)
#: Items of one file that are read; a real file has some thousands at most.
MAX_ITEMS = 100_000
#: Function-like macros longer than this are tables in disguise, not code.
_MACRO_LIMIT = 8_000
#: What stands before the calls of each body, by turns, so that equal ones don't become one. No name is a number.
_MARKS = ("0", "1")
_NOTHING = FileFacts((), (), (), (), (), (), (), (), ())


def skeleton(data: bytes) -> FileFacts:
    """Read a file's bytes into its skeleton. Never fails: what is not understood is left out."""
    return skeleton_of(blank(data), data) if holds_code(data) else _NOTHING


def skeleton_of(source: Source, data: bytes) -> FileFacts:
    """The skeleton of a source that is blanked already."""
    found = _Found(source)
    found.items()
    found.leave_out(_never_compiled(source))
    functions = found.functions()
    macros, includes = found.directives(data)
    return FileFacts(
        functions=functions,
        macros=macros,
        records=tuple(found.records),
        tables=tuple(found.tables),
        globals=tuple(found.globals),
        definitions=tuple(found.definitions),
        stores=found.stores(functions) if functions else (),
        includes=includes,
        suppressions=source.suppressions,
        errors=tuple(found.errors),
    )


def _never_compiled(source: Source) -> list[tuple[int, int]]:
    """The arms of ``#if 0``: spans of offsets."""
    spans: list[tuple[int, int]] = []
    stack: list[int] = []
    for directive in source.directives:
        if directive.name in ("if", "ifdef", "ifndef"):
            dead = directive.name == "if" and directive.text.strip() == "0"
            stack.append(directive.end if dead else -1)
        elif directive.name in ("else", "elif", "endif") and stack:
            if stack[-1] >= 0:
                spans.append((stack[-1], directive.start))
            stack[-1] = -1
            if directive.name == "endif":
                stack.pop()
    return spans


def called(text: str) -> tuple[str, ...]:
    """The names that a piece of code calls, sorted."""
    return tuple(sorted({name[::-1] for name in _REVERSED_CALL.findall(text[::-1])} - _NOT_CALLS))


def _masks(code: str) -> list[tuple[int, str]]:
    """The mask names in a piece of code, each with the offset of its ``GFP_``."""
    return [(m.start(), (m.group(1) or "") + m.group()) for m in _MASK.finditer(code)]


def _in_order(backwards: list[str]) -> list[str]:
    """Calls in the order of the text; of a name called again and again without others between, one."""
    names = ",".join(backwards)[::-1].split(",")  # all turned around at once
    if not _NOT_CALLS.isdisjoint(names):
        names = [name for name in names if name not in _NOT_CALLS]
    return list(compress(names, map(ne, names, chain(("",), names))))


#: A function as its item shows it: name, what stands before that in its header, the header, and the offsets of the
#: name, of the brace and of the end.
_Body = tuple[str, str, str, int, int, int]


class _Found:
    """Collects the items of one file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.code = source.code
        self.slicer = Slicer(source.code)
        self.bodies: list[_Body] = []
        self.names: set[str] = set()
        self.records: list[Record] = []
        self.tables: list[Table] = []
        self.globals: list[Global] = []
        self.definitions: list[Definition] = []
        self.errors: list[str] = []
        self.cursor = (0, 1)
        #: The code in reverse, where it has functions.
        self.backwards = ""

    def items(self) -> None:
        """Take all items, those whose text is as usual at a glance."""
        code = self.code
        last = len(code) if code.isspace() else 0
        for _ in range(MAX_ITEMS):
            match = PLAIN_ITEM.match(code, last)
            if match is None and (idle := _IDLE.match(code, last)):
                last = idle.end()
                match = PLAIN_ITEM.match(code, last)
            end = self.plain(match) if match is not None else self.invocation(last)
            if not end:
                # Semicolons before it are left: taken one by one, what follows them would be looked at again and again.
                item = self.slicer.item(match.start(2) if match is not None else last)
                if item is None:
                    return
                self.take(item)
                end = item.end
            last = end
        if code[last:].strip():
            self.errors.append(f"more than {MAX_ITEMS} items at file scope; the rest is left out")

    def line(self, offset: int) -> int:
        """The line of an offset; items come in order, so counting on from the last is cheapest."""
        at, line = self.cursor
        if offset >= at:
            line += self.code.count("\n", at, offset)
        else:
            line -= self.code.count("\n", offset, at)
        self.cursor = (offset, line)
        return line

    def leave_out(self, spans: list[tuple[int, int]]) -> None:
        """Drop the functions that stand in dead spans."""
        if spans:
            self.bodies = [f for f in self.bodies if not any(a <= f[3] < b for a, b in spans)]

    def functions(self) -> tuple[Function, ...]:
        """The functions that were taken, in the order of the text."""
        if not self.bodies:
            return ()
        self.backwards = self.code[::-1]
        masks = _masks(self.code)
        offsets = [at for at, _ in masks]
        found = []
        count = self.code.count
        at, line = 0, 1
        for (name, lead, header, start, brace, end), callees in zip(self.bodies, self._calls(), strict=True):
            line += count("\n", at, start) if start >= at else -count("\n", start, at)
            at = start
            words: tuple[str, ...] = ()
            if masks:
                first, last = bisect_left(offsets, brace), bisect_left(offsets, end)
                words = tuple(sorted({word for _, word in masks[first:last]})) if first < last else ()
            text = " ".join(header.split())
            found.append(Function(name, line, start, brace, end, "static" in lead, text, callees, words))
        return tuple(found)

    def _calls(self) -> Iterator[tuple[str, ...]]:
        """What each body calls: the calls of all are brought into order at once, with a mark before those of each."""
        size = len(self.code)
        backwards, find = self.backwards, _REVERSED_CALL.findall
        calls = [_MARKS[len(self.bodies) & 1]]
        number = len(self.bodies)
        for _, _, _, _, brace, end in reversed(self.bodies):
            number -= 1
            calls += find(backwards, size - end, size - brace)
            calls.append(_MARKS[number & 1])
        names = _in_order(calls)
        at = 0
        for number in range(1, len(self.bodies) + 1):
            start, at = at + 1, names.index(_MARKS[number & 1], at + 1)
            yield tuple(names[start:at])

    def plain(self, match: re.Match[str]) -> int:
        """Take an item whose text is as usual; returns its end, or 0 where ``take`` has to look closer."""
        brace = match.end()
        kind = match.lastindex
        if kind == PLAIN_RECORD:
            end = self.slicer.closing(brace)
            self.records.append(Record(match[1], brace, end))
            return end
        if kind is None:  # values of an enum
            return self.slicer.closing(brace)
        start = match.start(2)
        _, lead, name, brackets, _ = match.groups()
        if kind == PLAIN_FUNCTION:
            if brace - start > _HEADER_LIMIT or not is_plain_header(lead, name):
                return 0
            end = self.slicer.plain(brace)
            if end:
                self._add_function(name, lead, self.code[start:brace], match.start(3), brace, end)
            return end
        if brace - start > _TAIL:
            return 0
        if kind != PLAIN_ARRAY:
            name = lead.replace("*", " ").split()[-1]
            lead = lead[: lead.rindex(name)]
        if name.startswith("__"):  # an attribute behind the name
            return 0
        end = self.slicer.closing(brace)
        self._add_table(lead, name, brackets or "", brace, end)
        return end

    def invocation(self, start: int) -> int:
        """Take a declaring macro that is all of an item; returns its end, or 0 where something else begins."""
        match = _PLAIN_INVOCATION.match(self.code, start)
        if match is None:
            return 0
        name, inner = match.groups()
        if not name.startswith(_SILENT_MACROS):
            args = tuple([p.strip() for p in split_top(inner)])
            self.definitions.append(Definition(name, args, match.start(1)))
        return match.end()

    def take(self, item: Item) -> None:
        if item.brace < 0:
            self._declaration(item)
            return
        text = self.code[max(item.start, item.brace - _HEADER_LIMIT) : item.brace]
        tail = text[-_TAIL:].rstrip()
        if tail.endswith("="):
            self._table(item, text)
        elif tail.endswith(")") and "__" not in tail[tail.rfind("\n") + 1 :]:
            self._function(item, text)
        elif match := _RECORD.search(tail):
            self.records.append(Record(match.group(1), item.brace, item.end))
        elif "typedef" in tail and _TYPEDEF_RECORD.search(tail):
            if name := _TYPEDEF_NAME.match(self.code, item.end):
                self.records.append(Record(name.group(1), item.brace, item.end))
        elif "(" in text:
            self._function(item, text)

    def _function(self, item: Item, text: str) -> None:
        header = find_header(text)
        if header is None:
            return
        if _MEMBER_FIRST.match(self.code, item.brace, item.end):
            self._macro_table(item, text[header.cut :])
            return
        if header.cut and item.brace - len(text) == item.start:
            self._invocations(item, text[: header.cut])  # declaring macros without a semicolon stand before it
        start = item.brace - len(text) + header.at
        lead = text[header.cut : header.at]
        self._add_function(header.name, lead, text[header.cut :], start, item.brace, item.end)

    def _add_function(self, name: str, lead: str, header: str, start: int, brace: int, end: int) -> None:
        self.names.add(name)
        self.bodies.append((name, lead, header, start, brace, end))

    def _table(self, item: Item, text: str) -> None:
        tail = text[-_TAIL:]
        match = _TABLE_NAME.search(tail)
        before = _TYPE_WORDS.search(tail, 0, match.start()) if match else None
        if match is None or before is None:
            return
        self._add_table(before.group(), match[1], match[2], item.brace, item.end)

    def _add_table(self, lead: str, name: str, brackets: str, brace: int, end: int) -> None:
        """``lead``: what stands before the name; ``brackets``: of an array."""
        kind, static = _declared(lead)
        if not kind:
            return
        self.globals.append(Global(kind, lead.count("*"), name, static))
        body = self.code[brace:end]
        if brackets and self.names:
            for macro, entries in self._elements(body, brace):
                self.tables.append(Table(macro, name, entries))
        if "." not in body:
            return
        for literal, entries in table_entries(self.line(brace), body, 2 if brackets else 1):
            self.tables.append(Table(literal or kind, name, entries))

    def _elements(self, body: str, base: int) -> list[tuple[str, tuple[Entry, ...]]]:
        """Elements that a macro makes of a member's name and a function (``HOOK_INIT(open, my_open)``), by macro."""
        found: dict[str, list[Entry]] = {}
        if self.names.isdisjoint(_SECOND_NAME.findall(body)):
            return []
        for match in _ELEMENT.finditer(body):
            macro, member, value = match.groups()
            if value in self.names:
                found.setdefault(macro, []).append(Entry(member, value, self.line(base + match.start())))
        return [(macro, tuple(entries)) for macro, entries in found.items()]

    def _macro_table(self, item: Item, text: str) -> None:
        """``declaring_macro(name) { .member = value, ... };``: the macro stands for the type."""
        match = _INVOKED.match(text)
        close = _close(text, match.end() - 1) if match else -1
        if not match or close < 0:
            return
        name = split_top(text[match.end() : close])[0].strip()
        for literal, entries in table_entries(self.line(item.brace), self.code[item.brace : item.end], 1):
            self.tables.append(Table(literal or match.group(1), name, entries))

    def _declaration(self, item: Item) -> None:
        text = self.code[item.start : item.end]
        if "(" in text:
            self._invocations(item, text)
            if "=" not in text:
                return
        first = len(text) - len(text.lstrip())
        match = _GLOBAL.match(text, first, first + _DECLARATION_LIMIT)
        if not match:
            return
        words = match.group(1).replace("*", " ").split()
        kind = " ".join(w for w in words if w not in _STORAGE)
        if kind and "extern" not in words and "typedef" not in words:
            static = "static" in words
            self.globals.append(Global(kind, match.group(1).count("*"), match.group(2), static))
            if "," not in text:
                return
            for declarator in split_top(text[match.start(2) :].rstrip(" ;"))[1:]:
                if more := _DECLARATOR.match(declarator):
                    self.globals.append(Global(kind, len(more.group(1)), more.group(2), static))

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
                args = tuple([p.strip() for p in split_top(text[match.end() : close])])
                self.definitions.append(Definition(name, args, item.start + match.start(1)))
            position = close + 1
            if position < len(text) and text[position] == ";":
                return

    def stores(self, functions: tuple[Function, ...]) -> tuple[Store, ...]:
        """The functions of this file that its functions assign to members."""
        values = ",".join([value for value, _ in _REVERSED_STORE.findall(self.backwards)])
        if self.names.isdisjoint(values[::-1].split(",")):  # as in most files
            return ()
        found = []
        index = 0
        known = {f.name[::-1] for f in functions}
        size = len(self.code)
        matches = [m for m in _REVERSED_STORE.finditer(self.backwards) if m.group(1) in known]
        for match in reversed(matches):
            at = size - match.end()
            while index < len(functions) and functions[index].end <= at:
                index += 1
            if index < len(functions) and functions[index].body <= at:
                value, member = match.groups()
                found.append(Store(functions[index].name, member[::-1], value[::-1], self.line(at)))
        return tuple(found)

    def directives(self, data: bytes) -> tuple[tuple[Macro, ...], tuple[str, ...]]:
        """The macros that hold code, a mask or another name, and the files included."""
        macros = []
        includes = []
        for directive in self.source.directives:
            if directive.name == "define":
                if macro := self._macro(directive):
                    macros.append(macro)
            elif directive.name == "include":
                raw = data[directive.text_start : directive.end].decode("utf-8", "replace")
                includes += [one or two for one, two in _INCLUDE.findall(raw)]
        return tuple(macros), tuple(includes)

    def _macro(self, directive: Directive) -> Macro | None:
        match = _DEFINE.match(directive.text)
        if not match or len(directive.text) > _MACRO_LIMIT:
            return None
        name, parenthesised, inner = match.groups()
        text = directive.text[match.end() :]
        start = directive.text_start + match.end()
        if parenthesised is None:
            joined = text.replace("\\\n", " ").strip()
            if "GFP" not in text and not _ALIAS.match(joined):
                return None
            return Macro(name, None, start, directive.end, (), joined)
        callees = called(text)
        if not callees and not _MASK.search(text):
            return None
        params = tuple([p.strip() for p in inner.split(",")]) if inner.strip() else ()
        kept = text.replace("\\\n", " ").strip() if len(text) < 200 else ""
        return Macro(name, params, start, directive.end, callees, kept)


@lru_cache(maxsize=4096)  # most tables are of a few types
def _declared(lead: str) -> tuple[str, bool]:
    """The type in what stands before a variable's name, without storage, qualifiers and attributes, ``""`` without any;
    and whether it is static.
    """
    words = lead.replace("*", " ").split()
    static = "static" in words
    for keyword in ("struct", "union", "enum"):
        if keyword in words:
            words = words[words.index(keyword) + 1 :]
    known = [w for w in words if w not in _STORAGE]
    kind = " ".join([w for w in known if not w.startswith("__") or _KERNEL_TYPE.fullmatch(w)] or known[:1])
    return kind, static


def _close(text: str, opening: int) -> int:
    depth = 0
    for match in _PAREN.finditer(text, opening):
        depth += 1 if match.group() == "(" else -1
        if depth == 0:
            return match.start()
    return -1
