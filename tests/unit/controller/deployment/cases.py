"""Deployments and ReplicaSets of tests, told in short."""

from typing import Any

from controller.deployment.reconcile import make_replica_set, note_scale
from vaina.api.apps.v1 import apps_pb2, deployment_pb2
from vaina.objects.rollouts import REVISION
from vaina.testing.builders import make_deployment
from vaina.testing.clock import EPOCH

NEW = "new"


def deployment(replicas: int = 10, **options: Any) -> deployment_pb2.Deployment:
    """Make a Deployment whose template has the image `new`."""
    made = make_deployment("web", replicas=replicas, uid="uid-web", **options)
    made.spec.template.spec.containers[0].image = NEW
    return made


def replica_set(
    of: deployment_pb2.Deployment,
    image: str,
    replicas: int,
    available: int | None = None,
    *,
    age: int = 0,
    revision: int = 1,
    scaled_for: int | None = None,
    current: int | None = None,
    terminating: int = 0,
) -> apps_pb2.ReplicaSet:
    """Make a ReplicaSet of a Deployment as it is stored, named after its image.

    Args:
        of: the Deployment.
        image: of its template.
        replicas: that it is to have.
        available: that it has; all by default.
        age: seconds that it is older than EPOCH.
        revision: its revision.
        scaled_for: replicas of the Deployment that its annotations tell; those of now by default.
        current: Pods that it has; as many as it is to have by default.
        terminating: Pods of it that are ending.
    """
    parent = deployment_pb2.Deployment()
    parent.CopyFrom(of)
    parent.spec.template.spec.containers[0].image = image
    made = make_replica_set(parent, replicas, revision)
    made.metadata.name = made.metadata.uid = image
    made.metadata.generation = made.status.observed_generation = 1
    made.metadata.creation_timestamp.seconds = int(EPOCH) - age
    made.metadata.annotations[REVISION] = str(revision)
    if scaled_for is not None:
        parent.spec.replicas = scaled_for
        note_scale(parent, made)
    status = made.status
    status.replicas = replicas if current is None else current
    status.ready_replicas = status.available_replicas = replicas if available is None else available
    status.terminating_replicas = terminating
    return made
