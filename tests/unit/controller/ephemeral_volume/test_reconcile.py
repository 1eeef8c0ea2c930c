"""Which claims are made for a Pod's ephemeral volumes."""

import pytest

from controller.ephemeral_volume import Claim, claim_names, reconcile
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_pod


def pod(*volumes: str, phase: str = "Pending", ending: bool = False) -> pod_pb2.Pod:
    made = make_pod("web")
    made.metadata.uid, made.status.phase = "uid-web", phase
    if ending:
        made.metadata.deletion_timestamp.seconds = 1
    for name in volumes:
        template = made.spec.volumes.add(name=name).volume_source.ephemeral.volume_claim_template
        template.metadata.labels["app"] = "web"
        template.spec.resources.requests["storage"].string = "1Gi"
    made.spec.volumes.add(name="plain").volume_source.empty_dir.SetInParent()
    return made


def claim(name: str, owner: str) -> Claim:
    made = Claim()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.metadata.owner_references.add(kind="Pod", name="web", uid=owner, controller=True)
    return made


def test_each_ephemeral_volume_has_a_claim_of_the_pods() -> None:
    create, _ = reconcile(pod("a", "b"), {})
    assert [made.metadata.name for made in create] == ["web-a", "web-b"] == claim_names(pod("a", "b"))
    made = create[0]
    (owner,) = made.metadata.owner_references
    assert (owner.kind, owner.name, owner.uid, owner.controller) == ("Pod", "web", "uid-web", True)
    assert made.metadata.labels == {"app": "web"}
    assert made.spec.resources.requests["storage"].string == "1Gi"


def test_a_claim_that_is_there_is_not_made_again() -> None:
    create, problems = reconcile(pod("a", "b"), {"web-a": claim("web-a", "uid-web")})
    assert [made.metadata.name for made in create] == ["web-b"]
    assert problems == []


def test_a_claim_of_somebody_else_is_a_problem() -> None:
    create, problems = reconcile(pod("a"), {"web-a": claim("web-a", "uid-other")})
    assert create == []
    assert problems == ["PVC default/web-a was not created for pod default/web (pod is not owner)"]


@pytest.mark.parametrize(
    "over",
    [pod("a", phase="Succeeded"), pod("a", phase="Failed"), pod("a", ending=True)],
    ids=["done", "failed", "ending"],
)
def test_none_is_made_for_a_pod_that_ends(over: pod_pb2.Pod) -> None:
    assert reconcile(over, {}) == ([], [])
