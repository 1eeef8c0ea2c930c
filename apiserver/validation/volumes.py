"""Rules for a Pod's volumes: names, exactly one source each, and the sources that vaina acts on.

Called by `pod_spec`. Follows `pkg/apis/core/validation`: ValidateVolumes, validateVolumeSource,
validateKeyToPath, validateDownwardAPIVolumeFile, validateProjectionSources.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from google.protobuf.message import Message

from apiserver.validation import env
from apiserver.validation.metadata import check_label_selector
from apiserver.validation.place import Place
from apiserver.validation.volume_legacy import LEGACY, Source, check_source
from vaina.api.core.v1 import volume_pb2
from vaina.objects import names

_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"
_MAX_MODE: Final = 0o777
_MIN_TOKEN_SECONDS: Final = 600
_MAX_TOKEN_SECONDS: Final = 1 << 32
_MIN_CERTIFICATE_SECONDS: Final = 3600
_MAX_CERTIFICATE_SECONDS: Final = 91 * 86400
_KEY_TYPES: Final = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")

Items = Iterable[volume_pb2.KeyToPath]


def check_mode(path: Place, message: Message, field: str) -> None:
    """Check the permission bits that a message may carry in the field."""
    if message.HasField(field) and not 0 <= (mode := getattr(message, field)) <= _MAX_MODE:
        path.invalid(mode, _MODE)


def check_user(path: Place, message: Message, field: str) -> None:
    """Check the owner of files that a message may carry in the field."""
    if message.HasField(field):
        user = getattr(message, field)
        path.check_value(user, names.user_or_group_id)


def _check_defaults(path: Place, source: Message) -> None:
    check_mode(path.child("defaultMode"), source, "default_mode")
    check_user(path.child("defaultUser"), source, "default_user")


def check_items(path: Place, items: Items) -> None:
    """Check which keys become which files."""
    for index, item in enumerate(items):
        _check_item(path.index(index), item)


def _check_item(at: Place, item: volume_pb2.KeyToPath) -> None:
    if not item.key:
        at.child("key").required()
    if not item.path:
        at.child("path").required()
    at.child("path").check_value(item.path, names.local_non_reserved_path)
    check_mode(at.child("mode"), item, "mode")
    check_user(at.child("user"), item, "user")


def check_secret(path: Place, source: volume_pb2.SecretVolumeSource) -> None:
    """Check a volume of a Secret's keys."""
    if not source.secret_name:
        path.child("secretName").required()
    _check_defaults(path, source)
    check_items(path.child("items"), source.items)


def check_config_map(path: Place, source: volume_pb2.ConfigMapVolumeSource) -> None:
    """Check a volume of a ConfigMap's keys."""
    if not source.local_object_reference.name:
        path.child("name").required()
    _check_defaults(path, source)
    check_items(path.child("items"), source.items)


def check_downward_api(path: Place, source: volume_pb2.DownwardAPIVolumeSource) -> None:
    """Check a volume of the Pod's own fields. Upstream's paths of files carry no index."""
    _check_defaults(path, source)
    for file in source.items:
        _check_downward_file(path, file)


