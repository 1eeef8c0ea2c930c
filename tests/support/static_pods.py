"""Manifests of static Pods in the folder that a node's kubelet looks into."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.support.cluster import Cluster
from tests.support.manifests import as_text

FOLDER = "/etc/kubernetes/manifests"
MIRROR = "kubernetes.io/config.mirror"


def put(cluster: Cluster, node: str, manifest: Mapping[str, Any] | str, name: str) -> None:
    """Write a file into the folder, as it stands."""
    script = 'mkdir -p "$1" && printf %s "$3" >"$1/$2"'
    cluster.execute(node, "sh", "-c", script, "sh", FOLDER, name, as_text(manifest))


def remove(cluster: Cluster, node: str, name: str) -> None:
    """Remove a file of the folder, if it is there."""
    cluster.execute(node, "rm", "-rf", f"{FOLDER}/{name}")


@contextmanager
def files(cluster: Cluster, node: str, *names: str) -> Iterator[None]:
    """See that files of these names are gone after a `with` block, whatever became of the test."""
    try:
        yield
    finally:
        for name in names:
            remove(cluster, node, name)
