"""`vaina create configmap` and `create secret generic`: data from the command line and from files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from cli import flags
from cli.commands.create import create_command, creates
from cli.failures import Failure
from vaina.api.core.v1 import config_pb2
from vaina.kinds import CONFIG_MAP, SECRET

#: a key and its value
_Pair = tuple[str, bytes]


def _read_data(
    made: config_pb2.ConfigMap | config_pb2.Secret,
    literals: Sequence[str],
    files: Sequence[str],
    env_files: Sequence[str],
) -> dict[str, bytes]:
    """Return the keys and values that were given for an object. Raises Failure: a key comes twice, for one."""
    if env_files and (files or literals):
        raise Failure("from-env-file cannot be combined with from-file or from-literal")
    data: dict[str, bytes] = {}
    for key, value in (*_from_files(files), *_literals(literals), *_env(env_files)):
        if key in data:
            raise Failure(
                f'cannot add key "{key}", another key by that name already exists in Data for '
                f'{made.DESCRIPTOR.name} "{made.metadata.name}"'
            )
        data[key] = value
    return data


def _literals(given: Sequence[str]) -> Iterator[_Pair]:
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise Failure(f"invalid literal source {text}, expected key=value")
        yield key, value.encode()


def _from_files(given: Sequence[str]) -> Iterator[_Pair]:
    """Read [key=]path of files and folders."""
    for text in given:
        key, equals, name = text.rpartition("=")
        path = Path(name)
        if equals and not key:
            raise Failure(f"key name for file path {name} missing")
        if not path.is_dir():
            yield key or path.name, _read(path)
        elif equals:
            raise Failure("cannot give a key name for a directory path")
        else:
            yield from ((file.name, _read(file)) for file in sorted(path.iterdir()) if file.is_file())


def _env(given: Sequence[str]) -> Iterator[_Pair]:
    for name in given:
        for line in _read(Path(name)).decode(errors="replace").splitlines():
            text = line.lstrip()
            if text and not text.startswith("#"):
                key, _, value = text.partition("=")
                yield key, value.encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"error reading {path}: {error.strerror}") from error


def _sources(command: flags.F) -> flags.F:
    for name, field, metavar, help_text in (
        ("--from-literal", "literals", "KEY=VALUE", "A key and its value."),
        ("--from-file", "files", "[KEY=]PATH", "A file, or those of a folder."),
        ("--from-env-file", "env_files", "PATH", "A file of KEY=VALUE lines."),
    ):
        command = click.option(name, field, multiple=True, metavar=metavar, help=help_text)(command)
    return command


@creates(CONFIG_MAP, "configmap")
@_sources
def fill_config_map(made: config_pb2.ConfigMap, **sources: Sequence[str]) -> None:
    """Make a ConfigMap."""
    for key, value in _read_data(made, **sources).items():
        try:
            made.data[key] = value.decode()
        except UnicodeDecodeError:
            made.binary_data[key] = value


@create_command.group("secret")
def create_secret_command() -> None:
    """Make a Secret: vaina create secret generic NAME."""


@creates(SECRET, "generic", create_secret_command)
@_sources
@flags.text("--type", "Type of the Secret: Opaque where nothing is said.")
def fill_secret(made: config_pb2.Secret, type: str, **sources: Sequence[str]) -> None:
    """Make a Secret of data that is given."""
    made.type = type
    made.data.update(_read_data(made, **sources))
