"""`create deployment`, `rollout`, `set`, `tree`, `apply --wait`.

What they print, and with which exit code they end.
"""

from collections.abc import Iterator

import pytest

from tests.support.command import CommandLine
from vaina.api.apps.v1 import deployment_pb2
from vaina.client.clientset import Clientset
from vaina.objects.rollouts import POD_TEMPLATE_HASH, REVISION
from vaina.testing.builders import make_pod, make_replica_set, owner_ref


@pytest.fixture
def vaina() -> Iterator[CommandLine]:
    return CommandLine()


@pytest.fixture
def web(vaina: CommandLine) -> CommandLine:
    made = vaina.run("create", "deployment", "web", "--image", "busybox:1", "--replicas", "3")
    assert (made.code, made.out) == (0, "deployment.apps/web created\n")
    return vaina


def get(vaina: CommandLine) -> deployment_pb2.Deployment:
    return vaina.do(lambda clients: clients.deployments.get("web", "default"))


def report(vaina: CommandLine, *, reason: str = "", **counts: int) -> None:
    """Say in the status how far the Deployment is."""

    async def write(clients: Clientset) -> None:
        found = await clients.deployments.get("web", "default")
        found.status.observed_generation = found.metadata.generation
        for name, value in counts.items():
            setattr(found.status, name, value)
        if reason:
            found.status.conditions.add(type="Progressing", status="False", reason=reason)
        await clients.deployments.update_status(found)

    vaina.do(write)


def remember(vaina: CommandLine, revision: int, image: str, cause: str = "") -> None:
    """Make a ReplicaSet that the Deployment had as this revision."""

    async def write(clients: Clientset) -> None:
        found = await clients.deployments.get("web", "default")
        rs = make_replica_set(f"web-{revision}", labels={"app": "web"}, replicas=0)
        rs.spec.template.CopyFrom(found.spec.template)
        rs.spec.template.metadata.labels[POD_TEMPLATE_HASH] = str(revision)
        rs.spec.template.spec.containers[0].image = image
        rs.metadata.labels["app"] = "web"
        rs.metadata.annotations[REVISION] = str(revision)
        if cause:
            rs.metadata.annotations["kubernetes.io/change-cause"] = cause
        rs.metadata.owner_references.append(owner_ref("Deployment", "web", found.metadata.uid))
        await clients.replica_sets.create(rs)

    vaina.do(write)


def test_create_deployment_makes_what_kubectl_makes(vaina: CommandLine) -> None:
    shown = vaina.run(
        "create",
        "deployment",
        "web",
        "--image",
        "a.example/x/shop_1:2",
        "--port",
        "80",
        "--dry-run",
        "-o",
        "yaml",
    )
    assert "    app: web\n" in shown.out
    assert "- image: a.example/x/shop_1:2\n        name: shop-1\n" in shown.out
    assert vaina.run("get", "deploy").err == "No resources found in default namespace.\n"
    assert vaina.run("create", "deployment", "web", "--image", "a", "--replicas", "-1").err == (
        "error: --replicas must be greater than or equal to 0\n"
    )


def test_create_still_takes_manifests(vaina: CommandLine) -> None:
    text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"
    assert vaina.run("create", "-f", "-", stdin=text).out == "configmap/a created\n"


def test_the_namespace_may_stand_before_the_verb_of_a_group(vaina: CommandLine) -> None:
    vaina.run("create", "-f", "-", stdin="{apiVersion: v1, kind: Namespace, metadata: {name: ns1}}")
    assert vaina.run("create", "-n", "ns1", "deployment", "web", "--image", "a").code == 0
    assert vaina.run("rollout", "-n", "ns1", "pause", "deployment/web").out == "deployment.apps/web paused\n"
    assert (
        vaina.run("set", "-n", "ns1", "image", "deployment/web", "a=b").out
        == "deployment.apps/web image updated\n"
    )
    assert vaina.run("get", "deployments", "-n", "ns1", "-o", "name").out == "deployment.apps/web\n"


def test_scale_changes_the_number(web: CommandLine) -> None:
    assert web.run("scale", "deployment/web", "--replicas=5").out == "deployment.apps/web scaled\n"
    assert get(web).spec.replicas == 5


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, "Waiting for deployment spec update to be observed..."),
        (
            {"updated_replicas": 1, "replicas": 1},
            'Waiting for deployment "web" rollout to finish: 1 out of 3 new replicas have been updated...',
        ),
        (
            {"updated_replicas": 3, "replicas": 5},
            'Waiting for deployment "web" rollout to finish: 2 old replicas are pending termination...',
        ),
        (
            {"updated_replicas": 3, "replicas": 3, "ready_replicas": 2, "available_replicas": 2},
            'Waiting for deployment "web" rollout to finish: 2 of 3 updated replicas are available...',
        ),
        (
            {"updated_replicas": 3, "replicas": 3, "ready_replicas": 3, "available_replicas": 3},
            'deployment "web" successfully rolled out',
        ),
    ],
)
def test_rollout_status_says_how_far_it_is(web: CommandLine, counts: dict[str, int], words: str) -> None:
    if counts:
        report(web, **counts)
    result = web.run("rollout", "status", "deployment/web", "--watch=false")
    assert (result.code, result.out) == (0, f"{words}\n")


