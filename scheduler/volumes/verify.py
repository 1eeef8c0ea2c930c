"""PURE: is the catalogue true? It is filled anew from the API objects, and promises are counted from the plans.

Part of `vaina scheduler verify`; beside it `scheduler.debug.verify` (columns) and
`scheduler.debug.nominations_check`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scheduler.columns.readout import Difference
from scheduler.volumes.catalogue import Catalogue, Plan

#: objects that are compiled or compared between two pauses
STEP: Final = 256


@dataclass(frozen=True, slots=True)
class CapturedStorage:
    """The catalogue and the objects at one moment. The objects are the informers' own: read only."""

    have: Mapping[str, Mapping[str, object]]
    plans: Mapping[str, Plan]
    #: volumes, claims, classes, nodes, drivers, capacities, attachments
    objects: Mapping[str, Sequence[Any]]


def capture(catalogue: Catalogue, **objects: Sequence[Any]) -> CapturedStorage:
    """Take what is to be compared. One call, no await: all of it is of the same moment."""
    have = {what: dict(known) for what, known in catalogue.readout().items()}
    return CapturedStorage(have, dict(catalogue.plans), objects)


def verify(captured: CapturedStorage) -> Iterator[Difference | None]:
    """Yield where the catalogue is not what follows from the objects; None now and then: a pause."""
    fresh = Catalogue()
    for kind, objects in captured.objects.items():
        tell: Callable[[Any], None] = getattr(fresh, f"on_{kind}")
        for start in range(0, len(objects), STEP):
            tell([(None, item) for item in objects[start : start + STEP]])
            yield None
    for uid, plan in captured.plans.items():
        fresh.promise(uid, plan)
    for what, want in fresh.readout().items():
        yield from _compare(what, captured.have[what], want)


def _compare(
    what: str, have: Mapping[str, object], want: Mapping[str, object]
) -> Iterator[Difference | None]:
    for number, name in enumerate(sorted(have.keys() | want.keys())):
        if number % STEP == STEP - 1:
            yield None
        actual, expected = have.get(name), want.get(name)
        if actual != expected:
            yield Difference(name, what, _words(actual), _words(expected))


def _words(value: object) -> str:
    if value is None:
        return "not there"
    return value if isinstance(value, str) else str(value)[:200]
