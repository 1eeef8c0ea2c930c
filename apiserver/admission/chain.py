"""The admission chain: what must be looked up, or changed, before an object is stored.

Called by the registry's store for creates, updates and deletes; plugins run in the order in which they stand,
and the first refusal ends the request. A create is shown to them four times: `admit` before the object is
completed and validated, `validate` afterwards, `charge` when it is about to be stored, `confirm` when it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from google.protobuf.message import Message

from apiserver import refusals
from apiserver.context import Context
from apiserver.storage.interface import Version
from vaina.errors import ApiError, Forbidden
from vaina.kinds import Kind


class Operation(StrEnum):
    """What is to be done."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(slots=True)
class Attributes:
    """What a plugin may know of a request. Plugins change nothing but the object and the checks."""

    context: Context
    operation: Operation
    kind: Kind[Any]
    namespace: str
    name: str
    #: may be changed by plugins; None for DELETE, and for a patch
    object: Message | None = None
    #: what is still to be asked about an update, of (new, old), once what is stored is known; may raise (also
    #: Owed), runs again on conflict
    checks: list[Callable[[Any, Any], None]] = field(default_factory=list)
    #: of an update: the part of the object that it is about, or empty
    subresource: str = ""

    @property
    def shown_name(self) -> str:
        """The name in refusals, or what a generated one begins with (apiserver `pkg/admission/errors.go`)."""
        obj: Any = self.object
        return self.name or ("" if obj is None else obj.metadata.generate_name)

    def forbidden(self, why: str) -> Forbidden:
        return refusals.forbidden(self.kind, self.shown_name, why)


class Plugin(Protocol):
    """One check, or one change."""

    #: What it does with a new object is the same for another that differs in nothing but its name, at the
    #: same time; only its words name the object. Then of many such objects the first alone is shown to it.
    ignores_names: bool

    async def admit(self, attributes: Attributes) -> None:
        """Change the object, or raise an ApiError."""
        ...


@runtime_checkable
class Confirming(Protocol):
    """A plugin that looks again when the object is stored: what it looked up may have changed meanwhile."""

    async def confirm(self, attributes: Attributes, version: Version) -> None:
        """Raise an ApiError when the object, stored at a version, may not stay.

        When it may, so may those of its namespace that were stored before it in the same batch: they are not
        asked about.
        """
        ...


@runtime_checkable
class Validating(Protocol):
    """A plugin that looks at new objects which are complete and valid, and changes nothing (upstream's
    validating admission). Of an update it adds a check.
    """

    async def validate(self, batch: Sequence[Attributes]) -> Sequence[ApiError | None]:
        """Return for each object why it may not be stored; None when it may."""
        ...


@runtime_checkable
class StatusChecking(Protocol):
    """A plugin that looks at writes of the status, once what is stored is known, and changes nothing."""

    def check_status(self, context: Context, kind: Kind[Any], new: Any, old: Any) -> None:
        """Raise an ApiError when the status may not be written. Runs again on conflict."""
        ...


#: gives back what was charged, when the object was certainly not stored
Refund = Callable[[], Awaitable[None]]


async def nothing_to_refund() -> None:
    """Give nothing back."""


class Owed(Exception):
    """Raised by a check of an update: it has to be charged first (`apiserver.registry.changing`).

    Nothing is written then.
    """

    def __init__(self, pay: Callable[[], Awaitable[Refund | None]]) -> None:
        super().__init__("the update is not paid for")
        self.pay = pay


@runtime_checkable
class Charging(Protocol):
    """A plugin that takes something for an object which is complete, valid and about to be stored."""

    async def counts(self, attributes: Attributes) -> bool:
        """Say whether there is anything to take. Raises an ApiError."""
        ...

    async def charge(self, attributes: Attributes) -> Refund | None:
        """Take it, or raise an ApiError. None when there is nothing to give back."""
        ...


class Chain:
    """Plugins in order."""

    def __init__(self, plugins: Sequence[Plugin] = ()) -> None:
        self._plugins = tuple(plugins)
        #: what `Plugin.ignores_names` says, of all
        self.ignores_names = all(plugin.ignores_names for plugin in plugins)
        self._validating = tuple(plugin for plugin in plugins if isinstance(plugin, Validating))
        self._charging = tuple(plugin for plugin in plugins if isinstance(plugin, Charging))
        self._checking_status = tuple(plugin for plugin in plugins if isinstance(plugin, StatusChecking))
        self._confirming = tuple(plugin for plugin in plugins if isinstance(plugin, Confirming))

    async def admit(self, attributes: Attributes) -> None:
        """Ask every plugin. Raises the first refusal."""
        for plugin in self._plugins:
            await plugin.admit(attributes)

    def check_status(self, context: Context, kind: Kind[Any], new: Any, old: Any) -> None:
        """Ask about a write of a status. Raises the first refusal."""
        for plugin in self._checking_status:
            plugin.check_status(context, kind, new, old)

    async def admit_all(self, batch: Sequence[Attributes]) -> list[ApiError | None]:
        """Ask every plugin about many objects; return the first refusal of each."""
        refused: list[ApiError | None] = [None] * len(batch)
        for plugin in self._plugins:
            for index, attributes in enumerate(batch):
                if refused[index] is None:
                    try:
                        await plugin.admit(attributes)
                    except ApiError as error:
                        refused[index] = error
        return refused

    async def validate_all(self, batch: Sequence[Attributes]) -> list[ApiError | None]:
        """Ask about many objects that are complete and valid; return the first refusal of each."""
        refused: list[ApiError | None] = [None] * len(batch)
        for plugin in self._validating:
            left = [index for index, refusal in enumerate(refused) if refusal is None]
            for index, refusal in zip(
                left, await plugin.validate([batch[index] for index in left]), strict=True
            ):
                refused[index] = refusal
        return refused

    async def charge_all(self, batch: Sequence[Attributes]) -> list[Refund | ApiError]:
        """Take what many objects cost, together; return the refund, or the refusal, of each."""
        taken: list[Refund | ApiError] = [nothing_to_refund] * len(batch)

        async def charge(index: int) -> None:
            try:
                taken[index] = await self.charge(batch[index])
            except ApiError as error:
                taken[index] = error

        async with asyncio.TaskGroup() as tasks:
            for index, attributes in enumerate(batch):
                if await self.counts(attributes):
                    tasks.create_task(charge(index))
        return taken

    async def counts(self, attributes: Attributes) -> bool:
        """Say whether an object costs anything. Most do not: no task is made for them."""
        try:
            return any([await plugin.counts(attributes) for plugin in self._charging])
        except ApiError:
            return True  # it will be raised again

    async def charge(self, attributes: Attributes) -> Refund:
        """Take what the object costs. Raises the first refusal; what was taken before it is given back."""
        refunds: tuple[Refund, ...] = ()

        async def refund() -> None:
            for give_back in reversed(refunds):
                await give_back()

        try:
            for plugin in self._charging:
                taken = await plugin.charge(attributes)
                refunds = refunds if taken is None else (*refunds, taken)
        except ApiError:
            await refund()
            raise
        return refund if refunds else nothing_to_refund

    async def confirm(self, attributes: Attributes, version: Version) -> None:
        """Ask again, after a create. Raises the first refusal: the object must be taken back."""
        for plugin in self._confirming:
            await plugin.confirm(attributes, version)
