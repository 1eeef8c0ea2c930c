"""What a command line may look like, as plain values: made of click's commands, kept in a file for the next Tab.

The file is in the user's cache folder and is made again when a module of the command has changed. `vaina
completion SHELL` makes it too, so that the first Tab finds it.
"""

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

#: command ("", "get", "create secret") -> its sub-commands and flags
Grammar = dict[str, Any]
_HERE: Final = Path(__file__).resolve().parents[1]
_FORM: Final = 2


def cache_file(environment: Mapping[str, str]) -> Path:
    """Return where the grammar is kept."""
    folder = environment.get("XDG_CACHE_HOME") or str(
        Path(environment.get("HOME") or "~").expanduser() / ".cache"
    )
    return Path(folder) / "vaina" / "completion.json"


def load(file: Path) -> Grammar:
    """Return the grammar: the kept one, or a new one, which is kept when it can be."""
    stamp = _stamp()
    with suppress(OSError, ValueError, AttributeError):
        kept: Grammar = json.loads(file.read_bytes())
        if kept.get("stamp") == stamp:
            return kept
    made = {**build(), "stamp": stamp}
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(made))
        part.replace(file)
    return made


def _stamp() -> list[Any]:
    """Return what changes when the command does: where it is, and when its modules were written."""
    written = [
        entry.stat().st_mtime_ns
        for folder in (_HERE, _HERE / "commands", _HERE.parent / "vaina")
        for entry in os.scandir(folder)
        if entry.name.endswith(".py")
    ]
    return [_FORM, str(_HERE), sys.hexversion, len(written), max(written)]


def build() -> Grammar:
    """Make the grammar of the command as it is. Imports all of it."""
    import click

    from cli.app import cli
    from vaina.kinds import KINDS, KINDS_BY_NAME
    from vaina.lessons.shelf import rows

    commands: Grammar = {}

    def add(path: str, command: click.Command, context: click.Context) -> None:
        below: dict[str, str] = {}
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                if inner is None or inner.hidden:
                    continue
                below[name] = inner.get_short_help_str(80)
                add(f"{path} {name}".strip(), inner, click.Context(inner, parent=context))
        options = {
            name: {
                "takes": not (option.is_flag or option.count),
                "choices": _choices(option),
                "help": option.help or "",
            }
            for option in command.get_params(context)
            if isinstance(option, click.Option) and not option.hidden
            for name in option.opts
        }
        first = next((item for item in command.params if isinstance(item, click.Argument)), None)
        commands[path] = {
            "below": below,
            "options": options,
            "choices": _choices(first),
            "words": first is not None,
        }

    add("", cli, click.Context(cli))
    commands["learn"]["choices"] = [*rows("en")]
    kinds = {
        kind.plural: {
            "method": kind.method("List"),
            "path": f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}",
            "namespaced": kind.namespaced,
        }
        for kind in KINDS
    }
    names = {name: kind.plural for name, kind in KINDS_BY_NAME.items()}
    return {"commands": commands, "kinds": kinds, "names": names}


def _choices(item: Any) -> list[str]:
    return [str(choice) for choice in getattr(getattr(item, "type", None), "choices", ()) if choice]
