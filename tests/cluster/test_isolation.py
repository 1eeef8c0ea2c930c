"""What an ordinary Pod does not reach: the store, kubelets, write access to the registry; and what it does."""

import re
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.support.cluster import DEPLOY, Cluster, CommandError, becomes, run, wait_until
from tests.support.manifests import container, pod, web_server
from tests.support.workspace import Workspace
from vaina.errors import Unavailable

#: a line for each that answers; all at once, because each that does not takes two seconds
REACHED = (
    "for to in {targets}; do "
    "{{ nc -w 2 ${{to%:*}} ${{to##*:}} </dev/null >/dev/null 2>&1 && echo $to; }} & done; wait"
)


def reached(space: Workspace, name: str, targets: list[str]) -> set[str]:
    """Return those of `address:port` that a Pod can connect to."""
    return set(space.shell(name, REACHED.format(targets=" ".join(targets))).split())


def all_reached(look: Callable[[], set[str]], targets: Sequence[str]) -> None:
    """Wait until all targets were reached at once: each is given up after two seconds, on a busy machine too."""
    seen = set[str]()

    def are_reached() -> bool:
        seen.clear()
        seen.update(look())
        return seen == set(targets)

    assert becomes(are_reached, 60), f"not reached: {set(targets) - seen}"


def answers_the_node(space: Workspace, node: str, targets: list[str]) -> set[str]:
    """Return those of `address:port` that a node itself can connect to."""
    script = REACHED.format(targets=" ".join(targets)).replace("nc -w", "busybox nc -w")
    return set(space.cluster.execute(node, "sh", "-c", script).split())


@pytest.fixture
def services(cluster: Cluster) -> dict[str, str]:
    """Return the addresses of the services in the nodes' network."""
    return {
        name: cluster.address(cluster.container(name))
        for name in ("apiserver", "scheduler", "controller", "registry")
    }


@pytest.mark.requirement("E1")
@pytest.mark.both_runtimes
def test_a_pod_reaches_the_apiserver_and_pods_and_nothing_that_obeys_anybody(
    space: Workspace, services: dict[str, str]
) -> None:
    cluster = space.cluster
    [one] = space.start(pod("tenant", container(), nodeName=space.node(0)))
    [peer] = space.start(pod("peer", web_server(), nodeName=cluster.nodes[2]))
    gateway = re.sub(r"\.\d+$", ".1", one.status.pod_ip)
    nodes = [cluster.address(name) for name in cluster.all_nodes]

    listening = [f"{address}:{port}" for address in nodes for port in (10250, 10255)]
    listening += [
        f"{services['registry']}:5000", f"{services['scheduler']}:10259", f"{services['scheduler']}:10251",
        f"{services['controller']}:10257", f"{services['controller']}:10252",
    ]  # fmt: skip
    # They answer: the node's engine and the kubelet go on reaching all of it.
    all_reached(lambda: answers_the_node(space, space.node(0), listening), listening)
    # Health in the clear is served on the node's loopback alone.
    health = ["127.0.0.1:10248"]
    all_reached(lambda: answers_the_node(space, space.node(0), health), health)
    closed = [*listening, *[f"{gateway}:{port}" for port in (10250, 10255, 10248)]]
    closed += [f"{address}:10248" for address in nodes]
    assert reached(space, "tenant", closed) == set()

    # Ports that ask for a certificate or a token (test_attacks_from_pods.py), and other Pods.
    opened = [f"{services['apiserver']}:{port}" for port in (6443, 6444, 6445, 8080)]
    opened.append("10.96.0.1:443")
    opened.append(f"{peer.status.pod_ip}:8080")
    all_reached(lambda: reached(space, "tenant", opened), opened)


@pytest.mark.requirement("E1")
@pytest.mark.beside_others
def test_nobody_on_a_node_reaches_the_page_which_is_in_the_clear(space: Workspace) -> None:
    cluster = space.cluster
    [tenant] = space.start(pod("tenant", container(), nodeName=space.node(0)))
    gateway = re.sub(r"\.\d+$", ".1", cluster.address(space.node(0)))
    targets = [f"{address}:{port}" for address in cluster.addresses(cluster.container("dashboard")).values()
               for port in (8090, 8091)]  # fmt: skip
    targets.append(f"{gateway}:{cluster.env['VAINA_PAGE_PORT']}")
    # Of the networks page and browser, and as published.
    assert len(targets) == 5
    assert answers_the_node(space, space.node(0), targets) == set()
    assert reached(space, tenant.metadata.name, targets) == set()


