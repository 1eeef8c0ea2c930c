"""The disks of a world's nodes: real directories, for the kubelets' real volumes.

They outlive kubelets, and go with the world.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: written into a volume by whoever uses it first
_MARK = "written"


class Disks:
    """Of all nodes, below one directory.

    What the node-local provisioner makes is in one place: names of volumes are never used twice.
    """

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self._root = Path(tempfile.mkdtemp(prefix="vaina-sim-", dir=memory if memory.is_dir() else None))
        #: below it are the volumes
        self.volumes = self._root / "volumes"
        #: volumes that something was written into
        self._written: set[str] = set()

    def of(self, node: str) -> Path:
        """Return the root directory of a node's kubelet."""
        return self._root / node

    def close(self) -> None:
        """Delete everything."""
        shutil.rmtree(self._root, ignore_errors=True)

    def names(self) -> list[str]:
        """Return the volumes that there are data of."""
        return sorted(found.name for found in self.volumes.iterdir()) if self.volumes.is_dir() else []

    def use(self, volume: str) -> Iterator[str]:
        """Write into a volume, as its Pod's program does. What was written before must be there."""
        path = self.volumes / volume
        if not path.is_dir():
            yield f"volume {volume} is used, and has no directory"
            return
        if volume in self._written and not (path / _MARK).exists():
            yield f"what was written into volume {volume} is lost"
        self._written.add(volume)
        (path / _MARK).touch()


def claims_of(pod: Any) -> list[str]:
    """Return the names of the claims that a Pod names."""
    return [
        volume.volume_source.persistent_volume_claim.claim_name
        for volume in pod.spec.volumes
        if volume.volume_source.HasField("persistent_volume_claim")
    ]
