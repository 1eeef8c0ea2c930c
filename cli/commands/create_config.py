"""`vaina create configmap` and `vaina create secret generic`.

Data from the command line and from files, as kubectl takes them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cli import flags
from cli.commands.making import make
from cli.failures import Failure
from vaina.api.core.v1 import config_pb2
from vaina.kinds import CONFIG_MAP, SECRET


@dataclass(frozen=True, slots=True)
class ConfigOptions:
    """What `create configmap` or `create secret generic` was asked for."""

    name: str
    literals: Sequence[str] = ()
    #: [key=]path of a file, or of a folder
    files: Sequence[str] = ()
    env_files: Sequence[str] = ()
    type: str = ""
    namespace: str = ""
    dry_run: str = "none"
    output: str = ""


def read_data(options: ConfigOptions, kind: str) -> dict[str, bytes]:
    """Return the keys and values that were given.

    Args:
        options: where they are.
        kind: whose data they become, for words of errors.

    Raises:
        Failure: one of them cannot be read, or a key comes twice.
    """
    if options.env_files and (options.files or options.literals):
        raise Failure("from-env-file cannot be combined with from-file or from-literal")
    data: dict[str, bytes] = {}
    for key, value in (*_from_files(options.files), *_literals(options.literals), *_env(options.env_files)):
        if key in data:
            raise Failure(
                f'cannot add key "{key}", another key by that name already exists in Data for {kind} "{options.name}"'
            )
        data[key] = value
    return data


def _literals(given: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise Failure(f"invalid literal source {text}, expected key=value")
        yield key, value.encode()


def _from_files(given: Sequence[str]) -> Iterator[tuple[str, bytes]]:
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


def _env(given: Sequence[str]) -> Iterator[tuple[str, bytes]]:
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


def make_config_map(options: ConfigOptions, namespace: str) -> config_pb2.ConfigMap:
    """Make the ConfigMap; what is not text becomes binary data. Raises Failure."""
    made = config_pb2.ConfigMap(metadata={"name": options.name, "namespace": namespace})
    for key, value in read_data(options, "ConfigMap").items():
        try:
            made.data[key] = value.decode()
        except UnicodeDecodeError:
            made.binary_data[key] = value
    return made


def make_secret(options: ConfigOptions, namespace: str) -> config_pb2.Secret:
    """Make the Secret. Raises Failure."""
    made = config_pb2.Secret(metadata={"name": options.name, "namespace": namespace}, type=options.type)
    made.data.update(read_data(options, "Secret"))
    return made


def _sources(command: Any) -> Any:
    for decorate in (
        click.argument("name"), flags.writing, flags.namespace,
        click.option("--from-literal", "literals", multiple=True, metavar="KEY=VALUE", help="A key and its value."),
        click.option("--from-file", "files", multiple=True, metavar="[KEY=]PATH", help="A file, or those of a folder."),
        click.option("--from-env-file", "env_files", multiple=True, metavar="PATH", help="A file of KEY=VALUE lines."),
    ):  # fmt: skip
        command = decorate(command)
    return command


@click.command("configmap")
@_sources
def create_configmap_command(**options: Any) -> None:
    """Make a ConfigMap."""
    given = ConfigOptions(**options)
    flags.start(
        lambda shell, clients: make(
            shell, clients, CONFIG_MAP, make_config_map(given, given.namespace or shell.namespace), given
        )
    )


@click.group("secret")
def create_secret_command() -> None:
    """Make a Secret: vaina create secret generic NAME."""


@create_secret_command.command("generic")
@_sources
@click.option("--type", default="", help="Type of the Secret: Opaque where nothing is said.")
def create_generic_secret_command(**options: Any) -> None:
    """Make a Secret of data that is given."""
    given = ConfigOptions(**options)
    flags.start(
        lambda shell, clients: make(
            shell, clients, SECRET, make_secret(given, given.namespace or shell.namespace), given
        )
    )
