"""label, annotate, wait, events, custom columns: words and what they change."""

import asyncio

import pytest

from cli.commands.wait import WaitOptions, wait
from cli.failures import Failure
from tests.support.command import CommandLine, text_of
from vaina.api.core.v1 import event_pb2
from vaina.api.storage.v1 import storage_class_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import timestamp
from vaina.errors import NotFound
from vaina.testing.builders import make_pod
from vaina.testing.clock import settle


@pytest.fixture
def vaina() -> CommandLine:
    made = CommandLine()
    for name in ("a", "b"):
        made.do(lambda clients, name=name: clients.pods.create(make_pod(name, labels={"app": "shop"})))
    return made


def labels(vaina: CommandLine, name: str) -> dict[str, str]:
    return dict(vaina.do(lambda clients: clients.pods.get(name, "default")).metadata.labels)


def test_labels_are_added_changed_and_taken_away(vaina: CommandLine) -> None:
    assert vaina.run("label", "pod", "a", "tier=front").out == "pod/a labeled\n"
    assert labels(vaina, "a") == {"app": "shop", "tier": "front"}
    refused = vaina.run("label", "pod/a", "tier=back")
    assert (refused.code, refused.err) == (
        1,
        "error: 'tier' already has a value (front), and --overwrite is false\n",
    )
    assert vaina.run("label", "pod/a", "tier=back", "--overwrite").out == "pod/a labeled\n"
    assert vaina.run("label", "pod/a", "tier=back").out == "pod/a not labeled\n"
    assert vaina.run("label", "pod/a", "tier-").out == "pod/a unlabeled\n"
    assert vaina.run("label", "pod/a", "tier-").out == 'label "tier" not found.\npod/a not labeled\n'
    assert labels(vaina, "a") == {"app": "shop"}


def test_labels_of_many(vaina: CommandLine) -> None:
    assert vaina.run("label", "pods", "-l", "app=shop", "tier=front").out == "pod/a labeled\npod/b labeled\n"
    assert vaina.run("label", "pods", "--all", "tier-", "--dry-run=server").out == (
        "pod/a unlabeled (server dry run)\npod/b unlabeled (server dry run)\n"
    )
    assert labels(vaina, "b") == {"app": "shop", "tier": "front"}
    assert (
        vaina.run("label", "pod", "a", "--list").out
        == "Listing labels for Pod.v1/a:\n app=shop\n tier=front\n"
    )


def test_a_wrong_label_is_refused_by_the_server(vaina: CommandLine) -> None:
    result = vaina.run("label", "pod/a", "tier=not allowed")
    assert result.code == 1
    assert 'The Pod "a" is invalid: metadata.labels: Invalid value: "not allowed"' in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("pod/a",), "at least one label update is required"),
        (("pod/a", "x=1", "x-"), 'can not both modify and remove a label in the same command: "x"'),
        (("pods", "x=1"), "resource(s) were provided, but no name was specified"),
        (("pod", "x=1", "a"), "all resources must be specified before label changes: a"),
    ],
)
def test_labels_that_make_no_sense(vaina: CommandLine, arguments: tuple[str, ...], words: str) -> None:
    result = vaina.run("label", *arguments)
    assert (result.code, result.err) == (1, f"error: {words}\n")


def test_annotations(vaina: CommandLine) -> None:
    assert vaina.run("annotate", "pod/a", "team=tea with milk").out == "pod/a annotated\n"
    refused = vaina.run("annotate", "pod/a", "team=coffee")
    assert refused.err == (
        "error: --overwrite is false but found the following declared annotation(s): "
        "'team' already has a value (tea with milk)\n"
    )
    assert vaina.run("annotate", "pod/a", "team-").out == "pod/a annotated\n"
    assert not vaina.do(lambda clients: clients.pods.get("a", "default")).metadata.annotations


def test_columns_of_ones_own(vaina: CommandLine) -> None:
    spec = "custom-columns=NAME:.metadata.name,IMAGES:.spec.containers[*].image,NODE:.spec.nodeName"
    out = vaina.run("get", "pods", "-o", spec).out.splitlines()
    assert [line.split() for line in out] == [
        ["NAME", "IMAGES", "NODE"],
        ["a", "registry.local/app:1", "<none>"],
        ["b", "registry.local/app:1", "<none>"],
    ]
    assert len(vaina.run("get", "pods", "--no-headers", "-o", spec).out.splitlines()) == 2
    for wrong, words in (
        ("custom-columns=NAME", "unexpected custom-columns spec: NAME, expected <header>:<json-path-expr>"),
        ("custom-columns=", "custom-columns format specified but no custom columns given"),
    ):
        assert vaina.run("get", "pods", "-o", wrong).err == f"error: {words}\n"