def _check_downward_file(path: Place, file: volume_pb2.DownwardAPIVolumeFile) -> None:
    if not file.path:
        path.child("path").required()
    path.child("path").check_value(file.path, names.local_non_reserved_path)
    if file.HasField("field_ref"):
        env.check_field_ref(path.child("fieldRef"), file.field_ref, env.VOLUME_FIELDS)
        if file.HasField("resource_field_ref"):
            path.invalid("resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif file.HasField("resource_field_ref"):
        env.check_resource_ref(path.child("resourceFieldRef"), file.resource_field_ref, in_volume=True)
    else:
        path.required("one of fieldRef and resourceFieldRef is required")
    check_mode(path.child("mode"), file, "mode")
    check_user(path.child("user"), file, "user")


def check_projected(path: Place, source: volume_pb2.ProjectedVolumeSource) -> None:
    """Check a volume that several sources fill; no two may make the same file."""
    _check_defaults(path, source)
    paths: set[str] = set()
    for index, projection in enumerate(source.sources):
        at = path.child("sources").index(index)
        _check_projection(path, at, projection, paths)
        if len(projection.ListFields()) > 1:
            at.forbidden("may not specify more than 1 volume type per source")


def _check_projection(
    path: Place, at: Place, projection: volume_pb2.VolumeProjection, paths: set[str]
) -> None:
    if projection.HasField("secret"):
        _check_projected_object(path, at.child("secret"), projection.secret, paths)
    if projection.HasField("config_map"):
        _check_projected_object(path, at.child("configMap"), projection.config_map, paths)
    if projection.HasField("downward_api"):
        for file in projection.downward_api.items:
            _check_downward_file(at.child("downwardAPI"), file)
            _check_unique(path, file.path, file.path, paths)
    if projection.HasField("service_account_token"):
        _check_token(path, at.child("serviceAccountToken"), projection.service_account_token)
    if projection.HasField("cluster_trust_bundle"):
        _check_trust_bundle(at.child("clusterTrustBundle"), projection.cluster_trust_bundle)
        file_path = projection.cluster_trust_bundle.path
        _check_unique(path, file_path, file_path, paths)
    if projection.HasField("pod_certificate"):
        _check_certificate(path, at.child("podCertificate"), projection.pod_certificate, paths)


def _check_unique(path: Place, file_path: str, shown: str, paths: set[str]) -> None:
    if not file_path:
        return
    if file_path in paths:
        path.invalid(shown, "conflicting duplicate paths")
    paths.add(file_path)


def _check_projected_object(
    path: Place,
    at: Place,
    source: volume_pb2.SecretProjection | volume_pb2.ConfigMapProjection,
    paths: set[str],
) -> None:
    name = source.local_object_reference.name
    if not name:
        at.child("name").required()
    for index, item in enumerate(source.items):
        _check_item(at.child("items").index(index), item)
        _check_unique(path, item.path, name, paths)


def _check_token(path: Place, at: Place, source: volume_pb2.ServiceAccountTokenProjection) -> None:
    seconds = source.expiration_seconds
    if seconds < _MIN_TOKEN_SECONDS:
        at.child("expirationSeconds").invalid(seconds, "may not specify a duration less than 10 minutes")
    if seconds > _MAX_TOKEN_SECONDS:
        at.child("expirationSeconds").invalid(seconds, "may not specify a duration larger than 2^32 seconds")
    check_user(at.child("user"), source, "user")
    # Upstream's path of the file lacks the source's index.
    path.child("path").check_required(source.path, names.local_non_reserved_path)


def _check_trust_bundle(at: Place, source: volume_pb2.ClusterTrustBundleProjection) -> None:
    by_name, by_signer = source.HasField("name"), source.HasField("signer_name")
    if by_name and by_signer:
        at.invalid(source, "only one of name and signerName may be used")
    elif by_name:
        if not source.name:
            at.child("name").required("must be a valid object name")
        for problem in names.dns_1123_subdomain(source.name.replace(":", ".")):
            at.child("name").invalid(source.name, f"not a valid clustertrustbundlename: {problem}")
        if source.HasField("label_selector"):
            detail = "labelSelector must be unset if name is specified"
            at.child("labelSelector").invalid(source.label_selector, detail)
    elif by_signer:
        if not source.signer_name:
            at.child("signerName").required("must be a valid signer name")
        at.child("signerName").check_value(source.signer_name, names.domain_prefixed_path)
        if source.HasField("label_selector"):
            check_label_selector(at.child("labelSelector"), source.label_selector)
    else:
        at.required("either name or signerName must be specified")
    if not source.path:
        at.child("path").required()
    at.child("path").check_value(source.path, names.local_non_reserved_path)
    check_user(at.child("user"), source, "user")


def _check_certificate(
    path: Place, at: Place, source: volume_pb2.PodCertificateProjection, paths: set[str]
) -> None:
    at.child("signerName").check_required(source.signer_name, names.domain_prefixed_path)
    at.child("keyType").check_supported(source.key_type, _KEY_TYPES)
    if source.HasField("max_expiration_seconds"):
        _check_certificate_life(at.child("maxExpirationSeconds"), source.max_expiration_seconds)
    files = (
        ("credentialBundlePath", source.credential_bundle_path),
        ("keyPath", source.key_path),
        ("certificateChainPath", source.certificate_chain_path),
    )
    if not any(file_path for _, file_path in files):
        at.required("specify at least one of credentialBundlePath, keyPath, and certificateChainPath")
    for shown, file_path in files:
        at.child(shown).check_value(file_path, names.local_non_reserved_path)
        _check_unique(path, file_path, file_path, paths)
    for key in sorted(source.user_annotations):
        at.child("userAnnotations").check_value(key, names.qualified_name)
    check_user(at.child("user"), source, "user")


def _check_certificate_life(path: Place, seconds: int) -> None:
    if seconds < _MIN_CERTIFICATE_SECONDS:
        path.invalid(seconds, f"if provided, maxExpirationSeconds must be >= {_MIN_CERTIFICATE_SECONDS}")
    elif seconds > _MAX_CERTIFICATE_SECONDS:
        path.invalid(seconds, f"if provided, maxExpirationSeconds must be <= {_MAX_CERTIFICATE_SECONDS}")


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
    check_mode(path.child("mode"), source, "mode")


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
    "secret": Source(check=check_secret),
    "config_map": Source(check=check_config_map),
    # Upstream's misspelling is part of its interface.
    "downward_api": Source(check=check_downward_api, shown_in_excess="downwarAPI"),
    "projected": Source(check=check_projected),
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
    """Check a Pod's (no `pod_name`: a template's) volumes; return the sources of those in order, by name."""
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
