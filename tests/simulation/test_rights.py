"""The roles of scheduler and controllers are as narrow as they can be: each rule is asked for, and no more.

Stories are told with the names of all parts, and what each controller asks is held against its own role: without
a rule of it something would be refused. What stories do not come to has its place in the code instead.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Authorizer, Verdict
from apiserver.authorization.modes import Authorization
from apiserver.authorization.rbac import policy
from apiserver.authorization.rbac.rules import allows
from apiserver.storage.cacher import Cacher
from tests.simulation.journal import AUTHOR
from tests.simulation.simulate import simulate
from tests.simulation.story import draw
from tests.simulation.world import World
from vaina import controller
from vaina.objects.rules import Rule, pieces, rules_of

pytestmark = pytest.mark.simulation

_STORIES: Final = range(1, 21)
#: who asks: empty for what all controllers share, informers and Events
_CONTROLLER: ContextVar[str] = ContextVar("controller", default="")
#: controllers whose roles have other names than they have with `-controller`
_ROLE_OF: Final[Mapping[str, str]] = {
    "csrapproving": "certificate-controller",
    "csrsigning": "certificate-controller",
    "csrcleaner": "certificate-controller",
    "daemonset": "daemon-set-controller",
    "garbage-collector": "generic-garbage-collector",
    "horizontalpodautoscaling": "horizontal-pod-autoscaler",
    "local-path": "local-path-provisioner",
    "node-ipam": "node-ipam-controller",
    "node-lifecycle": "node-controller",
    "persistentvolume-binder": "persistent-volume-binder",
    "pod-gc": "pod-garbage-collector",
    "replicationcontroller": "replication-controller",
    "stale-pod-disruption": "disruption-controller",
    "trace-collector": "trace-collector",
}
_CONTROL: Final = ("find(self._pods", "self._pods.delete(", "self._pods.delete_batch(")
_REVISIONS: Final = ("client.update(history.update", "delete(client, old.metadata", "client.get(meta.name")
_OWNER: Final = ("find(self._owner_client", "_owner_client.update_status(")
#: role -> the calls in the code that need what stories may not come to
_PLACES: Final[Mapping[str, Sequence[str]]] = {
    "certificate-controller": (
        "update_approval(wanted", "_client.update_status(wanted", "delete(self._client, csr", "find(self._leases",
    ),
    "cronjob-controller": ("jobs.create(job", "jobs.get(job", "jobs.delete(", *_OWNER),
    "daemon-set-controller": (*_REVISIONS, *_CONTROL),
    "deployment-controller": ("delete(self._client.replica_sets", "replica_sets.get("),
    "disruption-controller": ("no_longer_target(pod, now), mask",),
    "ephemeral-volume-controller": ("persistent_volume_claims.create(claim",),
    "horizontal-pod-autoscaler": (".get_scale(", ".update_scale(", "_metrics.pods(", *_OWNER),
    "job-controller": ("pods.update(mine)", "pods.update(other)", *_CONTROL),
    "local-path-provisioner": (
        "find(self._client.nodes, node", "persistent_volumes.update(change", "persistent_volumes.delete(meta",
        "persistent_volume_claims.update(reconcile", "persistent_volume_claims.update_status(change", "storage_classes.create(",
    ),
    "namespace-controller": (
        "namespaces.get(", "namespaces.finalize(", "namespaces.update_status(", "delete_collection(", "delete(self._client.kind(kind)",
    ),
    "node-controller": ("pods.delete(meta.name", "pods.update_status(pod"),
    "persistent-volume-binder": (
        "find(self._client.persistent_volumes", "find(claims", "client.update_status(made)", "client.update(made)",
    ),
    "pod-garbage-collector": ("find(self._client.nodes, name", "pods.delete(meta.name", "pods.update_status(_failed"),
    "pv-protection-controller": ("self._client.kind(self.kind).update(",),
    "pvc-protection-controller": ("self._client.kind(self.kind).update(",),
    "replicaset-controller": _CONTROL,
    "replication-controller": ("pods.update(with_controller", "pods.update(without_owner", *_CONTROL),
    "resourcequota-controller": ("_client.update_status(wanted",),
    "statefulset-controller": ("persistent_volume_claims.update(wanted", *_REVISIONS),
    "trace-collector": ("delete(self._traces",),
    "ttl-after-finished-controller": ("find(self._client, name", "self._client.delete("),
    "system:volume-scheduler": ("persistent_volumes.update(made",),
}  # fmt: skip


class _Recorder:
    """Remembers who asked what, and asks on."""

    def __init__(self, authorizer: Authorizer, asked: dict[str, set[Attributes]]) -> None:
        self._authorizer, self._asked = authorizer, asked

    def authorize(self, attributes: Attributes) -> Verdict:
        role = AUTHOR.get().role
        if role in {"scheduler", "controller"}:
            self._asked[_CONTROLLER.get() or role].add(attributes)
        return self._authorizer.authorize(attributes)


@pytest.fixture(scope="module")
def asked() -> Mapping[str, set[Attributes]]:
    """What scheduler and controllers ask in some stories, by the name of the controller."""
    found: dict[str, set[Attributes]] = defaultdict(set)
    run = controller.Controller.run

    async def run_by_name(self: controller.Controller) -> None:
        _CONTROLLER.set(self.name)
        await run(self)

    class Recorded(World):
        def authorization(self, cacher: Cacher) -> Authorization:
            made = super().authorization(cacher)
            return made._replace(authorizer=_Recorder(made.authorizer, found))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controller.Controller, "run", run_by_name)
        for seed in _STORIES:
            assert simulate(draw(seed), world_of=Recorded).violation is None
    return found


def rules_named(role: str) -> Iterable[Rule]:
    name = role if role.startswith("system:") else f"system:controller:{role}"
    defaults: list[Any] = [*policy.cluster_roles(), *policy.roles()]
    for made in defaults:
        if made.metadata.name == name:
            yield from rules_of(made.rules)


def role_of(name: str) -> str:
    return _ROLE_OF.get(name, f"{name}-controller")


def test_each_controller_asks_only_for_what_its_role_and_the_shared_one_allow(
    asked: Mapping[str, set[Attributes]],
) -> None:
    shared = [*rules_named(policy.CONTROLLERS)]
    beyond = {
        (name, question.verb, question.group, question.combined)
        for name, questions in asked.items()
        if name not in {"scheduler", "controller"}
        for question in questions
        # These are asked by admission, and need not be granted.
        if question.verb not in {"escalate", "bind"}
        and not any(allows(rule, question) for rule in (*shared, *rules_named(role_of(name))))
    }
    assert len(asked) > 12
    assert beyond == set()


@pytest.mark.parametrize("role", [*policy.CONTROLLER_ROLES, policy.SCHEDULER, "system:volume-scheduler"])
def test_without_any_rule_of_a_role_something_would_be_refused(
    role: str, asked: Mapping[str, set[Attributes]]
) -> None:
    names = [name for name in asked if role_of(name) == role] or ["scheduler"]
    questions = [question for name in names for question in asked[name]]
    unused = [
        piece
        for rule in rules_named(role)
        for piece in pieces(rule)
        if not any(allows(as_asked(piece, question), question) for question in questions)
    ]
    if role == "generic-garbage-collector":
        # Of every kind the same is asked.
        unused = [piece for piece in unused if not _asks_of_some_kind(piece, questions)]
    if role == policy.SCHEDULER:
        # Processes ask this when somebody else calls their own service (`vaina/serving/delegated.py`).
        unused.remove(Rule(("create",), ("authorization.k8s.io",), ("subjectaccessreviews",)))
    if role in _PLACES:
        assert [call for call in _PLACES[role] if call not in _code()] == []
    else:
        assert unused == []


@cache
def _code() -> str:
    """Return the code of scheduler and controllers."""
    root = Path(__file__).parents[2]
    return "".join(
        path.read_text() for name in ("controller", "scheduler") for path in (root / name).rglob("*.py")
    )


def as_asked(piece: Rule, question: Attributes) -> Rule:
    """A list is what a watch falls back to."""
    return (
        piece._replace(verbs=("watch",)) if piece.verbs == ("list",) and question.verb == "watch" else piece
    )


def _asks_of_some_kind(piece: Rule, questions: Iterable[Attributes]) -> bool:
    return any(question.verb == piece.verbs[0] for question in questions)
