"""Random clusters and what happens in them, as plain values.

A seed makes a story, and a shorter story can be tried as well.

A story is a list of steps: nodes that come, change and go, runs of equal Pods, Pods that go, that change
their labels or are about to go. Pods get constraints of every kind that the default profile has a plugin for;
a third of them are plain, for most Pods must fit, or nothing is tried.
"""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from google.protobuf import text_format
from google.protobuf.message import Message

from tests.unit.scheduler.judge import Judge
from tests.unit.scheduler.objects import node, term
from tests.unit.scheduler.storage_stories import OLD_ZONE, REGION, Storekeeper, budget
from vaina.api.core.v1 import node_pb2, pod_pb2, reference_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.testing.builders import make_container, make_pod

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
GPU = "example.com/gpu"
NAMESPACES = {"default": {"team": "a"}, "other": {"team": "b"}, "third": {}}
_MB = 2**20
_IMAGES = {
    "registry.local/large:1": 900 * _MB,
    "registry.local/small:1": 30 * _MB,
    "registry.local/app:1": 300 * _MB,
}
#: what kubelets may declare, as the wire has it: in order
FEATURES = (
    "RestartAllContainersOnContainerExits",
    "UserNamespacesHostNetworkSupport",
    "VolumeBindMountOptions",
)
#: who makes Pods; those of the last are not spread by default
_MAKERS = (
    ("apps/v1", "ReplicaSet"), ("apps/v1", "StatefulSet"), ("v1", "ReplicationController"), ("batch/v1", "Job"),
)  # fmt: skip
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True)
class Step:
    """Something that happens: what, to whom, how often."""

    what: str
    node: node_pb2.Node | None = None
    pod: pod_pb2.Pod | None = None
    #: an object of storage, or a budget
    thing: Message | None = None
    #: of Pods in a row; or which of the Pods that are there
    number: int = 1

    def __str__(self) -> str:
        about = next((item for item in (self.node, self.pod, self.thing) if item is not None), None)
        return f"{self.what} {self.number} {text_format.MessageToString(about, as_one_line=True) if about else ''}"


