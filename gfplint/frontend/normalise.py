"""From kernel C to the C that pycparser reads, token by token, every token on its own line of the source.

``normalise`` drops comments and directives, expands the file's own macros, strips attributes and annotations, and
rewrites
what is not C99: ``guard()``, ``scoped_guard()``, ``__free()``, ``for_each_*() { }``, declaring macros, ``typeof``, ``a
?: b``,
case ranges and types as macro arguments. What a rewritten form means is kept in calls that the simulator knows:

    guard(x)(a);                 __guard("x", a);
    scoped_guard(x, a) S         do { __guard("x", a); S } while (0);
    scoped_cond_guard(x, F, a) S do { if (!__cond_guard("x", a)) { F; } S } while (0);
    T p __free(x) = v;           T p = v; __cleanup("x", p);
    CLASS(x, v)(a);              int v = __class("x", a); __cleanup("x", v);
    DEFINE_FREE(x, T, E)         void __free_x(T _T) { E; }
    list_for_each_entry(p, h, m) S   while (__for_each("list_for_each_entry", p, h, m)) S
    DEFINE_SPINLOCK(x);          struct __DEFINE_SPINLOCK x;
    a ?: b                       a ? __elvis : b

Nothing is executed, and work is bounded by the constants below; input beyond them is a ``NormaliseError``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

#: Bounds on the input: bytes of source, tokens after expansion, depth of macro expansion and of brackets.
MAX_BYTES = 1 << 20
MAX_TOKENS = 200_000
MAX_MACRO_DEPTH = 20
MAX_NESTING = 200


class NormaliseError(ValueError):
    """The text can't be brought to pycparser's dialect; the message says why and where."""


class Token(NamedTuple):
    """A token and its line, from 1; ``kind`` is ``id``, ``num``, ``str``, ``chr`` or ``op``."""

    text: str
    line: int
    kind: str


class _Macro(NamedTuple):
    params: tuple[str, ...] | None
    body: tuple[Token, ...]


_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f\v]+|\\\n)|(?P<newline>\n)|(?P<comment>/\*.*?(?:\*/|\Z)|//(?:[^\n\\]|\\.)*)
    |(?P<id>[A-Za-z_$][\w$]*)|(?P<num>\.?[0-9](?:[eEpP][+-]|[\w.])*)
    |(?P<str>"(?:[^"\\\n]|\\.)*")|(?P<chr>'(?:[^'\\\n]|\\.)*')
    |(?P<op>\.\.\.|<<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\#\#|[][(){};,.?:~!%^&*+=|<>/#-])
    |(?P<bad>.)""",
    re.X | re.S,
)

_KEYWORDS = frozenset(
    [
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "typedef",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
        "_Bool",
        "_Static_assert",
        "_Alignas",
        "_Alignof",
        "_Atomic",
        "_Noreturn",
        "_Thread_local",
        "offsetof",
    ]
)
_TYPE_WORDS = frozenset(
    [
        "struct",
        "union",
        "enum",
        "const",
        "volatile",
        "unsigned",
        "signed",
        "int",
        "long",
        "short",
        "char",
        "void",
        "float",
        "double",
        "_Bool",
    ]
)
_SPELLINGS = {
    "__inline": "inline",
    "__inline__": "inline",
    "__always_inline": "inline",
    "__volatile__": "volatile",
    "__signed__": "signed",
    "__const": "const",
    "bool": "_Bool",
    "__builtin_offsetof": "offsetof",
}

#: Typedefs of the kernel whose width or sign matters; every other name that stands where a type must is an ``int``.
_TYPEDEFS = {
    "u8": "unsigned char",
    "__u8": "unsigned char",
    "uint8_t": "unsigned char",
    "s8": "signed char",
    "u16": "unsigned short",
    "__u16": "unsigned short",
    "uint16_t": "unsigned short",
    "s16": "short",
    "u32": "unsigned int",
    "__u32": "unsigned int",
    "uint32_t": "unsigned int",
    "s32": "int",
    "uint": "unsigned int",
    "u64": "unsigned long",
    "__u64": "unsigned long",
    "uint64_t": "unsigned long",
    "s64": "long",
    "size_t": "unsigned long",
    "ssize_t": "long",
    "loff_t": "long",
    "ulong": "unsigned long",
    "uintptr_t": "unsigned long",
    "gfp_t": "unsigned int",
    "dma_addr_t": "unsigned long",
    "phys_addr_t": "unsigned long",
}

