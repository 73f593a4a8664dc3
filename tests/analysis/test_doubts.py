"""What decides a callee's condition, and what makes a report doubtful, each beside a case that is reported."""

from __future__ import annotations

import pytest

from gfplint.analysis.queries import asked
from gfplint.findings import Confidence
from gfplint.frontend.arms import settled
from gfplint.frontend.blank import blank
from gfplint.frontend.lower import lower_expression
from gfplint.kernel.model import Query
from tests.rules.harness import codes, lint

_STRUCT = """
#include <linux/slab.h>
struct dev { spinlock_t lock; struct mutex m; bool can_sleep; bool ready; int state; void *p; struct timer_list t; };
struct box { struct dev dev; spinlock_t lock; };
"""


def _reported(text: str) -> list[str]:
    return [f.function for f in lint(_STRUCT + text) if f.rule in ("GFP101", "GFP102", "GFP103")]


_BY_FLAG = """
#define IN_ATOMIC true
#define opSYNC 0x8
#define opWAIT 0x1
static void *get(bool atomic) { return kmalloc(8, atomic ? GFP_ATOMIC : GFP_KERNEL); }
static void *op(int flags) { if (flags & opSYNC) return kmalloc(8, GFP_KERNEL); return NULL; }
static void *quick(int flags) { return kmalloc(8, flags & opWAIT ? GFP_ATOMIC : GFP_KERNEL); }
"""


@pytest.mark.parametrize(
    ("call", "reports"),
    [
        ("get(IN_ATOMIC)", False),
        ("get(false)", True),
        ("op(opWAIT)", False),
        ("op(opWAIT | opSYNC)", True),
        ("quick(flags)", False),
        ("quick(0)", True),
    ],
)
def test_macros_that_stand_for_numbers_decide(call: str, reports: bool) -> None:
    text = (
        _BY_FLAG
        + f"""
void f(struct dev *d, int n)
{{
	int flags = opWAIT;
	flags |= shifted(n);
	spin_lock(&d->lock);
	d->p = {call};
	spin_unlock(&d->lock);
}}
"""
    )
    assert _reported(text) == (["f"] if reports else [])


@pytest.mark.parametrize(("state", "reports"), [("OPEN", False), ("SHUT", True)])
def test_a_member_that_equals_one_constant_equals_no_other(state: str, reports: bool) -> None:
    text = f"""
static void step(struct dev *d) {{ if (d->state == SHUT) d->p = kmalloc(8, GFP_KERNEL); }}
void f(struct dev *d)
{{
	spin_lock(&d->lock);
	if (d->state == {state})
		step(d);
	spin_unlock(&d->lock);
}}
"""
    assert _reported(text) == (["f"] if reports else [])


def test_the_same_member_under_another_name_is_one_condition() -> None:
    text = """
static void *get(bool sleep) { return kmalloc(8, sleep ? GFP_KERNEL : GFP_ATOMIC); }
static void read(struct box *b) { if (b->dev.can_sleep) get(true); else get(false); }
void f(struct dev *d)
{
	struct box *b = box_of(d);
	if (d->can_sleep) {
		mutex_lock(&d->m);
		read(b);
		mutex_unlock(&d->m);
	} else {
		spin_lock(&b->lock);
		read(b);
		spin_unlock(&b->lock);
	}
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("if (d->can_sleep)", "if (d->ready)")) == ["f"]


def test_a_local_mask_is_not_what_a_caller_passes() -> None:
    text = """
static void *node(gfp_t gfp) { return kmalloc(8, gfp); }
static void *insert(struct dev *d) { gfp_t gfp = mask_of(d); return node(gfp); }
static void *create(struct dev *d, gfp_t gfp)
{
	void *p;
	spin_lock(&d->lock);
	p = insert(d);
	spin_unlock(&d->lock);
	return p;
}
void *f(struct dev *d) { return create(d, GFP_KERNEL); }
"""
    assert _reported(text) == []
    assert _reported(text.replace("p = insert(d)", "p = node(gfp)")) == ["f"]


def test_members_of_cleared_memory_are_zero_until_others_see_it() -> None:
    text = """
