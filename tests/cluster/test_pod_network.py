"""What a Pod's network is to the Pod while others come and go on its node."""

import json
import re

import pytest

from tests.support.manifests import container, pod
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.both_runtimes, pytest.mark.beside_others]

#: who answers for the gateway, on the link
ASK = "arping -c 1 -w 10 -I eth0 $(ip route | awk '/default/ {print $3}')"


@pytest.mark.requirement("E1")
def test_a_pods_way_out_does_not_hang_on_other_pods_that_go(space: Workspace) -> None:
    node = space.node(0)
    space.start(*(pod(name, container(), nodeName=node) for name in ("goes", "stays")))

    def gateway() -> str:
        [answer] = set(re.findall(r"\[([0-9a-f:]{17})\]", space.shell("stays", ASK).lower()))
        return str(answer)

    before = gateway()
    space.delete("goes")
    space.gone("goes")
    assert gateway() == before
    # A bridge has an address of its own, or that of one of its Pods, and then another one as soon as that Pod
    # is gone.
    links = json.loads(space.cluster.execute(node, "ip", "-json", "link", "show", "master", "cni0"))
    assert before not in {link["address"] for link in links}