#: Annotations of declarations: those without and those with an argument list.
_PLAIN_ANNOTATIONS = frozenset(
    [
        "__init",
        "__exit",
        "__initdata",
        "__exitdata",
        "__initconst",
        "__user",
        "__iomem",
        "__percpu",
        "__rcu",
        "__force",
        "__kernel",
        "__must_check",
        "__maybe_unused",
        "__always_unused",
        "__used",
        "__unused",
        "__cold",
        "__hot",
        "__weak",
        "__packed",
        "__aligned_largest",
        "__ro_after_init",
        "__read_mostly",
        "__cacheline_aligned",
        "__cacheline_aligned_in_smp",
        "____cacheline_aligned",
        "____cacheline_aligned_in_smp",
        "__net_init",
        "__net_exit",
        "__sched",
        "__visible",
        "__bitwise",
        "__nocast",
        "__private",
        "__noreturn",
        "__pure",
        "__attribute_const__",
        "__deprecated",
        "__malloc",
        "__latent_entropy",
        "__randomize_layout",
        "__no_randomize_layout",
        "__designated_init",
        "__extension__",
        "__noclone",
        "__noendbr",
        "__refdata",
        "__ref",
        "__lockfunc",
        "__meminit",
        "__cpuinit",
        "__devinit",
        "noinline",
        "notrace",
        "asmlinkage",
        "noinline_for_stack",
        "__restrict",
        "__restrict__",
        "restrict",
        "fallthrough",
        "__noinitretpoline",
        "__nonstring",
        "__flatten",
        "__no_context_analysis",
        "__bpf_kfunc",
        "__maybe_unused_",
        "__pci_init",
        "__irq_entry",
        "__kprobes",
        "nokprobe_inline",
        "__kernel_",
    ]
)
_CALL_ANNOTATIONS = frozenset(
    [
        "__attribute__",
        "__attribute",
        "__aligned",
        "__section",
        "__printf",
        "__scanf",
        "__acquires",
        "__releases",
        "__must_hold",
        "__acquire_shared",
        "__must_hold_shared",
        "__cond_acquires",
        "__alloc_size",
        "__realloc_size",
        "__counted_by",
        "__counted_by_le",
        "__counted_by_be",
        "__assume_aligned",
        "__format_arg",
        "__no_sanitize",
        "__copy",
        "__nonnull",
        "__declspec",
        "__guarded_by",
        "__pt_guarded_by",
        "__releases_shared",
        "__acquires_shared",
        "__cond_acquires_shared",
        "__diagnose_as",
        "__alias",
        "__asm__",
        "asm",
        "__asm",
    ]
)
_ASM = frozenset(("asm", "__asm__", "__asm"))
_TYPEOF = frozenset(("typeof", "__typeof__", "__typeof", "typeof_unqual", "__auto_type"))
_CONTROL = frozenset(("if", "while", "for", "switch", "return", "sizeof", "_Alignof", "offsetof", "else", "do"))


def normalise(source: bytes) -> str:
    """The file as text for pycparser, each token on the line where it (or the macro that made it) stands.

    Raises NormaliseError where the text is too large, too deep or not C.
    """
    if len(source) > MAX_BYTES:
        raise NormaliseError(f"source is larger than {MAX_BYTES} bytes")
    tokens = _preprocess(_lex(source.decode("utf-8", "replace").replace("\\\r\n", "\\\n")))
    _check_brackets(tokens)
    tokens = _strip_annotations(tokens)
    tokens = _Rewriter(tokens).run()
    return _emit(tokens, _typedefs_needed(tokens))


# ---- lexing and the file's own macros ------------------------------------------------------------------------


def _lex(text: str) -> list[list[Token]]:
    """Tokens grouped into logical lines, so that directives can be told from code."""
    lines: list[list[Token]] = [[]]
    line = 1
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup or "bad", match.group()
        if kind == "newline":
            lines.append([])
        elif kind == "bad":
            if word.isprintable() and word not in "@`\"'\\":
                lines[-1].append(Token("_", line, "id"))
            else:
                raise NormaliseError(f"line {line}: unexpected character {word!r}")
        elif kind not in ("space", "comment"):
            lines[-1].append(Token(_SPELLINGS.get(word, word), line, kind))
        line += word.count("\n")
    return lines


