"""The verbs of the command over an apiserver in memory: what they print, and with which exit code they end."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import CommandLine
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.errors import Unavailable
from vaina.objects.manifest import decode_documents
from vaina.testing.builders import make_node, make_replica_set

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: x}}
spec: {containers: [{name: main, image: busybox}]}
"""
OWNED = POD.replace(
    "labels:", "ownerReferences: [{apiVersion: v1, kind: Node, name: n, uid: u, controller: true}], labels:"
)


@pytest.fixture
def vaina() -> Iterator[CommandLine]:
    return CommandLine()


def names(text: str) -> list[str]:
    """Return the first column of a table without its header."""
    return [line.split()[0] for line in text.splitlines()[1:]]


def test_apply_creates_then_leaves_alone_then_configures(vaina: CommandLine) -> None:
    assert vaina.run("apply", "-f", "-", stdin=POD).out == "pod/a created\n"
    assert vaina.run("apply", "-f", "-", stdin=POD).out == "pod/a unchanged\n"
    assert vaina.run("apply", "-f", "-", stdin=POD.replace("app: x", "app: z")).out == "pod/a configured\n"
    assert vaina.run("get", "pods", "-l", "app=z", "-o", "name").out == "pod/a\n"


def test_apply_takes_all_examples(vaina: CommandLine) -> None:
    result = vaina.run("apply", "-f", str(EXAMPLES))
    assert result.code == 0
    documents = [d for file in EXAMPLES.glob("*.yaml") for d in decode_documents(file.read_text())]
    assert result.out.count(" created\n") == len(documents)


@pytest.mark.parametrize(
    ("flag", "code"),
    [("--validate", 1), ("--validate=true", 1), ("--validate=false", 0), ("--validate=ignore", 0)],
)
def test_apply_checks_fields_as_it_is_told(vaina: CommandLine, flag: str, code: int) -> None:
    wrong = POD.replace("image: busybox", "image: busybox, imge: x")
    assert vaina.run("apply", flag, "-f", "-", stdin=wrong).code == code


def test_warnings_go_to_standard_error(vaina: CommandLine) -> None:
    result = vaina.run("apply", "-f", "-", stdin=POD)
    assert result.err.startswith("Warning: ")
    assert result.out == "pod/a created\n"


@pytest.mark.parametrize(
    ("manifest", "error"),
    [
        (POD.replace("name: a", "name: A_"), 'The Pod "A_" is invalid: metadata.name: Invalid value: "A_": '),
        (
            POD.replace("image: busybox", "imagePullPolicy: X"),
            'The Pod "a" is invalid: \n* spec.containers[0].',
        ),
        (
            POD.replace("containers", "contianers"),
            'Error from server (BadRequest): error when applying "STDIN": Pod in version "v1" cannot be handled as a Pod: '
            'strict decoding error: unknown field "spec.contianers"\n',
        ),
        (
            "a: [",
            'Error from server (BadRequest): error when applying "STDIN": error converting YAML to JSON: yaml: line',
        ),
        (
            "kind: Nothing\napiVersion: v1\n",
            'Error from server (BadRequest): error when applying "STDIN": no matches for kind "Nothing" in version "v1"',
        ),
    ],
)
def test_apply_tells_what_is_wrong_as_kubectl_does(vaina: CommandLine, manifest: str, error: str) -> None:
    result = vaina.run("apply", "-f", "-", stdin=manifest)
    assert result.code == 1
    assert result.out == ""
    assert error in result.err


def test_a_bad_document_does_not_hold_up_the_others(vaina: CommandLine) -> None:
    text = f"{POD}---{POD.replace('name: a', 'name: B')}---{POD.replace('name: a', 'name: c')}"
    result = vaina.run("apply", "-f", "-", stdin=text)
    assert result.code == 1
    assert result.out == "pod/a created\npod/c created\n"
    assert 'The Pod "B" is invalid' in result.err


def test_files_that_are_not_there_are_named(vaina: CommandLine, tmp_path: Path) -> None:
    assert vaina.run("apply", "-f", "nope.yaml").err == 'error: the path "nope.yaml" does not exist\n'
    assert "recognized file extensions" in vaina.run("apply", "-f", str(tmp_path)).err
    assert vaina.run("apply").code == 1
    assert vaina.run("apply", "-f", "-", stdin="# nothing\n").err == "error: no objects passed to apply\n"


def test_folders_can_be_searched(vaina: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "pod.yml").write_text(POD)
    (tmp_path / "in" / "notes.txt").write_text("not a manifest")
    assert vaina.run("apply", "-R", "-f", str(tmp_path)).out == "pod/a created\n"


