"""## What it does

Reports a slab cache without `SLAB_ACCOUNT` whose objects untrusted user space makes the kernel allocate and keep.

## Why is this bad

As for GFP301: a container can make the kernel allocate beyond the container's memory limit. For objects with a cache of
their own, the flag of the cache charges all of them.

## Known problems

- As GFP301. A cache and its objects are brought together by the name of the variable that holds the cache, inside one
  folder.

## Example

```c
struct ring {
        struct list_head entries;
};

struct entry {
        struct list_head node;
};

static struct kmem_cache *entries;

static int ring_init(void)
{
        entries = KMEM_CACHE(entry, SLAB_HWCACHE_ALIGN);
        return entries ? 0 : -ENOMEM;
}

static int ring_open(struct inode *inode, struct file *file)
{
        file->private_data = kzalloc(sizeof(struct ring), GFP_KERNEL_ACCOUNT);
        return file->private_data ? 0 : -ENOMEM;
}

static long ring_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
        struct ring *ring = file->private_data;
        struct entry *entry = kmem_cache_alloc(entries, GFP_KERNEL);

        if (!entry)
                return -ENOMEM;
        list_add(&entry->node, &ring->entries);
        return 0;
}

static const struct file_operations ring_fops = {
        .open = ring_open,
        .unlocked_ioctl = ring_ioctl,
};
```

## Use instead

```c
struct ring {
        struct list_head entries;
};

struct entry {
        struct list_head node;
};

static struct kmem_cache *entries;

static int ring_init(void)
{
        entries = KMEM_CACHE(entry, SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT);
        return entries ? 0 : -ENOMEM;
}

static int ring_open(struct inode *inode, struct file *file)
{
        file->private_data = kzalloc(sizeof(struct ring), GFP_KERNEL_ACCOUNT);
        return file->private_data ? 0 : -ENOMEM;
}

static long ring_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
        struct ring *ring = file->private_data;
        struct entry *entry = kmem_cache_alloc(entries, GFP_KERNEL);

        if (!entry)
                return -ENOMEM;
        list_add(&entry->node, &ring->entries);
        return 0;
}

static const struct file_operations ring_fops = {
        .open = ring_open,
        .unlocked_ioctl = ring_ioctl,
};
```

## Fix safety

There is no automatic fix: whether charging is worth its cost is for a person to decide.

## References

- Documentation/core-api/memory-allocation.rst; include/linux/slab.h, `SLAB_ACCOUNT`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Severity, Step
from gfplint.ruleset import Rule, View, accounting_confidence, accounting_evidence


def check(view: View) -> Iterator[Finding]:
    """Every cache of objects that user space makes the kernel keep without charging them."""
    summary = view.summary
    for site in summary.unaccounted:
        if not site.cache:
            continue
        message = (
            f"{site.callee}() without SLAB_ACCOUNT: objects of {site.cache} are not charged to the memory cgroup, "
            f"though {site.privilege.replace('-', ' ')} user space triggers their allocation ({site.trigger}) and the "
            f"kernel keeps them{accounting_evidence(site)}"
        )
        trace = [*site.chain, *([site.object] if site.object is not None else [])]
        trace.append(Step(summary.path, site.place.line, site.place.column, summary.name, f"{site.callee}()"))
        yield RULE.finding(view, site.place, message, trace, confidence=accounting_confidence(site))


RULE = Rule(
    code="GFP302",
    name="unaccounted-user-cache",
    severity=Severity.ADVICE,
    summary="a slab cache of user-triggered objects without SLAB_ACCOUNT",
    page=__doc__ or "",
    check=check,
    preview=True,
    sim="uncharged",
    reads=Reads(0),
    uses=frozenset(("accounting",)),
)