def test_rollout_status_ends_when_it_is_over(web: CommandLine) -> None:
    report(web, updated_replicas=3, replicas=3, ready_replicas=3, available_replicas=3)
    assert web.run("rollout", "status", "deploy/web").out == 'deployment "web" successfully rolled out\n'


def test_rollout_status_fails_with_what_the_pods_wait_for(web: CommandLine) -> None:
    report(web, reason="ProgressDeadlineExceeded", updated_replicas=1, replicas=1)
    remember(web, 1, "busybox:1")

    async def stuck(clients: Clientset) -> None:
        rs = await clients.replica_sets.get("web-1", "default")
        pod = make_pod(
            "web-1-a", labels={"app": "web"}, owner=owner_ref("ReplicaSet", "web-1", rs.metadata.uid)
        )
        made = await clients.pods.create(pod)
        status = made.status.container_statuses.add(name="main", image="busybox:1")
        status.state.waiting.reason, status.state.waiting.message = "ImagePullBackOff", "no such image"
        await clients.pods.update_status(made, mask=("container_statuses",))

    web.do(stuck)
    result = web.run("rollout", "status", "deploy/web")
    assert result.code == 1
    assert result.err == (
        'error: deployment "web" exceeded its progress deadline\n'
        "  pod/web-1-a: container main: ImagePullBackOff: no such image\n"
    )


def test_history_shows_revisions_and_templates(web: CommandLine) -> None:
    remember(web, 1, "busybox:1", "first")
    remember(web, 2, "busybox:2")
    assert web.run("rollout", "history", "deployment/web").out == (
        "deployment.apps/web \nREVISION   CHANGE-CAUSE\n1          first\n2          <none>\n\n"
    )
    shown = web.run("rollout", "history", "deployment/web", "--revision=2").out
    assert shown.startswith("deployment.apps/web with revision #2\nPod Template:\n")
    assert "Image:        busybox:2" in shown
    result = web.run("rollout", "history", "deployment/web", "--revision=9")
    assert result.err == "error: unable to find the specified revision\n"


def test_undo_goes_back_to_the_last_or_a_named_revision(web: CommandLine) -> None:
    missing = web.run("rollout", "undo", "deployment/web")
    assert missing.err == 'error: no rollout history found for deployment "web"\n'
    remember(web, 1, "busybox:0", "first")
    remember(web, 2, "busybox:1")
    assert web.run("rollout", "undo", "deployment/web").out == "deployment.apps/web rolled back\n"
    found = get(web)
    assert found.spec.template.spec.containers[0].image == "busybox:0"
    assert POD_TEMPLATE_HASH not in found.spec.template.metadata.labels
    assert found.metadata.annotations["kubernetes.io/change-cause"] == "first"
    assert web.run("rollout", "undo", "deployment/web", "--to-revision=1").out == (
        "deployment.apps/web skipped rollback (current template already matches revision 1)\n"
    )
    assert web.run("rollout", "undo", "deployment/web", "--to-revision=7").err == (
        "error: unable to find specified revision 7 in history\n"
    )


def test_pause_and_resume(web: CommandLine) -> None:
    assert (
        web.run("rollout", "resume", "deployment/web").err == 'error: deployments.apps "web" is not paused\n'
    )
    assert web.run("rollout", "pause", "deployment/web").out == "deployment.apps/web paused\n"
    assert (
        web.run("rollout", "pause", "deployment/web").err
        == 'error: deployments.apps "web" is already paused\n'
    )
    refused = web.run("rollout", "undo", "deployment/web")
    assert refused.err.startswith("error: you cannot rollback a paused deployment; resume it first with ")
    assert "can't restart paused deployment" in web.run("rollout", "restart", "deployment/web").err
    assert web.run("rollout", "resume", "deployment/web").out == "deployment.apps/web resumed\n"
    assert not get(web).spec.paused


def test_restart_makes_the_template_another_one(web: CommandLine) -> None:
    assert web.run("rollout", "restart", "deployment/web").out == "deployment.apps/web restarted\n"
    found = get(web)
    assert found.spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"].startswith("2026-")
    assert found.metadata.generation == 2