def test_a_dry_run_stores_nothing(vaina: CommandLine) -> None:
    assert (
        vaina.run("apply", "--dry-run=server", "-f", "-", stdin=POD).out == "pod/a created (server dry run)\n"
    )
    assert vaina.run("apply", "--dry-run=client", "-f", "-", stdin=POD).out == "pod/a created (dry run)\n"
    assert vaina.run("create", "--dry-run=client", "-f", "-", stdin=POD).out == "pod/a created (dry run)\n"
    assert vaina.run("get", "pods").err == "No resources found in default namespace.\n"


def test_apply_can_show_what_it_stored(vaina: CommandLine) -> None:
    stored = json.loads(vaina.run("apply", "-f", "-", "-o", "json", stdin=POD).out)
    assert stored["metadata"]["uid"]
    assert vaina.run("apply", "-f", "-", "-o", "name", stdin=POD).out == "pod/a\n"


def test_create_wants_new_objects(vaina: CommandLine) -> None:
    assert vaina.run("create", "-f", "-", stdin=POD).out == "pod/a created\n"
    again = vaina.run("create", "-f", "-", stdin=POD)
    assert again.code == 1
    assert (
        again.err
        == 'Error from server (AlreadyExists): error when creating "STDIN": pods "a" already exists\n'
    )


def test_create_refuses_another_namespace_than_the_manifests(vaina: CommandLine) -> None:
    text = POD.replace("name: a,", "name: a, namespace: one,")
    assert "does not match the namespace" in vaina.run("create", "-n", "two", "-f", "-", stdin=text).err


def test_get_shows_tables(vaina: CommandLine) -> None:
    for name in ("config", "init-containers", "jumpod", "probes", "replicaset", "shared-volume"):
        vaina.run("apply", "-f", str(EXAMPLES / f"{name}.yaml"))
    assert names(vaina.run("get", "pods").out) == ["configured", "init", "jumpod", "probes", "shared"]
    assert names(vaina.run("get", "po", "--field-selector", "metadata.name=init").out) == ["init"]
    assert vaina.run("get", "pods", "--no-headers").out.startswith("configured ")
    assert vaina.run("get", "all").out.count("\n\n") == 1
    assert "replicaset.apps/web" in vaina.run("get", "all").out
    assert vaina.run("get", "pods,rs", "-A").out.startswith("NAMESPACE ")
    assert vaina.run("get", "pod/init", "rs/web", "-o", "name").out == "pod/init\nreplicaset.apps/web\n"
    assert vaina.run("get", "pods", "--show-labels").out.splitlines()[0].endswith("LABELS")
    assert names(vaina.run("get", "pods", "--chunk-size", "2").out) == names(vaina.run("get", "pods").out)


def test_get_shows_labels_in_columns(vaina: CommandLine) -> None:
    vaina.run("create", "-f", "-", stdin=POD.replace("app: x", "app: x, example.com/tier: back"))
    vaina.run("create", "-f", "-", stdin=POD.replace("name: a,", "name: b,"))
    rows = vaina.run("get", "pods", "-L", "app,example.com/tier", "-L", "none").out.splitlines()
    assert [row.split()[5:] for row in rows] == [["APP", "TIER", "NONE"], ["x", "back"], ["x"]]


def test_flags_may_stand_before_the_verb(vaina: CommandLine) -> None:
    vaina.run("create", "-f", "-", stdin="{apiVersion: v1, kind: Namespace, metadata: {name: other}}")
    assert vaina.run("-n", "other", "-s", "there:1", "apply", "-f", "-", stdin=POD).code == 0
    assert names(vaina.run("get", "pods", "-n", "other").out) == ["a"]
    assert vaina.run("--namespace=none", "get", "pods").err == "No resources found in none namespace.\n"


def test_get_orders_by_a_field(vaina: CommandLine) -> None:
    for name, grace in (("a", 30), ("b", 5), ("c", 100)):
        text = POD.replace("name: a", f"name: {name}").replace(
            "spec: {", f"spec: {{terminationGracePeriodSeconds: {grace}, "
        )
        vaina.run("apply", "-f", "-", stdin=text)
    assert names(vaina.run("get", "pods", "--sort-by", ".spec.terminationGracePeriodSeconds").out) == [
        "b",
        "a",
        "c",
    ]


def test_get_tells_what_is_missing_after_what_is_there(vaina: CommandLine) -> None:
    vaina.run("apply", "-f", "-", stdin=POD)
    result = vaina.run("get", "pod", "a", "b")
    assert result.code == 1
    assert names(result.out) == ["a"]
    assert result.err == 'Error from server (NotFound): pods "b" not found\n'
    assert vaina.run("get", "pod", "b", "--ignore-not-found").code == 0


