"""The members of structs, whatever is said of them."""

from __future__ import annotations

import pytest

from tests.rules.harness import program_of


@pytest.mark.parametrize(
    ("members", "known"),
    [
        ("int n; u8 x[] __counted_by(n);", {"n": ("int", 0), "x": ("u8", 0)}),
        ("u32 b __aligned(8), c;", {"b": ("u32", 0), "c": ("u32", 0)}),
        ("void *p __attribute__((aligned(8))); __aligned(8) u8 w[4];", {"p": ("void", 1), "w": ("u8", 0)}),
        ("struct list_head l __guarded_by(&k), *m __rcu;", {"l": ("list_head", 0)}),
        ("u64 m[DIV_ROUND_UP(X, 8)];", {"m": ("u64", 0)}),
        ("struct { int z; } __aligned(4) y[3];", {"z": ("int", 0), "y": ("@inner", 0)}),
        ("union { int c; } __packed;", {"c": ("int", 0)}),
        ("struct_group(x, int a; void *b __counted_by(a););", {"a": ("int", 0), "b": ("void", 1)}),
        ("void (*f)(int n) __attribute__((x));", {"f": ("function", 1)}),
        ("__DECLARE_FLEX_ARRAY(struct foo, names); int a;", {"a": ("int", 0)}),
    ],
)
def test_attributes_with_arguments(members: str, known: dict[str, tuple[str, int]]) -> None:
    _, linker = program_of({"a.c": f"struct s {{ {members} }};\n"})
    fields = linker.record_fields("s", 0).all()
    assert {name: (param.type, param.pointers) for name, param in fields.items() if name in known} == known
    assert not [name for name in fields if name.startswith("__")]