@pytest.mark.requirement("E1")
@pytest.mark.both_runtimes
def test_nobody_on_a_node_reaches_etcd(space: Workspace) -> None:
    cluster = space.cluster
    space.start(pod("tenant", container(), nodeName=space.node(0)))
    [etcd] = cluster.addresses(cluster.container("etcd")).values()
    apiserver = cluster.address(cluster.container("apiserver"))
    # The apiserver reaches the store, and not the metrics, which are in the clear.
    for port, code in ((2379, 0), (2381, 1)):
        tried = (
            f"python -c 'import socket; socket.create_connection((\"etcd\", {port}), 5)' 2>/dev/null; echo $?"
        )
        assert cluster.execute(cluster.container("apiserver"), "sh", "-c", tried).strip() == str(code)
    targets = [f"{etcd}:{port}" for port in (2379, 2380, 2381)]
    assert reached(space, "tenant", targets) == set()
    assert answers_the_node(space, space.node(0), targets) == set()
    # Nor through the apiserver, which stands in both networks.
    cluster.execute(space.node(0), "ip", "route", "replace", etcd, "via", apiserver)
    try:
        assert answers_the_node(space, space.node(0), targets) == set()
        assert reached(space, "tenant", targets) == set()
    finally:
        cluster.execute(space.node(0), "ip", "route", "del", etcd)


@pytest.mark.requirement("E1")
@pytest.mark.own_node
@pytest.mark.both_runtimes
def test_what_is_closed_stays_closed_over_a_kill_of_the_kubelet(space: Workspace) -> None:
    cluster, node = space.cluster, space.node(0)
    target = f"{cluster.address(node)}:10255"
    # It tries all the time, also while nobody looks after the node.
    trying = (
        "while :; do nc -w 1 ${TARGET%:*} ${TARGET##*:} </dev/null 2>/dev/null && echo reached; "
        "echo tried; done"
    )
    space.start(
        pod("tenant", container(script=trying, env=[{"name": "TARGET", "value": target}]), nodeName=node)
    )

    old = cluster.kill_kubelet(node)
    wait_until(lambda: cluster.process(node, "kubelet") not in (0, old), 90, "the kubelet runs again")
    wait_until(lambda: answers_the_node(space, node, [target]), 90, "it listens again")
    space.ready("tenant")
    wait_until(lambda: is_served(space, "tenant"), 90, "the kubelet that comes back knows its Pods again")
    assert reached(space, "tenant", [target]) == set()
    assert set(space.logs("tenant").split()) == {"tried"}


def is_served(space: Workspace, name: str) -> bool:
    """Say whether the kubelet of a Pod runs commands in it."""
    try:
        space.shell(name, "true")
    except Unavailable:
        return False
    return True


#: prints the port that it listens on, then who sent each datagram
HEARS = """import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
    here.bind(("127.0.0.1", 0))
    print("port", here.getsockname()[1], flush=True)
    while True:
        print(here.recvfrom(512)[1][0], flush=True)
"""
#: sends a datagram to 127.0.0.1 of the node, from each sender: what the kernel would keep inside goes to the
#: gateway
CRAFTED = """set -e
gateway=$(ip route | awk '/default/ {{print $3}}')
echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
ip addr del 127.0.0.1/8 dev lo 2>/dev/null || true
for sender in {senders}; do
  ip addr add $sender/32 dev eth0 2>/dev/null || true
  ip route replace 127.0.0.1/32 via $gateway dev eth0 src $sender
  timeout 1 tftp -g -r x -l /dev/null 127.0.0.1 {port} >/dev/null 2>&1 || true
done
"""


@pytest.mark.requirement("E1")
@pytest.mark.own_node
@pytest.mark.both_runtimes
def test_a_crafted_route_does_not_lead_to_a_nodes_loopback(space: Workspace) -> None:
    cluster, node = space.cluster, space.node(0)
    # With a hostPort the bridge takes packets to 127.0.0.1 in, on either runtime.
    crafty = container(securityContext={"privileged": True}, ports=[{"containerPort": 80, "hostPort": 30128}])
    [one] = space.start(pod("crafty", crafty, nodeName=node))
    senders = [one.status.pod_ip, "127.0.0.5"]
    heard = f"/run/heard-{space.namespace}"
    run("docker", "exec", "-d", node, "sh", "-c", f'timeout 300 python -c "$0" >{heard}', HEARS)

    def said() -> list[str]:
        return cluster.execute(node, "cat", heard).split()

    _, port, *_ = wait_until(said, 60, "the node listens")

    def arrived() -> set[str]:
        space.shell("crafty", CRAFTED.format(senders=" ".join(senders), port=port))
        return set(said()[2:])

    assert arrived() == set()
    # Without the rule they arrive, so it is what keeps them out.
    table = "(echo delete table inet vaina; nft list table inet vaina) >/run/table; "
    open_up = "nft flush chain inet vaina input"
    try:
        cluster.execute(node, "sh", "-c", table + open_up)
        wait_until(lambda: arrived() == set(senders), 60, "what is sent arrives")
    finally:
        cluster.execute(node, "nft", "-f", "/run/table")


