"""Every manifest of examples/ runs."""

import json

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import EXAMPLES
from tests.support.workspace import Workspace, ready
from vaina.objects import manifest


@pytest.mark.requirement("A6", "B16")
@pytest.mark.parametrize("file", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_example_runs(space: Workspace, file: str) -> None:
    text = (EXAMPLES / file).read_text()
    documents = manifest.decode_documents(text)
    assert documents
    space.cli("apply", "-f", str(EXAMPLES / file))
    expected = sum(
        one.message.spec.replicas if one.kind.has_scale else int(one.kind.kind == "Pod") for one in documents
    )
    assert expected

    def settled() -> bool:
        pods = space.pods()
        fine = [ready(p) or p.status.phase == "Succeeded" for p in pods]
        return len(fine) == expected and all(fine)

    wait_until(settled, 60, f"the {expected} Pods of {file} run")
    listed = json.loads(space.cli("get", "pods", "-o", "json"))
    assert len(listed["items"]) == expected
