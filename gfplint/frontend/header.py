"""Function headers: name, parameters and annotations from the text before the body's brace."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from gfplint.facts import Param, Signature


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_FIRST_ARGUMENT = re.compile(r"\s*+([A-Za-z_]\w*+)", re.ASCII)
_KEYWORDS = frozenset(("if", "while", "for", "switch", "return", "sizeof"))
#: Attributes that a struct may have before its brace.
_ATTRIBUTES = frozenset(("__aligned", "__attribute__", "__attribute"))
_TRAILING = re.compile(r"__\w++|noinline\w*+|notrace|asmlinkage|[A-Z][A-Z_]++", re.ASCII)
_TRAILING_CALL = re.compile(r"__\w++", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*+", re.ASCII)
_LAST_WORD = re.compile(r"\w++\Z", re.ASCII)
_PAREN = re.compile(r"[()]", re.ASCII)
#: Longest identifier at a header's end; the C standard asks for 63 characters.
_LONGEST_NAME = 256
_ANNOTATION = re.compile(
    r"\b(__(?!u8|u16|u32|u64|s8|s16|s32|s64|le16|le32|le64|be16|be32|be64|sum16|wsum|poll_t|kernel_\w+)\w+)\b",
    re.ASCII,
)
_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_QUALIFIERS = word_set(
    "const volatile restrict register static extern inline __inline __inline__ __always_inline noinline "
    "__user __iomem __rcu __percpu __force __bitwise __maybe_unused __always_unused __unused __kernel "
    "asmlinkage notrace noinstr __must_check __init __exit __cold __hot __ref __latent_entropy"
)


#: What begins nearly all items with braces, up to the brace: ``struct name`` (group 1); or ``enum name`` (no group); or
#: words (2) and a name (3) with parameters, for a function whose brace is in column 0 and which has no annotations
#: behind them; or the same of an initialised array, with its brackets (4); or words of which the last is another
#: initialised variable's name (5). Semicolons may stand before it, such as those of the item before.
PLAIN_ITEM = re.compile(
    r"[ \t\n;]*+(?:(?:struct|union)\s++([A-Za-z_]\w*+)\s*+(?=\{)|enum\s++(?:[A-Za-z_]\w*+\s*+)?+(?=\{)"
    r"|((?:[A-Za-z_]\w*+[ \t\n*]++)++)(?:([A-Za-z_]\w*+)"
    r"(?:\([^(){};]*+\)\n(?=\{\n(?!\s*+\.))|((?:\[[^\](){};=]*+\]\s*+)++)=\s*+(?=\{))|(=)\s*+(?=\{)))",
    re.ASCII,
)
PLAIN_RECORD, PLAIN_FUNCTION, PLAIN_ARRAY = 1, 3, 4


class Header(msgspec.Struct, frozen=True, gc=False):
    """Where the name of a function stands in its header's text (``at``) and where its own header begins (``cut``)."""

    name: str
    at: int
    cut: int
    static: bool
    inline: bool


def find_header(text: str) -> Header | None:
    """Find the function that the text before a ``{`` declares; None where it is no function header."""
    found = _locate(text)
    if found is None:
        return None
    name, at, opening, end, _ = found
    if name in _KEYWORDS:
        return None
    before = text[:at]
    cut = max(before.rfind(";"), before.rfind("}"), _last_macro_line(before)) + 1
    if _is_defining(name) and not _types(before[cut:]):
        match = _FIRST_ARGUMENT.match(text, opening + 1, end)
        if not match:
            return None
        name = _prefix(name) + match.group(1)
    lead = before[cut:]
    return Header(name, at, cut, "static" in lead, "inline" in lead)


def is_plain_header(lead: str, name: str) -> bool:
    """Whether ``find_header`` has nothing else to say of a ``PLAIN_ITEM`` that may be a function."""
    odd = not name.islower() and _is_defining(name)
    unusual = odd or name in _KEYWORDS or name in _ATTRIBUTES
    return not unusual and len(name) < _LONGEST_NAME and "typedef" not in lead


@lru_cache(maxsize=4096)  # asked again for a function that is read, analysed, and called by what is
def signature(header: str) -> Signature:
    """Read ``Function.header``."""
    found = _locate(header)
    if found is None:
        return Signature("", (), ())
    name, at, opening, end, trailing = found
    before = header[:at]
    annotations = (*trailing, *_ANNOTATION.findall(before))
    inner = header[opening + 1 : end - 1]
    types = _types(before)
    if not types and _is_defining(name):
        return Signature("long", _defined_params(name, inner), (name, *annotations))
    return Signature(" ".join(types) + "*" * before.count("*"), parse_params(inner), annotations)


def _locate(text: str) -> tuple[str, int, int, int, tuple[str, ...]] | None:
    """Name, its offset, the offsets of the parameters' parentheses (end exclusive), and what stands behind them."""
    end = len(text.rstrip())
    if end <= 0:
        return None
    opening = text.rfind("(", 0, end)
    if text[end - 1] == ")" and opening >= 0 and text.find(")", opening) == end - 1:
        at, name = _word_before(text, opening)
        if name and not _TRAILING_CALL.fullmatch(name):
            return name, at, opening, end, ()
    annotations: list[str] = []
    end = _strip_trailing(text, annotations)
    if end <= 0 or text[end - 1] != ")":
        return None
    opening = _matching_open(text, end - 1)
    at, name = _word_before(text, opening)
    if not name:
        return None
    return name, at, opening, end, tuple(annotations)