def _preprocess(lines: list[list[Token]]) -> list[Token]:
    """Follow the conditionals (configuration symbols count as set) and expand the macros that the file defines."""
    macros: dict[str, _Macro] = {}
    code: list[Token] = []
    arms: list[tuple[bool, bool]] = []  # (this arm is live, some arm was)
    for line in lines:
        if line and line[0].text == "#":
            _directive(line, macros, arms)
        elif all(live for live, _ in arms):
            code.extend(line)
    return _Expander(macros).expand(code)


def _directive(line: list[Token], macros: dict[str, _Macro], arms: list[tuple[bool, bool]]) -> None:
    name = line[1].text if len(line) > 1 else ""
    if name in ("if", "ifdef", "ifndef"):
        live = _condition(name, line[2:], macros)
        arms.append((live, live))
    elif name in ("elif", "else") and arms:
        taken = arms[-1][1]
        live = not taken and (name == "else" or _condition("if", line[2:], macros))
        arms[-1] = (live, taken or live)
    elif name == "endif" and arms:
        arms.pop()
    elif all(live for live, _ in arms):
        if name == "define" and len(line) > 2 and line[2].kind == "id":
            _define(line[2:], macros)
        elif name == "undef" and len(line) > 2:
            macros.pop(line[2].text, None)


def _condition(name: str, rest: list[Token], macros: dict[str, _Macro]) -> bool:
    """Whether an arm is taken: only what is plainly false is not; an unknown symbol counts as configured."""
    words = [t.text for t in rest]
    if name == "ifdef":
        return True
    if name == "ifndef":
        return not (words and (words[0] in macros or words[0].startswith("CONFIG_")))
    negated = words[:1] == ["!"] and "CONFIG_" in "".join(words)
    return words not in (["0"], ["!", "1"]) and not negated


def _define(rest: list[Token], macros: dict[str, _Macro]) -> None:
    name, after = rest[0], rest[1:]
    # "#define f(x)" has no space before the bracket; the lexer drops spaces, so a bracket that encloses only names and
    # commas
    # and is followed by a replacement counts as a parameter list.
    close = next((i for i, t in enumerate(after) if t.text == ")"), -1)
    names = after[1:close] if after[:1] and after[0].text == "(" and close > 0 else None
    if names is not None and len(after) > close + 1 and all(t.kind == "id" or t.text in (",", "...") for t in names):
        params = tuple(t.text for t in names if t.text != ",")
        macros[name.text] = _Macro(params, tuple(after[close + 1 :]))
    else:
        macros[name.text] = _Macro(None, tuple(after))


class _Expander:
    """Expands macros; the tokens of an expansion stand on the line of the use."""

    def __init__(self, macros: dict[str, _Macro]) -> None:
        self.macros = macros
        self.budget = MAX_TOKENS

    def expand(self, tokens: list[Token], depth: int = 0, hidden: frozenset[str] = frozenset()) -> list[Token]:
        if depth > MAX_MACRO_DEPTH:
            raise NormaliseError("macros nest too deeply")
        out: list[Token] = []
        i = 0
        while i < len(tokens):
            token = tokens[i]
            macro = self.macros.get(token.text) if token.kind == "id" and token.text not in hidden else None
            self.budget -= 1
            if self.budget < 0:
                raise NormaliseError(f"more than {MAX_TOKENS} tokens after macro expansion")
            if macro is None:
                out.append(token)
                i += 1
                continue
            used, body = self._apply(macro, tokens, i)
            if used == 0:
                out.append(token)
                i += 1
                continue
            body = [Token(t.text, token.line, t.kind) for t in body]
            out.extend(self.expand(body, depth + 1, hidden | {token.text}))
            i += used
        return out

    def _apply(self, macro: _Macro, tokens: list[Token], i: int) -> tuple[int, list[Token]]:
        """How many tokens the use takes (0: not a use) and what it becomes."""
        if macro.params is None:
            return 1, list(macro.body)
        if i + 1 >= len(tokens) or tokens[i + 1].text != "(":
            return 0, []
        end = match_bracket(tokens, i + 1)
        args = split_arguments(tokens, i + 2, end)
        variadic = bool(macro.params) and macro.params[-1] == "..."
        named = dict(zip(macro.params, args, strict=False))
        if variadic:
            rest = args[len(macro.params) - 1 :]
            joined: list[Token] = []
            for n, arg in enumerate(rest):
                if n:
                    joined.append(Token(",", tokens[i].line, "op"))
                joined.extend(arg)
            named["__VA_ARGS__"] = joined
        return end - i + 1, _substitute(macro.body, named)


