"""Rules for volumes that the kubelet fills with files: secret, configMap, downwardAPI, projected.

Follows `pkg/apis/core/validation`: validateKeyToPath, validateDownwardAPIVolumeFile, validateProjectionSources.
"""

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import Message

from apiserver.validation import env
from apiserver.validation.metadata import check_label_selector
from apiserver.validation.place import Place
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
