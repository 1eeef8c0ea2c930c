"""Rules for volumes that the kubelet fills with files: secret, configMap, downwardAPI, projected.

Follows `pkg/apis/core/validation`: validateKeyToPath, validateDownwardAPIVolumeFile, validateProjectionSources.
"""

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import Message

from apiserver.validation import env
from apiserver.validation.labels import check_label_selector
from apiserver.validation.metadata import Errors, check_text
from vaina.api.core.v1 import volume_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, forbidden, invalid, not_supported, required

_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"
_MAX_MODE: Final = 0o777
_MIN_TOKEN_SECONDS: Final = 600
_MAX_TOKEN_SECONDS: Final = 1 << 32
_MIN_CERTIFICATE_SECONDS: Final = 3600
_MAX_CERTIFICATE_SECONDS: Final = 91 * 86400
_KEY_TYPES: Final = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")

Items = Iterable[volume_pb2.KeyToPath]


def check_mode(errors: Errors, path: Path, message: Message, field: str) -> None:
    """Check the permission bits that a message may carry in the field."""
    if message.HasField(field) and not 0 <= (mode := getattr(message, field)) <= _MAX_MODE:
        errors.append(invalid(path, mode, _MODE))


def check_user(errors: Errors, path: Path, message: Message, field: str) -> None:
    """Check the owner of files that a message may carry in the field."""
    if message.HasField(field):
        user = getattr(message, field)
        errors.extend(invalid(path, user, problem) for problem in names.user_or_group_id(user))


def _check_defaults(errors: Errors, path: Path, source: Message) -> None:
    check_mode(errors, path.child("defaultMode"), source, "default_mode")
    check_user(errors, path.child("defaultUser"), source, "default_user")


def check_items(errors: Errors, path: Path, items: Items) -> None:
    """Check which keys become which files."""
    for index, item in enumerate(items):
        _check_item(errors, path.index(index), item)


def _check_item(errors: Errors, at: Path, item: volume_pb2.KeyToPath) -> None:
    if not item.key:
        errors.append(required(at.child("key")))
    if not item.path:
        errors.append(required(at.child("path")))
    check_text(errors, at.child("path"), item.path, names.local_non_reserved_path)
    check_mode(errors, at.child("mode"), item, "mode")
    check_user(errors, at.child("user"), item, "user")


def check_secret(errors: Errors, path: Path, source: volume_pb2.SecretVolumeSource) -> None:
    """Check a volume of a Secret's keys."""
    if not source.secret_name:
        errors.append(required(path.child("secretName")))
    _check_defaults(errors, path, source)
    check_items(errors, path.child("items"), source.items)


def check_config_map(errors: Errors, path: Path, source: volume_pb2.ConfigMapVolumeSource) -> None:
    """Check a volume of a ConfigMap's keys."""
    if not source.local_object_reference.name:
        errors.append(required(path.child("name")))
    _check_defaults(errors, path, source)
    check_items(errors, path.child("items"), source.items)


def check_downward_api(errors: Errors, path: Path, source: volume_pb2.DownwardAPIVolumeSource) -> None:
    """Check a volume of the Pod's own fields. Upstream's paths of files carry no index."""
    _check_defaults(errors, path, source)
    for file in source.items:
        _check_downward_file(errors, path, file)


def _check_downward_file(errors: Errors, path: Path, file: volume_pb2.DownwardAPIVolumeFile) -> None:
    if not file.path:
        errors.append(required(path.child("path")))
    check_text(errors, path.child("path"), file.path, names.local_non_reserved_path)
    if file.HasField("field_ref"):
        env.check_field_ref(errors, path.child("fieldRef"), file.field_ref, env.VOLUME_FIELDS)
        if file.HasField("resource_field_ref"):
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(path, "resource", detail))
    elif file.HasField("resource_field_ref"):
        at = path.child("resourceFieldRef")
        env.check_resource_ref(errors, at, file.resource_field_ref, in_volume=True)
    else:
        errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    check_mode(errors, path.child("mode"), file, "mode")
    check_user(errors, path.child("user"), file, "user")


def check_projected(errors: Errors, path: Path, source: volume_pb2.ProjectedVolumeSource) -> None:
    """Check a volume that several sources fill; no two may make the same file."""
    _check_defaults(errors, path, source)
    paths: set[str] = set()
    for index, projection in enumerate(source.sources):
        at = path.child("sources").index(index)
        _check_projection(errors, path, at, projection, paths)
        if len(projection.ListFields()) > 1:
            errors.append(forbidden(at, "may not specify more than 1 volume type per source"))


def _check_projection(
    errors: Errors, path: Path, at: Path, projection: volume_pb2.VolumeProjection, paths: set[str]
) -> None:
    if projection.HasField("secret"):
        _check_projected_object(errors, path, at.child("secret"), projection.secret, paths)
    if projection.HasField("config_map"):
        _check_projected_object(errors, path, at.child("configMap"), projection.config_map, paths)
    if projection.HasField("downward_api"):
        for file in projection.downward_api.items:
            _check_downward_file(errors, at.child("downwardAPI"), file)
            _check_unique(errors, path, file.path, file.path, paths)
    if projection.HasField("service_account_token"):
        _check_token(errors, path, at.child("serviceAccountToken"), projection.service_account_token)
    if projection.HasField("cluster_trust_bundle"):
        _check_trust_bundle(errors, at.child("clusterTrustBundle"), projection.cluster_trust_bundle)
        file_path = projection.cluster_trust_bundle.path
        _check_unique(errors, path, file_path, file_path, paths)
    if projection.HasField("pod_certificate"):
        _check_certificate(errors, path, at.child("podCertificate"), projection.pod_certificate, paths)