def test_rollouts_are_of_kinds_that_have_them(web: CommandLine) -> None:
    assert (
        web.run("rollout", "status", "pod/a").err
        == "error: no rollouts of pods: only of Deployment, StatefulSet, DaemonSet\n"
    )
    assert web.run("rollout", "status", "deploy").err == (
        "error: resource(s) were provided, but no name was specified\n"
    )
    assert 'deployments.apps "nobody" not found' in web.run("rollout", "pause", "deploy/nobody").err


def test_set_image(web: CommandLine) -> None:
    assert (
        web.run("set", "image", "deployment/web", "busybox=busybox:2").out
        == "deployment.apps/web image updated\n"
    )
    assert get(web).spec.template.spec.containers[0].image == "busybox:2"
    assert web.run("set", "image", "deployment/web", "*=busybox:2").out == ""
    missing = web.run("set", "image", "deployment", "web", "main=a")
    assert (missing.code, missing.err) == (1, 'error: unable to find container named "main"\n')


def test_set_env_sets_shows_and_removes(web: CommandLine) -> None:
    assert web.run("set", "env", "deployment/web", "A=1", "B=x=y").out == "deployment.apps/web env updated\n"
    assert web.run("set", "env", "deployment/web", "--list").out == (
        "# deployment.apps web, container busybox\nA=1\nB=x=y\n"
    )
    web.run("set", "env", "deployment/web", "A-", "B=2")
    assert [(item.name, item.value) for item in get(web).spec.template.spec.containers[0].env] == [("B", "2")]


def test_set_resources(web: CommandLine) -> None:
    done = web.run(
        "set", "resources", "deployment/web", "--limits=cpu=200m,memory=64Mi", "--requests=cpu=100m"
    )
    assert done.out == "deployment.apps/web resource requirements updated\n"
    resources = get(web).spec.template.spec.containers[0].resources
    assert {name: amount.string for name, amount in resources.limits.items()} == {
        "cpu": "200m",
        "memory": "64Mi",
    }
    web.run("set", "resources", "deployment/web", "--limits=memory=0")
    assert list(get(web).spec.template.spec.containers[0].resources.limits) == ["cpu"]
    assert web.run("set", "resources", "deployment/web", "--limits=cpu").err == (
        "error: Invalid argument syntax cpu, expected <resource>=<quantity>\n"
    )


def test_tree_shows_what_is_owned_and_how_it_is(web: CommandLine) -> None:
    report(web, updated_replicas=1, replicas=1)
    remember(web, 1, "busybox:1")

    async def stuck(clients: Clientset) -> None:
        rs = await clients.replica_sets.get("web-1", "default")
        pod = make_pod(
            "web-1-a", labels={"app": "web"}, owner=owner_ref("ReplicaSet", "web-1", rs.metadata.uid)
        )
        made = await clients.pods.create(pod)
        made.status.conditions.add(
            type="PodScheduled", status="False", reason="Unschedulable", message="0/3 nodes are available."
        )
        await clients.pods.update_status(made, mask=("conditions",))

    web.do(stuck)
    lines = [" ".join(line.split()) for line in web.run("tree", "deployment/web").out.splitlines()]
    assert lines == [
        "NAME READY STATUS REASON AGE",
        "deployment.apps/web 0/3 Progressing 0s",
        "└─replicaset.apps/web-1 0/0 Progressing 0s",
        "└─pod/web-1-a 0/1 Pending Unschedulable: 0/3 nodes are available. 0s",
    ]
    assert web.run("tree").out == web.run("tree", "deployment/web").out


POD = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: main, image: busybox}]}}"


def test_apply_wait_ends_with_the_reason_when_time_is_over(vaina: CommandLine) -> None:
    vaina.run("apply", "-f", "-", stdin=POD)

    async def refuse(clients: Clientset) -> None:
        pod = await clients.pods.get("a", "default")
        pod.status.conditions.add(
            type="PodScheduled", status="False", reason="Unschedulable", message="no room"
        )
        await clients.pods.update_status(pod, mask=("conditions",))

    vaina.do(refuse)
    result = vaina.run("apply", "-f", "-", "--wait", "--timeout", "50ms", stdin=POD)
    assert result.code == 1
    assert result.out == 'pod/a unchanged\nWaiting for pod "a" to be ready...\n'
    assert result.err.endswith(
        "error: timed out waiting for the condition\n  pod/a: Unschedulable: no room\n"
    )


def test_apply_wait_ends_when_all_is_ready(vaina: CommandLine) -> None:
    vaina.run("apply", "-f", "-", stdin=POD)

    async def ready(clients: Clientset) -> None:
        pod = await clients.pods.get("a", "default")
        pod.status.conditions.add(type="Ready", status="True")
        await clients.pods.update_status(pod, mask=("conditions",))

    vaina.do(ready)
    result = vaina.run("apply", "-f", "-", "--wait", stdin=POD)
    assert (result.code, result.out) == (0, 'pod/a unchanged\npod "a" is ready\n')
