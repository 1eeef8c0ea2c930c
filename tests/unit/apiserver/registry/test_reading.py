"""Lists, pages, selectors and watches."""

import asyncio
import base64
import json
import posixpath
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.registry import options
from apiserver.storage.interface import Key, Version
from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from vaina.client.resource import WatchBatch
from vaina.errors import BadRequest, Expired, Invalid, NotFound, Timeout
from vaina.testing.builders import make_pod
from vaina.testing.clock import settle

PREFIX = Key("/registry/pods/")


@pytest.fixture(params=["direct", "cached"])
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    """An apiserver straight over its storage, and one with the watch cache between: they must answer alike."""
    if request.param == "direct":
        yield make_apiserver()
        return
    async with cached_apiserver() as harness:
        yield harness


@given(
    st.text("abc-./", min_size=1, max_size=40).filter(
        lambda s: s[0] != "/" and posixpath.normpath(f"/{s}") == f"/{s}"
    ),
    st.integers(1, 2**60),
)
def test_a_token_leads_back_to_where_it_was_made(name: str, version: int) -> None:
    key = Key(PREFIX + name)
    assert options.decode_token(PREFIX, options.encode_token(PREFIX, key, version)) == (key, Version(version))


def _token(**values: object) -> str:
    raw = {"v": "meta.k8s.io/v1", "rv": 5, "start": "default/a\0", **values}
    return base64.urlsafe_b64encode(json.dumps(raw).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    ["garbage", "!!!", "", _token(v="meta.k8s.io/v9"), _token(rv=0), _token(rv=-7), _token(start=""), _token(start="../secrets/x"), _token(start="/x"), _token(rv="1"), "a" * 5000],
)  # fmt: skip
def test_a_token_that_is_none_of_ours_is_refused(token: str) -> None:
    with pytest.raises(BadRequest, match=r"^continue key is not valid: "):
        options.decode_token(PREFIX, token)


async def _three(api: Harness) -> None:
    await api.pod("a", labels={"app": "x"})
    await api.pod("b", labels={"app": "y"}, node="node-1")
    await api.pod("c", labels={"app": "x", "tier": "db"})


@pytest.mark.parametrize(
    ("labels", "fields", "want"),
    [
        ("", "", ["a", "b", "c"]),
        ("app=x", "", ["a", "c"]),
        ("app in (x,y),!tier", "", ["a", "b"]),
        ("", "metadata.name=b", ["b"]),
        ("", "metadata.name!=b", ["a", "c"]),
        ("", "spec.nodeName=node-1", ["b"]),
        ("", "spec.nodeName=", ["a", "c"]),
        ("app=x", "spec.nodeName=node-1", []),
        ("", "status.phase=Pending,metadata.namespace=default", ["a", "b", "c"]),
        ("", "metadata.namespace=other", []),
    ],
)
async def test_selectors(api: Harness, labels: str, fields: str, want: list[str]) -> None:
    await _three(api)
    for namespace in ("", "default"):
        page = await api.client.pods.list(namespace, label_selector=labels, field_selector=fields)
        assert [item.metadata.name for item in page.items] == want


