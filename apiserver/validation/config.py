"""Rules for ConfigMaps and Secrets.

Follows `pkg/apis/core/validation`: ValidateConfigMap, ValidateSecret and their updates.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.metadata import METADATA, Errors
from vaina.api.core.v1 import config_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, forbidden, invalid, required, too_long

_MAX_BYTES: Final = 1024 * 1024
_LOCKED: Final = "field is immutable when `immutable` is set"
_DATA: Final = Path("data")
_ACCOUNT_NAME: Final = "kubernetes.io/service-account.name"

ConfigMap = config_pb2.ConfigMap
Secret = config_pb2.Secret


def check_config_map(new: ConfigMap) -> Errors:
    """Check a new ConfigMap."""
    errors = metadata.check_create(new.metadata, names.dns_1123_subdomain, namespaced=True)
    for key in sorted(new.data):
        _check_key(errors, _DATA, key)
        if key in new.binary_data:
            errors.append(invalid(_DATA.key(key), key, "duplicate of key present in binaryData"))
    for key in sorted(new.binary_data):
        _check_key(errors, Path("binaryData"), key)
    size = sum(names.size(value) for value in new.data.values())
    if size + sum(map(len, new.binary_data.values())) > _MAX_BYTES:
        # Upstream's path of the whole object: ConfigMap "c" is invalid: []: Too long: ...
        errors.append(too_long("[]", _MAX_BYTES))
    return errors


def _check_key(errors: Errors, path: Path, key: str) -> None:
    errors.extend(invalid(path.key(key), key, problem) for problem in names.config_key(key))


def check_config_map_update(new: ConfigMap, old: ConfigMap) -> Errors:
    """Check a changed ConfigMap; one that is immutable stays so."""
    errors = metadata.check_update(new.metadata, old.metadata)
    if old.immutable:
        if not new.immutable:
            errors.append(forbidden(Path("immutable"), _LOCKED))
        if new.data != old.data:
            errors.append(forbidden(_DATA, _LOCKED))
        if new.binary_data != old.binary_data:
            errors.append(forbidden(Path("binaryData"), _LOCKED))
    errors.extend(check_config_map(new))
    return errors


def check_secret(new: Secret) -> Errors:
    """Check a new Secret; `stringData` is in `data` already."""
    errors = metadata.check_create(new.metadata, names.dns_1123_subdomain, namespaced=True)
    for key in sorted(new.data):
        _check_key(errors, _DATA, key)
    if sum(map(len, new.data.values())) > _MAX_BYTES:
        errors.append(too_long(_DATA, _MAX_BYTES))
    _check_type(errors, new)
    return errors


def _check_type(errors: Errors, secret: Secret) -> None:
    """Check that a Secret has what its type promises."""
    match secret.type:
        case "kubernetes.io/service-account-token":
            if not secret.metadata.annotations.get(_ACCOUNT_NAME):
                errors.append(required(METADATA.child("annotations").key(_ACCOUNT_NAME)))
        case "kubernetes.io/dockercfg":
            _check_json(errors, secret.data, ".dockercfg")
        case "kubernetes.io/dockerconfigjson":
            _check_json(errors, secret.data, ".dockerconfigjson")
        case "kubernetes.io/basic-auth":
            if "username" not in secret.data and "password" not in secret.data:
                _require(errors, ("username", "password"))
        case "kubernetes.io/ssh-auth":
            if not secret.data.get("ssh-privatekey"):
                _require(errors, ("ssh-privatekey",))
        case "kubernetes.io/tls":
            _require(errors, (key for key in ("tls.crt", "tls.key") if key not in secret.data))
        case _:
            pass


def _require(errors: Errors, keys: Iterable[str]) -> None:
    errors.extend(required(_DATA.key(key)) for key in keys)


def _check_json(errors: Errors, data: Mapping[str, bytes], key: str) -> None:
    if key not in data:
        _require(errors, (key,))
        return
    try:
        fine = json.loads(data[key]) is None or isinstance(json.loads(data[key]), dict)
        problem = "" if fine else "json: cannot unmarshal into Go value of type map[string]interface {}"
    except (ValueError, RecursionError):
        problem = (
            "unexpected end of JSON input" if not data[key].strip() else "invalid character in JSON input"
        )
    if problem:
        errors.append(invalid(_DATA.key(key), "<secret contents redacted>", problem))


def check_secret_update(new: Secret, old: Secret) -> Errors:
    """Check a changed Secret; its type stays, and one that is immutable stays so."""
    errors = metadata.check_update(new.metadata, old.metadata)
    metadata.check_immutable(errors, Path("type"), new.type, old.type)
    if old.immutable:
        if not new.immutable:
            errors.append(forbidden(Path("immutable"), _LOCKED))
        if new.data != old.data:
            errors.append(forbidden(_DATA, _LOCKED))
    errors.extend(check_secret(new))
    return errors
