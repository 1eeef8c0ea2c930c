"""Rules for where the storage of a PersistentVolume is: exactly one source, and what each needs.

Called by `persistent_volumes`. Follows `pkg/apis/core/validation`: ValidatePersistentVolumeSpec and the
functions of the sources. Where a source differs from that of a Pod's volume only in naming Secrets with their
namespaces, the Pod's rule is used.
"""

from typing import Any, Final

from apiserver.validation.place import Place
from apiserver.validation.volume_legacy import LEGACY, Check, check_csi_driver
from apiserver.validation.volumes import check_host_path
from vaina.api.core.v1 import persistent_volume_pb2 as pv
from vaina.objects import names


def _check_glusterfs(path: Place, source: pv.GlusterfsPersistentVolumeSource) -> None:
    LEGACY["glusterfs"][2](path, source)
    if source.HasField("endpoints_namespace"):
        at = path.child("endpointsNamespace")
        if not source.endpoints_namespace:
            words = "if the endpointnamespace is set, it must be a valid namespace name"
            at.invalid(source.endpoints_namespace, words)
        else:
            at.check_value(source.endpoints_namespace, names.dns_1123_label)


def _check_iscsi(path: Place, source: pv.ISCSIPersistentVolumeSource) -> None:
    LEGACY["iscsi"][2](path, source)
    if source.HasField("secret_ref") and not source.secret_ref.name:
        path.child("secretRef", "name").required()


def _check_cinder(path: Place, source: pv.CinderPersistentVolumeSource) -> None:
    LEGACY["cinder"][2](path, source)
    if source.HasField("secret_ref") and not source.secret_ref.namespace:
        path.child("secretRef", "namespace").required()


def _check_azure_file(path: Place, source: pv.AzureFilePersistentVolumeSource) -> None:
    LEGACY["azure_file"][2](path, source)
    if source.HasField("secret_namespace") and not source.secret_namespace:
        path.child("secretNamespace").required()


def _check_storage_os(path: Place, source: pv.StorageOSPersistentVolumeSource) -> None:
    LEGACY["storageos"][2](path, source)
    if source.HasField("secret_ref") and not source.secret_ref.namespace:
        path.child("secretRef", "namespace").required()


def _check_local(path: Place, source: pv.LocalVolumeSource) -> None:
    if not source.path:
        path.child("path").required()
        return
    path.child("path").check_value(source.path, names.no_backsteps)


_CSI_SECRETS: Final = (
    "controller_publish_secret_ref", "controller_expand_secret_ref", "node_publish_secret_ref",
    "node_expand_secret_ref", "node_stage_secret_ref",
)  # fmt: skip


def _check_csi(path: Place, source: pv.CSIPersistentVolumeSource) -> None:
    check_csi_driver(path.child("driver"), source.driver)
    if not source.volume_handle:
        path.child("volumeHandle").required()
    for field in _CSI_SECRETS:
        if source.HasField(field):
            shown = source.DESCRIPTOR.fields_by_name[field].json_name
            _check_secret(path.child(shown), getattr(source, field))


def _check_secret(path: Place, secret: pv.SecretReference) -> None:
    for field, text, rule in (
        ("name", secret.name, names.dns_1123_subdomain),
        ("namespace", secret.namespace, names.dns_1123_label),
    ):
        path.child(field).check_required(text, rule)


#: field -> check; what is not named here is as in a Pod's volume
_OWN: Final[dict[str, Check]] = {
    "host_path": check_host_path,
    "glusterfs": _check_glusterfs,
    "iscsi": _check_iscsi,
    "cinder": _check_cinder,
    "azure_file": _check_azure_file,
    "storageos": _check_storage_os,
    "local": _check_local,
    "csi": _check_csi,
}
#: the order in which upstream looks at the sources
_ORDER: Final = (
    "host_path", "gce_persistent_disk", "aws_elastic_block_store", "glusterfs", "flocker", "nfs", "rbd", "quobyte",
    "cephfs", "iscsi", "cinder", "fc", "flex_volume", "azure_file", "vsphere_volume", "photon_persistent_disk",
    "portworx_volume", "azure_disk", "scale_io", "local", "storageos", "csi",
)  # fmt: skip


def check_source(path: Place, source: pv.PersistentVolumeSource, *, placed: bool) -> None:
    """Check where the storage is; `placed`: the volume says which nodes can reach it."""
    given: list[tuple[str, Any]] = [
        (field, getattr(source, field)) for field in _ORDER if source.HasField(field)
    ]
    if not given:
        path.required("must specify a volume type")
    for number, (field, found) in enumerate(given):
        shown = source.DESCRIPTOR.fields_by_name[field].json_name
        in_path, in_excess, check = LEGACY.get(field, (shown, shown, _OWN.get(field)))
        check = _OWN.get(field, check)
        assert check is not None
        if number == 0:
            check(path.child(in_path), found)
            if field == "local" and not placed:
                path.child("nodeAffinity").required("Local volume requires node affinity")
        else:
            path.child(in_excess).forbidden("may not specify more than 1 volume type")