def test_events_are_shown_the_oldest_first(vaina: CommandLine) -> None:
    async def happen(clients: Clientset) -> None:
        now = vaina.clock.now()
        for number, (kind, ago) in enumerate((("Warning", 10), ("Normal", 300))):
            event = event_pb2.Event(reason=f"R{number}", message="it happened", type=kind)
            event.metadata.namespace, event.metadata.name = "default", f"e{number}"
            event.involved_object.kind, event.involved_object.name = "Pod", "ab"[number]
            event.involved_object.namespace = "default"
            event.last_timestamp.CopyFrom(timestamp(now - ago))
            await clients.events.create(event)

    assert vaina.run("events").err == "No events found in default namespace.\n"
    vaina.do(happen)
    lines = [line.split() for line in vaina.run("events").out.splitlines()]
    assert [line[2] for line in lines[1:]] == ["R1", "R0"]
    assert " ".join(lines[0]) == "LAST SEEN TYPE REASON OBJECT MESSAGE"
    assert "R1" not in vaina.run("events", "--for", "pod/a").out
    assert "R1" not in vaina.run("events", "--types=warning").out
    assert vaina.run("events", "--types=odd").err == "error: valid --types are Normal or Warning\n"
    for words in ("pods", "pods,rs", "all"):
        assert vaina.run("events", "--for", words).err == "error: --for must be in resource/name form\n"


async def world() -> tuple[CommandLine, Clientset]:
    made = CommandLine()
    clients = Clientset(InProcessTransport(made.handlers, clock=made.clock))
    await clients.pods.create(make_pod("a", labels={"app": "shop"}))
    return made, clients


async def test_wait_for_a_condition() -> None:
    vaina, clients = await world()
    shell = vaina.shell()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(wait(shell, clients, WaitOptions(["pod/a"], wanted="condition=Ready")))
        await settle(20)
        assert not waiting.done()
        pod = await clients.pods.get("a", "default")
        pod.status.conditions.add(type="Ready", status="True")
        await clients.pods.update_status(pod, mask=["conditions"])
    assert text_of(shell.stdout) == "pod/a condition met\n"


async def test_wait_for_an_end() -> None:
    vaina, clients = await world()
    shell = vaina.shell()
    async with asyncio.TaskGroup() as group:
        group.create_task(
            wait(shell, clients, WaitOptions(["pods"], wanted="delete", label_selector="app=shop"))
        )
        await settle(20)
        await clients.pods.delete("a", "default", grace_period_seconds=0)
    assert text_of(shell.stdout) == "pod/a condition met\n"
    await wait(shell, clients, WaitOptions(["pods"], wanted="delete", all=True))


async def test_wait_for_a_field_and_for_something_to_be_made() -> None:
    vaina, clients = await world()
    shell = vaina.shell()
    async with asyncio.TaskGroup() as group:
        group.create_task(
            wait(shell, clients, WaitOptions(["pod/a"], wanted="jsonpath={.status.phase}=Running"))
        )
        group.create_task(wait(shell, clients, WaitOptions(["pod/new"], wanted="create")))
        await settle(20)
        pod = await clients.pods.get("a", "default")
        pod.status.phase = "Running"
        await clients.pods.update_status(pod, mask=["phase"])
        await clients.pods.create(make_pod("new"))
    assert sorted(text_of(shell.stdout).splitlines()) == ["pod/a condition met", "pod/new condition met"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            WaitOptions(["pod/a"], wanted="condition=Ready", timeout=0.05),
            "timed out waiting for the condition on pods/a",
        ),
        (
            WaitOptions(["pods"], wanted="condition=Ready", label_selector="app=none"),
            "no matching resources found",
        ),
        (WaitOptions(["pod/a"], wanted="spring"), 'unrecognized condition: "spring"'),
        (WaitOptions(["pods"], wanted="delete"), "resource(s) were provided, but no name was specified"),
    ],
)
async def test_waiting_in_vain(options: WaitOptions, words: str) -> None:
    vaina, clients = await world()
    with pytest.raises(Failure) as refused:
        await wait(vaina.shell(), clients, options)
    assert str(refused.value) == words


async def test_waiting_for_what_is_not_there() -> None:
    vaina, clients = await world()
    with pytest.raises(NotFound, match='pods "none" not found'):
        await wait(vaina.shell(), clients, WaitOptions(["pod/none"], wanted="condition=Ready"))


def test_get_marks_the_default_class_of_a_list_alone(vaina: CommandLine) -> None:
    made = storage_class_pb2.StorageClass(provisioner="x")
    made.metadata.name = "fast"
    made.metadata.annotations["storageclass.kubernetes.io/is-default-class"] = "true"
    vaina.do(lambda clients: clients.storage_classes.create(made))
    assert "fast (default) " in vaina.run("get", "storageclasses").out
    named = vaina.run("get", "storageclass", "fast").out
    assert "fast " in named
    assert "(default)" not in named
