"""The rules, one module each; a module holds a rule's page, its check and its ``RULE``."""

from __future__ import annotations

import importlib
from functools import cache

from gfplint.ruleset import Rule

_MODULES = (
    "blocking_allocation_in_atomic_context",
    "allocation_under_raw_lock",
    "ignored_mask_parameter",
    "atomic_mask_in_sleepable_context",
    "sleeping_allocator_in_atomic_context",
    "sleeping_free_in_atomic_context",
    "mismatched_free",
    "wrong_cache_free",
    "wrong_size_free",
    "manual_free_of_managed_memory",
    "mismatched_rcu_free",
    "managed_by_another_device",
    "leaked_cache",
    "nofs_noio_mask",
    "redundant_nofs_noio_mask",
    "reclaim_recursion",
    "unaccounted_user_allocation",
    "unaccounted_user_cache",
    "unbalanced_scope",
    "unsupported_mask",
    "unused_suppression",
    "misused_nofail",
    "contradictory_mask",
    "legacy_zone_mask",
    "redundant_mask_flag",
    "open_coded_zeroing",
    "open_coded_array_size",
    "oversized_kmalloc",
    "open_coded_kvmalloc",
    "noncontiguous_memory_for_dma",
    "untyped_allocation",
    "misused_userspace_mask",
    "lost_realloc_pointer",
    "unchecked_allocation",
)


@cache
def catalogue() -> tuple[Rule, ...]:
    """All rules, sorted by code."""
    rules: list[Rule] = [importlib.import_module(f"gfplint.rules.{name}").RULE for name in _MODULES]
    return tuple(sorted(rules, key=lambda rule: rule.code))