def _word_before(text: str, end: int) -> tuple[int, str]:
    """The identifier that ends before ``end``, white space left out, and its offset; ``""`` where there is none."""
    while end > 0 and text[end - 1].isspace():
        end -= 1
    match = _LAST_WORD.search(text, max(end - _LONGEST_NAME, 0), end) if end > 0 else None
    if match is None or not _IDENTIFIER.match(match.group()):
        return 0, ""
    return match.start(), match.group()


def _types(before: str) -> list[str]:
    return [w for w in _WORD.findall(before) if w not in _QUALIFIERS and not w.startswith("__attribute")]


def split_top(text: str, separator: str = ",") -> list[str]:
    """Split at separators outside parentheses, brackets and braces."""
    if not any(c in text for c in "([{"):
        return text.split(separator)
    parts, depth, last = [], 0, 0
    for match in re.finditer(r"[()\[\]{}" + separator + "]", text):
        char = match.group()
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif depth <= 0:
            parts.append(text[last : match.start()])
            last = match.end()
    parts.append(text[last:])
    return parts


def parse_params(text: str) -> tuple[Param, ...]:
    """The parameters between a header's parentheses."""
    if text.strip() in ("", "void"):
        return ()
    return tuple(parse_declarator(part) for part in split_top(text))


@lru_cache(maxsize=8192)  # a few types and names are those of most parameters and members
def parse_declarator(text: str) -> Param:
    """One ``type *name`` as parameter: type without pointers and qualifiers, pointer count, name."""
    function = _FUNCTION_POINTER.match(text) if "(" in text else None
    if function:
        return Param("function", 1, function.group(2))
    pointers = text.count("*") + text.count("[")
    bracket = text.find("[")
    words = [w for w in _WORD.findall(text if bracket < 0 else text[:bracket]) if w not in _QUALIFIERS]
    words = [w for w in words if not (w.startswith("__") and _ANNOTATION.fullmatch(w)) or len(words) == 1]
    name = ""
    if len(words) > 1 and not text.rstrip().endswith("*"):
        bare = [w for w in words if w not in ("struct", "union", "enum")]
        if len(bare) > 1 or (words[0] not in ("struct", "union", "enum") and words[-1] not in _BASIC):
            name = words.pop()
    return Param(" ".join(w for w in words if w not in ("struct", "union", "enum")), pointers, name)


_FUNCTION_POINTER = re.compile(r"\s*([\w\s*]+?)\(\s*\*+\s*(?:const\s+)?(\w*)\s*(?:\[\w*\]\s*)?\)", re.ASCII)
_BASIC = word_set("void char short int long float double signed unsigned")


def _strip_trailing(text: str, annotations: list[str]) -> int:
    """Drop ``__init`` and ``__must_hold(x)`` behind the parameters; the end of what is left."""
    end = len(text.rstrip())
    for _ in range(8):
        if text[end - 1 : end] == ")":
            open_at = _matching_open(text, end - 1)
            at, name = _word_before(text, open_at)
            before = len(text[:at].rstrip())
            if not _TRAILING_CALL.fullmatch(name) or not before or not _ends_parameters(text, before):
                return end
            annotations.append(text[at:end])
            end = before
            continue
        at, name = _word_before(text, end)
        if not _TRAILING.fullmatch(name):
            return end
        annotations.append(name)
        end = len(text[:at].rstrip())
    return end


def _ends_parameters(text: str, end: int) -> bool:
    """Whether what ends at ``end`` is a parameter list, annotations behind it left out."""
    for _ in range(8):
        if text[end - 1] == ")":
            return True
        at, name = _word_before(text, end)
        end = len(text[:at].rstrip())
        if not end or not _TRAILING_CALL.fullmatch(name):
            return False
    return False


def _matching_open(text: str, close: int) -> int:
    """The offset of the parenthesis that ``close`` closes; -1 without any."""
    opened: list[int] = []
    found = -1
    for match in _PAREN.finditer(text, 0, close + 1):
        if match.group() == "(":
            opened.append(match.start())
        else:
            found = opened.pop() if opened else -1
    return found


def _last_macro_line(before: str) -> int:
    """Macro calls without a semicolon may stand above the header: the last ``)`` that ends a line."""
    found = -1
    for match in re.finditer(r"\)[ \t]*\n", before):
        found = match.start()
    return found


def _is_defining(name: str) -> bool:
    return name.isupper() or name.startswith(("SYSCALL_DEFINE", "COMPAT_SYSCALL_DEFINE", "BPF_CALL_", "DEFINE_"))


def _prefix(macro: str) -> str:
    if "SYSCALL_DEFINE" not in macro:
        return ""
    return "compat_sys_" if macro.startswith("COMPAT") else "sys_"


def _defined_params(macro: str, inner: str) -> tuple[Param, ...]:
    """``SYSCALL_DEFINE3(read, unsigned int, fd, ...)``: types and names alternate after the first argument."""
    parts = [p.strip() for p in split_top(inner)]
    if "SYSCALL" in macro or macro.startswith("BPF_CALL"):
        return tuple(parse_declarator(f"{kind} {ident}") for kind, ident in zip(parts[1::2], parts[2::2], strict=False))
    return tuple(parse_declarator(p) for p in parts[1:] if " " in p)
