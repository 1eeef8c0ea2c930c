"""Upstream's EncryptionConfiguration: which kinds are encrypted, with which keys, checked in upstream's words.

Follows apiserver `pkg/apis/apiserver/v1/types_encryption.go`, `pkg/apis/apiserver/validation/
validation_encryption.go` and `pkg/server/options/encryptionconfig/config.go`. Of the providers there are
aesgcm and identity; others are refused.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import Any, Final, NamedTuple

import msgspec

from apiserver.files import parse_file
from apiserver.storage.encryption.transform import IDENTITY, Transformer, Way, aesgcm
from apiserver.storage.interface import Key
from apiserver.storage.keys import kind_prefix
from vaina.config import ConfigError
from vaina.errors import FieldError
from vaina.kinds import KINDS
from vaina.objects.field_path import Path, invalid, required

API_VERSION: Final = "apiserver.config.k8s.io/v1"
_KEY_SIZES: Final = (16, 24, 32)
_PROVIDERS: Final = "KMS, AESGCM, AESCBC, Secretbox, Identity"
#: of upstream's providers those that there are not
_NOT_HERE: Final = ("aescbc", "secretbox", "kms")
_NO_REST: Final = ("apiserveripinfo", "serviceipallocations", "servicenodeportallocations")


class NamedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key of a provider."""

    name: str = ""
    #: in base64
    secret: str = ""


class Aes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of a provider: the first one writes."""

    keys: tuple[NamedKey, ...] = ()


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider: exactly one of its fields is set."""

    aesgcm: Aes | None = None
    identity: dict[str, Any] | None = None
    aescbc: Any = None
    secretbox: Any = None
    kms: Any = None


class ResourceConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Providers of some resources: the first one writes, all read."""

    resources: tuple[str, ...] = ()
    providers: tuple[Provider, ...] = ()


class EncryptionConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    resources: tuple[ResourceConfiguration, ...] = ()


class _Resource(NamedTuple):
    """A resource, or all (`*`), of a group, or of all groups."""

    group: str
    resource: str

    def __str__(self) -> str:
        if self == ("", "*"):
            return "*."
        return f"{self.resource}.{self.group}" if self.group else self.resource


_EVERYTHING: Final = _Resource("*", "*")


def transformers_of(path: File, data: bytes) -> dict[Key, Transformer]:
    """Return how the values of kinds are stored, by the prefix of their keys. Raises ConfigError."""
    config = parse_file(path, data, EncryptionConfiguration, API_VERSION)
    errors = validate(config)
    if errors:
        words = ", ".join(map(str, errors))
        raise ConfigError(f'file "{path}": {f"[{words}]" if len(errors) > 1 else words}')
    providers: dict[_Resource, list[list[Way]]] = {}
    for part in config.resources:
        for name in part.resources:
            resource = _parse(name)
            for wider in (_Resource(resource.group, "*"), _EVERYTHING):
                if wider in providers:
                    raise ConfigError(
                        f'file "{path}": resource "{resource}" is masked by earlier rule "{wider}"'
                    )
            providers.setdefault(resource, []).extend(map(_ways, part.providers))
    return _by_prefix(providers)


def _by_prefix(providers: Mapping[_Resource, Sequence[Sequence[Way]]]) -> dict[Key, Transformer]:
    found: dict[Key, Transformer] = {}
    for kind in KINDS:
        for asked in (_Resource(kind.group, kind.plural), _Resource(kind.group, "*"), _EVERYTHING):
            if asked in providers:
                found[kind_prefix(kind)] = Transformer(*providers[asked])
                break
    return found


def _ways(provider: Provider) -> list[Way]:
    if provider.aesgcm is None:
        return [IDENTITY]
    return [aesgcm(key.name, _decoded(key.secret)) for key in provider.aesgcm.keys]


def _parse(name: str) -> _Resource:
    resource, _, group = name.partition(".")
    return _Resource(group, resource)


def _decoded(secret: str) -> bytes:
    # Go's reader passes over line breaks.
    return base64.b64decode(secret.replace("\r", "").replace("\n", ""), validate=True)


def validate(config: EncryptionConfiguration) -> list[FieldError]:
    """Return every violation (`ValidateEncryptionConfiguration`)."""
    root = Path("resources")
    if not config.resources:
        return [required(root, "at least one resources is required")]
    errors: list[FieldError] = []
    for index, part in enumerate(config.resources):
        resources, providers = root.index(index).child("resources"), root.index(index).child("providers")
        if not part.resources:
            errors.append(required(resources, f"at least one {resources} is required"))
        errors += _overlaps(part.resources, resources)
        for at, name in enumerate(part.resources):
            why = _wrong_name(name)
            if why:
                errors.append(invalid(resources.index(at), name, why))
        if not part.providers:
            errors.append(required(providers, f"at least one {providers} is required"))
        for at, provider in enumerate(part.providers):
            errors += _check_provider(provider, providers.index(at))
    return errors


def _overlaps(names: Sequence[str], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    parsed = [_parse(name) for name in names]
    if len(set(parsed)) < len(parsed):
        errors.append(invalid(path, names, "the same resource cannot be specified multiple times"))
    distinct = set(parsed)
    groups = {one.group for one in distinct if one.resource == "*"}
    if len(distinct) > 1 and (
        _EVERYTHING in distinct or any(one.group in groups and one.resource != "*" for one in distinct)
    ):
        why = (
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they "
            "will be masked"
        )
        errors.append(invalid(path, names, why))
    return errors


def _wrong_name(name: str) -> str:
    parsed = _parse(name)
    if name.lower() != name:
        return "resource name should not contain capital letters"
    if name == "*":
        return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"
    if name in _NO_REST:
        return "resources which do not have REST API/s cannot be encrypted"
    if parsed.group == "events.k8s.io":
        return (
            "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the "
            "config file"
        )
    if parsed.group == "extensions":
        return "'extensions' group has been removed and cannot be used for encryption"
    if parsed.group == "*" and parsed.resource != "*":
        return "encrypting the same resource across groups is not supported"
    return ""


def _check_provider(provider: Provider, path: Path) -> list[FieldError]:
    named = [field for field in provider.__struct_fields__ if getattr(provider, field) is not None]
    if not named:
        return [invalid(path, {}, f"provider does not contain any of the expected providers: {_PROVIDERS}")]
    if len(named) > 1:
        why = (
            "more than one provider specified in a single element, should split into different list elements"
        )
        # Without the value: it has keys.
        return [invalid(path, "REDACTED", why)]
    if named[0] in _NOT_HERE:
        return [invalid(path, named[0], "vaina has the providers aesgcm and identity")]
    return [] if provider.aesgcm is None else _check_keys(provider.aesgcm.keys, path.child("aesgcm", "keys"))


def _check_keys(keys: Sequence[NamedKey], path: Path) -> list[FieldError]:
    if not keys:
        return [required(path, "at least one keys is required")]
    errors: list[FieldError] = []
    for index, key in enumerate(keys):
        at = path.index(index)
        if not key.name:
            errors.append(required(at.child("name"), "name is a mandatory field for a key"))
        if not key.secret:
            errors.append(required(at.child("secret"), "secret is a mandatory field for a key"))
            continue
        try:
            size = len(_decoded(key.secret))
        except (binascii.Error, ValueError):
            errors.append(invalid(at.child("secret"), "REDACTED", "secrets must be base64 encoded"))
            continue
        if size not in _KEY_SIZES:
            sizes = " ".join(map(str, _KEY_SIZES))
            why = f"secret is not of the expected length, got {size}, expected one of [{sizes}]"
            errors.append(invalid(at.child("secret"), "REDACTED", why))
    return errors
