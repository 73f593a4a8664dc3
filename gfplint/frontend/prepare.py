"""Rewriting one body so that a C grammar takes it: kernel macros that no grammar knows become C of the same length.

``for_each_x(...) {`` becomes a ``while``, types among a macro's arguments lose their keyword, ``__free(x)`` and other
annotations become spaces. What was rewritten is recorded by offset, so that lowering knows what stood there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_KEYWORDS = "if|for|while|switch|return|else|do|case|goto|sizeof|typeof|default|asm|__asm__"
_ARGS = r"(\((?>[^()]++|\((?>[^()]++|\((?>[^()]++|\((?>[^()]++|\([^()]*+\))*+\))*+\))*+\))*+\))"
#: A macro's call where a statement may start, with something behind it that is no other end of a statement. What stands
#: before it is matched too: a set of characters to begin with makes a search fast.
_BLOCK_MACRO = re.compile(
    rf"[;{{}}:)]\s*+(?:else\b\s*+)?+(?!(?:{_KEYWORDS})\b)([A-Za-z_]\w*+)\s*+(?=\(){_ARGS}(?=\s*+([\w{{}}*(+-]))",
    re.ASCII,
)
_LOOP_NAME = re.compile(r"for_?each|FOR_?EACH|^scoped_|_walk$|^with_|_for_|^for_|^__for_", re.I | re.ASCII)
#: Types with a tag that an argument ends behind; a literal first, which is found fast: what stands before it is looked
#: at then.
_TAGGED = {word: re.compile(rf"{word}\s++(\w++)([\s*]*+)(?=[,)])", re.ASCII) for word in ("struct", "union", "enum")}
_BASIC_ARGUMENT = re.compile(
    r"([,(]\s*+)((?:const\s++)?+(?:unsigned|signed|long|short|int|char|void|size_t|u8|u16|u32|u64|bool)\b"
    r"(?:\s++(?:unsigned|long|short|int|char)\b)*+)([\s*]*+)(?=[,)])",
    re.ASCII,
)
#: What stands before the parenthesis of a call, as against a cast's or a keyword's.
_CALLED_BEFORE = re.compile(
    r"(?<!\w)(?!(?:sizeof|typeof|offsetof|if|while|return|__alignof__|_Alignof)\b)[A-Za-z_]\w*+\s*+\Z", re.ASCII
)
_NAMED_POINTER_ARGUMENT = re.compile(r"(,\s*+\w++\s*+)(\*++)(?=\s*+[,)])", re.ASCII)
_TYPEOF = re.compile(rf"\b(?:__)?typeof(?:__|_unqual)?\s*+{_ARGS}", re.ASCII)
_ASM = re.compile(rf"\b(?:asm|__asm__|__asm|asm_inline)\b(?:\s|volatile|__volatile__|goto|inline)*+{_ARGS}", re.ASCII)
_ALIGNOF = re.compile(rf"\b(?:__alignof__|__alignof|_Alignof)\s*+{_ARGS}", re.ASCII)
_ATTRIBUTE = re.compile(rf"\b__attribute__\s*+{_ARGS}", re.ASCII)
#: An operator as an argument: ``ASSERTCMP(a, ==, b)``.
_OPERATOR_ARGUMENT = re.compile(r",(\s*+)([=!<>&|+*/%^-]{1,2}+)(?=\s*+,)", re.ASCII)
#: Digits that letters follow; an argument that is pasted into a name may look like this, ``128B_255B``.
_DIGITS = re.compile(r"[0-9](?<!\w[0-9])[0-9]*+(?=[A-KM-TV-WYZa-km-tv-wyz_])\w++", re.ASCII)
_NUMBER = re.compile(r"0[bB][01]+[uUlL]*|[0-9]+[eE][0-9]*[fFlL]?|[0-9.]+[fFuUlL]+")
_OFFSETOF = re.compile(r"offsetof\s*+\([^(),]*+,\s*+\w++([.\[][^()]*+)(?=\))", re.ASCII)
_STATIC_MACRO = re.compile(r"static(?<!\wstatic)(?=\s++[A-Z_][A-Z0-9_]++\([^(),]*+,)", re.ASCII)
#: A declaring macro's initialiser: ``DECLARE_BITMAP(x, n) = { 0 };``.
_INITIALISED_MACRO = re.compile(r"\)(\s*+=\s*+\{[^{}]*+\})(?=\s*+;)", re.ASCII)
_CLEANUP = re.compile(r"\b__(free|cleanup)\s*+\(\s*+(\w++)\s*+\)", re.ASCII)
_BLANK = re.compile(
    r"__(?<!\w__)(?:(?:maybe_unused|always_unused|unused|user|iomem|rcu|percpu|force|kernel|bitwise|initdata|initconst"
    r"|read_mostly|packed|nonstring|extension__|restrict|must_check|private|unqual_scalar_typeof)"
    r"|(?:aligned|counted_by)\s*+\([^()]*+\)|__cacheline_aligned\w*+|label__\s++[\w\s,]{1,200}+;)(?!\w)",
    re.ASCII,
)
_LAST_STATEMENT = re.compile(r"\b(?:break|continue)\s*+;(?=\s*+\))", re.ASCII)
_ENDS_ARGUMENT = re.compile(r";\s*+\)", re.ASCII)
_FAIL = re.compile(r"\b(return|goto|break|continue)\b", re.ASCII)
_TEXT_MACRO_AFTER = re.compile(r'("[ \n]*+"\s*+)((?!return\b)[A-Za-z_]\w*+(?:\s*+\([^()]*+\))?+)', re.ASCII)
_TEXT_MACRO_BEFORE = re.compile(r'\b(?!(?:return|case|else)\b)([A-Za-z_]\w*+)(\s*+"[ \n]*+")', re.ASCII)
_BEFORE_STATEMENT = re.compile(r"\b(?:else|do|return)\s*+\Z", re.ASCII)
_INDENT = re.compile(r"[ \t]*+\n(?:[ \t]*+\n)*+([ \t]*+)")
_WHITE = re.compile(r"[ \t]*+")
_TEXT = re.compile(r'"[ \n]*+"')


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
    if "__free" in text or "__cleanup" in text:
        text = _cleanups(text, out)
    if "asm" in text:
        text = _ASM.sub(_assembly, text)
    if "typeof" in text:
        text = _TYPEOF.sub(lambda m: "int" + _spaces(m.group()[3:]), text)
    if "__" in text:
        text = _annotations(text)
    if ("break" in text or "continue" in text) and _ENDS_ARGUMENT.search(text):
        text = _LAST_STATEMENT.sub(_zero, text)
    if "..." in text:
        text = text.replace("...", " + ")
    if '"' in text:
        text = _text_macros(text)
    text = _arguments(text)
    text = _types(text)
    out.text = _blocks(text, out)
    return out


def _text_macros(text: str) -> str:
    """Macros beside string literals, which hold a part of the string."""
    text = _TEXT_MACRO_AFTER.sub(lambda m: m.group(1) + _spaces(m.group(2)), text)
    if any(_ends_in_word(text, match.start()) for match in _TEXT.finditer(text)):
        text = _TEXT_MACRO_BEFORE.sub(lambda m: _spaces(m.group(1)) + m.group(2), text)
    return text


def _ends_in_word(text: str, end: int) -> bool:
    while end > 0 and text[end - 1].isspace():
        end -= 1
    return end > 0 and (text[end - 1].isalnum() or text[end - 1] == "_")


def _annotations(text: str) -> str:
    if "__attribute__" in text:
        text = _ATTRIBUTE.sub(lambda m: _spaces(m.group()), text)
    if "lignof" in text:
        text = _ALIGNOF.sub(_zero, text)
    return _BLANK.sub(lambda m: _spaces(m.group()), text)


def _spaces(text: str) -> str:
    if "\n" not in text:
        return " " * len(text)
    return "\n".join(" " * len(part) for part in text.split("\n"))


def _zero(match: re.Match[str]) -> str:
    return "0" + _spaces(match.group()[1:])


def _assembly(match: re.Match[str]) -> str:
    """``asm(...)`` as an expression; behind a declared name, where it says which register, as nothing."""
    if _ends_in_word(match.string, match.start()) and not _BEFORE_STATEMENT.search(
        match.string, max(match.start() - 20, 0), match.start()
    ):
        return _spaces(match.group())
    return _zero(match)


def _arguments(text: str) -> str:
    """Arguments and initialisers of macros that no expression can be."""
    text = _OPERATOR_ARGUMENT.sub(lambda m: "," + m.group(1) + "0" + " " * (len(m.group(2)) - 1), text)
    text = _DIGITS.sub(lambda m: m.group() if _NUMBER.fullmatch(m.group()) else "_" + m.group()[1:], text)
    if "static " in text:
        text = _STATIC_MACRO.sub(lambda m: _spaces(m.group()), text)
    if "offsetof" in text:
        text = _OFFSETOF.sub(lambda m: m.group()[: m.start(1) - m.start()] + _spaces(m.group(1)), text)
    if ") = {" in text:
        text = _INITIALISED_MACRO.sub(_initialised, text)
    return text


def _initialised(match: re.Match[str]) -> str:
    """Without its initialiser where arguments are several; a single one reads as a declared name."""
    start = match.start()
    if "," not in match.string[match.string.rfind("(", max(start - 200, 0), start) : start]:
        return match.group()
    return ")" + _spaces(match.group(1))


def _cleanups(text: str, out: Prepared) -> str:
    for match in _CLEANUP.finditer(text):
        end = match.start()
        while end > 0 and text[end - 1].isspace():
            end -= 1
        prefix = "" if match.group(1) == "free" else "cleanup("
        out.cleanups[end] = prefix + match.group(2)
    return _CLEANUP.sub(lambda m: _spaces(m.group()), text)


def _types(text: str) -> str:
    """Types among a call's arguments lose their keyword and their stars."""
    for word, tagged in _TAGGED.items():
        if word in text:
            text = _tags(text, tagged)
    text = _BASIC_ARGUMENT.sub(_basic, text)
    if "*" in text:
        text = _NAMED_POINTER_ARGUMENT.sub(lambda m: m.group(1) + " " * len(m.group(2)), text)
    return text


