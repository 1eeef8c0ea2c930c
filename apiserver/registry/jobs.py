"""What is special about Jobs and CronJobs: the selector and labels that make a Job's Pods its own.

Follows `pkg/registry/batch/job/strategy.go` and `pkg/registry/batch/cronjob/strategy.go`.
"""

from apiserver.registry.strategy import Strategy
from vaina.api.batch.v1 import job_pb2
from vaina.objects.jobs import CONTROLLER_UID_LABEL, CONTROLLER_UID_LABELS, JOB_NAME_LABELS


class JobStrategy(Strategy[job_pb2.Job]):
    """A Job leaves its Pods behind unless told otherwise: the default of batch/v1, kept for old clients."""

    has_generation = True
    propagation_policy = "Orphan"

    def prepare_for_create(self, obj: job_pb2.Job, now: float) -> None:
        super().prepare_for_create(obj, now)
        labels = obj.spec.template.metadata.labels
        takes_labels = not obj.metadata.labels
        if not obj.spec.manual_selector:
            self._select_own(obj)
        if takes_labels:
            # Those that were just made are among them: upstream's default (`SetDefaults_Job` in
            # `pkg/apis/batch/v1/defaults.go`) does not copy the template's labels, it gives the Job the same
            # map.
            obj.metadata.labels.update(labels)
        if obj.metadata.name:
            self.name_known(obj)

    def prepare_for_update(self, new: job_pb2.Job, old: job_pb2.Job) -> None:
        super().prepare_for_update(new, old)
        if not new.metadata.labels:
            new.metadata.labels.update(new.spec.template.metadata.labels)

    @staticmethod
    def _select_own(obj: job_pb2.Job) -> None:
        """Have the Job select the Pods with its uid. Labels that are given stay; validation checks them."""
        labels = obj.spec.template.metadata.labels
        for key in CONTROLLER_UID_LABELS:
            if key not in labels:
                labels[key] = obj.metadata.uid
        if CONTROLLER_UID_LABEL not in obj.spec.selector.match_labels:
            obj.spec.selector.match_labels[CONTROLLER_UID_LABEL] = obj.metadata.uid

    def name_known(self, obj: job_pb2.Job) -> None:
        if obj.spec.manual_selector:
            return
        labels, meta = obj.spec.template.metadata.labels, obj.metadata
        # They are equal where the Job had none of its own: its template's have its uid by now.
        takes_labels = meta.labels == labels
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
