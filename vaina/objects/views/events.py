"""Events as events.k8s.io/v1 has them. PURE.

Follows `pkg/apis/events/v1/conversion.go`: each field of the one form is a field of the other, most under
another name.
"""

from collections.abc import Mapping
from typing import Final

from vaina.api.core.v1 import event_pb2 as core
from vaina.api.events.v1 import event_pb2 as newer

#: field of core/v1 -> of events.k8s.io/v1: messages
_MESSAGES: Final = {
    "metadata": "metadata", "involved_object": "regarding", "source": "deprecated_source",
    "first_timestamp": "deprecated_first_timestamp", "last_timestamp": "deprecated_last_timestamp",
    "event_time": "event_time", "related": "related",
}  # fmt: skip
#: ... texts and numbers
_SCALARS: Final = {
    "reason": "reason", "message": "note", "count": "deprecated_count", "type": "type", "action": "action",
    "reporting_component": "reporting_controller", "reporting_instance": "reporting_instance",
}  # fmt: skip
#: fields of selectors (AddFieldLabelConversionsForEvent)
FIELDS: Final[Mapping[str, str]] = {
    **{
        f"regarding.{name}": f"involvedObject.{name}"
        for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reportingController": "reportingComponent",
    **{name: name for name in ("reason", "type", "metadata.namespace", "metadata.name")},
}


def read(event: core.Event) -> newer.Event:
    """Return a stored Event in the newer form."""
    made = newer.Event()
    _copy(event, made, {**_MESSAGES, **_SCALARS})
    if event.HasField("series"):
        made.series.SetInParent()
        _copy(event.series, made.series, _SERIES)
    return made


def write(event: newer.Event) -> core.Event:
    """Return an Event of the newer form as it is stored."""
    made = core.Event()
    _copy(event, made, {theirs: ours for ours, theirs in (*_MESSAGES.items(), *_SCALARS.items())})
    if event.HasField("series"):
        made.series.SetInParent()
        _copy(event.series, made.series, _SERIES)
    return made


_SERIES: Final = {"count": "count", "last_observed_time": "last_observed_time"}
_Copied = core.Event | newer.Event | core.EventSeries | newer.EventSeries


def _copy(source: _Copied, target: _Copied, names: Mapping[str, str]) -> None:
    for descriptor, value in source.ListFields():
        name = names.get(descriptor.name)
        if name is None:
            continue
        if descriptor.message_type is None:
            setattr(target, name, value)
        else:
            getattr(target, name).CopyFrom(value)