def test_what_is_in_no_namespace_has_one_name_everywhere(vaina: CommandLine) -> None:
    made = vaina.do(lambda clients: clients.nodes.create(make_node("n1")))
    for verb in ("get", "describe"):
        assert made.metadata.name in vaina.run(verb, "node", "n1", "-A").out


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["get"], "You must specify the type of resource to get"),
        (["get", "foos"], 'the server doesn\'t have a resource type "foos"'),
        (["get", "pdos"], 'the server doesn\'t have a resource type "pdos"; did you mean "pods"?'),
        (["gte", "pods"], "No such command 'gte'. Did you mean 'get'?"),
        (["rollout", "statsu"], "Did you mean one of: 'restart', 'status'?"),
        (["get", "pod/a", "b"], "there is no need to specify a resource type as a separate argument"),
        (["get", "pod/"], "arguments in resource/name form must have a single resource and name"),
        (["get", "pods", "-o", "toml"], "unable to match a printer"),
        (["get", "pod", "a", "-A"], "cannot be retrieved by name across all namespaces"),
        (["describe", "pod/a", "-A"], "cannot be retrieved by name across all namespaces"),
        (["delete", "pod", "a", "-A"], "cannot be retrieved by name across all namespaces"),
        (["label", "pod", "a", "x=y", "-A"], "cannot be retrieved by name across all namespaces"),
        (["wait", "pod/a", "-A", "--for=delete"], "cannot be retrieved by name across all namespaces"),
        (["get", "pod", "a", "-l", "x=y"], "cannot be used together"),
        (["get", "pods,rs", "-w"], "single resource type"),
        (["get", "pods", "--output-watch-events"], "can only be used with --watch or --watch-only"),
        (["get", "pods", "-o", "jsonpath={.a[}"], "error parsing jsonpath"),
        (["delete", "pods"], "no name was specified"),
        (["delete"], "You must specify the type of resource to delete"),
        (["scale", "pod/a", "--replicas=2"], "cannot scale pods"),
        (["scale", "rs", "--replicas=2"], "no name was specified"),
        (["scale", "rs/a", "--replicas=-2"], "greater than or equal to 0"),
        (["run", "x", "--image=i", "--rm"], "--rm should only be used"),
        (["run", "x", "--image=i", "--env", "bad"], "invalid env: bad"),
        (["exec", "a"], "at least one command"),
        (["trace", "rs/a"], "is not a pod"),
        (["bogus"], "No such command"),
        (["get", "--bogus"], "No such option"),
        (["scale", "rs/a"], "Missing option '--replicas'"),
        (["delete", "pod", "a", "--timeout=x"], "invalid duration"),
    ],
)
def test_wrong_usage_is_told(vaina: CommandLine, arguments: list[str], error: str) -> None:
    result = vaina.run(*arguments)
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert error in result.err


def test_yaml_that_was_printed_can_be_applied(vaina: CommandLine) -> None:
    vaina.run("apply", "-f", str(EXAMPLES / "replicaset.yaml"))
    text = vaina.run("get", "rs", "web", "-o", "yaml").out
    assert vaina.run("apply", "-f", "-", stdin=text).code == 0
    assert json.loads(vaina.run("get", "rs", "-o", "json").out)["kind"] == "List"


def test_delete_by_name_file_label_and_all(vaina: CommandLine) -> None:
    for name in "abcd":
        vaina.run(
            "apply",
            "-f",
            "-",
            stdin=POD.replace("name: a", f"name: {name}").replace("app: x", f"app: {name}"),
        )
    assert vaina.run("delete", "pod", "a", "--force").out == 'pod "a" force deleted\n'
    assert vaina.run("delete", "-f", "-", stdin=POD.replace("name: a", "name: b")).out == 'pod "b" deleted\n'
    assert vaina.run("delete", "pods", "-l", "app=c").out == 'pod "c" deleted\n'
    assert vaina.run("delete", "pods", "--all", "-o", "name").out == "pod/d\n"
    assert vaina.run("delete", "pods", "--all").out == "No resources found\n"
    gone = vaina.run("delete", "pod/a")
    assert (gone.code, gone.err) == (1, 'Error from server (NotFound): pods "a" not found\n')
    assert vaina.run("delete", "pod/a", "--ignore-not-found").code == 0


def test_delete_waits_until_the_pod_is_gone(vaina: CommandLine) -> None:
    """A Pod on a node stays until its kubelet has ended it; the wait has an end too."""
    vaina.do(lambda clients: clients.nodes.create(make_node("n1")))
    vaina.run("apply", "-f", "-", stdin=POD)
    bound = vaina.do(lambda clients: clients.pods.get("a", "default"))
    vaina.do(lambda clients: clients.pods.bind("a", namespace="default", uid=bound.metadata.uid, node="n1"))
    waited = vaina.run("delete", "pod", "a", "--timeout", "50ms")
    assert (waited.code, waited.out) == (1, 'pod "a" deleted\n')
    assert waited.err == "error: timed out waiting for the condition\n"
    assert names(vaina.run("get", "pods").out) == ["a"]
    assert " Terminating " in vaina.run("get", "pods").out
    assert vaina.run("delete", "pod", "a", "--wait=false").code == 0


