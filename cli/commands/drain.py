"""`vaina drain`, `cordon` and `uncordon`: take a node out of service, and back (`kubectl/pkg/drain`).

Which Pods `drain` takes, leaves, or does not touch is decided as in `filters.go`.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.following import wait_gone
from cli.printers.objects import dry_run_suffix
from cli.shell import Shell
from cli.targets import parse_targets
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, Conflict, NotFound, TooManyRequests
from vaina.kinds import DAEMON_SET, NODE
from vaina.objects.meta import controller_of
from vaina.objects.patching import MERGE_PATCH
from vaina.objects.pods import is_mirror, is_terminal

_DAEMON_SET_FATAL: Final = "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"
_DAEMON_SET_WARNING: Final = "ignoring DaemonSet-managed Pods"
_LOCAL_FATAL: Final = "Pods with local storage (use --delete-emptydir-data to override)"
_LOCAL_WARNING: Final = "deleting Pods with local storage"
_UNMANAGED_FATAL: Final = "Pods that declare no controller (use --force to override)"
_UNMANAGED_WARNING: Final = "deleting Pods that declare no controller"


@dataclass(frozen=True, slots=True)
class DrainFilters:
    """What the caller allows."""

    ignore_daemon_sets: bool = False
    delete_empty_dir_data: bool = False
    force: bool = False
    #: Pods that have been ending for longer are not waited for; 0: all are
    skip_wait_seconds: float = 0.0


@dataclass(slots=True)
class DrainPlan:
    """What is to be done with the Pods of a node."""

    delete: list[pod_pb2.Pod] = field(default_factory=list[pod_pb2.Pod])
    #: words -> namespace/name of the Pods
    warnings: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    errors: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def warning(self) -> str:
        """All warnings in one line; empty when there are none."""
        return "; ".join(f"{words}: {', '.join(names)}" for words, names in self.warnings.items())

    @property
    def error(self) -> str:
        """Why nothing may be done, as kubectl lists it; empty when it may."""
        texts = [f"cannot delete {words}: {', '.join(names)}" for words, names in sorted(self.errors.items())]
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]" if texts else ""


def plan_drain(
    pods: Iterable[pod_pb2.Pod], filters: DrainFilters, daemon_sets: Mapping[str, bool], now: float
) -> DrainPlan:
    """Sort the Pods of a node; `daemon_sets` says by `namespace/name` which of their DaemonSets exist."""
    plan = DrainPlan()
    for pod in pods:
        meta, name = pod.metadata, f"{pod.metadata.namespace}/{pod.metadata.name}"
        if filters.skip_wait_seconds and meta.HasField("deletion_timestamp"):
            began = meta.deletion_timestamp.seconds - meta.deletion_grace_period_seconds
            if now - began > filters.skip_wait_seconds:
                continue
        if is_mirror(pod):
            continue
        fatal, warnings, keep = _judge(pod, filters, daemon_sets)
        for words in fatal:
            plan.errors.setdefault(words, []).append(name)
        if fatal:
            continue
        for words in warnings:
            plan.warnings.setdefault(words, []).append(name)
        if not keep:
            plan.delete.append(pod)
    return plan


def _judge(
    pod: pod_pb2.Pod, filters: DrainFilters, daemon_sets: Mapping[str, bool]
) -> tuple[Sequence[str], Sequence[str], bool]:
    """Return what forbids to delete a Pod, what is to be said, and whether it stays."""
    owner = controller_of(pod.metadata)
    if owner is not None and owner.kind == "DaemonSet" and not is_terminal(pod):
        there = daemon_sets.get(f"{pod.metadata.namespace}/{owner.name}", False)
        if there and not filters.ignore_daemon_sets:
            return (_DAEMON_SET_FATAL,), (), True
        if there:
            return (), (_DAEMON_SET_WARNING,), True
        # Its DaemonSet is gone: nobody would make it again, so it goes as a Pod without a controller does.
        owner = None
    fatal: list[str] = []
    warnings: list[str] = []
    if is_terminal(pod):
        return fatal, warnings, False
    if any(volume.volume_source.HasField("empty_dir") for volume in pod.spec.volumes):
        if filters.delete_empty_dir_data:
            warnings.append(_LOCAL_WARNING)
        else:
            fatal.append(_LOCAL_FATAL)
    if owner is None:
        if filters.force:
            warnings.append(_UNMANAGED_WARNING)
        else:
            fatal.append(_UNMANAGED_FATAL)
    return fatal, warnings, False


#: between two tries of an eviction that a budget refused
RETRY_SECONDS: Final = 5.0
#: evictions of one node at a time
_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class DrainOptions:
    """What `cordon`, `uncordon` or `drain` was asked for."""

    words: Sequence[str] = ()
    label_selector: str = ""
    #: none or server
    dry_run: str = "none"
    pod_selector: str = ""
    ignore_daemonsets: bool = False
    delete_emptydir_data: bool = False
    force: bool = False
    #: negative: what each Pod says
    grace_seconds: int = -1
    #: seconds for all; 0: no end
    timeout: float = 0.0
    #: delete without asking budgets
    disable_eviction: bool = False
    skip_wait_for_delete_timeout: int = 0


def _node_flags(command: flags.F) -> flags.F:
    for decorate in (
        flags.server_dry_run,
        flags.text("-l --selector label_selector", "Nodes by labels."),
        flags.server,
        click.argument("words", nargs=-1, metavar="NODE..."),
    ):
        command = decorate(command)
    return command


@flags.verb(cli, "cordon", DrainOptions)
@_node_flags
async def cordon(shell: Shell, clients: Clientset, options: DrainOptions) -> None:
    """Mark nodes as unschedulable: no new Pods come to them."""
    for node in await _nodes(shell, clients, options):
        await _cordon_one(shell, clients, node, True, options.dry_run)


@flags.verb(cli, "uncordon", DrainOptions)
@_node_flags
async def uncordon(shell: Shell, clients: Clientset, options: DrainOptions) -> None:
    """Mark nodes as schedulable again."""
    for node in await _nodes(shell, clients, options):
        await _cordon_one(shell, clients, node, False, options.dry_run)


@flags.verb(cli, "drain", DrainOptions)
@_node_flags
@flags.text("--pod-selector", "Only Pods with these labels.")
@flags.flag("--ignore-daemonsets", "Leave Pods of DaemonSets where they are.")
@flags.flag("--delete-emptydir-data", "Also Pods that use emptyDir: their data is lost.")
@flags.flag("--force", "Also Pods that no controller makes again.")
@flags.integer("--grace-period grace_seconds", -1, "Seconds that containers get to end.")
@flags.duration("--timeout", "0s", "How long to try: 5m; 0s tries without end.")
@flags.flag("--disable-eviction", "Delete, without asking PodDisruptionBudgets.")
@flags.integer(
    "--skip-wait-for-delete-timeout", 0, "Do not wait for Pods that have been ending for longer (s)."
)
async def drain(shell: Shell, clients: Clientset, options: DrainOptions) -> None:
    """Drain nodes: no new Pods, and those that are there are evicted, as their PodDisruptionBudgets allow."""
    nodes = await _nodes(shell, clients, options)
    for node in nodes:
        await _cordon_one(shell, clients, node, True, options.dry_run)
    pending: list[str] = []
    words = ""
    for node in nodes:
        name = node.metadata.name
        try:
            async with asyncio.timeout(options.timeout or None):
                await _drain_one(shell, clients, name, options)
        except (ApiError, Failure) as error:
            words = str(error)
        except TimeoutError:
            words = f"global timeout reached: {options.timeout:g}s"
        else:
            shell.out(f"node/{name} drained{dry_run_suffix(options.dry_run)}\n")
            continue
        # A node that cannot be drained does not hold up the others.
        pending.append(name)
        shell.err(f'error: unable to drain node "{name}" due to error: {words}, continuing command...')
    if pending:
        shell.err("There are pending nodes to be drained:")
        for name in pending:
            shell.err(f" {name}")
        raise Failure(words)


async def _nodes(shell: Shell, clients: Clientset, options: DrainOptions) -> list[node_pb2.Node]:
    if bool(options.words) == bool(options.label_selector):
        raise Failure(
            "cannot specify both a node name and a --selector option"
            if options.words
            else "USAGE: a node name, or --selector, is required"
        )
    if options.label_selector:
        return [*(await clients.nodes.list(label_selector=options.label_selector)).items]
    found: list[node_pb2.Node] = []
    for word in options.words:
        # Nodes are all there is to drain: a bare word is the name of one.
        (target,) = parse_targets([word], "drain") if "/" in word else parse_targets(["node", word], "drain")
        if target.kind is not NODE:
            raise Failure(f"cannot drain {target.kind.plural}: only nodes can be drained")
        try:
            found.append(await clients.nodes.get(target.name))
        except ApiError as error:
            shell.report(error)
    return found


async def _cordon_one(
    shell: Shell, clients: Clientset, node: node_pb2.Node, wanted: bool, dry_run: str
) -> None:
    name, did = node.metadata.name, "cordoned" if wanted else "uncordoned"
    if node.spec.unschedulable == wanted:
        did = f"already {did}"
    else:
        patch = f'{{"spec":{{"unschedulable":{"true" if wanted else "null"}}}}}'
        await clients.nodes.patch(name, patch, patch_type=MERGE_PATCH, dry_run=dry_run == "server")
    shell.out(f"node/{name} {did}{dry_run_suffix(dry_run)}\n")


async def _drain_one(shell: Shell, clients: Clientset, node: str, options: DrainOptions) -> None:
    """Evict the Pods of a node, and wait until they are gone. Raises Failure, ApiError."""
    listed = await clients.pods.list(
        "", field_selector=f"spec.nodeName={node}", label_selector=options.pod_selector
    )
    filters = DrainFilters(
        ignore_daemon_sets=options.ignore_daemonsets,
        delete_empty_dir_data=options.delete_emptydir_data,
        force=options.force,
        skip_wait_seconds=float(options.skip_wait_for_delete_timeout),
    )
    plan = plan_drain(listed.items, filters, await _daemon_sets(clients, listed.items), shell.clock.now())
    if plan.error:
        raise Failure(plan.error)
    if plan.warning:
        shell.warn(plan.warning)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(pod: pod_pb2.Pod) -> None:
        async with turns:
            await _evict(shell, clients, pod, options)

    try:
        async with asyncio.TaskGroup() as tasks:
            for pod in plan.delete:
                tasks.create_task(one(pod))
    except ExceptionGroup as several:
        # One reason is told; the others are mostly the same.
        raise several.exceptions[0] from None


async def _evict(shell: Shell, clients: Clientset, pod: pod_pb2.Pod, options: DrainOptions) -> None:
    meta = pod.metadata
    name, verb = meta.name, "deleting" if options.disable_eviction else "evicting"
    dry_run = options.dry_run == "server"
    given = meta_pb2.DeleteOptions()
    given.preconditions.uid = meta.uid
    if options.grace_seconds >= 0:
        given.grace_period_seconds = options.grace_seconds
    while True:
        shell.out(f"{verb} pod {meta.namespace}/{name}{dry_run_suffix(options.dry_run)}\n")
        try:
            if options.disable_eviction:
                await clients.pods.delete(
                    name, meta.namespace, uid=meta.uid, dry_run=dry_run,
                    grace_period_seconds=options.grace_seconds if options.grace_seconds >= 0 else None,
                )  # fmt: skip
            else:
                await clients.pods.evict(name, namespace=meta.namespace, options=given, dry_run=dry_run)
        except (NotFound, Conflict):
            # Gone, or another Pod has its name by now.
            return
        except TooManyRequests as error:
            shell.err(
                f'error when evicting pods/"{name}" -n "{meta.namespace}" (will retry after {RETRY_SECONDS:g}s): '
                f"{error.message}"
            )
            await shell.clock.sleep(RETRY_SECONDS)
        else:
            break
    if not dry_run:
        await wait_gone(shell, clients.pods, meta.namespace, name, meta.uid)
        shell.out(f"pod/{name} {'deleted' if options.disable_eviction else 'evicted'}\n")


async def _daemon_sets(clients: Clientset, pods: Sequence[pod_pb2.Pod]) -> dict[str, bool]:
    """Return which DaemonSets of those that Pods name exist."""
    found: dict[str, bool] = {}
    for pod in pods:
        owner = controller_of(pod.metadata)
        if owner is None or owner.kind != "DaemonSet":
            continue
        key = f"{pod.metadata.namespace}/{owner.name}"
        if key not in found:
            try:
                await clients.kind(DAEMON_SET).get(owner.name, pod.metadata.namespace)
                found[key] = True
            except NotFound:
                found[key] = False
    return found
