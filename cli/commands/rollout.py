"""`vaina rollout`: how far a new template is, what came before, and back to it.

Words are kubectl's (`pkg/cmd/rollout`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import click

from cli import flags
from cli.failures import Failure
from cli.following import Wanted, change, follow
from cli.printers.describe_pod import describe_template
from cli.printers.objects import object_name
from cli.printers.page import NONE, Page
from cli.printers.rollout import PROGRESS
from cli.printers.table import Table, render_table
from cli.shell import Shell
from cli.targets import Target, parse_duration, parse_targets
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.clock import rfc3339
from vaina.errors import ApiError
from vaina.kinds import DEPLOYMENT
from vaina.objects.meta import is_controlled_by
from vaina.objects.revisions import owned_by, template_data, template_of
from vaina.objects.rollouts import (
    CHANGE_CAUSE,
    OWN_ANNOTATIONS,
    POD_TEMPLATE_HASH,
    revision_of,
    same_template,
)
from vaina.objects.selectors import from_message

#: annotation of a template that makes it another one
RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
_Act = Callable[[Shell, Clientset, Target], Any]


#: kinds whose template is brought in step by step
_ROLLED: Final = ("Deployment", "StatefulSet", "DaemonSet")


def _named(words: Sequence[str], *, kinds: Sequence[str] = _ROLLED) -> list[Target]:
    found: list[Target] = []
    for target in parse_targets(words, "roll out"):
        if not target.name:
            raise Failure("resource(s) were provided, but no name was specified")
        if target.kind.kind not in kinds:
            raise Failure(f"no rollouts of {target.kind.resource}: only of {', '.join(kinds)}")
        found.append(target)
    return found


async def _each(
    shell: Shell, clients: Clientset, words: Sequence[str], act: _Act, kinds: Sequence[str] = _ROLLED
) -> None:
    for target in _named(words, kinds=kinds):
        try:
            await act(shell, clients, target)
        except ApiError as error:
            shell.report(error)


async def status(
    shell: Shell, clients: Clientset, words: Sequence[str], *, watch: bool = True, revision: int = 0, timeout: float = 0.0
) -> None:  # fmt: skip
    """Tell how far a rollout is, until it is over."""
    for target in _named(words):
        judge = PROGRESS[target.kind.kind]
        if watch:
            wanted = Wanted(target.kind, shell.namespace, target.name, partial(judge, revision=revision))
            await follow(shell, clients, wanted, seconds=timeout)
            continue
        progress = judge(await clients.kind(target.kind).get(target.name, shell.namespace), revision)
        if progress.failed:
            raise Failure(progress.text)
        shell.out(f"{progress.text}\n")


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A revision: the object that keeps it, and its template."""

    keeper: Any
    template: pod_pb2.PodTemplateSpec


async def _revisions_of(clients: Clientset, target: Target, found: Any) -> dict[int, _Earlier]:
    """Return what a Deployment's ReplicaSets, or the ControllerRevisions of the other kinds, keep: by number."""
    if target.kind is DEPLOYMENT:
        sets = await _sets_of(clients, found)
        return {number: _Earlier(rs, rs.spec.template) for number, rs in sets.items()}
    listed = (await clients.controller_revisions.list(found.metadata.namespace)).items
    own = owned_by(listed, found.metadata.uid)
    return {item.revision: _Earlier(item, template_of(item)) for item in own}


async def _sets_of(clients: Clientset, deployment: Any) -> dict[int, Any]:
    """Return the ReplicaSets of a Deployment by revision."""
    meta = deployment.metadata
    text = str(from_message(deployment.spec.selector))
    listed = (await clients.replica_sets.list(meta.namespace, label_selector=text)).items
    owned = (rs for rs in listed if is_controlled_by(rs.metadata, meta.uid))
    return {revision_of(rs.metadata): rs for rs in owned}


