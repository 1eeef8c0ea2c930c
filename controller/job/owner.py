"""PURE: the Pods that a Job makes (upstream's manageJob, and addCompletionIndexEnvVariables and its like)."""

from controller.job.reconcile import NewPod
from controller.pods import pod_from_template
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import JOB
from vaina.objects.jobs import (
    COMPLETION_INDEX,
    INDEX_FAILURE_COUNT,
    INDEX_IGNORED_FAILURE_COUNT,
    TRACKING_FINALIZER,
)
from vaina.objects.meta import new_controller_ref

#: variable of every container of an indexed Job's Pod
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"


def new_pod(job: job_pb2.Job, new: NewPod) -> pod_pb2.Pod:
    """Return the Pod of a Job to create."""
    reference = new_controller_ref(job, JOB.api_version, JOB.kind)
    pod = pod_from_template(job.spec.template, job.metadata, reference, new.name)
    if TRACKING_FINALIZER not in pod.metadata.finalizers:
        pod.metadata.finalizers.append(TRACKING_FINALIZER)
    if new.index is not None:
        _give_index(pod, job.metadata.name, new)
    return pod


def _give_index(pod: pod_pb2.Pod, job: str, new: NewPod) -> None:
    meta, text = pod.metadata, str(new.index)
    meta.generate_name = f"{job}-{text}-"
    meta.annotations[COMPLETION_INDEX] = text
    meta.labels[COMPLETION_INDEX] = text
    pod.spec.hostname = f"{job}-{text}"
    if new.failures is not None:
        meta.annotations[INDEX_FAILURE_COUNT] = str(new.failures)
        if new.ignored:
            meta.annotations[INDEX_IGNORED_FAILURE_COUNT] = str(new.ignored)
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        if all(variable.name != INDEX_VARIABLE for variable in container.env):
            variable = container.env.add(name=INDEX_VARIABLE)
            variable.value_from.field_ref.field_path = f"metadata.labels['{COMPLETION_INDEX}']"
