"""## What it does

Reports an allocation that untrusted user space can trigger, whose memory outlives the call, and which is not charged
to the memory cgroup: its mask lacks `__GFP_ACCOUNT`. Memory that is freed before the call returns is reported only in
files that charge such memory otherwise.

## Why is this bad

A container can make the kernel allocate beyond the container's memory limit, until the machine runs out of memory. The
guide asks that untrusted allocations triggered from user space be accounted. Root of a user namespace is untrusted:
`ns_capable()` protects nothing here, `capable()` does.

The report is advice. Charging costs time on hot paths, and two such changes were taken back upstream for that.

## Known problems

- Entry points are known from a table. What a task triggers through a work queue, a timer or a thread is not followed:
  there charging would charge nobody.
- Calls through pointers are followed only where a member belongs to one kind of operation table.
- Memory that is given to other functions is followed into those that are named, three calls deep.
- Limits by other means (rlimits, quotas) are known from the same table, and only where the allocating function asks
  them. One object that takes the place of another, as a setting does, is reported like many.
- Without an accounted allocation of the same object, owner, function or file, or a rule of the subsystem, confidence is
  low, unless the object is plainly what was asked for; so it is for longer chains.

## Example

```c
struct ring {
        struct list_head entries;
};

struct entry {
        struct list_head node;
};

static int ring_open(struct inode *inode, struct file *file)
{
        file->private_data = kzalloc(sizeof(struct ring), GFP_KERNEL_ACCOUNT);
        return file->private_data ? 0 : -ENOMEM;
}

static long ring_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
        struct ring *ring = file->private_data;
        struct entry *entry = kzalloc(sizeof(*entry), GFP_KERNEL);

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

static int ring_open(struct inode *inode, struct file *file)
{
        file->private_data = kzalloc(sizeof(struct ring), GFP_KERNEL_ACCOUNT);
        return file->private_data ? 0 : -ENOMEM;
}

static long ring_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
        struct ring *ring = file->private_data;
        struct entry *entry = kzalloc(sizeof(*entry), GFP_KERNEL_ACCOUNT);

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

- Documentation/core-api/memory-allocation.rst; include/linux/gfp_types.h, `__GFP_ACCOUNT`
- Documentation/admin-guide/cgroup-v2.rst, "Memory"
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.summary import Unaccounted
from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Severity, Step
from gfplint.ruleset import Rule, View, accounting_confidence, accounting_evidence

_FATES = {
    "stored": "is kept in an object",
    "listed": "is kept in a list or table",
    "returned": "is kept by a caller",
    "handed": "is handed on and not freed before return",
    "freed": "is held while the call lasts",
}


def check(view: View) -> Iterator[Finding]:
    """Every allocation that user space makes the kernel keep without charging it."""
    for site in view.summary.unaccounted:
        if not site.cache:
            yield _finding(view, site)


def _finding(view: View, site: Unaccounted) -> Finding:
    call = f"{site.callee}({site.mask_text})" if site.mask_text else f"{site.callee}()"
    message = (
        f"{call} is not charged to the memory cgroup, though {site.privilege.replace('-', ' ')} user space triggers it "
        f"({site.trigger}) and the memory {_FATES[site.fate]}{accounting_evidence(site)}"
    )
    end = Step(
        view.summary.path, site.place.line, site.place.column, view.summary.name, f"{call} without __GFP_ACCOUNT"
    )
    return RULE.finding(view, site.place, message, [*site.chain, end], confidence=accounting_confidence(site))


RULE = Rule(
    code="GFP301",
    name="unaccounted-user-allocation",
    severity=Severity.ADVICE,
    summary="memory that user space makes the kernel keep, not charged to its memory cgroup",
    page=__doc__ or "",
    check=check,
    preview=True,
    sim="uncharged",
    reads=Reads(0),
    uses=frozenset(("accounting",)),
)
