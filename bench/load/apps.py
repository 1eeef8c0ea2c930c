"""Which apps a load has, and whose turn each Pod is. PURE: randomness is handed in.

An app is a ReplicaSet and its Pods. What it is made of (its template, size and image) is dealt by the shares
of the workload, and how many Pods it has by the weights: both are held exactly, only the turn is random.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.load.shares import deal, share, weights
from bench.load.workload import Apps, AppTemplate
from vaina.api.apps.v1 import apps_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import REPLICA_SET
from vaina.objects.meta import new_controller_ref

#: holes of an app's template beside those that the workload names, and what they may be
BUILT_IN_PARAMS = {"app": "app-0-000"}


@dataclass(frozen=True, slots=True)
class App:
    """One app."""

    #: what names begin with
    name: str
    #: of its ReplicaSet, relative to the workload's folder
    template_path: str
    #: what the template's holes are filled with
    params: Mapping[str, str]
    #: how many Pods it has
    replicas: int
    #: paths of the templates of a volume and its claim, of which each of its Pods has one; "": none
    volumes: tuple[str, str] = ("", "")
    #: no node will do for its Pods
    fits_nowhere: bool = False


@dataclass(frozen=True, slots=True)
class AppLoad:
    """The apps of a step."""

    step: int
    apps: Sequence[App]
    #: turns[i]: the number of the app that Pod i belongs to
    turns: Sequence[int]

    def with_volumes(self) -> dict[tuple[str, str], list[int]]:
        """Return which Pods have a volume, by the paths of its templates."""
        found: dict[tuple[str, str], list[int]] = {}
        for index, app in enumerate(self.turns):
            if any(self.apps[app].volumes):
                found.setdefault(self.apps[app].volumes, []).append(index)
        return found

    def that_fit_nowhere(self) -> frozenset[int]:
        """Return which Pods are to stay without a node."""
        return frozenset(index for index, app in enumerate(self.turns) if self.apps[app].fits_nowhere)

    def pod_names(self) -> list[str]:
        """Return the name of each Pod: its turn, not its app.

        A scheduler that starts lists what is pending in the order of names: by those that a controller gives
        it would get the Pods app after app.
        """
        return [f"pod-{self.step}-{index:06}" for index in range(len(self.turns))]


def plan_apps(spec: Apps, step: int, *, apps: int, pods: int, rng: random.Random) -> AppLoad:
    """Return the apps of a step, and whose turn each of its Pods is.

    Args:
        spec: what the workload says.
        step: its number, which is in the names.
        apps: how many there are.
        pods: of all of them.
        rng: decides which app is what, and the turns.
    """
    templates = deal(apps, [share(one.share) for one in spec.templates], rng)
    params: list[dict[str, str]] = [{"app": f"app-{step}-{number:03}"} for number in range(apps)]
    for choices in spec.template_params.values():
        for app, choice in enumerate(deal(apps, [share(one.share) for one in choices], rng)):
            params[app] |= choices[choice].params
    turns = deal(pods, weights(spec.weights, apps), rng)
    replicas = Counter(turns)

    def make(number: int, own: dict[str, str], one: AppTemplate) -> App:
        volumes = one.persistent_volume_template_path, one.persistent_volume_claim_template_path
        return App(own["app"], one.template_path, own, replicas[number], volumes, one.fits_nowhere)

    made = [
        make(number, own, spec.templates[template])
        for number, (own, template) in enumerate(zip(params, templates, strict=True))
    ]
    return AppLoad(step, made, turns)


def pod_of(owner: apps_pb2.ReplicaSet) -> pod_pb2.Pod:
    """Return a Pod of a ReplicaSet but for its name, as the controller makes it.

    Upstream: pkg/controller/controller_utils.go, GetPodFromTemplate.
    """
    pod = pod_pb2.Pod(spec=owner.spec.template.spec)
    template = owner.spec.template.metadata
    pod.metadata.generate_name = f"{owner.metadata.name}-"
    pod.metadata.labels.update(template.labels)
    pod.metadata.annotations.update(template.annotations)
    pod.metadata.finalizers.extend(template.finalizers)
    pod.metadata.owner_references.append(new_controller_ref(owner, REPLICA_SET.api_version, REPLICA_SET.kind))
    return pod
