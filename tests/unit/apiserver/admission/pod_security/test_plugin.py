"""What the Pod Security admission refuses and warns of, through the API."""

import json

import pytest
from prometheus_client import CollectorRegistry

from apiserver.admission.chain import Attributes, Operation
from apiserver.admission.pod_security.levels import Level, LevelVersion, Policy
from apiserver.admission.pod_security.metrics import PodSecurityMetrics
from apiserver.context import Context
from tests.support.apiserver import Harness, make_apiserver
from tests.unit.apiserver.validation.cases import read
from vaina.api.core.v1 import namespace_pb2, pod_pb2
from vaina.errors import Forbidden, Invalid
from vaina.kinds import CRON_JOB, POD
from vaina.objects.patching import STRATEGIC_MERGE_PATCH
from vaina.testing.builders import make_deployment, make_namespace, make_pod

_ENFORCE, _WARN = "pod-security.kubernetes.io/enforce", "pod-security.kubernetes.io/warn"
_WHY = 'container "app" must not set securityContext.privileged=true'
_BASELINE = Policy(*(LevelVersion(Level.BASELINE),) * 3)


def _namespace(name: str = "team", **levels: str) -> namespace_pb2.Namespace:
    namespace = make_namespace(name)
    for mode, level in levels.items():
        namespace.metadata.labels[f"pod-security.kubernetes.io/{mode}"] = level
    return namespace


async def _api(**levels: str) -> Harness:
    api = make_apiserver()
    await api.client.namespaces.create(_namespace(**levels))
    return api


def _privileged(name: str = "web", namespace: str = "team") -> pod_pb2.Pod:
    pod = make_pod(name, namespace=namespace)
    pod.spec.containers[0].security_context.privileged = True
    return pod


async def _names(api: Harness, namespace: str = "team") -> list[str]:
    return [pod.metadata.name for pod in (await api.client.pods.list(namespace)).items]


async def test_a_pod_beyond_the_enforced_level_is_refused_and_not_stored() -> None:
    api = await _api(enforce="baseline")
    with pytest.raises(Forbidden) as refused:
        await api.client.pods.create(_privileged())
    assert refused.value.message == (
        f'pods "web" is forbidden: violates PodSecurity "baseline:latest": privileged ({_WHY})'
    )
    assert await _names(api) == []
    await api.client.pods.create(make_pod("web", namespace="team"))


async def test_what_is_invalid_is_told_before() -> None:
    api = await _api(enforce="baseline")
    pod = _privileged()
    pod.spec.restart_policy = "Sometimes"
    with pytest.raises(Invalid):
        await api.client.pods.create(pod)


async def test_a_generated_name_is_named() -> None:
    api = await _api(enforce="baseline")
    pod = _privileged("")
    pod.metadata.generate_name = "web-"
    with pytest.raises(Forbidden, match=r'^pods "web-\w{5}" is forbidden: violates PodSecurity'):
        await api.client.pods.create(pod)


async def test_of_a_batch_each_is_refused_by_its_name_and_the_others_are_stored() -> None:
    api = await _api(enforce="baseline")
    batch = [_privileged(f"p{number}") for number in range(3)] + [make_pod("good", namespace="team")]
    made = await api.client.pods.create_batch(batch)
    for number, result in enumerate(made[:3]):
        assert isinstance(result, Forbidden)
        assert result.message.startswith(f'pods "p{number}" is forbidden: violates PodSecurity')
    assert await _names(api) == ["good"]


async def test_a_dry_run_is_refused_as_well() -> None:
    api = await _api(enforce="baseline")
    with pytest.raises(Forbidden):
        await api.client.pods.create(_privileged(), dry_run=True)


async def test_of_what_is_only_warned_of_the_author_hears() -> None:
    api = await _api(warn="restricted")
    await api.client.pods.create(_privileged())
    assert any(text.startswith('would violate PodSecurity "restricted:latest": ') for text in api.warnings)


async def test_a_template_beyond_the_level_is_warned_of_and_stored() -> None:
    api = await _api(enforce="baseline")
    deployment = make_deployment("web", namespace="team")
    deployment.spec.template.spec.host_network = True
    made = await api.client.deployments.create(deployment)
    words = 'would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    assert api.warnings.count(words) == 1
    made.metadata.annotations["changed"] = "yes"
    await api.client.deployments.update(made)
    assert api.warnings.count(words) == 2


async def test_the_template_of_a_cron_job_is_looked_at() -> None:
    api = await _api(enforce="baseline")
    text = """
    apiVersion: batch/v1
    kind: CronJob
    metadata: {name: c, namespace: team}
    spec: {schedule: "* * * * *", jobTemplate: {spec: {template: {spec: {
      restartPolicy: Never, hostPID: true, containers: [{name: a, image: i}]}}}}}
    """
    await api.client.kind(CRON_JOB).create(read(text))
    assert 'would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)' in api.warnings


