"""PURE: what the plans of several controllers are made of."""

from typing import NamedTuple, TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)

NORMAL, WARNING = "Normal", "Warning"


class Note(NamedTuple):
    """An Event to write: what `EventRecorder.event` takes after the object."""

    type: str
    reason: str
    message: str


def sooner(one: float | None, other: float | None) -> float | None:
    """Return the earlier of two times to look again; None is never."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def copy_of(message: M) -> M:
    """Return a copy to change: what a cache holds is shared, and read only."""
    made = type(message)()
    made.CopyFrom(message)
    return made
