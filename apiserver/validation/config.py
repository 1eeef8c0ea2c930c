"""Rules for ConfigMaps and Secrets.

Follows `pkg/apis/core/validation`: ValidateConfigMap, ValidateSecret and their updates.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.place import Place
from vaina.api.core.v1 import config_pb2
from vaina.objects import names, service_accounts

_MAX_BYTES: Final = 1024 * 1024
_LOCKED: Final = "field is immutable when `immutable` is set"

ConfigMap = config_pb2.ConfigMap
Secret = config_pb2.Secret


def check_config_map(root: Place, new: ConfigMap) -> None:
    """Check a new ConfigMap."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    for key in sorted(new.data):
        _check_key(root.child("data"), key)
        if key in new.binary_data:
            root.child("data").key(key).invalid(key, "duplicate of key present in binaryData")
    for key in sorted(new.binary_data):
        _check_key(root.child("binaryData"), key)
    size = sum(names.size(value) for value in new.data.values())
    if size + sum(map(len, new.binary_data.values())) > _MAX_BYTES:
        # Upstream's path of the whole object: ConfigMap "c" is invalid: []: Too long: ...
        Place("[]", root.errors).too_long(_MAX_BYTES)


def _check_key(path: Place, key: str) -> None:
    path.key(key).check_value(key, names.config_key)


def check_config_map_update(root: Place, new: ConfigMap, old: ConfigMap) -> None:
    """Check a changed ConfigMap; one that is immutable stays so."""
    metadata.check_update(root, new.metadata, old.metadata)
    if old.immutable:
        if not new.immutable:
            root.child("immutable").forbidden(_LOCKED)
        if new.data != old.data:
            root.child("data").forbidden(_LOCKED)
        if new.binary_data != old.binary_data:
            root.child("binaryData").forbidden(_LOCKED)
    check_config_map(root, new)


def check_secret(root: Place, new: Secret) -> None:
    """Check a new Secret; `stringData` is in `data` already."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    for key in sorted(new.data):
        _check_key(root.child("data"), key)
    if sum(map(len, new.data.values())) > _MAX_BYTES:
        root.child("data").too_long(_MAX_BYTES)
    _check_type(root, new)


def _check_type(root: Place, secret: Secret) -> None:
    match secret.type:
        case service_accounts.TOKEN_SECRET_TYPE:
            if not secret.metadata.annotations.get(service_accounts.ACCOUNT_NAME):
                root.child("metadata", "annotations").key(service_accounts.ACCOUNT_NAME).required()
        case "kubernetes.io/dockercfg":
            _check_json(root.child("data"), secret.data, ".dockercfg")
        case "kubernetes.io/dockerconfigjson":
            _check_json(root.child("data"), secret.data, ".dockerconfigjson")
        case "kubernetes.io/basic-auth":
            if "username" not in secret.data and "password" not in secret.data:
                _require(root.child("data"), ("username", "password"))
        case "kubernetes.io/ssh-auth":
            if not secret.data.get("ssh-privatekey"):
                _require(root.child("data"), ("ssh-privatekey",))
        case "kubernetes.io/tls":
            _require(root.child("data"), (key for key in ("tls.crt", "tls.key") if key not in secret.data))
        case _:
            pass


def _require(path: Place, keys: Iterable[str]) -> None:
    for key in keys:
        path.key(key).required()


def _check_json(path: Place, data: Mapping[str, bytes], key: str) -> None:
    if key not in data:
        _require(path, (key,))
        return
    try:
        fine = json.loads(data[key]) is None or isinstance(json.loads(data[key]), dict)
        problem = "" if fine else "json: cannot unmarshal into Go value of type map[string]interface {}"
    except (ValueError, RecursionError):
        problem = (
            "unexpected end of JSON input" if not data[key].strip() else "invalid character in JSON input"
        )
    if problem:
        path.key(key).invalid("<secret contents redacted>", problem)


def check_secret_update(root: Place, new: Secret, old: Secret) -> None:
    """Check a changed Secret; its type stays, and one that is immutable stays so."""
    metadata.check_update(root, new.metadata, old.metadata)
    root.child("type").check_immutable(new.type, old.type)
    if old.immutable:
        if not new.immutable:
            root.child("immutable").forbidden(_LOCKED)
        if new.data != old.data:
            root.child("data").forbidden(_LOCKED)
    check_secret(root, new)
