"""An object on its way through the stages of a create. Called by `pipeline`, `storing` and the accelerators
beside them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic

from apiserver import validation
from apiserver.admission.chain import Attributes, Operation, Refund, nothing_to_refund
from apiserver.context import Context
from apiserver.defaulting import default
from apiserver.registry.strategy import M, Strategy
from apiserver.storage.interface import Put, Stored
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import ApiError, FieldError
from vaina.kinds import Kind
from vaina.objects.normalise import normalise


class Preparation(Generic[M]):
    """The steps that read the whole of an object, in their order. To make one sets the object's defaults."""

    def __init__(self, kind: Kind[Any], obj: M) -> None:
        self._kind, self._obj = kind, obj
        default(kind, obj)

    def normalise(self) -> None:
        """Bring the object into its normal form. Raises BadRequest."""
        normalise(self._obj)

    def prepare(self, strategy: Strategy[M], now: float) -> None:
        strategy.prepare_for_create(self._obj, now)

    def errors(self, group: str | None = None) -> list[FieldError]:
        """Return what is wrong with it; `group` is the API group under which it comes, if not the kind's."""
        return validation.validate_create(self._kind, self._obj, group)

    def warnings(self) -> list[str]:
        return validation.warnings_for(self._kind, self._obj)


#: begins the preparation of an object
Prepare = Callable[[M], Preparation[M]]


class New(Generic[M]):
    """A new object: what was sent, what the stages made of it, and how it is stored or why it is refused."""

    __slots__ = (
        "_attributes", "_obj", "ctx", "entries", "is_name_generated", "kind", "preparation", "put", "refund", "result", "size", "started",
    )  # fmt: skip

    #: set by the first stage
    preparation: Preparation[M]
    #: set by the last stage before storage
    put: Put
    #: whether a quota may count it
    may_cost = True

    def __init__(self, kind: Kind[Any], ctx: Context, obj: M | None, started: float) -> None:
        """Make one of an object, which is changed in place.

        `obj` is None when it could not be read, or is read later (`templates.Copy`); `started` is when the
        request came (seconds since the epoch).
        """
        self.kind, self.ctx, self._obj, self.started = kind, ctx, obj, started
        self._attributes: Attributes | None = None
        self.is_name_generated = False
        #: its managedFields, when it is applied
        self.entries: Sequence[meta_pb2.ManagedFieldsEntry] = ()
        #: bytes that were sent
        self.size = 0
        #: gives back what a quota took for it
        self.refund: Refund = nothing_to_refund
        #: what is stored, or the refusal
        self.result: Stored | ApiError | None = None

    @property
    def obj(self) -> M:
        assert self._obj is not None, "it could not be read"
        return self._obj

    @property
    def meta(self) -> Any:
        return self.obj.metadata  # type: ignore[attr-defined]  # every kind has metadata

    @property
    def namespace(self) -> str:
        namespace: str = self.meta.namespace
        return namespace

    @property
    def uid(self) -> str:
        uid: str = self.meta.uid
        return uid

    @property
    def attributes(self) -> Attributes:
        """What admission is told of it, once it has its namespace."""
        found = self._attributes
        if found is None:
            meta = self.meta
            found = self._attributes = Attributes(
                self.ctx, Operation.CREATE, self.kind, meta.namespace, meta.name, self.obj
            )
        return found

    def warnings(self, strategy: Strategy[M]) -> Iterator[str]:
        warner = strategy.warner(self.obj)
        if warner is not None:
            yield warner(self.meta.name)
        yield from self.preparation.warnings()
