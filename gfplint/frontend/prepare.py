"""Rewriting one body so that a C grammar takes it: kernel macros that no grammar knows become C of the same length.

``for_each_x(...) {`` becomes a ``while``, types among a macro's arguments lose their keyword, ``__free(x)`` and other
annotations become spaces. What was rewritten is recorded by offset, so that lowering knows what stood there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_KEYWORDS = "if|for|while|switch|return|else|do|case|goto|sizeof|typeof|default|asm|__asm__"
_ARGS = r"(\((?>[^()]++|\((?>[^()]++|\((?>[^()]++|\((?>[^()]++|\([^()]*+\))*+\))*+\))*+\))*+\))"
_BLOCK_MACRO = re.compile(
    rf"(?:(?<=[;{{}}:)])|(?<=\belse)|\A)\s*+(?!(?:{_KEYWORDS})\b)([A-Za-z_]\w*+)\s*+{_ARGS}(?=\s*+([^\s]))"
)
_LOOP_NAME = re.compile(r"for_?each|FOR_?EACH|^scoped_|_walk$|^with_|_for_|^for_|^__for_", re.I)
_TYPE_ARGUMENT = re.compile(
    r"(,\s*|\b(?!sizeof\b|typeof\b|offsetof\b|if\b|while\b|return\b|__alignof__\b|_Alignof\b)[A-Za-z_]\w*\s*\(\s*)((?:const\s+)?(?:struct|union|enum)\s+)(\w+)(\s*(?:\*\s*)*)(?=[,)])"
)
_BASIC_ARGUMENT = re.compile(
    r"(,\s*|\b(?!sizeof\b|typeof\b|offsetof\b|if\b|while\b|return\b|__alignof__\b|_Alignof\b)[A-Za-z_]\w*\s*\(\s*)((?:const\s+)?(?:unsigned|signed|long|short|int|char|void|size_t|u8|u16|u32|u64|bool)(?:\s+(?:unsigned|long|short|int|char))*)(\s*(?:\*\s*)*)(?=[,)])"
)
_NAMED_POINTER_ARGUMENT = re.compile(r"(,\s*\w+\s*)(\*+)(?=\s*[,)])")
_TYPEOF = re.compile(rf"\b(?:__)?typeof(?:__|_unqual)?\s*{_ARGS}")
_ASM = re.compile(rf"\b(?:asm|__asm__|__asm)\b(?:\s|volatile|__volatile__|goto|inline)*{_ARGS}")
_ALIGNOF = re.compile(rf"\b(?:__alignof__|__alignof|_Alignof)\s*{_ARGS}")
_ATTRIBUTE = re.compile(rf"\b__attribute__\s*{_ARGS}")
_CLEANUP = re.compile(r"\b__(free|cleanup)\s*\(\s*(\w+)\s*\)")
_BLANK = re.compile(
    r"\b(?:__maybe_unused|__always_unused|__unused|__user|__iomem|__rcu|__percpu|__force|__kernel|__bitwise|__aligned\s*\([^()]*\)"
    r"|__initdata|__initconst|__read_mostly|__packed|____cacheline_aligned\w*|__nonstring|uninitialized_var|__counted_by\s*\([^()]*\)|__extension__|__restrict|__must_check"
    r"|__private|__unqual_scalar_typeof|__label__\s+[\w\s,]+;)(?!\w)"
)
_LAST_STATEMENT = re.compile(r"\b(?:break|continue)\s*;(?=\s*\))")
_RANGE = re.compile(r"\.\.\.")
_FAIL = re.compile(r"\b(return|goto|break|continue)\b")
_TEXT_MACRO_AFTER = re.compile(r'("[ \n]*+"\s*+)((?!return\b)[A-Za-z_]\w*+(?:\s*\([^()]*\))?)')
_TEXT_MACRO_BEFORE = re.compile(r'\b(?!(?:return|case|else)\b)([A-Za-z_]\w*+)(\s*+"[ \n]*+")')


@dataclass(slots=True)
class Prepared:
    """A body that a C grammar takes. Offsets are relative to its start.

    ``blocks``: offset of a rewritten ``while`` -> the macro's name; ``cleanups``: offset behind a declared name ->
    ``kfree`` of ``__free(kfree)``; ``fails``: offset in ``scoped_cond_guard``'s failure argument -> its keyword.
    """

    text: str
    blocks: dict[int, str] = field(default_factory=dict)
    cleanups: dict[int, str] = field(default_factory=dict)
    fails: dict[int, str] = field(default_factory=dict)


def prepare(text: str) -> Prepared:
    """Rewrite a body (blanked code, ``{`` to ``}``)."""
    out = Prepared(text)
    text = _cleanups(text, out)
    if "asm" in text:
        text = _ASM.sub(_zero, text)
    if "typeof" in text:
        text = _TYPEOF.sub(lambda m: "int" + _spaces(m.group()[3:]), text)
    if "__" in text:
        text = _ATTRIBUTE.sub(lambda m: _spaces(m.group()), text)
        text = _ALIGNOF.sub(_zero, text)
        text = _BLANK.sub(lambda m: _spaces(m.group()), text)
    if "break" in text or "continue" in text:
        text = _LAST_STATEMENT.sub(_zero, text)
    if "..." in text:
        text = _RANGE.sub(" + ", text)
    if '"' in text:
        text = _TEXT_MACRO_AFTER.sub(lambda m: m.group(1) + _spaces(m.group(2)), text)
        text = _TEXT_MACRO_BEFORE.sub(lambda m: _spaces(m.group(1)) + m.group(2), text)
    text = _types(text)
    out.text = _blocks(text, out)
    return out


def _spaces(text: str) -> str:
    if "\n" not in text:
        return " " * len(text)
    return "\n".join(" " * len(part) for part in text.split("\n"))


def _zero(match: re.Match[str]) -> str:
    return "0" + _spaces(match.group()[1:])


def _cleanups(text: str, out: Prepared) -> str:
    if "__free" not in text and "__cleanup" not in text:
        return text
    for match in _CLEANUP.finditer(text):
        end = len(text[: match.start()].rstrip())
        prefix = "" if match.group(1) == "free" else "cleanup("
        out.cleanups[end] = prefix + match.group(2)
    return _CLEANUP.sub(lambda m: _spaces(m.group()), text)


def _types(text: str) -> str:
    if "struct " in text or "union " in text or "enum " in text:
        text = _TYPE_ARGUMENT.sub(lambda m: m.group(1) + _spaces(m.group(2)) + m.group(3) + _spaces(m.group(4)), text)
    text = _BASIC_ARGUMENT.sub(_basic, text)
    if "*" in text:
        text = _NAMED_POINTER_ARGUMENT.sub(lambda m: m.group(1) + " " * len(m.group(2)), text)
    return text


def _basic(match: re.Match[str]) -> str:
    lead, words, stars = match.groups()
    if lead.startswith(",") or lead.rstrip().endswith("("):
        return lead + re.sub(r"\s", "_", words) + _spaces(stars)
    return match.group()


def _blocks(text: str, out: Prepared) -> str:
    """Turn ``macro(args) {`` and ``for_each_x(args) statement`` into ``while (args) ...``."""
    pieces: list[str] = []
    last = position = 0
    while match := _BLOCK_MACRO.search(text, position):
        name, follow = match.group(1), match.group(3)
        start, end = match.span(1)
        loop = follow == "{" or (_LOOP_NAME.search(name) and (follow.isalpha() or follow in "_*(+-"))
        # A macro may hold another one among its arguments only as an expression: go on behind its name.
        position = match.end() if loop else match.end(1)
        if not loop:
            continue
        pieces.append(text[last:start])
        args_start, args_end = match.span(2)
        args = text[args_start:args_end]
        if name.startswith("scoped_cond_"):
            args = _fail_argument(args, args_start, out)
        if end - start >= 5:
            pieces.append("while" + " " * (end - start - 5))
            out.blocks[start] = name
        else:
            pieces.append("if" + " " * (end - start - 2) if end - start > 1 else "  ")
        pieces.append(
            text[end:args_start] + (args if args[1:-1].strip() else "(" + "0" + args[2:] if len(args) > 2 else args)
        )
        last = args_end
    pieces.append(text[last:])
    return "".join(pieces)


def _fail_argument(args: str, base: int, out: Prepared) -> str:
    match = _FAIL.search(args)
    if not match:
        return args
    keyword = match.group(1)
    out.fails[base] = keyword
    bare = args[match.end() :].lstrip().startswith(",")
    return args[: match.start()] + ("0" if bare else " ") + " " * (len(keyword) - 1) + args[match.end() :]
