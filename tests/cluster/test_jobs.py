"""Jobs on real nodes: the one of row D2, and one whose node goes away in the middle."""

from collections import Counter

import pytest

from tests.support.cluster import CommandError, wait_until
from tests.support.manifests import container, pod_spec
from tests.support.workspace import Workspace
from vaina.kinds import JOB, NODE
from vaina.objects.jobs import COMPLETION_INDEX, finished_as, is_tracked, parse_indexes

#: the Job of row D2; there restartPolicy stands on the container
HELLO = """
apiVersion: batch/v1
kind: Job
metadata: {name: hello-world}
spec:
  template:
    spec:
      restartPolicy: OnFailure
      containers:
      - {name: hello, image: busybox, imagePullPolicy: IfNotPresent, command: [sh, -c, 'echo "Hello, World!"']}
"""
MISPLACED = HELLO.replace("      restartPolicy: OnFailure\n", "").replace(
    "imagePullPolicy", "restartPolicy: OnFailure, imagePullPolicy"
)


@pytest.mark.beside_others
@pytest.mark.requirement("D2")
def test_the_hello_world_job_runs_to_completion(space: Workspace) -> None:
    assert space.cli("create", "-f", "-", stdin=HELLO) == "job.batch/hello-world created\n"
    job = space.api.wait(
        JOB,
        "hello-world",
        lambda job: finished_as(job) == "Complete",
        "is complete",
        namespace=space.namespace,
    )
    assert (job.status.succeeded, job.status.failed) == (1, 0)
    [pod] = space.pods("job-name=hello-world")
    assert space.logs(pod.metadata.name) == "Hello, World!\n"
    assert not is_tracked(pod)
    line = space.cli("get", "jobs").splitlines()[1].split()
    assert line[:3] == ["hello-world", "Complete", "1/1"]


@pytest.mark.beside_others
@pytest.mark.requirement("D2")
def test_a_restart_policy_on_the_container_is_refused_with_where_it_belongs(space: Workspace) -> None:
    with pytest.raises(CommandError) as refused:
        space.cli("create", "-f", "-", stdin=MISPLACED)
    words = str(refused.value)
    assert "spec.template.spec.containers[0].restartPolicy is only for that container" in words
    assert "belongs at spec.template.spec.restartPolicy" in words


@pytest.mark.beside_others
@pytest.mark.requirement("D3")
def test_the_template_of_a_job_stays(space: Workspace) -> None:
    space.cli("create", "-f", "-", stdin=HELLO)
    with pytest.raises(CommandError) as refused:
        space.cli("apply", "-f", "-", stdin=HELLO.replace("Hello", "Good bye"))
    assert "spec.template" in str(refused.value)
    assert "field is immutable" in str(refused.value)


@pytest.mark.soak
def test_each_index_succeeds_exactly_once_though_a_node_goes_away(space: Workspace) -> None:
    if len(space.nodes) < 2:
        pytest.skip("the Pods of a lost node need another one")
    impatient = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                 "tolerationSeconds": 3}  # fmt: skip
    template = pod_spec(container(script="sleep 2"), tolerations=[impatient], terminationGracePeriodSeconds=1)
    template["restartPolicy"] = "Never"
    space.apply({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "many"},
        "spec": {"completions": 30, "parallelism": 6, "completionMode": "Indexed", "backoffLimit": 30,
                 "template": {"spec": template}},
    })  # fmt: skip

    def done() -> int:
        job = space.api.find(JOB, "many", space.namespace)
        return len(parse_indexes(job.status.completed_indexes, 30)) if job is not None else 0

    wait_until(lambda: done() >= 4, 90, "some indexes are done")
    lost = next(
        p.spec.node_name for p in space.pods("job-name=many") if p.status.phase in ("Pending", "Running")
    )
    with space.cluster.frozen(lost):
        wait_until(lambda: done() >= 20, 120, "the others go on")
    job = space.api.wait(
        JOB,
        "many",
        lambda job: finished_as(job) == "Complete",
        "is complete",
        namespace=space.namespace,
        timeout=180,
    )
    assert (job.status.completed_indexes, job.status.succeeded) == ("0-29", 30)
    succeeded = Counter(
        pod.metadata.annotations[COMPLETION_INDEX]
        for pod in space.pods("job-name=many")
        if pod.status.phase == "Succeeded"
    )
    assert max(succeeded.values()) == 1
    space.api.wait(
        NODE,
        lost,
        lambda n: any(c.type == "Ready" and c.status == "True" for c in n.status.conditions),
        "is back",
    )
