"""What lists answer by resourceVersion, resourceVersionMatch, limit and continue.

The table of Kubernetes' "API concepts".
"""

import base64
import json
from collections.abc import AsyncIterator

import pytest

from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from tests.support.calls import call, list_pods, names_of
from vaina.api.core.v1 import config_pb2
from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.errors import ApiError, BadRequest, Expired, Invalid, Timeout
from vaina.kinds import CONFIG_MAP, KINDS, NODE
from vaina.objects.fields import selectable_names

#: resourceVersion = revision x 1000 + place in the transaction
WRITES_PER_TRANSACTION = 1000
NEWEST, ANY, AT_LEAST, EXACT = "newest", "any", "not older than", "exact"
FORBIDDEN_WITHOUT = (
    "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
)
FORBIDDEN_EXACT = (
    'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
)
FORBIDDEN_CONTINUE = (
    "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"
)
UNKNOWN = 'resourceVersionMatch: Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""'


@pytest.fixture(params=["direct", "cached"])
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    """An apiserver straight over its storage, and one with the watch cache between: they must answer alike."""
    if request.param == "direct":
        yield make_apiserver()
        return
    async with cached_apiserver() as harness:
        yield harness


#: (resourceVersion, match, limit) -> meaning, or the words of the refusal. N is the version of the first of
#: two Pods.
TABLE = [
    ("", "", 0, NEWEST), ("", "", 5, NEWEST),
    ("0", "", 0, ANY), ("0", "", 5, ANY),
    ("N", "", 0, AT_LEAST), ("N", "", 5, EXACT),
    ("0", "NotOlderThan", 0, ANY), ("0", "NotOlderThan", 5, ANY),
    ("N", "NotOlderThan", 0, AT_LEAST), ("N", "NotOlderThan", 5, AT_LEAST),
    ("N", "Exact", 0, EXACT), ("N", "Exact", 5, EXACT),
    ("", "NotOlderThan", 0, FORBIDDEN_WITHOUT), ("", "NotOlderThan", 5, FORBIDDEN_WITHOUT),
    ("", "Exact", 0, FORBIDDEN_WITHOUT), ("", "Exact", 5, FORBIDDEN_WITHOUT),
    ("0", "Exact", 0, FORBIDDEN_EXACT), ("0", "Exact", 5, FORBIDDEN_EXACT),
    ("N", "Newest", 0, UNKNOWN), ("", "Newest", 0, f"[{FORBIDDEN_WITHOUT}, {UNKNOWN}]"),
]  # fmt: skip


@pytest.mark.parametrize(("version", "match", "limit", "meaning"), TABLE)
async def test_versions_of_lists(api: Harness, version: str, match: str, limit: int, meaning: str) -> None:
    first = (await api.pod("a")).metadata.resource_version
    await api.pod("b")
    newest = (await list_pods(api)).metadata.resource_version
    asked = {
        "resource_version": first if version == "N" else version,
        "resource_version_match": match,
        "limit": limit,
    }
    if meaning not in (NEWEST, ANY, AT_LEAST, EXACT):
        with pytest.raises(Invalid) as caught:
            await list_pods(api, **asked)
        assert caught.value.message == f'ListOptions.meta.k8s.io "" is invalid: {meaning}'
        return
    got = await list_pods(api, **asked)
    if meaning == EXACT:
        # The version of an object stands for the whole transaction in which it was written.
        transaction = int(first) // WRITES_PER_TRANSACTION
        assert (names_of(got), int(got.metadata.resource_version) // WRITES_PER_TRANSACTION) == (
            ["a"],
            transaction,
        )
        again = await list_pods(
            api, resource_version=got.metadata.resource_version, resource_version_match="Exact"
        )
        assert again.metadata.resource_version == got.metadata.resource_version
    else:
        assert (names_of(got), got.metadata.resource_version) == (["a", "b"], newest)


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        (
            {"resource_version": "N"},
            BadRequest,
            "specifying resource version is not allowed when using continue",
        ),
        ({"resource_version": "N", "resource_version_match": "Exact"}, Invalid, FORBIDDEN_CONTINUE),
        ({"resource_version_match": "NotOlderThan"}, Invalid, f"[{FORBIDDEN_WITHOUT}, {FORBIDDEN_CONTINUE}]"),
    ],
)
async def test_a_continued_list_has_the_version_of_its_token(
    api: Harness, fields: dict[str, str], error: type[ApiError], words: str
) -> None:
    first = (await api.pod("a")).metadata.resource_version
    await api.pod("b")
    token = (await list_pods(api, limit=1)).metadata.continue_token
    with pytest.raises(error) as caught:
        await list_pods(api, continue_token=token, **{k: first if v == "N" else v for k, v in fields.items()})
    assert caught.value.message.removeprefix('ListOptions.meta.k8s.io "" is invalid: ') == words
    for version in ("", "0"):
        assert names_of(await list_pods(api, continue_token=token, resource_version=version)) == ["b"]


