"""Rules for volumes that vaina does not act on (disks of clouds, networks of storage), and for claims.

They are checked, so that a manifest with a mistake is refused here as everywhere; what is not acted on is
named in a warning (`warnings.py`). Follows `pkg/apis/core/validation`.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from apiserver.validation.metadata import check_annotations, check_label_selector, check_labels
from apiserver.validation.place import NOT_POSITIVE, Place
from vaina.api.core.v1 import reference_pb2, volume_pb2
from vaina.objects import names

_ISCSI_FORMATS: Final = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$", re.ASCII),
    "eui": re.compile(r"^eui.[A-Za-z0-9]{16}$", re.ASCII),
    "naa": re.compile(r"^naa.[A-Za-z0-9]{32}$", re.ASCII),
}
_HOST_PORTS: Final = "must be a host:port pair or multiple pairs separated by commas"
ACCESS_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")

Check = Callable[[Place, Any], None]


class Source(NamedTuple):
    """The rules for one kind of source."""

    #: fields that may not be empty
    needs: tuple[str, ...] = ()
    check: Check | None = None
    #: upstream's name in paths, and in "more than 1 volume type", where it is not that of manifests
    shown: str = ""
    shown_in_excess: str = ""


def check_source(path: Place, rules: Source, holder: Message, field: str, *, is_first: bool) -> None:
    """Check a source of a volume. The first one must be in order; any other is one too many."""
    if not is_first:
        at = path.child(rules.shown_in_excess) if rules.shown_in_excess else path.field(holder, field)
        at.forbidden("may not specify more than 1 volume type")
        return
    at, source = path.child(rules.shown) if rules.shown else path.field(holder, field), getattr(holder, field)
    for name in rules.needs:
        if not getattr(source, name):
            at.field(source, name).required()
    if rules.check is not None:
        rules.check(at, source)


def _check_git_repo(path: Place, source: volume_pb2.GitRepoVolumeSource) -> None:
    path.child("directory").check_value(source.directory, names.local_descending_path)


def _check_partition(
    path: Place,
    source: volume_pb2.GCEPersistentDiskVolumeSource | volume_pb2.AWSElasticBlockStoreVolumeSource,
) -> None:
    if not 0 <= source.partition <= 255:
        path.child("partition").invalid(source.partition, names.in_range(1, 255))


def _check_nfs(path: Place, source: volume_pb2.NFSVolumeSource) -> None:
    if not source.path.startswith("/"):
        path.child("path").invalid(source.path, "must be an absolute path")


def _check_iscsi_name(path: Place, name: str) -> None:
    expected = _ISCSI_FORMATS.get(name[:3])
    if expected is None:
        path.invalid(name, "must be valid format starting with iqn, eui, or naa")
    elif not expected.search(name):
        path.invalid(name, "must be valid format")


def _check_lun(path: Place, lun: int) -> None:
    if not 0 <= lun <= 255:
        path.child("lun").invalid(lun, names.in_range(0, 255))


def _check_iscsi(path: Place, source: volume_pb2.ISCSIVolumeSource) -> None:
    if source.iqn:
        _check_iscsi_name(path.child("iqn"), source.iqn)
    _check_lun(path, source.lun)
    chap = source.chap_auth_discovery or source.chap_auth_session
    if chap and not source.HasField("secret_ref"):
        path.child("secretRef").required()
    if source.HasField("initiator_name"):
        _check_iscsi_name(path.child("initiatorname"), source.initiator_name)


def _check_flocker(path: Place, source: volume_pb2.FlockerVolumeSource) -> None:
    if not source.dataset_name and not source.dataset_uuid:
        path.required("one of datasetName and datasetUUID is required")
    if source.dataset_name and source.dataset_uuid:
        path.invalid("resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in source.dataset_name:
        path.child("datasetName").invalid(source.dataset_name, "must not contain '/'")


def check_secret(path: Place, source: Any, field: str = "name") -> None:
    """Check that a Secret that a source names has a name, or a namespace."""
    if source.HasField("secret_ref") and not getattr(source.secret_ref, field):
        path.child("secretRef", field).required()


def _is_host_port(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    return bool(colon) and (bracketed or ":" not in host) and "]" not in port


def _check_quobyte(path: Place, source: volume_pb2.QuobyteVolumeSource) -> None:
    if not source.registry:
        path.child("registry").required(_HOST_PORTS)
    elif names.size(source.tenant) >= 65:
        path.child("tenant").required("must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in source.registry.split(","):
            if not _is_host_port(pair):
                path.child("registry").invalid(source.registry, _HOST_PORTS)
    if not source.volume:
        path.child("volume").required()


def _check_fc(path: Place, source: volume_pb2.FCVolumeSource) -> None:
    names_path = path.child("targetWWNs")
    if not source.target_wwns and not source.wwids:
        names_path.required("must specify either targetWWNs or wwids, but not both")
    if source.target_wwns and source.wwids:
        detail = "targetWWNs and wwids can not be specified simultaneously"
        names_path.invalid(list(source.target_wwns), detail)
    if not source.target_wwns:
        return
    if not source.HasField("lun"):
        path.child("lun").required("lun is required if targetWWNs is specified")
    else:
        _check_lun(path, source.lun)


def _check_flex(path: Place, source: volume_pb2.FlexVolumeSource) -> None:
    for key in sorted(source.options):
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            path.child("options").key(key).invalid(key, "kubernetes.io and k8s.io namespaces are reserved")


_CACHING: Final = ("None", "ReadOnly", "ReadWrite")
_DISK_KINDS: Final = ("Dedicated", "Managed", "Shared")
_MANAGED_URI: Final = (
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
)
_BLOB_URI: Final = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def _check_azure_disk(path: Place, source: volume_pb2.AzureDiskVolumeSource) -> None:
    path.check_given(source, "caching_mode", _CACHING)
    if not source.HasField("kind"):
        return
    path.child("kind").check_supported(source.kind, _DISK_KINDS)
    managed = source.kind == "Managed"
    if not source.disk_uri.startswith("/subscriptions/" if managed else "https://"):
        allowed = _MANAGED_URI if managed else _BLOB_URI
        path.child("diskURI").not_supported(source.disk_uri, [allowed])


def _check_storage_os(path: Place, source: volume_pb2.StorageOSVolumeSource) -> None:
    path.child("volumeName").check_required(source.volume_name, names.dns_1123_label)
    if source.volume_namespace:
        path.child("volumeNamespace").check_value(source.volume_namespace, names.dns_1123_label)
    check_secret(path, source)


def check_csi_driver(path: Place, driver: str) -> None:
    """Check the name of a storage driver."""
    if not driver:
        path.required()
        return
    if names.size(driver) > 63:
        path.too_long(63)
    for problem in names.dns_1123_subdomain(driver.lower()):
        path.invalid(driver, problem)


def _check_csi(path: Place, source: volume_pb2.CSIVolumeSource) -> None:
    check_csi_driver(path.child("driver"), source.driver)
    if not source.HasField("node_publish_secret_ref"):
        return
    if not source.node_publish_secret_ref.name:
        path.child("nodePublishSecretRef", "name").required()
    else:
        name = source.node_publish_secret_ref.name
        path.child("name").check_value(name, names.dns_1123_subdomain)


def _check_ephemeral(path: Place, source: volume_pb2.EphemeralVolumeSource) -> None:
    at = path.child("volumeClaimTemplate")
    if not source.HasField("volume_claim_template"):
        at.required()
        return
    meta, spec = source.volume_claim_template.metadata, source.volume_claim_template.spec
    check_annotations(at.child("metadata", "annotations"), meta.annotations)
    check_labels(at.child("metadata", "labels"), meta.labels)
    for field, value in meta.ListFields():
        if field.name not in {"annotations", "labels"} and not (field.message_type and not value):
            at.child("metadata").child(field.json_name).forbidden("cannot be set")
    check_claim_spec(at.child("spec"), spec)


def check_claim_spec(path: Place, spec: volume_pb2.PersistentVolumeClaimSpec) -> None:
    """Check what a claim asks for."""
    modes = path.child("accessModes")
    if not spec.access_modes:
        modes.required("at least 1 access mode is required")
    if spec.HasField("selector"):
        check_label_selector(path.child("selector"), spec.selector)
    check_access_modes(modes, spec.access_modes)
    _check_storage(path.child("resources"), spec.resources)
    if spec.HasField("storage_class_name") and spec.storage_class_name:
        path.child("storageClassName").check_value(spec.storage_class_name, names.dns_1123_subdomain)
    path.check_given(spec, "volume_mode", ("Block", "Filesystem"))
    _check_data_sources(path, spec)
    if spec.volume_attributes_class_name:
        at = path.child("volumeAttributesClassName")
        at.check_value(spec.volume_attributes_class_name, names.dns_1123_subdomain)


def check_access_modes(path: Place, modes: Iterable[str]) -> None:
    """Check the ways in which storage may be used."""
    given = list(modes)
    for mode in given:
        path.check_supported(mode, ACCESS_MODES)
    if "ReadWriteOncePod" in given and len(set(given) & set(ACCESS_MODES)) > 1:
        path.forbidden("may not use ReadWriteOncePod with other access modes")


def _check_data_sources(path: Place, spec: volume_pb2.PersistentVolumeClaimSpec) -> None:
    """Check both ways of naming what fills a claim: the older one may only repeat the newer one."""
    source, ref = spec.data_source, spec.data_source_ref
    at = path.child("dataSource")
    if spec.HasField("data_source"):
        _check_data_source(at, source)
    if not spec.HasField("data_source_ref"):
        return
    _check_data_source(path.child("dataSourceRef"), ref)
    if ref.namespace:
        path.child("dataSourceRef", "namespace").check_value(ref.namespace, names.dns_1123_label)
    if not spec.HasField("data_source"):
        return
    if ref.namespace:
        path.invalid(str(at), "may not be specified when dataSourceRef.namespace is specified")
    elif (source.api_group, source.kind, source.name) != (ref.api_group, ref.kind, ref.name):
        path.invalid(str(at), "must match dataSourceRef")


def _check_data_source(
    path: Place,
    source: reference_pb2.TypedLocalObjectReference | reference_pb2.TypedObjectReference,
) -> None:
    for field in ("name", "kind"):
        if not getattr(source, field):
            path.child(field).required()
    if source.api_group:
        path.child("apiGroup").check_value(source.api_group, names.dns_1123_subdomain)
    elif source.kind != "PersistentVolumeClaim":
        path.invalid(source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")


def _check_storage(path: Place, resources: reference_pb2.VolumeResourceRequirements) -> None:
    if "storage" not in resources.requests:
        path.key("storage").required()
        return
    text = resources.requests["storage"].string
    at = path.key("storage")
    if (amount := at.check_quantity(text)) and amount.nanos <= 0:
        at.invalid(str(amount), NOT_POSITIVE)


#: field -> its rules
LEGACY: Final[dict[str, Source]] = {
    "git_repo": Source(("repository",), _check_git_repo),
    "gce_persistent_disk": Source(("pd_name",), _check_partition, shown="persistentDisk"),
    "aws_elastic_block_store": Source(("volume_id",), _check_partition),
    "nfs": Source(("server", "path"), _check_nfs),
    "iscsi": Source(("target_portal", "iqn"), _check_iscsi),
    "glusterfs": Source(("endpoints", "path")),
    "flocker": Source(check=_check_flocker),
    "persistent_volume_claim": Source(("claim_name",)),
    "rbd": Source(("monitors", "image")),
    "cinder": Source(("volume_id",), check_secret),
    "cephfs": Source(("monitors",), shown_in_excess="cephFS"),
    "quobyte": Source(check=_check_quobyte),
    "fc": Source(check=_check_fc),
    "flex_volume": Source(("driver",), _check_flex),
    "azure_file": Source(("secret_name", "share_name")),
    "vsphere_volume": Source(("volume_path",)),
    "photon_persistent_disk": Source(("pd_id",)),
    "portworx_volume": Source(("volume_id",)),
    "azure_disk": Source(("disk_name", "disk_uri"), _check_azure_disk),
    "storageos": Source(check=_check_storage_os),
    "scale_io": Source(("gateway", "system", "volume_name")),
    "csi": Source(check=_check_csi),
    "ephemeral": Source(check=_check_ephemeral),
}
