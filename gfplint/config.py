"""What the user asks for: ``.gfplint.toml`` and command line options, as one ``Settings`` value.

The file is hostile input, as it comes with the tree: it names codes, levels, globs and facts. It can't name a program,
a place to write to, or a file outside its own folder. An option given on the command line replaces the file's.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gfplint.errors import GfplintError
from gfplint.escape import printable
from gfplint.findings import Confidence
from gfplint.kernel import model
from gfplint.tree import UnreadableError, is_file, read_regular
from gfplint.user_tables import RowError, UserTables, check_rows

#: The name of the configuration file.
FILE_NAME = ".gfplint.toml"

_MAX_BYTES = 1 << 20
_CODE = re.compile(r"GFP\d{0,3}\Z|ALL\Z")
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})(?:\.\d+)?(?:-rc\d+)?\Z")

FORMATS = ("text", "gcc", "json", "sarif", "github", "gitlab", "junit", "rdjson")
COLORS = ("auto", "always", "never")


T = TypeVar("T")


class ConfigError(GfplintError):
    """The configuration or an option is wrong; the text is for the user and the exit status 2."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class PerPath(msgspec.Struct, frozen=True, rename="kebab"):
    """Settings for the files that match one of ``paths``: globs from the configuration's folder."""

    paths: tuple[str, ...]
    ignore: tuple[str, ...] = ()
    min_confidence: Confidence | None = None


class ConfigFile(UserTables, frozen=True, rename="kebab"):
    """What ``.gfplint.toml`` may hold; None: not given."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    min_confidence: Confidence | None = None
    advice: bool | None = None
    preview: bool | None = None
    kernel_version: str | None = None
    baseline: str | None = None
    per_path: tuple[PerPath, ...] = ()


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The command line's scan options; None: not given. ``select`` and ``ignore`` as written ("GFP1,GFP401")."""

    paths: tuple[str, ...] = ()
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    format: str = "text"
    output: str | None = None
    kernel_version: str | None = None
    jobs: int | None = None
    diff: str | None = None
    staged: bool = False
    patch: str | None = None
    baseline: str | None = None
    fix: bool = False
    fix_diff: bool = False
    min_confidence: str | None = None
    advice: bool | None = None
    preview: bool | None = None
    statistics: bool = False
    cache_dir: str | None = None
    no_cache: bool = False
    kernel_index: str | None = None
    config: str | None = None
    exit_zero: bool = False
    quiet: bool = False
    verbose: bool = False
    color: str = "auto"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All that one scan is asked for, checked and complete.

    ``base``: folder from which the globs of ``per_path`` count. ``jobs`` None: as many as there are processors.
    ``kernel_version`` None: the tree's own. ``config``: the configuration file read, or None.
    """

    paths: tuple[str, ...] = ()
    select: tuple[str, ...] = ("GFP",)
    ignore: tuple[str, ...] = ()
    per_path: tuple[PerPath, ...] = ()
    base: Path = Path()
    min_confidence: Confidence = Confidence.MEDIUM
    advice: bool = False
    preview: bool = False
    kernel_version: model.Version | None = None
    tables: UserTables = UserTables()
    baseline: Path | None = None
    diff: str | None = None
    staged: bool = False
    patch: str | None = None
    format: str = "text"
    output: Path | None = None
    jobs: int | None = None
    fix: bool = False
    fix_diff: bool = False
    statistics: bool = False
    cache_dir: Path | None = None
    cache: bool = True
    kernel_index: Path | None = None
    config: Path | None = None
    exit_zero: bool = False
    quiet: bool = False
    verbose: bool = False
    color: str = "auto"


def load_settings(options: Options, start: Path, codes: Sequence[str] = ()) -> Settings:
    """The settings of a scan whose first path is ``start``.

    The configuration is ``options.config``, else the nearest ``.gfplint.toml`` in the folder of ``start`` or above it.
    ``codes``: the codes of all rules; a selection that matches none of them is an error (none given: not checked).
    Raises ConfigError.
    """
    file = _config_path(options, start)
    config = parse_config(_read(file), str(file)) if file is not None else ConfigFile()
    where = str(file) if file is not None else FILE_NAME
    # Without links, as the root of the tree is given, to which the globs are compared.
    base = Path(os.path.realpath(file.parent if file is not None else start))
    _check_options(options)
    settings = Settings(
        paths=options.paths,
        select=_codes(options.select, "--select") or _codes(config.select, f"{where}: select") or ("GFP",),
        ignore=_given(_codes(options.ignore, "--ignore"), _codes(config.ignore, f"{where}: ignore"), ()),
        per_path=config.per_path,
        base=base,
        min_confidence=_given(_confidence(options.min_confidence), config.min_confidence, Confidence.MEDIUM),
        advice=_given(options.advice, config.advice, False),
        preview=_given(options.preview, config.preview, False),
        kernel_version=_version(options.kernel_version, "--kernel-version")
        or _version(config.kernel_version, f"{where}: kernel-version"),
        tables=_tables(config),
        baseline=Path(options.baseline) if options.baseline is not None else _inside(base, config.baseline, where),
        diff=options.diff,
        staged=options.staged,
        patch=options.patch,
        format=options.format,
        output=_path(options.output),
        jobs=options.jobs,
        fix=options.fix,
        fix_diff=options.fix_diff,
        statistics=options.statistics,
        cache_dir=_path(options.cache_dir),
        cache=not options.no_cache,
        kernel_index=_path(options.kernel_index),
        config=file,
        exit_zero=options.exit_zero,
        quiet=options.quiet,
        verbose=options.verbose,
        color=options.color,
    )
    _check_codes_known(settings, codes, where)
    return settings


def as_options(values: Mapping[str, object]) -> Options:
    """The options among a command's arguments (``vars`` of what argparse returns); others are passed over."""
    known = {name: values[name] for name in Options.__struct_fields__ if name in values}
    return msgspec.convert(known, Options)


