"""A small kernel tree whose findings lead through its files, and random edits of it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from gfplint import engine
from gfplint.config import Options, load_settings
from gfplint.report import render
from gfplint.report.presentation import Presentation
from tests.tree.repositories import kernel_tree, write

FILES = {
    "include/linux/ring.h": """\
#define RING_GFP GFP_KERNEL
#define ring_lock(r) spin_lock(&(r)->lock)
struct ring { spinlock_t lock; void *p; char *name; };
static inline void *ring_zalloc(int n) { int m = n + 1; return kzalloc(m, RING_GFP); }
void *ring_new(int n);
void ring_free(void *p);
""",
    "drivers/core/new.c": """\
#include <linux/ring.h>
void *ring_new(int n)
{
	n++;
	return ring_zalloc(n);
}
void ring_free(void *p)
{
	if (p)
		kfree(p);
}
""",
    "drivers/core/deep.c": """\
#include <linux/ring.h>
static void *inner(int n)
{
	int m = n + 2;

	return ring_new(m);
}
void *ring_deep(int n)
{
	n += 2;
	return inner(n);
}
void ring_loop_a(int n)
{
	if (n)
		ring_loop_b(n - 1);
	ring_new(n);
}
""",
    "drivers/core/loop.c": """\
#include <linux/ring.h>
void ring_loop_b(int n)
{
	if (n > 2)
		ring_loop_a(n - 1);
	ring_free(0);
}
""",
    "drivers/one/use.c": """\
#include <linux/ring.h>
static int use(struct ring *r)
{
	ring_lock(r);
	r->p = ring_new(4);
	spin_unlock(&r->lock);
	return 0;
}
static void later(struct ring *r)
{
	spin_lock(&r->lock);
	ring_loop_a(3);
	spin_unlock(&r->lock);
}
""",
    "drivers/two/use.c": """\
#include <linux/ring.h>
#include "table.h"
static void two(struct ring *r)
{
	rcu_read_lock();
	r->name = ring_deep(4);
	rcu_read_unlock();
}
static void four(struct table *t)
{
	kfree(t->v);
}
""",
    "drivers/two/table.h": "struct table { int n; void *v; };\n",
    "drivers/two/table.c": """\
#include "table.h"
int table_init(struct table *t)
{
	t->n = 10;
	t->v = vmalloc(10);
	return 0;
}
""",
    "drivers/two/lock.c": """\
#include <linux/ring.h>
void two_lock(struct ring *r)
{
	r->p = 0;
	spin_lock(&r->lock);
}
void two_unlock(struct ring *r)
{
	r->p = 0;
	spin_unlock(&r->lock);
}
""",
    "drivers/two/locked.c": """\
#include <linux/ring.h>
static int locked(struct ring *r)
{
	two_lock(r);
	r->p = kmalloc(10, RING_GFP);
	two_unlock(r);
	return 0;
}
""",
    "drivers/three/ops.h": """\
struct ring_ops { void *(*make)(int n); void (*drop)(void *p); };
struct dev { spinlock_t lock; const struct ring_ops *ops; struct timer_list timer; void *buf; };
DEFINE_GUARD(dev, struct dev *, dev_lock(_T), dev_unlock(_T))
#define dev_make(d, n) (d)->ops->make(n)
#define dev_get(n) ring_new(n)
void dev_lock(struct dev *d);
""",
    "drivers/three/ops.c": """\
#include <linux/ring.h>
#include "ops.h"
void dev_lock(struct dev *d)
{
	spin_lock(&d->lock);
}
void dev_unlock(struct dev *d)
{
	spin_unlock(&d->lock);
}
static void *simple_make(int n)
{
	return ring_new(n);
}
static const struct ring_ops simple_ops = {
	.make = simple_make,
	.drop = ring_free,
};
const struct ring_ops other_ops = {
	.make = ring_deep,
	.drop = kfree,
};
""",
    "drivers/three/dev.c": """\
