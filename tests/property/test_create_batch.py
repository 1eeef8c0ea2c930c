"""Many creates in one call do what as many calls would have done, whatever is wrong with some of them.

With the accelerators of creates and without them, compared with a server without them.
"""

import re
from collections.abc import Collection
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.fast_paths import FAST_PATHS
from tests.support.apiserver import Harness, make_apiserver
from vaina.api.core.v1 import limit_range_pb2, namespace_pb2, pod_pb2, resource_quota_pb2
from vaina.api.meta.v1 import raw_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.errors import ApiError
from vaina.kinds import POD
from vaina.serving.handlers import RequestContext
from vaina.testing.builders import make_container, make_pod

_NAMES = ["a", "b", "c", "d.e", "taken", "Bad_Name", "", "x" * 70, "y" * 140, "z" * 254]
_NAMESPACES = ["", "default", "default", "nowhere", "limited", "counted", "ending"]


@st.composite
def shapes(draw: st.DrawFn) -> pod_pb2.Pod:
    """Pods without a name: few that are in order, some that are not."""
    container = make_container(image=draw(st.sampled_from(["a", "a", "a", ""])))
    pod = make_pod("x", containers=[container], created=None)
    pod.ClearField("status")
    pod.metadata.ClearField("uid")
    pod.metadata.name, pod.metadata.namespace = "", draw(st.sampled_from(_NAMESPACES))
    pod.metadata.generate_name = draw(st.sampled_from(["", "", "web-", "Bad-"]))
    pod.metadata.labels.update(draw(st.sampled_from([{}, {"app": "web", "tier": "x"}, {"bad key": "x"}])))
    match draw(st.integers(0, 11)):
        case 0:
            pod.metadata.resource_version = draw(st.sampled_from(["0", "7"]))
        case 1:
            pod.metadata.uid = "mine"
        case 2:
            pod.metadata.annotations[draw(st.sampled_from(["note", "kubernetes.io/config.mirror"]))] = "x"
        case 3:
            pod.metadata.owner_references.add(
                api_version="v1", kind="Node", name="n", uid="u", controller=True
            )
        case 4:
            pod.spec.priority_class_name = draw(st.sampled_from(["high", "none"]))
        case 5:
            volume: Any = pod.spec.volumes.add(name="v")
            volume.volume_source.ephemeral.volume_claim_template.spec.access_modes.append("ReadWriteOnce")
        case 6:
            pod.spec.scheduling_gates.add(name="example.com/gate")
        case 7:
            pod.status.phase = "Running"
        case 8:
            pod.metadata.managed_fields.add(manager="m", operation="Update")
        case 9:
            pod.spec.containers[0].resources.requests["cpu"].string = draw(st.sampled_from(["0.1", "much"]))
    return pod


def _second(message: Message) -> bytes:
    return message.SerializeToString()


#: what follows a Pod's bytes: protobuf merges it into the Pod
_TAILS = [
    b"", b"", b"", b"", b"\xff", b"\xfa\x01\x01x",
    _second(pod_pb2.Pod(metadata=make_pod("other").metadata)),
    b"\x0a\x02\x0a\x00",  # a second, empty name
    _second(pod_pb2.Pod(spec=pod_pb2.PodSpec(restart_policy="Never"))),
]  # fmt: skip


@st.composite
def batches(draw: st.DrawFn) -> list[raw_pb2.RawCreateRequest]:
    """Requests of few shapes and many names, so that most are like another."""
    known = draw(st.lists(st.tuples(shapes(), st.sampled_from(_TAILS)), min_size=1, max_size=3))
    requests = []
    for _ in range(draw(st.integers(2, 12))):
        shape, tail = draw(st.sampled_from(known))
        pod = pod_pb2.Pod()
        pod.CopyFrom(shape)
        pod.metadata.name = draw(st.sampled_from(_NAMES))
        wanted = draw(st.sampled_from(["", "", "", "", "All", "Some"]))
        request = raw_pb2.RawCreateRequest(object=pod.SerializeToString(deterministic=True) + tail)
        if wanted:
            request.options.dry_run.append(wanted)
        requests.append(request)
    return requests


#: mostly names of Pods, of all lengths; many of one
_ANY_NAME = st.one_of(
    st.from_regex(r"web-[a-z0-9]{2}", fullmatch=True),
    st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
    st.from_regex(r"[a-z0-9][a-z0-9.-]{50,140}[a-z0-9]", fullmatch=True),
)


@st.composite
def replicas(draw: st.DrawFn) -> list[raw_pb2.RawCreateRequest]:
    """Requests for Pods that are in order and differ in nothing but their names.

    All but the first may follow.
    """
    pod = make_pod("x", created=None)
    pod.ClearField("status")
    meta = pod.metadata
    meta.ClearField("uid")
    meta.generate_name = draw(st.sampled_from(["", "web-"]))
    meta.labels.update(draw(st.sampled_from([{}, {"app": "web", "tier": "x"}])))
    # The sizes of metadata and of the whole have one, two and three bytes.
    note = draw(st.sampled_from(["", "x" * 40, "é" * 60, "x" * 16_300, "x" * 16_384]))
    if note:
        meta.annotations["note"] = note
    meta.finalizers.extend(draw(st.sampled_from([[], ["example.com/held"]])))
    if draw(st.booleans()):
        meta.owner_references.add(
            api_version="apps/v1", kind="ReplicaSet", name="a", uid="u", controller=True
        )
    if draw(st.booleans()):
        meta.deletion_timestamp.seconds, meta.deletion_grace_period_seconds = 1, 30
    if draw(st.booleans()):
        pod.spec.scheduling_gates.add(name="example.com/gate")
    requests = []
    for name in draw(st.lists(_ANY_NAME, min_size=2, max_size=8)):
        meta.name = name
        requests.append(raw_pb2.RawCreateRequest(object=pod.SerializeToString(deterministic=True)))
    return requests


