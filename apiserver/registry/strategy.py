"""What is special about a kind: the hooks of the generic store. Pure, and called by `store` alone.

A kind that needs nothing special uses `Strategy` as it is. What upstream calls PrepareForCreate,
PrepareForUpdate, CheckGracefulDelete and so on is here; validation and defaulting have packages of their own.

Which sub-resources a kind has follows apiserver `endpoints/installer.go`: each is served by those methods that
its storage has, and a patch needs a Get and an Update (`pkg/registry/rest`, Patcher).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from google.protobuf.message import Message

from vaina.errors import BadRequest, FieldError, MethodNotSupported, NotFound
from vaina.kinds import Kind

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Subresource(Generic[M]):
    """A sub-resource: it changes one thing of an object, by a method of its own or by Patch with its name."""

    #: (as it was sent, as it is stored, seconds since the epoch) -> as it is to be; it changes neither
    prepare: Callable[[M, M, float], M]
    #: (as it is to be, as it is stored) -> every violation
    validate: Callable[[M, M], list[FieldError]]
    #: whether it can be read, and so patched (`subresources`)
    has_get: bool = True


class Strategy(Generic[M]):
    """The hooks, with what most kinds want. Objects are changed in place."""

    #: an update without resourceVersion replaces whatever is stored
    allow_unconditional_update: bool = True
    #: an update of what is not there creates it
    allow_create_on_update: bool = False
    #: metadata.generation counts what `raises_generation` says, from `first_generation` on
    has_generation: bool = False
    first_generation: int = 1
    #: metadata that a write of the status leaves as it is stored; what else of it was sent is taken, as
    #: upstream's status strategies do (their GetResetFields). Of managedFields no sub-resource takes any.
    kept_by_status: tuple[str, ...] = ()
    #: what a write of the object itself leaves as it is stored, by JSON name: nobody owns it by such a write
    #: (GetResetFields)
    reset_fields: tuple[str, ...] = ("status",)
    #: seconds an object lives after it was last written; 0 for ever
    ttl_seconds: int = 0
    #: what becomes of what an object owns, when its deletion does not say: Background or Orphan; Unsupported:
    #: it owns nothing, whatever a deletion says
    propagation_policy: str = "Background"
    #: a first deletion only marks the object, and a second does nothing while `is_awaited`
    ends_in_two_steps: bool = False
    #: by name; besides `status`, which is the store's business
    subresources: Mapping[str, Subresource[M]] = MappingProxyType({})

    def prepare_for_create(self, obj: M, now: float) -> None:
        """Set what clients may not choose; most kinds begin with an empty status."""
        clear_status(obj)

    def name_known(self, obj: M) -> None:
        """Set what follows from the name of a new object, which may be generated after `prepare_for_create`."""

    def prepare_for_update(self, new: M, old: M, now: float) -> None:
        """Take over what an update may not change: the status."""
        copy_field(new, old, "status")

    def raises_generation(self, new: M, old: M) -> bool:
        """Say whether an update changes what is wished for: the spec."""
        return spec_bytes(new) != spec_bytes(old)

    def prepare_for_status_update(self, new: M, old: M, now: float) -> None:
        """Keep what must not go backwards. Whatever is neither metadata nor status is the old one already."""

    def grace_seconds(self, obj: M, wished: int | None) -> int | None:
        """Return how long the object may take to end; None when the kind has no graceful deletion."""
        return None

    def mark_deleting(self, obj: M) -> None:
        """Show in the status that the object ends."""

    def is_awaited(self, obj: M) -> bool:
        """Say whether something besides finalizers must be done before the object may go."""
        return False

    def is_held(self, obj: M) -> bool:
        """Say whether something must still be done before the object may go."""
        return bool(_metadata(obj).finalizers) or self.is_awaited(obj)

    def warner(self, obj: M) -> Callable[[str], str] | None:
        """Return what the creator of an object like this should know, by its name; None: nothing."""
        return None


def _metadata(obj: Message) -> Any:
    return obj.metadata  # type: ignore[attr-defined]  # every kind has metadata


def clear_status(obj: Message) -> None:
    """Empty the status, if the kind has one."""
    if "status" in obj.DESCRIPTOR.fields_by_name:
        obj.ClearField("status")


def copy_field(new: Message, old: Message, field: str) -> None:
    """Give `new` the field (a message) that `old` has, if the kind has it at all."""
    if field not in old.DESCRIPTOR.fields_by_name:
        return
    if old.HasField(field):
        getattr(new, field).CopyFrom(getattr(old, field))
    else:
        new.ClearField(field)


def keep_field(new: Message, old: Message, field: str) -> None:
    """Give `new` the field (a message, a list or a map) that `old` has."""
    if not old.DESCRIPTOR.fields_by_name[field].is_repeated:
        copy_field(new, old, field)
        return
    new.ClearField(field)
    getattr(new, field).MergeFrom(getattr(old, field))


def spec_bytes(obj: Message) -> bytes:
    """Return the spec in a form that can be compared; empty when the kind has none."""
    spec = getattr(obj, "spec", None)
    return b"" if spec is None else spec.SerializeToString(deterministic=True)


STATUS: Final = "status"
_SCALE: Final = "scale"


def part_of(kind: Kind[M], strategy: Strategy[M], name: str) -> Subresource[M] | None:
    """Return what a sub-resource but `status` changes; None: the object itself. Raises BadRequest, NotFound."""
    if not name:
        return None
    found = strategy.subresources.get(name)
    if found is not None:
        return found
    if name == _SCALE and kind.has_scale:
        raise BadRequest(
            'subresource: "scale" is a Scale, and has methods of its own: GetScale, UpdateScale, PatchScale'
        )
    raise NotFound("the server could not find the requested resource")


def check_has_get(kind: Kind[Any], strategy: Strategy[Any], name: str) -> None:
    """Refuse to read or patch what has no Get upstream. Raises BadRequest, NotFound, MethodNotSupported."""
    if name == STATUS and kind.has_status:
        return
    part = part_of(kind, strategy, name)
    if part is not None and not part.has_get:
        raise MethodNotSupported("the server does not allow this method on the requested resource")