@pytest.mark.parametrize(
    ("labels", "fields", "words"),
    [("a in", "", "unable to parse|found"), ("", "spec.color=red", "field label not supported: spec.color"), ("", "x", "can't understand")],
)  # fmt: skip
async def test_selectors_that_cannot_be_read(api: Harness, labels: str, fields: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        await api.client.pods.list(label_selector=labels, field_selector=fields)
    with pytest.raises(BadRequest, match=words):
        await anext(api.client.pods.watch(label_selector=labels, field_selector=fields))


async def test_pages_show_the_state_of_the_first_one(api: Harness) -> None:
    for name in "abcde":
        await api.pod(name)
    first = await api.client.pods.list_page(limit=2)
    await api.pod("bb")
    await api.client.pods.delete("d", "default")
    second = await api.client.pods.list_page(limit=2, continue_token=first.continue_token)
    third = await api.client.pods.list_page(limit=2, continue_token=second.continue_token)
    names = [item.metadata.name for page in (first, second, third) for item in page.items]
    assert (names, third.continue_token) == (list("abcde"), "")
    assert first.resource_version == second.resource_version == third.resource_version


async def test_a_page_of_selected_objects_is_full(api: Harness) -> None:
    for index in range(10):
        await api.pod(f"p{index}", labels={"odd": str(index % 2)})
    page = await api.client.pods.list_page(limit=3, label_selector="odd=1")
    rest = await api.client.pods.list_page(
        limit=3, label_selector="odd=1", continue_token=page.continue_token
    )
    names = [item.metadata.name for got in (page, rest) for item in got.items]
    assert (names, rest.continue_token) == (["p1", "p3", "p5", "p7", "p9"], "")


async def test_a_token_that_is_too_old_comes_with_one_to_go_on_with(api: Harness) -> None:
    for name in "abc":
        await api.pod(name)
    first = await api.client.pods.list_page(limit=1)
    await api.pod("bb")
    await api.pod("cc")
    # A cache that has not seen these yet may still answer as of the first page, rightly.
    assert len((await api.client.pods.list()).items) == 5
    api.storage.compact(await api.storage.current_version())
    with pytest.raises(Expired, match="continue parameter is too old") as caught:
        await api.client.pods.list_page(limit=1, continue_token=first.continue_token)
    rest = await api.client.pods.list_page(continue_token=caught.value.continue_token)
    assert [item.metadata.name for item in rest.items] == ["b", "bb", "c", "cc"]


async def test_versions_of_reads(api: Harness) -> None:
    pod = await api.pod()
    version = pod.metadata.resource_version
    for wanted in ("", "0", version):
        assert (await api.client.pods.get("web", "default", resource_version=wanted)) == pod
        assert (await api.client.pods.list(resource_version=wanted)).items == [pod]
    with pytest.raises(Timeout, match="Too large resource version: 99999999"):
        await api.client.pods.get("web", "default", resource_version="99999999")
    with pytest.raises(Invalid, match='resourceVersion: Invalid value: "x"'):
        await api.client.pods.list(resource_version="x")
    with pytest.raises(Invalid, match="limit: Invalid value: -1"):
        await api.client.pods.list_page(limit=-1)
    with pytest.raises(NotFound, match=r'^pods "nobody" not found$'):
        await api.client.pods.get("nobody", "default")


async def _take(watch: AsyncIterator[WatchBatch], count: int) -> list[tuple[str, str]]:
    """Return (type, name) of the first `count` events."""
    got: list[tuple[str, str]] = []
    while len(got) < count:
        batch = await anext(watch)
        got += [(str(event.type), event.object.metadata.name) for event in batch.events]
    return got


async def test_a_watch_without_a_version_begins_with_the_current_state(api: Harness) -> None:
    await api.pod("a")
    watch = api.client.pods.watch(allow_bookmarks=False)
    assert await _take(watch, 1) == [("ADDED", "a")]
    await api.pod("b")
    await api.client.pods.delete("a", "default")
    assert await _take(watch, 2) == [("ADDED", "b"), ("DELETED", "a")]
    await watch.aclose()


async def test_initial_events_end_with_a_bookmark_that_says_so(api: Harness) -> None:
    await api.pod("a")
    watch = api.client.pods.watch(send_initial_events=True)
    events = []
    while not events or events[-1].type != "BOOKMARK":
        events += (await anext(watch)).events
    assert [str(event.type) for event in events] == ["ADDED", "BOOKMARK"]
    mark = events[-1].object.metadata
    assert dict(mark.annotations) == {"k8s.io/initial-events-end": "true"}
    assert int(mark.resource_version) >= int(events[0].object.metadata.resource_version)
    await watch.aclose()


async def test_a_watch_resumes_after_any_event(api: Harness) -> None:
    for name in "abc":
        await api.pod(name)
    watch = api.client.pods.watch(allow_bookmarks=False)
    versions, names = [], []
    while len(names) < 3:
        for event in (await anext(watch)).events:
            versions.append(event.object.metadata.resource_version)
            names.append(event.object.metadata.name)
    await watch.aclose()
    for index in range(2):
        resumed = api.client.pods.watch(resource_version=versions[index], allow_bookmarks=False)
        want = [("ADDED", name) for name in names[index + 1 :]]
        assert await _take(resumed, len(want)) == want
        await resumed.aclose()


async def test_a_watch_without_initial_events_begins_now(api: Harness) -> None:
    await api.pod("a")
    watch = api.client.pods.watch(send_initial_events=False, allow_bookmarks=False)
    pending = asyncio.ensure_future(anext(watch))  # noqa: TID251
    await settle()
    await api.pod("b")
    assert [event.object.metadata.name for event in (await pending).events] == ["b"]
    await watch.aclose()


async def test_an_object_that_leaves_or_enters_a_selection_is_deleted_or_added_there(api: Harness) -> None:
    pod = await api.pod("a", labels={"app": "x"})
    watch = api.client.pods.watch(
        resource_version=pod.metadata.resource_version, label_selector="app=x", allow_bookmarks=False
    )
    for value in ("y", "y2", "x", "x"):
        pod.metadata.labels["app"] = value
        pod.metadata.annotations["n"] = f"{value}{pod.metadata.resource_version}"
        pod = await api.client.pods.update(pod)
    assert await _take(watch, 3) == [("DELETED", "a"), ("ADDED", "a"), ("MODIFIED", "a")]
    await watch.aclose()


async def test_a_kubelet_sees_only_the_pods_of_its_node(api: Harness) -> None:
    await api.pod("mine", node="node-1")
    await api.pod("other", node="node-2")
    watch = api.client.pods.watch(field_selector="spec.nodeName=node-1", allow_bookmarks=False)
    assert await _take(watch, 1) == [("ADDED", "mine")]
    await api.pod("late", node="node-2")
    await api.pod("later", node="node-1")
    assert await _take(watch, 1) == [("ADDED", "later")]
    await watch.aclose()


async def test_a_version_that_is_no_longer_kept_has_expired(api: Harness) -> None:
    await api.pod("a")
    api.storage.compact(await api.storage.current_version())
    with pytest.raises(Expired):
        # Before anything that a cache could have seen, which may know more than its storage.
        await anext(api.client.pods.watch(resource_version="1"))


async def test_a_watch_ends_by_itself_after_its_time(api: Harness) -> None:
    await api.pod("a")
    async with asyncio.timeout(60):
        # Where the machine stands still for longer than that, it has ended before anything came.
        for seconds in (1, 5, 25):
            watch = api.client.pods.watch(timeout_seconds=seconds, allow_bookmarks=False)
            if batches := [batch async for batch in watch]:
                break
    assert [event.object.metadata.name for batch in batches for event in batch.events] == ["a"]


async def test_lists_and_watches_of_a_namespace_show_no_other(api: Harness) -> None:
    await api.app.bootstrap()
    await api.pod("a")
    await api.client.pods.create(make_pod("s", "kube-system"))
    assert [p.metadata.name for p in (await api.client.pods.list("kube-system")).items] == ["s"]
    watch = api.client.pods.watch("kube-system", allow_bookmarks=False)
    assert await _take(watch, 1) == [("ADDED", "s")]
    await watch.aclose()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "^Name parameter required.$"),
        ("a/b", r"^Name parameter invalid: \"a/b\": may not contain '/'$"),
        ("..", r"^Name parameter invalid: \"..\": may not be '..'$"),
        ("a%2fb", r"^Name parameter invalid: \"a%2fb\": may not contain '%'$"),
    ],
)
async def test_a_name_that_no_object_can_have_is_refused(name: str, words: str) -> None:
    api = make_apiserver()
    calls = (
        lambda: api.client.pods.get(name, "default"),
        lambda: api.client.pods.delete(name, "default"),
        lambda: api.client.pods.patch(name, "{}", namespace="default"),
        lambda: api.client.pods.bind(name, namespace="default", uid="", node="node-1"),
    )
    await api.node("node-1")
    for call in calls:
        with pytest.raises(BadRequest, match=words):
            await call()
