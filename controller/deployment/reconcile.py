"""PURE: what to do next for a Deployment, one step a call: the answers to its writes bring the next one.

Follows upstream's syncDeployment (`pkg/controller/deployment/deployment_controller.go`), and
getNewReplicaSet and SetNewReplicaSetAnnotations but for the hash, which is over Go's memory there. It must
differ where templates do; templates are compared, never hashes (decision 133).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controller.deployment import rollout, status
from controller.ownership import claim
from controller.plans import copy_of
from controller.pods import ALPHABET
from vaina.api.apps.v1.deployment_pb2 import DeploymentStatus
from vaina.kinds import DEPLOYMENT
from vaina.objects import rollouts
from vaina.objects.conditions import get_condition
from vaina.objects.meta import new_controller_ref
from vaina.objects.rollouts import Deployment
from vaina.objects.selectors import from_message

#: characters of the revisions that a ReplicaSet remembers to have been
MAX_HISTORY: Final = 2000


@dataclass(frozen=True, slots=True)
class Change:
    """A ReplicaSet as it should be, and how many replicas it had."""

    wanted: rollouts.ReplicaSet
    before: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order. All empty: the world is as it should be."""

    adopt: tuple[rollouts.ReplicaSet, ...] = ()
    release: tuple[rollouts.ReplicaSet, ...] = ()
    create: rollouts.ReplicaSet | None = None
    changes: tuple[Change, ...] = ()
    #: old ReplicaSets that are beyond what is remembered
    delete: tuple[rollouts.ReplicaSet, ...] = ()
    #: the revision to note on the Deployment; None when it is noted
    revision: str | None = None
    #: the status to write; None when it is written
    status: DeploymentStatus | None = None
    #: when to look again though nothing happens
    wake_seconds: float | None = None

    @property
    def acts(self) -> bool:
        return bool(self.adopt or self.release or self.create or self.changes or self.delete)


def reconcile(deployment: Deployment, candidates: Sequence[rollouts.ReplicaSet], now: float) -> Plan:
    """Decide for a Deployment; `candidates` are the ReplicaSets that it controls, and the namespace's
    orphans.
    """
    selector = from_message(deployment.spec.selector)
    claims = claim(deployment.metadata, candidates, lambda rs: selector.matches(rs.metadata.labels))
    if claims.adopt or claims.release:
        return Plan(adopt=claims.adopt, release=claims.release)
    sets = claims.owned
    new = rollouts.new_replica_set(deployment, sets)
    told = status.begin(deployment, now)
    if deployment.metadata.HasField("deletion_timestamp"):
        status.count(told, deployment, new, sets, now)
        return Plan(status=_if_changed(told, deployment))
    return _Step(deployment, sets, new, told, now).plan()


def _if_changed(told: DeploymentStatus, deployment: Deployment) -> DeploymentStatus | None:
    return None if told == deployment.status else told