async def test_a_version_of_the_future_is_refused_with_a_delay() -> None:
    api = make_apiserver()
    await api.pod("a")
    for match in ("", "NotOlderThan", "Exact"):
        with pytest.raises(Timeout, match=r"^Too large resource version: 99999999") as caught:
            await list_pods(api, resource_version="99999999", resource_version_match=match)
        assert caught.value.retry_seconds == 1


async def test_a_version_that_was_compacted_has_expired(api: Harness) -> None:
    first = (await api.pod("a")).metadata.resource_version
    await api.pod("b")
    await api.pod("c")
    api.storage.compact(await api.storage.current_version())
    with pytest.raises(Expired):
        await list_pods(api, resource_version=first, resource_version_match="Exact")
    assert names_of(await list_pods(api, resource_version=first)) == ["a", "b", "c"]


@pytest.mark.parametrize("version", ["x", "-1", "1.5", "0x10", " 1", "\uff11", "9" * 20])
async def test_what_is_no_version(api: Harness, version: str) -> None:
    # What has 64 bits is a version, though no such one exists yet.
    why = "value out of range" if version == "9" * 20 else "invalid syntax"
    words = f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": {why}'
    for request in (
        list_pods(api, resource_version=version),
        api.client.pods.get("a", "default", resource_version=version),
    ):
        with pytest.raises(Invalid) as caught:
            await request
        assert words in caught.value.message


async def test_pages_by_count_say_how_many_are_left_where_nothing_is_selected(api: Harness) -> None:
    for name in "abcde":
        await api.pod(name, labels={"app": "x"})
    page = await list_pods(api, limit=2)
    assert (names_of(page), page.metadata.remaining_item_count) == (["a", "b"], 3)
    rest = await list_pods(api, limit=3, continue_token=page.metadata.continue_token)
    assert (names_of(rest), rest.metadata.continue_token) == (["c", "d", "e"], "")
    assert not rest.metadata.HasField("remaining_item_count")
    selected = await list_pods(api, limit=2, label_selector="app=x")
    assert selected.metadata.continue_token
    assert not selected.metadata.HasField("remaining_item_count")


async def test_pages_end_before_they_have_more_bytes_than_a_client_takes(api: Harness) -> None:
    for index in range(12):
        await api.client.config_maps.create(_large(f"c{index:02}"))
    got: list[str] = []
    sizes: list[int] = []
    request = request_pb2.ListRequest()
    while not sizes or request.continue_token:
        page = await call(api, "List", request, raw_pb2.RawList, kind=CONFIG_MAP)
        got += [CONFIG_MAP.message.FromString(item).metadata.name for item in page.items]
        sizes.append(page.ByteSize())
        request.continue_token = page.metadata.continue_token
    assert got == [f"c{index:02}" for index in range(12)]
    assert len(sizes) > 1
    assert max(sizes) < 4.5 * 1024 * 1024


def _large(name: str) -> config_pb2.ConfigMap:
    made = config_pb2.ConfigMap(data={"a": "x" * 1_000_000})
    made.metadata.name = name
    return made


