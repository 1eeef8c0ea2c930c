"""Views: other forms, of another group or version, in which stored objects can be read and written. PURE.

A view has a message of its own, which the stored one is converted to and from as upstream's conversions do.
`VIEWS` lists them; the REST API serves each under its own path, and patches name the form that they are
written in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vaina.api.autoscaling.v1 import horizontal_pod_autoscaler_pb2
from vaina.api.events.v1 import event_pb2
from vaina.errors import BadRequest
from vaina.kinds import EVENT, HORIZONTAL_POD_AUTOSCALER, Kind
from vaina.objects.views import autoscalers, events


@dataclass(frozen=True, slots=True)
class View:
    """A form of a kind."""

    #: what it is called, and the message that travels
    shape: Kind[Any]
    #: the kind that is stored
    row: Kind[Any]
    #: from the stored message to that of the form, and back
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    #: names by which objects can be selected in this form -> those of the kind; empty: they are the kind's
    fields: Mapping[str, str] = field(default_factory=dict[str, str])


#: all views
VIEWS: Final = (
    View(
        Kind(
            "Event", "events", event_pb2.Event, EVENT.service, EVENT.etcd_prefix, group="events.k8s.io", singular="event",
            short_names=("ev",),
        ),
        EVENT, events.read, events.write, events.FIELDS,
    ),
    View(
        Kind(
            "HorizontalPodAutoscaler", "horizontalpodautoscalers", horizontal_pod_autoscaler_pb2.HorizontalPodAutoscaler,
            HORIZONTAL_POD_AUTOSCALER.service, HORIZONTAL_POD_AUTOSCALER.etcd_prefix, group="autoscaling",
            singular="horizontalpodautoscaler", short_names=("hpa",), categories=("all",), has_status=True,
        ),
        HORIZONTAL_POD_AUTOSCALER, autoscalers.read, autoscalers.write,
    ),
)  # fmt: skip
_BY_NAME: Final = {(view.row.kind, view.shape.api_version): view for view in VIEWS}


def view_of(row: Kind[Any], api_version: str) -> View | None:
    """Return the form of a kind that has an apiVersion; None: its stored form, which the empty text means too.

    Raises BadRequest: there is no such form.
    """
    if api_version in ("", row.api_version):
        return None
    found = _BY_NAME.get((row.kind, api_version))
    if found is None:
        raise BadRequest(f"{row.kind} has no form in version {api_version}")
    return found
