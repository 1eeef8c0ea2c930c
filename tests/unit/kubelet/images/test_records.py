"""Who has pulled which image, on a disk, and what a kubelet makes of it that was killed meanwhile."""

import asyncio
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from kubelet.decide.actions import PullPolicy
from kubelet.decide.observation import ImageProgress
from kubelet.images.access import Credential, PullSecret, Verification, VerificationPolicy
from kubelet.images.inventory import ImagePolicy
from kubelet.images.manager import ImageCollector, ImageManager, PullSettings
from kubelet.images.records import PullRecords
from kubelet.metrics import KubeletMetrics
from kubelet.runtime.hollow.program import Stages
from kubelet.runtime.hollow.runtime import HollowRuntime
from kubelet.runtime.interface import ImagePullError
from kubelet.runtime.records import ImageState, RegistryAuth, Uid
from vaina.errors import Unavailable
from vaina.testing.clock import FakeClock

POD = Uid("uid")
IMAGE = "registry.local/app:1"
RIGHT, WRONG = RegistryAuth("me", "word"), RegistryAuth("me", "guessed")


def credential(name: str = "mine", auth: RegistryAuth = RIGHT) -> Credential:
    return Credential(auth, PullSecret(f"uid-of-{name}", "ns", name, auth.password))


class Registry:
    """An engine's images, and a registry that wants a password for some of them."""

    def __init__(self) -> None:
        self.there: dict[str, ImageState] = {}
        self.public = {"busybox:1"}
        self.pulls = 0
        #: of a pull that goes on until it is set
        self.may_end: asyncio.Event | None = None

    async def image_status(self, reference: str) -> ImageState | None:
        return self.there.get(reference)

    async def pull_image(self, reference: str, *, auth: RegistryAuth | None = None) -> ImageState:
        self.pulls += 1
        if self.may_end is not None:
            await self.may_end.wait()
        if auth != RIGHT and reference not in self.public:
            raise ImagePullError("no basic auth credentials")
        return self.add(reference)

    def add(self, reference: str) -> ImageState:
        state = self.there[reference] = ImageState(f"sha256:{reference}", (reference,))
        return state

    async def list_images(self) -> Sequence[ImageState]:
        return [*self.there.values()]

    async def image_filesystem(self) -> str:
        return ""


class Node:
    """What a kubelet has of images; `restart` is a kubelet that was killed."""

    def __init__(self, folder: Path, policy: VerificationPolicy | None = None) -> None:
        self.folder, self.registry, self.clock = folder, Registry(), FakeClock()
        self._settings = PullSettings(verification=policy or VerificationPolicy())
        self.images: ImageManager
        self.records: PullRecords
        self.metrics: CollectorRegistry

    async def restart(self) -> None:
        self.metrics = CollectorRegistry()
        metrics = KubeletMetrics(self.metrics, self.clock)
        self.records = PullRecords(self.folder, self.clock, metrics)
        self.records.load()
        await self.records.adopt(await self.registry.list_images())
        self.images = ImageManager(
            self.registry,  # type: ignore[arg-type]  # what the manager asks of images
            self.clock,
            self._settings,
            metrics,
            self.records,
        )

    async def pull(self, *credentials: Credential, image: str = IMAGE) -> None:
        await self.images.pull(POD, image, credentials, lambda: None)

    async def is_for(
        self, *credentials: Credential, image: str = IMAGE, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    ) -> bool:
        async def own() -> Sequence[Credential]:
            return credentials

        found = await self.images.look(image, policy, own)
        return found.progress is ImageProgress.READY

    def count(self, result: str) -> float:
        name = "kubelet_imagemanager_image_mustpull_checks_total"
        return self.metrics.get_sample_value(name, {"result": result}) or 0

    def written(self) -> dict[str, int]:
        return {name: len([*(self.folder / name).iterdir()]) for name in ("pulling", "pulled")}


@pytest.fixture
async def node(tmp_path: Path) -> Node:
    made = Node(tmp_path)
    await made.restart()
    return made


async def test_an_image_that_was_pulled_with_credentials_is_for_who_has_them(node: Node) -> None:
    await node.pull(credential("wrong", WRONG), credential())
    assert await node.is_for(credential())
    assert await node.is_for(credential("wrong", WRONG), credential("theirs"))
    assert not await node.is_for()
    assert not await node.is_for(credential("wrong", WRONG))
    assert (node.count("credentialRecordFound"), node.count("mustAuthenticate")) == (2, 2)