#include <linux/ring.h>
#include "ops.h"
static void dev_tick(struct timer_list *t)
{
	struct dev *d = from_timer(d, t, timer);

	d->buf = dev_get(4);
}
static int dev_open(struct dev *d, gfp_t gfp)
{
	timer_setup(&d->timer, dev_tick, 0);
	guard(dev)(d);
	d->buf = ring_new(8);
	return 0;
}
static int dev_start(struct dev *d)
{
	int err = 0;

	dev_lock(d);
	d->buf = d->ops->make(8);
	dev_unlock(d);
	return err;
}
int dev_give(void **p, int n)
{
	*p = vmalloc(n);
	return 0;
}
static void dev_close(struct dev *d)
{
	ring_free(d->buf);
}
""",
    "drivers/four/mode.h": """\
struct mode { spinlock_t lock; int ready; void *p; void *q; struct timer_list timer; };
void *mode_alloc(struct mode *m, int wait);
int mode_may_wait(void);
void mode_tick(struct timer_list *t);
""",
    "drivers/four/mode.c": """\
#include <linux/ring.h>
#include "mode.h"
void *mode_alloc(struct mode *m, int wait)
{
	if (wait)
		return kmalloc(8, GFP_KERNEL);
	return kmalloc(8, GFP_ATOMIC);
}
int mode_may_wait(void)
{
	return !in_atomic();
}
void *mode_first(struct mode *m)
{
	if (!m->ready) {
		m->ready = 1;
		return ring_new(3);
	}
	return m->q;
}
""",
    "drivers/four/tick.c": """\
#include "mode.h"
void mode_tick(struct timer_list *t)
{
	struct mode *m = from_timer(m, t, timer);

	m->p = kmalloc(8, GFP_KERNEL);
}
void mode_tock(struct timer_list *t)
{
	kfree(t);
}
void mode_drop(struct mode *m)
{
	m->q = m->p;
	kvfree(m->q);
}
""",
    "drivers/four/one.c": """\
#include "mode.h"
static int one(struct mode *m)
{
	timer_setup(&m->timer, mode_tick, 0);
	spin_lock(&m->lock);
	m->p = mode_alloc(m, 0);
	m->q = mode_first(m);
	spin_unlock(&m->lock);
	return 0;
}
""",
    "drivers/four/two.c": """\
#include "mode.h"
static int hand_on(struct mode *m, int wait)
{
	m->q = vmalloc(20);
	m->p = mode_alloc(m, wait);
	return 0;
}
int two_more(struct mode *m)
{
	mode_first(m);
	return hand_on(m, 0);
}
static int three(struct mode *m)
{
	spin_lock(&m->lock);
	if (mode_may_wait())
		m->p = ring_new(4);
	spin_unlock(&m->lock);
	return 0;
}
""",
    "drivers/four/again.c": """\
#include "mode.h"
static int again(struct mode *m)
{
	timer_setup(&m->timer, mode_tock, 0);
	return 0;
}
""",
    "drivers/five/part.h": """\
#define PART_WAIT 1
#define PART_LATER (PART_WAIT)
#define PART_SIZE 64
#define part_of(t) container_of(t, struct part, timer)
struct part { struct mode *mode; struct timer_list timer; struct timer_list other; void *p; char *text; };
struct part *part_around(struct timer_list *t);
""",
    "drivers/five/part.c": """\
#include "../four/mode.h"
#include "../three/ops.h"
#include "part.h"
struct part *part_around(struct timer_list *t)
{
	return container_of(t, struct part, timer);
}
void *part_make(int n)
{
	n++;
	return ring_deep(n);
}
const struct ring_ops part_ops = {
	.make = part_make,
	.drop = ring_free,
};
void part_fill(struct part *part)
{
	part->p = kmalloc(PART_SIZE, GFP_KERNEL);
	part->text = vmalloc(PART_SIZE);
}
""",
    "drivers/five/use.c": """\
