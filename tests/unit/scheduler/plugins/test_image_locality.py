"""ImageLocality: which nodes have the Pod's images, and how much that counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from scheduler.framework.interface import CycleState
from scheduler.plugins.image_locality import ImageLocality
from tests.unit.scheduler.objects import node, pod_class, table
from vaina.api.core.v1 import node_pb2
from vaina.testing.builders import make_container, make_pod

MIB = 1024 * 1024


def with_images(name: str, images: Mapping[str, int]) -> node_pb2.Node:
    made = node(name)
    for image, size in images.items():
        made.status.images.add(names=[image], size_bytes=size)
    return made


@dataclass(frozen=True)
class Case:
    name: str
    #: of each node: image -> MiB
    nodes: Sequence[Mapping[str, int]]
    containers: Sequence[str]
    want: Sequence[int]
    init: Sequence[str] = ()
    volumes: Sequence[str] = ()


#: (500 - 23) of (1000 - 23), in hundredths
HALF = 100 * (500 - 23) // 977
CASES = [
    Case("an image on every node counts whole", [{"web:1": 500}, {"web:1": 500}], ["web:1"], [HALF, HALF]),
    Case("an image on one of two nodes counts half", [{"web:1": 1000}, {}], ["web:1"], [HALF, 0]),
    Case("no tag means latest", [{"web:latest": 1000}, {}], ["web"], [HALF, 0]),
    Case("a registry's port is no tag", [{"host:5000/web:latest": 1000}, {}], ["host:5000/web"], [HALF, 0]),
    Case("another tag is another image", [{"web:2": 1000}, {"web:1": 1000}], ["web:1"], [0, HALF]),
    Case("small images do not matter", [{"web:1": 22}, {"web:1": 22}], ["web:1"], [0, 0]),
    Case("23 MiB is where it begins", [{"web:1": 33}, {"web:1": 23}], ["web:1"], [1, 0]),
    Case("1000 MiB a container is where it ends", [{"web:1": 9000}, {"web:1": 1000}], ["web:1"], [100, 100]),
    Case("two containers, twice as much", [{"a:1": 500, "b:1": 500}, {"a:1": 500, "b:1": 500}], ["a:1", "b:1"],
         [100 * 977 // 1977] * 2),
    Case("two containers, one image, which counts twice", [{"a:1": 500}, {"a:1": 500}], ["a:1", "a:1"],
         [100 * 977 // 1977] * 2),
    Case("init containers count", [{"a:1": 500}, {"a:1": 500}], ["b:1"], [100 * 477 // 1977] * 2, init=["a:1"]),
    Case("volumes that are images count", [{"a:1": 500}, {"a:1": 500}], ["b:1"], [100 * 477 // 1977] * 2,
         volumes=["a:1"]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_image_locality(case: Case) -> None:
    on = table(
        *(
            with_images(f"n{number}", {image: size * MIB for image, size in images.items()})
            for number, images in enumerate(case.nodes)
        )
    )
    made = make_pod(containers=[make_container(f"c{n}", image) for n, image in enumerate(case.containers)])
    for number, image in enumerate(case.init):
        made.spec.init_containers.add(name=f"i{number}", image=image)
    for number, image in enumerate(case.volumes):
        made.spec.volumes.add(name=f"v{number}").volume_source.image.reference = image
    plugin, asked, nodes, state = ImageLocality(), pod_class(made), on.snapshot(), CycleState()
    assert plugin.pre_score(state, asked, nodes)
    scores = plugin.score(state, asked, nodes, nodes.all)
    assert scores.tolist() == list(case.want)
    assert plugin.score(state, asked, nodes, np.array([1])).tolist() == [case.want[1]]
    assert [plugin.score_row(state, asked, nodes, row) for row in range(nodes.size)] == list(case.want)


def test_it_has_nothing_to_say_where_no_node_has_an_image() -> None:
    on = table(with_images("a", {"other:1": 500 * MIB}))
    assert not ImageLocality().pre_score(CycleState(), pod_class(make_pod()), on.snapshot())


def test_images_that_go_are_forgotten_with_their_nodes() -> None:
    on = table(with_images("a", {"web:1": MIB}), with_images("b", {"web:1": MIB, "db:1": MIB}))
    images = on.snapshot().images
    assert {name: dict(there) for name, there in images.items()} == {
        "web:1": {0: MIB, 1: MIB},
        "db:1": {1: MIB},
    }
    generation = on.journal.position
    on.remove("a")
    assert dict(images["web:1"]) == {1: MIB}
    on.remove("b")
    assert not images
    assert on.journal.position > generation
