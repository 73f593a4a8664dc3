"""What findings of a rule say, and how loud, where that depends on the code around."""

from __future__ import annotations

import pytest

from gfplint.findings import Severity
from tests.rules.harness import lint_all

_INCLUDES = "#include <linux/slab.h>\n#include <linux/mutex.h>\n"


def _messages(text: str, code: str) -> list[str]:
    return [f.message for f in lint_all({"a.c": _INCLUDES + text}, only=(code,))]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("struct super_block *sb", "where the file system takes the lock or begins the transaction"),
        ("struct folio *folio", "where the file system takes the lock or begins the transaction"),
        ("struct bio *bio", "where the driver is entered for a request"),
        ("struct usb_device *udev", "where the driver is entered for a request"),
        ("struct profile *entry", "works on neither inodes nor block requests: GFP_KERNEL will do, unless a caller"),
    ],
)
def test_a_mask_without_a_lock_says_what_was_looked_for(argument: str, said: str) -> None:
    text = f"void *make({argument})\n{{\n\treturn kmalloc(8, GFP_NOFS);\n}}\n"
    [message] = _messages(text, "GFP201")
    assert "outside any scope; this function holds no lock that reclaim could wait for" in message
    assert said in message


def test_a_mask_under_a_lock_names_it() -> None:
    text = (
        "void *make(struct shelf *s)\n{\n\tmutex_lock(&s->lock);\n\ts->p = kmalloc(8, GFP_NOIO);\n"
        "\tmutex_unlock(&s->lock);\n\treturn s->p;\n}\n"
    )
    [message] = _messages(text, "GFP201")
    assert message.endswith("outside any scope: the NOIO scope belongs where mutex s.lock is taken")


@pytest.mark.parametrize(
    ("header", "severity"),
    [
        ("int use(struct shelf *s)", Severity.WARNING),
        ("int __init use(struct shelf *s)", Severity.ADVICE),
        ("int use(struct kunit *test)", Severity.ADVICE),
    ],
)
def test_untested_results_are_advice_where_a_crash_would_do(header: str, severity: Severity) -> None:
    text = f"{header}\n{{\n\tint *p = kmalloc(8, GFP_KERNEL);\n\n\t*p = 1;\n\tkfree(p);\n\treturn 0;\n}}\n"
    [found] = lint_all({"a.c": _INCLUDES + text}, only=("GFP701",))
    assert found.severity is severity


@pytest.mark.parametrize(
    ("allocation", "said"),
    [
        ('crypto_alloc_shash("sha256", 0, 0)', "freed by crypto_free_shash()"),
        ("vmalloc(8192)", "freed by vfree()"),
    ],
)
def test_a_wrong_free_names_the_right_one(allocation: str, said: str) -> None:
    text = f"void cast(void)\n{{\n\tvoid *mould = {allocation};\n\n\tkfree(mould);\n}}\n"
    [message] = _messages(text, "GFP401")
    assert message.endswith(said) or f"{said}, " in message


def test_the_device_that_manages_is_named_as_written() -> None:
    text = (
        "#include <linux/usb.h>\nstruct scale {\n\tstruct usb_device *udev;\n};\n"
        "int weigh(struct scale *s)\n{\n\treturn devm_kzalloc(&s->udev->dev, 8, GFP_KERNEL) ? 0 : -ENOMEM;\n}\n"
    )
    [message] = _messages(text, "GFP407")
    assert message.startswith("devm_kzalloc() for &s->udev->dev: ")
