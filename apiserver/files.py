"""Configuration files in upstream's forms, read strictly: a kind's YAML into a frozen Struct."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from vaina.config import ConfigError
from vaina.objects.tree import TextError, decode_text, duplicates_of
from vaina.objects.yaml_text import parse_yaml

S = TypeVar("S", bound=msgspec.Struct)


def parse_file(path: Path, data: bytes, struct: type[S], api_version: str) -> S:
    """Return what a file says of a Struct that is named as its kind. Raises ConfigError.

    Unknown fields and fields that stand twice are refused, as upstream's strict decoders do.
    """
    if not data:
        raise ConfigError(f'file "{path}" is empty')
    try:
        documents = [tree for tree, _ in parse_yaml(decode_text(data)) if tree is not None]
        if len(documents) != 1 or not isinstance(documents[0], dict):
            raise ConfigError(f'file "{path}": one {struct.__name__} is wanted')
        tree = documents[0]
        if (again := sorted(_duplicates(tree))) != []:
            raise ConfigError(f'file "{path}": {", ".join(again)}: duplicate field')
        _check_type(path, tree, struct.__name__, api_version)
        return msgspec.convert(tree, struct)
    except (TextError, msgspec.ValidationError) as error:
        raise ConfigError(f'file "{path}": {error}') from error


def _check_type(path: Path, tree: dict[str, Any], kind: str, api_version: str) -> None:
    if (tree.pop("apiVersion", ""), tree.pop("kind", "")) != (api_version, kind):
        raise ConfigError(f'file "{path}": apiVersion: {api_version} and kind: {kind} are wanted')


def _duplicates(value: object) -> set[str]:
    """Return the names that stand more than once in any object of a tree."""
    if isinstance(value, list):
        return set().union(*map(_duplicates, value))
    if isinstance(value, dict):
        return set(duplicates_of(value)).union(*map(_duplicates, value.values()))
    return set()
