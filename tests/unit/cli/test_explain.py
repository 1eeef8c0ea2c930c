"""`vaina explain`, `fit`, `scheduler verify` and `scheduler decisions` over the whole control plane.

What they print, how they end.
"""

import json

import pytest
import yaml

from cli.printers.explain import render_decisions, render_explain, render_fit, render_verify
from tests.support.asking import service_of, vaina
from tests.support.command import Result
from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import World, running
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb

SSD = {"disk": "ssd"}
NODES = (
    node("node-1", labels=SSD, taints=[("key", "value", "NoSchedule")]),
    node("node-2", labels={"disk": "hdd"}),
    node("node-3", cpu="500m", labels=SSD),
)
MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: new}
spec:
  tolerations: [{operator: Exists}]
  containers: [{name: main, image: busybox, resources: {requests: {cpu: 300m}}}]
"""
REPLICA_SET = """
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: many, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec: {containers: [{name: main, image: busybox, resources: {requests: {cpu: "2"}}}]}
"""


async def run(world: World, *arguments: str, stdin: str = "", leading: bool = True) -> Result:
    service = service_of(world.scheduler, world.server, leading=leading)
    return await vaina(world.server, service, *arguments, stdin=stdin)


async def test_explaining_a_pod_that_waits() -> None:
    async with running(*NODES) as world:
        await world.create(pod("a", {"cpu": "250m"}, selector=SSD), pod("web", {"cpu": "500m"}, selector=SSD))
        result = await run(world, "explain", "pod/web")
        assert (result.code, result.err) == (0, "")
        lines = result.out.splitlines()
        assert lines[0].startswith("Unschedulable: default/web fits nowhere (1 attempt)")
        assert "0 of 3 nodes would take it now." in lines
        at = lines.index("What would make it fit, the nearest first:")
        assert lines[at + 1 : at + 4] == [
            "  node-3: lacks 250m cpu (asks 500m, 250m free)",
            "  node-1: untolerated taint {key=value:NoSchedule}",
            "  node-2: remove nodeSelector disk=ssd",
        ]


async def test_explaining_a_pod_that_is_bound() -> None:
    async with running(*NODES) as world:
        await world.create(pod("a", {"cpu": "250m"}, selector=SSD))
        result = await run(world, "explain", "a", "-n", "default")
        lines = result.out.splitlines()
        assert lines[0] == "Bound: default/a is on node node-3"
        assert lines[2].startswith("Decision 1 at 2026-01-01T00:00:00.000000Z: Scheduled node-3, attempt 1, ")
        assert lines[3] == "  1 of 3 nodes fitted"
        assert lines[-2].split() == ["NODE", "TOTAL", "NodeResourcesFit", "NodeResourcesBalancedAllocation"]
        assert lines[-1].split()[0] == "node-3"


async def test_too_many_manifests_are_refused_before_the_apiserver_is_asked_about_any() -> None:
    async with running(*NODES) as world:
        refused = MANIFEST.replace("image: busybox, ", "")
        result = await run(world, "explain", "-f", "-", stdin="---".join([refused] * 101))
        assert (result.code, result.out) == (1, "")
        assert result.err == "error: 101 Pods are too many at once: at most 100\n"


async def test_explaining_a_manifest_creates_nothing() -> None:
    async with running(*NODES) as world:
        result = await run(world, "explain", "-f", "-", stdin=MANIFEST)
        assert result.code == 0
        assert result.out.startswith(
            "Manifest: default/new was not created: this is what would be decided now\n"
        )
        assert "The best are equal, one is chosen at random: node-1, node-2." in result.out
        assert (await world.server.client.pods.list("default")).items == []


async def test_a_manifest_of_a_pod_that_exists_is_a_question_about_another_one() -> None:
    async with running(*NODES) as world:
        await world.create(pod("new", {"cpu": "1"}))
        exported = await run(world, "get", "pod", "new", "-o", "yaml")
        result = await run(world, "explain", "-f", "-", stdin=exported.out)
        assert result.out.startswith("Manifest: default/new was not created")
        assert "1 of 3 nodes would take it now" in result.out


@pytest.mark.parametrize("output", ["json", "yaml"])
async def test_the_whole_answer_is_there_for_machines(output: str) -> None:
    async with running(*NODES) as world:
        result = await run(world, "explain", "-f", "-", "-o", output, stdin=MANIFEST)
        answer = json.loads(result.out) if output == "json" else yaml.safe_load(result.out)
        assert (answer["state"], answer["evaluation"]["nodes"]) == ("Manifest", 3)
        assert answer["evaluation"]["feasible"] == 3
        assert answer["answeredBy"]["leading"] is True
        assert {item["node"] for item in answer["evaluation"]["best"]} == {"node-1", "node-2", "node-3"}


@pytest.mark.parametrize(
    ("arguments", "stdin", "error"),
    [
        (("explain", "never"), "", 'Error from server (NotFound): pods "never" not found\n'),
        (("explain",), "", "error: either a POD, a KIND or -f FILE is required, and not several\n"),
        (("explain", "a", "-f", "-"), MANIFEST, "error: either a POD, a KIND or -f FILE is required, and not several\n"),
        (("explain", "pods.spec.contaners"), "", 'error: field "contaners" does not exist; did you mean "containers"?\n'),
        (("explain", "pods.spec.nodeName.x"), "", 'error: field "x" does not exist\n'),
        (("explain", "web", "--recursive"), "", "error: --recursive is about fields, and web begins with no kind (vaina api-resources)\n"),
        (("explain", "pods", "--max-depth", "2"), "", "error: --max-depth requires --recursive\n"),
        (("explain", "pod/pods.spec"), "", 'Error from server (NotFound): pods "pods.spec" not found\n'),
        (("explain", "rs/a"), "", "error: rs/a is not a pod\n"),
        (("fit",), "", "error: must specify -f (a file, a folder, or - for standard input)\n"),
        (("fit", "-f", "-"), MANIFEST.replace("name: main", "name: A_"), 'The Pod "new" is invalid: spec.containers[0].name: Invalid value: "A_": '),
        (("fit", "-f", "-"), MANIFEST.replace("300m", "3x"), "Error from server (BadRequest): "),
        (("fit", "-f", "-"), "{apiVersion: v1, kind: Namespace, metadata: {name: a}}", "error: STDIN: Namespace has no Pod template: a Pod, or what makes Pods, is needed\n"),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked(arguments: tuple[str, ...], stdin: str, error: str) -> None:
    async with running(node("n1")) as world:
        result = await run(world, *arguments, stdin=stdin)
        assert result.code == 1
        assert result.err.startswith(error)


async def test_how_many_of_a_template_fit() -> None:
    async with running(*NODES) as world:
        result = await run(world, "fit", "-f", "-", stdin=REPLICA_SET)
        assert result.out.splitlines() == [
            "2 copies of default/many would fit now",
            "NODE     COPIES",
            "node-2   2",
            "The next one: 0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu.",
        ]
        some = await run(world, "fit", "-f", "-", "--max", "1", stdin=REPLICA_SET)
        assert some.out.startswith("at least 1 copy of default/many would fit now\n")


CRON_JOB = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 1 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: main, image: busybox, resources: {requests: {cpu: 100}}}]
"""


