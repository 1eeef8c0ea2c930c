"""The selection of a list or watch (a prefix, selectors of labels and fields), and the outlet of a watch.

Pure. The selectors are those of `vaina.objects.selectors`; storage calls only their `matches`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from apiserver.storage.interface import Key


class Matcher(Protocol):
    """A label or field selector."""

    def matches(self, values: Mapping[str, str], /) -> bool:
        """Tell whether labels or fields are selected."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Objects below a prefix whose labels and fields match."""

    #: of a kind, or of a namespace within it; ends with a slash
    prefix: Key
    #: one object alone (a field selector metadata.name=x): its key
    key: Key | None = None
    #: None: all
    labels: Matcher | None = None
    #: None: all
    fields: Matcher | None = None
    #: (field, value) when the field selector demands that an indexed field has this value: ("spec.nodeName",
    #: "node-1")
    index: tuple[str, str] | None = None


class Outlet(Protocol):
    """Of one stream. Owned by its event loop."""

    @property
    def is_busy(self) -> bool:
        """Whether the last message is still on its way."""
        ...

    def send(self, message: bytes, events: int) -> None:
        """Send a message with so many events; not while busy. Raises ApiError: the stream is to end with it."""
        ...

    def on_idle(self, callback: Callable[[], None]) -> None:
        """Call back each time that a message is on its way and the next may follow."""
        ...
