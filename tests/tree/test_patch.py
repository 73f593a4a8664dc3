"""Patches: parsed from diffs, mails and mailboxes; placed; refused."""

from __future__ import annotations

import base64
import difflib
import quopri
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gfplint.tree import Overlay, PatchError, UnreadableError, WorkTree, with_patches
from gfplint.tree.diff import parse_diff, split_lines, stripped
from gfplint.tree.hunks import apply_hunks
from gfplint.tree.mail import parse_patches
from tests.tree.repositories import Repository, write

NUMBERS = "".join(f"line {number}\n" for number in range(1, 31))

PATCH = b"""\
--- a/x.c
+++ b/x.c
@@ -9,7 +9,8 @@ some function
 line 9
 line 10
 line 11
-line 12
+line twelve
+more
 line 13
 line 14
 line 15
"""
_SECOND = b"@@ -20,1 +21,2 @@\n line 20\n+more\n"


def _tree(top: Path, **files: str | bytes) -> WorkTree:
    for name, content in files.items():
        write(top, name.replace("__", "/").replace("_c", ".c"), content)
    return WorkTree(top)


def _apply(old: bytes, diff: bytes) -> bytes:
    (file,) = parse_diff(diff) or (None,)
    assert file is not None
    placed = apply_hunks([(line, False) for line in split_lines(old)], file.hunks)
    return b"".join(line for line, _ in placed.lines)


# ---- placing ---------------------------------------------------------------------------------------------------


def test_applies_and_marks_the_added_lines(tmp_path: Path) -> None:
    result = with_patches(_tree(tmp_path, x_c=NUMBERS), PATCH)
    assert result.after.read("x.c").decode() == NUMBERS.replace("line 12\n", "line twelve\nmore\n")
    assert result.before.read("x.c").decode() == NUMBERS
    assert result.changes.added == {"x.c": frozenset({12, 13})}
    assert result.changes.changed == {"x.c"}
    assert result.notes == ()


def test_applies_at_an_offset_and_says_so(tmp_path: Path) -> None:
    result = with_patches(_tree(tmp_path, x_c="top\n" * 5 + NUMBERS), PATCH)
    assert result.changes.added == {"x.c": frozenset({17, 18})}
    assert result.notes == ("x.c: hunk 1 applied with offset +5",)


def test_the_nearest_place_wins(tmp_path: Path) -> None:
    result = with_patches(_tree(tmp_path, x_c=NUMBERS + "a\n" + NUMBERS), PATCH.replace(b"-9,7 +9,8", b"-38,7 +38,8"))
    assert result.changes.added == {"x.c": frozenset({43, 44})}


def test_applies_with_changed_outer_context(tmp_path: Path) -> None:
    other = NUMBERS.replace("line 9\n", "other\n").replace("line 15\n", "other\n")
    result = with_patches(_tree(tmp_path, x_c=other), PATCH)
    assert result.after.read("x.c").decode() == other.replace("line 12\n", "line twelve\nmore\n")
    assert result.notes == ("x.c: hunk 1 applied with offset +0, fuzz 1",)


def test_refuses_changed_inner_context(tmp_path: Path) -> None:
    with pytest.raises(PatchError, match=r"x\.c: hunk 1 \(@@ -9,7 \+9,8 @@\) does not apply$"):
        with_patches(_tree(tmp_path, x_c=NUMBERS.replace("line 11", "other")), PATCH)


def test_says_when_it_is_applied_already(tmp_path: Path) -> None:
    with pytest.raises(PatchError, match="applied already"):
        with_patches(_tree(tmp_path, x_c=NUMBERS.replace("line 12\n", "line twelve\nmore\n")), PATCH)


def test_later_hunks_follow_the_offset_of_earlier_ones() -> None:
    same = ["{\n", "same\n", "}\n"]
    old = [*(f"{n}\n" for n in range(20)), *same, *(f"{n}\n" for n in range(20, 27)), *same, "end\n"]
    new = [line for number, line in enumerate(old) if number not in (2, 31)]
    diff = "".join(difflib.unified_diff(old, new, "a/x.c", "b/x.c", n=1)).encode()
    # Shifted by ten lines, the first of the two equal places stands where the second one was.
    shifted = [f"more {n}\n" for n in range(10)]
    assert _apply("".join(shifted + old).encode(), diff) == "".join(shifted + new).encode()


