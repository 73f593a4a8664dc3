"""What the flow may ask about the rest of the program, and the bounds that it keeps.

Bounds are counted in steps, never in time, so that a result never depends on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gfplint.analysis.locks import LockClass, Taken
from gfplint.analysis.summary import Summary
from gfplint.analysis.values import Constant
from gfplint.facts import Break, Expr, Function, Param, Place, Stmt
from gfplint.kernel.model import GuardClass, Kernel, Query

#: Statements of one function, counted with repetition, after which its analysis is given up.
MAX_STEPS = 6_000
#: Things that a summary tells its callers, at most.
MAX_SLEEPS = 16
#: Conditions under which one allocation is told to callers, at most; more are joined.
MAX_VARIANTS = 3
#: Conditions of a path that are told to callers.
MAX_GUARDS = 10
#: Further allocations behind one call that a report names.
MAX_ALSO = 8
#: Rounds of a loop that are followed, while they bring something new.
MAX_ROUNDS = 3
#: Values that one mask may have at one call.
MAX_MASKS = 8
#: Calls from a context to an allocation that a finding may lead through.
MAX_CHAIN = 7
#: Steps beyond which a report is less sure: each call may depend on conditions that the analysis can't see.
LONG_CHAIN = 4
#: Calls from a held lock to an allocation that are looked through for reclaim that comes back to the lock.
RECLAIM_LEVELS = 3
#: The depth of a summary that is about memory alone: it reports no sleeps, and does not follow contexts.
MEMORY = -1
#: Calls from a function to the free of what it is given.
MAX_WRAPPERS = 4
#: Arguments of a function that is taken for a wrapper of a free.
MAX_WRAPPED = 2
NOWHERE = Place(0, 0, 0, 0)
#: What a macro calls its further arguments, and how many of them are told apart.
VARIADIC = "__VA_ARGS__"
MAX_VARIADIC = 6
#: Annotations of functions that are called with a lock held (include/linux/compiler_types.h).
HELD_ON_ENTRY = ("__must_hold", "__releases")
#: Where nothing follows: the position inside a ``return``.
LAST: tuple[Sequence[Stmt], int] = ((Break(),), -1)
PLAIN_TYPES = frozenset(
    ("int", "unsigned", "unsigned int", "long", "unsigned long", "bool", "char", "u8", "u16", "u32", "u64")
)
#: Behind a variable's name: the members of it that were not given a value (they are zero).
REST = ".*"
#: The value of a member that was given one which is not understood.
UNKNOWN = Constant("?")


def annotated(function: Function) -> bool:
    """Whether a function's header says that a lock is held when it is called."""
    header = function.header
    return "__" in header and any(word in header for word in HELD_ON_ENTRY)


class Environment(Protocol):
    """What a function's flow may ask about the rest of the program."""

    kernel: Kernel
    #: The contexts that forbid sleeping.
    atomic: frozenset[str]
    #: Functions that need memory of the linear map, each with the numbers of the arguments.
    linear: dict[str, tuple[int, ...]]
    #: Families of what a struct holds: their allocators fill the struct that they are given.
    content_families: frozenset[str]

    def shadowed(self, name: str) -> bool:
        """Whether the file defines the name itself, so that the kernel tables don't speak of it."""

    def never_returns(self, name: str) -> bool:
        """Whether a call to ``name`` does not come back."""

    #: Calls between a context and an allocation that are looked through.
    reach: int
    #: The locks that reclaim takes, where somebody asks for them.
    reclaim: Mapping[LockClass, Taken] | None

    def may_sleep(self, name: str, depth: int) -> bool:
        """Whether a call to ``name`` can lead to an allocation or free that sleeps, as far as names tell.

        ``depth``: the levels of calls, that to ``name`` included, in which it may stand.
        """

    def locks_and_allocates(self, name: str) -> bool:
        """Whether ``name`` takes a mask and may use it under a lock of its own, as far as names tell."""

    def may_change_context(self, name: str) -> bool:
        """Whether ``name`` may take or drop a lock of its caller, as far as names tell."""

    def inert(self, name: str) -> bool:
        """Whether nothing is known of what ``name`` calls but, perhaps, that it changes the context."""

    def drops(self, name: str) -> bool:
        """Whether ``name`` is a macro that drops a spinning lock, if only for a while."""

    def may_return_memory(self, name: str) -> bool:
        """Whether ``name`` may hand out memory to its caller, as far as names tell."""

    def may_give_memory(self, name: str) -> bool:
        """Whether ``name`` may put memory where its arguments point to, as far as names tell."""

    def may_be_fresh(self, name: str, record: str) -> bool:
        """Whether ``name``, whose result a pointer to ``record`` (its key) takes, may hand out memory that it does not
        know to be one: it returns another type, or is not known and named so.
        """

    def returned_record(self, name: str) -> str:
        """The struct, as holders name it, that ``name`` returns a pointer to; "" for what returns anything else."""

    def may_free(self, name: str) -> bool:
        """Whether ``name`` may free what its caller gives it, as far as names tell."""

    def summary(self, name: str, depth: int) -> Summary | None:
        """The summary of the function or macro that a call to ``name`` reaches; None where unknown.

        ``depth``: as ``flow.analyse`` takes it.
        """

    def indirect(self, owner: tuple[str, str]) -> Summary | None:
        """What a call of an operation, (struct, member), may do whichever of its implementations it reaches."""

    def query(self, name: str) -> Query | None:
        """What a function asks that does nothing but ask about the context (``in_atomic() || irqs_disabled()``)."""

    def container(self, name: str) -> str:
        """The member that the only argument of a function or macro is of what it returns, if it does nothing but name
        that (``#define to_foo(p) container_of(p, struct foo, dev)``); "" for any other.
        """

    def has_callers(self, name: str, number: int) -> bool:
        """Whether at least so many functions call one of that name."""

    def given(self, name: str, number: int) -> frozenset[Constant] | None:
        """The constants that callers pass for a parameter of ``name``; None where that is not known."""

    def starts_first(self, name: str) -> bool:
        """Whether the first function of the kernel calls it, while interrupts are off and no allocator may sleep."""

    def literal(self, name: str) -> Constant | None:
        """The number that an object-like macro stands for; None for any other name."""

    def mask_macro(self, name: str) -> Expr | None:
        """The replacement of an object-like macro that holds a mask."""

    def number_macro(self, name: str) -> Expr | None:
        """The replacement of an object-like macro that the file, or a header beside it, defines."""

    def field_type(self, record: str, field: str) -> Param | None:
        """The type of a struct's member."""

    def record_key(self, record: str) -> str:
        """A name for a struct that no other struct of the tree has."""

    def global_type(self, name: str) -> Param | None:
        """The type of a variable at file scope."""

    def global_key(self, name: str) -> str:
        """A name for the file of a variable at file scope, if it is static; "" where there is no such variable."""

    def lock_key(self, name: str) -> str:
        """A name for the file of a lock at file scope, declared or made by a macro; "" where there is none."""

    def guard_class(self, name: str) -> GuardClass | None:
        """A guard class that the tree defines itself."""

    def cleanup(self, name: str) -> str:
        """The function that ``__free(name)`` calls."""


def variadic(name: str) -> tuple[str, ...]:
    """The names of the arguments that ``name`` (``__VA_ARGS__``) stands for."""
    return (name, *(f"{name}+{number}" for number in range(1, MAX_VARIADIC)))


def doubt_of_length(steps: int) -> int:
    """How much less sure a report is for the length of its chain: of the long ones, one in four was right."""
    return 2 if steps > LONG_CHAIN else 0


class GiveUpError(Exception):
    """The step budget is used up."""