@pytest.mark.requirement("E1")
@pytest.mark.beside_others
def test_pods_of_the_nodes_own_network_are_what_the_node_is(space: Workspace) -> None:
    [one] = space.start(pod("system", container(), hostNetwork=True))
    address = space.cluster.address(one.spec.node_name)
    target = [f"{address}:10250"]
    all_reached(lambda: reached(space, "system", target), target)


@pytest.fixture
def pushing(cluster: Cluster) -> Iterator[str]:
    """Start the way in for images; return where it is."""
    cluster.compose("up", "-d", "--no-build", "--wait", "registry-push")
    yield f"127.0.0.1:{cluster.env['VAINA_PUSH_PORT']}"
    cluster.compose("rm", "-fs", "registry-push")


@pytest.mark.requirement("E1")
@pytest.mark.both_runtimes
def test_images_are_pushed_from_the_machine_and_from_nowhere_else(space: Workspace, pushing: str) -> None:
    cluster = space.cluster
    image = f"{pushing}/library/mine:{space.runtime}"
    archive = cluster.execute(
        cluster.nodes[0],
        "sh",
        "-c",
        "docker pull -q busybox:1.37 >/dev/null; docker save busybox:1.37 | base64",
    )
    loaded = run("sh", "-c", "base64 -d | docker load -q", stdin=archive)
    assert "busybox:1.37" in loaded
    run("docker", "tag", "busybox:1.37", image)
    run("docker", "push", "-q", image)
    run("docker", "image", "rm", image)
    space.start(pod("own", container(image=f"mine:{space.runtime}"), nodeName=space.node(0)))

    # The node, which reaches the registry, cannot write to it, and does not reach the one that can be written
    # to.
    [inside] = cluster.addresses(cluster.container("registry-push")).values()
    assert answers_the_node(space, space.node(0), [f"{inside}:5000"]) == set()
    assert reached(space, "own", [f"{inside}:5000"]) == set()
    for what in ("library/busybox", "library/mine"):
        asked = "printf 'POST /v2/{}/blobs/uploads/ HTTP/1.0\\r\\nContent-Length: 0\\r\\n\\r\\n'"
        shown = "-cert /certs/node/registry/tls.crt -key /certs/node/registry/tls.key"
        refused = f"{asked} | openssl s_client -quiet {shown} -connect registry:5000 2>/dev/null"
        assert "405 Method Not Allowed" in cluster.execute(space.node(0), "sh", "-c", refused.format(what))


@pytest.mark.requirement("E1")
@pytest.mark.beside_others
@pytest.mark.parametrize("service", ["etcd", "registry", "apiserver", "scheduler", "controller", "dashboard"])
def test_a_part_of_the_control_plane_has_no_rights(cluster: Cluster, service: str) -> None:
    name = cluster.container(service)
    script = "cat /proc/1/status; touch /x 2>/dev/null && echo written; true"
    said = cluster.execute(name, "sh", "-c", script)
    status = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    assert status["Uid"].split() == ["65532"] * 4
    assert {status[caps] for caps in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert "written" not in said


@pytest.mark.requirement("E1")
@pytest.mark.beside_others
def test_a_volume_that_was_roots_is_given_to_etcd(cluster: Cluster) -> None:
    project, image = f"{cluster.project}-older", f"vaina-etcd:{cluster.env['VAINA_TAG']}"
    certs = f"{cluster.project}_certs-etcd:/certs/etcd:ro"
    volume = ("-v", f"{project}_etcd:/var/lib/etcd", "-v", certs, "--network", "none", "--rm")
    program = "/usr/local/lib/vaina/etcd.sh"
    older = "cd /var/lib/etcd && mkdir -p data/member && chmod 700 data/member && chown -R 0:0 ."
    run("docker", "volume", "create", f"{project}_etcd")
    try:
        run("docker", "run", "--user", "0", *volume, image, "sh", "-c", older)
        with pytest.raises(CommandError, match="does not belong to user 65532: `make up` gives"):
            run("docker", "run", *volume, image, "timeout", "60", program)
        env = {"COMPOSE_PROJECT_NAME": project, "VAINA_TAG": cluster.env["VAINA_TAG"]}
        run(DEPLOY / "etcd-volume.sh", env=env)
        owners = run("docker", "run", *volume, image, "find", "/var/lib/etcd", "!", "-user", "65532")
        assert owners == ""
        # 124: it ran until its time was over.
        with pytest.raises(CommandError, match="ended with 124"):
            run("docker", "run", *volume, image, "timeout", "3", program)
    finally:
        run("docker", "volume", "rm", f"{project}_etcd")