def _substitute(body: tuple[Token, ...], named: dict[str, list[Token]]) -> list[Token]:
    out: list[Token] = []
    i = 0
    while i < len(body):
        token = body[i]
        if token.text == "#" and i + 1 < len(body) and body[i + 1].text in named:
            text = " ".join(t.text for t in named[body[i + 1].text]).replace("\\", "").replace('"', "'")
            out.append(Token(f'"{text}"', token.line, "str"))
            i += 1
        elif token.text == "##" and out and i + 1 < len(body):
            right = named.get(body[i + 1].text, [body[i + 1]])
            left = out.pop()
            pasted = left.text + (right[0].text if right else "")
            out.append(Token(pasted, token.line, left.kind if left.kind == "id" else "id"))
            out.extend(right[1:])
            i += 1
        elif token.kind == "id" and token.text in named:
            out.extend(named[token.text])
        else:
            out.append(token)
        i += 1
    return out


# ---- brackets and lists --------------------------------------------------------------------------------------

_OPEN = {"(": ")", "[": "]", "{": "}"}


def _check_brackets(tokens: list[Token]) -> None:
    stack: list[Token] = []
    for token in tokens:
        if token.kind != "op":
            continue
        if token.text in _OPEN:
            stack.append(token)
            if len(stack) > MAX_NESTING:
                raise NormaliseError(f"line {token.line}: brackets nest deeper than {MAX_NESTING}")
        elif token.text in (")", "]", "}"):
            if not stack or _OPEN[stack[-1].text] != token.text:
                raise NormaliseError(f"line {token.line}: unmatched {token.text!r}")
            stack.pop()
    if stack:
        raise NormaliseError(f"line {stack[-1].line}: {stack[-1].text!r} is never closed")


def match_bracket(tokens: list[Token], i: int) -> int:
    """Index of the bracket that closes the one at ``i``."""
    depth = 0
    for j in range(i, len(tokens)):
        text = tokens[j].text
        if tokens[j].kind == "op":
            if text in _OPEN:
                depth += 1
            elif text in (")", "]", "}"):
                depth -= 1
                if depth == 0:
                    return j
    raise NormaliseError(f"line {tokens[i].line}: {tokens[i].text!r} is never closed")


def split_arguments(tokens: list[Token], start: int, end: int) -> list[list[Token]]:
    """The arguments between ``start`` and ``end`` (exclusive), split at commas of the same depth."""
    args: list[list[Token]] = [[]]
    depth = 0
    for token in tokens[start:end]:
        if token.kind == "op":
            if token.text in _OPEN:
                depth += 1
            elif token.text in (")", "]", "}"):
                depth -= 1
            elif token.text == "," and depth == 0:
                args.append([])
                continue
        args[-1].append(token)
    return [] if args == [[]] else args


# ---- annotations ---------------------------------------------------------------------------------------------


def _strip_annotations(tokens: list[Token]) -> list[Token]:
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        opens = i + 1 < len(tokens) and tokens[i + 1].text == "("
        if token.kind == "id" and token.text in _PLAIN_ANNOTATIONS and not (token.text == "__force" and opens):
            i += 1
        elif token.kind == "id" and token.text in _CALL_ANNOTATIONS:
            i += 1
            while i < len(tokens) and tokens[i].text in ("volatile", "goto", "inline"):
                i += 1
            if i < len(tokens) and tokens[i].text == "(":
                i = match_bracket(tokens, i) + 1
        elif token.text in _TYPEOF:
            out.append(Token("int", token.line, "id"))
            i = match_bracket(tokens, i + 1) + 1 if opens else i + 1
        else:
            out.append(token)
            i += 1
    return out


# ---- forms that are not C99 ----------------------------------------------------------------------------------

_DECLARES = re.compile(
    r"(?:DEFINE|DECLARE)_|_(?:DEFINE|DECLARE)$|(?:^|_)(?:LIST|HLIST|NOTIFIER|QUEUE)_HEAD|^DEFINE$|^BITMAP$"
)
_LOOPS = re.compile(r"for_each|^for_each|_for_each$|^while_each|foreach")
_SYSCALL = re.compile(r"^(?:COMPAT_)?SYSCALL_DEFINE([0-6])$|^BPF_CALL_([0-5])$")