def _token(**values: object) -> str:
    raw = {"v": "meta.k8s.io/v1", "rv": 5, "start": "default/a\0", **values}
    return base64.urlsafe_b64encode(json.dumps(raw).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (_token(v="v9"), "continue key is not valid: server does not recognize this encoded version v9"),
        (
            _token(rv=0),
            "continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        ),
        (_token(start=""), "continue key is not valid: encoded start key empty (version meta.k8s.io/v1)"),
        (_token(start="../secrets/default/x"), "continue key is not valid: ../secrets/default/x"),
        (_token(start="default/../../secrets/x"), "continue key is not valid: default/../../secrets/x"),
        (_token(start="/default/a"), "continue key is not valid: /default/a"),
    ],
)
async def test_a_token_that_was_tampered_with(api: Harness, token: str, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        await list_pods(api, continue_token=token)
    assert caught.value.message == words


@pytest.mark.parametrize("token", ["garbage", "!!", "e30", "bnVsbA", _token(start=7), "x" * 5000])
async def test_a_token_that_is_garbage(api: Harness, token: str) -> None:
    with pytest.raises(BadRequest, match=r"^continue key is not valid: "):
        await list_pods(api, continue_token=token)


async def test_a_token_of_another_list_selects_by_its_place_alone(api: Harness) -> None:
    """A token names a place, not a selection: with other selectors it goes on from there."""
    for name in "abc":
        await api.pod(name, labels={"odd": str("abc".index(name) % 2)})
    token = (await list_pods(api, limit=1)).metadata.continue_token
    assert names_of(await list_pods(api, continue_token=token, label_selector="odd=0")) == ["c"]


async def test_expired_pages_go_on_with_the_token_of_the_answer(api: Harness) -> None:
    for name in "abcd":
        await api.pod(name)
    first = await list_pods(api, limit=2)
    await api.client.pods.delete("c", "default")
    await api.pod("bb")
    await api.pod("e")
    await list_pods(api)
    api.storage.compact(await api.storage.current_version())
    with pytest.raises(Expired) as caught:
        await list_pods(api, limit=2, continue_token=first.metadata.continue_token)
    status = caught.value.to_status()
    assert (status.code, status.reason) == (410, "Expired")
    second = await list_pods(api, limit=2, continue_token=status.metadata.continue_token)
    third = await list_pods(api, limit=2, continue_token=second.metadata.continue_token)
    assert (names_of(second), names_of(third)) == (["bb", "d"], ["e"])
    # From here on the list is consistent again, at the version of its first page.
    assert second.metadata.resource_version == third.metadata.resource_version


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"limit": -1}, "limit: Invalid value: -1: must be greater than or equal to 0"),
        ({"limit": -1, "resource_version_match": "Exact"},
         f"[limit: Invalid value: -1: must be greater than or equal to 0, {FORBIDDEN_WITHOUT}]"),
    ],
)  # fmt: skip
async def test_all_that_is_wrong_with_options_is_told_at_once(
    api: Harness, fields: dict[str, object], words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await list_pods(api, **fields)
    assert caught.value.message == f'ListOptions.meta.k8s.io "" is invalid: {words}'


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
async def test_every_kind_is_listed_by_name_and_refuses_fields_that_it_cannot_be_selected_by(kind) -> None:  # type: ignore[no-untyped-def]  # a row of the table
    api = make_apiserver()
    request = request_pb2.ListRequest(field_selector="metadata.name=x")
    assert (await call(api, "List", request, raw_pb2.RawList, kind=kind)).items == []
    request.field_selector = "spec.color=red,metadata.name=x"
    words = "field label not supported: spec.color"
    if len(selectable_names(kind)) == 1 + kind.namespaced:
        words = '"spec.color" is not a known field selector: only "metadata.name", "metadata.namespace"'
    with pytest.raises(BadRequest) as caught:
        await call(api, "List", request, raw_pb2.RawList, kind=kind)
    assert caught.value.message == words


async def test_a_kind_without_a_namespace_cannot_be_selected_by_one() -> None:
    request = request_pb2.ListRequest(field_selector="metadata.namespace=default")
    with pytest.raises(BadRequest, match=r"^field label not supported: metadata\.namespace$"):
        await call(make_apiserver(), "List", request, raw_pb2.RawList, kind=NODE)


async def test_pods_are_not_selected_by_their_second_addresses() -> None:
    """Upstream's conversion takes the field, and its strategy has no value for it."""
    api = make_apiserver()
    pod = await api.pod("a")
    pod.status.pod_ip = "10.0.0.1"
    pod.status.pod_ips.add(ip="10.0.0.1")
    await api.client.pods.update_status(pod)
    found = [
        [item.metadata.name for item in (await api.client.pods.list(field_selector=selector)).items]
        for selector in ("status.podIP=10.0.0.1", "status.podIPs=10.0.0.1", "status.podIPs=")
    ]
    assert found == [["a"], [], ["a"]]
