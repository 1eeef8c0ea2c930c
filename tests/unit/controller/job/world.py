"""Jobs and their Pods for tests: objects made, and a control plane in which Pods do as they are told."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.support.controlplane import ControlPlane
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp
from vaina.objects.jobs import COMPLETION_INDEX, TRACKING_FINALIZER, is_tracked
from vaina.objects.meta import controller_of
from vaina.objects.pods import is_terminal
from vaina.testing.builders import make_meta, make_pod, make_template, owner_ref

UID = "job-uid"


def make_job(name: str = "work", *, uid: str = "", **spec: Any) -> job_pb2.Job:
    """Make a Job as a user sends it; fields of the spec by name."""
    job = job_pb2.Job(metadata=make_meta(name, "default", uid=uid))
    job.spec.template.CopyFrom(make_template({}))
    job.spec.template.spec.restart_policy = spec.pop("restart_policy", "Never")
    for field, value in spec.items():
        if field.endswith("policy") and not isinstance(value, str):
            getattr(job.spec, field).CopyFrom(value)
        else:
            setattr(job.spec, field, value)
    return job


def stored_job(**spec: Any) -> job_pb2.Job:
    """Make a Job as it is stored: with what the apiserver adds."""
    spec = {"parallelism": 2, "completions": 3, "backoff_limit": 6, "completion_mode": "NonIndexed", **spec}
    spec = {field: value for field, value in spec.items() if value is not None}
    job = make_job(uid=UID, **spec)
    job.spec.selector.match_labels["batch.kubernetes.io/controller-uid"] = UID
    job.spec.template.metadata.labels["batch.kubernetes.io/controller-uid"] = UID
    return job


def job_pod(
    name: str,
    phase: str = "Running",
    *,
    index: int | None = None,
    tracked: bool = True,
    deleted: float | None = None,
    at: float = 0.0,
    exit_code: int | None = None,
    restarts: int = 0,
    **kwargs: Any,
) -> pod_pb2.Pod:
    """Make a Pod of the stored Job; `at` is when it ended."""
    pod = make_pod(
        name, owner=owner_ref("Job", "work", UID), uid=name, deleted=deleted,
        finalizers=[TRACKING_FINALIZER] if tracked else [], **kwargs,
    )  # fmt: skip
    pod.metadata.owner_references[0].api_version = "batch/v1"
    pod.metadata.labels["batch.kubernetes.io/controller-uid"] = UID
    pod.status.phase = phase
    if index is not None:
        pod.metadata.annotations[COMPLETION_INDEX] = str(index)
    status = pod.status.container_statuses.add(name="main", restart_count=restarts)
    if phase in ("Succeeded", "Failed"):
        code = exit_code if exit_code is not None else int(phase == "Failed")
        status.state.terminated.exit_code = code
        status.state.terminated.finished_at.CopyFrom(timestamp(at))
    return pod


async def job_of(plane: ControlPlane, name: str = "work") -> job_pb2.Job:
    """Return a Job as it is stored."""
    return await plane.client.jobs.get(name, "default")


async def pods_of(plane: ControlPlane, name: str = "work") -> Sequence[pod_pb2.Pod]:
    """Return the Pods of a Job."""
    uid = (await job_of(plane, name)).metadata.uid
    found = []
    for pod in await plane.pods():
        reference = controller_of(pod.metadata)
        if reference is not None and reference.uid == uid:
            found.append(pod)
    return found


async def finish(plane: ControlPlane, pod: pod_pb2.Pod, *, code: int = 0) -> None:
    """Let a Pod end, as its kubelet reports it."""
    ended = pod_pb2.Pod()
    for field in ("name", "namespace", "uid"):
        setattr(ended.metadata, field, getattr(pod.metadata, field))
    ended.status.phase = "Failed" if code else "Succeeded"
    status = ended.status.container_statuses.add(name=pod.spec.containers[0].name, image="busybox")
    status.state.terminated.exit_code = code
    status.state.terminated.finished_at.CopyFrom(timestamp(plane.clock.now()))
    await plane.client.pods.update_status(ended, mask=("phase", "container_statuses"))


async def run_all(plane: ControlPlane, code_of: Callable[[pod_pb2.Pod], int] = lambda pod: 0) -> None:
    """Let every Pod that has not ended end."""
    for pod in await plane.pods():
        if not is_terminal(pod) and not pod.metadata.HasField("deletion_timestamp"):
            await finish(plane, pod, code=code_of(pod))


async def finished(plane: ControlPlane, name: str = "work") -> str:
    """Return how a Job ended, with its reason; nothing as long as it has not."""
    for condition in (await job_of(plane, name)).status.conditions:
        if condition.type in ("Complete", "Failed") and condition.status == "True":
            return f"{condition.type}/{condition.reason}"
    return ""


def tracked(pods: Sequence[pod_pb2.Pod]) -> list[str]:
    """Return the names of the Pods that are held."""
    return [pod.metadata.name for pod in pods if is_tracked(pod)]