def _op(text: str, line: int) -> Token:
    return Token(text, line, "op")


def _id(text: str, line: int) -> Token:
    return Token(text, line, "id")


def _str(text: str, line: int) -> Token:
    return Token(f'"{text}"', line, "str")


class _Rewriter:
    """One pass over the tokens; every handler returns the index after what it consumed."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.out: list[Token] = []
        self.pending: dict[int, list[list[Token]]] = {}  # index of a token -> tokens to put after it

    def run(self) -> list[Token]:
        self._span(0, len(self.tokens), 0)
        return self.out

    def _text(self, i: int) -> str:
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def _span(self, i: int, end: int, depth: int) -> None:
        """Rewrite tokens ``i`` to ``end``; ``depth`` counts the braces around them."""
        while i < end:
            token = self.tokens[i]
            if token.text in "{}" and token.kind == "op":
                depth += 1 if token.text == "{" else -1
            handler = self._handler(i, depth) if token.kind == "id" else None
            if handler is not None:
                i = handler(i, end, depth)
                continue
            if token.text == "?" and self._text(i + 1) == ":":
                self.out += [token, _id("__elvis", token.line)]
            elif token.text == "..." and self._inside_label(i):
                i += 2  # "case 1 ... 5" and "[1 ... 5] =" keep their first value
                continue
            else:
                self.out.append(token)
            self._flush(i)
            i += 1

    def _flush(self, i: int) -> None:
        for extra in self.pending.pop(i, ()):
            self.out.extend(extra)

    def _inside_label(self, i: int) -> bool:
        return self._text(i - 1) not in (",", "(") and self._text(i + 2) in (":", "]")

    def _at_statement(self, i: int) -> bool:
        return self._text(i - 1) in (";", "{", "}", ":", ")", "else", "do", "")

    def _handler(self, i: int, depth: int) -> Callable[[int, int, int], int] | None:
        text, opens = self.tokens[i].text, self._text(i + 1) == "("
        if text in ("__free", "__cleanup") and opens and self.tokens[i - 1].kind == "id":
            return self._cleanup
        if not opens or text in _KEYWORDS:
            return self._qualified if text == "static" and depth == 0 else None
        if depth == 0:
            return self._file_macro(i)
        if self._at_statement(i):
            found = self._statement_macro(i, text)
            if found is not None:
                return found
        return self._call

    # -- file scope

    def _file_macro(self, i: int) -> Callable[[int, int, int], int] | None:
        previous = self._text(i - 1)
        if previous not in (";", "}", "", ")", "static", "extern"):
            return None
        close = match_bracket(self.tokens, i + 1)
        if _SYSCALL.match(self.tokens[i].text):
            return self._syscall
        if self._text(close + 1) == "{" and not _DECLARES.search(self.tokens[i].text):
            return None
        return self._declaring_macro

    def _qualified(self, i: int, end: int, depth: int) -> int:
        """``static DEFINE_X(...)``: the qualifier goes where the macro goes away."""
        if (
            self.tokens[i + 1].kind == "id"
            and self._text(i + 2) == "("
            and i + 1 < end
            and (_DECLARES.search(self._text(i + 1)) or self._text(match_bracket(self.tokens, i + 2) + 1) in (";", "="))
        ):
            name = self._text(i + 1)
            if name not in _KEYWORDS and name.upper() == name:
                return self._declaring_macro(i + 1, end, depth)
        self.out.append(self.tokens[i])
        return i + 1

    def _syscall(self, i: int, end: int, depth: int) -> int:
        token, close = self.tokens[i], match_bracket(self.tokens, i + 1)
        args = split_arguments(self.tokens, i + 2, close)
        self.out += [_id("long", token.line), *args[0], _op("(", token.line)]
        for n in range(1, len(args) - 1, 2):
            if n > 1:
                self.out.append(_op(",", token.line))
            self.out += [*args[n], *args[n + 1]]
        self.out.append(_op(")", token.line))
        return close + 1

    def _declaring_macro(self, i: int, end: int, depth: int) -> int:
        """``DEFINE_X(name, ...);`` declares ``name``; other macros at file scope go away."""
        token, close = self.tokens[i], match_bracket(self.tokens, i + 1)
        args = split_arguments(self.tokens, i + 2, close)
        line, after = token.line, self._text(close + 1)
        if token.text == "DEFINE_FREE" and len(args) == 3:
            self.out += [_id("static", line), _id("void", line), _id(f"__free_{args[0][0].text}", line), _op("(", line)]
            self.out += [*args[1], _id("_T", line), _op(")", line), _op("{", line)]
            self._nested([*args[2], _op(";", line)], depth + 1)
            self.out.append(_op("}", line))
            return close + 2 if after == ";" else close + 1
        if not _DECLARES.search(token.text) or not args or not args[0]:
            return close + 2 if after == ";" else close + 1
        if len(args) > 1 and (
            args[0][0].text in _TYPE_WORDS
            or len(args[0]) > 1
            or "PER_CPU" in token.text
            or token.text == "DEFINE_CLASS"
        ):
            self.out += [*args[0], *(args[1] if args[1] else [])]  # DEFINE_PER_CPU(type, name)
        elif len(args[0]) == 1 and args[0][0].kind == "id":
            self.out += [_id("struct", line), _id(f"__{token.text}", line), args[0][0]]
            extra = [arg for arg in args[1:] if len(arg) == 1]
            if extra and after != "=":
                self.out += [_op("=", line), _op("{", line)]
                for n, arg in enumerate(extra):
                    self.out += ([_op(",", line)] if n else []) + arg
                self.out.append(_op("}", line))
        if after not in (";", "="):
            self.out.append(_op(";", line))
        return close + 1

    def _nested(self, tokens: list[Token], depth: int) -> None:
        """Rewrite tokens that a handler put together."""
        inner = _Rewriter(tokens)
        inner._span(0, len(tokens), depth)
        self.out.extend(inner.out)

    # -- inside functions

    def _statement_macro(self, i: int, text: str) -> Callable[[int, int, int], int] | None:
        close = match_bracket(self.tokens, i + 1)
        after = self._text(close + 1)
        if text == "guard" and after == "(":
            return self._guard
        if text == "CLASS" and after == "(":
            return self._class
        if text in ("scoped_guard", "scoped_cond_guard"):
            return self._scoped
        if _DECLARES.search(text) and text.upper() == text:
            return self._declaring_macro
        if (_LOOPS.search(text) and after not in (";", ",", ")", "?")) or after == "{":
            return self._loop
        return None

    def _guard(self, i: int, end: int, depth: int) -> int:
        token, close = self.tokens[i], match_bracket(self.tokens, i + 1)
        name = "".join(t.text for t in self.tokens[i + 2 : close])
        second = match_bracket(self.tokens, close + 1)
        self._call_of("__guard", name, self.tokens[close + 2 : second], token.line, depth)
        return second + 1

    def _call_of(self, callee: str, name: str, args: list[Token], line: int, depth: int) -> None:
        self.out += [_id(callee, line), _op("(", line), _str(name, line)]
        if args:
            self.out.append(_op(",", line))
            self._nested(args, max(depth, 1))
        self.out.append(_op(")", line))

    def _class(self, i: int, end: int, depth: int) -> int:
        token, close = self.tokens[i], match_bracket(self.tokens, i + 1)
        args = split_arguments(self.tokens, i + 2, close)
        second = match_bracket(self.tokens, close + 1)
        if len(args) != 2 or len(args[1]) != 1:
            raise NormaliseError(f"line {token.line}: CLASS() takes a class and a variable")
        name, variable, line = args[0][0].text, args[1][0], token.line
        self.out += [_id("int", line), variable, _op("=", line)]
        self._call_of("__class", name, self.tokens[close + 2 : second], line, depth)
        self._after_statement(
            second, [_id("__cleanup", line), _op("(", line), _str(name, line), _op(",", line), variable]
        )
        return second + 1

    def _after_statement(self, i: int, call: list[Token]) -> None:
        """Put ``call);`` after the statement that holds token ``i``."""
        stop = _semicolon(self.tokens, i)
        line = self.tokens[stop].line
        moved = [Token(t.text, line, t.kind) for t in call] + [_op(")", line), _op(";", line)]
        self.pending.setdefault(stop, []).append(moved)

    def _cleanup(self, i: int, end: int, depth: int) -> int:
        token, close = self.tokens[i], match_bracket(self.tokens, i + 1)
        name = "".join(t.text for t in self.tokens[i + 2 : close])
        kind = name if token.text == "__free" else f"cleanup {name}"
        line = token.line
        self._after_statement(
            close, [_id("__cleanup", line), _op("(", line), _str(kind, line), _op(",", line), self.tokens[i - 1]]
        )
        return close + 1

    def _scoped(self, i: int, end: int, depth: int) -> int:
        token, close = self.tokens[i], match_bracket(self.tokens, i + 1)
        args = split_arguments(self.tokens, i + 2, close)
        line, conditional = token.line, token.text == "scoped_cond_guard"
        if not args or not args[0] or (conditional and len(args) < 2):
            raise NormaliseError(f"line {line}: {token.text}() without a class")
        rest: list[Token] = []
        for n, arg in enumerate(args[2 if conditional else 1 :]):
            rest += ([_op(",", line)] if n else []) + arg
        name = "".join(t.text for t in args[0])
        self.out += [_id("do", line), _op("{", line)]
        if conditional:
            self.out += [_id("if", line), _op("(", line), _op("!", line)]
            self._call_of("__cond_guard", name, rest, line, depth)
            self.out += [_op(")", line), _op("{", line)]
            self._nested([*args[1], _op(";", line)], depth + 1)
            self.out.append(_op("}", line))
        else:
            self._call_of("__guard", name, rest, line, depth)
            self.out.append(_op(";", line))
        stop = statement_end(self.tokens, close + 1)
        self._span(close + 1, stop, depth + 1)
        last = self.tokens[stop - 1].line
        self.out += [
            _op("}", last),
            _id("while", last),
            _op("(", last),
            Token("0", last, "num"),
            _op(")", last),
            _op(";", last),
        ]
        return stop

    def _loop(self, i: int, end: int, depth: int) -> int:
        token, close = self.tokens[i], match_bracket(self.tokens, i + 1)
        self.out += [_id("while", token.line), _op("(", token.line)]
        args: list[Token] = []
        for n, arg in enumerate(split_arguments(self.tokens, i + 2, close)):
            args += ([_op(",", token.line)] if n else []) + (_as_expression(arg) or [Token("0", token.line, "num")])
        self._call_of("__for_each", token.text, args, token.line, depth)
        self.out.append(_op(")", self.out[-1].line))
        return close + 1

    def _call(self, i: int, end: int, depth: int) -> int:
        """A call: arguments that are types become ``sizeof(type)``, empty ones ``0``."""
        close = match_bracket(self.tokens, i + 1)
        self.out += [self.tokens[i], self.tokens[i + 1]]
        j = i + 2
        for n, arg in enumerate(split_arguments(self.tokens, i + 2, close)):
            if n:
                self.out.append(self.tokens[j])
                j += 1
            if arg and _is_type(arg):
                self.out += _as_expression(arg)
            else:
                self._span(j, j + len(arg), depth)
            j += len(arg)
        self.out.append(self.tokens[close])
        self._flush(close)
        return close + 1


def _is_type(arg: list[Token]) -> bool:
    """Whether an argument is a type: starts with a type's keyword and holds names and stars alone."""
    return arg[0].text in _TYPE_WORDS and all(t.kind == "id" or t.text == "*" for t in arg)


