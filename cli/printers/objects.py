"""Whole objects as JSON, YAML or names."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from cli.printers.columns import resource_name
from vaina.kinds import Kind
from vaina.objects.manifest import to_dict, write_json
from vaina.objects.yaml_text import write_yaml

#: an object with its kind
Item = tuple[Kind[Any], Message]


def as_values(items: Sequence[Item], *, single: bool) -> dict[str, Any]:
    """Return one object, or a List of all, as plain values; the owners of fields are left out, as by kubectl."""
    found = [to_dict(kind, message) for kind, message in items]
    for value in found:
        value.get("metadata", {}).pop("managedFields", None)
    if single and len(found) == 1:
        return found[0]
    return {"apiVersion": "v1", "items": found, "kind": "List", "metadata": {"resourceVersion": ""}}


def print_objects(items: Sequence[Item], output: str, *, single: bool = True) -> str:
    """Write objects as YAML, or as JSON indented by four; `single`: one object is no List."""
    values = as_values(items, single=single)
    return write_yaml(values) if output == "yaml" else write_json(values, indent=4) + "\n"


def object_name(kind: Kind[Any], name: str) -> str:
    """Return what identifies an object on the command line: pod/web, replicaset.apps/web."""
    return f"{resource_name(kind)}/{name}"


def dry_run_suffix(dry_run: str) -> str:
    """Return what stands behind "created" and its like where it was only tried: none, client or server."""
    return {"none": "", "client": " (dry run)", "server": " (server dry run)"}[dry_run]


def print_names(items: Sequence[Item]) -> str:
    """Write one name a line: pod/web."""
    lines: list[str] = []
    for kind, message in items:
        fields: Any = message
        lines.append(f"{object_name(kind, fields.metadata.name)}\n")
    return "".join(lines)
