"""The REST API over random requests and random objects.

Any request is answered, or refused with a Status; never with an internal error, and never with silence. Any
object of any kind is the same in each form, whichever it is read and written in.
"""

import asyncio
import json
import random
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.rest.answers import write_object
from apiserver.rest.bodies import read_object
from apiserver.rest.forms import Form, Media
from apiserver.rest.info import read_info
from apiserver.rest.served import make_table
from tests.support.apiserver import cached_apiserver
from tests.support.every_kind import sample
from tests.support.messages import messages
from tests.support.rest import RestServer, rest_server
from vaina.errors import BadRequest
from vaina.kinds import KINDS, Kind
from vaina.objects.manifest import to_dict
from vaina.objects.normalise import normalise

TABLE: Final = make_table()
_REQUESTS: Final = 40
_METHODS: Final = ("GET", "GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_SEGMENTS: Final = (
    "", "api", "apis", "v1", "namespaces", "default", "other", "pods", "nodes", "status", "scale", "log", "exec", "proxy",
    "watch", "sample", "..", ".", "a/b", "%", "\0", "é", "x" * 300, "finalize", "binding", "eviction", "token", "apps",
    "deployments", "healthz", "version", "metrics", "openapi", "v2", "v3", "readyz", "livez", "ping", "portforward",
)  # fmt: skip
_NAMES: Final = (
    "watch", "limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector", "dryRun",
    "fieldManager", "fieldValidation", "force", "gracePeriodSeconds", "propagationPolicy", "orphanDependents", "timeout",
    "timeoutSeconds", "allowWatchBookmarks", "sendInitialEvents", "pretty", "includeObject", "command", "container",
    "stdin", "stdout", "tty", "follow", "previous", "tailLines", "sinceSeconds", "ports", "name[]", "exclude", "verbose", "",
)  # fmt: skip
_VALUES: Final = (
    "", "0", "1", "-1", "true", "false", "x", "All", "Strict", "Warn", "Background", "a=b", "a in (b", "metadata.name=sample",
    "9" * 30, "1e3", "Exact", "NotOlderThan", "5s", "-5s", "é", "\0", "x" * 200, "%zz",
)  # fmt: skip
_ACCEPTS: Final = (
    "", "application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "*/*", "text/html",
    "application/json;as=Table;v=v1;g=meta.k8s.io", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", ";;;", "application/json;q=x",
    "application/vnd.kubernetes.protobuf;stream=watch", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
)  # fmt: skip
_TYPES: Final = (
    "", "application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/json-patch+json",
    "application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml", "text/plain",
)  # fmt: skip
_TEXTS: Final = (
    b"", b"{}", b"[]", b"null", b"{", b"3", b"a: b", b"k8s\0", b"k8s\0\x0a\x02\x0a\x00", b"\xff\xfe", b'{"metadata":{"name":"sample"}}',
    b'[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]', b'{"spec":{"replicas":1e400}}', b'{"kind":"Status"}',
)  # fmt: skip


def _target(rng: random.Random) -> str:
    """Return a path and a query: most of them of something that is served, with something wrong."""
    if rng.random() < 0.7:
        served = rng.choice(list(TABLE.values()))
        kind = served.shape
        parts = ["apis", kind.group, kind.version] if kind.group else ["api", kind.version]
        if kind.namespaced and rng.random() < 0.9:
            parts += ["namespaces", rng.choice(("default", "other"))]
        parts.append(kind.plural)
        if rng.random() < 0.7:
            parts.append(rng.choice(("sample", "none")))
            if served.subresources and rng.random() < 0.5:
                parts.append(rng.choice(list(served.subresources)))
        if rng.random() < 0.2:
            parts.insert(rng.randrange(len(parts) + 1), rng.choice(_SEGMENTS))
    else:
        parts = [rng.choice(_SEGMENTS) for _ in range(rng.randrange(1, 7))]
    path = "/" + "/".join(quote(part, safe="%") for part in parts)
    query = "&".join(
        f"{rng.choice(_NAMES)}={quote(rng.choice(_VALUES), safe='%')}" for _ in range(rng.randrange(4))
    )
    return f"{path}?{query}" if query else path


def _body(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return rng.choice(_TEXTS)
    kind = rng.choice(KINDS)
    data = json.dumps(to_dict(kind, sample(kind))).encode()
    if rng.random() < 0.3:
        at = rng.randrange(len(data))
        data = data[:at] + bytes((rng.randrange(256),)) + data[at + 1 :]
    return data


async def _ask(server: RestServer, rng: random.Random) -> None:
    method, target = rng.choice(_METHODS), _target(rng)
    headers = {"Accept": rng.choice(_ACCEPTS)}
    body = _body(rng) if method in ("POST", "PUT", "PATCH", "DELETE") else None
    if body is not None:
        headers["Content-Type"] = rng.choice(_TYPES)
    words = (method, target, headers, body)
    url = aiohttp.client.URL(server.url + target, encoded=True)
    try:
        is_watch = read_info(method, target).verb == "watch"
    except BadRequest:
        is_watch = False
    async with asyncio.timeout(60), server.session.request(method, url, data=body, headers=headers) as answer:
        assert answer.status < 500 or answer.status in (503, 504), words
        if is_watch and answer.status == 200:
            return
        text = await answer.read()
        if answer.status >= 400 and answer.content_type == "application/json" and text:
            assert json.loads(text)["code"] == answer.status, words


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
async def test_any_request_is_answered_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    async with cached_apiserver() as api, rest_server(api) as server:
        for _ in range(_REQUESTS):
            await _ask(server, rng)
        assert (await server.get("/healthz")).text == "ok"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_an_object_is_the_same_in_every_form(kind: Kind[Message], data: st.DataObject) -> None:
    message: Any = data.draw(messages(kind))
    normalise(message)
    want = message.SerializeToString(deterministic=True)
    for media in Media:
        written = write_object(Form(media), kind, want, 0.0)
        found = kind.message.FromString(read_object(kind, media.value, written, "Strict").data)
        assert found.SerializeToString(deterministic=True) == want, media
