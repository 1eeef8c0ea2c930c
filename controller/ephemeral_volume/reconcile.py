"""PURE: the claims that a Pod's generic ephemeral volumes need. Follows `pkg/controller/volume/ephemeral`."""

from collections.abc import Mapping, Sequence

from controller.pods import is_active
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2, volume_pb2
from vaina.kinds import POD
from vaina.objects.meta import is_controlled_by, new_controller_ref

Claim = persistent_volume_pb2.PersistentVolumeClaim


def claim_name(pod: pod_pb2.Pod, volume: str) -> str:
    """Return the name of the claim of an ephemeral volume."""
    return f"{pod.metadata.name}-{volume}"


def claim_names(pod: pod_pb2.Pod) -> Sequence[str]:
    """Return the names of all claims that are made for a Pod."""
    return [
        claim_name(pod, volume.name)
        for volume in pod.spec.volumes
        if volume.volume_source.HasField("ephemeral")
    ]


def reconcile(pod: pod_pb2.Pod, claims: Mapping[str, Claim]) -> tuple[list[Claim], list[str]]:
    """Return the claims to make for a Pod, of those in its namespace, and what stands in the way.

    A Pod that ends needs none.
    """
    create: list[Claim] = []
    problems: list[str] = []
    if not is_active(pod):
        return create, problems
    for volume in pod.spec.volumes:
        if not volume.volume_source.HasField("ephemeral"):
            continue
        found = claims.get(claim_name(pod, volume.name))
        if found is None:
            create.append(_claim(pod, volume.name, volume.volume_source.ephemeral.volume_claim_template))
        elif not is_controlled_by(found.metadata, pod.metadata.uid):
            # The words of `component-helpers/storage/ephemeral`.
            claim, its = f"{found.metadata.namespace}/{found.metadata.name}", pod.metadata
            problems.append(
                f"PVC {claim} was not created for pod {its.namespace}/{its.name} (pod is not owner)"
            )
    return create, problems


def _claim(pod: pod_pb2.Pod, volume: str, template: volume_pb2.PersistentVolumeClaimTemplate) -> Claim:
    made = Claim()
    meta = made.metadata
    meta.name, meta.namespace = claim_name(pod, volume), pod.metadata.namespace
    meta.labels.update(template.metadata.labels)
    meta.annotations.update(template.metadata.annotations)
    meta.owner_references.append(new_controller_ref(pod, POD.api_version, POD.kind))
    made.spec.CopyFrom(template.spec)
    return made
