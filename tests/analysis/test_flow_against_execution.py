"""Small generated functions, linted and executed on every path: the findings must be what some path does.

A function is made of nested sections (locks taken always, on a condition or by trylock; guards; loops; branches), of
early exits that unlock by hand what is held by hand, of masks in a variable and of memory in a pointer. Conditions are
two parameters that nothing changes; loops run up to three times; a trylock may fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gfplint.findings import Severity
from gfplint.rules import catalogue
from gfplint.target import NEWEST
from tests.rules.harness import kernel_of, lint

#: 6.12: vmalloc sleeps whatever its mask.
_VERSION = (6, 12)
_MASKS = kernel_of(NEWEST).masks
_ROUNDS = 3


@dataclass(frozen=True)
class Node:
    """A statement: ``word`` says which, ``text`` is its operand, ``parts`` are its blocks."""

    word: str
    text: str = ""
    parts: tuple[tuple[Node, ...], ...] = ()


@dataclass
class Line:
    """A rendered step: what the line does when it is executed."""

    number: int
    word: str
    text: str = ""


@dataclass
class Path:
    """The state of one execution."""

    held: int = 0
    gfp: str = "GFP_KERNEL"
    memory: str = "NULL"
    conditions: dict[str, bool] = field(default_factory=dict)
    found: frozenset[tuple[int, str]] = frozenset()

    def copy(self) -> Path:
        return Path(self.held, self.gfp, self.memory, self.conditions, self.found)


_LEAVES = st.one_of(
    st.sampled_from(("GFP_KERNEL", "GFP_ATOMIC", "gfp")).map(lambda mask: Node("alloc", mask)),
    st.sampled_from(("GFP_KERNEL", "GFP_ATOMIC")).map(lambda mask: Node("mask", mask)),
    st.sampled_from(("vmalloc", "kmalloc", "NULL")).map(lambda what: Node("memory", what)),
    st.sampled_from(("kfree", "vfree", "kvfree")).map(lambda what: Node("free", what)),
    st.sampled_from(("return", "goto", "break", "continue")).map(Node),
)
_CONDITIONS = st.sampled_from(("a", "!a", "b", "!b"))


def _blocks(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    block = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.tuples(st.sampled_from(("lock", "guard", "scoped", "loop")), block).map(lambda t: Node(t[0], "", (t[1],))),
        st.tuples(_CONDITIONS, block).map(lambda t: Node("locked if", t[0], (t[1],))),
        st.tuples(_CONDITIONS, block, block).map(lambda t: Node("if", t[0], (t[1], t[2]))),
        st.tuples(block, block).map(lambda t: Node("try", "", t)),
    )


_PROGRAMS = st.lists(st.recursive(_LEAVES, _blocks, max_leaves=8), min_size=1, max_size=4).map(tuple)


class Function:
    """A generated function: its text, and the statements with the lines on which they stand."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.lines = ["void f(struct s *s, bool a, bool b, int n)", "{", "gfp_t gfp = GFP_KERNEL;", "void *p = NULL;"]
        self.locks = 0
        self.steps = self.block(nodes, (), None)
        self.lines.append("return;")
        self.lines.append("out:")
        self.line("s->p = kmalloc(8, GFP_KERNEL);")
        self.lines.append("}")
        head, start, *inside, end = self.lines
        self.text = "\n".join([head, start, *(f"\t{line}" for line in inside), end]) + "\n"

    def line(self, text: str) -> int:
        self.lines.append(text)
        return len(self.lines)

    def block(
        self, nodes: Sequence[Node], held: tuple[str, ...], loop: int | None
    ) -> list[tuple[Node, int, list[object]]]:
        """Render a block; ``held``: what an exit has to drop; ``loop``: how much of it was held at the loop's start."""
        return [self.statement(node, held, loop) for node in nodes]

    def statement(self, node: Node, held: tuple[str, ...], loop: int | None) -> tuple[Node, int, list[object]]:
        match node.word:
            case "nothing":
                return node, 0, []
            case "alloc":
                return node, self.line(f"s->p = kmalloc(8, {node.text});"), []
            case "mask":
                return node, self.line(f"gfp = {node.text};"), []
            case "memory":
                value = {"vmalloc": "vmalloc(8)", "kmalloc": "kmalloc(8, GFP_ATOMIC)", "NULL": "NULL"}[node.text]
                return node, self.line(f"p = {value};"), []
            case "free":
                number = self.line(f"{node.text}(p);")
                self.line("p = NULL;")
                return node, number, []
            case "return" | "goto" | "break" | "continue":
                return self.leave(node, held, loop), len(self.lines), []
        return self.section(node, held, loop)

    def leave(self, node: Node, held: tuple[str, ...], loop: int | None) -> Node:
        if node.word in ("break", "continue"):
            if loop is None:
                return Node("nothing")
            held = held[loop:]
        self.lines += [*reversed(held), "goto out;" if node.word == "goto" else f"{node.word};"]
        return node

    def section(self, node: Node, held: tuple[str, ...], loop: int | None) -> tuple[Node, int, list[object]]:
        lock = f"&s->l{self.locks}"
        unlock = f"spin_unlock({lock});"
        self.locks += 1
        first, *rest = node.parts
        number = len(self.lines) + 1
        parts: list[object] = []
        match node.word:
            case "lock":
                self.line(f"spin_lock({lock});")
                parts.append(self.block(first, (*held, unlock), loop))
                self.line(unlock)
            case "guard":
                self.lines += ["{", f"guard(spinlock)({lock});"]
                parts.append(self.block(first, held, loop))
                self.line("}")
            case "scoped":
                self.line(f"scoped_guard(spinlock, {lock}) {{")
                inner = tuple(Node("nothing") if n.word in ("break", "continue") else n for n in first)
                parts.append(self.block(inner, held, None))
                self.line("}")
            case "locked if":
                self.line(f"if ({node.text}) spin_lock({lock});")
                parts.append(self.block(first, (*held, f"if ({node.text}) {unlock}"), loop))
                self.line(f"if ({node.text}) {unlock}")
            case "try":
                self.line(f"if (spin_trylock({lock})) {{")
                parts.append(self.block(first, (*held, unlock), loop))
                self.lines += [unlock, "} else {"]
                parts.append(self.block(rest[0], held, loop))
                self.line("}")
            case "if":
                self.line(f"if ({node.text}) {{")
                parts.append(self.block(first, held, loop))
                self.line("} else {")
                parts.append(self.block(rest[0], held, loop))
                self.line("}")
            case "loop":
                self.line("while (n--) {")
                parts.append(self.block(first, held, len(held)))
                self.line("}")
        return node, number, parts


def truth(condition: str, path: Path) -> bool:
    return path.conditions[condition.lstrip("!")] != condition.startswith("!")


def execute(steps: object, path: Path) -> Iterator[tuple[Path, str]]:
    """Every execution of a block from one state: (state, how it left: "", or return, goto, break, continue)."""
    assert isinstance(steps, list)
    paths = [(path, "")]
    for node, number, parts in steps:
        paths = _distinct(
            after for at, left in paths for after in (step(node, number, parts, at) if not left else [(at, left)])
        )
    yield from paths


def _distinct(paths: Iterator[tuple[Path, str]]) -> list[tuple[Path, str]]:
    return list({(p.held, p.gfp, p.memory, p.found, left): (p, left) for p, left in paths}.values())


def step(node: Node, number: int, parts: list[object], path: Path) -> Iterator[tuple[Path, str]]:
    """Every execution of one statement."""
    match node.word:
        case "nothing":
            yield path, ""
        case "return" | "goto" | "break" | "continue":
            yield path, node.word
        case "alloc" | "mask" | "memory" | "free":
            yield simple(node, number, path.copy()), ""
        case "if":
            yield from execute(parts[0 if truth(node.text, path) else 1], path)
        case "try":
            yield from held(parts[0], path)
            yield from execute(parts[1], path)
        case "locked if" if not truth(node.text, path):
            yield from execute(parts[0], path)
        case "loop":
            yield from repeated(parts[0], path)
        case _:
            yield from held(parts[0], path)


def held(steps: object, path: Path) -> Iterator[tuple[Path, str]]:
    inside = path.copy()
    inside.held += 1
    for after, left in execute(steps, inside):
        outside = after.copy()
        outside.held -= 1
        yield outside, left


def repeated(steps: object, path: Path) -> Iterator[tuple[Path, str]]:
    rounds = [path]
    for _ in range(_ROUNDS):
        again: list[Path] = []
        for entry in rounds:
            yield entry, ""
            for after, left in execute(steps, entry):
                if left in ("return", "goto"):
                    yield after, left
                elif left == "break":
                    yield after, ""
                else:
                    again.append(after)
        rounds = [p for p, _ in _distinct((p, "") for p in again)]
    yield from ((p, "") for p in rounds)


def simple(node: Node, number: int, path: Path) -> Path:
    atomic = path.held > 0
    found: set[tuple[int, str]] = set()
    match node.word:
        case "alloc":
            mask = path.gfp if node.text == "gfp" else node.text
            if atomic and "__GFP_DIRECT_RECLAIM" in _MASKS[mask]:
                found.add((number, "GFP101"))
        case "mask":
            path.gfp = node.text
        case "memory":
            path.memory = node.text
            if node.text == "vmalloc" and atomic:
                found.add((number, "GFP102"))
        case "free":
            found |= {(number, code) for code in wrong(node.text, path.memory, atomic)}
            path.memory = "NULL"
    path.found |= found
    return path


def wrong(free: str, memory: str, atomic: bool) -> Iterator[str]:
    """The rules that a free breaks."""
    if memory == "NULL":
        return
    if (free, memory) in (("kfree", "vmalloc"), ("vfree", "kmalloc")):
        yield "GFP401"
    if atomic and (free == "vfree" or (free == "kvfree" and memory == "vmalloc")):
        yield "GFP103"


def expected(function: Function) -> set[tuple[int, str]]:
    """What the paths of a function do wrong, all together."""
    found: set[tuple[int, str]] = set()
    for number in range(4):
        path = Path(conditions={"a": bool(number & 1), "b": bool(number & 2)})
        for after, _ in execute(function.steps, path):
            assert after.held == 0
            found |= after.found
    return found


#: Rules that follow the flow and say that something is wrong; the others read the text, or advise.
_FLOW = frozenset(r.code for r in catalogue() if r.interest is None and r.severity is not Severity.ADVICE)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_PROGRAMS)
def test_findings_are_what_some_path_does(nodes: tuple[Node, ...]) -> None:
    function = Function(nodes)
    found = {(f.line, f.rule) for f in lint(function.text, _VERSION) if f.rule in _FLOW}
    assert found == expected(function), function.text
