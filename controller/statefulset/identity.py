"""PURE: what tells a StatefulSet's Pods apart: names by ordinal, volumes of their own, and keeping these.

Follows `pkg/controller/statefulset/stateful_set_utils.go` and
https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from controller.plans import copy_of
from controller.pods import pod_from_template
from vaina.api.apps.v1 import stateful_set_pb2
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.kinds import POD, STATEFUL_SET
from vaina.objects.integers import parse_int
from vaina.objects.meta import new_controller_ref
from vaina.objects.rollouts import REVISION_HASH

StatefulSet = stateful_set_pb2.StatefulSet
Claim = persistent_volume_pb2.PersistentVolumeClaim

POD_NAME: Final = "statefulset.kubernetes.io/pod-name"
POD_INDEX: Final = "apps.kubernetes.io/pod-index"
_NAME: Final = re.compile(r"(.*)-(\d{1,10})", re.ASCII).fullmatch


def replicas_of(stateful_set: StatefulSet) -> int:
    """Return how many Pods are wished for."""
    return stateful_set.spec.replicas if stateful_set.spec.HasField("replicas") else 1


def wanted_ordinals(stateful_set: StatefulSet) -> range:
    """Return the ordinals of the Pods that there should be."""
    first = stateful_set.spec.ordinals.start
    return range(first, first + replicas_of(stateful_set))


def ordinal_of(stateful_set: StatefulSet, name: str) -> int | None:
    """Return the ordinal that a Pod's name tells; None: it is none of this set's names."""
    found = _NAME(name)
    if found is None or found[1] != stateful_set.metadata.name or (found[2] != "0" and found[2][0] == "0"):
        return None
    return parse_int(found[2], bits=32)


def claim_name(stateful_set: StatefulSet, template: Claim, ordinal: int) -> str:
    """Return the name of a Pod's claim."""
    return f"{template.metadata.name}-{stateful_set.metadata.name}-{ordinal}"


def claim_keys(stateful_set: StatefulSet, pods: Iterable[pod_pb2.Pod]) -> Iterator[str]:
    """Return namespace/name of the claims of all Pods that there should be, and of those that are there."""
    wanted = wanted_ordinals(stateful_set)
    there = (ordinal_of(stateful_set, pod.metadata.name) for pod in pods)
    ordinals = [*wanted, *(ordinal for ordinal in there if ordinal is not None and ordinal not in wanted)]
    for template in stateful_set.spec.volume_claim_templates:
        for ordinal in ordinals:
            yield f"{stateful_set.metadata.namespace}/{claim_name(stateful_set, template, ordinal)}"


def new_pod(
    stateful_set: StatefulSet, template: pod_pb2.PodTemplateSpec, revision: str, ordinal: int
) -> pod_pb2.Pod:
    """Return the Pod to create for an ordinal."""
    name = f"{stateful_set.metadata.name}-{ordinal}"
    reference = new_controller_ref(stateful_set, STATEFUL_SET.api_version, STATEFUL_SET.kind)
    pod = pod_from_template(template, stateful_set.metadata, reference, name)
    pod.metadata.labels[REVISION_HASH] = revision
    identify(stateful_set, pod, ordinal)
    pod.spec.hostname = pod.metadata.name
    pod.spec.subdomain = stateful_set.spec.service_name
    return pod


def identify(stateful_set: StatefulSet, pod: pod_pb2.Pod, ordinal: int) -> None:
    """Set what tells a Pod from its siblings: labels, and the claims among its volumes."""
    pod.metadata.labels[POD_NAME] = pod.metadata.name
    pod.metadata.labels[POD_INDEX] = str(ordinal)
    claims = {
        item.metadata.name: claim_name(stateful_set, item, ordinal)
        for item in stateful_set.spec.volume_claim_templates
    }
    others = [volume for volume in pod.spec.volumes if volume.name not in claims]
    kept = pod_pb2.PodSpec()
    for name in claims:
        kept.volumes.add(name=name).volume_source.persistent_volume_claim.claim_name = claims[name]
    kept.volumes.extend(others)
    if claims:
        pod.spec.ClearField("volumes")
        pod.spec.volumes.extend(kept.volumes)


def is_identified(stateful_set: StatefulSet, pod: pod_pb2.Pod, ordinal: int) -> bool:
    """Say whether a Pod has the labels of its ordinal (its volumes cannot change)."""
    labels = pod.metadata.labels
    return labels.get(POD_NAME) == pod.metadata.name and labels.get(POD_INDEX) == str(ordinal)


def new_claims(stateful_set: StatefulSet, ordinal: int, there: Mapping[str, Claim]) -> list[Claim]:
    """Return the claims that a Pod needs and that are not there."""
    made: list[Claim] = []
    for template in stateful_set.spec.volume_claim_templates:
        name = claim_name(stateful_set, template, ordinal)
        if name in there:
            continue
        claim = copy_of(template)
        claim.ClearField("status")
        claim.metadata.name, claim.metadata.namespace = name, stateful_set.metadata.namespace
        claim.metadata.labels.update(stateful_set.spec.selector.match_labels)
        _set_owners(stateful_set, claim, None)
        made.append(claim)
    return made


def claims_of(stateful_set: StatefulSet, ordinal: int, there: Mapping[str, Claim]) -> Iterable[Claim]:
    """Return the claims of an ordinal that are there."""
    names = (claim_name(stateful_set, item, ordinal) for item in stateful_set.spec.volume_claim_templates)
    return [there[name] for name in names if name in there]


def is_left_over(stateful_set: StatefulSet, claim: Claim) -> bool:
    """Say whether a claim without a Pod is about to go with the Pod that was there (PodClaimIsStale)."""
    return any(
        item.kind == POD.kind and _is_ours(stateful_set, claim, item.name)
        for item in claim.metadata.owner_references
    )


def owned_as_wished(stateful_set: StatefulSet, claim: Claim, condemned: pod_pb2.Pod | None) -> Claim | None:
    """Return a claim with the owners that the retention policy gives it; None: it has them (KEP-1847).

    `condemned` is its Pod, when the Pod goes because there are to be fewer.
    """
    wanted = copy_of(claim)
    _set_owners(stateful_set, wanted, condemned)
    return None if wanted.metadata.owner_references == claim.metadata.owner_references else wanted


def _set_owners(stateful_set: StatefulSet, claim: Claim, condemned: pod_pb2.Pod | None) -> None:
    policy = stateful_set.spec.persistent_volume_claim_retention_policy
    set_uid = stateful_set.metadata.uid
    kept = [
        item for item in claim.metadata.owner_references
        if item.uid != set_uid and not (item.kind == POD.kind and _is_ours(stateful_set, claim, item.name))
    ]  # fmt: skip
    del claim.metadata.owner_references[:]
    claim.metadata.owner_references.extend(kept)
    if condemned is not None and policy.when_scaled == "Delete":
        meta = condemned.metadata
        claim.metadata.owner_references.add(
            api_version=POD.api_version, kind=POD.kind, name=meta.name, uid=meta.uid
        )
    elif policy.when_deleted == "Delete":
        claim.metadata.owner_references.add(
            api_version=STATEFUL_SET.api_version,
            kind=STATEFUL_SET.kind,
            name=stateful_set.metadata.name,
            uid=set_uid,
        )


def _is_ours(stateful_set: StatefulSet, claim: Claim, pod: str) -> bool:
    """Say whether a Pod's name belongs to a claim's name."""
    return ordinal_of(stateful_set, pod) is not None and claim.metadata.name.endswith(f"-{pod}")
