"""Memory that one file stores and another frees."""

from __future__ import annotations

import pytest

from tests.rules.harness import lint_all

_EVERYBODYS = "struct dam {\n\tstruct device *dev;\n\tchar *name;\n};\n"
_STORES = "void dam_name(struct dam *d)\n{\n\td->name = devm_kstrdup(d->dev, d->text, GFP_KERNEL);\n}\n"
_PLAIN = (
    "int dam_call(struct dam *d)\n{\n\td->name = kstrdup(d->text, GFP_KERNEL);\n\treturn d->name ? 0 : -ENOMEM;\n}\n"
)
_FREES = "void dam_free(struct dam *d)\n{\n\tif (d->name)\n\t\tkfree(d->name);\n}\n"


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ({"drivers/dam/sluice.c": _STORES}, ["GFP404"]),
        ({"drivers/weir/sluice.c": _STORES}, []),  # what strangers store is theirs
        ({"drivers/dam/sluice.c": _STORES, "drivers/weir/gate.c": _PLAIN}, []),
        ({"drivers/dam/sluice.c": _PLAIN}, []),
    ],
)
def test_a_struct_of_the_whole_tree_is_the_folders_where_nobody_else_stores(
    others: dict[str, str], found: list[str]
) -> None:
    files = {"include/linux/dam.h": _EVERYBODYS, "drivers/dam/core.c": _FREES, **others}
    assert [f.rule for f in lint_all(files)] == found
