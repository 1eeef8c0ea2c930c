"""Attacks from inside Pods: from a tenant's, and from one that has stolen its node's key.

`tests/component/attacks` tries far more of each server. These tests try the network, the disks and the
certificates of a real cluster. Most of them also see that something is allowed: a cluster that answers nobody
fails them.
"""

import base64
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from tests.support import from_pods
from tests.support.api import Api
from tests.support.certificate_requests import Csr, make_csr, node_csr, serving_csr
from tests.support.cluster import Cluster
from tests.support.manifests import container, pod, secret
from tests.support.workspace import Workspace
from vaina.api.certificates.v1 import certificate_signing_request_service_pb2
from vaina.api.core.v1 import pod_pb2, pod_stream_pb2
from vaina.api.meta.v1 import request_pb2
from vaina.errors import Forbidden
from vaina.kinds import CERTIFICATE_SIGNING_REQUEST, NODE, POD, SECRET

pytestmark = [pytest.mark.beside_others, pytest.mark.requirement("E1")]

CLIENT = Path(from_pods.__file__).read_text()
#: where a node keeps its keys
PKI = "/var/lib/vaina/pki"
#: what the thief shows: its node's certificate
STOLEN = f"{PKI}/client"
#: what nodes have from their start: a token, and what their engines show to the registry
GIVEN = "/certs/node"
#: runs a program in Python with the libraries of the node
RUN = """ln -sfn usr/lib /lib
ln -sfn usr/lib64 /lib64
exec /opt/vaina/venv/bin/python -c "$0"
"""
#: HTTP, an old kubelet's API, and the beginning of gRPC
IN_THE_CLEAR = (
    "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "POST /run/a/b/c?cmd=id HTTP/1.1\r\nHost: a\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)  # fmt: skip


def get(path: str, method: str = "GET") -> str:
    """Return an HTTP request after which the server ends the connection."""
    accept = "application/vnd.docker.distribution.manifest.v2+json"
    return f"{method} {path} HTTP/1.0\r\nHost: a\r\nAccept: {accept}\r\nContent-Length: 0\r\n\r\n"


def with_python(name: str, *, main: dict[str, Any], more: Sequence[str] = (), **spec: Any) -> dict[str, Any]:
    """Make a Pod that can run Python: busybox with its node's folders of libraries.

    Args:
        name: the Pod's.
        main: further fields of its container.
        more: further folders of the node.
        spec: further fields of its spec.
    """
    folders = {f"v{number}": path for number, path in enumerate(("/usr", "/opt", *more))}
    volumes = [{"name": volume, "hostPath": {"path": path}} for volume, path in folders.items()]
    mounts = [{"name": volume, "mountPath": path, "readOnly": True} for volume, path in folders.items()]
    # Commands stay busybox's, which need no libraries.
    path = {"name": "PATH", "value": "/bin"}
    return pod(name, container(volumeMounts=mounts, env=[path], **main), volumes=volumes, **spec)


@dataclass(frozen=True, slots=True)
class Scene:
    """Three Pods of a trusted namespace.

    `tenant` and `thief` are on one node and have clients, the first in the Pods' network and without any
    identity, the second in its node's network, privileged, and with the node's keys. `victim` is on another
    node and has a Secret.
    """

    space: Workspace
    #: addresses in the nodes' network, by service, and of etcd in its own
    at: dict[str, str]
    #: the authority of servers, as PEM
    ca: str
    #: of the victim's Secret
    value: str
    victim: pod_pb2.Pod
    thief: pod_pb2.Pod

    @property
    def own(self) -> str:
        """The node of tenant and thief."""
        return self.thief.spec.node_name

    @property
    def other(self) -> str:
        """The node of the victim."""
        return self.victim.spec.node_name

    def try_from(self, name: str, *attempts: dict[str, Any]) -> list[str]:
        """Make attempts from inside a Pod; return what came of each."""
        output = self.space.exec(
            name, "sh", "-c", RUN, CLIENT, stdin=json.dumps(attempts).encode(), container="main"
        )
        assert output.code == 0, output.stderr
        answers: list[str] = json.loads(output.stdout)
        return answers

    def say(self, service: str, port: int, what: str, **more: Any) -> dict[str, Any]:
        """Return the attempt to say something to a service."""
        return {"do": "say", "to": f"{self.at[service]}:{port}", "what": what, **more}

    def call(self, method: str, body: Message | None = None, **more: Any) -> dict[str, Any]:
        """Return the attempt to call the apiserver."""
        request = base64.b64encode(body.SerializeToString()).decode() if body is not None else ""
        given = {"to": f"{self.at['apiserver']}:6443", "name": "apiserver", "ca": self.ca, **more}
        return {"do": "call", "method": method, "body": request, **given}


