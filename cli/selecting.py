"""The objects that a command is about: one by name, or those that flags choose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from cli.shell import Shell
from vaina.client.clientset import Clientset
from vaina.kinds import Kind


@dataclass(frozen=True, slots=True)
class Selection:
    """The words of a command, and the flags of `flags.selecting`."""

    words: Sequence[str] = ()
    all_namespaces: bool = False
    label_selector: str = ""
    field_selector: str = ""


async def find(
    shell: Shell, clients: Clientset, kind: Kind[Message], name: str, selection: Selection, *, page: int = 0
) -> list[Any]:
    """Return the object of a name, or without one all objects of the kind that are selected. Raises ApiError."""
    client = clients.kind(kind)
    if name:
        return [await client.get(name, shell.place(kind))]
    listed = await client.list(
        shell.place(kind, everywhere=selection.all_namespaces),
        label_selector=selection.label_selector,
        field_selector=selection.field_selector,
        page=page,
    )
    return [*listed.items]
