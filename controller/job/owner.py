"""A Job as those see it that make its Pods: which Pod belongs to a name. PURE.

Follows upstream's manageJob and indexed_job_utils.go (addCompletionIndexEnvVariables and its like).
"""

from collections.abc import Mapping
from typing import Any

from controller.job.reconcile import NewPod
from controller.pods import pod_from_template
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
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


class JobOwner:
    """One Job. Its messages are shared: read only."""

    def __init__(self, job: job_pb2.Job, pods: Mapping[str, NewPod]) -> None:
        """Make an owner.

        Args:
            job: the Job.
            pods: by name, what is to be made, also what was asked for before and not answered.
        """
        self._job, self._pods = job, pods

    @property
    def object(self) -> Any:
        """The Job."""
        return self._job

    @property
    def meta(self) -> meta_pb2.ObjectMeta:
        """Its metadata."""
        return self._job.metadata

    @property
    def reference(self) -> meta_pb2.OwnerReference:
        """The reference by which its Pods name it as their controller."""
        return new_controller_ref(self._job, JOB.api_version, JOB.kind)

    def new_pod(self, name: str) -> pod_pb2.Pod:
        """Return the Pod of a name."""
        new = self._pods[name]
        pod = pod_from_template(self._job.spec.template, self.meta, self.reference, name)
        if TRACKING_FINALIZER not in pod.metadata.finalizers:
            pod.metadata.finalizers.append(TRACKING_FINALIZER)
        if new.index is not None:
            _give_index(pod, self.meta.name, new)
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
