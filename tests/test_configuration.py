"""docs/configuration.md: it names every key, and what it shows has the effect that it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gfplint import engine, rules
from gfplint.config import ConfigError, ConfigFile, Options, load_settings, parse_config
from tests.tree.repositories import write

_PAGE = (Path(__file__).resolve().parent.parent / "docs/configuration.md").read_text("utf-8")
_GENERAL, _TABLES = re.findall(r"^```toml\n(.*?)^```$", _PAGE, re.M | re.S)

_DRIVER = """\
void wrapped(struct ring *r)
{
	spin_lock(&r->lock);
	r->p = my_alloc(64, GFP_KERNEL);
	spin_unlock(&r->lock);
}

void always(struct ring *r)
{
	spin_lock(&r->lock);
	r->p = my_blocking_alloc(64);
	spin_unlock(&r->lock);
}

int freed_wrong(size_t n)
{
	void *p = my_alloc(n, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	vfree(p);
	return 0;
}

int freed_with_mine(size_t n)
{
	void *p = vmalloc(n);

	if (!p)
		return -ENOMEM;
	my_free(p);
	return 0;
}

void own_lock(struct ring *r)
{
	my_lock(&r->ml);
	r->p = kmalloc(64, GFP_KERNEL);
	my_unlock(&r->ml);
	r->q = kmalloc(64, GFP_KERNEL);
}

void own_guard(struct ring *r)
{
	guard(my_ring)(&r->ml);
	r->p = kmalloc(64, GFP_KERNEL);
}

int own_scope(struct ring *r)
{
	unsigned int flags = my_save();

	r->p = kmalloc(64, GFP_KERNEL);
	if (!r->p)
		return -ENOMEM;
	my_restore(flags);
	return 0;
}

static int ring_poll(struct ring *r)
{
	r->p = kmalloc(64, GFP_KERNEL);
	return 0;
}

static const struct my_ops ring_ops = {
	.poll = ring_poll,
};

static void ring_tick(void *data)
{
	struct ring *r = data;

	r->p = kmalloc(64, GFP_KERNEL);
}

int start(struct ring *r)
{
	return my_register(r, ring_tick);
}

static long ring_ioctl(struct ring *r, unsigned long n)
{
	r->p = kmalloc(n, GFP_KERNEL);
	return r->p ? 0 : -ENOMEM;
}

static const struct my_fops ring_fops = {
	.ioctl = ring_ioctl,
};

void *sleepy(void)
{
	my_wait();
	return kmalloc(64, GFP_ATOMIC);
}
"""


def _keys(kind: type[msgspec.Struct]) -> Iterator[str]:
    """The keys of a table and of the tables in it."""
    for field in msgspec.structs.fields(kind):
        yield field.encode_name
        for inner in getattr(field.type, "__args__", ()):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                yield from _keys(inner)


def test_every_key_is_told() -> None:
    told = set(re.findall(r"`([\w-]+)`", _PAGE)) | set(re.findall(r"^(?:\[\[)?([\w-]+)(?:\]\]| = )", _PAGE, re.M))
    assert set(_keys(ConfigFile)) - told == set()


@pytest.mark.parametrize("text", [_GENERAL, _TABLES])
def test_examples_are_right(text: str) -> None:
    assert parse_config(text.encode(), "configuration.md") != parse_config(b"", "empty")


def _found(folder: Path, text: str, **options: Any) -> set[tuple[str, str]]:
    write(folder, ".gfplint.toml", text)
    write(folder, "drivers/ring.c", _DRIVER)
    settings = load_settings(Options(paths=(str(folder),), jobs=1, no_cache=True, **options), folder)
    return {(finding.rule, finding.function) for finding in engine.scan(settings).findings}


def test_the_rows_have_the_effect_that_they_say(tmp_path: Path) -> None:
    told = {
        ("GFP101", "wrapped"),
        ("GFP102", "always"),
        ("GFP401", "freed_wrong"),
        ("GFP401", "freed_with_mine"),
        ("GFP101", "own_lock"),
        ("GFP101", "own_guard"),
        ("GFP203", "own_scope"),
        ("GFP101", "ring_poll"),
        ("GFP101", "ring_tick"),
        ("GFP104", "sleepy"),
        ("GFP301", "ring_ioctl"),
    }
    selected = tuple(sorted({rule for rule, _ in told}))
    assert _found(tmp_path, _TABLES, select=selected, min_confidence="low") == told
    assert _found(tmp_path, "", select=selected, min_confidence="low") == set()


def test_settings_by_path(tmp_path: Path) -> None:
    def ignored(glob: str, rest: str = 'ignore = ["GFP1"]') -> set[str]:
        text = f'select = ["GFP1"]\n{_TABLES}\n[[per-path]]\npaths = ["{glob}"]\n{rest}\n'
        return {function for _, function in _found(tmp_path, text)}

    everything = ignored("nothing.c")
    assert len(everything) == 6
    for glob in ("drivers/**", "drivers", "ring.c", "**/r*.c", "drivers/ri?g.c"):
        assert ignored(glob) == set()
    assert ignored("drivers", 'ignore = ["GFP102"]') == everything - {"always"}
    assert ignored("rivers") == everything


def test_an_error_names_the_file_and_the_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.gfplint\.toml: allocators\[0\]\.family: .* did you mean 'kmalloc'\?$"):
        _found(tmp_path, '[[allocators]]\nname = "f"\nfamily = "kmaloc"\n')
    write(tmp_path, ".gfplint.toml", 'select = ["GFP999"]')
    with pytest.raises(ConfigError, match=r"no rule GFP999"):
        load_settings(Options(paths=(str(tmp_path),)), tmp_path, [rule.code for rule in rules.catalogue()])