async def history(shell: Shell, clients: Clientset, words: Sequence[str], *, revision: int = 0) -> None:
    """Tell the revisions there are, or the template of one."""

    async def one(shell: Shell, clients: Clientset, target: Target) -> None:
        found = await clients.kind(target.kind).get(target.name, shell.namespace)
        sets = await _revisions_of(clients, target, found)
        name = object_name(target.kind, target.name)
        if revision:
            if revision not in sets:
                raise Failure("unable to find the specified revision")
            page = Page()
            page.line(0, "Pod Template:")
            describe_template(page, sets[revision].template)
            shell.out(f"{name} with revision #{revision}\n{page.text()}\n")
            return
        rows = [
            (str(number), sets[number].keeper.metadata.annotations.get(CHANGE_CAUSE) or NONE)
            for number in sorted(sets)
        ]
        shell.out(f"{name} \n{render_table(Table(('REVISION', 'CHANGE-CAUSE'), rows))}\n")

    await _each(shell, clients, words, one)


async def undo(
    shell: Shell, clients: Clientset, words: Sequence[str], *, to_revision: int = 0, dry_run: bool = False
) -> None:
    """Go back to the template, and the annotations, of an earlier revision: the last one when none is named."""

    async def one(shell: Shell, clients: Clientset, target: Target) -> None:
        found: Any = await clients.kind(target.kind).get(target.name, shell.namespace)
        if target.kind is DEPLOYMENT and found.spec.paused:
            raise Failure(
                f"you cannot rollback a paused deployment; resume it first with 'vaina rollout resume deployment/{target.name}' "
                "and try again"
            )
        number, earlier = _choose(
            await _revisions_of(clients, target, found),
            f'{target.kind.singular} "{target.name}"',
            to_revision,
        )
        suffix = " (server dry run)" if dry_run else ""
        name = object_name(target.kind, target.name)
        if _is_same(target, earlier.template, found.spec.template):
            shell.out(f"{name} skipped rollback (current template already matches revision {number})\n")
            return
        await change(
            clients.kind(target.kind),
            shell.namespace,
            target.name,
            lambda it: _go_back(it, earlier, annotations=target.kind is DEPLOYMENT),
            dry_run=dry_run,
        )
        shell.out(f"{name} rolled back{suffix}\n")

    await _each(shell, clients, words, one)


def _choose(sets: dict[int, _Earlier], name: str, wanted: int) -> tuple[int, _Earlier]:
    if wanted < 0 or (wanted and wanted not in sets):
        raise Failure(f"unable to find specified revision {wanted} in history")
    if wanted:
        return wanted, sets[wanted]
    numbers = sorted(number for number in sets if number)
    if len(numbers) < 2:
        raise Failure(f"no rollout history found for {name}")
    return numbers[-2], sets[numbers[-2]]


def _is_same(target: Target, first: pod_pb2.PodTemplateSpec, second: pod_pb2.PodTemplateSpec) -> bool:
    if target.kind is DEPLOYMENT:
        return same_template(first, second)
    # As JSON: what went through a revision has empty parts that were not there.
    return template_data(first) == template_data(second)


def _go_back(found: Any, earlier: _Earlier, *, annotations: bool) -> None:
    found.spec.template.CopyFrom(earlier.template)
    if not annotations:
        return
    found.spec.template.metadata.labels.pop(POD_TEMPLATE_HASH, None)
    _take_annotations(found.metadata.annotations, earlier.keeper.metadata.annotations)


def _take_annotations(annotations: Any, earlier: Any) -> None:
    for key in [key for key in annotations if key not in OWN_ANNOTATIONS]:
        del annotations[key]
    for key, value in earlier.items():
        if key not in OWN_ANNOTATIONS:
            annotations[key] = value


async def pause(shell: Shell, clients: Clientset, words: Sequence[str]) -> None:
    """Stop going on with a rollout."""
    await _set_paused(shell, clients, words, paused=True)


async def resume(shell: Shell, clients: Clientset, words: Sequence[str]) -> None:
    """Go on with a rollout."""
    await _set_paused(shell, clients, words, paused=False)


