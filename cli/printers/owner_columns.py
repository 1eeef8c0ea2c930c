"""The rows of what makes Pods from a template in `vaina get`.

kubectl's columns (`pkg/printers/internalversion`). Jobs have a file of their own.
"""

from collections.abc import Sequence
from typing import Any

from cli.printers.cells import NONE, show_selector
from cli.printers.duration import age
from vaina.objects.meta import controller_of


def replicas_row(owner: Any, now: float) -> Sequence[str]:
    """Return the cells of a ReplicaSet or ReplicationController."""
    spec, status = owner.spec, owner.status
    return (
        owner.metadata.name, str(_desired(spec)), str(status.replicas), str(status.ready_replicas),
        age(owner.metadata.creation_timestamp, now),
        *_containers(spec), show_selector(owner),
    )  # fmt: skip


def deployment_row(found: Any, now: float) -> Sequence[str]:
    """Return the cells of a Deployment."""
    spec, status = found.spec, found.status
    return (
        found.metadata.name, f"{status.ready_replicas}/{_desired(spec)}",
        str(status.updated_replicas), str(status.available_replicas), age(found.metadata.creation_timestamp, now),
        *_containers(spec), show_selector(found),
    )  # fmt: skip


def stateful_set_row(found: Any, now: float) -> Sequence[str]:
    """Return the cells of a StatefulSet."""
    spec, status = found.spec, found.status
    return (
        found.metadata.name, f"{status.ready_replicas}/{_desired(spec)}",
        age(found.metadata.creation_timestamp, now),
        *_containers(spec),
    )  # fmt: skip


def daemon_set_row(found: Any, now: float) -> Sequence[str]:
    """Return the cells of a DaemonSet."""
    spec, status = found.spec, found.status
    selector = spec.template.spec.node_selector
    return (
        found.metadata.name, str(status.desired_number_scheduled), str(status.current_number_scheduled),
        str(status.number_ready), str(status.updated_number_scheduled), str(status.number_available),
        ",".join(f"{key}={value}" for key, value in sorted(selector.items())) or NONE,
        age(found.metadata.creation_timestamp, now),
        *_containers(spec), show_selector(found),
    )  # fmt: skip


def pod_template_row(found: Any, now: float) -> Sequence[str]:
    """Return the cells of a PodTemplate."""
    labels = found.template.metadata.labels
    shown = ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NONE
    return found.metadata.name, *_containers(found), shown


def controller_revision_row(found: Any, now: float) -> Sequence[str]:
    """Return the cells of a ControllerRevision."""
    owner = controller_of(found.metadata)
    controller = NONE
    if owner is not None:
        group = owner.api_version.rpartition("/")[0]
        controller = f"{owner.kind.lower()}{'.' + group if group else ''}/{owner.name}"
    return found.metadata.name, controller, str(found.revision), age(found.metadata.creation_timestamp, now)


def _desired(spec: Any) -> int:
    """Return how many replicas are wished for."""
    return int(spec.replicas) if spec.HasField("replicas") else 1


def _containers(holder: Any) -> tuple[str, str]:
    """Return the names and the images of the containers of a template, given what has it."""
    containers = holder.template.spec.containers
    return ",".join(c.name for c in containers), ",".join(c.image for c in containers)
