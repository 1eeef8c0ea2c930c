"""Manifests in a folder of the node as static Pods, and the mirror Pods that show them in the API. PURE.

Names, annotations, the toleration and what is forbidden are upstream's (`pkg/kubelet/config/common.go`,
`file.go`, `pkg/kubelet/pod/mirror_client.go`). Where we differ (decision 118): a file counts once it has looked
alike twice, and a manifest that can no longer be read leaves its Pod as it was.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from kubelet.runtime.records import SOURCE_ANNOTATION, Uid
from kubelet.sources import static_checks
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import ApiError
from vaina.kinds import POD
from vaina.objects.defaults import default_pod
from vaina.objects.manifest import read_documents
from vaina.objects.pods import MIRROR

SOURCE: Final = SOURCE_ANNOTATION
HASH: Final = "kubernetes.io/config.hash"
SEEN: Final = "kubernetes.io/config.seen"
#: bytes of a manifest; that of the apiserver (upstream: 10 MiB)
MAX_BYTES: Final = 3 * 1024 * 1024
#: files of the folder that are read; those beyond, in the order of their names, are told and left
MAX_FILES: Final = 500
#: names of the folder that are looked at, links that lead nowhere and folders among them
MAX_NAMES: Final = 5_000


class ManifestError(Exception):
    """Why a file is no static Pod, in words for its author."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What of a file's status changes when the file does."""

    mtime_ns: int
    size: int
    inode: int
    regular: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one file."""

    stamp: Stamp
    #: as it looked when it was read; None: not yet
    read: Stamp | None = None
    #: the last Pod that could be read from it
    pod: pod_pb2.Pod | None = None
    #: what is wrong with it now; "": nothing
    problem: str = ""
    #: it was not there when the folder was listed last
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """What follows from all files."""

    pods: Mapping[Uid, pod_pb2.Pod]
    problems: Mapping[str, str]


def is_static(meta: meta_pb2.ObjectMeta) -> bool:
    """Say whether a Pod comes from a file of this node; the API gives uids, so none of its Pods can look so."""
    annotations = meta.annotations
    return (
        SOURCE in annotations
        and annotations[SOURCE] == "file"
        and HASH in annotations
        and annotations[HASH] == meta.uid
    )


def considered(names: Iterable[str]) -> list[str]:
    """Return the names that may be manifests, in order; those with a dot in front are editors' files."""
    return sorted(name for name in names if not name.startswith("."))


def looked(
    before: Mapping[str, Entry], listing: Mapping[str, Stamp], *, first: bool
) -> tuple[dict[str, Entry], list[str]]:
    """Return what is known after a look at the folder, and the files that are due to be read.

    A file is read, or dropped, when two looks in a row agree: editors write in pieces, and move files away
    and back. After the `first` look nothing waits.
    """
    after: dict[str, Entry] = {}
    due = []
    for name, stamp in listing.items():
        entry = before.get(name, Entry(stamp))
        settled = first or (name in before and entry.stamp == stamp and not entry.missing)
        entry = replace(entry, stamp=stamp, missing=False)
        if not stamp.regular:
            entry = replace(entry, read=stamp, problem="is not a regular file")
        elif stamp.size > MAX_BYTES:
            entry = replace(entry, read=stamp, problem=f"has {stamp.size} bytes; the limit is {MAX_BYTES}")
        elif settled and entry.read != stamp:
            due.append(name)
        after[name] = entry
    for name, entry in before.items():
        if name not in listing and not entry.missing:
            after[name] = replace(entry, missing=True)
    return after, due


def was_read(entry: Entry, outcome: pod_pb2.Pod | ManifestError) -> Entry:
    """Return what is known of a file that was read; a mistake in it leaves the Pod that it had."""
    if isinstance(outcome, ManifestError):
        return replace(entry, read=entry.stamp, problem=str(outcome))
    return replace(entry, read=entry.stamp, pod=outcome, problem="")


def choose(entries: Mapping[str, Entry]) -> Chosen:
    """Return the Pods of all files; of two Pods with one name the first file's counts."""
    pods: dict[Uid, pod_pb2.Pod] = {}
    problems: dict[str, str] = {}
    names: dict[tuple[str, str], str] = {}
    places = 0
    for file in sorted(entries):
        entry = entries[file]
        if entry.problem:
            problems[file] = entry.problem
        # Only regular files count.
        places += entry.stamp.regular
        if places > MAX_FILES:
            problems[file] = f"is beyond the {MAX_FILES} files that are looked at"
            continue
        if entry.pod is None:
            continue
        meta = entry.pod.metadata
        other = names.setdefault((meta.namespace, meta.name), file)
        if other != file:
            problems[file] = f"names the Pod {meta.namespace}/{meta.name}, as {other} does"
            continue
        pods[Uid(meta.uid)] = entry.pod
    return Chosen(pods, problems)


def decode(data: bytes, *, path: str, node_name: str, now: float) -> pod_pb2.Pod:
    """Return the static Pod that a manifest (YAML or JSON) means, with its defaults. Raises ManifestError.

    Its uid is a hash of its content, its path and the node's name, so other content is another Pod.
    """
    pod = _one_pod(data)
    uid = _hash(pod, path, node_name)
    meta = pod.metadata
    meta.name = f"{meta.name}-{node_name.lower()}"
    meta.namespace = meta.namespace or "default"
    meta.uid = uid
    for name in ("resource_version", "generate_name", "creation_timestamp", "deletion_timestamp"):
        meta.ClearField(name)
    meta.ClearField("deletion_grace_period_seconds")
    del meta.owner_references[:]
    del meta.finalizers[:]
    pod.ClearField("status")
    pod.spec.node_name = node_name
    _tolerate_everything(pod.spec)
    default_pod(pod)
    # Upstream gives a second at least (calculateEffectiveGracePeriod in `pkg/kubelet/pod_workers.go`).
    pod.spec.termination_grace_period_seconds = max(pod.spec.termination_grace_period_seconds, 1)
    if wrong := static_checks.mistake(pod):
        raise ManifestError(wrong)
    meta.annotations.pop(MIRROR, None)
    seen = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    meta.annotations.update({SOURCE: "file", HASH: uid, SEEN: seen})
    return pod