def test_scale_sets_replicas(vaina: CommandLine) -> None:
    vaina.do(lambda clients: clients.replica_sets.create(make_replica_set("web", replicas=1)))
    assert vaina.run("scale", "rs/web", "--replicas=4").out == "replicaset.apps/web scaled\n"
    assert vaina.run("get", "rs", "web", "-o", "jsonpath={.spec.replicas}").out == "4"
    refused = vaina.run("scale", "rs", "web", "--replicas=5", "--current-replicas=1")
    assert (refused.code, refused.err) == (1, "error: Expected replicas to be 1, was 4\n")
    assert vaina.run("scale", "rs", "none", "--replicas=5").code == 1


def test_run_makes_a_pod(vaina: CommandLine) -> None:
    made = vaina.run(
        "run", "x", "--image=busybox", "--restart=Never", "--env", "A=b=c", "--port", "80", "--", "sleep", "5"
    )
    assert made.out == "pod/x created\n"
    pod = json.loads(vaina.run("get", "pod", "x", "-o", "json").out)
    container = pod["spec"]["containers"][0]
    assert container["args"] == ["sleep", "5"]
    assert container["env"] == [{"name": "A", "value": "b=c"}]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert pod["metadata"]["labels"] == {"run": "x"}
    assert pod["spec"]["restartPolicy"] == "Never"


def test_run_can_print_the_pod_only(vaina: CommandLine) -> None:
    text = vaina.run(
        "run", "x", "--image=busybox", "--command", "--dry-run=client", "-o", "yaml", "-l", "a=b", "--", "sh"
    ).out
    found = decode_documents(text)[0].message
    assert isinstance(found, pod_pb2.Pod)
    assert list(found.spec.containers[0].command) == ["sh"]
    assert dict(found.metadata.labels) == {"a": "b"}


def test_describe_finds_objects_and_their_events(vaina: CommandLine) -> None:
    vaina.run("apply", "-f", str(EXAMPLES / "replicaset.yaml"))
    vaina.run("apply", "-f", "-", stdin=POD)
    assert "Pods Status:" in vaina.run("describe", "rs", "web").out
    page = vaina.run("describe", "pods").out
    assert page.startswith("Name:")
    assert "Events:" in page
    assert vaina.run("describe", "pod", "none").code == 1
    assert vaina.run("describe", "nodes").err.startswith("No resources found")


def test_logs_and_exec_of_a_pod_without_a_node_say_so(vaina: CommandLine) -> None:
    vaina.run("apply", "-f", "-", stdin=POD)
    assert "does not have a host assigned" in vaina.run("logs", "a").err
    assert vaina.run("exec", "a", "--", "ls").code == 1
    assert "container b is not valid for pod a" in vaina.run("logs", "a", "-c", "b").err
    assert "at most one of" in vaina.run("logs", "a", "--since=1s", "--since-time=2026-01-01T00:00:00Z").err


def test_api_resources_and_version(vaina: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    assert "replicasets" in vaina.run("api-resources").out
    assert "replicasets.apps\n" in vaina.run("api-resources", "-o", "name").out
    both = r"v1\.\d+\.\d+\+vaina\.\d+\.\d+\.\d+"
    assert re.fullmatch(rf"Client Version: {both}\nServer Version: {both}\n", vaina.run("version").out)
    assert "apply" in vaina.run().out
    assert vaina.run("get", "--help").code == 0
    assert "Usage: vaina get" in capsys.readouterr().out


class AwayTransport:
    """An apiserver that is not there."""

    async def unary(self, *_: object, **__: object) -> bytes:
        raise Unavailable("failed to connect to all addresses; last error: UNKNOWN: Connection refused")

    async def close(self) -> None:
        """Nothing is open."""


def test_a_server_that_is_away_is_named(vaina: CommandLine) -> None:
    from cli.app import invoke

    shell = vaina.shell()
    shell.connect = lambda _server, _warn: Clientset(AwayTransport())  # type: ignore[arg-type]
    assert invoke(shell, ["get", "pods", "--server", "10.0.0.1:1"]) == 1
    shell.stderr.seek(0)
    assert shell.stderr.read() == (
        "The connection to the server 10.0.0.1:1 was refused - did you specify the right host or port?\n"
    )
