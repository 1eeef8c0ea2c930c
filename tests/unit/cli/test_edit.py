"""edit, replace, diff, completion: what a person's changes become."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commands.patch import EditOptions, edit, merge_diff, untouched
from cli.failures import Failure
from tests.support.command import CommandLine, text_of
from vaina.api.core.v1 import config_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport

Edit = Callable[[str], str | None]


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1, "b": 2}, {"a": 3}, {"a": 3, "b": None}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1, "y": 3, "z": 4}}, {"a": {"y": 3, "z": 4}}),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}, {"a": [1, 2, 3]}),
        ({}, {"a": {"x": 1}}, {"a": {"x": 1}}),
    ],
)
def test_a_change_as_a_merge_patch(
    before: dict[str, object], after: dict[str, object], patch: object
) -> None:
    assert merge_diff(before, after) == patch


def test_what_others_changed_elsewhere_is_no_conflict() -> None:
    before = {"data": {"a": "1", "b": "2"}, "other": 1}
    assert untouched(before, {"data": {"a": "1", "b": "3"}, "other": 2}, {"data": {"a": "9"}})
    assert not untouched(before, {"data": {"a": "8", "b": "2"}, "other": 1}, {"data": {"a": "9"}})
    assert not untouched(before, {"data": {"b": "2"}}, {"data": {"a": None}})


class World:
    """A ConfigMap, and an editor that does what the test says: one change for each time it is opened."""

    def __init__(self) -> None:
        self.vaina = CommandLine()
        self.clients = Clientset(InProcessTransport(self.vaina.handlers, clock=self.vaina.clock))
        self.opened: list[str] = []

    async def make(self) -> None:
        settings = config_pb2.ConfigMap(data={"a": "1", "b": "2"})
        settings.metadata.name, settings.metadata.namespace = "settings", "default"
        await self.clients.config_maps.create(settings)

    async def data(self) -> dict[str, str]:
        return dict((await self.clients.config_maps.get("settings", "default")).data)

    async def edit(self, *edits: Edit) -> tuple[str, str]:
        shell = self.vaina.shell()
        waiting = list(edits)

        def editor(text: str) -> str | None:
            self.opened.append(text)
            return waiting.pop(0)(text)

        shell.edit = editor
        await edit(shell, self.clients, EditOptions(["cm/settings"]))
        assert not waiting
        return text_of(shell.stdout), text_of(shell.stderr)


@pytest.fixture
async def world() -> World:
    made = World()
    await made.make()
    return made


def put(old: str, new: str) -> Edit:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


async def test_what_is_saved_is_stored(world: World) -> None:
    assert await world.edit(put('a: "1"', 'a: "9"')) == ("configmap/settings edited\n", "")
    assert await world.data() == {"a": "9", "b": "2"}
    assert world.opened[0].startswith("# Please edit the object below.")


@pytest.mark.parametrize("editor", [lambda text: text, lambda _: None, lambda _: "# nothing\n"])
async def test_what_is_not_changed_is_left_alone(world: World, editor: Edit) -> None:
    assert await world.edit(editor) == ("", "Edit cancelled, no changes made.\n")
    assert await world.data() == {"a": "1", "b": "2"}


async def test_a_mistake_opens_the_editor_again_with_its_name(world: World) -> None:
    out, _ = await world.edit(put('a: "1"', "a: [1]"), put("a: [1]", 'a: "7"'))
    assert out == "configmap/settings edited\n"
    assert "# Error from server (BadRequest): " in world.opened[1]
    assert await world.data() == {"a": "7", "b": "2"}


async def test_a_mistake_that_is_given_up_changes_nothing(world: World) -> None:
    with pytest.raises(Failure, match=r"^Edit cancelled, no valid changes were saved."):
        await world.edit(put('a: "1"', "a: [1]"), lambda _: None)
    assert await world.data() == {"a": "1", "b": "2"}


async def other(world: World, **data: str) -> None:
    now = await world.clients.config_maps.get("settings", "default")
    now.data.update(data)
    await world.clients.config_maps.update(now)


def change_while(world: World, **data: str) -> Edit:
    """Change a in the editor, while somebody else changes something."""
    loop = asyncio.get_running_loop()

    def change(text: str) -> str:
        asyncio.run_coroutine_threadsafe(other(world, **data), loop).result(30)
        return put('a: "1"', 'a: "9"')(text)

    return change


async def test_somebody_else_who_changes_another_place_is_no_hindrance(world: World) -> None:
    out, _ = await world.edit(change_while(world, b="3"))
    assert out == "configmap/settings edited\n"
    assert await world.data() == {"a": "9", "b": "3"}


async def test_somebody_else_who_changes_the_same_place_is_not_overwritten(world: World) -> None:
    with pytest.raises(Failure, match="the object has been modified"):
        await world.edit(change_while(world, a="5"), lambda _: None)
    assert "please apply your changes to the latest version" in world.opened[1]
    assert await world.data() == {"a": "5", "b": "2"}


MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1'}\n"


def test_diff_shows_what_apply_would_change(tmp_path: Path) -> None:
    vaina, file = CommandLine(), tmp_path / "m.yaml"
    file.write_text(MANIFEST)
    new = vaina.run("diff", "-f", str(file))
    assert new.code == 1
    assert "+  name: settings\n" in new.out
    vaina.run("apply", "-f", str(file))
    same = vaina.run("diff", "-f", str(file))
    assert (same.code, same.out) == (0, "")
    file.write_text(MANIFEST.replace("'1'", "'2'"))
    changed = vaina.run("diff", "-f", str(file))
    assert changed.code == 1
    name = "v1.ConfigMap.default.settings"
    assert changed.out == (
        f"diff -u -N LIVE/{name} MERGED/{name}\n--- LIVE/{name}\n+++ MERGED/{name}\n"
        '@@ -1,6 +1,6 @@\n apiVersion: v1\n data:\n-  a: "1"\n+  a: "2"\n kind: ConfigMap\n metadata:\n   annotations:\n'
    )
    assert vaina.run("get", "cm", "settings", "-o", "jsonpath={.data.a}").out == "1"


def test_diff_goes_by_name_and_shows_no_secret(tmp_path: Path) -> None:
    vaina, file = CommandLine(), tmp_path / "m.yaml"
    deployment = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec: {replicas: 1, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}
"""
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {same: one, other: two}\n"
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: z}\n"
    vaina.run("apply", "-f", "-", stdin=f"{secret}---{deployment}")
    wanted = secret.replace("two", "three").replace("other", "more: x, other")
    file.write_text(f"{space}---\n{wanted}---{deployment.replace('replicas: 1', 'replicas: 2')}")
    shown = vaina.run("diff", "-f", str(file))
    heads = [line.split()[-1] for line in shown.out.splitlines() if line.startswith("diff ")]
    assert heads == [
        "MERGED/apps.v1.Deployment.default.a",
        "MERGED/v1.Namespace..z",
        "MERGED/v1.Secret.default.s",
    ]
    assert "-  generation: 1\n+  generation: 2\n" in shown.out
    assert "-  other: '*** (before)'\n+  more: '***'\n+  other: '*** (after)'\n   same: '***'\n" in shown.out
    assert "+  other: dGhyZWU=\n" in vaina.run("diff", "--show-secrets", "-f", str(file)).out


