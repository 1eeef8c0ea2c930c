"""What every object's metadata says: keys, owners, finalizers, whether it is ending.

Keys are `namespace/name`, or `name` for kinds without a namespace, as work queues and listers use them.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from vaina.api.meta.v1 import meta_pb2


def metadata(message: Message) -> meta_pb2.ObjectMeta:
    """Return the metadata of an object of any kind."""
    found: Any = message
    meta = found.metadata
    assert isinstance(meta, meta_pb2.ObjectMeta)
    return meta


def split_key(key: str) -> tuple[str, str]:
    """Return (namespace, name) of a key; the namespace may be empty. Raises ValueError: it has two slashes."""
    parts = key.split("/")
    if len(parts) == 1:
        return "", parts[0]
    if len(parts) != 2:
        raise ValueError(f"unexpected key format: {key!r}")
    return parts[0], parts[1]


def object_key(message: Message) -> str:
    """Return the key of an object: `namespace/name`, or `name` for kinds without a namespace."""
    return key_of(metadata(message))


def key_of(meta: meta_pb2.ObjectMeta) -> str:
    """Return the key of an object with this metadata."""
    namespace = meta.namespace
    return f"{namespace}/{meta.name}" if namespace else meta.name


def controller_of(meta: meta_pb2.ObjectMeta) -> meta_pb2.OwnerReference | None:
    """Return the one owner that manages the object, if there is one."""
    for owner in meta.owner_references:
        if owner.controller:
            return owner
    return None


def is_controlled_by(meta: meta_pb2.ObjectMeta, owner_uid: str) -> bool:
    """Say whether the object's controller is the one with this uid."""
    owner = controller_of(meta)
    return owner is not None and owner.uid == owner_uid


def owners(meta: meta_pb2.ObjectMeta) -> Iterator[str]:
    """Give the uids of all owners."""
    return (owner.uid for owner in meta.owner_references)


def new_controller_ref(owner: Message, api_version: str, kind: str) -> meta_pb2.OwnerReference:
    """Make the reference by which `owner` manages what it creates; its foreground deletion waits for them."""
    meta = metadata(owner)
    return meta_pb2.OwnerReference(
        api_version=api_version,
        kind=kind,
        name=meta.name,
        uid=meta.uid,
        controller=True,
        block_owner_deletion=True,
    )


def remove_finalizer(meta: meta_pb2.ObjectMeta, name: str) -> bool:
    """Take the finalizer out; say whether it was there."""
    if name not in meta.finalizers:
        return False
    kept = [item for item in meta.finalizers if item != name]
    del meta.finalizers[:]
    meta.finalizers.extend(kept)
    return True
