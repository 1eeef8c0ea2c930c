"""The Service `kubernetes`, which is made when an apiserver starts."""

from apiserver import validation
from apiserver.defaulting import default
from apiserver.registry.kubernetes_service import kubernetes_service, make_kubernetes_service
from tests.support.apiserver import make_apiserver
from vaina.kinds import SERVICE


def test_it_is_valid_and_leads_to_the_rest_api() -> None:
    made = kubernetes_service("10.96.0.1", 6445)
    default(SERVICE, made)
    assert not validation.validate_create(SERVICE, made)
    [port] = made.spec.ports
    assert (port.name, port.port, port.target_port.int_val) == ("https", 443, 6445)


async def test_every_start_finds_it_as_it_is() -> None:
    api = make_apiserver()
    await make_kubernetes_service(api.app.stores, "10.96.0.1", 6445)
    first = await api.client.kind(SERVICE).get("kubernetes", "default")
    await make_kubernetes_service(api.app.stores, "10.96.0.1", 6445)
    assert await api.client.kind(SERVICE).get("kubernetes", "default") == first
    assert (first.spec.cluster_ip, api.warnings) == ("10.96.0.1", [])
