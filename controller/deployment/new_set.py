"""PURE: the ReplicaSet of a Deployment's template: its name, its labels, its annotations.

Follows upstream's getNewReplicaSet and SetNewReplicaSetAnnotations, but for the hash, which is over Go's
memory there. It must differ where templates do; templates are compared, never hashes (decision 133).
"""

import hashlib
from typing import Final

from controller.naming import ALPHABET
from vaina.kinds import DEPLOYMENT
from vaina.objects.meta import new_controller_ref
from vaina.objects.rollouts import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    OWN_ANNOTATIONS,
    POD_TEMPLATE_HASH,
    REVISION,
    REVISION_HISTORY,
    Deployment,
    ReplicaSet,
    fenceposts,
    replicas_of,
    revision_of,
)

#: characters of the revisions that a ReplicaSet remembers to have been
MAX_HISTORY: Final = 2000


def template_hash(deployment: Deployment) -> str:
    """Return the hash of a template, 32 bits in letters; another one after each collision."""
    digest = hashlib.sha256(deployment.spec.template.SerializeToString(deterministic=True))
    if deployment.status.HasField("collision_count"):
        digest.update(deployment.status.collision_count.to_bytes(8, "little"))
    number = str(int.from_bytes(digest.digest()[:4], "big"))
    return "".join(ALPHABET[ord(digit) % len(ALPHABET)] for digit in number)


def make_replica_set(deployment: Deployment, replicas: int, revision: int) -> ReplicaSet:
    """Return the ReplicaSet to create."""
    code = template_hash(deployment)
    made = ReplicaSet()
    meta = made.metadata
    meta.name, meta.namespace = f"{deployment.metadata.name}-{code}", deployment.metadata.namespace
    meta.owner_references.append(new_controller_ref(deployment, DEPLOYMENT.api_version, DEPLOYMENT.kind))
    made.spec.template.CopyFrom(deployment.spec.template)
    made.spec.template.metadata.labels[POD_TEMPLATE_HASH] = code
    meta.labels.update(made.spec.template.metadata.labels)
    made.spec.selector.CopyFrom(deployment.spec.selector)
    made.spec.selector.match_labels[POD_TEMPLATE_HASH] = code
    made.spec.replicas = replicas
    made.spec.min_ready_seconds = deployment.spec.min_ready_seconds
    keep_in_step(deployment, made, revision)
    note_scale(deployment, made)
    return made


def keep_in_step(deployment: Deployment, rs: ReplicaSet, revision: int) -> None:
    """Bring annotations, revision and minReadySeconds of the new ReplicaSet up to date."""
    annotations = rs.metadata.annotations
    for key, value in deployment.metadata.annotations.items():
        if key not in OWN_ANNOTATIONS and annotations.get(key) != value:
            annotations[key] = value
    before = revision_of(rs.metadata)
    if before < revision:
        if REVISION in annotations:
            _remember(rs, annotations[REVISION])
        annotations[REVISION] = str(revision)
    rs.spec.min_ready_seconds = deployment.spec.min_ready_seconds


def _remember(rs: ReplicaSet, revision: str) -> None:
    """Note that a ReplicaSet that is used again was an earlier revision; the oldest are forgotten."""
    known = rs.metadata.annotations.get(REVISION_HISTORY, "")
    history = [*(known.split(",") if known else ()), revision]
    while len(history) > 1 and len(",".join(history)) > MAX_HISTORY:
        history.pop(0)
    rs.metadata.annotations[REVISION_HISTORY] = ",".join(history)


def note_scale(deployment: Deployment, rs: ReplicaSet) -> None:
    """Note on a ReplicaSet for which size of the Deployment it was scaled."""
    wished = replicas_of(deployment)
    rs.metadata.annotations[DESIRED_REPLICAS] = str(wished)
    rs.metadata.annotations[MAX_REPLICAS] = str(wished + fenceposts(deployment)[0])
