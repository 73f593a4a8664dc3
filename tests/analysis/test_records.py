"""The members of a struct, read from its text."""

from __future__ import annotations

import pytest

from gfplint.analysis.holders import INNER
from gfplint.analysis.records import Members

TEXT = """{
\tstruct list_head list, *next;
\tunsigned long flags:4, more : 2;
\tconst char *name;
\tu8 table[4][2];
\tchar *rows[8], last[2];
\tint (*open)(struct inode *inode, int mode);
\tvoid released(struct kref *kref);
\tunion {
\t\tint a;
\t\tstruct {
\t\t\tlong name;
\t\t} deep;
\t} u, *v;
\tstruct { int plain; };
}"""


@pytest.mark.parametrize(
    ("name", "kind", "pointers"),
    [
        ("list", "list_head", 0),
        ("next", "list_head", 1),
        ("flags", "unsigned long", 0),
        ("more", "unsigned long", 0),
        ("name", "char", 1),  # the first of that name
        ("rows", "char", 1),
        ("last", "char", 0),
        ("open", "function", 1),
        ("a", "int", 0),
        ("deep", INNER, 0),
        ("u", INNER, 0),
        ("v", INNER, 1),
        ("plain", "int", 0),
    ],
)
def test_members_are_read_when_they_are_asked_for(name: str, kind: str, pointers: int) -> None:
    members = Members(TEXT)
    for _ in range(2):
        member = members.get(name)
        assert member is not None
        assert (member.type, member.pointers, member.name) == (kind, pointers, name)


@pytest.mark.parametrize("name", ["released", "inode", "head", "", "none"])
def test_what_is_no_member(name: str) -> None:
    assert Members(TEXT).get(name) is None


def test_all_members_are_those_that_are_found_by_name() -> None:
    members = Members(TEXT)
    found = members.all()
    assert {name: members.get(name) for name in found} == found
    assert len(found) == 14
