"""What a plugin keeps for itself while it decides for one class of Pods."""

from typing import TypeVar

T = TypeVar("T")


class CycleState:
    """Values by plugin and kind, as long as the decisions of one class go on."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, object] = {}

    def write(self, plugin: str, value: object) -> None:
        self._values[plugin] = value

    def read(self, plugin: str, kind: type[T]) -> T:
        """Return what the plugin kept. It wrote it in its pre-filter or pre-score, or there is a bug."""
        value = self._values[plugin]
        assert isinstance(value, kind)
        return value

    def find(self, plugin: str, kind: type[T]) -> T | None:
        return self.read(plugin, kind) if plugin in self._values else None
