"""Reads what a tree's own gfp headers define the masks to be.

The headers are macros; a small tokenizer takes the ``#define`` lines whose names look like masks, checks that their
bodies are plain expressions, and writes one C declaration for each, which pycparser parses. Only names count: bit
numbers depend on the configuration, and both spellings of them (``0x20u`` in older kernels, ``BIT(___GFP_HIGH_BIT)``
since 6.10) say no more than "a bit of its own".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from pycparser import c_ast, c_parser

from gfplint.kernel.model import Mask

#: Where a tree defines its masks; gfp_types.h exists since 6.0.
MASK_HEADERS = ("include/linux/gfp_types.h", "include/linux/gfp.h")
#: Bodies longer or deeper than this are no masks: no kernel has one near it, and the parser is recursive.
MAX_TOKENS = 200
MAX_DEPTH = 32

_CONTINUATION = re.compile(r"\\\r?\n")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(_{0,3}GFP_\w+)(?!\w|\()[ \t]*(.*)$", re.MULTILINE | re.ASCII)
_TOKEN = re.compile(r"\s*([A-Za-z_]\w*|0[xX][0-9a-fA-F]+|[0-9]+|<<|[()|&~])([uUlL]*)", re.ASCII)

_BIT_MACROS = ("BIT", "BIT_ULL", "BITUL")

#: A set of bits, or (True) all bits but these: what an expression over masks comes to.
_Bits = tuple[Mask, bool]


def read_masks(texts: Iterable[str]) -> dict[str, Mask]:
    """The masks that header ``texts`` (gfp_types.h, gfp.h) define, by name, as sets of named bits.

    A definition that is no mask, or refers to something unknown, is left out; a header without masks gives {}.
    """
    definitions: dict[str, list[str]] = {}
    for text in texts:
        for name, body in _definitions(text):
            definitions.setdefault(name, []).append(body)
    masks = _Evaluator(_parse(definitions)).masks()
    return {name: mask for name, mask in masks.items() if not name.startswith("___")}


def _definitions(text: str) -> Iterator[tuple[str, str]]:
    """The ``#define`` lines of masks as (name, cleaned body)."""
    plain = _COMMENT.sub(" ", _CONTINUATION.sub(" ", text))
    for match in _DEFINE.finditer(plain):
        if body := _clean(match[2]):
            yield match[1], body


def _clean(body: str) -> str:
    """``body`` in pycparser's C, or "" where it is no plain expression."""
    tokens: list[str] = []
    depth = position = 0
    body = body.rstrip()
    while position < len(body):
        match = _TOKEN.match(body, position)
        if match is None or len(tokens) == MAX_TOKENS:
            return ""
        position = match.end()
        token = match[1]
        if token == "__force":
            continue
        depth += (token == "(") - (token == ")")
        if not 0 <= depth <= MAX_DEPTH:
            return ""
        tokens.append(token)
    return " ".join(tokens)


def _parse(definitions: Mapping[str, Iterable[str]]) -> dict[str, list[c_ast.Node]]:
    """The expressions of every name; those that are no C are left out."""
    listed = [(name, body) for name, bodies in definitions.items() for body in bodies]
    try:
        expressions: list[c_ast.Node | None] = _expressions(body for _, body in listed)
    except c_parser.ParseError:
        expressions = [_expression(body) for _, body in listed]
    parsed: dict[str, list[c_ast.Node]] = {}
    for (name, _), expression in zip(listed, expressions, strict=True):
        if expression is not None:
            parsed.setdefault(name, []).append(expression)
    return parsed


def _expression(body: str) -> c_ast.Node | None:
    try:
        return _expressions([body])[0]
    except c_parser.ParseError:
        return None


def _expressions(bodies: Iterable[str]) -> list[c_ast.Node | None]:
    """One declaration for each body, in one parse; raises ParseError."""
    lines = [f"gfp_t mask_{number} = {body};" for number, body in enumerate(bodies)]
    unit = c_parser.CParser().parse("typedef unsigned int gfp_t;\n" + "\n".join(lines))
    return [declaration.init for declaration in unit.ext[1:]]


class _Evaluator:
    """Evaluates expressions over masks; a bit is a name with three underscores that refers to no other such name."""

    def __init__(self, parsed: Mapping[str, list[c_ast.Node]]) -> None:
        self._parsed = parsed
        self._done: dict[str, _Bits | None] = {}

    def masks(self) -> dict[str, Mask]:
        found: dict[str, Mask] = {}
        for name in self._parsed:
            bits = self._name(name)
            if bits is not None and not bits[1]:
                found[name] = bits[0]
        return found

    def _name(self, name: str) -> _Bits | None:
        if name not in self._done:
            self._done[name] = None  # a definition that needs itself has no value
            self._done[name] = self._definition(name)
        return self._done[name]

    def _definition(self, name: str) -> _Bits | None:
        """The first definition (of an #if arm) that is a mask; an arm that defines a bit as 0 leaves it out of
        that configuration.
        """
        expressions = self._parsed.get(name, [])
        if name.startswith("___GFP_") and any(_is_bit(expression) for expression in expressions):
            return frozenset({name[1:]}), False
        values = [value for expression in expressions if (value := self._value(expression)) is not None]
        return next((value for value in values if value[0]), values[0] if values else None)

    def _value(self, node: c_ast.Node) -> _Bits | None:
        if isinstance(node, c_ast.Cast):
            return self._value(node.expr)
        if isinstance(node, c_ast.ID):
            return self._name(node.name)
        if isinstance(node, c_ast.Constant):
            return (frozenset(), False) if _number(node) == 0 else None
        if isinstance(node, c_ast.UnaryOp) and node.op == "~":
            inner = self._value(node.expr)
            return inner and (inner[0], not inner[1])
        if isinstance(node, c_ast.BinaryOp) and node.op in ("|", "&"):
            left, right = self._value(node.left), self._value(node.right)
            if left is None or right is None:
                return None
            return _union(left, right) if node.op == "|" else _negate(_union(_negate(left), _negate(right)))
        return None


def _is_bit(node: c_ast.Node) -> bool:
    """Whether ``node`` is one bit by number: ``0x20``, ``1 << n`` or ``BIT(n)``."""
    if isinstance(node, c_ast.Cast):
        return _is_bit(node.expr)
    if isinstance(node, c_ast.Constant):
        return _number(node).bit_count() == 1
    if isinstance(node, c_ast.BinaryOp):
        return bool(node.op == "<<")
    return isinstance(node, c_ast.FuncCall) and isinstance(node.name, c_ast.ID) and node.name.name in _BIT_MACROS


def _number(node: c_ast.Constant) -> int:
    text = node.value
    if text[:2] in ("0x", "0X"):
        return int(text, 16)
    return int(text, 8 if text.startswith("0") else 10) if text.isdigit() and len(text) < 40 and _octal(text) else -1


def _octal(text: str) -> bool:
    return not text.startswith("0") or not set(text) & {"8", "9"}


def _union(left: _Bits, right: _Bits) -> _Bits:
    (a, outside_a), (b, outside_b) = left, right
    if outside_a and outside_b:
        return a & b, True
    if outside_a:
        return a - b, True
    if outside_b:
        return b - a, True
    return a | b, False


def _negate(bits: _Bits) -> _Bits:
    return bits[0], not bits[1]
