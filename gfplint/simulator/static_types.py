"""Declared types of simple expressions: sizes, and the class of a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pycparser import c_ast

from gfplint.simulator.program import CType
from gfplint.simulator.values import Value

if TYPE_CHECKING:
    from gfplint.simulator.interp import Interpreter

#: sizeof an expression whose type is not known.
UNKNOWN_SIZE_OF_EXPRESSION = 64


def sizeof(it: Interpreter, node: Any) -> Value:
    program = it.frames[-1].program
    if isinstance(node, c_ast.Typename):
        ctype = program.type_of(node)
        if ctype.kind == "struct" and ctype.tag:
            return next(
                (p.type_of(p.structs[ctype.tag]).size for p in it.programs if ctype.tag in p.structs), ctype.size
            )
        return ctype.size
    ctype2 = static_type(it, node)
    return ctype2.size if ctype2 is not None else UNKNOWN_SIZE_OF_EXPRESSION


def static_type(it: Interpreter, node: Any) -> CType | None:
    """The declared type of a simple expression."""
    frame = it.frames[-1]
    if isinstance(node, c_ast.ID):
        ctype = frame.types.get(node.name)
        if ctype is None:
            for program in it.programs:
                if node.name in program.variables:
                    return program.type_of(program.variables[node.name].type)
        return ctype
    if isinstance(node, c_ast.UnaryOp) and node.op == "*":
        inner = static_type(it, node.expr)
        return inner.element if inner is not None else None
    if isinstance(node, c_ast.ArrayRef):
        inner = static_type(it, node.name)
        return inner.element if inner is not None else None
    if isinstance(node, c_ast.StructRef):
        return member_type(it, node)
    return None


def member_type(it: Interpreter, node: Any) -> CType | None:
    """The declared type of ``x.f`` or ``p->f``."""
    tag = tag_of(it, node.name)
    for program in it.programs:
        record = program.structs.get(tag)
        for decl in record.decls if record is not None else []:
            if getattr(decl, "name", None) == node.field.name:
                return program.type_of(decl.type)
    return None


def tag_of(it: Interpreter, node: Any) -> str:
    """The tag of the struct that an expression is or points to."""
    ctype = static_type(it, node)
    while ctype is not None and ctype.kind in ("ptr", "array"):
        ctype = ctype.element
    return ctype.tag if ctype is not None else ""


def class_of(it: Interpreter, node: Any) -> tuple[str, str] | None:
    """The class of a lock: the struct and member that hold it, or the variable that it is."""
    if not isinstance(node, c_ast.UnaryOp) or node.op != "&":
        return None
    if isinstance(node.expr, c_ast.StructRef):
        tag = tag_of(it, node.expr.name)
        return (tag, node.expr.field.name) if tag else None
    if isinstance(node.expr, c_ast.ID) and any(node.expr.name in p.variables for p in it.programs):
        return "", node.expr.name
    return None
