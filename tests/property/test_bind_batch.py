"""Many bindings in one call do what as many calls would have done, whatever is wrong with some of them."""

from typing import Any, NamedTuple

from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.storage import keys
from apiserver.storage.interface import Key
from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from vaina.api.core.v1 import pod_pb2, pod_service_pb2
from vaina.clock import timestamp
from vaina.errors import ApiError
from vaina.kinds import POD
from vaina.serving.handlers import RequestContext
from vaina.testing.builders import make_node, make_pod

_SIZES = ["", "x", "x" * 100, "é" * 70, "x" * 16_300, "x" * 16_384]
_SELECTORS = [
    {"field_selector": f"spec.nodeName={node}", "label_selector": labels}
    for node in ("n", "m" * 200)
    for labels in ("app=web", "app!=web")
]
_NODES = ["n", "n", "n.example", "m" * 200, "nowhere", ""]


class Story(NamedTuple):
    """Pods as they are stored, by name, and bindings of them."""

    stored: dict[str, bytes]
    bindings: list[pod_pb2.Binding]

    def __repr__(self) -> str:
        pods = {name: data[:300] for name, data in self.stored.items()}
        return f"{pods} {[str(item) for item in self.bindings]}"[:20_000]


@st.composite
def tails(draw: st.DrawFn) -> pod_pb2.Pod:
    """What Pods have behind their metadata: mostly in order."""
    pod = make_pod("x", created=None)
    pod.ClearField("metadata")
    pod.spec.hostname = draw(st.sampled_from(_SIZES))
    pod.status.message = draw(st.sampled_from(_SIZES))
    pod.status.nominated_node_name = draw(st.sampled_from(["", "", "n"]))
    if draw(st.booleans()):
        pod.spec.node_selector.update({"b": "1", "a": "2"})
    for kind, status in draw(
        st.lists(
            st.tuples(st.sampled_from(["PodScheduled", "Ready"]), st.sampled_from(["True", "False"])),
            unique_by=lambda item: item[0],
            max_size=2,
        )
    ):
        pod.status.conditions.add(type=kind, status=status, reason="R", last_transition_time=timestamp(7))
    match draw(st.integers(0, 7)):
        case 0:
            pod.spec.node_name = "n"
        case 1:
            pod.spec.scheduling_gates.add(name="example.com/gate")
        case 2:
            pod.spec.hostname = "h"
        case 3:
            pod.ClearField("status")
        case 4:
            pod.ClearField("spec")
    return pod


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Pods of a few sorts, and what is asked for them."""
    known = draw(
        st.lists(
            st.tuples(tails(), st.sampled_from([b"", b"", b"", b"\xfa\x01\x01x", b"\x0a\x02\x12\x00"])),
            min_size=1,
            max_size=3,
        )
    )
    stored: dict[str, bytes] = {}
    bindings: list[pod_pb2.Binding] = []
    for number in range(draw(st.integers(2, 10))):
        tail, rest = draw(st.sampled_from(known))
        name = f"pod-{number}" + draw(st.sampled_from(["", "x" * 120]))
        pod = pod_pb2.Pod()
        meta = pod.metadata
        meta.name, meta.namespace, meta.uid = name, "default", f"uid-{number}"
        meta.labels.update(draw(st.sampled_from([{}, {"app": "web", "tier": "x"}])))
        if draw(st.integers(0, 6)) == 0:
            meta.deletion_timestamp.seconds = 9
        stored[name] = _encoded(pod) + _encoded(tail) + rest
        for _ in range(draw(st.sampled_from([1, 1, 1, 0, 2]))):
            binding = pod_pb2.Binding()
            binding.metadata.name = draw(st.sampled_from([name] * 12 + ["", "a/b", "nobody"]))
            binding.metadata.namespace = draw(st.sampled_from(["default", "default", "", "other"]))
            binding.metadata.uid = draw(st.sampled_from(["", meta.uid, meta.uid, meta.uid, "old"]))
            binding.metadata.resource_version = draw(st.sampled_from([""] * 8 + ["1", "x"]))
            binding.target.kind = draw(st.sampled_from(["Node", "Node", "", "Pod"]))
            binding.target.name = draw(st.sampled_from(_NODES))
            if draw(st.integers(0, 6)) == 0:
                binding.metadata.annotations["note"] = "x"
            bindings.append(binding)
    return Story(stored, bindings)


def _encoded(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def _key(name: str) -> Key:
    return keys.object_key(POD, "default", name)  # type: ignore[arg-type]  # a Kind[Pod] is a Kind


async def _fill(api: Harness, stored: dict[str, bytes]) -> None:
    for name in ("n", "n.example", "m" * 200):
        node = make_node(name)
        node.metadata.ClearField("labels")  # a value may not be so long
        await api.client.nodes.create(node)
    for name, data in stored.items():
        await api.storage.create(_key(name), data, ("v1", "Pod"))


def _words(status: Any) -> tuple[str, int, str]:
    return status.reason, status.code, status.message


async def _alone(api: Harness, bindings: list[pod_pb2.Binding]) -> list[Any]:
    rpc, answers = RequestContext(), []
    for binding in bindings:
        request = pod_service_pb2.BindPodRequest(binding=binding)
        try:
            await api.app.handlers[POD.method("Bind")].fn(request.SerializeToString(), rpc)
            answers.append(("", 0, ""))
        except ApiError as error:
            answers.append(_words(error.to_status()))
    return answers


async def _together(api: Harness, bindings: list[pod_pb2.Binding]) -> list[Any]:
    request = pod_service_pb2.BindPodBatchRequest(bindings=bindings)
    data = await api.app.handlers[POD.method("BindBatch")].fn(request.SerializeToString(), RequestContext())
    answered = pod_service_pb2.BindPodBatchResponse.FromString(data)
    return [_words(item) for item in answered.results]


@settings(max_examples=60, deadline=None)
@given(story=stories())
async def test_a_batch_does_what_as_many_calls_do(story: Story) -> None:
    one = make_apiserver()
    await _fill(one, story.stored)
    answers = await _alone(one, story.bindings)
    async with cached_apiserver() as other:
        await _fill(other, story.stored)
        await other.client.pods.list()  # the cache has them now
        assert await _together(other, story.bindings) == answers
        for name in story.stored:
            alone, together = await one.storage.get(_key(name)), await other.storage.get(_key(name))
            assert alone is not None
            assert together is not None
            assert together.data == alone.data
        for selectors in _SELECTORS:
            found = await other.client.pods.list(**selectors)
            assert found.items == (await one.client.pods.list(**selectors)).items