def _is_argument(text: str, start: int) -> bool:
    """Whether what begins with a comma or parenthesis is an argument: after a comma, or behind that of a call."""
    if text[start] == ",":
        return True
    near = max(start - 80, 0)
    return _ends_in_word(text[near:start], start - near) and bool(_CALLED_BEFORE.search(text, near, start))


def _tags(text: str, tagged: re.Pattern[str]) -> str:
    pieces: list[str] = []
    last = 0
    for match in tagged.finditer(text):
        start = _before_tag(text, match.start())
        if start and _is_argument(text, start - 1):
            name, end = match.span(1)
            words = text[start:name].lstrip()
            pieces += (text[last : name - len(words)], _spaces(words), text[name:end], _spaces(match.group(2)))
            last = match.end()
    return "".join((*pieces, text[last:])) if pieces else text


def _before_tag(text: str, at: int) -> int:
    """The offset behind the comma or parenthesis after which only ``const`` may stand before ``at``; 0 for none."""
    start = at
    while start and text[start - 1].isspace():
        start -= 1
    if start < at and text.endswith("const", 0, start):
        start -= 5
        while start and text[start - 1].isspace():
            start -= 1
    return start if start and text[start - 1] in ",(" else 0


def _basic(match: re.Match[str]) -> str:
    if not _is_argument(match.string, match.start()):
        return match.group()
    lead, words, stars = match.groups()
    return lead + re.sub(r"\s", "_", words) + _spaces(stars)


