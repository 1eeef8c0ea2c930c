"""PURE: how far a StatefulSet or DaemonSet is, in kubectl's words.

Follows `pkg/polymorphichelpers/rollout_status.go`.
"""

from typing import Any

from cli.failures import Failure
from cli.printers.progress import Progress


def stateful_set_progress(found: Any, revision: int = 0) -> Progress:
    """Say how far a StatefulSet is. Raises Failure when nothing is rolled out by itself."""
    del revision
    spec, status = found.spec, found.status
    if spec.update_strategy.type != "RollingUpdate":
        raise Failure("rollout status is only available for RollingUpdate strategy type")
    if not status.observed_generation or found.metadata.generation > status.observed_generation:
        return Progress("Waiting for statefulset spec update to be observed...")
    wished = spec.replicas if spec.HasField("replicas") else 1
    if status.ready_replicas < wished:
        return Progress(f"Waiting for {wished - status.ready_replicas} pods to be ready...")
    partition = spec.update_strategy.rolling_update.partition
    if partition:
        if status.updated_replicas < wished - partition:
            return Progress(
                f"Waiting for partitioned roll out to finish: {status.updated_replicas} out of {wished - partition} new pods "
                "have been updated..."
            )
        return Progress(
            f"partitioned roll out complete: {status.updated_replicas} new pods have been updated...",
            done=True,
        )
    if status.update_revision != status.current_revision:
        return Progress(
            f"waiting for statefulset rolling update to complete {status.updated_replicas} pods at revision "
            f"{status.update_revision}..."
        )
    return Progress(
        f"statefulset rolling update complete {status.current_replicas} pods at revision {status.current_revision}...",
        done=True,
    )


def daemon_set_progress(found: Any, revision: int = 0) -> Progress:
    """Say how far a DaemonSet is. Raises Failure when nothing is rolled out by itself."""
    del revision
    name, status = found.metadata.name, found.status
    if found.spec.update_strategy.type != "RollingUpdate":
        raise Failure("rollout status is only available for RollingUpdate strategy type")
    if found.metadata.generation > status.observed_generation:
        return Progress("Waiting for daemon set spec update to be observed...")
    begin, wished = f'Waiting for daemon set "{name}" rollout to finish:', status.desired_number_scheduled
    if status.updated_number_scheduled < wished:
        return Progress(
            f"{begin} {status.updated_number_scheduled} out of {wished} new pods have been updated..."
        )
    if status.number_available < wished:
        return Progress(f"{begin} {status.number_available} of {wished} updated pods are available...")
    return Progress(f'daemon set "{name}" successfully rolled out', done=True)