async def test_who_pulls_it_again_with_others_has_it_too(node: Node) -> None:
    await node.pull(credential())
    node.registry.public.add(IMAGE)
    assert not await node.is_for()
    await node.pull()
    # Nobody is asked for anything any more: the registry gives it to everybody.
    assert await node.is_for()
    assert await node.is_for(credential("wrong", WRONG))


async def test_who_may_not_have_an_image_does_not_hear_that_it_is_there(node: Node) -> None:
    async def none() -> Sequence[Credential]:
        return ()

    hidden, missing = [], []
    await node.pull(credential())
    for image, found in ((IMAGE, hidden), ("registry.local/none:1", missing)):
        said = await node.images.look(image, PullPolicy.NEVER, none)
        found += [said.progress, said.reason, said.message.replace(image, "IMAGE")]
    assert hidden == missing
    assert await node.is_for(credential(), policy=PullPolicy.NEVER)


async def test_what_was_there_before_is_for_everybody(node: Node) -> None:
    node.registry.add(IMAGE)
    assert await node.is_for()
    assert node.count("credentialPolicyAllowed") == 1
    # ... under another name too; until this kubelet has pulled it with credentials.
    await node.pull(credential())
    assert not await node.is_for()


async def test_what_everybody_may_pull_is_for_everybody(node: Node) -> None:
    await node.pull(image="busybox:1")
    assert await node.is_for(image="busybox:1")
    assert await node.is_for(credential("wrong", WRONG), image="busybox:1")


async def test_another_name_of_an_image_has_to_be_pulled(node: Node) -> None:
    await node.pull(image="busybox:1")
    node.registry.there[IMAGE] = node.registry.there["busybox:1"]
    assert not await node.is_for(credential())


async def test_it_is_known_after_a_restart(node: Node) -> None:
    await node.pull(credential())
    await node.pull(image="busybox:1")
    assert node.written() == {"pulling": 0, "pulled": 2}
    await node.restart()
    assert await node.is_for(credential())
    assert await node.is_for(image="busybox:1")
    assert not await node.is_for()
    assert node.metrics.get_sample_value("kubelet_imagemanager_ondisk_pulledrecords") == 2


async def test_a_secret_that_was_seen_to_do_is_known_when_it_has_other_credentials(node: Node) -> None:
    await node.pull(credential())
    assert await node.is_for(credential("theirs"))
    await node.restart()
    assert await node.is_for(credential("theirs", WRONG))


async def test_a_pull_that_a_killed_kubelet_has_begun_is_for_nobody_yet(node: Node) -> None:
    node.registry.may_end = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        pulling = group.create_task(node.pull(credential()))
        while not node.registry.pulls:
            await asyncio.wait([pulling], timeout=0.01)
        saved = node.folder.with_name("saved")
        shutil.copytree(node.folder, saved)
        node.registry.may_end.set()
    # As the folder was when the kubelet was killed; the engine went on.
    node.folder, node.registry.may_end = saved, None
    await node.restart()
    assert node.written() == {"pulling": 0, "pulled": 1}
    assert not await node.is_for()
    assert not await node.is_for(credential())
    await node.pull(credential())
    assert await node.is_for(credential())


async def test_a_pull_that_fails_leaves_nothing(node: Node) -> None:
    with pytest.raises(ImagePullError):
        await node.pull()
    assert node.written() == {"pulling": 0, "pulled": 0}
    node.registry.add(IMAGE)
    assert await node.is_for()


async def test_a_pull_that_is_given_up_leaves_nothing(node: Node) -> None:
    node.registry.may_end = asyncio.Event()
    pulling = asyncio.get_running_loop().create_task(node.pull(credential()))
    while not node.registry.pulls:
        await asyncio.wait([pulling], timeout=0.01)
    pulling.cancel()
    await asyncio.wait([pulling])
    assert node.written() == {"pulling": 0, "pulled": 0}


async def test_of_two_pulls_at_once_the_second_goes_on_being_written_down(node: Node) -> None:
    node.registry.may_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    first, second = (loop.create_task(node.pull(one)) for one in (credential("wrong", WRONG), credential()))
    while node.registry.pulls < 2:
        await asyncio.wait([first], timeout=0.01)
    first.cancel()
    await asyncio.wait([first])
    assert node.written() == {"pulling": 1, "pulled": 0}
    node.registry.may_end.set()
    await second
    assert node.written() == {"pulling": 0, "pulled": 1}


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Have a file where a folder should be: root may write anywhere else."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


async def test_without_room_for_writing_it_down_nothing_is_pulled(node: Node) -> None:
    with (
        unwritable(node.folder / "pulling"),
        pytest.raises(ImagePullError, match="failed to record image pull intent"),
    ):
        await node.pull(credential())
    assert node.registry.pulls == 0
    await node.pull(credential())
    assert await node.is_for(credential())


