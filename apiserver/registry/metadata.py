"""The life of metadata: what a create gives, what an update may not take. Pure.

Follows apiserver `registry/rest/create.go`, `update.go` and `names/generate.go`.
"""

import random
from typing import Any, Final

from vaina.api.meta.v1 import meta_pb2
from vaina.errors import BadRequest
from vaina.kinds import Kind

#: generated names end in so many characters of this alphabet (no vowels: no words; no 0 1 3: not taken for
#: letters)
SUFFIX_LENGTH: Final = 5
ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
#: longer bases are cut, so that the name stays a DNS label
MAX_BASE: Final = 63 - SUFFIX_LENGTH
#: how often a create tries another name when the generated one is taken
NAME_ATTEMPTS: Final = 8

DEFAULT_NAMESPACE: Final = "default"


#: what a client may not set on a new object
_OF_THE_SERVER: Final = (
    "resource_version",
    "self_link",
    "creation_timestamp",
    "deletion_timestamp",
    "deletion_grace_period_seconds",
    "generation",
)


def generate_name(base: str, rng: random.Random) -> str:
    """Return a name that begins with `base`."""
    suffix = "".join(rng.choice(ALPHABET) for _ in range(SUFFIX_LENGTH))
    return base[:MAX_BASE] + suffix


def place(kind: Kind[Any], meta: meta_pb2.ObjectMeta) -> None:
    """Give a new object its namespace: its own, or `default`; none to a kind without namespaces."""
    meta.namespace = (meta.namespace or DEFAULT_NAMESPACE) if kind.namespaced else ""


def prepare_for_create(meta: meta_pb2.ObjectMeta, uid: str, now: float) -> None:
    """Set what the server alone decides. Raises BadRequest for an object with a resourceVersion: it exists."""
    if meta.resource_version not in ("", "0"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    for field in _OF_THE_SERVER:
        meta.ClearField(field)
    if len(meta.managed_fields) == 1 and not meta.managed_fields[0].ByteSize():
        meta.ClearField("managed_fields")
    meta.uid = uid
    meta.creation_timestamp.seconds = int(now // 1)


def prepare_for_update(new: meta_pb2.ObjectMeta, old: meta_pb2.ObjectMeta) -> None:
    """Take over what an update may leave out, and what it never decides.

    Times of creation and deletion that a client sends are ignored, as upstream does
    (registry/rest/update.go): they come from stale reads. Another uid, or a time of deletion where there is
    none, is left for validation to refuse.

    managedFields that are not sent stay, so that a client that does not know them does not delete them; one
    empty entry resets them (`decodeLiveOrNew` of apimachinery
    `pkg/util/managedfields/internal/fieldmanager.go`).
    """
    if not new.managed_fields:
        new.managed_fields.MergeFrom(old.managed_fields)
    elif len(new.managed_fields) == 1 and not new.managed_fields[0].ByteSize():
        new.ClearField("managed_fields")
    new.generation = old.generation
    new.self_link = ""
    new.uid = new.uid or old.uid
    for field in ("creation_timestamp", "deletion_timestamp"):
        if old.HasField(field):
            getattr(new, field).CopyFrom(getattr(old, field))
    if old.HasField("deletion_grace_period_seconds") and not new.HasField("deletion_grace_period_seconds"):
        new.deletion_grace_period_seconds = old.deletion_grace_period_seconds
