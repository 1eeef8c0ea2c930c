"""Objects as text: in the tables of `vaina get`, as JSON, YAML or names, and in columns of the user's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from cli.printers.jsonpath import JsonPathError, values
from cli.printers.table import Styler, Table
from vaina.kinds import Kind
from vaina.objects.manifest import to_dict, write_json
from vaina.objects.yaml_text import write_yaml
from vaina.printers.cells import NONE, event_times, pairs_text, text_of
from vaina.printers.columns import cells_of
from vaina.printers.kinds import DEFAULTS_OF_LISTS, columns_of, mark_default


def status_style(word: str) -> str:
    """Return the colour of a status word."""
    plain = word.split(",")[0].removeprefix("Init:")
    if plain in ("Running", "Ready", "Active", "Normal", "True"):
        return "green"
    if plain in ("Completed", "Complete", "Succeeded"):
        return "dim"
    if (
        plain in ("Failed", "Error", "NotReady", "Unknown", "Evicted", "OOMKilled", "NodeLost")
        or "BackOff" in plain
    ):
        return "red"
    return "red" if plain.startswith(("Err", "Invalid")) else "yellow"


def ready_style(cell: str) -> str:
    """Return the colour of a READY cell like 1/2."""
    have, _, want = cell.partition("/")
    return "" if have == want else "yellow"


_STYLERS: Final[dict[str, Styler]] = {
    "STATUS": status_style,
    "TYPE": lambda w: "yellow" if w == "Warning" else "",
}


def resource_name(kind: Kind[Any]) -> str:
    """Return the kind as names of objects begin with it: pod, replicaset.apps."""
    return f"{kind.singular}.{kind.group}" if kind.group else kind.singular


@dataclass(frozen=True, slots=True)
class Shown:
    """Which columns a table has beside those of its kind."""

    #: those of -o wide
    wide: bool = False
    #: first the namespace (-A)
    with_namespace: bool = False
    #: names as pod/web, for several kinds at once
    with_kind: bool = False
    #: keys of labels that have a column each (-L), behind the kind's own
    label_columns: Sequence[str] = ()
    #: all labels at the end (--show-labels)
    with_labels: bool = False
    #: what is shown was asked for as a list, not by names
    is_list: bool = False


def make_table(kind: Kind[Any], items: Sequence[Message], now: float, shown: Shown = Shown()) -> Table:
    """Make the table of some objects of one kind; now in seconds since the epoch, for ages."""
    columns = [column for column in columns_of(kind.kind) if shown.wide or not column.wide]
    headers = [column.name.upper() for column in columns]
    rows: list[Sequence[str]] = []
    find_default = DEFAULTS_OF_LISTS.get(kind.kind) if shown.is_list else None
    default = "" if find_default is None else find_default(items)
    for item in items:
        fields: Any = item
        values = cells_of(columns, item, now)
        mark_default(values, default)
        cells = [text_of(value) for value in values]
        if shown.with_kind and "NAME" in headers:
            place = headers.index("NAME")
            cells[place] = f"{resource_name(kind)}/{cells[place]}"
        if shown.with_namespace:
            cells.insert(0, fields.metadata.namespace)
        labels = fields.metadata.labels
        cells.extend(labels.get(key, "") for key in shown.label_columns)
        if shown.with_labels:
            cells.append(pairs_text(labels) or NONE)
        rows.append(cells)
    first = ["NAMESPACE"] if shown.with_namespace else []
    last = [key.rpartition("/")[2].upper() for key in shown.label_columns]
    last += ["LABELS"] if shown.with_labels else []
    stylers = dict(_STYLERS)
    if kind.kind == "Pod":
        stylers["READY"] = ready_style
    return Table((*first, *headers, *last), rows, stylers)


def sort_items(kind: Kind[Any], items: Sequence[Message]) -> list[Message]:
    """Return the objects in the order of a table: by namespace and name, events by when they were last seen."""

    def key(item: Any) -> tuple[Any, ...]:
        if kind.kind == "Event":
            return (event_times(item)[1] or 0.0, item.metadata.name)
        if kind.kind == "PodTrace":
            return (item.metadata.namespace, item.metadata.creation_timestamp.seconds, item.spec.pod_name)
        return (item.metadata.namespace, item.metadata.name)

    return sorted(items, key=key)


CUSTOM_COLUMNS = "custom-columns="
#: an object with its kind
Item = tuple[Kind[Any], Message]


def as_values(items: Sequence[Item], *, single: bool, managed_fields: bool = False) -> dict[str, Any]:
    """Return one object, or a List of all, as plain values.

    The owners of fields are left out, as by kubectl, unless `managed_fields` are to be shown.
    """
    found = [to_dict(kind, message) for kind, message in items]
    for value in () if managed_fields else found:
        value.get("metadata", {}).pop("managedFields", None)
    if single and len(found) == 1:
        return found[0]
    return {"apiVersion": "v1", "items": found, "kind": "List", "metadata": {"resourceVersion": ""}}


def print_objects(
    items: Sequence[Item], output: str, *, single: bool = True, managed_fields: bool = False
) -> str:
    """Write objects as YAML, or as JSON indented by four; `single`: one object is no List."""
    found = as_values(items, single=single, managed_fields=managed_fields)
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
