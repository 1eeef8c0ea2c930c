"""`vaina load`: what it refuses, lists, compares and clears away."""

import sys
from pathlib import Path

import pytest

from bench.load.report import encode
from bench.load.settings import RUN_LABEL
from tests.support.command import CommandLine
from tests.unit.load.loads import measurement, report
from vaina.client.clientset import Clientset
from vaina.kinds import NAMESPACE, NODE, POD
from vaina.testing.builders import make_namespace, make_node, make_pod

RUN = ("load", "run", "SchedulingBasic/5Nodes")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--create=pending",), "--create pending needs --local"),
        (("--local", "--create=pending", "--rate=5"), "--create pending has no --rate"),
        (("--local", "--rate=5", "--trace=/dev/null"), "--rate and --trace exclude one another"),
        (("--nodes=objects", "--wait-running"), "--wait-running needs kubelets"),
        (("--local", "--wait-running"), "--wait-running needs kubelets"),
        (("--local", "--nodes=real"), "--nodes real needs a running cluster"),
        (("--stages=run_sandbox=1",), "--stages needs --nodes simulated or hollow"),
        (("--nodes=hollow", "--stages=nap=1"), '"nap" is no stage'),
        (("--no-fsync",), "--no-fsync needs --local"),
        (("--scheduler-flag=--a=b",), "--scheduler-flag needs --local"),
        (
            ("--local", "--create=pending", "--generate-on=true"),
            "--generate-on needs --create batch or unary",
        ),
        (("--local", "--hollow-on=true"), "--hollow-on needs --nodes hollow"),
        (("--generate-on=no-such-program a",), '--generate-on: there is no program "no-such-program"'),
        (("--generate-on=true", "--generate-on=true"), "the same command twice is one machine"),
        (("--scheduler-command=true",), "--scheduler-command needs --local"),
        (("--local", "--scheduler-health=http://x"), "--scheduler-health needs --scheduler-command"),
        (
            ("--local", "--scheduler-command=true", "--scheduler-health=foo"),
            '--scheduler-health: "foo" is not like',
        ),
        (("--local", "--scheduler-command=true", "--scheduler-health=file:///"), "(http or https)"),
        (("--local", "--scheduler-command=true", "--scheduler-health=http:///healthz"), "(http or https)"),
        (
            ("--local", "--scheduler-command=true", "--scheduler-health=http://a:b/"),
            "--scheduler-health: Port",
        ),
        (("--local", "--scheduler-command= "), "a command is wanted, not an empty text"),
        (("--local", "--scheduler-command=no-such-program -v"), 'there is no program "no-such-program"'),
        (("--local", "--scheduler-command='a b"), "--scheduler-command: No closing quotation"),
        (
            ("--local", "--scheduler-command=true", "--scheduler-flag=--a=b"),
            "--scheduler-command and --scheduler-flag exclude one another",
        ),
        (
            ("--local", "--scheduler-command=true", "--profile=scheduler=x"),
            "--scheduler-command and --profile scheduler exclude one another",
        ),
        (("--local", "--profile=etcd=x"), '--profile: "etcd=x" is not scheduler=FILE'),
        (("--slo=speed>=1",), '--slo: there is no figure "speed"'),
        (("--local", "--nodes=imaginary"), "'imaginary' is not one of"),
        (("--batch-size=0",), "is not in the range"),
        (("--repeat=21",), "21 is not in the range 1<=x<=20"),
        (("--measure=10s",), '--measure: "10s" is not like 10s..60s'),
        (("--measure=10s..60s", "--keep"), "--keep and --measure exclude one another"),
        (("--measure=10s..60s", "--trace=/dev/null"), "--trace and --measure exclude one another"),
        (("--repeat=2", "--keep"), "--keep and --repeat exclude one another"),
        (("--local", "--repeat=2", "--profile=scheduler=x"), "--profile and --repeat exclude one another"),
        (("--local", "--repeat=2", "--perf-dash=x"), "--perf-dash and --repeat exclude one another"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: tuple[str, ...], error: str) -> None:
    result = CommandLine().run(*RUN, *options)
    assert result.code == 1
    assert error in result.err


def test_an_unknown_workload_is_told_before_anything_is_made() -> None:
    result = CommandLine().run("load", "run", "SchedulingBasic/None", "--local")
    assert result.code == 1
    assert 'error: there is no workload "SchedulingBasic/None"' in result.err


