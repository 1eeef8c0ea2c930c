"""PURE: rollouts: which template is whose, how many Pods may be away, what a ControllerRevision keeps.

A revision keeps a template as a patch of its owner: `{"spec":{"template":{..., "$patch":"replace"}}}`.
Follows `pkg/controller/deployment/util` (deployment_util.go), `pkg/controller/history`, and `getPatch` of
`pkg/controller/statefulset`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from vaina.api.apps.v1 import apps_pb2, controller_revision_pb2, deployment_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.decode import dict_to_message
from vaina.objects.encode import message_to_dict
from vaina.objects.integers import parse_int
from vaina.objects.meta import is_controlled_by
from vaina.objects.tree import compact_json, parse_one

#: annotation of Deployments and ReplicaSets: which revision of the template it is
REVISION: Final = "deployment.kubernetes.io/revision"
#: annotation of ReplicaSets: the revisions that it was before, comma-separated
REVISION_HISTORY: Final = "deployment.kubernetes.io/revision-history"
#: annotation of ReplicaSets: replicas of the Deployment when it was last scaled, and these with the surge
DESIRED_REPLICAS: Final = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS: Final = "deployment.kubernetes.io/max-replicas"
#: annotation that `rollout history` shows
CHANGE_CAUSE: Final = "kubernetes.io/change-cause"
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
#: label that sets the Pods of one ReplicaSet apart
POD_TEMPLATE_HASH: Final = "pod-template-hash"
#: label of revisions, and of Pods: which template made them
REVISION_HASH: Final = "controller-revision-hash"
#: annotation of a DaemonSet: how many templates it has had; and the label of its Pods: of which they are
TEMPLATE_GENERATION: Final = "deprecated.daemonset.template.generation"
POD_TEMPLATE_GENERATION: Final = "pod-template-generation"
#: annotations of a Deployment that its ReplicaSets do not take over, nor it theirs when it is rolled back
OWN_ANNOTATIONS: Final = frozenset(
    {
        LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    }
)  # fmt: skip
#: this progress deadline, or history limit, is none
UNLIMITED: Final = 2**31 - 1

Deployment = deployment_pb2.Deployment
ReplicaSet = apps_pb2.ReplicaSet
Revision = controller_revision_pb2.ControllerRevision


def replicas_of(obj: Deployment | ReplicaSet) -> int:
    """Return how many replicas are wished for; one when nothing is said."""
    return obj.spec.replicas if obj.spec.HasField("replicas") else 1


def amount_of(amount: meta_pb2.IntOrString, total: int, *, round_up: bool) -> int:
    """Return a number, or a share of `total` in per cent; a text that is no number of 64 bits is nothing."""
    if amount.type == 0:
        return amount.int_val
    share = parse_int(amount.str_val.removesuffix("%"))
    if share is None or share < 0:
        return 0
    return -(-share * total // 100) if round_up else share * total // 100


def is_rolling(deployment: Deployment) -> bool:
    """Say whether a new template comes in step by step, not at once."""
    return deployment.spec.strategy.type != "Recreate"


def fenceposts(deployment: Deployment) -> tuple[int, int]:
    """Return how many replicas may be too many, and how many unavailable.

    A share of surge is rounded up, one of unavailability down; where both come to nothing one may be
    unavailable, since nothing could move otherwise.
    """
    wished = replicas_of(deployment)
    if not is_rolling(deployment):
        return 0, 0
    rolling = deployment.spec.strategy.rolling_update
    surge = amount_of(rolling.max_surge, wished, round_up=True)
    unavailable = amount_of(rolling.max_unavailable, wished, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, wished)


def same_template(first: pod_pb2.PodTemplateSpec, second: pod_pb2.PodTemplateSpec) -> bool:
    """Say whether two templates make the same Pods; the label that tells ReplicaSets apart does not count."""
    if first.spec != second.spec:
        return False
    return _without_hash(first) == _without_hash(second)


def _without_hash(template: pod_pb2.PodTemplateSpec) -> meta_pb2.ObjectMeta:
    meta = meta_pb2.ObjectMeta()
    meta.CopyFrom(template.metadata)
    meta.labels.pop(POD_TEMPLATE_HASH, None)
    return meta


def new_replica_set(deployment: Deployment, sets: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """Return the ReplicaSet that has the Deployment's template, the oldest of several; None: there is none."""
    found = [rs for rs in sets if same_template(rs.spec.template, deployment.spec.template)]
    return min(found, key=age_key) if found else None


def old_replica_sets(deployment: Deployment, sets: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Return all but the new one, the oldest first."""
    new = new_replica_set(deployment, sets)
    return sorted((rs for rs in sets if rs is not new), key=age_key)


def age_key(rs: ReplicaSet) -> tuple[int, int, str]:
    """Sort the oldest first, by name where several came at once."""
    created = rs.metadata.creation_timestamp
    return created.seconds, created.nanos, rs.metadata.name


def revision_of(meta: meta_pb2.ObjectMeta) -> int:
    """Return the revision that an object tells, of 64 bits; 0 when it tells no number (upstream: `Revision`)."""
    return parse_int(meta.annotations.get(REVISION, "")) or 0


def int_annotation(meta: meta_pb2.ObjectMeta, key: str) -> int | None:
    """Return the 32 bits of an annotation (`getIntFromAnnotation`); None when it tells no number."""
    return parse_int(meta.annotations.get(key, ""), bits=32)


def has_deadline(deployment: Deployment) -> bool:
    """Say whether a rollout may take too long."""
    spec = deployment.spec
    return spec.HasField("progress_deadline_seconds") and spec.progress_deadline_seconds != UNLIMITED


def template_data(template: pod_pb2.PodTemplateSpec) -> bytes:
    """Return what a revision keeps of a template. The same for equal templates."""
    kept = {**message_to_dict(template), "$patch": "replace"}
    return compact_json({"spec": {"template": kept}}, sort_keys=True)


def template_of(revision: Revision) -> pod_pb2.PodTemplateSpec:
    """Return the template that a revision keeps. Raises ValueError when it keeps none."""
    tree: Any = parse_one(revision.data.raw)
    try:
        kept = {key: value for key, value in tree["spec"]["template"].items() if key != "$patch"}
    except (KeyError, TypeError, AttributeError):
        kept = None
    template = None if kept is None else dict_to_message(pod_pb2.PodTemplateSpec, kept)[0]
    if not isinstance(template, pod_pb2.PodTemplateSpec):
        raise ValueError(f"the revision {revision.metadata.name} keeps no template")  # noqa: TRY004 - its content, not its type
    return template


def owned_by(revisions: Iterable[Revision], uid: str) -> list[Revision]:
    """Return the revisions whose controller has a uid."""
    return [revision for revision in revisions if is_controlled_by(revision.metadata, uid)]
