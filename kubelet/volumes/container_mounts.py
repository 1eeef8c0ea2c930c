"""Where a Pod's volumes are mounted in one of its containers. Shell: blocking, so called in threads.

Follows makeMounts in `pkg/kubelet/kubelet_pods.go`, words included: a problem here is the container's
CreateContainerConfigError.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import structlog

from kubelet.containers.env import REFERENCE, ConfigProblem, expand
from kubelet.runtime.records import Mount, Uid
from kubelet.volumes import subpath
from kubelet.volumes.interface import Volumes
from kubelet.volumes.plugins.table import plugin_of
from vaina.api.core.v1 import pod_pb2

log = structlog.stdlib.get_logger(__name__)


def volume_mounts(
    pod: pod_pb2.Pod,
    container: pod_pb2.Container,
    env: Mapping[str, str],
    volumes: Volumes,
    pod_root: Path,
    images: Mapping[str, str] = MappingProxyType({}),
) -> list[Mount]:
    """Return the mounts of a container's volumes; sub paths are made and bound.

    `env` has the variables for subPathExpr, `images` the images that the runtime mounts, by volume. Raises
    ConfigProblem with upstream's message.
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
            place = subpath.place(pod_root, mount.name, container.name, index)
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
            subpath.make_directory(volume, part)
        what = "failed to prepare subPath for"
        return subpath.bind(volume, part, place)
    except (subpath.SubPathError, OSError, ValueError) as error:
        # ValueError: the path has a byte 0. The reason names paths of the node, so it is only logged.
        log.warning("sub path not mounted", volume=str(volume), sub_path=part, error=str(error))
        raise ConfigProblem(f"{what} {where}") from error