def test_hunks_do_not_overlap() -> None:
    diff = b"--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-x\n+y\n@@ -1 +1 @@\n-x\n+z\n"
    with pytest.raises(PatchError, match="hunk 2"):
        _apply(b"x\nq\n", diff)
    assert _apply(b"x\nx\n", diff) == b"y\nz\n"


def test_context_is_not_ignored_altogether() -> None:
    with pytest.raises(PatchError, match="does not apply"):
        _apply(b"q\nr\ns\n", b"--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,3 @@\n a\n+new\n b\n")


def test_a_file_renamed_twice(tmp_path: Path) -> None:
    moves = b"".join(
        b"diff --git a/%s b/%s\nsimilarity index 100%%\nrename from %s\nrename to %s\n" % (old, new, old, new)
        for old, new in ((b"a.c", b"b.c"), (b"b.c", b"c.c"))
    )
    assert with_patches(_tree(tmp_path, a_c="a\n"), moves).changes.renamed == {"a.c": "c.c"}


def test_a_search_that_never_ends_is_cut() -> None:
    hunk = b"@@ -1,2000 +1,2001 @@\n" + b" a\n" * 1000 + b"+new\n" + b" b\n" * 1000
    with pytest.raises(PatchError, match="too long"):
        _apply(b"a\nb\n" * 15000, b"--- a/x.c\n+++ b/x.c\n" + hunk)


_TEXT = st.lists(
    st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n", b"- x\n", b"+++ b\n", b"--- a\n", b"\\\n", b"\t\r\n"]), max_size=12
)


def _diff(old: list[bytes], new: list[bytes], context: int) -> bytes:
    names = {"fromfile": b"a/x.c", "tofile": b"b/x.c"}
    lines = difflib.diff_bytes(difflib.unified_diff, old, new, **names, lineterm=b"\n", n=context)
    return b"".join(line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in lines)


@given(_TEXT, _TEXT, st.booleans(), st.booleans(), st.integers(0, 4))
def test_applying_a_difference_gives_the_other_side(
    old: list[bytes], new: list[bytes], cut_old: bool, cut_new: bool, context: int
) -> None:
    for lines, cut in ((old, cut_old), (new, cut_new)):
        if lines and cut and lines[-1] != b"\n":
            lines[-1] = lines[-1][:-1]
    if old != new:
        diff = _diff(old, new, context)
        assert _apply(b"".join(old), diff) == b"".join(new)


@given(st.lists(st.integers(0, 99), unique=True, min_size=1, max_size=20), st.data())
def test_offsets_do_not_change_the_result(numbers: list[int], data: st.DataObject) -> None:
    old = [b"%d\n" % number for number in numbers]
    kept = data.draw(st.lists(st.booleans(), min_size=len(old), max_size=len(old)))
    new = [line for line, keep in zip(old, kept, strict=True) if keep] + [b"new\n"]
    before = [b"before %d\n" % number for number in range(data.draw(st.integers(0, 5)))]
    after = [b"after %d\n" % number for number in range(data.draw(st.integers(0, 5)))]
    patched_bytes = _apply(b"".join(before + old + after), _diff(old, new, 3))
    assert patched_bytes == b"".join(before + new + after)


@given(st.lists(st.tuples(st.integers(0, len(PATCH)), st.binary(max_size=3)), max_size=4))
def test_mangled_patches_are_refused_or_applied(edits: list[tuple[int, bytes]]) -> None:
    data = PATCH
    for at, inserted in edits:
        data = data[:at] + inserted + data[at + 1 :]
    try:
        for patch in parse_patches(data):
            for file in patch.files:
                apply_hunks([(line, False) for line in split_lines(NUMBERS.encode())], file.hunks)
    except PatchError as error:
        assert str(error).isprintable()


def test_what_git_writes_applies(tmp_path: Path) -> None:
    """Random edits in several commits: format-patch, diff and the states in between agree with git."""
    chance = random.Random(1)
    repository = Repository(tmp_path)
    text = [f"{chance.randrange(8)}\n" for _ in range(80)]
    contents = []
    for _ in range(12):
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(text))
            text[at : at + chance.randrange(3)] = [f"{chance.randrange(8)}\n"] * chance.randrange(3)
        contents.append("".join(text).removesuffix(chance.choice(["", "\n"])))
        repository.commit(x_c=contents[-1])
    for number, content in enumerate(contents[:-1]):
        repository.write("x.c", content)
        state = WorkTree(tmp_path)
        later = f"HEAD~{len(contents) - 1 - number}"
        series = repository.git("format-patch", "--stdout", f"{later}..HEAD")
        assert with_patches(state, series).after.read("x.c").decode() == contents[-1]
        whole = repository.git("diff", "-U1", later, "HEAD")
        if whole:
            assert with_patches(state, whole).after.read("x.c").decode() == contents[-1]


