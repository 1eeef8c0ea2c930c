"""Configuration of a service: defaults, a YAML file, the environment and flags, in that order, in a frozen
Struct.

    class ApiserverConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        listen: str = "127.0.0.1:6443"      # VAINA_LISTEN, --listen, `listen:` in the file

Read once by `__main__`, which hands in the environment and the arguments. Unknown keys of the file and
unknown flags are errors. Of the environment only the fields' own names are read: services share one, and each
takes what it knows. `--help` lists the flags with the `#:` comments above their fields.
"""

import inspect
import re
import typing
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from vaina.objects.tree import MAX_BYTES, Number, TextError, decode_text
from vaina.objects.yaml_text import parse_yaml

S = TypeVar("S", bound=msgspec.Struct)

PREFIX = "VAINA_"
#: values of `fast_paths` that stand alone
ALL, NONE = "all", "none"


class ConfigError(Exception):
    """A configuration that cannot be used; the text names the key and where it came from."""


class HelpRequested(Exception):
    """The command line has `--help`; the text is the list of flags."""


def load(
    struct: type[S],
    *,
    argv: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> S:
    """Return the configuration of a service: a frozen Struct whose fields all have defaults, or are given.

    Flags are `--field-name value` or `--field-name=value`; `--config FILE` names a YAML file. Whatever is
    said in any of these ways goes before `defaults`.

    Raises ConfigError: an unknown key, or a value of the wrong type; HelpRequested: `--help` is among the
    flags.
    """
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    flags = _flags(argv, struct)
    environ = environ or {}
    path = flags.pop("config", environ.get(PREFIX + "CONFIG", ""))
    given = _file(path) if path else {}
    for name in given:
        if name not in fields:
            raise ConfigError(f'{path}: unknown key "{name}" (known: {", ".join(sorted(fields))})')
    values: dict[str, Any] = {**(defaults or {}), **given}
    for name, field in fields.items():
        text = environ.get(PREFIX + name.upper())
        if text is not None and text != "":
            values[name] = _value(text, field.type)
    for name, text in flags.items():
        values[name] = _value(text, fields[name].type)
    try:
        return msgspec.convert(values, struct, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"configuration: {error}") from error


def help_text(struct: type[msgspec.Struct]) -> str:
    """Return the flags of a service, one a line: what each is for, and its default."""
    comments: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if issubclass(base, msgspec.Struct) and base is not msgspec.Struct:
            comments |= _field_comments(inspect.getsource(base))
    rows = [("--config", "a YAML file with the keys below")]
    for field in msgspec.structs.fields(struct):
        default = field.default
        if isinstance(default, tuple):
            default = ",".join(str(part) for part in default)
        elif isinstance(default, bool):
            default = str(default).lower()
        shown = "" if default in ("", msgspec.NODEFAULT) else f"(default {default})"
        rows.append((_flag(field.name), f"{comments.get(field.name, '')} {shown}".strip()))
    width = max(len(flag) for flag, _ in rows)
    lines = (f"  {flag:{width}}  {text}" for flag, text in rows)
    head = "Flags; --some-name is also VAINA_SOME_NAME in the environment, and some_name in the file:"
    return "\n".join((head, *lines)) + "\n"


def _field_comments(source: str) -> dict[str, str]:
    found: dict[str, str] = {}
    words: list[str] = []
    for line in source.splitlines():
        if comment := re.fullmatch(r"    #: (.*)", line):
            words.append(comment[1])
            continue
        if words and (field := re.match(r"    (\w+):", line)):
            found[field[1]] = " ".join(words)
        words = []
    return found


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _flags(argv: Sequence[str], struct: type[msgspec.Struct]) -> dict[str, str]:
    found: dict[str, str] = {}
    fields = struct.__struct_fields__
    rest = list(argv)
    while rest:
        flag = rest.pop(0)
        if flag in ("--help", "-h"):
            raise HelpRequested(help_text(struct))
        name, equals, value = flag.removeprefix("--").partition("=")
        key = name.replace("-", "_")
        if not flag.startswith("--") or (key not in fields and key != "config"):
            known = ", ".join(_flag(field) for field in sorted(fields))
            raise ConfigError(f'unknown flag "{flag}" (known: --config, {known})')
        if not equals:
            if not rest:
                raise ConfigError(f"{flag}: a value is missing")
            value = rest.pop(0)
        found[key] = value
    return found


def _file(path: str) -> dict[str, Any]:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ConfigError(f"{path}: limit is {MAX_BYTES} bytes")
        documents = parse_yaml(decode_text(raw))
    except (OSError, TextError) as error:
        raise ConfigError(f"{path}: {error}") from error
    data: Any = next((value for value, _ in documents if value is not None), {})
    if not isinstance(data, dict) or len(documents) > 1:
        raise ConfigError(f"{path}: a mapping is expected, in one document")
    # Fractions are kept as they were written: msgspec makes numbers of them.
    return {key: str(value) if isinstance(value, Number) else value for key, value in data.items()}


def _value(text: str, kind: Any) -> Any:
    """A list is written with commas; the other types are left to msgspec."""
    if typing.get_origin(kind) in (tuple, list, frozenset):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def choose(given: Collection[str], known: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the accelerators that are on, of `fast_paths`: `all`, `none`, or some of `known`.

    An accelerator does what the plain path does, faster. It stands behind the same Protocol and is switched
    on in the service's `build.py`, nowhere else. Each service says in its `fast_paths.py` which it has and
    what each does; docs/fast-paths.md says what each gives.

    Raises ConfigError: a name that the service does not have, or `all` or `none` beside others.
    """
    names = frozenset(given)
    if names == {ALL}:
        return frozenset(known)
    if names == {NONE}:
        return frozenset()
    if not names or (wrong := sorted(names - frozenset(known))):
        said = ", ".join(f'"{name}"' for name in wrong) if names else "nothing"
        allowed = ", ".join((ALL, NONE, *sorted(known)))
        raise ConfigError(f"fast_paths: {said} (allowed: {allowed}; {ALL} and {NONE} stand alone)")
    return names