@pytest.fixture(scope="module")
def scene(whole_cluster: Cluster, api: Api, numbers: Iterator[int]) -> Iterator[Scene]:
    cluster = whole_cluster
    space = Workspace(cluster, api, f"t{os.getpid() % 1000}-{next(numbers)}-attacks-from-pods")
    space.open()
    value = f"{space.namespace}-password"
    space.apply(secret("own", password="x"), secret("theirs", password=value))
    volumes = [{"name": "theirs", "secret": {"secretName": "theirs"}}, {"name": "disk", "emptyDir": {}}]
    mounts = [{"name": "theirs", "mountPath": "/theirs"}, {"name": "disk", "mountPath": "/disk"}]
    node, privileged = space.node(0), {"securityContext": {"privileged": True}}
    _, thief, victim = space.start(
        with_python("tenant", main={"envFrom": [{"secretRef": {"name": "own"}}]}, nodeName=node),
        with_python("thief", main=privileged, more=(PKI, GIVEN), hostNetwork=True, nodeName=node),
        pod("victim", container(volumeMounts=mounts), volumes=volumes, nodeName=space.node(1)),
    )
    services = ("apiserver", "scheduler", "controller", "registry")
    at = {name: cluster.address(cluster.container(name)) for name in services}
    [at["etcd"]] = cluster.addresses(cluster.container("etcd")).values()
    at |= {
        "own": cluster.address(space.node(0)),
        "other": cluster.address(space.node(1)),
        "self": "127.0.0.1",
    }
    yield Scene(space, at, (cluster.cert_dir / "ca.crt").read_text(), value, victim, thief)
    space.close()


LIST = request_pb2.ListRequest()
KUBELET = "vaina.api.kubelet.v1.KubeletService"
CREATE_CSR = CERTIFICATE_SIGNING_REQUEST.method("Create")


def csr_request(csr: Csr) -> Message:
    """Return the request that makes a CertificateSigningRequest."""
    return certificate_signing_request_service_pb2.CreateCertificateSigningRequestRequest(object=csr)


def test_a_node_reaches_everything_but_etcd(scene: Scene, cluster: Cluster) -> None:
    # A Pod with a network of its own does not (test_isolation.py). A Pod in its node's network does, and there
    # certificates alone keep it out, as the next tests see.
    reached = [("apiserver", port) for port in (6443, 6444, 6445, 8080)]
    reached += [("scheduler", 10259), ("scheduler", 10251), ("controller", 10257), ("controller", 10252)]
    reached += [("registry", 5000), ("self", 10248)]
    reached += [(node, port) for node in ("own", "other") for port in (10250, 10255)]
    every = [*reached, ("etcd", 2379), ("etcd", 2380), ("etcd", 2381), ("other", 10248)]
    answers = scene.try_from("thief", *[scene.say(*one, get("/")) for one in every])
    assert [one for one, answer in zip(every, answers, strict=True) if answer != "unreached"] == reached


def test_the_apiserver_does_nothing_for_a_pod_without_identity(scene: Scene, cluster: Cluster) -> None:
    clear = [scene.say("apiserver", port, one) for port in (6443, 6444, 6445, 8080) for one in IN_THE_CLEAR]
    assert set(scene.try_from("tenant", *clear)) == {""}
    nobody, healthy, metrics = scene.try_from(
        "tenant",
        scene.call(SECRET.method("List"), LIST),
        scene.say("apiserver", 8080, get("/healthz"), tls=True),
        scene.say("apiserver", 8080, get("/metrics"), tls=True),
    )
    assert nobody.startswith("UNAVAILABLE: ")
    assert healthy.startswith("HTTP/1.1 200 OK")
    assert metrics.startswith("HTTP/1.1 401 Unauthorized")


