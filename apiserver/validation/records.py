"""Rules for what the cluster writes down about itself: Events, Leases, PodTraces.

Follows `pkg/apis/core/validation/events.go` (of the core group: the legacy rules) and
`pkg/apis/coordination/validation`; PodTrace is vaina's own.
"""

from typing import Final

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


def check_event(root: Place, event: event_pb2.Event) -> None:
    """Check an Event, new or changed: those with an eventTime are of the newer kind."""
    if not event.metadata.name:
        root.child("metadata", "name").required("name or generateName is required")
    else:
        # Those that clients make are called `<pod>.<hash>`.
        root.child("metadata", "name").check_value(event.metadata.name, names.path_segment)
    if event.event_time.ByteSize():
        _check_new_event(root, event)
    else:
        _check_old_event(root.child("involvedObject"), event)
    root.child("namespace").check_value(event.metadata.namespace, names.dns_1123_subdomain)


def _check_old_event(path: Place, event: event_pb2.Event) -> None:
    namespace, concerned = event.metadata.namespace, event.involved_object.namespace
    fits = namespace == concerned if concerned else namespace in {"", "default"}
    if not fits:
        path.child("namespace").invalid(concerned, _OTHER_NAMESPACE)


def _check_new_event(root: Place, event: event_pb2.Event) -> None:
    concerned = event.involved_object.namespace
    if not concerned and event.metadata.namespace not in {"default", "kube-system"}:
        root.child("involvedObject", "namespace").invalid(concerned, _OTHER_NAMESPACE)
    # Upstream's names of the two are those of the newer group: reportingController is reportingComponent here.
    if not event.reporting_component:
        root.child("reportingController").required()
    root.child("reportingController").check_value(event.reporting_component, names.qualified_name)
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
