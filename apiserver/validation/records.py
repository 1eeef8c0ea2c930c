"""Rules for what the cluster writes down about itself: Events, Leases, PodTraces.

Follows `pkg/apis/core/validation/events.go` (legacyValidateEvent of Events that come as core/v1, besides the
strict rules of those that come as events.k8s.io/v1) and `pkg/apis/coordination/validation`; PodTrace is vaina's
own.
"""

from typing import Final

from apiserver.validation import metadata
from apiserver.validation.place import Place
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import event_pb2
from vaina.api.trace.v1 import trace_pb2
from vaina.objects import names
from vaina.steps import PodStep

_MAX_SHORT: Final = 128
_MAX_NOTE: Final = 1024
_STRATEGIES: Final = ("OldestEmulationVersion",)
_OTHER_NAMESPACE: Final = "does not match event.namespace"


#: what both forms have, which in the newer one stays as it was made
_STAYING: Final = (
    "involved_object", "reason", "message", "source", "first_timestamp", "last_timestamp", "count", "type",
    "event_time", "action", "related",
)  # fmt: skip
_MICROSECOND: Final = 1000


def check_event(root: Place, event: event_pb2.Event) -> None:
    """Check an Event of core/v1, new or changed: those with an eventTime are of the newer kind."""
    _check_event(root, event, "reportingComponent")


def check_newer_event(root: Place, event: event_pb2.Event) -> None:
    """Check a new Event that comes as events.k8s.io/v1; violations have the stored form's names."""
    _check_event(root, event, "reportingController")
    metadata.check_create(root, event.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_series(root, event)
    if not event.event_time.ByteSize():
        root.child("eventTime").required()
    if event.type not in {"Normal", "Warning"}:
        root.child("type").invalid("", f"has invalid value: {event.type}")
    for field in ("first_timestamp", "last_timestamp", "count", "source"):
        value = getattr(event, field)
        if value if field == "count" else value.ByteSize():
            root.field(event, field).invalid("", "needs to be unset")


def check_newer_event_update(root: Place, new: event_pb2.Event, old: event_pb2.Event) -> None:
    """Check an Event that is changed as events.k8s.io/v1: its series may go on, all else stays."""
    _check_event(root, new, "reportingController")
    metadata.check_update(root, new.metadata, old.metadata)
    if new.series != old.series:
        _check_series(root, new)
    for field in _STAYING:
        now, before = getattr(new, field), getattr(old, field)
        if field == "event_time":
            # Some clients write less than a microsecond, and some drop it.
            same = now.seconds == before.seconds and now.nanos // _MICROSECOND == before.nanos // _MICROSECOND
            now = before if same else now
        root.field(new, field).check_immutable(now, before)
    root.child("reportingController").check_immutable(new.reporting_component, old.reporting_component)
    root.child("reportingInstance").check_immutable(new.reporting_instance, old.reporting_instance)


def _check_series(root: Place, event: event_pb2.Event) -> None:
    if not event.HasField("series"):
        return
    path = root.child("series")
    if event.series.count < 2:
        path.child("count").invalid("", "should be at least 2")
    if not event.series.last_observed_time.ByteSize():
        path.child("lastObservedTime").required()


def _check_event(root: Place, event: event_pb2.Event, controller: str) -> None:
    if not event.metadata.name:
        root.child("metadata", "name").required("name or generateName is required")
    else:
        # Those that clients make are called `<pod>.<hash>`.
        root.child("metadata", "name").check_value(event.metadata.name, names.path_segment)
    if event.event_time.ByteSize():
        _check_new_event(root, event, controller)
    else:
        _check_old_event(root.child("involvedObject"), event)
    root.child("namespace").check_value(event.metadata.namespace, names.dns_1123_subdomain)


def _check_old_event(path: Place, event: event_pb2.Event) -> None:
    namespace, concerned = event.metadata.namespace, event.involved_object.namespace
    fits = namespace == concerned if concerned else namespace in {"", "default"}
    if not fits:
        path.child("namespace").invalid(concerned, _OTHER_NAMESPACE)


def _check_new_event(root: Place, event: event_pb2.Event, controller: str) -> None:
    concerned = event.involved_object.namespace
    if not concerned and event.metadata.namespace not in {"default", "kube-system"}:
        root.child("involvedObject", "namespace").invalid(concerned, _OTHER_NAMESPACE)
    if not event.reporting_component:
        root.child(controller).required()
    root.child(controller).check_value(event.reporting_component, names.qualified_name)
    for shown, value in (
        ("reportingInstance", event.reporting_instance), ("action", event.action), ("reason", event.reason),
    ):  # fmt: skip
        if not value:
            root.child(shown).required()
        elif names.size(value) > _MAX_SHORT:
            root.child(shown).invalid("", f"can have at most {_MAX_SHORT} characters")
    if names.size(event.message) > _MAX_NOTE:
        root.child("message").invalid("", f"can have at most {_MAX_NOTE} characters")


def check_lease(root: Place, lease: lease_pb2.Lease) -> None:
    """Check a Lease."""
    path, spec = root.child("spec"), lease.spec
    if spec.HasField("lease_duration_seconds") and spec.lease_duration_seconds <= 0:
        path.child("leaseDurationSeconds").invalid(spec.lease_duration_seconds, "must be greater than 0")
    path.child("leaseTransitions").check_non_negative(spec.lease_transitions)
    if spec.HasField("strategy"):
        _check_strategy(path, spec.strategy)
    if spec.preferred_holder and not spec.strategy:
        path.child("preferredHolder").forbidden("may only be specified if `strategy` is defined")


def _check_strategy(path: Place, strategy: str) -> None:
    # Upstream adds the field's name to the path twice.
    at = path.child("strategy", "strategy")
    if "/" in strategy:
        at.check_value(strategy, names.qualified_name)
    else:
        at.check_supported(strategy, _STRATEGIES)


def check_trace(root: Place, trace: trace_pb2.PodTrace) -> None:
    """Check a PodTrace: it names its Pod, and each step once."""
    if not trace.spec.pod_name:
        root.child("spec", "podName").required()
    if not trace.spec.pod_uid:
        root.child("spec", "podUID").required()
    elif trace.spec.pod_uid != trace.metadata.name:
        root.child("spec", "podUID").invalid(trace.spec.pod_uid, "must be equal to metadata.name")
    _check_steps(root.child("status"), trace)


def check_trace_change(root: Place, new: trace_pb2.PodTrace, old: trace_pb2.PodTrace) -> None:
    """Check a changed PodTrace, spec or status: it stays that of its Pod."""
    root.child("spec").check_immutable(new.spec, old.spec)
    _check_steps(root.child("status"), new)


def _check_steps(path: Place, trace: trace_pb2.PodTrace) -> None:
    known = [step.name for step in PodStep]
    seen: set[str] = set()
    for index, record in enumerate(trace.status.steps):
        at = path.child("steps").index(index).child("step")
        if not record.step:
            at.required()
        elif record.step not in known:
            at.not_supported(record.step, known)
        elif record.step in seen:
            at.duplicate(record.step)
        seen.add(record.step)
    for index, record in enumerate(trace.status.waits):
        path.child("waits").index(index).child("step").check_supported(record.step, known)