async def test_what_of_a_file_makes_pods_is_asked_about() -> None:
    async with running(*NODES) as world:
        result = await run(world, "fit", "-f", "-", stdin=CRON_JOB)
        assert result.code == 0
        # Nothing is created: that nothing would replace the Pod is no news.
        assert result.err.splitlines() == ["STDIN: ConfigMap has no Pod template: left out"]
        assert result.out.splitlines() == [
            "0 copies of default/nightly would fit now",
            "The first one: 0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu.",
        ]


async def test_verifying_ends_with_1_when_the_columns_differ() -> None:
    async with running(node("n1")) as world:
        await world.create(pod("a", {"cpu": "1"}))
        good = await run(world, "scheduler", "verify")
        assert (good.code, good.out.splitlines()[-1]) == (
            0,
            "The columns agree with what the watches brought.",
        )
        world.scheduler.cache.table._requested[0][0] += 5
        bad = await run(world, "scheduler", "verify")
        assert bad.code == 1
        assert [line.split() for line in bad.out.splitlines()[-2:]] == [
            ["SUBJECT", "WHAT", "COLUMNS", "OBJECTS"],
            ["n1", "requested[cpu]", "1005", "1000"],
        ]
        as_json = await run(world, "scheduler", "verify", "-o", "json")
        assert (as_json.code, json.loads(as_json.out)["differenceCount"]) == (1, 1)
        world.scheduler.cache.table._requested[0][0] -= 5


async def test_decisions_are_listed() -> None:
    async with running(node("n1", cpu="1")) as world:
        await world.create(pod("a", {"cpu": "1"}), pod("b", {"cpu": "1"}))
        result = await run(world, "scheduler", "decisions")
        rows = [line.split() for line in result.out.splitlines()]
        assert rows[0][:5] == ["NUMBER", "TIME", "POD", "OUTCOME", "NODE"]
        assert [(row[0], row[2], row[3], row[4]) for row in rows[1:]] == [
            ("2", "default/b", "Unschedulable", "<none>"), ("1", "default/a", "Scheduled", "n1"),
        ]  # fmt: skip
        assert len((await run(world, "scheduler", "decisions", "a")).out.splitlines()) == 2
        none = await run(world, "scheduler", "decisions", "x")
        assert none.out == "No such decision among the last 2 of 2.\n"


