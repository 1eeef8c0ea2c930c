"""Rules for ReplicaSets, ReplicationControllers, Deployments and ControllerRevisions, for templates of Pods, and
those that all workloads share: amounts of Pods, selectors that must match templates, counts in a status.

Follows `pkg/apis/apps/validation`, `pkg/apis/core/validation` (ValidatePodTemplate, ValidatePodTemplateSpec),
`pkg/apis/batch/validation` for templates of Pods that end, and the strategies' immutable fields.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from apiserver.validation import annotations, metadata
from apiserver.validation.metadata import check_label_selector
from apiserver.validation.place import Place
from apiserver.validation.pod_spec import check_pod_spec
from vaina.api.apps.v1 import apps_pb2, controller_revision_pb2, deployment_pb2
from vaina.api.core.v1 import pod_pb2, replication_controller_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import selectors

_FINITE_POLICIES: Final = ("OnFailure", "Never")


def check_pod_template(root: Place, new: pod_pb2.PodTemplate) -> None:
    """Check a PodTemplate: all of its template may change."""
    check_template(root.child("template"), new.template)


def check_template(path: Place, template: pod_pb2.PodTemplateSpec) -> None:
    """Check a template; its name and namespace mean nothing. Upstream's paths of the labels lack `metadata`."""
    meta, spec = template.metadata, template.spec
    metadata.check_labels(path.child("labels"), meta.labels)
    if meta.annotations:
        metadata.check_annotations(path.child("annotations"), meta.annotations)
        annotations.check_annotations(path.child("annotations"), meta.annotations, spec)
    check_pod_spec(path.child("spec"), spec, pod_name="", is_pod=False)
    if meta.annotations:
        annotations.check_profiles_match(path.child("spec"), meta.annotations, spec)
    if spec.ephemeral_containers:
        detail = "ephemeral containers not allowed in pod template"
        path.child("spec", "ephemeralContainers").forbidden(detail)


def check_endless_template(path: Place, template: pod_pb2.PodTemplateSpec, kind: str) -> None:
    """Check the template of a workload whose Pods are kept running, as a ReplicaSet's."""
    check_template(path, template)
    at = path.child("spec")
    if template.spec.restart_policy != "Always":
        at.child("restartPolicy").not_supported(template.spec.restart_policy, ["Always"])
    if template.spec.HasField("active_deadline_seconds"):
        at.child("activeDeadlineSeconds").forbidden(f"activeDeadlineSeconds in {kind} is not Supported")


def check_finite_template(path: Place, template: pod_pb2.PodTemplateSpec) -> None:
    """Check the template of a workload whose Pods end, as a Job's: it may not restart them for ever.

    Where restartPolicy stands on a container only, the Pod's own is Always by default. The error says where
    it belongs.
    """
    check_template(path, template)
    policy = template.spec.restart_policy
    if policy in _FINITE_POLICIES:
        return
    at = path.child("spec", "restartPolicy")
    misplaced = [
        path.child("spec", "containers").index(index).child("restartPolicy")
        for index, container in enumerate(template.spec.containers)
        if container.HasField("restart_policy")
    ]
    wanted = [f'"{name}"' for name in _FINITE_POLICIES]
    if misplaced:
        where = ", ".join(str(place) for place in misplaced)
        detail = (
            f"valid values: {' or '.join(wanted)}; {where} is only for that container, the Pod's restartPolicy belongs at {at} "
            '(it is "Always" when it is left out)'
        )
        at.required(detail)
    elif policy in ("", "Always"):
        at.required(f"valid values: {', '.join(wanted)}")
    else:
        at.not_supported(policy, _FINITE_POLICIES)


_STRING: Final = 1
_PERCENT = re.compile("[0-9]+%", re.ASCII).fullmatch
_NO_PERCENT: Final = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)

ReplicaSet = apps_pb2.ReplicaSet
ReplicationController = replication_controller_pb2.ReplicationController


