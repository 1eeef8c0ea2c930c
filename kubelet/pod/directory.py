"""A Pod's own files on the node: /etc/hosts of its containers, and their termination messages.

<root>/pods/<uid>/etc-hosts and <root>/pods/<uid>/containers/<name>/<attempt>: the second path follows from
the labels of a container, so a restarted kubelet finds it (I11). Blocking work runs in threads.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import structlog

from kubelet.containers.env import ConfigProblem
from kubelet.containers.names import host_network_hosts_file, hosts_file
from kubelet.runtime.records import ContainerState, Mount, Uid
from kubelet.volumes import mounting, subpath
from kubelet.volumes.container_mounts import volume_mounts
from kubelet.volumes.interface import Volumes
from vaina.api.core.v1 import pod_pb2

log = structlog.stdlib.get_logger(__name__)

#: last bytes of a termination message (MaxContainerTerminationMessageLength, `pkg/kubelet/container/runtime.go`)
MAX_TERMINATION_MESSAGE = 4096
#: bytes of a file that variables are read from
MAX_ENV_FILE = 64 * 1024


#: of the node; Pods on its network see it with their aliases
_NODE_HOSTS = Path("/etc/hosts")


class PodFiles:
    """A Pod's own files, as the executor asks for them: those of a hollow node, which has none."""

    async def mounts(
        self,
        pod: pod_pb2.Pod,
        container: pod_pb2.Container,
        *,
        attempt: int,
        pod_ip: str,
        env: dict[str, str],
        images: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[Mount, ...]:
        """Make the files that a container needs, and return all its mounts. Raises ConfigProblem.

        `images` are the images that the runtime mounts, by volume.
        """
        return ()

    async def env_file(self, pod: pod_pb2.Pod, volume: str, path: str) -> str | None:
        """Return a file that variables are read from; None: it is not there. Raises ConfigProblem."""
        return None

    async def last_words(self, state: ContainerState) -> str:
        """Return the end of what an ended container wrote to its terminationMessagePath."""
        return ""

    async def remove(self, uid: Uid) -> None:
        """Remove everything of a Pod."""


class PodDirectory(PodFiles):
    """Pods' files below one root. Stateless."""

    def __init__(self, root: Path, volumes: Volumes, *, cluster_domain: str = "cluster.local") -> None:
        self._root, self._volumes, self._cluster_domain = root / "pods", volumes, cluster_domain

    async def mounts(
        self,
        pod: pod_pb2.Pod,
        container: pod_pb2.Container,
        *,
        attempt: int,
        pod_ip: str,
        env: dict[str, str],
        images: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[Mount, ...]:
        mounts = await asyncio.to_thread(
            volume_mounts, pod, container, env, self._volumes, self._root / pod.metadata.uid, images
        )
        taken = {mount.container_path for mount in mounts}
        uid = Uid(pod.metadata.uid)
        path = container.termination_message_path or "/dev/termination-log"
        if path not in taken:
            log = await asyncio.to_thread(self._termination_log, uid, container.name, attempt)
            mounts.append(Mount(log, path))
        if "/etc/hosts" not in taken and (pod.spec.host_network or pod_ip):
            hosts = await asyncio.to_thread(self._etc_hosts, pod, pod_ip)
            mounts.append(Mount(hosts, "/etc/hosts"))
        return tuple(mounts)

    def _termination_log(self, uid: Uid, name: str, attempt: int) -> str:
        path = self._root / uid / "containers" / name / str(attempt)
        mounting.make_private(self._root, path.parent)
        path.touch()
        # Every user of the container may write it.
        path.chmod(0o666)
        return str(path)

    def _etc_hosts(self, pod: pod_pb2.Pod, pod_ip: str) -> str:
        path = self._root / pod.metadata.uid / "etc-hosts"
        mounting.make_private(self._root, path.parent)
        if pod.spec.host_network:
            text = host_network_hosts_file(pod, _NODE_HOSTS.read_text() if _NODE_HOSTS.exists() else "")
        else:
            text = hosts_file(pod, pod_ip=pod_ip, cluster_domain=self._cluster_domain)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            path.chmod(0o644)
        return str(path)

    async def env_file(self, pod: pod_pb2.Pod, volume: str, path: str) -> str | None:
        found = next((item for item in pod.spec.volumes if item.name == volume), None)
        if found is None:
            raise ConfigProblem(f'cannot find the volume "{volume}" referenced by FileKeyRef')
        root = Path(self._volumes.host_path(Uid(pod.metadata.uid), found))
        try:
            data = await asyncio.to_thread(subpath.read, root, path, MAX_ENV_FILE)
        except FileNotFoundError:
            return None
        # ValueError: a path that no system call takes (it has a byte 0).
        except (subpath.SubPathError, OSError, ValueError) as error:
            log.warning("file of variables not read", volume=volume, path=path, error=str(error))
            raise ConfigProblem("couldn't parse env file") from error
        if len(data) > MAX_ENV_FILE:
            raise ConfigProblem(f"couldn't parse env file: it has more than {MAX_ENV_FILE} bytes")
        return data.decode("utf-8", errors="replace")

    async def last_words(self, state: ContainerState) -> str:
        path = self._root / state.pod_uid / "containers" / state.name / str(state.attempt)
        try:
            data = await asyncio.to_thread(_tail, path, MAX_TERMINATION_MESSAGE)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"Error on reading termination log {path}: {error}"
        return data.decode("utf-8", errors="replace")

    async def remove(self, uid: Uid) -> None:
        try:
            await asyncio.to_thread(mounting.clear, self._root / uid)
        except OSError as error:
            # What is still mounted shows data: better a directory that is left.
            log.warning("pod directory not removed", uid=uid, error=str(error))


def _tail(path: Path, most: int) -> bytes:
    """Return the last bytes of a file (`pkg/util/tail`, ReadAtMost). Raises OSError."""
    with path.open("rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - most, 0))
        return file.read(most)
