"""Rules for volumes that vaina does not act on (disks of clouds, networks of storage), and for claims.

They are checked, so that a manifest with a mistake is refused here as everywhere; what is not acted on is
named in a warning (`warnings.py`). Follows `pkg/apis/core/validation`.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from apiserver.validation.labels import check_label_selector
from apiserver.validation.metadata import check_annotations, check_labels
from apiserver.validation.place import NOT_POSITIVE, Place
from vaina.api.core.v1 import reference_pb2, volume_pb2
from vaina.objects import names, quantity

_IQN: Final = re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$", re.ASCII)
_EUI: Final = re.compile(r"^eui.[A-Za-z0-9]{16}$", re.ASCII)
_NAA: Final = re.compile(r"^naa.[A-Za-z0-9]{32}$", re.ASCII)
_ISCSI_FORMATS: Final = {"iqn": _IQN, "eui": _EUI, "naa": _NAA}
_HOST_PORTS: Final = "must be a host:port pair or multiple pairs separated by commas"
ACCESS_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")

Check = Callable[[Place, Any], None]


def _needs(*fields: tuple[str, str]) -> Check:
    """Return the check of a source that only has fields which must not be empty: (field, name in manifests)."""

    def check(path: Place, source: Any) -> None:
        for field, shown in fields:
            if not getattr(source, field):
                path.child(shown).required()

    return check


def _check_git_repo(path: Place, source: volume_pb2.GitRepoVolumeSource) -> None:
    if not source.repository:
        path.child("repository").required()
    path.child("directory").check_value(source.directory, names.local_descending_path)


def _check_partition(path: Place, partition: int) -> None:
    if not 0 <= partition <= 255:
        path.child("partition").invalid(partition, names.in_range(1, 255))


def _check_gce_disk(path: Place, source: volume_pb2.GCEPersistentDiskVolumeSource) -> None:
    if not source.pd_name:
        path.child("pdName").required()
    _check_partition(path, source.partition)


def _check_aws_disk(path: Place, source: volume_pb2.AWSElasticBlockStoreVolumeSource) -> None:
    if not source.volume_id:
        path.child("volumeID").required()
    _check_partition(path, source.partition)


def _check_nfs(path: Place, source: volume_pb2.NFSVolumeSource) -> None:
    if not source.server:
        path.child("server").required()
    if not source.path:
        path.child("path").required()
    if not source.path.startswith("/"):
        path.child("path").invalid(source.path, "must be an absolute path")


def _check_iscsi_name(path: Place, name: str) -> None:
    expected = _ISCSI_FORMATS.get(name[:3])
    if expected is None:
        path.invalid(name, "must be valid format starting with iqn, eui, or naa")
    elif not expected.search(name):
        path.invalid(name, "must be valid format")


def _check_iscsi(path: Place, source: volume_pb2.ISCSIVolumeSource) -> None:
    if not source.target_portal:
        path.child("targetPortal").required()
    if not source.iqn:
        path.child("iqn").required()
    else:
        _check_iscsi_name(path.child("iqn"), source.iqn)
    if not 0 <= source.lun <= 255:
        path.child("lun").invalid(source.lun, names.in_range(0, 255))
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


def _check_cinder(path: Place, source: volume_pb2.CinderVolumeSource) -> None:
    if not source.volume_id:
        path.child("volumeID").required()
    if source.HasField("secret_ref") and not source.secret_ref.name:
        path.child("secretRef", "name").required()


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
    elif not 0 <= source.lun <= 255:
        path.child("lun").invalid(source.lun, names.in_range(0, 255))


def _check_flex(path: Place, source: volume_pb2.FlexVolumeSource) -> None:
    if not source.driver:
        path.child("driver").required()
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
    if not source.disk_name:
        path.child("diskName").required()
    if not source.disk_uri:
        path.child("diskURI").required()
    if source.HasField("caching_mode") and source.caching_mode not in _CACHING:
        path.child("cachingMode").not_supported(source.caching_mode, _CACHING)
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
    if source.HasField("secret_ref") and not source.secret_ref.name:
        path.child("secretRef", "name").required()


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
    if spec.HasField("volume_mode") and spec.volume_mode not in {"Block", "Filesystem"}:
        path.child("volumeMode").not_supported(spec.volume_mode, ["Block", "Filesystem"])
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
    try:
        amount = quantity.parse(text)
    except quantity.QuantityError as error:
        at.invalid(text, str(error))
        return
    if amount.nanos <= 0:
        at.invalid(str(amount), NOT_POSITIVE)


#: (field, name in manifests, name in upstream's "more than 1 volume type", check)
LEGACY: Final[dict[str, tuple[str, str, Check]]] = {
    "git_repo": ("gitRepo", "gitRepo", _check_git_repo),
    "gce_persistent_disk": ("persistentDisk", "gcePersistentDisk", _check_gce_disk),
    "aws_elastic_block_store": ("awsElasticBlockStore", "awsElasticBlockStore", _check_aws_disk),
    "nfs": ("nfs", "nfs", _check_nfs),
    "iscsi": ("iscsi", "iscsi", _check_iscsi),
    "glusterfs": ("glusterfs", "glusterfs", _needs(("endpoints", "endpoints"), ("path", "path"))),
    "flocker": ("flocker", "flocker", _check_flocker),
    "persistent_volume_claim": (
        "persistentVolumeClaim", "persistentVolumeClaim", _needs(("claim_name", "claimName")),
    ),
    "rbd": ("rbd", "rbd", _needs(("monitors", "monitors"), ("image", "image"))),
    "cinder": ("cinder", "cinder", _check_cinder),
    "cephfs": ("cephfs", "cephFS", _needs(("monitors", "monitors"))),
    "quobyte": ("quobyte", "quobyte", _check_quobyte),
    "fc": ("fc", "fc", _check_fc),
    "flex_volume": ("flexVolume", "flexVolume", _check_flex),
    "azure_file": (
        "azureFile", "azureFile", _needs(("secret_name", "secretName"), ("share_name", "shareName")),
    ),
    "vsphere_volume": ("vsphereVolume", "vsphereVolume", _needs(("volume_path", "volumePath"))),
    "photon_persistent_disk": ("photonPersistentDisk", "photonPersistentDisk", _needs(("pd_id", "pdID"))),
    "portworx_volume": ("portworxVolume", "portworxVolume", _needs(("volume_id", "volumeID"))),
    "azure_disk": ("azureDisk", "azureDisk", _check_azure_disk),
    "storageos": ("storageos", "storageos", _check_storage_os),
    "scale_io": (
        "scaleIO", "scaleIO", _needs(("gateway", "gateway"), ("system", "system"), ("volume_name", "volumeName")),
    ),
    "csi": ("csi", "csi", _check_csi),
    "ephemeral": ("ephemeral", "ephemeral", _check_ephemeral),
}  # fmt: skip
