"""What several sources say, as one set of wishes. PURE.

The apiserver is one source; static files are the other. A uid belongs to the source that named it first; it
is gone when that source has it no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kubelet.runtime.records import Uid
from vaina.api.core.v1 import pod_pb2


class Source(StrEnum):
    """Where a Pod comes from."""

    API = "api"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Merged:
    """What changed for the workers."""

    wishes: Mapping[Uid, pod_pb2.Pod]
    gone: frozenset[Uid]


def merge(
    before: Mapping[Uid, Source], source: Source, pods: Mapping[Uid, pod_pb2.Pod]
) -> tuple[Mapping[Uid, Source], Merged]:
    """Return who owns which uid after a source has said all that it has, and what follows for the workers.

    Args:
        before: the owner of each uid so far.
        source: that speaks.
        pods: everything it has.
    """
    wishes = {uid: pod for uid, pod in pods.items() if before.get(uid, source) is source}
    gone = frozenset(uid for uid, owner in before.items() if owner is source and uid not in pods)
    owners = {uid: owner for uid, owner in before.items() if uid not in gone}
    owners.update(dict.fromkeys(wishes, source))
    return owners, Merged(wishes, gone)