def test_the_port_of_new_nodes_opens_to_their_token_alone(scene: Scene, cluster: Cluster) -> None:
    token = cluster.execute(scene.own, "cat", "/certs/node/token").strip()
    name = request_pb2.GetRequest(name="no-such-request")
    guesses = (None, "", "abcdef.0123456789abcdef", f"{token[:-1]}{'b' if token[-1] == 'a' else 'a'}", token)
    there = {"to": f"{scene.at['apiserver']}:6444"}
    get_one = CERTIFICATE_SIGNING_REQUEST.method("Get")
    *refused, opened = scene.try_from(
        "tenant", *[scene.call(get_one, name, token=guess, **there) for guess in guesses]
    )
    assert refused == ["UNAUTHENTICATED: Unauthorized"] * 4
    # The right one, stolen from a node's disk, may ask for certificates and do nothing else.
    assert not opened.startswith(("UNAUTHENTICATED", "UNAVAILABLE"))
    methods = (SECRET.method("List"), NODE.method("List"), POD.method("Create"), POD.method("Exec"))
    for answer in scene.try_from("tenant", *[scene.call(one, token=token, **there) for one in methods]):
        assert answer.startswith(("PERMISSION_DENIED: ", "UNIMPLEMENTED: "))
    wanted = make_csr(
        "stolen", "kubernetes.io/kube-apiserver-client", "kubernetes-admin", ("system:masters",)
    )
    [as_admin] = scene.try_from("tenant", scene.call(CREATE_CSR, csr_request(wanted), token=token, **there))
    assert as_admin.startswith("PERMISSION_DENIED: ")
    assert scene.space.api.find(CERTIFICATE_SIGNING_REQUEST, "stolen") is None


def test_kubelets_hear_apiservers_alone(scene: Scene, cluster: Cluster) -> None:
    nodes = {"own": scene.own, "other": scene.other}
    clear = [scene.say(node, port, one) for node in nodes for port in (10250, 10255) for one in IN_THE_CLEAR]
    assert set(scene.try_from("thief", *clear)) == {""}
    # A node's certificate is of the wrong authority for a kubelet's port.
    victim = {"namespace": scene.space.namespace, "name": "victim", "uid": scene.victim.metadata.uid}
    logs = pod_stream_pb2.PodLogRequest(**victim)

    def reads(cert: str) -> list[str]:
        calls = [
            scene.call(f"/{KUBELET}/Logs", logs, to=f"{scene.at[node]}:10250", name=name, cert=cert)
            for node, name in nodes.items()
        ]
        return [answer.partition(":")[0] for answer in scene.try_from("thief", *calls)]

    assert reads("") == reads(STOLEN) == ["UNAVAILABLE"] * 2
    # An apiserver's certificate is taken. The call is refused, because no user was authorized for it.
    for file in ("tls.crt", "tls.key"):
        pem = cluster.execute(
            cluster.container("apiserver"), "cat", f"/certs/apiserver-kubelet-client/{file}"
        )
        written = f"mkdir -p /apiserver && cat >/apiserver/{file}"
        assert scene.space.exec("thief", "sh", "-c", written, stdin=pem.encode()).code == 0
    assert reads("/apiserver") == ["PERMISSION_DENIED"] * 2


@pytest.mark.parametrize(
    ("service", "port"),
    [("apiserver", 8080), ("own", 10255), ("other", 10255), ("scheduler", 10251), ("controller", 10252)],
)
def test_a_port_of_metrics_tells_a_node_its_health_alone(
    scene: Scene, cluster: Cluster, service: str, port: int
) -> None:
    asked = [
        scene.say(service, port, get(path), tls=True, cert=cert)
        for cert in ("", STOLEN)
        for path in ("/healthz", "/metrics", "/pods", "/debug/pprof/")
    ]
    status = [answer.partition("\r\n")[0].partition(" ")[2] for answer in scene.try_from("thief", *asked)]
    assert status == ["200 OK", "401 Unauthorized", "404 Not Found", "404 Not Found"] * 2
    assert set(scene.try_from("thief", *[scene.say(service, port, one) for one in IN_THE_CLEAR])) == {""}