async def test_an_update_is_looked_at_when_an_image_changes() -> None:
    api = await _api()
    pod = await api.client.pods.create(_privileged())
    await api.client.namespaces.patch("team", json.dumps({"metadata": {"labels": {_ENFORCE: "baseline"}}}))
    pod.metadata.labels["a"] = "b"
    pod = await api.client.pods.update(pod)
    pod.spec.containers[0].image = "registry.local/app:2"
    with pytest.raises(Forbidden, match='violates PodSecurity "baseline:latest"'):
        await api.client.pods.update(pod)
    patch = json.dumps({"spec": {"containers": [{"name": "app", "image": "registry.local/app:2"}]}})
    with pytest.raises(Forbidden, match='violates PodSecurity "baseline:latest"'):
        await api.client.pods.patch("web", patch, namespace="team", patch_type=STRATEGIC_MERGE_PATCH)
    assert (await api.client.pods.get("web", "team")).spec.containers[0].image != "registry.local/app:2"


async def test_a_debug_container_beyond_the_level_is_refused() -> None:
    api = await _api(enforce="baseline")
    await api.client.pods.create(make_pod("web", namespace="team"))

    def patch(*, privileged: bool) -> str:
        shell = {"name": "shell", "image": "busybox", "securityContext": {"privileged": privileged}}
        return json.dumps({"spec": {"ephemeralContainers": [shell]}})

    async def add(text: str) -> pod_pb2.Pod:
        return await api.client.pods.patch(
            "web", text, namespace="team", patch_type=STRATEGIC_MERGE_PATCH, subresource="ephemeralcontainers"
        )

    with pytest.raises(Forbidden, match='container "shell" must not set'):
        await add(patch(privileged=True))
    assert len((await add(patch(privileged=False))).spec.ephemeral_containers) == 1


async def test_labels_that_say_nothing_are_refused_when_they_come() -> None:
    api = make_apiserver()
    words = (
        'Namespace "team" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "high": '
        "must be one of privileged, baseline, restricted"
    )
    with pytest.raises(Invalid) as refused:
        await api.client.namespaces.create(_namespace(enforce="high"))
    assert refused.value.message == words
    made = await api.client.namespaces.create(_namespace())
    made.metadata.labels[_ENFORCE] = "high"
    with pytest.raises(Invalid) as refused:
        await api.client.namespaces.update(made)
    assert refused.value.message == words


async def test_of_a_stricter_level_the_author_hears_which_pods_break_it() -> None:
    api = await _api()
    for name in ("b", "a", "c"):
        await api.client.pods.create(_privileged(name))
    await api.client.pods.create(make_pod("good", namespace="team"))
    host = make_pod("host", namespace="team")
    host.spec.host_network = True
    await api.client.pods.create(host)
    api.warnings.clear()
    await api.client.namespaces.patch("team", json.dumps({"metadata": {"labels": {_ENFORCE: "baseline"}}}))
    assert api.warnings == [
        'existing pods in namespace "team" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 2 other pods): privileged",
        "host: host namespaces",
    ]
    api.warnings.clear()
    for labels in ({_ENFORCE: "privileged"}, {_WARN: "restricted"}):
        await api.client.namespaces.patch("team", json.dumps({"metadata": {"labels": labels}}))
    assert api.warnings == []


async def test_defaults_hold_where_no_label_says_otherwise_and_some_namespaces_are_exempt() -> None:
    api = make_apiserver(pod_security=_BASELINE, exempt=("system",))
    await api.client.namespaces.create(
        _namespace("open", enforce="privileged", warn="privileged", audit="privileged")
    )
    for name in ("team", "system"):
        await api.client.namespaces.create(_namespace(name))
    with pytest.raises(Forbidden):
        await api.client.pods.create(_privileged(namespace="team"))
    await api.client.pods.create(_privileged(namespace="open"))
    await api.client.pods.create(_privileged(namespace="system"))
    assert not any("PodSecurity" in text for text in api.warnings)
    api.warnings.clear()
    await api.client.namespaces.patch(
        "system", json.dumps({"metadata": {"labels": {_ENFORCE: "restricted"}}})
    )
    assert api.warnings == [
        'namespace "system" is exempt from Pod Security, and the policy (enforce=restricted:latest) will be ignored'
    ]


async def test_evaluations_and_exemptions_are_counted() -> None:
    registry = CollectorRegistry()
    metrics = PodSecurityMetrics(registry)
    attributes = Attributes(Context(), Operation.CREATE, POD, "team", "web")
    metrics.evaluated(attributes, "enforce", LevelVersion(Level.BASELINE), allowed=False)
    metrics.evaluated(attributes, "enforce", LevelVersion(Level.BASELINE, 999), allowed=True)
    metrics.exempted(attributes)
    metrics.failed(attributes)
    request = {"request_operation": "create", "resource": "pod", "subresource": ""}
    count = registry.get_sample_value
    policy = {"mode": "enforce", "policy_level": "baseline"} | request
    denied = {"decision": "deny", "policy_version": "latest"} | policy
    assert count("pod_security_evaluations_total", denied) == 1
    assert (
        count("pod_security_evaluations_total", {"decision": "allow", "policy_version": "future"} | policy)
        == 1
    )
    assert count("pod_security_exemptions_total", request) == 1
    assert count("pod_security_errors_total", {"fatal": "false"} | request) == 1
