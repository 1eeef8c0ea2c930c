"""Where objects are stored: `/registry/<prefix of the kind>/[<namespace>/]<name>`, as Kubernetes does.

Pure. The prefix of a kind is not always its plural (Node lives under minions) and holds no API group; it
stands in `vaina.kinds`.
"""

from typing import Any, Final

from google.protobuf.message import Message

from apiserver.storage.interface import Key
from vaina.kinds import KINDS, Kind

#: the root of everything that clients can see
REGISTRY = Key("/registry/")


def kind_prefix(kind: Kind[Message]) -> Key:
    """Return the prefix of all objects of a kind: /registry/pods/."""
    return Key(f"{REGISTRY}{kind.etcd_prefix}/")


_BY_PREFIX: Final[dict[str, Kind[Any]]] = {kind_prefix(kind): kind for kind in KINDS}


def kind_of(key: Key) -> Kind[Any] | None:
    """Return the kind below whose prefix a key is; None when there is none."""
    # /registry/pods/default/a, but /registry/vaina.dev/podtraces/default/a: prefixes have one part or two.
    end = key.find("/", len(REGISTRY)) + 1
    return _BY_PREFIX.get(key[:end]) or _BY_PREFIX.get(key[: key.find("/", end) + 1])


def namespace_prefix(kind: Kind[Message], namespace: str) -> Key:
    """Return the prefix of a kind's objects in a namespace; of all of them when `namespace` is empty."""
    if not namespace or not kind.namespaced:
        return kind_prefix(kind)
    return Key(f"{REGISTRY}{kind.etcd_prefix}/{namespace}/")


def object_key(kind: Kind[Message], namespace: str, name: str) -> Key:
    """Return the key of one object; `namespace` is ignored for kinds without."""
    return Key(f"{namespace_prefix(kind, namespace)}{name}")


def range_end(prefix: str) -> bytes:
    """Return the end (exclusive) of the range of all keys that start with a prefix, as etcd wants it."""
    raw = prefix.encode()
    return raw[:-1] + bytes([raw[-1] + 1])


def split(key: Key, prefix: Key) -> tuple[str, str]:
    """Return the namespace ("" for kinds without) and name in a key below the prefix of its kind."""
    namespace, _, name = key[len(prefix) :].rpartition("/")
    return namespace, name