def check_amount(path: Place, amount: meta_pb2.IntOrString) -> None:
    """Report a negative number, and a text that is no share."""
    if amount.type != _STRING:
        path.check_non_negative(amount.int_val)
    elif not _PERCENT(amount.str_val):
        path.invalid(amount.str_val, _NO_PERCENT)


def check_at_most_all(path: Place, amount: meta_pb2.IntOrString) -> None:
    """Report a share of more than all."""
    text = amount.str_val
    if amount.type != _STRING or not _PERCENT(text):
        return
    # Zeros before it change nothing, as upstream. Not read when it is long: int() of thousands of digits raises.
    digits = text[:-1].lstrip("0") or "0"
    if len(digits) > len("100") or int(digits) > 100:
        path.invalid(text, "must not be greater than 100%")


def is_zero(amount: meta_pb2.IntOrString) -> bool:
    """Say whether an amount is none at all; a text that is no share counts as none, as upstream."""
    if amount.type != _STRING:
        return amount.int_val == 0
    return not _PERCENT(amount.str_val) or not amount.str_val[:-1].strip("0")


def check_share(path: Place, amount: meta_pb2.IntOrString) -> None:
    """Check a number of Pods, or a share of at most all."""
    check_amount(path, amount)
    check_at_most_all(path, amount)


def check_match(path: Place, selector: selectors.LabelSelector, labels: Mapping[str, str]) -> None:
    """Report labels of a template that a selector does not match; `path` is the spec's."""
    if not selector.matches(labels):
        _report_no_match(path, labels)


def _report_no_match(path: Place, labels: Mapping[str, str]) -> None:
    detail = "`selector` does not match template `labels`"
    path.child("template", "metadata", "labels").invalid(dict(labels) if labels else None, detail)


def check_parts(path: Place, status: Any, *parts: str, ready: str = "readyReplicas") -> None:
    """Report parts of the replicas that are more than all, and more available replicas than ready ones."""
    for field in parts:
        if (count := getattr(status, field)) > status.replicas:
            path.field(status, field).invalid(count, "cannot be greater than status.replicas")
    if status.available_replicas > status.ready_replicas:
        path.child("availableReplicas").invalid(status.available_replicas, f"cannot be greater than {ready}")


def check_collisions(path: Place, new: Any, old: Any) -> None:
    """Report that a status forgets collisions of names."""
    if new.collision_count < old.collision_count:
        path.child("collisionCount").invalid(new.collision_count, "cannot be decremented")


def check_selector_and_template(
    path: Place, spec: apps_pb2.ReplicaSetSpec | deployment_pb2.DeploymentSpec
) -> None:
    """Check that a selector is there and selects the Pods of the template, which do not end."""
    at, labels = path.child("selector"), spec.template.metadata.labels
    if not spec.HasField("selector"):
        at.required()
        _report_no_match(path, labels)
    else:
        check_label_selector(at, spec.selector)
        is_empty = not spec.selector.match_labels and not spec.selector.match_expressions
        if is_empty:
            at.invalid(spec.selector, "empty selector is invalid for deployment")
        try:
            selector = selectors.from_message(spec.selector)
        except selectors.SelectorError:
            at.invalid(spec.selector, "invalid label selector")
            return
        if not is_empty:
            check_match(path, selector, labels)
    check_endless_template(path.child("template"), spec.template, "ReplicaSet")


def check_replica_set(root: Place, new: ReplicaSet) -> None:
    """Check a ReplicaSet."""
    path = root.child("spec")
    path.check_counts(new.spec, "replicas", "min_ready_seconds")
    check_selector_and_template(path, new.spec)


def check_controller(root: Place, new: ReplicationController) -> None:
    """Check a ReplicationController; its selector may change."""
    spec, path = new.spec, root.child("spec")
    path.check_counts(spec, "min_ready_seconds")
    if not spec.selector:
        path.child("selector").required()
    path.check_counts(spec, "replicas")
    if not spec.HasField("template"):
        path.child("template").required()
        return
    labels = spec.template.metadata.labels
    if any(labels.get(key) != value for key, value in spec.selector.items()):
        _report_no_match(path, labels)
    check_endless_template(path.child("template"), spec.template, "ReplicationController")