def test_the_clear_port_of_a_nodes_loopback_tells_its_health_alone(scene: Scene, cluster: Cluster) -> None:
    paths = ("/healthz", "/metrics", "/pods", "/runningpods/", "/configz", "/exec/a/b/c")
    asked = [scene.say("self", 10248, get(path)) for path in paths]
    status = [answer.partition("\r\n")[0].partition(" ")[2] for answer in scene.try_from("thief", *asked)]
    assert status == ["200 OK"] + ["404 Not Found"] * 5


@pytest.mark.parametrize(
    ("service", "port", "method"),
    [
        ("scheduler", 10259, "/vaina.api.scheduler.v1.SchedulerService/Explain"),
        ("controller", 10257, "/vaina.api.controller.v1.ControllerService/ListControllers"),
    ],
)
def test_scheduler_and_controllers_answer_nobody_and_no_node(
    scene: Scene, cluster: Cluster, service: str, port: int, method: str
) -> None:
    there = {"to": f"{scene.at[service]}:{port}", "name": service}
    assert set(scene.try_from("thief", *[scene.say(service, port, one) for one in IN_THE_CLEAR])) == {""}
    nobody, node = scene.try_from(
        "thief", scene.call(method, **there), scene.call(method, cert=STOLEN, **there)
    )
    assert nobody.startswith("UNAVAILABLE: ")
    assert node.startswith("PERMISSION_DENIED: ")
    assert f'User "system:node:{scene.own}" cannot post path "{method}"' in node


def test_the_registry_is_read_with_its_certificate_alone_and_nobody_writes_to_it(
    scene: Scene, cluster: Cluster
) -> None:
    manifest = "/v2/library/busybox/manifests/1.37"
    asked = [
        get("/v2/"), get(manifest), get(manifest, "PUT"), get(manifest, "DELETE"),
        get("/v2/library/busybox/blobs/uploads/", "POST"),
        get("/v2/library/mine/blobs/uploads/?mount=sha256:00&from=library/busybox", "POST"),
    ]  # fmt: skip

    def status(cert: str) -> list[str]:
        attempts = [scene.say("registry", 5000, one, tls=True, cert=cert) for one in asked]
        answers = scene.try_from("thief", *attempts)
        return [answer.partition("\r\n")[0].partition(" ")[2] for answer in answers]

    assert status(f"{GIVEN}/registry") == ["200 OK"] * 2 + ["405 Method Not Allowed"] * 4
    # Without a certificate nothing is read, and with another authority's neither: a node's, and what apiservers
    # show to etcd.
    assert status("") == status(STOLEN) == [""] * 6
    for file in ("tls.crt", "tls.key"):
        pem = cluster.execute(cluster.container("apiserver"), "cat", f"/certs/apiserver-etcd-client/{file}")
        written = f"mkdir -p /etcd-client && cat >/etcd-client/{file}"
        assert scene.space.exec("thief", "sh", "-c", written, stdin=pem.encode()).code == 0
    assert status("/etcd-client") == [""] * 6
    clear = scene.try_from("thief", *[scene.say("registry", 5000, one) for one in IN_THE_CLEAR])
    assert {answer.partition("\r\n")[0] for answer in clear} <= {"", "HTTP/1.0 400 Bad Request"}


