"""What one linker computed serves another one of the same program."""

from __future__ import annotations

import msgspec

from gfplint.analysis.program import FunctionId
from gfplint.analysis.summary import Summary
from tests.rules.harness import program_of

OURS = """
void *get(gfp_t flags)
{
	return kmalloc(8, flags);
}

void put(struct x *x)
{
	spin_lock(&x->lock);
	kfree(x->buf);
	x->buf = kvmalloc(64, GFP_KERNEL);
	spin_unlock(&x->lock);
}

static void *own(void)
{
	return get(GFP_KERNEL);
}
"""
THEIRS = """
struct x { spinlock_t lock; void *buf; };

void use(struct x *x)
{
	put(x);
	x->buf = get(GFP_ATOMIC);
}
"""
FILES = {"drivers/a/a.c": OURS, "drivers/a/b.c": THEIRS}


def test_summaries_that_were_written_down_are_the_same() -> None:
    _, one = program_of(FILES)
    for index in range(3):
        assert one.summary((0, index), 2) is not None
    left = list(one.shared_summaries())
    assert {fid for fid, _, _ in left} == {(0, 0), (0, 1)}  # nobody else calls own()
    data = msgspec.msgpack.encode(left)
    taken = msgspec.msgpack.decode(data, type=list[tuple[FunctionId, int, Summary]])
    assert taken == left
    _, two = program_of(FILES)
    two.take_summaries(taken)
    assert list(two.shared_summaries()) == []  # what was taken over is not left once more
    assert two.summary((1, 0), 1) == one.summary((1, 0), 1)
