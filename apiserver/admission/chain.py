"""The admission chain: what must be looked up, or changed, before an object is stored.

Called by the registry's store for creates, updates and deletes; plugins run in the order in which they stand, and the
first refusal ends the request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from google.protobuf.message import Message

from apiserver.registry.context import Context
from vaina.kinds import Kind


class Operation(StrEnum):
    """What is to be done."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a plugin may know of a request."""

    context: Context
    operation: Operation
    kind: Kind[Any]
    namespace: str
    name: str
    #: may be changed by plugins; None for DELETE
    object: Message | None = None


class Plugin(Protocol):
    """One check, or one change."""

    async def admit(self, attributes: Attributes) -> None:
        """Change the object, or raise an ApiError."""
        ...


@runtime_checkable
class Confirming(Protocol):
    """A plugin that looks again when the object is stored: what it looked up may have changed meanwhile."""

    async def confirm(self, attributes: Attributes) -> None:
        """Raise an ApiError when the object may not stay."""
        ...


class Chain:
    """Plugins in order."""

    def __init__(self, plugins: Sequence[Plugin] = ()) -> None:
        self._plugins = tuple(plugins)
        self._confirming = tuple(plugin for plugin in plugins if isinstance(plugin, Confirming))

    async def admit(self, attributes: Attributes) -> None:
        """Ask every plugin. Raises the first refusal."""
        for plugin in self._plugins:
            await plugin.admit(attributes)

    async def confirm(self, attributes: Attributes) -> None:
        """Ask again, after a create. Raises the first refusal: the object must be taken back."""
        for plugin in self._confirming:
            await plugin.confirm(attributes)
