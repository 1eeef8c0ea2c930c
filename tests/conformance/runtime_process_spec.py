"""What every runtime that starts processes must give them: run inside a node, against Docker and against CRI.

Follows `tests/cluster/*_runtime_spec.py`.

The same whatever the runtime: what a Pod sees must not tell its author which engine its node has.
"""

import asyncio
import tempfile
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kubelet.runtime.interface import RuntimeFailure
from kubelet.runtime.records import (
    ContainerConfig,
    ContainerPhase,
    ContainerState,
    DnsConfig,
    ExecConfig,
    LinuxResources,
    LogOptions,
    Mount,
    Output,
    OutputStream,
    SandboxConfig,
    SandboxState,
    SecurityConfig,
)
from tests.conformance.runtime_spec import Harness, read

GRACEFUL = ("sh", "-c", "trap 'exit 0' TERM; sleep infinity & wait")
MIB = 1024 * 1024


async def start(
    harness: Harness, *command: str, sandbox: SandboxConfig | None = None, name: str = "app", **more: Any
) -> str:
    """Start a container of a sandbox (made when it is not there) and return its id."""
    config = sandbox or harness.sandbox_config()
    made = await harness.runtime.run_pod_sandbox(config)
    container: ContainerConfig = replace(await harness.config(*(command or GRACEFUL), name=name), **more)
    container_id = await harness.runtime.create_container(made.id, container, config)
    await harness.runtime.start_container(container_id)
    return container_id


async def told(harness: Harness, container_id: str, script: str) -> str:
    """Run a script in a container; return what it wrote."""
    result = await harness.runtime.exec_sync(container_id, ["sh", "-c", script], timeout_seconds=30)
    assert result.exit_code == 0, f"`{script}` ended with {result.exit_code}: {result.stderr.decode()}"
    return result.stdout.decode().strip()


async def _seen_to(harness: Harness, sandbox: SandboxState, config: ContainerConfig) -> ContainerState:
    """Do what a kubelet does until an attempt has ended.

    Look, make what is not there, start what was not started.
    """
    found: list[ContainerState] = []

    async def has_ended() -> bool:
        listed = await harness.runtime.list_containers(harness.uid)
        found[:] = [item for item in listed if item.attempt == config.attempt]
        if not found or found[0].phase is ContainerPhase.CREATED:
            # A runtime may not be done yet with the start that was cut off: then neither is taken.
            with suppress(RuntimeFailure):
                await harness.runtime.start_container(await harness.create(sandbox, config))
            return False
        return found[0].phase is ContainerPhase.EXITED

    await harness.until(has_ended, "the container ends")
    return found[0]