#include "../four/mode.h"
#include "part.h"
static int part_start(struct part *part)
{
	spin_lock(&part->mode->lock);
	part->p = mode_alloc(part->mode, PART_LATER);
	spin_unlock(&part->mode->lock);
	return 0;
}
static void part_tick(struct timer_list *t)
{
	struct part *part = part_around(t);

	kfree(part->text);
}
static void part_tock(struct timer_list *t)
{
	struct part *part = part_of(t);

	spin_lock(&part->mode->lock);
	part->p = tool_ring(PART_SIZE);
	spin_unlock(&part->mode->lock);
	vfree(part->p);
}
""",
    "drivers/five/scope.c": """\
#include "part.h"
static void *part_inner(struct part *part)
{
	part->p = kmalloc(PART_SIZE, GFP_NOIO);
	return part->p;
}
static void part_outer(struct part *part)
{
	unsigned int flags = memalloc_noio_save();

	part_inner(part);
	memalloc_noio_restore(flags);
}
""",
    "include/sound/card.h": "struct card { int n; void *mixer; char *label; };\n",
    "sound/core/make.c": """\
#include <sound/card.h>
void card_make(struct card *card)
{
	card->mixer = vmalloc(30);
	card->label = kmalloc(30, GFP_ATOMIC);
}
""",
    "sound/core/drop.c": """\
#include <sound/card.h>
void card_drop(struct card *card)
{
	kfree(card->mixer);
	kfree(card->label);
}
""",
    "sound/usb/card.c": """\
