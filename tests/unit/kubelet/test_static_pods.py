"""Static Pods of a kubelet: they come from a folder, live without an apiserver, and are shown by mirror Pods."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from kubelet.config import KubeletConfig
from kubelet.decide.termination import Verdict
from kubelet.eviction.ranking import is_critical
from kubelet.runtime.records import ContainerPhase, Uid
from kubelet.sources.static_files import MAX_FILES
from tests.unit.kubelet.harness import NODE, Node, node
from vaina.api.core.v1 import pod_pb2
from vaina.errors import Forbidden, Invalid
from vaina.steps import PodStep
from vaina.testing.builders import make_container, make_pod
from vaina.testing.clock import settle

NAME = f"web-{NODE}"
HASH, MIRROR = "kubernetes.io/config.hash", "kubernetes.io/config.mirror"
_TIMES = count(1)


def manifest(image: str = "busybox", name: str = "web", more: str = "") -> str:
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\n"
        f"spec: {{{more} containers: [{{name: main, image: '{image}', command: [sleep, infinity]}}]}}\n"
    )


class Folder:
    """The folder of manifests, and a kubelet that looks into it when the test says so."""

    def __init__(self, path: Path, on: Node) -> None:
        self.path, self.on = path, on

    async def put(self, text: str, name: str = "web.yaml") -> None:
        file = self.path / name
        file.write_text(text)
        # Two writes within one tick of the file system's clock and of one length would look alike.
        os.utime(file, ns=(next(_TIMES),) * 2)
        await self.look()

    async def remove(self, name: str = "web.yaml") -> None:
        (self.path / name).unlink()
        await self.look()

    async def look(self) -> None:
        """Have it look twice, as it does within two seconds."""
        for _ in range(2):
            await self.on.kubelet.files.look()
            await settle()

    async def running(self, name: str = NAME) -> pod_pb2.Pod:
        return await until(self.on, name, lambda pod: pod.status.phase == "Running")

    async def alive(self) -> list[str]:
        """Name the images that run."""
        states = await self.on.runtime.list_containers()
        return [state.image for state in states if state.phase is ContainerPhase.RUNNING]


async def until(on: Node, name: str, accept: Callable[[pod_pb2.Pod], object]) -> pod_pb2.Pod:
    found = None
    for _ in range(200):
        found = await on.find(name)
        if found is not None and accept(found):
            return found
        await on.clock.advance(0.2)
    raise AssertionError(f"never as wanted: {found}")


async def until_gone(on: Node, name: str) -> None:
    for _ in range(200):
        if await on.find(name) is None:
            return
        await on.clock.advance(0.2)
    raise AssertionError(f"{name} is still there")


@asynccontextmanager
async def folder(path: Path, *, traced: bool = False) -> AsyncIterator[Folder]:
    config = KubeletConfig(node_name=NODE, static_pod_path=str(path), file_check_seconds=1e9)
    async with node(config=config, traced=traced) as on:
        await first_look(on)
        yield Folder(path, on)


async def first_look(on: Node) -> None:
    async with asyncio.timeout(60):
        # The first look is on its way in a thread.
        while not on.kubelet.files.synced:
            await settle()


async def test_a_manifest_is_run_and_shown(tmp_path: Path) -> None:
    async with folder(tmp_path) as at:
        await at.put(manifest())

        pod = await at.running()

        assert await at.alive() == ["busybox"]
        assert pod.metadata.annotations[MIRROR] == pod.metadata.annotations[HASH]
        assert pod.metadata.annotations["kubernetes.io/config.source"] == "file"
        assert pod.metadata.uid != pod.metadata.annotations[HASH]
        assert [owner.kind for owner in pod.metadata.owner_references] == ["Node"]
        assert {item.type: item.status for item in pod.status.conditions}["Ready"] == "True"
        # Told of the Pod that shows it, for nobody finds the uid of the manifest.
        assert at.on.recorder.steps == [
            PodStep.OBSERVED, PodStep.SANDBOXED, PodStep.MOUNTED, PodStep.STARTED, PodStep.REPORTED,
        ]  # fmt: skip


async def test_it_ends_with_its_manifest(tmp_path: Path) -> None:
    async with folder(tmp_path) as at:
        await at.put(manifest())
        await at.running()
        await at.remove()

        await until_gone(at.on, NAME)
        await at.on.clock.advance(40)

        assert await at.on.runtime.list_containers() == []
        assert await at.on.runtime.list_pod_sandboxes() == []


async def test_a_changed_manifest_waits_for_the_end_of_the_old_pod(tmp_path: Path) -> None:
    async with folder(tmp_path) as at:
        await at.put(manifest("deaf", more="terminationGracePeriodSeconds: 20,"))
        before = await at.running()
        await at.put(manifest("new"))
        together = []
        for _ in range(150):
            await at.on.clock.advance(0.2)
            together.append(tuple(await at.alive()))

        assert set(together) <= {("deaf",), (), ("new",)}
        assert together[-1] == ("new",)
        after = await at.running()
        assert after.metadata.uid != before.metadata.uid
        assert after.spec.containers[0].image == "new"


async def test_a_manifest_that_goes_and_comes_back_runs_again(tmp_path: Path) -> None:
    async with folder(tmp_path) as at:
        await at.put(manifest())
        await at.running()
        await at.remove()
        await at.put(manifest())

        for _ in range(200):
            await at.on.clock.advance(0.2)
        assert await at.alive() == ["busybox"]
        await at.running()


async def test_a_deleted_mirror_comes_back_and_the_containers_do_not_notice(tmp_path: Path) -> None:
    async with folder(tmp_path) as at:
        await at.put(manifest())
        before = await at.running()
        [container] = await at.on.runtime.list_containers()
        await at.on.client.pods.delete(NAME, "default")

        after = await until(
            at.on,
            NAME,
            lambda pod: pod.metadata.uid != before.metadata.uid and pod.status.phase == "Running",
        )

        assert after.status.container_statuses == before.status.container_statuses
        [still] = await at.on.runtime.list_containers()
        assert (still.id, still.phase) == (container.id, ContainerPhase.RUNNING)


async def test_the_api_does_not_change_a_mirror(tmp_path: Path) -> None:
    async with folder(tmp_path) as at:
        await at.put(manifest())
        await at.running()
        refused = []
        for change in ("image", "annotation"):
            pod = await at.on.get(NAME)
            if change == "image":
                pod.spec.containers[0].image = "other"
            else:
                del pod.metadata.annotations[MIRROR]
            try:
                await at.on.client.pods.update(pod)
            except (Invalid, Forbidden) as error:
                refused.append(error.message)

        assert [words for words in refused if "may not remove or update mirror pod annotation" in words]
        assert len(refused) == 2


async def test_garbage_harms_nothing_else_and_is_counted(tmp_path: Path) -> None:
    async with folder(tmp_path) as at:
        os.mkfifo(tmp_path / "pipe.yaml")
        (tmp_path / "folder.yaml").mkdir()
        (tmp_path / "nowhere.yaml").symlink_to(tmp_path / "nothing")
        (tmp_path / ".web.yaml.swp").write_bytes(b"\x00swap")
        (tmp_path / "big.yaml").write_bytes(b"a" * (3 * 1024 * 1024 + 1))
        (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
        await at.put(manifest())
        await at.running()

        metrics = at.on.kubelet.files._metrics
        assert metrics.manifest_problems._value.get() == 5
        # An editor that writes in pieces: the Pod stays as it was.
        [container] = await at.on.runtime.list_containers()
        await at.put(manifest()[:60])
        assert metrics.manifest_problems._value.get() == 6
        await at.on.clock.advance(60)
        [still] = await at.on.runtime.list_containers()
        assert (still.id, still.phase) == (container.id, ContainerPhase.RUNNING)


async def test_links_that_lead_nowhere_are_named_and_take_no_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with folder(tmp_path) as at:
        for number in range(MAX_FILES + 10):
            (tmp_path / f"a{number:04}.yaml").symlink_to("nothing")
        await at.put(manifest())
        await at.running()
        assert "file=a0000.yaml" in capsys.readouterr().out
        assert at.on.kubelet.files._metrics.manifest_problems._value.get() == MAX_FILES + 10

        # The Pod of a file that becomes one goes, as that of a file that is gone.
        (tmp_path / "web.yaml").unlink()
        (tmp_path / "web.yaml").symlink_to("nothing")
        await at.look()
        await until_gone(at.on, NAME)


async def test_a_name_that_is_no_text_is_a_file_like_any_other(tmp_path: Path) -> None:
    async with folder(tmp_path) as at:
        for name, text in ((b"\xff.yaml", manifest()), (b"\xfe.yaml", "no: pod\n")):
            (tmp_path / os.fsdecode(name)).write_text(text)
        await at.look()

        await at.running()
        assert at.on.kubelet.files._metrics.manifest_problems._value.get() == 1


async def test_a_restarted_kubelet_adopts_static_pods_and_ends_those_without_a_manifest(
    tmp_path: Path,
) -> None:
    async with folder(tmp_path) as at:
        await at.put(manifest(name="kept"), "kept.yaml")
        await at.put(manifest(name="gone"), "gone.yaml")
        await at.put(manifest(name="changed"), "changed.yaml")
        for name in ("kept", "gone", "changed"):
            await at.running(f"{name}-{NODE}")
        before = {state.pod_uid: state.id for state in await at.on.runtime.list_containers()}
        await at.on.stop_kubelet()
        (tmp_path / "gone.yaml").unlink()
        (tmp_path / "changed.yaml").write_text(manifest("new", name="changed"))

        async with asyncio.TaskGroup() as group:
            await at.on.start_kubelet(group)
            await first_look(at.on)
            await until_gone(at.on, f"gone-{NODE}")
            await until(
                at.on,
                f"changed-{NODE}",
                lambda pod: pod.spec.containers[0].image == "new" and pod.status.phase == "Running",
            )
            kept = (await at.on.get(f"kept-{NODE}")).metadata.annotations[HASH]
            after = {state.pod_uid: state.id for state in await at.on.runtime.list_containers()}
            assert len(after) == 2
            assert {uid: item for uid, item in after.items() if uid in before} == {kept: before[kept]}  # type: ignore[index]  # the hash is the uid
            await at.on.stop_kubelet()


async def test_a_pod_of_the_api_with_the_annotations_of_a_static_one_is_an_ordinary_one(
    tmp_path: Path,
) -> None:
    async with folder(tmp_path) as at:
        pod = pod_pb2.Pod()
        pod.metadata.name, pod.metadata.namespace = "web", "default"
        pod.metadata.annotations.update({"kubernetes.io/config.source": "file", HASH: "made-up"})
        pod.spec.containers.add(name="main", image="busybox", command=["sleep", "infinity"])
        await at.on.create(pod)

        found = await until(at.on, "web", lambda one: one.status.phase == "Running")
        await at.on.client.pods.delete("web", "default", uid=found.metadata.uid)
        await until_gone(at.on, "web")
        assert await at.alive() == []


async def test_a_pod_that_was_refused_and_is_taken_later_is_shown_anew(tmp_path: Path) -> None:
    async with folder(tmp_path) as at:
        big = make_pod("big", containers=[make_container("main", "busybox")])
        big.spec.containers[0].resources.requests["cpu"].string = "31500m"
        await at.on.create(big)
        await until(at.on, "big", lambda pod: pod.status.phase == "Running")
        (tmp_path / "web.yaml").write_text(
            manifest().replace("command:", "resources: {requests: {cpu: 1}}, command:")
        )
        await at.look()
        refused = await until(at.on, NAME, lambda pod: pod.status.phase == "Failed")
        assert refused.status.reason == "OutOfcpu"
        await at.on.client.pods.delete("big", "default", grace_period_seconds=1)
        await until_gone(at.on, "big")

        await at.on.stop_kubelet()
        await at.on.start_kubelet(at.on.group)
        await first_look(at.on)

        taken = await at.running()
        assert taken.metadata.uid != refused.metadata.uid


async def test_a_pod_of_the_api_that_claims_to_be_of_a_file_is_none() -> None:
    """It would never be evicted, and what becomes of it would never be told."""
    async with node() as on:
        pod = make_pod(name="web", containers=[make_container(image="busybox")])
        pod.metadata.annotations["kubernetes.io/config.source"] = "file"
        made = await on.create(pod)
        running = await on.until(lambda pod: pod.status.phase == "Running")
        running.metadata.annotations[HASH] = made.metadata.uid
        await on.client.pods.update(running)
        await settle()

        worker = on.kubelet.workers.get(Uid(made.metadata.uid))
        assert worker is not None
        assert worker.evict(Verdict("Evicted", "no room", 1.0))

        assert not is_critical(worker.pod)
        assert (await on.until(lambda pod: pod.status.phase == "Failed")).status.reason == "Evicted"


def times(pod: pod_pb2.Pod) -> list[object]:
    return [pod.status.start_time, *(item.last_transition_time for item in pod.status.conditions)]


async def test_what_does_not_change_keeps_its_times(tmp_path: Path) -> None:
    async with folder(tmp_path) as at:
        await at.put(manifest())
        before = await at.running()
        await at.on.clock.advance(10)
        writes = at.on.wire.calls["UpdateStatus"]
        # Fewer than the Node's own status takes.
        for _ in range(4):
            await at.on.clock.advance(at.on.config.resync_seconds)

        assert times(await at.on.get(NAME)) == times(before)
        assert at.on.wire.calls["UpdateStatus"] == writes


async def test_its_active_deadline_ends_it(tmp_path: Path) -> None:
    async with folder(tmp_path) as at:
        await at.put(manifest(more="activeDeadlineSeconds: 60,"))
        await at.running()
        await at.on.clock.advance(50)
        assert await at.alive() == ["busybox"]
        await at.on.clock.advance(15)

        pod = await until(at.on, NAME, lambda pod: pod.status.phase == "Failed")
        assert pod.status.reason == "DeadlineExceeded"
        assert await at.alive() == []


async def test_a_restarted_kubelet_goes_on_with_what_its_mirror_says(tmp_path: Path) -> None:
    async with folder(tmp_path) as at, asyncio.TaskGroup() as group:
        await at.put(manifest(more="activeDeadlineSeconds: 60,"))
        before = await at.running()
        await at.on.stop_kubelet()
        await at.on.clock.advance(40)
        await at.on.start_kubelet(group)
        await first_look(at.on)
        await at.look()
        await at.on.clock.advance(2)

        after = await at.on.get(NAME)
        assert after.metadata.uid == before.metadata.uid
        assert times(after) == times(before)
        await at.on.clock.advance(30)
        pod = await until(at.on, NAME, lambda pod: pod.status.phase == "Failed")
        assert pod.status.reason == "DeadlineExceeded"
        await at.on.stop_kubelet()
