from contextlib import aclosing

import pytest
from prometheus_client import CollectorRegistry

from tests.support.apiserver import make_apiserver
from vaina.client.clientset import Clientset
from vaina.client.metrics import MeteredTransport, RestClientMetrics, http_method
from vaina.errors import AlreadyExists, BadRequest, NotFound
from vaina.kinds import POD
from vaina.testing.builders import make_config_map


@pytest.mark.parametrize(
    ("verb", "want"),
    [
        ("Get", "GET"), ("List", "GET"), ("Watch", "GET"), ("GetScale", "GET"), ("Create", "POST"),
        ("CreateBatch", "POST"), ("Bind", "POST"), ("Update", "PUT"), ("UpdateStatusBatch", "PUT"),
        ("Patch", "PATCH"), ("DeleteCollection", "DELETE"), ("Exec", "POST"), ("Finalize", "PUT"), ("PatchScale", "PATCH"),
    ],
)  # fmt: skip
def test_each_verb_has_the_method_that_kubernetes_has_for_it(verb: str, want: str) -> None:
    assert http_method(POD.method(verb)) == want


async def test_calls_are_counted_by_code_and_method_and_timed_by_verb() -> None:
    server, registry = make_apiserver(), CollectorRegistry()
    await server.app.bootstrap()
    transport = MeteredTransport(
        server.client.transport, RestClientMetrics(registry), server.clock, "apiserver:6443"
    )
    client = Clientset(transport)

    def count(code: str, method: str) -> float:
        labels = {"code": code, "method": method, "host": "apiserver:6443"}
        return registry.get_sample_value("rest_client_requests_total", labels) or 0

    await client.config_maps.create(make_config_map("a"))
    with pytest.raises(AlreadyExists):
        await client.config_maps.create(make_config_map("a"))
    with pytest.raises(NotFound):
        await client.config_maps.get("b", "default")
    assert (count("201", "POST"), count("409", "POST"), count("404", "GET")) == (1, 1, 1)
    timed = registry.get_sample_value(
        "rest_client_request_duration_seconds_count", {"verb": "POST", "host": "apiserver:6443"}
    )
    assert timed == 2

    async with aclosing(client.config_maps.watch(send_initial_events=True)) as batches:
        await anext(batches)
    assert count("200", "GET") == 1
    async with aclosing(client.config_maps.watch(label_selector="!!")) as batches:
        with pytest.raises(BadRequest):
            await anext(batches)
    assert count("400", "GET") == 1
