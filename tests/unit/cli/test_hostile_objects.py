"""Nothing that an object says acts on the terminal of who looks at it.

Every command, over objects whose every text would like to.
"""

import ast
import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

import cli
from apiserver.storage.interface import Key
from apiserver.storage.memory import MemoryStorage
from cli.app import VERBS, invoke
from cli.printers.style import Paint, for_terminal, visible
from tests.support.command import CommandLine, text_of
from tests.support.direct import build_handlers
from tests.support.hostile import HOSTILE, hostile_object
from vaina.kinds import CONFIG_MAP, DEPLOYMENT, EVENT, JOB, KINDS, NODE, POD, REPLICA_SET, Kind
from vaina.objects.manifest import encode_json
from vaina.testing.clock import FakeClock

#: colours of our own
STYLES = re.compile(r"\x1b\[[0-9;]*m")
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NAMED = [kind for kind in KINDS if kind is not EVENT]
#: a ConfigMap's data stand in its page as they are, line by line, as kubectl shows them
PAGES = [kind for kind in NAMED if kind is not CONFIG_MAP]

#: what each verb prints of objects; {kind} stands for each kind in turn
LINES: dict[str, list[list[str]]] = {
    "get": [
        ["get", "{kind}", *more]
        for more in (
            [], ["-o", "wide"], ["-o", "yaml"], ["-o", "json"], ["-o", "name"], ["--show-labels"],
            ["-o", "custom-columns=A:.metadata.labels,B:.metadata.annotations,C:.spec,D:.status,E:.data"],
            ["-o", "jsonpath={..*}"], ["-o", "jsonpath={.items[*].metadata.generateName}"],
        )
    ],
    "describe": [["describe", "{kind}", "evil"]],
    "events": [["events"], ["events", "-A"]],
    "why": [["why", "{kind}/evil"]],
    "trace": [["trace", "evil"], ["trace", "evil", "-o", "yaml"]],
    "tree": [["tree", "{kind}/evil"]],
    "top": [["top", "pods"], ["top", "nodes"], ["top", "pod", "evil", "--containers"]],
    "logs": [["logs", "evil"], ["logs", "evil", "--all-containers"]],
    "exec": [["exec", "evil", "--", "true"]],
    "attach": [["attach", "evil"]],
    "debug": [["debug", "evil", "--image", "busybox"], ["debug", "node/evil", "--image", "busybox"]],
    "port-forward": [["port-forward", "evil", "1:x"]],
    "cp": [["cp", "evil:/a", "/nowhere/a"]],
    "rollout": [
        ["rollout", verb, "{kind}/evil"] for verb in ("history", "undo", "restart", "pause", "resume")
    ],
    "set": [
        ["set", "env", "{kind}/evil", "--list"], ["set", "image", "{kind}/evil", f"{HOSTILE}=a"],
        ["set", "env", "{kind}/evil", "A=b"], ["set", "resources", "{kind}/evil", "--limits", "cpu=1"],
    ],
    "label": [["label", "{kind}", "evil", "a=b"], ["label", "{kind}", "evil", "--list"]],
    "annotate": [["annotate", "{kind}", "evil", "a=b"], ["annotate", "{kind}", "evil", "--list"]],
    "patch": [["patch", "{kind}", "evil", "-p", '{"metadata":{"labels":{"a":"b"}}}']],
    "scale": [["scale", "{kind}/evil", "--replicas", "1"]],
    "autoscale": [["autoscale", "{kind}/evil", "--max", "2"]],
    "taint": [["taint", "node", "evil", "a=b:NoSchedule"]],
    "cordon": [["cordon", "evil"]],
    "uncordon": [["uncordon", "evil"]],
    "drain": [
        ["drain", "evil"],
        ["drain", "evil", "--force", "--ignore-daemonsets", "--delete-emptydir-data", "--dry-run=server"],
    ],
    "wait": [["wait", "{kind}/evil", "--for=condition=Ready", "--timeout=1ms"]],
    "edit": [["edit", "{kind}", "evil"]],
    "delete": [["delete", "{kind}", "evil", "--wait=false"]],
    "apply": [["apply", "-f", "-"], ["apply", "-f", "-", "--dry-run=client", "-o", "yaml"]],
    "create": [
        ["create", "-f", "-"], ["create", "configmap", HOSTILE],
        ["create", "configmap", "a", f"--from-literal=a={HOSTILE}", "-o", "yaml"],
    ],
    "replace": [["replace", "-f", "-"]],
    "diff": [["diff", "-f", "-"]],
    "run": [
        ["run", HOSTILE, "--image", "a"],
        ["run", "a", "--image", HOSTILE, "-o", "json", "--dry-run=client"],
    ],
    "explain": [["explain", HOSTILE]],
    "learn": [["learn"], ["learn", HOSTILE]],
    "dashboard": [["dashboard"]],
    "fit": [["fit", "-f", "-"]],
    "scheduler": [["scheduler", "decisions", HOSTILE]],
    "load": [["load", "run", HOSTILE], ["load", "compare", HOSTILE, HOSTILE]],
    "certs": [["certs", "show", "/nothing-here"]],
    "certificate": [["certificate", "approve", HOSTILE]],
    "auth": [["auth", "can-i", HOSTILE, HOSTILE], ["auth", "whoami"]],
    "secrets": [["secrets", "rewrite"], ["secrets", "rewrite", "-n", HOSTILE]],
    "completion": [["completion", HOSTILE]],
    "api-resources": [["api-resources"]],
    "kubeconfig": [["kubeconfig", "--cluster", HOSTILE]],
    "version": [["version", "--client"]],
}  # fmt: skip


