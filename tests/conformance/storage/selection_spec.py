"""Lists and watches of selections: objects enter and leave them as labels, nodes and namespaces change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from apiserver.storage import codec, versions
from apiserver.storage.interface import EventType, Read, Version
from apiserver.storage.selection import Selection
from tests.conformance.storage.harness import POD_META, PODS, Harness, Spec, pod, pod_key, pods, put_pod
from tests.support.frames import frames_of
from tests.support.watch_validators import Recorded, Seen, check
from vaina.api.core.v1 import pod_pb2
from vaina.errors import Expired, Timeout


class Listener:
    """One watch of a selection, as a client hears it."""

    def __init__(self) -> None:
        self.events: list[Seen] = []
        self.changed = asyncio.Event()

    async def listen(self, harness: Harness, selection: Selection, **options: object) -> None:
        batches = harness.selecting.watch_selection(selection, **options)  # type: ignore[arg-type]  # passed on
        async with aclosing(batches) as source:
            async for batch in source:
                for frame in frames_of(batch):
                    message = pod_pb2.Pod.FromString(frame.object)
                    assert message.metadata.resource_version == str(frame.version)
                    mark = "k8s.io/initial-events-end" in message.metadata.annotations
                    labels = (
                        f"{message.metadata.labels['app']}@{message.spec.node_name}"
                        if message.metadata.name
                        else None
                    )
                    self.events.append(Seen(frame.type, message.metadata.name, frame.version, labels, mark))
                self.changed.set()

    def short(self) -> list[str]:
        """Return type and name (or app@node) of what came, without bookmarks."""
        return [f"{e.type} {e.key} {e.data}" for e in self.events if e.type != "BOOKMARK"]

    async def until(self, wanted: list[str]) -> None:
        """Return when exactly this has come; more would be seen by the next call."""
        async with asyncio.timeout(60):
            while len(self.short()) < len(wanted):
                self.changed.clear()
                await self.changed.wait()
        assert self.short() == wanted

    async def until_marked(self) -> Version:
        """Return the version of the current state, when it has come."""
        async with asyncio.timeout(60):
            while not any(event.ends_initial for event in self.events):
                self.changed.clear()
                await self.changed.wait()
        return next(Version(event.version) for event in self.events if event.ends_initial)


@asynccontextmanager
async def listening(harness: Harness, selection: Selection, **options: object) -> AsyncIterator[Listener]:
    """Listen beside the block."""
    listener = Listener()
    task = asyncio.get_running_loop().create_task(listener.listen(harness, selection, **options))
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


class SelectionSpec(Spec):
    """Of Pods: by label, by node, by name, by namespace."""

    @pytest.mark.parametrize(
        ("selection", "wanted"),
        [
            (pods(), "a b c d"),
            (pods("app=web"), "a c d"),
            (pods("app!=web"), "b"),
            (pods("app in (web, db), app notin (db)"), "a c d"),
            (pods("", "spec.nodeName=node-1"), "b c"),
            (pods("", "spec.nodeName!=node-1"), "a d"),
            (pods("", "spec.nodeName="), "a"),
            (pods("app=web", "spec.nodeName=node-1"), "c"),
            (pods("", "metadata.name=c"), "c"),
            (pods("", "metadata.name=c", "default"), "c"),
            (pods("", "metadata.name=nobody"), ""),
            (pods("", "", "other"), "d"),
            (pods("app=web", "", "other"), "d"),
            (pods("", "metadata.namespace=other"), "d"),
            (pods("", "", "othe"), ""),
            (pods("app=web,missing"), ""),
            (pods("!missing,app=db"), "b"),
        ],
    )
    async def test_a_list_has_what_is_selected(
        self, harness: Harness, selection: Selection, wanted: str
    ) -> None:
        await put_pod(harness.storage, "a")
        await put_pod(harness.storage, "b", "db", "node-1")
        await put_pod(harness.storage, "c", "web", "node-1")
        await put_pod(harness.storage, "d", "web", "node-2", "other")
        before = await harness.storage.current_version()
        page = await harness.selecting.list_selection(selection)
        assert [item.key.rpartition("/")[2] for item in page.items] == wanted.split()
        assert (page.version, page.next_key) == (before, None)
        await put_pod(harness.storage, "c", "gone", "node-9")
        past = await harness.selecting.list_selection(selection, Read(exact=before))
        assert (list(past.items), past.version) == (list(page.items), before)

    async def test_objects_enter_and_leave_a_selection_by_label(self, harness: Harness) -> None:
        storage = harness.storage
        await put_pod(storage, "a", "db")
        start = await storage.current_version()
        async with listening(harness, pods("app=web"), after=start) as web:
            await put_pod(storage, "b", "db")
            await put_pod(storage, "b", "web")
            await put_pod(storage, "a", "web")
            await put_pod(storage, "a", "web", "node-1")
            left = await put_pod(storage, "a", "db", "node-2")
            await put_pod(storage, "a", "cache", "node-2")
            await storage.delete(pod_key("a"))
            gone = await storage.delete(pod_key("b"))
            await web.until(
                [
                    "ADDED b web@", "ADDED a web@", "MODIFIED a web@node-1", "DELETED a web@node-1",
                    "DELETED b web@",
                ]
            )  # fmt: skip
            assert [event.version for event in web.events[-2:]] == [left.version, gone.version]

    async def test_objects_enter_and_leave_a_node(self, harness: Harness) -> None:
        storage = harness.storage
        start = await storage.current_version()
        async with (
            listening(harness, pods("", "spec.nodeName=node-1"), after=start) as one,
            listening(harness, pods("", "spec.nodeName=node-2"), after=start) as two,
            listening(harness, pods("", "spec.nodeName="), after=start) as unbound,
        ):
            await put_pod(storage, "a", "web")
            await put_pod(storage, "a", "web", "node-1")
            await put_pod(storage, "a", "db", "node-1")
            await put_pod(storage, "a", "db", "node-2")
            await storage.delete(pod_key("a"))
            await two.until(["ADDED a db@node-2", "DELETED a db@node-2"])
            await one.until(["ADDED a web@node-1", "MODIFIED a db@node-1", "DELETED a db@node-1"])
            await unbound.until(["ADDED a web@", "DELETED a web@"])

    async def test_a_name_and_a_namespace_see_their_own(self, harness: Harness) -> None:
        storage = harness.storage
        start = await storage.current_version()
        async with (
            listening(harness, pods("", "metadata.name=a", "default"), after=start) as name,
            listening(harness, pods("", "metadata.name=a"), after=start) as names,
            listening(harness, pods("", "", "x"), after=start) as namespace,
        ):
            for place in ("default", "x", "x-y"):
                for what in ("a", "a-b", "b"):
                    await put_pod(storage, what, "web", namespace=place)
            await storage.delete(pod_key("a", "x-y"))
            await storage.delete(pod_key("a", "x"))
            await storage.delete(pod_key("a"))
            await name.until(["ADDED a web@", "DELETED a web@"])
            await names.until(["ADDED a web@"] * 3 + ["DELETED a web@"] * 3)
            await namespace.until(["ADDED a web@", "ADDED a-b web@", "ADDED b web@", "DELETED a web@"])

    async def test_a_watch_begins_with_the_current_state_when_it_is_asked_to(self, harness: Harness) -> None:
        storage = harness.storage
        await put_pod(storage, "b", "web")
        await put_pod(storage, "c", "db")
        stored = await put_pod(storage, "a", "web")
        async with listening(harness, pods("app=web"), initial=True, bookmarks=True) as web:
            version = await web.until_marked()
            assert web.short() == ["ADDED a web@", "ADDED b web@"]
            assert version >= stored.version
            assert versions.position_of(version) == versions.WHOLE
            await storage.delete(pod_key("b"))
            await put_pod(storage, "c", "web")
            await web.until(["ADDED a web@", "ADDED b web@", "DELETED b web@", "ADDED c web@"])

    async def test_a_current_state_of_nothing_is_ended_too(self, harness: Harness) -> None:
        async with listening(harness, pods(), initial=True, bookmarks=True) as everything:
            await everything.until_marked()
            assert everything.short() == []
            await put_pod(harness.storage, "a")
            await everything.until(["ADDED a web@"])

    async def test_no_bookmark_comes_to_those_who_want_none(self, harness: Harness) -> None:
        await put_pod(harness.storage, "a")
        async with listening(harness, pods(), initial=True) as everything:
            await everything.until(["ADDED a web@"])
            for n in range(3):
                await harness.storage.request_progress()
                await put_pod(harness.storage, f"b{n}")
            await everything.until(["ADDED a web@", "ADDED b0 web@", "ADDED b1 web@", "ADDED b2 web@"])
            assert len(everything.events) == 4

    async def test_the_current_state_is_what_others_were_told_is_written(self, harness: Harness) -> None:
        for n in range(5):
            stored = await put_pod(harness.other, f"a{n}")
            async with listening(harness, pods(), initial=True, bookmarks=True) as everything:
                version = await everything.until_marked()
            assert version >= stored.version
            assert len(everything.short()) == n + 1

    async def test_the_current_state_is_not_older_than_what_is_asked_for(self, harness: Harness) -> None:
        for n in range(5):
            stored = await put_pod(harness.other, f"a{n}")
            options = {"initial": True, "bookmarks": True, "after": stored.version}
            async with listening(harness, pods(), **options) as everything:
                assert await everything.until_marked() >= stored.version
            assert len(everything.short()) == n + 1

    async def test_a_selection_can_be_resumed_after_every_event(self, harness: Harness) -> None:
        storage = harness.storage
        start = await storage.current_version()
        async with listening(harness, pods(), after=start) as truth:
            await asyncio.gather(*(put_pod(storage, f"p{n}", "web" if n % 2 else "db") for n in range(20)))
            await asyncio.gather(*(put_pod(storage, f"p{n}", "web" if n % 3 else "db") for n in range(20)))
            await asyncio.gather(*(storage.delete(pod_key(f"p{n}")) for n in range(0, 20, 2)))
            last = await put_pod(storage, "last")
            async with asyncio.timeout(60):
                while not truth.events or truth.events[-1].version < last.version:
                    truth.changed.clear()
                    await truth.changed.wait()
        history = truth.events
        assert len(history) == 51

        def is_web(_: str, data: object) -> bool:
            return str(data).startswith("web@")

        async def resume(after: int) -> list[str]:
            async with listening(harness, pods("app=web"), after=Version(after)) as web, asyncio.timeout(60):
                while not web.events or web.events[-1].version < last.version:
                    web.changed.clear()
                    await web.changed.wait()
            return check(Recorded(after, web.events, until=last.version, selects=is_web), history)

        found = await asyncio.gather(*(resume(event.version) for event in history[:-1]), resume(start))
        assert [text for texts in found for text in texts] == []

    async def test_a_selection_from_a_compacted_version_is_expired_or_whole(self, harness: Harness) -> None:
        """A cache may know more than its storage; it never leaves a gap."""
        storage = harness.storage
        first = await put_pod(storage, "a")
        await put_pod(storage, "b")
        last = await put_pod(storage, "c", "db")
        await harness.compact(last.version)
        end = await put_pod(storage, "d")
        listener = Listener()
        task = asyncio.get_running_loop().create_task(
            listener.listen(harness, pods("app=web"), after=first.version)
        )
        try:
            async with asyncio.timeout(60):
                while not task.done() and not any(e.version == end.version for e in listener.events):
                    listener.changed.clear()
                    await asyncio.wait(
                        [task, asyncio.ensure_future(listener.changed.wait())],  # noqa: TID251 - waited for here
                        return_when=asyncio.FIRST_COMPLETED,
                    )
            if task.done():
                with pytest.raises(Expired):
                    task.result()
                assert listener.events == []
            else:
                assert listener.short() == ["ADDED b web@", "ADDED d web@"]
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def test_a_selection_from_a_version_that_does_not_exist_yet_is_refused(
        self, harness: Harness
    ) -> None:
        future = Version(await harness.storage.current_version() + 100 * versions.SPAN)

        async def refused(**options: object) -> str:
            with pytest.raises(Timeout) as caught:
                async with asyncio.timeout(60):
                    await Listener().listen(harness, pods("app=web"), after=future, **options)
            assert [cause.type for cause in caught.value.causes] == ["ResourceVersionTooLarge"]
            return caught.value.message

        texts = await asyncio.gather(refused(), refused(initial=True), refused(bookmarks=True))
        assert all(text.startswith(f"Too large resource version: {future}, current: ") for text in texts)

    async def test_what_cannot_be_parsed_is_in_no_selection_and_harms_nobody(self, harness: Harness) -> None:
        storage = harness.storage
        start = await storage.current_version()
        async with listening(harness, pods("app=web"), after=start) as web:
            await harness.put_bytes(pod_key("bad"), codec.encode_value(b"\x0a\xff\xff\xff", POD_META, 0))
            await put_pod(storage, "good")
            await web.until(["ADDED good web@"])
        page = await harness.selecting.list_selection(pods("app=web"))
        assert [item.key for item in page.items] == [pod_key("good")]
        whole = await storage.list(PODS)
        assert [item.key for item in whole.items] == [pod_key("good")]
        assert list(whole.unreadable) == [pod_key("bad")]

    async def test_an_object_that_moves_among_many_watchers_reaches_those_concerned(
        self, harness: Harness
    ) -> None:
        start = await harness.storage.current_version()
        listeners = [Listener() for _ in range(8)]
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(listener.listen(harness, pods("", f"spec.nodeName=node-{n}"), after=start))
                for n, listener in enumerate(listeners)
            ]
            for n in range(8):
                await put_pod(harness.storage, "a", "web", f"node-{n}")
            await harness.storage.update(
                pod_key("a"), pod("a", "web", "nowhere"), POD_META,
                expected=(await harness.selecting.list_selection(pods())).items[0].version,
            )  # fmt: skip
            for n, listener in enumerate(listeners):
                await listener.until([f"ADDED a web@node-{n}", f"DELETED a web@node-{n}"])
            for task in running:
                task.cancel()
        assert {event.type for listener in listeners for event in listener.events} == {
            EventType.ADDED, EventType.DELETED,
        }  # fmt: skip