async def _world(fast_paths: Collection[str] = ()) -> Harness:
    api = make_apiserver(fast_paths=fast_paths)
    for name in ("limited", "counted", "ending"):
        await api.client.namespaces.create(_named(namespace_pb2.Namespace(), name))
    held = make_pod("held", namespace="ending")
    await api.client.pods.create(held)
    await api.client.namespaces.delete("ending")
    limits = _named(limit_range_pb2.LimitRange(), "limits", "limited")
    item = limits.spec.limits.add(type="Container")
    item.default["memory"].string = item.default_request["memory"].string = "1Gi"
    item.max["cpu"].string = "50m"
    await api.client.limit_ranges.create(limits)
    quota = _named(resource_quota_pb2.ResourceQuota(), "quota", "counted")
    quota.spec.hard["pods"].string = "2"
    made = await api.client.resource_quotas.create(quota)
    made.status.hard["pods"].string, made.status.used["pods"].string = "2", "0"
    await api.client.resource_quotas.update_status(made)
    high = _named(priority_class_pb2.PriorityClass(value=7), "high")
    await api.client.priority_classes.create(high)
    await api.client.pods.create(make_pod("taken"))
    return api


def _named(obj: Any, name: str, namespace: str = "") -> Any:
    obj.metadata.name, obj.metadata.namespace = name, namespace
    return obj


def _plain(data: bytes) -> str:
    """Return an object without what differs between two servers: uid, version, generated ends of names."""
    pod = pod_pb2.Pod.FromString(data)
    pod.metadata.uid = pod.metadata.resource_version = ""
    if pod.metadata.generate_name and pod.metadata.name.startswith(pod.metadata.generate_name):
        pod.metadata.name = pod.metadata.generate_name
    return str(pod)


def _words(error: Any) -> tuple[str, int, str]:
    return error.reason, error.code, re.sub(r'"(web-|Bad-)[a-z0-9]{5}"', r'"\1"', error.message)


async def _one_by_one(api: Harness, requests: list[raw_pb2.RawCreateRequest]) -> tuple[list[Any], list[str]]:
    rpc, answers = RequestContext(), list[Any]()
    for request in requests:
        try:
            answer = await api.app.handlers[POD.method("Create")].fn(request.SerializeToString(), rpc)
            answers.append(_plain(answer))
        except ApiError as error:
            answers.append(_words(error.to_status()))
    return answers, rpc.trailing


async def _at_once(api: Harness, requests: list[raw_pb2.RawCreateRequest]) -> tuple[list[Any], list[str]]:
    rpc = RequestContext()
    request = raw_pb2.RawCreateBatchRequest(requests=requests).SerializeToString()
    response = await api.app.handlers[POD.method("CreateBatch")].fn(request, rpc)
    answers = [
        _words(result.error) if result.HasField("error") else _plain(result.object)
        for result in raw_pb2.RawBatchResponse.FromString(response).results
    ]
    return answers, rpc.trailing


async def _stored(api: Harness) -> list[str]:
    pods = [pod.SerializeToString() for pod in (await api.client.pods.list()).items]
    uids = {pod_pb2.Pod.FromString(data).metadata.uid for data in pods}
    assert len(uids) == len(pods)
    used = (await api.client.resource_quotas.get("quota", "counted")).status.used["pods"].string
    return [*sorted(map(_plain, pods)), used]


@pytest.mark.parametrize("fast_paths", [(), tuple(FAST_PATHS)], ids=["plain", "fast"])
@settings(max_examples=40, deadline=None)
@given(requests=batches())
async def test_a_batch_does_what_as_many_calls_do(
    fast_paths: Collection[str], requests: list[raw_pb2.RawCreateRequest]
) -> None:
    one, other = await _world(), await _world(fast_paths)
    answers, warnings = await _one_by_one(one, requests)
    at_once, warned = await _at_once(other, requests)
    assert at_once == answers
    assert _each_once(warned) == _each_once(warnings)
    assert await _stored(other) == await _stored(one)


@pytest.mark.parametrize("fast_paths", [(), tuple(FAST_PATHS)], ids=["plain", "fast"])
@settings(max_examples=25, deadline=None)
@given(requests=replicas())
async def test_a_batch_of_replicas_does_what_as_many_calls_do(
    fast_paths: Collection[str], requests: list[raw_pb2.RawCreateRequest]
) -> None:
    one, other = await _world(), await _world(fast_paths)
    answers, warnings = await _one_by_one(one, requests)
    at_once, warned = await _at_once(other, requests)
    assert at_once == answers
    assert _each_once(warned) == _each_once(warnings)
    assert await _stored(other) == await _stored(one)


def _each_once(warnings: list[str]) -> list[str]:
    return list(dict.fromkeys(re.sub(r'"(web-|Bad-)[a-z0-9]{5}"', r'"\1"', text) for text in warnings))
