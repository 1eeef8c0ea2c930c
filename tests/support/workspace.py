"""One namespace of a real cluster, as a user of it: what the tests in tests/flow and tests/cluster work with."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import yaml

from tests.support.api import PATIENCE, Api, Output
from tests.support.cluster import Cluster
from tests.support.manifests import Manifest, as_text
from vaina.api.core.v1 import event_pb2, pod_pb2
from vaina.kinds import EVENT, NAMESPACE, POD

#: of nodes with containerd, in the tests' cluster
RUNTIME_TAINT = "vaina.dev/runtime"


def pod_specs(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the specs of Pods in a manifest: its own, or that of its template."""
    spec = manifest.get("spec", {})
    if manifest.get("kind") == "Pod":
        yield spec
    elif manifest.get("kind") == "CronJob":
        yield spec["jobTemplate"]["spec"]["template"]["spec"]
    elif "template" in spec:
        yield spec["template"]["spec"]


def phase(*wanted: str) -> Callable[[pod_pb2.Pod], bool]:
    """Accept a Pod in one of these phases."""
    return lambda pod: pod.status.phase in wanted


def condition(pod: pod_pb2.Pod, name: str) -> str:
    """Return the status of a condition: True, False, Unknown, or "" where there is none."""
    return next((one.status for one in pod.status.conditions if one.type == name), "")


def ready(pod: pod_pb2.Pod) -> bool:
    """Accept a Pod that is ready."""
    return condition(pod, "Ready") == "True"


def takes_port(pod: pod_pb2.Pod) -> bool:
    """Accept a Pod that has a port of its node."""
    return any(port.host_port for one in pod.spec.containers for port in one.ports)


def status_of(pod: pod_pb2.Pod, container: str = "main") -> pod_pb2.ContainerStatus:
    """Return the status of a container or init container, an empty one where there is none yet."""
    for one in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if one.name == container:
            return one
    return pod_pb2.ContainerStatus()


