"""`vaina run`: a Pod with one container, from the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import click

from cli import flags
from cli.app import cli
from cli.commands.create import make
from cli.commands.patch import PATCH_TYPES
from cli.commands.streams import AttachOptions, attach_or_log
from cli.failures import Exit, Failure
from cli.following import wait_gone, wait_pod
from cli.shell import Shell
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.kinds import POD
from vaina.objects import pods
from vaina.objects.normalise import normalise
from vaina.objects.patching import apply_patch, read_patch

RESTART_POLICIES = ("Always", "OnFailure", "Never")
#: how long a Pod may take until it can be attached to, as kubectl has it
_RUNNING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `run` was asked for."""

    name: str
    image: str
    arguments: Sequence[str] = ()
    command: bool = False
    restart: str = "Always"
    env: Sequence[str] = ()
    port: int = 0
    labels: str = ""
    pull_policy: str = ""
    dry_run: str = "none"
    output: str = ""
    stdin: bool = False
    tty: bool = False
    remove: bool = False
    #: None: when there is something to attach for
    attach: bool | None = None
    leave_stdin_open: bool = False
    quiet: bool = False
    #: a patch of the Pod that is made, and its type (`kubectl/pkg/cmd/util/override_options.go`)
    overrides: str = ""
    override_type: str = "merge"
    #: seconds
    timeout: float = _RUNNING_SECONDS

    @property
    def attaches(self) -> bool:
        return self.stdin or self.tty if self.attach is None else self.attach


def _pairs(texts: Sequence[str], what: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Failure(f"invalid {what}: {text}")
        found.append((name, value))
    return found


def make_pod(options: RunOptions, namespace: str) -> pod_pb2.Pod:
    """Make the Pod that `run` was asked for. Raises Failure: the options make no sense."""
    if options.restart not in RESTART_POLICIES:
        raise Failure(f"invalid restart policy: {options.restart}")
    labels = dict(_pairs(options.labels.split(","), "label")) if options.labels else {"run": options.name}
    container = pod_pb2.Container(
        name=options.name, image=options.image, image_pull_policy=options.pull_policy
    )
    container.stdin, container.tty = options.stdin, options.tty
    container.stdin_once = options.stdin and not options.leave_stdin_open
    if options.command:
        container.command.extend(options.arguments)
    else:
        container.args.extend(options.arguments)
    for name, value in _pairs(options.env, "env"):
        container.env.add(name=name, value=value)
    if options.port:
        container.ports.add(container_port=options.port)
    pod = pod_pb2.Pod(
        metadata={"name": options.name, "namespace": namespace, "labels": labels},
        spec={"containers": [container], "restart_policy": options.restart},
    )
    normalise(pod)
    return pod


def _overridden(shell: Shell, pod: pod_pb2.Pod, options: RunOptions) -> pod_pb2.Pod:
    if not options.overrides:
        return pod
    patch = read_patch(POD, PATCH_TYPES[options.override_type], options.overrides, shell.warn)
    return cast(pod_pb2.Pod, apply_patch(POD, patch, pod, shell.warn))


@flags.verb(cli, "run", RunOptions)
@click.argument("name")
@click.argument("arguments", nargs=-1, metavar="-- [ARGS]...")
@flags.writing
@flags.namespace
@click.option("--image", required=True, help="Image of the container.")
@flags.flag("--command", "The arguments replace the image's command, not its arguments.")
@flags.choice("--restart", RESTART_POLICIES, "Always", "Restart policy.")
@flags.several("--env", "A variable; may be repeated.", "NAME=VALUE")
@flags.integer("--port", 0, "A port that the container serves.")
@flags.text("--overrides", "A patch of the Pod that is made.", "JSON")
@flags.choice("--override-type", [*PATCH_TYPES], "merge", "Of --overrides.")
@flags.text("--labels -l", "Labels, instead of run=NAME.", "A=B,...")
@flags.text("--image-pull-policy pull_policy", "Always, IfNotPresent or Never.")
@flags.flag("-i --stdin", "Keep standard input open, and attach.")
@flags.flag("-t --tty", "Give the container a terminal, and attach.")
@click.option(
    "--attach", is_flag=True, default=None, flag_value=True, help="Attach to the container once it runs."
)
@flags.flag("--leave-stdin-open", "After the first attach, standard input stays open.")
@flags.flag("-q --quiet", "Only print output from the container.")
@flags.duration("--pod-running-timeout timeout", "1m", "How long the Pod may take to run.")
@flags.flag("--rm remove", "Delete the Pod when the command has ended.")
async def run(shell: Shell, clients: Clientset, options: RunOptions) -> None:
    """Make a Pod with one container."""
    if options.remove and not options.attaches:
        raise Failure("--rm should only be used for attached containers")
    if options.attaches and options.dry_run != "none":
        raise Failure(
            "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)"
        )
    pod = _overridden(shell, make_pod(options, shell.namespace), options)
    if options.attaches:
        pod = await clients.pods.create(pod, field_manager="vaina")
        await _enter(shell, clients, pod, options)
    else:
        await make(shell, clients, POD, pod, dry_run=options.dry_run, output=options.output)


async def _enter(shell: Shell, clients: Clientset, pod: pod_pb2.Pod, options: RunOptions) -> None:
    place, name = pod.metadata.namespace, pod.metadata.name
    try:
        with shell.busy(f"waiting for pods/{name}"):
            now = await wait_pod(clients, pod, _is_up, options.timeout)
        wanted = AttachOptions(name, options.name, options.stdin, options.tty, options.quiet, from_start=True)
        await attach_or_log(shell, clients, now, wanted, follow=True)
        if not options.leave_stdin_open and options.restart != "Always":
            # OnFailure is tried until it succeeds.
            over = pods.is_terminal if options.restart == "Never" else _has_succeeded
            _tell_end(await wait_pod(clients, pod, over, 0))
    finally:
        if options.remove:
            gone = await clients.pods.delete(name, place, uid=pod.metadata.uid)
            await wait_gone(shell, clients.pods, place, name, gone.metadata.uid)
            shell.err(f'pod "{name}" deleted')


def _is_up(pod: pod_pb2.Pod) -> bool:
    return pods.is_terminal(pod) or (pod.status.phase == "Running" and pods.is_ready(pod))


def _has_succeeded(pod: pod_pb2.Pod) -> bool:
    return pod.status.phase == "Succeeded"


def _tell_end(pod: pod_pb2.Pod) -> None:
    if pod.status.phase == "Succeeded":
        return
    where = f"pod {pod.metadata.namespace}/{pod.metadata.name}"
    states = [status.state for status in pod.status.container_statuses]
    if not states or not states[0].terminated.exit_code:
        raise Failure(f"{where} failed with unknown exit code")
    ended = states[0].terminated
    raise Exit(ended.exit_code, f"{where} terminated ({ended.reason})\n{ended.message}".rstrip())
