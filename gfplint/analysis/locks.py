"""Classes of locks, as lockdep knows them: the member of a struct, or a variable at file scope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from gfplint.facts import Param
from gfplint.findings import Step
from gfplint.kernel.model import GuardClass

#: (struct with its file, member), or (file or "(global)", variable).
LockClass = tuple[str, str]


class Taken(msgspec.Struct, frozen=True, gc=False):
    """A lock class that reclaim takes. ``needs``: what the mask must allow for that; ``steps``: where it is taken.

    ``doubt``: how unsure it is that reclaim gets there, 0 being sure.
    """

    needs: str
    steps: tuple[Step, ...]
    doubt: int = 0


class Declared(Protocol):
    """What is known of declarations where a lock class is asked for; as ``flow.Environment``."""

    def field_type(self, record: str, field: str) -> Param | None:
        """The type of a struct's member."""

    def global_type(self, name: str) -> Param | None:
        """The type of a variable at file scope."""

    def record_key(self, record: str) -> str:
        """A name for a struct that no other struct of the tree has."""

    def lock_key(self, name: str) -> str:
        """A name for the file of a lock at file scope; "" where there is none of that name."""

    def guard_class(self, name: str) -> GuardClass | None:
        """A guard class that the tree defines itself."""


def lock_class(
    path: str, kind_of: Callable[[str], str], local: Callable[[str], bool], env: Declared
) -> LockClass | None:
    """The class of the lock at an access path; None where it is not known.

    ``kind_of``: the record type of a path; ``local``: whether a name is a variable of the function.
    """
    base, _, member = path.rpartition(".")
    if not base:
        if not path.isidentifier() or local(path):
            return None
        key = env.lock_key(path)
        return (key, path) if key else None
    if not member.isidentifier():
        return None
    record = kind_of(base)
    key = env.record_key(record) if record else ""
    return (key, member) if ":" in key else None
