"""Rules for a Pod's volumes: names, exactly one source each, and the sources that vaina acts on.

Called by `pod_spec`. Follows `pkg/apis/core/validation`: ValidateVolumes, validateVolumeSource.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from apiserver.validation import volume_files
from apiserver.validation.place import Place
from apiserver.validation.volume_legacy import LEGACY, Source, check_source
from vaina.api.core.v1 import volume_pb2
from vaina.objects import names

Sources = dict[str, volume_pb2.VolumeSource]

_HOST_PATH_TYPES: Final = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_ISCSI_TOO_LONG: Final = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."


def _check_empty_dir(path: Place, source: volume_pb2.EmptyDirVolumeSource) -> None:
    if source.HasField("size_limit"):
        at = path.child("sizeLimit")
        if (amount := at.check_quantity(source.size_limit.string)) and amount.nanos < 0:
            at.forbidden("SizeLimit field must be a valid resource quantity")
    volume_files.check_mode(path.child("mode"), source, "mode")


def check_host_path(path: Place, source: volume_pb2.HostPathVolumeSource) -> None:
    """Check a path of the node."""
    if not source.path:
        path.child("path").required()
        return
    path.child("path").check_value(source.path, names.no_backsteps)
    path.check_given(source, "type", _HOST_PATH_TYPES)


def _check_image(path: Place, source: volume_pb2.ImageVolumeSource) -> None:
    if source.pull_policy and source.pull_policy not in _PULL_POLICIES:
        path.child("pullPolicy").not_supported(source.pull_policy, _PULL_POLICIES)


#: field -> its rules
_SOURCES: Final[dict[str, Source]] = {
    **LEGACY,
    "empty_dir": Source(check=_check_empty_dir),
    "host_path": Source(check=check_host_path),
    "secret": Source(check=volume_files.check_secret),
    "config_map": Source(check=volume_files.check_config_map),
    # Upstream's misspelling is part of its interface.
    "downward_api": Source(check=volume_files.check_downward_api, shown_in_excess="downwarAPI"),
    "projected": Source(check=volume_files.check_projected),
    "image": Source(("reference",), _check_image),
}

#: the order in which upstream looks at the sources: the first one is checked, the others are one too many
_ORDER: Final = (
    "empty_dir", "host_path", "git_repo", "gce_persistent_disk", "aws_elastic_block_store", "secret", "nfs", "iscsi",
    "glusterfs", "flocker", "persistent_volume_claim", "rbd", "cinder", "cephfs", "quobyte", "downward_api", "fc",
    "flex_volume", "config_map", "azure_file", "vsphere_volume", "photon_persistent_disk", "portworx_volume",
    "azure_disk", "storageos", "projected", "scale_io", "csi", "ephemeral", "image",
)  # fmt: skip
_RANK: Final = {field: rank for rank, field in enumerate(_ORDER)}


def check_volumes(path: Place, volumes: Iterable[volume_pb2.Volume], pod_name: str = "") -> Sources:
    """Check all volumes of a Pod; return the sources of those that are in order, by name.

    `pod_name` is empty in a template: the names of claims that will be made cannot be checked there.
    """
    sources: Sources = {}
    listed = list(volumes)
    made = _claims_made(listed, pod_name)
    for index, volume in enumerate(listed):
        at, before = path.index(index), len(path.errors)
        _check_source(at, volume, pod_name)
        at.child("name").check_required(volume.name, names.dns_1123_label)
        if volume.name in sources:
            at.child("name").duplicate(volume.name)
        if len(path.errors) == before:
            sources[volume.name] = volume.volume_source
        claim = volume.volume_source.persistent_volume_claim.claim_name if made else ""
        if claim in made:
            detail = "must not reference a PVC that gets created for an ephemeral volume"
            at.child("persistentVolumeClaim", "claimName").invalid(claim, detail)
    return sources


def _claims_made(volumes: Sequence[volume_pb2.Volume], pod_name: str) -> set[str]:
    """Return the names of the claims that the Pod's ephemeral volumes will have."""
    if not pod_name:
        return set()
    return {f"{pod_name}-{volume.name}" for volume in volumes if volume.volume_source.HasField("ephemeral")}


def _check_source(path: Place, volume: volume_pb2.Volume, pod_name: str) -> None:
    source = volume.volume_source
    given = [field.name for field, _ in source.ListFields() if field.name in _SOURCES]
    if not given:
        path.required("must specify a volume type")
        return
    given.sort(key=_RANK.__getitem__)
    for field in given:
        check_source(path, _SOURCES[field], source, field, is_first=field == given[0])
        if field == "iscsi":
            _check_iscsi_length(path, volume.name, source.iscsi)
        elif field == "ephemeral" and field == given[0] and pod_name and volume.name:
            claim = f"{pod_name}-{volume.name}"
            for problem in names.dns_1123_subdomain(claim):
                path.child("name").invalid(volume.name, f'PVC name "{claim}": {problem}')


def _check_iscsi_length(path: Place, name: str, source: volume_pb2.ISCSIVolumeSource) -> None:
    if source.HasField("initiator_name") and names.size(f"{name}:{source.target_portal}") > 64:
        path.child("name").invalid(name, _ISCSI_TOO_LONG)