class ProcessSpec:
    """The spec. Mixed into a RuntimeSpec, which has the fixture `harness`."""

    async def cut_off_start(self, harness: Harness, container_id: str, seconds: float) -> None:
        """Ask for a start and go away so many seconds later, as a kubelet that is killed does.

        Return when the engine seems done with it.
        """
        raise NotImplementedError("the test module of each runtime provides it")

    # What a Pod's containers share

    async def test_a_pod_has_its_hostname_its_dns_and_shared_memory(self, harness: Harness) -> None:
        dns = DnsConfig(("10.96.0.10",), ("default.svc.cluster.local",), ("ndots:5",))
        sandbox = replace(
            harness.sandbox_config(), dns=dns, sysctls={"net.ipv4.ip_unprivileged_port_start": "80"}
        )
        one = await start(harness, sandbox=sandbox)
        two = await start(harness, sandbox=sandbox, name="two")

        assert await told(harness, one, "echo $(hostname) $HOSTNAME") == "web web"
        lines = (await told(harness, one, "cat /etc/resolv.conf")).splitlines()
        assert sorted(lines) == [
            "nameserver 10.96.0.10", "options ndots:5", "search default.svc.cluster.local",
        ]  # fmt: skip
        await told(harness, one, "echo shared >/dev/shm/note")
        assert await told(harness, two, "cat /dev/shm/note") == "shared"
        assert await told(harness, two, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "80"
        same = [
            await told(harness, item, "readlink /proc/self/ns/net; readlink /proc/self/ns/ipc")
            for item in (one, two)
        ]
        assert same[0] == same[1]
        assert await told(harness, one, "readlink /proc/self/ns/pid") != await told(
            harness, two, "readlink /proc/self/ns/pid"
        )

    async def test_a_pod_without_dns_does_not_get_servers_that_it_cannot_reach(
        self, harness: Harness
    ) -> None:
        made = await start(harness)
        assert "127." not in await told(harness, made, "cat /etc/resolv.conf")

    async def test_a_shared_process_namespace_has_the_sandbox_as_its_first(self, harness: Harness) -> None:
        sandbox = replace(harness.sandbox_config(), share_process_namespace=True)
        one = await start(harness, sandbox=sandbox)
        two = await start(harness, sandbox=sandbox, name="two")
        first = await told(harness, one, "tr '\\0' ' ' </proc/1/cmdline")
        assert first.startswith("/pause")
        assert await told(harness, two, "readlink /proc/self/ns/pid") == await told(
            harness, one, "readlink /proc/self/ns/pid"
        )

    async def test_a_pod_on_the_nodes_network_has_no_address_of_its_own(self, harness: Harness) -> None:
        sandbox = replace(harness.sandbox_config(), host_network=True, hostname="")
        made = await start(harness, sandbox=sandbox)
        [listed] = await harness.runtime.list_pod_sandboxes(harness.uid)
        assert (listed.ready, listed.ip) == (True, "")
        inside = await told(harness, made, "readlink /proc/self/ns/net")
        assert inside == str(await asyncio.to_thread(Path("/proc/self/ns/net").readlink))

    async def test_the_way_into_a_sandboxs_network_is_told(self, harness: Harness) -> None:
        made = await start(harness)
        [listed] = await harness.runtime.list_pod_sandboxes(harness.uid)
        path = await harness.runtime.network_namespace(listed.id)
        inside = await told(harness, made, "readlink /proc/self/ns/net")
        assert str(await asyncio.to_thread(Path(path).readlink)) == inside
        await harness.runtime.stop_pod_sandbox(listed.id)
        with pytest.raises(RuntimeFailure):
            await harness.runtime.network_namespace(listed.id)

    # Cgroups

    async def test_limits_are_in_cgroups_below_the_pods_and_can_be_changed(self, harness: Harness) -> None:
        parent = f"/vaina-spec/{harness.uid}"
        sandbox = replace(harness.sandbox_config(), cgroup_parent=parent)
        limits = LinuxResources(
            cpu_shares=102, cpu_quota_micros=25_000, cpu_period_micros=100_000, memory_limit_bytes=32 * MIB,
            oom_score_adj=1000,
        )  # fmt: skip
        made = await start(harness, sandbox=sandbox, resources=limits)
        try:
            assert await told(harness, made, "cat /proc/1/oom_score_adj") == "1000"
            read_memory = (
                "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true"
            )
            assert int(await told(harness, made, read_memory)) == 32 * MIB
            assert await asyncio.to_thread(_below, parent, made)
            more = replace(limits, memory_limit_bytes=48 * MIB)
            await harness.runtime.update_container_resources(made, more)
            assert int(await told(harness, made, read_memory)) == 48 * MIB
        finally:
            [listed] = await harness.runtime.list_pod_sandboxes(harness.uid)
            await harness.runtime.remove_pod_sandbox(listed.id)
            await asyncio.to_thread(_remove_cgroups, parent)

    async def test_what_takes_more_memory_than_its_limit_is_killed_for_that(self, harness: Harness) -> None:
        made = await start(
            harness, "sh", "-c", "x=a; while :; do x=$x$x; done", resources=LinuxResources(memory_limit_bytes=24 * MIB)
        )  # fmt: skip
        state = await harness.ended(made)
        assert (state.reason, state.exit_code) == ("OOMKilled", 137)

    async def test_what_a_container_uses_is_told(self, harness: Harness) -> None:
        made = await start(harness)
        await told(harness, made, "dd if=/dev/zero of=/file bs=1M count=1 2>/dev/null")
        stats = await harness.runtime.container_stats(made)
        assert stats.cpu_usage_nanos > 0
        assert stats.memory_working_set_bytes > 0

        async def seen() -> bool:
            return (await harness.runtime.container_disk_usage(made)).writable_bytes >= MIB

        await harness.until(seen, "the file is counted")

    # Rights

    async def test_users_and_groups_are_those_asked_for(self, harness: Harness) -> None:
        security = SecurityConfig(
            run_as_user=1000, run_as_group=2000, supplemental_groups=(3000,), readonly_rootfs=True, no_new_privs=True,
            drop_capabilities=("ALL",),
        )  # fmt: skip
        made = await start(harness, security=security)
        assert await told(harness, made, "id -u; id -g; id -G") == "1000\n2000\n2000 3000"
        assert await told(harness, made, "touch /x 2>/dev/null && echo written || echo refused") == "refused"
        status = dict(
            line.split(":\t") for line in (await told(harness, made, "cat /proc/self/status")).splitlines() if ":\t" in line
        )  # fmt: skip
        assert (status["NoNewPrivs"], int(status["CapBnd"], 16)) == ("1", 0)
        only_group = await start(harness, security=SecurityConfig(run_as_group=2000), name="two")
        assert await told(harness, only_group, "id -u; id -g") == "0\n2000"

    async def test_an_ordinary_container_is_confined_and_a_privileged_one_is_not(
        self, harness: Harness
    ) -> None:
        sandbox = replace(harness.sandbox_config(), privileged=True)
        plain = await start(harness, sandbox=sandbox)
        mighty = await start(
            harness, sandbox=sandbox, name="mighty", security=SecurityConfig(privileged=True)
        )
        free = await start(
            harness, sandbox=sandbox, name="free",
            security=SecurityConfig(seccomp_profile="Unconfined", add_capabilities=("NET_ADMIN",)),
        )  # fmt: skip
        mount = "mount -t tmpfs none /tmp 2>/dev/null && echo mounted || echo refused"
        assert [await told(harness, item, mount) for item in (plain, mighty, free)] == [
            "refused",
            "mounted",
            "refused",
        ]
        link = "ip link add dummy-x type dummy 2>/dev/null || ip link set lo mtu 60000 2>/dev/null && echo done || echo refused"
        assert [await told(harness, item, link) for item in (plain, free)] == ["refused", "done"]
        seccomp = [
            await told(harness, item, "grep Seccomp: /proc/self/status") for item in (plain, mighty, free)
        ]
        assert [line.split()[1] for line in seccomp] == ["2", "0", "0"]
        masked = "head -c 1 /proc/timer_list 2>/dev/null | wc -c; touch /proc/sys/kernel/domainname 2>/dev/null && echo w || echo ro"
        assert (await told(harness, plain, masked)).split() == ["0", "ro"]

    async def test_files_are_mounted_as_asked_for(self, harness: Harness) -> None:
        with tempfile.TemporaryDirectory(dir="/var/lib/vaina") as folder:
            await asyncio.to_thread(Path(folder, "file").write_text, "here")
            made = await start(
                harness, mounts=(Mount(f"{folder}/file", "/etc/deep/file", readonly=True), Mount(folder, "/data")),
                working_dir="/data", env=(("A", "1"), ("B", "x y")),
            )  # fmt: skip
            script = "cat /etc/deep/file; echo; touch /etc/deep/file 2>/dev/null || echo ro; echo new >/data/made; echo $A $B; pwd"
            assert (await told(harness, made, script)).split("\n") == ["here", "ro", "1 x y", "/data"]
            assert await asyncio.to_thread(Path(folder, "made").read_text) == "new\n"
            [listed] = await harness.runtime.list_pod_sandboxes(harness.uid)
            await harness.runtime.remove_pod_sandbox(listed.id)

    # Beginnings and ends

    async def test_what_never_ran_because_its_caller_died_is_started_by_the_next_one(
        self, harness: Harness
    ) -> None:
        """And what did run is not started again."""
        sandbox = await harness.sandbox()
        for attempt in range(6):
            config = await harness.config("echo", "ran", attempt=attempt)
            made = await harness.create(sandbox, config)
            await self.cut_off_start(harness, made, attempt * 0.02)
            ended = await _seen_to(harness, sandbox, config)
            log = await read(harness, ended.id)
            if "failed to start containerd task" in ended.message:
                # Cut off in its very last step: containerd cannot tell whether it ran, so it is not run again.
                assert (ended.reason, ended.exit_code, log in (b"", b"ran\n")) == ("StartError", 128, True)
                continue
            assert (ended.reason, ended.exit_code, ended.message) == ("Completed", 0, ""), (attempt, ended)
            assert log == b"ran\n"

    async def test_the_pods_own_stop_signal_is_sent(self, harness: Harness) -> None:
        made = await start(
            harness, "sh", "-c", "trap 'exit 5' USR1; trap 'exit 6' TERM; echo up; while :; do sleep 0.1; done",
            stop_signal="SIGUSR1",
        )  # fmt: skip
        await harness.says(made, b"up")
        await harness.runtime.stop_container(made, grace_seconds=30)
        assert (await harness.ended(made)).exit_code == 5

    async def test_a_shorter_grace_and_a_kill_end_what_is_deaf(self, harness: Harness) -> None:
        made = await start(harness, "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
        await harness.runtime.stop_container(made, grace_seconds=3600)
        await harness.runtime.stop_container(made, grace_seconds=600)
        state = await harness.state(made)
        assert state is not None
        assert state.phase is ContainerPhase.RUNNING
        await harness.runtime.stop_container(made, grace_seconds=0)
        assert (await harness.ended(made)).exit_code == 137

    async def test_a_command_that_takes_too_long_is_given_up(self, harness: Harness) -> None:
        made = await start(harness)
        with pytest.raises(TimeoutError):
            await harness.runtime.exec_sync(made, ["sleep", "60"], timeout_seconds=1)

    async def test_a_command_that_is_not_there_is_refused(self, harness: Harness) -> None:
        made = await start(harness)
        try:
            result = await harness.runtime.exec_sync(made, ["/no/such/program"], timeout_seconds=20)
        except RuntimeFailure as error:
            assert "/no/such/program" in str(error)  # noqa: PT017 - or else a code
        else:
            assert result.exit_code in {126, 127}

    # Streams

    async def test_a_log_has_both_streams_and_long_lines_whole(self, harness: Harness) -> None:
        script = "echo out; echo err >&2; head -c 40000 /dev/zero | tr '\\0' x; echo; echo end"
        made = await start(harness, "sh", "-c", script)
        await harness.ended(made)
        # A long line is kept in pieces, and what the other stream says may come between two of them.
        everything = await read(harness, made)
        assert len(everything) == len(b"out\nerr\nend\n") + 40001
        lines = (await read(harness, made, LogOptions(stream=OutputStream.STDOUT))).splitlines()
        assert [(line[:4], len(line)) for line in lines] == [(b"out", 3), (b"xxxx", 40000), (b"end", 3)]
        assert await read(harness, made, LogOptions(stream=OutputStream.STDERR)) == b"err\n"
        state = await harness.state(made)
        assert state is not None
        assert await read(harness, made, LogOptions(since=state.finished_at + 60)) == b""

    async def test_a_session_with_a_terminal_has_a_size(self, harness: Harness) -> None:
        made = await start(harness)
        session = await harness.runtime.exec(
            made, ExecConfig(("sh", "-c", "sleep 0.2; stty size; tty"), tty=True, size=(91, 33))
        )
        try:
            output = [item async for item in session.output()]
        finally:
            await session.close()
        text = b"".join(item.data for item in output).decode()
        assert text.split() == ["33", "91", "/dev/pts/0"]
        assert {item.stream for item in output} == {OutputStream.STDOUT}

    async def test_a_session_carries_much_both_ways(self, harness: Harness) -> None:
        made = await start(harness)
        session = await harness.runtime.exec(made, ExecConfig(("sh", "-c", "cat; echo done >&2"), stdin=True))
        output: list[Output] = []

        async def collect() -> None:
            output.extend([item async for item in session.output()])

        data = bytes(range(256)) * 8192
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(collect())
                for at in range(0, len(data), 100_000):
                    await session.write(data[at : at + 100_000])
                await session.close_stdin()
            assert await session.exit_code() == 0
        finally:
            await session.close()
        assert b"".join(item.data for item in output if item.stream is OutputStream.STDOUT) == data
        assert b"".join(item.data for item in output if item.stream is OutputStream.STDERR) == b"done\n"

    async def test_a_session_that_is_dropped_hurts_nobody(self, harness: Harness) -> None:
        made = await start(harness)
        session = await harness.runtime.exec(made, ExecConfig(("sh", "-c", "yes"), stdin=True))
        async with aclosing(session.output()) as output:  # type: ignore[type-var]
            await anext(output)
        await session.close()
        await session.close()
        assert await told(harness, made, "echo fine") == "fine"

    async def test_a_command_whose_caller_goes_while_it_is_being_started_ends(self, harness: Harness) -> None:
        made = await start(harness)
        for number in range(8):
            command = ExecConfig(("sleep", f"{4700 + number}"))
            starting = asyncio.ensure_future(harness.runtime.exec(made, command))  # noqa: TID251 - cancelled
            await asyncio.sleep(number * 0.02)  # noqa: TID251 - the engine has a clock of its own
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await (await starting).close()
        quiet = 0

        async def nothing_runs() -> bool:
            nonlocal quiet
            quiet = 0 if "sleep 47" in await told(harness, made, "ps -o args | grep -v grep") else quiet + 1
            return quiet == 10

        await harness.until(nothing_runs, "the commands have ended, and none begins later")

    async def test_a_container_that_is_attached_to_gets_input_and_tells_its_code(
        self, harness: Harness
    ) -> None:
        made = await start(
            harness, "sh", "-c", "read line; echo got $line; exit 3", stdin=True, stdin_once=True
        )
        session = await harness.runtime.attach(made, stdin=True, tty=False)
        output: list[Output] = []

        async def collect() -> None:
            output.extend([item async for item in session.output()])

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(collect())
                await session.write(b"hello\n")
            assert await session.exit_code() == 3
        finally:
            await session.close()
        assert b"".join(item.data for item in output) == b"got hello\n"

    # Images

    async def test_an_image_that_is_used_stays(self, harness: Harness) -> None:
        made = await start(harness)
        state = await harness.state(made)
        assert state is not None
        assert state.image_id in {item.id for item in await harness.images.list_images()}
        with pytest.raises(RuntimeFailure):
            await harness.images.remove_image(state.image_id)
        assert await harness.images.image_status(harness.image) is not None
        assert await asyncio.to_thread(Path(await harness.images.image_filesystem()).exists)


def _below(parent: str, container_id: str) -> bool:
    """Say whether a container has a cgroup below another, in either version of cgroups."""
    roots = [*Path("/sys/fs/cgroup").glob(f"*{parent}"), Path(f"/sys/fs/cgroup{parent}")]
    return any(True for root in roots for _ in root.rglob(f"*{container_id}*"))


def _remove_cgroups(parent: str) -> None:
    for root in [*Path("/sys/fs/cgroup").glob(f"*{parent}"), Path(f"/sys/fs/cgroup{parent}")]:
        if root.exists():
            root.rmdir()
            if not any(item.is_dir() for item in root.parent.iterdir()):
                root.parent.rmdir()
