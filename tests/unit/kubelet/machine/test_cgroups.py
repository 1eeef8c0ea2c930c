"""Cgroups of Pods: where they are, what they may use, and what is read of them.

The kernel is played by a folder.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from kubelet.containers.cgroups import (
    CgroupLimits,
    burstable_limits,
    cgroups_of,
    pod_cgroup,
    pod_cgroup_limits,
)
from kubelet.machine.cgroups import Cgroups, CgroupUse, PodCgroups, weight_of
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_container, make_pod

MI = 1024**2
PARENT = "/vaina/node-1"
LIMITS = CgroupLimits(cpu_shares=512, cpu_quota_micros=50_000, memory_bytes=64 * MI, pids=100)


def pod(*resources: dict[str, dict[str, str]]) -> pod_pb2.Pod:
    made = make_pod(containers=[make_container(f"c{number}") for number in range(len(resources))])
    made.metadata.uid = "u1"
    for container, wanted in zip(made.spec.containers, resources, strict=True):
        for kind, amounts in wanted.items():
            for name, amount in amounts.items():
                getattr(container.resources, kind)[name].string = amount
    return made


def version_1(root: Path) -> Cgroups:
    for name in ("cpu", "cpuacct", "memory", "pids", "freezer"):
        (root / name).mkdir()
    return Cgroups(root)


def version_2(root: Path) -> Cgroups:
    (root / "cgroup.controllers").write_text("cpu memory pids")
    return Cgroups(root)


GUARANTEED = pod({"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": "500m", "memory": "64Mi"}})
BURSTABLE = pod({"requests": {"cpu": "250m"}, "limits": {"memory": "64Mi"}}, {"requests": {"cpu": "250m"}})


@pytest.mark.requirement("B4")
def test_a_pod_is_below_its_class() -> None:
    assert pod_cgroup(PARENT, GUARANTEED) == "/vaina/node-1/kubepods/podu1"
    assert pod_cgroup(PARENT, BURSTABLE) == "/vaina/node-1/kubepods/burstable/podu1"
    assert pod_cgroup(PARENT, pod({})) == "/vaina/node-1/kubepods/besteffort/podu1"
    assert pod_cgroup("", GUARANTEED) == ""
    assert {pod_cgroup(PARENT, item) for item in (GUARANTEED, BURSTABLE, pod({}))} == set(
        cgroups_of(PARENT, "u1")
    )


@pytest.mark.requirement("B4")
def test_a_pod_has_a_limit_where_all_its_containers_have_one() -> None:
    assert pod_cgroup_limits(GUARANTEED, pids_limit=100) == LIMITS
    # The second container has no limit of memory, none of CPU.
    assert pod_cgroup_limits(BURSTABLE) == CgroupLimits(cpu_shares=512)
    assert pod_cgroup_limits(pod({})) == CgroupLimits(cpu_shares=2)


def test_limits_of_the_whole_pod_hold_whatever_its_containers_say() -> None:
    made = pod({}, {})
    made.spec.resources.limits["memory"].string = "64Mi"
    made.spec.resources.requests["cpu"].string = "500m"
    assert pod_cgroup_limits(made) == CgroupLimits(cpu_shares=512, memory_bytes=64 * MI)


def test_the_burstable_class_shares_as_its_pods_have_requested() -> None:
    assert burstable_limits([BURSTABLE, GUARANTEED, BURSTABLE]).cpu_shares == 1024


@pytest.mark.parametrize(
    ("shares", "weight"), [(2, 1), (102, 4), (1024, 39), (262_144, 10_000), (300_000, 10_000)]
)
def test_shares_become_weights(shares: int, weight: int) -> None:
    assert weight_of(shares) == weight


@pytest.mark.requirement("B4")
def test_version_1_has_a_file_a_limit_in_each_hierarchy(tmp_path: Path) -> None:
    version_1(tmp_path).apply("/vaina/a", LIMITS)
    seen = {
        str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert seen == {
        "cpu/vaina/a/cpu.shares": "512", "cpu/vaina/a/cpu.cfs_period_us": "100000",
        "cpu/vaina/a/cpu.cfs_quota_us": "50000", "memory/vaina/a/memory.limit_in_bytes": str(64 * MI),
        "pids/vaina/a/pids.max": "100",
    }  # fmt: skip


@pytest.mark.requirement("B4")
def test_version_2_hands_the_controllers_down(tmp_path: Path) -> None:
    version_2(tmp_path).apply("/vaina/a", CgroupLimits(cpu_shares=512, memory_bytes=64 * MI))
    own = tmp_path / "vaina" / "a"
    assert (own / "cpu.max").read_text() == "max 100000"
    assert (own / "memory.max").read_text() == str(64 * MI)
    assert (own / "pids.max").read_text() == "max"
    assert (own / "cpu.weight").read_text() == str(weight_of(512))
    for above in (tmp_path, tmp_path / "vaina"):
        assert (above / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


@pytest.mark.requirement("B4")
def test_version_2_hands_down_what_the_machine_has_and_nothing_twice(tmp_path: Path) -> None:
    """One name that the kernel does not take has it refuse the others of the same write."""
    (tmp_path / "cgroup.controllers").write_text("cpuset io memory pids\n")
    # As systemd leaves it.
    (tmp_path / "cgroup.subtree_control").write_text("memory\n")
    (tmp_path / "vaina").mkdir()
    (tmp_path / "vaina" / "cgroup.subtree_control").write_text("memory pids\n")

    Cgroups(tmp_path).apply("/vaina/a", CgroupLimits())

    assert (tmp_path / "cgroup.subtree_control").read_text() == "+pids"
    assert (tmp_path / "vaina" / "cgroup.subtree_control").read_text() == "memory pids\n"


@pytest.mark.requirement("B4")
def test_a_limit_that_the_kernel_refuses_leaves_the_others(tmp_path: Path) -> None:
    own = tmp_path / "vaina" / "a"
    # What cannot be written, whoever asks: a machine without this controller has no such file.
    (own / "cpu.weight").mkdir(parents=True)

    with pytest.raises(OSError, match=r"cpu\.weight"):
        version_2(tmp_path).apply("/vaina/a", LIMITS)

    assert (own / "memory.max").read_text() == str(64 * MI)
    assert (own / "pids.max").read_text() == "100"


@pytest.mark.requirement("B4")
def test_a_limit_below_what_is_used_is_not_set_until_it_is_above(tmp_path: Path) -> None:
    """Version 1's kernel refuses one; version 2's takes it, and kills for it at once."""
    pods, path = PodCgroups(version_2(tmp_path), PARENT), pod_cgroup(PARENT, GUARANTEED)
    pods.apply(path, LIMITS)
    own = tmp_path / path.lstrip("/")
    smaller = CgroupLimits(cpu_shares=1024, cpu_quota_micros=100_000, memory_bytes=32 * MI, pids=100)

    (own / "memory.current").write_text(f"{40 * MI}\n")
    pods.apply(path, smaller)
    assert ((own / "memory.max").read_text(), (own / "cpu.max").read_text()) == (
        str(64 * MI),
        "100000 100000",
    )

    (own / "memory.current").write_text(f"{20 * MI}\n")
    pods.apply(path, smaller)
    assert (own / "memory.max").read_text() == str(32 * MI)


@pytest.mark.parametrize(
    ("now", "used", "limit", "found"),
    [
        (64, 40, 32, 40), (64, 32, 32, 32), (None, 40, 32, 40),  # to what is used, or less
        (64, 40, 41, 0), (64, 64, 96, 0), (64, 64, 64, 0), (64, 40, 0, 0), (None, 40, 0, 0),  # not lowered so far
        (64, None, 32, 0),  # not known
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", [version_1, version_2])
def test_a_limit_that_is_lowered_to_what_is_used_is_told(
    tmp_path: Path,
    version: Callable[[Path], Cgroups],
    now: int | None,
    used: int | None,
    limit: int,
    found: int,
) -> None:
    pods, path = PodCgroups(version(tmp_path), PARENT), pod_cgroup(PARENT, GUARANTEED)
    pods.apply(path, CgroupLimits(memory_bytes=(now or 0) * MI))
    own, name = tmp_path / path.lstrip("/"), "memory.current"
    if version is version_1:
        own, name = tmp_path / "memory" / path.lstrip("/"), "memory.usage_in_bytes"
    if used is not None:
        (own / name).write_text(f"{used * MI}\n")

    assert pods.used_above(path, limit * MI) == found * MI
    assert pods.used_above(path + "/none", limit * MI) == 0


@pytest.mark.requirement("B4")
def test_a_container_that_just_ended_leaves_none_of_the_others_uncontained(tmp_path: Path) -> None:
    pods, path = PodCgroups(version_2(tmp_path), PARENT), pod_cgroup(PARENT, GUARANTEED)
    pods.apply(path, LIMITS)
    folders = [tmp_path / path.lstrip("/") / name for name in ("c1", "c2", "c3")]
    for folder in folders:
        folder.mkdir()
        (folder / "memory.oom.group").write_text("0\n")
    (folders[1] / "memory.oom.group").unlink()
    # What cannot be written, as that of a cgroup whose last process is gone.
    (folders[1] / "memory.oom.group").mkdir()

    pods.contain(path)

    assert [(folder / "memory.oom.group").read_text() for folder in (folders[0], folders[2])] == ["1", "1"]


@pytest.mark.requirement("B4")
@pytest.mark.parametrize(("kill_together", "group"), [(True, "1"), (False, "0\n")])
def test_containers_of_version_2_end_as_a_whole_and_do_not_swap(
    tmp_path: Path, kill_together: bool, group: str
) -> None:
    pods = PodCgroups(version_2(tmp_path), PARENT, kill_together=kill_together)
    path = pod_cgroup(PARENT, GUARANTEED)
    pods.apply(path, LIMITS)
    pod_folder = tmp_path / path.lstrip("/")
    for name in ("c1", "c2"):
        (pod_folder / name).mkdir()
        (pod_folder / name / "memory.oom.group").write_text("0\n")
    # Kernels without swap have no such file.
    (pod_folder / "c2" / "memory.swap.max").write_text("max\n")

    pods.contain(path)

    assert [(pod_folder / name / "memory.oom.group").read_text() for name in ("c1", "c2")] == [group, group]
    assert (pod_folder / "c2" / "memory.swap.max").read_text() == "0"
    assert not (pod_folder / "c1" / "memory.swap.max").exists()
    assert not (pod_folder / "memory.oom.group").exists()
    pods.contain(pod_cgroup(PARENT, BURSTABLE))  # which has none yet


def test_version_1_knows_neither_and_is_left_alone(tmp_path: Path) -> None:
    pods = PodCgroups(version_1(tmp_path), PARENT)
    path = pod_cgroup(PARENT, GUARANTEED)
    pods.apply(path, LIMITS)
    (tmp_path / "memory" / path.lstrip("/") / "c1").mkdir()
    pods.contain(path)
    assert list((tmp_path / "memory" / path.lstrip("/") / "c1").iterdir()) == []


def test_what_the_whole_machine_uses_is_read_of_version_2_as_well(tmp_path: Path) -> None:
    """Its own cgroup has no memory.current: a kubelet on the machine itself would never see a lack of memory."""
    (tmp_path / "cpu.stat").write_text("usage_usec 5\n")
    (tmp_path / "memory.stat").write_text("anon 70\nfile 50\ninactive_file 30\n")
    assert version_2(tmp_path).use("/") == CgroupUse(5000, 90, None)


def test_use_is_read_of_both_versions(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    first, second = version_1(one), version_2(two)
    first.apply("/p", LIMITS)
    (one / "cpuacct" / "p").mkdir()
    (one / "cpuacct" / "p" / "cpuacct.usage").write_text("5000\n")
    (one / "memory" / "p" / "memory.usage_in_bytes").write_text("100\n")
    (one / "memory" / "p" / "memory.stat").write_text("cache 70\ntotal_inactive_file 30\n")
    (one / "pids" / "p" / "pids.current").write_text("7\n")
    second.apply("/p", LIMITS)
    (two / "p" / "cpu.stat").write_text("usage_usec 5\nuser_usec 3\n")
    (two / "p" / "memory.current").write_text("100\n")
    (two / "p" / "memory.stat").write_text("anon 70\ninactive_file 30\n")
    (two / "p" / "pids.current").write_text("7\n")

    assert first.use("/p") == second.use("/p") == CgroupUse(5000, 70, 7)
    assert first.use("/none") == second.use("/none") == CgroupUse()


def test_cgroups_of_pods_are_found_and_removed(tmp_path: Path) -> None:
    class Folder(Cgroups):
        """Removes the files that the kernel would take away with their folder."""

        def remove(self, path: str) -> None:
            for file in [
                item for item in tmp_path.rglob("*") if item.is_file() and path.lstrip("/") in str(item)
            ]:
                file.unlink()
            super().remove(path)

    for name in ("cpu", "memory", "pids"):
        (tmp_path / name).mkdir()
    pods = PodCgroups(Folder(tmp_path), PARENT)
    for item in (GUARANTEED, BURSTABLE):
        pods.apply(pod_cgroup(PARENT, item), LIMITS)
    assert pods.present() == {"u1"}

    pods.remove("u1")

    assert pods.present() == frozenset()
    # What was removed is made anew when it is asked for.
    pods.apply(pod_cgroup(PARENT, GUARANTEED), LIMITS)
    assert pods.present() == {"u1"}


def test_what_the_kernel_refuses_stops_no_pod(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text("no folder")
    pods = PodCgroups(Cgroups(tmp_path), PARENT)
    pods.apply(f"{PARENT}/kubepods/podu1", LIMITS)
    assert pods.present() == frozenset()


@pytest.mark.requirement("B4")
@pytest.mark.parametrize(
    ("version", "name", "most"), [(version_1, "cpu.shares", 262_144), (version_2, "cpu.weight", 10_000)]
)
def test_what_is_above_the_pods_shares_as_they_do_together(
    tmp_path: Path, version: Callable[[Path], Cgroups], name: str, most: int
) -> None:
    cgroups = version(tmp_path)
    top = tmp_path if cgroups.unified else tmp_path / "cpu"
    for path, share in {
        "vaina": 7, "vaina/node-1": 7, "vaina/node-2": 300, "vaina/node-1/kubepods": 500,
        "vaina/node-1/kubepods/burstable": 9000, "vaina/node-1/other": 100, "stranger": 3,
    }.items():  # fmt: skip
        (top / path).mkdir()
        (top / path / name).write_text(f"{share}\n")
    pods = PodCgroups(cgroups, PARENT)

    def shares(*paths: str) -> list[int]:
        return [int((top / path / name).read_text()) for path in paths]

    pods.share_up()
    assert shares("vaina/node-1", "vaina", "vaina/node-1/kubepods", "stranger") == [600, 900, 500, 3]
    # Another node comes, and one has more than the kernel takes.
    (top / "vaina/node-2" / name).write_text(str(most))
    pods.share_up()
    assert shares("vaina/node-1", "vaina") == [600, most]
    assert not (top / name).exists()


def test_cgroups_that_are_not_there_are_logged_and_nothing_more(tmp_path: Path) -> None:
    PodCgroups(version_1(tmp_path), PARENT).share_up()
    PodCgroups(version_1(tmp_path / "cpu"), "").share_up()