class _Step:
    def __init__(
        self,
        deployment: Deployment,
        sets: Sequence[rollouts.ReplicaSet],
        new: rollouts.ReplicaSet | None,
        told: DeploymentStatus,
        now: float,
    ) -> None:
        self.deployment, self.sets, self.new, self.told, self.now = deployment, sets, new, told, now
        self.old = rollouts.old_replica_sets(deployment, sets)
        self.revision = max((rollouts.revision_of(rs.metadata) for rs in self.old), default=0) + 1
        self.create: rollouts.ReplicaSet | None = None
        #: copies of what may have to change, by name
        self.copies: dict[str, rollouts.ReplicaSet] = {}

    def plan(self) -> Plan:
        deployment, spec = self.deployment, self.deployment.spec
        self._keep_in_step()
        rolls = not spec.paused and not rollout.is_scaling(deployment, self.sets)
        if not rolls:
            for name, size in rollout.scale(deployment, self.new, self.old).items():
                self._resize(name, size)
        elif rollouts.is_rolling(deployment):
            self._roll()
        else:
            self._recreate()
        status.count(self.told, deployment, self.new, self.sets, self.now)
        if rolls:
            name = self._new_name()
            status.judge_progress(self.told, deployment, name, self.now)
            status.copy_failure(self.told, self.new, self.sets)
        noted = self._noted_revision()
        return Plan(
            create=self.create, changes=self._changes(), delete=self._beyond_history(),
            revision=None if noted in ("", deployment.metadata.annotations.get(rollouts.REVISION)) else noted,
            status=_if_changed(self.told, deployment), wake_seconds=status.wake_in(deployment, self.told, self.now),
        )  # fmt: skip

    def _keep_in_step(self) -> None:
        if self.new is None:
            return
        keep_in_step(self.deployment, self._copy(self.new), self.revision)
        if rollouts.has_deadline(self.deployment) and get_condition(self.told, status.PROGRESSING) is None:
            words = f'Found new replica set "{self.new.metadata.name}"'
            status.set_condition(self.told, status.PROGRESSING, "True", status.FOUND, words, self.now)

    def _roll(self) -> None:
        old = [rollout.size_of(rs) for rs in self.old if rollouts.replicas_of(rs)]
        if self.new is None:
            made = self._create(rollout.new_size(self.deployment, 0, sum(item.replicas for item in old)))
            new = rollout.Size(made.metadata.name, made.spec.replicas, 0)
        else:
            new = rollout.size_of(self.new)
        for name, size in rollout.roll(self.deployment, new, old).items():
            self._resize(name, size)

    def _recreate(self) -> None:
        running = [rs for rs in self.old if rollouts.replicas_of(rs)]
        for rs in running:
            self._resize(rs.metadata.name, 0)
        if running or not rollout.may_recreate(self.old):
            return
        if self.new is None:
            self._create(rollouts.replicas_of(self.deployment))
        else:
            self._resize(self.new.metadata.name, rollouts.replicas_of(self.deployment))

    def _create(self, replicas: int) -> rollouts.ReplicaSet:
        made = self.create = make_replica_set(self.deployment, replicas, self.revision)
        if rollouts.has_deadline(self.deployment):
            words = f'Created new replica set "{made.metadata.name}"'
            status.set_condition(self.told, status.PROGRESSING, "True", status.CREATED, words, self.now)
        return made

    def _copy(self, rs: rollouts.ReplicaSet) -> rollouts.ReplicaSet:
        name = rs.metadata.name
        if name not in self.copies:
            self.copies[name] = copy_of(rs)
        return self.copies[name]

    def _resize(self, name: str, size: int) -> None:
        found = next((rs for rs in self.sets if rs.metadata.name == name), None)
        if found is not None:
            copy = self._copy(found)
            copy.spec.replicas = size
            note_scale(self.deployment, copy)

    def _changes(self) -> tuple[Change, ...]:
        """Return what changes; ReplicaSets that grow come last, so that others make room if a write fails."""
        pairs = [(rs, self.copies[rs.metadata.name]) for rs in self.sets if rs.metadata.name in self.copies]
        changes = [Change(copy, rollouts.replicas_of(rs)) for rs, copy in pairs if copy != rs]
        return tuple(
            sorted(changes, key=lambda it: (it.wanted.spec.replicas > it.before, rollouts.age_key(it.wanted)))
        )

    def _new_name(self) -> str:
        found = self.new or self.create
        return "" if found is None else found.metadata.name

    def _noted_revision(self) -> str:
        """Return the Deployment's revision, which is that of its new ReplicaSet."""
        if self.create is not None:
            return self.create.metadata.annotations[rollouts.REVISION]
        if self.new is None:
            return ""
        return self.copies[self.new.metadata.name].metadata.annotations.get(rollouts.REVISION, "")

    def _beyond_history(self) -> tuple[rollouts.ReplicaSet, ...]:
        """Return the ReplicaSets without Pods beyond the limit, the earliest first; none in a rollout."""
        spec = self.deployment.spec
        limit = spec.revision_history_limit if spec.HasField("revision_history_limit") else rollouts.UNLIMITED
        if limit == rollouts.UNLIMITED or not (
            spec.paused or status.is_complete(self.deployment, self.deployment.status)
        ):
            return ()
        alive = [rs for rs in self.old if not rs.metadata.HasField("deletion_timestamp")]
        alive.sort(key=lambda rs: (rollouts.revision_of(rs.metadata), rollouts.age_key(rs)))
        beyond = alive[: max(len(alive) - limit, 0)]
        return tuple(rs for rs in beyond if rs.metadata.name not in self.copies and _is_idle(rs))