def _check_unique(errors: Errors, path: Path, file_path: str, shown: str, paths: set[str]) -> None:
    if not file_path:
        return
    if file_path in paths:
        errors.append(invalid(path, shown, "conflicting duplicate paths"))
    paths.add(file_path)


def _check_projected_object(
    errors: Errors,
    path: Path,
    at: Path,
    source: volume_pb2.SecretProjection | volume_pb2.ConfigMapProjection,
    paths: set[str],
) -> None:
    name = source.local_object_reference.name
    if not name:
        errors.append(required(at.child("name")))
    for index, item in enumerate(source.items):
        _check_item(errors, at.child("items").index(index), item)
        _check_unique(errors, path, item.path, name, paths)


def _check_token(
    errors: Errors, path: Path, at: Path, source: volume_pb2.ServiceAccountTokenProjection
) -> None:
    seconds = source.expiration_seconds
    if seconds < _MIN_TOKEN_SECONDS:
        detail = "may not specify a duration less than 10 minutes"
        errors.append(invalid(at.child("expirationSeconds"), seconds, detail))
    if seconds > _MAX_TOKEN_SECONDS:
        detail = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid(at.child("expirationSeconds"), seconds, detail))
    check_user(errors, at.child("user"), source, "user")
    # Upstream's path of the file lacks the source's index.
    if not source.path:
        errors.append(required(path.child("path")))
    else:
        check_text(errors, path.child("path"), source.path, names.local_non_reserved_path)


def _check_trust_bundle(errors: Errors, at: Path, source: volume_pb2.ClusterTrustBundleProjection) -> None:
    by_name, by_signer = source.HasField("name"), source.HasField("signer_name")
    if by_name and by_signer:
        errors.append(invalid(at, source, "only one of name and signerName may be used"))
    elif by_name:
        if not source.name:
            errors.append(required(at.child("name"), "must be a valid object name"))
        errors.extend(
            invalid(at.child("name"), source.name, f"not a valid clustertrustbundlename: {problem}")
            for problem in names.dns_1123_subdomain(source.name.replace(":", "."))
        )
        if source.HasField("label_selector"):
            detail = "labelSelector must be unset if name is specified"
            errors.append(invalid(at.child("labelSelector"), source.label_selector, detail))
    elif by_signer:
        if not source.signer_name:
            errors.append(required(at.child("signerName"), "must be a valid signer name"))
        check_text(errors, at.child("signerName"), source.signer_name, names.domain_prefixed_path)
        if source.HasField("label_selector"):
            check_label_selector(errors, at.child("labelSelector"), source.label_selector)
    else:
        errors.append(required(at, "either name or signerName must be specified"))
    if not source.path:
        errors.append(required(at.child("path")))
    check_text(errors, at.child("path"), source.path, names.local_non_reserved_path)
    check_user(errors, at.child("user"), source, "user")


def _check_certificate(
    errors: Errors, path: Path, at: Path, source: volume_pb2.PodCertificateProjection, paths: set[str]
) -> None:
    if not source.signer_name:
        errors.append(required(at.child("signerName")))
    else:
        check_text(errors, at.child("signerName"), source.signer_name, names.domain_prefixed_path)
    if source.key_type not in _KEY_TYPES:
        errors.append(not_supported(at.child("keyType"), source.key_type, _KEY_TYPES))
    if source.HasField("max_expiration_seconds"):
        _check_certificate_life(errors, at.child("maxExpirationSeconds"), source.max_expiration_seconds)
    files = (
        ("credentialBundlePath", source.credential_bundle_path),
        ("keyPath", source.key_path),
        ("certificateChainPath", source.certificate_chain_path),
    )
    if not any(file_path for _, file_path in files):
        detail = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        errors.append(required(at, detail))
    for shown, file_path in files:
        check_text(errors, at.child(shown), file_path, names.local_non_reserved_path)
        _check_unique(errors, path, file_path, file_path, paths)
    for key in sorted(source.user_annotations):
        check_text(errors, at.child("userAnnotations"), key, names.qualified_name)
    check_user(errors, at.child("user"), source, "user")


def _check_certificate_life(errors: Errors, path: Path, seconds: int) -> None:
    if seconds < _MIN_CERTIFICATE_SECONDS:
        detail = f"if provided, maxExpirationSeconds must be >= {_MIN_CERTIFICATE_SECONDS}"
        errors.append(invalid(path, seconds, detail))
    elif seconds > _MAX_CERTIFICATE_SECONDS:
        detail = f"if provided, maxExpirationSeconds must be <= {_MAX_CERTIFICATE_SECONDS}"
        errors.append(invalid(path, seconds, detail))
