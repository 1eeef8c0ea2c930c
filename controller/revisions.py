"""PURE: the history of a template as ControllerRevisions, for StatefulSets and DaemonSets.

A revision keeps the template as a patch of its owner (`vaina/objects/rollouts.py`); its name is the owner's
with a hash of that, which differs from upstream's. The same template again is the same revision, with a new
number. Follows `pkg/controller/history`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from controller.pods import hash_letters
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.rollouts import REVISION_HASH, Revision, template_data

_HASH_LENGTH: Final = 10
#: a name may have so many characters before the hash (upstream: 223)
_MAX_BASE: Final = 223


@dataclass(frozen=True, slots=True)
class History:
    """The revisions of an owner after a look at its template."""

    #: of the template as it is wished for now
    update: Revision
    #: of what was rolled out last
    current: Revision
    #: `update` is to be made
    create: bool = False
    #: `update` is there, and is to get its number
    renumber: bool = False
    #: that nobody needs any more, the oldest first
    surplus: tuple[Revision, ...] = ()


def look_back(  # noqa: PLR0913 - what a history depends on, by keyword
    owner: meta_pb2.ObjectMeta,
    reference: meta_pb2.OwnerReference,
    template: pod_pb2.PodTemplateSpec,
    revisions: Iterable[Revision],
    *,
    current_name: str = "",
    live: Collection[str] = (),
    limit: int = 10,
    collisions: int = 0,
) -> History:
    """Return what is to become of an owner's revisions.

    `current_name` is the revision that was rolled out last (empty: the newest), `live` are the revisions that
    Pods have; `limit` of the others are kept. `collisions` says how often a hash was another template's.
    """
    known = sorted(revisions, key=_age)
    data, create, renumber = template_data(template), False, False
    number = known[-1].revision + 1 if known else 1
    same = [revision for revision in known if revision.data.raw == data]
    if same and same[-1] is known[-1]:
        update = same[-1]
    elif same:
        update, renumber = Revision(), True
        update.CopyFrom(same[-1])
        update.revision = number
    else:
        update, create = _new(owner, reference, template, data, number, collisions), True
    current = next((revision for revision in known if revision.metadata.name == current_name), update)
    needed = {update.metadata.name, current.metadata.name, *live}
    unused = [revision for revision in known if revision.metadata.name not in needed]
    return History(update, current, create, renumber, tuple(unused[: max(0, len(unused) - limit)]))


def _age(revision: Revision) -> tuple[int, int, str]:
    return revision.revision, revision.metadata.creation_timestamp.seconds, revision.metadata.name


def _new(
    owner: meta_pb2.ObjectMeta,
    reference: meta_pb2.OwnerReference,
    template: pod_pb2.PodTemplateSpec,
    data: bytes,
    number: int,
    collisions: int,
) -> Revision:
    found = hash_letters(data + str(collisions).encode(), _HASH_LENGTH)
    made = Revision(revision=number)
    made.metadata.name, made.metadata.namespace = f"{owner.name[:_MAX_BASE]}-{found}", owner.namespace
    made.metadata.labels.update(template.metadata.labels)
    made.metadata.labels[REVISION_HASH] = found
    made.metadata.annotations.update(owner.annotations)
    made.metadata.owner_references.append(reference)
    made.data.raw = data
    return made
