"""The tables of `vaina get`: which columns they have, in which order and colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from cli.printers.cells import (
    NONE,
    event_times,
    pairs_text,
)
from cli.printers.kind_columns import COLUMNS, OTHERS
from cli.printers.table import Styler, Table
from vaina.kinds import Kind


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


def make_table(kind: Kind[Any], items: Sequence[Message], now: float, shown: Shown = Shown()) -> Table:
    """Make the table of some objects of one kind; now in seconds since the epoch, for ages."""
    found = COLUMNS.get(kind.kind, OTHERS)
    columns = {**found.shown, **found.wide} if shown.wide else found.shown
    headers = [*columns]
    rows: list[Sequence[str]] = []
    for item in items:
        fields: Any = item
        cells = [cell(item, now) for cell in columns.values()]
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
