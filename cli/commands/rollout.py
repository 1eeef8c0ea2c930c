"""`vaina rollout`: how far a new template is, what came before, and back to it, as `kubectl/pkg/cmd/rollout`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.following import Wanted, change, follow, selector_of
from cli.printers.describe_pod import describe_template
from cli.printers.objects import dry_run_suffix, object_name
from cli.printers.page import NONE, Page
from cli.printers.rollout import PROGRESS
from cli.printers.table import Table, render_table
from cli.shell import Shell
from cli.targets import Target, parse_named
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.clock import rfc3339
from vaina.kinds import DEPLOYMENT
from vaina.objects import rollouts
from vaina.objects.meta import is_controlled_by

#: annotation of a template that makes it another one
RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
#: kinds whose template is brought in step by step
_ROLLED: Final = ("Deployment", "StatefulSet", "DaemonSet")
_words = click.argument("words", nargs=-1, metavar="TYPE/NAME...")


@cli.group("rollout")
@flags.default_namespace
@flags.server
def rollout_command() -> None:
    """Look at and steer rollouts: status, history, undo, pause, resume, restart."""


def _named(words: Sequence[str], kinds: Sequence[str] = _ROLLED) -> list[Target]:
    targets = parse_named(words, "roll out")
    for target in targets:
        if target.kind.kind not in kinds:
            raise Failure(f"no rollouts of {target.kind.resource}: only of {', '.join(kinds)}")
    return targets


@flags.verb(rollout_command, "status")
@_words
@flags.namespace
@click.option("-w", "--watch", type=bool, default=True, help="Until it is over (true).")
@flags.integer("--revision", 0, "Fail when another revision is running.")
@flags.duration("--timeout", "0s", "How long to wait: 30s; 0 waits without end.")
async def status(
    shell: Shell, clients: Clientset, *, words: Sequence[str], watch: bool, revision: int, timeout: float
) -> None:
    """Tell how far a rollout is, until it is over."""
    for target in _named(words):
        judge = PROGRESS[target.kind.kind]
        if target.kind is DEPLOYMENT:
            judge = partial(judge, revision=revision)
        if watch:
            wanted = Wanted(target.kind, shell.namespace, target.name, judge)
            await follow(shell, clients, wanted, seconds=timeout)
            continue
        progress = judge(await clients.kind(target.kind).get(target.name, shell.namespace))
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
    meta = found.metadata
    if target.kind is DEPLOYMENT:
        sets = (await clients.replica_sets.list(meta.namespace, label_selector=selector_of(found))).items
        own = [rs for rs in sets if is_controlled_by(rs.metadata, meta.uid)]
        return {rollouts.revision_of(rs.metadata): _Earlier(rs, rs.spec.template) for rs in own}
    listed = (await clients.controller_revisions.list(meta.namespace)).items
    return {
        item.revision: _Earlier(item, rollouts.template_of(item))
        for item in rollouts.owned_by(listed, meta.uid)
    }


@flags.verb(rollout_command, "history")
@_words
@flags.namespace
@flags.integer("--revision", 0, "Show the template of this revision.")
async def history(shell: Shell, clients: Clientset, *, words: Sequence[str], revision: int) -> None:
    """Tell the revisions there are."""
    for target in _named(words):
        with shell.reporting():
            found = await clients.kind(target.kind).get(target.name, shell.namespace)
            sets = await _revisions_of(clients, target, found)
            name = object_name(target.kind, target.name)
            if not revision:
                rows = [
                    (str(number), sets[number].keeper.metadata.annotations.get(rollouts.CHANGE_CAUSE) or NONE)
                    for number in sorted(sets)
                ]
                shell.out(f"{name} \n{render_table(Table(('REVISION', 'CHANGE-CAUSE'), rows))}\n")
                continue
            if revision not in sets:
                raise Failure("unable to find the specified revision")
            page = Page()
            describe_template(page, sets[revision].template)
            shell.out(f"{name} with revision #{revision}\n{page.text()}\n")


@flags.verb(rollout_command, "undo")
@_words
@flags.namespace
@flags.integer("--to-revision", 0, "The revision to go back to; the last one by default.")
@flags.server_dry_run
async def undo(
    shell: Shell, clients: Clientset, *, words: Sequence[str], to_revision: int, dry_run: str
) -> None:
    """Go back to an earlier revision."""
    for target in _named(words):
        with shell.reporting():
            await _undo_one(shell, clients, target, to_revision, dry_run)


async def _undo_one(shell: Shell, clients: Clientset, target: Target, to_revision: int, dry_run: str) -> None:
    """Go back to the template, and the annotations, of an earlier revision."""
    client, is_deployment = clients.kind(target.kind), target.kind is DEPLOYMENT
    found: Any = await client.get(target.name, shell.namespace)
    if is_deployment and found.spec.paused:
        raise Failure(
            f"you cannot rollback a paused deployment; resume it first with 'vaina rollout resume deployment/{target.name}' "
            "and try again"
        )
    name = f'{target.kind.singular} "{target.name}"'
    number, earlier = _choose(await _revisions_of(clients, target, found), name, to_revision)
    said = f"rolled back{dry_run_suffix(dry_run)}"
    if _is_same(target, earlier.template, found.spec.template):
        said = f"skipped rollback (current template already matches revision {number})"
    else:
        back = partial(_go_back, earlier=earlier, annotations=is_deployment)
        await change(client, shell.namespace, target.name, back, dry_run=dry_run == "server")
    shell.out(f"{object_name(target.kind, target.name)} {said}\n")


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
        return rollouts.same_template(first, second)
    # As JSON: what went through a revision has empty parts that were not there.
    return rollouts.template_data(first) == rollouts.template_data(second)


def _go_back(found: Any, earlier: _Earlier, *, annotations: bool) -> None:
    found.spec.template.CopyFrom(earlier.template)
    if not annotations:
        return
    found.spec.template.metadata.labels.pop(rollouts.POD_TEMPLATE_HASH, None)
    _take_annotations(found.metadata.annotations, earlier.keeper.metadata.annotations)


def _take_annotations(annotations: Any, earlier: Any) -> None:
    for key in [key for key in annotations if key not in rollouts.OWN_ANNOTATIONS]:
        del annotations[key]
    for key, value in earlier.items():
        if key not in rollouts.OWN_ANNOTATIONS:
            annotations[key] = value


@flags.verb(rollout_command, "pause")
@_words
@flags.namespace
async def pause(shell: Shell, clients: Clientset, *, words: Sequence[str]) -> None:
    """Stop going on with a rollout: changes of the template wait."""
    await _set_paused(shell, clients, words, paused=True)


@flags.verb(rollout_command, "resume")
@_words
@flags.namespace
async def resume(shell: Shell, clients: Clientset, *, words: Sequence[str]) -> None:
    """Go on with a rollout that was paused."""
    await _set_paused(shell, clients, words, paused=False)


async def _set_paused(shell: Shell, clients: Clientset, words: Sequence[str], *, paused: bool) -> None:
    def mutate(it: Any) -> None:
        it.spec.paused = paused

    for target in _named(words, ("Deployment",)):
        with shell.reporting():
            if not await change(clients.kind(target.kind), shell.namespace, target.name, mutate):
                state = "already paused" if paused else "not paused"
                raise Failure(f'{target.kind.resource} "{target.name}" is {state}')
            shell.out(f"{object_name(target.kind, target.name)} {'paused' if paused else 'resumed'}\n")


@flags.verb(rollout_command, "restart")
@_words
@flags.namespace
async def restart(shell: Shell, clients: Clientset, *, words: Sequence[str]) -> None:
    """Replace all Pods, by the rules of a rollout."""
    when = rfc3339(shell.clock.now())
    for target in _named(words):
        name = f'{target.kind.resource} "{target.name}"'

        def mutate(it: Any, target: Target = target, name: str = name) -> None:
            if target.kind is DEPLOYMENT and it.spec.paused:
                raise Failure(f"{name} can't restart paused deployment (run rollout resume first)")
            it.spec.template.metadata.annotations[RESTARTED_AT] = when

        with shell.reporting():
            if not await change(clients.kind(target.kind), shell.namespace, target.name, mutate):
                raise Failure(
                    f"{name} if restart has already been triggered within the past second, "
                    "please wait before attempting to trigger another"
                )
            shell.out(f"{object_name(target.kind, target.name)} restarted\n")
