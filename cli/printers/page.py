"""A page of `vaina describe`: lines of names and values, and what the pages of all kinds begin with."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cli.printers.style import visible
from vaina.objects.times import format_time

NONE: Final = "<none>"
_TAB: Final = 2


class Page:
    """Lines of `name:  value`, in line within each block. Owned by one description."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, tuple[str, ...]]] = []

    def line(self, level: int, *cells: str) -> None:
        """Add a line of cells, `level` steps deep; what would break it, or the terminal, is written out."""
        self._lines.append((level, tuple(visible(cell).replace("\n", "\\n") for cell in cells)))

    def value(self, level: int, name: str, value: str) -> None:
        """Add `name:  value`; further lines of the value stand under its first."""
        first, *rest = value.removesuffix("\n").split("\n")
        self.line(level, f"{name}:", first)
        for more in rest:
            self.line(level, "", more)

    def pairs(self, level: int, name: str, values: Mapping[str, str]) -> None:
        """Add a map: one `key=value` a line, or <none>."""
        self.many(level, name, [f"{key}={values[key]}" for key in sorted(values)])

    def many(self, level: int, name: str, texts: Sequence[str]) -> None:
        """Add values under one another beside their name, or <none>."""
        self.value(level, name, "\n".join(texts) if texts else NONE)

    def values(self, level: int, *values: tuple[str, str | None]) -> None:
        """Add names with their values; None is left out."""
        for name, value in values:
            if value is not None:
                self.value(level, name, value)

    def table(self, level: int, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        self.line(level, *headers)
        self.line(level, *("-" * len(header) for header in headers))
        for row in rows:
            self.line(level, *row)

    def conditions(self, status: Any, *headers: str) -> None:
        if status.conditions:
            fields = [header.lower() for header in headers]
            self.line(0, "Conditions:")
            self.table(1, headers, ([getattr(item, field) for field in fields] for item in status.conditions))

    def text(self) -> str:
        """Return the page; the columns of neighbouring lines of one level are in line."""
        out: list[str] = []
        start = 0
        while start < len(self._lines):
            level, _ = self._lines[start]
            end = start + 1
            while end < len(self._lines) and self._shape(end) == self._shape(start):
                end += 1
            out.extend(_align([line[1] for line in self._lines[start:end]], " " * (_TAB * level)))
            start = end
        return "".join(f"{line}\n" for line in out)

    def _shape(self, index: int) -> tuple[int, int]:
        level, cells = self._lines[index]
        return level, len(cells)


def _align(rows: Sequence[tuple[str, ...]], indent: str) -> Iterable[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{cell:<{width + 2}}" for cell, width in zip(row[:-1], widths, strict=False)]
        yield (indent + "".join(cells) + row[-1]).rstrip()


def show_time(stamp: Any) -> str:
    """Write a time, or <unset>."""
    return format_time(stamp) or "<unset>"


def describe_meta(page: Page, obj: Any, *, namespaced: bool = True) -> None:
    """Begin a page with what every object has."""
    namespace = obj.metadata.namespace if namespaced else None
    page.values(0, ("Name", obj.metadata.name), ("Namespace", namespace))


def describe_labels(page: Page, obj: Any) -> None:
    """Add labels and annotations; the manifest that was applied last is left out, it is the object itself."""
    page.pairs(0, "Labels", obj.metadata.labels)
    shown = {
        key: value
        for key, value in obj.metadata.annotations.items()
        if not key.endswith("/last-applied-configuration")
    }
    page.many(0, "Annotations", [f"{key}: {shown[key]}" for key in sorted(shown)])


def controlled_by(obj: Any) -> str | None:
    """Return the object's controller as Kind/name; None: it has none."""
    return next((f"{o.kind}/{o.name}" for o in obj.metadata.owner_references if o.controller), None)
