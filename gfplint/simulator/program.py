"""A parsed C program: functions, globals, struct layouts and types, from text that ``frontend.normalise`` prepared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

from pycparser import c_ast, c_parser

from gfplint.frontend.normalise import NormaliseError, normalise

#: What a pointer, and a struct of which nothing is known, take.
POINTER_SIZE = 8
UNKNOWN_SIZE = 64

_SIZES = {"char": 1, "_Bool": 1, "short": 2, "int": 4, "float": 4, "long": 8, "double": 8}


class ProgramError(ValueError):
    """The text is not C that the simulator can run; the message says where."""


@dataclass(frozen=True)
class CType:
    """``kind``: ``int``, ``ptr``, ``struct``, ``array``, ``func`` or ``void``; ``size`` in bytes; ``tag`` of a
    struct.
    """

    kind: str
    size: int = 4
    signed: bool = True
    tag: str = ""
    element: CType | None = None
    count: int = 0
    name: str = ""


@dataclass
class Program:
    """One translation unit. ``parent``: where names that it lacks are looked up (the library)."""

    functions: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    structs: dict[str, Any] = field(default_factory=dict)
    typedefs: dict[str, Any] = field(default_factory=dict)
    enums: dict[str, int] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    labels: dict[int, frozenset[str]] = field(default_factory=dict)
    types: dict[int, CType] = field(default_factory=dict)
    callees: frozenset[str] = frozenset()
    calls: list[Any] = field(default_factory=list)
    macros: dict[str, str] = field(default_factory=dict)  # of one name at file scope: module_init(f)
    handed: Any = None  # where it stores functions of its own (callbacks.py), once that was asked

    # -- types

    def type_of(self, node: Any) -> CType:
        """The type of a declaration's type node."""
        found = self.types.get(id(node))
        if found is None:
            found = self.types[id(node)] = self._type(node)
        return found

    def _type(self, node: Any) -> CType:
        if isinstance(node, (c_ast.Typename, c_ast.Decl)):
            return self.type_of(node.type)
        if isinstance(node, c_ast.TypeDecl):
            return self.type_of(node.type)
        if isinstance(node, c_ast.PtrDecl):
            return CType(
                "ptr", POINTER_SIZE, element=None if isinstance(node.type, c_ast.FuncDecl) else self.type_of(node.type)
            )
        if isinstance(node, c_ast.FuncDecl):
            return CType("func", POINTER_SIZE)
        if isinstance(node, c_ast.ArrayDecl):
            element, count = self.type_of(node.type), _constant(node.dim)
            return CType("array", element.size * max(count, 1), element=element, count=count)
        if isinstance(node, (c_ast.Struct, c_ast.Union)):
            return self._struct(node)
        if isinstance(node, c_ast.Enum):
            return CType("int", 4)
        return self._identifier(node)

    def _struct(self, node: Any) -> CType:
        full = node if node.decls else self.structs.get(node.name or "", node)
        if not full.decls:
            return CType("struct", UNKNOWN_SIZE, tag=node.name or "")
        self.types[id(node)] = CType("struct", UNKNOWN_SIZE, tag=node.name or "")  # for members that point back
        sizes = [self.type_of(d.type).size for d in full.decls if getattr(d, "type", None) is not None]
        total = (
            max(sizes, default=0)
            if isinstance(full, c_ast.Union)
            else sum(min(-(-s // 8) * 8, s if s < 8 else 1 << 40) for s in sizes)
        )
        return CType("struct", -(-total // 8) * 8, tag=node.name or "")

    def _identifier(self, node: Any) -> CType:
        names = list(getattr(node, "names", ()))
        if len(names) == 1 and names[0] in self.typedefs:
            inner = self.type_of(self.typedefs[names[0]])
            return CType(inner.kind, inner.size, inner.signed, inner.tag, inner.element, inner.count, names[0])
        if "void" in names:
            return CType("void", 1)
        size = max((_SIZES[n] for n in names if n in _SIZES), default=4)
        if "long" in names:
            size = 8
        elif "short" in names:
            size = 2
        return CType("int", size, "unsigned" not in names and "_Bool" not in names, name=names[-1] if names else "")

    # -- labels

    def labels_in(self, node: Any) -> frozenset[str]:
        """Names of the labels inside a statement (``case`` labels excluded)."""
        found = self.labels.get(id(node))
        if found is None:
            own = {node.name} if isinstance(node, c_ast.Label) else set()
            for _, child in node.children():
                own |= self.labels_in(child)
            found = self.labels[id(node)] = frozenset(own)
        return found


def _constant(node: Any) -> int:
    if isinstance(node, c_ast.Constant) and node.type.endswith("int"):
        return number(node.value)
    return 0


def number(text: str) -> int:
    """A C integer literal."""
    text = text.rstrip("uUlL")
    try:
        if text[:1] == "0" and text[1:2] not in ("x", "X", "b", "B", "", "."):
            return int(text, 8)
        return int(text, 0)
    except ValueError:
        try:
            return int(float(text.rstrip("fF")))
        except (ValueError, OverflowError):
            raise ProgramError(f"bad number {text[:40]!r}") from None


def parse(source: bytes) -> Program:
    """The program in a C file; raises ProgramError (a message for people) when it can't be read."""
    try:
        text = normalise(source)
        tree = c_parser.CParser().parse(text)
    except NormaliseError as error:
        raise ProgramError(str(error)) from None
    except c_parser.ParseError as error:
        where = str(error).lstrip(":").strip()[:200]
        at = f"line {where}" if where[:1].isdigit() else where[:1].lower() + where[1:]
        raise ProgramError(f"not C that the simulator can read: {at}") from None
    except RecursionError:
        raise ProgramError("expressions nest too deeply") from None
    return _collect(tree, {m[1].decode(): m[2].decode() for m in _MACRO.finditer(source)})


#: A macro at file scope that is given one name; the normaliser drops it.
_MACRO = re.compile(rb"^(\w+)\((\w+)\);?[ \t]*\r?$", re.MULTILINE)


def _collect(tree: Any, macros: dict[str, str]) -> Program:
    program = Program(macros=macros)
    called: set[str] = set()
    for node in _walk(tree):
        if isinstance(node, (c_ast.Struct, c_ast.Union)) and node.decls and node.name:
            program.structs.setdefault(node.name, node)
        elif isinstance(node, c_ast.Typedef):
            program.typedefs[node.name] = node.type
        elif isinstance(node, c_ast.EnumeratorList):
            _enumerate(node, program)
        elif isinstance(node, c_ast.FuncCall) and isinstance(node.name, c_ast.ID):
            called.add(node.name.name)
            program.calls.append(node)
    for item in tree.ext:
        if isinstance(item, c_ast.FuncDef):
            program.functions[item.decl.name] = item
            program.order.append(item.decl.name)
        elif (
            isinstance(item, c_ast.Decl)
            and item.name
            and not isinstance(item.type, c_ast.FuncDecl)
            and (item.name not in program.variables or item.init is not None)
        ):
            program.variables[item.name] = item
    program.callees = frozenset(called)
    return program


def _walk(root: Any) -> Iterator[Any]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(child for _, child in node.children())


def _enumerate(node: Any, program: Program) -> None:
    value = 0
    for item in node.enumerators:
        if isinstance(item.value, c_ast.Constant):
            value = number(item.value.value)
        program.enums.setdefault(item.name, value)
        value += 1


@lru_cache(maxsize=8)
def shipped(name: str) -> Program:
    """One of the programs that come with the simulator (``programs/NAME.c``)."""
    return parse((resources.files("gfplint.simulator") / "programs" / f"{name}.c").read_bytes())