def check_selector_stays(root: Place, new: Any, old: Any) -> None:
    """Check that a change of a workload leaves its selector."""
    root.child("spec", "selector").check_immutable(new.spec.selector, old.spec.selector)


def check_replicas_status(
    root: Place, new: ReplicaSet | ReplicationController, _: ReplicaSet | ReplicationController
) -> None:
    """Check a changed status of either kind."""
    path, status = root.child("status"), new.status
    parts = ("fully_labeled_replicas", "ready_replicas", "available_replicas")
    path.check_counts(status, "replicas", *parts, "observed_generation")
    if isinstance(status, apps_pb2.ReplicaSetStatus):
        path.check_counts(status, "terminating_replicas")
    check_parts(path, status, *parts)


_STRATEGY_TYPES: Final = ("Recreate", "RollingUpdate")
_PARTS: Final = ("updated_replicas", "ready_replicas", "available_replicas")

Deployment = deployment_pb2.Deployment
ControllerRevision = controller_revision_pb2.ControllerRevision


def check_deployment_status(root: Place, new: Deployment, old: Deployment) -> None:
    """Check a changed status."""
    path, status = root.child("status"), new.status
    rest = ("unavailable_replicas", "terminating_replicas", "collision_count")
    path.check_counts(status, "observed_generation", "replicas", *_PARTS, *rest)
    check_parts(path, status, *_PARTS)
    check_collisions(path, status, old.status)


def check_deployment(root: Place, new: Deployment) -> None:
    """Check a Deployment."""
    path, spec = root.child("spec"), new.spec
    path.child("replicas").check_non_negative(spec.replicas)
    check_selector_and_template(path, spec)
    _check_deployment_strategy(path.child("strategy"), spec.strategy)
    path.check_counts(spec, "min_ready_seconds", "revision_history_limit")
    if spec.HasField("progress_deadline_seconds"):
        at = path.child("progressDeadlineSeconds")
        at.check_non_negative(spec.progress_deadline_seconds)
        if spec.progress_deadline_seconds <= spec.min_ready_seconds:
            at.invalid(spec.progress_deadline_seconds, "must be greater than minReadySeconds")


def _check_deployment_strategy(path: Place, strategy: deployment_pb2.DeploymentStrategy) -> None:
    at = path.child("rollingUpdate")
    match strategy.type:
        case "Recreate":
            if strategy.HasField("rolling_update"):
                at.forbidden("may not be specified when strategy `type` is 'Recreate'")
        case "RollingUpdate":
            if not strategy.HasField("rolling_update"):
                at.required("this should be defaulted and never be nil")
            else:
                _check_rolling_update(at, strategy.rolling_update)
        case _:
            path.not_supported(strategy, _STRATEGY_TYPES)


def _check_rolling_update(path: Place, rolling: deployment_pb2.RollingUpdateDeployment) -> None:
    at = path.child("maxUnavailable")
    check_amount(at, rolling.max_unavailable)
    check_amount(path.child("maxSurge"), rolling.max_surge)
    if is_zero(rolling.max_unavailable) and is_zero(rolling.max_surge):
        shown = rolling.max_unavailable.str_val if rolling.max_unavailable.type else 0
        at.invalid(shown, "may not be 0 when `maxSurge` is 0")
    check_at_most_all(at, rolling.max_unavailable)


def check_revision(root: Place, new: ControllerRevision) -> None:
    """Check a ControllerRevision."""
    if not new.data.raw or new.data.raw == b"null":
        root.child("data").required("data is mandatory")
    root.child("revision").check_non_negative(new.revision)


def check_revision_change(root: Place, new: ControllerRevision, old: ControllerRevision) -> None:
    """Check that a ControllerRevision keeps its data; its number may grow."""
    root.child("data").check_immutable(new.data, old.data)