#include <sound/card.h>
static void usb_make(struct card *card)
{
	card->label = vmalloc(40);
}
static void usb_drop(struct card *card)
{
	kfree(card->label);
}
static void usb_other(struct unknown *card)
{
	card->mixer = kmalloc(30, GFP_ATOMIC);
}
""",
    "tools/lib.c": (
        "void *ring_new(int n)\n{\n\tn++;\n\treturn malloc(n);\n}\n"
        "void *tool_ring(int n)\n{\n\tn++;\n\treturn ring_deep(n);\n}\n"
    ),
}

#: Each replaces the first by the second, or back.
_EDITS = (
    ("vmalloc(30)", "kmalloc(30, GFP_ATOMIC)"),
    ("vmalloc(40)", "kmalloc(30, GFP_ATOMIC)"),
    ("label", "mixer"),
    ("struct unknown *card", "struct card *card"),
    ("kfree(card->label)", "vfree(card->label)"),
    ("\tcard->label", "\tcard->n = 0;\n\tcard->label"),
    ("PART_WAIT 1", "PART_WAIT 0"),
    ("memalloc_noio_save()", "memalloc_nofs_save()"),
    ("\tpart_inner(part);\n\tmemalloc_noio_restore(flags);", "\tmemalloc_noio_restore(flags);\n\tpart_inner(part);"),
    ("(PART_WAIT)", "0"),
    ("PART_SIZE 64", "PART_SIZE 65536"),
    ("struct part, timer)", "struct part, other)"),
    ("char *text", "void *text"),
    (".make = part_make", ".made = part_make"),
    ("\treturn ring_deep(n);", "\treturn ring_other(n);"),
    ("GFP_KERNEL);\n\tpart->text", "GFP_ATOMIC);\n\tpart->text"),
    ("#define part_of(t)", "#define PART_NOTHING 2\n#define part_of(t)"),
    ("struct part {", "struct spare { int n; };\nstruct part {"),
    ("GFP_KERNEL", "GFP_ATOMIC"),
    ("\tn++;\n", "\tn++;\n\tn += 3;\n"),
    ("ring_new(", "ring_deep("),
    ("spin_lock(", "mutex_lock("),
    ("spin_unlock(", "mutex_unlock("),
    ("rcu_read_lock();", ";"),
    ("kfree(", "kvfree("),
    ("ring_zalloc(n)", "ring_fresh(n)"),
    ("static int use", "int use"),
    ("static void *inner", "void *inner"),
    ("two_lock(", "three_lock("),
    ("vmalloc(10)", "kmalloc(10, RING_GFP)"),
    ("ring_loop_a(n - 1)", "ring_loop_b(n - 1)"),
    ("char *name", "char *other, *name"),
    ("return inner(n);", "return kmalloc(n, GFP_KERNEL);"),
    ("return 0;", "/* gfplint: ignore[GFP101] by hand */ return 0;"),
    ("\n", "\n\n"),
    ("#include <linux/ring.h>\n", '#include <linux/ring.h>\n#include "lock.c"\n'),
    ("ring_deep", "ring_new"),
    (".make = ring_deep", ".make = ring_new"),
    ("return ring_new(n);", "return kmalloc(n, GFP_ATOMIC);"),
    ("timer_setup(&d->timer, dev_tick, 0);", "timer_setup(&d->timer, dev_tock, 0);"),
    ("static const struct ring_ops", "static struct ring_ops"),
    ("DEFINE_GUARD(dev, struct dev *, dev_lock(_T)", "DEFINE_GUARD(dev, struct dev *, dev_hold(_T)"),
    ("mode_alloc(m, 0)", "mode_alloc(m, 1)"),
    ("hand_on(m, 0)", "hand_on(m, 1)"),
    ("mode_tick", "mode_tock"),
    ("void mode_tick(", "static void mode_tick("),
    ("void *mode_alloc(", "static void *mode_alloc("),
    ("return !in_atomic();", "return 1;"),
    ("m->q = mode_first(m);", "m->q = kmalloc(10, GFP_ATOMIC);"),
    ("m->q = vmalloc(20);", "m->q = m->p;"),
    ("kvfree(m->q)", "kfree(m->p)"),
    ("if (!m->ready)", "if (m->ready)"),
    ("#define dev_get(n) ring_new(n)", "#define dev_get(n) ring_deep(n)"),
    ("int dev_give(void **p", "static int dev_give(void **p"),
    ("= vmalloc(n)", "= kmalloc(n, GFP_ATOMIC)"),
    ("dev_lock(struct", "dev_hold(struct"),
    ("static int dev_start(struct dev *d)", "int dev_start(struct dev *d, gfp_t gfp)"),
    ("void *(*make)(int n);", "void *(*make)(int n); int spare;"),
    ("void *ring_new(int n);", "static inline void *ring_fresh(int n) { n++; return kmalloc(n, RING_GFP); }"),
)


def make(folder: Path) -> Path:
    """The tree, in a new folder."""
    tree = kernel_tree(folder)
    for path, text in FILES.items():
        write(tree, path, text)
    return tree


def edit(tree: Path, chance: random.Random) -> str:
    """Change one file in one way, or bring one or take one; returns what was done."""
    files = sorted(p for p in tree.rglob("*.[ch]") if "gfp" not in p.name)
    file = chance.choice(files)
    kind = chance.random()
    if kind < 0.08 and len(files) > 5:
        file.unlink()
        return f"{file.name} removed"
    if kind < 0.16:
        path, text = chance.choice(sorted(FILES.items()))
        write(tree, path, text)
        return f"{path} restored"
    if kind < 0.2:
        write(tree, f"drivers/two/new{chance.randrange(3)}.c", FILES["drivers/one/use.c"].replace("use(", "newer("))
        return "a file added"
    for _ in range(20):
        old, new = chance.choice(_EDITS)
        if chance.random() < 0.4:
            old, new = new, old
        text = file.read_text()
        if old in text:
            file.write_text(text.replace(old, new, 1 if chance.random() < 0.5 else -1))
            return f"{file.name}: {old!r} -> {new!r}"
    return "nothing"


def found(tree: Path, cache: Path | None, **options: Any) -> str:
    """What a scan of the tree says, as JSON: from a cache folder, or (None) without one."""
    given: dict[str, Any] = {"paths": (str(tree),), "jobs": 1, "min_confidence": "low", "select": ("GFP",), **options}
    settings = load_settings(
        Options(cache_dir=str(cache) if cache is not None else None, no_cache=cache is None, **given), tree
    )
    return "".join(render("json", engine.scan(settings), Presentation("0")))


def rules(document: str) -> list[tuple[str, str]]:
    """(rule, path) of the findings in a JSON report."""
    return [(f["rule"], f["path"]) for f in json.loads(document)["findings"]]
