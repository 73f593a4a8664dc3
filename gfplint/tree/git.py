"""Git states, read through git's plumbing.

The repository is hostile input: its configuration can name programs (fsmonitor, filters, hooks, pagers, external diffs,
transports), and none of them may run. Every command gets a fixed environment and settings that override these;
names go in and out separated by NUL bytes, and no shell is involved.
"""

from __future__ import annotations

import abc
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import IO

from gfplint.findings import Skipped
from gfplint.tree.errors import MissingError, TreeError, UnreadableError
from gfplint.tree.layout import MAX_BYTES, is_source_path
from gfplint.tree.state import checked, too_large

#: Settings that override the repository's own: nothing is executed, nothing is fetched, names are not altered.
_SETTINGS: tuple[tuple[str, str], ...] = (
    ("core.fsmonitor", "false"),
    ("core.hooksPath", os.devnull),
    ("core.pager", "cat"),
    ("core.askPass", "true"),
    ("core.quotePath", "false"),
    ("core.untrackedCache", "false"),
    ("core.splitIndex", "false"),
    ("diff.external", ""),
    ("diff.noprefix", "false"),
    ("diff.mnemonicPrefix", "false"),
    ("diff.ignoreSubmodules", "all"),
    ("protocol.allow", "never"),
)

#: A command that takes longer hangs (on a FIFO in .git, a dead network disk): better an error than no answer.
_TIMEOUT = 300

#: Where the user keeps their own configuration.
_KEPT = frozenset({"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"})

#: Files of a revision that are looked up alone.
_FEW = 24

_FILTER_KEY = re.compile(r"^filter\..*\.(?:clean|smudge|process|required)$", re.DOTALL | re.IGNORECASE)


