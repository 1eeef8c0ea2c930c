"""`-o custom-columns=NAME:.metadata.name,...`: a table of the user's own.

Follows kubectl (cli-runtime, `get/customcolumn.go`).
"""

from collections.abc import Sequence
from typing import Any

from cli.printers.jsonpath import JsonPathError, values
from cli.printers.table import Table

PREFIX = "custom-columns="


class ColumnsError(Exception):
    """The specification is none."""


def make_custom_table(spec: str, objects: Sequence[dict[str, Any]]) -> Table:
    """Make the table of some objects as plain values.

    Args:
        spec: HEADER:PATH,HEADER:PATH.
        objects: the rows.

    Raises:
        ColumnsError: the specification is none.
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