def find_config(start: Path) -> Path | None:
    """The nearest ``.gfplint.toml`` in the folder ``start`` (or that of a file) or above it, or None."""
    place = start.absolute()
    for folder in (place, *place.parents):
        if is_file(folder / FILE_NAME):
            return folder / FILE_NAME
    return None


def parse_config(text: bytes, where: str) -> ConfigFile:
    """The configuration in ``text``; ``where`` names it in errors. Raises ConfigError."""
    import tomllib  # noqa: PLC0415 -- a start costs what it uses

    try:
        data = tomllib.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: not UTF-8 text (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        detail = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConfigError(f"{where}: invalid TOML: {detail}") from error
    _check_keys(data, ConfigFile, where, "")
    try:
        config = msgspec.convert(data, ConfigFile)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_plain(str(error))}") from error
    _check_values(config, where)
    return config


def as_codes(text: str) -> tuple[str, ...]:
    """The codes of an option's argument: separated by commas or blanks."""
    return tuple(code for code in re.split(r"[,\s]+", text) if code)


# ---- reading ---------------------------------------------------------------------------------------------------


def _config_path(options: Options, start: Path) -> Path | None:
    return Path(options.config) if options.config is not None else find_config(start)


def _read(file: Path) -> bytes:
    try:
        # A link is fine here: the user placed or named the file, and only TOML is ever read through it.
        return read_regular(file.resolve(), str(file), _MAX_BYTES)
    except UnreadableError as error:
        raise ConfigError(str(error)) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{file}: {error}") from error


# ---- checks ----------------------------------------------------------------------------------------------------

_WANTED = {
    "int": "an integer",
    "str": "a string",
    "bool": "true or false",
    "array": "an array",
    "object": "a table",
    "float": "a number",
    "null": "nothing",
    "datetime": "a date",
}
_MISMATCH = re.compile(r"Expected `([^`]+)`, got `([^`]+)`(?: - at `\$\.?([^`]*)`)?")
_MISSING = re.compile(r"Object missing required field `([^`]+)`(?: - at `\$\.?([^`]*)`)?")
_ENUM = re.compile(r"Invalid enum value '?(.*?)'?(?: - at `\$\.?([^`]*)`)?\Z", re.DOTALL)


def _check_keys(data: Mapping[str, Any], kind: type[msgspec.Struct], where: str, at: str) -> None:
    """Every key of a table is a field of its struct; nested tables likewise."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, value in data.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(fields))}"
            raise ConfigError(f"{where}: unknown key {at + key!r}{hint}")
        inner = _row_kind(fields[key].type)
        if inner is not None and isinstance(value, list):
            for number, item in enumerate(value):
                if isinstance(item, dict):
                    _check_keys(item, inner, where, f"{at}{key}[{number}].")


def _row_kind(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct S of a field of type ``tuple[S, ...]``."""
    first = next(iter(getattr(annotation, "__args__", ())), None)
    return first if isinstance(first, type) and issubclass(first, msgspec.Struct) else None