def _blocks(text: str, out: Prepared) -> str:
    """Turn ``macro(args) {`` and ``for_each_x(args) statement`` into ``while (args) ...``."""
    pieces: list[str] = []
    last = position = 0
    while match := _BLOCK_MACRO.search(text, position):
        name, follow = match.group(1), match.group(3)
        start, end = match.span(1)
        begins = follow.isalpha() or follow in "_*(+-"
        loop = follow == "{" or (begins and (_LOOP_NAME.search(name) or _indents(text, start, match.end())))
        if not loop and _lacks_semicolon(text, match):
            pieces.append(text[last : match.end(2)] + ";")
            last = match.end(2) + 1
        # A macro may hold another one among its arguments only as an expression: go on behind its name.
        position = match.end() - 1 if loop else match.end(1)
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


def _lacks_semicolon(text: str, match: re.Match[str]) -> bool:
    """Whether a macro's call is a statement that brings its own semicolon: a line or a block ends behind it."""
    follow, end = match.group(3), match.end(2)
    if follow == "}":
        start = match.start()
        return text[start] in ";}" and text[end].isspace() and "else" not in text[start : match.start(1)]
    return (follow.isalpha() or follow == "_") and "\n" in text[end : end + 40] and text[end].isspace()


def _indents(text: str, start: int, end: int) -> bool:
    """Whether what follows ``end`` stands on a line of its own, deeper than the line of ``start``."""
    following = _INDENT.match(text, end)
    if following is None:
        return False
    line = text.rfind("\n", 0, start) + 1
    own = _WHITE.match(text, line, start)
    return own is not None and len(following.group(1).expandtabs()) > len(own.group().expandtabs())


def _fail_argument(args: str, base: int, out: Prepared) -> str:
    match = _FAIL.search(args)
    if not match:
        return args
    keyword = match.group(1)
    out.fails[base] = keyword
    bare = args[match.end() :].lstrip().startswith(",")
    return args[: match.start()] + ("0" if bare else " ") + " " * (len(keyword) - 1) + args[match.end() :]
