"""## What it does

Reports an allocation whose mask lets reclaim call back into file systems or block drivers while something is held that
the code called back waits for: a lock that a shrinker, `writepage()`, `release_folio()`, `evict_inode()` or a block
driver's submit function takes, or the end of a section that reclaim itself waits for (dma-fence signalling, the reset
of a USB device, the mapping of a bio).

## Why is this bad

Direct reclaim runs in the context of the task that allocates. If it comes to the lock that this task holds, the task
waits for itself. That needs memory to be short at the wrong moment: it is rarely seen in tests.

## Known problems

- Locks are told apart by class, as lockdep does: the member of a struct. Whether the two are the same lock, or ever
  taken for the same file system, is not known.
- Reclaim is followed three calls deep, and not through function pointers beyond its own operations.
- A lock that is dropped by a wrapper function counts as held.

## Example

```c
struct pool {
        struct mutex lock;
        void *spare;
};

static struct pool pool;

static unsigned long pool_count(struct shrinker *shrinker, struct shrink_control *sc)
{
        return 1;
}

static unsigned long pool_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
        mutex_lock(&pool.lock);
        mutex_unlock(&pool.lock);
        return 0;
}

static struct shrinker pool_shrinker = {
        .count_objects = pool_count,
        .scan_objects = pool_scan,
};

void pool_fill(void)
{
        mutex_lock(&pool.lock);
        pool.spare = kmalloc(64, GFP_KERNEL);
        mutex_unlock(&pool.lock);
}
```

## Use instead

```c
struct pool {
        struct mutex lock;
        void *spare;
};

static struct pool pool;

static unsigned long pool_count(struct shrinker *shrinker, struct shrink_control *sc)
{
        return 1;
}

static unsigned long pool_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
        if (!mutex_trylock(&pool.lock))
                return 0;
        mutex_unlock(&pool.lock);
        return 0;
}

static struct shrinker pool_shrinker = {
        .count_objects = pool_count,
        .scan_objects = pool_scan,
};

void pool_fill(void)
{
        mutex_lock(&pool.lock);
        pool.spare = kmalloc(64, GFP_KERNEL);
        mutex_unlock(&pool.lock);
}
```

## Fix safety

There is no automatic fix: the allocation may move before the lock, a scope may start at it, or the code that reclaim
calls may give way; a person has to choose.

## References

- Documentation/core-api/gfp_mask-from-fs-io.rst
- drivers/dma-buf/dma-fence.c, "fence cross-driver contract"
- Documentation/driver-api/usb/callbacks.rst, `pre_reset` and `post_reset`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.summary import Recursion
from gfplint.analysis.worth import Reads
from gfplint.findings import Confidence, Finding, Severity
from gfplint.ruleset import Rule, View, holding_steps, titles

_WAYS = {"any": "any direct reclaim", "io": "reclaim that may start I/O", "fs": "reclaim that may call file systems"}
_MASKS = {"any": "GFP_NOWAIT or GFP_ATOMIC", "io": "a NOIO scope", "fs": "a NOFS scope"}


def check(view: View) -> Iterator[Finding]:
    """Every allocation from which reclaim may come back to what is held."""
    for found in view.summary.recursions:
        yield _finding(view, found)


def _finding(view: View, found: Recursion) -> Finding:
    held = (found.hold,) if found.hold is not None else ()
    what = f"with {titles(view, held)} held" if held else f"in {view.summary.name}()"
    message = (
        f"{found.sleep.how}() {what} allows {_WAYS[found.needs]}, which may wait for "
        f"{'it' if held else 'this function to end'}; allocate before it, or use {_MASKS[found.needs]}"
    )
    last = found.sleep.steps[-1]
    trace = (*found.way, *holding_steps(view, held, found.place), *found.sleep.steps[:-1], last)
    return RULE.finding(view, found.place, message, trace, confidence=_confidence(found))


def _confidence(found: Recursion) -> Confidence:
    if found.doubt:
        return Confidence.LOW
    return Confidence.HIGH if len(found.sleep.steps) == 1 else Confidence.MEDIUM


RULE = Rule(
    code="GFP205",
    name="reclaim-recursion",
    severity=Severity.ERROR,
    summary="an allocation whose reclaim may wait for what is held",
    page=__doc__ or "",
    check=check,
    preview=True,
    sim="recursion",
    reads=Reads(0),
    uses=frozenset(("reclaim",)),
)
