"""What is special about Jobs and CronJobs: the selector and labels that make a Job's Pods its own.

Follows `pkg/registry/batch/job/strategy.go` and `pkg/registry/batch/cronjob/strategy.go`.
"""

from apiserver.registry.strategy import Strategy
from vaina.api.batch.v1 import job_pb2
from vaina.objects.jobs import CONTROLLER_UID_LABEL, CONTROLLER_UID_LABELS, JOB_NAME_LABELS


class JobStrategy(Strategy[job_pb2.Job]):
    """The hooks. A Job leaves its Pods behind unless told otherwise: the default of batch/v1, kept for old clients."""

    has_generation = True
    propagation_policy = "Orphan"

    def prepare_for_create(self, obj: job_pb2.Job, now: float) -> None:
        super().prepare_for_create(obj, now)
        if obj.spec.manual_selector:
            return
        # Labels that are given are left: where they do not fit, validation says so.
        labels = obj.spec.template.metadata.labels
        for key in CONTROLLER_UID_LABELS:
            if key not in labels:
                labels[key] = obj.metadata.uid
        if CONTROLLER_UID_LABEL not in obj.spec.selector.match_labels:
            obj.spec.selector.match_labels[CONTROLLER_UID_LABEL] = obj.metadata.uid
        if obj.metadata.name:
            self.name_known(obj)

    def name_known(self, obj: job_pb2.Job) -> None:
        if obj.spec.manual_selector:
            return
        labels, meta = obj.spec.template.metadata.labels, obj.metadata
        # A Job without labels takes its template's, these among them: upstream's default comes again when what was stored is read.
        takes_labels = not meta.labels or meta.labels == labels
        for key in JOB_NAME_LABELS:
            # A generated name may be taken, and another one come.
            ours = meta.generate_name and labels.get(key, "").startswith(meta.generate_name[:58])
            if key not in labels or ours:
                labels[key] = meta.name
        if takes_labels:
            meta.labels.update(labels)


class CronJobStrategy(Strategy[job_pb2.CronJob]):
    """The hooks."""

    has_generation = True