struct c { void *wq; void *stats; };
static struct c *start(bool own)
{
	struct c *c = kzalloc(sizeof(*c), GFP_ATOMIC);
	if (!c)
		return NULL;
	if (own)
		c->wq = take_one();
	c->stats = take_one();
	if (!c->stats && c->wq)
		destroy_workqueue(c->wq);
	return c;
}
void f(struct dev *d)
{
	spin_lock(&d->lock);
	start(false);
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("start(false)", "start(true)")) == ["f"]
    assert _reported(text.replace("c->stats = take_one()", "fill(c)")) == ["f"]


def test_what_happens_the_first_time_is_doubted_where_others_may_have_been_the_first() -> None:
    text = """
static void prepare(struct dev *d)
{
	if (!d->ready)
		d->p = kmalloc(8, GFP_KERNEL);
	d->ready = true;
}
void f(struct dev *d)
{
	spin_lock(&d->lock);
	prepare(d);
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == ["f"]
    assert _reported(text + "void probe(struct dev *d) { prepare(d); }") == []


def test_a_mask_that_is_passed_counts_the_first_time_too() -> None:
    text = """
static void prepare(struct dev *d, gfp_t gfp)
{
	if (!d->p)
		d->p = kmalloc(8, gfp);
}
void probe(struct dev *d) { prepare(d, GFP_KERNEL); }
void f(struct dev *d)
{
	spin_lock(&d->lock);
	prepare(d, GFP_KERNEL);
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == ["f"]


def test_a_lock_that_another_path_drops_for_the_same_sleep() -> None:
    text = """
static void reset(struct dev *d, int how)
{
	if (d->state != how)
		spin_unlock(&d->lock);
	d->p = kmalloc(8, GFP_KERNEL);
	if (d->state != how)
		spin_lock(&d->lock);
}
void f(struct dev *d)
{
	spin_lock(&d->lock);
	reset(d, 1);
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == []


def test_variadic_macros_hand_on_their_arguments_one_by_one() -> None:
    text = """
#define put(...) put_one(__VA_ARGS__)
static void put_one(int n, struct dev *d) { if (!d->state) d->p = kmalloc(8, GFP_KERNEL); }
void f(struct dev *d)
{
	d->state++;
	spin_lock(&d->lock);
	put(1, d);
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("d->state++;", "")) == ["f"]


@pytest.mark.parametrize("test", ["WARN_ON(d->state)", 'WARN(d->state, "bad")', "!refcount_inc_not_zero(&d->ref)"])
def test_paths_that_others_exclude_are_doubted(test: str) -> None:
    text = f"""
static void check(struct dev *d) {{ if ({test}) d->p = kmalloc(8, GFP_KERNEL); }}
void f(struct dev *d)
{{
	spin_lock(&d->lock);
	check(d);
	spin_unlock(&d->lock);
}}
"""
    assert _reported(text) == []


def test_a_function_that_asks_for_the_context_is_a_question() -> None:
    text = """
static int cant_sleep(void) { return in_atomic() || irqs_disabled(); }
static void *get(int atomic) { return kmalloc(8, atomic ? GFP_ATOMIC : GFP_KERNEL); }
static void *help(void) { return get(cant_sleep()); }
void f(struct dev *d)
{
	spin_lock(&d->lock);
	d->p = help();
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("in_atomic() || irqs_disabled()", "nr_cpus")) == ["f"]


def test_a_timer_that_is_set_up_twice() -> None:
    text = """
static void first(struct timer_list *t) { kmalloc(8, GFP_KERNEL); }
static void second(struct timer_list *t) { }
void f(struct dev *d) { timer_setup(&d->t, first, 0); }
"""
    again = "void g(struct dev *other) { timer_setup(&other->t, second, 0); }"
    assert _reported(text) == ["first"]
    assert _reported(text + again) == []
    assert _reported(text + again.replace("dev *", "box *")) == ["first"]


def test_a_scope_whose_cookie_is_thrown_away_is_the_threads() -> None:
    text = "int f(void *arg) { memalloc_nofs_save(); serve(arg); return 0; }"
    assert codes(text) == []
    assert [code for _, code in codes(text.replace("memalloc", "int x = memalloc"))] == ["GFP203"]


def test_two_locks_that_end_bottom_halves_end_them_twice() -> None:
    text = """
#define lock_both(b) do { spin_lock_bh(&(b)->lock); spin_lock_bh(&(b)->dev.lock); } while (0)
#define unlock_both(b) do { spin_unlock_bh(&(b)->dev.lock); spin_unlock_bh(&(b)->lock); } while (0)
void f(struct box *b)
{
	lock_both(b);
	unlock_both(b);
	b->dev.p = kmalloc(8, GFP_KERNEL);
}
"""
    assert _reported(text) == []


def test_directives_that_the_file_itself_decides() -> None:
    text = b"#define DUMP 0\n#define MORE 1\n#define TWICE 1\n#define TWICE 0\nint x;\n"
    source = blank(text + b"#if DUMP\n#endif\n#if !MORE\n#endif\n#if TWICE\n#endif\n")
    arms = [d for d in source.conditionals(0, len(source.data)) if d.name == "if"]
    assert [d.text.strip() for d in settled(arms, source)] == ["0", "0", "TWICE"]
    assert source.numbers == {"DUMP": "0", "MORE": "1"}


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("in_atomic() || in_interrupt()", "atomic"),
        ("in_interrupt()", "interrupt"),
        ("!in_atomic() && !in_interrupt()", "sleepable"),
        ("in_atomic() && in_interrupt()", ""),
        ("in_atomic() || other()", ""),
    ],
)
def test_what_questions_mean_together(text: str, meaning: str) -> None:
    queries = {
        "in_atomic": Query(name="in_atomic", true_means="atomic"),
        "in_interrupt": Query(name="in_interrupt", true_means="interrupt"),
    }
    expr = lower_expression(text)
    assert expr is not None
    assert asked(expr, queries) == meaning


def test_a_body_is_decided_by_what_its_file_defines() -> None:
    text = """
#define DUMP_IT_BACK 0
void f(struct dev *d)
{
	spin_lock(&d->lock);
#if DUMP_IT_BACK
	d->p = kmalloc(8, GFP_KERNEL);
#endif
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("BACK 0", "BACK 1")) == ["f"]


_MODE = """
static void *get(struct dev *d, int mode) { return d && mode ? kmalloc(8, GFP_KERNEL) : NULL; }
static void put(struct dev *d, int mode)
{
	spin_lock(&d->lock);
	d->p = get(d, mode);
	spin_unlock(&d->lock);
}
"""


@pytest.mark.parametrize(
    ("callers", "sure"),
    [
        ("", False),  # who calls it, and how, is not known
        ("void a(struct dev *d) { put(d, 0); }", False),
        ("void a(struct dev *d) { put(d, 0); }\nvoid b(struct dev *d) { put(d, 1); }", True),
        ("void a(struct dev *d, int n) { put(d, n); }", True),  # a number, which no caller chooses
        ("static void a(struct dev *d, int n) { put(d, n); }\nvoid b(struct dev *d) { a(d, 0); }", False),
        ("static void a(struct dev *d, int n) { put(d, n); }\nvoid b(struct dev *d) { a(d, 4); }", True),
    ],
)
def test_callers_decide_about_a_mode(callers: str, sure: bool) -> None:
    found = [f for f in lint(_STRUCT + _MODE + callers) if f.rule == "GFP101" and f.function == "put"]
    assert bool(found) is sure


_PREPARED = """
static int attach(struct dev *d, void *prepared)
{
	d->p = prepared;
	if (!prepared)
		d->p = kmalloc(8, GFP_KERNEL);
	return 0;
}
static void put(struct dev *d, void *prepared)
{
	spin_lock(&d->lock);
	attach(d, prepared);
	spin_unlock(&d->lock);
}
"""


@pytest.mark.parametrize(
    ("callers", "sure"),
    [
        ("void a(struct dev *d) { void *p = NULL; if (d->state) p = get(d); put(d, p); }", False),
        ("void a(struct dev *d) { put(d, d->p); }\nvoid b(struct dev *d) { put(d, NULL); }", True),
    ],
)
def test_what_callers_prepare_is_there(callers: str, sure: bool) -> None:
    found = [f for f in lint(_STRUCT + _PREPARED + callers) if f.rule == "GFP101" and f.function == "put"]
    assert bool(found) is sure


@pytest.mark.parametrize(("passed", "reports"), [("p", False), ("NULL", True)])
def test_an_argument_is_what_was_passed_until_it_gets_another_value(passed: str, reports: bool) -> None:
    text = f"""
static void set(struct dev *d, void *p) {{ if (!p) p = kmalloc(8, GFP_KERNEL); d->p = p; }}
static void put(struct dev *d, void *p) {{ d->state = 1; set(d, p); }}
void f(struct dev *d)
{{
	void *p = kmalloc(8, GFP_ATOMIC);
	spin_lock(&d->lock);
	if (p)
		put(d, {passed});
	spin_unlock(&d->lock);
}}
"""
    assert _reported(_STRUCT + text) == (["f"] if reports else [])
    looked_up = text.replace("{ if (!p)", "{ p = find(d); if (!p)")
    assert _reported(_STRUCT + looked_up) == ["f"]


def test_functions_that_hand_on_a_mask_make_no_chain_longer() -> None:
    wrappers = "".join(
        f"void *w{n}(gfp_t gfp) {{ return {f'w{n - 1}(gfp)' if n else 'kmalloc(8, gfp)'}; }}\n" for n in range(5)
    )
    region = "void f(struct dev *d) {{ spin_lock(&d->lock); d->p = {}; spin_unlock(&d->lock); }}\n"
    choosing = "".join(
        f"static void *c{n}(void) {{ return {f'c{n - 1}()' if n else 'w4(GFP_KERNEL)'}; }}\n" for n in range(4)
    )
    near = [f for f in lint(_STRUCT + wrappers + region.format("w4(GFP_KERNEL)")) if f.rule == "GFP101"]
    far = [f for f in lint(_STRUCT + wrappers + choosing + region.format("c3()")) if f.rule == "GFP101"]
    assert [f.confidence for f in near] == [Confidence.HIGH]
    assert not far


@pytest.mark.parametrize(("raised", "reports"), [("b.state++;", False), ("b.state = 0;", True)])
def test_a_struct_that_a_macro_initialises_is_a_struct_of_its_own(raised: str, reports: bool) -> None:
    text = """
#define EMPTY ((struct dev) { .can_sleep = true })
static void *room(struct dev *b) { return kmalloc(8, !b->state ? GFP_KERNEL : GFP_NOWAIT); }
void f(struct dev *d)
{
	struct dev b = EMPTY;
	RAISED
	spin_lock(&d->lock);
	d->p = room(&b);
	spin_unlock(&d->lock);
}
"""
    assert _reported(_STRUCT + text.replace("RAISED", raised)) == (["f"] if reports else [])


def test_who_takes_a_lock_is_told_what_sleeps_where_it_is_said_to_be_held() -> None:
    text = """
static void *get(gfp_t gfp) { return kmalloc(8, gfp); }
static void *table(struct dev *d) { assert_spin_locked(&d->lock); return get(GFP_KERNEL); }
void f(struct dev *d)
{
	spin_lock(&d->lock);
	d->p = table(d);
	spin_unlock(&d->lock);
}
"""
    assert _reported(_STRUCT + text) == ["f"]


@pytest.mark.parametrize(
    ("test", "change", "reports"),
    [("err", "err = -12;", True), ("d->state", "d->state = 1;", False)],
)
def test_what_a_function_changes_of_its_own_arguments_is_gone_when_it_returns(
    test: str, change: str, reports: bool
) -> None:
    text = f"""
static int fill(struct dev *d, int err)
{{
	if ({test})
		return err;
	d->p = kmalloc(8, GFP_KERNEL);
	{change}
	return err;
}}
void a(struct dev *d, int n) {{ fill(d, n); }}
void b(struct dev *d, int n) {{ spin_lock(&d->lock); fill(d, n); spin_unlock(&d->lock); }}
"""
    assert _reported(_STRUCT + text) == (["b"] if reports else [])


def test_what_is_made_through_a_copy_is_made_the_first_time_only() -> None:
    text = """
struct ref { int used; };
struct dev2 { spinlock_t lock; struct ref *last; };
static int reserve(struct dev2 *d, int n)
{
	struct ref **at, *ref;
	at = &d->last;
	ref = *at;
	if (ref && ref->used)
		ref++;
	while (n) {
		if (!ref) {
			ref = *at = kmalloc(8, GFP_KERNEL);
			if (!ref)
				return -ENOMEM;
		}
		n--;
		ref++;
	}
	return 0;
}
int open(struct dev2 *d) { return reserve(d, 2); }
void f(struct dev2 *d)
{
	spin_lock(&d->lock);
	reserve(d, 1);
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("ref = *at = ", "ref = ")) == ["f"]
    assert _reported(text.replace("int open(struct dev2 *d) { return reserve(d, 2); }", "")) == ["f"]


def test_the_member_of_what_contains_an_object_is_the_object() -> None:
    text = """
#include <linux/usb/gadget.h>
struct own { struct usb_request req; void *sgt; };
static int start(struct own *o)
{
	if (o->req.num_sgs && o->req.length)
		o->sgt = kmalloc(8, GFP_KERNEL);
	return 0;
}
static int queue(struct usb_request *req)
{
	struct own *o = container_of(req, struct own, req);
	return start(o);
}
void f(struct dev *d, struct usb_ep *ep)
{
	struct usb_request *req = usb_ep_alloc_request(ep, GFP_ATOMIC);
	if (!req)
		return;
	spin_lock(&d->lock);
	req->length = 2;
	queue(req);
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("req->length = 2;", "req->length = 2; req->num_sgs = 1;")) == ["f"]
    assert _reported(text.replace("usb_ep_alloc_request(ep, GFP_ATOMIC)", "next_of(ep)")) == ["f"]


def test_behind_an_object_s_own_lock_the_object_s_mode_decides() -> None:
    text = """
struct map { void (*lock)(void *); void (*unlock)(void *); void *lock_arg; void *p; };
static void write(struct map *m)
{
	m->lock(m->lock_arg);
	m->p = kmalloc(8, GFP_KERNEL);
	m->unlock(m->lock_arg);
}
void f(struct dev *d, struct map *m)
{
	spin_lock(&d->lock);
	write(m);
	spin_unlock(&d->lock);
}
"""
    after = text.replace(
        "m->p = kmalloc(8, GFP_KERNEL);\n\tm->unlock(m->lock_arg);",
        "m->unlock(m->lock_arg);\n\tm->p = kmalloc(8, GFP_KERNEL);",
    )
    assert _reported(text) == []
    assert _reported(after) == ["f"]


def test_tables_of_pages_are_there_for_what_is_mapped() -> None:
    text = """
static int fill(pud_t *pud)
{
	if (pud_none(*pud)) {
		void *p = (void *)get_zeroed_page(GFP_KERNEL);
		if (!p)
			return -1;
	}
	return 0;
}
void f(struct dev *d, pud_t *pud)
{
	spin_lock(&d->lock);
	fill(pud);
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("pud_none(*pud)", "pud_bad(*pud)")) == ["f"]
    assert _reported(text.replace("fill(pud);", "if (pud_none(*pud)) d->p = kmalloc(8, GFP_KERNEL);")) == ["f"]


def test_what_is_freed_only_while_it_is_made_is_freed_the_first_time_only() -> None:
    text = """
struct priv { void *ring; };
static int init(struct dev *d)
{
	struct priv *p = priv_of(d);
	if (!p->ring) {
		p->ring = kmalloc(64, GFP_ATOMIC);
		if (!p->ring)
			return -ENOMEM;
		if (fill(p))
			kmem_cache_destroy(d->p);
	}
	return 0;
}
int open(struct dev *d) { return init(d); }
void f(struct dev *d)
{
	spin_lock(&d->lock);
	init(d);
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("if (!p->ring) {", "{")) == ["f"]
    assert _reported(text.replace("int open(struct dev *d) { return init(d); }", "")) == ["f"]


@pytest.mark.parametrize(("steps", "reports"), [(1, True), (2, True), (4, False)])
def test_a_free_that_only_interrupts_forbid_is_looked_for_near_by(steps: int, reports: bool) -> None:
    calls = "".join(f"static void down{n}(struct dev *d) {{ down{n - 1}(d); }}\n" for n in range(1, steps))
    text = f"""
static void down0(struct dev *d) {{ dma_free_coherent(d->p, 64, d->p, d->state); }}
{calls}
void f(struct dev *d)
{{
	unsigned long flags;
	spin_lock_irqsave(&d->lock, flags);
	down{steps - 1}(d);
	spin_unlock_irqrestore(&d->lock, flags);
}}
"""
    assert _reported(text) == (["f"] if reports else [])


def test_a_lock_that_another_path_drops_though_a_parameter_is_asked_as_well() -> None:
    text = """
static void reset(struct dev *d, int how)
{
	if (how)
		return;
	if (d->state)
		spin_unlock(&d->lock);
	d->p = kmalloc(8, GFP_KERNEL);
	if (d->state)
		spin_lock(&d->lock);
}
void f(struct dev *d)
{
	spin_lock(&d->lock);
	reset(d, 0);
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("if (d->state)", "if (how)")) == ["f"]


@pytest.mark.parametrize(
    ("test", "reports"), [("d->fs->size < PAGE", False), ("d->fs->size >= PAGE", True), ("d->fs->flags < PAGE", True)]
)
def test_conditions_on_what_a_local_variable_is_another_name_for(test: str, reports: bool) -> None:
    text = f"""
#define PAGE 4096
struct fs {{ int size; int flags; }};
struct buf {{ struct fs *fs; spinlock_t lock; void *p; }};
static int attach(struct buf *d)
{{
	struct fs *fs = d->fs;
	if (fs->size >= PAGE)
		return 0;
	d->p = kmalloc(8, GFP_KERNEL);
	return 0;
}}
void f(struct buf *d)
{{
	if ({test})
		return;
	spin_lock(&d->lock);
	attach(d);
	spin_unlock(&d->lock);
}}
"""
    assert _reported(text) == (["f"] if reports else [])


def test_a_comparison_of_the_same_member_under_another_name_is_one_condition() -> None:
    text = """
#define PAGE 4096
struct fs { int size; spinlock_t lock; };
struct buf { struct fs *fs; void *p; };
static int attach(struct buf *d, void *made)
{
	struct fs *fs = d->fs;
	if (fs->size >= PAGE)
		return 0;
	if (!made)
		d->p = kmalloc(8, GFP_KERNEL);
	return 0;
}
void f(struct fs *fs)
{
	struct buf *d = buf_of(fs);
	void *made = NULL;
	if (fs->size < PAGE) {
		made = made_for(fs);
		if (IS_ERR(made))
			return;
	}
	spin_lock(&fs->lock);
	attach(d, made);
	spin_unlock(&fs->lock);
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("if (fs->size < PAGE) {", "if (fs->size < 8192) {")) == ["f"]


def test_what_a_macro_is_given_may_run_where_it_has_dropped_the_lock() -> None:
    text = """
#define before(d, cmd) do { spin_unlock(&(d)->lock); cmd; } while (0)
#define after(d) spin_lock(&(d)->lock)
#define wait_cmd(d, cond, cmd) wait_event_cmd((d)->p, cond, before(d, cmd), after(d))
static void flush(struct dev *d) { d->p = kmalloc(8, GFP_KERNEL); }
void f(struct dev *d)
{
	spin_lock(&d->lock);
	wait_cmd(d, d->state, flush(d));
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("do { spin_unlock(&(d)->lock); cmd; } while (0)", "cmd")) == ["f"]


def test_what_is_freed_for_some_objects_only_is_doubted_where_they_are_freed() -> None:
    text = """
struct c { void *wq; void *node; int how; };
static void stop(struct c *c)
{
	if (is_tx(c))
		destroy_workqueue(c->wq);
	kfree(c);
}
void f(struct dev *d, struct c *c)
{
	spin_lock(&d->lock);
	stop(c);
	spin_unlock(&d->lock);
}
"""
    assert _reported(text) == []
    assert _reported(text.replace("is_tx(c)", "KIND(c) == TX").replace("c->wq", "c")) == []
    assert _reported(text.replace("is_tx(c)", "c->wq")) == ["f"]
    assert _reported(text.replace("stop(c);", "if (is_tx(c)) destroy_workqueue(c->wq);")) == ["f"]
