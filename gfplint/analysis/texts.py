"""Conditions and arguments as texts: how they are compared, translated to a caller's names, and taken apart."""

from __future__ import annotations

from collections.abc import Callable

from gfplint.analysis.paths import MAX_TEXT, root_of, text_of
from gfplint.analysis.values import ZERO, Constant, Memory, Value, is_constant, number_of
from gfplint.facts import Assign, Binary, Call, Cast, Conditional, Expr, Name, Number, Unary


def argument_text(expr: Call, number: int | None) -> str:
    """An argument of a call as text; "" where the call has none of that number."""
    if number is None or number >= len(expr.args):
        return ""
    return mask_text(expr.args[number])


def mask_text(expr: Expr) -> str:
    """A mask as text, its operators spaced."""
    if isinstance(expr, Binary):
        return f"{mask_text(expr.left)} {expr.op} {mask_text(expr.right)}"
    return text_of(expr)


def comparison(test: Expr) -> tuple[bool, Expr, Expr | None]:
    """(wanted truth, subject, other side) of ``a == b``, ``a != b``; the subject alone otherwise."""
    if isinstance(test, Binary) and test.op in ("==", "!="):
        return test.op == "==", test.left, test.right
    if isinstance(test, Assign) and test.op == "=":
        return True, test, None
    return True, test, None


def ordered(subject: Expr) -> str:
    """The text of ``a < b`` for ``a >= b`` and of ``a <= b`` for ``a > b``, which say the opposite; "" for all else."""
    if not isinstance(subject, Binary) or subject.op not in _OPPOSITE:
        return ""
    text = f"({text_of(subject.left)} {_OPPOSITE[subject.op]} {text_of(subject.right)})"
    return text if len(text) <= MAX_TEXT and text_of(subject) else ""


_OPPOSITE = {">=": "<", ">": "<="}


def is_zero(expr: Expr, value: Value) -> bool:
    """Whether an operand is a literal or named zero."""
    return isinstance(expr, (Number, Name)) and isinstance(value, Constant) and value.truth is False


def same_constant(one: Constant, two: Constant) -> bool | None:
    """Whether two constants are equal; None where that is unknown."""
    a, b = number_of(one.text.lstrip("-")), number_of(two.text.lstrip("-"))
    if a is not None and b is not None:
        return (-a if one.text.startswith("-") else a) == (-b if two.text.startswith("-") else b)
    if one.text == two.text:
        return True
    if a is None and b is None and is_constant(one.text.lstrip("-")) and is_constant(two.text.lstrip("-")):
        return False
    return None


def result_class(value: Value) -> str:
    """What a returned value tells a caller that tests it: ``zero``, ``nonzero`` or ``unknown``."""
    if isinstance(value, Constant):
        if value.text == "nonzero":
            return "nonzero"
        truth = value.truth if not value.text.startswith("-") else True
        return "unknown" if truth is None else "nonzero" if truth else "zero"
    if isinstance(value, Memory):
        return "nonzero"
    return "unknown"


def is_test(expr: Expr) -> bool:
    """Whether an expression is a condition: its value is a truth."""
    if isinstance(expr, Unary):
        return expr.op == "!"
    return isinstance(expr, Binary) and expr.op in ("&&", "||", "==", "!=")


def called_expr(expr: Expr) -> Expr:
    """The call whose value an expression is."""
    while isinstance(expr, Cast):
        expr = expr.value
    return expr


def decision(node: Conditional) -> str:
    """The condition under which a state keeps how a conditional operator was decided."""
    return f"?{id(node)}"


def mentions_root(origin: str, path: str) -> bool:
    """Whether two paths start at the same variable."""
    return root_of(origin) == root_of(path)


def translate(text: str, names: dict[str, str]) -> str:
    """A condition on a callee's parameters as a condition of the caller; "" where it can't be said."""
    lead = len(text) - len(text.lstrip("(!"))
    root = root_of(text[lead:]).partition(" ")[0]
    if root not in names:
        return text
    replacement = names[root]
    if not replacement:
        return ""
    return text[:lead] + replacement + text[lead + len(root) :]


def equality(text: str) -> tuple[str, str] | None:
    """``(a == B)`` as (a, B)."""
    if text.startswith("(") and " == " in text and text.endswith(")"):
        left, _, right = text[1:-1].partition(" == ")
        return left, right
    return None


def condition_root(condition: str) -> str:
    """The variable at the root of the first path in a condition."""
    return root_of(condition.lstrip("(!")).partition(" ")[0]


def flag_test(text: str) -> tuple[str, str] | None:
    """``(a & FLAG)`` as (a, FLAG)."""
    if text.startswith("(") and " & " in text and text.endswith(")"):
        left, _, right = text[1:-1].partition(" & ")
        return left, right.strip("()")
    return None


def has_flag(value: Constant, flags: str, literal: Callable[[str], Constant | None]) -> bool | None:
    """Whether a set of flags holds one of others; flags that ``literal`` gives no number for are distinct bits.

    ``?`` in the set stands for further flags that are not known.
    """
    number = number_of(value.text)
    if number == 0:
        return False
    given = set(value.text.split("|"))
    wanted = set(flags.replace(" ", "").split("|"))
    if given & wanted:
        return True
    bits, sought = _bits(given - {"?"}, literal), _bits(wanted, literal)
    if bits is not None and sought is not None:
        return True if bits & sought else None if "?" in given else False
    named = all(n.isupper() and not n[0].isdigit() for n in given | wanted)
    return False if named else None


def _bits(flags: set[str], literal: Callable[[str], Constant | None]) -> int | None:
    """The numbers behind flags, together; None where one is not known."""
    total = 0
    for flag in flags:
        known = number_of(flag)
        if known is None and (named := literal(flag)) is not None:
            known = number_of(named.text)
        if known is None:
            return None
        total |= known
    return total


def with_bits(value: Constant, other: Value) -> Value:
    """``value | other``, as far as flags are known."""
    if isinstance(other, Constant):
        return value if other == ZERO else other if value == ZERO else Constant(f"{value.text}|{other.text}")
    return None if value == ZERO or other is not None else Constant(f"{value.text}|?")


def configs(conds: dict[str, bool]) -> set[str]:
    """The ``CONFIG_`` symbols that conditions take to be set."""
    found = set()
    for text, truth in conds.items():
        if truth and text.startswith("IS_ENABLED(CONFIG_"):
            found.add(text[len("IS_ENABLED(") : -1])
    return found