def _as_expression(arg: list[Token]) -> list[Token]:
    if arg and _is_type(arg):
        line = arg[0].line
        return [_id("sizeof", line), _op("(", line), *arg, _op(")", arg[-1].line)]
    return arg


def _semicolon(tokens: list[Token], i: int) -> int:
    """Index of the ``;`` that ends the statement which token ``i`` is in."""
    depth = 0
    for j in range(i, len(tokens)):
        text = tokens[j].text
        if tokens[j].kind != "op":
            continue
        if text in _OPEN:
            depth += 1
        elif text in (")", "]", "}"):
            depth -= 1
        elif text == ";" and depth <= 0:
            return j
    raise NormaliseError(f"line {tokens[i].line}: statement without end")


def statement_end(tokens: list[Token], i: int) -> int:
    """Index after the statement that starts at ``i``."""
    if i >= len(tokens):
        raise NormaliseError("statement missing at the end of the file")
    text = tokens[i].text
    if text == "{":
        return match_bracket(tokens, i) + 1
    if text in ("if", "while", "for", "switch") or (
        _LOOPS.search(text) and i + 1 < len(tokens) and tokens[i + 1].text == "("
    ):
        stop = statement_end(tokens, match_bracket(tokens, i + 1) + 1)
        if text == "if" and stop < len(tokens) and tokens[stop].text == "else":
            return statement_end(tokens, stop + 1)
        return stop
    if text == "do":
        return _semicolon(tokens, statement_end(tokens, i + 1)) + 1
    if text in ("scoped_guard", "scoped_cond_guard"):
        return statement_end(tokens, match_bracket(tokens, i + 1) + 1)
    return _semicolon(tokens, i) + 1