class Git:
    """Git commands on the repository around ``top``; paths in and out are relative to ``top``."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self._environment = _environment(_SETTINGS)
        #: Where git keeps what it knows of the work tree.
        self.folder = Path(os.fsdecode(self.run("rev-parse", "--absolute-git-dir").rstrip(b"\n")))
        index = self._own_index()
        self._environment = _environment(_SETTINGS + self._filters_off()) | index
        self._batch: subprocess.Popen[bytes] | None = None
        self._batch_owner = 0

    def commit(self, revision: str) -> str:
        """The commit id of a revision. Raises TreeError where there is none."""
        if not revision or revision.startswith("-") or "\0" in revision:
            raise TreeError(f"not a git revision: {revision!r}")
        try:
            output = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}")
        except TreeError as error:
            raise TreeError(f"not a git revision: {revision!r}") from error
        return output.decode("ascii", "replace").strip().splitlines()[-1]

    def merge_base(self, left: str, right: str) -> str:
        """The commit id at which two commits part. Raises TreeError where they have nothing in common."""
        try:
            return self.run("merge-base", left, right).decode("ascii", "replace").split()[0]
        except (TreeError, IndexError) as error:
            raise TreeError(f"{left[:12]} and {right[:12]} have no common ancestor") from error

    def empty_tree(self) -> str:
        """The id of the tree without files, which every repository has."""
        return self.run("hash-object", "-t", "tree", "--stdin").decode("ascii").strip()

    def run(self, *arguments: str, accept: Sequence[int] = (0,)) -> bytes:
        """The output of one git command. Raises TreeError with git's own words when it fails."""
        command = ("git", "-C", os.fspath(self.top), *arguments)
        try:
            done = subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except FileNotFoundError as error:
            raise TreeError("git is not installed, or not in PATH") from error
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise TreeError(f"git {arguments[0]} failed: {error}") from error
        if done.returncode not in accept:
            words = _words(done.stderr.decode("utf-8", "replace"))
            raise TreeError(f"git {arguments[0]} failed: {words or f'status {done.returncode}'}")
        return done.stdout

    def later(self, *arguments: str) -> Callable[[], bytes]:
        """Start a command, as ``run`` does; what is returned waits for its output."""
        outputs: list[bytes | TreeError] = []

        def work() -> None:
            try:
                outputs.append(self.run(*arguments))
            except TreeError as error:
                outputs.append(error)

        def finish() -> bytes:
            thread.join()
            found = outputs[0]
            if isinstance(found, TreeError):
                raise found
            return found

        thread = Thread(target=work, daemon=True)
        thread.start()
        return finish

    def blob(self, name: str, path: str) -> bytes:
        """The bytes of a blob, by its object id; ``path`` is for messages. Raises UnreadableError."""
        stdin, stdout = self._pipes()
        try:
            stdin.write(name.encode("ascii") + b"\n")
            stdin.flush()
            header = stdout.readline().split()
            if len(header) != 3 or header[1] != b"blob":
                raise UnreadableError(path, f"git has no object {name[:12]} for it")
            size = int(header[2])
            if size > MAX_BYTES:
                self.close()
                raise UnreadableError(path, too_large(size, MAX_BYTES))
            data = stdout.read(size + 1)
        except (OSError, ValueError) as error:
            self.close()
            raise UnreadableError(path, f"git cat-file failed: {error}") from error
        if len(data) != size + 1:
            self.close()
            raise UnreadableError(path, "git cat-file ended early")
        return checked(path, data[:size])

    def close(self) -> None:
        """End the process that reads blobs, if this process started it."""
        batch, self._batch = self._batch, None
        if batch is None or self._batch_owner != os.getpid():
            return
        for pipe in (batch.stdin, batch.stdout):
            if pipe is not None:
                pipe.close()
        batch.kill()
        batch.wait()

    def __reduce__(self) -> tuple[type[Git], tuple[Path]]:
        """Another process opens its own pipes."""
        return type(self), (self.top,)

    def __del__(self) -> None:
        if getattr(self, "_batch", None) is not None:
            self.close()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        # After a fork the pipes are the parent's: two readers would tear each other's answers apart.
        if self._batch is None or self._batch_owner != os.getpid() or self._batch.poll() is not None:
            self._batch = subprocess.Popen(
                ("git", "-C", os.fspath(self.top), "cat-file", "--batch"),
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._batch_owner = os.getpid()
        assert self._batch.stdin is not None and self._batch.stdout is not None
        return self._batch.stdin, self._batch.stdout

    def _filters_off(self) -> tuple[tuple[str, str], ...]:
        """Overrides for the clean filters that the configuration names: comparing with the work tree would run them."""
        listing = self.run("config", "--list", "--name-only", "-z").split(b"\0")
        keys = {os.fsdecode(key) for key in listing}
        names = sorted(key for key in keys if _FILTER_KEY.match(key))
        return tuple((name, "false" if name.lower().endswith(".required") else "") for name in names)

    def _own_index(self) -> dict[str, str]:
        """git commit -a and git commit FILE stage into an index of their own, and name it to their hooks."""
        folder = self.folder
        named = os.environ.get("GIT_INDEX_FILE", "")
        index = Path(named).absolute() if named else folder
        return {"GIT_INDEX_FILE": os.fspath(index)} if index.parent == folder else {}


class _BlobState(abc.ABC):
    """A state whose files are blobs."""

    def __init__(self, git: Git) -> None:
        self.git = git
        self._found: Mapping[str, str] | None = None

    @abc.abstractmethod
    def blobs(self) -> Mapping[str, str]:
        """Path -> object id of every regular file whose name is UTF-8."""

    def files(self) -> Sequence[str]:
        return tuple(sorted(self._sources()))

    def _sources(self) -> Mapping[str, str]:
        """The sources among the blobs: asked for more than once, and a large tree has many."""
        if self._found is None:
            self._found = {path: name for path, name in self.blobs().items() if is_source_path(path)}
        return self._found

    def skipped(self) -> Sequence[Skipped]:
        return ()

    def read(self, path: str) -> bytes:
        return self.git.blob(self._object(path), path)

    def identity(self, path: str) -> str:
        return "b" + self._object(path)

    def identities(self) -> Mapping[str, str]:
        return {path: "b" + name for path, name in self._sources().items()}

    def close(self) -> None:
        self.git.close()

    def _object(self, path: str) -> str:
        if path not in self.blobs():
            raise MissingError(path)
        return self.blobs()[path]


class GitRevision(_BlobState):
    """The tree of one commit. Raises TreeError where there is none of that name."""

    def __init__(self, git: Git, revision: str) -> None:
        super().__init__(git)
        self.commit = git.commit(revision)
        self._blobs: dict[str, str] | None = None
        self._few: dict[str, str | None] = {}

    def blobs(self) -> Mapping[str, str]:
        if self._blobs is None:
            listing = self.git.run("ls-tree", "-r", "-z", self.commit)
            rows = (row.partition(b"\t") for row in listing.split(b"\0") if row)
            self._blobs = dict(_regular((*head.split(), name) for head, _, name in rows))
        return self._blobs

    def _object(self, path: str) -> str:
        """A few files are looked up one by one: a list of all takes longer."""
        if self._blobs is not None or len(self._few) >= _FEW or "\0" in path:
            return super()._object(path)
        if path not in self._few:
            row = self.git.run("ls-tree", "-z", self.commit, "--", path).rstrip(b"\0")
            head, _, name = row.partition(b"\t")
            self._few[path] = dict(_regular([(*head.split(), name)])).get(path) if row else None
        found = self._few[path]
        if found is None:
            raise MissingError(path)
        return found


class GitIndex(_BlobState):
    """The files as staged. A file with merge conflicts is left out, and the run is incomplete."""

    def __init__(self, git: Git) -> None:
        super().__init__(git)
        self._blobs: dict[str, str] | None = None
        self._few: dict[str, str | None] = {}
        self._conflicts: tuple[Skipped, ...] | None = None

    def blobs(self) -> Mapping[str, str]:
        if self._blobs is None:
            self._blobs = self._listed()
        return self._blobs

    def without_conflicts(self) -> None:
        """Say that no source has any: to ask takes a while."""
        self._conflicts = ()

    def skipped(self) -> Sequence[Skipped]:
        if self._conflicts is None:
            listing = self.git.run("ls-files", "--unmerged", "-z")
            names = {_decoded(row.partition(b"\t")[2]) for row in listing.split(b"\0") if row}
            self._conflicts = tuple(
                Skipped(path, "has merge conflicts in the index", failed=True)
                for path in sorted(path for path in names if path is not None and is_source_path(path))
            )
        return self._conflicts

    def _listed(self, *only: str) -> dict[str, str]:
        listing = self.git.run("ls-files", "--stage", "-z", *only)
        rows = (row.partition(b"\t") for row in listing.split(b"\0") if row)
        return dict(_regular((*head.split()[:2], name) for head, _, name in rows if head.endswith(b" 0")))

    def _object(self, path: str) -> str:
        """A few files are looked up one by one: a list of all takes longer."""
        if self._blobs is not None or len(self._few) >= _FEW or "\0" in path:
            return super()._object(path)
        if path not in self._few:
            self._few[path] = self._listed("--", ":(literal)" + path).get(path)
        found = self._few[path]
        if found is None:
            raise MissingError(path)
        return found


def _words(text: str) -> str:
    """What git says went wrong, without the advice around it; but for how to trust a repository of somebody else."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = next((line for line in lines if line.startswith(("fatal: ", "error: "))), lines[-1] if lines else "")
    trusted = next((f" ({line})" for line in lines if "safe.directory" in line and line != wrong), "")
    return wrong + trusted


def _environment(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The user's environment without what would redirect git or make it run something; their settings come first."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    settings = (*_user_settings(), *settings)
    environment |= {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_PAGER": "cat",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (key, value) in enumerate(settings):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment


def _user_settings() -> Iterator[tuple[str, str]]:
    """Settings that the user's environment carries, safe.directory in most cases."""
    count = os.environ.get("GIT_CONFIG_COUNT", "")
    for number in range(int(count) if count.isdecimal() else 0):
        key, value = os.environ.get(f"GIT_CONFIG_KEY_{number}"), os.environ.get(f"GIT_CONFIG_VALUE_{number}")
        if key is None or value is None:
            return
        yield key, value


def _regular(rows: Iterable[tuple[bytes, ...]]) -> Iterator[tuple[str, str]]:
    """(path, object id) of the rows (mode, ..., object id, name) that are regular files with a name in UTF-8."""
    for row in rows:
        name = _decoded(row[-1])
        if row[0].startswith(b"100") and name is not None:
            yield name, row[-2].decode("ascii")


def _decoded(name: bytes) -> str | None:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return None