async def test_a_standby_says_that_it_is_one_and_who_leads() -> None:
    async with running(node("n1")) as world:
        note = "Note: answered by scheduler-1, which stands by; the leader is scheduler-0"
        for arguments in (("scheduler", "verify"), ("scheduler", "decisions"), ("fit", "-f", "-")):
            assert note in (await run(world, *arguments, stdin=MANIFEST, leading=False)).out, arguments


def test_five_thousand_nodes_are_a_few_lines() -> None:
    refusal = pb.Refusal(
        plugin="NodeResourcesFit", reasons=["Insufficient cpu"], lack="lacks 1 cpu (asks 2, 1 free)"
    )
    tainted = pb.Refusal(plugin="TaintToleration", lack="untolerated taint {a:NoSchedule}")
    answer = pb.ExplainResponse(
        state="Manifest", message="m", answered_by=pb.Answerer(leading=True),
        evaluation=pb.Evaluation(
            nodes=5000, more_groups=3,
            reasons=[pb.ReasonCount(plugin="NodeResourcesFit", reason="Insufficient cpu", nodes=4998)],
            refused=[
                pb.NodeGroup(count=1, nodes=["n7"], refusals=[tainted]),
                pb.NodeGroup(count=4998, nodes=["n0", "n1"], refusals=[refusal]),
            ],
        ),
    )  # fmt: skip
    assert render_explain(answer).splitlines()[2:] == [
        "0 of 5,000 nodes would take it now.",
        "",
        "Refused:",
        "  4,998 nodes: Insufficient cpu (NodeResourcesFit)",
        "",
        "What would make it fit, the nearest first:",
        "  n7: untolerated taint {a:NoSchedule}",
        "  4,998 nodes (n0, n1, ...): lacks 1 cpu (asks 2, 1 free)",
        "  and 3 more groups of nodes",
    ]


def test_the_fullest_nodes_of_many_are_shown() -> None:
    nodes = [pb.NodeFit(node=f"n{number:02}", copies=1 + number % 3) for number in range(30)]
    text = render_fit(
        pb.FitResponse(answered_by=pb.Answerer(leading=True), copies=59, nodes=nodes), "default/x"
    )
    lines = text.splitlines()
    assert lines[0] == "59 copies of default/x would fit now"
    assert lines[2].split() == ["n02", "3"]
    assert lines[-1] == "and 10 on 10 more nodes"


def test_a_decision_without_details_or_with_another_pods_says_so() -> None:
    decision = pb.Decision(
        number=7, name="a", outcome="Scheduled", node="n1", attempt=1, evaluated_nodes=2, feasible_nodes=2
    )
    answer = pb.ExplainResponse(state="Bound", answered_by=pb.Answerer(leading=True), decisions=[decision])
    assert "no details were taken of it: there was too much to decide at once" in render_explain(answer)
    answer.decisions[0].detail.time.seconds = 1_767_225_600
    assert "seen of an equal Pod at 2026-01-01T00:00:00.000000Z:" in render_explain(answer)
    answer.decisions[0].detail.own = True
    assert "equal Pod" not in render_explain(answer)


def test_victims_are_named() -> None:
    victims = [pb.Victim(namespace="default", name="v", priority=-1)]
    decision = pb.Decision(
        outcome="Preempted", preemption=pb.Preemption(node="n1", victims=victims, victim_count=4)
    )
    answer = pb.ExplainResponse(answered_by=pb.Answerer(leading=True), decisions=[decision])
    assert "room on n1 by evicting default/v (priority -1) and 3 more" in render_explain(answer)


def test_whose_eviction_would_help_is_said_after_what_else_would() -> None:
    victims = [pb.Victim(namespace="default", name="v", priority=0)]
    seen = pb.Evaluation(nodes=1, preemption=pb.Preemption(node="n1", victims=victims, victim_count=1))
    answer = pb.ExplainResponse(answered_by=pb.Answerer(leading=True), evaluation=seen)
    assert render_explain(answer).endswith(
        "Or by preemption: room on n1 by evicting default/v (priority 0).\n"
    )


def test_what_is_not_shown_is_counted() -> None:
    differences = [pb.Difference(subject="n1", what="podCount", have="2", want="1")]
    answer = pb.VerifyResponse(
        answered_by=pb.Answerer(leading=True), difference_count=40, differences=differences
    )
    assert render_verify(answer).splitlines()[-1] == "and 39 more"
    listed = pb.ListDecisionsResponse(answered_by=pb.Answerer(leading=True), recorded=20_000, kept=10_000)
    assert render_decisions(listed) == "No such decision among the last 10,000 of 20,000.\n"