def test_a_mounted_secret_is_in_memory_and_not_on_the_nodes_disk(scene: Scene, cluster: Cluster) -> None:
    space = scene.space
    kind = space.shell("victim", "grep ' /theirs ' /proc/mounts | cut -d' ' -f3; cat /theirs/password")
    assert kind.split() == ["tmpfs", scene.value]
    # A copy on the disk shows that the search finds what is there.
    space.shell("victim", "cp /theirs/password /disk/copy && sync")
    # -xdev: only what is on the disk itself, without the mounts below.
    disks = "/etc /root /tmp /var /var/lib/vaina /var/lib/docker"
    script = f"find {disks} -xdev -type f -exec grep -l {scene.value} {{}} + || true"
    found = cluster.execute(scene.other, "sh", "-c", script).split()
    assert {path.partition(scene.victim.metadata.uid)[2].rpartition("/")[2] for path in found} == {"copy"}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"volumes": [{"name": "pki", "hostPath": {"path": PKI}}]}, "hostPath volumes"),
        ({"volumes": [{"name": "pki", "hostPath": {"path": "/"}}]}, "hostPath volumes"),
        ({"hostNetwork": True}, "host namespaces"),
        ({"hostPID": True}, "host namespaces"),
    ],
)
def test_a_tenants_pod_does_not_come_near_its_nodes_key(
    cluster: Cluster, api: Api, numbers: Iterator[int], spec: dict[str, Any], why: str
) -> None:
    space = Workspace(cluster, api, f"t{os.getpid() % 1000}-{next(numbers)}-tenant")
    space.open(pod_security="")
    try:
        with pytest.raises(Forbidden, match=f'violates PodSecurity "baseline:latest": {why}'):
            space.apply(pod("near", container(), **spec))
        assert space.pods() == []
    finally:
        space.close()


def test_who_steals_a_nodes_key_is_that_node_and_no_more(scene: Scene, cluster: Cluster) -> None:
    space, there = scene.space, request_pb2.GetRequest

    def stolen(method: str, body: Message | None = None) -> dict[str, Any]:
        return scene.call(method, body, cert=STOLEN)

    own = request_pb2.ListRequest(field_selector=f"spec.nodeName={scene.own}")
    # The key works: it reads its node's Pods, and the Secret that one of them names.
    may = [
        stolen(POD.method("List"), own),
        stolen(NODE.method("List"), LIST),
        stolen(SECRET.method("Get"), there(namespace=space.namespace, name="own")),
    ]
    assert scene.try_from("thief", *may) == ["OK"] * len(may)

    of_other = request_pb2.ListRequest(field_selector=f"spec.nodeName={scene.other}")
    taints = json.dumps({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}})
    patch = {"patch_type": "application/merge-patch+json", "patch": taints}
    victim = {"namespace": space.namespace, "name": "victim"}
    name = f"{space.namespace}-stolen"
    may_not = {
        "list all Secrets": stolen(SECRET.method("List"), LIST),
        "list a namespace's": stolen(
            SECRET.method("List"), request_pb2.ListRequest(namespace=space.namespace)
        ),
        "read a Secret of the other node": stolen(
            SECRET.method("Get"), there(namespace=space.namespace, name="theirs")
        ),
        "read the token of new nodes": stolen(
            SECRET.method("List"), request_pb2.ListRequest(namespace="kube-system")
        ),
        "list all Pods": stolen(POD.method("List"), LIST),
        "list the other node's": stolen(POD.method("List"), of_other),
        "read the victim": stolen(POD.method("Get"), there(**victim)),
        "read its logs": stolen(POD.method("Logs"), pod_stream_pb2.PodLogRequest(**victim)),
        "delete it": stolen(POD.method("Delete"), request_pb2.DeleteRequest(**victim)),
        "taint the other node": stolen(
            NODE.method("Patch"), request_pb2.PatchRequest(name=scene.other, **patch)
        ),
        "taint itself": stolen(NODE.method("Patch"), request_pb2.PatchRequest(name=scene.own, **patch)),
        "become the other node": stolen(CREATE_CSR, csr_request(node_csr(name, scene.other))),
        "serve as the other node": stolen(
            CREATE_CSR, csr_request(serving_csr(name, scene.other, scene.at["other"]))
        ),
    }
    answers = dict(zip(may_not, scene.try_from("thief", *may_not.values()), strict=True))
    refused = {what for what, answer in answers.items() if answer.startswith("PERMISSION_DENIED: ")}
    assert refused == set(may_not), answers
    # Nothing of it has happened.
    assert space.pod("victim").metadata.uid == scene.victim.metadata.uid
    assert not space.pod("victim").metadata.HasField("deletion_timestamp")
    assert space.api.find(CERTIFICATE_SIGNING_REQUEST, name) is None
