"""A HorizontalPodAutoscaler on a real cluster: it goes by what the nodes' kubelets measure."""

from typing import Any

import pytest

from tests.support.manifests import container, replica_set
from tests.support.workspace import Workspace
from vaina.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER
from vaina.objects.conditions import get_condition

pytestmark = pytest.mark.beside_others

#: a measurement is some seconds old, and a busy machine takes its time over new Pods
PATIENCE = 150.0
#: one container may use twenty times what is aimed at: enough for three, also on a machine that gives it little
RESOURCES = {"requests": {"cpu": "10m"}, "limits": {"cpu": "100m"}}


def autoscaler(name: str, most: int) -> dict[str, Any]:
    """Make an autoscaler of a Deployment that aims at half of what its Pods ask for, and takes back at once."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1,
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": cpu}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }


@pytest.mark.requirement("D2")
def test_a_deployment_follows_what_its_pods_use(space: Workspace) -> None:
    made = replica_set("web", 1, container(resources=RESOURCES))
    space.apply({**made, "kind": "Deployment"}, autoscaler("web", 3))
    space.cli("rollout", "status", "deployment/web", "--timeout=120s", timeout=130)
    busy = space.pods("app=web")[0]
    # The others have nothing to do: that brings the average down, not below the aim.
    space.shell(busy.metadata.name, "while [ ! -e /tmp/enough ]; do :; done >/dev/null 2>&1 </dev/null &")

    space.event("web", "SuccessfulRescale", "New size: 3; reason: cpu resource utilization", timeout=PATIENCE)
    space.api.wait(
        DEPLOYMENT, "web", lambda it: it.status.available_replicas == 3, "has three replicas",
        namespace=space.namespace, timeout=PATIENCE,
    )  # fmt: skip
    scaled = space.api.wait(
        HORIZONTAL_POD_AUTOSCALER, "web", lambda it: it.status.current_replicas == 3, "knows of three replicas",
        namespace=space.namespace, timeout=PATIENCE,
    )  # fmt: skip
    active = get_condition(scaled.status, "ScalingActive")
    assert active is not None
    assert (active.status, active.reason) == ("True", "ValidMetricFound")
    assert scaled.status.current_metrics[0].resource.current.average_utilization > 50

    space.shell(busy.metadata.name, "touch /tmp/enough")
    space.event("web", "SuccessfulRescale", "New size: 1; reason: All metrics below target", timeout=PATIENCE)
    space.api.wait(
        DEPLOYMENT, "web", lambda it: (it.spec.replicas, it.status.replicas) == (1, 1), "has one replica",
        namespace=space.namespace, timeout=PATIENCE,
    )  # fmt: skip