async def test_an_image_of_which_it_is_not_written_down_who_has_pulled_it_is_for_nobody(node: Node) -> None:
    with unwritable(node.folder / "pulled"):
        await node.pull(credential())
    for _ in range(2):
        assert not await node.is_for()
        assert not await node.is_for(credential())
        await node.restart()
    await node.pull(credential())
    assert await node.is_for(credential())


async def test_a_pull_that_could_not_be_written_down_is_made_good_by_the_next(node: Node) -> None:
    with unwritable(node.folder / "pulled"):
        await node.pull(credential())
    assert node.written() == {"pulling": 1, "pulled": 0}
    await node.pull(credential())
    assert node.written() == {"pulling": 0, "pulled": 1}


async def test_a_file_that_cannot_be_read_keeps_its_image_from_everybody(node: Node) -> None:
    await node.pull(credential())
    [path] = (node.folder / "pulled").iterdir()
    path.write_text('{"kind": "ImagePulledRec')
    (node.folder / "pulled" / "left.tmp").touch()
    await node.restart()
    assert not await node.is_for(credential())
    await node.pull(credential())
    assert await node.is_for(credential())
    assert node.written() == {"pulling": 0, "pulled": 1}


async def test_files_are_as_upstream_writes_them_and_for_root_alone(node: Node) -> None:
    await node.pull(credential())
    [path] = (node.folder / "pulled").iterdir()
    assert path.name.startswith("sha256-")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == (
        '{"lastUpdatedTime":"2026-01-01T00:00:00Z","imageRef":"sha256:registry.local/app:1",'
        '"credentialMapping":{"registry.local/app":{"kubernetesSecrets":['
        '{"uid":"uid-of-mine","namespace":"ns","name":"mine","credentialHash":"word"}]}},'
        '"kind":"ImagePulledRecord","apiVersion":"kubelet.config.k8s.io/v1beta1"}'
    )


async def test_who_pulled_an_image_that_is_gone_is_forgotten(node: Node) -> None:
    await node.pull(credential())
    await node.pull(image="busybox:1")
    await node.clock.advance(10)
    del node.registry.there[IMAGE]
    await node.records.prune({"sha256:busybox:1"}, node.clock.now())
    assert node.written() == {"pulling": 0, "pulled": 1}
    # It was brought by somebody else: it is for everybody.
    node.registry.add(IMAGE)
    assert await node.is_for()
    await node.restart()
    assert await node.is_for()


async def test_the_collector_forgets_them_by_and_by(node: Node) -> None:
    runtime = HollowRuntime(node.clock, random.Random(1), stages=Stages(), cidr=IPv4Network("10.244.0.0/24"))
    collector = ImageCollector(
        node.registry,  # type: ignore[arg-type]  # as above
        runtime,
        node.clock,
        ImagePolicy(),
        tell=lambda *_: None,
        count=list,
        records=node.records,
    )
    await node.pull(credential())
    await node.pull(image="busybox:1")
    await node.clock.advance(10)
    del node.registry.there[IMAGE]
    await collector.look()
    await collector.collect()
    assert node.written() == {"pulling": 0, "pulled": 1}


async def test_what_was_pulled_while_images_were_listed_is_not_forgotten(node: Node) -> None:
    since = node.clock.now()
    await node.pull(credential())
    await node.records.prune((), since)
    assert await node.is_for(credential())


async def test_credentials_that_nobody_knows_now_decide_nothing(node: Node) -> None:
    async def unknown() -> Sequence[Credential]:
        raise Unavailable("no apiserver")

    await node.pull(credential())
    with pytest.raises(Unavailable):
        await node.images.look(IMAGE, PullPolicy.IF_NOT_PRESENT, unknown)
    assert node.count("error") == 1
    # Where they would not decide nobody is asked.
    await node.pull(image="busybox:1")
    found = await node.images.look("busybox:1", PullPolicy.IF_NOT_PRESENT, unknown)
    assert found.progress is ImageProgress.READY


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (VerificationPolicy(Verification.NEVER), (True, True)),
        (VerificationPolicy(Verification.ALWAYS), (False, False)),
        (VerificationPolicy(Verification.UNLISTED, ("registry.local/*",)), (True, False)),
    ],
)
async def test_the_policy_decides_whom_it_is_asked_of(
    policy: VerificationPolicy, expected: tuple[bool, bool], tmp_path: Path
) -> None:
    node = Node(tmp_path, policy)
    await node.restart()
    await node.pull(credential())
    node.registry.add("busybox:1")
    assert (await node.is_for(), await node.is_for(image="busybox:1")) == expected