# ---- what a patch may say --------------------------------------------------------------------------------------


def test_new_deleted_renamed_copied_and_moved(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(delete_c="gone\n", rename_c=NUMBERS, move_c="m\n" + NUMBERS, copy_c="c\n" + NUMBERS, mode_c="x\n")
    repository.git("mv", "rename.c", "renamed.c")
    repository.git("mv", "move.c", "moved file.c")
    repository.git("rm", "-q", "delete.c")
    repository.write("moved file.c", "m\nadded\n" + NUMBERS)
    repository.write("new.c", "one\ntwo\n")
    repository.write("empty.c", "")
    repository.write("copied.c", "c\n" + NUMBERS + "added\n")
    repository.write("copy.c", "c\nchanged\n" + NUMBERS)
    (tmp_path / "mode.c").chmod(0o755)
    repository.commit()
    diff = repository.git("diff", "-M", "-C", "HEAD~1", "HEAD")
    assert b"copy from" in diff
    repository.git("checkout", "-q", "HEAD~1")
    result = with_patches(WorkTree(tmp_path), diff)
    wanted = ("copied.c", "copy.c", "empty.c", "mode.c", "moved file.c", "new.c", "renamed.c")
    assert result.after.files() == wanted
    for path in wanted:
        assert result.after.read(path) == repository.git("show", f"main:{path}")
    assert result.changes.renamed == {"rename.c": "renamed.c", "move.c": "moved file.c"}
    assert result.changes.added == {
        "copied.c": frozenset({32}),
        "copy.c": frozenset({2}),
        "empty.c": frozenset(),
        "moved file.c": frozenset({2}),
        "new.c": frozenset({1, 2}),
        "renamed.c": frozenset(),
    }
    assert result.changes.changed == {*result.changes.added, "delete.c", "rename.c", "move.c"}


def test_a_series_builds_on_itself(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="one\n", keep_c="keep\n")
    repository.commit(a_c="one\ntwo\n", b_c="new\n")
    repository.git("mv", "b.c", "c.c")
    repository.commit(a_c="zero\none\ntwo\n")
    repository.git("rm", "-q", "c.c")
    repository.commit(a_c="zero\none\nthree\n")
    series = repository.git("format-patch", "--stdout", "HEAD~3..HEAD")
    repository.git("checkout", "-q", "HEAD~3")
    result = with_patches(WorkTree(tmp_path), series)
    assert result.after.read("a.c") == b"zero\none\nthree\n"
    assert result.after.files() == ("a.c", "keep.c")
    assert result.changes.added == {"a.c": frozenset({1, 3})}
    assert result.changes.changed == {"a.c"}
    assert result.changes.renamed == {}


def test_series_is_put_in_order(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    contents = ["".join(f"{n}\n" for n in range(last)) for last in range(1, 5)]
    for content in contents:
        repository.commit(a_c=content)
    repository.git("format-patch", "-q", "--cover-letter", "-o", "out", "HEAD~3")
    mails = [place.read_bytes() for place in sorted((repository.top / "out").iterdir())]
    state = _tree(tmp_path / "t", a_c=contents[0])
    result = with_patches(state, b"\n".join(reversed(mails)))
    assert result.after.read("a.c").decode() == contents[-1]


def test_plain_diffs_with_dates_and_without_prefix(tmp_path: Path) -> None:
    state = _tree(tmp_path, d__x_c=NUMBERS)
    for names in (b"d/x.c d/x.c", b"linux.orig/d/x.c linux/d/x.c", b"i/d/x.c w/d/x.c"):
        old, new = names.split()
        diff = PATCH.replace(b"a/x.c", old + b"\t2024-01-01 00:00:00 +0000").replace(b"b/x.c", new + b"\t2024-01-02")
        assert with_patches(state, diff).changes.added == {"d/x.c": frozenset({12, 13})}


def test_plain_diff_creates_and_deletes(tmp_path: Path) -> None:
    state = _tree(tmp_path, x_c="old\n")
    created = b"--- a/y.c\t1970-01-01\n+++ b/y.c\n@@ -0,0 +1 @@\n+new\n"
    deleted = b"--- a/x.c\n+++ b/x.c\t1970-01-01\n@@ -1 +0,0 @@\n-old\n"
    result = with_patches(state, created + deleted)
    assert result.after.files() == ("y.c",)
    assert result.changes.added == {"y.c": frozenset({1})}


def test_quoted_names(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    names = ('q"uote.c', "tab\tb.c", "new\nline.c", "ü.c", "back\\slash.c", "a b.c")
    for name in names:
        repository.write(name, "old\n")
    repository.commit()
    for name in names:
        repository.write(name, "new\n")
    diff = repository.git("diff")
    repository.git("checkout", "-q", ".")
    result = with_patches(WorkTree(tmp_path), diff)
    assert set(result.changes.added) == set(names)
    assert all(result.after.read(name) == b"new\n" for name in names)


def test_missing_newline_at_the_end(tmp_path: Path) -> None:
    diff = b"--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"
    assert with_patches(_tree(tmp_path, x_c="a\nb"), diff).after.read("x.c") == b"a\nb\n"
    with pytest.raises(PatchError, match="does not apply"):
        with_patches(_tree(tmp_path, x_c="a\nb\n"), diff)


def test_carriage_returns(tmp_path: Path) -> None:
    unix, dos = NUMBERS, NUMBERS.replace("\n", "\r\n")
    changed = NUMBERS.replace("line 12\n", "line twelve\nmore\n").encode()
    mailed = PATCH.replace(b"\n", b"\r\n")
    in_dos = PATCH.replace(b"\n", b"\r\n").replace(b"x.c\r\n", b"x.c\n").replace(b"function\r\n", b"function\n")
    for old, diff, new in (
        (unix, PATCH, changed),
        (unix, mailed, changed),
        (dos, PATCH, changed.replace(b"\n", b"\r\n")),
        (dos, mailed, changed.replace(b"\n", b"\r\n")),
        (dos, in_dos, changed.replace(b"\n", b"\r\n")),
    ):
        assert with_patches(_tree(tmp_path, x_c=old), diff).after.read("x.c") == new


def test_context_line_that_lost_its_blank(tmp_path: Path) -> None:
    diff = b"--- a/x.c\n+++ b/x.c\n@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n"
    assert with_patches(_tree(tmp_path, x_c="a\n\nb\n"), diff).after.read("x.c") == b"a\n\nc\n"


def test_other_files_and_words_are_passed_over(tmp_path: Path) -> None:
    other = PATCH.replace(b"x.c", b"Kconfig")
    result = with_patches(
        _tree(tmp_path, x_c=NUMBERS), b"Some words\n--- not a file\n\n" + other + b"-- \n2.39\n\n" + PATCH
    )
    assert result.changes.changed == {"x.c"}


def test_binary_and_special_changes_are_noted(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(x_c=b"\0\n", l_c="text\n", y_c="y\n", image="i\n")
    repository.write("x.c", b"\0\1\n")
    repository.write("image", b"\0\1\n")
    repository.write("y.c", "changed\n")
    (tmp_path / "l.c").unlink()
    (tmp_path / "s.c").symlink_to("y.c")
    repository.commit()
    for form in (("--binary",), ()):
        diff = repository.git("diff", *form, "HEAD~1", "HEAD")
        repository.git("checkout", "-q", "HEAD~1")
        result = with_patches(WorkTree(tmp_path), diff)
        assert {item.path: item.failed for item in result.skipped} == {"x.c": False, "s.c": False}
        assert result.changes.changed == {"y.c", "l.c"}
        repository.git("checkout", "-q", "main")


def test_nothing_changes_with_an_empty_patch(tmp_path: Path) -> None:
    result = with_patches(_tree(tmp_path, x_c="x\n"), b" \n")
    assert isinstance(result.after, Overlay)
    assert (result.changes.changed, result.after.files()) == (frozenset(), ("x.c",))


# ---- mails -----------------------------------------------------------------------------------------------------


def _headers(encoding: str, subject: str = "[PATCH] x") -> bytes:
    lines = (
        "From: A <a@example.org>",
        f"Subject: {subject}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Transfer-Encoding: {encoding}",
    )
    return "\n".join(lines).encode() + b"\n\n"


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_encoded_mails(tmp_path: Path, ends: bytes) -> None:
    body = "Größe = 0xff\n---\n x.c | 2 +-\n\n".encode() + PATCH + b"-- \n2.39.5\n"
    body = body.replace(b"line twelve", "zwölf = 1".encode())
    state = _tree(tmp_path, x_c=NUMBERS)
    for encoding, encoded in (
        ("8bit", body),
        ("quoted-printable", quopri.encodestring(body)),
        ("base64", base64.encodebytes(body)),
    ):
        mail = (_headers(encoding) + encoded).replace(b"\n", ends)
        for data in (mail, b"From 1234 Mon Sep 17 00:00:00 2001" + ends + mail):
            assert "zwölf = 1" in with_patches(state, data).after.read("x.c").decode(), encoding


def test_attached_patch(tmp_path: Path) -> None:
    attached = base64.encodebytes(PATCH).decode()
    mail = f"""From: a@example.org
Subject: patch
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain

See the attached patch.
--b
Content-Type: text/html

<pre>
--- a/x.c
+++ b/x.c
@@ -1 +1 @@
-a
+b
</pre>
--b
Content-Type: application/octet-stream
Content-Disposition: attachment; filename="0001.patch"
Content-Transfer-Encoding: base64

{attached}
--b--
"""
    assert with_patches(_tree(tmp_path, x_c=NUMBERS), mail.encode()).changes.added == {"x.c": frozenset({12, 13})}


def test_title_and_file_name_what_is_mangled(tmp_path: Path) -> None:
    with pytest.raises(PatchError, match=r"^b/x.c: line \d+: the hunk is cut short or mangled \[\[PATCH\] do\]$"):
        with_patches(
            _tree(tmp_path, x_c=NUMBERS), _headers("8bit", "[PATCH] do") + PATCH.replace(b" line 10", b"line 10")
        )


def test_changes_without_lines(tmp_path: Path) -> None:
    diff = b"diff --git a/y.c b/y.c\nnew file mode 100644\nindex 0000000..e69de29\n"
    assert with_patches(_tree(tmp_path), diff).changes.added == {"y.c": frozenset()}
    assert with_patches(
        _tree(tmp_path, y_c=""),
        diff.replace(b"0000000..e69de29", b"e69de29..0000000").replace(b"new file", b"deleted file"),
    ).changes.changed == {"y.c"}


def test_title_names_the_mail_that_does_not_apply(tmp_path: Path) -> None:
    subject = "[PATCH v2] =?utf-8?q?x=1B=5B31m?=: do"
    with pytest.raises(PatchError, match=r"does not apply \[\[PATCH v2\] x \[31m ?: do\]$"):
        with_patches(_tree(tmp_path, x_c="other\n"), _headers("8bit", subject) + PATCH)


@pytest.mark.parametrize(
    "mail",
    [
        b"Content-Type: text/plain; charset=nonsense\nFrom: a\n\n",
        b"Content-Type: multipart/mixed\nFrom: a\n\n",
        b"Subject: =?nonsense?b?====?=\nFrom: a\n\n",
        b"Subject: \xff\xfe\nContent-Transfer-Encoding: base64\n\n%%%%",
        b"From: a\nSubject: x" + b" [PATCH" * 5000 + b"\n\n",
    ],
)
def test_broken_mails(tmp_path: Path, mail: bytes) -> None:
    state = _tree(tmp_path, x_c=NUMBERS)
    try:
        with_patches(state, mail + PATCH)
    except PatchError as error:
        assert str(error).isprintable()


def test_mails_in_mails_in_mails() -> None:
    depth = 2000
    heads = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\nFrom: a\n\n--b{n}\n" for n in range(depth))
    with pytest.raises(PatchError):
        parse_patches(heads.encode())


# ---- refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "a/../../etc/x.c",
        "/etc/x.c",
        "a/.git/x.c",
        "../x.c",
        "a/b/../../../x.c",
        "a/" + "d/" * 3000 + "x.c",
        '"a/\\000.c"',
    ],
)
def test_names_outside_the_tree(tmp_path: Path, name: str) -> None:
    top = tmp_path / "tree"
    state = _tree(top, x_c=NUMBERS)
    for form in (
        f"--- {name}\n+++ {name}\n@@ -1 +1 @@\n-line 1\n+x\n",
        f"diff --git {name} {name}\nnew file mode 100644\n--- /dev/null\n+++ {name}\n@@ -0,0 +1 @@\n+x\n",
        f"diff --git a/x.c b/y.c\nrename from x.c\nrename to {name}\n",
    ):
        with pytest.raises(PatchError, match="outside the tree"):
            with_patches(state, form.encode())


@pytest.mark.parametrize("level", [0, 1])
@given(name=st.text(alphabet="a./\\\0\n ", max_size=12))
def test_stripped_names_stay_inside(level: int, name: str) -> None:
    try:
        path = stripped(name, level)
    except PatchError:
        return
    assert path
    assert not path.startswith("/")
    assert not {"", ".", "..", ".git"} & set(path.split("/"))


@pytest.mark.parametrize(
    ("diff", "words"),
    [
        (b"just words\n", "no unified diff"),
        (b"*** a/x.c\n--- b/x.c\n***************\n*** 1 ****\n! a\n", "no unified diff"),
        (b"diff --cc x.c\n@@@ -1,1 -1,1 +1,1 @@@\n", "merge"),
        (PATCH[:-20], "cut short"),
        (PATCH.replace(b"-9,7", b"-9,5"), "cut short|longer"),
        (PATCH.replace(b"+9,8", b"+9,7"), "cut short"),
        (PATCH.replace(b" line 10", b"line 10"), "mangled"),
        (PATCH + b"+one more\n", "longer"),
        (
            b"diff --git a/x.c b/x.c\nindex 0000001..0000002 100644\n--- a/x.c\n",
            "line 3: b/x.c: the change is cut short",
        ),
        (b"diff --git a/y.c b/y.c\nnew file mode 100644\nindex 0000000..0000002\n", "b/y.c: the change is cut short"),
        (PATCH.replace(b"-9,7", b"-999999999999,7"), "line 1: the change is cut short or mangled"),
        (PATCH.replace(b" @@ some", b" some"), "line 1: the change is cut short or mangled"),
        (PATCH + b"@@ -20 +21\n", "b/x.c: line 13: the header of a hunk is cut short or mangled"),
        (PATCH + b"\n" + _SECOND, "line 14: a hunk without a file"),
        (PATCH + b"from here on\n" + _SECOND, "line 14: a hunk without a file"),
        (PATCH.replace(b"-9,7 +9,8", b"-9,6 +9,7") + _SECOND, "line 13: a hunk without a file"),
        (PATCH.replace(b"-9,7 +9,8", b"-9,4 +9,3"), "line 8: the hunk is longer"),
        (PATCH + b"-one less\n", "line 13: the hunk is longer"),
        (PATCH + b"--- a/y.c\n+++ b/y.c\n", "line 13: the change is cut short"),
        (PATCH + b"--- a/y.c\n+++ b/y.c\n\n\n", "line 13: the change is cut short"),
        (PATCH + b"diff --git a/y.c b/y.c\n", "y.c: the change is cut short"),
        (PATCH + b"diff --git a/y.c b/y.c\n--- a/y.c\n+++ b/y.c\n", "y.c: the change is cut short"),
        (PATCH.replace(b"x.c", b"missing.c"), "none in the tree"),
        (b"--- /dev/null\n+++ b/x.c\n@@ -0,0 +1 @@\n+x\n", "one already"),
        (b"--- a/x.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-line 1\n", "not all of its lines"),
        (b"diff --git a/x.c b/y.c\nrename from z.c\nrename to y.c\n", "none in the tree"),
        (b"diff --git a/q w.c b/r v.c\nold mode 100644\nnew mode 100755\n", "without a file name"),
    ],
)
def test_refused(tmp_path: Path, diff: bytes, words: str) -> None:
    with pytest.raises(PatchError, match=words):
        with_patches(_tree(tmp_path, x_c=NUMBERS), diff)


@pytest.mark.parametrize(
    "end",
    [
        b"-- \n2.39.5\n",
        b"--\n2.39.5\n",
        b"\n",
        b"\nOnly in b: y.c\n",
        b"Index: y.c\n",
        b"--- cut here ---\n",
        b"-----BEGIN PGP SIGNATURE-----\n",
    ],
)
def test_words_around_a_change_are_passed_over(tmp_path: Path, end: bytes) -> None:
    words = b"As in\n@@ -1,2 +3,4 @@\n--- a\n+++ b\nwe do\n"
    result = with_patches(_tree(tmp_path, x_c=NUMBERS), words + PATCH + end)
    assert result.changes.added == {"x.c": frozenset({12, 13})}


def test_patch_of_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(PatchError, match="binary"):
        with_patches(_tree(tmp_path, x_c=b"\0\n"), b"--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-a\n+b\n")


def test_patch_that_brings_binary_data(tmp_path: Path) -> None:
    result = with_patches(_tree(tmp_path, x_c="a\n"), b"--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-a\n+\0\n")
    with pytest.raises(UnreadableError, match="binary"):
        result.after.read("x.c")
