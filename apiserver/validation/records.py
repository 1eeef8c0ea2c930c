"""Rules for what the cluster writes down about itself: Events, Leases, PodTraces.

Follows `pkg/apis/core/validation/events.go` (of the core group: the legacy rules) and
`pkg/apis/coordination/validation`; PodTrace is vaina's own.
"""

from typing import Final

from apiserver.validation import metadata
from apiserver.validation.metadata import NEGATIVE, Errors, check_text
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import event_pb2
from vaina.api.trace.v1 import trace_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, duplicate, forbidden, invalid, not_supported, required
from vaina.steps import PodStep

_SPEC: Final = Path("spec")
_MAX_SHORT: Final = 128
_MAX_NOTE: Final = 1024
_STRATEGIES: Final = ("OldestEmulationVersion",)
_OTHER_NAMESPACE: Final = "does not match event.namespace"


def check_event(event: event_pb2.Event) -> Errors:
    """Check an Event, new or changed: those with an eventTime are of the newer kind."""
    errors: Errors = []
    if not event.metadata.name:
        errors.append(required(metadata.METADATA.child("name"), "name or generateName is required"))
    else:
        # Those that clients make are called `<pod>.<hash>`.
        check_text(errors, metadata.METADATA.child("name"), event.metadata.name, names.path_segment)
    if event.event_time.ByteSize():
        _check_new_event(errors, event)
    else:
        _check_old_event(errors, event)
    check_text(errors, Path("namespace"), event.metadata.namespace, names.dns_1123_subdomain)
    return errors


def _check_old_event(errors: Errors, event: event_pb2.Event) -> None:
    namespace, concerned = event.metadata.namespace, event.involved_object.namespace
    fits = namespace == concerned if concerned else namespace in {"", "default"}
    if not fits:
        errors.append(invalid(Path("involvedObject", "namespace"), concerned, _OTHER_NAMESPACE))


def _check_new_event(errors: Errors, event: event_pb2.Event) -> None:
    concerned = event.involved_object.namespace
    if not concerned and event.metadata.namespace not in {"default", "kube-system"}:
        errors.append(invalid(Path("involvedObject", "namespace"), concerned, _OTHER_NAMESPACE))
    # Upstream's names of the two are those of the newer group: reportingController is reportingComponent here.
    if not event.reporting_component:
        errors.append(required(Path("reportingController")))
    check_text(errors, Path("reportingController"), event.reporting_component, names.qualified_name)
    for shown, value in (
        ("reportingInstance", event.reporting_instance), ("action", event.action), ("reason", event.reason),
    ):  # fmt: skip
        if not value:
            errors.append(required(Path(shown)))
        elif names.size(value) > _MAX_SHORT:
            errors.append(invalid(Path(shown), "", f"can have at most {_MAX_SHORT} characters"))
    if names.size(event.message) > _MAX_NOTE:
        errors.append(invalid(Path("message"), "", f"can have at most {_MAX_NOTE} characters"))


def check_lease(lease: lease_pb2.Lease) -> Errors:
    """Check a new Lease."""
    errors = metadata.check_create(lease.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_lease_spec(errors, lease.spec)
    return errors


def check_lease_update(new: lease_pb2.Lease, old: lease_pb2.Lease) -> Errors:
    """Check a changed Lease."""
    errors = metadata.check_update(new.metadata, old.metadata)
    _check_lease_spec(errors, new.spec)
    return errors


def _check_lease_spec(errors: Errors, spec: lease_pb2.LeaseSpec) -> None:
    if spec.HasField("lease_duration_seconds") and spec.lease_duration_seconds <= 0:
        at = _SPEC.child("leaseDurationSeconds")
        errors.append(invalid(at, spec.lease_duration_seconds, "must be greater than 0"))
    if spec.lease_transitions < 0:
        errors.append(invalid(_SPEC.child("leaseTransitions"), spec.lease_transitions, NEGATIVE))
    if spec.HasField("strategy"):
        _check_strategy(errors, spec.strategy)
    if spec.preferred_holder and not spec.strategy:
        at = _SPEC.child("preferredHolder")
        errors.append(forbidden(at, "may only be specified if `strategy` is defined"))


def _check_strategy(errors: Errors, strategy: str) -> None:
    # Upstream adds the field's name to the path twice.
    at = _SPEC.child("strategy", "strategy")
    if "/" in strategy:
        check_text(errors, at, strategy, names.qualified_name)
    elif strategy not in _STRATEGIES:
        errors.append(not_supported(at, strategy, _STRATEGIES))


def check_trace(trace: trace_pb2.PodTrace) -> Errors:
    """Check a PodTrace: it names its Pod, and each step once."""
    errors = metadata.check_create(trace.metadata, names.dns_1123_subdomain, namespaced=True)
    if not trace.spec.pod_name:
        errors.append(required(_SPEC.child("podName")))
    if not trace.spec.pod_uid:
        errors.append(required(_SPEC.child("podUID")))
    elif trace.spec.pod_uid != trace.metadata.name:
        errors.append(invalid(_SPEC.child("podUID"), trace.spec.pod_uid, "must be equal to metadata.name"))
    _check_steps(errors, trace)
    return errors


def check_trace_update(new: trace_pb2.PodTrace, old: trace_pb2.PodTrace) -> Errors:
    """Check a changed PodTrace, spec or status: it stays that of its Pod."""
    errors = metadata.check_update(new.metadata, old.metadata)
    metadata.check_immutable(errors, _SPEC, new.spec, old.spec)
    _check_steps(errors, new)
    return errors


def _check_steps(errors: Errors, trace: trace_pb2.PodTrace) -> None:
    known = [step.name for step in PodStep]
    seen: set[str] = set()
    for index, record in enumerate(trace.status.steps):
        at = Path("status", "steps").index(index).child("step")
        if not record.step:
            errors.append(required(at))
        elif record.step not in known:
            errors.append(not_supported(at, record.step, known))
        elif record.step in seen:
            errors.append(duplicate(at, record.step))
        seen.add(record.step)
    for index, record in enumerate(trace.status.waits):
        if record.step not in known:
            errors.append(
                not_supported(Path("status", "waits").index(index).child("step"), record.step, known)
            )