def _unreadable(error: ApiError) -> ManifestError:
    return ManifestError(f"couldn't parse as pod({error.message}), please check config file")


def _one_pod(data: bytes) -> pod_pb2.Pod:
    try:
        documents = read_documents(data, strict=False)
    except ApiError as error:
        raise _unreadable(error) from error
    if len(documents) != 1:
        raise ManifestError(f"must hold one Pod, and holds {len(documents)} documents")
    [found] = documents
    if isinstance(found, ApiError):
        raise _unreadable(found) from found
    if found.kind is not POD:
        raise ManifestError(f"invalid pod: it is a {found.kind.kind}")
    message: Any = found.message
    if not message.metadata.name:
        raise ManifestError("invalid pod: name is needed for the pod")
    pod = pod_pb2.Pod()
    pod.CopyFrom(message)
    return pod


def _hash(pod: pod_pb2.Pod, path: str, node_name: str) -> str:
    hasher = hashlib.md5(usedforsecurity=False)
    hasher.update(pod.SerializeToString(deterministic=True))
    hasher.update(f"host:{node_name}".encode())
    # A name of a file need not be UTF-8.
    hasher.update(f"file:{path}".encode(errors="surrogateescape"))
    return hasher.hexdigest()


def _tolerate_everything(spec: pod_pb2.PodSpec) -> None:
    """Keep the Pod on its node whatever becomes of that: it cannot be started elsewhere."""
    wanted = pod_pb2.Toleration(operator="Exists", effect="NoExecute")
    if wanted not in spec.tolerations:
        spec.tolerations.append(wanted)


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """What is due. Empty when the API shows what there is."""

    create: tuple[pod_pb2.Pod, ...] = ()
    #: with grace 0: nothing of a mirror Pod runs
    delete: tuple[pod_pb2.Pod, ...] = ()


def full_name(pod: pod_pb2.Pod) -> tuple[str, str]:
    """Return the name by which a static Pod and its mirror belong together."""
    return pod.metadata.namespace, pod.metadata.name


def is_mirror_of(mirror: pod_pb2.Pod, static: pod_pb2.Pod) -> bool:
    """Say whether a mirror Pod shows this static Pod as it is now."""
    return (
        full_name(mirror) == full_name(static)
        and mirror.metadata.annotations.get(MIRROR, "") == static.metadata.annotations[HASH]
    )


#: says of a static Pod and its mirror that the mirror shows an end that is none
Outlived = Callable[[pod_pb2.Pod, pod_pb2.Pod], bool]


def shown(
    statics: Iterable[pod_pb2.Pod], mirrors: Iterable[pod_pb2.Pod], outlived: Outlived
) -> dict[Uid, pod_pb2.Pod]:
    """Return the mirror of each static Pod, by the static Pod's uid; one that is being deleted is none."""
    by_name = {full_name(mirror): mirror for mirror in mirrors}
    found = {}
    for static in statics:
        mirror = by_name.get(full_name(static))
        if (
            mirror is not None
            and is_mirror_of(mirror, static)
            and not (mirror.metadata.HasField("deletion_timestamp") or outlived(static, mirror))
        ):
            found[Uid(static.metadata.uid)] = mirror
    return found


def plan_mirrors(
    statics: Mapping[Uid, pod_pb2.Pod],
    mirrors: Iterable[pod_pb2.Pod],
    node: node_pb2.Node,
    outlived: Outlived,
) -> MirrorPlan:
    """Return what is due. `mirrors` are those that the API has for this node, which owns them.

    A node without a uid is not registered yet, and one that is being deleted gets no new ones. Mirrors that are
    `outlived` are made anew.
    """
    mirrors = tuple(mirrors)
    right = shown(statics.values(), mirrors, outlived)
    kept = {mirror.metadata.uid for mirror in right.values()}
    delete = tuple(mirror for mirror in mirrors if mirror.metadata.uid not in kept)
    if not node.metadata.uid or node.metadata.HasField("deletion_timestamp"):
        return MirrorPlan(delete=delete)
    # A name is free again when the one that has it is gone: then this is looked at again.
    taken = {full_name(mirror) for mirror in mirrors}
    create = tuple(mirror_of(pod, node) for pod in statics.values() if full_name(pod) not in taken)
    return MirrorPlan(create, delete)


def mirror_of(static: pod_pb2.Pod, node: node_pb2.Node) -> pod_pb2.Pod:
    """Return the Pod that shows a static one: the same but for annotation, owner and uid."""
    mirror = pod_pb2.Pod()
    mirror.CopyFrom(static)
    mirror.ClearField("status")
    meta = mirror.metadata
    meta.ClearField("uid")
    meta.annotations[MIRROR] = static.metadata.annotations[HASH]
    meta.owner_references.append(
        meta_pb2.OwnerReference(
            api_version="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid, controller=True
        )
    )
    return mirror
