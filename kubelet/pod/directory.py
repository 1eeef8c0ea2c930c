"""A Pod's own files on the node: /etc/hosts, termination messages, and all mounts of its containers. Shell.

<root>/pods/<uid>/containers/<name>/<attempt> follows from the labels of a container, so a restarted kubelet
finds it (I11). Words are those of makeMounts in `pkg/kubelet/kubelet_pods.go`.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import structlog

from kubelet.containers.env import REFERENCE, ConfigProblem, expand
from kubelet.pod.config import host_network_hosts_file, hosts_file
from kubelet.runtime.records import ContainerState, Mount, Uid
from kubelet.volumes import mounting
from kubelet.volumes.interface import Volumes
from kubelet.volumes.plugins.table import plugin_of
from vaina.api.core.v1 import pod_pb2

log = structlog.stdlib.get_logger(__name__)

#: last bytes of a termination message (MaxContainerTerminationMessageLength, `pkg/kubelet/container/runtime.go`)
MAX_TERMINATION_MESSAGE = 4096
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
        """Make a container's files, and return all its mounts. `images` are the runtime's, by volume."""
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
            data = await asyncio.to_thread(mounting.read_part, root, path, MAX_ENV_FILE)
        except FileNotFoundError:
            return None
        # ValueError: a path that no system call takes (it has a byte 0).
        except (mounting.SubPathError, OSError, ValueError) as error:
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


def volume_mounts(
    pod: pod_pb2.Pod,
    container: pod_pb2.Container,
    env: Mapping[str, str],
    volumes: Volumes,
    pod_root: Path,
    images: Mapping[str, str] = MappingProxyType({}),
) -> list[Mount]:
    """Return the mounts of a container's volumes; sub paths are made and bound.

    `env` has the variables for subPathExpr. Raises ConfigProblem.
    """
    by_name = {volume.name: volume for volume in pod.spec.volumes}
    mounts = []
    for index, mount in enumerate(container.volume_mounts):
        volume = by_name.get(mount.name)
        if volume is None:
            raise ConfigProblem(
                f'cannot find volume "{mount.name}" to mount into container "{container.name}"'
            )
        image = images.get(mount.name, "")
        source = "" if image else volumes.host_path(Uid(pod.metadata.uid), volume)
        part = _expand(mount.sub_path_expr, env) if mount.sub_path_expr else mount.sub_path
        _check_part(part)
        if part and not image:
            place = mounting.place_of_part(pod_root, mount.name, container.name, index)
            # What an image does not have is not made in it.
            make = plugin_of(volume).image(volume) is None
            source = str(_bind(Path(source), part, place, mount.name, container.name, make=make))
        path = mount.mount_path if mount.mount_path.startswith("/") else f"/{mount.mount_path}"
        read_only = mount.read_only or plugin_of(volume).is_read_only(volume)
        deep = mount.read_only and mount.recursive_read_only in {"Enabled", "IfPossible"}
        propagation, sub_path = mount.mount_propagation or "None", part if image else ""
        mounts.append(Mount(source, path, read_only, deep, propagation, image, sub_path))
    return mounts


def _expand(text: str, env: Mapping[str, str]) -> str:
    """Expand variables, which must all have a value (ExpandContainerVolumeMounts in upstream's `helpers.go`)."""
    missing = {
        match[1] for match in REFERENCE.finditer(text) if match[1] is not None and not env.get(match[1])
    }
    if missing:
        raise ConfigProblem(f"missing value for {', '.join(sorted(missing))}")
    return expand(text, env)


def _check_part(part: str) -> None:
    if part.startswith("/"):
        raise ConfigProblem(f"error SubPath `{part}` must not be an absolute path")
    if ".." in part.split("/"):
        raise ConfigProblem(f"unable to provision SubPath `{part}`: must not contain '..'")


def _bind(volume: Path, part: str, place: Path, mount: str, container: str, *, make: bool) -> Path:
    where = f'volumeMount "{mount}" of container "{container}"'
    what = "failed to create subPath directory for"
    try:
        if make:
            mounting.make_part(volume, part)
        what = "failed to prepare subPath for"
        return mounting.bind_part(volume, part, place)
    except (mounting.SubPathError, OSError, ValueError) as error:
        # ValueError: the path has a byte 0. The reason names paths of the node, so it is only logged.
        log.warning("sub path not mounted", volume=str(volume), sub_path=part, error=str(error))
        raise ConfigProblem(f"{what} {where}") from error
