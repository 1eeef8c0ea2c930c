"""Ports of the node that lead to a Pod.

From everywhere, over a restart of the kubelet, and no longer than the Pod lives.
"""

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import container, pod
from tests.support.workspace import Workspace

SERVER = "echo from $HOSTNAME >/var/www/index.html; exec httpd -f -p 8080 -h /var/www"
PORT = 18080


@pytest.mark.own_node
@pytest.mark.requirement("B4")
def test_a_port_of_the_node_leads_to_its_pod_as_long_as_that_lives(space: Workspace) -> None:
    node = space.cluster.nodes[0]
    listens = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "timeoutSeconds": 5}
    serving = container(
        script=SERVER, ports=[{"containerPort": 8080, "hostPort": PORT}], readinessProbe=listens
    )
    space.start(pod("web", serving, nodeName=node), pod("client", container(), nodeName=node))
    address = space.cluster.address(node)

    def get(where: str) -> str:
        """Fetch from the node itself."""
        return space.cluster.execute(
            node, "busybox", "wget", "-T", "30", "-qO-", f"http://{where}:{PORT}/"
        ).strip()

    asked = f"wget -T 30 -qO- http://{address}:{PORT}/"
    assert get(address) == get("127.0.0.1") == "from web"
    assert space.shell("client", asked) == "from web"
    # Through the node's port to itself.
    assert space.shell("web", asked) == "from web"

    space.cluster.kill_kubelet(node)
    assert get(address) == "from web"

    # Another Pod cannot have the port while this one does.
    space.apply(pod("second", serving, nodeName=node))
    refused = space.wait("second", lambda one: one.status.phase == "Failed", "is refused")
    assert refused.status.reason == "NodePorts"
    # With a grace: the object goes when the Pod has ended, and its port is free.
    space.delete("web", grace=1)
    space.gone("web")
    rules = ("sh", "-c", "nft list ruleset; iptables-save -t nat 2>/dev/null || true")
    wait_until(lambda: str(PORT) not in space.cluster.execute(node, *rules), 60, "the port leads nowhere")
    space.start(pod("third", serving, nodeName=node))
    assert get(address) == "from third"