def _plain(message: str) -> str:
    """msgspec's message in the words of TOML."""
    if found := _MISMATCH.match(message):
        wanted = " or ".join(
            _WANTED.get(kind.strip(), kind.strip()) for kind in found[1].split("|") if "null" not in kind
        )
        return f"{found[3] or 'top level'}: expected {wanted}, found {_WANTED.get(found[2], found[2])}"
    if found := _MISSING.match(message):
        return f"{found[2] or 'top level'}: {found[1]!r} is missing"
    if found := _ENUM.match(message):
        levels = ", ".join(level.value for level in Confidence)
        return f"{found[2] or 'top level'}: {found[1]!r} is none of {levels}"
    return message


def _check_values(config: ConfigFile, where: str) -> None:
    _codes(config.select, f"{where}: select")
    _codes(config.ignore, f"{where}: ignore")
    _version(config.kernel_version, f"{where}: kernel-version")
    for number, entry in enumerate(config.per_path):
        _codes(entry.ignore, f"{where}: per-path[{number}].ignore")
        if not entry.paths:
            raise ConfigError(f"{where}: per-path[{number}].paths: expected at least one glob")
    try:
        check_rows(config)
    except RowError as error:
        raise ConfigError(f"{where}: {error}") from error


def _check_options(options: Options) -> None:
    modes = [
        name
        for name, given in (
            ("--diff", options.diff is not None),
            ("--staged", options.staged),
            ("--patch", options.patch is not None),
        )
        if given
    ]
    if len(modes) > 1:
        raise ConfigError(f"{' and '.join(modes)} exclude each other")
    if options.patch is not None and options.fix:
        raise ConfigError("--fix can't write to files that --patch changes only in memory; --fix-diff prints the patch")
    if options.fix and options.staged:
        raise ConfigError("--fix changes the work tree, not what is staged; --fix-diff prints a patch")
    if options.fix and ".." in (options.diff or ""):
        raise ConfigError("--fix changes the work tree, not what a revision holds; --fix-diff prints a patch")
    if options.fix and options.fix_diff:
        raise ConfigError("--fix and --fix-diff exclude each other")
    if options.jobs is not None and options.jobs < 1:
        raise ConfigError(f"--jobs: expected a number from 1, found {options.jobs}")
    for name, value, known in (("--format", options.format, FORMATS), ("--color", options.color, COLORS)):
        if value not in known:
            raise ConfigError(f"{name}: {value!r} is none of {', '.join(known)}")


def _check_codes_known(settings: Settings, codes: Sequence[str], where: str) -> None:
    """A selection that matches no rule is a mistyped one."""
    per_path = tuple(code for entry in settings.per_path for code in entry.ignore)
    for selected in (*settings.select, *settings.ignore, *per_path):
        if codes and selected != "ALL" and not any(code.startswith(selected) for code in codes):
            near = difflib.get_close_matches(selected, codes, n=1)
            raise ConfigError(
                f"no rule {selected} (in the options or {where})" + (f"; did you mean {near[0]}?" if near else "")
            )


def _codes(codes: Sequence[str] | None, where: str) -> tuple[str, ...] | None:
    if codes is None:
        return None
    split = tuple(code for text in codes for code in as_codes(text))
    for code in split:
        if not _CODE.match(code):
            raise ConfigError(f"{where}: {code!r} is no rule code (GFP101) and no prefix of one (GFP1)")
    return split


def _confidence(text: str | None) -> Confidence | None:
    try:
        return None if text is None else Confidence(text)
    except ValueError as error:
        levels = ", ".join(level.value for level in Confidence)
        raise ConfigError(f"--min-confidence: {text!r} is none of {levels}") from error


def _version(text: str | None, where: str) -> model.Version | None:
    if text is None:
        return None
    found = _VERSION.match(text)
    if found is None:
        raise ConfigError(f"{where}: {text!r} is no kernel version (such as 6.12)")
    return int(found[1]), int(found[2])


def _tables(config: ConfigFile) -> UserTables:
    return UserTables(**{name: getattr(config, name) for name in UserTables.__struct_fields__})


def _inside(base: Path, name: str | None, where: str) -> Path | None:
    """A file that the configuration names: below its own folder."""
    if name is None:
        return None
    path = Path(name)
    if not name or "\0" in name or path.is_absolute() or ".." in path.parts:
        raise ConfigError(f"{where}: baseline: {name!r} is no path below the configuration's folder")
    return base / path


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _given(first: T | None, second: T | None, default: T) -> T:
    """The first of them that was given."""
    if first is not None:
        return first
    return second if second is not None else default
