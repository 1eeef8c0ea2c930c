"""What the author of a valid Job or CronJob should know.

Follows `pkg/api/job/warnings.go` and the strategies.
"""

from typing import Final

from apiserver.validation import warnings
from apiserver.validation.place import Place
from vaina.api.batch.v1 import job_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import names
from vaina.objects.jobs import is_indexed

_MANY_COMPLETIONS: Final = 100_000
_MANY_AT_A_TIME: Final = 10_000


def warnings_for_name(meta: meta_pb2.ObjectMeta) -> list[str]:
    """Warn of a name that cannot be part of its Pods' host names as it stands."""
    if names.is_dns_1123_label(meta.name):
        return []
    return [
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; "
        f"a DNS label is recommended: {list(names.dns_1123_label(meta.name))}"
    ]


def warnings_for_job(path: Place, spec: job_pb2.JobSpec) -> list[str]:
    """Warn of what is odd about a Job's spec."""
    found: list[str] = []
    if is_indexed(spec) and spec.completions > _MANY_COMPLETIONS and spec.parallelism > _MANY_AT_A_TIME:
        found.append(
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, "
            "Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    template = spec.template
    return found + warnings.warnings_for_pod(path.child("template"), template.metadata, template.spec)
