"""Defaults of everything but Pods: what is added to what a manifest says, and nothing else.

By `defaults.go` of each group.
"""

from typing import Any

import pytest

from tests.unit.apiserver.defaulting.test_defaults import filled
from vaina.kinds import KINDS_BY_GVK

TEMPLATE = "template: {metadata: {labels: {app: x}}, spec: {containers: [{name: main, image: a}]}}"
QUARTERS = {"maxSurge": "25%", "maxUnavailable": "25%"}
KEPT = {"whenDeleted": "Retain", "whenScaled": "Retain"}
UP = {
    "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}],
    "selectPolicy": "Max", "stabilizationWindowSeconds": 0,
}  # fmt: skip
DOWN = {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}], "selectPolicy": "Max"}
CPU = [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]  # fmt: skip
DEPLOYED = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
SET = {
    "replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady",
    "persistentVolumeClaimRetentionPolicy": KEPT,
}  # fmt: skip
ROLLED = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": 1}}
JOB = {
    "completionMode": "NonIndexed", "suspend": False, "manualSelector": False, "backoffLimit": 6, "parallelism": 1,
    "podReplacementPolicy": "TerminatingOrFailed",
}  # fmt: skip
CRON = {"concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1}  # fmt: skip

#: apiVersion, kind, spec as given, what is in the spec then: templates, claims and what was given are left out
CASES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("apps/v1", "Deployment", "", {**DEPLOYED, "strategy": {"type": "RollingUpdate", "rollingUpdate": QUARTERS}}),
    ("apps/v1", "Deployment", "strategy: {type: Recreate}", {**DEPLOYED, "strategy": {"type": "Recreate"}}),
    ("apps/v1", "Deployment", "strategy: {rollingUpdate: {maxSurge: 0}}",
     {**DEPLOYED, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}}}),
    ("apps/v1", "Deployment", "replicas: 0\nprogressDeadlineSeconds: 5\nrevisionHistoryLimit: 0",
     {"replicas": 0, "progressDeadlineSeconds": 5, "revisionHistoryLimit": 0,
      "strategy": {"type": "RollingUpdate", "rollingUpdate": QUARTERS}}),
    ("apps/v1", "StatefulSet", "", {**SET, "updateStrategy": ROLLED}),
    ("apps/v1", "StatefulSet", "updateStrategy: {type: RollingUpdate}", {**SET, "updateStrategy": {"type": "RollingUpdate"}}),
    ("apps/v1", "StatefulSet", "updateStrategy: {type: RollingUpdate, rollingUpdate: {}}", {**SET, "updateStrategy": ROLLED}),
    ("apps/v1", "StatefulSet", "updateStrategy: {type: OnDelete}", {**SET, "updateStrategy": {"type": "OnDelete"}}),
    ("apps/v1", "StatefulSet", "persistentVolumeClaimRetentionPolicy: {whenScaled: Delete}",
     {**SET, "updateStrategy": ROLLED, "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Delete"}}),
    ("apps/v1", "DaemonSet", "", {"revisionHistoryLimit": 10, "updateStrategy":
     {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}}),
    ("apps/v1", "DaemonSet", "updateStrategy: {type: OnDelete}",
     {"revisionHistoryLimit": 10, "updateStrategy": {"type": "OnDelete"}}),
    ("batch/v1", "Job", "", {**JOB, "completions": 1}),
    ("batch/v1", "Job", "parallelism: 3", {**JOB, "parallelism": 3}),
    ("batch/v1", "Job", "completions: 4", {**JOB, "completions": 4}),
    ("batch/v1", "Job", "backoffLimitPerIndex: 1\ncompletions: 2\ncompletionMode: Indexed",
     {**JOB, "completions": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1, "backoffLimit": 2147483647}),
    ("batch/v1", "Job", "podFailurePolicy: {rules: [{action: Ignore, onPodConditions: [{type: DisruptionTarget}]}]}",
     {**JOB, "completions": 1, "podReplacementPolicy": "Failed",
      "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}}),
    ("batch/v1", "CronJob", "", CRON),
    ("batch/v1", "CronJob", "concurrencyPolicy: Forbid\nsuccessfulJobsHistoryLimit: 0",
     {**CRON, "concurrencyPolicy": "Forbid", "successfulJobsHistoryLimit": 0}),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "", {"minReplicas": 1, "metrics": CPU}),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "behavior: {}",
     {"minReplicas": 1, "metrics": CPU, "behavior": {"scaleUp": UP, "scaleDown": DOWN}}),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "minReplicas: 0\nbehavior: {scaleDown: {selectPolicy: Disabled, stabilizationWindowSeconds: 5}}",
     {"minReplicas": 0, "metrics": CPU,
      "behavior": {"scaleUp": UP, "scaleDown": {**DOWN, "selectPolicy": "Disabled", "stabilizationWindowSeconds": 5}}}),
    ("v1", "PersistentVolume", "hostPath: {path: /a}",
     {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem", "hostPath": {"path": "/a", "type": ""}}),
    ("v1", "PersistentVolumeClaim", "", {"volumeMode": "Filesystem"}),
    ("v1", "PersistentVolumeClaim", "volumeMode: Block", {"volumeMode": "Block"}),
    ("v1", "ResourceQuota", "hard: {cpu: 0.5, pods: 3}", {"hard": {"cpu": "500m", "pods": "3"}}),
    ("v1", "LimitRange", "limits: [{type: Container, max: {cpu: 2}, min: {memory: 1Mi}}]",
     {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}, "default": {"cpu": "2"},
                  "defaultRequest": {"cpu": "2", "memory": "1Mi"}}]}),
    ("v1", "LimitRange", "limits: [{type: Container, max: {cpu: 2}, default: {cpu: 1}, defaultRequest: {cpu: 0.1}}]",
     {"limits": [{"type": "Container", "max": {"cpu": "2"}, "default": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}}]}),
    ("v1", "LimitRange", "limits: [{type: Pod, max: {cpu: 2}}]", {"limits": [{"type": "Pod", "max": {"cpu": "2"}}]}),
    ("policy/v1", "PodDisruptionBudget", "minAvailable: 1", {"minAvailable": 1}),
]  # fmt: skip
_TEMPLATED = ("Deployment", "StatefulSet", "DaemonSet", "Job")