class Workspace:
    """A namespace with the verbs of a user. `cluster` and `api` are there for everything else.

    `runtime` is docker or containerd: Pods run on nodes of that sort. Those with containerd are tainted, so
    that nobody gets there who was not sent.
    """

    def __init__(self, cluster: Cluster, api: Api, namespace: str, runtime: str = "docker") -> None:
        self.cluster, self.api, self.namespace, self.runtime = cluster, api, namespace, runtime

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes of the workspace's runtime; a number too many is counted from the first one again."""
        return self.cluster.nodes if self.runtime == "docker" else self.cluster.containerd_nodes

    def node(self, number: int) -> str:
        """Name one of them."""
        return self.nodes[number % len(self.nodes)]

    def pinned(self, manifest: Manifest) -> Manifest:
        """Return a manifest (or the text of several) whose Pods go to nodes of this workspace's runtime."""
        if self.runtime == "docker":
            return manifest
        if isinstance(manifest, str):
            documents = [one for one in yaml.safe_load_all(manifest) if one]
            return as_text(*[self.pinned(one) for one in documents])
        found = copy.deepcopy(dict(manifest))
        for spec in pod_specs(found):
            spec["tolerations"] = [*spec.get("tolerations", []), {"key": RUNTIME_TAINT, "operator": "Exists"}]
            if "nodeName" not in spec:
                spec["nodeSelector"] = {
                    "kubernetes.io/hostname": self.node(0), **spec.get("nodeSelector", {})
                }  # fmt: skip
        return found

    def open(self, pod_security: str = "privileged") -> None:
        """Create the namespace.

        Args:
            pod_security: the level that its Pods are held to; empty: the cluster's own.
        """
        labels = {"pod-security.kubernetes.io/enforce": pod_security} if pod_security else {}
        metadata = {"name": self.namespace, "labels": labels}
        self.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def close(self) -> None:
        """Ask for everything in it to go; the containers end while the next test runs.

        Those with a port of their node are waited for: another Pod that asks for it meanwhile is refused for
        good, as that of a second try of the same test.
        """
        holding = [one.metadata.name for one in self.pods() if takes_port(one)]
        self.api.call(self.api.clients.replica_sets.delete_collection(self.namespace))
        self.api.call(self.api.clients.replication_controllers.delete_collection(self.namespace))
        self.api.call(self.api.clients.pods.delete_collection(self.namespace, grace_period_seconds=1))
        self.api.call(self.api.clients.kind(NAMESPACE).delete(self.namespace))
        for name in holding:
            self.gone(name)

    def apply(self, *manifests: Manifest) -> None:
        """Apply manifests."""
        self.api.apply(*[self.pinned(one) for one in manifests], namespace=self.namespace)

    def pod(self, name: str) -> pod_pb2.Pod:
        """Return a Pod that is there."""
        found = self.api.find(POD, name, self.namespace)
        assert found is not None, f"there is no Pod {name}"
        return found

    def pods(self, labels: str = "") -> Sequence[pod_pb2.Pod]:
        """Return the Pods that are there, those that are going included."""
        return self.api.list(POD, self.namespace, label_selector=labels)

    def wait(
        self, name: str, accept: Callable[[pod_pb2.Pod], object], what: str, timeout: float = PATIENCE
    ) -> pod_pb2.Pod:
        """Watch a Pod until it is as wanted."""
        return self.api.wait(POD, name, accept, what, namespace=self.namespace, timeout=timeout)

    def running(self, name: str, timeout: float = PATIENCE) -> pod_pb2.Pod:
        """Watch a Pod until it runs."""
        return self.wait(name, phase("Running"), "is Running", timeout)

    def ready(self, name: str, timeout: float = PATIENCE) -> pod_pb2.Pod:
        """Watch a Pod until it is ready."""
        return self.wait(name, ready, "is ready", timeout)

    def start(self, *manifests: Manifest) -> list[pod_pb2.Pod]:
        """Apply manifests of Pods (as dictionaries) and watch until all of them are ready."""
        self.apply(*manifests)
        return [self.ready(one["metadata"]["name"]) for one in manifests if not isinstance(one, str)]

    def delete(self, name: str, grace: int | None = None) -> pod_pb2.Pod:
        """Ask for a Pod to end."""
        return self.api.call(self.api.clients.pods.delete(name, self.namespace, grace_period_seconds=grace))

    def gone(self, name: str, timeout: float = PATIENCE, uid: str = "") -> None:
        """Watch until a Pod is gone."""
        self.api.wait_gone(POD, name, namespace=self.namespace, timeout=timeout, uid=uid)

    def exec(self, pod: str, *command: str, container: str = "", stdin: bytes | None = None) -> Output:
        """Run a command in a container."""
        return self.api.exec(self.namespace, pod, *command, container=container, stdin=stdin)

    def shell(self, pod: str, script: str, container: str = "") -> str:
        """Run a shell script in a container; return what it wrote. It must end well."""
        output = self.exec(pod, "sh", "-c", script, container=container)
        assert output.code == 0, f"`{script}` in {pod} ended with {output.code}: {output.stderr}"
        return output.stdout.strip()

    def logs(self, pod: str, **options: Any) -> str:
        """Return what a container wrote."""
        return self.api.logs(self.namespace, pod, **options)

    def events(self, name: str, reason: str = "") -> list[event_pb2.Event]:
        """Return the events about an object, of one reason when it is given."""
        fields = f"involvedObject.name={name}" + (f",reason={reason}" if reason else "")
        return self.api.list(EVENT, self.namespace, field_selector=fields)

    def event(self, name: str, reason: str, words: str = "", timeout: float = PATIENCE) -> event_pb2.Event:
        """Watch until there is an event of this reason about an object, with these words, and return it."""
        return self.api.wait(
            EVENT,
            name,
            lambda event: words in event.message,
            f"has an event {reason} with {words!r}",
            namespace=self.namespace,
            fields=f"involvedObject.name={name},reason={reason}",
            timeout=timeout,
        )

    def cli(self, *arguments: str, stdin: str = "", timeout: float = 60, errors: bool = False) -> str:
        """Run the command `vaina` in this namespace; return what it printed. `CommandError` when it failed."""
        verb, *rest = arguments
        return self.cluster.cli(
            verb, "-n", self.namespace, *rest, stdin=stdin, timeout=timeout, errors=errors
        )

    def node_containers(self, uid: str) -> dict[str, list[dict[str, Any]]]:
        """Return the containers that each node's engine has of a Pod, the sandbox's pause included.

        Nodes without are left out.
        """
        found = {
            node: [
                one
                for one in self.cluster.engine_containers(node)
                if (one["Config"]["Labels"] or {}).get("io.kubernetes.pod.uid") == uid
            ]
            for node in self.nodes
        }
        return {node: containers for node, containers in found.items() if containers}
