"""Nodes as a controller sees them whose watch of Leases is behind."""

from controller.config import ControllerConfig
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import controllers
from tests.support.faults import StalledTransport
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.objects.conditions import get_condition
from vaina.serving.handlers import User

CONFIG = ControllerConfig(controllers=("node-lifecycle",))
WELL, SILENT = "n1", "n2"


async def test_no_node_is_written_off_whose_lease_says_that_it_is_well() -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    stalled = StalledTransport(
        InProcessTransport(server.app.handlers, user=User("admin", ("system:masters",))), "LeaseService"
    )
    stalled.go.set()
    async with controllers(server, CONFIG, client=Clientset(stalled)) as plane:
        for name in (WELL, SILENT):
            await plane.add_node(name)
        await plane.beat(WELL)
        await plane.settle()
        stalled.go.clear()

        async def reasons() -> list[str]:
            found = [await plane.client.nodes.get(name) for name in (WELL, SILENT)]
            ready = [get_condition(node.status, "Ready") for node in found]
            return [condition.reason for condition in ready if condition is not None]

        for _ in range(24):
            await plane.beat(WELL)
            await plane.clock.advance(5.0)
            assert (await reasons())[0] != "NodeStatusUnknown"
        assert (await reasons())[1] == "NodeStatusUnknown"
        # Once it is silent itself, its Lease says so.
        await plane.clock.advance(60.0)
        assert await reasons() == ["NodeStatusUnknown", "NodeStatusUnknown"]
        stalled.go.set()