async def _set_paused(shell: Shell, clients: Clientset, words: Sequence[str], *, paused: bool) -> None:
    async def one(shell: Shell, clients: Clientset, target: Target) -> None:
        def mutate(it: Any) -> None:
            it.spec.paused = paused

        _, changed = await change(clients.kind(target.kind), shell.namespace, target.name, mutate)
        if not changed:
            state = "already paused" if paused else "not paused"
            raise Failure(f'{target.kind.resource} "{target.name}" is {state}')
        shell.out(f"{object_name(target.kind, target.name)} {'paused' if paused else 'resumed'}\n")

    await _each(shell, clients, words, one, ("Deployment",))


async def restart(shell: Shell, clients: Clientset, words: Sequence[str]) -> None:
    """Replace all Pods, though nothing else has changed."""
    when = rfc3339(shell.clock.now())

    async def one(shell: Shell, clients: Clientset, target: Target) -> None:
        def mutate(it: Any) -> None:
            if target.kind is DEPLOYMENT and it.spec.paused:
                raise Failure(
                    f'{target.kind.resource} "{target.name}" can\'t restart paused deployment (run rollout resume first)'
                )
            it.spec.template.metadata.annotations[RESTARTED_AT] = when

        client = clients.kind(target.kind)
        _, changed = await change(client, shell.namespace, target.name, mutate)
        if not changed:
            raise Failure(
                f'{target.kind.resource} "{target.name}" if restart has already been triggered within the past second, '
                "please wait before attempting to trigger another"
            )
        shell.out(f"{object_name(target.kind, target.name)} restarted\n")

    await _each(shell, clients, words, one)


def _start(namespace: str, command: Callable[[Shell, Clientset], Any]) -> None:
    async def inside(shell: Shell, clients: Clientset) -> None:
        shell.namespace = namespace or shell.namespace
        await command(shell, clients)

    flags.start(inside)


@click.group("rollout")
@flags.default_namespace
@flags.server
def rollout_command() -> None:
    """Look at and steer rollouts: status, history, undo, pause, resume, restart."""


_words = click.argument("words", nargs=-1, metavar="TYPE/NAME...")


@rollout_command.command("status")
@_words
@flags.namespace
@click.option("-w", "--watch", type=bool, default=True, help="Until it is over (true).")
@click.option("--revision", type=int, default=0, help="Fail when another revision is running.")
@click.option("--timeout", default="0s", help="How long to wait: 30s; 0 waits without end.")
def status_command(words: Sequence[str], namespace: str, watch: bool, revision: int, timeout: str) -> None:
    """Tell how far a rollout is, until it is over."""
    _start(
        namespace,
        lambda shell, clients: status(
            shell, clients, words, watch=watch, revision=revision, timeout=parse_duration(timeout)
        ),
    )


@rollout_command.command("history")
@_words
@flags.namespace
@click.option("--revision", type=int, default=0, help="Show the template of this revision.")
def history_command(words: Sequence[str], namespace: str, revision: int) -> None:
    """Tell the revisions there are."""
    _start(namespace, lambda shell, clients: history(shell, clients, words, revision=revision))


@rollout_command.command("undo")
@_words
@flags.namespace
@click.option(
    "--to-revision", type=int, default=0, help="The revision to go back to; the last one by default."
)
@click.option("--dry-run", type=click.Choice(["none", "server"]), default="none")
def undo_command(words: Sequence[str], namespace: str, to_revision: int, dry_run: str) -> None:
    """Go back to an earlier revision."""
    _start(
        namespace,
        lambda shell, clients: undo(
            shell, clients, words, to_revision=to_revision, dry_run=dry_run == "server"
        ),
    )


@rollout_command.command("pause")
@_words
@flags.namespace
def pause_command(words: Sequence[str], namespace: str) -> None:
    """Stop going on with a rollout: changes of the template wait."""
    _start(namespace, lambda shell, clients: pause(shell, clients, words))


@rollout_command.command("resume")
@_words
@flags.namespace
def resume_command(words: Sequence[str], namespace: str) -> None:
    """Go on with a rollout that was paused."""
    _start(namespace, lambda shell, clients: resume(shell, clients, words))


@rollout_command.command("restart")
@_words
@flags.namespace
def restart_command(words: Sequence[str], namespace: str) -> None:
    """Replace all Pods, by the rules of a rollout."""
    _start(namespace, lambda shell, clients: restart(shell, clients, words))