@pytest.mark.parametrize(
    "arguments",
    [("diff", "-f", "nowhere"), ("diff", "-f", "-"), ("diff", "-n", "a", "-f", "-"), ("diff", "--what")],
)
def test_a_diff_that_fails_is_told_from_one_that_finds_something(arguments: tuple[str, ...]) -> None:
    result = CommandLine().run(*arguments, stdin=MANIFEST.replace("settings", "A_, namespace: b"))
    assert (result.code, result.out) == (2, "")


def test_replace_replaces_what_is_there(tmp_path: Path) -> None:
    vaina, file = CommandLine(), tmp_path / "m.yaml"
    file.write_text(MANIFEST)
    missing = vaina.run("replace", "-f", str(file))
    assert missing.code == 1
    assert 'configmaps "settings" not found' in missing.err
    vaina.run("apply", "-f", str(file))
    file.write_text(MANIFEST.replace("a: '1'", "b: '2'"))
    assert vaina.run("replace", "-f", str(file)).out == "configmap/settings replaced\n"
    assert vaina.run("get", "cm", "settings", "-o", "jsonpath={.data}").out == '{"b":"2"}'


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_code(name: str) -> None:
    result = CommandLine().run("completion", name)
    assert result.code == 0
    assert "_VAINA_COMPLETE" in result.out
