"""ImageLocality: nodes that have the Pod's images already are preferred, by size, and by how many nodes have
them.

The share of the nodes that have an image keeps the Pods of one image from all going to the one node that has
it. From the documentation of the plugin: below 23 MB it does not matter, from 1,000 MB a container on nothing
more is gained.
"""

from collections.abc import Mapping, Sequence

from bench.judge.reference.rule import Rule
from vaina.api.core.v1 import node_pb2

_MB = 1024 * 1024
_LEAST, _MOST = 23 * _MB, 1000 * _MB


class Images(Rule):
    """Images that are there."""

    name = "ImageLocality"

    def scores(self, nodes: Sequence[node_pb2.Node]) -> Mapping[str, int]:
        spec = self.pod.spec
        wanted = [full_name(item.image) for item in [*spec.init_containers, *spec.containers]]
        everybody = {
            name: {
                full_name(alias): image.size_bytes for image in node.status.images for alias in image.names
            }
            for name, node in self.world.nodes.items()
        }
        most = _MOST * len(wanted)
        scores = {}
        for node in nodes:
            has = everybody[node.metadata.name]
            total = 0
            for image in wanted:
                if image in has:
                    spread = sum(image in images for images in everybody.values()) / len(everybody)
                    total += int(has[image] * spread)
            scores[node.metadata.name] = 100 * (min(max(total, _LEAST), most) - _LEAST) // (most - _LEAST)
        return scores


def full_name(image: str) -> str:
    """Return an image's name with its tag."""
    return image if image.rfind(":") > image.rfind("/") else f"{image}:latest"