def test_where_the_benchmarks_are_not_installed_the_other_verbs_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def verbs() -> list[str]:
        assert CommandLine().run("--help").code == 0
        return [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]

    assert {"load", "apply"} <= {*verbs()}
    monkeypatch.setitem(sys.modules, "bench", None)
    found = verbs()
    assert ("load" in found, "apply" in found) == (False, True)
    assert "No such command 'load'" in CommandLine().run("load", "list").err


def test_a_cluster_that_is_not_there_is_told() -> None:
    # Nobody listens on the port of discarding.
    result = CommandLine().run(*RUN, "--server=127.0.0.1:9")
    assert result.code == 1
    assert "127.0.0.1:9" in result.err


def test_a_short_trace_is_told_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "trace").write_text("0.1\n")
    result = CommandLine().run(*RUN, f"--trace={tmp_path / 'trace'}")
    assert result.code == 1
    assert "error: --trace: the trace has 1 offsets and 10 Pods are to be created" in result.err


def test_workloads_are_listed_by_label_or_from_a_file(tmp_path: Path) -> None:
    lines = CommandLine().run("load", "list", "-l", "cost,-performance").out.splitlines()
    cases = [line.split()[0].split("/")[0] for line in lines]
    assert cases == ["MixedApps"] * 2 + ["PlainApps"] + ["SchedulingBasic"] * 3
    own = tmp_path / "own.yaml"
    own.write_text("- {name: A, workloadTemplate: [{opcode: sleep, duration: 1s}], workloads: [{name: B}]}")
    assert CommandLine().run("load", "list", "-f", str(own)).out == "A/B\n"
    assert CommandLine().run("load", "list", "-f", str(own), "-l", "none").err == "No workloads found.\n"
    own.write_text("- {name: A}")
    result = CommandLine().run("load", "list", "-f", str(own))
    assert (result.code, result.err.startswith("error: own.yaml: [0] A: (all of it): ")) == (1, True)


def test_two_reports_are_compared(tmp_path: Path) -> None:
    one, other = tmp_path / "a.json", tmp_path / "b.json"
    one.write_bytes(encode(report()))
    other.write_bytes(encode(report(measurement(pods=200), commit="def")))
    result = CommandLine().run("load", "compare", str(one), str(other))
    assert result.code == 0
    assert "differs: commit: abc / def" in result.out
    [line] = [line for line in result.out.splitlines() if line.startswith("  throughput ")]
    assert line.split() == ["throughput", "Pods/s", "50", "100", "2.00", "-", "-", "better?"]


@pytest.mark.parametrize(("text", "error"), [(None, "cannot read"), ("{}", "no report of a load test")])
def test_what_cannot_be_compared(tmp_path: Path, text: str | None, error: str) -> None:
    path = tmp_path / "a.json"
    if text is not None:
        path.write_text(text)
    result = CommandLine().run("load", "compare", str(path), str(path))
    assert (result.code, error in result.err) == (1, True)


def test_clean_takes_what_runs_have_left_and_nothing_else() -> None:
    vaina = CommandLine()

    async def make(client: Clientset) -> None:
        for run in ("", "load-1", "load-2"):
            name = run or "mine"
            node, space, pod = make_node(f"n-{name}"), make_namespace(name), make_pod("p", namespace=name)
            for obj in (node, space, pod):
                obj.metadata.uid, obj.metadata.resource_version = "", ""
                if run:
                    obj.metadata.labels[RUN_LABEL] = run
            await client.nodes.create(node)
            await client.namespaces.create(space)
            await client.pods.create(pod)

    async def names(client: Clientset) -> list[set[str]]:
        return [
            {one.metadata.name for one in (await client.kind(kind).list()).items}  # type: ignore[arg-type]  # a Kind[Pod] is read as a Kind[Message]
            for kind in (NODE, POD, NAMESPACE)
        ]

    vaina.do(make)
    # Namespaces end by a controller, which is not here.
    result = vaina.run("load", "clean", "load-1", "--wait=0")
    assert (result.code, "still ending: load-1 " in result.err) == (0, True)
    nodes, _, _ = vaina.do(names)
    assert nodes == {"n-mine", "n-load-2"}
    vaina.run("load", "clean", "--wait=0")
    nodes, _, spaces = vaina.do(names)
    assert nodes == {"n-mine"}
    assert "mine" in spaces


def test_a_configuration_that_cannot_be_used_is_told_before_anything_starts(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "{apiVersion: kubescheduler.config.k8s.io/v1, kind: KubeSchedulerConfiguration, profilez: []}"
    )
    done = CommandLine().run("load", "run", "SchedulingBasic/5Nodes", "--local", f"--scheduler-config={bad}")
    assert (done.code, f"--scheduler-config: {bad}: profilez: unknown field (known: " in done.err) == (
        1,
        True,
    )