def world(*kinds: Kind[Any]) -> CommandLine:
    """Return a command line before an apiserver with a hostile object of each kind, and an Event about each.

    They are put into its storage past every check.
    """
    storage, clock = MemoryStorage(), FakeClock()

    async def store() -> None:
        for kind in kinds:
            place = "default/" if kind.namespaced else ""
            made = hostile_object(kind)
            group = f"{kind.group}/" if kind.etcd_prefix.startswith(f"{kind.group}/") else ""
            key = Key(f"/registry/{group}{kind.etcd_prefix.removeprefix(group)}/{place}evil")
            await storage.create(key, made.SerializeToString(), (kind.api_version, kind.kind))
            event = hostile_object(EVENT)
            event.involved_object.kind, event.involved_object.name = kind.kind, "evil"
            event.involved_object.uid = "u"
            about = Key(f"/registry/events/default/{kind.plural}")
            await storage.create(about, event.SerializeToString(), ("v1", "Event"))

    asyncio.run(store())
    return CommandLine(build_handlers(storage, clock), clock)


def assert_harmless(said: str) -> None:
    found = UNSAFE.search(STYLES.sub("", said))
    assert found is None, f"{found[0]!r} in {said[max(found.start() - 60, 0) : found.end() + 20]!r}"


def test_every_verb_is_looked_at() -> None:
    assert set(LINES) == set(VERBS)


@pytest.mark.parametrize("verb", [*LINES])
def test_no_verb_lets_an_object_speak_to_the_terminal(verb: str) -> None:
    lines = LINES[verb]
    about = NAMED if any("{kind}" in word for line in lines for word in line) else [POD]
    everything = world(*KINDS)
    for kind in about:
        line = world(kind) if verb in ("delete", "patch") else everything
        manifest = encode_json(kind, hostile_object(kind)).encode()
        for words in lines:
            # An address where nobody answers: what needs a scheduler says so.
            shell = line.shell(stdin=manifest, interactive=True)
            shell.scheduler = "127.0.0.1:1"
            invoke(shell, [word.replace("{kind}", kind.plural) for word in words])
            assert_harmless(text_of(shell.stdout))
            assert_harmless(text_of(shell.stderr))


@pytest.mark.parametrize("kind", PAGES, ids=lambda kind: kind.kind)
def test_what_describe_says_of_an_object_forges_no_line(kind: Kind[Any]) -> None:
    shell = world(kind).shell(interactive=True)
    assert invoke(shell, ["describe", kind.plural, "evil"]) == 0
    page = STYLES.sub("", text_of(shell.stdout))
    assert page.startswith("Name:")
    assert not re.search("^forged: line", page, re.MULTILINE)


def test_what_programs_read_goes_to_a_pipe_as_it_is() -> None:
    line = world(POD)
    words = ("get", "pod", "evil", "-o", "jsonpath={.metadata.generateName}")
    assert line.run(*words).out == HOSTILE
    shell = line.shell(interactive=True)
    invoke(shell, list(words))
    assert text_of(shell.stdout) == visible(HOSTILE)
    # Columns are for people, wherever they go: kubectl escapes them in a pipe as well.
    table = line.run("get", "pod", "evil", "-o", "custom-columns=A:.metadata.generateName").out
    assert table == "A\nx^[[2J^[]0;owned\\u0007\\u009b31m...\n"