def play(judge: Judge, steps: Sequence[Step]) -> None:
    """Let a story happen. Raises AssertionError where the judge finds a difference."""
    for step in steps:
        match step.what:
            case "node":
                assert step.node is not None
                judge.set_node(step.node)
            case "node goes":
                assert step.node is not None
                judge.remove_node(step.node.metadata.name)
            case "pods":
                assert step.pod is not None
                for _ in range(step.number):
                    judge.schedule(step.pod)
            case "namespace is relabelled":
                name = [*NAMESPACES][step.number % len(NAMESPACES)]
                judge.set_namespace(name, {"team": "ab"[step.number // 3 % 2]})
            case "room is made" | "room is being made":
                judge.make_room(slowly=step.what == "room is being made")
            case "volumes are bound" | "volumes are refused":
                judge.bind_volumes(refused=step.what == "volumes are refused")
            case _ if step.thing is not None:
                _play_thing(judge, step.thing, step.what)
            case _ if judge.placed:
                _play_pod(judge, step)


def _play_thing(judge: Judge, thing: Message, what: str) -> None:
    if isinstance(thing, pod_disruption_budget_pb2.PodDisruptionBudget):
        judge.set_budget(thing)
    elif what == "storage":
        judge.stores.put(thing)
    else:
        judge.stores.take(thing)


def _play_pod(judge: Judge, step: Step) -> None:
    uid = sorted(judge.placed)[step.number % len(judge.placed)]
    if step.what == "pod goes":
        judge.remove_pod(uid)
    else:
        judge.change_pod(_changed(judge.placed[uid], step))


def _changed(before: pod_pb2.Pod, step: Step) -> pod_pb2.Pod:
    after = pod_pb2.Pod()
    after.CopyFrom(before)
    after.metadata.generation += 1
    if step.what == "pod is about to go":
        after.metadata.deletion_timestamp.seconds = 1
    else:
        assert step.pod is not None
        after.metadata.labels.clear()
        after.metadata.labels.update(step.pod.metadata.labels)
    return after


def smallest(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """Return a story that still fails, and of which no single step can be left out."""
    left = list(steps)
    size = len(left) // 2
    while size:
        start = 0
        while start < len(left):
            fewer = left[:start] + left[start + size :]
            if fails(fewer):
                left = fewer
            else:
                start += size
        size //= 2
    for at, step in enumerate(left):
        while left[at].number > 1 and step.what == "pods":
            fewer = [*left[:at], Step(step.what, step.node, step.pod, left[at].number - 1), *left[at + 1 :]]
            if not fails(fewer):
                break
            left = fewer
    return left


class Storyteller:
    """Makes the story of a seed."""

    def __init__(self, seed: int, plugins: Collection[str]) -> None:
        """Make a teller. Args: plugins: constraints are made for these."""
        self._rng = random.Random(seed)
        self._plugins = frozenset(plugins)
        #: few nodes, most Pods with a priority: somebody has to go
        self._crowded = self._rng.random() < 0.25
        #: Pods want volumes
        self._stored = "VolumeBinding" in self._plugins and self._rng.random() < 0.3
        #: dice of their own for what nodes declare and Pods need of that: all else of a story is as without
        self._declared: random.Random | None = None
        if "NodeDeclaredFeatures" in self._plugins and not self._stored and not self._crowded:
            self._declared = random.Random(f"features of {seed}")
        self._keeper = Storekeeper(self._rng)
        features = {
            "NodeResourcesFit": self._large, "NodeAffinity": self._choosy, "TaintToleration": self._tolerant,
            "NodePorts": self._with_port, "ImageLocality": self._with_image, "InterPodAffinity": self._sociable,
            "PodTopologySpread": self._spreading, "DefaultPreemption": self._important,
        }  # fmt: skip
        self._features = [add for name, add in features.items() if name in self._plugins]
        if (self._stored or self._crowded) and self._rng.random() < 0.5:
            # Nothing else is in the way of what volumes and budgets do.
            self._features = []

    def story(self) -> list[Step]:
        """Return the steps."""
        rng = self._rng
        names = [f"n{number}" for number in range(rng.randint(3, 5 if self._crowded else 12))]
        steps = [self._node(name) for name in names]
        if self._stored:
            steps += [Step("storage", thing=thing) for thing in self._keeper.everything(names)]
        if self._crowded:
            steps += [Step("budget", thing=budget(rng)) for _ in range(rng.randint(0, 3))]
        templates = [self._pod() for _ in range(rng.randint(2, 4))]
        if self._crowded and not self._features:
            steps += [Step("pods", pod=template, number=5) for template in self._crowd()]
        for _ in range(rng.randint(8, 12) if self._crowded else rng.randint(4, 8)):
            if self._stored and rng.random() < 0.35:
                steps.append(self._of_storage(names))
            if self._stored and (anew := [*self._keeper.claims_to_make()]):
                steps += [Step("volumes are bound"), *(Step("storage", thing=thing) for thing in anew)]
            if self._crowded and rng.random() < 0.15:
                steps.append(Step("budget", thing=budget(rng)))
            steps.append(self._next(names, templates))
        return steps

    def _crowd(self) -> list[pod_pb2.Pod]:
        """Return Pods who are there before those that are more important."""
        crowd = [self._pod() for _ in range(2)]
        for made in crowd:
            made.spec.priority = self._rng.choice([0, 0, -5])
            made.spec.ClearField("volumes")
        return crowd

    def _next(self, names: Sequence[str], templates: Sequence[pod_pb2.Pod]) -> Step:
        rng = self._rng
        often = {
            "pods": 60,
            "pod": 24,
            "namespace": 3,
            "room": 9 if self._crowded else 5,
            "node": 5,
            "node goes": 3,
        }
        match rng.choices([*often], [*often.values()])[0]:
            case "pods":
                return Step("pods", pod=rng.choice(templates), number=rng.randint(1, 4))
            case "pod":
                what = rng.choices(("pod goes", "pod is about to go", "pod is relabelled"), (10, 6, 8))[0]
                return Step(what, pod=rng.choice(templates), number=rng.randrange(100))
            case "namespace":
                return Step("namespace is relabelled", number=rng.randrange(6))
            case "room":
                return Step("room is made" if rng.random() < 0.7 else "room is being made")
            case "node":
                return self._node(rng.choice(names))
            case _:
                return Step("node goes", node=node(rng.choice(names)))

    def _of_storage(self, nodes: Sequence[str]) -> Step:
        rng = self._rng
        dice = rng.random()
        if dice < 0.45:
            return Step("volumes are bound")
        if dice < 0.6:
            return Step("volumes are refused")
        return Step("storage" if dice < 0.9 else "storage goes", thing=self._keeper.another(nodes))

    def _node(self, name: str) -> Step:
        rng = self._rng
        labels = {
            HOSTNAME: name,
            ZONE: rng.choice("abc"),
            "disk": rng.choice(["ssd", "hdd"]),
            "size": rng.choice("139"),
        }
        for key in (HOSTNAME, ZONE, "disk", "size"):
            if rng.random() < 0.08:
                del labels[key]
        if self._stored and rng.random() < 0.3:
            labels[rng.choice([OLD_ZONE, REGION])] = rng.choice("abc")
        made = node(
            name, cpu=rng.choice(["2", "4", "4", "3500m", "0"]), memory=rng.choice(["4Gi", "8Gi", "8Gi", "3Gi"]),
            pods=rng.choice(["4", "5", "3"] if self._crowded else ["110", "110", "3"]), labels=labels, taints=self._taints(),
            unschedulable=rng.random() < 0.05, extended={GPU: "2"} if rng.random() < 0.3 else None,
        )  # fmt: skip
        if self._declared:
            declared = [name for name in FEATURES if self._declared.random() < 0.6]
            made.status.declared_features.extend(declared)
        for image, size in _IMAGES.items():
            if rng.random() < 0.4:
                made.status.images.add(
                    names=[image, image.replace(":1", "@sha256:" + "0" * 64)], size_bytes=size
                )
        return Step("node", node=made)

    def _taints(self) -> list[tuple[str, str, str]]:
        rng = self._rng
        effects = ["PreferNoSchedule", "PreferNoSchedule", "NoSchedule", "NoExecute"]
        count = rng.choice([0, 0, 0, 1, 1, 2])
        return [
            (rng.choice(["dedicated", "spot"]), rng.choice(["", "a"]), rng.choice(effects))
            for _ in range(count)
        ]

    def _pod(self) -> pod_pb2.Pod:
        rng = self._rng
        made = make_pod(
            "p", rng.choice(["default", "default", "other"]), labels={"app": rng.choice("xyz"), "tier": rng.choice("12")},
            containers=[make_container(requests=self._requests(), image=rng.choice([*_IMAGES]))],
        )  # fmt: skip
        if self._features and rng.random() > 0.3:
            for add in rng.sample(self._features, rng.choice([1, 1, 2, 3])):
                add(made)
        if self._declared and self._declared.random() < 0.2:
            self._with_features(self._declared, made)
        if self._crowded and "DefaultPreemption" in self._plugins and rng.random() < 0.6:
            self._important(made)
        if self._stored and rng.random() < 0.7:
            self._keeper.add_claims(made)
        if "PodTopologySpread" in self._plugins and rng.random() < 0.3:
            version, kind = rng.choice(_MAKERS)
            uid = rng.choice("uv")
            made.metadata.owner_references.add(
                api_version=version, kind=kind, name=uid, uid=f"{kind}-{uid}", controller=True
            )
        return made

    def _requests(self) -> dict[str, str] | None:
        usual = {"cpu": "100m", "memory": "300Mi"}
        return self._rng.choice(
            [usual, usual, {"cpu": "500m"}, {"memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}, None]
        )

    def _large(self, made: pod_pb2.Pod) -> None:
        rng, spec = self._rng, made.spec
        match rng.randrange(5):
            case 0:
                spec.init_containers.append(
                    make_container("init", requests={"cpu": "1500m", "memory": "1Gi"})
                )
            case 1:
                sidecar = make_container("sidecar", requests={"cpu": "300m"})
                sidecar.restart_policy = "Always"
                spec.init_containers.extend([sidecar, make_container("init", requests={"cpu": "700m"})])
                if rng.random() < 0.5:
                    spec.init_containers.reverse()
            case 2:
                spec.overhead["cpu"].string, spec.overhead["memory"].string = "250m", "100Mi"
            case 3:
                spec.resources.requests["cpu"].string = "1200m"
            case _:
                spec.containers[0].resources.requests[GPU].string = "1"

    def _choosy(self, made: pod_pb2.Pod) -> None:
        rng, spec = self._rng, made.spec
        if rng.random() < 0.3:
            spec.node_selector["disk"] = "ssd"
        affinity = spec.affinity.node_affinity
        if rng.random() < 0.6:
            required = affinity.required_during_scheduling_ignored_during_execution
            required.node_selector_terms.extend(self._term() for _ in range(rng.choice([1, 1, 2])))
        for _ in range(rng.choice([0, 1, 2])):
            affinity.preferred_during_scheduling_ignored_during_execution.add(
                weight=rng.randint(1, 100), preference=self._term()
            )

    def _term(self) -> reference_pb2.NodeSelectorTerm:
        rng = self._rng
        if rng.random() < 0.2:
            return term(name=[f"n{rng.randrange(6)}"])
        operator = rng.choice([*_OPERATORS, "Gt", "Lt"])
        if operator in ("Gt", "Lt"):
            return term(("size", operator, ["3"]))
        key, values = rng.choice([("disk", ["ssd"]), (ZONE, ["a", "b"]), ("nowhere", ["x"])])
        return term((key, operator, values if operator in ("In", "NotIn") else []))

    def _tolerant(self, made: pod_pb2.Pod) -> None:
        rng = self._rng
        key, operator, value, effect = rng.choice(
            [
                ("", "Exists", "", ""), ("dedicated", "Exists", "", ""), ("spot", "Equal", "a", ""),
                ("dedicated", "", "", "NoSchedule"), ("spot", "Exists", "", "PreferNoSchedule"),
                ("node.kubernetes.io/unschedulable", "Exists", "", "NoSchedule"),
            ]
        )  # fmt: skip
        made.spec.tolerations.add(key=key, operator=operator, value=value, effect=effect)

    def _with_port(self, made: pod_pb2.Pod) -> None:
        rng = self._rng
        made.spec.containers[0].ports.add(
            container_port=80, host_port=rng.choice([80, 81]), protocol=rng.choice(["TCP", "UDP"]),
            host_ip=rng.choice(["", "", "10.0.0.1", "10.0.0.2"]),
        )  # fmt: skip

    def _with_features(self, rng: random.Random, made: pod_pb2.Pod) -> None:
        spec = made.spec
        if rng.random() < 0.5:
            action = rng.choice(["RestartAllContainers", "RestartAllContainers", "Restart"])
            spec.containers[0].restart_policy_rules.add(action=action)
        if rng.random() < 0.3:
            spec.host_network, spec.host_users = True, rng.random() < 0.3
        if rng.random() < 0.4:
            spec.init_containers.append(make_container("early"))
            spec.init_containers[-1].volume_mounts.add(name="v", bind_mount_options=["noexec"])

    def _with_image(self, made: pod_pb2.Pod) -> None:
        made.spec.containers.append(
            make_container("second", self._rng.choice(["registry.local/large:1", "nobody/has"]))
        )

    def _important(self, made: pod_pb2.Pod) -> None:
        rng = self._rng
        made.spec.priority = rng.choice([10, 10, 100, -5])
        made.spec.preemption_policy = rng.choice(["", "", "", "Never"])

    def _selector(self) -> meta_pb2.LabelSelector:
        rng = self._rng
        made = meta_pb2.LabelSelector()
        dice = rng.random()
        if dice < 0.7:
            made.match_labels["app"] = rng.choice("xyz")
        elif dice < 0.9:
            operator = rng.choice(_OPERATORS)
            values = [rng.choice("12")] if operator in ("In", "NotIn") else []
            made.match_expressions.add(key="tier", operator=operator, values=values)
        else:
            made.match_labels.update({"app": rng.choice("xyz"), "tier": "1"})
        return made

    def _sociable(self, made: pod_pb2.Pod) -> None:
        rng = self._rng
        together, apart = made.spec.affinity.pod_affinity, made.spec.affinity.pod_anti_affinity
        for _ in range(rng.choice([1, 1, 2])):
            match rng.randrange(4):
                case 0:
                    one = together.required_during_scheduling_ignored_during_execution.add()
                    self._affinity_term(one)
                    if rng.random() < 0.5:
                        # The first of its group.
                        one.label_selector.Clear()
                        one.label_selector.match_labels["app"] = made.metadata.labels["app"]
                case 1:
                    self._affinity_term(apart.required_during_scheduling_ignored_during_execution.add())
                case 2:
                    wanted = together.preferred_during_scheduling_ignored_during_execution
                    self._affinity_term(wanted.add(weight=rng.randint(1, 100)).pod_affinity_term)
                case _:
                    unwanted = apart.preferred_during_scheduling_ignored_during_execution
                    self._affinity_term(unwanted.add(weight=rng.randint(1, 100)).pod_affinity_term)

    def _affinity_term(self, made: pod_pb2.PodAffinityTerm) -> None:
        rng = self._rng
        made.topology_key = rng.choice([HOSTNAME, ZONE, ZONE, "disk"])
        made.label_selector.CopyFrom(self._selector())
        dice = rng.random()
        if dice < 0.1:
            made.namespaces.append("other")
        elif dice < 0.2:
            made.namespace_selector.match_labels["team"] = rng.choice("ab")
        elif dice < 0.25:
            made.namespace_selector.SetInParent()
        elif dice < 0.3:
            made.namespaces.append("default")
            made.namespace_selector.match_labels["team"] = "b"

    def _spreading(self, made: pod_pb2.Pod) -> None:
        rng = self._rng
        for key in rng.sample([HOSTNAME, ZONE, "disk"], rng.choice([1, 1, 2])):
            one = made.spec.topology_spread_constraints.add(
                max_skew=rng.choice([1, 1, 2]), topology_key=key,
                when_unsatisfiable=rng.choice(["DoNotSchedule", "DoNotSchedule", "ScheduleAnyway"]),
            )  # fmt: skip
            one.label_selector.CopyFrom(self._selector())
            if one.when_unsatisfiable == "DoNotSchedule" and rng.random() < 0.2:
                one.min_domains = rng.randint(1, 4)
            if rng.random() < 0.25:
                one.node_affinity_policy = rng.choice(["Honor", "Ignore"])
            if rng.random() < 0.25:
                one.node_taints_policy = rng.choice(["Honor", "Ignore"])
            if rng.random() < 0.2:
                one.match_label_keys.append("tier")
