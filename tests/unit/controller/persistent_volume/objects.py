"""Claims, volumes and classes in few words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from controller.volumes import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    PROVISIONED_BY,
    SELECTED_NODE,
    Claim,
    StorageClass,
    Volume,
    claim_key,
)


def volume(
    name: str = "disk",
    size: str = "10Gi",
    *,
    storage_class: str = "fast",
    modes: Sequence[str] = ("ReadWriteOnce",),
    mode: str = "Filesystem",
    labels: Mapping[str, str] | None = None,
    claim: str = "",
    uid: str = "",
    phase: str = "Available",
    policy: str = "Retain",
    by_controller: bool = False,
    made: bool = False,
    ending: bool = False,
) -> Volume:
    """Make a volume; `claim` is the name of the claim in `default` that it is for, `uid` that of the claim."""
    found = Volume()
    found.metadata.name, found.metadata.uid = name, f"uid-{name}"
    found.metadata.labels.update(labels or {})
    if by_controller:
        found.metadata.annotations[BOUND_BY_CONTROLLER] = "yes"
    if made:
        found.metadata.annotations[PROVISIONED_BY] = "vaina.dev/local-path"
    if ending:
        found.metadata.deletion_timestamp.seconds = 1
    spec = found.spec
    spec.capacity["storage"].string = size
    spec.access_modes.extend(modes)
    spec.storage_class_name, spec.volume_mode = storage_class, mode
    spec.persistent_volume_reclaim_policy = policy
    if claim:
        spec.claim_ref.namespace, spec.claim_ref.name, spec.claim_ref.uid = "default", claim, uid
    found.status.phase = phase
    return found


def claim(
    name: str = "data",
    size: str = "5Gi",
    *,
    storage_class: str | None = "fast",
    modes: Sequence[str] = ("ReadWriteOnce",),
    mode: str = "Filesystem",
    selector: Mapping[str, str] | None = None,
    names: str = "",
    completed: bool = False,
    phase: str = "Pending",
    selected: str = "",
) -> Claim:
    """Make a claim in `default`; `names` is its volume, `completed` that it was bound to it."""
    found = Claim()
    found.metadata.name, found.metadata.namespace, found.metadata.uid = name, "default", f"uid-{name}"
    if completed:
        found.metadata.annotations[BIND_COMPLETED] = "yes"
    if selected:
        found.metadata.annotations[SELECTED_NODE] = selected
    spec = found.spec
    spec.resources.requests["storage"].string = size
    spec.access_modes.extend(modes)
    spec.volume_mode, spec.volume_name = mode, names
    if storage_class is not None:
        spec.storage_class_name = storage_class
    if selector is not None:
        spec.selector.match_labels.update(selector)
    found.status.phase = phase
    return found


def storage_class(
    name: str = "fast",
    *,
    provisioner: str = "vaina.dev/local-path",
    waits: bool = False,
    default: bool = False,
) -> StorageClass:
    """Make a class."""
    found = StorageClass(provisioner=provisioner, reclaim_policy="Delete")
    found.metadata.name = name
    found.volume_binding_mode = "WaitForFirstConsumer" if waits else "Immediate"
    if default:
        found.metadata.annotations["storageclass.kubernetes.io/is-default-class"] = "true"
    return found


@dataclass
class Few:
    """A `World` of a few objects."""

    claims: Sequence[Claim] = ()
    volumes: Sequence[Volume] = ()
    classes: Sequence[StorageClass] = ()
    waiting: Sequence[str] = field(default_factory=tuple)

    def claim(self, key: str) -> Claim | None:
        return next((item for item in self.claims if claim_key(item) == key), None)

    def volume(self, name: str) -> Volume | None:
        return next((item for item in self.volumes if item.metadata.name == name), None)

    def volumes_for(self, claim: Claim) -> Iterable[Volume]:
        return self.volumes

    def storage_classes(self) -> Iterable[StorageClass]:
        return self.classes

    def waiting_pods(self, claim: Claim) -> Sequence[str]:
        return self.waiting