def test_styles_are_told_from_escapes() -> None:
    red = Paint(enabled=True)("red", "a\x1b[32mb\ud800")
    assert for_terminal(red) == "\x1b[31ma^[[32mb\\ud800\x1b[0m"
    assert for_terminal("\ud800[31m \ud8007m") == "\\ud800[31m \\ud8007m"
    assert visible("tab\t line\n é 漢 \u200d") == "tab\t line\n é 漢 \u200d"


def test_a_word_that_is_no_utf8_is_told() -> None:
    result = CommandLine().run("get", "pods", "a\udcff")
    assert (result.code, result.err) == (1, "error: invalid UTF-8 in a\\udcff\n")


#: who may write bytes as they are: what a container says is its own
RAW = {"logs.py", "streams.py", "shell.py"}


def test_only_the_shell_writes() -> None:
    """Whoever prints by himself goes past what makes bytes visible."""
    for path in Path(cli.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "click.echo", "click.secho"), f"{path}:{node.lineno}"
                if called.endswith((".out_bytes", ".err_bytes")):
                    assert path.name in RAW, f"{path}:{node.lineno}"
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("stdout", "stderr")
                and path.name != "shell.py"
            ):
                # Messages of streams have fields of these names; the terminal's own drawing asks
                # `for_terminal` itself; a lesson's shell has pipes.
                owner = ast.unparse(node.value)
                known = {("shell", "trace.py"), ("self._process", "session.py")}
                assert owner in ("answer", "sys") or (owner, path.name) in known, f"{path}:{node.lineno}"


#: what no check lets in, but what a foreign hand or an older version may have stored
BROKEN: list[tuple[str, Kind[Any], str, list[list[str]]]] = [
    ("an operator that there is not", REPLICA_SET, "spec.selector.match_expressions", [
        ["get", "rs", "evil", "-o", "wide"], ["describe", "rs", "evil"], ["logs", "rs/evil"], ["scale", "rs/evil", "--replicas=1"],
        ["rollout", "status", "rs/evil", "--timeout=1ms"],
    ]),
    ("an operator in a Deployment", DEPLOYMENT, "spec.selector.match_expressions", [
        ["get", "deploy"], ["describe", "deploy", "evil"], ["rollout", "history", "deploy/evil"],
        ["rollout", "undo", "deploy/evil"], ["rollout", "status", "deploy/evil", "--timeout=1ms"], ["tree", "deploy/evil"],
    ]),
    ("an operator in a Job", JOB, "spec.selector.match_expressions", [
        ["get", "jobs"], ["describe", "job", "evil"], ["logs", "job/evil"],
    ]),
    ("an amount of a Node", NODE, "status.allocatable", [
        ["get", "nodes"], ["describe", "node", "evil"], ["top", "nodes"],
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "field", "lines"), [pytest.param(*one[1:], id=one[0]) for one in BROKEN])
def test_a_stored_object_that_nobody_checked_is_no_traceback(
    kind: Kind[Any], field: str, lines: list[list[str]]
) -> None:
    storage, clock = MemoryStorage(), FakeClock()
    made = hostile_object(kind)
    *steps, last = field.split(".")
    target = made
    for step in steps:
        target = getattr(target, step)
    if last == "match_expressions":
        target.match_expressions.add(key="a", operator="Sometimes")
    else:
        getattr(target, last)["cpu"].string = "lots"
    place = "default/" if kind.namespaced else ""
    group = f"{kind.group}/" if kind.etcd_prefix.startswith(f"{kind.group}/") else ""
    key = Key(f"/registry/{group}{kind.etcd_prefix.removeprefix(group)}/{place}evil")
    asyncio.run(storage.create(key, made.SerializeToString(), (kind.api_version, kind.kind)))
    line = CommandLine(build_handlers(storage, clock), clock)
    for words in lines:
        result = line.run(*words)
        assert result.code in (0, 1)
        if words[0] == "get":
            assert (result.code, result.err) == (0, "")
        elif result.code == 1:
            assert result.err.startswith(("error: ", "Error from server")), words
