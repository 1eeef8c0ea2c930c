"""What was read and is written again as it is changes nothing, of any kind, through any part.

No version, no event, nobody wakes.
"""

import json
from typing import Any

import pytest

from tests.support.apiserver import make_apiserver
from tests.support.every_kind import BARE, OBJECTS, sample
from tests.unit.apiserver.validation.cases import read
from vaina.kinds import KINDS
from vaina.objects.manifest import to_dict


def test_every_kind_is_among_them() -> None:
    assert [kind for _, kind, _ in OBJECTS] == [kind.kind for kind in KINDS]


@pytest.mark.parametrize("named", ["name: sample", "generateName: sample-"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
async def test_what_is_written_again_as_it_is_changes_nothing(kind: Any, named: str) -> None:
    client = make_apiserver().client.kind(kind)
    made = await client.create(sample(kind, named))
    meta, text = made.metadata, json.dumps(to_dict(kind, made))
    assert await client.get(meta.name, meta.namespace) == made
    assert await client.update(made) == made
    for patch_type in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
        assert await client.patch(meta.name, "{}", namespace=meta.namespace, patch_type=patch_type) == made
        assert await client.patch(meta.name, text, namespace=meta.namespace, patch_type=patch_type) == made
    if kind.has_status:
        assert await client.update_status(made) == made


@pytest.mark.parametrize("own", [{}, {"app": "x"}], ids=["none", "one of its own"])
async def test_a_job_without_labels_has_those_of_its_pods(own: dict[str, str]) -> None:
    api = make_apiserver()
    template = BARE.replace("template: {", f"template: {{metadata: {{labels: {json.dumps(own)}}}, ", 1)
    made = await api.client.jobs.create(
        read(f"apiVersion: batch/v1\nkind: Job\nmetadata: {{generateName: work-}}\nspec: {{{template}}}\n")
    )
    name, uid = made.metadata.name, made.metadata.uid
    assert dict(made.metadata.labels) == {
        "batch.kubernetes.io/controller-uid": uid, "controller-uid": uid, "batch.kubernetes.io/job-name": name,
        "job-name": name, **own,
    }  # fmt: skip
    assert made.metadata.labels == made.spec.template.metadata.labels
    made.metadata.labels.clear()
    assert (await api.client.jobs.update(made)).metadata.labels == made.spec.template.metadata.labels


async def test_a_job_with_labels_keeps_them_as_they_are() -> None:
    api = make_apiserver()
    template = BARE.replace("template: {", "template: {metadata: {labels: {app: x}}, ", 1)
    metadata = "metadata: {name: work, labels: {app: x}}"
    made = await api.client.jobs.create(
        read(f"apiVersion: batch/v1\nkind: Job\n{metadata}\nspec: {{{template}}}\n")
    )
    assert dict(made.metadata.labels) == {"app": "x"}