# ---- types ---------------------------------------------------------------------------------------------------


def _typedefs_needed(tokens: list[Token]) -> list[str]:
    """Names that stand where only a type can: they get a typedef before the text."""
    own = _own_typedefs(tokens)
    found: dict[str, None] = {}
    depth = brackets = 0
    for i, token in enumerate(tokens):
        if token.kind == "op" and token.text in "{}":
            depth += 1 if token.text == "{" else -1
        elif token.kind == "op" and token.text in "()":
            brackets += 1 if token.text == "(" else -1
        if token.kind != "id" or token.text in _KEYWORDS or token.text in own:
            continue
        if token.text in _TYPEDEFS or _stands_as_type(tokens, i, depth, brackets):
            found[token.text] = None
    return [f"typedef {_TYPEDEFS.get(name, 'int')} {name};" for name in found]


def _own_typedefs(tokens: list[Token]) -> set[str]:
    """Names that the file itself declares by ``typedef``."""
    own: set[str] = set()
    for i, token in enumerate(tokens):
        if token.text != "typedef" or token.kind != "id":
            continue
        stop = _semicolon(tokens, i)
        names = [t.text for t in tokens[i + 1 : stop] if t.kind == "id" and t.text not in _KEYWORDS]
        pointer = next(
            (tokens[j + 2].text for j in range(i, stop - 2) if tokens[j].text == "(" and tokens[j + 1].text == "*"),
            None,
        )
        if pointer is not None:
            own.add(pointer)
        elif names:
            own.add(names[-1])
    return own


