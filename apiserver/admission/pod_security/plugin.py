"""Admission by the Pod Security Standards: a namespace's labels say what its Pods may ask for.

Follows k8s.io/pod-security-admission `admission/admission.go`. A Pod beyond the enforced level is refused. The
author of a Pod or a template beyond the level of `warn` is warned. A namespace whose labels become
stricter is changed all the same, and its author is warned of Pods that would be refused now.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, TypeAlias

from apiserver import refusals
from apiserver.admission.chain import Attributes, Operation, Owed
from apiserver.admission.pod_security.checks import Subject, subject_of
from apiserver.admission.pod_security.levels import (
    PREFIX,
    Level,
    LevelVersion,
    Policy,
    details,
    evaluate,
    policy_of,
    reasons,
)
from apiserver.admission.pod_security.metrics import PodSecurityMetrics
from apiserver.storage import keys
from apiserver.storage.interface import CachedStorage, Read, Version
from vaina.api.core.v1 import namespace_pb2, pod_pb2
from vaina.clock import Clock
from vaina.errors import ApiError, FieldError
from vaina.kinds import NAMESPACE, POD, Kind

#: kinds with a template of Pods, and where it is
_TEMPLATES: Final = {
    "ReplicationController": "spec.template", "ReplicaSet": "spec.template", "Deployment": "spec.template",
    "StatefulSet": "spec.template", "DaemonSet": "spec.template", "Job": "spec.template",
    "CronJob": "spec.job_template.spec.template", "PodTemplate": "template",
}  # fmt: skip
#: the annotation of the audit log that names the level a Pod was held to
_ENFORCED: Final = f"{PREFIX}enforce-policy"
#: namespaces whose policy is remembered; when there are more, all are forgotten
_MAX_KNOWN: Final = 4096
#: what the labels of a namespace say, and what is wrong with them
_Policy: TypeAlias = tuple[Policy, list[FieldError]]


class PodSecurity:
    """The plugin. Owned by one event loop."""

    #: what a Pod breaks does not depend on its name; the refusal, which has the name, is made for each
    ignores_names = True

    def __init__(
        self,
        storage: CachedStorage,
        clock: Clock,
        *,
        defaults: Policy,
        exempt: Collection[str] = (),
        metrics: PodSecurityMetrics | None = None,
    ) -> None:
        """Make the plugin; `defaults` hold for modes that no label of a namespace names."""
        self._storage, self._clock = storage, clock
        self._defaults, self._exempt = defaults, frozenset(exempt)
        self._metrics = metrics or PodSecurityMetrics()
        #: with the version of the namespace
        self._known: dict[str, tuple[Version, _Policy]] = {}

    async def admit(self, attributes: Attributes) -> None:
        """Add the check of an update: it needs the stored object."""
        if attributes.operation is not Operation.UPDATE:
            return
        if attributes.kind is NAMESPACE:
            if not attributes.subresource:
                self._check_namespace_update(attributes)
            return
        policy = await self._policy_for(attributes, {})
        if policy is None:
            return
        kind = attributes.kind

        def check(new: Any, old: Any) -> None:
            subject = _subject(kind, new)
            if subject is not None and (kind is not POD or is_significant(new, old)):
                self._judge(attributes, policy, subject)

        attributes.checks.append(check)

    async def validate(self, batch: Sequence[Attributes]) -> list[ApiError | None]:
        """Look at new objects. Each namespace is looked up once."""
        refused: list[ApiError | None] = []
        looked_up: dict[str, _Policy] = {}
        for attributes in batch:
            try:
                await self._validate(attributes, looked_up)
                refused.append(None)
            except ApiError as error:
                refused.append(error)
        return refused

    async def _validate(self, attributes: Attributes, looked_up: dict[str, _Policy]) -> None:
        if attributes.kind is NAMESPACE:
            namespace: Any = attributes.object
            policy, errors = policy_of(namespace.metadata.labels, self._defaults)
            if errors:
                raise refusals.invalid(NAMESPACE, attributes.name, errors)
            self._warn_of_exemption(attributes, policy, namespace)
            return
        found = await self._policy_for(attributes, looked_up)
        subject = None if found is None else _subject(attributes.kind, attributes.object)
        if found is not None and subject is not None:
            self._judge(attributes, found, subject)

    async def _policy_for(self, attributes: Attributes, looked_up: dict[str, _Policy]) -> Policy | None:
        """Return the policy that a Pod or a template is held to; None: it is not looked at."""
        kind, name = attributes.kind, attributes.namespace
        if kind is not POD and (kind.kind not in _TEMPLATES or attributes.subresource):
            return None
        annotate = attributes.context.annotate
        if name in self._exempt:
            self._metrics.exempted(attributes)
            annotate(f"{PREFIX}exempt", "namespace")
            return None
        if name not in looked_up:
            looked_up[name] = await self._policy_of(name)
        policy, errors = looked_up[name]
        if errors:
            self._metrics.failed(attributes)
            words = ", ".join(map(str, errors))
            annotate(
                f"{PREFIX}error", f"Failed to parse policy: {f'[{words}]' if len(errors) > 1 else words}"
            )
        elif policy.is_privileged and kind is POD:
            self._metrics.evaluated(attributes, "enforce", policy.enforce, allowed=True)
            annotate(_ENFORCED, str(policy.enforce))
            return None
        elif kind is not POD and policy.warn.level == policy.audit.level == Level.PRIVILEGED:
            return None
        return policy

    async def _policy_of(self, namespace: str) -> _Policy:
        key = keys.object_key(NAMESPACE, "", namespace)  # type: ignore[arg-type]  # a Kind[Namespace] is a Kind
        stored = self._storage.peek(key, Version(0)) or await self._storage.get(key)
        if stored is None:
            # No Pod can be stored here: another plugin refuses a create, and an update finds no object.
            return self._defaults, []
        known = self._known.get(namespace)
        if known is None or known[0] != stored.version:
            labels = namespace_pb2.Namespace.FromString(stored.data).metadata.labels
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[namespace] = stored.version, policy_of(labels, self._defaults)
        return known[1]

    def _judge(self, attributes: Attributes, policy: Policy, subject: Subject) -> None:
        """Raise Forbidden when a Pod is beyond what is enforced; warn when it is beyond what is warned of.

        The audit log hears of what is enforced, and of what is beyond the level for audits.
        """
        found = {mode: evaluate(mode, subject) for mode in set(policy)}
        metrics = self._metrics
        if attributes.kind is POD:
            wrong = found[policy.enforce]
            attributes.context.annotate(_ENFORCED, str(policy.enforce))
            metrics.evaluated(attributes, "enforce", policy.enforce, allowed=not wrong)
        else:
            wrong = []
        if found[policy.audit]:
            metrics.evaluated(attributes, "audit", policy.audit, allowed=False)
            attributes.context.annotate(
                f"{PREFIX}audit-violations",
                f'would violate PodSecurity "{policy.audit}": {details(found[policy.audit])}',
            )
        if wrong:
            why = f'violates PodSecurity "{policy.enforce}": {details(wrong)}'
            raise refusals.forbidden(attributes.kind, attributes.name, why)
        if found[policy.warn]:
            metrics.evaluated(attributes, "warn", policy.warn, allowed=False)
            attributes.context.warn(
                f'would violate PodSecurity "{policy.warn}": {details(found[policy.warn])}'
            )

    def _check_namespace_update(self, attributes: Attributes) -> None:
        pods: list[pod_pb2.Pod] | None = None
        total = 0

        async def look() -> None:
            """Read the Pods that the new level is held against."""
            nonlocal pods, total
            prefix = keys.namespace_prefix(POD, attributes.name)  # type: ignore[arg-type]  # a Kind[Pod] is a Kind
            items = (await self._storage.list(prefix, Read(at_least=Version(0)))).items
            total, pods = len(items), [pod_pb2.Pod.FromString(item.data) for item in items[:_MAX_PODS]]

        def check(new: namespace_pb2.Namespace, old: namespace_pb2.Namespace) -> None:
            policy, errors = policy_of(new.metadata.labels, self._defaults)
            before, errors_before = policy_of(old.metadata.labels, self._defaults)
            if errors and errors != errors_before:
                raise refusals.invalid(NAMESPACE, attributes.name, errors)
            if not _is_stricter(policy, before):
                return
            if attributes.name in self._exempt:
                self._warn_of_exemption(attributes, policy, new)
            elif pods is None:
                raise Owed(look)
            else:
                for text in _warnings_for_existing(
                    attributes.name, policy.enforce, pods, total, self._clock.monotonic
                ):
                    attributes.context.warn(text)

        attributes.checks.append(check)

    def _warn_of_exemption(
        self, attributes: Attributes, policy: Policy, namespace: namespace_pb2.Namespace
    ) -> None:
        """Warn the author of a namespace that its labels have no effect, because it is exempt."""
        name, labels = namespace.metadata.name, namespace.metadata.labels
        if name not in self._exempt or policy.is_privileged or policy == self._defaults:
            return
        shown = [
            f"{mode}={asked}"
            for mode, asked in zip(Policy._fields, policy, strict=True)
            if asked.level and {PREFIX + mode, f"{PREFIX}{mode}-version"} & labels.keys()
        ]
        attributes.context.warn(
            f'namespace "{name}" is exempt from Pod Security, and the policy ({", ".join(shown)}) will be ignored'
        )


def is_significant(new: pod_pb2.Pod, old: pod_pb2.Pod) -> bool:
    """Say whether an update may change what a Pod breaks: other images, or containers that came. PURE."""
    one, other = new.spec, old.spec
    for field in ("containers", "init_containers"):
        images = [[container.image for container in getattr(spec, field)] for spec in (one, other)]
        if images[0] != images[1]:
            return True
    was = {
        ephemeral.ephemeral_container_common.name: ephemeral.ephemeral_container_common.image
        for ephemeral in other.ephemeral_containers
    }
    return any(
        was.get(ephemeral.ephemeral_container_common.name) != ephemeral.ephemeral_container_common.image
        for ephemeral in one.ephemeral_containers
    )


def _is_stricter(policy: Policy, before: Policy) -> bool:
    """Say whether a namespace may refuse Pods now that it took before."""
    new, old = policy.enforce, before.enforce
    if new == old or new.level is Level.PRIVILEGED:
        return False
    return new.minor != old.minor or new.level > old.level


def _subject(kind: Kind[Any], obj: Any) -> Subject | None:
    """Return what the rules look at in an object; None when it has no template."""
    for name in _TEMPLATES.get(kind.kind, "").split(".") if kind is not POD else ():
        if not obj.HasField(name):
            return None
        obj = getattr(obj, name)
    return subject_of(obj.metadata, obj.spec)


#: so many Pods are looked at, within this time
_MAX_PODS: Final = 3000
_SECONDS: Final = 1.0


def _warnings_for_existing(
    namespace: str,
    enforce: LevelVersion,
    pods: Sequence[pod_pb2.Pod],
    total: int,
    now: Callable[[], float],
) -> list[str]:
    """Return the warnings for the author of a stricter level; `pods` are the first of `total`."""
    until, looked_at = now() + _SECONDS, 0
    names: dict[str, list[str]] = {}
    for pod in _one_of_each_controller_first(pods):
        looked_at += 1
        broken = evaluate(enforce, subject_of(pod.metadata, pod.spec))
        if broken:
            names.setdefault(reasons(broken), []).append(pod.metadata.name)
        if now() > until:
            break
    found: list[str] = []
    if looked_at < total:
        found.append(
            f"new PodSecurity enforce level only checked against the first {looked_at} of {total} existing pods"
        )
    if names:
        found.append(
            f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{enforce}"'
        )
    return [*found, *sorted(_line(pods, why) for why, pods in names.items())]


def _line(pods: Sequence[str], why: str) -> str:
    first, others = min(pods), len(pods) - 1
    also = {0: "", 1: " (and 1 other pod)"}.get(others, f" (and {others} other pods)")
    return f"{first}{also}: {why}"


def _one_of_each_controller_first(pods: Iterable[pod_pb2.Pod]) -> list[pod_pb2.Pod]:
    """Return the first Pod of each controller and all Pods without one, then the rest; both in their order."""
    first, again, seen = list[pod_pb2.Pod](), list[pod_pb2.Pod](), set[str]()
    for pod in pods:
        owner = next((one.uid for one in pod.metadata.owner_references if one.controller), "")
        (again if owner in seen else first).append(pod)
        if owner:
            seen.add(owner)
    return first + again
