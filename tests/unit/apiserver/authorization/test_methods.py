"""Every method of every service asks before it does anything, and asks for what it does."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import NO_OPINION, Verdict
from apiserver.authorization.methods import PER_DOCUMENT, action_of
from apiserver.services.descriptors import service_descriptor
from tests.support.apiserver import Harness, make_apiserver
from vaina.errors import Forbidden
from vaina.kinds import KINDS, NAMESPACE
from vaina.serving.handlers import BIDI, UNARY, Method, RequestContext, User

MALLORY = User("mallory", ("system:authenticated",))
PATHS = sorted(make_apiserver().app.handlers)
MANIFEST = '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "y"}}'


class Nobody:
    """Allows nothing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Attributes] = []

    def authorize(self, attributes: Attributes) -> Verdict:
        self.asked.append(attributes)
        return NO_OPINION


def method_of(path: str) -> MethodDescriptor:
    _, service, method = path.split("/")
    return service_descriptor(service).methods_by_name[method]


def request_of(descriptor: Descriptor | None) -> Message:
    """Return a request that names y/x wherever a request can name something."""
    assert descriptor is not None
    made: Any = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if field.name in ("object", "binding", "eviction"):
            getattr(made, field.name).metadata.name, getattr(made, field.name).metadata.namespace = "x", "y"
        elif field.name in ("requests", "reports", "bindings") and field.is_repeated:
            getattr(made, field.name).append(request_of(field.message_type))
        elif field.name == "start":
            made.start.CopyFrom(request_of(field.message_type))
        elif field.name == "metadata":
            made.metadata.name, made.metadata.namespace = "x", "y"
        elif field.name == "manifest":
            made.manifest = MANIFEST
        elif field.name == "resource":
            made.resource = "secrets"
        elif field.name in ("name", "pod_uid"):
            setattr(made, field.name, "x")
        elif field.name == "namespace":
            made.namespace = "y"
    return made  # type: ignore[no-any-return]


async def call(path: str, method: Method, rpc: RequestContext) -> bytes:
    data = request_of(method_of(path).input_type).SerializeToString()

    async def once() -> AsyncIterator[bytes]:
        yield data

    if method.kind is UNARY:
        answer: bytes = await method.fn(data, rpc)
        return answer
    async for item in method.fn(once() if method.kind is BIDI else data, rpc):
        return item  # type: ignore[no-any-return]
    raise AssertionError("it ended")


def test_every_method_of_every_service_says_what_it_asks_for() -> None:
    for path in PATHS:
        assert path in PER_DOCUMENT or action_of(path)


@pytest.mark.parametrize("path", ["/x.Y/Z", "/vaina.api.core.v1.PodService/Steal"])
def test_an_unknown_method_is_refused_when_it_is_built(path: str) -> None:
    with pytest.raises(LookupError):
        action_of(path)


@pytest.mark.parametrize("path", PATHS)
async def test_every_method_is_refused_to_who_may_nothing_and_changes_nothing(path: str) -> None:
    nobody = Nobody()
    harness = make_apiserver(authorizer=nobody)
    before = await stored(harness)
    rpc = RequestContext(user=MALLORY)
    method = harness.app.handlers[path]
    if path.endswith("Batch"):
        # Each item is refused by itself.
        assert b'User "mallory" cannot ' in await call(path, method, rpc)
    else:
        with pytest.raises(Forbidden, match='User "mallory" cannot '):
            await call(path, method, rpc)
    assert await stored(harness) == before
    assert [asked for asked, _ in rpc.authorized] == nobody.asked != []
    assert all(asked.user == MALLORY for asked in nobody.asked)
    check_asked(path, nobody.asked[0])


async def stored(harness: Harness) -> object:
    return [item async for item in items(harness)]


async def items(harness: Harness) -> AsyncIterator[object]:
    for kind in KINDS:
        for item in (
            await harness.app.stores[kind.kind].storage.list(harness.app.stores[kind.kind]._prefix)
        ).items:
            yield item


def check_asked(path: str, asked: Attributes) -> None:
    if path in PER_DOCUMENT:
        assert asked[1:7] == ("get", "", "secrets", "", "y", "x")
        return
    action = action_of(path)
    assert asked[1:5] == (action.verb, action.group, action.resource, action.subresource)
    assert asked.path == action.path
    collective = asked.verb in ("list", "watch", "deletecollection")
    unnamed = asked.path or collective or (asked.verb == "create" and not asked.subresource)
    assert asked.name == ("" if unnamed else "x")
    if action.namespaced:
        assert asked.namespace == "y"
    elif action.resource == NAMESPACE.plural:
        assert asked.namespace == asked.name
    else:
        assert asked.namespace == ""


async def test_refusals_are_in_upstreams_words() -> None:
    client = make_apiserver(authorizer=Nobody()).app.handlers
    rpc = RequestContext(user=MALLORY)
    expected = {
        "/vaina.api.core.v1.PodService/List": 'pods is forbidden: User "mallory" cannot list resource "pods" in API group "" '
        'in the namespace "y"',
        "/vaina.api.apps.v1.DeploymentService/UpdateScale": 'deployments.apps "x" is forbidden: User "mallory" cannot update '
        'resource "deployments/scale" in API group "apps" in the namespace "y"',
        "/vaina.api.core.v1.NodeService/Get": 'nodes "x" is forbidden: User "mallory" cannot get resource "nodes" in API '
        'group "" at the cluster scope',
        "/vaina.api.version.v1.VersionService/Get": 'forbidden: User "mallory" cannot get path "/version"',
    }
    for path, words in expected.items():
        with pytest.raises(Forbidden) as refused:
            await call(path, client[path], rpc)
        assert refused.value.message == words