def _stands_as_type(tokens: list[Token], i: int, depth: int, brackets: int) -> bool:
    previous = tokens[i - 1].text if i else ";"
    following = tokens[i + 1] if i + 1 < len(tokens) else Token(";", 0, "op")
    if previous in ("struct", "union", "enum", "goto", ".", "->"):
        return False
    if following.kind == "id" and (following.text not in _KEYWORDS or following.text in ("const", "volatile")):
        return True
    stars = i + 1
    while stars < len(tokens) and tokens[stars].text in ("*", "const"):
        stars += 1
    after = tokens[stars] if stars < len(tokens) else Token(";", 0, "op")
    if stars > i + 1 and after.kind == "id" and after.text not in _KEYWORDS:
        behind = tokens[stars + 1].text if stars + 1 < len(tokens) else ";"
        statement = previous in (";", "{", "}", "static", "const", "extern", "inline", "typedef") or (
            previous in ("(", ",") and depth == 0
        )
        return statement and behind in (";", "=", ",", "[", ")", "(")
    if previous == "(" and after.text == ")":
        outer = tokens[i - 2] if i > 1 else Token(";", 0, "op")
        called = outer.kind == "id" and (outer.text not in _KEYWORDS or outer.text in _CONTROL)
        if stars > i + 1:
            return not called or depth == 0
        behind2 = tokens[stars + 1] if stars + 1 < len(tokens) else Token(";", 0, "op")
        return (
            not called
            and outer.text not in (")", "]")
            and behind2.kind in ("id", "num")
            and behind2.text not in _KEYWORDS
        )
    if depth == 0 and brackets and previous in ("(", ",") and after.text in (",", ")") and stars == i + 1:
        return previous == "," or _is_prototype(tokens, i)
    return False


def _is_prototype(tokens: list[Token], i: int) -> bool:
    """``name(type, ...)`` at file scope after a return type."""
    return i > 2 and tokens[i - 2].kind == "id" and tokens[i - 3].kind == "id"


def _emit(tokens: list[Token], typedefs: list[str]) -> str:
    parts: list[str] = [" ".join(typedefs)]
    line = 1
    for token in tokens:
        if token.line > line:
            parts.append("\n" * (token.line - line))
            line = token.line
        parts.append(" " + token.text)
    parts.append("\n")
    return "".join(parts)