@pytest.mark.parametrize(("version", "kind", "given", "want"), CASES)
def test_defaults(version: str, kind: str, given: str, want: dict[str, Any]) -> None:
    lines = [*given.splitlines(), *([TEMPLATE] if kind in _TEMPLATED else [])]
    if kind == "CronJob":
        lines.append(f"jobTemplate: {{spec: {{{TEMPLATE}}}}}")
    spec = "spec: {}" if not lines else "spec:\n" + "\n".join(f"  {line}" for line in lines)
    text = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n{spec}\n"
    found = filled(KINDS_BY_GVK[version, kind], text)["spec"]
    left_out = (
        "template",
        "jobTemplate",
        "scaleTargetRef",
        "resources",
        "selector",
        "serviceName",
        "maxReplicas",
        "schedule",
    )
    assert {name: value for name, value in found.items() if name not in left_out} == {
        name: value for name, value in want.items() if name not in left_out
    }


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: x\n",
         {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}),
        ("apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: x\nreclaimPolicy: Retain\n",
         {"reclaimPolicy": "Retain", "volumeBindingMode": "Immediate"}),
        ("apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: a}\nvalue: 7\n",
         {"preemptionPolicy": "PreemptLowerPriority"}),
        ("apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: a}\nvalue: 7\npreemptionPolicy: Never\n",
         {"preemptionPolicy": "Never"}),
    ],
)  # fmt: skip
def test_defaults_of_kinds_without_a_spec(text: str, want: dict[str, Any]) -> None:
    version, kind = (line.partition(": ")[2] for line in text.splitlines()[:2])
    found = filled(KINDS_BY_GVK[version, kind], text)
    assert {name: found.get(name) for name in want} == want
