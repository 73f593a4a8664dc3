"""Lock classes as lockdep knows them: the order in which they were taken, and where with interrupts on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

#: The class of the reclaim map, taken by every allocation that may enter a file system (mm/page_alloc.c).
FS_RECLAIM = "fs_reclaim"

#: The same for I/O: no kernel has it, but reclaim that may do I/O calls back no less (kernel/tables/reclaim.toml).
IO_RECLAIM = "io_reclaim"

#: Classes of the core kernel that were taken with interrupts and bottom halves enabled since boot.
USED_IN_TASKS = frozenset({FS_RECLAIM, "radix_tree_preloads", "cpu_hotplug_lock"})

#: Orders learnt at boot: these are held while memory is allocated with GFP_KERNEL (mm/slab_common.c,
#: kernel/workqueue.c).
LEARNT_AT_BOOT = (("cpu_hotplug_lock", FS_RECLAIM), ("slab_mutex", FS_RECLAIM), ("wq_pool_mutex", FS_RECLAIM))


class LockOrder:
    """The graph of "b was taken while a was held"."""

    def __init__(self, edges: Iterable[tuple[Hashable, Hashable]] = LEARNT_AT_BOOT) -> None:
        self.after: dict[Hashable, set[Hashable]] = {}
        for first, second in edges:
            self.after.setdefault(first, set()).add(second)

    def edges(self) -> Iterator[tuple[Hashable, Hashable]]:
        """What was learnt, as pairs."""
        return ((first, second) for first, taken in self.after.items() for second in taken)

    def learn(self, held: Hashable, taken: Hashable) -> bool:
        """Note that ``taken`` was taken under ``held``; False where that closes a cycle."""
        if held == taken or self.reaches(taken, held):
            return False
        self.after.setdefault(held, set()).add(taken)
        return True

    def reaches(self, start: Hashable, goal: Hashable) -> bool:
        """Whether ``goal`` was taken, directly or through others, under ``start``."""
        seen: set[Hashable] = set()
        stack = [start]
        while stack:
            node = stack.pop()
            if node == goal:
                return True
            if node not in seen:
                seen.add(node)
                stack.extend(self.after.get(node, ()))
        return False
