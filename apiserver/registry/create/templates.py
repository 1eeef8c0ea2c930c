"""Accelerator `batch-templates`: of the objects of a batch that differ in their names alone, one is
validated.

What became of the first, the template, holds for the others but for their texts (the name; of an Event also
the object it is about) and the uid. These copies are neither parsed nor encoded: their texts are put into the
template's bytes (`layout`). Copies are made only where that is certain: same request options, no quota counts
the object, the name is a plain one, and the texts have the lengths of the template's. Every other object goes
through the stages itself. Works in the place of `Creator.prepare_all`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic

from apiserver.registry.create.layout import NAME, UID, Layout, Layouts, Place
from apiserver.registry.create.new import New
from apiserver.registry.create.pipeline import FAIR, Creator, Parse, Preparer, Sent
from apiserver.registry.strategy import M, Strategy
from apiserver.storage.interface import Key, Put
from vaina.api.core.v1 import event_pb2, pod_pb2
from vaina.kinds import EVENT, POD, Kind
from vaina.objects import names

#: copies that are made before other tasks run
_FAIR_COPIES: Final = 512
#: templates of one size and context; an object is compared with each of them, 0.3 µs each
_MAX_TEMPLATES: Final = 8
#: what Events of one reason and second differ in: `involved_object.name`, `uid`, `resource_version`;
#: `message`
_EVENT_TEXTS: Final = ((2, 3), (2, 4), (2, 6), (4,))


class _Template(Generic[M]):
    """An object that goes through the stages, and those that become copies of it."""

    __slots__ = ("_warnings", "copies", "data", "layout", "new")

    def __init__(self, new: New[M], data: bytes) -> None:
        self.new, self.data = new, data
        #: of the bytes as they were sent
        self.layout: Layout | None = None
        #: the place in the batch and the texts of each
        self.copies: list[tuple[int, list[bytes]]] = []
        self._warnings: tuple[Callable[[str], str] | None, Sequence[str]] | None = None

    def warnings(self, strategy: Strategy[M], name: str) -> Iterator[str]:
        if self._warnings is None:
            # A copy's name is nothing to warn of: the rest holds for all copies.
            self.new.meta.name = name
            self._warnings = strategy.warner(self.new.obj), self.new.preparation.warnings()
        warner, texts = self._warnings
        if warner is not None:
            yield warner(name)
        yield from texts


class Copy(New[M]):
    """A copy of a template. Its object is parsed when it is asked for: when its name is taken, for a trace."""

    __slots__ = ("_name", "_template", "_uid")

    may_cost = False

    def __init__(self, template: _Template[M], name: str, uid: str, put: Put) -> None:
        new = template.new
        super().__init__(new.kind, new.ctx, None, new.started)
        self._template, self._name, self._uid, self.put = template, name, uid, put

    @property
    def obj(self) -> M:
        if self._obj is None:
            self._obj = self.kind.message.FromString(self.put.data)
        assert self._obj is not None
        return self._obj

    @property
    def namespace(self) -> str:
        return self._template.new.namespace

    @property
    def uid(self) -> str:
        return self._uid

    def warnings(self, strategy: Strategy[M]) -> Iterator[str]:
        return self._template.warnings(strategy, self._name)


class Templates(Generic[M]):
    """Prepares batches of one kind. Remembers layouts from batch to batch. Owned by one event loop."""

    def __init__(
        self,
        texts: Sequence[Place],
        can_be_template: Callable[[M], bool],
        is_plain_name: Callable[[str], bool],
    ) -> None:
        """Make one for copies that may differ in `texts` besides the name.

        `can_be_template` says whether nothing but a copy's texts hangs on these texts, `is_plain_name` whether
        validation finds nothing wrong with a name, and nothing to warn of.
        """
        self._texts: Sequence[Place] = (NAME, *texts)
        self._can_be_template, self._is_plain_name = can_be_template, is_plain_name
        self._layouts = Layouts()

    async def prepare_all(self, creator: Creator[M], sent: Sent, parse: Parse[M]) -> list[New[M]]:
        """Do the stages before storage for a batch (`pipeline.Preparer`)."""
        started, batch = creator.now(), dict[int, New[M]]()
        #: by context (who asks, and how) and size
        templates: dict[tuple[int, int], list[_Template[M]]] = {}
        for index, (ctx, data) in enumerate(sent):
            if index % FAIR == FAIR - 1:
                await creator.give_way()
            group = templates.setdefault((id(ctx), len(data)), [])
            if not ctx.dry_run and any(self._is_copy(template, index, data) for template in group):
                continue
            new = batch[index] = creator.read(ctx, data, parse, started)
            if new.result is None and len(group) < _MAX_TEMPLATES and not ctx.dry_run:
                group.append(_Template(new, data))
        await creator.prepare(list(batch.values()))
        left: list[int] = []
        for template in (one for group in templates.values() for one in group if one.copies):
            left += await self._make_copies(creator, template, batch)
        others = {index: creator.read(*sent[index], parse, started) for index in left}
        await creator.prepare(list(others.values()))
        batch |= others
        return [batch[index] for index in range(len(sent))]

    def _is_copy(self, template: _Template[M], index: int, data: bytes) -> bool:
        """Say whether an object becomes a copy of a template; then it is noted there."""
        layout = template.layout
        if layout is None:
            if not self._can_be_template(template.new.obj):
                return False
            # Not before: most objects that are the first of their size are the last of it, too.
            layout = template.layout = self._layouts.of(template.data, self._texts)
            if layout is None:
                return False
        texts = layout.texts(data)
        # Others than ASCII may not be readable.
        if texts is None or not b"".join(texts).isascii() or not self._is_plain_name(texts[0].decode()):
            return False
        template.copies.append((index, texts))
        return True

    async def _make_copies(
        self, creator: Creator[M], template: _Template[M], batch: dict[int, New[M]]
    ) -> list[int]:
        """Put the texts of copies into their template's result; return the places that are left."""
        layout = await self._layout_of_result(creator, template)
        if layout is None:
            return [index for index, _ in template.copies]
        new, left, fill = template.new, list[int](), layout.fill
        key, _, type_meta, _, ttl_seconds = new.put
        base, size = key[: len(key) - len(new.meta.name)], len(new.uid)
        uids = creator.new_uids(new.ctx, len(template.copies), new.meta)
        for number, ((index, texts), uid) in enumerate(zip(template.copies, uids, strict=True)):
            if number % _FAIR_COPIES == _FAIR_COPIES - 1:
                await creator.give_way()
            if len(uid) != size:
                left.append(index)
                continue
            name = texts[0].decode()
            texts.insert(1, uid.encode())
            put = Put(Key(base + name), fill(texts), type_meta, None, ttl_seconds)
            batch[index] = Copy(template, name, uid, put)
        return left

    async def _layout_of_result(self, creator: Creator[M], template: _Template[M]) -> Layout | None:
        """Return the layout of a template's result; None when it was refused or cannot have copies."""
        new, sent = template.new, template.layout
        assert sent is not None
        if new.result is not None or not await creator.ignores_name_of(new):
            return None
        found = self._layouts.of(new.put.data, (NAME, UID, *sent.places[1:]))
        texts = sent.texts(template.data)
        if found is None or texts is None:
            return None
        texts.insert(1, new.uid.encode())
        return found if found.texts(new.put.data) == texts else None


def _is_pod_template(pod: pod_pb2.Pod) -> bool:
    # The names of ephemeral volumes' claims are made of the Pod's.
    return not any(volume.volume_source.HasField("ephemeral") for volume in pod.spec.volumes)


def _is_event_template(event: event_pb2.Event) -> bool:
    # One with an eventTime has a bound for its message.
    return not event.HasField("event_time")


def batch_templates() -> dict[str, Preparer[Any]]:
    """Return the accelerator of each kind that has one, by the kind's name."""
    pods = Templates[pod_pb2.Pod]((), _is_pod_template, names.is_dns_1123_label)
    events = Templates[event_pb2.Event](
        _EVENT_TEXTS, _is_event_template, lambda name: not names.path_segment(name)
    )
    kinds: tuple[tuple[Kind[Any], Preparer[Any]], ...] = ((POD, pods), (EVENT, events))
    return {kind.kind: templates for kind, templates in kinds}