def _is_idle(rs: rollouts.ReplicaSet) -> bool:
    return (
        rollouts.replicas_of(rs) == rs.status.replicas == 0
        and rs.status.observed_generation >= rs.metadata.generation
    )


def template_hash(deployment: Deployment) -> str:
    """Return the hash of a template, 32 bits in letters; another one after each collision."""
    digest = hashlib.sha256(deployment.spec.template.SerializeToString(deterministic=True))
    if deployment.status.HasField("collision_count"):
        digest.update(deployment.status.collision_count.to_bytes(8, "little"))
    number = str(int.from_bytes(digest.digest()[:4], "big"))
    return "".join(ALPHABET[ord(digit) % len(ALPHABET)] for digit in number)


def make_replica_set(deployment: Deployment, replicas: int, revision: int) -> rollouts.ReplicaSet:
    """Return the ReplicaSet to create."""
    code = template_hash(deployment)
    made = rollouts.ReplicaSet()
    meta = made.metadata
    meta.name, meta.namespace = f"{deployment.metadata.name}-{code}", deployment.metadata.namespace
    meta.owner_references.append(new_controller_ref(deployment, DEPLOYMENT.api_version, DEPLOYMENT.kind))
    made.spec.template.CopyFrom(deployment.spec.template)
    made.spec.template.metadata.labels[rollouts.POD_TEMPLATE_HASH] = code
    meta.labels.update(made.spec.template.metadata.labels)
    made.spec.selector.CopyFrom(deployment.spec.selector)
    made.spec.selector.match_labels[rollouts.POD_TEMPLATE_HASH] = code
    made.spec.replicas = replicas
    made.spec.min_ready_seconds = deployment.spec.min_ready_seconds
    keep_in_step(deployment, made, revision)
    note_scale(deployment, made)
    return made


def keep_in_step(deployment: Deployment, rs: rollouts.ReplicaSet, revision: int) -> None:
    """Bring annotations, revision and minReadySeconds of the new ReplicaSet up to date."""
    annotations = rs.metadata.annotations
    for key, value in deployment.metadata.annotations.items():
        if key not in rollouts.OWN_ANNOTATIONS and annotations.get(key) != value:
            annotations[key] = value
    before = rollouts.revision_of(rs.metadata)
    if before < revision:
        if rollouts.REVISION in annotations:
            _remember(rs, annotations[rollouts.REVISION])
        annotations[rollouts.REVISION] = str(revision)
    rs.spec.min_ready_seconds = deployment.spec.min_ready_seconds


def _remember(rs: rollouts.ReplicaSet, revision: str) -> None:
    """Note that a ReplicaSet that is used again was an earlier revision; the oldest are forgotten."""
    known = rs.metadata.annotations.get(rollouts.REVISION_HISTORY, "")
    history = [*(known.split(",") if known else ()), revision]
    while len(history) > 1 and len(",".join(history)) > MAX_HISTORY:
        history.pop(0)
    rs.metadata.annotations[rollouts.REVISION_HISTORY] = ",".join(history)


def note_scale(deployment: Deployment, rs: rollouts.ReplicaSet) -> None:
    """Note on a ReplicaSet for which size of the Deployment it was scaled."""
    wished = rollouts.replicas_of(deployment)
    rs.metadata.annotations[rollouts.DESIRED_REPLICAS] = str(wished)
    rs.metadata.annotations[rollouts.MAX_REPLICAS] = str(wished + rollouts.fenceposts(deployment)[0])
