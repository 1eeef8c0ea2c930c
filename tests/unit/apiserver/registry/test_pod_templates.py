"""PodTemplates: defaults, generation, what is refused, what is warned of."""

import pytest

from cli.printers.objects import make_table
from tests.support.apiserver import make_apiserver
from vaina.api.core.v1 import pod_pb2
from vaina.errors import Invalid
from vaina.kinds import POD_TEMPLATE


def make(image: str = "busybox", **labels: str) -> pod_pb2.PodTemplate:
    made = pod_pb2.PodTemplate()
    made.metadata.name, made.metadata.namespace = "web", "default"
    made.template.metadata.labels.update(labels)
    made.template.spec.containers.add(name="main", image=image)
    return made


async def test_a_template_is_completed_as_a_pod_is() -> None:
    made = await make_apiserver().client.kind(POD_TEMPLATE).create(make())
    assert made.metadata.generation == 1
    assert made.template.spec.restart_policy == "Always"
    assert made.template.spec.containers[0].image_pull_policy == "Always"


async def test_the_generation_counts_changes_of_the_template_alone() -> None:
    templates = make_apiserver().client.kind(POD_TEMPLATE)
    made = await templates.create(make())
    made.metadata.labels["seen"] = "yes"
    made = await templates.update(made)
    assert made.metadata.generation == 1
    made.template.spec.containers[0].image = "busybox:1.37"
    made = await templates.update(made)
    assert made.metadata.generation == 2


async def test_what_is_wrong_with_the_template_is_said_by_its_path() -> None:
    templates = make_apiserver().client.kind(POD_TEMPLATE)
    wrong = make(app="-")
    del wrong.template.spec.containers[:]
    with pytest.raises(
        Invalid, match=r"template\.labels: Invalid value: .*template\.spec\.containers: Required"
    ):
        await templates.create(wrong)
    made = await templates.create(make())
    del made.template.spec.containers[:]
    with pytest.raises(Invalid, match=r"template\.spec\.containers: Required value"):
        await templates.update(made)


async def test_what_a_pod_would_be_warned_of_is_said_of_the_template() -> None:
    api = make_apiserver()
    template = make()
    template.template.spec.host_users = False
    await api.client.kind(POD_TEMPLATE).create(template)
    assert api.warnings == ["template.spec.hostUsers: accepted, but vaina does not act on it yet"]


def test_a_table_shows_containers_images_and_labels() -> None:
    table = make_table(POD_TEMPLATE, [make("a:1", tier="front", app="web"), make("b:2")], 0.0)
    assert list(table.headers) == ["NAME", "CONTAINERS", "IMAGES", "POD LABELS"]
    assert [list(row) for row in table.rows] == [
        ["web", "main", "a:1", "app=web,tier=front"],
        ["web", "main", "b:2", "<none>"],
    ]
