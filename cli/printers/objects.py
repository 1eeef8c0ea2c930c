"""Whole objects as JSON, YAML or names, and as a table of the user's own: `-o custom-columns=`."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from cli.printers.columns import resource_name
from cli.printers.jsonpath import JsonPathError, values
from cli.printers.table import Table
from vaina.kinds import Kind
from vaina.objects.manifest import to_dict, write_json
from vaina.objects.yaml_text import write_yaml

CUSTOM_COLUMNS = "custom-columns="
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
    found = as_values(items, single=single)
    return write_yaml(found) if output == "yaml" else write_json(found, indent=4) + "\n"


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


class ColumnsError(Exception):
    """The specification is none."""


def make_custom_table(spec: str, objects: Sequence[dict[str, Any]]) -> Table:
    """Make a table of objects as plain values by HEADER:PATH,HEADER:PATH (cli-runtime, `get/customcolumn.go`).

    Raises ColumnsError: the specification is none.
    """
    if not spec:
        raise ColumnsError("custom-columns format specified but no custom columns given")
    columns: list[tuple[str, str]] = []
    for part in spec.split(","):
        header, colon, path = part.partition(":")
        if not colon or not header or not path:
            raise ColumnsError(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
        columns.append((header, path))
    rows = [[_cell(path, value) for _, path in columns] for value in objects]
    return Table([header for header, _ in columns], rows)


def _cell(path: str, value: dict[str, Any]) -> str:
    plain = path.removeprefix("{").removesuffix("}")
    template = plain if plain.startswith((".", "[")) else f".{plain}"
    try:
        found = values(template, value)
    except JsonPathError as error:
        raise ColumnsError(str(error)) from error
    return ",".join(found) or "<none>"
