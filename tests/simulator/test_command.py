"""``gfplint simulate``: its text, its JSON, its exit statuses."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from pathlib import Path

import pytest

from gfplint import cli
from gfplint.errors import CLEAN, FOUND, GfplintError
from gfplint.simulator.command import replay, run, simulate_file
from gfplint.simulator.task import CONTEXT_NAMES

LOCKED = b"""struct d { spinlock_t lock; void *p; };
void f(struct d *d, int early)
{
	if (early)
		spin_lock(&d->lock);
	d->p = kmalloc(8, GFP_KERNEL);
	if (early)
		spin_unlock(&d->lock);
}
void g(struct d *d) { d->p = kmalloc(8, GFP_ATOMIC); msleep(1); }
"""


def test_text_tells_the_path() -> None:
    text, status = simulate_file(LOCKED, "d.c")
    assert status == FOUND
    assert "d.c:6: f(): sleep-fault: kmalloc() is called in atomic context (spin lock)" in text
    assert "  assuming early != 0: yes" in text
    assert "  d.c:5 in f(): spin_lock() enters: spin lock" in text


def test_json_has_the_same() -> None:
    text, status = simulate_file(LOCKED, "d.c", form="json")
    document = json.loads(text)
    assert status == FOUND
    runs = {item["function"]: item for item in document["runs"]}
    faults = [o for o in runs["f"]["observations"] if o["kind"] == "sleep-fault"]
    assert [(o["line"], o["stack"]) for o in faults] == [(6, [{"function": "f", "line": 6}])]
    assert faults[0]["trace"][-1]["kind"] == "sleep-fault"
    assert {o["kind"] for o in runs["g"]["observations"]} == {"reserve-used", "uncharged"}


def test_function_and_context() -> None:
    assert simulate_file(LOCKED, "d.c", function="g")[1] == CLEAN
    text, status = simulate_file(
        b"void f(struct d *d) { d->p = kmalloc(8, GFP_KERNEL); }", "d.c", function="f", context="hardirq"
    )
    assert status == FOUND
    assert "(hard interrupt)" in text


def test_output_is_the_same_every_time() -> None:
    assert simulate_file(LOCKED, "d.c", form="json") == simulate_file(LOCKED, "d.c", form="json")


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (b"int f(", {}),
        (LOCKED, {"function": "nothing"}),
        (LOCKED, {"context": "nowhere"}),
        (b"\x00\x01", {}),
        (b"", {}),
        (b";;", {}),
    ],
)
def test_bad_input_is_refused(source: bytes, options: dict[str, str]) -> None:
    with pytest.raises(GfplintError):
        simulate_file(source, "d.c", **options)  # type: ignore[arg-type]


def test_a_program_that_ends_too_soon() -> None:
    with pytest.raises(GfplintError, match=r"can read: at end of input$"):
        simulate_file(b"int x", "x.c")
    with pytest.raises(GfplintError, match=r"can read: line 2:"):
        simulate_file(b"\nint f(void) { return 1 1; }\n", "x.c")


def test_control_characters_are_not_printed() -> None:
    text, _ = simulate_file(b"void f(void) { kmalloc(8, GFP_KERNEL); }", "a\x1b[31m.c")
    assert "\x1b" not in text


def test_replay() -> None:
    head = "group,case,context,call,mask,class\n"
    rows = head + "1,core-A#1,spin_lock,kmalloc,GFP_KERNEL,sleep\n1,core-D#2,spin_lock,kmalloc,GFP_KERNEL,\n"
    document = json.loads(replay(rows, "json")[0])
    assert document["rows"] == 2
    assert document["predictions"] == [{"case": "core-A#1", "class": "sleep"}, {"case": "core-D#2", "class": "ok"}]
    assert (document["scored"], document["agree"], document["disagreements"]) == (1, 1, [])
    assert document["groups"] == {"1": {"scored": 1, "agree": 1}}
    assert replay(rows)[0].startswith("2 rows, 1 scored, 1 agree\n")


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "d.c"
    program.write_bytes(LOCKED)
    options = Namespace(
        file=str(program),
        oracle=None,
        function=None,
        context="plain",
        pressure=False,
        kernel_version="6.12",
        format="text",
    )
    assert run(options) == FOUND
    assert "sleep-fault" in capsys.readouterr().out
    with pytest.raises(GfplintError, match="No such file"):
        run(Namespace(**{**vars(options), "file": str(tmp_path / "missing.c")}))
    os.mkfifo(tmp_path / "fifo.c")
    with pytest.raises(GfplintError, match="not a regular file"):
        run(Namespace(**{**vars(options), "file": str(tmp_path / "fifo.c")}))
    with pytest.raises(GfplintError, match="not a kernel version"):
        run(Namespace(**{**vars(options), "kernel_version": "new"}))


def test_the_command_line_offers_every_context() -> None:
    assert cli._CONTEXTS == CONTEXT_NAMES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns"),
        ("group,case,context,call,mask\n1,core-A#1,plain\n", "line 2: 3 columns, not 5"),
        ('group,case,context,call,mask\n1,core-A#1,"plain\n', "not a CSV file"),
        ("group,case,context,call,mask,mask\n", "twice"),
    ],
)
def test_malformed_oracle(text: str, message: str) -> None:
    with pytest.raises(GfplintError, match=message):
        replay(text, "text", "o.csv")


def test_blank_classes_and_unknown_names() -> None:
    head = "\ufeffgroup,case,context,call,mask,class\n"
    text = head + "1,core-A#1,spin_lock,kmalloc,GFP_KERNEL,\n1,core-A#2,nowhere,kmalloc,0,ok\n"
    document = json.loads(replay(text, "json")[0])
    assert [p["class"] for p in document["predictions"]] == ["sleep", "?"]
    assert document["scored"] == 1
    assert document["inexpressible"] == ["core-A#2"]
    assert "1 rows can't be expressed" in replay(text)[0]


def test_short_memory_is_told_in_words() -> None:
    text, _ = simulate_file(
        b"void f(void) { kmalloc(8, GFP_ATOMIC | __GFP_NOFAIL); }", "d.c", pressure=True, only=("warn",)
    )
    assert "assuming memory for kmalloc(): below min" in text
    assert "leak" not in text


#: Programs that are wrong, or ask for more than there is: each ends soon, with a message or without.
HOSTILE = {
    "void f(void) { spin_lock(); kfree(); krealloc(); }": "line 1: krealloc() needs more arguments",
    "void f(void) {\n container_of(); }": "line 2: container_of() is not used as it is meant",
    "void f(void) { __guard(x); }": "line 1: __guard() is not used as it is meant",
    'void f(void) { sim_run("nonsense", f); }': "no context 'nonsense'",
    "void f(void) { goto nowhere; }": "no label 'nowhere' in f()",
    "void f(void) { f(); }": "",
    "void f(void) { a: goto a; }": "",
    "void f(void) { vfree(vmalloc(1UL << 40)); }": "",
    "void f(void) { free_pages(kmalloc(64, GFP_KERNEL), 4000000000); }": "",
    'void f(struct device *d) { dma_addr_t b; dma_pool_alloc(dma_pool_create("a", d, 0, 0, 0), GFP_KERNEL, &b); }': "",
}


@pytest.mark.parametrize("source", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_programs_end(source: str) -> None:
    try:
        simulate_file(source.encode(), "f.c")
        said = ""
    except GfplintError as error:
        said = str(error)
    assert said == (f"f.c: {HOSTILE[source]}" if HOSTILE[source] else "")
