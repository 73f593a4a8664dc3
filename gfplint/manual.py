"""The man page and the shells' completion scripts, written from the parser that also prints ``--help``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

#: Options whose value is a file or folder, which shells complete by themselves.
_FILE_VALUES = frozenset({"FILE", "FILE.c", "FILE.csv", "DIR", "PATH"})

#: What zsh's _arguments takes for its own in an option's description.
_ZSH_ESCAPES = {ord(character): f"\\{character}" for character in "[]:"}


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """A completion script for ``bash``, ``zsh`` or ``fish``."""
    write = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]
    return "".join(line + "\n" for line in write(parser))


def man_page(parser: argparse.ArgumentParser, version: str) -> str:
    """The manual page gfplint(1) as roff."""
    return "".join(line + "\n" for line in _man_lines(parser, version))


# ---- what the parser holds -----------------------------------------------------------------------------------


def _commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _summaries(parser: argparse.ArgumentParser) -> Mapping[str, str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return {choice.dest: choice.help or "" for choice in action._choices_actions}
    return {}


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.option_strings]


def _operands(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [
        action
        for action in parser._actions
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction)
    ]


def _takes_value(action: argparse.Action) -> bool:
    return action.nargs != 0


def _choices(action: argparse.Action) -> Sequence[str]:
    return [str(choice) for choice in action.choices or ()]


def _meta(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return "|".join(_choices(action)) or action.dest.upper()


def _help(action: argparse.Action) -> str:
    return "show this help and exit" if action.dest == "help" else action.help or ""


# ---- bash ----------------------------------------------------------------------------------------------------


def _bash(parser: argparse.ArgumentParser) -> Iterator[str]:
    commands = _commands(parser)
    yield "# bash completion for gfplint"
    yield "_gfplint() {"
    yield '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}"'
    yield "    COMPREPLY=()"
    yield '    if [ "$COMP_CWORD" -eq 1 ]; then'
    top = [name for action in _options(parser) for name in action.option_strings]
    yield f'        COMPREPLY=($(compgen -W "{" ".join([*commands, *top])}" -- "$word"))'
    yield "        return"
    yield "    fi"
    yield '    case "$command $before" in'
    for name, command in commands.items():
        yield from _bash_values(name, command)
    yield "    esac"
    yield '    case "$command" in'
    for name, command in commands.items():
        words = [word for action in _options(command) for word in action.option_strings]
        words += [choice for action in _operands(command) for choice in _choices(action)]
        yield f'    {name}) COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$word")) ;;'
    yield "    esac"
    yield "}"
    yield "complete -o default -F _gfplint gfplint"


def _bash_values(name: str, command: argparse.ArgumentParser) -> Iterator[str]:
    for action in _options(command):
        if not _takes_value(action):
            continue
        patterns = "|".join(f"'{name} {word}'" for word in action.option_strings)
        choices = _choices(action)
        if choices:
            yield f'    {patterns}) COMPREPLY=($(compgen -W "{" ".join(choices)}" -- "$word")); return ;;'
        else:
            yield f"    {patterns}) return ;;"  # the shell's own completion of files follows


# ---- zsh -----------------------------------------------------------------------------------------------------


def _zsh(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield "#compdef gfplint"
    yield "_gfplint() {"
    yield "    local -a commands=("
    for name, summary in _summaries(parser).items():
        yield f"        {_quoted(f'{name}:{summary}')}"
    yield "    )"
    yield "    if (( CURRENT == 2 )); then"
    yield "        _describe -t commands command commands"
    yield f"        _arguments {' '.join(_zsh_spec(action) for action in _options(parser))}"
    yield "        return"
    yield "    fi"
    yield "    local command=$words[2]"
    yield "    shift words"
    yield "    (( CURRENT-- ))"
    yield '    case "$command" in'
    for name, command in _commands(parser).items():
        specs = [_zsh_spec(action) for action in _options(command)]
        specs += [_zsh_operand(action) for action in _operands(command)]
        yield f"    {name})"
        yield f"        _arguments {' '.join(specs)}"
        yield "        ;;"
    yield "    esac"
    yield "}"
    yield 'if [ "$funcstack[1]" = _gfplint ]; then _gfplint "$@"; else compdef _gfplint gfplint; fi'


def _zsh_spec(action: argparse.Action) -> str:
    text = _help(action).translate(_ZSH_ESCAPES)
    value = f":{_meta(action).replace(':', '')}:{_zsh_values(action)}" if _takes_value(action) else ""
    return " ".join(_quoted(f"{name}[{text}]{value}") for name in action.option_strings)


def _zsh_operand(action: argparse.Action) -> str:
    return _quoted(f"*:{_meta(action)}:{_zsh_values(action)}")


def _zsh_values(action: argparse.Action) -> str:
    choices = _choices(action)
    if choices:
        return f"({' '.join(choices)})"
    return "_files" if _meta(action) in _FILE_VALUES else ""


# ---- fish ----------------------------------------------------------------------------------------------------


def _fish(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield "# fish completion for gfplint"
    for action in _options(parser):
        yield _fish_option("__fish_use_subcommand", action)
    for name, summary in _summaries(parser).items():
        yield f"complete -c gfplint -n __fish_use_subcommand -f -a {name} -d {_fish_quoted(summary)}"
    for name, command in _commands(parser).items():
        condition = f"'__fish_seen_subcommand_from {name}'"
        for action in _options(command):
            yield _fish_option(condition, action)
        for action in _operands(command):
            if choices := _choices(action):
                yield f"complete -c gfplint -n {condition} -f -a {_fish_quoted(' '.join(choices))}"


def _fish_option(condition: str, action: argparse.Action) -> str:
    names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in action.option_strings)
    value = ""
    if _takes_value(action):
        choices = _choices(action)
        value = f" -x -a {_fish_quoted(' '.join(choices))}" if choices else " -r"
    return f"complete -c gfplint -n {condition} {names}{value} -d {_fish_quoted(_help(action))}"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# ---- man -----------------------------------------------------------------------------------------------------


def _man_lines(parser: argparse.ArgumentParser, version: str) -> Iterator[str]:
    yield f'.TH GFPLINT 1 "" "gfplint {version}" "User Commands"'
    yield ".SH NAME"
    yield "gfplint \\- static linter for memory allocation in the Linux kernel"
    yield ".SH SYNOPSIS"
    for number, (name, command) in enumerate(_commands(parser).items()):
        operands = " ".join(_synopsis(action) for action in _operands(command))
        options = " [\\fIOPTION\\fR]..." if name != "kbuild" else ""
        if number:
            yield ".br"
        yield f"\\fBgfplint {name}\\fR{options} {operands}".rstrip()
    yield ".SH DESCRIPTION"
    yield _roff(parser.description or "")
    yield ".SH COMMANDS"
    for name, summary in _summaries(parser).items():
        yield ".TP"
        yield f"\\fB{name}\\fR"
        yield _roff(summary[:1].upper() + summary[1:] + ".")
    for name, command in _commands(parser).items():
        yield f'.SH "OPTIONS OF {name.upper()}"'
        for action in [*_operands(command), *_options(command)]:
            yield ".TP"
            yield _man_head(action)
            yield _roff(_help(action) + ".")
    yield from _man_tail()


def _man_tail() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    for status, meaning in (
        ("0", "Nothing was shown."),
        ("1", "Findings were shown."),
        (
            "2",
            "The run failed or was incomplete: a bad option, or files that could not be linted, each named on stderr.",
        ),
        ("130", "It was interrupted (Ctrl-C)."),
    ):
        yield ".TP"
        yield f"\\fB{status}\\fR"
        yield _roff(meaning)
    yield ".SH ENVIRONMENT"
    yield ".TP"
    yield "\\fBNO_COLOR\\fR"
    yield "If set, text is not coloured unless \\fB\\-\\-color always\\fR asks for it."
    yield ".TP"
    yield "\\fBXDG_CACHE_HOME\\fR"
    yield "Where the index is kept, in a folder \\fIgfplint\\fR; \\fI~/.cache\\fR if it is not set."
    yield ".TP"
    yield "\\fBGFPLINT_DEBUG\\fR"
    yield "If set, an internal error is told with the place where it happened."
    yield ".SH FILES"
    yield ".TP"
    yield "\\fI.gfplint.toml\\fR"
    yield "Configuration of a tree: selection, wrappers, contexts, entry points."
    yield ".TP"
    yield "\\fI.gfplint-baseline.json\\fR"
    yield "Findings that are accepted, as \\fBgfplint baseline\\fR writes them."


def _synopsis(action: argparse.Action) -> str:
    name = f"\\fI{_roff(_meta(action))}\\fR"
    return {"*": f"[{name}...]", "?": f"[{name}]"}.get(str(action.nargs), name)


def _man_head(action: argparse.Action) -> str:
    value = f" \\fI{_roff(_meta(action))}\\fR" if _takes_value(action) else ""
    if not action.option_strings:
        return value.strip()
    return ", ".join(f"\\fB{_roff(name)}\\fR" for name in action.option_strings) + value


def _roff(text: str) -> str:
    """``text`` for roff: backslashes and hyphens literal, no line taken for a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped
